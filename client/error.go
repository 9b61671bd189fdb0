package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rejoin-dev/rejoin/gen"
)

// The kinds of failure, for [errors.Is]. An [*Error] is one of them by its Code; if it has none, or one that is newer
// than this package, by its Status.
var (
	// ErrInvalidRequest: the request is malformed or against the contract; the Fields of the [Error] say where.
	ErrInvalidRequest = errors.New("rejoin: invalid request")
	// ErrUnauthenticated: there is no credential, or it is unknown, ended or expired.
	ErrUnauthenticated = errors.New("rejoin: unauthenticated")
	// ErrPermissionDenied: the credential is good, but may not do this.
	ErrPermissionDenied = errors.New("rejoin: permission denied")
	// ErrEmailUnverified: the account has to confirm its e-mail address first.
	ErrEmailUnverified = errors.New("rejoin: e-mail address not verified")
	// ErrTwoFactorRequired: the account has two-factor on; sign in again with an [WithOTP].
	ErrTwoFactorRequired = errors.New("rejoin: one-time code required")
	// ErrTwoFactorOff: what is asked is for accounts with two-factor on; see [AuthService.StartTwoFactor].
	ErrTwoFactorOff = errors.New("rejoin: two-factor is off")
	// ErrNotFound: it does not exist, or it is not the caller's; the API does not say which.
	ErrNotFound = errors.New("rejoin: not found")
	// ErrMethodNotAllowed: the API has this path, but not with this method.
	ErrMethodNotAllowed = errors.New("rejoin: method not allowed")
	// ErrConflict: a duplicate, or something that the present state does not allow.
	ErrConflict = errors.New("rejoin: conflict")
	// ErrPayloadTooLarge: the request, or a file in it, is larger than the API takes.
	ErrPayloadTooLarge = errors.New("rejoin: payload too large")
	// ErrUnsupportedMediaType: the API does not take content of this type.
	ErrUnsupportedMediaType = errors.New("rejoin: unsupported media type")
	// ErrRateLimited: too many requests; RetryAfter says when the next one is welcome.
	ErrRateLimited = errors.New("rejoin: rate limited")
	// ErrInternal: the API failed for a reason of its own.
	ErrInternal = errors.New("rejoin: internal error")
	// ErrUnavailable: the API, or what stands before it, cannot answer for the time being.
	ErrUnavailable = errors.New("rejoin: unavailable")

	// ErrNotImplemented: the API does not offer the operation.
	ErrNotImplemented = errors.New("rejoin: not implemented")
)

// Code is the kind of a failure on the wire. The list grows with the contract: let a switch over it have a default.
type Code = gen.ProblemCode

// Field is one part of a request that is wrong: a Pointer to it (RFC 6901 into the body, or query/name, path/name,
// header/name; empty for the whole body), a Code and a Message for a person. It has nothing to do with [UserField], in which a
// community keeps what it knows of its users.
type Field = gen.ProblemField

// FieldCode is what is wrong with a part of a request, such as [FieldRequired] or [FieldDuplicate]; what begins with UserField is
// about a [UserField]. The list grows with the contract.
type FieldCode = gen.FieldCode

// Error is an answer that is not a success: what the API said, or what a proxy in front of it did.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the kind of failure as the API names it. It is empty if the answer was not one of the API's.
	Code Code
	// Message is for a person. It is never empty.
	Message string
	// DevMessage names the cause for a developer, wherever the family of the answer says it. It may be empty.
	DevMessage string
	// RequestID finds this request in the log of the API. It is empty if the answer has none.
	RequestID string
	// Fields are the parts of the request that are wrong, with ErrInvalidRequest, and those that a conflict comes of, with ErrConflict, such as a price
	// that has changed. They may be none.
	Fields []Field
	// RetryAfter is how long the API asks to wait before the next try; 0 if it does not say.
	RetryAfter time.Duration
	// Attempts is how often the call was sent before it was given up, 1 if it was not tried again.
	Attempts int
	// Method and Path are what was asked. Path is a whole address if a redirect led to another host.
	Method, Path string
}

// Error says all there is to know, in one line for a log, without control characters. It contains no credential.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rejoin: %s %s: %d", e.Method, e.Path, e.Status)
	if e.Code != "" {
		b.WriteString(" " + string(e.Code))
	}
	b.WriteString(": " + e.Message)
	if e.DevMessage != "" && !strings.HasSuffix(e.Message, e.DevMessage) && !slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Message == e.DevMessage }) {
		b.WriteString(": " + e.DevMessage)
	}
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", orElse(f.Pointer, "body"), f.Message)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; retry after %s", e.RetryAfter)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, "; after %d attempts", e.Attempts)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, b.String())
}

