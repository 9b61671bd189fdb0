package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Attempt is what became of one sending of a call, for [WithAfter].
type Attempt struct {
	// Operation is what was called, as the contract names it: "createServer". The log and the metrics of the API have the
	// same name.
	Operation string
	// Method is that of HTTP.
	Method string
	// Number is 1 for the first attempt of a call.
	Number int
	// Status is the HTTP status, or 0 if there was no answer.
	Status int
	// Err is why there was no answer. It is nil if there was one, whatever its Status.
	Err error
	// RequestID finds this attempt in the log of the API. It is empty if the answer has none.
	RequestID string
	// Duration is how long it took until the answer began.
	Duration time.Duration
	// Retry says that there is another attempt after Wait.
	Retry bool
	Wait  time.Duration
}

// RateLimit is what the API said last about when to come back, for [Client.RateLimit].
type RateLimit struct {
	// Operation is what was called, as the contract names it. Others may be welcome earlier.
	Operation string
	// Status is that of the answer: 429 if it was called too often, 503 if the API has too much to do.
	Status int
	// Until is when the operation is welcome again.
	Until time.Time
}

// RateLimit returns what the last answer with a Retry-After said to this client, also if that moment has passed; it is
// the zero RateLimit if there was none. How many calls are left stands in the headers RateLimit-Limit, RateLimit-Remaining
// and RateLimit-Reset of each answer, which [WithAfter] shows.
func (c *Client) RateLimit() RateLimit {
	if last := c.sender.limit.Load(); last != nil {
		return *last
	}
	return RateLimit{}
}

// WithBefore makes the client call f before each attempt. f may set headers of the request, say to pass on a trace, and
// must leave the rest as it is. The credential is not among the headers, and must not be put there: it is added
// afterwards, where the request really goes to the API. f is called from all goroutines that make calls. Given several
// times, all are called, in their order.
func WithBefore(f func(*http.Request)) Option {
	return func(o *options) { o.watch.before = append(o.watch.before, f) }
}

// WithAfter makes the client call f after each attempt, with the context of the call, say to count or to measure it. f is
// called from all goroutines that make calls. Given several times, all are called, in their order.
func WithAfter(f func(context.Context, Attempt)) Option {
	return func(o *options) { o.watch.after = append(o.watch.after, f) }
}

// WithLogger makes the client log each attempt: at level Debug, at Info if another one follows, and at Warn if there was
// no answer or one that says that the API is in trouble. Durations are in milliseconds. A line never has a credential, a
// header, an address or a body in it, and so no password or code either.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) { o.watch.log = log }
}

// watch is who looks on.
type watch struct {
	before []func(*http.Request)
	after  []func(context.Context, Attempt)
	log    *slog.Logger // Or nil.
}

func (w *watch) begin(req *http.Request) {
	for _, f := range w.before {
		f(req)
	}
}

func (w *watch) end(ctx context.Context, a Attempt) {
	for _, f := range w.after {
		f(ctx, a)
	}
	if w.log != nil {
		w.log.LogAttrs(ctx, a.level(), "rejoin: call", a.attrs()...)
	}
}

func (a Attempt) level() slog.Level {
	switch {
	case a.Retry:
		return slog.LevelInfo
	case a.Err != nil || a.Status >= 500 || temporary(a.Status):
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

func (a Attempt) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("operation", a.Operation), slog.Int("attempt", a.Number)}
	if a.Status != 0 {
		attrs = append(attrs, slog.Int("status", a.Status))
	}
	if a.RequestID != "" {
		attrs = append(attrs, slog.String("request_id", a.RequestID))
	}
	if a.Err != nil {
		attrs = append(attrs, slog.String("error", withoutAddress(a.Err)))
	}
	attrs = append(attrs, milliseconds("duration_ms", a.Duration))
	if a.Retry {
		attrs = append(attrs, milliseconds("retry_in_ms", a.Wait))
	}
	return attrs
}

// milliseconds is a duration as the log of the server has it, too.
func milliseconds(name string, d time.Duration) slog.Attr {
	return slog.Float64(name, float64(d.Microseconds())/1000)
}

// withoutAddress is the text of an error of http.Client without the address, to which a redirect may have added what is
// none of a log's business.
func withoutAddress(err error) string {
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	return err.Error()
}
