package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
)

func TestEveryFamilyOfFailureIsUnderstood(t *testing.T) {
	const problem = `{"code":"invalid_request","requestId":"r-1",
		"fields":[{"pointer":"/name","code":"required","message":"is required"}]}`
	for _, tt := range []struct {
		family, body, devMessage string
	}{
		{"system", `{"meta":{"success":false,"message":"Not valid","devMessage":"name"},"body":` + problem + `}`, "name"},
		{"integration", `{"status":"error","message":"Not valid","data":` + problem + `}`, ""},
		{"application", `{"meta":{"status":"error","statusCode":400},"message":"Not valid","data":` + problem + `}`, ""},
		{"integration, with a detail", `{"status":"error","message":"Not valid","data":{"detail":"name",` + problem[1:] + `}`, "name"},
		{"application, with a detail", `{"meta":{"status":"error","statusCode":400},"message":"Not valid","data":{"detail":"name",` + problem[1:] + `}`, "name"},
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
		{418, "two_factor_required", client.ErrTwoFactorRequired},
		{418, "two_factor_off", client.ErrTwoFactorOff},
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
			client.Error{
				Status: 409, Code: "conflict", Message: "You have bought as many as you may", DevMessage: "limit reached: 2", Method: "POST", Path: "/apis/v1/purchases",
				Fields: []client.Field{{Pointer: "/quantity", Message: "limit reached: 2"}},
			},
			"rejoin: POST /apis/v1/purchases: 409 conflict: You have bought as many as you may; /quantity: limit reached: 2",
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

	long := strings.Repeat("ж", 1010)
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
