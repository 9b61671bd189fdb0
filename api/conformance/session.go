package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// session is what a story is told with: three callers, and a memory of what went wrong and what is to be undone.
//
// A check that fails is noted and the story goes on, so that one run shows all that differs. Only where the rest would
// make no sense (no answer, another status than expected) does it end.
type session struct {
	// a and b are two accounts that have nothing to do with each other until a story brings them together; anonymous
	// sends no credential.
	a, b, anonymous caller

	ctx    context.Context
	suite  *suite
	client *http.Client

	mu       sync.Mutex // several requests may be under way at once
	failures []failure
	undo     []func()
	broken   atomic.Bool // the story, not the backend
	tags     sync.Map    // of the operations that were called
	silent   atomic.Bool // a request got no answer
}

// stopped ends a story whose failure has been noted.
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

func (s *session) stop(format string, args ...any) {
	s.fail(format, args...)
	panic(stopped{})
}

// atOnce does something several times at the same time. If any of them stops, the story does.
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

// -------------------------------------------------------------------------------------------------------- asking

// caller sends requests as somebody.
type caller struct {
	*session
	name   string
	header http.Header
}

// with is the same caller, sending one more header.
func (c caller) with(name, value string) caller {
	c.header = c.header.Clone()
	c.header.Set(name, value)
	return c
}

// bearer is the same caller with this credential and no other.
func (c caller) bearer(credential string) caller {
	c.header = http.Header{}
	return c.with("Authorization", "Bearer "+credential)
}

// object is a JSON object to send.
type object map[string]any

// and is the same object with more in it; what it has already is replaced.
func (o object) and(more object) object {
	all := maps.Clone(o)
	maps.Copy(all, more)
	return all
}

func (c caller) get(path string) *answer              { return c.send("GET", path, "", nil) }
func (c caller) put(path string, body object) *answer { return c.write("PUT", path, body) }
func (c caller) delete(path string) *answer           { return c.send("DELETE", path, "", nil) }

// post sends an object, if there is one.
func (c caller) post(path string, body ...object) *answer {
	if len(body) == 0 {
		return c.send("POST", path, "", nil)
	}
	return c.write("POST", path, body[0])
}

func (c caller) write(method, path string, body any) *answer {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return c.send(method, path, "application/json", data)
}

// submit sends a form; without parts it is an empty one.
func (c caller) submit(method, path string, parts ...part) *answer {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {p.disposition}}
		if p.kind != "" {
			header.Set("Content-Type", p.kind)
		}
		w, _ := form.CreatePart(header) // a buffer does not fail
		_, _ = w.Write(p.data)
	}
	_ = form.Close()
	return c.send(method, path, form.FormDataContentType(), body.Bytes())
}

// part is one part of a form.
type part struct {
	disposition, kind string
	data              []byte
}

func field(name, value string) part {
	return part{fmt.Sprintf(`form-data; name="%s"`, name), "", []byte(value)}
}

func upload(name, file, kind string, data []byte) part {
	return part{fmt.Sprintf(`form-data; name="%s"; filename="%s"`, name, file), kind, data}
}

const (
	maxAttempts   = 8
	limitPatience = 90 * time.Second // how long one request waits for limits to end, in all
)

// send makes a request to a path of the backend, or to a whole address that the backend gave. It waits out a rate limit
// when the backend says for how long, and each time a little longer, so that several runs do not stand in each other's way.
// A limit that lasts too long is nothing that the backend does wrong: what it would have answered stays unknown.
//
// When the run is stopped nothing more is sent, but what has been sent gets its answer: it may have made something, which
// is to be taken away.
func (c caller) send(method, path, kind string, body []byte) *answer {
	what := fmt.Sprintf("%s: %s %s", c.name, method, path)
	x := &exchange{method: method, body: body}
	address := path
	if !strings.Contains(path, "://") {
		address = c.suite.url + path
	}
	// Whoever waits for a limit to end must not be overtaken by others of this run.
	if op := c.suite.contract.find(method, strings.SplitN(path, "?", 2)[0]); op != nil && op.limited() {
		c.suite.limited.Lock()
		defer c.suite.limited.Unlock()
	}
	waited := time.Duration(0)
	for attempt := 1; ; attempt++ {
		if c.ctx.Err() != nil {
			c.stop("%s: not sent, because the run was stopped", what)
		}
		req, err := http.NewRequestWithContext(withExchange(context.WithoutCancel(c.ctx), x), method, address, bytes.NewReader(body))
		if err != nil {
			c.stop("%s: this is not an address: %v", what, err)
		}
		req.Header = c.header.Clone()
		if kind != "" {
			req.Header.Set("Content-Type", kind)
		}
		x.url, x.header = req.URL.String(), req.Header
		resp, err := c.client.Do(req)
		if err != nil {
			c.silent.Store(true)
			a := &answer{session: c.session, exchange: x}
			a.stop("%s: no answer: %s", what, reason(err))
		}
		a := &answer{session: c.session, exchange: x, what: what, status: resp.StatusCode, header: resp.Header}
		a.raw = readBody(resp)
		if isJSON(resp.Header) {
			_ = json.Unmarshal(a.raw, &a.value) // the wire reports what is not JSON
		}
		if pause := retryAfter(resp); pause > 0 {
			if waited += pause; attempt == maxAttempts || waited > limitPatience {
				c.broken.Store(true)
				a.stop("%s: the backend limits how often it may be asked, and this kit waits no longer: %s", what, a.told())
			}
			select {
			case <-time.After(pause + mathrand.N(time.Duration(attempt)*time.Second)):
			case <-c.ctx.Done():
			}
			continue
		}
		c.remember(req, a)
		return a
	}
}

