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
// Each promise is a requirement with a stable id, listed in CONFORMANCE.md, and a subtest, so that
// `go test -run 'TestConformance/servers/SERVERS-VISIT-01'` tells only that one. Elsewhere, `rejoin conform --url ...` does
// the same without Go; it is built on Verify.
//
// Most requirements are stories, told by hand. The rest are derived from the contract: for each constraint of each
// operation, one request that breaks it and nothing else, with the status, pointer and code that must come back.
//
// When a story fails, read its first failure: it says which caller sent what, and what came back. A failure that begins
// with the name of an operation and a status is not about the story at all. It comes from the wire, where every answer
// is held against the contract: its status, content type and headers, each property, and nothing besides those. The
// pointer in it leads to the place in the body.
//
// At the end the suite lists the operations that never gave a good answer. An implementation in progress begins with one
// tag (Options.Tags), lists what it does not offer yet (Options.Skips), and works it off. testdata/mapserver is such a
// beginning, in one file.
//
// The stories make servers and take them away again, also when they fail. They need no clock and no order, and may be
// told against one backend at the same time by several people. What cannot be taken away is accounts: each run registers
// a few, under random addresses at example.com. Backends limit how often one address may sign up and in, so the stories
// ask for that fewer than sixty times, and of the derived requests to those operations the seed draws a few; a run that
// certifies sends them all. Where there is a limit, it waits.
package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
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

	// Options choose what is told.
	Options Options
}

// Options choose what is told, and how. The zero value tells everything.
type Options struct {
	Tags  []string       // only what needs no other tags than these; `common` is what holds everywhere
	Level Level          // Must leaves out what a backend only SHOULD do
	Match *regexp.Regexp // only the ids that it matches

	Skips []Skip // what the backend does not offer; see ReadSkips

	// Certify allows no choice and no skip, and wants every requirement of this kit told.
	Certify bool

	Seed     uint64 // of the values that are drawn; 0 stands for 1
	Parallel int    // how many requirements may be under way at once; 0 stands for 4
}

func (o Options) selects() bool { return len(o.Tags) > 0 || o.Level != "" || o.Match != nil }

// check refuses options that make no sense for a kit.
func (o Options) check(all []requirement, target Target) error {
	for _, tag := range o.Tags {
		if !slices.ContainsFunc(sections, func(x section) bool { return x.tag == tag }) {
			return fmt.Errorf("there is no tag %q", tag)
		}
	}
	if o.Level != "" && o.Level != Must && o.Level != Should {
		return fmt.Errorf("there is no level %q, only %s and %s", o.Level, Must, Should)
	}
	for _, skip := range o.Skips {
		if !slices.ContainsFunc(all, func(r requirement) bool { return r.ID == skip.ID }) {
			return fmt.Errorf("a skip names %q, and there is no such requirement", skip.ID)
		}
	}
	switch {
	case !o.Certify:
		return nil
	case o.selects() || len(o.Skips) > 0:
		return errors.New("a run that certifies chooses nothing and skips nothing")
	case target.Code == nil:
		return errors.New("a run that certifies needs mail, because some requirements do")
	}
	return nil
}

// disables tells why a requirement is not told; empty if it is.
func (o Options) disables(r requirement, mail bool) string {
	outside := func(tag string) bool { return len(o.Tags) > 0 && !slices.Contains(o.Tags, tag) }
	switch {
	case outside(r.Section) || slices.ContainsFunc(r.With, outside):
		return "not among the chosen tags"
	case o.Level == Must && r.Level != Must:
		return "not of the chosen level"
	case o.Match != nil && !o.Match.MatchString(r.ID):
		return "not among the chosen ids"
	case r.Mail && !mail:
		return "it needs a code from a mail"
	}
	return ""
}

// Outcome is one of five ways in which a requirement ends.
type Outcome string

// The outcomes. Only a failure is the backend's, and only a pass proves anything.
const (
	Pass     Outcome = "pass"
	Fail     Outcome = "fail"
	Skipped  Outcome = "skip"     // the backend does not offer it, and says so
	Disabled Outcome = "disabled" // it was not told: not chosen, or no mail
	Broken   Outcome = "error"    // this kit could not find out, which is its own fault or the network's
)

// Result is how one requirement went.
type Result struct {
	Requirement
	Outcome  Outcome       `json:"outcome"`        // empty: the run was stopped before
	Note     string        `json:"note,omitempty"` // why it was skipped or disabled
	Failures []Failure     `json:"failures"`       // of a skip, too: it was told all the same
	Duration time.Duration `json:"nanoseconds"`
}

// Passed tells whether nothing went wrong that the backend does not own up to.
func (r Result) Passed() bool { return r.Outcome == Pass || r.Outcome == Skipped }

