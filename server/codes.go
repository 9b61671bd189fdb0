package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const (
	codeLife = 15 * time.Minute
	// How often a code may be tried: by each network; and by all together that have neither asked for it nor signed in to the
	// account before, so that one of them does not use up what the others have, and many do not find it out.
	codeTries     = 5
	strangerTries = 10
	// How many wrong codes a network may try, for all accounts together: else it had as many tries as there are accounts.
	wrongCodesAtOnce = 60
	wrongCodesEvery  = time.Minute
)

// How many codes of each purpose are mailed to one mailbox: to a network; and to all together that have not signed in to the
// account before. A network gets fewer than all of them: it does not stop the mails that others ask for. A registration counts
// for its network alone: else strangers could keep the owner of an address from registering it. So each network may have 8
// codes mailed on the first day and 4 on each further one, and with 15 tries for each, a thousand networks have 120,000 of 2^40.
// Over all accounts together, a network has 60 wrong tries and one more a minute: 1,500 on a day. Whoever has a thousand
// networks, and as many accounts as they like, guesses some code within a day once in 700,000 times.
var (
	codesOfNetwork   = store.Quota{AtOnce: 5, Every: 6 * time.Hour}
	codesOfStrangers = store.Quota{AtOnce: 10, Every: 3 * time.Hour}
)

// verifyMails is how many mails a network may have sent to addresses that nobody has proved, all together: 20 an hour, and some
// more at once. Config.RateLimit scales it.
var verifyMails = store.Quota{AtOnce: 60, Every: 3 * time.Minute}

// scaled is a quota times a factor. A factor of 0 counts as 1; a negative one ends it.
func scaled(of store.Quota, factor float64) store.Quota {
	switch {
	case factor < 0:
		return store.Quota{}
	case factor == 0:
		return of
	}
	return store.Quota{AtOnce: max(1, int(float64(of.AtOnce)*factor)), Every: max(time.Second, time.Duration(float64(of.Every)/factor))}
}

// anyMailbox is under which number the mails to all addresses are counted. It is no account's.
const anyMailbox = 0

// A purpose is what a mailed code is good for. An account has one code for each at most: a new one replaces it.
type purpose string

const (
	verifyPurpose purpose = "verify"
	resetPurpose  purpose = "reset"
)

// crockford writes 5 bits a character, without letters that look like another one.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// newCode makes a code of 40 random bits: few enough to be typed, and too many to be found for any of many accounts.
func newCode(random io.Reader) (string, error) {
	bits := make([]byte, 5)
	if _, err := io.ReadFull(random, bits); err != nil {
		return "", fmt.Errorf("no randomness for a code: %w", err)
	}
	return crockford.EncodeToString(bits), nil
}

// codeInMail is a code as it is shown.
func codeInMail(code string) string { return code[:4] + "-" + code[4:] }

// likeLetters are what somebody may type for a character of a code.
var likeLetters = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1")

// codeAsTyped is the code that somebody means who has typed it.
func codeAsTyped(text string) string { return likeLetters.Replace(strings.ToUpper(text)) }

// hashOfCode is what is kept of a code. The salt is made anew for each, so that equal codes do not look equal. A code that
// verifies is of one registration; a code for a new password is of whoever has the address.
func hashOfCode(salt string, of purpose, holder store.Registration, code string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	fmt.Fprintf(mac, "%d %s", holder.AccountNumber, of)
	if of == verifyPurpose {
		fmt.Fprintf(mac, " %s", holder.ID)
	}
	fmt.Fprintf(mac, " %s", code)
	return hex.EncodeToString(mac.Sum(nil))
}

// wrongCode is the fault of every code that does not work. Which of the reasons it is would help only those who guess.
func wrongCode() *contract.Error {
	return contract.Invalid(contract.Field("/code", gen.FieldCodeNotAllowed, "is wrong, used or expired"))
}

