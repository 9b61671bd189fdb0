package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/field"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A userCursor is a place in a list of members, as the wire shows it. It holds no secret; one that somebody else has made leads to
// some position in the same list.
type userCursor struct {
	operation string
	order     store.UserOrder
	store.UserPosition
	page int64 // that begins there
}

func (c userCursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %v %d %d", c.operation, c.order, c.Key, c.Account, c.page))
}

// userCursorOf reads a cursor of the list of the request, in an order.
func userCursorOf(ctx context.Context, text string, order store.UserOrder) (c userCursor, err error) {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(plain), " ")
	if err != nil || len(parts) != 5 {
		return c, errors.New("not a cursor")
	}
	c = userCursor{operation: contract.OperationFrom(ctx).ID, order: order}
	c.Key = parts[2]
	byText := order == store.ByName || order == store.BySearch
	switch {
	case order == store.ByField:
		c.Key, err = strconv.ParseFloat(parts[2], 64)
	case !byText:
		c.Key, err = strconv.ParseInt(parts[2], 10, 64)
	}
	number, errNumber := strconv.ParseInt(parts[3], 10, 32)
	page, errPage := strconv.ParseInt(parts[4], 10, 32)
	c.Account, c.page = number, page
	if err = errors.Join(err, errNumber, errPage); err == nil && (c.String() != text || byText && strings.Trim(parts[2], "0123456789abcdef") != "") {
		err = errors.New("a cursor of another list")
	}
	return c, err
}

// ListCommunityUsers shows a page of the members of a community.
func (h users) ListCommunityUsers(ctx context.Context, r stub.ListCommunityUsersRequestObject) (stub.ListCommunityUsersResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.CommunityID, "community")
	if err != nil {
		return nil, err
	}
	ask, err := h.questionOf(ctx, s, r.Params)
	if err != nil {
		return nil, err
	}
	number, limit := *r.Params.Page, *r.Params.Limit
	page, skip := userCursor{page: int64(number)}, 0
	switch {
	case r.Params.Cursor == nil:
		if _, err := pageOf(ctx, &number, &limit, nil); err != nil {
			return nil, err
		}
		skip = int(number-1) * int(limit)
	case number != 1:
		return nil, contract.Invalid(contract.Field("query/page", gen.FieldCodeNotAllowed, "must be left out where there is a cursor"))
	default:
		if page, err = userCursorOf(ctx, *r.Params.Cursor, ask.Order); err != nil {
			return nil, notACursor("query/")
		}
		ask.After = &page.UserPosition
	}
	found, next, err := h.store.Users.Find(ctx, ask, skip, int(limit))
	if err != nil {
		return nil, err
	}
	answer := stub.ListCommunityUsers200JSONResponse{Message: "Read community users success.", Data: []gen.CommunityUser{}}
	answer.Meta = gen.ApplicationPageMeta{Status: "success", StatusCode: 200, Page: number, Limit: limit, Total: int64(skip + len(found))}
	if next != nil {
		answer.Meta.NextCursor = userCursor{contract.OperationFrom(ctx).ID, ask.Order, *next, page.page + 1}.String()
		answer.Meta.Total++
	}
	if ask.Order != store.BySearch && ask.Conditions == nil {
		if answer.Meta.Total, err = h.store.Servers.CountMembers(ctx, s.ID); err != nil {
			return nil, err
		}
	}
	for _, user := range found {
		answer.Data = append(answer.Data, h.listedUser(ctx, s, user))
	}
	return answer, nil
}

// questionOf is what the query of a list of members asks for.
func (k *core) questionOf(ctx context.Context, s standing, params gen.ListCommunityUsersParams) (ask store.UserQuery, err error) {
	by, direction, _ := strings.Cut(valueOf(params.Sort), ":")
	ask = store.UserQuery{ServerID: s.ID, Descending: direction == "desc"}
	ask.Order = map[string]store.UserOrder{"xp": store.ByXP, "coins": store.ByCoins, "displayName": store.ByName}[by]
	if params.Search != nil {
		if by != "" && ask.Order != store.ByName {
			return ask, contract.Invalid(contract.Field("query/sort", gen.FieldCodeNotAllowed, "must be displayName, or left out, where there is a search"))
		}
		ask.Order = store.BySearch
		ask.From, ask.To = anyRange(store.NameRange(*params.Search))
	}
	if params.Role != nil {
		role, err := k.store.Roles.Get(ctx, *params.Role)
		if errors.Is(err, store.ErrNotFound) || err == nil && role.ServerID != s.ID {
			err = contract.NotFound("role")
		}
		if err != nil {
			return ask, err
		}
		if !role.Everyone {
			ask.Conditions = &store.UserConditions{Role: &role.ID}
		}
	}
	return ask, nil
}

