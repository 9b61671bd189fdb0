package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
)

// limitedMember names the account in the body of an operation that is for everybody.
const limitedMember = "email"

// limits are how often operations may be called, by the class that they name in x-rate-limit: by the address that a request
// comes from and by the account that it is about. Where anybody may name an account, it is limited for each network by
// itself, so that nobody can use up what another may ask. They are kept in memory: every replica has its own.
type limits struct {
	now     func() time.Time
	classes map[string]limitPair
}

type limitPair struct{ address, account *ratelimit.Limiter }

// newLimits refuses, by name, an operation of a class that is none.
func newLimits(operations api.List, now func() time.Time) (*limits, error) {
	l := &limits{now: now, classes: map[string]limitPair{
		"sign-in": { // who is calling is what they find out
			address: ratelimit.New(120, time.Second),
			account: ratelimit.New(10, 10*time.Second),
		},
		"session": {
			address: ratelimit.New(120, 50*time.Millisecond),
			account: ratelimit.New(120, 50*time.Millisecond),
		},
	}}
	for _, op := range operations {
		if _, known := l.classes[op.RateLimit]; !known && op.RateLimit != "" {
			return nil, fmt.Errorf("%s: there is no x-rate-limit %q", op.ID, op.RateLimit)
		}
	}
	return l, nil
}

// of tells how often an operation may be called, if it is limited.
func (l *limits) of(op *contract.Operation) (pair limitPair, limited bool) {
	if op == nil || op.RateLimit == "" {
		return pair, false
	}
	return l.classes[op.RateLimit], true
}

// checkAddress is the middleware that counts a request by where it comes from. It needs nothing but the connection and the
// headers.
func (l *limits) checkAddress(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if pair, limited := l.of(contract.OperationFrom(c.Request().Context())); limited {
			if err := l.check(pair.address, ratelimit.Network(contract.AddressFrom(c.Request().Context()))); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// checkAccount is the middleware that counts a request by the account that it is about: the caller's, or that of the
// e-mail address in its body, which was validated before.
func (l *limits) checkAccount(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		op := contract.OperationFrom(r.Context())
		if pair, limited := l.of(op); limited {
			key := strconv.FormatInt(actorFrom(r.Context()).account, 10)
			if len(op.Schemes) == 0 {
				key = strings.ToLower(emailIn(r)) + " " + ratelimit.Network(contract.AddressFrom(r.Context()))
			}
			if err := l.check(pair.account, key); err != nil {
				return err
			}
		}
		return next(c)
	}
}

func (l *limits) check(limiter *ratelimit.Limiter, key string) error {
	if wait := limiter.Take(key, l.now()); wait > 0 {
		return contract.RateLimited(wait)
	}
	return nil
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
