package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// club is a server of an owner with Ben in it, whom the owner has given a role with one permission.
type club struct {
	h          http.Handler
	owner, ben string // tokens
	id, number string // of the server, and of Ben
	role       string
}

func newClub(t *testing.T, s *Server, permission string) club {
	t.Helper()
	c := club{h: s.Handler(), owner: tokenOf(t, s, "owner@example.com"), ben: tokenOf(t, s, "ben@example.com")}
	c.id = openServer(t, c.h, c.owner, "Chess club")
	do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", c.ben, nil)
	c.number = do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil).Body.Number
	c.role = do[gen.RoleResponse](t, c.h, "POST", "/roles", c.owner, roleWith(c.id, permission)).Body.ID
	c.gives(t)
	return c
}

func roleWith(serverID, permission string) map[string]any {
	return map[string]any{
		"title": permission, "class": "blue", "order": 10, "billable": false, "serverId": serverID,
		"serverPermissions": map[string]any{permission: true},
	}
}

func put(target, token string, body map[string]any) *http.Request {
	r := jsonRequest(target, token, body)
	r.Method = http.MethodPut
	return r
}

func (c club) gives(t *testing.T) {
	t.Helper()
	do[gen.RoleListResponse](t, c.h, "POST", "/roles/"+c.role+"/add", c.owner, map[string]any{"userId": c.number})
}

func (c club) takes(t *testing.T) {
	t.Helper()
	do[gen.RoleListResponse](t, c.h, "POST", "/roles/"+c.role+"/remove", c.owner, map[string]any{"userId": c.number})
}

func (c club) keyOf(t *testing.T, token, permission string) string {
	t.Helper()
	return do[gen.APIKeyResponse](t, c.h, "POST", "/apis/v1/communities/"+c.id+"/api-keys", token,
		map[string]any{"name": "shop", "permissions": []string{permission}}).Data.Key
}

func (c club) topics(t *testing.T, token string) string {
	t.Helper()
	var all []string
	for _, channel := range do[gen.ChannelListResponse](t, c.h, "GET", "/channels?serverId="+c.id, token, nil).Body {
		all = append(all, channel.Topic)
	}
	return strings.Join(all, " ")
}

func TestOnlyAServerInWhichTheCallerMayIsFoundByItself(t *testing.T) {
	bodies := map[string]map[string]any{
		"/channels": {"topic": "x", "channelType": "open"},
		"/badges":   {"title": "x", "action": "custom"},
		"/roles":    {"title": "x", "class": "x", "order": 9000, "billable": false},
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		for target, permission := range map[string]string{"/channels": "manage_channels", "/badges": "server_administrator", "/roles": "manage_roles"} {
			c := newClub(t, s, permission)
			other := openServer(t, c.h, c.owner, "Draughts club")
			do[gen.ServerResponse](t, c.h, "POST", "/servers/"+other+"/join", c.ben, nil)
			finds := func(when, want string) {
				t.Helper()
				if target == "/badges" && len(want) == 24 { // the answer does not say where it is
					want = "Badge has been created"
				}
				w := send(c.h, jsonRequest(target, c.ben, bodies[target]))
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("%s, %s: got %d %s, want %s", target, when, w.Code, w.Body, want)
				}
				if w := send(c.h, request("GET", "/channels", c.ben)); !strings.Contains(w.Body.String(), "several") {
					t.Errorf("what any member may: got %d %s", w.Code, w.Body)
				}
			}
			const none, several = "there is no server in which", "there are several servers in which"
			finds("by a role in one", c.id)
			c.takes(t)
			finds("by no role", none)
			roles := do[gen.RoleListResponse](t, c.h, "GET", "/servers/"+other+"/roles", c.owner, nil).Body
			all := roles[len(roles)-1]
			everybody := func(permission string, may bool) {
				t.Helper()
				do[gen.RoleResponse](t, c.h, "PUT", "/roles/"+all.ID, c.owner, map[string]any{
					"title": all.Title, "class": all.Class, "order": all.Order, "billable": all.Billable, "serverPermissions": map[string]any{permission: may},
				})
			}
			everybody(permission, true)
			byAll := other
			if target == "/roles" { // it is found, and then there is no lower role to make
				byAll = "not be below the highest role"
			}
			finds("by @all in the other", byAll)
			c.gives(t)
			finds("by both", several)
			c.takes(t)
			everybody("server_administrator", true)
			finds("as an administrator", other)
			everybody("kick_members", true)
			finds("by no role again", none)
			own := openServer(t, c.h, c.ben, "Go club")
			finds("as the owner", own)
			do[gen.EmptyResponse](t, c.h, "DELETE", "/servers/"+own, c.ben, nil)
			finds("once it is deleted", none)
			c.gives(t)
			finds("by the role anew", c.id)
			do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.ben, nil)
			if w := send(c.h, jsonRequest(target, c.ben, bodies[target])); !strings.Contains(w.Body.String(), none) {
				t.Errorf("%s, who has left: got %d %s", target, w.Code, w.Body)
			}
			do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+other+"/leave", c.ben, nil)
		}
	})
}

