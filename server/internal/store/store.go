// Package store keeps Rejoin's data in SQLite or PostgreSQL, and is the only package that knows SQL.
//
// Open a Store, read through its fields (s.Servers.Get), and write inside Tx, where the same fields stand for the same
// statements in one transaction. Every statement is one text for both databases; what differs is in dialect.go. On SQLite,
// those who write at the same time share one flush of the disk (lane.go), and what was read is remembered until its tables
// change (cache.go): what is returned may be shared, and what lies behind its pointers, slices and maps is not to be changed.
//
// A method says in its name what it does to a row: Get (ErrNotFound if there is none), List (never nil, in a stable
// order), Insert (ErrDuplicate if it is there already), Update, Delete.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
)

// What a statement can fail with, beyond the unexpected. Test with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrDuplicate   = errors.New("already there")
	ErrErased      = errors.New("the account was deleted")
	ErrUnavailable = errors.New("the database cannot be reached or is overloaded")
	ErrAway        = errors.New("the database is away, as the log says") // beside ErrUnavailable
	ErrPosition    = errors.New("this is no position in the list")
	ErrNewer       = errors.New("the database was made by a newer version of Rejoin than this one, which would damage it: run that version, or restore a backup from before it")
)

// A Store is a database with the schema that this version needs. It is safe for concurrent use.
type Store struct {
	Queries
	write, read *pool
	waiting     *queue                 // of transactions
	turn        atomic.Int64           // of transactions, to spread them over the shards of tallies
	retries     atomic.Int64           // of transactions
	jobs        *river.Client[*sql.Tx] // enqueues only
	newJobs     *bell                  // rung when there are new ones
	url         string                 // of the database, or its path
	begun       bool                   // the database says that it is in use, until it hears that it is not
	release     func() error           // gives the database to the next owner
	closed      sync.Once
	copying     sync.Mutex // held while a snapshot is used
	waking      waking
}

// Queries are all statements, a field for each tag of the contract. Those of a Store run on their own, each one seeing
// what was committed before it; those of a Tx run in that transaction.
type Queries struct {
	Auth     Auth
	Exports  Exports
	Servers  Servers
	Invites  Invites
	Roles    Roles
	Channels Channels
	Badges   Badges
	Keys     Keys
	UserKeys UserKeys
	Audit    Audit
	Users    Users
	Fields   Fields
	Messages Messages
	Images   Images

	Gamification Gamification
	Leaderboards Leaderboards
	Streaks      Streaks
	Analytics    Analytics
	Games        Games
	Stores       Stores
	Categories   Categories
	Products     Products
	Vouchers     Vouchers
	Statuses     Statuses
	Orders       Orders
	Charts       Charts
	Bulk         Bulk
	Webhooks     Webhooks
	Widgets      Widgets

	IncomingWebhooks IncomingWebhooks

	Registrations Registrations
	Codes         Codes
	Networks      Networks
	Idempotency   Idempotency
	Ledger        Ledger
}

func queriesOn(c *conn) Queries {
	return Queries{
		Auth: Auth{c}, Exports: Exports{c}, Servers: Servers{c}, Invites: Invites{c}, Channels: Channels{c}, Roles: Roles{c}, Badges: Badges{c}, Keys: Keys{c}, UserKeys: UserKeys{c}, Audit: Audit{c}, Users: Users{c}, Fields: Fields{c}, Messages: Messages{c}, Images: Images{c},
		Leaderboards: Leaderboards{c}, Gamification: Gamification{c}, Streaks: Streaks{c}, Analytics: Analytics{c}, Games: Games{c}, Bulk: Bulk{c}, Webhooks: Webhooks{c}, IncomingWebhooks: IncomingWebhooks{c}, Widgets: Widgets{c}, Charts: Charts{c},
		Stores: Stores{c}, Categories: Categories{c}, Products: Products{c}, Vouchers: Vouchers{c}, Statuses: Statuses{c}, Orders: Orders{c},
		Registrations: Registrations{c}, Codes: Codes{c}, Networks: Networks{c}, Idempotency: Idempotency{c}, Ledger: Ledger{c},
	}
}

