package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func leave(s *Server, token string, body map[string]any) *httptest.ResponseRecorder {
	if body == nil {
		return send(s.Handler(), request("DELETE", "/auth/me", token))
	}
	return sendJSON(s.Handler(), "DELETE", "/auth/me", token, body)
}

// pointerOf is what is wrong in a request that was refused for one thing.
func pointerOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	fields := problemOf(t, w).Body.Fields
	if w.Code != http.StatusBadRequest || len(fields) != 1 {
		t.Errorf("got %d %s", w.Code, w.Body)
		return ""
	}
	return fields[0].Pointer
}

// With nothing run in the background: what is promised at once holds without that.
func TestWhoDeletesTheirAccountIsGoneAtOnceAndWhatTheyHaveSaidStays(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		owner := c.keyOf(t, c.owner, "getUserData")
		keys := map[string]string{} // of Ben
		for _, permission := range []string{"getMessages", "getUserData"} {
			keys[permission] = c.keyOf(t, c.ben, permission)
		}
		me := do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil).Body
		do[gen.AccountResponse](t, c.h, "PATCH", "/auth/me", c.ben, map[string]any{"username": "ben", "displayName": "Ben Doe", "firstName": "Ben"})
		own := do[gen.UserAPIKeyResponse](t, c.h, "POST", "/apis/v1/users/apikeys?userId="+me.ID, c.ben,
			map[string]any{"name": "phone", "permissions": []string{"sendMessages"}, "communityId": c.id}).Data.Key
		channel := do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.ben, map[string]any{"topic": "openings", "channelType": "open", "serverId": c.id}).Body.ID
		said := do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "Hello"}).Data.MessageID
		invite := do[gen.InviteResponse](t, c.h, "POST", "/servers/"+c.id+"/invites", c.ben, map[string]any{}).Body.Code

		if w := leave(s, c.ben, nil); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		for name, credential := range map[string]string{"session": c.ben, "user API key": own} {
			if w := send(c.h, request("GET", "/apis/v1/api-keys/info", credential)); w.Code != http.StatusUnauthorized {
				t.Errorf("the %s: got %d", name, w.Code)
			}
		}
		if w := sendJSON(c.h, "POST", "/apis/v1/users/filter", keys["getUserData"], map[string]any{}); w.Code != http.StatusForbidden {
			t.Errorf("an API key that the account vouches for: got %d %s", w.Code, w.Body)
		}
		if w := sendJSON(c.h, "POST", "/servers/"+c.id+"/join", tokenOf(t, s, "cleo@example.com"), map[string]any{"invite": invite}); w.Code != http.StatusForbidden {
			t.Errorf("an invite of the account: got %d %s", w.Code, w.Body)
		}
		for _, name := range []string{c.number, me.ID, "ben", "ben@example.com"} {
			if w := sendJSON(c.h, "POST", "/apis/v1/users/info", owner, map[string]any{"idOrEmail": name}); w.Code != http.StatusNotFound {
				t.Errorf("a program finds %q: %d %s", name, w.Code, w.Body)
			}
		}
		for _, path := range []string{"/servers/" + c.id + "/members", "/apis/v1/communities/" + c.id + "/users", "/apis/v1/communities/" + c.id + "/users?sort=xp:desc"} {
			if w := send(c.h, request("GET", path, c.owner)); strings.Contains(w.Body.String(), me.ID) || w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		for _, token := range []string{c.owner, owner} {
			if token == owner {
				token = c.keyOf(t, c.owner, "getMessages")
			}
			author := do[gen.MessageListResponse](t, c.h, "GET", "/apis/v1/messages?channel_id="+channel, token, nil).Data.Messages[0]
			if author.ID != said || author.Message != "Hello" || author.User.DisplayName != store.DeletedName {
				t.Errorf("the message is %+v", author)
			}
			if _, named := author.User.Username.Get(); named {
				t.Errorf("its author has a user name")
			}
			if _, known := author.User.Email.Get(); known {
				t.Errorf("its author has an address")
			}
		}
		trail := do[gen.AuditListResponse](t, c.h, "GET", "/servers/"+c.id+"/audit?limit=100", c.owner, nil).Body
		if !slices.ContainsFunc(trail, func(e gen.AuditEntry) bool { return e.Actor.Deleted && e.Action == "channel.create" }) {
			t.Errorf("the audit trail does not say that the account was deleted: %+v", trail)
		}
		for _, e := range trail {
			if e.Actor.Deleted != (e.Actor.Type == "account" && e.Actor.ID == c.number) {
				t.Errorf("the audit trail says of %+v that it was deleted, or not", e.Actor)
			}
		}

		again := tokenOf(t, s, "ben@example.com")
		anew := do[gen.AccountResponse](t, c.h, "PATCH", "/auth/me", again, map[string]any{"username": "ben"}).Body
		if anew.Number == c.number || anew.ID == me.ID {
			t.Errorf("the address has the account of before: %+v", anew)
		}
		if servers := do[gen.ServerListResponse](t, c.h, "GET", "/servers", again, nil).Body; len(servers) != 0 {
			t.Errorf("a new account of the address is in %d servers", len(servers))
		}
	})
}

