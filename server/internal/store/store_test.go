package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func onEachDatabase(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); test(t, onSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); test(t, pgtest.URL(t)) })
}

// onSQLite is the path of an empty database, as Open leaves it. It is a copy: to make one anew takes longer than most tests.
func onSQLite(t *testing.T) (path string) {
	t.Helper()
	empty, err := emptySQLite()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "rejoin.db")
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var emptySQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "rejoin-empty")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rejoin.db")
	s, err := Open(context.Background(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func open(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A recorder keeps every statement that a store runs, with the arguments of its last run.
type recorder struct {
	mu    sync.Mutex
	found map[string][]any
}

func recording(s *Store) *recorder {
	r := &recorder{found: map[string][]any{}}
	saw := func(text string, args []any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.found[text] = args
	}
	s.write.saw, s.read.saw = saw, saw
	return r
}

// A life is a test's way through everything that a store does.
type life struct {
	*testing.T
	s     *Store
	nowAt time.Time
	ids   int
}

func (l *life) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *life) tx(fn func(tx *Tx) error) { l.Helper(); l.must(l.s.Tx(l.Context(), fn)) }

func (l *life) id() string { l.ids++; return fmt.Sprintf("%024x", l.ids) }

func (l *life) now() gen.Time { l.nowAt = l.nowAt.Add(time.Second); return gen.Time{Time: l.nowAt} }

// account makes an account with a session and a code.
func (l *life) account() (number int64) {
	ctx, now := l.Context(), l.now()
	l.tx(func(tx *Tx) error {
		a := Account{Account: gen.Account{ID: l.id(), Email: l.id() + "@example.com", CreatedAt: now}}
		a.Username = gen.NullableOf(l.id())
		l.must(tx.Auth.InsertAccount(ctx, &a))
		number = a.AccountNumber
		session := Session{TokenHash: a.ID, Account: number}
		session.ID, session.CreatedAt, session.ExpiresAt = l.id(), now, gen.Time{Time: now.Add(time.Hour)}
		l.must(tx.Auth.InsertSession(ctx, session))
		l.must(tx.Codes.Insert(ctx, Code{Account: number, Purpose: "reset", Salt: "x", Network: "x", ExpiresAt: now.Add(time.Hour)}))
		return tx.Networks.Remember(ctx, number, "x", now.Time)
	})
	return number
}

// server makes a server of an account, with one of everything that a server has; the others are members.
func (l *life) server(owner int64, others ...int64) (id string) {
	ctx, now := l.Context(), l.now()
	id = l.id()
	l.tx(func(tx *Tx) error {
		l.must(tx.Servers.Insert(ctx, id, "Chess club", "", owner, now.Time))
		role := Role{Role: gen.Role{ID: l.id(), ServerID: id, CreatedAt: now, UpdatedAt: now}}
		all := Role{Role: gen.Role{ID: l.id(), ServerID: id, CreatedAt: now, UpdatedAt: now}, Everyone: true}
		l.must(tx.Roles.Insert(ctx, role))
		l.must(tx.Roles.Insert(ctx, all))
		badge := Badge{ID: l.id(), ServerID: id, CreatedAt: now.Time}
		l.must(tx.Badges.Insert(ctx, badge))
		channel := gen.Channel{ID: l.id(), ServerID: id, ChannelType: "private", CreatedAt: now, UpdatedAt: now}
		l.must(tx.Channels.Insert(ctx, channel, owner, false))
		l.must(tx.Keys.Insert(ctx, gen.APIKey{ID: l.id(), UserID: int32(owner), CommunityID: id, CreatedAt: now, UpdatedAt: now}, l.id()))
		l.must(tx.Invites.Insert(ctx, Invite{Account: owner, Invite: gen.Invite{Code: l.id(), ID: l.id(), ServerID: id, Uses: 2, CreatedAt: now}}, now.Time))
		for _, account := range append([]int64{owner}, others...) {
			l.must(tx.Servers.InsertMember(ctx, id, account, l.now().Time))
			_, err := tx.Roles.InsertOf(ctx, id, account, role.ID)
			l.must(err)
			l.awards(tx, badge, account)
			for range 2 { // the second time counts nothing
				l.adds(tx, LedgerLine{ServerID: id, Account: account, Action: "visits", Reason: "visits/2026-03-01", Day: 20513, Deed: true, Counts: Counts{Visits: 1}})
			}
			for i, worth := range []gen.Balance{{XP: 10}, {Coins: 20}, {XP: 30}, {XP: 40}} { // the last for a reason that has counted
				l.adds(tx, LedgerLine{ServerID: id, Account: account, Action: "badges", Reason: strconv.Itoa(min(i, 2)), Day: int64(20514 + i), XP: worth.XP, Coins: worth.Coins})
			}
			l.adds(tx, LedgerLine{ServerID: id, Account: account, Action: "replies", Reason: "replies/1", Day: 20513, XP: 5, Deed: true, Counts: Counts{Messages: 1, Replies: 1}})
			l.adds(tx, LedgerLine{ServerID: id, Account: account, Action: "deleted", Reason: "deleted/1", Day: 20513, XP: -5, Coins: -1})
			l.must(tx.Audit.Insert(ctx, id, gen.AuditEntry{ID: l.id(), At: l.now()}, nil, channel))
		}
		l.must(tx.Channels.AdmitRoles(ctx, channel.ID, id, []string{role.ID}))
		return tx.Channels.AdmitMembers(ctx, channel.ID, id, []int64{owner})
	})
	return id
}

// awards a badge to a member.
func (l *life) awards(tx *Tx, badge Badge, account int64) {
	l.check(tx.Badges.InsertOf(l.Context(), badge, account, l.nowAt))
	l.adds(tx, LedgerLine{ServerID: badge.ServerID, Account: account, Action: "badges", Reason: BadgeReason + badge.ID, Day: 20513})
}

// adds a line to the ledger.
func (l *life) adds(tx *Tx, line LedgerLine) {
	line.ID, line.At = l.id(), l.nowAt
	_, _, err := tx.Ledger.Insert(l.Context(), line)
	l.must(err)
}

// everything reads and changes whatever a store holds, once each at least.
func (l *life) everything() (kept string) {
	l.must(l.s.Probe(l.Context()))
	ctx := l.Context()
	ann, ben, cleo := l.account(), l.account(), l.account()
	kept = l.server(ann, ben, cleo)
	gone := l.server(ben, ann, cleo)
	l.reads(kept, ann)
	l.hasFields(kept, ann, ben)
	l.hasLeaderboards(kept, ann, ben)
	l.hasStreaks(kept, ann)
	l.hasAnalytics(kept, ann)
	l.hasApplications(kept, ann, ben)
	l.hasApplications(gone, ben)
	l.hasSocials(kept)
	l.hasSocials(gone)
	l.hasCharts(kept, ann, ben)
	l.hasCharts(gone, ben, ann)
	l.hasGames(kept, ann, ben)
	l.hasGames(gone, ben)
	l.buys(kept, l.sells(kept), ann)
	l.buys(gone, l.sells(gone), cleo)
	l.hasBulk(kept)
	l.hasBulk(gone)
	l.hasWebhooks(kept, ann)
	l.hasWebhooks(gone, ben)
	l.hasIncoming(kept, ann)
	l.hasIncoming(gone, ben)
	l.hasWidgets(kept, ann)
	l.hasWidgets(gone, ben)
	l.hasPageLogins(kept, ann)
	l.isFollowed(kept, ann)
	l.isFollowed(gone, ben)
	l.talks(kept, ann, ben)
	l.talks(gone, ben, ann)
	l.changesPeople(kept, cleo)
	l.changesThings(gone, cleo)
	l.makesAndDeletes(kept, ann)
	l.leaves(l.fullAccount(kept, ann))
	l.exports(kept, ann)
	l.tx(func(tx *Tx) error {
		l.must(tx.Servers.Delete(ctx, gone))
		return tx.Audit.InsertDeletion(ctx, Deletion{ServerID: gone, Account: ben, At: l.nowAt})
	})
	if servers, err := l.s.Servers.ListOf(ctx, ann); err != nil || len(servers) != 1 {
		l.Errorf("a deleted server is listed: %v, %v", servers, err)
	}
	for more := true; more; {
		l.tx(func(tx *Tx) (err error) { more, err = tx.Servers.DeleteRest(ctx, gone, 2, l.nowAt); return err })
	}
	l.endsTrail(gone, ben)
	return kept
}

// endsTrail reads and removes what is left of a deleted server in the end.
func (l *life) endsTrail(gone string, by int64) {
	ctx, q := l.Context(), l.s.Queries
	if d, err := q.Audit.GetDeletion(ctx, gone); err != nil || d.Account != by || d.At.UnixMicro() != l.nowAt.UnixMicro() {
		l.Errorf("got %+v, %v; want who has deleted the server", d, err)
	}
	for until, want := range map[time.Time]int{l.nowAt: 1, l.nowAt.Add(-time.Millisecond): 0} {
		found, err := q.Audit.ListDeletions(ctx, nil, until, 10)
		if err != nil || len(found) != want {
			l.Errorf("got %v, %v; want %d", found, err, want)
		}
		for _, d := range found {
			if next, err := q.Audit.ListDeletions(ctx, &d, until, 10); err != nil || len(next) != 0 || d.ServerID != gone {
				l.Errorf("got %v, and %v (%v) after it", d, next, err)
			}
		}
	}
	entries, err := q.Audit.List(ctx, gone, Page{Limit: 20})
	l.must(err)
	for step, more := 0, true; more; step++ {
		n, err := q.Audit.Count(ctx, gone)
		l.must(err)
		if want := len(entries) - 2*step; int(n) != max(want, 0) {
			l.Errorf("after %d steps: %d entries are counted, want %d", step, n, want)
		}
		l.tx(func(tx *Tx) (err error) { more, err = tx.Audit.DeleteRest(ctx, gone, 2); return err })
	}
	if _, err := q.Audit.GetDeletion(ctx, gone); !errors.Is(err, ErrNotFound) {
		l.Errorf("the deletion is kept longer than its trail: %v", err)
	}
}

func (l *life) check(_ any, err error) {
	l.Helper()
	if err != nil {
		l.Error(err)
	}
}

func (l *life) reads(kept string, ann int64) {
	ctx, check := l.Context(), l.check
	q := l.s.Queries
	account, err := q.Auth.GetAccount(ctx, ann)
	check(account, err)
	check(q.Auth.GetAccountByEmail(ctx, account.Email))
	check(q.Auth.GetCaller(ctx, account.ID, account.CreatedAt.Time))
	check(q.Auth.ListSessions(ctx, ann))
	check(q.Auth.ListEvents(ctx, ann, Page{Limit: 20}))
	check(q.Auth.CountEvents(ctx, ann))
	check(q.Auth.GetFirstAccount(ctx))
	check(q.Auth.AnyAccountNamed(ctx, "ann", l.nowAt))
	check(q.Networks.IsKnown(ctx, ann, "x", l.nowAt))
	check(q.Servers.ListOf(ctx, ann))
	check(q.Servers.IDsOf(ctx, ann, 2))
	check(q.Servers.IDsOfOwner(ctx, ann, 2))
	check(q.Servers.IDsAllowing(ctx, ann, "manage_roles", 2))
	check(q.Servers.Get(ctx, kept))
	check(q.Servers.GetAsMember(ctx, kept, ann))
	check(q.Servers.IsMember(ctx, kept, ann))
	settings, err := q.Servers.GetSettings(ctx, kept)
	check(settings, err)
	l.tx(func(tx *Tx) error { return tx.Servers.UpdateSettings(ctx, kept, settings) })
	check(q.Servers.ListMembers(ctx, kept, Page{Limit: 20}))
	check(q.Servers.CountMembers(ctx, kept))
	check(q.Audit.List(ctx, kept, Page{Limit: 20}))
	check(q.Audit.Count(ctx, kept))
	check(q.Ledger.GetTotals(ctx, kept, ann))
	check(q.Ledger.ListDays(ctx, kept, ann, 20000, 20365))
	check(q.Ledger.List(ctx, kept, ann, Range{}, Page{Limit: 20}))
	check(q.Ledger.Get(ctx, kept, ann, "deleted/1"))
	check(q.Gamification.Get(ctx, kept))
	check(q.Gamification.GetProfile(ctx, ann))
	check(q.Badges.ListReached(ctx, kept, ann, "messages", 5))
	check(q.Roles.List(ctx, kept))
	check(q.Roles.ListOf(ctx, kept, ann))
	check(q.Channels.List(ctx, kept, Viewer{Account: ann}))
	check(q.Badges.List(ctx, kept))
	check(q.Badges.ListOf(ctx, kept, ann))
	check(q.Keys.List(ctx, kept))
	if _, err := q.Keys.GetByHash(ctx, "x", l.nowAt); !errors.Is(err, ErrNotFound) {
		l.Errorf("got %v for a key that is not there", err)
	}
}

func (l *life) changesPeople(kept string, cleo int64) {
	ctx, check := l.Context(), l.check
	l.tx(func(tx *Tx) error {
		account, err := tx.Auth.GetAccount(ctx, cleo)
		l.must(err)
		check(0, tx.Auth.UpdatePassword(ctx, cleo, "x"))
		check(0, tx.Auth.UpdateLastUse(ctx, "x", l.nowAt))
		sessions, err := tx.Auth.ListSessions(ctx, cleo)
		l.must(err)
		check(tx.Auth.DeleteSession(ctx, cleo, sessions[0].ID))
		check(0, tx.Auth.DeleteSessionsBut(ctx, cleo, "x"))
		l.hasEvents(tx, cleo)
		for range 2 { // the second time instead of the first
			r := Registration{Account: Account{Account: gen.Account{ID: l.id(), Email: "dora@example.com", Username: gen.NullableOf("dora"), CreatedAt: l.now()}}}
			check(0, tx.Registrations.Put(ctx, &r))
			check(tx.Registrations.Get(ctx, "dora@example.com", r.CreatedAt.Time))
		}
		check(tx.Registrations.DeleteExpired(ctx, l.nowAt, 10))
		check(0, tx.Registrations.Delete(ctx, "dora@example.com"))
		code, err := tx.Codes.Try(ctx, Try{Account: cleo, Purpose: "reset", Network: "y", Life: time.Hour, OfNetwork: 5, OfStrangers: 5}, account.CreatedAt.Time)
		check(code, err)
		check(tx.Codes.Spend(ctx, code))
		check(0, tx.Codes.End(ctx, cleo, "reset"))
		for range 2 { // the second time there is none
			check(tx.Codes.Ask(ctx, Asking{Account: cleo, Purpose: "reset", Known: true, OfNetwork: Quota{1, time.Hour}}, l.nowAt))
		}
		check(tx.Codes.DeleteExpired(ctx, l.nowAt, 10))
		for i := range 2 { // the second time instead of the first
			check(0, tx.Networks.RememberDevice(ctx, cleo, devices+strconv.Itoa(i), devices+"0", l.nowAt))
		}
		check(0, tx.Networks.ForgetDevicesBut(ctx, cleo, "x"))
		check(0, tx.Networks.Forget(ctx, cleo))
		l.hasTwoFactor(tx, cleo)
		check(tx.Auth.DeleteExpired(ctx, account.CreatedAt.Time, 10))
		claim := Claim{ID: "x", ExpiresAt: l.nowAt}
		for range 2 {
			check(tx.Idempotency.Claim(ctx, claim, l.nowAt.Add(-time.Hour)))
		}
		check(0, tx.Idempotency.Keep(ctx, "x", "answer"))
		check(tx.Idempotency.DeleteExpired(ctx, l.nowAt, 10))
		check(0, tx.Images.Insert(ctx, "aa", cleo, l.nowAt))
		check(0, tx.Images.Insert(ctx, "bb", cleo, l.nowAt))
		check(0, tx.Images.Show(ctx, "aa", 1))
		check(tx.Images.IsShown(ctx, "aa"))
		check(0, tx.Images.Leave(ctx, "aa", l.nowAt))
		check(0, tx.Images.GiveUp(ctx, l.nowAt.Add(time.Second), l.nowAt))
		check(tx.Images.ListLeaving(ctx, LeavingImage{}, 10))
		check(0, tx.Images.Delete(ctx, "aa"))
		check(0, tx.Servers.Update(ctx, kept, "Go club", ""))
		check(0, tx.Servers.DeleteMember(ctx, kept, cleo))
		return nil
	})
}

// hasTwoFactor gives an account a second factor, uses it, and takes it away.
func (l *life) hasTwoFactor(tx *Tx, account int64) {
	ctx, check := l.Context(), l.check
	check(tx.Auth.StartTwoFactor(ctx, TwoFactor{Account: account, Secret: "x", BegunAt: l.nowAt}))
	check(0, tx.Auth.ConfirmTwoFactor(ctx, account, 1))
	check(tx.Auth.GetTwoFactor(ctx, account))
	check(tx.Auth.UseStep(ctx, account, 2, 3))
	check(0, tx.Auth.InsertRecoveryCode(ctx, account, "x"))
	check(tx.Auth.UseRecoveryCode(ctx, account, "x"))
	check(tx.Auth.TryOTP(ctx, account, "x", 10, l.nowAt.Add(-time.Hour), l.nowAt))
	check(0, tx.Auth.ForgiveOTP(ctx, account, "x"))
	check(tx.Auth.DeleteTries(ctx, l.nowAt, 10))
	check(0, tx.Auth.DeleteTwoFactor(ctx, account))
	check(tx.Keys.ListOfAccount(ctx, account, l.nowAt, 100))
}

// hasEvents gives an account events of both kinds, and takes the oldest away.
func (l *life) hasEvents(tx *Tx, account int64) {
	ctx := l.Context()
	event := func(network string) AuthEvent {
		at := l.now()
		return AuthEvent{Account: account, Network: network, AuthEvent: gen.AuthEvent{ID: l.id(), Kind: "session.refuse", At: at, LastAt: at, Times: 2}}
	}
	for range 3 {
		l.must(tx.Auth.InsertEvent(ctx, event("")))
	}
	for i := range 2 * NetworksAnHour {
		l.must(tx.Auth.CountEvent(ctx, event("192.0.2."+strconv.Itoa(i%(NetworksAnHour+2)))))
	}
	if more, err := tx.Auth.DeleteEvents(ctx, l.nowAt.Add(time.Hour), 2); err != nil || !more {
		l.Errorf("of many entries there are more than two: %v, %v", more, err)
	}
}

func (l *life) changesThings(gone string, cleo int64) {
	ctx, check := l.Context(), l.check
	l.tx(func(tx *Tx) error {
		roles, err := tx.Roles.List(ctx, gone)
		l.must(err)
		for _, r := range roles[:1] {
			role, err := tx.Roles.Get(ctx, r.ID)
			l.must(err)
			check(0, tx.Roles.Update(ctx, role))
			check(tx.Roles.DeleteOf(ctx, gone, cleo, r.ID))
		}
		badges, err := tx.Badges.List(ctx, gone)
		l.must(err)
		badge, err := tx.Badges.Get(ctx, badges[0].ID)
		l.must(err)
		check(0, tx.Badges.Update(ctx, badge))
		check(tx.Badges.DeleteOf(ctx, badge, cleo))
		keys, err := tx.Keys.List(ctx, gone)
		l.must(err)
		key, err := tx.Keys.Get(ctx, gone, keys[0].ID)
		l.must(err)
		check(0, tx.Keys.Update(ctx, key))
		channels, err := tx.Channels.List(ctx, gone, Viewer{Full: true})
		l.must(err)
		channel, err := tx.Channels.Get(ctx, channels[0].ID, Viewer{Full: true})
		l.must(err)
		check(tx.Channels.GetServerID(ctx, channel.ID))
		check(0, tx.Channels.Update(ctx, channel))
		return nil
	})
}

func (l *life) makesAndDeletes(kept string, ann int64) {
	ctx, check := l.Context(), l.check
	l.goesAndComes(kept)
	l.tx(func(tx *Tx) error {
		other := l.now()
		role := gen.Role{ID: l.id(), ServerID: kept, CreatedAt: other, UpdatedAt: other}
		check(0, tx.Roles.Insert(ctx, Role{Role: role}))
		check(0, tx.Roles.Delete(ctx, role.ID))
		check(tx.Roles.DeleteRest(ctx, role.ID, 2))
		extra := Badge{ID: l.id(), ServerID: kept, CreatedAt: other.Time}
		check(0, tx.Badges.Insert(ctx, extra))
		check(0, tx.Badges.Delete(ctx, extra.ID))
		l.applies(tx, extra, ann) // what comes before the badge is gone is removed with the rest
		check(tx.Badges.DeleteRest(ctx, extra.ID, 2, other.Time))
		check(tx.Badges.DeleteRest(ctx, extra.ID, 2, other.Time))
		invites, err := tx.Invites.List(ctx, kept, other.Time)
		l.must(err)
		check(tx.Invites.Get(ctx, kept, invites[0].Code))
		check(tx.Invites.Use(ctx, invites[0], other.Time))
		check(tx.Invites.Use(ctx, invites[0], other.Time))                                        // and it has ended
		check(tx.Invites.Use(ctx, Invite{Invite: gen.Invite{Code: invites[0].Code}}, other.Time)) // as one of any number of uses
		check(tx.Invites.GiveRole(ctx, Invite{Invite: gen.Invite{Code: invites[0].Code, ServerID: kept}}, ann))
		check(0, tx.Invites.EndOf(ctx, kept, ann, other.Time))
		check(0, tx.Invites.EndOfRole(ctx, kept, role.ID, other.Time))
		check(tx.Invites.DeleteExpired(ctx, other.Time, other.Time, 10))
		check(0, tx.Invites.CheckMaker(ctx, kept, ann, other.Time))
		room := gen.Channel{ID: l.id(), ServerID: kept, ChannelType: "open", CreatedAt: other, UpdatedAt: other}
		check(0, tx.Channels.Insert(ctx, room, ann, false))
		check(0, tx.Channels.SetSigningSecret(ctx, room.ID, "x"))
		check(tx.Channels.GetSigningSecret(ctx, room.ID))
		check(0, tx.Channels.Delete(ctx, room.ID))
		own := gen.UserAPIKey{ID: l.id(), IsActive: true, UserID: int32(ann), CommunityID: kept, CreatedAt: other, UpdatedAt: other}
		hash := l.id()
		check(0, tx.UserKeys.Insert(ctx, own, hash))
		check(tx.UserKeys.GetByHash(ctx, hash, other.Time))
		check(tx.UserKeys.ListOfAccount(ctx, ann))
		check(tx.UserKeys.ListOfMember(ctx, kept, ann))
		check(tx.UserKeys.Get(ctx, ann, own.ID))
		check(0, tx.UserKeys.Update(ctx, own))
		check(0, tx.UserKeys.Delete(ctx, own.ID))
		check(0, tx.UserKeys.DeleteOfAccount(ctx, ann))
		whole, err := tx.Auth.GetAccount(ctx, ann)
		l.must(err)
		check(tx.Auth.GetNumber(ctx, whole.ID))
		check(0, tx.Users.Describe(ctx, whole))
		for range MaxKeys { // until a shard is full, and the others are looked at
			k := gen.APIKey{ID: l.id(), UserID: int32(ann), CommunityID: kept, CreatedAt: other, UpdatedAt: other}
			if err := tx.Keys.Insert(ctx, k, l.id()); err != nil {
				break
			}
			if l.ids%3 == 0 {
				check(0, tx.Keys.Delete(ctx, k.ID))
			}
		}
		return nil
	})
}

// goesAndComes deletes a member of a server who has one of everything, and restores them.
func (l *life) goesAndComes(kept string) {
	ctx, check := l.Context(), l.check
	who := l.account()
	l.tx(func(tx *Tx) error {
		check(0, tx.Servers.InsertMember(ctx, kept, who, l.now().Time))
		roles, err := tx.Roles.List(ctx, kept)
		l.must(err)
		for _, role := range roles {
			check(tx.Roles.InsertOf(ctx, kept, who, role.ID))
		}
		badges, err := tx.Badges.List(ctx, kept)
		l.must(err)
		for _, badge := range badges {
			l.awards(tx, badge, who)
		}
		room := gen.Channel{ID: l.id(), ServerID: kept, ChannelType: "text", CreatedAt: l.now(), UpdatedAt: l.now()}
		check(0, tx.Channels.Insert(ctx, room, who, false))
		check(0, tx.Channels.AdmitMembers(ctx, room.ID, kept, []int64{who}))
		for range 2 {
			check(0, tx.Users.DeleteMember(ctx, kept, who, l.now().Time))
			check(tx.Users.IsFormer(ctx, kept, who))
			check(tx.Users.GetFormer(ctx, kept, ByNumber, who))
			check(0, tx.Users.Restore(ctx, kept, who, true))
			check(tx.Users.GetMember(ctx, kept, ByNumber, who))
			check(tx.Users.ListUsernames(ctx, []int64{who}))
			for _, by := range []MemberName{ByID, ByEmail, ByUsername} {
				tx.Users.GetMember(ctx, kept, by, "x") // there is nobody
				tx.Users.GetFormer(ctx, kept, by, "x")
			}
		}
		l.isFound(tx, kept, who, roles[0].ID)
		return tx.Servers.DeleteMember(ctx, kept, who)
	})
}

// isFound asks for a member in every way.
func (l *life) isFound(tx *Tx, kept string, who int64, role string) {
	ctx, check := l.Context(), l.check
	account, err := tx.Auth.GetAccount(ctx, who)
	l.must(err)
	account.DisplayName, account.FirstName, account.LastName = "Straße", "Ada", "Doe"
	check(0, tx.Users.Rename(ctx, account))
	check(0, tx.Auth.FreeName(ctx, "nobody", l.nowAt))
	check(tx.Users.SetAvatar(ctx, who, ""))
	check(0, tx.Auth.Prove(ctx, who, ""))
	for range 2 {
		check(0, tx.Users.NoteLogin(ctx, who, l.now().Time))
		check(0, tx.Users.NoteActivity(ctx, who, l.now().Time))
	}
	check(tx.Users.GetPresence(ctx, who))
	check(tx.Ledger.HoldTotals(ctx, kept, who))
	check(tx.Gamification.Cool(ctx, LedgerLine{ServerID: kept, Account: who, Action: "messages"}, time.Minute, l.nowAt))
	rules, err := tx.Gamification.Get(ctx, kept)
	l.must(err)
	check(0, tx.Gamification.Put(ctx, rules))
	m := gen.Milestone{ID: l.id(), CommunityID: kept, CreatedAt: l.now(), Steps: []gen.MilestoneStep{{Value: 10}, {Value: 20}}}
	check(0, tx.Gamification.InsertMilestone(ctx, m))
	check(0, tx.Gamification.UpdateMilestone(ctx, m))
	check(tx.Gamification.GetMilestone(ctx, m.ID))
	check(tx.Gamification.ListMilestones(ctx, kept))
	l.adds(tx, LedgerLine{ServerID: kept, Account: who, Action: "milestones", Reason: MilestoneReason + m.ID + "/10", Day: 20513})
	if reached, err := tx.Gamification.ListReachedSteps(ctx, m, who); err != nil || len(reached) != 1 {
		l.Errorf("%v is reached, %v", reached, err)
	}
	check(0, tx.Gamification.DeleteMilestone(ctx, m.ID))
	check(0, tx.Users.ReplaceAccessLevels(ctx, kept, []gen.AccessLevel{{Level: 1, RoleID: role}}))
	check(tx.Users.ListAccessLevels(ctx, kept))
	check(0, tx.Users.InsertReferral(ctx, kept, who, who, l.now().Time))
	username, _ := account.Username.Get()
	from, to := NameRange("stra")
	exactly, _ := NameOf("STRASSE")
	first, _ := NameOf("ADA")
	last, _ := NameOf("doe")
	zero, one := int64(0), int64(1)
	some := &UserConditions{}
	all := &UserConditions{
		Username: &username, FirstName: new("ada"), LastName: new("DOE"), DisplayName: new("strasse"),
		XP: Range{From: &zero}, Coins: Range{To: &one}, Joined: Range{From: &zero}, Role: &role,
	}
	for _, ask := range []UserQuery{
		{}, {Order: ByXP}, {Order: ByCoins}, {Order: ByName, From: from, To: to}, {Order: ByName, From: exactly, To: exactly},
		{Order: BySearch, From: from, To: to}, {Order: OfFirstName, From: first}, {Order: OfLastName, From: last},
		{Order: OfOneAddress, From: account.Email}, {Order: OfOneName, From: username},
		{Conditions: all}, {Order: ByXP, Conditions: all}, {Order: OfFirstName, From: first, Conditions: all},
		{Conditions: some}, {Order: ByName, Conditions: all}, {Order: BySearch, From: from, To: to, Conditions: all}, {Order: OfOneName, From: username, Conditions: all},
	} {
		ask.ServerID = kept
		for _, ask.Descending = range []bool{false, true} {
			found, _, err := tx.Users.Find(ctx, ask, 0, 10)
			if l.must(err); !slices.ContainsFunc(found, func(u FoundUser) bool { return u.AccountNumber == who }) {
				l.Errorf("not found by %+v", ask)
			}
		}
	}
}

// What is kept must be what there is.
func verify(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Verify(t.Context(), func(d Difference) { t.Error(d) }); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsKeptIsWhatThereIs(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		kept := l.everything()
		verify(t, s)
		if n, err := s.Servers.CountMembers(t.Context(), kept); err != nil || n != 2 {
			t.Errorf("%d members (%v), want 2", n, err)
		}
		if b, err := s.Ledger.GetTotals(t.Context(), kept, 1); err != nil || b.Balance != (gen.Balance{XP: 40, Coins: 19}) {
			t.Errorf("got %+v (%v), want 40 XP and 19 coins", b, err)
		}
		var left int
		if err := s.read.db.QueryRow(`SELECT COUNT(*) FROM servers WHERE deleted`).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d deleted servers are left (%v)", left, err)
		}
	})
}

