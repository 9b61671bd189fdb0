package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
)

// How many there may be of what is listed whole. The contract says so of each list. Whoever has more from before keeps them.
const (
	MaxRoles       = 250  // of a server
	MaxChannels    = 1000 // of a server
	MaxBadges      = 1000 // of a server
	MaxKeys        = 100  // of a server
	MaxInvites     = 250  // of a server, that have not ended
	MaxMemberships = 1000 // of an account

	MaxAccessLevels = 100 // of a server

	MaxInvitesOfMember = 50 // of those of a server, made by a member who is no administrator
)

// LimitError says that there are as many of something as there may be.
type LimitError struct {
	Most int64
	What string // such as "roles in this server"
}

func (e *LimitError) Error() string { return fmt.Sprintf("limit reached: %d %s", e.Most, e.What) }

// A tally is how many there are of a kind of thing, kept in the transactions in which they come and go. It is the sum of
// its shards, of which each transaction changes one: writers at once do not wait for each other, nor does PostgreSQL run
// them again.
type tally struct {
	kind   string
	shards int64
	most   int64 // 0: any number
	what   string
}

// tallyShards is known to the migrations that filled the tallies.
const tallyShards = 32

var (
	membersTally      = tally{kind: "members", shards: tallyShards}
	auditTally        = tally{kind: "audit", shards: tallyShards}
	rolesTally        = tally{"roles", tallyShards, MaxRoles, "roles in this server"}
	channelsTally     = tally{"channels", tallyShards, MaxChannels, "channels in this server"}
	badgesTally       = tally{"badges", tallyShards, MaxBadges, "badges in this server"}
	socialsTally      = tally{"socials", tallyShards, MaxSocials, "social links in this community"}
	keysTally         = tally{"keys", tallyShards, MaxKeys, "API keys in this server"}
	fieldsTally       = tally{"fields", tallyShards, MaxFields, "user fields in this community"}
	milestonesTally   = tally{"milestones", tallyShards, MaxMilestones, "milestones in this community"}
	invitesTally      = tally{"invites", tallyShards, MaxInvites, "invites to this server"}
	streaksTally      = tally{"streaks", tallyShards, MaxStreaks, "streaks in this community"}
	gamesTally        = tally{"games", tallyShards, MaxMiniGames, "mini games in this community"}
	categoriesTally   = tally{"categories", tallyShards, MaxCategories, "categories in this store"}
	productsTally     = tally{"products", tallyShards, MaxProducts, "products in this store"}
	statusesTally     = tally{"statuses", 1, MaxStatuses, "redemption statuses in this community"}
	webhooksTally     = tally{"webhooks", 1, MaxWebhooks, "webhooks in this community"}
	incomingTally     = tally{"incoming", 1, MaxIncomingWebhooks, "incoming webhooks in this community"}
	widgetsTally      = tally{"widgets", 1, MaxWidgets, "widgets in this community"}
	widgetKeysTally   = tally{"widget_keys", 1, MaxWidgetAccessKeys, "widget access keys in this community"}
	leaderboardsTally = tally{"leaderboards", tallyShards, MaxLeaderboards, "leaderboards in this community"}
	applicationsTally = tally{kind: "applications", shards: tallyShards} // for a badge
	// of an account
	membershipsTally = tally{"servers", tallyShards, MaxMemberships, "servers of yours"}
	authEventsTally  = tally{kind: "events", shards: tallyShards}
)

// share is how many a shard may hold. The shares of all shards together are the limit: a transaction that finds room in
// one has no need to know the others, and however many run at once, the limit is kept.
func (t tally) share(shard int64) int64 {
	if t.most == 0 {
		return math.MaxInt64
	}
	return (t.most + t.shards - 1 - shard) / t.shards
}

// countIn counts one more. It is a LimitError if there are as many as there may be.
func (c *conn) countIn(ctx context.Context, t tally, whose string) error {
	counted, err := c.addTo(ctx, t, whose, c.shard%t.shards, 1)
	if err != nil || counted {
		return err
	}
	held, err := read(ctx, c, func(rows *sql.Rows) ([]int64, error) {
		held := make([]int64, t.shards)
		for rows.Next() {
			var shard, n int64
			if err := rows.Scan(&shard, &n); err != nil {
				return nil, err
			}
			held[shard] = n
		}
		return held, nil
	}, `SELECT shard, n FROM tallies WHERE whose = $1 AND kind = $2`+unlocked, whose, t.kind)
	if err != nil {
		return err
	}
	for shard, n := range held {
		if shard := int64(shard); n < t.share(shard) {
			if counted, err := c.addTo(ctx, t, whose, shard, 1); err != nil || counted { // else others were faster
				return err
			}
		}
	}
	return &LimitError{Most: t.most, What: t.what}
}

// countOut counts one less. A shard may fall below zero; it is the sum that counts.
func (c *conn) countOut(ctx context.Context, t tally, whose string) error {
	_, err := c.addTo(ctx, t, whose, c.shard%t.shards, -1)
	return err
}

// countAllOut counts one less for each time that something is named.
func (c *conn) countAllOut(ctx context.Context, t tally, whose []string) error {
	gone := map[string]int64{}
	for _, one := range whose {
		gone[one]++
	}
	for _, one := range slices.Sorted(maps.Keys(gone)) { // in one order, or two who do so would wait for each other
		if _, err := c.addTo(ctx, t, one, c.shard%t.shards, -gone[one]); err != nil {
			return err
		}
	}
	return nil
}

// deleteCounted runs a statement that deletes one thing and returns whose it was, and counts it out. Without one it is
// ErrNotFound.
func (c *conn) deleteCounted(ctx context.Context, t tally, text string, args ...any) error {
	whose, err := get(ctx, c, scanOne[string], text, args...)
	if err != nil {
		return err
	}
	return c.countOut(ctx, t, whose)
}

// addTo changes a shard, unless that would make it more than its share.
func (c *conn) addTo(ctx context.Context, t tally, whose string, shard, n int64) (changed bool, err error) {
	room := t.share(shard)
	if n > 0 && room < n {
		return false, nil
	}
	if n < 0 {
		room = math.MaxInt64
	}
	return c.changed(ctx, `INSERT INTO tallies (whose, kind, shard, n) VALUES ($1, $2, $3, $4)
	ON CONFLICT (whose, kind, shard) DO UPDATE SET n = tallies.n + excluded.n WHERE tallies.n + excluded.n <= $5`,
		whose, t.kind, shard, n, room)
}

// total is how many there are.
func (c *conn) total(ctx context.Context, t tally, whose string) (int64, error) {
	return get(ctx, c, scanOne[int64],
		`SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM tallies WHERE whose = $1 AND kind = $2`, whose, t.kind)
}
