package contract

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
)

// acceptOtherPaths answers each family under its other base URL too: the System API under /api/v1, the Integration API
// under /v1; and every path also with a slash at its end. The contract has each path once.
func acceptOtherPaths(e *echo.Echo) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			path := r.URL.EscapedPath()
			canonical := api.CanonicalPath(path)
			if strings.HasSuffix(canonical, "/") && !servesBelow(e, r.Method, canonical) {
				canonical = cmp.Or(strings.TrimRight(canonical, "/"), "/")
			}
			if canonical != path {
				parsed, err := url.ParseRequestURI(canonical)
				if err != nil {
					return err
				}
				r.URL.Path, r.URL.RawPath = parsed.Path, parsed.RawPath
			}
			return next(c)
		}
	}
}

// servesBelow tells whether a path with a slash at its end is that of a directory, as /docs/ is.
func servesBelow(e *echo.Echo, method, path string) bool {
	c := e.NewContext(nil, nil) // one that was used before keeps its path where nothing matches
	e.Router().Find(method, path, c)
	return strings.HasSuffix(c.Path(), "/*")
}

// answerHead answers HEAD with every route for GET that is added from now on.
func answerHead(e *echo.Echo) {
	e.OnAddRouteHandler = func(_ string, route echo.Route, handler echo.HandlerFunc, middleware []echo.MiddlewareFunc) {
		if route.Method == http.MethodGet {
			e.HEAD(route.Path, handler, middleware...)
		}
	}
	e.Pre(withoutBody)
}

func withoutHead(routes []*echo.Route) []*echo.Route {
	return slices.DeleteFunc(routes, func(route *echo.Route) bool { return route.Method == http.MethodHead })
}

// asGet is the method under which the contract has what answers one.
func asGet(method string) string {
	if method == http.MethodHead {
		return http.MethodGet
	}
	return method
}

// withoutBody answers HEAD with the status and the headers of a GET, and the length of the body that is left out.
func withoutBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().Method != http.MethodHead {
			return next(c)
		}
		response := c.Response()
		head := &headWriter{ResponseWriter: response.Writer}
		response.Writer = head
		if err := next(c); err != nil {
			c.Error(err)
		}
		response.Writer = head.ResponseWriter
		if head.status == 0 {
			return nil
		}
		if head.length > 0 && head.Header().Get(echo.HeaderContentLength) == "" {
			head.Header().Set(echo.HeaderContentLength, strconv.Itoa(head.length))
		}
		response.Writer.WriteHeader(head.status)
		return nil
	}
}

// A headWriter keeps the status back until the length of the body is known, and nothing of the body.
type headWriter struct {
	http.ResponseWriter
	status int // 0: nothing was answered
	length int
}

func (h *headWriter) WriteHeader(status int) { h.status = status }

func (h *headWriter) Write(p []byte) (int, error) {
	if h.status == 0 {
		h.status = http.StatusOK
	}
	h.length += len(p)
	return len(p), nil
}
