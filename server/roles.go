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
	described, err := roleFrom(*r.Body)
	if err != nil {
		return nil, err
	}
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.RoleResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		role, now := described, gen.Time{Time: h.now()}
		role.ID, role.ServerID, role.CreatedAt, role.UpdatedAt = h.newID(), s.ID, now, now
		if err := mayWrite(s, role); err != nil {
			return body, err
		}
		if err := tx.Roles.Insert(ctx, store.Role{Role: role}); err != nil {
			return body, err
		}
		body = gen.RoleResponse{Meta: system("Role has been created successfully"), Body: role}
		return body, record(ctx, h.core, tx, s.ID, role.ID, nil, &role)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateRole201JSONResponse{Body: body, Headers: stub.CreateRole201ResponseHeaders(again)}, nil
}

func (h roles) UpdateRole(ctx context.Context, r stub.UpdateRoleRequestObject) (stub.UpdateRoleResponseObject, error) {
	described, err := roleFrom(gen.RoleCreate(*r.Body))
	if err != nil {
		return nil, err
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateRole200JSONResponse, err error) {
		s, before, err := h.manageable(ctx, tx, r.ID)
		if err != nil {
			return answer, err
		}
		if r.Body.ServerID != "" && r.Body.ServerID != before.ServerID {
			return answer, contract.Invalid(contract.Field("/serverId", gen.FieldCodeNotAllowed, "must be the server of the role, or be left out"))
		}
		role := described
		role.Title = cmp.Or(r.Body.Title, before.Title)
		if before.Everyone && (role.Title != before.Title || role.Order != before.Order) {
			return answer, contract.Conflict("This role keeps its title and its place", "the title and the order of @all cannot change")
		}
		if err := mayWrite(s, before.Role); err != nil {
			return answer, err
		}
		role.ID, role.ServerID, role.CreatedAt = before.ID, before.ServerID, before.CreatedAt
		role.UpdatedAt = gen.Time{Time: h.now()}
		if err := mayWrite(s, role); err != nil {
			return answer, err
		}
		if err := tx.Roles.Update(ctx, store.Role{Role: role}); err != nil {
			return answer, err
		}
		answer = stub.UpdateRole200JSONResponse{Meta: system("Role has been updated successfully"), Body: role}
		return answer, record(ctx, h.core, tx, s.ID, role.ID, &before.Role, &role)
	})
}

func (h roles) DeleteRole(ctx context.Context, r stub.DeleteRoleRequestObject) (stub.DeleteRoleResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteRole200JSONResponse, err error) {
		s, role, err := h.manageable(ctx, tx, r.ID)
		if err != nil {
			return answer, err
		}
		if role.Everyone {
			return answer, contract.Conflict("This role stays", "every member has the role @all, and it cannot be deleted")
		}
		if err := tx.Roles.Delete(ctx, role.ID); err != nil {
			return answer, err
		}
		if err := tx.Invites.EndOfRole(ctx, s.ID, role.ID, h.now()); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, roleRemoval{RoleID: role.ID}); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, boardsRefresh{ServerID: s.ID}); err != nil {
			return answer, err
		}
		answer.Meta = system("Role has been deleted successfully")
		return answer, record(ctx, h.core, tx, s.ID, role.ID, &role.Role, nil)
	})
}

func (h roles) ListUserRoles(ctx context.Context, r stub.ListUserRolesRequestObject) (stub.ListUserRolesResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
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
	return stub.ListUserRoles200JSONResponse{Meta: system("User roles fetched successfully"), Body: found}, nil
}

func (h roles) AddRoleToUser(ctx context.Context, r stub.AddRoleToUserRequestObject) (stub.AddRoleToUserResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.AddRoleToUser200JSONResponse, err error) {
		s, role, account, err := h.assignable(ctx, tx, r.ID, r.Body.UserID)
		if err != nil {
			return answer, err
		}
		if err := mayWrite(s, role.Role); err != nil {
			return answer, err
		}
		given := false
		if !role.Everyone { // which every member has
			if given, err = tx.Roles.InsertOf(ctx, s.ID, account, role.ID); err != nil {
				return answer, err
			}
		}
		if given {
			if err := record(ctx, h.core, tx, s.ID, role.ID, nil, r.Body); err != nil {
				return answer, err
			}
		}
		answer.Meta = system("Role has been added successfully")
		answer.Body, err = tx.Roles.ListOf(ctx, s.ID, account)
		return answer, err
	})
}

func (h roles) RemoveRoleFromUser(ctx context.Context, r stub.RemoveRoleFromUserRequestObject) (stub.RemoveRoleFromUserResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.RemoveRoleFromUser200JSONResponse, err error) {
		s, role, account, err := h.assignable(ctx, tx, r.ID, r.Body.UserID)
		if err != nil {
			return answer, err
		}
		if role.Everyone {
			return answer, contract.Conflict("This role stays", "every member has the role @all, and it cannot be taken")
		}
		taken, err := tx.Roles.DeleteOf(ctx, s.ID, account, role.ID)
		if err != nil {
			return answer, err
		}
		if taken {
			if err := record(ctx, h.core, tx, s.ID, role.ID, r.Body, nil); err != nil {
				return answer, err
			}
		}
		answer.Meta = system("Role has been removed successfully")
		answer.Body, err = tx.Roles.ListOf(ctx, s.ID, account)
		return answer, err
	})
}

// manageable finds a role that the caller may change, give and take.
func (h roles) manageable(ctx context.Context, tx *store.Tx, id string) (standing, store.Role, error) {
	role, err := tx.Roles.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("role")
	}
	if err != nil {
		return standing{}, role, err
	}
	s, err := require(ctx, tx.Queries, role.ServerID, "role")
	if err == nil && !s.may.Outranks(role.Order) {
		err = contract.PermissionDenied("the role is not below the highest role of the caller")
	}
	if err == nil {
		err = mayRank(s, role.Role)
	}
	return s, role, err
}

// assignable is manageable, and the member it is about.
func (h roles) assignable(ctx context.Context, tx *store.Tx, id, userID string) (s standing, role store.Role, account int64, err error) {
	if s, role, err = h.manageable(ctx, tx, id); err != nil {
		return s, role, 0, err
	}
	account, err = memberOf(ctx, tx.Queries, s.ID, userID)
	return s, role, account, err
}

// mayWrite says whether somebody may make a role, or make a role this one.
func mayWrite(s standing, role gen.Role) error {
	if !s.may.Outranks(role.Order) {
		return contract.PermissionDenied("the role would not be below the highest role of the caller; a lower order is a higher role")
	}
	if err := mayRank(s, role); err != nil {
		return err
	}
	if !s.may.MayGrant(role.ServerPermissions, role.ChannelPermissions) {
		return contract.PermissionDenied("the role would have a permission that the caller lacks")
	}
	return nil
}

// mayRank refuses API keys whatever makes somebody an administrator, or makes one of them none: one that is in the wrong hands must
// leave those who can end it.
func mayRank(s standing, role gen.Role) error {
	if s.actor.key != nil && role.ServerPermissions.ServerAdministrator {
		return contract.PermissionDenied("an API key makes nobody an administrator, and unmakes none: only a member who may vouch for that does")
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
