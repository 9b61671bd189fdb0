package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Standing is a leaderboard as it is shown for a time.
type Standing struct {
	ID, ServerID, LeaderboardID string
	Filter                      string
	From, Until                 int64 // days since 1970-01-01, both within
	Everybody                   bool
	Ended                       bool
	ReadAt, DeepAt              time.Time
	ComputedAt                  gen.Nullable[gen.Time]
	Progress                    StandingProgress
}

// StandingProgress is how far the job has come with a standing.
type StandingProgress struct {
	Built   bool  `json:"built,omitempty"`   // all members were gone through once
	Account int64 `json:"account,omitempty"` // up to where they were, or those of Day

	Pass   bool      `json:"pass,omitempty"`  // those who did something are gone through
	Day    int64     `json:"day,omitempty"`   // on this day
	Today  int64     `json:"today,omitempty"` // up to this one
	Since  int64     `json:"since,omitempty"` // what was done before this day is in already
	AsOf   time.Time `json:"asOf,omitzero"`   // when that began
	Turn   int64     `json:"turn,omitempty"`  // of the ladder that is whole; 0: none
	TurnAt time.Time `json:"turnAt,omitzero"` // when it was begun
	Climb  *Climb    `json:"climb,omitempty"` // of the next one
}

// A Climb is how far a ladder was counted.
type Climb struct {
	At       time.Time     `json:"at"`
	Place    StandingPlace `json:"place"`
	Position int64         `json:"position"` // how many were counted
	First    int64         `json:"first"`    // how many have more than the last value
	Noted    int64         `json:"noted"`    // the First of the last rung
}

// A StandingPlace is a place in a standing: behind a member.
type StandingPlace struct {
	Value   float64 `json:"value"`
	Account int64   `json:"account"`
}

// The limits of what one question about a rank reads.
const (
	rungEvery  = 200  // places between two rungs of a ladder
	MostAbove  = 200  // who is among so many first has an exact rank
	mostDrift  = 1000 // between two rungs, with whoever has moved since they were counted
	climbAtOne = 1000
)

// A Ranking is what a standing is read from: totals, or rows.
type Ranking struct {
	Of       Counted // of totals; 0: rows
	Owner    string  // the id of the server or of the standing
	Positive bool    // only those with more than 0
}

var countedColumns = map[Counted]string{
	CountedXP: "xp", CountedCoins: "coins", CountedMessages: "messages", CountedReplies: "replies", CountedReactions: "reactions", CountedReferrals: "referrals",
}

// from is the table and its condition, and the column of the value.
func (r Ranking) from() (table, value string) {
	if r.Of == 0 {
		table, value = "leaderboard_rows WHERE standing_id = $1", "value"
	} else {
		table, value = "totals WHERE server_id = $1 AND is_member", countedColumns[r.Of]
	}
	if r.Positive {
		table += " AND " + value + " > 0"
	}
	return table, value
}

// bound is a value as the column has it.
func (r Ranking) bound(value float64) any {
	if r.Of == 0 {
		return value
	}
	return int64(value)
}

// A Ranked is a member who is ranked, with what is shown of them.
type Ranked struct {
	StandingPlace
	Account Account
	Counts  [6]int64       // by Counted - 1
	Fields  map[string]any // by their ids, if they are wanted
	There   bool           // still a member
}

// A RankedQuery is a question for some of those who are ranked.
type RankedQuery struct {
	Ranking
	ServerID    string
	After       *StandingPlace // nil: from the first
	Up          bool           // from there upwards, the nearest first
	Skip, Limit int
	Fields      bool
}

