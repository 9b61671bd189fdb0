package store

import (
	"context"
	"time"
)

// Auth holds accounts and their sessions.
type Auth struct{ conn }

// An Account is somebody who can sign in.
type Account struct {
	Number      int64  // what everything refers to it by; set by InsertAccount: from 1, never given twice
	ID          string // `_id` on the wire
	Email       string // in lower case
	DisplayName string
	CreatedAt   time.Time
}

// A Session lets the holder of a token act for an account.
type Session struct {
	TokenHash string // SHA-256 of the token, in hex
	Account   int64
	CreatedAt time.Time
	ExpiresAt time.Time
}

// GetCaller returns the account of a session that has not expired at now, by its token's hash.
func (a Auth) GetCaller(ctx context.Context, tokenHash string, now time.Time) (account int64, err error) {
	return get(ctx, a.conn, scanOne[int64],
		`SELECT account FROM sessions WHERE token_hash = $1 AND expires_at > $2`, tokenHash, now.UnixMicro())
}

// AnyAccount tells whether there is an account at all.
func (a Auth) AnyAccount(ctx context.Context) (bool, error) {
	return get(ctx, a.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM accounts)`)
}

// GetAccountByEmail finds an account by its address, which is in lower case.
func (a Auth) GetAccountByEmail(ctx context.Context, email string) (account int64, err error) {
	return get(ctx, a.conn, scanOne[int64], `SELECT number FROM accounts WHERE email = $1`, email)
}

// InsertAccount adds an account and gives it its number.
func (a Auth) InsertAccount(ctx context.Context, account *Account) error {
	number, err := get(ctx, a.conn, scanOne[int64],
		`UPDATE counters SET value = value + 1 WHERE name = 'account' RETURNING value`)
	if err != nil {
		return err
	}
	account.Number = number
	_, err = a.exec(ctx, `INSERT INTO accounts (number, id, email, display_name, created_at) VALUES ($1, $2, $3, $4, $5)`,
		account.Number, account.ID, account.Email, account.DisplayName, account.CreatedAt.UnixMicro())
	return err
}

// InsertSession adds a session.
func (a Auth) InsertSession(ctx context.Context, s Session) error {
	_, err := a.exec(ctx, `INSERT INTO sessions (token_hash, account, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
		s.TokenHash, s.Account, s.CreatedAt.UnixMicro(), s.ExpiresAt.UnixMicro())
	return err
}
