package server

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const (
	sessionLife = 30 * 24 * time.Hour
	firstOwner  = "owner@rejoin.local"
)

// Token returns a new session token of the account with an e-mail address, and whether it has made the account because
// there was none. It is what `rejoin token` prints: who may run it may act for anybody.
func (s *Server) Token(ctx context.Context, email string) (token string, isNew bool, err error) {
	if !api.IsEmail(email) {
		return "", false, errors.New("this is not an e-mail address")
	}
	type made struct {
		token string
		isNew bool
	}
	answer, err := inTx(ctx, s.core, func(tx *store.Tx) (made, error) {
		session, isNew, err := s.signIn(ctx, tx, strings.ToLower(email))
		return made{session.Token, isNew}, err
	})
	return answer.token, answer.isNew, err
}

// FirstToken returns the e-mail address of the first account. On an empty database it makes that account, and returns a
// session token of it; otherwise the token is empty.
func (s *Server) FirstToken(ctx context.Context) (email, token string, err error) {
	type first struct{ email, token string }
	found, err := inTx(ctx, s.core, func(tx *store.Tx) (first, error) {
		account, err := tx.Auth.GetFirstAccount(ctx)
		if !errors.Is(err, store.ErrNotFound) {
			return first{email: account.Email}, err
		}
		session, _, err := s.signIn(ctx, tx, firstOwner)
		return first{firstOwner, session.Token}, err
	})
	return found.email, found.token, err
}

// signIn is the step that opens a session for an account, which it makes if there is none: then it is new.
func (k *core) signIn(ctx context.Context, tx *store.Tx, email string) (session gen.Session, isNew bool, err error) {
	account, err := tx.Auth.GetAccountByEmail(ctx, email)
	isNew = errors.Is(err, store.ErrNotFound)
	if isNew {
		account = k.newAccount(email, "", "")
		account.Verified = true
		err = tx.Auth.InsertAccount(ctx, &account)
	}
	if err != nil {
		return session, isNew, err
	}
	session, err = k.openSession(ctx, tx, account)
	return session, isNew, err
}

// openSession makes a session. Nobody can read its token from the database afterwards.
func (k *core) openSession(ctx context.Context, tx *store.Tx, account store.Account) (gen.Session, error) {
	token, err := k.newCredential()
	if err != nil {
		return gen.Session{}, err
	}
	now := k.now()
	session := store.Session{TokenHash: hashOf(token), Account: account.AccountNumber}
	session.ID, session.CreatedAt, session.LastUsedAt = k.newID(), gen.Time{Time: now}, gen.Time{Time: now}
	session.ExpiresAt = gen.Time{Time: now.Add(sessionLife)}
	session.Address, session.UserAgent = contract.AddressFrom(ctx), userAgentOf(ctx)
	if err := tx.Auth.InsertSession(ctx, session); err != nil {
		return gen.Session{}, err
	}
	kind := gen.AuthEventKindSessionOpen
	if contract.OperationFrom(ctx) == nil { // `rejoin token`
		kind = gen.AuthEventKindSessionGrant
	}
	return gen.Session{Token: token, ExpiresAt: session.ExpiresAt, Account: account.Account},
		k.trail(ctx, tx, account.AccountNumber, kind, session.ID, "")
}

// newAccount is an account that is about to be made. It shows its user name, unless it was given another name to show, and
// without one what stands before the @ of its address.
func (k *core) newAccount(email, username, displayName string) store.Account {
	return store.Account{Account: gen.Account{
		ID: k.newID(), Email: email, Username: nullIfEmpty(username), DisplayName: cmp.Or(displayName, username, localPart(email)),
		Avatar: nullIfEmpty(""), CreatedAt: gen.Time{Time: k.now()},
	}}
}

func nullIfEmpty(text string) gen.Nullable[string] {
	if text == "" {
		return gen.Null[string]()
	}
	return gen.NullableOf(text)
}

// maxDisplayName is the contract's bound of a display name.
const maxDisplayName = 100

// localPart is what stands before the @, no longer than a display name may be.
func localPart(email string) string {
	name := []rune(email[:strings.LastIndex(email, "@")])
	return string(name[:min(len(name), maxDisplayName)])
}

