package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/streak"
)

// streaks are the operations of the tag streaks: what members of a community do so many days, weeks or months in a row.
type streaks struct{ *core }

// ListStreaks shows a page of the streaks of a community. There are few: all are read.
func (h streaks) ListStreaks(ctx context.Context, r stub.ListStreaksRequestObject) (stub.ListStreaksResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	all, err := h.store.Streaks.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	number, limit := int(*r.Params.Page), int(*r.Params.Limit)
	from := min((number-1)*limit, len(all))
	until, pages := min(from+limit, len(all)), (len(all)+limit-1)/limit
	answer := stub.ListStreaks200JSONResponse{Status: integration, Data: []gen.Streak{}, Pagination: gen.StreakPagination{
		Total: int32(len(all)), CurrentPage: int32(number), TotalPages: int32(pages), HasNextPage: until < len(all), HasPrevPage: number > 1,
	}}
	for _, one := range all[from:until] {
		answer.Data = append(answer.Data, one.Streak)
	}
	return answer, nil
}

// CreateStreak makes a streak.
func (h streaks) CreateStreak(ctx context.Context, r stub.CreateStreakRequestObject) (stub.CreateStreakResponseObject, error) {
	in := *r.Body
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.StreakResponse, err error) {
		s, err := resolve(ctx, tx.Queries, in.ServerID)
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		made := gen.Streak{
			ID: h.newID(), CommunityID: s.ID, Timezone: utcZone, ActiveDaysType: everyday, ActiveDays: gen.ActiveDays{}, CreatedAt: now, UpdatedAt: now,
		}
		if in.Timezone != "" {
			made.Timezone = in.Timezone
		}
		made.StartDate = gen.Time{Time: firstDay(made.Timezone, now.Time)}
		if err := h.changeStreak(ctx, tx, &made, updateOf(in)); err != nil {
			return body, err
		}
		if err := tx.Streaks.Insert(ctx, store.Streak{Streak: made, Zones: store.Zones{}.Then(made.Timezone, now.Time)}); err != nil {
			return body, err
		}
		body = gen.StreakResponse{Status: integration, Message: "Streak created successfully", Data: made}
		return body, record(ctx, h.core, tx, s.ID, made.ID, nil, &made)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateStreak201JSONResponse{Body: body, Headers: stub.CreateStreak201ResponseHeaders(again)}, nil
}

// UpdateStreak changes a streak. How far members have come counts on under the new rules, with their next deed.
func (h streaks) UpdateStreak(ctx context.Context, r stub.UpdateStreakRequestObject) (stub.UpdateStreakResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateStreak200JSONResponse, err error) {
		s, before, err := streakNamed(ctx, tx.Queries, r.StreakID)
		if err != nil {
			return answer, err
		}
		after := before
		if err := h.changeStreak(ctx, tx, &after.Streak, *r.Body); err != nil {
			return answer, err
		}
		if !same(&before.Streak, &after.Streak) {
			now := h.now()
			after.UpdatedAt, after.Zones = gen.Time{Time: now}, before.Zones.Then(after.Timezone, now)
			if err := tx.Streaks.Update(ctx, after); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateStreak200JSONResponse{Status: integration, Message: "Streak updated successfully", Data: after.Streak}
		return answer, record(ctx, h.core, tx, s.ID, after.ID, &before.Streak, &after.Streak)
	})
}

// DeleteStreak ends a streak.
func (h streaks) DeleteStreak(ctx context.Context, r stub.DeleteStreakRequestObject) (stub.DeleteStreakResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteStreak200JSONResponse, err error) {
		s, gone, err := streakNamed(ctx, tx.Queries, r.StreakID)
		if err != nil {
			return answer, err
		}
		if err := tx.Streaks.Delete(ctx, gone.ID); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, streakRemoval{ServerID: s.ID, StreakID: gone.ID}); err != nil {
			return answer, err
		}
		answer = stub.DeleteStreak200JSONResponse{Status: integration, Message: "Streak deleted successfully", Data: gone.Streak}
		return answer, record(ctx, h.core, tx, s.ID, gone.ID, &gone.Streak, nil)
	})
}

