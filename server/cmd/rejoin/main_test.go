package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	"github.com/rejoin-dev/rejoin/server"
)

// rejoin runs a command line to its end.
func rejoin(args ...string) (code int, stdout, stderr string) {
	return rejoinReading(strings.NewReader(""), args...)
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

// rejoinReading does the same with something to read on standard input.
func rejoinReading(in io.Reader, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, terminal{in, &out, &err})
	return code, out.String(), err.String()
}

// serve runs `rejoin serve` until the test ends and returns what it has printed once it answers, and its base URL.
func serve(t *testing.T, args ...string) (greeting, base string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var stdout, stderr output
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"serve", "--addr=127.0.0.1:0", "--drain=0s"}, args...), terminal{out: &stdout, err: &stderr})
	}()
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
		greeting, base := serve(t, "--data", data)
		if regexp.MustCompile(`[0-9a-f]{64}`).MatchString(greeting) {
			t.Errorf("the second greeting holds a token: %s", greeting)
		}
		line := regexp.MustCompile(`(?m)^  new token  (.*)$`).FindStringSubmatch(greeting)
		if line == nil {
			t.Fatalf("it does not say how to get a token: %s", greeting)
		}
		command := exec.Command("sh", "-c", line[1])
		command.Env = append(os.Environ(), mainEnv+"=1")
		token, err := command.Output()
		if err != nil || get(t, base+"/servers", string(token)) != http.StatusOK {
			t.Errorf("%s: %q (%v), want a token", line[1], token, err)
		}
	})
}

// get asks for something with a token and returns the status.
func get(t *testing.T, url, token string) (status int) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return answer.StatusCode
}

func TestTheCommandLineThatIsPrintedHoldsNoPassword(t *testing.T) {
	const secret = "postgres://me:pass-word@db.example/rejoin?sslmode=require&sslpassword=pass-word"
	for token, said := range map[string]string{"": "  new token with the password in $PGPASSWORD  ", "abc": "another one at any time with the password in $PGPASSWORD:\n\n  "} {
		var out bytes.Buffer
		serveCommand{storage: storage{DB: secret}}.greet(terminal{out: &out}, server.Config{}, &net.TCPAddr{}, "me@example.com", token)
		if _, line, _ := strings.Cut(out.String(), said); strings.Contains(out.String(), "pass-word") ||
			!strings.HasSuffix(line, " token --db 'postgres://me@db.example/rejoin?sslmode=require' --email me@example.com\n\n") {
			t.Errorf("from a flag: %s", &out)
		}
	}
	t.Setenv("REJOIN_DB", secret)
	if line, needs := (storage{DB: secret}).commandLine("token"); needs != "" || !strings.HasSuffix(line, ` token --db "$REJOIN_DB"`) {
		t.Errorf("from the environment: %s", line)
	}
	if line, _ := (storage{Data: "/it's here"}).commandLine("token"); !strings.HasSuffix(line, ` token --data '/it'\''s here'`) {
		t.Errorf("an odd directory: %s", line)
	}
}

func TestATokenMadeWhileTheServerRunsWorks(t *testing.T) {
	data := t.TempDir()
	_, base := serve(t, "--data", data)
	code, token, stderr := rejoin("token", "--data", data, "--email", "you@example.com")
	if code != 0 || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(token) || !strings.Contains(stderr, "there was no account you@example.com; it is made") {
		t.Fatalf("got %d %q %q, want a token alone, and that there was no account", code, token, stderr)
	}
	if status := get(t, base+"/servers", token); status != http.StatusOK {
		t.Errorf("it opens with %d", status)
	}
}

func TestATokenMakesNoDatabaseAndSaysWhenItMakesAnAccount(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new")
	args := []string{"token", "--data", data, "--email", "you@example.com"}
	if code, _, stderr := rejoin(args...); code != 1 || stderr != "rejoin: there is no database in "+data+": rejoin serve makes one; one in PostgreSQL is named by --db or $REJOIN_DB\n" {
		t.Errorf("got %d %q, want that there is no database", code, stderr)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a directory was made")
	}
	t.Run("serve", func(t *testing.T) { serve(t, "--data", data) })
	for _, said := range []string{"rejoin: there was no account you@example.com; it is made\n", ""} {
		if code, token, stderr := rejoin(args...); code != 0 || len(token) != 65 || stderr != said {
			t.Errorf("got %d %q %q, want a token, and to hear %q", code, token, stderr, said)
		}
	}
}

