// Package mailer sends mails, through an SMTP server or into files of a folder.
package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// ErrPermanent says that a mail was refused for good: another try would fail in the same way.
var ErrPermanent = errors.New("the mail is refused for good")

// A Message is a mail in plain text to one person.
type Message struct {
	// ID is the mail's alone. Together with the domain of the sender it is the Message-ID.
	ID      string
	Date    time.Time
	To      string // an e-mail address
	Subject string
	Text    string
}

// A Mailer sends mails.
type Mailer interface {
	// Send returns when the mail was taken over. Where the error is ErrPermanent, it must not be tried again.
	Send(ctx context.Context, message Message) error
}

// Open returns the mailer of an SMTP server, given as smtp://user:password@host:587 or smtps://user:password@host:465 with
// the sender behind ?from=. Without a URL, mails are written to the folder dir, which is made if need be, and logged. No
// error repeats the URL, which holds a password.
func Open(smtpURL, dir string, log *slog.Logger) (Mailer, error) {
	if smtpURL != "" {
		return parseRelay(smtpURL)
	}
	return openFolder(dir, log)
}

// compose returns a mail as it travels.
func compose(from string, m Message) (*mail.Msg, error) {
	composed := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(composed.From(from), composed.To(m.To)); err != nil {
		return nil, fmt.Errorf("%w: it cannot be addressed: %w", ErrPermanent, err)
	}
	_, domain, _ := strings.Cut(composed.GetFrom()[0].Address, "@")
	composed.SetMessageIDWithValue(m.ID + "@" + domain)
	composed.SetDateWithValue(m.Date)
	composed.SetGenHeader("Auto-Submitted", "auto-generated")
	composed.Subject(m.Subject)
	composed.SetBodyString(mail.TypeTextPlain, m.Text)
	return composed, nil
}
