package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/rule"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/streak"
)

// What follows from what, in the transaction of what it follows from.

// audited are the models that the audit trail may show: none of them holds a secret. A row of the store, which may, is
// none and does not compile.
type audited interface {
	gen.Server | gen.CreatedServer | gen.ServerSettings | gen.InviteCreate | gen.Channel | gen.Role | gen.BadgeUpdate | gen.APIKey | gen.UserReference | gen.ManagedUser | gen.CreatedUser |
		gen.AccessLevels | gen.UserField | gen.UserFieldHistory | gen.GamificationSetting | gen.Milestone | gen.Leaderboard | gen.Streak | gen.MiniGame | gen.MiniGamePlays | gen.Social |
		gen.StoreConfig | gen.Category | gen.Product | gen.TransactionStatus | gen.RedemptionStatus | gen.AnalysisChange | gen.BulkUpdate | gen.Webhook | gen.IncomingWebhook | gen.Widget | gen.WidgetAccessKey
}

// record adds what an operation has changed to the audit trail of a server, under the action that the contract names in
// its x-audit: how it was and how it became, nil for what there is none of. If it is as it was, nothing has changed.
func record[T audited](ctx context.Context, k *core, tx *store.Tx, serverID, target string, before, after *T) error {
	op := contract.OperationFrom(ctx)
	if op.Audit == "" {
		return fmt.Errorf("%s changes something and has no x-audit", op.ID)
	}
	if before != nil && after != nil && same(before, after) {
		return nil
	}
	if err := tx.Audit.Insert(ctx, serverID, gen.AuditEntry{
		ID: k.newID(), Actor: auditActor(ctx), Action: gen.AuditAction(op.Audit), Target: target, At: gen.Time{Time: k.now()},
	}, stateOf(before), stateOf(after)); err != nil {
		return err
	}
	if before == nil {
		before = after
	}
	return k.accessMoved(ctx, tx, serverID, any(before))
}

// auditActor is who is calling, as others read it later.
func auditActor(ctx context.Context) gen.AuditActor {
	who := actorFrom(ctx)
	if who.key != nil {
		return gen.AuditActor{Type: "key", ID: who.key.ID}
	}
	return gen.AuditActor{Type: "account", ID: store.Number(who.account)}
}

// same tells whether two are the same for whoever sees them.
func same[T any](a, b *T) bool {
	shownA, errA := json.Marshal(a)
	shownB, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(shownA, shownB)
}

// stateOf is a model or nil, as the store takes it.
func stateOf[T audited](model *T) any {
	if model == nil {
		return nil
	}
	return *model
}

// A deed is something that a member has done.
type deed struct {
	serverID string
	account  int64
	action   gen.Action
	target   string // what it was done to: together with the action, it is done once
}

// acted is the one way in of everything that a member does: it is counted for the member and the day, credited as the server's setting
// says, and what it makes the member reach is awarded. What has been done before does not count again.
func (k *core) acted(ctx context.Context, tx *store.Tx, d deed) (counted bool, err error) {
	rules, err := tx.Gamification.Get(ctx, d.serverID)
	if err != nil {
		return false, err
	}
	return k.actedUnder(ctx, tx, rules, d)
}

// actedUnder is acted where the rules are known.
func (k *core) actedUnder(ctx context.Context, tx *store.Tx, rules store.Rules, d deed) (counted bool, err error) {
	return k.actedFor(ctx, tx, rules, d, rule.WorthOf(rules.XP, d.action))
}

// socialDone counts what a member did at a social link, once for ever, and credits what the link is worth, whatever the server's setting is.
func (k *core) socialDone(ctx context.Context, tx *store.Tx, social gen.Social, account int64) (counted bool, err error) {
	rules, err := tx.Gamification.Get(ctx, social.CommunityID)
	if err != nil {
		return false, err
	}
	d := deed{social.CommunityID, account, gen.ActionSocials, social.ID}
	return k.actedFor(ctx, tx, rules, d, rule.Worth{XP: int64(social.XP), Coins: int64(social.Coins)})
}

