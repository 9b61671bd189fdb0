package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasAnalytics does what package server does to see how a server does.
func (l *life) hasAnalytics(serverID string, ann int64) {
	l.Helper()
	ctx, q := l.Context(), l.s.Analytics
	l.tx(func(tx *Tx) error {
		for _, day := range []int64{20600, 20603, 20602} { // the last one by a clock that was put back
			l.adds(tx, LedgerLine{
				ServerID: serverID, Account: ann, Action: "picture", Reason: fmt.Sprintf("picture/%d", day), Day: day, Deed: true,
			})
		}
		return tx.Analytics.InsertJoin(ctx, serverID, ann, 20600)
	})
	for span, want := range map[[2]int64]Active{{20600, 20603}: {1, 0}, {20601, 20601}: {}, {20601, 20603}: {1, 0}} {
		if got, err := q.CountActive(ctx, serverID, span[0], span[1]); err != nil || got != want {
			l.Errorf("active in %v: got %+v, %v; want %+v", span, got, err, want)
		}
	}
	days, err := q.ListDays(ctx, serverID, 20600, 20602)
	if err != nil || len(days) != 2 || days[0].Joined != 1 || days[0].Active != 1 {
		l.Errorf("got %+v, %v", days, err)
	}
	l.check(q.ListHighest(ctx, serverID, 10))
	some, err := q.ListHoldings(ctx, serverID, 0, 2)
	if err != nil || len(some) != 2 {
		l.Fatalf("got %+v, %v", some, err)
	}
	l.check(q.CountRoles(ctx, serverID, 0, some[1].Account))
	l.check(q.GetEveryone(ctx, serverID))
	if s, err := q.GetSnapshot(ctx, serverID); s != nil || err != nil {
		l.Errorf("got %+v, %v before anything was counted", s, err)
	}
	for _, want := range []bool{true, false} {
		l.tx(func(tx *Tx) error {
			asked, err := tx.Analytics.AskSnapshot(ctx, serverID, l.nowAt, time.Hour)
			if asked != want {
				l.Errorf("asked: %v", asked)
			}
			return err
		})
	}
	l.tx(func(tx *Tx) error {
		return tx.Analytics.PutSnapshot(ctx, serverID, gen.OverviewSnapshot{ComputedAt: gen.Time{Time: l.nowAt}, XPOutstanding: 7})
	})
	if s, err := q.GetSnapshot(ctx, serverID); err != nil || s.XPOutstanding != 7 {
		l.Errorf("got %+v, %v", s, err)
	}
}

// Who does something on days in any order is active in a range once, as often as the days themselves say, and all of it can be verified.
func TestActiveMembersOfARangeAreThoseOfItsDays(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann, ben := l.account(), l.account()
		server := l.server(ann, ben)
		first := int64(20_000)
		acted := map[int64][]int64{
			ann: {400, 401, 399, 5, 800, 799, 34, 33, 35, 1, 398, 765},
			ben: {400, 390, 410, 395, 766, 0, 399},
		}
		for account, days := range acted {
			for _, day := range days {
				l.tx(func(tx *Tx) error {
					for i := range 2 { // the second deed of a day makes nobody active
						l.adds(tx, LedgerLine{
							ServerID: server, Account: account, Action: "visits", Reason: fmt.Sprintf("visits/%d/%d", day, i), Day: first + day, Deed: true, Counts: Counts{Visits: 1},
						})
					}
					l.adds(tx, LedgerLine{ServerID: server, Account: account, Action: "badges", Reason: fmt.Sprintf("badges/%d", day), Day: first + day + 1, XP: 1})
					return nil
				})
			}
		}
		earlier := int64(20513) // when all members of a life have done something
		for from := int64(0); from <= 420; from += 7 {
			for _, length := range []int64{1, 2, 7, 31, 366} {
				to := from + length - 1
				want := Active{}
				for _, days := range acted {
					in, before := false, false
					for _, day := range append(days, earlier-first) {
						in = in || day >= from && day <= to
						before = before || day < from
					}
					if in {
						want.Members++
					}
					if in && !before {
						want.First++
					}
				}
				if got, err := s.Analytics.CountActive(t.Context(), server, first+from, first+to); err != nil || got != want {
					t.Errorf("from %d, %d days: got %+v, %v; want %+v", from, length, got, err, want)
				}
			}
		}
		if err := s.Verify(t.Context(), func(d Difference) { t.Error(d) }); err != nil {
			t.Error(err)
		}
	})
}
