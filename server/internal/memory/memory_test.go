package memory

import (
	"context"
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
