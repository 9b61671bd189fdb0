package store

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Audit holds who changed what. There is no way to change a line of it, but that an account which is deleted takes its names out,
// and none to remove one but with the whole trail of a deleted server.
type Audit struct{ *conn }

// Insert adds an entry about a server. A state is a model of the contract, or nil.
func (q Audit) Insert(ctx context.Context, serverID string, e gen.AuditEntry, before, after any) error {
	if err := q.exec(ctx, `INSERT INTO audit (id, server_id, actor_type, actor_id, action, target, before, after, at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.ID, serverID, e.Actor.Type, e.Actor.ID, e.Action, e.Target, stateOf(before), stateOf(after), e.At.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, auditTally, serverID)
}

func stateOf(model any) sql.NullString {
	if model == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: written(model), Valid: true}
}

// List returns a page of the entries about a server, the latest first.
func (q Audit) List(ctx context.Context, serverID string, page Page) ([]gen.AuditEntry, error) {
	at, id := page.from(latest)
	return list(ctx, q.conn, func(rows *sql.Rows) (e gen.AuditEntry, err error) {
		return e, rows.Scan(&e.ID, &e.Actor.Type, &e.Actor.ID, &e.Actor.Deleted, &e.Action, &e.Target, state{&e.Before}, state{&e.After}, micros{&e.At})
	}, `SELECT e.id, e.actor_type, e.actor_id, CASE WHEN e.actor_type = 'account' THEN EXISTS (
	       SELECT 1 FROM accounts a WHERE a.number = CAST(e.actor_id AS INTEGER) AND a.erased_at IS NOT NULL) ELSE FALSE END, e.action, e.target, e.before, e.after, e.at
	  FROM (SELECT id FROM audit WHERE server_id = $1 AND (at, id) < ($2, $3)
	         ORDER BY at DESC, id DESC LIMIT $4 OFFSET $5) page JOIN audit e ON e.id = page.id
	 ORDER BY e.at DESC, e.id DESC`, serverID, at, id, page.Limit, page.Skip)
}

// Count tells how many entries there are about a server.
func (q Audit) Count(ctx context.Context, serverID string) (int64, error) {
	return q.total(ctx, auditTally, serverID)
}

// A Deletion is by whom and when a server was deleted.
type Deletion struct {
	ServerID string
	Account  int64
	At       time.Time
}

// InsertDeletion keeps who has deleted a server, for as long as its trail is kept.
func (q Audit) InsertDeletion(ctx context.Context, d Deletion) error {
	return q.exec(ctx, `INSERT INTO deletions (server_id, account, at) VALUES ($1, $2, $3)`, d.ServerID, d.Account, d.At.UnixMicro())
}

// GetDeletion returns who has deleted a server whose trail is still kept.
func (q Audit) GetDeletion(ctx context.Context, serverID string) (Deletion, error) {
	return get(ctx, q.conn, scanDeletion, `SELECT server_id, account, at FROM deletions WHERE server_id = $1`, serverID)
}

// ListDeletions returns some servers that were deleted until then and whose trail is still kept, the earliest first: those
// after another one, or the first.
func (q Audit) ListDeletions(ctx context.Context, after *Deletion, until time.Time, some int) ([]Deletion, error) {
	at, id := int64(math.MinInt64), ""
	if after != nil {
		at, id = after.At.UnixMicro(), after.ServerID
	}
	return list(ctx, q.conn, scanDeletion, `SELECT server_id, account, at FROM deletions
	 WHERE (at, server_id) > ($1, $2) AND at <= $3 ORDER BY at, server_id LIMIT $4`, at, id, until.UnixMicro(), some)
}

func scanDeletion(rows *sql.Rows) (d Deletion, err error) {
	var at gen.Time
	err = rows.Scan(&d.ServerID, &d.Account, micros{&at})
	d.At = at.Time
	return d, err
}

// DeleteRest removes some entries of the trail of a deleted server, and in the end that it was kept, and tells whether there
// may be more.
func (q Audit) DeleteRest(ctx context.Context, serverID string, some int) (more bool, err error) {
	deleted, err := list(ctx, q.conn, scanOne[string],
		`DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE server_id = $1 LIMIT $2) RETURNING id`, serverID, some)
	if err != nil {
		return true, err
	}
	if len(deleted) > 0 {
		_, err := q.addTo(ctx, auditTally, serverID, q.shard%auditTally.shards, -int64(len(deleted)))
		return true, err
	}
	if err := q.exec(ctx, `DELETE FROM tallies WHERE whose = $1 AND kind = $2`, serverID, auditTally.kind); err != nil {
		return true, err
	}
	return false, q.exec(ctx, `DELETE FROM deletions WHERE server_id = $1`, serverID)
}

// state reads a state from its column.
type state struct {
	into *gen.AuditState
}

func (s state) Scan(value any) error {
	if value == nil {
		*s.into = gen.Null[map[string]any]()
		return nil
	}
	var found map[string]any
	if err := (document{&found}).Scan(value); err != nil {
		return err
	}
	*s.into = gen.NullableOf(found)
	return nil
}
