package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/client"
)

const (
	key       = "5f2b7c0e9a1d4e3f8b6a7c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b"
	roleID    = "66a282dab13eee0013cbb4dc"
	chanID    = "66a282dab13eee0013cbb4db"
	invite    = "7hTqZ0vXb3LkR9mWc2YdGa"
	badgeID   = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
	keyID     = "66a282dab13eee0013cbb4dd"
	msgID     = "66a282dab13eee0013cbb4e1"
	topicID   = "66a282dab13eee0013cbb4e4"
	boardID   = "66a282dab13eee0013cbb4f1"
	askedID   = "66a282dab13eee0013cbb4fa"
	linkID    = "66a282dab13eee0013cbb4fb"
	hookID    = "66a282dab13eee0013cbb601"
	hookToken = "3f9c1e5b7a2d4c6f8e0b1a3d5c7f9e2b4d6a8c0e1f3b5d7a9c2e4f6b8d0a07ab"
	chartID   = "66a282dab13eee0013cbb501"
	frameID   = "66a282dab13eee0013cbb701"
	pairID    = "66a282dab13eee0013cbb702"

	atKeys     = "/apis/v1/communities/" + id + "/api-keys"
	userID     = "66a282dab13eee0013cbb4d9"
	streakID   = "66a282dab13eee0013cbb4f4"
	categoryID = "66a282dab13eee0013cbb501"
	productID  = "66a282dab13eee0013cbb502"
	gameID     = "66a282dab13eee0013cbb4f6"
	fieldID    = "66a282dab13eee0013cbb4e7"
	atFields   = "/apis/v1/communities/" + id + "/user-fields"
	atUserKeys = "/apis/v1/users/" + userID + "/api-keys"
)

// caller is what a line of calls is run with.
type caller struct {
	*client.Client
	ctx  context.Context
	opts []client.CreateOption
}

