package conformance

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	idempotencyKey = "Idempotency-Key"
	replayed       = "Idempotent-Replayed"
)

// isRepeated wants a second answer that is the first again, and says so.
func (a *answer) isRepeated(again *answer) {
	if a.header.Get(replayed) != "" {
		a.fail("the first answer says that it is not the first")
	}
	again.expect(a.status)
	if again.header.Get(replayed) != "true" {
		again.fail("the header %s is %q, want true: this was sent before under its %s", replayed, again.header.Get(replayed), idempotencyKey)
	}
	if asJSON(again.value) != asJSON(a.value) {
		again.fail("is %s, and the first answer was %s", again.summary(), a.summary())
	}
}

// creation is an operation that makes something, as two callers may call it.
type creation struct {
	status int
	create func(who caller, name string) *answer // the same request for the same name
	count  func(name string) int                 // how many there are of a name
}

// repeatsSafely is what every operation that takes an Idempotency-Key promises.
func (s *session) repeatsSafely(one, other caller, c creation) {
	run := unknownID() // others may make things of such names at the same time
	under := func(who caller, key, name string) *answer {
		if name != "" {
			name += " " + run
		}
		return c.create(who.with(idempotencyKey, key), name)
	}
	isNew := func(a *answer) *answer {
		if a.expect(c.status); a.header.Get(replayed) != "" {
			a.fail("says that it was sent before, which it was not")
		}
		return a
	}
	counts := func(name string, want int) {
		if got := c.count(name + " " + run); got != want {
			s.fail("there are %d named %q, want %d", got, name, want)
		}
	}

	key := unknownID()
	first := isNew(under(one, key, "first"))
	for range 2 {
		first.isRepeated(under(one, key, "first"))
	}
	counts("first", 1)
	under(one, key, "second").expect(409)
	counts("second", 0)
	first.isRepeated(under(one, key, "first"))

	// A key is a caller's own, and a failure is not kept under it.
	isNew(under(other, key, "third"))
	counts("third", 1)
	key = unknownID()
	under(one, key, "").expect(400)
	isNew(under(one, key, "fourth")).isRepeated(under(one, key, "fourth"))

	isNew(under(one, strings.Repeat("~", 200)+unknownID(), "fifth"))
	under(one, strings.Repeat("x", 256), "sixth").refuses("header/"+idempotencyKey, "too_long")
	under(one, "two words", "sixth").refuses("header/"+idempotencyKey, "wrong_format")
	counts("sixth", 0)

	// Many at once make one thing. Those that come while it is being made may be told to come back.
	key = unknownID()
	answers := make([]*answer, 10)
	s.atOnce(len(answers), func(i int) {
		for range 10 {
			answers[i] = under(one, key, "seventh")
			pause, err := strconv.Atoi(answers[i].header.Get("Retry-After"))
			if answers[i].status != http.StatusConflict || err != nil {
				break
			}
			time.Sleep(time.Duration(min(pause, 3)) * time.Second)
		}
		answers[i].expect(c.status)
	})
	originals := 0
	for _, a := range answers {
		if asJSON(a.value) != asJSON(answers[0].value) {
			a.fail("of requests sent at once under one %s, one got %s and another %s", idempotencyKey, a.summary(), answers[0].summary())
		}
		if a.header.Get(replayed) == "" {
			originals++
		}
	}
	if originals != 1 {
		s.fail("of %d requests sent at once under one %s, %d got an answer that is not marked as repeated, want 1",
			len(answers), idempotencyKey, originals)
	}
	counts("seventh", 1)
}

// counted is a count of the items of a list that have a name, which is a member of each.
func counted(list func() *answer, pointer, member string) func(name string) int {
	return func(name string) int {
		n := 0
		for _, got := range list().expect(200).each(pointer, member) {
			if got == name {
				n++
			}
		}
		return n
	}
}
