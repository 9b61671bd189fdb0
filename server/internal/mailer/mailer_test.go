package mailer

import (
	"errors"
	"log/slog"
	"os"
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