func anyRange(from, to string) (any, any) { return from, to }

// listedUser is a member as the list shows them to the caller.
func (k *core) listedUser(ctx context.Context, s standing, u store.FoundUser) gen.CommunityUser {
	shown := gen.CommunityUser{
		ID: u.ID, Number: int32(u.AccountNumber), Username: u.Username, DisplayName: u.DisplayName, FirstName: u.FirstName, LastName: u.LastName,
		Avatar: k.imageURL(ctx, u.Avatar), JoinedAt: u.JoinedAt, XP: u.XP, Coins: u.Coins,
	}
	if s.seesEmailOf(u.AccountNumber) {
		shown.Email, shown.LastLogin = u.Email, u.LastLogin
	}
	return shown
}

// usersAPage is how many users a page of FilterUsers has. The contract says so.
const usersAPage = 200

// FilterUsers finds members by what is known of them.
func (h users) FilterUsers(ctx context.Context, r stub.FilterUsersRequestObject) (stub.FilterUsersResponseObject, error) {
	s, err := requireOfKey(ctx, h.store.Queries)
	if err != nil {
		return nil, err
	}
	filter, err := filterOf(ctx, h.store.Queries, s, *r.Body)
	if err != nil {
		return nil, err
	}
	page := userCursor{page: int64(max(1, r.Body.Page))}
	skip := int(page.page-1) * usersAPage
	if r.Body.Cursor != "" {
		if r.Body.Page != 0 {
			return nil, contract.Invalid(contract.Field("/page", gen.FieldCodeNotAllowed, "must be left out where there is a cursor"))
		}
		if page, err = userCursorOf(ctx, r.Body.Cursor, filter.ask.Order); err != nil {
			return nil, contract.Invalid(contract.Field("/cursor", gen.FieldCodeMalformed, "must be the next_cursor of a page of this filter"))
		}
		filter.ask.After, skip = &page.UserPosition, 0
	}
	found, next, err := h.store.Users.Find(ctx, filter.ask, skip, usersAPage)
	if err != nil {
		return nil, err
	}
	data := gen.FilteredUserPage{Users: []gen.FilteredUser{}, CurrentPage: page.page, TotalPages: page.page}
	if next != nil {
		data.NextCursor = userCursor{contract.OperationFrom(ctx).ID, filter.ask.Order, *next, page.page + 1}.String()
		data.TotalPages++
	}
	if !filter.filters {
		total, err := h.store.Servers.CountMembers(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		data.TotalPages = (total + usersAPage - 1) / usersAPage
	}
	for _, user := range found {
		data.Users = append(data.Users, filter.shown(user))
	}
	return stub.FilterUsers200JSONResponse{Status: integration, Message: "Users fetched successfully", Data: data}, nil
}

// A userFilter is what a request asks for, and what it wants to see of it.
type userFilter struct {
	ask     store.UserQuery
	filters bool // whether it asks for anything but all
	fields  []string
	own     []store.Field // those of the community
	types   []*field.Type // of these
}

// filteredFields are those that can be shown and filtered by, with how each is shown.
var filteredFields = map[string]func(store.FoundUser) any{
	"email":        func(u store.FoundUser) any { return u.Email },
	"first_name":   func(u store.FoundUser) any { return u.FirstName },
	"last_name":    func(u store.FoundUser) any { return u.LastName },
	"username":     func(u store.FoundUser) any { return u.Username },
	"display_name": func(u store.FoundUser) any { return u.DisplayName },
	"join_date":    func(u store.FoundUser) any { return u.JoinedAt },
	"xp":           func(u store.FoundUser) any { return u.XP },
	"coins":        func(u store.FoundUser) any { return u.Coins },
}

func (f userFilter) shown(u store.FoundUser) gen.FilteredUser {
	shown := gen.FilteredUser{"_id": u.ID}
	for _, name := range f.fields {
		shown[name] = filteredFields[name](u)
	}
	for i, own := range f.own {
		if value, has := shownValue(own, f.types[i], u.Values); has {
			shown[own.Definition.Field] = value
		}
	}
	return shown
}

// whole is how far numbers are exact on the wire.
const whole = 1 << 53

// wholeNumber is a number of a JSON document that must be whole.
func wholeNumber(value any) (int64, bool) {
	number, is := value.(float64)
	return int64(number), is && number == math.Trunc(number) && math.Abs(number) < whole
}
