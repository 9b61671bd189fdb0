package contract

import (
	"context"
	"mime"
	"strconv"
	"strings"
)

// Wants tells whether a request to an operation that also answers with another kind of content, such as image/svg+xml, asks for that
// rather than for JSON. Of two that are wanted equally, it is the one that is named more closely, and then JSON: nobody gets something
// else who has not asked for it.
func Wants(ctx context.Context, kind string) bool {
	r := stateFrom(ctx).request
	if r == nil {
		return false
	}
	accepted := strings.Join(r.Header.Values("Accept"), ",")
	other, json := wishFor(accepted, kind), wishFor(accepted, jsonType)
	return other.quality > json.quality || other.quality == json.quality && other.quality > 0 && other.closeness > json.closeness
}

// A wish is how much a kind of content is wanted, and how closely the header names it.
type wish struct {
	quality   float64
	closeness int
}

// wishFor is what the range says that names a kind most closely. What cannot be read says nothing.
func wishFor(accepted, kind string) (best wish) {
	family, _, _ := strings.Cut(kind, "/")
	for part := range strings.SplitSeq(accepted, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		w := wish{quality: 1}
		switch name {
		case kind:
			w.closeness = 3
		case family + "/*":
			w.closeness = 2
		case "*/*":
			w.closeness = 1
		default:
			continue
		}
		if text, given := params["q"]; given {
			if w.quality, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if w.closeness > best.closeness {
			best = w
		}
	}
	return best
}
