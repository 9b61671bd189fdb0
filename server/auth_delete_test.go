package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// A leaver is Ben of a club, who has something of everything and has just deleted his account.
type leaver struct {
	club
	s         *Server
	me        gen.Account
	own, key  string // his user API key, and an API key that he vouched for
	channel   string
	said      string
	invite    string
	ownersKey string
}

// leaverOn has nothing run in the background: what is promised at once holds without that.
func leaverOn(t *testing.T, config Config) leaver {
	t.Helper()
	config.Idle = true
	s := unlimited(open(t, config))
	c := newClub(t, s, "server_administrator")
	l := leaver{club: c, s: s, key: c.keyOf(t, c.ben, "getUserData")}
	l.ownersKey = do[gen.APIKeyResponse](t, c.h, "POST", "/apis/v1/communities/"+c.id+"/api-keys", c.owner,
		map[string]any{"name": "shop", "permissions": []string{"getMessages", "getUserData"}}).Data.Key
	l.me = do[gen.AccountResponse](t, c.h, "PATCH", "/auth/me", c.ben, map[string]any{"username": "ben", "displayName": "Ben Doe", "firstName": "Ben"}).Body
	l.own = do[gen.UserAPIKeyResponse](t, c.h, "POST", "/apis/v1/users/apikeys?userId="+l.me.ID, c.ben,
		map[string]any{"name": "phone", "permissions": []string{"sendMessages"}, "communityId": c.id}).Data.Key
	l.channel = do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.ben, map[string]any{"topic": "openings", "channelType": "open", "serverId": c.id}).Body.ID
	l.said = do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": l.channel, "message": "Hello"}).Data.MessageID
	l.invite = do[gen.InviteResponse](t, c.h, "POST", "/servers/"+c.id+"/invites", c.ben, map[string]any{}).Body.Code
	if w := leave(s, c.ben, nil); w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return l
}

func TestWhoDeletesTheirAccountIsGoneAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		l := leaverOn(t, config)
		for name, credential := range map[string]string{"session": l.ben, "user API key": l.own} {
			if w := send(l.h, request("GET", "/apis/v1/api-keys/info", credential)); w.Code != http.StatusUnauthorized {
				t.Errorf("the %s: got %d", name, w.Code)
			}
		}
		if w := sendJSON(l.h, "POST", "/apis/v1/users/filter", l.key, map[string]any{}); w.Code != http.StatusForbidden {
			t.Errorf("an API key that the account vouches for: got %d %s", w.Code, w.Body)
		}
		if w := sendJSON(l.h, "POST", "/servers/"+l.id+"/join", tokenOf(t, l.s, "cleo@example.com"), map[string]any{"invite": l.invite}); w.Code != http.StatusForbidden {
			t.Errorf("an invite of the account: got %d %s", w.Code, w.Body)
		}
		for _, name := range []string{l.number, l.me.ID, "ben", "ben@example.com"} {
			if w := sendJSON(l.h, "POST", "/apis/v1/users/info", l.ownersKey, map[string]any{"idOrEmail": name}); w.Code != http.StatusNotFound {
				t.Errorf("a program finds %q: %d %s", name, w.Code, w.Body)
			}
		}
		users := "/apis/v1/communities/" + l.id + "/users"
		for _, path := range []string{"/servers/" + l.id + "/members", users, users + "?sort=xp:desc"} {
			if w := send(l.h, request("GET", path, l.owner)); strings.Contains(w.Body.String(), l.me.ID) || w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

func TestWhatADeletedAccountHasSaidAndDoneStaysWithoutItsName(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		l := leaverOn(t, config)
		for _, credential := range []string{l.owner, l.ownersKey} {
			m := do[gen.MessageListResponse](t, l.h, "GET", "/apis/v1/messages?channel_id="+l.channel, credential, nil).Data.Messages[0]
			if m.ID != l.said || m.Message != "Hello" || m.User.DisplayName != store.DeletedName {
				t.Errorf("the message is %+v", m)
			}
			if _, named := m.User.Username.Get(); named {
				t.Error("its author has a user name")
			}
			if _, known := m.User.Email.Get(); known {
				t.Error("its author has an address")
			}
		}
		trail := do[gen.AuditListResponse](t, l.h, "GET", "/servers/"+l.id+"/audit?limit=100", l.owner, nil).Body
		if !slices.ContainsFunc(trail, func(e gen.AuditEntry) bool { return e.Actor.Deleted && e.Action == "channel.create" }) {
			t.Errorf("the audit trail does not say that the account was deleted: %+v", trail)
		}
		for _, e := range trail {
			if e.Actor.Deleted != (e.Actor.Type == "account" && e.Actor.ID == l.number) {
				t.Errorf("the audit trail says of %+v that it was deleted, or not", e.Actor)
			}
		}
	})
}

func TestTheAddressAndTheUserNameOfADeletedAccountAreFree(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		l := leaverOn(t, config)
		again := tokenOf(t, l.s, "ben@example.com")
		anew := do[gen.AccountResponse](t, l.h, "PATCH", "/auth/me", again, map[string]any{"username": "ben"}).Body
		if anew.Number == l.number || anew.ID == l.me.ID {
			t.Errorf("the address has the account of before: %+v", anew)
		}
		if servers := do[gen.ServerListResponse](t, l.h, "GET", "/servers", again, nil).Body; len(servers) != 0 {
			t.Errorf("a new account of the address is in %d servers", len(servers))
		}
		if export := exportOf(t, l.s, again); len(export.Messages)+len(export.Communities)+len(export.APIKeys)+len(export.Invites) > 0 {
			t.Errorf("it has %+v", export)
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

// everythingAtOnce has Ben delete his account three times while he does everything that would add to it. It returns what deleting
// has answered.
func everythingAtOnce(t *testing.T, s *Server, ben string, clubs []string) []int {
	t.Helper()
	h := s.Handler()
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
	return gone
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
			gone := everythingAtOnce(t, s, ben, clubs)
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
		if left, err := s.store.Ledger.GetTotals(t.Context(), c.id, account); err != nil || left != (store.Totals{}) {
			t.Errorf("%+v is left, %v", left, err)
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

func TestTheRestOfADeletedAccountGoesAlsoIfTheServerEndsBeforeThat(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		first := unlimited(open(t, config))
		c := newClub(t, first, "allow_dm")
		if w := leave(first, c.ben, nil); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		config.Idle = false
		s := openNext(t, first, config)
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			members, err := s.store.Servers.CountMembers(t.Context(), c.id)
			if err != nil {
				t.Fatal(err)
			}
			events, err := s.store.Auth.CountEvents(t.Context(), accountOf(c.number))
			if err != nil {
				t.Fatal(err)
			}
			if members == 1 && events == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("there are %d members, and %d events of the account", members, events)
			}
		}
	})
}
