package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const pngHead = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"

// openAt opens a store until the test ends. What it logs is at the other end.
func openAt(t *testing.T, where string) (*Store, *strings.Builder) {
	t.Helper()
	var log strings.Builder
	s, err := Open(t.Context(), where, slog.New(slog.NewTextHandler(&log, nil)))
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

// inEachPlace runs a test in a folder and in a bucket. names gives what is kept there.
func inEachPlace(t *testing.T, test func(t *testing.T, s *Store, log *strings.Builder, names func() []string)) {
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		s, log := openAt(t, dir)
		test(t, s, log, func() []string { return filesIn(t, dir) })
	})
	t.Run("bucket", func(t *testing.T) {
		fake := newFake(t)
		s, log := openAt(t, fake.where)
		test(t, s, log, fake.names)
	})
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
	inEachPlace(t, func(t *testing.T, s *Store, _ *strings.Builder, _ func() []string) {
		made := 0
		for content, want := range map[string]string{
			pngHead + strings.Repeat("x", 10_000):                 "image/png",
			pngHead + strings.Repeat("x", 5<<20):                  "image/png",
			pngHead + "\x00\x00\x00\x08acTL" + "\x00\x00\x00\x01": "image/png", // animated
			"\xff\xd8\xff\xe0\x00\x10JFIF\x00":                    "image/jpeg",
			"GIF89a\x01\x00\x01\x00":                              "image/gif",
			"RIFF\x40\x00\x00\x00WEBPVP8 ":                        "image/webp",
		} {
			made++
			id := fmt.Sprintf("a%x", made)
			if err := s.Put(t.Context(), id, strings.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			if kind, got := contentOf(t, s, id); kind != want || got != content {
				t.Errorf("got %s of %d bytes, want %s of %d", kind, len(got), want, len(content))
			}
		}
	})
}

func TestAnImageThatDoesNotArriveWholeLeavesNothing(t *testing.T) {
	inEachPlace(t, func(t *testing.T, s *Store, _ *strings.Builder, names func() []string) {
		broken := errors.New("the connection broke")
		err := s.Put(t.Context(), "a0", io.MultiReader(strings.NewReader(pngHead), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if left := names(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestAnImageIsNotThereBeforeItIsWhole(t *testing.T) {
	inEachPlace(t, func(t *testing.T, s *Store, _ *strings.Builder, _ func() []string) {
		content, writer := io.Pipe()
		put := make(chan error, 1)
		go func() { put <- s.Put(t.Context(), "a0", content) }()
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
	})
}

func TestARemovedImageIsGoneAlsoIfWhoeverAskedForItHasLeft(t *testing.T) {
	inEachPlace(t, func(t *testing.T, s *Store, log *strings.Builder, names func() []string) {
		const id = "a0"
		if err := s.Put(t.Context(), id, strings.NewReader(pngHead)); err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		s.Remove(gone, id)
		if left := names(); len(left) > 0 || log.Len() > 0 {
			t.Errorf("left behind: %v; logged: %s", left, log)
		}
		if _, err := s.Get(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

func TestWhatIsNoIDNamesNothing(t *testing.T) {
	inEachPlace(t, func(t *testing.T, s *Store, log *strings.Builder, names func() []string) {
		if err := s.Put(t.Context(), "a0", strings.NewReader(pngHead)); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"", ".", "..", "../a0", "/etc/passwd", "./a0", "a0/", "a0.part", "a0?x", "%61%30", `dd\d`, "a\x00", "A0"} {
			if err := s.Put(t.Context(), id, strings.NewReader(pngHead)); err == nil {
				t.Errorf("%q: an image was stored", id)
			}
			if image, err := s.Get(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: got %v, %v, want ErrNotFound", id, image, err)
			}
			log.Reset()
			s.Remove(t.Context(), id)
			if id != "" && log.Len() == 0 {
				t.Errorf("%q: that nothing was removed is not logged", id)
			}
		}
		if left := names(); !slices.Equal(left, []string{"a0"}) {
			t.Errorf("left are %v, want the image", left)
		}
	})
}
