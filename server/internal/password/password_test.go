package password

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
)

const passphrase = "a long passphrase"

func TestAPasswordMatchesItsOwnHashOnly(t *testing.T) {
	h := New()
	hash, err := h.Hash(t.Context(), Caller{}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Hash(t.Context(), Caller{}, passphrase); err != nil || again == hash {
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
		if got, err := h.Matches(t.Context(), Caller{}, test.password, test.hash); got != test.want || err != nil {
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
	if same, err := h.Matches(t.Context(), Caller{}, passphrase, ""); same || err != nil {
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
			switch _, err := h.Matches(context.Background(), Caller{}, passphrase, ""); {
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
	for _, from := range []Caller{{Network: "a"}, {Network: "a", Known: true}} {
		crowd := newCrowd(t, 1)
		crowd.comes(Caller{Network: "at work"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := crowd.line.wait(ctx, from); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if crowd.line.leave(); crowd.line.free != 1 {
			t.Errorf("%d workers are free, want the only one", crowd.line.free)
		}
	}
}

// A crowd waits in a line, and remembers in which order it was served.
type crowd struct {
	*testing.T
	line   *line
	served chan string
	group  sync.WaitGroup
}

func newCrowd(t *testing.T, workers int) *crowd {
	c := &crowd{T: t, line: newLine(workers), served: make(chan string, 1000)}
	t.Cleanup(c.group.Wait)
	return c
}

// comes lets somebody take a worker, or stand in line before it returns. Whoever has waited leaves once served.
func (c *crowd) comes(from Caller) {
	count := func() (waiting, free int) {
		c.line.mu.Lock()
		defer c.line.mu.Unlock()
		return c.line.known.waiting + c.line.strangers.waiting, c.line.free
	}
	before, free := count()
	if free > 0 {
		if err := c.line.wait(c.Context(), from); err != nil {
			c.Fatal(err)
		}
		return
	}
	c.group.Go(func() {
		if err := c.line.wait(c.Context(), from); err != nil {
			c.served <- "busy " + from.Network
			return
		}
		c.served <- from.Network
		c.line.leave()
	})
	for now := before; now == before; now, _ = count() {
		time.Sleep(50 * time.Microsecond)
	}
}

// order lets the line go on, and returns in which order so many were served.
func (c *crowd) order(n int) (served []string) {
	c.line.leave()
	for range n {
		served = append(served, <-c.served)
	}
	return served
}

func TestTheNetworksInLineTakeTurns(t *testing.T) {
	c := newCrowd(t, 1)
	c.comes(Caller{Network: "at work"})
	for _, network := range []string{"flood", "flood", "flood", "flood", "one", "two", "two"} {
		c.comes(Caller{Network: network})
	}
	want := []string{"flood", "one", "two", "flood", "two", "flood", "flood"}
	if got := c.order(len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhoIsKnownIsServedBeforeStrangersAndDoesNotKeepThemOut(t *testing.T) {
	c := newCrowd(t, 1)
	c.comes(Caller{Network: "at work"})
	for range 3 {
		c.comes(Caller{Network: "stranger"})
	}
	for range 5 {
		c.comes(Caller{Network: "known", Known: true})
	}
	want := []string{"known", "known", "known", "stranger", "known", "known", "stranger", "stranger"}
	if got := c.order(len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFullLineSendsAwayWhoHasTheMostInIt(t *testing.T) {
	c := newCrowd(t, 1)
	c.comes(Caller{Network: "at work"})
	for range c.line.room {
		c.comes(Caller{Network: "flood"})
	}
	full := func(from Caller) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return c.line.wait(ctx, from)
	}
	if err := full(Caller{Network: "flood"}); !errors.Is(err, ErrBusy) {
		t.Errorf("one more of the same: got %v, want ErrBusy", err)
	}
	if err := full(Caller{Network: "one"}); !errors.Is(err, context.Canceled) {
		t.Errorf("one of another network: got %v, want it to have waited", err)
	}
	if got := <-c.served; got != "busy flood" {
		t.Errorf("%s was sent away, want one of the flood", got)
	}
	if err := full(Caller{Network: "one", Known: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("who is known: got %v, want it to have waited", err)
	}
	if got := c.order(c.line.room - 1); slices.ContainsFunc(got, func(s string) bool { return s != "flood" }) {
		t.Errorf("got %q", got)
	}
}

func TestALineOfNetworksThatAreAllOneRefusesTheNext(t *testing.T) {
	c := newCrowd(t, 1)
	c.comes(Caller{Network: "at work"})
	for i := range c.line.room {
		c.comes(Caller{Network: strconv.Itoa(i)})
	}
	if err := c.line.wait(t.Context(), Caller{Network: "next"}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy: what is remembered must stay bounded", err)
	}
	c.order(c.line.room)
	if q := c.line.strangers; q.waiting != 0 || len(q.byNetwork) != 0 || len(q.networks) != 0 {
		t.Errorf("got %+v, want nobody", q)
	}
}
