package store

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
)

const erased = "goes when the account does"

// Wherever a row says which account it is of, and what becomes of it when that is deleted. What stays has a number which names
// nobody. A new table is decided here, and what goes stands in one of the lists of auth_delete.go, and in fullAccount.
var ofAccounts = map[string]string{
	"sessions.account":            erased,
	"members.account":             erased,
	"member_roles.account":        erased,
	"member_badges.account":       erased,
	"user_keys.account":           erased,
	"page_logins.account":         erased,
	"two_factor.account":          erased,
	"recovery_codes.account":      erased,
	"otp_tries.account":           erased,
	"codes.account":               erased,
	"code_tries.account":          erased,
	"code_quotas.account":         erased,
	"known_networks.account":      erased,
	"presence.account":            erased,
	"auth_events.account":         erased,
	"former_members.account":      erased,
	"bulk_rows.account":           erased,
	"channel_members.account":     erased,
	"webhook_events.account":      erased,
	"cooldowns.account":           erased,
	"leaderboard_rows.account":    erased,
	"leaderboard_touched.account": erased,
	"leaderboard_users.account":   erased,
	"badge_applications.account":  erased,
	"days.account":                erased,
	"ledger.account":              erased,
	"streak_states.account":       erased,
	"streak_logs.account":         erased,
	"mini_game_players.account":   erased,
	"mini_game_plays.account":     erased,
	"orders.account":              erased,
	"totals.account":              erased,
	"field_values.account":        erased,
	"field_histories.account":     erased,
	"field_histories.actor_id":    "is about whoever was given the value",
	"fields.creator":              "is the community's, and reads as deleted",
	"referrals.account":           erased,
	"referrals.referrer":          "is about whoever was brought",
	"servers.owner":               "who owns one is not deleted, and a deleted one is removed by itself",
	"channels.account":            "is the community's",
	"api_keys.account":            "waits for whoever adopts the key",
	"incoming_webhooks.account":   "waits for whoever changes the webhook",
	"widget_access_keys.account":  "gets no token any more; an administrator makes another one",
	"invites.account":             "has ended, and is removed like others that have",
	"invite_roles.account":        "goes with the invite",
	"deletions.account":           "goes with the audit trail",
	"audit.actor_id":              "is the community's, and reads as deleted",
	"images.account":              "is shown by a message, or leaves with the avatar or an application",
	"messages.account":            "stays, and its author reads as deleted",
	"analyses.account":            "stays, and its author reads as deleted",
	"message_totals.account":      "counts what stays",
	"message_reactions.account":   "stays, as a number of them",
	"message_images.account":      "stays with its message; one without is swept",
	"topics.account":              "stays, as messages do",
	"tallies.whose":               "of memberships and events, goes; of images, counts what stays",
}

const (
	ofAccountsInSQLite = `SELECT t.name || '.' || c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
	 WHERE t.type = 'table' AND (c.name IN ('account', 'owner', 'referrer', 'whose', 'actor_id', 'creator') OR EXISTS (
	       SELECT 1 FROM pragma_foreign_key_list(t.name) f WHERE f."table" = 'accounts' AND f."from" = c.name))`
	ofAccountsInPostgreSQL = `SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND (a.attname IN ('account', 'owner', 'referrer', 'whose', 'actor_id', 'creator') OR EXISTS (
	       SELECT 1 FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid = 'accounts'::regclass AND a.attnum = ANY (f.conkey)))`
)

