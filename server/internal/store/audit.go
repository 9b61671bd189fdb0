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

// List returns the entries about a server, the latest first, skipping some, and at most limit of them.
func (q Audit) List(ctx context.Context, serverID string, limit, skip int) ([]gen.AuditEntry, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (e gen.AuditEntry, err error) {
		return e, rows.Scan(&e.ID, &e.Actor.Type, &e.Actor.ID, &e.Action, &e.Target, state{&e.Before}, state{&e.After}, micros{&e.At})
	}, `SELECT id, actor_type, actor_id, action, target, before, after, at
	  FROM audit WHERE server_id = $1 ORDER BY at DESC, id DESC LIMIT $2 OFFSET $3`, serverID, limit, skip)
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
