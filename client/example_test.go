package client_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/client/clienttest"
)

func Example() {
	url, token, stop := newServer()
	defer stop()

	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	if _, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}); err != nil {
		log.Fatal(err)
	}
	servers, err := c.Servers.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range servers {
		fmt.Println(s.Name)
	}
	// Output: Chess club
}

func ExampleServersService_Create() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	// Any reader will do: an *os.File, the body of another request, or what the program has just made.
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		log.Fatal(err)
	}
	created, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club", Image: &picture})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", created.Name)

	address, ok := created.Image.Get()
	if !ok {
		log.Fatal("there is no image")
	}
	stored, err := c.Servers.Image(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	defer stored.Close()
	board, err := png.Decode(stored)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stored.ContentType, board.Bounds().Size())
	// Output:
	// created Chess club
	// image/png (8,8)
}

// A server need not have an image.
func ExampleServersService_Image() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}); err != nil {
		log.Fatal(err)
	}
	servers, err := c.Servers.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, server := range servers {
		address, ok := server.Image.Get()
		if !ok {
			fmt.Println(server.Name, "has no image")
			continue
		}
		image, err := c.Servers.Image(ctx, address)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(server.Name, "has an image of type", image.ContentType)
		image.Close()
	}
	// Output: Chess club has no image
}

func ExampleServersService_Update() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	created, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	// What is left out stays as it is.
	updated, err := c.Servers.Update(ctx, created.ID, client.ServerUpdate{Name: new("Chess and Go club")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(updated.Name)
	// Output: Chess and Go club
}

func ExampleServersService_Members() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	created, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	for member, err := range c.Servers.Members(ctx, created.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(member.Number == created.Owner.Number, member.Roles)
	}
	// Output: true [@all]
}

// Ask for the kind of a failure with errors.Is.
func ExampleError() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.Servers.Get(context.Background(), "66a282dab13eee0013cbb4d8")
	switch {
	case errors.Is(err, client.ErrNotFound):
		fmt.Println("no such server, or not one of mine")
	case errors.Is(err, client.ErrUnavailable):
		fmt.Println("try again later")
	case err != nil:
		log.Fatal(err)
	}
	// Output: no such server, or not one of mine
}

// Ask for the details of a failure with errors.As, or as here with [errors.AsType].
func ExampleError_fields() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.Servers.Create(context.Background(), client.ServerCreate{Name: ""})
	if failure, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(failure.Status, failure.Code)
		for _, field := range failure.Fields {
			fmt.Println(field.Pointer, field.Code)
		}
	}
	// Output:
	// 400 invalid_request
	// /name too_short
}

