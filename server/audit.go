package server

import (
	"context"
	"maps"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// audit is the operation of the tag audit: who changed what in a server. What is in it comes from record, in events.go.
type audit struct{ *core }

func (h audit) ListAudit(ctx context.Context, r stub.ListAuditRequestObject) (stub.ListAuditResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Audit.List(ctx, s.ID, page.asked())
	if err != nil {
		return nil, err
	}
	for i := range found {
		h.address(ctx, &found[i])
	}
	total, err := h.store.Audit.Count(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	meta, entries := listed(page, "Audit trail", found, total, func(e gen.AuditEntry) store.Position {
		return store.Position{At: e.At, ID: e.ID}
	})
	return stub.ListAudit200JSONResponse{Meta: meta, Body: entries}, nil
}

// address puts the origin before the path of a server's image in an entry.
func (h audit) address(ctx context.Context, e *gen.AuditEntry) {
	if !strings.HasPrefix(string(e.Action), "server.") {
		return
	}
	for _, state := range []*gen.AuditState{&e.Before, &e.After} {
		kept, _ := state.Get()
		path, ok := kept["image"].(string)
		if !ok {
			continue
		}
		shown := maps.Clone(kept) // for what was read may be remembered
		shown["image"] = h.origin(ctx) + store.PathOfImage(path)
		*state = gen.NullableOf(shown)
	}
}
