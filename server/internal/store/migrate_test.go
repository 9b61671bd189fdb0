package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"
	"github.com/rejoin-dev/rejoin/gen"
)

func TestANewSQLiteFileIsThereOnceItIsComplete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rejoin.db")
	for _, left := range []string{".new", ".new-wal", ".new-shm"} { // by one that was killed, of whatever version
		if err := os.WriteFile(path+left, []byte("half of a database"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := createSQLite(cancelled, path); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that it was called off", err)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 0 {
		t.Fatalf("what was called off has left %q (%v)", left, err)
	}

	if err := createSQLite(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if there, err := filepath.Glob(path + "*"); err != nil || len(there) != 1 {
		t.Errorf("got %q (%v), want the database alone", there, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("others may read the database: %v", info.Mode())
	}
	s := open(t, path)
	var mode, whole string
	if err := s.read.db.QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("the journal is %q (%v), want wal", mode, err)
	}
	if err := s.read.db.QueryRow(`PRAGMA integrity_check`).Scan(&whole); err != nil || whole != "ok" {
		t.Errorf("the database is not whole: %q (%v)", whole, err)
	}
}

// TestADatabaseThatIsThereIsNotMadeAnew has files that SQLite must judge, and nobody else.
func TestADatabaseThatIsThereIsNotMadeAnew(t *testing.T) {
	for _, end := range []string{"", "-wal", "-journal"} {
		path := filepath.Join(t.TempDir(), "rejoin.db")
		if err := os.WriteFile(path+end, []byte("data"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := createSQLite(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if kept, err := os.ReadFile(path + end); err != nil || string(kept) != "data" {
			t.Errorf("rejoin.db%s holds %q (%v) now", end, kept, err)
		}
		if _, err := os.Stat(path); end != "" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("beside rejoin.db%s a database was made (%v)", end, err)
		}
	}
}

// A session from before it had an id gets one, of which the beginning is the second in which it was opened.
func TestASessionFromBeforeGetsAnID(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		(&life{T: t, s: s, nowAt: time.Now()}).account()
		const hash = "ab12cd34ef567890ab12cd34ef567890ab12cd34ef567890ab12cd34ef567890"
		fill(t, s, `INSERT INTO sessions (token_hash, account, created_at, expires_at) VALUES ('`+hash+`', 1, 1772383817610123, 9000000000000000)`)
		for _, text := range upOf(t, "00010_sessions.sql") {
			if strings.Contains(text, "UPDATE sessions") {
				fill(t, s, text)
			}
		}
		got, err := s.Auth.GetCaller(t.Context(), hash, time.Now())
		if want := "69a46e49ab12cd34ef567890"; err != nil || got.ID != want || got.LastUsedAt != got.CreatedAt {
			t.Errorf("got %+v (%v), want the id %s", got, err, want)
		}
	})
}

// A server from before there were settings is as closed as a new one, and who is in it stays.
func TestAServerFromBeforeIsJoinedByInvite(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		migrateTo(t, url, 11, `INSERT INTO accounts (number, id, email, display_name, created_at) VALUES (1, 'a', 'a@example.com', 'Ann', 0)`,
			`INSERT INTO servers (id, name, owner, created_at) VALUES ('s', 'Chess club', 1, 0)`,
			`INSERT INTO members (server_id, account, joined_at) VALUES ('s', 1, 0)`)
		s := open(t, url)
		settings, err := s.Servers.GetSettings(t.Context(), "s")
		want := gen.ServerSettings{Joining: gen.JoiningInvite, TimeZone: "UTC", Language: "en", Domains: gen.DomainList{}}
		if diff := cmp.Diff(want, settings); err != nil || diff != "" {
			t.Errorf("got %v: %s", err, diff)
		}
		if is, err := s.Servers.IsMember(t.Context(), "s", 1); err != nil || !is {
			t.Errorf("who was a member is: %v, %v", is, err)
		}
	})
}

