package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/oapi-codegen/nullable"
	"github.com/rejoin-dev/rejoin/gen"
)

// Servers holds servers, who is a member of them, and when members visited.
type Servers struct{ conn }

// A Server is a community, and the id of its image, which has no place on the wire.
type Server struct {
	gen.Server
	OwnerID string // the owner's account
	ImageID string // empty: none
}

// The roles come in the same row: a list of servers is then one statement, however long it is.
const serverColumns = `s.id, s.name, s.image_id, s.owner_id, a.number,
	       (SELECT string_agg(r.id, ',' ORDER BY r.position, r.id) FROM roles r WHERE r.server_id = s.id)
	  FROM servers s JOIN accounts a ON a.id = s.owner_id`

func scanServer(rows *sql.Rows) (s Server, err error) {
	var image, roles sql.NullString
	var owner int64
	if err := rows.Scan(&s.ID, &s.Name, &image, &s.OwnerID, &owner, &roles); err != nil {
		return s, err
	}
	s.ObjectID = s.ID
	s.ImageID = image.String
	s.Owner.ID = strconv.FormatInt(owner, 10)
	s.Roles = gen.ObjectIDList{}
	if roles.String != "" {
		s.Roles = strings.Split(roles.String, ",")
	}
	s.Categories, s.Leaderboards, s.LanguageSettings = gen.ObjectIDList{}, gen.ObjectIDList{}, gen.ObjectIDList{}
	return s, nil
}

// ListOf returns the servers that an account is a member of, oldest first.
func (q Servers) ListOf(ctx context.Context, accountID string) ([]Server, error) {
	return list(ctx, q.conn, scanServer, `SELECT `+serverColumns+`
	  JOIN members m ON m.server_id = s.id
	 WHERE m.account_id = $1 ORDER BY s.created_at, s.id`, accountID)
}

// Get returns a server.
func (q Servers) Get(ctx context.Context, id string) (Server, error) {
	return get(ctx, q.conn, scanServer, `SELECT `+serverColumns+` WHERE s.id = $1`, id)
}

// GetAsMember returns a server, for a member of it only: to everybody else it is ErrNotFound.
func (q Servers) GetAsMember(ctx context.Context, id, accountID string) (Server, error) {
	return get(ctx, q.conn, scanServer, `SELECT `+serverColumns+`
	  JOIN members m ON m.server_id = s.id
	 WHERE s.id = $1 AND m.account_id = $2`, id, accountID)
}

// Insert adds a server.
func (q Servers) Insert(ctx context.Context, id, name, imageID, ownerID string, at time.Time) error {
	_, err := q.exec(ctx, `INSERT INTO servers (id, name, image_id, owner_id, created_at) VALUES ($1, $2, $3, $4, $5)`,
		id, name, orNull(imageID), ownerID, at.UnixMicro())
	return err
}

// Update changes a server's name and image.
func (q Servers) Update(ctx context.Context, id, name, imageID string) error {
	n, err := q.exec(ctx, `UPDATE servers SET name = $2, image_id = $3 WHERE id = $1`, id, name, orNull(imageID))
	return affected(n, err, ErrNotFound)
}

// Delete removes a server and everything in it.
func (q Servers) Delete(ctx context.Context, id string) error {
	n, err := q.exec(ctx, `DELETE FROM servers WHERE id = $1`, id)
	return affected(n, err, ErrNotFound)
}

// InsertMember makes an account a member.
func (q Servers) InsertMember(ctx context.Context, serverID, accountID string, at time.Time) error {
	_, err := q.exec(ctx, `INSERT INTO members (server_id, account_id, joined_at) VALUES ($1, $2, $3)`,
		serverID, accountID, at.UnixMicro())
	return err
}

// DeleteMember ends a membership and takes the roles given with it.
func (q Servers) DeleteMember(ctx context.Context, serverID, accountID string) error {
	n, err := q.exec(ctx, `DELETE FROM members WHERE server_id = $1 AND account_id = $2`, serverID, accountID)
	return affected(n, err, ErrNotFound)
}

// ListMembers returns the members, those who joined first first, skipping some, and at most limit of them.
func (q Servers) ListMembers(ctx context.Context, serverID string, limit, skip int) ([]gen.Member, error) {
	return list(ctx, q.conn, scanMember, `
	SELECT a.id, a.number, a.username, a.display_name, a.avatar, m.joined_at,
	       (SELECT string_agg(r.title, $4 ORDER BY r.position, r.id) FROM roles r
	         WHERE r.server_id = m.server_id AND (r.everyone OR EXISTS (
	               SELECT 1 FROM member_roles mr WHERE mr.role_id = r.id AND mr.account_id = m.account_id)))
	  FROM members m JOIN accounts a ON a.id = m.account_id
	 WHERE m.server_id = $1 ORDER BY m.joined_at, m.account_id LIMIT $2 OFFSET $3`, serverID, limit, skip, titleSeparator)
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
	m.ID = strconv.FormatInt(number, 10)
	m.Username, m.Avatar = nullableOf(username), nullableOf(avatar)
	return m, nil
}

// CountMembers tells how many members a server has.
func (q Servers) CountMembers(ctx context.Context, serverID string) (int64, error) {
	return get(ctx, q.conn, scanOne[int64], `SELECT COUNT(*) FROM members WHERE server_id = $1`, serverID)
}

// InsertVisit records a visit on a day and tells whether it is the first of that day.
func (q Servers) InsertVisit(ctx context.Context, serverID, accountID, day string) (first bool, err error) {
	n, err := q.exec(ctx, `INSERT INTO visits (server_id, account_id, day) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		serverID, accountID, day)
	return n == 1, err
}

// CountVisits tells on how many days an account visited a server.
func (q Servers) CountVisits(ctx context.Context, serverID, accountID string) (int64, error) {
	return get(ctx, q.conn, scanOne[int64],
		`SELECT COUNT(*) FROM visits WHERE server_id = $1 AND account_id = $2`, serverID, accountID)
}

func orNull(text string) sql.NullString { return sql.NullString{String: text, Valid: text != ""} }

func nullableOf(text sql.NullString) nullable.Nullable[string] {
	if !text.Valid {
		return nullable.NewNullNullable[string]()
	}
	return nullable.NewNullableWithValue(text.String)
}
