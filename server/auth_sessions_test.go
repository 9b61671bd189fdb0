package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// logIn signs in from an address with a program.
func logIn(t testing.TB, s *Server, email, from, with string) *httptest.ResponseRecorder {
	t.Helper()
	return logInWith(s, map[string]any{"email": email, "password": passphrase}, from, with)
}

func logInWith(s *Server, body map[string]any, from, with string) *httptest.ResponseRecorder {
	r := jsonRequest("/auth/login", "", body)
	r.RemoteAddr = net.JoinHostPort(from, "1234")
	r.Header.Set("User-Agent", with)
	return send(s.Handler(), r)
}

func sessionsOf(t testing.TB, s *Server, token string) []gen.OpenSession {
	t.Helper()
	return do[gen.SessionListResponse](t, s.Handler(), "GET", "/auth/sessions", token, nil).Body
}

// eventsOf are the events of an account, the first one first, once everything was written down.
func eventsOf(t testing.TB, s *Server, token string) []gen.AuthEvent {
	t.Helper()
	s.writeNotes(t.Context())
	events := do[gen.AuthEventListResponse](t, s.Handler(), "GET", "/auth/events?limit=100", token, nil).Body
	slices.Reverse(events)
	return events
}

// kindsOf are what a trail tells, in the order of the moments.
func kindsOf(events []gen.AuthEvent) (kinds []string) {
	for _, e := range events {
		kinds = append(kinds, string(e.Kind))
	}
	return kinds
}

// ticking moves the clock a little each time that somebody looks at it, so that moments have an order. What runs in the
// background goes by the true one, and must not find them far ahead.
func ticking(s *Server) *Server {
	at := make(chan time.Time, 1)
	at <- time.Now()
	s.now = func() time.Time {
		now := (<-at).Add(20 * time.Millisecond)
		at <- now
		return now
	}
	return s
}

func TestAnAccountSeesItsSessionsAndEndsThem(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := ticking(unlimited(open(t, config)))
		h := s.Handler()
		phone := signUp(t, s, config.Data, "vera@example.com")
		laptop := sessionIn(t, logIn(t, s, "vera@example.com", "192.0.2.7", "Mozilla/5.0\u00a0(X11)"+strings.Repeat("x", 300))).Token
		tablet := sessionIn(t, logIn(t, s, "vera@example.com", "2001:db8::7", "curl/8")).Token
		other := sessionsOf(t, s, signUp(t, s, config.Data, "ben@example.com"))

		found := sessionsOf(t, s, laptop)
		if len(found) != 3 || len(other) != 1 {
			t.Fatalf("got %d and %d sessions, want 3 and 1", len(found), len(other))
		}
		for i, want := range []gen.OpenSession{
			{Address: "2001:db8::7", UserAgent: "curl/8"},
			{Address: "192.0.2.7", UserAgent: "Mozilla/5.0\u00a0(X11)" + strings.Repeat("x", 183), Current: true},
			{Address: "192.0.2.1"},
		} {
			got := found[i]
			if left := got.ExpiresAt.Sub(got.CreatedAt.Time); left != sessionLife || got.LastUsedAt != got.CreatedAt || len(got.ID) != 24 {
				t.Errorf("got %+v", got)
			}
			got.ID, got.CreatedAt, got.LastUsedAt, got.ExpiresAt = "", gen.Time{}, gen.Time{}, gen.Time{}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("session %d (-want +got):\n%s", i, diff)
			}
		}

		end := func(id, token string) *httptest.ResponseRecorder {
			return send(h, request("DELETE", "/auth/sessions/"+id, token))
		}
		foreign, unknown := end(other[0].ID, laptop), end("69a46c69b13eee0013cbb4e0", laptop)
		if foreign.Code != http.StatusNotFound || unknown.Code != http.StatusNotFound || problemOf(t, foreign).Meta != problemOf(t, unknown).Meta {
			t.Errorf("a foreign session: %d %s, an unknown one: %d %s", foreign.Code, foreign.Body, unknown.Code, unknown.Body)
		}
		if w := end(found[0].ID, laptop); w.Code != http.StatusOK || signedIn(s, tablet) || !signedIn(s, phone) {
			t.Errorf("ending one: got %d %s", w.Code, w.Body)
		}
		do[gen.EmptyResponse](t, h, "DELETE", "/auth/sessions", laptop, nil)
		if signedIn(s, phone) || !signedIn(s, laptop) || len(sessionsOf(t, s, laptop)) != 1 {
			t.Error("after ending all others, others are there or this one is not")
		}
		if w := end(found[1].ID, laptop); w.Code != http.StatusOK || signedIn(s, laptop) {
			t.Errorf("ending the own one: got %d %s", w.Code, w.Body)
		}
	})
}

