package server

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
	"github.com/rejoin-dev/rejoin/server/internal/sheet"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// How much of a file one transaction takes in, and one step does.
const (
	bulkRowsAtOnce  = 500
	bulkBytesAtOnce = 256 << 10
)

// An arrival is a file while it comes. It goes into the database part by part, so that another replica can do its rows, and it takes no memory.
type arrival struct {
	*core
	ctx     context.Context
	file    store.BulkUpdate
	columns bulkColumns
	begun   bool
	rows    int
	lines   []store.BulkLine
	bytes   int
	room    memory.Share // for what was read and is not in the database yet
	read    int64        // so much of it
	found   int64        // and so much of that has room
	broken  atomic.Bool
}

// What is read of a file without room for it, and how much memory it takes while it is rows, for each of its bytes.
const (
	bulkPiece = 32 << 10
	bulkCost  = 4
)

// A roomyReader reads a file as far as there is room for it. Whoever sends slowly is broken off when others need theirs.
type roomyReader struct {
	*arrival
	from io.Reader
}

func (r roomyReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if r.read += int64(n); r.read-r.found > bulkPiece {
		r.found = r.read
		if busy := r.room.Receive(r.ctx, r.found*bulkCost, r.breakOff); busy != nil {
			return n, busy
		}
	}
	return n, err
}

func (a *arrival) breakOff() {
	a.broken.Store(true)
	contract.BreakOff(a.ctx)()
}

// arrive waits until the community of the caller sends no more files than may arrive at once.
func (k *core) arrive(ctx context.Context) (end func(), err error) {
	end, err = k.files.wait(ctx, bodyOf(ctx))
	if errors.Is(err, memory.ErrBusy) && ctx.Err() == nil {
		err = &store.LimitError{Most: store.MaxBulkArriving, What: "files that arrive in this community"}
	}
	return end, err
}

// upload takes a file in, and queues it. One that is not whole leaves nothing.
func (h bulk) upload(ctx context.Context, kind gen.BulkType, body *multipart.Reader, message string) (answer gen.BulkQueuedResponse, again replay, err error) {
	s, err := requireOfKey(ctx, h.store.Queries)
	if err != nil {
		return answer, again, err
	}
	a := &arrival{core: h.core, ctx: ctx, file: store.BulkUpdate{ServerID: s.ID, KeyID: s.actor.keyID(), At: h.now()}}
	a.file.BulkID, a.file.Type, a.file.CreatedAt = h.newID(), kind, gen.Time{Time: h.now()}
	if a.columns, err = columnsOf(ctx, h.store.Queries, s.ID, kind); err != nil {
		return answer, again, err
	}
	end, err := h.arrive(ctx)
	if err != nil {
		return answer, again, err
	}
	defer end()
	a.room = h.senders.Share()
	form, err := contract.ReadForm(ctx, body, func(_, _ string, content io.Reader) error { return a.receive(content) })
	a.room.Close()
	if err != nil && a.broken.Load() {
		err = contract.Unavailable(err)
	}
	if community := form.Text("communityId"); err == nil && community != nil && *community != s.ID {
		err = contract.NotFound("community")
	}
	if err != nil {
		return answer, again, errors.Join(err, a.giveUp())
	}
	answer, again, err = once(ctx, h.core, func(tx *store.Tx) (answer gen.BulkQueuedResponse, err error) {
		if _, err := requireOfKey(ctx, tx.Queries); err != nil {
			return answer, err
		}
		paidBy, err := h.payImports(ctx, tx, kind, a.rows)
		if err != nil {
			return answer, err
		}
		queued, err := tx.Bulk.Queue(ctx, a.file.BulkID, paidBy, h.now())
		if err != nil {
			return answer, err
		}
		forgotten, err := tx.Bulk.Forget(ctx, queued.ServerID)
		for _, id := range forgotten {
			err = errors.Join(err, tx.Jobs.Insert(ctx, bulkRemoval{BulkID: id}))
		}
		if err != nil {
			return answer, err
		}
		if err := h.nextBulk(ctx, tx, queued.ServerID); err != nil {
			return answer, err
		}
		answer = gen.BulkQueuedResponse{Status: integration, Message: message, Data: gen.BulkQueued{Message: message, BulkID: queued.BulkID}}
		return answer, record(ctx, h.core, tx, queued.ServerID, queued.BulkID, nil, &queued.BulkUpdate)
	})
	if err != nil || again.IdempotentReplayed != nil {
		err = errors.Join(err, a.giveUp())
	}
	return answer, again, err
}

// receive takes the content of the file in. Of one that is refused, the rest is read, which is how its size is known and how its sender gets to hear why.
func (a *arrival) receive(content io.Reader) error {
	err := a.receiveRows(content)
	if refused := (*contract.Error)(nil); errors.As(err, &refused) {
		io.Copy(io.Discard, content) // what that fails with, the reader of the form sees itself
	}
	return err
}

