// Package memory keeps what requests need at once within a budget, however many come.
package memory

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrBusy says that as much is in use as may be. It will be possible again in a moment.
var ErrBusy = errors.New("as much memory is in use as may be")

// Patience is how long a request waits for its share of a budget.
const Patience = 2 * time.Second

// A Budget is so many bytes that whoever needs much of them takes before, and gives back after. Who comes first is served
// first, so that many small shares never keep a large one waiting. It is safe for concurrent use.
type Budget struct {
	size int64
	free *semaphore.Weighted
}

// New returns a budget of so many bytes.
func New(bytes int64) *Budget { return &Budget{size: bytes, free: semaphore.NewWeighted(bytes)} }

// Take takes a share, of the whole budget at most, and returns what gives it back, which is to be called once. If none
// becomes free in time, Take returns ErrBusy.
//
// Whoever holds a share takes no second one before it has given back the first: two such could wait for each other.
func (b *Budget) Take(ctx context.Context, bytes int64) (giveBack func(), err error) {
	bytes = min(bytes, b.size)
	if !b.free.TryAcquire(bytes) {
		waiting, cancel := context.WithTimeout(ctx, Patience)
		defer cancel()
		if b.free.Acquire(waiting, bytes) != nil {
			return nil, errors.Join(ErrBusy, ctx.Err())
		}
	}
	return func() { b.free.Release(bytes) }, nil
}
