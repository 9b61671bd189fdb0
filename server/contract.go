package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	jsonType      = "application/json"
	multipartType = "multipart/form-data"

	maxJSONBody     = 1 << 20
	maxPartOverhead = 4 << 10 // the boundary and the headers of one part
)

// A contract holds each request against the operation that Echo matched. There is no second router: the matched path
// is the key.
type contract struct {
	operations map[routeKey]*operation
	limits     *limits // of those operations that have some
}

type routeKey struct{ method, path string }

// An operation is what a request is held against, worked out once at start.
type operation struct {
	id        string
	family    family
	schemes   []string          // the security schemes it admits; none: it is for everybody
	needs     gen.KeyPermission // what an API key must have; empty: no API key is admitted
	creates   bool              // it takes an Idempotency-Key
	limited   bool              // it may be called so often only
	bodyType  string            // the media type of the body; empty if there is none
	bodyLimit int64
	form      *openapi3.Schema // of a multipart body, which the handler reads part by part
	route     *routers.Route
	options   *openapi3filter.Options
}

func (o *operation) name() string {
	if o == nil {
		return "none"
	}
	return o.id
}

// ownContract is the contract of this binary and its operations. They are worked out once, however many servers a
// process has, and never changed.
var ownContract = sync.OnceValues(func() (own struct {
	doc        *openapi3.T
	operations map[routeKey]*operation
}, err error) {
	if own.doc, err = api.Load(); err != nil {
		return own, err
	}
	k, err := newContract(own.doc)
	if err == nil {
		own.operations = k.operations
	}
	return own, err
})

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// newContract prepares every operation of a document. It refuses, by name, an operation that uses something which
// would not be checked.
func newContract(doc *openapi3.T) (*contract, error) {
	k := &contract{operations: map[routeKey]*operation{}}
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			op, err := newOperation(doc, path, method, item, spec)
			if err != nil {
				return nil, fmt.Errorf("contract: %s: %w", spec.OperationID, err)
			}
			k.operations[routeKey{method, pathParameter.ReplaceAllString(path, ":$1")}] = op
		}
	}
	return k, nil
}

func newOperation(doc *openapi3.T, path, method string, item *openapi3.PathItem, spec *openapi3.Operation) (*operation, error) {
	op := &operation{
		id: spec.OperationID,
		options: &openapi3filter.Options{
			MultiError:         true,
			KeepValidatedValue: true, // the handler must get the value that was validated, not a second reading of it
		},
	}
	if spec.Security == nil {
		return nil, errors.New("it does not say who may call it; an operation for everybody must have `security: []`")
	}
	for _, requirement := range *spec.Security {
		if len(requirement) != 1 {
			return nil, errors.New("each of its security requirements must name one scheme")
		}
		for scheme := range requirement {
			op.schemes = append(op.schemes, scheme)
		}
	}
	permission, _ := spec.Extensions["x-required-permission"].(string)
	op.needs = gen.KeyPermission(permission)
	if takesKeys := slices.Contains(op.schemes, keyScheme) || slices.Contains(op.schemes, apiKeyScheme); takesKeys != (op.needs != "") {
		return nil, errors.New("it must name an x-required-permission if, and only if, it admits API keys")
	}
	if op.needs != "" && op.needs != anyPermission && !op.needs.Valid() {
		return nil, fmt.Errorf("there is no permission %q", op.needs)
	}
	// The validator's own security step would read the whole body into memory first, once for each scheme.
	unsecured := *spec
	unsecured.Security = &openapi3.SecurityRequirements{}
	op.route = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: &unsecured}

	op.limited = slices.Contains(spec.Tags, limitedTag)
	op.creates = spec.Parameters.GetByInAndName(openapi3.ParameterInHeader, idempotencyHeader) != nil

	fallback := spec.Responses.Default()
	if fallback == nil {
		return nil, errors.New("it has no default response, which tells its envelope family")
	}
	_, name, _ := strings.Cut(fallback.Ref, "#/components/responses/")
	op.family = family(strings.TrimSuffix(name, "Error"))
	if !slices.Contains([]family{systemFamily, integrationFamily, applicationFamily}, op.family) {
		return nil, fmt.Errorf("its default response %q belongs to no envelope family", fallback.Ref)
	}

	if spec.RequestBody == nil {
		return op, nil
	}
	content := spec.RequestBody.Value.Content
	switch {
	case len(content) == 1 && content[jsonType] != nil:
		op.bodyType, op.bodyLimit = jsonType, maxJSONBody
		if op.limited && len(op.schemes) == 0 && !slices.Contains(content[jsonType].Schema.Value.Required, limitedMember) {
			return nil, fmt.Errorf("its calls are limited by account, so its body must require the member %q", limitedMember)
		}
	case len(content) == 1 && content[multipartType] != nil:
		op.bodyType, op.form = multipartType, content[multipartType].Schema.Value
		op.options.ExcludeRequestBody = true // it would be read into memory whole, several times
		for name, part := range op.form.Properties {
			if part.Value.MaxLength == nil {
				return nil, fmt.Errorf("its part %q has no maxLength", name)
			}
			op.bodyLimit += partLimit(part.Value) + maxPartOverhead
		}
	default:
		return nil, fmt.Errorf("its body must be either %s or %s", jsonType, multipartType)
	}
	return op, nil
}

