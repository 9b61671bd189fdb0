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
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	jsonType      = "application/json"
	multipartType = "multipart/form-data"

	minJSONLimit    = 16 << 10 // so that somebody whose body is somewhat too long learns where
	maxJSONLimit    = 1 << 20
	minValueLimit   = 250     // for the same
	maxValueLimit   = 100_000 // for what has more, there is a file
	maxPartOverhead = 4 << 10 // the boundary and the headers of one part
)

// prepareBody works out what a body is validated by.
func (o *Operation) prepareBody() error {
	if o.BodyType == jsonType {
		const kib = 1 << 10 // errors name it in KiB
		o.bodyLimit = min(max(minJSONLimit, (2*jsonSize(o.Body.Schema.Value)+kib-1)/kib*kib), maxJSONLimit)
		o.valueLimit = min(max(minValueLimit, 2*jsonValues(o.Body.Schema.Value)), maxValueLimit)
	}
	if o.Form == nil {
		return nil
	}
	for name, part := range o.Form.Schema.Value.Properties {
		if partLimit(part.Value) == 0 {
			return fmt.Errorf("its part %q has no maxLength or x-max-bytes", name)
		}
		_, most := eachOf(part.Value)
		if most == 0 {
			return fmt.Errorf("its part %q has no maxItems", name)
		}
		o.formLimit += int64(most) * (partLimit(part.Value) + maxPartOverhead)
	}
	return nil
}