// actedFor is acted where it is known what the deed is worth.
func (k *core) actedFor(ctx context.Context, tx *store.Tx, rules store.Rules, d deed, worth rule.Worth) (counted bool, err error) {
	now := k.now()
	line := store.LedgerLine{
		ID: k.newID(), ServerID: d.serverID, Account: d.account, Action: string(d.action), Reason: string(d.action) + "/" + d.target,
		Day: dayOf(now, zoneOf(rules.Zone)), At: now, Deed: true, Counts: countsOf(d.action),
	}
	if worth.Cooldown > 0 {
		cool, err := tx.Gamification.Cool(ctx, line, worth.Cooldown, now)
		if err != nil {
			return false, err
		}
		if !cool {
			worth = rule.Worth{}
		}
	}
	line.XP, line.Coins = worth.XP, worth.Coins
	after, added, err := tx.Ledger.Insert(ctx, line)
	if err != nil || !added && d.action != gen.ActionVisits { // a repeated visit may still be the first one on the date of a streak
		return false, err
	}
	if rules.Streaks {
		if err := k.moveStreaks(ctx, tx, d, added); err != nil {
			return false, err
		}
	}
	if !added {
		return false, nil
	}
	if d.action == gen.ActionVisits {
		if err := k.emitOf(ctx, tx, rules, gen.WebhookEventTypeUserVisited, d.account, ofMember); err != nil {
			return true, err
		}
	}
	if rules.Badges {
		if err := k.reached(ctx, tx, line, after); err != nil {
			return true, err
		}
	}
	return true, k.credited(ctx, tx, rules, line, after)
}

// countsOf is as what a deed is counted. A reply is a message, too.
func countsOf(action gen.Action) (c store.Counts) {
	switch action {
	case gen.ActionReplies:
		c.Messages, c.Replies = 1, 1
	default:
		c.Add(string(action))
	}
	return c
}

