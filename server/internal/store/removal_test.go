package store

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// The cascades that the schema may have: from which table into which, and why deleting a row of the first is not the dearer
// the more members there are.
var cascades = map[string]string{
	"members member_roles":             "what one member has: MaxRoles",
	"members member_badges":            "what one member has: MaxBadges",
	"members user_keys":                "of one account: MaxUserKeys",
	"members page_logins":              "of one member: MaxPageLogins",
	"servers members":                  inSteps,
	"servers days":                     inSteps,
	"servers server_days":              inSteps,
	"servers active_days":              inSteps,
	"servers overviews":                "one",
	"servers cooldowns":                inSteps,
	"servers gamification":             "one",
	"servers milestones":               "MaxMilestones",
	"servers socials":                  "MaxSocials",
	"servers leaderboard_standings":    "of MaxLeaderboards, with each filter, and what a job has not removed yet",
	"servers leaderboard_touched":      inSteps,
	"leaderboards leaderboard_roles":   "the contract's LeaderboardAudience",
	"leaderboards leaderboard_users":   "the contract's LeaderboardAudience",
	"servers leaderboards":             "MaxLeaderboards",
	"servers totals":                   inSteps,
	"servers ledger":                   inSteps,
	"servers roles":                    "MaxRoles",
	"servers channels":                 "MaxChannels",
	"servers badges":                   "MaxBadges",
	"servers api_keys":                 "MaxKeys",
	"servers invites":                  inSteps,
	"servers former_members":           inSteps,
	"servers referrals":                inSteps,
	"servers fields":                   "MaxFields",
	"servers field_values":             inSteps,
	"servers streaks":                  "MaxStreaks",
	"servers streak_states":            inSteps,
	"servers streak_logs":              inSteps,
	"servers stores":                   "one",
	"servers categories":               "MaxCategories",
	"servers products":                 "MaxProducts",
	"products product_stock":           "one",
	"servers redemption_statuses":      "MaxStatuses",
	"servers orders":                   inSteps,
	"servers vouchers":                 inSteps,
	"servers mini_games":               "MaxMiniGames",
	"mini_games mini_game_prizes":      "the contract's prizes of a MiniGame",
	"servers mini_game_players":        inSteps,
	"servers mini_game_plays":          inSteps,
	"servers field_histories":          inSteps,
	"servers bulk_updates":             inSteps,
	"bulk_updates bulk_chunks":         "none is left when the own row of a file goes: Bulk.DeleteExpired",
	"bulk_updates bulk_rows":           "none is left when the own row of a file goes: Bulk.DeleteExpired",
	"servers webhooks":                 "MaxWebhooks",
	"servers incoming_webhooks":        "MaxIncomingWebhooks",
	"incoming_webhooks incoming_calls": "MaxIncomingCalls",
	"servers live_servers":             "one",
	"servers webhook_events":           inSteps,
	"servers webhook_deliveries":       inSteps,
	"webhooks webhook_wants":           "the contract's events of a Webhook",
	"webhooks webhook_lanes":           "four",
	"servers access_levels":            "MaxAccessLevels",
	"roles access_levels":              "MaxAccessLevels",
	"roles channel_roles":              "MaxChannels",
	"channels channel_roles":           "the contract's ChannelRoles",
	"channels channel_members":         "the contract's ChannelMembers",
	"accounts auth_events":             "of one account, and no row of accounts is deleted",
	"accounts two_factor":              "one",
	"accounts recovery_codes":          "ten",
	"accounts otp_tries":               "one for each network that is known, and otpTriesStranger",
	"accounts sessions":                "of one account: MaxSessions",
	"accounts known_networks":          "MaxNetworks and MaxDevices, and no row of accounts is deleted",
	"servers widgets":                  "MaxWidgets",
	"servers widget_access_keys":       "MaxWidgetAccessKeys",
}

const inSteps = "none is left when the server's own row goes: Servers.DeleteRest"

