package api

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// An Operation is what the contract says of one operation. Treat it as read-only.
type Operation struct {
	ID     string // the operationId
	Method string // GET, POST, ...
	Path   string // as the contract has it, such as /servers/{serverId}
	AlsoAt string // an older path of the same operation, without parameters; empty: none
	Author string // what being the author of what the path names is good for: AuthorAlso, AuthorOnly, or nothing
	Tag    string
	Source string // where its shape comes from: documented, named or rejoin
	Family Family // the form of its errors

	// Schemes are the security schemes by which a caller may come, such as SessionAuth. None: it is for everybody.
	Schemes []string
	// Permission is what an API key must have to call it; AnyPermission: every key may; empty: none may.
	Permission string
	// UserPermission is the same for a user API key.
	UserPermission string
	// CredentialHeader is one more header in which it takes an API key, as in x-api-key. Empty: none.
	CredentialHeader string
	// Widgets are the kinds of widgets whose tokens it takes. None: no widget token.
	Widgets []string
	// Role is what an account must be in the server that a request is about: RoleAnyone, RoleMember, RoleOwner or the role
	// permission that it needs. Empty: it is about no server.
	Role string
	// Audit is the action that its success adds to the audit trail. Empty: it adds none.
	Audit string
	// RateLimit is the class of requests among which it is counted: what x-rate-limit says, or Reads, Writes or Uploads.
	RateLimit string
	// RateLimitOf are the classes of answers of other kinds of content, by their media types: what x-rate-limit-of says.
	RateLimitOf map[string]string
	// Creates tells whether it takes an Idempotency-Key.
	Creates bool

	// KeyInBody tells whether it takes that in its body, too, as an IdempotencyKeyMember.
	KeyInBody bool
	// Secrets are the paths to what its success shows once: names of members, and "*" for each item of a list.
	Secrets [][]string

	// Unlogged tells whether its path has something in it that no log may show.
	Unlogged bool

	// Streamed tells whether its success is sent as it is read, and may have any number of bytes.
	Streamed bool

	// BodyType is the media type of its body, and Body what the contract says of it. Empty and nil: it takes none.
	BodyType string
	Body     *openapi3.MediaType
	// Form is its body as a form: Body where that is one, another that it takes instead, or nil.
	Form *openapi3.MediaType
	// AlsoBodyType is another media type under which the same body is taken.
	AlsoBodyType string

	Spec     *openapi3.Operation
	Item     *openapi3.PathItem // the path it belongs to
	Document *openapi3.T        // the contract it stands in
}

// The security schemes of the contract.
const (
	SessionAuth = "sessionAuth" // a session token, as bearer
	KeyAuth     = "keyAuth"     // an API key, as bearer
	UserKeyAuth = "userKeyAuth" // a user API key, as bearer
	WidgetAuth  = "widgetAuth"  // a widget token, as bearer
	APIKeyAuth  = "apiKeyAuth"  // an API key in the header x-api-key
)

// The classes of requests among which operations are counted that name none.
const (
	Reads   = "reads"   // GET
	Uploads = "uploads" // a form with a file, maybe
	Writes  = "writes"  // all others
)

// AnyPermission is what an operation names that every API key may call.
const AnyPermission = "any"

// What an operation may name as its Role beside a role permission.
const (
	RoleAnyone = "anyone" // also who is no member
	RoleMember = "member"
	RoleOwner  = "owner"
)

// What an operation may name as its Author: whoever has made what it is about.
const (
	AuthorAlso = "also" // may do it whatever their Role, and leaves no entry in the audit trail
	AuthorOnly = "only" // and nobody else; the Role is needed, too
)

// The headers of what can be repeated safely.
const (
	IdempotencyKeyMember     = "idempotencyKey"      // of a body: the same as that header
	IdempotencyKeyHeader     = "Idempotency-Key"     // of a request: what is sent again under the same key is done once
	IdempotentReplayedHeader = "Idempotent-Replayed" // of an answer that was given before: true
)

// A Family is a form that answers come in.
type Family string

