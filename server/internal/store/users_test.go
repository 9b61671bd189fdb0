package store

import (
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A question looks at no more members than it may, and says where to go on.
func TestAQuestionThatFewMatchGoesOnBehindWhatItHasLookedAt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		owner := l.account()
		id := l.id()
		l.tx(func(tx *Tx) error { return tx.Servers.Insert(t.Context(), id, "Chess club", "", owner, l.nowAt) })
		numbers := numbersOf(MostExamined + 500)
		fill(t, s,
			`INSERT INTO accounts (number, id, email, display_name, created_at) `+numbers+`SELECT i, 'a' || i, 'a' || i, CASE WHEN i = 1003 OR i = 11400 THEN 'Ada' ELSE 'x' END, i FROM n`,
			`INSERT INTO members (server_id, account, joined_at) `+numbers+`SELECT '`+id+`', i, i FROM n`)
		ask := UserQuery{ServerID: id, Conditions: &UserConditions{DisplayName: new("ADA")}}
		var found []int64
		questions := 0
		for more := true; more; questions++ {
			users, next, err := s.Users.Find(t.Context(), ask, 0, 200)
			l.must(err)
			for _, user := range users {
				found = append(found, user.AccountNumber)
			}
			ask.After, more = next, next != nil
		}
		if questions != 2 || len(found) != 2 || found[0] != 1003 || found[1] != 11400 {
			t.Errorf("found %v with %d questions", found, questions)
		}
		ask.After, ask.Conditions = nil, nil
		users, next, err := s.Users.Find(t.Context(), ask, 400, 200)
		if err != nil || len(users) != 200 || users[0].AccountNumber != 1400 || next == nil || next.Account != 1599 {
			t.Errorf("the third page has %d users, goes on at %v (%v)", len(users), next, err)
		}
	})
}

// Accounts from before have no keys; the migration gives them some.
func TestTheMigrationGivesNamesTheirKeys(t *testing.T) {
	const keys = `SELECT name_key, user_key, first_key, last_key FROM accounts ORDER BY number`
	const ofMembers = `SELECT name_key, user_key FROM members ORDER BY account`
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		l.server(l.account(), l.account())
		l.tx(func(tx *Tx) error {
			a, err := tx.Auth.GetAccount(t.Context(), 1)
			l.must(err)
			a.DisplayName, a.FirstName, a.LastName, a.Username = "Stra\u00dfe \U0001d518", "\u0130da", "", gen.NullableOf("ada")
			return tx.Users.Rename(t.Context(), a)
		})
		accounts, members := rowsOf(t, s, keys), rowsOf(t, s, ofMembers)
		fill(t, s, `UPDATE accounts SET name_key = '', user_key = '', first_key = '', last_key = ''`, `UPDATE members SET name_key = '', user_key = ''`)
		tx, err := s.write.db.BeginTx(t.Context(), nil)
		l.must(err)
		l.must(fillKeys(t.Context(), tx))
		l.must(tx.Commit())
		for query, want := range map[string][]string{keys: accounts, ofMembers: members} {
			for i, row := range rowsOf(t, s, query) {
				if row != want[i] || len(row) < 10 {
					t.Errorf("row %d is %q, want %q", i, row, want[i])
				}
			}
		}
	})
}

func TestNamesThatAreTheSameForAReaderHaveOneKey(t *testing.T) {
	for _, same := range [][]string{
		{"Stra\u00dfe", "STRASSE", "strasse", "STRA\u1e9eE"}, {"\u00c9clair", "e\u0301clair", "E\u0301CLAIR"}, {"\u0391\u03a3", "\u03b1\u03c2", "\u03b1\u03c3"}, {"ADA", "ada"}, {"\u13a0", "\uab70"},
	} {
		for _, name := range same {
			if nameKey(name) != nameKey(same[0]) {
				t.Errorf("%q and %q have two keys", name, same[0])
			}
		}
	}
	for _, pair := range [][2]string{{"\u0131", "i"}, {"a", "\u00e1"}, {"a\u202e", "a"}, {"", " "}} {
		if nameKey(pair[0]) == nameKey(pair[1]) {
			t.Errorf("%q and %q have one key", pair[0], pair[1])
		}
	}
}
