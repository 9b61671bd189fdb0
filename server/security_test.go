package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
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
