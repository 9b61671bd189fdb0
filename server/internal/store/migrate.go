package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/pressly/goose/v3"
	"github.com/rejoin-dev/rejoin/server/internal/durable"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, and waits for whoever is about it already.
func (s *Store) migrate(ctx context.Context, log *slog.Logger) error {
	unlock, err := s.write.lockMigrations(ctx, s.write.db)
	if err != nil {
		return fmt.Errorf("the database cannot be reached: %w", causeOf(err))
	}
	defer unlock()
	if err := s.write.create(ctx, s.url); err != nil {
		return fmt.Errorf("the database cannot be made: %w", err)
	}
	if err := s.write.begin(s.url); err != nil {
		return fmt.Errorf("the database cannot be opened: %w", err)
	}
	s.begun = true
	if err := s.write.db.PingContext(ctx); err != nil {
		return fmt.Errorf("the database cannot be reached: %w", causeOf(err))
	}
	if err := s.write.stay(ctx, s.write.db); err != nil {
		return fmt.Errorf("the database cannot be opened: %w", causeOf(err))
	}
	var from, to int64
	err = s.write.migrate(s.url, s.write.db, func(db *sql.DB) (err error) {
		from, to, err = migrateSchema(ctx, s.write.goose, db, s.write.jobs(db, s.newJobs))
		return err
	})
	if err == nil && log != nil && 0 < from && from < to {
		log.Info("the database was migrated: earlier versions of Rejoin cannot open it any more", slog.Int64("from", from), slog.Int64("to", to))
	}
	return err
}

// newestMigration is the version of the schema that this binary needs.
func newestMigration() (version int64, err error) {
	version = max(keysMigration, statusesMigration, permissionsMigration)
	names, err := fs.Glob(migrations, "migrations/*.sql")
	for _, name := range names {
		number, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		version = max(version, number)
	}
	return version, err
}

// migrateSchema returns which version of the schema there was, 0 for none, and which one there is now.
func migrateSchema(ctx context.Context, dialect goose.Dialect, db *sql.DB, jobs riverdriver.Driver[*sql.Tx]) (from, to int64, err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, 0, fmt.Errorf("the migrations are missing from this binary: %w", err)
	}
	// Numbers are given out to who works at the same time: one that comes later may be lower than one that a database has already.
	provider, err := goose.NewProvider(dialect, db, files, append(migrationsOf(dialect), goose.WithAllowOutofOrder(true))...)
	if err != nil {
		return 0, 0, fmt.Errorf("the database cannot be prepared to migrate it: %w", err)
	}
	if from, to, err = provider.GetVersions(ctx); err == nil && from > to {
		return 0, 0, ErrNewer
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, 0, fmt.Errorf("the database cannot be migrated: %w", err)
	}
	if err := migrateJobs(ctx, jobs); err != nil {
		return 0, 0, fmt.Errorf("the database cannot be migrated for background work: %w", err)
	}
	return from, to, nil
}

// migrateJobs brings the tables of jobs up to date. They are River's own and come with it.
func migrateJobs(ctx context.Context, driver riverdriver.Driver[*sql.Tx]) error {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// createSQLite makes a SQLite file that is not there yet, with its schema. Each migration is a transaction, and each of them
// would wait for the disk: so they run on a file aside, which waits for nothing, and which takes its place when it is
// complete and on the disk. A process that dies meanwhile has made nothing.
func createSQLite(ctx context.Context, path string) (err error) {
	if there, err := anyContent(path, path+"-wal", path+"-journal"); there || err != nil {
		return err
	}
	aside := path + ".new"
	if err := durable.Remove(aside, aside+"-wal", aside+"-shm"); err != nil { // of a process that has died
		return err
	}
	if err := os.WriteFile(aside, nil, 0o600); err != nil { // before SQLite makes it for everybody to read
		return err
	}
	err = fillSQLite(ctx, aside)
	if err == nil {
		err = durable.Move(aside, path)
	}
	if err != nil {
		return errors.Join(err, durable.Remove(aside))
	}
	return nil
}

// anyContent tells whether one of the files is there and not empty.
func anyContent(paths ...string) (bool, error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.Size() > 0 {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// fillSQLite gives an empty file its schema, and leaves it in WAL mode with nothing beside it. It may lose all of it to a crash.
func fillSQLite(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", sqliteAt(path, "journal_mode(MEMORY)", "synchronous(OFF)", "foreign_keys(ON)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, _, err := migrateSchema(ctx, goose.DialectSQLite3, db, riversqlite.New(db)); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	return err
}