// matches compares the operations with the routes that were generated from them. A difference means that the binary
// was built from another contract than the one it carries.
func (k *contract) matches(routes []*echo.Route) error {
	served := map[routeKey]bool{}
	var wrong []string
	for _, route := range routes {
		key := routeKey{route.Method, route.Path}
		served[key] = true
		if k.operations[key] == nil {
			wrong = append(wrong, fmt.Sprintf("%s %s is served but not in the contract", key.method, key.path))
		}
	}
	for key, op := range k.operations {
		if !served[key] {
			wrong = append(wrong, fmt.Sprintf("%s %s (%s) is in the contract but not served", key.method, key.path, op.id))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("contract and routes differ, run `make generate`: %s", strings.Join(wrong, "; "))
	}
	return nil
}

// hold is the middleware that lets a request through to its handler only if the contract admits it. The order matters:
// who is calling is found from the headers before any of the body is read, and the body is limited before it is read.
func (k *contract) hold(authenticate func(context.Context, http.Header) (actor, error)) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			op := k.operations[routeKey{r.Method, c.Path()}]
			if op == nil {
				return next(c) // Echo's own 404 and 405, and the pages beside the API
			}
			call := callFrom(r.Context())
			call.operation = op
			if op.limited {
				if err := k.limits.checkAddress(op, c.RealIP()); err != nil {
					return err
				}
			}
			if len(op.schemes) > 0 {
				who, err := authenticate(r.Context(), r.Header)
				if err != nil {
					return err
				}
				if err := op.admit(who); err != nil {
					return err
				}
				call.actor = who
			}
			caller := call.actor.credential
			if caller == "" {
				caller = c.RealIP() // who has no credential yet is told from others by where they call from
			}
			call.idempotency = idempotencyOf(r, op, caller)
			if err := op.limitBody(c.Response(), r, call.idempotency); err != nil {
				return err
			}
			input := openapi3filter.RequestValidationInput{Request: r, PathParams: pathParams(c), Route: op.route, Options: op.options}
			if err := openapi3filter.ValidateRequest(r.Context(), &input); err != nil {
				return faultOfValidation(err)
			}
			if op.limited {
				if err := k.limits.checkAccount(op, call.actor, r); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

// anyPermission is what an operation names that every API key may call.
const anyPermission = "any"

// admit says whether an operation takes a caller, by the kind of the credential and, for an API key, by its permissions.
func (o *operation) admit(who actor) error {
	if !slices.Contains(o.schemes, who.scheme) {
		return permissionDenied("this operation does not take such a credential")
	}
	if who.key != nil && o.needs != anyPermission && !who.key.May(o.needs) {
		return permissionDenied("the API key lacks the permission " + string(o.needs))
	}
	return nil
}

func pathParams(c echo.Context) map[string]string {
	names := c.ParamNames()
	if len(names) == 0 {
		return nil
	}
	params := make(map[string]string, len(names))
	for i, value := range c.ParamValues() {
		params[names[i]] = value
	}
	return params
}

// limitBody refuses a body of the wrong kind or size and, where it is JSON, one that readers could disagree about.
func (o *operation) limitBody(w http.ResponseWriter, r *http.Request, wish *idempotency) error {
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

// unreadable is the fault of a body that broke off or is too large.
func unreadable(err error) error {
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		return tooLarge(size.Limit)
	}
	f := invalid(problem("", gen.FieldCodeMalformed, "could not be read to its end"))
	f.cause = err
	return f
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
		return invalid(problem(string(syntax.JSONPointer), gen.FieldCodeDuplicate, "stands here twice"))
	case err != nil:
		return invalid(problem("", gen.FieldCodeMalformed, "is not JSON"))
	}
	if _, err := decoder.ReadToken(); err != io.EOF {
		return invalid(problem("", gen.FieldCodeMalformed, "has something behind its end"))
	}
	return nil
}

// faultOfValidation builds the fault of what the validator found. Its texts hold the schema and what was submitted and
// are never passed on.
func faultOfValidation(err error) error {
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
	return invalid(fields...)
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
			fields = append(fields, problem(parameter, gen.FieldCodeRequired, "is required"))
		case errors.As(e, &schema):
			fields = append(fields, fieldsOfSchema(schema, parameter)...)
		case request.Parameter != nil:
			fields = append(fields, problem(parameter, gen.FieldCodeWrongType, "is not of the right type"))
		default:
			fields = append(fields, problem("", gen.FieldCodeMalformed, "cannot be read"))
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
		return []gen.ProblemField{problem(pointer, code, message)}
	}
	// The validator points at the object; the caller wants to know which of its members.
	object, _ := err.Value.(map[string]any)
	var fields []gen.ProblemField
	for name := range object {
		if err.Schema.Properties[name] == nil {
			fields = append(fields, problem(pointer+"/"+pointerToken.Replace(name), code, message))
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

// problem is one entry of Problem.fields.
func problem(pointer string, code gen.FieldCode, message string) gen.ProblemField {
	if len(pointer) > maxPointer {
		pointer = strings.ToValidUTF8(pointer[:maxPointer], "")
	}
	return gen.ProblemField{Pointer: pointer, Code: code, Message: message}
}
