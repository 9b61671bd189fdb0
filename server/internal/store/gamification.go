package store

import (
	"context"
	"database/sql"
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
}

// Get returns the rules of a server.
func (q Gamification) Get(ctx context.Context, serverID string) (Rules, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (r Rules, err error) {
		var xp, tiers sql.NullString
		if err := rows.Scan(&r.ServerID, &r.Zone, micros{&r.CreatedAt}, micros{&r.UpdatedAt}, &xp, &tiers); err != nil || !xp.Valid {
			return r, err
		}
		if err := (document{&r.XP}).Scan(xp.String); err != nil {
			return r, err
		}
		return r, (document{&r.Tiers}).Scan(tiers.String)
	}, `SELECT s.id, s.time_zone, s.created_at, COALESCE(g.updated_at, s.created_at), g.xp_setting, g.tier_setting
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

// Cool tells whether a member was not credited for an action as long as this, and notes that they are now. What a clock that had
// jumped has noted is forgotten.
func (q Gamification) Cool(ctx context.Context, serverID string, account int64, action string, long time.Duration, now time.Time) (bool, error) {
	return q.changed(ctx, `INSERT INTO cooldowns (server_id, account, action, at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (server_id, account, action) DO UPDATE SET at = excluded.at WHERE cooldowns.at <= $5 OR cooldowns.at > $6`,
		serverID, account, action, now.UnixMicro(), now.Add(-long).UnixMicro(), now.Add(mostAhead).UnixMicro())
}

// visitReason begins the reasons of visits. The day follows.
const visitReason = "visits/"
