package server

import (
	"context"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/level"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// An about is what an event is about, as far as there is any of it.
type about struct {
	account   int64
	channelID string
	shows     string // the id of the message or the analysis that it shows
}

// emit is the step that writes down what has happened, if a webhook of the server is to be sent it, or somebody follows what happens there: in
// the transaction of what it tells, so that no event is lost or invented. What it tells is asked for only then.
func (k *core) emit(ctx context.Context, tx *store.Tx, serverID string, kind gen.WebhookEventType, of about, data func() (any, error)) error {
	rules, err := tx.Gamification.Get(ctx, serverID)
	if err != nil {
		return err
	}
	return k.emitUnder(ctx, tx, rules, kind, of, data)
}

// emitUnder is emit where the rules are known.
func (k *core) emitUnder(ctx context.Context, tx *store.Tx, rules store.Rules, kind gen.WebhookEventType, of about, data func() (any, error)) (err error) {
	wanted := false
	if rules.Webhooks {
		wanted, err = tx.Webhooks.IsWanted(ctx, rules.ServerID, string(kind))
	}
	if err != nil || !wanted && !rules.Live {
		return err
	}
	tells, err := data()
	if err != nil {
		return err
	}
	event, err := k.eventOf(rules.ServerID, kind, of, tells)
	if err != nil {
		return err
	}
	event.Live = rules.Live
	if !wanted {
		event.Waiting, event.ExpiresAt = false, event.At.Add(livesFor+time.Hour)
	}
	if err := tx.Webhooks.InsertEvent(ctx, event); err != nil || !wanted {
		return err
	}
	return tx.Jobs.Insert(ctx, webhookSpread{EventID: event.ID})
}

// eventOf is an event as it is sent.
func (k *core) eventOf(serverID string, kind gen.WebhookEventType, of about, data any) (store.WebhookEvent, error) {
	now := gen.Time{Time: k.now()}
	e := store.WebhookEvent{
		ID: k.newID(), ServerID: serverID, Kind: string(kind), ChannelID: of.channelID, Account: of.account, Shows: of.shows,
		Waiting: true, At: now.Time, ExpiresAt: now.Add(webhookLife + 24*time.Hour),
	}
	body, err := gen.MarshalJSON(gen.WebhookEvent{ID: e.ID, Type: kind, OccurredAt: now, CommunityID: serverID, Data: data})
	e.Body = string(body)
	return e, err
}

// eventUser is a member as events show them.
func (k *core) eventUser(ctx context.Context, tx *store.Tx, rules store.Rules, account int64) (gen.EventUser, error) {
	u, err := tx.Webhooks.GetUser(ctx, rules.ServerID, account)
	if errors.Is(err, store.ErrNotFound) { // no member any more, and still the one whom it is about
		var of store.Account
		if of, err = tx.Auth.GetAccount(ctx, account); err == nil {
			u = gen.EventUser{
				ID: of.ID, Number: int32(account), Username: of.Username, DisplayName: of.DisplayName, FirstName: of.FirstName, LastName: of.LastName,
				Avatar: of.Avatar, JoinedAt: of.CreatedAt,
			}
		}
	}
	if err != nil {
		return u, err
	}
	u.Avatar = k.imageURL(ctx, u.Avatar)
	reached, tier := level.Of(rules.Tiers, u.XP)
	u.Level, u.Tier = reached, nullIfEmpty(tier)
	return u, nil
}

// emitOf is emitUnder of what is about a member: data makes what it tells of them.
func (k *core) emitOf(ctx context.Context, tx *store.Tx, rules store.Rules, kind gen.WebhookEventType, account int64, data func(gen.EventUser) any) error {
	return k.emitUnder(ctx, tx, rules, kind, about{account: account}, func() (any, error) {
		user, err := k.eventUser(ctx, tx, rules, account)
		return data(user), err
	})
}

// ofMember is what an event tells of a member alone.
func ofMember(user gen.EventUser) any { return gen.MemberEventData{User: user} }

// memberLeaves is the step before somebody is a member no more.
func (k *core) memberLeaves(ctx context.Context, tx *store.Tx, serverID string, account int64) error {
	rules, err := tx.Gamification.Get(ctx, serverID)
	if err != nil {
		return err
	}
	return k.emitOf(ctx, tx, rules, gen.WebhookEventTypeUserLeft, account, ofMember)
}

// memberReturned is the step that tells of somebody who is a member again.
func (k *core) memberReturned(ctx context.Context, tx *store.Tx, serverID string, account int64) error {
	rules, err := tx.Gamification.Get(ctx, serverID)
	if err != nil {
		return err
	}
	return k.emitOf(ctx, tx, rules, gen.WebhookEventTypeUserJoined, account, ofMember)
}

// levelReached is the step that tells of a level to which a line of the ledger has brought a member.
func (k *core) levelReached(ctx context.Context, tx *store.Tx, rules store.Rules, line store.LedgerLine, after store.Totals) error {
	if line.XP <= 0 {
		return nil
	}
	before, _ := level.Of(rules.Tiers, after.XP-line.XP)
	now, tier := level.Of(rules.Tiers, after.XP)
	if now <= before {
		return nil
	}
	return k.emitOf(ctx, tx, rules, gen.WebhookEventTypeLevelReached, line.Account, func(user gen.EventUser) any {
		return gen.LevelEventData{User: user, Level: now, Tier: nullIfEmpty(tier)}
	})
}

// messageMoved is the step that tells of a message as it is now.
func (k *core) messageMoved(ctx context.Context, tx *store.Tx, rules store.Rules, kind gen.WebhookEventType, m store.Message) error {
	return k.emitUnder(ctx, tx, rules, kind, about{m.Account, m.Channel.ChannelID, m.ID}, func() (any, error) {
		now, err := tx.Messages.Get(ctx, m.ID) // with its images and reactions, and who has sent it
		return messages{k}.shown(ctx, standing{}, now), err
	})
}

// messageUpdated is messageMoved for what was changed of a message.
func (k *core) messageUpdated(ctx context.Context, tx *store.Tx, m store.Message) error {
	rules, err := tx.Gamification.Get(ctx, m.ServerID)
	if err != nil {
		return err
	}
	return k.messageMoved(ctx, tx, rules, gen.WebhookEventTypeMessageUpdated, m)
}

// messageDeleted is the step that tells of a message that is there no more.
func (k *core) messageDeleted(ctx context.Context, tx *store.Tx, m store.Message) error {
	return k.emit(ctx, tx, m.ServerID, gen.WebhookEventTypeMessageDeleted, about{account: m.Account, channelID: m.Channel.ChannelID}, func() (any, error) {
		return gen.DeletedMessage{MessageID: m.ID, ChannelID: m.Channel.ChannelID, ForumTopicID: m.ForumTopicID}, nil
	})
}

// analysisMoved is the step that tells of an analysis.
func (k *core) analysisMoved(ctx context.Context, tx *store.Tx, rules store.Rules, kind gen.WebhookEventType, a store.Analysis) error {
	return k.emitUnder(ctx, tx, rules, kind, about{a.Account, a.ChannelID, a.AnalysisID}, func() (any, error) {
		a, err := tx.Charts.Get(ctx, a.AnalysisID) // with who has posted it
		return charts{k}.shown(ctx, standing{}, a), err
	})
}

// orderMoved is the step that tells of an order.
func (k *core) orderMoved(ctx context.Context, tx *store.Tx, kind gen.WebhookEventType, o store.Order) error {
	return k.emit(ctx, tx, o.ServerID, kind, about{account: o.Account}, func() (any, error) { return transactionOf(ctx, tx.Queries, o) })
}

// valueChanged is the step that tells of a value that a member was given.
func (k *core) valueChanged(ctx context.Context, tx *store.Tx, serverID string, account int64, line gen.UserFieldHistory) error {
	rules, err := tx.Gamification.Get(ctx, serverID)
	if err != nil {
		return err
	}
	return k.emitOf(ctx, tx, rules, gen.WebhookEventTypeFieldChanged, account, func(user gen.EventUser) any { return gen.FieldEventData{User: user, Change: line} })
}
