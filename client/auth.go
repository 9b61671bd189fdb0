package client

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Account is somebody who can sign in, as they see themselves. The methods take its Number. Its fields are listed at
	// [gen.Account].
	Account = gen.Account
	// Session is an account and the Token with which it acts until ExpiresAt: give it to [Client.WithToken]. The Token
	// is a secret.
	Session = gen.Session
	// AccountCreate is what an account is made from. Only Email and Password are required. Its fields are listed at
	// [gen.AccountCreate].
	AccountCreate = gen.AccountCreate
	// TwoFactorSetup is what an authenticator app needs: the Secret, or the URI, mostly as a QR code. Both are secrets.
	TwoFactorSetup = gen.TwoFactorSetup
	// OpenSession is a session of the account that is calling: when and where from it was opened, and until when it lasts.
	// Its fields are listed at [gen.OpenSession].
	OpenSession = gen.OpenSession
	// AuthEvent is one of the events of an account: who signed in or tried to, and what was done since. Its fields are
	// listed at [gen.AuthEvent].
	AuthEvent = gen.AuthEvent
	// AccountUpdate is what changes in an account; what is nil stays as it is. Its fields are listed at [gen.AccountUpdate].
	AccountUpdate = gen.AccountUpdate
	// SecureLogin is where the browser of a member is signed in: send it to the LoginURL, which is a secret until then and works once.
	// The Error of it is false.
	SecureLogin = gen.SecureAuthResponse
	// AuthEventKind is what an [AuthEvent] reports. The list grows with the contract.
	AuthEventKind = gen.AuthEventKind
)

// A SignInOption is an option of the methods that sign in.
type SignInOption func(*signIn)

type signIn struct{ otp string }

// WithOTP signs in with a one-time code of an authenticator app, or with a recovery code: an account with two-factor on needs
// one or the other. A wrong or used one fails with [ErrInvalidRequest] and the field /otp.
func WithOTP(code string) SignInOption {
	return func(s *signIn) { s.otp = code }
}

func signingIn(opts []SignInOption) (s signIn) {
	for _, opt := range opts {
		opt(&s)
	}
	return s
}

// AuthService has the operations on accounts and sessions. It is a field of [Client].
//
// How often the methods for everybody may be called is limited: [ErrRateLimited] says when it was too often, and
// [Client.RateLimit] until when. Of all methods, only
// Register and those that read or end something are tried again by themselves.
type AuthService struct {
	api *gen.Client
}

// Register registers an address, and a code is mailed to it, good for 15 minutes and five tries. Nobody can sign
// in before VerifyEmail, and until then another registration of the address replaces this one. It fails with [ErrConflict] if
// an account has the address or somebody the user name, and with [ErrInvalidRequest] if a part of the input is not as it must
// be.
//
// For everybody, without a credential.
func (s *AuthService) Register(ctx context.Context, in AccountCreate, opts ...CreateOption) (*Account, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Account](making.note(s.api.RegisterAccount(ctx, nil, full(in), making.edits...)))
}

// A VerifyOption says more about a verification: it is the last argument of [AuthService.VerifyEmail].
type VerifyOption func(*gen.EmailVerification)

// WithPassword gives the password that was registered with the address. Only then is it the account's: anybody may have
// registered the address, with a password of their own.
func WithPassword(registered string) VerifyOption {
	return func(v *gen.EmailVerification) { v.Password = registered }
}

// VerifyEmail proves with the code that was mailed to it that an address is the account's, and signs in. It fails with
// [ErrInvalidRequest] and the field /code if the code is wrong, was used or has expired, or if there is no such account, and
// with the field /password if that is not the one that was registered. Without [WithPassword], the account begins with no
// password: who has it no more sets another one with ForgotPassword and ResetPassword.
//
// For everybody, without a credential.
func (s *AuthService) VerifyEmail(ctx context.Context, email, code string, opts ...VerifyOption) (*Session, error) {
	in := gen.EmailVerification{Email: email, Code: code}
	for _, opt := range opts {
		opt(&in)
	}
	return one[Session](s.api.VerifyEmail(ctx, in))
}

// LogIn opens a session of 30 days; see [Client.WithToken]. It fails with [ErrUnauthenticated] if the password is wrong
// or there is no such account, with [ErrEmailUnverified] if the address has not been verified yet, and with
// [ErrTwoFactorRequired] if the account needs [WithOTP].
//
// A client that has the token of an earlier session, also of one that has ended, by [WithToken] or [Client.WithToken], signs in
// as a device that the account knows, wherever it is: for 90 days, what strangers try does not keep it waiting. The same is true
// of ForgotPassword and ResetPassword.
//
// For everybody, without a credential.
func (s *AuthService) LogIn(ctx context.Context, email, password string, opts ...SignInOption) (*Session, error) {
	return one[Session](s.api.LogIn(ctx, gen.Credentials{Email: email, Password: password, OTP: signingIn(opts).otp}))
}

