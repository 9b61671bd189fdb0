package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	id    = "66a282dab13eee0013cbb4d8"
	token = "70cc0f0e5ee1c4b1db1f1dbd4d63c10a1e6ae11f5b0a6ea1bd7f15a7b34b8c11"

	emptyList = `{"meta":{"success":true,"message":"My servers","devMessage":""},"body":[]}`
	nothing   = `{"meta":{"success":true,"message":"Done","devMessage":""},"body":{}}`
)

// serve runs handler for the time of the test and returns a client of it.
func serve(t *testing.T, handler http.HandlerFunc, opts ...client.Option) *client.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	// As it is by default, but with connections of its own.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	hc := &http.Client{Transport: transport}
	return newClient(t, srv.URL, append([]client.Option{client.WithHTTPClient(hc)}, opts...)...)
}

// newClient makes a client that does not retry, unless the options say so.
func newClient(t *testing.T, base string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(base, append([]client.Option{client.WithoutRetry()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says makes a handler that gives one answer. The headers are name and value in turn.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func failure(t *testing.T, err error) *client.Error {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("got %v (%T), want a *client.Error", err, err)
	}
	return e
}

func TestEveryFormOfBaseURLWorks(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.EscapedPath()
		io.WriteString(w, nothing)
	}))
	defer srv.Close()
	for base, prefix := range map[string]string{
		srv.URL:                   "",
		srv.URL + "/":             "",
		srv.URL + "/api/v1":       "/api/v1",
		srv.URL + "/api/v1/":      "/api/v1",
		srv.URL + "/a%20b%2Fc/":   "/a%20b%2Fc",
		"HTTP" + srv.URL[4:]:      "",
		srv.URL + "/v1.0/a:b/":    "/v1.0/a:b",
		srv.URL + "/servers":      "/servers",
		srv.URL + "/with%3Fmark":  "/with%3Fmark",
		srv.URL + "/x/../a/./b/.": "/a/b",
		srv.URL + "/..":           "",
		srv.URL + "//a//":         "//a/",
	} {
		got = ""
		if err := newClient(t, base).Servers.Delete(t.Context(), id); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		if want := prefix + "/servers/" + id; got != want {
			t.Errorf("%s: asked for %q, want %q", base, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	const secret = "s3cret"
	good := "https://example.com"
	for _, tt := range []struct {
		name, base string
		opts       []client.Option
		want       string
	}{
		{"nothing", "", nil, "must begin with http:// or https://"},
		{"no scheme", "localhost:8080", nil, "must begin with http:// or https://"},
		{"a path alone", "/api/v1", nil, "must begin with http:// or https://"},
		{"another scheme", "ftp://example.com", nil, "must begin with http:// or https://"},
		{"no host", "https://", nil, "has no host"},
		{"a port alone", "https://:8080", nil, "has no host"},
		{"not a URL", "https://exa mple.com", nil, "is not a URL"},
		{"a password", "https://me:" + secret + "@example.com", nil, "must not have a user name"},
		{"a password in what is not a URL", "https://me:%" + secret + "@example.com", nil, "is not a URL"},
		{"a query", good + "?key=" + secret, nil, "must not have a query"},
		{"an empty query", good + "?", nil, "must not have a query"},
		{"a fragment", good + "#top", nil, "must not have a query or a fragment"},
		{"two credentials", good, []client.Option{client.WithToken(secret), client.WithAPIKey(secret)}, "exclude each other"},
		{"two credentials, one empty", good, []client.Option{client.WithToken(""), client.WithAPIKey(secret)}, "exclude each other"},
		{"an empty token", good, []client.Option{client.WithToken("")}, "is empty"},
		{"an empty key", good, []client.Option{client.WithAPIKey("")}, "is empty"},
		{"a token with a line break", good, []client.Option{client.WithToken(secret + "\n")}, "line break"},
		{"a key with a space", good, []client.Option{client.WithAPIKey(secret + " ")}, "such as a space"},
		{"a key that is not ASCII", good, []client.Option{client.WithAPIKey(secret + "ü")}, "the credential has a character"},
		{"a user agent with a line break", good, []client.Option{client.WithUserAgent("a\r\nb")}, "the user agent has a character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := client.New(tt.base, tt.opts...)
			if err == nil || c != nil {
				t.Fatalf("got %v and error %v, want only an error", c, err)
			}
			if !strings.HasPrefix(err.Error(), "rejoin: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q tells the secret", err)
			}
		})
	}
}

func TestHeadersOfARequest(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		opts                      []client.Option
		authorization, key, agent string
	}{
		{"no credential", nil, "", "", "rejoin-go"},
		{"a token", []client.Option{client.WithToken(token)}, "Bearer " + token, "", "rejoin-go"},
		{"a key", []client.Option{client.WithAPIKey(token)}, "", token, "rejoin-go"},
		{"the later token", []client.Option{client.WithToken("x"), client.WithToken(token)}, "Bearer " + token, "", "rejoin-go"},
		{"a user agent", []client.Option{client.WithUserAgent("quiz-bot/2.1 (chess)")}, "", "", "quiz-bot/2.1 (chess)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got http.Header
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Header
				io.WriteString(w, emptyList)
			}, tt.opts...)
			if _, err := c.Servers.List(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				"Authorization": tt.authorization, "X-Api-Key": tt.key, "User-Agent": tt.agent,
			} {
				if got.Get(name) != want {
					t.Errorf("%s: got %q, want %q", name, got.Get(name), want)
				}
			}
		})
	}
}

