package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// withOps serves with a listener for operators and returns both base URLs.
func withOps(t *testing.T, config Config) (base, ops string, s *Server, stop context.CancelFunc, done chan error) {
	t.Helper()
	listeners := make([]net.Listener, 2)
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	config.Ops = listeners[1]
	s = open(t, config)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	done = make(chan error, 1)
	go func() { done <- s.Serve(ctx, listeners[0]) }()
	return "http://" + listeners[0].Addr().String(), "http://" + listeners[1].Addr().String(), s, stop, done
}

func TestWhatOperatorsLookAtHasAListenerOfItsOwn(t *testing.T) {
	base, ops, _, stop, done := withOps(t, onSQLite(t))
	for _, path := range []string{"/metrics", "/readyz", "/livez"} {
		if answer := get(t, ops+path); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d where operators look", path, answer.StatusCode)
		}
	}
	for _, path := range []string{"/metrics", "/readyz"} {
		if answer := get(t, base+path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d where everybody is", path, answer.StatusCode)
		}
	}
	for _, path := range []string{"/servers", "/docs", "/openapi.yaml", "/"} {
		if answer := get(t, ops+path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d where operators look", path, answer.StatusCode)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{base, ops} {
		if answer, err := http.Get(at + "/livez"); err == nil {
			t.Errorf("%s still answers: %d", at, answer.StatusCode)
		}
	}
}

func TestOperatorsSeeThatAServerStopsUntilItHas(t *testing.T) {
	config := onSQLite(t)
	_, ops, s, stop, done := withOps(t, config)
	token := tokenOf(t, s, "a@example.com")
	get(t, ops+"/livez") // it serves
	// A request that arrives slowly holds the server back.
	body, write := io.Pipe()
	r := uploadOf(t, token, body)
	answered := make(chan int)
	go func() { answered <- send(s.movingOn(s.handler), r).Code }()
	s.stopping.Store(true)
	if answer := get(t, ops+"/readyz"); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz: got %d, want 503", answer.StatusCode)
	}
	if answer := get(t, ops+"/metrics"); answer.StatusCode != http.StatusOK {
		t.Errorf("/metrics: got %d, want 200", answer.StatusCode)
	}
	write.CloseWithError(io.ErrUnexpectedEOF)
	<-answered
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStrangersSeeNoMetrics(t *testing.T) {
	home := func(change func(*http.Request)) *http.Request {
		r := request("GET", "/metrics", "")
		r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8080"
		change(r)
		return r
	}
	plain, public, proxied := onSQLite(t), onSQLite(t), onSQLite(t)
	public.PublicURL = "https://community.example"
	proxied.TrustProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for name, c := range map[string]struct {
		config Config
		change func(*http.Request)
		status int
	}{
		"this machine":              {plain, func(*http.Request) {}, http.StatusOK},
		"this machine, by name":     {plain, func(r *http.Request) { r.Host = "localhost:8080" }, http.StatusOK},
		"this machine, IPv6":        {plain, func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:50000", "[::1]:8080" }, http.StatusOK},
		"this machine, mapped":      {plain, func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:50000" }, http.StatusOK},
		"a stranger":                {plain, func(r *http.Request) { r.RemoteAddr = "192.0.2.1:50000" }, http.StatusNotFound},
		"a stranger who says so":    {plain, func(r *http.Request) { r.RemoteAddr = "192.0.2.1:50000"; r.Header.Set("X-Forwarded-For", "127.0.0.1") }, http.StatusNotFound},
		"a proxy here":              {plain, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") }, http.StatusNotFound},
		"a proxy here, by Via":      {plain, func(r *http.Request) { r.Header.Set("Via", "1.1 here") }, http.StatusNotFound},
		"a page by another name":    {plain, func(r *http.Request) { r.Host = "evil.example" }, http.StatusNotFound},
		"no address":                {plain, func(r *http.Request) { r.RemoteAddr = "@" }, http.StatusNotFound},
		"where there is a name":     {public, func(*http.Request) {}, http.StatusNotFound},
		"where a proxy is believed": {proxied, func(*http.Request) {}, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			config := c.config
			config.Data = onSQLite(t).Data
			if w := send(open(t, config).Handler(), home(c.change)); w.Code != c.status {
				t.Errorf("got %d, want %d: %s", w.Code, c.status, strings.SplitN(w.Body.String(), "\n", 2)[0])
			}
		})
	}
}