// ListRanked returns some of those who are ranked, from a place on.
func (q Leaderboards) ListRanked(ctx context.Context, ask RankedQuery) ([]Ranked, error) {
	table, value := ask.from()
	direction, compare := " DESC", "<"
	if ask.Up {
		direction, compare = "", ">"
	}
	args := []any{ask.Owner, ask.Limit, ask.Skip, ask.ServerID}
	if ask.After != nil {
		table += fmt.Sprintf(" AND (%s, account) %s ($5, $6)", value, compare)
		args = append(args, ask.bound(ask.After.Value), ask.After.Account)
	}
	fields := "NULL"
	if ask.Fields {
		fields = `(SELECT string_agg(v.field_id || ' ' || v.value, '` + "\n" + `') FROM field_values v WHERE v.account = d.account AND v.server_id = $4)`
	}
	return list(ctx, q.conn, scanRanked, `SELECT d.sort_value, d.account, a.id, a.username, a.display_name, a.avatar_image_id,
	       t.xp, t.coins, t.messages, t.replies, t.reactions, t.referrals, t.is_member, `+fields+`
	  FROM (SELECT account, `+value+` AS sort_value FROM `+table+` ORDER BY `+value+direction+`, account`+direction+` LIMIT $2 OFFSET $3) d
	  JOIN accounts a ON a.number = d.account JOIN totals t ON t.server_id = $4 AND t.account = d.account
	 ORDER BY d.sort_value`+direction+`, d.account`+direction, args...)
}

func scanRanked(rows *sql.Rows) (r Ranked, err error) {
	var username, avatar, fields sql.NullString
	a := &r.Account
	err = rows.Scan(&r.Value, &r.StandingPlace.Account, &a.ID, &username, &a.DisplayName, &avatar,
		&r.Counts[0], &r.Counts[1], &r.Counts[2], &r.Counts[3], &r.Counts[4], &r.Counts[5], &r.There, &fields)
	a.AccountNumber, a.Username, a.Avatar = r.StandingPlace.Account, nullableOf(username), ImagePath(avatar.String)
	if err == nil && fields.Valid {
		r.Fields, err = splitValues(fields.String)
	}
	return r, err
}

// GetRanked returns the place of an account; ErrNotFound if it is not ranked.
func (q Leaderboards) GetRanked(ctx context.Context, r Ranking, account int64) (StandingPlace, error) {
	table, value := r.from()
	return get(ctx, q.conn, func(rows *sql.Rows) (p StandingPlace, err error) {
		return p, rows.Scan(&p.Value, &p.Account)
	}, `SELECT `+value+`, account FROM `+table+` AND account = $2`, r.Owner, account)
}

// countAbove counts those with more than a value and, if most is not nil, not more than that, up to a limit.
func (q Leaderboards) countAbove(ctx context.Context, r Ranking, value float64, most *float64, limit int) (n int64, err error) {
	table, column := r.from()
	args := []any{r.Owner, r.bound(value), limit}
	if most != nil {
		table += " AND " + column + " <= $4"
		args = append(args, r.bound(*most))
	}
	return get(ctx, q.conn, scanOne[int64], `SELECT COUNT(*) FROM (SELECT 1 FROM `+table+` AND `+column+` > $2 ORDER BY `+column+` LIMIT $3) counted`, args...)
}

// CountTies counts those who have the same value and stand before a place, up to a limit.
func (q Leaderboards) CountTies(ctx context.Context, r Ranking, place StandingPlace, limit int) (int64, error) {
	table, column := r.from()
	return get(ctx, q.conn, scanOne[int64], `SELECT COUNT(*) FROM (SELECT 1 FROM `+table+` AND `+column+` = $2 AND account > $3 ORDER BY `+column+`, account LIMIT $4) tied`,
		r.Owner, r.bound(place.Value), place.Account, limit)
}

