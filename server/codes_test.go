package server

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// postFrom sends a body from an address.
func postFrom(s *Server, address, target string, body map[string]any) *httptest.ResponseRecorder {
	r := jsonRequest(target, "", body)
	r.RemoteAddr = address + ":1234"
	return send(s.Handler(), r)
}

// Where they call from.
const (
	victimAt   = "192.0.2.1"
	phoneAt    = "192.0.2.2" // the victim's, too
	attackerAt = "203.0.113.9"
)

const (
	victims   = "the victim's password"
	attackers = "the attacker's password"
)

// A contest is about one address, between who reads its mails and somebody who does not.
type contest struct {
	*testing.T
	s          *Server
	config     Config
	email      string
	attackerAt string
}

func (c contest) post(from, target string, body map[string]any) *httptest.ResponseRecorder {
	c.Helper()
	body["email"] = c.email
	return postFrom(c.s, from, target, body)
}

// registers registers the address, and returns the code that its owner is mailed.
func (c contest) registers(from, password string) (code string) {
	c.Helper()
	if w := c.post(from, "/auth/register", map[string]any{"password": password}); w.Code != http.StatusCreated {
		c.Fatalf("register answered %d: %s", w.Code, w.Body)
	}
	return codeFor(c, c.config.Data, c.email)
}

// asks asks for a code from an address, and returns it.
func (c contest) asks(from, target string) (code string) {
	c.Helper()
	read[gen.EmptyResponse](c.T, c.post(from, target, map[string]any{}))
	return codeFor(c, c.config.Data, c.email)
}

// isMailed waits for so many mails, and takes them away. If more come, who asks next finds them.
func (c contest) isMailed(want int) {
	c.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		found := mailsTo(c, c.config.Data, c.email)
		if len(found) >= want {
			for _, m := range found {
				os.Remove(m.path)
			}
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("%d mails have come, want %d", len(found), want)
		}
	}
}

// verifies proves the address, with the password that was registered if there is one.
func (c contest) verifies(from, code, password string) {
	c.Helper()
	body := map[string]any{"code": code}
	if password != "" {
		body["password"] = password
	}
	if me := sessionIn(c.T, c.post(from, "/auth/verify-email", body)); me.Account.Email != c.email || !me.Account.Verified {
		c.Errorf("verify-email answered %+v", me)
	}
}

func (c contest) fails(from, code string) {
	c.Helper()
	if w := c.post(from, "/auth/verify-email", map[string]any{"code": code}); !isWrongCode(c.T, w) {
		c.Errorf("a code of a registration that was replaced: got %d %s", w.Code, w.Body)
	}
}

func (c contest) logIn(password string, want int) {
	c.Helper()
	if w := c.post(c.attackerAt, "/auth/login", map[string]any{"password": password}); w.Code != want {
		c.Errorf("login with %s: got %d %s, want %d", password, w.Code, w.Body, want)
	}
}

