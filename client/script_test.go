package client_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
)

// stillClock is a clock that only waits move on. Its waits are as long as can be.
type stillClock struct {
	mu     sync.Mutex
	now    time.Time
	waits  []time.Duration
	during func() // Happens in each wait.
}

func newStillClock() *stillClock { return &stillClock{now: time.Now().Truncate(time.Second)} }

func (c *stillClock) option() client.Option {
	now := func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.now
	}
	sleep := func(ctx context.Context, d time.Duration) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now, c.waits = c.now.Add(d), append(c.waits, d)
		if c.during != nil {
			c.during()
		}
		return ctx.Err()
	}
	return client.WithClock(now, sleep, func(most time.Duration) time.Duration { return most })
}

// request is one that a script has seen.
type request struct{ what, key, body string }

// script is a server that gives one answer after the other, and the last one for ever. An answer is "drop" for none and a
// closed connection, or a status, 299 for an answer of no use; then "unread" if it comes before the body was read, and
// headers as name=value. {now+90s} in those is a date by the clock.
type script struct {
	mu      sync.Mutex
	t       *testing.T
	clock   *stillClock
	answers []string
	seen    []request
	headers []http.Header
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.answers[min(len(s.seen), len(s.answers)-1)]
	var body []byte
	if !strings.Contains(answer, "unread") {
		body, _ = io.ReadAll(r.Body)
	}
	s.seen = append(s.seen, request{r.Method + " " + r.RequestURI, r.Header.Get("Idempotency-Key"), string(body)})
	s.headers = append(s.headers, r.Header)
	if answer == "drop" {
		panic(http.ErrAbortHandler)
	}
	words := strings.Split(answer, "; ")
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		if before, rest, ok := strings.Cut(value, "{now"); ok {
			d, after, _ := strings.Cut(rest, "}")
			moved, err := time.ParseDuration(d)
			if err != nil {
				s.t.Error(err)
			}
			value = before + s.clock.now.Add(moved).UTC().Format(http.TimeFormat) + after
		}
		if w.Header()[name] = []string{value}; value == "" {
			w.Header()[name] = nil
		}
	}
	status, err := strconv.Atoi(words[0])
	if err != nil {
		s.t.Error(err)
	}
	switch {
	case status == 299:
		says(status, "{}")(w, r)
	case status < 300 && r.Method == http.MethodGet:
		says(status, emptyList)(w, r)
	case status < 300:
		says(status, nothing)(w, r)
	default:
		says(status, `{"meta":{"success":false,"message":"No"},"body":{}}`)(w, r)
	}
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *script) now(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = []string{answer}
}

// play runs a script and returns a client of it that retries as it does by default.
func play(t *testing.T, clock *stillClock, answers []string, opts ...client.Option) (*script, *client.Client) {
	t.Helper()
	s := &script{t: t, clock: clock, answers: answers}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	// net/http would repeat some requests by itself on a connection that was used before.
	hc := client.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: 5 * time.Second}})
	c, err := client.New(web.URL, append([]client.Option{hc, clock.option()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

type call func(context.Context, *client.Client) error

func second[T any](_ T, err error) error { return err }