// What there was before anything was kept, in the schemas in which it was.
func TestTheMigrationFillsWhatIsKept(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		migrateTo(t, url, 4,
			`INSERT INTO accounts (number, id, email, display_name, created_at) VALUES (1, 'a', 'a', 'Ann', 0), (2, 'b', 'b', 'Ben', 0)`,
			`INSERT INTO servers (id, name, owner, created_at) VALUES ('s', 'Chess club', 1, 0)`,
			`INSERT INTO members (server_id, account, joined_at) VALUES ('s', 1, 0), ('s', 2, 0)`,
			`INSERT INTO badges (id, server_id, definition, created_at) VALUES ('b', 's', '{}', 0)`,
			`INSERT INTO audit (id, server_id, actor_type, actor_id, action, target, at) VALUES ('e', 's', 'account', '1', 'x', 'x', 0)`,
			`INSERT INTO ledger (id, server_id, account, kind, amount, reason, at) VALUES ('l1', 's', 1, 'xp', 10, 'badge/b', 86400000000), ('l2', 's', 1, 'coins', 20, 'badge/b', 86400000000)`,
			`INSERT INTO visits (server_id, account, day) VALUES ('s', 1, '2024-02-29'), ('s', 1, '2024-03-01'), ('s', 2, '1999-12-31')`)
		s := open(t, url)
		verify(t, s)
		got, err := s.Ledger.GetTotals(t.Context(), "s", 1)
		want := Totals{Balance: gen.Balance{XP: 10, Coins: 20}, Counts: Counts{Visits: 2}, Visited: 19783, VisitsRun: 1, Acted: 19783, ActedBefore: 19782}
		if err != nil || got != want {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	})
}

