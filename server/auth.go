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
	// How often strangers together may guess the password of an account, and a device by itself. It slows down those who have
	// many networks, and does not count in a network where the account was signed in to before.
	guessesAtOnce = 100
	guessesEvery  = 10 * time.Second
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
		// Who runs commands vouches for the address, and not for what somebody may have registered with it.
		if err = tx.Registrations.Delete(ctx, email); err == nil {
			err = tx.Auth.InsertAccount(ctx, &account)
		}
	}
	if err == nil && !account.Verified { // an API key has made it, and nobody has proved the address before
		account, err = k.proveAccount(ctx, tx, account, "")
	}
	if err != nil {
		return session, isNew, err
	}
	session, err = k.openSession(ctx, tx, account)
	return session, isNew, err
}

// openSession makes a session, and notes from where. Nobody can read its token from the database afterwards.
func (k *core) openSession(ctx context.Context, tx *store.Tx, account store.Account) (gen.Session, error) {
	token, err := k.newCredential()
	if err != nil {
		return gen.Session{}, err
	}
	if err := k.remember(ctx, tx, account.AccountNumber); err != nil {
		return gen.Session{}, err
	}
	now := k.now()
	if err := tx.Networks.RememberDevice(ctx, account.AccountNumber, deviceOf(token), deviceName(ctx), now); err != nil {
		return gen.Session{}, err
	}
	session := store.Session{TokenHash: hashOf(token), Account: account.AccountNumber}
	session.ID, session.CreatedAt, session.LastUsedAt = k.newID(), gen.Time{Time: now}, gen.Time{Time: now}
	session.ExpiresAt = gen.Time{Time: now.Add(sessionLife)}
	session.Address, session.UserAgent = contract.AddressFrom(ctx), userAgentOf(ctx)
	if err := tx.Auth.InsertSession(ctx, session); err != nil {
		return gen.Session{}, err
	}
	if err := tx.Users.NoteLogin(ctx, account.AccountNumber, now); err != nil {
		return gen.Session{}, err
	}
	account.Avatar = k.imageURL(ctx, account.Avatar)
	kind := gen.AuthEventKindSessionOpen
	if contract.OperationFrom(ctx) == nil { // `rejoin token`
		kind = gen.AuthEventKindSessionGrant
	}
	return gen.Session{Token: token, ExpiresAt: session.ExpiresAt, Account: account.Account},
		k.addEvent(ctx, tx, account.AccountNumber, kind, session.ID, "")
}

