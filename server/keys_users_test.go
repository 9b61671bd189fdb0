package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A userKeyScene is a member with a user API key.
type userKeyScene struct {
	h                                    http.Handler
	owner, token, id, server, key, keyID string
}

func newUserKeyScene(t *testing.T, config Config) userKeyScene {
	s := open(t, config)
	u := userKeyScene{h: s.Handler(), owner: tokenOf(t, s, "owner@example.com"), token: tokenOf(t, s, "member@example.com")}
	u.server = openServer(t, u.h, u.owner, "Chess club")
	send(u.h, request("POST", "/servers/"+u.server+"/join", u.token))
	u.id = do[gen.AccountResponse](t, u.h, "GET", "/auth/me", u.token, nil).Body.ID
	made := do[gen.UserAPIKeyResponse](t, u.h, "POST", "/apis/v1/users/apikeys?userId="+u.id, u.token,
		map[string]any{"name": "phone", "permissions": []string{"sendMessages"}, "communityId": u.server})
	u.key, u.keyID = made.Data.Key, made.Data.ID
	return u
}

func (u userKeyScene) info() int {
	return send(u.h, request("GET", "/apis/v1/api-keys/info", u.key)).Code
}

func (u userKeyScene) path() string { return "/apis/v1/users/" + u.id + "/api-keys/" + u.keyID }

func TestAUserKeyEndsWithTheMembership(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		u := newUserKeyScene(t, config)
		if code := u.info(); code != http.StatusOK {
			t.Fatalf("a member's key: got %d", code)
		}
		send(u.h, request("POST", "/servers/"+u.server+"/leave", u.token))
		send(u.h, request("POST", "/servers/"+u.server+"/join", u.token))
		if code := u.info(); code != http.StatusUnauthorized {
			t.Errorf("after leaving and joining again: got %d", code)
		}
	})
}

func TestAUserKeyEndsWithTheServer(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		u := newUserKeyScene(t, config)
		send(u.h, request("DELETE", "/servers/"+u.server, u.owner))
		if code := u.info(); code != http.StatusUnauthorized {
			t.Errorf("got %d", code)
		}
	})
}

func TestAUserKeyIsNoSession(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		u := newUserKeyScene(t, config)
		for _, path := range []string{"/auth/me", "/servers", "/auth/sessions", "/apis/v1/channels", "/channels?serverId=" + u.server} {
			if w := send(u.h, request("GET", path, u.key)); w.Code != http.StatusForbidden {
				t.Errorf("%s: got %d %s", path, w.Code, w.Body)
			}
		}
	})
}

func TestOnlyAdministratorsSeeAndEndTheUserKeysOfOthers(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		u := newUserKeyScene(t, config)
		list := "/apis/v1/users/" + u.id + "/api-keys"
		if w := send(u.h, request("GET", list, u.owner)); w.Code != http.StatusNotFound {
			t.Errorf("without a community: got %d %s", w.Code, w.Body)
		}
		seen := do[gen.UserAPIKeyListResponse](t, u.h, "GET", list+"?communityId="+u.server, u.owner, nil)
		if len(seen.Data) != 1 || seen.Data[0].ID != u.keyID || !strings.Contains(seen.Data[0].Key, "*") {
			t.Errorf("the owner sees %+v", seen.Data)
		}
		if w := sendJSON(u.h, "PUT", u.path(), u.owner, map[string]any{"isActive": false}); w.Code != http.StatusNotFound {
			t.Errorf("changing: got %d %s", w.Code, w.Body)
		}
		if w := send(u.h, request("DELETE", u.path(), u.owner)); w.Code != http.StatusOK {
			t.Errorf("ending: got %d %s", w.Code, w.Body)
		}
		if code := u.info(); code != http.StatusUnauthorized {
			t.Errorf("got %d", code)
		}
	})
}

