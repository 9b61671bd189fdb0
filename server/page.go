package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// reachedByPage is how many items of a list have a page number: what a page skips is read. The others are reached by a
// cursor, which costs the same at any depth. The contract says so too.
const reachedByPage = 10_000

// A page is a part of a longer list, as the query asks for it.
type page struct {
	operation     string // which lists it
	number, limit int32
	after         *store.Position
}

// pageOf reads the query. The validator has filled in the defaults of the number and the limit.
func pageOf(ctx context.Context, number, limit *int32, cursor *string) (page, error) {
	return readQuestion(ctx, "query/", *number, *limit, cursor)
}

// pageIn reads a body, in which nothing has a default.
func pageIn(ctx context.Context, number, limit int32, cursor string) (page, error) {
	var after *string
	if cursor != "" {
		after = &cursor
	}
	return readQuestion(ctx, "/", cmp.Or(number, 1), cmp.Or(limit, 20), after)
}

func readQuestion(ctx context.Context, at string, number, limit int32, cursor *string) (p page, err error) {
	p = page{operation: contract.OperationFrom(ctx).ID, number: number, limit: limit}
	switch {
	case cursor == nil && int(p.number)*int(p.limit) > reachedByPage:
		err = contract.Invalid(contract.Field(at+"page", gen.FieldCodeTooLarge,
			fmt.Sprintf("reaches beyond the first %d items: go on by cursor, with the nextCursor of a page", reachedByPage)))
	case cursor != nil && p.number != 1:
		err = contract.Invalid(contract.Field(at+"page", gen.FieldCodeNotAllowed, "must be left out where there is a cursor"))
	case cursor != nil:
		if p.after, err = p.positionOf(*cursor); err != nil {
			err = notACursor(at)
		}
	}
	return p, err
}

func notACursor(at string) error {
	return contract.Invalid(contract.Field(at+"cursor", gen.FieldCodeMalformed, "must be the nextCursor of a page of this list"))
}

// cursorTo is a position as the wire shows it. It holds no secret and is not to be made by others; one that they make leads
// to no other place than some position in the same list.
func (p page) cursorTo(to store.Position) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %s", p.operation, to.At.UnixMicro(), to.ID))
}

func (p page) positionOf(cursor string) (*store.Position, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, err
	}
	var operation string
	var at int64
	var to store.Position
	if _, err := fmt.Sscanf(string(text), "%s %d %s", &operation, &at, &to.ID); err != nil {
		return nil, err
	}
	to.At = gen.Time{Time: time.UnixMicro(at)}
	if p.cursorTo(to) != cursor || strings.Trim(to.ID, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("not a cursor of %s", p.operation)
	}
	return &to, nil
}

// asked is what the store is asked for: one item more than the page shows, which tells that there is another page.
func (p page) asked() store.Page {
	return store.Page{Limit: int(p.limit) + 1, After: p.after, Skip: int(p.number-1) * int(p.limit)}
}

// listed is what a page of a list in the System API shows of the items that the store was asked for, and its envelope.
func listed[T any](p page, message string, items []T, total int64, position func(T) store.Position) (gen.SystemPageMeta, []T) {
	items, next := cut(p, items, position)
	return gen.SystemPageMeta{Success: true, Message: message, DevMessage: message, Page: p.number, Limit: p.limit, Total: total, NextCursor: next}, items
}

// readPage is the same in the Application API, where nobody counts: in all there are as many as are known by then.
func readPage[T any](p page, items []T, position func(T) store.Position) (gen.ApplicationPageMeta, []T) {
	total := int64(p.number-1)*int64(p.limit) + int64(len(items))
	items, next := cut(p, items, position)
	return gen.ApplicationPageMeta{Status: "success", StatusCode: http.StatusOK, Page: p.number, Limit: p.limit, Total: total, NextCursor: next}, items
}

// cut is what a page shows of the items that the store was asked for, and where the next one begins.
func cut[T any](p page, items []T, position func(T) store.Position) (shown []T, next string) {
	if len(items) <= int(p.limit) {
		return items, ""
	}
	items = items[:p.limit]
	return items, p.cursorTo(position(items[p.limit-1]))
}
