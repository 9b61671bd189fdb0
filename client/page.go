package client

import (
	"errors"
	"fmt"
	"iter"
)

// What the contract allows at most.
const (
	pageSize = 100 // How many items are asked for at once.
	maxPage  = 1_000_000
)

// paged yields the items of all pages in order, from the first each time it is ranged over. It fetches a page when the
// loop needs it: the first without a cursor, each other one by the cursor that came with the page before it. The page
// that comes without one is the last. An error is yielded once, with a zero item, and ends it.
//
// An API that gives the same page again and again must not keep the loop going: a page without items has no next one.
func paged[T any](fetch func(cursor *string, size int32) (*envelope[[]T], error)) iter.Seq2[T, error] {
	return following(func(cursor string) (items []T, next string, err error) {
		var from *string
		if cursor != "" {
			from = &cursor
		}
		answer, err := fetch(from, pageSize)
		if err != nil {
			return nil, "", err
		}
		items = *answer.payload()
		if answer.Meta.NextCursor == nil {
			return items, "", nil
		}
		if len(items) == 0 {
			return nil, "", errStuck
		}
		return items, *answer.Meta.NextCursor, nil
	})
}

var errStuck = errors.New("rejoin: the list cannot be used: page after page, it does not go on")

// following is paged where a page may have no items and still a next one. No page leads to itself.
func following[T any](fetch func(cursor string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		cursor := ""
		for range maxPage {
			items, next, err := fetch(cursor)
			if err == nil && next != "" && next == cursor {
				err = errStuck
			}
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			cursor = next
		}
		yield(none, fmt.Errorf("rejoin: the list cannot be used: it does not end with page %d", maxPage))
	}
}
