// Package perm decides what a member may do. It is pure: what the roles are is somebody else's business.
package perm

import "github.com/rejoin-dev/rejoin/gen"

// Resolve returns what a member may do in a server: everything for the owner and for administrators, otherwise the
// union of the member's roles.
func Resolve(owner bool, roles []gen.Role) gen.ServerPermissions {
	var p gen.ServerPermissions
	for _, role := range roles {
		r := role.ServerPermissions
		p.AllowDm = p.AllowDm || r.AllowDm
		p.CreateInvite = p.CreateInvite || r.CreateInvite
		p.KickMembers = p.KickMembers || r.KickMembers
		p.WarnMembers = p.WarnMembers || r.WarnMembers
		p.SuspendMembers = p.SuspendMembers || r.SuspendMembers
		p.BanMembers = p.BanMembers || r.BanMembers
		p.ManageRoles = p.ManageRoles || r.ManageRoles
		p.ManageChannels = p.ManageChannels || r.ManageChannels
		p.BroadcastMessages = p.BroadcastMessages || r.BroadcastMessages
		p.OverwriteLanguageSettings = p.OverwriteLanguageSettings || r.OverwriteLanguageSettings
		p.ServerAdministrator = p.ServerAdministrator || r.ServerAdministrator
	}
	if owner || p.ServerAdministrator {
		return all
	}
	return p
}

var all = gen.ServerPermissions{
	AllowDm: true, CreateInvite: true, KickMembers: true, WarnMembers: true, SuspendMembers: true, BanMembers: true,
	ManageRoles: true, ManageChannels: true, BroadcastMessages: true, OverwriteLanguageSettings: true, ServerAdministrator: true,
}
