package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/browser"
)

// A secureClub is a club whose site signs Ben in, on a server that is reached at https://chess.example.
type secureClub struct {
	club
	key  gen.APIKey
	data string // the directory of the server
}

func newSecureClub(t *testing.T, s *Server) *secureClub {
	t.Helper()
	c := &secureClub{club: newClub(t, s, "allow_dm"), data: s.data}
	if w := send(c.h, patch("/auth/me", c.ben, map[string]any{"username": "ben"})); w.Code != http.StatusOK {
		t.Fatalf("a user name: got %d %s", w.Code, w.Body)
	}
	c.key = c.makes(t, "secureAuth")
	return c
}

func openSecure(t *testing.T, config Config) (*Server, *secureClub) {
	config.PublicURL = "https://chess.example"
	s := unlimited(open(t, config))
	return s, newSecureClub(t, s)
}

func (c *secureClub) makes(t *testing.T, permissions ...string) gen.APIKey {
	t.Helper()
	return do[gen.APIKeyResponse](t, c.h, "POST", c.keys(""), c.owner, map[string]any{"name": "site", "permissions": permissions}).Data
}

// asks is what is answered to a site that asks for somebody.
func (c *secureClub) asks(key, hostname string, query ...string) *httptest.ResponseRecorder {
	values := url.Values{"action": {"login"}, "userId": {"ben"}}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	r := httptest.NewRequest("GET", "/api/secureAuth?"+values.Encode(), nil)
	r.Header.Set("apiKey", key)
	r.Header.Set("hostname", hostname)
	return send(c.h, r)
}

// address is where Ben's browser is to go.
func (c *secureClub) address(t *testing.T) string {
	t.Helper()
	w := c.asks(c.key.Key, "chess.example")
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return decoded[gen.SecureAuthResponse](t, w).LoginURL
}

func follow(h http.Handler, address string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", address, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return send(h, r)
}

// cookie is what Ben's browser has then.
func (c *secureClub) cookie(t *testing.T) *http.Cookie {
	t.Helper()
	w := follow(c.h, c.address(t))
	if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		t.Fatalf("got %d with %d cookies: %s", w.Code, len(w.Result().Cookies()), w.Body)
	}
	return w.Result().Cookies()[0]
}

// visit is what a browser with a cookie is shown.
func visit(h http.Handler, method, path string, cookie *http.Cookie, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://chess.example"+path, nil)
	r.AddCookie(cookie)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return send(h, r)
}

func TestALoginWorksOnceAndOnlyWhereItWasMadeFor(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s, c := openSecure(t, config)
		now := time.Now().Truncate(time.Second) // as long as the cookie says
		s.now = func() time.Time { return now }
		address := c.address(t)
		form := regexp.MustCompile(`^https://chess\.example/v2/app/loginApi/` + c.key.ID + `/2\?host=chess\.example&token=[0-9a-f]{64}$`)
		if !form.MatchString(address) || strings.Contains(address, c.key.Key) {
			t.Errorf("the address is %s", address)
		}
		evil := strings.ReplaceAll(address, "chess.example", "evil.example")
		for what, w := range map[string]*httptest.ResponseRecorder{
			"another host":                  follow(c.h, strings.Replace(address, "https://chess.example", "https://evil.example", 1)),
			"another host that says so":     follow(c.h, evil),
			"a host that a header claims":   follow(c.h, strings.Replace(address, "https://chess.example", "https://evil.example", 1), "X-Forwarded-Host", "chess.example"),
			"the host alone in the address": follow(c.h, strings.Replace(address, "host=chess.example", "host=evil.example", 1)),
			"another key":                   follow(c.h, strings.Replace(address, c.key.ID, strings.Repeat("0", 24), 1)),
			"another token":                 follow(c.h, address[:len(address)-1]+"g"),
			"prefetched":                    follow(c.h, address, "Sec-Purpose", "prefetch;prerender"),
			"prefetched by an older one":    follow(c.h, address, "Purpose", "prefetch"),
			"in a frame":                    follow(c.h, address, "Sec-Fetch-Dest", "iframe"),
			"HEAD":                          send(c.h, httptest.NewRequest("HEAD", address, nil)),
		} {
			if w.Code < 400 || w.Code >= 500 || len(w.Result().Cookies()) > 0 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: got %d %v", what, w.Code, w.Header())
			}
		}
		w := follow(c.h, address, "Sec-Fetch-Dest", "document")
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/c/"+c.id || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("got %d %v", w.Code, w.Header())
		}
		set := w.Header().Get("Set-Cookie")
		if !regexp.MustCompile(`^__Host-rejoin_page=[\w.-]+; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax$`).MatchString(set) {
			t.Errorf("the cookie is %s", set)
		}
		again := follow(c.h, address)
		if again.Code != http.StatusGone || len(again.Result().Cookies()) > 0 || !strings.Contains(again.Body.String(), "This link does not work any more") {
			t.Errorf("again: got %d %s", again.Code, again.Body)
		}
	})
}

