package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// addOps registers what operators look at: with Config.Ops on a listener of its own, and nowhere else.
//
// Without it /readyz stands beside the API, and so does /metrics for callers on this machine: who calls, how often and how
// much memory there is, is nothing for strangers. Where clients come through a proxy all of them look as if they were on this
// machine, so a server that is told of one, by Config.PublicURL or TrustProxy, has no /metrics but on Config.Ops.
func (s *Server) addOps(e *echo.Echo, config Config) {
	livez := func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }
	numbers := echo.WrapHandler(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	e.GET("/livez", livez)
	if config.Ops != nil {
		own := echo.New()
		own.GET("/livez", livez)
		own.GET("/readyz", s.readyz)
		own.GET("/metrics", numbers)
		s.ops, s.opsAt = own, config.Ops
		return
	}
	e.GET("/readyz", s.readyz)
	if config.PublicURL == "" && len(config.TrustProxy) == 0 {
		e.GET("/metrics", numbers, onThisMachine)
	}
}

// onThisMachine answers callers on this machine, and everybody else as if there was nothing.
func onThisMachine(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		peer, err := netip.ParseAddrPort(r.RemoteAddr) // of the connection, whatever a header says
		if err != nil || !peer.Addr().Unmap().IsLoopback() || !namesThisMachine(r.Host) {
			return echo.ErrNotFound
		}
		for _, passedOn := range []string{"Forwarded", "Via", echo.HeaderXForwardedFor, echo.HeaderXRealIP} {
			if r.Header.Get(passedOn) != "" {
				return echo.ErrNotFound
			}
		}
		return next(c)
	}
}

// namesThisMachine tells whether a header Host does. A page in a browser here that has made a name of its own lead here does
// not.
func namesThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// serveOps answers operators until end is called, which Serve does last: until then they see that it stops.
func (s *Server) serveOps() (end func()) {
	if s.ops == nil {
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
