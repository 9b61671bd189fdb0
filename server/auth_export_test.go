package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

func exportOf(t *testing.T, s *Server, token string) gen.AccountExport {
	t.Helper()
	return do[gen.AccountExportResponse](t, s.Handler(), "GET", "/auth/me/export", token, nil).Body
}

// givesField gives somebody a value in a new field of a community.
func givesField(t *testing.T, c *client.Client, serverID, account string) {
	t.Helper()
	level := must(c.Fields.Create(t.Context(), serverID, client.UserFieldCreate{Field: "level", Name: "Level", Type: client.UserFieldText}))
	must(c.Fields.Set(t.Context(), serverID, level.ID, account, client.UserFieldHistoryCreate{Value: "Gold"}))
}

func TestAnExportHasAllThatAnAccountHas(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		me := do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil).Body
		ben := must(client.New(listen(t, s), client.WithToken(c.ben)))
		ctx := t.Context()
		must(ben.Users.SetAvatar(ctx, "ben@example.com", strings.NewReader(onePixel)))
		must(ben.Servers.Visit(ctx, c.id))
		badge := must(ben.Badges.Create(ctx, client.BadgeCreate{ServerID: c.id, Title: "Founder", Action: client.BadgeCustom, Award: true, AwardXPQuantity: 50}))
		must(ben.Badges.Award(ctx, badge.ID, c.number))
		givesField(t, ben, c.id, me.ID)
		key := c.keyOf(t, c.ben, "channels")
		own := must(ben.Keys.CreateForUser(ctx, me.ID, client.UserAPIKeyCreate{Name: "phone", Permissions: []client.UserKeyPermission{client.UserPermissionSendMessages}, CommunityID: c.id}))
		invite := must(ben.Invites.Create(ctx, c.id, client.InviteCreate{Uses: 10}))
		forum := must(ben.Channels.Create(ctx, client.ChannelCreate{ServerID: c.id, Topic: "questions", ChannelType: client.ChannelForum}))
		topic := must(ben.Messages.CreateTopic(ctx, forum.ID, client.TopicCreate{Title: "Which opening?"}))
		image := must(ben.Messages.UploadImages(ctx, c.id, client.MessageImageFile{Name: "board.png", Content: strings.NewReader(onePixel)}))[0]
		asked := must(ben.Messages.Send(ctx, client.MessageCreate{ChannelID: forum.ID, ForumTopicID: topic.ID, Message: "The Dutch?", Images: []string{image.URL}}))
		replied := must(ben.Messages.Reply(ctx, client.ReplyCreate{MessageID: asked.MessageID, Message: "Yes"}))
		must(0, ben.Messages.React(ctx, client.ReactionAdd{MessageID: asked.MessageID, Emoji: "👍"}))
		must(0, s.writePresence(ctx))
		export := exportOf(t, s, c.ben)
		if export.Account.ID != me.ID || !export.Complete || export.Presence.Minutes != 1 {
			t.Errorf("got the account %+v, presence %+v, complete %v", export.Account, export.Presence, export.Complete)
		}
		if len(export.Sessions) != 1 || !export.Sessions[0].Current || len(export.Events) < 2 {
			t.Errorf("got the sessions %+v and %d events", export.Sessions, len(export.Events))
		}
		in := export.Communities[0]
		if in.ServerID != c.id || in.State != "member" || !slices.Contains(in.Roles, "@all") || in.XP != 50 || in.Messages != 2 || in.Visits != 1 || in.Replies != 1 || in.Reactions != 1 {
			t.Errorf("got the community %+v", in)
		}
		if len(export.Badges) != 1 || export.Badges[0].Title != "Founder" || len(export.Visits) != 1 || len(export.Ledger) != 5 || export.Ledger[0].XP != 50 {
			t.Errorf("got the badges %+v, visits %+v, and ledger %+v", export.Badges, export.Visits, export.Ledger)
		}
		if len(export.FieldValues) != 1 || export.FieldValues[0].Value != "Gold" || export.FieldValues[0].Field != "level" {
			t.Errorf("got the values %+v", export.FieldValues)
		}
		if len(export.APIKeys) != 1 || export.APIKeys[0].Name != "shop" || len(export.UserKeys) != 1 || export.UserKeys[0].ID != own.ID || export.UserKeys[0].Permissions[0] != "sendMessages" {
			t.Errorf("got the keys %+v and %+v", export.APIKeys, export.UserKeys)
		}
		if len(export.Invites) != 1 || export.Invites[0].Uses != 10 || len(export.Images) != 2 || len(export.Topics) != 1 || export.Topics[0].ID != topic.ID {
			t.Errorf("got the invites %+v, images %+v, and topics %+v", export.Invites, export.Images, export.Topics)
		}
		if len(export.Messages) != 2 || export.Messages[1].Text != "The Dutch?" || len(export.Messages[1].Images) != 1 ||
			export.Messages[0].ID != replied.MessageID || len(export.Reactions) != 1 || export.Reactions[0].Emoji != "👍" || !export.Reactions[0].MessageAt.Equal(export.Messages[1].At.Time) {
			t.Errorf("got the messages %+v, and reactions %+v", export.Messages, export.Reactions)
		}
		text := send(c.h, request("GET", "/auth/me/export", c.ben)).Body.String()
		hasNone(t, text, c.ben, key, own.Key, invite.Code)
		var members struct{ Body map[string]json.RawMessage }
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatal(err)
		}
		for name := range must(api.Load()).Components.Schemas["AccountExport"].Value.Properties {
			if _, has := members.Body[name]; !has {
				t.Errorf("there is no %s", name)
			}
		}
	})
}