// What was done before there were days is counted on the day on which it was, as far as that is known, and otherwise on none.
func TestTheMigrationCountsOnItsDayWhatWasDoneBefore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		day := func(n int64) string { return strconv.FormatInt(n*86_400_000_000+5, 10) }
		message := func(id, account, reply string, at string) string {
			return `INSERT INTO messages (id, server_id, channel_id, position, account, reply_to, text, at) VALUES ('` + id + `', 's', 'c', ` + at + ` * 4096, ` + account + `, ` + reply + `, 'x', ` + at + `)`
		}
		migrateTo(t, url, 34,
			`INSERT INTO accounts (number, id, email, display_name, created_at) VALUES (1, 'a', 'a', 'Ann', 0), (2, 'b', 'b', 'Ben', 0)`,
			`INSERT INTO servers (id, name, owner, created_at) VALUES ('s', 'Chess club', 1, 0)`,
			`INSERT INTO members (server_id, account, joined_at) VALUES ('s', 1, `+day(19990)+`), ('s', 2, `+day(19990)+`)`,
			`INSERT INTO badges (id, server_id, definition, created_at) VALUES ('1b4e28ba-2fa1-41d2-883f-0016d3cca427', 's', '{"title":"\"action\":\"visits\"","action":"replies","quantity":1}', 0)`,
			`INSERT INTO member_badges (server_id, account, badge_id, awarded_at) VALUES ('s', 2, '1b4e28ba-2fa1-41d2-883f-0016d3cca427', `+day(20000)+`)`,
			message("m1", "1", "NULL", day(20000)), message("m2", "1", "'m1'", day(20001)),
			`INSERT INTO message_totals (scope, account, shard, n) VALUES ('c', 0, 0, 2), ('c', 1, 0, 2)`,
			`INSERT INTO visits (server_id, account, day) VALUES ('s', 1, '2024-10-04')`,
			`INSERT INTO ledger (id, server_id, account, kind, amount, reason, at) VALUES ('l1', 's', 1, 'xp', 10, 'badge/x', `+day(20000)+`), ('l2', 's', 1, 'coins', 7, 'badge/x', `+day(20000)+`)`,
			`INSERT INTO referrals (server_id, account, referrer, at) VALUES ('s', 2, 1, 0)`,
			`INSERT INTO tallies (whose, kind, shard, n) VALUES ('s', 'members', 0, 2), ('1', 'servers', 0, 1), ('2', 'servers', 0, 1), ('s', 'badges', 0, 1)`,
			`INSERT INTO totals (server_id, account, xp, coins, visits, messages, replies, reactions, today, xp_today, is_member) VALUES ('s', 1, 10, 7, 1, 5, 2, 3, '', 0, TRUE), ('s', 2, 0, 0, 0, 0, 0, 0, '', 0, TRUE)`)
		s := open(t, url)
		verify(t, s)
		got, err := s.Ledger.GetTotals(t.Context(), "s", 1)
		want := Totals{Balance: gen.Balance{XP: 10, Coins: 7}, Counts: Counts{Messages: 5, Replies: 2, Reactions: 3, Visits: 1, Referrals: 1}, Visited: 20000, VisitsRun: 1, Acted: 20001, ActedBefore: 20000}
		if err != nil || got != want {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
		days, err := s.Ledger.ListDays(t.Context(), "s", 1, 0, 20005)
		want1 := []Day{
			{Counts: Counts{Messages: 3, Replies: 1, Reactions: 3, Referrals: 1}},
			{Day: 20000, Deeds: 2, Active: 1, XP: 10, Coins: 7, Counts: Counts{Messages: 1, Visits: 1}},
			{Day: 20001, Deeds: 1, Active: 1, Counts: Counts{Messages: 1, Replies: 1}},
		}
		if diff := cmp.Diff(want1, days); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if found, err := s.Analytics.ListDays(t.Context(), "s", 19990, 19990); err != nil || len(found) != 1 || found[0].Joined != 2 {
			t.Errorf("got %+v (%v), want two who have joined", found, err)
		}
		for span, want := range map[[2]int64]Active{{20000, 20001}: {Members: 1, First: 1}, {20001, 20001}: {Members: 1}, {19000, 19999}: {}} {
			if got, err := s.Analytics.CountActive(t.Context(), "s", span[0], span[1]); err != nil || got != want {
				t.Errorf("active in %v: got %+v (%v), want %+v", span, got, err, want)
			}
		}
		if found, err := s.Badges.ListReached(t.Context(), "s", 1, "replies", 1); err != nil || len(found) != 1 {
			t.Errorf("%d badges are reached, %v", len(found), err)
		}
		if found, err := s.Badges.ListReached(t.Context(), "s", 2, "replies", 9); err != nil || len(found) != 0 {
			t.Errorf("who has the badge reaches it again: %d, %v", len(found), err)
		}
	})
}

