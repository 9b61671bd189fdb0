// Package memory keeps what requests need at once within a budget, however many come.
package memory

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrBusy says that as much is in use as may be. It will be possible again in a moment.
var ErrBusy = errors.New("as much memory is in use as may be")

const (
	// Patience is how long a request waits for its share of a budget.
	Patience = 2 * time.Second
	// sparing is how long it waits before somebody is broken off who does not read their answer.
	sparing = 250 * time.Millisecond
	// reading is how long everybody may take to read an answer, and sending how long to send what needs room.
	reading = 2 * time.Second
	sending = time.Second
)

// A Budget is so many bytes that whoever needs much of them takes before, and gives back after. Who comes first is served
// first, so that many small shares never keep a large one waiting. It is safe for concurrent use.
type Budget struct {
	size int64
	free *semaphore.Weighted

	mu    sync.Mutex
	peers map[*Share]peer
}

// A peer is somebody who keeps a share for as long as they take: to read an answer, or to send something.
type peer struct {
	since    time.Time
	allowed  time.Duration
	moved    int64 // bytes that have arrived of them since
	breakOff func()
}

// isSlower tells whether less has arrived of p than of another in the same time. Of those who read, who began first is.
func (p peer) isSlower(other peer, now time.Time) bool {
	mine, theirs := float64(p.moved)/now.Sub(p.since).Seconds(), float64(other.moved)/now.Sub(other.since).Seconds()
	return mine < theirs || mine == theirs && p.since.Before(other.since)
}

// New returns a budget of so many bytes.
func New(bytes int64) *Budget {
	return &Budget{size: bytes, free: semaphore.NewWeighted(bytes), peers: map[*Share]peer{}}
}

// Take takes a share, of the whole budget at most, and returns what gives it back, which is to be called once. If none
// becomes free in time, Take returns ErrBusy.
//
// Whoever holds a share takes no second one before it has given back the first: two such could wait for each other.
func (b *Budget) Take(ctx context.Context, bytes int64) (giveBack func(), err error) {
	bytes = min(bytes, b.size)
	if err := b.take(ctx, bytes); err != nil {
		return nil, err
	}
	return func() { b.free.Release(bytes) }, nil
}

func (b *Budget) take(ctx context.Context, bytes int64) error {
	if b.free.TryAcquire(bytes) {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	sooner := time.AfterFunc(sparing, func() { b.makeRoom(waiting) })
	defer sooner.Stop()
	if b.free.Acquire(waiting, bytes) != nil {
		return errors.Join(ErrBusy, ctx.Err())
	}
	return nil
}

// makeRoom breaks off those who have not read or sent in time, the slowest first and one at a time, as long as
// somebody waits.
func (b *Budget) makeRoom(waiting context.Context) {
	for waiting.Err() == nil {
		b.breakOffSlowest()
		select {
		case <-waiting.Done():
		case <-time.After(sparing):
		}
	}
}

func (b *Budget) breakOffSlowest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var slowest *Share
	now := time.Now()
	for share, p := range b.peers {
		if now.Sub(p.since) >= p.allowed && (slowest == nil || p.isSlower(b.peers[slowest], now)) {
			slowest = share
		}
	}
	if slowest != nil {
		b.peers[slowest].breakOff()
		delete(b.peers, slowest)
	}
}

// A Share is what one request has taken of a budget. It is for one goroutine.
type Share struct {
	budget *Budget
	bytes  int64
	began  time.Time // to receive
}

// Share returns one of nothing. Close gives it back.
func (b *Budget) Share() Share { return Share{budget: b} }

// Grow makes the share at least so large, the whole budget at most, at once. Without room for it, it is ErrBusy: two that
// hold a share and wait could wait for each other.
func (s *Share) Grow(bytes int64) error {
	more := min(bytes, s.budget.size) - s.bytes
	if more <= 0 {
		return nil
	}
	if !s.budget.free.TryAcquire(more) {
		return ErrBusy
	}
	s.bytes += more
	return nil
}

// Wait gives the share back and takes one of so many bytes, as Take does.
func (s *Share) Wait(ctx context.Context, bytes int64) error {
	s.Close()
	bytes = min(bytes, s.budget.size)
	if err := s.budget.take(ctx, bytes); err != nil {
		return err
	}
	s.bytes = bytes
	return nil
}

// Send makes the share as large as an answer, which is all that is left while it is sent. Until Close, breakOff may be called,
// from another goroutine: when others need the room and the answer was not read in time.
func (s *Share) Send(bytes int64, breakOff func()) error {
	if err := s.Grow(bytes); err != nil {
		s.budget.breakOffSlowest()
		return err
	}
	if less := s.bytes - min(bytes, s.budget.size); less > 0 {
		s.budget.free.Release(less)
		s.bytes -= less
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.peers[s] = peer{since: time.Now(), allowed: reading, breakOff: breakOff}
	return nil
}

// Receive makes the share at least so large, the whole budget at most, for what has arrived of a sender and what will be read of
// them next. It waits for room as Take does: those who send least meanwhile are broken off. Until Received or Close, breakOff
// may be called likewise, from another goroutine.
func (s *Share) Receive(ctx context.Context, bytes int64, breakOff func()) error {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	s.Received() // who waits is not slow
	if more := min(bytes, s.budget.size) - s.bytes; more > 0 {
		if err := s.budget.take(ctx, more); err != nil {
			return err
		}
		s.bytes += more
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.peers[s] = peer{since: s.began, allowed: sending, moved: s.bytes, breakOff: breakOff}
	return nil
}

// Received says that all has arrived: nobody is broken off any more.
func (s *Share) Received() {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	delete(s.budget.peers, s)
}

// Close gives the share back.
func (s *Share) Close() {
	if s.bytes == 0 {
		return
	}
	s.Received()
	s.budget.free.Release(s.bytes)
	s.bytes = 0
}

type shareKey struct{}

// With returns a context for a request that has a share.
func With(ctx context.Context, s *Share) context.Context {
	return context.WithValue(ctx, shareKey{}, s)
}

// From returns the share of a request, or nil: it may use as much as it likes.
func From(ctx context.Context) *Share {
	s, _ := ctx.Value(shareKey{}).(*Share)
	return s
}