// Each story ends with the owner of the address signed in, and is followed by the check that the attacker is not.
func TestNobodyGetsInByAPasswordThatTheyHaveRegisteredForSomebodyElse(t *testing.T) {
	stories := map[string]struct {
		story func(c contest)
		login int // with the victim's password, afterwards
	}{
		"attacker, victim": {func(c contest) {
			first := c.registers(c.attackerAt, attackers)
			second := c.registers(victimAt, victims)
			if first != second {
				c.fails(victimAt, first)
			}
			c.verifies(victimAt, second, victims)
		}, 200},
		"attacker, victim, attacker again": {func(c contest) {
			c.registers(c.attackerAt, attackers)
			mine := c.registers(victimAt, victims)
			last := c.registers(c.attackerAt, attackers)
			if mine != last {
				c.fails(victimAt, mine)
			}
			c.verifies(victimAt, last, "")
		}, 401},
		"attacker, victim, attacker again, victim again": {func(c contest) {
			c.registers(c.attackerAt, attackers)
			c.registers(victimAt, victims)
			c.registers(c.attackerAt, attackers)
			c.verifies(victimAt, c.registers(victimAt, victims), victims)
		}, 200},
		"attacker, and the victim uses the code": {func(c contest) {
			c.verifies(victimAt, c.registers(c.attackerAt, attackers), "")
		}, 401},
		"attacker, and the victim asks for a code": {func(c contest) {
			c.registers(c.attackerAt, attackers)
			c.verifies(victimAt, c.asks(victimAt, "/auth/resend-code"), "")
		}, 401},
		"victim, attacker, and the victim asks for a code": {func(c contest) {
			c.registers(victimAt, victims)
			c.registers(c.attackerAt, attackers)
			code := c.asks(victimAt, "/auth/resend-code")
			wrong := c.post(victimAt, "/auth/verify-email", map[string]any{"code": code, "password": victims})
			if fields := problemOf(c.T, wrong).Body.Fields; wrong.Code != http.StatusBadRequest || len(fields) != 1 || fields[0].Pointer != "/password" {
				c.Errorf("a code of another registration than that of the password: got %d %s", wrong.Code, wrong.Body)
			}
			c.verifies(victimAt, code, "")
		}, 401},
		"attacker, and the victim forgot": {func(c contest) {
			c.registers(c.attackerAt, attackers)
			code := c.asks(victimAt, "/auth/forgot-password")
			sessionIn(c.T, c.post(victimAt, "/auth/reset-password", map[string]any{"code": code, "password": victims}))
		}, 200},
		"attacker, the victim forgot, attacker again": {func(c contest) {
			c.registers(c.attackerAt, attackers)
			code := c.asks(victimAt, "/auth/forgot-password")
			verify := c.registers(c.attackerAt, attackers)
			sessionIn(c.T, c.post(victimAt, "/auth/reset-password", map[string]any{"code": code, "password": victims}))
			c.fails(c.attackerAt, verify)
		}, 200},
		"attacker, and the operator makes the account": {func(c contest) {
			code := c.registers(c.attackerAt, attackers)
			if !signedIn(c.s, tokenOf(c, c.s, c.email)) {
				c.Error("the token does not work")
			}
			c.fails(c.attackerAt, code)
		}, 401},
		"victim, without the password": {func(c contest) {
			c.verifies(victimAt, c.registers(victimAt, victims), "")
		}, 401},
		"victim, on the phone with the password": {func(c contest) {
			c.verifies(phoneAt, c.registers(victimAt, victims), victims)
		}, 200},
		"victim, twice under one key with the attacker in between": {func(c contest) {
			register := func() *httptest.ResponseRecorder {
				r := jsonRequest("/auth/register", "", map[string]any{"email": c.email, "password": victims})
				r.RemoteAddr = victimAt + ":1234"
				r.Header.Set("Idempotency-Key", c.email)
				return send(c.s.Handler(), r)
			}
			register()
			mine := codeFor(c, c.config.Data, c.email)
			last := c.registers(c.attackerAt, attackers)
			if w := register(); w.Code != http.StatusCreated || w.Header().Get("Idempotent-Replayed") != "true" {
				c.Errorf("got %d %v", w.Code, w.Header())
			}
			if mine != last {
				c.fails(victimAt, mine)
			}
			c.verifies(victimAt, last, "")
		}, 401},
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		i := 0
		for where, from := range map[string]string{"elsewhere": attackerAt, "in the network of the victim": victimAt} {
			for name, test := range stories {
				i++
				t.Run(name+", "+where, func(t *testing.T) {
					c := contest{t, s, config, fmt.Sprintf("victim-%d@example.com", i), from}
					test.story(c)
					c.logIn(attackers, http.StatusUnauthorized)
					c.logIn(victims, test.login)
					if test.login != http.StatusOK {
						code := c.asks(victimAt, "/auth/forgot-password")
						sessionIn(t, c.post(victimAt, "/auth/reset-password", map[string]any{"code": code, "password": victims}))
						c.logIn(victims, http.StatusOK)
					}
				})
			}
		}
	})
}

