package server

import (
	"context"
	"encoding/csv"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/sheet"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// bulk are the operations of the tag bulk: files of many members at once. A file goes into the database while it arrives (bulk_upload.go), and its
// rows are done by a job, step by step (bulk_job.go), as its columns say (bulk_rows.go).
type bulk struct{ *core }

const (
	bulkLife    = 30 * 24 * time.Hour // of what became of a file. The contract says so.
	bulkSilence = time.Hour           // after which a file that arrives is given up
	csvType     = "text/csv"
)

// BulkImport takes a file of users.
func (h bulk) BulkImport(ctx context.Context, r stub.BulkImportRequestObject) (stub.BulkImportResponseObject, error) {
	body, again, err := h.upload(ctx, gen.BulkTypeImport, r.Body, "Bulk import user process is queued")
	if err != nil {
		return nil, err
	}
	return stub.BulkImport200JSONResponse{Body: body, Headers: stub.BulkImport200ResponseHeaders(again)}, nil
}

// BulkUpdate takes a file of what changes for members.
func (h bulk) BulkUpdate(ctx context.Context, r stub.BulkUpdateRequestObject) (stub.BulkUpdateResponseObject, error) {
	body, again, err := h.upload(ctx, gen.BulkTypeUpdate, r.Body, "Bulk update user process is queued")
	if err != nil {
		return nil, err
	}
	return stub.BulkUpdate200JSONResponse{Body: body, Headers: stub.BulkUpdate200ResponseHeaders(again)}, nil
}

// BulkUpdatePremium takes a file of premium currency.
func (h bulk) BulkUpdatePremium(ctx context.Context, r stub.BulkUpdatePremiumRequestObject) (stub.BulkUpdatePremiumResponseObject, error) {
	body, again, err := h.upload(ctx, gen.BulkTypePremium, r.Body, "Bulk update premium currency process is queued")
	if err != nil {
		return nil, err
	}
	return stub.BulkUpdatePremium200JSONResponse{Body: body, Headers: stub.BulkUpdatePremium200ResponseHeaders(again)}, nil
}

// ListBulkUpdates shows a page of the files of a community.
func (h bulk) ListBulkUpdates(ctx context.Context, r stub.ListBulkUpdatesRequestObject) (stub.ListBulkUpdatesResponseObject, error) {
	q := h.store.Queries
	s, err := requireOfKey(ctx, q)
	if err != nil {
		return nil, err
	}
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := q.Bulk.List(ctx, s.ID, string(valueOf(r.Params.Type)), string(valueOf(r.Params.Status)), page.asked())
	if err != nil {
		return nil, err
	}
	shown, next := cut(page, found, func(b store.BulkUpdate) store.Position { return store.Position{At: b.CreatedAt, ID: b.BulkID} })
	answer := stub.ListBulkUpdates200JSONResponse{
		Status: integration, Message: "Bulk updates fetched successfully", Data: []gen.BulkUpdate{},
		Pagination: gen.BulkPagination{Page: page.number, Limit: page.limit, NextCursor: next},
	}
	for _, b := range shown {
		answer.Data = append(answer.Data, b.BulkUpdate)
	}
	return answer, nil
}

// bulkNamed finds a file of the community of the API key.
func bulkNamed(ctx context.Context, q store.Queries, id string) (store.BulkUpdate, error) {
	b, err := q.Bulk.Get(ctx, id)
	if err == nil {
		_, err = require(ctx, q, b.ServerID, "bulk update")
	}
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("bulk update")
	}
	return b, err
}

// GetBulkStatus shows how far a file is.
func (h bulk) GetBulkStatus(ctx context.Context, r stub.GetBulkStatusRequestObject) (stub.GetBulkStatusResponseObject, error) {
	b, err := bulkNamed(ctx, h.store.Queries, r.BulkID)
	if err != nil {
		return nil, err
	}
	return stub.GetBulkStatus200JSONResponse{Status: integration, Message: "Bulk status fetched successfully", Data: b.BulkUpdate}, nil
}

// GetBulkDetails shows what became of the rows of a file.
func (h bulk) GetBulkDetails(ctx context.Context, r stub.GetBulkDetailsRequestObject) (stub.GetBulkDetailsResponseObject, error) {
	b, err := bulkNamed(ctx, h.store.Queries, r.BulkID)
	if err != nil {
		return nil, err
	}
	result := valueOf(r.Params.Result)
	if contract.Wants(ctx, csvType) {
		return &bulkDetails{core: h.core, ctx: context.WithoutCancel(ctx), id: b.BulkID, result: result}, nil
	}
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	asked, after := page.asked(), int32(0)
	if asked.After != nil {
		after = int32(accountOf(asked.After.ID))
	}
	found, err := h.store.Bulk.ListRows(ctx, b.BulkID, result, after, asked.Limit, asked.Skip)
	if err != nil {
		return nil, err
	}
	shown, next := cut(page, found, func(row gen.BulkRow) store.Position {
		return store.Position{At: b.CreatedAt, ID: strconv.Itoa(int(row.Row))}
	})
	return stub.GetBulkDetails200JSONResponse{Body: gen.BulkRowPageResponse{
		Status: integration, Message: "Bulk details fetched successfully", Data: shown,
		Pagination: gen.BulkPagination{Page: page.number, Limit: page.limit, NextCursor: next},
	}}, nil
}