// newAccount is an account that is about to be made. It shows its user name, unless it was given another name to show, and
// without one what stands before the @ of its address.
func (k *core) newAccount(email, username, displayName string) store.Account {
	return store.Account{Account: gen.Account{
		ID: k.newID(), Email: email, Username: nullIfEmpty(username), DisplayName: cmp.Or(displayName, username, localPart(email)),
		Avatar: nullIfEmpty(""), Language: store.FirstLanguage, TimeZone: store.FirstTimeZone, CreatedAt: gen.Time{Time: k.now()},
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

// localPart is what stands before the last @, no longer than a display name may be. Nobody may have looked yet whether there is one.
func localPart(email string) string {
	name := []rune(email[:max(0, strings.LastIndex(email, "@"))])
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
	registration := store.Registration{Account: h.newAccount(strings.ToLower(r.Body.Email), r.Body.Username, r.Body.DisplayName)}
	registration.FirstName, registration.LastName, registration.PasswordHash = r.Body.FirstName, r.Body.LastName, hash
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.AccountResponse, err error) {
		made, err := h.putRegistration(ctx, tx, registration)
		if err != nil {
			return body, err
		}
		mail := codeMail{Email: made.Email, Purpose: verifyPurpose, Registration: made.ID, Counted: true}
		return gen.AccountResponse{Meta: system("Account has been registered successfully"), Body: made.Account.Account}, mailCode(ctx, tx, mail)
	})
	if err != nil {
		return nil, err
	}
	return stub.RegisterAccount201JSONResponse{Body: body, Headers: stub.RegisterAccount201ResponseHeaders(again)}, nil
}

// putRegistration is the step that registers an address and a user name that no account has, instead of an earlier
// registration of the address, whose code ends, and returns it with its number. It counts the mail that must follow: without
// one, the earlier registration had better stay.
//
// It is a step of a shared transaction, so what may be in conflict is written first: whoever verifies the address meanwhile has
// the account afterwards, or asks again for a registration that was replaced.
func (k *core) putRegistration(ctx context.Context, tx *store.Tx, r store.Registration) (store.Registration, error) {
	if err := tx.Registrations.Put(ctx, &r); err != nil {
		return r, err
	}
	if err := k.checkFree(ctx, tx, r.Account, k.now().Add(-unprovedName)); err != nil {
		return r, err
	}
	// What strangers in other networks have registered refuses nobody: this network's own mails are counted, and no others.
	wait, err := k.countMail(ctx, tx, r, verifyPurpose, networkHash(ctx), true)
	if err == nil && wait > 0 {
		err = contract.RateLimited(wait)
	}
	if err == nil {
		err = tx.Codes.End(ctx, r.AccountNumber, string(verifyPurpose))
	}
	return r, err
}

// checkFree is the step that refuses an address or a user name that somebody has. A registration has neither, and an account that was
// made before a moment and that nobody has proved has no name.
func (k *core) checkFree(ctx context.Context, tx *store.Tx, account store.Account, unprovedSince time.Time) error {
	switch _, err := tx.Auth.GetAccountByEmail(ctx, account.Email); {
	case err == nil:
		return conflictAt("/email", "This e-mail address has an account already", "the email is taken")
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	username, given := account.Username.Get()
	if !given {
		return nil
	}
	taken, err := tx.Auth.AnyAccountNamed(ctx, username, unprovedSince)
	if err == nil && taken {
		err = usernameTaken()
	}
	return err
}

func usernameTaken() *contract.Error {
	return conflictAt("/username", "This user name is taken", "the username is taken")
}

// claimName is the step that gives a user name to an account whose address was proved, unless somebody else has it: an account that
// an API key has made long ago, and that nobody has proved, loses it.
func (k *core) claimName(ctx context.Context, tx *store.Tx, username string) (taken bool, err error) {
	since := k.now().Add(-unprovedName)
	if taken, err = tx.Auth.AnyAccountNamed(ctx, username, since); err == nil && !taken {
		err = tx.Auth.FreeName(ctx, username, since)
	}
	return taken, err
}

// VerifyEmail makes an account of a registration. Whoever has the code has the address, but need not have registered it:
// somebody else may have, with a password of their own, and from the same network. So the password stands only if whoever
// verifies knows it.
func (h auth) VerifyEmail(ctx context.Context, r stub.VerifyEmailRequestObject) (stub.VerifyEmailResponseObject, error) {
	proof := func(code triedCode) (passwordHash string, err error) {
		if r.Body.Password == "" {
			return "", nil
		}
		right, err := h.passwords.Matches(ctx, callerFrom(ctx, true), r.Body.Password, code.holder.PasswordHash)
		if err == nil && !right {
			err = contract.Invalid(contract.Field("/password", gen.FieldCodeNotAllowed, "is not what was registered"))
		}
		return code.holder.PasswordHash, err
	}
	session, err := h.signInByCode(ctx, r.Body.Email, verifyPurpose, r.Body.Code, "", proof, nil)
	if err != nil {
		return nil, err
	}
	return stub.VerifyEmail200JSONResponse{Meta: system("Email has been verified successfully"), Body: session}, nil
}

// signInByCode opens a session for who has the code that was mailed to an address, and sets the password that follows from a
// code that was right. A wrong code is committed like a right one: it has counted. The password is found between two
// transactions, because that takes long. Where there is a second factor, the code stays until that is right. What else is to be
// done, if anything, is done with it.
func (h auth) signInByCode(ctx context.Context, email string, of purpose, code, otp string,
	passwordFor func(triedCode) (hash string, err error), also func(*store.Tx, store.Account) error) (session gen.Session, err error) {
	email = strings.ToLower(email)
	takeBack, err := h.countWrongCode(ctx, email)
	if err != nil {
		return session, err
	}
	tried, err := inTx(ctx, h.core, func(tx *store.Tx) (triedCode, error) {
		return h.tryCode(ctx, tx, email, of, code)
	})
	if err == nil && !tried.right {
		h.refused(ctx, tried.holder.Account, gen.AuthEventKindSessionRefuse)
		return session, wrongCode()
	}
	takeBack()
	if err != nil {
		return session, err
	}
	asked, err := h.secondFactor(ctx, tried.holder.AccountNumber, otp)
	if err != nil {
		return session, err
	}
	hash, err := passwordFor(tried)
	if err != nil {
		return session, err
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (session gen.Session, err error) {
		holder, err := h.spend(ctx, tx, tried)
		if err != nil {
			return session, err
		}
		if err := h.stillAsked(ctx, tx, holder.AccountNumber, asked); err != nil {
			return session, err
		}
		account, err := h.replacePassword(ctx, tx, holder, hash)
		if err != nil {
			return session, err
		}
		if also != nil {
			if err := also(tx, account); err != nil {
				return session, err
			}
		}
		return h.openSession(ctx, tx, account)
	})
}

func (h auth) LogIn(ctx context.Context, r stub.LogInRequestObject) (stub.LogInResponseObject, error) {
	email := strings.ToLower(r.Body.Email)
	account, err := h.holderOf(ctx, h.store.Queries, email)
	if err != nil {
		return nil, err
	}
	from, err := h.placeOf(ctx, h.store.Queries, account.AccountNumber)
	if err != nil {
		return nil, err
	}
	if err := h.countGuess(email, from); err != nil {
		return nil, err
	}
	// Also without an account: the answer must take as long.
	right, err := h.passwords.Matches(ctx, callerFrom(ctx, from.known), r.Body.Password, account.PasswordHash)
	if err != nil {
		return nil, err
	}
	if !right {
		h.refused(ctx, account.Account, gen.AuthEventKindSessionRefuse)
		return nil, wrongPassword()
	}
	if !account.Verified {
		return nil, &contract.Error{Code: gen.ProblemCodeEmailUnverified, Message: "Verify your e-mail address first",
			DevMessage: "the address was not verified: use /auth/verify-email with the code that was mailed to it"}
	}
	asked, err := h.secondFactor(ctx, account.AccountNumber, r.Body.OTP)
	if err != nil {
		return nil, err
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.LogIn200JSONResponse, err error) {
		// A password that was replaced in the meantime, or ended with the account, must not open a session which that has not ended.
		current, err := tx.Auth.GetAccount(ctx, account.AccountNumber)
		if errors.Is(err, store.ErrErased) || err == nil && current.PasswordHash != account.PasswordHash {
			return answer, wrongPassword()
		}
		if err != nil {
			return answer, err
		}
		if err := h.stillAsked(ctx, tx, current.AccountNumber, asked); err != nil {
			return answer, err
		}
		session, err := h.openSession(ctx, tx, current)
		return stub.LogIn200JSONResponse{Meta: system("Logged in successfully"), Body: session}, err
	})
}

// countGuess counts that the password of an account is tried. A known network has its own limit.
func (k *core) countGuess(email string, from place) error {
	switch {
	case from.device:
		email += " " + from.name
	case from.known:
		return nil
	}
	if wait := k.guesses.Take(email, k.now()); wait > 0 {
		return contract.RateLimited(wait)
	}
	return nil
}

func wrongPassword() *contract.Error {
	return &contract.Error{Code: gen.ProblemCodeUnauthenticated, Message: "The e-mail address or the password is wrong",
		DevMessage: "no account has this email and this password"}
}

func (h auth) ResendCode(ctx context.Context, r stub.ResendCodeRequestObject) (stub.ResendCodeResponseObject, error) {
	email := strings.ToLower(r.Body.Email)
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.ResendCode200JSONResponse, err error) {
		holder, err := h.holderOf(ctx, tx.Queries, email)
		if err != nil {
			return answer, err
		}
		answer.Meta = system(codeOnItsWay)
		return answer, mailCode(ctx, tx, codeMail{Email: email, Purpose: verifyPurpose, Registration: holder.ID})
	})
}

