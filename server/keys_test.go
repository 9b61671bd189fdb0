package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
)

func (c club) keys(more string) string { return "/apis/v1/communities/" + c.id + "/api-keys" + more }

func TestAKeyIsGoodAgainOnceAnAdministratorHasAdoptedIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		c := newClub(t, s, "server_administrator")
		made := do[gen.APIKeyResponse](t, c.h, "POST", c.keys(""), c.ben, map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data
		use := func() int { return send(c.h, request("GET", "/apis/v1/api-keys/info", made.Key)).Code }
		change := func(token string, body map[string]any) (int, gen.APIKey) {
			w := send(c.h, put(c.keys("/"+made.ID), token, body))
			var answer gen.APIKeyResponse
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil && w.Code == http.StatusOK {
				t.Fatal(err)
			}
			return w.Code, answer.Data
		}
		ben, owner := made.UserID, made.UserID-1
		if !made.IsTrusted || use() != http.StatusOK {
			t.Fatalf("the new key is not good: %+v", made)
		}
		c.takes(t)
		if code, _ := change(c.ben, map[string]any{"adopt": true}); code != http.StatusForbidden || use() != http.StatusForbidden {
			t.Errorf("a plain member has adopted a key: got %d, and the key %d", code, use())
		}
		for _, body := range []map[string]any{{"name": "till"}, {"adopt": false}, {"isActive": true}} {
			if code, key := change(c.owner, body); code != http.StatusOK || key.UserID != ben || key.IsTrusted || use() != http.StatusForbidden {
				t.Errorf("%v: got %d %+v, and the key %d; want it to be Ben's, and no good", body, code, key, use())
			}
		}
		if listed := do[gen.APIKeyListResponse](t, c.h, "GET", c.keys(""), c.owner, nil).Data; len(listed) != 1 || listed[0].IsTrusted {
			t.Errorf("the list does not say that the key is no good: %+v", listed)
		}
		if code, key := change(c.owner, map[string]any{"adopt": true}); code != http.StatusOK || key.UserID != owner || !key.IsTrusted || use() != http.StatusOK {
			t.Errorf("adopted: got %d %+v, and the key %d", code, key, use())
		}
		trail := do[gen.AuditListResponse](t, c.h, "GET", "/servers/"+c.id+"/audit", c.owner, nil).Body[0]
		before, _ := trail.Before.Get()
		after, _ := trail.After.Get()
		if trail.Action != "key.update" || before["userId"] != float64(ben) || after["userId"] != float64(owner) {
			t.Errorf("the audit trail does not tell who has adopted the key: %+v", trail)
		}
		c.gives(t) // whose key it was, and is no more
		if code, key := change(c.ben, map[string]any{"adopt": true}); code != http.StatusOK || key.UserID != ben {
			t.Errorf("adopted back: got %d %+v", code, key)
		}
		do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.ben, nil)
		if use() != http.StatusForbidden {
			t.Errorf("the key of who has left: got %d, want 403", use())
		}
	})
}

// Who has the rank from the role that everybody has may make keys, and vouch for them.
func TestAKeyIsGoodWhileEverybodyIsAnAdministrator(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, open(t, config), "allow_dm")
		roles := do[gen.RoleListResponse](t, c.h, "GET", "/servers/"+c.id+"/roles", c.owner, nil).Body
		everybody := roles[len(roles)-1]
		rank := func(is bool) {
			do[gen.EmptyResponse](t, c.h, "PUT", "/roles/"+everybody.ID, c.owner, map[string]any{
				"title": everybody.Title, "class": everybody.Class, "order": everybody.Order, "billable": false,
				"serverPermissions": map[string]any{"server_administrator": is},
			})
		}
		rank(true)
		key := c.keyOf(t, c.ben, "channels")
		for range 2 {
			if w := send(c.h, request("GET", "/channels", key)); w.Code != http.StatusOK {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			rank(false)
			if w := send(c.h, request("GET", "/channels", key)); w.Code != http.StatusForbidden {
				t.Errorf("got %d %s, want 403", w.Code, w.Body)
			}
			rank(true)
		}
	})
}

// The statement that looks whether a key is trusted cannot ask the contract.
func TestWhoMayVouchForAKeyIsWhoTheContractLetsMakeOne(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"createApiKey", "updateApiKey"} {
		if role := operations.ByID(id).Role; role != "server_administrator" {
			t.Errorf("%s is for %q: change selectKey in the store, too", id, role)
		}
	}
}