// migrateTo makes a database as a version before has left it, with some rows in it.
func migrateTo(t *testing.T, url string, version int64, rows ...string) {
	t.Helper()
	driver, at, dialect := "pgx", url, goose.DialectPostgres
	if dialectOf(url).goose == goose.DialectSQLite3 {
		if err := os.Remove(url); err != nil { // it has the schema of today
			t.Fatal(err)
		}
		driver, at, dialect = "sqlite", sqliteAt(url, "journal_mode(WAL)", "foreign_keys(ON)"), goose.DialectSQLite3
	}
	db, err := sql.Open(driver, at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(dialect, db, files, migrationsOf(dialect)...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	if at, err := provider.GetDBVersion(t.Context()); err != nil || at != version {
		t.Fatalf("the database is as of %d (%v), want %d", at, err, version)
	}
	for _, row := range rows {
		if _, err := db.Exec(row); err != nil {
			t.Fatal(err)
		}
	}
}

// How many servers an account is in was one row. Nobody is in more or fewer for it, and who is in as many as may be is in no
// more: the others are.
func TestTheServersOfAnAccountFromBeforeAreSpreadOverShards(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		before := map[string]int64{"1": 33, "2": MaxMemberships, "3": 0, "4": -1, "5": MaxMemberships + 5, "6": 1}
		rows := []string{`INSERT INTO tallies (whose, kind, shard, n) VALUES ('1', 'events', 0, 77)`}
		for account, n := range before {
			rows = append(rows, `INSERT INTO accounts (number, id, email, display_name, created_at) VALUES (`+account+`, 'a`+account+`', 'a`+account+`', 'x', 0)`,
				`INSERT INTO servers (id, name, owner, created_at) VALUES ('s`+account+`', 'x', `+account+`, 0)`,
				`INSERT INTO tallies (whose, kind, shard, n) VALUES ('`+account+`', 'servers', 0, `+strconv.FormatInt(n, 10)+`)`)
		}
		migrateTo(t, url, 15, rows...)
		s := open(t, url)
		ctx := t.Context()
		for account, n := range before {
			number, err := strconv.ParseInt(account, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			shards, err := list(ctx, s.Servers.conn, scanOne[int64], `SELECT n FROM tallies WHERE whose = $1 AND kind = 'servers'`, account)
			if err != nil {
				t.Fatal(err)
			}
			sum, all := int64(0), int64(len(shards))
			for _, held := range shards {
				sum += held
			}
			if sum != n || n > 1 && (all != min(n, tallyShards) || slices.Max(shards)-slices.Min(shards) > 1) {
				t.Errorf("%d servers are now %v", n, shards)
			}
			err = s.Tx(ctx, func(tx *Tx) error { return tx.Servers.InsertMember(ctx, "s"+account, number, time.Now()) })
			if full := (*LimitError)(nil); errors.As(err, &full) != (n >= MaxMemberships) || err != nil && full == nil {
				t.Errorf("one more than %d: %v", n, err)
			}
		}
		if n, err := s.Auth.CountEvents(ctx, 1); err != nil || n != 77 {
			t.Errorf("what counts other things counts %d now (%v)", n, err)
		}
	})
}

func TestAMigrationIsLoggedWithWhatThereWasAndANewDatabaseIsNone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		start := func(url string) string {
			var log strings.Builder
			s, err := Open(t.Context(), url, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return log.String()
		}
		migrateTo(t, url, 10)
		newest, err := newestMigration()
		if err != nil {
			t.Fatal(err)
		}
		if log := start(url); !strings.Contains(log, "the database was migrated") || !strings.Contains(log, fmt.Sprintf("from=10 to=%d", newest)) {
			t.Errorf("the log says %q", log)
		}
		if log := start(url); strings.Contains(log, "migrated") {
			t.Errorf("the second time, the log says %q", log)
		}
	})
}
