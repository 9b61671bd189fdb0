package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The sets that a statement may sort or look through whole, because they are small: by what the plan calls them, with
// how many there may be.
var bounded = []struct {
	statement string // a part of it; empty: any
	plan      string // a part of the line of the plan
	atMost    string
}{
	{"string_agg", "ORDER BY", "the roles of a server, or those that a channel admits: MaxRoles"},
	{"FROM (SELECT account, joined_at FROM members", "", "one page"},
	{"FROM (SELECT id FROM audit", "", "one page"},
	{"FROM (SELECT id FROM field_histories", "", "one page"},
	{"FROM fields f", "ORDER BY", "the fields of a server: MaxFields"},
	{"AS sort_key", "d", "examinedAtOnce"},
	{"AS sort_key", "ORDER BY", "examinedAtOnce"},
	{"FROM (SELECT id FROM auth_events WHERE account", "", "one page"},
	{"JOIN members m ON m.server_id = r.server_id", "ORDER BY", "the roles of an account in MaxMemberships servers, of MaxRoles each"},
	{"JOIN member_badges mb ON", "ORDER BY", "the badges of a member: MaxBadges"},
	{"ORDER BY number LIMIT 1", "accounts", "the first row there is"},
	{"FROM (SELECT * FROM messages m WHERE", "", "one page"},
	{"SELECT * FROM analyses WHERE account", "", "one page"},
	{"JOIN member_roles mr ON mr.account = t.account", "", "one page"},
	{"FROM (SELECT account, xp, coins FROM totals", "", "one page"},
	{"FROM (SELECT server_id, day, since, active FROM days", "", "one page"},
	{"FROM (SELECT rowid FROM message_words", "found", "mostFound"},
	{"message_words", "VIRTUAL TABLE", "it is an index: of words, or by position"},
	{"AS sort_value", "SCAN d", "one page"},
	{"AS sort_value", "ORDER BY", "one page"},
	{") counted", "SCAN counted", "MostAbove, or mostDrift"},
	{") tied", "SCAN tied", "what a page skips"},
	{"d WHERE ", "SCAN d", "the accounts of one step of the job"},
	{"MAX(d.account)", "SCAN d", "the accounts of one step of the job"},
	{"AS counted_orders", "counted_orders", "as many as a purchase limit has pieces"},
	{"FROM known_networks WHERE account = $1 AND", "", "the networks and devices of an account: MaxNetworks and MaxDevices, and one more"},
}

func isBounded(statement, plan string) bool {
	for _, b := range bounded {
		if strings.Contains(statement, b.statement) && strings.Contains(plan, b.plan) {
			return true
		}
	}
	return false
}

// How many rows a statement may read where a community has far more of everything.
const (
	large    = 20_000
	planned  = 2_000 // on SQLite, whose plans are looked at and not run
	readable = 2_500 // MaxChannels twice, and a page
)

// Every statement of the package, found by running them all, finds what it wants by an index, in the order in which it wants it.
func TestNoStatementGrowsWithACommunity(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		seen := recording(s)
		l := &life{T: t, s: s, nowAt: time.Now()}
		kept := l.everything()
		s.write.saw, s.read.saw = nil, nil
		seen.isComplete(t)
		rows := planned
		if s.write.goose == postgreSQL.goose {
			rows = large
		}
		enlargeCommunity(t, s, kept, rows)
		enlargeStore(t, s, kept, rows)
		enlargeBulk(t, s, kept, rows)
		if s.write.goose == postgreSQL.goose { // SQLite likes to look through a table of one row
			seen.explain(t, s)
		}
		addCommunities(t, s, rows)
		seen.explain(t, s)
	})
}

// explain looks at the plan of every statement that was recorded, for what is in the tables now.
func (r *recorder) explain(t *testing.T, s *Store) {
	t.Helper()
	fill(t, s, `ANALYZE`)
	look := explainSQLite
	if s.write.goose == postgreSQL.goose {
		look = explainPostgreSQL
	}
	for text, args := range r.found {
		for _, fault := range look(t, s, text, args) {
			t.Errorf("%s\n%s", fault, text)
		}
	}
}