// holderOf finds whom an address belongs to: an account, or else a registration. An account is verified, unless an API key has
// made it and nobody has proved the address yet.
// Its number is 0 if there is none.
func (k *core) holderOf(ctx context.Context, q store.Queries, email string) (holder store.Registration, err error) {
	account, err := q.Auth.GetAccountByEmail(ctx, email)
	registration, also := q.Registrations.Get(ctx, email, k.now()) // asked in any case, so that the time does not tell
	switch {
	case err == nil:
		return store.Registration{Account: account}, nil
	case !errors.Is(err, store.ErrNotFound):
		return holder, err
	case errors.Is(also, store.ErrNotFound):
		return holder, nil
	}
	return registration, also
}

// A triedCode is a code that was tried, and whose it is.
type triedCode struct {
	store.Code
	holder store.Registration
	right  bool
}

// tryCode is the step that tries the code that was mailed to an address. It is not right either if it may not be tried any
// more from here. A wrong try counts: the transaction must be committed in either case.
func (k *core) tryCode(ctx context.Context, tx *store.Tx, email string, of purpose, code string) (tried triedCode, err error) {
	holder, err := k.holderOf(ctx, tx.Queries, email)
	if err != nil {
		return tried, err
	}
	from, err := k.placeOf(ctx, tx.Queries, holder.AccountNumber)
	if err != nil {
		return tried, err
	}
	kept, err := tx.Codes.Try(ctx, store.Try{
		Account: numberFor(holder, email), Purpose: string(of), Network: from.name, Known: from.known,
		Life: codeLife, OfNetwork: codeTries, OfStrangers: strangerTries,
	}, k.now())
	right := subtle.ConstantTimeCompare([]byte(kept.Hash), []byte(hashOfCode(kept.Salt, of, holder, codeAsTyped(code)))) == 1
	if errors.Is(err, store.ErrNotFound) {
		right, err = false, nil
	}
	return triedCode{kept, holder, right}, err
}

// numberFor is under which number the tries for an address are counted. An address that nobody has gets one of its own, which
// is no account's: if all of them had one together, whoever has used that up would learn from the time of the next try
// whether an address is somebody's.
func numberFor(holder store.Registration, email string) int64 {
	if holder.AccountNumber != 0 {
		return holder.AccountNumber
	}
	sum := sha256.Sum256([]byte(email))
	return -1 - int64(binary.BigEndian.Uint32(sum[:])>>1)
}

// countWrongCode counts a try against the wrong codes of its network, until it is taken back. Where too many were tried, a
// code may still be tried from where the account was signed in to before: nobody there is kept out by neighbours.
func (k *core) countWrongCode(ctx context.Context, email string) (takeBack func(), err error) {
	network := networkHash(ctx)
	wait := k.wrongCodes.Take(network, k.now())
	if wait == 0 {
		return func() { k.wrongCodes.Give(network) }, nil
	}
	holder, err := k.holderOf(ctx, k.store.Queries, email)
	if err != nil {
		return nil, err
	}
	from, err := k.placeOf(ctx, k.store.Queries, holder.AccountNumber)
	if err == nil && !from.known {
		err = contract.RateLimited(wait)
	}
	return func() {}, err
}

// spend is the step that uses up a code that was tried, and returns whose it is now. It is a wrongCode if it was used or
// replaced in the meantime.
func (k *core) spend(ctx context.Context, tx *store.Tx, code triedCode) (store.Registration, error) {
	spent, err := tx.Codes.Spend(ctx, code.Code)
	if err != nil {
		return store.Registration{}, err
	}
	holder, err := k.holderOf(ctx, tx.Queries, code.holder.Email)
	if err != nil {
		return holder, err
	}
	// A code for a new password outlives a registration that another one replaces: whoever has the mail has the address.
	if !spent || holder.AccountNumber != code.holder.AccountNumber || code.Purpose == string(verifyPurpose) && holder.ID != code.holder.ID {
		return holder, wrongCode()
	}
	return holder, nil
}

// mailCode is the step that mails a new code to an address, if it belongs to somebody whom it serves. Whether it does is
// looked up when the mail is made: until then the work is the same in every case, and the code that there was is good, for
// nobody but the reader of the mail may be able to end it.
func mailCode(ctx context.Context, tx *store.Tx, mail codeMail) error {
	mail.Network, mail.Device = networkHash(ctx), deviceName(ctx)
	return tx.Jobs.Insert(ctx, mail)
}
