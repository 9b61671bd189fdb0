package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// statementsOf is the statements that are run while do is: those that write and, on PostgreSQL, where no read is remembered, all.
func statementsOf(s *Server, config Config, do func()) (statements []string) {
	var mu sync.Mutex
	s.store.Watch(func(text string, _ []any) {
		mu.Lock()
		defer mu.Unlock()
		text = strings.Join(strings.Fields(text), " ")
		if config.Database != "" || !strings.HasPrefix(text, "SELECT") {
			statements = append(statements, text)
		}
	})
	do()
	s.store.Watch(nil)
	return statements
}

// What a request does with a wrong code, and so how long it takes, tells nobody whether the address is known, was verified,
// or has a code: neither at the first try nor once no more are counted.
func TestTheWorkForAWrongCodeIsTheSameWhoeverItIsFor(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		mailed := func(email string, of purpose) {
			holder, err := s.holderOf(t.Context(), s.store.Queries, email)
			if err != nil {
				t.Fatal(err)
			}
			args := codeMail{Email: email, Purpose: of, Registration: holder.ID}
			if err := (codeMailWorker{core: s.core}).Work(t.Context(), &river.Job[codeMail]{JobRow: &rivertype.JobRow{Attempt: 1}, Args: args}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"registered", "mailed", "expired"} {
			postJSON(s.Handler(), "/auth/register", "", map[string]any{"email": name + "@example.com", "password": passphrase})
		}
		tokenOf(t, s, "verified@example.com")
		tokenOf(t, s, "reset@example.com")
		s.now = func() time.Time { return time.Now().Add(-2 * codeLife) }
		mailed("expired@example.com", verifyPurpose)
		s.now = time.Now
		mailed("mailed@example.com", verifyPurpose)
		mailed("reset@example.com", resetPurpose)
		for target, more := range map[string]map[string]any{"/auth/verify-email": {}, "/auth/reset-password": {"password": "another passphrase"}} {
			var first []string
			for _, name := range []string{"nobody", "registered", "mailed", "expired", "verified", "reset", "stranger"} {
				done := []string{}
				for try := range codeTries + 2 {
					body := map[string]any{"email": name + "@example.com", "code": "000000"}
					for key, value := range more {
						body[key] = value
					}
					statements := statementsOf(s, config, func() {
						if w := postJSON(s.Handler(), target, "", body); !isWrongCode(t, w) {
							t.Fatalf("%s %s: got %d %s", target, name, w.Code, w.Body)
						}
					})
					done = append(done, fmt.Sprintf("try %d: %s", try, strings.Join(statements, "; ")))
				}
				if first == nil {
					first = done
				}
				if diff := cmp.Diff(first, done); diff != "" {
					t.Errorf("%s tells by its time what is with %s:\n%s", target, name, diff)
				}
			}
		}
	})
}