// isComplete compares what was recorded with the source of the package: every text of SQL in it has been part of a statement.
func (r *recorder) isComplete(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains([]string{"dialect.go", "cache.go", "backup.go", "verify.go", "wake.go"}, name) { // which ask for a lock, for the schema, look at a copy, at everything, and at what PostgreSQL does
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if field, is := n.(*ast.Field); is && field.Tag != nil {
				return false
			}
			literal, is := n.(*ast.BasicLit)
			if !is || literal.Kind != token.STRING || literal.Value[0] != '`' {
				return true
			}
			texts++
			text := strings.Trim(literal.Value, "`")
			for statement := range r.found {
				if strings.Contains(statement, text) {
					return true
				}
			}
			t.Errorf("%s: this test runs no statement with %q", name, text)
			return true
		})
	}
	if texts < 60 {
		t.Errorf("only %d texts of SQL were found in the source", texts)
	}
}

// enlargeCommunity makes one community large, and next to all that there is: members with roles and badges, and long histories.
func enlargeCommunity(t *testing.T, s *Store, id string, rows int) {
	t.Helper()
	numbers := numbersOf(rows)
	fill(t, s,
		`INSERT INTO accounts (number, id, email, display_name, created_at) `+numbers+`SELECT i, 'a' || i, 'a' || i, 'x', i FROM n`,
		`INSERT INTO sessions (token_hash, account, created_at, expires_at) `+numbers+`SELECT 's' || i, i, i, 9000000000000000 + i FROM n`,
		`INSERT INTO auth_events (id, account, kind, at, last_at, times, address, user_agent) `+numbers+`SELECT 'v' || i, 1, 'x', i, i, 1, '', '' FROM n`,
		`INSERT INTO registrations (email, number, id, username, display_name, first_name, last_name, password_hash, created_at) `+numbers+`SELECT 'r' || i, i + 1000000, 'r' || i, 'r' || i, '', '', '', '', 9000000000000000 + i FROM n`,
		`INSERT INTO codes (account, purpose, salt, hash, network, tries, expires_at) `+numbers+`SELECT i, 'reset', 's' || i, '', '', 0, 9000000000000000 + i FROM n`,
		`INSERT INTO code_tries (account, purpose, network, salt, tries, expires_at) `+numbers+`SELECT i, 'reset', '', 's' || i, 1, 9000000000000000 + i FROM n`,
		`INSERT INTO code_quotas (account, purpose, network, full_at) `+numbers+`SELECT i, 'reset', '', 9000000000000000 + i FROM n`,
		`INSERT INTO known_networks (account, network, used_at) `+numbers+`SELECT i, '', i FROM n`,
		`INSERT INTO two_factor (account, secret, begun_at, confirmed, last_step) `+numbers+`SELECT i, '', 0, FALSE, 0 FROM n`,
		`INSERT INTO recovery_codes (account, hash) `+numbers+`SELECT i, 'x' FROM n`,
		`INSERT INTO otp_tries (account, network, tries, since) `+numbers+`SELECT i, 'x', 1, 9000000000000000 + i FROM n`,
		`INSERT INTO idempotency (id, fingerprint, answer, expires_at) `+numbers+`SELECT 'i' || i, '', '', 9000000000000000 + i FROM n`,
		`INSERT INTO images (id, account, bytes, state, at) `+numbers+`SELECT 'i' || i, i, 1, 'shown', i FROM n`,
		`INSERT INTO images (id, account, bytes, state, at) `+numbers+`SELECT 'j' || i, i, 1, 'leaving', 1 FROM n`,
		`INSERT INTO members (server_id, account, joined_at) `+numbers+`SELECT '`+id+`', i, i FROM n`,
		`INSERT INTO invites (code, id, server_id, account, role_id, uses, remaining, expires_at, created_at, ended_at) `+numbers+`SELECT 'e' || i, 'e' || i, '`+id+`', 1, 'r', 1, 0, i, i, i FROM n`,
		`INSERT INTO invites (code, id, server_id, account, role_id, uses, remaining, expires_at, created_at, ended_at) `+numbers+`SELECT 'l' || i, 'l' || i, '`+id+`', 1, NULL, 0, 0, NULL, i, 0 FROM n WHERE i < 1000 + `+strconv.Itoa(MaxInvites)+``,
		`INSERT INTO member_roles (server_id, account, role_id) SELECT m.server_id, m.account, r.id FROM members m JOIN roles r ON r.server_id = m.server_id
		  WHERE m.server_id = '`+id+`' AND m.account >= 1000 AND NOT r.everyone`,
		`INSERT INTO member_badges (server_id, account, badge_id, awarded_at) SELECT m.server_id, m.account, b.id, 0 FROM members m JOIN badges b ON b.server_id = m.server_id
		  WHERE m.server_id = '`+id+`' AND m.account >= 1000`,
		`INSERT INTO badge_applications (id, badge_id, server_id, account, note, at) `+numbers+`SELECT 'a' || i, b.id, '`+id+`', i, '', i FROM n JOIN badges b ON b.id = (SELECT MIN(id) FROM badges WHERE server_id = '`+id+`')`,
		`INSERT INTO images (id, account, bytes, state, at) `+numbers+`SELECT 'k' || i, i, 1, CASE WHEN i % 2 = 0 THEN 'private' ELSE 'ended' END, i FROM n`,
		`INSERT INTO channel_members (channel_id, account) `+numbers+`SELECT c.id, i FROM n JOIN channels c ON c.server_id = '`+id+`'`,
		`INSERT INTO audit (id, server_id, actor_type, actor_id, action, target, at) `+numbers+`SELECT 'e' || i, '`+id+`', 'account', '1', 'x', 'x', i FROM n`,
		`INSERT INTO deletions (server_id, account, at) `+numbers+`SELECT 'd' || i, 1, 9000000000000000 + i FROM n`,
		`INSERT INTO days (server_id, account, day) `+numbers+`SELECT '`+id+`', 1, i FROM n WHERE i < 2000`,
		`INSERT INTO days (server_id, account, day) `+numbers+`SELECT '`+id+`', i, 20600 FROM n`,
		`INSERT INTO server_days (server_id, day, shard) `+numbers+`SELECT '`+id+`', i, 9 FROM n`,
		`INSERT INTO active_days (server_id, day, since, shard, n, gone) `+numbers+`SELECT '`+id+`', i, 1, 99, 1, 0 FROM n`,
		`INSERT INTO cooldowns (server_id, account, action, at) `+numbers+`SELECT '`+id+`', i, 'messages', 0 FROM n`,
		`INSERT INTO ledger (id, server_id, account, action, deed, day, xp, coins, reason, at) `+numbers+`SELECT 'l' || i, '`+id+`', 1, 'messages', 1, i, 1, 0, 'l' || i, i FROM n`,
		`INSERT INTO totals (server_id, account, xp, coins, visits) `+numbers+`SELECT '`+id+`', i, 0, 0, 0 FROM n`,
		`INSERT INTO presence (account, active_at, minutes, today, streak) `+numbers+`SELECT i, i, 0, '', 0 FROM n`,
		`INSERT INTO referrals (server_id, account, referrer, at) `+numbers+`SELECT '`+id+`', i, i, i FROM n`,
		`INSERT INTO field_values (account, server_id, field_id, value, kind, value_key, unique_key, measure) `+numbers+`SELECT i, '`+id+`', f.id, '1', 'line', 'k' || i, 'k' || i, i FROM n JOIN fields f ON f.server_id = '`+id+`'`,
		`INSERT INTO field_histories (id, server_id, field_id, field, account, value, at, actor_type, actor_id) `+numbers+`SELECT 'h' || i, '`+id+`', f.id, 'x', CASE WHEN i % 2 = 0 THEN 1 ELSE i END, '1', i, '', '' FROM n JOIN fields f ON f.server_id = '`+id+`'`,
		`INSERT INTO former_members (server_id, account, joined_at, deleted_at, kept) `+numbers+`SELECT '`+id+`', i, i, i, '{}' FROM n`,
		`INSERT INTO streak_states (account, server_id, streak_id, state) `+numbers+`SELECT i, '`+id+`', s.id, '{}' FROM n JOIN streaks s ON s.server_id = '`+id+`'`,
		`INSERT INTO streak_logs (account, server_id, streak_id, period, id, name, length, xp, coins, at) `+numbers+`SELECT CASE WHEN i % 2 = 0 THEN 1 ELSE i END, '`+id+`', s.id, 'p' || i, 'l' || i, 'x', 1, 0, 0, i FROM n JOIN streaks s ON s.server_id = '`+id+`'`,
		`INSERT INTO mini_game_players (game_id, account, server_id, day, today, free, extra, total, last_at) `+numbers+`SELECT g.id, i, '`+id+`', 0, 0, 0, 0, 0, 0 FROM n JOIN mini_games g ON g.server_id = '`+id+`'`,
		`INSERT INTO mini_game_plays (id, game_id, account, server_id, prize_id, taken, prize, at) `+numbers+`SELECT 'p' || g.id || i, g.id, CASE WHEN i % 2 = 0 THEN 1 ELSE i END, '`+id+`', 'p', 0, '{}', i FROM n JOIN mini_games g ON g.server_id = '`+id+`'`,
		`UPDATE totals SET is_member = TRUE`,
		`INSERT INTO leaderboard_users (leaderboard_id, account) `+numbers+`SELECT b.id, i FROM n JOIN leaderboards b ON b.server_id = '`+id+`'`,
		`INSERT INTO leaderboard_rows (standing_id, account, server_id, value) `+numbers+`SELECT 'shown', i, '`+id+`', i FROM n`,
		`INSERT INTO leaderboard_rows (standing_id, account, server_id, value) `+numbers+`SELECT 'over', i, '`+id+`', i FROM n`,
		`INSERT INTO leaderboard_ladders (standing_id, turn, value, above) `+numbers+`SELECT 'shown', 5, i, i FROM n`,
		`INSERT INTO leaderboard_ladders (standing_id, turn, value, above) `+numbers+`SELECT 'over', 5, i, i FROM n`,
		`INSERT INTO leaderboard_touched (server_id, account, taken) `+numbers+`SELECT '`+id+`', i, FALSE FROM n`)
	enlargeTalk(t, s, id, rows)
}

