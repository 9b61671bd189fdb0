package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	id    = "66a282dab13eee0013cbb4d8"
	token = "70cc0f0e5ee1c4b1db1f1dbd4d63c10a1e6ae11f5b0a6ea1bd7f15a7b34b8c11"

	emptyList = `{"meta":{"success":true,"message":"My servers","devMessage":""},"body":[]}`
	nothing   = `{"meta":{"success":true,"message":"Done","devMessage":""},"body":{}}`
)

// serve runs handler for the time of the test and returns a client of it.
func serve(t *testing.T, handler http.HandlerFunc, opts ...client.Option) *client.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	// As it is by default, but with connections of its own.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	hc := &http.Client{Transport: transport}
	return newClient(t, srv.URL, append([]client.Option{client.WithHTTPClient(hc)}, opts...)...)
}

// newClient makes a client that does not retry, unless the options say so.
func newClient(t *testing.T, base string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(base, append([]client.Option{client.WithoutRetry()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says makes a handler that gives one answer. The headers are name and value in turn.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func failure(t *testing.T, err error) *client.Error {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("got %v (%T), want a *client.Error", err, err)
	}
	return e
}

func TestEveryFormOfBaseURLWorks(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.EscapedPath()
		io.WriteString(w, nothing)
	}))
	defer srv.Close()
	for base, prefix := range map[string]string{
		srv.URL:                   "",
		srv.URL + "/":             "",
		srv.URL + "/api/v1":       "/api/v1",
		srv.URL + "/api/v1/":      "/api/v1",
		srv.URL + "/a%20b%2Fc/":   "/a%20b%2Fc",
		"HTTP" + srv.URL[4:]:      "",
		srv.URL + "/v1.0/a:b/":    "/v1.0/a:b",
		srv.URL + "/servers":      "/servers",
		srv.URL + "/with%3Fmark":  "/with%3Fmark",
		srv.URL + "/x/../a/./b/.": "/a/b",
		srv.URL + "/..":           "",
		srv.URL + "//a//":         "//a/",
	} {
		got = ""
		if err := newClient(t, base).Servers.Delete(t.Context(), id); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		if want := prefix + "/servers/" + id; got != want {
			t.Errorf("%s: asked for %q, want %q", base, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	const secret = "s3cret"
	good := "https://example.com"
	for _, tt := range []struct {
		name, base string
		opts       []client.Option
		want       string
	}{
		{"nothing", "", nil, "must begin with http:// or https://"},
		{"no scheme", "localhost:8080", nil, "must begin with http:// or https://"},
		{"a path alone", "/api/v1", nil, "must begin with http:// or https://"},
		{"no scheme before numbers", "127.0.0.1:8080", nil, "must begin with http:// or https://"},
		{"where some paths begin", good + "/apis/v1", nil, "must end before /apis/v1"},
		{"the same below others", good + "/rejoin/apis/v1/", nil, "must end before /apis/v1"},
		{"another scheme", "ftp://example.com", nil, "must begin with http:// or https://"},
		{"no host", "https://", nil, "has no host"},
		{"a port alone", "https://:8080", nil, "has no host"},
		{"not a URL", "https://exa mple.com", nil, "is not a URL"},
		{"a password", "https://me:" + secret + "@example.com", nil, "must not have a user name"},
		{"a password in what is not a URL", "https://me:%" + secret + "@example.com", nil, "is not a URL"},
		{"a query", good + "?key=" + secret, nil, "must not have a query"},
		{"an empty query", good + "?", nil, "must not have a query"},
		{"a fragment", good + "#top", nil, "must not have a query or a fragment"},
		{"two credentials", good, []client.Option{client.WithToken(secret), client.WithAPIKey(secret)}, "exclude each other"},
		{"two credentials, one empty", good, []client.Option{client.WithToken(""), client.WithAPIKey(secret)}, "exclude each other"},
		{"an empty token", good, []client.Option{client.WithToken("")}, "is empty"},
		{"an empty key", good, []client.Option{client.WithAPIKey("")}, "is empty"},
		{"a token with a line break", good, []client.Option{client.WithToken(secret + "\n")}, "line break"},
		{"a key with a space", good, []client.Option{client.WithAPIKey(secret + " ")}, "such as a space"},
		{"a key that is not ASCII", good, []client.Option{client.WithAPIKey(secret + "ü")}, "the credential has a character"},
		{"a user agent with a line break", good, []client.Option{client.WithUserAgent("a\r\nb")}, "the user agent has a character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := client.New(tt.base, tt.opts...)
			if err == nil || c != nil {
				t.Fatalf("got %v and error %v, want only an error", c, err)
			}
			if !strings.HasPrefix(err.Error(), "rejoin: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q shows the secret", err)
			}
		})
	}
}

func TestHeadersOfARequest(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		opts                      []client.Option
		authorization, key, agent string
	}{
		{"no credential", nil, "", "", "rejoin-go"},
		{"a token", []client.Option{client.WithToken(token)}, "Bearer " + token, "", "rejoin-go"},
		{"a key", []client.Option{client.WithAPIKey(token)}, "", token, "rejoin-go"},
		{"the later token", []client.Option{client.WithToken("x"), client.WithToken(token)}, "Bearer " + token, "", "rejoin-go"},
		{"a user agent", []client.Option{client.WithUserAgent("quiz-bot/2.1 (chess)")}, "", "", "quiz-bot/2.1 (chess)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got http.Header
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Header
				io.WriteString(w, emptyList)
			}, tt.opts...)
			if _, err := c.Servers.List(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				"Authorization": tt.authorization, "X-Api-Key": tt.key, "User-Agent": tt.agent,
			} {
				if got.Get(name) != want {
					t.Errorf("%s: got %q, want %q", name, got.Get(name), want)
				}
			}
		})
	}
}