func TestAPasswordIsChangedByWhoKnowsItAndEndsAllOtherSessions(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		mine := signUp(t, s, config.Data, "vera@example.com")
		thief := sessionIn(t, logIn(t, s, "vera@example.com", "192.0.2.7", "")).Token
		postJSON(h, "/auth/forgot-password", "", map[string]any{"email": "vera@example.com"})
		code := codeFor(t, config.Data, "vera@example.com")

		change := func(token, present, next string) *httptest.ResponseRecorder {
			return postJSON(h, "/auth/change-password", token, map[string]any{"password": present, "newPassword": next})
		}
		w := change(thief, "a guess", "the password of a thief")
		if fields := problemOf(t, w).Body.Fields; w.Code != http.StatusBadRequest || len(fields) != 1 || fields[0].Pointer != "/password" {
			t.Errorf("with a wrong password: got %d %s", w.Code, w.Body)
		}
		if w := change(tokenOf(t, s, "operator@example.com"), "a guess", "another one"); w.Code != http.StatusBadRequest {
			t.Errorf("without a password: got %d %s", w.Code, w.Body)
		}
		if w := change(mine, passphrase, "a longer passphrase"); w.Code != http.StatusOK || !signedIn(s, mine) || signedIn(s, thief) {
			t.Errorf("got %d %s; mine %v, the other's %v", w.Code, w.Body, signedIn(s, mine), signedIn(s, thief))
		}
		if w := logIn(t, s, "vera@example.com", "192.0.2.7", ""); w.Code != http.StatusUnauthorized {
			t.Errorf("the old password still works: %d", w.Code)
		}
		sessionIn(t, logInWith(s, map[string]any{"email": "vera@example.com", "password": "a longer passphrase"}, "192.0.2.7", ""))
		w = postJSON(h, "/auth/reset-password", "", map[string]any{"email": "vera@example.com", "code": code, "password": "the password of a thief"})
		if !isWrongCode(t, w) {
			t.Errorf("a code from before still sets a password: %d %s", w.Code, w.Body)
		}
	})
}

