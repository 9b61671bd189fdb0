package contract

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/rejoin-dev/rejoin/gen"
)

// errorOfValidation builds the error of what the validator found. Its texts hold the schema and what was submitted and
// are never passed on.
func errorOfValidation(err error) error {
	var fields []gen.ProblemField
	for _, e := range flatten(err) {
		var request *openapi3filter.RequestError
		if !errors.As(e, &request) {
			return internal(err)
		}
		for _, field := range fieldsOf(request) {
			if len(fields) < maxFields && !slices.Contains(fields, field) {
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
func fieldsOf(request *openapi3filter.RequestError) []gen.ProblemField {
	parameter := ""
	if request.Parameter != nil {
		parameter = request.Parameter.In + "/" + request.Parameter.Name
	}
	var fields []gen.ProblemField
	for _, e := range flatten(request.Err) {
		var schema *openapi3.SchemaError
		switch {
		case errors.Is(e, openapi3filter.ErrInvalidRequired):
			fields = append(fields, Field(parameter, gen.FieldCodeRequired, "is required"))
		case errors.As(e, &schema):
			fields = append(fields, fieldsOfSchema(schema, parameter)...)
		case request.Parameter != nil:
			fields = append(fields, Field(parameter, gen.FieldCodeWrongType, "is not of the right type"))
		default:
			fields = append(fields, Field("", gen.FieldCodeMalformed, "cannot be read"))
		}
	}
	return fields
}

// fieldsOfSchema names what is wrong with a value, by the keyword that it breaks. The base is where the value stands.
func fieldsOfSchema(err *openapi3.SchemaError, base string) []gen.ProblemField {
	pointer := base
	for _, token := range err.JSONPointer() {
		pointer += "/" + pointerToken.Replace(token)
	}
	code, message := codeOf(err)
	if code != gen.FieldCodeUnknown {
		return []gen.ProblemField{Field(pointer, code, message)}
	}
	// The validator points at the object; the caller wants to know which of its members.
	object, _ := err.Value.(map[string]any)
	var fields []gen.ProblemField
	for name := range object {
		if err.Schema.Properties[name] == nil {
			fields = append(fields, Field(pointer+"/"+pointerToken.Replace(name), code, message))
		}
	}
	slices.SortFunc(fields, func(a, b gen.ProblemField) int { return strings.Compare(a.Pointer, b.Pointer) })
	return fields
}

var pointerToken = strings.NewReplacer("~", "~0", "/", "~1")

func codeOf(err *openapi3.SchemaError) (gen.FieldCode, string) {
	s := err.Schema
	switch err.SchemaField {
	case "required":
		return gen.FieldCodeRequired, "is required"
	case "properties":
		return gen.FieldCodeUnknown, "is not known here"
	case "type":
		return gen.FieldCodeWrongType, "must be of type " + strings.Join(s.Type.Slice(), " or ")
	case "nullable":
		return gen.FieldCodeWrongType, "must not be null"
	case "enum":
		return gen.FieldCodeNotAllowed, "must be one of: " + listed(s.Enum)
	case "minLength":
		return gen.FieldCodeTooShort, fmt.Sprintf("must have at least %d characters", s.MinLength)
	case "maxLength":
		return gen.FieldCodeTooLong, fmt.Sprintf("must have at most %d characters", *s.MaxLength)
	case "minimum", "exclusiveMinimum":
		return gen.FieldCodeTooSmall, "must be at least " + strconv.FormatFloat(*s.Min, 'f', -1, 64)
	case "maximum", "exclusiveMaximum":
		return gen.FieldCodeTooLarge, "must be at most " + strconv.FormatFloat(*s.Max, 'f', -1, 64)
	case "minItems":
		return gen.FieldCodeTooFew, fmt.Sprintf("must have at least %d items", s.MinItems)
	case "maxItems":
		return gen.FieldCodeTooMany, fmt.Sprintf("must have at most %d items", *s.MaxItems)
	case "minProperties":
		return gen.FieldCodeTooFew, fmt.Sprintf("must have at least %d members", s.MinProps)
	case "uniqueItems":
		return gen.FieldCodeDuplicate, "must not have the same item twice"
	case "format":
		return gen.FieldCodeWrongFormat, "must have the format " + s.Format
	}
	return gen.FieldCodeWrongFormat, "does not have the right form"
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