// auth are the operations of the tag auth: accounts, and the sessions in which they act. How often they may be called is
// in limit.go.
type auth struct{ *core }

func (h auth) RegisterAccount(ctx context.Context, r stub.RegisterAccountRequestObject) (stub.RegisterAccountResponseObject, error) {
	hash, err := h.passwords.Hash(ctx, callerFrom(ctx, false), r.Body.Password)
	if err != nil {
		return nil, err
	}
	email := strings.ToLower(r.Body.Email)
	account := h.newAccount(email, r.Body.Username, r.Body.DisplayName)
	account.FirstName, account.LastName, account.PasswordHash = r.Body.FirstName, r.Body.LastName, hash
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.AccountResponse, err error) {
		made, err := insertNew(ctx, tx, account)
		if err != nil {
			return body, err
		}
		if err := mailCode(ctx, tx, email, verifyPurpose); err != nil {
			return body, err
		}
		return gen.AccountResponse{Meta: system("Account has been registered successfully"), Body: made.Account}, nil
	})
	if err != nil {
		return nil, err
	}
	return stub.RegisterAccount201JSONResponse{Body: body, Headers: stub.RegisterAccount201ResponseHeaders(again)}, nil
}

// insertNew is the step that adds an account whose address and user name nobody has, and returns it with its number.
func insertNew(ctx context.Context, tx *store.Tx, account store.Account) (store.Account, error) {
	switch _, err := tx.Auth.GetAccountByEmail(ctx, account.Email); {
	case err == nil:
		return account, contract.Conflict("This e-mail address has an account already", "the email is taken")
	case !errors.Is(err, store.ErrNotFound):
		return account, err
	}
	if username, given := account.Username.Get(); given {
		taken, err := tx.Auth.AnyAccountNamed(ctx, username)
		if err != nil {
			return account, err
		}
		if taken {
			return account, contract.Conflict("This user name is taken", "the username is taken")
		}
	}
	err := tx.Auth.InsertAccount(ctx, &account)
	return account, err
}

func (h auth) VerifyEmail(ctx context.Context, r stub.VerifyEmailRequestObject) (stub.VerifyEmailResponseObject, error) {
	session, err := h.signInByCode(ctx, r.Body.Email, verifyPurpose, r.Body.Code, func(tx *store.Tx, account store.Account) (gen.Session, error) {
		account.Verified = true
		if err := tx.Auth.UpdateVerified(ctx, account.AccountNumber); err != nil {
			return gen.Session{}, err
		}
		return h.openSession(ctx, tx, account)
	})
	if err != nil {
		return nil, err
	}
	return stub.VerifyEmail200JSONResponse{Meta: system("Email has been verified successfully"), Body: session}, nil
}

// signInByCode opens a session for who has the code that was mailed to an address. A wrong code is committed like a right
// one: it has counted.
func (h auth) signInByCode(ctx context.Context, email string, of purpose, code string,
	open func(*store.Tx, store.Account) (gen.Session, error)) (gen.Session, error) {
	session, err := inTx(ctx, h.core, func(tx *store.Tx) (*gen.Session, error) {
		account, right, err := h.spendCode(ctx, tx, strings.ToLower(email), of, code)
		if err != nil || !right {
			return nil, err
		}
		session, err := open(tx, account)
		return &session, err
	})
	switch {
	case err != nil:
		return gen.Session{}, err
	case session == nil:
		return gen.Session{}, wrongCode()
	}
	return *session, nil
}

func (h auth) LogIn(ctx context.Context, r stub.LogInRequestObject) (stub.LogInResponseObject, error) {
	account, err := h.store.Auth.GetAccountByEmail(ctx, strings.ToLower(r.Body.Email))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	// Also without an account: the answer must take as long.
	right, err := h.passwords.Matches(ctx, callerFrom(ctx, false), r.Body.Password, account.PasswordHash)
	if err != nil {
		return nil, err
	}
	if !right {
		h.refused(ctx, account, gen.AuthEventKindSessionRefuse)
		return nil, wrongPassword()
	}
	if !account.Verified {
		return nil, &contract.Error{Code: gen.ProblemCodeEmailUnverified, Message: "Verify your e-mail address first",
			DevMessage: "the address was not verified: use /auth/verify-email with the code that was mailed to it"}
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.LogIn200JSONResponse, err error) {
		// A password that was replaced in the meantime must not open a session which that has not ended.
		current, err := tx.Auth.GetAccount(ctx, account.AccountNumber)
		if err != nil {
			return answer, err
		}
		if current.PasswordHash != account.PasswordHash {
			return answer, wrongPassword()
		}
		session, err := h.openSession(ctx, tx, current)
		return stub.LogIn200JSONResponse{Meta: system("Logged in successfully"), Body: session}, err
	})
}

