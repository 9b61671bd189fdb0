package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// answer is what came back.
type answer struct {
	*session
	exchange *exchange
	what     string
	status   int
	header   http.Header
	raw      []byte
	value    any // of a JSON body
}

func (a *answer) fail(format string, args ...any) {
	a.note(a.exchange, a.what+": "+fmt.Sprintf(format, args...))
}

func (a *answer) stop(format string, args ...any) {
	a.note(a.exchange, fmt.Sprintf(format, args...))
	panic(stopped{})
}

// summary is the answer in short.
func (a *answer) summary() string {
	text := strings.TrimSpace(string(a.raw))
	if !utf8.ValidString(text) {
		text = fmt.Sprintf("and %d bytes of %s", len(a.raw), a.header.Get("Content-Type"))
	}
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + " ..."
	}
	return fmt.Sprintf("%d %s", a.status, text)
}

// expect ends the test case unless the answer has this status.
func (a *answer) expect(status int) *answer {
	if a.status != status {
		a.stop("%s: want %d, got %s", a.what, status, a.summary())
	}
	return a
}

// refuses wants the request refused because of one part of it. An empty code stands for any.
func (a *answer) refuses(pointer, code string) *answer {
	a.expect(http.StatusBadRequest)
	if got, _ := lookup(a.value, "/code"); got == "invalid_request" { // a flat answer says no more than that for programs
		return a
	}
	for _, problem := range []string{"/body/fields", "/data/fields"} {
		fields, _ := lookup(a.value, problem)
		list, _ := fields.([]any)
		for _, field := range list {
			gotPointer, _ := lookup(field, "/pointer")
			gotCode, _ := lookup(field, "/code")
			if gotPointer == pointer && (code == "" || gotCode == code) {
				return a
			}
		}
	}
	a.fail("want a field with the pointer %q and the code %q, got %s", pointer, code, a.summary())
	return a
}

// anyOf is expect where the contract leaves it open which status it is.
func (a *answer) anyOf(statuses ...int) *answer {
	if !slices.Contains(statuses, a.status) {
		a.stop("%s: want one of %v, got %s", a.what, statuses, a.summary())
	}
	return a
}

// at is the value a pointer leads to; the test case ends if there is none.
func (a *answer) at(pointer string) any {
	value, ok := lookup(a.value, pointer)
	if !ok {
		a.stop("%s: nothing at %s in %s", a.what, pointer, a.summary())
	}
	return value
}

func (a *answer) text(pointer string) string { return typed[string](a, pointer, "a string") }
func (a *answer) list(pointer string) []any  { return typed[[]any](a, pointer, "an array") }

func typed[T any](a *answer, pointer, name string) T {
	value, ok := a.at(pointer).(T)
	if !ok {
		a.stop("%s: %s must be %s, got %s", a.what, pointer, name, a.summary())
	}
	return value
}

// is compares one value with what would be the same in JSON.
func (a *answer) is(pointer string, want any) *answer {
	if got, want := asJSON(a.at(pointer)), asJSON(want); got != want {
		a.fail("%s is %s, want %s", pointer, got, want)
	}
	return a
}

// says checks the message for people, which existing clients read.
func (a *answer) says(message string) *answer {
	if _, inMeta := lookup(a.value, "/meta/message"); inMeta {
		return a.is("/meta/message", message)
	}
	return a.is("/message", message)
}

// keys wants an object with exactly these names in it.
func (a *answer) keys(pointer string, want ...string) *answer {
	var got []string
	for name := range typed[map[string]any](a, pointer, "an object") {
		got = append(got, name)
	}
	want = slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		a.fail("%s has the keys %v, want exactly %v", pointer, got, want)
	}
	return a
}

// lacks wants nothing to be at a place of the answer.
func (a *answer) lacks(pointer string) *answer {
	if _, shown := lookup(a.value, pointer); shown {
		a.fail("shows %s", pointer)
	}
	return a
}

// has wants each of these values.
func (a *answer) has(pointer string, want object) *answer {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		a.is(pointer+"/"+name, want[name])
	}
	return a
}

// number is a JSON number.
func (a *answer) number(pointer string) int { return int(typed[float64](a, pointer, "a number")) }

// time is a moment on the wire.
func (a *answer) time(pointer string) time.Time {
	at, err := time.Parse(time.RFC3339, a.text(pointer))
	if err != nil {
		a.stop("%s: %s is not a time: %s", a.what, pointer, a.summary())
	}
	return at
}

// aMoment is so long that a time on the wire, which has milliseconds, must be another one after it.
const aMoment = 5 * time.Millisecond

// moves wants a time to be another one than in an earlier answer. Not a later one: replicas may have their own clocks.
func (a *answer) moves(pointer string, since *answer) {
	if a.time(pointer).Equal(since.time(pointer)) {
		a.fail("%s is what it was before the change", pointer)
	}
}

// find returns the pointer of the item of a list whose member has a value; without one the test case ends.
func (a *answer) find(list, name, value string) string {
	for i, item := range a.list(list) {
		if got, _ := lookup(item, "/"+name); got == value {
			return list + "/" + strconv.Itoa(i)
		}
	}
	a.stop("%s: no item of %s has the %s %q", a.what, list, name, value)
	return ""
}

// each is one member of every item of a list, in order.
func (a *answer) each(list, name string) []string {
	var all []string
	for i := range a.list(list) {
		all = append(all, a.text(list+"/"+strconv.Itoa(i)+"/"+name))
	}
	return all
}

// carries checks one of the words in a header.
func (a *answer) carries(name, word string) {
	words := strings.Join(a.header.Values(name), ",")
	if !slices.Contains(strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' }), word) {
		a.fail("the header %s is %q, want %s in it", name, words, word)
	}
}

// lookup follows an RFC 6901 pointer into a JSON value.
func lookup(value any, pointer string) (any, bool) {
	if pointer == "" {
		return value, value != nil
	}
	for _, word := range strings.Split(pointer, "/")[1:] {
		word = strings.NewReplacer("~1", "/", "~0", "~").Replace(word)
		switch holder := value.(type) {
		case map[string]any:
			inner, ok := holder[word]
			if !ok {
				return nil, false
			}
			value = inner
		case []any:
			i, err := strconv.Atoi(word)
			if err != nil || i < 0 || i >= len(holder) {
				return nil, false
			}
			value = holder[i]
		default:
			return nil, false
		}
	}
	return value, true
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
