package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Streaks holds what members of servers do so many days, weeks or months in a row, and how far each has come.
type Streaks struct{ *conn }

// MaxStreaks is how many a server may have. The contract says so of the list.
const MaxStreaks = 50

// A Streak is one of a server's.
type Streak struct {
	gen.Streak
	Zones Zones // that it had
}

// A ZoneChange is since when, in microseconds, there is a time zone.
type ZoneChange struct {
	Zone  string `json:"zone"`
	Since int64  `json:"since"`
}

// Zones are changes in their order. The first one holds for all the time before, too.
type Zones []ZoneChange

// MostZones is how many of the last zones are known. The contract says so too.
const MostZones = 16

// Then are zones after another change.
func (z Zones) Then(zone string, at time.Time) Zones {
	if n := len(z); n > 0 && z[n-1].Zone == zone {
		return z
	}
	z = append(slices.Clone(z), ZoneChange{zone, at.UnixMicro()})
	return z[max(0, len(z)-MostZones):]
}

// ZoneRest is how long the zone of a member stays, once a change of it has counted. Who changed it as they liked would see every date
// that there is anywhere at once, and none that is between them. The contract says so too.
const ZoneRest = 24 * time.Hour

// Moved are the zones of a member after another change. One that comes too early counts as soon as it may, unless another one comes
// before that.
func (z Zones) Moved(zone string, at time.Time) Zones {
	last := len(z) - 1
	if last > 0 && z[last].Since > at.UnixMicro() { // it has not counted
		z, last = z[:last], last-1
	}
	if counts := time.UnixMicro(z[last].Since).Add(ZoneRest); at.Before(counts) {
		at = counts
	}
	return z.Then(zone, at)
}

const selectStreak = `SELECT s.definition, s.zones FROM streaks s `

func scanStreak(rows *sql.Rows) (s Streak, err error) {
	return s, rows.Scan(document{&s.Streak}, document{&s.Zones})
}

// List returns the streaks of a server in their order.
func (q Streaks) List(ctx context.Context, serverID string) ([]Streak, error) {
	return list(ctx, q.conn, scanStreak, selectStreak+`WHERE s.server_id = $1 ORDER BY s.position, s.created_at, s.id`+unlocked, serverID)
}

// Get returns a streak.
func (q Streaks) Get(ctx context.Context, id string) (Streak, error) {
	return get(ctx, q.conn, scanStreak, selectStreak+`WHERE s.id = $1`, id)
}

// Insert adds a streak. Beyond MaxStreaks it is a LimitError.
func (q Streaks) Insert(ctx context.Context, s Streak) error {
	if err := q.exec(ctx, `INSERT INTO streaks (id, server_id, definition, zones, position, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		s.ID, s.CommunityID, written(s.Streak), written(s.Zones), s.Order, s.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, streaksTally, s.CommunityID)
}

// Update replaces a streak.
func (q Streaks) Update(ctx context.Context, s Streak) error {
	return q.change(ctx, `UPDATE streaks SET definition = $2, zones = $3, position = $4 WHERE id = $1`,
		s.ID, written(s.Streak), written(s.Zones), s.Order)
}

// Delete removes a streak. How far members have come is removed by DeleteRest, because there may be any number of them.
func (q Streaks) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, streaksTally, `DELETE FROM streaks WHERE id = $1 RETURNING server_id`, id)
}

// DeleteRest removes some of how far members had come in a deleted streak, and tells whether there may be more.
func (q Streaks) DeleteRest(ctx context.Context, serverID, id string, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM streak_states WHERE (account, server_id, streak_id) IN (
	       SELECT account, server_id, streak_id FROM streak_states WHERE server_id = $1 AND streak_id = $2 LIMIT $3)`, serverID, id, some)
}

// A StreakMember is whom streaks are about, in a server, and what is known of them.
type StreakMember struct {
	ServerID string
	Account  int64
	States   map[string]string  // by the ids of streaks
	Zones    Zones              // that the account had
	Fields   map[string]float64 // what they have in the fields that are numbers or dates
}

