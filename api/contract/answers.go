package contract

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"
)

// checkAnswers is the middleware that validates each answer too, as the conformance suite does from the
// outside. Answers that are not JSON pass as they are, and so do those that are sent as they are read: they may not fit into memory.
func checkAnswers(enforce bool, log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			response := c.Response()
			buffered := &bufferedAnswer{ResponseWriter: response.Writer}
			if op := OperationFrom(c.Request().Context()); op != nil {
				buffered.streamed = op.Streamed
			}
			response.Writer = buffered
			if err := next(c); err != nil {
				c.Error(err) // an error is an answer like any other
			}
			response.Writer = buffered.ResponseWriter
			if buffered.status == 0 {
				return nil
			}
			ctx := c.Request().Context()
			op := OperationFrom(ctx)
			if broken := buffered.validate(op, c.Request()); broken != nil {
				log.LogAttrs(ctx, slog.LevelError, "an answer breaks the contract",
					slog.String("request_id", c.Response().Header().Get(echo.HeaderXRequestID)), slog.String("operation", op.Name()),
					slog.Int("status", buffered.status), slog.Any("error", broken))
				if enforce {
					response.Committed, response.Size = false, 0
					c.Error(internal(fmt.Errorf("an answer broke the contract: %w", broken)))
					return nil
				}
			}
			response.Writer.WriteHeader(buffered.status)
			_, err := response.Writer.Write(buffered.body.Bytes())
			return err
		}
	}
}

// A bufferedAnswer keeps a JSON answer back until it was validated.
type bufferedAnswer struct {
	http.ResponseWriter
	streamed bool // a success is not kept back
	status   int  // 0: nothing is kept back
	body     bytes.Buffer
}

// Unwrap lets others say how long the connection may take.
func (b *bufferedAnswer) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b *bufferedAnswer) WriteHeader(status int) {
	if strings.HasPrefix(b.Header().Get(echo.HeaderContentType), jsonType) && !(b.streamed && status/100 == 2) {
		b.status = status
		return
	}
	b.ResponseWriter.WriteHeader(status)
}

func (b *bufferedAnswer) Write(p []byte) (int, error) {
	if b.status != 0 {
		return b.body.Write(p)
	}
	return b.ResponseWriter.Write(p)
}

func (b *bufferedAnswer) validate(op *Operation, r *http.Request) error {
	if op == nil {
		return nil
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: op.route, Options: op.options},
		Status:                 b.status,
		Header:                 b.Header(),
		Body:                   io.NopCloser(bytes.NewReader(b.body.Bytes())),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
}