func TestDeletingAnAccountTakesItsPasswordAndItsSecondFactor(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		v := twoFactorOf(t, s, config.Data, "vera@example.com")
		server := createServer(t, s.Handler(), v.token, "Chess club")
		code := v.code()
		if w := leave(s, v.token, map[string]any{"password": passphrase, "otp": code}); w.Code != http.StatusConflict {
			t.Fatalf("who owns a server: got %d %s", w.Code, w.Body)
		}
		do[gen.EmptyResponse](t, s.Handler(), "DELETE", "/servers/"+server, v.token, nil)
		for _, body := range []map[string]any{nil, {"password": "not the password", "otp": code}} {
			if pointer := pointerOf(t, leave(s, v.token, body)); pointer != "/password" {
				t.Errorf("with %v: %s is wrong", body, pointer)
			}
		}
		if w := leave(s, v.token, map[string]any{"password": passphrase}); w.Code != http.StatusUnauthorized || problemOf(t, w).Body.Code != gen.ProblemCodeTwoFactorRequired {
			t.Errorf("without a code: got %d %s", w.Code, w.Body)
		}
		if pointer := pointerOf(t, leave(s, v.token, map[string]any{"password": passphrase, "otp": otherThan(code)})); pointer != "/otp" {
			t.Errorf("with a wrong code, %s is wrong", pointer)
		}
		if !signedIn(s, v.token) {
			t.Fatal("the account is gone")
		}
		if w := leave(s, v.token, map[string]any{"password": passphrase, "otp": code}); w.Code != http.StatusOK { // the conflict has not used it up
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		if w := postJSON(s.Handler(), "/auth/login", "", map[string]any{"email": "vera@example.com", "password": passphrase, "otp": v.recovery[0]}); w.Code != http.StatusUnauthorized {
			t.Errorf("logging in: got %d %s", w.Code, w.Body)
		}
		signUp(t, s, config.Data, "vera@example.com")
	})
}

