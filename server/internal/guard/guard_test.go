package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyWhatTheInternetReachesIsCalled(t *testing.T) {
	for _, c := range []struct {
		addr string
		may  bool
	}{
		{"8.8.8.8", true}, {"93.184.216.34", true}, {"1.1.1.1", true}, {"172.15.255.255", true}, {"172.32.0.1", true}, {"100.63.255.255", true}, {"100.128.0.1", true},
		{"192.169.0.1", true}, {"198.17.255.255", true}, {"198.20.0.0", true}, {"223.255.255.255", true},
		{"2606:2800:220:1:248:1893:25c8:1946", true}, {"2a00:1450:4001:830::200e", true}, {"2001:4860:4860::8888", true},
		// loopback, private, link-local, CGNAT, multicast, unspecified, broadcast, reserved
		{"127.0.0.1", false}, {"127.255.255.254", false}, {"10.0.0.1", false}, {"10.255.255.255", false}, {"172.16.0.1", false}, {"172.31.255.255", false}, {"192.168.1.1", false},
		{"169.254.0.1", false}, {"100.64.0.1", false}, {"100.127.255.255", false}, {"224.0.0.1", false}, {"239.1.1.1", false}, {"0.0.0.0", false}, {"0.1.2.3", false},
		{"255.255.255.255", false}, {"240.0.0.1", false}, {"::1", false}, {"::", false}, {"fc00::1", false}, {"fd12:3456::1", false}, {"fe80::1", false}, {"fe80::1%eth0", false},
		{"fec0::1", false}, {"ff02::1", false}, {"4000::1", false}, {"8000::1", false}, {"2606:2800::1%eth0", false},
		// what clouds tell their machines
		{"169.254.169.254", false}, {"169.254.170.2", false}, {"168.63.129.16", false}, {"100.100.100.200", false}, {"192.0.0.192", false}, {"fd00:ec2::254", false},
		{"::ffff:169.254.169.254", false}, {"::a9fe:a9fe", false}, {"64:ff9b::a9fe:a9fe", false}, {"2002:a9fe:a9fe::", false},
		// documentation, benchmarks, protocols
		{"192.0.2.1", false}, {"198.51.100.7", false}, {"203.0.113.9", false}, {"198.18.0.1", false}, {"198.19.255.255", false}, {"192.0.0.1", false}, {"192.88.99.1", false},
		{"2001:db8::1", false}, {"3fff::1", false}, {"100::1", false}, {"5f00::1", false}, {"2001:10::1", false}, {"2001:20::1", false}, {"2001:2::1", false},
		// IPv4 in IPv6: mapped, compatible, NAT64, 6to4, Teredo
		{"::ffff:8.8.8.8", true}, {"::ffff:127.0.0.1", false}, {"::ffff:10.0.0.1", false}, {"::ffff:192.168.0.1", false}, {"::127.0.0.1", false}, {"::8.8.8.8", false},
		{"64:ff9b::8.8.8.8", true}, {"64:ff9b::127.0.0.1", false}, {"64:ff9b::10.0.0.1", false}, {"64:ff9b::192.0.2.1", false}, {"64:ff9b:1::8.8.8.8", false}, {"64:ff9b:1::a00:1", false},
		{"2002:808:808::1", true}, {"2002:7f00:1::1", false}, {"2002:a00:1::", false}, {"2002:c0a8:101::1", false}, {"2001::1", false}, {"2001:0:4136:e378:8000:63bf:3fff:fdd2", false},
	} {
		if err := (Guard{}).Check(netip.MustParseAddr(c.addr)); (err == nil) != c.may {
			t.Errorf("%s: %v, want it called: %v", c.addr, err, c.may)
		}
	}
	if (Guard{}).Check(netip.Addr{}) == nil {
		t.Error("no address at all may be called")
	}
}

func TestWhatTheOperatorAllowsIsCalled(t *testing.T) {
	g := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128")}}
	for addr, may := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "::1": true, "127.0.0.1": false, "64:ff9b::10.1.2.3": false} {
		if err := g.Check(netip.MustParseAddr(addr)); (err == nil) != may {
			t.Errorf("%s: %v, want it called: %v", addr, err, may)
		}
	}
	for text, may := range map[string]bool{
		"https://example.com/hook": true, "http://example.com/hook": false, "http://10.1.2.3:8080/": true, "https://10.1.2.3/": true, "http://10.2.0.1/": false, "https://10.2.0.1/": false,
		"https://[::1]:8443/x": true, "http://[::1]/": true, "https://[::ffff:7f00:1]/": false, "https://user:pw@example.com/": false, "https://example.com/#x": false,
		"ftp://example.com/": false, "https:///x": false, "https:example.com": false, "//example.com/": false, "": false, "https://localhost/": true, "http://localhost/": true,
		"https://[fe80::1%25eth0]/": false,
	} {
		if wrong := g.CheckURL(text); (wrong == "") != may {
			t.Errorf("%s: %q, want it taken: %v", text, wrong, may)
		}
	}
	for _, text := range []string{"https://localhost/", "http://localhost:1/", "https://a.localhost./", "https://127.0.0.1/", "http://127.0.0.1/"} {
		if wrong := (Guard{}).CheckURL(text); !strings.Contains(wrong, "--webhook-allow") {
			t.Errorf("%s: %q does not say who may allow it", text, wrong)
		}
	}
}

