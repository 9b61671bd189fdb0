package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Servers holds servers, and who is a member of them.
type Servers struct{ *conn }

// A Server is a community, and the id of its image, which has no place on the wire. Image is a path: whoever shows it knows
// the origin before it.
type Server struct {
	gen.Server
	OwnerNumber int64
	ImageID     string // empty: none
	TwoFactor   bool   // whether it requires that of all who may do more than members

	createdAt int64
}

// The roles come with their server: a row for each role, one after another. However long a list of servers is, it is
// one statement, and the indexes yield the rows in this order without sorting.
const (
	serverColumns = `SELECT s.id, s.name, s.image_id, s.owner, s.created_at, s.require_two_factor, s.leaderboards, r.id `
	rolesOfServer = ` LEFT JOIN roles r ON r.server_id = s.id `
)

func (q Servers) list(ctx context.Context, text string, args ...any) ([]Server, error) {
	servers, err := gather(ctx, q.conn, addServer, text, args...)
	slices.SortStableFunc(servers, func(a, b Server) int { return cmp.Compare(a.createdAt, b.createdAt) })
	return servers, err
}

// addServer adds the server of a row, or its role to the server of the row before.
func addServer(servers []Server, rows *sql.Rows) ([]Server, error) {
	var s Server
	var image, role, leaderboards sql.NullString
	if err := rows.Scan(&s.ID, &s.Name, &image, &s.OwnerNumber, &s.createdAt, &s.TwoFactor, &leaderboards, &role); err != nil {
		return nil, err
	}
	if n := len(servers); n == 0 || servers[n-1].ID != s.ID {
		s.RepeatedID = s.ID
		s.ImageID, s.Image = image.String, ImagePath(image.String)
		s.Owner.Number = Number(s.OwnerNumber)
		s.Roles, s.Categories, s.Leaderboards, s.LanguageSettings = noIDs, noIDs, splitIDs(leaderboards), noIDs
		servers = append(servers, s)
	}
	if last := &servers[len(servers)-1]; role.Valid {
		last.Roles = append(last.Roles, role.String)
	}
	return servers, nil
}

var noIDs = gen.ObjectIDList{}

// imagesPath is where images are served, below the origin.
const imagesPath = "/images/"

// ImagePath is the path of an image, null if there is none. An address in full is only ever made to be shown: the origin is
// the word of a caller, and may be another one tomorrow.
func ImagePath(id string) gen.Nullable[string] {
	if id == "" {
		return gen.Null[string]()
	}
	return gen.NullableOf(imagesPath + id)
}

// PathOfImage is the path in what was kept of an image. Earlier versions kept addresses in full.
func PathOfImage(kept string) string {
	if at := strings.LastIndex(kept, imagesPath); at > 0 {
		return kept[at:]
	}
	return kept
}

func (q Servers) get(ctx context.Context, text string, args ...any) (Server, error) {
	found, err := q.list(ctx, text, args...)
	switch {
	case err != nil:
		return Server{}, err
	case len(found) == 0:
		return Server{}, ErrNotFound
	}
	return found[0], nil
}

// ListOf returns the servers that an account is a member of, oldest first.
func (q Servers) ListOf(ctx context.Context, account int64) ([]Server, error) {
	return q.list(ctx, serverColumns+`FROM members m JOIN servers s ON s.id = m.server_id`+rolesOfServer+
		`WHERE m.account = $1 AND NOT s.deleted ORDER BY m.server_id, r.position, r.id`+unlocked, account)
}

// The ids of the servers that an account is a member of.
const idsOf = `SELECT m.server_id FROM members m JOIN servers s ON s.id = m.server_id WHERE m.account = $1 AND NOT s.deleted `

// IDsOf returns the ids of some servers that an account is a member of.
func (q Servers) IDsOf(ctx context.Context, account int64, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], idsOf+`LIMIT $2`+unlocked, account, some)
}

// IDsOfOwner returns the ids of some servers that an account is the owner of.
func (q Servers) IDsOfOwner(ctx context.Context, account int64, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], idsOf+`AND s.owner = $1 LIMIT $2`+unlocked, account, some)
}