func (h auth) ForgotPassword(ctx context.Context, r stub.ForgotPasswordRequestObject) (stub.ForgotPasswordResponseObject, error) {
	email := strings.ToLower(r.Body.Email)
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.ForgotPassword200JSONResponse, err error) {
		answer.Meta = system(codeOnItsWay)
		return answer, mailCode(ctx, tx, codeMail{Email: email, Purpose: resetPurpose})
	})
}

// codeOnItsWay is said whether or not there is such an account.
const codeOnItsWay = "If the account exists, a code is on its way"

// ResetPassword hashes the password only for who has the code: a guess costs next to nothing.
func (h auth) ResetPassword(ctx context.Context, r stub.ResetPasswordRequestObject) (stub.ResetPasswordResponseObject, error) {
	hashed := func(triedCode) (string, error) { return h.passwords.Hash(ctx, callerFrom(ctx, true), r.Body.Password) }
	endKeys := func(tx *store.Tx, account store.Account) error {
		if err := tx.UserKeys.DeleteOfAccount(ctx, account.AccountNumber); err != nil || !r.Body.EndKeys {
			return err
		}
		return h.endKeys(ctx, tx, account.AccountNumber)
	}
	session, err := h.signInByCode(ctx, r.Body.Email, resetPurpose, r.Body.Code, r.Body.OTP, hashed, endKeys)
	if err != nil {
		return nil, err
	}
	return stub.ResetPassword200JSONResponse{Meta: system("Password has been reset successfully"), Body: session}, nil
}

