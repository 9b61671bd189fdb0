package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// Stores holds how the stores of servers are set up.
type Stores struct{ *conn }

// Get returns the store of a server; ErrNotFound: nobody has set it up.
func (q Stores) Get(ctx context.Context, serverID string) (gen.StoreConfig, error) {
	return get(ctx, q.conn, func(rows *sql.Rows) (c gen.StoreConfig, err error) { return c, rows.Scan(document{&c}) },
		`SELECT definition FROM stores WHERE server_id = $1`+unlocked, serverID)
}

// Put writes down how a store is set up.
func (q Stores) Put(ctx context.Context, c gen.StoreConfig) error {
	return q.exec(ctx, `INSERT INTO stores (server_id, definition) VALUES ($1, $2) ON CONFLICT (server_id) DO UPDATE SET definition = excluded.definition`,
		c.CommunityID, written(c))
}

// Categories holds the categories of stores.
type Categories struct{ *conn }

// MaxCategories is how many a server may have. The contract says so of the list.
const MaxCategories = 100

const selectCategory = `SELECT c.definition FROM categories c `

func scanCategory(rows *sql.Rows) (c gen.Category, err error) { return c, rows.Scan(document{&c}) }

// List returns the categories of a server, the oldest first.
func (q Categories) List(ctx context.Context, serverID string) ([]gen.Category, error) {
	return list(ctx, q.conn, scanCategory, selectCategory+`WHERE c.server_id = $1 ORDER BY c.created_at, c.id`+unlocked, serverID)
}

// Get returns a category.
func (q Categories) Get(ctx context.Context, id string) (gen.Category, error) {
	return get(ctx, q.conn, scanCategory, selectCategory+`WHERE c.id = $1`+unlocked, id)
}

// Insert adds a category. Beyond MaxCategories it is a LimitError, and if there is one of its name, ErrDuplicate.
func (q Categories) Insert(ctx context.Context, c gen.Category) error {
	if err := q.exec(ctx, `INSERT INTO categories (id, server_id, name_key, definition, status_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.ID, c.CommunityID, words.Caseless(c.Name), written(c), textOrNull(c.DefaultPurchaseStatusID), c.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, categoriesTally, c.CommunityID)
}

// Update replaces a category. If another one of the server has its name, it is ErrDuplicate.
func (q Categories) Update(ctx context.Context, c gen.Category) error {
	return q.change(ctx, `UPDATE categories SET name_key = $2, definition = $3, status_id = $4 WHERE id = $1`,
		c.ID, words.Caseless(c.Name), written(c), textOrNull(c.DefaultPurchaseStatusID))
}

// Delete removes a category.
func (q Categories) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, categoriesTally, `DELETE FROM categories WHERE id = $1 RETURNING server_id`, id)
}

// HoldsAny tells whether there is a product in a category.
func (q Categories) HoldsAny(ctx context.Context, c gen.Category) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM products WHERE server_id = $1 AND category_id = $2)`, c.CommunityID, c.ID)
}

func textOrNull(text gen.Nullable[string]) sql.NullString {
	value, there := text.Get()
	return sql.NullString{String: value, Valid: there}
}

// Statuses holds in which states the orders of servers are.
type Statuses struct{ *conn }

// MaxStatuses is how many a server may have. The contract says so of the list.
const MaxStatuses = 50

const selectStatus = `SELECT s.id, s.server_id, s.name, s.category, s.color, s.created_at FROM redemption_statuses s `

// A Status is a state in which orders are.
type Status struct {
	ID, ServerID          string
	Name, Category, Color string
	CreatedAt             gen.Time
}

func scanStatus(rows *sql.Rows) (s Status, err error) {
	return s, rows.Scan(&s.ID, &s.ServerID, &s.Name, &s.Category, &s.Color, micros{&s.CreatedAt})
}

// List returns the statuses of a server, the oldest first.
func (q Statuses) List(ctx context.Context, serverID string) ([]Status, error) {
	return list(ctx, q.conn, scanStatus, selectStatus+`WHERE s.server_id = $1 ORDER BY s.created_at, s.id`+unlocked, serverID)
}

// Insert adds a status. Beyond MaxStatuses it is a LimitError, and if there is one of its name, ErrDuplicate.
func (q Statuses) Insert(ctx context.Context, s Status) error {
	if err := q.exec(ctx, insertStatus, s.ID, s.ServerID, s.Name, words.Caseless(s.Name), s.Category, s.Color, s.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, statusesTally, s.ServerID)
}

const insertStatus = `INSERT INTO redemption_statuses (id, server_id, name, name_key, category, color, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`

// firstStatuses are those that a server has from the beginning, in their order.
var firstStatuses = []Status{
	{Name: "Pending", Category: "incomplete", Color: "#F5A623"}, {Name: "Shipping", Category: "incomplete", Color: "#3EA1FD"},
	{Name: "Completed", Category: "complete", Color: "#2E9E5B"}, {Name: "Cancelled", Category: "cancelled", Color: "#8A8F98"},
}

// InsertFirst adds the statuses of a new server, with an id from newID for each.
func (q Statuses) InsertFirst(ctx context.Context, serverID string, at time.Time, newID func() string) error {
	var args []any
	for i, s := range firstStatuses {
		args = append(args, newID(), serverID, s.Name, words.Caseless(s.Name), s.Category, s.Color, at.UnixMicro()+int64(i))
	}
	if err := q.exec(ctx, insertFirstStatuses, args...); err != nil {
		return err
	}
	_, err := q.addTo(ctx, statusesTally, serverID, 0, int64(len(firstStatuses)))
	return err
}

const insertFirstStatuses = `INSERT INTO redemption_statuses (id, server_id, name, name_key, category, color, created_at) VALUES
	($1, $2, $3, $4, $5, $6, $7), ($8, $9, $10, $11, $12, $13, $14), ($15, $16, $17, $18, $19, $20, $21), ($22, $23, $24, $25, $26, $27, $28)`

// statusesMigration is the version from which on every server has statuses.
const statusesMigration = 51

// addFirstStatuses is the migration that gives the servers from before their statuses.
func addFirstStatuses(ctx context.Context, tx *sql.Tx) error {
	ids, err := serversBefore(ctx, tx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		for i, s := range firstStatuses {
			if _, err := tx.ExecContext(ctx, insertStatus, statusID(), id, s.Name, words.Caseless(s.Name), s.Category, s.Color, i); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO tallies (whose, kind, shard, n) VALUES ($1, $2, 0, $3)", id, statusesTally.kind, len(firstStatuses)); err != nil {
			return err
		}
	}
	return nil
}

// statusID is an id in the form of all others: a second, and 64 random bits.
func statusID() string {
	id := make([]byte, 12)
	binary.BigEndian.PutUint32(id, uint32(time.Now().Unix()))
	rand.Read(id[4:]) // never fails
	return hex.EncodeToString(id)
}

func serversBefore(ctx context.Context, tx *sql.Tx) (ids []string, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id FROM servers")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, errors.Join(rows.Err(), rows.Close())
}
