package backup

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// backupOf returns a backup whose database was changed by somebody.
func backupOf(t *testing.T, changes ...string) *bytes.Buffer {
	t.Helper()
	path := filepath.Join(t.TempDir(), databaseName)
	s, err := store.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, text := range append(changes, "PRAGMA journal_mode = DELETE") {
		if _, err := db.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	var archive bytes.Buffer
	w, err := newWriter(&archive, Manifest{Format: format, Made: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.addFile(databaseName, path); err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return &archive
}

// restore returns the names in the directory that a backup was put into, and how many images the backup goes without.
func restore(t *testing.T, archive *bytes.Buffer) (dir string, missing int, err error) {
	t.Helper()
	dir = t.TempDir()
	_, missing, err = Restore(t.Context(), archive, filepath.Join(dir, "rejoin.db"), func() (*images.Store, error) {
		return images.Open(context.Background(), filepath.Join(dir, "images"), slog.New(slog.DiscardHandler))
	})
	return dir, missing, err
}

func TestARestoreRunsNothingThatABackupHolds(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.db")
	attach := `x" ; ATTACH DATABASE '` + outside + `' AS y; CREATE TABLE y.z (a); --`
	quote := func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
	archive := backupOf(t,
		"CREATE TABLE "+quote(attach)+" (image_id)",
		"INSERT INTO "+quote(attach)+" VALUES ('a0')",
		`CREATE TABLE "x\" (image_id)`,
		"CREATE TABLE other ("+quote(attach+"_image_id")+")",
		"INSERT INTO other VALUES ('a1')",
	)
	if _, missing, err := restore(t, archive); err != nil || missing != 2 {
		t.Errorf("%d images are missing (%v), want 2", missing, err)
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("a file was made elsewhere")
	}
}

func TestARestoreRefusesWhatWouldRunInTheServer(t *testing.T) {
	lie := func(text, kind string) []string {
		return []string{text, "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET type = '" + kind + "' WHERE name = 'bad'"}
	}
	const trigger = "CREATE TRIGGER bad AFTER INSERT ON sessions BEGIN UPDATE accounts SET email = 'x'; END"
	for name, changes := range map[string][]string{
		"a trigger":                    {trigger},
		"a view":                       {"CREATE VIEW bad AS SELECT 1 AS image_id"},
		"a virtual table":              {"CREATE VIRTUAL TABLE bad USING rtree (a, b, c)"},
		"a trigger that says a table":  lie(trigger, "table"),
		"a trigger that says an index": lie(trigger, "index"),
	} {
		dir, _, err := restore(t, backupOf(t, changes...))
		if err == nil || !strings.Contains(err.Error(), "bad") {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, databaseName)); len(left) > 0 {
			t.Errorf("%s: there is a database", name)
		}
	}
}

// SQLite would put into what was restored what the database before it has left.
func TestARestoreRefusesADirectoryWithAPartOfADatabase(t *testing.T) {
	archive := backupOf(t)
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		path := filepath.Join(t.TempDir(), databaseName)
		if err := os.WriteFile(path+end, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Restore(t.Context(), bytes.NewReader(archive.Bytes()), path, nil)
		if err == nil || !strings.Contains(err.Error(), databaseName+end+";") {
			t.Errorf("beside %s: %v", databaseName+end, err)
		}
	}
}

func TestABackupThatItsMakerBreaksOffIsNotCalledDamaged(t *testing.T) {
	whole := backupOf(t).Bytes()
	for _, n := range []int{0, 100, len(whole) / 2, len(whole) - 2048, len(whole) - 512} {
		from := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := Pass(t.Context(), from, io.Discard); err != errBrokenOff {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}