// calls is at least one line for every operation of the contract: what it is called, the request that it makes, with the
// body if that is JSON, and how it is made.
var calls = []struct {
	operation, request, body string
	call                     func(caller) (any, error)
}{
	{
		"registerAccount", "POST /auth/register", `{"email":"vera@example.com","password":"a long passphrase"}`,
		func(c caller) (any, error) {
			return c.Auth.Register(c.ctx, client.AccountCreate{Email: "vera@example.com", Password: "a long passphrase"}, c.opts...)
		},
	},
	{
		"registerAccount", "POST /auth/register",
		`{"email":"vera@example.com","password":"a long passphrase","username":"vera","firstName":"Vera","lastName":"Menchik","displayName":"V."}`,
		func(c caller) (any, error) {
			return c.Auth.Register(c.ctx, client.AccountCreate{
				Email: "vera@example.com", Password: "a long passphrase",
				Username: "vera", FirstName: "Vera", LastName: "Menchik", DisplayName: "V.",
			}, c.opts...)
		},
	},
	{
		"verifyEmail", "POST /auth/verify-email", `{"email":"vera@example.com","code":"7K3M-9QWX","password":"a long passphrase"}`,
		func(c caller) (any, error) {
			return c.Auth.VerifyEmail(c.ctx, "vera@example.com", "7K3M-9QWX", client.WithPassword("a long passphrase"))
		},
	},
	{
		"logIn", "POST /auth/login", `{"email":"vera@example.com","password":"a <\"long\"> passphrase"}`,
		func(c caller) (any, error) { return c.Auth.LogIn(c.ctx, "vera@example.com", `a <"long"> passphrase`) },
	},
	{
		"resendCode", "POST /auth/resend-code", `{"email":"vera@example.com"}`,
		func(c caller) (any, error) { return nil, c.Auth.ResendCode(c.ctx, "vera@example.com") },
	},
	{
		"forgotPassword", "POST /auth/forgot-password", `{"email":"vera@example.com"}`,
		func(c caller) (any, error) { return nil, c.Auth.ForgotPassword(c.ctx, "vera@example.com") },
	},
	{
		"resetPassword", "POST /auth/reset-password", `{"email":"vera@example.com","code":"7K3M-9QWX","password":"a longer one"}`,
		func(c caller) (any, error) {
			return c.Auth.ResetPassword(c.ctx, "vera@example.com", "7K3M-9QWX", "a longer one")
		},
	},
	{
		"logOut", "POST /auth/logout", "",
		func(c caller) (any, error) { return nil, c.Auth.LogOut(c.ctx) },
	},
	{
		"getMe", "GET /auth/me", "",
		func(c caller) (any, error) { return c.Auth.Me(c.ctx) },
	},
	{
		"secureAuth", "GET /api/secureAuth?action=login&userId=vera", "",
		func(c caller) (any, error) { return c.Auth.SecureLogin(c.ctx, "community.example", "vera") },
	},
	{
		"secureAuth", "GET /api/secureAuth?action=login&userId=vera&accessLevel=1&email=vera%40example.com&firstname=Vera&lastname=Menchik&displayname=Vera+M.", "",
		func(c caller) (any, error) {
			return c.Auth.SecureLogin(c.ctx, "community.example", "vera", client.OrNewMember(client.NewMember{
				Email: "vera@example.com", FirstName: "Vera", LastName: "Menchik", DisplayName: "Vera M.", AccessLevel: 1,
			}))
		},
	},
	{
		"deleteMe", "DELETE /auth/me", `{"password":"a long passphrase"}`,
		func(c caller) (any, error) { return nil, c.Auth.DeleteMe(c.ctx, "a long passphrase") },
	},
	{
		"deleteMe", "DELETE /auth/me", `{"otp":"287082"}`,
		func(c caller) (any, error) { return nil, c.Auth.DeleteMe(c.ctx, "", client.DeletingWithOTP("287082")) },
	},
	{
		"exportMe", "GET /auth/me/export", "",
		func(c caller) (any, error) {
			export, err := c.Auth.Export(c.ctx)
			if err != nil {
				return nil, err
			}
			defer export.Close()
			var document struct{ Body json.RawMessage }
			if err := json.NewDecoder(export).Decode(&document); err != nil {
				return nil, err
			}
			return document.Body, nil
		},
	},
	{
		"changePassword", "POST /auth/change-password", `{"password":"a long passphrase","newPassword":"a longer one"}`,
		func(c caller) (any, error) {
			return nil, c.Auth.ChangePassword(c.ctx, "a long passphrase", "a longer one")
		},
	},
	{
		"logIn", "POST /auth/login", `{"email":"vera@example.com","password":"a long passphrase","otp":"287082"}`,
		func(c caller) (any, error) {
			return c.Auth.LogIn(c.ctx, "vera@example.com", "a long passphrase", client.WithOTP("287082"))
		},
	},
	{
		"resetPassword", "POST /auth/reset-password", `{"email":"vera@example.com","code":"7K3M-9QWX","password":"a longer one","otp":"287082"}`,
		func(c caller) (any, error) {
			return c.Auth.ResetPassword(c.ctx, "vera@example.com", "7K3M-9QWX", "a longer one", client.WithOTP("287082"))
		},
	},
	{
		"startTwoFactor", "POST /auth/two-factor", `{"password":"a long passphrase"}`,
		func(c caller) (any, error) { return c.Auth.StartTwoFactor(c.ctx, "a long passphrase") },
	},
	{
		"confirmTwoFactor", "POST /auth/two-factor/confirm", `{"otp":"287082"}`,
		func(c caller) (any, error) {
			codes, err := c.Auth.ConfirmTwoFactor(c.ctx, "287082")
			if err != nil {
				return nil, err
			}
			return map[string]any{"recoveryCodes": codes}, nil
		},
	},
	{
		"deleteTwoFactor", "DELETE /auth/two-factor", "",
		func(c caller) (any, error) { return nil, c.Auth.EndTwoFactor(c.ctx, "287082") },
	},
	{
		"listSessions", "GET /auth/sessions", "",
		func(c caller) (any, error) { return c.Auth.Sessions(c.ctx) },
	},
	{
		"deleteSession", "DELETE /auth/sessions/" + id, "",
		func(c caller) (any, error) { return nil, c.Auth.EndSession(c.ctx, id) },
	},
	{
		"deleteOtherSessions", "DELETE /auth/sessions", "",
		func(c caller) (any, error) { return nil, c.Auth.EndOtherSessions(c.ctx) },
	},
	{
		"listAuthEvents", "GET /auth/events?limit=100", "",
		func(c caller) (any, error) { return collect(c.Auth.Events(c.ctx)) },
	},
	{
		"listMyServers", "GET /servers", "",
		func(c caller) (any, error) { return c.Servers.List(c.ctx) },
	},
	{
		"createServer", "POST /servers", "",
		func(c caller) (any, error) {
			return c.Servers.Create(c.ctx, client.ServerCreate{Name: "Chess club"}, c.opts...)
		},
	},
	{
		"createServer", "POST /servers", "",
		func(c caller) (any, error) {
			in := client.ServerCreate{Name: "Chess club", Image: strings.NewReader("a picture")}
			return c.Servers.Create(c.ctx, in, c.opts...)
		},
	},
	{
		"getServer", "GET /servers/" + id, "",
		func(c caller) (any, error) { return c.Servers.Get(c.ctx, id) },
	},
	{
		"updateServer", "PUT /servers/" + id, "",
		func(c caller) (any, error) {
			return c.Servers.Update(c.ctx, id, client.ServerUpdate{Name: new("Chess and Go club")})
		},
	},
	{
		"deleteServer", "DELETE /servers/" + id, "",
		func(c caller) (any, error) { return nil, c.Servers.Delete(c.ctx, id) },
	},
	{
		"getServerSettings", "GET /servers/" + id + "/settings", "",
		func(c caller) (any, error) { return c.Servers.Settings(c.ctx, id) },
	},
	{
		"updateServerSettings", "PATCH /servers/" + id + "/settings", `{"joining":"open","appUrl":null}`,
		func(c caller) (any, error) {
			in := client.ServerSettingsUpdate{Joining: new(client.JoiningOpen), AppURL: client.Null[string]()}
			return c.Servers.UpdateSettings(c.ctx, id, in)
		},
	},
	{
		"updateServerSettings", "PATCH /servers/" + id + "/settings",
		`{"joining":"closed","timeZone":"Europe/Berlin","language":"de","domains":[],"appUrl":"https://chess.example"}`,
		func(c caller) (any, error) {
			return c.Servers.UpdateSettings(c.ctx, id, client.ServerSettingsUpdate{
				Joining: new(client.JoiningClosed), TimeZone: new("Europe/Berlin"), Language: new("de"), Domains: new([]string{}),
				AppURL: client.NullableOf("https://chess.example"),
			})
		},
	},
	{
		"joinServer", "POST /servers/" + id + "/join", "{}",
		func(c caller) (any, error) { return c.Servers.Join(c.ctx, id) },
	},
	{
		"joinServer", "POST /servers/" + id + "/join", `{"invite":"` + invite + `"}`,
		func(c caller) (any, error) { return c.Servers.Join(c.ctx, id, client.WithInvite(invite)) },
	},
	{
		"listInvites", "GET /servers/" + id + "/invites", "",
		func(c caller) (any, error) { return c.Invites.List(c.ctx, id) },
	},
	{
		"createInvite", "POST /servers/" + id + "/invites", "{}",
		func(c caller) (any, error) { return c.Invites.Create(c.ctx, id, client.InviteCreate{}, c.opts...) },
	},
	{
		"createInvite", "POST /servers/" + id + "/invites", `{"uses":10,"expiresAt":"2030-01-01T00:00:00.000Z","roleId":"` + roleID + `"}`,
		func(c caller) (any, error) {
			until := client.Time{Time: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
			return c.Invites.Create(c.ctx, id, client.InviteCreate{Uses: 10, ExpiresAt: until, RoleID: roleID}, c.opts...)
		},
	},
	{
		"deleteInvite", "DELETE /servers/" + id + "/invites/" + invite, "",
		func(c caller) (any, error) { return nil, c.Invites.Delete(c.ctx, id, invite) },
	},
	{
		"leaveServer", "POST /servers/" + id + "/leave", "",
		func(c caller) (any, error) { return nil, c.Servers.Leave(c.ctx, id) },
	},
	{
		"visitServer", "POST /servers/" + id + "/visit", "",
		func(c caller) (any, error) { return c.Servers.Visit(c.ctx, id) },
	},
	{
		"listMembers", "GET /servers/" + id + "/members?limit=100", "",
		func(c caller) (any, error) { return collect(c.Servers.Members(c.ctx, id)) },
	},
	{
		"listServerRoles", "GET /servers/" + id + "/roles", "",
		func(c caller) (any, error) { return c.Servers.Roles(c.ctx, id) },
	},
	{
		"listServerChannels", "GET /servers/" + id + "/channels", "",
		func(c caller) (any, error) { return c.Servers.Channels(c.ctx, id) },
	},
	{
		"getMemberBalance", "GET /servers/" + id + "/members/2/balance", "",
		func(c caller) (any, error) { return c.Badges.Balance(c.ctx, id, "2") },
	},
	{
		"listAudit", "GET /servers/" + id + "/audit?limit=100", "",
		func(c caller) (any, error) { return collect(c.Audit.List(c.ctx, id)) },
	},
	{
		"createUser", "POST /apis/v1/users", `{"firstname":"Ada","lastname":"Doe","username":"ada_doe","displayname":"Ada Doe","email":"ada@example.com"}`,
		func(c caller) (any, error) {
			return c.Users.Create(c.ctx, client.UserCreate{Firstname: "Ada", Lastname: "Doe", Username: "ada_doe", Displayname: "Ada Doe", Email: "ada@example.com"}, c.opts...)
		},
	},
	{
		"listLeaderboards", "GET /apis/v1/leaderboards?serverId=" + id + "&limit=100&sort=name&search=keyword%3Aapril", "",
		func(c caller) (any, error) {
			return c.Leaderboards.List(c.ctx, id, client.LeaderboardQuery{Sort: "name", Keyword: "april"})
		},
	},
	{
		"getLeaderboard", "GET /apis/v1/leaderboards/" + boardID, "",
		func(c caller) (any, error) { return c.Leaderboards.Get(c.ctx, boardID) },
	},
	{
		"createLeaderboard", "POST /apis/v1/leaderboards", `{"name":"April","slug":"april","rankingField":"xps"}`,
		func(c caller) (any, error) {
			return c.Leaderboards.Create(c.ctx, client.LeaderboardCreate{Name: "April", Slug: "april", RankingField: new("xps")}, c.opts...)
		},
	},
	{
		"updateLeaderboard", "PATCH /apis/v1/leaderboards/" + boardID, `{"onlyPositiveRanks":true,"endDate":null}`,
		func(c caller) (any, error) {
			return c.Leaderboards.Update(c.ctx, boardID, client.LeaderboardUpdate{OnlyPositiveRanks: new(true), EndDate: client.Null[client.Time]()})
		},
	},
	{
		"deleteLeaderboard", "DELETE /apis/v1/leaderboards/" + boardID, "",
		func(c caller) (any, error) { return c.Leaderboards.Delete(c.ctx, boardID) },
	},
	{
		"listLeaderboardEntries", "GET /apis/v1/leaderboards/" + boardID + "/entries?filter=weekly&limit=100", "",
		func(c caller) (any, error) {
			return collect(c.Leaderboards.Entries(c.ctx, boardID, client.FilterWeekly))
		},
	},
	{
		"listLeaderboardEntries", "GET /apis/v1/leaderboards/" + boardID + "/entries?filter=daily&limit=5&around=ada_doe", "",
		func(c caller) (any, error) {
			view, err := c.Leaderboards.View(c.ctx, boardID, client.LeaderboardView{Filter: client.FilterDaily, Around: "ada_doe", Size: 5})
			if err != nil {
				return nil, err
			}
			return view.Entries, nil
		},
	},
	{
		"createPurchase", "POST /apis/v1/purchases", `{"productID":"` + productID + `","quantity":2,"userInformation":{"name":"Ada"}}`,
		func(c caller) (any, error) {
			return c.Rewards.Buy(c.ctx, client.PurchaseCreate{ProductID: productID, Quantity: 2, UserInformation: client.BuyerInformation{Name: "Ada"}}, c.opts...)
		},
	},
	{
		"listMyPurchases", "GET /apis/v1/purchases?serverId=" + id + "&limit=100", "",
		func(c caller) (any, error) {
			return collect(c.Rewards.Purchases(c.ctx, id))
		},
	},
	{
		"listTransactions", "GET /apis/v1/redemption-transactions?serverId=" + id + "&limit=100&status=" + id + "&productID=" + productID, "",
		func(c caller) (any, error) {
			found, err := collect(c.Rewards.Transactions(c.ctx, id, client.TransactionQuery{StatusID: id, ProductID: productID}))
			if err != nil {
				return nil, err
			}
			return map[string]any{"transactions": found, "page": 1, "limit": 20}, nil
		},
	},
	{
		"listTransactionsByEmail", "POST /apis/v1/redemption-transactions/by-email", `{"email":"ada@example.com","limit":100}`,
		func(c caller) (any, error) {
			found, err := collect(c.Rewards.TransactionsOf(c.ctx, "ada@example.com"))
			if err != nil {
				return nil, err
			}
			return map[string]any{"transactions": found, "page": 1, "limit": 20}, nil
		},
	},
	{
		"updateTransactionStatus", "PUT /apis/v1/redemption-transactions/status", `{"transactionId":"ORD20260701ab3f","statusId":"` + id + `"}`,
		func(c caller) (any, error) { return c.Rewards.SetStatus(c.ctx, "ORD20260701ab3f", id) },
	},
	{
		"listRedemptionStatuses", "GET /apis/v1/redemption-statuses?serverId=" + id, "",
		func(c caller) (any, error) { return c.Rewards.Statuses(c.ctx, id) },
	},
	{
		"getRedemptionStatus", "GET /apis/v1/redemption-statuses/" + id, "",
		func(c caller) (any, error) { return c.Rewards.GetStatus(c.ctx, id) },
	},
	{
		"createRedemptionStatus", "POST /apis/v1/redemption-statuses", `{"name":"Packed","category":"incomplete","color":"#7A5CFA"}`,
		func(c caller) (any, error) {
			return c.Rewards.CreateStatus(c.ctx, client.RedemptionStatusCreate{Name: "Packed", Category: client.StatusIncomplete, Color: "#7A5CFA"}, c.opts...)
		},
	},
	{
		"updateRedemptionStatus", "PUT /apis/v1/redemption-statuses/" + id, `{"color":"#7A5CFA"}`,
		func(c caller) (any, error) {
			return c.Rewards.UpdateStatus(c.ctx, id, client.RedemptionStatusUpdate{Color: new("#7A5CFA")})
		},
	},
	{
		"deleteRedemptionStatus", "DELETE /apis/v1/redemption-statuses/" + id, "",
		func(c caller) (any, error) { return c.Rewards.DeleteStatus(c.ctx, id) },
	},
	{
		"getStore", "GET /apis/v1/stores?serverId=" + id, "",
		func(c caller) (any, error) { return c.Store.Get(c.ctx, id) },
	},
	{
		"updateStore", "PUT /apis/v1/stores", `{"isEnabled":true,"title":"Rewards","currency":{"isEnabled":true,"name":"Coins"},"serverId":"` + id + `"}`,
		func(c caller) (any, error) {
			return c.Store.Update(c.ctx, client.StoreConfigUpdate{ServerID: id, IsEnabled: new(true), Title: new("Rewards"), Currency: &client.StoreCurrency{IsEnabled: true, Name: "Coins"}})
		},
	},
	{
		"listCategories", "GET /apis/v1/categories?serverId=" + id + "&limit=100&sort=name&search=keyword%3Avip&filter=isArchived%3Afalse&lang=de&userID=" + id, "",
		func(c caller) (any, error) {
			return c.Store.Categories(c.ctx, id, client.ProductQuery{Sort: "name", Keyword: "vip", Filter: "isArchived:false", Language: "de", UserID: id})
		},
	},
	{
		"getCategory", "GET /apis/v1/categories/" + categoryID, "",
		func(c caller) (any, error) { return c.Store.GetCategory(c.ctx, categoryID) },
	},
	{
		"createCategory", "POST /apis/v1/categories", `{"name":"VIP","viewType":"preview"}`,
		func(c caller) (any, error) {
			return c.Store.CreateCategory(c.ctx, client.CategoryCreate{Name: "VIP", ViewType: new(client.ViewPreview)}, c.opts...)
		},
	},
	{
		"updateCategory", "PUT /apis/v1/categories/" + categoryID, `{"isArchived":true,"defaultPurchaseStatusID":null}`,
		func(c caller) (any, error) {
			return c.Store.UpdateCategory(c.ctx, categoryID, client.CategoryUpdate{IsArchived: new(true), DefaultPurchaseStatusID: client.Null[string]()})
		},
	},
	{
		"deleteCategory", "DELETE /apis/v1/categories/" + categoryID, "",
		func(c caller) (any, error) { return c.Store.DeleteCategory(c.ctx, categoryID) },
	},
	{
		"listProducts", "GET /apis/v1/products?serverId=" + id + "&limit=100&sort=price%3Adesc&search=keyword%3Amug", "",
		func(c caller) (any, error) {
			return collect(c.Store.Products(c.ctx, id, client.ProductQuery{Sort: "price:desc", Keyword: "mug"}))
		},
	},
	{
		"getProduct", "GET /apis/v1/products/" + productID, "",
		func(c caller) (any, error) { return c.Store.GetProduct(c.ctx, productID) },
	},
	{
		"createProduct", "POST /apis/v1/products", `{"name":"Premium","price":100,"type":"voucher","vouchers":["A"]}`,
		func(c caller) (any, error) {
			return c.Store.CreateProduct(c.ctx, client.ProductCreate{Name: "Premium", Price: new(int32(100)), Type: new(client.ProductVoucher), Vouchers: []string{"A"}}, c.opts...)
		},
	},
	{
		"updateProduct", "PUT /apis/v1/products/" + productID, `{"price":0,"stocks":null}`,
		func(c caller) (any, error) {
			return c.Store.UpdateProduct(c.ctx, productID, client.ProductUpdate{Price: new(int32(0)), Stocks: client.Null[int32]()})
		},
	},
	{
		"createProducts", "POST /apis/v1/products/bulk?serverId=" + id, `[{"name":"Premium","price":100,"type":"voucher","vouchers":["A"]},{"name":"Mug","price":5}]`,
		func(c caller) (any, error) {
			return c.Store.CreateProducts(c.ctx, id, []client.ProductCreate{
				{Name: "Premium", Price: new(int32(100)), Type: new(client.ProductVoucher), Vouchers: []string{"A"}}, {Name: "Mug", Price: new(int32(5))},
			}, c.opts...)
		},
	},
	{
		"createProducts", "POST /apis/v1/products/bulk", "",
		func(c caller) (any, error) {
			return c.Store.CreateProductsFrom(c.ctx, "", strings.NewReader("Name,Price\nMug,5\n"), c.opts...)
		},
	},
	{
		"updateProducts", "PUT /apis/v1/products/bulk?serverId=" + id, `[{"price":0,"productID":"` + productID + `","stocks":null}]`,
		func(c caller) (any, error) {
			return c.Store.UpdateProducts(c.ctx, id, []client.ProductUpdate{{ProductID: productID, Price: new(int32(0)), Stocks: client.Null[int32]()}})
		},
	},
	{
		"updateProducts", "PUT /apis/v1/products/bulk", "",
		func(c caller) (any, error) {
			return c.Store.UpdateProductsFrom(c.ctx, "", strings.NewReader("Product ID,Price\n"+productID+",5\n"))
		},
	},
	{
		"deleteProduct", "DELETE /apis/v1/products/" + productID, "",
		func(c caller) (any, error) { return c.Store.DeleteProduct(c.ctx, productID) },
	},
	{
		"listStreaks", "GET /apis/v1/streaks?serverId=" + id + "&limit=100", "",
		func(c caller) (any, error) { return c.Streaks.List(c.ctx, id) },
	},
	{
		"createStreak", "POST /apis/v1/streaks",
		`{"name":"Daily message","timeframe":{"value":"daily","count":7},"action":{"operator":"and","conditions":[{"action":"messages","value":1}]},"reward":{"xp":50,"coins":0}}`,
		func(c caller) (any, error) {
			return c.Streaks.Create(c.ctx, client.StreakCreate{
				Name: "Daily message", Timeframe: client.StreakTimeframe{Value: "daily", Count: 7}, Reward: client.StreakReward{XP: 50},
				Action: client.StreakActionCreate{Operator: "and", Conditions: []client.StreakConditionCreate{{Action: "messages", Value: 1}}},
			}, c.opts...)
		},
	},
	{
		"updateStreak", "PUT /apis/v1/streaks/" + streakID,
		`{"name":"Weekly visit","order":0,"timeframe":{"value":"weekly","count":1},"action":{"operator":"or","conditions":[{"action":"visits","value":1}]}}`,
		func(c caller) (any, error) {
			return c.Streaks.Update(c.ctx, streakID, client.StreakUpdate{
				Name: "Weekly visit", Timeframe: client.StreakTimeframe{Value: "weekly", Count: 1}, Order: new(int32(0)),
				Action: client.StreakActionCreate{Operator: "or", Conditions: []client.StreakConditionCreate{{Action: "visits", Value: 1}}},
			})
		},
	},
	{
		"deleteStreak", "DELETE /apis/v1/streaks/" + streakID, "",
		func(c caller) (any, error) { return c.Streaks.Delete(c.ctx, streakID) },
	},
	{
		"listStreakLogs", "POST /apis/v1/users/streaks/logs", `{"identifier":"2","identifier_type":"id","streakId":"` + streakID + `","limit":100}`,
		func(c caller) (any, error) {
			logs, err := collect(c.Streaks.Logs(c.ctx, client.Identifier{Value: "2", Type: client.ByNumber}, streakID))
			if err != nil {
				return nil, err
			}
			return map[string]any{"logs": logs, "page": 1, "limit": 20}, nil
		},
	},
	{
		"getLoyaltyOverview", "GET /apis/v1/communities/" + id + "/analytics/loyalty-overview?from=2026-03-01&to=2026-03-31&interval=week", "",
		func(c caller) (any, error) {
			march := func(day int) time.Time { return time.Date(2026, 3, day, 12, 0, 0, 0, time.UTC) }
			return c.Analytics.Overview(c.ctx, id, client.OverviewQuery{From: march(1), To: march(31), Interval: client.ByWeek})
		},
	},
	{
		"bulkImport", "POST /apis/v1/users/bulk-import", "",
		func(c caller) (any, error) {
			return c.Bulk.Import(c.ctx, strings.NewReader("firstname,lastname,username,displayname,email\n"), c.opts...)
		},
	},
	{
		"bulkUpdate", "POST /apis/v1/users/bulk-update", "",
		func(c caller) (any, error) {
			return c.Bulk.Update(c.ctx, strings.NewReader("identifier,xp\n"), c.opts...)
		},
	},
	{
		"bulkUpdatePremium", "POST /apis/v1/users/premium-currency/bulk-update", "",
		func(c caller) (any, error) {
			return c.Bulk.UpdatePremium(c.ctx, strings.NewReader("identifier,amount_op,amount\n"), c.opts...)
		},
	},
	{
		"listBulkUpdates", "GET /apis/v1/bulk-updates?type=update&status=running&limit=100", "",
		func(c caller) (any, error) {
			return collect(c.Bulk.List(c.ctx, client.BulkQuery{Type: client.BulkToUpdate, Status: client.BulkIsRunning}))
		},
	},
	{
		"getBulkStatus", "GET /apis/v1/bulk-updates/" + id + "/status", "",
		func(c caller) (any, error) { return c.Bulk.Status(c.ctx, id) },
	},
	{
		"getBulkDetails", "GET /apis/v1/bulk-updates/" + id + "/details?result=failed&limit=100", "",
		func(c caller) (any, error) { return collect(c.Bulk.Details(c.ctx, id, client.BulkRowFailed)) },
	},
	{
		"cancelBulkUpdate", "POST /apis/v1/bulk-updates/" + id + "/cancel", "",
		func(c caller) (any, error) { return c.Bulk.Cancel(c.ctx, id) },
	},
	{
		"listWidgets", "GET /apis/v1/widgets?serverId=" + id, "",
		func(c caller) (any, error) { return c.Widgets.List(c.ctx, id) },
	},
	{
		"createWidget", "POST /apis/v1/widgets", `{"kind":"store","name":"Our store","allowedOrigins":["https://shop.example"]}`,
		func(c caller) (any, error) {
			return c.Widgets.Create(c.ctx, client.WidgetCreate{Kind: client.WidgetStore, Name: "Our store", AllowedOrigins: []string{"https://shop.example"}}, c.opts...)
		},
	},
	{
		"getWidget", "GET /apis/v1/widgets/" + frameID, "",
		func(c caller) (any, error) { return c.Widgets.Get(c.ctx, frameID) },
	},
	{
		"updateWidget", "PUT /apis/v1/widgets/" + frameID, `{"theme":{"mode":"dark","accent":"#4f46e5"}}`,
		func(c caller) (any, error) {
			return c.Widgets.Update(c.ctx, frameID, client.WidgetUpdate{Theme: &client.WidgetTheme{Mode: client.ModeDark, Accent: "#4f46e5"}})
		},
	},
	{
		"deleteWidget", "DELETE /apis/v1/widgets/" + frameID, "",
		func(c caller) (any, error) { return c.Widgets.Delete(c.ctx, frameID) },
	},
	{
		"listWidgetAccessKeys", "GET /apis/v1/widget-access-keys?serverId=" + id, "",
		func(c caller) (any, error) { return c.Widgets.ListAccessKeys(c.ctx, id) },
	},
	{
		"createWidgetAccessKey", "POST /apis/v1/widget-access-keys", `{"name":"Shop"}`,
		func(c caller) (any, error) {
			return c.Widgets.CreateAccessKey(c.ctx, client.WidgetAccessKeyCreate{Name: "Shop"}, c.opts...)
		},
	},
	{
		"deleteWidgetAccessKey", "DELETE /apis/v1/widget-access-keys/" + pairID, "",
		func(c caller) (any, error) { return c.Widgets.DeleteAccessKey(c.ctx, pairID) },
	},
	{
		"createWidgetToken", "POST /v2/api/widget-access-keys/token", `{"accessId":"` + pairID + `","accessKey":"` + key + `","userIdentifiers":{"data-email":"vera@example.com"}}`,
		func(c caller) (any, error) {
			return c.Widgets.Token(c.ctx, client.WidgetTokenQuestion{AccessID: pairID, AccessKey: key, UserIdentifiers: client.WidgetUserIdentifiers{"data-email": "vera@example.com"}})
		},
	},
	{
		"signInToWidgets", "POST /widget/" + id + "/signin", "",
		func(c caller) (any, error) { return c.Widgets.SignIn(c.ctx, id, key, "vera@example.com") },
	},
	{
		"validateWidgetToken", "POST /v2/api/widget-access-keys/validate", `{"embedToken":"a.b.c"}`,
		func(c caller) (any, error) { return c.Widgets.Validate(c.ctx, "a.b.c") },
	},
	{
		"streamEvents", "GET /apis/v1/events?serverId=" + id, "",
		func(c caller) (any, error) {
			for event, err := range c.Webhooks.Follow(c.ctx, id, "") {
				return event.Event, err
			}
			return nil, errors.New("nothing is followed")
		},
	},
	{
		"listWebhooks", "GET /apis/v1/webhooks?serverId=" + id, "",
		func(c caller) (any, error) { return c.Webhooks.List(c.ctx, id) },
	},
	{
		"createWebhook", "POST /apis/v1/webhooks", `{"name":"CRM","url":"https://crm.example/hooks/rejoin","events":["user.joined","message.posted"]}`,
		func(c caller) (any, error) {
			return c.Webhooks.Create(c.ctx, client.WebhookCreate{
				Name: "CRM", URL: "https://crm.example/hooks/rejoin", Events: []client.WebhookEventType{client.WebhookUserJoined, client.WebhookMessagePosted},
			}, c.opts...)
		},
	},
	{
		"getWebhook", "GET /apis/v1/webhooks/" + hookID, "",
		func(c caller) (any, error) { return c.Webhooks.Get(c.ctx, hookID) },
	},
	{
		"updateWebhook", "PUT /apis/v1/webhooks/" + hookID, `{"isActive":true}`,
		func(c caller) (any, error) {
			return c.Webhooks.Update(c.ctx, hookID, client.WebhookUpdate{IsActive: new(true)})
		},
	},
	{
		"deleteWebhook", "DELETE /apis/v1/webhooks/" + hookID, "",
		func(c caller) (any, error) { return c.Webhooks.Delete(c.ctx, hookID) },
	},
	{
		"rotateWebhookSecret", "POST /apis/v1/webhooks/" + hookID + "/secret", "",
		func(c caller) (any, error) { return c.Webhooks.RotateSecret(c.ctx, hookID) },
	},
	{
		"testWebhook", "POST /apis/v1/webhooks/" + hookID + "/test", "",
		func(c caller) (any, error) { return c.Webhooks.Test(c.ctx, hookID) },
	},
	{
		"replayWebhook", "POST /apis/v1/webhooks/" + hookID + "/replay?from=2026-03-01T00%3A00%3A00.000Z&to=2026-03-02T00%3A00%3A00.000Z", "",
		func(c caller) (any, error) {
			from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			return c.Webhooks.ReplayBetween(c.ctx, hookID, from, from.AddDate(0, 0, 1))
		},
	},
	{
		"listWebhookDeliveries", "GET /apis/v1/webhooks/" + hookID + "/deliveries?limit=100", "",
		func(c caller) (any, error) { return collect(c.Webhooks.Deliveries(c.ctx, hookID)) },
	},
	{
		"getWebhookDelivery", "GET /apis/v1/webhooks/" + hookID + "/deliveries/" + id, "",
		func(c caller) (any, error) { return c.Webhooks.Delivery(c.ctx, hookID, id) },
	},
	{
		"replayWebhookDelivery", "POST /apis/v1/webhooks/" + hookID + "/deliveries/" + id + "/replay", "",
		func(c caller) (any, error) { return c.Webhooks.Replay(c.ctx, hookID, id) },
	},
	{
		"listIncomingWebhooks", "GET /apis/v1/incoming-webhooks?serverId=" + id, "",
		func(c caller) (any, error) { return c.Webhooks.ListIncoming(c.ctx, id) },
	},
	{
		"createIncomingWebhook", "POST /apis/v1/incoming-webhooks", `{"name":"Deposits","kind":"message","channelId":"` + id + `"}`,
		func(c caller) (any, error) {
			return c.Webhooks.CreateIncoming(c.ctx, client.IncomingWebhookCreate{Name: "Deposits", Kind: client.WebhookForMessage, ChannelID: id}, c.opts...)
		},
	},
	{
		"getIncomingWebhook", "GET /apis/v1/incoming-webhooks/" + hookID, "",
		func(c caller) (any, error) { return c.Webhooks.GetIncoming(c.ctx, hookID) },
	},
	{
		"updateIncomingWebhook", "PUT /apis/v1/incoming-webhooks/" + hookID, `{"isActive":false}`,
		func(c caller) (any, error) {
			return c.Webhooks.UpdateIncoming(c.ctx, hookID, client.IncomingWebhookUpdate{IsActive: new(false)})
		},
	},
	{
		"deleteIncomingWebhook", "DELETE /apis/v1/incoming-webhooks/" + hookID, "",
		func(c caller) (any, error) { return c.Webhooks.DeleteIncoming(c.ctx, hookID) },
	},
	{
		"listIncomingWebhookCalls", "GET /apis/v1/incoming-webhooks/" + hookID + "/calls", "",
		func(c caller) (any, error) { return c.Webhooks.IncomingCalls(c.ctx, hookID) },
	},
	{
		"receiveWebhook", "POST /webhooks/in/" + hookToken, `{"user":"vera","kind":"coins","operation":"overwrite","amount":0}`,
		func(c caller) (any, error) {
			return c.Webhooks.CallIncoming(c.ctx, hookToken, client.IncomingCall{User: "vera", Kind: client.CurrencyCoins, Operation: client.OperationOverwrite, Amount: new(int64(0))}, client.IncomingCalling{}, c.opts...)
		},
	},
	{
		"getBulkTemplate", "GET /apis/v1/bulk-updates/template?type=import", "",
		func(c caller) (any, error) { return c.Bulk.Template(c.ctx, client.BulkToImport) },
	},
	{
		"listMiniGames", "GET /apis/v1/mini-games?serverId=" + id, "",
		func(c caller) (any, error) { return c.MiniGames.List(c.ctx, id) },
	},
	{
		"createMiniGame", "POST /apis/v1/mini-games",
		`{"name":"Wheel","type":"spin-wheel","prizes":[{"name":"10 XP","weight":9,"xp":10},{"name":"Chess set","weight":1,"stock":5}],"playsPerDay":0,"cost":{"coins":2}}`,
		func(c caller) (any, error) {
			return c.MiniGames.Create(c.ctx, client.MiniGameCreate{
				Name: "Wheel", Type: "spin-wheel", PlaysPerDay: new(int32(0)), Cost: client.MiniGameCost{Coins: 2},
				Prizes: []client.MiniGamePrizeCreate{{Name: "10 XP", Weight: 9, XP: 10}, {Name: "Chess set", Weight: 1, Stock: new(int32(5))}},
			}, c.opts...)
		},
	},
	{
		"getMiniGame", "GET /apis/v1/mini-games/" + gameID, "",
		func(c caller) (any, error) { return c.MiniGames.Get(c.ctx, gameID) },
	},
	{
		"updateMiniGame", "PUT /apis/v1/mini-games/" + gameID, `{"playsPerDay":3}`,
		func(c caller) (any, error) {
			return c.MiniGames.Update(c.ctx, gameID, client.MiniGameUpdate{PlaysPerDay: new(int32(3))})
		},
	},
	{
		"deleteMiniGame", "DELETE /apis/v1/mini-games/" + gameID, "",
		func(c caller) (any, error) { return c.MiniGames.Delete(c.ctx, gameID) },
	},
	{
		"playMiniGame", "POST /apis/v1/mini-games/" + gameID + "/play", `{"identifier":"2","identifier_type":"id"}`,
		func(c caller) (any, error) {
			return c.MiniGames.Play(c.ctx, gameID, client.Identifier{Value: "2", Type: client.ByNumber}, c.opts...)
		},
	},
	{
		"setMiniGamePlays", "PUT /apis/v1/users/mini-games/plays", `{"identifier":"2","identifier_type":"id","gameId":"` + gameID + `","plays":3}`,
		func(c caller) (any, error) {
			return c.MiniGames.SetPlays(c.ctx, gameID, client.Identifier{Value: "2", Type: client.ByNumber}, 3)
		},
	},
	{
		"getMiniGameStats", "POST /apis/v1/users/mini-games/stats", `{"identifier":"2","identifier_type":"id"}`,
		func(c caller) (any, error) {
			return c.MiniGames.Stats(c.ctx, client.Identifier{Value: "2", Type: client.ByNumber})
		},
	},
	{
		"listMiniGameLogs", "POST /apis/v1/users/mini-games/logs", `{"identifier":"2","identifier_type":"id","limit":100}`,
		func(c caller) (any, error) {
			logs, err := collect(c.MiniGames.Logs(c.ctx, client.Identifier{Value: "2", Type: client.ByNumber}))
			if err != nil {
				return nil, err
			}
			return map[string]any{"logs": logs, "page": 1, "limit": 20}, nil
		},
	},
	{
		"listUserFields", "GET " + atFields, "",
		func(c caller) (any, error) { return c.Fields.List(c.ctx, id) },
	},
	{
		"getUserField", "GET " + atFields + "/" + fieldID, "",
		func(c caller) (any, error) { return c.Fields.Get(c.ctx, id, fieldID) },
	},
	{
		"createUserField", "POST " + atFields, `{"field":"deposit amount","name":"Deposit amount","type":"numerical"}`,
		func(c caller) (any, error) {
			return c.Fields.Create(c.ctx, id, client.UserFieldCreate{Field: "deposit amount", Name: "Deposit amount", Type: client.UserFieldNumerical}, c.opts...)
		},
	},
	{
		"updateUserField", "PUT " + atFields + "/" + fieldID, `{"name":"Department","type":"text","isIdentifier":false}`,
		func(c caller) (any, error) {
			return c.Fields.Update(c.ctx, id, fieldID, client.UserFieldUpdate{Name: "Department", Type: client.UserFieldText, IsIdentifier: new(bool)})
		},
	},
	{
		"deleteUserField", "DELETE " + atFields + "/" + fieldID, "",
		func(c caller) (any, error) { return c.Fields.Delete(c.ctx, id, fieldID) },
	},
	{
		"createUserFieldHistory", "POST " + atFields + "/" + fieldID + "/users/" + userID + "/histories", `{"value":"Gold"}`,
		func(c caller) (any, error) {
			return c.Fields.Set(c.ctx, id, fieldID, userID, client.UserFieldHistoryCreate{Value: "Gold"}, c.opts...)
		},
	},
	{
		"listUserFieldHistories", "GET /apis/v1/communities/" + id + "/user-field-histories?limit=100&from=2026-03-01T00%3A00%3A00.000Z", "",
		func(c caller) (any, error) {
			return collect(c.Fields.Histories(c.ctx, id, client.FieldHistoryQuery{From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}))
		},
	},
	{
		"listUserFieldHistoriesOfField", "GET " + atFields + "/" + fieldID + "/histories?limit=100", "",
		func(c caller) (any, error) {
			return collect(c.Fields.Histories(c.ctx, id, client.FieldHistoryQuery{FieldID: fieldID}))
		},
	},
	{
		"listUserFieldHistoriesOfUser", "GET /apis/v1/communities/" + id + "/users/" + userID + "/user-field-histories?limit=100", "",
		func(c caller) (any, error) {
			return collect(c.Fields.Histories(c.ctx, id, client.FieldHistoryQuery{UserID: userID}))
		},
	},
	{
		"listUserFieldHistoriesOfFieldAndUser", "GET " + atFields + "/" + fieldID + "/users/" + userID + "/histories?limit=100", "",
		func(c caller) (any, error) {
			return collect(c.Fields.Histories(c.ctx, id, client.FieldHistoryQuery{FieldID: fieldID, UserID: userID}))
		},
	},
	{
		"filterUsers", "POST /apis/v1/users/filter", `{"fields":["email","xp"],"filter":{"xp":{"gte":1}}}`,
		func(c caller) (any, error) {
			in := client.UserFilter{Fields: []string{"email", "xp"}, Filter: map[string]any{"xp": map[string]any{"gte": 1}}}
			users, err := collect(c.Users.Filter(c.ctx, in))
			if err != nil {
				return nil, err
			}
			return map[string]any{"users": users, "total_pages": 1, "current_page": 1}, nil
		},
	},
	{
		"getUserData", "POST /apis/v1/users/info", `{"idOrEmail":"ada@example.com"}`,
		func(c caller) (any, error) { return c.Users.Data(c.ctx, "ada@example.com") },
	},
	{
		"uploadAvatar", "POST /apis/v1/users/avatar", "",
		func(c caller) (any, error) {
			address, err := c.Users.SetAvatar(c.ctx, "ada", strings.NewReader("a picture"))
			if err != nil {
				return nil, err
			}
			return map[string]any{"avatar": address}, nil
		},
	},
	{
		"getUser", "GET /apis/v1/users/" + id, "",
		func(c caller) (any, error) { return c.Users.Get(c.ctx, id) },
	},
	{
		"listCommunityUsers", "GET /apis/v1/communities/" + id + "/users?limit=100", "",
		func(c caller) (any, error) { return collect(c.Users.List(c.ctx, id, client.UserList{})) },
	},
	{
		"listCommunityUsers", "GET /apis/v1/communities/" + id + "/users?limit=100&search=ada&role=" + roleID + "&sort=displayName%3Adesc", "",
		func(c caller) (any, error) {
			return collect(c.Users.List(c.ctx, id, client.UserList{Search: "ada", Role: roleID, Sort: "displayName:desc"}))
		},
	},
	{
		"getCommunityUser", "GET /apis/v1/communities/" + id + "/users/" + keyID, "",
		func(c caller) (any, error) { return c.Users.Member(c.ctx, id, keyID) },
	},
	{
		"listAccessLevels", "GET /servers/" + id + "/access-levels", "",
		func(c caller) (any, error) { return c.Users.AccessLevels(c.ctx, id) },
	},
	{
		"updateAccessLevels", "PUT /servers/" + id + "/access-levels", `{"accessLevels":[{"level":1,"roleId":"` + roleID + `"}]}`,
		func(c caller) (any, error) {
			return c.Users.SetAccessLevels(c.ctx, id, []client.AccessLevel{{Level: 1, RoleID: roleID}})
		},
	},
	{
		"updateAccessLevels", "PUT /servers/" + id + "/access-levels", `{"accessLevels":[]}`,
		func(c caller) (any, error) { return c.Users.SetAccessLevels(c.ctx, id, nil) },
	},
	{
		"manageUser", "POST /apis/v1/users/manage", `{"action":"delete","user":"vera"}`,
		func(c caller) (any, error) { return c.Users.Delete(c.ctx, "vera") },
	},
	{
		"manageUser", "POST /apis/v1/users/manage", `{"action":"restore","user":"vera@example.com"}`,
		func(c caller) (any, error) { return c.Users.Restore(c.ctx, "vera@example.com") },
	},
	{
		"applyForBadge", "POST /badges/" + badgeID + "/apply", "",
		func(c caller) (any, error) {
			return c.Badges.Apply(c.ctx, badgeID, client.BadgeApplicationCreate{Note: "I won", Proof: strings.NewReader("a picture")})
		},
	},
	{
		"applyForBadge", "POST /badges/" + badgeID + "/apply", "",
		func(c caller) (any, error) {
			return c.Badges.Apply(c.ctx, badgeID, client.BadgeApplicationCreate{})
		},
	},
	{
		"listMyBadgeApplications", "GET /badges/applications?serverId=" + id, "",
		func(c caller) (any, error) { return c.Badges.Applied(c.ctx, id) },
	},
	{
		"withdrawBadgeApplication", "DELETE /badges/" + badgeID + "/apply", "",
		func(c caller) (any, error) { return nil, c.Badges.Withdraw(c.ctx, badgeID) },
	},
	{
		"listBadgeApplications", "GET /badges/" + badgeID + "/applications?limit=100", "",
		func(c caller) (any, error) { return collect(c.Badges.Applications(c.ctx, badgeID)) },
	},
	{
		"getBadgeApplicationProof", "GET /badges/" + badgeID + "/applications/" + askedID + "/proof", "",
		func(c caller) (any, error) {
			proof, err := c.Badges.Proof(c.ctx, badgeID, askedID)
			if err != nil {
				return nil, err
			}
			defer proof.Close()
			content, err := io.ReadAll(proof)
			return string(content), err
		},
	},
	{
		"refuseBadgeApplication", "POST /badges/" + badgeID + "/applications/" + askedID + "/refuse", "",
		func(c caller) (any, error) { return nil, c.Badges.Refuse(c.ctx, badgeID, askedID) },
	},
	{
		"createAnalysis", "POST /apis/v1/analysis/" + id + "/channels/" + chanID, `{"sender":"vera","metadata":{"direction":"BULLISH","entryPlacement":"BELOW_CURRENT","expiry":{"type":"HOURS","hours":24},"title":"Bounce","preferenceText":"From [[zone:here]].","symbol":"GBP/USD"},` +
			`"levels":{"pivot":{"price":1.345,"clientObjectId":"pivot"},"resistance":{"price":1.35},"support":{"price":1.341,"time":"2026-01-08T12:00:00.000Z"}},` +
			`"drawings":[{"type":"RECTANGLE","clientObjectId":"zone","points":[{"time":"2026-01-08T12:00:00.000Z","price":1.34},{"time":"2026-01-08T12:00:00.000Z","price":1.342}],"style":{"fillColor":"#00FF00"}}]}`,
		func(c caller) (any, error) {
			at := client.Time{Time: time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)}
			return c.Charts.Create(c.ctx, id, chanID, client.AnalysisCreate{
				Sender: "vera",
				Metadata: client.AnalysisMetadataCreate{
					Direction: client.DirectionBullish, EntryPlacement: client.EntryBelowCurrent, Expiry: client.AnalysisExpiry{Type: client.ExpiryHours, Hours: 24},
					Title: "Bounce", PreferenceText: "From [[zone:here]].", Symbol: "GBP/USD",
				},
				Levels: client.AnalysisLevelsCreate{
					Pivot: client.AnalysisLevelCreate{Price: 1.345, ClientObjectID: "pivot"}, Resistance: client.AnalysisLevelCreate{Price: 1.35}, Support: client.AnalysisLevelCreate{Price: 1.341, Time: at},
				},
				Drawings: []client.DrawingCreate{{
					Type: client.DrawingRectangle, ClientObjectID: "zone", Points: []client.DrawingPoint{{Time: at, Price: 1.34}, {Time: at, Price: 1.342}},
					Style: client.DrawingStyle{FillColor: "#00FF00"},
				}},
			}, c.opts...)
		},
	},
	{
		"listAnalyses", "GET /apis/v1/analysis?serverId=" + id + "&channelId=" + chanID + "&symbol=GBP%2FUSD&sender=vera&type=bullish_bounce&limit=100", "",
		func(c caller) (any, error) {
			analyses, err := collect(c.Charts.List(c.ctx, client.AnalysisQuery{ServerID: id, ChannelID: chanID, Symbol: "GBP/USD", Sender: "vera", Type: client.AnalysisBullishBounce}))
			if err != nil {
				return nil, err
			}
			return map[string]any{"analyses": analyses, "page": 1, "limit": 20}, nil
		},
	},
	{
		"getAnalysis", "GET /apis/v1/analysis/" + chartID, "",
		func(c caller) (any, error) { return c.Charts.Get(c.ctx, chartID) },
	},
	{
		"updateAnalysis", "PATCH /apis/v1/analysis/" + chartID, `{"metadata":{"title":"New"},"levels":{"pivot":{"price":1.346}}}`,
		func(c caller) (any, error) {
			return c.Charts.Update(c.ctx, chartID, client.AnalysisUpdate{
				Metadata: &client.AnalysisMetadataUpdate{Title: new("New")}, Levels: &client.AnalysisLevelsUpdate{Pivot: &client.AnalysisLevelUpdate{Price: new(1.346)}},
			})
		},
	},
	{
		"deleteAnalysis", "DELETE /apis/v1/analysis/" + chartID, "",
		func(c caller) (any, error) { return nil, c.Charts.Delete(c.ctx, chartID) },
	},
	{
		"appendDrawings", "POST /apis/v1/analysis/" + chartID + "/drawings", `{"sender":"vera","drawings":[{"type":"HORIZONTAL_LINE","points":[{"time":"2026-01-08T12:00:00.000Z","price":1.345}]}]}`,
		func(c caller) (any, error) {
			at := client.Time{Time: time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)}
			return c.Charts.Append(c.ctx, chartID, "vera", client.DrawingCreate{Type: client.DrawingHorizontalLine, Points: []client.DrawingPoint{{Time: at, Price: 1.345}}})
		},
	},
	{
		"getAnalysisImage", "GET /apis/v1/analysis/" + chartID + "/image.svg", "",
		func(c caller) (any, error) {
			picture, err := c.Charts.Picture(c.ctx, chartID)
			if err != nil {
				return nil, err
			}
			defer picture.Close()
			content, err := io.ReadAll(picture)
			return string(content), err
		},
	},
	{
		"listSocials", "GET /apis/v1/socials?serverId=" + id, "",
		func(c caller) (any, error) { return c.Gamification.Socials(c.ctx, id) },
	},
	{
		"createSocial", "POST /apis/v1/socials", `{"platform":"youtube","url":"https://video.example/chess","action":"like","xp":20}`,
		func(c caller) (any, error) {
			return c.Gamification.CreateSocial(c.ctx, client.SocialCreate{Platform: "youtube", URL: "https://video.example/chess", Action: client.SocialLike, XP: 20}, c.opts...)
		},
	},
	{
		"deleteSocial", "DELETE /apis/v1/socials/" + linkID, "",
		func(c caller) (any, error) { return c.Gamification.DeleteSocial(c.ctx, linkID) },
	},
	{
		"recordSocial", "POST /apis/v1/users/socials", `{"identifier":"2","identifier_type":"id","socialId":"` + linkID + `","action":"share"}`,
		func(c caller) (any, error) {
			return c.Gamification.RecordSocial(c.ctx, linkID, client.SocialShare, client.Identifier{Value: "2", Type: client.ByNumber})
		},
	},
	{
		"getImage", "GET /images/" + id, "",
		func(c caller) (any, error) {
			image, err := c.Servers.Image(c.ctx, id)
			if err != nil {
				return nil, err
			}
			defer image.Close()
			content, err := io.ReadAll(image)
			return string(content), err
		},
	},
	{
		"listChannels", "GET /channels", "",
		func(c caller) (any, error) { return c.Channels.List(c.ctx, "") },
	},
	{
		"listChannels", "GET /channels?serverId=" + id, "",
		func(c caller) (any, error) { return c.Channels.List(c.ctx, id) },
	},
	{
		"createChannel", "POST /channels", `{"topic":"openings","channelType":"open"}`,
		func(c caller) (any, error) {
			return c.Channels.Create(c.ctx, client.ChannelCreate{Topic: "openings", ChannelType: client.ChannelOpen}, c.opts...)
		},
	},
	{
		"createChannel", "POST /channels",
		`{"serverId":"` + id + `","topic":"staff","channelType":"private","description":"Not for all","permissions":["` + roleID + `"],"members":["2","3"]}`,
		func(c caller) (any, error) {
			return c.Channels.Create(c.ctx, client.ChannelCreate{
				ServerID: id, Topic: "staff", ChannelType: client.ChannelPrivate, Description: "Not for all",
				Permissions: []string{roleID}, Members: []string{"2", "3"},
			}, c.opts...)
		},
	},
	{
		"updateChannel", "PUT /channels/" + chanID, `{"topic":"endgames","channelType":"text"}`,
		func(c caller) (any, error) {
			return c.Channels.Update(c.ctx, chanID, client.ChannelUpdate{Topic: "endgames", ChannelType: client.ChannelText})
		},
	},
	{
		"updateChannel", "PUT /channels/" + chanID,
		`{"topic":"endgames","channelType":"direct","description":"","permissions":[],"members":["2"]}`,
		func(c caller) (any, error) {
			var nobody []string
			return c.Channels.Update(c.ctx, chanID, client.ChannelUpdate{
				Topic: "endgames", ChannelType: client.ChannelDirect,
				Description: new(""), Permissions: &nobody, Members: &[]string{"2"},
			})
		},
	},
	{
		"createChannel", "POST /channels", `{"topic":"board","channelType":"iframe","iframeUrl":"https://games.example/board","signIdentity":true}`,
		func(c caller) (any, error) {
			return c.Channels.Create(c.ctx, client.ChannelCreate{
				Topic: "board", ChannelType: client.ChannelIframe, IframeURL: "https://games.example/board", SignIdentity: true,
			}, c.opts...)
		},
	},
	{
		"updateChannel", "PUT /channels/" + chanID, `{"topic":"board","channelType":"iframe","signIdentity":false}`,
		func(c caller) (any, error) {
			return c.Channels.Update(c.ctx, chanID, client.ChannelUpdate{Topic: "board", ChannelType: client.ChannelIframe, SignIdentity: new(false)})
		},
	},
	{
		"getChannelEmbed", "GET /channels/" + chanID + "/embed", "",
		func(c caller) (any, error) { return c.Channels.Embed(c.ctx, chanID) },
	},
	{
		"deleteChannel", "DELETE /channels/" + chanID, "",
		func(c caller) (any, error) { return nil, c.Channels.Delete(c.ctx, chanID) },
	},
	{
		"listIntegrationChannels", "GET /apis/v1/channels", "",
		func(c caller) (any, error) { return c.Channels.ListForKey(c.ctx) },
	},
	{
		"createRole", "POST /roles",
		`{"title":"guests","class":"gray","order":0,"billable":false}`,
		func(c caller) (any, error) {
			return c.Roles.Create(c.ctx, client.RoleCreate{Title: "guests", Class: "gray"}, c.opts...)
		},
	},
	{
		"createRole", "POST /roles",
		`{"serverId":"` + id + `","title":"moderators","class":"#0000FF","order":10,"billable":true,"description":"Keep the peace",` +
			strings.NewReplacer(`"kick_members":false`, `"kick_members":true`, `"share_Attachments":false`, `"share_Attachments":true`).Replace(serverFlags+","+channelFlags) + `}`,
		func(c caller) (any, error) {
			return c.Roles.Create(c.ctx, client.RoleCreate{
				ServerID: id, Title: "moderators", Class: "#0000FF", Order: 10, Billable: true, Description: "Keep the peace",
				ServerPermissions:  &client.ServerPermissions{KickMembers: true},
				ChannelPermissions: &client.ChannelPermissions{ShareAttachments: true},
			}, c.opts...)
		},
	},
	{
		"updateRole", "PUT /roles/" + roleID,
		`{"title":"moderators","class":"blue","order":11,"billable":true,"description":"Keep the peace",` +
			strings.Replace(serverFlags, `"warn_members":false`, `"warn_members":true`, 1) + `}`,
		func(c caller) (any, error) {
			return c.Roles.Update(c.ctx, roleID, client.RoleUpdate{
				Title: "moderators", Class: "blue", Order: 11, Billable: true, Description: "Keep the peace",
				ServerPermissions: &client.ServerPermissions{WarnMembers: true},
			})
		},
	},
	{
		"deleteRole", "DELETE /roles/" + roleID, "",
		func(c caller) (any, error) { return nil, c.Roles.Delete(c.ctx, roleID) },
	},
	{
		"listUserRoles", "GET /roles/2", "",
		func(c caller) (any, error) { return c.Roles.OfUser(c.ctx, "", "2") },
	},
	{
		"listUserRoles", "GET /roles/2?serverId=" + id, "",
		func(c caller) (any, error) { return c.Roles.OfUser(c.ctx, id, "2") },
	},
	{
		"addRoleToUser", "POST /roles/" + roleID + "/add", `{"userId":"2"}`,
		func(c caller) (any, error) { return c.Roles.Add(c.ctx, roleID, "2") },
	},
	{
		"removeRoleFromUser", "POST /roles/" + roleID + "/remove", `{"userId":"2"}`,
		func(c caller) (any, error) { return c.Roles.Remove(c.ctx, roleID, "2") },
	},
	{
		"listBadges", "GET /badges", "",
		func(c caller) (any, error) { return c.Badges.List(c.ctx, "") },
	},
	{
		"listBadges", "GET /badges?serverId=" + id, "",
		func(c caller) (any, error) { return c.Badges.List(c.ctx, id) },
	},
	{
		"createBadge", "POST /badges", `{"title":"Founder","action":"custom"}`,
		func(c caller) (any, error) {
			return c.Badges.Create(c.ctx, client.BadgeCreate{Title: "Founder", Action: client.BadgeCustom}, c.opts...)
		},
	},
	{
		"createBadge", "POST /badges",
		`{"serverId":"` + id + `","title":"Chatterbox","action":"messages","quantity":0,"description":"Talks","image":"https://a.test/i",` +
			`"darkImage":"https://a.test/d","lightImage":"https://a.test/l","enabledDarkAndLight":true,"applied":true,"awarded":true,` +
			`"attachRequired":true,"award":true,"awardXpQuantity":50,"awardCurrency":true,"awardCurrencyQuantity":5}`,
		func(c caller) (any, error) {
			return c.Badges.Create(c.ctx, client.BadgeCreate{
				ServerID: id, Title: "Chatterbox", Action: client.BadgeMessages, Quantity: new(int32(0)), Description: "Talks",
				Image: "https://a.test/i", DarkImage: "https://a.test/d", LightImage: "https://a.test/l", EnabledDarkAndLight: true,
				Applied: true, Awarded: true, AttachRequired: true,
				Award: true, AwardXPQuantity: 50, AwardCurrency: true, AwardCurrencyQuantity: 5,
			}, c.opts...)
		},
	},
	{
		"updateBadge", "PUT /badges/" + badgeID, `{"title":"Chatterbox","action":"replies","quantity":3,"award":true,"awardXpQuantity":50}`,
		func(c caller) (any, error) {
			return c.Badges.Update(c.ctx, badgeID, client.BadgeUpdate{
				Title: "Chatterbox", Action: client.BadgeReplies, Quantity: new(int32(3)), Award: true, AwardXPQuantity: 50,
			})
		},
	},
	{
		"deleteBadge", "DELETE /badges/" + badgeID, "",
		func(c caller) (any, error) { return nil, c.Badges.Delete(c.ctx, badgeID) },
	},
	{
		"awardBadge", "POST /badges/" + badgeID + "/award", `{"userId":"2"}`,
		func(c caller) (any, error) { return c.Badges.Award(c.ctx, badgeID, "2") },
	},
	{
		"removeBadge", "POST /badges/" + badgeID + "/remove", `{"userId":"2"}`,
		func(c caller) (any, error) { return nil, c.Badges.Remove(c.ctx, badgeID, "2") },
	},
	{
		"listApiKeys", "GET " + atKeys, "",
		func(c caller) (any, error) { return c.Keys.List(c.ctx, id) },
	},
	{
		"createApiKey", "POST " + atKeys, `{"name":"shop","permissions":[]}`,
		func(c caller) (any, error) {
			return c.Keys.Create(c.ctx, id, client.APIKeyCreate{Name: "shop"}, c.opts...)
		},
	},
	{
		"createApiKey", "POST " + atKeys, `{"name":"shop","permissions":["badges","channels"],"expirePeriod":30}`,
		func(c caller) (any, error) {
			return c.Keys.Create(c.ctx, id, client.APIKeyCreate{
				Name: "shop", Permissions: []client.KeyPermission{client.PermissionBadges, client.PermissionChannels}, ExpirePeriod: 30,
			}, c.opts...)
		},
	},
	{
		"updateApiKey", "PUT " + atKeys + "/" + keyID, `{"isActive":false}`,
		func(c caller) (any, error) {
			return c.Keys.Update(c.ctx, id, keyID, client.APIKeyUpdate{IsActive: new(false)})
		},
	},
	{
		"updateApiKey", "PUT " + atKeys + "/" + keyID, `{"name":"till","permissions":[],"expirePeriod":0,"isActive":true}`,
		func(c caller) (any, error) {
			return c.Keys.Update(c.ctx, id, keyID, client.APIKeyUpdate{
				Name: new("till"), Permissions: new([]client.KeyPermission(nil)), ExpirePeriod: new(int32(0)), IsActive: new(true),
			})
		},
	},
	{
		"deleteApiKey", "DELETE " + atKeys + "/" + keyID, "",
		func(c caller) (any, error) { return c.Keys.Delete(c.ctx, id, keyID) },
	},
	{
		"getApiKeyInfo", "GET /apis/v1/api-keys/info", "",
		func(c caller) (any, error) { return c.Keys.Info(c.ctx) },
	},
	{
		"updateMe", "PATCH /auth/me", `{"displayName":"Vera M."}`,
		func(c caller) (any, error) {
			return c.Auth.UpdateMe(c.ctx, client.AccountUpdate{DisplayName: new("Vera M.")})
		},
	},
	{
		"listUserApiKeys", "GET " + atUserKeys, "",
		func(c caller) (any, error) { return c.Keys.ListOfUser(c.ctx, userID, "") },
	},
	{
		"listUserApiKeys", "GET " + atUserKeys + "?communityId=" + id, "",
		func(c caller) (any, error) { return c.Keys.ListOfUser(c.ctx, userID, id) },
	},
	{
		"createUserApiKey", "POST /apis/v1/users/apikeys?userId=" + userID, `{"name":"phone","permissions":["sendMessages"],"communityId":"` + id + `"}`,
		func(c caller) (any, error) {
			return c.Keys.CreateForUser(c.ctx, userID, client.UserAPIKeyCreate{
				Name: "phone", Permissions: []client.UserKeyPermission{client.UserPermissionSendMessages}, CommunityID: id,
			}, c.opts...)
		},
	},
	{
		"updateUserApiKey", "PUT " + atUserKeys + "/" + keyID, `{"isActive":false}`,
		func(c caller) (any, error) {
			return c.Keys.UpdateOfUser(c.ctx, userID, keyID, client.UserAPIKeyUpdate{IsActive: new(false)})
		},
	},
	{
		"deleteUserApiKey", "DELETE " + atUserKeys + "/" + keyID, "",
		func(c caller) (any, error) { return c.Keys.DeleteOfUser(c.ctx, userID, keyID) },
	},
	{
		"listMessages", "GET /apis/v1/messages?count=100", "",
		func(c caller) (any, error) {
			messages, err := collect(c.Messages.List(c.ctx, client.MessageQuery{}))
			if err != nil {
				return nil, err
			}
			return map[string]any{"total": 1, "messages": messages}, nil
		},
	},
	{
		"listMessages", "GET /apis/v1/messages?serverId=" + id + "&channel_id=" + chanID + "&forum_topic_id=" + topicID + "&user_id=2&count=10&before=" + msgID + "&search=two+words", "",
		func(c caller) (any, error) {
			return c.Messages.Page(c.ctx, client.MessageQuery{
				ServerID: id, ChannelID: chanID, ForumTopicID: topicID, UserID: 2, Before: msgID, Search: "two words", Count: 10,
			})
		},
	},
	{
		"listMessages", "GET /apis/v1/messages?email=vera%40example.com&count=100&cursor=abc", "",
		func(c caller) (any, error) {
			return c.Messages.Page(c.ctx, client.MessageQuery{Email: "vera@example.com", Cursor: "abc"})
		},
	},
	{
		"getMessage", "GET /apis/v1/messages/" + msgID, "",
		func(c caller) (any, error) { return c.Messages.Get(c.ctx, msgID) },
	},
	{
		"sendMessage", "POST /apis/v1/messages/send", `{"channelId":"` + chanID + `","message":"Hello"}`,
		func(c caller) (any, error) {
			return c.Messages.Send(c.ctx, client.MessageCreate{ChannelID: chanID, Message: "Hello"}, c.opts...)
		},
	},
	{
		"sendMessage", "POST /apis/v1/messages/send", `{"channelId":"` + chanID + `","message":"Hello","sender":"vera","forumTopicId":"` + topicID + `"}`,
		func(c caller) (any, error) {
			return c.Messages.Send(c.ctx, client.MessageCreate{ChannelID: chanID, Message: "Hello", Sender: "vera", ForumTopicID: topicID}, c.opts...)
		},
	},
	{
		"sendMessage", "POST /apis/v1/messages/send", `{"channelId":"` + chanID + `","images":["https://a.test/images/1"]}`,
		func(c caller) (any, error) {
			return c.Messages.Send(c.ctx, client.MessageCreate{ChannelID: chanID, Images: []string{"https://a.test/images/1"}}, c.opts...)
		},
	},
	{
		"uploadMessageImages", "POST /apis/v1/messages/upload-image?serverId=" + id, "",
		func(c caller) (any, error) {
			file := client.MessageImageFile{Name: "board.png", Content: strings.NewReader("a picture")}
			return c.Messages.UploadImages(c.ctx, id, file, file)
		},
	},
	{
		"replyMessage", "POST /apis/v1/messages/reply", `{"messageId":"` + msgID + `","message":"Yes"}`,
		func(c caller) (any, error) {
			return c.Messages.Reply(c.ctx, client.ReplyCreate{MessageID: msgID, Message: "Yes"}, c.opts...)
		},
	},
	{
		"reactMessage", "POST /apis/v1/messages/react", `{"messageId":"` + msgID + `","emoji":"👍"}`,
		func(c caller) (any, error) {
			return nil, c.Messages.React(c.ctx, client.ReactionAdd{MessageID: msgID, Emoji: "👍"})
		},
	},
	{
		"deleteReaction", "DELETE /apis/v1/messages/" + msgID + "/reactions/%F0%9F%91%8D", "",
		func(c caller) (any, error) { return nil, c.Messages.Unreact(c.ctx, msgID, "👍") },
	},
	{
		"updateMessage", "PUT /apis/v1/messages/" + msgID, `{"message":"Hello, everybody"}`,
		func(c caller) (any, error) { return c.Messages.Update(c.ctx, msgID, "Hello, everybody") },
	},
	{
		"deleteMessage", "DELETE /apis/v1/messages/" + msgID, "",
		func(c caller) (any, error) { return nil, c.Messages.Delete(c.ctx, msgID) },
	},
	{
		"pinMessage", "PUT /apis/v1/messages/" + msgID + "/pin", "",
		func(c caller) (any, error) { return nil, c.Messages.Pin(c.ctx, msgID) },
	},
	{
		"unpinMessage", "DELETE /apis/v1/messages/" + msgID + "/pin", "",
		func(c caller) (any, error) { return nil, c.Messages.Unpin(c.ctx, msgID) },
	},
	{
		"listTopics", "GET /channels/" + chanID + "/topics?limit=100", "",
		func(c caller) (any, error) { return collect(c.Messages.Topics(c.ctx, chanID)) },
	},
	{
		"createTopic", "POST /channels/" + chanID + "/topics", `{"title":"Which opening?"}`,
		func(c caller) (any, error) {
			return c.Messages.CreateTopic(c.ctx, chanID, client.TopicCreate{Title: "Which opening?"}, c.opts...)
		},
	},
	{
		"deleteTopic", "DELETE /channels/" + chanID + "/topics/" + topicID, "",
		func(c caller) (any, error) { return nil, c.Messages.DeleteTopic(c.ctx, chanID, topicID) },
	},
	{
		"setXpSetting", "POST /gamifications/" + id + "/xp-setting", `{"enabled":true,"picture":` + noXP + `,"aboutme":` + noXP + `,"quote":` + noXP +
			`,"visit":{"enabled":true,"xp":3,"coins":1},"referral":` + noXP + `,"refer":` + noXP + `,"message":{"enabled":true,"xp":10,"time":3},"reply":` + noTimedXP +
			`,"react":` + noTimedXP + `,"object":` + noTimedXP + `,"analysis":` + noTimedXP + `,"comment":` + noTimedXP + `,"tradingDiscussions":` + noTimedXP + `}`,
		func(c caller) (any, error) {
			return c.Gamification.SetXP(c.ctx, id, client.XPSetting{
				Enabled: true, Visit: client.XPRule{Enabled: true, XP: 3, Coins: 1}, Message: client.TimedXPRule{Enabled: true, XP: 10, Time: 3},
			})
		},
	},
	{
		"setTierSetting", "POST /gamifications/" + id + "/tier-setting", `{"enabled":true,"display":{"levels":true,"tiers":false},"tiers":[{"name":"Bronze","levels":[{"name":"Bronze I","xp":0}]}]}`,
		func(c caller) (any, error) {
			return c.Gamification.SetTiers(c.ctx, id, client.TierSettingUpdate{
				Enabled: true, Display: client.TierDisplay{Levels: true}, Tiers: &[]client.Tier{{Name: "Bronze", Levels: []client.TierLevel{{Name: "Bronze I"}}}},
			})
		},
	},
	{
		"getGamification", "GET /gamifications/" + id, "",
		func(c caller) (any, error) { return c.Gamification.Get(c.ctx, id) },
	},
	{
		"listMilestones", "GET /apis/v1/milestones?serverId=" + id, "",
		func(c caller) (any, error) { return c.Gamification.Milestones(c.ctx, id) },
	},
	{
		"createMilestone", "POST /apis/v1/milestones", `{"name":"Talker","field":"messages","steps":[{"value":100,"xp":50}],"serverId":"` + id + `"}`,
		func(c caller) (any, error) {
			return c.Gamification.CreateMilestone(c.ctx, client.MilestoneCreate{
				Name: "Talker", Field: "messages", Steps: []client.MilestoneStep{{Value: 100, XP: 50}}, ServerID: id,
			}, c.opts...)
		},
	},
	{
		"getMilestone", "GET /apis/v1/milestones/" + stoneID, "",
		func(c caller) (any, error) { return c.Gamification.Milestone(c.ctx, stoneID) },
	},
	{
		"updateMilestone", "PUT /apis/v1/milestones/" + stoneID, `{"name":"Talker","field":"messages","steps":[{"value":100}]}`,
		func(c caller) (any, error) {
			return c.Gamification.UpdateMilestone(c.ctx, stoneID, client.MilestoneUpdate{Name: "Talker", Field: "messages", Steps: []client.MilestoneStep{{Value: 100}}})
		},
	},
	{
		"deleteMilestone", "DELETE /apis/v1/milestones/" + stoneID, "",
		func(c caller) (any, error) { return c.Gamification.DeleteMilestone(c.ctx, stoneID) },
	},
	{
		"getUserMilestones", "POST /apis/v1/users/milestones", `{"identifier":"ada@example.com"}`,
		func(c caller) (any, error) {
			return c.Gamification.Reached(c.ctx, client.Identifier{Value: "ada@example.com"})
		},
	},
	{
		"getTierInfo", "GET /apis/v1/gamification/tiers", "",
		func(c caller) (any, error) { return c.Gamification.Tiers(c.ctx) },
	},
	{
		"getUserStats", "POST /apis/v1/users/activity/stats", `{"identifier":"ada@example.com","days":2}`,
		func(c caller) (any, error) {
			return c.Gamification.Stats(c.ctx, client.Identifier{Value: "ada@example.com"}, 2)
		},
	},
	{
		"getUserHistory", "GET /apis/v1/users/activity/daily?identifier=gold&identifier_type=custom-field&fieldName=level&days=2", "",
		func(c caller) (any, error) {
			return c.Gamification.History(c.ctx, client.Identifier{Value: "gold", Type: client.ByCustomField, Field: "level"}, 2)
		},
	},
	{
		"getUserHistory", "GET /apis/v1/users/activity/daily?identifier=ada%40example.com", "",
		func(c caller) (any, error) {
			return c.Gamification.History(c.ctx, client.Identifier{Value: "ada@example.com"}, 0)
		},
	},
	{
		"getDailyHistory", "POST /apis/v1/users/activity/daily", `{"identifier":["ada@example.com"],"date":"20/01/2026"}`,
		func(c caller) (any, error) {
			return c.Gamification.Daily(c.ctx, client.DailyQuestion{Identifier: []string{"ada@example.com"}, Date: "20/01/2026"})
		},
	},
	{
		"listActivityLogs", "POST /apis/v1/users/activity/logs", `{"identifier":"ada@example.com","from":"2026-03-01T00:00:00.000Z","limit":100}`,
		func(c caller) (any, error) {
			from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			logs, err := collect(c.Gamification.Logs(c.ctx, client.Identifier{Value: "ada@example.com"}, client.ActivityQuery{From: from}))
			if err != nil {
				return nil, err
			}
			return map[string]any{"logs": logs, "page": 1, "limit": 20}, nil
		},
	},
}