// replacePassword is the step that sets the password of who has just proved an address - none if the hash is empty - and ends
// all their sessions. A registration becomes an account by it.
func (k *core) replacePassword(ctx context.Context, tx *store.Tx, holder store.Registration, hash string) (store.Account, error) {
	account := holder.Account
	account.PasswordHash = hash
	if !account.Verified {
		registered, err := tx.Registrations.Get(ctx, account.Email, k.now())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return account, err
		}
		made, err := k.proveAccount(ctx, tx, account, hash)
		switch {
		case errors.Is(err, store.ErrNotFound):
			account.Verified = true
			return k.makeAccount(ctx, tx, account)
		case err == nil && registered.ID == account.ID: // an API key has made the account meanwhile
			return k.named(ctx, tx, made, registered)
		}
		return made, err
	}
	err := tx.Auth.UpdatePassword(ctx, account.AccountNumber, hash)
	if err == nil {
		err = tx.Auth.DeleteSessionsBut(ctx, account.AccountNumber, "")
	}
	if err == nil {
		err = k.rememberOnly(ctx, tx, account.AccountNumber)
	}
	if err == nil {
		err = k.addEvent(ctx, tx, account.AccountNumber, gen.AuthEventKindPasswordReset, "", "")
	}
	return account, err
}

// proveAccount is the step that gives an account that an API key has made to whoever has proved its address, with a password of
// theirs, or none. What there was of before that ends: the codes, and sessions that a community has opened. It is ErrNotFound if
// there is no such account.
func (k *core) proveAccount(ctx context.Context, tx *store.Tx, account store.Account, hash string) (store.Account, error) {
	account.Verified, account.PasswordHash = true, hash
	err := tx.Auth.Prove(ctx, account.AccountNumber, hash)
	if err == nil {
		err = tx.Registrations.Delete(ctx, account.Email)
	}
	if err == nil {
		err = k.endCodes(ctx, tx, account)
	}
	if err == nil {
		err = tx.Auth.DeleteSessionsBut(ctx, account.AccountNumber, "")
	}
	if err == nil {
		err = k.rememberOnly(ctx, tx, account.AccountNumber)
	}
	return account, err
}