// The mail is made some time after it was asked for.
func TestACodeIsMailedForTheRegistrationThatItWasAskedForOnly(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		register := func(from, password string) {
			if w := postFrom(s, from, "/auth/register", map[string]any{"email": "a@example.com", "password": password}); w.Code != http.StatusCreated {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
		register(victimAt, victims)
		postFrom(s, victimAt, "/auth/resend-code", map[string]any{"email": "a@example.com"})
		register(attackerAt, attackers)
		config.Idle = false
		s = unlimited(openNext(t, s, config))
		code := codeFor(t, config.Data, "a@example.com")
		time.Sleep(300 * time.Millisecond)
		if more := mailsTo(t, config.Data, "a@example.com"); len(more) > 0 {
			t.Errorf("%d more mails were sent, for a registration that was replaced", len(more))
		}
		c := contest{t, s, config, "a@example.com", attackerAt}
		c.verifies(victimAt, code, "")
		c.logIn(attackers, http.StatusUnauthorized)
	})
}

func TestARegistrationEndsAfterADayAndHoldsNoUserName(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true // nothing is swept
		s := unlimited(open(t, config))
		start := time.Now()
		at := func(after time.Duration) { s.now = func() time.Time { return start.Add(after) } }
		register := func(email string) int {
			return postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": email, "password": passphrase, "username": "vera"}).Code
		}
		login := func(email string) int {
			return postJSON(s.Handler(), "/auth/login", "", map[string]any{"email": email, "password": passphrase}).Code
		}
		at(0)
		if got := register("a@example.com"); got != http.StatusCreated {
			t.Fatalf("got %d", got)
		}
		at(24*time.Hour - time.Second)
		if got, other := login("a@example.com"), register("b@example.com"); got != http.StatusForbidden || other != http.StatusCreated {
			t.Errorf("within the day: login got %d, its user name, which nobody has, %d", got, other)
		}
		at(24 * time.Hour)
		if got, other := login("a@example.com"), register("b@example.com"); got != http.StatusUnauthorized || other != http.StatusCreated {
			t.Errorf("after a day: login got %d, its user name %d", got, other)
		}
		at(-time.Hour) // as after a clock that was wrong: what it has made must not last longer
		if got := login("b@example.com"); got != http.StatusUnauthorized {
			t.Errorf("a registration of the day after tomorrow: login got %d", got)
		}

		at(48 * time.Hour)
		if err := (sweeper{core: s.core}).Work(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if left, err := s.store.Registrations.Get(t.Context(), "b@example.com", start.Add(25*time.Hour)); err == nil {
			t.Errorf("the sweeper has left %+v", left)
		}
	})
}

// strangers are so many networks, other than those above.
func stranger(i int) string { return fmt.Sprintf("198.%d.%d.%d", 18+i>>16, i>>8&255, i&255) }

func TestWhatStrangersTryKeepsNoOwnerOut(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		s.passwords.Compare = func(password, _ string) (bool, error) { return password == victims, nil }
		c := contest{t, s, config, "a@example.com", attackerAt}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
		refused := 0
		for i := range 2 * guessesAtOnce {
			if w := c.post(stranger(i), "/auth/login", map[string]any{"password": attackers}); w.Code == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused < guessesAtOnce/2 {
			t.Errorf("%d strangers were refused: a password may be guessed from many networks", refused)
		}
		for i := range 5 {
			if w := c.post(victimAt, "/auth/login", map[string]any{"password": victims}); w.Code != http.StatusOK {
				t.Fatalf("login %d of the owner: got %d %s", i, w.Code, w.Body)
			}
		}
		if w := c.post(stranger(9999), "/auth/login", map[string]any{"password": victims}); w.Code != http.StatusTooManyRequests {
			t.Errorf("who has found it out: got %d", w.Code)
		}
	})
}

