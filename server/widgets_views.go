package server

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/widget"
)

// A view is a page that is being filled with what one caller sees of a widget.
type view struct {
	widgetPages
	*widget.Page
	c      echo.Context
	caller contract.Caller
	w      gen.Widget
}

// How much a page shows at once.
const (
	messagesAPage = 50
	entriesAPage  = 25
	productsAPage = 24
	ordersAPage   = 20
	mostQuotes    = 10 // that are looked up, beyond those that the page has
)

func (v view) who() actor { return v.caller.Who.(actor) }

// fill asks the operations that the kind of the widget needs.
func (v view) fill(ctx context.Context) (err error) {
	if v.Me, err = v.person(ctx, v.who()); err != nil {
		return err
	}
	rules, err := v.store.Gamification.Get(ctx, v.w.CommunityID)
	if err != nil {
		return err
	}
	v.Zone = zoneOf(rules.Zone)
	switch v.w.Kind {
	case gen.WidgetKindChannels:
		return v.channel()
	case gen.WidgetKindLeaderboard:
		return v.leaderboard()
	case gen.WidgetKindMilestone:
		return v.milestones()
	case gen.WidgetKindSocials:
		return v.socials()
	case gen.WidgetKindStore:
		return v.shop()
	case gen.WidgetKindCurrency:
		return v.currency()
	}
	return v.overview()
}

// number is a small one of the query, or another one where it has none that can be.
func (v view) number(name string, otherwise, most int32) int32 {
	n, err := strconv.ParseInt(v.c.QueryParam(name), 10, 32)
	if err != nil || n < 1 || int32(n) > most {
		return otherwise
	}
	return int32(n)
}

const deepestPage = 400 // as deep as pages go by number

func (v view) channel() error {
	channelID, _ := v.w.ChannelID.Get()
	params := gen.ListMessagesParams{ChannelID: &channelID, Count: new(int32(messagesAPage))}
	cursor := v.c.QueryParam("cursor")
	if cursor != "" {
		params.Cursor = &cursor
	}
	got, err := ask[stub.ListMessages200JSONResponse](v.widgetPages, v.c, v.caller, "listMessages", func(ctx context.Context) (stub.ListMessagesResponseObject, error) {
		return v.handlers.ListMessages(ctx, stub.ListMessagesRequestObject{Params: params})
	})
	if err != nil {
		return err
	}
	v.Channel = &widget.ChannelView{
		ID: channelID, Messages: got.Data.Messages, Quoted: map[string]gen.Message{}, Older: got.Data.NextCursor, Later: cursor != "",
		CanWrite: v.may(v.c, v.caller, "sendMessage", v.w.CommunityID),
	}
	for _, m := range got.Data.Messages {
		v.Channel.Quoted[m.ID] = m
	}
	looked := 0
	for _, m := range got.Data.Messages {
		id, is := m.ReplyTo.Get()
		if _, known := v.Channel.Quoted[id]; !is || known || looked == mostQuotes {
			continue
		}
		looked++
		quoted, err := ask[stub.GetMessage200JSONResponse](v.widgetPages, v.c, v.caller, "getMessage", func(ctx context.Context) (stub.GetMessageResponseObject, error) {
			return v.handlers.GetMessage(ctx, stub.GetMessageRequestObject{MessageID: id})
		})
		if err != nil && !isRefusal(err) {
			return err
		}
		if err == nil {
			v.Channel.Quoted[id] = quoted.Data
		}
	}
	return nil
}

// isRefusal tells whether something is there, and not for who asks, or is not there.
func isRefusal(err error) bool {
	var refused *contract.Error
	return errors.As(err, &refused) && (refused.Code == gen.ProblemCodeNotFound || refused.Code == gen.ProblemCodePermissionDenied)
}

func (v view) leaderboard() error {
	id, _ := v.w.LeaderboardID.Get()
	parts, err := ask[stub.GetLeaderboard200JSONResponse](v.widgetPages, v.c, v.caller, "getLeaderboard", func(ctx context.Context) (stub.GetLeaderboardResponseObject, error) {
		return v.handlers.GetLeaderboard(ctx, stub.GetLeaderboardRequestObject{LeaderboardID: id})
	})
	if err != nil {
		return err
	}
	board, err := wholeOf[gen.Leaderboard](parts.Data)
	if err != nil {
		return err
	}
	filter := gen.LeaderboardFilterAllTime
	if len(board.TimeFilters) > 0 {
		filter = board.TimeFilters[0]
	}
	if asked := gen.LeaderboardFilter(v.c.QueryParam("filter")); slices.Contains(board.TimeFilters, asked) {
		filter = asked
	}
	number := v.number("page", 1, deepestPage)
	found, err := v.entries(id, gen.ListLeaderboardEntriesParams{Filter: &filter, Page: &number, Limit: new(int32(entriesAPage))})
	if err != nil {
		return err
	}
	v.Leaderboard = &widget.LeaderboardView{
		Board: board, Entries: found.Data, Filter: filter, ComputedAt: found.Meta.ComputedAt, Page: int(number),
		More: found.Meta.Total > int64(number)*entriesAPage,
	}
	if v.Me == nil {
		return nil
	}
	around, err := v.entries(id, gen.ListLeaderboardEntriesParams{Filter: &filter, Page: new(int32(1)), Limit: new(int32(1)), Around: &v.Me.ID})
	if err != nil && !isRefusal(err) {
		return err
	}
	for _, entry := range around.Data {
		if entry.User.ID == v.Me.ID {
			v.Leaderboard.Mine = &entry
		}
	}
	return nil
}

