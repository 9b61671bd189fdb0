package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A fault is an error that the caller is told about. Everything else that goes wrong is "internal": logged whole, told
// as nothing.
type fault struct {
	code       gen.ProblemCode
	message    string // for a person
	dev        string // for a developer: the cause
	fields     []gen.ProblemField
	retryAfter time.Duration
	cause      error // for the log only
}

func (f *fault) Error() string {
	if f.cause != nil {
		return fmt.Sprintf("%s: %s: %v", f.code, f.dev, f.cause)
	}
	return fmt.Sprintf("%s: %s", f.code, f.dev)
}

func (f *fault) Unwrap() error { return f.cause }

// The only map from codes to statuses.
var statusOf = map[gen.ProblemCode]int{
	gen.ProblemCodeInvalidRequest:       http.StatusBadRequest,
	gen.ProblemCodeUnauthenticated:      http.StatusUnauthorized,
	gen.ProblemCodePermissionDenied:     http.StatusForbidden,
	gen.ProblemCodeEmailUnverified:      http.StatusForbidden,
	gen.ProblemCodeNotFound:             http.StatusNotFound,
	gen.ProblemCodeMethodNotAllowed:     http.StatusMethodNotAllowed,
	gen.ProblemCodeConflict:             http.StatusConflict,
	gen.ProblemCodePayloadTooLarge:      http.StatusRequestEntityTooLarge,
	gen.ProblemCodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	gen.ProblemCodeRateLimited:          http.StatusTooManyRequests,
	gen.ProblemCodeInternal:             http.StatusInternalServerError,
	gen.ProblemCodeUnavailable:          http.StatusServiceUnavailable,
}

func invalid(fields ...gen.ProblemField) *fault {
	return &fault{code: gen.ProblemCodeInvalidRequest, message: "The request is not valid", dev: "see fields", fields: fields}
}

func unauthenticated(why string) *fault {
	return &fault{code: gen.ProblemCodeUnauthenticated, message: "Sign in first", dev: why}
}

func permissionDenied(why string) *fault {
	return &fault{code: gen.ProblemCodePermissionDenied, message: "You may not do this", dev: why}
}

// notFound is for what does not exist and for what is not the caller's: the answer must not tell them apart.
func notFound(what string) *fault {
	return &fault{code: gen.ProblemCodeNotFound, message: "Not found", dev: "there is no such " + what + ", or it is not yours"}
}

func conflict(message, why string) *fault {
	return &fault{code: gen.ProblemCodeConflict, message: message, dev: why}
}

func tooLarge(limit int64) *fault {
	return &fault{code: gen.ProblemCodePayloadTooLarge, message: "The request is too large",
		dev: fmt.Sprintf("the limit is %d bytes", limit)}
}

func unsupportedMediaType(want string) *fault {
	return &fault{code: gen.ProblemCodeUnsupportedMediaType, message: "This kind of content is not accepted",
		dev: "send the body as " + want}
}

func rateLimited(wait time.Duration) *fault {
	return &fault{code: gen.ProblemCodeRateLimited, message: "Too many attempts: try again later",
		dev: "the Retry-After header tells when", retryAfter: wait}
}

func internal(cause error) *fault {
	return &fault{code: gen.ProblemCodeInternal, message: "Something went wrong",
		dev: "the log of the server has the cause under this request id", cause: cause}
}

func unavailable(cause error) *fault {
	return &fault{code: gen.ProblemCodeUnavailable, message: "Try again in a moment",
		dev: "the server is overloaded or has lost its database", cause: cause, retryAfter: time.Second}
}

// faultOf makes a fault of any error: what a handler returned, the router, the store or a panic.
func faultOf(err error) *fault {
	var f *fault
	var routing *echo.HTTPError
	var body *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &body):
		return tooLarge(body.Limit)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return unavailable(err)
	case errors.Is(err, store.ErrNotFound):
		return notFound("thing")
	case errors.Is(err, store.ErrDuplicate):
		return conflict("It is there already", "the same thing exists")
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		return &fault{code: gen.ProblemCodeNotFound, message: "Not found", dev: "there is no such route"}
	case errors.As(err, &routing) && routing.Code == http.StatusBadRequest: // from the stub: a header that stands there twice, say
		return invalid(problem("", gen.FieldCodeMalformed, "could not be read"))
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		return &fault{code: gen.ProblemCodeMethodNotAllowed, message: "This cannot be done here",
			dev: "the route has other methods; the Allow header names them"}
	}
	return internal(err)
}

// A family is a form that answers come in.
type family string

const (
	systemFamily      family = "System"
	integrationFamily family = "Integration"
	applicationFamily family = "Application"
)

// familyOfPath is for requests that match no operation.
func familyOfPath(path string) family {
	if path == integrationPrefix || strings.HasPrefix(path, integrationPrefix+"/") {
		return integrationFamily
	}
	return systemFamily
}

// envelope puts a fault into the form of a family.
func (f *fault) envelope(in family, requestID string) any {
	problem := gen.Problem{Code: f.code, RequestID: requestID, Fields: f.fields}
	if problem.Fields == nil {
		problem.Fields = []gen.ProblemField{}
	}
	switch in {
	case integrationFamily:
		return gen.IntegrationErrorResponse{Status: "error", Message: f.message, Data: problem}
	case applicationFamily:
		meta := gen.ApplicationMeta{Status: "error", StatusCode: int32(statusOf[f.code])}
		return gen.ApplicationErrorResponse{Meta: meta, Message: f.message, Data: problem}
	}
	meta := gen.SystemMeta{Success: false, Message: f.message, DevMessage: f.dev}
	return gen.SystemErrorResponse{Meta: meta, Body: problem}
}

// writeError is where every error becomes an answer. It is Echo's HTTPErrorHandler.
func (s *Server) writeError(err error, c echo.Context) {
	call := callFrom(c.Request().Context())
	f := faultOf(err)
	if f.cause != nil && statusOf[f.code] >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		s.log.LogAttrs(c.Request().Context(), slog.LevelError, string(f.code)+" error",
			slog.String("request_id", call.requestID), slog.String("operation", call.operation.name()), slog.Any("error", err))
	}
	if c.Response().Committed {
		return
	}
	in := familyOfPath(c.Request().URL.Path)
	if call.operation != nil {
		in = call.operation.family
	}
	header := c.Response().Header()
	switch f.code {
	case gen.ProblemCodeUnauthenticated:
		header.Set(echo.HeaderWWWAuthenticate, `Bearer realm="rejoin"`)
	case gen.ProblemCodePayloadTooLarge:
		header.Set(echo.HeaderConnection, "close") // what is left of the body is not read
	}
	if f.retryAfter > 0 {
		header.Set(echo.HeaderRetryAfter, strconv.Itoa(int((f.retryAfter+time.Second-1)/time.Second)))
	}
	if err := c.JSON(statusOf[f.code], f.envelope(in, call.requestID)); err != nil {
		s.log.LogAttrs(c.Request().Context(), slog.LevelDebug, "the answer was not delivered",
			slog.String("request_id", call.requestID), slog.Any("error", err))
	}
}
