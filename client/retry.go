package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Retry says how calls are tried again; the package comment says which ones, and after which failures. What is 0 is as
// it is without [WithRetry].
type Retry struct {
	// Attempts is how often a call is sent at most, the first time included. Without it, it is 4.
	Attempts int

	// Backoff is how long the first wait is at most; each further one is at most twice as long. How long it really is, is
	// random, from nothing up to that, so that clients that failed together do not come back together. Without it, it is
	// 250 ms. An answer with Retry-After decides itself.
	Backoff time.Duration

	// MaxWait is how long any wait is at most. If the API asks for a longer one, the call is not tried again: too early is
	// of no use. Without it, it is 30 s.
	MaxWait time.Duration

	// Budget is how many retries a client may make on credit, together with those made from it by [Client.WithToken] and
	// [Client.WithAPIKey]. Each retry costs one, and every ten answers that are no sign of trouble earn one back. Once it
	// is used up, calls fail with their first error, so that an API in trouble is not given more of it. Without it, it
	// is 20.
	Budget int
}

// WithRetry makes the client try calls again in another way than by default.
func WithRetry(r Retry) Option {
	return func(o *options) { o.retry = r }
}

// WithoutRetry makes the client send each call once.
func WithoutRetry() Option {
	return WithRetry(Retry{Attempts: 1})
}

func (r Retry) orDefault() (Retry, error) {
	if r.Attempts < 0 || r.Backoff < 0 || r.MaxWait < 0 || r.Budget < 0 {
		return r, errors.New("a part of Retry is negative; to retry nothing, use WithoutRetry")
	}
	if r.Attempts == 0 {
		r.Attempts = 4
	}
	if r.Backoff == 0 {
		r.Backoff = 250 * time.Millisecond
	}
	if r.MaxWait == 0 {
		r.MaxWait = 30 * time.Second
	}
	r.MaxWait = min(r.MaxWait, math.MaxInt64-1) // Chance is asked for one more.
	if r.Budget == 0 {
		r.Budget = 20
	}
	return r, nil
}

// backoff is how long the wait after an attempt is at most.
func (r Retry) backoff(attempt int) time.Duration {
	most := r.Backoff
	for ; attempt > 1; attempt-- {
		if most > r.MaxWait/2 {
			return r.MaxWait // Twice as much may be more than fits into a Duration.
		}
		most *= 2
	}
	return min(most, r.MaxWait)
}

// budget is a bucket of retries.
type budget struct {
	mu        sync.Mutex
	left, max int // In parts of a retry.
}

// partsOfARetry is how many good answers earn a retry.
const partsOfARetry = 10

func newBudget(retries int) *budget {
	parts := min(retries, math.MaxInt/partsOfARetry) * partsOfARetry
	return &budget{left: parts, max: parts}
}

func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < partsOfARetry {
		return false
	}
	b.left -= partsOfARetry
	return true
}

func (b *budget) earn(parts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += min(parts, b.max-b.left)
}

// clock is time and chance, which a test can control.
type clock struct {
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error // Fails as the context does.
	random func(most time.Duration) time.Duration
}

var realClock = clock{now: time.Now, sleep: sleep, random: func(most time.Duration) time.Duration { return rand.N(most + 1) }}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() // Not by which of the two came first: both may have, and then chance decides.
}

// sender sends what gen.Client builds, again if need be, and lets others watch.
type sender struct {
	http   *http.Client
	path   string // Of the base URL, without a slash at the end.
	retry  Retry
	budget *budget
	clock  clock
	watch  watch
	limit  atomic.Pointer[RateLimit]
}

func newSender(base *url.URL, hc *http.Client, o options) *sender {
	return &sender{
		http: hc, path: strings.TrimSuffix(base.EscapedPath(), "/"),
		retry: o.retry, budget: o.budget, clock: o.clock, watch: o.watch,
	}
}

// attempt is one sending of a request. It is in the context of what is sent, for the layers below to write into.
type attempt struct {
	number int
	broken error // What the transport failed with.
}

type attemptKey struct{}

// attemptOf is never nil.
func attemptOf(ctx context.Context) *attempt {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		return a
	}
	return &attempt{}
}

// Do implements gen.HttpRequestDoer.
func (s *sender) Do(req *http.Request) (*http.Response, error) {
	operation := operationOf(req.Method, strings.TrimPrefix(req.URL.EscapedPath(), s.path))
	body := req.Body
	for number := 1; ; number++ {
		a := &attempt{number: number}
		sent := req.Clone(context.WithValue(req.Context(), attemptKey{}, a))
		sent.Body = body
		s.watch.begin(sent)
		start := s.clock.now()
		res, err := s.http.Do(sent)
		if err != nil {
			err = tellable(req.Context(), err)
		} else {
			res.Body = &causeBody{res.Body, req.Context()}
		}
		report := Attempt{
			Operation: operation, Method: req.Method, Number: number,
			Err: err, Duration: s.clock.now().Sub(start),
		}
		if err == nil {
			report.Status, report.RequestID = res.StatusCode, res.Header.Get("X-Request-Id")
			s.learn(operation, res)
		}
		report.Wait, body, report.Retry = s.again(req, res, a)
		s.watch.end(req.Context(), report)
		if !report.Retry {
			return res, afterAll(err, number)
		}
		if interrupted := s.clock.sleep(req.Context(), report.Wait); interrupted != nil {
			s.budget.earn(partsOfARetry) // What again has taken.
			if err == nil {
				err = newError(res)
			}
			interrupted = ended(req.Context(), interrupted)
			return nil, fmt.Errorf("rejoin: %w while waiting to try again after attempt %d: %w", interrupted, number, err)
		}
	}
}

