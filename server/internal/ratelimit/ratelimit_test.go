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
	if l.Take("c", now.Add(time.Hour)); len(l.byKey) != 1 || len(l.byFull) != 1 {
		t.Errorf("%d keys are remembered, want only the one whose bucket is not full", len(l.byKey))
	}
}

func TestALimiterStaysBoundedAndDoesNotForgetAnEmptiedBucketForNewOnes(t *testing.T) {
	l := New(10, 10*time.Second)
	l.size = 100
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for l.Take("hot", now) == 0 {
	}
	for i := range 10_000 {
		l.Take(strconv.Itoa(i), now)
	}
	if len(l.byKey) != l.size || len(l.byFull) != l.size {
		t.Errorf("%d keys are remembered, want %d", len(l.byKey), l.size)
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
