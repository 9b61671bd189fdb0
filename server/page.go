package server

import "github.com/rejoin-dev/rejoin/gen"

// A page is a part of a longer list, as the query asks for it. The validator has filled in the defaults.
type page struct{ number, limit int32 }

func pageOf(number, limit *int32) page { return page{*number, *limit} }

func (p page) skip() int { return int(p.number-1) * int(p.limit) }

// listed is the envelope of one page of a list in the System API.
func (p page) listed(message string, total int64) gen.SystemPageMeta {
	return gen.SystemPageMeta{Success: true, Message: message, DevMessage: message, Page: p.number, Limit: p.limit, Total: total}
}
