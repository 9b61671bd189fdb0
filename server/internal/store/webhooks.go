package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Webhooks holds the addresses to which events are sent, what has happened, and how far each is on its way to each. An event is written in
// the transaction of what it tells, however many want it; its deliveries are made afterwards. They go through lanes, of which a webhook has
// a few, whoever runs them.
type Webhooks struct{ *conn }

// MaxWebhooks is how many webhooks a server may have. The contract says so of the list.
const MaxWebhooks = 50

// A Webhook is an address to which events are sent, with what is sealed of it.
type Webhook struct {
	gen.Webhook
	SealedSecret, SealedOld, SealedAPIKey, SealedCipherKey string

	OldUntil time.Time
	Slow     bool
}

const selectWebhook = `SELECT w.definition, w.secret, w.old_secret, w.old_until, w.api_key, w.cipher_key, w.active, w.failing_since, w.slow FROM webhooks w `

func scanWebhook(rows *sql.Rows) (w Webhook, err error) {
	var until int64
	var active bool
	var failing gen.Nullable[gen.Time]
	err = rows.Scan(document{&w.Webhook}, &w.SealedSecret, &w.SealedOld, &until, &w.SealedAPIKey, &w.SealedCipherKey, &active, nullableMicros{&failing}, &w.Slow)
	w.OldUntil, w.IsActive, w.FailingSince = time.UnixMicro(until), active, failing
	return w, err
}

// List returns the webhooks of a server, the oldest first.
func (q Webhooks) List(ctx context.Context, serverID string) ([]Webhook, error) {
	return list(ctx, q.conn, scanWebhook, selectWebhook+`WHERE w.server_id = $1 ORDER BY w.created_at, w.id`, serverID)
}

// Get returns a webhook.
func (q Webhooks) Get(ctx context.Context, id string) (Webhook, error) {
	return get(ctx, q.conn, scanWebhook, selectWebhook+`WHERE w.id = $1`+unlocked, id)
}

// Hold is Get for who begins or ends a lane of it, or gives it something to send: nobody else does before the transaction has ended.
func (q Webhooks) Hold(ctx context.Context, id string) (Webhook, error) {
	return get(ctx, q.conn, scanWebhook, selectWebhook+`WHERE w.id = $1 /* FOR UPDATE OF w */`, id)
}

// Insert adds a webhook. Beyond MaxWebhooks it is a LimitError.
func (q Webhooks) Insert(ctx context.Context, w Webhook) error {
	if err := q.exec(ctx, `INSERT INTO webhooks (id, server_id, definition, secret, api_key, cipher_key, active, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		w.ID, w.CommunityID, written(w.Webhook), w.SealedSecret, w.SealedAPIKey, w.SealedCipherKey, w.IsActive, w.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	if err := q.want(ctx, w); err != nil {
		return err
	}
	return q.countIn(ctx, webhooksTally, w.CommunityID)
}

// Update replaces a webhook.
func (q Webhooks) Update(ctx context.Context, w Webhook) error {
	if err := q.change(ctx, `UPDATE webhooks SET definition = $2, secret = $3, old_secret = $4, old_until = $5, api_key = $6, cipher_key = $7, active = $8, failing_since = $9 WHERE id = $1`,
		w.ID, written(w.Webhook), w.SealedSecret, w.SealedOld, w.OldUntil.UnixMicro(), w.SealedAPIKey, w.SealedCipherKey, w.IsActive, microsOrNull(w.FailingSince)); err != nil {
		return err
	}
	if err := q.exec(ctx, `DELETE FROM webhook_wants WHERE webhook_id = $1`, w.ID); err != nil {
		return err
	}
	return q.want(ctx, w)
}

// want notes what a webhook is to be sent.
func (q Webhooks) want(ctx context.Context, w Webhook) error {
	if !w.IsActive {
		return nil
	}
	for _, kind := range w.Events {
		if err := q.exec(ctx, `INSERT INTO webhook_wants (server_id, kind, webhook_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, w.CommunityID, string(kind), w.ID); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a webhook. What was sent goes in steps: see DeleteRest.
func (q Webhooks) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, webhooksTally, `DELETE FROM webhooks WHERE id = $1 RETURNING server_id`, id)
}

// DeleteRest removes some of what a deleted webhook was sent, and tells whether there may be more.
func (q Webhooks) DeleteRest(ctx context.Context, id string, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 LIMIT $2)`, id, some)
}

// DeleteExpired removes some deliveries and events that have expired, and tells whether there may be more.
func (q Webhooks) DeleteExpired(ctx context.Context, now time.Time, some int) (more bool, err error) {
	if more, err = q.changed(ctx, `DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`,
		now.UnixMicro(), some); err != nil || more {
		return more, err
	}
	return q.changed(ctx, `DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`, now.UnixMicro(), some)
}

// IsWanted tells whether somebody wants events of a kind.
func (q Webhooks) IsWanted(ctx context.Context, serverID, kind string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM webhook_wants WHERE server_id = $1 AND kind = $2)`+unlocked, serverID, kind)
}