// optionsOf says how a request is validated. A form is read by its handler: here it would be read into memory whole, several times.
func (o *Operation) optionsOf(state *requestState) *openapi3filter.Options {
	if !state.form {
		return o.options
	}
	options := *o.options
	options.ExcludeRequestBody = true
	return &options
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

// jsonValues is how many values a value may be made of at most, itself among them. A body needs no more than that either, and
// each costs many times its bytes: to find out that a hundred thousand numbers should be texts takes 30 MB.
func jsonValues(schema *openapi3.Schema) int64 {
	n := int64(1)
	switch {
	case schema.Type.Is(openapi3.TypeObject):
		for _, property := range schema.Properties {
			n += jsonValues(property.Value)
		}
	case schema.Type.Is(openapi3.TypeArray) && schema.MaxItems != nil:
		n += int64(min(*schema.MaxItems, maxJSONLimit)) * jsonValues(schema.Items.Value)
	}
	return min(n, maxJSONLimit)
}

// takeBody refuses a body of the wrong kind or size and, where it is JSON, one that readers could disagree about.
func (o *Operation) takeBody(c echo.Context, state *requestState) error {
	w, r := c.Response(), c.Request()
	if o.BodyType == "" {
		return nil // whatever was sent along is never read
	}
	if !o.Spec.RequestBody.Value.Required && r.ContentLength == 0 {
		r.Header.Del(echo.HeaderContentType)
		return nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if kind == o.AlsoBodyType && kind != "" {
		kind = o.BodyType
	}
	state.form = kind == multipartType && params["boundary"] != ""
	if err != nil || !(state.form && o.Form != nil || kind == jsonType && kind == o.BodyType) {
		return o.unsupportedMediaType()
	}
	limit, spelled := o.bodyLimit, jsonType // as everybody behind here spells it
	if state.form {
		limit, spelled = o.formLimit, mime.FormatMediaType(multipartType, map[string]string{"boundary": params["boundary"]})
	}
	r.Header.Set(echo.HeaderContentType, spelled)
	if r.ContentLength > limit {
		return o.bodyTooLarge(state.form)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if state.form {
		state.formBody = &formBody{ReadCloser: r.Body, connection: http.NewResponseController(w)}
		r.Body = state.formBody
		return nil
	}
	data, err := state.readBody(c)
	if err != nil {
		return err
	}
	if err := o.unambiguous(data); err != nil {
		return err
	}
	if !o.KeyInBody {
		state.idempotency.add("body", data)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return nil
}

// How long a body that needs room may take to arrive, where nobody waits for the room. How much of it is read at a time: it takes
// no more room than has arrived, and so much. And how much memory it takes while it is validated, for each of its bytes.
const (
	longBodyTime  = 10 * time.Second
	longBodyPiece = 32 << 10
	longBodyCost  = 6
)

// readBody reads a body. One that is longer than most are needs room for it in Options.Memory.
func (state *requestState) readBody(c echo.Context) ([]byte, error) {
	r := c.Request()
	var data bytes.Buffer
	if _, err := io.CopyN(&data, r.Body, minJSONLimit+1); err != nil && err != io.EOF {
		return nil, state.unreadable(err)
	}
	if data.Len() <= minJSONLimit {
		return data.Bytes(), nil
	}
	if state.memory != nil {
		return state.readLong(c, data.Bytes())
	}
	if _, err := io.Copy(&data, r.Body); err != nil {
		return nil, state.unreadable(err)
	}
	return data.Bytes(), nil
}

// readLong reads the rest of a body, for which it finds room as it arrives: what is declared costs the sender nothing.
func (state *requestState) readLong(c echo.Context, beginning []byte) ([]byte, error) {
	r := c.Request()
	ctx, connection := r.Context(), http.NewResponseController(c.Response().Writer)
	var brokenOff atomic.Bool
	room, err := state.memory(ctx, func() {
		brokenOff.Store(true)
		connection.SetReadDeadline(time.Unix(1, 0))
	})
	if err != nil {
		return nil, err
	}
	state.room = room
	if connection.SetReadDeadline(time.Now().Add(longBodyTime)) == nil {
		defer func() {
			if !brokenOff.Load() {
				connection.SetReadDeadline(time.Time{})
			}
		}()
	}
	pieces, size := [][]byte{beginning}, int64(len(beginning))
	for end := false; !end; {
		if err := room.Arrive(ctx, size+longBodyPiece); err != nil {
			return nil, err
		}
		piece := make([]byte, longBodyPiece)
		n, err := fill(r.Body, piece)
		switch end = err == io.EOF; {
		case err == nil || end:
		case brokenOff.Load():
			return nil, Unavailable(err)
		default:
			return nil, state.unreadable(err)
		}
		pieces, size = append(pieces, piece[:n]), size+int64(n)
	}
	if err := room.Validate(ctx, size*longBodyCost); err != nil {
		return nil, err
	}
	if brokenOff.Load() { // at the last moment: the connection is of no use any more
		return nil, Unavailable(errors.New("the body was broken off"))
	}
	return bytes.Join(pieces, nil), nil
}

// fill is io.ReadFull that returns the reader's own error: a body that breaks off is not one that ends.
func fill(from io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = from.Read(p[n:])
		n += more
	}
	return n, err
}

// bodyTooLarge is for a body over the limit. Where a form has one file, it is that: all else in it is small.
func (o *Operation) bodyTooLarge(form bool) *Error {
	if form {
		var files []string
		for name, part := range o.Form.Schema.Value.Properties {
			if part.Value.Format == "binary" {
				files = append(files, name)
			}
		}
		if len(files) == 1 {
			return tooLarge("/"+files[0], partLimit(o.Form.Schema.Value.Properties[files[0]].Value))
		}
		return tooLarge("", o.formLimit)
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

// unambiguous refuses JSON with duplicate members or with something behind its end, which readers understand differently,
// and JSON of far more values than it may have.
func (o *Operation) unambiguous(data []byte) error {
	if len(data) == 0 {
		return nil // whether a body is required is the validator's question
	}
	if o.hasTooManyValues(data) {
		return Invalid(Field("", gen.FieldCodeTooMany, "has far too many values"))
	}
	if o.hasTooManyItems(data) {
		return Invalid(Field("", gen.FieldCodeTooMany, fmt.Sprintf("must have at most %d items", *o.Body.Schema.Value.MaxItems)))
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

// hasTooManyItems tells whether a body that is a list is longer than one may be: then none of its items is looked at.
func (o *Operation) hasTooManyItems(data []byte) bool {
	list := o.Body.Schema.Value
	if list.MaxItems == nil {
		return false
	}
	decoder, items := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true)), uint64(0)
	if decoder.PeekKind() != '[' {
		return false
	}
	if _, err := decoder.ReadToken(); err != nil {
		return false
	}
	for decoder.PeekKind() != ']' {
		if items++; items > *list.MaxItems {
			return true
		}
		if decoder.SkipValue() != nil {
			return false // it is refused for that
		}
	}
	return false
}

// hasTooManyValues counts the values in a body, as far as its JSON can be read.
func (o *Operation) hasTooManyValues(data []byte) bool {
	// Before each value but the first stands one of these. In nearly all bodies there are few of them, also in texts.
	if int64(bytes.Count(data, []byte(","))+bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{"))) < o.valueLimit {
		return false
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	for values := int64(0); values <= o.valueLimit; {
		switch token, err := decoder.ReadToken(); {
		case err != nil:
			return false // it is refused for that
		case token.Kind() != '}' && token.Kind() != ']':
			values++ // or a name: an object has as many of these as of values
			if kind, length := decoder.StackIndex(decoder.StackDepth()); kind == '{' && length%2 == 1 {
				values--
			}
		}
	}
	return true
}
