package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	oapi "github.com/oapi-codegen/runtime"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
)

// The contract of these tests has a JSON body with every kind of constraint, which the real one may not have.
const thingsContract = `
openapi: 3.0.3
info: { title: Things, version: "1" }
paths:
  /things/{id}:
    post:
      tags: [things]
      operationId: createThing
      security: [{ sessionAuth: [] }]
      parameters:
        - { name: id, in: path, required: true, schema: { type: integer, minimum: 1, maximum: 99 } }
        - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100, default: 20 } }
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: OPEN
              required: [name]
              properties:
                name: { type: string, minLength: 1, maxLength: 5 }
                kind: { type: string, maxLength: 1, enum: [a, b] }
                count: { type: integer, minimum: 1, maximum: 9 }
                id: { type: string, maxLength: 24, format: objectid }
                tags: { type: array, maxItems: 2, uniqueItems: true, items: { type: string, maxLength: 3 } }
                note: { type: string, maxLength: 10, default: none }
                text: { type: string, maxLength: 5000 }
                inner: { type: object, additionalProperties: false, properties: { "a/b": { type: string, maxLength: 1 } } }
      responses:
        default: { $ref: "#/components/responses/SystemError" }
x-envelope-families:
  system: { $ref: "#/components/schemas/SystemErrorResponse" }
components:
  securitySchemes:
    sessionAuth: { type: http, scheme: bearer }
  responses:
    SystemError: { description: "", content: { application/json: { schema: { $ref: "#/components/schemas/SystemErrorResponse" } } } }
  schemas:
    SystemErrorResponse: { type: object }
`