const (
	stoneID   = "66a282dab13eee0013cbb4f3"
	noXP      = `{"enabled":false,"xp":0}`
	noTimedXP = `{"enabled":false,"xp":0,"time":0}`
)

const serverFlags = `"serverPermissions":{"allow_dm":false,"create_invite":false,"kick_members":false,"warn_members":false,"suspend_members":false,` +
	`"ban_members":false,"manage_roles":false,"manage_channels":false,"broadcast_messages":false,"overwrite_language_settings":false,` +
	`"server_administrator":false}`

const channelFlags = `"channelPermissions":{"view_message_history":false,"post_messages":false,"delete_messages":false,` +
	`"manage_messages":false,"allow_mentions":false,"attach_files":false,"post_analysis":false,"pinable":false,"share_links":false,` +
	`"share_Attachments":false}`

func collect[T any](items iter.Seq2[T, error]) (all []T, err error) {
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, nil
}

// operation is one of the contract.
type operation struct{ *api.Operation }

// validate validates a request against the contract.
func (op operation) validate(t *testing.T, r *http.Request, body []byte) {
	t.Helper()
	path := r.URL.EscapedPath()
	if must(api.Operations()).Match(r.Method, path) != op.Operation {
		t.Errorf("%s %s is not %s %s", r.Method, path, op.Method, op.Path)
		return
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: op.Values(path),
		Route: &routers.Route{Spec: op.Document, Path: op.Path, PathItem: op.Item, Method: op.Method, Operation: op.Spec},
		Options: &openapi3filter.Options{
			MultiError: true, SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
			ExcludeRequestBody: strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/"),
		},
	})
	if err != nil {
		t.Errorf("the contract does not allow this request: %v", err)
	}
	if (op.Body == nil) != (len(body) == 0) {
		t.Errorf("a body of %d bytes, and in the contract: %v", len(body), op.Body)
	}
}

