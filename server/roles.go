package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/gen/stub"
)

type roles struct{ *core }

func (h roles) CreateRole(ctx context.Context, r stub.CreateRoleRequestObject) (stub.CreateRoleResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h roles) ListUserRoles(ctx context.Context, r stub.ListUserRolesRequestObject) (stub.ListUserRolesResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h roles) UpdateRole(ctx context.Context, r stub.UpdateRoleRequestObject) (stub.UpdateRoleResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h roles) DeleteRole(ctx context.Context, r stub.DeleteRoleRequestObject) (stub.DeleteRoleResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h roles) AddRoleToUser(ctx context.Context, r stub.AddRoleToUserRequestObject) (stub.AddRoleToUserResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h roles) RemoveRoleFromUser(ctx context.Context, r stub.RemoveRoleFromUserRequestObject) (stub.RemoveRoleFromUserResponseObject, error) {
	return nil, errors.New("not written yet")
}
