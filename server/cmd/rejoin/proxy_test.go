package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestAProxyReportsWhatHasPassedThrough(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "one")
		io.WriteString(w, `{"meta":{"success":true,"message":"My servers","devMessage":""},"body":null}`)
	}))
	defer backend.Close()
	file := filepath.Join(t.TempDir(), "findings.jsonl")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr output
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"conform", "proxy", "--listen=127.0.0.1:0", "--to", backend.URL, "--findings", file}, &stdout, &stderr)
	}()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(stdout.String(), "Ctrl-C"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the proxy does not start: %s%s", &stdout, &stderr)
		}
	}
	base := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(stdout.String())
	answer, err := http.Get(base + "/servers")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	stop()
	if code := <-done; code != 0 || !strings.Contains(stdout.String(), "1  answer listMyServers") {
		t.Errorf("got %d: %s%s", code, &stdout, &stderr)
	}
	if findings, err := os.ReadFile(file); err != nil || !strings.Contains(string(findings), `"pointer":"/body"`) {
		t.Errorf("got %s, %v", findings, err)
	}
}
