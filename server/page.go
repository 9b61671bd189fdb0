package server

import (
	"context"
	"fmt"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
)

// How much there may be of what is listed whole. The contract says so of each list, by maxItems.
const (
	maxRoles  = 1000
	maxListed = 10000
)

// hasRoom refuses one more of what there may be so many of.
func hasRoom[Of any](ctx context.Context, count func(context.Context, Of) (int64, error), of Of, limit int64, what string) error {
	n, err := count(ctx, of)
	if err == nil && n >= limit {
		err = contract.Conflict("There is no room for one more", fmt.Sprintf("there are %d %s already, as many as there may be", n, what))
	}
	return err
}

// A page is a part of a longer list, as the query asks for it. The validator has filled in the defaults.
type page struct{ number, limit int32 }

func pageOf(number, limit *int32) page { return page{*number, *limit} }

func (p page) skip() int { return int(p.number-1) * int(p.limit) }

// listed is the envelope of one page of a list in the System API.
func (p page) listed(message string, total int64) gen.SystemPageMeta {
	return gen.SystemPageMeta{Success: true, Message: message, Page: p.number, Limit: p.limit, Total: total}
}
