package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
)

// unread fails the test when it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestAnAddressIsLimitedBeforeItsBodyIsRead(t *testing.T) {
	s := open(t, onSQLite(t))
	now := time.Now()
	s.now = func() time.Time { return now }
	ask := func(i int) *http.Request {
		return jsonRequest("/auth/resend-code", "", map[string]any{"email": fmt.Sprintf("%d@example.com", i)})
	}
	for i := range 120 {
		r := ask(i)
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		if w := send(s.Handler(), r); w.Code != http.StatusOK {
			t.Fatalf("request %d: got %d %s", i+1, w.Code, w.Body)
		}
	}
	r := ask(121)
	r.Header.Set("X-Forwarded-For", "203.0.113.99")
	r.Body = io.NopCloser(unread{t})
	w := send(s.Handler(), r)
	if problem := problemOf(t, w); w.Code != http.StatusTooManyRequests || problem.Body.Code != gen.ProblemCodeRateLimited || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %s, Retry-After %s; want 429 rate_limited, and to come again in a second", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	other := ask(122)
	other.RemoteAddr = "192.0.2.2:1234"
	if w := send(s.Handler(), other); w.Code != http.StatusOK {
		t.Errorf("another address: got %d", w.Code)
	}
	now = now.Add(time.Second)
	if w := send(s.Handler(), ask(123)); w.Code != http.StatusOK {
		t.Errorf("a second later: got %d", w.Code)
	}
}

func TestATrustedProxySaysWhoseRequestsAreCounted(t *testing.T) {
	config := onSQLite(t)
	config.TrustProxy = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s := open(t, config)
	now := time.Now()
	s.now = func() time.Time { return now }
	from := func(i int, address string) int {
		r := jsonRequest("/auth/resend-code", "", map[string]any{"email": fmt.Sprintf("%d@example.com", i)})
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d, %s", i, address)) // the left one is the client's word
		return send(s.Handler(), r).Code
	}
	for i := range 121 {
		if got := from(i, fmt.Sprintf("2001:db8::%d", i)); (got == http.StatusOK) != (i < 120) {
			t.Errorf("request %d: got %d", i+1, got)
		}
	}
	if got := from(121, "203.0.113.9"); got != http.StatusOK {
		t.Errorf("another client of the proxy: got %d", got)
	}
}

func TestAnAccountIsLimitedForEachNetworkByItself(t *testing.T) {
	s := open(t, onSQLite(t))
	now := time.Now()
	s.now = func() time.Time { return now }
	s.passwords.Compare = func(string, string) (bool, error) { return false, nil }
	from := func(i int, email string) (status int, retryAfter string) {
		r := jsonRequest("/auth/login", "", map[string]any{"email": email, "password": passphrase})
		r.RemoteAddr = fmt.Sprintf("[2001:db8:0:1::%d]:1234", i)
		w := send(s.Handler(), r)
		return w.Code, w.Header().Get("Retry-After")
	}
	for i := range 10 {
		if got, _ := from(i, []string{"a@example.com", "A@Example.com"}[i%2]); got != http.StatusUnauthorized {
			t.Fatalf("login %d: got %d", i+1, got)
		}
	}
	now = now.Add(2500 * time.Millisecond)
	if got, after := from(11, "a@EXAMPLE.com"); got != http.StatusTooManyRequests || after != "8" {
		t.Errorf("got %d, Retry-After %s; want 429 and 8 seconds", got, after)
	}
	if got, _ := from(11, "b@example.com"); got != http.StatusUnauthorized {
		t.Errorf("another account: got %d", got)
	}
	r := jsonRequest("/auth/login", "", map[string]any{"email": "a@example.com", "password": passphrase})
	r.RemoteAddr = "[2001:db8:0:2::1]:1234"
	if got := send(s.Handler(), r).Code; got != http.StatusUnauthorized {
		t.Errorf("another network, whose tries these were not: got %d", got)
	}
	now = now.Add(8 * time.Second)
	if got, _ := from(11, "a@example.com"); got != http.StatusUnauthorized {
		t.Errorf("after the time it was told: got %d", got)
	}
}

