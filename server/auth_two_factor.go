package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const (
	setupLife     = 15 * time.Minute
	recoveryCodes = 10
	otpStep       = 30 // seconds
	otpDigits     = 6
)

// How often codes of six digits may be wrong. Who tries has the password already, or the mailbox. Networks from which the
// account was signed in to before are not among the strangers, who share one number: they cannot keep the owner out.
const (
	otpTriesANetwork = 10
	otpNetworkLife   = time.Hour
	otpTriesStranger = 30
	otpStrangerLife  = 24 * time.Hour
)

func (h auth) StartTwoFactor(ctx context.Context, r stub.StartTwoFactorRequestObject) (stub.StartTwoFactorResponseObject, error) {
	account, err := h.store.Auth.GetAccount(ctx, actorFrom(ctx).account)
	if err == nil && (account.PasswordHash != "" || r.Body.Password != "") { // who has none has nothing but the session
		account, err = h.requirePassword(ctx, r.Body.Password)
	}
	if err != nil {
		return nil, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Rejoin", AccountName: account.Email, Rand: h.random})
	if err != nil {
		return nil, fmt.Errorf("no secret for a second factor: %w", err)
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.StartTwoFactor200JSONResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return answer, err
		}
		started, err := tx.Auth.StartTwoFactor(ctx, store.TwoFactor{Account: account.AccountNumber, Secret: key.Secret(), BegunAt: h.now()})
		if err == nil && !started {
			err = contract.Conflict("Two-factor is on already", "switch it off before you set it up anew")
		}
		return stub.StartTwoFactor200JSONResponse{
			Meta: system("Two-factor has been started successfully"), Body: gen.TwoFactorSetup{Secret: key.Secret(), URI: key.URL()},
		}, err
	})
}

func (h auth) ConfirmTwoFactor(ctx context.Context, r stub.ConfirmTwoFactorRequestObject) (stub.ConfirmTwoFactorResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.ConfirmTwoFactor200JSONResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return answer, err
		}
		account, now := actorFrom(ctx).account, h.now()
		factor, err := tx.Auth.GetTwoFactor(ctx, account)
		if errors.Is(err, store.ErrNotFound) || err == nil && (factor.Confirmed || now.Sub(factor.BegunAt).Abs() > setupLife) {
			err = contract.Conflict("There is nothing to confirm", "two-factor was not started, or is on already")
		}
		if err != nil {
			return answer, err
		}
		step, right := stepOf(factor.Secret, r.Body.OTP, now)
		if !right {
			return answer, wrongOTP()
		}
		if err := tx.Auth.ConfirmTwoFactor(ctx, account, step); err != nil {
			return answer, err
		}
		answer.Meta = system("Two-factor has been switched on successfully")
		if answer.Body.RecoveryCodes, err = h.newRecoveryCodes(ctx, tx, account); err != nil {
			return answer, err
		}
		if err := h.addOwnEvent(ctx, tx, gen.AuthEventKindTwoFactorEnable, ""); err != nil {
			return answer, err
		}
		return answer, h.endOtherSessions(ctx, tx)
	})
}

