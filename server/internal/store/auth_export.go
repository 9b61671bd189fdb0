package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Exports reads what is known of one account, in pages: some rows behind the last one of the page before, of which the zero
// value is before all.
type Exports struct{ *conn }

// Events are those of an account, the latest first.
func (q Exports) Events(ctx context.Context, account int64, after gen.AuthEvent, some int) ([]gen.AuthEvent, error) {
	page := Page{Limit: some}
	if after.ID != "" {
		page.After = &Position{At: after.At, ID: after.ID}
	}
	return Auth(q).ListEvents(ctx, account, page)
}

// An ExportedCommunity is one that an account is or was in.
type ExportedCommunity = gen.ExportedCommunity

// Communities are those that an account is or was a member of.
func (q Exports) Communities(ctx context.Context, account int64, after ExportedCommunity, some int) ([]ExportedCommunity, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (c ExportedCommunity, err error) {
		var member, former sql.NullInt64
		var roles, channels sql.NullString
		var referrer sql.NullInt64
		err = rows.Scan(&c.ServerID, &c.Name, &member, &former, &c.XP, &c.Coins, &c.Premium, &c.Visits, &c.Messages, &c.Replies, &c.Reactions, &roles, &channels, &referrer)
		c.State, c.JoinedAt = "left", gen.Null[gen.Time]()
		switch {
		case member.Valid:
			c.State, c.JoinedAt = "member", gen.NullableOf(gen.Time{Time: time.UnixMicro(member.Int64)})
		case former.Valid:
			c.State, c.JoinedAt = "deleted", gen.NullableOf(gen.Time{Time: time.UnixMicro(former.Int64)})
		}
		c.Roles, c.Channels, c.ReferredBy = splitTitles(roles.String), splitIDs(channels), gen.Null[string]()
		if referrer.Valid {
			c.ReferredBy = gen.NullableOf(Number(referrer.Int64))
		}
		return c, err
	}, `SELECT t.server_id, s.name, m.joined_at, (SELECT f.joined_at FROM former_members f WHERE f.account = t.account AND f.server_id = t.server_id),
	       t.xp, t.coins, t.premium, t.visits, t.messages, t.replies, t.reactions,
	       (SELECT string_agg(r.title, $4 ORDER BY r.position, r.id) FROM roles r
	         WHERE r.server_id = t.server_id AND m.account IS NOT NULL AND (r.everyone OR EXISTS (
	               SELECT 1 FROM member_roles mr WHERE mr.role_id = r.id AND mr.server_id = t.server_id AND mr.account = t.account))),
	       (SELECT string_agg(c.id, ',' ORDER BY c.id) FROM channels c
	         WHERE c.server_id = t.server_id AND EXISTS (SELECT 1 FROM channel_members cm WHERE cm.channel_id = c.id AND cm.account = t.account)),
	       (SELECT f.referrer FROM referrals f WHERE f.server_id = t.server_id AND f.account = t.account)
	  FROM totals t JOIN servers s ON s.id = t.server_id AND NOT s.deleted LEFT JOIN members m ON m.account = t.account AND m.server_id = t.server_id
	 WHERE t.account = $1 AND t.server_id > $2 ORDER BY t.server_id LIMIT $3`, account, after.ServerID, some, titleSeparator)
}

// Servers are the ids of the communities that Communities tells of.
func (q Exports) Servers(ctx context.Context, account int64, after string, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], `SELECT t.server_id FROM totals t JOIN servers s ON s.id = t.server_id AND NOT s.deleted
	 WHERE t.account = $1 AND t.server_id > $2 ORDER BY t.server_id LIMIT $3`, account, after, some)
}

// Badges are those that an account has.
func (q Exports) Badges(ctx context.Context, account int64, after gen.ExportedBadge, some int) ([]gen.ExportedBadge, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (b gen.ExportedBadge, err error) {
		var of gen.BadgeUpdate
		err = rows.Scan(&b.ServerID, &b.BadgeID, document{&of}, micros{&b.AwardedAt})
		b.Title = of.Title
		return b, err
	}, `SELECT mb.server_id, mb.badge_id, b.definition, mb.awarded_at
	  FROM member_badges mb JOIN badges b ON b.id = mb.badge_id JOIN servers s ON s.id = mb.server_id AND NOT s.deleted
	 WHERE mb.account = $1 AND (mb.server_id, mb.badge_id) > ($2, $3) ORDER BY mb.server_id, mb.badge_id LIMIT $4`,
		account, after.ServerID, after.BadgeID, some)
}

