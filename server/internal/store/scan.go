package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/oapi-codegen/nullable"
	"github.com/rejoin-dev/rejoin/gen"
)

// list runs a query and scans every row. It never returns nil, because a nil slice is `null` on the wire.
func list[T any](ctx context.Context, c conn, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := c.query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := []T{}
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, c.dialect.errorOf(rows.Err())
}

// get runs a query and scans its first row; without one it is ErrNotFound.
func get[T any](ctx context.Context, c conn, scan func(*sql.Rows) (T, error), text string, args ...any) (T, error) {
	var item T
	rows, err := c.query(ctx, text, args...)
	if err != nil {
		return item, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return item, c.dialect.errorOf(err)
		}
		return item, ErrNotFound
	}
	return scan(rows)
}

// scanOne is the scan of a query with one column.
func scanOne[T any](rows *sql.Rows) (value T, err error) {
	return value, rows.Scan(&value)
}

// affected turns "no row was changed" into an error.
func affected(n int64, err, none error) error {
	if err == nil && n == 0 {
		return none
	}
	return err
}

// micros reads a moment from its column.
type micros struct{ at *gen.Time }

func (m micros) Scan(value any) error {
	us, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a moment is %T in the database", value)
	}
	*m.at = gen.Time{Time: time.UnixMicro(us).UTC()}
	return nil
}

// nullableMicros reads a moment that may be missing.
type nullableMicros struct{ at *nullable.Nullable[gen.Time] }

func (m nullableMicros) Scan(value any) error {
	if value == nil {
		m.at.SetNull()
		return nil
	}
	var at gen.Time
	if err := (micros{&at}).Scan(value); err != nil {
		return err
	}
	m.at.Set(at)
	return nil
}

// microsOrNull is a moment that may be missing, as its column holds it.
func microsOrNull(at nullable.Nullable[gen.Time]) sql.NullInt64 {
	value, err := at.Get()
	return sql.NullInt64{Int64: value.UnixMicro(), Valid: err == nil}
}

// document reads a JSON document from its column.
type document struct{ into any }

func (d document) Scan(value any) error {
	switch text := value.(type) {
	case string:
		return json.Unmarshal([]byte(text), d.into)
	case []byte:
		return json.Unmarshal(text, d.into)
	}
	return fmt.Errorf("a document is %T in the database", value)
}

// written is a value as its document column holds it. Only models of the contract are kept so, and those always marshal.
func written(model any) string {
	text, err := json.Marshal(model)
	if err != nil {
		panic(fmt.Sprintf("a model of the contract does not marshal: %v", err))
	}
	return string(text)
}
