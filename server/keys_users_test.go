package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
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
