// Package contract serves a backend under api/openapi.yaml: it validates requests by the contract, finds out who may
// call what, and puts errors into envelopes. It is what every backend in Go needs between Echo and gen/stub, and what no
// two backends should do differently.
//
// A backend implements [stub.StrictServerInterface], or embeds [stub.Unimplemented] and begins with some operations, and
// says whom a credential belongs to:
//
//	e, err := contract.NewEcho(backend, contract.Options{Authenticate: authenticate})
//
// Its methods then get only what the contract admits: callers whose kind of credential the operation takes, with the
// permission that it needs; parameters in their ranges, with defaults filled in; validated bodies. They find the caller by
// [CallerFrom], the body of a form by [ReadForm], and what the caller wants repeated safely by [IdempotencyFrom]. They
// return an [Error] where the caller should know what is wrong; whatever else they return goes to the log only.
//
// What an account may do in a server, Operation.Role, is the backend's to know. Where a request may leave out the server
// that it is about, [ServerOf] finds it.
//
// Prove the backend with `rejoin conform`, which knows nothing of this package.
package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
)

// A contract is what requests are validated by. It is worked out once and never changed.
type contract struct {
	operations map[routeKey]*Operation
	byID       map[string]*Operation
}

type routeKey struct{ method, path string }

// An Operation is what the contract says of one operation, and what its requests are validated by.
type Operation struct {
	*api.Operation

	// LongAnswers tells whether a good answer may have more than 256 KiB at once.
	LongAnswers bool

	bodyLimit  int64 // in bytes, of JSON
	formLimit  int64 // the same, of a form
	valueLimit int64
	route      *routers.Route
	options    *openapi3filter.Options
}

// The security schemes of the contract.
const (
	SessionAuth = api.SessionAuth // a session token, as bearer
	KeyAuth     = api.KeyAuth     // an API key, as bearer
	UserKeyAuth = api.UserKeyAuth // a user API key, as bearer
	WidgetAuth  = api.WidgetAuth  // a widget token, as bearer
	APIKeyAuth  = api.APIKeyAuth  // an API key in the header x-api-key
)

// own is the contract of this module. It is worked out once, however many backends a process has.
var own = sync.OnceValues(func() (*contract, error) {
	operations, err := api.Operations()
	if err != nil {
		return nil, err
	}
	return newContract(operations)
})

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// newContract prepares every operation. It refuses, by name, one that uses something which would not be checked.
func newContract(operations api.List) (*contract, error) {
	k := &contract{operations: map[routeKey]*Operation{}, byID: map[string]*Operation{}}
	for _, op := range operations {
		prepared, err := newOperation(op)
		if err != nil {
			return nil, fmt.Errorf("contract: %s: %w", op.ID, err)
		}
		k.operations[routeKey{op.Method, pathParameter.ReplaceAllString(op.Path, ":$1")}] = prepared
		k.byID[op.ID] = prepared
	}
	return k, nil
}

func newOperation(op *api.Operation) (*Operation, error) {
	if op.Permission != "" && op.Permission != api.AnyPermission && !gen.KeyPermission(op.Permission).Valid() {
		return nil, fmt.Errorf("there is no permission %q", op.Permission)
	}
	if op.UserPermission != "" && op.UserPermission != api.AnyPermission && !gen.UserKeyPermission(op.UserPermission).Valid() {
		return nil, fmt.Errorf("there is no permission %q of a user", op.UserPermission)
	}
	for _, kind := range op.Widgets {
		if !gen.WidgetKind(kind).Valid() {
			return nil, fmt.Errorf("there is no kind %q of widgets", kind)
		}
	}
	// The validator's own security step would read the whole body into memory first, once for each scheme.
	unsecured := *op.Spec
	unsecured.Security = &openapi3.SecurityRequirements{}
	o := &Operation{
		Operation: op,
		route:     &routers.Route{Spec: op.Document, Path: op.Path, PathItem: op.Item, Method: op.Method, Operation: &unsecured},
		options: &openapi3filter.Options{
			MultiError:         true,
			KeepValidatedValue: true, // the handler must get the value that was validated, not a second reading of it
		},
	}
	for status, response := range op.Spec.Responses.Map() {
		if content := response.Value.Content.Get(jsonType); content != nil && strings.HasPrefix(status, "2") {
			o.LongAnswers = o.LongAnswers || !op.Streamed && answerSize(content.Schema.Value) > longAnswer
		}
	}
	return o, o.prepareBody()
}

// longAnswer is how many bytes an answer has at least that is long.
const longAnswer = 256 << 10

// answerSize is about how many bytes an answer may have.
func answerSize(schema *openapi3.Schema) int64 {
	size := int64(32)
	switch {
	case schema.Type.Is(openapi3.TypeObject):
		if schema.AdditionalProperties.Has != nil && *schema.AdditionalProperties.Has { // such as something that was sent
			size += minJSONLimit
		}
		for _, property := range schema.Properties {
			size += answerSize(property.Value)
		}
	case schema.Type == nil && schema.AllOf == nil && schema.OneOf == nil && schema.AnyOf == nil: // anything
		size += minJSONLimit
	case schema.Type.Is(openapi3.TypeArray) && schema.MaxItems != nil:
		size += int64(min(*schema.MaxItems, maxJSONLimit)) * answerSize(schema.Items.Value)
	case schema.Type.Is(openapi3.TypeString) && schema.MaxLength != nil:
		size += int64(min(*schema.MaxLength, maxJSONLimit))
	}
	return min(size, 1<<40)
}

// matches compares the operations with the routes that were generated from them. A difference means that the program was
// built from another contract than the one it carries.
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
			wrong = append(wrong, fmt.Sprintf("%s %s (%s) is in the contract but not served", key.method, key.path, op.ID))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("contract and routes differ, run `make generate`: %s", strings.Join(wrong, "; "))
	}
	return nil
}

// Name is the ID, or "none" where no operation was matched.
func (o *Operation) Name() string {
	if o == nil {
		return "none"
	}
	return o.ID
}
