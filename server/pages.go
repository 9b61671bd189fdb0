package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// readyTimeout is how long the database may take to answer before this replica gets no more requests.
const readyTimeout = 2 * time.Second

// whichCredential says at the head of the reference what to do with the token that an operator has.
const whichCredential = `<p style="max-width: 1460px; margin: 0 auto; padding: 20px 20px 0; font: 16px sans-serif; color: #3b4151">
To send requests from this page, choose <b>Authorize</b>. The token that <code>rejoin serve</code> or
<code>rejoin token</code> has printed is a session token: paste it under <b>sessionAuth</b>. The other two are for API keys.</p>`

// addPages registers what stands beside the API and is not in the contract: the contract itself, its reference page,
// and what operators look at.
func (s *Server) addPages(e *echo.Echo) error {
	doc, err := api.Document()
	if err != nil {
		return err
	}
	e.GET("/openapi.yaml", document("application/yaml", api.Spec))
	e.GET("/openapi.json", document("application/json", api.SpecJSON))

	reference := v5emb.NewHandlerWithConfig(swgui.Config{
		Title:       doc.Info.Title,
		SwaggerJSON: "/openapi.yaml", // in YAML the operations keep their order
		BasePath:    "/docs/",
		PrependHTML: whichCredential,
	})
	page := func(c echo.Context) error {
		// The page runs scripts and styles of its own, and nothing from anywhere else.
		c.Response().Header().Set(echo.HeaderContentSecurityPolicy,
			"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'")
		reference.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	e.GET("/", func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store") // what stands here may change
		return c.Redirect(http.StatusFound, "/docs")
	})
	e.GET("/docs", page)
	e.GET("/docs/*", page)

	e.GET("/livez", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	e.GET("/readyz", s.readyz)
	e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})))
	return nil
}

// document serves bytes that are fixed in this binary. They are tagged with the digest of the contract, which they
// are or are made from.
func document(contentType string, content []byte) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set(echo.HeaderContentType, contentType)
		header.Set("ETag", `"`+api.Digest+`"`)
		header.Set(echo.HeaderCacheControl, "no-cache")
		http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(content))
		return nil
	}
}

// readyz says whether this replica should get requests: the schema was brought up to date before it began to listen,
// so what is left to ask is whether it is shutting down and whether the database answers. A SQLite file that cannot be
// written to, on a full disk, answers who reads, and there is no other replica to send them to: it is ready.
func (s *Server) readyz(c echo.Context) error {
	if s.stopping.Load() {
		return c.String(http.StatusServiceUnavailable, "shutting down\n")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := s.store.Ping(ctx); err != nil {
		if !errors.Is(err, store.ErrAway) { // of which the log has a line already, and needs none for each probe
			s.log.WarnContext(ctx, "not ready", "error", err)
		}
		return c.String(http.StatusServiceUnavailable, "the database does not answer\n")
	}
	return c.String(http.StatusOK, "ok\n")
}