func TestWhoLeavesIsNoLongerAdmittedByName(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, open(t, config), "allow_dm")
		for _, kind := range []string{"private", "direct"} {
			do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.owner,
				map[string]any{"topic": kind, "channelType": kind, "members": []string{c.number}, "serverId": c.id})
		}
		if got := c.topics(t, c.ben); got != "private direct" {
			t.Fatalf("a member who is admitted sees %q", got)
		}
		do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.ben, nil)
		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", c.ben, nil)
		if got := c.topics(t, c.ben); got != "" {
			t.Errorf("who has left and joined anew sees %q", got)
		}
	})
}

func TestAnAPIKeyMakesNobodyAnAdministratorAndUnmakesNone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, open(t, config), "server_administrator")
		key := c.keyOf(t, c.owner, "roles")
		c.takes(t)
		plain := do[gen.RoleResponse](t, c.h, "POST", "/roles", key, roleWith(c.id, "kick_members")).Body.ID
		for name, r := range map[string]*http.Request{
			"giving":   jsonRequest("/roles/"+c.role+"/add", key, map[string]any{"userId": c.number}),
			"making":   jsonRequest("/roles", key, roleWith(c.id, "server_administrator")),
			"changing": put("/roles/"+plain, key, roleWith(c.id, "server_administrator")),
		} {
			if w := send(c.h, r); w.Code != http.StatusForbidden {
				t.Errorf("%s such a role: got %d %s, want 403", name, w.Code, w.Body)
			}
		}
		c.gives(t)
		manager := c.keyOf(t, c.owner, "manageUser")
		for name, r := range map[string]*http.Request{
			"taking":                    jsonRequest("/roles/"+c.role+"/remove", key, map[string]any{"userId": c.number}),
			"deleting":                  request("DELETE", "/roles/"+c.role, key),
			"bringing down":             put("/roles/"+c.role, key, roleWith(c.id, "kick_members")),
			"deleting the user who has": jsonRequest("/apis/v1/users/manage", manager, map[string]any{"action": "delete", "user": c.number}),
		} {
			if w := send(c.h, r); w.Code != http.StatusForbidden {
				t.Errorf("%s such a role: got %d %s, want 403", name, w.Code, w.Body)
			}
		}
		if w := send(c.h, request("GET", "/servers/"+c.id+"/audit", c.ben)); w.Code != http.StatusOK {
			t.Errorf("afterwards, the administrator got %d %s", w.Code, w.Body)
		}
	})
}

func TestWhatAKeyMakesIsNotShownForHavingMadeTheKey(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, open(t, config), "server_administrator")
		key := c.keyOf(t, c.ben, "channels")
		do[gen.ChannelResponse](t, c.h, "POST", "/channels", key, map[string]any{"topic": "staff", "channelType": "private"})
		if got := c.topics(t, key); got != "staff" {
			t.Errorf("the key sees %q", got)
		}
		c.takes(t)
		if got := c.topics(t, c.ben); got != "" {
			t.Errorf("a plain member, who made the key, sees %q", got)
		}
	})
}

func TestTheAuditTrailKeepsDirectChannelsToThemselves(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, open(t, config), "manage_channels")
		direct := map[string]any{"topic": "SECRET", "description": "SECRET", "channelType": "direct", "serverId": c.id}
		id := do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.ben, direct).Body.ID
		delete(direct, "serverId")
		if w := send(c.h, put("/channels/"+id, c.ben, direct)); w.Code != http.StatusOK {
			t.Fatalf("got %d: %s", w.Code, w.Body)
		}
		if w := send(c.h, request("DELETE", "/channels/"+id, c.ben)); w.Code != http.StatusOK {
			t.Fatalf("got %d: %s", w.Code, w.Body)
		}
		w := send(c.h, request("GET", "/servers/"+c.id+"/audit", c.owner))
		if body := w.Body.String(); strings.Contains(body, "SECRET") || strings.Count(body, id) < 3 {
			t.Errorf("want three entries without what only those in the channel may see: %s", body)
		}
	})
}

