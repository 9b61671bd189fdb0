package conformance

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// A negative is a request that breaks one constraint of the contract and is right in all else.
//
// None is guessed. A value is sampled from a pool and validated against the very schema it is for; it is taken if that finds
// fault with it once, and with the keyword at hand. A constraint that nothing in the pool breaks alone has no negative:
// the length of an id cannot be wrong without its format being wrong, too.
type negative struct {
	op      *operation
	pointer string // where in the request, as the answer must name it
	keyword string // what is broken
	status  int
	code    string // of the field in the answer; empty where the status says it all
	request func(*session, *draft)
}

// draft is a request that is right until a negative changes it.
type draft struct {
	path    map[string]string
	query   url.Values
	header  map[string]string
	kind    string
	body    any    // what is sent as JSON, or the fields of a form
	raw     []byte // sent instead of body
	parts   []part // more parts of a form
	hasBody bool
}

// fieldCodes are what FieldCode in the contract says of each keyword.
var fieldCodes = map[string]string{
	"required": "required", "additionalProperties": "unknown", "type": "wrong_type", "nullable": "wrong_type", "format": "wrong_format",
	"pattern": "wrong_format", "enum": "not_allowed", "minLength": "too_short", "maxLength": "too_long", "minimum": "too_small",
	"maximum": "too_large", "minItems": "too_few", "maxItems": "too_many", "minProperties": "too_few", "uniqueItems": "duplicate",
}

// negatives are those of every operation of a tag, in the order of their paths.
func (c *contract) negatives(tag string, seed uint64) []requirement {
	var all []requirement
	for _, op := range c.operations {
		if op.tag != tag {
			continue
		}
		with := []string{}
		if slices.Contains([]string{"channels", "roles", "badges", "keys"}, tag) {
			with = append(with, tag)
		}
		for _, n := range op.negatives(seed) {
			r := requirement{run: n.run, Requirement: Requirement{
				ID: n.id(), Section: tag, Level: Must, Source: c.sourceOf([]string{op.id}), Operations: []string{op.id}, With: with,
				Text: n.text(),
			}}
			if op.rateLimited() {
				r.rateLimited, r.queue = true, "rate-limited"
			}
			all = append(all, r)
		}
	}
	return all
}

func (n negative) id() string {
	where := n.pointer
	if n.pointer == "" || n.pointer[0] == '/' {
		where = "body" + n.pointer
	}
	where = strings.NewReplacer("/", ".", "-", "", "~", "").Replace(where)
	return fmt.Sprintf("NEGATIVE-%s-%s-%s", n.op.id, where, n.keyword)
}

func (n negative) text() string {
	where := "the body"
	if n.pointer != "" {
		where = n.pointer
	}
	if n.code == "" {
		return fmt.Sprintf("%s: %s (%s) answers %d", n.op.id, where, n.keyword, n.status)
	}
	return fmt.Sprintf("%s: %s (%s) answers %d with %s", n.op.id, where, n.keyword, n.status, n.code)
}

func (n negative) run(s *session) {
	f := s.shared()
	who := s.a
	switch {
	case len(n.op.admits) == 0:
		who = s.anonymous
	case !slices.Contains(n.op.admits, "sessionAuth"):
		who = s.anonymous.bearer(f.get(s, "key"))
	}
	d := f.draft(s, n.op)
	n.request(s, d)
	got := d.send(who, n.op)
	got.expect(n.status)
	if n.code != "" {
		got.refuses(n.pointer, n.code)
	}
}

// ------------------------------------------------------------------------------------------------------ what is broken

