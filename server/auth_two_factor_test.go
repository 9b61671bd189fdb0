package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// withTwoFactor switches two-factor on, with a clock that a test moves.
type withTwoFactor struct {
	*testing.T
	s        *Server
	token    string
	secret   string
	recovery []string
	at       time.Time
}

func twoFactorOf(t *testing.T, s *Server, dataDir, email string) *withTwoFactor {
	t.Helper()
	v := &withTwoFactor{T: t, s: s, token: signUp(t, s, dataDir, email), at: time.Now()}
	s.now = func() time.Time { return v.at }
	setup := do[gen.TwoFactorSetupResponse](t, s.Handler(), "POST", "/auth/two-factor", v.token, map[string]any{"password": passphrase})
	v.secret = setup.Body.Secret
	v.recovery = do[gen.RecoveryCodesResponse](t, s.Handler(), "POST", "/auth/two-factor/confirm", v.token, map[string]any{"otp": v.code()}).Body.RecoveryCodes
	v.later()
	return v
}

// later moves the clock to where the next code is another one.
func (v *withTwoFactor) later() { v.at = v.at.Add(time.Minute) }

func (v *withTwoFactor) code() string {
	v.Helper()
	code, err := totp.GenerateCode(v.secret, v.at)
	if err != nil {
		v.Fatal(err)
	}
	return code
}

func (v *withTwoFactor) logIn(otp, from string) *httptest.ResponseRecorder {
	body := map[string]any{"email": "vera@example.com", "password": passphrase}
	if otp != "" {
		body["otp"] = otp
	}
	return logInWith(v.s, body, from, "")
}

func (v *withTwoFactor) isRefused(w *httptest.ResponseRecorder, pointer string) {
	v.Helper()
	if fields := problemOf(v.T, w).Body.Fields; w.Code != http.StatusBadRequest || len(fields) != 1 || fields[0].Pointer != pointer {
		v.Errorf("got %d %s, want 400 and %s", w.Code, w.Body, pointer)
	}
}

func (v *withTwoFactor) isAsked(w *httptest.ResponseRecorder) {
	v.Helper()
	if code := problemOf(v.T, w).Body.Code; w.Code != http.StatusUnauthorized || code != gen.ProblemCodeTwoFactorRequired {
		v.Errorf("got %d %s, want 401 two_factor_required", w.Code, w.Body)
	}
}

func TestWithTwoFactorAPasswordAloneOpensNoSession(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		signUp(t, s, config.Data, "ben@example.com")
		v := twoFactorOf(t, s, config.Data, "vera@example.com")
		v.isAsked(v.logIn("", "192.0.2.7"))
		v.isRefused(v.logIn(otherThan(v.code()), "192.0.2.7"), "/otp")
		if w := logInWith(s, map[string]any{"email": "vera@example.com", "password": "a guess", "otp": v.code()}, "192.0.2.7", ""); w.Code != http.StatusUnauthorized ||
			problemOf(t, w).Body.Code != gen.ProblemCodeUnauthenticated {
			t.Errorf("a wrong password with a right code: got %d %s", w.Code, w.Body)
		}
		sessionIn(t, v.logIn(v.code(), "192.0.2.7"))
		v.isRefused(v.logIn(v.code(), "192.0.2.7"), "/otp") // it has worked
		v.later()
		used := v.code()
		if got := inParallel(8, func(int) int { return v.logIn(used, "192.0.2.7").Code }); got[200] != 1 {
			t.Errorf("one code at once: got %v, want one 200", got)
		}
		if w := logIn(t, s, "ben@example.com", "192.0.2.7", ""); w.Code != http.StatusOK {
			t.Errorf("another account: got %d %s", w.Code, w.Body)
		}
	})
}

// The mailbox is one factor, like the password.
func TestAPasswordResetByMailDoesNotGetRoundTwoFactor(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		v := twoFactorOf(t, s, config.Data, "vera@example.com")
		postJSON(s.Handler(), "/auth/forgot-password", "", map[string]any{"email": "vera@example.com"})
		body := map[string]any{"email": "vera@example.com", "code": codeFor(t, config.Data, "vera@example.com"), "password": "a longer passphrase"}
		v.isAsked(postJSON(s.Handler(), "/auth/reset-password", "", body))
		body["otp"] = otherThan(v.code())
		v.isRefused(postJSON(s.Handler(), "/auth/reset-password", "", body), "/otp")
		if !signedIn(s, v.token) {
			t.Error("a reset that was refused has ended a session")
		}
		v.later()
		sessionIn(t, v.logIn(v.code(), "192.0.2.7")) // nor was the password changed
		v.later()
		body["otp"] = v.code()
		sessionIn(t, postJSON(s.Handler(), "/auth/reset-password", "", body))
	})
}

func TestARecoveryCodeWorksOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		v := twoFactorOf(t, s, config.Data, "vera@example.com")
		slices.Sort(v.recovery)
		if len(slices.Compact(slices.Clone(v.recovery))) != recoveryCodes {
			t.Fatalf("got the recovery codes %q", v.recovery)
		}
		if got := inParallel(4, func(int) int { return v.logIn(v.recovery[0], "192.0.2.7").Code }); got[200] != 1 || got[400] != 3 {
			t.Errorf("one code at once: got %v, want one 200", got)
		}
		sessionIn(t, v.logIn(v.recovery[1], "192.0.2.7"))
		v.isRefused(v.logIn("aaaa-aaaa-aaaa-aaaa", "192.0.2.7"), "/otp")
		ben := twoFactorOf(t, s, config.Data, "ben@example.com")
		v.isRefused(v.logIn(ben.recovery[0], "192.0.2.7"), "/otp")
		if kinds := kindsOf(eventsOf(t, s, v.token)); !slices.Contains(kinds, "two_factor.recover") || !slices.Contains(kinds, "two_factor.refuse") {
			t.Errorf("the trail has %q", kinds)
		}
	})
}

func TestTwoFactorIsSetUpByWhoKnowsThePasswordAndHasTheSecret(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		token := signUp(t, s, config.Data, "vera@example.com")
		other := sessionIn(t, logIn(t, s, "vera@example.com", "192.0.2.7", "")).Token
		v := &withTwoFactor{T: t, s: s, token: token, at: time.Now()}
		s.now = func() time.Time { return v.at }
		confirm := func(otp string) *httptest.ResponseRecorder {
			return postJSON(h, "/auth/two-factor/confirm", token, map[string]any{"otp": otp})
		}
		if w := confirm("123456"); w.Code != http.StatusConflict {
			t.Errorf("nothing was started: got %d %s", w.Code, w.Body)
		}
		v.isRefused(postJSON(h, "/auth/two-factor", token, map[string]any{"password": "a guess"}), "/password")
		start := func() string {
			return do[gen.TwoFactorSetupResponse](t, h, "POST", "/auth/two-factor", token, map[string]any{"password": passphrase}).Body.Secret
		}
		first := start()
		if v.secret = start(); v.secret == first {
			t.Error("starting again gives the same secret")
		}
		sessionIn(t, v.logIn("", "192.0.2.7")) // nothing is asked before it is confirmed
		v.isRefused(confirm(otherThan(v.code())), "/otp")
		v.at = v.at.Add(setupLife + time.Minute)
		if w := confirm(v.code()); w.Code != http.StatusConflict {
			t.Errorf("too late: got %d %s", w.Code, w.Body)
		}
		v.secret = start()
		used := v.code()
		if w := confirm(used); w.Code != http.StatusOK || signedIn(s, other) || !signedIn(s, token) {
			t.Errorf("got %d %s; another session is good: %v, the own one: %v", w.Code, w.Body, signedIn(s, other), signedIn(s, token))
		}
		v.isRefused(v.logIn(used, "192.0.2.7"), "/otp")
		for _, path := range []string{"/auth/two-factor", "/auth/two-factor/confirm"} {
			if w := postJSON(h, path, token, map[string]any{"password": passphrase, "otp": used}); w.Code != http.StatusConflict && w.Code != http.StatusBadRequest {
				t.Errorf("%s while it is on: got %d %s", path, w.Code, w.Body)
			}
		}
		if w := postJSON(h, "/auth/two-factor", token, map[string]any{"password": passphrase}); w.Code != http.StatusConflict {
			t.Errorf("while it is on: got %d %s", w.Code, w.Body)
		}
	})
}

