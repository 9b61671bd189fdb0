package server

import (
	"context"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/riverqueue/river"
)

// sweepEvery is how often what has expired is removed. It has no effect before that either.
const sweepEvery = time.Hour

// sweep is the job of removing it.
type sweep struct{}

// Kind is the name of the job in the database.
func (sweep) Kind() string { return "sweep" }

type sweeper struct {
	river.WorkerDefaults[sweep]
	*core
}

// Timeout is long enough for a place of images that answers slowly. What is left then is for the next time.
func (sweeper) Timeout(*river.Job[sweep]) time.Duration { return sweepEvery / 2 }

// Work removes the sessions, logins to pages, codes, registrations, invites and kept answers that have expired, images that nothing shows any
// more or never has, the old events of accounts, and the audit trails of servers that were deleted long ago. There may be as
// many of them as strangers have cared to make: each kind goes in steps, and for the rest Work asks to be run again. What
// fails keeps no other kind.
func (w sweeper) Work(ctx context.Context, _ *river.Job[sweep]) error {
	now, rest := w.now(), false
	errs := []error{w.sweepImages(ctx), w.wakeBoards(ctx)}
	for _, some := range []func(tx *store.Tx) (more bool, err error){
		func(tx *store.Tx) (bool, error) { return tx.Auth.DeleteExpired(ctx, now, removedAtOnce) },
		func(tx *store.Tx) (bool, error) { return tx.Auth.DeleteExpiredPageLogins(ctx, now, removedAtOnce) },
		func(tx *store.Tx) (bool, error) {
			return tx.Auth.DeleteEvents(ctx, now.Add(-authEventLife), removedAtOnce)
		},
		func(tx *store.Tx) (bool, error) {
			return tx.Auth.DeleteTries(ctx, now.Add(-otpStrangerLife), removedAtOnce)
		},
		func(tx *store.Tx) (bool, error) {
			return tx.Messages.DeleteUnused(ctx, now.Add(-unusedImageLife), now, sweptAtOnce)
		},
		func(tx *store.Tx) (bool, error) { return tx.Registrations.DeleteExpired(ctx, now, removedAtOnce) },
		func(tx *store.Tx) (bool, error) { return tx.Codes.DeleteExpired(ctx, now, removedAtOnce) },
		func(tx *store.Tx) (bool, error) { return tx.Idempotency.DeleteExpired(ctx, now, removedAtOnce) },
		func(tx *store.Tx) (bool, error) {
			n, err := tx.Vouchers.Expire(ctx, "", now, removedAtOnce)
			return n > 0, err
		},
		func(tx *store.Tx) (bool, error) {
			return tx.Invites.DeleteExpired(ctx, now, now.Add(-endedInvites), removedAtOnce)
		},
		func(tx *store.Tx) (bool, error) {
			return tx.Webhooks.DeleteExpired(ctx, now, removedAtOnce)
		},
		func(tx *store.Tx) (bool, error) {
			return tx.Webhooks.EndFollowing(ctx, now.Add(-livesFor), removedAtOnce)
		},
		func(tx *store.Tx) (bool, error) {
			return tx.Bulk.DeleteExpired(ctx, now.Add(-bulkLife), now.Add(-bulkSilence), removedAtOnce)
		},
		func(tx *store.Tx) (bool, error) {
			return tx.Widgets.DeleteSigningKeys(ctx, now.Add(-signingKeyIsKept), removedAtOnce)
		},
	} {
		more, err := w.inSteps(ctx, some)
		rest, errs = rest || more, append(errs, err)
	}
	errs = append(errs, w.endTrails(ctx))
	if err := errors.Join(errs...); err != nil || !rest {
		return err
	}
	return river.JobSnooze(0)
}

// trailsAtOnce is how many trails one transaction gives to be removed.
const trailsAtOnce = 100

// endTrails has the trails of those servers removed that were deleted so long ago that nobody may read them any more: of all of
// them, or they would be kept for longer than the contract says.
func (w sweeper) endTrails(ctx context.Context) error {
	until := w.now().Add(-deletedTrailLife)
	for last := (*store.Deletion)(nil); ; {
		ended, err := inTx(ctx, w.core, func(tx *store.Tx) ([]store.Deletion, error) {
			ended, err := tx.Audit.ListDeletions(ctx, last, until, trailsAtOnce)
			for i := 0; i < len(ended) && err == nil; i++ {
				err = tx.Jobs.Insert(ctx, trailRemoval{ServerID: ended[i].ServerID})
			}
			return ended, err
		})
		if err != nil || len(ended) < trailsAtOnce {
			return err
		}
		last = &ended[len(ended)-1]
	}
}

// What is deleted is there no more for anybody, and what it has left is removed afterwards, by a job of its own: there may
// be any amount of it.
type removal interface {
	river.JobArgs
	// deleteRest removes some rows, and tells whether there may be more.
	deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (more bool, err error)
}