func TestAnExportHasWhatAnAccountAsksForAndPlays(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		ben := must(client.New(listen(t, s), client.WithToken(c.ben)))
		ctx := t.Context()
		badge := must(ben.Badges.Create(ctx, client.BadgeCreate{ServerID: c.id, Title: "Champion", Action: client.BadgeCustom}))
		asked := must(ben.Badges.Apply(ctx, badge.ID, client.BadgeApplicationCreate{Note: "I won"}))
		games := map[string]string{}
		for _, name := range []string{"Wheel", "Card"} {
			game := must(ben.MiniGames.Create(ctx, client.MiniGameCreate{ServerID: c.id, Name: name, Type: "spin-wheel", PlaysPerDay: new(int32(100)),
				Prizes: []client.MiniGamePrizeCreate{{Name: "Pawn", Weight: 1, XP: 3, ProductID: "pawn"}}}))
			games[game.ID] = name
			for range exportedAtOnce {
				must(ben.MiniGames.Play(ctx, game.ID, client.Identifier{}))
			}
		}
		export := exportOf(t, s, c.ben)
		if len(export.Applications) != 1 || export.Applications[0].ID != asked.ID || export.Applications[0].Title != "Champion" || !export.Applications[0].Proof.IsNull() {
			t.Errorf("got the applications %+v", export.Applications)
		}
		played := map[string]bool{}
		for _, p := range export.Plays {
			if played[p.ID] = true; games[p.GameID] == "" || p.Name != games[p.GameID] || p.Prize != "Pawn" || p.XP != 3 || p.ProductID != "pawn" {
				t.Errorf("got the play %+v", p)
			}
		}
		if len(played) != 2*exportedAtOnce || len(export.Plays) != len(played) || len(export.MiniGames) != len(games) {
			t.Errorf("got %d plays, of which %d differ, of %d games", len(export.Plays), len(played), len(export.MiniGames))
		}
		for _, g := range export.MiniGames {
			if _, at := g.LastPlayedAt.Get(); g.Name != games[g.GameID] || g.TotalPlays != exportedAtOnce || !at {
				t.Errorf("got the mini game %+v", g)
			}
		}
		if other := exportOf(t, s, c.owner); len(other.Applications)+len(other.Plays)+len(other.MiniGames) > 0 {
			t.Errorf("of somebody else there are %+v", other)
		}
	})
}