// transport is a scripted network: it sees what http.Client sends, with every hop and host.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func response(status int, body string, headers ...string) *http.Response {
	rec := httptest.NewRecorder()
	says(status, body, headers...)(rec, nil)
	return rec.Result() // Its Request is nil, as from many a hand-written transport.
}

func TestTheHTTPClientGivenIsUsedAndNotChanged(t *testing.T) {
	calls, redirects := 0, 0
	hc := &http.Client{
		Transport: transport(func(req *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return response(302, "", "Location", "/elsewhere"), nil
			}
			return response(200, emptyList), nil
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { redirects++; return nil },
		Timeout:       time.Minute,
	}
	c := newClient(t, "http://example.com", client.WithToken(token), client.WithHTTPClient(hc))
	if _, err := c.Servers.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls != 2 || redirects != 1 {
		t.Errorf("%d requests through its transport and %d through its CheckRedirect, want 2 and 1", calls, redirects)
	}
	if _, ok := hc.Transport.(transport); !ok {
		t.Errorf("its transport is now a %T", hc.Transport)
	}
	hc.CheckRedirect(nil, nil)
	if redirects != 2 {
		t.Error("its CheckRedirect is now another function")
	}
	hc.Transport = nil // What its owner does with it later is of no consequence.
	if _, err := c.Servers.List(t.Context()); err != nil || calls != 3 {
		t.Errorf("after it was changed: %v, %d requests", err, calls)
	}
}

func TestNilHTTPClientIsTheDefault(t *testing.T) {
	c := serve(t, says(200, emptyList), client.WithHTTPClient(nil))
	if _, err := c.Servers.List(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFamilyOfFailureIsUnderstood(t *testing.T) {
	const problem = `{"code":"invalid_request","requestId":"r-1",
		"fields":[{"pointer":"/name","code":"required","message":"is required"}]}`
	for _, tt := range []struct {
		family, body, devMessage string
	}{
		{"system", `{"meta":{"success":false,"message":"Not valid","devMessage":"name"},"body":` + problem + `}`, "name"},
		{"integration", `{"status":"error","message":"Not valid","data":` + problem + `}`, ""},
		{"application", `{"meta":{"status":"error","statusCode":400},"message":"Not valid","data":` + problem + `}`, ""},
	} {
		t.Run(tt.family, func(t *testing.T) {
			c := serve(t, says(400, tt.body, "X-Request-Id", "of-the-header", "Retry-After", "7"))
			_, err := c.Servers.Get(t.Context(), id)
			want := &client.Error{
				Status:     400,
				Code:       client.CodeInvalidRequest,
				Message:    "Not valid",
				DevMessage: tt.devMessage,
				RequestID:  "r-1",
				Fields:     []client.Field{{Pointer: "/name", Code: client.FieldRequired, Message: "is required"}},
				RetryAfter: 7 * time.Second,
				Attempts:   1,
				Method:     "GET",
				Path:       "/servers/" + id,
			}
			if diff := cmp.Diff(want, failure(t, err)); diff != "" {
				t.Error(diff)
			}
			if !errors.Is(err, client.ErrInvalidRequest) {
				t.Errorf("%v is not ErrInvalidRequest", err)
			}
		})
	}
}

var kinds = []error{
	client.ErrInvalidRequest, client.ErrUnauthenticated, client.ErrPermissionDenied, client.ErrEmailUnverified,
	client.ErrNotFound, client.ErrMethodNotAllowed, client.ErrConflict, client.ErrPayloadTooLarge,
	client.ErrUnsupportedMediaType, client.ErrRateLimited, client.ErrInternal, client.ErrUnavailable,
}

func TestAnErrorIsOfTheKindOfItsCodeElseOfItsStatus(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string // None: the answer is not an envelope.
		want   error
	}{
		// The code counts, and the status is none of these on purpose.
		{418, "invalid_request", client.ErrInvalidRequest},
		{418, "unauthenticated", client.ErrUnauthenticated},
		{418, "permission_denied", client.ErrPermissionDenied},
		{418, "email_unverified", client.ErrEmailUnverified},
		{418, "not_found", client.ErrNotFound},
		{418, "method_not_allowed", client.ErrMethodNotAllowed},
		{418, "conflict", client.ErrConflict},
		{418, "payload_too_large", client.ErrPayloadTooLarge},
		{418, "unsupported_media_type", client.ErrUnsupportedMediaType},
		{418, "rate_limited", client.ErrRateLimited},
		{418, "internal", client.ErrInternal},
		{418, "unavailable", client.ErrUnavailable},
		{403, "email_unverified", client.ErrEmailUnverified},
		{500, "unavailable", client.ErrUnavailable},
		// A code of a later version of the contract.
		{403, "quota_exceeded", client.ErrPermissionDenied},
		{418, "short_and_stout", nil},
		// Not from the API.
		{400, "", client.ErrInvalidRequest},
		{401, "", client.ErrUnauthenticated},
		{402, "", nil},
		{403, "", client.ErrPermissionDenied},
		{404, "", client.ErrNotFound},
		{405, "", client.ErrMethodNotAllowed},
		{409, "", client.ErrConflict},
		{410, "", client.ErrNotFound},
		{413, "", client.ErrPayloadTooLarge},
		{415, "", client.ErrUnsupportedMediaType},
		{422, "", client.ErrInvalidRequest},
		{429, "", client.ErrRateLimited},
		{500, "", client.ErrInternal},
		{501, "", client.ErrNotImplemented},
		{502, "", client.ErrUnavailable},
		{503, "", client.ErrUnavailable},
		{504, "", client.ErrUnavailable},
		{599, "", client.ErrInternal},
		{304, "", nil},
	} {
		t.Run(fmt.Sprint(tt.status, " ", tt.code), func(t *testing.T) {
			body := "<html>"
			if tt.code != "" {
				body = `{"meta":{"success":false,"message":"No"},"body":{"code":"` + tt.code + `"}}`
			}
			if tt.status == 304 {
				body = ""
			}
			_, err := serve(t, says(tt.status, body)).Servers.List(t.Context())
			if e := failure(t, err); e.Status != tt.status || string(e.Code) != tt.code {
				t.Errorf("got %d %q", e.Status, e.Code)
			}
			for _, kind := range kinds {
				if got := errors.Is(err, kind); got != (kind == tt.want) {
					t.Errorf("errors.Is(err, %v) is %v", kind, got)
				}
			}
		})
	}
}

func TestAnErrorMadeByHandIsOfItsKindToo(t *testing.T) {
	err := fmt.Errorf("my fake: %w", &client.Error{Code: client.CodeConflict})
	if !errors.Is(err, client.ErrConflict) {
		t.Errorf("%v is not ErrConflict", err)
	}
}

func TestFailuresThatAreNotTheAPIs(t *testing.T) {
	for _, tt := range []struct {
		name         string
		handler      http.HandlerFunc
		message, dev string
		requestID    string
		text         string
	}{
		{
			name:      "a proxy's page",
			handler:   says(502, "<html>Bad gateway</html>", "Content-Type", "text/html", "X-Request-Id", "edge-1"),
			message:   "Bad Gateway",
			dev:       `the answer is not one of the API's; its Content-Type is "text/html"`,
			requestID: "edge-1",
			text:      `502: Bad Gateway: the answer is not one of the API's; its Content-Type is "text/html" [request edge-1]`,
		},
		{
			name:    "nothing at all",
			handler: says(500, "", "Content-Type", "text/plain"),
			message: "Internal Server Error",
			dev:     `the answer is not one of the API's; its Content-Type is "text/plain"`,
			text:    `500: Internal Server Error: the answer is not one of the API's; its Content-Type is "text/plain"`,
		},
		{
			name:    "a status without a name",
			handler: says(599, "x"),
			message: "failed",
			dev:     `the answer is not one of the API's; its Content-Type is "application/json"`,
			text:    `599: failed: the answer is not one of the API's; its Content-Type is "application/json"`,
		},
		{
			name:    "a gateway's JSON",
			handler: says(403, `{"status":403,"message":"Forbidden by the gateway","data":[]}`),
			message: "Forbidden by the gateway",
			text:    `403: Forbidden by the gateway`,
		},
		{
			name:    "an envelope with a body of another kind",
			handler: says(401, `{"meta":{"success":false,"message":"Log in","devMessage":"jwt expired"},"body":[]}`),
			message: "Log in",
			dev:     "jwt expired",
			text:    `401: Log in: jwt expired`,
		},
		{
			name: "an answer that breaks off",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(503)
				io.WriteString(w, `{"meta":`)
			},
			message: "Service Unavailable",
			dev:     `the answer is not one of the API's; its Content-Type is "application/json"`,
			text:    `503: Service Unavailable: the answer is not one of the API's; its Content-Type is "application/json"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := serve(t, tt.handler).Servers.List(t.Context())
			e := failure(t, err)
			got := [4]string{string(e.Code), e.Message, e.DevMessage, e.RequestID}
			if want := [4]string{"", tt.message, tt.dev, tt.requestID}; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if want := "rejoin: GET /servers: " + tt.text; e.Error() != want {
				t.Errorf("got  %s\nwant %s", e, want)
			}
		})
	}
}

func TestTextOfAnError(t *testing.T) {
	for _, tt := range []struct {
		err  client.Error
		want string
	}{
		{
			client.Error{Status: 404, Code: "not_found", Message: "Server not found", Method: "GET", Path: "/servers/1", RequestID: "r1"},
			"rejoin: GET /servers/1: 404 not_found: Server not found [request r1]",
		},
		{
			client.Error{Status: 404, Code: "not_found", Message: "Gone", DevMessage: "Gone", Method: "GET", Path: "/servers/1"},
			"rejoin: GET /servers/1: 404 not_found: Gone",
		},
		{
			client.Error{
				Status: 400, Code: "invalid_request", Message: "Not valid", DevMessage: "2 fields", Method: "PUT", Path: "/servers/1",
				Fields: []client.Field{{Pointer: "/name", Message: "is too long"}, {Message: "has too few parts"}},
			},
			"rejoin: PUT /servers/1: 400 invalid_request: Not valid: 2 fields; /name: is too long; body: has too few parts",
		},
		{
			client.Error{Status: 429, Code: "rate_limited", Message: "Slow down", Method: "GET", Path: "/servers", RetryAfter: 90 * time.Second},
			"rejoin: GET /servers: 429 rate_limited: Slow down; retry after 1m30s",
		},
		{
			client.Error{Status: 500, Message: "a\nforged\x1b[31m\u0085line", Method: "GET", Path: "/"},
			"rejoin: GET /: 500: a forged [31m line",
		},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	const date = "Sun, 01 Mar 2026 12:00:00 GMT"
	for text, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"30":                            30 * time.Second,
		"-5":                            0,
		"soon":                          0,
		"99999999999999999999":          (1<<32 - 1) * time.Second,
		"Sun, 01 Mar 2026 12:01:30 GMT": 90 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		c := serve(t, says(503, "", "Retry-After", text, "Date", date))
		_, err := c.Servers.List(t.Context())
		if got := failure(t, err).RetryAfter; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestASuccessThatIsNotTheJSONExpectedIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string
	}{
		{"a page", "<html>Please log in</html>", "not the JSON expected: invalid character '<'"},
		{"nothing", "", "not the JSON expected: unexpected end"},
		{"half of it", emptyList[:40], "not the JSON expected: unexpected end"},
		{"more than it", emptyList + "{}", "not the JSON expected: invalid character '{'"},
		{"null", "null", "does not say that it succeeded"},
		{"an array", "[]", "not the JSON expected: json: cannot unmarshal array"},
		{"another object", `{"hello":"world"}`, "does not say that it succeeded"},
		{"a failure", `{"meta":{"success":false,"message":"No"},"body":[]}`, "does not say that it succeeded"},
		{"no body in it", `{"meta":{"success":true}}`, "what was asked for is not in it"},
		{"a null body in it", `{"meta":{"success":true},"body":null}`, "what was asked for is not in it"},
		{"another kind of body in it", `{"meta":{"success":true},"body":{}}`, "cannot unmarshal object into Go struct field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			servers, err := serve(t, says(200, tt.body, "Content-Type", "text/x-odd")).Servers.List(t.Context())
			if err == nil || servers != nil {
				t.Fatalf("got %v and error %v, want only an error", servers, err)
			}
			const start = `rejoin: GET /servers: the answer with status 200 and Content-Type "text/x-odd" cannot be used: `
			if !strings.HasPrefix(err.Error(), start) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if _, ok := errors.AsType[*client.Error](err); ok {
				t.Error("it is a *client.Error, but the API reported no failure")
			}
		})
	}
}

func TestASuccessThatBreaksOffIsAnError(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, emptyList)
	})
	if _, err := c.Servers.List(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want io.ErrUnexpectedEOF", err)
	}
}

// spaces writes n bytes that JSON does not mind.
func spaces(w io.Writer, n int) {
	for chunk := strings.Repeat(" ", 1<<20); n > 0; n -= len(chunk) {
		if _, err := io.WriteString(w, chunk[:min(n, len(chunk))]); err != nil {
			return
		}
	}
}

func TestNoMoreThan32MiBOfAnAnswerAreRead(t *testing.T) {
	leavesNothingRunning(t)
	ctx := context.Background() // Nothing but the end of the call ends these requests.
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		spaces(w, 32<<20+1-len(emptyList))
		io.WriteString(w, emptyList)
	})
	if _, err := c.Servers.List(ctx); err == nil || !strings.HasSuffix(err.Error(), "it is larger than 32 MiB") {
		t.Errorf("one byte more: %v", err)
	}

	c = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		spaces(w, 1<<40)
	})
	if _, err := c.Servers.List(ctx); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a failure with an endless body: got %v, want ErrNotFound", err)
	}
}

// zipped makes a handler that gives an answer of some 8 MiB, with an item as often as fits, in a few KB.
func zipped(status int, begin, item, end string) http.HandlerFunc {
	var text bytes.Buffer
	w := gzip.NewWriter(&text)
	io.WriteString(w, begin)
	for n, chunk := 0, strings.Repeat(item+",", 1<<16); n+len(chunk) < 8<<20; n += len(chunk) {
		io.WriteString(w, chunk)
	}
	io.WriteString(w, item+end)
	w.Close()
	return says(status, text.String(), "Content-Encoding", "gzip")
}

// allocated is how many MiB f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) >> 20
}

func TestAnAnswerOfTooManyItemsIsGivenUp(t *testing.T) {
	c := serve(t, zipped(200, `{"meta":{"success":true,"page":1,"total":1},"body":[`, "{}", "]}"))
	for name, call := range map[string]func() error{
		"Servers.List":  func() error { return second(c.Servers.List(t.Context())) },
		"Servers.Roles": func() error { return second(c.Servers.Roles(t.Context(), id)) },
		"Servers.Members": func() (last error) {
			for _, last = range c.Servers.Members(t.Context(), id) {
			}
			return last
		},
	} {
		var err error
		took := allocated(func() { err = call() })
		if err == nil || !strings.HasSuffix(err.Error(), "it is too large: it has more than 10000 items") {
			t.Errorf("%s: got %v", name, err)
		}
		if took > 100 {
			t.Errorf("%s: %d MiB were allocated for an answer of 8", name, took)
		}
	}
}

func TestAnAnswerOfTooManyPartsIsGivenUp(t *testing.T) {
	const good = `{"meta":{"success":true,"page":1,"limit":100,"total":1},"body":`
	for name, tt := range map[string]struct {
		begin, item, end string
		call             func(*client.Client) error
	}{
		"roles of a server": {good + `{"roles":[`, `""`, "]}}",
			func(c *client.Client) error { return second(c.Servers.Get(t.Context(), id)) }},
		"roles of many servers": {good + `[{"roles":[`, `""`, "]}]}",
			func(c *client.Client) error { return second(c.Servers.List(t.Context())) }},
		"an audit trail": {good + `[{"after":{"x":[`, `{}`, "]}}]}",
			func(c *client.Client) error { return second(collect(c.Audit.List(t.Context(), id))) }},
		"a deletion": {good + `{"x":[`, "{}", "]}}",
			func(c *client.Client) error { return c.Servers.Delete(t.Context(), id) }},
	} {
		c := serve(t, zipped(200, tt.begin, tt.item, tt.end))
		var err error
		took := allocated(func() { err = tt.call(c) })
		if err == nil || !strings.HasSuffix(err.Error(), "it is too large: it has more than 1000000 parts") {
			t.Errorf("%s: got %v", name, err)
		}
		if took > 100 {
			t.Errorf("%s: %d MiB were allocated for an answer of 8", name, took)
		}
	}
}

func TestWhatLooksLikePartsInATextIsNone(t *testing.T) {
	name := strings.Repeat(`[{,\"\\`, 200_000)
	c := serve(t, says(200, envelope(`{"name":"`+name+`"}`)))
	server, err := c.Servers.Get(t.Context(), id)
	if err != nil || server.Name != strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(name) {
		t.Errorf("got %v", err)
	}
}

func TestAListMayHave10000Items(t *testing.T) {
	for n, good := range map[int]bool{10_000: true, 10_001: false} {
		c := serve(t, says(200, envelope("["+strings.Repeat(serverJSON+",", n-1)+serverJSON+"]")))
		servers, err := c.Servers.List(t.Context())
		if good && (err != nil || len(servers) != n || servers[n-1].Name != "Chess club") || !good && (err == nil || servers != nil) {
			t.Errorf("%d items: got %d and %v", n, len(servers), err)
		}
	}
}

func TestNoServerMakesAnErrorOfAnyLength(t *testing.T) {
	c := serve(t, zipped(404, `{"meta":{"success":false,"message":"No"},"body":{"code":"not_found","fields":[`, "{}", "]}}"))
	took := allocated(func() {
		_, err := c.Servers.Get(t.Context(), id)
		if !errors.Is(err, client.ErrNotFound) || len(err.Error()) > 1000 {
			t.Errorf("got %.1000s, want ErrNotFound", err)
		}
	})
	if took > 50 {
		t.Errorf("%d MiB were allocated for a failure", took)
	}

	long := strings.Repeat("ж", 600)
	field := `{"pointer":"` + long + `","code":"` + long + `","message":"` + long + `"}`
	c = serve(t, says(400, `{"meta":{"message":"`+long+`","devMessage":"!`+long+`"},"body":{"code":"`+long+`","requestId":"`+long+
		`","fields":[`+strings.Repeat(field+",", 149)+field+`]}}`))
	_, err := c.Servers.Get(t.Context(), id)
	e := failure(t, err)
	cut := long[:2*500]
	fields := slices.Repeat([]client.Field{{Pointer: cut, Code: client.FieldCode(cut), Message: cut}}, 100)
	want := &client.Error{
		Status: 400, Code: client.Code(cut), Message: cut, DevMessage: "!" + cut[2:], RequestID: cut, Fields: fields,
		Attempts: 1, Method: "GET", Path: "/servers/" + id,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}

	for _, status := range []int{200, 500} {
		c = serve(t, says(status, "", "Content-Type", strings.Repeat("x", 100_000)))
		if _, err := c.Servers.Get(t.Context(), id); err == nil || len(err.Error()) > 1000 {
			t.Errorf("a long Content-Type with status %d: got %.1000s", status, err)
		}
	}
}

func TestTheEndOfTheContextEndsACall(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"meta":`)
		http.NewResponseController(w).Flush()
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while reading: got %v, want context.DeadlineExceeded", err)
	}
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beforehand: got %v, want context.DeadlineExceeded", err)
	}
}

func TestTheCauseOfTheEndOfAContextIsFound(t *testing.T) {
	mine := errors.New("the visitor has left")
	hang := func(begin string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if begin != "" {
				says(200, begin, headers...)(w, r)
				http.NewResponseController(w).Flush()
			}
			io.Copy(io.Discard, r.Body) // Until then, the context does not end with the connection.
			<-r.Context().Done()
		}
	}
	list := func(ctx context.Context, c *client.Client) error { return second(c.Servers.List(ctx)) }
	image := func(ctx context.Context, c *client.Client) error {
		image, err := c.Servers.Image(ctx, id)
		if err != nil {
			return err
		}
		defer image.Close()
		return second(io.ReadAll(image))
	}
	create := func(ctx context.Context, c *client.Client) error {
		return second(c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: &source{size: -1}}))
	}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		call    func(context.Context, *client.Client) error
		waits   bool
	}{
		"before the answer": {hang(""), list, false},
		"in the answer":     {hang(`{"meta":`), list, false},
		"in an image":       {hang("a picture", "Content-Type", "image/png"), image, false},
		"in an upload":      {hang(""), create, false},
		"in the wait":       {says(503, "", "Retry-After", "20"), list, true},
	} {
		for _, late := range []bool{false, true} {
			ctx, cancel := context.WithCancelCause(t.Context())
			stop := func() { cancel(nil) }
			if late && tt.waits {
				continue // A wait past the deadline is not begun.
			}
			if late {
				ctx, stop = context.WithTimeoutCause(ctx, 50*time.Millisecond, mine)
			} else {
				time.AfterFunc(50*time.Millisecond, func() { cancel(mine) })
			}
			err := tt.call(ctx, serve(t, tt.handler, client.WithRetry(client.Retry{})))
			if !errors.Is(err, mine) || !errors.Is(err, ctx.Err()) {
				t.Errorf("%s: got %v, want %v and %v", name, err, mine, ctx.Err())
			}
			stop()
		}
	}
}

func TestWhereACredentialGoesAndWhichRedirectsAreFollowed(t *testing.T) {
	list := func(c *client.Client) error { _, err := c.Servers.List(context.Background()); return err }
	join := func(c *client.Client) error { _, err := c.Servers.Join(context.Background(), id); return err }
	remove := func(c *client.Client) error { return c.Servers.Delete(context.Background(), id) }
	rename := func(c *client.Client) error {
		_, err := c.Servers.Update(context.Background(), id, client.ServerUpdate{Name: new("Chess")})
		return err
	}
	create := func(c *client.Client) error {
		in := client.ServerCreate{Name: "Chess", Image: strings.NewReader("a picture")}
		_, err := c.Servers.Create(context.Background(), in)
		return err
	}

	const one = "/servers/" + id
	for _, tt := range []struct {
		name     string
		base     string
		call     func(*client.Client) error
		status   int
		location string
		want     []string // Each request: method, address, "+" if the credential was on it.
		refused  string   // The redirect that is returned as an error instead.
	}{
		{"same host", "https://a.test", list, 302, "/new",
			[]string{"GET https://a.test/servers +", "GET https://a.test/new +"}, ""},
		{"same host, port and case written otherwise", "https://A.test:443", list, 301, "https://a.test/new",
			[]string{"GET https://A.test:443/servers +", "GET https://a.test/new +"}, ""},
		{"another host", "https://a.test", list, 302, "https://b.test/x",
			[]string{"GET https://a.test/servers +", "GET https://b.test/x"}, ""},
		{"a subdomain", "https://a.test", list, 307, "https://sub.a.test/x",
			[]string{"GET https://a.test/servers +", "GET https://sub.a.test/x"}, ""},
		{"the parent domain", "https://sub.a.test", list, 307, "https://a.test/x",
			[]string{"GET https://sub.a.test/servers +", "GET https://a.test/x"}, ""},
		{"another port", "https://a.test", list, 302, "https://a.test:8443/x",
			[]string{"GET https://a.test/servers +", "GET https://a.test:8443/x"}, ""},
		{"a host that begins alike", "https://a.test", list, 302, "https://a.test.evil.test/x",
			[]string{"GET https://a.test/servers +", "GET https://a.test.evil.test/x"}, ""},
		{"a user name that looks like the host", "https://a.test", list, 302, "https://a.test@evil.test/x",
			[]string{"GET https://a.test/servers +", "GET https://a.test@evil.test/x"}, ""},
		{"a host that is another one in Unicode", "https://api.test", list, 302, "https://ap\u0130.test/x",
			[]string{"GET https://api.test/servers +", "GET https://ap%C4%B0.test/x"}, ""},
		{"from http to https", "http://a.test", list, 301, "https://a.test/servers",
			[]string{"GET http://a.test/servers +", "GET https://a.test/servers"}, ""},
		{"from https to http", "https://a.test", list, 301, "http://a.test/servers",
			[]string{"GET https://a.test/servers +"}, "http://a.test/servers"},
		{"from https to http elsewhere", "https://a.test", list, 301, "http://b.test/x?secret#y",
			[]string{"GET https://a.test/servers +"}, "http://b.test/x"},

		{"to another scheme", "http://a.test", list, 302, "ftp://a.test/x?secret",
			[]string{"GET http://a.test/servers +"}, "ftp://a.test/x"},
		{"from https to another scheme", "https://a.test", list, 302, "ftp://a.test/x",
			[]string{"GET https://a.test/servers +"}, "ftp://a.test/x"},

		{"a change, repeated", "https://a.test", join, 307, "/new",
			[]string{"POST https://a.test" + one + "/join +", "POST https://a.test/new +"}, ""},
		{"a change with a small body, repeated", "https://a.test", rename, 308, "/new",
			[]string{"PUT https://a.test" + one + " + Chess", "PUT https://a.test/new + Chess"}, ""},
		{"a change that would become a read", "https://a.test", join, 302, "/new",
			[]string{"POST https://a.test" + one + "/join +"}, "https://a.test/new"},
		{"a change whose body would be lost", "https://a.test", rename, 303, "/new",
			[]string{"PUT https://a.test" + one + " + Chess"}, "https://a.test/new"},
		{"a deletion that would become a read", "https://a.test", remove, 301, "/new",
			[]string{"DELETE https://a.test" + one + " +"}, "https://a.test/new"},
		{"a change elsewhere", "https://a.test", join, 307, "https://b.test/x",
			[]string{"POST https://a.test" + one + "/join +"}, "https://b.test/x"},
		{"a change elsewhere with a small body", "https://a.test", rename, 308, "https://b.test/x",
			[]string{"PUT https://a.test" + one + " + Chess"}, "https://b.test/x"},
		{"a change at a host that is another one in Unicode", "https://api.test", rename, 307, "https://ap\u0130.test/x",
			[]string{"PUT https://api.test" + one + " + Chess"}, "https://ap\u0130.test/x"},
		{"an upload, which cannot be repeated", "https://a.test", create, 307, "/new",
			[]string{"POST https://a.test/servers + Chess"}, "https://a.test/new"},
		{"an upload that would become a read", "https://a.test", create, 303, "/new",
			[]string{"POST https://a.test/servers + Chess"}, "https://a.test/new"},
	} {
		for credential, opt := range map[string]client.Option{
			"Authorization": client.WithToken(token), "X-Api-Key": client.WithAPIKey(token),
		} {
			t.Run(tt.name+", "+credential, func(t *testing.T) {
				var got []string
				hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
					line := req.Method + " " + req.URL.String()
					if strings.Contains(fmt.Sprint(req.Header), token) {
						line += " +"
					}
					if req.Body != nil {
						body, _ := io.ReadAll(req.Body)
						req.Body.Close()
						if strings.Contains(string(body), "Chess") {
							line += " Chess"
						}
					}
					if got = append(got, line); len(got) == 1 {
						return response(tt.status, "", "Location", tt.location), nil
					}
					if strings.HasPrefix(line, "GET") {
						return response(200, emptyList), nil
					}
					return response(200, nothing), nil
				})}
				err := tt.call(newClient(t, tt.base, opt, client.WithHTTPClient(hc)))
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if tt.refused == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				e := failure(t, err)
				if want := "the redirect to " + tt.refused + " was not followed"; e.Status != tt.status || e.DevMessage != want {
					t.Errorf("got %v, want %q", e, want)
				}
			})
		}
	}
}

func TestACredentialComesBackWithTheRedirectToItsOwnHost(t *testing.T) {
	var got []string
	hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		got = append(got, req.URL.Host+" "+req.Header.Get("X-Api-Key"))
		switch len(got) {
		case 1:
			return response(302, "", "Location", "https://b.test/x"), nil
		case 2:
			return response(302, "", "Location", "https://a.test/y"), nil
		}
		return response(200, emptyList), nil
	})}
	c := newClient(t, "https://a.test", client.WithAPIKey("k"), client.WithHTTPClient(hc))
	if _, err := c.Servers.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.test k", "b.test ", "a.test k"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRedirectsBetweenRealServers(t *testing.T) {
	for credential, opt := range map[string]client.Option{
		"Authorization": client.WithToken(token), "X-Api-Key": client.WithAPIKey(token),
	} {
		t.Run(credential, func(t *testing.T) {
			arrived := "not asked"
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrived = r.Header.Get(credential)
				says(401, "")(w, r)
			}))
			defer other.Close()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.Header.Get(credential), token) {
					t.Errorf("%s came without the credential", r.URL)
				}
				http.Redirect(w, r, other.URL+"/elsewhere", http.StatusFound)
			}, opt)
			_, err := c.Servers.List(t.Context())
			if arrived != "" {
				t.Errorf("the other host: %q", arrived)
			}
			if e := failure(t, err); e.Path != other.URL+"/elsewhere" {
				t.Errorf("got path %q, want the address that answered", e.Path)
			}
		})
	}
}

func TestRedirectsWithoutEndEnd(t *testing.T) {
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/servers", http.StatusFound)
	})
	_, err := c.Servers.List(t.Context())
	if err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") || asked != 10 {
		t.Errorf("got %v after %d requests", err, asked)
	}
}

func TestNoErrorTellsTheCredential(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, rt := range map[string]http.RoundTripper{
		"no connection": nil,
		"a transport that fails": transport(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("no network")
		}),
		"a failure": transport(func(*http.Request) (*http.Response, error) {
			return response(401, ""), nil
		}),
		"an unusable answer": transport(func(*http.Request) (*http.Response, error) {
			return response(200, ""), nil
		}),
		"a redirect": transport(func(*http.Request) (*http.Response, error) {
			return response(302, "", "Location", "http://127.0.0.1/"), nil
		}),
	} {
		for _, opt := range []client.Option{client.WithToken(token), client.WithAPIKey(token)} {
			c := newClient(t, gone.URL, opt, client.WithHTTPClient(&http.Client{Transport: rt}))
			_, err := c.Servers.List(t.Context())
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v %+v", err, err, c, *c), token) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestNoErrorTellsTheQueryOfARedirect(t *testing.T) {
	const secret = "X-Amz-Signature=s3cret"
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, tt := range []struct{ location, want string }{
		{gone.URL + "/x?" + secret + "#top", gone.URL + `/x": dial tcp`},
		{gone.URL + "/x#" + secret, gone.URL + `/x": dial tcp`},
		{"http://[other.test?" + secret, "the answer with status 302 is a redirect to what is not a URL"},
	} {
		var log strings.Builder
		var attempts []client.Attempt
		c := serve(t, says(302, "", "Location", tt.location),
			client.WithAfter(func(_ context.Context, a client.Attempt) { attempts = append(attempts, a) }),
			client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, err := c.Servers.Image(t.Context(), id)
		if _, ok := errors.AsType[*url.Error](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.location, err, tt.want)
		}
		if len(attempts) != 1 || attempts[0].Err == nil {
			t.Fatalf("%s: %+v", tt.location, attempts)
		}
		for _, text := range []string{err.Error(), attempts[0].Err.Error(), log.String()} {
			if strings.Contains(text, "s3cret") || strings.Contains(text, "other.test") {
				t.Errorf("%s: %q tells what is in it", tt.location, text)
			}
		}
	}
}

func TestAClientIsSafeForConcurrentUse(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("name")
		fmt.Fprintf(w, `{"meta":{"success":true},"body":{"name":%q}}`, name)
	}, client.WithToken(token))
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			name := fmt.Sprint("server ", i)
			created, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: name, Image: strings.NewReader(name)})
			if err != nil || created.Name != name {
				t.Errorf("%s: %v, %v", name, created, err)
			}
			updated, err := c.Servers.Update(t.Context(), id, client.ServerUpdate{Name: &name})
			if err != nil || updated.Name != name {
				t.Errorf("%s: %v, %v", name, updated, err)
			}
			if _, err := c.Servers.Get(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestAClientForAnotherCallerIsLikeTheFirst(t *testing.T) {
	var got []string
	hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		h := req.Header
		got = append(got, strings.Join([]string{req.URL.String(), h.Get("Authorization"), h.Get("X-Api-Key"), h.Get("User-Agent")}, "|"))
		return response(200, emptyList), nil
	})}
	first := newClient(t, "http://a.test/base/", client.WithHTTPClient(hc), client.WithUserAgent("quiz"))
	second := must(first.WithToken("session"))
	third := must(second.WithAPIKey("key"))
	fourth := must(third.WithToken("other"))
	for _, c := range []*client.Client{first, second, third, fourth, second, first} {
		if _, err := c.Channels.List(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	const at = "http://a.test/base/channels|"
	want := []string{
		at + "||quiz", at + "Bearer session||quiz", at + "|key|quiz", at + "Bearer other||quiz",
		at + "Bearer session||quiz", at + "||quiz",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestAClientForAnotherCallerUsesTheSameConnections(t *testing.T) {
	from := map[string]bool{}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from[r.RemoteAddr] = true
		io.WriteString(w, emptyList)
	})
	for i := range 10 {
		if _, err := must(c.WithToken(fmt.Sprint("session-", i))).Servers.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(from) != 1 {
		t.Errorf("%d connections for 10 callers in turn, want 1", len(from))
	}
}

func TestAClientForAnotherCallerNeedsACredential(t *testing.T) {
	c := newClient(t, "http://a.test", client.WithToken(token))
	for _, bad := range []string{"", " ", "a b", "a\n", "ü"} {
		for name, with := range map[string]func(string) (*client.Client, error){"WithToken": c.WithToken, "WithAPIKey": c.WithAPIKey} {
			derived, err := with(bad)
			if derived != nil || err == nil || !strings.HasPrefix(err.Error(), "rejoin: the credential ") {
				t.Errorf("%s(%q): got %v and %v, want an error", name, bad, derived, err)
			}
		}
	}
}

func TestClientsForManyCallersAtOnce(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"meta":{"success":true},"body":{"username":%q}}`, r.Header.Get("Authorization"))
	})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			name := fmt.Sprint("session-", i)
			derived, err := c.WithToken(name)
			if err != nil {
				t.Error(err)
				return
			}
			me, err := derived.Auth.Me(t.Context())
			if err != nil || me.Username != gen.NullableOf("Bearer "+name) {
				t.Errorf("%s: got %v, %v", name, me, err)
			}
		})
	}
	wg.Wait()
}

func TestAnAPIKeyIsSentAsItsOperationTakesIt(t *testing.T) {
	list := func(c *client.Client) error { _, err := c.Channels.List(context.Background(), ""); return err }
	listForKey := func(c *client.Client) error { _, err := c.Channels.ListForKey(context.Background()); return err }
	const integration = `{"status":"success","data":[]}`
	for _, tt := range []struct {
		name, base string
		call       func(*client.Client) error
		location   string
		want       []string
	}{
		{"the System API", "https://a.test", list, "", []string{"/channels x"}},
		{"the Integration API", "https://a.test", listForKey, "", []string{"/apis/v1/channels bearer"}},
		{"the System API below a path", "https://a.test/api/v1/", list, "", []string{"/api/v1/channels x"}},
		{"the Integration API below a path", "https://a.test/a%2Fb", listForKey, "", []string{"/a%2Fb/apis/v1/channels bearer"}},
		{"the Integration API below a path with dots", "https://a.test/x/../a/.", listForKey, "", []string{"/a/apis/v1/channels bearer"}},
		{"the System API below such a path", "https://a.test/apis/v1", list, "", []string{"/apis/v1/channels x"}},
		{"redirected to the other", "https://a.test", list, "/apis/v1/x", []string{"/channels x", "/apis/v1/x x"}},
		{"and back", "https://a.test", listForKey, "/v1/channels", []string{"/apis/v1/channels bearer", "/v1/channels bearer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
				line := req.URL.EscapedPath()
				if req.Header.Get("X-Api-Key") == key {
					line += " x"
				}
				if req.Header.Get("Authorization") == "Bearer "+key {
					line += " bearer"
				}
				if got = append(got, line); len(got) == 1 && tt.location != "" {
					return response(302, "", "Location", tt.location), nil
				}
				return response(200, integration), nil
			})}
			if err := tt.call(newClient(t, tt.base, client.WithAPIKey(key), client.WithHTTPClient(hc))); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A program that only calls the API carries no web framework, no validator and no database driver.
func TestTheClientDependsOnLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("only %d dependencies: is this the right list?\n%s", len(deps), out)
	}
	for _, dep := range deps {
		for _, part := range []string{"echo", "kin-openapi", "sqlite", "pgx", "rejoin/server", "rejoin/api", "gen/stub"} {
			if strings.Contains(dep, part) {
				t.Errorf("the client depends on %s", dep)
			}
		}
		if dep == "database/sql" || dep == "testing" {
			t.Errorf("the client depends on %s", dep)
		}
	}
}