func TestTrustIsTheSameOnEveryReplica(t *testing.T) {
	config := onPostgreSQL(t)
	config.Idle = true
	s := open(t, config)
	other := openNext(t, s, config)
	c := newClub(t, s, "server_administrator")
	key := c.keyOf(t, c.ben, "channels")
	for _, want := range []int{http.StatusOK, http.StatusForbidden} {
		if w := send(other.Handler(), request("GET", "/channels", key)); w.Code != want {
			t.Errorf("got %d %s, want %d", w.Code, w.Body, want)
		}
		c.takes(t)
	}
}

func TestWhoMakesOrAdoptsAKeyGetsAMail(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, open(t, config), "server_administrator")
		create := jsonRequest(c.keys(""), c.ben, map[string]any{"name": "shop\u202e", "permissions": []string{"channels"}})
		create.Header.Set("Idempotency-Key", "once")
		var answer gen.APIKeyResponse
		if err := json.Unmarshal(send(c.h, create).Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		made := answer.Data
		again := jsonRequest(c.keys(""), c.ben, map[string]any{"name": "shop\u202e", "permissions": []string{"channels"}})
		again.Header.Set("Idempotency-Key", "once")
		send(c.h, again)
		do[gen.APIKeyResponse](t, c.h, "PUT", c.keys("/"+made.ID), c.ben, map[string]any{"adopt": true}) // as it is already
		do[gen.APIKeyResponse](t, c.h, "PUT", c.keys("/"+made.ID), c.owner, map[string]any{"adopt": true})
		for token, kind := range map[string]gen.AuthEventKind{c.ben: gen.AuthEventKindKeyCreate, c.owner: gen.AuthEventKindKeyAdopt} {
			found := 0
			for _, event := range do[gen.AuthEventListResponse](t, c.h, "GET", "/auth/events", token, nil).Body {
				if target, _ := event.Target.Get(); target == made.ID {
					found++
					if event.Kind != kind {
						t.Errorf("got %s among the events of the account, want %s", event.Kind, kind)
					}
				}
			}
			if found != 1 {
				t.Errorf("%d entries about the key, want one %s", found, kind)
			}
		}
		for email, deed := range map[string]string{"ben@example.com": "made", "owner@example.com": "adopted"} {
			var found []mailFile
			for deadline := time.Now().Add(10 * time.Second); len(found) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				found = mailsTo(t, config.Data, email)
			}
			if len(found) != 1 {
				t.Fatalf("%s has got %d mails, want 1", email, len(found))
			}
			for _, part := range []string{"an API key was " + deed, `"Chess club"`, `"shop\u202e"`, made.UpdatedAt.UTC().Format("2 January 2006")} {
				if !strings.Contains(found[0].text, part) {
					t.Errorf("the mail to %s does not say %q: %s", email, part, found[0].text)
				}
			}
			if strings.Contains(found[0].text, made.Key) || strings.Contains(found[0].text, made.Key[:4]) {
				t.Errorf("the mail shows something of the key: %s", found[0].text)
			}
		}
	})
}

// An answer of the Application API has no devMessage: who is refused would take a good key for a broken one.
func TestWhoIsRefusedBelowApisV1LearnsWhy(t *testing.T) {
	s := open(t, onSQLite(t))
	h := s.Handler()
	owner := tokenOf(t, s, "a@example.com")
	id := createServer(t, h, owner, "Chess club")
	made := do[gen.APIKeyResponse](t, h, "POST", "/apis/v1/communities/"+id+"/api-keys", owner, map[string]any{"name": "shop", "permissions": []string{"badges"}})
	w := send(h, request("GET", "/apis/v1/channels", made.Data.Key))
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"message":"You may not do this: `) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	plain := jsonRequest("/apis/v1/messages/send", owner, map[string]any{})
	plain.Header.Set("Content-Type", "text/html")
	for detail, r := range map[string]*http.Request{
		"send the body as application/json":            plain,
		"there is no such channel, or it is not yours": request("GET", "/apis/v1/messages?channel_id="+made.Data.ID, owner),
		"Authorization":          request("GET", "/apis/v1/channels", ""),
		"there is no such route": request("GET", "/apis/v1/nothing", owner),
	} {
		var answer gen.IntegrationErrorResponse
		w := send(h, r)
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || !strings.Contains(answer.Data.Detail, detail) {
			t.Errorf("%s: got %d %s, want the detail %q", r.URL, w.Code, w.Body, detail)
		}
	}
}
