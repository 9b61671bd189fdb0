// Package contract holds requests against api/openapi.yaml and puts errors into its envelopes: what every backend in Go
// needs between Echo and gen/stub, and what no two backends should do differently.
//
// A backend implements [github.com/rejoin-dev/rejoin/gen/stub.StrictServerInterface] and says who is calling:
//
//	k, err := contract.Own()
//	if err != nil {
//		return err
//	}
//	e := echo.New()
//	e.HTTPErrorHandler = contract.ErrorHandler(slog.Default())
//	stub.RegisterHandlers(e, stub.NewStrictHandler(backend, nil))
//	if err := k.Match(e.Routes()); err != nil {
//		return err
//	}
//	e.Pre(contract.AcceptOtherPrefixes)
//	e.Use(contract.Identify(newID), middleware.Recover(), k.Hold(admit))
//
// Its methods then get only what the contract admits: known and in their ranges the parameters, with their defaults
// filled in; validated the bodies. They return an [Error] where the caller is to be told what is wrong; whatever else
// they return is logged and told as nothing. The body of a form is read, and held, by [ReadForm].
//
// Prove the backend with `rejoin conform`, which knows nothing of this package.
package contract

import (
	"context"
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
)

// A Contract holds each request against the operation that Echo matched. There is no second router: the matched path
// is the key. It is never changed and safe for concurrent use.
type Contract struct {
	// Document is what the contract was made from. Treat it as read-only.
	Document   *openapi3.T
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

// Own is the contract of this module, api/openapi.yaml. It is worked out once in a process. An error means that the build
// is broken.
var Own = sync.OnceValues(func() (*Contract, error) {
	doc, err := api.Load()
	if err != nil {
		return nil, err
	}
	return New(doc)
})

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// New prepares every operation of a document. It refuses, by name, an operation that uses something which would not be
// checked. The formats that api.Load knows are defined for it too.
func New(doc *openapi3.T) (*Contract, error) {
	k := &Contract{Document: doc, operations: map[routeKey]*Operation{}}
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

// Match compares the operations with the routes that were generated from them. A difference means that the program was
// built from another contract than the one it carries.
func (k *Contract) Match(routes []*echo.Route) error {
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

// Hold is the middleware that lets a request through to its operation only if the contract admits it. Requests that match
// no operation pass: they are Echo's own 404 and 405, and routes beside the contract.
//
// The order matters. First comes admit, which finds who is calling from the headers, by the Schemes of the operation, and
// refuses whom it will; it may set the request of its echo.Context, to put the caller into the context. Nothing of a body
// has been read then. Next the kind and the size of the body, then what is in it and the parameters. Multipart bodies are
// left for [ReadForm].
func (k *Contract) Hold(admit func(echo.Context, *Operation) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			op := k.operations[routeKey{r.Method, c.Path()}]
			if op == nil {
				return next(c)
			}
			h := &held{operation: op, idempotency: idempotencyOf(r, op)}
			c.SetRequest(r.WithContext(context.WithValue(r.Context(), heldKey{}, h)))
			if err := admit(c, op); err != nil {
				return err
			}
			r = c.Request()
			if err := op.takeBody(c.Response(), r, h.idempotency); err != nil {
				return err
			}
			input := openapi3filter.RequestValidationInput{Request: r, PathParams: pathParams(c), Route: op.route, Options: op.options}
			if err := openapi3filter.ValidateRequest(r.Context(), &input); err != nil {
				return errorOfValidation(err)
			}
			return next(c)
		}
	}
}

// held is what is known of a request that is held.
type held struct {
	operation   *Operation
	idempotency *idempotency // nil: it does not ask to be answered once
}

type heldKey struct{}

func heldFrom(ctx context.Context) held {
	if h, ok := ctx.Value(heldKey{}).(*held); ok {
		return *h
	}
	return held{}
}

// OperationFrom returns the operation that the request of a context is held against, from admit on; nil if none matched.
func OperationFrom(ctx context.Context) *Operation { return heldFrom(ctx).operation }

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

// AcceptOtherPrefixes, for Echo.Pre, answers each family under its other base URL too: the System API under /api/v1, the Integration
// API under /v1. The contract has each path once.
func AcceptOtherPrefixes(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		url := c.Request().URL
		rewrite := func(path string) string {
			if rest, ok := strings.CutPrefix(path, "/api/v1/"); ok {
				return "/" + rest
			}
			if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
				return integrationPrefix + "/" + rest
			}
			return path
		}
		url.Path, url.RawPath = rewrite(url.Path), rewrite(url.RawPath)
		return next(c)
	}
}