// RankOf returns the rank of a value. Among the first it is exact, up to most; below that it is as the ladder of a standing says, if
// there is one: counted is false where there is none that tells.
func (q Leaderboards) RankOf(ctx context.Context, r Ranking, value float64, most int, s *Standing) (rank int64, exact, counted bool, err error) {
	n, err := q.countAbove(ctx, r, value, nil, most+1)
	if err != nil || n <= int64(most) {
		return n + 1, true, true, err
	}
	if s == nil || s.Progress.Turn == 0 {
		return 0, false, false, nil
	}
	rung, err := get(ctx, q.conn, func(rows *sql.Rows) (p [2]float64, err error) { return p, rows.Scan(&p[0], &p[1]) },
		`SELECT value, above FROM leaderboard_ladders WHERE standing_id = $1 AND turn = $2 AND value >= $3 ORDER BY value LIMIT 1`, s.ID, s.Progress.Turn, value)
	if errors.Is(err, ErrNotFound) {
		return 0, false, false, nil
	}
	if err != nil {
		return 0, false, false, err
	}
	n, err = q.countAbove(ctx, r, value, &rung[0], mostDrift)
	return int64(rung[1]) + n + 1, false, n < mostDrift, err
}

const selectStanding = `SELECT s.id, s.server_id, s.leaderboard_id, s.filter, s.from_day, s.until_day, s.everybody, s.ended, s.read_at, s.deep_at, s.computed_at, s.progress
	  FROM leaderboard_standings s `

func scanStanding(rows *sql.Rows) (s Standing, err error) {
	var read, deep gen.Time
	err = rows.Scan(&s.ID, &s.ServerID, &s.LeaderboardID, &s.Filter, &s.From, &s.Until, &s.Everybody, &s.Ended, micros{&read}, micros{&deep},
		nullableMicros{&s.ComputedAt}, document{&s.Progress})
	s.ReadAt, s.DeepAt = read.Time, deep.Time
	return s, err
}

// GetStanding returns how a leaderboard is shown for a time.
func (q Leaderboards) GetStanding(ctx context.Context, leaderboardID, filter string, from, until int64) (Standing, error) {
	return get(ctx, q.conn, scanStanding, selectStanding+`WHERE s.leaderboard_id = $1 AND s.filter = $2 AND s.from_day = $3 AND s.until_day = $4 AND NOT s.ended`+unlocked,
		leaderboardID, filter, from, until)
}

// ListStandings returns those of a server behind an id.
func (q Leaderboards) ListStandings(ctx context.Context, serverID, after string, some int) ([]Standing, error) {
	return list(ctx, q.conn, scanStanding, selectStanding+`WHERE s.server_id = $1 AND s.id > $2 ORDER BY s.id LIMIT $3`+unlocked, serverID, after, some)
}

// InsertStanding adds a standing, unless there is one for the same time.
func (q Leaderboards) InsertStanding(ctx context.Context, s Standing) error {
	return q.exec(ctx, `INSERT INTO leaderboard_standings (id, server_id, leaderboard_id, filter, from_day, until_day, everybody, ended, read_at, deep_at, computed_at, progress)
	VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, $8, $9, NULL, '{}') ON CONFLICT DO NOTHING`,
		s.ID, s.ServerID, s.LeaderboardID, s.Filter, s.From, s.Until, s.Everybody, s.ReadAt.UnixMicro(), s.DeepAt.UnixMicro())
}

// NoteReading writes down when a standing was read last.
func (q Leaderboards) NoteReading(ctx context.Context, s Standing) error {
	return q.exec(ctx, `UPDATE leaderboard_standings SET read_at = $2, deep_at = $3 WHERE id = $1`, s.ID, s.ReadAt.UnixMicro(), s.DeepAt.UnixMicro())
}

// NoteProgress writes down how far the job has come with a standing since before, if it has. If it is gone, it is ErrNotFound, and it
// stays until the transaction ends.
func (q Leaderboards) NoteProgress(ctx context.Context, before, s Standing) error {
	if before.ComputedAt == s.ComputedAt && written(before.Progress) == written(s.Progress) {
		return nil
	}
	computed := sql.NullInt64{}
	if at, is := s.ComputedAt.Get(); is {
		computed = sql.NullInt64{Int64: at.UnixMicro(), Valid: true}
	}
	return q.change(ctx, `UPDATE leaderboard_standings SET progress = $2, computed_at = $3 WHERE id = $1`, s.ID, written(s.Progress), computed)
}