func TestTheCookieOfAPageIsGoodAsThatAlone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		_, c := openSecure(t, config)
		cookie := c.cookie(t)
		page := visit(c.h, "GET", "/c/"+c.id, cookie)
		own := regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`).FindString(page.Body.String())
		if page.Code != http.StatusOK || own == "" {
			t.Fatalf("got %d %s", page.Code, page.Body)
		}
		asks := func(token string) int {
			return send(c.h, request("GET", "/apis/v1/products?serverId="+c.id, token)).Code
		}
		if code := asks(own); code != http.StatusOK {
			t.Errorf("by the token of the page: got %d", code)
		}
		if code := asks(cookie.Value); code != http.StatusUnauthorized {
			t.Errorf("by what is in the cookie: got %d", code)
		}
		if w := visit(c.h, "GET", "/c/"+c.id, &http.Cookie{Name: cookie.Name, Value: own}); w.Code != http.StatusUnauthorized {
			t.Errorf("with a cookie of the token of the page: got %d", w.Code)
		}
	})
}

func TestOfManyWhoFollowALoginAtOnceOneIsSignedIn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s, c := openSecure(t, config)
		replicas := []*Server{s, s}
		if config.Database != "" {
			config.PublicURL = "https://chess.example"
			replicas[1] = unlimited(open(t, config))
		}
		for range 5 {
			address := c.address(t)
			var codes [8]int
			var all sync.WaitGroup
			for i := range codes {
				all.Go(func() { codes[i] = follow(replicas[i%2].Handler(), address).Code })
			}
			all.Wait()
			signed := 0
			for _, code := range codes {
				if code == http.StatusSeeOther {
					signed++
				} else if code != http.StatusGone {
					t.Errorf("got %v", codes)
				}
			}
			if signed != 1 {
				t.Errorf("%d are signed in: %v", signed, codes)
			}
		}
	})
}

func TestALoginWaitsForAMinuteAndLastsForADay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s, c := openSecure(t, config)
		now := time.Now()
		s.now = func() time.Time { return now }
		late, soon := c.address(t), c.address(t)
		now = now.Add(59 * time.Second)
		w := follow(c.h, soon)
		if w.Code != http.StatusSeeOther {
			t.Fatalf("after 59 seconds: got %d", w.Code)
		}
		now = now.Add(2 * time.Second)
		if w := follow(c.h, late); w.Code != http.StatusGone {
			t.Errorf("after 61 seconds: got %d", w.Code)
		}
		cookie := w.Result().Cookies()[0]
		for after, want := range map[time.Duration]int{23 * time.Hour: http.StatusOK, 24 * time.Hour: http.StatusUnauthorized} {
			at := now
			now = now.Add(after)
			if w := visit(c.h, "GET", "/c/"+c.id, cookie); w.Code != want {
				t.Errorf("after %v: got %d, want %d", after, w.Code, want)
			}
			now = at
		}
	})
}

func TestASiteSignsInNobodyButMembersAndNotWithoutThePermission(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s, c := openSecure(t, config)
		stranger := tokenOf(t, s, "stranger@example.com")
		do[gen.AccountResponse](t, c.h, "PATCH", "/auth/me", stranger, map[string]any{"username": "stranger"})
		other := createServer(t, c.h, c.owner, "Go club")
		others := do[gen.APIKeyResponse](t, c.h, "POST", "/apis/v1/communities/"+other+"/api-keys", c.owner, map[string]any{"name": "site", "permissions": []string{"secureAuth", "createUser"}}).Data.Key
		both, key := c.makes(t, "secureAuth", "createUser").Key, c.key.Key
		const host = "chess.example"
		wants := func(what string, w *httptest.ResponseRecorder, status int, code gen.ProblemCode) {
			t.Helper()
			var answer struct {
				Error              bool
				Message, RequestID string
				Code               gen.ProblemCode
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != status || !answer.Error || answer.Code != code || answer.Message == "" || answer.RequestID != w.Header().Get("X-Request-Id") {
				t.Errorf("%s: got %d %s", what, w.Code, w.Body)
			}
		}
		wants("no key", c.asks("", host), 401, "unauthenticated")
		wants("a session", c.asks(c.owner, host), 401, "unauthenticated")
		wants("another key of the community", c.asks(c.makes(t, "createUser", "widgets").Key, host), 403, "permission_denied")
		wants("the key of another community", c.asks(others, host), 404, "not_found")
		wants("nobody", c.asks(key, host, "userId", "nobody"), 404, "not_found")
		wants("a stranger", c.asks(key, host, "userId", "stranger"), 404, "not_found")
		wants("a stranger, to make one", c.asks(both, host, "userId", "stranger", "email", "new@example.com"), 404, "not_found")
		wants("the address of a stranger", c.asks(both, host, "userId", "new", "email", "stranger@example.com"), 404, "not_found")
		wants("nobody, without createUser", c.asks(key, host, "userId", "new", "email", "new@example.com"), 404, "not_found")
		wants("another address than that of the member", c.asks(both, host, "email", "new@example.com"), 404, "not_found")
		wants("a level that is none", c.asks(key, host, "accessLevel", "7"), 400, "invalid_request")
		wants("a user name that is none", c.asks(both, host, "userId", "new one", "email", "new@example.com"), 400, "invalid_request")
		wants("another host", c.asks(key, "evil.example"), 400, "invalid_request")
		wants("another port", c.asks(key, host+":8443"), 400, "invalid_request")
		wants("another action", c.asks(key, host, "action", "logout"), 400, "invalid_request")
		if w := c.asks(key, "evil.example"); !strings.Contains(w.Body.String(), "header/hostname must be one of the domains") || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("got %s", w.Body)
		}
		if w := c.asks(key, "CHESS.Example", "userId", "BEN", "email", "Ben@example.com", "accessLevel", "0"); w.Code != http.StatusOK {
			t.Errorf("in capitals: got %d %s", w.Code, w.Body)
		}
		waiting := c.address(t)
		c.deletes(t)
		wants("who was deleted", c.asks(key, host), 404, "not_found")
		wants("who was deleted, to make them", c.asks(both, host, "email", "ben@example.com"), 404, "not_found")
		if w := follow(c.h, waiting); w.Code != http.StatusGone {
			t.Errorf("who was deleted meanwhile: got %d", w.Code)
		}
	})
}

func TestAnAPIKeyComesInItsOwnHeaderWhereTheContractNamesIt(t *testing.T) {
	_, c := openSecure(t, onSQLite(t))
	other := c.makes(t, "secureAuth").Key
	for name, tt := range map[string]struct {
		header []string
		target string
		want   int
	}{
		"apiKey":                       {[]string{"apiKey", c.key.Key}, "/api/secureAuth?action=login&userId=ben", 200},
		"x-api-key":                    {[]string{"X-API-Key", c.key.Key}, "/api/secureAuth?action=login&userId=ben", 200},
		"bearer":                       {[]string{"Authorization", "Bearer " + c.key.Key}, "/api/secureAuth?action=login&userId=ben", 200},
		"both":                         {[]string{"apiKey", c.key.Key, "X-API-Key", c.key.Key}, "/api/secureAuth?action=login&userId=ben", 200},
		"both, and different":          {[]string{"apiKey", c.key.Key, "X-API-Key", other}, "/api/secureAuth?action=login&userId=ben", 401},
		"bearer, and another":          {[]string{"apiKey", c.key.Key, "Authorization", "Bearer " + other}, "/api/secureAuth?action=login&userId=ben", 401},
		"a session":                    {[]string{"apiKey", c.owner}, "/api/secureAuth?action=login&userId=ben", 401},
		"apiKey to another operation":  {[]string{"apiKey", c.key.Key}, "/channels", 401},
		"it does not matter elsewhere": {[]string{"apiKey", "x", "Authorization", "Bearer " + c.ben}, "/auth/me", 200},
	} {
		w := follow(c.h, "https://chess.example"+tt.target, append(tt.header, "hostname", "chess.example")...)
		if w.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, tt.want)
		}
	}
}

func TestOnlyTheCommunitySaysWhereALoginLeads(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		_, c := openSecure(t, config)
		settings := func(change map[string]any) {
			if w := send(c.h, patch("/servers/"+c.id+"/settings", c.owner, change)); w.Code != http.StatusOK {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
		const tempting = "&redirect=https://evil.example&next=//evil.example&appUrl=https://evil.example&returnUrl=%2F%2Fevil.example"
		leads := func(address, want string) {
			t.Helper()
			if w := follow(c.h, address+tempting, "Referer", "https://evil.example/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
				t.Errorf("got %d to %s, want %s", w.Code, w.Header().Get("Location"), want)
			}
		}
		leads(c.address(t), "/c/"+c.id)
		settings(map[string]any{"appUrl": "https://app.chess.example/start?a=1#b", "domains": []string{"play.chess.example"}})
		leads(c.address(t), "https://app.chess.example/start?a=1#b")
		w := c.asks(c.key.Key, "Play.Chess.Example")
		address := decoded[gen.SecureAuthResponse](t, w).LoginURL
		if !strings.HasPrefix(address, "https://play.chess.example"+loginPath) {
			t.Fatalf("at a domain: got %d %s", w.Code, w.Body)
		}
		waiting := decoded[gen.SecureAuthResponse](t, c.asks(c.key.Key, "play.chess.example")).LoginURL
		settings(map[string]any{"appUrl": nil, "domains": []string{}})
		leads(waiting, "/c/"+c.id) // on the host that it was made for
		if w := c.asks(c.key.Key, "play.chess.example"); w.Code != http.StatusBadRequest {
			t.Errorf("a domain that was given up: got %d", w.Code)
		}
	})
}

func TestWithoutAPublicAddressALoginIsForTheHostThatWasAsked(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	c := newSecureClub(t, s)
	w := c.asks(c.key.Key, "example.com") // which is that of httptest
	address := decoded[gen.SecureAuthResponse](t, w).LoginURL
	got := follow(c.h, address)
	if !strings.HasPrefix(address, "http://example.com/") || got.Code != http.StatusSeeOther || !strings.HasPrefix(got.Header().Get("Set-Cookie"), "rejoin_page=") {
		t.Errorf("got %s, and then %d %v", address, got.Code, got.Header())
	}
	if w := c.asks(c.key.Key, "evil.example"); w.Code != http.StatusBadRequest {
		t.Errorf("another host: got %d", w.Code)
	}
}

// What signs somebody in to pages ends as soon as it has no reason any more: the cookie, and the tokens that the page gives to its widgets.
func TestWhoIsSignedInToPagesIsSignedOutByWhateverEndsIt(t *testing.T) {
	ends := map[string]func(*testing.T, *secureClub, *http.Cookie){
		"signing out": func(t *testing.T, c *secureClub, cookie *http.Cookie) {
			w := visit(c.h, "POST", "/c/"+c.id+"/sign-out", cookie, "Sec-Fetch-Site", "same-origin")
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/c/"+c.id+"?left=1" ||
				w.Header().Get("Set-Cookie") != "__Host-rejoin_page=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
			if page := follow(c.h, "https://chess.example/c/"+c.id+"?left=1"); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "You are signed out") {
				t.Errorf("afterwards: got %d %s", page.Code, page.Body)
			}
		},
		"ending all other sessions": func(t *testing.T, c *secureClub, _ *http.Cookie) {
			do[gen.EmptyResponse](t, c.h, "DELETE", "/auth/sessions", c.ben, nil)
		},
		"another password": func(t *testing.T, c *secureClub, _ *http.Cookie) {
			do[gen.EmptyResponse](t, c.h, "POST", "/auth/forgot-password", "", map[string]any{"email": "ben@example.com"})
			code := codeFor(t, c.data, "ben@example.com")
			do[gen.SessionResponse](t, c.h, "POST", "/auth/reset-password", "", map[string]any{"email": "ben@example.com", "code": code, "password": "a longer passphrase"})
		},
		"leaving, and coming back": func(t *testing.T, c *secureClub, _ *http.Cookie) {
			do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.ben, nil)
			do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", c.ben, nil)
		},
		"being deleted": func(t *testing.T, c *secureClub, _ *http.Cookie) { c.deletes(t) },
		"the key is deleted": func(t *testing.T, c *secureClub, _ *http.Cookie) {
			do[gen.APIKeyResponse](t, c.h, "DELETE", c.keys("/"+c.key.ID), c.owner, nil)
		},
		"the key is switched off": func(t *testing.T, c *secureClub, _ *http.Cookie) {
			do[gen.APIKeyResponse](t, c.h, "PUT", c.keys("/"+c.key.ID), c.owner, map[string]any{"isActive": false})
		},
		"the key loses the permission": func(t *testing.T, c *secureClub, _ *http.Cookie) {
			do[gen.APIKeyResponse](t, c.h, "PUT", c.keys("/"+c.key.ID), c.owner, map[string]any{"permissions": []string{"channels"}})
		},
		"the server is deleted": func(t *testing.T, c *secureClub, _ *http.Cookie) {
			do[gen.EmptyResponse](t, c.h, "DELETE", "/servers/"+c.id, c.owner, nil)
		},
	}
	own := regexp.MustCompile(`data-token="([^"]+)"`)
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.PublicURL = "https://chess.example"
		s := unlimited(open(t, config))
		for what, end := range ends {
			t.Run(what, func(t *testing.T) {
				c := newSecureClub(t, s)
				cookie := c.cookie(t)
				page := visit(c.h, "GET", "/c/"+c.id, cookie)
				found := own.FindStringSubmatch(page.Body.String())
				if page.Code != http.StatusOK || found == nil || !strings.Contains(page.Body.String(), "Signed in as") {
					t.Fatalf("before: got %d %s", page.Code, page.Body)
				}
				if w := send(c.h, request("GET", "/servers/"+c.id, found[1])); w.Code != http.StatusOK {
					t.Errorf("its token, before: got %d %s", w.Code, w.Body)
				}
				waiting := c.address(t)
				end(t, c, cookie)
				if w := visit(c.h, "GET", "/c/"+c.id, cookie); w.Code != http.StatusUnauthorized {
					t.Errorf("the page: got %d %s", w.Code, w.Body)
				}
				if w := send(c.h, request("GET", "/servers/"+c.id, found[1])); w.Code != http.StatusUnauthorized {
					t.Errorf("its token: got %d %s", w.Code, w.Body)
				}
				if w := follow(c.h, waiting); what != "signing out" && w.Code != http.StatusGone {
					t.Errorf("what waited: got %d", w.Code)
				}
			})
		}
	})
}

