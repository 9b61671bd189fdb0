package store

import (
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasBulk sends two files: one of them is half done, the other waits. Others have come and gone.
func (l *life) hasBulk(server string) {
	ctx, check := l.Context(), l.check
	file := func() BulkUpdate {
		now := l.now()
		return BulkUpdate{ServerID: server, KeyID: l.id(), Header: []string{"identifier"}, At: now.Time,
			BulkUpdate: gen.BulkUpdate{BulkID: l.id(), Type: gen.BulkTypeUpdate, CreatedAt: now}}
	}
	row := func(n int32, result gen.BulkResult) BulkDone {
		return BulkDone{BulkRow: gen.BulkRow{Row: n, Identifier: "x", Result: result, Errors: []gen.BulkRowError{{Column: "identifier", Message: "x"}}}}
	}
	first, second, third := file(), file(), file()
	l.tx(func(tx *Tx) error {
		for _, b := range []BulkUpdate{first, second, third} {
			check(0, tx.Bulk.Insert(ctx, b))
			check(0, tx.Bulk.AddLines(ctx, b.BulkID, []BulkLine{{Number: 1}, {Number: 2}}, l.now().Time))
			check(0, tx.Bulk.AddLines(ctx, b.BulkID, []BulkLine{{Number: 3}}, l.now().Time))
			check(tx.Bulk.Queue(ctx, b.BulkID, 1, l.now().Time))
		}
		check(tx.Bulk.Next(ctx, server, "r1", l.now().Time))
		if id, err := tx.Bulk.Next(ctx, server, "r2", l.now().Time); !errors.Is(err, ErrNotFound) {
			l.Errorf("%s has its turn, too (%v)", id, err)
		}
		for _, result := range []gen.BulkResult{"", gen.BulkResultFailed, gen.BulkResultSucceeded} {
			check(tx.Bulk.ListRows(ctx, first.BulkID, result, 0, 10, 0))
		}
		b, err := tx.Bulk.Take(ctx, first.BulkID, "r1", l.now().Time)
		check(b, err)
		lines, err := tx.Bulk.Lines(ctx, b.BulkID)
		check(lines, err)
		check(0, tx.Bulk.InsertRow(ctx, b.BulkID, row(1, gen.BulkResultSucceeded)))
		check(0, tx.Bulk.InsertRow(ctx, b.BulkID, row(2, gen.BulkResultFailed)))
		b.Processed, b.Failed = 2, 1
		check(0, tx.Bulk.Step(ctx, b, lines))
		check(tx.Bulk.ListStalled(ctx, l.now().Time, 10))
		check(tx.Bulk.TakeOver(ctx, b.BulkID, "r3", l.now().Time, l.now().Time))
		check(tx.Bulk.Get(ctx, b.BulkID))
		check(tx.Bulk.List(ctx, server, "", "", Page{Limit: 10}))
		check(tx.Bulk.List(ctx, server, "update", "queued", Page{Limit: 10}))
		check(tx.Bulk.Forget(ctx, server))
		check(tx.Bulk.Cancel(ctx, third.BulkID, l.now().Time))
		check(0, tx.Bulk.Release(ctx, third.BulkID))
		check(tx.Bulk.Finish(ctx, second.BulkID, gen.BulkStatusCancelled, time.UnixMicro(1)))
		check(0, tx.Bulk.GiveUp(ctx, third.BulkID))
		for more := true; more; {
			more, err = tx.Bulk.DeleteLines(ctx, second.BulkID, 1)
			l.must(err)
		}
		for more := true; more; {
			more, err = tx.Bulk.DeleteExpired(ctx, time.UnixMicro(2), time.UnixMicro(2), 1)
			l.must(err)
		}
		return nil
	})
}
