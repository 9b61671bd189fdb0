package contract

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
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// An Error is an answer to the caller. Everything else that goes wrong is internal: the log has it whole, the answer nothing of it.
//
// Neither of its texts may have a submitted value, SQL or Go in it.
type Error struct {
	Code       gen.ProblemCode
	Message    string             // for a person
	DevMessage string             // for a developer: what caused it
	Fields     []gen.ProblemField // what is wrong in an invalid request
	RetryAfter time.Duration      // when to try again, sent in whole seconds; 0: the answer does not say
	Cause      error              // for the log only
}

// Error is for the log. Callers never see it.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.DevMessage, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.DevMessage)
}

// Unwrap returns Cause.
func (e *Error) Unwrap() error { return e.Cause }

// Invalid is for a request in which something is wrong: see Field. Of many fields it keeps the first 100.
func Invalid(fields ...gen.ProblemField) *Error {
	fields = fields[:min(len(fields), maxFields)]
	return &Error{Code: gen.ProblemCodeInvalidRequest, Message: "The request is not valid", DevMessage: "see fields", Fields: fields}
}

// Unauthenticated is for a caller who is not known.
func Unauthenticated(why string) *Error {
	return &Error{Code: gen.ProblemCodeUnauthenticated, Message: "Sign in first", DevMessage: why}
}

// PermissionDenied is for a caller who is known and may not.
func PermissionDenied(why string) *Error {
	return &Error{Code: gen.ProblemCodePermissionDenied, Message: "You may not do this", DevMessage: why}
}

// NotFound is for what does not exist and for what is not the caller's: the answer must not tell them apart. It names the
// kind of thing, such as "server".
func NotFound(what string) *Error {
	return &Error{Code: gen.ProblemCodeNotFound, Message: "Not found", DevMessage: "there is no such " + what + ", or it is not yours"}
}

// Conflict is for what cannot be done as things stand.
func Conflict(message, why string) *Error {
	return &Error{Code: gen.ProblemCodeConflict, Message: message, DevMessage: why}
}

// tooLarge is for a body, or the part of it to which the pointer leads, that has more bytes than its limit.
func tooLarge(pointer string, limit int64) *Error {
	most := sizeText(limit)
	return &Error{Code: gen.ProblemCodePayloadTooLarge, Message: "The request is too large: the limit is " + most, DevMessage: "see fields",
		Fields: []gen.ProblemField{Field(pointer, gen.FieldCodeTooLong, "must have at most "+most)}}
}

// sizeText is a limit as people say it. Limits below a MiB are whole KiB.
func sizeText(bytes int64) string {
	if bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}

// RateLimited is for a caller who has to wait.
func RateLimited(wait time.Duration) *Error {
	return &Error{Code: gen.ProblemCodeRateLimited, Message: "Too many attempts: try again later",
		DevMessage: "the Retry-After header tells when", RetryAfter: wait}
}

// internal is for what should not happen.
func internal(cause error) *Error {
	return &Error{Code: gen.ProblemCodeInternal, Message: "Something went wrong",
		DevMessage: "the log of the server has the cause under this request id", Cause: cause}
}

// Unavailable is for what will be possible again in a moment.
func Unavailable(cause error) *Error {
	return &Error{Code: gen.ProblemCodeUnavailable, Message: "Try again in a moment",
		DevMessage: "the server is overloaded or has lost its database", Cause: cause, RetryAfter: time.Second}
}

// unreadable is for a body that broke off, or that is too large, as the reader's error says.
func (state *requestState) unreadable(cause error) *Error {
	var size *http.MaxBytesError
	if errors.As(cause, &size) {
		return state.operation.bodyTooLarge(state.form)
	}
	e := Invalid(Field("", gen.FieldCodeMalformed, "could not be read to its end"))
	e.Cause = cause
	return e
}

func (o *Operation) unsupportedMediaType() *Error {
	want := o.BodyType
	if o.Form != nil && want != multipartType {
		want += " or " + multipartType
	}
	return &Error{Code: gen.ProblemCodeUnsupportedMediaType, Message: "This kind of content is not accepted",
		DevMessage: "send the body as " + want}
}

