package main

import (
	"context"
	"errors"
	"fmt"
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
	To       string `required:"" help:"The backend." placeholder:"URL"`
	Findings string `default:"findings.jsonl" help:"File that gets a line of JSON for each finding." placeholder:"FILE"`
}

func (c proxyCommand) Run(ctx context.Context, t terminal) (err error) {
	file, err := os.OpenFile(c.Findings, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	proxy, err := conformance.NewProxy(c.To, file)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "http://%s passes on to %s\nfindings go to %s; end with Ctrl-C\n\n", listener.Addr(), conformance.WithoutPassword(c.To), c.Findings)
	if err := serveUntil(ctx, listener, proxy); err != nil {
		return err
	}
	summary, err := proxy.Summary()
	fmt.Fprintf(t.out, "%d exchanges; %d of them the contract says nothing about, and %d could not be looked at\n",
		summary.Exchanges, summary.Unknown, summary.Unchecked)
	if summary.Unanswered > 0 {
		fmt.Fprintf(t.out, "%d requests to which the backend gave no answer\n", summary.Unanswered)
	}
	fmt.Fprintf(t.out, "operations that gave an answer without a finding: %d of %d\n", summary.Operations.Reached, summary.Operations.All)
	if len(summary.Findings) == 0 {
		fmt.Fprintln(t.out, "nothing broke the contract")
	}
	for _, where := range slices.Sorted(maps.Keys(summary.Findings)) {
		fmt.Fprintf(t.out, "%6d  %s\n", summary.Findings[where], where)
	}
	return err
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
