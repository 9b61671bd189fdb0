// Command mutants tests the conformance suite: each mutant is the reference server with one fault, and the requirement that
// is about it must notice. It prints what killed each of them, and fails if one survives.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rejoin-dev/rejoin/api/conformance"
	"github.com/rejoin-dev/rejoin/server"
)

// atOnce is how many mutants live at a time. They wait for the disk more than they compute.
const atOnce = 6

func main() {
	type verdict struct {
		by  string
		err error
	}
	// What kills a server without a fault would kill every mutant.
	if by, err := run(mutant{"none", "", func(good http.Handler) http.Handler { return good }}); by != "" || err != nil {
		fmt.Fprintln(os.Stderr, "the suite notices a fault where there is none:", by, err)
		os.Exit(1)
	}
	verdicts := make([]verdict, len(mutants))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, m := range mutants {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			verdicts[i].by, verdicts[i].err = run(m)
		})
	}
	all.Wait()

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	killed := 0
	for i, v := range verdicts {
		switch {
		case v.err != nil:
			v.by = "ERROR: " + v.err.Error()
		case v.by == "":
			v.by = "SURVIVED"
		default:
			killed++
		}
		fmt.Fprintf(table, "%s\t%s\n", mutants[i].fault, v.by)
	}
	table.Flush()
	fmt.Printf("\n%d of %d mutants killed\n", killed, len(mutants))
	if killed < len(mutants) {
		os.Exit(1)
	}
}

// fromEverywhere lets each request come from another address, and those about one account from the same: how often an address
// may sign up and in is limited, and to wait for that in every mutant would take long, but it is also what wrong tries are
// counted by. What has an idempotency key comes from the same one, because there the address is what anonymous callers are
// known by.
func fromEverywhere(good http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") != "" {
			good.ServeHTTP(w, r)
			return
		}
		n := rand.Uint32()
		if strings.HasPrefix(r.URL.Path, "/auth/") {
			body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
			var about struct{ Email string }
			if json.Unmarshal(body, &about) == nil && about.Email != "" {
				n = crc32.ChecksumIEEE([]byte(about.Email))
			}
		}
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", byte(n>>16), byte(n>>8), byte(n))
		good.ServeHTTP(w, r)
	})
}

// run runs the requirement that must notice a mutant against it, or all of them, until the first is not met. It returns
// which one; empty if all are.
func run(m mutant) (killedBy string, err error) {
	data, err := os.MkdirTemp("", "rejoin-mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(data)
	ctx, stop := context.WithTimeout(context.Background(), 15*time.Minute)
	defer stop()
	config := server.Config{Data: data, WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	if m.by == "" { // all of the suite would mostly wait for the usual rates
		config.RateLimit = 4
	}
	s, err := server.New(ctx, config)
	if err != nil {
		return "", err
	}
	defer s.Close()
	mail := filepath.Join(data, "mail")
	web := httptest.NewServer(m.mutate(reference{fromEverywhere(s.Handler()), mail}))
	defer web.Close()
	target := conformance.Target{URL: web.URL, Code: conformance.MailDir(mail), Receiver: "127.0.0.1:0"}
	if target.A, _, err = s.Token(ctx, "anna@example.com"); err != nil {
		return "", err
	}
	if target.B, _, err = s.Token(ctx, "ben@example.com"); err != nil {
		return "", err
	}
	if m.by != "" {
		target.Options.Match = regexp.MustCompile("^" + regexp.QuoteMeta(m.by) + "$")
	}
	return verify(ctx, target)
}
