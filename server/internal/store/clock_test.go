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

func TestWhatAClockThatHadJumpedHasLeftToTheJobsHeals(t *testing.T) {
	healEvery = 50 * time.Millisecond
	t.Cleanup(func() { healEvery = time.Minute })
	for _, test := range []struct {
		name   string
		before bool
	}{{"at the next start", true}, {"while they run", false}} {
		t.Run(test.name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, url string) {
				s := open(t, url)
				l := &life{T: t, s: s, nowAt: time.Now()}
				jump := func() {
					l.tx(func(tx *Tx) error { return tx.Jobs.Insert(t.Context(), chore{"late"}) })
					future := time.Now().AddDate(10, 0, 0).UTC().Format("2006-01-02 15:04:05.000")
					fill(t, s, `UPDATE river_job SET scheduled_at = '`+future+`' WHERE kind = 'chore' AND state <> 'completed'`,
						`INSERT INTO river_leader (elected_at, expires_at, leader_id) VALUES ('`+future+`', '`+future+`', 'gone')
						 ON CONFLICT (name) DO UPDATE SET elected_at = excluded.elected_at, expires_at = excluded.expires_at, leader_id = excluded.leader_id`)
				}
				if test.before {
					jump()
				}
				done := make(chan string, 100)
				workers := river.NewWorkers()
				river.AddWorker(workers, chores{done: done})
				stop, err := s.Work(workers, []*river.PeriodicJob{
					river.NewPeriodicJob(river.PeriodicInterval(time.Hour), func() (river.JobArgs, *river.InsertOpts) { return chore{"of the leader"}, nil },
						&river.PeriodicJobOpts{RunOnStart: true}),
				}, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				defer stop(t.Context())
				if !test.before {
					jump()
				}
				for missing := map[string]bool{"late": true, "of the leader": true}; len(missing) > 0; {
					select {
					case name := <-done:
						delete(missing, name)
					case <-time.After(30 * time.Second):
						t.Fatalf("not done: %v", missing)
					}
				}
			})
		})
	}
}
