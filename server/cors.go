package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/server/internal/origin"
)

// corsPrefixes are the paths that pages of other origins may call: what public clients and widgets use. The System API is
// for the programs of operators.
var corsPrefixes = []string{"/apis/v1", "/api/secureAuth", "/widgets"}

// corsMaxAge is how long a browser may keep what a preflight was answered, and so how late it learns of a change.
const corsMaxAge = 10 * time.Minute

// anyOrigin stands for all origins. No page gets to send what its browser knows of the user, such as cookies, then.
const anyOrigin = "*"

// allowOrigins is the middleware that lets pages of these origins call what has a prefix of corsPrefixes. None: it changes
// nothing. It answers a preflight, which never has a credential, before anybody asks for one.
func allowOrigins(origins []string) (echo.MiddlewareFunc, error) {
	if len(origins) == 0 {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }, nil
	}
	config := middleware.CORSConfig{
		Skipper:       func(c echo.Context) bool { return !hasCORSPrefix(c.Request().URL.Path) },
		AllowOrigins:  []string{anyOrigin},
		AllowHeaders:  []string{echo.HeaderAuthorization, echo.HeaderContentType, api.IdempotencyKeyHeader, echo.HeaderXRequestID},
		ExposeHeaders: []string{echo.HeaderXRequestID, echo.HeaderRetryAfter, api.IdempotentReplayedHeader, rateLimitHeader, rateRemainingHeader, rateResetHeader},
		MaxAge:        int(corsMaxAge.Seconds()),
	}
	if slices.Contains(origins, anyOrigin) {
		if len(origins) > 1 {
			return nil, errors.New(`CORS: "*" is every origin and must stand alone`)
		}
		return middleware.CORSWithConfig(config), nil
	}
	allowed := make([]string, 0, len(origins))
	for _, text := range origins {
		parsed, err := origin.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("CORS: each %w", err)
		}
		allowed = append(allowed, parsed)
	}
	// Not AllowOrigins, which would read patterns.
	config.AllowOriginFunc = func(text string) (bool, error) { return slices.Contains(allowed, text), nil }
	config.AllowCredentials = true
	return middleware.CORSWithConfig(config), nil
}

func hasCORSPrefix(path string) bool {
	return slices.ContainsFunc(corsPrefixes, func(prefix string) bool {
		rest, ok := strings.CutPrefix(path, prefix)
		return ok && (rest == "" || rest[0] == '/')
	})
}
