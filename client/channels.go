package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Channel is a place in a server where its members talk. Its Permissions are the ids of the roles that have
	// access to a private one, its UserID is the number of the account that made it. The methods take its ID. Its fields
	// are listed at [gen.Channel].
	Channel = gen.Channel
	// SavedChannel is a [Channel] as it was made or changed. Its SigningSecret is shown where SignIdentity was switched on, once.
	// Its fields are listed at [gen.SavedChannel].
	SavedChannel = gen.SavedChannel
	// ChannelEmbed is the address of the page of an iframe channel.
	ChannelEmbed = gen.ChannelEmbed
	// IntegrationChannel is a channel as ListForKey shows it, which is less than a [Channel]. Its fields are listed at
	// [gen.IntegrationChannel].
	IntegrationChannel = gen.IntegrationChannel
	// ChannelType is the kind of a [Channel].
	ChannelType = gen.ChannelType
	// ChannelCreate is what a channel is made from. Only Topic and ChannelType are required. The ServerID may be left out
	// if it is clear: with an API key, or if there is just one server in which the caller may make channels. Its fields
	// are listed at [gen.ChannelCreate].
	ChannelCreate = gen.ChannelCreate
	// ChannelUpdate is what a channel becomes. Topic and ChannelType are required; what is nil stays as it is, and a
	// pointer to no items gives nobody access. Its fields are listed at [gen.ChannelUpdate].
	ChannelUpdate = gen.ChannelUpdate
)

// ChannelsService has the operations on channels. It is a field of [Client].
//
// A channel, or a server, that does not exist and one that is not the caller's
// to see are both [ErrNotFound].
type ChannelsService struct {
	api *gen.Client
}

// List returns the channels of a server that the caller may see, oldest first; an API key sees all but direct ones. The
// server may be "": then it is that of the API key, or the only one of the account. If there is no such one, or are
// several, it fails with [ErrInvalidRequest].
//
// For members, and API keys with [PermissionChannels].
func (s *ChannelsService) List(ctx context.Context, serverID string) ([]Channel, error) {
	return list[Channel](s.api.ListChannels(ctx, &gen.ListChannelsParams{ServerID: optional(serverID)}))
}

// ListForKey returns the channels of the community of an API key but direct ones, oldest first. It is the operation of
// the Integration API.
//
// For API keys with [PermissionChannels].
func (s *ChannelsService) ListForKey(ctx context.Context) ([]IntegrationChannel, error) {
	return list[IntegrationChannel](s.api.ListIntegrationChannels(ctx))
}

// Create makes a channel. It fails with [ErrInvalidRequest] if a part of the input is not as it must be, or if the
// server was left out and is not clear.
//
// For the owner and members with manage_channels or server_administrator, and API keys with [PermissionChannels].
func (s *ChannelsService) Create(ctx context.Context, in ChannelCreate, opts ...CreateOption) (*SavedChannel, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[SavedChannel](making.note(s.api.CreateChannel(ctx, nil, full(in), making.edits...)))
}

// Update changes a channel and returns it as it is then. It fails with [ErrInvalidRequest] if a part of the input is
// not as it must be.
//
// For the owner and members with manage_channels or server_administrator, and API keys with [PermissionChannels].
func (s *ChannelsService) Update(ctx context.Context, id string, in ChannelUpdate) (*SavedChannel, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[SavedChannel](s.api.UpdateChannel(ctx, id, full(in)))
}

// Embed returns the address of the page that an iframe channel shows, for the caller: if the channel has SignIdentity, it says who
// that is, and is good until ExpiresAt. It fails with [ErrConflict] if the channel has no page.
//
// For members.
func (s *ChannelsService) Embed(ctx context.Context, id string) (*ChannelEmbed, error) {
	return one[ChannelEmbed](with(ctx, id, s.api.GetChannelEmbed))
}

// Delete removes a channel, for good.
//
// For the owner and members with manage_channels or server_administrator, and API keys with [PermissionChannels].
func (s *ChannelsService) Delete(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.DeleteChannel))
}
