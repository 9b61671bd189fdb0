package api

// The rules for schemas, and for the document as a whole.

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

func validDocument(c *contract) {
	const where = "the document"
	if version := value(c.root, "openapi"); text(version) != "3.0.3" {
		c.report(version, where, "openapi must be 3.0.3")
	}
	doc, err := c.document()
	if err == nil {
		err = doc.Validate(openapi3.NewLoader().Context, openapi3.EnableSchemaFormatValidation())
	}
	if err != nil {
		c.report(&yaml.Node{Line: lineOf(err)}, where, "%v", err)
	}
	for node := range c.reach(c.root) {
		if ref := value(node, "$ref"); ref != nil && c.resolve(node) == nil {
			c.report(ref, ref.Value, "is not there")
		}
	}
}

func closedRequests(c *contract) {
	requests := map[*yaml.Node]bool{}
	for _, op := range c.operations() {
		maps.Copy(requests, c.reach(value(op.node, "requestBody")))
	}
	for _, s := range c.schemas() {
		isObject := text(value(s.node, "type")) == "object" || value(s.node, "properties") != nil
		isMap := value(s.node, "properties") == nil && value(value(s.node, "additionalProperties"), "type") != nil && value(s.node, "maxProperties") != nil
		if requests[s.node] && isObject && !isMap && text(value(s.node, "additionalProperties")) != "false" {
			c.report(s.key, s.where, "is part of a request, so it must say additionalProperties: false, or be a map with maxProperties")
		}
	}
}

func boundedValues(c *contract) {
	bounds := map[string][]string{"string": {"maxLength"}, "array": {"maxItems"}, "integer": {"minimum", "maximum"}}
	for _, s := range c.schemas() {
		kind := text(value(s.node, "type"))
		if value(s.node, "enum") != nil || text(value(s.node, "format")) == "binary" {
			if limit := value(s.node, "maxLength"); limit != nil {
				c.report(limit, s.where, "maxLength says nothing beside enum, and no bytes of a file")
			}
			continue
		}
		for _, bound := range bounds[kind] {
			if value(s.node, bound) == nil {
				c.report(s.key, s.where, "a value of type %s must have %s", kind, bound)
			}
		}
	}
}

func checkedFormats(c *contract) {
	uploads, elsewhere := map[*yaml.Node]bool{}, map[*yaml.Node]bool{}
	for _, m := range c.media() {
		inForm := m.status == "" && strings.HasPrefix(m.kind.Value, "multipart/")
		if inForm || m.status != "" && (strings.HasPrefix(m.kind.Value, "image/") || m.kind.Value == "text/csv" || m.kind.Value == "text/event-stream") {
			maps.Copy(uploads, c.reach(m.node))
		} else {
			maps.Copy(elsewhere, c.reach(m.node))
		}
	}
	for _, s := range c.schemas() {
		key, format := entry(s.node, "format")
		if format == nil {
			continue
		}
		checked := false
		switch kind := text(value(s.node, "type")); {
		case kind == "string" && format.Value == "binary":
			if !uploads[s.node] || elsewhere[s.node] {
				c.report(key, s.where, "binary is only for multipart requests, and image/*, text/csv and text/event-stream answers")
			}
			continue
		case kind == "string":
			_, checked = openapi3.SchemaStringFormats[format.Value]
		case kind == "integer":
			_, checked = openapi3.SchemaIntegerFormats[format.Value]
		case kind == "number":
			_, checked = openapi3.SchemaNumberFormats[format.Value]
		}
		if !checked {
			c.report(key, s.where, "nothing checks the format %s", format.Value)
		}
	}
}

func wordedPatterns(c *contract) {
	for _, s := range c.schemas() {
		key, pattern := entry(s.node, "pattern")
		form, words := entry(s.node, "x-form")
		switch {
		case key != nil && !strings.HasPrefix(text(words), "must "):
			c.report(key, s.where, "has the pattern %s, so its x-form must say in words what it must be", text(pattern))
		case key == nil && form != nil && !worded(s.node):
			c.report(form, s.where, "has an x-form and no pattern, format or minProperties")
		}
	}
}

// worded tells whether an error says the x-form of a schema without a pattern.
func worded(schema *yaml.Node) bool {
	format, _ := entry(schema, "format")
	least, _ := entry(schema, "minProperties")
	return format != nil || least != nil
}

