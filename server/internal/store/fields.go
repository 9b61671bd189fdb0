package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
)

// Fields holds what communities know of their members in fields of their own, and how that came about.
type Fields struct{ *conn }

// A Field is one of a community's.
type Field struct {
	ID, ServerID         string
	Key                  string // its Definition.Field without regard to upper and lower case
	Definition           gen.UserFieldCreate
	Order                int32
	Identifier           bool
	Creator              Account
	CreatedAt, UpdatedAt gen.Time
}

// The limits of fields. The contract says so of the list and of values.
const (
	MaxFields           = 200    // of a server
	MaxValuesCharacters = 16_000 // in all values of a member, as JSON
)

const selectField = `SELECT f.id, f.server_id, f.field_key, f.definition, f.position, f.identifier, f.created_at, f.updated_at,
       a.number, a.id, a.display_name, a.username, a.avatar_image_id FROM fields f JOIN accounts a ON a.number = f.creator `

func scanField(rows *sql.Rows) (f Field, err error) {
	var username, avatar sql.NullString
	err = rows.Scan(&f.ID, &f.ServerID, &f.Key, document{&f.Definition}, &f.Order, &f.Identifier, micros{&f.CreatedAt}, micros{&f.UpdatedAt},
		&f.Creator.AccountNumber, &f.Creator.ID, &f.Creator.DisplayName, &username, &avatar)
	f.Creator.Username, f.Creator.Avatar = nullableOf(username), ImagePath(avatar.String)
	return f, err
}

// List returns the fields of a server in their order.
func (q Fields) List(ctx context.Context, serverID string) ([]Field, error) {
	return list(ctx, q.conn, scanField, selectField+`WHERE f.server_id = $1 ORDER BY f.position, f.created_at, f.id`+unlocked, serverID)
}

// Get returns a field of a server.
func (q Fields) Get(ctx context.Context, serverID, id string) (Field, error) {
	return get(ctx, q.conn, scanField, selectField+`WHERE f.id = $2 AND f.server_id = $1`, serverID, id)
}

// Identifier returns the field that identifies the members of a server.
func (q Fields) Identifier(ctx context.Context, serverID string) (Field, error) {
	return get(ctx, q.conn, scanField, selectField+`WHERE f.server_id = $1 AND f.identifier`, serverID)
}

// Insert adds a field. Beyond MaxFields it is a LimitError, and if there is one of its key, ErrDuplicate.
func (q Fields) Insert(ctx context.Context, f Field) error {
	if err := q.exec(ctx, `INSERT INTO fields (id, server_id, field_key, definition, position, identifier, creator, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, f.ID, f.ServerID, f.Key, written(f.Definition), f.Order, f.Identifier,
		f.Creator.AccountNumber, f.CreatedAt.UnixMicro(), f.UpdatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, fieldsTally, f.ServerID)
}

// Update replaces what a field is. If another one of the server is the identifier already, it is ErrDuplicate.
func (q Fields) Update(ctx context.Context, f Field) error {
	return q.change(ctx, `UPDATE fields SET definition = $2, position = $3, identifier = $4, updated_at = $5 WHERE id = $1`,
		f.ID, written(f.Definition), f.Order, f.Identifier, f.UpdatedAt.UnixMicro())
}

// Delete removes a field: nobody has a value in it any more. The values are removed by DeleteRest, because there may be any number
// of them, and its history stays.
func (q Fields) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, fieldsTally, `DELETE FROM fields WHERE id = $1 RETURNING server_id`, id)
}

// DeleteRest removes some values of a deleted field, and tells whether there may be more.
func (q Fields) DeleteRest(ctx context.Context, id string, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM field_values WHERE (account, server_id, field_id) IN (
	       SELECT account, server_id, field_id FROM field_values WHERE field_id = $1 LIMIT $2)`, id, some)
}

// HasValues tells whether anybody has a value in a field.
func (q Fields) HasValues(ctx context.Context, id string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM field_values WHERE field_id = $1)`, id)
}

// HasValue tells whether an account has a value in a field.
func (q Fields) HasValue(ctx context.Context, f Field, account int64) (bool, error) {
	return get(ctx, q.conn, scanOne[bool],
		`SELECT EXISTS (SELECT 1 FROM field_values WHERE account = $1 AND server_id = $2 AND field_id = $3)`, account, f.ServerID, f.ID)
}

// HasKind tells whether anybody has a value of a kind in a field.
func (q Fields) HasKind(ctx context.Context, id, kind string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM field_values WHERE field_id = $1 AND kind = $2)`, id, kind)
}

