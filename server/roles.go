package server

import (
	"cmp"
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// roles are the operations of the tag roles: what members of a server may do.
type roles struct{ *core }

func (h roles) CreateRole(ctx context.Context, r stub.CreateRoleRequestObject) (stub.CreateRoleResponseObject, error) {
	who, now := actorFrom(ctx), gen.Time{Time: h.now()}
	role, err := roleFrom(*r.Body)
	if err != nil {
		return nil, err
	}
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.RoleResponse, err error) {
		s, err := resolve(ctx, tx.Queries, who, r.Body.ServerID, asRoleManager)
		if err != nil {
			return body, err
		}
		role.ID, role.ServerID, role.CreatedAt, role.UpdatedAt = h.newID(), s.ID, now, now
		if err := mayWrite(s, role); err != nil {
			return body, err
		}
		if err := tx.Roles.Insert(ctx, store.Role{Role: role}); err != nil {
			return body, err
		}
		body = gen.RoleResponse{Meta: done("Role has been created successfully"), Body: role}
		return body, h.record(ctx, tx, s.ID, gen.AuditActionRoleCreate, role.ID, nil, role)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateRole201JSONResponse{Body: body, Headers: stub.CreateRole201ResponseHeaders(again)}, nil
}

func (h roles) UpdateRole(ctx context.Context, r stub.UpdateRoleRequestObject) (stub.UpdateRoleResponseObject, error) {
	role, err := roleFrom(gen.RoleCreate(*r.Body))
	if err != nil {
		return nil, err
	}
	err = h.store.Tx(ctx, func(tx *store.Tx) error {
		s, before, err := h.manageable(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if r.Body.ServerID != "" && r.Body.ServerID != before.ServerID {
			return contract.Invalid(contract.Field("/serverId", gen.FieldCodeNotAllowed, "must be the server of the role, or be left out"))
		}
		role.Title = cmp.Or(r.Body.Title, before.Title)
		if before.Everyone && (role.Title != before.Title || role.Order != before.Order) {
			return contract.Conflict("This role keeps its title and its place", "the title and the order of @all cannot change")
		}
		if err := mayWrite(s, before.Role); err != nil {
			return err
		}
		role.ID, role.ServerID, role.CreatedAt = before.ID, before.ServerID, before.CreatedAt
		role.UpdatedAt = gen.Time{Time: h.now()}
		if err := mayWrite(s, role); err != nil {
			return err
		}
		if err := tx.Roles.Update(ctx, store.Role{Role: role}); err != nil {
			return err
		}
		return h.record(ctx, tx, s.ID, gen.AuditActionRoleUpdate, role.ID, before.Role, role)
	})
	if err != nil {
		return nil, err
	}
	return stub.UpdateRole200JSONResponse{Meta: done("Role has been updated successfully"), Body: role}, nil
}

func (h roles) DeleteRole(ctx context.Context, r stub.DeleteRoleRequestObject) (stub.DeleteRoleResponseObject, error) {
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		s, role, err := h.manageable(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if role.Everyone {
			return contract.Conflict("This role stays", "every member has the role @all, and it cannot be deleted")
		}
		if err := tx.Roles.Delete(ctx, role.ID); err != nil {
			return err
		}
		return h.record(ctx, tx, s.ID, gen.AuditActionRoleDelete, role.ID, role.Role, nil)
	})
	if err != nil {
		return nil, err
	}
	return stub.DeleteRole200JSONResponse{Meta: done("Role has been deleted successfully"), Body: gen.Nothing{}}, nil
}

func (h roles) ListUserRoles(ctx context.Context, r stub.ListUserRolesRequestObject) (stub.ListUserRolesResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, actorFrom(ctx), valueOf(r.Params.ServerID), asMember)
	if err != nil {
		return nil, err
	}
	account, err := memberOf(ctx, h.store.Queries, s.ID, r.ID)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Roles.ListOf(ctx, s.ID, account)
	if err != nil {
		return nil, err
	}
	return stub.ListUserRoles200JSONResponse{Meta: done("User roles fetched successfully"), Body: found}, nil
}

func (h roles) AddRoleToUser(ctx context.Context, r stub.AddRoleToUserRequestObject) (stub.AddRoleToUserResponseObject, error) {
	found, err := h.giveOrTake(ctx, r.ID, r.Body.UserID, gen.AuditActionRoleAdd)
	if err != nil {
		return nil, err
	}
	return stub.AddRoleToUser200JSONResponse{Meta: done("Role has been added successfully"), Body: found}, nil
}

