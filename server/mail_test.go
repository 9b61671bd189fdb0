package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/riverqueue/river"
)

func TestWithoutAnSMTPServerMailsAreFilesAndTheirPathsAreLogged(t *testing.T) {
	var log safeBuffer
	config := Config{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))}
	s := open(t, config)
	postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": "a@example.com", "password": passphrase, "displayName": "Buy now at evil.example"})
	var found []mailFile
	for len(found) == 0 {
		time.Sleep(10 * time.Millisecond)
		found = mailsTo(t, config.Data, "a@example.com")
	}
	mail := found[0]
	for _, part := range []string{"verif", mail.code, "15 minutes", "ignore this mail"} {
		if !strings.Contains(mail.text, part) {
			t.Errorf("the mail does not say %q: %s", part, mail.text)
		}
	}
	content, err := os.ReadFile(mail.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"From: <no-reply@rejoin.local>", "Subject: ", "Date: ", "Message-ID: <", "Auto-Submitted: auto-generated", "Content-Type: text/plain"} {
		if !strings.Contains(string(content), header) {
			t.Errorf("the mail has no %q: %s", header, content)
		}
	}
	if strings.Contains(string(content), "evil") {
		t.Errorf("what was typed into the registration is mailed: %s", content)
	}
	info, err := os.Stat(mail.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want a file that nobody else can read", info.Mode(), err)
	}
	for !strings.Contains(log.String(), mail.path) { // the line comes after the file
		time.Sleep(10 * time.Millisecond)
	}
	if strings.Contains(log.String(), "code="+mail.code) || strings.Contains(log.String(), mail.code+" ") {
		t.Errorf("the code is in the log: %s", &log)
	}
}

func TestWhatAnIdleServerLeavesIsDoneByAnother(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		if w := postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": "a@example.com", "password": passphrase}); w.Code != http.StatusCreated {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		time.Sleep(300 * time.Millisecond)
		if found := mailsTo(t, config.Data, "a@example.com"); len(found) > 0 {
			t.Error("the idle server has sent a mail")
		}
		config.Idle = false
		open(t, config)
		codeFor(t, config.Data, "a@example.com")
	})
}

// A postOffice is an SMTP server for tests.
type postOffice struct {
	addr   string
	user   string // that may sign in, with the password pass:word; empty: nobody needs to
	answer func(n int) error

	mu    sync.Mutex
	mails []receivedMail
	auths int
}

type receivedMail struct {
	from, to, text string
	encrypted      bool
}

// newPostOffice runs an SMTP server until the test ends. With a certificate it offers STARTTLS, or speaks TLS only.
func newPostOffice(t *testing.T, certificate *tls.Certificate, implicit bool) *postOffice {
	t.Helper()
	o := &postOffice{answer: func(int) error { return nil }}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &postSession{office: o, conn: c}, nil
	}))
	server.Domain, server.AllowInsecureAuth = "mail.test", true
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.addr = listener.Addr().String()
	if certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	var group sync.WaitGroup
	group.Go(func() { server.Serve(listener) })
	t.Cleanup(func() { server.Close(); group.Wait() })
	return o
}

func (o *postOffice) received() []receivedMail {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]receivedMail{}, o.mails...)
}

func (o *postOffice) wait(t *testing.T, n int) []receivedMail {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if mails := o.received(); len(mails) >= n {
			return mails
		}
	}
	t.Fatalf("got %d mails, want %d", len(o.received()), n)
	return nil
}

type postSession struct {
	office *postOffice
	conn   *smtp.Conn
	signed bool
	mail   receivedMail
}

func (s *postSession) AuthMechanisms() []string {
	if s.office.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *postSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.office.mu.Lock()
		s.office.auths++
		s.office.mu.Unlock()
		if user != s.office.user || password != "pass:word" {
			return smtp.ErrAuthFailed
		}
		s.signed = true
		return nil
	}), nil
}

func (s *postSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.office.user != "" && !s.signed {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = receivedMail{from: from, encrypted: encrypted}
	return nil
}

func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.mail.to = to; return nil }

func (s *postSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.text = string(content)
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.office.mails = append(s.office.mails, s.mail)
	return s.office.answer(len(s.office.mails))
}

func (s *postSession) Reset()        {}
func (s *postSession) Logout() error { return nil }

