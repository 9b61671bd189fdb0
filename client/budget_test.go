package client_test

import (
	"context"
	"math"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
)

// A server in trouble is asked once more for each retry in the budget, and no more, until it has given good answers.
func TestTheBudgetIsSharedAndEarnedBack(t *testing.T) {
	script, c := play(t, newStillClock(), []string{"503"}, client.WithRetry(client.Retry{Budget: 5}))
	others := []*client.Client{c, must(c.WithToken(token)), must(c.WithAPIKey(key))}
	asked := func(n int) (requests int) {
		before := script.count()
		for i := range n {
			others[i%3].Channels.List(t.Context(), "")
		}
		return script.count() - before
	}
	for _, step := range []struct {
		status      string
		calls, want int
	}{
		{"503", 1, 4}, // 2 left.
		{"503", 1, 3},
		{"503", 10, 10},
		{"500", 10, 10}, // No good answers.
		{"503", 1, 1},
		{"200", 9, 9},
		{"503", 1, 1},
		{"404", 1, 1}, // As good as any.
		{"503", 1, 2},
		{"503", 1, 1},
		{"200", 1000, 1000},
		{"503", 10, 15},
	} {
		script.now(step.status)
		if got := asked(step.calls); got != step.want {
			t.Errorf("%d calls of a server that says %s: %d requests, want %d", step.calls, step.status, got, step.want)
		}
	}
}

func TestARetryThatWasNotSentIsGivenBack(t *testing.T) {
	clock := newStillClock()
	script, c := play(t, clock, []string{"503"}, client.WithRetry(client.Retry{Budget: 2}))
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		clock.during = cancel
		c.Servers.List(ctx)
	}
	clock.during = nil
	for _, want := range []int{10 + 3, 10 + 3 + 1} {
		c.Servers.List(t.Context())
		if script.count() != want {
			t.Errorf("%d requests, want %d", script.count(), want)
		}
	}
}

func TestABudgetMayBeAsLargeAsCanBe(t *testing.T) {
	for _, budget := range []int{math.MaxInt, math.MaxInt/10 + 1} {
		script, c := play(t, newStillClock(), []string{"503"}, client.WithRetry(client.Retry{Budget: budget}))
		for range 2 {
			c.Servers.List(t.Context())
		}
		if script.count() != 8 {
			t.Errorf("%d: %d requests by 2 calls, want 8", budget, script.count())
		}
	}
}