func nothingReadOnly(c *contract) {
	for _, s := range c.schemas() {
		for _, word := range []string{"readOnly", "writeOnly"} {
			if key, _ := entry(s.node, word); key != nil {
				c.report(key, s.where, "is %s; write separate X, XCreate and XUpdate schemas", word)
			}
		}
	}
}

var reserved = regexp.MustCompile(`(Response|Request|Params|Body)$`)

func namedAfterWhatTheyAre(c *contract) {
	envelopes := map[string]bool{}
	for _, m := range c.media() {
		if m.status != "" {
			envelopes[refName(value(m.node, "schema"), "schemas")] = true
		}
	}
	for _, schema := range pairs(value(c.root, "x-envelope-families")) {
		envelopes[refName(schema, "schemas")] = true
	}
	for name := range pairs(c.component("schemas")) {
		if ending := reserved.FindString(name.Value); ending != "" && !envelopes[name.Value] {
			c.report(name, name.Value, "only what an answer uses as its whole body may be called %s", ending)
		}
	}
}

func oneOrder(c *contract) {
	paths, _ := entry(c.root, "paths")
	components, _ := entry(c.root, "components")
	schemas, _ := entry(value(c.root, "components"), "schemas")
	if paths == nil || components == nil || schemas == nil {
		c.report(c.root, "the document", "must have paths, components and schemas")
		return
	}
	inPaths, inSchemas := c.sections(paths.Line, components.Line), c.sections(schemas.Line, 1<<30)

	c.inOrder(inPaths, c.tags())
	for _, tag := range sequence(value(c.root, "tags")) {
		name := text(value(tag, "name"))
		if !slices.ContainsFunc(inPaths, func(s section) bool { return s.name == name }) {
			c.report(tag, "tag "+name, "has no section `# ---- %s` in paths", name)
		}
	}
	users := map[*yaml.Node]map[string]bool{}
	for _, op := range c.operations() {
		tag := op.tag()
		if stands := sectionAt(inPaths, op.key.Line); stands != tag {
			c.report(op.key, op.name(), "has the tag %q and stands in the section %q", tag, stands)
		}
		used := c.reach(op.node)
		maps.Copy(used, c.reach(value(op.item, "parameters")))
		for node := range used {
			if users[node] == nil {
				users[node] = map[string]bool{}
			}
			users[node][tag] = true
		}
	}

	// A schema may be shared before it has a second user: ObjectId is nobody's own. But what stands with a tag is the
	// tag's alone.
	c.inOrder(inSchemas, append(c.tags(), "shared"))
	if len(inSchemas) == 0 || inSchemas[len(inSchemas)-1].name != "shared" {
		c.report(schemas, "schemas", "must end in the section `# ---- shared`")
	}
	for name, schema := range pairs(value(value(c.root, "components"), "schemas")) {
		stands := sectionAt(inSchemas, name.Line)
		if stands == "shared" {
			continue
		}
		if by := slices.Sorted(maps.Keys(users[schema])); !slices.Equal(by, []string{stands}) {
			c.report(name, name.Value, "stands in the section %q and is used by %q", stands, by)
		}
	}
}

// inOrder reports the sections that stand behind one which should come later, or that nobody knows.
func (c *contract) inOrder(sections []section, order []string) {
	last := -1
	for _, s := range sections {
		at := slices.Index(order, s.name)
		if at <= last {
			line := &yaml.Node{Line: s.line}
			c.report(line, "section "+s.name, "stands out of order, or is none; the order is %v", order)
		}
		last = max(at, last)
	}
}

func nothingUnused(c *contract) {
	used := c.reach(value(c.root, "x-envelope-families"))
	tags, schemes := map[string]bool{}, map[string]bool{}
	for _, op := range c.operations() {
		tags[op.tag()] = true
		maps.Copy(used, c.reach(op.item))
		for _, alternative := range sequence(value(op.node, "security")) {
			for scheme := range pairs(alternative) {
				schemes[scheme.Value] = true
			}
		}
	}
	for kind, members := range pairs(value(c.root, "components")) {
		for name, component := range pairs(members) {
			if !used[component] && !(kind.Value == "securitySchemes" && schemes[name.Value]) {
				c.report(name, name.Value, "is used nowhere (components/%s)", kind.Value)
			}
		}
	}
	for _, tag := range sequence(value(c.root, "tags")) {
		if name := text(value(tag, "name")); !tags[name] {
			c.report(tag, "tag "+name, "is used nowhere")
		}
	}
}
