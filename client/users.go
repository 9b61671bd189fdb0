package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// ManagedUser is what was done to a user, who is named as they were in the call. Its fields are listed at [gen.ManagedUser].
	ManagedUser = gen.ManagedUser
)

// What [UsersService] does to a user.
const (
	deleteUser  = "delete"
	restoreUser = "restore"
)

// UsersService has the operations on the users of a community. It is a field of [Client].
//
// A user is named by whatever is known of them: the ID, the address, the number or the user name. Who is no member is
// [ErrNotFound], whether or not there is such an account.
type UsersService struct {
	api *gen.Client
}

// Delete ends the membership of a user and keeps what they have for [UsersService.Restore]. They find the community no more than a
// stranger does, and cannot join it. It fails with [ErrConflict] for the owner.
//
// For API keys with [PermissionManageUser].
func (s *UsersService) Delete(ctx context.Context, user string) (*ManagedUser, error) {
	return one[ManagedUser](s.api.ManageUser(ctx, gen.UserManagement{Action: deleteUser, User: user}))
}

// Restore makes a deleted user a member again, with roles, badges, channels and points; roles of administrators stay away. It fails
// with [ErrConflict] if the user is a member.
//
// For API keys with [PermissionManageUser].
func (s *UsersService) Restore(ctx context.Context, user string) (*ManagedUser, error) {
	return one[ManagedUser](s.api.ManageUser(ctx, gen.UserManagement{Action: restoreUser, User: user}))
}
