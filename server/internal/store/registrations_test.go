package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What there was before: accounts that are not verified, and may have acted through a token from the command line.
func TestTheMigrationTakesNobodysPasswordOver(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		verified, acted, registered := l.account(), l.account(), l.account()
		l.server(acted)
		fill(t, s, `DROP TABLE known_networks`, `DROP TABLE code_quotas`, `DROP TABLE code_tries`, `DROP TABLE registrations`,
			`ALTER TABLE accounts ADD COLUMN verified BOOLEAN NOT NULL DEFAULT TRUE`, `UPDATE accounts SET username = NULL, password_hash = 'hash'`)
		for _, account := range []int64{acted, registered} {
			if _, err := s.write.db.Exec(`UPDATE accounts SET verified = FALSE WHERE number = $1`, account); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.write.db.Exec(`DELETE FROM sessions WHERE account = $1`, registered); err != nil {
			t.Fatal(err)
		}
		fill(t, s, upOf(t, "00009_registrations.sql")...)
		if diff := cmp.Diff([]string{"1 hash", "2 "}, rowsOf(t, s, `SELECT number || ' ' || COALESCE(password_hash, '') FROM accounts ORDER BY number`)); diff != "" || verified != 1 {
			t.Errorf("accounts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"3 hash"}, rowsOf(t, s, `SELECT number || ' ' || password_hash FROM registrations`)); diff != "" {
			t.Errorf("registrations (-want +got):\n%s", diff)
		}
	})
}
