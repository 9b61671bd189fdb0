package conformance

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rejoin-dev/rejoin/api"
)

// A negative is a request that breaks one constraint of the contract and is right in all else.
//
// None is guessed. A value is sampled from a pool and validated against the very schema it is for; it is taken if that finds
// fault with it once, and with the keyword at hand. A constraint that nothing in the pool breaks alone has no negative:
// the length of an id cannot be wrong without its format being wrong, too.
type negative struct {
	op      *api.Operation
	pointer string // where in the request, as the answer must name it
	keyword string // what is broken
	status  int
	code    string // of the field in the answer; empty where the status says it all
	request func(*session, *draft)
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
		if op.Tag != tag {
			continue
		}
		with := needs(op)
		if len(op.Schemes) > 0 && !op.Takes(api.SessionAuth) {
			with = needs(op, "keys")
		}
		for _, n := range negativesOf(op, seed) {
			r := requirement{run: n.run, Requirement: Requirement{
				ID: n.id(), Section: tag, Level: Must, Source: c.sourceOf([]string{op.ID}), Operations: []string{op.ID}, With: with,
				Text: n.text(),
			}}
			if rateLimited(op) {
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
	return fmt.Sprintf("NEGATIVE-%s-%s-%s", n.op.ID, where, n.keyword)
}

func (n negative) text() string {
	where := "the body"
	if n.pointer != "" {
		where = n.pointer
	}
	if n.code == "" {
		return fmt.Sprintf("%s: %s (%s) answers %d", n.op.ID, where, n.keyword, n.status)
	}
	return fmt.Sprintf("%s: %s (%s) answers %d with %s", n.op.ID, where, n.keyword, n.status, n.code)
}

func (n negative) run(s *session) {
	who, d := s.shared(n.op)
	n.request(s, d)
	got := d.send(who)
	got.expect(n.status)
	if n.code != "" {
		got.refuses(n.pointer, n.code)
	}
}

// negatives is the list of those of an operation while it is made.
type negatives struct {
	op   *api.Operation
	seed uint64
	all  []negative
}

func negativesOf(op *api.Operation, seed uint64) []negative {
	n := &negatives{op: op, seed: seed}
	for _, p := range op.Parameters() {
		n.parameter(p)
	}
	switch {
	case op.Body == nil:
	case op.BodyType == "multipart/form-data":
		n.form(op.Body.Schema.Value)
	default:
		n.json(op.Body.Schema.Value)
	}
	return n.all
}

func (n *negatives) add(pointer, keyword string, status int, code string, request func(*session, *draft)) {
	n.all = append(n.all, negative{n.op, pointer, keyword, status, code, request})
}

// pool is where the values for a place come from.
func (n *negatives) pool(pointer string) *pool {
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.op.ID + pointer))
	return &pool{rand.New(rand.NewPCG(n.seed, h.Sum64()))}
}

func (n *negatives) parameter(p *openapi3.Parameter) {
	schema, pointer := p.Schema.Value, p.In+"/"+p.Name
	for _, keyword := range keywords {
		value, ok := n.pool(pointer).breaking(schema, keyword, func(v any) bool { return sendable(p.In, schema, v) })
		if !ok {
			continue
		}
		n.add(pointer, keyword, http.StatusBadRequest, fieldCodes[keyword], func(_ *session, d *draft) {
			text := fmt.Sprint(value)
			if number, is := value.(float64); is {
				text = strconv.FormatFloat(number, 'f', -1, 64)
			}
			switch p.In {
			case openapi3.ParameterInPath:
				d.path[p.Name] = text
			case openapi3.ParameterInQuery:
				d.query.Set(p.Name, text)
			default:
				d.header[p.Name] = text
			}
		})
	}
}

func (n *negatives) mediaType(kind string) {
	n.add("", "mediaType", http.StatusUnsupportedMediaType, "", func(_ *session, d *draft) { d.kind, d.raw = kind, []byte("name=x") })
}

func (n *negatives) json(body *openapi3.Schema) {
	const bad = http.StatusBadRequest
	wrong := "text/plain"
	if n.op.AlsoBodyType == wrong {
		wrong = "text/html"
	}
	n.mediaType(wrong)
	if n.op.Spec.RequestBody.Value.Required {
		n.add("", "required", bad, "required", func(_ *session, d *draft) { d.raw = []byte{} })
	}
	n.add("", "malformed", bad, "malformed", func(_ *session, d *draft) { d.raw = []byte(`{"`) })
	n.add("", "trailing", bad, "malformed", func(_ *session, d *draft) { d.raw = []byte(asJSON(d.body) + "{}") })
	if first := sortedKeys(body.Properties); len(first) > 0 {
		name := first[0]
		if len(body.Required) > 0 {
			name = slices.Min(body.Required)
		}
		n.add("/"+name, "duplicateKey", bad, "duplicate", func(_ *session, d *draft) {
			members, _ := d.body.(map[string]any)
			value := asJSON(members[name])
			rest := asJSON(object(members).without(name))
			d.raw = []byte(strings.Replace(fmt.Sprintf(`{%q:%s,%q:%s,`, name, value, name, value)+rest[1:], ",}", "}", 1))
		})
	}
	n.schema("", body, place{
		valid: func(body any) any { return body },
		set:   func(_, value any) any { return value },
	})
}

