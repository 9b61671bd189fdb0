package api

// The rules that the contract keeps, as tests. Each rule is a function over the text of a contract, so that it can be
// tried on broken ones too: TestABrokenContractIsNoticed breaks the real contract in one place at a time and expects
// to be told what is wrong, with which operation or schema, on which line.

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
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
	{"what is audited has an action in the audit trail", namedAudits},
	{"what is about one server can be about none", hiddenServers},
	{"a rate limit is said by x-rate-limit alone", derivedRateLimits},
	{"what creates something can be repeated safely", repeatableCreations},
	{"the envelope families are named", envelopeFamilies},
	{"request objects are closed", closedRequests},
	{"strings, arrays and integers are bounded", boundedValues},
	{"formats are checked by the validator", checkedFormats},
	{"patterns say in words what they ask for", wordedPatterns},
	{"nothing is read-only", nothingReadOnly},
	{"parameters are plain", plainParameters},
	{"response headers are optional and not those of HTTP itself", optionalHeaders},
	{"the headers that are sent are declared", declaredHeaders},
	{"every component, request body and answer is described", describedParts},
	{"every parameter has an example", shownParameters},
	{"nothing is written that other tools do not understand", plainWords},
	{"lists that grow are named enumerations", growingLists},
	{"secrets are texts that can be masked", maskedSecrets},
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

// TestTheJSONSaysWhatTheYAMLSays reads both by the same library, as it takes YAML for OpenAPI.
func TestTheJSONSaysWhatTheYAMLSays(t *testing.T) {
	written, err := openapi3.NewLoader().LoadFromData(Spec)
	if err != nil {
		t.Fatal(err)
	}
	made, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	delete(made.Extensions, "x-digest")
	want, err := written.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := made.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("openapi.gen.json is not what openapi.yaml says, run `make generate`:\n%s", cmp.Diff(string(want), string(got)))
	}
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

// What is listed whole is bounded by what may be written: so many things, each of texts of such a length.
func TestNoAnswerHasMoreThan32MiB(t *testing.T) {
	const most, longest = 32 << 20, 6 // bytes of a character in JSON
	var bytesOf func(schema *openapi3.Schema) int
	bytesOf = func(schema *openapi3.Schema) int {
		if bound, is := schema.Extensions["x-max-json"].(float64); is {
			return int(bound)
		}
		switch {
		case schema.AdditionalProperties.Has != nil && *schema.AdditionalProperties.Has:
			return 64 << 10 // something that was sent
		case schema.Type.Is(openapi3.TypeObject):
			size := 2
			for name, property := range schema.Properties {
				size += len(name) + 4 + bytesOf(property.Value)
			}
			return size
		case schema.Type.Is(openapi3.TypeArray):
			return 2 + int(*schema.MaxItems)*(1+bytesOf(schema.Items.Value))
		case schema.Type.Is(openapi3.TypeString) && len(schema.Enum) > 0:
			return 64
		case schema.Type.Is(openapi3.TypeString) && schema.Format != "":
			return 2 + int(*schema.MaxLength)
		case schema.Type.Is(openapi3.TypeString):
			return 2 + longest*int(*schema.MaxLength)
		}
		return 20
	}
	operations, err := Operations()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range operations {
		for status, response := range op.Spec.Responses.Map() {
			if content := response.Value.Content.Get("application/json"); content != nil && !op.Streamed {
				if size := bytesOf(content.Schema.Value); size > most {
					t.Errorf("%s %s may have %d bytes, more than %d", op.ID, status, size, most)
				}
			}
		}
	}
}