// newRecoveryCodes is the step that gives an account its recovery codes.
func (k *core) newRecoveryCodes(ctx context.Context, tx *store.Tx, account int64) (codes []string, err error) {
	for range recoveryCodes {
		random, err := k.secret(10)
		if err != nil {
			return nil, err
		}
		text := strings.ToLower(base32.StdEncoding.EncodeToString(random))
		code := strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
		if err := tx.Auth.InsertRecoveryCode(ctx, account, hashOfRecoveryCode(account, code)); err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// hashOfRecoveryCode is what is kept of a code: it has 80 random bits, which nobody finds by trying.
func hashOfRecoveryCode(account int64, code string) string {
	mac := hmac.New(sha256.New, []byte(code))
	fmt.Fprintf(mac, "recovery %d", account)
	return hex.EncodeToString(mac.Sum(nil))
}

func (h auth) DeleteTwoFactor(ctx context.Context, r stub.DeleteTwoFactorRequestObject) (stub.DeleteTwoFactorResponseObject, error) {
	account := actorFrom(ctx).account
	// One transaction: what is deleted is what was asked for, and not what was confirmed in between.
	wrong, err := inTx(ctx, h.core, func(tx *store.Tx) (*contract.Error, error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return nil, err
		}
		wrong, asked, err := h.trySecondFactor(ctx, tx, account, r.Params.OneTimeCode)
		if err == nil && !asked {
			err = contract.Conflict("Two-factor is off already", "there is nothing to switch off")
		}
		if err != nil || wrong != nil {
			return wrong, err
		}
		if err := tx.Auth.DeleteTwoFactor(ctx, account); err != nil {
			return nil, err
		}
		return nil, h.addOwnEvent(ctx, tx, gen.AuthEventKindTwoFactorDisable, "")
	})
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		if len(wrong.Fields) > 0 {
			wrong.Fields[0].Pointer = "header/One-Time-Code"
		}
		return nil, wrong
	}
	return stub.DeleteTwoFactor200JSONResponse{Meta: system("Two-factor has been switched off successfully")}, nil
}

// secondFactor demands the second factor of an account, if it has one: asked says so. It is no step, but has a transaction of
// its own: a wrong code has counted, and a right one is used up.
func (k *core) secondFactor(ctx context.Context, account int64, code string) (asked bool, err error) {
	type outcome struct {
		fault *contract.Error
		asked bool
	}
	found, err := inTx(ctx, k, func(tx *store.Tx) (found outcome, err error) {
		found.fault, found.asked, err = k.trySecondFactor(ctx, tx, account, code)
		return found, err
	})
	if err == nil && found.fault != nil {
		err = found.fault
	}
	return found.asked, err
}

