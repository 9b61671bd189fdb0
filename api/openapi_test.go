package api

// The rules that the contract keeps, as tests. Each rule is a function over the text of a contract, so that it can be
// tried on broken ones too: TestABrokenContractIsNoticed breaks the real contract in one place at a time and expects
// to be told what is wrong, with which operation or schema, on which line.

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

// violation is one place where a contract breaks a rule.
type violation struct {
	line  int
	where string // the operation, schema or component, as a person would search for it
	text  string
}

func (v violation) String() string {
	return fmt.Sprintf("openapi.yaml:%d: %s: %s", v.line, v.where, v.text)
}

type rule struct {
	promise string
	check   func(*contract)
}

var rules = []rule{
	{"every operation has one declared tag, a name, texts, security and a source", describedOperations},
	{"errors are component references of one family", errorsByReference},
	{"the errors that follow from what an operation takes are listed", expectedErrors},
	{"security names one declared scheme at a time", declaredSecurity},
	{"what an API key may call names the permission for it", namedPermissions},
	{"what creates something can be repeated safely", repeatableCreations},
	{"the envelope families are named", envelopeFamilies},
	{"request objects are closed", closedRequests},
	{"strings, arrays and integers are bounded", boundedValues},
	{"formats are checked by the validator", checkedFormats},
	{"nothing is read-only", nothingReadOnly},
	{"parameters are plain", plainParameters},
	{"response headers are optional and not those that every answer has", optionalHeaders},
	{"only envelopes are called Response, Request, Params or Body", namedAfterWhatTheyAre},
	{"success answers are flat named schemas", flatAnswers},
	{"tags, paths and schemas stand in one order", oneOrder},
	{"nothing is unused", nothingUnused},
	// These two need the document as the validator reads it, which takes a while.
	{"the document is valid OpenAPI 3.0.3", validDocument},
	{"every example is accepted by its schema, and nothing lacks one", acceptedExamples},
}

func TestTheContractKeepsItsRules(t *testing.T) {
	c := readContract(t, Spec)
	for _, rule := range rules {
		t.Run(rule.promise, func(t *testing.T) {
			for _, v := range c.violations(rule) {
				t.Error(v)
			}
		})
	}
}

func TestEveryLoadIsADocumentOfItsOwn(t *testing.T) {
	one, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	other, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if one == other || one.Paths == other.Paths {
		t.Error("two calls share a document: what one caller changes, the other would see")
	}
}

