package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"modernc.org/sqlite" // the driver "sqlite", too
	sqlite3 "modernc.org/sqlite/lib"
)

// A dialect is all that differs between the two databases.
type dialect struct {
	goose     goose.Dialect
	isolation sql.IsolationLevel

	sharedIsolation sql.IsolationLevel                // of transactions that wait for each other instead of losing
	locks           func(text string) (string, error) // makes a statement of a shared one lock what it reads

	prepares bool // whether statements that read must be kept prepared by us; pgx does so by itself
	queues   bool // whether transactions take turns, in a lane

	own            func(url string) (release func() error, err error) // for as long as the database is open
	open           func(url string, out *outage) (opened, error)
	create         func(ctx context.Context, url string) error                  // makes one that is not there yet, with its schema
	begin          func(url string) error                                       // says in it that it is in use, before it is opened
	stay           func(ctx context.Context, db *sql.DB) error                  // sees to it that it says so, once it is open
	finish         func(url string, write *sql.DB, closeAll func() error) error // closes it, and says that it was
	lockMigrations func(ctx context.Context, db *sql.DB) (unlock func(), err error)
	migrate        func(url string, write *sql.DB, do func(*sql.DB) error) error // with where to do it
	jobs           func(db *sql.DB, new *bell) riverdriver.Driver[*sql.Tx]       // on the pool that writes
	pollJobs       time.Duration                                                 // how late a job may begin that nothing has rung the bell for

	healJobs []string // see Store.healJobs

	addWords  string                      // the words $2 at the position $1; nothing, if another replica has taken it
	findWords string                      // the positions of messages that have all words of $1 and are before $2, newest first, $3 of them
	findLate  string                      // the same in the latest messages of the channel $4 alone; empty: findWords reads no more than it returns
	countAll  string                      // findWords in any order, and wherever
	allWords  func(words []string) string // asks for all of some words

	duplicate   func(error) bool // a unique constraint was broken
	mayRetry    func(error) bool // the transaction lost against another one and may be run again
	unavailable func(error) bool // the database is away or too busy, and may be back
	stuck       func(error) bool // nothing can be written any more, until something is; nil: the connections tell
}

// opened is a database that is open.
type opened struct {
	write, read *sql.DB
	remembers   *cache // of what was read; nil: nothing is remembered
	waiting     *queue // of those who write
	turns       *turns // nil: they wait in a lane
}

func dialectOf(url string) *dialect {
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		return &postgreSQL
	}
	return &sqliteFile
}

