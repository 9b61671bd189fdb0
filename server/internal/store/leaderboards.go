package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
)

// Leaderboards holds who is ahead in servers.
type Leaderboards struct{ *conn }

// MaxLeaderboards is how many a server may have. The contract says so of the list.
const MaxLeaderboards = 50

const selectLeaderboard = `SELECT l.definition FROM leaderboards l `

func scanLeaderboard(rows *sql.Rows) (l gen.Leaderboard, err error) {
	return l, rows.Scan(document{&l})
}

// List returns the leaderboards of a server in their order.
func (q Leaderboards) List(ctx context.Context, serverID string) ([]gen.Leaderboard, error) {
	return list(ctx, q.conn, scanLeaderboard, selectLeaderboard+`WHERE l.server_id = $1 ORDER BY l.position, l.created_at, l.id`, serverID)
}

// Get returns a leaderboard.
func (q Leaderboards) Get(ctx context.Context, id string) (gen.Leaderboard, error) {
	return get(ctx, q.conn, scanLeaderboard, selectLeaderboard+`WHERE l.id = $1`+unlocked, id)
}

// Insert adds a leaderboard. Beyond MaxLeaderboards it is a LimitError, and if there is one of its slug, ErrDuplicate.
func (q Leaderboards) Insert(ctx context.Context, l gen.Leaderboard) error {
	if err := q.exec(ctx, `INSERT INTO leaderboards (id, server_id, slug, definition, position, everybody, created_at) VALUES ($1, $2, $3, $4, $5, FALSE, $6)`,
		l.ID, l.CommunityID, l.Slug, written(l), l.DisplayOrder, l.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	if err := q.noteRanked(ctx, l); err != nil {
		return err
	}
	if err := q.countIn(ctx, leaderboardsTally, l.CommunityID); err != nil {
		return err
	}
	return q.noteOrder(ctx, l.CommunityID)
}

// Update replaces a leaderboard. If another one of the server has its slug, it is ErrDuplicate.
func (q Leaderboards) Update(ctx context.Context, l gen.Leaderboard) error {
	if err := q.change(ctx, `UPDATE leaderboards SET slug = $2, definition = $3, position = $4 WHERE id = $1`,
		l.ID, l.Slug, written(l), l.DisplayOrder); err != nil {
		return err
	}
	if err := q.noteRanked(ctx, l); err != nil {
		return err
	}
	return q.noteOrder(ctx, l.CommunityID)
}

// Delete removes a leaderboard of a server.
func (q Leaderboards) Delete(ctx context.Context, serverID, id string) error {
	if err := q.deleteCounted(ctx, leaderboardsTally, `DELETE FROM leaderboards WHERE id = $1 RETURNING server_id`, id); err != nil {
		return err
	}
	return q.noteOrder(ctx, serverID)
}

// noteRanked writes down whom a leaderboard ranks, as the statements need it.
func (q Leaderboards) noteRanked(ctx context.Context, l gen.Leaderboard) error {
	for _, text := range []string{`DELETE FROM leaderboard_roles WHERE leaderboard_id = $1`, `DELETE FROM leaderboard_users WHERE leaderboard_id = $1`} {
		if err := q.exec(ctx, text, l.ID); err != nil {
			return err
		}
	}
	ranked := l.RankedUserRoles
	everybody := ForEverybody(ranked)
	for _, role := range ranked.Roles {
		if err := q.exec(ctx, `INSERT INTO leaderboard_roles (leaderboard_id, role_id) SELECT $1, id FROM roles WHERE id = $2`, l.ID, role); err != nil {
			return err
		}
		all, err := get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM roles WHERE id = $1 AND everyone)`, role)
		if err != nil {
			return err
		}
		everybody = everybody || all
	}
	for _, user := range ranked.Users {
		if err := q.exec(ctx, `INSERT INTO leaderboard_users (leaderboard_id, account) SELECT $1, number FROM accounts WHERE id = $2`, l.ID, user); err != nil {
			return err
		}
	}
	return q.change(ctx, `UPDATE leaderboards SET everybody = $2 WHERE id = $1`, l.ID, everybody)
}

// RanksEverybody tells whether a leaderboard ranks all members.
func (q Leaderboards) RanksEverybody(ctx context.Context, id string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT everybody FROM leaderboards WHERE id = $1`+unlocked, id)
}

// ForEverybody tells whether an audience is not restricted.
func ForEverybody(a gen.LeaderboardAudience) bool {
	return len(a.Users)+len(a.Roles)+len(a.Tags) == 0
}

// noteOrder writes down with a server which leaderboards it has for everybody. Whoever sees the server sees these; that there are
// others is nothing for them.
func (q Leaderboards) noteOrder(ctx context.Context, serverID string) error {
	all, err := q.List(ctx, serverID)
	if err != nil {
		return err
	}
	var ids []string
	for _, l := range all {
		if l.IsEnabled && ForEverybody(l.ViewPermissionUserRoles) {
			ids = append(ids, l.ID)
		}
	}
	return q.change(ctx, `UPDATE servers SET leaderboards = $2 WHERE id = $1`, serverID, strings.Join(ids, ","))
}

// Counted is what every member has a number of.
type Counted int

// What members have numbers of.
const (
	CountedXP Counted = iota + 1
	CountedCoins
	CountedMessages
	CountedReplies
	CountedReactions
	CountedReferrals
)
