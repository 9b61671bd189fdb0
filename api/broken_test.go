package api

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// brokenContract is the real contract with one text replaced, where it first occurs behind another, by a third. The
// violation is expected on the line where old and new begin to differ, unless the case says with which text the line
// begins.
type brokenContract struct{ promise, behind, old, new, where, text, line string }

// opens is how an operation begins.
func opens(method, tag, id string) string {
	return "    " + method + ":\n      tags: [" + tag + "]\n      operationId: " + id + "\n"
}

var listMyServers = opens("get", "servers", "listMyServers")

var brokenContracts = []brokenContract{
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
		behind:  "    SystemConflict:\n",
		old:     "#/components/schemas/System",
		new:     "#/components/schemas/Integration",
		where:   "SystemConflict", text: "SystemErrorResponse",
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
		promise: "an audit of an action that the trail does not have",
		behind:  "operationId: deleteServer\n",
		old:     "x-audit: server.delete",
		new:     "x-audit: server.archive",
		where:   "deleteServer", text: "AuditAction",
	},
	{
		promise: "no 404 where a server may not be there",
		behind:  "operationId: getServer\n",
		old:     "        \"404\": { $ref: \"#/components/responses/SystemNotFound\" }\n",
		new:     "",
		where:   "getServer", text: "must list 404",
		line: opens("get", "servers", "getServer"),
	},
	{
		promise: "a rate limit in words",
		behind:  "operationId: visitServer\n",
		old:     "        Records that the caller",
		new:     "        At most 5 times a minute. Records that the caller",
		where:   "visitServer", text: "x-rate-limit alone",
		line: "      description: |\n        At most 5 times",
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
		old:     "            Idempotent-Replayed: { $ref: \"#/components/headers/IdempotentReplayed\" }\n",
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
		behind:  "    ChannelType:",
		old:     "      enum: [open,",
		new:     "      maxLength: 7\n      enum: [open,",
		where:   "ChannelType", text: "maxLength",
		line: "      maxLength: 7\n      enum: [open,",
	},
	{
		promise: "an array without an end",
		old:     "permissions: { type: array, maxItems: 100,",
		new:     "permissions: { type: array,",
		where:   "Channel.permissions", text: "maxItems",
	},
	{
		promise: "an item without an end",
		behind:  "The titles of the member's roles",
		old:     "items: { type: string, maxLength: 100 }",
		new:     "items: { type: string }",
		where:   "Member.roles[]", text: "maxLength",
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
		old:     "format: int32, minimum: 0, maximum: 10000, description: A lower",
		new:     "format: date, minimum: 0, maximum: 10000, description: A lower",
		where:   "Role.order", text: "format date",
	},
	{
		promise: "bytes inside JSON",
		old:     "class: { type: string, maxLength: 32,",
		new:     "class: { type: string, format: binary, maxLength: 32,",
		where:   "Role.class", text: "binary",
	},
	{
		promise: "a pattern without words",
		behind:  "    UserNumber:\n",
		old:     "      x-form: ",
		new:     "      x-of: ",
		where:   "UserNumber", text: "x-form must say",
		line: "      pattern: \"^[1-9][0-9]{0,18}$\"\n",
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
		promise: "a header of HTTP itself",
		old:     "            ETag:\n",
		new:     "            Content-Length:\n",
		where:   "getImage 200 header Content-Length", text: "HTTP itself",
	},
	{
		promise: "an answer without a request id",
		behind:  "operationId: getServer\n",
		old:     "          headers: { X-Request-Id: { $ref: \"#/components/headers/RequestId\" } }\n",
		new:     "",
		where:   "getServer 200", text: "X-Request-Id",
		line: "        \"200\":\n          description: The server.\n",
	},
	{
		promise: "an error without a request id",
		behind:  "    SystemConflict:\n",
		old:     "      headers: { X-Request-Id: { $ref: \"#/components/headers/RequestId\" } }\n",
		new:     "",
		where:   "SystemConflict", text: "X-Request-Id",
		line: "    SystemConflict:\n",
	},
	{
		promise: "a 401 that does not say how to sign in",
		behind:  "    SystemUnauthenticated:\n",
		old:     "        WWW-Authenticate: { $ref: \"#/components/headers/WwwAuthenticate\" }\n",
		new:     "",
		where:   "SystemUnauthenticated", text: "WWW-Authenticate",
		line: "    SystemUnauthenticated:\n",
	},
	{
		promise: "a failure that does not say when to try again",
		behind:  "    IntegrationError:\n",
		old:     "        Retry-After: { $ref: \"#/components/headers/RetryAfter\" }\n",
		new:     "",
		where:   "IntegrationError", text: "Retry-After",
		line: "    IntegrationError:\n",
	},
	{
		promise: "a component without a description",
		old:     "    VisitResponse:\n      description: Visits of an account to a server.\n",
		new:     "    VisitResponse:\n",
		where:   "schema VisitResponse", text: "no description",
		line: "    VisitResponse:\n",
	},
	{
		promise: "a request body without a description",
		old:     "        description: The new server.\n",
		new:     "",
		where:   "createServer request body", text: "no description",
		line: "      requestBody:\n        required: true\n        content:\n          multipart/form-data:",
	},
	{
		promise: "a parameter without an example",
		old:     "      example: 20\n",
		new:     "",
		where:   "parameter Limit", text: "no example",
		line: "    Limit:\n",
	},
	{
		promise: "a parameter whose example is refused",
		old:     "      example: 20\n",
		new:     "      example: 200\n",
		where:   "the document", text: "200",
		line: "    Limit:\n",
	},
	{
		promise: "a reference with something beside it",
		old:     "avatar: { $ref: \"#/components/schemas/ImageUrl\" }",
		new:     "avatar: { $ref: \"#/components/schemas/ImageUrl\", nullable: true }",
		where:   "#/components/schemas/ImageUrl", text: "nullable beside a $ref",
	},
	{
		promise: "an anchor",
		old:     "    Timestamp:\n",
		new:     "    Timestamp: &time\n",
		where:   "the document", text: "anchor",
	},
	{
		promise: "Go in the contract",
		old:     "    Timestamp:\n",
		new:     "    Timestamp:\n      x-go-type: Time\n",
		where:   "the document", text: "x-go-type",
		line: "      x-go-type: Time\n",
	},
	{
		promise: "a list that grows without a name",
		old:     "class: { type: string, maxLength: 32,",
		new:     "class: { type: string, enum: [red], x-grows: true,",
		where:   "Role.class", text: "x-grows",
	},
	{
		promise: "a secret that is no text",
		old:     "isActive: { type: boolean }",
		new:     "isActive: { type: boolean, x-secret: true }",
		where:   "ApiKey.isActive", text: "x-secret",
	},
	{
		promise: "a secret of a creation that cannot be masked",
		old:     "key: { type: string, maxLength: 64, x-secret: true,",
		new:     "key: { type: string, maxLength: 64, x-secret: true, pattern: \"^[0-9a-f]+$\", x-form: must be hex,",
		where:   "createApiKey", text: "x-secret beside pattern",
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

func TestABrokenContractIsNoticed(t *testing.T) {
	var ran atomic.Int32
	var noticed sync.Map // the rules that were broken, and found to be
	t.Cleanup(func() {
		for _, rule := range rules {
			if _, ok := noticed.Load(rule.promise); !ok && int(ran.Load()) == len(brokenContracts) && !t.Failed() {
				t.Errorf("no case breaks the rule: %s", rule.promise)
			}
		}
	})
	for _, test := range brokenContracts {
		t.Run(test.promise, func(t *testing.T) {
			t.Parallel()
			ran.Add(1)
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
