// Package ratelimit limits how often something is done, by key, with a token bucket for each.
package ratelimit

import (
	"container/heap"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys is how many keys a limiter remembers at most.
const maxKeys = 1 << 16

// A Limiter gives each key a bucket of tokens, which fills up again with time. It remembers only buckets that are not
// full, and of those at most 65,536. Where there would be more it forgets the one that is full again the soonest: to
// make it forget one that was emptied, all others must have been emptied further. It is safe for concurrent use.
type Limiter struct {
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

// New returns a limiter whose buckets hold burst tokens and gain one more in each span of every.
func New(burst int, every time.Duration) *Limiter {
	return &Limiter{burst: burst, every: every, size: maxKeys, byKey: map[string]*bucket{}}
}

// Take takes a token from the bucket of a key and returns 0. If the bucket is empty, Take changes nothing and returns how
// long it will be until there is a token.
func (l *Limiter) Take(key string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.byFull) > 0 && !l.byFull[0].fullAt.After(now) {
		l.forget()
	}
	b := l.byKey[key]
	if b == nil {
		if len(l.byKey) >= l.size {
			l.forget()
		}
		b = &bucket{key: key, tokens: rate.NewLimiter(rate.Every(l.every), l.burst)}
		l.byKey[key] = b
		heap.Push(&l.byFull, b)
	}
	if !b.tokens.AllowN(now, 1) {
		return max(1, l.toGain(1-b.tokens.TokensAt(now)))
	}
	b.fullAt = now.Add(l.toGain(float64(l.burst) - b.tokens.TokensAt(now)))
	heap.Fix(&l.byFull, b.index)
	return 0
}

// toGain is how long it takes until a bucket has some more tokens.
func (l *Limiter) toGain(tokens float64) time.Duration {
	return time.Duration(tokens * float64(l.every))
}

// forget forgets the bucket that is full the soonest.
func (l *Limiter) forget() {
	b := heap.Pop(&l.byFull).(*bucket)
	delete(l.byKey, b.key)
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

// Network is what counts as one client: an IPv4 address, or the /64 that an IPv6 client chooses its addresses from. What is
// no address is returned as it is.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
