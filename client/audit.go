package client

import (
	"context"
	"iter"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// AuditEntry is one line of the audit trail of a server: who did what to what, and when. Its fields are listed at
	// [gen.AuditEntry].
	AuditEntry = gen.AuditEntry
	// AuditActor is an account or an API key: its Type is "account", and its ID a number, or "key" and an id.
	AuditActor = gen.AuditActor
	// AuditState is a thing as it was or became, without secrets, by the names that its parts have on the wire.
	AuditState = gen.AuditState
	// AuditAction is the kind of change in an [AuditEntry]. The list grows with the contract.
	AuditAction = gen.AuditAction
)

// AuditService has the operation on the audit trail of a [Server]. It is a field of [Client].
//
// A server that does not exist and one of which the caller is not a member are both [ErrNotFound].
type AuditService struct {
	api *gen.Client
}

// List returns an iterator over the audit trail of a server, the latest entry first, which works as that of [ServersService.Members].
// Entries that are added meanwhile do not come.
//
// For the owner and members with server_administrator.
func (s *AuditService) List(ctx context.Context, serverID string) iter.Seq2[AuditEntry, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]AuditEntry], error) {
		if err := checkID(serverID); err != nil {
			return nil, err
		}
		return answer[[]AuditEntry](s.api.ListAudit(ctx, serverID, &gen.ListAuditParams{Cursor: cursor, Limit: &size}))
	})
}
