package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Analytics holds what is known of all members of a server together, day by day, without asking for each.
type Analytics struct{ *conn }

// longSince stands for so many days and all that are more. No range is longer.
const longSince = 366

// sinceBetween is how many days a day is after the one before it on which a member did something, 0 if there is none.
func sinceBetween(day, before int64) int64 {
	if before == 0 {
		return 0
	}
	return min(day-before, longSince)
}

// since is how many days before a day a member did something last, who does something on it now and has the totals that are given.
func (q Analytics) since(ctx context.Context, l LedgerLine, after Totals) (int64, error) {
	switch {
	case !l.Deed:
		return 0, nil
	case l.Day == after.Acted:
		return sinceBetween(l.Day, after.ActedBefore), nil
	}
	// The day was changed to an earlier one, by another zone of the server or by the clock.
	before, err := get(ctx, q.conn, scanOne[int64], `SELECT day FROM days WHERE server_id = $1 AND account = $2 AND day < $3 AND day > 0 AND active = 1 ORDER BY day DESC LIMIT 1`+unlocked,
		l.ServerID, l.Account, l.Day)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return sinceBetween(l.Day, before), err
}

// begins notes that a member does something for the first time on a day.
func (q Analytics) begins(ctx context.Context, l LedgerLine, since int64, after Totals) error {
	if err := q.addActive(ctx, l.ServerID, l.Day, since, 1); err != nil || l.Day == after.Acted {
		return err
	}
	type later struct{ day, since int64 }
	next, err := get(ctx, q.conn, func(rows *sql.Rows) (d later, err error) { return d, rows.Scan(&d.day, &d.since) },
		`SELECT day, since FROM days WHERE server_id = $1 AND account = $2 AND day > $3 AND active = 1 ORDER BY day LIMIT 1`+unlocked, l.ServerID, l.Account, l.Day)
	if err != nil {
		return err
	}
	now := sinceBetween(next.day, l.Day)
	if now == next.since {
		return nil
	}
	if err := q.exec(ctx, `UPDATE days SET since = $4 WHERE server_id = $1 AND account = $2 AND day = $3`, l.ServerID, l.Account, next.day, now); err != nil {
		return err
	}
	if err := q.addActive(ctx, l.ServerID, next.day, next.since, -1); err != nil {
		return err
	}
	return q.addActive(ctx, l.ServerID, next.day, now, 1)
}

// Most members do something every day, or every week: those rows are in shards, of which each transaction changes one.
const (
	busySince       = 7
	activeDayShards = 8
)

func (q Analytics) addActive(ctx context.Context, serverID string, day, since, n int64) error {
	shard := int64(0)
	if since <= busySince {
		shard = q.shard % activeDayShards
	}
	return q.exec(ctx, `INSERT INTO active_days (server_id, day, since, shard, n, gone) VALUES ($1, $2, $3, $4, $5, 0)
	ON CONFLICT (server_id, day, since, shard) DO UPDATE SET n = active_days.n + excluded.n`, serverID, day, since, shard, n)
}

// forgetActive notes that who is counted on some days is there no more: the first ones that an account has.
func (q Analytics) forgetActive(ctx context.Context, serverID string, account int64, some int) error {
	return q.exec(ctx, `INSERT INTO active_days (server_id, day, since, shard, n, gone)
	SELECT server_id, day, since, 0, 0, 1 FROM (SELECT server_id, day, since, active FROM days WHERE server_id = $1 AND account = $2 ORDER BY day LIMIT $3) AS d WHERE active = 1
	ON CONFLICT (server_id, day, since, shard) DO UPDATE SET gone = active_days.gone + 1`, serverID, account, some)
}

// InsertJoin counts somebody who has become a member on a day, if they were none before.
func (q Analytics) InsertJoin(ctx context.Context, serverID string, account, day int64) error {
	first, err := q.changed(ctx, `UPDATE totals SET joined = $3 WHERE server_id = $1 AND account = $2 AND joined = 0`, serverID, account, day)
	if err != nil || !first {
		return err
	}
	return q.exec(ctx, `INSERT INTO server_days (server_id, day, shard, joined) VALUES ($1, $2, $3, 1)
	ON CONFLICT (server_id, day, shard) DO UPDATE SET joined = server_days.joined + 1`, serverID, day, q.shard%serverDayShards)
}

// forgetJoin notes that who is counted as having joined on a day is there no more.
func (q Analytics) forgetJoin(ctx context.Context, serverID string, day int64) error {
	if day == 0 {
		return nil
	}
	return q.exec(ctx, `INSERT INTO server_days (server_id, day, shard, joined_gone) VALUES ($1, $2, 0, 1)
	ON CONFLICT (server_id, day, shard) DO UPDATE SET joined_gone = server_days.joined_gone + 1`, serverID, day)
}

// A ServerDay is what all members of a server did and got on a day.
type ServerDay struct {
	Day, Joined, Active            int64
	XP, Coins, XPSpent, CoinsSpent int64
	Messages, Replies, Reactions   int64
	Purchases                      int64
}

// ListDays returns what the members of a server did from a day to another one, the first first: days without anything are not among them.
func (q Analytics) ListDays(ctx context.Context, serverID string, from, to int64) ([]ServerDay, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (d ServerDay, err error) {
		return d, rows.Scan(&d.Day, &d.Joined, &d.Active, &d.XP, &d.Coins, &d.XPSpent, &d.CoinsSpent, &d.Messages, &d.Replies, &d.Reactions, &d.Purchases)
	}, `SELECT day, CAST(SUM(joined) AS BIGINT), CAST(SUM(active) AS BIGINT), CAST(SUM(xp) AS BIGINT), CAST(SUM(coins) AS BIGINT), CAST(SUM(xp_spent) AS BIGINT),
	       CAST(SUM(coins_spent) AS BIGINT), CAST(SUM(messages) AS BIGINT), CAST(SUM(replies) AS BIGINT), CAST(SUM(reactions) AS BIGINT), CAST(SUM(purchases) AS BIGINT)
	  FROM server_days WHERE server_id = $1 AND day >= $2 AND day <= $3 GROUP BY day ORDER BY day`+unlocked, serverID, from, to)
}

