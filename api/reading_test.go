package api

// Reading the contract.

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

// contract is one text, read twice: as YAML nodes, which know their lines, and as the validator understands it.
type contract struct {
	spec     []byte
	root     *yaml.Node
	document func() (*openapi3.T, error) // with all objects closed
	found    []violation
}

func (c *contract) report(at *yaml.Node, where, format string, args ...any) {
	line := 1
	if at != nil {
		line = at.Line
	}
	c.found = append(c.found, violation{line, where, fmt.Sprintf(format, args...)})
}

// closedDocument reads a contract so that no object allows a property that it does not declare.
func closedDocument(spec []byte) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.IncludeOrigin = true
	doc, err := loader.LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	err = doc.WalkSchemas(func(_ string, ref *openapi3.SchemaRef) error {
		extra := &ref.Value.AdditionalProperties
		if len(ref.Value.Properties) > 0 && extra.Has == nil && extra.Schema == nil {
			extra.Has = openapi3.Ptr(false)
		}
		return nil
	})
	return doc, err
}

// operation is one method of one path.
type operation struct {
	path, method string
	item         *yaml.Node // what stands under the path
	key, node    *yaml.Node // `get:` and what stands under it
}

func (o operation) route() string { return strings.ToUpper(o.method) + " " + o.path }

// name is the operationId, or the route of an operation that has none.
func (o operation) name() string {
	if id := text(value(o.node, "operationId")); id != "" {
		return id
	}
	return o.route()
}

func (o operation) tag() string {
	if tags := sequence(value(o.node, "tags")); len(tags) > 0 {
		return tags[0].Value
	}
	return ""
}

func (o operation) admits(scheme string) bool {
	return slices.ContainsFunc(sequence(value(o.node, "security")), func(requirement *yaml.Node) bool {
		return value(requirement, scheme) != nil
	})
}

