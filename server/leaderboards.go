package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// leaderboards are the operations of the tag leaderboards: who is ahead in a community.
type leaderboards struct{ *core }

// ListLeaderboards shows a page of the leaderboards that the caller may view. There are few: all are read.
func (h leaderboards) ListLeaderboards(ctx context.Context, r stub.ListLeaderboardsRequestObject) (stub.ListLeaderboardsResponseObject, error) {
	parts, err := partsOf[gen.LeaderboardParts](r.Params.Fields)
	if err != nil {
		return nil, err
	}
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	all, err := h.store.Leaderboards.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	viewer, err := boardViewerOf(ctx, h.store.Queries, &s)
	if err != nil {
		return nil, err
	}
	_, word, _ := strings.Cut(valueOf(r.Params.Search), ":")
	all = slices.DeleteFunc(all, func(l gen.Leaderboard) bool { return !viewer.sees(l) || !says(l, words.Caseless(word)) })
	sortLeaderboards(all, valueOf(r.Params.Sort))
	number, limit := int(*r.Params.Page), int(*r.Params.Limit)
	answer := stub.ListLeaderboards200JSONResponse{Message: "Read leaderboards success.", Data: []gen.LeaderboardParts{}}
	answer.Meta = gen.ApplicationPageMeta{Status: "success", StatusCode: http.StatusOK, Page: int32(number), Limit: int32(limit), Total: int64(len(all))}
	from := min((number-1)*limit, len(all))
	for _, l := range all[from:min(from+limit, len(all))] {
		answer.Data = append(answer.Data, parts.of(l))
	}
	return answer, nil
}

// CreateLeaderboard makes a leaderboard.
func (h leaderboards) CreateLeaderboard(ctx context.Context, r stub.CreateLeaderboardRequestObject) (stub.CreateLeaderboardResponseObject, error) {
	described := newLeaderboard()
	if err := changeLeaderboard(&described, gen.LeaderboardUpdate(*r.Body)); err != nil {
		return nil, err
	}
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.LeaderboardResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		l, now := described, gen.Time{Time: h.now()}
		l.ID, l.CommunityID, l.CreatedAt, l.UpdatedAt = h.newID(), s.ID, now, now
		if err := checkLeaderboard(ctx, tx.Queries, newLeaderboard(), l, gen.LeaderboardUpdate(*r.Body)); err != nil {
			return body, err
		}
		if err := slugTaken(tx.Leaderboards.Insert(ctx, l)); err != nil {
			return body, err
		}
		body = gen.LeaderboardResponse{Meta: application(http.StatusCreated), Message: "Create leaderboard success.", Data: l}
		return body, record(ctx, h.core, tx, s.ID, l.ID, nil, &l)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateLeaderboard201JSONResponse{Body: body, Headers: stub.CreateLeaderboard201ResponseHeaders(again)}, nil
}

// GetLeaderboard shows a leaderboard.
func (h leaderboards) GetLeaderboard(ctx context.Context, r stub.GetLeaderboardRequestObject) (stub.GetLeaderboardResponseObject, error) {
	parts, err := partsOf[gen.LeaderboardParts](r.Params.Fields)
	if err != nil {
		return nil, err
	}
	_, l, err := leaderboardOf(ctx, h.store.Queries, r.LeaderboardID)
	if err != nil {
		return nil, err
	}
	return stub.GetLeaderboard200JSONResponse{Meta: application(http.StatusOK), Message: "Read leaderboard success.", Data: parts.of(l)}, nil
}