// bulkDetails are the rows of a file that were done, as a file. It is written as it is read.
type bulkDetails struct {
	*core
	ctx    context.Context
	id     string
	result gen.BulkResult
}

// detailsAtOnce is how many rows of it are in memory.
const detailsAtOnce = 500

// VisitGetBulkDetailsResponse implements stub.GetBulkDetailsResponseObject. What fails once something was sent breaks the connection, so that nobody takes
// it for all.
func (d *bulkDetails) VisitGetBulkDetailsResponse(w http.ResponseWriter) error {
	connection := http.NewResponseController(w)
	w.Header().Set("Content-Type", csvType)
	w.Header().Set("Content-Disposition", `attachment; filename="bulk-`+d.id+`.csv"`)
	w.WriteHeader(http.StatusOK)
	to := csv.NewWriter(w)
	err := to.Write([]string{"row", "identifier", "result", "column", "message"})
	for after := int32(0); err == nil; {
		_ = connection.SetWriteDeadline(time.Now().Add(exportPatience)) // without a connection, there is no haste
		var found []gen.BulkRow
		if found, err = d.store.Bulk.ListRows(d.ctx, d.id, d.result, after, detailsAtOnce, 0); err != nil {
			break
		}
		for _, row := range found {
			after = row.Row
			for _, line := range detailLines(row) {
				err = errors.Join(err, to.Write(line))
			}
		}
		to.Flush()
		if err = errors.Join(err, to.Error()); len(found) < detailsAtOnce {
			break
		}
	}
	if err != nil {
		d.log.LogAttrs(d.ctx, slog.LevelInfo, "details of a bulk update were broken off", slog.String("bulk", d.id), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
	return nil
}

// detailLines are the lines of a row: one for each of its errors, or one.
func detailLines(row gen.BulkRow) (lines [][]string) {
	errs := row.Errors
	if len(errs) == 0 {
		errs = []gen.BulkRowError{{}}
	}
	for _, e := range errs {
		lines = append(lines, []string{
			strconv.Itoa(int(row.Row)), sheet.Harmless(row.Identifier), string(row.Result), sheet.Harmless(e.Column), sheet.Harmless(e.Message),
		})
	}
	return lines
}

// CancelBulkUpdate ends a file before all of its rows were done.
func (h bulk) CancelBulkUpdate(ctx context.Context, r stub.CancelBulkUpdateRequestObject) (stub.CancelBulkUpdateResponseObject, error) {
	before, err := bulkNamed(ctx, h.store.Queries, r.BulkID)
	if err != nil {
		return nil, err
	}
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.CancelBulkUpdate200JSONResponse, err error) {
		after, err := tx.Bulk.Cancel(ctx, before.BulkID, h.now())
		if errors.Is(err, store.ErrNotFound) {
			err = contract.Conflict("This has ended", "a file that has ended cannot be cancelled")
		}
		if err == nil {
			err = h.leaveBulk(ctx, tx, after)
		}
		if err != nil {
			return answer, err
		}
		answer = stub.CancelBulkUpdate200JSONResponse{Status: integration, Message: "Bulk update cancelled successfully", Data: after.BulkUpdate}
		return answer, record(ctx, h.core, tx, after.ServerID, after.BulkID, &before.BulkUpdate, &after.BulkUpdate)
	})
}

// GetBulkTemplate shows the columns of a file.
func (h bulk) GetBulkTemplate(ctx context.Context, r stub.GetBulkTemplateRequestObject) (stub.GetBulkTemplateResponseObject, error) {
	s, err := requireOfKey(ctx, h.store.Queries)
	if err != nil {
		return nil, err
	}
	kind := gen.BulkTypeUpdate
	set(&kind, r.Params.Type)
	columns, err := columnsOf(ctx, h.store.Queries, s.ID, kind)
	if err != nil {
		return nil, err
	}
	if contract.Wants(ctx, csvType) {
		var file strings.Builder
		to := csv.NewWriter(&file)
		to.Write(columns.harmless()) // a Builder does not fail
		to.Flush()
		name := `attachment; filename="bulk-` + string(kind) + `.csv"`
		return stub.GetBulkTemplate200TextCsvResponse{
			Body: strings.NewReader(file.String()), ContentLength: int64(file.Len()), Headers: stub.GetBulkTemplate200ResponseHeaders{ContentDisposition: &name},
		}, nil
	}
	data := gen.BulkTemplate{Type: kind, Columns: []gen.BulkColumn{}}
	for _, c := range columns.all {
		data.Columns = append(data.Columns, gen.BulkColumn{Name: c.name, Required: c.required})
	}
	return stub.GetBulkTemplate200JSONResponse{Body: gen.BulkTemplateResponse{Status: integration, Message: "Bulk template fetched successfully", Data: data}}, nil
}