// ResendCode mails a new code for VerifyEmail, and the earlier one ends. It succeeds without doing anything if there is
// no such account or its address is verified, so that nobody learns who has an account.
//
// For everybody, without a credential.
func (s *AuthService) ResendCode(ctx context.Context, email string) error {
	return done(s.api.ResendCode(ctx, gen.EmailOnly{Email: email}))
}

// ForgotPassword mails a code for ResetPassword, good for 15 minutes and five tries. It succeeds without doing anything
// if there is no such account.
//
// For everybody, without a credential.
func (s *AuthService) ForgotPassword(ctx context.Context, email string) error {
	return done(s.api.ForgotPassword(ctx, gen.EmailOnly{Email: email}))
}

// ResetPassword sets the password of an account with the code that ForgotPassword has mailed, and signs in. All other
// sessions of the account end, and its address is verified. It fails as VerifyEmail does, and with [ErrInvalidRequest]
// and the field /password if that is not one of 8 to 128 characters, and with [ErrTwoFactorRequired] if the account needs
// [WithOTP]; the code is still good then.
//
// For everybody, without a credential.
func (s *AuthService) ResetPassword(ctx context.Context, email, code, password string, opts ...SignInOption) (*Session, error) {
	return one[Session](s.api.ResetPassword(ctx, gen.PasswordReset{Email: email, Code: code, Password: password, OTP: signingIn(opts).otp}))
}

// LogOut ends the session with whose token this client calls, at once: each later call fails with
// [ErrUnauthenticated]. It fails with that itself if the session has ended already.
//
// For every account.
func (s *AuthService) LogOut(ctx context.Context) error {
	return done(s.api.LogOut(ctx))
}

// Me returns the account that is calling.
//
// For every account, and user API keys with [UserPermissionReadOwnProfile].
func (s *AuthService) Me(ctx context.Context) (*Account, error) {
	return one[Account](s.api.GetMe(ctx))
}

// UpdateMe changes the profile of the account of this client and returns it as it is then. It fails with [ErrConflict] if
// another account has the user name, and with [ErrInvalidRequest] if a part of the input is not as it must be.
//
// For every account, and user API keys with [UserPermissionUpdateOwnProfile].
func (s *AuthService) UpdateMe(ctx context.Context, in AccountUpdate) (*Account, error) {
	return one[Account](s.api.UpdateMe(ctx, full(in)))
}

// A DeleteOption says more about the deletion of an account: it is the last argument of [AuthService.DeleteMe].
type DeleteOption func(*gen.AccountDeletion)

// DeletingWithOTP gives a one-time code of an authenticator app, or a recovery code: an account with two-factor on needs one or the
// other.
func DeletingWithOTP(code string) DeleteOption {
	return func(d *gen.AccountDeletion) { d.OTP = code }
}

// DeleteMe deletes the account of this client, for good: each later call fails with [ErrUnauthenticated]. An account without a
// password gives an empty one. What it has said stays, and its author reads "deleted user"; its address and user name are free. It
// fails with [ErrConflict] if the account owns a server, with [ErrInvalidRequest] and the field /password or /otp if that is wrong,
// and with [ErrTwoFactorRequired] if the account needs [DeletingWithOTP]. After more than one attempt, [ErrUnauthenticated] may say
// that the first one has done it.
//
// For every account.
func (s *AuthService) DeleteMe(ctx context.Context, password string, opts ...DeleteOption) error {
	in := gen.AccountDeletion{Password: password}
	for _, opt := range opts {
		opt(&in)
	}
	return done(s.api.DeleteMe(ctx, in))
}

// Export opens everything that is known of the account of this client: one JSON document, which is listed at
// [gen.AccountExportResponse] and may be very long. It is read as it arrives, and the caller closes it. What is read to its end
// without an error is whole: one that is broken off fails with [io.ErrUnexpectedEOF], or as the connection did.
//
// For every account.
func (s *AuthService) Export(ctx context.Context) (io.ReadCloser, error) {
	res, err := s.api.ExportMe(ctx)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, newError(res)
	}
	return &wholeBody{ReadCloser: res.Body}, nil
}

// exportEnd is what an export ends with, but for blanks.
const exportEnd = `"complete":true}}`