func TestOfWhoIsDeletedGoesWhatTheSchemaHasOfThem(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		query := ofAccountsInSQLite
		if s.write.goose == postgreSQL.goose {
			query = ofAccountsInPostgreSQL
		}
		found := slices.DeleteFunc(rowsOf(t, s, query), func(column string) bool { return strings.HasPrefix(column, "river") })
		slices.Sort(found)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(ofAccounts)), found); diff != "" {
			t.Errorf("what becomes of these when an account is deleted (see ofAccounts)?\n%s", diff)
		}
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann := l.account()
		server := l.server(ann)
		dora := l.fullAccount(server, ann)
		members := must(t)(s.Servers.CountMembers(t.Context(), server))
		rows := func(column string) int {
			table, name, _ := strings.Cut(column, ".")
			return len(rowsOf(t, s, `SELECT '' FROM `+table+` WHERE CAST(`+name+` AS TEXT) = '`+Number(dora)+`'`))
		}
		for column, decided := range ofAccounts {
			if decided == erased && rows(column) == 0 {
				t.Errorf("there is nothing in %s, so that this test shows nothing of it", column)
			}
		}
		l.leaves(dora)
		for column, decided := range ofAccounts {
			if left := rows(column); decided == erased && left > 0 {
				t.Errorf("%d rows of %s are left", left, column)
			}
		}
		if n := must(t)(s.Servers.CountMembers(t.Context(), server)); n != members-1 {
			t.Errorf("%d members are counted, want %d", n, members-1)
		}
		if left := rowsOf(t, s, `SELECT kind FROM tallies WHERE whose = '`+Number(dora)+`' AND n <> 0`); len(left) > 0 {
			t.Errorf("%v are still counted for the account", left)
		}
		secrets := []string{"dora@example.com", "dora_d", "Dora Doe", "About Dora", "Europe/Paris"}
		for _, table := range []string{"accounts", "registrations", "audit", "bulk_rows"} {
			for _, row := range textsOf(t, s, table) {
				for _, secret := range secrets {
					if strings.Contains(row, secret) {
						t.Errorf("%s says %q: %s", table, secret, row)
					}
				}
			}
		}
	})
}

