package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// The calls of TestRetries, one for each way in which a request may or may not be sent again.
var (
	list   call = func(ctx context.Context, c *client.Client) error { return second(c.Servers.List(ctx)) }
	remove call = func(ctx context.Context, c *client.Client) error { return c.Servers.Delete(ctx, id) }
	join   call = func(ctx context.Context, c *client.Client) error { return second(c.Servers.Join(ctx, id)) }
	found  call = func(ctx context.Context, c *client.Client) error {
		return second(c.Servers.Create(ctx, client.ServerCreate{Name: "Chess"}))
	}
	rename call = func(ctx context.Context, c *client.Client) error {
		return second(c.Channels.Update(ctx, chanID, client.ChannelUpdate{Topic: "endgames", ChannelType: client.ChannelText}))
	}
)

func create(opts ...client.CreateOption) call {
	return func(ctx context.Context, c *client.Client) error {
		return second(c.Channels.Create(ctx, client.ChannelCreate{Topic: "openings", ChannelType: client.ChannelOpen}, opts...))
	}
}

func upload(image io.Reader) call {
	return func(ctx context.Context, c *client.Client) error {
		return second(c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: image}))
	}
}

// pipe reads a text from an *os.File, which has a method Seek, whether or not it can.
func pipe(t *testing.T, text string) io.Reader {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	w.WriteString(text)
	w.Close()
	return r
}