var kinds = map[Code]error{
	CodeInvalidRequest:       ErrInvalidRequest,
	CodeUnauthenticated:      ErrUnauthenticated,
	CodePermissionDenied:     ErrPermissionDenied,
	CodeEmailUnverified:      ErrEmailUnverified,
	CodeTwoFactorRequired:    ErrTwoFactorRequired,
	CodeTwoFactorOff:         ErrTwoFactorOff,
	CodeNotFound:             ErrNotFound,
	CodeMethodNotAllowed:     ErrMethodNotAllowed,
	CodeConflict:             ErrConflict,
	CodePayloadTooLarge:      ErrPayloadTooLarge,
	CodeUnsupportedMediaType: ErrUnsupportedMediaType,
	CodeRateLimited:          ErrRateLimited,
	CodeInternal:             ErrInternal,
	CodeUnavailable:          ErrUnavailable,
	CodeNotImplemented:       ErrNotImplemented,
}

// Unwrap returns the kind of the failure, such as [ErrNotFound], or nil if it is of none.
func (e *Error) Unwrap() error {
	if kind := kinds[e.Code]; kind != nil {
		return kind
	}
	return kinds[gen.ProblemCodeOf(e.statusOfTheAPI())]
}

// statusOfTheAPI is the status that the API has for what Status means: other backends use more of them.
func (e *Error) statusOfTheAPI() int {
	switch {
	case e.Status == http.StatusUnprocessableEntity:
		return http.StatusBadRequest
	case e.Status == http.StatusGone:
		return http.StatusNotFound
	case e.Status == http.StatusBadGateway, e.Status == http.StatusGatewayTimeout:
		return http.StatusServiceUnavailable
	case e.Status >= 500 && e.Status <= 599 && gen.ProblemCodeOf(e.Status) == "":
		return http.StatusInternalServerError
	}
	return e.Status
}

// newError reads what it can of an answer that is not a success. Whatever is wrong with its body, the status counts.
func newError(res *http.Response) *Error {
	var said struct {
		envelope[gen.Problem]
		Code      Code   `json:"code"` // Of the family that is flat.
		RequestID string `json:"requestId"`
	}
	if text, err := io.ReadAll(io.LimitReader(res.Body, maxFailure)); err == nil {
		_ = json.Unmarshal(text, &said) // What fits is taken, even if other parts are of other types.
	}
	e := &Error{
		Status:     res.StatusCode,
		Message:    orElse(said.Meta.Message, said.Message),
		DevMessage: said.Meta.DevMessage,
		RequestID:  res.Header.Get("X-Request-Id"),
		RetryAfter: retryAfter(res.Header, time.Now()),
		Attempts:   attemptOf(res.Request.Context()).number,
	}
	e.Method, e.Path = asked(res)
	if problem := said.payload(); problem == nil {
		e.Code, e.RequestID = Code(cut(string(said.Code))), orElse(said.RequestID, e.RequestID)
	} else {
		e.Code = Code(cut(string(problem.Code)))
		for _, f := range problem.Fields[:min(len(problem.Fields), maxFields)] {
			f = Field{Pointer: cut(f.Pointer), Code: FieldCode(cut(string(f.Code))), Message: cut(f.Message)}
			e.Fields = append(e.Fields, f)
		}
		e.RequestID = orElse(problem.RequestID, e.RequestID)
		e.DevMessage = orElse(e.DevMessage, problem.Detail)
	}
	if e.Code == "" && e.Message == "" && e.DevMessage == "" {
		e.DevMessage = stranger(res)
	}
	e.Message = orElse(e.Message, orElse(http.StatusText(res.StatusCode), "failed"))
	e.Message, e.DevMessage, e.RequestID = cut(e.Message), cut(e.DevMessage), cut(e.RequestID)
	return e
}

// Nothing that a server says makes an [Error] of any length: these are the bounds that the contract has.
const (
	maxFields = 100
	maxText   = 500 // In characters.
)

// maxFailure is how many bytes are read of an answer that is not a success. What the contract allows has less than half.
const maxFailure = 1 << 20

// cut is the beginning of a text, and does not keep the rest of it in memory.
func cut(text string) string {
	characters := 0
	for i := range text {
		if characters == maxText {
			return strings.Clone(text[:i])
		}
		characters++
	}
	return text
}

// stranger says what an answer is that does not come from the API.
func stranger(res *http.Response) string {
	if to, err := res.Location(); err == nil && res.StatusCode/100 == 3 {
		return fmt.Sprintf("the redirect to %s://%s%s was not followed", to.Scheme, to.Host, to.EscapedPath())
	}
	return fmt.Sprintf("the answer is not one of the API's; its Content-Type is %q", res.Header.Get("Content-Type"))
}

// retryAfter reads Retry-After in both of its forms. A moment is taken relative to the answer's own clock, if it shows
// one, so that a wrong clock on this side does not matter.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	when, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if said, err := http.ParseTime(h.Get("Date")); err == nil {
		now = said
	}
	return max(0, when.Sub(now))
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}
