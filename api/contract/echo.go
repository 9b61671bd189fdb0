package contract

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// Options are what a backend adds to its operations. Authenticate is required.
type Options struct {
	// Authenticate finds who is calling. The credential has a form that the contract gives it: 64 lower-case hexadecimal
	// characters, or, as bearer only, the three parts of a JWT, which IsJWT tells; inKeyHeader tells that it came in x-api-key alone, where only an API key counts. It is asked before anything of
	// a body is read, and once more when a body that took longer than a second has arrived. The error for a credential that
	// nobody has, or no longer, is Unauthenticated.
	Authenticate func(ctx context.Context, credential string, inKeyHeader bool) (Caller, error)
	// Admit may refuse a caller who was found, such as one who calls too often, before anything of a body is read. Nil: all
	// are admitted. It is not asked where an operation is for everybody.
	Admit func(c echo.Context, who Caller) error
	// Outer are the middlewares that see each request, before it is validated, and each error. They know its
	// operation, OperationFrom.
	Outer []echo.MiddlewareFunc
	// Inner are those that see only what the contract has admitted, before its operation does. They know who is calling, too.
	Inner []echo.MiddlewareFunc
	// Memory finds the room that a long body takes, before more of it is read than its beginning. It may wait. Until all has
	// arrived, breakOff may be called, from any goroutine: it ends a body that keeps others waiting, and the request is
	// answered as Unavailable. Nil: there is always room.
	Memory func(ctx context.Context, breakOff func()) (Room, error)
	// CheckAnswers validates answers too: "log" says in the log which break the contract, "enforce" also answers with
	// an internal error instead. It costs about as much as checking requests does. Empty or "off": it is not done.
	CheckAnswers string
	// Timeout is when the context of a request ends that is still being answered. 0: never.
	Timeout time.Duration
	// NewID makes the X-Request-Id of requests that have none, or none that the contract accepts. Nil: the function NewID.
	NewID func() string
	// Log gets what is the backend's own fault. Nil: slog.Default().
	Log *slog.Logger
}

// A Room is the memory that a long body takes. Each method but Leave may wait, and fails if there is no room.
type Room interface {
	// Arrive is called before more is read: so many bytes will be there then.
	Arrive(ctx context.Context, bytes int64) error
	// Validate is called once all has arrived: so many bytes are used from then on, and breakOff must be called no more.
	Validate(ctx context.Context, bytes int64) error
	// Leave gives all back, when the request was answered.
	Leave()
}

// A Caller is who is calling.
type Caller struct {
	// Scheme is how the credential came: SessionAuth, KeyAuth, UserKeyAuth, WidgetAuth or APIKeyAuth.
	Scheme string
	// Permissions are what an API key may.
	Permissions []gen.KeyPermission
	// UserPermissions are what a user API key may.
	UserPermissions []gen.UserKeyPermission
	// Widget is the kind of the only widget that a widget token is for. Empty: it is for all of its community.
	Widget gen.WidgetKind
	// Who is for the backend alone.
	Who any
}

// NewEcho serves the operations of a backend. It refuses, by name, a contract that cannot be enforced in full, and one that
// differs from the routes of gen/stub: the program was then built from another contract than the one it carries.
//
// A request takes this way: the other prefix (/api/v1, /v1) of an operation and a slash at its end are taken off; it gets its X-Request-Id; Echo matches its
// operation; the Outer middlewares; who is calling, from the headers alone; the kind and the size of
// the body; what is in it, and the parameters; the Inner middlewares; the operation. An error or a panic at any
// step comes back to Echo's HTTPErrorHandler, which writes every one. Bodies of forms are left for ReadForm.
//
// Routes beside the contract may be added to the Echo, and its other fields be set, before it serves. Where GET is
// answered, HEAD is too.
func NewEcho(backend stub.StrictServerInterface, options Options) (*echo.Echo, error) {
	k, err := own()
	if err != nil {
		return nil, err
	}
	return k.newEcho(options, func(e *echo.Echo) {
		stub.RegisterHandlers(e, stub.NewStrictHandler(backend, []stub.StrictMiddlewareFunc{neverNil}))
	})
}

