package server

import (
	"container/heap"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"golang.org/x/time/rate"
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

type limitPair struct{ address, account *meter }

func newLimits(now func() time.Time) *limits {
	return &limits{
		now: now,
		anonymous: limitPair{
			address: newMeter(30, time.Second),
			account: newMeter(10, 10*time.Second),
		},
		session: limitPair{
			address: newMeter(120, 50*time.Millisecond),
			account: newMeter(120, 50*time.Millisecond),
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
			if err := l.check(pair.address, networkOf(contract.AddressFrom(c.Request().Context()))); err != nil {
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

func (l *limits) check(m *meter, key string) error {
	if wait := m.take(key, l.now()); wait > 0 {
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

// networkOf is what counts as one client: an IPv4 address, or the /64 that an IPv6 client chooses its addresses from.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// meterSize is how many keys a meter knows at most.
const meterSize = 1 << 16

// A meter gives each key a bucket of tokens, which fills up again with time. It remembers only buckets that are not
// full, and of those a bounded number. Where there would be more it forgets the one that is full again the soonest: to
// make it forget one that was emptied, all others must have been emptied further.
type meter struct {
	burst int
	every time.Duration // one more token
	size  int

	mu     sync.Mutex
	byKey  map[string]*bucket
	byFull bucketHeap
}

type bucket struct {
	key    string
	tokens *rate.Limiter
	fullAt time.Time
	index  int // in the heap
}

func newMeter(burst int, every time.Duration) *meter {
	return &meter{burst: burst, every: every, size: meterSize, byKey: map[string]*bucket{}}
}

// take takes a token from the bucket of a key. If it is empty, take changes nothing and returns how long it will be.
func (m *meter) take(key string, now time.Time) (wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.byFull) > 0 && !m.byFull[0].fullAt.After(now) {
		m.forget()
	}
	b := m.byKey[key]
	if b == nil {
		if len(m.byKey) >= m.size {
			m.forget()
		}
		b = &bucket{key: key, tokens: rate.NewLimiter(rate.Every(m.every), m.burst)}
		m.byKey[key] = b
		heap.Push(&m.byFull, b)
	}
	if !b.tokens.AllowN(now, 1) {
		return max(1, m.toGain(1-b.tokens.TokensAt(now)))
	}
	b.fullAt = now.Add(m.toGain(float64(m.burst) - b.tokens.TokensAt(now)))
	heap.Fix(&m.byFull, b.index)
	return 0
}

// toGain is how long it takes until a bucket has some more tokens.
func (m *meter) toGain(tokens float64) time.Duration {
	return time.Duration(tokens * float64(m.every))
}

// forget forgets the bucket that is full the soonest.
func (m *meter) forget() {
	b := heap.Pop(&m.byFull).(*bucket)
	delete(m.byKey, b.key)
}

// A bucketHeap has the bucket that is full the soonest in front.
type bucketHeap []*bucket

func (h bucketHeap) Len() int           { return len(h) }
func (h bucketHeap) Less(i, j int) bool { return h[i].fullAt.Before(h[j].fullAt) }

func (h bucketHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *bucketHeap) Push(b any) {
	b.(*bucket).index = len(*h)
	*h = append(*h, b.(*bucket))
}

func (h *bucketHeap) Pop() any {
	last := len(*h) - 1
	b := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return b
}
