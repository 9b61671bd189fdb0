package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
)

// A community from its first account to its audit trail, through the client only.
func TestACommunityLivesThroughTheClientOnly(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		visitor, err := client.New(listen(t, open(t, config)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := &community{T: t, ctx: ctx, visitor: visitor, codeOf: func(email string) string { return codeFor(t, config.Data, email) }}
		c.veraFoundsAClubOnce()
		c.benJoins()
		c.aRoleOpensAPrivateChannel()
		c.aBadgeCountsOnceHoweverOftenItIsAwarded()
		c.aKeyWorksUntilItIsDeleted()
		c.theAuditTrailNamesItAllToVeraOnly()
		c.aNewPasswordEndsTheOldSession()
	})
}

// community is who and what there is by now.
type community struct {
	*testing.T
	ctx     context.Context
	codeOf  func(email string) string
	visitor *client.Client

	vera, ben               *client.Client
	veraAccount, benAccount client.Account
	club                    *client.CreatedServer
	invite                  *client.Invite
	arbiters                *client.Role
	disputes, round         *client.SavedChannel
	badge                   *client.Badge
	key                     *client.APIKey
}

func (c *community) veraFoundsAClubOnce() {
	c.vera, c.veraAccount = enrol(c.T, c.visitor, c.codeOf, "vera@example.com")
	if me := must(c.vera.Auth.Me(c.ctx)); me.Number != c.veraAccount.Number || !me.Verified {
		c.Errorf("got %+v, want Vera, verified", me)
	}
	if _, err := c.visitor.Auth.LogIn(c.ctx, "vera@example.com", "a guess"); !errors.Is(err, client.ErrUnauthenticated) {
		c.Errorf("with a wrong password: got %v, want ErrUnauthenticated", err)
	}
	// The connection breaks, and she repeats herself.
	var replayed bool
	for again := range 2 {
		in := client.ServerCreate{Name: "Chess club"}
		c.club = must(c.vera.Servers.Create(c.ctx, in, client.IdempotencyKey("found-the-club"), client.Replayed(&replayed)))
		if replayed != (again == 1) {
			c.Errorf("the answer %d was replayed: %v", again, replayed)
		}
	}
	if servers := must(c.vera.Servers.List(c.ctx)); len(servers) != 1 || servers[0].ID != c.club.ID {
		c.Errorf("got %v, want one server", servers)
	}
}

func (c *community) benJoins() {
	c.ben, c.benAccount = enrol(c.T, c.visitor, c.codeOf, "ben@example.com")
	if _, err := c.ben.Servers.Get(c.ctx, c.club.ID); !errors.Is(err, client.ErrNotFound) {
		c.Errorf("before Ben joins: got %v, want ErrNotFound", err)
	}
	if _, err := c.ben.Servers.Join(c.ctx, c.club.ID); !errors.Is(err, client.ErrNotFound) {
		c.Errorf("Ben joins without an invite: got %v, want ErrNotFound", err)
	}
	c.invite = must(c.vera.Invites.Create(c.ctx, c.club.ID, client.InviteCreate{Uses: 1}))
	if invites := must(c.vera.Invites.List(c.ctx, c.club.ID)); len(invites) != 1 || invites[0].Code != c.invite.Code {
		c.Errorf("got %v, want one invite", invites)
	}
	must(c.ben.Servers.Join(c.ctx, c.club.ID, client.WithInvite(c.invite.Code)))
	if err := c.vera.Invites.Delete(c.ctx, c.club.ID, c.invite.Code); !errors.Is(err, client.ErrNotFound) {
		c.Errorf("ending an invite that is used up: got %v, want ErrNotFound", err)
	}
}