// ListStreakLogs shows when a member has reached streaks.
func (h streaks) ListStreakLogs(ctx context.Context, r stub.ListStreakLogsRequestObject) (stub.ListStreakLogsResponseObject, error) {
	page, err := pageIn(ctx, r.Body.Page, r.Body.Limit, r.Body.Cursor)
	if err != nil {
		return nil, err
	}
	s, account, err := memberAsked(ctx, h.store.Queries, identifiedBy{r.Body.Identifier, r.Body.FieldName, r.Body.IdentifierType})
	if err != nil {
		return nil, err
	}
	found, err := h.store.Streaks.ListLogs(ctx, s.ID, account.AccountNumber, r.Body.StreakID, page.asked())
	if err != nil {
		return nil, err
	}
	shown, next := cut(page, found, func(l store.StreakLog) store.Position { return store.Position{At: l.ReachedAt, ID: l.ID} })
	data := gen.StreakLogPage{Logs: []gen.StreakLog{}, Page: page.number, Limit: page.limit, NextCursor: next}
	for _, l := range shown {
		data.Logs = append(data.Logs, l.StreakLog)
	}
	return stub.ListStreakLogs200JSONResponse{Status: integration, Message: "Streak logs fetched successfully", Data: data}, nil
}

// streakNamed finds a streak with which the caller may do the operation of the request.
func streakNamed(ctx context.Context, q store.Queries, id string) (s standing, found store.Streak, err error) {
	if found, err = q.Streaks.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return s, found, contract.NotFound("streak")
	}
	if err == nil {
		s, err = require(ctx, q, found.CommunityID, "streak")
	}
	return s, found, err
}

// How the contract calls what is no name of a zone, and when every day is active.
const (
	utcZone    = "utc_gmt"
	memberZone = "member"
	everyday   = "everyday"
)

// updateOf is what a new streak is made from, as a change of one that has only its defaults.
func updateOf(in gen.StreakCreate) gen.StreakUpdate {
	update := gen.StreakUpdate{Name: in.Name, Timeframe: in.Timeframe, Action: in.Action, Order: &in.Order, Reward: &in.Reward}
	if in.StartDate != "" {
		update.StartDate = &in.StartDate
	}
	if in.Timezone != "" {
		update.Timezone = &in.Timezone
	}
	if in.ActiveDaysType != "" {
		update.ActiveDaysType = &in.ActiveDaysType
	}
	if in.ActiveDays != nil {
		update.ActiveDays = &in.ActiveDays
	}
	return update
}

