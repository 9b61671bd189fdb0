package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

type proxyCommand struct {
	Listen   string `default:"127.0.0.1:8081" help:"Address to listen on." placeholder:"HOST:PORT"`
	To       string `required:"" help:"Address of the backend." placeholder:"URL"`
	Findings string `default:"findings.jsonl" help:"File that gets a line of JSON for each finding." placeholder:"FILE"`
}

func (c proxyCommand) Run(ctx context.Context, t terminal) (err error) {
	file, err := os.OpenFile(c.Findings, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines, unwritten := json.NewEncoder(file), error(nil)
	proxy, err := conformance.NewProxy(c.To, func(f conformance.Finding) {
		fmt.Fprintf(t.out, "%s %s %s %d, %s%s: %s\n", f.At.Format(time.TimeOnly), f.Method, f.Path, f.Status, f.Direction, spaced(f.Pointer), printable(f.Text))
		if err := lines.Encode(f); err != nil {
			unwritten = err
		}
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "http://%s passes on to %s\nFindings are shown here and written to %s. End with Ctrl-C.\n", listener.Addr(), withoutPassword(c.To), c.Findings)
	if err := serveUntil(ctx, listener, proxy); err != nil {
		return err
	}
	seen(t.out, proxy.Summary())
	return unwritten
}

func spaced(pointer string) string {
	if pointer == "" {
		return ""
	}
	return " " + pointer
}

// seen sums up what has passed through a proxy.
func seen(out io.Writer, s conformance.ProxySummary) {
	fmt.Fprintln(out)
	if s.Exchanges+s.Unanswered == 0 {
		fmt.Fprintln(out, "Nothing was seen: no request came.")
		return
	}
	fmt.Fprintf(out, "Requests that were answered: %d\n", s.Exchanges)
	for _, status := range slices.Sorted(maps.Keys(s.Refused)) {
		fmt.Fprintf(out, "  refused with %d: %d\n", status, s.Refused[status])
	}
	for _, some := range []struct {
		what string
		n    int
	}{
		{"  not in the contract", s.Unknown}, {"  too long or cut off, so not validated", s.Unchecked},
		{"Requests without an answer", s.Unanswered},
	} {
		if some.n > 0 {
			fmt.Fprintf(out, "%s: %d\n", some.what, some.n)
		}
	}
	fmt.Fprintf(out, "Operations that gave an answer without a finding: %d of %d\n", s.Operations.Reached, s.Operations.All)
	switch {
	case len(s.Findings) > 0:
		fmt.Fprintln(out, "Findings:")
	case s.Exchanges == s.Unknown+s.Unchecked:
		fmt.Fprintln(out, "Nothing was validated.")
	default:
		fmt.Fprintln(out, "No findings.")
	}
	for _, where := range slices.Sorted(maps.Keys(s.Findings)) {
		fmt.Fprintf(out, "%6d  %s\n", s.Findings[where], where)
	}
}

// serveUntil answers until ctx ends, and then lets what is running finish for a while.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler) error {
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return web.Shutdown(ctx)
}
