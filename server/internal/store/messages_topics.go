package store

import (
	"context"
	"database/sql"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Topic is one of a forum, with who has begun it.
type Topic struct {
	gen.Topic
	Account int64
	KeyID   string // of the API key that has begun it in the account's name; empty: none has
	OfKeys  bool   // an older one, which a key has begun in the name of the server
}

func scanTopic(rows *sql.Rows) (t Topic, err error) {
	var key sql.NullString
	err = rows.Scan(&t.ID, &t.ChannelID, &t.Account, &t.OfKeys, &t.Title, micros{&t.CreatedAt}, &key)
	t.KeyID = key.String
	t.UserID = Number(t.Account)
	return t, err
}

const selectTopic = `SELECT id, channel_id, account, by_key, title, created_at, key_id FROM topics `

// topicsTally is how many topics a channel has.
var topicsTally = tally{kind: "topics", shards: tallyShards}

// GetTopic returns a topic of a channel.
func (q Messages) GetTopic(ctx context.Context, channelID, id string) (Topic, error) {
	return get(ctx, q.conn, scanTopic, selectTopic+`WHERE id = $1 AND channel_id = $2 /* FOR SHARE */`, id, channelID)
}

// ListTopics returns a page of the topics of a channel, newest first.
func (q Messages) ListTopics(ctx context.Context, channelID string, page Page) ([]Topic, error) {
	at, id := page.from(latest)
	return list(ctx, q.conn, scanTopic, selectTopic+`WHERE channel_id = $1 AND (created_at, id) < ($2, $3)
	 ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5`, channelID, at, id, page.Limit, page.Skip)
}

// CountTopics tells how many topics a channel has.
func (q Messages) CountTopics(ctx context.Context, channelID string) (int64, error) {
	return q.total(ctx, topicsTally, channelID)
}

// InsertTopic adds a topic.
func (q Messages) InsertTopic(ctx context.Context, t Topic) error {
	if err := q.exec(ctx, `INSERT INTO topics (id, channel_id, account, by_key, title, created_at, key_id) VALUES ($1, $2, $3, FALSE, $4, $5, $6)`,
		t.ID, t.ChannelID, t.Account, t.Title, t.CreatedAt.UnixMicro(), orNull(t.KeyID)); err != nil {
		return err
	}
	return q.countIn(ctx, topicsTally, t.ChannelID)
}

// DeleteTopic ends a topic: nobody finds it any more, nor the messages in it. They are removed by DeleteRest, because there may
// be any amount of them.
func (q Messages) DeleteTopic(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, topicsTally, `DELETE FROM topics WHERE id = $1 RETURNING channel_id`, id)
}
