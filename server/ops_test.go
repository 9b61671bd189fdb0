package server

import (
	"context"
	"github.com/rejoin-dev/rejoin/gen"
	"io"
	"net"
	"net/http"
	"net/netip"
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

func TestOperatorsGetAnEnvelopeForWhatIsNotThere(t *testing.T) {
	s := open(t, onSQLite(t))
	for path, status := range map[string]int{"/": http.StatusNotFound, "/servers": http.StatusNotFound} {
		w := send(s.ops, request("GET", path, ""))
		if w.Code != status || problemOf(t, w).Body.Code != gen.ProblemCodeNotFound {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
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

// A proxy on this machine passes strangers on as if they were callers here, and a stranger names any host and any address.
func TestStrangersSeeNoMetrics(t *testing.T) {
	plain, public, proxied := onSQLite(t), onSQLite(t), onSQLite(t)
	public.PublicURL = "https://community.example"
	proxied.TrustProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for name, config := range map[string]Config{"as it is": plain, "with a name": public, "with a proxy": proxied} {
		config.Data = onSQLite(t).Data
		s := open(t, config)
		for from, host := range map[string]string{"127.0.0.1:50000": "127.0.0.1:8080", "[::1]:50000": "localhost", "192.0.2.1:50000": "localhost:8080"} {
			for _, path := range []string{"/metrics", "/metrics/", "/api/v1/metrics"} {
				r := request("GET", path, "")
				r.RemoteAddr, r.Host = from, host
				if w := send(s.Handler(), r); w.Code != http.StatusNotFound {
					t.Errorf("%s: %s from %s: got %d, want 404", name, path, from, w.Code)
				}
			}
		}
	}
}
