package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(bareEnv); file != "" {
		serveBare(file)
		return
	}
	pgtest.Main(m)
}

// testKey is the secret key of servers that share a database.
const testKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// onEachDatabase runs a test on SQLite and on PostgreSQL, side by side, each with the configuration of an empty database.
func onEachDatabase(t *testing.T, test func(t *testing.T, config Config)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, onSQLite(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, onPostgreSQL(t))
	})
}

// onSQLite is the configuration of an empty database, as New leaves it. It is a copy: to make one anew takes longer than
// most tests.
func onSQLite(t testing.TB) Config {
	t.Helper()
	empty, err := emptySQLite()
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Data: t.TempDir()}
	if err := os.WriteFile(filepath.Join(config.Data, "rejoin.db"), empty, 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

var emptySQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "rejoin-empty")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := New(context.Background(), Config{Data: dir})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "rejoin.db"))
})

// onPostgreSQL is the same for PostgreSQL.
func onPostgreSQL(t testing.TB) Config {
	t.Helper()
	emptyPostgreSQL.Do(func() {
		s, err := New(context.Background(), Config{Data: t.TempDir(), Database: pgtest.Template(t), SecretKey: testKey})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return Config{Data: t.TempDir(), Database: pgtest.FromTemplate(t), SecretKey: testKey}
}

var emptyPostgreSQL sync.Once

// open makes a server that is closed when the test ends.
func open(t testing.TB, config Config) *Server {
	t.Helper()
	s, err := New(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		verify(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// verify looks whether every number that is kept is what it is made of, whatever a test has done. One that cannot be looked at is an
// error, too, but where the test has closed the server itself, which its own next one looks at.
func verify(t testing.TB, s *Server) {
	t.Helper()
	ctx, end := context.WithTimeout(context.Background(), verifiesFor)
	defer end()
	if err := s.Verify(ctx, func(difference string) { t.Error(difference) }); err != nil && !strings.Contains(err.Error(), "sql: database is closed") {
		t.Errorf("the numbers could not be verified: %v", err)
	}
}

// verifiesFor is only there to end what hangs.
const verifiesFor = 2 * time.Minute

// openNext opens a second server on the database of a first one: beside it on PostgreSQL, after it on SQLite, which has one
// owner at a time.
func openNext(t testing.TB, first *Server, config Config) *Server {
	t.Helper()
	if config.Database == "" {
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, config)
}

// listen answers on a real socket until the test ends and returns the base URL.
func listen(t testing.TB, s *Server) string {
	t.Helper()
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	return web.URL
}

func tokenOf(t testing.TB, s *Server, email string) string {
	t.Helper()
	token, _, err := s.Token(context.Background(), email)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// openServer makes a server that everybody may join who knows its id.
func openServer(t testing.TB, h http.Handler, token, name string) (id string) {
	t.Helper()
	id = createServer(t, h, token, name)
	if w := send(h, patch("/servers/"+id+"/settings", token, map[string]any{"joining": "open"})); w.Code != http.StatusOK {
		t.Fatalf("opening a server: got %d %s", w.Code, w.Body)
	}
	return id
}

func patch(target, token string, body map[string]any) *http.Request {
	r := jsonRequest(target, token, body)
	r.Method = http.MethodPatch
	return r
}

// send answers a request without a socket.
func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) gen.SystemErrorResponse {
	t.Helper()
	var answer gen.SystemErrorResponse
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Body.Code == "" {
		t.Fatalf("not an envelope: %d %s (%v)", w.Code, w.Body, err)
	}
	return answer
}