// Ben sees the channel once he has the role that it admits.
func (c *community) aRoleOpensAPrivateChannel() {
	c.arbiters = must(c.vera.Roles.Create(c.ctx, client.RoleCreate{
		ServerID: c.club.ID, Title: "arbiters", Class: "blue", Order: 10,
		ServerPermissions: &client.ServerPermissions{WarnMembers: true},
	}))
	c.disputes = must(c.vera.Channels.Create(c.ctx, client.ChannelCreate{
		ServerID: c.club.ID, Topic: "disputes", ChannelType: client.ChannelPrivate, Permissions: []string{c.arbiters.ID},
	}))
	if channels := must(c.ben.Channels.List(c.ctx, c.club.ID)); len(channels) != 0 {
		c.Errorf("Ben sees %v before he has the role", channels)
	}
	if _, err := c.ben.Roles.Add(c.ctx, c.arbiters.ID, c.benAccount.Number); !errors.Is(err, client.ErrPermissionDenied) {
		c.Errorf("Ben gives himself the role: got %v, want ErrPermissionDenied", err)
	}
	roles := must(c.vera.Roles.Add(c.ctx, c.arbiters.ID, c.benAccount.Number))
	if len(roles) != 2 || roles[0].Title != "arbiters" || roles[1].Title != "@all" {
		c.Errorf("Ben has %v, want arbiters and @all", roles)
	}
	if channels := must(c.ben.Channels.List(c.ctx, "")); len(channels) != 1 || channels[0].ID != c.disputes.ID {
		c.Errorf("Ben sees %v, want disputes", channels)
	}
}

// It is awarded by several people at once.
func (c *community) aBadgeCountsOnceHoweverOftenItIsAwarded() {
	c.badge = must(c.vera.Badges.Create(c.ctx, client.BadgeCreate{
		ServerID: c.club.ID, Title: "Fair play", Action: client.BadgeCustom,
		Award: true, AwardXPQuantity: 50, AwardCurrency: true, AwardCurrencyQuantity: 5,
	}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			badges, err := c.vera.Badges.Award(c.ctx, c.badge.ID, c.benAccount.Number)
			if err != nil || len(badges) != 1 || badges[0] != *c.badge {
				c.Errorf("Ben has %v (%v), want one badge", badges, err)
			}
		})
	}
	wg.Wait()
	if balance := must(c.ben.Badges.Balance(c.ctx, c.club.ID, c.benAccount.Number)); *balance != (client.Balance{XP: 50, Coins: 5}) {
		c.Errorf("got %+v, want 50 XP and 5 coins", balance)
	}
}

func (c *community) aKeyWorksUntilItIsDeleted() {
	c.key = must(c.vera.Keys.Create(c.ctx, c.club.ID, client.APIKeyCreate{
		Name: "pairings", Permissions: []client.KeyPermission{client.PermissionChannels}, ExpirePeriod: 30,
	}))
	program := must(c.visitor.WithAPIKey(c.key.Key))
	if info := must(program.Keys.Info(c.ctx)); info.ID != c.key.ID || info.Key == c.key.Key {
		c.Errorf("got %+v, want the key, masked", info)
	}
	c.round = must(program.Channels.Create(c.ctx, client.ChannelCreate{Topic: "round 1", ChannelType: client.ChannelText}))
	var topics []string
	for _, channel := range must(program.Channels.ListForKey(c.ctx)) {
		topics = append(topics, channel.Topic)
	}
	if diff := cmp.Diff([]string{"disputes", "round 1"}, topics); diff != "" {
		c.Error("the channels that the program sees: ", diff)
	}
	if _, err := program.Badges.List(c.ctx, ""); !errors.Is(err, client.ErrPermissionDenied) {
		c.Errorf("the program asks for badges: got %v, want ErrPermissionDenied", err)
	}
	must(c.vera.Keys.Delete(c.ctx, c.club.ID, c.key.ID))
	for _, err := range []error{
		program.Channels.Delete(c.ctx, c.round.ID),
		second(program.Channels.ListForKey(c.ctx)),
		second(program.Keys.Info(c.ctx)),
	} {
		if !errors.Is(err, client.ErrUnauthenticated) {
			c.Errorf("with the key that was deleted: got %v, want ErrUnauthenticated", err)
		}
	}
}