func (v view) entries(id string, params gen.ListLeaderboardEntriesParams) (stub.ListLeaderboardEntries200JSONResponse, error) {
	return ask[stub.ListLeaderboardEntries200JSONResponse](v.widgetPages, v.c, v.caller, "listLeaderboardEntries", func(ctx context.Context) (stub.ListLeaderboardEntriesResponseObject, error) {
		return v.handlers.ListLeaderboardEntries(ctx, stub.ListLeaderboardEntriesRequestObject{LeaderboardID: id, Params: params})
	})
}

func (v view) milestones() error {
	got, err := ask[stub.GetUserMilestones200JSONResponse](v.widgetPages, v.c, v.caller, "getUserMilestones", func(ctx context.Context) (stub.GetUserMilestonesResponseObject, error) {
		return v.handlers.GetUserMilestones(ctx, stub.GetUserMilestonesRequestObject{Body: &gen.MemberQuestion{Identifier: v.Me.ID, IdentifierType: gen.IdentifierTypeID}})
	})
	v.Milestones = &widget.MilestonesView{Milestones: got.Data}
	return err
}

func (v view) socials() error {
	got, err := ask[stub.ListSocials200JSONResponse](v.widgetPages, v.c, v.caller, "listSocials", func(ctx context.Context) (stub.ListSocialsResponseObject, error) {
		return v.handlers.ListSocials(ctx, stub.ListSocialsRequestObject{Params: gen.ListSocialsParams{ServerID: &v.w.CommunityID}})
	})
	v.Socials = &widget.SocialsView{Links: got.Data}
	return err
}

func (v view) balance() (gen.Balance, error) {
	got, err := ask[stub.GetMemberBalance200JSONResponse](v.widgetPages, v.c, v.caller, "getMemberBalance", func(ctx context.Context) (stub.GetMemberBalanceResponseObject, error) {
		return v.handlers.GetMemberBalance(ctx, stub.GetMemberBalanceRequestObject{ServerID: v.w.CommunityID, UserID: v.Me.Number})
	})
	return got.Body, err
}

func (v view) shop() error {
	parts, err := ask[stub.GetStore200JSONResponse](v.widgetPages, v.c, v.caller, "getStore", func(ctx context.Context) (stub.GetStoreResponseObject, error) {
		return v.handlers.GetStore(ctx, stub.GetStoreRequestObject{Params: gen.GetStoreParams{ServerID: &v.w.CommunityID}})
	})
	if err != nil {
		return err
	}
	shown := &widget.StoreView{Page: int(v.number("page", 1, deepestPage))}
	v.Store = shown
	if shown.Store, err = wholeOf[gen.StoreConfig](parts.Data); err != nil {
		return err
	}
	balance, err := v.balance()
	if err != nil {
		return err
	}
	shown.Balance, shown.ShowOrders = &balance.Coins, v.c.QueryParam("view") == "orders"
	switch product := v.c.QueryParam("product"); {
	case shown.ShowOrders:
		return v.orders(shown)
	case !shown.Store.IsEnabled:
		return nil
	case product != "":
		return v.product(shown, product)
	}
	return v.products(shown)
}

func (v view) product(shown *widget.StoreView, id string) error {
	got, err := ask[stub.GetProduct200JSONResponse](v.widgetPages, v.c, v.caller, "getProduct", func(ctx context.Context) (stub.GetProductResponseObject, error) {
		return v.handlers.GetProduct(ctx, stub.GetProductRequestObject{ProductID: id})
	})
	if err != nil {
		return err
	}
	whole, err := wholeOf[gen.Product](got.Data)
	shown.Product = &whole
	return err
}

