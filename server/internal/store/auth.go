package store

import (
	"context"
	"database/sql"
	"strconv"
	"time"
)

// Auth holds accounts and their sessions.
type Auth struct{ conn }

// An Account is somebody who can sign in.
type Account struct {
	ID          string
	Number      int64  // set by InsertAccount: from 1, never given twice
	Email       string // in lower case
	DisplayName string
	CreatedAt   time.Time
}

// A Session lets the holder of a token act for an account.
type Session struct {
	TokenHash string // SHA-256 of the token, in hex
	AccountID string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// A Caller is the account behind a session.
type Caller struct {
	AccountID string
	Number    int64
}

// NumberText is an account's number as the System API shows it.
func (c Caller) NumberText() string { return strconv.FormatInt(c.Number, 10) }

// GetCaller finds who holds the session of a token that has not expired at now.
func (a Auth) GetCaller(ctx context.Context, tokenHash string, now time.Time) (Caller, error) {
	return get(ctx, a.conn, func(rows *sql.Rows) (c Caller, err error) {
		return c, rows.Scan(&c.AccountID, &c.Number)
	}, `SELECT a.id, a.number
	      FROM sessions s JOIN accounts a ON a.id = s.account_id
	     WHERE s.token_hash = $1 AND s.expires_at > $2`, tokenHash, now.UnixMicro())
}

// AnyAccount tells whether there is an account at all.
func (a Auth) AnyAccount(ctx context.Context) (bool, error) {
	return get(ctx, a.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM accounts)`)
}

// GetAccountID finds an account by its address, which is in lower case.
func (a Auth) GetAccountID(ctx context.Context, email string) (string, error) {
	return get(ctx, a.conn, scanOne[string], `SELECT id FROM accounts WHERE email = $1`, email)
}

// InsertAccount adds an account and gives it its number.
func (a Auth) InsertAccount(ctx context.Context, account *Account) error {
	number, err := get(ctx, a.conn, scanOne[int64],
		`UPDATE counters SET value = value + 1 WHERE name = 'account' RETURNING value`)
	if err != nil {
		return err
	}
	account.Number = number
	_, err = a.exec(ctx, `INSERT INTO accounts (id, number, email, display_name, created_at) VALUES ($1, $2, $3, $4, $5)`,
		account.ID, account.Number, account.Email, account.DisplayName, account.CreatedAt.UnixMicro())
	return err
}

// InsertSession adds a session.
func (a Auth) InsertSession(ctx context.Context, s Session) error {
	_, err := a.exec(ctx, `INSERT INTO sessions (token_hash, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
		s.TokenHash, s.AccountID, s.CreatedAt.UnixMicro(), s.ExpiresAt.UnixMicro())
	return err
}