// success is the example of a good answer that the contract gives, and what is in its envelope.
func (op operation) success(t *testing.T) (handler http.HandlerFunc, value any) {
	t.Helper()
	for status, response := range op.Spec.Responses.Map() {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		var code int
		fmt.Sscan(status, &code)
		media := response.Value.Content["application/json"]
		if events := response.Value.Content["text/event-stream"]; events != nil {
			text := events.Example.(string)
			_, data, _ := strings.Cut(text, "data: ")
			return says(code, text, "Content-Type", "text/event-stream"), valueOf(t, []byte(data))
		}
		if media == nil {
			return says(code, "a picture", "Content-Type", "image/png"), "a picture"
		}
		text, err := json.Marshal(media.Example)
		if err != nil {
			t.Fatal(err)
		}
		answer, enveloped := media.Example.(map[string]any)
		if !enveloped {
			return says(code, string(text)), media.Example
		}
		if value = answer["body"]; value == nil {
			value = answer["data"]
		}
		if value == nil && answer["meta"] == nil && answer["status"] == nil {
			value = answer // it is in no envelope
		}
		return says(code, string(text)), value
	}
	t.Fatalf("%s has no good answer", op.ID)
	return nil, nil
}

// failure is a failure in the envelope family of the operation.
func (op operation) failure(status int, code client.Code) http.HandlerFunc {
	problem := fmt.Sprintf(`{"code":%q,"requestId":"r-1","fields":[]}`, code)
	switch op.Family {
	case api.System:
		return says(status, `{"meta":{"success":false,"message":"No","devMessage":""},"body":`+problem+`}`)
	case api.Integration:
		return says(status, `{"status":"error","message":"No","data":`+problem+`}`)
	case api.Flat:
		return says(status, fmt.Sprintf(`{"error":true,"message":"No","code":%q,"requestId":"r-1"}`, code))
	default:
		return says(status, fmt.Sprintf(`{"meta":{"status":"error","statusCode":%d},"message":"No","data":%s}`, status, problem))
	}
}

