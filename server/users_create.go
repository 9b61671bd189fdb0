package server

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// madeUsers is how many accounts the API keys may make for which one account vouches, mailed or not: 180 an hour, and some more at
// once. Each holds an address and a user name that may be somebody's. Config.RateLimit scales it.
var madeUsers = store.Quota{AtOnce: 200, Every: 20 * time.Second}

// unprovedName is for how long an account keeps its user name from others while nobody has proved its address. The contract says so.
const unprovedName = 90 * 24 * time.Hour

// CreateUser makes an account that is nobody's until its address was proved. A password that comes with it is kept as that of a
// registration is: it becomes the account's only if whoever has the mailed code gives it, too.
func (h users) CreateUser(ctx context.Context, r stub.CreateUserRequestObject) (stub.CreateUserResponseObject, error) {
	in := *r.Body
	if err := checkUser(ctx, in); err != nil {
		return nil, err
	}
	account := h.newAccount(strings.ToLower(in.Email), in.Username, in.Displayname)
	account.FirstName, account.LastName = in.Firstname, in.Lastname
	if in.Password != "" {
		hash, err := h.passwords.Hash(ctx, callerFrom(ctx, false), in.Password)
		if err != nil {
			return nil, err
		}
		account.PasswordHash = hash
	}
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.CreatedUserResponse, err error) {
		s, err := requireOfKey(ctx, tx.Queries)
		if err != nil {
			return body, err
		}
		_, made, err := h.createUser(ctx, tx, s, account, in)
		return gen.CreatedUserResponse{Status: integration, Message: "User created successfully", Data: made}, err
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateUser201JSONResponse{Body: body, Headers: stub.CreateUser201ResponseHeaders(again)}, nil
}

// createUser is the step that makes the account for an API key, counts it and records it.
func (k *core) createUser(ctx context.Context, tx *store.Tx, s standing, account store.Account, in gen.UserCreate) (made store.Account, shown gen.CreatedUser, err error) {
	if err := k.countMade(ctx, tx, "invited", k.madeUsers); err != nil {
		return made, shown, err
	}
	if made, err = k.makeUser(ctx, tx, s, account, in); err != nil {
		return made, shown, err
	}
	shown = gen.CreatedUser{
		ID: made.ID, UserID: made.Number, Username: in.Username, Email: made.Email, DisplayName: made.DisplayName, Joined: joins(in),
	}
	return made, shown, record(ctx, k, tx, s.ID, made.ID, nil, &shown)
}

// joins tells whether a new user becomes a member.
func joins(in gen.UserCreate) bool { return in.JoinServer == nil || *in.JoinServer }

// makeUser is the step that makes the account, and a member of it.
func (k *core) makeUser(ctx context.Context, tx *store.Tx, s standing, account store.Account, in gen.UserCreate) (store.Account, error) {
	if err := k.checkFree(ctx, tx, account, time.Time{}); err != nil { // who has proved nothing takes no name
		return account, err
	}
	// Whoever is about to prove the address goes on with the code and the password that they have. What they have registered stays
	// until then.
	switch registered, err := tx.Registrations.Get(ctx, account.Email, k.now()); {
	case err == nil:
		account.AccountNumber, account.Number, account.ID = registered.AccountNumber, registered.Number, registered.ID
		account.PasswordHash = registered.PasswordHash
	case !errors.Is(err, store.ErrNotFound):
		return account, err
	}
	if err := tx.Auth.InsertAccount(ctx, &account); err != nil {
		return account, err
	}
	if joins(in) {
		if err := tx.Servers.InsertMember(ctx, s.ID, account.AccountNumber, k.now()); err != nil {
			return account, err
		}
		if err := k.memberJoined(ctx, tx, s.ID, account.AccountNumber); err != nil {
			return account, err
		}
	}
	if err := giveLevel(ctx, tx, s, account, in.AccessLevel); err != nil {
		return account, err
	}
	if err := k.giveValues(ctx, tx, s, account, in); err != nil {
		return account, err
	}
	if err := k.refer(ctx, tx, s, account, in.Referral); err != nil {
		return account, err
	}
	return account, k.mailUser(ctx, tx, account, in)
}