func TestATokenNeedsTheDatabaseAlone(t *testing.T) {
	data := t.TempDir()
	t.Run("serve", func(t *testing.T) { serve(t, "--data", data) })
	t.Setenv("AWS_ACCESS_KEY_ID", "someone")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "pass-word")
	away := "--images=s3://pictures?endpoint=http://127.0.0.1:1"
	if code, token, stderr := rejoin("token", "--data", data, away, "--email", "owner@rejoin.local"); code != 0 || len(token) != 65 {
		t.Errorf("with the images away: %d %q %q", code, token, stderr)
	}
	if code, _, stderr := rejoin("backup", "--data", data, away, "-"); code != 1 || !strings.Contains(stderr, "images cannot be read") {
		t.Errorf("a backup: %d %q, want that the images are away", code, stderr)
	}
}

func TestASecondServerOnTheSameDataIsRefusedAndLeavesTheFirstAlone(t *testing.T) {
	// The path of a socket may have some hundred characters, that of a directory a few thousand.
	data := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 15), "data")
	_, base := serve(t, "--data", data)
	code, stdout, stderr := rejoin("serve", "--addr=127.0.0.1:0", "--data", data)
	if code != 1 || stdout != "" || !regexp.MustCompile(`^rejoin: another Rejoin \(process \d+\) runs on the data directory .*\n$`).MatchString(stderr) {
		t.Errorf("the second: %d %q %q", code, stdout, stderr)
	}
	for i, name := range []string{"rejoin.db", "rejoin.db-wal", "rejoin.db-shm", "rejoin.db.lock", "rejoin.sock"} {
		if info, err := os.Stat(filepath.Join(data, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%d: %s: %v %v, want it to be its owner's only", i, name, info, err)
		}
	}
	if code, token, stderr := rejoin("token", "--data", data, "--email", "owner@rejoin.local"); code != 0 || len(token) != 65 || stderr != "" {
		t.Errorf("the first answers a token with %d %q %q", code, token, stderr)
	}
	if answer, err := http.Get(base + "/readyz"); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("the first: %v %v", answer, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestFlagsAreEnvironmentVariablesToo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "from-environment")
	t.Setenv("REJOIN_DATA", data)
	if greeting, _ := serve(t); !strings.Contains(greeting, data) {
		t.Errorf("the data is elsewhere: %s", greeting)
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
	t.Setenv("AWS_ACCESS_KEY_ID", "someone")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "pass-word")
	const nowhere = "postgres://someone:pass-word@127.0.0.1:1/db"
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown flag":           {[]string{"serve", "--nonsense"}, 2, "--nonsense"},
		"unknown command":        {[]string{"nonsense"}, 2, "nonsense"},
		"help on nothing":        {[]string{"help", "nonsense"}, 2, "no such command: nonsense"},
		"no command":             {nil, 2, "expected"},
		"busy port":              {[]string{"serve", "--data", t.TempDir(), "--addr", busy.Addr().String()}, 1, "in use"},
		"bad address":            {[]string{"serve", "--addr", "nonsense"}, 2, "--addr must be HOST:PORT"},
		"bad port":               {[]string{"serve", "--addr", "127.0.0.1:65536"}, 2, "--addr must be HOST:PORT"},
		"somebody else's":        {[]string{"serve", "--data", t.TempDir(), "--addr", "192.0.2.1:0"}, 1, "--addr cannot be listened on: 192.0.2.1:0: cannot assign"},
		"no data directory":      {[]string{"serve", "--data", ""}, 2, "--data must be a directory"},
		"data is a file":         {[]string{"serve", "--data", file, "--addr", "127.0.0.1:0"}, 1, "data directory"},
		"not a database":         {[]string{"serve", "--data", garbage, "--addr", "127.0.0.1:0"}, 1, "database"},
		"no database server":     {[]string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--db", nowhere}, 1, "cannot be reached: 127.0.0.1:1: connection refused"},
		"no database host":       {[]string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--db", "postgres://someone:pass-word@no.invalid/db"}, 1, "cannot be reached: no.invalid: "},
		"not a database URL":     {[]string{"serve", "--db", "mysql://x"}, 2, "--db must be a URL such as postgres://"},
		"bad database port":      {[]string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--db", "postgres://someone:pass-word@127.0.0.1:99999/db"}, 1, "not a valid postgres:// URL"},
		"not a bucket":           {[]string{"serve", "--images", "gs://pictures"}, 2, "--images must be a directory, or a URL such as s3://"},
		"bucket and password":    {[]string{"token", "--images", "s3://me:pass-word@pictures", "--email", "you@example.com"}, 2, "--images must hold no credentials"},
		"no bucket service":      {[]string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--images", "s3://pictures?endpoint=http://127.0.0.1:1"}, 1, "images cannot be kept: the images cannot be reached: 127.0.0.1:1: connection refused"},
		"bad public URL":         {[]string{"serve", "--public-url", "community.example"}, 2, "--public-url must be an origin"},
		"public URL, path":       {[]string{"serve", "--public-url", "https://community.example/api"}, 2, "--public-url must be an origin, such as https://community.example, without a path"},
		"public URL, query":      {[]string{"serve", "--public-url", "https://community.example?a=b"}, 2, "without a query"},
		"public URL, user":       {[]string{"serve", "--public-url", "https://me:pass-word@community.example"}, 2, "without a user"},
		"public URL, fragment":   {[]string{"serve", "--public-url", "https://community.example#top"}, 2, "without a fragment"},
		"public URL, no web":     {[]string{"serve", "--public-url", "ftp://community.example"}, 2, "--public-url must begin with http"},
		"bad CORS origin":        {[]string{"serve", "--cors-origin", "https://app.example,null"}, 2, "--cors-origin must be an origin"},
		"CORS origin, path":      {[]string{"serve", "--cors-origin", "https://app.example/"}, 2, "--cors-origin must be an origin, such as https://community.example, without a path"},
		"all origins and one":    {[]string{"serve", "--cors-origin", "*", "--cors-origin", "https://app.example"}, 2, "--cors-origin must be * alone"},
		"not an SMTP URL":        {[]string{"serve", "--smtp", "mail.example:587"}, 2, "--smtp: "},
		"bad SMTP URL":           {[]string{"serve", "--smtp", "smtp://someone:pass-word@mail example"}, 2, "--smtp: "},
		"bad SMTP sender":        {[]string{"serve", "--smtp", "smtp://someone:pass-word@mail.example?from=me"}, 2, "--smtp: the sender of mails"},
		"bad rate":               {[]string{"serve", "--rate-limit", "many"}, 2, `must be a factor, such as 2 or 0.5, or off, and is "many"`},
		"no number of a rate":    {[]string{"serve", "--rate-limit", "NaN"}, 2, `must be a factor, such as 2 or 0.5, or off, and is "NaN"`},
		"bad network":            {[]string{"serve", "--trust-proxy", "10.0.0.0/8,nonsense"}, 2, `--trust-proxy must be a network, such as 127.0.0.1/32 or 192.0.2.7/32, and is "nonsense"`},
		"negative drain":         {[]string{"serve", "--drain=-1s"}, 2, "--drain must not be negative"},
		"no drain":               {[]string{"serve", "--drain=soon"}, 2, "--drain"},
		"bad log":                {[]string{"serve", "--log", "xml"}, 2, "--log must be one of text, json, and is \"xml\" (rejoin help serve lists what there is)"},
		"bad check":              {[]string{"serve", "--check-answers", "perhaps"}, 2, "--check-answers must be one of"},
		"token without email":    {[]string{"token"}, 2, "--email is required (rejoin help token"},
		"conform without all":    {[]string{"conform"}, 2, "--token, --url are required"},
		"conform without tokens": {[]string{"conform", "--url", "http://localhost:1"}, 2, "--token is required"},
		"conform without a URL":  {[]string{"conform", "--token", "a", "--token", "b"}, 2, "--url is required"},
		"conform with one token": {[]string{"conform", "--url", "http://localhost:1", "--token", "a"}, 2, "--token must be given twice"},
		"token for nobody":       {[]string{"token", "--email", "nobody"}, 2, "--email must be an e-mail address"},
		"token from no database": {[]string{"token", "--db", "nonsense", "--email", "you@example.com"}, 2, "--db must be a URL"},
	} {
		code, _, stderr := rejoin(test.args...)
		if code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: got %d %q, want %d with %q", name, code, stderr, test.code, test.want)
		}
		if strings.Count(strings.TrimSpace(stderr), "\n") > 0 || strings.Contains(stderr, "pass-word") {
			t.Errorf("%s: not one line, or the password: %s", name, stderr)
		}
		for _, raw := range []string{"goroutine", "netip.", "listen tcp", "dial ", "mkdir ", "open ", "parse "} {
			if strings.Contains(stderr, raw) {
				t.Errorf("%s: says %q, which means nothing to an operator: %s", name, raw, stderr)
			}
		}
		for _, cause := range []string{"refused", "no.invalid", "not a"} {
			if strings.Count(stderr, cause) > 1 {
				t.Errorf("%s: says %q more than once: %s", name, cause, stderr)
			}
		}
	}
}

func TestACauseIsSaidOnce(t *testing.T) {
	missing := &fs.PathError{Op: "open", Path: "/nowhere", Err: fs.ErrNotExist}
	for want, err := range map[string]error{
		"it broke":                                errors.Join(errors.New("it broke"), errors.New("it broke")),
		"cannot start: it broke":                  errors.Join(errors.New("cannot start: it broke"), errors.New("it broke")),
		"it broke; and could not close":           errors.Join(errors.New("it broke"), errors.New("and could not close")),
		"no skips: /nowhere: file does not exist": fmt.Errorf("no skips: %w", missing),
	} {
		if got := say(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestVersionNamesTheContract(t *testing.T) {
	for _, spelling := range []string{"version", "--version"} {
		if code, stdout, _ := rejoin(spelling); code != 0 || !strings.Contains(stdout, api.Digest) {
			t.Errorf("%s: got %d %q", spelling, code, stdout)
		}
	}
}

func TestHelpIsASuccessHoweverItIsAskedFor(t *testing.T) {
	for _, spelling := range []string{"help", "--help", "-h"} {
		if code, stdout, _ := rejoin(spelling); code != 0 || !strings.Contains(stdout, "serve") || !strings.Contains(stdout, "token") {
			t.Errorf("%s: got %d %q", spelling, code, stdout)
		}
	}
	_, want, _ := rejoin("serve", "--help")
	if code, stdout, _ := rejoin("help", "serve"); code != 0 || stdout != want {
		t.Errorf("help serve: got %d %q, want what serve --help says", code, stdout)
	}
}

func TestHelpNamesDefaultsAndVariables(t *testing.T) {
	_, stdout, _ := rejoin("serve", "--help")
	help := strings.Join(strings.Fields(stdout), " ")
	for _, want := range []string{
		"(default 127.0.0.1:8080, $REJOIN_ADDR)", "(default ./rejoin-data, $REJOIN_DATA)", "(default text, $REJOIN_LOG)",
		"(default off, $REJOIN_CHECK_ANSWERS)", "($REJOIN_CORS_ORIGIN)",
	} {
		if !strings.Contains(help, want) {
			t.Errorf("the help does not say %s: %s", want, stdout)
		}
	}
}

func TestTheReadmeListsTheFlagsOfServe(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := rejoin("serve", "--help")
	help := strings.Join(strings.Fields(stdout), " ")
	row := regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| `([A-Z_]+)` \\| (.*?) \\|")
	listed := map[string]bool{}
	for _, cells := range row.FindAllStringSubmatch(string(readme), -1) {
		listed[cells[1]] = true
		want := "$" + cells[2] + ")"
		if value, ok := strings.CutPrefix(cells[3], "`"); ok {
			want = "(default " + strings.TrimSuffix(value, "`") + ", " + want
		}
		if !strings.Contains(help, "--"+cells[1]+"=") || !strings.Contains(help, want) {
			t.Errorf("README has --%s with %s, and the help has not: %s", cells[1], want, stdout)
		}
	}
	for _, flag := range regexp.MustCompile(`(?m)^ +--([a-z-]+)=`).FindAllStringSubmatch(stdout, -1) {
		if !listed[flag[1]] {
			t.Errorf("README does not list --%s", flag[1])
		}
	}
}

func TestTheLogSaysWhenTheServerHasStartedAndStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr output
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--addr=127.0.0.1:0", "--drain=0s", "--log=json", "--data", t.TempDir()}, terminal{out: &stdout, err: &stderr})
	}()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(stderr.String(), `"started"`) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	if code := <-done; code != 0 {
		t.Fatalf("serve ended with %d: %s", code, &stderr)
	}
	first, _, _ := strings.Cut(stderr.String(), "\n")
	var started struct{ Msg, Address, Database, Version, Contract string }
	if err := json.Unmarshal([]byte(first), &started); err != nil || started.Msg != "started" || started.Database != "SQLite" ||
		!strings.Contains(stdout.String(), started.Address) || started.Version == "" || started.Contract != api.Digest {
		t.Errorf("the log begins with %s (%v)", first, err)
	}
	if !strings.HasSuffix(stderr.String(), `"msg":"stopped"}`+"\n") {
		t.Errorf("the log does not end with the stop: %s", &stderr)
	}
}
