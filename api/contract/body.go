package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	jsonType      = "application/json"
	multipartType = "multipart/form-data"

	minJSONLimit    = 16 << 10 // so that somebody whose body is somewhat too long learns where
	maxJSONLimit    = 1 << 20
	maxPartOverhead = 4 << 10 // the boundary and the headers of one part
)

// prepareBody works out what a body is validated by.
func (o *Operation) prepareBody() error {
	switch o.BodyType {
	case "":
	case jsonType:
		const kib = 1 << 10 // errors name it in KiB
		o.bodyLimit = min(max(minJSONLimit, (2*jsonSize(o.Body.Schema.Value)+kib-1)/kib*kib), maxJSONLimit)
	case multipartType:
		o.options.ExcludeRequestBody = true // it would be read into memory whole, several times
		for name, part := range o.Body.Schema.Value.Properties {
			if partLimit(part.Value) == 0 {
				return fmt.Errorf("its part %q has no maxLength or x-max-bytes", name)
			}
			o.bodyLimit += partLimit(part.Value) + maxPartOverhead
		}
	default:
		return fmt.Errorf("its body must be either %s or %s", jsonType, multipartType)
	}
	return nil
}

// jsonSize is how many bytes a value may have at most, without spaces between its parts and with every character escaped
// that can be. A body needs no more than that, and what is wrong in a larger one would cost far more to find than to send.
func jsonSize(schema *openapi3.Schema) int64 {
	const escaped = 12 // a character beyond the basic plane
	switch {
	case schema.Type.Is(openapi3.TypeObject) && schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has:
		size := int64(2)
		for name, property := range schema.Properties {
			size += int64(len(name))*escaped + int64(len(`"":,`)) + jsonSize(property.Value)
		}
		return min(size, maxJSONLimit)
	case schema.Type.Is(openapi3.TypeArray) && schema.MaxItems != nil:
		return min(2+int64(min(*schema.MaxItems, maxJSONLimit))*(jsonSize(schema.Items.Value)+1), maxJSONLimit)
	case schema.Type.Is(openapi3.TypeString) && schema.MaxLength != nil:
		return min(2+int64(min(*schema.MaxLength, maxJSONLimit))*escaped, maxJSONLimit)
	case schema.Type.Is(openapi3.TypeInteger), schema.Type.Is(openapi3.TypeBoolean):
		return 32
	}
	return maxJSONLimit // it has no bounds of its own
}

// takeBody refuses a body of the wrong kind or size and, where it is JSON, one that readers could disagree about.
func (o *Operation) takeBody(w http.ResponseWriter, r *http.Request, wish *idempotency) error {
	if o.BodyType == "" {
		return nil // whatever was sent along is never read
	}
	if !o.Spec.RequestBody.Value.Required && r.ContentLength == 0 {
		r.Header.Del(echo.HeaderContentType)
		return nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || kind != o.BodyType || (kind == multipartType && params["boundary"] == "") {
		return unsupportedMediaType(o.BodyType)
	}
	if o.BodyType == jsonType {
		r.Header.Set(echo.HeaderContentType, jsonType) // as everybody behind here spells it
	}
	if r.ContentLength > o.bodyLimit {
		return o.bodyTooLarge()
	}
	r.Body = http.MaxBytesReader(w, r.Body, o.bodyLimit)
	if o.BodyType != jsonType {
		return nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return o.unreadable(err)
	}
	if err := unambiguous(data); err != nil {
		return err
	}
	wish.add("body", data)
	r.Body = io.NopCloser(bytes.NewReader(data))
	return nil
}

// bodyTooLarge is for a body over the limit. Where a form has one file, it is that: all else in it is small.
func (o *Operation) bodyTooLarge() *Error {
	if o.BodyType == multipartType {
		var files []string
		for name, part := range o.Body.Schema.Value.Properties {
			if part.Value.Format == "binary" {
				files = append(files, name)
			}
		}
		if len(files) == 1 {
			return tooLarge("/"+files[0], partLimit(o.Body.Schema.Value.Properties[files[0]].Value))
		}
	}
	return tooLarge("", o.bodyLimit)
}

// writeWhole writes every integer of a validated body as such: 1.0 and 1e1 are integers in JSON, and not in Go.
func writeWhole(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			value[name] = writeWhole(member)
		}
	case []any:
		for i, item := range value {
			value[i] = writeWhole(item)
		}
	case json.Number:
		if !strings.ContainsAny(value.String(), ".eE") {
			return value
		}
		const exact = 1 << 53 // what the contract's integers stay below, and every number here is exact to
		if f, err := value.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) <= exact {
			return json.Number(strconv.FormatInt(int64(f), 10))
		}
	}
	return value
}

// unambiguous refuses JSON with duplicate members or with something behind its end, which readers understand differently.
func unambiguous(data []byte) error {
	if len(data) == 0 {
		return nil // whether a body is required is the validator's question
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(data))
	_, err := decoder.ReadValue()
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return Invalid(Field(string(syntax.JSONPointer), gen.FieldCodeDuplicate, "is a duplicate"))
	case err != nil:
		return Invalid(Field("", gen.FieldCodeMalformed, "is not JSON"))
	}
	if _, err := decoder.ReadToken(); err != io.EOF {
		return Invalid(Field("", gen.FieldCodeMalformed, "has something behind its end"))
	}
	return nil
}