// enlargeTalk fills what is said in the channels of a community.
func enlargeTalk(t *testing.T, s *Store, id string, rows int) {
	t.Helper()
	numbers, firstChannel := numbersOf(rows), `(SELECT MIN(id) FROM channels WHERE server_id = '`+id+`')`
	fill(t, s,
		`INSERT INTO messages (position, id, server_id, channel_id, account, text, at) `+numbers+`SELECT i * 100, 'm' || i, '`+id+`', c.id, 1, 'x', i FROM n JOIN channels c ON c.id = `+firstChannel+``,
		`INSERT INTO analyses (position, id, server_id, channel_id, account, type, definition, drawings, at, updated_at) `+numbers+`SELECT i * 100, 'y' || i, '`+id+`', c.id, 1, 'x', '{}', '[]', i, i FROM n JOIN channels c ON c.id = `+firstChannel+``,
		`INSERT INTO analysis_marks (mark, position) `+numbers+`SELECT c.id || '///', i * 100 FROM n JOIN channels c ON c.id = `+firstChannel+``,
		`INSERT INTO analysis_marks (mark, position) `+numbers+`SELECT 'm' || i, i * 100 FROM n`,
		`INSERT INTO message_words (rowid, words) `+numbers+`SELECT i * 100, 'x' FROM n`,
		`INSERT INTO message_totals (scope, account, shard, n) `+numbers+`SELECT c.id, i, 0, 1 FROM n JOIN channels c ON c.server_id = '`+id+`'`,
		`INSERT INTO message_reactions (message, emoji, account) `+numbers+`SELECT m.position, ':ok:', i FROM n JOIN messages m ON m.text = 'Good day'`,
		`INSERT INTO message_reaction_counts (message, emoji, n, at) `+numbers+`SELECT i * 100, ':ok:', 1, 1 FROM n`,
		`INSERT INTO message_images (image_id, server_id, account, message, ordinal, name, type, size, at) `+numbers+`SELECT 'i' || i, '`+id+`', 1, i * 100, 0, 'x', 'png', 1, 1 FROM n`,
		`INSERT INTO message_images (image_id, server_id, account, message, ordinal, name, type, size, at) `+numbers+`SELECT 'j' || i, '`+id+`', 1, NULL, 0, 'x', 'png', 1, 1 FROM n`,
		`INSERT INTO topics (id, channel_id, account, by_key, title, created_at) `+numbers+`SELECT 't' || i, c.id, 1, FALSE, 'x', i FROM n JOIN channels c ON c.id = `+firstChannel+``)
}

