package store

import (
	"context"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A MessageUpload is an image that was uploaded for messages in a server.
type MessageUpload struct {
	gen.MessageImage
	Kind     string // what comes behind image/ in its type
	ServerID string
	Account  int64 // who has uploaded it
	At       time.Time
}

// InsertImage adds an image that no message has yet.
func (q Messages) InsertImage(ctx context.Context, i MessageUpload) error {
	return q.exec(ctx, `INSERT INTO message_images (image_id, server_id, account, ordinal, name, type, size, at) VALUES ($1, $2, $3, 0, $4, $5, $6, $7)`,
		i.ID, i.ServerID, i.Account, i.Name, i.Kind, i.Size, i.At.UnixMicro())
}

// TakeImage gives a message an image that no message has yet, and that an account has uploaded for messages in its server. It
// tells whether there is such an image.
func (q Messages) TakeImage(ctx context.Context, m Message, id string, account int64, ordinal int) (bool, error) {
	return q.changed(ctx, `UPDATE message_images SET message = $1, ordinal = $2
	 WHERE image_id = $3 AND server_id = $4 AND account = $5 AND message IS NULL`, m.Position, ordinal, id, m.ServerID, account)
}

// DeleteUnused removes some of the images that no message has and that were uploaded before a moment, and tells whether there may be
// more. They leave.
func (q Messages) DeleteUnused(ctx context.Context, before, now time.Time, some int) (more bool, err error) {
	ids, err := list(ctx, q.conn, scanOne[string], `DELETE FROM message_images WHERE image_id IN (
	       SELECT image_id FROM message_images WHERE message IS NULL AND at < $1 ORDER BY at, image_id LIMIT $2) AND message IS NULL RETURNING image_id`,
		before.UnixMicro(), some)
	if err != nil {
		return false, err
	}
	return len(ids) == some, q.leave(ctx, ids, now)
}

// leaveImages runs a statement that returns the ids of images, which leave.
func (q Messages) leaveImages(ctx context.Context, at time.Time, text string, args ...any) error {
	ids, err := list(ctx, q.conn, scanOne[string], text, args...)
	if err != nil {
		return err
	}
	return q.leave(ctx, ids, at)
}

func (q Messages) leave(ctx context.Context, ids []string, at time.Time) error {
	for _, id := range ids {
		if err := (Images(q)).Leave(ctx, id, at); err != nil {
			return err
		}
	}
	return nil
}
