package server

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// What is not exact of the leaderboards of a server is brought up to date by one job at a time, over all replicas, for as long as
// somebody looks at them.
const (
	boardsRefreshEvery = 20 * time.Second // so that with the job's own time it is less than a minute
	boardsWatchedFor   = 5 * time.Minute  // after somebody has looked
	boardsKeptFor      = 24 * time.Hour   // then what is computed is removed
	boardsAtOnce       = 250              // accounts in one step
	touchedAtOnce      = 50               // in all standings of the server
	standingsAtOnce    = 50
	boardsRetryAfter   = 5 * time.Second
	boardsLeaveOff     = 20 * time.Second // before the run would be called off
)

// boardsRefresh is that job.
type boardsRefresh struct {
	ServerID string `json:"serverId"`
}

// Kind is the name of the job in the database.
func (boardsRefresh) Kind() string { return "boards_refresh" }

// InsertOpts lets no two of one server wait or run at once.
func (boardsRefresh) InsertOpts() river.InsertOpts {
	return river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}}
}

type boardsRefresher struct {
	river.WorkerDefaults[boardsRefresh]
	*core
}

// NextRetry is soon: no other job of the server comes before that one.
func (w boardsRefresher) NextRetry(*river.Job[boardsRefresh]) time.Time {
	return time.Now().Add(boardsRetryAfter)
}

// Work brings the leaderboards up to date as far as one run may go, and asks to be run again for the rest, or as long as somebody
// looks. After a crash it goes on where it was.
func (w boardsRefresher) Work(ctx context.Context, job *river.Job[boardsRefresh]) error {
	again, after, err := w.refreshBoards(ctx, job.Args.ServerID)
	if err != nil || !again {
		return err
	}
	return river.JobSnooze(after)
}

// refreshBoards does what there is to do for the leaderboards of a server, and tells whether and when there is more.
func (k *core) refreshBoards(ctx context.Context, serverID string) (again bool, after time.Duration, err error) {
	if _, err := k.store.Servers.Get(ctx, serverID); errors.Is(err, store.ErrNotFound) {
		return false, 0, nil
	} else if err != nil {
		return false, 0, err
	}
	rules, err := k.store.Gamification.Get(ctx, serverID)
	if err != nil {
		return false, 0, err
	}
	rest, watched := false, false
	more, err := k.refreshTouched(ctx, serverID)
	if err != nil {
		return false, 0, err
	}
	rest = more
	for last := ""; ; {
		found, err := k.store.Leaderboards.ListStandings(ctx, serverID, last, standingsAtOnce)
		if err != nil {
			return false, 0, err
		}
		for _, st := range found {
			if isNearlyOver(ctx) {
				return true, 0, nil
			}
			last = st.ID
			more, looks, err := k.refreshStanding(ctx, st, zoneOf(rules.Zone))
			if err != nil {
				return false, 0, err
			}
			rest, watched = rest || more, watched || looks
		}
		if len(found) < standingsAtOnce {
			break
		}
	}
	if rest {
		return true, 0, nil
	}
	return watched, boardsRefreshEvery, nil
}

// isNearlyOver tells whether a run is about to be called off.
func isNearlyOver(ctx context.Context) bool {
	ends, is := ctx.Deadline()
	return is && time.Until(ends) < boardsLeaveOff
}