// checkUser refuses what cannot be meant.
func checkUser(ctx context.Context, in gen.UserCreate) error {
	var fields []gen.ProblemField
	add := func(pointer string, code gen.FieldCode, message string) {
		fields = append(fields, contract.Field(pointer, code, message))
	}
	special := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }
	switch {
	case in.Password == "" && in.ConfirmPassword != "":
		add("/password", gen.FieldCodeRequired, "is required where there is a confirmPassword")
	case in.Password != "" && in.ConfirmPassword == "":
		add("/confirmPassword", gen.FieldCodeRequired, "is required where there is a password")
	case in.Password != in.ConfirmPassword:
		add("/confirmPassword", gen.FieldCodeNotAllowed, "must be the password again")
	case in.Password != "" && strings.EqualFold(in.Password, in.Username):
		add("/password", gen.FieldCodeNotAllowed, "must not be the user name")
	case in.Password != "" && strings.IndexFunc(in.Password, special) < 0:
		add("/password", gen.FieldCodeWrongFormat, "must have a special character")
	}
	if in.CommunityID != "" && in.CommunityID != actorFrom(ctx).key.CommunityID {
		return contract.NotFound("community")
	}
	if in.AccessLevel > 0 && !joins(in) {
		add("/accessLevel", gen.FieldCodeNotAllowed, "must be 0 where the user does not join")
	}
	if in.ExternalID != "" && !joins(in) {
		add("/externalId", gen.FieldCodeNotAllowed, "must be left out where the user does not join")
	}
	if len(in.CustomFields) > 0 && !joins(in) {
		add("/customFields", gen.FieldCodeNotAllowed, "must be left out where the user does not join")
	}
	if len(fields) > 0 {
		return contract.Invalid(fields...)
	}
	return nil
}

// giveLevel is the step that gives a new member the role of an access level. An API key cannot give more by it than by giving the
// role itself.
func giveLevel(ctx context.Context, tx *store.Tx, s standing, account store.Account, level int32) error {
	levels, err := tx.Users.ListAccessLevels(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, l := range levels {
		if l.Level != level {
			continue
		}
		role, err := tx.Roles.Get(ctx, l.RoleID)
		if err == nil {
			err = s.learn(ctx, tx.Queries)
		}
		if err == nil {
			err = mayWrite(s, role.Role)
		}
		if err == nil {
			_, err = tx.Roles.InsertOf(ctx, s.ID, account.AccountNumber, role.ID)
		}
		return err
	}
	if level > 0 {
		return contract.Invalid(contract.Field("/accessLevel", gen.FieldCodeNotAllowed, "must be a level that the community has set"))
	}
	return nil
}

// refer is the step that notes who has brought a new user, if somebody has.
func (k *core) refer(ctx context.Context, tx *store.Tx, s standing, account store.Account, name string) error {
	if name == "" {
		return nil
	}
	referrer, err := memberReferred(ctx, tx.Queries, s.ID, name)
	if unknown := (*contract.Error)(nil); errors.As(err, &unknown) {
		err = contract.Invalid(contract.Field("/referral", gen.FieldCodeNotAllowed, "must name a member of the community"))
	}
	if err == nil && referrer.AccountNumber == account.AccountNumber {
		err = contract.Invalid(contract.Field("/referral", gen.FieldCodeNotAllowed, "must name somebody else"))
	}
	if err != nil {
		return err
	}
	return k.userReferred(ctx, tx, s.ID, account.AccountNumber, referrer.AccountNumber)
}

// countMade is the step that counts an account that is made for somebody. It counts for whoever vouches for the API key.
func (k *core) countMade(ctx context.Context, tx *store.Tx, purpose string, of store.Quota) error {
	if of.AtOnce == 0 {
		return nil
	}
	wait, err := tx.Codes.Ask(ctx, store.Asking{
		Account: actorFrom(ctx).account, Purpose: purpose, Known: true, OfNetwork: of,
	}, k.now())
	if err == nil && wait > 0 {
		err = contract.RateLimited(wait)
	}
	return err
}

// mailUser is the step that mails a new user a code, if it is to: one with which a password is set, or one that verifies the address.
func (k *core) mailUser(ctx context.Context, tx *store.Tx, account store.Account, in gen.UserCreate) error {
	mail := codeMail{Email: account.Email, Purpose: verifyPurpose, Registration: account.ID, Counted: true}
	switch {
	case in.EmailPassword:
		mail.Purpose = resetPurpose
	case !in.SendEmail:
		return nil
	}
	wait, err := k.countMail(ctx, tx, store.Registration{Account: account}, resetPurpose, networkHash(ctx), false)
	if err == nil && wait > 0 {
		err = contract.RateLimited(wait)
	}
	if err != nil {
		return err
	}
	return mailCode(ctx, tx, mail)
}
