package client

import (
	"context"
	"time"
)

// WithClock gives a client time and chance that a test can hold still.
func WithClock(
	now func() time.Time, sleep func(context.Context, time.Duration) error, random func(most time.Duration) time.Duration,
) Option {
	return func(o *options) { o.clock = clock{now, sleep, random} }
}
