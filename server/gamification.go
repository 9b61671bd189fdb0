package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/level"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// gamification are the operations of the tag gamification: what members do, what that is worth, and what follows from it. How it comes
// about stands in events.go.
type gamification struct{ *core }

// SetXPSetting replaces what members are credited for.
func (h gamification) SetXPSetting(ctx context.Context, r stub.SetXPSettingRequestObject) (stub.SetXPSettingResponseObject, error) {
	answer, err := h.setRules(ctx, r.ServerID, func(rules *store.Rules) { rules.XP = *r.Body })
	return stub.SetXPSetting200JSONResponse(answer), err
}

// SetTierSetting replaces the tiers, or how they are shown.
func (h gamification) SetTierSetting(ctx context.Context, r stub.SetTierSettingRequestObject) (stub.SetTierSettingResponseObject, error) {
	tiers := valueOf(r.Body.Tiers)
	if i, j, found := level.Unordered(tiers); found {
		return nil, contract.Invalid(contract.Field(fmt.Sprintf("/tiers/%d/levels/%d/xp", i, j), gen.FieldCodeTooSmall,
			"must be more than the XP of the level before it"))
	}
	answer, err := h.setRules(ctx, r.ServerID, func(rules *store.Rules) {
		rules.Tiers.Enabled, rules.Tiers.Display = r.Body.Enabled, r.Body.Display
		if r.Body.Tiers != nil {
			rules.Tiers.Tiers = tiers
		}
	})
	return stub.SetTierSetting200JSONResponse(answer), err
}

// setRules is the step that changes the rules of a server.
func (h gamification) setRules(ctx context.Context, serverID string, change func(*store.Rules)) (gen.GamificationResponse, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer gen.GamificationResponse, err error) {
		s, err := require(ctx, tx.Queries, serverID, "server")
		if err != nil {
			return answer, err
		}
		rules, err := tx.Gamification.Get(ctx, s.ID)
		if err != nil {
			return answer, err
		}
		before := shownRules(rules)
		change(&rules)
		rules.UpdatedAt = gen.Time{Time: h.now()}
		if err := tx.Gamification.Put(ctx, rules); err != nil {
			return answer, err
		}
		answer = gen.GamificationResponse{Meta: system("XP Setting has been updated successfully"), Body: shownRules(rules)}
		return answer, record(ctx, h.core, tx, s.ID, s.ID, &before, &answer.Body)
	})
}