// HasOther tells whether anybody has a value in a field that has none of these keys. It looks between them, so that it costs as
// much as there are keys, however many values there are.
func (q Fields) HasOther(ctx context.Context, f Field, keys []string) (has bool, err error) {
	keys = slices.Sorted(slices.Values(keys))
	after := ""
	for i := 0; i <= len(keys) && !has && err == nil; i++ {
		before := afterPrefix("f")
		if i < len(keys) {
			before = keys[i]
		}
		has, err = get(ctx, q.conn, scanOne[bool],
			`SELECT EXISTS (SELECT 1 FROM field_values WHERE server_id = $4 AND field_id = $1 AND value_key > $2 AND value_key < $3)`, f.ID, after, before, f.ServerID)
		after = before
	}
	return has, err
}

// A FieldValue is what a member has in a field.
type FieldValue struct {
	ServerID string
	Account  int64
	FieldID  string
	Value    any // of JSON
	Kind     string
	Key      string   // SHA-256 of the value as text, without regard to upper and lower case
	Unique   bool     // nobody else may have the same in this field
	Measure  *float64 // of a number, and of a date in milliseconds
}

// ListOf returns the values of a member, by the ids of their fields.
func (q Fields) ListOf(ctx context.Context, serverID string, account int64) (map[string]any, error) {
	found, err := list(ctx, q.conn, scanOne[string],
		`SELECT field_id || ' ' || value FROM field_values WHERE account = $2 AND server_id = $1`, serverID, account)
	if err != nil {
		return nil, err
	}
	return splitValues(strings.Join(found, "\n"))
}

// splitValues reads values as they stand in lines behind the ids of their fields.
func splitValues(lines string) (map[string]any, error) {
	values := map[string]any{}
	for line := range strings.Lines(lines) {
		id, text, _ := strings.Cut(line, " ")
		var value any
		if err := (document{&value}).Scan(text); err != nil {
			return nil, err
		}
		values[id] = value
	}
	return values, nil
}

// Set gives a member a value instead of the one before. A value that must be unique and that somebody else has is ErrDuplicate, and
// more than MaxValuesCharacters in all are a LimitError.
func (q Fields) Set(ctx context.Context, v FieldValue) error {
	unique := sql.NullString{String: v.Key, Valid: v.Unique}
	if err := q.exec(ctx, `INSERT INTO field_values (account, server_id, field_id, value, kind, value_key, unique_key, measure)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (account, server_id, field_id) DO UPDATE SET
	value = excluded.value, kind = excluded.kind, value_key = excluded.value_key, unique_key = excluded.unique_key, measure = excluded.measure`,
		v.Account, v.ServerID, v.FieldID, written(v.Value), v.Kind, v.Key, unique, v.Measure); err != nil {
		return err
	}
	if err := q.touch(ctx, v.ServerID, v.Account); err != nil {
		return err
	}
	all, err := get(ctx, q.conn, scanOne[int64], // of one member: MaxFields
		`SELECT CAST(COALESCE(SUM(LENGTH(value)), 0) AS BIGINT) FROM field_values WHERE account = $1 AND server_id = $2`, v.Account, v.ServerID)
	if err == nil && all > MaxValuesCharacters {
		err = &LimitError{Most: MaxValuesCharacters, What: "characters in the fields of one user"}
	}
	return err
}

// GetMeasure returns the number that a member has in a field. Without one it is ErrNotFound.
func (q Fields) GetMeasure(ctx context.Context, serverID, id string, account int64) (float64, error) {
	return get(ctx, q.conn, scanOne[float64], `SELECT measure FROM field_values WHERE account = $1 AND server_id = $2 AND field_id = $3 AND measure IS NOT NULL`+unlocked,
		account, serverID, id)
}

// DeleteOf removes all values of an account in a server. The history stays.
func (q Fields) DeleteOf(ctx context.Context, serverID string, account int64) error {
	return q.exec(ctx, `DELETE FROM field_values WHERE account = $2 AND server_id = $1`, serverID, account)
}