// An account is registered, and its address verified with the code that was mailed to it.
func ExampleAuthService() {
	server, stop := newEmptyServer()
	defer stop()
	c, err := client.New(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	account, err := c.Auth.Register(ctx, client.AccountCreate{
		Email: "vera@example.com", Password: "a long passphrase", Username: "vera",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("registered", account.Email)

	code := server.Code(account.Email) // As Vera reads it in the mail.
	if _, err := c.Auth.VerifyEmail(ctx, account.Email, code, client.WithPassword("a long passphrase")); err != nil {
		log.Fatal(err)
	}

	session, err := c.Auth.LogIn(ctx, account.Email, "a long passphrase")
	if err != nil {
		log.Fatal(err)
	}
	vera, err := c.WithToken(session.Token)
	if err != nil {
		log.Fatal(err)
	}
	me, err := vera.Auth.Me(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.DisplayName, me.Verified)
	// Output:
	// registered vera@example.com
	// vera true
}

func ExampleWithOTP() {
	server, stop := newEmptyServer()
	defer stop()
	c, err := client.New(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	const email, password = "vera@example.com", "a long passphrase"
	if _, err := c.Auth.Register(ctx, client.AccountCreate{Email: email, Password: password}); err != nil {
		log.Fatal(err)
	}
	session, err := c.Auth.VerifyEmail(ctx, email, server.Code(email), client.WithPassword(password))
	if err != nil {
		log.Fatal(err)
	}
	vera, err := c.WithToken(session.Token)
	if err != nil {
		log.Fatal(err)
	}
	setup, err := vera.Auth.StartTwoFactor(ctx, password)
	if err != nil {
		log.Fatal(err)
	}
	code, err := totp.GenerateCode(setup.Secret, time.Now()) // As Vera's app shows it.
	if err != nil {
		log.Fatal(err)
	}
	recovery, err := vera.Auth.ConfirmTwoFactor(ctx, code) // Vera keeps them, should she lose her phone.
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.Auth.LogIn(ctx, email, password)
	fmt.Println(errors.Is(err, client.ErrTwoFactorRequired))
	_, err = c.Auth.LogIn(ctx, email, password, client.WithOTP(recovery[0]))
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// Somebody leaves, and takes along what is known of them.
func ExampleAuthService_Export() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	export, err := c.Auth.Export(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer export.Close()
	var kept bytes.Buffer // Or a file: it may be longer than fits into memory.
	if _, err := io.Copy(&kept, export); err != nil {
		log.Fatal(err) // It is not whole.
	}
	fmt.Println(json.Valid(kept.Bytes()))

	// Whoever has a password gives it here.
	if err := c.Auth.DeleteMe(ctx, ""); err != nil {
		log.Fatal(err)
	}
	_, err = c.Auth.Me(ctx)
	fmt.Println(errors.Is(err, client.ErrUnauthenticated))
	// Output:
	// true
	// true
}

// The site of a community sends a visitor whom it knows to the community's page.
func ExampleAuthService_SecureLogin() {
	url, token, stop := newServer()
	defer stop()
	owner, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := owner.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	permissions := []client.KeyPermission{client.PermissionSecureAuth, client.PermissionCreateUser}
	key, err := owner.Keys.Create(ctx, server.ID, client.APIKeyCreate{Name: "site", Permissions: permissions})
	if err != nil {
		log.Fatal(err)
	}
	site, err := client.New(url, client.WithAPIKey(key.Key))
	if err != nil {
		log.Fatal(err)
	}

	host := strings.TrimPrefix(url, "http://") // Or a domain of the community.
	login, err := site.Auth.SecureLogin(ctx, host, "nona", client.OrNewMember(client.NewMember{Email: "nona@example.com", DisplayName: "Nona G."}))
	if err != nil {
		log.Fatal(err)
	}
	// The answer to the visitor's click.
	send := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, login.LoginURL, http.StatusSeeOther)
	}
	_ = send
	fmt.Println(strings.HasPrefix(login.LoginURL, url+"/v2/app/loginApi/"+key.ID))

	_, err = site.Auth.SecureLogin(ctx, host, "nobody")
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// true
	// true
}

func ExampleChannelsService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}); err != nil {
		log.Fatal(err)
	}

	// There is just one server in which the caller may make channels, so it need not be named.
	channel, err := c.Channels.Create(ctx, client.ChannelCreate{Topic: "openings", ChannelType: client.ChannelOpen})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Channels.Update(ctx, channel.ID, client.ChannelUpdate{
		Topic: "openings", ChannelType: client.ChannelForum,
		Description: new("What to play after 1. e4"),
	})
	if err != nil {
		log.Fatal(err)
	}
	channels, err := c.Channels.List(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	for _, channel := range channels {
		fmt.Printf("%s (%s): %s\n", channel.Topic, channel.ChannelType, channel.Description)
	}
	// Output: openings (forum): What to play after 1. e4
}

// A server lets in who has an invite, unless its settings say otherwise.
func ExampleInvitesService() {
	s, stop := newEmptyServer()
	defer stop()
	ctx := context.Background()
	vera, ben, cleo := s.Client("vera@example.com"), s.Client("ben@example.com"), s.Client("cleo@example.com")
	server, err := vera.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	invite, err := vera.Invites.Create(ctx, server.ID, client.InviteCreate{Uses: 1})
	if err != nil {
		log.Fatal(err)
	}
	joined, err := ben.Servers.Join(ctx, server.ID, client.WithInvite(invite.Code))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(joined.Name)

	_, err = cleo.Servers.Join(ctx, server.ID, client.WithInvite(invite.Code))
	fmt.Println("used up:", errors.Is(err, client.ErrPermissionDenied))
	_, err = cleo.Servers.Join(ctx, server.ID)
	fmt.Println("without one:", errors.Is(err, client.ErrNotFound))
	// Output:
	// Chess club
	// used up: true
	// without one: true
}

func ExampleRolesService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	role, err := c.Roles.Create(ctx, client.RoleCreate{
		ServerID: server.ID, Title: "arbiters", Class: "blue", Order: 10,
		ServerPermissions: &client.ServerPermissions{WarnMembers: true, KickMembers: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	roles, err := c.Roles.Add(ctx, role.ID, server.Owner.Number)
	if err != nil {
		log.Fatal(err)
	}
	for _, role := range roles {
		fmt.Println(role.Title, role.ServerPermissions.KickMembers)
	}
	// Output:
	// arbiters true
	// @all false
}

// An update replaces the whole role: begin with the role as it is, and change one thing.
func ExampleRoleUpdateFrom() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}); err != nil {
		log.Fatal(err)
	}
	role, err := c.Roles.Create(ctx, client.RoleCreate{
		Title: "arbiters", Class: "blue", ServerPermissions: &client.ServerPermissions{WarnMembers: true},
	})
	if err != nil {
		log.Fatal(err)
	}

	in := client.RoleUpdateFrom(*role)
	in.ServerPermissions.KickMembers = true
	updated, err := c.Roles.Update(ctx, role.ID, in)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(updated.Title, updated.Class, updated.ServerPermissions.WarnMembers, updated.ServerPermissions.KickMembers)
	// Output: arbiters blue true true
}

