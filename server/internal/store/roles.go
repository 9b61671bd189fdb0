package store

import (
	"context"
	"database/sql"

	"github.com/rejoin-dev/rejoin/gen"
)

// Roles holds the roles of servers and who has them.
type Roles struct{ *conn }

// A Role is a role, and whether it is the one that every member has without being given it.
type Role struct {
	gen.Role
	Everyone bool
}

const selectRole = `SELECT r.id, r.server_id, r.everyone, r.title, r.description, r.class, r.position, r.billable,
	       r.server_permissions, r.channel_permissions, r.created_at, r.updated_at
	  FROM roles r `

func scanRole(rows *sql.Rows) (r Role, err error) {
	return r, rows.Scan(&r.ID, &r.ServerID, &r.Everyone, &r.Title, &r.Description, &r.Class, &r.Order, &r.Billable,
		document{&r.ServerPermissions}, document{&r.ChannelPermissions}, micros{&r.CreatedAt}, micros{&r.UpdatedAt})
}

// scanWireRole is for lists, which show no more than the wire does.
func scanWireRole(rows *sql.Rows) (gen.Role, error) {
	r, err := scanRole(rows)
	return r.Role, err
}

// List returns the roles of a server, the highest first.
func (q Roles) List(ctx context.Context, serverID string) ([]gen.Role, error) {
	return list(ctx, q.conn, scanWireRole, selectRole+`WHERE r.server_id = $1 ORDER BY r.position, r.id`, serverID)
}

// ListOf returns the roles of a member, the highest first; the role that everyone has is among them. A shared transaction
// does not lock them: what they allowed when it looked, it has done before they changed.
func (q Roles) ListOf(ctx context.Context, serverID string, account int64) ([]gen.Role, error) {
	return list(ctx, q.conn, scanWireRole, selectRole+`WHERE r.server_id = $1 AND (r.everyone OR EXISTS (
	       SELECT 1 FROM member_roles mr WHERE mr.role_id = r.id AND mr.server_id = r.server_id AND mr.account = $2))
	 ORDER BY r.position, r.id`+unlocked, serverID, account)
}

// Get returns a role.
func (q Roles) Get(ctx context.Context, id string) (Role, error) {
	return get(ctx, q.conn, scanRole, selectRole+`WHERE r.id = $1 /* FOR SHARE OF r */`, id)
}

// Insert adds a role. Beyond MaxRoles it is a LimitError.
func (q Roles) Insert(ctx context.Context, r Role) error {
	if err := q.exec(ctx, `INSERT INTO roles (id, server_id, everyone, title, description, class, position, billable,
	       server_permissions, channel_permissions, created_at, updated_at, administrator)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		r.ID, r.ServerID, r.Everyone, r.Title, r.Description, r.Class, r.Order, r.Billable,
		written(r.ServerPermissions), written(r.ChannelPermissions), r.CreatedAt.UnixMicro(), r.UpdatedAt.UnixMicro(),
		r.ServerPermissions.ServerAdministrator); err != nil {
		return err
	}
	return q.countIn(ctx, rolesTally, r.ServerID)
}

// Update replaces what may change of a role.
func (q Roles) Update(ctx context.Context, r Role) error {
	return q.change(ctx, `UPDATE roles SET title = $2, description = $3, class = $4, position = $5, billable = $6,
	       server_permissions = $7, channel_permissions = $8, updated_at = $9, administrator = $10 WHERE id = $1`,
		r.ID, r.Title, r.Description, r.Class, r.Order, r.Billable,
		written(r.ServerPermissions), written(r.ChannelPermissions), r.UpdatedAt.UnixMicro(),
		r.ServerPermissions.ServerAdministrator)
}

// Delete removes a role: nobody has it any more. Who had it is removed by DeleteRest, because there may be any number of them.
func (q Roles) Delete(ctx context.Context, id string) error {
	if err := Leaderboards(q).EndOfRole(ctx, id); err != nil {
		return err
	}
	return q.deleteCounted(ctx, rolesTally, `DELETE FROM roles WHERE id = $1 RETURNING server_id`, id)
}

// DeleteRest removes some rows of who had a deleted role, and tells whether there may be more.
func (q Roles) DeleteRest(ctx context.Context, id string, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM member_roles WHERE (account, server_id, role_id) IN (
	       SELECT account, server_id, role_id FROM member_roles WHERE role_id = $1 LIMIT $2)`, id, some)
}

// InsertOf gives a role of a server to a member and tells whether the member did not have it. A role that is not there is
// given to nobody: the statement reads it, so that PostgreSQL sees the conflict with whoever deletes it meanwhile.
func (q Roles) InsertOf(ctx context.Context, serverID string, account int64, roleID string) (changed bool, err error) {
	changed, err = q.changed(ctx, `INSERT INTO member_roles (server_id, account, role_id)
	SELECT server_id, $2, id FROM roles WHERE id = $3 AND server_id = $1 /* FOR SHARE */ ON CONFLICT DO NOTHING`, serverID, account, roleID)
	if err == nil && changed {
		err = q.touch(ctx, serverID, account)
	}
	return changed, err
}

// DeleteOf takes a role from a member and tells whether the member had it.
func (q Roles) DeleteOf(ctx context.Context, serverID string, account int64, roleID string) (changed bool, err error) {
	changed, err = q.changed(ctx, `DELETE FROM member_roles WHERE server_id = $1 AND account = $2 AND role_id = $3`,
		serverID, account, roleID)
	if err == nil && changed {
		err = q.unrank(ctx, serverID, account, false)
	}
	return changed, err
}
