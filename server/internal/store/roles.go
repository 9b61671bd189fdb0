package store

import (
	"context"
	"database/sql"

	"github.com/rejoin-dev/rejoin/gen"
)

// Roles holds the roles of servers and who has them.
type Roles struct{ conn }

const roleColumns = `r.id, r.server_id, r.title, r.description, r.class, r.position, r.billable,
	       r.server_permissions, r.channel_permissions, r.created_at, r.updated_at
	  FROM roles r`

func scanRole(rows *sql.Rows) (r gen.Role, err error) {
	return r, rows.Scan(&r.ObjectID, &r.ServerID, &r.Title, &r.Description, &r.Class, &r.Order, &r.Billable,
		document{&r.ServerPermissions}, document{&r.ChannelPermissions}, micros{&r.CreatedAt}, micros{&r.UpdatedAt})
}

// List returns the roles of a server, the highest first.
func (q Roles) List(ctx context.Context, serverID string) ([]gen.Role, error) {
	return list(ctx, q.conn, scanRole,
		`SELECT `+roleColumns+` WHERE r.server_id = $1 ORDER BY r.position, r.id`, serverID)
}

// ListOf returns the roles of a member, the highest first; the role that everyone has is among them.
func (q Roles) ListOf(ctx context.Context, serverID string, account int64) ([]gen.Role, error) {
	return list(ctx, q.conn, scanRole, `SELECT `+roleColumns+`
	 WHERE r.server_id = $1 AND (r.everyone OR EXISTS (
	       SELECT 1 FROM member_roles mr WHERE mr.role_id = r.id AND mr.account = $2))
	 ORDER BY r.position, r.id`, serverID, account)
}

// InsertEveryone adds the role that every member of its server has.
func (q Roles) InsertEveryone(ctx context.Context, r gen.Role) error { return q.insert(ctx, r, true) }

func (q Roles) insert(ctx context.Context, r gen.Role, everyone bool) error {
	_, err := q.exec(ctx, `INSERT INTO roles (id, server_id, everyone, title, description, class, position, billable,
	       server_permissions, channel_permissions, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		r.ObjectID, r.ServerID, everyone, r.Title, r.Description, r.Class, r.Order, r.Billable,
		written(r.ServerPermissions), written(r.ChannelPermissions), r.CreatedAt.UnixMicro(), r.UpdatedAt.UnixMicro())
	return err
}