// TestABrokenContractIsNoticed replaces one text of the real contract, where it first occurs behind another, by a third.
// The violation is expected on the line where old and new begin to differ, unless the case says with which text the line
// begins.
func TestABrokenContractIsNoticed(t *testing.T) {
	opens := func(method, tag, id string) string {
		return "    " + method + ":\n      tags: [" + tag + "]\n      operationId: " + id + "\n"
	}
	listMyServers := opens("get", "servers", "listMyServers")
	type brokenContract struct{ promise, behind, old, new, where, text, line string }
	cases := []brokenContract{
		{
			promise: "another version of OpenAPI",
			old:     "openapi: 3.0.3",
			new:     "openapi: 3.1.0",
			where:   "the document", text: "3.0.3",
		},
		{
			promise: "an unknown keyword",
			old:     "    Revision:\n",
			new:     "    Revision:\n      maximal: 1\n",
			where:   "the document", text: "maximal",
			line: "    Revision:",
		},
		{
			promise: "a reference to nothing",
			old:     `schema: { $ref: "#/components/schemas/VisitResponse" }`,
			new:     `schema: { $ref: "#/components/schemas/Gone" }`,
			where:   "#/components/schemas/Gone", text: "is not there",
		},
		{
			promise: "a second tag",
			old:     listMyServers,
			new:     strings.Replace(listMyServers, "[servers]", "[servers, roles]", 1),
			where:   "listMyServers", text: "exactly one tag",
			line: "    get:\n      tags: [servers, roles]\n",
		},
		{
			promise: "an undeclared tag",
			old:     listMyServers,
			new:     strings.Replace(listMyServers, "[servers]", "[clubs]", 1),
			where:   "listMyServers", text: "clubs is not declared",
			line: "      tags: [clubs]\n",
		},
		{
			promise: "no operationId",
			old:     "      operationId: listMyServers\n",
			new:     "",
			where:   "GET /servers", text: "no operationId",
			line: "    get:\n      tags: [servers]\n      x-source: documented\n",
		},
		{
			promise: "an operationId that is no verb and noun",
			old:     "operationId: getServer\n",
			new:     "operationId: Get_server\n",
			where:   "Get_server", text: "lower camel case",
		},
		{
			promise: "the same operationId twice",
			old:     "operationId: getServer\n",
			new:     "operationId: createServer\n",
			where:   "createServer", text: "taken by POST /servers",
		},
		{
			promise: "no summary",
			old:     "      summary: Get a server\n",
			new:     "",
			where:   "getServer", text: "no summary",
			line: opens("get", "servers", "getServer"),
		},
		{
			promise: "no description",
			old:     "      description: One server, as its members see it. To everybody else it does not exist.\n",
			new:     "",
			where:   "getServer", text: "no description",
			line: opens("get", "servers", "getServer"),
		},
		{
			promise: "no security",
			behind:  opens("get", "servers", "getImage"),
			old:     "      security: []\n",
			new:     "",
			where:   "getImage", text: "security",
			line: opens("get", "servers", "getImage"),
		},
		{
			promise: "an unknown source",
			old:     "operationId: getServer\n      x-source: rejoin",
			new:     "operationId: getServer\n      x-source: memory",
			where:   "getServer", text: "x-source",
		},
		{
			promise: "an answer without an example",
			old:     "              example:\n                meta: { success: true, message: Members,",
			new:     "              x-example:\n                meta: { success: true, message: Members,",
			where:   "listMembers", text: "200 has no example",
			line: "            application/json:\n              schema: { $ref: \"#/components/schemas/MemberListResponse\" }",
		},
		{
			promise: "a request without an example",
			old:     "            example: { name: Chess club }\n",
			new:     "",
			where:   "createServer", text: "request body has no example",
			line: "          multipart/form-data:\n            schema: { $ref: \"#/components/schemas/ServerCreate\" }",
		},
		{
			promise: "an example of the wrong type",
			old:     "visits: 12 }",
			new:     "visits: many }",
			where:   "visitServer", text: "/body/visits",
		},
		{
			promise: "an example that shows something undeclared",
			behind:  opens("get", "servers", "listMembers"),
			old:     "displayName: Vera\n",
			new:     "displayName: Vera\n                    age: 33\n",
			where:   "listMembers", text: "/body/0/age",
			line: "                    age: 33\n",
		},
		{
			promise: "an example of a request that is refused",
			old:     "example: { name: Chess and Go club }",
			new:     `example: { name: "" }`,
			where:   "updateServer", text: "/name",
		},
		{
			promise: "an error written out",
			old:     `        "404": { $ref: "#/components/responses/IntegrationNotFound" }`,
			new:     `        "404": { description: Written out }`,
			where:   "getImage", text: "404 must be a $ref",
		},
		{
			promise: "an error of another family",
			old:     `"404": { $ref: "#/components/responses/IntegrationNotFound" }`,
			new:     `"404": { $ref: "#/components/responses/SystemNotFound" }`,
			where:   "getImage", text: "not of the family Integration",
		},
		{
			promise: "an error under the name of another status",
			old:     `"404": { $ref: "#/components/responses/IntegrationNotFound" }`,
			new:     `"404": { $ref: "#/components/responses/IntegrationInvalidRequest" }`,
			where:   "getImage", text: "<Family>NotFound",
		},
		{
			promise: "an error that default covers",
			old:     "        default: { $ref: \"#/components/responses/IntegrationError\" }\n",
			new: "        default: { $ref: \"#/components/responses/IntegrationError\" }\n" +
				"        \"413\": { $ref: \"#/components/responses/IntegrationError\" }\n",
			where: "getImage", text: "default covers it",
			line: `        "413":`,
		},
		{
			promise: "no default",
			old:     "        default: { $ref: \"#/components/responses/IntegrationError\" }\n",
			new:     "",
			where:   "getImage", text: "no default",
			line: opens("get", "servers", "getImage"),
		},
		{
			promise: "a default that is one error of many",
			old:     `default: { $ref: "#/components/responses/IntegrationError" }`,
			new:     `default: { $ref: "#/components/responses/IntegrationNotFound" }`,
			where:   "getImage", text: "<Family>Error",
		},
		{
			promise: "an error with the body of another family",
			old:     "present state.\"\n      content: { application/json: { schema: { $ref: \"#/components/schemas/System",
			new: "present state.\"\n" +
				"      content: { application/json: { schema: { $ref: \"#/components/schemas/Integration",
			where: "SystemConflict", text: "SystemErrorResponse",
			line: "    SystemConflict:\n",
		},
		{
			promise: "no 401 for an operation with a credential",
			old: "        \"401\": { $ref: \"#/components/responses/SystemUnauthenticated\" }\n" +
				"        \"403\": { $ref: \"#/components/responses/SystemPermissionDenied\" }\n" +
				"        default: { $ref: \"#/components/responses/SystemError\" }\n" +
				"    post:",
			new: "        \"403\": { $ref: \"#/components/responses/SystemPermissionDenied\" }\n" +
				"        default: { $ref: \"#/components/responses/SystemError\" }\n" +
				"    post:",
			where: "listMyServers", text: "must list 401",
			line: opens("get", "servers", "listMyServers"),
		},
		{
			promise: "no 400 for an operation with parameters",
			old:     "        \"400\": { $ref: \"#/components/responses/IntegrationInvalidRequest\" }\n",
			new:     "",
			where:   "getImage", text: "must list 400",
			line: opens("get", "servers", "getImage"),
		},
		{
			promise: "an unknown security scheme",
			behind:  "operationId: logOut\n",
			old:     "security: [{ sessionAuth: [] }]",
			new:     "security: [{ cookieAuth: [] }]",
			where:   "logOut", text: "cookieAuth is not declared",
		},
		{
			promise: "two security schemes at once",
			behind:  "operationId: listChannels\n",
			old:     "security: [{ sessionAuth: [] }, { keyAuth: [] }, { apiKeyAuth: [] }]",
			new:     "security: [{ sessionAuth: [] }, { keyAuth: [], apiKeyAuth: [] }]",
			where:   "listChannels", text: "names 2 schemes",
		},
		{
			promise: "security that may be left out",
			behind:  "operationId: logOut\n",
			old:     "security: [{ sessionAuth: [] }]",
			new:     "security: [{}, { sessionAuth: [] }]",
			where:   "logOut", text: "names 0 schemes",
		},
		{
			promise: "no permission where an API key may call",
			behind:  "operationId: listIntegrationChannels\n",
			old:     "      x-required-permission: channels\n",
			new:     "",
			where:   "listIntegrationChannels", text: "x-required-permission",
			line: "    get:\n      tags: [channels]\n      operationId: listIntegrationChannels\n",
		},
		{
			promise: "a permission that no API key can have",
			behind:  "operationId: deleteBadge\n",
			old:     "x-required-permission: badges",
			new:     "x-required-permission: medals",
			where:   "deleteBadge", text: "medals is none of",
		},
		{
			promise: "a permission where no API key may call",
			behind:  "operationId: createApiKey\n",
			old:     "      x-source: named\n",
			new:     "      x-source: named\n      x-required-permission: any\n",
			where:   "createApiKey", text: "sessions",
			line: "      x-required-permission: any\n",
		},
		{
			promise: "a creation that cannot be repeated safely",
			behind:  "operationId: createRole\n",
			old:     "      parameters:\n        - $ref: \"#/components/parameters/IdempotencyKey\"\n",
			new:     "",
			where:   "createRole", text: "must take an Idempotency-Key",
			line: opens("post", "roles", "createRole"),
		},
		{
			promise: "a creation that answers 200 and cannot be repeated safely",
			behind:  "operationId: createBadge\n",
			old:     "      parameters:\n        - $ref: \"#/components/parameters/IdempotencyKey\"\n",
			new:     "",
			where:   "createBadge", text: "must take an Idempotency-Key",
			line: opens("post", "badges", "createBadge"),
		},
		{
			promise: "a repetition where nothing is made",
			behind:  "operationId: updateBadge\n",
			old:     "      requestBody:\n",
			new:     "      parameters:\n        - $ref: \"#/components/parameters/IdempotencyKey\"\n      requestBody:\n",
			where:   "updateBadge", text: "creates nothing",
			line: opens("put", "badges", "updateBadge"),
		},
		{
			promise: "a repetition without a conflict",
			behind:  "operationId: createChannel\n",
			old:     "        \"409\": { $ref: \"#/components/responses/SystemConflict\" }\n",
			new:     "",
			where:   "createChannel", text: "must list 409",
			line: opens("post", "channels", "createChannel"),
		},
		{
			promise: "a repetition that cannot be told",
			behind:  "operationId: createApiKey\n",
			old:     "          headers: { Idempotent-Replayed: { $ref: \"#/components/headers/IdempotentReplayed\" } }\n",
			new:     "",
			where:   "createApiKey", text: "must declare the header Idempotent-Replayed",
			line: "        \"201\":\n          description: The key, whole.\n",
		},
		{
			promise: "a family that is not named",
			old:     "  application: { $ref: \"#/components/schemas/ApplicationErrorResponse\" }\n",
			new:     "",
			where:   "x-envelope-families", text: "application",
			line: "x-envelope-families:",
		},
		{
			promise: "a family with the envelope of another",
			old:     `  integration: { $ref: "#/components/schemas/IntegrationErrorResponse" }`,
			new:     `  integration: { $ref: "#/components/schemas/SystemErrorResponse" }`,
			where:   "x-envelope-families", text: "IntegrationErrorResponse",
		},
		{
			promise: "an open request",
			old: "    ServerCreate:\n" +
				"      description: What a new server is made from.\n" +
				"      type: object\n" +
				"      additionalProperties: false\n",
			new:   "    ServerCreate:\n      description: What a new server is made from.\n      type: object\n",
			where: "ServerCreate", text: "additionalProperties",
			line: "    ServerCreate:\n",
		},
		{
			promise: "a string without an end",
			behind:  "    Member:\n",
			old:     "displayName: { type: string, maxLength: 100 }",
			new:     "displayName: { type: string }",
			where:   "Member.displayName", text: "maxLength",
		},
		{
			promise: "an enumeration with an end",
			old:     "      enum: [open,",
			new:     "      maxLength: 7\n      enum: [open,",
			where:   "ChannelType", text: "maxLength",
			line: "      maxLength: 7",
		},
		{
			promise: "an array without an end",
			old:     "permissions: { type: array, maxItems: 1000,",
			new:     "permissions: { type: array,",
			where:   "Channel.permissions", text: "maxItems",
		},
		{
			promise: "an item without an end",
			old:     "maxItems: 1000, items: { type: string, maxLength: 100 }",
			new:     "maxItems: 1000, items: { type: string }",
			where:   "Channel.permissions[]", text: "maxLength",
		},
		{
			promise: "a number without a range",
			old:     "minimum: 1, maximum: 1000000, default: 1 }",
			new:     "minimum: 1, default: 1 }",
			where:   "parameter Page", text: "maximum",
		},
		{
			promise: "a header without an end",
			old:     "which is never.\n              schema: { type: string, maxLength: 100 }",
			new:     "which is never.\n              schema: { type: string }",
			where:   "getImage 200 header ETag", text: "maxLength",
		},
		{
			promise: "a parameter of one operation without an end",
			old:     "schema: { type: string, minLength: 1, maxLength: 1000 }",
			new:     "schema: { type: string, minLength: 1 }",
			where:   "getImage parameter If-None-Match", text: "maxLength",
		},
		{
			promise: "a format that nobody checks",
			old:     "class: { type: string, maxLength: 32,",
			new:     "class: { type: string, format: colour, maxLength: 32,",
			where:   "Role.class", text: "format colour",
		},
		{
			promise: "a format of another type",
			old:     "format: int32, minimum: 0, maximum: 10000,",
			new:     "format: date, minimum: 0, maximum: 10000,",
			where:   "Role.order", text: "format date",
		},
		{
			promise: "bytes inside JSON",
			old:     "class: { type: string, maxLength: 32,",
			new:     "class: { type: string, format: binary, maxLength: 32,",
			where:   "Role.class", text: "binary",
		},
		{
			promise: "a read-only property",
			behind:  "    Role:\n",
			old:     "billable: { type: boolean }",
			new:     "billable: { type: boolean, readOnly: true }",
			where:   "Role.billable", text: "readOnly",
		},
		{
			promise: "a deep object",
			old:     "      name: page\n      in: query\n",
			new:     "      name: page\n      in: query\n      style: deepObject\n",
			where:   "parameter Page", text: "deepObject",
			line: "      style: deepObject\n",
		},
		{
			promise: "a parameter with content",
			old:     "          schema: { type: string, minLength: 1, maxLength: 1000 }\n",
			new:     "          content: { text/plain: { schema: { type: string, maxLength: 1000 } } }\n",
			where:   "getImage parameter If-None-Match", text: "content",
		},
		{
			promise: "a header that must be there",
			old:     "            ETag:\n",
			new:     "            ETag:\n              required: true\n",
			where:   "getImage 200 header ETag", text: "required",
			line: "              required: true\n",
		},
		{
			promise: "a header that every answer has",
			old:     "            ETag:\n",
			new:     "            X-Request-Id:\n",
			where:   "getImage 200 header X-Request-Id", text: "every answer",
		},
		{
			promise: "a noun with the name of an envelope",
			old:     "    ServerOwner:\n",
			new:     "    ServerOwnerBody:\n",
			where:   "ServerOwnerBody", text: "Body",
		},
		{
			promise: "an answer written out",
			old:     `schema: { $ref: "#/components/schemas/VisitResponse" }`,
			new:     "schema: { type: object }",
			where:   "visitServer", text: "named schema",
		},
		{
			promise: "an answer in layers",
			old:     `body: { $ref: "#/components/schemas/Visit" }`,
			new:     `body: { allOf: [{ $ref: "#/components/schemas/Visit" }] }`,
			where:   "visitServer", text: "allOf",
		},
		{
			promise: "an operation in no section",
			old:     "- servers\n\n  /servers:",
			new:     "-\n\n  /servers:",
			where:   "listMyServers", text: "stands in the section",
			line: opens("get", "servers", "listMyServers"),
		},
		{
			promise: "a section that is not there",
			old:     "- servers\n\n  /servers:",
			new:     "-\n\n  /servers:",
			where:   "tag servers", text: "has no section",
			line: "  - name: servers\n",
		},
		{
			promise: "a section of nothing",
			old:     "- shared\n",
			new:     "- clubs\n",
			where:   "section clubs", text: "out of order",
		},
		{
			promise: "a schema in the section of a tag that does not use it",
			old:     "    Visit:\n",
			new:     "    Loose:\n      type: boolean\n    Visit:\n",
			where:   "Loose", text: "stands in the section",
			line: "    Loose:\n",
		},
		{
			promise: "an unused schema",
			old:     "    Timestamp:\n",
			new:     "    Moment:\n      type: boolean\n    Timestamp:\n",
			where:   "Moment", text: "used nowhere",
			line: "    Moment:\n",
		},
		{
			promise: "an unused parameter",
			old:     "      - { $ref: \"#/components/parameters/ApiKeyId\" }\n",
			new:     "",
			where:   "ApiKeyId", text: "used nowhere",
			line: "    ApiKeyId:\n",
		},
		{
			promise: "an unused tag",
			old:     "tags:\n  - name: auth\n",
			new:     "tags:\n  - name: clubs\n  - name: auth\n",
			where:   "tag clubs", text: "used nowhere",
			line: "  - name: clubs\n",
		},
	}
	var told atomic.Int32
	var noticed sync.Map // the rules that were broken, and found to be
	t.Cleanup(func() {
		for _, rule := range rules {
			if _, ok := noticed.Load(rule.promise); !ok && int(told.Load()) == len(cases) && !t.Failed() {
				t.Errorf("no case breaks the rule: %s", rule.promise)
			}
		}
	})
	for _, test := range cases {
		t.Run(test.promise, func(t *testing.T) {
			t.Parallel()
			told.Add(1)
			original := string(Spec)
			from := strings.Index(original, test.behind)
			at := strings.Index(original[max(from, 0):], test.old) + from
			if from < 0 || at < from {
				t.Fatal("the contract no longer has the text to replace")
			}
			broken := original[:at] + test.new + original[at+len(test.old):]
			at += commonPrefix(test.old, test.new)
			if test.line != "" {
				if at = strings.Index(broken, "\n"+test.line) + 1; at == 0 {
					t.Fatal("the broken contract does not have the line to expect")
				}
			}
			line := 1 + strings.Count(broken[:at], "\n")

			c := readContract(t, []byte(broken))
			for _, rule := range rules {
				for _, v := range c.violations(rule) {
					if v.line == line && v.where == test.where && strings.Contains(v.text, test.text) {
						noticed.Store(rule.promise, true)
						return
					}
				}
			}
			t.Errorf("want openapi.yaml:%d: %s: ... %s ...; found %v", line, test.where, test.text, c.found)
		})
	}
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func readContract(t *testing.T, spec []byte) *contract {
	t.Helper()
	defineFormats()
	var file yaml.Node
	if err := yaml.Unmarshal(spec, &file); err != nil {
		t.Fatalf("the contract is not YAML: %v", err)
	}
	return &contract{
		spec: spec, root: file.Content[0],
		document: sync.OnceValues(func() (*openapi3.T, error) { return closedDocument(spec) }),
	}
}

// violations holds a rule against the contract, and returns what it finds in the order of the lines.
func (c *contract) violations(rule rule) []violation {
	already := len(c.found)
	rule.check(c)
	found := c.found[already:]
	slices.SortStableFunc(found, func(a, b violation) int { return a.line - b.line })
	return found
}

// ------------------------------------------------------------------------------------------------------- the rules

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

// createsWith200 are the operations that make something and answer 200 all the same, because they always have.
var createsWith200 = []string{"createChannel", "createBadge"}

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
		repeatable := slices.ContainsFunc(op.parameters(), func(p *yaml.Node) bool {
			p = c.resolve(p)
			return text(value(p, "in")) == "header" && text(value(p, "name")) == key
		})
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
var families = []string{"System", "Integration", "Application"}

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

func closedRequests(c *contract) {
	requests := map[*yaml.Node]bool{}
	for _, op := range c.operations() {
		maps.Copy(requests, c.reach(value(op.node, "requestBody")))
	}
	for _, s := range c.schemas() {
		isObject := text(value(s.node, "type")) == "object" || value(s.node, "properties") != nil
		if requests[s.node] && isObject && text(value(s.node, "additionalProperties")) != "false" {
			c.report(s.key, s.where, "is part of a request, so it must say additionalProperties: false")
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
		if inForm || m.status != "" && strings.HasPrefix(m.kind.Value, "image/") {
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
				c.report(key, s.where, "binary is only for multipart requests and image/* answers")
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

func nothingReadOnly(c *contract) {
	for _, s := range c.schemas() {
		for _, word := range []string{"readOnly", "writeOnly"} {
			if key, _ := entry(s.node, word); key != nil {
				c.report(key, s.where, "is %s; write separate X, XCreate and XUpdate schemas", word)
			}
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

// everywhere are the headers that middleware or net/http writes; in the contract they would only be overwritten.
var everywhere = []string{"x-request-id", "content-type", "content-length", "allow", "retry-after"}

func optionalHeaders(c *contract) {
	for _, h := range c.headers() {
		if slices.Contains(everywhere, strings.ToLower(h.key.Value)) {
			c.report(h.key, h.where, "is written for every answer that needs it, and not declared")
		}
		if key, required := entry(h.node, "required"); text(required) == "true" {
			c.report(key, h.where, "a response header must not be required")
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

// -------------------------------------------------------------------------------------------- reading the contract

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