func TestRetries(t *testing.T) {
	image := strings.NewReader("not sent: a picture")
	image.Seek(10, io.SeekStart)
	broken := errors.New("the disk is on fire")
	burning := seekingReader{readerFunc(func([]byte) (int, error) { return 0, broken }), nil}

	const ms = time.Millisecond
	type waits = []time.Duration
	oneKey := []string{"order-1138"}
	some := []string{"?"} // One that was made.
	for _, tt := range []struct {
		name     string
		call     call
		opts     []client.Option
		answers  []string
		requests int
		waits    waits
		keys     []string // The one that all requests have.
		want     error
		text     string // In the error.
	}{
		{"nothing wrong", list, nil, []string{"200"}, 1, nil, nil, nil, ""},
		{"once", list, nil, []string{"503", "200"}, 2, waits{250 * ms}, nil, nil, ""},
		{"each status that may pass", list, nil, []string{"408", "502", "504", "200"}, 4, waits{250 * ms, 500 * ms, 1000 * ms}, nil, nil, ""},
		{"too many requests", list, nil, []string{"429", "200"}, 2, waits{250 * ms}, nil, nil, ""},
		{"to the end", list, nil, []string{"503"}, 4, waits{250 * ms, 500 * ms, 1000 * ms}, nil, client.ErrUnavailable, "503: No; after 4 attempts"},
		{"another failure at the end", list, nil, []string{"503", "404"}, 2, waits{250 * ms}, nil, client.ErrNotFound, "404: No; after 2 attempts"},
		{"a failure of its own", list, nil, []string{"500"}, 1, nil, nil, client.ErrInternal, ""},
		{"not implemented", list, nil, []string{"501"}, 1, nil, nil, client.ErrNotImplemented, ""},
		{"a wrong request", list, nil, []string{"400"}, 1, nil, nil, client.ErrInvalidRequest, ""},
		{"no credential", list, nil, []string{"401"}, 1, nil, nil, client.ErrUnauthenticated, ""},
		{"not found", list, nil, []string{"404; Retry-After=1"}, 1, nil, nil, client.ErrNotFound, ""},

		{"an update", rename, nil, []string{"503", "drop", "200"}, 3, waits{250 * ms, 500 * ms}, nil, nil, ""},
		{"a deletion", remove, nil, []string{"503", "200"}, 2, waits{250 * ms}, nil, nil, ""},
		{"a deletion that was done", remove, nil, []string{"drop", "404"}, 2, waits{250 * ms}, nil, client.ErrNotFound, "after 2 attempts"},
		{"a creation", create(), nil, []string{"503", "drop", "201"}, 3, waits{250 * ms, 500 * ms}, some, nil, ""},
		{"a creation with a key", create(client.IdempotencyKey("order-1138")), nil, []string{"429", "504", "201"}, 3, waits{250 * ms, 500 * ms}, oneKey, nil, ""},
		{"a creation by form", found, nil, []string{"503", "drop", "201"}, 3, waits{250 * ms, 500 * ms}, some, nil, ""},
		{"a key in use", create(), nil, []string{"drop", "409; Retry-After=1", "201"}, 3, waits{250 * ms, time.Second}, some, nil, ""},
		{"a conflict", create(), nil, []string{"409"}, 1, nil, some, client.ErrConflict, ""},
		{"a conflict without a key", rename, nil, []string{"409; Retry-After=1"}, 1, nil, nil, client.ErrConflict, ""},
		{"an action", join, nil, []string{"503; Retry-After=1"}, 1, nil, nil, client.ErrUnavailable, ""},
		{"an action whose answer is lost", join, nil, []string{"drop"}, 1, nil, nil, io.EOF, ""},

		{"Retry-After in seconds", list, nil, []string{"503; Retry-After=2", "429; Retry-After=1", "200"}, 3, waits{2 * time.Second, time.Second}, nil, nil, ""},
		{"Retry-After as a date", list, nil, []string{"503; Retry-After={now+3s}; Date=", "200"}, 2, waits{3 * time.Second}, nil, nil, ""},
		{
			"Retry-After as a date by another clock", list, nil,
			[]string{"503; Retry-After=Sun, 01 Mar 2026 12:00:04 GMT; Date=Sun, 01 Mar 2026 12:00:00 GMT", "200"}, 2,
			waits{4 * time.Second}, nil, nil, "",
		},
		{"Retry-After that has passed", list, nil, []string{"503; Retry-After={now-3s}; Date=", "200"}, 2, waits{250 * ms}, nil, nil, ""},
		{"Retry-After at once", list, nil, []string{"503; Retry-After=0", "200"}, 2, waits{250 * ms}, nil, nil, ""},
		{"Retry-After that is none", list, nil, []string{"503; Retry-After=soon", "200"}, 2, waits{250 * ms}, nil, nil, ""},
		{"Retry-After just in time", list, nil, []string{"503; Retry-After=30", "200"}, 2, waits{30 * time.Second}, nil, nil, ""},
		{"Retry-After too late", list, nil, []string{"429; Retry-After=31"}, 1, nil, nil, client.ErrRateLimited, "retry after 31s"},

		{"no answer", list, nil, []string{"drop", "200"}, 2, waits{250 * ms}, nil, nil, ""},
		{"no answer to the end", list, nil, []string{"drop"}, 4, waits{250 * ms, 500 * ms, 1000 * ms}, nil, io.EOF, "(after 4 attempts)"},

		{"no use", list, nil, []string{"drop", "299"}, 2, waits{250 * ms}, nil, nil, "it does not say that it succeeded (after 2 attempts)"},

		{"without", list, []client.Option{client.WithoutRetry()}, []string{"503"}, 1, nil, nil, client.ErrUnavailable, "503: No"},
		{"without, a creation", create(), []client.Option{client.WithoutRetry()}, []string{"drop"}, 1, nil, some, io.EOF, ""},
		{
			"otherwise", list, []client.Option{client.WithRetry(client.Retry{Attempts: 5, Backoff: time.Second, MaxWait: 3 * time.Second})},
			[]string{"503"}, 5, waits{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}, nil, client.ErrUnavailable, "",
		},
		{
			"otherwise, with a longer backoff than any wait", list,
			[]client.Option{client.WithRetry(client.Retry{Backoff: time.Minute, MaxWait: time.Second})},
			[]string{"503", "200"}, 2, waits{time.Second}, nil, nil, "",
		},
		{
			"a small budget", list, []client.Option{client.WithRetry(client.Retry{Budget: 2})},
			[]string{"503"}, 3, waits{250 * ms, 500 * ms}, nil, client.ErrUnavailable, "after 3 attempts",
		},

		{"an upload that was read", upload(image), nil, []string{"503", "drop", "201"}, 3, waits{250 * ms, 500 * ms}, some, nil, ""},
		{"an upload that cannot be read again", upload(onlyReader{strings.NewReader("a picture")}), nil, []string{"503", "201"}, 1, nil, some, client.ErrUnavailable, ""},
		{"an upload that was not read yet", upload(onlyReader{strings.NewReader("a picture")}), nil, []string{"503; unread", "201"}, 2, waits{250 * ms}, some, nil, ""},
		{"an upload from a pipe", upload(pipe(t, "a picture")), nil, []string{"503", "201"}, 1, nil, some, client.ErrUnavailable, ""},
		{"an upload that cannot be set back", upload(&stuckSeeker{*strings.NewReader("a picture")}), nil, []string{"503", "201"}, 1, nil, some, client.ErrUnavailable, ""},
		{"an upload whose reader fails", upload(burning), nil, []string{"503", "201"}, 1, nil, some, broken, "rejoin: reading the file to upload: the disk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := newStillClock()
			script, c := play(t, clock, tt.answers, tt.opts...)
			err := tt.call(t.Context(), c)
			if (tt.want != nil || tt.text == "") && !errors.Is(err, tt.want) || tt.text != "" && err == nil || (err != nil && !strings.Contains(err.Error(), tt.text)) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.text)
			}
			if e, ok := errors.AsType[*client.Error](err); ok && e.Attempts != tt.requests {
				t.Errorf("the error tells of %d attempts", e.Attempts)
			}
			if diff := cmp.Diff(tt.waits, clock.waits); diff != "" {
				t.Error("the waits: ", diff)
			}
			script.mu.Lock()
			defer script.mu.Unlock()
			if len(script.seen) != tt.requests {
				t.Fatalf("%d requests, want %d", script.count(), tt.requests)
			}
			sameRequests(t, script.seen, tt.answers)
			first := script.seen[0]
			if (first.key != "") != (tt.keys != nil) || (first.key != "" && tt.keys[0] != "?" && tt.keys[0] != first.key) {
				t.Errorf("the key %q, want %q", first.key, tt.keys)
			}
			last := script.seen[len(script.seen)-1].body
			if strings.Contains(last, "picture") && !strings.Contains(last, "\r\n\r\na picture\r\n") {
				t.Errorf("the image was not sent from where it was: %q", last)
			}
		})
	}
}

