package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Invites holds what lets people into servers.
type Invites struct{ *conn }

// An Invite is an invite, and whether it has ended other than by its time.
type Invite struct {
	gen.Invite
	Account int64 // who made it
	Ended   bool
}

// Good tells whether an invite has not ended at now.
func (i Invite) Good(now time.Time) bool {
	expires, ends := i.ExpiresAt.Get()
	return !i.Ended && (!ends || expires.After(now))
}

const selectInvite = `SELECT i.code, i.id, i.server_id, i.account, i.role_id, i.uses, i.remaining, i.expires_at, i.created_at, i.ended_at
	  FROM invites i `

func scanInvite(rows *sql.Rows) (i Invite, err error) {
	var role sql.NullString
	var remaining int32
	var endedAt int64
	err = rows.Scan(&i.Code, &i.ID, &i.ServerID, &i.Account, &role, &i.Uses, &remaining, nullableMicros{&i.ExpiresAt}, micros{&i.CreatedAt}, &endedAt)
	i.UserID, i.RoleID, i.Ended = Number(i.Account), nullableOf(role), endedAt != 0
	if i.Uses > 0 {
		i.Remaining = gen.NullableOf(remaining)
	}
	return i, err
}

// List returns the invites of a server that have not ended at now, oldest first.
func (q Invites) List(ctx context.Context, serverID string, now time.Time) ([]Invite, error) {
	// The time is no part of the question, so that the answer can be remembered.
	all, err := list(ctx, q.conn, scanInvite, selectInvite+`WHERE i.server_id = $1 AND i.ended_at = 0 ORDER BY i.created_at, i.id`, serverID)
	return slices.DeleteFunc(all, func(i Invite) bool { return !i.Good(now) }), err
}

// Get returns an invite of a server, also one that has ended.
func (q Invites) Get(ctx context.Context, serverID, code string) (Invite, error) {
	return get(ctx, q.conn, scanInvite, selectInvite+`WHERE i.code = $2 AND i.server_id = $1`+unlocked, serverID, code) // Use says whether it is as it was
}

// CheckMaker is a LimitError if a member has made as many invites to a server that have not ended at now as one may who is no
// administrator. In one server there are few enough to look through.
func (q Invites) CheckMaker(ctx context.Context, serverID string, account int64, now time.Time) error {
	made, err := list(ctx, q.conn, scanOne[string], `SELECT code FROM invites
	 WHERE server_id = $1 AND ended_at = 0 AND account = $2 AND (expires_at IS NULL OR expires_at > $3) LIMIT $4`,
		serverID, account, now.UnixMicro(), MaxInvitesOfMember)
	if err == nil && len(made) == MaxInvitesOfMember {
		err = &LimitError{Most: MaxInvitesOfMember, What: "invites of yours to this server"}
	}
	return err
}

// Insert adds an invite. Beyond MaxInvites of the server that have not ended at now it is a LimitError.
func (q Invites) Insert(ctx context.Context, i Invite, now time.Time) error {
	if _, err := q.endAll(ctx, `UPDATE invites SET ended_at = expires_at
	 WHERE server_id = $1 AND ended_at = 0 AND expires_at <= $2 RETURNING server_id`, i.ServerID, now.UnixMicro()); err != nil {
		return err
	}
	if err := q.exec(ctx, `INSERT INTO invites (code, id, server_id, account, role_id, uses, remaining, expires_at, created_at, ended_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)`,
		i.Code, i.ID, i.ServerID, i.Account, textOf(i.RoleID), i.Uses, i.Uses, microsOrNull(i.ExpiresAt), i.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, invitesTally, i.ServerID)
}

// Use uses an invite that has not ended once and tells whether that was possible: however many use it at the same time, it
// is used no more often than it says.
func (q Invites) Use(ctx context.Context, i Invite, now time.Time) (used bool, err error) {
	if i.Uses == 0 { // nothing is counted, and those who use it at the same time do not wait for each other
		there, err := list(ctx, q.conn, scanOne[string], `SELECT code FROM invites WHERE code = $1 AND ended_at = 0 /* FOR SHARE */`, i.Code)
		return len(there) > 0, err
	}
	left, err := list(ctx, q.conn, scanOne[int64], `UPDATE invites SET remaining = remaining - 1
	 WHERE code = $1 AND ended_at = 0 AND remaining > 0 RETURNING remaining`, i.Code)
	if err != nil || len(left) == 0 {
		return false, err
	}
	if left[0] == 0 {
		return true, q.End(ctx, i.Code, now)
	}
	return true, nil
}

// GiveRole notes that an invite gives its role to an account, and tells whether it has not before.
func (q Invites) GiveRole(ctx context.Context, i Invite, account int64) (first bool, err error) {
	return q.changed(ctx, `INSERT INTO invite_roles (code, account, server_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, i.Code, account, i.ServerID)
}

// End ends an invite.
func (q Invites) End(ctx context.Context, code string, at time.Time) error {
	_, err := q.endAll(ctx, `UPDATE invites SET ended_at = $2 WHERE code = $1 AND ended_at = 0 RETURNING server_id`, code, at.UnixMicro())
	return err
}

// EndOf ends the invites to a server that an account has made.
func (q Invites) EndOf(ctx context.Context, serverID string, account int64, at time.Time) error {
	_, err := q.endAll(ctx, `UPDATE invites SET ended_at = $3
	 WHERE server_id = $1 AND ended_at = 0 AND account = $2 RETURNING server_id`, serverID, account, at.UnixMicro())
	return err
}

// EndOfRole ends the invites to a server that give a role.
func (q Invites) EndOfRole(ctx context.Context, serverID, roleID string, at time.Time) error {
	_, err := q.endAll(ctx, `UPDATE invites SET ended_at = $3
	 WHERE server_id = $1 AND ended_at = 0 AND role_id = $2 RETURNING server_id`, serverID, roleID, at.UnixMicro())
	return err
}

// DeleteExpired ends some of the invites that have expired at now, removes some of those that ended before another moment, and
// tells whether there may be more.
func (q Invites) DeleteExpired(ctx context.Context, now, before time.Time, some int) (more bool, err error) {
	ended, err := q.endAll(ctx, `UPDATE invites SET ended_at = expires_at WHERE code IN (
	       SELECT code FROM invites WHERE ended_at = 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING server_id`, now.UnixMicro(), some)
	if err != nil {
		return false, err
	}
	const oldest = `SELECT code FROM invites WHERE ended_at > 0 AND ended_at < $1 ORDER BY ended_at LIMIT $2`
	gave, err := q.changed(ctx, `DELETE FROM invite_roles WHERE (code, account) IN (
	       SELECT code, account FROM invite_roles WHERE code IN (`+oldest+`) LIMIT $2)`, before.UnixMicro(), some)
	if err != nil || gave {
		return true, err
	}
	removed, err := list(ctx, q.conn, scanOne[string], `DELETE FROM invites WHERE code IN (`+oldest+`) RETURNING code`, before.UnixMicro(), some)
	return ended == some || len(removed) == some, err
}

// endAll runs a statement that ends invites and returns the server of each, counts them out, and tells how many there were.
func (q Invites) endAll(ctx context.Context, text string, args ...any) (n int, err error) {
	servers, err := list(ctx, q.conn, scanOne[string], text, args...)
	if err != nil {
		return 0, err
	}
	return len(servers), q.countAllOut(ctx, invitesTally, servers)
}
