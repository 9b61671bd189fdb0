package store

import (
	"context"
	"database/sql"
	"time"
)

// Users holds accounts as members of servers, and who was deleted from one.
type Users struct{ *conn }

// A MemberName is one way in which an account is named. Its text is a column of accounts.
type MemberName string

// The ways in which an account is named.
const (
	ByNumber   MemberName = "number"
	ByID       MemberName = "id"
	ByEmail    MemberName = "email" // in lower case
	ByUsername MemberName = "username"
)

// GetMember finds the account of a member of a server. A shared transaction keeps it a member until it ends.
func (q Users) GetMember(ctx context.Context, serverID string, by MemberName, value any) (Account, error) {
	return get(ctx, q.conn, scanAccount, `SELECT `+accountColumns+` JOIN members m ON m.account = number
	 WHERE m.server_id = $1 AND `+string(by)+` = $2 /* FOR SHARE OF m */`, serverID, value)
}

// GetFormer finds the account of somebody who was deleted from a server.
func (q Users) GetFormer(ctx context.Context, serverID string, by MemberName, value any) (Account, error) {
	return get(ctx, q.conn, scanAccount, `SELECT `+accountColumns+` JOIN former_members f ON f.account = number
	 WHERE f.server_id = $1 AND `+string(by)+` = $2`, serverID, value)
}

// IsFormer tells whether an account was deleted from a server.
func (q Users) IsFormer(ctx context.Context, serverID string, account int64) (bool, error) {
	return get(ctx, q.conn, scanOne[bool],
		`SELECT EXISTS (SELECT 1 FROM former_members WHERE server_id = $1 AND account = $2 /* FOR SHARE */)`, serverID, account)
}

// A membership is what a member has that goes with being one.
type membership struct {
	Roles    []string  `json:"roles,omitempty"`
	Badges   []awarded `json:"badges,omitempty"`
	Channels []string  `json:"channels,omitempty"` // that admit the member by name
}

type awarded struct {
	Badge string `json:"badge"`
	At    int64  `json:"at"`
}

// DeleteMember ends the membership of an account and keeps what Restore brings back. Whoever is no member is ErrNotFound.
func (q Users) DeleteMember(ctx context.Context, serverID string, account int64, at time.Time) error {
	joined, err := get(ctx, q.conn, scanOne[int64], `SELECT joined_at FROM members WHERE server_id = $1 AND account = $2`, serverID, account)
	if err != nil {
		return err
	}
	var of membership
	if of.Roles, err = list(ctx, q.conn, scanOne[string],
		`SELECT role_id FROM member_roles WHERE account = $1 AND server_id = $2`, account, serverID); err != nil {
		return err
	}
	if of.Badges, err = list(ctx, q.conn, func(rows *sql.Rows) (a awarded, err error) {
		return a, rows.Scan(&a.Badge, &a.At)
	}, `SELECT badge_id, awarded_at FROM member_badges WHERE account = $1 AND server_id = $2`, account, serverID); err != nil {
		return err
	}
	if of.Channels, err = list(ctx, q.conn, scanOne[string], `SELECT c.id FROM channels c JOIN channel_members cm ON cm.channel_id = c.id
	 WHERE c.server_id = $2 AND cm.account = $1`, account, serverID); err != nil {
		return err
	}
	if err := q.exec(ctx, `INSERT INTO former_members (server_id, account, joined_at, deleted_at, kept) VALUES ($1, $2, $3, $4, $5)`,
		serverID, account, joined, at.UnixMicro(), written(of)); err != nil {
		return err
	}
	return Servers(q).DeleteMember(ctx, serverID, account)
}

// Restore makes somebody a member again who was deleted, since when they were and with what they had. What is gone meanwhile stays
// away, and so do roles of administrators, if withRank does not bring them back. Beyond MaxMemberships of the account it is a
// LimitError; for whoever was not deleted it is ErrNotFound.
func (q Users) Restore(ctx context.Context, serverID string, account int64, withRank bool) error {
	var of membership
	joined, err := get(ctx, q.conn, func(rows *sql.Rows) (at int64, err error) {
		return at, rows.Scan(&at, document{&of})
	}, `DELETE FROM former_members WHERE server_id = $1 AND account = $2 RETURNING joined_at, kept`, serverID, account)
	if err != nil {
		return err
	}
	if err := Servers(q).InsertMember(ctx, serverID, account, time.UnixMicro(joined)); err != nil {
		return err
	}
	for _, role := range of.Roles {
		if err := q.exec(ctx, `INSERT INTO member_roles (server_id, account, role_id)
		SELECT server_id, $2, id FROM roles WHERE id = $3 AND server_id = $1 AND ($4 OR NOT administrator)`, serverID, account, role, withRank); err != nil {
			return err
		}
	}
	for _, badge := range of.Badges {
		if err := q.exec(ctx, `INSERT INTO member_badges (server_id, account, badge_id, awarded_at)
		SELECT server_id, $2, id, $4 FROM badges WHERE id = $3 AND server_id = $1`, serverID, account, badge.Badge, badge.At); err != nil {
			return err
		}
	}
	for _, channel := range of.Channels {
		if err := q.exec(ctx, `INSERT INTO channel_members (channel_id, account)
		SELECT id, $2 FROM channels WHERE id = $3 AND server_id = $1`, serverID, account, channel); err != nil {
			return err
		}
	}
	return nil
}