const (
	cascadesOfSQLite = `SELECT DISTINCT f."table", t.name FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f
	 WHERE t.type = 'table' AND f.on_delete = 'CASCADE'`
	cascadesOfPostgreSQL = `SELECT confrelid::regclass, conrelid::regclass FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'c'`
)

func TestNoDeletionCascadesIntoWhatGrowsWithMembers(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		query := cascadesOfSQLite
		if s.write.goose == postgreSQL.goose {
			query = cascadesOfPostgreSQL
		}
		var found []string
		for _, pair := range rowsOf(t, s, query) {
			if !strings.HasPrefix(pair, "river") { // River's own
				found = append(found, pair)
			}
		}
		slices.Sort(found)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(cascades)), found); diff != "" {
			t.Errorf("what cascades is not what may (see cascades):\n%s", diff)
		}
		for pair, why := range cascades {
			table := strings.TrimPrefix(pair, "servers ")
			deletes := func(text string) bool { return strings.HasPrefix(text, "DELETE FROM "+table+" ") }
			if why == inSteps && table != "members" && !slices.ContainsFunc(deleteSome, deletes) {
				t.Errorf("DeleteRest does not empty %s", table)
			}
		}
	})
}

// rowsOf is what a query with columns of text finds, each row as one text.
func rowsOf(t *testing.T, s *Store, query string) (found []string) {
	t.Helper()
	rows, err := s.read.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		texts, into := make([]string, len(columns)), make([]any, len(columns))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		found = append(found, strings.Join(texts, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

const (
	whoHasRoles  = `SELECT server_id, account, role_id FROM member_roles ORDER BY account, server_id, role_id`
	whoHasBadges = `SELECT server_id, account, badge_id, awarded_at FROM member_badges ORDER BY account, server_id, badge_id`
)

func TestTheMigrationKeepsWhoHasWhat(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		l.server(l.account(), l.account(), l.account())
		roles, badges := rowsOf(t, s, whoHasRoles), rowsOf(t, s, whoHasBadges)
		for _, text := range upOf(t, "00007_removal.sql") {
			if _, err := s.write.db.Exec(text); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
		}
		if diff := cmp.Diff(roles, rowsOf(t, s, whoHasRoles)); diff != "" || len(roles) != 3 {
			t.Errorf("%d have a role, want 3: %s", len(roles), diff)
		}
		if diff := cmp.Diff(badges, rowsOf(t, s, whoHasBadges)); diff != "" || len(badges) != 3 {
			t.Errorf("%d have a badge, want 3: %s", len(badges), diff)
		}
	})
}

func TestStepByStepEverythingGoesThatADeletedRoleOrBadgeHasLeft(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann, ben, cleo := l.account(), l.account(), l.account()
		l.server(ann, ben, cleo)
		roles, badges := len(rowsOf(t, s, whoHasRoles)), len(rowsOf(t, s, whoHasBadges))
		role, badge := deleteRoleAndBadge(l, l.server(ann, ben, cleo))
		for step, left := range []int{3, 1, 0, 0} {
			if hasRole, hasBadge := len(rowsOf(t, s, whoHasRoles))-roles, len(rowsOf(t, s, whoHasBadges))-badges; hasRole != left || hasBadge != left {
				t.Errorf("after %d steps, %d and %d are left, want %d", step, hasRole, hasBadge, left)
			}
			l.tx(func(tx *Tx) error {
				moreRoles, err := tx.Roles.DeleteRest(t.Context(), role, 2)
				l.must(err)
				moreBadges, err := tx.Badges.DeleteRest(t.Context(), badge.ID, 2, l.nowAt)
				if moreRoles != (left > 0) || moreBadges != (left > 0) {
					t.Errorf("step %d of %d says that there is more: %v, %v", step, left, moreRoles, moreBadges)
				}
				return err
			})
		}
	})
}

