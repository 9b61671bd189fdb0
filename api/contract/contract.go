// Package contract serves a backend under api/openapi.yaml: it holds requests against the contract, finds out who may
// call what, and puts errors into envelopes. It is what every backend in Go needs between Echo and gen/stub, and what no
// two backends should do differently.
//
// A backend implements [stub.StrictServerInterface] and says whom a credential belongs to:
//
//	e, err := contract.NewEcho(backend, contract.Options{Authenticate: authenticate})
//
// Its methods then get only what the contract admits: callers whose kind of credential the operation takes, with the
// permission that it needs; parameters in their ranges, with defaults filled in; validated bodies. They find the caller by
// [CallerFrom], the body of a form by [ReadForm], and what the caller wants repeated safely by [IdempotencyFrom]. They
// return an [Error] where the caller is to be told what is wrong; whatever else they return is logged and told as nothing.
//
// What an account may do in a server, Operation.Role, is the backend's to know.
//
// Prove the backend with `rejoin conform`, which knows nothing of this package.
package contract

import (
	"encoding/hex"
	"errors"
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
	"github.com/rs/xid"
)

// A contract is what requests are held against. It is worked out once and never changed.
type contract struct {
	document   *openapi3.T
	operations map[routeKey]*Operation
}

type routeKey struct{ method, path string }

// An Operation is what a request is held against, worked out once at start.
type Operation struct {
	// ID is the operationId.
	ID string
	// Schemes are the security schemes by which a caller may come, such as SessionAuth. None: it is for everybody.
	Schemes []string
	// Permission is what an API key must have to call it; AnyPermission: every key may; empty: none may.
	Permission gen.KeyPermission
	// Role is what an account must be in the server that a request is about: "anyone", "member", "owner" or the role
	// permission that it needs. Empty: it is about no server.
	Role string
	// Spec is the operation as the contract has it. Treat it as read-only.
	Spec *openapi3.Operation

	family    family
	creates   bool   // it takes an Idempotency-Key
	bodyType  string // the media type of the body; empty if there is none
	bodyLimit int64
	form      *openapi3.MediaType // a multipart body, which the handler reads part by part
	route     *routers.Route
	options   *openapi3filter.Options
}

// The security schemes of the contract.
const (
	SessionAuth = "sessionAuth" // a session token, as bearer
	KeyAuth     = "keyAuth"     // an API key, as bearer
	APIKeyAuth  = "apiKeyAuth"  // an API key in the header x-api-key
)

// AnyPermission is what an operation names that every API key may call.
const AnyPermission gen.KeyPermission = "any"

// own is the contract of this module. It is worked out once, however many backends a process has.
var own = sync.OnceValues(func() (*contract, error) {
	doc, err := api.Load()
	if err != nil {
		return nil, err
	}
	return newContract(doc)
})

// Document is the contract that backends are served under, api/openapi.yaml. Treat it as read-only. An error means that
// the build is broken.
func Document() (*openapi3.T, error) {
	k, err := own()
	if err != nil {
		return nil, err
	}
	return k.document, nil
}

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// newContract prepares every operation of a document. It refuses, by name, an operation that uses something which would
// not be checked.
func newContract(doc *openapi3.T) (*contract, error) {
	k := &contract{document: doc, operations: map[routeKey]*Operation{}}
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

func newOperation(doc *openapi3.T, path, method string, item *openapi3.PathItem, spec *openapi3.Operation) (*Operation, error) {
	op := &Operation{
		ID:   spec.OperationID,
		Spec: spec,
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
			op.Schemes = append(op.Schemes, scheme)
		}
	}
	permission, _ := spec.Extensions["x-required-permission"].(string)
	op.Permission = gen.KeyPermission(permission)
	if takesKeys := slices.Contains(op.Schemes, KeyAuth) || slices.Contains(op.Schemes, APIKeyAuth); takesKeys != (op.Permission != "") {
		return nil, errors.New("it must name an x-required-permission if, and only if, it admits API keys")
	}
	if op.Permission != "" && op.Permission != AnyPermission && !op.Permission.Valid() {
		return nil, fmt.Errorf("there is no permission %q", op.Permission)
	}
	op.Role, _ = spec.Extensions["x-required-role"].(string)
	// The validator's own security step would read the whole body into memory first, once for each scheme.
	unsecured := *spec
	unsecured.Security = &openapi3.SecurityRequirements{}
	op.route = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: &unsecured}
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
	return op, op.prepareBody(spec.RequestBody.Value.Content)
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

// NewID makes an id of the contract: 24 lower-case hexadecimal characters, never the same twice, also from several
// processes, and in the order in which they were made, to the second.
func NewID() string {
	id := xid.New()
	return hex.EncodeToString(id[:])
}
