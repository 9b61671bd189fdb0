// Package ratelimit limits how often something is done, by key, with a token bucket for each.
package ratelimit

import (
	"container/heap"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxKeys is how many keys a limiter remembers at most.
	maxKeys = 1 << 16
	// shards are parts of a limiter that nobody waits for who looks for a key in another one.
	shards = 16
)

// A Limiter gives each key a bucket of tokens, which fills up again with time. It remembers only buckets that are not
// full, and of those at most 65,536. Where there would be more it forgets the one that is full again the soonest: to
// make it forget one that was emptied, many others must have been emptied further. It is safe for concurrent use.
type Limiter struct {
	burst  int
	every  time.Duration // one more token
	seed   maphash.Seed
	shards [shards]shard
}

// A shard has the buckets of some keys.
type shard struct {
	mu     sync.Mutex
	size   int
	byKey  map[key]*bucket
	byFull bucketHeap
}

// A key is a name or a number.
type key struct {
	name   string
	number int64
}

// A bucket is known by when it will be full again: from that follows how many tokens it has.
type bucket struct {
	key    key
	fullAt time.Time
	index  int // in the heap
}

// New returns a limiter whose buckets hold burst tokens and gain one more in each span of every.
func New(burst int, every time.Duration) *Limiter {
	l := &Limiter{burst: burst, every: every, seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i] = shard{size: maxKeys / shards, byKey: map[key]*bucket{}}
	}
	return l
}

// Take takes a token from the bucket of a key and returns 0. If the bucket is empty, Take changes nothing and returns how
// long it will be until there is a token.
func (l *Limiter) Take(name string, now time.Time) (wait time.Duration) {
	return l.take(key{name: name}, now).Wait
}

// Give gives a token back that was taken from the bucket of a key.
func (l *Limiter) Give(name string) {
	k := key{name: name}
	s := &l.shards[maphash.Comparable(l.seed, k)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.byKey[k]; b != nil {
		b.fullAt = b.fullAt.Add(-l.every)
		heap.Fix(&s.byFull, b.index)
	}
}

// A State is what became of a wish for a token.
type State struct {
	Wait  time.Duration // until there is a token; 0: one was taken
	Left  int           // how many tokens are left
	Reset time.Duration // until the bucket is full again
}

// TakeOf is Take by a name, or by the number of something that has none, and tells more.
func (l *Limiter) TakeOf(name string, number int64, now time.Time) State {
	return l.take(key{name, number}, now)
}

func (l *Limiter) take(k key, now time.Time) State {
	s := &l.shards[maphash.Comparable(l.seed, k)%shards]
	capacity := time.Duration(l.burst) * l.every
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.byFull) > 0 && !s.byFull[0].fullAt.After(now) {
		s.forget()
	}
	b := s.byKey[k]
	missing := time.Duration(0) // until it is full
	if b != nil {
		missing = b.fullAt.Sub(now)
	}
	if missing > capacity { // the clock was ahead, which must leave nobody out
		missing = 0
	}
	if wait := missing + l.every - capacity; wait > 0 {
		return State{Wait: wait, Reset: missing}
	}
	missing += l.every
	if b == nil {
		if len(s.byKey) >= s.size {
			s.forget()
		}
		b = &bucket{key: k, fullAt: now.Add(missing)}
		s.byKey[k] = b
		heap.Push(&s.byFull, b)
	} else {
		b.fullAt = now.Add(missing)
		heap.Fix(&s.byFull, b.index)
	}
	return State{Left: int((capacity - missing) / l.every), Reset: missing}
}

// forget forgets the bucket that is full the soonest.
func (s *shard) forget() {
	b := heap.Pop(&s.byFull).(*bucket)
	delete(s.byKey, b.key)
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
	if err != nil || ip.Is4() {
		return address
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
