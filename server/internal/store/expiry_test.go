package store

import (
	"strconv"
	"testing"
	"time"
)

// Strangers make as many of these as they like, and nobody is to wait until all of them are removed.
func TestWhatHasExpiredIsRemovedSomeAtATime(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		number := l.account()
		account, server := strconv.FormatInt(number, 10), l.server(number)
		const all, some = 5, 2
		for i := range all {
			n := strconv.Itoa(i)
			fill(t, s,
				`INSERT INTO sessions (token_hash, account, created_at, expires_at) VALUES ('`+n+`', `+account+`, 1, 1)`,
				`INSERT INTO codes (account, purpose, salt, hash, network, tries, expires_at) VALUES (`+n+`, 'x', '', '', '', 0, 1)`,
				`INSERT INTO code_tries (account, purpose, network, salt, tries, expires_at) VALUES (1, 'x', '`+n+`', '', 0, 1)`,
				`INSERT INTO code_quotas (account, purpose, network, full_at) VALUES (1, 'x', '`+n+`', 1)`,
				`INSERT INTO otp_tries (account, network, tries, since) VALUES (`+account+`, '`+n+`', 1, 1)`,
				`INSERT INTO page_logins (id, token_hash, key_id, server_id, account, host, opened, created_at, expires_at) VALUES ('`+n+`', '`+n+`', 'x', '`+server+`', `+account+`, 'x', FALSE, 1, 1)`,
				`INSERT INTO idempotency (id, fingerprint, answer, expires_at) VALUES ('`+n+`', '', '', 1)`,
			)
		}
		for name, sweep := range map[string]struct {
			tables []string
			run    func(tx *Tx) (more bool, err error)
		}{
			"sessions": {[]string{"sessions WHERE expires_at = 1"}, func(tx *Tx) (bool, error) { return tx.Auth.DeleteExpired(t.Context(), l.nowAt, some) }},
			"logins":   {[]string{"page_logins"}, func(tx *Tx) (bool, error) { return tx.Auth.DeleteExpiredPageLogins(t.Context(), l.nowAt, some) }},
			"codes": {[]string{"codes WHERE expires_at = 1", "code_tries", "code_quotas"}, func(tx *Tx) (bool, error) {
				return tx.Codes.DeleteExpired(t.Context(), l.nowAt, some)
			}},
			"tries":   {[]string{"otp_tries"}, func(tx *Tx) (bool, error) { return tx.Auth.DeleteTries(t.Context(), l.nowAt, some) }},
			"answers": {[]string{"idempotency"}, func(tx *Tx) (bool, error) { return tx.Idempotency.DeleteExpired(t.Context(), l.nowAt, some) }},
		} {
			for left := all; ; {
				var more bool
				l.tx(func(tx *Tx) (err error) { more, err = sweep.run(tx); return err })
				left = max(0, left-some)
				for _, table := range sweep.tables {
					var n int
					if err := s.read.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n); err != nil || n != left {
						t.Fatalf("%s: %d are left in %s, %v; want %d", name, n, table, err, left)
					}
				}
				if !more {
					if left > 0 {
						t.Errorf("%s: it says that there are no more, and %d are left", name, left)
					}
					break
				}
			}
		}
	})
}

// A replica of an earlier version gives its sessions no id.
func TestASessionWithoutAnIDEndsWithAllOthers(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		account := l.account()
		later := strconv.FormatInt(l.nowAt.Add(time.Hour).UnixMicro(), 10)
		fill(t, s, `INSERT INTO sessions (token_hash, account, created_at, expires_at) VALUES ('old', `+strconv.FormatInt(account, 10)+`, 1, `+later+`)`)
		l.tx(func(tx *Tx) error { return tx.Auth.DeleteSessionsBut(t.Context(), account, "") })
		if _, err := s.Auth.GetCaller(t.Context(), "old", l.nowAt); err != ErrNotFound {
			t.Errorf("after all were ended: got %v, want ErrNotFound", err)
		}
	})
}