func (op *operation) negatives(seed uint64) []negative {
	var all []negative
	add := func(pointer, keyword string, status int, code string, request func(*session, *draft)) {
		all = append(all, negative{op, pointer, keyword, status, code, request})
	}
	poolFor := func(pointer string) *pool {
		h := fnv.New64a()
		_, _ = h.Write([]byte(op.id + pointer))
		return &pool{rand.New(rand.NewPCG(seed, h.Sum64()))}
	}

	for _, list := range []openapi3.Parameters{op.declared.Parameters, op.route.PathItem.Parameters} {
		for _, p := range list {
			in, name, schema := p.Value.In, p.Value.Name, p.Value.Schema.Value
			pointer := in + "/" + name
			for _, keyword := range keywords {
				value, ok := poolFor(pointer).breaking(schema, keyword, func(v any) bool { return sendable(in, schema, v) })
				if !ok {
					continue
				}
				add(pointer, keyword, http.StatusBadRequest, fieldCodes[keyword], func(_ *session, d *draft) {
					text := fmt.Sprint(value)
					if number, is := value.(float64); is {
						text = strconv.FormatFloat(number, 'f', -1, 64)
					}
					switch in {
					case openapi3.ParameterInPath:
						d.path[name] = text
					case openapi3.ParameterInQuery:
						d.query.Set(name, text)
					default:
						d.header[name] = text
					}
				})
			}
		}
	}
	if op.declared.RequestBody == nil {
		return all
	}

	content := op.declared.RequestBody.Value.Content
	wrong := func(kind string) {
		add("", "mediaType", http.StatusUnsupportedMediaType, "", func(_ *session, d *draft) { d.kind, d.raw = kind, []byte("name=x") })
	}
	bad := http.StatusBadRequest
	if form := content["multipart/form-data"]; form != nil {
		wrong("application/json")
		add("", "malformed", bad, "", func(_ *session, d *draft) {
			d.kind, d.raw = "multipart/form-data; boundary=xx", []byte("--xx\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nGo cl")
		})
		op.formNegatives(form.Schema.Value, poolFor, add)
		return all
	}
	body := content["application/json"].Schema.Value
	wrong("text/plain")
	add("", "required", bad, "required", func(_ *session, d *draft) { d.raw = []byte{} })
	add("", "malformed", bad, "malformed", func(_ *session, d *draft) { d.raw = []byte(`{"`) })
	add("", "trailing", bad, "malformed", func(_ *session, d *draft) { d.raw = []byte(asJSON(d.body) + "{}") })
	if first := slices.Sorted(maps.Keys(body.Properties)); len(first) > 0 {
		name := first[0]
		if len(body.Required) > 0 {
			name = slices.Min(body.Required)
		}
		add("/"+name, "duplicateKey", bad, "duplicate", func(_ *session, d *draft) {
			members, _ := d.body.(map[string]any)
			value := asJSON(members[name])
			rest := asJSON(object(members).without(name))
			d.raw = []byte(strings.Replace(fmt.Sprintf(`{%q:%s,%q:%s,`, name, value, name, value)+rest[1:], ",}", "}", 1))
		})
	}
	op.schemaNegatives("", body, place{
		valid: func(body any) any { return body },
		set:   func(_, value any) any { return value },
	}, poolFor, add)
	return all
}

type adder func(pointer, keyword string, status int, code string, request func(*session, *draft))

// place is where in a body a schema holds: what stands there in one that is right, and the body with something else.
type place struct {
	valid func(body any) any
	set   func(body, value any) any
}

