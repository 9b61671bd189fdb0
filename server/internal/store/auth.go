package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Auth holds accounts and their sessions.
type Auth struct{ *conn }

// An Account is somebody who can sign in, with what the wire never shows.
type Account struct {
	gen.Account
	AccountNumber int64  // what everything refers to it by; set by InsertAccount: from 1, never given twice
	PasswordHash  string // empty: nobody can log in with a password; of an account that is not verified, what it may become
}

// A Session lets the holder of a token act for an account.
type Session struct {
	gen.OpenSession        // Current is for who asks
	TokenHash       string // SHA-256 of the token, in hex
	Account         int64
}

// MaxSessions is how many sessions an account may have: one more ends the oldest.
const MaxSessions = 100

// GetCaller returns the session that is good at now, by its token's hash.
func (a Auth) GetCaller(ctx context.Context, tokenHash string, now time.Time) (Session, error) {
	// The time is no part of the question, so that the answer can be remembered.
	found, err := get(ctx, a.conn, scanSession, `SELECT `+sessionColumns+` WHERE token_hash = $1`+unlocked, tokenHash)
	if err == nil && !found.IsGood(now) {
		return Session{}, ErrNotFound
	}
	return found, err
}

const sessionColumns = `token_hash, account, id, created_at, last_used_at, expires_at, address, user_agent FROM sessions`

func scanSession(rows *sql.Rows) (s Session, err error) {
	err = rows.Scan(&s.TokenHash, &s.Account, &s.ID, micros{&s.CreatedAt}, micros{&s.LastUsedAt}, micros{&s.ExpiresAt}, &s.Address, &s.UserAgent)
	return s, err
}

// ListSessions returns the sessions of an account, the newest first.
func (a Auth) ListSessions(ctx context.Context, account int64) ([]Session, error) {
	return list(ctx, a.conn, scanSession, `SELECT `+sessionColumns+` WHERE account = $1
	 ORDER BY created_at DESC, id DESC LIMIT $2`, account, MaxSessions)
}

// GetFirstAccount returns the account that was made first.
func (a Auth) GetFirstAccount(ctx context.Context) (Account, error) {
	return get(ctx, a.conn, scanAccount, `SELECT `+accountColumns+` WHERE erased_at IS NULL ORDER BY number LIMIT 1`)
}

const accountColumns = `number, id, email, username, display_name, first_name, last_name, avatar_image_id, proved, password_hash, created_at, about_me, quote, language, time_zone,
	       EXISTS (SELECT 1 FROM two_factor t WHERE t.account = number AND t.confirmed)
	  FROM accounts`

func scanAccount(rows *sql.Rows) (a Account, err error) {
	var username, avatar, passwordHash sql.NullString
	err = rows.Scan(&a.AccountNumber, &a.ID, &a.Email, &username, &a.DisplayName, &a.FirstName,
		&a.LastName, &avatar, &a.Verified, &passwordHash, micros{&a.CreatedAt},
		&a.AboutMe, &a.Quote, &a.Language, &a.TimeZone, &a.TwoFactor)
	a.Number = Number(a.AccountNumber)
	a.Username, a.Avatar, a.PasswordHash = nullableOf(username), ImagePath(avatar.String), passwordHash.String
	return a, err
}

// GetAccount returns an account by its number. One that was deleted is ErrErased, and ErrNotFound like one that never was.
func (a Auth) GetAccount(ctx context.Context, number int64) (Account, error) {
	account, err := get(ctx, a.conn, scanAccount, `SELECT `+accountColumns+` WHERE number = $1 AND erased_at IS NULL`+unlocked, number)
	return account, erasedIfMissing(err)
}

// GetAccountByEmail finds an account by its address, which is in lower case.
func (a Auth) GetAccountByEmail(ctx context.Context, email string) (Account, error) {
	return get(ctx, a.conn, scanAccount, `SELECT `+accountColumns+` WHERE email = $1`+unlocked, email)
}

// GetNumber returns the number of the account with an id.
func (a Auth) GetNumber(ctx context.Context, id string) (int64, error) {
	return get(ctx, a.conn, scanOne[int64], `SELECT number FROM accounts WHERE id = $1 AND erased_at IS NULL`+unlocked, id)
}

