package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Invite is what lets people into a server: whoever has its Code may join, see [WithInvite]. Its fields are listed at
	// [gen.Invite].
	Invite = gen.Invite
	// InviteCreate is what an invite is made from. Each part may be left out: without Uses it lets in any number, without
	// ExpiresAt it does not end by itself, without RoleID it gives no role. Its fields are listed at [gen.InviteCreate].
	InviteCreate = gen.InviteCreate
)

// InvitesService has the operations on invites, which let people into a server that is not open to everybody. It is a field
// of [Client]. An invite is used by [ServersService.Join].
//
// An invite, a role or a server that does not exist and one that is not the caller's to see are both [ErrNotFound].
type InvitesService struct {
	api *gen.Client
}

// List returns the invites of a server that have not ended, oldest first: to the owner and administrators all of them, to
// other members those that they made.
//
// For the owner and members with create_invite or server_administrator.
func (s *InvitesService) List(ctx context.Context, serverID string) ([]Invite, error) {
	return list[Invite](with(ctx, serverID, s.api.ListInvites))
}

// Create makes an invite to a server. It lets people in as long as the caller may make it. It fails with
// [ErrInvalidRequest] if a part of the input is not as it must be, and with [ErrPermissionDenied] for a role that the
// caller may not give.
//
// For the owner and members with create_invite or server_administrator.
func (s *InvitesService) Create(ctx context.Context, serverID string, in InviteCreate, opts ...CreateOption) (*Invite, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	if err := checkID(serverID); err != nil {
		return nil, err
	}
	return one[Invite](making.note(s.api.CreateInvite(ctx, serverID, nil, in, making.edits...)))
}

// Delete ends an invite to a server. Who has joined with it stays. Whoever made it may do so, too.
//
// For the owner and members with server_administrator.
func (s *InvitesService) Delete(ctx context.Context, serverID, code string) error {
	if err := checkID(serverID, code); err != nil {
		return err
	}
	return done(s.api.DeleteInvite(ctx, serverID, code))
}