func (c *community) theAuditTrailNamesItAllToVeraOnly() {
	var entries []string
	for entry, err := range c.vera.Audit.List(c.ctx, c.club.ID) {
		if err != nil {
			c.Fatal(err)
		}
		entries = append(entries, fmt.Sprint(entry.Actor.Type, " ", entry.Actor.ID, " ", entry.Action, " ", entry.Target))
	}
	slices.Reverse(entries)
	byVera, byBen, byKey := "account "+c.veraAccount.Number+" ", "account "+c.benAccount.Number+" ", "key "+c.key.ID+" "
	want := []string{
		byVera + "server.create " + c.club.ID,
		byVera + "invite.create " + c.invite.ID,
		byBen + "member.join " + c.benAccount.Number,
		byVera + "role.create " + c.arbiters.ID,
		byVera + "channel.create " + c.disputes.ID,
		byVera + "role.add " + c.arbiters.ID,
		byVera + "badge.create " + c.badge.ID,
		byVera + "badge.award " + c.badge.ID,
		byVera + "key.create " + c.key.ID,
		byKey + "channel.create " + c.round.ID,
		byVera + "key.delete " + c.key.ID,
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		c.Error("the audit trail: ", diff)
	}
	for _, err := range c.ben.Audit.List(c.ctx, c.club.ID) {
		if !errors.Is(err, client.ErrPermissionDenied) {
			c.Errorf("Ben reads the audit trail: got %v, want ErrPermissionDenied", err)
		}
	}
}

// The old session ends with it, the new one when Ben logs out.
func (c *community) aNewPasswordEndsTheOldSession() {
	if err := c.visitor.Auth.ForgotPassword(c.ctx, "ben@example.com"); err != nil {
		c.Fatal(err)
	}
	code := c.codeOf("ben@example.com")
	_, err := c.visitor.Auth.ResetPassword(c.ctx, "ben@example.com", "no code", "another passphrase")
	if refused, ok := errors.AsType[*client.Error](err); !ok || refused.Code != client.CodeInvalidRequest || len(refused.Fields) == 0 || refused.Fields[0].Pointer != "/code" {
		c.Errorf("without a code: got %v, want a refusal of /code", err)
	}
	session := must(c.visitor.Auth.ResetPassword(c.ctx, "ben@example.com", code, "another passphrase"))
	if _, err := c.ben.Auth.Me(c.ctx); !errors.Is(err, client.ErrUnauthenticated) {
		c.Errorf("with the old session: got %v, want ErrUnauthenticated", err)
	}
	c.ben = must(c.visitor.WithToken(session.Token))
	if roles := must(c.ben.Roles.OfUser(c.ctx, "", c.benAccount.Number)); len(roles) != 2 {
		c.Errorf("Ben has %v, want arbiters and @all", roles)
	}
	if err := c.ben.Auth.LogOut(c.ctx); err != nil {
		c.Error(err)
	}
	if err := c.ben.Auth.LogOut(c.ctx); !errors.Is(err, client.ErrUnauthenticated) {
		c.Errorf("logged out: got %v, want ErrUnauthenticated", err)
	}
}

// enrol registers an account, proves its address with the mailed code and returns a client that acts for it.
func enrol(t *testing.T, c *client.Client, codeOf func(string) string, email string) (*client.Client, client.Account) {
	t.Helper()
	ctx := t.Context()
	const password = "a long passphrase"
	must(c.Auth.Register(ctx, client.AccountCreate{Email: email, Password: password}))
	if _, err := c.Auth.LogIn(ctx, email, password); !errors.Is(err, client.ErrEmailUnverified) {
		t.Errorf("before the address was verified: got %v, want ErrEmailUnverified", err)
	}
	must(c.Auth.VerifyEmail(ctx, email, codeOf(email), client.WithPassword(password)))
	session := must(c.Auth.LogIn(ctx, email, password))
	return must(c.WithToken(session.Token)), session.Account
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func second[T any](_ T, err error) error { return err }
