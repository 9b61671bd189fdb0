package server

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/riverqueue/river"
	"github.com/wneessen/go-mail"
)

// mailTries is how often a mail is tried: over about a quarter of an hour. After that, who waits for it has asked again.
const mailTries = 6

// codeMail is the job of mailing a code. The code is not part of it: it is made when the mail is, so that it is kept
// nowhere but as a hash, and every further try sends a new one.
type codeMail struct {
	Email   string  `json:"email"`
	Purpose purpose `json:"purpose"`
}

// Kind is the name of the job in the database.
func (codeMail) Kind() string { return "code_mail" }

// InsertOpts is how the job is run.
func (codeMail) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: mailTries} }

// mailer does the job.
type mailer struct {
	river.WorkerDefaults[codeMail]
	store  *store.Store
	post   post
	now    func() time.Time
	newID  func() string
	random io.Reader
}

// Work makes a code, keeps its hash instead of the earlier one's, and sends it.
func (m *mailer) Work(ctx context.Context, job *river.Job[codeMail]) error {
	email, of := job.Args.Email, job.Args.Purpose
	code, err := newCode(m.random)
	if err != nil {
		return err
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(m.random, salt); err != nil {
		return fmt.Errorf("no randomness for a code: %w", err)
	}
	wanted := false
	err = m.store.Tx(ctx, func(tx *store.Tx) error {
		wanted = false
		account, err := tx.Auth.GetAccountByEmail(ctx, email)
		if errors.Is(err, store.ErrNotFound) || (err == nil && of == verifyPurpose && account.Verified) {
			return nil // the request was answered as if there were something to send
		}
		if err != nil {
			return err
		}
		now := m.now()
		kept := store.Code{Account: account.Number, Purpose: string(of), Salt: hex.EncodeToString(salt), CreatedAt: now, ExpiresAt: now.Add(codeLife)}
		kept.Hash = hashOfCode(kept.Salt, account.Number, of, code)
		counted := int64(0) // a mail that is tried again is still the same mail
		if job.Attempt == 1 {
			counted = 1
		}
		wanted, err = tx.Auth.InsertCode(ctx, kept, counted, codesADay)
		return err
	})
	if err != nil || !wanted {
		return err
	}
	message, err := m.compose(email, code, of)
	if err != nil {
		return river.JobCancel(err)
	}
	return m.post.deliver(ctx, message)
}

// What the mails say. Nothing that somebody typed stands in them: else anybody could mail anything to anybody.
var mailTexts = map[purpose]struct{ subject, text string }{
	verifyPurpose: {"Your code to verify your e-mail address", `Hello,

welcome! This is the code that verifies your e-mail address:

    %s

It works once, for %d minutes.

If you have not registered, please ignore this mail: without the code, nothing happens.
`},
	resetPurpose: {"Your code to set a new password", `Hello,

this is the code with which you can set a new password:

    %s

It works once, for %d minutes.

If you have not asked for it, please ignore this mail: without the code, your password stays as it is.
`},
}

func (m *mailer) compose(to, code string, of purpose) (*mail.Msg, error) {
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(message.From(m.post.sender()), message.To(to)); err != nil {
		return nil, fmt.Errorf("a mail cannot be addressed: %w", err)
	}
	_, domain, _ := strings.Cut(message.GetFrom()[0].Address, "@")
	message.SetMessageIDWithValue(m.newID() + "@" + domain)
	message.SetDateWithValue(m.now())
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	text := mailTexts[of]
	message.Subject(text.subject)
	message.SetBodyString(mail.TypeTextPlain, fmt.Sprintf(text.text, code, codeLife/time.Minute))
	return message, nil
}

// A post takes mails to where they go.
type post interface {
	sender() string
	deliver(ctx context.Context, message *mail.Msg) error
}

// openPost returns the post of a configuration: the SMTP server that it names, or the folder mail in its data.
func openPost(config Config, log *slog.Logger, newID func() string) (post, error) {
	if config.SMTP != "" {
		return parseRelay(config.SMTP)
	}
	dir := filepath.Join(config.Data, "mail")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mails cannot be kept in the data directory: %w", err)
	}
	return folder{dir: dir, newID: newID, log: log}, nil
}