func ExampleBadgesService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	badge, err := c.Badges.Create(ctx, client.BadgeCreate{
		ServerID: server.ID, Title: "Fair play", Action: client.BadgeCustom,
		Award: true, AwardXPQuantity: 50,
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // The second time changes nothing.
		if _, err := c.Badges.Award(ctx, badge.ID, server.Owner.Number); err != nil {
			log.Fatal(err)
		}
	}
	balance, err := c.Badges.Balance(ctx, server.ID, server.Owner.Number)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(balance.XP, "XP")
	// Output: 50 XP
}

// A member asks for a badge, with a picture that only those see who may award it.
func ExampleBadgesService_Apply() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	badge, err := c.Badges.Create(ctx, client.BadgeCreate{ServerID: server.ID, Title: "Champion", Action: client.BadgeCustom, AttachRequired: true})
	if err != nil {
		log.Fatal(err)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		log.Fatal(err)
	}
	if _, err := c.Badges.Apply(ctx, badge.ID, client.BadgeApplicationCreate{Note: "I won the open.", Proof: &picture}); err != nil {
		log.Fatal(err)
	}
	for asked, err := range c.Badges.Applications(ctx, badge.ID) {
		if err != nil {
			log.Fatal(err)
		}
		proof, err := c.Badges.Proof(ctx, badge.ID, asked.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(asked.Note, proof.ContentType)
		proof.Close()
		if _, err := c.Badges.Award(ctx, badge.ID, asked.User.Number); err != nil { // Which ends the application.
			log.Fatal(err)
		}
	}
	// Output: I won the open. image/png
}

// A key is made for a program, which then acts for the server with it.
func ExampleKeysService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	key, err := c.Keys.Create(ctx, server.ID, client.APIKeyCreate{
		Name: "pairings", Permissions: []client.KeyPermission{client.PermissionChannels}, ExpirePeriod: 30,
	})
	if err != nil {
		log.Fatal(err)
	}
	secret := key.Key // It is not shown again.

	program, err := c.WithAPIKey(secret)
	if err != nil {
		log.Fatal(err)
	}
	info, err := program.Keys.Info(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Name, info.Permissions)

	if _, err := c.Keys.Delete(ctx, server.ID, key.ID); err != nil {
		log.Fatal(err)
	}
	_, err = program.Keys.Info(ctx)
	fmt.Println("refused:", errors.Is(err, client.ErrUnauthenticated))
	// Output:
	// pairings [channels]
	// refused: true
}