// GetGamification shows both settings.
func (h gamification) GetGamification(ctx context.Context, r stub.GetGamificationRequestObject) (stub.GetGamificationResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	rules, err := h.store.Gamification.Get(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.GetGamification200JSONResponse{Meta: system("Gamification"), Body: shownRules(rules)}, nil
}

// shownRules are the rules as the wire shows them. A server has one setting, which is called as it is.
func shownRules(r store.Rules) gen.GamificationSetting {
	shown := gen.GamificationSetting{ID: r.ServerID, ServerID: r.ServerID, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, XPSetting: r.XP, Tiers: r.Tiers}
	if shown.Tiers.Tiers == nil {
		shown.Tiers.Tiers = []gen.Tier{}
	}
	return shown
}

// GetTierInfo shows the tiers to programs.
func (h gamification) GetTierInfo(ctx context.Context, _ stub.GetTierInfoRequestObject) (stub.GetTierInfoResponseObject, error) {
	s, err := requireOfKey(ctx, h.store.Queries)
	if err != nil {
		return nil, err
	}
	rules, err := h.store.Gamification.Get(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	shown := shownRules(rules)
	return stub.GetTierInfo200JSONResponse{Status: integration, Message: "Tiers fetched successfully", Data: gen.TierInfo{
		Enabled: shown.Tiers.Enabled, Display: shown.Tiers.Display, Tiers: shown.Tiers.Tiers, XPSetting: shown.XPSetting,
	}}, nil
}

// daysShown is how many days are shown if nobody says how many.
const daysShown = 30

// statsFetched is what the answers about days say.
const statsFetched = "User gamification stats fetched successfully"

// identifiedBy names a member in the requests of this tag.
type identifiedBy struct {
	identifier, fieldName string
	kind                  gen.IdentifierType
}

// memberAsked finds a member of the community of the API key. By a widget token, members find themselves alone.
func memberAsked(ctx context.Context, q store.Queries, by identifiedBy) (standing, store.Account, error) {
	s, err := requireOfKey(ctx, q)
	if err != nil {
		return s, store.Account{}, err
	}
	if s.actor.widget != nil && by.kind == gen.IdentifierTypeCustomField {
		return s, store.Account{}, contract.NotFound("user")
	}
	account, err := memberIdentified(ctx, q, s.ID, by.identifier, string(by.kind), by.fieldName)
	if err == nil && !s.actor.showsMember(account.AccountNumber) {
		err = contract.NotFound("user")
	}
	return s, account, err
}

// A span is some days of a member, with a day for each.
type span struct {
	account store.Account
	days    []store.Day // the first first
}

func (d span) dates() gen.DayRange {
	return gen.DayRange{StartDate: dateText(d.days[0].Day), EndDate: dateText(d.days[len(d.days)-1].Day)}
}

// lastDays are today and the days before it, so many.
func (h gamification) lastDays(ctx context.Context, by identifiedBy, n int32) (d span, err error) {
	q := h.store.Queries
	s, account, err := memberAsked(ctx, q, by)
	if err != nil {
		return d, err
	}
	today, err := h.today(ctx, q, s.ID)
	if err != nil {
		return d, err
	}
	if n == 0 {
		n = daysShown
	}
	found, err := q.Ledger.ListDays(ctx, s.ID, account.AccountNumber, today-int64(n)+1, today)
	if err != nil {
		return d, err
	}
	d = span{account: account, days: make([]store.Day, n)}
	for i := range d.days {
		d.days[i].Day = today - int64(n) + 1 + int64(i)
	}
	for _, day := range found {
		d.days[day.Day-d.days[0].Day] = day
	}
	return d, nil
}

// GetUserStats shows how often a member did what, day by day.
func (h gamification) GetUserStats(ctx context.Context, r stub.GetUserStatsRequestObject) (stub.GetUserStatsResponseObject, error) {
	d, err := h.lastDays(ctx, identifiedBy{r.Body.Identifier, r.Body.FieldName, r.Body.IdentifierType}, r.Body.Days)
	if err != nil {
		return nil, err
	}
	data := gen.UserStats{UserID: d.account.Number, Range: d.dates(), DailyStats: []gen.DailyStats{}}
	for _, day := range d.days {
		data.DailyStats = append(data.DailyStats, gen.DailyStats{
			Date: dateText(day.Day), Messages: day.Messages, Replies: day.Replies, Reaction: day.Reactions, Socials: day.Socials,
		})
		data.Totals.Messages += day.Messages
		data.Totals.Replies += day.Replies
		data.Totals.Reaction += day.Reactions
		data.Totals.Socials += day.Socials
	}
	return stub.GetUserStats200JSONResponse{Status: integration, Message: statsFetched, Data: data}, nil
}

// GetUserHistory shows what a member got, day by day.
func (h gamification) GetUserHistory(ctx context.Context, r stub.GetUserHistoryRequestObject) (stub.GetUserHistoryResponseObject, error) {
	d, err := h.lastDays(ctx, identifiedBy{r.Params.Identifier, valueOf(r.Params.FieldName), valueOf(r.Params.IdentifierType)}, valueOf(r.Params.Days))
	if err != nil {
		return nil, err
	}
	data := gen.UserHistory{UserID: d.account.Number, Range: d.dates(), DailyStats: []gen.DailyEarnings{}}
	for _, day := range slices.Backward(d.days) {
		data.DailyStats = append(data.DailyStats, gen.DailyEarnings{Date: dateText(day.Day), Coins: day.Coins, XP: day.XP})
		data.Totals.Coins += day.Coins
		data.Totals.XP += day.XP
	}
	return stub.GetUserHistory200JSONResponse{Status: integration, Message: statsFetched, Data: data}, nil
}

// slashedDate is how a day is written in requests.
const slashedDate = "02/01/2006"

// GetDailyHistory shows what members got on a day.
func (h gamification) GetDailyHistory(ctx context.Context, r stub.GetDailyHistoryRequestObject) (stub.GetDailyHistoryResponseObject, error) {
	date, err := time.Parse(slashedDate, r.Body.Date)
	if err != nil {
		return nil, contract.Invalid(contract.Field("/date", gen.FieldCodeWrongFormat, "must be a day of the calendar"))
	}
	day := dayOf(date, time.UTC)
	s, err := requireOfKey(ctx, h.store.Queries)
	if err != nil {
		return nil, err
	}
	find, err := identifying(ctx, h.store.Queries, s.ID, string(r.Body.IdentifierType), r.Body.FieldName)
	if err != nil {
		return nil, err
	}
	number, limit := max(1, r.Body.Page), r.Body.Limit
	if limit == 0 {
		limit = 50
	}
	all := int32(len(r.Body.Identifier))
	data := gen.DailyHistory{Date: r.Body.Date, Results: []gen.MemberEarnings{}, Pagination: gen.FoundPagination{
		Page: number, Limit: limit, Total: all, TotalPages: (all + limit - 1) / limit,
	}}
	for i, identifier := range r.Body.Identifier {
		account, err := find(identifier)
		if unknown := (*contract.Error)(nil); errors.As(err, &unknown) && unknown.Code == gen.ProblemCodeNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		data.Pagination.Found++
		if int32(i)/limit != number-1 {
			continue
		}
		days, err := h.store.Ledger.ListDays(ctx, s.ID, account.AccountNumber, day, day)
		if err != nil {
			return nil, err
		}
		got := gen.MemberEarnings{Identifier: identifier, UserID: account.ID, Date: r.Body.Date}
		for _, d := range days {
			got.Coins, got.XP = d.Coins, d.XP
		}
		data.Results = append(data.Results, got)
	}
	return stub.GetDailyHistory200JSONResponse{Status: integration, Message: statsFetched, Data: data}, nil
}

// ListActivityLogs shows the lines of the ledger of a member.
func (h gamification) ListActivityLogs(ctx context.Context, r stub.ListActivityLogsRequestObject) (stub.ListActivityLogsResponseObject, error) {
	page, err := pageIn(ctx, r.Body.Page, r.Body.Limit, r.Body.Cursor)
	if err != nil {
		return nil, err
	}
	if !r.Body.To.IsZero() && r.Body.To.Before(r.Body.From.Time) {
		return nil, contract.Invalid(contract.Field("/to", gen.FieldCodeNotAllowed, "must not be before from"))
	}
	s, account, err := memberAsked(ctx, h.store.Queries, identifiedBy{r.Body.Identifier, r.Body.FieldName, r.Body.IdentifierType})
	if err != nil {
		return nil, err
	}
	found, err := h.store.Ledger.List(ctx, s.ID, account.AccountNumber, momentsOf(r.Body.From, r.Body.To), page.asked())
	if err != nil {
		return nil, err
	}
	shown, next := cut(page, found, func(l store.LedgerLine) store.Position { return store.Position{At: gen.Time{Time: l.At}, ID: l.ID} })
	data := gen.ActivityLogPage{Logs: []gen.ActivityLog{}, Page: page.number, Limit: page.limit, NextCursor: next}
	for _, l := range shown {
		data.Logs = append(data.Logs, gen.ActivityLog{
			ID: l.ID, Action: gen.Action(l.Action), XP: l.XP, Coins: l.Coins, Premium: l.Premium, Reason: l.Reason, CreatedAt: gen.Time{Time: l.At},
		})
	}
	return stub.ListActivityLogs200JSONResponse{Status: integration, Message: "Activity logs fetched successfully", Data: data}, nil
}

// momentsOf is what lies between two moments, of which each may be missing.
func momentsOf(from, to gen.Time) (in store.Range) {
	if !from.IsZero() {
		in.From = new(from.UnixMicro())
	}
	if !to.IsZero() {
		in.To = new(to.UnixMicro())
	}
	return in
}

// earnedToday is what a member has earned on this day of a server.
func (k *core) earnedToday(ctx context.Context, q store.Queries, rules store.Rules, account int64) (earned gen.Balance, err error) {
	today := dayOf(k.now(), zoneOf(rules.Zone))
	days, err := q.Ledger.ListDays(ctx, rules.ServerID, account, today, today)
	for _, day := range days {
		earned = gen.Balance{XP: day.XP, Coins: day.Coins}
	}
	return earned, err
}
