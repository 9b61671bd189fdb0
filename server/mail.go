package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	wanted, err := inTx(ctx, w.core, func(tx *store.Tx) (bool, error) {
		account, err := tx.Auth.GetAccountByEmail(ctx, email)
		if errors.Is(err, store.ErrNotFound) || (err == nil && of == verifyPurpose && account.Verified) {
			return false, nil // the request was answered as if there were something to send
		}
		if err != nil {
			return false, err
		}
		now := w.now()
		kept := store.Code{Account: account.AccountNumber, Purpose: string(of), Salt: hex.EncodeToString(salt), CreatedAt: now, ExpiresAt: now.Add(codeLife)}
		kept.Hash = hashOfCode(kept.Salt, account.AccountNumber, of, code)
		counted := int64(0) // a mail that is tried again is still the same mail
		if job.Attempt == 1 {
			counted = 1
		}
		return tx.Auth.InsertCode(ctx, kept, counted, codesADay)
	})
	if err != nil || !wanted {
		return err
	}
	text := mailTexts[of]
	err = w.mailer.Send(ctx, mailer.Message{
		ID: w.newID(), Date: w.now(), To: email, Subject: text.subject, Text: fmt.Sprintf(text.text, code, codeLife/time.Minute),
	})
	if errors.Is(err, mailer.ErrPermanent) {
		return river.JobCancel(err)
	}
	return err
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