// A call that is repeated under its key makes one thing, whatever became of its first answer.
func ExampleAuditService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Servers.Update(ctx, server.ID, client.ServerUpdate{Name: new("Go club")}); err != nil {
		log.Fatal(err)
	}

	for entry, err := range c.Audit.List(ctx, server.ID) {
		if err != nil {
			log.Fatal(err)
		}
		if entry.Action == client.AuditServerUpdate {
			before, _ := entry.Before.Get()
			after, _ := entry.After.Get()
			fmt.Println("account", entry.Actor.ID, "renamed", before["name"], "to", after["name"])
		}
	}
	// Output: account 1 renamed Chess club to Go club
}

func ExampleUsersService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	key, err := c.Keys.Create(ctx, server.ID, client.APIKeyCreate{Name: "members", Permissions: []client.KeyPermission{client.PermissionManageUser}})
	if err != nil {
		log.Fatal(err)
	}

	program, err := c.WithAPIKey(key.Key)
	if err != nil {
		log.Fatal(err)
	}
	_, err = program.Users.Delete(ctx, "vera@example.com")
	fmt.Println("the owner stays:", errors.Is(err, client.ErrConflict))
	_, err = program.Users.Delete(ctx, "nobody")
	fmt.Println("nobody is found:", errors.Is(err, client.ErrNotFound))
	// Output:
	// the owner stays: true
	// nobody is found: true
}

