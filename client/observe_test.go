package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
)

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

func TestLogLinesSayWhatHappenedAndContainNoSecret(t *testing.T) {
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
	want := `level=INFO msg="rejoin: call" operation=listChannels attempt=1 status=503 request_id=r-1 duration_ms=0 retry_in_ms=1000
level=INFO msg="rejoin: call" operation=listChannels attempt=2 error="connection reset" duration_ms=0 retry_in_ms=500
level=DEBUG msg="rejoin: call" operation=listChannels attempt=3 status=200 request_id=r-3 duration_ms=0
level=INFO msg="rejoin: call" operation=listChannels attempt=1 error="connection reset" duration_ms=0 retry_in_ms=250
level=DEBUG msg="rejoin: call" operation=listChannels attempt=2 status=200 request_id=r-6 duration_ms=0
level=DEBUG msg="rejoin: call" operation=logIn attempt=1 status=401 duration_ms=0
level=WARN msg="rejoin: call" operation=verifyEmail attempt=1 status=503 duration_ms=0
level=DEBUG msg="rejoin: call" operation=logOut attempt=1 status=200 duration_ms=0
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	for _, private := range []string{secret, token, "493027", "vera", "a.test", "b.test"} {
		if strings.Contains(out.String(), private) {
			t.Errorf("the log contains %q", private)
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
