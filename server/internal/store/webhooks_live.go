package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// A LiveEvent is an event at its place among those of a server.
type LiveEvent struct {
	Place                     int64
	ID, Kind, ChannelID, Body string
	Account                   int64
	Gone                      bool // the message or the analysis that it shows is there no more
}

// A LiveHead is the last event of a server that has a place.
type LiveHead struct {
	Place   int64
	EventID string
}

// Follow has what happens in a server written down from now on, and returns what was the last of it. It tells whether it was not yet.
func (q Webhooks) Follow(ctx context.Context, serverID string, at time.Time) (head LiveHead, begun bool, err error) {
	if begun, err = q.changed(ctx, `INSERT INTO live_servers (server_id, live, place, event_id, seen_at) VALUES ($1, TRUE, 0, '000000000000000000000000', $2)
	ON CONFLICT (server_id) DO UPDATE SET live = TRUE WHERE NOT live_servers.live`, serverID, at.UnixMicro()); err != nil {
		return head, begun, err
	}
	if err := q.exec(ctx, `UPDATE live_servers SET seen_at = $2 WHERE server_id = $1 AND seen_at < $2`, serverID, at.UnixMicro()); err != nil {
		return head, begun, err
	}
	head, err = q.HoldHead(ctx, serverID)
	return head, begun, err
}

// GetHead returns the last event of a server that has a place, and when somebody was following it. ErrNotFound: nobody does.
func (q Webhooks) GetHead(ctx context.Context, serverID string) (head LiveHead, seen time.Time, err error) {
	type row struct {
		LiveHead
		seen int64
	}
	found, err := get(ctx, q.conn, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.Place, &r.EventID, &r.seen) },
		`SELECT place, event_id, seen_at FROM live_servers WHERE server_id = $1 AND live`, serverID)
	return found.LiveHead, time.UnixMicro(found.seen), err
}

// EndFollowing has nothing more written down of some servers that nobody has followed since before a moment, and tells whether there may be more.
func (q Webhooks) EndFollowing(ctx context.Context, before time.Time, some int) (more bool, err error) {
	return q.changed(ctx, `UPDATE live_servers SET live = FALSE WHERE server_id IN (SELECT server_id FROM live_servers WHERE live AND seen_at < $1 ORDER BY seen_at LIMIT $2)`, before.UnixMicro(), some)
}

// HoldHead returns the last event of a server that has a place. Nobody gives another one before the transaction has ended.
func (q Webhooks) HoldHead(ctx context.Context, serverID string) (LiveHead, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (h LiveHead, err error) { return h, rows.Scan(&h.Place, &h.EventID) },
		`SELECT place, event_id FROM live_servers WHERE server_id = $1 /* FOR UPDATE */`, serverID)
}

// WaitsForPlace tells whether an event of a server waits for its place.
func (q Webhooks) WaitsForPlace(ctx context.Context, serverID string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM webhook_events WHERE server_id = $1 AND place = 0)`+unlocked, serverID)
}

// Place gives some events of a server their places, behind the last that has one, in the order in which they have happened as far as they are
// there yet, and returns what is the last one then. The transaction holds the head.
func (q Webhooks) Place(ctx context.Context, serverID string, head LiveHead, some int) (LiveHead, error) {
	waiting, err := list(ctx, q.conn, scanOne[string], `SELECT id FROM webhook_events WHERE server_id = $1 AND place = 0 ORDER BY at, id LIMIT $2`+unlocked, serverID, some)
	for i := 0; i < len(waiting) && err == nil; i++ {
		head = LiveHead{head.Place + 1, waiting[i]}
		err = q.exec(ctx, `UPDATE webhook_events SET place = $2 WHERE id = $1`, head.EventID, head.Place)
	}
	if err == nil && len(waiting) > 0 {
		err = q.exec(ctx, `UPDATE live_servers SET place = $2, event_id = $3 WHERE server_id = $1`, serverID, head.Place, head.EventID)
	}
	return head, err
}

// ListPlaced returns some events of a server behind a place, in their order.
func (q Webhooks) ListPlaced(ctx context.Context, serverID string, after int64, some int) ([]LiveEvent, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (e LiveEvent, err error) {
		return e, rows.Scan(&e.Place, &e.ID, &e.Kind, &e.ChannelID, &e.Account, &e.Body, &e.Gone)
	}, `SELECT e.place, e.id, e.kind, e.channel_id, e.account, e.body, e.message <> '' AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = e.message) AND NOT EXISTS (SELECT 1 FROM analyses y WHERE y.id = e.message)
	  FROM webhook_events e WHERE e.server_id = $1 AND e.place > $2 ORDER BY e.place LIMIT $3`, serverID, max(after, 0), some)
}

// IsPlaced tells whether an event of a server has a place, and has happened since a moment.
func (q Webhooks) IsPlaced(ctx context.Context, serverID string, at LiveHead, since time.Time) (bool, error) {
	is, err := get(ctx, q.conn, scanOne[bool], `SELECT at >= $4 FROM webhook_events WHERE server_id = $1 AND place = $2 AND id = $3`, serverID, at.Place, at.EventID, since.UnixMicro())
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return is, err
}