func (k *contract) newEcho(o Options, register func(*echo.Echo)) (*echo.Echo, error) {
	if o.Authenticate == nil {
		return nil, errors.New("contract: Options.Authenticate is missing")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.NewID == nil {
		o.NewID = NewID
	}
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // headers could say anything
	e.HTTPErrorHandler = errorHandler(o.Log)
	e.Pre(takeRest)
	answerHead(e)
	register(e)
	if err := k.matches(withoutHead(e.Routes())); err != nil {
		return nil, err
	}
	// Twice: the Outer middlewares see a panic as an error, and may themselves panic.
	recovered := middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: func(_ echo.Context, err error, stack []byte) error {
		return fmt.Errorf("panic: %w\n%s", err, stack)
	}})
	e.Pre(k.acceptOtherPaths(e))
	e.Use(identify(o.NewID), recovered, k.match(o.Timeout))
	e.Use(o.Outer...)
	switch o.CheckAnswers {
	case "log", "enforce":
		e.Use(checkAnswers(o.CheckAnswers == "enforce", o.Log))
	case "", "off":
	default:
		return nil, fmt.Errorf("answers can be checked by log or enforce, not by %q", o.CheckAnswers)
	}
	e.Use(recovered, validate(o))
	return e, nil
}

// neverNil turns an operation's nil answer, which would go out as an empty 200, into an error.
func neverNil(next stub.StrictHandlerFunc, operationID string) stub.StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		response, err := next(c, request)
		if err == nil && response == nil {
			return nil, fmt.Errorf("%s has returned neither an answer nor an error", operationID)
		}
		return response, err
	}
}

var acceptableRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives each answer its X-Request-Id: the caller's own if the contract accepts it, otherwise a new one.
func identify(newID func() string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			id, header := c.Request().Header.Get(echo.HeaderXRequestID), c.Response().Header()
			if !acceptableRequestID.MatchString(id) {
				id = newID()
			}
			header.Set(echo.HeaderXRequestID, id)
			header.Set(echo.HeaderXContentTypeOptions, "nosniff")
			return next(c)
		}
	}
}

// A requestState is what is known so far of a request to an operation.
type requestState struct {
	operation   *Operation
	request     *http.Request
	address     string
	origin      string // once somebody has asked for it
	caller      Caller
	known       bool         // whether somebody is calling
	found       time.Time    // when the caller was
	idempotency *idempotency // nil: it does not ask to be answered once

	authenticate func(ctx context.Context, credential string, inKeyHeader bool) (Caller, error)
	memory       func(ctx context.Context, breakOff func()) (Room, error)
	room         Room // nil: it has taken no memory
	form         bool // whether its body is one
	formBody     *formBody
}

type stateKey struct{}

// stateFrom returns an empty one for a request that matched no operation.
func stateFrom(ctx context.Context) *requestState {
	if state, ok := ctx.Value(stateKey{}).(*requestState); ok {
		return state
	}
	return &requestState{}
}

// OperationFrom returns the operation that a request matched; nil: none, which is Echo's own 404 and 405, and routes beside
// the contract.
func OperationFrom(ctx context.Context) *Operation { return stateFrom(ctx).operation }

// CallerFrom returns who is calling. Of an operation that is for everybody nothing is known.
func CallerFrom(ctx context.Context) Caller { return stateFrom(ctx).caller }

// AddressFrom returns where a request to an operation came from, as Echo's IPExtractor has it.
func AddressFrom(ctx context.Context) string { return stateFrom(ctx).address }

// UserAgentFrom returns with what a request to an operation was sent, as it says itself.
func UserAgentFrom(ctx context.Context) string {
	r := stateFrom(ctx).request
	if r == nil {
		return ""
	}
	return r.UserAgent()
}

// BearerFrom returns what a request to an operation shows as Authorization: Bearer, if it has the form of a credential, and
// nothing else is shown. Of an operation that is for everybody it proves nothing: nobody has looked whether it is good.
func BearerFrom(ctx context.Context) string {
	r := stateFrom(ctx).request
	if r == nil {
		return ""
	}
	shown, err := credentialFrom(r.Header, "")
	if err != nil || !shown.asBearer {
		return ""
	}
	return shown.text
}

// OriginFrom returns the scheme and the host that a request to an operation was sent to, such as http://127.0.0.1:8080.
// Behind a proxy that ends TLS it is not what the caller knows.
//
// The host is the word of the caller, so it is good for the answer to that caller and for nothing that is kept. One that
// cannot be a host is not repeated: then it is the address that the connection came to. Headers such as X-Forwarded-Host
// count for nothing.
func OriginFrom(ctx context.Context) string {
	state := stateFrom(ctx)
	if state.request != nil && state.origin == "" {
		state.origin = originOf(state.request)
	}
	return state.origin
}

// A name in ASCII or an address, and perhaps a port.
var hostForm = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// longestHost is a name as long as DNS has them, and a port.
const longestHost = 253 + len(":65535")

func originOf(r *http.Request) string {
	scheme, host := "http://", r.Host
	if r.TLS != nil {
		scheme = "https://"
	}
	if len(host) > longestHost || !hostForm.MatchString(host) {
		host = "localhost"
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			host = local.String()
		}
	}
	return scheme + host
}

