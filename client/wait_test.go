package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
)

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
	ctx, cancel := context.WithCancel(t.Context())
	answered := answer(func() *http.Response {
		return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"20"}}, Body: closing{func() { time.AfterFunc(20*time.Millisecond, cancel) }}}
	})
	c := newClient(t, "http://backend.example", client.WithHTTPClient(&http.Client{Transport: answered}), client.WithRetry(client.Retry{}))
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// answer is a backend without a network.
type answer func() *http.Response

func (a answer) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// closing is an empty body that says when it is closed: what comes then is the wait.
type closing struct{ closed func() }

func (closing) Read([]byte) (int, error) { return 0, io.EOF }

func (c closing) Close() error {
	c.closed()
	return nil
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

// A file is looked at again after waits that grow, by the clock of the client, until it has ended.
func TestAFileIsWaitedForUntilItHasEndedOrTheContextHas(t *testing.T) {
	looks := 0
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, finished := "running", "null"
		if looks++; looks > 8 {
			status, finished = "failed", `"2026-03-01T16:50:19.110Z"`
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","message":"","data":{"bulkId":"%s","type":"update","status":"%s","reason":"its API key has ended","total":2,"processed":0,"succeeded":0,"failed":0,"createdAt":"2026-03-01T16:50:17.610Z","startedAt":null,"finishedAt":%s}}`, id, status, finished)
	})
	var waits []time.Duration
	sleep := func(ctx context.Context, d time.Duration) error { waits = append(waits, d); return ctx.Err() }
	clock := newStillClock()
	c := serve(t, handler, client.WithClock(func() time.Time { return clock.now }, sleep, func(most time.Duration) time.Duration { return most }))
	is, err := c.Bulk.Wait(t.Context(), id)
	if err != nil || is.Status != client.BulkIsFailed || is.Reason == "" {
		t.Errorf("got %+v, %v", is, err)
	}
	const ms = time.Millisecond
	if diff := cmp.Diff([]time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}, waits); diff != "" {
		t.Error(diff)
	}
	looks = 0
	ctx, cancel := context.WithCancel(t.Context())
	c = serve(t, handler, client.WithClock(func() time.Time { return clock.now }, func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }, nil))
	if is, err := c.Bulk.Wait(ctx, id); !errors.Is(err, context.Canceled) || is != nil || looks != 1 {
		t.Errorf("called off: got %+v, %v after %d looks", is, err, looks)
	}
}
