package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Who waits for a turn to write, at the lane of SQLite and at the turns of PostgreSQL alike.
const (
	freeWaiting = 64          // who finds no more waiting is never refused
	mostWaiting = 1000        // who finds more waiting always is
	longestWait = time.Second // who would wait longer is refused at once: others are not slower for it, and the caller may try elsewhere
)

// errCrowded is over by itself.
var errCrowded = errors.New("too many transactions wait to write")

// A queue is those who wait for a turn. It knows how long one takes.
type queue struct {
	waiting atomic.Int64
	each    atomic.Int64 // nanoseconds from one turn to the next, lately
	moved   atomic.Int64 // when one has ended, or the first one began to wait: nanoseconds since started
}

var started = time.Now()

// join is called by who is about to wait. They leave by quit, unless they are refused.
func (q *queue) join() error {
	now, before := int64(time.Since(started)), q.waiting.Add(1)-1
	if before == 0 {
		q.moved.Store(now)
	}
	long := max(before*q.each.Load(), now-q.moved.Load())
	if before < freeWaiting || before < mostWaiting && time.Duration(long) <= longestWait {
		return nil
	}
	q.waiting.Add(-1)
	return errCrowded
}

func (q *queue) quit() { q.waiting.Add(-1) }

// took says that some turns, one after another, have taken this long. What was before counts less and less.
func (q *queue) took(long time.Duration, turns int) {
	each, before := int64(long)/int64(turns), q.each.Load()
	q.each.Store(before + (each-before)/16) // of two at once, one may be lost: it is an estimate
	q.moved.Store(int64(time.Since(started)))
}

// turns let some transactions of PostgreSQL run side by side. More would only be slower together, and would leave no
// connection to those who read.
type turns struct {
	queue
	free *semaphore.Weighted
	jobs *semaphore.Weighted // of those, so that jobs leave the others to requests
}

// Of the connections of a pool, so many are for transactions at once.
const (
	mostConnections = 20
	turnsAtOnce     = 12
	jobTurnsAtOnce  = 6
)

func newTurns() *turns {
	return &turns{free: semaphore.NewWeighted(turnsAtOnce), jobs: semaphore.NewWeighted(jobTurnsAtOnce)}
}

// take runs a transaction, or refuses it at once if its turn would come too late. One that must be alone waits until all
// others have ended; those who come later wait for it.
func (t *turns) take(ctx context.Context, alone bool, run func() error) error {
	if _, patient := patienceOf(ctx); patient {
		if err := t.jobs.Acquire(ctx, 1); err != nil {
			return err
		}
		defer t.jobs.Release(1)
	}
	weight := int64(1)
	if alone {
		weight = turnsAtOnce
	} else if err := t.join(); err != nil {
		return err
	} else {
		defer t.quit()
	}
	if err := t.free.Acquire(ctx, weight); err != nil {
		return err
	}
	defer t.free.Release(weight)
	began := time.Now()
	defer func() { t.took(time.Since(began), turnsAtOnce) }()
	return run()
}

// patience is how long a request waits for PostgreSQL, in a transaction or for a single statement. A server that is frozen, or
// that nobody can reach any more, says nothing.
const patience = 5 * time.Second

// errSlow is over when the database is back, or has less to do.
var errSlow = fmt.Errorf("the database has not answered in time")

type patienceKey struct{}

// withPatience is for who waits longer, as a job does. They are not refused: nobody waits for them, and what they have done before their
// transaction would be done again.
func withPatience(ctx context.Context, long time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, long)
}

func patienceOf(ctx context.Context) (long time.Duration, given bool) {
	long, given = ctx.Value(patienceKey{}).(time.Duration)
	return long, given
}

// refusedFor is how long the patient wait before they ask for a turn again.
const refusedFor = 50 * time.Millisecond

// patiently runs a transaction, and runs it again while it is refused, for the patient.
func patiently(ctx context.Context, run func() error) error {
	_, patient := patienceOf(ctx)
	for {
		err := run()
		if !patient || !errors.Is(err, errCrowded) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(refusedFor):
		}
	}
}

// hurry returns a context that ends when it is too late. Whoever uses it asks late why.
func (d *dialect) hurry(ctx context.Context) (context.Context, func()) {
	if d.queues { // SQLite is in this process
		return ctx, func() {}
	}
	long, given := patienceOf(ctx)
	if !given {
		long = patience
	}
	return context.WithTimeoutCause(ctx, long, errSlow)
}

// late says of an error that it only came because nobody waited any longer.
func late(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), errSlow) {
		return errSlow
	}
	return err
}