// Whatever comes between what a request asks first and its transaction, nothing of a deleted account comes back.
func TestRequestsAtTheSameTimeBringNothingOfADeletedAccountBack(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		h := s.Handler()
		anna := tokenOf(t, s, "anna@example.com")
		for range 4 {
			clubs := []string{openServer(t, h, anna, "Chess club"), openServer(t, h, anna, "Go club")}
			ben := tokenOf(t, s, "ben@example.com")
			number := accountOf(do[gen.AccountResponse](t, h, "GET", "/auth/me", ben, nil).Body.Number)
			var all sync.WaitGroup
			gone := make([]int, 3)
			for i := range gone {
				all.Go(func() { gone[i] = leave(s, ben, nil).Code })
				all.Go(func() { send(h, createRequest("/servers", ben, "Club of Ben")) })
				for _, club := range clubs {
					all.Go(func() { send(h, request("POST", "/servers/"+club+"/join", ben)) })
				}
				all.Go(func() { sendJSON(h, "PATCH", "/auth/me", ben, map[string]any{"displayName": "Ben Doe"}) })
				all.Go(func() {
					if _, _, err := s.Token(t.Context(), "ben@example.com"); err != nil && !errors.Is(err, store.ErrErased) {
						t.Error(err)
					}
				})
				all.Go(func() { s.writeNotes(t.Context()); s.writePresence(t.Context()) })
			}
			all.Wait()
			owns, err := s.store.Auth.OwnsAny(t.Context(), number)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.store.Auth.GetAccount(t.Context(), number)
			deleted := errors.Is(err, store.ErrErased)
			for _, code := range gone {
				if !slices.Contains([]int{http.StatusOK, http.StatusConflict, http.StatusUnauthorized}, code) {
					t.Errorf("deleting answers %d", code)
				}
			}
			if deleted != slices.Contains(gone, http.StatusOK) || deleted && owns {
				t.Fatalf("got %v; deleted %v, owns a server %v", gone, deleted, owns)
			}
			if !deleted { // it has a server first
				for _, server := range do[gen.ServerListResponse](t, h, "GET", "/servers", ben, nil).Body {
					send(h, request("DELETE", "/servers/"+server.ID, ben))
				}
				if w := leave(s, ben, nil); w.Code != http.StatusOK {
					t.Fatalf("got %d %s", w.Code, w.Body)
				}
			}
			sessions, err := s.store.Auth.ListSessions(t.Context(), number)
			if err != nil || len(sessions) > 0 {
				t.Errorf("%d sessions are left, %v", len(sessions), err)
			}
			servers, err := s.store.Servers.ListOf(t.Context(), number)
			if err != nil || len(servers) > 0 {
				t.Errorf("it is in %d servers, %v", len(servers), err)
			}
			presence, err := s.store.Users.GetPresence(t.Context(), number)
			if err != nil || presence.Minutes > 0 {
				t.Errorf("it was there for %d minutes, %v", presence.Minutes, err)
			}
		}
	})
}

// A crash between two steps loses none: the job is run again, and goes on.
func TestWhatADeletedAccountHasLeftGoesStepByStep(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		do[gen.VisitResponse](t, c.h, "POST", "/servers/"+c.id+"/visit", c.ben, nil)
		members := func() int64 {
			return do[gen.MemberListResponse](t, c.h, "GET", "/servers/"+c.id+"/members", c.owner, nil).Meta.Total
		}
		before := members()
		if w := leave(s, c.ben, nil); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		account := accountOf(c.number)
		for steps, more := 0, true; more; steps++ {
			if steps > 100 {
				t.Fatal("there is no end of it")
			}
			var err error
			if more, err = inTx(t.Context(), s.core, func(tx *store.Tx) (bool, error) {
				return accountRemoval{account}.deleteRest(t.Context(), tx, 1, s.now())
			}); err != nil {
				t.Fatal(err)
			}
		}
		if n := members(); n != before-1 {
			t.Errorf("there are %d members, want %d", n, before-1)
		}
		if visits, err := s.store.Servers.CountVisits(t.Context(), c.id, account); err != nil || visits != 0 {
			t.Errorf("%d visits are counted, %v", visits, err)
		}
		if events, err := s.store.Auth.CountEvents(t.Context(), account); err != nil || events != 0 {
			t.Errorf("%d events are counted, %v", events, err)
		}
	})
}

func TestAnAvatarEndsWithItsAccount(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		c := must(client.New(listen(t, s), client.WithToken(token)))
		must(c.Users.SetAvatar(t.Context(), "a@example.com", strings.NewReader(onePixel)))
		if n := len(filesOf(t, config)); n != 1 {
			t.Fatalf("there are %d files", n)
		}
		if w := leave(s, token, nil); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		if left := filesOf(t, config); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
}
