package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Ledger holds what members were credited and have spent. There is no way to change or remove a line of it.
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
	return q.exec(ctx, `INSERT INTO ledger (id, server_id, account, kind, amount, reason, at)
	VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		l.ID, l.ServerID, l.Account, l.Kind, l.Amount, l.Reason, l.At.UnixMicro())
}

// Balance returns the sums of an account's lines in a server.
func (q Ledger) Balance(ctx context.Context, serverID string, account int64) (gen.Balance, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (b gen.Balance, err error) {
		return b, rows.Scan(&b.Xp, &b.Coins)
	}, `SELECT CAST(COALESCE(SUM(CASE WHEN kind = 'xp' THEN amount END), 0) AS BIGINT),
	       CAST(COALESCE(SUM(CASE WHEN kind = 'coins' THEN amount END), 0) AS BIGINT)
	  FROM ledger WHERE server_id = $1 AND account = $2`, serverID, account)
}
