package contract

import (
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// How much is read of a body after its request was answered, and for how long. Most clients send all before they read:
// they would find a reset connection where the answer was.
const (
	maxRest     = 16 << 20
	maxRestTime = 5 * time.Second
)

// maxKeptRest is the rest of a body up to which net/http keeps the connection for the next request.
const maxKeptRest = 256 << 10

// takeRest is the middleware that answers first where a request is refused before its body has arrived, then reads on for
// a bounded while and amount, and closes the connection. A small rest net/http reads by itself.
func takeRest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, response := c.Request(), c.Response()
		if r.Body == nil || r.Body == http.NoBody || r.ProtoMajor != 1 {
			return next(c)
		}
		body := &arriving{ReadCloser: r.Body, length: r.ContentLength}
		copied := *r // net/http looks at the body of its own request, to see whether it is worth the while to read on
		copied.Body = body
		c.SetRequest(&copied)
		connection := http.NewResponseController(response.Writer)
		answersFirst := false
		response.Before(func() {
			if response.Status < http.StatusBadRequest || !body.hasRest(0) {
				return
			}
			isServed := connection.SetReadDeadline(time.Now().Add(maxRestTime)) == nil
			if answersFirst = isServed && body.hasRest(maxKeptRest); answersFirst {
				response.Header().Set(echo.HeaderConnection, "close")
			}
		})
		if err := next(c); err != nil {
			c.Error(err)
		}
		if answersFirst && connection.Flush() == nil {
			_, _ = io.CopyN(io.Discard, body, maxRest) // whatever ends it, the connection is closed
		}
		return nil
	}
}

// An arriving body knows how much of it was read.
type arriving struct {
	io.ReadCloser
	length int64 // negative: it is not known
	read   int64
	ended  bool
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.read += int64(n)
	a.ended = a.ended || err != nil
	return n, err
}

// hasRest tells whether more than so many bytes, or nobody knows how many, have not been read.
func (a *arriving) hasRest(bytes int64) bool {
	return !a.ended && (a.length < 0 || a.length-a.read > bytes)
}
