package store

import (
	"context"
	"database/sql"
	"time"
)

// A PageLogin is that of a member whom an API key signs in to the pages of a community: whoever follows its address opens it, and is
// signed in by it until it expires.
type PageLogin struct {
	ID                   string
	TokenHash            string // SHA-256 of the token in the address, in hex
	KeyID                string // of the API key
	ServerID             string
	Account              int64
	Host                 string // on which the address is followed
	CreatedAt, ExpiresAt time.Time
}

// MaxPageLogins is how many a member has of a community. The contract says so.
const MaxPageLogins = 20

const pageLoginColumns = `id, token_hash, key_id, server_id, account, host, created_at, expires_at`

func scanPageLogin(rows *sql.Rows) (l PageLogin, err error) {
	var created, expires int64
	err = rows.Scan(&l.ID, &l.TokenHash, &l.KeyID, &l.ServerID, &l.Account, &l.Host, &created, &expires)
	l.CreatedAt, l.ExpiresAt = time.UnixMicro(created), time.UnixMicro(expires)
	return l, err
}

// InsertPageLogin adds one that waits, and ends the oldest of the member where there would be more than MaxPageLogins. Who is no member gets
// none: ErrNotFound.
func (a Auth) InsertPageLogin(ctx context.Context, l PageLogin) error {
	if err := a.exec(ctx, `DELETE FROM page_logins WHERE id IN (
	       SELECT id FROM page_logins WHERE account = $1 AND server_id = $2 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4)`,
		l.Account, l.ServerID, MaxPageLogins, MaxPageLogins-1); err != nil {
		return err
	}
	return a.change(ctx, `INSERT INTO page_logins (`+pageLoginColumns+`, opened)
	SELECT $1, $2, $3, server_id, account, $6, $7, $8, FALSE FROM members WHERE server_id = $4 AND account = $5 /* FOR SHARE */`,
		l.ID, l.TokenHash, l.KeyID, l.ServerID, l.Account, l.Host, l.CreatedAt.UnixMicro(), l.ExpiresAt.UnixMicro())
}

// OpenPageLogin opens the one that waits for a token at now, and has it last until another moment. However many do so at the same time, one
// succeeds: for the others, and where the API key or the host is another one, it is ErrNotFound.
func (a Auth) OpenPageLogin(ctx context.Context, tokenHash, keyID, host string, now, until time.Time) (PageLogin, error) {
	return get(ctx, a.conn, scanPageLogin, `UPDATE page_logins SET opened = TRUE, expires_at = $5
	 WHERE token_hash = $1 AND key_id = $2 AND host = $3 AND expires_at > $4 AND NOT opened RETURNING `+pageLoginColumns,
		tokenHash, keyID, host, now.UnixMicro(), until.UnixMicro())
}

// GetPageLogin returns one that is open at now.
func (a Auth) GetPageLogin(ctx context.Context, id string, now time.Time) (PageLogin, error) {
	// The time is no part of the question, so that the answer can be remembered.
	l, err := get(ctx, a.conn, scanPageLogin, `SELECT `+pageLoginColumns+` FROM page_logins WHERE id = $1 AND opened`+unlocked, id)
	if err == nil && !now.Before(l.ExpiresAt) {
		return PageLogin{}, ErrNotFound
	}
	return l, err
}

// DeletePageLogin ends one of an account. That it has ended is no error.
func (a Auth) DeletePageLogin(ctx context.Context, account int64, id string) error {
	a.wake(AccountTopic(account))
	return a.exec(ctx, `DELETE FROM page_logins WHERE account = $1 AND id = $2`, account, id)
}

// DeleteExpiredPageLogins removes some of those that have expired at now, and tells whether there were any.
func (a Auth) DeleteExpiredPageLogins(ctx context.Context, now time.Time, some int) (more bool, err error) {
	return a.changed(ctx, `DELETE FROM page_logins WHERE id IN (
	       SELECT id FROM page_logins WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, now.UnixMicro(), some)
}