// IDsAllowing returns the ids of some servers in which an account has a role permission, as perm.Of has it. The flags of a
// role are written without blanks.
func (q Servers) IDsAllowing(ctx context.Context, account int64, permission string, some int) ([]string, error) {
	return list(ctx, q.conn, scanOne[string], idsOf+`AND (s.owner = $1 OR EXISTS (
	       SELECT 1 FROM roles r WHERE r.server_id = s.id
	          AND (r.administrator OR r.server_permissions LIKE $2 OR r.channel_permissions LIKE $2)
	          AND (r.everyone OR EXISTS (
	              SELECT 1 FROM member_roles mr WHERE mr.role_id = r.id AND mr.server_id = r.server_id AND mr.account = $1))))
	 LIMIT $3`+unlocked, account, "%\""+permission+"\":true%", some)
}

// Get returns a server.
func (q Servers) Get(ctx context.Context, id string) (Server, error) {
	return q.get(ctx, serverColumns+`FROM servers s`+rolesOfServer+
		`WHERE s.id = $1 AND NOT s.deleted ORDER BY r.position, r.id /* FOR SHARE OF s */`, id)
}

// GetAsMember returns a server, for a member of it only: to everybody else it is ErrNotFound.
func (q Servers) GetAsMember(ctx context.Context, id string, account int64) (Server, error) {
	return q.get(ctx, serverColumns+`FROM members m JOIN servers s ON s.id = m.server_id`+rolesOfServer+
		`WHERE m.server_id = $1 AND m.account = $2 AND NOT s.deleted ORDER BY r.position, r.id /* FOR SHARE OF m, s */`, id, account)
}

// Insert adds a server.
func (q Servers) Insert(ctx context.Context, id, name, imageID string, owner int64, at time.Time) error {
	return q.exec(ctx, `INSERT INTO servers (id, name, image_id, owner, created_at) VALUES ($1, $2, $3, $4, $5)`,
		id, name, orNull(imageID), owner, at.UnixMicro())
}

// Update changes a server's name and image.
func (q Servers) Update(ctx context.Context, id, name, imageID string) error {
	return q.change(ctx, `UPDATE servers SET name = $2, image_id = $3 WHERE id = $1`, id, name, orNull(imageID))
}

// GetSettings returns the settings of a server.
func (q Servers) GetSettings(ctx context.Context, id string) (gen.ServerSettings, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (s gen.ServerSettings, err error) {
		var appURL sql.NullString
		err = rows.Scan(&s.Joining, &s.TimeZone, &s.Language, document{&s.Domains}, &appURL, &s.RequireTwoFactor)
		s.AppURL = nullableOf(appURL)
		return s, err
	}, `SELECT joining, time_zone, language, domains, app_url, require_two_factor FROM servers WHERE id = $1 AND NOT deleted /* FOR SHARE */`, id)
}

// UpdateSettings replaces the settings of a server.
func (q Servers) UpdateSettings(ctx context.Context, id string, s gen.ServerSettings) error {
	return q.change(ctx, `UPDATE servers SET joining = $2, time_zone = $3, language = $4, domains = $5, app_url = $6, require_two_factor = $7
	 WHERE id = $1`,
		id, s.Joining, s.TimeZone, s.Language, written(s.Domains), textOf(s.AppURL), s.RequireTwoFactor)
}

// Delete ends a server: nobody finds it any more, nor what is in it. That is removed by DeleteRest, because there may be
// any amount of it.
func (q Servers) Delete(ctx context.Context, id string) error {
	owner, err := get(ctx, q.conn, scanOne[int64], `UPDATE servers SET deleted = TRUE WHERE id = $1 AND NOT deleted RETURNING owner`, id)
	if err != nil {
		return err
	}
	// Who deletes one server may make another at once; and API keys are asked for by themselves.
	if err := q.DeleteMember(ctx, id, owner); err != nil {
		return err
	}
	return q.exec(ctx, `DELETE FROM api_keys WHERE server_id = $1`, id)
}

