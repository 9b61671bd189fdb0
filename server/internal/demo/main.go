// Command demo shows what Rejoin is: a lively community on SQLite, and a page on another origin that embeds every widget in every way. It
// prints the two addresses, opens nothing by itself, and keeps nothing when it ends.
//
//	go run ./server/internal/demo
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rejoin-dev/rejoin/server"
)

func main() {
	api := flag.String("api", "127.0.0.1:8088", "where the server answers")
	page := flag.String("page", "127.0.0.1:8089", "where the page of the shop answers, which is another origin")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *api, *page, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// A clock is as far behind as the history that is being made.
type clock struct{ behind atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(-time.Duration(c.behind.Load())) }
func (c *clock) set(behind time.Duration) { c.behind.Store(int64(behind)) }

// run shows the demo until the context ends, and removes all of it.
func run(ctx context.Context, apiAt, pageAt string, out io.Writer) (err error) {
	data, err := os.MkdirTemp("", "rejoin-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()

	api, err := net.Listen("tcp", apiAt)
	if err != nil {
		return err
	}
	defer api.Close()
	page, err := net.Listen("tcp", pageAt)
	if err != nil {
		return err
	}
	defer page.Close()

	clock := &clock{}
	clock.set(history)
	s, err := server.New(ctx, server.Config{Data: data, RateLimit: -1, Now: clock.now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	web := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(api) }() // until it is closed
	defer web.Close()

	apiURL, pageURL := "http://"+api.Addr().String(), "http://"+page.Addr().String()
	fmt.Fprintln(out, "A community comes together. That takes some seconds.")
	began := time.Now()
	seeder := seeder{ctx: ctx, server: s, clock: clock, url: apiURL, page: pageURL}
	club, err := seeder.seed()
	if err != nil {
		return fmt.Errorf("the community could not be made: %w", err)
	}
	shop := &http.Server{Handler: shopOf(club, apiURL), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = shop.Serve(page) }() // until it is closed
	defer shop.Close()

	fmt.Fprintf(out, `It has %d members, and %d messages of ten days. It took %s.

  the shop       %s    a page of another origin, which shows every widget in every way
  the server     %s    its reference is at /docs

The session token of its owner, %s:

  %s

Ctrl-C ends both, and removes everything.
`, len(club.members), club.messages, time.Since(began).Round(100*time.Millisecond), pageURL, apiURL, club.members[0].email, club.members[0].token)
	<-ctx.Done()
	fmt.Fprintln(out, "\nIt is gone.")
	return nil
}
