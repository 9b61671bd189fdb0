// Package conformance proves that a backend keeps the contract, from the outside: it takes an address and the session
// tokens of two accounts, and assumes nothing else. The accounts may belong to servers already, the backend may be in
// use, in any language, behind any proxy.
//
// Against a backend in Go, one test is enough:
//
//	func TestConformance(t *testing.T) {
//		backend := httptest.NewServer(handler)
//		defer backend.Close()
//		conformance.Run(t, conformance.Target{
//			URL: backend.URL, A: tokenOfAnna, B: tokenOfBen,
//			Code: conformance.MailDir("mail"),
//		})
//	}
//
// Each story is a subtest named after its promise, so `go test -run 'TestConformance/servers/a_visit'` tells only that
// one. Elsewhere, `rejoin conform --url ...` does the same without Go; it is built on Verify.
//
// When a story fails, read its first failure: it says which caller sent what, and what came back. A failure that begins
// with the name of an operation and a status is not about the story at all. It comes from the wire, where every answer
// is held against the contract: its status, content type and headers, each property, and nothing besides those. The
// pointer in it leads to the place in the body.
//
// At the end the suite lists the operations that never gave a good answer. An implementation in progress starts with a
// long list and works it off.
//
// The stories make servers and take them away again, also when they fail. They need no clock and no order, and may be
// told against one backend at the same time by several people. What cannot be taken away is accounts: each run registers
// a few, under random addresses at example.com. It sends fewer than thirty requests to the operations that sign people
// up and in, and where there is a limit to those, it waits.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Target is the backend to hold against the contract.
type Target struct {
	// URL is where the contract's paths begin: for /servers at https://example.org/community/servers it is
	// https://example.org/community.
	URL string

	// A and B are the session tokens of two different accounts with verified e-mail addresses.
	A, B string

	// Code returns the newest code of six digits that was mailed to an address, waiting a little for it if need be.
	// MailDir makes one for a backend that writes its mail into files. Without it the stories that need a mailed code are
	// not told.
	Code func(ctx context.Context, email string) (string, error)

	// Client sends the requests if it is given. Its redirects and cookies are not used, and a request that takes longer
	// than its Timeout, or than ten seconds, has failed.
	Client *http.Client
}

// Result is how one story went.
type Result struct {
	Section  string // the tag it belongs to, or `common`
	Story    string // what is promised, in words
	Failures []string
	Duration time.Duration
}

// Passed tells whether the backend keeps the promise.
func (r Result) Passed() bool { return len(r.Failures) == 0 }

// Summary is how all of it went.
type Summary struct {
	// Stories are those that were told. Each has passed or failed.
	Stories, Passed, Failed int

	// Untold are the stories that were not told for want of Target.Code, in their own words. No Result is made of them.
	Untold []string

	// Unexercised are the operations of the contract that never gave a documented success answer in which everything
	// was right. A backend that conforms has none. An operation that only an untold story reaches was not tried and is
	// not here: it is open whether it works.
	Unexercised []string
}

// Conforms tells whether the backend keeps the contract, as far as it was tried: with untold stories, that is not all
// of it.
func (s Summary) Conforms() bool { return s.Failed == 0 && len(s.Unexercised) == 0 }

// Run tells every story as a subtest of t.
func Run(t *testing.T, target Target) {
	suite, err := newSuite(target)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, section := range sections {
		t.Run(section.tag, func(t *testing.T) {
			for story, mailed := range section.all() {
				t.Run(story.promise, func(t *testing.T) {
					told++
					if mailed && target.Code == nil {
						t.Skip("this needs Target.Code")
					}
					for _, failure := range suite.tell(t.Context(), section.tag, story).Failures {
						t.Error(failure)
					}
				})
			}
		})
	}
	t.Run("every operation is exercised", func(t *testing.T) {
		if told < countStories(sections) {
			t.Skip("only some of the stories were told")
		}
		for _, id := range suite.unexercised(sections) {
			t.Errorf("%s never gave a good answer", id)
		}
	})
}

// Verify tells every story without a test around it, and each result to observe, if there is one, as it comes. An error
// means that the suite could not be told to its end; stories that fail are no error, see Summary.Conforms.
func Verify(ctx context.Context, target Target, observe func(Result)) (Summary, error) {
	return verify(ctx, target, sections, observe)
}

