package contract

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
)

// errorOfValidation builds the error of what the validator found. Its texts contain the schema and what was submitted and
// are never passed on.
func errorOfValidation(err error) error {
	var fields []gen.ProblemField
	for _, e := range flatten(err) {
		var request *openapi3filter.RequestError
		if !errors.As(e, &request) {
			return internal(err)
		}
		for field := range fieldsOf(request) {
			if len(fields) == maxFields {
				return Invalid(fields...)
			}
			if !slices.Contains(fields, field) {
				fields = append(fields, field)
			}
		}
	}
	return Invalid(fields...)
}

// The contract's bounds of Problem.fields and of a pointer.
const (
	maxFields  = 100
	maxPointer = 500
)

func flatten(err error) []error {
	if many, ok := err.(openapi3.MultiError); ok {
		var flat []error
		for _, e := range many {
			flat = append(flat, flatten(e)...)
		}
		return flat
	}
	return []error{err}
}

// fieldsOf names what is wrong with one parameter or with the body.
func fieldsOf(request *openapi3filter.RequestError) iter.Seq[gen.ProblemField] {
	parameter := ""
	if request.Parameter != nil {
		parameter = request.Parameter.In + "/" + request.Parameter.Name
	}
	return func(yield func(gen.ProblemField) bool) {
		for _, e := range flatten(request.Err) {
			var schema *openapi3.SchemaError
			more := true
			switch {
			case errors.Is(e, openapi3filter.ErrInvalidRequired):
				more = yield(Field(parameter, gen.FieldCodeRequired, "is required"))
			case errors.As(e, &schema):
				pointer := pointerOf(schema, parameter)
				if schema.SchemaField != "properties" {
					code, message := codeOf(schema)
					more = yield(Field(pointer, code, message))
					break
				}
				// Of each unknown member the validator says only that there are some.
				for _, name := range unknownMembers(schema) {
					if more = yield(Field(pointer+"/"+pointerToken.Replace(name), gen.FieldCodeUnknown, "is an unknown field")); !more {
						break
					}
				}
			case request.Parameter != nil:
				more = yield(Field(parameter, gen.FieldCodeWrongType, "is not of the right type"))
			default:
				more = yield(Field("", gen.FieldCodeMalformed, "cannot be read"))
			}
			if !more {
				return
			}
		}
	}
}

// pointerOf leads to a value, below a parameter or in the body.
func pointerOf(err *openapi3.SchemaError, base string) string {
	for _, token := range err.JSONPointer() {
		base += "/" + pointerToken.Replace(token)
	}
	return base
}

// unknownMembers are the names in an object that its schema does not have, in the order of the alphabet.
func unknownMembers(err *openapi3.SchemaError) []string {
	object, _ := err.Value.(map[string]any)
	var names []string
	for name := range object {
		if err.Schema.Properties[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

var pointerToken = strings.NewReplacer("~", "~0", "/", "~1")

func codeOf(err *openapi3.SchemaError) (gen.FieldCode, string) {
	s := err.Schema
	form, _ := s.Extensions["x-form"].(string)
	switch err.SchemaField {
	case "required":
		return gen.FieldCodeRequired, "is required"
	case "type":
		return gen.FieldCodeWrongType, "must be of type " + strings.Join(s.Type.Slice(), " or ")
	case "nullable":
		return gen.FieldCodeWrongType, "must not be null"
	case "enum":
		return gen.FieldCodeNotAllowed, "must be one of: " + listed(s.Enum)
	case "minLength":
		return gen.FieldCodeTooShort, "must have at least " + counted(s.MinLength, "character")
	case "maxLength":
		return gen.FieldCodeTooLong, "must have at most " + counted(*s.MaxLength, "character")
	case "minimum", "exclusiveMinimum":
		return gen.FieldCodeTooSmall, "must be at least " + strconv.FormatFloat(*s.Min, 'f', -1, 64)
	case "maximum", "exclusiveMaximum":
		return gen.FieldCodeTooLarge, "must be at most " + strconv.FormatFloat(*s.Max, 'f', -1, 64)
	case "minItems":
		return gen.FieldCodeTooFew, "must have at least " + counted(s.MinItems, "item")
	case "maxItems":
		return gen.FieldCodeTooMany, "must have at most " + counted(*s.MaxItems, "item")
	case "minProperties":
		return gen.FieldCodeTooFew, cmp.Or(form, "must have at least "+counted(s.MinProps, "member"))
	case "uniqueItems":
		return gen.FieldCodeDuplicate, "must not have the same item twice"
	case "format":
		if s.Pattern != "" { // of which the form speaks
			form = ""
		}
		return gen.FieldCodeWrongFormat, cmp.Or(form, formats[s.Format], "must have the format "+s.Format)
	}
	return gen.FieldCodeWrongFormat, cmp.Or(form, "does not have the right form")
}

// formats are what is said of a value that is not in a format.
var formats = map[string]string{
	"objectid":  "must be an id: 24 lower-case hexadecimal characters",
	"uuid":      "must be a UUID, such as 7f6d6a42-3c1e-4b52-9f6a-0d9c3a2b1e11",
	"email":     "must be an e-mail address, such as you@example.com",
	"uri":       "must be a URI, such as https://community.example/about",
	"hexcolor":  "must be a colour: # and six hexadecimal digits",
	"date":      "must be a date, such as 2026-03-31",
	"date-time": "must be a date and time of RFC 3339, such as 2026-03-31T12:00:00.000Z",

	"username":     "must neither be digits only nor 24 hexadecimal characters, for these are numbers and ids of users",
	"time-zone":    "must be a time zone of the IANA database, such as Europe/Berlin",
	"language-tag": "must be a language tag of BCP 47 in its usual case, such as de or pt-BR",
}

// counted is a number of things.
func counted(n uint64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func listed(values []any) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = fmt.Sprint(value)
	}
	return strings.Join(texts, ", ")
}

// Field is one part of a request that is wrong. The pointer is one of RFC 6901 into the body, or query/name, path/name or
// header/name; the message is for a person, and has nothing in it of what was submitted.
func Field(pointer string, code gen.FieldCode, message string) gen.ProblemField {
	if len(pointer) > maxPointer {
		pointer = strings.ToValidUTF8(pointer[:maxPointer], "")
	}
	return gen.ProblemField{Pointer: pointer, Code: code, Message: message}
}

// CheckBody tells what is wrong with a value as the body of a request to an operation, as the contract has it, where the value did not come as one.
func CheckBody(op *api.Operation, value any) (fields []gen.ProblemField) {
	for _, e := range flatten(op.Body.Schema.Value.VisitJSON(value, openapi3.MultiErrors())) {
		var broken *openapi3.SchemaError
		if errors.As(e, &broken) {
			code, message := codeOf(broken)
			fields = append(fields, Field(pointerOf(broken, ""), code, message))
		}
	}
	return fields
}
