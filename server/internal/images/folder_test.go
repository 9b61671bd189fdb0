package images

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestNobodyElseOnTheMachineReadsTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "images")
	s, _ := openAt(t, dir)
	const id = "a0"
	if err := s.Put(t.Context(), id, strings.NewReader(pngHead)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, id): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("got %v (%v), want %v", info.Mode(), err, want)
		}
	}
}

// An earlier version wrote the kind of an image to a file beside it, as here.
func TestImagesOfEarlierVersionsAreShownAndRemovedWhole(t *testing.T) {
	dir := t.TempDir()
	const id = "6b05b88234e37cd7c6a2bc0f"
	for name, content := range map[string]string{
		id: pngHead,
		id + ".attrs": `{"user.cache_control":"","user.content_disposition":"","user.content_encoding":"","user.content_language":"",` +
			`"user.content_type":"image/png","user.metadata":null,"md5":"TWkqG4mih04g7nCM6cvJKg=="}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, log := openAt(t, dir)
	if kind, got := contentOf(t, s, id); kind != "image/png" || got != pngHead {
		t.Errorf("got %s, %q", kind, got)
	}
	s.Remove(t.Context(), id)
	if left := filesIn(t, dir); len(left) > 0 || log.Len() > 0 {
		t.Errorf("left behind: %v; logged: %s", left, log)
	}
}

func TestNoIDLeadsOutOfTheFolderOrToWhatIsNoImage(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "images")
	s, log := openAt(t, dir)
	for _, path := range []string{"a.db", "images/b.attrs", "images/c.part", "images/dd/d"} {
		path = filepath.Join(parent, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(parent, "a.db"), filepath.Join(dir, "ee")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"../a.db", filepath.Join(parent, "a.db"), "b.attrs", "c.part", "dd", "dd/d", `dd\d`, "ee"} {
		if image, err := s.Get(t.Context(), id); err == nil {
			image.Close()
			t.Errorf("%q was opened", id)
		} else if id != "dd" && id != "ee" && !errors.Is(err, ErrNotFound) { // which nobody but the operator puts there
			t.Errorf("%q: got %v, want ErrNotFound", id, err)
		}
		if id == "ee" {
			continue // removing a link does not remove what it leads to
		}
		log.Reset()
		s.Remove(t.Context(), id)
		if log.Len() == 0 {
			t.Errorf("%q: that nothing was removed is not logged", id)
		}
	}
	if left := filesIn(t, dir); len(left) != 4 {
		t.Errorf("left are %v, want all", left)
	}
	if _, err := os.Stat(filepath.Join(parent, "a.db")); err != nil {
		t.Error(err)
	}
}

// TestAnImageIsPutWhereOneThatDiedHasLeftAPart is a restore that is run again.
func TestAnImageIsPutWhereOneThatDiedHasLeftAPart(t *testing.T) {
	dir := t.TempDir()
	s, _ := openAt(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "a0.part"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Put(t.Context(), "a0", strings.NewReader(pngHead)); err != nil {
			t.Fatal(err)
		}
		if _, got := contentOf(t, s, "a0"); got != pngHead {
			t.Errorf("got %q", got)
		}
	}
}

func TestWhatACutOffUploadHasLeftIsRemovedOnceItIsOld(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"aa.part": 61 * time.Minute, "bb.part": 59 * time.Minute, "cc": 25 * time.Hour} {
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), nil, 0o600), os.Chtimes(filepath.Join(dir, name), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := openAt(t, dir)
	if err := s.Sweep(time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if left := filesIn(t, dir); !slices.Equal(left, []string{"bb.part", "cc"}) {
		t.Errorf("left are %v, want the image and what may still be arriving", left)
	}
}
