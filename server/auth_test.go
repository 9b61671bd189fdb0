package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const passphrase = "a long passphrase"

// postJSON sends a body, with a session token if there is one.
func postJSON(h http.Handler, target, token string, body map[string]any) *httptest.ResponseRecorder {
	return send(h, jsonRequest(target, token, body))
}

func jsonRequest(target, token string, body map[string]any) *http.Request {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("POST", target, bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// unlimited lets a test ask as often as it likes.
func unlimited(s *Server) *Server {
	for class := range s.limits.classes {
		s.limits.classes[class] = limitClass{}
	}
	s.limits.strangers = nil
	s.guesses = ratelimit.New(1_000_000, time.Nanosecond)
	s.verifyMails, s.madeUsers, s.imported = store.Quota{}, store.Quota{}, store.Quota{}
	s.wrongCodes = ratelimit.New(1_000_000, time.Nanosecond)
	s.incoming = nil
	return s
}

// codeFor waits for a mail to an address and returns the code in it. It takes the mail away, with earlier ones to the
// same address, so that a second call waits for another.
func codeFor(t testing.TB, dataDir, email string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if found := mailsTo(t, dataDir, email); len(found) > 0 {
			code := ""
			for _, m := range found {
				if err := os.Remove(m.path); err != nil {
					t.Fatal(err)
				}
				if m.code != "" { // others tell of keys
					code = m.code
				}
			}
			return code
		}
	}
	t.Fatalf("no mail to %s has come", email)
	return ""
}

type mailFile struct{ path, code, text string }

// mailsTo returns the mails to an address, the newest last.
func mailsTo(t testing.TB, dataDir, email string) (found []mailFile) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dataDir, "mail", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]time.Time{}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			written[path] = info.ModTime()
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return written[a].Compare(written[b]) })
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // taken by a test beside this one
		}
		if err != nil {
			t.Fatal(err)
		}
		to, text := readMail(t, content)
		if to == email {
			found = append(found, mailFile{path, codeIn(t, text), text})
		}
	}
	return found
}