func TestEveryOperationOfTheContractCanBeCalled(t *testing.T) {
	operations := must(api.Operations())
	called := map[string]bool{}
	for _, tt := range calls {
		if called[tt.operation] = true; operations.ByID(tt.operation) == nil {
			t.Errorf("there is no operation %s in the contract", tt.operation)
		}
	}
	for _, op := range operations {
		if !called[op.ID] {
			t.Errorf("no line calls %s, which is %s %s: which method of the client does?", op.ID, op.Method, op.Path)
		}
	}
}

// onEveryCall runs a test for every line of calls.
func onEveryCall(t *testing.T, test func(t *testing.T, op operation, line int)) {
	for line, tt := range calls {
		if op := must(api.Operations()).ByID(tt.operation); op != nil {
			t.Run(fmt.Sprint(tt.operation, " ", line), func(t *testing.T) { test(t, operation{op}, line) })
		}
	}
}

func TestEveryCallMakesTheRequestAndReturnsTheValueOfTheContract(t *testing.T) {
	onEveryCall(t, func(t *testing.T, op operation, line int) {
		tt := calls[line]
		answer, want := op.success(t)
		asked := 0
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked++
			if request := r.Method + " " + r.RequestURI; request != tt.request {
				t.Errorf("asked for %q, want %q", request, tt.request)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if tt.body != "" {
				if diff := cmp.Diff(valueOf(t, []byte(tt.body)), valueOf(t, body)); diff != "" {
					t.Error("the body: ", diff)
				}
			}
			op.validate(t, r, body)
			answer(w, r)
		})
		got, err := tt.call(caller{Client: c, ctx: t.Context()})
		if err != nil || asked != 1 {
			t.Fatalf("got %v after %d requests", err, asked)
		}
		if got == nil {
			if text := fmt.Sprint(want); want != nil && text != "map[]" && text != "[]" {
				t.Errorf("the answer has %v in it, and nothing is returned", want)
			}
			return
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, valueOf(t, text)); diff != "" {
			t.Error("the value: ", diff)
		}
	})
}

