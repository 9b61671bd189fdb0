package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// An AuthEvent is something that was done with an account, or tried, with what the wire does not show.
type AuthEvent struct {
	gen.AuthEvent
	Account int64
	Network string // of an attempt that CountEvent counts
}

// NetworksAnHour is how many lines an hour there are at most of the failed attempts of a kind at an account: one for each
// network, and one for all others together.
const NetworksAnHour = 10

// InsertEvent adds an entry of its own. Of an account that was deleted there are none: ErrErased.
func (a Auth) InsertEvent(ctx context.Context, e AuthEvent) error {
	_, err := a.addEvent(ctx, e, sql.NullString{}, sql.NullInt64{})
	if err != nil {
		return erasedIfMissing(err)
	}
	return a.countIn(ctx, authEventsTally, Number(e.Account))
}

// CountEvent adds an attempt, or several, to the entry of its account, kind, network and hour, unless the account was deleted since.
func (a Auth) CountEvent(ctx context.Context, e AuthEvent) error {
	hour := e.At.Truncate(time.Hour).UnixMicro()
	known, err := list(ctx, a.conn, scanOne[string],
		`SELECT network FROM auth_events WHERE account = $1 AND kind = $2 AND hour = $3 LIMIT $4`, e.Account, e.Kind, hour, NetworksAnHour)
	if err != nil {
		return err
	}
	if !slices.Contains(known, e.Network) && len(known) >= NetworksAnHour-1 {
		e.Network, e.Address, e.UserAgent = "", "", ""
	}
	times, err := a.addEvent(ctx, e, sql.NullString{String: e.Network, Valid: true}, sql.NullInt64{Int64: hour, Valid: true})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || times != e.Times {
		return err
	}
	return a.countIn(ctx, authEventsTally, Number(e.Account))
}

// addEvent returns how often it has been done now.
func (a Auth) addEvent(ctx context.Context, e AuthEvent, network sql.NullString, hour sql.NullInt64) (times int64, err error) {
	return get(ctx, a.conn, scanOne[int64], `INSERT INTO auth_events
	       (id, account, kind, at, last_at, times, address, user_agent, session_id, target, network, hour)
	SELECT $1, number, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM accounts WHERE number = $2 AND erased_at IS NULL /* FOR SHARE */
	ON CONFLICT (account, kind, hour, network) DO UPDATE
	SET times = auth_events.times + excluded.times, last_at = excluded.last_at, address = excluded.address, user_agent = excluded.user_agent
	RETURNING times`,
		e.ID, e.Account, e.Kind, e.At.UnixMicro(), e.LastAt.UnixMicro(), e.Times, e.Address, e.UserAgent,
		textOf(e.SessionID), textOf(e.Target), network, hour)
}

// ListEvents returns a page of the events of an account, the latest first.
func (a Auth) ListEvents(ctx context.Context, account int64, page Page) ([]gen.AuthEvent, error) {
	at, id := page.from(latest)
	return list(ctx, a.conn, func(rows *sql.Rows) (e gen.AuthEvent, err error) {
		var session, target sql.NullString
		err = rows.Scan(&e.ID, &e.Kind, micros{&e.At}, micros{&e.LastAt}, &e.Times, &e.Address, &e.UserAgent, &session, &target)
		e.SessionID, e.Target = nullableOf(session), nullableOf(target)
		return e, err
	}, `SELECT e.id, e.kind, e.at, e.last_at, e.times, e.address, e.user_agent, e.session_id, e.target
	  FROM (SELECT id FROM auth_events WHERE account = $1 AND (at, id) < ($2, $3)
	         ORDER BY at DESC, id DESC LIMIT $4 OFFSET $5) page JOIN auth_events e ON e.id = page.id
	 ORDER BY e.at DESC, e.id DESC`, account, at, id, page.Limit, page.Skip)
}

// CountEvents tells how many events of an account are kept.
func (a Auth) CountEvents(ctx context.Context, account int64) (int64, error) {
	return a.total(ctx, authEventsTally, Number(account))
}

// DeleteEvents removes some of the events that are from before a moment, and tells whether there may be more.
func (a Auth) DeleteEvents(ctx context.Context, before time.Time, some int) (more bool, err error) {
	accounts, err := list(ctx, a.conn, scanOne[string], `DELETE FROM auth_events WHERE id IN (
	       SELECT id FROM auth_events WHERE last_at < $1 ORDER BY last_at LIMIT $2) RETURNING CAST(account AS TEXT)`, before.UnixMicro(), some)
	if err != nil {
		return false, err
	}
	return len(accounts) == some, a.countAllOut(ctx, authEventsTally, accounts)
}
