package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// under sends a request under an Idempotency-Key and wants it to succeed.
func under[T any](t *testing.T, h http.Handler, key string, r *http.Request) (answer T, replayed bool) {
	t.Helper()
	r.Header.Set("Idempotency-Key", key)
	w := send(h, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("got %d %s (%v)", w.Code, w.Body, err)
	}
	return answer, w.Header().Get("Idempotent-Replayed") == "true"
}

// The suite says so of every operation that creates.
func TestTheSameIdempotencyKeyAfterANewLogInMakesNothingTwice(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		first, second := tokenOf(t, s, "owner@example.com"), tokenOf(t, s, "owner@example.com")
		create := func(token string) (string, bool) {
			answer, replayed := under[gen.CreatedServerResponse](t, s.Handler(), "once", createRequest("/servers", token, "Chess club"))
			return answer.Body.ID, replayed
		}
		made, replayed := create(first)
		if replayed {
			t.Error("the first answer says that it is none")
		}
		if again, replayed := create(second); again != made || !replayed {
			t.Errorf("in another session: got the server %s, replayed %v; want %s again", again, replayed, made)
		}
		if other, replayed := create(tokenOf(t, s, "other@example.com")); other == made || replayed {
			t.Error("another account has got the answer")
		}
	})
}

func createKey(id, token string) *http.Request {
	return jsonRequest("/apis/v1/communities/"+id+"/api-keys", token, map[string]any{"name": "shop", "permissions": []string{"badges"}})
}

func TestAReplayedSecretIsShownToTheCredentialThatHasAskedFirst(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		first, second := tokenOf(t, s, "owner@example.com"), tokenOf(t, s, "owner@example.com")
		id := createServer(t, s.Handler(), first, "Chess club")
		create := func(token string) gen.APIKey {
			answer, _ := under[gen.APIKeyResponse](t, s.Handler(), "once", createKey(id, token))
			return answer.Data
		}
		made := create(first)
		hidden := made
		hidden.Key = masked(made.Key)
		for range 2 {
			if diff := cmp.Diff(asText(t, made), asText(t, create(first))); diff != "" || len(made.Key) != 64 {
				t.Errorf("in the same session: want the first answer, whole:\n%s", diff)
			}
			if diff := cmp.Diff(asText(t, hidden), asText(t, create(second))); diff != "" {
				t.Errorf("in another session: want the first answer with the key masked:\n%s", diff)
			}
		}
		if listed := do[gen.APIKeyListResponse](t, s.Handler(), "GET", "/apis/v1/communities/"+id+"/api-keys", first, nil).Data; len(listed) != 1 {
			t.Errorf("there are %d keys, want 1", len(listed))
		}
	})
}

func asText(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whoever has the database and has guessed the Idempotency-Key opens no more than what the database tells anyway.
func TestAKeptAnswerIsSealedAndItsSecretsOpenByTheCredentialOnly(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	token := tokenOf(t, s, "owner@example.com")
	id := createServer(t, s.Handler(), token, "Chess club")
	made, _ := under[gen.APIKeyResponse](t, s.Handler(), "once", createKey(id, token))
	key := made.Data.Key
	for _, name := range []string{"rejoin.db", "rejoin.db-wal"} {
		content, err := os.ReadFile(config.Data + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(key)) {
			t.Errorf("%s holds the key", name)
		}
	}

	thief := claimFor("createApiKey", "account 1", "", "once", [][]string{{"data", "key"}})
	kept, err := inTx(t.Context(), s.core, func(tx *store.Tx) (*store.Claim, error) {
		return tx.Idempotency.Claim(t.Context(), store.Claim{ID: thief.id()}, s.now())
	})
	if err != nil || kept == nil {
		t.Fatalf("the kept answer is not found: %v", err)
	}
	var opened gen.APIKeyResponse
	if err := thief.unseal(kept.Answer, &opened); err != nil || opened.Data.Key != masked(key) || opened.Data.Name != "shop" {
		t.Errorf("got %+v (%v), want the answer without its secret", opened.Data, err)
	}
}

// Whoever has no credential is known by their network: a caller keeps it also where an address changes all day.
func TestAnIdempotencyKeyOfNobodyBelongsToANetwork(t *testing.T) {
	s := open(t, onSQLite(t))
	register := func(from string) *httptest.ResponseRecorder {
		r := jsonRequest("/auth/register", "", map[string]any{"email": "a@example.com", "password": passphrase})
		r.RemoteAddr = from
		r.Header.Set("Idempotency-Key", "once")
		return send(s.Handler(), r)
	}
	first := register("[2001:db8:1:2::1]:1")
	again := register("[2001:db8:1:2:ffff::2]:2")
	if first.Code != http.StatusCreated || again.Code != http.StatusCreated || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("got %d and %d, replayed %q", first.Code, again.Code, again.Header().Get("Idempotent-Replayed"))
	}
	if other := register("[2001:db8:1:3::1]:1"); other.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("another network has got the answer: %d", other.Code)
	}
}