func TestTheUpdateFromARoleLosesNothingOfIt(t *testing.T) {
	role := client.Role{Title: "arbiters", Class: "blue", Order: 10, Billable: true, Description: "They decide"}
	for _, permissions := range []any{&role.ServerPermissions, &role.ChannelPermissions} {
		all := reflect.ValueOf(permissions).Elem()
		for i := range all.NumField() {
			all.Field(i).SetBool(true)
		}
	}
	update, shown := reflect.ValueOf(client.RoleUpdateFrom(role)), reflect.ValueOf(role)
	for i := range update.NumField() {
		name := update.Type().Field(i).Name
		if name == "ServerID" || strings.HasPrefix(name, "Old") {
			continue
		}
		got, want := reflect.Indirect(update.Field(i)).Interface(), shown.FieldByName(name).Interface()
		if update.Field(i).IsZero() || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestTheUpdateFromABadgeTakesEachPartFromWhereItIsKnown(t *testing.T) {
	badge := client.Badge{
		ID: badgeID, Title: "Chatterbox", Action: client.BadgeReplies, Quantity: "0", Description: "Talks", Image: "https://a.test/i",
		AttachRequired: "true", Awarded: "false",
	}
	made := client.BadgeCreate{
		Title: "Old", Action: client.BadgeCustom, Quantity: new(int32(7)), Description: "Old", Image: "https://a.test/old",
		DarkImage: "https://a.test/d", LightImage: "https://a.test/l", EnabledDarkAndLight: true, Applied: true, Awarded: true,
		Award: true, AwardXPQuantity: 50, AwardCurrency: true, AwardCurrencyQuantity: 5, ServerID: id,
	}
	want := client.BadgeUpdate{
		Title: "Chatterbox", Action: client.BadgeReplies, Quantity: new(int32(0)), Description: "Talks", Image: "https://a.test/i",
		DarkImage: "https://a.test/d", LightImage: "https://a.test/l", EnabledDarkAndLight: true, Applied: true, AttachRequired: true,
		Award: true, AwardXPQuantity: 50, AwardCurrency: true, AwardCurrencyQuantity: 5,
	}
	if diff := cmp.Diff(want, client.BadgeUpdateFrom(badge, made)); diff != "" {
		t.Error(diff)
	}
}

func TestTheBoundsOfAnswersAreThoseOfTheContract(t *testing.T) {
	var most uint64
	for _, op := range must(api.Operations()) {
		for status, answer := range op.Spec.Responses.Map() {
			media := answer.Value.Content["application/json"]
			if media == nil || !strings.HasPrefix(status, "2") {
				continue
			}
			for _, part := range []string{"body", "data"} {
				list := media.Schema.Value.Properties[part]
				if list == nil || !list.Value.Type.Is("array") {
					continue
				}
				if list.Value.MaxItems == nil {
					t.Errorf("the list of %s has no bound", op.ID)
					continue
				}
				most = max(most, *list.Value.MaxItems)
			}
		}
	}
	schemas := must(api.Document()).Components.Schemas
	meta, problem := schemas["SystemPageMeta"].Value.Properties, schemas["Problem"].Value.Properties
	got := []uint64{client.MaxItems, client.MaxPage, client.PageSize, client.MaxFields, client.MaxText}
	want := []uint64{
		10 * most, uint64(*meta["page"].Value.Max), uint64(*meta["limit"].Value.Max), *problem["fields"].Value.MaxItems,
		*meta["message"].Value.MaxLength,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// valueOf is what a JSON text says.
func valueOf(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Errorf("%q: %v", text, err)
	}
	return v
}

func TestEveryCallReportsTheFailuresOfTheContract(t *testing.T) {
	codes := map[string]client.Code{
		"400": client.CodeInvalidRequest, "401": client.CodeUnauthenticated, "403": client.CodePermissionDenied,
		"404": client.CodeNotFound, "409": client.CodeConflict, "default": client.CodeRateLimited,
	}
	onEveryCall(t, func(t *testing.T, op operation, line int) {
		for status, response := range op.Spec.Responses.Map() {
			code, ok := codes[status]
			if !ok {
				if !strings.HasPrefix(status, "2") && status != "304" {
					t.Errorf("no code is known for %s (%v)", status, response.Ref)
				}
				continue
			}
			number := 429
			fmt.Sscan(status, &number)
			c := serve(t, op.failure(number, code))
			got, err := calls[line].call(caller{Client: c, ctx: t.Context()})
			want := (&client.Error{Code: code}).Unwrap()
			if e, ok := errors.AsType[*client.Error](err); !ok || !errors.Is(err, want) || e.Message != "No" || e.RequestID != "r-1" {
				t.Errorf("from a %d: got %v, want %v", number, err, want)
			}
			if v := reflect.ValueOf(got); got != nil && !v.IsZero() {
				t.Errorf("from a %d: got %v besides the error", number, got)
			}
		}
	})
}

// A credential goes where the operation takes it: an API key as x-api-key where that is allowed.
func TestEveryCallSendsTheCredentialThatTheContractAsksFor(t *testing.T) {
	onEveryCall(t, func(t *testing.T, op operation, line int) {
		answer, _ := op.success(t)
		sent := func(opt client.Option) (authorization, apiKey string) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				authorization, apiKey = r.Header.Get("Authorization"), r.Header.Get("X-Api-Key")
				answer(w, r)
			}, opt)
			if _, err := calls[line].call(caller{Client: c, ctx: t.Context()}); err != nil {
				t.Error(err)
			}
			return authorization, apiKey
		}
		if authorization, apiKey := sent(client.WithToken(token)); authorization != "Bearer "+token || apiKey != "" {
			t.Errorf("a token: got Authorization %q and X-Api-Key %q", authorization, apiKey)
		}
		authorization, apiKey := sent(client.WithAPIKey(key))
		switch {
		case op.Takes(api.APIKeyAuth):
			if authorization != "" || apiKey != key {
				t.Errorf("an API key, to be sent as x-api-key: got Authorization %q and X-Api-Key %q", authorization, apiKey)
			}
		case op.Takes(api.KeyAuth):
			if authorization != "Bearer "+key || apiKey != "" {
				t.Errorf("an API key, to be sent as a bearer token: got Authorization %q and X-Api-Key %q", authorization, apiKey)
			}
		case (authorization == "") == (apiKey == ""):
			t.Errorf("an API key: got Authorization %q and X-Api-Key %q, want one of them", authorization, apiKey)
		}
	})
}