// The families whose errors x-envelope-families in the contract describes.
const (
	System      Family = "system"
	Integration Family = "integration"
	Application Family = "application"
	Flat        Family = "flat"
)

// integrationPrefix is what the paths of the Integration API begin with.
const integrationPrefix = "/apis/v1"

// FamilyOf is the family of a path that belongs to no operation.
func FamilyOf(path string) Family {
	path = CanonicalPath(path)
	if path == integrationPrefix || strings.HasPrefix(path, integrationPrefix+"/") {
		return Integration
	}
	return System
}

// CanonicalPath is a path as the contract has it: the System API is also answered under /api/v1, the Integration API
// under /v1.
func CanonicalPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "/api/v1/"); ok {
		return "/" + rest
	}
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		return integrationPrefix + "/" + rest
	}
	return path
}

// A List is the operations of a contract, in an order in which the first that fits a path is the right one: a word comes
// before a parameter in the same place.
type List []*Operation

// Document is the contract, parsed once. Treat it as read-only. An error means that the build is broken.
var Document = sync.OnceValues(Load)

// Operations are those of the Document. An error means that the build is broken.
var Operations = sync.OnceValues(func() (List, error) {
	doc, err := Document()
	if err != nil {
		return nil, err
	}
	return OperationsOf(doc)
})

// OperationsOf are the operations of a document that keeps the rules of the contract. The error names an operation that
// says too little of itself.
func OperationsOf(doc *openapi3.T) (List, error) {
	families, err := familiesOf(doc)
	if err != nil {
		return nil, err
	}
	var all List
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			op := &Operation{ID: spec.OperationID, Method: method, Path: path, Spec: spec, Item: item, Document: doc}
			if err := op.read(families); err != nil {
				return nil, fmt.Errorf("contract: %s: %w", spec.OperationID, err)
			}
			op.classify()
			all = append(all, op)
		}
	}
	// A brace sorts behind every letter and digit.
	slices.SortFunc(all, func(a, b *Operation) int {
		return cmp.Or(slices.Compare(strings.Split(a.Path, "/"), strings.Split(b.Path, "/")), strings.Compare(a.Method, b.Method))
	})
	return all, nil
}

// familiesOf are the families by the schema of their errors.
func familiesOf(doc *openapi3.T) (map[string]Family, error) {
	named, _ := doc.Extensions["x-envelope-families"].(map[string]any)
	families := map[string]Family{}
	for name, schema := range named {
		schema, _ := schema.(map[string]any)
		ref, _ := schema["$ref"].(string)
		if doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")] == nil {
			return nil, fmt.Errorf("contract: there is no schema of the envelope family %s", name)
		}
		families[ref] = Family(name)
	}
	return families, nil
}

// ErrorSchema is the schema of a family's errors.
func ErrorSchema(doc *openapi3.T, family Family) *openapi3.SchemaRef {
	named, _ := doc.Extensions["x-envelope-families"].(map[string]any)
	schema, _ := named[string(family)].(map[string]any)
	ref, _ := schema["$ref"].(string)
	return doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
}

