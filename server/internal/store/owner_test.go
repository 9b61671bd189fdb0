package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

// beside opens what a copy of some files of a database holds: the number of servers in it.
func beside(t *testing.T, path string, ends ...string) (servers int, err error) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "rejoin.db")
	for _, end := range ends {
		content, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+end, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
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

func TestADatabaseOfANewerVersionIsRefusedAndNotTouched(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		if _, err := s.write.db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), url, nil); !errors.Is(err, ErrNewer) {
			t.Errorf("got %v, want that it is newer", err)
		}
	})
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