func verify(ctx context.Context, target Target, sections []section, observe func(Result)) (Summary, error) {
	suite, err := newSuite(target)
	if err != nil {
		return Summary{}, err
	}
	var summary Summary
	for _, section := range sections {
		for story, mailed := range section.all() {
			if mailed && target.Code == nil {
				summary.Untold = append(summary.Untold, story.promise)
				continue
			}
			result := suite.tell(ctx, section.tag, story)
			if err := ctx.Err(); err != nil {
				return summary, fmt.Errorf("stopped after %d of %d stories: %w", summary.Stories, countStories(sections), err)
			}
			summary.Stories++
			if result.Passed() {
				summary.Passed++
			} else {
				summary.Failed++
			}
			if observe != nil {
				observe(result)
			}
		}
	}
	summary.Unexercised = suite.unexercised(sections)
	return summary, nil
}

// story is a promise in words, and how to find out whether it is kept.
type story struct {
	promise string
	tell    func(*session)
}

// section is all the stories of one tag.
type section struct {
	tag     string
	stories []story
	mailed  []story  // need a mailed code
	reached []string // the operations that only the mailed stories reach
}

// all are the stories in order, each with whether it needs a mailed code.
func (x section) all() iter.Seq2[story, bool] {
	return func(yield func(story, bool) bool) {
		for i, story := range slices.Concat(x.stories, x.mailed) {
			if !yield(story, i >= len(x.stories)) {
				return
			}
		}
	}
}

// sections are in the order in which an implementer would work: first what holds everywhere, then the tags as the
// contract has them.
var sections = []section{
	{tag: "common", stories: common},
	{tag: "auth", stories: auth, mailed: mailedAuth, reached: []string{"verifyEmail", "logIn", "resetPassword", "logOut"}},
	{tag: "servers", stories: servers},
	{tag: "channels", stories: channels},
	{tag: "roles", stories: roles},
	{tag: "badges", stories: badges},
	{tag: "keys", stories: keys},
}

func countStories(sections []section) int {
	n := 0
	for _, section := range sections {
		n += len(section.stories) + len(section.mailed)
	}
	return n
}

// suite is one run against one backend.
type suite struct {
	contract *contract
	target   Target
	url      string // of the target, without a slash at its end
	base     string // the path in it

	mu        sync.Mutex
	exercised map[string]bool
	codes     map[string]string // the last one that was used of each address
	newcomer  account           // see session.newcomer
}

func newSuite(target Target) (*suite, error) {
	address, err := url.Parse(target.URL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the http or https address of a backend", target.URL)
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
		base:      strings.TrimRight(address.EscapedPath(), "/"),
		exercised: map[string]bool{},
		codes:     map[string]string{},
	}, nil
}

// tell tells one story and cleans up behind it. Nothing that happens in a story ends the run.
func (x *suite) tell(ctx context.Context, tag string, story story) Result {
	started := time.Now()
	s := x.newSession(ctx)
	s.guard(func() { story.tell(s) })
	// Cleaning up must also happen when the run was broken off.
	s.ctx = context.WithoutCancel(ctx)
	for _, undo := range slices.Backward(s.undo) {
		s.guard(undo)
	}
	return Result{Section: tag, Story: story.promise, Failures: s.failures, Duration: time.Since(started)}
}

// guard turns a panic into a failure of the story.
func (s *session) guard(do func()) {
	defer func() {
		switch cause := recover().(type) {
		case nil, stopped:
		default:
			s.fail("the story itself broke: %v\n%s", cause, debug.Stack())
		}
	}()
	do()
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
		contract:  x.contract,
		base:      x.base,
		next:      next,
		report:    func(finding string) { s.fail("%s", finding) },
		exercised: x.exercise,
	}
	s.client = &client
	s.anonymous = caller{session: s, name: "anonymous", header: http.Header{}}
	s.a, s.b = s.anonymous.bearer(x.target.A), s.anonymous.bearer(x.target.B)
	s.a.name, s.b.name = "a", "b"
	return s
}

func (x *suite) exercise(operationID string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.exercised[operationID] = true
}

// unexercised leaves out what only untold stories reach.
func (x *suite) unexercised(sections []section) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var untried []string
	for _, section := range sections {
		if x.target.Code == nil {
			untried = append(untried, section.reached...)
		}
	}
	var missing []string
	for _, op := range x.contract.operations {
		if !x.exercised[op.id] && !slices.Contains(untried, op.id) {
			missing = append(missing, op.id)
		}
	}
	slices.Sort(missing)
	return missing
}
