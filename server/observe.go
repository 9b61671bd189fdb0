package server

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// A call is what is known of a request while it is answered. It is made once and filled in on the way.
type call struct {
	requestID string
	origin    string     // scheme and host that the request was sent to
	operation *operation // nil: none was matched
	actor     actor
	// set where the request asks to be answered once
	idempotency *idempotency
}

type callKey struct{}

// callFrom returns the call of a request's context; outside of a request it is an empty one.
func callFrom(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

func actorFrom(ctx context.Context) actor { return callFrom(ctx).actor }

var acceptableRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// observe is the outermost middleware: it gives the request its id, answers its error, and leaves one line in the log
// and one observation in the metrics.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r, header := c.Request(), c.Response().Header()
		call := &call{requestID: r.Header.Get(echo.HeaderXRequestID), origin: "http://" + r.Host}
		if r.TLS != nil {
			call.origin = "https://" + r.Host
		}
		if !acceptableRequestID.MatchString(call.requestID) {
			call.requestID = s.newID()
		}
		header.Set(echo.HeaderXRequestID, call.requestID)
		header.Set(echo.HeaderXContentTypeOptions, "nosniff")
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), callKey{}, call)))

		if err := next(c); err != nil {
			s.writeError(err, c)
		}

		status, took := c.Response().Status, time.Since(start)
		s.metrics.observe(call.operation.name(), status, took)
		s.log.LogAttrs(c.Request().Context(), slog.LevelInfo, "request",
			slog.String("request_id", call.requestID),
			slog.String("operation", call.operation.name()),
			slog.String("method", r.Method),
			slog.String("path", r.URL.Path),
			slog.Int("status", status),
			slog.Duration("duration", took),
			slog.Int64("bytes", c.Response().Size),
			slog.String("remote", c.RealIP()),
			slog.Int64("account", call.actor.account))
		return nil
	}
}

// metrics are what /metrics shows. They have a registry of their own, so that several servers fit into one process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rejoin_request_duration_seconds",
			Help:    "How long requests took, by operation of the contract (none: no operation matched) and status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation", "status"}),
	}
	m.registry.MustRegister(m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) observe(operation string, status int, took time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Observe(took.Seconds())
}
