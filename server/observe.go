package server

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rejoin-dev/rejoin/api/contract"
)

// observe leaves one line in the log and one observation in the metrics, for which it has to answer errors itself.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}

		r := c.Request()
		ctx := r.Context()
		operation, status, took := contract.OperationFrom(ctx).Name(), c.Response().Status, time.Since(start)
		s.metrics.observe(operation, status, took)
		s.log.LogAttrs(ctx, slog.LevelInfo, "request",
			slog.String("request_id", c.Response().Header().Get(echo.HeaderXRequestID)),
			slog.String("operation", operation),
			slog.String("method", r.Method),
			slog.String("path", r.URL.Path),
			slog.Int("status", status),
			slog.Duration("duration", took),
			slog.Int64("bytes", c.Response().Size),
			slog.String("remote", c.RealIP()),
			slog.Int64("account", actorFrom(ctx).account))
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