func TestTheTrailTellsWhatWasDoneWithAnAccount(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := ticking(unlimited(open(t, config)))
		h := s.Handler()
		first := signUp(t, s, config.Data, "vera@example.com")
		for range 3 {
			logInWith(s, map[string]any{"email": "vera@example.com", "password": "a guess"}, "198.51.100.7", "guesser")
		}
		logInWith(s, map[string]any{"email": "nobody@example.com", "password": "a guess"}, "198.51.100.7", "guesser")
		s.writeNotes(t.Context())
		second := sessionIn(t, logIn(t, s, "vera@example.com", "192.0.2.7", "curl/8")).Token
		ids := sessionsOf(t, s, second)
		do[gen.EmptyResponse](t, h, "DELETE", "/auth/sessions/"+ids[1].ID, second, nil)
		do[gen.EmptyResponse](t, h, "POST", "/auth/change-password", second, map[string]any{"password": passphrase, "newPassword": "a longer passphrase"})
		postJSON(h, "/auth/forgot-password", "", map[string]any{"email": "vera@example.com"})
		third := sessionIn(t, postJSON(h, "/auth/reset-password", "", map[string]any{
			"email": "vera@example.com", "code": codeFor(t, config.Data, "vera@example.com"), "password": passphrase,
		})).Token
		fourth := tokenOf(t, s, "vera@example.com")
		do[gen.EmptyResponse](t, h, "POST", "/auth/logout", third, nil)

		events := eventsOf(t, s, fourth)
		want := []string{
			"session.open", "session.refuse", "session.open", "session.end", "password.change", "session.end",
			"password.reset", "session.open", "session.grant", "session.end",
		}
		if diff := cmp.Diff(want, kindsOf(events)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if e := events[1]; e.Times != 3 || e.Address != "198.51.100.7" || e.UserAgent != "guesser" || !e.LastAt.After(e.At.Time) {
			t.Errorf("the attempts: got %+v", e)
		}
		if e := events[2]; e.Address != "192.0.2.7" || e.UserAgent != "curl/8" || e.SessionID != nullIfEmpty(ids[0].ID) || e.Times != 1 || e.At != e.LastAt {
			t.Errorf("the session that was opened: got %+v", e)
		}
		if e := events[3]; e.SessionID != nullIfEmpty(ids[0].ID) || e.Target != nullIfEmpty(ids[1].ID) {
			t.Errorf("the session that was ended: got %+v", e)
		}
		if e := events[8]; e.Address != "" {
			t.Errorf("the operator's session: got %+v", e)
		}
		if signedIn(s, first) {
			t.Error("the first session has not ended")
		}
		other := do[gen.AuthEventListResponse](t, h, "GET", "/auth/events", signUp(t, s, config.Data, "ben@example.com"), nil)
		if other.Meta.Total != 1 || len(other.Body) != 1 {
			t.Errorf("another account sees %+v", other)
		}
	})
}

func TestAFloodOfFailedSignInsLeavesAFewEntries(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		token := signUp(t, s, config.Data, "vera@example.com")
		account, err := s.store.Auth.GetAccountByEmail(t.Context(), "vera@example.com")
		if err != nil {
			t.Fatal(err)
		}
		var entries []gen.AuthEvent
		for round := range 3 {
			for i := range 400 {
				s.passwords.Compare = func(string, string) (bool, error) { return false, nil }
				w := logInWith(s, map[string]any{"email": "vera@example.com", "password": "a guess"}, fmt.Sprintf("198.51.%d.%d", round, i%200), "guesser")
				if w.Code != http.StatusUnauthorized {
					t.Fatalf("got %d %s", w.Code, w.Body)
				}
			}
			entries = eventsOf(t, s, token)
		}
		times := int64(0)
		for _, e := range entries[1:] {
			times += e.Times
		}
		if len(entries) > 1+2*10 || times != 1200 { // the hour may have ended meanwhile
			t.Errorf("%d entries tell of %d attempts", len(entries)-1, times)
		}
		if n, err := s.store.Auth.CountEvents(t.Context(), account.AccountNumber); err != nil || n != int64(len(entries)) {
			t.Errorf("%d entries are counted (%v), and there are %d", n, err, len(entries))
		}
	})
}

func TestEventsAreKeptForNinetyDays(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		now := time.Now()
		s.now = func() time.Time { return now.Add(-authEventLife - time.Minute) }
		for range removedAtOnce + 3 {
			tokenOf(t, s, "vera@example.com")
		}
		s.now = func() time.Time { return now.Add(-authEventLife + time.Minute) }
		tokenOf(t, s, "vera@example.com")
		s.now = time.Now
		if err := (sweeper{core: s.core}).Work(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		answer := do[gen.AuthEventListResponse](t, s.Handler(), "GET", "/auth/events", tokenOf(t, s, "vera@example.com"), nil)
		if answer.Meta.Total != 2 || len(answer.Body) != 2 {
			t.Errorf("got %d entries, and %d are counted, want 2", len(answer.Body), answer.Meta.Total)
		}
	})
}

