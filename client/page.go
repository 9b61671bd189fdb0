package client

import (
	"fmt"
	"iter"
)

// What the contract allows at most.
const (
	pageSize = 100 // How many items are asked for at once.
	maxPage  = 1_000_000
)

// paged yields the items of all pages in order, from page 1 each time it is ranged over. It fetches a page when the
// loop needs it. An error is yielded once, with a zero item, and ends it.
//
// The end is a page that is not full, not a number of items: a total is out of date as soon as it is told, and a wrong
// one must neither cut the list short nor keep the loop going. How many items make a page full is what the answer says,
// because an API may give smaller pages than it is asked for.
//
// An API that gives the same page again and again must not keep the loop going either: a page that says it is another
// one than was asked for is an error, and so is a full one that begins where, by the total, nothing is left.
func paged[T any](fetch func(page, size int32) (*envelope[[]T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		before := 0
		for page := int32(1); page <= maxPage; page++ {
			answer, err := fetch(page, pageSize)
			if err != nil {
				yield(none, err)
				return
			}
			meta, items := answer.Meta, *answer.payload()
			full := pageSize
			if limit := int(meta.Limit); limit > 0 && limit < full {
				full = limit
			}
			switch {
			case meta.Page != page:
				yield(none, fmt.Errorf("rejoin: the list cannot be used: page %d was asked for, and page %d came", page, meta.Page))
				return
			case len(items) >= full && int64(before) >= meta.Total:
				yield(none, fmt.Errorf("rejoin: the list cannot be used: page %d is full, beyond the total of %d", page, meta.Total))
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if len(items) < full {
				return
			}
			before += len(items)
		}
		yield(none, fmt.Errorf("rejoin: the list cannot be used: it does not end with page %d", maxPage))
	}
}
