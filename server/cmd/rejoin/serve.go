package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/server"
	"github.com/rejoin-dev/rejoin/server/internal/mailer"
	"github.com/rejoin-dev/rejoin/server/internal/origin"
)

type serveCommand struct {
	storage
	Addr         string        `default:"127.0.0.1:8080" help:"Address to listen on." placeholder:"HOST:PORT"`
	OpsAddr      string        `name:"ops-addr" help:"Address to answer /metrics and /readyz on, and not beside the API. Without it, /readyz stands beside the API, and /metrics nowhere." placeholder:"HOST:PORT"`
	PublicURL    string        `name:"public-url" help:"Origin under which clients reach the server. Without it, the one that each request is sent to." placeholder:"URL"`
	CORSOrigin   []string      `name:"cors-origin" help:"Origins whose pages may call the paths below /apis/v1, /api/secureAuth and /widgets from a browser, or * for all. Without it, none." placeholder:"URL"`
	Drain        time.Duration `default:"5s" help:"How long, on SIGTERM, /readyz says no while requests are still answered, so that a load balancer notices. 0s: not at all. Ctrl-C stops at once." placeholder:"TIME"`
	Log          string        `default:"text" enum:"text,json" help:"Form of the log on standard error: text or json." placeholder:"FORM"`
	SMTP         string        `name:"smtp" help:"Server that sends mails, as a URL that begins with smtp:// or smtps://; ?from= sets the sender. Without it, mails are files in the data directory." placeholder:"URL"`
	SecretKey    string        `name:"secret-key" help:"Key of 64 hexadecimal characters that seals the codes of vouchers; with --db it is required, the same for all servers. Others see a command line: set the variable. Without it, the key of the file secret.key in the data directory, which is made on the first run." placeholder:"HEX"`
	Check        string        `name:"check-answers" default:"off" enum:"off,log,enforce" help:"Validate answers against the contract too: off, log (the wrong ones), or enforce (answer 500 instead)." placeholder:"HOW"`
	RateLimit    rateLimit     `name:"rate-limit" default:"1" help:"How many times the usual rates each account, community (by its API keys) or network may have: 2 is twice, off is without a limit. Signing in stays limited." placeholder:"TIMES"`
	WebhookAllow []string      `name:"webhook-allow" help:"Networks that webhooks may be sent to although they are not on the internet, also by http, such as 127.0.0.0/8. Without it, none." placeholder:"CIDR"`
	TrustProxy   []string      `name:"trust-proxy" help:"Networks of reverse proxies whose X-Forwarded-For is believed, such as 192.0.2.7/32: everybody in them may claim any address. Without it, nobody's is." placeholder:"CIDR"`
}

// A rateLimit is a factor; negative: off.
type rateLimit float64

// UnmarshalText reads a factor, or off.
func (r *rateLimit) UnmarshalText(text []byte) error {
	factor, err := strconv.ParseFloat(string(text), 64)
	switch {
	case string(text) == "off" || err == nil && factor == 0:
		*r = -1
	case err != nil || !(factor >= 0.001 && factor <= 1_000_000): // or not a number
		return fmt.Errorf("must be a factor, such as 2 or 0.5, or off, and is %q", text)
	default:
		*r = rateLimit(factor)
	}
	return nil
}

func (c serveCommand) Validate() error {
	if err := c.storage.Validate(); err != nil {
		return err
	}
	if err := checkAddress("--addr", c.Addr); err != nil {
		return err
	}
	if c.OpsAddr != "" {
		if err := checkAddress("--ops-addr", c.OpsAddr); err != nil {
			return err
		}
	}
	if c.Drain < 0 {
		return errors.New("--drain must not be negative")
	}
	if c.PublicURL != "" {
		parsed, err := origin.Parse(strings.TrimSuffix(c.PublicURL, "/"))
		if err != nil {
			return fmt.Errorf("--public-url %w", err)
		}
		if scheme, _, _ := strings.Cut(parsed, ":"); scheme != "http" && scheme != "https" {
			return errors.New("--public-url must begin with http:// or https://")
		}
	}
	for _, text := range c.CORSOrigin {
		if _, err := origin.Parse(text); err != nil && text != "*" {
			return fmt.Errorf("--cors-origin %w", err)
		}
	}
	if len(c.CORSOrigin) > 1 && slices.Contains(c.CORSOrigin, "*") {
		return errors.New("--cors-origin must be * alone, or origins without it")
	}
	if c.SMTP != "" {
		if _, err := mailer.Open(c.SMTP, "", nil); err != nil {
			return fmt.Errorf("--smtp: %w", err)
		}
	}
	if _, err := networks("--webhook-allow", c.WebhookAllow); err != nil {
		return err
	}
	_, err := networks("--trust-proxy", c.TrustProxy)
	return err
}