func (a *arrival) receiveRows(content io.Reader) error {
	rows, err := sheet.Open(roomyReader{a, content})
	if err == nil {
		err = rows.Columns(a.columns.named, a.columns.required(), a.columns.names())
	}
	if err == nil {
		err = a.columns.checkPairs(rows.Header)
	}
	if err != nil {
		return refusedFile(err)
	}
	a.file.Header = rows.Header
	for {
		cells, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return refusedFile(err)
		}
		a.add(int32(rows.Number()), cells)
		if len(a.lines) < bulkRowsAtOnce && a.bytes < bulkBytesAtOnce {
			continue
		}
		if err := a.keep(); err != nil {
			return err
		}
	}
	if a.rows = rows.Number(); a.rows == 0 {
		return refusedFile(&sheet.Fault{Row: 1, Message: "is missing: the file has no rows"})
	}
	return a.keep()
}

// refusedFile is the error of a file that is none.
func refusedFile(err error) error {
	var fault *sheet.Fault
	if errors.As(err, &fault) {
		return contract.Invalid(contract.Field("/data", gen.FieldCodeMalformed, fault.Error()))
	}
	return err
}

// longestShown is how much of whom a row names is kept with what became of it. The contract says so.
const longestShown = 320

// add adds a row. Of one that cannot be good, its cells are not kept.
func (a *arrival) add(number int32, cells []string) {
	line := store.BulkLine{Number: number}
	switch {
	case len(cells) < len(a.file.Header):
		line.Errors = []gen.BulkRowError{{Message: "has fewer cells than there are columns"}}
	case len(cells) > len(a.file.Header):
		line.Errors = []gen.BulkRowError{{Message: "has more cells than there are columns"}}
	}
	for i, cell := range cells[:min(len(cells), len(a.file.Header))] {
		if sheet.TooLong(cell) && len(line.Errors) < mostRowErrors {
			line.Errors = append(line.Errors, gen.BulkRowError{Column: a.file.Header[i], Message: "must have at most 4000 characters"})
		}
	}
	if line.Errors == nil {
		for _, cell := range cells {
			line.Cells = append(line.Cells, strings.Clone(cell)) // of a row, the cells are one text
			a.bytes += len(cell)
		}
	} else if i := slices.Index(a.file.Header, a.columns.identifies()); i >= 0 && i < len(cells) {
		line.Name = shownName(strings.TrimSpace(cells[i]))
	}
	a.lines = append(a.lines, line)
}

// shownName is whom a row names, as it is kept with what became of the row.
func shownName(text string) string {
	if runes := []rune(text); len(text) > longestShown && len(runes) > longestShown {
		text = string(runes[:longestShown])
	}
	return strings.Clone(text)
}

// strangersName is what is kept of a name that is nobody's in the community: of an address, not whose it may be.
func strangersName(name string) string {
	at := strings.LastIndexByte(name, '@')
	if at <= 0 {
		return name
	}
	_, first := utf8.DecodeRuneInString(name)
	return shownName(name[:first] + "…" + name[at:])
}

// keep writes the rows that have come.
func (a *arrival) keep() error {
	if len(a.lines) == 0 {
		return nil
	}
	if err := a.store.Bulk.HasRoom(a.ctx, a.file.ServerID); err != nil {
		return err
	}
	begun := a.begun
	if _, err := inTx(a.ctx, a.core, func(tx *store.Tx) (none struct{}, err error) {
		if !begun {
			if err := tx.Bulk.Insert(a.ctx, a.file); err != nil {
				return none, err
			}
		}
		return none, tx.Bulk.AddLines(a.ctx, a.file.BulkID, a.lines, a.now())
	}); err != nil {
		return err
	}
	clear(a.lines)
	a.begun, a.lines, a.bytes, a.read, a.found = true, a.lines[:0], 0, 0, 0
	a.room.Close()
	return nil
}

// giveUpIn is how long it may take to say that a file was given up. If that cannot be said, the sweep finds it.
const giveUpIn = 5 * time.Second

// giveUp has what was kept of the file removed.
func (a *arrival) giveUp() error {
	if !a.begun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), giveUpIn)
	defer cancel()
	_, err := inTx(ctx, a.core, func(tx *store.Tx) (none struct{}, err error) {
		if err := tx.Bulk.GiveUp(ctx, a.file.BulkID); err != nil {
			return none, err
		}
		return none, tx.Jobs.Insert(ctx, bulkRemoval{BulkID: a.file.BulkID})
	})
	if err != nil {
		a.log.Warn("a file that was not taken is left for the next sweep", "error", err)
	}
	return nil
}
