package server

import (
	"context"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// DeleteMe deletes the account of the caller, for who has proved to be its owner. A wrong code has counted, and a right one is used
// up, before anything else is done.
func (h auth) DeleteMe(ctx context.Context, r stub.DeleteMeRequestObject) (stub.DeleteMeResponseObject, error) {
	in := gen.AccountDeletion{}
	if r.Body != nil {
		in = *r.Body
	}
	account, err := h.store.Auth.GetAccount(ctx, actorFrom(ctx).account)
	if err == nil && (account.PasswordHash != "" || in.Password != "") { // who has none has nothing but the session
		account, err = h.requirePassword(ctx, in.Password)
	}
	if err == nil {
		err = h.requireOwnsNothing(ctx, h.store.Queries, account.AccountNumber) // which costs no code
	}
	if err != nil {
		return nil, err
	}
	asked, err := h.secondFactor(ctx, account.AccountNumber, in.OTP)
	if err != nil {
		return nil, err
	}
	// A shared one: it waits for whoever adds something to the account, and sees what they have added.
	avatar, err := inSharedTx(ctx, h.core, func(tx *store.Tx) (avatar string, err error) {
		current, err := tx.Auth.GetForDeletion(ctx, account.AccountNumber)
		if err != nil {
			return "", err
		}
		if current.PasswordHash != account.PasswordHash { // it was replaced in the meantime
			return "", wrongPresentPassword()
		}
		if err := h.requireSession(ctx, tx); err != nil {
			return "", err
		}
		if err := h.stillAsked(ctx, tx, current.AccountNumber, asked); err != nil {
			return "", err
		}
		if err := h.requireOwnsNothing(ctx, tx.Queries, current.AccountNumber); err != nil {
			return "", err
		}
		if avatar, err = tx.Auth.Erase(ctx, current, h.now()); err != nil {
			return "", err
		}
		return avatar, tx.Jobs.Insert(ctx, accountRemoval{Account: current.AccountNumber})
	})
	if err != nil {
		return nil, err
	}
	h.images.Remove(ctx, avatar)
	return stub.DeleteMe200JSONResponse{Meta: system("Account has been deleted successfully")}, nil
}

// requireOwnsNothing refuses an account that owns a server: nobody else could delete that any more.
func (k *core) requireOwnsNothing(ctx context.Context, q store.Queries, account int64) error {
	owns, err := q.Auth.OwnsAny(ctx, account)
	if err == nil && owns {
		err = contract.Conflict("Delete your servers first", "the account owns a server")
	}
	return err
}
