package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Bulk holds files with a row for each of many members: the rows that are not done yet, in chunks, and what became of the others.
//
// One that arrives is nobody's to see; it is queued when all of it is there. One of each server has its turn: the runner that it names does
// its rows. One that has expired, or never arrived whole, counts as arriving again until all of it was removed.
type Bulk struct{ *conn }

// How many files of a server may wait for their turn, and arrive at once, and of how many of its last rows it is kept what became of them. The contract
// says so.
const (
	MaxBulkWaiting  = 20
	MaxBulkArriving = 20 // more than a caller sends under one Idempotency-Key, of which each arrives before it is known to be the same
	MaxBulkKept     = 1_000_000
)

// How many bytes the rows of a server may have that are not done yet, and what is told of those that are. The contract says so.
const (
	MaxBulkBytes = 256 << 20
	MaxBulkTold  = 256 << 20
)

// forgottenAtOnce is how many files at most one that comes has forgotten. That is more than come meanwhile.
const forgottenAtOnce = 100

// arriving is the status of what nobody sees.
const arriving = "arriving"

// A BulkUpdate is a file, and how far it is.
type BulkUpdate struct {
	gen.BulkUpdate
	ServerID string
	KeyID    string   // the API key by which it came
	Header   []string // the names of its columns
	Told     int64    // how many bytes tell what became of its rows
	PaidBy   int64    // from whose quota of imported users its rows were taken; 0: from nobody's
	Turn     bool
	Runner   string
	At       time.Time // when something happened to it last
}

// A BulkDone is what became of a row, whom it was about (0: nobody here), and what it has changed.
type BulkDone struct {
	gen.BulkRow
	Account            int64
	XP, Coins, Premium int64
}

// A BulkLine is a row that is not done yet.
type BulkLine struct {
	Number int32              `json:"n"`
	Cells  []string           `json:"c,omitempty"`
	Errors []gen.BulkRowError `json:"e,omitempty"` // it has failed already
	Name   string             `json:"i,omitempty"` // of whom it is about, where there are errors
}

const (
	bulkColumns = `id, server_id, key_id, kind, status, header, total, processed, failed, told, paid_by, turn, runner, stepped_at, created_at, started_at, finished_at, reason`
	selectBulk  = `SELECT ` + bulkColumns + ` FROM bulk_updates `
)

func scanBulk(rows *sql.Rows) (b BulkUpdate, err error) {
	var at gen.Time
	err = rows.Scan(&b.BulkID, &b.ServerID, &b.KeyID, &b.Type, &b.Status, document{&b.Header}, &b.Total, &b.Processed, &b.Failed, &b.Told, &b.PaidBy, &b.Turn, &b.Runner,
		micros{&at}, micros{&b.CreatedAt}, nullableMicros{&b.StartedAt}, nullableMicros{&b.FinishedAt}, &b.Reason)
	b.Succeeded, b.At = b.Processed-b.Failed, at.Time
	return b, err
}

// Insert adds a file that arrives. Beyond MaxBulkArriving it is a LimitError.
func (q Bulk) Insert(ctx context.Context, b BulkUpdate) error {
	arrive, err := list(ctx, q.conn, scanOne[string], `SELECT id FROM bulk_updates WHERE server_id = $1 AND kept = 0 AND status = '`+arriving+`' AND stepped_at > 0 LIMIT $2`, b.ServerID, MaxBulkArriving)
	if err == nil && len(arrive) == MaxBulkArriving {
		err = &LimitError{Most: MaxBulkArriving, What: "files that arrive in this community"}
	}
	if err != nil {
		return err
	}
	return q.exec(ctx, `INSERT INTO bulk_updates (id, server_id, key_id, kind, status, header, stepped_at, created_at)
	VALUES ($1, $2, $3, $4, '`+arriving+`', $5, $6, $7)`, b.BulkID, b.ServerID, b.KeyID, b.Type, written(b.Header), b.At.UnixMicro(), b.CreatedAt.UnixMicro())
}

// AddLines adds rows to a file that arrives. If that was given up, it is ErrNotFound.
func (q Bulk) AddLines(ctx context.Context, id string, lines []BulkLine, at time.Time) error {
	last, text := lines[len(lines)-1].Number, written(lines)
	if err := q.change(ctx, `UPDATE bulk_updates SET total = $2, stepped_at = $3, bytes = bytes + $4 WHERE id = $1 AND status = '`+arriving+`' AND stepped_at > 0`,
		id, last, at.UnixMicro(), len(text)); err != nil {
		return err
	}
	return q.exec(ctx, `INSERT INTO bulk_chunks (bulk_id, first, lines) VALUES ($1, $2, $3)`, id, lines[0].Number, text)
}