// A folder keeps mails as files, for whoever runs the server to read.
type folder struct {
	dir   string
	newID func() string
	log   *slog.Logger
}

func (folder) sender() string { return "no-reply@rejoin.local" }

func (f folder) deliver(ctx context.Context, message *mail.Msg) error {
	path := filepath.Join(f.dir, f.newID()+".eml")
	// Under another name until it is whole.
	file, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("a mail cannot be written: %w", err)
	}
	_, err = message.WriteTo(file)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(path+".part", path)
	}
	if err != nil {
		return fmt.Errorf("a mail cannot be written: %w", errors.Join(err, os.Remove(path+".part")))
	}
	f.log.LogAttrs(ctx, slog.LevelInfo, "a mail was written to a file, because no SMTP server is set", slog.String("path", path))
	return nil
}

// smtpTimeout is how long an SMTP server may take for one mail.
const smtpTimeout = 20 * time.Second

// A relay is an SMTP server that mails are handed to. On the way to it they are encrypted; only where it runs on this
// very machine they may not be, and its certificate is not asked for.
type relay struct {
	host           string
	port           int
	implicitTLS    bool // from the first byte, not by STARTTLS
	loopback       bool
	user, password string // no user: without signing in
	from           string

	tls  *tls.Config          // in a test
	dial mail.DialContextFunc // in a test
}

// parseRelay reads the URL of an SMTP server. The error says what is wrong and never repeats the URL, which holds a password.
func parseRelay(text string) (*relay, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return nil, errors.New("the SMTP server must be given as smtp://user:password@host:587 or smtps://user:password@host:465, " +
			"with what is special in the password written as %40 and the like")
	}
	r := &relay{host: u.Hostname(), port: 587, implicitTLS: u.Scheme == "smtps", user: u.User.Username()}
	r.password, _ = u.User.Password()
	if r.implicitTLS {
		r.port = 465
	}
	if u.Port() != "" {
		if r.port, err = strconv.Atoi(u.Port()); err != nil || r.port < 1 || r.port > 65535 {
			return nil, errors.New("the port of the SMTP server must be a number from 1 to 65535")
		}
	}
	ip := net.ParseIP(r.host)
	r.loopback = r.host == "localhost" || ip.IsLoopback()

	query, err := url.ParseQuery(u.RawQuery)
	r.from = query.Get("from")
	query.Del("from")
	if err != nil || len(query) > 0 {
		return nil, errors.New("the URL of the SMTP server may have ?from= and nothing else behind the host")
	}
	if r.from == "" {
		r.from = "no-reply@" + r.host
		if strings.Contains(r.user, "@") {
			r.from = r.user
		}
	}
	if _, err := netmail.ParseAddress(r.from); err != nil {
		return nil, errors.New("the sender of mails is not an e-mail address: add ?from=no-reply@your.domain to the URL of the SMTP server")
	}
	return r, nil
}

func (r *relay) sender() string { return r.from }

func (r *relay) deliver(ctx context.Context, message *mail.Msg) error {
	config := r.tls
	if config == nil {
		config = &tls.Config{ServerName: r.host, InsecureSkipVerify: r.loopback}
	}
	options := []mail.Option{
		mail.WithPort(r.port), mail.WithTimeout(smtpTimeout), mail.WithTLSConfig(config), mail.WithTLSPolicy(mail.TLSMandatory),
	}
	if r.loopback {
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	}
	if r.implicitTLS {
		options = append(options, mail.WithSSL())
	}
	if r.user != "" {
		// Those that show the password are refused by the package on a connection that others could read.
		options = append(options, mail.WithUsername(r.user), mail.WithPassword(r.password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5))
	}
	if r.dial != nil {
		options = append(options, mail.WithDialContextFunc(r.dial))
	}
	client, err := mail.NewClient(r.host, options...)
	if err != nil {
		return fmt.Errorf("the SMTP server cannot be used: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	var refused *mail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
		return river.JobCancel(fmt.Errorf("the SMTP server refuses a mail: %w", err)) // and would do so again
	}
	if err != nil {
		return fmt.Errorf("a mail could not be sent: %w", err)
	}
	return nil
}
