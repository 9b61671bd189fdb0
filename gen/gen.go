// Package gen holds what oapi-codegen makes of the contract: the models and a plain HTTP client here, the Echo server
// interface in gen/stub. Nothing in it is edited; change api/openapi.yaml and run `make generate`.
//
// To call the API, import the client package instead: it unwraps envelopes, types errors and names things once.
// To implement it, import gen/stub and let the compiler list the methods of stub.StrictServerInterface.
package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

//go:generate go run ./generate json ../api/openapi.gen.json
//go:generate go run ./generate contract .contract.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen --config models.yaml .contract.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen --config client.yaml .contract.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen --config stub.yaml .contract.yaml
//go:generate go run ./generate encoding stub/stub.gen.go
//go:generate go run ./generate unimplemented stub/unimplemented.gen.go
//go:generate go run ./generate operations ../client/operations.gen.go
//go:generate go run ./generate values ../client/values.gen.go

// Time is a moment on the wire: RFC 3339 in UTC, always with three digits of milliseconds. time.Time alone would drop
// trailing zeros, and clients of this API read the fixed form. Finer fractions are cut off when it is written.
type Time struct {
	_ struct{} // so that the runtime of the generated code takes it for a moment: a struct of nothing but a time is a day to it
	time.Time
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes the fixed form.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(make([]byte, 0, len(timeLayout)+2), `"`+timeLayout+`"`), nil
}

// MarshalText writes the fixed form, as a parameter has it.
func (t Time) MarshalText() ([]byte, error) {
	return t.UTC().AppendFormat(nil, timeLayout), nil
}

// UnmarshalJSON reads any RFC 3339 time, in any offset.
func (t *Time) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a time must be a string: %w", err)
	}
	return t.Bind(text)
}

// Bind reads the same from a parameter.
func (t *Time) Bind(text string) error {
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("a time must be in the form of RFC 3339: %w", err)
	}
	t.Time = parsed.UTC()
	return nil
}

// WriteJSON writes a value as one line of JSON, as every answer is written: `<`, `>` and `&` stand for themselves. JSON is
// no HTML, and escaped they would take six bytes each.
func WriteJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// MarshalJSON is json.Marshal in the form of WriteJSON.
func MarshalJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	err := WriteJSON(&text, value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// statuses are the HTTP statuses of the codes. Where a status has several codes, the most general one is the first.
var statuses = []struct {
	code   ProblemCode
	status int
}{
	{ProblemCodeInvalidRequest, http.StatusBadRequest},
	{ProblemCodeUnauthenticated, http.StatusUnauthorized},
	{ProblemCodeTwoFactorRequired, http.StatusUnauthorized},
	{ProblemCodePermissionDenied, http.StatusForbidden},
	{ProblemCodeTwoFactorOff, http.StatusForbidden},
	{ProblemCodeEmailUnverified, http.StatusForbidden},
	{ProblemCodeNotFound, http.StatusNotFound},
	{ProblemCodeMethodNotAllowed, http.StatusMethodNotAllowed},
	{ProblemCodeConflict, http.StatusConflict},
	{ProblemCodePayloadTooLarge, http.StatusRequestEntityTooLarge},
	{ProblemCodeUnsupportedMediaType, http.StatusUnsupportedMediaType},
	{ProblemCodeRateLimited, http.StatusTooManyRequests},
	{ProblemCodeInternal, http.StatusInternalServerError},
	{ProblemCodeUnavailable, http.StatusServiceUnavailable},
	{ProblemCodeNotImplemented, http.StatusNotImplemented},
}

// Status returns the HTTP status of an answer with this code; 0 if the code is not in this version of the contract.
func (c ProblemCode) Status() int {
	for _, known := range statuses {
		if known.code == c {
			return known.status
		}
	}
	return 0
}

// ProblemCodeOf returns the code that says no more than an HTTP status does; an empty one if no code has this status.
func ProblemCodeOf(status int) ProblemCode {
	for _, known := range statuses {
		if known.status == status {
			return known.code
		}
	}
	return ""
}