// sameRequests requires that all requests are the first one, as far as the script has read them.
func sameRequests(t *testing.T, seen []request, answers []string) {
	t.Helper()
	first := seen[0]
	for i, r := range seen {
		if strings.Contains(answers[min(i, len(answers)-1)], "unread") {
			first.body = seen[len(seen)-1].body
			continue
		}
		if r != first {
			t.Errorf("the request %d was %q, the first one %q", i+1, r, first)
		}
	}
}

type seekingReader struct {
	io.Reader
	err error
}

func (s seekingReader) Seek(int64, int) (int64, error) { return 0, s.err }

// stuckSeeker says where it is, but cannot be anywhere else.
type stuckSeeker struct{ strings.Reader }

func (s *stuckSeeker) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		return 0, errors.New("stuck")
	}
	return s.Reader.Seek(offset, whence)
}

func TestWhatIsNeitherRepeatableNorHasAKeyIsSentOnce(t *testing.T) {
	onEveryCall(t, func(t *testing.T, op operation, line int) {
		want := 4
		if op.Method == http.MethodPost && !op.Creates {
			want = 1
		}
		script, c := play(t, newStillClock(), []string{"503"})
		_, err := calls[line].call(caller{Client: c, ctx: t.Context()})
		if script.count() != want {
			t.Errorf("%d requests (%v), want %d", script.count(), err, want)
		}
	})
}

