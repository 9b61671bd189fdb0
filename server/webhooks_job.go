package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/riverqueue/river"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/guard"
	"github.com/rejoin-dev/rejoin/server/internal/mailer"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/webhook"
)

// An event is spread to the webhooks that want it by a job of its own, and then goes through their lanes. A lane sends one delivery after
// the other; it is a row, which one run of a job has at a time, whichever server runs it: so no more calls of a webhook are under way than it
// has lanes, and what becomes of one is written down together with what comes next. One that answers slowly has one lane, in a queue of its own kind, and
// leaves most of the calls of its host to others, so that however many of them take no room from those. Should a run die, another one takes over its lane, and sends again what was on its way in it.

const (
	laneSlow      = 5 * time.Second  // as long as an answer takes that makes a webhook a slow one
	laneStalled   = 45 * time.Second // after which another run takes over
	laneLeaveOff  = 25 * time.Second // before a run ends, in which no call is begun
	slowOfHost    = 8                // calls of a host that are under way at once, beyond which no slow one begins
	hostAgain     = 2 * time.Second  // after which a host is called again of which too many calls were under way; up to twice as long
	hooksWatched  = time.Second      // how often somebody looks for what is due
	hooksAtOnce   = 100              // that are begun at once
	spreadLate    = 15 * time.Second // after which an event that was not spread is spread again
	triesKept     = 20               // of a delivery. The contract says so.
	replaysAtOnce = 100
)

var inWaiting = river.InsertOpts{Queue: store.WaitingJobs}

// webhookSpread is the job of making the deliveries of an event.
type webhookSpread struct {
	EventID string `json:"eventId"`
}

// Kind is the name of the job in the database.
func (webhookSpread) Kind() string { return "webhook_spread" }

// InsertOpts is how the job is run.
func (webhookSpread) InsertOpts() river.InsertOpts { return inWaiting }

type webhookSpreader struct {
	river.WorkerDefaults[webhookSpread]
	*core
}

// Work makes them, if they are not made yet.
func (w webhookSpreader) Work(ctx context.Context, job *river.Job[webhookSpread]) error {
	_, err := inSharedTx(ctx, w.core, func(tx *store.Tx) (none struct{}, err error) {
		event, err := tx.Webhooks.TakeEvent(ctx, job.Args.EventID)
		if errors.Is(err, store.ErrNotFound) {
			return none, nil
		}
		if err != nil {
			return none, err
		}
		wanting, err := tx.Webhooks.HoldWanting(ctx, event.ServerID, event.Kind)
		for i := 0; i < len(wanting) && err == nil; i++ {
			hook := wanting[i]
			if hook.IsActive && (!ofMessage(event.Kind) || len(hook.Channels) == 0 || slices.Contains(hook.Channels, event.ChannelID)) {
				_, err = w.deliver(ctx, tx, hook, event)
			}
		}
		return none, err
	})
	return err
}

// deliver is the step that makes a delivery. The transaction holds the webhook.
func (k *core) deliver(ctx context.Context, tx *store.Tx, w store.Webhook, e store.WebhookEvent) (store.WebhookDelivery, error) {
	now := gen.Time{Time: k.now()}
	d := store.WebhookDelivery{ServerID: w.CommunityID, ExpiresAt: now.Add(webhookLife), WebhookDelivery: gen.WebhookDelivery{
		ID: k.newID(), WebhookID: w.ID, EventID: e.ID, Type: gen.WebhookEventType(e.Kind), Status: gen.WebhookDeliveryStatusPending, NextTryAt: gen.NullableOf(now), CreatedAt: now, UpdatedAt: now,
	}}
	if err := tx.Webhooks.InsertDelivery(ctx, d); err != nil {
		return d, err
	}
	return d, k.beginLane(ctx, tx, w)
}