// ListHaving returns the members, two at most, who have a value of this key in a field.
func (q Fields) ListHaving(ctx context.Context, f Field, key string) ([]Account, error) {
	return list(ctx, q.conn, scanAccount, `SELECT `+accountColumns+` JOIN field_values v ON v.account = number
	  JOIN members m ON m.account = v.account AND m.server_id = v.server_id
	 WHERE v.server_id = $1 AND v.field_id = $2 AND v.value_key = $3 ORDER BY v.account LIMIT 2 /* FOR SHARE OF m */`, f.ServerID, f.ID, key)
}

// A HistoryScope is of what values the history is: of a server, and there of one field, of one account, or both.
type HistoryScope struct {
	ServerID string
	FieldID  string // "": of all
	Account  int64  // 0: of all
	From, To int64  // in microseconds, both within
}

// ListHistory returns a page of the values that those had who are members, the latest first. Each line is asked about by itself: planned
// as a join, all members would be read for a page.
func (q Fields) ListHistory(ctx context.Context, of HistoryScope, page Page) ([]gen.UserFieldHistory, error) {
	at, id := page.from(latest)
	if at > of.To {
		at, id = of.To+1, ""
	}
	which, args := `server_id = $1`, []any{of.ServerID, at, id, page.Limit, page.Skip, of.From}
	add := func(column string, value any) {
		args = append(args, value)
		which += fmt.Sprintf(" AND %s = $%d", column, len(args))
	}
	if of.FieldID != "" {
		add("field_id", of.FieldID)
	}
	if of.Account != 0 {
		add("account", of.Account)
	}
	return list(ctx, q.conn, scanHistory, selectHistory+`FROM (SELECT id FROM field_histories WHERE `+which+`
	         AND (SELECT m.joined_at FROM members m WHERE m.account = field_histories.account AND m.server_id = field_histories.server_id) IS NOT NULL
	         AND at >= $6 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4 OFFSET $5) page
	  JOIN field_histories h ON h.id = page.id JOIN accounts a ON a.number = h.account ORDER BY h.at DESC, h.id DESC`, args...)
}

const selectHistory = `SELECT h.id, h.field_id, h.field, a.id, h.value, h.at, h.actor_type, h.actor_id,
       (SELECT p.value FROM field_histories p WHERE p.server_id = h.server_id AND p.field_id = h.field_id AND p.account = h.account AND (p.at, p.id) < (h.at, h.id)
         ORDER BY p.at DESC, p.id DESC LIMIT 1) `

func scanHistory(rows *sql.Rows) (h gen.UserFieldHistory, err error) {
	var previous sql.NullString
	if err = rows.Scan(&h.ID, &h.FieldID, &h.Field, &h.UserID, document{&h.Value}, micros{&h.At}, &h.By.Type, &h.By.ID, &previous); err == nil && previous.Valid {
		err = (document{&h.Previous}).Scan(previous.String)
	}
	return h, err
}

// HasHistory tells whether a server knows what values there were in a field.
func (q Fields) HasHistory(ctx context.Context, serverID, fieldID string) (bool, error) {
	return get(ctx, q.conn, scanOne[bool],
		`SELECT EXISTS (SELECT 1 FROM field_histories WHERE field_id = $2 AND server_id = $1)`, serverID, fieldID)
}

// GetHistory returns the last line of the history of a member's values in a field until a moment, in microseconds, and whether there
// is one.
func (q Fields) GetHistory(ctx context.Context, f Field, account, until int64) (line gen.UserFieldHistory, found bool, err error) {
	line, err = get(ctx, q.conn, scanHistory, selectHistory+`FROM field_histories h JOIN accounts a ON a.number = h.account
	 WHERE h.server_id = $1 AND h.field_id = $2 AND h.account = $3 AND h.at <= $4 ORDER BY h.at DESC, h.id DESC LIMIT 1`, f.ServerID, f.ID, account, until)
	if errors.Is(err, ErrNotFound) {
		return line, false, nil
	}
	return line, err == nil, err
}

// InsertHistory adds a line to the history of a member.
func (q Fields) InsertHistory(ctx context.Context, serverID string, account int64, h gen.UserFieldHistory) error {
	return q.exec(ctx, `INSERT INTO field_histories (id, server_id, field_id, field, account, value, at, actor_type, actor_id)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		h.ID, serverID, h.FieldID, h.Field, account, written(h.Value), h.At.UnixMicro(), h.By.Type, h.By.ID)
}
