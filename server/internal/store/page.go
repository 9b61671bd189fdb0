package store

import (
	"math"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Position is a place in a list that is ordered by moments and then by ids: right behind the item that has these.
type Position struct {
	At gen.Time
	ID string // of a member, the number
}

// A Page says which part of a list is wanted.
type Page struct {
	Limit int
	After *Position // nil: from the beginning
	Skip  int       // so many, from there on; a page costs as much as what it skips
}

// from is where the page begins, as a statement compares it, in microseconds. Without a position, that is where the list
// does.
func (p Page) from(beginning int64) (at int64, id string) {
	if p.After == nil {
		return beginning, ""
	}
	return p.After.At.UnixMicro(), p.After.ID
}

// Before and after all moments.
const (
	earliest = math.MinInt64
	latest   = math.MaxInt64
)
