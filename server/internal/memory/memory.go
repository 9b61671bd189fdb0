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
	// reading is how long everybody may take to read an answer.
	reading = 2 * time.Second
)

// A Budget is so many bytes that whoever needs much of them takes before, and gives back after. Who comes first is served
// first, so that many small shares never keep a large one waiting. It is safe for concurrent use.
type Budget struct {
	size int64
	free *semaphore.Weighted

	mu      sync.Mutex
	readers map[*Share]reader
}

// A reader is somebody to whom an answer is sent.
type reader struct {
	since    time.Time
	breakOff func()
}

// New returns a budget of so many bytes.
func New(bytes int64) *Budget {
	return &Budget{size: bytes, free: semaphore.NewWeighted(bytes), readers: map[*Share]reader{}}
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

// makeRoom breaks off those who have not read their answers in time, the slowest first and one at a time, as long as
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
	for share, r := range b.readers {
		if slowest == nil || r.since.Before(b.readers[slowest].since) {
			slowest = share
		}
	}
	if slowest != nil && time.Since(b.readers[slowest].since) >= reading {
		b.readers[slowest].breakOff()
		delete(b.readers, slowest)
	}
}

// A Share is what one request has taken of a budget. It is for one goroutine.
type Share struct {
	budget *Budget
	bytes  int64
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
	s.budget.readers[s] = reader{time.Now(), breakOff}
	return nil
}

// Close gives the share back.
func (s *Share) Close() {
	if s.bytes == 0 {
		return
	}
	s.budget.mu.Lock()
	delete(s.budget.readers, s)
	s.budget.mu.Unlock()
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
