package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestAnAnswerThatBreaksTheContractIsLoggedOrRefused(t *testing.T) {
	for _, test := range []struct {
		check  string
		status int
		logged bool
	}{
		{"", http.StatusCreated, false},
		{"off", http.StatusCreated, false},
		{"log", http.StatusCreated, true},
		{"enforce", http.StatusInternalServerError, true},
	} {
		t.Run(test.check, func(t *testing.T) {
			var log bytes.Buffer
			config := onSQLite(t)
			config.CheckAnswers, config.Log = test.check, slog.New(slog.NewTextHandler(&log, nil))
			s := open(t, config)
			token := tokenOf(t, s, "a@example.com")
			if w := send(s.Handler(), createRequest("/servers", token, "good")); w.Code != http.StatusCreated || strings.Contains(log.String(), "breaks the contract") {
				t.Fatalf("a good answer: got %d: %s", w.Code, &log)
			}
			if w := send(s.Handler(), request("GET", "/servers/nonsense", token)); w.Code != http.StatusBadRequest {
				t.Errorf("a good refusal: got %d", w.Code)
			}
			ids := 0
			s.newID = func() string { ids++; return strings.Repeat("X", ids) } // no ids of the contract
			w := send(s.Handler(), createRequest("/servers", token, "bad"))
			if w.Code != test.status || strings.Contains(log.String(), "breaks the contract") != test.logged {
				t.Errorf("got %d, want %d; logged must be %v: %s", w.Code, test.status, test.logged, &log)
			}
			if test.check == "enforce" && (problemOf(t, w).Body.Code != gen.ProblemCodeInternal || strings.Contains(w.Body.String(), "objectid")) {
				t.Errorf("want an internal error that tells nothing: %s", w.Body)
			}
		})
	}
}

func TestCheckedAnswersOfOtherKindsPass(t *testing.T) {
	config := onSQLite(t)
	config.CheckAnswers = "enforce"
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel)))
	_, id, _ := strings.Cut(w.Body.String(), "/images/")
	if w := send(s.Handler(), request("GET", "/images/"+id[:32], "")); w.Code != http.StatusOK || w.Body.String() != onePixel {
		t.Errorf("an image: got %d, %q", w.Code, w.Body)
	}
	if w := send(s.Handler(), request("GET", "/openapi.json", "")); w.Code != http.StatusOK || w.Body.Len() == 0 {
		t.Errorf("a page: got %d", w.Code)
	}
}

// Who has made a plausible mistake reads what to do instead.
func TestWhatIsWrongIsSaidWithWhatIsWanted(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		token := signUp(t, s, config.Data, "vera@example.com")
		id := createServer(t, h, token, "Chess club")
		me := do[gen.AccountResponse](t, h, "GET", "/auth/me", token, nil).Body
		at := "/apis/v1/communities/" + id
		field := do[gen.UserFieldResponse](t, h, "POST", at+"/user-fields", token, map[string]any{"field": "level", "name": "Level", "type": "text"}).Data.ID
		key := do[gen.APIKeyResponse](t, h, "POST", at+"/api-keys", token, map[string]any{"name": "shop", "permissions": []string{"getUserData", "sendMessage"}}).Data.Key
		filter := func(name string, value any) map[string]any {
			return map[string]any{"filter": map[string]any{name: value}}
		}
		for _, c := range []struct {
			method, path, token string
			body                map[string]any
			pointer             string
			code                gen.FieldCode
			message             string
		}{
			{"POST", "/apis/v1/messages/send", token, map[string]any{"channelId": id}, "", gen.FieldCodeTooFew, "must have a message, images, or both"},
			{"DELETE", "/auth/me", token, map[string]any{}, "/password", gen.FieldCodeRequired, "is required"},
			{"POST", "/apis/v1/users/filter", key, filter("first_name", map[string]any{"gte": "A"}), "/filter/first_name", gen.FieldCodeWrongType, "must be a text: it takes no range"},
			{"POST", "/apis/v1/users/filter", key, filter("join_date", "yesterday"), "/filter/join_date", gen.FieldCodeWrongType,
				"must be a day as YYYY-MM-DD, a moment of RFC 3339, or an object with gte, lte or both"},
			{"POST", "/apis/v1/users/filter", key, filter("xp", "much"), "/filter/xp", gen.FieldCodeWrongType, "must be a whole number, or an object with gte, lte or both"},
			{"GET", at + "/users/" + me.Number, key, map[string]any{}, "path/userId", gen.FieldCodeWrongFormat,
				"must be the _id of an account, 24 lower-case hexadecimal characters, and not its number"},
			{"POST", "/roles/" + id + "/add", token, map[string]any{"userId": me.ID[:8]}, "/userId", gen.FieldCodeWrongFormat,
				`must be the number of an account as a text, such as "2", and not its _id`},
			{"POST", "/apis/v1/users/apikeys?userId=" + me.ID, token, map[string]any{"name": "phone", "permissions": []string{}, "communityId": id, "expireDate": "2001-01-01T00:00:00Z"},
				"/expireDate", gen.FieldCodeTooSmall, "must be in the future"},
			{"POST", at + "/user-fields/" + field + "/users/" + me.ID + "/histories", token, map[string]any{"value": "", "at": "2999-01-01T00:00:00.000Z"},
				"/at", gen.FieldCodeTooLarge, "must not be in the future"},
			{"PATCH", "/auth/me", token, map[string]any{}, "", gen.FieldCodeTooFew, "must have at least 1 member"},
		} {
			w := sendJSON(h, c.method, c.path, c.token, c.body)
			want := fmt.Sprintf(`{"pointer":%q,"code":%q,"message":%q}`, c.pointer, c.code, c.message)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s %s: got %d %s, want %s", c.method, c.path, w.Code, w.Body, want)
			}
		}
		ben := signUp(t, s, config.Data, "ben@example.com")
		for _, server := range []string{id, "66a282dab13eee0013cbb4d8"} {
			w := sendJSON(h, "POST", "/servers/"+server+"/join", ben, map[string]any{})
			if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "or it takes an invite that is good") {
				t.Errorf("joining: got %d %s", w.Code, w.Body)
			}
		}
	})
}
