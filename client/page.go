package client

import "iter"

// pageSize is how many items are asked for at once: the most the contract allows.
const pageSize = 100

// paged yields the items of all pages in order, from page 1 each time it is ranged over. It fetches a page when the
// loop needs it. An error is yielded once, with a zero item, and ends it.
//
// The end is a page that is not full, not a number of items: a total is out of date as soon as it is told, and a wrong
// one must neither cut the list short nor keep the loop going. How many items make a page full is what the answer says,
// because an API may give smaller pages than it is asked for.
func paged[T any](fetch func(page, size int32) (*envelope[[]T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page := int32(1); ; page++ {
			answer, err := fetch(page, pageSize)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			items := *answer.payload()
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			full := pageSize
			if limit := int(answer.Meta.Limit); limit > 0 && limit < full {
				full = limit
			}
			if len(items) < full {
				return
			}
		}
	}
}
