//go:build unix

package owner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestALockHoldsItsOwnerAndIsNoWayToAnotherFile(t *testing.T) {
	dir := t.TempDir()
	database, other := filepath.Join(dir, "rejoin.db"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, database+lockEnd); err != nil {
		t.Fatal(err)
	}
	if release, err := Lock(database); err == nil {
		t.Error("a link is taken for the lock")
		release()
	}
	if content, err := os.ReadFile(other); err != nil || string(content) != "precious" {
		t.Errorf("the other file holds %q (%v)", content, err)
	}
	if err := os.Remove(database + lockEnd); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(database+lockEnd, []byte("the longer text of an earlier owner"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := Lock(database)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if content, err := os.ReadFile(database + lockEnd); err != nil || string(content) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("it says %q (%v)", content, err)
	}
	var inUse *InUseError
	if _, err := Lock(database); !errors.As(err, &inUse) || inUse.PID != os.Getpid() {
		t.Errorf("a second owner got %v", err)
	}
}
