package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func TestWhatIsDeletedIsHadByNobodyAtOnceAndRemovedAfterwards(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		idle := open(t, config)
		c := newClub(t, idle, "allow_dm")
		badge := func(title string) string {
			id := do[gen.BadgeResponse](t, c.h, "POST", "/badges", c.owner, map[string]any{"title": title, "action": "custom", "serverId": c.id}).Body.ID
			do[gen.BadgeListResponse](t, c.h, "POST", "/badges/"+id+"/award", c.owner, gen.UserReference{UserID: c.number})
			return id
		}
		first := badge("first")
		do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.owner, map[string]any{
			"topic": "disputes", "channelType": "private", "serverId": c.id, "permissions": []string{c.role}})
		if got := c.topics(t, c.ben); got != "disputes" {
			t.Fatalf("Ben sees %q before his role is deleted", got)
		}

		do[gen.EmptyResponse](t, c.h, "DELETE", "/roles/"+c.role, c.owner, nil)
		do[gen.EmptyResponse](t, c.h, "DELETE", "/badges/"+first, c.owner, nil)

		for _, deleted := range []removal{roleRemoval{c.role}, badgeRemoval{first}} {
			if !leaves(t, idle, deleted) {
				t.Errorf("%s: removed already, so that this test shows nothing", deleted.Kind())
			}
		}
		if got := c.topics(t, c.ben); got != "" {
			t.Errorf("Ben sees %q for a role that is deleted", got)
		}
		roles := do[gen.RoleListResponse](t, c.h, "GET", "/roles/"+c.number+"?serverId="+c.id, c.owner, nil).Body
		if len(roles) != 1 || roles[0].Title != "@all" {
			t.Errorf("Ben has %v, want @all", roles)
		}
		for _, member := range do[gen.MemberListResponse](t, c.h, "GET", "/servers/"+c.id+"/members", c.owner, nil).Body {
			if !slices.Equal(member.Roles, []string{"@all"}) {
				t.Errorf("%s has %v, want @all", member.Number, member.Roles)
			}
		}
		second := badge("second")
		badges := do[gen.BadgeListResponse](t, c.h, "POST", "/badges/"+second+"/award", c.owner, gen.UserReference{UserID: c.number}).Body
		if len(badges) != 1 || badges[0].ID != second {
			t.Errorf("Ben has %v, want the second badge", badges)
		}
		for _, target := range []string{"/roles/" + c.role + "/add", "/roles/" + c.role + "/remove", "/badges/" + first + "/award", "/badges/" + first + "/remove"} {
			if w := send(c.h, jsonRequest(target, c.owner, map[string]any{"userId": c.number})); w.Code != http.StatusNotFound {
				t.Errorf("%s answered %d: %s", target, w.Code, w.Body)
			}
		}

		config.Idle = false
		running := openNext(t, idle, config)
		c.h = running.Handler()
		removed(t, running, roleRemoval{c.role})
		removed(t, running, badgeRemoval{first})
		if !leaves(t, running, badgeRemoval{second}) {
			t.Error("a badge that was not deleted was taken")
		}
		do[gen.EmptyResponse](t, c.h, "DELETE", "/servers/"+c.id, c.owner, nil)
		removed(t, running, serverRemoval{c.id})
		removed(t, running, badgeRemoval{second})
	})
}

// removed waits until nothing is left of what was deleted.
func removed(t *testing.T, s *Server, deleted removal) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); leaves(t, s, deleted); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: something is left", deleted.Kind())
		}
	}
}

// leaves tells whether what was deleted has left anything, and changes nothing.
func leaves(t *testing.T, s *Server, deleted removal) (something bool) {
	t.Helper()
	errLook := errors.New("only a look")
	if err := s.store.Tx(t.Context(), func(tx *store.Tx) (err error) {
		if something, err = deleted.deleteRest(t.Context(), tx, 1, s.now()); err != nil {
			return err
		}
		return errLook
	}); !errors.Is(err, errLook) {
		t.Fatal(err)
	}
	return something
}