// What a server may have any amount of, but for its members. The rest goes with the server itself.
var deleteSome = []string{
	`DELETE FROM ledger WHERE (server_id, account, reason) IN (SELECT server_id, account, reason FROM ledger WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM invite_roles WHERE (code, account) IN (SELECT code, account FROM invite_roles WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM invites WHERE code IN (SELECT code FROM invites WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM user_keys WHERE id IN (SELECT id FROM user_keys WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM days WHERE (server_id, account, day) IN (SELECT server_id, account, day FROM days WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM server_days WHERE (server_id, day, shard) IN (SELECT server_id, day, shard FROM server_days WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM active_days WHERE (server_id, day, since, shard) IN (SELECT server_id, day, since, shard FROM active_days WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM cooldowns WHERE (server_id, account, action) IN (SELECT server_id, account, action FROM cooldowns WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM field_values WHERE (account, server_id, field_id) IN (SELECT account, server_id, field_id FROM field_values WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM field_histories WHERE id IN (SELECT id FROM field_histories WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM streak_states WHERE (account, server_id, streak_id) IN (SELECT account, server_id, streak_id FROM streak_states WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM streak_logs WHERE (account, server_id, streak_id, period) IN (SELECT account, server_id, streak_id, period FROM streak_logs WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM mini_game_plays WHERE id IN (SELECT id FROM mini_game_plays WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM mini_game_players WHERE (game_id, account) IN (SELECT game_id, account FROM mini_game_players WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM vouchers WHERE (product_id, hash) IN (SELECT product_id, hash FROM vouchers WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM referrals WHERE (server_id, account) IN (SELECT server_id, account FROM referrals WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM former_members WHERE (account, server_id) IN (SELECT account, server_id FROM former_members WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM leaderboard_rows WHERE (standing_id, account) IN (
	       SELECT r.standing_id, r.account FROM leaderboard_standings s JOIN leaderboard_rows r ON r.standing_id = s.id WHERE s.server_id = $1 LIMIT $2)`,
	`DELETE FROM leaderboard_ladders WHERE (standing_id, turn, value) IN (
	       SELECT l.standing_id, l.turn, l.value FROM leaderboard_standings s JOIN leaderboard_ladders l ON l.standing_id = s.id WHERE s.server_id = $1 LIMIT $2)`,
	`DELETE FROM leaderboard_touched WHERE (server_id, account) IN (SELECT server_id, account FROM leaderboard_touched WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM bulk_chunks WHERE (bulk_id, first) IN (SELECT c.bulk_id, c.first FROM bulk_updates b JOIN bulk_chunks c ON c.bulk_id = b.id WHERE b.server_id = $1 LIMIT $2)`,
	`DELETE FROM bulk_rows WHERE (bulk_id, number) IN (SELECT r.bulk_id, r.number FROM bulk_updates b JOIN bulk_rows r ON r.bulk_id = b.id WHERE b.server_id = $1 LIMIT $2)`,
	`DELETE FROM bulk_updates WHERE id IN (SELECT id FROM bulk_updates WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM totals WHERE (server_id, account) IN (SELECT server_id, account FROM totals WHERE server_id = $1 LIMIT $2)`,
	`DELETE FROM member_roles WHERE (account, server_id, role_id) IN (
	       SELECT mr.account, mr.server_id, mr.role_id FROM roles r JOIN member_roles mr ON mr.role_id = r.id WHERE r.server_id = $1 LIMIT $2)`,
	`DELETE FROM member_badges WHERE (account, server_id, badge_id) IN (
	       SELECT mb.account, mb.server_id, mb.badge_id FROM badges b JOIN member_badges mb ON mb.badge_id = b.id WHERE b.server_id = $1 LIMIT $2)`,
	`DELETE FROM channel_members WHERE (channel_id, account) IN (
	       SELECT cm.channel_id, cm.account FROM channels c JOIN channel_members cm ON cm.channel_id = c.id WHERE c.server_id = $1 LIMIT $2)`,
	`DELETE FROM channel_roles WHERE (channel_id, role_id) IN (
	       SELECT cr.channel_id, cr.role_id FROM channels c JOIN channel_roles cr ON cr.channel_id = c.id WHERE c.server_id = $1 LIMIT $2)`,
}