func TestAWaitIsRandom(t *testing.T) {
	var asked []time.Duration
	clock := newStillClock()
	random := func(most time.Duration) time.Duration { asked = append(asked, most); return most / 10 }
	var waits []time.Duration
	sleep := func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	_, c := play(t, clock, []string{"503", "503; Retry-After=5", "503", "200"},
		client.WithClock(func() time.Time { return clock.now }, sleep, random))
	if _, err := c.Servers.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	const ms = time.Millisecond
	if diff := cmp.Diff([]time.Duration{250 * ms, 500 * ms, 1000 * ms}, asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]time.Duration{25 * ms, 5 * time.Second, 100 * ms}, waits); diff != "" {
		t.Error(diff)
	}
}

func TestTheWaitEndsWithTheContext(t *testing.T) {
	for _, answer := range []string{"503", "drop"} {
		clock := newStillClock()
		ctx, cancel := context.WithCancel(t.Context())
		clock.during = cancel
		script, c := play(t, clock, []string{answer})
		_, err := c.Servers.List(ctx)
		if !errors.Is(err, context.Canceled) || script.count() != 1 {
			t.Errorf("got %v after %d requests, want context.Canceled after 1", err, script.count())
		}
		if kind := map[string]error{"503": client.ErrUnavailable, "drop": io.EOF}[answer]; !errors.Is(err, kind) {
			t.Errorf("got %v, want %v in it too", err, kind)
		}
		if want := "rejoin: context canceled while waiting to try again after attempt 1: "; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestTheRealWaitEndsWithTheContext(t *testing.T) {
	c := serve(t, says(503, "", "Retry-After", "20"), client.WithRetry(client.Retry{}))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestTheRealWait(t *testing.T) {
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 4 {
			says(503, "")(w, r)
			return
		}
		says(200, emptyList)(w, r)
	}, client.WithRetry(client.Retry{Backoff: 8 * time.Millisecond}))
	if _, err := c.Servers.List(t.Context()); err != nil || asked != 4 {
		t.Errorf("got %v after %d requests", err, asked)
	}
}

func TestNoAttemptBeginsOnceTheContextHasEnded(t *testing.T) {
	for range 40 { // With a wait of nothing, chance would have it in some of them.
		ctx, cancel := context.WithCancel(t.Context())
		attempts := 0
		c := serve(t, says(503, ""), client.WithRetry(client.Retry{Backoff: 1}),
			client.WithAfter(func(context.Context, client.Attempt) { attempts++; cancel() }))
		if _, err := c.Servers.List(ctx); !errors.Is(err, context.Canceled) || attempts != 1 {
			t.Fatalf("got %v after %d attempts", err, attempts)
		}
	}
}

func TestNoRetryIsAnnouncedIfTheContextEndsInTheAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failed := response(503, "")
	failed.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }))
	var attempts []client.Attempt
	clock := newStillClock()
	c := newClient(t, "http://a.test", clock.option(), client.WithRetry(client.Retry{}),
		client.WithHTTPClient(&http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return failed, nil })}),
		client.WithAfter(func(_ context.Context, a client.Attempt) { attempts = append(attempts, a) }))
	if _, err := c.Servers.List(ctx); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if len(attempts) != 1 || attempts[0].Retry || len(clock.waits) != 0 {
		t.Errorf("got %+v and the waits %v", attempts, clock.waits)
	}
}

func TestAnAnswerWithoutEndDoesNotKeepTheNextAttemptWaiting(t *testing.T) {
	for name, encoding := range map[string]string{"plain": "identity", "compressed": "gzip"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leavesOpen := func(w http.ResponseWriter, r *http.Request) {
				says(503, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "Content-Encoding", encoding)(w, r)
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
			var asked atomic.Int32
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					leavesOpen(w, r)
					return
				}
				says(200, emptyList)(w, r)
			}, client.WithRetry(client.Retry{Backoff: 1}))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if _, err := c.Servers.List(ctx); err != nil || asked.Load() != 2 {
				t.Errorf("got %v after %d requests", err, asked.Load())
			}
		})
	}
}

