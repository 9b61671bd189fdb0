package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Widgets holds what communities show on pages of others, and what tokens for it are got and signed with.
type Widgets struct{ *conn }

// MaxWidgets is how many widgets a server may have, and MaxWidgetAccessKeys how many pairs. The contract says so of the lists.
const (
	MaxWidgets          = 50
	MaxWidgetAccessKeys = 20
)

const selectWidget = `SELECT w.definition, w.active FROM widgets w `

func scanWidget(rows *sql.Rows) (w gen.Widget, err error) {
	var active bool
	err = rows.Scan(document{&w}, &active)
	w.IsActive = active
	return w, err
}

// List returns the widgets of a server, the oldest first.
func (q Widgets) List(ctx context.Context, serverID string) ([]gen.Widget, error) {
	return list(ctx, q.conn, scanWidget, selectWidget+`WHERE w.server_id = $1 ORDER BY w.created_at, w.id`, serverID)
}

// Get returns a widget.
func (q Widgets) Get(ctx context.Context, id string) (gen.Widget, error) {
	return get(ctx, q.conn, scanWidget, selectWidget+`WHERE w.id = $1`+unlocked, id)
}

// GetBySlug returns a widget of a server by its slug.
func (q Widgets) GetBySlug(ctx context.Context, serverID, slug string) (gen.Widget, error) {
	return get(ctx, q.conn, scanWidget, selectWidget+`WHERE w.server_id = $1 AND w.slug = $2`+unlocked, serverID, slug)
}

// ShowsChannel tells whether an active widget shows a channel.
func (q Widgets) ShowsChannel(ctx context.Context, channelID string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM widgets WHERE channel_id = $1 AND channel_id <> '' AND active)`+unlocked, channelID)
}

// Insert adds a widget. Beyond MaxWidgets it is a LimitError, and if there is one of its slug, ErrDuplicate.
func (q Widgets) Insert(ctx context.Context, w gen.Widget) error {
	channel, _ := w.ChannelID.Get()
	if err := q.exec(ctx, `INSERT INTO widgets (id, server_id, slug, kind, channel_id, active, definition, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		w.ID, w.CommunityID, w.Slug, string(w.Kind), channel, w.IsActive, written(w), w.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, widgetsTally, w.CommunityID)
}

// Update replaces a widget. If another one of the server has its slug, it is ErrDuplicate.
func (q Widgets) Update(ctx context.Context, w gen.Widget) error {
	channel, _ := w.ChannelID.Get()
	return q.change(ctx, `UPDATE widgets SET slug = $2, channel_id = $3, active = $4, definition = $5 WHERE id = $1`, w.ID, w.Slug, channel, w.IsActive, written(w))
}

// Delete removes a widget.
func (q Widgets) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, widgetsTally, `DELETE FROM widgets WHERE id = $1 RETURNING server_id`, id)
}

// A WidgetAccessKey is a pair, with the hash of its key.
type WidgetAccessKey struct {
	gen.WidgetAccessKey
	Hash string
}

const selectAccessKey = `SELECT k.definition, k.key_hash, ` + vouched + ` FROM widget_access_keys k `

func scanAccessKey(rows *sql.Rows) (k WidgetAccessKey, err error) {
	var trusted bool
	err = rows.Scan(document{&k.WidgetAccessKey}, &k.Hash, &trusted)
	k.IsTrusted = trusted
	return k, err
}

// ListAccessKeys returns the pairs of a server, the oldest first.
func (q Widgets) ListAccessKeys(ctx context.Context, serverID string) ([]WidgetAccessKey, error) {
	return list(ctx, q.conn, scanAccessKey, selectAccessKey+`WHERE k.server_id = $1 ORDER BY k.created_at, k.id`, serverID)
}

// GetAccessKey returns a pair. Whether it is trusted is for the caller to look at.
func (q Widgets) GetAccessKey(ctx context.Context, id string) (WidgetAccessKey, error) {
	return get(ctx, q.conn, scanAccessKey, selectAccessKey+`WHERE k.id = $1`, id)
}

// InsertAccessKey adds a pair. Beyond MaxWidgetAccessKeys it is a LimitError.
func (q Widgets) InsertAccessKey(ctx context.Context, k WidgetAccessKey) error {
	if err := q.exec(ctx, `INSERT INTO widget_access_keys (id, server_id, key_hash, account, definition, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.ID, k.CommunityID, k.Hash, k.UserID, written(k.WidgetAccessKey), k.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, widgetKeysTally, k.CommunityID)
}

// DeleteAccessKey removes a pair.
func (q Widgets) DeleteAccessKey(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, widgetKeysTally, `DELETE FROM widget_access_keys WHERE id = $1 RETURNING server_id`, id)
}

// A SigningKey signs tokens. Its secret is sealed.
type SigningKey struct {
	ID, Sealed string
	CreatedAt  time.Time
}

const selectSigningKey = `SELECT id, secret, created_at FROM widget_signing_keys `

func scanSigningKey(rows *sql.Rows) (k SigningKey, err error) {
	var at int64
	err = rows.Scan(&k.ID, &k.Sealed, &at)
	k.CreatedAt = time.UnixMicro(at)
	return k, err
}

// GetSigningKey returns a key.
func (q Widgets) GetSigningKey(ctx context.Context, id string) (SigningKey, error) {
	return get(ctx, q.conn, scanSigningKey, selectSigningKey+`WHERE id = $1`, id)
}

// NewestSigningKey returns the newest key of those that were made after a moment.
func (q Widgets) NewestSigningKey(ctx context.Context, after time.Time) (SigningKey, error) {
	return get(ctx, q.conn, scanSigningKey, selectSigningKey+`WHERE created_at > $1 ORDER BY created_at DESC LIMIT 1`, after.UnixMicro())
}

// InsertSigningKey adds a key.
func (q Widgets) InsertSigningKey(ctx context.Context, k SigningKey) error {
	return q.exec(ctx, `INSERT INTO widget_signing_keys (id, secret, created_at) VALUES ($1, $2, $3)`, k.ID, k.Sealed, k.CreatedAt.UnixMicro())
}

// DeleteSigningKeys removes some of the keys from before a moment, and tells whether there may be more.
func (q Widgets) DeleteSigningKeys(ctx context.Context, before time.Time, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM widget_signing_keys WHERE id IN (SELECT id FROM widget_signing_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)`, before.UnixMicro(), some)
}