// errorOf makes an Error of any error: what a handler returned, the router, or a panic.
func errorOf(err error) *Error {
	var e *Error
	var routing *echo.HTTPError
	var body *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &body):
		return tooLarge("", body.Limit)
	case errors.Is(err, stub.ErrNotImplemented):
		return &Error{Code: gen.ProblemCodeNotImplemented, Message: "This is not offered here",
			DevMessage: "the backend does not implement this operation"}
	case errors.Is(err, context.DeadlineExceeded):
		return Unavailable(err)
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		return &Error{Code: gen.ProblemCodeNotFound, Message: "Not found", DevMessage: "there is no such route"}
	case errors.As(err, &routing) && routing.Code == http.StatusBadRequest: // from the stub: a duplicate header, say
		return Invalid(Field("", gen.FieldCodeMalformed, "could not be read"))
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		return &Error{Code: gen.ProblemCodeMethodNotAllowed, Message: "This cannot be done here",
			DevMessage: "the route has other methods; the Allow header names them"}
	}
	return internal(err)
}

// envelope puts an error into the form of a family.
func (e *Error) envelope(in api.Family, requestID string) any {
	problem := gen.Problem{Code: e.Code, RequestID: requestID, Fields: e.Fields}
	if problem.Fields == nil {
		problem.Fields = []gen.ProblemField{}
	}
	if in == api.System {
		meta := gen.SystemMeta{Success: false, Message: e.Message, DevMessage: e.DevMessage}
		return gen.SystemErrorResponse{Meta: meta, Body: problem}
	}
	problem.Detail = e.DevMessage // which these families have no other place for
	message := e.Message
	if e.Code == gen.ProblemCodePermissionDenied && e.DevMessage != "" {
		message += ": " + e.DevMessage // many show nothing but the message
	}
	if in == api.Flat {
		return gen.FlatErrorResponse{Error: true, Message: e.whole(), Code: e.Code, RequestID: requestID}
	}
	if in == api.Application {
		meta := gen.ApplicationMeta{Status: "error", StatusCode: int32(e.Code.Status())}
		return gen.ApplicationErrorResponse{Meta: meta, Message: message, Data: problem}
	}
	return gen.IntegrationErrorResponse{Status: "error", Message: message, Data: problem}
}

// longestMessage is how many characters a message has at most. The contract says so.
const longestMessage = 500

// whole is all that can be told in one text, where an envelope has no other.
func (e *Error) whole() string {
	why := e.DevMessage
	if len(e.Fields) > 0 {
		var all []string
		for _, f := range e.Fields {
			all = append(all, strings.TrimSpace(f.Pointer+" "+f.Message))
		}
		why = strings.Join(all, "; ")
	}
	if why != "" {
		why = ": " + why
	}
	text := []rune(e.Message + why)
	return string(text[:min(len(text), longestMessage)])
}

// errorHandler is where every error becomes an answer, in the envelope of the operation that the request matched. What is
// the backend's own fault goes to the log, whole, under the request id of the answer.
func errorHandler(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		ctx, header := c.Request().Context(), c.Response().Header()
		e, op, requestID := errorOf(err), OperationFrom(ctx), header.Get(echo.HeaderXRequestID)
		if e.Cause != nil && e.Code.Status() >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
			log.LogAttrs(ctx, slog.LevelError, string(e.Code)+" error",
				slog.String("request_id", requestID), slog.String("operation", op.Name()), slog.Any("error", err))
		}
		if c.Response().Committed {
			return
		}
		in := api.FamilyOf(c.Request().URL.Path)
		if op != nil {
			in = op.Family
		}
		if e.Code == gen.ProblemCodeUnauthenticated {
			header.Set(echo.HeaderWWWAuthenticate, `Bearer realm="rejoin"`)
		}
		if e.RetryAfter > 0 {
			header.Set(echo.HeaderRetryAfter, strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
		}
		answer, err := gen.MarshalJSON(e.envelope(in, requestID))
		if err == nil {
			answer = append(answer, '\n')
			header.Set(echo.HeaderContentLength, strconv.Itoa(len(answer))) // it may have to be whole long before the request is
			err = c.JSONBlob(e.Code.Status(), answer)
		}
		if err != nil {
			log.LogAttrs(ctx, slog.LevelDebug, "the answer was not delivered",
				slog.String("request_id", requestID), slog.Any("error", err))
		}
	}
}
