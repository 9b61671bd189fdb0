package ratelimit

import (
	"strconv"
	"testing"
	"time"
)

func TestALimiterGivesItsBurstAndThenWhatComesBack(t *testing.T) {
	l := New(10, 10*time.Second)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range 10 {
		if wait := l.Take("a", now); wait != 0 {
			t.Fatalf("take %d: wait %v", i+1, wait)
		}
	}
	now = now.Add(3 * time.Second)
	wait := l.Take("a", now)
	if wait != 7*time.Second || l.Take("a", now) != wait {
		t.Errorf("wait %v, want 7s, however often one asks", wait)
	}
	if l.Take("b", now) != 0 {
		t.Error("another key must have a bucket of its own")
	}
	if l.Take("a", now.Add(wait-time.Millisecond)) == 0 {
		t.Error("a token has come before it was said to")
	}
	if l.Take("a", now.Add(wait)) != 0 {
		t.Error("no token has come when it was said to")
	}
	for i := range 1000 { // in every shard
		l.Take(strconv.Itoa(i), now.Add(time.Hour))
	}
	if known := l.known(t); known != 1000 {
		t.Errorf("%d keys are remembered, want only those whose bucket is not full", known)
	}
}

// known is how many keys a limiter remembers.
func (l *Limiter) known(t *testing.T) (n int) {
	for i := range l.shards {
		s := &l.shards[i]
		if n += len(s.byKey); len(s.byFull) != len(s.byKey) || n > 0 && len(s.byKey) > s.size {
			t.Errorf("shard %d has %d keys, of %d, and %d buckets", i, len(s.byKey), s.size, len(s.byFull))
		}
	}
	return n
}

func TestALimiterTellsWhatIsLeft(t *testing.T) {
	l := New(10, time.Second)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i, want := range []State{{Left: 9, Reset: time.Second}, {Left: 8, Reset: 2 * time.Second}, {Left: 7, Reset: 3 * time.Second}} {
		if got := l.TakeOf("", 7, now); got != want {
			t.Errorf("take %d: got %+v, want %+v", i+1, got, want)
		}
	}
	now = now.Add(1500 * time.Millisecond)
	if got, want := l.TakeOf("", 7, now), (State{Left: 7, Reset: 2500 * time.Millisecond}); got != want {
		t.Errorf("later: got %+v, want %+v", got, want)
	}
	if got, want := l.TakeOf("7", 0, now), (State{Left: 9, Reset: time.Second}); got != want {
		t.Errorf("a name is no number: got %+v, want %+v", got, want)
	}
}

// Otherwise whoever came while the clock was a year ahead would be left out for a year.
func TestAClockThatWasAheadLeavesNobodyOut(t *testing.T) {
	l := New(10, time.Second)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for l.Take("a", now.AddDate(1, 0, 0)) == 0 {
	}
	if got, want := l.TakeOf("a", 0, now), (State{Left: 9, Reset: time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func BenchmarkTakeByOneKeyFromEverywhere(b *testing.B) {
	l := New(1_000_000_000, time.Nanosecond)
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.TakeOf("", 1, now)
		}
	})
}

func TestALimiterStaysBoundedAndDoesNotForgetAnEmptiedBucketForNewOnes(t *testing.T) {
	l := New(10, 10*time.Second)
	for i := range l.shards {
		l.shards[i].size = 100 / shards
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for l.Take("hot", now) == 0 {
	}
	for i := range 10_000 {
		l.Take(strconv.Itoa(i), now)
	}
	if known := l.known(t); known != 100/shards*shards {
		t.Errorf("%d keys are remembered, want as many as it may", known)
	}
	if l.Take("hot", now) == 0 {
		t.Error("ten thousand other keys have filled the bucket again")
	}
}

func TestAnIPv6ClientIsItsNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":                "192.0.2.1",
		"::ffff:192.0.2.1":         "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::":      "2001:db8:1:2::/64",
		"2001:db8:1:3::1":          "2001:db8:1:3::/64",
		"fe80::1%eth0":             "fe80::/64",
		"":                         "",
		"something from a socket?": "something from a socket?",
	} {
		if got := Network(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}