func TestTwoFactorIsSwitchedOffByWhoHasACode(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		v := twoFactorOf(t, s, config.Data, "vera@example.com")
		off := func(otp string) *httptest.ResponseRecorder {
			r := request("DELETE", "/auth/two-factor", v.token)
			r.Header.Set("One-Time-Code", otp)
			return send(s.Handler(), r)
		}
		v.isRefused(off(otherThan(v.code())), "header/One-Time-Code")
		if w := send(s.Handler(), request("DELETE", "/auth/two-factor", v.token)); w.Code != http.StatusBadRequest {
			t.Errorf("without a code: got %d %s", w.Code, w.Body)
		}
		if w := off(v.code()); w.Code != http.StatusOK {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		sessionIn(t, v.logIn("", "192.0.2.7"))
		if w := off(v.recovery[0]); w.Code != http.StatusConflict {
			t.Errorf("while it is off: got %d %s", w.Code, w.Body)
		}
	})
}

// Who has the password still has to guess, and however many networks they have, the owner gets in.
func TestGuessingOneTimeCodesIsLimitedAndLocksNobodyOut(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		v := twoFactorOf(t, s, config.Data, "vera@example.com") // from 192.0.2.1
		tried := func(from string) (wrong int) {
			for range 2 * otpTriesStranger {
				w := v.logIn(otherThan(v.code()), from)
				if w.Code == http.StatusTooManyRequests {
					if w.Header().Get("Retry-After") == "" {
						t.Error("there is no Retry-After")
					}
					break
				}
				wrong++
			}
			return wrong
		}
		if n := tried("198.51.100.1"); n != otpTriesANetwork {
			t.Errorf("one network tried %d times, want %d", n, otpTriesANetwork)
		}
		all := otpTriesANetwork
		for i := range 10 {
			all += tried(fmt.Sprintf("198.51.100.%d", 10+i))
		}
		if all != otpTriesStranger {
			t.Errorf("many networks tried %d times, want %d", all, otpTriesStranger)
		}
		next := openNext(t, s, config) // the tries are in the database
		v.s, next.now = unlimited(next), func() time.Time { return v.at }
		if w := v.logIn(v.code(), "203.0.113.9"); w.Code != http.StatusTooManyRequests {
			t.Errorf("a stranger on another replica: got %d %s", w.Code, w.Body)
		}
		sessionIn(t, v.logIn(v.code(), "192.0.2.1"))
		sessionIn(t, v.logIn(v.recovery[0], "203.0.113.9"))
		v.at = v.at.Add(otpStrangerLife + time.Minute)
		sessionIn(t, v.logIn(v.code(), "203.0.113.10"))
	})
}

// What a clock left that was ahead keeps nobody out.
func TestACodeFromAClockThatWasAheadKeepsNobodyOut(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		v := twoFactorOf(t, s, config.Data, "vera@example.com")
		right := v.at
		v.at = right.Add(time.Hour)
		sessionIn(t, v.logIn(v.code(), "192.0.2.7"))
		v.at = right
		sessionIn(t, v.logIn(v.code(), "192.0.2.7"))
	})
}

func TestTheOperatorEndsTwoFactor(t *testing.T) {
	config := onSQLite(t)
	s := unlimited(open(t, config))
	v := twoFactorOf(t, s, config.Data, "vera@example.com")
	if token := tokenOf(t, s, "vera@example.com"); !signedIn(s, token) {
		t.Error("the operator's session is not good")
	}
	for i, want := range []bool{true, true, false} {
		if on, err := s.TwoFactor(t.Context(), "Vera@example.com", i > 0); err != nil || on != want {
			t.Errorf("got %v (%v), want %v", on, err, want)
		}
	}
	sessionIn(t, v.logIn("", "192.0.2.7"))
}