func TestNoOtherSiteSignsAnybodyOut(t *testing.T) {
	_, c := openSecure(t, onSQLite(t))
	cookie := c.cookie(t)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		if w := visit(c.h, "POST", "/c/"+c.id+"/sign-out", cookie, header...); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
			t.Errorf("%v: got %d %v", header, w.Code, w.Header())
		}
	}
	page := visit(c.h, "GET", "/c/"+c.id, cookie)
	if policy := page.Header().Get("Content-Security-Policy"); page.Code != http.StatusOK || !strings.Contains(policy, "form-action 'self'") {
		t.Errorf("got %d %s", page.Code, policy)
	}
}

func TestASiteMakesTheMemberWhoseNameNobodyHas(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		_, c := openSecure(t, config)
		w := send(c.h, put("/servers/"+c.id+"/access-levels", c.owner, map[string]any{"accessLevels": []any{map[string]any{"level": 1, "roleId": c.role}}}))
		if w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		key := c.makes(t, "secureAuth", "createUser", "getUserData").Key
		made := []string{"userId", "Carla.K", "email", "Carla@example.com", "firstname", "Carla", "displayname", "Carla K.", "accessLevel", "1"}
		for range 2 { // the second time she is there
			w := c.asks(key, "chess.example", made...)
			if w.Code != http.StatusOK {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			got := follow(c.h, decoded[gen.SecureAuthResponse](t, w).LoginURL)
			if page := visit(c.h, "GET", "/c/"+c.id, got.Result().Cookies()[0]); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "Carla K.") {
				t.Errorf("got %d %s", page.Code, page.Body)
			}
		}
		user := do[gen.UserDataResponse](t, c.h, "POST", "/apis/v1/users/info", key, map[string]any{"idOrEmail": "carla@example.com"}).Data
		roles := do[gen.RoleListResponse](t, c.h, "GET", fmt.Sprintf("/roles/%s?serverId=%s", user.UserID, c.id), c.owner, nil).Body
		if len(roles) != 2 {
			t.Errorf("she has %d roles", len(roles))
		}
		trail := do[gen.AuditListResponse](t, c.h, "GET", "/servers/"+c.id+"/audit", c.owner, nil).Body
		entries := 0
		for _, entry := range trail {
			if entry.Action == gen.AuditActionUserCreate && entry.Actor.Type == "key" {
				entries++
			}
		}
		if entries != 1 {
			t.Errorf("the audit trail has %d entries of who was made", entries)
		}
	})
}