func TestWaitsAreNeverLongerThanADurationCanBe(t *testing.T) {
	const most = math.MaxInt64
	for _, r := range []client.Retry{
		{Attempts: 100, MaxWait: most, Budget: 1000},
		{Attempts: 100, MaxWait: most, Budget: 1000, Backoff: most},
		{Attempts: 100, MaxWait: most - 1, Budget: 1000, Backoff: most/2 + 1},
	} {
		clock := newStillClock()
		script, c := play(t, clock, []string{"503"}, client.WithRetry(r))
		c.Servers.List(t.Context())
		if script.count() != 100 || !slices.IsSorted(clock.waits) || clock.waits[0] <= 0 || clock.waits[98] < most-1 {
			t.Errorf("%+v: %d requests and the waits %v", r, script.count(), clock.waits)
		}
	}

	// Chance is the real one here, and the deadline ends it: there is no wait.
	c := serve(t, says(503, ""), client.WithRetry(client.Retry{Backoff: most, MaxWait: most}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Servers.List(ctx); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestAWaitPastTheDeadlineIsNotBegun(t *testing.T) {
	for _, tt := range []struct {
		answer string
		within time.Duration
		want   int
	}{
		{"503; Retry-After=20", 19 * time.Second, 1},
		{"503; Retry-After=20", 21 * time.Second, 2},
		{"503", 200 * time.Millisecond, 1},
	} {
		clock := newStillClock()
		clock.now = time.Now()
		ctx, cancel := context.WithDeadline(t.Context(), clock.now.Add(tt.within))
		defer cancel()
		script, c := play(t, clock, []string{tt.answer})
		_, err := c.Servers.List(ctx)
		if e := failure(t, err); e.Status != 503 || e.Attempts != tt.want || script.count() != tt.want || len(clock.waits) != tt.want-1 {
			t.Errorf("%s within %v: got %v after %d requests and %v, want %d", tt.answer, tt.within, err, script.count(), clock.waits, tt.want)
		}
	}
}

func TestWhatIsNotAConnectionErrorIsNotRetried(t *testing.T) {
	broken := errors.New("not this way")
	untrusted := httptest.NewUnstartedServer(says(200, emptyList))
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := httptest.NewServer(says(200, emptyList))
	defer plain.Close()
	for _, tt := range []struct {
		name, base string
		hc         *http.Client
		want       string
		attempts   int
	}{
		{"a refused redirect", "http://a.test", &http.Client{
			Transport:     transport(func(*http.Request) (*http.Response, error) { return response(302, "", "Location", "/x"), nil }),
			CheckRedirect: func(*http.Request, []*http.Request) error { return broken },
		}, "not this way", 1},
		{"redirects without end", "http://a.test", &http.Client{
			Transport: transport(func(*http.Request) (*http.Response, error) { return response(302, "", "Location", "/x"), nil }),
		}, "stopped after 10 redirects", 1},
		{"a redirect to another scheme", "http://a.test", &http.Client{
			Transport: transport(func(*http.Request) (*http.Response, error) {
				return response(302, "", "Location", "ftp://a.test/x"), nil
			}),
		}, "was not followed", 1},
		{"a redirect to what is not a URL", "http://a.test", &http.Client{
			Transport: transport(func(*http.Request) (*http.Response, error) { return response(302, "", "Location", "http://[x"), nil }),
		}, "not a URL", 1},
		{"a certificate of nobody", untrusted.URL, nil, "certificate", 1},
		{"https where there is http", "https" + plain.URL[4:], nil, http.ErrSchemeMismatch.Error(), 1},
		{"an unknown host", "http://a.test", &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "a.test", IsNotFound: true}}
		})}, "no such host", 1},
		{"a name server that is away", "http://a.test", &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "a.test", IsTemporary: true}}
		})}, "server misbehaving", 4},
		{"a timeout of the http.Client", "http://a.test", &http.Client{
			Transport: transport(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }),
			Timeout:   time.Millisecond,
		}, "context deadline exceeded", 4},
	} {
		attempts := 0
		after := client.WithAfter(func(context.Context, client.Attempt) { attempts++ })
		c, err := client.New(tt.base, client.WithHTTPClient(tt.hc), newStillClock().option(), after)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Servers.List(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || attempts != tt.attempts {
			t.Errorf("%s: got %v after %d attempts, want %q after %d", tt.name, err, attempts, tt.want, tt.attempts)
		}
	}

	attempts := 0
	c, err := client.New("http://a.test", newStillClock().option(), client.WithHTTPClient(&http.Client{
		Transport: transport(func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() }),
	}), client.WithAfter(func(context.Context, client.Attempt) { attempts++ }))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.Canceled) || attempts != 1 {
		t.Errorf("the end of the context: got %v after %d attempts", err, attempts)
	}
}

