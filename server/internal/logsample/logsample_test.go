package logsample

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// output is what was logged, also by timers.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(line)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func lines(out *output, part string) (n int) {
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func TestOfErrorsThatRepeatTheLogHasTenAndHowManyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		log := slog.New(New(slog.NewTextHandler(&out, nil)))
		for i := range 1000 {
			log.Error("unavailable error", "request_id", i, "operation", "createServer")
			log.Error("unavailable error", "request_id", i, "operation", "listMyServers")
			log.Info("request")
		}
		if n := lines(&out, "operation=createServer"); n != 10 {
			t.Errorf("got %d lines of one kind, want 10", n)
		}
		if n := lines(&out, "operation=listMyServers"); n != 10 {
			t.Errorf("got %d lines of the other kind, want 10", n)
		}
		if n := lines(&out, "msg=request"); n != 1000 {
			t.Errorf("got %d lines that are no errors, want all 1000", n)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := lines(&out, `level=ERROR msg=repeated message="unavailable error" times=990 within=10s`); n != 2 {
			t.Errorf("want a line for each kind that says how many there were besides, got %d", n)
		}
		log.Error("unavailable error", "operation", "createServer")
		if n := lines(&out, "msg=\"unavailable error\" operation=createServer"); n != 1 {
			t.Error("a later error is missing")
		}
	})
}

func TestKindsWithoutEndAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		h := New(slog.NewTextHandler(&out, nil)).(handler)
		for i := range 10_000 {
			slog.New(h).Error(fmt.Sprintf("message %d", i))
		}
		if n := h.seen.size(); n > kinds+1 {
			t.Errorf("it remembers %d kinds", n)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := h.seen.size(); n != 0 {
			t.Errorf("it still remembers %d kinds after the span", n)
		}
		if n := lines(&out, "msg=repeated"); n != 1 {
			t.Errorf("got %d lines of what was left out, want 1", n)
		}
	})
}

func (s *seen) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.counts)
}
