// Package logsample keeps a log readable while the same goes wrong again and again.
package logsample

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	most  = 10               // lines of a kind in a span
	span  = 10 * time.Second // after which a kind has its lines again
	kinds = 256              // that are kept apart at once. Messages are constants: there are not that many
)

// A kind is what makes lines alike: all but what they tell of the one request.
type kind struct {
	level              slog.Level
	message, operation string
}

// New returns a handler that passes on what next handles, except warnings and errors that repeat: of those it passes on ten
// alike, in message and operation, in 10 seconds, and then one line that says how many there were besides.
func New(next slog.Handler) slog.Handler {
	return handler{next, &seen{counts: map[kind]int{}}}
}

type handler struct {
	slog.Handler
	seen *seen
}

// seen is what was logged in a span. All handlers that were made from one have it in common.
type seen struct {
	mu     sync.Mutex
	counts map[kind]int
}

// Handle passes a line on, or counts it.
func (h handler) Handle(ctx context.Context, record slog.Record) error {
	if record.Level < slog.LevelWarn {
		return h.Handler.Handle(ctx, record)
	}
	k := kind{level: record.Level, message: record.Message}
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "operation" {
			k.operation = attr.Value.String()
		}
		return k.operation == ""
	})
	if h.seen.before(k, func(k kind, more int) { h.sum(k, more) }) >= most {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

// before tells how many lines of a kind there were already, and calls sum at the end of the span if there were too many.
func (s *seen) before(k kind, sum func(kind, int)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.counts[k]; !known {
		if len(s.counts) >= kinds {
			k = kind{level: k.level} // the rest of them
		}
	}
	n := s.counts[k]
	s.counts[k]++
	if n == 0 {
		time.AfterFunc(span, func() {
			s.mu.Lock()
			more := s.counts[k] - most
			delete(s.counts, k)
			s.mu.Unlock()
			if more > 0 {
				sum(k, more)
			}
		})
	}
	return n
}

// sum says how many lines were left out.
func (h handler) sum(k kind, more int) {
	record := slog.NewRecord(time.Now(), k.level, "repeated", 0)
	record.AddAttrs(slog.String("message", k.message), slog.Int("times", more), slog.Duration("within", span))
	if k.operation != "" {
		record.AddAttrs(slog.String("operation", k.operation))
	}
	h.Handler.Handle(context.Background(), record)
}

// WithAttrs is a handler of lines that have attributes in common.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.seen}
}

// WithGroup is a handler of lines whose attributes stand in a group.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.seen}
}
