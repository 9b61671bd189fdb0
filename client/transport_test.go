package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
)

func TestWhereACredentialGoesAndWhichRedirectsAreFollowed(t *testing.T) {
	list := func(c *client.Client) error { _, err := c.Servers.List(context.Background()); return err }
	join := func(c *client.Client) error { _, err := c.Servers.Join(context.Background(), id); return err }
	remove := func(c *client.Client) error { return c.Servers.Delete(context.Background(), id) }
	rename := func(c *client.Client) error {
		_, err := c.Servers.Update(context.Background(), id, client.ServerUpdate{Name: new("Chess")})
		return err
	}
	create := func(c *client.Client) error {
		in := client.ServerCreate{Name: "Chess", Image: strings.NewReader("a picture")}
		_, err := c.Servers.Create(context.Background(), in)
		return err
	}

	const one = "/servers/" + id
	for _, tt := range []struct {
		name     string
		base     string
		call     func(*client.Client) error
		status   int
		location string
		want     []string // Each request: method, address, "+" if the credential was on it.
		refused  string   // The redirect that is returned as an error instead.
	}{
		{"same host", "https://a.test", list, 302, "/new",
			[]string{"GET https://a.test/servers +", "GET https://a.test/new +"}, ""},
		{"same host, port and case written otherwise", "https://A.test:443", list, 301, "https://a.test/new",
			[]string{"GET https://A.test:443/servers +", "GET https://a.test/new +"}, ""},
		{"another host", "https://a.test", list, 302, "https://b.test/x",
			[]string{"GET https://a.test/servers +", "GET https://b.test/x"}, ""},
		{"a subdomain", "https://a.test", list, 307, "https://sub.a.test/x",
			[]string{"GET https://a.test/servers +", "GET https://sub.a.test/x"}, ""},
		{"the parent domain", "https://sub.a.test", list, 307, "https://a.test/x",
			[]string{"GET https://sub.a.test/servers +", "GET https://a.test/x"}, ""},
		{"another port", "https://a.test", list, 302, "https://a.test:8443/x",
			[]string{"GET https://a.test/servers +", "GET https://a.test:8443/x"}, ""},
		{"a host that begins alike", "https://a.test", list, 302, "https://a.test.evil.test/x",
			[]string{"GET https://a.test/servers +", "GET https://a.test.evil.test/x"}, ""},
		{"a user name that looks like the host", "https://a.test", list, 302, "https://a.test@evil.test/x",
			[]string{"GET https://a.test/servers +", "GET https://a.test@evil.test/x"}, ""},
		{"a host that is another one in Unicode", "https://api.test", list, 302, "https://ap\u0130.test/x",
			[]string{"GET https://api.test/servers +", "GET https://ap%C4%B0.test/x"}, ""},
		{"from http to https", "http://a.test", list, 301, "https://a.test/servers",
			[]string{"GET http://a.test/servers +", "GET https://a.test/servers"}, ""},
		{"from https to http", "https://a.test", list, 301, "http://a.test/servers",
			[]string{"GET https://a.test/servers +"}, "http://a.test/servers"},
		{"from https to http elsewhere", "https://a.test", list, 301, "http://b.test/x?secret#y",
			[]string{"GET https://a.test/servers +"}, "http://b.test/x"},

		{"to another scheme", "http://a.test", list, 302, "ftp://a.test/x?secret",
			[]string{"GET http://a.test/servers +"}, "ftp://a.test/x"},
		{"from https to another scheme", "https://a.test", list, 302, "ftp://a.test/x",
			[]string{"GET https://a.test/servers +"}, "ftp://a.test/x"},

		{"a change, repeated", "https://a.test", join, 307, "/new",
			[]string{"POST https://a.test" + one + "/join +", "POST https://a.test/new +"}, ""},
		{"a change with a small body, repeated", "https://a.test", rename, 308, "/new",
			[]string{"PUT https://a.test" + one + " + Chess", "PUT https://a.test/new + Chess"}, ""},
		{"a change that would become a read", "https://a.test", join, 302, "/new",
			[]string{"POST https://a.test" + one + "/join +"}, "https://a.test/new"},
		{"a change whose body would be lost", "https://a.test", rename, 303, "/new",
			[]string{"PUT https://a.test" + one + " + Chess"}, "https://a.test/new"},
		{"a deletion that would become a read", "https://a.test", remove, 301, "/new",
			[]string{"DELETE https://a.test" + one + " +"}, "https://a.test/new"},
		{"a change elsewhere", "https://a.test", join, 307, "https://b.test/x",
			[]string{"POST https://a.test" + one + "/join +"}, "https://b.test/x"},
		{"a change elsewhere with a small body", "https://a.test", rename, 308, "https://b.test/x",
			[]string{"PUT https://a.test" + one + " + Chess"}, "https://b.test/x"},
		{"a change at a host that is another one in Unicode", "https://api.test", rename, 307, "https://ap\u0130.test/x",
			[]string{"PUT https://api.test" + one + " + Chess"}, "https://ap\u0130.test/x"},
		{"an upload, which cannot be repeated", "https://a.test", create, 307, "/new",
			[]string{"POST https://a.test/servers + Chess"}, "https://a.test/new"},
		{"an upload that would become a read", "https://a.test", create, 303, "/new",
			[]string{"POST https://a.test/servers + Chess"}, "https://a.test/new"},
	} {
		for credential, opt := range map[string]client.Option{
			"Authorization": client.WithToken(token), "X-Api-Key": client.WithAPIKey(token),
		} {
			t.Run(tt.name+", "+credential, func(t *testing.T) {
				var got []string
				hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
					line := req.Method + " " + req.URL.String()
					if strings.Contains(fmt.Sprint(req.Header), token) {
						line += " +"
					}
					if req.Body != nil {
						body, _ := io.ReadAll(req.Body)
						req.Body.Close()
						if strings.Contains(string(body), "Chess") {
							line += " Chess"
						}
					}
					if got = append(got, line); len(got) == 1 {
						return response(tt.status, "", "Location", tt.location), nil
					}
					if strings.HasPrefix(line, "GET") {
						return response(200, emptyList), nil
					}
					return response(200, nothing), nil
				})}
				err := tt.call(newClient(t, tt.base, opt, client.WithHTTPClient(hc)))
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if tt.refused == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				e := failure(t, err)
				if want := "the redirect to " + tt.refused + " was not followed"; e.Status != tt.status || e.DevMessage != want {
					t.Errorf("got %v, want %q", e, want)
				}
			})
		}
	}
}

