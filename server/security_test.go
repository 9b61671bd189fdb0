package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
)

// Who may call what is proven by the suite, from the outside. Only from inside a clock can be put back.
func TestEveryOperationRefusesACredentialThatHasEnded(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		for who, credential := range endedCredentials(t, s) {
			for _, op := range operations {
				if len(op.Schemes) == 0 {
					continue
				}
				for _, header := range []http.Header{{"Authorization": {"Bearer " + credential}}, {"X-Api-Key": {credential}}} {
					r := httptest.NewRequest(op.Method, op.Fill(exampleOf), nil)
					r.Header = header
					if answer := send(s.Handler(), r); answer.Code != http.StatusUnauthorized {
						t.Errorf("%s by %s: got %d, want 401: %s", op.ID, who, answer.Code, answer.Body)
					}
				}
			}
		}
	})
}

// The maker of a key was an administrator for a moment. From then on, the key is good for nothing, whatever it asks for.
func TestEveryOperationRefusesAKeyThatNobodyVouchesFor(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		key := c.keyOf(t, c.ben, "channels")
		c.takes(t)
		asked := 0
		for _, op := range operations {
			if len(op.Schemes) == 0 {
				continue
			}
			for _, header := range []http.Header{{"Authorization": {"Bearer " + key}}, {"X-Api-Key": {key}}} {
				r := httptest.NewRequest(op.Method, op.Fill(exampleOf), nil)
				r.Header = header
				answer := send(s.Handler(), r)
				if asked++; answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "permission_denied") {
					t.Errorf("%s: got %d, want 403: %s", op.ID, answer.Code, answer.Body)
				}
			}
		}
		if asked < 60 {
			t.Errorf("only %d requests were sent", asked)
		}
		if w := send(s.Handler(), request("GET", "/channels", key)); !strings.Contains(problemOf(t, w).Meta.DevMessage, "adopt") {
			t.Errorf("the reason is missing: %s", w.Body)
		}
	})
}

// exampleOf is a value that a path parameter may have.
func exampleOf(p *openapi3.Parameter) string {
	switch p.Schema.Value.Format {
	case "objectid":
		return contract.NewID()
	case "uuid":
		return "9a7dd13a-59e6-4a65-8fd2-9f4a6d9f6d3b"
	}
	return "1"
}