func TestAUserKeyThatMayDoMoreThanBeforeIsToldOfLikeANewOne(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		u := newUserKeyScene(t, config)
		channel := func() string {
			return do[gen.ChannelResponse](t, u.h, "POST", "/channels", u.owner, map[string]any{"topic": "x", "channelType": "open", "serverId": u.server}).Body.ID
		}
		one, two := channel(), channel()
		widenings := func() (n int) {
			for _, e := range do[gen.AuthEventListResponse](t, u.h, "GET", "/auth/events?limit=100", u.token, nil).Body {
				if target, _ := e.Target.Get(); e.Kind == gen.AuthEventKindKeyWiden && target == u.keyID {
					n++
				}
			}
			return n
		}
		want := 0
		for _, step := range []struct {
			change map[string]any
			more   bool
		}{
			{map[string]any{"name": "tablet"}, false},
			{map[string]any{"channels": []string{one}}, false},
			{map[string]any{"channels": []string{one}}, false},
			{map[string]any{"channels": []string{one, two}}, true},
			{map[string]any{"channels": []string{two}}, false},
			{map[string]any{"channels": []string{one}}, true},
			{map[string]any{"channels": []string{}}, true},
			{map[string]any{"permissions": []string{"sendMessages", "updateOwnProfile"}}, true},
			{map[string]any{"permissions": []string{"updateOwnProfile"}}, false},
			{map[string]any{"expirePeriod": 30}, false},
			{map[string]any{"expirePeriod": 7}, false},
			{map[string]any{"expirePeriod": 8}, true},
			{map[string]any{"expirePeriod": 0}, true},
			{map[string]any{"isActive": false}, false},
			{map[string]any{"isActive": true}, true},
		} {
			do[gen.UserAPIKeyResponse](t, u.h, "PUT", u.path(), u.token, step.change)
			if step.more {
				want++
			}
			if got := widenings(); got != want {
				t.Fatalf("after %v, %d events tell of it, want %d", step.change, got, want)
			}
		}
		mails := func() (n int) {
			for _, mail := range mailsTo(t, config.Data, "member@example.com") {
				if strings.Contains(mail.text, "a user API key was widened") {
					n++
				}
			}
			return n
		}
		for deadline := time.Now().Add(20 * time.Second); mails() != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d mails tell of it, want %d", mails(), want)
			}
		}
	})
}

// A session that was ended while a request of it was under way makes no key that outlives it, and ends no other. SQLite has one turn
// to write: who has it decides what is done first.
func TestASessionThatHasJustEndedChangesNothingOfItsAccount(t *testing.T) {
	config := onSQLite(t)
	config.Idle = true
	s := unlimited(open(t, config))
	h, lasting := s.Handler(), tokenOf(t, s, "member@example.com")
	server := openServer(t, h, lasting, "Chess club")
	me := do[gen.AccountResponse](t, h, "GET", "/auth/me", lasting, nil).Body
	kept := do[gen.SessionListResponse](t, h, "GET", "/auth/sessions", lasting, nil).Body[0].ID
	permitting := func(name string) map[string]any {
		return map[string]any{"name": "x", "permissions": []string{name}, "communityId": server}
	}
	userKeys, keys := "/apis/v1/users/"+me.ID+"/api-keys", "/apis/v1/communities/"+server+"/api-keys"
	ofUser := do[gen.UserAPIKeyResponse](t, h, "POST", "/apis/v1/users/apikeys?userId="+me.ID, lasting, permitting("sendMessages")).Data.ID
	plain := map[string]any{"name": "x", "permissions": []string{"channels"}}
	key := do[gen.APIKeyResponse](t, h, "POST", keys, lasting, plain).Data.ID
	for name, of := range map[string]func(token string) *http.Request{
		"a new user key": func(token string) *http.Request {
			return jsonRequest("/apis/v1/users/apikeys?userId="+me.ID, token, permitting("sendMessages"))
		},
		"a wider user key": func(token string) *http.Request {
			return put(userKeys+"/"+ofUser, token, map[string]any{"permissions": []string{"updateOwnProfile"}})
		},
		"a new key": func(token string) *http.Request { return jsonRequest(keys, token, plain) },
		"a wider key": func(token string) *http.Request {
			return put(keys+"/"+key, token, map[string]any{"permissions": []string{"roles"}})
		},
		"the end of the others": func(token string) *http.Request { return request("DELETE", "/auth/sessions", token) },
		"the end of one":        func(token string) *http.Request { return request("DELETE", "/auth/sessions/"+kept, token) },
	} {
		token := tokenOf(t, s, "member@example.com")
		answered := make(chan *httptest.ResponseRecorder, 1)
		err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
			ended, err := tx.Auth.GetCaller(t.Context(), hashOf(token), s.now())
			if err != nil {
				return err
			}
			go func() { answered <- send(h, of(token)) }() // it is let in: the session is good as yet
			for s.store.Waiting() == 0 {
				if t.Context().Err() != nil {
					return t.Context().Err()
				}
				time.Sleep(time.Millisecond)
			}
			_, err = tx.Auth.DeleteSession(t.Context(), accountOf(me.Number), ended.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if w := <-answered; w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

func TestABodyThatSaysItIsTextIsReadAsJSONWhereTheContractSaysSo(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		u := newUserKeyScene(t, config)
		r := jsonRequest(u.path(), u.token, map[string]any{"isActive": false})
		r.Method = http.MethodPut
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
		if w := send(u.h, r); w.Code != http.StatusOK {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if code := u.info(); code != http.StatusUnauthorized {
			t.Errorf("a key that is not active: got %d", code)
		}
		other := patch("/servers/"+u.server+"/settings", u.owner, map[string]any{"joining": "open"})
		other.Header.Set("Content-Type", "text/plain")
		if w := send(u.h, other); w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("elsewhere: got %d %s", w.Code, w.Body)
		}
	})
}