// Applications are those of an account for badges of a server.
func (q Exports) Applications(ctx context.Context, serverID string, account int64, after gen.ExportedApplication, some int) ([]gen.ExportedApplication, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (a gen.ExportedApplication, err error) {
		var of gen.BadgeUpdate
		var proof bool
		err = rows.Scan(&a.ID, &a.ServerID, &a.BadgeID, document{&of}, &a.Note, &proof, micros{&a.CreatedAt})
		a.Title, a.Proof = of.Title, ProofPath(a.BadgeID, a.ID, proof)
		return a, err
	}, `SELECT p.id, p.server_id, p.badge_id, b.definition, p.note, p.image_id IS NOT NULL, p.at FROM badge_applications p JOIN badges b ON b.id = p.badge_id
	 WHERE p.server_id = $1 AND p.account = $2 AND p.id > $3 ORDER BY p.id LIMIT $4`, serverID, account, after.ID, some)
}

// Visits are the days on which an account has visited a server.
func (q Exports) Visits(ctx context.Context, serverID string, account int64, after gen.ExportedVisit, some int) ([]gen.ExportedVisit, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (v gen.ExportedVisit, err error) {
		err = rows.Scan(&v.ServerID, &v.Day)
		v.Day = strings.TrimPrefix(v.Day, visitReason)
		return v, err
	}, `SELECT server_id, reason FROM ledger WHERE server_id = $1 AND account = $2 AND reason > $3 AND reason < $4 ORDER BY reason LIMIT $5`,
		serverID, account, visitReason+after.Day, visitReason+":", some) // which is behind all digits
}

// Ledger is what an account has done in a server, was given there, and has spent.
func (q Exports) Ledger(ctx context.Context, serverID string, account int64, after gen.ExportedCredit, some int) ([]gen.ExportedCredit, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (c gen.ExportedCredit, err error) {
		return c, rows.Scan(&c.ServerID, &c.Action, &c.Reason, &c.XP, &c.Coins, &c.Premium, micros{&c.At})
	}, `SELECT server_id, action, reason, xp, coins, premium, at FROM ledger WHERE server_id = $1 AND account = $2 AND reason > $3
	 ORDER BY reason LIMIT $4`, serverID, account, after.Reason, some)
}

// FieldValues are the values that an account was given in the fields of a server, the first first.
func (q Exports) FieldValues(ctx context.Context, serverID string, account int64, after gen.ExportedFieldValue, some int) ([]gen.ExportedFieldValue, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (v gen.ExportedFieldValue, err error) {
		return v, rows.Scan(&v.ID, &v.ServerID, &v.FieldID, &v.Field, document{&v.Value}, micros{&v.At})
	}, `SELECT id, server_id, field_id, field, value, at FROM field_histories WHERE server_id = $1 AND account = $2 AND (at, id) > ($3, $4)
	 ORDER BY at, id LIMIT $5`, serverID, account, placeOf(after.At), after.ID, some)
}

// An ExportedStreak knows its place in the pages.
type ExportedStreak struct {
	gen.ExportedStreak
	key string
}

// Streaks are those that an account has reached in a server, with each period.
func (q Exports) Streaks(ctx context.Context, serverID string, account int64, after ExportedStreak, some int) ([]ExportedStreak, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (s ExportedStreak, err error) {
		err = rows.Scan(&s.ServerID, &s.StreakID, &s.key, &s.Name, &s.Length, &s.XP, &s.Coins, micros{&s.ReachedAt})
		s.Period = periodOf(s.key)
		return s, err
	}, `SELECT server_id, streak_id, period, name, length, xp, coins, at FROM streak_logs WHERE server_id = $1 AND account = $2 AND (streak_id, period) > ($3, $4)
	 ORDER BY streak_id, period LIMIT $5`, serverID, account, after.StreakID, after.key, some)
}

// MiniGames are those of a server that an account plays.
func (q Exports) MiniGames(ctx context.Context, serverID string, account int64, after gen.ExportedMiniGame, some int) ([]gen.ExportedMiniGame, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (g gen.ExportedMiniGame, err error) {
		var at gen.Time
		err = rows.Scan(&g.ServerID, &g.GameID, &g.Name, &g.MorePlays, &g.TotalPlays, micros{&at})
		if g.LastPlayedAt = gen.NullableOf(at); g.TotalPlays == 0 {
			g.LastPlayedAt = gen.Null[gen.Time]()
		}
		return g, err
	}, `SELECT p.server_id, p.game_id, g.name, p.extra, p.total, p.last_at FROM mini_game_players p JOIN mini_games g ON g.id = p.game_id
	 WHERE p.server_id = $1 AND p.account = $2 AND p.game_id > $3 ORDER BY p.game_id LIMIT $4`, serverID, account, after.GameID, some)
}

