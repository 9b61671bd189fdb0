// Package server is the backend that `rejoin serve` runs: the operations of the contract on SQLite or PostgreSQL.
//
// New opens the database and brings its schema up to date; Serve answers on a listener until its context ends, or
// Handler gives the same as an http.Handler, say for a test. Close when done.
//
// A request takes the way of package api/contract, which asks here who is calling; then the generated stub, the handler in
// the file of its tag, and one transaction of the store.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// DatabaseFile is the name of the SQLite database in the data directory.
const DatabaseFile = "rejoin.db"

// Config is what a Server is made from. Only Data is required.
type Config struct {
	// Data is the directory of what is kept in files: the SQLite database, the images, and mails that are not sent. It is
	// made if need be, readable by its owner only.
	Data string
	// Database is the postgres:// URL of a database to use instead of SQLite.
	Database string
	// Images is where images are kept: a directory, which several servers on one database may share, or an S3 bucket, such
	// as s3://bucket/prefix?endpoint=https://s3.example&region=eu-central-1. Prefix, endpoint and region may be left out: at
	// the root of the bucket, at AWS, and in $AWS_REGION or us-east-1. Credentials are taken from $AWS_ACCESS_KEY_ID,
	// $AWS_SECRET_ACCESS_KEY and $AWS_SESSION_TOKEN or, at AWS, from the role of the machine. Empty: the directory images
	// in Data.
	Images string
	// PublicURL is the origin under which the server is reached from outside, such as https://community.example. The
	// addresses of images begin with it. Empty: with the origin that each request was sent to, as its header Host has it,
	// which is fit for a server that only this machine reaches: Serve warns of any other.
	PublicURL string
	// Ops is where /metrics and /readyz are answered, and not beside the API. Serve does so until it returns, and closes it. Nil:
	// /readyz stands beside the API, and /metrics nowhere.
	Ops net.Listener
	// CORSOrigins are the origins whose pages may call, from a browser, what stands below /apis/v1, /api/secureAuth and
	// /widgets, such as https://app.example: scheme, host and perhaps a port. Browsers send them what they know of the user,
	// too. "*" alone: every origin, without that. Empty: none.
	CORSOrigins []string
	// TrustProxy are the networks of reverse proxies whose X-Forwarded-For is believed. Empty: nobody's is.
	TrustProxy []netip.Prefix
	// SMTP is the URL of the server that sends mails, such as smtp://user:password@mail.example:587 or smtps://. What
	// stands behind ?from= is their sender. Empty: mails are written to the directory mail in Data, and logged.
	SMTP string
	// WebhookAllow are networks that webhooks may be sent to although they are not on the internet, also without TLS, such as 127.0.0.0/8.
	// Empty: none, and all of them need https.
	WebhookAllow []netip.Prefix
	// SecretKey seals what the database must not tell by itself, such as the codes of vouchers: 64 hexadecimal characters. All servers on
	// a database need the same one, and with Database it is required. Empty: that of the file secret.key in Data, which is made on the
	// first run. Whatever has it opens what is sealed, and without it nothing does: a backup of the database does not have it.
	SecretKey string
	// RateLimit is how many times the usual rates callers may have: an account, the API keys of a community, or a network of callers whom
	// nobody knows. 0: once. Negative: as often as they like. Signing in is limited all the same.
	RateLimit float64
	// Drain is how long Serve goes on for once its context has ended, so that whoever spreads the load learns from /readyz
	// to send nothing more. 0: not at all.
	Drain time.Duration
	// Idle leaves what is to be done in the background, such as sending mails, to the other servers on this database.
	Idle bool
	// CommandsOnly opens nothing but what Token, and other commands on the socket in Data, need: the database, which must be
	// there, and for a backup the images. There is no Handler, and nothing is done in the background.
	CommandsOnly bool
	// Now and NewID are the clock, and the maker of ids: 24 lower-case hexadecimal characters, never the same twice. Nil:
	// the real ones. They are for tests that hold them still.
	Now   func() time.Time
	NewID func() string
	// CheckAnswers validates answers, too: "log" says in the log which break it, "enforce" also answers with
	// an internal error instead. It costs about as much as checking requests does. Empty or "off": it is not done.
	CheckAnswers string
	// Log gets one line a request, and what goes wrong. Nil: nothing is logged.
	Log *slog.Logger
}

