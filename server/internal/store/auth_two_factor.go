package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A TwoFactor is the second factor of an account.
type TwoFactor struct {
	Account   int64
	Secret    string
	BegunAt   time.Time
	Confirmed bool  // else it counts for nothing yet
	LastStep  int64 // of the last code that was used
}

// GetTwoFactor returns the second factor of an account, confirmed or not.
func (a Auth) GetTwoFactor(ctx context.Context, account int64) (TwoFactor, error) {
	return get(ctx, a.conn, func(rows *sql.Rows) (f TwoFactor, err error) {
		var begunAt gen.Time
		err = rows.Scan(&f.Account, &f.Secret, micros{&begunAt}, &f.Confirmed, &f.LastStep)
		f.BegunAt = begunAt.Time
		return f, err
	}, `SELECT account, secret, begun_at, confirmed, last_step FROM two_factor WHERE account = $1 /* FOR SHARE */`, account)
}

// StartTwoFactor adds a second factor that is not confirmed, instead of such a one. It tells whether there was none that is.
func (a Auth) StartTwoFactor(ctx context.Context, f TwoFactor) (started bool, err error) {
	return a.changed(ctx, `INSERT INTO two_factor (account, secret, begun_at, confirmed, last_step) VALUES ($1, $2, $3, FALSE, 0)
	ON CONFLICT (account) DO UPDATE SET secret = excluded.secret, begun_at = excluded.begun_at WHERE NOT two_factor.confirmed`,
		f.Account, f.Secret, f.BegunAt.UnixMicro())
}

// ConfirmTwoFactor makes a second factor count, and uses up the code of a step.
func (a Auth) ConfirmTwoFactor(ctx context.Context, account, step int64) error {
	return a.change(ctx, `UPDATE two_factor SET confirmed = TRUE, last_step = $2 WHERE account = $1 AND NOT confirmed`, account, step)
}

// UseStep uses up the code of a step, and tells whether neither it nor one of a later step was used before. A step after the
// last possible one was used by a clock that had jumped, and counts for nothing.
func (a Auth) UseStep(ctx context.Context, account, step, lastPossible int64) (bool, error) {
	return a.changed(ctx, `UPDATE two_factor SET last_step = $2 WHERE account = $1 AND (last_step < $2 OR last_step > $3)`,
		account, step, lastPossible)
}

// DeleteTwoFactor removes the second factor of an account, with its recovery codes.
func (a Auth) DeleteTwoFactor(ctx context.Context, account int64) error {
	if err := a.change(ctx, `DELETE FROM two_factor WHERE account = $1 AND confirmed`, account); err != nil {
		return err
	}
	if err := a.exec(ctx, `DELETE FROM otp_tries WHERE account = $1`, account); err != nil {
		return err
	}
	return a.exec(ctx, `DELETE FROM recovery_codes WHERE account = $1`, account)
}

// InsertRecoveryCode adds a recovery code.
func (a Auth) InsertRecoveryCode(ctx context.Context, account int64, hash string) error {
	return a.exec(ctx, `INSERT INTO recovery_codes (account, hash) VALUES ($1, $2)`, account, hash)
}

// UseRecoveryCode uses up a recovery code, and tells whether there was such a one.
func (a Auth) UseRecoveryCode(ctx context.Context, account int64, hash string) (bool, error) {
	return a.changed(ctx, `DELETE FROM recovery_codes WHERE account = $1 AND hash = $2`, account, hash)
}

// TryOTP counts a try from a network and tells whether there were fewer than most before it since a moment. Tries after it are
// of a clock that had jumped, and count for nothing.
func (a Auth) TryOTP(ctx context.Context, account int64, network string, most int64, since, now time.Time) (bool, error) {
	return a.changed(ctx, `INSERT INTO otp_tries (account, network, tries, since) VALUES ($1, $2, 1, $3)
	ON CONFLICT (account, network) DO UPDATE
	SET tries = CASE WHEN otp_tries.since > $4 AND otp_tries.since <= $3 THEN otp_tries.tries + 1 ELSE 1 END,
	    since = CASE WHEN otp_tries.since > $4 AND otp_tries.since <= $3 THEN otp_tries.since ELSE excluded.since END
	WHERE otp_tries.since <= $4 OR otp_tries.since > $3 OR otp_tries.tries < $5`,
		account, network, now.UnixMicro(), since.UnixMicro(), most)
}

// ForgiveOTP takes back a try, which was right.
func (a Auth) ForgiveOTP(ctx context.Context, account int64, network string) error {
	return a.exec(ctx, `UPDATE otp_tries SET tries = tries - 1 WHERE account = $1 AND network = $2`, account, network)
}

// DeleteTries forgets some of the tries from before a moment, and tells whether there were any.
func (a Auth) DeleteTries(ctx context.Context, before time.Time, some int) (more bool, err error) {
	return a.changed(ctx, `DELETE FROM otp_tries WHERE (account, network) IN (
	       SELECT account, network FROM otp_tries WHERE since < $1 ORDER BY since LIMIT $2)`, before.UnixMicro(), some)
}
