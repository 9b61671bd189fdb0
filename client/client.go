// Package client calls a Rejoin API, or any other backend that keeps the same contract.
//
// Make one [Client] with [New] and share it: it is safe for concurrent use and keeps connections alive.
//
//	c, err := client.New("https://community.example.com", client.WithToken(token))
//
// Then call what you need; the operations stand in services, one for each section of the contract:
//
//	servers, err := c.Servers.List(ctx)
//
// Without a token yet, sign in, and go on with a client that has the token of the session:
//
//	c, err := client.New("https://community.example.com")
//	...
//	session, err := c.Auth.LogIn(ctx, "vera@example.com", password)
//	...
//	c, err = c.WithToken(session.Token)
//
// A program that acts for a community, and not for an account, calls with an API key: [WithAPIKey].
//
// The last sentence on each method says who may call it. An account comes with the token of a session, and a program with
// an API key that has the permission. Without a credential a call fails with [ErrUnauthenticated], and with one that may
// not call it, with [ErrPermissionDenied].
//
// A thing is named by its ID, and an account by its Number, such as "2", which is a string too: that of an [Account] or of
// a [Member]. These are types of package gen, where their fields are listed: follow the link at each, or call
// go doc github.com/rejoin-dev/rejoin/gen.Role.
//
// Inputs are types of package gen too. What is optional in one and has its zero value is left out. Where leaving it out
// and giving a zero value are two things, it is a pointer, and nil leaves it out: ServerUpdate{Name: new("Chess club")}.
//
// An answer comes without its envelope: a value, a slice that is never nil, or an error. Nothing that changes on the
// server is cached here.
//
// A failure that the API reports is an [*Error]. Ask with [errors.Is] for the kind ([ErrNotFound], [ErrConflict], ...),
// and with [errors.As] for the details: which part of the request is wrong, the request id to quote to whoever runs
// the API, how long to wait. Every other error is one of the network, of the context or of a reader you gave, wrapped
// so that errors.Is finds it, or says that the answer was not one of the API's.
//
// Long lists are iterators, which fetch a page when the loop gets to it. Look at the error first:
//
//	for member, err := range c.Servers.Members(ctx, id) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// Files are sent from an [io.Reader] as they are read, and received as an [io.ReadCloser]; neither is kept in memory
// as a whole.
//
// A call that fails for a reason that may pass is tried again, up to three times, if that is safe: with reads, updates
// and deletions it always is, and also where something is made, because that is sent with a random key under which the
// API makes it once ([IdempotencyKey] sets your own). All else is sent once: joining, leaving and visiting a server,
// giving and taking roles and badges, signing in and out. Reasons that may pass are a connection that broke before the
// answer began, and the statuses 408, 429, 502, 503 and 504; a key that is in use just now, too.
//
// Between attempts there are waits: as long as the Retry-After of the answer asks for, or else random ones that get
// longer. A call is given up at once where the wait would be longer than 30 seconds or than its context lasts, where too
// many others have failed lately, and where a file cannot be read again from where it was. An error says how many
// attempts there were. After more than one, a deletion that fails with [ErrNotFound] may have been done by the first.
// [WithRetry] says it all otherwise, and [WithoutRetry] turns it off.
//
// Nothing times out on its own account: bound a call, with all its attempts and waits, by its context, or each attempt
// by the Timeout of the [http.Client] given to [WithHTTPClient].
//
// To see what happens, give a logger to [WithLogger]; to count, measure or trace it, there are [WithBefore] and
// [WithAfter]. [Client.RateLimit] says when the API wants to be called again. To test a program that uses this package,
// run it against the real server: package clienttest starts one inside the test, with faults on demand.
//
// A credential goes to the scheme, host and port of the base URL and nowhere else, wherever a redirect leads. A
// request that only reads follows redirects to http and https, but never from https to http. One that changes something
// follows them only within that origin and only if net/http can send it again whole, which excludes files; otherwise the
// redirect is returned as an [*Error].
package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/oapi-codegen/runtime/types"

	"github.com/rejoin-dev/rejoin/gen"
)

// What more than one service uses. The types are those that are generated from the contract.
type (
	// ObjectID is how most things are told apart: 24 hexadecimal characters.
	ObjectID = gen.ObjectID

	// Time is a moment, in UTC and with milliseconds. It embeds a [time.Time].
	Time = gen.Time

	// Date is a day of the calendar in UTC. It embeds a [time.Time] at midnight.
	Date = types.Date

	// Nullable is a value that may be null: if address, ok := server.Image.Get(); ok { ... }. Get reports whether
	// there is one.
	Nullable[T any] = gen.Nullable[T]
)

