package api

// The rules for other people's tools: what they show, and what they do not understand.

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func describedParts(c *contract) {
	demand := func(key *yaml.Node, where string, part *yaml.Node) {
		if value(part, "$ref") == nil && strings.TrimSpace(text(value(part, "description"))) == "" {
			c.report(key, where, "has no description")
		}
	}
	for kind, members := range pairs(value(c.root, "components")) {
		for name, part := range pairs(members) {
			demand(name, strings.TrimSuffix(kind.Value, "s")+" "+name.Value, part)
		}
	}
	for _, op := range c.operations() {
		if key, body := entry(op.node, "requestBody"); body != nil {
			demand(key, op.name()+" request body", body)
		}
		for status, response := range pairs(value(op.node, "responses")) {
			demand(status, op.name()+" "+status.Value, response)
		}
	}
	for _, parts := range [][]named{c.allParameters(), c.headers()} {
		for _, part := range parts {
			demand(part.key, part.where, part.node)
		}
	}
}

func shownParameters(c *contract) {
	for _, p := range c.allParameters() {
		if value(p.node, "example") == nil {
			c.report(p.key, p.where, "has no example")
		}
	}
}

// declaredHeaders asks for the headers that package contract writes: X-Request-Id into every answer, and what an error
// needs.
func declaredHeaders(c *contract) {
	demand := func(key *yaml.Node, where string, response *yaml.Node, header string) {
		if value(value(response, "headers"), header) == nil {
			c.report(key, where, "must declare the header %s", header)
		}
	}
	for _, op := range c.operations() {
		for status, response := range pairs(value(op.node, "responses")) {
			if value(response, "$ref") == nil {
				demand(status, op.name()+" "+status.Value, response, "X-Request-Id")
			}
		}
	}
	for name, response := range pairs(c.component("responses")) {
		demand(name, name.Value, response, "X-Request-Id")
		for _, family := range families {
			switch name.Value {
			case family + "Unauthenticated":
				demand(name, name.Value, response, "WWW-Authenticate")
			case family + "Error":
				demand(name, name.Value, response, "Retry-After")
			}
		}
	}
}

// plainWords keeps out what is void by the standard ($ref with siblings), what few tools read (anchors), and what only
// one language knows: that stands in gen/overlay.yaml.
func plainWords(c *contract) {
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		if n.Anchor != "" || n.Kind == yaml.AliasNode {
			c.report(n, "the document", "has an anchor or an alias; write it out, or make it a component")
		}
		ref := value(n, "$ref")
		for key := range pairs(n) {
			if ref != nil && key.Value != "$ref" {
				c.report(key, ref.Value, "%s beside a $ref is void", key.Value)
			}
			if strings.HasPrefix(key.Value, "x-go-") || key.Value == "x-order" {
				c.report(key, "the document", "%s is for the generator alone: gen/overlay.yaml says it", key.Value)
			}
		}
		for _, child := range n.Content {
			visit(child)
		}
	}
	visit(c.root)
}

// growingLists lets x-grows stand where the comparison with earlier contracts looks for it.
func growingLists(c *contract) {
	components := slices.Collect(valuesOf(c.component("schemas")))
	for _, s := range c.schemas() {
		key, grows := entry(s.node, "x-grows")
		if key != nil && (text(grows) != "true" || value(s.node, "enum") == nil || !slices.Contains(components, s.node)) {
			c.report(key, s.where, "x-grows is true, and stands in a named schema with an enum")
		}
	}
}

// maskedSecrets lets x-secret stand only at a text that fits its schema also when it is masked, as the answer to a creation
// has it in another session.
func maskedSecrets(c *contract) {
	for _, s := range c.schemas() {
		key, secret := entry(s.node, "x-secret")
		if key != nil && (text(secret) != "true" || text(value(s.node, "type")) != "string") {
			c.report(key, s.where, "x-secret is true, and stands at a string")
		}
	}
	for _, op := range c.operations() {
		if !c.repeatable(op) {
			continue
		}
		for node := range c.reach(value(op.node, "responses")) {
			key, secret := entry(node, "x-secret")
			if secret == nil {
				continue
			}
			for _, narrow := range []string{"pattern", "format", "enum"} {
				if value(node, narrow) != nil {
					c.report(key, op.name(), "x-secret beside %s: what is masked would break it", narrow)
				}
			}
		}
	}
}