// The jobs of removing what a deleted server, role, badge, field, streak, mini game, product, channel, message or account has left, and in the end the audit
// trail of the server.
type (
	serverRemoval struct {
		ServerID string `json:"serverId"`
	}
	roleRemoval struct {
		RoleID string `json:"roleId"`
	}
	badgeRemoval struct {
		BadgeID string `json:"badgeId"`
	}
	fieldRemoval struct {
		FieldID string `json:"fieldId"`
	}
	streakRemoval struct {
		ServerID string `json:"serverId"`
		StreakID string `json:"streakId"`
	}
	gameRemoval struct {
		GameID string `json:"gameId"`
	}
	productRemoval struct {
		ProductID string `json:"productId"`
	}
	trailRemoval struct {
		ServerID string `json:"serverId"`
	}
	channelRemoval struct {
		ChannelID string `json:"channelId"`
		TopicID   string `json:"topicId,omitempty"` // of the channel: only that is gone
	}
	reactionRemoval struct {
		Message int64 `json:"message"`
	}
	accountRemoval struct {
		Account int64 `json:"account"`
	}
	webhookRemoval struct {
		WebhookID string `json:"webhookId"`
	}
	bulkRemoval struct {
		BulkID string `json:"bulkId"` // of which some rows are not done
	}
)

// Kind is the name of the job in the database.
func (serverRemoval) Kind() string { return "removal" }

// Kind is the name of the job in the database.
func (roleRemoval) Kind() string { return "role_removal" }

// Kind is the name of the job in the database.
func (badgeRemoval) Kind() string { return "badge_removal" }

// Kind is the name of the job in the database.
func (fieldRemoval) Kind() string { return "field_removal" }

// Kind is the name of the job in the database.
func (streakRemoval) Kind() string { return "streak_removal" }

// Kind is the name of the job in the database.
func (gameRemoval) Kind() string { return "game_removal" }

// Kind is the name of the job in the database.
func (productRemoval) Kind() string { return "product_removal" }

// Kind is the name of the job in the database.
func (trailRemoval) Kind() string { return "trail_removal" }

// Kind is the name of the job in the database.
func (channelRemoval) Kind() string { return "channel_removal" }

// Kind is the name of the job in the database.
func (reactionRemoval) Kind() string { return "reaction_removal" }

// Kind is the name of the job in the database.
func (accountRemoval) Kind() string { return "account_removal" }

// Kind is the name of the job in the database.
func (bulkRemoval) Kind() string { return "bulk_removal" }

// Kind is the name of the job in the database.
func (webhookRemoval) Kind() string { return "webhook_removal" }

func (r webhookRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Webhooks.DeleteRest(ctx, r.WebhookID, some)
}

func (r bulkRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Bulk.DeleteLines(ctx, r.BulkID, some)
}

func (r accountRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Auth.EraseRest(ctx, r.Account, some, now)
}

func (r channelRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Messages.DeleteRest(ctx, store.MessageScope{ChannelID: r.ChannelID, TopicID: r.TopicID}, some, now)
}

func (r reactionRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Messages.DeleteReactions(ctx, r.Message, some)
}

func (r trailRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Audit.DeleteRest(ctx, r.ServerID, some)
}

func (r serverRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Servers.DeleteRest(ctx, r.ServerID, some, now)
}

func (r roleRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Roles.DeleteRest(ctx, r.RoleID, some)
}

func (r badgeRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Badges.DeleteRest(ctx, r.BadgeID, some, now)
}

func (r fieldRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Fields.DeleteRest(ctx, r.FieldID, some)
}

func (r streakRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Streaks.DeleteRest(ctx, r.ServerID, r.StreakID, some)
}

func (r gameRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Games.DeleteRest(ctx, r.GameID, some)
}

func (r productRemoval) deleteRest(ctx context.Context, tx *store.Tx, some int, now time.Time) (bool, error) {
	return tx.Products.DeleteRest(ctx, r.ProductID, some)
}

// How many rows one transaction of a removal takes, and how many of those one run of it has at most: others have their turn in
// between.
const (
	removedAtOnce = 500
	removalSteps  = 100
)

