package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// A gate is the way to a PostgreSQL server, and can be shut.
type gate struct {
	t        *testing.T
	server   string // its socket
	dir      string
	mu       sync.Mutex
	listener net.Listener
	through  []net.Conn
}

// gateTo returns an open gate to the server of a database, and the address of the database behind it.
func gateTo(t *testing.T, database string) (g *gate, behind string) {
	t.Helper()
	address, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "rejoin-gate") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	query := address.Query()
	g = &gate{t: t, server: filepath.Join(query.Get("host"), socket), dir: dir}
	query.Set("host", dir)
	address.RawQuery = query.Encode()
	g.open()
	t.Cleanup(func() { g.shut(); os.RemoveAll(dir) })
	return g, address.String()
}

func (g *gate) open() {
	listener, err := net.Listen("unix", filepath.Join(g.dir, filepath.Base(g.server)))
	if err != nil {
		g.t.Fatal(err)
	}
	g.listener = listener
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", g.server)
			if err != nil {
				client.Close()
				continue
			}
			g.mu.Lock()
			g.through = append(g.through, client, server)
			g.mu.Unlock()
			go func() { io.Copy(server, client); server.Close() }()
			go func() { io.Copy(client, server); client.Close() }()
		}
	}()
}

// shut breaks all connections, too.
func (g *gate) shut() {
	g.listener.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.through {
		conn.Close()
	}
	g.through = nil
}

// A line of a log.
type logLine struct {
	Level, Msg, Error string
	DurationMS        float64 `json:"duration_ms"`
}

// linesOf are the lines of a log that are not about one request, and the errors.
func linesOf(t *testing.T, log string) (lines []logLine) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line logLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if line.Msg != "request" && !strings.HasPrefix(line.Msg, "a mail was written") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestWithoutPostgreSQLForAWhileAServerSaysSoOnceAndRecovers(t *testing.T) {
	config := onPostgreSQL(t)
	other := open(t, Config{Data: t.TempDir(), Database: config.Database, SecretKey: testKey, Idle: true})
	var log safeBuffer
	config.Log = slog.New(slog.NewJSONHandler(&log, nil))
	way, behind := gateTo(t, config.Database)
	config.Database = behind
	s, err := New(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	token := tokenOf(t, s, "a@example.com")
	answer := func() int { return send(s.Handler(), request("GET", "/servers", token)).Code }
	ready := func() int { return send(s.Handler(), request("GET", "/readyz", "")).Code }
	inParallel(20, func(int) int { return answer() }) // as many connections as there may be
	if got := ready(); got != http.StatusOK {
		t.Fatalf("not ready at first: %d", got)
	}

	way.shut()
	postJSON(other.Handler(), "/auth/register", "", map[string]any{"email": "b@example.com", "password": passphrase})
	for range 3 {
		codes := inParallel(30, func(int) int { return answer() })
		w := send(s.Handler(), request("GET", "/servers", token))
		if codes[http.StatusServiceUnavailable] != 30 || problemOf(t, w).Body.Code != "unavailable" || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %v, and %d %v %s; want 503, unavailable and a Retry-After", codes, w.Code, w.Header(), w.Body)
		}
		if got := ready(); got != http.StatusServiceUnavailable {
			t.Errorf("ready without a database: %d", got)
		}
		time.Sleep(400 * time.Millisecond) // the jobs are looked for meanwhile, too
	}

	way.open()
	codeFor(t, config.Data, "b@example.com")
	if got, page := ready(), answer(); got != http.StatusOK || page != http.StatusOK {
		t.Errorf("got %d and %d with the database back, want 200", got, page)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	lines := linesOf(t, log.String())
	if len(lines) != 2 || lines[0].Level != "ERROR" || lines[0].Error == "" || lines[1].Level != "INFO" || lines[1].DurationMS < 1000 {
		t.Errorf("want one line for the loss and one for the return: %s", &log)
	}
}

// A server whose processes are stopped, on a machine that swaps or behind a network that drops everything, refuses nothing and
// answers nothing.
func TestAFrozenPostgreSQLIsAnsweredForInSecondsAndHealsByItself(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Own(t)
	s := open(t, Config{Data: t.TempDir(), Database: cluster.URL(), SecretKey: testKey})
	token := tokenOf(t, s, "a@example.com")
	answers := func() (map[int]int, time.Duration) {
		began := time.Now()
		codes := inParallel(60, func(i int) int { // more than there are connections
			if i%2 == 0 {
				return send(s.Handler(), request("GET", "/servers", token)).Code
			}
			return send(s.Handler(), createRequest("/servers", token, "Club")).Code
		})
		return codes, time.Since(began)
	}
	if codes, _ := answers(); codes[http.StatusOK] != 30 || codes[http.StatusCreated] != 30 {
		t.Fatalf("at first: got %v", codes)
	}
	cluster.Freeze()
	for range 2 {
		codes, took := answers()
		if codes[http.StatusServiceUnavailable] != 60 || took > 12*time.Second {
			t.Errorf("frozen: got %v after %v, want 503 after about 5 s", codes, took)
		}
	}
	cluster.Thaw()
	deadline := time.Now().Add(30 * time.Second)
	for {
		codes, _ := answers()
		if codes[http.StatusOK] == 30 && codes[http.StatusCreated] == 30 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("thawed: got %v", codes)
		}
	}
}

func TestAStopLogsNoError(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		var log safeBuffer
		config.Log = slog.New(slog.NewJSONHandler(&log, nil))
		for range 3 {
			s, err := New(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(150 * time.Millisecond) // so that jobs are looked for
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if lines := linesOf(t, log.String()); len(lines) > 0 {
			t.Errorf("want nothing: %s", &log)
		}
	})
}