// enlargeStore gives the products of a community codes.
func enlargeStore(t *testing.T, s *Store, id string, rows int) {
	t.Helper()
	fill(t, s, `INSERT INTO vouchers (product_id, hash, server_id, sealed, seq, expires_at) `+numbersOf(rows)+
		`SELECT p.id, 'h' || i, '`+id+`', 'x', i, 9000000000000000 + i FROM n JOIN products p ON p.server_id = '`+id+`'`,
		`INSERT INTO orders (id, transaction_id, server_id, account, product_id, category_id, status_id, cancelled, quantity, price, total, taken, day, product, buyer, created_at, updated_at) `+numbersOf(rows)+
			`SELECT 'o' || i, 'o' || i, '`+id+`', CASE WHEN i % 2 = 0 THEN 1 ELSE i END, (SELECT MIN(p.id) FROM products p WHERE p.server_id = '`+id+`'), 'none', s.id, FALSE, 1, 0, 0, 0, 20513, '{}', '{}', i, i
			 FROM n JOIN redemption_statuses s ON s.name = 'Pending' AND s.server_id = '`+id+`'`,
		`INSERT INTO webhook_events (id, server_id, kind, channel_id, body, waiting, at, account, place, expires_at) `+numbersOf(rows)+
			`SELECT 'e' || i, '`+id+`', 'user.left', '', '{}', FALSE, i, i % 50, i, 9000000000000000 + i FROM n`,
		`INSERT INTO webhook_deliveries (id, webhook_id, server_id, event_id, kind, status, tries, failed, log, due_at, created_at, updated_at, expires_at) `+numbersOf(rows)+
			`SELECT 'd' || i, w.id, '`+id+`', 'e' || i, 'user.left', 'pending', 0, 0, '[]', CASE WHEN i % 2 = 0 THEN i END, i, i, 9000000000000000 + i FROM n JOIN webhooks w ON w.server_id = '`+id+`'`,
		`INSERT INTO incoming_webhooks (id, server_id, token_hash, definition, account, calls, created_at) `+numbersOf(rows)+`SELECT 'w' || i, s.id, 'h' || i, '{}', 1, 0, i FROM n JOIN servers s ON s.id <> '`+id+`' AND i % 2 = 0`,
		`INSERT INTO incoming_calls (webhook_id, place, number, id, outcome, reason, at) `+numbersOf(rows)+`SELECT 'w' || (i - i % 100), i % 100, i, 'c' || i, 'done', '', i FROM n WHERE i >= 100`,
		`INSERT INTO widget_access_keys (id, server_id, key_hash, account, definition, created_at) `+numbersOf(rows)+`SELECT 'w' || i, '`+id+`', 'x', 1, '{}', i FROM n`,
		`INSERT INTO widgets (id, server_id, slug, kind, channel_id, active, definition, created_at) `+numbersOf(rows)+`SELECT 'w' || i, '`+id+`', 'w' || i, 'channels', 'c' || i, TRUE, '{}', i FROM n`,
		`INSERT INTO page_logins (id, token_hash, key_id, server_id, account, host, opened, created_at, expires_at) `+numbersOf(rows)+`SELECT 'p' || i, 'p' || i, 'k', '`+id+`', 1, 'x', i % 2 = 0, i, i FROM n`,
		`INSERT INTO widget_signing_keys (id, secret, created_at) `+numbersOf(rows)+`SELECT 'w' || i, 'x', i FROM n`)
}

