package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// draining serves until the end of the test, and returns once the server drains.
func draining(t *testing.T, drain time.Duration) (base string, listener net.Listener, done chan error, log *safeBuffer) {
	t.Helper()
	config := onSQLite(t)
	log = &safeBuffer{}
	config.Drain, config.Log = drain, slog.New(slog.NewTextHandler(log, nil))
	s := open(t, config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done = make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	base = "http://" + listener.Addr().String()
	if code := get(t, base+"/readyz").StatusCode; code != http.StatusOK {
		t.Fatalf("not ready at first: %d", code)
	}
	stop()
	for send(s.Handler(), request("GET", "/readyz", "")).Code != http.StatusServiceUnavailable {
		time.Sleep(time.Millisecond)
	}
	return base, listener, done, log
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer
}

func TestWhileItDrainsAServerIsNotReadyAndAnswers(t *testing.T) {
	base, listener, done, log := draining(t, time.Hour)
	if answer := get(t, base+"/readyz"); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz: got %d, want 503", answer.StatusCode)
	}
	for range 3 {
		if answer := get(t, base+"/openapi.yaml"); answer.StatusCode != http.StatusOK || !answer.Close {
			t.Errorf("got %d, the connection to be closed: %t; want 200 and that", answer.StatusCode, answer.Close)
		}
	}
	listener.Close() // which is how a second signal ends it
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if strings.Count(log.String(), "msg=draining duration_ms=3600000\n") != 1 {
		t.Errorf("want one line about the draining: %s", log)
	}
}

func TestDrainingEnds(t *testing.T) {
	base, _, done, _ := draining(t, 50*time.Millisecond)
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := http.Get(base + "/livez"); err == nil {
		t.Error("connections are still taken")
	}
}