func parse(t testing.TB, contract string) *openapi3.T {
	t.Helper()
	if _, err := api.Load(); err != nil { // knows the formats
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func operationsOf(t testing.TB, contract string) api.List {
	t.Helper()
	operations, err := api.OperationsOf(parse(t, contract))
	if err != nil {
		t.Fatal(err)
	}
	return operations
}

// newThings serves thingsContract; the operation answers with the body as the generated stub binds it.
func newThings(t testing.TB, additional string) http.Handler {
	t.Helper()
	k, err := newContract(operationsOf(t, strings.ReplaceAll(thingsContract, "OPEN", additional)))
	if err != nil {
		t.Fatal(err)
	}
	return serveThings(t, k, optionsForTests)
}

func serveThings(t testing.TB, k *contract, options Options) http.Handler {
	t.Helper()
	e, err := k.newEcho(options, func(e *echo.Echo) {
		e.POST("/things/:id", func(c echo.Context) error {
			var body struct {
				Name string `json:"name"`
				Note string `json:"note"`
			}
			if err := oapi.BindJSONBody(c.Request(), &body); err != nil {
				return err
			}
			return c.JSON(http.StatusOK, map[string]string{"name": body.Name, "note": body.Note, "limit": c.QueryParam("limit")})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var optionsForTests = Options{
	Authenticate: func(context.Context, string, bool) (Caller, error) { return Caller{Scheme: SessionAuth}, nil },
	Log:          slog.New(slog.DiscardHandler),
}

const goodCredential = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func postThing(path, body string) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+goodCredential)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return r
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) gen.SystemErrorResponse {
	t.Helper()
	var answer gen.SystemErrorResponse
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Body.Code == "" {
		t.Fatalf("not an envelope: %d %s (%v)", w.Code, w.Body, err)
	}
	return answer
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryBrokenConstraintIsNamedByPointerAndCode(t *testing.T) {
	things := newThings(t, "false")
	const secret = "S3CR3T"
	for _, test := range []struct {
		path, body string
		want       []string // pointer and code
	}{
		{"/things/1", `{}`, []string{"/name required"}},
		{"/things/1", ``, []string{" required"}},
		{"/things/1", `null`, []string{" wrong_type"}},
		{"/things/1", `[]`, []string{" wrong_type"}},
		{"/things/1", `{"name":`, []string{" malformed"}},
		{"/things/1", `{"name":"a"} {"name":"b"}`, []string{" malformed"}},
		{"/things/1", `{"name":"a","name":"b"}`, []string{"/name duplicate"}},
		{"/things/1", `{"name":"a","inner":{"a/b":"x","a/b":"y"}}`, []string{"/inner/a~1b duplicate"}},
		{"/things/1", `{"name":"` + secret + `"}`, []string{"/name too_long"}},
		{"/things/1", `{"name":""}`, []string{"/name too_short"}},
		{"/things/1", `{"name":5}`, []string{"/name wrong_type"}},
		{"/things/1", `{"name":null}`, []string{"/name wrong_type"}},
		{"/things/1", "{\"name\":\"\xff\"}", []string{" malformed"}},
		{"/things/1", `{"name":"\ud800"}`, []string{" malformed"}},
		{"/things/1", `{"name":"a","NAME":"b","x~y":"` + secret + `"}`, []string{"/NAME unknown", "/x~0y unknown"}},
		{"/things/1", `{"name":"a","kind":"` + secret + `"}`, []string{"/kind not_allowed"}},
		{"/things/1", `{"name":"a","count":0}`, []string{"/count too_small"}},
		{"/things/1", `{"name":"a","count":10}`, []string{"/count too_large"}},
		{"/things/1", `{"name":"a","count":1.5}`, []string{"/count wrong_type"}},
		{"/things/1", `{"name":"a","count":"` + secret + `"}`, []string{"/count wrong_type"}},
		{"/things/1", `{"name":"a","id":"` + secret + `"}`, []string{"/id wrong_format"}},
		{"/things/1", `{"name":"a","tags":["x","y","z"]}`, []string{"/tags too_many"}},
		{"/things/1", `{"name":"a","tags":["x","x"]}`, []string{"/tags duplicate"}},
		{"/things/1", `{"name":"a","tags":["x","` + secret + `"]}`, []string{"/tags/1 too_long"}},
		{"/things/1", `{"name":"a","inner":{"a/b":"` + secret + `"}}`, []string{"/inner/a~1b too_long"}},
		{"/things/0", `{"name":"a"}`, []string{"path/id too_small"}},
		{"/things/" + secret, `{"name":"a"}`, []string{"path/id wrong_type"}},
		{"/things/1?limit=0", `{"name":"a"}`, []string{"query/limit too_small"}},
		{"/things/1?limit=%ff", `{"name":"a"}`, []string{"query malformed"}},
		{"/things/100?limit=" + secret, `{"count":0}`, []string{"path/id too_large", "query/limit wrong_type", "/count too_small", "/name required"}},
	} {
		w := send(things, postThing(test.path, test.body))
		var got []string
		for _, field := range problemOf(t, w).Body.Fields {
			got = append(got, fmt.Sprintf("%s %s", field.Pointer, field.Code))
			if field.Message == "" {
				t.Errorf("%s %s: a field has no message", test.path, test.body)
			}
		}
		if w.Code != http.StatusBadRequest || !cmp.Equal(got, test.want) {
			t.Errorf("%s %s: got %d %q, want 400 %q", test.path, test.body, w.Code, got, test.want)
		}
		for _, leak := range []string{secret, "openapi3", "schema", "regexp", "goroutine"} {
			if strings.Contains(w.Body.String(), leak) {
				t.Errorf("%s %s: the answer contains %q: %s", test.path, test.body, leak, w.Body)
			}
		}
	}
}

func TestTheHandlerGetsTheValueThatWasValidated(t *testing.T) {
	// Go's decoder matches names in any case: a second decode of this body would hand over the empty NAME.
	w := send(newThings(t, "true"), postThing("/things/1", `{"name":"ok","NAME":""}`))
	want := `{"limit":"20","name":"ok","note":"none"}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
		t.Errorf("got %d %s, want 200 %s: the validated value, with the defaults of body and query", w.Code, got, want)
	}
}

func TestNothingIsReadOfABodyBeforeTheCallerIsKnown(t *testing.T) {
	r := postThing("/things/1", "")
	r.Header.Del("Authorization")
	r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) {
		t.Error("the body was read")
		return 0, io.EOF
	}))
	if w := send(newThings(t, "false"), r); w.Code != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", w.Code)
	}
}

func TestAKeyInBothHeadersCameAsTheOperationTakesIt(t *testing.T) {
	for _, schemes := range [][]string{{KeyAuth}, {APIKeyAuth}, {SessionAuth, KeyAuth, APIKeyAuth}} {
		state := requestState{
			operation: &Operation{Operation: &api.Operation{Schemes: schemes, Permission: api.AnyPermission}},
			request:   postThing("/things/1", ""),
			authenticate: func(_ context.Context, _ string, inKeyHeader bool) (Caller, error) {
				if inKeyHeader {
					return Caller{Scheme: APIKeyAuth}, nil
				}
				return Caller{Scheme: KeyAuth}, nil
			},
		}
		state.request.Header.Set("X-Api-Key", goodCredential)
		if err := state.findCaller(t.Context()); err != nil || !slices.Contains(schemes, state.caller.Scheme) {
			t.Errorf("%v: got %s, %v", schemes, state.caller.Scheme, err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestABodyOverItsLimitIsRefusedWhetherOrNotItsLengthIsDeclared(t *testing.T) {
	things := newThings(t, "false")
	large := `{"name":"` + strings.Repeat("a", 1<<20) + `"}`
	for _, declared := range []bool{true, false} {
		r := postThing("/things/1", large)
		if !declared {
			r.ContentLength = -1
		}
		if w := send(things, r); w.Code != http.StatusRequestEntityTooLarge || problemOf(t, w).Body.Code != gen.ProblemCodePayloadTooLarge {
			t.Errorf("declared %v: got %d, want 413: %s", declared, w.Code, w.Body)
		}
	}
}

func TestTheLargestBodyThatTheContractAdmitsIsTaken(t *testing.T) {
	escaped := func(characters int) string { return strings.Repeat(`\ud83d\ude00`, characters) }
	body := `{ "\u006e\u0061\u006d\u0065" : "` + escaped(5) + `" , "tags": ["` + escaped(3) + `", "` + escaped(2) + `"], "text": "` + escaped(5000) + `" }`
	if w := send(newThings(t, "false"), postThing("/things/1", body)); w.Code != http.StatusOK {
		t.Errorf("%d bytes: got %d, want 200: %s", len(body), w.Code, w.Body)
	}
}

func TestABodyOfAnotherMediaTypeIsRefused(t *testing.T) {
	things := newThings(t, "false")
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "a/b/c"} {
		r := postThing("/things/1", `{"name":"a"}`)
		r.Header.Set("Content-Type", contentType)
		if w := send(things, r); w.Code != http.StatusUnsupportedMediaType || problemOf(t, w).Body.Code != gen.ProblemCodeUnsupportedMediaType {
			t.Errorf("%q: got %d, want 415: %s", contentType, w.Code, w.Body)
		}
	}
}

func TestAContractThatCannotBeEnforcedIsRefusedByName(t *testing.T) {
	things := strings.ReplaceAll(thingsContract, "OPEN", "false")
	for name, change := range map[string][2]string{
		"no security":      {"      security: [{ sessionAuth: [] }]\n", ""},
		"two at once":      {"[{ sessionAuth: [] }]", "[{ sessionAuth: [], other: [] }]"},
		"a key, no need":   {"{ sessionAuth: [] }", "{ keyAuth: [] }"},
		"a need, no key":   {"      security:", "      x-required-permission: badges\n      security:"},
		"an unknown need":  {"      security: [{ sessionAuth: [] }]", "      x-required-permission: nonsense\n      security: [{ keyAuth: [] }]"},
		"no family":        {"        default: { $ref: \"#/components/responses/SystemError\" }", "        default: { description: x }"},
		"another body":     {"application/json", "text/csv"},
		"a part unlimited": {"application/json", "multipart/form-data"},
	} {
		broken := strings.Replace(things, change[0], change[1], 1)
		if broken == things {
			t.Fatalf("%s: nothing was changed", name)
		}
		operations, err := api.OperationsOf(parse(t, broken))
		if err == nil {
			_, err = newContract(operations)
		}
		if err == nil || !strings.Contains(err.Error(), "createThing") {
			t.Errorf("%s: got %v, want an error that names createThing", name, err)
		}
	}
}

func TestAContractThatDiffersFromTheRoutesIsRefused(t *testing.T) {
	k, err := newContract(operationsOf(t, strings.ReplaceAll(thingsContract, "OPEN", "false")))
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.GET("/other", func(echo.Context) error { return nil })
	err = k.matches(e.Routes())
	if err == nil || !strings.Contains(err.Error(), "GET /other is served") || !strings.Contains(err.Error(), "createThing") {
		t.Errorf("got %v, want an error that names both sides of the difference", err)
	}
}

func TestEveryCodeOfTheContractHasAStatus(t *testing.T) {
	doc, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range doc.Components.Schemas["ProblemCode"].Value.Enum {
		code := gen.ProblemCode(value.(string))
		status := code.Status()
		if general := gen.ProblemCodeOf(status); status < 400 || general.Status() != status {
			t.Errorf("%s: got the status %d, which stands for %q", code, status, general)
		}
	}
	if gen.ProblemCode("nonsense").Status() != 0 || gen.ProblemCodeOf(418) != "" {
		t.Error("what is not in the contract has a status or a code")
	}
	if got := gen.ProblemCodeOf(http.StatusForbidden); got != gen.ProblemCodePermissionDenied {
		t.Errorf("got %s for a 403 that says no more", got)
	}
}

// BenchmarkValidation measures what validating one small JSON request costs, in a contract with few
// operations and with many: the figures must not differ.
func BenchmarkValidation(b *testing.B) {
	for _, operations := range []int{1, 500} {
		b.Run(fmt.Sprintf("operations=%d", operations), func(b *testing.B) {
			doc := parse(b, strings.ReplaceAll(thingsContract, "OPEN", "false"))
			item := doc.Paths.Value("/things/{id}")
			for i := range operations - 1 {
				doc.Paths.Set(fmt.Sprintf("/others%d/{id}", i), item)
			}
			all, err := api.OperationsOf(doc)
			if err != nil {
				b.Fatal(err)
			}
			k, err := newContract(all)
			if err != nil {
				b.Fatal(err)
			}
			validated := k.match(0)(validate(Options{Authenticate: optionsForTests.Authenticate})(func(echo.Context) error { return nil }))
			e := echo.New()
			body := `{"name":"chess","kind":"a","count":3,"tags":["x","y"]}`
			request := postThing("/things/1", body)
			b.ReportAllocs()
			for b.Loop() {
				r := request.WithContext(request.Context())
				r.Body = io.NopCloser(strings.NewReader(body))
				c := e.NewContext(r, httptest.NewRecorder())
				c.SetPath("/things/:id")
				c.SetParamNames("id")
				c.SetParamValues("1")
				if err := validated(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAnErrorSaysWhatTheFormIs(t *testing.T) {
	doc, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	refused := func(schema *openapi3.Schema, value string) string {
		var e *openapi3.SchemaError
		if !errors.As(schema.VisitJSONString(value), &e) {
			t.Fatalf("%q is not refused", value)
		}
		_, message := codeOf(e)
		return message
	}
	for name, test := range map[string]struct{ value, want string }{
		"Colour":       {"light blue", "must be the name of a colour in letters, or # and six hexadecimal digits"},
		"Title":        {"a\nb", "must be one line without control characters"},
		"UserNumber":   {"007", `must be the number of an account as a text, such as "2", and not its _id`},
		"ObjectId":     {"nonsense", "must be an id: 24 lower-case hexadecimal characters"},
		"EmailAddress": {"nobody", "must be an e-mail address, such as you@example.com"},
	} {
		if got := refused(doc.Components.Schemas[name].Value, test.value); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	for format := range openapi3.SchemaStringFormats {
		if formats[format] == "" && strings.Contains(string(api.Spec), "format: "+format) && format != "byte" {
			t.Errorf("the contract uses the format %s, of which an error says nothing", format)
		}
	}
}