// hasNone tells of what must not be in an export.
func hasNone(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for i, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("secret %d is in it", i)
		}
	}
}

func TestALongExportHasEverythingOnceAndIsReadInPages(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true // nothing may run while the statements begin to be watched
		s := unlimited(open(t, config))
		c := newClub(t, s, "manage_channels")
		const n = 2*exportedAtOnce + 3
		want := map[string]int{}
		for i := range 2 {
			channel := do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.owner, map[string]any{"topic": "openings", "channelType": "open", "serverId": c.id}).Body.ID
			for j := range n {
				text := fmt.Sprintf("message %d of %d", j, i)
				do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": text})
				want[text] = 1
			}
		}
		for range n {
			tokenOf(t, s, "ben@example.com")
			openServer(t, c.h, c.ben, "Go club")
		}
		most := 0
		s.store.Watch(func(text string, args []any) {
			if _, reads := strings.CutPrefix(text, "SELECT m.position, m.id"); reads {
				most = max(most, args[3].(int))
			}
		})
		export := exportOf(t, s, c.ben)
		s.store.Watch(nil)
		for _, m := range export.Messages {
			want[m.Text]--
		}
		for text, off := range want {
			if off != 0 {
				t.Errorf("%q is there %d times", text, 1-off)
			}
		}
		if len(export.Communities) != n+1 || len(export.Sessions) != n+1 || len(export.Events) < n || !export.Complete {
			t.Errorf("got %d communities, %d sessions, %d events, complete %v", len(export.Communities), len(export.Sessions), len(export.Events), export.Complete)
		}
		if most != exportedAtOnce {
			t.Errorf("%d messages are read at once, want %d", most, exportedAtOnce)
		}
	})
}

// A signingOut ends the session of whoever reads once they have read something.
type signingOut struct {
	*httptest.ResponseRecorder
	signOut func()
}

func (w *signingOut) Write(p []byte) (int, error) {
	if w.signOut != nil {
		end := w.signOut
		w.signOut = nil
		end()
	}
	return w.ResponseRecorder.Write(p)
}

func TestAnExportIsBrokenOffWhenTheSessionEnds(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "manage_channels")
		channel := do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.owner, map[string]any{"topic": "openings", "channelType": "open", "serverId": c.id}).Body.ID
		for range 2 * exportedAtOnce { // more than is kept back
			do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": strings.Repeat("x", 4000)})
		}
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorder := &signingOut{ResponseRecorder: httptest.NewRecorder(), signOut: func() { send(c.h, request("POST", "/auth/logout", c.ben)) }}
			defer func() {
				broken := recover()
				w.Write(recorder.Body.Bytes())
				if broken != nil {
					panic(broken)
				}
			}()
			c.h.ServeHTTP(recorder, r)
		}))
		defer web.Close()
		export := must(must(client.New(web.URL, client.WithToken(c.ben), client.WithoutRetry())).Auth.Export(t.Context()))
		defer export.Close()
		text, err := io.ReadAll(export)
		if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(string(text), `"complete"`) || json.Valid(text) {
			t.Errorf("got %d bytes and %v, want that it is broken off", len(text), err)
		}
	})
}

func TestAnExportIsForTheAccountItself(t *testing.T) {
	s := open(t, onSQLite(t))
	c := newClub(t, s, "server_administrator")
	for credential, want := range map[string]int{"": http.StatusUnauthorized, c.keyOf(t, c.owner, "getUserData"): http.StatusForbidden} {
		if w := send(c.h, request("GET", "/auth/me/export", credential)); w.Code != want || !strings.Contains(w.Body.String(), "requestId") {
			t.Errorf("got %d %s, want %d", w.Code, w.Body, want)
		}
	}
}