func TestAServerThatRequiresTwoFactorLetsNobodyActByARoleWithoutIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		c := newClub(t, s, "server_administrator")
		settings := "/servers/" + c.id + "/settings"
		requires := func(token string, on bool) *httptest.ResponseRecorder {
			return sendJSON(h, "PATCH", settings, token, map[string]any{"requireTwoFactor": on})
		}
		isOff := func(w *httptest.ResponseRecorder) {
			t.Helper()
			if w.Code != http.StatusForbidden || problemOf(t, w).Body.Code != gen.ProblemCodeTwoFactorOff {
				t.Errorf("got %d %s, want 403 two_factor_off", w.Code, w.Body)
			}
		}
		isOff(requires(c.owner, true)) // the owner has it off
		key := do[gen.APIKeyResponse](t, h, "POST", "/apis/v1/communities/"+c.id+"/api-keys", c.ben, map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data
		do[gen.ChannelResponse](t, h, "POST", "/channels", c.owner, map[string]any{"serverId": c.id, "topic": "staff", "channelType": "private"})

		setTwoFactor(t, s, c.owner, true)
		if w := requires(c.owner, true); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		audit := func(token string) *httptest.ResponseRecorder {
			return send(h, request("GET", "/servers/"+c.id+"/audit", token))
		}
		isOff(audit(c.ben))
		isOff(requires(c.ben, false))
		if w := send(h, request("GET", "/servers/"+c.id, c.ben)); w.Code != http.StatusOK {
			t.Errorf("as a member: got %d %s", w.Code, w.Body)
		}
		sees := func(token string) int {
			return len(do[gen.ChannelListResponse](t, h, "GET", "/channels?serverId="+c.id, token, nil).Body)
		}
		if n := sees(c.ben); n != 0 {
			t.Errorf("an administrator without two-factor sees %d private channels", n)
		}
		if w := send(h, request("GET", "/channels?serverId="+c.id, key.Key)); w.Code != http.StatusForbidden {
			t.Errorf("an API key of one who may make none: got %d %s", w.Code, w.Body)
		}
		setTwoFactor(t, s, c.ben, true)
		if w := audit(c.ben); w.Code != http.StatusOK || sees(c.ben) != 1 {
			t.Errorf("an administrator with two-factor: got %d %s", w.Code, w.Body)
		}
		if w := send(h, request("GET", "/channels?serverId="+c.id, key.Key)); w.Code != http.StatusOK {
			t.Errorf("their API key: got %d %s", w.Code, w.Body)
		}
		setTwoFactor(t, s, c.owner, false)
		isOff(send(h, request("DELETE", "/servers/"+c.id, c.owner)))
		isOff(audit(c.owner))
	})
}

// The owner could not undo what an administrator has shut them out by.
func TestNobodyButItsOwnerMakesAServerRequireTwoFactor(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		requires := func(token string, on bool) *httptest.ResponseRecorder {
			return sendJSON(c.h, "PATCH", "/servers/"+c.id+"/settings", token, map[string]any{"requireTwoFactor": on, "language": "de"})
		}
		setTwoFactor(t, s, c.ben, true)
		if w := requires(c.ben, true); w.Code != http.StatusForbidden || problemOf(t, w).Body.Code != gen.ProblemCodePermissionDenied {
			t.Errorf("an administrator: got %d %s, want 403", w.Code, w.Body)
		}
		if got := do[gen.ServerSettingsResponse](t, c.h, "GET", "/servers/"+c.id+"/settings", c.owner, nil).Body; got.RequireTwoFactor || got.Language != "en" {
			t.Errorf("what was refused has changed the settings: %+v", got)
		}
		setTwoFactor(t, s, c.owner, true)
		for _, token := range []string{c.owner, c.ben} { // what is on already is no change
			if w := requires(token, true); w.Code != http.StatusOK {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		}
	})
}

// Accounts that were made by `rejoin token`, or verified without the registered password, have none that they could give.
func TestAnAccountWithoutAPasswordSwitchesTwoFactorOn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		v := &withTwoFactor{T: t, s: s, token: tokenOf(t, s, "vera@example.com"), at: time.Now()}
		s.now = func() time.Time { return v.at }
		v.isRefused(postJSON(h, "/auth/two-factor", v.token, map[string]any{"password": "a guess"}), "/password")
		v.secret = do[gen.TwoFactorSetupResponse](t, h, "POST", "/auth/two-factor", v.token, map[string]any{}).Body.Secret
		do[gen.RecoveryCodesResponse](t, h, "POST", "/auth/two-factor/confirm", v.token, map[string]any{"otp": v.code()})
		id := createServer(t, h, v.token, "Chess club")
		if w := sendJSON(h, "PATCH", "/servers/"+id+"/settings", v.token, map[string]any{"requireTwoFactor": true}); w.Code != http.StatusOK {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		ben := signUp(t, s, config.Data, "ben@example.com")
		v.isRefused(postJSON(h, "/auth/two-factor", ben, map[string]any{}), "/password") // who has a password gives it
	})
}

