package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

func TestWhoWouldWaitTooLongIsRefusedAtOnce(t *testing.T) {
	for _, c := range []struct {
		each time.Duration // that a turn takes
		room int           // how many may wait
	}{
		{0, mostWaiting},
		{time.Microsecond, mostWaiting},
		{2 * time.Millisecond, 501},
		{time.Second, freeWaiting}, // so many are healthy load, on any disk
	} {
		var q queue
		for range 200 {
			q.took(10*c.each, 10)
		}
		waiting := 0
		for q.join() == nil {
			waiting++
		}
		if waiting < c.room-10 || waiting > c.room+10 {
			t.Errorf("with turns of %v, %d wait, want about %d", c.each, waiting, c.room)
		}
		q.quit()
		if err := q.join(); err != nil {
			t.Errorf("no room for one more when one has gone: %v", err)
		}
		if err := q.join(); !errors.Is(sqliteFile.errorOf(err), ErrUnavailable) || !errors.Is(postgreSQL.errorOf(err), ErrUnavailable) {
			t.Errorf("got %v, which will be possible again", err)
		}
	}
}

func TestWhereNothingMovesNewcomersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started = time.Now()
		var q queue
		time.Sleep(time.Hour) // nobody was there
		for range 2 * freeWaiting {
			if err := q.join(); err != nil {
				t.Fatalf("many come at once, and are refused: %v", err)
			}
		}
		time.Sleep(longestWait + 1)
		if q.join() == nil {
			t.Error("nothing has moved for too long, and one more waits")
		}
		q.took(time.Millisecond, 1)
		if err := q.join(); err != nil {
			t.Errorf("something has moved, and nobody may wait: %v", err)
		}
	})
}

func TestJobsAreNotRefusedAndLeaveTurnsToRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started = time.Now()
		turns, job := newTurns(), withPatience(t.Context(), jobDeadline)
		var jobs sync.WaitGroup
		for range turnsAtOnce {
			jobs.Go(func() { turns.take(job, false, func() error { time.Sleep(time.Second); return nil }) })
		}
		synctest.Wait()
		if !turns.free.TryAcquire(turnsAtOnce - jobTurnsAtOnce) {
			t.Error("jobs have the turns of requests")
		} else {
			turns.free.Release(turnsAtOnce - jobTurnsAtOnce)
		}
		jobs.Wait()

		refused := 0
		err := patiently(job, func() error {
			if refused == 100 {
				return nil
			}
			refused++
			return errCrowded
		})
		if err != nil || refused != 100 {
			t.Errorf("a job was refused %d times: %v", refused, err)
		}
		if err := patiently(t.Context(), func() error { return errCrowded }); err != errCrowded {
			t.Errorf("a request that is refused gets %v", err)
		}
		over, end := context.WithTimeout(job, time.Minute)
		defer end()
		if err := patiently(over, func() error { return errCrowded }); err != errCrowded {
			t.Errorf("a job whose time is over gets %v", err)
		}
	})
}

func TestASharedTransactionRunsNoStatementThatDoesNotSayWhatItLocks(t *testing.T) {
	s := open(t, pgtest.URL(t))
	for name, read := range map[string]func(tx *Tx) error{
		"reads": func(tx *Tx) error { _, err := tx.Keys.List(t.Context(), "x"); return err },
		"reads to write": func(tx *Tx) error {
			return tx.Auth.exec(t.Context(), `UPDATE accounts SET avatar_image_id = '' WHERE number = (SELECT account FROM sessions WHERE token_hash = 'x')`)
		},
		"reads to delete":   func(tx *Tx) error { _, err := tx.Roles.DeleteRest(t.Context(), "x", 1); return err },
		"counts by reading": func(tx *Tx) error { _, err := tx.Audit.Count(t.Context(), "x"); return err },
	} {
		if err := s.SharedTx(t.Context(), read); err == nil || !strings.Contains(err.Error(), "must say what it locks") {
			t.Errorf("one that %s: got %v", name, err)
		}
		if err := s.Tx(t.Context(), read); err != nil {
			t.Errorf("one that %s, and is not shared: %v", name, err)
		}
	}
}

// What a shared transaction relies on stays until it ends: who deletes a server waits for who adds to it, and removes that, too.
func TestWhatASharedTransactionReliesOnStaysUntilItsEnd(t *testing.T) {
	s := open(t, pgtest.URL(t))
	l := &life{T: t, s: s, nowAt: time.Now()}
	owner := l.account()
	id := l.server(owner)
	deleted := make(chan error, 1)
	l.must(s.SharedTx(t.Context(), func(tx *Tx) error {
		_, err := tx.Servers.GetAsMember(t.Context(), id, owner)
		l.must(err)
		go func() {
			deleted <- s.Tx(t.Context(), func(tx *Tx) error { return tx.Servers.Delete(t.Context(), id) })
		}()
		for waits := false; !waits; time.Sleep(time.Millisecond) {
			select {
			case err := <-deleted:
				t.Fatalf("the server was deleted meanwhile: %v", err)
			default:
			}
			l.must(s.read.db.QueryRowContext(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
			 WHERE NOT l.granted AND a.datname = current_database())`).Scan(&waits))
		}
		return tx.Channels.Insert(t.Context(), gen.Channel{ID: l.id(), ServerID: id, ChannelType: "open", CreatedAt: l.now(), UpdatedAt: l.now()}, owner, false)
	}))
	l.must(<-deleted)
	for more := true; more; {
		l.tx(func(tx *Tx) (err error) {
			more, err = tx.Servers.DeleteRest(t.Context(), id, 100, time.Now())
			return err
		})
	}
	var left int
	l.must(s.read.db.QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM channels) + 
	       (SELECT COUNT(*) FROM (SELECT whose FROM tallies WHERE kind <> 'audit' GROUP BY whose, kind HAVING SUM(n) <> 0) AS counted)`).Scan(&left))
	if left != 0 {
		t.Errorf("%d rows are left of a server that was deleted", left)
	}
}
