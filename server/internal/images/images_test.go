package images

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const pngHead = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"

// openIn opens a store in a folder until the test ends. Its ids are a0, a1 and so on; what it logs is at the other end.
func openIn(t *testing.T, dir string) (*Store, *strings.Builder) {
	t.Helper()
	made := 0
	var log strings.Builder
	s, err := Open(dir, func() string { made++; return fmt.Sprintf("a%x", made-1) }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, &log
}

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

// contentOf reads an image to its end.
func contentOf(t *testing.T, s *Store, id string) (kind, content string) {
	t.Helper()
	image, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	defer image.Close()
	bytes, err := io.ReadAll(image)
	if err != nil || int64(len(bytes)) != image.Size {
		t.Errorf("%s: got %d bytes of %d (%v)", id, len(bytes), image.Size, err)
	}
	return image.Type, string(bytes)
}

func TestAnImageIsAsItCameAndOfTheKindOfItsContent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "images")
	s, _ := openIn(t, dir)
	for content, want := range map[string]string{
		pngHead + strings.Repeat("x", 10_000):                 "image/png",
		pngHead + "\x00\x00\x00\x08acTL" + "\x00\x00\x00\x01": "image/png", // animated
		"\xff\xd8\xff\xe0\x00\x10JFIF\x00":                    "image/jpeg",
		"GIF89a\x01\x00\x01\x00":                              "image/gif",
		"RIFF\x40\x00\x00\x00WEBPVP8 ":                        "image/webp",
	} {
		id, err := s.Put(t.Context(), strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if kind, got := contentOf(t, s, id); kind != want || got != content {
			t.Errorf("got %s of %d bytes, want %s of %d", kind, len(got), want, len(content))
		}
		if info, err := os.Stat(filepath.Join(dir, id)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v (%v), want a file that nobody else can read", info.Mode(), err)
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
	s, log := openIn(t, dir)
	if kind, got := contentOf(t, s, id); kind != "image/png" || got != pngHead {
		t.Errorf("got %s, %q", kind, got)
	}
	s.Remove(t.Context(), id)
	if left := filesIn(t, dir); len(left) > 0 || log.Len() > 0 {
		t.Errorf("left behind: %v; logged: %s", left, log)
	}
}

func TestAnImageThatDoesNotArriveWholeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, _ := openIn(t, dir)
	broken := errors.New("the connection broke")
	_, err := s.Put(t.Context(), io.MultiReader(strings.NewReader(pngHead), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left := filesIn(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAnImageIsNotThereBeforeItIsWhole(t *testing.T) {
	s, _ := openIn(t, t.TempDir())
	content, writer := io.Pipe()
	put := make(chan error, 1)
	go func() { _, err := s.Put(t.Context(), content); put <- err }()
	if _, err := io.WriteString(writer, pngHead); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "a0"); !errors.Is(err, ErrNotFound) {
		t.Errorf("half an image: got %v", err)
	}
	writer.Close()
	if err := <-put; err != nil {
		t.Fatal(err)
	}
	contentOf(t, s, "a0")
}

func TestNoIDLeadsToAnythingButAnImage(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "images")
	s, log := openIn(t, dir)
	for _, path := range []string{"a.db", "images/b.attrs", "images/c.part", "images/dd/d"} {
		path = filepath.Join(parent, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(parent, "a.db"), filepath.Join(dir, "ee")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{
		"ff", "", ".", "..", "../a.db", "/etc/passwd", filepath.Join(parent, "a.db"), "b.attrs", "c.part", "dd", "dd/d", `dd\d`, "ee", "a\x00", "A0",
	} {
		if image, err := s.Get(t.Context(), id); err == nil {
			image.Close()
			t.Errorf("%q was opened", id)
		} else if id != "dd" && id != "ee" && !errors.Is(err, ErrNotFound) { // which nobody but the operator puts there
			t.Errorf("%q: got %v, want ErrNotFound", id, err)
		}
		if id == "" || id == "ee" {
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

func TestWhatACutOffUploadHasLeftIsRemovedAfterADay(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"aa.part": 25 * time.Hour, "bb.part": 23 * time.Hour, "cc": 25 * time.Hour} {
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), nil, 0o600), os.Chtimes(filepath.Join(dir, name), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := openIn(t, dir)
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if left := filesIn(t, dir); !slices.Equal(left, []string{"bb.part", "cc"}) {
		t.Errorf("left are %v, want the image and what may still be arriving", left)
	}
}
