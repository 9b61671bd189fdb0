package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api"
)

// rejoin runs a command line to its end.
func rejoin(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

// output collects what a running command prints.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// serve runs `rejoin serve` until the test ends and returns what it has printed once it answers, and its base URL.
func serve(t *testing.T, args ...string) (greeting, base string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var stdout, stderr output
	done := make(chan int, 1)
	go func() { done <- run(ctx, append([]string{"serve", "--addr=127.0.0.1:0"}, args...), &stdout, &stderr) }()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 {
			t.Errorf("serve ended with %d: %s", code, &stderr)
		}
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		// The greeting ends in an empty line.
		if greeting := stdout.String(); strings.HasSuffix(greeting, "\n\n") {
			return greeting, regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(greeting)
		}
	}
	t.Fatalf("serve does not start: %s%s", &stdout, &stderr)
	return "", ""
}

func TestTheFirstStartPrintsCurlLinesThatWorkAndTheSecondNoToken(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is needed to try what is printed for it: install it")
	}
	data := filepath.Join(t.TempDir(), "new", "data")
	t.Run("first", func(t *testing.T) {
		greeting, base := serve(t, "--data", data)
		for _, part := range []string{base + "/docs", data} {
			if !strings.Contains(greeting, part) {
				t.Errorf("the greeting does not say %q: %s", part, greeting)
			}
		}
		lines := regexp.MustCompile(`(?m)^\s+curl (.*)$`).FindAllStringSubmatch(greeting, -1)
		want := []string{"My servers", "Server has been created successfully"}
		if len(lines) != len(want) {
			t.Fatalf("got %d curl lines, want %d: %s", len(lines), len(want), greeting)
		}
		for i, line := range lines {
			answer, err := exec.Command("sh", "-c", curl+" -sS "+line[1]).CombinedOutput()
			if err != nil || !strings.Contains(string(answer), want[i]) {
				t.Errorf("curl %s: %v: %s", line[1], err, answer)
			}
		}
	})
	t.Run("second", func(t *testing.T) {
		greeting, _ := serve(t, "--data", data)
		if regexp.MustCompile(`[0-9a-f]{64}`).MatchString(greeting) {
			t.Errorf("the second greeting holds a token: %s", greeting)
		}
	})
}

func TestATokenMadeWhileTheServerRunsWorks(t *testing.T) {
	data := t.TempDir()
	_, base := serve(t, "--data", data)
	code, token, stderr := rejoin("token", "--data", data, "--email", "you@example.com")
	if code != 0 || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(token) {
		t.Fatalf("got %d %q %q, want a token and nothing else", code, token, stderr)
	}
	r, err := http.NewRequest("GET", base+"/servers", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		t.Errorf("got %d: %s", answer.StatusCode, body)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestFlagsAreEnvironmentVariablesToo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "from-environment")
	t.Setenv("REJOIN_DATA", data)
	if code, _, stderr := rejoin("token", "--email", "you@example.com"); code != 0 {
		t.Fatalf("got %d: %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(data, "rejoin.db")); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotWorkIsOneClearLineAndANonZeroExit(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a directory, and not a database either, but long enough to be read as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	if err := os.Rename(file, filepath.Join(garbage, "rejoin.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const nowhere = "postgres://someone:pass-word@127.0.0.1:1/db"
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown flag":        {[]string{"serve", "--nonsense"}, 2, "--nonsense"},
		"unknown command":     {[]string{"nonsense"}, 2, "nonsense"},
		"no command":          {nil, 2, "expected"},
		"busy port":           {[]string{"serve", "--data", t.TempDir(), "--addr", busy.Addr().String()}, 1, "in use"},
		"bad address":         {[]string{"serve", "--data", t.TempDir(), "--addr", "nonsense"}, 1, "nonsense"},
		"data is a file":      {[]string{"serve", "--data", file, "--addr", "127.0.0.1:0"}, 1, "data directory"},
		"not a database":      {[]string{"serve", "--data", garbage, "--addr", "127.0.0.1:0"}, 1, "database"},
		"no database server":  {[]string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--db", nowhere}, 1, "cannot be reached"},
		"not a database URL":  {[]string{"serve", "--db", "mysql://x"}, 2, "postgres://"},
		"bad public URL":      {[]string{"serve", "--public-url", "community.example"}, 2, "--public-url"},
		"not an SMTP URL":     {[]string{"serve", "--smtp", "mail.example:587"}, 2, "--smtp"},
		"bad SMTP URL":        {[]string{"serve", "--smtp", "smtp://someone:pass-word@mail example"}, 2, "--smtp"},
		"bad SMTP sender":     {[]string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--smtp", "smtp://someone:pass-word@mail.example?from=me"}, 1, "from="},
		"bad network":         {[]string{"serve", "--trust-proxy", "nonsense"}, 2, "--trust-proxy"},
		"bad log":             {[]string{"serve", "--log", "xml"}, 2, "--log"},
		"token without email": {[]string{"token"}, 2, "--email"},
		"token for nobody":    {[]string{"token", "--data", t.TempDir(), "--email", "nobody"}, 1, "e-mail address"},
	} {
		code, _, stderr := rejoin(test.args...)
		if code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: got %d %q, want %d with %q", name, code, stderr, test.code, test.want)
		}
		if strings.Count(strings.TrimSpace(stderr), "\n") > 0 || strings.Contains(stderr, "goroutine") || strings.Contains(stderr, "pass-word") {
			t.Errorf("%s: not one line, a stack trace, or the password: %s", name, stderr)
		}
	}
}

func TestVersionNamesTheContract(t *testing.T) {
	if code, stdout, _ := rejoin("version"); code != 0 || !strings.Contains(stdout, api.Digest) {
		t.Errorf("got %d %q", code, stdout)
	}
}

func TestHelpIsASuccess(t *testing.T) {
	if code, stdout, _ := rejoin("--help"); code != 0 || !strings.Contains(stdout, "serve") || !strings.Contains(stdout, "token") {
		t.Errorf("got %d %q", code, stdout)
	}
}
