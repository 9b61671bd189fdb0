package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/mailer"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/riverqueue/river"
)

// mailTries is how often a mail is tried: over about a quarter of an hour. After that, who waits for it has asked again.
const mailTries = 6

// codeMail is the job of mailing a code. The code is not part of it: it is made when the mail is, so that it is kept
// nowhere but as a hash, and every further try sends a new one.
type codeMail struct {
	Email   string  `json:"email"`
	Purpose purpose `json:"purpose"`
	// Registration is the id of the one that the code verifies, and no other: it may have been replaced by the time that the
	// mail is made.
	Registration string `json:"registration,omitempty"`
	Network      string `json:"network,omitempty"` // that has asked for it
	Device       string `json:"device,omitempty"`  // likewise
	Counted      bool   `json:"counted,omitempty"` // against the quotas
}

// Kind is the name of the job in the database.
func (codeMail) Kind() string { return "code_mail" }

// InsertOpts is how the job is run.
func (codeMail) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: mailTries} }

// codeMailWorker does the job.
type codeMailWorker struct {
	river.WorkerDefaults[codeMail]
	*core
}

// Work makes a code, keeps its hash instead of the earlier one's, and sends it.
func (w codeMailWorker) Work(ctx context.Context, job *river.Job[codeMail]) error {
	email, of := job.Args.Email, job.Args.Purpose
	code, err := newCode(w.random)
	if err != nil {
		return err
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(w.random, salt); err != nil {
		return fmt.Errorf("no randomness for a code: %w", err)
	}
	_, err = inTx(ctx, w.core, func(tx *store.Tx) (done struct{}, err error) {
		holder, err := w.holderOf(ctx, tx.Queries, email)
		if err != nil {
			return done, err
		}
		// The request was answered as if there were something to send.
		if holder.AccountNumber == 0 || of == verifyPurpose && (holder.Verified || holder.ID != job.Args.Registration) {
			return done, errNoMail
		}
		from, err := w.placeIn(ctx, tx.Queries, holder.AccountNumber, job.Args.Network, job.Args.Device)
		if err != nil {
			return done, err
		}
		// A mail that is tried again is still the same mail.
		if job.Attempt == 1 && !job.Args.Counted {
			wait, err := w.countMail(ctx, tx, holder, of, from.name, false)
			if err != nil {
				return done, err
			}
			if wait > 0 {
				return done, errNoMail
			}
		}
		kept := store.Code{
			Account: holder.AccountNumber, Purpose: string(of), Salt: hex.EncodeToString(salt), Network: from.name,
			ExpiresAt: w.now().Add(codeLife),
		}
		kept.Hash = hashOfCode(kept.Salt, of, holder, code)
		return done, tx.Codes.Insert(ctx, kept)
	})
	if errors.Is(err, errNoMail) {
		return nil
	}
	if err != nil {
		return err
	}
	text := mailTexts[of]
	err = w.mailer.Send(ctx, mailer.Message{
		ID: w.newID(), Date: w.now(), To: email, Subject: text.subject, Text: fmt.Sprintf(text.text, codeInMail(code), codeLife/time.Minute),
	})
	if errors.Is(err, mailer.ErrPermanent) {
		return river.JobCancel(err)
	}
	return err
}

// errNoMail ends the transaction of a mail that is not to be sent, and what it has counted.
var errNoMail = errors.New("there is no mail to send")

// countMail is the step that counts a mail against the quotas of its network and of its mailbox. If one is used up, it returns
// how long until it is not: then the transaction must be rolled back. With own, what all strangers share is left out.
func (k *core) countMail(ctx context.Context, tx *store.Tx, holder store.Registration, of purpose, network string, own bool) (wait time.Duration, err error) {
	known, err := tx.Networks.IsKnown(ctx, holder.AccountNumber, network, k.now())
	if err != nil {
		return 0, err
	}
	if of == verifyPurpose && !known && k.verifyMails.AtOnce > 0 {
		wait, err := tx.Codes.Ask(ctx, store.Asking{Account: anyMailbox, Purpose: string(of), Network: network, Known: true, OfNetwork: k.verifyMails}, k.now())
		if err != nil || wait > 0 {
			return wait, err
		}
	}
	return tx.Codes.Ask(ctx, store.Asking{
		Account: numberFor(store.Registration{}, mailbox(holder.Email)), Purpose: string(of), Network: network, Known: known || own,
		OfNetwork: codesOfNetwork, OfStrangers: codesOfStrangers,
	}, k.now())
}

// mailbox is where the mails to an address arrive: what follows a + before the @ is mostly a mark of its reader's own.
func mailbox(email string) string {
	at := strings.LastIndex(email, "@")
	name, _, _ := strings.Cut(email[:at], "+")
	return name + email[at:]
}

// What the mails say. Nothing that somebody typed stands in them: else anybody could mail anything to anybody.
var mailTexts = map[purpose]struct{ subject, text string }{
	verifyPurpose: {"Your code to verify your e-mail address", `Hello,

welcome! This is the code that verifies your e-mail address:

    %s

It works once, for %d minutes.

If you have not registered, please ignore this mail: without the code, nothing happens.
`},
	resetPurpose: {"Your code to set a new password", `Hello,

this is the code with which you can set a new password:

    %s

It works once, for %d minutes.

If you have not asked for it, please ignore this mail: without the code, your password stays as it is.
`},
}
