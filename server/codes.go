package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const (
	codeLife  = 15 * time.Minute
	codeTries = 5
	// Of each purpose, for one account. Who asks for codes and guesses all day has a hundred guesses in a million, and
	// nobody can be flooded with mails.
	codesADay = 20
)

// A purpose is what a mailed code is good for. An account has one code for each at most: a new one replaces it.
type purpose string

const (
	verifyPurpose purpose = "verify"
	resetPurpose  purpose = "reset"
)

// newCode makes a code of six digits, each as likely as any other.
func newCode(random io.Reader) (string, error) {
	n, err := rand.Int(random, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("no randomness for a code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

// hashOfCode is what is kept of a code. The salt is made anew for each, so that equal codes do not look equal.
func hashOfCode(salt string, account int64, of purpose, code string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	fmt.Fprintf(mac, "%d %s %s", account, of, code)
	return hex.EncodeToString(mac.Sum(nil))
}

// wrongCode is the fault of every code that does not work. Which of the reasons it is would help only those who guess.
func wrongCode() *contract.Error {
	return contract.Invalid(contract.Field("/code", gen.FieldCodeNotAllowed, "is wrong, used or expired"))
}

// spendCode is the step that takes a code from the account with an e-mail address, and tells whether it was the right
// one, which works once. A wrong try counts: the transaction must be committed in either case.
func (k *core) spendCode(ctx context.Context, tx *store.Tx, email string, of purpose, code string) (account store.Account, right bool, err error) {
	account, err = tx.Auth.GetAccountByEmail(ctx, email)
	if errors.Is(err, store.ErrNotFound) {
		return account, false, nil
	}
	if err != nil {
		return account, false, err
	}
	kept, err := tx.Auth.TryCode(ctx, account.AccountNumber, string(of), codeTries, k.now())
	if errors.Is(err, store.ErrNotFound) {
		return account, false, nil
	}
	if err != nil {
		return account, false, err
	}
	if subtle.ConstantTimeCompare([]byte(kept.Hash), []byte(hashOfCode(kept.Salt, account.AccountNumber, of, code))) == 0 {
		return account, false, nil
	}
	return account, true, tx.Auth.EndCode(ctx, email, string(of))
}

// mailCode is the step that mails a new code to an address, if it belongs to an account. Whether it does is looked up when
// the mail is made: until then the work is the same in every case, and the code that there was is good, for nobody but the
// reader of the mail may be able to end it.
func mailCode(ctx context.Context, tx *store.Tx, email string, of purpose) error {
	return tx.Jobs.Insert(ctx, codeMail{Email: email, Purpose: of})
}