// UpdateLeaderboard changes what is given of a leaderboard.
func (h leaderboards) UpdateLeaderboard(ctx context.Context, r stub.UpdateLeaderboardRequestObject) (stub.UpdateLeaderboardResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateLeaderboard200JSONResponse, err error) {
		s, before, err := leaderboardOf(ctx, tx.Queries, r.LeaderboardID)
		if err != nil {
			return answer, err
		}
		if r.Body.ServerID != "" && r.Body.ServerID != s.ID {
			return answer, contract.Invalid(contract.Field("/serverId", gen.FieldCodeNotAllowed, "must be the community of the leaderboard, or be left out"))
		}
		after := before
		if err := changeLeaderboard(&after, *r.Body); err != nil {
			return answer, err
		}
		if err := checkLeaderboard(ctx, tx.Queries, before, after, *r.Body); err != nil {
			return answer, err
		}
		if !same(&before, &after) {
			after.UpdatedAt = gen.Time{Time: h.now()}
			if err := slugTaken(tx.Leaderboards.Update(ctx, after)); err != nil {
				return answer, err
			}
			if err := endStandings(ctx, tx, before, after); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateLeaderboard200JSONResponse{Meta: application(http.StatusOK), Message: "Update leaderboard success.", Data: after}
		return answer, record(ctx, h.core, tx, s.ID, after.ID, &before, &after)
	})
}

// DeleteLeaderboard ends a leaderboard.
func (h leaderboards) DeleteLeaderboard(ctx context.Context, r stub.DeleteLeaderboardRequestObject) (stub.DeleteLeaderboardResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteLeaderboard200JSONResponse, err error) {
		s, l, err := leaderboardOf(ctx, tx.Queries, r.LeaderboardID)
		if err != nil {
			return answer, err
		}
		if err := tx.Leaderboards.Delete(ctx, s.ID, l.ID); err != nil {
			return answer, err
		}
		if err := endStandings(ctx, tx, l, gen.Leaderboard{}); err != nil {
			return answer, err
		}
		answer = stub.DeleteLeaderboard200JSONResponse{Meta: application(http.StatusOK), Message: "Delete leaderboard success.", Data: l}
		return answer, record(ctx, h.core, tx, s.ID, l.ID, &l, nil)
	})
}

// endStandings ends what was computed of a leaderboard, if it ranks others from now on, or by something else.
func endStandings(ctx context.Context, tx *store.Tx, before, after gen.Leaderboard) error {
	if before.RankBy == after.RankBy && same(&before.RankedUserRoles, &after.RankedUserRoles) && same(&before.Duration, &after.Duration) {
		return nil
	}
	if err := tx.Leaderboards.EndStandings(ctx, before.ID); err != nil {
		return err
	}
	return tx.Jobs.Insert(ctx, boardsRefresh{ServerID: before.CommunityID})
}

// leaderboardOf finds a leaderboard with which the caller may do the operation of the request. To who may not view it, it does not
// exist.
func leaderboardOf(ctx context.Context, q store.Queries, id string) (s standing, l gen.Leaderboard, err error) {
	if l, err = q.Leaderboards.Get(ctx, id); err == nil {
		s, err = enter(ctx, q, l.CommunityID, "leaderboard")
	}
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("leaderboard")
	}
	if err != nil {
		return s, l, err
	}
	if err := s.check(ctx, q); err != nil {
		return s, l, err
	}
	viewer, err := boardViewerOf(ctx, q, &s)
	if err == nil && (!viewer.sees(l) || !s.actor.showsBoard(l.ID)) {
		err = contract.NotFound("leaderboard")
	}
	return s, l, err
}

// slugTaken says of a leaderboard that cannot be there because of its slug that this is why.
func slugTaken(err error) error {
	if errors.Is(err, store.ErrDuplicate) {
		return contract.Conflict("There is such a leaderboard already", "another leaderboard of the community has this slug")
	}
	return err
}

// A boardViewer is how a caller looks at the leaderboards of a server.
type boardViewer struct {
	full  bool // whatever they say
	id    string
	roles []string
}

func boardViewerOf(ctx context.Context, q store.Queries, s *standing) (v boardViewer, err error) {
	if err := s.learn(ctx, q); err != nil || s.may.Full || s.actor.isNobody() {
		return boardViewer{full: s.may.Full}, err
	}
	account, err := q.Auth.GetAccount(ctx, s.actor.account)
	if err != nil {
		return v, err
	}
	roles, err := q.Roles.ListOf(ctx, s.ID, s.actor.account)
	v.id = account.ID
	for _, role := range roles {
		v.roles = append(v.roles, role.ID)
	}
	return v, err
}