// place is where in a body a schema holds: what stands there in one that is right, and the body with something else.
type place struct {
	valid func(body any) any
	set   func(body, value any) any
}

func (n *negatives) schema(pointer string, schema *openapi3.Schema, at place) {
	breaks := func(pointer, keyword string, value func(body any) any) {
		n.add(pointer, keyword, http.StatusBadRequest, fieldCodes[keyword], func(_ *session, d *draft) { d.body = value(d.body) })
	}
	for _, keyword := range keywords {
		if keyword == "nullable" && schema.Default != nil {
			continue // validators that fill in defaults do so for null, too, before they look
		}
		if value, ok := n.pool(pointer).breaking(schema, keyword, func(any) bool { return true }); ok {
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
	for _, name := range sortedKeys(schema.Properties) {
		inner := schema.Properties[name].Value
		n.schema(pointer+"/"+escape.Replace(name), inner, place{
			valid: func(body any) any {
				if value, ok := members(body)[name]; ok {
					return value
				}
				return map[string]any{} // nothing inside an object is required, so far
			},
			set: func(body, value any) any {
				return at.set(body, map[string]any(members(body).and(object{name: value})))
			},
		})
	}
	if schema.Items != nil {
		n.schema(pointer+"/0", schema.Items.Value, place{
			valid: func(any) any { return nil },
			set:   func(body, value any) any { return at.set(body, []any{value}) },
		})
	}
}

const unknownMember = "notInTheContract"

func (n *negatives) form(form *openapi3.Schema) {
	const bad = http.StatusBadRequest
	n.mediaType("application/json")
	n.add("", "malformed", bad, "", func(_ *session, d *draft) {
		d.kind, d.raw = "multipart/form-data; boundary=xx", []byte("--xx\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nGo cl")
	})
	if form.MinProps > 0 {
		n.add("", "minProperties", bad, "", func(_ *session, d *draft) { d.body = map[string]any{} })
	}
	for _, name := range form.Required {
		n.add("/"+name, "required", bad, "required", func(_ *session, d *draft) { d.body, d.parts = map[string]any{}, nil })
	}
	n.add("/"+unknownMember, "additionalProperties", bad, "unknown", func(_ *session, d *draft) {
		d.parts = append(d.parts, field(unknownMember, "x"))
	})
	for _, name := range sortedKeys(form.Properties) {
		schema := form.Properties[name].Value
		if each := schema.Items; each != nil && isFile(each) {
			n.add("/"+name+"/0", "maxLength", http.StatusRequestEntityTooLarge, "", func(_ *session, d *draft) {
				d.parts = []part{upload(name, "large.png", "image/png", sized(fileLimit(each.Value)+1))}
			})
			n.add("/"+name, "maxItems", bad, "too_many", func(_ *session, d *draft) {
				d.parts = slices.Repeat([]part{upload(name, "a.png", "image/png", pngImage())}, int(*schema.MaxItems)+1)
			})
			continue
		}
		if schema.Format == "binary" {
			n.add("/"+name, "maxLength", http.StatusRequestEntityTooLarge, "", func(_ *session, d *draft) {
				d.parts = []part{upload(name, "large.png", "image/png", sized(fileLimit(schema)+1))}
			})
			n.add("/"+name, "duplicateKey", bad, "duplicate", func(_ *session, d *draft) {
				example, _ := d.op.Body.Example.(map[string]any)
				file := fileOf(name, form.Properties[name], example[name])
				d.parts = []part{file, file}
			})
			continue
		}
		n.add("/"+name, "duplicateKey", bad, "duplicate", func(_ *session, d *draft) {
			d.body = map[string]any{}
			d.parts = append(d.parts, field(name, "Go club"), field(name, "Go club"))
		})
		for _, keyword := range keywords {
			value, ok := n.pool("/"+name).breaking(schema, keyword, func(v any) bool { _, is := v.(string); return is })
			if ok {
				n.add("/"+name, keyword, bad, fieldCodes[keyword], func(_ *session, d *draft) { d.body = map[string]any{name: value} })
			}
		}
	}
}
