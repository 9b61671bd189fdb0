package contract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rejoin-dev/rejoin/gen"
)

// eachOf is the schema of a part, where several may have one name that of each of them, and how many they may be.
func eachOf(part *openapi3.Schema) (each *openapi3.Schema, most int) {
	if part.Items == nil {
		return part, 1
	}
	if part.MaxItems == nil {
		return part.Items.Value, 0
	}
	return part.Items.Value, int(*part.MaxItems)
}

// partLimit is how many bytes a part may have: as many as its schema says for a file, and four for each character of a
// text. 0: its schema does not say.
func partLimit(part *openapi3.Schema) int64 {
	part, _ = eachOf(part)
	switch {
	case part.Format == "binary":
		limit, _ := part.Extensions["x-max-bytes"].(float64)
		return int64(limit)
	case part.MaxLength != nil:
		return int64(*part.MaxLength) * utf8.UTFMax
	}
	return 0
}

// mediaTypes are the kinds of files that a part takes. None: any.
func mediaTypes(part *openapi3.Schema) (kinds []string) {
	taken, _ := part.Extensions["x-media-types"].([]any)
	for _, kind := range taken {
		kinds = append(kinds, fmt.Sprint(kind))
	}
	return kinds
}

// A Form is what a multipart body said. The zero Form said nothing.
type Form struct {
	texts map[string]string
	files map[string][]byte
	names map[string][]string
}

// Text returns a text part, or nil if it was left out.
func (f Form) Text(name string) *string {
	if value, ok := f.texts[name]; ok {
		return &value
	}
	return nil
}

// File returns the content of a file that ReadForm has kept in memory, or nil if it was left out.
func (f Form) File(name string) []byte { return f.files[name] }

// FileNames returns the names of the files that came as a part, in the order in which they came. They are what the sender
// says, whatever that is.
func (f Form) FileNames(name string) []string { return f.names[name] }

// ReadForm reads a multipart body part by part and validates each against the schema of the form: its name, that it comes
// once (or, if its schema is an array, not more often than that may have items), its size, for files the kinds that the contract takes, and for texts the rest of their schema. The operation of
// ctx says what the form is.
//
// A file is handed to onFile while it arrives and is never in memory whole; kind is its media type by its content, for
// the type that was declared says nothing. What onFile has kept is to be given up if ReadForm fails. If onFile is nil, files
// are kept in memory: see Form.File.
//
// Every finding is in the one Error that ReadForm returns, unless the body cannot be read further.
func ReadForm(ctx context.Context, body *multipart.Reader, onFile func(name, kind string, content io.Reader) error) (Form, error) {
	state := stateFrom(ctx)
	r := formReader{
		state: state, schema: state.operation.Form.Schema.Value, onFile: onFile,
		form: Form{texts: map[string]string{}, files: map[string][]byte{}, names: map[string][]string{}}, seen: map[string]int{},
	}
	if onFile == nil {
		r.onFile = func(name, _ string, content io.Reader) (err error) {
			r.form.files[name], err = io.ReadAll(content)
			return err
		}
	}
	for {
		part, err := r.next(body)
		if err == io.EOF {
			break
		}
		if err != nil {
			return Form{}, err
		}
		if err := r.take(part); err != nil {
			return Form{}, err
		}
		if _, err := io.Copy(io.Discard, part); err != nil { // what nobody has read of it is no header of the next one
			return Form{}, state.unreadable(err)
		}
	}
	if err := r.complete(); err != nil {
		return Form{}, err
	}
	if err := state.findCallerAgain(ctx); err != nil {
		return Form{}, err
	}
	return r.form, nil
}

// A formReader reads one form, and gathers what is wrong with it.
type formReader struct {
	state  *requestState
	schema *openapi3.Schema
	onFile func(name, kind string, content io.Reader) error
	form   Form
	seen   map[string]int
	fields []gen.ProblemField
	headed int // bytes of the headers of all parts
}

// What the headers of parts may have, in all, and what is read at once besides: the reader of forms keeps them in memory whatever they are.
const (
	maxPartHeaders = 16 << 10
	formReadAhead  = 8 << 10
)

var errLongHeaders = errors.New("the headers of the parts are longer than they may be")

// next is the next part, of which the headers were read.
func (r *formReader) next(body *multipart.Reader) (*multipart.Part, error) {
	if b := r.state.formBody; b != nil {
		b.limited, b.left = true, maxPartHeaders+formReadAhead
		defer func() { b.limited = false }()
	}
	part, err := body.NextPart()
	if err == nil {
		for name, values := range part.Header {
			for _, value := range values {
				r.headed += len(name) + len(value) + len(": \r\n")
			}
		}
	}
	switch {
	case r.headed > maxPartHeaders, errors.Is(err, errLongHeaders):
		return nil, Invalid(Field("", gen.FieldCodeTooLong, "must have at most 16 KiB of headers of its parts"))
	case err == nil || err == io.EOF:
		return part, err
	}
	return nil, r.state.unreadable(err)
}

// A formBody is the body of a form. Between parts it hands on no more than their headers may have.
type formBody struct {
	io.ReadCloser
	connection *http.ResponseController
	limited    bool
	left       int
}

