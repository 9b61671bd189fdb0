package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Registrations holds who has registered and not proved the address yet: at most one for each address.
type Registrations struct{ *conn }

// A Registration is what an account will be made of once its address is proved.
type Registration struct{ Account }

// RegistrationLife is for how long an address may be proved. After that a registration counts no more, removed or not.
const RegistrationLife = 24 * time.Hour

// skew is how far the clocks of two processes may differ.
const skew = time.Minute

// isLive tells whether a registration counts at now. One that was made far in the future was made by a clock that was wrong.
func (r Registration) isLive(now time.Time) bool {
	age := now.Sub(r.CreatedAt.Time)
	return age < RegistrationLife && age > -skew
}

// What an account has that has said nothing else, as the schema says, too.
const (
	FirstLanguage = "en"
	FirstTimeZone = "UTC"
)

const registrationColumns = `number, id, email, username, display_name, first_name, last_name, password_hash, created_at
	  FROM registrations`

func scanRegistration(rows *sql.Rows) (r Registration, err error) {
	var username sql.NullString
	err = rows.Scan(&r.AccountNumber, &r.ID, &r.Email, &username, &r.DisplayName, &r.FirstName, &r.LastName, &r.PasswordHash,
		micros{&r.CreatedAt})
	r.Number, r.Username, r.Avatar = Number(r.AccountNumber), nullableOf(username), gen.Null[string]()
	r.Language, r.TimeZone = FirstLanguage, FirstTimeZone
	return r, err
}

// Get returns the registration of an address, which is in lower case, if it counts at now.
func (q Registrations) Get(ctx context.Context, email string, now time.Time) (Registration, error) {
	return q.live(ctx, now, `SELECT `+registrationColumns+` WHERE email = $1`, email)
}

// live is get of one that counts. The time is no part of the question, so that the answer can be remembered.
func (q Registrations) live(ctx context.Context, now time.Time, text, of string) (Registration, error) {
	found, err := get(ctx, q.conn, scanRegistration, text, of)
	if err == nil && !found.isLive(now) {
		return Registration{}, ErrNotFound
	}
	return found, err
}

// Put adds a registration and gives it its numbers, instead of what there was for its address, whose numbers it takes over.
func (q Registrations) Put(ctx context.Context, r *Registration) error {
	username := textOf(r.Username)
	// Only who is new needs a number.
	number, err := get(ctx, q.conn, scanOne[int64], `UPDATE registrations SET id = $2, username = $3, display_name = $4, first_name = $5,
	       last_name = $6, password_hash = $7, created_at = $8 WHERE email = $1 RETURNING number`,
		r.Email, r.ID, username, r.DisplayName, r.FirstName, r.LastName, r.PasswordHash, r.CreatedAt.UnixMicro())
	if errors.Is(err, ErrNotFound) {
		if number, err = Auth(q).nextNumber(ctx); err != nil {
			return err
		}
		// Another one may have come first since.
		number, err = get(ctx, q.conn, scanOne[int64], `INSERT INTO registrations
	       (email, number, id, username, display_name, first_name, last_name, password_hash, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
	ON CONFLICT (email) DO UPDATE SET id = excluded.id, username = excluded.username, display_name = excluded.display_name,
	       first_name = excluded.first_name, last_name = excluded.last_name, password_hash = excluded.password_hash,
	       created_at = excluded.created_at
	RETURNING number`,
			r.Email, number, r.ID, username, r.DisplayName, r.FirstName, r.LastName, r.PasswordHash, r.CreatedAt.UnixMicro())
	}
	r.AccountNumber, r.Number = number, Number(number)
	return err
}

// Delete removes the registration of an address. That there is none is no error.
func (q Registrations) Delete(ctx context.Context, email string) error {
	return q.exec(ctx, `DELETE FROM registrations WHERE email = $1`, email)
}

// DeleteExpired removes some of those that count no more at now, and tells whether there were any.
func (q Registrations) DeleteExpired(ctx context.Context, now time.Time, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM registrations WHERE email IN (
	       SELECT email FROM registrations WHERE created_at <= $1 ORDER BY created_at LIMIT $2)`,
		now.Add(-RegistrationLife).UnixMicro(), some)
}