// sees tells whether a leaderboard is there for the viewer.
func (v boardViewer) sees(l gen.Leaderboard) bool {
	may := l.ViewPermissionUserRoles
	return v.full || l.IsEnabled && (store.ForEverybody(may) || slices.Contains(may.Users, v.id) ||
		slices.ContainsFunc(v.roles, func(id string) bool { return slices.Contains(may.Roles, id) }))
}

// says tells whether a leaderboard has a word in what is written of it.
func says(l gen.Leaderboard, word string) bool {
	return slices.ContainsFunc([]string{l.Name, l.Slug, l.Description}, func(text string) bool { return strings.Contains(words.Caseless(text), word) })
}

// sortLeaderboards brings leaderboards, which are in the order of displayOrder, into another one.
func sortLeaderboards(all []gen.Leaderboard, order string) {
	by, direction, _ := strings.Cut(order, ":")
	slices.SortStableFunc(all, func(a, b gen.Leaderboard) (c int) {
		if direction == "desc" {
			a, b = b, a
		}
		switch by {
		case "name":
			c = cmp.Or(strings.Compare(words.Caseless(a.Name), words.Caseless(b.Name)), strings.Compare(a.Name, b.Name))
		case "slug":
			c = strings.Compare(a.Slug, b.Slug)
		case "displayOrder":
			c = cmp.Compare(a.DisplayOrder, b.DisplayOrder)
		case "createdAt":
			c = cmp.Or(a.CreatedAt.Compare(b.CreatedAt.Time), strings.Compare(a.ID, b.ID))
		}
		return c
	})
}

// newLeaderboard is one of which nothing is said.
func newLeaderboard() gen.Leaderboard {
	nobody := gen.LeaderboardAudience{Users: gen.LeaderboardUsers{}, Roles: gen.LeaderboardRoles{}, Tags: gen.LeaderboardTags{}}
	return gen.Leaderboard{
		RankBy: "xps", DisplayedFields: gen.LeaderboardColumns{}, DisplayFieldsOrder: gen.LeaderboardColumns{},
		PerformanceDisplay: gen.LeaderboardDisplay{ShowTop: gen.LeaderboardTop{Value: 10}},
		Duration: gen.LeaderboardDuration{
			NoEndDate: true, StartTime: gen.LeaderboardTime{Hours: 12, Ampm: "AM"}, EndTime: gen.LeaderboardTime{Hours: 11, Minutes: 59, Ampm: "PM"},
			Start: gen.Null[gen.Time](), End: gen.Null[gen.Time](),
		},
		TimeFilters: gen.LeaderboardFilters{
			gen.LeaderboardFilterAllTime, gen.LeaderboardFilterDaily, gen.LeaderboardFilterWeekly, gen.LeaderboardFilterMonthly, gen.LeaderboardFilterYearly,
		},
		RankedUserRoles: nobody, ViewPermissionUserRoles: nobody, IsEnabled: true,
		Widget: gen.LeaderboardWidget{WhitelistedDomains: []string{}, Size: gen.LeaderboardWidgetSize{Type: "custom", Value: gen.LeaderboardWidgetArea{Width: 420, Height: 640}}},
	}
}