func ExampleFieldsService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	me, err := c.Auth.Me(ctx)
	if err != nil {
		log.Fatal(err)
	}
	level, err := c.Fields.Create(ctx, server.ID, client.UserFieldCreate{
		Field: "customer level", Name: "Level", Type: client.UserFieldSelect, Options: []string{"Silver", "Gold"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, value := range []string{"Silver", "gold"} {
		if _, err := c.Fields.Set(ctx, server.ID, level.ID, me.ID, client.UserFieldHistoryCreate{Value: value}); err != nil {
			log.Fatal(err)
		}
	}

	for line, err := range c.Fields.Histories(ctx, server.ID, client.FieldHistoryQuery{FieldID: level.ID}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(line.Field, "became", line.Value, "and was", line.Previous)
	}
	// Output:
	// customer-level became Gold and was Silver
	// customer-level became Silver and was <nil>
}

func ExampleStreaksService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Streaks.Create(ctx, client.StreakCreate{
		Name: "A visit a day", ServerID: server.ID, Timezone: "member",
		Timeframe: client.StreakTimeframe{Value: "daily", Count: 1},
		Action:    client.StreakActionCreate{Operator: "and", Conditions: []client.StreakConditionCreate{{Action: "visits", Value: 1}}},
		Reward:    client.StreakReward{XP: 50},
	}); err != nil {
		log.Fatal(err)
	}
	if _, err := c.Servers.Visit(ctx, server.ID); err != nil {
		log.Fatal(err)
	}
	key, err := c.Keys.Create(ctx, server.ID, client.APIKeyCreate{Name: "stats", Permissions: []client.KeyPermission{client.PermissionGetUserStats}})
	if err != nil {
		log.Fatal(err)
	}
	program, err := client.New(url, client.WithToken(key.Key))
	if err != nil {
		log.Fatal(err)
	}
	for reached, err := range program.Streaks.Logs(ctx, client.Identifier{Value: server.Owner.Number, Type: client.ByNumber}, "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reached.Name, reached.Length, reached.XP)
	}
	// Output: A visit a day 1 50
}

func ExampleMiniGamesService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	wheel, err := c.MiniGames.Create(ctx, client.MiniGameCreate{
		Name: "Wheel of the week", Type: "spin-wheel", ServerID: server.ID,
		Prizes: []client.MiniGamePrizeCreate{{Name: "A chess set", Weight: 1, XP: 10, Stock: new(int32(1))}},
	})
	if err != nil {
		log.Fatal(err)
	}
	play, err := c.MiniGames.Play(ctx, wheel.ID, client.Identifier{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(play.Prize.Name, play.PlaysLeft)
	_, err = c.MiniGames.Play(ctx, wheel.ID, client.Identifier{})
	fmt.Println(errors.Is(err, client.ErrConflict))
	// Output:
	// A chess set 0
	// true
}

// A program knows what members do elsewhere, and says so.
func ExampleGamificationService_RecordSocial() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	key, err := c.Keys.Create(ctx, server.ID, client.APIKeyCreate{Name: "socials", Permissions: []client.KeyPermission{client.PermissionGamification}})
	if err != nil {
		log.Fatal(err)
	}
	program, err := client.New(url, client.WithToken(key.Key))
	if err != nil {
		log.Fatal(err)
	}
	link, err := program.Gamification.CreateSocial(ctx, client.SocialCreate{
		Platform: "youtube", URL: "https://video.example/chess-club", Action: client.SocialFollow, XP: 20,
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // The second time changes nothing.
		deed, err := program.Gamification.RecordSocial(ctx, link.ID, link.Action, client.Identifier{Value: server.Owner.Number, Type: client.ByNumber})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(deed.Counted, deed.XP, deed.Socials)
	}
	// Output:
	// true 20 1
	// false 0 1
}

// A member posts what they think of a chart, with a text that links to what is drawn.
func ExampleChartsService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	channel, err := c.Channels.Create(ctx, client.ChannelCreate{ServerID: server.ID, Topic: "charts", ChannelType: client.ChannelOpen})
	if err != nil {
		log.Fatal(err)
	}
	at := client.Time{Time: time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)}
	posted, err := c.Charts.Create(ctx, server.ID, channel.ID, client.AnalysisCreate{
		Metadata: client.AnalysisMetadataCreate{
			Direction: client.DirectionBullish, EntryPlacement: client.EntryBelowCurrent, Title: "Bounce", Symbol: "GBP/USD",
			PreferenceText: "Price bounced from [[zone:the demand zone]].",
		},
		Levels: client.AnalysisLevelsCreate{
			Support: client.AnalysisLevelCreate{Price: 1.341}, Pivot: client.AnalysisLevelCreate{Price: 1.345}, Resistance: client.AnalysisLevelCreate{Price: 1.35},
		},
		Drawings: []client.DrawingCreate{{
			Type: client.DrawingRectangle, ClientObjectID: "zone", Style: client.DrawingStyle{FillColor: "#00FF00"},
			Points: []client.DrawingPoint{{Time: client.Time{Time: at.Add(-2 * time.Hour)}, Price: 1.34}, {Time: at, Price: 1.342}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	link := "[[" + posted.Drawings[0].ID + ":the demand zone]]"
	fmt.Println(posted.Type, strings.Contains(posted.Metadata.PreferenceText, link))
	picture, err := c.Charts.Picture(ctx, posted.AnalysisID)
	if err != nil {
		log.Fatal(err)
	}
	defer picture.Close()
	fmt.Println(picture.ContentType)
	// Output:
	// bullish_bounce true
	// image/svg+xml
}

func ExampleLeaderboardsService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	board, err := c.Leaderboards.Create(ctx, client.LeaderboardCreate{
		ServerID: server.ID, Name: "Most active", Slug: "most-active", RankingField: new("xps"), OnlyPositiveRanks: new(true),
	})
	if err != nil {
		log.Fatal(err)
	}
	all, err := c.Leaderboards.List(ctx, server.ID, client.LeaderboardQuery{Keyword: "active"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(all), board.RankBy, board.PerformanceDisplay.ShowPositive.Enabled)

	badge, err := c.Badges.Create(ctx, client.BadgeCreate{ServerID: server.ID, Title: "Founder", Action: "custom", Award: true, AwardXPQuantity: 50})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Badges.Award(ctx, badge.ID, server.Owner.Number); err != nil {
		log.Fatal(err)
	}
	for entry, err := range c.Leaderboards.Entries(ctx, board.ID, client.FilterAllTime) {
		if err != nil {
			log.Fatal(err)
		}
		rank, _ := entry.Rank.Get()
		fmt.Println(rank, entry.User.Number, entry.Value)
	}
	// Output:
	// 1 xps true
	// 1 1 50
}

func ExampleBulkService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	key, err := c.Keys.Create(ctx, server.ID, client.APIKeyCreate{Name: "office", Permissions: []client.KeyPermission{client.PermissionBulkUpdateUser}})
	if err != nil {
		log.Fatal(err)
	}
	office, err := c.WithAPIKey(key.Key)
	if err != nil {
		log.Fatal(err)
	}
	file := "identifier,coins_op,coins\n" + server.Owner.Number + ",add,10\nnobody@example.com,add,10\n"
	queued, err := office.Bulk.Update(ctx, strings.NewReader(file))
	if err != nil {
		log.Fatal(err)
	}
	status, err := office.Bulk.Wait(ctx, queued.BulkID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Status, status.Succeeded, status.Failed)
	for row, err := range office.Bulk.Details(ctx, queued.BulkID, client.BulkRowFailed) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.Row, row.Errors[0].Column, row.Errors[0].Message)
	}
	details, err := office.Bulk.DetailsFile(ctx, queued.BulkID, "")
	if err != nil {
		log.Fatal(err)
	}
	defer details.Close()
	lines := bufio.NewScanner(details)
	lines.Scan()
	fmt.Println(lines.Text())
	// Output:
	// done_with_errors 1 1
	// 2 identifier must name a member of the community
	// row,identifier,result,column,message
}

func ExampleRewardsService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Store.Update(ctx, client.StoreConfigUpdate{ServerID: server.ID, IsEnabled: new(true), Title: new("Rewards")}); err != nil {
		log.Fatal(err)
	}
	product, err := c.Store.CreateProduct(ctx, client.ProductCreate{ServerID: server.ID, Name: "Premium", Price: new(int32(0)), Vouchers: []string{"PREMIUM-1"}})
	if err != nil {
		log.Fatal(err)
	}
	bought, err := c.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product.ID})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bought.Status.Name, bought.Vouchers)
	_, err = c.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product.ID})
	if refused, ok := errors.AsType[*client.Error](err); ok && refused.Code == client.CodeConflict {
		fmt.Println(refused.Message)
	}
	statuses, err := c.Rewards.Statuses(ctx, server.ID)
	if err != nil {
		log.Fatal(err)
	}
	for _, status := range statuses {
		if status.Category == client.StatusComplete {
			done, err := c.Rewards.SetStatus(ctx, bought.TransactionID, status.ID)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(done.Status.Name)
		}
	}
	// Output:
	// Pending [PREMIUM-1]
	// This is sold out
	// Completed
}