// Run tells every requirement as a subtest of t. How many are told at once is for `go test -parallel` to say.
func Run(t *testing.T, target Target) {
	run, err := newRun(target)
	if err != nil {
		t.Fatal(err)
	}
	defer run.suite.close(context.WithoutCancel(t.Context()))
	if why := run.suite.unreachable(t.Context()); why != "" {
		t.Fatal(why)
	}
	for _, section := range sections {
		t.Run(section.tag, func(t *testing.T) {
			for i, r := range run.requirements {
				if r.Section != section.tag {
					continue
				}
				t.Run(r.ID+" "+r.Text, func(t *testing.T) {
					if r.queue == "" {
						t.Parallel()
					}
					result := run.tell(t.Context(), i)
					excused := result.Outcome == Skipped || result.Outcome == Fail && r.Level == Should
					for _, failure := range result.Failures {
						if excused {
							t.Log(failure.Text)
						} else {
							t.Error(failure.Text)
						}
					}
					if excused || result.Outcome == Disabled {
						t.Skip(cmp.Or(result.Note, "it only SHOULD"))
					}
				})
			}
		})
	}
	t.Run("every operation is exercised", func(t *testing.T) {
		report := run.report()
		if report.Requirements.Untold > 0 {
			t.Skip("only some of the requirements were told: go test -run chose them")
		}
		for _, problem := range report.Problems {
			t.Error(problem)
		}
	})
}

// Verify tells every requirement without a test around it, and each result that is not disabled to observe, if there is
// one, in the order of the kit. Where nobody can be reached there is nothing to observe. An error means that the kit could not be told to its end; requirements that fail are no error, see
// Report.Conforms. There is a report also with an error, unless the options or the target make no sense.
func Verify(ctx context.Context, target Target, observe func(Result)) (Report, error) {
	run, err := newRun(target)
	if err != nil {
		return Report{}, err
	}
	return run.verify(ctx, observe)
}

// run is one telling of the kit.
type run struct {
	suite        *suite
	options      Options
	requirements []requirement
	results      []Result // as they come; those of no outcome were never told
	started      time.Time
	unreachable  string
}

func newRun(target Target) (*run, error) {
	options := &target.Options
	options.Seed = cmp.Or(options.Seed, defaultSeed)
	all, err := kit(options.Seed)
	if err != nil {
		return nil, err
	}
	if err := options.check(all, target); err != nil {
		return nil, err
	}
	return runOf(target, all)
}

func runOf(target Target, requirements []requirement) (*run, error) {
	suite, err := newSuite(target)
	if err != nil {
		return nil, err
	}
	x := &run{
		suite: suite, options: target.Options, requirements: requirements, started: time.Now(),
		results: make([]Result, len(requirements)),
	}
	for i, r := range requirements {
		x.results[i] = Result{Requirement: r.Requirement, Failures: []Failure{}, Note: target.Options.disables(r, target.Code != nil)}
		if x.results[i].Note != "" {
			x.results[i].Outcome = Disabled
		}
	}
	if !target.Options.Certify {
		x.draw()
	}
	return x, nil
}

// fewDear is how many are told of those that ask for what backends limit.
const fewDear = 8

// draw disables most of them.
func (x *run) draw() {
	var dear []int
	for i, r := range x.requirements {
		if r.dear && x.results[i].Outcome == "" {
			dear = append(dear, i)
		}
	}
	chance := rand.New(rand.NewPCG(x.options.Seed, 0))
	chance.Shuffle(len(dear), func(i, j int) { dear[i], dear[j] = dear[j], dear[i] })
	for _, i := range dear[min(fewDear, len(dear)):] {
		x.results[i].Outcome, x.results[i].Note = Disabled, "the seed has not drawn it: backends limit how often it may be asked for"
	}
}

func (x *run) verify(ctx context.Context, observe func(Result)) (Report, error) {
	defer x.suite.close(context.WithoutCancel(ctx))
	x.unreachable = x.suite.unreachable(ctx)
	ended := make([]chan struct{}, len(x.requirements))
	queues := map[string]int{}
	var lines [][]int // the requirements that are told one after another
	for i, r := range x.requirements {
		ended[i] = make(chan struct{})
		if at, waiting := queues[r.queue]; r.queue != "" && waiting {
			lines[at] = append(lines[at], i)
			continue
		}
		queues[r.queue] = len(lines)
		lines = append(lines, []int{i})
	}
	next := make(chan []int)
	go func() {
		defer close(next)
		for _, line := range lines {
			next <- line
		}
	}()
	var workers sync.WaitGroup
	for range cmp.Or(max(x.options.Parallel, 0), 4) {
		workers.Go(func() {
			for line := range next {
				for _, i := range line {
					if ctx.Err() == nil {
						x.tell(ctx, i)
					}
					close(ended[i])
				}
			}
		})
	}
	told := 0
	for i := range x.requirements {
		<-ended[i]
		if ctx.Err() != nil {
			break
		}
		told++
		if observe != nil && x.unreachable == "" && x.results[i].Outcome != Disabled {
			observe(x.results[i])
		}
	}
	workers.Wait()
	report := x.report()
	if ctx.Err() != nil {
		return report, fmt.Errorf("stopped after %d of %d requirements: %w", told, len(x.requirements), context.Cause(ctx))
	}
	if x.unreachable != "" {
		return report, errors.New(x.unreachable)
	}
	return report, nil
}