func TestEventsAreReadByCursor(t *testing.T) {
	s := open(t, onSQLite(t))
	for range 5 {
		tokenOf(t, s, "vera@example.com")
	}
	token := tokenOf(t, s, "vera@example.com")
	var ids []string
	for cursor := ""; ; {
		answer := do[gen.AuthEventListResponse](t, s.Handler(), "GET", "/auth/events?limit=2"+cursor, token, nil)
		for _, e := range answer.Body {
			ids = append(ids, e.ID)
		}
		if answer.Meta.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + answer.Meta.NextCursor
		tokenOf(t, s, "vera@example.com") // does not come
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 6 {
		t.Errorf("got %q, want 6 different entries", ids)
	}
}

// A session is used by many requests, and that is written down once in a while.
func TestTheLastUseOfASessionIsWrittenDownNowAndThen(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "vera@example.com")
		begun := time.Now()
		for _, at := range []struct{ asked, want time.Duration }{
			{9 * time.Minute, 0}, {11 * time.Minute, 11 * time.Minute}, {2 * time.Hour, 2 * time.Hour},
			{30 * time.Minute, 30 * time.Minute}, // the clock was wrong, and is right again
		} {
			s.now = func() time.Time { return begun.Add(at.asked) }
			for range 3 {
				if !signedIn(s, token) {
					t.Fatal("the session has ended")
				}
			}
			if err := s.writeNotes(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := sessionsOf(t, s, token)[0].LastUsedAt.Sub(begun).Round(time.Minute); got != at.want {
				t.Errorf("after %v the last use was after %v, want %v", at.asked, got, at.want)
			}
		}
	})
}

func TestAnAccountHasAHundredSessionsAtMostAndTheOldestEnds(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		begun := time.Now()
		var tokens []string
		for i := range store.MaxSessions + 2 {
			s.now = func() time.Time { return begun.Add(time.Duration(i) * time.Second) }
			tokens = append(tokens, tokenOf(t, s, "vera@example.com"))
		}
		for i, token := range tokens {
			if got, want := signedIn(s, token), i >= 2; got != want {
				t.Errorf("session %d of %d is good: %v", i+1, len(tokens), got)
			}
		}
		s.now = func() time.Time { return begun.Add(-time.Hour) } // a clock that was put back does not keep anybody out
		if last := tokenOf(t, s, "vera@example.com"); !signedIn(s, last) || len(sessionsOf(t, s, last)) != store.MaxSessions {
			t.Error("the newest session is not good, or there are too many")
		}
	})
}

func TestWhatIsNotedIsWrittenDownWhenTheServerCloses(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	signUp(t, s, config.Data, "vera@example.com")
	logInWith(s, map[string]any{"email": "vera@example.com", "password": "a guess"}, "198.51.100.7", "guesser")
	next := openNext(t, s, config)
	token, _, err := next.Token(context.Background(), "vera@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if kinds := kindsOf(eventsOf(t, next, token)); !slices.Contains(kinds, "session.refuse") {
		t.Errorf("got %q", kinds)
	}
}

func TestASessionOfAClockThatHadJumpedIsGoodForNobody(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		now := time.Now()
		at := func(ahead time.Duration) { s.now = func() time.Time { return now.Add(ahead) } }
		const year = 365 * 24 * time.Hour
		at(10 * year)
		future := tokenOf(t, s, "vera@example.com")
		if !signedIn(s, future) {
			t.Error("not signed in while the clock is ahead")
		}
		at(time.Hour)
		hour := tokenOf(t, s, "vera@example.com")
		at(0)
		if signedIn(s, future) {
			t.Error("a session that begins in ten years is good")
		}
		if !signedIn(s, hour) {
			t.Error("somebody is signed out because the clock was put back by an hour")
		}
		if got := sessionsOf(t, s, hour); len(got) != 1 {
			t.Errorf("%d sessions are shown, and one can be used", len(got))
		}
		at(sessionLife + 25*time.Hour)
		if signedIn(s, hour) || signedIn(s, future) {
			t.Error("a session is good for longer than sessions are")
		}
	})
}
