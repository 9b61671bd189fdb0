package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
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

// usernamesAtOnce is how many accounts ListUsernames asks for at once: as many as what is remembered may have arguments.
const usernamesAtOnce = 7

// ListUsernames returns the user names of accounts, by their numbers, without those that have none or are gone.
func (q Users) ListUsernames(ctx context.Context, numbers []int64) (map[int64]string, error) {
	type named struct {
		number   int64
		username string
	}
	names := map[int64]string{}
	for from := 0; from < len(numbers); from += usernamesAtOnce {
		args := make([]any, usernamesAtOnce)
		for i := range args {
			args[i] = numbers[min(from+i, len(numbers)-1)]
		}
		found, err := list(ctx, q.conn, func(rows *sql.Rows) (n named, err error) { return n, rows.Scan(&n.number, &n.username) },
			`SELECT number, username FROM accounts WHERE number IN ($1, $2, $3, $4, $5, $6, $7) AND username IS NOT NULL AND erased_at IS NULL`, args...)
		if err != nil {
			return nil, err
		}
		for _, n := range found {
			names[n.number] = n.username
		}
	}
	return names, nil
}

// GetFormer finds the account of somebody who was deleted from a server.
func (q Users) GetFormer(ctx context.Context, serverID string, by MemberName, value any) (Account, error) {
	return get(ctx, q.conn, scanAccount, `SELECT `+accountColumns+` JOIN former_members f ON f.account = number
	 WHERE f.server_id = $1 AND `+string(by)+` = $2 AND erased_at IS NULL`, serverID, value)
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

	Joined gen.Time `json:"-"`
}

type awarded struct {
	Badge string `json:"badge"`
	At    int64  `json:"at"`
}

// DeleteMember ends the membership of an account and keeps what Restore brings back. Whoever is no member is ErrNotFound.
func (q Users) DeleteMember(ctx context.Context, serverID string, account int64, at time.Time) error {
	joined, err := q.GetJoining(ctx, serverID, account)
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
	if err := Servers(q).DeleteMember(ctx, serverID, account); err != nil { // first: of two who delete somebody at once, one finds nobody
		return err
	}
	return q.exec(ctx, `INSERT INTO former_members (server_id, account, joined_at, deleted_at, kept) VALUES ($1, $2, $3, $4, $5)`,
		serverID, account, joined.UnixMicro(), at.UnixMicro(), written(of))
}

// Restore makes somebody a member again who was deleted, since when they were and with what they had. What is gone meanwhile stays
// away, and so do roles of administrators, if withRank does not bring them back. Beyond MaxMemberships of the account it is a
// LimitError; for whoever was not deleted it is ErrNotFound.
func (q Users) Restore(ctx context.Context, serverID string, account int64, withRank bool) error {
	of, err := get(ctx, q.conn, func(rows *sql.Rows) (of membership, err error) {
		return of, rows.Scan(micros{&of.Joined}, document{&of})
	}, `DELETE FROM former_members WHERE server_id = $1 AND account = $2 RETURNING joined_at, kept`, serverID, account)
	if err != nil {
		return err
	}
	if err := Servers(q).InsertMember(ctx, serverID, account, of.Joined.Time); err != nil {
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

// ListAccessLevels returns the access levels of a server, the lowest first.
func (q Users) ListAccessLevels(ctx context.Context, serverID string) ([]gen.AccessLevel, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (l gen.AccessLevel, err error) {
		return l, rows.Scan(&l.Level, &l.RoleID)
	}, `SELECT level, role_id FROM access_levels WHERE server_id = $1 ORDER BY level`, serverID)
}

// ReplaceAccessLevels sets the access levels of a server. The roles must be of the server, and not @all: another one is
// ForeignError.
func (q Users) ReplaceAccessLevels(ctx context.Context, serverID string, levels []gen.AccessLevel) error {
	if err := q.exec(ctx, `DELETE FROM access_levels WHERE server_id = $1`, serverID); err != nil {
		return err
	}
	for i, level := range levels {
		added, err := q.changed(ctx, `INSERT INTO access_levels (server_id, level, role_id)
		SELECT server_id, $2, id FROM roles WHERE id = $3 AND server_id = $1 AND NOT everyone`, serverID, level.Level, level.RoleID)
		if err != nil {
			return err
		}
		if !added {
			return &ForeignError{Index: i}
		}
	}
	return nil
}

// InsertReferral notes who has brought somebody to a server, unless that was noted before.
func (q Users) InsertReferral(ctx context.Context, serverID string, account, referrer int64, at time.Time) error {
	return q.exec(ctx, `INSERT INTO referrals (server_id, account, referrer, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		serverID, account, referrer, at.UnixMicro())
}

// SetAvatar replaces the image of an account and returns the id of the one before, empty if there was none.
func (q Users) SetAvatar(ctx context.Context, account int64, imageID string) (before string, err error) {
	old, err := get(ctx, q.conn, scanOne[sql.NullString], `SELECT avatar_image_id FROM accounts WHERE number = $1 AND erased_at IS NULL`, account)
	if err != nil {
		return "", erasedIfMissing(err)
	}
	return old.String, q.changeOf(ctx, `UPDATE accounts SET avatar_image_id = $2 WHERE number = $1`, account, orNull(imageID))
}

// GetJoining returns since when an account is a member of a server.
func (q Users) GetJoining(ctx context.Context, serverID string, account int64) (gen.Time, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (at gen.Time, err error) { return at, rows.Scan(micros{&at}) },
		`SELECT joined_at FROM members WHERE server_id = $1 AND account = $2`, serverID, account)
}
