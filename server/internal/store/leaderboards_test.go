package store

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasLeaderboards gives a server a leaderboard, and another one that is deleted, and does all that can be done with one.
func (l *life) hasLeaderboards(serverID string, ann, ben int64) {
	ctx, check := l.Context(), l.check
	board := gen.Leaderboard{ID: l.id(), CommunityID: serverID, Slug: "april", CreatedAt: gen.Time{Time: l.nowAt}}
	board.RankedUserRoles = gen.LeaderboardAudience{Users: []string{"x"}, Roles: []string{"x"}}
	gone := board
	gone.ID, gone.Slug = l.id(), "gone"
	l.tx(func(tx *Tx) error {
		check(0, tx.Leaderboards.Insert(ctx, board))
		check(0, tx.Leaderboards.Insert(ctx, gone))
		check(0, tx.Leaderboards.Update(ctx, board))
		check(0, tx.Leaderboards.Delete(ctx, serverID, gone.ID))
		return nil
	})
	check(l.s.Leaderboards.List(ctx, serverID))
	check(l.s.Leaderboards.Get(ctx, board.ID))
	check(l.s.Leaderboards.RanksEverybody(ctx, board.ID))
	shown := Standing{ID: "shown", ServerID: serverID, LeaderboardID: board.ID, Filter: "all-time", Until: LastDay, ReadAt: l.nowAt, DeepAt: l.nowAt}
	over := shown
	over.ID, over.LeaderboardID = "over", gone.ID
	shared := func(do func(q Leaderboards)) {
		l.must(l.s.SharedTx(ctx, func(tx *Tx) error { do(tx.Leaderboards); return nil }))
	}
	shared(func(q Leaderboards) {
		check(0, q.InsertStanding(ctx, shown))
		check(0, q.InsertStanding(ctx, over))
		check(0, q.NoteReading(ctx, shown))
		check(0, q.NoteProgress(ctx, Standing{}, Standing{ID: shown.ID, Progress: StandingProgress{Since: 1}}))
		check(0, q.touch(ctx, serverID, ann))
		check(q.TakeTouched(ctx, serverID, 10))
		for _, everybody := range []bool{true, false} {
			for _, of := range []StandingStep{{Of: CountedXP}, {Field: "x"}, {Of: CountedMessages}} {
				for _, drive := range []Driver{AllMembers, ActiveOn, Touched} {
					of.Standing, of.Drive, of.Some, of.Day = shown, drive, 10, 20000
					of.Everybody = everybody
					if of.Of == CountedMessages {
						of.From = 1
					}
					check(q.Step(ctx, of))
				}
			}
		}
		check(0, q.DeleteTouched(ctx, serverID, ann))
		check(0, q.touch(ctx, serverID, ann))
		check(q.NextActive(ctx, serverID, 1, LastDay))
		check(0, q.unrank(ctx, serverID, ben, false))
		check(q.GetStanding(ctx, board.ID, "all-time", 0, LastDay))
		check(q.ListStandings(ctx, serverID, "", 10))
		check(q.ListForgotten(ctx, l.nowAt, 10))
	})
	l.ranks(serverID, ann, shown, shared)
	shared(func(q Leaderboards) {
		check(0, q.EndStanding(ctx, over.ID))
		check(q.DeleteStanding(ctx, over.ID, 10))
	})
	l.tx(func(tx *Tx) error {
		check(0, tx.Leaderboards.EndOfRole(ctx, "x"))
		return tx.Leaderboards.EndStandings(ctx, gone.ID)
	})
}

// ranks looks for places in a standing in every way.
func (l *life) ranks(serverID string, ann int64, shown Standing, shared func(func(q Leaderboards))) {
	ctx, check := l.Context(), l.check
	ladder := &Standing{ID: shown.ID, Progress: StandingProgress{Turn: 1}}
	place := StandingPlace{Value: 0, Account: ann}
	for _, r := range []Ranking{
		{Owner: shown.ID}, {Owner: shown.ID, Positive: true}, {Of: CountedXP, Owner: serverID}, {Of: CountedCoins, Owner: serverID}, {Of: CountedMessages, Owner: serverID},
		{Of: CountedReplies, Owner: serverID}, {Of: CountedReactions, Owner: serverID}, {Of: CountedReferrals, Owner: serverID, Positive: true},
	} {
		if !r.Positive {
			for range 2 { // the second one goes on
				climb := &Climb{Position: 1, Place: StandingPlace{Value: 1e9}}
				shared(func(q Leaderboards) {
					check(q.ClimbSome(ctx, r, fmt.Sprint(shown.ID, r.Of), 1, climb))
					check(q.ClimbSome(ctx, r, fmt.Sprint(shown.ID, r.Of), 2, &Climb{}))
					check(q.DeleteLadders(ctx, fmt.Sprint(shown.ID, r.Of), 3, 10))
				})
			}
		}
		for _, after := range []*StandingPlace{nil, &place} {
			for _, up := range []bool{false, true} {
				check(l.s.Leaderboards.ListRanked(ctx, RankedQuery{Ranking: r, ServerID: serverID, After: after, Up: up, Limit: 10, Fields: up}))
			}
		}
		if _, err := l.s.Leaderboards.GetRanked(ctx, r, ann); err != nil && err != ErrNotFound {
			l.Error(err)
		}
		check(l.s.Leaderboards.CountTies(ctx, r, place, 10))
		most := 1.0
		check(l.s.Leaderboards.countAbove(ctx, r, -1, &most, 10))
		_, _, _, err := l.s.Leaderboards.RankOf(ctx, r, -1, -1, ladder)
		l.must(err)
	}
}