// certificateFor makes a certificate that signs itself, and the configuration of a client that trusts it.
func certificateFor(t *testing.T, host string) (*tls.Certificate, *tls.Config) {
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

func TestAMailIsTriedAgainAfterATemporaryFailureWithAFreshCode(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		certificate, _ := certificateFor(t, "localhost")
		office := newPostOffice(t, certificate, false)
		office.user = "someone@example.com"
		office.answer = func(n int) error {
			if n == 1 {
				return &smtp.SMTPError{Code: 451, Message: "Come again"}
			}
			return nil
		}
		var log safeBuffer
		config.Log = slog.New(slog.NewTextHandler(&log, nil))
		config.SMTP = "smtp://someone%40example.com:pass%3Aword@" + office.addr
		s := unlimited(open(t, config))
		if w := postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": "a@example.com", "password": passphrase}); w.Code != http.StatusCreated {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		mails := office.wait(t, 2)
		var codes []string
		for _, mail := range mails {
			if !mail.encrypted || mail.from != "someone@example.com" || mail.to != "a@example.com" {
				t.Errorf("got %+v, want it encrypted, from the user to the account", mail)
			}
			_, text := readMail(t, []byte(mail.text))
			codes = append(codes, codeIn(t, text))
		}
		verify := func(code string) int {
			return postJSON(s.Handler(), "/auth/verify-email", "", map[string]any{"email": "a@example.com", "code": code}).Code
		}
		if codes[0] != codes[1] && verify(codes[0]) != http.StatusBadRequest {
			t.Error("the code of the mail that was refused works")
		}
		if got := verify(codes[1]); got != http.StatusOK {
			t.Errorf("the code of the second mail: got %d", got)
		}
		for _, secret := range append(codes, "pass:word", "pass%3Aword") {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log holds %s: %s", secret, &log)
			}
		}
		if !strings.Contains(log.String(), "Come again") {
			t.Errorf("the failure is not in the log: %s", &log)
		}
	})
}

func TestAMailThatIsRefusedForGoodIsNotTriedAgain(t *testing.T) {
	office := newPostOffice(t, nil, false)
	office.answer = func(int) error { return &smtp.SMTPError{Code: 550, Message: "No such user"} }
	err := deliverOne(t, "smtp://"+office.addr+"?from=no-reply@example.com", nil)
	var cancel *river.JobCancelError
	if !errors.As(err, &cancel) {
		t.Errorf("got %v, want the job to be given up", err)
	}
}

// deliverOne sends a mail through the relay of a URL, which a test may change before.
func deliverOne(t *testing.T, url string, change func(*relay)) error {
	t.Helper()
	r, err := parseRelay(url)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	m := &mailer{post: r, now: time.Now, newID: func() string { return "id" }}
	message, err := m.compose("a@example.com", "123456", verifyPurpose)
	if err != nil {
		t.Fatal(err)
	}
	return r.deliver(context.Background(), message)
}

func TestMailsAreEncryptedOnTheWayToAnotherMachine(t *testing.T) {
	const host = "mail.test"
	certificate, trusting := certificateFor(t, host)
	to := func(office *postOffice, config *tls.Config) func(*relay) {
		return func(r *relay) {
			r.tls = config
			r.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				if r.implicitTLS {
					return (&tls.Dialer{Config: config}).DialContext(ctx, network, office.addr)
				}
				return (&net.Dialer{}).DialContext(ctx, network, office.addr)
			}
		}
	}
	for _, test := range []struct {
		name        string
		scheme      string
		user        string
		certificate *tls.Certificate
		client      *tls.Config
		delivered   bool
	}{
		{"STARTTLS", "smtp", "someone@example.com", certificate, trusting, true},
		{"TLS from the first byte", "smtps", "someone@example.com", certificate, trusting, true},
		{"no STARTTLS", "smtp", "someone@example.com", nil, trusting, false},
		{"no STARTTLS and nobody to sign in", "smtp", "", nil, trusting, false},
		{"an unknown certificate", "smtp", "someone@example.com", certificate, &tls.Config{ServerName: host}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			office := newPostOffice(t, test.certificate, test.scheme == "smtps")
			office.user = test.user
			url := test.scheme + "://" + host
			if test.user != "" {
				url = test.scheme + "://someone%40example.com:pass%3Aword@" + host
			}
			err := deliverOne(t, url, to(office, test.client))
			mails := office.received()
			if test.delivered {
				if err != nil || len(mails) != 1 || !mails[0].encrypted {
					t.Errorf("got %v, %+v; want one mail, encrypted", err, mails)
				}
				return
			}
			if err == nil || len(mails) > 0 || office.auths > 0 || strings.Contains(fmt.Sprint(err), "pass:word") {
				t.Errorf("got %v, %d mails, %d sign-ins; want an error before anything was said", err, len(mails), office.auths)
			}
		})
	}
}