// DeleteRest removes some rows of what a deleted server has left, and in the end its own, and tells whether there may be more.
func (q Servers) DeleteRest(ctx context.Context, id string, some int, at time.Time) (more bool, err error) {
	for _, text := range deleteSome {
		if deleted, err := q.changed(ctx, text, id, some); err != nil || deleted {
			return true, err
		}
	}
	if more, err := Badges(q).endApplicationsIn(ctx, id, some, at); err != nil || more {
		return true, err
	}
	if more, err := q.deleteChannels(ctx, id, some, at); err != nil || more {
		return true, err
	}
	left, err := list(ctx, q.conn, scanOne[int64], `DELETE FROM members WHERE (account, server_id) IN (
	       SELECT account, server_id FROM members WHERE server_id = $1 LIMIT $2) RETURNING account`, id, some)
	if err != nil {
		return true, err
	}
	for _, account := range left {
		if err := q.countOut(ctx, membershipsTally, Number(account)); err != nil {
			return true, err
		}
	}
	if len(left) > 0 {
		return true, nil
	}
	if err := q.exec(ctx, `DELETE FROM tallies WHERE kind = $2 AND whose IN (SELECT id FROM badges WHERE server_id = $1)`, id, applicationsTally.kind); err != nil {
		return true, err
	}
	if err := q.exec(ctx, `DELETE FROM servers WHERE id = $1 AND deleted`, id); err != nil {
		return true, err
	}
	// The audit trail outlives its server, and so does its tally.
	return false, q.exec(ctx, `DELETE FROM tallies WHERE whose = $1 AND kind <> $2`, id, auditTally.kind)
}