func (b *formBody) Read(p []byte) (int, error) {
	if !b.limited {
		return b.ReadCloser.Read(p)
	}
	if b.left == 0 {
		return 0, errLongHeaders
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// BreakOff returns what ends the reading of the form of a request, from another goroutine, too.
func BreakOff(ctx context.Context) func() {
	body := stateFrom(ctx).formBody
	return func() {
		if body != nil {
			body.connection.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// take reads a part. Its error ends the reading; what else is wrong is among the fields.
func (r *formReader) take(part *multipart.Part) error {
	name := part.FormName()
	pointer := "/" + pointerToken.Replace(name)
	property := r.schema.Properties[name]
	switch {
	case len(r.fields) >= maxFields:
		return Invalid(r.fields...)
	case property == nil:
		r.fields = append(r.fields, Field(pointer, gen.FieldCodeUnknown, "is an unknown field"))
		return nil
	}
	each, most := eachOf(property.Value)
	switch {
	case property.Value.Items == nil && r.seen[name] > 0:
		r.fields = append(r.fields, Field(pointer, gen.FieldCodeDuplicate, "is a duplicate"))
		return nil
	case r.seen[name] >= most:
		if r.seen[name]++; r.seen[name] == most+1 { // once says it
			r.fields = append(r.fields, Field(pointer, gen.FieldCodeTooMany, fmt.Sprintf("must have at most %d items", most)))
		}
		return nil
	}
	if property.Value.Items != nil {
		pointer = fmt.Sprintf("%s/%d", pointer, r.seen[name])
	}
	r.seen[name]++
	digest := sha256.New()
	content := &cappedReader{from: io.TeeReader(part, digest), left: partLimit(each)}
	isFile := each.Format == "binary"
	var err error
	if isFile {
		r.form.names[name] = append(r.form.names[name], part.FileName())
		err = readFile(strings.TrimPrefix(pointer, "/"), each, content, r.onFile)
	} else {
		err = readText(r.form.texts, name, each, content)
	}
	var e *Error
	switch {
	case content.broken != nil:
		return r.state.unreadable(content.broken)
	case content.spent && isFile:
		return tooLarge(pointer, partLimit(each))
	case errors.As(err, &e) && e.Code == gen.ProblemCodeInvalidRequest:
		r.fields = append(r.fields, e.Fields...)
	case err != nil:
		return err
	}
	r.state.idempotency.add(name, digest.Sum(nil))
	return nil
}

// complete adds what is missing to what is wrong, and tells all of it.
func (r *formReader) complete() error {
	for _, name := range r.schema.Required {
		if r.seen[name] == 0 {
			r.fields = append(r.fields, Field("/"+name, gen.FieldCodeRequired, "is required"))
		}
	}
	if len(r.fields) == 0 && uint64(len(r.seen)) < r.schema.MinProps {
		r.fields = append(r.fields, Field("", gen.FieldCodeTooFew, "must have at least "+counted(r.schema.MinProps, "part")))
	}
	if len(r.fields) > 0 {
		return Invalid(r.fields...)
	}
	return nil
}

// sniffLength is how much of a file its kind is detected from.
const sniffLength = 3072

func readFile(name string, schema *openapi3.Schema, content io.Reader, onFile func(name, kind string, content io.Reader) error) error {
	head := make([]byte, sniffLength)
	n, err := io.ReadFull(content, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	kind := mimetype.Detect(head)
	if taken := mediaTypes(schema); taken != nil {
		for kind != nil && !slices.Contains(taken, kind.String()) {
			kind = kind.Parent()
		}
		if kind == nil {
			return Invalid(Field("/"+name, gen.FieldCodeWrongFormat, "must be one of: "+strings.Join(taken, ", ")))
		}
	}
	return onFile(name, kind.String(), io.MultiReader(bytes.NewReader(head), content))
}

func readText(into map[string]string, name string, schema *openapi3.Schema, content *cappedReader) error {
	pointer := "/" + name
	data, err := io.ReadAll(content)
	if content.spent {
		return Invalid(Field(pointer, gen.FieldCodeTooLong, "must have at most "+counted(*schema.MaxLength, "character")))
	}
	if err != nil {
		return err
	}
	if !utf8.Valid(data) {
		return Invalid(Field(pointer, gen.FieldCodeMalformed, "must be UTF-8"))
	}
	into[name] = string(data)
	var fields []gen.ProblemField
	for _, e := range flatten(schema.VisitJSON(into[name], openapi3.MultiErrors())) {
		var broken *openapi3.SchemaError
		if errors.As(e, &broken) {
			code, message := codeOf(broken)
			fields = append(fields, Field(pointer, code, message))
		}
	}
	if len(fields) > 0 {
		return Invalid(fields...)
	}
	return nil
}

// A cappedReader fails, unlike io.LimitedReader, when there is more to read than it may hand on.
type cappedReader struct {
	from   io.Reader
	left   int64
	spent  bool  // there was more
	broken error // what from failed with
}

var errTooLong = errors.New("the part is longer than it may be")

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.spent {
		return 0, errTooLong
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.from.Read(p)
	if err != nil && err != io.EOF {
		c.broken = err
	}
	if int64(n) > c.left {
		n, c.spent = int(c.left), true
		err = errTooLong
	}
	c.left -= int64(n)
	return n, err
}