// beginLane is the step that begins another lane of a webhook, if it may have one. The transaction holds the webhook.
func (k *core) beginLane(ctx context.Context, tx *store.Tx, w store.Webhook) error {
	most := store.MaxLanes
	if w.Slow {
		most = 1
	}
	run := webhookLane{WebhookID: w.ID, Runner: k.newID(), Slow: w.Slow}
	var err error
	if run.Lane, err = tx.Webhooks.BeginLane(ctx, w.ID, most, run.Runner, k.now()); errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.Jobs.Insert(ctx, run)
}

// webhookLane is the job of sending what goes through a lane.
type webhookLane struct {
	WebhookID string `json:"webhookId"`
	Lane      int    `json:"lane"`
	Runner    string `json:"runner"`
	Slow      bool   `json:"slow,omitempty"`
}

// Kind is the name of the job in the database.
func (webhookLane) Kind() string { return "webhook_lane" }

// InsertOpts is how the job is run.
func (of webhookLane) InsertOpts() river.InsertOpts {
	if of.Slow {
		return river.InsertOpts{Queue: store.SlowJobs}
	}
	return inWaiting
}

type webhookLaneRunner struct {
	river.WorkerDefaults[webhookLane]
	*core
}

// NextRetry is soon: what goes through the lane waits.
func (w webhookLaneRunner) NextRetry(*river.Job[webhookLane]) time.Time {
	return time.Now().Add(boardsRetryAfter)
}

// A sending is a delivery that is on its way, and how the last one went.
type sending struct {
	hook     store.Webhook
	delivery store.WebhookDelivery
	body     string // empty: the event is too old, as send says
	over     bool   // there is none
}

// A tried is what became of a call.
type tried struct {
	delivery   store.WebhookDelivery
	try        gen.WebhookTry
	took       time.Duration
	retryAfter time.Duration
	busy       bool // it was not made: too many of its host are under way
}

// Work sends one after the other as long as one run may, and asks to be run again for the rest.
func (w webhookLaneRunner) Work(ctx context.Context, job *river.Job[webhookLane]) error {
	var last *tried
	for {
		next, err := inSharedTx(ctx, w.core, func(tx *store.Tx) (sending, error) { return w.nextSending(ctx, tx, job.Args, last) })
		if errors.Is(err, store.ErrUnavailable) && last != nil { // else nobody would know that it was sent, and it would be sent again
			select {
			case <-ctx.Done():
				return err
			case <-time.After(hooksWatched):
				continue
			}
		}
		if err != nil || next.over {
			return err
		}
		if ends, is := ctx.Deadline(); is && time.Until(ends) < laneLeaveOff { // it has the lane, and sends it first when it runs again
			return river.JobSnooze(0)
		}
		done := w.send(ctx, next)
		if ctx.Err() != nil { // the server stops: nobody knows how it went
			return ctx.Err()
		}
		last = &done
	}
}

// nextSending is the step between two calls: it writes down how the last one went, and what comes next.
func (k *core) nextSending(ctx context.Context, tx *store.Tx, of webhookLane, last *tried) (next sending, err error) {
	next.over = true
	next.hook, err = tx.Webhooks.Hold(ctx, of.WebhookID)
	if errors.Is(err, store.ErrNotFound) {
		return next, nil
	}
	if err != nil {
		return next, err
	}
	now := k.now()
	if has, err := tx.Webhooks.KeepLane(ctx, of.WebhookID, of.Lane, of.Runner, now); err != nil || !has {
		return next, err
	}
	if last != nil && last.busy {
		err := k.endLane(ctx, tx, of, now)
		return next, errors.Join(err, tx.Webhooks.Rouse(ctx, of.WebhookID, now.Add(hostAgain+rand.N(hostAgain))))
	}
	if last != nil {
		if err := k.settle(ctx, tx, &next.hook, *last); err != nil {
			return next, err
		}
	}
	if !next.hook.IsActive || next.hook.Slow != of.Slow { // it goes on in the other queue
		err := k.endLane(ctx, tx, of, now)
		if err == nil && next.hook.IsActive {
			err = k.beginLane(ctx, tx, next.hook)
		}
		return next, err
	}
	err = store.ErrNotFound
	if last == nil { // another run may have begun to send something
		next.delivery, next.body, err = tx.Webhooks.GetSending(ctx, of.WebhookID, of.Lane)
	}
	more := false
	if errors.Is(err, store.ErrNotFound) {
		next.delivery, next.body, more, err = tx.Webhooks.SendNext(ctx, of.WebhookID, of.Lane, now)
	}
	if errors.Is(err, store.ErrNotFound) {
		return next, tx.Webhooks.EndLane(ctx, of.WebhookID, of.Lane)
	}
	if err == nil && more {
		err = k.beginLane(ctx, tx, next.hook)
	}
	next.over = false
	return next, err
}