// A rank far down is what counting all would say, however many have the same, and stays near to it while they move.
func TestARankFarDownIsWhatCountingSays(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		server := l.server(l.account())
		fill(t, s,
			`INSERT INTO accounts (number, id, email, display_name, created_at) `+numbersOf(6000)+`SELECT i, 'a' || i, 'a' || i, 'x', i FROM n`,
			// Ties of all lengths: one of 2,400 at 0, and many of one at the top.
			`INSERT INTO totals (server_id, account, xp, coins, visits, is_member) `+numbersOf(6000)+`SELECT '`+server+`', i, CASE WHEN i % 5 < 2 THEN 0 WHEN i % 5 = 2 THEN i % 7 ELSE (i * 7919) % 100003 END, 0, 0, TRUE FROM n`)
		ranking := Ranking{Of: CountedXP, Owner: server}
		standing := Standing{ID: "s", Progress: StandingProgress{Turn: 1}}
		climb := Climb{}
		for more := true; more; {
			l.must(s.SharedTx(t.Context(), func(tx *Tx) (err error) {
				more, err = tx.Leaderboards.ClimbSome(t.Context(), ranking, "s", 1, &climb)
				return err
			}))
		}
		all, err := list(t.Context(), s.Users.conn, func(rows *sql.Rows) (xp float64, err error) { return xp, rows.Scan(&xp) },
			"SELECT xp FROM totals WHERE server_id = $1 AND is_member", server)
		l.must(err)
		slices.Sort(all)
		slices.Reverse(all)
		deep := 0
		for range 300 {
			value := all[rand.IntN(len(all))]
			want := int64(slices.Index(all, value)) + 1
			got, exact, counted, err := s.Leaderboards.RankOf(t.Context(), ranking, value, MostAbove, &standing)
			if err != nil || got != want || !counted {
				t.Fatalf("the rank of %v is %d (%t, %v), want %d", value, got, counted, err, want)
			}
			if !exact {
				deep++
			}
			if exact != (want <= MostAbove+1) {
				t.Errorf("whether rank %d is exact is %t", want, exact)
			}
		}
		if deep < 50 {
			t.Errorf("only %d of them are far down", deep)
		}
		if _, _, counted, err := s.Leaderboards.RankOf(t.Context(), ranking, all[len(all)-1], MostAbove, nil); err != nil || counted {
			t.Errorf("without a ladder it is counted: %t, %v", counted, err)
		}
	})
}

func TestALeaderboardInWhichNothingHasChangedIsNotWritten(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		owner := l.account()
		server := l.server(owner)
		has := func(xp int) {
			fill(t, s, `DELETE FROM totals WHERE server_id = '`+server+`'`,
				fmt.Sprintf(`INSERT INTO totals (server_id, account, xp, coins, visits, is_member) VALUES ('%s', %d, %d, 0, 0, TRUE)`, server, owner, xp))
		}
		shown := Standing{ID: "shown", ServerID: server, LeaderboardID: "x", Filter: "all-time", Until: LastDay, Everybody: true, ReadAt: l.nowAt, DeepAt: l.nowAt}
		writes := func(want bool, what string, do func(q Leaderboards) error) {
			t.Helper()
			l.must(s.SharedTx(t.Context(), func(tx *Tx) error {
				err := do(tx.Leaderboards)
				if tx.Leaderboards.wrote != want {
					t.Errorf("%s: whether it is written is %t", what, !want)
				}
				return err
			}))
		}
		step := func(q Leaderboards) error {
			_, err := q.Step(t.Context(), StandingStep{Standing: shown, Of: CountedXP, Drive: AllMembers, Some: 10})
			return err
		}
		has(5)
		writes(true, "a new standing", func(q Leaderboards) error { return q.InsertStanding(t.Context(), shown) })
		writes(true, "the first value", step)
		writes(false, "the same value", step)
		has(6)
		writes(true, "another value", step)
		if place, err := s.Leaderboards.GetRanked(t.Context(), Ranking{Owner: shown.ID}, owner); err != nil || place.Value != 6 {
			t.Errorf("got %v (%v), want 6", place, err)
		}
		next := shown
		next.Progress.Account = 7
		writes(true, "progress", func(q Leaderboards) error { return q.NoteProgress(t.Context(), shown, next) })
		writes(false, "the same progress", func(q Leaderboards) error { return q.NoteProgress(t.Context(), next, next) })
	})
}

// Whoever is touched while others are brought up to date is brought up to date again, and so is who was taken before a crash.
func TestWhoIsTouchedMeanwhileIsNotForgotten(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		server := l.server(l.account())
		touch := func(accounts ...int64) {
			l.must(s.SharedTx(t.Context(), func(tx *Tx) (err error) {
				for i := 0; i < len(accounts) && err == nil; i++ {
					err = tx.Leaderboards.touch(t.Context(), server, accounts[i])
				}
				return err
			}))
		}
		take := func(want int64) {
			t.Helper()
			l.must(s.SharedTx(t.Context(), func(tx *Tx) error {
				last, err := tx.Leaderboards.TakeTouched(t.Context(), server, 2)
				if last != want {
					t.Errorf("up to %d are taken, want %d", last, want)
				}
				return err
			}))
		}
		forget := func(last int64) {
			l.must(s.SharedTx(t.Context(), func(tx *Tx) error { return tx.Leaderboards.DeleteTouched(t.Context(), server, last) }))
		}
		l.must(s.SharedTx(t.Context(), func(tx *Tx) error {
			return tx.Leaderboards.InsertStanding(t.Context(), Standing{ID: "shown", ServerID: server, LeaderboardID: "x", ReadAt: l.nowAt, DeepAt: l.nowAt})
		}))
		touch(100, 200)
		take(200) // and then there is a crash
		touch(1, 2)
		take(2)
		touch(2)
		forget(2)
		take(100)
		forget(100)
		take(200)
		forget(200)
		take(0)
	})
}