// enlargeBulk gives a community files that have ended and that wait, and the one that has its turn many rows.
func enlargeBulk(t *testing.T, s *Store, id string, rows int) {
	t.Helper()
	numbers, file := numbersOf(rows), `INSERT INTO bulk_updates (id, server_id, key_id, kind, status, header, kept, stepped_at, created_at, finished_at) `
	fill(t, s,
		file+numbers+`SELECT 'e' || i, '`+id+`', 'k', 'update', 'done', '[]', i * 1000, i, i, 9000000000000000 + i FROM n`,
		file+numbers+`SELECT 'w' || i, '`+id+`', 'k', 'update', 'queued', '[]', i * 1000 + 1, i, i, NULL FROM n`,
		`INSERT INTO bulk_chunks (bulk_id, first, lines) `+numbers+`SELECT b.id, i, '[]' FROM n JOIN bulk_updates b ON b.turn AND b.server_id = '`+id+`'`,
		`INSERT INTO bulk_rows (bulk_id, number, identifier, failed, errors, account) `+numbers+`SELECT b.id, i, 'x', i % 2 = 0, '[]', CASE WHEN i % 3 = 0 THEN 1 WHEN i % 3 = 1 THEN i ELSE 0 END
		   FROM n JOIN bulk_updates b ON b.turn AND b.server_id = '`+id+`'`)
}