func TestInAServerThatRequiresTwoFactorAnInviteIsGoodWhileItsMakerHasItOn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		helper := roleWith(c.id, "kick_members")
		helper["order"] = 20
		role := do[gen.RoleResponse](t, c.h, "POST", "/roles", c.owner, helper).Body.ID
		invite := func(token string) string {
			return do[gen.InviteResponse](t, c.h, "POST", "/servers/"+c.id+"/invites", token, map[string]any{"roleId": role}).Body.Code
		}
		owners, bens := invite(c.owner), invite(c.ben)
		setTwoFactor(t, s, c.owner, true)
		do[gen.ServerSettingsResponse](t, c.h, "PATCH", "/servers/"+c.id+"/settings", c.owner, map[string]any{"requireTwoFactor": true})
		cleo, dora := tokenOf(t, s, "cleo@example.com"), tokenOf(t, s, "dora@example.com")
		for _, step := range []struct {
			what, token, code string
			want              int
			also              func()
		}{
			{"of an administrator without it", cleo, bens, http.StatusForbidden, func() { setTwoFactor(t, s, c.ben, true) }},
			{"of an administrator with it", cleo, bens, http.StatusOK, func() { setTwoFactor(t, s, c.owner, false) }},
			{"of the owner without it", dora, owners, http.StatusForbidden, func() { setTwoFactor(t, s, c.owner, true) }},
			{"of the owner with it", dora, owners, http.StatusOK, func() {}},
		} {
			if w := postJSON(c.h, "/servers/"+c.id+"/join", step.token, map[string]any{"invite": step.code}); w.Code != step.want {
				t.Errorf("an invite %s: got %d %s, want %d", step.what, w.Code, w.Body, step.want)
			}
			step.also()
		}
	})
}

// Between looking for a factor and deleting it there must be no gap in which it is confirmed.
func TestTwoFactorThatIsJustBeingSwitchedOnIsNotSwitchedOffWithoutACode(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		v := &withTwoFactor{T: t, s: s, token: tokenOf(t, s, "vera@example.com"), at: time.Now(), secret: "JBSWY3DPEHPK3PXP"}
		s.now = func() time.Time { return v.at }
		const account, rounds, guessers = 1, 30, 8
		for range rounds {
			if err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Auth.StartTwoFactor(t.Context(), store.TwoFactor{Account: account, Secret: v.secret, BegunAt: v.at})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			right := v.code()
			wrong := otherThan(right)
			var confirmed int
			got := inParallel(1+guessers, func(i int) int {
				if i == 0 {
					confirmed = postJSON(s.Handler(), "/auth/two-factor/confirm", v.token, map[string]any{"otp": right}).Code
					return 0
				}
				r := request("DELETE", "/auth/two-factor", v.token)
				r.Header.Set("One-Time-Code", wrong)
				return send(s.Handler(), r).Code
			})
			on, err := hasTwoFactor(t.Context(), s.store.Queries, account)
			if confirmed != http.StatusOK || got[http.StatusOK] > 0 || !on || err != nil {
				t.Fatalf("switching it on: got %d; off: %v; it is on: %v (%v)", confirmed, got, on, err)
			}
			setTwoFactor(t, s, v.token, false)
		}
	})
}

// setTwoFactor switches two-factor of an account without a password on or off.
func setTwoFactor(t *testing.T, s *Server, token string, on bool) {
	t.Helper()
	session, err := s.store.Auth.GetCaller(t.Context(), hashOf(token), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
		if !on {
			return tx.Auth.DeleteTwoFactor(t.Context(), session.Account)
		}
		if _, err := tx.Auth.StartTwoFactor(t.Context(), store.TwoFactor{Account: session.Account, Secret: "JBSWY3DPEHPK3PXP"}); err != nil {
			return err
		}
		return tx.Auth.ConfirmTwoFactor(t.Context(), session.Account, 0)
	}); err != nil {
		t.Fatal(err)
	}
}

// sendJSON sends a body by any method.
func sendJSON(h http.Handler, method, target, token string, body map[string]any) *httptest.ResponseRecorder {
	r := jsonRequest(target, token, body)
	r.Method = method
	return send(h, r)
}

