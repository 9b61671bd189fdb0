//go:build unix

package server

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// widened opens a data directory, and all in it, to everybody.
func widened(t *testing.T, data string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.Type()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chmod(path, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADataDirectoryThatWasOpenToOthersIsClosedAtTheStart(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	if w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel))); w.Code != 201 {
		t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	if err := os.WriteFile(filepath.Join(config.Data, "mail", "a.eml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	widened(t, config.Data)
	open(t, config)
	err := filepath.WalkDir(config.Data, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestADirectoryThatIsNotOursAloneKeepsItsRightsAndTheLogSaysSo(t *testing.T) {
	config := onSQLite(t)
	var log bytes.Buffer
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(config.Data, "images")); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(config.Data, "theirs.txt")
	if err := os.WriteFile(theirs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	widened(t, config.Data)
	if err := os.Chmod(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, config)
	for path, want := range map[string]os.FileMode{config.Data: 0o755, theirs: 0o755, elsewhere: 0o755, filepath.Join(config.Data, DatabaseFile): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v (%v), want %o", path, info.Mode(), err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "such_as=theirs.txt") {
		t.Errorf("the log says %s", &log)
	}
}