func TestOneMemberIsNotSignedInWithoutEnd(t *testing.T) {
	config := onSQLite(t)
	config.PublicURL = "https://chess.example"
	s := open(t, config)
	now := time.Now()
	s.now = func() time.Time { return now }
	c := newSecureClub(t, s)
	for i := range 10 {
		if w := c.asks(c.key.Key, "chess.example"); w.Code != http.StatusOK {
			t.Fatalf("%d: got %d %s", i+1, w.Code, w.Body)
		}
	}
	w := c.asks(c.key.Key, "chess.example")
	var flat gen.FlatErrorResponse
	if err := json.Unmarshal(w.Body.Bytes(), &flat); err != nil || w.Code != http.StatusTooManyRequests || !flat.Error || flat.Code != gen.ProblemCodeRateLimited || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := c.asks(c.key.Key, "chess.example", "userId", "other"); w.Code != http.StatusNotFound {
		t.Errorf("another member: got %d", w.Code)
	}
	now = now.Add(10 * time.Second)
	if w := c.asks(c.key.Key, "chess.example"); w.Code != http.StatusOK {
		t.Errorf("ten seconds later: got %d", w.Code)
	}
}

// Whoever loads pages without end keeps nobody else from them.
func TestPagesAreLimitedByWhereTheirReaderIs(t *testing.T) {
	config := onSQLite(t)
	config.RateLimit = 0.001
	s := open(t, config)
	page := func(from string) int {
		r := httptest.NewRequest("GET", "/c/"+strings.Repeat("0", 24), nil)
		r.RemoteAddr = from
		return send(s.Handler(), r).Code
	}
	for page("192.0.2.1:1") != http.StatusTooManyRequests {
	}
	if got := page("192.0.2.2:1"); got != http.StatusUnauthorized {
		t.Errorf("from somewhere else: got %d", got)
	}
}