// NullableOf is a value of an input that may be null, and is not.
func NullableOf[T any](value T) Nullable[T] { return gen.NullableOf(value) }

// Null says in an input that there is to be no value. A [Nullable] that is left out changes nothing.
func Null[T any]() Nullable[T] { return gen.Null[T]() }

// Client calls one API, as one caller. Make it with [New]. It is safe for concurrent use.
type Client struct {
	// Auth makes accounts, and the sessions in which they act.
	Auth *AuthService

	// Servers are communities, with their members, roles, channels and images.
	Servers *ServersService

	// Invites let people into servers that are not open to everybody.
	Invites *InvitesService

	// Channels are the places in a server where its members talk.
	Channels *ChannelsService

	// Roles say what members of a server may do.
	Roles *RolesService

	// Badges are what members of a server are awarded.
	Badges *BadgesService

	// Keys are the API keys with which programs act for a server.
	Keys *KeysService

	// Audit is who changed what in a server.
	Audit *AuditService

	// Users are the users of a community, as programs manage them.
	Users *UsersService

	// Fields are what a community knows of its users in fields of its own.
	Fields *FieldsService

	// Messages are what members say in channels.
	Messages *MessagesService

	// Gamification is what members do, what that is worth, and what they reach by it.
	Gamification *GamificationService

	// Streaks are what members do so many days, weeks or months in a row.
	Streaks *StreaksService

	// MiniGames draw a prize for each play of a member.
	MiniGames *MiniGamesService

	// Leaderboards say who is ahead in a community.
	Leaderboards *LeaderboardsService
	// Analytics say how a community does, over days, weeks and months.
	Analytics *AnalyticsService
	// Charts are what members think of charts, drawn in them.
	Charts *ChartsService
	// Bulk takes files of many members.
	Bulk *BulkService
	// Webhooks are sent what happens in a community.
	Webhooks *WebhooksService
	// Widgets are shown by pages of others.
	Widgets *WidgetsService

	// Store is what a community sells for coins, and to whom.
	Store *StoreService

	// Rewards are what members have bought.
	Rewards *RewardsService

	base    *url.URL
	options options // Without a credential: nobody reads one out of a Client.
	sender  *sender
}

// An Option says how a [Client] works. Options are for [New]; of two that say the same thing, the later one counts, but
// of [WithBefore] and [WithAfter] all do.
type Option func(*options)

type options struct {
	token, apiKey *string
	http          http.Client
	userAgent     string
	retry         Retry
	budget        *budget
	clock         clock
	watch         watch
	err           error // Of the first [BadOption].
}

// WithToken makes the client call with a session token or an API key, as `Authorization: Bearer`.
// [New] fails if it is empty, or if [WithAPIKey] is given too.
func WithToken(token string) Option {
	return func(o *options) { o.token = &token }
}

// WithAPIKey makes the client call with the API key of a community: as `Authorization: Bearer` where the operation
// stands below /apis/v1, and as `x-api-key` elsewhere. [New] fails if it is empty, or if [WithToken] is given too.
func WithAPIKey(key string) Option {
	return func(o *options) { o.apiKey = &key }
}

// WithHTTPClient makes the client send its requests through a copy of hc, which is not changed itself: with its
// Transport, its Timeout, its Jar, and its CheckRedirect where the rules of this package let a redirect pass.
// Without this option, or with nil, it is the zero [http.Client].
func WithHTTPClient(hc *http.Client) Option {
	return func(o *options) {
		o.http = http.Client{}
		if hc != nil {
			o.http = *hc
		}
	}
}

// WithUserAgent sets the User-Agent of every request. Without it, it is "rejoin-go".
func WithUserAgent(agent string) Option {
	return func(o *options) { o.userAgent = agent }
}

// BadOption makes [New] fail with err. It is for packages that make options of their own, where a value is wrong.
func BadOption(err error) Option {
	return func(o *options) { o.err = cmp.Or(o.err, err) }
}