func TestCallsThatMakeSomethingTakeAnIdempotencyKey(t *testing.T) {
	onEveryCall(t, func(t *testing.T, op operation, line int) {
		answer, _ := op.success(t)
		want := ""
		if op.Creates {
			want = "order-1138"
		}
		got, again := "", ""
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Get("Idempotency-Key")
			if again != "" {
				w.Header().Set("Idempotent-Replayed", again)
			}
			answer(w, r)
		})
		for _, again = range []string{"", "true", ""} {
			replayed := again == "" // It is set in both cases.
			opts := []client.CreateOption{client.IdempotencyKey("order-1138"), client.Replayed(&replayed)}
			if _, err := calls[line].call(caller{c, t.Context(), opts}); err != nil || got != want {
				t.Errorf("sent %q (%v), want %q", got, err, want)
			}
			if op.Creates && replayed != (again == "true") {
				t.Errorf("replayed is %v after an answer with Idempotent-Replayed %q", replayed, again)
			}
		}
		random := map[string]bool{}
		for range 3 {
			if _, err := calls[line].call(caller{Client: c, ctx: t.Context()}); err != nil || (got != "") != op.Creates {
				t.Errorf("sent %q (%v) without being asked to", got, err)
			}
			random[got] = true
		}
		if !op.Creates {
			return
		}
		if len(random) != 3 {
			t.Errorf("the keys of 3 calls are %v", random)
		}

		replayed := true
		c = serve(t, op.failure(409, client.CodeConflict))
		if _, err := calls[line].call(caller{c, t.Context(), []client.CreateOption{client.Replayed(&replayed)}}); err == nil || replayed {
			t.Errorf("got %v, replayed %v of a call that failed", err, replayed)
		}
		c = serve(t, func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("asked with the key %q", r.Header.Get("Idempotency-Key"))
		})
		for _, bad := range []string{"", " ", "a b", "a\n", "ü"} {
			replayed := true
			opts := []client.CreateOption{client.IdempotencyKey(bad), client.Replayed(&replayed)}
			if _, err := calls[line].call(caller{c, t.Context(), opts}); !errors.Is(err, client.ErrInvalidRequest) || replayed {
				t.Errorf("the key %q: got %v, replayed %v, want ErrInvalidRequest", bad, err, replayed)
			}
		}
	})
}

// A value that the contract lists has a name here.
func TestEveryListedValueHasAName(t *testing.T) {
	source := ""
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source += string(text)
		}
	}
	models, err := parser.ParseFile(gotoken.NewFileSet(), "../gen/models.gen.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, decl := range models.Decls {
		decl, ok := decl.(*ast.GenDecl)
		if !ok || decl.Tok != gotoken.CONST {
			continue
		}
		for _, spec := range decl.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if found++; !strings.Contains(source, "= gen."+name.Name+"\n") {
					t.Errorf("gen.%s has no name in this package", name.Name)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d listed values were found: is this the right file?", found)
	}
}
