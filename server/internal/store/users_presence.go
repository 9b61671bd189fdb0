package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Presence is when an account was there. The zero Presence is that of one that never was.
type Presence struct {
	LoginAt  gen.Nullable[gen.Time] // the last one
	ActiveAt time.Time              // the last time; the zero time if never
	Minutes  int64                  // in which it was active
	Today    string                 // the last day on which it was, in UTC
	Streak   int64                  // on how many days in a row up to that one
}

// GetPresence returns that of an account.
func (q Users) GetPresence(ctx context.Context, account int64) (Presence, error) {
	found, err := get(ctx, q.conn, func(rows *sql.Rows) (p Presence, err error) {
		var activeAt int64
		if err = rows.Scan(nullableMicros{&p.LoginAt}, &activeAt, &p.Minutes, &p.Today, &p.Streak); err == nil && activeAt > 0 {
			p.ActiveAt = time.UnixMicro(activeAt)
		}
		return p, err
	}, `SELECT login_at, active_at, minutes, today, streak FROM presence WHERE account = $1`, account)
	if errors.Is(err, ErrNotFound) {
		return Presence{LoginAt: gen.Null[gen.Time]()}, nil
	}
	return found, err
}

// NoteLogin writes down that an account has signed in.
func (q Users) NoteLogin(ctx context.Context, account int64, at time.Time) error {
	return q.exec(ctx, `INSERT INTO presence (account, login_at, active_at, minutes, today, streak) VALUES ($1, $2, 0, 0, '', 0)
	ON CONFLICT (account) DO UPDATE SET login_at = excluded.login_at`, account, at.UnixMicro())
}

// NoteActivity writes down that an account was active. A minute and a day count once, whichever process writes them down. What a
// clock has left that was more than an hour ahead is replaced. An account that was deleted since leaves nothing.
func (q Users) NoteActivity(ctx context.Context, account int64, at time.Time) error {
	day, before := at.UTC().Format(time.DateOnly), at.UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	return q.exec(ctx, `INSERT INTO presence (account, active_at, minutes, today, streak) SELECT number, $2, 1, $3, 1 FROM accounts WHERE number = $1 AND erased_at IS NULL
	ON CONFLICT (account) DO UPDATE
	SET minutes = presence.minutes + CASE WHEN excluded.active_at / 60000000 > presence.active_at / 60000000 THEN 1 ELSE 0 END,
	    streak = CASE WHEN excluded.today <= presence.today THEN presence.streak WHEN presence.today = $4 THEN presence.streak + 1 ELSE 1 END,
	    today = CASE WHEN excluded.today > presence.today OR presence.active_at > excluded.active_at + 3600000000 THEN excluded.today ELSE presence.today END,
	    active_at = CASE WHEN excluded.active_at > presence.active_at OR presence.active_at > excluded.active_at + 3600000000
	                     THEN excluded.active_at ELSE presence.active_at END`,
		account, at.UnixMicro(), day, before)
}
