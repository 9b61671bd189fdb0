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
// a bounded while and amount. The connection is closed unless the rest has arrived and is small, or is chunked. Where a request succeeds
// without its body, net/http reads a small rest before it answers: for the same while.
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
		answersFirst, closes := false, false
		response.Before(func() {
			if !body.hasRest(0) || connection.SetReadDeadline(time.Now().Add(maxRestTime)) != nil || response.Status < http.StatusBadRequest {
				return
			}
			// Otherwise net/http keeps the answer back until it has read a small rest.
			answersFirst = connection.EnableFullDuplex() == nil
			// Nobody knows how long a chunked body is: it is seen below whether it ends.
			if closes = body.length >= 0 && body.hasRest(maxKeptRest); closes {
				response.Header().Set(echo.HeaderConnection, "close")
			}
		})
		if err := next(c); err != nil {
			c.Error(err)
		}
		if !answersFirst || connection.Flush() != nil {
			return nil
		}
		if _, err := io.CopyN(io.Discard, body, maxRest); err != io.EOF && !closes {
			panic(http.ErrAbortHandler) // what may still come of the body is no next request
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