// changeLeaderboard changes what a request gives, by the newer name of each part or by the older one.
func changeLeaderboard(l *gen.Leaderboard, in gen.LeaderboardUpdate) error {
	if err := checkSpellings(in); err != nil {
		return err
	}
	l.Name, l.Slug = cmp.Or(in.Name, l.Name), cmp.Or(in.Slug, l.Slug)
	set(&l.Description, in.Description)
	set(&l.Image, in.Image)
	set(&l.RankBy, in.RankBy)
	set(&l.DisplayedFields, in.DisplayedFields)
	set(&l.DisplayFieldsOrder, in.DisplayFieldsOrder)
	set(&l.PerformanceDisplay, in.PerformanceDisplay)
	set(&l.Duration, in.Duration)
	set(&l.TimeFilters, in.TimeFilters)
	set(&l.RankedUserRoles, in.RankedUserRoles)
	set(&l.ViewPermissionUserRoles, in.ViewPermissionUserRoles)
	set(&l.IsEnabled, in.IsEnabled)
	set(&l.IsPreviewEnabled, in.IsPreviewEnabled)
	set(&l.DisplayOrder, in.DisplayOrder)
	set(&l.Widget, in.Widget)

	set(&l.RankBy, in.RankingField)
	set(&l.PerformanceDisplay.ShowTop.Enabled, in.TopRankOnly)
	set(&l.PerformanceDisplay.ShowTop.Value, in.TopRankLimit)
	set(&l.PerformanceDisplay.ShowPositive.Enabled, in.OnlyPositiveRanks)
	set(&l.PerformanceDisplay.ShowDummy.Enabled, in.IncludeDummyUsers)
	set(&l.TimeFilters, in.AllowedTimeFilters)
	set(&l.RankedUserRoles.Users, in.AllowedUsersToRank)
	set(&l.RankedUserRoles.Roles, in.AllowedRolesToRank)
	set(&l.RankedUserRoles.Tags, in.AllowedTagsToRank)
	set(&l.ViewPermissionUserRoles.Users, in.AllowedUsersToView)
	set(&l.ViewPermissionUserRoles.Roles, in.AllowedRolesToView)
	set(&l.ViewPermissionUserRoles.Tags, in.AllowedTagsToView)
	changeDuration(&l.Duration, in)
	return changeColumns(l, in)
}

func changeDuration(d *gen.LeaderboardDuration, in gen.LeaderboardUpdate) {
	set(&d.TimeZone, in.TimeZone)
	set(&d.StartTime, in.StartTime)
	set(&d.EndTime, in.EndTime)
	if !in.StartDate.IsZero() {
		d.Start = in.StartDate
	}
	if !in.EndDate.IsZero() {
		d.End, d.NoEndDate = in.EndDate, in.EndDate.IsNull()
	}
	set(&d.NoEndDate, in.HasNoEndDate)
}

func changeColumns(l *gen.Leaderboard, in gen.LeaderboardUpdate) error {
	if in.DisplayedColumns == nil {
		return nil
	}
	columns := slices.Clone(*in.DisplayedColumns)
	l.DisplayedFields, l.DisplayFieldsOrder = gen.LeaderboardColumns{}, gen.LeaderboardColumns{}
	for i, column := range columns {
		if slices.ContainsFunc(columns[:i], func(other gen.LeaderboardColumn) bool { return other.Column == column.Column }) {
			return contract.Invalid(contract.Field(fmt.Sprintf("/displayedColumns/%d/column", i), gen.FieldCodeDuplicate, "must be another column than those before"))
		}
	}
	slices.SortStableFunc(columns, func(a, b gen.LeaderboardColumn) int { return cmp.Compare(a.Order, b.Order) })
	for _, column := range columns {
		l.DisplayFieldsOrder = append(l.DisplayFieldsOrder, column.Column)
		if column.Visible {
			l.DisplayedFields = append(l.DisplayedFields, column.Column)
		}
	}
	return nil
}

// checkSpellings refuses a part that is given by its newer and by its older name.
func checkSpellings(in gen.LeaderboardUpdate) error {
	var fields []gen.ProblemField
	for _, part := range []struct {
		older        string
		given, newer bool
	}{
		{"rankBy", in.RankBy != nil, in.RankingField != nil},
		{"displayedFields", in.DisplayedFields != nil, in.DisplayedColumns != nil},
		{"displayFieldsOrder", in.DisplayFieldsOrder != nil, in.DisplayedColumns != nil},
		{"performanceDisplay", in.PerformanceDisplay != nil, in.TopRankOnly != nil || in.TopRankLimit != nil || in.OnlyPositiveRanks != nil || in.IncludeDummyUsers != nil},
		{"duration", in.Duration != nil, !in.StartDate.IsZero() || !in.EndDate.IsZero() || in.HasNoEndDate != nil || in.TimeZone != nil || in.StartTime != nil || in.EndTime != nil},
		{"timeFilters", in.TimeFilters != nil, in.AllowedTimeFilters != nil},
		{"rankedUserRoles", in.RankedUserRoles != nil, in.AllowedUsersToRank != nil || in.AllowedRolesToRank != nil || in.AllowedTagsToRank != nil},
		{"viewPermissionUserRoles", in.ViewPermissionUserRoles != nil, in.AllowedUsersToView != nil || in.AllowedRolesToView != nil || in.AllowedTagsToView != nil},
	} {
		if part.given && part.newer {
			fields = append(fields, contract.Field("/"+part.older, gen.FieldCodeDuplicate, "is given by its newer name, too; give one"))
		}
	}
	if len(fields) > 0 {
		return contract.Invalid(fields...)
	}
	return nil
}