func (op *operation) schemaNegatives(pointer string, schema *openapi3.Schema, at place, poolFor func(string) *pool, add adder) {
	breaks := func(pointer, keyword string, value func(body any) any) {
		add(pointer, keyword, http.StatusBadRequest, fieldCodes[keyword], func(_ *session, d *draft) { d.body = value(d.body) })
	}
	for _, keyword := range keywords {
		if keyword == "nullable" && schema.Default != nil {
			continue // validators that fill in defaults do so for null, too, before they look
		}
		if value, ok := poolFor(pointer).breaking(schema, keyword, func(any) bool { return true }); ok {
			breaks(pointer, keyword, func(body any) any { return at.set(body, value) })
		}
	}
	members := func(body any) object {
		if valid, ok := at.valid(body).(map[string]any); ok {
			return valid
		}
		return object{}
	}
	for _, name := range schema.Required {
		breaks(pointer+"/"+escape.Replace(name), "required", func(body any) any {
			return at.set(body, map[string]any(members(body).without(name)))
		})
	}
	if len(schema.Properties) > 0 {
		breaks(pointer+"/"+unknownMember, "additionalProperties", func(body any) any {
			return at.set(body, map[string]any(members(body).and(object{unknownMember: true})))
		})
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		inner := schema.Properties[name].Value
		op.schemaNegatives(pointer+"/"+escape.Replace(name), inner, place{
			valid: func(body any) any {
				if value, ok := members(body)[name]; ok {
					return value
				}
				return map[string]any{} // nothing inside an object is required, so far
			},
			set: func(body, value any) any {
				return at.set(body, map[string]any(members(body).and(object{name: value})))
			},
		}, poolFor, add)
	}
	if schema.Items != nil {
		op.schemaNegatives(pointer+"/0", schema.Items.Value, place{
			valid: func(any) any { return nil },
			set:   func(body, value any) any { return at.set(body, []any{value}) },
		}, poolFor, add)
	}
}

const unknownMember = "notInTheContract"

func (op *operation) formNegatives(form *openapi3.Schema, poolFor func(string) *pool, add adder) {
	bad := http.StatusBadRequest
	if form.MinProps > 0 {
		add("", "minProperties", bad, "", func(_ *session, d *draft) { d.body = map[string]any{} })
	}
	for _, name := range form.Required {
		add("/"+name, "required", bad, "required", func(_ *session, d *draft) { d.body = map[string]any{} })
	}
	add("/"+unknownMember, "additionalProperties", bad, "unknown", func(_ *session, d *draft) {
		d.parts = append(d.parts, field(unknownMember, "x"))
	})
	for _, name := range slices.Sorted(maps.Keys(form.Properties)) {
		schema := form.Properties[name].Value
		if schema.Format == "binary" {
			add("/"+name, "maxLength", http.StatusRequestEntityTooLarge, "", func(_ *session, d *draft) {
				d.parts = append(d.parts, upload(name, "large.png", "image/png", sized(fileLimit(schema)+1)))
			})
			add("/"+name, "duplicateKey", bad, "duplicate", func(_ *session, d *draft) {
				picture := upload(name, "a.png", "image/png", pngImage())
				d.parts = append(d.parts, picture, picture)
			})
			continue
		}
		add("/"+name, "duplicateKey", bad, "duplicate", func(_ *session, d *draft) {
			d.body = map[string]any{}
			d.parts = append(d.parts, field(name, "Go club"), field(name, "Go club"))
		})
		for _, keyword := range keywords {
			value, ok := poolFor("/"+name).breaking(schema, keyword, func(v any) bool { _, is := v.(string); return is })
			if ok {
				add("/"+name, keyword, bad, fieldCodes[keyword], func(_ *session, d *draft) { d.body = map[string]any{name: value} })
			}
		}
	}
}

// ---------------------------------------------------------------------------------------------------------- the values

// keywords are those that a value can break.
var keywords = []string{
	"type", "nullable", "enum", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "minItems", "maxItems", "uniqueItems",
	"minProperties",
}

type pool struct{ chance *rand.Rand }

// breaking samples a value that breaks a keyword of a schema and nothing else.
func (p *pool) breaking(schema *openapi3.Schema, keyword string, fits func(any) bool) (any, bool) {
	var fitting []any
	for _, value := range breakers(schema)[keyword] {
		if fits(value) {
			fitting = append(fitting, value)
		}
	}
	if len(fitting) == 0 {
		return nil, false
	}
	return fitting[p.chance.IntN(len(fitting))], true
}

// breakers are the values that break one keyword of a schema each. They are found once: the contract does not change.
func breakers(schema *openapi3.Schema) map[string][]any {
	if known, ok := breakersOf.Load(schema); ok {
		return known.(map[string][]any)
	}
	all := map[string][]any{}
	for _, value := range values(schema) {
		if keywords := broken(schema, value); len(keywords) == 1 && fieldCodes[keywords[0]] != "" {
			all[keywords[0]] = append(all[keywords[0]], value)
		}
	}
	breakersOf.Store(schema, all)
	return all
}

