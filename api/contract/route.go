package contract

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
)

// acceptOtherPaths answers each family under its other base URL too: the System API under /api/v1, the Integration API
// under /v1; an operation also at the older path that its x-also-at names; and every path of an operation also with a slash at
// its end. The contract has each path once. What stands
// beside the contract has one path only: the rule of a proxy that keeps it from the public knows no other.
func (k *contract) acceptOtherPaths(e *echo.Echo) echo.MiddlewareFunc {
	ofOperations := map[string]bool{}
	now, methods := map[routeKey]string{}, map[string]string{} // by older paths
	for key, op := range k.operations {
		ofOperations[key.path] = true
		if op.AlsoAt != "" {
			now[routeKey{key.method, op.AlsoAt}] = op.Path
			methods[op.AlsoAt] += ", " + key.method
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			path := r.URL.EscapedPath()
			canonical := strings.TrimRight(api.CanonicalPath(path), "/")
			if newer, is := now[routeKey{r.Method, canonical}]; is {
				canonical = newer
			} else if more := methods[canonical]; more != "" {
				allowAlso(c.Response(), more)
			}
			if canonical != path && ofOperations[matched(e, r.Method, canonical)] {
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

// allowAlso adds to the methods that an answer names, if it names any, also to a browser that asks first: the router knows of no older
// paths.
func allowAlso(response *echo.Response, more string) {
	response.Before(func() {
		for _, name := range []string{echo.HeaderAllow, echo.HeaderAccessControlAllowMethods} {
			if methods := response.Header().Get(name); methods != "" {
				response.Header().Set(name, methods+more)
			}
		}
	})
}

// matched is the path of the route that a path leads to, with its own or another method; empty: none.
func matched(e *echo.Echo, method, path string) string {
	c := e.NewContext(nil, nil) // one that was used before keeps its path where nothing matches
	e.Router().Find(method, path, c)
	return c.Path()
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