// Plays are those of an account of the mini games of a server, the first first.
func (q Exports) Plays(ctx context.Context, serverID string, account int64, after gen.ExportedPlay, some int) ([]gen.ExportedPlay, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (p gen.ExportedPlay, err error) {
		var won gen.MiniGameWin
		err = rows.Scan(&p.ID, &p.ServerID, &p.GameID, &p.Name, document{&won}, micros{&p.PlayedAt})
		p.Prize, p.XP, p.Coins, p.ProductID = won.Name, int64(won.XP), int64(won.Coins), won.ProductID
		return p, err
	}, `SELECT p.id, p.server_id, p.game_id, g.name, p.prize, p.at FROM mini_game_plays p JOIN mini_games g ON g.id = p.game_id
	 WHERE p.server_id = $1 AND p.account = $2 AND (p.at, p.id) > ($3, $4) ORDER BY p.at, p.id LIMIT $5`,
		serverID, account, placeOf(after.PlayedAt), after.ID, some)
}

// Purchases are those of an account in a server, the first first.
func (q Exports) Purchases(ctx context.Context, serverID string, account int64, after gen.ExportedPurchase, some int) ([]gen.ExportedPurchase, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (p gen.ExportedPurchase, err error) {
		var of gen.OrderedProduct
		var told gen.BuyerInformation
		err = rows.Scan(&p.ID, &p.ServerID, &p.TransactionID, &p.Status, document{&of}, &p.Quantity, &p.Price, &p.Total, document{&told}, micros{&p.CreatedAt})
		p.ProductID, p.Product, p.Name, p.Phone, p.Address = of.ID, of.Name, told.Name, told.Phone, told.Address
		return p, err
	}, `SELECT o.id, o.server_id, o.transaction_id, s.name, o.product, o.quantity, o.price, o.total, o.buyer, o.created_at
	  FROM orders o JOIN redemption_statuses s ON s.id = o.status_id
	 WHERE o.server_id = $1 AND o.account = $2 AND (o.created_at, o.id) > ($3, $4) ORDER BY o.created_at, o.id LIMIT $5`,
		serverID, account, placeOf(after.CreatedAt), after.ID, some)
}

// APIKeys are the API keys of communities for which an account vouches.
func (q Exports) APIKeys(ctx context.Context, account int64, after gen.ExportedKey, some int) ([]gen.ExportedKey, error) {
	return q.keys(ctx, "api_keys", account, after, some)
}

// UserKeys are the user API keys of an account.
func (q Exports) UserKeys(ctx context.Context, account int64, after gen.ExportedKey, some int) ([]gen.ExportedKey, error) {
	return q.keys(ctx, "user_keys", account, after, some)
}

func (q Exports) keys(ctx context.Context, table string, account int64, after gen.ExportedKey, some int) ([]gen.ExportedKey, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (k gen.ExportedKey, err error) {
		return k, rows.Scan(&k.ID, &k.ServerID, &k.Name, document{&k.Permissions}, &k.IsActive, micros{&k.CreatedAt}, nullableMicros{&k.ExpiresAt})
	}, `SELECT k.id, k.server_id, k.name, k.permissions, k.active, k.created_at, k.expires_at
	  FROM `+table+` k JOIN servers s ON s.id = k.server_id AND NOT s.deleted
	 WHERE k.account = $1 AND (k.created_at, k.id) > ($2, $3) ORDER BY k.created_at, k.id LIMIT $4`,
		account, placeOf(after.CreatedAt), after.ID, some)
}

// placeOf is a moment as statements compare it; the zero value is before all.
func placeOf(at gen.Time) int64 {
	if at.IsZero() {
		return earliest
	}
	return at.UnixMicro()
}

// An ExportedInvite is an invite with its code, which is not for others.
type ExportedInvite struct {
	gen.ExportedInvite
	Code string
}

