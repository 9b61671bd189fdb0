package server

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// audit is the operation of the tag audit: who changed what in a server. What is in it comes from record, in events.go.
type audit struct{ *core }

// deletedTrailLife is how long the trail of a deleted server is kept. The contract says so too.
const deletedTrailLife = 90 * 24 * time.Hour

// checkReader refuses who may not read the trail of a server. That of a deleted one is for who has deleted it, while it is
// kept.
func (h audit) checkReader(ctx context.Context, serverID string) error {
	deleted, err := h.store.Audit.GetDeletion(ctx, serverID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && deleted.Account == actorFrom(ctx).account && h.now().Before(deleted.At.Add(deletedTrailLife)) {
		return nil
	}
	_, err = require(ctx, h.store.Queries, serverID, "server")
	return err
}

func (h audit) ListAudit(ctx context.Context, r stub.ListAuditRequestObject) (stub.ListAuditResponseObject, error) {
	if err := h.checkReader(ctx, r.ServerID); err != nil {
		return nil, err
	}
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Audit.List(ctx, r.ServerID, page.asked())
	if err != nil {
		return nil, err
	}
	for i := range found {
		h.address(ctx, &found[i])
	}
	total, err := h.store.Audit.Count(ctx, r.ServerID)
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