// firstDay is the day on which a streak begins that was made at a moment: the first day anywhere, if it is not the same for all.
func firstDay(timezone string, now time.Time) time.Time {
	zone := time.FixedZone("", -12*60*60)
	if timezone != memberZone {
		zone = zoneOfStreak(timezone)
	}
	year, month, day := now.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// changeStreak is the step that changes what is given of a streak, and refuses what no streak can be.
func (k *core) changeStreak(ctx context.Context, tx *store.Tx, of *gen.Streak, in gen.StreakUpdate) error {
	var faults []gen.ProblemField
	add := func(pointer string, code gen.FieldCode, message string) {
		faults = append(faults, contract.Field(pointer, code, message))
	}
	of.Name, of.Timeframe = in.Name, in.Timeframe
	set(&of.Timezone, in.Timezone)
	set(&of.ActiveDaysType, in.ActiveDaysType)
	set(&of.ActiveDays, in.ActiveDays)
	set(&of.Order, in.Order)
	set(&of.Reward, in.Reward)
	if in.StartDate != nil {
		start, err := time.Parse(time.DateOnly, (*in.StartDate)[:len(time.DateOnly)])
		if _, wrong := time.Parse(time.RFC3339, *in.StartDate); err != nil || len(*in.StartDate) > len(time.DateOnly) && wrong != nil {
			add("/startDate", gen.FieldCodeWrongFormat, "must be a day as YYYY-MM-DD, or a moment (RFC 3339)")
		}
		of.StartDate = gen.Time{Time: start}
	}
	if of.Timezone != utcZone && of.Timezone != memberZone && !api.IsTimeZone(of.Timezone) {
		add("/timezone", gen.FieldCodeNotAllowed, "must be utc_gmt, member, or the name of a time zone")
	}
	if of.ActiveDaysType != everyday && len(of.ActiveDays) == 0 {
		add("/activeDays", gen.FieldCodeRequired, "must have a day, unless deeds count on every day")
	}
	fields, err := tx.Fields.List(ctx, of.CommunityID)
	if err != nil {
		return err
	}
	of.Action = gen.StreakAction{Operator: in.Action.Operator, Conditions: []gen.StreakCondition{}}
	for i, c := range in.Action.Conditions {
		pointer := fmt.Sprintf("/action/conditions/%d/action", i)
		isNumber := func(f store.Field) bool { return f.ID == c.Action && typeOf(f.Definition).IsNumber() }
		switch {
		case c.IsCustomField && !slices.ContainsFunc(fields, isNumber):
			add(pointer, gen.FieldCodeNotAllowed, "must be the id of a field of the community that takes numbers")
		case !c.IsCustomField && !isStreakAction(gen.Action(c.Action)):
			add(pointer, gen.FieldCodeNotAllowed, "must be something that members do")
		}
		if c.ID == "" {
			c.ID = k.newID()
		}
		of.Action.Conditions = append(of.Action.Conditions, gen.StreakCondition(c))
	}
	if len(faults) > 0 {
		return contract.Invalid(faults...)
	}
	return nil
}

// isStreakAction tells whether an action can be done again and again: what is only credited is no deed, and a part of a profile is there
// once.
func isStreakAction(action gen.Action) bool {
	switch action {
	case gen.ActionBadges, gen.ActionMilestones, gen.ActionStreaks, gen.ActionDeleted, gen.ActionPicture, gen.ActionAboutme, gen.ActionQuote:
		return false
	}
	return action.Valid()
}

// zoneOfStreak is the zone of a streak that is not for each member another one.
func zoneOfStreak(timezone string) *time.Location {
	if timezone == utcZone {
		return time.UTC
	}
	return zoneOf(timezone)
}

// clockOf is the clock of a streak for a member.
func clockOf(s store.Streak, m store.StreakMember) streak.Clock {
	read := func(zones store.Zones) (clock streak.Clock) {
		for i, change := range zones {
			next := streak.Change{}
			if i > 0 {
				next.Since = time.UnixMicro(change.Since)
			}
			if change.Zone != memberZone {
				next.Zone = zoneOfStreak(change.Zone)
			}
			clock = append(clock, next)
		}
		return clock
	}
	return read(s.Zones).Of(read(m.Zones))
}

// definitionOf is a streak as package streak knows it.
func definitionOf(s gen.Streak) streak.Definition {
	year, month, day := s.StartDate.UTC().Date()
	d := streak.Definition{
		Frame: streak.Frame(s.Timeframe.Value), Count: s.Timeframe.Count, Start: streak.DayOf(year, month, day), Any: s.Action.Operator == "or",
		Active: streak.Everyday,
	}
	if s.ActiveDaysType != everyday {
		d.Active = 0
		for day := time.Sunday; day <= time.Saturday; day++ {
			if slices.Contains(s.ActiveDays, day.String()) {
				d.Active |= 1 << day
			}
		}
	}
	for _, c := range s.Action.Conditions {
		d.Conditions = append(d.Conditions, streak.Condition{Action: c.Action, Field: c.IsCustomField, Value: c.Value})
	}
	return d
}

// stateOfStreak is how far a member has come in a streak.
func stateOfStreak(m store.StreakMember, id string) (state streak.State, err error) {
	if text := m.States[id]; text != "" {
		err = json.Unmarshal([]byte(text), &state)
	}
	return state, err
}

// streakReason begins the reasons of what streaks bring. The id of the streak, the period and its frame follow.
const streakReason = "streak/"

// moveStreaks is the step that moves the streaks of a member on by what they just did. If that has been counted, the transaction holds
// their totals already. What they reach is credited, and is no deed.
func (k *core) moveStreaks(ctx context.Context, tx *store.Tx, d deed, counted bool) error {
	actions := countsOf(d.action).Names()
	if len(actions) == 0 { // what is not counted
		actions = []string{string(d.action)}
	}
	by := streak.Deed{Actions: actions, Once: d.action == gen.ActionVisits}
	return k.moveSome(ctx, tx, d.serverID, d.account, counted, by, func(d streak.Definition) bool { return d.Concerns(actions...) })
}

// valueGiven is the step that moves the streaks of a member on that look at a field in which they were just given a value.
func (k *core) valueGiven(ctx context.Context, tx *store.Tx, f store.Field, account int64) error {
	looks := func(c streak.Condition) bool { return c.Field && c.Action == f.ID }
	return k.moveSome(ctx, tx, f.ServerID, account, false, streak.Deed{}, func(d streak.Definition) bool { return slices.ContainsFunc(d.Conditions, looks) })
}

// moveSome is the step that moves some of the streaks of a member on. Unless the transaction holds their totals, it does from then on.
func (k *core) moveSome(ctx context.Context, tx *store.Tx, serverID string, account int64, held bool, by streak.Deed, which func(streak.Definition) bool) error {
	all, err := tx.Streaks.List(ctx, serverID)
	if err != nil {
		return err
	}
	fields := false
	var some []store.Streak
	for _, s := range all {
		if d := definitionOf(s.Streak); which(d) {
			some = append(some, s)
			fields = fields || slices.ContainsFunc(d.Conditions, func(c streak.Condition) bool { return c.Field })
		}
	}
	if len(some) == 0 {
		return nil
	}
	if !held { // until the end, nobody else moves them
		if _, err := tx.Ledger.HoldTotals(ctx, serverID, account); err != nil {
			return err
		}
	}
	member, err := tx.Streaks.Member(ctx, serverID, account, fields)
	if err != nil {
		return err
	}
	now, states := k.now(), map[string]string{}
	by.At, by.Now, by.Fields = now, now, member.Fields
	var reached []store.StreakLog
	for _, s := range some {
		state, err := stateOfStreak(member, s.ID)
		if err != nil {
			return err
		}
		d := definitionOf(s.Streak)
		after, reach, changed := d.Move(state, clockOf(s, member), by)
		if !changed {
			continue
		}
		text, err := json.Marshal(after)
		if err != nil {
			return err
		}
		states[s.ID] = string(text)
		if reach != nil {
			reached = append(reached, store.StreakLog{ID: k.newID(), ServerID: serverID, Account: account, Frame: string(d.Frame), StreakLog: gen.StreakLog{
				StreakID: s.ID, Name: s.Name, Period: d.Frame.First(reach.Period).String(), ReachedAt: gen.Time{Time: now}, Length: reach.Length,
				XP: int64(s.Reward.XP), Coins: int64(s.Reward.Coins),
			}})
		}
	}
	if err := tx.Streaks.Put(ctx, serverID, account, states); err != nil {
		return err
	}
	for _, line := range reached {
		if err := k.streakReached(ctx, tx, line); err != nil {
			return err
		}
	}
	return nil
}

// streakReached is the step that notes that a member has reached a streak, and credits it, once with a period.
func (k *core) streakReached(ctx context.Context, tx *store.Tx, line store.StreakLog) error {
	added, err := tx.Streaks.InsertLog(ctx, line)
	if err != nil || !added {
		return err
	}
	rules, err := tx.Gamification.Get(ctx, line.ServerID)
	if err == nil {
		err = k.emitOf(ctx, tx, rules, gen.WebhookEventTypeStreakReached, line.Account, func(user gen.EventUser) any {
			return gen.StreakEventData{User: user, Streak: line.StreakLog}
		})
	}
	if err != nil || line.XP == 0 && line.Coins == 0 {
		return err
	}
	_, err = k.credit(ctx, tx, store.LedgerLine{
		ServerID: line.ServerID, Account: line.Account, Action: string(gen.ActionStreaks), Reason: streakReason + line.StreakID + "/" + line.Period + "/" + line.Frame,
		XP: line.XP, Coins: line.Coins,
	})
	return err
}

// streaksOf are the streaks of a server as a member has them, in their order.
func (k *core) streaksOf(ctx context.Context, q store.Queries, serverID string, account int64) ([]gen.StreakStanding, error) {
	all, err := q.Streaks.List(ctx, serverID)
	if err != nil || len(all) == 0 {
		return []gen.StreakStanding{}, err
	}
	member, err := q.Streaks.Member(ctx, serverID, account, true)
	if err != nil {
		return nil, err
	}
	now, views := k.now(), []gen.StreakStanding{}
	for _, s := range all {
		state, err := stateOfStreak(member, s.ID)
		if err != nil {
			return nil, err
		}
		v := definitionOf(s.Streak).View(state, clockOf(s, member), now)
		shown := gen.StreakStanding{
			ID: s.ID, Name: s.Name, Current: v.Current, Longest: v.Longest, Progress: []gen.StreakProgress{}, DoneInPeriod: v.Done, EndsAt: gen.Time{Time: v.Ends.UTC()},
		}
		for _, c := range s.Action.Conditions {
			value := v.Deeds[c.Action]
			if c.IsCustomField {
				value = int64(max(0, min(member.Fields[c.Action], float64(c.Value))))
			}
			shown.Progress = append(shown.Progress, gen.StreakProgress{Action: c.Action, Value: min(value, c.Value), Target: c.Value})
		}
		views = append(views, shown)
	}
	return views, nil
}