var breakersOf sync.Map // of *openapi3.Schema

// broken are the keywords of a schema that a value breaks, at its top.
func broken(schema *openapi3.Schema, value any) []string {
	var all []string
	var note func(error)
	note = func(err error) {
		var many openapi3.MultiError
		var one *openapi3.SchemaError
		switch {
		case err == nil:
		case errors.As(err, &many):
			for _, err := range many {
				note(err)
			}
		case errors.As(err, &one) && len(one.JSONPointer()) == 0:
			all = append(all, one.SchemaField)
		default:
			all = append(all, "something inside")
		}
	}
	note(schema.VisitJSON(value, openapi3.MultiErrors()))
	return all
}

// values are those among which one may break a schema as it should.
func values(schema *openapi3.Schema) []any {
	values := []any{nil, "text", 7.0, true, []any{}, map[string]any{}}
	texts := []string{"", "no such value", "Two words", "a\nb", "a\x00b", "ABCDEF", "#12345", "@", "no-address", "a@", "-5", "012"}
	lengths := []int{6, 24, 36, int(schema.MinLength), int(schema.MinLength) - 1}
	if schema.MaxLength != nil {
		lengths = append(lengths, int(*schema.MaxLength), int(*schema.MaxLength)+1)
	}
	for _, length := range lengths {
		for _, letter := range []string{"a", "g", "G", "0", "1", "z", "я"} {
			texts = append(texts, strings.Repeat(letter, max(length, 0)))
		}
		for _, frame := range []string{"%s@example.com", "https://example.com/%s"} {
			if room := length - len(frame) + 2; room > 0 {
				texts = append(texts, fmt.Sprintf(frame, strings.Repeat("a", room)))
			}
		}
	}
	for _, text := range texts {
		values = append(values, text)
	}
	if schema.Min != nil {
		values = append(values, *schema.Min-1)
	}
	if schema.Max != nil {
		values = append(values, *schema.Max+1)
	}
	if schema.Items != nil {
		var items []any
		distinct := 1
		if schema.MaxItems != nil {
			distinct += int(*schema.MaxItems)
		}
		for i := range min(distinct, 2000) {
			for _, form := range []string{"%024x", "%d"} {
				if item := fmt.Sprintf(form, i+1); len(broken(schema.Items.Value, item)) == 0 {
					items = append(items, item)
				}
			}
		}
		items = append(items, schema.Items.Value.Enum...)
		values = append(values, items)
		if len(items) > 0 {
			values = append(values, []any{items[0], items[0]})
		}
	}
	return values
}

