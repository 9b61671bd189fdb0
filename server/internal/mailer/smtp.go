package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

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

// parseRelay reads the URL of an SMTP server.
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

func (r *relay) Send(ctx context.Context, message Message) error {
	composed, err := compose(r.from, message)
	if err != nil {
		return err
	}
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
	err = client.DialAndSendWithContext(ctx, composed)
	var refused *mail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
		return fmt.Errorf("%w by the SMTP server: %w", ErrPermanent, err)
	}
	if err != nil {
		return fmt.Errorf("a mail could not be sent: %w", err)
	}
	return nil
}