// transport is a scripted network: it sees what http.Client sends, with every hop and host.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func response(status int, body string, headers ...string) *http.Response {
	rec := httptest.NewRecorder()
	says(status, body, headers...)(rec, nil)
	return rec.Result() // Its Request is nil, as from many a hand-written transport.
}

func TestTheHTTPClientGivenIsUsedAndNotChanged(t *testing.T) {
	calls, redirects := 0, 0
	hc := &http.Client{
		Transport: transport(func(req *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return response(302, "", "Location", "/elsewhere"), nil
			}
			return response(200, emptyList), nil
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { redirects++; return nil },
		Timeout:       time.Minute,
	}
	c := newClient(t, "http://example.com", client.WithToken(token), client.WithHTTPClient(hc))
	if _, err := c.Servers.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls != 2 || redirects != 1 {
		t.Errorf("%d requests through its transport and %d through its CheckRedirect, want 2 and 1", calls, redirects)
	}
	if _, ok := hc.Transport.(transport); !ok {
		t.Errorf("its transport is now a %T", hc.Transport)
	}
	hc.CheckRedirect(nil, nil)
	if redirects != 2 {
		t.Error("its CheckRedirect is now another function")
	}
	hc.Transport = nil // What its owner does with it later is of no consequence.
	if _, err := c.Servers.List(t.Context()); err != nil || calls != 3 {
		t.Errorf("after it was changed: %v, %d requests", err, calls)
	}
}

func TestNilHTTPClientIsTheDefault(t *testing.T) {
	c := serve(t, says(200, emptyList), client.WithHTTPClient(nil))
	if _, err := c.Servers.List(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAClientIsSafeForConcurrentUse(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("name")
		fmt.Fprintf(w, `{"meta":{"success":true},"body":{"name":%q}}`, name)
	}, client.WithToken(token))
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			name := fmt.Sprint("server ", i)
			created, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: name, Image: strings.NewReader(name)})
			if err != nil || created.Name != name {
				t.Errorf("%s: %v, %v", name, created, err)
			}
			updated, err := c.Servers.Update(t.Context(), id, client.ServerUpdate{Name: &name})
			if err != nil || updated.Name != name {
				t.Errorf("%s: %v, %v", name, updated, err)
			}
			if _, err := c.Servers.Get(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestAClientForAnotherCallerIsLikeTheFirst(t *testing.T) {
	var got []string
	hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		h := req.Header
		got = append(got, strings.Join([]string{req.URL.String(), h.Get("Authorization"), h.Get("X-Api-Key"), h.Get("User-Agent")}, "|"))
		return response(200, emptyList), nil
	})}
	first := newClient(t, "http://a.test/base/", client.WithHTTPClient(hc), client.WithUserAgent("quiz"))
	second := must(first.WithToken("session"))
	third := must(second.WithAPIKey("key"))
	fourth := must(third.WithToken("other"))
	for _, c := range []*client.Client{first, second, third, fourth, second, first} {
		if _, err := c.Channels.List(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	const at = "http://a.test/base/channels|"
	want := []string{
		at + "||quiz", at + "Bearer session||quiz", at + "|key|quiz", at + "Bearer other||quiz",
		at + "Bearer session||quiz", at + "||quiz",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestAClientForAnotherCallerUsesTheSameConnections(t *testing.T) {
	from := map[string]bool{}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from[r.RemoteAddr] = true
		io.WriteString(w, emptyList)
	})
	for i := range 10 {
		if _, err := must(c.WithToken(fmt.Sprint("session-", i))).Servers.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(from) != 1 {
		t.Errorf("%d connections for 10 callers in turn, want 1", len(from))
	}
}

func TestAClientForAnotherCallerNeedsACredential(t *testing.T) {
	c := newClient(t, "http://a.test", client.WithToken(token))
	for _, bad := range []string{"", " ", "a b", "a\n", "ü"} {
		for name, with := range map[string]func(string) (*client.Client, error){"WithToken": c.WithToken, "WithAPIKey": c.WithAPIKey} {
			derived, err := with(bad)
			if derived != nil || err == nil || !strings.HasPrefix(err.Error(), "rejoin: the credential ") {
				t.Errorf("%s(%q): got %v and %v, want an error", name, bad, derived, err)
			}
		}
	}
}

func TestClientsForManyCallersAtOnce(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"meta":{"success":true},"body":{"username":%q}}`, r.Header.Get("Authorization"))
	})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			name := fmt.Sprint("session-", i)
			derived, err := c.WithToken(name)
			if err != nil {
				t.Error(err)
				return
			}
			me, err := derived.Auth.Me(t.Context())
			if err != nil || me.Username != gen.NullableOf("Bearer "+name) {
				t.Errorf("%s: got %v, %v", name, me, err)
			}
		})
	}
	wg.Wait()
}

func TestAnAPIKeyIsSentAsItsOperationTakesIt(t *testing.T) {
	list := func(c *client.Client) error { _, err := c.Channels.List(context.Background(), ""); return err }
	listForKey := func(c *client.Client) error { _, err := c.Channels.ListForKey(context.Background()); return err }
	const integration = `{"status":"success","data":[]}`
	for _, tt := range []struct {
		name, base string
		call       func(*client.Client) error
		location   string
		want       []string
	}{
		{"the System API", "https://a.test", list, "", []string{"/channels x"}},
		{"the Integration API", "https://a.test", listForKey, "", []string{"/apis/v1/channels bearer"}},
		{"the System API below a path", "https://a.test/api/v1/", list, "", []string{"/api/v1/channels x"}},
		{"the Integration API below a path", "https://a.test/a%2Fb", listForKey, "", []string{"/a%2Fb/apis/v1/channels bearer"}},
		{"the Integration API below a path with dots", "https://a.test/x/../a/.", listForKey, "", []string{"/a/apis/v1/channels bearer"}},
		{"the System API below such a path", "https://a.test/apis/v1/a", list, "", []string{"/apis/v1/a/channels x"}},
		{"redirected to the other", "https://a.test", list, "/apis/v1/x", []string{"/channels x", "/apis/v1/x x"}},
		{"and back", "https://a.test", listForKey, "/v1/channels", []string{"/apis/v1/channels bearer", "/v1/channels bearer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
				line := req.URL.EscapedPath()
				if req.Header.Get("X-Api-Key") == key {
					line += " x"
				}
				if req.Header.Get("Authorization") == "Bearer "+key {
					line += " bearer"
				}
				if got = append(got, line); len(got) == 1 && tt.location != "" {
					return response(302, "", "Location", tt.location), nil
				}
				return response(200, integration), nil
			})}
			if err := tt.call(newClient(t, tt.base, client.WithAPIKey(key), client.WithHTTPClient(hc))); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A program that only calls the API carries no web framework, no validator and no database driver.
func TestTheClientDependsOnLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("only %d dependencies: is this the right list?\n%s", len(deps), out)
	}
	for _, dep := range deps {
		for _, part := range []string{"echo", "kin-openapi", "sqlite", "pgx", "rejoin/server", "rejoin/api", "gen/stub"} {
			if strings.Contains(dep, part) {
				t.Errorf("the client depends on %s", dep)
			}
		}
		if dep == "database/sql" || dep == "testing" {
			t.Errorf("the client depends on %s", dep)
		}
	}
}