func must(t *testing.T) func(int64, error) int64 {
	return func(n int64, err error) int64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// textsOf are the rows of a table, each as one text.
func textsOf(t *testing.T, s *Store, table string) []string {
	t.Helper()
	columns := map[string]string{
		"accounts":      "email, COALESCE(username, ''), display_name, first_name, last_name, about_me, quote, time_zone, COALESCE(avatar_image_id, '')",
		"registrations": "email, COALESCE(username, ''), display_name",
		"audit":         "COALESCE(before, ''), COALESCE(after, '')",
		"bulk_rows":     "identifier",
	}[table]
	return rowsOf(t, s, `SELECT `+columns+` FROM `+table)
}

// fullAccount makes a member of a server that has a row wherever a row is of an account.
func (l *life) fullAccount(server string, owner int64) (dora int64) {
	ctx := l.Context()
	dora = l.account()
	l.tx(func(tx *Tx) error {
		a, err := tx.Auth.GetAccount(ctx, dora)
		l.must(err)
		a.Username, a.DisplayName, a.FirstName, a.LastName = gen.NullableOf("dora_d"), "Dora Doe", "Dora", "Doe"
		a.AboutMe, a.TimeZone, a.Language = "About Dora", "Europe/Paris", "en"
		l.must(tx.Users.Rename(ctx, a))
		l.must(tx.Users.Describe(ctx, a))
		l.must(tx.Auth.UpdatePassword(ctx, dora, "x"))
		l.must(tx.Images.Insert(ctx, "d0", dora, l.nowAt))
		l.orders(tx, server, dora)
		l.must(tx.Images.Show(ctx, "d0", 1))
		l.check(tx.Users.SetAvatar(ctx, dora, "d0"))
		made := gen.CreatedUser{ID: a.ID, UserID: a.Number, Username: "dora_d", Email: "dora@example.com", DisplayName: "Dora Doe"}
		l.must(tx.Audit.Insert(ctx, server, gen.AuditEntry{ID: l.id(), Action: "user.create", Target: a.ID, At: l.now()}, nil, made))

		role, badge := roleAndBadge(l, tx, server)
		l.must(tx.Servers.InsertMember(ctx, server, dora, l.nowAt))
		l.must(tx.Analytics.InsertJoin(ctx, server, dora, 20513))
		l.check(tx.Roles.InsertOf(ctx, server, dora, role))
		l.awards(tx, badge, dora)
		other := Badge{ID: l.id(), ServerID: server, CreatedAt: l.nowAt}
		l.must(tx.Badges.Insert(ctx, other))
		l.applies(tx, other, dora)
		l.must(tx.Users.InsertReferral(ctx, server, dora, owner, l.nowAt))
		l.adds(tx, LedgerLine{ServerID: server, Account: dora, Action: "visits", Reason: "visits/2026-03-01", Day: 20513, XP: 10, Deed: true, Counts: Counts{Visits: 1}})
		l.keepsStreaks(tx, server, dora)
		l.plays(tx, server, dora)
		board := gen.Leaderboard{ID: l.id(), CommunityID: server, Slug: "dora", CreatedAt: l.now(), RankedUserRoles: gen.LeaderboardAudience{Users: []string{a.ID}}}
		l.must(tx.Leaderboards.Insert(ctx, board))
		l.must(tx.Leaderboards.exec(ctx, `INSERT INTO leaderboard_rows (standing_id, account, server_id, value) VALUES ('x', $1, $2, 1)`, dora, server))
		l.must(tx.Leaderboards.exec(ctx, `INSERT INTO leaderboard_touched (server_id, account, taken) VALUES ($1, $2, FALSE) ON CONFLICT DO NOTHING`, server, dora))
		l.check(tx.Gamification.Cool(ctx, LedgerLine{ServerID: server, Account: dora, Action: "messages"}, time.Minute, l.nowAt))
		l.must(tx.Fields.Set(ctx, FieldValue{ServerID: server, Account: dora, FieldID: "f", Value: "About Dora"}))
		l.must(tx.Fields.InsertHistory(ctx, server, dora, gen.UserFieldHistory{ID: l.id(), FieldID: "f", Value: "About Dora", At: l.now()}))
		l.must(tx.UserKeys.Insert(ctx, gen.UserAPIKey{ID: l.id(), UserID: int32(dora), CommunityID: server, CreatedAt: l.now(), UpdatedAt: l.now()}, l.id()))
		channels, err := tx.Channels.List(ctx, server, Viewer{Full: true})
		l.must(err)
		l.must(tx.Channels.AdmitMembers(ctx, channels[0].ID, server, []int64{owner, dora}))
		l.must(tx.Invites.Insert(ctx, Invite{Account: dora, Invite: gen.Invite{Code: l.id(), ID: l.id(), ServerID: server, Uses: 2, CreatedAt: l.now()}}, l.nowAt))
		l.signsIn(tx, dora)
		l.isSignedIn(tx, server, dora)
		l.importsHerself(tx, server, dora)
		l.must(tx.Webhooks.InsertEvent(ctx, WebhookEvent{ID: l.id(), ServerID: server, Kind: "user.joined", Account: dora, Body: "Dora Doe", At: l.nowAt, ExpiresAt: l.nowAt}))
		return nil
	})
	third := l.account()
	other := l.server(third, dora)
	l.tx(func(tx *Tx) error {
		l.must(tx.Invites.EndOf(ctx, other, third, l.nowAt))
		return tx.Users.DeleteMember(ctx, other, dora, l.nowAt)
	})
	return dora
}

// orders makes an order of Dora Doe, an account.
func (l *life) orders(tx *Tx, server string, account int64) {
	status := Status{ID: l.id(), ServerID: server, Name: "Of Dora", Category: "incomplete", CreatedAt: l.now()}
	l.must(tx.Statuses.Insert(l.Context(), status))
	order := Order{ServerID: server, Account: account, StatusID: status.ID}
	order.ID, order.TransactionID, order.Quantity, order.CreatedAt, order.UserInformation.Name = l.id(), "ORD"+l.id(), 1, l.now(), "Dora Doe"
	_, err := tx.Orders.Insert(l.Context(), order)
	l.must(err)
}

// signsIn leaves what whoever signs in leaves.
func (l *life) signsIn(tx *Tx, dora int64) {
	ctx := l.Context()
	l.check(tx.Auth.StartTwoFactor(ctx, TwoFactor{Account: dora, Secret: "x", BegunAt: l.nowAt}))
	l.must(tx.Auth.InsertRecoveryCode(ctx, dora, "x"))
	l.check(tx.Auth.TryOTP(ctx, dora, "x", 10, l.nowAt.Add(-time.Hour), l.nowAt))
	l.check(tx.Codes.Try(ctx, Try{Account: dora, Purpose: "reset", Network: "y", Life: time.Hour, OfNetwork: 5, OfStrangers: 5}, l.nowAt))
	l.check(tx.Codes.Ask(ctx, Asking{Account: dora, Purpose: "reset", Known: true, OfNetwork: Quota{1, time.Hour}}, l.nowAt))
	l.must(tx.Users.NoteActivity(ctx, dora, l.nowAt))
	for range 3 {
		l.must(tx.Auth.InsertEvent(ctx, AuthEvent{Account: dora, AuthEvent: gen.AuthEvent{ID: l.id(), Kind: "session.open", At: l.now(), LastAt: l.now(), Times: 1}}))
	}
}

// importsHerself sends a file about herself, which is taken from her quota, and fails.
func (l *life) importsHerself(tx *Tx, server string, dora int64) {
	ctx, quota := l.Context(), Quota{3, time.Hour}
	b := BulkUpdate{ServerID: server, At: l.nowAt}
	b.BulkID, b.CreatedAt = l.id(), l.now()
	l.must(tx.Bulk.Insert(ctx, b))
	l.check(tx.Bulk.InsertRow(ctx, b.BulkID, BulkDone{BulkRow: gen.BulkRow{Row: 1, Identifier: "dora@example.com"}, Account: dora}))
	for _, want := range []bool{true, false} {
		if wait, err := tx.Codes.TakeSome(ctx, dora, "imported", quota, 2, l.nowAt); err != nil || (wait == 0) != want {
			l.Errorf("2 of %d are to be had in %v, %v", quota.AtOnce, wait, err)
		}
	}
	l.must(tx.Codes.GiveBack(ctx, dora, "imported", quota, 1))
	l.check(tx.Codes.TakeSome(ctx, dora, "imported", quota, 2, l.nowAt))
}

// leaves deletes an account, and step by step what it has left.
func (l *life) leaves(number int64) {
	l.Helper()
	ctx := l.Context()
	l.must(l.s.SharedTx(ctx, func(tx *Tx) error {
		account, err := tx.Auth.GetForDeletion(ctx, number)
		l.must(err)
		if owns, err := tx.Auth.OwnsAny(ctx, number); owns || err != nil {
			l.Errorf("owns a server: %v, %v", owns, err)
		}
		_, err = tx.Auth.Erase(ctx, account, l.nowAt)
		return err
	}))
	for steps, more := 0, true; more; steps++ {
		l.tx(func(tx *Tx) (err error) { more, err = tx.Auth.EraseRest(ctx, number, 2, l.nowAt); return err })
		if steps > 1000 {
			l.Fatal("there is no end of it")
		}
	}
}

// exports reads all that is known of an account.
func (l *life) exports(server string, account int64) {
	ctx, q, check, some := l.Context(), l.s.Exports, l.check, 20
	check(q.Communities(ctx, account, ExportedCommunity{}, some))
	check(q.Servers(ctx, account, "", some))
	check(q.Badges(ctx, account, gen.ExportedBadge{}, some))
	check(q.Applications(ctx, server, account, gen.ExportedApplication{}, some))
	check(q.MiniGames(ctx, server, account, gen.ExportedMiniGame{}, some))
	check(q.Plays(ctx, server, account, gen.ExportedPlay{}, some))
	check(q.Purchases(ctx, server, account, gen.ExportedPurchase{}, some))
	check(q.Visits(ctx, server, account, gen.ExportedVisit{}, some))
	check(q.Ledger(ctx, server, account, gen.ExportedCredit{}, some))
	check(q.Streaks(ctx, server, account, ExportedStreak{}, some))
	check(q.FieldValues(ctx, server, account, gen.ExportedFieldValue{}, some))
	check(q.APIKeys(ctx, account, gen.ExportedKey{}, some))
	check(q.UserKeys(ctx, account, gen.ExportedKey{}, some))
	check(q.Invites(ctx, account, ExportedInvite{}, some))
	check(q.Images(ctx, account, ExportedImage{}, some))
	check(q.Topics(ctx, account, gen.ExportedTopic{}, some))
	channels, err := q.Channels(ctx, server, account)
	if len(channels) == 0 || err != nil {
		l.Fatalf("got the channels %v, %v", channels, err)
	}
	check(q.Messages(ctx, channels[0], account, ExportedMessage{}, some))
	check(q.Analyses(ctx, account, ExportedAnalysis{}, some))
	check(q.Reactions(ctx, account, ExportedReaction{}, some))
}

// What was under way when an account was deleted, and comes after that, adds nothing to it.
func TestNothingIsAddedToAnAccountThatWasDeleted(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		ctx := t.Context()
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann := l.account()
		server := l.server(ann)
		dora := l.account()
		account, err := s.Auth.GetAccount(ctx, dora)
		l.must(err)
		l.leaves(dora)
		event := AuthEvent{Account: dora, AuthEvent: gen.AuthEvent{ID: l.id(), Kind: "session.refuse", At: l.now(), LastAt: l.now(), Times: 1}}
		session := Session{TokenHash: "again", Account: dora}
		for name, test := range map[string]struct {
			want error
			add  func(tx *Tx) error
		}{
			"session":    {ErrErased, func(tx *Tx) error { return tx.Auth.InsertSession(ctx, session) }},
			"membership": {ErrErased, func(tx *Tx) error { return tx.Servers.InsertMember(ctx, server, dora, l.nowAt) }},
			"event":      {ErrErased, func(tx *Tx) error { return tx.Auth.InsertEvent(ctx, event) }},
			"attempt":    {nil, func(tx *Tx) error { return tx.Auth.CountEvent(ctx, event) }},
			"activity":   {nil, func(tx *Tx) error { return tx.Users.NoteActivity(ctx, dora, l.nowAt) }},
			"name":       {ErrErased, func(tx *Tx) error { return tx.Users.Rename(ctx, account) }},
			"profile":    {ErrErased, func(tx *Tx) error { return tx.Users.Describe(ctx, account) }},
			"avatar":     {ErrErased, func(tx *Tx) error { _, err := tx.Users.SetAvatar(ctx, dora, "x"); return err }},
			"password":   {ErrErased, func(tx *Tx) error { return tx.Auth.UpdatePassword(ctx, dora, "x") }},
			"proof":      {ErrNotFound, func(tx *Tx) error { return tx.Auth.Prove(ctx, dora, "x") }},
			"reading":    {ErrErased, func(tx *Tx) error { _, err := tx.Auth.GetAccount(ctx, dora); return err }},
			"number":     {ErrNotFound, func(tx *Tx) error { _, err := tx.Auth.GetNumber(ctx, account.ID); return err }},
			"address":    {ErrNotFound, func(tx *Tx) error { _, err := tx.Auth.GetAccountByEmail(ctx, account.Email); return err }},
		} {
			if err := s.Tx(ctx, test.add); !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", name, err, test.want)
			}
		}
		for column, decided := range ofAccounts {
			table, name, _ := strings.Cut(column, ".")
			if left := rowsOf(t, s, `SELECT '' FROM `+table+` WHERE CAST(`+name+` AS TEXT) = '`+Number(dora)+`'`); decided == erased && len(left) > 0 {
				t.Errorf("there is something in %s", column)
			}
		}
	})
}

func TestALongExportLeavesWhatOthersReadOftenRemembered(t *testing.T) {
	s := open(t, onSQLite(t))
	l := &life{T: t, s: s, nowAt: time.Now()}
	ann := l.account()
	server := l.server(ann)
	read := 0
	s.Watch(func(string, []any) { read++ })
	defer s.Watch(nil)
	reads := func() (n int) {
		before := read
		l.check(s.Servers.Get(t.Context(), server))
		return read - before
	}
	reads()
	for i := range 2 * mostEntries {
		l.check(s.Exports.Visits(t.Context(), server, ann, gen.ExportedVisit{Day: Number(int64(i))}, 1))
	}
	if n := reads(); n != 0 {
		t.Errorf("what was read before is read again by %d statements", n)
	}
}