// deleteChannels removes some of what the first channel of a deleted server has left, and in the end the channel.
func (q Servers) deleteChannels(ctx context.Context, id string, some int, at time.Time) (more bool, err error) {
	channel, err := get(ctx, q.conn, scanOne[string], `SELECT id FROM channels WHERE server_id = $1 ORDER BY created_at, id LIMIT 1`+unlocked, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err == nil {
		more, err = Messages(q).DeleteRest(ctx, MessageScope{ChannelID: channel}, some, at)
	}
	if err == nil && !more {
		err = Channels(q).Delete(ctx, channel)
	}
	return true, err
}

// IsMember tells whether an account is a member of a server.
func (q Servers) IsMember(ctx context.Context, serverID string, account int64) (bool, error) {
	return get(ctx, q.conn, scanOne[bool],
		`SELECT EXISTS (SELECT 1 FROM members WHERE server_id = $1 AND account = $2 /* FOR SHARE */)`, serverID, account)
}

// InsertMember makes an account a member. Beyond MaxMemberships of the account it is a LimitError, and of one that was deleted
// ErrErased.
func (q Servers) InsertMember(ctx context.Context, serverID string, account int64, at time.Time) error {
	if err := q.changeOf(ctx, `INSERT INTO members (server_id, account, joined_at, name_key, user_key)
	SELECT $1, number, $3, name_key, user_key FROM accounts WHERE number = $2 AND erased_at IS NULL /* FOR SHARE */`,
		serverID, account, at.UnixMicro()); err != nil {
		return err
	}
	if err := q.exec(ctx, `INSERT INTO totals (server_id, account, xp, coins, visits, is_member) VALUES ($1, $2, 0, 0, 0, TRUE)
	ON CONFLICT (server_id, account) DO UPDATE SET is_member = TRUE`, serverID, account); err != nil {
		return err
	}
	if err := q.touch(ctx, serverID, account); err != nil {
		return err
	}
	if err := q.countIn(ctx, membershipsTally, Number(account)); err != nil {
		return err
	}
	return q.countIn(ctx, membersTally, serverID)
}

// DeleteMember ends a membership and takes what came with it: roles, badges, and to be admitted to channels by name.
func (q Servers) DeleteMember(ctx context.Context, serverID string, account int64) error {
	if err := q.exec(ctx, `DELETE FROM channel_members WHERE account = $2 AND channel_id IN (
	       SELECT id FROM channels WHERE server_id = $1)`, serverID, account); err != nil {
		return err
	}
	if err := q.change(ctx, `DELETE FROM members WHERE server_id = $1 AND account = $2`, serverID, account); err != nil {
		return err
	}
	if err := q.exec(ctx, `UPDATE totals SET is_member = FALSE WHERE server_id = $1 AND account = $2`, serverID, account); err != nil {
		return err
	}
	if err := q.unrank(ctx, serverID, account, true); err != nil {
		return err
	}
	if err := q.countOut(ctx, membershipsTally, Number(account)); err != nil {
		return err
	}
	return q.countOut(ctx, membersTally, serverID)
}

// ListMembers returns a page of the members, those who joined first first.
func (q Servers) ListMembers(ctx context.Context, serverID string, page Page) ([]gen.Member, error) {
	at, number := page.from(earliest)
	account, err := strconv.ParseInt(cmp.Or(number, "0"), 10, 32) // without a number, from before that of everybody
	if err != nil {
		return nil, ErrPosition
	}
	// The index alone finds the page; what else there is to know is read for its members only.
	return list(ctx, q.conn, scanMember, `
	SELECT a.id, a.number, a.username, a.display_name, a.avatar_image_id, m.joined_at,
	       (SELECT string_agg(r.title, $6 ORDER BY r.position, r.id) FROM roles r
	         WHERE r.server_id = $1 AND (r.everyone OR EXISTS (
	               SELECT 1 FROM member_roles mr WHERE mr.role_id = r.id AND mr.server_id = $1 AND mr.account = m.account)))
	  FROM (SELECT account, joined_at FROM members WHERE server_id = $1 AND (joined_at, account) > ($2, $3)
	         ORDER BY joined_at, account LIMIT $4 OFFSET $5) m JOIN accounts a ON a.number = m.account
	 ORDER BY m.joined_at, m.account`, serverID, at, account, page.Limit, page.Skip, titleSeparator)
}

// The contract admits no control characters in a title.
const titleSeparator = "\x1f"

// splitTitles takes apart titles that were joined.
func splitTitles(joined string) []string {
	if joined == "" {
		return []string{}
	}
	return strings.Split(joined, titleSeparator)
}

func scanMember(rows *sql.Rows) (m gen.Member, err error) {
	var number int64
	var username, avatar sql.NullString
	var titles string
	if err := rows.Scan(&m.ID, &number, &username, &m.DisplayName, &avatar, micros{&m.JoinedAt}, &titles); err != nil {
		return m, err
	}
	m.Roles = splitTitles(titles)
	m.Number = Number(number)
	m.Username, m.Avatar = nullableOf(username), ImagePath(avatar.String)
	return m, nil
}

// CountMembers tells how many members a server has.
func (q Servers) CountMembers(ctx context.Context, serverID string) (int64, error) {
	return q.total(ctx, membersTally, serverID)
}

func orNull(text string) sql.NullString { return sql.NullString{String: text, Valid: text != ""} }

// textOf is a text that may be missing, as its column holds it.
func textOf(text gen.Nullable[string]) sql.NullString {
	value, ok := text.Get()
	return sql.NullString{String: value, Valid: ok}
}

func nullableOf(text sql.NullString) gen.Nullable[string] {
	if !text.Valid {
		return gen.Null[string]()
	}
	return gen.NullableOf(text.String)
}

// Number is an account's number as the System API shows it: as text.
func Number(account int64) string { return strconv.FormatInt(account, 10) }

// splitIDs takes apart ids that were joined with commas; null is none.
func splitIDs(joined sql.NullString) []string {
	if joined.String == "" {
		return []string{}
	}
	return strings.Split(joined.String, ",")
}
