package client

import (
	"context"
	"iter"
	"math"
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
func Pages(asked func(page int)) iter.Seq2[int, error] {
	return paged(func(page, size int32) (*envelope[[]int], error) {
		asked(int(page))
		e := &envelope[[]int]{Body: &[]int{1}}
		e.Meta.Page, e.Meta.Limit, e.Meta.Total = page, 1, math.MaxInt64
		return e, nil
	})
}

// WithClock gives a client time and chance that a test can hold still.
func WithClock(
	now func() time.Time, sleep func(context.Context, time.Duration) error, random func(most time.Duration) time.Duration,
) Option {
	return func(o *options) { o.clock = clock{now, sleep, random} }
}
