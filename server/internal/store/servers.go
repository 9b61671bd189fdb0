package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oapi-codegen/nullable"
	"github.com/rejoin-dev/rejoin/gen"
)

// Servers holds servers, who is a member of them, and when members visited.
type Servers struct{ *conn }

// A Server is a community, and the id of its image, which has no place on the wire.
type Server struct {
	gen.Server
	OwnerNumber int64
	ImageID     string // empty: none

	createdAt int64
}

// The roles come with their server: a row for each role, one after another. However long a list of servers is, it is
// one statement, and the indexes yield the rows in this order without sorting.
const (
	serverColumns = `SELECT s.id, s.name, s.image_id, s.owner, s.created_at, r.id `
	rolesOfServer = ` LEFT JOIN roles r ON r.server_id = s.id `
)

func (q Servers) list(ctx context.Context, text string, args ...any) ([]Server, error) {
	servers := []Server{}
	_, err := list(ctx, q.conn, func(rows *sql.Rows) (none struct{}, err error) {
		var s Server
		var image, role sql.NullString
		if err := rows.Scan(&s.ID, &s.Name, &image, &s.OwnerNumber, &s.createdAt, &role); err != nil {
			return none, err
		}
		if n := len(servers); n == 0 || servers[n-1].ID != s.ID {
			s.ObjectID = s.ID
			s.ImageID = image.String
			s.Owner.ID = Number(s.OwnerNumber)
			s.Roles, s.Categories, s.Leaderboards, s.LanguageSettings = noIDs, noIDs, noIDs, noIDs
			servers = append(servers, s)
		}
		if last := &servers[len(servers)-1]; role.Valid {
			last.Roles = append(last.Roles, role.String)
		}
		return none, nil
	}, text, args...)
	return servers, err
}

var noIDs = gen.ObjectIDList{}

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
	servers, err := q.list(ctx, serverColumns+`FROM members m JOIN servers s ON s.id = m.server_id`+rolesOfServer+
		`WHERE m.account = $1 ORDER BY m.server_id, r.position, r.id`, account)
	slices.SortStableFunc(servers, func(a, b Server) int { return cmp.Compare(a.createdAt, b.createdAt) })
	return servers, err
}

// Get returns a server.
func (q Servers) Get(ctx context.Context, id string) (Server, error) {
	return q.get(ctx, serverColumns+`FROM servers s`+rolesOfServer+`WHERE s.id = $1 ORDER BY r.position, r.id`, id)
}

// GetAsMember returns a server, for a member of it only: to everybody else it is ErrNotFound.
func (q Servers) GetAsMember(ctx context.Context, id string, account int64) (Server, error) {
	return q.get(ctx, serverColumns+`FROM members m JOIN servers s ON s.id = m.server_id`+rolesOfServer+
		`WHERE m.server_id = $1 AND m.account = $2 ORDER BY r.position, r.id`, id, account)
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

// Delete removes a server and everything in it.
func (q Servers) Delete(ctx context.Context, id string) error {
	return q.change(ctx, `DELETE FROM servers WHERE id = $1`, id)
}

// IsMember tells whether an account is a member of a server.
func (q Servers) IsMember(ctx context.Context, serverID string, account int64) (bool, error) {
	return get(ctx, q.conn, scanOne[bool],
		`SELECT EXISTS (SELECT 1 FROM members WHERE server_id = $1 AND account = $2)`, serverID, account)
}

// InsertMember makes an account a member.
func (q Servers) InsertMember(ctx context.Context, serverID string, account int64, at time.Time) error {
	return q.exec(ctx, `INSERT INTO members (server_id, account, joined_at) VALUES ($1, $2, $3)`,
		serverID, account, at.UnixMicro())
}

// CountOf tells how many servers an account is a member of.
func (q Servers) CountOf(ctx context.Context, account int64) (int64, error) {
	return get(ctx, q.conn, scanOne[int64], `SELECT COUNT(*) FROM members WHERE account = $1`, account)
}

// DeleteMember ends a membership and takes what came with it: roles, badges, and to be admitted to channels by name.
func (q Servers) DeleteMember(ctx context.Context, serverID string, account int64) error {
	if err := q.exec(ctx, `DELETE FROM channel_members WHERE account = $2 AND channel_id IN (
	       SELECT id FROM channels WHERE server_id = $1)`, serverID, account); err != nil {
		return err
	}
	return q.change(ctx, `DELETE FROM members WHERE server_id = $1 AND account = $2`, serverID, account)
}

// ListMembers returns the members, those who joined first first, skipping some, and at most limit of them.
func (q Servers) ListMembers(ctx context.Context, serverID string, limit, skip int) ([]gen.Member, error) {
	return list(ctx, q.conn, scanMember, `
	SELECT a.id, a.number, a.username, a.display_name, a.avatar, m.joined_at,
	       (SELECT string_agg(r.title, $4 ORDER BY r.position, r.id) FROM roles r
	         WHERE r.server_id = m.server_id AND (r.everyone OR EXISTS (
	               SELECT 1 FROM member_roles mr WHERE mr.role_id = r.id AND mr.account = m.account)))
	  FROM members m JOIN accounts a ON a.number = m.account
	 WHERE m.server_id = $1 ORDER BY m.joined_at, m.account LIMIT $2 OFFSET $3`, serverID, limit, skip, titleSeparator)
}

// The contract admits no control characters in a title.
const titleSeparator = "\x1f"

func scanMember(rows *sql.Rows) (m gen.Member, err error) {
	var number int64
	var username, avatar sql.NullString
	var titles string
	if err := rows.Scan(&m.ObjectID, &number, &username, &m.DisplayName, &avatar, micros{&m.JoinedAt}, &titles); err != nil {
		return m, err
	}
	m.Roles = strings.Split(titles, titleSeparator)
	m.ID = Number(number)
	m.Username, m.Avatar = nullableOf(username), nullableOf(avatar)
	return m, nil
}

// CountMembers tells how many members a server has.
func (q Servers) CountMembers(ctx context.Context, serverID string) (int64, error) {
	return get(ctx, q.conn, scanOne[int64], `SELECT COUNT(*) FROM members WHERE server_id = $1`, serverID)
}

// InsertVisit records a visit on a day and tells whether it is the first of that day.
func (q Servers) InsertVisit(ctx context.Context, serverID string, account int64, day string) (first bool, err error) {
	return q.changed(ctx, `INSERT INTO visits (server_id, account, day) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		serverID, account, day)
}

// CountVisits tells on how many days an account visited a server.
func (q Servers) CountVisits(ctx context.Context, serverID string, account int64) (int64, error) {
	return get(ctx, q.conn, scanOne[int64],
		`SELECT COUNT(*) FROM visits WHERE server_id = $1 AND account = $2`, serverID, account)
}

func orNull(text string) sql.NullString { return sql.NullString{String: text, Valid: text != ""} }

// textOf is a text that may be missing, as its column holds it.
func textOf(text nullable.Nullable[string]) sql.NullString {
	value, err := text.Get()
	return sql.NullString{String: value, Valid: err == nil}
}

func nullableOf(text sql.NullString) nullable.Nullable[string] {
	if !text.Valid {
		return nullable.NewNullNullable[string]()
	}
	return nullable.NewNullableWithValue(text.String)
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
