package contract_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
)

func TestAPathWithASlashAtItsEndIsTheSamePath(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{NewID: func() string { return "an-id" }})
	for path, others := range map[string][]string{
		"/servers": {"/servers/", "/servers//", "/api/v1/servers", "/api/v1/servers/", "/servers/?x=1"},
		"/servers/66a282dab13eee0013cbb4d8/members?page=0": {
			"/servers/66a282dab13eee0013cbb4d8/members/?page=0", "/api/v1/servers/66a282dab13eee0013cbb4d8/members/?page=0",
		},
		"/servers/a%20b":             {"/servers/a%20b/", "/api/v1/servers/a%20b/"},
		"/servers/a%2Fb":             {"/servers/a%2Fb/", "/api/v1/servers/a%2Fb"},
		"/apis/v1/api-keys/info?x=1": {"/apis/v1/api-keys/info/?x=1", "/v1/api-keys/info/?x=1"},
		"/apis/v1/nope":              {"/apis/v1/nope/", "/v1/nope/"},
		"/nope":                      {"/nope/"},
	} {
		want := ask(e, "GET", path, bearer(token)...)
		for _, other := range others {
			if got := ask(e, "GET", other, bearer(token)...); got.Code != want.Code || got.Body.String() != want.Body.String() {
				t.Errorf("%s: got %d %s, want %d %s as at %s", other, got.Code, got.Body, want.Code, want.Body, path)
			}
		}
	}
	if w := ask(e, "PATCH", "/servers/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("got %d, want 405", w.Code)
	}
}

func TestAPageBesideTheContractHasOnePath(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{})
	for _, path := range []string{"/", "/docs", "/docs/*", "/metrics"} {
		e.GET(path, func(c echo.Context) error { return c.String(http.StatusOK, c.Request().URL.Path) })
	}
	for _, path := range []string{"/", "/docs", "/docs/", "/docs/style.css", "/docs/pictures/", "/metrics"} {
		if w := ask(e, "GET", path); w.Body.String() != path {
			t.Errorf("%s: got %d %s, want it as it is", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/metrics/", "/metrics//", "//metrics", "/%6Detrics", "/api/v1/metrics", "/api/v1/metrics/", "/v1/metrics", "/api/v1/docs", "/api/v1/", "//"} {
		for _, method := range []string{"GET", "HEAD", "PATCH"} {
			if w := ask(e, method, path); w.Code != http.StatusNotFound {
				t.Errorf("%s %s: got %d %s, want 404", method, path, w.Code, w.Body)
			}
		}
	}
}

func TestTheMethodsOfAPathAreNamedWithThoseThatItHadBefore(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{})
	for _, path := range []string{"/apis/v1/messages", "/v1/messages", "/apis/v1/messages/"} {
		w := ask(e, "PATCH", path)
		allow := w.Header().Get("Allow")
		if w.Code != http.StatusMethodNotAllowed || !strings.Contains(allow, "GET") || strings.Count(allow, "POST") != 1 {
			t.Errorf("%s: got %d and Allow: %s", path, w.Code, allow)
		}
	}
	for _, path := range []string{"/apis/v1/channels", "/apis/v1/messages/send"} {
		if allow := ask(e, "PATCH", path).Header().Get("Allow"); strings.Contains(allow, "POST") == strings.Contains(allow, "GET") {
			t.Errorf("%s: got Allow: %s", path, allow)
		}
	}
}

func TestAHeadIsAnsweredAsAGetWithoutItsBody(t *testing.T) {
	var methods []string
	e := serve(t, &backend{}, contract.Options{
		NewID:        func() string { return "an-id" },
		CheckAnswers: "enforce",
		Outer: []echo.MiddlewareFunc{func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				methods = append(methods, c.Request().Method+" "+contract.OperationFrom(c.Request().Context()).Name())
				return next(c)
			}
		}},
	})
	e.GET("/large", func(c echo.Context) error { return c.String(http.StatusOK, strings.Repeat("a", 1<<20)) })
	e.GET("/none", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	server := httptest.NewServer(e)
	defer server.Close()
	for _, path := range []string{"/servers", "/servers/", "/servers/nonsense", "/apis/v1/channels", "/nope", "/large", "/none"} {
		get, head := ask(e, "GET", path, bearer(token)...), ask(e, "HEAD", path, bearer(token)...)
		length := head.Header().Get("Content-Length")
		if get.Header().Get("Content-Length") == "" {
			head.Header().Del("Content-Length")
		}
		if head.Code != get.Code || head.Body.Len() > 0 || !cmp.Equal(head.Header(), get.Header()) {
			t.Errorf("%s: got %d %v and %d bytes, want %d %v and none", path, head.Code, head.Header(), head.Body.Len(), get.Code, get.Header())
		}
		r, _ := http.NewRequest("HEAD", server.URL+path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != get.Code || len(body) > 0 || err != nil || answer.Header.Get("Content-Length") != length {
			t.Errorf("%s, on a socket: got %s and %q (%v)", path, answer.Status, body, err)
		}
	}
	if methods[1] != "HEAD listMyServers" {
		t.Errorf("the middlewares saw %q", methods[1])
	}
	for method, path := range map[string]string{"HEAD": "/roles", "PATCH": "/servers"} {
		w := ask(e, method, path)
		if allow := w.Header().Get("Allow"); w.Code != 405 || strings.Contains(allow, "GET") != (path == "/servers") || strings.Contains(allow, "HEAD") != (path == "/servers") {
			t.Errorf("%s %s: got %d and Allow: %s", method, path, w.Code, allow)
		}
	}
}
