package store

import (
	"errors"
	"slices"
	"testing"
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
			check(0, tx.Bulk.HasRoom(ctx, server))
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
		check(tx.Bulk.InsertRow(ctx, b.BulkID, row(1, gen.BulkResultSucceeded)))
		check(tx.Bulk.InsertRow(ctx, b.BulkID, row(2, gen.BulkResultFailed)))
		b.Processed, b.Failed = 2, 1
		check(0, tx.Bulk.Step(ctx, b, lines))
		check(tx.Bulk.ListStalled(ctx, l.now().Time, 10))
		check(tx.Bulk.Fail(ctx, b.BulkID, "r1"))
		check(tx.Bulk.TakeOver(ctx, b.BulkID, "r3", l.now().Time, l.now().Time))
		check(tx.Bulk.Get(ctx, b.BulkID))
		check(tx.Bulk.List(ctx, server, "", "", Page{Limit: 10}))
		check(tx.Bulk.List(ctx, server, "update", "queued", Page{Limit: 10}))
		check(tx.Bulk.Forget(ctx, server))
		check(tx.Bulk.Cancel(ctx, third.BulkID, l.now().Time))
		check(0, tx.Bulk.Release(ctx, third.BulkID))
		check(tx.Bulk.Finish(ctx, second.BulkID, gen.BulkStatusFailed, "x", time.UnixMicro(1)))
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

func TestOfTheFilesOfAServerTheLastRowsAreKept(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		l := &life{T: t, s: open(t, url), nowAt: time.Now()}
		ctx := t.Context()
		server := l.server(l.account())
		var ids []string
		comes := func(rows int32) (forgotten []string) {
			l.tx(func(tx *Tx) (err error) {
				b := BulkUpdate{ServerID: server, At: l.nowAt}
				b.BulkID, b.CreatedAt = l.id(), l.now()
				ids = append(ids, b.BulkID)
				l.must(tx.Bulk.Insert(ctx, b))
				l.must(tx.Bulk.AddLines(ctx, b.BulkID, []BulkLine{{Number: rows}}, l.nowAt))
				l.check(tx.Bulk.Queue(ctx, b.BulkID, 0, l.nowAt))
				forgotten, err = tx.Bulk.Forget(ctx, server)
				return err
			})
			return forgotten
		}
		ends := func(id string) {
			l.tx(func(tx *Tx) error {
				l.check(tx.Bulk.InsertRow(ctx, id, BulkDone{BulkRow: gen.BulkRow{Row: 1}}))
				_, err := tx.Bulk.Finish(ctx, id, gen.BulkStatusDone, "", l.nowAt)
				return err
			})
		}
		comes(MaxBulkKept/2 + 1)
		comes(MaxBulkKept/2 + 1)
		ends(ids[1])
		if forgotten := comes(MaxBulkKept/2 + 1); len(forgotten) > 0 {
			t.Errorf("%v are forgotten, of which one has not ended, and the other is among the last rows", forgotten)
		}
		ends(ids[0])
		if forgotten := comes(1); len(forgotten) != 1 || forgotten[0] != ids[0] {
			t.Errorf("%v are forgotten, want %v", forgotten, ids[:1])
		}
		if _, err := l.s.Bulk.Get(ctx, ids[0]); !errors.Is(err, ErrNotFound) {
			t.Errorf("a forgotten file is still shown: %v", err)
		}
		for _, id := range ids[:2] {
			for more := true; more; {
				l.tx(func(tx *Tx) (err error) { more, err = tx.Bulk.DeleteLines(ctx, id, 1); return err })
			}
		}
		if left := rowsOf(t, l.s, `SELECT bulk_id FROM bulk_rows`); len(left) != 1 || left[0] != ids[1] {
			t.Errorf("the rows of %v are left, want those of %s", left, ids[1])
		}
		if left := rowsOf(t, l.s, `SELECT id FROM bulk_updates`); len(left) != 3 {
			t.Errorf("%v are left", left)
		}
	})
}

// fileComes adds a file of one row, and returns which ones are forgotten for it.
func (l *life) fileComes(server string) (id string, forgotten []string) {
	ctx := l.Context()
	l.tx(func(tx *Tx) (err error) {
		b := BulkUpdate{ServerID: server, At: l.nowAt}
		b.BulkID, b.CreatedAt = l.id(), l.now()
		id = b.BulkID
		l.must(tx.Bulk.Insert(ctx, b))
		l.must(tx.Bulk.AddLines(ctx, id, []BulkLine{{Number: 1, Cells: []string{"x"}}}, l.nowAt))
		l.check(tx.Bulk.Queue(ctx, id, 0, l.nowAt))
		forgotten, err = tx.Bulk.Forget(ctx, server)
		return err
	})
	return id, forgotten
}

