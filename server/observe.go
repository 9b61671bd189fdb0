package server

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/durable"
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
		op, status, took := contract.OperationFrom(ctx), c.Response().Status, time.Since(start)
		operation, path := op.Name(), r.URL.Path
		switch {
		case op == nil:
			path = withoutSecret(path, s.unlogged)
		case op.Unlogged:
			path = op.Path
		}
		s.noteProxy(r)
		s.metrics.observe(operation, status, took)
		line := []slog.Attr{
			slog.String("request_id", c.Response().Header().Get(echo.HeaderXRequestID)),
			slog.String("operation", operation),
			slog.String("method", r.Method),
			slog.String("path", path),
			slog.Int("status", status),
			slog.Float64("duration_ms", float64(took.Microseconds())/1000),
			slog.Int64("bytes", c.Response().Size),
			slog.String("remote", c.RealIP()),
		}
		if account := actorFrom(ctx).account; account != 0 {
			line = append(line, slog.Int64("account", account))
		}
		s.log.LogAttrs(ctx, slog.LevelInfo, "request", line...)
		return nil
	}
}

// wordsBeforeSecrets are what stands, in the paths of operations, before a last part that no log may show.
func wordsBeforeSecrets(operations api.List) []string {
	var words []string
	for _, op := range operations {
		if op.Unlogged {
			words = append(words, path.Base(path.Dir(op.Path)))
		}
	}
	return words
}

// withoutSecret is the path of a request that matched no operation, such as one with a wrong method, without what may be one.
func withoutSecret(path string, words []string) string {
	from := 0
	for part := range strings.SplitSeq(path, "/") {
		from += len(part)
		if from < len(path) && slices.ContainsFunc(words, func(word string) bool { return strings.EqualFold(part, word) }) {
			return path[:from] + "/..."
		}
		from++
	}
	return path
}

// noteProxy says, once, that requests seem to come through a proxy that nobody has named.
func (s *Server) noteProxy(r *http.Request) {
	if s.proxied.Load() || r.Header.Get(echo.HeaderXForwardedFor) == "" || s.proxied.Swap(true) {
		return
	}
	s.log.Warn("a request came with X-Forwarded-For, and no --trust-proxy is set: if there is a proxy, all its clients count as one, " +
		"and share the rates of one network")
}

// listening is the log of net/http. What it says of single connections matters to nobody else; that it cannot accept any is
// an error, such as when the system has no files left.
type listening struct{ slog.Handler }

// Enabled lets everything come to Handle.
func (l listening) Enabled(context.Context, slog.Level) bool { return true }

// Handle logs a line if its level asks for it.
func (l listening) Handle(ctx context.Context, record slog.Record) error {
	if strings.HasPrefix(record.Message, "http: Accept error: ") {
		reason := record.Message
		record = slog.NewRecord(record.Time, slog.LevelError, "connections cannot be accepted", record.PC)
		record.AddAttrs(slog.String("error", reason))
	}
	if !l.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, record)
}

// metrics are what /metrics shows. They have a registry of their own, so that several servers fit into one process.
//
// Their labels come from the contract and from the classes of statuses, never from a request: there are no more series
// than operations allow. Durations are not split by status: that would cost a histogram for each.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rejoin_requests_total",
			Help: "Requests that were answered, by operation of the contract (none: no operation matched) and class of status, such as 2xx.",
		}, []string{"operation", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rejoin_request_duration_seconds",
			Help:    "How long requests took, by operation of the contract (none: no operation matched).",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10},
		}, []string{"operation"}),
	}
	m.registry.MustRegister(m.requests, m.durations,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds what is kept: whether it can be written to, and how much room there is. A bucket has no end of it.
func (m *metrics) watch(s *Server, config Config) {
	gauge := func(name, help, place string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rejoin_storage_" + name, Help: help, ConstLabels: prometheus.Labels{"place": place},
		}, value))
	}
	for _, kept := range s.kept {
		gauge("writable", "1 if something can be written there, as /readyz finds out.", kept.name, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
			defer cancel()
			if kept.check(ctx) != nil {
				return 0
			}
			return 1
		})
	}
	free := func(place, dir string) {
		if _, known := durable.Free(dir); known {
			gauge("free_bytes", "Room on the disk that it is kept on.", place, func() float64 { bytes, _ := durable.Free(dir); return bytes })
		}
	}
	if s.images.Local() {
		free("images", config.ImagesAt())
	}
	if config.Database == "" {
		free("database", config.Data)
		file := filepath.Join(config.Data, DatabaseFile)
		gauge("bytes", "Size of the files that it is kept in.", "database", func() float64 { return sizeOf(file) + sizeOf(file+"-wal") })
	}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rejoin_database_waiting", Help: "Transactions that wait for their turn.",
		}, func() float64 { return float64(s.store.Waiting()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "rejoin_database_retries_total", Help: "Transactions that were run again because they had lost against others.",
		}, func() float64 { return float64(s.store.Retries()) }))
}

func sizeOf(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

func (m *metrics) observe(operation string, status int, took time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status/100)+"xx").Inc()
	m.durations.WithLabelValues(operation).Observe(took.Seconds())
}
