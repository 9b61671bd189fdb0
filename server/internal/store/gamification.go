package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Gamification holds what members of a server are credited for, and what tiers they climb.
type Gamification struct{ *conn }

// Rules are those of a server, and the time zone of its days. They were made with it.
type Rules struct {
	ServerID  string
	Zone      string
	XP        gen.XPSetting
	Tiers     gen.TierSetting
	CreatedAt gen.Time
	UpdatedAt gen.Time

	Streaks, Badges, Milestones bool // whether there are any that a deed may move, or reach
	Webhooks                    bool // whether any are sent something
	Live                        bool // whether somebody follows what happens
}

// Get returns the rules of a server.
func (q Gamification) Get(ctx context.Context, serverID string) (Rules, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (r Rules, err error) {
		var xp, tiers sql.NullString
		if err := rows.Scan(&r.ServerID, &r.Zone, micros{&r.CreatedAt}, micros{&r.UpdatedAt}, &xp, &tiers, &r.Streaks, &r.Badges, &r.Milestones, &r.Webhooks, &r.Live); err != nil || !xp.Valid {
			return r, err
		}
		if err := (document{&r.XP}).Scan(xp.String); err != nil {
			return r, err
		}
		return r, (document{&r.Tiers}).Scan(tiers.String)
	}, `SELECT s.id, s.time_zone, s.created_at, COALESCE(g.updated_at, s.created_at), g.xp_setting, g.tier_setting,
	       EXISTS (SELECT 1 FROM streaks WHERE server_id = $1), EXISTS (SELECT 1 FROM badges WHERE server_id = $1 AND action > ''), EXISTS (SELECT 1 FROM milestones WHERE server_id = $1),
	       EXISTS (SELECT 1 FROM webhook_wants WHERE server_id = $1), EXISTS (SELECT 1 FROM live_servers WHERE server_id = $1 AND live)
	  FROM servers s LEFT JOIN gamification g ON g.server_id = s.id WHERE s.id = $1`+unlocked, serverID)
}

// Put sets the rules of a server.
func (q Gamification) Put(ctx context.Context, r Rules) error {
	return q.exec(ctx, `INSERT INTO gamification (server_id, xp_setting, tier_setting, updated_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (server_id) DO UPDATE SET xp_setting = excluded.xp_setting, tier_setting = excluded.tier_setting, updated_at = excluded.updated_at`,
		r.ServerID, written(r.XP), written(r.Tiers), r.UpdatedAt.UnixMicro())
}

// A Profile is what an account shows of itself, as far as that is worth something.
type Profile struct{ Picture, AboutMe, Quote bool }

// GetProfile returns that of an account.
func (q Gamification) GetProfile(ctx context.Context, account int64) (Profile, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (p Profile, err error) { return p, rows.Scan(&p.Picture, &p.AboutMe, &p.Quote) },
		`SELECT avatar_image_id IS NOT NULL, about_me <> '', quote <> '' FROM accounts WHERE number = $1`+unlocked, account)
}

// Cool tells whether a member was not credited for an action as long as this, and notes that they are now, unless it has counted under
// this reason already. What a clock that had jumped has noted is forgotten.
func (q Gamification) Cool(ctx context.Context, l LedgerLine, long time.Duration, now time.Time) (bool, error) {
	return q.changed(ctx, `INSERT INTO cooldowns (server_id, account, action, at)
	SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM ledger WHERE server_id = $1 AND account = $2 AND reason = $7)
	ON CONFLICT (server_id, account, action) DO UPDATE SET at = excluded.at WHERE cooldowns.at <= $5 OR cooldowns.at > $6`+unlocked,
		l.ServerID, l.Account, l.Action, now.UnixMicro(), now.Add(-long).UnixMicro(), now.Add(mostAhead).UnixMicro(), l.Reason)
}

// MaxMilestones is how many milestones a server may have. The contract says so of the list.
const MaxMilestones = 50

const selectMilestone = `SELECT m.definition FROM milestones m `

func scanMilestone(rows *sql.Rows) (m gen.Milestone, err error) { return m, rows.Scan(document{&m}) }

// ListMilestones returns the milestones of a server, the oldest first.
func (q Gamification) ListMilestones(ctx context.Context, serverID string) ([]gen.Milestone, error) {
	return list(ctx, q.conn, scanMilestone, selectMilestone+`WHERE m.server_id = $1 ORDER BY m.created_at, m.id`+unlocked, serverID)
}

// GetMilestone returns a milestone.
func (q Gamification) GetMilestone(ctx context.Context, id string) (gen.Milestone, error) {
	return get(ctx, q.conn, scanMilestone, selectMilestone+`WHERE m.id = $1`, id)
}

// InsertMilestone adds a milestone. Beyond MaxMilestones it is a LimitError.
func (q Gamification) InsertMilestone(ctx context.Context, m gen.Milestone) error {
	if err := q.exec(ctx, `INSERT INTO milestones (id, server_id, definition, created_at) VALUES ($1, $2, $3, $4)`,
		m.ID, m.CommunityID, written(m), m.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, milestonesTally, m.CommunityID)
}

// UpdateMilestone replaces a milestone.
func (q Gamification) UpdateMilestone(ctx context.Context, m gen.Milestone) error {
	return q.change(ctx, `UPDATE milestones SET definition = $2 WHERE id = $1`, m.ID, written(m))
}

// DeleteMilestone removes a milestone. Who has reached what of it stands in the ledger.
func (q Gamification) DeleteMilestone(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, milestonesTally, `DELETE FROM milestones WHERE id = $1 RETURNING server_id`, id)
}

// MilestoneReason begins the reasons of what steps of milestones have credited. The id of the milestone follows, and the value.
const MilestoneReason = "milestones/"

// mostSteps is how many steps a milestone has at most. The contract says so.
const mostSteps = 20

var reachedSteps = `SELECT reason, at FROM ledger WHERE server_id = $1 AND account = $2 AND reason IN (` + strings.TrimPrefix(places(2+mostSteps), "$1, $2, ") + `)` + unlocked

// ListReachedSteps returns when a member has reached the steps that a milestone has, by their values. What it had before it was changed
// is not looked at, however often that was.
func (q Gamification) ListReachedSteps(ctx context.Context, m gen.Milestone, account int64) (map[int64]gen.Time, error) {
	type step struct {
		value int64
		at    gen.Time
	}
	of, args := MilestoneReason+m.ID+"/", []any{m.CommunityID, account}
	for i := range mostSteps {
		args = append(args, of+strconv.FormatInt(m.Steps[min(i, len(m.Steps)-1)].Value, 10))
	}
	found, err := list(ctx, q.conn, func(rows *sql.Rows) (s step, err error) {
		var reason string
		if err := rows.Scan(&reason, micros{&s.at}); err != nil {
			return s, err
		}
		s.value, err = strconv.ParseInt(strings.TrimPrefix(reason, of), 10, 64)
		return s, err
	}, reachedSteps, args...)
	reached := map[int64]gen.Time{}
	for _, s := range found {
		reached[s.value] = s.at
	}
	return reached, err
}

// visitReason begins the reasons of visits. The day follows.
const visitReason = "visits/"