// wholeBody is an export that must have its end.
type wholeBody struct {
	io.ReadCloser
	end []byte // What was read last, without blanks.
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	for _, c := range p[:n] {
		if c > ' ' {
			b.end = append(b.end, c)
		}
		if len(b.end) > 4096 {
			b.end = append(b.end[:0], b.end[len(b.end)-len(exportEnd):]...)
		}
	}
	if err == io.EOF && !bytes.HasSuffix(b.end, []byte(exportEnd)) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// ChangePassword sets a new password instead of the present one. All other sessions of the account end. It fails with
// [ErrInvalidRequest], and the field /password if that is not the present one or /newPassword if that is not one of 8 to
// 128 characters.
//
// For every account.
func (s *AuthService) ChangePassword(ctx context.Context, present, next string) error {
	return done(s.api.ChangePassword(ctx, gen.PasswordChange{Password: present, NewPassword: next}))
}

// Sessions returns the sessions of the account that is calling, the newest first.
//
// For every account.
func (s *AuthService) Sessions(ctx context.Context) ([]OpenSession, error) {
	return list[OpenSession](s.api.ListSessions(ctx))
}

// EndSession ends a session of the account that is calling, at once. It fails with [ErrNotFound] if it has none with this
// ID.
//
// For every account.
func (s *AuthService) EndSession(ctx context.Context, sessionID string) error {
	if err := checkID(sessionID); err != nil {
		return err
	}
	return done(s.api.DeleteSession(ctx, sessionID))
}

// EndOtherSessions ends all sessions of the account that is calling but the one with whose token this client calls.
//
// For every account.
func (s *AuthService) EndOtherSessions(ctx context.Context) error {
	return done(s.api.DeleteOtherSessions(ctx))
}

// Events returns an iterator over the events of the account that is calling, the latest first, which works as that of
// [ServersService.Members]. Entries that are added meanwhile do not come.
//
// For every account.
func (s *AuthService) Events(ctx context.Context) iter.Seq2[AuthEvent, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]AuthEvent], error) {
		return answer[[]AuthEvent](s.api.ListAuthEvents(ctx, &gen.ListAuthEventsParams{Cursor: cursor, Limit: &size}))
	})
}

// StartTwoFactor makes a secret for an authenticator app. It counts for nothing before ConfirmTwoFactor, for which there are
// 15 minutes. An account without a password gives an empty one. It fails with [ErrInvalidRequest] and the field /password if
// that is not the present one, and with [ErrConflict] if two-factor is on.
//
// For every account.
func (s *AuthService) StartTwoFactor(ctx context.Context, password string) (*TwoFactorSetup, error) {
	return one[TwoFactorSetup](s.api.StartTwoFactor(ctx, gen.TwoFactorStart{Password: password}))
}

// ConfirmTwoFactor switches two-factor on with a code from the app, ends all other sessions, and returns the recovery codes,
// which are never shown again: each is good once, instead of a code from the app. It fails with [ErrInvalidRequest] and the
// field /otp if the code is wrong, and with [ErrConflict] if nothing was started.
//
// For every account.
func (s *AuthService) ConfirmTwoFactor(ctx context.Context, otp string) (recoveryCodes []string, err error) {
	codes, err := one[gen.RecoveryCodes](s.api.ConfirmTwoFactor(ctx, gen.TwoFactorConfirmation{OTP: otp}))
	if err != nil {
		return nil, err
	}
	return codes.RecoveryCodes, nil
}

// EndTwoFactor switches two-factor off with a one-time code or a recovery code. It fails with [ErrInvalidRequest] and the field
// header/One-Time-Code if that is wrong, and with [ErrNotFound] if two-factor is not on.
//
// For every account.
func (s *AuthService) EndTwoFactor(ctx context.Context, otp string) error {
	return done(s.api.DeleteTwoFactor(ctx, &gen.DeleteTwoFactorParams{OneTimeCode: otp}))
}

// NewMember is what an account is made from where nobody has the user name yet. Email is required; the rest may be left out.
type NewMember struct {
	Email, FirstName, LastName, DisplayName string
	AccessLevel                             int32 // Which role the member gets beside the one that all have; 0 is none unless the community has set one.
}

// A SecureLoginOption says more about a login: it is the last argument of [AuthService.SecureLogin].
type SecureLoginOption func(*gen.SecureAuthParams)

// OrNewMember makes an account, as [UsersService.Create] does, if no member has the user name. It needs [PermissionCreateUser] as well. If
// one has, the Email must be theirs.
func OrNewMember(in NewMember) SecureLoginOption {
	return func(p *gen.SecureAuthParams) {
		p.Email, p.Firstname, p.Lastname, p.Displayname = &in.Email, optional(in.FirstName), optional(in.LastName), optional(in.DisplayName)
		if in.AccessLevel != 0 {
			p.AccessLevel = optional(strconv.Itoa(int(in.AccessLevel)))
		}
	}
}

// SecureLogin makes an address that signs the browser of a member in to the pages of the community, on a host that is one of its domains or
// that of the API: once, within a minute. It is for a site that knows who its visitor is; send the browser there at once, and let
// nobody else see it. It fails with [ErrNotFound] if no member has the user name, and with [ErrInvalidRequest] if the host is none of these.
//
// For API keys with [PermissionSecureAuth].
func (s *AuthService) SecureLogin(ctx context.Context, hostname, username string, opts ...SecureLoginOption) (*SecureLogin, error) {
	params := gen.SecureAuthParams{Hostname: hostname, Action: "login", UserID: username}
	for _, opt := range opts {
		opt(&params)
	}
	return bare[SecureLogin](s.api.SecureAuth(ctx, &params))
}
