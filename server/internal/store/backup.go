package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/rejoin-dev/rejoin/server/internal/durable"
)

// A Snapshot is a SQLite file that holds a database as it was at one moment, and that nobody changes.
type Snapshot struct {
	Path   string
	Schema int64 // the version of its schema

	db   *sql.DB
	done func() error
}

// ErrSnapshot says that a snapshot of this database is being used already.
var ErrSnapshot = errors.New("a backup is being made already")

// Snapshot makes a copy of a SQLite file, beside those who read and write. It needs as much room on the disk as what it
// copies, until it is closed.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	if s.write.goose != goose.DialectSQLite3 {
		return nil, errors.New("only SQLite can be copied like this")
	}
	if !s.copying.TryLock() {
		return nil, ErrSnapshot
	}
	made, err := s.copyTo(ctx, s.url+copyEnd)
	if err != nil {
		err = errors.Join(err, removeCopy(s.url))
		s.copying.Unlock()
		return nil, err
	}
	made.done = func() error {
		defer s.copying.Unlock()
		return removeCopy(s.url)
	}
	return made, nil
}

// copyEnd is the end of the name of a copy.
const copyEnd = ".copy"

// removeCopy removes what a snapshot of a database has made, complete or not.
func removeCopy(database string) error {
	return durable.Remove(database+copyEnd, database+copyEnd+"-journal")
}

// copyTo uses a connection of its own: whoever writes or reads does not wait for it.
func (s *Store) copyTo(ctx context.Context, path string) (*Snapshot, error) {
	if err := os.WriteFile(path, nil, 0o600); err != nil { // before SQLite makes it for everybody to read
		return nil, err
	}
	if err := runOn(ctx, s.url, "VACUUM INTO ?", path); err != nil {
		return nil, err
	}
	if err := runOn(ctx, path, wholeAgain); err != nil { // it was copied from one in use
		return nil, err
	}
	return openSnapshot(ctx, path)
}

// runOn runs a statement on a connection of its own.
func runOn(ctx context.Context, path, text string, args ...any) error {
	db, err := sql.Open("sqlite", sqliteAt(path, "busy_timeout(10000)"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, text, args...)
	return errors.Join(err, db.Close())
}

// OpenSnapshot opens a file that a snapshot was copied to, whoever has made it: it is read, and nothing in it is run. It fails
// if the file is damaged, made by a version of Rejoin that is newer than this one, or not made by Rejoin.
func OpenSnapshot(ctx context.Context, path string) (*Snapshot, error) {
	s, err := openSnapshot(ctx, path)
	if err != nil {
		return nil, err
	}
	var whole string
	if err := s.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&whole); err != nil || whole != "ok" {
		return nil, errors.Join(fmt.Errorf("it is damaged: %s", whole), err, s.Close())
	}
	newest, err := newestMigration()
	if err == nil && s.Schema > newest {
		err = ErrNewer
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func openSnapshot(ctx context.Context, path string) (*Snapshot, error) {
	db, err := sql.Open("sqlite", sqliteAt(path, "query_only(ON)", "trusted_schema(OFF)")+"&mode=ro")
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Path: path, db: db, done: func() error { return nil }}
	if err = s.checkSchema(ctx); err == nil {
		err = db.QueryRowContext(ctx, "SELECT MAX(version_id) FROM goose_db_version WHERE is_applied").Scan(&s.Schema)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// checkSchema refuses what no migration makes and what would be run once the database is used: triggers, views and other
// virtual tables than that of the words of messages. It goes by the statements that SQLite reads the schema from, because the types beside them can lie.
func (s *Snapshot) checkSchema(ctx context.Context) error {
	const others = `SELECT COALESCE(name, '') FROM sqlite_schema WHERE (type = 'table' AND sql LIKE 'CREATE TABLE %' OR
	 type = 'index' AND (sql IS NULL OR sql LIKE 'CREATE INDEX %' OR sql LIKE 'CREATE UNIQUE INDEX %') OR name = 'message_words' AND sql = ?) IS NOT TRUE LIMIT 1`
	var name string
	err := s.db.QueryRowContext(ctx, others, wordsOfSQLite).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("it holds %q, which Rejoin does not make: there are no triggers, views or other virtual tables in its databases", name)
	}
	return err
}

// EachImage runs do with the id of each image that the database refers to: all columns that are named image_id, or end in
// _image_id, hold one.
func (s *Snapshot) EachImage(ctx context.Context, do func(id string) error) error {
	columns, err := s.imageColumns(ctx)
	if err != nil {
		return err
	}
	for _, text := range columns {
		if err := s.each(ctx, text, do); err != nil {
			return err
		}
	}
	return nil
}

// imageColumns are statements that list what is in them.
func (s *Snapshot) imageColumns(ctx context.Context) (statements []string, err error) {
	const columns = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c" +
		" WHERE t.type = 'table' AND (c.name = 'image_id' OR c.name LIKE '%\\_image\\_id' ESCAPE '\\')"
	rows, err := s.db.QueryContext(ctx, columns)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, err
		}
		statements = append(statements, fmt.Sprintf("SELECT %[2]s FROM %[1]s WHERE %[2]s <> ''", quoted(table), quoted(column)))
	}
	return statements, rows.Err()
}

// quoted is a name in a statement, whatever it is.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (s *Snapshot) each(ctx context.Context, text string, do func(id string) error) error {
	rows, err := s.db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if err := do(id); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Close gives up the snapshot. A file that Store.Snapshot has made is removed.
func (s *Snapshot) Close() error { return errors.Join(s.db.Close(), s.done()) }
