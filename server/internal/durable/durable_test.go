package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func text(content string) func(io.Writer) error {
	return func(to io.Writer) error { _, err := io.WriteString(to, content); return err }
}

// holds compares a directory with what should be in it, names and contents.
func holds(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry.Name()+": "+string(content))
		if info, err := entry.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("others may read %s: %v (%v)", entry.Name(), info.Mode(), err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFileIsThereWholeOrAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	broken := errors.New("broken")
	fails := func(to io.Writer) error { return errors.Join(text("half")(to), broken) }
	if err := Write(path, fails); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	holds(t, dir)
	for _, content := range []string{"first", "second"} {
		if err := Write(path, text(content)); err != nil {
			t.Fatal(err)
		}
		holds(t, dir, "a: "+content)
	}
	if err := Write(path, fails); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	holds(t, dir, "a: second")
}

func TestNothingIsReplacedThatHasComeMeanwhile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	err := Create(path, func(to io.Writer) error {
		return errors.Join(Write(path, text("another's")), text("mine")(to))
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that it is there", err)
	}
	holds(t, dir, "a: another's")
	if err := Create(path, func(io.Writer) error { t.Error("it was filled in vain"); return nil }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that it is there", err)
	}
	if err := Create(filepath.Join(dir, "b"), text("new")); err != nil {
		t.Error(err)
	}
	holds(t, dir, "a: another's", "b: new")
}

func TestAFileThatIsThereIsTouchedAndMovedWithWhatItHolds(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := errors.Join(Touch(a), Write(b, text("content")), Touch(b), Move(b, a)); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, "a: content")
	if err := errors.Join(Remove(a, b), Remove(a)); err != nil {
		t.Error(err)
	}
	holds(t, dir)
}
