// Package guard is an HTTP client for addresses that other people choose: what it is told to call must not be a way into the network that
// it calls from.
//
// An address is checked when it is dialled, after its name was resolved: a name that changes its answer does not help. No redirect is
// followed, no proxy of the environment is used, no cookie is kept, and an answer is read only so far.
package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Within is how long a call may take in all: the name, the connection, the handshake, and as much of the answer as is read.
const Within = 15 * time.Second

// MostHeaders is how many bytes the headers of an answer may have, and how many bytes of its body are read at most.
const (
	MostHeaders = 16 << 10
	MostBody    = 1 << 10
)

// MostOfHost is how many calls of a host are under way at once, of all who want to call it.
const MostOfHost = 32

// ErrBusy is the error of a call that was not made, because as many calls of the host were under way as its caller bears.
var ErrBusy = errors.New("so many others call the host")

// ErrRefused is the error of an address that may not be called. Its text is for whoever has given the address.
var ErrRefused = errors.New("the address may not be called")

// errNowhere is ErrRefused of an address whose name was looked up.
var errNowhere = fmt.Errorf("the name leads to no address that may be called: %w", ErrRefused)

// refused are networks that are nobody's on the internet, or somebody's own. What is embedded in others is looked at by itself.
var refused = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
	"192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // where a cloud tells its machines what they are
	"::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

// global is what the internet has of IPv6.
var global = netip.MustParsePrefix("2000::/3")

// These have an IPv4 address in them, at which byte.
var embeds = []struct {
	in netip.Prefix
	at int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// A Guard says which addresses may be called.
type Guard struct {
	// Allow are networks that may be called whatever they are, also without TLS.
	Allow []netip.Prefix
}

// allowed tells whether the operator allows an address.
func (g Guard) allowed(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Check refuses an address that is nobody's on the internet, unless the operator allows it.
func (g Guard) Check(addr netip.Addr) error {
	if g.allowed(addr) || public(addr) {
		return nil
	}
	return ErrRefused
}

func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	for _, e := range embeds {
		if e.in.Contains(addr) {
			bytes := addr.As16()
			return public(netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])))
		}
	}
	if addr.Is6() && !global.Contains(addr) {
		return false
	}
	for _, p := range refused {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// unlessAllowed is the way out for who tries something on a machine of their own.
const unlessAllowed = ", or be in a network that the operator has allowed with --webhook-allow"

// CheckURL says what is wrong with a URL, as far as that can be told without asking for its name: a text that goes on from "must", or
// nothing.
func (g Guard) CheckURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "must be an absolute address, such as https://example.com/hook"
	case u.User != nil || u.Fragment != "":
		return "must have no user, password or fragment"
	}
	addr, err := netip.ParseAddr(u.Hostname())
	switch literal := err == nil; {
	case u.Scheme == "http" && (literal && g.allowed(addr) || isLocal(u.Hostname()) && g.allowsLoopback()):
		return ""
	case u.Scheme != "https":
		return "must begin with https://" + unlessAllowed
	case literal && g.Check(addr) != nil, isLocal(u.Hostname()) && !g.allowsLoopback():
		return "must be an address that the internet reaches" + unlessAllowed
	}
	return ""
}

func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func (g Guard) allowsLoopback() bool {
	return g.allowed(netip.AddrFrom4([4]byte{127, 0, 0, 1})) || g.allowed(netip.IPv6Loopback())
}

// plainKey has whether a request goes without TLS, for the dialer.
type plainKey struct{}

// control refuses to dial an address, which has been resolved by now.
func (g Guard) control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return ErrRefused
	}
	if plain, _ := ctx.Value(plainKey{}).(bool); plain && !g.allowed(to.Addr()) {
		return ErrRefused
	}
	return g.Check(to.Addr())
}

// A Client calls. It is safe for concurrent use.
type Client struct {
	guard Guard
	http  *http.Client
	idle  *http.Transport

	mu    sync.Mutex
	hosts map[string]int // calls that are under way
}

// NewClient returns a client that calls what a guard allows. Close it when done. A TLS configuration is for tests; nil: the usual one.
func NewClient(g Guard, config *tls.Config) *Client {
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	config.MinVersion = tls.VersionTLS12
	dialer := &net.Dialer{Timeout: Within, KeepAlive: 30 * time.Second, ControlContext: g.control}
	transport := &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2: one connection, one call
		TLSHandshakeTimeout:    Within,
		ResponseHeaderTimeout:  Within,
		MaxResponseHeaderBytes: MostHeaders,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true,
		WriteBufferSize:        4 << 10, ReadBufferSize: 4 << 10,
	}
	return &Client{guard: g, idle: transport, hosts: map[string]int{}, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       Within,
	}}
}

// Close ends the connections that wait for another call.
func (c *Client) Close() { c.idle.CloseIdleConnections() }

// An Answer is what was answered, as far as it was read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// enter counts a call of a host until leave is called, if fewer than most are under way.
func (c *Client) enter(host string, most int) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host] >= most {
		return nil, ErrBusy
	}
	c.hosts[host]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.hosts[host]--; c.hosts[host] == 0 {
			delete(c.hosts, host)
		}
	}, nil
}

// hostOf is the host of an address, however that is written.
func hostOf(of *url.URL) string {
	port := of.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(of.Scheme)]
	}
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(of.Hostname(), ".")), port)
}

// Post sends a body, if fewer than most calls of the host are under way, or it is ErrBusy: a caller who answers slowly leaves room for others by
// bearing fewer. More than MostOfHost nobody bears. What the answer says beyond MostBody bytes is not read. An error has a text that whoever has
// given the URL may see: it says nothing of the network from which it is called.
func (c *Client) Post(ctx context.Context, to string, most int, header http.Header, body []byte) (Answer, error) {
	if wrong := c.guard.CheckURL(to); wrong != "" {
		return Answer{}, ErrRefused
	}
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	ctx = context.WithValue(ctx, plainKey{}, strings.HasPrefix(strings.ToLower(to), "http:"))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(string(body)))
	if err != nil {
		return Answer{}, ErrRefused
	}
	leave, err := c.enter(hostOf(request.URL), min(most, MostOfHost))
	if err != nil {
		return Answer{}, err
	}
	defer leave()
	request.Header = header.Clone()
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, reported(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(io.LimitReader(response.Body, MostBody))
	if err != nil && response.StatusCode/100 == 2 {
		return Answer{Status: response.StatusCode}, reported(err)
	}
	return Answer{response.StatusCode, response.Header, read}, nil
}

// reported is an error in words that say no more than what whoever has given the URL could find out alone.
func reported(err error) error {
	var named *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, ErrRefused), errors.As(err, &named): // which of the two it is would tell which names there are inside
		return errNowhere
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer within %d seconds", Within/time.Second)
	case errors.As(err, &certificate):
		return errors.New("the certificate is not good for the name")
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the connection was refused")
	}
	return errors.New("the connection has failed")
}
