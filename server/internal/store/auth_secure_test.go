package store

import (
	"errors"
	"testing"
	"time"
)

// pageLogin is one of a member that waits.
func (l *life) pageLogin(server string, account int64) PageLogin {
	return PageLogin{ID: l.id(), TokenHash: l.id(), KeyID: "key", ServerID: server, Account: account, Host: "chess.example", CreatedAt: l.nowAt, ExpiresAt: l.nowAt.Add(time.Minute)}
}

// isSignedIn signs a member in to the pages of a server.
func (l *life) isSignedIn(tx *Tx, server string, account int64) PageLogin {
	login := l.pageLogin(server, account)
	l.must(tx.Auth.InsertPageLogin(l.Context(), login))
	return login
}

// hasPageLogins signs a member in to the pages of a server, and out again.
func (l *life) hasPageLogins(server string, account int64) {
	ctx, check := l.Context(), l.check
	l.tx(func(tx *Tx) error {
		left, kept := l.isSignedIn(tx, server, account), l.isSignedIn(tx, server, account)
		for _, login := range []PageLogin{left, kept} {
			check(tx.Auth.OpenPageLogin(ctx, login.TokenHash, "key", "chess.example", l.nowAt, l.nowAt.Add(time.Hour)))
		}
		check(tx.Auth.GetPageLogin(ctx, left.ID, l.nowAt))
		check(0, tx.Auth.DeletePageLogin(ctx, account, left.ID))
		_, err := tx.Auth.DeleteExpiredPageLogins(ctx, l.nowAt, 10)
		return err
	})
}

func TestAMemberHasOnlySoManyPageLoginsAndTheOldestEnds(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann, ben := l.account(), l.account()
		server := l.server(ann, ben)
		opens := func(login PageLogin) (err error) {
			l.tx(func(tx *Tx) error {
				_, err = tx.Auth.OpenPageLogin(t.Context(), login.TokenHash, "key", "chess.example", l.nowAt, l.nowAt.Add(time.Hour))
				return nil
			})
			return err
		}
		var all []PageLogin
		bens := l.pageLogin(server, ben)
		l.tx(func(tx *Tx) error { return tx.Auth.InsertPageLogin(t.Context(), bens) })
		for range MaxPageLogins + 1 {
			l.tx(func(tx *Tx) error { all = append(all, l.isSignedIn(tx, server, ann)); return nil })
			l.nowAt = l.nowAt.Add(time.Millisecond)
		}
		if err := opens(all[0]); !errors.Is(err, ErrNotFound) {
			t.Errorf("the oldest opens: %v", err)
		}
		for _, login := range []PageLogin{all[1], all[MaxPageLogins], bens} {
			if err := opens(login); err != nil {
				t.Errorf("one of the newest does not open: %v", err)
			}
			if err := opens(login); !errors.Is(err, ErrNotFound) {
				t.Errorf("one opens twice: %v", err)
			}
		}
		stranger := l.pageLogin(server, l.account())
		l.tx(func(tx *Tx) error {
			if err := tx.Auth.InsertPageLogin(t.Context(), stranger); !errors.Is(err, ErrNotFound) {
				t.Errorf("who is no member is signed in: %v", err)
			}
			return nil
		})
	})
}