// endLane is the step that ends a lane in which something may be on its way still: another run had it before.
func (k *core) endLane(ctx context.Context, tx *store.Tx, of webhookLane, now time.Time) error {
	if err := tx.Webhooks.Return(ctx, of.WebhookID, of.Lane, now); err != nil {
		return err
	}
	return tx.Webhooks.EndLane(ctx, of.WebhookID, of.Lane)
}

// send makes a call.
func (k *core) send(ctx context.Context, s sending) tried {
	at, began := k.now(), time.Now()
	done := tried{delivery: s.delivery, try: gen.WebhookTry{At: gen.Time{Time: at}}}
	answer, err := k.call(ctx, s, at)
	done.took, done.busy = time.Since(began), errors.Is(err, guard.ErrBusy)
	done.try.Milliseconds = int32(done.took.Milliseconds())
	done.try.Status, done.try.Answer = int32(answer.Status), readable(answer.Body)
	done.retryAfter = webhook.RetryAfter(answer.Header, at)
	if err != nil {
		done.try.Error = err.Error()
	}
	return done
}

// readable is a text of what somebody has answered, whatever it was.
func readable(answer []byte) string {
	text := strings.ToValidUTF8(string(answer), "")
	text = strings.Map(func(r rune) rune {
		if r == 0 {
			return -1
		}
		return r
	}, text)
	if !utf8.ValidString(text) {
		return ""
	}
	return text
}

func (k *core) call(ctx context.Context, s sending, at time.Time) (answer guard.Answer, err error) {
	if s.body == "" {
		return answer, errors.New("the event is there no more")
	}
	sealed, err := k.unsealedHook(s.hook, at)
	if err != nil {
		k.log.Error("what is sealed of a webhook does not open", slog.String("webhook", s.hook.ID), slog.Any("error", err))
		return answer, errors.New("the secret does not open")
	}
	sealed.ID, sealed.Body = s.delivery.EventID, []byte(s.body)
	header, body, err := sealed.Sealed(at, k.random)
	if err != nil {
		return answer, err
	}
	most := guard.MostOfHost
	if s.hook.Slow {
		most = slowOfHost
	}
	return k.outside.Post(ctx, s.hook.URL, most, header, body)
}

// unsealedHook is how a webhook signs and encrypts at a moment.
func (k *core) unsealedHook(w store.Webhook, at time.Time) (s webhook.Sending, err error) {
	open := func(sealed string) (text string) {
		if sealed != "" && err == nil {
			text, err = k.vault.open(hookThing(w.ID), sealed)
		}
		return text
	}
	s.Secrets = []string{open(w.SealedSecret)}
	if at.Before(w.OldUntil) && w.SealedOld != "" {
		s.Secrets = append(s.Secrets, open(w.SealedOld))
	}
	if w.APIKey.IsEnabled {
		s.APIKey = open(w.SealedAPIKey)
	}
	if w.Encryption.IsEnabled {
		s.Cipher, s.Key = string(w.Encryption.Mode), open(w.SealedCipherKey)
	}
	return s, err
}