func TestAHeaderThatCannotBeSentIsNotTriedAgain(t *testing.T) {
	for name, value := range map[string]string{"Traceparent": "a\nb", "Trace parent": "a"} {
		attempts := 0
		script, c := play(t, newStillClock(), []string{"200"},
			client.WithBefore(func(r *http.Request) { r.Header[name] = []string{value} }),
			client.WithAfter(func(context.Context, client.Attempt) { attempts++ }))
		_, err := c.Servers.List(t.Context())
		if err == nil || !strings.Contains(err.Error(), "invalid header field") || attempts != 1 || script.count() != 0 {
			t.Errorf("%s: got %v after %d attempts and %d requests", name, err, attempts, script.count())
		}
	}
}

// What the server said is not lost with the connection that ends with the upload.
func TestAnUploadThatIsGivenUpHalfWayTellsWhatTheServerSaid(t *testing.T) {
	leavesNothingRunning(t)
	text := `{"meta":{"success":false,"message":"Full"},"body":{"code":"unavailable","requestId":"r-1"}}`
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer := http.NewResponseController(w)
		answer.EnableFullDuplex()
		io.CopyN(io.Discard, r.Body, 1<<20)
		says(503, text, "Content-Length", strconv.Itoa(len(text)))(w, r)
		answer.Flush()
		io.Copy(io.Discard, r.Body)
	}, client.WithRetry(client.Retry{Backoff: time.Millisecond}))
	for range 10 {
		asked = 0
		_, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: &source{size: -1}})
		if e := failure(t, err); e.Message != "Full" || e.RequestID != "r-1" || e.Attempts != 1 || asked != 1 {
			t.Errorf("got %v after %d requests", err, asked)
		}
	}
}

// A server in trouble is asked once more for each retry in the budget, and no more, until it has given good answers.
func TestTheBudgetIsSharedAndEarnedBack(t *testing.T) {
	script, c := play(t, newStillClock(), []string{"503"}, client.WithRetry(client.Retry{Budget: 5}))
	others := []*client.Client{c, must(c.WithToken(token)), must(c.WithAPIKey(key))}
	asked := func(n int) (requests int) {
		before := script.count()
		for i := range n {
			others[i%3].Channels.List(t.Context(), "")
		}
		return script.count() - before
	}
	for _, step := range []struct {
		status      string
		calls, want int
	}{
		{"503", 1, 4}, // 2 left.
		{"503", 1, 3},
		{"503", 10, 10},
		{"500", 10, 10}, // No good answers.
		{"503", 1, 1},
		{"200", 9, 9},
		{"503", 1, 1},
		{"404", 1, 1}, // As good as any.
		{"503", 1, 2},
		{"503", 1, 1},
		{"200", 1000, 1000},
		{"503", 10, 15},
	} {
		script.now(step.status)
		if got := asked(step.calls); got != step.want {
			t.Errorf("%d calls of a server that says %s: %d requests, want %d", step.calls, step.status, got, step.want)
		}
	}
}

func TestARetryThatWasNotSentIsGivenBack(t *testing.T) {
	clock := newStillClock()
	script, c := play(t, clock, []string{"503"}, client.WithRetry(client.Retry{Budget: 2}))
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		clock.during = cancel
		c.Servers.List(ctx)
	}
	clock.during = nil
	for _, want := range []int{10 + 3, 10 + 3 + 1} {
		c.Servers.List(t.Context())
		if script.count() != want {
			t.Errorf("%d requests, want %d", script.count(), want)
		}
	}
}

