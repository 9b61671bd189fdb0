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

// checkAnswers is the middleware that holds each answer against the contract too, as the conformance suite does from the
// outside. Answers that are not JSON pass as they are.
func checkAnswers(enforce bool, log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			response := c.Response()
			held := &heldAnswer{ResponseWriter: response.Writer}
			response.Writer = held
			if err := next(c); err != nil {
				c.Error(err) // an error is an answer like any other
			}
			response.Writer = held.ResponseWriter
			if held.status == 0 {
				return nil
			}
			ctx := c.Request().Context()
			op := OperationFrom(ctx)
			if broken := held.against(op, c.Request()); broken != nil {
				log.LogAttrs(ctx, slog.LevelError, "an answer breaks the contract",
					slog.String("request_id", c.Response().Header().Get(echo.HeaderXRequestID)), slog.String("operation", op.Name()),
					slog.Int("status", held.status), slog.Any("error", broken))
				if enforce {
					response.Committed, response.Size = false, 0
					c.Error(internal(fmt.Errorf("an answer broke the contract: %w", broken)))
					return nil
				}
			}
			response.Writer.WriteHeader(held.status)
			_, err := response.Writer.Write(held.body.Bytes())
			return err
		}
	}
}

// A heldAnswer keeps a JSON answer back until it was checked.
type heldAnswer struct {
	http.ResponseWriter
	status int // 0: nothing is held
	body   bytes.Buffer
}

func (h *heldAnswer) WriteHeader(status int) {
	if strings.HasPrefix(h.Header().Get(echo.HeaderContentType), jsonType) {
		h.status = status
		return
	}
	h.ResponseWriter.WriteHeader(status)
}

func (h *heldAnswer) Write(p []byte) (int, error) {
	if h.status != 0 {
		return h.body.Write(p)
	}
	return h.ResponseWriter.Write(p)
}

func (h *heldAnswer) against(op *Operation, r *http.Request) error {
	if op == nil {
		return nil
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: op.route, Options: op.options},
		Status:                 h.status,
		Header:                 h.Header(),
		Body:                   io.NopCloser(bytes.NewReader(h.body.Bytes())),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
}
