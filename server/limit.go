package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
)

// A rate is how often something may be done: so many times at once, and once more in each span of every.
type rate struct {
	burst int
	every time.Duration
}

// rates are how often each caller may call the operations of a class: an account, all API keys of a community together or,
// where nobody is known, a network. They are generous, and Config.RateLimit scales them.
var rates = map[string]rate{
	api.Reads:   {2000, 4 * time.Millisecond},
	api.Writes:  {1000, 10 * time.Millisecond},
	api.Uploads: {200, 200 * time.Millisecond},
	"joins":     {400, time.Second}, // people join few servers, and each time may be a guess at a code
	"exports":   {10, time.Minute},  // each may be very long
}

// strangers is how often requests from one network may have no good credential.
var strangers = rate{300, 200 * time.Millisecond}

// signInRates are how often each caller may call the operations of a class, as in rates, and how often for one account: by
// each network where nobody is known. They hold whatever Config.RateLimit says: without them, passwords and codes could be
// guessed.
var signInRates = map[string]struct{ caller, account rate }{
	"sign-in": {rate{120, time.Second}, rate{10, 10 * time.Second}},
	// Nothing is guessed there: a community signs many in, and one member not often.
	byKey:     {rate{120, 50 * time.Millisecond}, rate{10, 10 * time.Second}},
	"session": {rate{120, 50 * time.Millisecond}, rate{120, 50 * time.Millisecond}},
}

// byKey is the class of what signs a member in for an API key, and limitedQuery names the member there.
const (
	byKey        = "key-sign-in"
	limitedQuery = "userId"
)

// limitedMember names the account in the body of an operation that is for everybody.
const limitedMember = "email"

// The headers that tell callers how often they may still call.
const (
	rateLimitHeader     = "Ratelimit-Limit" // as net/http spells them
	rateRemainingHeader = "Ratelimit-Remaining"
	rateResetHeader     = "Ratelimit-Reset"
)

// limits are how often operations may be called, by the class that the contract has them in. They are kept in memory: every
// replica has its own. Where anybody may name an account, it is limited for each network by itself, so that nobody can use up
// what another may ask.
type limits struct {
	now       func() time.Time
	strangers *limiter // by network; nil: they are not limited
	classes   map[string]limitClass
}

// voucherShare is how many times the rate of a community the API keys have together for which one account vouches: it may have
// a thousand communities.
const voucherShare = 10

// A limitClass has nil where it does not limit.
type limitClass struct {
	caller  *limiter // before anything is read of a body, by who is calling; by network where an operation is for everybody
	voucher *limiter // likewise, by the account that vouches for an API key
	account *limiter // once a request was validated, by the account that it is about
}

// A limiter also knows how its burst is written.
type limiter struct {
	*ratelimit.Limiter
	limit []string
}

// limiterOf limits to a rate, times a factor.
func limiterOf(r rate, factor float64) *limiter {
	burst := max(1, int(float64(r.burst)*factor))
	return &limiter{ratelimit.New(burst, max(1, time.Duration(float64(r.every)/factor))), []string{strconv.Itoa(burst)}}
}

// incomingCalls is how often an incoming webhook may be called. README says so, and Config.RateLimit scales it.
var incomingCalls = rate{200, 100 * time.Millisecond}

// limiterOr limits to a rate, times the factor of Config.RateLimit, as newLimits has it. Nil: to nothing.
func limiterOr(r rate, factor float64) *ratelimit.Limiter {
	switch {
	case factor < 0:
		return nil
	case factor == 0:
		factor = 1
	}
	return limiterOf(r, factor).Limiter
}

// newLimits refuses, by name, an operation of a class that is none. A factor of 0 counts as 1, a negative one ends what it
// scales.
func newLimits(operations api.List, factor float64, now func() time.Time) (*limits, error) {
	l := &limits{now: now, classes: map[string]limitClass{}}
	if factor == 0 {
		factor = 1
	}
	for name, rate := range rates {
		l.classes[name] = limitClass{}
		if factor > 0 {
			l.classes[name] = limitClass{caller: limiterOf(rate, factor), voucher: limiterOf(rate, factor*voucherShare)}
		}
	}
	if factor > 0 {
		l.strangers = limiterOf(strangers, factor)
	}
	for name, rates := range signInRates {
		l.classes[name] = limitClass{caller: limiterOf(rates.caller, 1), account: limiterOf(rates.account, 1)}
	}
	for _, op := range operations {
		for _, class := range append(slices.Collect(maps.Values(op.RateLimitOf)), op.RateLimit) {
			if _, known := l.classes[class]; !known {
				return nil, fmt.Errorf("%s: there is no x-rate-limit %q", op.ID, class)
			}
		}
	}
	return l, nil
}