// tellable is an error of http.Client without the query of the address, to which a redirect may have added what is
// nobody else's business, and with the reason why the context ended.
func tellable(ctx context.Context, err error) error {
	of, ok := errors.AsType[*url.Error](err)
	if !ok {
		return ended(ctx, err)
	}
	address := of.URL
	if i := strings.IndexAny(address, "?#"); i >= 0 {
		address = address[:i]
	}
	return &url.Error{Op: of.Op, URL: address, Err: ended(ctx, of.Err)}
}

// causeBody is a body whose errors say why the context ended.
type causeBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b *causeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = ended(b.ctx, err)
	}
	return n, err
}

// ended is an error in which errors.Is finds both what a context that has ended says and the cause it was given. Of
// these, net/http returns now the one and now the other.
func ended(ctx context.Context, err error) error {
	for _, reason := range []error{ctx.Err(), context.Cause(ctx)} {
		if reason != nil && !errors.Is(err, reason) {
			err = fmt.Errorf("%w: %w", err, reason)
		}
	}
	return err
}

// afterAll is the error of a call after so many attempts.
func afterAll(err error, attempts int) error {
	if err == nil || attempts == 1 {
		return err
	}
	return fmt.Errorf("%w (after %d attempts)", err, attempts)
}

// learn takes note of how the API does.
func (s *sender) learn(operation string, res *http.Response) {
	now := s.clock.now()
	if wait := retryAfter(res.Header, now); wait > 0 {
		s.limit.Store(&RateLimit{Operation: operation, Status: res.StatusCode, Until: now.Add(wait)})
	}
	if res.StatusCode < 500 && !temporary(res.StatusCode) {
		s.budget.earn(1)
	}
}

// again decides whether there is another attempt, after which wait and with which body.
func (s *sender) again(req *http.Request, res *http.Response, a *attempt) (wait time.Duration, body io.ReadCloser, ok bool) {
	ctx := req.Context()
	if a.number >= s.retry.Attempts || ctx.Err() != nil || !repeatable(req) {
		return 0, nil, false
	}
	wait = s.clock.random(s.retry.backoff(a.number))
	if res == nil {
		if a.broken == nil || hopeless(a.broken) {
			return 0, nil, false
		}
	} else {
		asked := retryAfter(res.Header, s.clock.now())
		// A conflict that passes is a key with which another request is under way: an earlier attempt, most likely.
		passes := res.StatusCode == http.StatusConflict && asked > 0 && req.Header.Get(keyHeader) != ""
		if asked > s.retry.MaxWait || (!temporary(res.StatusCode) && !passes) {
			return 0, nil, false
		}
		if asked > 0 {
			wait = asked
		}
		res.Body = read(res.Body) // To end an upload may break the connection.
		if ctx.Err() != nil {
			return 0, nil, false
		}
	}
	if deadline, ok := ctx.Deadline(); ok && s.clock.now().Add(wait).After(deadline) {
		return 0, nil, false
	}
	if body, ok = rewound(req); !ok || !s.budget.take() {
		return 0, nil, false
	}
	return wait, body, true
}

// repeatable reports whether a request does the same if it is sent twice.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete: // a PATCH gives values, and does not add to what is there
		return true
	}
	return req.Header.Get(keyHeader) != ""
}

// temporary reports whether a status says that it may be another one later.
func temporary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// hopeless reports whether a connection would fail again in the same way.
func hopeless(err error) bool {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return true
	}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain { // http.Client makes http.ErrSchemeMismatch of it.
		return true
	}
	if strings.HasPrefix(err.Error(), "net/http: invalid header field ") { // It has no type of its own.
		return true
	}
	unknown, ok := errors.AsType[*net.DNSError](err)
	return ok && unknown.IsNotFound
}

// rewound returns the body of a request from its beginning.
func rewound(req *http.Request) (io.ReadCloser, bool) {
	if sent, ok := req.Body.(*uploadBody); ok {
		return sent.of.reopen()
	}
	if req.GetBody == nil {
		return nil, req.Body == nil
	}
	body, err := req.GetBody()
	return body, err == nil
}

// readPatience is how long the next attempt is kept waiting by the body of an answer.
const readPatience = time.Second

// read returns what a body contains and closes it, so that its connection is free for the next attempt.
func read(body io.ReadCloser) io.ReadCloser {
	tooSlow := time.AfterFunc(readPatience, func() { body.Close() })
	defer tooSlow.Stop()
	text, _ := io.ReadAll(io.LimitReader(body, maxFailure))
	body.Close()
	return io.NopCloser(bytes.NewReader(text))
}