// ImagesAt is where images are kept, whether Images says so or not.
func (c Config) ImagesAt() string {
	if c.Images != "" {
		return c.Images
	}
	return filepath.Join(c.Data, "images")
}

// A Server is a running backend. It is safe for concurrent use.
type Server struct {
	*core
	handler  http.Handler
	metrics  *metrics
	limits   *limits
	kept     []*kept // what it must be able to write to
	drains   time.Duration
	unlogged []string  // words in paths behind which something stands that no log may show
	turns    bodyTurns // of callers, for the memory for bodies
	stopping atomic.Bool
	stopJobs func(context.Context) // nil: none are run
	stopHear func()                // nil: nothing is heard
	endNotes func(context.Context) // nil: there are none
	assumes  func(net.Addr) string // of whoever listens there
	ops      http.Handler
	opsAt    net.Listener  // nil: nobody is answered by ops
	proxied  atomic.Bool   // whether the log may say no more that there seems to be a proxy
	control  *http.Server  // on the socket in the data directory; nil: there is none
	patience time.Duration // with a command that does not read
}

// handlers are the operations of the contract, a type for each tag. An operation that no tag has does not compile.
type handlers struct {
	auth
	servers
	invites
	channels
	roles
	badges
	keys
	audit
	users
	fields
	messages
	gamification
	streaks
	leaderboards
	analytics
	stores
	rewards
	charts
	bulk
	webhooks
	widgets
}

func handlersOf(k *core) handlers {
	return handlers{auth{k}, servers{k}, invites{k}, channels{k}, roles{k}, badges{k}, keys{k}, audit{k}, users{k}, fields{k}, messages{k}, gamification{k}, streaks{k}, leaderboards{k}, analytics{k}, stores{k}, rewards{k}, charts{k}, bulk{k}, webhooks{k}, widgets{k}}
}

var _ stub.StrictServerInterface = handlers{}