func (h roles) RemoveRoleFromUser(ctx context.Context, r stub.RemoveRoleFromUserRequestObject) (stub.RemoveRoleFromUserResponseObject, error) {
	found, err := h.giveOrTake(ctx, r.ID, r.Body.UserID, gen.AuditActionRoleRemove)
	if err != nil {
		return nil, err
	}
	return stub.RemoveRoleFromUser200JSONResponse{Meta: done("Role has been removed successfully"), Body: found}, nil
}

// giveOrTake adds a role to a member or removes it, and returns the member's roles after it.
func (h roles) giveOrTake(ctx context.Context, roleID, userID string, action gen.AuditAction) (found []gen.Role, err error) {
	err = h.store.Tx(ctx, func(tx *store.Tx) error {
		s, role, err := h.manageable(ctx, tx, roleID)
		if err != nil {
			return err
		}
		account, err := memberOf(ctx, tx.Queries, s.ID, userID)
		if err != nil {
			return err
		}
		if action == gen.AuditActionRoleAdd {
			if err := mayWrite(s, role.Role); err != nil {
				return err
			}
		}
		change := tx.Roles.InsertOf
		switch {
		case role.Everyone && action == gen.AuditActionRoleRemove:
			return contract.Conflict("This role stays", "every member has the role @all, and it cannot be taken")
		case role.Everyone:
			change = func(context.Context, string, int64, string) (bool, error) { return false, nil }
		case action == gen.AuditActionRoleRemove:
			change = tx.Roles.DeleteOf
		}
		changed, err := change(ctx, s.ID, account, role.ID)
		if err != nil {
			return err
		}
		if found, err = tx.Roles.ListOf(ctx, s.ID, account); err != nil || !changed {
			return err
		}
		user := gen.UserReference{UserID: userID}
		if action == gen.AuditActionRoleRemove {
			return h.record(ctx, tx, s.ID, action, role.ID, user, nil)
		}
		return h.record(ctx, tx, s.ID, action, role.ID, nil, user)
	})
	return found, err
}

// manageable finds a role that the caller may change, give and take.
func (h roles) manageable(ctx context.Context, tx *store.Tx, id string) (standing, store.Role, error) {
	role, err := tx.Roles.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return standing{}, role, contract.NotFound("role")
	}
	if err != nil {
		return standing{}, role, err
	}
	s, err := require(ctx, tx.Queries, actorFrom(ctx), role.ServerID, "role", asRoleManager)
	if err == nil && !s.Outranks(role.Order) {
		err = contract.PermissionDenied("the role is not below the highest role of the caller")
	}
	return s, role, err
}

// mayWrite says whether somebody may make a role, or make a role this one.
func mayWrite(s standing, role gen.Role) error {
	if !s.Outranks(role.Order) {
		return contract.PermissionDenied("the role would not be below the highest role of the caller; a lower order is a higher role")
	}
	if s.actor.key != nil && role.ServerPermissions.ServerAdministrator {
		return contract.PermissionDenied("an API key, which outlives the membership of whoever made it, makes nobody an administrator")
	}
	if !s.MayGrant(role.ServerPermissions, role.ChannelPermissions) {
		return contract.PermissionDenied("the role would have a permission that the caller lacks")
	}
	return nil
}

// roleFrom is the role that a request describes.
func roleFrom(w gen.RoleCreate) (gen.Role, error) {
	var fields []gen.ProblemField
	const twice = "is given in both spellings; give one"
	if w.ServerPermissions != nil && w.OldServerPermissions != nil {
		fields = append(fields, contract.Field("/server_permissions", gen.FieldCodeDuplicate, twice))
	}
	if w.ChannelPermissions != nil && w.OldChannelPermissions != nil {
		fields = append(fields, contract.Field("/channel_permissions", gen.FieldCodeDuplicate, twice))
	}
	if len(fields) > 0 {
		return gen.Role{}, contract.Invalid(fields...)
	}
	return gen.Role{
		Title: w.Title, Class: w.Class, Order: w.Order, Billable: w.Billable, Description: w.Description,
		ServerPermissions:  perm.ServerFlags(w.ServerPermissions, w.OldServerPermissions),
		ChannelPermissions: perm.ChannelFlags(w.ChannelPermissions, w.OldChannelPermissions),
	}, nil
}
