package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	jsonType      = "application/json"
	multipartType = "multipart/form-data"

	maxJSONBody     = 1 << 20
	maxPartOverhead = 4 << 10 // the boundary and the headers of one part
)

// prepareBody works out what a body is held against.
func (o *Operation) prepareBody(content openapi3.Content) error {
	switch {
	case len(content) == 1 && content[jsonType] != nil:
		o.bodyType, o.bodyLimit = jsonType, maxJSONBody
	case len(content) == 1 && content[multipartType] != nil:
		o.bodyType, o.form = multipartType, content[multipartType]
		o.options.ExcludeRequestBody = true // it would be read into memory whole, several times
		for name, part := range o.form.Schema.Value.Properties {
			if part.Value.MaxLength == nil {
				return fmt.Errorf("its part %q has no maxLength", name)
			}
			o.bodyLimit += partLimit(part.Value) + maxPartOverhead
		}
	default:
		return fmt.Errorf("its body must be either %s or %s", jsonType, multipartType)
	}
	return nil
}

// takeBody refuses a body of the wrong kind or size and, where it is JSON, one that readers could disagree about.
func (o *Operation) takeBody(w http.ResponseWriter, r *http.Request, wish *idempotency) error {
	if o.bodyType == "" {
		return nil // whatever was sent along is never read
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || kind != o.bodyType || (kind == multipartType && params["boundary"] == "") {
		return unsupportedMediaType(o.bodyType)
	}
	if r.ContentLength > o.bodyLimit {
		return tooLarge(o.bodyLimit)
	}
	r.Body = http.MaxBytesReader(w, r.Body, o.bodyLimit)
	if o.bodyType != jsonType {
		return nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	if err := unambiguous(data); err != nil {
		return err
	}
	wish.add("body", data)
	r.Body = io.NopCloser(bytes.NewReader(data))
	return nil
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
		return Invalid(Field(string(syntax.JSONPointer), gen.FieldCodeDuplicate, "stands here twice"))
	case err != nil:
		return Invalid(Field("", gen.FieldCodeMalformed, "is not JSON"))
	}
	if _, err := decoder.ReadToken(); err != io.EOF {
		return Invalid(Field("", gen.FieldCodeMalformed, "has something behind its end"))
	}
	return nil
}