// settle is the step that writes down how a call went, and what follows from it.
func (k *core) settle(ctx context.Context, tx *store.Tx, w *store.Webhook, last tried) error {
	d, now := last.delivery, k.now()
	good := last.try.Status/100 == 2 && last.try.Error == ""
	d.Tries, d.UpdatedAt, d.NextTryAt = d.Tries+1, gen.Time{Time: now}, gen.Null[gen.Time]()
	d.Log = append(slices.Clone(d.Log), last.try)
	d.Log = d.Log[max(0, len(d.Log)-triesKept):]
	before := *w
	w.Slow = last.took >= laneSlow
	reason := ""
	switch {
	case good:
		d.Status, d.Failed, w.FailingSince = gen.WebhookDeliveryStatusDelivered, 0, gen.Null[gen.Time]()
	case last.try.Status == http.StatusGone:
		d.Status, reason = gen.WebhookDeliveryStatusFailed, hookGone
	default:
		d.Failed++
		wait, again := webhook.Next(d.Failed, rand.Float64(), last.retryAfter)
		d.Status = gen.WebhookDeliveryStatusFailed
		if again {
			d.Status, d.NextTryAt = gen.WebhookDeliveryStatusPending, gen.NullableOf(gen.Time{Time: now.Add(wait)})
		}
		since, failing := w.FailingSince.Get()
		if !failing {
			w.FailingSince = gen.NullableOf(gen.Time{Time: now})
		} else if now.Sub(since.Time) >= webhook.GivenUpAfter {
			reason = hookFailing
		}
	}
	if err := tx.Webhooks.Tried(ctx, d); err != nil {
		return err
	}
	if reason != "" && w.IsActive {
		return k.switchOff(ctx, tx, w, reason)
	}
	_, was := before.FailingSince.Get()
	_, is := w.FailingSince.Get()
	if was == is && before.Slow == w.Slow {
		return nil
	}
	return tx.Webhooks.SetHealth(ctx, *w)
}

// switchOff is the step that switches a webhook off that nobody answers any more, and tells the owner of its community.
func (k *core) switchOff(ctx context.Context, tx *store.Tx, w *store.Webhook, reason string) error {
	w.IsActive, w.InactiveReason, w.UpdatedAt = false, reason, gen.Time{Time: k.now()}
	if err := tx.Webhooks.Update(ctx, *w); err != nil {
		return err
	}
	return tx.Jobs.Insert(ctx, webhookMail{ServerID: w.CommunityID, Name: w.Name, Reason: reason, At: w.UpdatedAt})
}

// webhookMail is the job of telling the owner of a community that a webhook was switched off.
type webhookMail struct {
	ServerID string   `json:"serverId"`
	Name     string   `json:"name"`
	Reason   string   `json:"reason"`
	At       gen.Time `json:"at"`
}

// Kind is the name of the job in the database.
func (webhookMail) Kind() string { return "webhook_mail" }

// InsertOpts is how the job is run.
func (webhookMail) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: mailTries} }

type webhookMailer struct {
	river.WorkerDefaults[webhookMail]
	*core
}