// noStore is what an answer says to caches, unless its operation says otherwise: it is for its caller alone and may show a
// secret. All answers share it; nobody may change it.
var noStore = []string{"no-store"}

// match finds the operation of a request. There is no second router: the path that Echo matched is the key.
func (k *contract) match(timeout time.Duration) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			op := k.operations[routeKey{asGet(r.Method), c.Path()}]
			if op == nil {
				return next(c)
			}
			c.Response().Header()[echo.HeaderCacheControl] = noStore
			ctx := context.WithValue(r.Context(), stateKey{}, &requestState{operation: op, request: r, address: c.RealIP()})
			if timeout > 0 && !op.Streamed { // that one says by itself when it ends
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			c.SetRequest(r.WithContext(ctx))
			return next(c)
		}
	}
}

// validate lets a request through to its operation only if the contract admits it. The order matters: who is calling is found
// before any of the body is read, and the body is limited before it is read.
func validate(o Options) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			state := stateFrom(r.Context())
			op := state.operation
			if op == nil {
				return next(c)
			}
			state.authenticate = o.Authenticate
			refused := state.findCaller(r.Context())
			if state.known && o.Admit != nil { // also whom the operation does not take
				if err := o.Admit(c, state.caller); err != nil {
					return err
				}
			}
			if refused != nil {
				return refused
			}
			query, err := url.ParseQuery(r.URL.RawQuery)
			if text, _ := url.QueryUnescape(r.URL.RawQuery); err != nil || !utf8.ValidString(text) { // Echo would leave out what it cannot read
				return Invalid(Field("query", gen.FieldCodeMalformed, "cannot be read"))
			}
			state.idempotency = idempotencyOf(r, op)
			state.memory = o.Memory
			defer func() {
				if state.room != nil {
					state.room.Leave()
				}
			}()
			if err := op.takeBody(c, state); err != nil {
				return err
			}
			if op.BodyType == jsonType && !state.form {
				if err := state.findCallerAgain(r.Context()); err != nil {
					return err
				}
			}
			input := openapi3filter.RequestValidationInput{Request: r, PathParams: pathParams(c), QueryParams: query, Route: op.route, Options: op.optionsOf(state)}
			if err := openapi3filter.ValidateRequest(r.Context(), &input); err != nil {
				return errorOfValidation(err)
			}
			if body, ok := r.Body.(interface{ ValidatedValue() any }); ok {
				writeWhole(body.ValidatedValue())
				if err := state.takeKey(r, body.ValidatedValue()); err != nil {
					return err
				}
			}
			admitted := next
			for _, middleware := range slices.Backward(o.Inner) {
				admitted = middleware(admitted)
			}
			return admitted(c)
		}
	}
}

// callerStands is how long it counts who was found to be calling while a body arrives. Nearly all bodies are there within
// it, and asking costs a read of the database. A request that has begun before its credential ended may come through anyway,
// if it is quick; one whose body was held back for longer than this must not.
const callerStands = time.Second

// findCallerAgain is findCaller once a body has arrived, if that took so long that the caller may have been turned out.
func (state *requestState) findCallerAgain(ctx context.Context) error {
	if time.Since(state.found) <= callerStands {
		return nil
	}
	return state.findCaller(ctx)
}

// FindCallerAgain finds anew who is calling, for an answer that lasts, and refuses whom the operation does not take any more. CallerFrom returns
// that one from then on.
func FindCallerAgain(ctx context.Context) error { return stateFrom(ctx).findCaller(ctx) }

// findCaller finds who is calling, and refuses whom the operation does not take. It is done before a body is read, so that
// nobody unknown makes the backend read one.
func (state *requestState) findCaller(ctx context.Context) error {
	if len(state.operation.Schemes) == 0 {
		return nil
	}
	state.found = time.Now() // not later: what ends while the backend looks may have been overlooked
	shown, err := credentialFrom(state.request.Header, state.operation.CredentialHeader)
	if err != nil {
		return err
	}
	if state.caller, err = state.authenticate(ctx, shown.text, !shown.asBearer); err != nil {
		return err
	}
	state.known = true
	if shown.asKey && state.caller.Scheme == KeyAuth && !slices.Contains(state.operation.Schemes, KeyAuth) {
		state.caller.Scheme = APIKeyAuth // it came in both headers, and so also as the operation takes it
	}
	return state.operation.admit(state.caller)
}

// A credential is what the headers of a request say of who is calling. It may stand in both.
type credential struct {
	text            string
	asBearer, asKey bool
}

