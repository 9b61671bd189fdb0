package server

import (
	"cmp"
	"context"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/level"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// noName is what clients of this API read where there is none.
const noName = "---"

// GetUserData tells what a member is, has and has done.
func (h users) GetUserData(ctx context.Context, r stub.GetUserDataRequestObject) (stub.GetUserDataResponseObject, error) {
	q := h.store.Queries
	s, err := requireOfKey(ctx, q)
	if err != nil {
		return nil, err
	}
	account, err := memberNamed(ctx, q, s.ID, r.Body.IDOrEmail)
	if err != nil {
		return nil, err
	}
	number := account.AccountNumber
	totals, err := q.Ledger.GetTotals(ctx, s.ID, number)
	if err != nil {
		return nil, err
	}
	rules, err := q.Gamification.Get(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	earned, err := h.earnedToday(ctx, q, rules, number)
	if err != nil {
		return nil, err
	}
	roles, err := q.Roles.ListOf(ctx, s.ID, number)
	if err != nil {
		return nil, err
	}
	presence, err := h.presenceOf(ctx, q, number)
	if err != nil {
		return nil, err
	}
	fields, err := h.customFieldsOf(ctx, q, s.ID, number)
	if err != nil {
		return nil, err
	}
	data := gen.UserData{
		UserID: account.Number, Username: account.Username, XP: totals.XP, Coins: totals.Coins, Premium: totals.Premium > 0, Roles: []string{},
		FirstName: cmp.Or(account.FirstName, noName), LastName: cmp.Or(account.LastName, noName),
		XPEarnedToday: earned.XP, CoinsEarnedToday: earned.Coins, Language: account.Language,
		TotalMessages: totals.Messages, TotalReactions: totals.Reactions, VisitCount: totals.Visits, ReplySent: totals.Replies,
		TimeSpent: presence.Minutes, LoginStreak: presence.streak, CustomFields: fields, ID: account.ID, Email: account.Email,
	}
	for _, role := range roles {
		data.Roles = append(data.Roles, role.Title)
	}
	level, tier := level.Of(rules.Tiers, totals.XP)
	data.Level, data.Tier = level, nullIfEmpty(tier)
	if len(data.Roles) == 0 { // @all is the last of all: the community has gone meanwhile
		return nil, contract.NotFound("user")
	}
	data.HighestRole = data.Roles[0]
	return stub.GetUserData200JSONResponse{Status: integration, Data: data}, nil
}

// GetUser shows the parts of a user that were asked for: to a key of a member of its community, to an account of itself.
func (h users) GetUser(ctx context.Context, r stub.GetUserRequestObject) (stub.GetUserResponseObject, error) {
	account, err := h.userOf(ctx, h.store.Queries, r.UserID)
	if err != nil {
		return nil, err
	}
	presence, err := h.presenceOf(ctx, h.store.Queries, account.AccountNumber)
	if err != nil {
		return nil, err
	}
	avatar, number := h.imageURL(ctx, account.Avatar), int32(account.AccountNumber)
	all := r.Params == (gen.GetUserParams{})
	wanted := func(flag *bool) bool { return all || valueOf(flag) }
	body := gen.UserParts{
		ID: shownIf(wanted(r.Params.ID), account.ID), Number: shownIf(wanted(r.Params.Number), number), Avatar: shownIf(wanted(r.Params.Avatar), avatar),
		DisplayName: shownIf(wanted(r.Params.DisplayName), account.DisplayName), Username: shownIf(wanted(r.Params.Username), account.Username),
		FirstName: shownIf(wanted(r.Params.FirstName), account.FirstName), LastName: shownIf(wanted(r.Params.LastName), account.LastName),
		Email: shownIf(wanted(r.Params.Email), account.Email), IsOnline: shownIf(wanted(r.Params.IsOnline), presence.online),
		LastLogin: shownIf(wanted(r.Params.LastLogin), presence.LoginAt),
	}
	return stub.GetUser200JSONResponse{Meta: application(200), Message: "Get user success.", Data: body}, nil
}

func shownIf[T any](shown bool, value T) *T {
	if !shown {
		return nil
	}
	return &value
}

// userOf finds the account that a caller may ask about by its id, without naming a community.
func (k *core) userOf(ctx context.Context, q store.Queries, id string) (store.Account, error) {
	if actorFrom(ctx).key == nil {
		account, err := q.Auth.GetAccount(ctx, actorFrom(ctx).account)
		if err == nil && account.ID != id {
			err = contract.NotFound("user")
		}
		return account, err
	}
	s, err := requireOfKey(ctx, q)
	if err != nil {
		return store.Account{}, err
	}
	return memberNamed(ctx, q, s.ID, id)
}

// GetCommunityUser shows a member, with what they have there.
func (h users) GetCommunityUser(ctx context.Context, r stub.GetCommunityUserRequestObject) (stub.GetCommunityUserResponseObject, error) {
	q := h.store.Queries
	s, err := require(ctx, q, r.CommunityID, "community")
	if err != nil {
		return nil, err
	}
	account, err := memberNamed(ctx, q, s.ID, r.UserID)
	if err == nil && !s.actor.showsMember(account.AccountNumber) {
		err = contract.NotFound("user")
	}
	if err != nil {
		return nil, err
	}
	body, err := h.detailsOf(ctx, q, s, account)
	if err != nil {
		return nil, err
	}
	return stub.GetCommunityUser200JSONResponse{Meta: application(200), Message: "Read community user success.", Data: body}, nil
}

// detailsOf is all that is shown of a member.
func (k *core) detailsOf(ctx context.Context, q store.Queries, s standing, account store.Account) (body gen.CommunityUserDetails, err error) {
	number := account.AccountNumber
	totals, err := q.Ledger.GetTotals(ctx, s.ID, number)
	if err != nil {
		return body, err
	}
	rules, err := q.Gamification.Get(ctx, s.ID)
	if err != nil {
		return body, err
	}
	joined, err := q.Users.GetJoining(ctx, s.ID, number)
	if err != nil {
		return body, err
	}
	roles, err := q.Roles.ListOf(ctx, s.ID, number)
	if err != nil {
		return body, err
	}
	badges, err := q.Badges.ListOf(ctx, s.ID, number)
	if err != nil {
		return body, err
	}
	fields := map[string]any{}
	if sees, err := s.seesValues(ctx, q, number); err != nil {
		return body, err
	} else if sees {
		if fields, err = k.customFieldsOf(ctx, q, s.ID, number); err != nil {
			return body, err
		}
	}
	presence, err := q.Users.GetPresence(ctx, number)
	if err != nil {
		return body, err
	}
	body = gen.CommunityUserDetails{
		ID: account.ID, Number: int32(number), Username: account.Username, DisplayName: account.DisplayName, FirstName: account.FirstName,
		LastName: account.LastName, Avatar: k.imageURL(ctx, account.Avatar), JoinedAt: joined, XP: totals.XP, Coins: totals.Coins,
		Roles: []gen.UserRole{}, Badges: []gen.UserBadge{}, CustomFields: fields,
	}
	level, tier := level.Of(rules.Tiers, totals.XP)
	body.Level, body.Tier = level, nullIfEmpty(tier)
	for _, role := range roles {
		body.Roles = append(body.Roles, gen.UserRole{ID: role.ID, Title: role.Title})
	}
	for _, badge := range badges {
		body.Badges = append(body.Badges, gen.UserBadge{ID: badge.ID, Title: badge.Definition.Title})
	}
	if s.seesEmailOf(account.AccountNumber) {
		body.Email, body.LastLogin = account.Email, presence.LoginAt
	}
	return body, nil
}

// seesValues tells whether the caller sees what a member has in the fields of the community: whoever sees everything there does, and
// the member.
func (s *standing) seesValues(ctx context.Context, q store.Queries, account int64) (bool, error) {
	if s.actor.key == nil && s.actor.account == account {
		return true, nil
	}
	viewer, err := s.viewer(ctx, q)
	return viewer.Full, err
}
