package api

// The rules for operations: what they say of themselves, take and answer.

import (
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

var (
	verbNoun = regexp.MustCompile(`^[a-z]+([A-Z][a-z0-9]*)+$`)
	sources  = []string{"documented", "named", "rejoin"}
)

func describedOperations(c *contract) {
	named := map[string]string{}
	for _, op := range c.operations() {
		switch tags := sequence(value(op.node, "tags")); {
		case len(tags) != 1:
			c.report(op.key, op.name(), "must have exactly one tag, has %d", len(tags))
		case !slices.Contains(c.tags(), tags[0].Value):
			c.report(tags[0], op.name(), "the tag %s is not declared", tags[0].Value)
		}

		switch id := value(op.node, "operationId"); {
		case text(id) == "":
			c.report(op.key, op.name(), "has no operationId")
		case !verbNoun.MatchString(id.Value):
			c.report(id, op.name(), "operationId must be a verb and a noun in lower camel case")
		case named[id.Value] != "":
			c.report(id, op.name(), "operationId is taken by %s", named[id.Value])
		default:
			named[id.Value] = op.route()
		}

		for _, key := range []string{"summary", "description"} {
			if strings.TrimSpace(text(value(op.node, key))) == "" {
				c.report(op.key, op.name(), "has no %s", key)
			}
		}
		if value(op.node, "security") == nil {
			c.report(op.key, op.name(), "must say its security, be it []")
		}
		if key, source := entry(op.node, "x-source"); !slices.Contains(sources, text(source)) {
			c.report(either(key, op.key), op.name(), "x-source must be one of %v", sources)
		}
	}
}

// acceptedExamples takes the document with all objects closed: an example that shows what its schema does not declare
// is a mistake in one of the two.
func acceptedExamples(c *contract) {
	for _, m := range c.media() {
		request := m.status == ""
		inForm := strings.HasPrefix(m.kind.Value, "multipart/")
		if m.kind.Value != "application/json" && !(request && inForm) || !request && !isSuccess(m.status) {
			continue
		}
		subject := "the request body"
		if !request {
			subject = "the answer " + m.status
		}
		key, example := entry(m.node, "example")
		if example == nil {
			c.report(m.kind, m.op.name(), "%s has no example", subject)
			continue
		}
		declared := c.mediaType(m)
		if declared == nil || declared.Schema == nil || declared.Schema.Value == nil {
			continue // validDocument and flatAnswers say why
		}
		as := openapi3.VisitAsResponse()
		if request {
			as = openapi3.VisitAsRequest()
		}
		err := declared.Schema.Value.VisitJSON(declared.Example, as, openapi3.MultiErrors())
		for _, refused := range schemaErrors(err) {
			at := descend(key, example, place(refused))
			c.report(at, m.op.name(), "the example of %s: %s", subject, describe(refused))
		}
	}
}

// ownErrors are the failures an operation can give of its own. They are listed one by one; all others are `default`.
var ownErrors = map[string]string{
	"400": "InvalidRequest",
	"401": "Unauthenticated",
	"403": "PermissionDenied",
	"404": "NotFound",
	"409": "Conflict",
}

func errorsByReference(c *contract) {
	for _, op := range c.operations() {
		family := ""
		key, fallback := entry(value(op.node, "responses"), "default")
		if fallback == nil {
			c.report(op.key, op.name(), "has no default response")
		} else {
			family, _ = strings.CutSuffix(refName(fallback, "responses"), "Error")
			if !slices.Contains(families, family) {
				c.report(key, op.name(), "default must be a $ref to one of <Family>Error, a family being one of %v", families)
				continue
			}
		}
		for status, response := range pairs(value(op.node, "responses")) {
			if status.Value == "default" || !strings.HasPrefix(status.Value, "4") && !strings.HasPrefix(status.Value, "5") {
				continue
			}
			meaning, own := ownErrors[status.Value]
			name := refName(response, "responses")
			switch {
			case !own:
				c.report(status, op.name(), "%s is not listed one by one: default covers it", status.Value)
			case !strings.HasSuffix(name, meaning):
				c.report(status, op.name(), "%s must be a $ref to <Family>%s", status.Value, meaning)
			case name != family+meaning && family != "":
				c.report(status, op.name(), "%s is not of the family %s, to which default belongs", name, family)
			}
		}
	}
	for name, response := range pairs(c.component("responses")) {
		for _, family := range families {
			schema := value(value(value(response, "content"), "application/json"), "schema")
			if strings.HasPrefix(name.Value, family) && refName(schema, "schemas") != family+"ErrorResponse" {
				c.report(name, name.Value, "must have exactly the body %sErrorResponse", family)
			}
		}
	}
}

func expectedErrors(c *contract) {
	for _, op := range c.operations() {
		listed := func(status string) bool { return value(value(op.node, "responses"), status) != nil }
		if len(sequence(value(op.node, "security"))) > 0 {
			for _, status := range []string{"401", "403"} {
				if !listed(status) {
					c.report(op.key, op.name(), "needs a credential, so it must list %s", status)
				}
			}
		}
		takes := value(op.node, "requestBody") != nil
		for _, parameter := range op.parameters() {
			in := text(value(c.resolve(parameter), "in"))
			takes = takes || in == "path" || in == "query"
		}
		if takes && !listed("400") {
			c.report(op.key, op.name(), "takes a body or parameters, so it must list 400")
		}
	}
}

func declaredSecurity(c *contract) {
	for _, op := range c.operations() {
		for _, requirement := range sequence(value(op.node, "security")) {
			names := slices.Collect(keysOf(requirement))
			if len(names) != 1 {
				c.report(requirement, op.name(), "a security requirement names 1 scheme, and this names %d schemes", len(names))
			}
			for _, name := range names {
				if value(c.component("securitySchemes"), name.Value) == nil {
					c.report(name, op.name(), "the security scheme %s is not declared", name.Value)
				}
			}
		}
	}
}

func namedPermissions(c *contract) {
	names := []string{"any"}
	for _, name := range sequence(value(value(c.component("schemas"), "KeyPermission"), "enum")) {
		names = append(names, name.Value)
	}
	for _, op := range c.operations() {
		key, permission := entry(op.node, "x-required-permission")
		switch admits := op.admits("keyAuth") || op.admits("apiKeyAuth"); {
		case !admits && key != nil:
			c.report(key, op.name(), "takes only sessions, so it has no x-required-permission")
		case admits && key == nil:
			c.report(op.key, op.name(), "takes API keys, so x-required-permission must say which")
		case admits && !slices.Contains(names, text(permission)):
			c.report(key, op.name(), "the permission %s is none of %v", text(permission), names)
		}
	}
}

func namedAudits(c *contract) {
	var actions []string
	for _, action := range sequence(value(value(c.component("schemas"), "AuditAction"), "enum")) {
		actions = append(actions, action.Value)
	}
	for _, op := range c.operations() {
		if key, action := entry(op.node, "x-audit"); key != nil && !slices.Contains(actions, text(action)) {
			c.report(key, op.name(), "x-audit is %s, which is not in the enum of AuditAction", text(action))
		}
	}
}

func hiddenServers(c *contract) {
	for _, op := range c.operations() {
		takesID := strings.Contains(op.path, "{")
		if value(op.node, "x-required-role") != nil && takesID && value(value(op.node, "responses"), "404") == nil {
			c.report(op.key, op.name(), "has an x-required-role and an id in its path, so it must list 404")
		}
	}
}

var rateInWords = regexp.MustCompile(`(?i)\b(429|rate[- _]?limit\w*|(per|a|an|each|every) (second|minute|hour))\b`)

// derivedRateLimits keeps numbers out of the texts: how often a class may be called is the server's to say.
func derivedRateLimits(c *contract) {
	for _, op := range c.operations() {
		key, limit := entry(op.node, "description")
		if words := rateInWords.FindString(text(limit)); words != "" {
			c.report(key, op.name(), "the description says %q; x-rate-limit alone says that calls are limited", words)
		}
	}
}

// createsWith200 are the operations that make something and answer 200 all the same: because they always have, or because what they make is not what is asked for.
var createsWith200 = []string{"createChannel", "createBadge", "sendMessage", "replyMessage", "playMiniGame", "bulkImport", "bulkUpdate", "bulkUpdatePremium", "receiveWebhook"}

// repeatable tells whether an operation takes an Idempotency-Key.
func (c *contract) repeatable(op operation) bool {
	return slices.ContainsFunc(op.parameters(), func(p *yaml.Node) bool {
		p = c.resolve(p)
		return text(value(p, "in")) == "header" && text(value(p, "name")) == "Idempotency-Key"
	})
}

func repeatableCreations(c *contract) {
	const key, told = "Idempotency-Key", "Idempotent-Replayed"
	for _, op := range c.operations() {
		responses := value(op.node, "responses")
		success := "201"
		if slices.Contains(createsWith200, op.name()) {
			success = "200"
		}
		at, created := entry(responses, success)
		creates := op.method == "post" && created != nil
		repeatable := c.repeatable(op)
		switch {
		case creates && !repeatable:
			c.report(op.key, op.name(), "creates something, so it must take an %s", key)
		case !creates && repeatable:
			c.report(op.key, op.name(), "creates nothing, so it takes no %s", key)
		case creates:
			if value(responses, "409") == nil {
				c.report(op.key, op.name(), "takes an %s, so it must list 409", key)
			}
			if value(value(created, "headers"), told) == nil {
				c.report(at, op.name(), "takes an %s, so the answer %s must declare the header %s", key, success, told)
			}
		}
	}
}

// families are the kinds of envelope, as they begin the names of error responses.
var families = []string{"System", "Integration", "Application", "Flat"}

func envelopeFamilies(c *contract) {
	const where = "x-envelope-families"
	key, named := entry(c.root, where)
	if named == nil {
		c.report(c.root, where, "is missing")
		return
	}
	for _, family := range families {
		if value(named, strings.ToLower(family)) == nil {
			c.report(key, where, "does not name %s", strings.ToLower(family))
		}
	}
	for family, schema := range pairs(named) {
		want := strings.ToUpper(family.Value[:1]) + family.Value[1:] + "ErrorResponse"
		if !slices.Contains(families, strings.TrimSuffix(want, "ErrorResponse")) {
			c.report(family, where, "%s is not a family", family.Value)
		} else if refName(schema, "schemas") != want || c.resolve(schema) == nil {
			c.report(family, where, "%s must be a $ref to the schema %s", family.Value, want)
		}
	}
}

func plainParameters(c *contract) {
	for _, p := range c.allParameters() {
		if key, style := entry(p.node, "style"); text(style) == "deepObject" {
			c.report(key, p.where, "deepObject is not supported")
		}
		if key, _ := entry(p.node, "content"); key != nil {
			c.report(key, p.where, "a parameter has a schema, not content")
		}
	}
}

// ofHTTP are the headers that net/http writes, or Echo.
var ofHTTP = []string{"content-type", "content-length", "allow"}

func optionalHeaders(c *contract) {
	for _, h := range c.headers() {
		if slices.Contains(ofHTTP, strings.ToLower(h.key.Value)) {
			c.report(h.key, h.where, "is a header of HTTP itself, and not declared")
		}
		if key, required := entry(h.node, "required"); text(required) == "true" {
			c.report(key, h.where, "a response header must not be required")
		}
	}
}

func flatAnswers(c *contract) {
	for _, m := range c.media() {
		if !isSuccess(m.status) || m.kind.Value != "application/json" {
			continue
		}
		key, schema := entry(m.node, "schema")
		if refName(schema, "schemas") == "" {
			c.report(either(key, m.kind), m.op.name(), "the answer %s must be a $ref to a named schema", m.status)
		}
		for node := range c.reach(schema) {
			if key, _ := entry(node, "allOf"); key != nil {
				c.report(key, m.op.name(), "the answer %s has an allOf inside; write the schema out", m.status)
			}
		}
	}
}