// Work sends the mail. The names in it are quoted, so that nothing in them is a line of its own.
func (w webhookMailer) Work(ctx context.Context, job *river.Job[webhookMail]) error {
	server, err := w.store.Servers.Get(ctx, job.Args.ServerID)
	var owner store.Account
	if err == nil {
		owner, err = w.store.Auth.GetAccount(ctx, server.OwnerNumber)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	why := "nothing could be delivered to it for five days"
	if job.Args.Reason == hookGone {
		why = "its address has answered that it is gone"
	}
	err = w.mailer.Send(ctx, mailer.Message{
		ID: w.newID(), Date: w.now(), To: owner.Email, Subject: "A webhook of your community was switched off",
		Text: fmt.Sprintf(webhookMailText, strconv.Quote(job.Args.Name), strconv.Quote(server.Name), job.Args.At.UTC().Format("2 January 2006, 15:04 UTC"), why),
	})
	if errors.Is(err, mailer.ErrPermanent) {
		return river.JobCancel(err)
	}
	return err
}

const webhookMailText = `Hello,

a webhook of your community was switched off:

    webhook:   %s
    community: %s
    when:      %s

The reason: %s.

What was not delivered is kept for 30 days. Once the address answers again, switch the webhook on, and it goes on.
`

// webhookReplay is the job of sending again what was made between two moments.
type webhookReplay struct {
	WebhookID string    `json:"webhookId"`
	After     time.Time `json:"after"`
	AfterID   string    `json:"afterId"`
	To        time.Time `json:"to"`
}

// Kind is the name of the job in the database.
func (webhookReplay) Kind() string { return "webhook_replay" }

type webhookReplayer struct {
	river.WorkerDefaults[webhookReplay]
	*core
}

// Work does a part, and leaves the rest to another job.
func (w webhookReplayer) Work(ctx context.Context, job *river.Job[webhookReplay]) error {
	_, err := inSharedTx(ctx, w.core, func(tx *store.Tx) (none struct{}, err error) {
		of := job.Args
		hook, err := tx.Webhooks.Hold(ctx, of.WebhookID)
		if errors.Is(err, store.ErrNotFound) {
			return none, nil
		}
		if err != nil {
			return none, err
		}
		some, err := tx.Webhooks.ListBetween(ctx, of.WebhookID, store.Position{At: gen.Time{Time: of.After}, ID: of.AfterID}, of.To, replaysAtOnce)
		for i := 0; i < len(some) && err == nil; i++ {
			err = tx.Webhooks.Replay(ctx, some[i].ID, w.now())
		}
		if err != nil || len(some) == 0 {
			return none, err
		}
		if err := w.beginLane(ctx, tx, hook); err != nil || len(some) < replaysAtOnce {
			return none, err
		}
		of.After, of.AfterID = some[len(some)-1].At.Time, some[len(some)-1].ID
		return none, tx.Jobs.Insert(ctx, of)
	})
	return err
}

// watchWebhooks begins what is due, and takes over what nobody does any more, until stop is called. Who is alone with a database knows at
// once that nobody else does anything.
func (k *core) watchWebhooks() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		silent := k.now().Add(-laneStalled)
		if k.store.Alone() {
			silent = k.now().Add(time.Hour)
		}
		for {
			if err := k.rouse(ctx, silent); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
				k.log.Error("webhooks cannot be looked through", slog.Any("error", err))
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(hooksWatched):
				silent = k.now().Add(-laneStalled)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// rouse begins the lanes that are due, gives those to other runs that were not heard of since a moment, and has the events spread that
// should have been.
func (k *core) rouse(ctx context.Context, silent time.Time) error {
	lost, err := k.store.Webhooks.ListSilent(ctx, silent, hooksAtOnce)
	for i := 0; i < len(lost) && err == nil; i++ {
		_, err = inSharedTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
			run := webhookLane{WebhookID: lost[i].WebhookID, Lane: lost[i].Lane, Runner: k.newID()}
			taken, err := tx.Webhooks.TakeLane(ctx, lost[i], run.Runner, silent, k.now())
			if err == nil && taken {
				err = tx.Jobs.Insert(ctx, run)
			}
			return none, err
		})
	}
	if err != nil {
		return err
	}
	due, err := k.store.Webhooks.ListDue(ctx, k.now(), hooksAtOnce)
	for i := 0; i < len(due) && err == nil; i++ {
		_, err = inSharedTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
			w, err := tx.Webhooks.Hold(ctx, due[i])
			if errors.Is(err, store.ErrNotFound) {
				return none, nil
			}
			if err == nil {
				err = tx.Webhooks.Roused(ctx, w.ID)
			}
			if err == nil && w.IsActive {
				err = k.beginLane(ctx, tx, w)
			}
			return none, err
		})
	}
	if err != nil {
		return err
	}
	late, err := k.store.Webhooks.ListWaiting(ctx, k.now().Add(-spreadLate), hooksAtOnce)
	for i := 0; i < len(late) && err == nil; i++ {
		err = webhookSpreader{core: k}.Work(ctx, &river.Job[webhookSpread]{Args: webhookSpread{EventID: late[i]}})
	}
	return err
}
