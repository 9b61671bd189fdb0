package server

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen/stub"
)

// audit is the operation of the tag audit: who changed what in a server. What is in it comes from record, in events.go.
type audit struct{ *core }

func (h audit) ListAudit(ctx context.Context, r stub.ListAuditRequestObject) (stub.ListAuditResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	page := pageOf(r.Params.Page, r.Params.Limit)
	entries, err := h.store.Audit.List(ctx, s.ID, int(page.limit), page.skip())
	if err != nil {
		return nil, err
	}
	total, err := h.store.Audit.Count(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListAudit200JSONResponse{Meta: page.listed("Audit trail", total), Body: entries}, nil
}
