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

// A community from its first account to its audit trail, told through the client only.
func TestAStoryToldThroughTheClientOnly(t *testing.T) { onEachDatabase(t, tellStory) }

func tellStory(t *testing.T, config Config) {
	visitor, err := client.New(listen(t, open(t, config)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	codeOf := func(email string) string { return codeFor(t, config.Data, email) }

	// Vera registers and proves that the address is hers.
	vera, veraAccount := enrol(t, visitor, codeOf, "vera@example.com")
	if me := must(vera.Auth.Me(ctx)); me.Number != veraAccount.Number || !me.Verified {
		t.Errorf("got %+v, want Vera, verified", me)
	}
	if _, err := visitor.Auth.LogIn(ctx, "vera@example.com", "a guess"); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("with a wrong password: got %v, want ErrUnauthenticated", err)
	}

	// She founds a server. The connection breaks, and she repeats herself: it is founded once.
	var replayed bool
	var club *client.CreatedServer
	for again := range 2 {
		in := client.ServerCreate{Name: "Chess club"}
		club = must(vera.Servers.Create(ctx, in, client.IdempotencyKey("found-the-club"), client.Replayed(&replayed)))
		if replayed != (again == 1) {
			t.Errorf("the answer %d was replayed: %v", again, replayed)
		}
	}
	if servers := must(vera.Servers.List(ctx)); len(servers) != 1 || servers[0].ID != club.ID {
		t.Errorf("got %v, want one server", servers)
	}

	// Ben joins.
	ben, benAccount := enrol(t, visitor, codeOf, "ben@example.com")
	if _, err := ben.Servers.Get(ctx, club.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("before Ben joins: got %v, want ErrNotFound", err)
	}
	must(ben.Servers.Join(ctx, club.ID))

	// There is a role, and a private channel that admits it. Ben sees the channel once he has the role.
	arbiters := must(vera.Roles.Create(ctx, client.RoleCreate{
		ServerID: club.ID, Title: "arbiters", Class: "blue", Order: 10,
		ServerPermissions: &client.ServerPermissions{WarnMembers: true},
	}))
	disputes := must(vera.Channels.Create(ctx, client.ChannelCreate{
		ServerID: club.ID, Topic: "disputes", ChannelType: client.ChannelPrivate, Permissions: []string{arbiters.ID},
	}))
	if channels := must(ben.Channels.List(ctx, club.ID)); len(channels) != 0 {
		t.Errorf("Ben sees %v before he has the role", channels)
	}
	if _, err := ben.Roles.Add(ctx, arbiters.ID, benAccount.Number); !errors.Is(err, client.ErrPermissionDenied) {
		t.Errorf("Ben gives himself the role: got %v, want ErrPermissionDenied", err)
	}
	roles := must(vera.Roles.Add(ctx, arbiters.ID, benAccount.Number))
	if len(roles) != 2 || roles[0].Title != "arbiters" || roles[1].Title != "@all" {
		t.Errorf("Ben has %v, want arbiters and @all", roles)
	}
	if channels := must(ben.Channels.List(ctx, "")); len(channels) != 1 || channels[0].ID != disputes.ID {
		t.Errorf("Ben sees %v, want disputes", channels)
	}

	// He is awarded a badge by several people at once. It counts once.
	badge := must(vera.Badges.Create(ctx, client.BadgeCreate{
		ServerID: club.ID, Title: "Fair play", Action: client.BadgeCustom,
		Award: true, AwardXPQuantity: 50, AwardCurrency: true, AwardCurrencyQuantity: 5,
	}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			badges, err := vera.Badges.Award(ctx, badge.ID, benAccount.Number)
			if err != nil || len(badges) != 1 || badges[0] != *badge {
				t.Errorf("Ben has %v (%v), want one badge", badges, err)
			}
		})
	}
	wg.Wait()
	if balance := must(ben.Badges.Balance(ctx, club.ID, benAccount.Number)); *balance != (client.Balance{XP: 50, Coins: 5}) {
		t.Errorf("got %+v, want 50 XP and 5 coins", balance)
	}

	// A program gets a key. It may do what the key says, until the key is deleted.
	key := must(vera.Keys.Create(ctx, club.ID, client.APIKeyCreate{
		Name: "pairings", Permissions: []client.KeyPermission{client.PermissionChannels}, ExpirePeriod: 30,
	}))
	program := must(visitor.WithAPIKey(key.Key))
	if info := must(program.Keys.Info(ctx)); info.ID != key.ID || info.Key == key.Key {
		t.Errorf("got %+v, want the key, masked", info)
	}
	round := must(program.Channels.Create(ctx, client.ChannelCreate{Topic: "round 1", ChannelType: client.ChannelText}))
	var topics []string
	for _, channel := range must(program.Channels.ListForKey(ctx)) {
		topics = append(topics, channel.Topic)
	}
	if diff := cmp.Diff([]string{"disputes", "round 1"}, topics); diff != "" {
		t.Error("the channels that the program sees: ", diff)
	}
	if _, err := program.Badges.List(ctx, ""); !errors.Is(err, client.ErrPermissionDenied) {
		t.Errorf("the program asks for badges: got %v, want ErrPermissionDenied", err)
	}
	must(vera.Keys.Delete(ctx, club.ID, key.ID))
	for _, err := range []error{
		program.Channels.Delete(ctx, round.ID),
		second(program.Channels.ListForKey(ctx)),
		second(program.Keys.Info(ctx)),
	} {
		if !errors.Is(err, client.ErrUnauthenticated) {
			t.Errorf("with the key that was deleted: got %v, want ErrUnauthenticated", err)
		}
	}

	// The audit trail tells it all, and only to Vera.
	var told []string
	for entry, err := range vera.Audit.List(ctx, club.ID) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, fmt.Sprint(entry.Actor.Type, " ", entry.Actor.ID, " ", entry.Action, " ", entry.Target))
	}
	slices.Reverse(told)
	byVera, byBen, byKey := "account "+veraAccount.Number+" ", "account "+benAccount.Number+" ", "key "+key.ID+" "
	want := []string{
		byVera + "server.create " + club.ID,
		byBen + "member.join " + benAccount.Number,
		byVera + "role.create " + arbiters.ID,
		byVera + "channel.create " + disputes.ID,
		byVera + "role.add " + arbiters.ID,
		byVera + "badge.create " + badge.ID,
		byVera + "badge.award " + badge.ID,
		byVera + "key.create " + key.ID,
		byKey + "channel.create " + round.ID,
		byVera + "key.delete " + key.ID,
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error("the audit trail: ", diff)
	}
	for _, err := range ben.Audit.List(ctx, club.ID) {
		if !errors.Is(err, client.ErrPermissionDenied) {
			t.Errorf("Ben reads the audit trail: got %v, want ErrPermissionDenied", err)
		}
	}

	// Ben forgets his password and sets another. His old session ends with it, the new one when he logs out.
	if err := visitor.Auth.ForgotPassword(ctx, "ben@example.com"); err != nil {
		t.Fatal(err)
	}
	code := codeOf("ben@example.com")
	_, err = visitor.Auth.ResetPassword(ctx, "ben@example.com", "no code", "another passphrase")
	if refused, ok := errors.AsType[*client.Error](err); !ok || refused.Code != client.CodeInvalidRequest || len(refused.Fields) == 0 || refused.Fields[0].Pointer != "/code" {
		t.Errorf("without a code: got %v, want a refusal of /code", err)
	}
	session := must(visitor.Auth.ResetPassword(ctx, "ben@example.com", code, "another passphrase"))
	if _, err := ben.Auth.Me(ctx); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("with the old session: got %v, want ErrUnauthenticated", err)
	}
	ben = must(visitor.WithToken(session.Token))
	if roles := must(ben.Roles.OfUser(ctx, "", benAccount.Number)); len(roles) != 2 {
		t.Errorf("Ben has %v, want arbiters and @all", roles)
	}
	if err := ben.Auth.LogOut(ctx); err != nil {
		t.Error(err)
	}
	if err := ben.Auth.LogOut(ctx); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("logged out: got %v, want ErrUnauthenticated", err)
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
	must(c.Auth.VerifyEmail(ctx, email, codeOf(email)))
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