// parameters are those of the path and those of the operation.
func (o operation) parameters() []*yaml.Node {
	return slices.Concat(sequence(value(o.item, "parameters")), sequence(value(o.node, "parameters")))
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// operations are in the order of the file.
func (c *contract) operations() []operation {
	var all []operation
	for path, item := range pairs(value(c.root, "paths")) {
		for key, node := range pairs(item) {
			if slices.Contains(methods, key.Value) {
				all = append(all, operation{path.Value, key.Value, item, key, node})
			}
		}
	}
	return all
}

func (c *contract) tags() []string {
	var names []string
	for _, tag := range sequence(value(c.root, "tags")) {
		names = append(names, text(value(tag, "name")))
	}
	return names
}

func (c *contract) component(kind string) *yaml.Node { return value(value(c.root, "components"), kind) }

// media is one content type of a request body or of an answer.
type media struct {
	op         operation
	status     string // empty for a request
	kind, node *yaml.Node
}

func (c *contract) media() []media {
	var all []media
	for _, op := range c.operations() {
		for kind, node := range pairs(value(c.resolve(value(op.node, "requestBody")), "content")) {
			all = append(all, media{op, "", kind, node})
		}
		for status, response := range pairs(value(op.node, "responses")) {
			for kind, node := range pairs(value(c.resolve(response), "content")) {
				all = append(all, media{op, status.Value, kind, node})
			}
		}
	}
	return all
}

// mediaType is what the validator made of m, or nil.
func (c *contract) mediaType(m media) *openapi3.MediaType {
	doc, err := c.document()
	if err != nil {
		return nil
	}
	declared := doc.Paths.Value(m.op.path).GetOperation(strings.ToUpper(m.op.method))
	if m.status == "" {
		return declared.RequestBody.Value.Content[m.kind.Value]
	}
	return declared.Responses.Value(m.status).Value.Content[m.kind.Value]
}

// named is something in the contract together with the words that find it: the line of its key, and where it is.
type named struct {
	where     string
	key, node *yaml.Node
}

func (c *contract) allParameters() []named {
	var all []named
	for name, node := range pairs(c.component("parameters")) {
		all = append(all, named{"parameter " + name.Value, name, node})
	}
	own := func(where string, list *yaml.Node) {
		for _, node := range sequence(list) {
			if value(node, "$ref") == nil {
				all = append(all, named{where + " parameter " + text(value(node, "name")), node, node})
			}
		}
	}
	for path, item := range pairs(value(c.root, "paths")) {
		own(path.Value, value(item, "parameters"))
	}
	for _, op := range c.operations() {
		own(op.name(), value(op.node, "parameters"))
	}
	return all
}

func (c *contract) headers() []named {
	var all []named
	of := func(where string, response *yaml.Node) {
		for name, node := range pairs(value(response, "headers")) {
			all = append(all, named{where + " header " + name.Value, name, node})
		}
	}
	for name, node := range pairs(c.component("headers")) {
		all = append(all, named{"header " + name.Value, name, node})
	}
	for name, response := range pairs(c.component("responses")) {
		of(name.Value, response)
	}
	for _, op := range c.operations() {
		for status, response := range pairs(value(op.node, "responses")) {
			of(op.name()+" "+status.Value, response)
		}
	}
	return all
}

// schemas are all schemas written in the contract, each once, with those inside them: `Server.owner`, `Member.roles[]`.
func (c *contract) schemas() []named {
	var all []named
	seen := map[*yaml.Node]bool{}
	var add func(where string, key, node *yaml.Node)
	add = func(where string, key, node *yaml.Node) {
		if node == nil || node.Kind != yaml.MappingNode || value(node, "$ref") != nil || seen[node] {
			return
		}
		seen[node] = true
		all = append(all, named{where, key, node})
		for name, property := range pairs(value(node, "properties")) {
			add(where+"."+name.Value, name, property)
		}
		for _, inner := range []struct{ word, suffix string }{{"items", "[]"}, {"additionalProperties", "{}"}, {"not", ""}} {
			key, schema := entry(node, inner.word)
			add(where+inner.suffix, key, schema)
		}
		for _, word := range []string{"allOf", "anyOf", "oneOf"} {
			for _, schema := range sequence(value(node, word)) {
				add(where, schema, schema)
			}
		}
	}
	for name, node := range pairs(c.component("schemas")) {
		add(name.Value, name, node)
	}
	for _, holder := range slices.Concat(c.allParameters(), c.headers()) {
		key, node := entry(holder.node, "schema")
		add(holder.where, key, node)
	}
	for _, m := range c.media() {
		key, node := entry(m.node, "schema")
		add(strings.TrimSpace(m.op.name()+" "+m.status), key, node)
	}
	return all
}

// reach is every node that can be come to from one, through references too.
func (c *contract) reach(from *yaml.Node) map[*yaml.Node]bool {
	seen := map[*yaml.Node]bool{}
	var visit func(*yaml.Node)
	visit = func(n *yaml.Node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		visit(n.Alias)
		if ref := value(n, "$ref"); ref != nil {
			visit(c.resolve(n))
		}
		for _, child := range n.Content {
			visit(child)
		}
	}
	visit(from)
	return seen
}

// resolve follows a $ref into this document. It returns nil where there is nothing.
func (c *contract) resolve(n *yaml.Node) *yaml.Node {
	for range 10 {
		ref := value(n, "$ref")
		if ref == nil {
			return n
		}
		n = c.root
		for _, word := range strings.Split(strings.TrimPrefix(ref.Value, "#/"), "/") {
			n = value(n, word)
		}
	}
	return nil
}

// section is what stands between one banner, `# ---- name`, and the next.
type section struct {
	name string
	line int
}

var banner = regexp.MustCompile(`^ +# -{4,} (\S+)$`)

func (c *contract) sections(after, before int) []section {
	var all []section
	for i, line := range bytes.Split(c.spec, []byte("\n")) {
		if match := banner.FindSubmatch(line); match != nil && i+1 > after && i+1 < before {
			all = append(all, section{string(match[1]), i + 1})
		}
	}
	return all
}

func sectionAt(sections []section, line int) string {
	name := ""
	for _, s := range sections {
		if s.line < line {
			name = s.name
		}
	}
	return name
}

// plain is the node that an alias stands for.
func plain(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// pairs are the keys and values of a mapping, in order; of anything else, none.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if n = plain(n); n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], plain(n.Content[i+1])) {
				return
			}
		}
	}
}