// sendable tells whether a value of a parameter arrives as what it is: text that is not empty, of the right type only if
// it is of another in every reading.
func sendable(in string, schema *openapi3.Schema, value any) bool {
	if number, ok := value.(float64); ok {
		return !schema.Type.Is("string") && number == float64(int64(number))
	}
	text, ok := value.(string)
	if !ok || text == "" || strings.TrimSpace(text) != text || strings.ContainsAny(text, "/\x00\n") {
		return false
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && !schema.Type.Is("string") {
		return false
	}
	return in != openapi3.ParameterInHeader || strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// -------------------------------------------------------------------------------------------------------- the requests

// fixture is a server with one of everything, which the negatives of a run share. None of them should change it.
type fixture struct {
	*session
	known map[string]string
}

func (s *session) shared() *fixture {
	x := s.suite
	x.fixtureMu.Lock()
	defer x.fixtureMu.Unlock()
	if x.fixture == nil {
		x.fixture = &fixture{x.newSession(s.ctx), map[string]string{}}
	}
	return x.fixture
}

// get is the id of a thing, which is made the first time.
func (f *fixture) get(s *session, thing string) string {
	f.suite.fixtureMu.Lock()
	defer f.suite.fixtureMu.Unlock()
	if id := f.known[thing]; id != "" {
		return id
	}
	f.failures = nil
	f.ctx = s.ctx
	f.guard(func() {
		if f.known["server"] == "" {
			club := f.a.makesServer("Chess club")
			f.known["server"], f.known["user"] = club.id, club.owner
		}
		club := club{id: f.known["server"], owner: f.known["user"]}
		switch thing {
		case "channel":
			f.known[thing] = f.a.makesChannel(club, "open", nil)
		case "role":
			f.known[thing] = f.a.makesRole(club, nil)
		case "badge":
			f.known[thing] = f.a.makesBadge(club, nil)
		case "apikey", "key":
			key := f.a.makesKey(club, f.suite.contract.everyPermission()...)
			f.known["apikey"], f.known["key"] = key.id, key.whole
		}
	})
	if f.known[thing] == "" {
		if f.broken.Swap(false) {
			s.broken.Store(true)
		}
		s.stop("what the request needs could not be made: %s", strings.Join(f.texts(), "; "))
	}
	return f.known[thing]
}

func (s *session) texts() []string {
	var all []string
	for _, f := range s.failures {
		all = append(all, f.text)
	}
	return all
}

// draft is a request that an operation takes.
func (f *fixture) draft(s *session, op *operation) *draft {
	d := &draft{path: map[string]string{}, query: url.Values{}, header: map[string]string{}}
	for _, word := range op.words {
		name, is := strings.CutPrefix(word, "{")
		if !is {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		thing := map[string]string{
			"serverId": "server", "communityId": "server", "channelId": "channel", "badgeId": "badge", "apiKeyId": "apikey", "userId": "user",
			"id": "role",
		}[name]
		switch {
		case name == "id" && op.method == http.MethodGet: // a documented quirk
			d.path[name] = f.get(s, "user")
		case thing == "":
			d.path[name] = unknownID()
		default:
			d.path[name] = f.get(s, thing)
		}
	}
	if op.declared.Parameters.GetByInAndName(openapi3.ParameterInQuery, "serverId") != nil {
		d.query.Set("serverId", f.get(s, "server"))
	}
	if op.declared.RequestBody == nil {
		return d
	}
	for kind, content := range op.declared.RequestBody.Value.Content {
		d.kind, d.hasBody = kind, true
		schema := content.Schema.Value
		example, _ := content.Example.(map[string]any)
		body := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(example)) {
			if slices.Contains(schema.Required, name) || uint64(len(body)) < schema.MinProps {
				body[name] = example[name]
			}
		}
		if schema.Properties["serverId"] != nil {
			body["serverId"] = f.get(s, "server")
		}
		if schema.Properties["userId"] != nil {
			body["userId"] = f.get(s, "user")
		}
		d.body = body
	}
	return d
}

func (d *draft) send(who caller, op *operation) *answer {
	words := slices.Clone(op.words)
	for i, word := range words {
		if strings.HasPrefix(word, "{") {
			words[i] = url.PathEscape(d.path[strings.Trim(word, "{}")])
		}
	}
	path := strings.Join(words, "/")
	if len(d.query) > 0 {
		path += "?" + d.query.Encode()
	}
	for name, value := range d.header {
		who = who.with(name, value)
	}
	switch {
	case !d.hasBody:
		return who.send(op.method, path, "", nil)
	case d.raw != nil:
		return who.send(op.method, path, d.kind, d.raw)
	case d.kind == "application/json":
		return who.write(op.method, path, d.body)
	}
	var parts []part
	fields, _ := d.body.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, field(name, fmt.Sprint(fields[name])))
	}
	return who.submit(op.method, path, append(parts, d.parts...)...)
}

// without is the same object with less in it.
func (o object) without(name string) object {
	rest := maps.Clone(o)
	delete(rest, name)
	return rest
}

// fileLimit is how many bytes a file may have.
func fileLimit(schema *openapi3.Schema) int {
	limit, _ := schema.Extensions["x-max-bytes"].(float64)
	return int(limit)
}