// HasRoom is a LimitError if the rows of a server that are not done yet have MaxBulkBytes. They are those of few files: the others have none.
func (q Bulk) HasRoom(ctx context.Context, serverID string) error {
	all, err := list(ctx, q.conn, scanOne[int64], `SELECT bytes FROM bulk_updates WHERE server_id = $1 AND bytes > 0 LIMIT $2`, serverID, 2*(MaxBulkWaiting+MaxBulkArriving))
	sum := int64(0)
	for _, bytes := range all {
		sum += bytes
	}
	if err == nil && sum >= MaxBulkBytes {
		err = &LimitError{Most: MaxBulkBytes >> 20, What: "MiB of rows that are not done in this community"}
	}
	return err
}

// GiveUp lets a file that arrives be removed.
func (q Bulk) GiveUp(ctx context.Context, id string) error {
	return q.exec(ctx, `UPDATE bulk_updates SET stepped_at = 0, bytes = 0 WHERE id = $1 AND status = '`+arriving+`'`, id)
}

// Queue says that all of a file is there, and returns it. If it was given up, it is ErrNotFound. Beyond MaxBulkWaiting it is a LimitError.
func (q Bulk) Queue(ctx context.Context, id string, paidBy int64, at time.Time) (BulkUpdate, error) {
	b, err := get(ctx, q.conn, scanBulk, `UPDATE bulk_updates SET status = 'queued', stepped_at = $2, paid_by = $3,
	       kept = total + (SELECT COALESCE(MAX(o.kept), 0) FROM bulk_updates o WHERE o.server_id = bulk_updates.server_id)
	 WHERE id = $1 AND status = '`+arriving+`' AND stepped_at > 0
	RETURNING `+bulkColumns, id, at.UnixMicro(), paidBy)
	if err != nil {
		return b, err
	}
	waiting, err := list(ctx, q.conn, scanOne[string], `SELECT id FROM bulk_updates WHERE server_id = $1 AND status = 'queued' LIMIT $2`, b.ServerID, MaxBulkWaiting+1)
	if err == nil && len(waiting) > MaxBulkWaiting {
		err = &LimitError{Most: MaxBulkWaiting, What: "files that wait in this community"}
	}
	return b, err
}

// Forget lets the files of a server be removed that have ended and are not among its last MaxBulkKept rows, or of which more than MaxBulkTold were told
// since, and returns them.
func (q Bulk) Forget(ctx context.Context, serverID string) ([]string, error) {
	old, err := list(ctx, q.conn, scanOne[string], `UPDATE bulk_updates SET status = '`+arriving+`', stepped_at = 0, finished_at = NULL, bytes = 0 WHERE id IN (
	       SELECT id FROM bulk_updates WHERE server_id = $1 AND told_until > 0 AND told_until <= (SELECT MAX(told_until) FROM bulk_updates WHERE server_id = $1) - $2
	          AND finished_at IS NOT NULL AND NOT turn ORDER BY told_until LIMIT $3) RETURNING id`, serverID, MaxBulkTold, forgottenAtOnce)
	if err != nil {
		return nil, err
	}
	more, err := list(ctx, q.conn, scanOne[string], `UPDATE bulk_updates SET status = '`+arriving+`', stepped_at = 0, finished_at = NULL, bytes = 0 WHERE id IN (
	       SELECT id FROM bulk_updates WHERE server_id = $1 AND kept > 0 AND kept <= (SELECT MAX(kept) FROM bulk_updates WHERE server_id = $1) - $2
	          AND finished_at IS NOT NULL AND NOT turn ORDER BY kept LIMIT $3) RETURNING id`, serverID, MaxBulkKept, forgottenAtOnce)
	return append(old, more...), err
}

// Next gives the turn to the file of a server that has waited longest, if none has it, and to a runner. Without one it is ErrNotFound.
func (q Bulk) Next(ctx context.Context, serverID, runner string, at time.Time) (id string, err error) {
	return get(ctx, q.conn, scanOne[string], `UPDATE bulk_updates SET turn = TRUE, runner = $2, stepped_at = $3 WHERE id = (
	       SELECT id FROM bulk_updates WHERE server_id = $1 AND status = 'queued' ORDER BY created_at, id LIMIT 1)
	   AND NOT EXISTS (SELECT 1 FROM bulk_updates WHERE server_id = $1 AND turn) RETURNING id`, serverID, runner, at.UnixMicro())
}

// Get returns a file.
func (q Bulk) Get(ctx context.Context, id string) (BulkUpdate, error) {
	return get(ctx, q.conn, scanBulk, selectBulk+`WHERE id = $1 AND status <> '`+arriving+`'`, id)
}