func (v view) products(shown *widget.StoreView) error {
	listed, err := ask[stub.ListCategories200JSONResponse](v.widgetPages, v.c, v.caller, "listCategories", func(ctx context.Context) (stub.ListCategoriesResponseObject, error) {
		return v.handlers.ListCategories(ctx, stub.ListCategoriesRequestObject{Params: gen.ListCategoriesParams{ServerID: &v.w.CommunityID, Skip: new(int32(0)), Limit: new(int32(100))}})
	})
	if err != nil {
		return err
	}
	if shown.Categories, err = wholeOf[[]gen.Category](listed.Data); err != nil {
		return err
	}
	params := gen.ListProductsParams{ServerID: &v.w.CommunityID, Skip: new(int32((shown.Page - 1) * productsAPage)), Limit: new(int32(productsAPage))}
	for _, category := range shown.Categories {
		if category.ID == v.c.QueryParam("category") {
			shown.Category, params.Filter = category.ID, new("categoryID:"+category.ID)
		}
	}
	got, err := ask[stub.ListProducts200JSONResponse](v.widgetPages, v.c, v.caller, "listProducts", func(ctx context.Context) (stub.ListProductsResponseObject, error) {
		return v.handlers.ListProducts(ctx, stub.ListProductsRequestObject{Params: params})
	})
	if err != nil {
		return err
	}
	shown.More = int(got.Meta.Total) > shown.Page*productsAPage
	shown.Products, err = wholeOf[[]gen.Product](got.Data)
	return err
}

func (v view) orders(shown *widget.StoreView) error {
	number := int32(shown.Page)
	got, err := ask[stub.ListMyPurchases200JSONResponse](v.widgetPages, v.c, v.caller, "listMyPurchases", func(ctx context.Context) (stub.ListMyPurchasesResponseObject, error) {
		return v.handlers.ListMyPurchases(ctx, stub.ListMyPurchasesRequestObject{Params: gen.ListMyPurchasesParams{ServerID: &v.w.CommunityID, Page: &number, Limit: new(int32(ordersAPage))}})
	})
	shown.Orders, shown.More = got.Data, got.Pagination.NextCursor != ""
	return err
}

func (v view) currency() error {
	balance, err := v.balance()
	if err != nil {
		return err
	}
	rules, err := ask[stub.GetGamification200JSONResponse](v.widgetPages, v.c, v.caller, "getGamification", func(ctx context.Context) (stub.GetGamificationResponseObject, error) {
		return v.handlers.GetGamification(ctx, stub.GetGamificationRequestObject{ServerID: v.w.CommunityID})
	})
	if err != nil {
		return err
	}
	member, err := ask[stub.GetCommunityUser200JSONResponse](v.widgetPages, v.c, v.caller, "getCommunityUser", func(ctx context.Context) (stub.GetCommunityUserResponseObject, error) {
		return v.handlers.GetCommunityUser(ctx, stub.GetCommunityUserRequestObject{CommunityID: v.w.CommunityID, UserID: v.Me.ID})
	})
	if err != nil {
		return err
	}
	badges, err := ask[stub.ListBadges200JSONResponse](v.widgetPages, v.c, v.caller, "listBadges", func(ctx context.Context) (stub.ListBadgesResponseObject, error) {
		return v.handlers.ListBadges(ctx, stub.ListBadgesRequestObject{Params: gen.ListBadgesParams{ServerID: &v.w.CommunityID}})
	})
	if err != nil {
		return err
	}
	tiers := rules.Body.Tiers
	shown := &widget.CurrencyView{Balance: balance, ShowLevel: tiers.Enabled, Tiers: tiers.Tiers, Level: member.Data.Level}
	shown.Tier, _ = member.Data.Tier.Get()
	for _, tier := range tiers.Tiers {
		shown.Levels = append(shown.Levels, tier.Levels...)
	}
	for _, has := range member.Data.Badges {
		if at := slices.IndexFunc(badges.Body, func(b gen.Badge) bool { return b.ID == has.ID }); at >= 0 {
			shown.Badges = append(shown.Badges, badges.Body[at])
		}
	}
	shown.Streaks, err = v.streaksOf(v.c.Request().Context(), v.store.Queries, v.w.CommunityID, v.who().account)
	v.Currency = shown
	return err
}

func (v view) overview() error {
	days := int(v.number("days", 30, 90))
	if !slices.Contains(v.Ranges(), days) {
		days = 30
	}
	to := v.Now.In(v.Zone)
	day := func(at time.Time) *openapi_types.Date { return &openapi_types.Date{Time: at} }
	interval := gen.OverviewIntervalDay
	got, err := ask[stub.GetLoyaltyOverview200JSONResponse](v.widgetPages, v.c, v.caller, "getLoyaltyOverview", func(ctx context.Context) (stub.GetLoyaltyOverviewResponseObject, error) {
		return v.handlers.GetLoyaltyOverview(ctx, stub.GetLoyaltyOverviewRequestObject{
			CommunityID: v.w.CommunityID, Params: gen.GetLoyaltyOverviewParams{From: day(to.AddDate(0, 0, 1-days)), To: day(to), Interval: &interval},
		})
	})
	v.Overview = &widget.OverviewView{Overview: got.Body.Data, Range: days}
	return err
}