func readBody(resp *http.Response) []byte {
	defer func() { _ = resp.Body.Close() }()
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body) // the wire has it in memory
	return body.Bytes()
}

// retryAfter is how long a rate limit lasts, at least a second; 0 if there is none or the backend does not say it.
func retryAfter(resp *http.Response) time.Duration {
	header := resp.Header.Get("Retry-After")
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0
	}
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 1), 24*60*60)) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now() // the clock of the backend would be better
	}
	return max(at.Sub(now), time.Second)
}

// reason is why there was no answer, for a person.
func reason(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "it took too long"
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err.Error()
}

// creations are the operations that make what a story must take away again, and where that is.
var creations = map[string]string{
	"createServer": "/servers/",
}

// remember notes what a request has made, whether or not the story expected it to.
func (c caller) remember(req *http.Request, a *answer) {
	op := c.suite.contract.find(req.Method, strings.TrimPrefix(req.URL.EscapedPath(), c.suite.base))
	if op == nil || creations[op.id] == "" || a.status/100 != 2 {
		return
	}
	id, _ := lookup(a.value, "/body/_id")
	if id, ok := id.(string); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.undo = append(c.undo, func() {
			gone := c.delete(creations[op.id] + url.PathEscape(id))
			if gone.status != http.StatusOK && gone.status != http.StatusNotFound {
				c.fail("could not clean up: %s: %s", gone.what, gone.told())
			}
		})
	}
}

// ------------------------------------------------------------------------------------------------------- checking

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

// told is the answer in short.
func (a *answer) told() string {
	text := strings.TrimSpace(string(a.raw))
	if !utf8.ValidString(text) {
		text = fmt.Sprintf("and %d bytes of %s", len(a.raw), a.header.Get("Content-Type"))
	}
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + " ..."
	}
	return fmt.Sprintf("%d %s", a.status, text)
}

// expect ends the story unless the answer has this status.
func (a *answer) expect(status int) *answer {
	if a.status != status {
		a.stop("%s: want %d, got %s", a.what, status, a.told())
	}
	return a
}

// refuses wants the request refused because of one part of it. An empty code stands for any.
func (a *answer) refuses(pointer, code string) *answer {
	a.expect(http.StatusBadRequest)
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
	a.fail("want a field with the pointer %q and the code %q, got %s", pointer, code, a.told())
	return a
}

// anyOf is expect where the contract leaves it open which status it is.
func (a *answer) anyOf(statuses ...int) *answer {
	if !slices.Contains(statuses, a.status) {
		a.stop("%s: want one of %v, got %s", a.what, statuses, a.told())
	}
	return a
}

// at is the value a pointer leads to; the story ends if there is none.
func (a *answer) at(pointer string) any {
	value, ok := lookup(a.value, pointer)
	if !ok {
		a.stop("%s: nothing at %s in %s", a.what, pointer, a.told())
	}
	return value
}

func (a *answer) text(pointer string) string { return typed[string](a, pointer, "a string") }
func (a *answer) list(pointer string) []any  { return typed[[]any](a, pointer, "an array") }

func typed[T any](a *answer, pointer, name string) T {
	value, ok := a.at(pointer).(T)
	if !ok {
		a.stop("%s: %s must be %s, got %s", a.what, pointer, name, a.told())
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
		a.stop("%s: %s is not a time: %s", a.what, pointer, a.told())
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

// find returns the pointer of the item of a list whose member has a value; without one the story ends.
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
	held := strings.Join(a.header.Values(name), ",")
	if !slices.Contains(strings.FieldsFunc(held, func(r rune) bool { return r == ',' || r == ' ' }), word) {
		a.fail("the header %s is %q, want %s in it", name, held, word)
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
