package server

import (
	"fmt"
	"io"
	"net/http"
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
	for range 130 { // what has no limit is not counted and not refused
		if w := send(s.Handler(), request("GET", "/servers", "")); w.Code != http.StatusUnauthorized {
			t.Fatalf("GET /servers: got %d", w.Code)
		}
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

func TestASessionIsLimitedByAddressAndByAccount(t *testing.T) {
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
		{"the same address", "192.0.2.1", other, http.StatusTooManyRequests},
		{"neither", "192.0.2.2", other, http.StatusOK},
	} {
		if got := from(test.address, test.token); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

func TestEveryOperationIsLimitedAsTheContractSays(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	never := ratelimit.New(0, time.Second)
	for class, pair := range s.limits.classes {
		s.limits.classes[class] = limitPair{never, pair.account}
	}
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range operations {
		limited := send(s.Handler(), request(op.Method, op.Path, token)).Code == http.StatusTooManyRequests
		if want := op.RateLimit != ""; limited != want {
			t.Errorf("%s: limited is %v, want %v", op.ID, limited, want)
		}
	}
	if w := send(s.Handler(), request("POST", "/api/v1/auth/login", "")); w.Code != http.StatusTooManyRequests {
		t.Errorf("at its other path: got %d, want 429", w.Code)
	}
}

func TestAClassOfRequestsThatIsNoneStopsTheStart(t *testing.T) {
	_, err := newLimits(api.List{{ID: "createThing", RateLimit: "nonsense"}}, time.Now)
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
		if op.RateLimit == "" || len(op.Schemes) > 0 {
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
