package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Difference is a number that is kept and is not what it is made of.
type Difference struct {
	Where string // what was compared
	Of    string // whose it is
	What  string
	Off   int64 // what is kept, less what it should be
}

func (d Difference) String() string {
	return fmt.Sprintf("%s of %s: %s is off by %d", d.Where, d.Of, d.What, d.Off)
}

// A comparison is a query of what is off: whose it is, and by how much each of its numbers is.
type comparison struct {
	where   string
	numbers []string
	text    string
}

// What is removed in steps is off until it is gone. Nobody finds it any more, and it is left out.
const (
	liveServers  = `(SELECT id FROM servers WHERE NOT deleted)`
	liveChannels = `(SELECT id FROM channels WHERE server_id IN ` + liveServers + `)`
	liveBadges   = `(SELECT id FROM badges WHERE server_id IN ` + liveServers + `)`
	liveGames    = `(SELECT id FROM mini_games WHERE server_id IN ` + liveServers + `)`
	liveProducts = `(SELECT id FROM products WHERE server_id IN ` + liveServers + `)`
	liveAccounts = `(SELECT number FROM accounts WHERE erased_at IS NULL)`
)

// comparisons are all that can be checked: what is kept against what there is.
var comparisons = []comparison{
	{"tallies", []string{"n"}, offBy([]string{"whose", "kind"}, []string{"n"}, `
	SELECT whose, kind, n FROM tallies
	UNION ALL SELECT server_id, 'members', -1 FROM members
	UNION ALL SELECT server_id, 'members', -1 FROM totals WHERE is_member AND account NOT IN `+liveAccounts+`
	UNION ALL SELECT server_id, 'invites', -1 FROM invites WHERE ended_at = 0
	UNION ALL SELECT CAST(account AS TEXT), 'servers', -1 FROM members
	UNION ALL SELECT CAST(account AS TEXT), 'events', -1 FROM auth_events
	UNION ALL SELECT server_id, 'audit', -1 FROM audit
	UNION ALL SELECT server_id, 'roles', -1 FROM roles
	UNION ALL SELECT server_id, 'channels', -1 FROM channels
	UNION ALL SELECT server_id, 'badges', -1 FROM badges
	UNION ALL SELECT server_id, 'socials', -1 FROM socials
	UNION ALL SELECT badge_id, 'applications', -1 FROM badge_applications
	UNION ALL SELECT server_id, 'keys', -1 FROM api_keys
	UNION ALL SELECT server_id, 'fields', -1 FROM fields
	UNION ALL SELECT server_id, 'streaks', -1 FROM streaks
	UNION ALL SELECT server_id, 'milestones', -1 FROM milestones
	UNION ALL SELECT server_id, 'games', -1 FROM mini_games
	UNION ALL SELECT server_id, 'webhooks', -1 FROM webhooks
	UNION ALL SELECT server_id, 'incoming', -1 FROM incoming_webhooks
	UNION ALL SELECT server_id, 'widgets', -1 FROM widgets
	UNION ALL SELECT server_id, 'widget_keys', -1 FROM widget_access_keys
	UNION ALL SELECT server_id, 'leaderboards', -1 FROM leaderboards
	UNION ALL SELECT server_id, 'categories', -1 FROM categories
	UNION ALL SELECT server_id, 'products', -1 FROM products
	UNION ALL SELECT server_id, 'statuses', -1 FROM redemption_statuses
	UNION ALL SELECT channel_id, 'topics', -1 FROM topics
	UNION ALL SELECT CAST(account AS TEXT), 'image_bytes', -bytes FROM images WHERE state IN ('shown', 'private', 'ended')`,
		`whose IN `+liveServers+` OR whose IN `+liveChannels+` OR whose IN `+liveBadges+` OR whose IN (SELECT CAST(number AS TEXT) FROM accounts WHERE erased_at IS NULL)`)},
	{"proofs", []string{"n"}, offBy([]string{"id"}, []string{"n"}, `
	SELECT id, 1 AS n FROM images WHERE state = 'private' UNION ALL SELECT image_id, -1 FROM badge_applications WHERE image_id IS NOT NULL`, `id IS NOT NULL`)},
	{"applications for what was awarded", []string{"n"}, offBy([]string{"badge_id", "account"}, []string{"n"}, `
	SELECT a.badge_id, a.account, 1 AS n FROM badge_applications a JOIN member_badges b ON b.account = a.account AND b.server_id = a.server_id AND b.badge_id = a.badge_id`,
		`badge_id IN `+liveBadges)},
	{"messages", []string{"n"}, offBy([]string{"scope", "account"}, []string{"n"}, `
	SELECT scope, account, n FROM message_totals
	UNION ALL SELECT channel_id, account, -1 FROM messages UNION ALL SELECT channel_id, 0, -1 FROM messages
	UNION ALL SELECT topic_id, account, -1 FROM messages WHERE topic_id IS NOT NULL UNION ALL SELECT topic_id, 0, -1 FROM messages WHERE topic_id IS NOT NULL`,
		`scope IN `+liveChannels+` OR scope IN (SELECT id FROM topics WHERE channel_id IN `+liveChannels+`)`)},
	{"marks of analyses", []string{"n"}, offBy([]string{"position"}, []string{"n"}, `
	SELECT position, 8 AS n FROM analyses UNION ALL SELECT position, -1 FROM analysis_marks`, `position IS NOT NULL`)},
	{"reactions", []string{"n"}, offBy([]string{"message", "emoji"}, []string{"n"}, `
	SELECT message, emoji, n FROM message_reaction_counts UNION ALL SELECT message, emoji, -1 FROM message_reactions`,
		`message IN (SELECT position FROM messages WHERE channel_id IN `+liveChannels+`)`)},
	{"prizes drawn", []string{"drawn"}, offBy([]string{"id"}, []string{"drawn"}, `
	SELECT id, drawn FROM mini_game_prizes UNION ALL SELECT prize_id, -taken FROM mini_game_plays`,
		`id IN (SELECT id FROM mini_game_prizes WHERE game_id IN `+liveGames+`)`)},
	{"plays", []string{"total"}, offBy([]string{"game_id", "account"}, []string{"total"}, `
	SELECT game_id, account, total FROM mini_game_players UNION ALL SELECT game_id, account, -1 FROM mini_game_plays`,
		`game_id IN `+liveGames+` AND account IN `+liveAccounts)},
	{"stocks of codes", []string{"stock", "given"}, offBy([]string{"product_id"}, []string{"stock", "given"}, `
	SELECT product_id, COALESCE(stock, 0) AS stock, given FROM product_stock WHERE given > 0
	UNION ALL SELECT product_id, CASE WHEN order_id IS NULL AND NOT expired THEN -1 ELSE 0 END, -1 FROM vouchers`,
		`product_id IN `+liveProducts)},
	{"stocks against orders", []string{"taken", "orders"}, offBy([]string{"product_id"}, []string{"taken", "orders"}, `
	SELECT product_id, taken, orders FROM product_stock UNION ALL SELECT product_id, -taken, -1 FROM orders`,
		`product_id IN `+liveProducts)},
	{"codes of orders", []string{"n"}, offBy([]string{"id"}, []string{"n"}, `
	SELECT order_id AS id, 1 AS n FROM vouchers WHERE order_id IS NOT NULL UNION ALL SELECT id, -taken FROM orders WHERE product LIKE '%"type":"voucher"%'`,
		`id IN (SELECT id FROM orders WHERE server_id IN `+liveServers+`)`)},
	{"coins of orders against the ledger", []string{"coins"}, offBy([]string{"server_id", "account"}, []string{"coins"}, `
	SELECT server_id, account, total AS coins FROM orders WHERE NOT cancelled
	UNION ALL SELECT server_id, account, coins FROM ledger WHERE deed = 0 AND action IN ('`+string(gen.ActionPurchases)+`', '`+refunded+`')`,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
	{"bulk rows", []string{"processed", "failed"}, offBy([]string{"id"}, []string{"processed", "failed"}, `
	SELECT id, processed, failed FROM bulk_updates UNION ALL SELECT bulk_id, -1, CASE WHEN failed THEN -1 ELSE 0 END FROM bulk_rows`,
		`id IN (SELECT id FROM bulk_updates WHERE status <> '`+arriving+`' AND server_id IN `+liveServers+`)`)},
	{"bulk rows against the ledger", []string{"xp", "coins", "premium"}, offBy([]string{"bulk_id", "account"}, []string{"xp", "coins", "premium"}, `
	SELECT bulk_id, account, xp, coins, premium FROM bulk_rows UNION ALL SELECT SUBSTR(reason, 6, 24), account, -xp, -coins, -premium FROM ledger WHERE action = 'bulk'`,
		`account IN `+liveAccounts+` AND bulk_id IN (SELECT id FROM bulk_updates WHERE kept > 0 AND status <> '`+arriving+`' AND server_id IN `+liveServers+`)`)},
	{"totals against days", balances, offBy([]string{"server_id", "account"}, balances, `
	SELECT server_id, account, `+strings.Join(balances, ", ")+` FROM totals
	UNION ALL SELECT server_id, account, xp_spent - xp, coins_spent - coins, premium_spent - premium, -`+strings.Join(counted, ", -")+` FROM days`,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
	{"days against the ledger", summed, offBy([]string{"server_id", "account", "day"}, summed, `
	SELECT server_id, account, day, `+strings.Join(summed, ", ")+` FROM days WHERE day > 0
	UNION ALL SELECT server_id, account, day, -SUM(deed), -MAX(deed), -SUM(CASE WHEN xp > 0 OR action = '`+takenBack+`' THEN xp ELSE 0 END), -SUM(CASE WHEN action <> '`+refunded+`' AND (coins > 0 OR action = '`+takenBack+`') THEN coins ELSE 0 END),
	       SUM(CASE WHEN xp < 0 AND action <> '`+takenBack+`' THEN xp ELSE 0 END), SUM(CASE WHEN coins < 0 AND action <> '`+takenBack+`' OR action = '`+refunded+`' THEN coins ELSE 0 END),
	       -SUM(CASE WHEN premium > 0 THEN premium ELSE 0 END), SUM(CASE WHEN premium < 0 THEN premium ELSE 0 END), `+deedsOf(counted)+` FROM ledger GROUP BY server_id, account, day`,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
	{"days of servers against those of members", summed, offBy([]string{"server_id", "day"}, summed, `
	SELECT server_id, day, `+strings.Join(summed, ", ")+` FROM server_days UNION ALL SELECT server_id, day, -`+strings.Join(summed, ", -")+` FROM days`,
		`server_id IN `+liveServers)},
	{"joins", []string{"joined"}, offBy([]string{"server_id", "day"}, []string{"joined"}, `
	SELECT server_id, day, joined - joined_gone AS joined FROM server_days UNION ALL SELECT server_id, joined, -1 FROM totals WHERE joined <> 0`,
		`server_id IN `+liveServers)},
	{"active days against days", []string{"n"}, offBy([]string{"server_id", "day", "since"}, []string{"n"}, `
	SELECT server_id, day, since, n - gone AS n FROM active_days UNION ALL SELECT server_id, day, since, -1 FROM days WHERE active = 1 AND account > 0`,
		`server_id IN `+liveServers)},
	{"days against the days before them", []string{"since"}, offBy([]string{"server_id", "account", "day"}, []string{"since"}, `
	SELECT server_id, account, day, since FROM days WHERE active = 1 AND account > 0
	UNION ALL SELECT server_id, account, day, CASE WHEN before_it IS NULL THEN 0 WHEN day - before_it > 366 THEN -366 ELSE before_it - day END FROM `+daysBefore,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
	{"last days", []string{"acted", "acted_before"}, offBy([]string{"server_id", "account"}, []string{"acted", "acted_before"}, `
	SELECT server_id, account, acted, acted_before FROM totals
	UNION ALL SELECT server_id, account, -MAX(day), -COALESCE(MAX(before_it), 0) FROM `+daysBefore+` GROUP BY server_id, account`,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
	{"messages against the ledger", []string{"lines"}, noLine("messages", "id", `'messages/' || id`, "messages", 1, "reply_to IS NULL")},
	{"replies against the ledger", []string{"lines"}, noLine("messages", "id", `'replies/' || id`, "replies", 1, "reply_to IS NOT NULL")},
	{"plays against the ledger", []string{"lines"}, noLine("mini_game_plays", "id", `'minigames/' || id`, "minigames", 1, "game_id IN "+liveGames)},
	{"badges against the ledger", []string{"lines"}, noLine("member_badges", "badge_id", `'`+BadgeReason+`' || badge_id`, "badges", 0, "badge_id IN "+liveBadges)},
	{"streaks against the ledger", []string{"xp", "coins"}, offBy([]string{"server_id", "account", "reason"}, []string{"xp", "coins"}, `
	SELECT server_id, account, reason, xp, coins FROM ledger WHERE action = 'streaks'
	UNION ALL SELECT server_id, account, 'streak/' || streak_id || '/' || period, -xp, -coins FROM streak_logs WHERE xp <> 0 OR coins <> 0`,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
	{"balances below zero", []string{"xp", "coins", "premium"}, `SELECT server_id || ' ' || account, CASE WHEN xp < 0 THEN xp ELSE 0 END, CASE WHEN coins < 0 THEN coins ELSE 0 END,
	       CASE WHEN premium < 0 THEN premium ELSE 0 END
	  FROM totals WHERE (xp < 0 OR coins < 0 OR premium < 0) AND account IN ` + liveAccounts + ` AND server_id IN ` + liveServers},
	{"last visits", []string{"visited"}, offBy([]string{"server_id", "account"}, []string{"visited"}, `
	SELECT server_id, account, visited FROM totals UNION ALL SELECT server_id, account, -MAX(day) FROM days WHERE visits > 0 AND day > 0 GROUP BY server_id, account`,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
	// A change of the zone may leave a run shorter than the days in a row are. But on each of its days there was a visit.
	{"visits in a row", []string{"visits_run"}, offBy([]string{"server_id", "account"}, []string{"visits_run"}, `
	SELECT server_id, account, visits_run FROM totals UNION ALL SELECT t.server_id, t.account, -1 FROM totals t
	  JOIN days d ON d.server_id = t.server_id AND d.account = t.account AND d.day <= t.visited AND d.day > t.visited - CASE WHEN t.visits_run > 1 THEN t.visits_run ELSE 1 END
	 WHERE d.visits > 0`,
		`account IN `+liveAccounts+` AND server_id IN `+liveServers)},
}

// daysBefore are the days of members with deeds, each with the one before it.
const daysBefore = `(SELECT server_id, account, day, LAG(day) OVER (PARTITION BY server_id, account ORDER BY day) AS before_it FROM days WHERE active = 1 AND account > 0) AS lagged`

// balances are the columns of totals that days add up to.
var balances = append([]string{"xp", "coins", "premium"}, counted...)

// offBy adds up the rows of both sides.
func offBy(of, numbers []string, sides, live string) string {
	sums, off := make([]string, len(numbers)), make([]string, len(numbers))
	for i, n := range numbers {
		sums[i] = "CAST(SUM(" + n + ") AS BIGINT)"
		off[i] = "SUM(" + n + ") <> 0"
	}
	return "SELECT " + strings.Join(of, " || ' ' || ") + ", " + strings.Join(sums, ", ") + " FROM (" + sides + ") AS both_sides WHERE " + live +
		" GROUP BY " + strings.Join(of, ", ") + " HAVING " + strings.Join(off, " OR ")
}

// noLine finds what there is of members without its line in the ledger, by the key of that. A line without what it is about is none that
// is off: a message may be deleted, a game and a badge, too, and a badge may be taken away. Of erased accounts, the lines go first.
func noLine(table, id, reason, action string, deed int, which string) string {
	return fmt.Sprintf(`SELECT w.server_id || ' ' || w.account || ' ' || w.id, -1 FROM (SELECT server_id, account, %s AS id, %s AS reason FROM %s WHERE %s) AS w
	 WHERE w.account IN %s AND w.server_id IN %s
	   AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.server_id = w.server_id AND l.account = w.account AND l.reason = w.reason AND l.action = '%s' AND l.deed = %d)`,
		id, reason, table, which, liveAccounts, liveServers, action, deed)
}

// deedsOf is how often there were lines of deeds that are counted so. A reply is a message, too.
func deedsOf(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		actions := "'" + name + "'"
		if name == "messages" {
			actions += ", 'replies'"
		}
		all[i] = "-SUM(CASE WHEN deed = 1 AND action IN (" + actions + ") THEN 1 ELSE 0 END)"
	}
	return strings.Join(all, ", ")
}

// verifies is how long one comparison may take: it reads all that there is.
const verifies = time.Hour

// Verify compares all that is kept with what it is made of, and calls differs with each difference. Whoever writes meanwhile does no
// harm: each comparison sees one moment.
func (s *Store) Verify(ctx context.Context, differs func(Difference)) error {
	ctx = withPatience(ctx, verifies)
	reads := &conn{pool: s.read, once: true}
	for _, c := range comparisons {
		numbers := make([]int64, len(c.numbers))
		var of string
		into := []any{&of}
		for i := range numbers {
			into = append(into, &numbers[i])
		}
		if _, err := list(ctx, reads, func(rows *sql.Rows) (none struct{}, err error) {
			if err := rows.Scan(into...); err != nil {
				return none, err
			}
			for i, off := range numbers {
				if off != 0 {
					differs(Difference{Where: c.where, Of: of, What: c.numbers[i], Off: off})
				}
			}
			return none, nil
		}, c.text); err != nil {
			return fmt.Errorf("%s: %w", c.where, err)
		}
	}
	return nil
}
