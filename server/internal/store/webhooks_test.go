package store

import (
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// isFollowed has somebody follow what happens in a server, of which something is told.
func (l *life) isFollowed(server string, member int64) {
	l.Helper()
	ctx := l.Context()
	l.sharedTx(func(tx *Tx) error {
		q, now := tx.Webhooks, l.now().Time
		head, begun, err := q.Follow(ctx, server, now)
		if err != nil || !begun {
			l.Errorf("it is followed already: %v", err)
		}
		l.must(q.InsertEvent(ctx, WebhookEvent{ID: l.id(), ServerID: server, Kind: "user.left", Account: member, Live: true, At: now, ExpiresAt: now.Add(time.Hour)}))
		l.check(q.WaitsForPlace(ctx, server))
		if head, err = q.Place(ctx, server, head, 10); err != nil || head.Place != 1 {
			l.Errorf("got %+v, %v; want the first place", head, err)
		}
		return err
	})
	head, _, err := l.s.Webhooks.GetHead(ctx, server)
	l.must(err)
	found, err := l.s.Webhooks.ListPlaced(ctx, server, 0, 10)
	if err != nil || len(found) != 1 || found[0].Place != head.Place || found[0].ID != head.EventID || found[0].Account != member {
		l.Errorf("got %+v, %v; want the event at %+v", found, err, head)
	}
	if is, err := l.s.Webhooks.IsPlaced(ctx, server, head, time.UnixMicro(1)); err != nil || !is {
		l.Errorf("the head has no place: %v", err)
	}
	l.tx(func(tx *Tx) error {
		l.check(tx.Webhooks.EndFollowing(ctx, time.UnixMicro(2), 1))
		return nil
	})
}

// hasWebhooks sends something to a webhook, and has more to send. Another webhook has come and gone.
func (l *life) hasWebhooks(server string, member int64) {
	ctx, check := l.Context(), l.check
	hook := func() Webhook {
		now := l.now()
		return Webhook{SealedSecret: "x", Webhook: gen.Webhook{ID: l.id(), CommunityID: server, Name: "CRM", Events: []gen.WebhookEventType{"user.left", "user.joined"},
			Channels: []string{}, IsActive: true, FailingSince: gen.Null[gen.Time](), CreatedAt: now, UpdatedAt: now}}
	}
	kept, gone := hook(), hook()
	event := WebhookEvent{ID: l.id(), ServerID: server, Kind: "user.left", Body: "{}", Waiting: true, At: l.now().Time}
	late := WebhookEvent{ID: l.id(), ServerID: server, Kind: "user.left", Body: "{}", Waiting: true, At: l.now().Time}
	delivery := func(of Webhook) WebhookDelivery {
		now := l.now()
		return WebhookDelivery{ServerID: server, ExpiresAt: now.Add(time.Hour), WebhookDelivery: gen.WebhookDelivery{
			ID: l.id(), WebhookID: of.ID, EventID: event.ID, Type: "user.left", Status: gen.WebhookDeliveryStatusPending, NextTryAt: gen.NullableOf(now), CreatedAt: now, UpdatedAt: now,
		}}
	}
	first, second, third := delivery(kept), delivery(kept), delivery(gone)
	l.tx(func(tx *Tx) error {
		q, now := tx.Webhooks, l.now().Time
		check(0, q.Insert(ctx, kept))
		check(0, q.Insert(ctx, gone))
		check(0, q.Update(ctx, kept))
		check(q.List(ctx, server))
		check(q.Get(ctx, kept.ID))
		check(q.Hold(ctx, kept.ID))
		check(q.IsWanted(ctx, server, "user.left"))
		check(q.HoldWanting(ctx, server, "user.left"))
		check(0, q.InsertEvent(ctx, event))
		check(0, q.InsertEvent(ctx, late))
		check(q.TakeEvent(ctx, event.ID))
		if _, err := q.TakeEvent(ctx, event.ID); !errors.Is(err, ErrNotFound) {
			l.Errorf("an event is spread twice: %v", err)
		}
		check(q.ListWaiting(ctx, now, 10))
		check(q.GetBody(ctx, event.ID))
		for _, d := range []WebhookDelivery{first, second, third} {
			check(0, q.InsertDelivery(ctx, d))
		}
		check(q.ListDeliveries(ctx, kept.ID, Page{Limit: 10}))
		check(q.GetDelivery(ctx, kept.ID, first.ID))
		check(q.ListBetween(ctx, kept.ID, Position{At: first.CreatedAt}, now, 10))
		check(0, q.Replay(ctx, second.ID, now))
		l.sendsTo(q, kept, first, now)
		check(q.BeginLane(ctx, gone.ID, 1, "r1", now))
		check(0, q.EndLane(ctx, gone.ID, 0))
		check(0, q.Delete(ctx, gone.ID))
		for more := true; more; {
			var err error
			more, err = q.DeleteRest(ctx, gone.ID, 1)
			l.must(err)
		}
		check(q.BeginLane(ctx, kept.ID, MaxLanes, "r3", now))
		check(q.GetUser(ctx, server, member))
		_, err := q.DeleteExpired(ctx, time.UnixMicro(2), 1)
		return err
	})
}

// sendsTo sends a delivery to a webhook through a lane, of which another run has it in the end.
func (l *life) sendsTo(q Webhooks, kept Webhook, first WebhookDelivery, now time.Time) {
	ctx, check := l.Context(), l.check
	for want := range MaxLanes {
		if lane, err := q.BeginLane(ctx, kept.ID, MaxLanes, "r1", now); err != nil || lane != want {
			l.Errorf("lane %d has begun: %v, want %d", lane, err, want)
		}
	}
	if lane, err := q.BeginLane(ctx, kept.ID, MaxLanes, "r1", now); !errors.Is(err, ErrNotFound) {
		l.Errorf("lane %d has begun of those that all have: %v", lane, err)
	}
	check(q.KeepLane(ctx, kept.ID, 0, "r1", now))
	if d, body, more, err := q.SendNext(ctx, kept.ID, 0, now.Add(time.Hour)); err != nil || d.ID != first.ID || body != "{}" || !more {
		l.Errorf("the next one is %s %s, more: %v, %v; want %s", d.ID, body, more, err, first.ID)
	}
	if d, body, err := q.GetSending(ctx, kept.ID, 0); err != nil || d.ID != first.ID || body != "{}" {
		l.Errorf("what the lane has is %s %s %v, want %s", d.ID, body, err, first.ID)
	}
	first.Log, first.NextTryAt, first.Status = []gen.WebhookTry{{At: l.now(), Status: 204}}, gen.Null[gen.Time](), gen.WebhookDeliveryStatusDelivered
	check(0, q.Tried(ctx, first))
	check(0, q.SetHealth(ctx, kept))
	check(0, q.Return(ctx, kept.ID, 0, now))
	check(q.ListSilent(ctx, now, 10))
	check(q.TakeLane(ctx, Lane{kept.ID, 0}, "r2", now.Add(time.Hour), now))
	for lane := range MaxLanes {
		check(0, q.EndLane(ctx, kept.ID, lane))
	}
	check(q.ListDue(ctx, now.Add(time.Hour), 10))
	check(0, q.Rouse(ctx, kept.ID, now))
	check(0, q.Roused(ctx, kept.ID))
}

// hasIncoming is asked for something at an incoming webhook. Another one has come and gone.
func (l *life) hasIncoming(server string, member int64) {
	ctx, check := l.Context(), l.check
	hook := func() IncomingWebhook {
		id, now := l.id(), l.now()
		return IncomingWebhook{TokenHash: id, IncomingWebhook: gen.IncomingWebhook{
			ID: id, CommunityID: server, Name: "CRM", Kind: gen.IncomingWebhookKindFields, ChannelID: gen.Null[string](), IsActive: true, Voucher: int32(member), CreatedAt: now, UpdatedAt: now,
		}}
	}
	kept, gone := hook(), hook()
	l.tx(func(tx *Tx) error {
		q := tx.IncomingWebhooks
		for _, w := range []IncomingWebhook{kept, gone} {
			check(0, q.Insert(ctx, w))
			check(0, q.InsertCall(ctx, w.ID, gen.IncomingWebhookCall{ID: l.id(), At: l.now(), Outcome: gen.IncomingOutcomeDone, MessageID: gen.Null[string]()}))
		}
		check(0, q.Update(ctx, kept))
		check(q.List(ctx, server))
		check(q.Get(ctx, kept.ID))
		check(q.GetByHash(ctx, kept.TokenHash))
		check(q.ListCalls(ctx, kept.ID))
		check(0, q.Delete(ctx, gone.ID))
		if err := q.InsertCall(ctx, gone.ID, gen.IncomingWebhookCall{}); !errors.Is(err, ErrNotFound) {
			l.Errorf("a webhook that is gone is called: %v", err)
		}
		return nil
	})
}