// EndStandings ends those of a leaderboard: how it is shown has changed. What they have left is removed by DeleteStanding.
func (q Leaderboards) EndStandings(ctx context.Context, leaderboardID string) error {
	return q.exec(ctx, `UPDATE leaderboard_standings SET ended = TRUE WHERE leaderboard_id = $1 AND NOT ended`, leaderboardID)
}

// EndStanding ends one.
func (q Leaderboards) EndStanding(ctx context.Context, id string) error {
	return q.exec(ctx, `UPDATE leaderboard_standings SET ended = TRUE WHERE id = $1`, id)
}

// EndOfRole ends the standings of the leaderboards that rank a role, and they rank it no more.
func (q Leaderboards) EndOfRole(ctx context.Context, roleID string) error {
	boards, err := list(ctx, q.conn, scanOne[string], `DELETE FROM leaderboard_roles WHERE role_id = $1 RETURNING leaderboard_id`, roleID)
	for i := 0; i < len(boards) && err == nil; i++ {
		err = q.EndStandings(ctx, boards[i])
	}
	return err
}

// DeleteStanding removes some of what a standing that has ended has left, and in the end its own row, and tells whether there may be
// more.
func (q Leaderboards) DeleteStanding(ctx context.Context, id string, some int) (more bool, err error) {
	more, err = q.changed(ctx, `DELETE FROM leaderboard_rows WHERE standing_id = $1 AND account IN (SELECT account FROM leaderboard_rows WHERE standing_id = $1 LIMIT $2 /* FOR UPDATE */)`, id, some)
	if err == nil && !more {
		more, err = q.DeleteLadders(ctx, id, 1<<62, some)
	}
	if err != nil || more {
		return more, err
	}
	return false, q.exec(ctx, `DELETE FROM leaderboard_standings WHERE id = $1 AND ended`, id)
}

// DeleteLadders removes some rungs of the ladders of a standing from before a turn, and tells whether there may be more.
func (q Leaderboards) DeleteLadders(ctx context.Context, id string, before int64, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM leaderboard_ladders WHERE standing_id = $1 AND (turn, value) IN (
	       SELECT turn, value FROM leaderboard_ladders WHERE standing_id = $1 AND turn < $2 ORDER BY turn LIMIT $3 /* FOR UPDATE */)`, id, before, some)
}

// ListForgotten returns servers with standings that nobody has read for long.
func (q Leaderboards) ListForgotten(ctx context.Context, before time.Time, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], `SELECT server_id FROM leaderboard_standings WHERE read_at < $1 ORDER BY read_at LIMIT $2`+unlocked, before.UnixMicro(), some)
}

// touch notes that something else than days and totals has changed of a member.
func (c *conn) touch(ctx context.Context, serverID string, account int64) error {
	// The row is locked where it is there already: whoever takes it waits for what has changed, or has not begun to look.
	return c.exec(ctx, `INSERT INTO leaderboard_touched (server_id, account, taken)
	SELECT $1, $2, FALSE WHERE EXISTS (SELECT 1 FROM leaderboard_standings WHERE server_id = $1)
	ON CONFLICT (server_id, account) DO UPDATE SET taken = FALSE`+unlocked, serverID, account)
}

// unrank removes a member from the standings of a server at once: from all, or from those that do not rank everybody. The job puts
// them back where they still belong.
func (c *conn) unrank(ctx context.Context, serverID string, account int64, all bool) error {
	if err := c.exec(ctx, `DELETE FROM leaderboard_rows WHERE account = $2 AND server_id = $1 AND ($3 OR standing_id IN (
	       SELECT id FROM leaderboard_standings WHERE server_id = $1 AND NOT everybody))`+unlocked, serverID, account, all); err != nil {
		return err
	}
	return c.touch(ctx, serverID, account)
}
