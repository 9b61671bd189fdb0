package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/mailer"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/riverqueue/river"
)

// keyMail is the job of telling an account that it vouches for an API key from now on: if it was not the account's holder
// who has made or adopted the key, they learn of it. Nothing in it is secret.
type keyMail struct {
	Account   int64    `json:"account"`
	Community string   `json:"community"`
	Key       string   `json:"key"` // its name
	At        gen.Time `json:"at"`
	Done      keyDeed  `json:"done"`
	OfUser    bool     `json:"ofUser,omitempty"` // it acts for the account
}

// A keyDeed is how an account came to vouch for a key, or for more of it.
type keyDeed string

const (
	keyMade    keyDeed = "made"
	keyAdopted keyDeed = "adopted"
	keyWidened keyDeed = "widened" // only one of a user
)

// Kind is the name of the job in the database.
func (keyMail) Kind() string { return "key_mail" }

// InsertOpts is how the job is run.
func (keyMail) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: mailTries} }

type keyMailWorker struct {
	river.WorkerDefaults[keyMail]
	*core
}

// Work sends the mail. The names in it were typed by somebody, but not by strangers: the community's by who owns or
// administers it, the key's by the reader. They are quoted, so that nothing in them is a line or a mark of its own.
func (w keyMailWorker) Work(ctx context.Context, job *river.Job[keyMail]) error {
	args := job.Args
	account, err := w.store.Auth.GetAccount(ctx, args.Account)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	text := keyMailText
	if args.OfUser {
		text = userKeyMailText
	}
	err = w.mailer.Send(ctx, mailer.Message{
		ID: w.newID(), Date: w.now(), To: account.Email, Subject: "An API key was " + string(args.Done) + " with your account",
		Text: fmt.Sprintf(text, args.Done, strconv.Quote(args.Key), strconv.Quote(args.Community), args.At.UTC().Format("2 January 2006, 15:04 UTC")),
	})
	if errors.Is(err, mailer.ErrPermanent) {
		return river.JobCancel(err)
	}
	return err
}

const keyMailText = `Hello,

with your account, an API key was %s:

    key:       %s
    community: %s
    when:      %s

Programs that have the key may act for the community for as long as you may make keys there.

If this was not you, delete the key and set a new password at once.
`

const userKeyMailText = `Hello,

with your account, a user API key was %s:

    key:       %s
    community: %s
    when:      %s

Programs that have the key may act as you in the community, as far as its permissions go.

If this was not you, delete the key and set a new password at once.
`
