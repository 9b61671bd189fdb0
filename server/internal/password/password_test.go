package password

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
)

const passphrase = "a long passphrase"

func TestAPasswordMatchesItsOwnHashOnly(t *testing.T) {
	h := New()
	hash, err := h.Hash(t.Context(), passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Hash(t.Context(), passphrase); err != nil || again == hash {
		t.Errorf("got %s twice (%v), want another salt each time", again, err)
	}
	for _, test := range []struct {
		password, hash string
		want           bool
	}{
		{passphrase, hash, true},
		{"A long passphrase", hash, false},
		{"", hash, false},
		{passphrase, "", false},
		{"", "", false},
	} {
		if got, err := h.Matches(t.Context(), test.password, test.hash); got != test.want || err != nil {
			t.Errorf("%q against %q: got %v, %v, want %v", test.password, test.hash, got, err, test.want)
		}
	}
}

func TestNobodysHashTakesAsMuchWorkAsAnybodys(t *testing.T) {
	got, _, _, err := argon2id.DecodeHash(nobodysHash)
	if err != nil || *got != params {
		t.Errorf("got %+v, %v, want %+v", got, err, params)
	}
	h := New()
	h.Compare = func(string, string) (bool, error) { return true, nil }
	if same, err := h.Matches(t.Context(), passphrase, ""); same || err != nil {
		t.Errorf("got %v, %v; nobody has that password, even if it is found out", same, err)
	}
}

func TestAFloodIsBoundedAndToldToComeAgain(t *testing.T) {
	h := New()
	var atOnce, peak, refused, served atomic.Int64
	release := make(chan struct{})
	h.Compare = func(string, string) (bool, error) {
		n := atOnce.Add(1)
		defer atOnce.Add(-1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		<-release
		return false, nil
	}
	workers, beyond := runtime.GOMAXPROCS(0), int64(50)
	room := int64(workers * (1 + linePerWorker))
	var group sync.WaitGroup
	for range room + beyond {
		group.Go(func() {
			switch _, err := h.Matches(context.Background(), passphrase, ""); {
			case err == nil:
				served.Add(1)
			case errors.Is(err, ErrBusy):
				if refused.Add(1) == beyond { // all that are too many were told so
					close(release)
				}
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if served.Load() != room || refused.Load() != beyond {
		t.Errorf("%d were served and %d refused, want %d and %d", served.Load(), refused.Load(), room, beyond)
	}
	if int(peak.Load()) != workers {
		t.Errorf("%d were checked at once, want %d", peak.Load(), workers)
	}
}

func TestWhoWaitsStopsWaitingWithTheContext(t *testing.T) {
	h := New()
	release := make(chan struct{})
	h.Compare = func(string, string) (bool, error) { <-release; return false, nil }
	var group sync.WaitGroup
	for range cap(h.atWork) {
		group.Go(func() { h.Matches(context.Background(), passphrase, "") })
	}
	for len(h.atWork) < cap(h.atWork) {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.Matches(ctx, passphrase, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(release)
	group.Wait()
	if len(h.inLine) != 0 || len(h.atWork) != 0 {
		t.Errorf("%d are in line and %d at work, want nobody", len(h.inLine), len(h.atWork))
	}
}