func TestABudgetMayBeAsLargeAsCanBe(t *testing.T) {
	for _, budget := range []int{math.MaxInt, math.MaxInt/10 + 1} {
		script, c := play(t, newStillClock(), []string{"503"}, client.WithRetry(client.Retry{Budget: budget}))
		for range 2 {
			c.Servers.List(t.Context())
		}
		if script.count() != 8 {
			t.Errorf("%d: %d requests by 2 calls, want 8", budget, script.count())
		}
	}
}

func TestNewRefusesARetryThatIsNone(t *testing.T) {
	for _, r := range []client.Retry{{Attempts: -1}, {Backoff: -1}, {MaxWait: -1}, {Budget: -1}} {
		if c, err := client.New("http://a.test", client.WithRetry(r)); c != nil || err == nil || !strings.HasPrefix(err.Error(), "rejoin: ") {
			t.Errorf("%+v: got %v, %v", r, c, err)
		}
	}
}

func TestHooksSeeEveryAttempt(t *testing.T) {
	type contextKey struct{}
	var credentials []string
	var attempts []client.Attempt
	n := 0
	clock := newStillClock()
	script, c := play(t, clock, []string{"503; X-Request-Id=r-1; Retry-After=2", "drop", "201; X-Request-Id=r-3"},
		client.WithToken(token),
		client.WithBefore(func(r *http.Request) {
			n++
			credentials = append(credentials, r.Header.Get("Authorization"))
			r.Header.Add("Traceparent", fmt.Sprint(r.Context().Value(contextKey{}), "-", n))
		}),
		client.WithBefore(func(r *http.Request) { r.Header.Set("Second", r.Header.Get("Traceparent")) }),
		client.WithAfter(func(ctx context.Context, a client.Attempt) {
			if ctx.Value(contextKey{}) != "trace" {
				t.Error("the context is another one")
			}
			attempts = append(attempts, a)
		}),
		client.WithAfter(func(context.Context, client.Attempt) { clock.now = clock.now.Add(time.Hour) }),
	)
	ctx := context.WithValue(t.Context(), contextKey{}, "trace")
	if _, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess"}); err != nil {
		t.Fatal(err)
	}
	var traces []string
	script.mu.Lock()
	defer script.mu.Unlock()
	for _, h := range script.headers {
		traces = append(traces, strings.Join(append(h["Traceparent"], h["Second"]...), " "))
	}
	if diff := cmp.Diff([]string{"trace-1 trace-1", "trace-2 trace-2", "trace-3 trace-3"}, traces); diff != "" {
		t.Error("the headers: ", diff)
	}
	if !slices.Equal(credentials, []string{"", "", ""}) {
		t.Errorf("the hook sees the credentials %q", credentials)
	}
	var broken error
	if len(attempts) == 3 {
		broken, attempts[1].Err = attempts[1].Err, nil
	}
	want := []client.Attempt{
		{Operation: "createServer", Method: "POST", Number: 1, Status: 503, RequestID: "r-1", Retry: true, Wait: 2 * time.Second},
		{Operation: "createServer", Method: "POST", Number: 2, Retry: true, Wait: 500 * time.Millisecond},
		{Operation: "createServer", Method: "POST", Number: 3, Status: 201, RequestID: "r-3"},
	}
	if diff := cmp.Diff(want, attempts); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(broken, io.EOF) {
		t.Errorf("the second attempt failed with %v, want io.EOF", broken)
	}
}

