package store

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
)

type chore struct {
	Name string `json:"name"`
}

func (chore) Kind() string { return "chore" }

type chores struct {
	river.WorkerDefaults[chore]
	done chan string
}

func (w chores) Work(_ context.Context, job *river.Job[chore]) error {
	w.done <- job.Args.Name
	return nil
}

func TestWhatAClockThatHadJumpedHasLeftToTheJobsHealsAtTheNextStart(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		l.tx(func(tx *Tx) error { return tx.Jobs.Insert(t.Context(), chore{"late"}) })
		future := time.Now().AddDate(10, 0, 0).UTC().Format("2006-01-02 15:04:05.000")
		fill(t, s, `UPDATE river_job SET scheduled_at = '`+future+`' WHERE kind = 'chore'`,
			`INSERT INTO river_leader (elected_at, expires_at, leader_id) VALUES ('`+future+`', '`+future+`', 'gone')`)
		work := chores{done: make(chan string, 10)}
		workers := river.NewWorkers()
		river.AddWorker(workers, work)
		stop, err := s.Work(workers, []*river.PeriodicJob{
			river.NewPeriodicJob(river.PeriodicInterval(time.Hour), func() (river.JobArgs, *river.InsertOpts) { return chore{"of the leader"}, nil },
				&river.PeriodicJobOpts{RunOnStart: true}),
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer stop(t.Context())
		for missing := map[string]bool{"late": true, "of the leader": true}; len(missing) > 0; {
			select {
			case name := <-work.done:
				delete(missing, name)
			case <-time.After(30 * time.Second):
				t.Fatalf("not done: %v", missing)
			}
		}
	})
}
