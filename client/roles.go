package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Role is a set of permissions that members are given. A lower Order is a higher role. The methods take its ID.
	// Its fields are listed at [gen.Role].
	Role = gen.Role
	// ServerPermissions is what a role lets a member do in the whole server. Its fields are listed at
	// [gen.ServerPermissions].
	ServerPermissions = gen.ServerPermissions
	// ChannelPermissions is what a role lets a member do in a channel. Its fields are listed at
	// [gen.ChannelPermissions].
	ChannelPermissions = gen.ChannelPermissions
	// RoleCreate is what a role is made from. Title and Class are required. The ServerID may be left out if it is clear:
	// with an API key, or if there is just one server in which the caller may make roles. Its fields are listed at
	// [gen.RoleCreate]; leave the Old... ones to older programs. Permissions are given by a pointer:
	// ServerPermissions: &client.ServerPermissions{KickMembers: true}.
	RoleCreate = gen.RoleCreate
	// RoleUpdate is what a role becomes. It replaces the whole role: what is left out is empty or not permitted then, but a
	// Title that is left out stays. To change one thing, begin with [RoleUpdateFrom]. Its fields are listed at
	// [gen.RoleUpdate].
	RoleUpdate = gen.RoleUpdate
)

// RoleUpdateFrom is the update that leaves a role as it is. Change in it what is to change:
//
//	in := client.RoleUpdateFrom(role)
//	in.ServerPermissions.KickMembers = true
//	_, err := c.Roles.Update(ctx, role.ID, in)
func RoleUpdateFrom(role Role) RoleUpdate {
	return RoleUpdate{
		Title: role.Title, Class: role.Class, Order: role.Order, Billable: role.Billable, Description: role.Description,
		ServerPermissions: &role.ServerPermissions, ChannelPermissions: &role.ChannelPermissions,
	}
}

// RolesService has the operations on roles. It is a field of [Client]. The roles of a server as a whole are listed by
// [ServersService.Roles].
//
// With manage_roles alone, nobody makes, changes, gives or takes a role at or above their own
// highest, or one with permissions that they lack: that is [ErrPermissionDenied] too. A role, a member or a server that
// does not exist and one that is not the caller's to see are both [ErrNotFound].
type RolesService struct {
	api *gen.Client
}

// Create makes a role. It fails with [ErrInvalidRequest] if a part of the input is not as it must be, or if the server
// was left out and is not clear.
//
// For the owner and members with manage_roles or server_administrator, and API keys with [PermissionRoles].
func (s *RolesService) Create(ctx context.Context, in RoleCreate, opts ...CreateOption) (*Role, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Role](making.note(s.api.CreateRole(ctx, nil, full(in), making.edits...)))
}

// Update replaces a role and returns it as it is then. It fails with [ErrConflict] if it would change the title or the
// order of @all, and with [ErrInvalidRequest] if a part of the input is not as it must be.
//
// For the owner and members with manage_roles or server_administrator, and API keys with [PermissionRoles].
func (s *RolesService) Update(ctx context.Context, id string, in RoleUpdate) (*Role, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Role](s.api.UpdateRole(ctx, id, full(in)))
}

// Delete removes a role and takes it from everybody who has it. It fails with [ErrConflict] for @all.
//
// For the owner and members with manage_roles or server_administrator, and API keys with [PermissionRoles].
func (s *RolesService) Delete(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.DeleteRole))
}

// OfUser returns the roles of a member of a server, given by number, the highest first; @all is always among them. The
// server may be "": then it is that of the API key, or the only one of the account. If there is no such one, or are
// several, it fails with [ErrInvalidRequest].
//
// For members, and API keys with [PermissionRoles].
func (s *RolesService) OfUser(ctx context.Context, serverID, userNumber string) ([]Role, error) {
	if err := checkID(userNumber); err != nil {
		return nil, err
	}
	return list[Role](s.api.ListUserRoles(ctx, userNumber, &gen.ListUserRolesParams{ServerID: optional(serverID)}))
}

// Add gives a role to a member, given by number, and returns all roles of the member then, the highest first. Giving it
// again changes nothing.
//
// For the owner and members with manage_roles or server_administrator, and API keys with [PermissionRoles].
func (s *RolesService) Add(ctx context.Context, id, userNumber string) ([]Role, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return list[Role](s.api.AddRoleToUser(ctx, id, gen.UserReference{UserID: userNumber}))
}

// Remove takes a role from a member, given by number, and returns all roles of the member then, the highest first.
// Taking it again changes nothing. It fails with [ErrConflict] for @all.
//
// For the owner and members with manage_roles or server_administrator, and API keys with [PermissionRoles].
func (s *RolesService) Remove(ctx context.Context, id, userNumber string) ([]Role, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return list[Role](s.api.RemoveRoleFromUser(ctx, id, gen.UserReference{UserID: userNumber}))
}
