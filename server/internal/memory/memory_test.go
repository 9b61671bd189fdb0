package memory

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestNoMoreIsInUseThanTheBudgetHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		var inUse atomic.Int64
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				giveBack, err := b.Take(t.Context(), 30)
				if err != nil {
					t.Error(err)
					return
				}
				if now := inUse.Add(30); now > 100 {
					t.Errorf("%d bytes are in use", now)
				}
				time.Sleep(time.Millisecond)
				inUse.Add(-30)
				giveBack()
			})
		}
		group.Wait()
	})
}

func TestWhoGetsNothingInTimeHearsSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		giveBack, err := b.Take(t.Context(), 1_000_000) // all there is
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := b.Take(t.Context(), 1); !errors.Is(err, ErrBusy) || time.Since(start) != Patience {
			t.Errorf("after %v: %v, want ErrBusy after %v", time.Since(start), err, Patience)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := b.Take(gone, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone: %v", err)
		}
		giveBack()
		if _, err := b.Take(t.Context(), 100); err != nil {
			t.Errorf("when it was given back: %v", err)
		}
	})
}

func TestAShareGrowsOnlyIntoRoomThatIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		one, other := b.Share(), b.Share()
		if err := errors.Join(one.Grow(40), other.Grow(40), one.Grow(30), one.Grow(60)); err != nil {
			t.Fatal(err)
		}
		if err := other.Grow(50); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		if err := other.Wait(t.Context(), 50); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		if err := one.Grow(100); err != nil {
			t.Errorf("who waits has given back what it had: %v", err)
		}
		one.Close()
		one.Close()
		if err := other.Wait(t.Context(), 1000); err != nil {
			t.Error(err)
		}
	})
}

func TestTheCostOfAValueIsNotLessThanItTakes(t *testing.T) {
	type item struct {
		Title, Text string
		Roles       []string
		More        map[string]any
		Next        *item
	}
	for _, text := range []string{"", "plain", "\x01\x02\x7f", `"\\`, "\u2028", "\U0001f600"} {
		value := []item{{text, text, []string{text, text}, map[string]any{"a": text, "b": []any{1.5, true, nil}}, &item{Text: text}}}
		written, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if cost := CostOf(value); cost < 3*int64(len(written)) || cost > 3000+20*int64(len(written)) {
			t.Errorf("%q: %d bytes, of which %d are written", text, cost, len(written))
		}
	}
}

func TestWhoDoesNotReadIsBrokenOffForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		brokenOff := make(chan int, 10)
		send := func(name int) *Share {
			s := b.Share()
			if err := errors.Join(s.Grow(50), s.Send(30, func() { brokenOff <- name; go s.Close() })); err != nil {
				t.Fatal(err)
			}
			return &s
		}
		send(1)
		time.Sleep(time.Second)
		defer send(2).Close()
		time.Sleep(time.Hour) // nobody needs the room
		if len(brokenOff) != 0 {
			t.Error("somebody was broken off for nothing")
		}
		start := time.Now()
		giveBack, err := b.Take(t.Context(), 60)
		if err != nil || time.Since(start) != sparing || len(brokenOff) != 1 || <-brokenOff != 1 {
			t.Errorf("after %v: %v, want that the slowest is broken off", time.Since(start), err)
		}
		giveBack()
	})
}

func TestWhoSendsSlowlyIsBrokenOffForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		brokenOff := make(chan string, 4)
		receive := func(name string, s *Share, bytes int64) {
			t.Helper()
			leave := func() { brokenOff <- name }
			if name == "slower" {
				leave = func() { brokenOff <- name; go s.Close() }
			}
			if err := s.Receive(t.Context(), bytes, leave); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		slow, slower, done, late := b.Share(), b.Share(), b.Share(), b.Share()
		receive("slow", &slow, 40)
		receive("slower", &slower, 20)
		receive("done", &done, 1)
		done.Received()
		time.Sleep(time.Hour) // nobody needs the room
		receive("slow", &slow, 45)
		receive("late", &late, 30)
		start := time.Now()
		receive("late", &late, 50) // 4 are free
		if after := time.Since(start); after != sparing || len(brokenOff) != 1 || <-brokenOff != "slower" {
			t.Errorf("after %v somebody else than the slower one was broken off", after)
		}

		// Nobody is broken off within the time that everybody has, nor who waits.
		slow.Close()
		next := b.Share()
		receive("next", &next, 45)
		start = time.Now()
		done.Received()
		if err := done.Receive(t.Context(), 60, func() { t.Error("who waits was broken off") }); !errors.Is(err, ErrBusy) && time.Since(start) < sending-sparing {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		for _, s := range []*Share{&done, &late, &next} {
			s.Close()
		}
		giveBack, err := b.Take(t.Context(), 100)
		if err != nil {
			t.Fatalf("not all was given back: %v", err)
		}
		giveBack()
	})
}
