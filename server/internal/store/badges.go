package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Badges holds the badges of servers and who was awarded them.
type Badges struct{ *conn }

// A Badge is all that is known of a badge, of which the wire shows a part.
type Badge struct {
	ID         string
	ServerID   string
	Definition gen.BadgeUpdate
	CreatedAt  time.Time
}

// action is what a badge is awarded for by itself; empty: nothing.
func (b Badge) action() string {
	if b.Definition.Action == gen.BadgeActionCustom {
		return ""
	}
	return string(b.Definition.Action)
}

// BadgeReason begins the reason of what a badge was worth. Its id follows.
const BadgeReason = "badges/"

// ListReached returns the badges that are awarded for having done something so often, without those that the member ever had.
func (q Badges) ListReached(ctx context.Context, serverID string, account int64, action string, count int64) ([]Badge, error) {
	found, err := list(ctx, q.conn, scanBadge, selectBadge+`WHERE b.server_id = $1 AND b.action = $2 AND (b.quantity IS NULL OR b.quantity <= $3)
	   AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.server_id = $1 AND l.account = $4 AND l.reason = $5 || b.id)`+unlocked, serverID, action, count, account, BadgeReason)
	return slices.DeleteFunc(found, func(b Badge) bool { // of one from before, the table does not know it
		return b.Definition.Quantity != nil && int64(*b.Definition.Quantity) > count
	}), err
}

const selectBadge = `SELECT b.id, b.server_id, b.definition FROM badges b `

func scanBadge(rows *sql.Rows) (b Badge, err error) {
	return b, rows.Scan(&b.ID, &b.ServerID, document{&b.Definition})
}

// List returns the badges of a server, oldest first.
func (q Badges) List(ctx context.Context, serverID string) ([]Badge, error) {
	return list(ctx, q.conn, scanBadge, selectBadge+`WHERE b.server_id = $1 ORDER BY b.created_at, b.id`, serverID)
}

// ListOf returns the badges of a member, those awarded first first.
func (q Badges) ListOf(ctx context.Context, serverID string, account int64) ([]Badge, error) {
	return list(ctx, q.conn, scanBadge, selectBadge+`JOIN member_badges mb ON mb.badge_id = b.id
	 WHERE mb.server_id = $1 AND mb.account = $2 ORDER BY mb.awarded_at, b.id`+unlocked, serverID, account)
}

// Get returns a badge.
func (q Badges) Get(ctx context.Context, id string) (Badge, error) {
	return get(ctx, q.conn, scanBadge, selectBadge+`WHERE b.id = $1 /* FOR SHARE OF b */`, id)
}

// Insert adds a badge. Beyond MaxBadges it is a LimitError.
func (q Badges) Insert(ctx context.Context, b Badge) error {
	if err := q.exec(ctx, `INSERT INTO badges (id, server_id, definition, created_at, action, quantity) VALUES ($1, $2, $3, $4, $5, $6)`,
		b.ID, b.ServerID, written(b.Definition), b.CreatedAt.UnixMicro(), b.action(), b.Definition.Quantity); err != nil {
		return err
	}
	return q.countIn(ctx, badgesTally, b.ServerID)
}

// Update replaces what a badge is.
func (q Badges) Update(ctx context.Context, b Badge) error {
	return q.change(ctx, `UPDATE badges SET definition = $2, action = $3, quantity = $4 WHERE id = $1`, b.ID, written(b.Definition), b.action(), b.Definition.Quantity)
}

// Delete removes a badge: nobody has it any more. Who had it is removed by DeleteRest, because there may be any number of them.
func (q Badges) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, badgesTally, `DELETE FROM badges WHERE id = $1 RETURNING server_id`, id)
}

// DeleteRest removes some rows of who had a deleted badge or has applied for it, and tells whether there may be more.
func (q Badges) DeleteRest(ctx context.Context, id string, some int, at time.Time) (more bool, err error) {
	if more, err = q.changed(ctx, `DELETE FROM member_badges WHERE (account, server_id, badge_id) IN (
	       SELECT account, server_id, badge_id FROM member_badges WHERE badge_id = $1 LIMIT $2)`, id, some); err != nil || more {
		return more, err
	}
	if more, err = q.endApplicationsFor(ctx, id, some, at); err != nil || more {
		return more, err
	}
	return false, q.exec(ctx, `DELETE FROM tallies WHERE whose = $1 AND kind = $2`, id, applicationsTally.kind)
}

// InsertOf awards a badge to a member and tells whether the member did not have it. A badge that is not there is awarded to
// nobody: the statement locks it, so that nobody deletes it until the transaction ends.
func (q Badges) InsertOf(ctx context.Context, b Badge, account int64, at time.Time) (changed bool, err error) {
	return q.changed(ctx, `INSERT INTO member_badges (server_id, account, badge_id, awarded_at)
	SELECT server_id, $2, id, $4 FROM badges WHERE id = $3 AND server_id = $1 /* FOR SHARE */ ON CONFLICT DO NOTHING`,
		b.ServerID, account, b.ID, at.UnixMicro())
}

// DeleteOf takes a badge from a member and tells whether the member had it.
func (q Badges) DeleteOf(ctx context.Context, b Badge, account int64) (changed bool, err error) {
	return q.changed(ctx, `DELETE FROM member_badges WHERE server_id = $1 AND account = $2 AND badge_id = $3`,
		b.ServerID, account, b.ID)
}