// Member returns how far a member has come in streaks, and if wanted what they have in fields. Nobody else moves them on until the
// transaction has ended, if it holds the totals of the member.
func (q Streaks) Member(ctx context.Context, serverID string, account int64, fields bool) (m StreakMember, err error) {
	m = StreakMember{ServerID: serverID, Account: account, States: map[string]string{}, Fields: map[string]float64{}}
	type row struct {
		kind, id, text string
		measure        sql.NullFloat64
	}
	text := `SELECT 'state', streak_id, state, CAST(NULL AS DOUBLE PRECISION) FROM streak_states WHERE account = $1 AND server_id = $2
	 UNION ALL SELECT 'zone', time_zone, zone_changes, NULL FROM accounts WHERE number = $1`
	if fields {
		text += ` UNION ALL SELECT 'field', field_id, '', measure FROM field_values WHERE account = $1 AND server_id = $2 AND measure IS NOT NULL`
	}
	rows, err := list(ctx, q.conn, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.kind, &r.id, &r.text, &r.measure)
	}, text+unlocked, account, serverID)
	for _, r := range rows {
		switch {
		case r.kind == "state":
			m.States[r.id] = r.text
		case r.kind == "field":
			m.Fields[r.id] = r.measure.Float64
		case r.text == "":
			m.Zones = Zones{{Zone: r.id}}
		case err == nil:
			err = (document{&m.Zones}).Scan(r.text)
		}
	}
	return m, err
}

// putAtOnce is how many states one statement writes. One with more parameters would make SQLite's cache forget everything.
const putAtOnce = (mostParameters - 2) / 2

// Put writes down how far a member has come in some streaks.
func (q Streaks) Put(ctx context.Context, serverID string, account int64, states map[string]string) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(states)), putAtOnce) { // in one order, whoever does it
		var places []string
		args := []any{account, serverID}
		for _, id := range ids {
			places = append(places, fmt.Sprintf("($1, $2, $%d, $%d)", len(args)+1, len(args)+2))
			args = append(args, id, states[id])
		}
		if err := q.exec(ctx, `INSERT INTO streak_states (account, server_id, streak_id, state) VALUES `+strings.Join(places, ", ")+`
		ON CONFLICT (account, server_id, streak_id) DO UPDATE SET state = excluded.state`, args...); err != nil {
			return err
		}
	}
	return nil
}

// ChangeZone notes that an account has another time zone, which counts when it may.
func (q Streaks) ChangeZone(ctx context.Context, account int64, before, after string, at time.Time) error {
	text, err := get(ctx, q.conn, scanOne[string], `SELECT zone_changes FROM accounts WHERE number = $1`, account)
	if err != nil {
		return err
	}
	zones := Zones{{Zone: before}}
	if text != "" {
		if err := (document{&zones}).Scan(text); err != nil {
			return err
		}
	}
	return q.change(ctx, `UPDATE accounts SET zone_changes = $2 WHERE number = $1`, account, written(zones.Moved(after, at)))
}

// A StreakLog is that a member has reached a streak.
type StreakLog struct {
	ID       string
	ServerID string
	Account  int64
	Frame    string // of its period: a Monday is a day, and begins a week and perhaps a month
	gen.StreakLog
}

// key is the period with its frame. Before they had one, periods were written down without.
func (l StreakLog) key() string { return l.Period + "/" + l.Frame }

// periodOf is a key without the frame.
func periodOf(key string) string {
	period, _, _ := strings.Cut(key, "/")
	return period
}

// InsertLog adds a line, and tells whether there was none for the period.
func (q Streaks) InsertLog(ctx context.Context, l StreakLog) (added bool, err error) {
	return q.changed(ctx, `INSERT INTO streak_logs (account, server_id, streak_id, period, id, name, length, xp, coins, at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		l.Account, l.ServerID, l.StreakID, l.key(), l.ID, l.Name, l.Length, l.XP, l.Coins, l.ReachedAt.UnixMicro())
}

// ListLogs returns a page of when a member has reached a streak, or any if none is named, the latest first.
func (q Streaks) ListLogs(ctx context.Context, serverID string, account int64, streakID string, page Page) ([]StreakLog, error) {
	at, id := page.from(latest)
	which, args := `account = $1 AND server_id = $2`, []any{account, serverID, at, id, page.Limit, page.Skip}
	if streakID != "" {
		which += ` AND streak_id = $7`
		args = append(args, streakID)
	}
	return list(ctx, q.conn, func(rows *sql.Rows) (l StreakLog, err error) {
		var key string
		err = rows.Scan(&l.ID, &l.StreakID, &key, &l.Name, &l.Length, &l.XP, &l.Coins, micros{&l.ReachedAt})
		l.Period = periodOf(key)
		return l, err
	}, `SELECT id, streak_id, period, name, length, xp, coins, at FROM streak_logs
	 WHERE `+which+` AND (at, id) < ($3, $4) ORDER BY at DESC, id DESC LIMIT $5 OFFSET $6`, args...)
}
