package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
)

// guard is the transport that has the credential, and the rules for redirects. The credential is put on a request
// here, below http.Client, once it is known where the request really goes. So it is never among the headers that
// http.Client copies from one hop to the next: those it keeps for subdomains, and x-api-key for every host.
type guard struct {
	next       http.RoundTripper
	origin     string
	credential string // Empty for none.
	apiKey     bool   // The credential is to be sent as an API key.
	bearerOnly string // What the paths begin with below which API keys are sent as bearer tokens too.
}

// integrationPrefix is what the paths of the Integration family begin with.
const integrationPrefix = "/apis/v1"

func newGuard(base *url.URL, o options) (*guard, error) {
	g := &guard{
		next:       o.http.Transport,
		origin:     origin(base),
		bearerOnly: strings.TrimSuffix(base.EscapedPath(), "/") + integrationPrefix + "/",
	}
	if g.next == nil {
		g.next = http.DefaultTransport
	}
	switch {
	case o.token != nil && o.apiKey != nil:
		return nil, errors.New("WithToken and WithAPIKey exclude each other: it would be unclear who is calling")
	case o.token != nil:
		g.credential = *o.token
	case o.apiKey != nil:
		g.credential, g.apiKey = *o.apiKey, true
	default:
		return g, nil
	}
	if g.credential == "" {
		return nil, errors.New("the credential is empty; for a client without one, leave the option out")
	}
	if !oneWord(g.credential) {
		return nil, errors.New("the credential has a character that cannot be in one, such as a space or a line break")
	}
	return g, nil
}

// client returns hc with the guard in it.
func (g *guard) client(hc http.Client) *http.Client {
	theirs := hc.CheckRedirect
	hc.Transport = g
	hc.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if !g.mayFollow(req, via) {
			return http.ErrUseLastResponse
		}
		if theirs != nil {
			return theirs(req, via)
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &hc
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req
	if g.credential != "" && origin(req.URL) == g.origin {
		sent = req.Clone(req.Context())
		// The operation decides, not where a redirect led.
		if g.apiKey && !strings.HasPrefix(begin(req).URL.EscapedPath(), g.bearerOnly) {
			sent.Header.Set("X-Api-Key", g.credential)
		} else {
			sent.Header.Set("Authorization", "Bearer "+g.credential)
		}
	}
	if body, ok := req.Body.(*uploadBody); ok {
		defer body.during(req.Context())()
	}
	res, err := g.next.RoundTrip(sent)
	attemptOf(req.Context()).broken = err
	if res == nil || err != nil {
		return res, err
	}
	res.Request = req // The one without the credential.
	_, malformed := res.Location()
	if malformed == nil || malformed == http.ErrNoLocation || res.StatusCode/100 != 3 {
		return res, nil
	}
	if res.Body != nil {
		res.Body.Close()
	}
	// The error that http.Client would make of it contains the address, with all that is in it.
	return nil, fmt.Errorf("the answer with status %d is a redirect to what is not a URL", res.StatusCode)
}

// mayFollow reports whether a redirect may be followed. http.Client turns most methods into a GET without a body on
// 301, 302 and 303; what was asked for would be lost without a word.
func (g *guard) mayFollow(req *http.Request, via []*http.Request) bool {
	asked, last := via[0], via[len(via)-1]
	if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || last.URL.Scheme == "https") {
		return false
	}
	if asked.Method == http.MethodGet || asked.Method == http.MethodHead {
		return true
	}
	return req.Method == asked.Method && origin(req.URL) == g.origin
}

// origin is the scheme, host and port of u, in the one way of writing them.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" && u.Scheme == "http" {
		port = "80"
	}
	if port == "" && u.Scheme == "https" {
		port = "443"
	}
	return lower(u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port))
}

// lower is text with A to Z in lower case. strings.ToLower would make another host of some: of ap\u0130.test, api.test.
func lower(text string) string {
	letters := []byte(text)
	for i, c := range letters {
		if 'A' <= c && c <= 'Z' {
			letters[i] += 'a' - 'A'
		}
	}
	return string(letters)
}

// begin is the request to which redirects, if any, have led to req.
func begin(req *http.Request) *http.Request {
	for req.Response != nil {
		req = req.Response.Request
	}
	return req
}

// asked is what res is the answer to: the method, and the path, or the whole address (without a query, which may
// contain what is none of a log's business) if a redirect led away from where the request was sent.
func asked(res *http.Response) (method, path string) {
	first, last := begin(res.Request), res.Request
	path = last.URL.EscapedPath()
	if origin(first.URL) != origin(last.URL) {
		path = last.URL.Scheme + "://" + last.URL.Host + path
	}
	return last.Method, path
}

// oneWord reports whether text can be a value of a header that is one word.
func oneWord(text string) bool {
	return text != "" && headerSafe(text) && !strings.Contains(text, " ")
}

// headerSafe reports whether text can be the value of a header: printable ASCII.
func headerSafe(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// edit changes a request that gen.Client has built, before it is sent.
type edit = gen.RequestEditorFn

func header(name, value string) edit {
	return func(_ context.Context, req *http.Request) error {
		req.Header.Set(name, value)
		return nil
	}
}