// Whoever leaves takes along what was left of a deleted role or badge.
func TestWhoLeavesKeepsNothingOfWhatWasDeleted(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		owner, ben := l.account(), l.account()
		id := l.server(owner, ben)
		deleteRoleAndBadge(l, id)
		l.tx(func(tx *Tx) error { return tx.Servers.DeleteMember(t.Context(), id, ben) })
		if roles, badges := rowsOf(t, s, whoHasRoles), rowsOf(t, s, whoHasBadges); len(roles) != 1 || len(badges) != 1 {
			t.Errorf("got %v and %v, want what the owner had", roles, badges)
		}
		l.tx(func(tx *Tx) error { return tx.Servers.Delete(t.Context(), id) })
		for more := true; more; {
			l.tx(func(tx *Tx) (err error) {
				more, err = tx.Servers.DeleteRest(t.Context(), id, 2, time.Now())
				return err
			})
		}
		if roles, badges := rowsOf(t, s, whoHasRoles), rowsOf(t, s, whoHasBadges); len(roles)+len(badges) != 0 {
			t.Errorf("the deleted server has left %v and %v", roles, badges)
		}
	})
}

// deleteRoleAndBadge deletes those of a server that life.server has made, and returns them.
func deleteRoleAndBadge(l *life, serverID string) (role string, badge Badge) {
	ctx := l.Context()
	l.tx(func(tx *Tx) error {
		role, badge = roleAndBadge(l, tx, serverID)
		l.must(tx.Roles.Delete(ctx, role))
		return tx.Badges.Delete(ctx, badge.ID)
	})
	return role, badge
}

func roleAndBadge(l *life, tx *Tx, serverID string) (role string, badge Badge) {
	role, err := get(l.Context(), tx.Roles.conn, scanOne[string], `SELECT id FROM roles WHERE server_id = $1 AND NOT everyone`, serverID)
	l.must(err)
	badges, err := tx.Badges.List(l.Context(), serverID)
	l.must(err)
	return role, badges[0]
}

// PostgreSQL runs transactions side by side, and nothing refers from who has a role to the role: who gives one while another
// deletes it and removes who had it must not leave anything behind.
func TestNobodyIsGivenWhatIsBeingDeleted(t *testing.T) {
	for name, before := range map[string]bool{"given before": true, "given after": false} {
		t.Run(name, func(t *testing.T) {
			s := open(t, pgtest.URL(t))
			ctx := t.Context()
			l := &life{T: t, s: s, nowAt: time.Now()}
			id := l.server(l.account())
			ben := l.account()
			l.tx(func(tx *Tx) error { return tx.Servers.InsertMember(ctx, id, ben, l.nowAt) })
			var role string
			var badge Badge
			l.tx(func(tx *Tx) error { role, badge = roleAndBadge(l, tx, id); return nil })
			removeAll := func() {
				deleteRoleAndBadge(l, id)
				for more := true; more; {
					l.tx(func(tx *Tx) (err error) { more, err = tx.Roles.DeleteRest(ctx, role, 500); return err })
				}
				for more := true; more; {
					l.tx(func(tx *Tx) (err error) { more, err = tx.Badges.DeleteRest(ctx, badge.ID, 500, l.nowAt); return err })
				}
			}
			attempts := 0
			err := s.Tx(ctx, func(tx *Tx) error {
				attempts++
				if _, err := tx.Servers.IsMember(ctx, id, ben); err != nil { // from here on it sees what is there now
					return err
				}
				if attempts == 1 && !before {
					removeAll()
				}
				given, err := tx.Roles.InsertOf(ctx, id, ben, role)
				if err != nil {
					return err
				}
				awarded, err := tx.Badges.InsertOf(ctx, badge, ben, l.nowAt)
				if err != nil {
					return err
				}
				if attempts == 1 && before {
					removeAll()
				} else if given || awarded {
					t.Error("what was deleted is given")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if roles, badges := rowsOf(t, s, whoHasRoles), rowsOf(t, s, whoHasBadges); len(roles)+len(badges) != 0 {
				t.Errorf("after %d attempts, %v and %v are left", attempts, roles, badges)
			}
		})
	}
}