func TestTheTrailOfADeletedServerIsReadByWhoDeletedItForNinetyDaysAndThenRemoved(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		c := newClub(t, s, "server_administrator")
		kept := createServer(t, c.h, c.owner, "Go club")
		do[gen.EmptyResponse](t, c.h, "DELETE", "/servers/"+c.id, c.owner, nil)
		stranger := tokenOf(t, s, "stranger@example.com")
		reads := func(after time.Duration, token string) int {
			s.now = func() time.Time { return time.Now().Add(after) }
			defer func() { s.now = time.Now }()
			return send(c.h, request("GET", "/servers/"+c.id+"/audit", token)).Code
		}
		sweeps := func(after time.Duration) (ended []string) {
			own := *s.core
			own.now = func() time.Time { return time.Now().Add(after) }
			found, err := s.store.Audit.ListDeletions(t.Context(), nil, own.now().Add(-deletedTrailLife), trailsAtOnce)
			if err = errors.Join(err, sweeper{core: &own}.endTrails(t.Context())); err != nil {
				t.Fatal(err)
			}
			for _, deleted := range found {
				ended = append(ended, deleted.ServerID)
			}
			return ended
		}
		now := func(token string) int { return reads(0, token) }
		if now(c.owner) != 200 || now(c.ben) != 404 || now(stranger) != 404 {
			t.Errorf("got %d for who deleted it, %d for an administrator of it, %d for a stranger; want 200, 404, 404", now(c.owner), now(c.ben), now(stranger))
		}
		if ended := sweeps(deletedTrailLife - time.Hour); len(ended) != 0 {
			t.Errorf("%v are removed too early", ended)
		}
		// Sessions last for thirty days: another one reads it in time.
		s.now = func() time.Time { return time.Now().Add(deletedTrailLife - 2*time.Minute) }
		later := tokenOf(t, s, "owner@example.com")
		if in, out := reads(deletedTrailLife-time.Minute, later), reads(deletedTrailLife+time.Minute, later); in != 200 || out != 404 {
			t.Errorf("got %d just before 90 days and %d just after, want 200 and 404", in, out)
		}
		if ended := sweeps(deletedTrailLife + time.Minute); !slices.Equal(ended, []string{c.id}) {
			t.Errorf("%v are removed, want %s", ended, c.id)
		}
		config.Idle = false
		running := openNext(t, s, config)
		removed(t, running, trailRemoval{c.id})
		if entries, err := running.store.Audit.List(t.Context(), kept, store.Page{Limit: 5}); err != nil || len(entries) != 1 {
			t.Errorf("the trail of a server that is there has %d entries (%v), want 1", len(entries), err)
		}
	})
}

// However many servers were deleted, some of them in the same moment, one sweep ends the trails of all of them.
func TestNoTrailIsKeptLongerBecauseManyServersWereDeleted(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		const many = 2*trailsAtOnce + 30
		var ids []string
		if err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
			ids = nil
			for i := range many {
				ids = append(ids, fmt.Sprintf("%024x", i))
				at := time.UnixMilli(int64(i / 150)) // many at once
				if err := tx.Audit.InsertDeletion(t.Context(), store.Deletion{ServerID: ids[i], Account: 1, At: at}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := (sweeper{core: s.core}).endTrails(t.Context()); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			left, err := s.store.Audit.ListDeletions(t.Context(), nil, time.Now(), many)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d trails are kept: one sweep was not enough", len(left))
			}
		}
	})
}

// A member may make and end more invites in an hour than one transaction removes.
func TestASweepRemovesAllThatHasExpired(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		c := newClub(t, s, "allow_dm")
		const many = 2*removedAtOnce + 30
		now := time.Now()
		if err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
			for i := range many {
				code := fmt.Sprintf("%022d", i)
				at := now.Add(time.Duration(i) * time.Second)
				invite := gen.Invite{Code: code, ID: s.newID(), ServerID: c.id, ExpiresAt: gen.NullableOf(gen.Time{Time: at}), CreatedAt: gen.Time{Time: now}}
				if err := tx.Invites.Insert(t.Context(), store.Invite{Account: 1, Invite: invite}, at); err != nil {
					return err
				}
				if err := tx.Auth.InsertEvent(t.Context(), store.AuthEvent{Account: 1, AuthEvent: gen.AuthEvent{
					ID: s.newID(), Kind: gen.AuthEventKindSessionEnd, At: gen.Time{Time: at}, LastAt: gen.Time{Time: at}, Times: 1,
				}}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		own := *s.core
		sweepsAt := func(at time.Time) {
			own.now = func() time.Time { return at }
			if err := (sweeper{core: &own}).Work(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		sweepsAt(now.Add(24 * time.Hour)) // the last one has expired
		later := now.Add(max(endedInvites, authEventLife) + 48*time.Hour)
		sweepsAt(later)
		for i := range many {
			if _, err := s.store.Invites.Get(t.Context(), c.id, fmt.Sprintf("%022d", i)); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("invite %d of %d is left (%v)", i, many, err)
			}
		}
		if n, err := s.store.Auth.CountEvents(t.Context(), 1); err != nil || n != 0 {
			t.Errorf("%d events of the account are left (%v)", n, err)
		}
		do[gen.InviteResponse](t, c.h, "POST", "/servers/"+c.id+"/invites", tokenOf(t, s, "owner@example.com"), map[string]any{}) // they count no more
	})
}
