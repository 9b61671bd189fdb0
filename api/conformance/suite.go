package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/api"
)

// suite is one run against one backend.
type suite struct {
	contract *contract
	target   Target
	url      string // of the target, without a slash at its end
	shown    string // the same, without a password
	base     string // the path in it

	redact    func(string) string
	limited   sync.Mutex // held by whoever asks for what backends limit
	fixtureMu sync.Mutex
	fixture   *fixture // see session.shared
	widget    caller   // see session.widgetBearer
	widgetAt  time.Time

	mu        sync.Mutex
	exercised map[string]bool   // operations
	reached   map[string]bool   // operations and documented statuses: `getMe 200`
	codes     map[string]string // the last one that was used of each address
	newcomer  account           // see session.newcomer
}

func newSuite(target Target) (*suite, error) {
	address, err := url.Parse(target.URL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the http or https address of a backend", withoutPassword(target.URL))
	}
	if target.A == "" || target.B == "" || target.A == target.B {
		return nil, errors.New("the session tokens of two different accounts are needed")
	}
	contract, err := loadContract()
	if err != nil {
		return nil, err
	}
	address.RawQuery, address.Fragment = "", ""
	return &suite{
		contract:  contract,
		target:    target,
		url:       strings.TrimRight(address.String(), "/"),
		shown:     withoutPassword(address.String()),
		base:      strings.TrimRight(address.EscapedPath(), "/"),
		redact:    redactor(target, address.User),
		exercised: map[string]bool{},
		reached:   map[string]bool{},
		codes:     map[string]string{},
	}, nil
}

// preflight sends one request with each token. It returns why a run would make no sense, in one line; empty if it does.
// Without it, every requirement would fail for the same reason.
func (x *suite) preflight(ctx context.Context) string {
	s := x.newSession(ctx)
	path := x.contract.operations.ByID("listMyServers").Path
	for i, who := range []caller{s.a, s.b} {
		var got *answer
		s.guard(func() { got = who.get(path) })
		switch {
		case ctx.Err() != nil:
			return "" // the run was stopped, and will say so
		case s.silent.Load():
			failures := s.reported()
			return fmt.Sprintf("the backend cannot be reached: %s", strings.TrimPrefix(failures[len(failures)-1].Text, who.name+": "))
		case got == nil:
			return s.reported()[0].Text
		case got.status == http.StatusUnauthorized || got.status == http.StatusForbidden:
			return fmt.Sprintf("the %s token is refused: GET %s answers %d", []string{"first", "second"}[i], path, got.status)
		case !isJSON(got.header):
			return fmt.Sprintf("this is no JSON API: GET %s answers %d with the Content-Type %q; the paths of the contract must begin at %s",
				path, got.status, got.header.Get("Content-Type"), x.shown)
		}
	}
	return ""
}

// close takes away what all requirements have shared.
func (x *suite) close(ctx context.Context) {
	if x.fixture != nil {
		x.fixture.ctx = ctx
		for _, undo := range slices.Backward(x.fixture.undo) {
			x.fixture.guard(undo)
		}
	}
}

func (x *suite) newSession(ctx context.Context) *session {
	s := &session{ctx: ctx, suite: x}
	client, next := http.Client{}, http.DefaultTransport
	if x.target.Client != nil {
		client = *x.target.Client
	}
	if client.Transport != nil {
		next = client.Transport
	}
	if client.Timeout == 0 {
		client.Timeout = 10 * time.Second
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = &wire{
		contract: x.contract,
		base:     x.base,
		next:     next,
		report:   func(req *http.Request, finding string) { s.note(exchangeOf(req), finding) },
		answered: func(op *api.Operation, status int, good bool) {
			s.tags.Store(op.Tag, true)
			x.answered(op, status, good)
		},
	}
	s.client = &client
	s.anonymous = caller{session: s, name: "anonymous", header: http.Header{}}
	s.a, s.b = s.anonymous.bearer(x.target.A), s.anonymous.bearer(x.target.B)
	s.a.name, s.b.name = "a", "b"
	return s
}

// answered notes what an operation has answered, and whether that was documented and all was right with it.
func (x *suite) answered(op *api.Operation, status int, good bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if op.Spec.Responses.Status(status) != nil {
		x.reached[fmt.Sprintf("%s %d", op.ID, status)] = true
	}
	if good && status/100 == 2 {
		x.exercised[op.ID] = true
	}
}