func valuesOf(n *yaml.Node) iter.Seq[*yaml.Node] {
	return func(yield func(value *yaml.Node) bool) {
		for _, value := range pairs(n) {
			if !yield(value) {
				return
			}
		}
	}
}

func keysOf(n *yaml.Node) iter.Seq[*yaml.Node] {
	return func(yield func(key *yaml.Node) bool) {
		for key := range pairs(n) {
			if !yield(key) {
				return
			}
		}
	}
}

func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	for key, value := range pairs(n) {
		if key.Value == name {
			return key, value
		}
	}
	return nil, nil
}

func value(n *yaml.Node, name string) *yaml.Node {
	_, value := entry(n, name)
	return value
}

func sequence(n *yaml.Node) []*yaml.Node {
	if n = plain(n); n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

func text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}

func either(first, second *yaml.Node) *yaml.Node {
	if first != nil {
		return first
	}
	return second
}

// refName is the name of the component of a kind that a $ref points to, or empty.
func refName(n *yaml.Node, kind string) string {
	name, found := strings.CutPrefix(text(value(n, "$ref")), "#/components/"+kind+"/")
	if !found {
		return ""
	}
	return name
}

func isSuccess(status string) bool { return strings.HasPrefix(status, "2") }

// descend follows a path into an example as far as it goes, and returns the key or the item it ends at.
func descend(key, n *yaml.Node, path []string) *yaml.Node {
	at := key
	for _, step := range path {
		if items := sequence(n); items != nil {
			if i, err := strconv.Atoi(step); err == nil && i < len(items) {
				at, n = items[i], plain(items[i])
			}
			continue
		}
		if inner, next := entry(n, step); inner != nil {
			at, n = inner, next
		}
	}
	return at
}

func schemaErrors(err error) []*openapi3.SchemaError {
	var several openapi3.MultiError
	var one *openapi3.SchemaError
	switch {
	case errors.As(err, &several):
		var all []*openapi3.SchemaError
		for _, err := range several {
			all = append(all, schemaErrors(err)...)
		}
		return all
	case errors.As(err, &one):
		return []*openapi3.SchemaError{one}
	}
	return nil
}

func describe(err *openapi3.SchemaError) string {
	return fmt.Sprintf("/%s: %s", strings.Join(place(err), "/"), err.Reason)
}

// place is where in the value the error is. The validator names the object around an undeclared property.
func place(err *openapi3.SchemaError) []string {
	var name string
	if _, failed := fmt.Sscanf(err.Reason, "property %q is unsupported", &name); failed == nil {
		return append(err.JSONPointer(), name)
	}
	return err.JSONPointer()
}

var lineInText = regexp.MustCompile(`line (\d+)`)

// lineOf is the innermost place that an error of the validator knows, or 1.
func lineOf(err error) int {
	line := 1
	if match := lineInText.FindStringSubmatch(err.Error()); match != nil {
		line, _ = strconv.Atoi(match[1])
	}
	for err != nil {
		if several, ok := err.(openapi3.MultiError); ok && len(several) > 0 {
			err = several[0]
		}
		if v := reflect.Indirect(reflect.ValueOf(err)); v.Kind() == reflect.Struct {
			if field := v.FieldByName("Origin"); field.IsValid() {
				if origin, ok := field.Interface().(*openapi3.Origin); ok && origin != nil && origin.Key != nil {
					line = origin.Key.Line
				}
			}
		}
		err = errors.Unwrap(err)
	}
	return line
}
