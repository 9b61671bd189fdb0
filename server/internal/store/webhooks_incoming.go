package store

import (
	"context"
	"database/sql"

	"github.com/rejoin-dev/rejoin/gen"
)

// IncomingWebhooks holds the addresses at which other systems ask for something to be done, and what became of the last calls of each.
type IncomingWebhooks struct{ *conn }

// How many a server may have, and of how many calls each shows what became of them. The contract says so of the lists.
const (
	MaxIncomingWebhooks = 50
	MaxIncomingCalls    = 100
)

// An IncomingWebhook is an address at which another system asks for something to be done, with what is sealed of it.
type IncomingWebhook struct {
	gen.IncomingWebhook
	TokenHash, APIKeyHash, SealedCipherKey string

	Trusted bool // whether who vouches for it may make one
}

const selectIncoming = `SELECT k.definition, k.token_hash, k.api_key, k.cipher_key, k.account, ` + vouched + ` FROM incoming_webhooks k `

func scanIncoming(rows *sql.Rows) (w IncomingWebhook, err error) {
	var account int32
	err = rows.Scan(document{&w.IncomingWebhook}, &w.TokenHash, &w.APIKeyHash, &w.SealedCipherKey, &account, &w.Trusted)
	w.Voucher = account
	return w, err
}

// List returns the incoming webhooks of a server, the oldest first.
func (q IncomingWebhooks) List(ctx context.Context, serverID string) ([]IncomingWebhook, error) {
	return list(ctx, q.conn, scanIncoming, selectIncoming+`WHERE k.server_id = $1 ORDER BY k.created_at, k.id`, serverID)
}

// Get returns an incoming webhook.
func (q IncomingWebhooks) Get(ctx context.Context, id string) (IncomingWebhook, error) {
	return get(ctx, q.conn, scanIncoming, selectIncoming+`WHERE k.id = $1`, id)
}

// GetByHash returns the incoming webhook of which the last part of its address has a hash.
func (q IncomingWebhooks) GetByHash(ctx context.Context, hash string) (IncomingWebhook, error) {
	return get(ctx, q.conn, scanIncoming, selectIncoming+`WHERE k.token_hash = $1`, hash)
}

// Insert adds an incoming webhook. Beyond MaxIncomingWebhooks it is a LimitError.
func (q IncomingWebhooks) Insert(ctx context.Context, w IncomingWebhook) error {
	if err := q.exec(ctx, `INSERT INTO incoming_webhooks (id, server_id, token_hash, definition, api_key, cipher_key, account, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		w.ID, w.CommunityID, w.TokenHash, written(w.IncomingWebhook), w.APIKeyHash, w.SealedCipherKey, w.Voucher, w.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, incomingTally, w.CommunityID)
}

// Update replaces what may change of an incoming webhook.
func (q IncomingWebhooks) Update(ctx context.Context, w IncomingWebhook) error {
	return q.change(ctx, `UPDATE incoming_webhooks SET definition = $2, api_key = $3, cipher_key = $4, account = $5 WHERE id = $1`,
		w.ID, written(w.IncomingWebhook), w.APIKeyHash, w.SealedCipherKey, w.Voucher)
}

// Delete removes an incoming webhook.
func (q IncomingWebhooks) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, incomingTally, `DELETE FROM incoming_webhooks WHERE id = $1 RETURNING server_id`, id)
}

// InsertCall writes down what became of a call, in the place of the one that was MaxIncomingCalls before it. It is ErrNotFound if the webhook
// is gone.
func (q IncomingWebhooks) InsertCall(ctx context.Context, webhookID string, c gen.IncomingWebhookCall) error {
	number, err := get(ctx, q.conn, scanOne[int64], `UPDATE incoming_webhooks SET calls = calls + 1 WHERE id = $1 RETURNING calls`, webhookID)
	if err != nil {
		return err
	}
	return q.exec(ctx, `INSERT INTO incoming_calls (webhook_id, place, number, id, outcome, reason, message_id, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	ON CONFLICT (webhook_id, place) DO UPDATE SET number = excluded.number, id = excluded.id, outcome = excluded.outcome, reason = excluded.reason, message_id = excluded.message_id, at = excluded.at`,
		webhookID, number%MaxIncomingCalls, number, c.ID, string(c.Outcome), c.Reason, textOrNull(c.MessageID), c.At.UnixMicro())
}

// ListCalls returns what became of the last calls of an incoming webhook, the latest first.
func (q IncomingWebhooks) ListCalls(ctx context.Context, webhookID string) ([]gen.IncomingWebhookCall, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (c gen.IncomingWebhookCall, err error) {
		var message sql.NullString
		err = rows.Scan(&c.ID, &c.Outcome, &c.Reason, &message, micros{&c.At})
		c.MessageID = nullableOf(message)
		return c, err
	}, `SELECT id, outcome, reason, message_id, at FROM incoming_calls WHERE webhook_id = $1 ORDER BY number DESC`, webhookID)
}