// credentialFrom reads the credential from the headers of a request, of which keys come in one more if the operation names it. An empty header says nothing, and one that repeats
// another says nothing new: clients and proxies send both. The error is for a request whose credential is missing, not in
// the form of one, or one of several.
func credentialFrom(header http.Header, also string) (credential, error) {
	var shown credential
	var texts []string
	for _, value := range header.Values("Authorization") {
		kind, text, _ := strings.Cut(strings.TrimSpace(value), " ")
		if kind != "" && !strings.EqualFold(kind, "Bearer") {
			return shown, Unauthenticated("the Authorization header must have the form: Bearer <credential>")
		}
		if text = strings.TrimSpace(text); text != "" {
			texts, shown.asBearer = append(texts, text), true
		}
	}
	keys := header.Values("X-Api-Key")
	if also != "" {
		keys = slices.Concat(keys, header.Values(also))
	}
	for _, value := range keys {
		if text := strings.TrimSpace(value); text != "" {
			texts, shown.asKey = append(texts, text), true
		}
	}
	switch texts = slices.Compact(texts); {
	case len(texts) == 0:
		return shown, Unauthenticated("the request has no credential: send Authorization: Bearer <credential>")
	case len(texts) > 1:
		return shown, Unauthenticated("the request has several different credentials: send one")
	case !api.IsHex(texts[0], 64) && (shown.asKey || !IsJWT(texts[0])):
		return shown, Unauthenticated("a credential is 64 lower-case hexadecimal characters, or a widget token")
	}
	shown.text = texts[0]
	return shown, nil
}

// longestJWT is more than any widget token has.
const longestJWT = 2000

var jwtForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)

// IsJWT tells whether a credential has the form of a widget token.
func IsJWT(credential string) bool {
	return len(credential) <= longestJWT && jwtForm.MatchString(credential)
}

// wanted are the credentials that an operation takes, in words.
func (o *Operation) wanted() string {
	var all []string
	for _, scheme := range o.Schemes {
		name := map[string]string{SessionAuth: "a session token", KeyAuth: "an API key", APIKeyAuth: "an API key", UserKeyAuth: "a user API key", WidgetAuth: "a widget token"}[scheme]
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return strings.Join(all, " or ")
}

// admit says whether an operation takes a caller: by how the credential came and, where it is an API key, by its permissions.
func (o *Operation) admit(who Caller) error {
	if !slices.Contains(o.Schemes, who.Scheme) {
		return PermissionDenied("this operation takes " + o.wanted() + ", and no other credential")
	}
	missing := ""
	switch who.Scheme {
	case KeyAuth, APIKeyAuth:
		if !slices.Contains(who.Permissions, gen.KeyPermission(o.Permission)) {
			missing = o.Permission
		}
	case UserKeyAuth:
		if !slices.Contains(who.UserPermissions, gen.UserKeyPermission(o.UserPermission)) {
			missing = o.UserPermission
		}
	}
	if who.Scheme == WidgetAuth && who.Widget != "" && !slices.Contains(o.Widgets, string(who.Widget)) {
		return PermissionDenied("the widget token is for a widget that does not need this")
	}
	if missing != "" && missing != api.AnyPermission {
		return PermissionDenied("the API key lacks the permission " + missing)
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

// Calling is the context in which a backend calls an operation of its own in the name of a caller, such as for a page. What the
// operation does not take of callers is refused as it is on the wire; parameters and bodies are the backend's own, and nothing
// validates them or fills in their defaults. The request is the one that is being answered: addresses in answers begin with
// its origin.
func Calling(r *http.Request, operationID string, caller Caller) (context.Context, error) {
	k, err := own()
	if err != nil {
		return nil, err
	}
	op := k.byID[operationID]
	if op == nil {
		return nil, fmt.Errorf("contract: there is no operation %q", operationID)
	}
	if len(op.Schemes) > 0 {
		err = op.admit(caller)
	}
	return context.WithValue(r.Context(), stateKey{}, &requestState{operation: op, request: r, caller: caller, known: true}), err
}

// As is the context of what is done later in the name of a caller, without a request.
func As(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, stateKey{}, &requestState{caller: caller})
}

// Within is the context of what a request does as another operation would, in the name of a caller. All else that is known of the request stays.
func Within(ctx context.Context, operationID string, caller Caller) (context.Context, error) {
	k, err := own()
	if err != nil {
		return nil, err
	}
	for _, op := range k.operations {
		if op.ID == operationID {
			state := *stateFrom(ctx)
			state.operation, state.caller = op, caller
			return context.WithValue(ctx, stateKey{}, &state), nil
		}
	}
	return nil, fmt.Errorf("contract: there is no operation %s", operationID)
}