// A Tx is a transaction that sees the database as if it were alone with it, unless it is a shared one.
type Tx struct {
	Queries
	Jobs Jobs
}

// Open opens the database at url, postgres://... or the path of a SQLite file, and brings its schema up to date.
// Any number of processes may open one of PostgreSQL at once: one of them migrates while the others wait. A SQLite file has
// one owner at a time; to everybody else it is an *owner.InUseError at once, until that one has closed it or has died. The
// log gets a line when the database goes away, and one when it is back.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	d, out := dialectOf(url), &outage{}
	release, err := d.own(url)
	if err != nil {
		return nil, err
	}
	db, err := d.open(url, out)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the database cannot be opened: %w", err), release())
	}
	s := &Store{
		write:   &pool{dialect: d, db: db.write, outage: out, cache: db.remembers, turns: db.turns},
		read:    &pool{dialect: d, db: db.read, outage: out, cache: db.remembers},
		waiting: db.waiting, newJobs: newBell(), url: url, release: release,
	}
	s.write.sent = new(positions)
	s.Queries = queriesOn(&conn{pool: s.read})
	s.Exports = Exports{&conn{pool: s.read, once: true}}
	if err := s.migrate(ctx, log); err != nil {
		s.Close()
		return nil, err
	}
	if s.jobs, err = newEnqueuer(d.jobs(db.write, s.newJobs)); err != nil {
		s.Close()
		return nil, err
	}
	out.watch(log)
	return s, nil
}

// LastWrite is when something was written last, if nothing has failed since in a way that may still last.
func (s *Store) LastWrite() time.Time { return s.write.outage.lastWrite() }

// Probe writes a little.
func (s *Store) Probe(ctx context.Context) error {
	probe := conn{pool: s.write}
	if err := probe.exec(ctx, `INSERT INTO counters (name, value) VALUES ('probe', $1)
	ON CONFLICT (name) DO UPDATE SET value = excluded.value`, time.Now().UnixMicro()); err != nil {
		return err
	}
	s.write.outage.wrote()
	return nil
}

// Waiting is how many transactions wait for their turn.
func (s *Store) Waiting() int64 { return s.waiting.waiting.Load() }

// Close waits for running statements, closes the pools, and gives a SQLite file to its next owner.
func (s *Store) Close() (err error) {
	s.closed.Do(func() {
		s.write.outage.unwritten()
		if s.begun {
			err = s.write.finish(s.url, s.write.db, s.closePools)
		} else {
			err = s.closePools()
		}
		err = errors.Join(err, s.release())
	})
	return err
}

func (s *Store) closePools() error {
	err := s.write.db.Close()
	if s.read.db != s.write.db {
		err = errors.Join(err, s.read.db.Close())
	}
	return err
}

// A transaction that lost against others is run again: after some losses alone, and after too many of them the store counts
// as overloaded.
const (
	lossesTillAlone = 3
	mostLosses      = 20
)

// Tx runs fn in one transaction and commits it if fn returns nil. What was committed survives a crash and a power cut.
// Transactions are serializable on both databases. SQLite lets one run at a time, and flushes the disk once for those that
// wait for it; PostgreSQL runs them side by side and may ask for one to be run again: fn must therefore leave no trace
// outside the transaction but what its next run overwrites.
func (s *Store) Tx(ctx context.Context, fn func(*Tx) error) error {
	return s.tx(ctx, s.write.isolation, fn)
}