func TestAResetEndsTheKeysOfTheAccountIfAsked(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		token := signUp(t, s, config.Data, "vera@example.com")
		other := tokenOf(t, s, "ben@example.com")
		id := createServer(t, h, token, "Chess club")
		key := func(server, token string) string {
			return do[gen.APIKeyResponse](t, h, "POST", "/apis/v1/communities/"+server+"/api-keys", token, map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data.Key
		}
		mine, more, foreign := key(id, token), key(createServer(t, h, token, "Go club"), token), key(createServer(t, h, other, "Bridge club"), other)
		good := func(key string) bool { return send(h, request("GET", "/apis/v1/channels", key)).Code == http.StatusOK }
		reset := func(body map[string]any) string {
			postJSON(h, "/auth/forgot-password", "", map[string]any{"email": "vera@example.com"})
			body["email"], body["password"], body["code"] = "vera@example.com", passphrase, ""
			for body["code"] == "" { // the other mails tell of keys
				body["code"] = codeFor(t, config.Data, "vera@example.com")
			}
			return sessionIn(t, postJSON(h, "/auth/reset-password", "", body)).Token
		}
		if reset(map[string]any{}); !good(mine) || !good(more) {
			t.Error("a reset that does not ask for it has ended a key")
		}
		token = reset(map[string]any{"endKeys": true})
		if good(mine) || good(more) || !good(foreign) {
			t.Errorf("after it was asked for: the keys are good: %v, %v, and a foreign one: %v", good(mine), good(more), good(foreign))
		}
		trail := do[gen.AuditListResponse](t, h, "GET", "/servers/"+id+"/audit", token, nil).Body
		if trail[0].Action != gen.AuditActionKeyDelete {
			t.Errorf("the audit trail has %+v", trail[0])
		}
		if kinds := kindsOf(eventsOf(t, s, token)); !slices.Contains(kinds, "key.end") || !slices.Contains(kinds, "key.create") {
			t.Errorf("the trail has %q", kinds)
		}
	})
}

func TestKeysThatAreManyEndAfterwards(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	h := s.Handler()
	token := tokenOf(t, s, "vera@example.com")
	clubs := []string{createServer(t, h, token, "Chess club"), createServer(t, h, token, "Go club")}
	if err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
		for i := range keysAtOnce + 20 {
			key := gen.APIKey{ID: s.newID(), CommunityID: clubs[i%2], UserID: 1, IsActive: true, CreatedAt: gen.Time{Time: time.Now()}}
			if err := tx.Keys.Insert(t.Context(), key, fmt.Sprint("hash ", i)); err != nil {
				return err
			}
		}
		return s.endKeys(t.Context(), tx, 1)
	}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left, err := s.store.Keys.ListOfAccount(t.Context(), 1, time.Now(), 1000)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d keys are left (%v)", len(left), err)
		}
		if len(left) == 0 {
			break
		}
	}
}

// A reader that does something before it is read.
type afterwards struct {
	io.Reader
	do func()
}

func (a *afterwards) Read(p []byte) (int, error) {
	if a.do != nil {
		a.do()
		a.do = nil
	}
	return a.Reader.Read(p)
}

func TestWhoIsTurnedOutWhileTheyAskSwitchesTwoFactorNeitherOnNorOff(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		owner := signUp(t, s, config.Data, "vera@example.com")
		v := &withTwoFactor{T: t, s: s, token: owner, at: time.Now()}
		s.now = func() time.Time { return v.at }
		thief := sessionIn(t, logIn(t, s, "vera@example.com", "192.0.2.7", "")).Token
		setup := do[gen.TwoFactorSetupResponse](t, h, "POST", "/auth/two-factor", thief, map[string]any{"password": passphrase})
		v.secret = setup.Body.Secret

		r := request("POST", "/auth/two-factor/confirm", thief)
		r.Header.Set("Content-Type", "application/json")
		r.Body = io.NopCloser(&afterwards{strings.NewReader(`{"otp":"` + v.code() + `"}`), func() {
			if w := send(h, request("DELETE", "/auth/sessions", owner)); w.Code != http.StatusOK {
				t.Errorf("ending the other sessions: got %d %s", w.Code, w.Body)
			}
		}})
		if w := send(h, r); w.Code != http.StatusUnauthorized {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		v.later()
		sessionIn(t, v.logIn("", "192.0.2.8")) // a password is enough
	})
}