func wrongPassword() *contract.Error {
	return &contract.Error{Code: gen.ProblemCodeUnauthenticated, Message: "The e-mail address or the password is wrong",
		DevMessage: "no account has this email and this password"}
}

func (h auth) ResendCode(ctx context.Context, r stub.ResendCodeRequestObject) (stub.ResendCodeResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (stub.ResendCode200JSONResponse, error) {
		return stub.ResendCode200JSONResponse{Meta: system(codeOnItsWay)}, mailCode(ctx, tx, strings.ToLower(r.Body.Email), verifyPurpose)
	})
}

func (h auth) ForgotPassword(ctx context.Context, r stub.ForgotPasswordRequestObject) (stub.ForgotPasswordResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (stub.ForgotPassword200JSONResponse, error) {
		return stub.ForgotPassword200JSONResponse{Meta: system(codeOnItsWay)}, mailCode(ctx, tx, strings.ToLower(r.Body.Email), resetPurpose)
	})
}

// codeOnItsWay is said whether or not there is such an account.
const codeOnItsWay = "If the account exists, a code is on its way"

func (h auth) ResetPassword(ctx context.Context, r stub.ResetPasswordRequestObject) (stub.ResetPasswordResponseObject, error) {
	hash, err := h.passwords.Hash(ctx, callerFrom(ctx, false), r.Body.Password)
	if err != nil {
		return nil, err
	}
	session, err := h.signInByCode(ctx, r.Body.Email, resetPurpose, r.Body.Code, func(tx *store.Tx, account store.Account) (gen.Session, error) {
		return h.replacePassword(ctx, tx, account, hash)
	})
	if err != nil {
		return nil, err
	}
	return stub.ResetPassword200JSONResponse{Meta: system("Password has been reset successfully"), Body: session}, nil
}

// replacePassword is the step that sets the password of an account whose address has just been proved, ends all its
// sessions and opens a new one.
func (k *core) replacePassword(ctx context.Context, tx *store.Tx, account store.Account, hash string) (gen.Session, error) {
	account.Verified = true
	err := tx.Auth.UpdatePassword(ctx, account.AccountNumber, hash)
	if err == nil {
		err = tx.Auth.UpdateVerified(ctx, account.AccountNumber)
	}
	if err == nil {
		err = tx.Auth.EndCode(ctx, account.Email, string(verifyPurpose))
	}
	if err == nil {
		err = tx.Auth.DeleteSessionsBut(ctx, account.AccountNumber, "")
	}
	if err == nil {
		err = k.trail(ctx, tx, account.AccountNumber, gen.AuthEventKindPasswordReset, "", "")
	}
	if err != nil {
		return gen.Session{}, err
	}
	return k.openSession(ctx, tx, account)
}

func (h auth) LogOut(ctx context.Context, _ stub.LogOutRequestObject) (stub.LogOutResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (stub.LogOut200JSONResponse, error) {
		err := h.endSession(ctx, tx, actorFrom(ctx).session)
		if errors.Is(err, store.ErrNotFound) { // it has ended since it was looked at
			err = nil
		}
		return stub.LogOut200JSONResponse{Meta: system("Logged out successfully")}, err
	})
}

func (h auth) GetMe(ctx context.Context, _ stub.GetMeRequestObject) (stub.GetMeResponseObject, error) {
	account, err := h.store.Auth.GetAccount(ctx, actorFrom(ctx).account)
	if err != nil {
		return nil, err
	}
	return stub.GetMe200JSONResponse{Meta: system("Account"), Body: account.Account}, nil
}
