package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
)

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
				t.Errorf("the error says %d attempts", e.Attempts)
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
func TestAnUploadThatIsGivenUpHalfWayReportsWhatTheServerSaid(t *testing.T) {
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

func TestNewRefusesARetryThatIsNone(t *testing.T) {
	for _, r := range []client.Retry{{Attempts: -1}, {Backoff: -1}, {MaxWait: -1}, {Budget: -1}} {
		if c, err := client.New("http://a.test", client.WithRetry(r)); c != nil || err == nil || !strings.HasPrefix(err.Error(), "rejoin: ") {
			t.Errorf("%+v: got %v, %v", r, c, err)
		}
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
