package server

import (
	"context"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/riverqueue/river"
)

// sweepEvery is how often what has expired is removed. It has no effect before that either.
const sweepEvery = time.Hour

// sweep is the job of removing it.
type sweep struct{}

// Kind is the name of the job in the database.
func (sweep) Kind() string { return "sweep" }

type sweeper struct {
	river.WorkerDefaults[sweep]
	*core
}

// Work removes the sessions, codes and kept answers that have expired.
func (w sweeper) Work(ctx context.Context, _ *river.Job[sweep]) error {
	return w.store.Tx(ctx, func(tx *store.Tx) error {
		if err := tx.Auth.DeleteExpired(ctx, w.now()); err != nil {
			return err
		}
		return tx.Idempotency.DeleteExpired(ctx, w.now())
	})
}

// removal is the job of removing what a deleted server has left.
type removal struct {
	ServerID string `json:"serverId"`
}

// Kind is the name of the job in the database.
func (removal) Kind() string { return "removal" }

// How many rows one transaction of a removal takes, and how many of those one run of it: others have their turn in between.
const (
	removedAtOnce = 500
	removalSteps  = 100
)

type remover struct {
	river.WorkerDefaults[removal]
	*core
}

// Work removes a part, and asks to be run again for the rest.
func (w remover) Work(ctx context.Context, job *river.Job[removal]) error {
	for range removalSteps {
		more := false
		if err := w.store.Tx(ctx, func(tx *store.Tx) (err error) {
			more, err = tx.Servers.DeleteRest(ctx, job.Args.ServerID, removedAtOnce)
			return err
		}); err != nil || !more {
			return err
		}
	}
	return river.JobSnooze(0)
}

// startJobs begins the background work of the server.
func (k *core) startJobs() (stop func(context.Context), err error) {
	own := *k // a test that changes the clock of the requests must not do so under a running job
	workers := river.NewWorkers()
	river.AddWorker(workers, codeMailWorker{core: &own})
	river.AddWorker(workers, sweeper{core: &own})
	river.AddWorker(workers, remover{core: &own})
	return k.store.Work(workers, []*river.PeriodicJob{
		river.NewPeriodicJob(river.PeriodicInterval(sweepEvery), func() (river.JobArgs, *river.InsertOpts) { return sweep{}, nil },
			&river.PeriodicJobOpts{RunOnStart: true}),
	}, k.log)
}