// named is the step that gives an account the names that its owner has registered with, as far as nobody else has them.
func (k *core) named(ctx context.Context, tx *store.Tx, account store.Account, registered store.Registration) (store.Account, error) {
	account.DisplayName, account.FirstName, account.LastName = registered.DisplayName, registered.FirstName, registered.LastName
	if username, given := registered.Username.Get(); given {
		taken, err := k.claimName(ctx, tx, username)
		if err != nil {
			return account, err
		}
		if !taken {
			account.Username = registered.Username
		}
	}
	return account, tx.Users.Rename(ctx, account)
}

// endCodes is the step that ends whatever codes were mailed to an address.
func (k *core) endCodes(ctx context.Context, tx *store.Tx, account store.Account) error {
	for _, of := range []purpose{verifyPurpose, resetPurpose} {
		if err := tx.Codes.End(ctx, account.AccountNumber, string(of)); err != nil {
			return err
		}
	}
	return nil
}

// makeAccount is the step that makes an account of the registration of its address, whose codes end.
func (k *core) makeAccount(ctx context.Context, tx *store.Tx, account store.Account) (store.Account, error) {
	err := tx.Registrations.Delete(ctx, account.Email)
	if username, given := account.Username.Get(); err == nil && given {
		var taken bool
		if taken, err = k.claimName(ctx, tx, username); taken { // since it was registered
			account.Username = gen.Null[string]()
		}
	}
	if err == nil {
		err = k.endCodes(ctx, tx, account)
	}
	if err == nil {
		err = tx.Auth.InsertAccount(ctx, &account)
	}
	return account, err
}

func (h auth) LogOut(ctx context.Context, _ stub.LogOutRequestObject) (stub.LogOutResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (stub.LogOut200JSONResponse, error) {
		_, err := h.endSession(ctx, tx, actorFrom(ctx).session)
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
	account.Avatar = h.imageURL(ctx, account.Avatar)
	return stub.GetMe200JSONResponse{Meta: system("Account"), Body: account.Account}, nil
}

func (h auth) UpdateMe(ctx context.Context, r stub.UpdateMeRequestObject) (stub.UpdateMeResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateMe200JSONResponse, err error) {
		account, err := tx.Auth.GetAccount(ctx, actorFrom(ctx).account)
		if err != nil {
			return answer, err
		}
		in, before := r.Body, account.Username
		set(&account.DisplayName, in.DisplayName)
		set(&account.FirstName, in.FirstName)
		set(&account.LastName, in.LastName)
		set(&account.AboutMe, in.AboutMe)
		set(&account.Quote, in.Quote)
		set(&account.Language, in.Language)
		zone := account.TimeZone
		set(&account.TimeZone, in.TimeZone)
		if account.TimeZone != zone {
			if err := tx.Streaks.ChangeZone(ctx, account.AccountNumber, zone, account.TimeZone, h.now()); err != nil {
				return answer, err
			}
		}
		if in.Username != nil {
			account.Username = gen.NullableOf(*in.Username)
		}
		if account.Username != before {
			taken, err := h.claimName(ctx, tx, *in.Username)
			if err == nil && taken {
				err = usernameTaken()
			}
			if err != nil {
				return answer, err
			}
		}
		if err := tx.Users.Rename(ctx, account); err != nil {
			return answer, err
		}
		account.Avatar = h.imageURL(ctx, account.Avatar)
		answer = stub.UpdateMe200JSONResponse{Meta: system("Account has been updated successfully"), Body: account.Account}
		return answer, tx.Users.Describe(ctx, account)
	})
}