func TestAnSMTPServerOnThisMachineNeedsNoEncryption(t *testing.T) {
	office := newPostOffice(t, nil, false)
	office.user = "someone@example.com"
	if err := deliverOne(t, "smtp://someone%40example.com:pass%3Aword@"+office.addr+"?from=Club+%3Cclub@example.com%3E", nil); err != nil {
		t.Fatal(err)
	}
	mail := office.received()[0]
	if mail.from != "club@example.com" || !strings.Contains(mail.text, `From: "Club" <club@example.com>`) {
		t.Errorf("got %+v", mail)
	}
}

func TestTheURLOfAnSMTPServer(t *testing.T) {
	for url, want := range map[string]relay{
		"smtp://mail.example":                                 {host: "mail.example", port: 587, from: "no-reply@mail.example"},
		"smtps://mail.example":                                {host: "mail.example", port: 465, implicitTLS: true, from: "no-reply@mail.example"},
		"smtp://me:secret@mail.example:25/":                   {host: "mail.example", port: 25, user: "me", password: "secret", from: "no-reply@mail.example"},
		"smtp://me%40x.org:s%2Fcret@mail.example":             {host: "mail.example", port: 587, user: "me@x.org", password: "s/cret", from: "me@x.org"},
		"smtp://me%40x.org:secret@mail.example?from=us@x.org": {host: "mail.example", port: 587, user: "me@x.org", password: "secret", from: "us@x.org"},
		"smtp://localhost:1025":                               {host: "localhost", port: 1025, loopback: true, from: "no-reply@localhost"},
		"smtp://[::1]:1025?from=us@x.org":                     {host: "::1", port: 1025, loopback: true, from: "us@x.org"},
	} {
		got, err := parseRelay(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s: got %+v, want %+v", url, *got, want)
		}
	}
	for _, url := range []string{
		"mail.example:587", "http://me:secret@mail.example", "smtp://", "smtp://me:secret@", "smtp://me:secret@mail.example/path",
		"smtp://me:secret@mail.example:99999", "smtp://me:sec%ret@mail.example", "smtp://me:secret@mail.example:port",
		"smtp://me:secret@mail.example?from=us", "smtp://me:secret@mail.example?form=us@x.org", "smtp://me:secret@mail.example?from=%zz",
		"smtp://me:secret@mail.example#x", "smtp://me:secret@[::2]",
	} {
		_, err := parseRelay(url)
		if err == nil {
			t.Errorf("%s was taken", url)
			continue
		}
		if strings.Contains(err.Error(), "sec") || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "SMTP") {
			t.Errorf("%s: got %v, want one line about it without the password", url, err)
		}
	}
	config := Config{Data: t.TempDir(), SMTP: "mail.example:587"}
	if s, err := New(context.Background(), config); err == nil {
		s.Close()
		t.Error("New has taken what is not a URL")
	}
	if _, err := os.Stat(filepath.Join(config.Data, "rejoin.db")); err == nil {
		t.Error("the database was made all the same")
	}
}

func TestClosingWaitsForTheMailThatIsOnItsWay(t *testing.T) {
	config := Config{Data: t.TempDir()}
	office := newPostOffice(t, nil, false)
	arrived, release := make(chan struct{}), make(chan struct{})
	office.answer = func(int) error { close(arrived); <-release; return nil }
	config.SMTP = "smtp://" + office.addr
	s, err := New(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": "a@example.com", "password": passphrase})
	<-arrived
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case <-closed:
		t.Error("the server was closed in the middle of a mail")
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	s = open(t, config)
	time.Sleep(500 * time.Millisecond)
	if got := len(office.received()); got != 1 {
		t.Errorf("%d mails were sent, want one: it was done, so it must not be done again", got)
	}
}