// endedCredentials are such as were good once, by what has ended them.
func endedCredentials(t *testing.T, s *Server) map[string]string {
	t.Helper()
	h := s.Handler()
	past := time.Now().Add(-2 * sessionLife)
	s.now = func() time.Time { return past }
	expired := tokenOf(t, s, "expired@example.com")
	s.now = time.Now
	ended := tokenOf(t, s, "ended@example.com")
	do[gen.EmptyResponse](t, h, "POST", "/auth/logout", ended, nil)

	owner := tokenOf(t, s, "owner@example.com")
	keys := "/apis/v1/communities/" + createServer(t, h, owner, "Chess club") + "/api-keys"
	key := func() gen.APIKey {
		return do[gen.APIKeyResponse](t, h, "POST", keys, owner, map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data
	}
	idle, deleted := key(), key()
	do[gen.APIKeyResponse](t, h, "PUT", keys+"/"+idle.ID, owner, map[string]any{"isActive": false})
	do[gen.APIKeyResponse](t, h, "DELETE", keys+"/"+deleted.ID, owner, nil)
	return map[string]string{
		"an expired session": expired, "an ended session": ended, "a key that is not active": idle.Key, "a deleted key": deleted.Key,
	}
}

// do sends a request that must succeed, with a body if there is one.
func do[T any](t testing.TB, h http.Handler, method, target, token string, body any) (answer T) {
	t.Helper()
	r := request(method, target, token)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r = httptest.NewRequest(method, target, bytes.NewReader(text))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
	}
	w := send(h, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code >= 300 {
		t.Fatalf("%s %s answered %d: %s (%v)", method, target, w.Code, w.Body, err)
	}
	return answer
}

// What was just used, and may be remembered, is gone for the very next request once it was taken away.
func TestWhatIsTakenAwayIsGoneForTheNextRequest(t *testing.T) {
	audit := func(c club) *http.Request { return request("GET", "/servers/"+c.id+"/audit", c.ben) }
	channels := func(credential string) func(club) *http.Request {
		return func(c club) *http.Request { return request("GET", "/channels?serverId="+c.id, credential) }
	}
	keys := func(c club) string { return "/apis/v1/communities/" + c.id + "/api-keys" }
	withKey := func(change func(t *testing.T, c club, key gen.APIKey)) func(*testing.T, club) (func(club) *http.Request, func()) {
		return func(t *testing.T, c club) (func(club) *http.Request, func()) {
			key := do[gen.APIKeyResponse](t, c.h, "POST", keys(c), c.owner, map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data
			return channels(key.Key), func() { change(t, c, key) }
		}
	}
	byBen := func(change func(*testing.T, club)) func(*testing.T, club) (func(club) *http.Request, func()) {
		return func(t *testing.T, c club) (func(club) *http.Request, func()) {
			return channels(c.keyOf(t, c.ben, "channels")), func() { change(t, c) }
		}
	}
	onRole := func(method string, body map[string]any) func(*testing.T, club) (func(club) *http.Request, func()) {
		return func(t *testing.T, c club) (func(club) *http.Request, func()) {
			return audit, func() { do[gen.EmptyResponse](t, c.h, method, "/roles/"+c.role, c.owner, body) }
		}
	}
	demoted := roleWith("", "kick_members")
	delete(demoted, "serverId")
	cases := map[string]struct {
		away func(*testing.T, club) (use func(club) *http.Request, take func())
		want int
	}{
		"a session": {func(t *testing.T, c club) (func(club) *http.Request, func()) {
			return audit, func() { do[gen.EmptyResponse](t, c.h, "POST", "/auth/logout", c.ben, nil) }
		}, 401},
		"a membership": {func(t *testing.T, c club) (func(club) *http.Request, func()) {
			return channels(c.ben), func() { do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.ben, nil) }
		}, 404},
		"a membership, by who manages users": {func(t *testing.T, c club) (func(club) *http.Request, func()) {
			return channels(c.ben), func() { c.deletes(t) }
		}, 404},
		"a server": {func(t *testing.T, c club) (func(club) *http.Request, func()) {
			return channels(c.ben), func() { do[gen.EmptyResponse](t, c.h, "DELETE", "/servers/"+c.id, c.owner, nil) }
		}, 404},
		"a role":                 {func(t *testing.T, c club) (func(club) *http.Request, func()) { return audit, func() { c.takes(t) } }, 403},
		"a permission of a role": {onRole("PUT", demoted), 403},
		"a role that is deleted": {onRole("DELETE", nil), 403},
		"a key that is deleted": {withKey(func(t *testing.T, c club, key gen.APIKey) {
			do[gen.APIKeyResponse](t, c.h, "DELETE", keys(c)+"/"+key.ID, c.owner, nil)
		}), 401},
		"a key that is made inactive": {withKey(func(t *testing.T, c club, key gen.APIKey) {
			do[gen.APIKeyResponse](t, c.h, "PUT", keys(c)+"/"+key.ID, c.owner, map[string]any{"isActive": false})
		}), 401},
		"a permission of a key": {withKey(func(t *testing.T, c club, key gen.APIKey) {
			do[gen.APIKeyResponse](t, c.h, "PUT", keys(c)+"/"+key.ID, c.owner, map[string]any{"permissions": []string{"roles"}})
		}), 403},
		"the rank of who made a key": {byBen(func(t *testing.T, c club) { c.takes(t) }), 403},
		"the permission of the rank of who made a key": {byBen(func(t *testing.T, c club) {
			do[gen.EmptyResponse](t, c.h, "PUT", "/roles/"+c.role, c.owner, demoted)
		}), 403},
		"the role that gave rank to who made a key": {byBen(func(t *testing.T, c club) {
			do[gen.EmptyResponse](t, c.h, "DELETE", "/roles/"+c.role, c.owner, nil)
		}), 403},
		"the membership of who made a key": {byBen(func(t *testing.T, c club) {
			do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.ben, nil)
		}), 403},
		"a key, with its whole server": {withKey(func(t *testing.T, c club, _ gen.APIKey) {
			do[gen.EmptyResponse](t, c.h, "DELETE", "/servers/"+c.id, c.owner, nil)
		}), 401},
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		for name, taken := range cases {
			t.Run(name, func(t *testing.T) {
				c := newClub(t, s, "server_administrator")
				use, take := taken.away(t, c)
				for range 3 {
					if w := send(c.h, use(c)); w.Code != http.StatusOK {
						t.Fatalf("before: got %d %s", w.Code, w.Body)
					}
				}
				take()
				if w := send(c.h, use(c)); w.Code != taken.want {
					t.Errorf("afterwards: got %d %s, want %d", w.Code, w.Body, taken.want)
				}
			})
		}
	})
}
