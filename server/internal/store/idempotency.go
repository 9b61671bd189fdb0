package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Idempotency holds the answers that are given again to the same request.
type Idempotency struct{ *conn }

// A Claim is what is kept under an idempotency key.
type Claim struct {
	ID          string
	Fingerprint string
	Answer      string // sealed; empty until Keep
	ExpiresAt   time.Time
}

// Claim takes an idempotency key, for the transaction to answer under. If it is taken already, Claim returns what is
// kept under it; if another transaction is about to take it, Claim waits for that one.
func (q Idempotency) Claim(ctx context.Context, c Claim, now time.Time) (kept *Claim, err error) {
	for {
		if err := q.exec(ctx, `DELETE FROM idempotency WHERE id = $1 AND expires_at <= $2`, c.ID, now.UnixMicro()); err != nil {
			return nil, err
		}
		claimed, err := q.changed(ctx, `INSERT INTO idempotency (id, fingerprint, answer, expires_at) VALUES ($1, $2, '', $3) ON CONFLICT DO NOTHING`,
			c.ID, c.Fingerprint, c.ExpiresAt.UnixMicro())
		if err != nil || claimed {
			return nil, err
		}
		found, err := get(ctx, q.conn, func(rows *sql.Rows) (found Claim, err error) {
			return found, rows.Scan(&found.Fingerprint, &found.Answer)
		}, `SELECT fingerprint, answer FROM idempotency WHERE id = $1`+unlocked, c.ID)
		if !errors.Is(err, ErrNotFound) { // it would have expired in between, in a shared transaction
			return &found, err
		}
	}
}

// Keep puts the sealed answer under a claimed key.
func (q Idempotency) Keep(ctx context.Context, id, answer string) error {
	return q.change(ctx, `UPDATE idempotency SET answer = $2 WHERE id = $1`, id, answer)
}

// DeleteExpired removes some of what has expired at now, and tells whether there was any.
func (q Idempotency) DeleteExpired(ctx context.Context, now time.Time, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM idempotency WHERE id IN (
	       SELECT id FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, now.UnixMicro(), some)
}