// trySecondFactor is secondFactor as a step. What is wrong with the code is returned apart from what goes wrong: the
// transaction must be committed all the same.
func (k *core) trySecondFactor(ctx context.Context, tx *store.Tx, account int64, code string) (fault *contract.Error, asked bool, err error) {
	factor, err := tx.Auth.GetTwoFactor(ctx, account)
	if errors.Is(err, store.ErrNotFound) || err == nil && !factor.Confirmed {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	fault, err = k.spendOTP(ctx, tx, factor, code)
	return fault, true, err
}

// stillAsked is the step that refuses where an account has got a second factor since it was looked for.
func (k *core) stillAsked(ctx context.Context, tx *store.Tx, account int64, asked bool) error {
	on, err := hasTwoFactor(ctx, tx.Queries, account)
	if err == nil && on && !asked {
		err = twoFactorRequired()
	}
	return err
}

// spendOTP is the step that uses up a code from the app, or a recovery code.
func (k *core) spendOTP(ctx context.Context, tx *store.Tx, factor store.TwoFactor, code string) (fault *contract.Error, err error) {
	switch {
	case code == "":
		return twoFactorRequired(), nil
	case len(code) > otpDigits: // of these, nobody guesses any
		right, err := tx.Auth.UseRecoveryCode(ctx, factor.Account, hashOfRecoveryCode(factor.Account, code))
		if err == nil && right {
			err = k.addEvent(ctx, tx, factor.Account, gen.AuthEventKindTwoFactorRecover, actorFrom(ctx).session, "")
		}
		return k.otpFault(ctx, factor, right), err
	}
	groups, err := k.guessersOf(ctx, tx, factor.Account)
	if err != nil {
		return nil, err
	}
	now := k.now()
	for i, g := range groups {
		may, err := tx.Auth.TryOTP(ctx, factor.Account, g.network, g.most, now.Add(-g.life), now)
		if err == nil && !may { // what is not looked at is no try
			err = k.forgive(ctx, tx, factor.Account, groups[:i])
		}
		if err != nil {
			return nil, err
		}
		if !may {
			return contract.RateLimited(g.life), nil
		}
	}
	step, right := stepOf(factor.Secret, code, now)
	if right {
		if right, err = tx.Auth.UseStep(ctx, factor.Account, step, now.Unix()/otpStep+1); err != nil {
			return nil, err
		}
	}
	if right {
		err = k.forgive(ctx, tx, factor.Account, groups)
	}
	return k.otpFault(ctx, factor, right), err
}

// forgive is the step that takes back a try of each group.
func (k *core) forgive(ctx context.Context, tx *store.Tx, account int64, groups []guessers) error {
	for _, g := range groups {
		if err := tx.Auth.ForgiveOTP(ctx, account, g.network); err != nil {
			return err
		}
	}
	return nil
}

func (k *core) otpFault(ctx context.Context, factor store.TwoFactor, right bool) *contract.Error {
	if right {
		return nil
	}
	k.refusedAt(ctx, factor.Account, gen.AuthEventKindTwoFactorRefuse)
	return wrongOTP()
}

// A guessers is a group of those whose tries are counted together.
type guessers struct {
	network string
	most    int64
	life    time.Duration
}

// guessersOf are the groups that whoever is calling belongs to: strangers share one, which protects the secret from those who
// have many networks.
func (k *core) guessersOf(ctx context.Context, tx *store.Tx, account int64) ([]guessers, error) {
	from, err := k.placeOf(ctx, tx.Queries, account)
	groups := []guessers{{from.name, otpTriesANetwork, otpNetworkLife}}
	if err == nil && !from.known {
		groups = append([]guessers{{"", otpTriesStranger, otpStrangerLife}}, groups...)
	}
	return groups, err
}

// stepOf is the step of a code, if it is that of a secret now, or one before or after.
func stepOf(secret, code string, now time.Time) (step int64, right bool) {
	present := now.Unix() / otpStep
	for step := present - 1; step <= present+1; step++ {
		same, err := hotp.ValidateCustom(code, uint64(step), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if same && err == nil {
			return step, true
		}
	}
	return 0, false
}

func twoFactorRequired() *contract.Error {
	return &contract.Error{Code: gen.ProblemCodeTwoFactorRequired, Message: "Give a one-time code, too",
		DevMessage: "two-factor is on: send otp as well"}
}

func wrongOTP() *contract.Error {
	return contract.Invalid(contract.Field("/otp", gen.FieldCodeNotAllowed, "is wrong or used"))
}

// TwoFactor tells whether two-factor is on for the account with an e-mail address and, if it is to end, switches it off: for
// who has lost all codes. Who may run it may act for anybody.
func (s *Server) TwoFactor(ctx context.Context, email string, end bool) (on bool, err error) {
	return inTx(ctx, s.core, func(tx *store.Tx) (bool, error) {
		account, err := tx.Auth.GetAccountByEmail(ctx, strings.ToLower(email))
		if err != nil {
			return false, err
		}
		on, err := hasTwoFactor(ctx, tx.Queries, account.AccountNumber)
		if err != nil || !on || !end {
			return on, err
		}
		if err := tx.Auth.DeleteTwoFactor(ctx, account.AccountNumber); err != nil {
			return true, err
		}
		return true, s.addEvent(ctx, tx, account.AccountNumber, gen.AuthEventKindTwoFactorDisable, "", "")
	})
}

// hasTwoFactor tells whether two-factor is on for an account.
func hasTwoFactor(ctx context.Context, q store.Queries, account int64) (bool, error) {
	factor, err := q.Auth.GetTwoFactor(ctx, account)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return factor.Confirmed, err
}

// requireTwoFactor refuses an account for which it is off.
func requireTwoFactor(ctx context.Context, q store.Queries, account int64) error {
	on, err := hasTwoFactor(ctx, q, account)
	if err == nil && !on {
		err = &contract.Error{Code: gen.ProblemCodeTwoFactorOff, Message: "Switch two-factor on first",
			DevMessage: "this server requires it of its owner and of all who act by a role: use /auth/two-factor"}
	}
	return err
}
