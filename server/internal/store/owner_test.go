package store

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

// copyOf copies some files of a database.
func copyOf(t *testing.T, path string, ends ...string) (copied string) {
	t.Helper()
	copied = filepath.Join(t.TempDir(), "rejoin.db")
	for _, end := range ends {
		content, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+end, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// beside opens what a copy of some files of a database holds: the number of servers in it.
func beside(t *testing.T, path string, ends ...string) (servers int, err error) {
	t.Helper()
	copied := copyOf(t, path, ends...)
	s, err := Open(t.Context(), copied, nil)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if info, err := os.Stat(copied); err != nil || info.Mode() != 0o600 {
		t.Errorf("others may read the database: %v", info.Mode())
	}
	return servers, s.read.db.QueryRow(`SELECT COUNT(*) FROM servers`).Scan(&servers)
}

func TestACopyWithoutWhatWasWrittenLastIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rejoin.db")
	s := open(t, path)
	l := &life{T: t, s: s, nowAt: time.Now()}
	l.server(l.account())

	if n, err := beside(t, path, "", "-wal"); err != nil || n != 1 {
		t.Errorf("what a killed server leaves holds %d servers (%v), want 1", n, err)
	}
	_, err := beside(t, path, "")
	if err == nil || !strings.Contains(err.Error(), "rejoin.db is not whole") || !strings.Contains(err.Error(), "rejoin backup") {
		t.Fatalf("a copy without -wal: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := beside(t, path, ""); err != nil || n != 1 {
		t.Errorf("a copy of one that was closed holds %d servers (%v), want 1", n, err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("one that was closed has left a file beside it")
	}
}

// TestACopyIsRefusedAlsoAfterAServerWasKilledAsItClosed has what such a server leaves: the file -wal says that all is whole.
func TestACopyIsRefusedAlsoAfterAServerWasKilledAsItClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rejoin.db")
	killed := open(t, path)
	if _, err := killed.write.db.Exec(wholeAgain); err != nil {
		t.Fatal(err)
	}
	again := copyOf(t, path, "", "-wal")
	s := open(t, again)
	l := &life{T: t, s: s, nowAt: time.Now()}
	for range 2 {
		l.server(l.account())
		if _, err := s.read.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
			t.Fatal(err)
		}
	}
	l.server(l.account())
	if n, err := beside(t, again, ""); err == nil {
		t.Errorf("a copy without -wal was opened, and holds %d servers of 3", n)
	}
}

// TestTheDiskIsFlushedWhateverTheSystem is about macOS in the last two: there a plain fsync leaves data in the disk's cache.
func TestTheDiskIsFlushedWhateverTheSystem(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "rejoin.db"))
	for _, db := range []*sql.DB{s.write.db, s.read.db} {
		for pragma, want := range map[string]int{"synchronous": 2, "fullfsync": 1, "checkpoint_fullfsync": 1} {
			var got int
			if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %d (%v), want %d", pragma, got, err, want)
			}
		}
	}
}

func TestACopyThatAKilledBackupHasLeftIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rejoin.db")
	for _, end := range []string{".copy", ".copy-journal"} {
		if err := os.WriteFile(path+end, []byte("half of a database"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, path)
	if left, err := filepath.Glob(path + ".copy*"); err != nil || len(left) > 0 {
		t.Errorf("left are %q (%v)", left, err)
	}
}

func TestARefusedCopyIsLeftAsItIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rejoin.db")
	if err := createSQLite(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if err := markInUse(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and is refused again, because nobody has marked it as whole
		if _, err := Open(t.Context(), path, nil); err == nil {
			t.Fatal("it was opened")
		}
		if left, _ := filepath.Glob(path + "-*"); len(left) != 0 {
			t.Errorf("something was made beside it: %q", left)
		}
	}
	if err := os.WriteFile(path+"-wal", nil, 0o600); err != nil { // as the error says
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), path, nil); err != nil || s.Close() != nil {
		t.Error(err)
	}
}

func TestASQLiteFileHasOneOwnerAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rejoin.db")
	s := open(t, path)
	_, err := Open(t.Context(), path, nil)
	if inUse := (*owner.InUseError)(nil); !errors.As(err, &inUse) || inUse.PID != os.Getpid() {
		t.Fatalf("the second one got %v, want that there is an owner", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	open(t, path).Close()
}

func TestADatabaseOfANewerVersionIsRefusedAndHoldsWhatItHeld(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		d := s.write.dialect
		if _, err := s.write.db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := held(t, d, url)
		if _, err := Open(t.Context(), url, nil); !errors.Is(err, ErrNewer) {
			t.Errorf("got %v, want that it is newer", err)
		}
		if after := held(t, d, url); after != before {
			t.Errorf("it has changed: %q, and was %q", after, before)
		}
	})
}

// held is what a closed database holds: of a file all but two counters of its changes, which its mark changes; of PostgreSQL
// what it is migrated by.
func held(t *testing.T, d *dialect, url string) string {
	t.Helper()
	if d == &sqliteFile {
		content, err := os.ReadFile(url)
		if err != nil {
			t.Fatal(err)
		}
		clear(content[24:28])
		clear(content[92:96])
		return fmt.Sprintf("%x", sha256.Sum256(content))
	}
	db, err := d.open(url, &outage{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.write.Close()
	var text string
	err = db.write.QueryRow(`SELECT CONCAT_WS('; ', (SELECT STRING_AGG(table_name || '.' || column_name, ', ' ORDER BY table_name, column_name) FROM information_schema.columns
	 WHERE table_schema = CURRENT_SCHEMA()), (SELECT STRING_AGG(g::TEXT, ', ' ORDER BY g.id) FROM goose_db_version g))`).Scan(&text)
	if err != nil || text == "" {
		t.Fatal(text, err)
	}
	return text
}

// What refers to an image is found by its name: a backup has all of them.
func TestASnapshotListsTheImagesOfEveryColumn(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "rejoin.db"))
	l := &life{T: t, s: s, nowAt: time.Now()}
	account := l.account()
	l.tx(func(tx *Tx) error {
		return tx.Servers.Insert(t.Context(), l.id(), "Chess club", "abc", account, l.nowAt)
	})
	for _, text := range []string{`CREATE TABLE later (cover_image_id TEXT)`, `INSERT INTO later VALUES ('def'), (NULL), ('')`} {
		if _, err := s.write.db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, ErrSnapshot) {
		t.Errorf("a second one at once: %v", err)
	}
	var found []string
	l.must(snapshot.EachImage(t.Context(), func(id string) error { found = append(found, id); return nil }))
	slices.Sort(found)
	if !slices.Equal(found, []string{"abc", "def"}) {
		t.Errorf("got %q", found)
	}
	l.must(snapshot.Close())
	if left, _ := filepath.Glob(snapshot.Path + "*"); len(left) > 0 {
		t.Errorf("it has left %q", left)
	}
	// A column with another name would be forgotten.
	rows, err := s.read.db.Query(`SELECT t.name || '.' || c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
	 WHERE t.type = 'table' AND c.name LIKE '%image%' AND c.name <> 'image_id' AND c.name NOT LIKE '%\_image\_id' ESCAPE '\'`)
	l.must(err)
	defer rows.Close()
	for rows.Next() {
		var name string
		l.must(rows.Scan(&name))
		t.Errorf("%s: call it image_id, or end it in _image_id", name)
	}
}