func readMail(t testing.TB, content []byte) (to, text string) {
	t.Helper()
	message, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("not a mail: %v: %s", err, content)
	}
	address, err := mail.ParseAddress(message.Header.Get("To"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	if err != nil {
		t.Fatal(err)
	}
	return address.Address, string(body)
}

var mailedCode = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b`)

// codeIn is the code in a mail; empty, if it is about something else.
func codeIn(t testing.TB, text string) string {
	t.Helper()
	codes := mailedCode.FindAllString(text, -1)
	if len(codes) > 1 {
		t.Fatalf("a mail must hold one code at most: %s", text)
	}
	return strings.Join(codes, "")
}

// register makes an account that is not verified and returns the code that was mailed to it.
func register(t testing.TB, s *Server, dataDir, email string) (code string) {
	t.Helper()
	w := postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": email, "password": passphrase})
	if w.Code != http.StatusCreated {
		t.Fatalf("register answered %d: %s", w.Code, w.Body)
	}
	return codeFor(t, dataDir, strings.ToLower(email))
}

// signUp makes an account that is verified and returns a session token of it.
func signUp(t testing.TB, s *Server, dataDir, email string) (token string) {
	t.Helper()
	code := register(t, s, dataDir, email)
	return sessionIn(t, postJSON(s.Handler(), "/auth/verify-email", "", map[string]any{"email": email, "code": code, "password": passphrase})).Token
}

func sessionIn(t testing.TB, w *httptest.ResponseRecorder) gen.Session {
	t.Helper()
	return read[gen.SessionResponse](t, w).Body
}

// otherThan returns a code that is not the right one.
func otherThan(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func isWrongCode(t *testing.T, w *httptest.ResponseRecorder) bool {
	t.Helper()
	fields := problemOf(t, w).Body.Fields
	return w.Code == http.StatusBadRequest && len(fields) == 1 && fields[0].Pointer == "/code"
}

func signedIn(s *Server, token string) bool {
	return send(s.Handler(), request("GET", "/auth/me", token)).Code == http.StatusOK
}

func TestAnAccountIsRegisteredVerifiedAndLogsIn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		h := s.Handler()
		w := postJSON(h, "/auth/register", "", map[string]any{
			"email": "Vera@Example.com", "password": passphrase, "username": "vera", "firstName": "Vera", "lastName": "Menchik",
		})
		var made gen.AccountResponse
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
			t.Fatalf("register answered %d: %s", w.Code, w.Body)
		}
		want := gen.Account{
			ID: made.Body.ID, Number: "1", Email: "vera@example.com", Username: nullIfEmpty("vera"), DisplayName: "vera",
			FirstName: "Vera", LastName: "Menchik", Avatar: nullIfEmpty(""), Language: "en", TimeZone: "UTC", CreatedAt: made.Body.CreatedAt,
		}
		if diff := cmp.Diff(want, made.Body); diff != "" {
			t.Errorf("register (-want +got):\n%s", diff)
		}

		credentials := map[string]any{"email": "vera@EXAMPLE.com", "password": passphrase}
		w = postJSON(h, "/auth/login", "", credentials)
		if problem := problemOf(t, w); w.Code != http.StatusForbidden || problem.Body.Code != gen.ProblemCodeEmailUnverified {
			t.Errorf("login before the address is verified: got %d %s, want 403 email_unverified", w.Code, w.Body)
		}
		w = postJSON(h, "/auth/login", "", map[string]any{"email": "vera@example.com", "password": "not the password"})
		if w.Code != http.StatusUnauthorized {
			t.Errorf("login with a wrong password before the address is verified: got %d, want 401", w.Code)
		}

		code := codeFor(t, config.Data, "vera@example.com")
		verified := sessionIn(t, postJSON(h, "/auth/verify-email", "", map[string]any{"email": "VERA@example.com", "code": code, "password": passphrase}))
		want.Verified = true
		if diff := cmp.Diff(want, verified.Account); diff != "" {
			t.Errorf("verify-email (-want +got):\n%s", diff)
		}
		logged := sessionIn(t, postJSON(h, "/auth/login", "", credentials))
		if diff := cmp.Diff(want, logged.Account); diff != "" {
			t.Errorf("login (-want +got):\n%s", diff)
		}
		for name, session := range map[string]gen.Session{"verify-email": verified, "login": logged} {
			if left := time.Until(session.ExpiresAt.Time); left < sessionLife-time.Minute || left > sessionLife {
				t.Errorf("the session of %s lasts %v, want 30 days", name, left)
			}
			if me := read[gen.AccountResponse](t, send(h, request("GET", "/auth/me", session.Token))); me.Body.Number != "1" {
				t.Errorf("the session of %s is of %+v", name, me.Body)
			}
		}
		if w := postJSON(h, "/auth/verify-email", "", map[string]any{"email": "vera@example.com", "code": code}); !isWrongCode(t, w) {
			t.Errorf("the code works twice: %d %s", w.Code, w.Body)
		}
	})
}

func TestTheDisplayNameIsTheUserNameOrTheLocalPart(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	long := strings.Repeat("x", 120)
	for _, test := range []struct {
		email string
		more  map[string]any
		want  string
	}{
		{"a@example.com", map[string]any{"displayName": "Vera", "username": "vera"}, "Vera"},
		{"b@example.com", map[string]any{"username": "vera2"}, "vera2"},
		{"Vera.Menchik@example.com", nil, "vera.menchik"},
		{long + "@example.com", nil, long[:100]},
	} {
		body := map[string]any{"email": test.email, "password": passphrase}
		for name, value := range test.more {
			body[name] = value
		}
		w := postJSON(s.Handler(), "/auth/register", "", body)
		var made gen.AccountResponse
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.Body.DisplayName != test.want {
			t.Errorf("%s: got %d %s, want the display name %s", test.email, w.Code, w.Body, test.want)
		}
	}
}

func TestAnAddressAndAUserNameHaveOneAccount(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		register := func(i int, email, username string) int {
			body := map[string]any{"email": email, "password": passphrase}
			if username != "" {
				body["username"] = username
			}
			return postFrom(s, fmt.Sprintf("198.51.100.%d", i), "/auth/register", body).Code
		}
		if got := inParallel(8, func(i int) int { return register(i, []string{"a@example.com", "A@example.com"}[i%2], "") }); got[201] != 8 {
			t.Errorf("the same address at once: got %v, want eight 201, each instead of the one before", got)
		}
		if got := inParallel(8, func(i int) int { return register(i, fmt.Sprintf("b%d@example.com", i), "vera") }); got[201] != 8 {
			t.Errorf("the same user name at once: got %v, want eight 201: it goes to who verifies first", got)
		}
		signUp(t, s, config.Data, "c@example.com")
		if got := register(1, "C@example.com", ""); got != http.StatusConflict {
			t.Errorf("the address of an account: got %d, want 409", got)
		}
	})
}

func TestRegistrationsAtOnceWaitForEachOtherAndNoneIsRunAgain(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true // the mails are another matter
		s := unlimited(open(t, config))
		register := func(i int, email string) int {
			return postFrom(s, fmt.Sprintf("198.51.100.%d", i), "/auth/register", map[string]any{"email": email, "password": passphrase}).Code
		}
		lost := s.store.Retries()
		if got := inParallel(24, func(i int) int { return register(i, "a@example.com") }); got[201] != 24 {
			t.Errorf("of one address: got %v, want 24 201", got)
		}
		if got := inParallel(24, func(i int) int { return register(i, fmt.Sprintf("b%d@example.com", i)) }); got[201] != 24 {
			t.Errorf("of as many addresses: got %v, want 24 201", got)
		}
		if again := s.store.Retries() - lost; again > 0 {
			t.Errorf("transactions were run again %d times", again)
		}
	})
}

func TestARegistrationThatIsRepeatedUnderItsKeyIsAnsweredAgainAndMailsOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		var answers []string
		for range 2 {
			r := jsonRequest("/auth/register", "", map[string]any{"email": "a@example.com", "password": passphrase})
			r.Header.Set("Idempotency-Key", "one")
			w := send(s.Handler(), r)
			if w.Code != http.StatusCreated {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			answers = append(answers, w.Body.String())
		}
		if answers[0] != answers[1] {
			t.Errorf("the answers differ: %s, %s", answers[0], answers[1])
		}
		codeFor(t, config.Data, "a@example.com")
		time.Sleep(300 * time.Millisecond)
		if more := mailsTo(t, config.Data, "a@example.com"); len(more) > 0 {
			t.Errorf("%d more mails were sent", len(more))
		}
	})
}

func TestACodeMayBeTriedFiveTimes(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		try := func(email, code string) *httptest.ResponseRecorder {
			return postJSON(s.Handler(), "/auth/verify-email", "", map[string]any{"email": email, "code": code})
		}
		for wrong, works := range map[int]bool{4: true, 5: false} {
			email := fmt.Sprintf("after-%d@example.com", wrong)
			code := register(t, s, config.Data, email)
			for range wrong {
				if w := try(email, otherThan(code)); !isWrongCode(t, w) {
					t.Fatalf("a wrong code: got %d %s", w.Code, w.Body)
				}
			}
			if w := try(email, code); (w.Code == http.StatusOK) != works {
				t.Errorf("the right code after %d wrong ones: got %d %s", wrong, w.Code, w.Body)
			}
		}
	})
}

func TestGuessesAtOnceAreNoMoreThanFive(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		code := register(t, s, config.Data, "a@example.com")
		// Each is answered in its turn, or told to come again: on PostgreSQL so many at once may be too many.
		got := inParallel(30, func(int) int {
			return postJSON(s.Handler(), "/auth/verify-email", "", map[string]any{"email": "a@example.com", "code": otherThan(code)}).Code
		})
		if got[400]+got[503] != 30 || got[400] < codeTries {
			t.Errorf("got %v, want 400 or 503", got)
		}
		if w := postJSON(s.Handler(), "/auth/verify-email", "", map[string]any{"email": "a@example.com", "code": code}); !isWrongCode(t, w) {
			t.Errorf("the right code after all tries: got %d %s", w.Code, w.Body)
		}

		// What the wire cannot show: how many of them were compared with the code.
		register(t, s, config.Data, "b@example.com")
		results := inParallel(30, func(int) error {
			err := s.store.Tx(context.Background(), func(tx *store.Tx) error {
				try := store.Try{Account: 2, Purpose: string(verifyPurpose), Network: "x", Life: codeLife, OfNetwork: codeTries, OfStrangers: strangerTries}
				_, err := tx.Codes.Try(context.Background(), try, time.Now())
				return err
			})
			for _, known := range []error{store.ErrNotFound, store.ErrUnavailable} {
				if errors.Is(err, known) {
					return known
				}
			}
			return err
		})
		if results[nil] != codeTries || results[nil]+results[store.ErrNotFound]+results[store.ErrUnavailable] != 30 {
			t.Errorf("got %v, want five tries", results)
		}
	})
}

func TestACodeWorksOnceAlsoAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		code := register(t, s, config.Data, "a@example.com")
		got := inParallel(5, func(int) int {
			return postJSON(s.Handler(), "/auth/verify-email", "", map[string]any{"email": "a@example.com", "code": code}).Code
		})
		if got[200] != 1 || got[400] != 4 {
			t.Errorf("got %v, want one 200 and four 400", got)
		}
	})
}

func TestACodeIsGoodForFifteenMinutes(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		for after, works := range map[time.Duration]bool{codeLife - time.Minute: true, codeLife + time.Minute: false} {
			email := fmt.Sprintf("after-%.0f@example.com", after.Minutes())
			s.now = time.Now
			code := register(t, s, config.Data, email)
			s.now = func() time.Time { return time.Now().Add(after) }
			w := postJSON(s.Handler(), "/auth/verify-email", "", map[string]any{"email": email, "code": code})
			if (w.Code == http.StatusOK) != works || (!works && !isWrongCode(t, w)) {
				t.Errorf("after %v: got %d %s", after, w.Code, w.Body)
			}
		}
	})
}

func TestANewCodeEndsTheEarlierOneOfItsPurposeOnly(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		body := func(code string) map[string]any {
			return map[string]any{"email": "a@example.com", "code": code}
		}
		first := register(t, s, config.Data, "a@example.com")
		read[gen.EmptyResponse](t, postJSON(h, "/auth/resend-code", "", map[string]any{"email": "A@example.com"}))
		second := codeFor(t, config.Data, "a@example.com")
		if w := postJSON(h, "/auth/verify-email", "", body(first)); !isWrongCode(t, w) {
			t.Errorf("the first code after another was mailed: got %d %s", w.Code, w.Body)
		}
		read[gen.EmptyResponse](t, postJSON(h, "/auth/forgot-password", "", map[string]any{"email": "A@example.com"}))
		reset := codeFor(t, config.Data, "a@example.com")
		if w := postJSON(h, "/auth/verify-email", "", body(reset)); reset != second && !isWrongCode(t, w) {
			t.Errorf("a code for a new password verifies the address: got %d %s", w.Code, w.Body)
		}
		if w := postJSON(h, "/auth/verify-email", "", body(second)); w.Code != http.StatusOK {
			t.Errorf("the second code: got %d %s", w.Code, w.Body)
		}
		// There is nothing left to verify.
		read[gen.EmptyResponse](t, postJSON(h, "/auth/resend-code", "", map[string]any{"email": "a@example.com"}))
		time.Sleep(300 * time.Millisecond)
		if more := mailsTo(t, config.Data, "a@example.com"); len(more) > 0 {
			t.Errorf("a verified account was mailed: %s", more[0].text)
		}
	})
}

func TestACodeIsGoodUntilAnotherIsMailed(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		signUp(t, s, config.Data, "a@example.com")
		ask := func() {
			read[gen.EmptyResponse](t, postJSON(h, "/auth/forgot-password", "", map[string]any{"email": "a@example.com"}))
		}
		var code string
		for range codesOfNetwork.AtOnce {
			ask()
			code = codeFor(t, config.Data, "a@example.com")
		}
		ask() // for one too many, as anybody could
		time.Sleep(300 * time.Millisecond)
		w := postJSON(h, "/auth/reset-password", "", map[string]any{"email": "a@example.com", "code": code, "password": "another passphrase"})
		if w.Code != http.StatusOK {
			t.Errorf("the last code that was mailed: got %d %s", w.Code, w.Body)
		}
	})
}

func TestCodesAreMailedAsOftenAsANetworkAndAllStrangersMayAsk(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		tokenOf(t, s, "a@example.com")
		ctx, start := context.Background(), time.Now()
		ask := func(of purpose, network string, known bool, after time.Duration) (wait time.Duration) {
			s.store.Tx(ctx, func(tx *store.Tx) (err error) {
				wait, err = tx.Codes.Ask(ctx, store.Asking{
					Account: 1, Purpose: string(of), Network: network, Known: known, OfNetwork: codesOfNetwork, OfStrangers: codesOfStrangers,
				}, start.Add(after))
				if err != nil {
					t.Fatal(err)
				}
				if wait > 0 {
					return errNoMail
				}
				return nil
			})
			return wait
		}
		for i := range codesOfNetwork.AtOnce {
			if ask(resetPurpose, "one", false, 0) != 0 {
				t.Fatalf("code %d was not made", i+1)
			}
		}
		if wait := ask(resetPurpose, "one", false, 0); wait != codesOfNetwork.Every {
			t.Errorf("one more: to wait is %v, want %v", wait, codesOfNetwork.Every)
		}
		if ask(verifyPurpose, "one", false, 0) != 0 {
			t.Error("another purpose has codes of its own")
		}
		for i := range codesOfStrangers.AtOnce - codesOfNetwork.AtOnce {
			if ask(resetPurpose, fmt.Sprint("other ", i), false, 0) != 0 {
				t.Errorf("other network %d got none: one has used up what is for all", i)
			}
		}
		if wait := ask(resetPurpose, "next", false, 0); wait != codesOfStrangers.Every {
			t.Errorf("strangers together: to wait is %v, want %v", wait, codesOfStrangers.Every)
		}
		if ask(resetPurpose, "home", true, 0) != 0 {
			t.Error("what strangers have used up counts for the owner")
		}
		made := 0 // on a day, by however many networks
		for minute := time.Minute; minute <= 24*time.Hour; minute += time.Minute {
			if ask(resetPurpose, minute.String(), false, minute) == 0 {
				made++
			}
		}
		if made != 8 {
			t.Errorf("%d more were made on the day, want 8", made)
		}
		if ask(resetPurpose, "one", false, -90*24*time.Hour) != 0 {
			t.Error("what a wrong clock has written stops the mails")
		}
	})
}

func TestANewPasswordEndsAllOtherSessionsAndVerifiesTheAddress(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		other := signUp(t, s, config.Data, "other@example.com")
		verify := register(t, s, config.Data, "a@example.com")
		earlier := tokenOf(t, s, "a@example.com")

		read[gen.EmptyResponse](t, postJSON(h, "/auth/forgot-password", "", map[string]any{"email": "a@example.com"}))
		code := codeFor(t, config.Data, "a@example.com")
		reset := func(code string) *httptest.ResponseRecorder {
			return postJSON(h, "/auth/reset-password", "", map[string]any{"email": "A@example.com", "code": code, "password": "a longer passphrase"})
		}
		if w := reset(otherThan(code)); !isWrongCode(t, w) || !signedIn(s, earlier) {
			t.Errorf("a wrong code: got %d %s, and the session must go on", w.Code, w.Body)
		}
		session := sessionIn(t, reset(code))
		if !session.Account.Verified || !signedIn(s, session.Token) {
			t.Errorf("the new session: got %+v, want it to work and the address to be verified", session.Account)
		}
		if signedIn(s, earlier) {
			t.Error("the session from before goes on")
		}
		if !signedIn(s, other) {
			t.Error("somebody else's session has ended")
		}
		if w := reset(code); !isWrongCode(t, w) {
			t.Errorf("the code works twice: %d %s", w.Code, w.Body)
		}
		if w := postJSON(h, "/auth/verify-email", "", map[string]any{"email": "a@example.com", "code": verify}); !isWrongCode(t, w) {
			t.Errorf("the code from the registration, which nobody needs any more: got %d %s", w.Code, w.Body)
		}
		for password, want := range map[string]int{passphrase: 401, "a longer passphrase": 200} {
			if w := postJSON(h, "/auth/login", "", map[string]any{"email": "a@example.com", "password": password}); w.Code != want {
				t.Errorf("login with %q: got %d %s, want %d", password, w.Code, w.Body, want)
			}
		}
	})
}

// A login that began with the old password must not leave a session behind once the new one is set.
func TestALoginThatWasOvertakenByANewPasswordFails(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h := s.Handler()
		signUp(t, s, config.Data, "a@example.com")
		postJSON(h, "/auth/forgot-password", "", map[string]any{"email": "a@example.com"})
		code := codeFor(t, config.Data, "a@example.com")
		compare := s.passwords.Compare
		s.passwords.Compare = func(password, hash string) (bool, error) {
			sessionIn(t, postJSON(h, "/auth/reset-password", "", map[string]any{"email": "a@example.com", "code": code, "password": "a longer passphrase"}))
			return compare(password, hash)
		}
		if w := postJSON(h, "/auth/login", "", map[string]any{"email": "a@example.com", "password": passphrase}); w.Code != http.StatusUnauthorized {
			t.Errorf("got %d %s, want 401", w.Code, w.Body)
		}
	})
}

func TestLoggingOutEndsThatSessionAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		one, two := tokenOf(t, s, "a@example.com"), tokenOf(t, s, "a@example.com")
		read[gen.EmptyResponse](t, send(s.Handler(), request("POST", "/auth/logout", one)))
		if signedIn(s, one) || !signedIn(s, two) {
			t.Error("the session must end, and the other must not")
		}
	})
}

func TestAnAccountFromTheCommandLineIsVerifiedAndGetsItsPasswordByMail(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	me := read[gen.AccountResponse](t, send(s.Handler(), request("GET", "/auth/me", tokenOf(t, s, "a@example.com")))).Body
	if !me.Verified {
		t.Error("it is not verified")
	}
	if w := postJSON(s.Handler(), "/auth/login", "", map[string]any{"email": "a@example.com", "password": passphrase}); w.Code != http.StatusUnauthorized {
		t.Errorf("login without a password: got %d, want 401", w.Code)
	}
	postJSON(s.Handler(), "/auth/forgot-password", "", map[string]any{"email": "a@example.com"})
	sessionIn(t, postJSON(s.Handler(), "/auth/reset-password", "", map[string]any{
		"email": "a@example.com", "code": codeFor(t, config.Data, "a@example.com"), "password": passphrase,
	}))
	sessionIn(t, postJSON(s.Handler(), "/auth/login", "", map[string]any{"email": "a@example.com", "password": passphrase}))
}

func TestNoAnswerTellsWhoHasAnAccount(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		signUp(t, s, config.Data, "verified@example.com")
		register(t, s, config.Data, "unverified@example.com")
		tokenOf(t, s, "no-password@example.com")
		for target, body := range map[string]map[string]any{
			"/auth/login":           {"password": "not the password"},
			"/auth/verify-email":    {"code": "000000"},
			"/auth/reset-password":  {"code": "000000", "password": passphrase},
			"/auth/resend-code":     {},
			"/auth/forgot-password": {},
		} {
			var first string
			for _, name := range []string{"nobody", "verified", "unverified", "no-password"} {
				body["email"] = name + "@example.com"
				r := jsonRequest(target, "", body)
				r.Header.Set("X-Request-Id", "the-same")
				w := send(s.Handler(), r)
				answer := fmt.Sprint(w.Code, w.Header(), w.Body)
				if first == "" {
					first = answer
				}
				if answer != first {
					t.Errorf("%s tells %s from nobody: %s, %s", target, name, answer, first)
				}
			}
		}
	})
}

func TestEveryFailedLoginCostsOneCheckOfTheSameWork(t *testing.T) {
	config := onSQLite(t)
	s := unlimited(open(t, config))
	signUp(t, s, config.Data, "verified@example.com")
	register(t, s, config.Data, "unverified@example.com")
	tokenOf(t, s, "no-password@example.com")
	compare := s.passwords.Compare
	var work, first []argon2id.Params
	s.passwords.Compare = func(password, hash string) (bool, error) {
		params, _, _, err := argon2id.DecodeHash(hash)
		if err != nil {
			t.Fatal(err)
		}
		work = append(work, *params)
		return compare(password, hash)
	}
	for _, name := range []string{"verified", "unverified", "nobody", "no-password"} {
		work = nil
		postJSON(s.Handler(), "/auth/login", "", map[string]any{"email": name + "@example.com", "password": "not the password"})
		if first == nil {
			first = work
		}
		if len(work) != 1 || !slices.Equal(work, first) {
			t.Errorf("%s: got %+v, want one check of %+v", name, work, first)
		}
	}
	s.passwords.Compare = func(string, string) (bool, error) { return true, nil }
	for _, name := range []string{"nobody", "no-password"} {
		w := postJSON(s.Handler(), "/auth/login", "", map[string]any{"email": name + "@example.com", "password": "the password of the hash that is checked instead"})
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401 even for a password that matches", name, w.Code)
		}
	}
}

func TestAFloodOfLoginsIsToldToComeAgain(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	refused := make(chan struct{}) // closed when somebody was
	var once sync.Once
	s.passwords.Compare = func(string, string) (bool, error) { <-refused; return false, nil }
	got := inParallel(100*runtime.GOMAXPROCS(0), func(i int) string {
		w := postJSON(s.Handler(), "/auth/login", "", map[string]any{"email": fmt.Sprintf("%d@example.com", i), "password": passphrase})
		if w.Code == http.StatusServiceUnavailable {
			once.Do(func() { close(refused) })
		}
		return fmt.Sprint(w.Code, " ", w.Header().Get("Retry-After"))
	})
	if got["401 "] == 0 || got["503 1"] == 0 || len(got) != 2 {
		t.Errorf("got %v, want 401 for those in line, and 503 with Retry-After for the others", got)
	}
}

// A safeBuffer may be written to by the background work while a test reads it.
type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestNoPasswordCodeOrTokenIsLoggedKeptOrAnsweredBack(t *testing.T) {
	var log safeBuffer
	config := Config{Data: t.TempDir(), Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	s := unlimited(open(t, config))
	h := s.Handler()
	const password, email = "Tr0ub4dor-and-3", "a@example.com"
	var answers []string
	post := func(target, token string, body map[string]any) *httptest.ResponseRecorder {
		w := postJSON(h, target, token, body)
		answers = append(answers, w.Body.String())
		return w
	}
	post("/auth/register", "", map[string]any{"email": email, "password": password})
	first := codeFor(t, config.Data, email)
	post("/auth/verify-email", "", map[string]any{"email": email, "code": otherThan(first)})
	session := sessionIn(t, post("/auth/verify-email", "", map[string]any{"email": email, "code": first}))
	post("/auth/login", "", map[string]any{"email": email, "password": password + "!"})
	post("/auth/login", "", map[string]any{"email": email, "password": password, "unknown": password})
	post("/auth/verify-email", "", map[string]any{"email": email, "code": first + "1"})
	post("/auth/forgot-password", "", map[string]any{"email": email})
	second := codeFor(t, config.Data, email)
	last := sessionIn(t, post("/auth/reset-password", "", map[string]any{"email": email, "code": second, "password": password}))
	send(h, request("GET", "/auth/me", session.Token))
	s.now = func() time.Time { panic("to see what is logged of a panic") }
	post("/auth/login", "", map[string]any{"email": email, "password": password})

	text := strings.Join(answers, "\n") + log.String()
	for _, w := range []string{session.Token, last.Token} {
		if strings.Count(text, w) != 1 { // in the answer that opened the session
			t.Errorf("a token stands %d times in the log and the answers", strings.Count(text, w))
		}
	}
	for name, secret := range map[string]string{"password": password, "first code": `"` + first, "second code": `"` + second} {
		if strings.Contains(text, secret) {
			t.Errorf("the %s stands in the log or in an answer: %s", name, text)
		}
	}
	if !strings.Contains(log.String(), ".eml") {
		t.Errorf("the path of the mail is not logged: %s", &log)
	}
	for _, name := range []string{"rejoin.db", "rejoin.db-wal"} {
		content, err := os.ReadFile(filepath.Join(config.Data, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{password, session.Token, last.Token, first, second, codeAsTyped(first), codeAsTyped(second)} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds %s", name, secret)
			}
		}
	}
}

func TestEveryBitOfRandomnessIsInACode(t *testing.T) {
	code, err := newCode(bytes.NewReader([]byte{0xff, 0xff, 0x00, 0x00, 0x2a}))
	if err != nil || code != "ZZZG001A" {
		t.Errorf("got %s, %v", code, err)
	}
	if _, err := newCode(bytes.NewReader(make([]byte, 4))); err == nil {
		t.Error("without randomness there must be no code")
	}
}

func TestWhatHasExpiredIsRemoved(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		tokenOf(t, s, "a@example.com")
		now := time.Now()
		insertPerishables(t, s, now, now.Add(-time.Minute), now.Add(time.Minute))
		if all := perishablesIn(t, s, now); len(all) != 6 {
			t.Fatalf("before: got %v, want everything", all)
		}
		config.Idle = false
		s = openNext(t, s, config) // a server that starts begins by removing
		want := []string{"session 1", "purpose 1", "claim 1"}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			left := perishablesIn(t, s, now)
			if slices.Equal(left, want) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("after: got %v, want %v", left, want)
			}
		}
	})
}

// insertPerishables adds a session, a code and a kept answer for each time at which they expire.
func insertPerishables(t *testing.T, s *Server, now time.Time, expiries ...time.Time) {
	t.Helper()
	ctx := context.Background()
	if err := s.store.Tx(ctx, func(tx *store.Tx) error {
		for i, expires := range expiries {
			session := store.Session{TokenHash: fmt.Sprint("session ", i), Account: 1}
			session.CreatedAt, session.ExpiresAt = gen.Time{Time: now}, gen.Time{Time: expires}
			if err := tx.Auth.InsertSession(ctx, session); err != nil {
				return err
			}
			code := store.Code{Account: 1, Purpose: fmt.Sprint("purpose ", i), Salt: "salt", Hash: "hash", ExpiresAt: expires}
			if err := tx.Codes.Insert(ctx, code); err != nil {
				return err
			}
			claim := store.Claim{ID: fmt.Sprint("claim ", i), Fingerprint: "fingerprint", ExpiresAt: expires}
			if _, err := tx.Idempotency.Claim(ctx, claim, now.Add(-time.Hour)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// perishablesIn are those of two expiries that are still in the database, asked at a time when nothing had expired.
func perishablesIn(t *testing.T, s *Server, now time.Time) (found []string) {
	t.Helper()
	ctx, past := context.Background(), now.Add(-time.Hour)
	err := s.store.Tx(ctx, func(tx *store.Tx) error {
		found = nil
		for i := range 2 {
			if _, err := tx.Auth.GetCaller(ctx, fmt.Sprint("session ", i), past); err == nil {
				found = append(found, fmt.Sprint("session ", i))
			}
			try := store.Try{Account: 1, Purpose: fmt.Sprint("purpose ", i), Network: "x", Life: 24 * time.Hour, OfNetwork: 1000, OfStrangers: 1000}
			if _, err := tx.Codes.Try(ctx, try, past); err == nil {
				found = append(found, fmt.Sprint("purpose ", i))
			}
			kept, err := tx.Idempotency.Claim(ctx, store.Claim{ID: fmt.Sprint("claim ", i), ExpiresAt: now.Add(-time.Minute)}, past)
			if err != nil {
				return err
			}
			if kept != nil {
				found = append(found, fmt.Sprint("claim ", i))
			}
		}
		return errors.New("leave everything as it is")
	})
	if err == nil {
		t.Error("there must be an error")
	}
	return found
}
