package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/guard"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/logsample"
	"github.com/rejoin-dev/rejoin/server/internal/mailer"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
	"github.com/rejoin-dev/rejoin/server/internal/password"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// core is the ground on which all operations stand. It knows none of them.
type core struct {
	store     *store.Store
	data      string
	pictures  *memory.Budget      // of images that are written anew
	keeping   *semaphore.Weighted // of those, to keep them
	images    *images.Store       // nil, as the mailer, if there are only commands
	mailer    mailer.Mailer
	passwords *password.Hasher
	memory    *memory.Budget // of what requests need much of at once
	bodies    *memory.Budget // the same, for what they have sent
	senders   *memory.Budget // the same, while they send it
	files     *bodyTurns     // of who sends files of members
	notes     *notes
	guesses   *ratelimit.Limiter // of a password, by strangers together; every replica has its own
	// wrongCodes are those that a network has tried, for whatever accounts; every replica has its own.
	wrongCodes *ratelimit.Limiter
	// verifyMails of a network. Without AtOnce, they are not limited.
	verifyMails store.Quota
	madeUsers   store.Quota // how many accounts the API keys make for which one vouches
	vault       vault
	signing     *signingKeys
	outside     *guard.Client // for addresses that others have chosen
	reaches     guard.Guard   // which of those it calls
	imported    store.Quota   // the same, from files
	// incoming are the calls of an incoming webhook; every replica has its own. Nil: they are not limited.
	incoming  *ratelimit.Limiter
	stepLasts time.Duration // of the rows of a file
	live      *live
	publicURL string
	log       *slog.Logger
	now       func() time.Time // the only clock
	newID     func() string    // the only maker of ids
	random    io.Reader        // the only source of secrets
}

func newCore(ctx context.Context, config Config) (*core, error) {
	log := config.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = slog.New(logsample.New(log.Handler()))
	now, newID := config.Now, config.NewID
	if now == nil {
		now = time.Now
	}
	if newID == nil {
		newID = contract.NewID
	}
	k := &core{
		data:        config.Data,
		pictures:    memory.New(pictureMemory),
		keeping:     semaphore.NewWeighted(keptAtOnce),
		passwords:   password.New(),
		memory:      memory.New(requestMemory),
		bodies:      memory.New(bodyMemory),
		senders:     memory.New(senderMemory),
		files:       &bodyTurns{most: store.MaxBulkArriving},
		notes:       newNotes(),
		signing:     &signingKeys{opened: map[string][]byte{}},
		guesses:     ratelimit.New(guessesAtOnce, guessesEvery),
		wrongCodes:  ratelimit.New(wrongCodesAtOnce, wrongCodesEvery),
		verifyMails: scaled(verifyMails, config.RateLimit), madeUsers: scaled(madeUsers, config.RateLimit), imported: scaled(importedUsers, config.RateLimit), stepLasts: bulkStepLasts,
		publicURL: strings.TrimSuffix(config.PublicURL, "/"),
		log:       log,
		now:       now,
		newID:     newID,
		random:    rand.Reader,
		reaches:   guard.Guard{Allow: config.WebhookAllow},
	}
	k.outside = guard.NewClient(k.reaches, nil)
	k.incoming = limiterOr(incomingCalls, config.RateLimit)
	k.live = newLive(k)
	if !config.CommandsOnly {
		if err := k.openFiles(ctx, config); err != nil {
			return nil, err
		}
	}
	database := config.Database
	if database == "" {
		database = filepath.Join(config.Data, DatabaseFile)
	}
	var err error
	if k.store, err = store.Open(ctx, database, log); err != nil {
		return nil, errors.Join(err, k.closeImages())
	}
	if !config.CommandsOnly {
		if err := k.openVault(ctx, config); err != nil {
			return nil, errors.Join(err, k.store.Close(), k.closeImages())
		}
		k.removeOldScratch(config)
	}
	return k, nil
}

// removeOldScratch removes what a server that died was taking in. The owner of a SQLite file has the directory for itself.
func (k *core) removeOldScratch(config Config) {
	before := time.Now() // by the clock of the files
	if config.Database != "" {
		before = before.Add(-arrivesWithin)
	}
	if err := k.removeScratch(before); err != nil {
		k.log.Warn("what a server that died was taking in cannot be removed", slog.Any("error", err))
	}
}

// openFiles opens what a server that serves needs beside the database.
func (k *core) openFiles(ctx context.Context, config Config) (err error) {
	if err := os.MkdirAll(config.Data, 0o700); err != nil {
		return fmt.Errorf("the data directory cannot be used: %w", err)
	}
	k.closeToOthers(config)
	if k.mailer, err = mailer.Open(config.SMTP, filepath.Join(config.Data, "mail"), k.log); err != nil {
		return err
	}
	k.images, err = k.openImages(ctx, config)
	return err
}

func (k *core) openImages(ctx context.Context, config Config) (*images.Store, error) {
	kept, err := images.Open(ctx, config.ImagesAt(), k.log)
	if err != nil {
		return nil, fmt.Errorf("images cannot be kept: %w", err)
	}
	return kept, nil
}

func (k *core) closeImages() error {
	if k.images == nil {
		return nil
	}
	return k.images.Close()
}

// origin is what absolute addresses in answers begin with. It is never kept: without Config.PublicURL it is the word of the
// caller.
func (k *core) origin(ctx context.Context) string {
	if k.publicURL != "" {
		return k.publicURL
	}
	return contract.OriginFrom(ctx)
}

// inTx runs do in one transaction and returns what it returns. The transaction may be run again: do assigns nothing outside
// of itself.
func inTx[T any](ctx context.Context, k *core, do func(*store.Tx) (T, error)) (T, error) {
	return in(ctx, k.store.Tx, do)
}

// inSharedTx is inTx for what many do at once, in one server or as one account. It runs beside others, and do must bear that:
// see store.SharedTx.
func inSharedTx[T any](ctx context.Context, k *core, do func(*store.Tx) (T, error)) (T, error) {
	return in(ctx, k.store.SharedTx, do)
}

// A transaction runs a function in one.
type transaction func(ctx context.Context, do func(*store.Tx) error) error

func in[T any](ctx context.Context, run transaction, do func(*store.Tx) (T, error)) (answer T, err error) {
	err = run(ctx, func(tx *store.Tx) (err error) {
		answer, err = do(tx)
		return err
	})
	return answer, err
}

// valueOf is what a parameter that may be left out holds, or the zero value.
func valueOf[T any](parameter *T) (value T) {
	if parameter != nil {
		value = *parameter
	}
	return value
}

// set changes what was given and leaves the rest.
func set[T any](value, given *T) {
	if given != nil {
		*value = *given
	}
}