func TestWhatStrangersAskForAndGuessLeavesTheOwnerTheirOwn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := contest{t, s, config, "a@example.com", attackerAt}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
		guess := func(from, code string) *httptest.ResponseRecorder {
			return c.post(from, "/auth/reset-password", map[string]any{"code": code, "password": victims})
		}

		// One stranger.
		for range 22 {
			c.post(attackerAt, "/auth/forgot-password", map[string]any{})
		}
		c.isMailed(codesOfNetwork.AtOnce)
		code := c.asks(phoneAt, "/auth/forgot-password") // where the owner has never been
		for range 22 {
			guess(attackerAt, otherThan(code))
		}
		if w := guess(stranger(1), code); w.Code != http.StatusOK {
			t.Errorf("another network than the one that has guessed: got %d %s", w.Code, w.Body)
		}
		sessionIn(t, c.post(victimAt, "/auth/login", map[string]any{"password": victims})) // a new password has forgotten where the owner was

		// Any number of them.
		for i := range 30 {
			c.post(stranger(100+i), "/auth/forgot-password", map[string]any{})
		}
		c.isMailed(codesOfStrangers.AtOnce - codesOfNetwork.AtOnce - 1)
		code = c.asks(victimAt, "/auth/forgot-password")
		for i := range 30 {
			for range codeTries {
				guess(stranger(100+i), otherThan(code))
			}
		}
		if w := guess(stranger(200), code); !isWrongCode(t, w) {
			t.Errorf("a code that was guessed from many networks works from one more: %d %s", w.Code, w.Body)
		}
		for range codeTries - 1 {
			guess(victimAt, otherThan(code))
		}
		if w := guess(victimAt, code); w.Code != http.StatusOK {
			t.Errorf("the owner: got %d %s", w.Code, w.Body)
		}
		if more := mailsTo(t, config.Data, c.email); len(more) > 0 {
			t.Errorf("%d more mails were sent", len(more))
		}
	})
}

// A thief has signed in from where they are. Once they are locked out, they guess like any stranger.
func TestANewPasswordForgetsFromWhereTheAccountWasSignedInTo(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		s.guesses = ratelimit.New(guessesAtOnce, guessesEvery)
		next := victims + "!"
		s.passwords.Compare = func(password, _ string) (bool, error) { return password == victims, nil }
		renewals := map[string]func(c contest, token string) *httptest.ResponseRecorder{
			"change": func(c contest, token string) *httptest.ResponseRecorder {
				r := jsonRequest("/auth/change-password", token, map[string]any{"password": victims, "newPassword": next})
				r.RemoteAddr = victimAt + ":4711"
				return send(s.Handler(), r)
			},
			"reset": func(c contest, _ string) *httptest.ResponseRecorder {
				code := c.asks(victimAt, "/auth/forgot-password")
				return c.post(victimAt, "/auth/reset-password", map[string]any{"code": code, "password": next})
			},
		}
		for name, renew := range renewals {
			c := contest{t, s, config, name + "@example.com", attackerAt}
			c.verifies(victimAt, c.registers(victimAt, victims), victims)
			token := sessionIn(t, c.post(victimAt, "/auth/login", map[string]any{"password": victims})).Token
			c.logIn(victims, http.StatusOK) // the thief
			if w := renew(c, token); w.Code != http.StatusOK {
				t.Fatalf("%s: got %d %s", name, w.Code, w.Body)
			}
			s.passwords.Compare = func(password, _ string) (bool, error) { return password == next, nil }
			for i := 0; c.post(stranger(i), "/auth/login", map[string]any{"password": attackers}).Code != http.StatusTooManyRequests; i++ {
				if i > 2*guessesAtOnce {
					t.Fatalf("%s: strangers may guess without end", name)
				}
			}
			c.logIn(attackers, http.StatusTooManyRequests)
			if w := c.post(victimAt, "/auth/login", map[string]any{"password": next}); w.Code != http.StatusOK {
				t.Errorf("%s: the owner: got %d %s", name, w.Code, w.Body)
			}
			s.passwords.Compare = func(password, _ string) (bool, error) { return password == victims, nil }
		}
	})
}

