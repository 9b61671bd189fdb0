package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
)

// A crowd are transactions that wait in the lane while another one has the turn, so that all of them are one group.
type crowd struct {
	*testing.T
	s    *Store
	lane *lane
}

func crowdOn(t *testing.T) crowd {
	t.Helper()
	t.Parallel()
	s := open(t, onSQLite(t))
	session, err := s.write.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := crowd{T: t, s: s}
	if err := session.Raw(func(conn any) error { c.lane = conn.(*writer).lane; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

// together runs all of them, one after another, as one group, and returns their errors.
func (c crowd) together(all ...func(ctx context.Context, tx *Tx) error) []error {
	c.Helper()
	errs := make([]error, len(all))
	var group sync.WaitGroup
	begun, goOn := make(chan struct{}), make(chan struct{})
	run := func(i int, before func()) {
		group.Go(func() {
			errs[i] = c.s.Tx(c.Context(), func(tx *Tx) error {
				before()
				return all[i](c.Context(), tx)
			})
		})
	}
	run(0, func() { close(begun); <-goOn })
	<-begun
	for i := range all[1:] {
		run(i+1, func() {})
		c.waitFor(i + 1)
	}
	close(goOn)
	group.Wait()
	return errs
}

// waitFor waits until so many wait for a turn.
func (c crowd) waitFor(n int) {
	for c.lane.waiting.Load() < int64(n) {
		time.Sleep(100 * time.Microsecond)
	}
}

// count adds one to a counter of that name.
func count(name string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		return tx.Auth.exec(ctx, `INSERT INTO counters (name, value) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1`, name)
	}
}

func (c crowd) counted(name string) (n int) {
	c.Helper()
	if err := c.s.read.db.QueryRow(`SELECT COALESCE(SUM(value), 0) FROM counters WHERE name = $1`, name).Scan(&n); err != nil {
		c.Fatal(err)
	}
	return n
}

// commits is how many commits have touched the counters.
func (c crowd) commits() uint64 { return c.lane.changes.table("counters").Load() / 2 }

func TestThoseWhoWaitAreCommittedTogether(t *testing.T) {
	c := crowdOn(t)
	all := make([]func(context.Context, *Tx) error, 50)
	for i := range all {
		all[i] = count("x")
	}
	before := c.commits()
	if err := errors.Join(c.together(all...)...); err != nil {
		t.Fatal(err)
	}
	if n := c.counted("x"); n != len(all) {
		t.Errorf("counted %d, want %d", n, len(all))
	}
	if n := c.commits() - before; n != 1 {
		t.Errorf("%d commits for %d who waited, want 1", n, len(all))
	}
}

func TestAGroupIsNotEndless(t *testing.T) {
	c := crowdOn(t)
	all := make([]func(context.Context, *Tx) error, mostMembers+1)
	for i := range all {
		all[i] = count("x")
	}
	before := c.commits()
	if err := errors.Join(c.together(all...)...); err != nil {
		t.Fatal(err)
	}
	if n := c.commits() - before; n != 2 {
		t.Errorf("%d commits, want 2", n)
	}
}

func TestOneThatFailsIsRolledBackAlone(t *testing.T) {
	c := crowdOn(t)
	wrong := errors.New("wrong")
	errs := c.together(count("a"), func(ctx context.Context, tx *Tx) error {
		return errors.Join(wrong, count("b")(ctx, tx))
	}, func(ctx context.Context, tx *Tx) error {
		return tx.Auth.exec(ctx, `INSERT INTO counters (name, value) VALUES ('a', 1)`)
	}, count("a"))
	if errs[0] != nil || errs[3] != nil || !errors.Is(errs[1], wrong) || !errors.Is(errs[2], ErrDuplicate) {
		t.Errorf("got %v", errs)
	}
	if a, b := c.counted("a"), c.counted("b"); a != 2 || b != 0 {
		t.Errorf("counted %d and %d, want 2 and 0", a, b)
	}
}

func TestACommitThatFailsFailsForAll(t *testing.T) {
	c := crowdOn(t)
	errs := c.together(count("a"), func(ctx context.Context, tx *Tx) error { // is refused for what has not come to be
		return tx.Auth.exec(ctx, `INSERT INTO counters (name, value) VALUES ('a', 1)`)
	}, func(ctx context.Context, tx *Tx) error {
		return errors.Join(
			tx.Auth.exec(ctx, `PRAGMA defer_foreign_keys = ON`), // what is wrong is seen by the commit
			tx.Auth.exec(ctx, `INSERT INTO sessions (token_hash, account, created_at, expires_at) VALUES ('x', 77, 0, 0)`))
	}, count("a"))
	for i, err := range errs {
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDuplicate) {
			t.Errorf("%d: got %v, want ErrUnavailable", i, err)
		}
	}
	if n := c.counted("a"); n != 0 {
		t.Errorf("counted %d, want 0", n)
	}
	if err := c.s.Tx(t.Context(), func(tx *Tx) error { return count("a")(t.Context(), tx) }); err != nil || c.counted("a") != 1 {
		t.Errorf("the next one: %v, counted %d", err, c.counted("a"))
	}
}

// A full disk makes SQLite give up the whole transaction. Nobody of it may believe to be kept, nor go on outside of it; who
// comes next has a group of their own.
func TestAFullDiskFailsForAllWhoseTransactionItIs(t *testing.T) {
	c := crowdOn(t)
	limit := func(pages string) {
		t.Helper()
		if _, err := c.s.write.db.Exec(`PRAGMA max_page_count = ` + pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // as many as there are
	errs := c.together(count("a"), func(ctx context.Context, tx *Tx) error {
		err := tx.Auth.exec(ctx, `INSERT INTO counters (name, value) VALUES (hex(zeroblob(1000000)), 1)`)
		if err == nil {
			t.Error("there was room")
		}
		count("b")(ctx, tx) // as if nothing had been
		return nil
	}, count("a"))
	if !errors.Is(errs[0], ErrUnavailable) || !errors.Is(errs[1], ErrUnavailable) || errs[2] != nil {
		t.Errorf("got %v, want ErrUnavailable twice, and success", errs)
	}
	if a, b := c.counted("a"), c.counted("b"); a != 1 || b != 0 {
		t.Errorf("counted %d and %d, want 1 and 0", a, b)
	}
	limit("1000000")
	if errs := c.together(count("a"), count("a")); errors.Join(errs...) != nil || c.counted("a") != 3 {
		t.Errorf("afterwards: %v, counted %d", errs, c.counted("a"))
	}
}

func TestAPanicComesBackToItsCallerAndHoldsUpNobody(t *testing.T) {
	c := crowdOn(t)
	func() {
		defer func() {
			if caught := recover(); caught != "mine" {
				t.Errorf("caught %v", caught)
			}
		}()
		c.s.Tx(t.Context(), func(tx *Tx) error { return errors.Join(count("b")(t.Context(), tx), panicking()) })
	}()
	if err := errors.Join(c.together(count("a"), count("a"))...); err != nil || c.counted("a") != 2 || c.counted("b") != 0 {
		t.Errorf("the next ones: %v, counted %d and %d", err, c.counted("a"), c.counted("b"))
	}
}

func panicking() error { panic("mine") }

func TestWhoHasGoneIsNotRunAndHoldsUpNobody(t *testing.T) {
	c := crowdOn(t)
	ctx, cancel := context.WithCancel(t.Context())
	var gone sync.WaitGroup
	err := errors.Join(c.together(func(_ context.Context, tx *Tx) error {
		gone.Go(func() {
			err := c.s.Tx(ctx, func(tx *Tx) error { return count("b")(t.Context(), tx) })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
		c.waitFor(2)
		cancel()
		return count("a")(t.Context(), tx)
	}, count("a"))...)
	gone.Wait()
	if a, b := c.counted("a"), c.counted("b"); err != nil || a != 2 || b != 0 {
		t.Errorf("%v, counted %d and %d, want 2 and 0", err, a, b)
	}
}

// The context of a request does not reach the lane: a statement that is interrupted could take the group with it.
func TestWhoGoesInTheMiddleIsRolledBackAlone(t *testing.T) {
	c := crowdOn(t)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	err := errors.Join(c.together(func(_ context.Context, tx *Tx) error {
		group.Go(func() {
			err := c.s.Tx(ctx, func(tx *Tx) error {
				if err := count("b")(ctx, tx); err != nil {
					t.Error(err)
				}
				cancel()
				return count("b")(ctx, tx)
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
		c.waitFor(2)
		return count("a")(t.Context(), tx)
	}, count("a"))...)
	group.Wait()
	if a, b := c.counted("a"), c.counted("b"); err != nil || a != 2 || b != 0 {
		t.Errorf("%v, counted %d and %d, want 2 and 0", err, a, b)
	}
}

func TestNobodyWaitsLongerThanTheyWantTo(t *testing.T) {
	c := crowdOn(t)
	errs := c.together(func(ctx context.Context, tx *Tx) error {
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		// While this one has the turn.
		if err := c.s.Tx(short, func(*Tx) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a transaction: got %v, want context.DeadlineExceeded", err)
		}
		if err := c.s.Probe(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a ping: got %v, want context.DeadlineExceeded", err)
		}
		return count("a")(ctx, tx)
	}, count("a"))
	if err := errors.Join(errs...); err != nil || c.counted("a") != 2 {
		t.Errorf("%v, counted %d", err, c.counted("a"))
	}
}

// A group is left to whoever waits. If they go away at that very moment, somebody else must end it.
func TestNobodyIsLeftBehindByThoseWhoGoAway(t *testing.T) {
	c := crowdOn(t)
	var group sync.WaitGroup
	var kept atomic.Int64
	for i := range 16 {
		group.Go(func() {
			for range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, cancel)
				}
				switch err := c.s.Tx(ctx, func(tx *Tx) error { return count("a")(t.Context(), tx) }); {
				case err == nil:
					kept.Add(1)
				case !errors.Is(err, context.Canceled):
					t.Error(err)
				}
				cancel()
			}
		})
	}
	group.Wait()
	if n := c.counted("a"); int64(n) != kept.Load() || n < 1600 {
		t.Errorf("counted %d, and %d were acknowledged", n, kept.Load())
	}
}

func TestTooManyWhoWaitAreRefusedAtOnce(t *testing.T) {
	c := crowdOn(t)
	c.lane.waiting.Add(mostWaiting)
	if err := c.s.Tx(t.Context(), func(tx *Tx) error { return nil }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	c.lane.waiting.Add(-mostWaiting)
	if err := errors.Join(c.together(count("a"))...); err != nil {
		t.Error(err)
	}
}

// Whoever has left is committed; whoever waits, or comes later, is refused; nobody is kept, and nothing is opened again.
func TestClosingEndsWhatHasLeftAndRefusesTheOthers(t *testing.T) {
	c := crowdOn(t)
	closed := make(chan error, 1)
	var late sync.WaitGroup
	errs := c.together(count("a"), func(ctx context.Context, tx *Tx) error {
		go func() { closed <- c.lane.Close() }()
		time.Sleep(20 * time.Millisecond) // until it waits for the turn
		late.Go(func() {
			if err := c.s.Tx(t.Context(), func(tx *Tx) error { return count("b")(t.Context(), tx) }); !errors.Is(err, errLaneClosed) {
				t.Errorf("who came later: got %v, want errLaneClosed", err)
			}
		})
		c.waitFor(1)
		return count("a")(ctx, tx)
	})
	late.Wait()
	if err := errors.Join(append(errs, <-closed)...); err != nil {
		t.Error(err)
	}
	if a, b := c.counted("a"), c.counted("b"); a != 2 || b != 0 {
		t.Errorf("counted %d and %d, want 2 and 0", a, b)
	}
	if err := c.s.Tx(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, errLaneClosed) {
		t.Errorf("afterwards: got %v, want errLaneClosed", err)
	}
}

// A statement may be run again while its rows are being read, and one outside of a transaction is one by itself.
func TestStatementsOfTheLaneDoNotDisturbEachOther(t *testing.T) {
	c := crowdOn(t)
	ctx := t.Context()
	const text = `SELECT name FROM counters ORDER BY name`
	if err := errors.Join(c.together(count("a"), count("b"))...); err != nil {
		t.Fatal(err)
	}
	names := func(q interface {
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	}, inside func()) (names []string) {
		rows, err := q.QueryContext(ctx, text)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			inside()
		}
		return names
	}
	want := []string{"a", "account", "b"}
	err := c.s.Tx(ctx, func(tx *Tx) error {
		got := names(tx.Jobs.tx, func() {
			if inner := names(tx.Jobs.tx, func() {}); !slices.Equal(inner, want) {
				t.Errorf("got %v, want %v", inner, want)
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(c.s.write.db, func() {}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := c.s.write.db.Exec(`INSERT INTO counters (name, value) VALUES ('a', 1)`); err == nil {
		t.Error("a duplicate was added")
	}
	var value int
	if err := c.s.write.db.QueryRow(`UPDATE counters SET value = 7 WHERE name = 'a' RETURNING value`).Scan(&value); err != nil || value != 7 || c.counted("a") != 7 {
		t.Errorf("%v, %d, counted %d, want 7", err, value, c.counted("a"))
	}
}

// A job is there if the transaction that it follows from is, whoever else is in their group.
func TestJobsShareTheLane(t *testing.T) {
	c := crowdOn(t)
	undone := errors.New("undone")
	insert := func(name string) func(context.Context, *Tx) error {
		return func(ctx context.Context, tx *Tx) error { return tx.Jobs.Insert(ctx, noted{name}) }
	}
	errs := c.together(count("a"), insert("kept"), func(ctx context.Context, tx *Tx) error {
		return errors.Join(undone, insert("undone")(ctx, tx))
	}, count("a"))
	if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], undone) || errs[3] != nil || c.counted("a") != 2 {
		t.Fatalf("got %v, counted %d", errs, c.counted("a"))
	}
	ran := make(chan string, 2)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, job *river.Job[noted]) error {
		ran <- job.Args.Name
		return nil
	}))
	stop, err := c.s.Work(workers, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if name := <-ran; name != "kept" {
		t.Errorf("the job %s ran", name)
	}
	if err := errors.Join(c.together(count("a"), insert("later"))...); err != nil {
		t.Fatal(err)
	}
	if name := <-ran; name != "later" {
		t.Errorf("the job %s ran", name)
	}
	stop(t.Context())
}

type noted struct {
	Name string `json:"name"`
}

func (noted) Kind() string { return "noted" }
