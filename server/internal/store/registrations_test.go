package store

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What there was before: accounts that are not verified, and may have acted through a token from the command line.
func TestTheMigrationTakesNobodysPasswordOver(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		rows := []string{`INSERT INTO sessions (token_hash, account, created_at, expires_at) VALUES ('s', 2, 0, 9000000000000000)`}
		for i, verified := range []string{"TRUE", "FALSE", "FALSE"} {
			n := strconv.Itoa(i + 1)
			rows = slices.Insert(rows, i, `INSERT INTO accounts (number, id, email, display_name, created_at, verified, password_hash)
			VALUES (`+n+`, 'a`+n+`', 'a`+n+`', 'x', 0, `+verified+`, 'hash')`)
		}
		migrateTo(t, url, 7, rows...)
		s := open(t, url)
		if diff := cmp.Diff([]string{"1 hash", "2 "}, rowsOf(t, s, `SELECT number || ' ' || COALESCE(password_hash, '') FROM accounts ORDER BY number`)); diff != "" {
			t.Errorf("accounts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"3 hash"}, rowsOf(t, s, `SELECT number || ' ' || password_hash FROM registrations`)); diff != "" {
			t.Errorf("registrations (-want +got):\n%s", diff)
		}
	})
}