func TestOnlySoManyNetworksOfAnAccountAreKnown(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		s.passwords.Compare = func(string, string) (bool, error) { return true, nil }
		start := time.Now()
		c := contest{t, s, config, "a@example.com", attackerAt}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
		for i := range 20 {
			s.now = func() time.Time { return start.Add(time.Duration(i) * time.Minute) }
			c.post(stranger(i), "/auth/login", map[string]any{"password": victims})
		}
		known := 0
		for i := range 20 {
			r := request("GET", "/", "")
			r.RemoteAddr = stranger(i) + ":1234"
			is, err := s.store.Networks.IsKnown(t.Context(), 1, hashOf(stranger(i))[:16], s.now())
			if err != nil {
				t.Fatal(err)
			}
			if is {
				known++
				if i < 12 {
					t.Errorf("network %d was used before others and is known", i)
				}
			}
		}
		if known != 8 {
			t.Errorf("%d networks are known, want 8", known)
		}
	})
}

// signsIn signs in from an address, on a device that was signed in before with a token; none: a new one.
func (c contest) signsIn(from, token, target string, body map[string]any) *httptest.ResponseRecorder {
	body["email"] = c.email
	r := jsonRequest(target, token, body)
	r.RemoteAddr = from + ":1234"
	return send(c.s.Handler(), r)
}

func TestADeviceThatWasSignedInBeforeIsLetInFromAnyNetwork(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		s.guesses = ratelimit.New(guessesAtOnce, guessesEvery)
		s.passwords.Compare = func(password, _ string) (bool, error) { return password == victims, nil }
		start := time.Now()
		at := func(after time.Duration) { s.now = func() time.Time { return start.Add(after) } }
		at(0)
		c := contest{t, s, config, "a@example.com", attackerAt}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
		logIn := func(from, token, password string) *httptest.ResponseRecorder {
			return c.signsIn(from, token, "/auth/login", map[string]any{"password": password})
		}
		phone := sessionIn(t, logIn(victimAt, "", victims)).Token
		flood := func() {
			t.Helper()
			for i := range 2 * guessesAtOnce {
				logIn(stranger(i), "", attackers)
			}
		}
		is := func(what string, w *httptest.ResponseRecorder, want int) {
			t.Helper()
			if w.Code != want {
				t.Errorf("%s: got %d %s, want %d", what, w.Code, w.Body, want)
			}
		}

		// Logged out, or expired, and in another network.
		is("log-out", send(s.Handler(), request("POST", "/auth/logout", phone)), http.StatusOK)
		flood()
		is("a stranger", logIn(stranger(9000), "", victims), http.StatusTooManyRequests)
		is("a token that nobody has", logIn(stranger(9000), strings.Repeat("0", 64), victims), http.StatusTooManyRequests)
		other := contest{t, s, config, "b@example.com", attackerAt}
		other.verifies(phoneAt, other.registers(phoneAt, victims), victims)
		theirs := sessionIn(t, other.post(phoneAt, "/auth/login", map[string]any{"password": victims})).Token
		is("the device of somebody else", logIn(stranger(9000), theirs, victims), http.StatusTooManyRequests)
		next := sessionIn(t, logIn(stranger(9001), phone, victims)).Token
		at(89 * 24 * time.Hour)
		flood()
		is("the device of before", logIn(stranger(9002), phone, victims), http.StatusTooManyRequests)
		last := sessionIn(t, logIn(stranger(9003), next, victims)).Token

		// A device guesses no better than strangers do together, however many networks it comes from.
		guessed := 0
		for i := range 2 * guessesAtOnce {
			if logIn(stranger(10_000+i), last, attackers).Code == http.StatusUnauthorized {
				guessed++
			}
		}
		if guessed > guessesAtOnce {
			t.Errorf("a device has guessed %d times from as many networks", guessed)
		}

		at((89 + 91) * 24 * time.Hour)
		flood()
		is("after 91 days", logIn(stranger(9004), last, victims), http.StatusTooManyRequests)
	})
}