func TestWhateverIsListedWholeHasItsLimit(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		c := newClub(t, s, "allow_dm")
		other := openServer(t, c.h, c.ben, "Go club")
		for name, list := range map[string]struct {
			most, made int // made: before this test makes any
			insert     func(tx *store.Tx, id string) error
			again      func() *http.Request
			listed     string
		}{
			"channels": {store.MaxChannels, 0, func(tx *store.Tx, id string) error {
				return tx.Channels.Insert(t.Context(), gen.Channel{ID: id, ServerID: c.id, ChannelType: "open"}, 1, false)
			}, func() *http.Request {
				return jsonRequest("/channels", c.owner, map[string]any{"topic": "x", "channelType": "open", "serverId": c.id})
			}, "/channels?serverId=" + c.id},
			"roles": {store.MaxRoles, 2, func(tx *store.Tx, id string) error { // @all and Ben's are there
				return tx.Roles.Insert(t.Context(), store.Role{Role: gen.Role{ID: id, ServerID: c.id, Title: "x", Class: "blue"}})
			}, func() *http.Request { return jsonRequest("/roles", c.owner, roleWith(c.id, "allow_dm")) }, "/servers/" + c.id + "/roles"},
			"badges": {store.MaxBadges, 0, func(tx *store.Tx, id string) error {
				return tx.Badges.Insert(t.Context(), store.Badge{ID: id, ServerID: c.id, Definition: gen.BadgeUpdate{Title: "x"}})
			}, func() *http.Request {
				return jsonRequest("/badges", c.owner, map[string]any{"title": "x", "action": "custom", "serverId": c.id})
			}, "/badges?serverId=" + c.id},
			"keys": {store.MaxKeys, 0, func(tx *store.Tx, id string) error {
				return tx.Keys.Insert(t.Context(), gen.APIKey{ID: id, UserID: 1, CommunityID: c.id}, id)
			}, func() *http.Request {
				return jsonRequest("/apis/v1/communities/"+c.id+"/api-keys", c.owner, map[string]any{"name": "x", "permissions": []string{"badges"}})
			}, ""},
			"servers": {store.MaxMemberships, 1, func(tx *store.Tx, id string) error {
				if err := tx.Servers.Insert(t.Context(), id, "x", "", 1, time.Now()); err != nil {
					return err
				}
				return tx.Servers.InsertMember(t.Context(), id, 1, time.Now())
			}, func() *http.Request { return createRequest("/servers", c.owner, "x") }, "/servers"},
		} {
			for left := list.most - list.made - 10; left > 0; left -= 90 { // in parts: a transaction must end in time
				if err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
					for range min(left, 90) {
						if err := list.insert(tx, s.newID()); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			// Ten have room, however many come at once.
			answers := inParallel(30, func(int) int { return min(send(c.h, list.again()).Code, 300) })
			if name == "servers" { // as many as may be joined, after which none may be made
				if w := send(c.h, request("POST", "/servers/"+other+"/join", c.owner)); w.Code != http.StatusConflict {
					t.Errorf("joining: got %d %s, want 409", w.Code, w.Body)
				}
			}
			if made := 30 - answers[300]; made != 10 {
				t.Errorf("%s: %d were made where there was room for 10: %v", name, made, answers)
			}
			if w := send(c.h, list.again()); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "no room") {
				t.Errorf("%s: got %d %s, want 409", name, w.Code, w.Body)
			}
			if list.listed == "" {
				continue
			}
			if n := len(do[struct{ Body []struct{} }](t, c.h, "GET", list.listed, c.owner, nil).Body); n != list.most {
				t.Errorf("%s: %d are listed, want %d", name, n, list.most)
			}
		}
	})
}

func TestARoleThatNothingDecidesStopsTheStart(t *testing.T) {
	if err := checkRoles(api.List{{ID: "archiveServer", Role: "manage_nonsense"}}); err == nil ||
		err.Error() != `archiveServer: there is no x-required-role "manage_nonsense"` {
		t.Errorf("got %v", err)
	}
	for _, role := range []string{"", "anyone", "member", "owner", "kick_members", "post_messages"} {
		if err := checkRoles(api.List{{ID: "archiveServer", Role: role}}); err != nil {
			t.Errorf("%q: got %v", role, err)
		}
	}
}