// upOf is the statements of a migration.
func upOf(t *testing.T, name string) (statements []string) {
	t.Helper()
	text, err := migrations.ReadFile("migrations/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "--")
		code.WriteString(line + "\n")
	}
	for statement := range strings.SplitSeq(code.String(), ";") {
		if strings.TrimSpace(statement) != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// Whoever has more than there may be now keeps it, and never gets to have more than that.
func TestMoreThanTheLimitIsKeptAndNotExceeded(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		ctx := t.Context()
		l := &life{T: t, s: s, nowAt: time.Now()}
		id := l.server(l.account())
		const most = MaxKeys + 5
		l.tx(func(tx *Tx) error {
			for range most - 1 { // and that of the server
				l.must(tx.Keys.exec(ctx, `INSERT INTO api_keys (id, server_id, key_hash, masked, name, permissions, expire_period, active, account, created_at, updated_at)
				VALUES ($1, $2, $1, '', '', '[]', 0, TRUE, 1, 0, 0)`, l.id(), id))
			}
			l.must(tx.Keys.exec(ctx, `DELETE FROM tallies`))
			for _, text := range upOf(t, "00005_tallies.sql") {
				if strings.Contains(text, "INSERT INTO tallies") {
					l.must(tx.Keys.exec(ctx, text))
				}
			}
			l.must(tx.Keys.exec(ctx, `INSERT INTO tallies (whose, kind, shard, n) SELECT server_id, 'invites', 0, COUNT(*) FROM invites WHERE ended_at = 0 GROUP BY server_id`))
			return nil
		})
		add := func() error {
			key := gen.APIKey{ID: l.id(), UserID: 1, CommunityID: id}
			return s.Tx(ctx, func(tx *Tx) error { return tx.Keys.Insert(ctx, key, l.id()) })
		}
		var full *LimitError
		if err := add(); !errors.As(err, &full) || full.Most != MaxKeys {
			t.Errorf("got %v, want a LimitError", err)
		}
		for range 30 {
			keys, err := s.Keys.List(ctx, id)
			l.must(err)
			if len(keys) > most {
				t.Fatalf("there are %d, and were %d", len(keys), most)
			}
			l.tx(func(tx *Tx) error { return tx.Keys.Delete(ctx, keys[0].ID) })
			for range 2 {
				if err := add(); err != nil && !errors.As(err, &full) {
					t.Fatal(err)
				}
			}
		}
		verify(t, s)
	})
}