func TestAMailedCodeIsTheOwnersOnADeviceThatWasSignedInBefore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := contest{t, s, config, "a@example.com", attackerAt}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
		phone := sessionIn(t, c.post(victimAt, "/auth/login", map[string]any{"password": victims})).Token
		for i := range 30 {
			c.post(stranger(100+i), "/auth/forgot-password", map[string]any{})
		}
		c.isMailed(codesOfStrangers.AtOnce)
		read[gen.EmptyResponse](t, c.signsIn(stranger(300), phone, "/auth/forgot-password", map[string]any{}))
		code := codeFor(t, config.Data, c.email)
		guess := func(from, token, code string) *httptest.ResponseRecorder {
			return c.signsIn(from, token, "/auth/reset-password", map[string]any{"code": code, "password": victims})
		}
		for i := range 30 {
			for range codeTries {
				guess(stranger(100+i), "", otherThan(code))
			}
		}
		if w := guess(stranger(200), "", code); !isWrongCode(t, w) {
			t.Errorf("a stranger: got %d %s", w.Code, w.Body)
		}
		for i := range codeTries - 1 { // they count together, wherever the device is
			guess(stranger(400+i), phone, otherThan(code))
		}
		if w := guess(stranger(500), phone, code); w.Code != http.StatusOK {
			t.Errorf("the device: got %d %s", w.Code, w.Body)
		}
		// A reset ends what there was of ways in.
		for i := range 30 {
			c.post(stranger(100+i), "/auth/forgot-password", map[string]any{})
		}
		read[gen.EmptyResponse](t, c.signsIn(stranger(300), phone, "/auth/forgot-password", map[string]any{}))
		if more := mailsTo(t, config.Data, c.email); len(more) > 0 {
			t.Errorf("a device of before the reset was mailed %d codes", len(more))
		}
	})
}

func TestADeviceThatWasTurnedOutHasNoWayInOfItsOwn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		s.passwords.Compare = func(password, _ string) (bool, error) { return password == victims, nil }
		c := contest{t, s, config, "a@example.com", attackerAt}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
		signIn := func() gen.Session {
			return sessionIn(t, c.post(victimAt, "/auth/login", map[string]any{"password": victims}))
		}
		mine, thiefs := signIn(), signIn()
		keptOut := func(what, token string, want int) {
			t.Helper()
			s.guesses = ratelimit.New(1, time.Hour)
			c.post(stranger(1), "/auth/login", map[string]any{"password": attackers})
			if w := c.signsIn(stranger(2), token, "/auth/login", map[string]any{"password": attackers}); w.Code != want {
				t.Errorf("%s: got %d %s, want %d", what, w.Code, w.Body, want)
			}
			s.guesses = ratelimit.New(1_000_000, time.Nanosecond)
		}
		keptOut("while it is signed in", thiefs.Token, http.StatusUnauthorized)
		open := read[gen.SessionListResponse](t, send(s.Handler(), request("GET", "/auth/sessions", thiefs.Token))).Body
		for _, session := range open {
			if session.Current {
				send(s.Handler(), request("DELETE", "/auth/sessions/"+session.ID, mine.Token))
			}
		}
		keptOut("ended by the owner", thiefs.Token, http.StatusTooManyRequests)
		thiefs = signIn()
		send(s.Handler(), request("DELETE", "/auth/sessions", mine.Token))
		keptOut("ended with all others", thiefs.Token, http.StatusTooManyRequests)
		keptOut("the owner's own", mine.Token, http.StatusUnauthorized)

		// Ten devices are known at most.
		for range 10 {
			thiefs = signIn()
		}
		keptOut("the eleventh but last", mine.Token, http.StatusTooManyRequests)
		keptOut("the last", thiefs.Token, http.StatusUnauthorized)
	})
}