// addCommunities adds as many others, of which an account is in many.
func addCommunities(t *testing.T, s *Store, rows int) {
	t.Helper()
	numbers := numbersOf(rows)
	fill(t, s,
		`INSERT INTO servers (id, name, owner, created_at) `+numbers+`SELECT 's' || i, 'x', 1, i FROM n`,
		`INSERT INTO roles (id, server_id, everyone, title, description, class, position, billable, server_permissions, channel_permissions, created_at, updated_at) `+
			numbers+`SELECT 'r' || i, 's' || i, TRUE, 'x', '', 'x', i, FALSE, '{}', '{}', i, i FROM n`,
		`INSERT INTO channels (id, server_id, account, topic, description, channel_type, created_at, updated_at) `+numbers+`SELECT 'c' || i, 's' || i, 1, 'x', '', 'open', i, i FROM n`,
		`INSERT INTO badges (id, server_id, definition, created_at) `+numbers+`SELECT 'b' || i, 's' || i, '{}', i FROM n`,
		`INSERT INTO api_keys (id, server_id, key_hash, masked, name, permissions, expire_period, active, account, created_at, updated_at) `+
			numbers+`SELECT 'k' || i, 's' || i, 'k' || i, '', '', '[]', 0, TRUE, 1, 0, 0 FROM n`,
		`INSERT INTO fields (id, server_id, field_key, definition, position, identifier, creator, created_at, updated_at) `+numbers+`SELECT 'f' || i, 's' || i, 'x', '{}', 0, TRUE, 1, 0, 0 FROM n`,
		`INSERT INTO badge_applications (id, badge_id, server_id, account, note, at) `+numbers+`SELECT 'o' || i, 'b' || i, 's' || i, 1, '', i FROM n`,
		`INSERT INTO socials (id, server_id, definition, created_at) `+numbers+`SELECT 'l' || i, 's' || i, '{}', i FROM n`,
		`INSERT INTO milestones (id, server_id, definition, created_at) `+numbers+`SELECT 'm' || i, 's' || i, '{}', i FROM n`,
		`INSERT INTO streaks (id, server_id, definition, zones, position, created_at) `+numbers+`SELECT 'z' || i, 's' || i, '{}', '[]', 0, i FROM n`,
		`INSERT INTO mini_games (id, server_id, name, definition, created_at) `+numbers+`SELECT 'g' || i, 's' || i, 'x', '{}', i FROM n`,
		`INSERT INTO mini_game_prizes (id, game_id, stock, drawn) `+numbers+`SELECT 'q' || i, 'g' || i, 1, 0 FROM n`,
		`INSERT INTO redemption_statuses (id, server_id, name, name_key, category, color, created_at) `+numbers+`SELECT 'u' || i, 's' || i, 'x', 'x', 'incomplete', '', i FROM n`,
		`INSERT INTO bulk_updates (id, server_id, key_id, kind, status, header, turn, stepped_at, created_at) `+numbers+`SELECT 'r' || i, 's' || i, 'k', 'update', 'running', '[]', TRUE, 9000000000000000 + i, i FROM n`,
		`INSERT INTO bulk_updates (id, server_id, key_id, kind, status, header, stepped_at, created_at) `+numbers+`SELECT 'a' || i, 's' || i, 'k', 'update', 'arriving', '[]', 9000000000000000 + i, i FROM n`,
		`INSERT INTO stores (server_id, definition) `+numbers+`SELECT 's' || i, '{}' FROM n`,
		`INSERT INTO categories (id, server_id, name_key, definition, created_at) `+numbers+`SELECT 'y' || i, 's' || i, 'x', '{}', i FROM n`,
		`INSERT INTO products (id, server_id, category_id, definition, name, type, price, position, archived, discounted, restricted, access, created_at, updated_at) `+
			numbers+`SELECT 'p' || i, 's' || i, 'y' || i, '{}', 'x', 'voucher', 1, 0, FALSE, FALSE, FALSE, '', i, i FROM n`,
		`INSERT INTO product_stock (product_id, stock) `+numbers+`SELECT 'p' || i, 1 FROM n`,
		`INSERT INTO leaderboards (id, server_id, slug, definition, position, everybody, created_at) `+numbers+`SELECT 'b' || i, 's' || i, 'x', '{}', 0, TRUE, i FROM n`,
		`INSERT INTO leaderboard_standings (id, server_id, leaderboard_id, filter, from_day, until_day, everybody, ended, read_at, deep_at, progress) `+numbers+`SELECT 'o' || i, 's' || i, 'b' || i, 'daily', i, i, TRUE, FALSE, 9000000000000000 + i, 0, '{}' FROM n`,
		`INSERT INTO leaderboard_roles (leaderboard_id, role_id) `+numbers+`SELECT 'b' || i, 'r' || i FROM n`,
		`INSERT INTO members (server_id, account, joined_at) `+numbers+`SELECT 's' || i, 1, i FROM n WHERE i < 1500`,
		`INSERT INTO members (server_id, account, joined_at) `+numbers+`SELECT 's' || i, i, i FROM n`,
		`INSERT INTO member_roles (server_id, account, role_id) `+numbers+`SELECT 's' || i, i, 'r' || i FROM n`,
		`INSERT INTO channel_roles (channel_id, role_id) `+numbers+`SELECT 'c' || i, 'r' || i FROM n`,
		`INSERT INTO invites (code, id, server_id, account, uses, remaining, expires_at, created_at, ended_at) `+numbers+`SELECT 'm' || i, 'm' || i, 's' || i, 1, 0, 0, 9000000000000000 + i, i, 0 FROM n`,
		`INSERT INTO tallies (whose, kind, shard, n) `+numbers+`SELECT 's' || i, 'members', 0, 1 FROM n`)
}

