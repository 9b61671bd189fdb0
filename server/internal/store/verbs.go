package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/rejoin-dev/rejoin/server/internal/memory"
)

// A conn is where statements run: a pool, or a transaction on it.
type conn struct {
	pool   *pool
	tx     *sql.Tx
	within context.Context // what the transaction may take; nil outside of one
	wrote  bool            // it has changed a row
	shared bool            // the transaction runs beside others
	once   bool            // what is read here is read once: it is not remembered instead of what others read often
	shard  int64           // of tallies, which this transaction changes
	woken  []string        // topics that it wakes
}

// The verbs of statements that return rows are functions, because a method cannot have a type parameter of its own. What
// they return may be remembered and shared: what lies behind pointers, slices and maps of it must not be changed.

// read runs a query and returns what collect makes of its rows. On SQLite, it may return what collect has made of them
// before.
func read[T any](ctx context.Context, c *conn, collect func(*sql.Rows) (T, error), text string, args ...any) (T, error) {
	ask := func() (result T, err error) {
		ctx, end := c.hurry(ctx)
		defer end()
		rows, err := c.query(ctx, text, args)
		if err != nil {
			return result, c.pool.errorOf(late(ctx, err))
		}
		defer rows.Close()
		if result, err = collect(rows); err == nil {
			err = rows.Err()
		}
		return result, c.pool.errorOf(late(ctx, err))
	}
	cache := c.pool.cache
	if cache == nil || c.once {
		return ask()
	}
	of := cache.changes.of(text)
	// Who has the turn in the lane is alone with the tables, and sees what was committed unless it was touched since.
	if len(of.writes) > 0 || c.tx != nil && !cache.changes.untouched(of.reads) {
		return ask()
	}
	return cached(cache, of.reads, text, args, ask)
}

// list runs a query and scans every row. It never returns nil, because a nil slice is `null` on the wire.
func list[T any](ctx context.Context, c *conn, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	return gather(ctx, c, func(items []T, rows *sql.Rows) ([]T, error) {
		item, err := scan(rows)
		return append(items, item), err
	}, text, args...)
}

// gather is list where several rows may be one item: add adds a row to the items before it, and changes none but the last.
func gather[T any](ctx context.Context, c *conn, add func([]T, *sql.Rows) ([]T, error), text string, args ...any) ([]T, error) {
	share := memory.From(ctx)
	all, err := gathered(ctx, c, share, add, text, args)
	for waited := int64(0); errors.Is(err, memory.ErrBusy) && c.tx == nil; { // nobody waits for memory who holds what others wait for
		waited = max(all.cost, 2*waited) // it was too little where the items that nobody has seen yet cost more
		if err = share.Wait(ctx, waited); err != nil {
			break
		}
		all, err = gathered(ctx, c, share, add, text, args)
	}
	return slices.Clone(all.items), err // the caller may change the items
}

// longList is how many rows a list may have that needs no share of the memory for long answers.
const longList = 64

// A found list knows how many rows it was, and how much memory it needs.
type found[T any] struct {
	items []T
	rows  int
	cost  int64 // bytes, as far as is known
}

// gathered is gather as far as there is room. Where there is none, it returns what it would need, too.
func gathered[T any](ctx context.Context, c *conn, share *memory.Share, add func([]T, *sql.Rows) ([]T, error), text string, args []any) (found[T], error) {
	all, err := read(ctx, c, func(rows *sql.Rows) (all found[T], err error) {
		all.items = []T{}
		counted, cost := 0, int64(0)
		for rows.Next() {
			if all.items, err = add(all.items, rows); err != nil {
				return all, err
			}
			if all.rows++; share == nil || all.rows%longList > 0 {
				continue
			}
			// A list that is long seldom ends soon, and who has to grow later may find no room.
			whole := len(all.items) - 1
			cost += memory.CostOf(all.items[counted:whole])
			counted = whole
			all.cost = cost * max(1, 4*longList/int64(all.rows))
			if err := share.Grow(all.cost); err != nil {
				return all, err
			}
		}
		return all, nil
	}, text, args...)
	if err == nil && share != nil && all.rows >= longList { // it may have been remembered
		all.cost = memory.CostOf(all.items)
		err = share.Grow(all.cost)
	}
	return all, err
}

// get runs a query and scans its first row; without one it is ErrNotFound.
func get[T any](ctx context.Context, c *conn, scan func(*sql.Rows) (T, error), text string, args ...any) (T, error) {
	return read(ctx, c, func(rows *sql.Rows) (item T, err error) {
		if rows.Next() {
			return scan(rows)
		}
		if err = rows.Err(); err == nil {
			err = ErrNotFound
		}
		return item, err
	}, text, args...)
}

// scanOne is the scan of a query with one column.
func scanOne[T any](rows *sql.Rows) (value T, err error) {
	return value, rows.Scan(&value)
}

func (c *conn) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	c.pool.sees(text, args)
	text, err := c.locking(text)
	if err != nil {
		return nil, err
	}
	switch {
	case c.tx != nil:
		return c.tx.QueryContext(ctx, text, args...)
	case !c.pool.prepares:
		return c.pool.db.QueryContext(ctx, text, args...)
	}
	// A read of SQLite ends before it could be called off; watching for that would cost more than the read.
	ctx = context.WithoutCancel(ctx)
	stmt, err := c.pool.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// exec runs a statement, however many rows it changes.
func (c *conn) exec(ctx context.Context, text string, args ...any) error {
	_, err := c.changed(ctx, text, args...)
	return err
}

// change runs a statement that must change a row: without one it is ErrNotFound.
func (c *conn) change(ctx context.Context, text string, args ...any) error {
	changed, err := c.changed(ctx, text, args...)
	if err == nil && !changed {
		err = ErrNotFound
	}
	return err
}

// changed runs a statement and tells whether it changed a row.
func (c *conn) changed(ctx context.Context, text string, args ...any) (bool, error) {
	c.pool.sees(text, args)
	text, err := c.locking(text)
	if err != nil {
		return false, err
	}
	ctx, end := c.hurry(ctx)
	defer end()
	run := c.pool.db.ExecContext
	if c.tx != nil {
		run = c.tx.ExecContext
	}
	result, err := run(ctx, text, args...)
	if err != nil {
		return false, c.pool.errorOf(late(ctx, err))
	}
	n, err := result.RowsAffected()
	if c.tx != nil {
		c.wrote = c.wrote || n > 0
	}
	return n > 0, err
}

// locking is a statement as it is run here: in a shared transaction it locks what it reads, as it says itself.
func (c *conn) locking(text string) (string, error) {
	if !c.shared {
		return text, nil
	}
	return c.pool.locks(text)
}

// hurry is how long a statement may take: in a transaction, as long as that.
func (c *conn) hurry(ctx context.Context) (context.Context, func()) {
	if c.within != nil {
		return c.within, func() {}
	}
	return c.pool.hurry(ctx)
}