// Who floods has 500 networks, and more logins under way than the line has room for, all the time.
func TestAFloodFromManyNetworksKeepsNoOwnerWaiting(t *testing.T) {
	config := onSQLite(t)
	config.TrustProxy = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s := unlimited(open(t, config))
	s.passwords.Compare = func(password, _ string) (bool, error) {
		time.Sleep(time.Millisecond) // a check takes its time, or nobody would wait
		return password == victims, nil
	}
	const owners, networks = 7, 500
	from := func(network, email, password string) int {
		r := jsonRequest("/auth/login", "", map[string]any{"email": email, "password": password})
		r.Header.Set("X-Forwarded-For", network)
		return send(s.Handler(), r).Code
	}
	for i := range owners {
		email := fmt.Sprintf("owner-%d@example.com", i)
		r := jsonRequest("/auth/register", "", map[string]any{"email": email, "password": victims})
		r.Header.Set("X-Forwarded-For", "203.0.113.1")
		send(s.Handler(), r)
		r = jsonRequest("/auth/verify-email", "", map[string]any{"email": email, "code": codeFor(t, config.Data, email), "password": victims})
		r.Header.Set("X-Forwarded-For", "203.0.113.1")
		sessionIn(t, send(s.Handler(), r))
	}
	full, over, flooding := make(chan struct{}, networks), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flooding)
		inParallel(networks, func(i int) bool {
			for refused := false; ; {
				select {
				case <-over:
					return refused
				default:
				}
				status := from(stranger(i), fmt.Sprintf("owner-%d@example.com", i%owners), attackers)
				if status == http.StatusServiceUnavailable && !refused {
					refused = true
					full <- struct{}{}
				}
			}
		})
	}()
	for range networks / 2 { // were refused: it is one
		<-full
	}
	got := inParallel(owners, func(i int) int {
		for range 3 {
			if status := from("203.0.113.1", fmt.Sprintf("owner-%d@example.com", i), victims); status != http.StatusOK {
				return status
			}
		}
		return http.StatusOK
	})
	close(over)
	<-flooding
	if got[http.StatusOK] != owners {
		t.Errorf("owners got %v, want 200 for all of their logins", got)
	}
}

func TestAMailedCodeHasFortyRandomBitsAndIsReadAsPeopleTypeIt(t *testing.T) {
	characters, codes := map[rune]bool{}, map[string]bool{}
	for range 500 {
		code, err := newCode(rand.Reader)
		if err != nil || len(code) != 8 {
			t.Fatalf("got %q (%v)", code, err)
		}
		codes[code] = true
		for _, c := range code {
			characters[c] = true
		}
	}
	if len(codes) != 500 || len(characters) != 32 {
		t.Errorf("500 codes are %d different ones of %d characters, want 500 of 32", len(codes), len(characters))
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		for name, typed := range map[string]func(code string) string{
			"as it is":           func(code string) string { return code },
			"in lower case":      strings.ToLower,
			"with a blank":       func(code string) string { return strings.Replace(code, "-", " ", 1) },
			"without a dash":     func(code string) string { return strings.Replace(code, "-", "", 1) },
			"by similar letters": strings.NewReplacer("0", "O", "1", "l").Replace,
			"all of it": func(code string) string {
				return strings.NewReplacer("-", "", "0", "o", "1", "I").Replace(strings.ToLower(code))
			},
		} {
			t.Run(name, func(t *testing.T) {
				c := contest{t, s, config, strings.ReplaceAll(name, " ", ".") + "@example.com", attackerAt}
				c.verifies(victimAt, typed(c.registers(victimAt, victims)), victims)
			})
		}
	})
}