// errorOf gives a driver's error the name that the rest of the program knows it by.
func (d *dialect) errorOf(err error) error {
	switch {
	case err == nil:
		return nil
	case d.duplicate(err):
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	case errors.Is(err, errCrowded), errors.Is(err, errSlow), isClosed(err), d.unavailable(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// isClosed tells whether the store, or a connection, was closed under who uses it.
func isClosed(err error) bool {
	return errors.Is(err, errLaneClosed) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) || err.Error() == "sql: database is closed"
}

// SQLite: one connection that writes, shared by all who do, and a pool of readers, which WAL lets run beside it.
var sqliteFile = dialect{
	goose:    goose.DialectSQLite3,
	prepares: true,
	queues:   true,
	pollJobs: time.Second,
	own:      ownSQLite,
	open: func(path string, out *outage) (opened, error) {
		dsn := writingSQLite(path)
		read, err := sql.Open("sqlite", dsn+"&_pragma=query_only(ON)")
		if err != nil {
			return opened{}, err
		}
		readers := max(4, 2*runtime.GOMAXPROCS(0))
		read.SetMaxOpenConns(readers)
		read.SetMaxIdleConns(readers)
		remembers, err := newCache(newChanges(read))
		if err != nil {
			return opened{}, errors.Join(err, read.Close())
		}
		// Else, what a transaction may have to roll back goes to a new file of its own as soon as it is more than 64 KiB.
		writing := dsn + "&_pragma=temp_store(MEMORY)"
		lane := newLane(remembers.changes, func() (driver.Conn, error) { return read.Driver().Open(writing) }, func() { out.found(); out.wrote() })
		write := sql.OpenDB(lane)
		write.SetMaxIdleConns(mostMembers) // which cost next to nothing
		return opened{write: write, read: read, remembers: remembers, waiting: &lane.queue}, nil
	},
	create:         createSQLite,
	begin:          markInUse,
	stay:           stayInUse,
	finish:         markWhole,
	lockMigrations: func(context.Context, *sql.DB) (func(), error) { return func() {}, nil }, // whoever has it is alone
	migrate:        migrateSQLite,
	jobs:           func(db *sql.DB, new *bell) riverdriver.Driver[*sql.Tx] { return heardSQLite{riversqlite.New(db), new} },
	healJobs: []string{
		`DELETE FROM river_leader WHERE expires_at > datetime('now', '+1 minute')`,
		`UPDATE river_job SET scheduled_at = datetime('now', 'subsec') WHERE scheduled_at > datetime('now', '+1 minute') AND state = 'available'
		     OR scheduled_at > datetime('now', '+7 days') AND state IN ('retryable', 'scheduled')`,
		`UPDATE river_job SET attempted_at = datetime('now', 'subsec') WHERE attempted_at > datetime('now', '+1 minute') AND state = 'running'`,
	},
	addWords:  `INSERT INTO message_words (rowid, words) VALUES ($1, $2)`,
	findWords: `SELECT rowid FROM message_words WHERE message_words MATCH $1 AND rowid < $2 ORDER BY rowid DESC LIMIT $3`,
	countAll:  `SELECT rowid FROM message_words WHERE message_words MATCH $1 AND rowid < $2 LIMIT $3`,
	allWords:  func(words []string) string { return `"` + strings.Join(words, `" AND "`) + `"` },
	duplicate: func(err error) bool {
		var e *sqlite.Error
		return errors.As(err, &e) &&
			(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
	},
	mayRetry: func(error) bool { return false },
	unavailable: func(err error) bool {
		code := sqliteCode(err)
		return errors.Is(err, errGroup) || code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_NOMEM || cannotWrite(code)
	},
	stuck: func(err error) bool { return cannotWrite(sqliteCode(err)) },
}

// writingSQLite is what is set on a connection that writes.
func writingSQLite(path string) string {
	return sqliteAt(path, "busy_timeout(1000)", "journal_mode(WAL)", "foreign_keys(ON)", "cache_size(-4000)",
		"synchronous(FULL)", "fullfsync(ON)", "checkpoint_fullfsync(ON)") // the last two for macOS, whose fsync leaves it in the disk's cache
}

// migrateSQLite gives migrations a connection of their own: they read all that there is, and what they sort goes to files, not to the
// memory as in the lane.
func migrateSQLite(path string, _ *sql.DB, do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", writingSQLite(path))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(do(db), db.Close())
}

// sqliteCode is what SQLite has failed with, without the details; 0 if it was not SQLite.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// cannotWrite tells whether it is the disk that fails, or what may be done with it. Whoever reads may fail, too.
func cannotWrite(code int) bool {
	switch code {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return true
	}
	return false
}

// sqliteAt is what the driver is told: a file, and what is set on each connection to it.
func sqliteAt(path string, pragmas ...string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{"_pragma": pragmas}.Encode()
}

// PostgreSQL: one pool for everything.
var postgreSQL = dialect{
	goose:     goose.DialectPostgres,
	isolation: sql.LevelSerializable,

	sharedIsolation: sql.LevelReadCommitted,
	locks:           locksOf,

	pollJobs: 100 * time.Millisecond,
	own:      func(string) (func() error, error) { return func() error { return nil }, nil }, // any number share it
	open: func(url string, out *outage) (opened, error) {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			return opened{}, causeOf(err)
		}
		if config.ConnectTimeout == 0 {
			config.ConnectTimeout = patience
		}
		w := witness{out}
		config.Tracer = w
		db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(w.prepare), stdlib.OptionShouldPing(w.shouldPing))
		db.SetMaxOpenConns(mostConnections)
		db.SetMaxIdleConns(mostConnections)
		db.SetConnMaxLifetime(time.Hour)
		turns := newTurns()
		return opened{write: db, read: db, waiting: &turns.queue, turns: turns}, nil
	},
	create:         func(context.Context, string) error { return nil }, // whoever has given us the URL has
	begin:          func(string) error { return nil },
	stay:           func(context.Context, *sql.DB) error { return nil },
	finish:         func(_ string, _ *sql.DB, closeAll func() error) error { return closeAll() },
	lockMigrations: lockPostgreSQL,
	migrate:        func(_ string, write *sql.DB, do func(*sql.DB) error) error { return do(write) },
	jobs:           func(db *sql.DB, _ *bell) riverdriver.Driver[*sql.Tx] { return riverdatabasesql.New(db) },
	healJobs: []string{
		`DELETE FROM river_leader WHERE expires_at > now() + interval '1 minute'`,
		`UPDATE river_job SET scheduled_at = now() WHERE scheduled_at > now() + interval '1 minute' AND state = 'available'
		     OR scheduled_at > now() + interval '7 days' AND state IN ('retryable', 'scheduled')`,
		`UPDATE river_job SET attempted_at = now() WHERE attempted_at > now() + interval '1 minute' AND state = 'running'`,
	},
	addWords: `INSERT INTO message_words (rowid, words) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
	countAll: `SELECT rowid FROM message_words WHERE words @@ CAST($1 AS tsquery) AND CAST($2 AS BIGINT) > 0 LIMIT $3`,
	// What very many messages have is among the latest thousand, and is found there: by its words, each of them would be read.
	findLate: `SELECT w.rowid FROM (SELECT position FROM messages WHERE channel_id = $4 AND position < $2 ORDER BY position DESC LIMIT 1000) late
	  JOIN message_words w ON w.rowid = late.position WHERE w.words @@ CAST($1 AS tsquery) ORDER BY w.rowid DESC LIMIT $3`,
	// By the words alone: the planner must not look through all messages for those that have them.
	findWords: `WITH found AS MATERIALIZED (SELECT rowid FROM message_words WHERE words @@ CAST($1 AS tsquery))
	SELECT rowid FROM found WHERE rowid < $2 ORDER BY rowid DESC LIMIT $3`,
	allWords:  func(words []string) string { return `'` + strings.Join(words, `' & '`) + `'` },
	duplicate: func(err error) bool { return sqlState(err) == "23505" },
	mayRetry: func(err error) bool {
		state := sqlState(err)
		return state == "40001" || state == "40P01"
	},
	unavailable: func(err error) bool {
		var network *net.OpError
		var connect *pgconn.ConnectError
		if errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed) ||
			pgconn.Timeout(err) {
			return true
		}
		// The classes are connections, resources such as the disk, an operator's intervention, and errors of the system.
		// Of the others: a statement that was called off, a transaction that was idle for too long, one in a database that
		// nobody may write to, and one that has waited too long for a lock.
		state := sqlState(err)
		return slices.ContainsFunc([]string{"08", "53", "57", "58", "25P03", "25006", "55P03"}, func(of string) bool {
			return strings.HasPrefix(state, of)
		})
	},
}

// A statement that reads says at its end, in a comment, what it locks in a shared transaction (see Store.SharedTx): such as
// /* FOR SHARE OF s */, which lets nobody change or remove these rows until the transaction ends, or unlocked. The comment is
// code for PostgreSQL in such a transaction, and means nothing anywhere else.
//
// A transaction that locks what others may lock, too, must not change it: two of them would wait for each other.
const unlocked = ` /* UNLOCKED */` // what was read may be out of date when it is used, and that does no harm

var lockComment = regexp.MustCompile(`/\* (FOR (?:UPDATE|NO KEY UPDATE|SHARE|KEY SHARE)(?: OF [a-z, ]+)?|UNLOCKED) \*/`)

// lockingTexts are the statements that shared transactions have run, by what they are elsewhere.
var lockingTexts sync.Map

// locksOf refuses a statement that reads and does not say what it locks: nobody has thought about it.
func locksOf(text string) (string, error) {
	if known, ok := lockingTexts.Load(text); ok {
		return known.(string), nil
	}
	locking := lockComment.ReplaceAllString(text, "$1")
	if locking == text && strings.Contains(text, "SELECT ") {
		return "", fmt.Errorf("a statement of a shared transaction must say what it locks: %s", text)
	}
	locking = strings.ReplaceAll(locking, "UNLOCKED", "")
	lockingTexts.Store(text, locking)
	return locking, nil
}

// useIndexes makes PostgreSQL find everything by an index, row by row, as every statement here is written to. By itself, it
// likes to read a table whole while that is small: a serializable transaction that has is in conflict with everybody who
// adds to it.
//
// A statement is planned once for a connection, whatever its arguments: the plan is always the same, and making it can take
// longer than what it is for. Without its arguments, the planner takes a page for a tenth of the table, which it would join to
// another one read whole.
func useIndexes(ctx context.Context, session *pgx.Conn) error {
	_, err := session.Exec(ctx, `SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
	SET plan_cache_mode = force_generic_plan`)
	return err
}

// endWaits makes PostgreSQL itself end what has waited too long: for a lock, before whoever asked gives up, and, with its
// locks, a transaction whose replica says nothing any more. Migrations heed that, too: one that waited for the lock of a
// table would make everybody else wait behind it.
func endWaits(ctx context.Context, session *pgx.Conn) error {
	_, err := session.Exec(ctx, `SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '10s'`)
	return err
}

// migrationsOf are the migrations that differ between the databases, that only one of them needs, or that are no SQL alone. No file
// of migrations has their versions.
func migrationsOf(d goose.Dialect) []goose.ProviderOption {
	run := func(version int64, migrate func(context.Context, *sql.Tx) error) *goose.Migration {
		return goose.NewGoMigration(version, &goose.GoFunc{RunTx: migrate}, nil)
	}
	if d == goose.DialectPostgres {
		return []goose.ProviderOption{goose.WithGoMigrations(run(8, checkServersLate), run(24, indexWords(wordsOfPostgreSQL)),
			run(keysMigration, func(ctx context.Context, tx *sql.Tx) error {
				return errors.Join(fillKeys(ctx, tx), checkServersOfTotalsLate(ctx, tx))
			}), run(statusesMigration, addFirstStatuses), run(permissionsMigration, migrateShop))}
	}
	return []goose.ProviderOption{goose.WithGoMigrations(run(24, indexWords(wordsOfSQLite)), run(keysMigration, fillKeys), run(statusesMigration, addFirstStatuses),
		run(permissionsMigration, migrateShop))}
}

// The index of the words of messages, by their positions. The words are normalised before they come here: to the tokenizer of
// SQLite, all that is not ASCII is a part of a word.
const (
	wordsOfSQLite     = "CREATE VIRTUAL TABLE message_words USING fts5(words, content='', contentless_delete=1, detail=none, tokenize='ascii')"
	wordsOfPostgreSQL = "CREATE TABLE message_words (rowid BIGINT NOT NULL PRIMARY KEY, words TSVECTOR NOT NULL); CREATE INDEX message_words_by_word ON message_words USING GIN (words)"
)

func indexWords(text string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	}
}

// keysMigration is the version from which on names have keys.
const keysMigration = 29

// checkServersLate makes PostgreSQL look for the server of a new member or role when the transaction commits. Where it looks,
// ids of other new servers stand on the same page of the index: a serializable transaction that has looked early is in
// conflict with everybody who makes a server until it has committed.
func checkServersLate(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `ALTER TABLE members ALTER CONSTRAINT members_server_id_fkey DEFERRABLE INITIALLY DEFERRED;
	ALTER TABLE roles ALTER CONSTRAINT roles_server_id_fkey DEFERRABLE INITIALLY DEFERRED`)
	return err
}

// checkServersOfTotalsLate does the same for the totals that a new member has from the beginning.
func checkServersOfTotalsLate(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `ALTER TABLE totals ALTER CONSTRAINT totals_server_id_fkey DEFERRABLE INITIALLY DEFERRED`)
	return err
}

// lockPostgreSQL takes a lock that belongs to one connection and ends with it. It asks again and again instead of
// waiting in the database, where its statement would hold up the building of an index.
func lockPostgreSQL(ctx context.Context, db *sql.DB) (unlock func(), err error) {
	const key = 0x72656a6f696e // "rejoin"
	session, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for locked := false; ; {
		if err := session.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, key).Scan(&locked); err != nil {
			return nil, errors.Join(err, session.Close())
		}
		if locked {
			return func() {
				session.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, key)
				session.Close()
			}, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), session.Close())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