var loopback = Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

func TestANameThatChangesItsAnswerDoesNotHelp(t *testing.T) {
	called := atomic.Int32{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer s.Close()
	at := s.Listener.Addr().String()
	// Whatever a name was resolved to before, the address that is dialled is looked at: here one that the check of the URL took for good.
	c := NewClient(Guard{}, &tls.Config{InsecureSkipVerify: true})
	defer c.Close()
	first := c.idle.DialContext
	c.idle.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return first(ctx, network, at) }
	if _, err := c.Post(t.Context(), "https://rebinding.example/hook", MostOfHost, nil, nil); !errors.Is(err, ErrRefused) {
		t.Errorf("the name that leads to loopback by now: %v", err)
	}
	if called.Load() != 0 {
		t.Error("it was called")
	}
	// By name, without TLS: what the operator does not allow is not called even if the internet reaches it.
	c2 := NewClient(loopback, nil)
	defer c2.Close()
	if _, err := c2.Post(t.Context(), "http://example.com/", MostOfHost, nil, nil); !errors.Is(err, ErrRefused) {
		t.Errorf("without TLS: %v", err)
	}
	if err := loopback.control(context.WithValue(t.Context(), plainKey{}, true), "tcp4", "8.8.8.8:80", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("a local name without TLS that leads to the internet: %v", err)
	}
}

func TestNoRedirectIsFollowedAndNoCookieOrProxyUsed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	var hits, cookies atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		cookies.Add(int32(len(r.Cookies())))
		if r.ProtoMajor != 1 {
			t.Errorf("spoke %s", r.Proto)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	c := trusting(s)
	defer c.Close()
	for range 2 {
		if answer, err := c.Post(t.Context(), s.URL, MostOfHost, http.Header{"Content-Type": {"application/json"}}, []byte("{}")); err != nil || answer.Status != http.StatusTemporaryRedirect {
			t.Errorf("answered %v %v", answer.Status, err)
		}
	}
	if hits.Load() != 2 || cookies.Load() != 0 {
		t.Errorf("%d calls with %d cookies, want 2 without any", hits.Load(), cookies.Load())
	}
}

func TestAnswersAreReadOnlySoFar(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/headers" {
			w.Header().Set("X-Long", strings.Repeat("x", 2*MostHeaders))
		}
		for range 100 {
			_, _ = w.Write([]byte(strings.Repeat("y", MostBody)))
		}
	}))
	defer s.Close()
	c := trusting(s)
	defer c.Close()
	if answer, err := c.Post(t.Context(), s.URL, MostOfHost, nil, nil); err != nil || len(answer.Body) != MostBody {
		t.Errorf("read %d bytes: %v", len(answer.Body), err)
	}
	if _, err := c.Post(t.Context(), s.URL+"/headers", MostOfHost, nil, nil); err == nil {
		t.Error("headers without an end are read")
	}
}

func TestOneWhoBearsFewerCallsOfAHostLeavesRoomForOthers(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer s.Close()
	c := trusting(s)
	defer c.Close()
	var calls sync.WaitGroup
	call := func() {
		calls.Go(func() {
			if _, err := c.Post(t.Context(), s.URL, MostOfHost+1, nil, nil); err != nil {
				t.Error(err)
			}
		})
		<-arrived
	}
	call()
	call()
	if _, err := c.Post(t.Context(), strings.ToUpper(s.URL), 2, nil, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("two are under way, and who bears two gets %v", err)
	}
	for range MostOfHost - 2 {
		call()
	}
	if _, err := c.Post(t.Context(), s.URL, MostOfHost+1, nil, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("more than %d are under way: %v", MostOfHost, err)
	}
	close(release)
	calls.Wait()
	call()
	calls.Wait()
	if len(c.hosts) > 0 {
		t.Errorf("what nobody calls is remembered: %v", c.hosts)
	}
}

func TestErrorsTellNothingOfTheNetwork(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	at := s.URL
	c := NewClient(loopback, nil)
	defer c.Close()
	_, err := c.Post(t.Context(), at, MostOfHost, nil, nil)
	if err == nil || err.Error() != "the certificate is not good for the name" {
		t.Errorf("a certificate of nobody: %v", err)
	}
	s.Close()
	if _, err := c.Post(t.Context(), at, MostOfHost, nil, nil); err == nil || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := c.Post(ctx, at, MostOfHost, nil, nil); err == nil || err.Error() != "no answer within 15 seconds" {
		t.Errorf("too late: %v", err)
	}
	noName, noWay := reported(&url.Error{Err: &net.DNSError{Err: "no such host", Server: "10.0.0.2:53"}}), reported(&url.Error{Err: ErrRefused})
	if noName.Error() != noWay.Error() || strings.Contains(noName.Error(), "10.0.0.2") {
		t.Errorf("no such name is %q, and one of a private network %q", noName, noWay)
	}
}

func trusting(s *httptest.Server) *Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return NewClient(loopback, &tls.Config{RootCAs: roots})
}
