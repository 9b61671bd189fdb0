package conformance

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rejoin-dev/rejoin/api"
)

// draft is a request to an operation that the contract allows, until somebody changes it.
type draft struct {
	op      *api.Operation
	path    map[string]string
	query   url.Values
	header  map[string]string
	kind    string
	body    any    // what is sent as JSON, or the fields of a form
	raw     []byte // sent instead of body
	parts   []part // more parts of a form
	hasBody bool
}

// draftOf is a request to an operation: what must be in it, about things of these ids.
func draftOf(op *api.Operation, id func(maker) string) *draft {
	d := &draft{op: op, path: map[string]string{}, query: url.Values{}, header: map[string]string{}}
	for _, p := range op.Parameters() {
		m, known := makerOf(p.Name, p.Schema)
		switch {
		case p.In == openapi3.ParameterInPath && !known:
			panic("nothing makes what the path parameter " + p.Name + " of " + op.ID + " stands for: it needs a maker")
		case p.In == openapi3.ParameterInPath:
			d.path[p.Name] = id(m)
		case p.In == openapi3.ParameterInQuery && known && m.inServer && m.thing != "server" && !p.Required: // it narrows the answer
		case p.In == openapi3.ParameterInQuery && known:
			d.query.Set(p.Name, id(m))
		case p.In == openapi3.ParameterInQuery && p.Required:
			d.query.Set(p.Name, fmt.Sprint(p.Example))
		case p.In == openapi3.ParameterInHeader && p.Required && known:
			d.header[p.Name] = id(m)
		case p.In == openapi3.ParameterInHeader && p.Required:
			d.header[p.Name] = fmt.Sprint(p.Example)
		}
	}
	if op.Body == nil {
		return d
	}
	schema := op.Body.Schema.Value
	d.kind, d.hasBody = op.BodyType, true
	if schema.Items != nil {
		d.body = items(op.Body.Example, schema.Items.Value, id)
		return d
	}
	example, _ := op.Body.Example.(map[string]any)
	body := map[string]any{}
	for _, name := range sortedKeys(example) {
		if slices.Contains(schema.Required, name) || uint64(len(body)) < schema.MinProps {
			body[name] = example[name]
		}
	}
	for _, name := range sortedKeys(schema.Properties) {
		inner := schema.Properties[name]
		m, known := makerOf(name, inner)
		switch required := slices.Contains(schema.Required, name); {
		case known && (required || m.thing == "server" || body[name] != nil):
			body[name] = id(m)
		case known && name == "user" && takesKeys(op) && op.Role != api.RoleMember: // which a key must name: see byKey for what members do for themselves
			body[name] = id(m)
		case required && isFile(inner):
			d.parts = append(d.parts, fileOf(name, inner, body[name]))
			delete(body, name)
		case required && op.Creates || required && inner.Value.Format == "email":
			if fresh, is := freshValue(inner.Value); is {
				body[name] = fresh
			}
		case required && inner.Value.Type.Is("array"):
			body[name] = items(body[name], inner.Value.Items.Value, id)
		}
	}
	d.body = body
	return d
}

// membersOf are those of the body of an operation, or of each of its items.
func membersOf(op *api.Operation) *openapi3.Schema {
	if body := op.Body.Schema.Value; body.Items != nil {
		return body.Items.Value
	}
	return op.Body.Schema.Value
}

// membersIn are those of a body, or of its first item.
func membersIn(body any) map[string]any {
	if list, is := body.([]any); is && len(list) > 0 {
		body = list[0]
	}
	members, _ := body.(map[string]any)
	return members
}

// change replaces the members of the body, or of its first item.
func (d *draft) change(to func(object) object) *draft {
	changed := map[string]any(to(membersIn(d.body)))
	if list, is := d.body.([]any); is {
		d.body = append([]any{changed}, list[1:]...)
	} else {
		d.body = changed
	}
	return d
}

// items are the items of an example, about things of these ids.
func items(example any, schema *openapi3.Schema, id func(maker) string) any {
	list, _ := example.([]any)
	filled := []any{}
	for _, item := range list {
		members, is := item.(map[string]any)
		if !is {
			return example
		}
		copied := object(members).and(object{})
		for name := range members {
			if m, known := makerOf(name, schema.Properties[name]); known {
				copied[name] = id(m)
			}
		}
		filled = append(filled, map[string]any(copied))
	}
	return filled
}

// freshValue is a value of what only one account can have, or one thing in a community.
func freshValue(schema *openapi3.Schema) (value string, is bool) {
	unique, _ := schema.Extensions["x-unique"].(bool)
	switch {
	case schema.Format == "email":
		return freshEmail(), true
	case unique:
		return "conf-" + unknownID(), true
	}
	return "", false
}

// leavesServerOut is the request without what names its server, where that may be left out.
func (d *draft) leavesServerOut() *draft {
	d.query.Del("serverId")
	return d.without("serverId")
}

// without is the request without a member of its body.
func (d *draft) without(name string) *draft {
	if !d.hasBody {
		return d
	}
	return d.change(func(members object) object { return members.without(name) })
}

// and is the request with a member of its body replaced.
func (d *draft) and(name string, value any) *draft {
	return d.change(func(members object) object { return members.and(object{name: value}) })
}

func (d *draft) send(who caller) *answer {
	path := d.op.Fill(func(p *openapi3.Parameter) string { return d.path[p.Name] })
	if len(d.query) > 0 {
		path += "?" + d.query.Encode()
	}
	for name, value := range d.header {
		who = who.with(name, value)
	}
	switch {
	case !d.hasBody:
		return who.send(d.op.Method, path, "", nil)
	case d.raw != nil:
		return who.send(d.op.Method, path, d.kind, d.raw)
	case d.kind == "application/json":
		return who.write(d.op.Method, path, d.body)
	}
	var parts []part
	fields, _ := d.body.(map[string]any)
	for _, name := range sortedKeys(fields) {
		parts = append(parts, field(name, fmt.Sprint(fields[name])))
	}
	return who.submit(d.op.Method, path, append(parts, d.parts...)...)
}

// without is the same object with less in it.
func (o object) without(name string) object {
	rest := maps.Clone(o)
	delete(rest, name)
	return rest
}

// isFile tells whether a part of a form is a file, or several may be.
func isFile(part *openapi3.SchemaRef) bool {
	return part.Value.Format == "binary" || part.Value.Items != nil && isFile(part.Value.Items)
}

// lengthen repeats the last line of the file of a form, where nothing else tells one form from another.
func (d *draft) lengthen(times int) {
	lines := bytes.SplitAfter(d.parts[0].data, []byte("\n"))
	last := lines[len(lines)-2]
	d.parts[0].data = append(slices.Clone(d.parts[0].data), bytes.Repeat(last, max(times, 0))...)
}

// fileOf is a file for a part: the example, where any kind of file is taken, and else a picture.
func fileOf(name string, schema *openapi3.SchemaRef, example any) part {
	if text, is := example.(string); is && schema.Value.Extensions["x-media-types"] == nil {
		return upload(name, "rows.csv", "text/csv", []byte(text))
	}
	return upload(name, "a.png", "image/png", pngImage())
}

// fileLimit is how many bytes a file may have.
func fileLimit(schema *openapi3.Schema) int {
	limit, _ := schema.Extensions["x-max-bytes"].(float64)
	return int(limit)
}

func sortedKeys[V any](all map[string]V) []string { return slices.Sorted(maps.Keys(all)) }