func (o *Operation) read(families map[string]Family) error {
	spec := o.Spec
	if len(spec.Tags) != 1 {
		return errors.New("it must have one tag")
	}
	o.Tag = spec.Tags[0]
	o.Source, o.Permission, o.Role = o.extension("x-source"), o.extension("x-required-permission"), o.extension("x-required-role")
	o.UserPermission, o.AlsoBodyType = o.extension("x-required-user-permission"), o.extension("x-also-media-type")
	o.Audit, o.RateLimit, o.AlsoAt = o.extension("x-audit"), o.extension("x-rate-limit"), o.extension("x-also-at")
	of, _ := spec.Extensions["x-rate-limit-of"].(map[string]any)
	for kind, class := range of {
		if o.RateLimitOf == nil {
			o.RateLimitOf = map[string]string{}
		}
		o.RateLimitOf[kind], _ = class.(string)
	}
	o.Author, o.CredentialHeader = o.extension("x-author"), o.extension("x-credential-header")
	if !slices.Contains([]string{"", AuthorAlso, AuthorOnly}, o.Author) {
		return errors.New("its x-author must be also or only")
	}
	if other := o.Document.Paths.Value(o.AlsoAt); other != nil && other.GetOperation(o.Method) != nil {
		return errors.New("its x-also-at is the path of another operation")
	}
	o.Creates = o.Parameter(openapi3.ParameterInHeader, IdempotencyKeyHeader) != nil
	o.Streamed = spec.Extensions["x-streamed"] == true
	o.Unlogged = slices.ContainsFunc(o.Parameters(), func(p *openapi3.Parameter) bool {
		return p.In == openapi3.ParameterInPath && p.Extensions["x-unlogged"] == true
	})
	if err := o.readSecurity(); err != nil {
		return err
	}
	fallback := spec.Responses.Default()
	if fallback == nil || fallback.Value.Content.Get("application/json") == nil {
		return errors.New("it has no default response, which tells its envelope family")
	}
	ref := fallback.Value.Content.Get("application/json").Schema.Ref
	if o.Family = families[ref]; o.Family == "" {
		return fmt.Errorf("its default response is of no envelope family: %q", ref)
	}
	for status, response := range spec.Responses.Map() {
		if content := response.Value.Content.Get("application/json"); strings.HasPrefix(status, "2") && content != nil {
			o.Secrets = secretsIn(content.Schema, nil)
		}
	}
	return o.readBody()
}

// readSecurity reads who may call it.
func (o *Operation) readSecurity() error {
	kinds, _ := o.Spec.Extensions["x-widget"].([]any)
	for _, kind := range kinds {
		o.Widgets = append(o.Widgets, fmt.Sprint(kind))
	}
	if o.Spec.Security == nil {
		return errors.New("it does not say who may call it; an operation for everybody must have `security: []`")
	}
	for _, requirement := range *o.Spec.Security {
		if len(requirement) != 1 {
			return errors.New("each of its security requirements must name one scheme")
		}
		o.Schemes = slices.AppendSeq(o.Schemes, maps.Keys(requirement))
	}
	if takesKeys := o.Takes(KeyAuth) || o.Takes(APIKeyAuth); takesKeys != (o.Permission != "") {
		return errors.New("it must name an x-required-permission if, and only if, it admits API keys")
	}
	if o.CredentialHeader != "" && !o.Takes(APIKeyAuth) {
		return errors.New("it must name an x-credential-header only if it admits API keys in a header of their own")
	}
	if o.Takes(UserKeyAuth) != (o.UserPermission != "") {
		return errors.New("it must name an x-required-user-permission if, and only if, it admits user API keys")
	}
	if o.Takes(WidgetAuth) != (len(o.Widgets) > 0) {
		return errors.New("it must name the kinds of x-widget if, and only if, it admits widget tokens")
	}
	return nil
}

// readBody reads what it takes as its body.
func (o *Operation) readBody() error {
	if o.Spec.RequestBody == nil {
		return nil
	}
	content := o.Spec.RequestBody.Value.Content
	o.BodyType, o.Form = "application/json", content.Get("multipart/form-data")
	if o.Body = content[o.BodyType]; o.Body == nil {
		o.BodyType, o.Body = "multipart/form-data", o.Form
	}
	if kinds := len(content); o.Body == nil || kinds > 2 || kinds == 2 && o.Body == o.Form || kinds == 2 && o.Form == nil {
		return errors.New("its body must be JSON, a form, or either of them")
	}
	o.KeyInBody = o.Creates && o.Body.Schema != nil && o.Body.Schema.Value.Properties[IdempotencyKeyMember] != nil
	return nil
}

// classify puts an operation into the class of its kind, unless it names another.
func (o *Operation) classify() {
	switch {
	case o.RateLimit != "":
	case o.Method == http.MethodGet:
		o.RateLimit = Reads
	case o.Form != nil:
		o.RateLimit = Uploads
	default:
		o.RateLimit = Writes
	}
}