func TestASessionIsLimitedByAccountWhereverItsRequestsComeFrom(t *testing.T) {
	s := open(t, onSQLite(t))
	token, other := tokenOf(t, s, "a@example.com"), tokenOf(t, s, "b@example.com")
	now := time.Now()
	s.now = func() time.Time { return now }
	from := func(address, token string) int {
		r := request("GET", "/auth/me", token)
		r.RemoteAddr = address + ":1234"
		return send(s.Handler(), r).Code
	}
	for i := range 120 {
		if got := from("192.0.2.1", token); got != http.StatusOK {
			t.Fatalf("request %d: got %d", i+1, got)
		}
	}
	for _, test := range []struct {
		name, address, token string
		want                 int
	}{
		{"the same address and account", "192.0.2.1", token, http.StatusTooManyRequests},
		{"the same account", "192.0.2.2", token, http.StatusTooManyRequests},
		{"the same address", "192.0.2.1", other, http.StatusOK},
		{"neither", "192.0.2.2", other, http.StatusOK},
	} {
		if got := from(test.address, test.token); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

// In one network, behind one address say, are many who know nothing of each other.
func TestWhatNeighboursDoRefusesNoGoodSession(t *testing.T) {
	s := open(t, onSQLite(t))
	token, ended := tokenOf(t, s, "a@example.com"), tokenOf(t, s, "a@example.com")
	do[any](t, s.Handler(), "POST", "/auth/logout", ended, nil)
	now := time.Now()
	s.now = func() time.Time { return now }
	guess := strings.Repeat("0", 64)
	for i := range 400 { // more than all limits
		send(s.Handler(), request("GET", "/auth/me", guess))
		send(s.Handler(), request("POST", "/auth/change-password", guess))
		send(s.Handler(), jsonRequest("/auth/resend-code", "", map[string]any{"email": fmt.Sprintf("%d@example.com", i)}))
	}
	w := send(s.Handler(), request("GET", "/auth/me", ended))
	if w.Code != http.StatusUnauthorized || w.Header().Get("Retry-After") != "1" || problemOf(t, w).Body.Code != gen.ProblemCodeUnauthenticated {
		t.Errorf("a session that has ended: got %d %v, want to hear that, and when to try again", w.Code, w.Header())
	}
	for _, r := range []*http.Request{
		request("GET", "/auth/me", token),
		jsonRequest("/auth/change-password", token, map[string]any{"password": passphrase, "newPassword": passphrase + " too"}),
		request("DELETE", "/auth/sessions", token),
		request("POST", "/auth/logout", token),
	} {
		if w := send(s.Handler(), r); w.Code == http.StatusTooManyRequests || w.Code == http.StatusUnauthorized || w.Code >= 500 {
			t.Errorf("%s %s: got %d %s", r.Method, r.URL, w.Code, w.Body)
		}
	}
}

func TestTheKeysOfACommunityShareItsRate(t *testing.T) {
	s, _ := limited(t, api.Reads, 3)
	token := tokenOf(t, s, "a@example.com")
	keyOf := func(club string) string {
		return do[gen.APIKeyResponse](t, s.Handler(), "POST", "/apis/v1/communities/"+club+"/api-keys", token,
			map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data.Key
	}
	club, other := createServer(t, s.Handler(), token, "Chess club"), createServer(t, s.Handler(), token, "Go club")
	keys := []string{keyOf(club), keyOf(club)}
	for i := range 6 {
		if w := send(s.Handler(), request("GET", "/channels", keys[i%2])); (w.Code == http.StatusOK) != (i < 3) {
			t.Errorf("request %d: got %d %s", i, w.Code, w.Body)
		}
	}
	if w := send(s.Handler(), request("GET", "/channels", keyOf(other))); w.Code != http.StatusOK {
		t.Errorf("another community: got %d", w.Code)
	}
}

func TestCommunitiesWithoutEndGiveAnAccountNoRateWithoutEnd(t *testing.T) {
	s, _ := limited(t, api.Reads, 3)
	class := s.limits.classes[api.Reads]
	class.voucher = limiterOf(rate{5, time.Second}, 1)
	s.limits.classes[api.Reads] = class
	token, other := tokenOf(t, s, "a@example.com"), tokenOf(t, s, "b@example.com")
	keyOf := func(token string) string {
		club := createServer(t, s.Handler(), token, "Chess club")
		return do[gen.APIKeyResponse](t, s.Handler(), "POST", "/apis/v1/communities/"+club+"/api-keys", token,
			map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data.Key
	}
	for i := range 10 { // each in a community that has not called yet
		if w := send(s.Handler(), request("GET", "/channels", keyOf(token))); (w.Code == http.StatusOK) != (i < 5) {
			t.Errorf("request %d: got %d %s", i, w.Code, w.Body)
		}
	}
	if w := send(s.Handler(), request("GET", "/channels", keyOf(other))); w.Code != http.StatusOK {
		t.Errorf("of another account: got %d", w.Code)
	}
}

// Nothing of the contract may be called as often as one likes: what was added yesterday is limited, too.
func TestEveryOperationIsLimited(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	never := &limiter{ratelimit.New(0, time.Second), []string{"0"}}
	for name, class := range s.limits.classes {
		class.caller = never
		s.limits.classes[name] = class
	}
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range operations {
		r := request(op.Method, op.Path, token)
		r.Body = io.NopCloser(unread{t})
		w := send(s.Handler(), r)
		if w.Code == http.StatusForbidden && !op.Takes(api.SessionAuth) {
			continue // it is for keys, which the account has none of
		}
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || w.Header().Get("RateLimit-Remaining") != "0" {
			t.Errorf("%s: got %d %v, want to hear when to call again", op.ID, w.Code, w.Header())
		}
	}
	if w := send(s.Handler(), request("POST", "/api/v1/auth/login", "")); w.Code != http.StatusTooManyRequests {
		t.Errorf("at its other path: got %d, want 429", w.Code)
	}
}

// limited sets the rates of a class, and a clock that stands still.
func limited(t *testing.T, class string, burst int) (s *Server, now *time.Time) {
	t.Helper()
	s = open(t, onSQLite(t))
	now = new(time.Now())
	s.now = func() time.Time { return *now }
	s.limits.classes[class] = limitClass{caller: limiterOf(rate{burst, time.Second}, 1)}
	return s, now
}

func TestACallerIsLimitedAndToldWhatIsLeft(t *testing.T) {
	s, now := limited(t, api.Reads, 3)
	token, other := tokenOf(t, s, "a@example.com"), tokenOf(t, s, "b@example.com")
	again := tokenOf(t, s, "a@example.com")
	from := func(address, token string) *httptest.ResponseRecorder {
		r := request("GET", "/servers", token)
		r.RemoteAddr = address
		return send(s.Handler(), r)
	}
	for i, test := range []struct {
		address, token          string
		status                  int
		remaining, reset, retry string
	}{
		{"192.0.2.1:1", token, 200, "2", "1", ""},
		{"192.0.2.2:1", again, 200, "1", "2", ""}, // a new session is no new account
		{"192.0.2.1:1", token, 200, "0", "3", ""},
		{"192.0.2.3:1", token, 429, "0", "3", "1"},
		{"192.0.2.1:1", other, 200, "2", "1", ""},
	} {
		w := from(test.address, test.token)
		header := w.Header()
		if w.Code != test.status || header.Get("RateLimit-Limit") != "3" || header.Get("RateLimit-Remaining") != test.remaining ||
			header.Get("RateLimit-Reset") != test.reset || header.Get("Retry-After") != test.retry {
			t.Errorf("%d: got %d %v, want %+v", i, w.Code, header, test)
		}
	}
	*now = now.Add(time.Second)
	if w := from("192.0.2.1:1", token); w.Code != http.StatusOK {
		t.Errorf("a second later: got %d", w.Code)
	}
	club := createServer(t, s.Handler(), other, "Chess club")
	key := do[gen.APIKeyResponse](t, s.Handler(), "POST", "/apis/v1/communities/"+club+"/api-keys", other,
		map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data.Key
	for i := range 4 {
		r := request("GET", "/channels", key)
		if w := send(s.Handler(), r); (w.Code == http.StatusOK) != (i < 3) {
			t.Errorf("request %d of an API key: got %d %s", i, w.Code, w.Body)
		}
	}
	if w := send(s.Handler(), request("POST", "/servers/66a282dab13eee0013cbb4d1/join", token)); w.Code == http.StatusTooManyRequests {
		t.Error("writes are counted among reads")
	}
}

func TestAStrangerIsLimitedByNetwork(t *testing.T) {
	s, _ := limited(t, api.Reads, 3)
	s.limits.strangers = limiterOf(rate{3, time.Second}, 1)
	token := tokenOf(t, s, "a@example.com")
	ask := func(address, target, token string) int {
		r := request("GET", target, token)
		r.RemoteAddr = "[" + address + "]:1"
		return send(s.Handler(), r).Code
	}
	for i := range 6 {
		if got := ask(fmt.Sprintf("2001:db8::%d", i), "/servers", ""); (got == http.StatusUnauthorized) != (i < 3) {
			t.Errorf("request %d without a credential: got %d", i, got)
		}
		if got := ask(fmt.Sprintf("2001:db8:0:1::%d", i), "/images/66a282dab13eee0013cbb4d1", ""); (got == http.StatusNotFound) != (i < 3) {
			t.Errorf("read %d of what is for everybody: got %d", i, got)
		}
	}
	for address, want := range map[string]int{"2001:db8::9": http.StatusTooManyRequests, "2001:db8:0:2::1": http.StatusUnauthorized} {
		if got := ask(address, "/servers", ""); got != want {
			t.Errorf("without a credential from %s: got %d, want %d", address, got, want)
		}
	}
	if got := ask("2001:db8::9", "/servers", token); got != http.StatusOK {
		t.Errorf("whoever has a good credential in the same network: got %d", got)
	}
}

func TestAKeyThatNobodyVouchesForIsLimitedAsAStranger(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		s.limits.strangers = limiterOf(rate{3, time.Minute}, 1)
		c := newClub(t, s, "server_administrator")
		good, bad := c.keyOf(t, c.owner, "channels"), c.keyOf(t, c.ben, "channels")
		other := c.keyOf(t, c.owner, "badges")
		c.takes(t)
		for i := range 6 { // who is known and may not is not a stranger
			if w := send(c.h, request("GET", "/channels", other)); w.Code != http.StatusForbidden {
				t.Fatalf("request %d of a key for something else: got %d %s", i, w.Code, w.Body)
			}
		}
		for i := range 6 {
			want := http.StatusForbidden
			if i >= 3 {
				want = http.StatusTooManyRequests
			}
			if w := send(c.h, request("GET", "/channels", bad)); w.Code != want {
				t.Errorf("request %d: got %d %s, want %d", i, w.Code, w.Body, want)
			}
		}
		if w := send(c.h, request("GET", "/channels", good)); w.Code != http.StatusOK {
			t.Errorf("a good key in the same network: got %d %s", w.Code, w.Body)
		}
	})
}

func TestRatesAreScaledAndEndedButForSigningIn(t *testing.T) {
	for factor, want := range map[float64]string{0: "2000", 0.5: "1000", 2: "4000", -1: ""} {
		config := onSQLite(t)
		config.RateLimit = factor
		s := open(t, config)
		if w := send(s.Handler(), request("GET", "/servers", tokenOf(t, s, "a@example.com"))); w.Header().Get("RateLimit-Limit") != want {
			t.Errorf("times %v: got %v, want %s", factor, w.Header(), want)
		}
		if w := send(s.Handler(), jsonRequest("/auth/resend-code", "", map[string]any{"email": "a@example.com"})); w.Header().Get("RateLimit-Limit") != "10" {
			t.Errorf("times %v: signing in: %v, want what is left of 10 for the account", factor, w.Header())
		}
	}
}

func TestAClassOfRequestsThatIsNoneStopsTheStart(t *testing.T) {
	_, err := newLimits(api.List{{ID: "createThing", RateLimit: "nonsense"}}, 1, time.Now)
	if err == nil || !strings.Contains(err.Error(), `createThing: there is no x-rate-limit "nonsense"`) {
		t.Errorf("got %v", err)
	}
}

func TestALimitedOperationForEverybodyRequiresTheMemberThatNamesItsAccount(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, op := range operations {
		if op.RateLimit != "sign-in" || len(op.Schemes) > 0 {
			continue
		}
		checked++
		if op.Body == nil || !slices.Contains(op.Body.Schema.Value.Required, limitedMember) {
			t.Errorf("%s: its body does not require %q, by which its calls are limited", op.ID, limitedMember)
		}
	}
	if checked == 0 {
		t.Error("there is no such operation")
	}
}
