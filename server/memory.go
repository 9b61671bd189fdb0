package server

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
)

// How much memory requests may take at once, beyond the little that each one needs. It is most of what the process may need
// over idle, see cmd/rejoin. They are apart so that nobody who sends slowly keeps others from reading.
const (
	requestMemory = 64 << 20 // long answers while they are made and sent, images while they are decoded
	bodyMemory    = 24 << 20 // long bodies while they arrive and are validated
)

// keptAnswer is how long an answer may be that needs no share of the memory: the system takes it as a whole, whether it is read
// or not.
const keptAnswer = 64 << 10

// boundAnswers is the middleware that gives an operation whose answers may be long a share of the memory: the lists of the
// store let it grow. While an answer is sent it is as large as that. Who does not read theirs is broken off when others
// need the room.
func (k *core) boundAnswers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, response := c.Request(), c.Response()
		if op := contract.OperationFrom(r.Context()); op == nil || !op.LongAnswers {
			return next(c)
		}
		w := &boundedWriter{ResponseWriter: response.Writer, share: k.memory.Share()}
		defer w.share.Close()
		c.SetRequest(r.WithContext(memory.With(r.Context(), &w.share)))
		response.Writer = w
		err := next(c)
		response.Writer = w.ResponseWriter
		switch {
		case w.refused != nil: // nothing was sent yet
			response.Committed, response.Size = false, 0
			return w.refused
		case w.status != 0:
			w.ResponseWriter.WriteHeader(w.status)
		}
		return err
	}
}

// A boundedWriter sends an answer if there is room for it.
type boundedWriter struct {
	http.ResponseWriter
	share   memory.Share
	status  int   // that was not sent yet
	refused error // why nothing was
}

// Unwrap lets others say how long the connection may take.
func (w *boundedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader keeps the status back until the answer follows.
func (w *boundedWriter) WriteHeader(status int) { w.status = status }

func (w *boundedWriter) Write(p []byte) (int, error) {
	if len(p) > keptAnswer {
		w.refused = w.share.Send(int64(len(p)), func() {
			http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
		})
	}
	if w.refused != nil {
		return 0, w.refused
	}
	if w.status != 0 {
		w.ResponseWriter.WriteHeader(w.status)
		w.status = 0
	}
	return w.ResponseWriter.Write(p)
}