// Invites are those that an account has made and that are kept.
func (q Exports) Invites(ctx context.Context, account int64, after ExportedInvite, some int) ([]ExportedInvite, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (i ExportedInvite, err error) {
		return i, rows.Scan(&i.Code, &i.ID, &i.ServerID, &i.Uses, micros{&i.CreatedAt}, nullableMicros{&i.ExpiresAt})
	}, `SELECT i.code, i.id, i.server_id, i.uses, i.created_at, i.expires_at FROM invites i JOIN servers s ON s.id = i.server_id AND NOT s.deleted
	 WHERE i.account = $1 AND i.code > $2 ORDER BY i.code LIMIT $3`, account, after.Code, some)
}

// An ExportedImage is an image, whose URL is a path, with its id.
type ExportedImage struct {
	gen.ExportedImage
	ID string
}

// Images are those that an account has uploaded and that are shown.
func (q Exports) Images(ctx context.Context, account int64, after ExportedImage, some int) ([]ExportedImage, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (i ExportedImage, err error) {
		err = rows.Scan(&i.ID, &i.Bytes, micros{&i.At})
		i.URL = imagesPath + i.ID
		return i, err
	}, `SELECT id, bytes, at FROM images WHERE account = $1 AND state = 'shown' AND id > $2 ORDER BY id LIMIT $3`, account, after.ID, some)
}

// Topics are those that an account has begun.
func (q Exports) Topics(ctx context.Context, account int64, after gen.ExportedTopic, some int) ([]gen.ExportedTopic, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (t gen.ExportedTopic, err error) {
		return t, rows.Scan(&t.ID, &t.ChannelID, &t.Title, micros{&t.CreatedAt})
	}, `SELECT t.id, t.channel_id, t.title, t.created_at FROM topics t JOIN channels c ON c.id = t.channel_id
	 WHERE t.account = $1 AND NOT t.by_key AND t.id > $2 ORDER BY t.id LIMIT $3`, account, after.ID, some)
}

// Channels are the ids of the channels of a server in which an account has messages.
func (q Exports) Channels(ctx context.Context, serverID string, account int64) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], `SELECT c.id FROM channels c
	 WHERE c.server_id = $1 AND (SELECT m.position FROM messages m WHERE m.channel_id = c.id AND m.account = $2 ORDER BY -m.position LIMIT 1) IS NOT NULL
	 ORDER BY c.created_at, c.id`, serverID, account)
}

// An ExportedMessage is a message, whose images are paths, with its position.
type ExportedMessage struct {
	gen.ExportedMessage
	Position int64
}

// Messages are those of an account in a channel, newest first.
func (q Exports) Messages(ctx context.Context, channelID string, account int64, after ExportedMessage, some int) ([]ExportedMessage, error) {
	before := after.Position
	if before == 0 {
		before = Newest
	}
	return list(ctx, q.conn, func(rows *sql.Rows) (m ExportedMessage, err error) {
		var topic, replyTo, images sql.NullString
		err = rows.Scan(&m.Position, &m.ID, &m.ServerID, &m.ChannelID, &topic, &replyTo, &m.Text, micros{&m.At}, nullableMicros{&m.EditedAt}, &images)
		m.TopicID, m.ReplyTo, m.Images = nullableOf(topic), nullableOf(replyTo), splitIDs(images)
		for i, id := range m.Images {
			m.Images[i] = imagesPath + id
		}
		return m, err
	}, `SELECT m.position, m.id, m.server_id, m.channel_id, m.topic_id, m.reply_to, m.text, m.at, m.edited_at,
	       (SELECT string_agg(i.image_id, ',' ORDER BY i.ordinal) FROM message_images i WHERE i.message = m.position)
	  FROM messages m WHERE m.channel_id = $1 AND m.account = $2 AND -m.position > -CAST($3 AS BIGINT) AND `+inTopic+`ORDER BY -m.position LIMIT $4`,
		channelID, account, before, some)
}

// An ExportedReaction is a reaction, with the position of the message that it is to.
type ExportedReaction struct {
	gen.ExportedReaction
	Position int64
}

// Reactions are those of an account.
func (q Exports) Reactions(ctx context.Context, account int64, after ExportedReaction, some int) ([]ExportedReaction, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (r ExportedReaction, err error) {
		err = rows.Scan(&r.Position, &r.Emoji)
		r.MessageAt = gen.Time{Time: time.UnixMicro(r.Position >> positionBits)}
		return r, err
	}, `SELECT message, emoji FROM message_reactions WHERE account = $1 AND (message, emoji) > ($2, $3) ORDER BY message, emoji LIMIT $4`,
		account, after.Position, after.Emoji, some)
}