// TestServersMadeAtOnceAreMadeOnce is about PostgreSQL, where a transaction that is in conflict is run again. Each of them
// begins while another one is under way, and is the first of these to end.
func TestServersMadeAtOnceAreMadeOnce(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	l := &life{T: t, s: s, nowAt: time.Now()}
	const makers = 4
	var owners []int64
	for range makers {
		owners = append(owners, l.account())
	}
	var runs int
	var makeServers func(owners []int64)
	makeServers = func(owners []int64) {
		if len(owners) == 0 {
			return
		}
		l.tx(func(tx *Tx) error {
			runs++
			id, now := l.id(), l.now()
			if err := errors.Join(tx.Servers.Insert(t.Context(), id, "x", "", owners[0], now.Time),
				tx.Servers.InsertMember(t.Context(), id, owners[0], now.Time),
				tx.Roles.Insert(t.Context(), Role{Role: gen.Role{ID: l.id(), ServerID: id, CreatedAt: now, UpdatedAt: now}})); err != nil {
				return err
			}
			makeServers(owners[1:])
			return nil
		})
	}
	makeServers(owners)
	if runs != makers {
		t.Errorf("%d servers took %d runs", makers, runs)
	}
}

// Whoever works without PostgreSQL would not notice.
func TestNoFileHasTheNumberOfAMigrationThatOnlyPostgreSQLNeeds(t *testing.T) {
	if files, err := fs.Glob(migrations, "migrations/00008_*"); err != nil || len(files) > 0 {
		t.Errorf("%v (%v): the number is taken, see migrationsOf", files, err)
	}
}
