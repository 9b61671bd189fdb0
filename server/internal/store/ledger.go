package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Ledger holds what members were credited and have spent. There is no way to change a line of it, and none to remove one but with its
// server or its account.
type Ledger struct{ *conn }

// The kinds of credit.
const (
	XP    = "xp"
	Coins = "coins"
)

// A LedgerLine is one credit, or one debit if its amount is negative.
type LedgerLine struct {
	ID       string
	ServerID string
	Account  int64
	Kind     string // XP, Coins
	Amount   int64
	Reason   string // what it follows from, such as badge/<id>; one reason counts once for a member and a kind
	At       time.Time
}

// Insert adds a line, unless its reason has counted already.
func (q Ledger) Insert(ctx context.Context, l LedgerLine) error {
	added, err := q.changed(ctx, `INSERT INTO ledger (id, server_id, account, kind, amount, reason, at)
	VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		l.ID, l.ServerID, l.Account, l.Kind, l.Amount, l.Reason, l.At.UnixMicro())
	if err != nil || !added {
		return err
	}
	more := totals{today: l.At.UTC().Format(time.DateOnly)}
	switch l.Kind {
	case XP:
		more.XP, more.xpToday = l.Amount, max(0, l.Amount)
	case Coins:
		more.Coins, more.coinsToday = l.Amount, max(0, l.Amount)
	}
	return q.addToTotals(ctx, l.ServerID, l.Account, more)
}

// Balance returns the sums of an account's lines in a server.
func (q Ledger) Balance(ctx context.Context, serverID string, account int64) (gen.Balance, error) {
	found, err := q.totalsOf(ctx, serverID, account)
	return found.Balance, err
}

// totals are what an account has and has done in a server, kept in the transactions in which that changes.
type totals struct {
	gen.Balance
	visits int64

	messages, replies, reactions int64 // that were sent, and given: those that are gone among them

	// The day on which anything was credited last, and what that was; what is spent does not count. A clock that was ahead is
	// forgotten with the next credit.
	today               string
	xpToday, coinsToday int64
}

func (c *conn) addToTotals(ctx context.Context, serverID string, account int64, more totals) error {
	return c.exec(ctx, `INSERT INTO totals (server_id, account, xp, coins, visits, today, xp_today, coins_today, messages, replies, reactions)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (server_id, account) DO UPDATE
	SET xp = totals.xp + excluded.xp, coins = totals.coins + excluded.coins, visits = totals.visits + excluded.visits,
	    messages = totals.messages + excluded.messages, replies = totals.replies + excluded.replies, reactions = totals.reactions + excluded.reactions,
	    xp_today = CASE WHEN excluded.today IN ('', totals.today) THEN totals.xp_today ELSE 0 END + excluded.xp_today,
	    coins_today = CASE WHEN excluded.today IN ('', totals.today) THEN totals.coins_today ELSE 0 END + excluded.coins_today,
	    today = CASE WHEN excluded.today = '' THEN totals.today ELSE excluded.today END`,
		serverID, account, more.XP, more.Coins, more.visits, more.today, more.xpToday, more.coinsToday, more.messages, more.replies, more.reactions)
}

func (c *conn) totalsOf(ctx context.Context, serverID string, account int64) (totals, error) {
	found, err := get(ctx, c, func(rows *sql.Rows) (t totals, err error) {
		return t, rows.Scan(&t.XP, &t.Coins, &t.visits)
	}, `SELECT xp, coins, visits FROM totals WHERE server_id = $1 AND account = $2`+unlocked, serverID, account)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return found, err
}
