package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

const (
	pageOrigin  = "https://app.example"
	otherOrigin = "https://elsewhere.example"
)

// withCORS serves with these origins and returns the base URL and a token.
func withCORS(t *testing.T, origins ...string) (base, token string) {
	t.Helper()
	config := onSQLite(t)
	config.CORSOrigins = origins
	s := open(t, config)
	return listen(t, s), tokenOf(t, s, "a@example.com")
}

// ownKeys is the path of the API keys of a server that the holder of a token makes: an answer that a page may read.
func ownKeys(t *testing.T, base, token string) string {
	t.Helper()
	answer, err := http.DefaultClient.Do(createRequest(base+"/servers", token, "Chess club"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var made gen.CreatedServerResponse
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil {
		t.Fatal(err)
	}
	return "/apis/v1/communities/" + made.Body.ID + "/api-keys"
}

// exchange sends a request over the wire, with these headers in pairs, and returns the answer without its body.
func exchange(t *testing.T, method, url string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer
}

// preflight asks as a browser does before a page may send a request with a credential: without one.
func preflight(t *testing.T, url, origin, method string) *http.Response {
	t.Helper()
	return exchange(t, "OPTIONS", url, "Origin", origin, "Access-Control-Request-Method", method,
		"Access-Control-Request-Headers", "authorization,content-type,idempotency-key,x-request-id")
}

// lists says whether a header, which may come several times, has a member. Browsers compare names without regard to case.
func lists(answer *http.Response, header, member string) bool {
	for _, value := range answer.Header.Values(header) {
		for one := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(one), member) {
				return true
			}
		}
	}
	return false
}

func TestAPreflightNeedsNoCredentialAndAllowsWhatClientsSend(t *testing.T) {
	base, _ := withCORS(t, otherOrigin+":444", pageOrigin)
	for path, method := range map[string]string{
		"/apis/v1/channels": "GET",
		"/v1/channels":      "GET",
		"/apis/v1/communities/6b02001f34e37cefdd69a374/api-keys": "POST",
		"/api/secureAuth/token":                                  "POST",
		"/widgets/leaderboard":                                   "GET",
	} {
		answer := preflight(t, base+path, pageOrigin, method)
		if answer.StatusCode != http.StatusNoContent || answer.Header.Get("Access-Control-Allow-Origin") != pageOrigin ||
			answer.Header.Get("Access-Control-Allow-Credentials") != "true" || answer.Header.Get("Access-Control-Max-Age") != "600" {
			t.Errorf("%s: got %d %v", path, answer.StatusCode, answer.Header)
		}
		for header, members := range map[string][]string{
			"Access-Control-Allow-Methods": {method},
			"Access-Control-Allow-Headers": {"Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"},
			"Vary":                         {"Origin"},
		} {
			for _, member := range members {
				if !lists(answer, header, member) {
					t.Errorf("%s: %s does not list %s: %v", path, header, member, answer.Header)
				}
			}
		}
	}
}

func TestAPageOfAnAllowedOriginMayReadAnswersAndErrors(t *testing.T) {
	base, token := withCORS(t, pageOrigin)
	for name, test := range map[string]struct {
		path, credential string
		status           int
	}{
		"an answer":          {ownKeys(t, base, token), token, http.StatusOK},
		"no credential":      {"/apis/v1/channels", "", http.StatusUnauthorized},
		"what is not there":  {"/apis/v1/nothing", token, http.StatusNotFound},
		"the other prefix":   {"/v1/channels", token, http.StatusForbidden},
		"a widget not there": {"/widgets/nothing", "", http.StatusNotFound},
	} {
		answer := exchange(t, "GET", base+test.path, "Origin", pageOrigin, "Authorization", "Bearer "+test.credential)
		if answer.StatusCode != test.status || answer.Header.Get("Access-Control-Allow-Origin") != pageOrigin || !lists(answer, "Vary", "Origin") {
			t.Errorf("%s: got %d %v", name, answer.StatusCode, answer.Header)
		}
		for _, header := range []string{"X-Request-Id", "Retry-After", "Idempotent-Replayed"} {
			if !lists(answer, "Access-Control-Expose-Headers", header) {
				t.Errorf("%s: the page may not read %s: %v", name, header, answer.Header)
			}
		}
	}
}

func TestOtherOriginsAndOtherPathsAreAllowedNothing(t *testing.T) {
	base, token := withCORS(t, pageOrigin)
	for _, test := range []struct{ path, origin string }{
		{"/apis/v1/channels", otherOrigin},
		{"/apis/v1/channels", "null"},
		{"/apis/v1/channels", "http://app.example"},
		{"/apis/v1/channels", "https://app.example:8443"},
		{"/apis/v1/channels", "https://app.example.elsewhere.example"},
		{"/apis/v1/channels", "https://my.app.example"},
		{"/apis/v1/channels", "https://appxexample"},
		{"/servers", pageOrigin},
		{"/api/v1/servers", pageOrigin},
		{"/docs", pageOrigin},
		{"/metrics", pageOrigin},
		{"/openapi.yaml", pageOrigin},
		{"/apis/v11/channels", pageOrigin},
		{"/widgetsmith", pageOrigin},
	} {
		for _, answer := range []*http.Response{
			preflight(t, base+test.path, test.origin, "GET"),
			exchange(t, "GET", base+test.path, "Origin", test.origin, "Authorization", "Bearer "+token),
		} {
			for header := range answer.Header {
				if strings.HasPrefix(header, "Access-Control-") {
					t.Errorf("%s from %s: got %s %s", test.path, test.origin, header, answer.Header.Get(header))
				}
			}
		}
	}
	// What is refused to one origin must not be kept for another.
	if answer := exchange(t, "GET", base+"/apis/v1/channels"); !lists(answer, "Vary", "Origin") {
		t.Errorf("an answer to no origin does not vary: %v", answer.Header)
	}
}

func TestEveryOriginIsAllowedWithoutCredentialsOfTheBrowser(t *testing.T) {
	base, token := withCORS(t, "*")
	for _, origin := range []string{pageOrigin, otherOrigin, "null"} {
		for _, answer := range []*http.Response{
			preflight(t, base+"/apis/v1/channels", origin, "GET"),
			exchange(t, "GET", base+"/apis/v1/channels", "Origin", origin, "Authorization", "Bearer "+token),
		} {
			if answer.Header.Get("Access-Control-Allow-Origin") != "*" || answer.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("from %s: got %v", origin, answer.Header)
			}
		}
	}
}

func TestWithoutOriginsNothingIsSaidOfThem(t *testing.T) {
	base, token := withCORS(t)
	for _, answer := range []*http.Response{
		preflight(t, base+"/apis/v1/channels", pageOrigin, "GET"),
		exchange(t, "GET", base+"/apis/v1/channels", "Origin", pageOrigin, "Authorization", "Bearer "+token),
	} {
		if answer.Header.Get("Access-Control-Allow-Origin") != "" || answer.Header.Get("Vary") != "" {
			t.Errorf("got %v", answer.Header)
		}
	}
}

func TestWhatIsNoOriginStopsTheStart(t *testing.T) {
	for _, origins := range [][]string{{"null"}, {""}, {"https://*.example"}, {"https://app.example/"}, {"*", pageOrigin}} {
		config := onSQLite(t)
		config.CORSOrigins = origins
		s, err := New(t.Context(), config)
		if err == nil {
			s.Close()
			t.Errorf("%q is taken", origins)
		} else if !strings.HasPrefix(err.Error(), "CORS: ") {
			t.Errorf("%q: got %v, want an error that names CORS", origins, err)
		}
	}
}