// inSteps does something part by part, each in a transaction of its own, until there is no more of it. After removalSteps it
// stops, and tells that there may be more.
func (k *core) inSteps(ctx context.Context, some func(tx *store.Tx) (more bool, err error)) (more bool, err error) {
	for range removalSteps {
		if more, err = inTx(ctx, k, some); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

type remover[R removal] struct {
	river.WorkerDefaults[R]
	*core
}

// Work removes a part, and asks to be run again for the rest.
func (w remover[R]) Work(ctx context.Context, job *river.Job[R]) error {
	more, err := w.inSteps(ctx, func(tx *store.Tx) (bool, error) { return job.Args.deleteRest(ctx, tx, removedAtOnce, w.now()) })
	if err != nil || !more {
		return err
	}
	return river.JobSnooze(0)
}

// keysEnd is the job of deleting the keys for which an account vouched at a moment.
type keysEnd struct {
	Account int64     `json:"account"`
	Until   time.Time `json:"until"`
}

// Kind is the name of the job in the database.
func (keysEnd) Kind() string { return "keys_end" }

type keysEnder struct {
	river.WorkerDefaults[keysEnd]
	*core
}

// Work deletes a part, and asks to be run again for the rest.
func (w keysEnder) Work(ctx context.Context, job *river.Job[keysEnd]) error {
	more, err := w.inSteps(ctx, func(tx *store.Tx) (bool, error) { return w.endSomeKeys(ctx, tx, job.Args) })
	if err != nil || !more {
		return err
	}
	return river.JobSnooze(0)
}

// keysAtOnce is how many keys one transaction deletes.
const keysAtOnce = 100

// endSomeKeys is the step that deletes a part of the keys, and tells whether there may be more. The audit trails of their
// servers have each.
func (k *core) endSomeKeys(ctx context.Context, tx *store.Tx, of keysEnd) (more bool, err error) {
	keys, err := tx.Keys.ListOfAccount(ctx, of.Account, of.Until, keysAtOnce)
	if err != nil {
		return false, err
	}
	for _, key := range keys {
		if err := tx.Keys.Delete(ctx, key.ID); err != nil {
			return false, err
		}
		if err := tx.Audit.Insert(ctx, key.CommunityID, gen.AuditEntry{
			ID: k.newID(), Actor: gen.AuditActor{Type: "account", ID: store.Number(of.Account)},
			Action: gen.AuditActionKeyDelete, Target: key.ID, At: gen.Time{Time: k.now()},
		}, stateOf(&key), nil); err != nil {
			return false, err
		}
	}
	return len(keys) == keysAtOnce, nil
}

// endKeys is the step that deletes the keys for which an account vouches: those that are many, afterwards.
func (k *core) endKeys(ctx context.Context, tx *store.Tx, account int64) error {
	all := keysEnd{Account: account, Until: k.now()}
	more, err := k.endSomeKeys(ctx, tx, all)
	if err == nil && more {
		err = tx.Jobs.Insert(ctx, all)
	}
	if err == nil {
		err = k.addEvent(ctx, tx, account, gen.AuthEventKindKeyEnd, "", "")
	}
	return err
}

// startJobs begins the background work of the server.
func (k *core) startJobs() (stop func(context.Context), err error) {
	own := *k // a test that changes the clock of the requests must not do so under a running job
	workers := river.NewWorkers()
	river.AddWorker(workers, codeMailWorker{core: &own})
	river.AddWorker(workers, keyMailWorker{core: &own})
	river.AddWorker(workers, sweeper{core: &own})
	river.AddWorker(workers, snapshotCounter{core: &own})
	river.AddWorker(workers, boardsRefresher{core: &own})
	river.AddWorker(workers, keysEnder{core: &own})
	river.AddWorker(workers, remover[serverRemoval]{core: &own})
	river.AddWorker(workers, remover[roleRemoval]{core: &own})
	river.AddWorker(workers, remover[badgeRemoval]{core: &own})
	river.AddWorker(workers, remover[fieldRemoval]{core: &own})
	river.AddWorker(workers, remover[streakRemoval]{core: &own})
	river.AddWorker(workers, remover[gameRemoval]{core: &own})
	river.AddWorker(workers, remover[productRemoval]{core: &own})
	river.AddWorker(workers, remover[trailRemoval]{core: &own})
	river.AddWorker(workers, remover[channelRemoval]{core: &own})
	river.AddWorker(workers, remover[reactionRemoval]{core: &own})
	river.AddWorker(workers, remover[accountRemoval]{core: &own})
	river.AddWorker(workers, remover[bulkRemoval]{core: &own})
	river.AddWorker(workers, bulkRunner{core: &own})
	river.AddWorker(workers, remover[webhookRemoval]{core: &own})
	river.AddWorker(workers, webhookSpreader{core: &own})
	river.AddWorker(workers, webhookLaneRunner{core: &own})
	river.AddWorker(workers, webhookReplayer{core: &own})
	river.AddWorker(workers, webhookMailer{core: &own})
	stopJobs, err := k.store.Work(workers, []*river.PeriodicJob{
		river.NewPeriodicJob(river.PeriodicInterval(sweepEvery), func() (river.JobArgs, *river.InsertOpts) { return sweep{}, nil },
			&river.PeriodicJobOpts{RunOnStart: true}),
	}, k.log)
	if err != nil {
		return nil, err
	}
	stopWatching, stopSending := own.watchBulk(), own.watchWebhooks()
	return func(ctx context.Context) {
		stopWatching()
		stopSending()
		stopJobs(ctx)
	}, nil
}
