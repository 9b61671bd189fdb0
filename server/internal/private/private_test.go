//go:build unix

package private

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func ours(name string) bool { return strings.HasPrefix(name, "our") }

// tree makes a directory of files with modes, open to everybody itself.
func tree(t *testing.T, files map[string]os.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, mode := range files {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mode(t *testing.T, path ...string) os.FileMode {
	t.Helper()
	info, err := os.Stat(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestOurDirectoryAndWhatIsInItAreClosed(t *testing.T) {
	dir := tree(t, map[string]os.FileMode{"ours": 0o644, "our own": 0o440, "our tool": 0o777})
	if foreign, err := Tighten(dir, ours, false); foreign != "" || err != nil {
		t.Fatalf("%q, %v", foreign, err)
	}
	for name, want := range map[string]os.FileMode{".": 0o700, "ours": 0o600, "our own": 0o400, "our tool": 0o700} {
		if got := mode(t, dir, name); got != want {
			t.Errorf("%s: got %o, want %o", name, got, want)
		}
	}
}

func TestADirectoryOfOthersStaysAsItIs(t *testing.T) {
	dir := tree(t, map[string]os.FileMode{"ours": 0o644, "theirs": 0o644})
	if foreign, err := Tighten(dir, ours, true); foreign != "theirs" || err != nil {
		t.Fatalf("%q, %v", foreign, err)
	}
	for name, want := range map[string]os.FileMode{".": 0o755, "ours": 0o600, "theirs": 0o644} {
		if got := mode(t, dir, name); got != want {
			t.Errorf("%s: got %o, want %o", name, got, want)
		}
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(elsewhere, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, nil)
	if err := os.Symlink(elsewhere, filepath.Join(dir, "our link")); err != nil {
		t.Fatal(err)
	}
	if foreign, err := Tighten(dir, ours, true); foreign != "" || err != nil {
		t.Fatalf("%q, %v", foreign, err)
	}
	if got := mode(t, elsewhere); got != 0o644 {
		t.Errorf("what a link leads to: got %o", got)
	}
}

func TestWhatBelongsToAnotherUserStaysAsItIs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	dir := tree(t, map[string]os.FileMode{"ours": 0o644})
	for _, path := range []string{filepath.Join(dir, "ours"), dir} {
		if err := os.Chown(path, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Tighten(dir, ours, true); err != nil {
		t.Fatal(err)
	}
	if mode(t, dir) != 0o755 || mode(t, dir, "ours") != 0o644 {
		t.Errorf("got %o and %o", mode(t, dir), mode(t, dir, "ours"))
	}
}

func TestAClosedDirectoryIsLookedThroughOnlyIfAsked(t *testing.T) {
	dir := tree(t, map[string]os.FileMode{"ours": 0o644})
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for thorough, want := range map[bool]os.FileMode{false: 0o644, true: 0o600} {
		if err := os.Chmod(filepath.Join(dir, "ours"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Tighten(dir, ours, thorough); err != nil {
			t.Fatal(err)
		}
		if got := mode(t, dir, "ours"); got != want {
			t.Errorf("thorough %t: got %o, want %o", thorough, got, want)
		}
	}
}