func ExampleAnalyticsService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Servers.Visit(ctx, server.ID); err != nil {
		log.Fatal(err)
	}
	overview, err := c.Analytics.Overview(ctx, server.ID, client.OverviewQuery{Interval: client.ByMonth})
	if err != nil {
		log.Fatal(err)
	}
	picture, err := c.Analytics.Picture(ctx, server.ID, client.OverviewQuery{})
	if err != nil {
		log.Fatal(err)
	}
	defer picture.Close()
	fmt.Println(overview.Members.Total, overview.Members.New, overview.Members.Active, picture.ContentType)
	// Output: 1 1 1 image/svg+xml
}

func ExampleMessagesService() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	channel, err := c.Channels.Create(ctx, client.ChannelCreate{Topic: "openings", ChannelType: client.ChannelOpen, ServerID: server.ID})
	if err != nil {
		log.Fatal(err)
	}

	question, err := c.Messages.Send(ctx, client.MessageCreate{ChannelID: channel.ID, Message: "What do you play against the Sicilian?"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Messages.Reply(ctx, client.ReplyCreate{MessageID: question.MessageID, Message: "The Grand Prix attack."}); err != nil {
		log.Fatal(err)
	}
	if err := c.Messages.React(ctx, client.ReactionAdd{MessageID: question.MessageID, Emoji: "👍"}); err != nil {
		log.Fatal(err)
	}
	for message, err := range c.Messages.List(ctx, client.MessageQuery{ChannelID: channel.ID}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(message.Message, message.Reactions)
	}
	// Output:
	// The Grand Prix attack. []
	// What do you play against the Sicilian? [{👍 1}]
}

func ExampleIdempotencyKey() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	for range 2 {
		var replayed bool
		in := client.ServerCreate{Name: "Chess club"}
		server, err := c.Servers.Create(ctx, in, client.IdempotencyKey("order-1138"), client.Replayed(&replayed))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(server.Name, replayed)
	}
	servers, err := c.Servers.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(servers), "server")
	// Output:
	// Chess club false
	// Chess club true
	// 1 server
}