// checkAddress refuses what cannot be listened on by its form.
func checkAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if n, wrong := strconv.Atoi(port); err != nil || wrong != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%s must be HOST:PORT, such as 127.0.0.1:8080, and is %q", flag, address)
	}
	return nil
}

// networks reads those of a flag.
func networks(flag string, texts []string) ([]netip.Prefix, error) {
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s must be a network, such as 127.0.0.1/32 or 192.0.2.7/32, and is %q", flag, text)
		}
		all = append(all, network)
	}
	return all, nil
}

func (c serveCommand) Run(ctx context.Context, t terminal) (err error) {
	spendMemory()
	log := logger(c.Log, t.err)
	config := c.config()
	config.CheckAnswers, config.PublicURL, config.CORSOrigins, config.SMTP, config.Log = c.Check, c.PublicURL, c.CORSOrigin, c.SMTP, log
	config.Drain, config.RateLimit, config.SecretKey = c.Drain, float64(c.RateLimit), c.SecretKey
	if config.TrustProxy, err = networks("--trust-proxy", c.TrustProxy); err != nil {
		return err
	}
	if config.WebhookAllow, err = networks("--webhook-allow", c.WebhookAllow); err != nil {
		return err
	}

	// The port first: whoever starts a second server by mistake must not touch the data of the first.
	listener, err := listen("--addr", c.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	if c.OpsAddr != "" {
		if config.Ops, err = listen("--ops-addr", c.OpsAddr); err != nil {
			return err
		}
		defer config.Ops.Close()
	}
	s, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.Close())
		log.Info("stopped")
	}()
	email, token, err := s.FirstToken(ctx)
	if err != nil {
		return err
	}
	c.greet(t, config, listener.Addr(), email, token)
	log.Info("started", "address", listener.Addr().String(), "database", c.database(), "version", version(), "contract", api.Digest)
	go debug.FreeOSMemory() // what the start has left is not needed again
	ctx, end := serving(ctx, listener)
	defer end()
	return s.Serve(ctx, listener)
}

// serving returns the context of Serve, for a command whose own context is ctx: it ends when that does, and the server drains.
// On Ctrl-C and on a second signal of any kind somebody waits for the end: then the listener is closed instead.
func serving(ctx context.Context, listener net.Listener) (_ context.Context, end context.CancelFunc) {
	over, end := context.WithCancel(context.WithoutCancel(ctx))
	serving, drain := context.WithCancel(over)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM) // now: between two of them there may be no time
	context.AfterFunc(ctx, func() {
		defer signal.Stop(signals) // the next one ends the process
		awaited := 1
		switch context.Cause(ctx) {
		case stopped{os.Interrupt}:
			awaited = 0
		case stopped{syscall.SIGTERM}: // which comes here as well
			awaited = 2
		}
		if awaited > 0 {
			drain()
		}
		for range awaited {
			select {
			case <-signals:
			case <-over.Done():
			}
		}
		listener.Close()
	})
	return serving, end
}

// greet says where everything is and, on an empty database, gives the first account and two commands to paste.
func (c serveCommand) greet(t terminal, config server.Config, addr net.Addr, email, token string) {
	at := urlOf(addr)
	fmt.Fprintf(t.out, "Rejoin answers at %s\n  reference  %s/docs\n  data       %s\n  database   %s\n", at, at, absolute(c.Data), c.database())
	if c.Images != "" {
		fmt.Fprintf(t.out, "  images     %s\n", c.Images)
	}
	if config.Ops != nil {
		ops := urlOf(config.Ops.Addr())
		fmt.Fprintf(t.out, "  operators  %s/metrics and %s/readyz\n", ops, ops)
	}
	if assumed := config.Assumes(addr); assumed != "" {
		fmt.Fprintf(t.out, "  WARNING    --public-url is not set: %s.\n             Set it to the origin that clients use, such as https://community.example.\n", assumed)
	}
	if c.RateLimit < 0 {
		fmt.Fprint(t.out, "  WARNING    --rate-limit is off: nothing but signing in is limited, for anybody.\n")
	}
	again, needs := c.commandLine("token")
	if token == "" {
		fmt.Fprintf(t.out, "  new token%s  %s --email %s\n\n", needs, again, quoted(email))
		return
	}
	fmt.Fprintf(t.out, `
This is a new database. It has one account, %[3]s, and this is its session token. It is not shown again:

  %[2]s

Paste these into another terminal:

  curl -H 'Authorization: Bearer %[2]s' %[1]s/servers
  curl -H 'Authorization: Bearer %[2]s' -F 'name=Chess club' %[1]s/servers

Or open %[1]s/docs, choose Authorize, and paste the token under sessionAuth.
This prints another one at any time%[5]s:

  %[4]s --email %[3]s

`, at, token, email, again, needs)
}

// urlOf is where this machine reaches what listens on an address.
func urlOf(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + addr.String()
}
