package store

import (
	"context"
	"database/sql"
	"time"
)

// Images holds what is known of images whose bytes are kept elsewhere: which there are, and of which of them servers show.
type Images struct{ *conn }

// MaxImageBytes is how many bytes the images may have that an account has uploaded and that servers show. The contract says so.
const MaxImageBytes = 500 << 20

var imageBytesTally = tally{"image_bytes", 1, MaxImageBytes, "bytes of images of yours"}

// Insert adds an image that begins to arrive, before anything of it is kept.
func (q Images) Insert(ctx context.Context, id string, account int64, at time.Time) error {
	return q.exec(ctx, `INSERT INTO images (id, account, bytes, state, at) VALUES ($1, $2, 0, 'arriving', $3)`, id, account, at.UnixMicro())
}

// Show makes an image one that is shown, and counts its bytes. Beyond MaxImageBytes of the account it is a LimitError. If it was
// given up meanwhile, it is ErrNotFound.
func (q Images) Show(ctx context.Context, id string, bytes int64) error {
	return q.arrive(ctx, id, bytes, "shown")
}

// ShowToSome is Show of an image that is never shown to everybody: whoever knows to whom it may be shown does that.
func (q Images) ShowToSome(ctx context.Context, id string, bytes int64) error {
	return q.arrive(ctx, id, bytes, "private")
}

func (q Images) arrive(ctx context.Context, id string, bytes int64, state string) error {
	account, err := get(ctx, q.conn, scanOne[int64], `UPDATE images SET state = $3, bytes = $2 WHERE id = $1 AND state = 'arriving'
	RETURNING account`, id, bytes, state)
	if err != nil {
		return err
	}
	return q.countBytes(ctx, account, bytes)
}

// Leave ends that an image is shown, and gives its bytes back to who has uploaded it. Its row stays until its file is gone:
// see ListLeaving. An empty id is none.
func (q Images) Leave(ctx context.Context, id string, at time.Time) error {
	if id == "" {
		return nil
	}
	_, err := q.leave(ctx, `UPDATE images SET state = 'leaving', at = $2 WHERE id = $1 AND state = 'shown' RETURNING account, bytes`, id, at.UnixMicro())
	return err
}

// leave runs a statement that makes images leave, gives their bytes back, and tells how many they were.
func (q Images) leave(ctx context.Context, text string, args ...any) (n int, err error) {
	left, err := list(ctx, q.conn, func(rows *sql.Rows) (left struct{ account, bytes int64 }, err error) {
		return left, rows.Scan(&left.account, &left.bytes)
	}, text, args...)
	if err != nil {
		return 0, err
	}
	for _, image := range left {
		if err := q.countBytes(ctx, image.account, -image.bytes); err != nil {
			return 0, err
		}
	}
	return len(left), nil
}

// end ends that an image is shown to some. LeaveEnded does the rest. An empty id is none.
func (q Images) end(ctx context.Context, id string, at time.Time) error {
	if id == "" {
		return nil
	}
	return q.exec(ctx, `UPDATE images SET state = 'ended', at = $2 WHERE id = $1 AND state = 'private'`, id, at.UnixMicro())
}

// LeaveEnded makes some of the images leave that were shown to some and are so no more, and tells whether there may be more.
func (q Images) LeaveEnded(ctx context.Context, some int, at time.Time) (more bool, err error) {
	n, err := q.leave(ctx, `UPDATE images SET state = 'leaving', at = $2 WHERE id IN (
	       SELECT id FROM images WHERE state = 'ended' ORDER BY at, id LIMIT $1) AND state = 'ended' RETURNING account, bytes`, some, at.UnixMicro())
	return n > 0, err
}

func (q Images) countBytes(ctx context.Context, account, bytes int64) error {
	if bytes == 0 {
		return nil
	}
	counted, err := q.addTo(ctx, imageBytesTally, Number(account), 0, bytes)
	if err == nil && !counted {
		err = &LimitError{Most: imageBytesTally.most, What: imageBytesTally.what}
	}
	return err
}

// Bytes tells how many bytes the images have that an account has uploaded and that servers show.
func (q Images) Bytes(ctx context.Context, account int64) (int64, error) {
	return q.total(ctx, imageBytesTally, Number(account))
}

// GiveUp makes images leave that have been arriving since before a moment, or since one that is still to come: nobody waits
// for them any more, and whoever does all the same is refused by Show.
func (q Images) GiveUp(ctx context.Context, before, now time.Time) error {
	return q.exec(ctx, `UPDATE images SET state = 'leaving' WHERE state = 'arriving' AND (at < $1 OR at > $2)`, before.UnixMicro(), now.UnixMicro())
}

// A LeavingImage is one whose file is to be removed.
type LeavingImage struct {
	ID string
	at int64
}

// ListLeaving returns some of the images whose files are to be removed, those behind another one.
func (q Images) ListLeaving(ctx context.Context, after LeavingImage, some int) ([]LeavingImage, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (image LeavingImage, err error) {
		return image, rows.Scan(&image.ID, &image.at)
	}, `SELECT id, at FROM images WHERE state = 'leaving' AND (at, id) > ($1, $2) ORDER BY at, id LIMIT $3`, after.at, after.ID, some)
}

// Delete forgets an image whose file is gone.
func (q Images) Delete(ctx context.Context, id string) error {
	return q.exec(ctx, `DELETE FROM images WHERE id = $1 AND state = 'leaving'`, id)
}

// IsShown tells whether a server or an account shows an image to everybody.
func (q Images) IsShown(ctx context.Context, id string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM images WHERE id = $1 AND state = 'shown')`+unlocked, id)
}
