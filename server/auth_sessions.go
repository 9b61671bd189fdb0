package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// The operations of the tag auth with which an account looks after itself: what it is signed in with, and what was done in its name.

func (h auth) ListSessions(ctx context.Context, _ stub.ListSessionsRequestObject) (stub.ListSessionsResponseObject, error) {
	who := actorFrom(ctx)
	found, err := h.store.Auth.ListSessions(ctx, who.account)
	if err != nil {
		return nil, err
	}
	sessions := []gen.OpenSession{}
	for _, s := range found {
		if s.IsGood(h.now()) {
			s.Current = s.ID == who.session
			sessions = append(sessions, s.OpenSession)
		}
	}
	return stub.ListSessions200JSONResponse{Meta: system("Sessions"), Body: sessions}, nil
}

func (h auth) DeleteSession(ctx context.Context, r stub.DeleteSessionRequestObject) (stub.DeleteSessionResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteSession200JSONResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return answer, err
		}
		tokenHash, err := h.endSession(ctx, tx, r.SessionID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = contract.NotFound("session")
		case err == nil: // who was turned out keeps no way in of their own
			err = tx.Networks.ForgetDevice(ctx, actorFrom(ctx).account, store.DeviceOf(tokenHash))
		}
		return stub.DeleteSession200JSONResponse{Meta: system("Session has been ended successfully")}, err
	})
}

// endSession is the step that ends a session of the caller, and returns the hash of its token.
func (k *core) endSession(ctx context.Context, tx *store.Tx, id string) (tokenHash string, err error) {
	tokenHash, err = tx.Auth.DeleteSession(ctx, actorFrom(ctx).account, id)
	if err != nil {
		return "", err
	}
	return tokenHash, k.addOwnEvent(ctx, tx, gen.AuthEventKindSessionEnd, id)
}

func (h auth) DeleteOtherSessions(ctx context.Context, _ stub.DeleteOtherSessionsRequestObject) (stub.DeleteOtherSessionsResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteOtherSessions200JSONResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return answer, err
		}
		return stub.DeleteOtherSessions200JSONResponse{Meta: system("All other sessions have been ended successfully")}, h.endOtherSessions(ctx, tx)
	})
}

// endOtherSessions is the step that ends all sessions of the caller but the one that is used, and forgets all other devices.
func (k *core) endOtherSessions(ctx context.Context, tx *store.Tx) error {
	who := actorFrom(ctx)
	if err := tx.Auth.DeleteSessionsBut(ctx, who.account, who.session); err != nil {
		return err
	}
	if err := tx.Networks.ForgetDevicesBut(ctx, who.account, ownDevice(ctx)); err != nil {
		return err
	}
	return k.addOwnEvent(ctx, tx, gen.AuthEventKindSessionEnd, "")
}

// requireSession is the step that refuses a caller whose session has ended since they were let in: what changes how one gets
// into an account must not come from who was just turned out.
func (k *core) requireSession(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Auth.GetCaller(ctx, hashOf(actorFrom(ctx).credential), k.now())
	if errors.Is(err, store.ErrNotFound) {
		err = contract.Unauthenticated("the session has ended")
	}
	return err
}

func (h auth) ChangePassword(ctx context.Context, r stub.ChangePasswordRequestObject) (stub.ChangePasswordResponseObject, error) {
	account, err := h.requirePassword(ctx, r.Body.Password)
	if err != nil {
		return nil, err
	}
	hash, err := h.passwords.Hash(ctx, callerFrom(ctx, true), r.Body.NewPassword)
	if err != nil {
		return nil, err
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.ChangePassword200JSONResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return answer, err
		}
		current, err := tx.Auth.GetAccount(ctx, account.AccountNumber)
		if err != nil {
			return answer, err
		}
		if current.PasswordHash != account.PasswordHash { // it was replaced in the meantime
			return answer, wrongPresentPassword()
		}
		if err := tx.Auth.UpdatePassword(ctx, account.AccountNumber, hash); err != nil {
			return answer, err
		}
		if err := tx.Codes.End(ctx, account.AccountNumber, string(resetPurpose)); err != nil {
			return answer, err
		}
		if err := h.rememberOnly(ctx, tx, account.AccountNumber); err != nil {
			return answer, err
		}
		if err := h.addOwnEvent(ctx, tx, gen.AuthEventKindPasswordChange, ""); err != nil {
			return answer, err
		}
		return stub.ChangePassword200JSONResponse{Meta: system("Password has been changed successfully")}, h.endOtherSessions(ctx, tx)
	})
}

// requirePassword returns the account of the caller, whose present password this must be. It is no step: a password is not
// checked inside a transaction.
func (k *core) requirePassword(ctx context.Context, password string) (store.Account, error) {
	account, err := k.store.Auth.GetAccount(ctx, actorFrom(ctx).account)
	if err != nil {
		return account, err
	}
	if password == "" {
		return account, contract.Invalid(contract.Field("/password", gen.FieldCodeRequired, "is required"))
	}
	right, err := k.passwords.Matches(ctx, callerFrom(ctx, true), password, account.PasswordHash)
	if err == nil && !right {
		k.refused(ctx, account, gen.AuthEventKindPasswordRefuse)
		err = wrongPresentPassword()
	}
	return account, err
}

func wrongPresentPassword() *contract.Error {
	return contract.Invalid(contract.Field("/password", gen.FieldCodeNotAllowed, "is not the present password"))
}

func (h auth) ListAuthEvents(ctx context.Context, r stub.ListAuthEventsRequestObject) (stub.ListAuthEventsResponseObject, error) {
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	account := actorFrom(ctx).account
	found, err := h.store.Auth.ListEvents(ctx, account, page.asked())
	if err != nil {
		return nil, err
	}
	total, err := h.store.Auth.CountEvents(ctx, account)
	if err != nil {
		return nil, err
	}
	meta, events := listed(page, "Account events", found, total, func(e gen.AuthEvent) store.Position {
		return store.Position{At: e.At, ID: e.ID}
	})
	return stub.ListAuthEvents200JSONResponse{Meta: meta, Body: events}, nil
}