// New opens the database and the images, begins the background work and prepares to serve. The error says what to do
// about it, in one line.
func New(ctx context.Context, config Config) (*Server, error) {
	if !config.CommandsOnly {
		go api.Operations() // the contract is read while the database opens; newHandler waits for it and hears its error
	}
	k, err := newCore(ctx, config)
	if err != nil {
		return nil, err
	}
	s := &Server{core: k, metrics: newMetrics(), drains: config.Drain, assumes: config.Assumes, patience: stalledAfter}
	if !config.CommandsOnly {
		s.kept = keptIn(k)
		s.metrics.watch(s, config)
		if s.handler, err = s.newHandler(config); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.endNotes = s.startNotes()
		s.stopHear = k.store.Hear(k.live.hear, k.log)
	}
	if !config.Idle && !config.CommandsOnly {
		if s.stopJobs, err = s.startJobs(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if config.Database == "" {
		if err := s.startControl(config); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// How long a request may take to arrive, and until it was answered. The context of one that takes longer ends.
const (
	readTimeout    = 60 * time.Second
	requestTimeout = readTimeout + 15*time.Second
	writeTimeout   = requestTimeout + 5*time.Second
)

func (s *Server) newHandler(config Config) (http.Handler, error) {
	operations, err := api.Operations()
	if err != nil {
		return nil, err
	}
	if err := checkRoles(operations); err != nil {
		return nil, err
	}
	if s.limits, err = newLimits(operations, config.RateLimit, func() time.Time { return s.now() }); err != nil {
		return nil, err
	}
	cors, err := allowOrigins(config.CORSOrigins)
	if err != nil {
		return nil, err
	}
	e, err := contract.NewEcho(handlersOf(s.core), contract.Options{
		Authenticate: s.authenticate,
		Admit:        s.limits.checkCaller,
		Outer:        []echo.MiddlewareFunc{s.observe, cors, s.limits.checkNetwork, s.boundAnswers},
		Memory:       s.takeBody,
		Timeout:      requestTimeout,
		Inner:        []echo.MiddlewareFunc{s.limits.checkAccount},
		CheckAnswers: config.CheckAnswers,
		NewID:        func() string { return s.newID() },
		Log:          s.log,
	})
	if err != nil {
		return nil, err
	}
	e.HTTPErrorHandler = writeErrors(e.HTTPErrorHandler)
	e.IPExtractor = ipExtractor(config.TrustProxy)
	s.proxied.Store(len(config.TrustProxy) > 0)
	s.unlogged = wordsBeforeSecrets(operations)
	s.addOps(e, config)
	return e, s.addPages(e)
}

// ipExtractor decides whose word counts on where a request came from.
func ipExtractor(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, prefix := range trusted {
		prefix = prefix.Masked()
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// Handler answers requests. The timeouts of Serve are not part of it.
func (s *Server) Handler() http.Handler { return s.handler }

// How long a server may take to stop, once it does not drain any more: it ends within 25 seconds at the default of the
// command line, before systemd and Kubernetes kill it. Docker waits for 10 seconds, unless its --time asks for longer.
const (
	// settling is how long connections stay open on which nothing is asked: a request may be on its way.
	settling = time.Second
	// answering is how long requests that run after that may take to finish.
	answering = 12 * time.Second
	// closing is how long commands and jobs that run then may take to finish, before they are called off.
	closing = 3 * time.Second
)

// Serve answers on a listener until ctx ends or somebody closes the listener. If ctx ends, it drains first: /readyz says no,
// and each answer ends its connection, but all is answered as before, for the time of Config.Drain or until the listener is
// closed. Then no new connection is taken, those that are open may ask once more, and Serve returns when the running requests
// have finished, at the latest after 13 seconds. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	if assumed := s.assumes(listener.Addr()); assumed != "" {
		s.log.Warn("no --public-url is set: " + assumed)
	}
	defer s.serveOps()()
	open := newConnections()
	web := s.webServer(s.movingOn(s.handler))
	web.ReadTimeout, web.WriteTimeout = readTimeout, writeTimeout
	web.ConnState = open.note
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener); close(failed) }()
	select {
	case err := <-failed:
		if !errors.Is(err, net.ErrClosed) {
			return err
		}
		s.stopping.Store(true)
	case <-ctx.Done():
		s.stopping.Store(true)
		s.live.end()
		s.drain(failed)
	}
	listener.Close()
	<-failed
	open.settle(settling)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answering)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("some requests did not finish in time: %w", err), web.Close())
	}
	return nil
}

// webServer bounds what a connection takes while nobody has said yet what it is for, or who is calling. How long the rest may
// take is for whoever serves.
func (s *Server) webServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    16 << 10, // many small headers take ten times their bytes, in each of thousands of connections
		ErrorLog:          slog.NewLogLogger(listening{s.log.Handler()}, slog.LevelDebug),
	}
}

// drain waits for the time of Config.Drain, or until the listener has failed.
func (s *Server) drain(failed <-chan error) {
	if s.drains <= 0 {
		return
	}
	s.log.Info("draining", "duration_ms", s.drains.Milliseconds())
	select {
	case <-time.After(s.drains):
	case <-failed:
	}
}

// movingOn makes the clients of a server that drains go on to another one: after each answer, not in between, where the
// next request may be on its way already.
func (s *Server) movingOn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set(echo.HeaderConnection, "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Close ends the background work, waiting for what runs of it for at most 3 seconds, and closes the database and the
// images. No request may be running.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	s.stopControl(ctx)
	s.live.end()
	if s.stopHear != nil {
		s.stopHear()
	}
	if s.endNotes != nil {
		s.endNotes(ctx)
	}
	if s.stopJobs != nil {
		s.stopJobs(ctx)
	}
	s.outside.Close()
	return errors.Join(s.store.Close(), s.closeImages())
}
