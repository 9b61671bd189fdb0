package store

import (
	"context"
	"database/sql"
	"fmt"
)

// What a job does to bring standings up to date, step by step.

// LastDay is after every day that there will be.
const LastDay = 1 << 30

// A Driver says which accounts a step goes through: those behind an account, in order.
type Driver int

// The drivers.
const (
	AllMembers Driver = iota // and those who were
	ActiveOn                 // who did something on a day
	Touched                  // of whom something else has changed, as they were taken
)

// A StandingStep is a part of bringing a standing up to date.
type StandingStep struct {
	Standing
	Of    Counted // what counts, or
	Field string  // the field that does
	Drive Driver
	After int64 // account
	Day   int64 // of ActiveOn
	Some  int
}

// driver is the part of a statement that yields the accounts, with its arguments behind those that there are.
func (s StandingStep) driver(args []any) (string, []any) {
	place := func(value any) string {
		args = append(args, value)
		return fmt.Sprintf("$%d", len(args))
	}
	table := map[Driver]string{AllMembers: "totals", ActiveOn: "days", Touched: "leaderboard_touched"}[s.Drive]
	text := "SELECT account FROM " + table + " WHERE server_id = " + place(s.ServerID)
	if s.Drive == ActiveOn {
		text += " AND day = " + place(s.Day)
	}
	if s.Drive == Touched {
		text += " AND taken"
	}
	return text + " AND account > " + place(s.After) + " ORDER BY account LIMIT " + place(s.Some), args
}

// belongs is the condition that an account is ranked.
func (s StandingStep) belongs(args []any) (string, []any) {
	args = append(args, s.ServerID)
	server := fmt.Sprintf("$%d", len(args))
	text := "EXISTS (SELECT 1 FROM members m WHERE m.account = d.account AND m.server_id = " + server + ")"
	if s.Everybody {
		return text, args
	}
	args = append(args, s.LeaderboardID)
	board := fmt.Sprintf("$%d", len(args))
	return text + " AND (EXISTS (SELECT 1 FROM leaderboard_users u WHERE u.leaderboard_id = " + board + " AND u.account = d.account)" +
		" OR EXISTS (SELECT 1 FROM leaderboard_roles r JOIN member_roles mr ON mr.role_id = r.role_id AND mr.server_id = " + server +
		" AND mr.account = d.account WHERE r.leaderboard_id = " + board + "))", args
}

// value is what an account has, null if nothing.
func (s StandingStep) value(args []any) (string, []any) {
	args = append(args, s.ServerID)
	server := fmt.Sprintf("$%d", len(args))
	switch {
	case s.Field != "":
		args = append(args, s.Field)
		return fmt.Sprintf("SELECT v.measure FROM field_values v WHERE v.account = d.account AND v.server_id = %s AND v.field_id = $%d", server, len(args)), args
	case s.From == 0 && s.Until == LastDay:
		return "SELECT t." + countedColumns[s.Of] + " FROM totals t WHERE t.server_id = " + server + " AND t.account = d.account", args
	}
	args = append(args, s.From, s.Until)
	return fmt.Sprintf("SELECT SUM(y.%s) FROM days y WHERE y.server_id = %s AND y.account = d.account AND y.day >= $%d AND y.day <= $%d",
		countedColumns[s.Of], server, len(args)-1, len(args)), args
}