// reached awards what a member has just reached: badges that are awarded for what they have done. What that is worth is no deed.
func (k *core) reached(ctx context.Context, tx *store.Tx, line store.LedgerLine, after store.Totals) error {
	for _, action := range line.Counts.Names() {
		count := after.Counts.Of(action)
		if action == string(gen.ActionVisits) { // which a badge wants in a row
			count = after.VisitsRun
		}
		found, err := tx.Badges.ListReached(ctx, line.ServerID, line.Account, action, count)
		if err != nil {
			return err
		}
		for _, badge := range found {
			awarded, err := tx.Badges.InsertOf(ctx, badge, line.Account, line.At)
			if err == nil && awarded {
				err = k.badgeAwarded(ctx, tx, badge, line.Account)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// credit adds a line that is no deed to the ledger, with what it makes the member reach, and tells whether it was not there. One that
// costs more coins than there are is a conflict.
func (k *core) credit(ctx context.Context, tx *store.Tx, line store.LedgerLine) (added bool, err error) {
	rules, err := tx.Gamification.Get(ctx, line.ServerID)
	if err != nil {
		return false, err
	}
	after, added, err := k.addLine(ctx, tx, rules, line)
	if err != nil || !added {
		return added, err
	}
	return true, k.credited(ctx, tx, rules, line, after)
}

// addLine is credit without what it makes the member reach.
func (k *core) addLine(ctx context.Context, tx *store.Tx, rules store.Rules, line store.LedgerLine) (after store.Totals, added bool, err error) {
	line.ID, line.At = k.newID(), k.now()
	if line.Action != string(gen.ActionDeleted) && line.Action != string(gen.ActionRefunds) { // which are of the day of what they take or give back
		line.Day = dayOf(line.At, zoneOf(rules.Zone))
	}
	after, added, err = tx.Ledger.Insert(ctx, line)
	if errors.Is(err, store.ErrTooFew) {
		err = contract.Conflict("Not enough coins", "the balance is lower than the cost")
	}
	return after, added, err
}

// credited credits the steps of milestones that a line has made the member reach, and tells of the level.
func (k *core) credited(ctx context.Context, tx *store.Tx, rules store.Rules, line store.LedgerLine, after store.Totals) error {
	if err := k.levelReached(ctx, tx, rules, line, after); err != nil {
		return err
	}
	values := map[string]float64{}
	changedBy(line, after, values)
	return k.stepsReached(ctx, tx, rules, line.Account, values)
}

// badgeAwarded ends the application for a badge, if the member has one, and credits what it is worth. The ledger takes each badge once for
// a member.
func (k *core) badgeAwarded(ctx context.Context, tx *store.Tx, badge store.Badge, account int64) error {
	d := badge.Definition
	line := store.LedgerLine{ServerID: badge.ServerID, Account: account, Action: string(gen.ActionBadges), Reason: store.BadgeReason + badge.ID}
	if d.Award {
		line.XP = int64(d.AwardXPQuantity)
	}
	if d.AwardCurrency {
		line.Coins = int64(d.AwardCurrencyQuantity)
	}
	rules, err := tx.Gamification.Get(ctx, badge.ServerID)
	if err != nil {
		return err
	}
	after, added, err := k.addLine(ctx, tx, rules, line)
	if err == nil && added {
		err = k.credited(ctx, tx, rules, line, after)
	}
	if err == nil {
		err = k.emitOf(ctx, tx, rules, gen.WebhookEventTypeBadgeAwarded, account, func(user gen.EventUser) any {
			return gen.BadgeEventData{User: user, Badge: shownBadge(badge)}
		})
	}
	if err != nil {
		return err
	}
	return tx.Badges.EndApplication(ctx, badge.ID, account, k.now()) // in this order, as a deed does it that awards one, or two would wait for each other
}

// takesBack is how long what is deleted takes back what it has brought.
const takesBack = 60 * time.Second

// undone takes back what a deed has brought whose target is deleted, if that was made just now. Of what is spent or taken away, nothing is
// left to take.
func (k *core) undone(ctx context.Context, tx *store.Tx, d deed, made gen.Time) error {
	if k.now().Sub(made.Time) > takesBack {
		return nil
	}
	line, err := tx.Ledger.Get(ctx, d.serverID, d.account, string(d.action)+"/"+d.target)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || line.XP == 0 && line.Coins == 0 {
		return err
	}
	has, err := tx.Ledger.HoldTotals(ctx, d.serverID, d.account)
	if err != nil {
		return err
	}
	_, err = k.credit(ctx, tx, store.LedgerLine{
		ServerID: d.serverID, Account: d.account, Action: string(gen.ActionDeleted), Reason: string(gen.ActionDeleted) + "/" + d.target, Day: line.Day,
		XP: -min(line.XP, max(0, has.XP)), Coins: -min(line.Coins, max(0, has.Coins)),
	})
	return err
}

// deedOf is what the author of a message has done.
func deedOf(m store.Message) deed {
	d := deed{m.ServerID, m.Account, gen.ActionMessages, m.ID}
	if _, reply := m.ReplyTo.Get(); reply {
		d.action = gen.ActionReplies
	}
	return d
}

// memberJoined counts who has become a member, if they were none before.
func (k *core) memberJoined(ctx context.Context, tx *store.Tx, serverID string, account int64) error {
	rules, err := tx.Gamification.Get(ctx, serverID)
	if err != nil {
		return err
	}
	if err := tx.Analytics.InsertJoin(ctx, serverID, account, dayOf(k.now(), zoneOf(rules.Zone))); err != nil {
		return err
	}
	return k.emitOf(ctx, tx, rules, gen.WebhookEventTypeUserJoined, account, ofMember)
}

// userReferred notes who has brought somebody to a server.
func (k *core) userReferred(ctx context.Context, tx *store.Tx, serverID string, account, referrer int64) error {
	if err := tx.Users.InsertReferral(ctx, serverID, account, referrer, k.now()); err != nil {
		return err
	}
	if _, err := k.acted(ctx, tx, deed{serverID, referrer, gen.ActionReferrals, store.Number(account)}); err != nil {
		return err
	}
	_, err := k.acted(ctx, tx, deed{serverID, account, gen.ActionRefer, store.Number(referrer)})
	return err
}

// profileSeen is the step that credits a member for what their profile has, the first time that a server sees it. A server that gives
// nothing for it may yet.
func (k *core) profileSeen(ctx context.Context, tx *store.Tx, serverID string, account int64) error {
	rules, err := tx.Gamification.Get(ctx, serverID)
	if err != nil {
		return err
	}
	has, err := tx.Gamification.GetProfile(ctx, account)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		action gen.Action
		has    bool
	}{{gen.ActionPicture, has.Picture}, {gen.ActionAboutme, has.AboutMe}, {gen.ActionQuote, has.Quote}} {
		if !part.has || rule.WorthOf(rules.XP, part.action) == (rule.Worth{}) {
			continue
		}
		if _, err := k.actedUnder(ctx, tx, rules, deed{serverID, account, part.action, "first"}); err != nil {
			return err
		}
	}
	return nil
}

// today is the day of a server, since 1970-01-01.
func (k *core) today(ctx context.Context, q store.Queries, serverID string) (day int64, err error) {
	rules, err := q.Gamification.Get(ctx, serverID)
	return dayOf(k.now(), zoneOf(rules.Zone)), err
}

// dayOf is the local date of a moment, in days since 1970-01-01.
func dayOf(at time.Time, zone *time.Location) int64 { return int64(streak.DayOf(at.In(zone).Date())) }

// dateText is a day as in 2026-04-07.
func dateText(day int64) string { return streak.Day(day).String() }

// zones are the time zones that were asked for, by their names. Of those that the contract takes there are only so many.
var zones sync.Map

// zoneOf is a time zone by its name. One from before the contract took only one spelling of it is not kept.
func zoneOf(name string) *time.Location {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil { // the database is older than the machine's list of zones, or newer
		return time.UTC
	}
	if api.IsTimeZone(name) {
		zones.Store(name, zone)
	}
	return zone
}
