package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/rejoin-dev/rejoin/server/internal/smtptest"
)

// sendOne sends a mail through the SMTP server of a URL; before that, a test may change how it is reached.
func sendOne(t *testing.T, url string, change func(*relay)) error {
	t.Helper()
	r, err := parseRelay(url)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	return r.Send(t.Context(), Message{ID: "id", Date: time.Now(), To: "a@example.com", Subject: "Hello", Text: "It works."})
}

func TestOnlyARefusalForGoodIsPermanent(t *testing.T) {
	for code, permanent := range map[int]bool{550: true, 451: false} {
		office := smtptest.New(t, nil, false)
		office.Answer = func(int) error { return &smtp.SMTPError{Code: code, Message: "No"} }
		err := sendOne(t, "smtp://"+office.Addr+"?from=no-reply@example.com", nil)
		if err == nil || errors.Is(err, ErrPermanent) != permanent {
			t.Errorf("%d: got %v, permanent must be %v", code, err, permanent)
		}
	}
}

func TestMailsAreEncryptedOnTheWayToAnotherMachine(t *testing.T) {
	const host = "mail.test"
	certificate, trusting := smtptest.Certificate(t, host)
	to := func(office *smtptest.Server, config *tls.Config) func(*relay) {
		return func(r *relay) {
			r.tls = config
			r.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				if r.implicitTLS {
					return (&tls.Dialer{Config: config}).DialContext(ctx, network, office.Addr)
				}
				return (&net.Dialer{}).DialContext(ctx, network, office.Addr)
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
			office := smtptest.New(t, test.certificate, test.scheme == "smtps")
			office.User = test.user
			url := test.scheme + "://" + host
			if test.user != "" {
				url = test.scheme + "://someone%40example.com:pass%3Aword@" + host
			}
			err := sendOne(t, url, to(office, test.client))
			mails := office.Received()
			if test.delivered {
				if err != nil || len(mails) != 1 || !mails[0].Encrypted {
					t.Errorf("got %v, %+v; want one mail, encrypted", err, mails)
				}
				return
			}
			if err == nil || len(mails) > 0 || office.SignIns() > 0 || strings.Contains(fmt.Sprint(err), "pass:word") {
				t.Errorf("got %v, %d mails, %d sign-ins; want an error before anything was said", err, len(mails), office.SignIns())
			}
		})
	}
}

func TestAnSMTPServerOnThisMachineNeedsNoEncryption(t *testing.T) {
	office := smtptest.New(t, nil, false)
	office.User = "someone@example.com"
	if err := sendOne(t, "smtp://someone%40example.com:pass%3Aword@"+office.Addr+"?from=Club+%3Cclub@example.com%3E", nil); err != nil {
		t.Fatal(err)
	}
	mail := office.Received()[0]
	if mail.From != "club@example.com" || !strings.Contains(mail.Text, `From: "Club" <club@example.com>`) {
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
}