// Step brings some accounts of a standing up to date, and returns the last of them, 0 if there are no more.
func (q Leaderboards) Step(ctx context.Context, s StandingStep) (last int64, err error) {
	last, err = q.lastOf(ctx, s)
	if err != nil || last == 0 {
		return 0, err
	}
	driver, args := s.driver([]any{s.ID, s.ServerID})
	if s.Drive == Touched { // who belongs no more must go; from the others, no more than that is needed
		belongs, args := s.belongs(args)
		if err := q.exec(ctx, `DELETE FROM leaderboard_rows WHERE standing_id = $1 AND server_id = $2 AND account IN (SELECT d.account FROM (`+driver+`) d WHERE NOT (`+belongs+`))`+unlocked, args...); err != nil {
			return 0, err
		}
	}
	value, args := s.value(args)
	belongs, args := s.belongs(args)
	return last, q.exec(ctx, `INSERT INTO leaderboard_rows (standing_id, account, server_id, value)
	SELECT $1, account, $2, value FROM (SELECT d.account, (`+value+`) AS value FROM (`+driver+`) d WHERE `+belongs+`) ranked WHERE value IS NOT NULL
	   AND NOT EXISTS (SELECT 1 FROM leaderboard_rows r WHERE r.standing_id = $1 AND r.account = ranked.account AND r.value = ranked.value)
	ON CONFLICT (standing_id, account) DO UPDATE SET value = excluded.value`+unlocked, args...)
}

func (q Leaderboards) lastOf(ctx context.Context, s StandingStep) (int64, error) {
	driver, args := s.driver(nil)
	return get(ctx, q.conn, scanOne[int64], `SELECT COALESCE(MAX(d.account), 0) FROM (`+driver+`) d`+unlocked, args...)
}

// TakeTouched takes some accounts that were touched, those with the lowest numbers, and returns the last of them, 0 if there are none.
func (q Leaderboards) TakeTouched(ctx context.Context, serverID string, some int) (last int64, err error) {
	taken, err := list(ctx, q.conn, scanOne[int64], `UPDATE leaderboard_touched SET taken = TRUE WHERE server_id = $1 AND account IN (
	       SELECT account FROM leaderboard_touched WHERE server_id = $1 ORDER BY account LIMIT $2) RETURNING account`+unlocked, serverID, some)
	for _, account := range taken {
		last = max(last, account)
	}
	return last, err
}

// DeleteTouched forgets the accounts up to one that were taken and not touched since, because they are brought up to date.
func (q Leaderboards) DeleteTouched(ctx context.Context, serverID string, last int64) error {
	return q.exec(ctx, `DELETE FROM leaderboard_touched WHERE server_id = $1 AND account <= $2 AND taken`, serverID, last)
}

// NextActive returns the first day from one on, and up to another, on which anybody in a server did something; 0 if there is none.
func (q Leaderboards) NextActive(ctx context.Context, serverID string, from, until int64) (int64, error) {
	return get(ctx, q.conn, scanOne[int64], `SELECT COALESCE(MIN(day), 0) FROM days WHERE server_id = $1 AND day >= $2 AND day <= $3`+unlocked, serverID, from, until)
}

// ClimbSome counts some more of a standing from the top down, and notes rungs of its ladder on the way. It tells whether there may be
// more.
func (q Leaderboards) ClimbSome(ctx context.Context, r Ranking, standing string, turn int64, c *Climb) (more bool, err error) {
	table, column := r.from()
	args := []any{r.Owner, climbAtOne}
	if c.Position > 0 {
		table += " AND (" + column + ", account) < ($3, $4)"
		args = append(args, r.bound(c.Place.Value), c.Place.Account)
	}
	found, err := list(ctx, q.conn, func(rows *sql.Rows) (p StandingPlace, err error) { return p, rows.Scan(&p.Value, &p.Account) },
		`SELECT `+column+`, account FROM `+table+` ORDER BY `+column+` DESC, account DESC LIMIT $2`+unlocked, args...)
	if err != nil {
		return false, err
	}
	for _, place := range found {
		if c.Position == 0 || place.Value != c.Place.Value {
			c.First = c.Position
			if c.Position == 0 || c.First-c.Noted >= rungEvery {
				if err := q.exec(ctx, `INSERT INTO leaderboard_ladders (standing_id, turn, value, above) VALUES ($1, $2, $3, $4)`, standing, turn, place.Value, c.First); err != nil {
					return false, err
				}
				c.Noted = c.First
			}
		}
		c.Place, c.Position = place, c.Position+1
	}
	return len(found) == climbAtOne, nil
}
