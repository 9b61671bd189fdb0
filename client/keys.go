package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// APIKey is a key with which programs act for a community. Its Key is masked to its first and last four characters,
	// except in what [KeysService.Create] returns. The methods take its ID; the Key itself is for [WithAPIKey]. It is
	// good while the account of its UserID may make keys, as IsTrusted says. Its fields are listed at [gen.APIKey].
	APIKey = gen.APIKey
	// KeyPermission is what an API key may do. The list grows with the contract.
	KeyPermission = gen.KeyPermission
	// APIKeyCreate is what an API key is made from. Only Name is required. Its fields are listed at [gen.APIKeyCreate].
	APIKeyCreate = gen.APIKeyCreate
	// APIKeyUpdate is what changes in an API key; what is nil stays as it is, and a pointer to no permissions takes all of
	// them away. At least one part is needed. The ExpirePeriod counts from now. With Adopt, the caller vouches for the key
	// from now on. Its fields are listed at [gen.APIKeyUpdate].
	APIKeyUpdate = gen.APIKeyUpdate
	// APIKeyInfo is the key with which a client calls: its Kind says whether it acts for a community or for a user in one.
	// Its fields are listed at [gen.APIKeyInfo].
	APIKeyInfo = gen.APIKeyInfo
	// UserAPIKey is a key with which programs act for an account in one community: what they do, the account has done. Its
	// Key is masked, except in what [KeysService.CreateForUser] returns. Its fields are listed at [gen.UserAPIKey].
	UserAPIKey = gen.UserAPIKey
	// UserKeyPermission is what a user API key may do. The list grows with the contract.
	UserKeyPermission = gen.UserKeyPermission
	// UserAPIKeyCreate is what a user API key is made from. Name and CommunityID are required; Channels are the only ones in
	// which it may post. Its fields are listed at [gen.UserAPIKeyCreate].
	UserAPIKeyCreate = gen.UserAPIKeyCreate
	// UserAPIKeyUpdate is what changes in a user API key; what is nil stays as it is. Its fields are listed at
	// [gen.UserAPIKeyUpdate].
	UserAPIKeyUpdate = gen.UserAPIKeyUpdate
)

// KeysService has the operations on the API keys of a community, which is a [Server]. It is a field of [Client].
//
// A server that does not exist and one of which the caller is not a member are both [ErrNotFound].
type KeysService struct {
	api *gen.Client
}

// List returns all API keys of a server, oldest first, each with a masked Key.
//
// For the owner and members with server_administrator.
func (s *KeysService) List(ctx context.Context, serverID string) ([]APIKey, error) {
	return list[APIKey](with(ctx, serverID, s.api.ListAPIKeys))
}

// Create makes an API key. What it returns is the only answer that ever shows the Key whole: give it to
// [Client.WithAPIKey] or keep it in a safe place; whoever has it may act for the server with its permissions. Only its
// digest is kept by the API, and a key that was lost can only be deleted. It fails with [ErrInvalidRequest] if a part of
// the input is not as it must be.
//
// The key is good while who has made it may make keys. Otherwise every call with it fails with [ErrPermissionDenied], until
// an administrator adopts it by [KeysService.Update].
//
// For the owner and members with server_administrator.
func (s *KeysService) Create(ctx context.Context, serverID string, in APIKeyCreate, opts ...CreateOption) (*APIKey, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	if err := checkID(serverID); err != nil {
		return nil, err
	}
	return one[APIKey](making.note(s.api.CreateAPIKey(ctx, serverID, nil, full(in), making.edits...)))
}

// Update changes an API key and returns it as it is then, masked. It fails with [ErrNotFound] if there is no such key,
// and with [ErrInvalidRequest] if a part of the input is not as it must be.
//
// For the owner and members with server_administrator.
func (s *KeysService) Update(ctx context.Context, serverID, id string, in APIKeyUpdate) (*APIKey, error) {
	if err := checkID(serverID, id); err != nil {
		return nil, err
	}
	return one[APIKey](s.api.UpdateAPIKey(ctx, serverID, id, full(in)))
}

// Delete ends an API key, at once and for good, and returns what it was, masked: each later call with it fails with
// [ErrUnauthenticated]. It fails with [ErrNotFound] if there is no such key.
//
// For the owner and members with server_administrator.
func (s *KeysService) Delete(ctx context.Context, serverID, id string) (*APIKey, error) {
	if err := checkID(serverID, id); err != nil {
		return nil, err
	}
	return one[APIKey](s.api.DeleteAPIKey(ctx, serverID, id))
}

// Info returns the API key with which this client calls, masked, whatever its permissions: one of a community, or one of a
// user. It fails with [ErrUnauthenticated] if the key is unknown, deleted, expired or not active, and with
// [ErrPermissionDenied] if nobody who may make keys vouches for it.
//
// For every API key, and every user API key.
func (s *KeysService) Info(ctx context.Context) (*APIKeyInfo, error) {
	return one[APIKeyInfo](s.api.GetAPIKeyInfo(ctx))
}

// ListOfUser returns the user API keys of an account, oldest first, each with a masked Key: all of the caller's own, or with a
// serverID those in one community. Those of others are for the owner and administrators of a community, which they name.
//
// Only for the account itself, and for the owner and members with server_administrator of the community. For every account.
func (s *KeysService) ListOfUser(ctx context.Context, userID, serverID string) ([]UserAPIKey, error) {
	if err := checkID(userID); err != nil {
		return nil, err
	}
	params := &gen.ListUserAPIKeysParams{}
	if serverID != "" {
		params.CommunityID = &serverID
	}
	return list[UserAPIKey](s.api.ListUserAPIKeys(ctx, userID, params))
}

// CreateForUser makes a user API key for the caller, whose ID is the userID. What it returns is the only answer that ever shows
// the Key whole. An account has 100 at most: one more is [ErrConflict].
//
// Only for the account itself. For every account.
func (s *KeysService) CreateForUser(ctx context.Context, userID string, in UserAPIKeyCreate, opts ...CreateOption) (*UserAPIKey, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[UserAPIKey](making.note(s.api.CreateUserAPIKey(ctx, &gen.CreateUserAPIKeyParams{UserID: userID}, full(in), making.edits...)))
}

// UpdateOfUser changes a user API key of the caller and returns it as it is then, masked.
//
// Only for the account itself. For every account.
func (s *KeysService) UpdateOfUser(ctx context.Context, userID, id string, in UserAPIKeyUpdate) (*UserAPIKey, error) {
	if err := checkID(userID, id); err != nil {
		return nil, err
	}
	return one[UserAPIKey](s.api.UpdateUserAPIKey(ctx, userID, id, full(in)))
}

// DeleteOfUser ends a user API key, at once and for good, and returns what it was, masked.
//
// Only for the account itself, and for the owner and members with server_administrator of its community. For every account.
func (s *KeysService) DeleteOfUser(ctx context.Context, userID, id string) (*UserAPIKey, error) {
	if err := checkID(userID, id); err != nil {
		return nil, err
	}
	return one[UserAPIKey](s.api.DeleteUserAPIKey(ctx, userID, id))
}