// New makes a client of the API at baseURL: an absolute http or https URL, which may have a path that stands before
// all others ("https://example.com/api/v1"), with or without a slash at its end. It must not have a user name, a query
// or a fragment, nor end in /apis/v1, which the paths of many operations begin with. New sends nothing; a wrong address
// or credential shows at the first call.
func New(baseURL string, opts ...Option) (*Client, error) {
	o := options{userAgent: "rejoin-go", clock: realClock}
	for _, opt := range opts {
		opt(&o)
	}
	if o.err != nil {
		return nil, fmt.Errorf("rejoin: %w", o.err)
	}
	base, err := parseBase(baseURL)
	if err != nil {
		return nil, fmt.Errorf("rejoin: the base URL %w", err)
	}
	if !headerSafe(o.userAgent) {
		return nil, errors.New("rejoin: the user agent has a character that a header cannot contain")
	}
	if o.retry, err = o.retry.orDefault(); err != nil {
		return nil, fmt.Errorf("rejoin: %w", err)
	}
	o.budget = newBudget(o.retry.Budget)
	return build(base, o)
}

func build(base *url.URL, o options) (*Client, error) {
	guard, err := newGuard(base, o)
	if err != nil {
		return nil, fmt.Errorf("rejoin: %w", err)
	}
	sender := newSender(base, guard.client(o.http), o)
	api, err := gen.NewClient(base.String(),
		gen.WithHTTPClient(sender), gen.WithRequestEditorFn(header("User-Agent", o.userAgent)))
	if err != nil {
		return nil, fmt.Errorf("rejoin: %w", err)
	}
	o.token, o.apiKey = nil, nil
	return &Client{
		Auth:         &AuthService{api: api},
		Servers:      &ServersService{api: api},
		Invites:      &InvitesService{api: api},
		Channels:     &ChannelsService{api: api},
		Roles:        &RolesService{api: api},
		Badges:       &BadgesService{api: api},
		Keys:         &KeysService{api: api},
		Audit:        &AuditService{api: api},
		Users:        &UsersService{api: api},
		Fields:       &FieldsService{api: api},
		Messages:     &MessagesService{api: api},
		Gamification: &GamificationService{api: api},
		Streaks:      &StreaksService{api: api},
		MiniGames:    &MiniGamesService{api: api},
		Leaderboards: &LeaderboardsService{api: api},
		Analytics:    &AnalyticsService{api: api},
		Store:        &StoreService{api: api},
		Rewards:      &RewardsService{api: api},
		Charts:       &ChartsService{api: api},
		Bulk:         &BulkService{api: api, clock: o.clock},
		Webhooks:     &WebhooksService{api: api, clock: o.clock},
		Widgets:      &WidgetsService{api: api},
		base:         base,
		options:      o,
		sender:       sender,
	}, nil
}

// WithToken returns a client like c that calls with this session token or API key and with no other credential, as the
// option [WithToken] says. Both use the same connections and the same budget of retries; c itself is not changed. It
// fails if the token is empty.
func (c *Client) WithToken(token string) (*Client, error) {
	o := c.options
	o.token = &token
	return build(c.base, o)
}

// WithAPIKey returns a client like c that calls with this API key and with no other credential, as the option
// [WithAPIKey] says. Both use the same connections and the same budget of retries; c itself is not changed. It fails if
// the key is empty.
func (c *Client) WithAPIKey(key string) (*Client, error) {
	o := c.options
	o.apiKey = &key
	return build(c.base, o)
}

func parseBase(text string) (*url.URL, error) {
	scheme, _, _ := strings.Cut(text, "://")
	if scheme = strings.ToLower(scheme); scheme != "http" && scheme != "https" {
		return nil, errors.New("must begin with http:// or https://") // The parser would take a host for a path or a scheme.
	}
	base, err := url.Parse(text)
	switch {
	case err != nil && strings.Contains(text, "@"):
		return nil, errors.New("is not a URL") // The parser would quote it, and what precedes the @ may be a password.
	case err != nil:
		return nil, fmt.Errorf("is not a URL: %w", err)
	case base.Hostname() == "":
		return nil, errors.New("has no host")
	case base.User != nil:
		return nil, errors.New("must not have a user name or a password: use WithToken or WithAPIKey")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, errors.New("must not have a query or a fragment")
	case strings.HasSuffix(strings.TrimRight(base.Path, "/"), integrationPrefix):
		return nil, errors.New("must end before " + integrationPrefix + ", which is a part of what is called")
	}
	// Without . and .. in its path, as the addresses of requests will be, which are compared with it.
	return base.ResolveReference(&url.URL{Path: base.Path, RawPath: base.RawPath}), nil
}
