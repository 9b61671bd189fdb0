package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
)

// The operations of this tag may be called so often only. Those that are for everybody name the account in this member
// of their body.
const (
	limitedTag    = "auth"
	limitedMember = "email"
)

// limits are how often its operations may be called, by the address that a request comes from and by the account that it
// is about. They are kept in memory: every replica has its own.
type limits struct {
	now       func() time.Time
	anonymous limitPair // who is calling is what they find out
	session   limitPair
}

type limitPair struct{ address, account *ratelimit.Limiter }

func newLimits(now func() time.Time) *limits {
	return &limits{
		now: now,
		anonymous: limitPair{
			address: ratelimit.New(30, time.Second),
			account: ratelimit.New(10, 10*time.Second),
		},
		session: limitPair{
			address: ratelimit.New(120, 50*time.Millisecond),
			account: ratelimit.New(120, 50*time.Millisecond),
		},
	}
}

// of tells how often an operation may be called, if it is limited.
func (l *limits) of(op *contract.Operation) (pair limitPair, limited bool) {
	if op == nil || !slices.Contains(op.Spec.Tags, limitedTag) {
		return pair, false
	}
	if len(op.Schemes) == 0 {
		return l.anonymous, true
	}
	return l.session, true
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
				key = strings.ToLower(emailIn(r))
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