// SharedTx is Tx for what many do at once and what was thought through for it. On PostgreSQL it waits where a serializable
// transaction would lose against another one and be run again: each statement sees what was committed before it, and what fn
// relies on until its end must be locked, or be a constraint, or a condition of the statement that writes. See locks in
// dialect.go: there, a statement that reads and does not say which it is fails. On SQLite it is Tx.
//
// What fn adds must not be looked for by a serializable transaction that only removes what fn has locked: that one does not
// see what came meanwhile, unless a reference between the tables makes PostgreSQL look.
func (s *Store) SharedTx(ctx context.Context, fn func(*Tx) error) error {
	return s.tx(ctx, s.write.sharedIsolation, fn)
}

// Retries is how often a transaction was run again because it had lost against others.
func (s *Store) Retries() int64 { return s.retries.Load() }

func (s *Store) tx(ctx context.Context, isolation sql.IsolationLevel, fn func(*Tx) error) error {
	ctx, end := s.write.hurry(ctx)
	defer end()
	for losses := 0; ; {
		err := s.inTurn(ctx, losses >= lossesTillAlone, func() error { return s.tryTx(ctx, isolation, fn) })
		switch {
		case err == nil:
			return nil
		case !s.write.mayRetry(err):
			return s.write.errorOf(late(ctx, err))
		}
		s.retries.Add(1)
		if losses++; losses == mostLosses {
			return fmt.Errorf("%w: gave up after %d attempts: %w", ErrUnavailable, losses, err)
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << min(losses, lossesTillAlone)))
		select {
		case <-ctx.Done():
			return s.write.errorOf(late(ctx, ctx.Err()))
		case <-time.After(pause):
		}
	}
}

// inTurn runs a transaction when it has its turn. The lane of SQLite gives its turns itself.
func (s *Store) inTurn(ctx context.Context, alone bool, run func() error) error {
	return patiently(ctx, func() error {
		if s.write.turns == nil {
			return run()
		}
		return s.write.turns.take(ctx, alone, run)
	})
}

func (s *Store) tryTx(ctx context.Context, isolation sql.IsolationLevel, fn func(*Tx) error) error {
	lasting := ctx
	if s.write.queues { // else database/sql would end the turn of the transaction in the lane while fn runs
		lasting = patientOf(ctx)
	}
	tx, err := s.write.db.BeginTx(lasting, &sql.TxOptions{Isolation: isolation})
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	c := &conn{pool: s.write, tx: tx, within: ctx, shared: isolation != s.write.isolation, shard: s.turn.Add(1) % tallyShards}
	jobs := Jobs{client: s.jobs, tx: tx, within: ctx, inserted: new(bool)}
	if err := fn(&Tx{Queries: queriesOn(c), Jobs: jobs}); err != nil {
		if undone := tx.Rollback(); errors.Is(undone, errGroup) {
			return undone // what fn has seen, and what it says of it, may never have been
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if c.wrote && !s.write.queues { // of its own writes, the lane says it
		s.write.outage.wrote()
	}
	if *jobs.inserted {
		s.newJobs.ring()
	}
	s.pass(c.woken)
	return nil
}

// A pool is a set of connections.
type pool struct {
	*dialect
	db     *sql.DB
	outage *outage
	cache  *cache                        // of what was read; nil: nothing is remembered
	turns  *turns                        // of transactions; nil: they take them in a lane
	stmts  sync.Map                      // SQL text -> *sql.Stmt
	sent   *positions                    // of messages
	saw    func(text string, args []any) // for tests, which look at every statement; otherwise nil
}

// Watch calls saw with every statement from now on, or ends that with nil. It is for tests that count the work of a request:
// nothing may run while it is called.
func (s *Store) Watch(saw func(text string, args []any)) { s.write.saw, s.read.saw = saw, saw }

func (p *pool) sees(text string, args []any) {
	if p.saw != nil {
		p.saw(text, args)
	}
}

func (p *pool) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := p.stmts.Load(text); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := p.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if other, loaded := p.stmts.LoadOrStore(text, stmt); loaded {
		stmt.Close()
		return other.(*sql.Stmt), nil
	}
	return stmt, nil
}

// Alone tells whether nobody else has the database open.
func (s *Store) Alone() bool { return s.write.queues }