func TestLogLinesTellWhatHappenedAndNoSecret(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	const secret = "s3cret"
	answers := []*http.Response{
		response(503, "{"+secret+"}", "X-Request-Id", "r-1", "Retry-After", "1"),
		nil,
		response(200, emptyList, "X-Request-Id", "r-3"),
		response(302, "", "Location", "http://b.test/x?"+secret),
		nil,
		response(302, "", "Location", "http://b.test/x?"+secret),
		response(200, envelope(`{"token":"`+secret+`"}`), "X-Request-Id", "r-6"),
		response(401, secret),
		response(503, secret),
		response(200, nothing),
	}
	asked := 0
	hc := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
		res := answers[asked]
		if asked++; res == nil {
			return nil, errors.New("connection reset")
		}
		return res, nil
	})}
	c, err := client.New("http://a.test/"+secret, client.WithHTTPClient(hc), client.WithToken(token), client.WithLogger(log), newStillClock().option())
	if err != nil {
		t.Fatal(err)
	}
	c.Channels.List(t.Context(), secret)
	c.Channels.List(t.Context(), secret)
	c.Auth.LogIn(t.Context(), "vera@example.com", secret)
	c.Auth.VerifyEmail(t.Context(), "vera@example.com", "493027")
	c.Auth.LogOut(t.Context())
	want := `level=INFO msg="rejoin: call" operation=listChannels attempt=1 status=503 request_id=r-1 duration=0s retry_in=1s
level=INFO msg="rejoin: call" operation=listChannels attempt=2 error="connection reset" duration=0s retry_in=500ms
level=DEBUG msg="rejoin: call" operation=listChannels attempt=3 status=200 request_id=r-3 duration=0s
level=INFO msg="rejoin: call" operation=listChannels attempt=1 error="connection reset" duration=0s retry_in=250ms
level=DEBUG msg="rejoin: call" operation=listChannels attempt=2 status=200 request_id=r-6 duration=0s
level=DEBUG msg="rejoin: call" operation=logIn attempt=1 status=401 duration=0s
level=WARN msg="rejoin: call" operation=verifyEmail attempt=1 status=503 duration=0s
level=DEBUG msg="rejoin: call" operation=logOut attempt=1 status=200 duration=0s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	for _, private := range []string{secret, token, "493027", "vera", "a.test", "b.test"} {
		if strings.Contains(out.String(), private) {
			t.Errorf("the log tells %q", private)
		}
	}
}

func TestRateLimitIsWhatTheLastAnswersSaid(t *testing.T) {
	clock := newStillClock()
	start := clock.now
	_, c := play(t, clock, []string{"200", "429; Retry-After=7", "200", "503; Retry-After=90", "200", "503", "200"})
	if got := c.RateLimit(); got != (client.RateLimit{}) {
		t.Errorf("before any call: %+v", got)
	}
	list := func(ctx context.Context, c *client.Client) { c.Servers.List(ctx) }
	for i, want := range []client.RateLimit{
		{},
		{Operation: "listMyServers", Status: 429, Until: start.Add(7 * time.Second)},
		{Operation: "listMyServers", Status: 503, Until: start.Add(97 * time.Second)},
		{Operation: "listMyServers", Status: 503, Until: start.Add(97 * time.Second)},
		{Operation: "listMyServers", Status: 503, Until: start.Add(97 * time.Second)},
	} {
		list(t.Context(), c)
		if got := c.RateLimit(); got != want {
			t.Errorf("after call %d: got %+v, want %+v", i+1, got, want)
		}
	}
	if got := must(c.WithToken(token)).RateLimit(); got != (client.RateLimit{}) {
		t.Errorf("for another caller: %+v", got)
	}
}

// The race detector is the judge of this one, with the budget, the hooks, the log and RateLimit in use at once.
func TestRetriesAreSafeForConcurrentUse(t *testing.T) {
	var asked, before, after atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		asked.Add(1)
		says(503, "")(w, r)
	},
		client.WithRetry(client.Retry{Budget: 7, Backoff: time.Millisecond}),
		client.WithBefore(func(*http.Request) { before.Add(1) }),
		client.WithAfter(func(context.Context, client.Attempt) { after.Add(1) }),
		client.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
	)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			c := must(c.WithToken(fmt.Sprint("session-", i)))
			image := strings.NewReader("a picture")
			if _, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: image}); !errors.Is(err, client.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			c.RateLimit()
		})
	}
	wg.Wait()
	if got := [3]int64{asked.Load(), before.Load(), after.Load()}; got != [3]int64{39, 39, 39} {
		t.Errorf("requests, hooks before and after: %v, want 32 and a budget of 7", got)
	}
}
