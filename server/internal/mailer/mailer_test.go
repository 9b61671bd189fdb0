package mailer

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestAnAddressThatIsNoneIsRefusedForGoodAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	files, err := Open("", dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	relayed, err := Open("smtp://localhost:1", dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []Mailer{files, relayed} {
		err := m.Send(t.Context(), Message{ID: "id", Date: time.Now(), To: "a@example.com\r\nBcc: b@example.com", Subject: "Hello"})
		if !errors.Is(err, ErrPermanent) {
			t.Errorf("%T: got %v, want ErrPermanent", m, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v, want no file", left, err)
	}
}

func TestWhatADyingProcessHasLeftOfAMailIsRemoved(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, ".a.eml-1.part"), filepath.Join(dir, ".b.eml-1.part")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("", dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*.part")); err != nil || !slices.Equal(left, []string{young}) {
		t.Errorf("left: %v, %v; another process may be writing the young one", left, err)
	}
}
