package store

import (
	"errors"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// applies makes an application of a member for a badge, with a proof.
func (l *life) applies(tx *Tx, badge Badge, account int64) (a Application) {
	l.Helper()
	ctx := l.Context()
	a = Application{ServerID: badge.ServerID, Account: account, ImageID: l.id()}
	a.ID, a.BadgeID, a.CreatedAt = l.id(), badge.ID, l.now()
	l.must(tx.Images.Insert(ctx, a.ImageID, account, l.nowAt))
	l.must(tx.Images.ShowToSome(ctx, a.ImageID, 0))
	l.must(tx.Badges.HoldApplicant(ctx, badge.ServerID, account))
	l.check(tx.Badges.HasApplied(ctx, badge, account))
	l.must(tx.Badges.InsertApplication(ctx, a))
	return a
}

// hasApplications applies for a badge of a server as its members, and ends that in every way.
func (l *life) hasApplications(serverID string, members ...int64) {
	ctx, check := l.Context(), l.check
	var badge Badge
	l.tx(func(tx *Tx) error {
		badge = Badge{ID: l.id(), ServerID: serverID, CreatedAt: l.now().Time}
		l.must(tx.Badges.Insert(ctx, badge))
		who := members[0]
		check(tx.Badges.IsHeldBy(ctx, badge, who))
		l.applies(tx, badge, who)
		check(0, tx.Badges.EndApplication(ctx, badge.ID, who, l.nowAt))
		check(0, tx.Badges.RefuseApplication(ctx, l.applies(tx, badge, who).ID, l.nowAt))
		if err := tx.Badges.RefuseApplication(ctx, l.id(), l.nowAt); !errors.Is(err, ErrNotFound) {
			l.Errorf("got %v for an application that is not there", err)
		}
		l.applies(tx, badge, who)
		for _, want := range []bool{true, false} {
			if more, err := tx.Badges.EndApplicationsOf(ctx, serverID, who, MaxApplications, l.nowAt); more != want || err != nil {
				l.Errorf("there may be more: %v, %v; want %v", more, err, want)
			}
		}
		for _, who := range members {
			l.applies(tx, badge, who)
		}
		check(tx.Images.LeaveEnded(ctx, 2, l.nowAt))
		return nil
	})
	found, err := l.s.Badges.ListApplications(ctx, badge.ID, Page{Limit: 20})
	if len(found) != len(members) || err != nil {
		l.Fatalf("found %d applications, %v; want %d", len(found), err, len(members))
	}
	if n, err := l.s.Badges.CountApplications(ctx, badge.ID); n != int64(len(members)) || err != nil {
		l.Errorf("counted %d applications, %v; want %d", n, err, len(members))
	}
	check(l.s.Badges.GetApplication(ctx, badge.ID, found[0].ID))
	check(l.s.Badges.ListApplicationsOf(ctx, serverID, members[0]))
}

// hasSocials makes social links of a server, of which one stays.
func (l *life) hasSocials(serverID string) {
	ctx, check := l.Context(), l.check
	l.tx(func(tx *Tx) error {
		for i := range 2 {
			made := gen.Social{ID: l.id(), CommunityID: serverID, CreatedAt: l.now()}
			check(0, tx.Gamification.InsertSocial(ctx, made))
			check(tx.Gamification.GetSocial(ctx, made.ID))
			if i == 0 {
				check(0, tx.Gamification.DeleteSocial(ctx, made.ID))
			}
		}
		return nil
	})
	check(l.s.Gamification.ListSocials(ctx, serverID))
}

func TestAMemberHasSoManyOpenApplications(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann := l.account()
		server := l.server(ann)
		var last Badge
		l.tx(func(tx *Tx) error {
			for range MaxApplications {
				l.must(tx.Badges.Insert(t.Context(), Badge{ID: l.id(), ServerID: server, CreatedAt: l.nowAt}))
			}
			badges, err := tx.Badges.List(t.Context(), server)
			l.must(err)
			last = badges[MaxApplications]
			for _, badge := range badges[:MaxApplications] {
				l.check(tx.Badges.DeleteOf(t.Context(), badge, ann)) // who has it does not apply for it
				l.applies(tx, badge, ann)
			}
			return nil
		})
		full := (*LimitError)(nil)
		if err := s.Tx(t.Context(), func(tx *Tx) error {
			a := Application{ServerID: server, Account: ann}
			a.ID, a.BadgeID = l.id(), last.ID
			return tx.Badges.InsertApplication(t.Context(), a)
		}); !errors.As(err, &full) || full.Most != MaxApplications {
			t.Errorf("one more is %v", err)
		}
		verify(t, s)
	})
}