func TestSecureAuthWholeThroughTheBrowserToTheCommunitysPage(t *testing.T) {
	chromium := browser.Open(t)
	w := openWidgets(t, onSQLite(t))
	ctx := t.Context()
	must(w.ben.Auth.UpdateMe(ctx, client.AccountUpdate{Username: new("ben")}))
	key := must(w.anna.Keys.Create(ctx, w.id, client.APIKeyCreate{Name: "secure", Permissions: []client.KeyPermission{client.PermissionSecureAuth}})).Key
	site := must(client.New(w.base, client.WithAPIKey(key)))
	login := must(site.Auth.SecureLogin(ctx, strings.TrimPrefix(w.base, "http://"), "ben"))

	tab := chromium.Tab(1200, 3000)
	tab.Show(login.LoginURL)
	tab.Until(fmt.Sprintf("location.pathname === '/c/%s' && location.search === '' && document.querySelector('.lead')?.textContent.startsWith('Signed in as')", w.id))
	for _, kind := range []gen.WidgetKind{gen.WidgetKindStore, gen.WidgetKindChannels, gen.WidgetKindCurrency} {
		tab.In(w.widgets[kind].ID).Until(fmt.Sprintf("document.querySelector('main[data-me]')?.textContent.includes(%q)", shownOf[kind]))
	}
	if cookies := tab.Eval("document.cookie"); cookies != "" {
		t.Errorf("scripts see %s", cookies)
	}
	for _, said := range tab.Said() {
		if !strings.HasSuffix(said, "/favicon.ico") { // which browsers ask for by themselves
			t.Errorf("the browser says %s", said)
		}
	}
	tab.Eval("document.querySelector('.leave button').click()")
	tab.Until("document.querySelector('h1')?.textContent === 'You are signed out'")
	tab.Show(w.base + "/c/" + w.id)
	tab.Until("document.querySelector('main')?.dataset.state === 'refused'")
	tab.Show(login.LoginURL)
	tab.Until("document.querySelector('h1')?.textContent === 'This link does not work any more'")
}