// List returns a page of the files of a server, newest first, those of a kind or a status only unless it is empty.
func (q Bulk) List(ctx context.Context, serverID, kind, status string, page Page) ([]BulkUpdate, error) {
	at, id := page.from(latest)
	return list(ctx, q.conn, scanBulk, selectBulk+`WHERE server_id = $1 AND (created_at, id) < ($2, $3) AND status <> '`+arriving+`'
	   AND ($4 = '' OR kind = $4) AND ($5 = '' OR status = $5) ORDER BY created_at DESC, id DESC LIMIT $6 OFFSET $7`,
		serverID, at, id, kind, status, page.Limit, page.Skip)
}

// Take begins a step of a runner: nobody else does anything to the file before the transaction ends. If the runner has no turn any more, it is
// ErrNotFound. The file may have been cancelled: then Release is what is left to do.
func (q Bulk) Take(ctx context.Context, id, runner string, at time.Time) (BulkUpdate, error) {
	return get(ctx, q.conn, scanBulk, `UPDATE bulk_updates SET stepped_at = $3, status = CASE WHEN finished_at IS NULL THEN 'running' ELSE status END,
	       started_at = CASE WHEN finished_at IS NULL AND started_at IS NULL THEN $3 ELSE started_at END
	 WHERE id = $1 AND turn AND runner = $2 RETURNING `+bulkColumns, id, runner, at.UnixMicro())
}

// Lines returns the first chunk of the rows that are not done yet; none: all are.
func (q Bulk) Lines(ctx context.Context, id string) (lines []BulkLine, err error) {
	found, err := list(ctx, q.conn, func(rows *sql.Rows) (lines []BulkLine, err error) { return lines, rows.Scan(document{&lines}) },
		`SELECT lines FROM bulk_chunks WHERE bulk_id = $1 ORDER BY first LIMIT 1`, id)
	for _, chunk := range found {
		lines = chunk
	}
	return lines, err
}

