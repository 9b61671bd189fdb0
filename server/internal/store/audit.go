package store

import (
	"context"
	"database/sql"

	"github.com/rejoin-dev/rejoin/gen"
)

// Audit holds who changed what. There is no way to change or remove a line of it.
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
		return e, rows.Scan(&e.ID, &e.Actor.Type, &e.Actor.ID, &e.Action, &e.Target, state{&e.Before}, state{&e.After}, micros{&e.At})
	}, `SELECT e.id, e.actor_type, e.actor_id, e.action, e.target, e.before, e.after, e.at
	  FROM (SELECT id FROM audit WHERE server_id = $1 AND (at, id) < ($2, $3)
	         ORDER BY at DESC, id DESC LIMIT $4 OFFSET $5) page JOIN audit e ON e.id = page.id
	 ORDER BY e.at DESC, e.id DESC`, serverID, at, id, page.Limit, page.Skip)
}

// Count tells how many entries there are about a server.
func (q Audit) Count(ctx context.Context, serverID string) (int64, error) {
	return q.total(ctx, auditTally, serverID)
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