// secretsIn are the paths in a schema to what says x-secret.
func secretsIn(ref *openapi3.SchemaRef, path []string) (paths [][]string) {
	const deepest = 10 // no answer is deeper, and a schema that contains itself has an end
	if ref == nil || len(path) > deepest {
		return nil
	}
	if secret, _ := ref.Value.Extensions["x-secret"].(bool); secret {
		return [][]string{slices.Clone(path)}
	}
	for _, name := range slices.Sorted(maps.Keys(ref.Value.Properties)) {
		paths = append(paths, secretsIn(ref.Value.Properties[name], append(path, name))...)
	}
	return append(paths, secretsIn(ref.Value.Items, append(path, "*"))...)
}

func (o *Operation) extension(name string) string {
	text, _ := o.Spec.Extensions[name].(string)
	return text
}

// Takes tells whether a caller may come by a security scheme.
func (o *Operation) Takes(scheme string) bool { return slices.Contains(o.Schemes, scheme) }

// ByMembership tells whether an account needs no role permission for it, and need not own the server.
func (o *Operation) ByMembership() bool {
	return o.Role == "" || o.Role == RoleAnyone || o.Role == RoleMember
}

// Parameters are those of the operation and of its path.
func (o *Operation) Parameters() []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, list := range []openapi3.Parameters{o.Spec.Parameters, o.Item.Parameters} {
		for _, p := range list {
			if !slices.ContainsFunc(all, func(q *openapi3.Parameter) bool { return p.Value.In == q.In && p.Value.Name == q.Name }) {
				all = append(all, p.Value)
			}
		}
	}
	return all
}

// Parameter is the one of a place (path, query, header) and a name, or nil.
func (o *Operation) Parameter(in, name string) *openapi3.Parameter {
	for _, p := range o.Parameters() {
		if p.In == in && p.Name == name {
			return p
		}
	}
	return nil
}

// ServerPointer is where a request may name the server that it is about, if the path does not: query/serverId or
// /serverId. Empty: it may not.
func (o *Operation) ServerPointer() string {
	const name = "serverId"
	if o.Parameter(openapi3.ParameterInQuery, name) != nil {
		return "query/" + name
	}
	if o.Body != nil && o.Body.Schema.Value.Properties[name] != nil {
		return "/" + name
	}
	return ""
}

// ByID returns the operation of an operationId, or nil.
func (l List) ByID(id string) *Operation {
	for _, op := range l {
		if op.ID == id {
			return op
		}
	}
	return nil
}

// Match returns the operation that a request is for, or nil. The path is one of either route prefix, with or without
// a slash at its end, still escaped and without a query.
func (l List) Match(method, path string) *Operation {
	path = strings.TrimSuffix(CanonicalPath(path), "/")
	words := strings.Split(path, "/")
	for _, op := range l {
		if op.Method == method && (path == op.AlsoAt || slices.EqualFunc(strings.Split(op.Path, "/"), words, fits)) {
			return op
		}
	}
	return nil
}

// fits tells whether a word of a path, still escaped, is what the contract has there.
func fits(want, given string) bool {
	if strings.HasPrefix(want, "{") {
		return given != ""
	}
	plain, err := url.PathUnescape(given)
	return err == nil && plain == want
}

// Values are the values of the path parameters in a path that Match finds the operation by.
func (o *Operation) Values(path string) map[string]string {
	values := map[string]string{}
	words := strings.Split(CanonicalPath(path), "/")
	for i, want := range strings.Split(o.Path, "/") {
		if name, is := strings.CutPrefix(want, "{"); is && i < len(words) {
			values[strings.TrimSuffix(name, "}")], _ = url.PathUnescape(words[i])
		}
	}
	return values
}

// Fill is the path with the values of its parameters, escaped.
func (o *Operation) Fill(value func(p *openapi3.Parameter) string) string {
	words := strings.Split(o.Path, "/")
	for i, word := range words {
		if name, is := strings.CutPrefix(word, "{"); is {
			words[i] = url.PathEscape(value(o.Parameter(openapi3.ParameterInPath, strings.TrimSuffix(name, "}"))))
		}
	}
	return strings.Join(words, "/")
}