// of tells how often the operation of a request may be called, with the kind of answer that is asked for.
func (l *limits) of(ctx context.Context) limitClass {
	op := contract.OperationFrom(ctx)
	if op == nil {
		return limitClass{}
	}
	for kind, class := range op.RateLimitOf {
		if contract.Wants(ctx, kind) {
			return l.classes[class]
		}
	}
	return l.classes[op.RateLimit]
}

// checkNetwork is the middleware that counts a request by where it comes from, if nobody is to be known, or nobody was found
// to be. It needs nothing but the connection and the headers.
//
// Where somebody is to be known it counts afterwards: a good credential is not refused for what others do in the same network.
// And who shows one that is good no longer learns that all the same, and with it when to try again.
func (l *limits) checkNetwork(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx := c.Request().Context()
		op := contract.OperationFrom(ctx)
		network := func() (string, int64) { return networkOf(c), 0 }
		if op == nil || len(op.Schemes) == 0 {
			if err := l.take(c, l.of(ctx).caller, network); err != nil {
				return err
			}
			return next(c)
		}
		err := next(c)
		var refused, wait *contract.Error
		if !isOfStranger(ctx, err) || !errors.As(err, &refused) {
			return err
		}
		limited := l.take(c, l.strangers, network)
		header := c.Request().Header
		shown := header.Get(echo.HeaderAuthorization) != "" || header.Get("X-Api-Key") != "" || header.Get(op.CredentialHeader) != ""
		switch {
		case limited == nil:
			return err
		case shown && refused.Code == gen.ProblemCodeUnauthenticated && errors.As(limited, &wait):
			again := *refused
			again.RetryAfter = wait.RetryAfter
			return &again
		}
		return limited
	}
}

func networkOf(c echo.Context) string {
	return ratelimit.Network(c.RealIP())
}

// isOfStranger tells whether a request was refused for its credential: nobody has it, or nobody vouches for it any more.
func isOfStranger(ctx context.Context, err error) bool {
	var e *contract.Error
	if err == nil || contract.CallerFrom(ctx).Who != nil || !errors.As(err, &e) {
		return false
	}
	return e.Code == gen.ProblemCodeUnauthenticated || e.Code == gen.ProblemCodePermissionDenied
}

// checkCaller counts a request by who is calling, before anything is read of its body. The API keys of a community are one
// caller: an account makes as many of them as it likes. And it makes communities, so that it counts, too, who vouches for a key.
func (l *limits) checkCaller(c echo.Context, caller contract.Caller) error {
	who, _ := caller.Who.(actor)
	class := l.of(c.Request().Context())
	if who.key != nil && class.voucher != nil {
		if wait := class.voucher.TakeOf("", who.account, l.now()).Wait; wait > 0 {
			return contract.RateLimited(wait)
		}
	}
	return l.take(c, class.caller, func() (string, int64) {
		if who.key != nil {
			return who.key.CommunityID, 0
		}
		if who.isNobody() {
			return networkOf(c), 0
		}
		return "", who.account
	})
}

// checkAccount is the middleware that counts a request by the account that it is about: the caller's, or that of the
// e-mail address in its body, which was validated before.
func (l *limits) checkAccount(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		op := contract.OperationFrom(r.Context())
		err := l.take(c, l.of(r.Context()).account, func() (string, int64) {
			if len(op.Schemes) == 0 {
				return strings.ToLower(emailIn(r)) + " " + networkOf(c), 0
			}
			if op.RateLimit == byKey {
				return actorFrom(r.Context()).community() + " " + strings.ToLower(c.QueryParam(limitedQuery)), 0
			}
			return "", actorFrom(r.Context()).account
		})
		if err != nil {
			return err
		}
		return next(c)
	}
}

// take counts a request, if it is limited, and tells the caller what is left.
func (l *limits) take(c echo.Context, limiter *limiter, key func() (string, int64)) error {
	if limiter == nil {
		return nil
	}
	name, number := key()
	state := limiter.TakeOf(name, number, l.now())
	tell(c.Response().Header(), limiter.limit, state)
	if state.Wait > 0 {
		return contract.RateLimited(state.Wait)
	}
	return nil
}

// tell writes the headers.
func tell(header http.Header, limit []string, state ratelimit.State) {
	values := [...]string{strconv.Itoa(state.Left), strconv.Itoa(int((state.Reset + time.Second - 1) / time.Second))}
	header[rateLimitHeader], header[rateRemainingHeader], header[rateResetHeader] = limit, values[:1:1], values[1:]
}

// emailIn returns the address in a body as it was validated.
func emailIn(r *http.Request) string {
	body, ok := r.Body.(interface{ ValidatedValue() any })
	if !ok {
		return ""
	}
	object, _ := body.ValidatedValue().(map[string]any)
	email, _ := object[limitedMember].(string)
	return email
}
