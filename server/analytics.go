package server

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/chart"
	"github.com/rejoin-dev/rejoin/server/internal/level"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/streak"
)

// analytics are the operations of the tag analytics: how a community does. They read the rows of days, of the
// members with the most XP, and what a job has counted of all.
type analytics struct{ *core }

// What the contract says of an overview.
const (
	overviewDays    = 366
	overviewHighest = 10
	svgType         = "image/svg+xml"
)

// svgPolicy is the Content-Security-Policy of a picture: it loads nothing, and runs nothing.
const svgPolicy = "default-src 'none'; style-src 'unsafe-inline'"

// GetLoyaltyOverview shows how a community does, as JSON or as a picture.
func (h analytics) GetLoyaltyOverview(ctx context.Context, r stub.GetLoyaltyOverviewRequestObject) (stub.GetLoyaltyOverviewResponseObject, error) {
	q := h.store.Queries
	s, err := require(ctx, q, r.CommunityID, "community")
	if err != nil {
		return nil, err
	}
	rules, err := q.Gamification.Get(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	from, to, err := overviewRange(r.Params, dayOf(h.now(), zoneOf(rules.Zone)))
	if err != nil {
		return nil, err
	}
	o := gen.LoyaltyOverview{
		CommunityID: s.ID, TimeZone: rules.Zone, From: dateText(from), To: dateText(to), Interval: gen.OverviewIntervalDay,
	}
	set(&o.Interval, r.Params.Interval)
	if err := h.fillOverview(ctx, &o, from, to); err != nil {
		return nil, err
	}
	if o.Snapshot, err = h.snapshotOf(ctx, rules, o.Members.Total); err != nil {
		return nil, err
	}
	if contract.Wants(ctx, svgType) {
		var drawn bytes.Buffer
		if err := chart.Overview(&drawn, s.Name, o); err != nil {
			return nil, err
		}
		policy := svgPolicy
		return stub.GetLoyaltyOverview200ImageSvgXMLResponse{
			Body: &drawn, ContentLength: int64(drawn.Len()), Headers: stub.GetLoyaltyOverview200ResponseHeaders{ContentSecurityPolicy: &policy},
		}, nil
	}
	return stub.GetLoyaltyOverview200JSONResponse{Body: gen.LoyaltyOverviewResponse{
		Status: integration, Message: "Loyalty overview fetched successfully", Data: o,
	}}, nil
}

// overviewRange is the range that a request asks for.
func overviewRange(in gen.GetLoyaltyOverviewParams, today int64) (from, to int64, err error) {
	to = today
	if in.To != nil {
		to = dayOf(in.To.Time, time.UTC)
	}
	from = to - daysShown + 1
	if in.From != nil {
		from = dayOf(in.From.Time, time.UTC)
	}
	switch {
	case from > to:
		err = contract.Invalid(contract.Field("query/from", gen.FieldCodeNotAllowed, "must not be after the last day"))
	case to-from >= overviewDays:
		err = contract.Invalid(contract.Field("query/from", gen.FieldCodeNotAllowed, "must be at most 365 days before the last day"))
	}
	return from, to, err
}

// A part is a day, week or month of a range, as far as it lies within it.
type part struct{ from, to int64 }

// splitRange returns the parts of a range, the earliest first.
func splitRange(from, to int64, interval gen.OverviewInterval) (parts []part) {
	frame := map[gen.OverviewInterval]streak.Frame{gen.OverviewIntervalWeek: streak.Weekly, gen.OverviewIntervalMonth: streak.Monthly}[interval]
	for from <= to {
		last := spanOfDay(frame, from).until
		parts = append(parts, part{from, min(last, to)})
		from = last + 1
	}
	return parts
}

// fillOverview reads what was done in a range, and who has the most.
func (h analytics) fillOverview(ctx context.Context, o *gen.LoyaltyOverview, from, to int64) (err error) {
	q, id := h.store.Queries, o.CommunityID
	if o.Members.Total, err = q.Servers.CountMembers(ctx, id); err != nil {
		return err
	}
	o.Members.Total = max(0, o.Members.Total)
	active, err := q.Analytics.CountActive(ctx, id, from, to)
	if err != nil {
		return err
	}
	o.Members.Active, o.Members.Returning = active.Members, active.Members-active.First
	days, err := q.Analytics.ListDays(ctx, id, from, to)
	if err != nil {
		return err
	}
	for _, part := range splitRange(from, to, o.Interval) {
		shown := gen.OverviewPart{From: dateText(part.from), To: dateText(part.to)}
		for len(days) > 0 && days[0].Day <= part.to {
			addDay(&shown, days[0])
			days = days[1:]
		}
		if part.from != part.to {
			active, err := q.Analytics.CountActive(ctx, id, part.from, part.to)
			if err != nil {
				return err
			}
			shown.Active = active.Members
		}
		o.Series = append(o.Series, shown)
		addPart(o, shown)
	}
	o.Highest, err = q.Analytics.ListHighest(ctx, id, overviewHighest)
	for i := range o.Highest {
		m := &o.Highest[i]
		m.Rank, m.Avatar = int32(i+1), h.imageURL(ctx, m.Avatar)
		if i > 0 && o.Highest[i-1].XP == m.XP {
			m.Rank = o.Highest[i-1].Rank
		}
	}
	return err
}

func addDay(to *gen.OverviewPart, d store.ServerDay) {
	to.New += d.Joined
	to.Active += d.Active // of one day
	to.Messages += d.Messages
	to.Replies += d.Replies
	to.Reactions += d.Reactions
	to.Redemptions += d.Purchases
	to.XPIssued += d.XP
	to.XPSpent += d.XPSpent
	to.CoinsIssued += d.Coins
	to.CoinsSpent += d.CoinsSpent
}

func addPart(to *gen.LoyaltyOverview, p gen.OverviewPart) {
	to.Members.New += p.New
	to.Activity.Messages += p.Messages
	to.Activity.Replies += p.Replies
	to.Activity.Reactions += p.Reactions
	to.Activity.Redemptions += p.Redemptions
	to.XP.Issued += p.XPIssued
	to.XP.Spent += p.XPSpent
	to.Coins.Issued += p.CoinsIssued
	to.Coins.Spent += p.CoinsSpent
}

const (
	// countedAtOnce is of how many members one step of a snapshot reads what they have. The contract says that a community of fewer has it
	// counted for each request.
	countedAtOnce = 2000
	// snapshotAge is how old a snapshot may be before somebody who looks at it has it counted anew.
	snapshotAge = time.Minute
	// snapshotLife is how long a job may take that counts one. One that takes longer has died.
	snapshotLife = 30 * time.Minute
)

// snapshotOf is what the members of a server have: now, if they are few, and else as a job has counted it last.
func (h analytics) snapshotOf(ctx context.Context, rules store.Rules, members int64) (*gen.OverviewSnapshot, error) {
	now := h.now()
	if members < countedAtOnce {
		c, more, err := h.countFirst(ctx, rules)
		if err != nil || !more {
			return &c.OverviewSnapshot, err
		}
	}
	kept, err := h.store.Analytics.GetSnapshot(ctx, rules.ServerID)
	if err != nil || kept != nil && now.Sub(kept.ComputedAt.Time).Abs() <= snapshotAge {
		return kept, err
	}
	_, err = inSharedTx(ctx, h.core, func(tx *store.Tx) (none struct{}, err error) {
		asked, err := tx.Analytics.AskSnapshot(ctx, rules.ServerID, now, snapshotLife)
		if err == nil && asked {
			err = tx.Jobs.Insert(ctx, snapshotCount{ServerID: rules.ServerID})
		}
		return none, err
	})
	return kept, err
}

// A counting is a snapshot, as far as it is counted.
type counting struct {
	gen.OverviewSnapshot
	rules    store.Rules
	everyone string // the role that all members have
	last     int64  // the account up to which it is
}

// begin prepares to count what the members of a server have.
func (k *core) begin(ctx context.Context, rules store.Rules) (c counting, err error) {
	everyone, err := k.store.Analytics.GetEveryone(ctx, rules.ServerID)
	if err != nil {
		return c, err
	}
	roles, err := k.store.Roles.List(ctx, rules.ServerID)
	c = counting{rules: rules, everyone: everyone, OverviewSnapshot: gen.OverviewSnapshot{ComputedAt: gen.Time{Time: k.now()}, Tiers: []gen.OverviewTier{}, Roles: []gen.OverviewRole{}}}
	for _, role := range roles {
		c.Roles = append(c.Roles, gen.OverviewRole{ID: role.ID, Title: role.Title})
	}
	if rules.Tiers.Enabled && len(rules.Tiers.Tiers) > 0 {
		c.Tiers = append(c.Tiers, gen.OverviewTier{Name: gen.Null[string]()})
		for _, tier := range rules.Tiers.Tiers {
			if c.tier(tier.Name) == 0 { // two of the same name are one
				c.Tiers = append(c.Tiers, gen.OverviewTier{Name: gen.NullableOf(tier.Name)})
			}
		}
	}
	return c, err
}

// tier is where a tier stands, 0 for none.
func (c *counting) tier(name string) int {
	return max(0, slices.IndexFunc(c.Tiers, func(t gen.OverviewTier) bool { known, is := t.Name.Get(); return is && known == name }))
}

// countFirst counts one step.
func (k *core) countFirst(ctx context.Context, rules store.Rules) (c counting, more bool, err error) {
	if c, err = k.begin(ctx, rules); err == nil {
		more, err = k.countSome(ctx, &c)
	}
	return c, more, err
}

// countSome counts some more, and tells whether there may be others.
func (k *core) countSome(ctx context.Context, c *counting) (more bool, err error) {
	q, id := k.store.Analytics, c.rules.ServerID
	some, err := q.ListHoldings(ctx, id, c.last, countedAtOnce)
	if err != nil || len(some) == 0 {
		return false, err
	}
	last := some[len(some)-1].Account
	holders, err := q.CountRoles(ctx, id, c.last, last)
	if err != nil {
		return false, err
	}
	members := int64(0)
	for _, h := range some {
		if !h.Member {
			continue
		}
		members++
		c.XPOutstanding += h.XP
		c.CoinsOutstanding += h.Coins
		if len(c.Tiers) > 0 {
			_, name := level.Of(c.rules.Tiers, h.XP)
			c.Tiers[c.tier(name)].Members++
		}
	}
	for i := range c.Roles {
		c.Roles[i].Members += holders[c.Roles[i].ID]
		if c.everyone == c.Roles[i].ID {
			c.Roles[i].Members += members
		}
	}
	c.last = last
	return len(some) == countedAtOnce, nil
}

// snapshotCount is the job of counting what the members of a server have.
type snapshotCount struct {
	ServerID string `json:"serverId"`
}

// Kind is the name of the job in the database.
func (snapshotCount) Kind() string { return "snapshot_count" }

type snapshotCounter struct {
	river.WorkerDefaults[snapshotCount]
	*core
}

// Timeout is long enough for many members.
func (snapshotCounter) Timeout(*river.Job[snapshotCount]) time.Duration { return snapshotLife }

// Work counts step by step. Each reads for itself: nobody waits for it.
func (w snapshotCounter) Work(ctx context.Context, job *river.Job[snapshotCount]) error {
	rules, err := w.store.Gamification.Get(ctx, job.Args.ServerID)
	if errors.Is(err, store.ErrNotFound) { // the server is gone
		return nil
	}
	if err != nil {
		return err
	}
	c, more, err := w.countFirst(ctx, rules)
	for more && err == nil {
		more, err = w.countSome(ctx, &c)
	}
	if err != nil {
		return err
	}
	_, err = inTx(ctx, w.core, func(tx *store.Tx) (none struct{}, err error) {
		return none, tx.Analytics.PutSnapshot(ctx, rules.ServerID, c.OverviewSnapshot)
	})
	return err
}
