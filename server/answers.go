package server

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

// What Config.CheckAnswers can be.
const (
	checkOff     = "off"
	checkLog     = "log"
	checkEnforce = "enforce"
)

// checkAnswers is the middleware that holds each answer against the contract too, as the conformance suite does from the
// outside. What breaks it is logged; with enforce the caller gets an internal error instead. Answers that are not JSON
// pass as they are.
func (s *Server) checkAnswers(enforce bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			response := c.Response()
			held := &heldAnswer{ResponseWriter: response.Writer}
			response.Writer = held
			err := next(c)
			if err != nil {
				s.writeError(err, c) // an error is an answer like any other
			}
			response.Writer = held.ResponseWriter
			if held.status == 0 {
				return nil
			}
			call := callFrom(c.Request().Context())
			if broken := held.against(call.operation, c.Request()); broken != nil {
				s.log.LogAttrs(c.Request().Context(), slog.LevelError, "an answer breaks the contract",
					slog.String("request_id", call.requestID), slog.String("operation", call.operation.name()),
					slog.Int("status", held.status), slog.Any("error", broken))
				if enforce {
					response.Committed, response.Size = false, 0
					s.writeError(internal(fmt.Errorf("an answer broke the contract: %w", broken)), c)
					return nil
				}
			}
			response.Writer.WriteHeader(held.status)
			_, err = response.Writer.Write(held.body.Bytes())
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

func (h *heldAnswer) against(op *operation, r *http.Request) error {
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