// tell finds out how one requirement goes. Nothing that happens in it ends the run.
func (x *run) tell(ctx context.Context, i int) Result {
	r, result := x.requirements[i], &x.results[i]
	switch {
	case result.Outcome == Disabled:
		return *result
	case x.unreachable != "":
		result.Outcome, result.Failures = Broken, []Failure{{Text: x.unreachable}}
		return *result
	}
	started := time.Now()
	s := x.suite.newSession(ctx)
	s.guard(func() { r.tell(s) })
	// Cleaning up must also happen when the run was broken off.
	s.ctx = context.WithoutCancel(ctx)
	for _, undo := range slices.Backward(s.undo) {
		s.guard(undo)
	}
	s.tags.Range(func(tag, _ any) bool {
		if tag := tag.(string); tag != r.Section && tag != "servers" && !slices.Contains(r.With, tag) {
			s.broken.Store(true)
			s.fail("the story calls operations of %s and does not say that it needs them", tag)
		}
		return true
	})
	if ctx.Err() != nil {
		return *result // what failed did so because the run was broken off
	}
	result.Duration, result.Failures = time.Since(started), s.told()
	switch {
	case s.broken.Load():
		result.Outcome = Broken
	case len(result.Failures) > 0:
		result.Outcome = Fail
	default:
		result.Outcome = Pass
	}
	for _, skip := range x.options.Skips {
		if skip.ID == r.ID {
			skip.apply(result, time.Now())
		}
	}
	return *result
}

// story is a promise in words, and how to find out whether it is kept.
type story struct {
	id string

	// about names the operations that the promise is about, and any of these: the tags without which it cannot be told
	// (besides its own and servers), `mail` if it needs a code from one, and SHOULD.
	about string

	promise string
	tell    func(*session)
}

// section is all the stories of one tag.
type section struct {
	tag     string
	stories []story
}

// sections are in the order in which an implementer would work: first what holds everywhere, then the tags as the
// contract has them.
var sections = []section{
	{"common", common},
	{"auth", slices.Concat(auth, mailedAuth)},
	{"servers", servers},
	{"channels", channels},
	{"roles", roles},
	{"badges", badges},
	{"keys", keys},
	{"audit", audit},
}

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

	mu        sync.Mutex
	exercised map[string]bool   // operations
	reached   map[string]bool   // operations and documented statuses: `getMe 200`
	codes     map[string]string // the last one that was used of each address
	newcomer  account           // see session.newcomer
}

func newSuite(target Target) (*suite, error) {
	address, err := url.Parse(target.URL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the http or https address of a backend", WithoutPassword(target.URL))
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
		shown:     WithoutPassword(address.String()),
		base:      strings.TrimRight(address.EscapedPath(), "/"),
		redact:    redactor(target, address.User),
		exercised: map[string]bool{},
		reached:   map[string]bool{},
		codes:     map[string]string{},
	}, nil
}

// unreachable tells why no answer comes at all; empty if one does. What is asked is of no matter: a backend that does not
// even refuse it would leave every requirement without an answer, one after another.
func (x *suite) unreachable(ctx context.Context) string {
	s := x.newSession(ctx)
	s.guard(func() { s.anonymous.send("HEAD", "/", "", nil) })
	if failures := s.told(); s.silent.Load() {
		return "the backend cannot be reached: " + failures[len(failures)-1].Text
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

// guard turns a panic into an error: it is the kit that broke.
func (s *session) guard(do func()) {
	defer func() {
		switch cause := recover().(type) {
		case nil, stopped:
		default:
			s.broken.Store(true)
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
		contract: x.contract,
		base:     x.base,
		next:     next,
		report:   func(req *http.Request, finding string) { s.note(exchangeOf(req), finding) },
		answered: func(op *operation, status int, good bool) {
			s.tags.Store(op.tag, true)
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
func (x *suite) answered(op *operation, status int, good bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if op.declared.Responses.Status(status) != nil {
		x.reached[fmt.Sprintf("%s %d", op.id, status)] = true
	}
	if good && status/100 == 2 {
		x.exercised[op.id] = true
	}
}
