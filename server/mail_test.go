package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/rejoin-dev/rejoin/server/internal/smtptest"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

func TestWithoutAnSMTPServerMailsAreFilesAndTheirPathsAreLogged(t *testing.T) {
	var log safeBuffer
	config := onSQLite(t)
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
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
		openNext(t, s, config)
		codeFor(t, config.Data, "a@example.com")
	})
}

func TestAMailIsTriedAgainAfterATemporaryFailureWithAFreshCode(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		certificate, _ := smtptest.Certificate(t, "localhost")
		office := smtptest.New(t, certificate, false)
		office.User = "someone@example.com"
		office.Answer = func(n int) error {
			if n == 1 {
				return &smtp.SMTPError{Code: 451, Message: "Come again"}
			}
			return nil
		}
		var log safeBuffer
		config.Log = slog.New(slog.NewTextHandler(&log, nil))
		config.SMTP = "smtp://someone%40example.com:pass%3Aword@" + office.Addr
		s := unlimited(open(t, config))
		if w := postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": "a@example.com", "password": passphrase}); w.Code != http.StatusCreated {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		mails := office.Wait(t, 2)
		var codes []string
		for _, mail := range mails {
			if !mail.Encrypted || mail.From != "someone@example.com" || mail.To != "a@example.com" {
				t.Errorf("got %+v, want it encrypted, from the user to the account", mail)
			}
			_, text := readMail(t, []byte(mail.Text))
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
	office := smtptest.New(t, nil, false)
	office.Answer = func(int) error { return &smtp.SMTPError{Code: 550, Message: "No such user"} }
	config := onSQLite(t)
	config.SMTP, config.Idle = "smtp://"+office.Addr, true
	s := open(t, config)
	tokenOf(t, s, "a@example.com")
	job := &river.Job[codeMail]{JobRow: &rivertype.JobRow{Attempt: 1}, Args: codeMail{Email: "a@example.com", Purpose: resetPurpose}}
	var cancel *river.JobCancelError
	if err := (codeMailWorker{core: s.core}).Work(t.Context(), job); !errors.As(err, &cancel) {
		t.Errorf("got %v, want the job to be given up", err)
	}
}

func TestAWrongURLOfAnSMTPServerStopsTheStart(t *testing.T) {
	config := Config{Data: t.TempDir(), SMTP: "mail.example:587"}
	if s, err := New(t.Context(), config); err == nil {
		s.Close()
		t.Error("New has taken what is not a URL")
	}
	if _, err := os.Stat(filepath.Join(config.Data, "rejoin.db")); err == nil {
		t.Error("the database was made all the same")
	}
}

func TestClosingWaitsForTheMailThatIsOnItsWay(t *testing.T) {
	config := onSQLite(t)
	office := smtptest.New(t, nil, false)
	arrived, release := make(chan struct{}), make(chan struct{})
	office.Answer = func(int) error { close(arrived); <-release; return nil }
	config.SMTP = "smtp://" + office.Addr
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
	if got := len(office.Received()); got != 1 {
		t.Errorf("%d mails were sent, want one: it was done, so it must not be done again", got)
	}
}
