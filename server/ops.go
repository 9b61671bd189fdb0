package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// addOps registers what operators look at: with Config.Ops on a listener of its own, and nowhere else. Without it /readyz stands
// beside the API.
//
// /metrics never does: who calls, how often and how much memory there is, is nothing for strangers, and no header or address
// tells them from callers on this machine: a proxy here passes them on as if they were.
func (s *Server) addOps(e *echo.Echo, config Config) {
	livez := func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }
	e.GET("/livez", livez)
	own := echo.New()
	own.HTTPErrorHandler = e.HTTPErrorHandler
	own.GET("/livez", livez)
	own.GET("/readyz", s.readyz)
	own.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})))
	s.ops, s.opsAt = own, config.Ops
	if s.opsAt == nil {
		e.GET("/readyz", s.readyz)
	}
}

// serveOps answers operators until end is called, which Serve does last: until then they see that it stops.
func (s *Server) serveOps() (end func()) {
	if s.opsAt == nil {
		return func() {}
	}
	web := s.webServer(s.ops)
	web.ReadTimeout, web.WriteTimeout = 10*time.Second, 30*time.Second
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(s.opsAt) }()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if web.Shutdown(ctx) != nil {
			web.Close()
		}
		if err := <-failed; err != http.ErrServerClosed {
			s.log.Error("operators were not answered", slog.Any("error", err))
		}
	}
}

// Assumes says what a server that listens somewhere takes for granted because Config.PublicURL is empty; empty if nobody but
// this machine gets there.
func (c Config) Assumes(listens net.Addr) string {
	tcp, ok := listens.(*net.TCPAddr)
	switch {
	case c.PublicURL != "":
		return ""
	case len(c.TrustProxy) > 0:
		return "there is a proxy, and the addresses of images begin with http:// and the host that it names"
	case ok && !tcp.IP.IsLoopback():
		return "the addresses of images begin with http:// and whatever host a caller names"
	}
	return ""
}
