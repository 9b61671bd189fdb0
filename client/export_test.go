package client

import (
	"context"
	"iter"
	"strconv"
	"time"
)

// The bounds that are those of the contract.
const (
	MaxItems  = maxItems
	MaxPage   = maxPage
	PageSize  = pageSize
	MaxFields = maxFields
	MaxText   = maxText
)

// Pages is a list of which no page is the last one.
func Pages(asked func(cursor string)) iter.Seq2[int, error] {
	page := 0
	return paged(func(cursor *string, size int32) (*envelope[[]int], error) {
		if cursor != nil {
			asked(*cursor)
		}
		page++
		next := strconv.Itoa(page)
		e := &envelope[[]int]{Body: &[]int{1}}
		e.Meta.NextCursor = &next
		return e, nil
	})
}

// WithClock gives a client a clock and chance that a test controls.
func WithClock(
	now func() time.Time, sleep func(context.Context, time.Duration) error, random func(most time.Duration) time.Duration,
) Option {
	return func(o *options) { o.clock = clock{now, sleep, random} }
}