// InsertRow notes what became of a row, and returns how many bytes tell that.
func (q Bulk) InsertRow(ctx context.Context, id string, row BulkDone) (told int64, err error) {
	errors := written(row.Errors)
	return int64(len(row.Identifier) + len(errors)), q.exec(ctx, `INSERT INTO bulk_rows (bulk_id, number, identifier, failed, errors, account, xp, coins, premium) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		id, row.Row, row.Identifier, row.Result == gen.BulkResultFailed, errors, row.Account, row.XP, row.Coins, row.Premium)
}

// Step notes how far a file is. What was done of a chunk that is whole is not kept.
func (q Bulk) Step(ctx context.Context, b BulkUpdate, lines []BulkLine) error {
	if err := q.exec(ctx, `UPDATE bulk_updates SET processed = $2, failed = $3, told = $4, failures = 0 WHERE id = $1`, b.BulkID, b.Processed, b.Failed, b.Told); err != nil {
		return err
	}
	if b.Processed < lines[len(lines)-1].Number {
		return nil
	}
	return q.exec(ctx, `DELETE FROM bulk_chunks WHERE bulk_id = $1 AND first = $2`, b.BulkID, lines[0].Number)
}

// Fail notes that a run of a runner has failed, and returns how often that was so since a row was done. If the runner has no turn any more, it is ErrNotFound.
func (q Bulk) Fail(ctx context.Context, id, runner string) (times int, err error) {
	return get(ctx, q.conn, scanOne[int], `UPDATE bulk_updates SET failures = failures + 1 WHERE id = $1 AND turn AND runner = $2 RETURNING failures`, id, runner)
}

// toldUntil is how many bytes tell of the files of a server up to one that ends its turn: which of them are kept is known without adding them up.
const toldUntil = `told + (SELECT COALESCE(MAX(o.told_until), 0) FROM bulk_updates o WHERE o.server_id = bulk_updates.server_id)`

// Finish ends a file that has not ended, with a status and, if it has failed, why, and returns it. Without one it is ErrNotFound.
func (q Bulk) Finish(ctx context.Context, id string, status gen.BulkStatus, reason string, at time.Time) (BulkUpdate, error) {
	return get(ctx, q.conn, scanBulk, `UPDATE bulk_updates SET status = $2, reason = $4, turn = FALSE, runner = '', stepped_at = $3, finished_at = $3, bytes = 0, told_until = `+toldUntil+`
	 WHERE id = $1 AND status IN ('queued', 'running') RETURNING `+bulkColumns, id, string(status), at.UnixMicro(), reason)
}

// Cancel ends a file that has not ended, and returns it. If it has its turn, that is left to its runner, who is in the middle of a step: it is this
// statement that waits for the end of one, and not a transaction that would lose against each. Without a file it is ErrNotFound.
func (q Bulk) Cancel(ctx context.Context, id string, at time.Time) (BulkUpdate, error) {
	return get(ctx, q.conn, scanBulk, `UPDATE bulk_updates SET status = 'cancelled', finished_at = $2, bytes = 0 WHERE id = $1 AND status IN ('queued', 'running')
	RETURNING `+bulkColumns, id, at.UnixMicro())
}

// Release takes the turn from a file that has ended.
func (q Bulk) Release(ctx context.Context, id string) error {
	return q.exec(ctx, `UPDATE bulk_updates SET turn = FALSE, runner = '', told_until = `+toldUntil+` WHERE id = $1`, id)
}

// ListStalled returns some of those who have their turn, and to which nothing has happened since before a moment.
func (q Bulk) ListStalled(ctx context.Context, before time.Time, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], `SELECT id FROM bulk_updates WHERE turn AND stepped_at < $1 ORDER BY stepped_at LIMIT $2`, before.UnixMicro(), some)
}

// TakeOver gives a file that has its turn to another runner, if nothing has happened to it since before a moment.
func (q Bulk) TakeOver(ctx context.Context, id, runner string, before, at time.Time) (bool, error) {
	return q.changed(ctx, `UPDATE bulk_updates SET runner = $2, stepped_at = $4 WHERE id = $1 AND turn AND stepped_at < $3`,
		id, runner, before.UnixMicro(), at.UnixMicro())
}

// ListRows returns some rows behind one, in their order; those that have failed, or have not, only if it is wanted.
func (q Bulk) ListRows(ctx context.Context, id string, result gen.BulkResult, after int32, some, skip int) ([]gen.BulkRow, error) {
	of := ""
	switch result {
	case gen.BulkResultFailed:
		of = " AND failed"
	case gen.BulkResultSucceeded:
		of = " AND NOT failed"
	}
	return list(ctx, q.conn, func(rows *sql.Rows) (r gen.BulkRow, err error) {
		var failed bool
		err = rows.Scan(&r.Row, &r.Identifier, &failed, document{&r.Errors})
		r.Result = gen.BulkResultSucceeded
		if failed {
			r.Result = gen.BulkResultFailed
		}
		return r, err
	}, `SELECT number, identifier, failed, errors FROM bulk_rows WHERE bulk_id = $1 AND number > $2`+of+` ORDER BY number LIMIT $3 OFFSET $4`, id, after, some, skip)
}

// DeleteLines removes some of the rows that are not done, of a file that has ended, and tells whether there may be more. Of one that was given up or
// forgotten, it removes all.
func (q Bulk) DeleteLines(ctx context.Context, id string, some int) (more bool, err error) {
	for _, text := range []string{
		`DELETE FROM bulk_chunks WHERE (bulk_id, first) IN (SELECT bulk_id, first FROM bulk_chunks WHERE bulk_id = $1 LIMIT $2)`,
		`DELETE FROM bulk_rows WHERE (bulk_id, number) IN (
	       SELECT bulk_id, number FROM bulk_rows WHERE bulk_id = (SELECT id FROM bulk_updates WHERE id = $1 AND status = '` + arriving + `' AND stepped_at = 0) LIMIT $2)`,
	} {
		if deleted, err := q.changed(ctx, text, id, some); err != nil || deleted {
			return true, err
		}
	}
	return false, q.exec(ctx, `DELETE FROM bulk_updates WHERE id = $1 AND status = '`+arriving+`' AND stepped_at = 0`, id)
}

// DeleteExpired removes a part of a file that has ended before a moment, or to one that arrives nothing has happened since another one, and tells whether there
// may be more.
func (q Bulk) DeleteExpired(ctx context.Context, ended, silent time.Time, some int) (more bool, err error) {
	if err := q.exec(ctx, `UPDATE bulk_updates SET status = '`+arriving+`', stepped_at = 0, finished_at = NULL, bytes = 0 WHERE id IN (
	       SELECT id FROM bulk_updates WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)`, ended.UnixMicro(), some); err != nil {
		return true, err
	}
	gone, err := list(ctx, q.conn, scanOne[string], `SELECT id FROM bulk_updates WHERE status = '`+arriving+`' AND stepped_at < $1 ORDER BY stepped_at LIMIT 1`, silent.UnixMicro())
	if err != nil || len(gone) == 0 {
		return false, err
	}
	for _, text := range []string{
		`DELETE FROM bulk_chunks WHERE (bulk_id, first) IN (SELECT bulk_id, first FROM bulk_chunks WHERE bulk_id = $1 LIMIT $2)`,
		`DELETE FROM bulk_rows WHERE (bulk_id, number) IN (SELECT bulk_id, number FROM bulk_rows WHERE bulk_id = $1 LIMIT $2)`,
	} {
		if deleted, err := q.changed(ctx, text, gone[0], some); err != nil || deleted {
			return true, err
		}
	}
	return true, q.exec(ctx, `DELETE FROM bulk_updates WHERE id = $1`, gone[0])
}
