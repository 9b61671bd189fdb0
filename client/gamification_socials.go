package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of social links.
type (
	// Social is what members are to do elsewhere, and what that is worth. Its fields are listed at [gen.Social].
	Social = gen.Social
	// SocialCreate is what a social link is made from. Platform, URL and Action are required. Its fields are listed at [gen.SocialCreate].
	SocialCreate = gen.SocialCreate
	// SocialAction is what is done at a social link.
	SocialAction = gen.SocialAction
	// SocialDeed is what a member did at a social link. Its fields are listed at [gen.SocialDeed].
	SocialDeed = gen.SocialDeed
)

// Socials returns the social links of a server, the oldest first, 100 at most. The server may be left out, empty, where an API key calls.
//
// For members, and API keys with [PermissionGamification].
func (s *GamificationService) Socials(ctx context.Context, serverID string) ([]Social, error) {
	return list[Social](s.api.ListSocials(ctx, &gen.ListSocialsParams{ServerID: optional(serverID)}))
}

// CreateSocial makes a social link. It fails with [ErrConflict] if there are 100.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) CreateSocial(ctx context.Context, in SocialCreate, opts ...CreateOption) (*Social, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Social](making.note(s.api.CreateSocial(ctx, nil, full(in), making.edits...)))
}

// DeleteSocial ends a social link, and returns it as it was. What was counted and credited for it stays.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) DeleteSocial(ctx context.Context, id string) (*Social, error) {
	return one[Social](with(ctx, id, s.api.DeleteSocial))
}

// RecordSocial says that a member did what a social link asks for, which counts once for a member and a link: so this is safe to repeat. It
// fails with [ErrInvalidRequest] if the action is not that of the link.
//
// For API keys with [PermissionGamification].
func (s *GamificationService) RecordSocial(ctx context.Context, id string, action SocialAction, of Identifier) (*SocialDeed, error) {
	return one[SocialDeed](s.api.RecordSocial(ctx, gen.SocialDeedCreate{
		Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field, SocialID: id, Action: action,
	}))
}