func TestACredentialComesBackWithTheRedirectToItsOwnHost(t *testing.T) {
	var got []string
	hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		got = append(got, req.URL.Host+" "+req.Header.Get("X-Api-Key"))
		switch len(got) {
		case 1:
			return response(302, "", "Location", "https://b.test/x"), nil
		case 2:
			return response(302, "", "Location", "https://a.test/y"), nil
		}
		return response(200, emptyList), nil
	})}
	c := newClient(t, "https://a.test", client.WithAPIKey("k"), client.WithHTTPClient(hc))
	if _, err := c.Servers.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.test k", "b.test ", "a.test k"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRedirectsBetweenRealServers(t *testing.T) {
	for credential, opt := range map[string]client.Option{
		"Authorization": client.WithToken(token), "X-Api-Key": client.WithAPIKey(token),
	} {
		t.Run(credential, func(t *testing.T) {
			arrived := "not asked"
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrived = r.Header.Get(credential)
				says(401, "")(w, r)
			}))
			defer other.Close()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.Header.Get(credential), token) {
					t.Errorf("%s came without the credential", r.URL)
				}
				http.Redirect(w, r, other.URL+"/elsewhere", http.StatusFound)
			}, opt)
			_, err := c.Servers.List(t.Context())
			if arrived != "" {
				t.Errorf("the other host: %q", arrived)
			}
			if e := failure(t, err); e.Path != other.URL+"/elsewhere" {
				t.Errorf("got path %q, want the address that answered", e.Path)
			}
		})
	}
}

func TestRedirectsWithoutEndEnd(t *testing.T) {
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/servers", http.StatusFound)
	})
	_, err := c.Servers.List(t.Context())
	if err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") || asked != 10 {
		t.Errorf("got %v after %d requests", err, asked)
	}
}

func TestNoErrorShowsTheCredential(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, rt := range map[string]http.RoundTripper{
		"no connection": nil,
		"a transport that fails": transport(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("no network")
		}),
		"a failure": transport(func(*http.Request) (*http.Response, error) {
			return response(401, ""), nil
		}),
		"an unusable answer": transport(func(*http.Request) (*http.Response, error) {
			return response(200, ""), nil
		}),
		"a redirect": transport(func(*http.Request) (*http.Response, error) {
			return response(302, "", "Location", "http://127.0.0.1/"), nil
		}),
	} {
		for _, opt := range []client.Option{client.WithToken(token), client.WithAPIKey(token)} {
			c := newClient(t, gone.URL, opt, client.WithHTTPClient(&http.Client{Transport: rt}))
			_, err := c.Servers.List(t.Context())
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v %+v", err, err, c, *c), token) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestNoErrorShowsTheQueryOfARedirect(t *testing.T) {
	const secret = "X-Amz-Signature=s3cret"
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, tt := range []struct{ location, want string }{
		{gone.URL + "/x?" + secret + "#top", gone.URL + `/x": dial tcp`},
		{gone.URL + "/x#" + secret, gone.URL + `/x": dial tcp`},
		{"http://[other.test?" + secret, "the answer with status 302 is a redirect to what is not a URL"},
	} {
		var log strings.Builder
		var attempts []client.Attempt
		c := serve(t, says(302, "", "Location", tt.location),
			client.WithAfter(func(_ context.Context, a client.Attempt) { attempts = append(attempts, a) }),
			client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, err := c.Servers.Image(t.Context(), id)
		if _, ok := errors.AsType[*url.Error](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.location, err, tt.want)
		}
		if len(attempts) != 1 || attempts[0].Err == nil {
			t.Fatalf("%s: %+v", tt.location, attempts)
		}
		for _, text := range []string{err.Error(), attempts[0].Err.Error(), log.String()} {
			if strings.Contains(text, "s3cret") || strings.Contains(text, "other.test") {
				t.Errorf("%s: %q shows what is in it", tt.location, text)
			}
		}
	}
}