func TestANetworkTriesOnlySoManyWrongCodesOverAllAccounts(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		limit := s.wrongCodes
		s = unlimited(s)
		s.wrongCodes = limit
		start := time.Now()
		s.now = func() time.Time { return start }
		guess := func(from, target, email, code string) *httptest.ResponseRecorder {
			return postFrom(s, from, target, map[string]any{"email": email, "code": code, "password": victims})
		}
		c := contest{t, s, config, "vera@example.com", attackerAt}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
		newcomer := contest{t, s, config, "ben@example.com", attackerAt}
		code := newcomer.registers(attackerAt, attackers)

		tried := 0
		for ; tried < 200; tried++ {
			target := []string{"/auth/reset-password", "/auth/verify-email"}[tried%2]
			w := guess(victimAt, target, fmt.Sprintf("account-%d@example.com", tried/8), "0000-0000")
			if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "60" {
				break
			}
			if !isWrongCode(t, w) {
				t.Fatalf("try %d: got %d %s", tried, w.Code, w.Body)
			}
		}
		if tried != wrongCodesAtOnce {
			t.Errorf("a network has tried %d wrong codes, want %d", tried, wrongCodesAtOnce)
		}
		if w := guess(victimAt, "/auth/verify-email", newcomer.email, code); w.Code != http.StatusTooManyRequests {
			t.Errorf("a right one after them: got %d %s", w.Code, w.Body)
		}
		if w := guess(phoneAt, "/auth/verify-email", newcomer.email, otherThan(code)); !isWrongCode(t, w) {
			t.Errorf("another network: got %d %s", w.Code, w.Body)
		}
		code = c.asks(phoneAt, "/auth/forgot-password")
		if w := guess(victimAt, "/auth/reset-password", c.email, code); w.Code != http.StatusOK {
			t.Errorf("who was signed in from there before: got %d %s", w.Code, w.Body)
		}

		// One more after a minute. Right ones do not count.
		s.now = func() time.Time { return start.Add(wrongCodesEvery) }
		for i := range 3 {
			next := contest{t, s, config, fmt.Sprintf("next-%d@example.com", i), attackerAt}
			next.verifies(victimAt, next.registers(phoneAt, victims), victims)
		}
		for _, want := range []int{400, 429} {
			if w := guess(victimAt, "/auth/verify-email", "account-99@example.com", "0000-0000"); w.Code != want {
				t.Errorf("a minute later: got %d %s, want %d", w.Code, w.Body, want)
			}
		}
	})
}

func TestWhatStrangersRegisterKeepsNoOwnerFromRegisteringTheirAddress(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := contest{t, s, config, "a@example.com", attackerAt}
		for i := range 3 * codesOfNetwork.AtOnce {
			c.registers(stranger(i/codesOfNetwork.AtOnce), attackers)
		}
		if w := c.post(stranger(0), "/auth/register", map[string]any{"password": attackers}); w.Code != http.StatusTooManyRequests {
			t.Errorf("a network that has used up its own: got %d %s", w.Code, w.Body)
		}
		c.verifies(victimAt, c.registers(victimAt, victims), victims)
	})
}

func TestANetworkHasOnlySoManyMailsSentToStrangers(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		start := time.Now()
		s.now = func() time.Time { return start }
		register := func(from, email string) int {
			return postFrom(s, from, "/auth/register", map[string]any{"email": email, "password": attackers}).Code
		}
		for i := range codesOfNetwork.AtOnce {
			if got := register(attackerAt, fmt.Sprintf("bomb+%d@example.com", i)); got != http.StatusCreated {
				t.Fatalf("address %d of one mailbox: got %d", i, got)
			}
		}
		if one, other := register(attackerAt, "bomb+x@example.com"), register(attackerAt, "bomb@example.com"); one != 429 || other != 429 {
			t.Errorf("one more of the same mailbox: got %d and %d", one, other)
		}

		s.verifyMails = store.Quota{AtOnce: 4, Every: 3 * time.Minute}
		at := func(after time.Duration, want ...int) {
			t.Helper()
			s.now = func() time.Time { return start.Add(after) }
			for i, want := range want {
				if got := register(attackerAt, fmt.Sprintf("%d.%d@example.com", after, i)); got != want {
					t.Errorf("after %v, mailbox %d: got %d, want %d", after, i, got, want)
				}
			}
		}
		at(0, 201, 201, 201, 201, 429)
		at(3*time.Minute, 201, 429)
		if got := register(victimAt, "b@example.com"); got != http.StatusCreated {
			t.Errorf("another network: got %d", got)
		}
	})
}
