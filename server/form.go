package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rejoin-dev/rejoin/gen"
)

// partLimit is how many bytes a part may have: as many as its schema says for a file, and four for each character of a text.
func partLimit(part *openapi3.Schema) int64 {
	if part.Format == "binary" {
		return int64(*part.MaxLength)
	}
	return int64(*part.MaxLength) * utf8.UTFMax
}

// A form is what a multipart body said: its text parts by name. Files have gone to their reader.
type form map[string]string

// text returns a text part, or nil if it was left out.
func (f form) text(name string) *string {
	if value, ok := f[name]; ok {
		return &value
	}
	return nil
}

// readForm reads a multipart body part by part and holds each against the schema of the form: its name, that it
// comes once, its size, and for texts the rest of their schema. A file is handed to onFile while it arrives and is
// never in memory whole. The operation of ctx says what the form is. Every finding is in the one fault that readForm returns, unless the body cannot be read further.
func readForm(ctx context.Context, body *multipart.Reader, onFile func(name string, content io.Reader) error) (form, error) {
	call := callFrom(ctx)
	schema := call.operation.form
	parts := form{}
	seen := map[string]any{}
	var fields []gen.ProblemField
	for {
		part, err := body.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, unreadable(err)
		}
		name := part.FormName()
		pointer := "/" + pointerToken.Replace(name)
		property := schema.Properties[name]
		switch {
		case len(fields) >= maxFields:
			return nil, invalid(fields...)
		case property == nil:
			fields = append(fields, problem(pointer, gen.FieldCodeUnknown, "is not known here"))
			continue
		case seen[name] != nil:
			fields = append(fields, problem(pointer, gen.FieldCodeDuplicate, "stands here twice"))
			continue
		}
		seen[name] = name
		digest := sha256.New()
		content := &cappedReader{from: io.TeeReader(part, digest), left: partLimit(property.Value)}
		if property.Value.Format == "binary" {
			err = onFile(name, content)
		} else {
			err = readText(parts, name, property.Value, content)
		}
		var f *fault
		switch {
		case content.spent && property.Value.Format == "binary":
			return nil, tooLarge(partLimit(property.Value))
		case errors.As(err, &f) && f.code == gen.ProblemCodeInvalidRequest:
			fields = append(fields, f.fields...)
		case err != nil:
			return nil, err
		}
		call.idempotency.add(name, digest.Sum(nil))
	}
	for _, name := range schema.Required {
		if seen[name] == nil {
			fields = append(fields, problem("/"+name, gen.FieldCodeRequired, "is required"))
		}
	}
	if len(fields) == 0 && uint64(len(seen)) < schema.MinProps {
		fields = append(fields, problem("", gen.FieldCodeTooFew, fmt.Sprintf("must have at least %d parts", schema.MinProps)))
	}
	if len(fields) > 0 {
		return nil, invalid(fields...)
	}
	return parts, nil
}

func readText(into form, name string, schema *openapi3.Schema, content *cappedReader) error {
	pointer := "/" + name
	data, err := io.ReadAll(content)
	if content.spent {
		return invalid(problem(pointer, gen.FieldCodeTooLong, fmt.Sprintf("must have at most %d characters", *schema.MaxLength)))
	}
	if err != nil {
		return unreadable(err)
	}
	if !utf8.Valid(data) {
		return invalid(problem(pointer, gen.FieldCodeMalformed, "must be UTF-8"))
	}
	into[name] = string(data)
	var fields []gen.ProblemField
	for _, e := range flatten(schema.VisitJSON(into[name], openapi3.MultiErrors())) {
		var broken *openapi3.SchemaError
		if errors.As(e, &broken) {
			fields = append(fields, fieldsOfSchema(broken, pointer)...)
		}
	}
	if len(fields) > 0 {
		return invalid(fields...)
	}
	return nil
}

// A cappedReader fails, unlike io.LimitedReader, when there is more to read than it may hand on.
type cappedReader struct {
	from  io.Reader
	left  int64
	spent bool
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
	if int64(n) > c.left {
		n, c.spent = int(c.left), true
		err = errTooLong
	}
	c.left -= int64(n)
	return n, err
}