// inSharedSteps is inSteps in shared transactions.
func (k *core) inSharedSteps(ctx context.Context, some func(tx *store.Tx) (more bool, err error)) (more bool, err error) {
	for range removalSteps {
		if more, err = inSharedTx(ctx, k, some); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// refreshTouched brings members up to date of whom something else than days and totals has changed, and tells whether there may be more.
// Some are taken, and forgotten when all standings have them. Whoever is touched meanwhile is taken again.
func (k *core) refreshTouched(ctx context.Context, serverID string) (more bool, err error) {
	for range removalSteps {
		last, err := inSharedTx(ctx, k, func(tx *store.Tx) (int64, error) { return tx.Leaderboards.TakeTouched(ctx, serverID, touchedAtOnce) })
		if err != nil || last == 0 {
			return false, err
		}
		for next, first := "", true; first || next != ""; first = false {
			if isNearlyOver(ctx) {
				return true, nil
			}
			if next, err = inSharedTx(ctx, k, func(tx *store.Tx) (string, error) { return refreshTakenIn(ctx, tx, serverID, next) }); err != nil {
				return false, err
			}
		}
		if _, err := inSharedTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
			return none, tx.Leaderboards.DeleteTouched(ctx, serverID, last)
		}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// refreshTakenIn brings those who were taken up to date in some standings behind one, and returns the last of these, if there may be
// more.
func refreshTakenIn(ctx context.Context, tx *store.Tx, serverID, after string) (last string, err error) {
	found, err := tx.Leaderboards.ListStandings(ctx, serverID, after, standingsAtOnce)
	for i := 0; i < len(found) && err == nil; i++ {
		step, ranks, failed := boardStepOf(ctx, tx.Queries, found[i])
		if err = failed; err == nil && ranks {
			step.Drive, step.Some = store.Touched, touchedAtOnce
			_, err = tx.Leaderboards.Step(ctx, step)
		}
	}
	if err != nil || len(found) < standingsAtOnce {
		return "", err
	}
	return found[len(found)-1].ID, nil
}

// boardStepOf is a step of a standing, but for whom it goes through. One that is exact or has ended ranks nobody by itself.
func boardStepOf(ctx context.Context, q store.Queries, st store.Standing) (step store.StandingStep, ranks bool, err error) {
	board, err := q.Leaderboards.Get(ctx, st.LeaderboardID)
	if errors.Is(err, store.ErrNotFound) {
		return step, false, nil
	}
	step = store.StandingStep{Standing: st, Of: rankingFields[board.RankBy], Some: boardsAtOnce}
	if step.Of == 0 {
		step.Field = board.RankBy
	}
	return step, err == nil && !st.Ended && !isExact(st, board), err
}

func isExact(st store.Standing, board gen.Leaderboard) bool {
	return st.Everybody && rankingFields[board.RankBy] != 0 && daySpan{st.From, st.Until} == allDays
}

// refreshStanding brings a standing up to date as far as one run goes, and tells whether there is more, and whether anybody looks at
// it.
func (k *core) refreshStanding(ctx context.Context, st store.Standing, zone *time.Location) (more, watched bool, err error) {
	now := k.now()
	board, err := k.store.Leaderboards.Get(ctx, st.LeaderboardID)
	gone := errors.Is(err, store.ErrNotFound)
	if err != nil && !gone {
		return false, false, err
	}
	over := !gone && spanOf(board, gen.LeaderboardFilter(st.Filter), now, zone) != daySpan{st.From, st.Until}
	if !st.Ended && (gone || over || now.Sub(st.ReadAt) > boardsKeptFor) {
		if _, err := inSharedTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) { return none, tx.Leaderboards.EndStanding(ctx, st.ID) }); err != nil {
			return false, false, err
		}
		st.Ended = true
	}
	if st.Ended {
		more, err = k.inSharedSteps(ctx, func(tx *store.Tx) (bool, error) { return tx.Leaderboards.DeleteStanding(ctx, st.ID, removedAtOnce) })
		return more, false, err
	}
	if now.Sub(st.ReadAt) > boardsWatchedFor {
		return false, false, nil
	}
	more, err = k.inSharedSteps(ctx, func(tx *store.Tx) (bool, error) { return k.refreshSome(ctx, tx, &st, board, zone) })
	if errors.Is(err, store.ErrNotFound) { // the server was deleted
		return false, false, nil
	}
	return more, true, err
}

// refreshSome is a step of refreshStanding.
func (k *core) refreshSome(ctx context.Context, tx *store.Tx, st *store.Standing, board gen.Leaderboard, zone *time.Location) (more bool, err error) {
	before := *st // a transaction that is run again begins where it began
	next := before
	if next.Progress.Climb != nil {
		climb := *next.Progress.Climb
		next.Progress.Climb = &climb
	}
	exact := isExact(next, board)
	if !exact {
		if more, err = k.rankSome(ctx, tx, &next, dayOf(k.now(), zone)); err != nil {
			return false, err
		}
	}
	if !more && (exact || next.Progress.Built) {
		if more, err = k.climbSome(ctx, tx, &next, board, exact); err != nil {
			return false, err
		}
	}
	if err := tx.Leaderboards.NoteProgress(ctx, before, next); err != nil {
		return false, err
	}
	*st = next
	return more, nil
}

// rankSome brings some more members of a standing up to date: all of them once, and then those who did something since the day before.
func (k *core) rankSome(ctx context.Context, tx *store.Tx, st *store.Standing, today int64) (more bool, err error) {
	step, ranks, err := boardStepOf(ctx, tx.Queries, *st)
	if err != nil || !ranks {
		return false, err
	}
	p, now := &st.Progress, k.now()
	at, computed := st.ComputedAt.Get()
	switch {
	case !p.Built:
		if p.AsOf.IsZero() {
			p.AsOf, p.Since = now, today
		}
		step.Drive, step.After = store.AllMembers, p.Account
		if p.Account, err = tx.Leaderboards.Step(ctx, step); err != nil || p.Account > 0 {
			return true, err
		}
		p.Built = true
		st.ComputedAt = gen.NullableOf(gen.Time{Time: p.AsOf})
		return false, nil
	case !p.Pass && computed && now.Sub(at.Time) < boardsRefreshEvery:
		return false, nil
	case step.Field != "": // whoever is given a value is touched
		st.ComputedAt = gen.NullableOf(gen.Time{Time: now})
		return false, nil
	case !p.Pass:
		p.Pass, p.Day, p.Today, p.Account, p.AsOf = true, max(st.From, p.Since-1), today, 0, now
	}
	step.Drive, step.Day, step.After = store.ActiveOn, p.Day, p.Account
	if p.Account, err = tx.Leaderboards.Step(ctx, step); err != nil || p.Account > 0 {
		return true, err
	}
	if p.Day, err = tx.Leaderboards.NextActive(ctx, st.ServerID, p.Day+1, p.Today); err != nil || p.Day > 0 {
		return true, err
	}
	p.Pass, p.Since = false, p.Today
	st.ComputedAt = gen.NullableOf(gen.Time{Time: p.AsOf})
	return false, nil
}

// climbSome counts some more of a standing, if somebody has asked for a place far down in it.
func (k *core) climbSome(ctx context.Context, tx *store.Tx, st *store.Standing, board gen.Leaderboard, exact bool) (more bool, err error) {
	p, now := &st.Progress, k.now()
	if p.Climb == nil {
		if now.Sub(st.DeepAt) > boardsWatchedFor || p.Turn > 0 && now.Sub(p.TurnAt) < boardsRefreshEvery {
			return tx.Leaderboards.DeleteLadders(ctx, st.ID, p.Turn, removedAtOnce)
		}
		p.Climb = &store.Climb{At: now}
	}
	ranking := store.Ranking{Owner: st.ID}
	if exact {
		ranking = store.Ranking{Owner: st.ServerID, Of: rankingFields[board.RankBy]}
	}
	if more, err = tx.Leaderboards.ClimbSome(ctx, ranking, st.ID, p.Turn+1, p.Climb); err != nil || more {
		return true, err
	}
	p.Turn, p.TurnAt, p.Climb = p.Turn+1, p.Climb.At, nil
	return true, nil // the ladder before is removed
}

// forgottenAtOnce is how many servers the sweep wakes at once.
const forgottenAtOnce = 100

// wakeBoards has what was computed of leaderboards removed that nobody has looked at for long.
func (k *core) wakeBoards(ctx context.Context) error {
	_, err := inSharedTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
		found, err := tx.Leaderboards.ListForgotten(ctx, k.now().Add(-boardsKeptFor), forgottenAtOnce)
		for i := 0; i < len(found) && err == nil; i++ {
			err = tx.Jobs.Insert(ctx, boardsRefresh{ServerID: found[i]})
		}
		return none, err
	})
	return err
}