// HoldWanting is Hold for the webhooks that want events of a kind, in their order.
func (q Webhooks) HoldWanting(ctx context.Context, serverID, kind string) ([]Webhook, error) {
	return list(ctx, q.conn, scanWebhook, selectWebhook+`JOIN webhook_wants x ON x.webhook_id = w.id WHERE x.server_id = $1 AND x.kind = $2 ORDER BY x.webhook_id /* FOR UPDATE OF w */`, serverID, kind)
}

// A WebhookEvent is something that has happened.
type WebhookEvent struct {
	ID, ServerID, Kind, ChannelID, Body string

	Account   int64  // of whom it tells; 0: of nobody
	Shows     string // the id of the message or the analysis that it shows, as long as that is there
	Waiting   bool   // for its deliveries
	Live      bool   // it is followed
	At        time.Time
	ExpiresAt time.Time
}

// InsertEvent adds an event.
func (q Webhooks) InsertEvent(ctx context.Context, e WebhookEvent) error {
	if e.Live {
		q.wake(ServerTopic(e.ServerID))
	}
	return q.exec(ctx, `INSERT INTO webhook_events (id, server_id, kind, channel_id, body, waiting, at, account, message, place, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		e.ID, e.ServerID, e.Kind, e.ChannelID, e.Body, e.Waiting, e.At.UnixMicro(), e.Account, e.Shows, sql.NullInt64{Valid: e.Live}, e.ExpiresAt.UnixMicro())
}

// TakeEvent returns an event that waits for its deliveries, which are made in this transaction. Otherwise it is ErrNotFound.
func (q Webhooks) TakeEvent(ctx context.Context, id string) (e WebhookEvent, err error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (WebhookEvent, error) {
		e := WebhookEvent{ID: id}
		return e, rows.Scan(&e.ServerID, &e.Kind, &e.ChannelID)
	}, `UPDATE webhook_events SET waiting = FALSE WHERE id = $1 AND waiting RETURNING server_id, kind, channel_id`, id)
}

// GetBody returns an event as it is sent.
func (q Webhooks) GetBody(ctx context.Context, eventID string) (string, error) {
	return get(ctx, q.conn, scanOne[string], `SELECT body FROM webhook_events WHERE id = $1`+unlocked, eventID)
}

// ListWaiting returns the ids of some events that have waited since before a moment.
func (q Webhooks) ListWaiting(ctx context.Context, before time.Time, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], `SELECT id FROM webhook_events WHERE waiting AND at < $1 ORDER BY at LIMIT $2`, before.UnixMicro(), some)
}

// A WebhookDelivery is an event on its way to a webhook.
type WebhookDelivery struct {
	gen.WebhookDelivery
	ServerID  string
	Failed    int
	Log       []gen.WebhookTry
	ExpiresAt time.Time // for InsertDelivery
}

const selectDelivery = `SELECT d.id, d.webhook_id, d.server_id, d.event_id, d.kind, d.status, d.tries, d.failed, d.log, d.due_at, d.created_at, d.updated_at FROM webhook_deliveries d `

func scanDelivery(rows *sql.Rows) (d WebhookDelivery, err error) {
	return d, rows.Scan(&d.ID, &d.WebhookID, &d.ServerID, &d.EventID, &d.Type, &d.Status, &d.Tries, &d.Failed, document{&d.Log}, nullableMicros{&d.NextTryAt},
		micros{&d.CreatedAt}, micros{&d.UpdatedAt})
}

// InsertDelivery adds a delivery.
func (q Webhooks) InsertDelivery(ctx context.Context, d WebhookDelivery) error {
	return q.exec(ctx, `INSERT INTO webhook_deliveries (id, webhook_id, server_id, event_id, kind, status, tries, failed, log, due_at, created_at, updated_at, expires_at)
	VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '[]', $7, $8, $8, $9)`,
		d.ID, d.WebhookID, d.ServerID, d.EventID, string(d.Type), string(d.Status), microsOrNull(d.NextTryAt), d.CreatedAt.UnixMicro(), d.ExpiresAt.UnixMicro())
}

// ListDeliveries returns a page of what a webhook was sent, the latest first.
func (q Webhooks) ListDeliveries(ctx context.Context, webhookID string, page Page) ([]WebhookDelivery, error) {
	at, id := page.from(latest)
	return list(ctx, q.conn, scanDelivery, selectDelivery+`WHERE d.webhook_id = $1 AND (d.created_at, d.id) < ($2, $3)
	 ORDER BY d.created_at DESC, d.id DESC LIMIT $4 OFFSET $5`, webhookID, at, id, page.Limit, page.Skip)
}

// GetDelivery returns a delivery.
func (q Webhooks) GetDelivery(ctx context.Context, webhookID, id string) (WebhookDelivery, error) {
	return get(ctx, q.conn, scanDelivery, selectDelivery+`WHERE d.id = $2 AND d.webhook_id = $1`+unlocked, webhookID, id)
}

// Replay has a delivery sent again at a moment, unless it is on its way.
func (q Webhooks) Replay(ctx context.Context, id string, at time.Time) error {
	return q.exec(ctx, `UPDATE webhook_deliveries SET status = 'pending', failed = 0, due_at = $2, updated_at = $2 WHERE id = $1 AND lane IS NULL`, id, at.UnixMicro())
}

// ListBetween returns some of what was made for a webhook from a position until before a moment, the earliest first.
func (q Webhooks) ListBetween(ctx context.Context, webhookID string, after Position, to time.Time, some int) ([]Position, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (p Position, err error) { return p, rows.Scan(&p.ID, micros{&p.At}) },
		`SELECT id, created_at FROM webhook_deliveries WHERE webhook_id = $1 AND (created_at, id) > ($2, $3) AND created_at < $4 ORDER BY created_at, id LIMIT $5`+unlocked,
		webhookID, after.At.UnixMicro(), after.ID, to.UnixMicro(), some)
}

// MaxLanes is how many lanes a webhook has.
const MaxLanes = 4

// BeginLane gives the first lane of a webhook that nobody has to a run, of so many. Where there is none it is ErrNotFound. The transaction
// holds the webhook.
func (q Webhooks) BeginLane(ctx context.Context, webhookID string, of int, runner string, now time.Time) (lane int, err error) {
	return get(ctx, q.conn, scanOne[int], `INSERT INTO webhook_lanes (webhook_id, lane, runner, beat_at)
	SELECT CAST($1 AS TEXT), MIN(n.column1), CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM (VALUES (0), (1), (2), (3)) n
	 WHERE n.column1 < $2 AND NOT EXISTS (SELECT 1 FROM webhook_lanes l WHERE l.webhook_id = $1 AND l.lane = n.column1) HAVING MIN(n.column1) IS NOT NULL
	RETURNING lane`+unlocked, webhookID, of, runner, now.UnixMicro())
}

// KeepLane tells whether a run still has its lane, and that it is there.
func (q Webhooks) KeepLane(ctx context.Context, webhookID string, lane int, runner string, now time.Time) (bool, error) {
	return q.changed(ctx, `UPDATE webhook_lanes SET beat_at = $4 WHERE webhook_id = $1 AND lane = $2 AND runner = $3`, webhookID, lane, runner, now.UnixMicro())
}

// EndLane ends a lane, and has another one begun when something is due. The transaction holds the webhook.
func (q Webhooks) EndLane(ctx context.Context, webhookID string, lane int) error {
	if err := q.exec(ctx, `DELETE FROM webhook_lanes WHERE webhook_id = $1 AND lane = $2`, webhookID, lane); err != nil {
		return err
	}
	due, err := get(ctx, q.conn, scanOne[int64], `SELECT due_at FROM webhook_deliveries WHERE webhook_id = $1 AND due_at IS NOT NULL ORDER BY due_at, id LIMIT 1`+unlocked, webhookID)
	if errors.Is(err, ErrNotFound) {
		return q.exec(ctx, `UPDATE webhooks SET due_at = NULL WHERE id = $1`, webhookID)
	}
	if err != nil {
		return err
	}
	return q.exec(ctx, `UPDATE webhooks SET due_at = $2 WHERE id = $1 AND active`, webhookID, due)
}

// Rouse has a lane of a webhook begun soon.
func (q Webhooks) Rouse(ctx context.Context, webhookID string, at time.Time) error {
	return q.exec(ctx, `UPDATE webhooks SET due_at = $2 WHERE id = $1 AND active`, webhookID, at.UnixMicro())
}

// Roused notes that a lane of a webhook is begun.
func (q Webhooks) Roused(ctx context.Context, webhookID string) error {
	return q.exec(ctx, `UPDATE webhooks SET due_at = NULL WHERE id = $1`, webhookID)
}

// ListDue returns the ids of some webhooks of which a lane has to be begun by now.
func (q Webhooks) ListDue(ctx context.Context, now time.Time, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], `SELECT id FROM webhooks WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2`, now.UnixMicro(), some)
}

// A Lane is one of a webhook.
type Lane struct {
	WebhookID string
	Lane      int
}

// ListSilent returns some lanes that were not heard of since before a moment.
func (q Webhooks) ListSilent(ctx context.Context, before time.Time, some int) ([]Lane, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (l Lane, err error) { return l, rows.Scan(&l.WebhookID, &l.Lane) },
		`SELECT webhook_id, lane FROM webhook_lanes WHERE beat_at < $1 ORDER BY beat_at LIMIT $2`, before.UnixMicro(), some)
}

// TakeLane gives a lane that was not heard of since before a moment to another run.
func (q Webhooks) TakeLane(ctx context.Context, l Lane, runner string, before, now time.Time) (bool, error) {
	return q.changed(ctx, `UPDATE webhook_lanes SET runner = $3, beat_at = $5 WHERE webhook_id = $1 AND lane = $2 AND beat_at < $4`, l.WebhookID, l.Lane, runner, before.UnixMicro(), now.UnixMicro())
}

// GetSending returns the delivery that is on its way in a lane, with the event as it is sent: empty when that is too old.
func (q Webhooks) GetSending(ctx context.Context, webhookID string, lane int) (d WebhookDelivery, body string, err error) {
	d, err = get(ctx, q.conn, scanDelivery, selectDelivery+`WHERE d.webhook_id = $1 AND d.lane = $2 LIMIT 1`+unlocked, webhookID, lane)
	if err != nil {
		return d, "", err
	}
	if body, err = q.GetBody(ctx, d.EventID); errors.Is(err, ErrNotFound) {
		err = nil
	}
	return d, body, err
}

// SendNext is GetSending of what has been due longest, which is on its way in a lane from then on. It tells whether there is more.
func (q Webhooks) SendNext(ctx context.Context, webhookID string, lane int, now time.Time) (d WebhookDelivery, body string, more bool, err error) {
	due, err := list(ctx, q.conn, scanDelivery, selectDelivery+`WHERE d.webhook_id = $1 AND d.due_at IS NOT NULL AND d.due_at <= $2 ORDER BY d.due_at, d.id LIMIT 2`+unlocked, webhookID, now.UnixMicro())
	if err == nil && len(due) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return d, "", false, err
	}
	body, err = get(ctx, q.conn, scanOne[string], `UPDATE webhook_deliveries SET lane = $2, due_at = NULL WHERE id = $1
	RETURNING COALESCE((SELECT e.body FROM webhook_events e WHERE e.id = event_id), '')`+unlocked, due[0].ID, lane)
	return due[0], body, len(due) > 1, err
}

// Tried notes what became of a delivery that was on its way in a lane.
func (q Webhooks) Tried(ctx context.Context, d WebhookDelivery) error {
	return q.exec(ctx, `UPDATE webhook_deliveries SET status = $2, tries = $3, failed = $4, log = $5, due_at = $6, lane = NULL, updated_at = $7 WHERE id = $1`,
		d.ID, string(d.Status), d.Tries, d.Failed, written(d.Log), microsOrNull(d.NextTryAt), d.UpdatedAt.UnixMicro())
}

// SetHealth notes how a webhook does.
func (q Webhooks) SetHealth(ctx context.Context, w Webhook) error {
	return q.exec(ctx, `UPDATE webhooks SET failing_since = $2, slow = $3 WHERE id = $1`, w.ID, microsOrNull(w.FailingSince), w.Slow)
}

// GetUser returns a member, with what they have, as events show them: without level and tier.
func (q Webhooks) GetUser(ctx context.Context, serverID string, account int64) (gen.EventUser, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (u gen.EventUser, err error) {
		var username, avatar sql.NullString
		if err := rows.Scan(&u.ID, &u.Number, &username, &u.DisplayName, &u.FirstName, &u.LastName, &avatar, micros{&u.JoinedAt}, &u.XP, &u.Coins); err != nil {
			return u, err
		}
		u.Username, u.Avatar, u.Tier = nullableOf(username), ImagePath(avatar.String), gen.Null[string]()
		return u, nil
	}, `SELECT a.id, a.number, a.username, a.display_name, a.first_name, a.last_name, a.avatar_image_id, m.joined_at, COALESCE(t.xp, 0), COALESCE(t.coins, 0)
	  FROM members m JOIN accounts a ON a.number = m.account LEFT JOIN totals t ON t.server_id = m.server_id AND t.account = m.account
	 WHERE m.account = $2 AND m.server_id = $1`+unlocked, serverID, account)
}

// Return has what was on its way in a lane sent again at a moment.
func (q Webhooks) Return(ctx context.Context, webhookID string, lane int, at time.Time) error {
	return q.exec(ctx, `UPDATE webhook_deliveries SET lane = NULL, due_at = $3 WHERE webhook_id = $1 AND lane = $2`, webhookID, lane, at.UnixMicro())
}