// checkLeaderboard refuses what a leaderboard cannot become. What it was before may stay, also where it is gone meanwhile.
func checkLeaderboard(ctx context.Context, q store.Queries, before, after gen.Leaderboard, in gen.LeaderboardUpdate) error {
	if err := checkDuration(after.Duration, in.Duration != nil); err != nil {
		return err
	}
	if err := checkRanking(ctx, q, before, after, in.RankBy != nil); err != nil {
		return err
	}
	for _, audience := range []struct {
		was, is              gen.LeaderboardAudience
		atUsers, atRoles, in string
		old                  bool
	}{
		{before.RankedUserRoles, after.RankedUserRoles, "/allowedUsersToRank", "/allowedRolesToRank", "/rankedUserRoles", in.RankedUserRoles != nil},
		{before.ViewPermissionUserRoles, after.ViewPermissionUserRoles, "/allowedUsersToView", "/allowedRolesToView", "/viewPermissionUserRoles", in.ViewPermissionUserRoles != nil},
	} {
		if audience.old {
			audience.atUsers, audience.atRoles = audience.in+"/users", audience.in+"/roles"
		}
		for i, id := range audience.is.Users {
			if slices.Contains(audience.was.Users, id) {
				continue
			}
			if _, err := q.Users.GetMember(ctx, after.CommunityID, store.ByID, id); err != nil {
				return unknownIf(err, fmt.Sprintf("%s/%d", audience.atUsers, i), "must be a member of the community")
			}
		}
		for i, id := range audience.is.Roles {
			if slices.Contains(audience.was.Roles, id) {
				continue
			}
			role, err := q.Roles.Get(ctx, id)
			if err == nil && role.ServerID != after.CommunityID {
				err = store.ErrNotFound
			}
			if err != nil {
				return unknownIf(err, fmt.Sprintf("%s/%d", audience.atRoles, i), "must be a role of the community")
			}
		}
	}
	return nil
}

// unknownIf says of what was not found where the request names it.
func unknownIf(err error, pointer, must string) error {
	if errors.Is(err, store.ErrNotFound) {
		return contract.Invalid(contract.Field(pointer, gen.FieldCodeNotAllowed, must))
	}
	return err
}

func checkDuration(d gen.LeaderboardDuration, old bool) error {
	at := "/endDate"
	if old {
		at = "/duration/end"
	}
	end, ends := d.End.Get()
	if !d.NoEndDate && !ends {
		return contract.Invalid(contract.Field(at, gen.FieldCodeRequired, "is required where there is an end"))
	}
	if start, starts := d.Start.Get(); starts && !d.NoEndDate && !momentOf(end, d.EndTime, d.TimeZone).After(momentOf(start, d.StartTime, d.TimeZone)) {
		return contract.Invalid(contract.Field(at, gen.FieldCodeNotAllowed, "must be after the start"))
	}
	return nil
}

// rankingFields are those that every community has, with what the store calls them.
var rankingFields = map[string]store.Counted{
	"xps": store.CountedXP, "currencies": store.CountedCoins, "messages": store.CountedMessages, "replies": store.CountedReplies,
	"reactions": store.CountedReactions, "referrals": store.CountedReferrals,
}

func checkRanking(ctx context.Context, q store.Queries, before, after gen.Leaderboard, old bool) error {
	if _, known := rankingFields[after.RankBy]; known || after.RankBy == before.RankBy {
		return nil
	}
	f, err := q.Fields.Get(ctx, after.CommunityID, after.RankBy)
	if err == nil && !typeOf(f.Definition).IsNumber() {
		err = store.ErrNotFound
	}
	at := "/rankingField"
	if old {
		at = "/rankBy"
	}
	return unknownIf(err, at, "must be the name of a ranking field, or the id of a field of the community that takes numbers")
}