func TestTheBytesThatAreKeptOfFilesAreBounded(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		l := &life{T: t, s: open(t, url), nowAt: time.Now()}
		ctx := t.Context()
		server := l.server(l.account())
		comes := func() (id string, forgotten []string) { return l.fileComes(server) }
		room := func(what string, want bool) {
			t.Helper()
			var limit *LimitError
			if err := l.s.Bulk.HasRoom(ctx, server); errors.As(err, &limit) == want || !want && limit.Most != 256 {
				t.Errorf("%s: got %v, want room: %v", what, err, want)
			}
		}
		for name, end := range map[string]func(tx *Tx, id string) error{
			"done": func(tx *Tx, id string) error {
				_, err := tx.Bulk.Finish(ctx, id, gen.BulkStatusDone, "", l.nowAt)
				return err
			},
			"cancelled": func(tx *Tx, id string) error { _, err := tx.Bulk.Cancel(ctx, id, l.nowAt); return err },
			"given up":  func(tx *Tx, id string) error { return tx.Bulk.GiveUp(ctx, id) },
		} {
			id, _ := comes()
			room(name+", before", true)
			fill(t, l.s, `UPDATE bulk_updates SET bytes = bytes + 268435456 - (SELECT SUM(bytes) FROM bulk_updates) - 1 WHERE id = '`+id+`'`)
			room(name+", nearly", true)
			another, _ := comes()
			room(name+", full", false)
			if name == "given up" {
				fill(t, l.s, `UPDATE bulk_updates SET status = 'arriving' WHERE id = '`+id+`'`)
			}
			l.tx(func(tx *Tx) error {
				l.check(tx.Bulk.Finish(ctx, another, gen.BulkStatusDone, "", l.nowAt))
				return end(tx, id)
			})
			room(name, true)
		}
	})
}

func TestWhatWasToldOfMoreFilesThanAreKeptIsForgottenTheOldestFirst(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		l := &life{T: t, s: open(t, url), nowAt: time.Now()}
		ctx := t.Context()
		server := l.server(l.account())
		comes := func() (id string, forgotten []string) { return l.fileComes(server) }
		var ids []string
		for range 3 {
			id, forgotten := comes()
			if len(forgotten) > 0 {
				t.Errorf("%v are forgotten, of which little is told", forgotten)
			}
			l.tx(func(tx *Tx) error {
				lines := []BulkLine{{Number: 1}}
				l.must(tx.Bulk.Step(ctx, BulkUpdate{BulkUpdate: gen.BulkUpdate{BulkID: id, Processed: 1}, Told: MaxBulkTold / 3}, lines))
				_, err := tx.Bulk.Finish(ctx, id, gen.BulkStatusDone, "", l.nowAt)
				return err
			})
			ids = append(ids, id)
		}
		last, forgotten := comes()
		if len(forgotten) > 0 {
			t.Errorf("%v are forgotten", forgotten)
		}
		l.tx(func(tx *Tx) error {
			l.must(tx.Bulk.Step(ctx, BulkUpdate{BulkUpdate: gen.BulkUpdate{BulkID: last, Processed: 1}, Told: MaxBulkTold / 2}, []BulkLine{{Number: 1}}))
			_, err := tx.Bulk.Finish(ctx, last, gen.BulkStatusDone, "", l.nowAt)
			return err
		})
		if _, forgotten := comes(); !slices.Contains(forgotten, ids[0]) || slices.Contains(forgotten, ids[2]) || slices.Contains(forgotten, last) {
			t.Errorf("%v are forgotten of %v and %s", forgotten, ids, last)
		}
	})
}

func TestSoManyFilesOfAServerArriveAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		l := &life{T: t, s: open(t, url), nowAt: time.Now()}
		ctx := t.Context()
		server, other := l.server(l.account()), l.server(l.account())
		comes := func(server string) (id string, err error) {
			b := BulkUpdate{ServerID: server, At: l.nowAt}
			b.BulkID, b.CreatedAt = l.id(), l.now()
			return b.BulkID, l.s.Tx(ctx, func(tx *Tx) error { return tx.Bulk.Insert(ctx, b) })
		}
		var last string
		for range MaxBulkArriving {
			var err error
			last, err = comes(server)
			l.must(err)
		}
		limit := (*LimitError)(nil)
		if _, err := comes(server); !errors.As(err, &limit) || limit.Most != MaxBulkArriving {
			t.Errorf("one more: got %v", err)
		}
		l.check(comes(other))
		l.tx(func(tx *Tx) error { return tx.Bulk.GiveUp(ctx, last) })
		l.check(comes(server))
	})
}
