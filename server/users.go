package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// users are the operations of the tag users: accounts as members of a community, and how programs make and manage them.
type users struct{ *core }

// ManageUser deletes a member or restores one. What a deleted member had is kept, and nothing of it counts meanwhile.
func (h users) ManageUser(ctx context.Context, r stub.ManageUserRequestObject) (stub.ManageUserResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.ManageUser200JSONResponse, err error) {
		s, err := requireOfKey(ctx, tx.Queries)
		if err != nil {
			return answer, err
		}
		manage := map[string]func(context.Context, *store.Tx, standing, string) (store.Account, string, error){
			"delete": h.deleteUser, "restore": h.restoreUser,
		}[r.Body.Action]
		account, message, err := manage(ctx, tx, s, r.Body.User)
		if err != nil {
			return answer, err
		}
		answer.Status, answer.Message = integration, message
		answer.Data = gen.ManagedUser{Action: r.Body.Action, User: r.Body.User}
		return answer, record(ctx, h.core, tx, s.ID, account.Number, nil, &gen.ManagedUser{Action: r.Body.Action, User: account.Number})
	})
}

// deleteUser is the step that makes a member a former one.
func (k *core) deleteUser(ctx context.Context, tx *store.Tx, s standing, name string) (store.Account, string, error) {
	account, err := memberNamed(ctx, tx.Queries, s.ID, name)
	if err == nil && account.AccountNumber == s.OwnerNumber {
		err = contract.Conflict("The owner cannot be deleted", "the user owns this community")
	}
	if err == nil {
		err = mayDelete(ctx, tx.Queries, s, account)
	}
	if err == nil {
		err = k.memberLeaves(ctx, tx, s.ID, account.AccountNumber)
	}
	if err == nil {
		err = tx.Users.DeleteMember(ctx, s.ID, account.AccountNumber, k.now())
	}
	if err == nil {
		err = k.applicationsEnd(ctx, tx, s.ID, account.AccountNumber)
	}
	if err == nil {
		err = tx.Invites.EndOf(ctx, s.ID, account.AccountNumber, k.now())
	}
	return account, "User has been deleted successfully", err
}

// mayDelete refuses to delete somebody who has a role that the caller could neither give nor take.
func mayDelete(ctx context.Context, q store.Queries, s standing, account store.Account) error {
	roles, err := q.Roles.ListOf(ctx, s.ID, account.AccountNumber)
	for i := 0; i < len(roles) && err == nil; i++ {
		err = mayRank(s, roles[i])
	}
	return err
}

// restoreUser is the step that makes a former member one again. An API key makes nobody an administrator, not by this either.
func (k *core) restoreUser(ctx context.Context, tx *store.Tx, s standing, name string) (store.Account, string, error) {
	account, err := formerNamed(ctx, tx.Queries, s.ID, name)
	if unknown := (*contract.Error)(nil); errors.As(err, &unknown) {
		if _, err = memberNamed(ctx, tx.Queries, s.ID, name); err == nil {
			err = contract.Conflict("The user is a member", "the user was not deleted, or was restored already")
		}
	}
	if err == nil {
		err = tx.Users.Restore(ctx, s.ID, account.AccountNumber, s.actor.key == nil)
	}
	if err == nil {
		err = k.memberReturned(ctx, tx, s.ID, account.AccountNumber)
	}
	return account, "User has been restored successfully", err
}
