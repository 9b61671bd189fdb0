package conformance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

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
		items := []any{} // nil would be null
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