// Calls are tried again by themselves. Here, two answers say that the API is unavailable, and the third one is good.
func ExampleWithRetry() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token),
		client.WithRetry(client.Retry{Attempts: 3, Backoff: 10 * time.Millisecond}),
		client.WithAfter(func(_ context.Context, a client.Attempt) {
			fmt.Println(a.Operation, a.Number, a.Status, a.Retry)
		}),
		clienttest.WithFault("status=503; times=2"),
	)
	if err != nil {
		log.Fatal(err)
	}
	server, err := c.Servers.Create(context.Background(), client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", server.Name)
	// Output:
	// createServer 1 503 true
	// createServer 2 503 true
	// createServer 3 201 false
	// created Chess club
}

// A server that is made while the connection breaks is made once, whatever became of the first answer.
func ExampleWithRetry_lostAnswer() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token), clienttest.WithFault("drop=answer; operation=createServer; times=1"),
		client.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	var replayed bool
	_, err = c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}, client.Replayed(&replayed))
	if err != nil {
		log.Fatal(err)
	}
	servers, err := c.Servers.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(servers), "server; the answer was given again:", replayed)
	// Output: 1 server; the answer was given again: true
}

// The error of a call that was given up says how often it was tried.
func ExampleWithoutRetry() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token), client.WithoutRetry(), clienttest.WithFault("status=503; retry-after=5"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Servers.List(context.Background())
	if failure, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(failure.Code, "after", failure.Attempts, "attempt; again in", failure.RetryAfter)
	}
	// Output: unavailable after 1 attempt; again in 5s
}

func ExampleWithLogger() {
	url, token, stop := newServer()
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { // Without what is different each time.
			switch a.Key {
			case slog.TimeKey, "duration_ms", "retry_in_ms", "request_id":
				return slog.Attr{}
			}
			return a
		},
	}))
	c, err := client.New(url, client.WithToken(token), client.WithLogger(logger),
		client.WithRetry(client.Retry{Backoff: 10 * time.Millisecond}), clienttest.WithFault("status=502; times=1"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Servers.List(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// level=INFO msg="rejoin: call" operation=listMyServers attempt=1 status=502
	// level=DEBUG msg="rejoin: call" operation=listMyServers attempt=2 status=200
}

// newServer runs the backend of this repository with an account on it.
func newServer() (url, token string, stop func()) {
	t := &example{}
	s := clienttest.Start(t)
	return s.URL, s.Token("vera@example.com"), t.end
}

// newEmptyServer runs it without one.
func newEmptyServer() (s *clienttest.Server, stop func()) {
	t := &example{}
	return clienttest.Start(t), t.end
}

// example stands where a test has its *testing.T.
type example struct {
	testing.TB
	cleanups []func()
}

func (e *example) Helper()                   {}
func (e *example) Cleanup(f func())          { e.cleanups = append(e.cleanups, f) }
func (e *example) Errorf(f string, a ...any) { log.Printf(f, a...) }
func (e *example) Fatalf(f string, a ...any) { log.Fatalf(f, a...) }

func (e *example) TempDir() string {
	dir, err := os.MkdirTemp("", "rejoin-example-")
	if err != nil {
		log.Fatal(err)
	}
	e.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (e *example) end() {
	for _, f := range slices.Backward(e.cleanups) {
		f()
	}
}
