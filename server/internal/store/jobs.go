package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
)

const (
	fetchJobs     = 100 * time.Millisecond // how late a new job may begin
	jobsAtOnce    = 20                     // of one process
	waitingAtOnce = 256                    // of those that wait for others
	slowAtOnce    = 64                     // of those that wait long for others
	keepJobs      = time.Hour              // that are done
	loseJobs      = 5 * time.Minute        // after which a job of a process that was killed is run again
	jobDeadline   = time.Minute
	heedStop      = 2 * time.Second // for a job that is called off
)

// WaitingJobs is the queue of the jobs that mostly wait for answers of others. They keep nobody else waiting.
const WaitingJobs = "waiting"

// SlowJobs is that of those of them that wait for who is known to answer slowly, or never: the others have their own room.
const SlowJobs = "slow"

// BulkJobs is the queue of the jobs that have much to write: one after the other, so that all others get to write meanwhile.
const BulkJobs = "bulk"

// Jobs enqueues background work. A job runs after its transaction was committed, in whichever process works, and runs
// again if it has failed or its process was killed: it must bear that.
type Jobs struct {
	client   *river.Client[*sql.Tx]
	tx       *sql.Tx
	within   context.Context // what the transaction may take
	inserted *bool
}

// Insert adds a job. Its arguments are kept in the database as they are: no secret may be among them.
func (j Jobs) Insert(_ context.Context, args river.JobArgs) error {
	*j.inserted = true
	_, err := j.client.InsertTx(j.within, j.tx, args, nil)
	return err
}

// Work runs jobs until stop is called. That lets the running ones finish for as long as its context allows; then it calls
// them off, and they run again another time. Nothing runs any more when stop returns, unless a job does not heed that.
func (s *Store) Work(workers *river.Workers, periodic []*river.PeriodicJob, log *slog.Logger) (stop func(context.Context), err error) {
	client, err := river.NewClient(s.write.jobs(s.write.db, s.newJobs), &river.Config{
		Workers:                     workers,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: jobsAtOnce}, WaitingJobs: {MaxWorkers: waitingAtOnce}, SlowJobs: {MaxWorkers: slowAtOnce}, BulkJobs: {MaxWorkers: 1}},
		PeriodicJobs:                periodic,
		FetchPollInterval:           s.write.pollJobs,
		FetchCooldown:               fetchJobs,
		JobTimeout:                  jobDeadline,
		RescueStuckJobsAfter:        loseJobs,
		CompletedJobRetentionPeriod: keepJobs,
		Middleware: []rivertype.Middleware{river.WorkerMiddlewareFunc(func(ctx context.Context, _ *rivertype.JobRow, work func(context.Context) error) error {
			return work(withPatience(ctx, jobDeadline)) // there is more to do than for a request, and nobody waits
		})},
		Logger: slog.New(warnings{log.Handler(), s.write.outage}),
	})
	if err != nil {
		return nil, fmt.Errorf("background work cannot be prepared: %w", err)
	}
	if err := s.healJobs(context.Background()); err != nil {
		return nil, fmt.Errorf("background work cannot be looked through: %w", err)
	}
	if err := client.Start(context.Background()); err != nil {
		return nil, fmt.Errorf("background work cannot be started: %w", s.write.errorOf(err))
	}
	stopHealing := s.healJobsAlways()
	return func(ctx context.Context) {
		stopHealing()
		if client.Stop(ctx) != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), heedStop)
			defer cancel()
			client.StopAndCancel(ctx)
		}
	}, nil
}

// newEnqueuer returns a client that enqueues and does not work.
func newEnqueuer(driver riverdriver.Driver[*sql.Tx]) (*river.Client[*sql.Tx], error) {
	return river.NewClient(driver, &river.Config{Logger: slog.New(slog.DiscardHandler)})
}

// warnings lets through what an operator should see, and not that all is well, nor what an outage or a stop explains.
type warnings struct {
	slog.Handler
	outage *outage
}

// Handle is where River tells what it has failed with, as a text among the attributes. That its own work was called off is
// how it stops; that a job was is another matter.
func (w warnings) Handle(ctx context.Context, record slog.Record) error {
	text, ofJob := "", false
	record.Attrs(func(attr slog.Attr) bool {
		switch attr.Key {
		case "err", "error":
			text = attr.Value.String()
		case "job_id":
			ofJob = true
		}
		return true
	})
	// database/sql rolls back a transaction whose context has ended, and then says no more than that.
	calledOff := strings.Contains(text, context.Canceled.Error()) || strings.Contains(text, sql.ErrTxDone.Error())
	if w.outage.explains(text, ofJob) || (!ofJob && calledOff) {
		return nil
	}
	return w.Handler.Handle(ctx, record)
}

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs), w.outage}
}

func (w warnings) WithGroup(name string) slog.Handler {
	return warnings{w.Handler.WithGroup(name), w.outage}
}

// heardSQLite is River on SQLite, where all that enqueues and all that works is in one process: who works hears a bell, and
// need not ask the database all the time.
type heardSQLite struct {
	*riversqlite.Driver
	new *bell
}

// SupportsListener tells River to listen.
func (d heardSQLite) SupportsListener() bool { return true }

// GetListener returns what it listens to.
func (d heardSQLite) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener { return d.new }

// A bell tells who works, in the same process, that jobs were committed: a notifier.
type bell struct {
	rung chan struct{}
	rest []string // of the queues, which have not heard it yet
}

func newBell() *bell { return &bell{rung: make(chan struct{}, 1)} }

func (b *bell) ring() {
	select {
	case b.rung <- struct{}{}:
	default: // it has not been heard yet; once is enough
	}
}

// WaitForNotification waits for the bell. It says what River says on PostgreSQL when a job was inserted: to one queue after the other.
func (b *bell) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	if len(b.rest) == 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.rung:
			b.rest = []string{river.QueueDefault, WaitingJobs, SlowJobs}
		}
	}
	queue := b.rest[0]
	b.rest = b.rest[1:]
	return &riverdriver.Notification{Topic: "river_insert", Payload: "{\"queue\":\"" + queue + "\"}"}, nil
}

// Connect, Close, Listen, Unlisten, Ping, Schema and SetAfterConnectExec are for databases that one has to connect to.
func (b *bell) Connect(context.Context) error          { return nil }
func (b *bell) Close(context.Context) error            { return nil }
func (b *bell) Listen(context.Context, string) error   { return nil }
func (b *bell) Unlisten(context.Context, string) error { return nil }
func (b *bell) Ping(context.Context) error             { return nil }
func (b *bell) Schema() string                         { return "" }
func (b *bell) SetAfterConnectExec(string)             {}
