package password

import (
	"context"
	"slices"
	"sync"
)

// A Caller is for whom a password is hashed: it decides about the place in line.
type Caller struct {
	// Network is where they call from. The networks in line take turns, however many wait of each.
	Network string
	// Known says that the account has been signed in to from there before, or was proved otherwise. Who is known waits in a
	// line of their own, which goes first: a flood of strangers does not stand in it.
	Known bool
}

const (
	// linePerWorker is how many may wait in each line for each that is at work: about as many as are served within a second.
	linePerWorker = 25
	// Where both lines wait, every so many turns are a stranger's: else whoever has accounts could keep out who has none yet.
	strangersTurn = 4
)

// A line lets so many work at once, and the others wait.
type line struct {
	mu        sync.Mutex
	free      int // workers; nobody waits while there is one
	room      int // of each of the two lines
	turns     int
	known     queue
	strangers queue
}

func newLine(workers int) *line {
	return &line{free: workers, room: workers * linePerWorker, known: newQueue(), strangers: newQueue()}
}

// whenFree works when it is the caller's turn.
func (l *line) whenFree(ctx context.Context, from Caller, work func() error) error {
	if err := l.wait(ctx, from); err != nil {
		return err
	}
	defer l.leave()
	return work()
}

// wait takes a worker, at once or in turn.
func (l *line) wait(ctx context.Context, from Caller) error {
	l.mu.Lock()
	if l.free > 0 {
		l.free--
		l.mu.Unlock()
		return nil
	}
	q := &l.strangers
	if from.Known {
		q = &l.known
	}
	if q.waiting >= l.room && !q.yield(from.Network) {
		l.mu.Unlock()
		return ErrBusy
	}
	me := q.add(from.Network)
	l.mu.Unlock()

	select {
	case err := <-me:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	if q.remove(from.Network, me) {
		l.mu.Unlock()
		return ctx.Err()
	}
	l.mu.Unlock()
	if <-me == nil { // it was called in the same moment
		l.leave()
	}
	return ctx.Err()
}

// leave gives the worker to whoever is next.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, then := &l.known, &l.strangers
	if l.turns++; l.turns%strangersTurn == 0 {
		first, then = then, first
	}
	if !first.call() && !then.call() {
		l.free++
	}
}

// A waiter hears nil when it is its turn, or ErrBusy. It never waits to be heard.
type waiter chan error

// A queue has those who wait, by network. The networks take turns.
type queue struct {
	waiting   int
	byNetwork map[string][]waiter
	networks  []string // in the order of their turns
}

func newQueue() queue { return queue{byNetwork: map[string][]waiter{}} }

func (q *queue) add(network string) waiter {
	me := make(waiter, 1)
	if len(q.byNetwork[network]) == 0 {
		q.networks = append(q.networks, network)
	}
	q.byNetwork[network] = append(q.byNetwork[network], me)
	q.waiting++
	return me
}

// yield makes room for a network by sending away the last who waits of the one that has the most. There is none that has
// enough more than this one if yield says no.
func (q *queue) yield(network string) bool {
	most := ""
	for _, other := range q.networks {
		if len(q.byNetwork[other]) > len(q.byNetwork[most]) {
			most = other
		}
	}
	theirs := q.byNetwork[most]
	if len(theirs) <= len(q.byNetwork[network])+1 {
		return false
	}
	last := theirs[len(theirs)-1]
	q.remove(most, last)
	last <- ErrBusy
	return true
}

// remove takes somebody out of the line, who may have been called already.
func (q *queue) remove(network string, who waiter) bool {
	at := slices.Index(q.byNetwork[network], who)
	if at < 0 {
		return false
	}
	q.byNetwork[network] = slices.Delete(q.byNetwork[network], at, at+1)
	q.waiting--
	if len(q.byNetwork[network]) == 0 {
		delete(q.byNetwork, network)
		q.networks = slices.DeleteFunc(q.networks, func(n string) bool { return n == network })
	}
	return true
}

// call calls the next: the first of the network whose turn it is, which has its next turn after all others.
func (q *queue) call() bool {
	if len(q.networks) == 0 {
		return false
	}
	network := q.networks[0]
	next := q.byNetwork[network][0]
	q.remove(network, next)
	if len(q.byNetwork[network]) > 0 {
		q.networks = append(q.networks[1:], network)
	}
	next <- nil
	return true
}
