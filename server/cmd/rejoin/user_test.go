//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRootLeavesNothingInTheDataOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "backup.tar")
	t.Run("make a database", func(t *testing.T) { serve(t, "--data", data) })
	if code, _, stderr := rejoin("backup", "--data", data, file); code != 0 {
		t.Fatal(stderr)
	}
	others := t.TempDir()
	for _, dir := range []string{data, others} {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"token", "--data", data, "--email", "a@example.com"}, {"backup", "--data", data, file + "2"}, {"restore", "--data", others, file},
	} {
		if code, _, stderr := rejoin(args...); code != 1 || !strings.Contains(stderr, "belongs to another user (65534)") {
			t.Errorf("%s: got %d: %s", args[0], code, stderr)
		}
	}
	if left, err := os.ReadDir(others); err != nil || len(left) > 0 {
		t.Errorf("left %v (%v)", left, err)
	}
	if _, err := os.Stat(file + "2"); err == nil {
		t.Error("a backup was made")
	}
	// A server that runs there answers root all the same.
	t.Run("serve", func(t *testing.T) {
		serve(t, "--data", data)
		if code, _, stderr := rejoin("token", "--data", data, "--email", "a@example.com"); code != 0 {
			t.Error(stderr)
		}
	})
}
