package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// session is what a test case runs with: three callers, and a memory of what went wrong and what is to be undone.
//
// A check that fails is noted and the test case goes on, so that one run shows all that differs. Only where the rest would
// make no sense (no answer, another status than expected) does it end.
type session struct {
	// a and b are two accounts that have nothing to do with each other until a test case brings them together; anonymous
	// sends no credential.
	a, b, anonymous caller

	ctx    context.Context
	suite  *suite
	client *http.Client

	mu       sync.Mutex // several requests may be under way at once
	failures []failure
	undo     []func()
	broken   atomic.Bool // the test case, not the backend
	tags     sync.Map    // of the operations that were called
	silent   atomic.Bool // a request got no answer
	open     sync.Map    // the ids of the servers that everybody may join
}

// stopped ends a test case whose failure has been noted.
type stopped struct{}

// failure is what went wrong, and in which exchange, if it was one.
type failure struct {
	text     string
	exchange *exchange
}

func (s *session) fail(format string, args ...any) { s.note(nil, fmt.Sprintf(format, args...)) }

func (s *session) note(x *exchange, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.failures, func(f failure) bool { return f.text == text }) {
		s.failures = append(s.failures, failure{text, x})
	}
}

// undoes has something done when the test case has ended, before what was noted earlier.
func (s *session) undoes(undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undo = append(s.undo, undo)
}

func (s *session) stop(format string, args ...any) {
	s.fail(format, args...)
	panic(stopped{})
}

// atOnce does something several times at the same time. If any of them stops, the test case does.
func (s *session) atOnce(times int, do func(i int)) {
	var group sync.WaitGroup
	var broken atomic.Bool
	for i := range times {
		group.Go(func() {
			whole := false
			s.guard(func() { do(i); whole = true })
			if !whole {
				broken.Store(true)
			}
		})
	}
	group.Wait()
	if broken.Load() {
		panic(stopped{})
	}
}

// guard turns a panic into an error: it is the suite that broke.
func (s *session) guard(do func()) {
	defer func() {
		switch cause := recover().(type) {
		case nil, stopped:
		default:
			s.broken.Store(true)
			s.fail("the test case itself broke: %v\n%s", cause, debug.Stack())
		}
	}()
	do()
}

// unknownID is well formed and, being random, names nothing.
func unknownID() string {
	id := make([]byte, 12)
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}

// unknownNumber is that of no account.
const unknownNumber = "9007199254740991"

// unknownUUID is to badges what unknownID is to all else.
func unknownUUID() string {
	id := unknownID() + unknownID()
	return strings.Join([]string{id[:8], id[8:12], "4" + id[13:16], "8" + id[17:20], id[20:32]}, "-")
}
