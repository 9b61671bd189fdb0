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
// An API that gives the same page again and again must not keep the loop going: a page without items, or one that leads
// to itself, has no next one.
func paged[T any](fetch func(cursor *string, size int32) (*envelope[[]T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		var cursor *string
		for range maxPage {
			answer, err := fetch(cursor, pageSize)
			if err != nil {
				yield(none, err)
				return
			}
			items, next := *answer.payload(), answer.Meta.NextCursor
			if next != nil && (len(items) == 0 || cursor != nil && *next == *cursor) {
				yield(none, errors.New("rejoin: the list cannot be used: page after page, it does not go on"))
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			cursor = next
		}
		yield(none, fmt.Errorf("rejoin: the list cannot be used: it does not end with page %d", maxPage))
	}
}
