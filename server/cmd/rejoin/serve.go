package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"syscall"

	"github.com/rejoin-dev/rejoin/server"
)

// storage says where the data is; every subcommand that opens it has these flags.
type storage struct {
	Data string `default:"./rejoin-data" help:"Directory of the SQLite database, the images and unsent mails." placeholder:"DIR"`
	DB   string `name:"db" help:"PostgreSQL database to use instead of SQLite." placeholder:"postgres://..."`
}

func (s storage) config() server.Config {
	return server.Config{Data: s.Data, Database: s.DB}
}

// Validate refuses what would otherwise be taken for the path of a file.
func (s storage) Validate() error {
	if s.DB == "" {
		return nil
	}
	if u, err := url.Parse(s.DB); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("--db must be a URL that begins with postgres://")
	}
	return nil
}

type serveCommand struct {
	storage
	Addr       string         `default:"127.0.0.1:8080" help:"Address to listen on." placeholder:"HOST:PORT"`
	PublicURL  string         `name:"public-url" help:"Origin under which clients reach the server, if not the one they send requests to." placeholder:"URL"`
	Log        string         `default:"text" enum:"text,json" help:"Form of the log on standard error: text or json."`
	SMTP       string         `name:"smtp" help:"Server that sends mails, as smtp:// or smtps:// URL; ?from= sets their sender. Without it, mails are files in the data directory." placeholder:"URL"`
	Check      string         `name:"check-answers" default:"off" enum:"off,log,enforce" help:"Hold answers against the contract too: off, log, or enforce, which answers 500 instead."`
	TrustProxy []netip.Prefix `name:"trust-proxy" help:"Networks of reverse proxies whose X-Forwarded-For is believed." placeholder:"CIDR"`
}

func (c serveCommand) Validate() error {
	if err := c.storage.Validate(); err != nil {
		return err
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
		return errors.New("--public-url must be an absolute http:// or https:// URL")
	}
	if u, err := url.Parse(c.SMTP); c.SMTP != "" && (err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Host == "") {
		return errors.New("--smtp must be a URL such as smtp://user:password@host:587, with what is special in the password written as %40 and the like")
	}
	return nil
}

func (c serveCommand) Run(ctx context.Context, t terminal) (err error) {
	config := c.config()
	config.CheckAnswers, config.PublicURL, config.SMTP, config.TrustProxy, config.Log = c.Check, c.PublicURL, c.SMTP, c.TrustProxy, logger(c.Log, t.err)

	// The port first: whoever starts a second server by mistake must not touch the data of the first.
	listener, err := net.Listen("tcp", c.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use already; choose another address with --addr", c.Addr)
	}
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	token, err := s.FirstToken(ctx)
	if err != nil {
		return err
	}
	c.greet(t, listener.Addr(), token)
	return s.Serve(ctx, listener)
}

// greet says where everything is and, on an empty database, gives the first account and two commands to paste.
func (c serveCommand) greet(t terminal, addr net.Addr, token string) {
	at := "http://" + addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		at = fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		data = c.Data
	}
	fmt.Fprintf(t.out, "Rejoin answers at %s\n  reference  %s/docs\n  data       %s\n", at, at, data)
	if token == "" {
		fmt.Fprintf(t.out, "  token      rejoin token --email you@example.com\n\n")
		return
	}
	fmt.Fprintf(t.out, `
This is a new database. It has one account, owner@rejoin.local, and this is its token; it is not shown again:

  %[2]s

Paste these into another terminal:

  curl -H 'Authorization: Bearer %[2]s' %[1]s/servers
  curl -H 'Authorization: Bearer %[2]s' -F 'name=Chess club' %[1]s/servers

`, at, token)
}
