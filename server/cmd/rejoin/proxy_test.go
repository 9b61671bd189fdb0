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

// proxying runs a proxy to a backend, and ends it.
func proxying(t *testing.T, backend http.HandlerFunc) (base string, stdout *output, end func() (findings string)) {
	t.Helper()
	behind := httptest.NewServer(backend)
	t.Cleanup(behind.Close)
	file := filepath.Join(t.TempDir(), "findings.jsonl")
	ctx, stop := context.WithCancel(t.Context())
	stdout = &output{}
	var stderr output
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"conform", "proxy", "--listen=127.0.0.1:0", "--to", behind.URL, "--findings", file}, terminal{out: stdout, err: &stderr})
	}()
	eventually(t, stdout, "Ctrl-C")
	return regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(stdout.String()), stdout, func() string {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if code := <-done; code != 0 {
			t.Errorf("got %d: %s%s", code, stdout, &stderr)
		}
		findings, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		return string(findings)
	}
}

// eventually waits until something is printed.
func eventually(t *testing.T, stdout *output, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(stdout.String(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is not printed: %s", want, stdout)
		}
	}
}

func TestAProxyReportsWhatPassesThroughAsItHappensAndInAll(t *testing.T) {
	base, stdout, end := proxying(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "one")
		w.Header().Set("Cache-Control", "no-store")
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(401)
			io.WriteString(w, `{"meta":{"success":false,"message":"No","devMessage":"no"},"body":{"code":"unauthenticated","requestId":"one","fields":[]}}`)
			return
		}
		io.WriteString(w, `{"meta":{"success":true,"message":"My servers","devMessage":"My servers"},"body":null}`)
	})
	for _, credential := range []string{"", "Bearer x"} {
		r, err := http.NewRequest("GET", base+"/servers", nil)
		if err != nil {
			t.Fatal(err)
		}
		if credential != "" {
			r.Header.Set("Authorization", credential)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	eventually(t, stdout, " GET /servers 200, answer /body: ")
	if findings := end(); !strings.Contains(findings, `"pointer":"/body"`) {
		t.Errorf("the findings are %s", findings)
	}
	for _, want := range []string{"\nRequests that were answered: 2\n  refused with 401: 1\n", "1  answer listMyServers\n"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in %s", want, stdout)
		}
	}
}

func TestAProxyThatSawNothingSaysSo(t *testing.T) {
	_, stdout, end := proxying(t, func(http.ResponseWriter, *http.Request) {})
	if end(); !strings.HasSuffix(stdout.String(), "\nNothing was seen: no request came.\n") {
		t.Errorf("got %s", stdout)
	}

	base, stdout, end := proxying(t, func(http.ResponseWriter, *http.Request) {})
	answer, err := http.Get(base + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if end(); !strings.Contains(stdout.String(), "  not in the contract: 1\n") || !strings.HasSuffix(stdout.String(), "\nNothing was validated.\n") {
		t.Errorf("got %s", stdout)
	}
}
