// Package clienttest runs the reference server inside a test, for programs that call the API.
//
// One line makes a client that is signed in as a fresh account, on a server of its own with an empty database:
//
//	func TestClub(t *testing.T) {
//		c := clienttest.New(t)
//		club, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"})
//		...
//	}
//
// It is the real server, with SQLite in a directory of the test, and it keeps the contract: what was made is there, a
// limit limits, a key that was deleted opens nothing; only how often it is called is not limited, but for signing in. It ends with the test. Each one takes some 20 milliseconds, the
// first one in a process a little longer, and tests may run in parallel.
//
// A test that needs more than one account, the codes that are mailed, or another time takes the [Server] from [Start]:
//
//	s := clienttest.Start(t)
//	vera, ben := s.Client("vera@example.com"), s.Client("ben@example.com")
//	...
//	s.Advance(24 * time.Hour)
//
// To see what a program does when the API is in trouble, say so with [WithFault], or from anywhere else with the header
// Fault of a request: this client gets two answers with status 503 before it gets a good one.
//
//	c := clienttest.New(t, clienttest.WithFault("status=503; times=2"))
package clienttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/server"
)

// New starts a server and returns a client on it that is signed in as a fresh account, user@example.com. Both end with
// the test. The options are for the client, and come after those that lead it to the server.
func New(t testing.TB, opts ...client.Option) *client.Client {
	t.Helper()
	return Start(t).Client("user@example.com", opts...)
}

// A Server is the reference server in this process, on a database of its own. Its methods fail the test if something goes
// wrong, so those that make a client or wait for a code are for the goroutine of the test.
//
// Ids are numbered in the order in which they are made, ids of requests among them: the first one is
// 000000000000000000000001. Those of images are random.
type Server struct {
	// URL is where it answers, for a program that makes a client of its own.
	URL string

	t       testing.TB
	backend *server.Server
	data    string
	clock   clock
	ids     atomic.Int64

	mu   sync.Mutex
	read map[string]bool // The mails of which Code has given the code.
}

// Start starts a server, which ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	empty, err := emptyDatabase()
	if err != nil {
		t.Fatalf("clienttest: no empty database can be made: %v", err)
	}
	s := &Server{t: t, data: t.TempDir(), read: map[string]bool{}}
	if err := os.WriteFile(filepath.Join(s.data, server.DatabaseFile), empty, 0o600); err != nil {
		t.Fatalf("clienttest: %v", err)
	}
	s.backend, err = server.New(context.Background(), server.Config{Data: s.data, RateLimit: -1, Now: s.clock.now, NewID: s.newID})
	if err != nil {
		t.Fatalf("clienttest: the server does not start: %v", err)
	}
	over := make(chan struct{})
	web := httptest.NewServer(&faults{next: s.backend.Handler(), newID: s.newID, over: over})
	s.URL = web.URL
	t.Cleanup(func() {
		close(over)
		web.Close()
		if err := s.backend.Close(); err != nil {
			t.Errorf("clienttest: the server does not close: %v", err)
		}
	})
	return s
}

// emptyDatabase is one as the server makes it, to be copied: that is much faster than to make it anew.
var emptyDatabase = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "rejoin-clienttest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := server.New(context.Background(), server.Config{Data: dir, Idle: true})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, server.DatabaseFile))
})

func (s *Server) newID() string { return fmt.Sprintf("%024x", s.ids.Add(1)) }

// Client returns a client that is signed in as the account with this e-mail address. If there is none, it is made, with
// a verified address and without a password.
func (s *Server) Client(email string, opts ...client.Option) *client.Client {
	s.t.Helper()
	return s.Visitor(append([]client.Option{client.WithToken(s.Token(email))}, opts...)...)
}

// Token returns the token of a new session of that account, as Client has one.
func (s *Server) Token(email string) string {
	s.t.Helper()
	token, _, err := s.backend.Token(context.Background(), email)
	if err != nil {
		s.t.Fatalf("clienttest: no session for %s: %v", email, err)
	}
	return token
}

// Visitor returns a client without a credential, to sign in with.
func (s *Server) Visitor(opts ...client.Option) *client.Client {
	s.t.Helper()
	// On a connection that was used before, net/http repeats by itself what a [WithFault] has dropped, and nobody sees it.
	own := client.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
	c, err := client.New(s.URL, append([]client.Option{own}, opts...)...)
	if err != nil {
		s.t.Fatalf("clienttest: %v", err)
	}
	return c
}

// Now is what time it is for the server.
func (s *Server) Now() time.Time { return s.clock.now() }

// SetTime stops the clock of the server at a moment, from where Advance moves it on. Until then, it is the real time.
// What the server does in the background, such as sending mails, goes on in real time.
func (s *Server) SetTime(to time.Time) { s.clock.set(to) }

// Advance moves the clock of the server on, or back if d is negative, whether it runs or was stopped by SetTime. What
// has an end comes to it: a session after 30 days, a mailed code after 15 minutes.
func (s *Server) Advance(d time.Duration) { s.clock.advance(d) }

// clock is the real time, moved, or one that stands still.
type clock struct {
	mu    sync.Mutex
	moved time.Duration
	still time.Time // Zero if it runs.
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.still.IsZero() {
		return c.still
	}
	return time.Now().Add(c.moved)
}

func (c *clock) set(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.still = to
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.still.IsZero() {
		c.moved += d
	} else {
		c.still = c.still.Add(d)
	}
}

// mailPatience is how long Code waits for a mail.
const mailPatience = 10 * time.Second

// Code returns the code that was mailed to an address last, each one once: it waits for a mail that it has not given
// the code of.
func (s *Server) Code(email string) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for deadline := time.Now().Add(mailPatience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		code, err := s.newCode(email)
		if err != nil {
			s.t.Fatalf("clienttest: a mail cannot be read: %v", err)
		}
		if code != "" {
			return code
		}
	}
	s.t.Fatalf("clienttest: no code was mailed to %s", email)
	return ""
}

var codePattern = regexp.MustCompile(`(?m)^ +([0-9A-Z]{4}-[0-9A-Z]{4})\r?$`)

func (s *Server) newCode(email string) (code string, err error) {
	files, err := filepath.Glob(filepath.Join(s.data, "mail", "*.eml"))
	slices.Sort(files) // In the order of their ids.
	for _, file := range files {
		if s.read[file] {
			continue
		}
		to, text, err := readMail(file)
		if err != nil {
			return "", err
		}
		if !strings.EqualFold(to, email) {
			continue
		}
		s.read[file] = true
		if found := codePattern.FindStringSubmatch(text); found != nil {
			code = found[1]
		}
	}
	return code, err
}

func readMail(file string) (to, text string, err error) {
	content, err := os.Open(file)
	if err != nil {
		return "", "", err
	}
	defer content.Close()
	message, err := mail.ReadMessage(content)
	if err != nil {
		return "", "", err
	}
	addresses, err := message.Header.AddressList("To")
	if err != nil {
		return "", "", err
	}
	body, err := io.ReadAll(message.Body)
	return addresses[0].Address, string(body), err
}