// Active is how many members did something in a range, and how many of them never before.
type Active struct{ Members, First int64 }

// CountActive returns that from a day to another one, of which both are within the range. It is at most longSince days long.
func (q Analytics) CountActive(ctx context.Context, serverID string, from, to int64) (Active, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (a Active, err error) { return a, rows.Scan(&a.Members, &a.First) },
		`SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN since = 0 THEN n ELSE 0 END), 0) AS BIGINT)
	  FROM active_days WHERE server_id = $1 AND day >= $2 AND day <= $3 AND (since = 0 OR since > day - $2)`+unlocked, serverID, from, to)
}

// ListHighest returns the members of a server who have the most XP.
func (q Analytics) ListHighest(ctx context.Context, serverID string, most int) ([]gen.OverviewMember, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (m gen.OverviewMember, err error) {
		var number int64
		var username, avatar sql.NullString
		if err := rows.Scan(&m.ID, &number, &username, &m.DisplayName, &avatar, &m.XP, &m.Coins); err != nil {
			return m, err
		}
		m.Number, m.Username, m.Avatar = Number(number), nullableOf(username), ImagePath(avatar.String)
		return m, nil
	}, `SELECT a.id, a.number, a.username, a.display_name, a.avatar_image_id, t.xp, t.coins
	  FROM (SELECT account, xp, coins FROM totals WHERE server_id = $1 AND is_member ORDER BY xp DESC, account DESC LIMIT $2) t JOIN accounts a ON a.number = t.account
	 WHERE a.erased_at IS NULL ORDER BY t.xp DESC, t.account DESC`+unlocked, serverID, most)
}

// A Holding is what a member has.
type Holding struct {
	Account int64
	gen.Balance
	Member bool // they still are
}

// ListHoldings returns what some have who are or were members of a server, by account, from behind one on.
func (q Analytics) ListHoldings(ctx context.Context, serverID string, after int64, some int) ([]Holding, error) {
	return list(ctx, q.readOnce(), func(rows *sql.Rows) (h Holding, err error) {
		return h, rows.Scan(&h.Account, &h.XP, &h.Coins, &h.Member)
	},
		`SELECT account, xp, coins, is_member FROM totals WHERE server_id = $1 AND account > $2 ORDER BY account LIMIT $3`+unlocked, serverID, after, some)
}

// CountRoles returns how many of those have which role who are from behind one account up to another one.
func (q Analytics) CountRoles(ctx context.Context, serverID string, after, last int64) (map[string]int64, error) {
	return read(ctx, q.readOnce(), func(rows *sql.Rows) (map[string]int64, error) {
		of := map[string]int64{}
		for rows.Next() {
			var role string
			var n int64
			if err := rows.Scan(&role, &n); err != nil {
				return nil, err
			}
			of[role] = n
		}
		return of, nil
	}, `SELECT mr.role_id, COUNT(*) FROM totals t JOIN member_roles mr ON mr.account = t.account AND mr.server_id = t.server_id
	 WHERE t.server_id = $1 AND t.account > $2 AND t.account <= $3 GROUP BY mr.role_id`+unlocked, serverID, after, last)
}

// GetEveryone returns the id of the role that all members of a server have.
func (q Analytics) GetEveryone(ctx context.Context, serverID string) (string, error) {
	return get(ctx, q.conn, scanOne[string], `SELECT id FROM roles WHERE server_id = $1 AND everyone`+unlocked, serverID)
}

// readOnce is for what is read of everybody: it is not remembered instead of what others read often.
func (q Analytics) readOnce() *conn {
	c := *q.conn
	c.once = true
	return &c
}

// GetSnapshot returns what was counted last; nil: nothing yet.
func (q Analytics) GetSnapshot(ctx context.Context, serverID string) (*gen.OverviewSnapshot, error) {
	found, err := get(ctx, q.conn, scanOne[sql.NullString], `SELECT snapshot FROM overviews WHERE server_id = $1`+unlocked, serverID)
	if errors.Is(err, ErrNotFound) || err == nil && !found.Valid {
		return nil, nil
	}
	snapshot := new(gen.OverviewSnapshot)
	if err == nil {
		err = (document{snapshot}).Scan(found.String)
	}
	return snapshot, err
}

// AskSnapshot notes that a snapshot is to be counted, and tells whether there is nobody yet who does so. Who has not come back for too
// long is forgotten.
func (q Analytics) AskSnapshot(ctx context.Context, serverID string, now time.Time, tooLong time.Duration) (bool, error) {
	return q.changed(ctx, `INSERT INTO overviews (server_id, snapshot, computed_at, asked_at) VALUES ($1, NULL, 0, $2)
	ON CONFLICT (server_id) DO UPDATE SET asked_at = excluded.asked_at WHERE overviews.asked_at < $3 OR overviews.asked_at > $4`,
		serverID, now.UnixMicro(), now.Add(-tooLong).UnixMicro(), now.Add(mostAhead).UnixMicro())
}

// PutSnapshot keeps what was counted.
func (q Analytics) PutSnapshot(ctx context.Context, serverID string, s gen.OverviewSnapshot) error {
	return q.exec(ctx, `UPDATE overviews SET snapshot = $2, computed_at = $3, asked_at = 0 WHERE server_id = $1`, serverID, written(s), s.ComputedAt.UnixMicro())
}