// AnyAccountNamed tells whether a user name is taken. An account that was made before a moment, and whose address nobody has
// proved, keeps its name from nobody.
func (a Auth) AnyAccountNamed(ctx context.Context, username string, unprovedSince time.Time) (bool, error) {
	return get(ctx, a.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM accounts WHERE username = $1 AND (proved OR created_at > $2))`+unlocked,
		username, unprovedSince.UnixMicro())
}

// FreeName takes a user name from the account that has it, if that was made before a moment and nobody has proved its address. That
// there is none is no error.
func (a Auth) FreeName(ctx context.Context, username string, unprovedSince time.Time) error {
	holder, err := get(ctx, a.conn, scanAccount, `SELECT `+accountColumns+` WHERE username = $1 AND NOT proved AND created_at <= $2`,
		username, unprovedSince.UnixMicro())
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	holder.Username = gen.Null[string]()
	return Users(a).Rename(ctx, holder)
}

// InsertAccount adds an account, and gives it its numbers unless it has some from its registration.
func (a Auth) InsertAccount(ctx context.Context, account *Account) (err error) {
	if account.AccountNumber == 0 {
		if account.AccountNumber, err = a.nextNumber(ctx); err != nil {
			return err
		}
		account.Number = Number(account.AccountNumber)
	}
	name, user, first, last := keysOf(*account)
	return a.exec(ctx, `INSERT INTO accounts (number, id, email, username, display_name, first_name, last_name, password_hash, proved, created_at,
	       name_key, user_key, first_key, last_key)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		account.AccountNumber, account.ID, account.Email, textOf(account.Username),
		account.DisplayName, account.FirstName, account.LastName,
		orNull(account.PasswordHash), account.Verified, account.CreatedAt.UnixMicro(), name, user, first, last)
}

// Prove notes that somebody has proved the address of an account that an API key has made, and sets its password: none if the
// hash is empty. One that is proved already, or is not there, is ErrNotFound.
func (a Auth) Prove(ctx context.Context, account int64, passwordHash string) error {
	return a.change(ctx, `UPDATE accounts SET proved = TRUE, password_hash = $2 WHERE number = $1 AND NOT proved AND erased_at IS NULL`, account, orNull(passwordHash))
}

func (a Auth) nextNumber(ctx context.Context) (int64, error) {
	return get(ctx, a.conn, scanOne[int64], `UPDATE counters SET value = value + 1 WHERE name = 'account' RETURNING value`)
}

// UpdatePassword sets the password of an account.
func (a Auth) UpdatePassword(ctx context.Context, account int64, passwordHash string) error {
	return a.changeOf(ctx, `UPDATE accounts SET password_hash = $2 WHERE number = $1 AND erased_at IS NULL`, account, passwordHash)
}

// InsertSession adds a session, and ends the oldest of its account where there would be more than MaxSessions. An account that was
// deleted gets none: ErrErased.
func (a Auth) InsertSession(ctx context.Context, s Session) error {
	if err := a.exec(ctx, `DELETE FROM sessions WHERE token_hash IN (
	       SELECT token_hash FROM sessions WHERE account = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3)`,
		s.Account, MaxSessions, MaxSessions-1); err != nil {
		return err
	}
	return a.changeOf(ctx, `INSERT INTO sessions (token_hash, account, id, created_at, last_used_at, expires_at, address, user_agent)
	SELECT $1, number, $3, $4, $5, $6, $7, $8 FROM accounts WHERE number = $2 AND erased_at IS NULL /* FOR SHARE */`,
		s.TokenHash, s.Account, s.ID, s.CreatedAt.UnixMicro(), s.LastUsedAt.UnixMicro(), s.ExpiresAt.UnixMicro(), s.Address, s.UserAgent)
}

// changeOf is change for a statement that needs the account that it is about: without a row, that was deleted.
func (c *conn) changeOf(ctx context.Context, text string, args ...any) error {
	return erasedIfMissing(c.change(ctx, text, args...))
}

// erasedIfMissing says why there is no account of a number: nothing but an account has ever had one.
func erasedIfMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %w", ErrErased, err)
	}
	return err
}

// UpdateLastUse writes down when a session was used. That it has ended is no error.
func (a Auth) UpdateLastUse(ctx context.Context, tokenHash string, at time.Time) error {
	return a.exec(ctx, `UPDATE sessions SET last_used_at = $2 WHERE token_hash = $1`, tokenHash, at.UnixMicro())
}

// DeleteSession ends a session of an account, by its id, and returns the hash of its token.
func (a Auth) DeleteSession(ctx context.Context, account int64, id string) (tokenHash string, err error) {
	a.wake(AccountTopic(account))
	return get(ctx, a.conn, scanOne[string], `DELETE FROM sessions WHERE account = $1 AND id = $2 RETURNING token_hash`, account, id)
}

// DeleteSessionsBut ends every session of an account but the one with an id; without one, all. So end all its logins to pages.
func (a Auth) DeleteSessionsBut(ctx context.Context, account int64, id string) error {
	a.wake(AccountTopic(account))
	if err := a.exec(ctx, `DELETE FROM page_logins WHERE account = $1`, account); err != nil {
		return err
	}
	return a.exec(ctx, `DELETE FROM sessions WHERE account = $1 AND ($2 = '' OR id <> $2)`, account, id)
}

// DeleteExpired removes some of the sessions that have expired at now, and tells whether there were any.
func (a Auth) DeleteExpired(ctx context.Context, now time.Time, some int) (more bool, err error) {
	return a.changed(ctx, `DELETE FROM sessions WHERE token_hash IN (
	       SELECT token_hash FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, now.UnixMicro(), some)
}