func numbersOf(rows int) string {
	return fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, 1000+rows)
}

func fill(t *testing.T, s *Store, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := s.write.db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
}

func explainSQLite(t *testing.T, s *Store, text string, args []any) (faults []string) {
	t.Helper()
	rows, err := s.read.db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+text, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var line string
		if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
			t.Fatal(err)
		}
		whole := strings.HasPrefix(line, "SCAN ") && line != "SCAN CONSTANT ROW" && !strings.HasSuffix(line, "-ROW VALUES CLAUSE") || strings.Contains(line, "TEMP B-TREE") || strings.Contains(line, "AUTOMATIC")
		if whole && !isBounded(text, line) {
			faults = append(faults, line)
		}
	}
	return faults
}

// A planNode is what PostgreSQL tells of a step of a plan.
type planNode struct {
	Type     string   `json:"Node Type"`
	Relation string   `json:"Relation Name"`
	Estimate float64  `json:"Plan Rows"`
	Rows     float64  `json:"Actual Rows"`
	Removed  float64  `json:"Rows Removed by Filter"`
	Loops    float64  `json:"Actual Loops"`
	Key      []string `json:"Sort Key"`
	Plans    []planNode
}

// explainPostgreSQL looks at the plan of the statement as it is prepared, as the driver prepares all: with its arguments at
// hand, PostgreSQL might make another one.
func explainPostgreSQL(t *testing.T, s *Store, text string, args []any) (faults []string) {
	t.Helper()
	tx, err := s.write.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), `PREPARE explained AS `+text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer tx.ExecContext(t.Context(), `DEALLOCATE explained`) // which would outlive the transaction
	how := `EXPLAIN (FORMAT JSON) `
	if strings.HasPrefix(strings.TrimSpace(text), "SELECT") {
		how = `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) `
	}
	var found []byte
	if err := tx.QueryRowContext(t.Context(), how+`EXECUTE explained`+literals(t, args)).Scan(&found); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(found, &plans); err != nil {
		t.Fatal(err)
	}
	var read float64
	var look func(n planNode)
	look = func(n planNode) {
		if n.Relation != "" {
			read += (n.Rows + n.Removed) * max(n.Loops, 1)
		}
		line := n.Type + " " + n.Relation
		if len(n.Key) > 0 {
			line += " ORDER BY " + strings.Join(n.Key, ", ")
		}
		whole := n.Type == "Seq Scan" || strings.Contains(n.Type, "Sort") && n.Estimate > readable
		if whole && !isBounded(text, line) {
			faults = append(faults, line+", of about "+strconv.Itoa(int(n.Estimate)))
		}
		for _, child := range n.Plans {
			look(child)
		}
	}
	look(plans[0].Plan)
	if read > readable {
		faults = append(faults, fmt.Sprintf("reads %.0f rows", read))
	}
	return faults
}

// literals are arguments as SQL, in brackets; EXECUTE admits no others.
func literals(t *testing.T, args []any) string {
	t.Helper()
	if len(args) == 0 {
		return ""
	}
	texts := make([]string, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = "NULL"
		if value != nil {
			texts[i] = "'" + strings.ReplaceAll(fmt.Sprint(value), "'", "''") + "'"
		}
	}
	return "(" + strings.Join(texts, ", ") + ")"
}
