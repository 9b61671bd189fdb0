// Package smtptest gives tests a real SMTP server, which keeps what it gets.
package smtptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A Server is an SMTP server for a test. Its fields are set before the first mail.
type Server struct {
	Addr   string
	User   string            // that must sign in, with the password pass:word; empty: nobody needs to
	Answer func(n int) error // to the n-th mail, counted from 1; nil is success

	mu    sync.Mutex
	mails []Mail
	auths int
}

// A Mail is one that a Server has got, whatever it answered.
type Mail struct {
	From, To, Text string
	Encrypted      bool
}

// New runs an SMTP server on 127.0.0.1 until the test ends. With a certificate it offers STARTTLS, or speaks TLS only.
func New(t testing.TB, certificate *tls.Certificate, implicit bool) *Server {
	t.Helper()
	s := &Server{Answer: func(int) error { return nil }}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	server.Domain, server.AllowInsecureAuth = "mail.test", true
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = listener.Addr().String()
	if certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	var group sync.WaitGroup
	group.Go(func() { server.Serve(listener) })
	t.Cleanup(func() { server.Close(); group.Wait() })
	return s
}

// Received returns the mails so far.
func (s *Server) Received() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail{}, s.mails...)
}

// SignIns is how often somebody has tried to sign in.
func (s *Server) SignIns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.auths
}

// Wait returns the mails once there are n. Where that takes more than 10 seconds, the test fails.
func (s *Server) Wait(t testing.TB, n int) []Mail {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if mails := s.Received(); len(mails) >= n {
			return mails
		}
	}
	t.Fatalf("got %d mails, want %d", len(s.Received()), n)
	return nil
}

type session struct {
	server *Server
	conn   *smtp.Conn
	signed bool
	mail   Mail
}

func (s *session) AuthMechanisms() []string {
	if s.server.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.server.mu.Lock()
		s.server.auths++
		s.server.mu.Unlock()
		if user != s.server.User || password != "pass:word" {
			return smtp.ErrAuthFailed
		}
		s.signed = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.User != "" && !s.signed {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = Mail{From: from, Encrypted: encrypted}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.mail.To = to; return nil }

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.Text = string(content)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.mail)
	return s.server.Answer(len(s.server.mails))
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// Certificate makes a certificate for a host that signs itself, and the configuration of a client that trusts it.
func Certificate(t testing.TB, host string) (*tls.Certificate, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, &tls.Config{ServerName: host, RootCAs: roots}
}
