// Command mapserver is a backend that keeps the tag servers of the contract in a map: what it takes to implement
// gen/stub, in one file. It is an example to begin from, and has nothing in common with the server of this repository but
// the contract. It knows two accounts, whose tokens it is given, and forgets everything when it ends.
//
//	mapserver TOKEN TOKEN
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/oapi-codegen/nullable"
	"github.com/oapi-codegen/runtime/types"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// backend implements one tag; an operation of another tag panics, which answers 500.
type backend struct {
	stub.StrictServerInterface
	doc   *openapi3.T
	url   string
	users map[string]string // the number of each token

	mu    sync.Mutex // held while a request is served
	clubs map[string]*club
	kept  map[string]kept // by account and Idempotency-Key
	last  int
}

type club struct {
	gen.Server
	image   string       // its bytes
	members []gen.Member // the owner is the first
	visits  map[string]gen.Visit
}

type kept struct {
	form   map[string]string
	answer gen.CreatedServerResponse
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: mapserver TOKEN TOKEN")
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	b := &backend{
		doc: must(api.Load()), url: "http://" + listener.Addr().String(), users: map[string]string{os.Args[1]: "1", os.Args[2]: "2"},
		clubs: map[string]*club{}, kept: map[string]kept{},
	}
	e := echo.New()
	e.HTTPErrorHandler = fail
	e.Use(middleware.RequestID(), middleware.Recover(), middleware.Secure(), middleware.BodyLimit("8M"), b.admit)
	stub.RegisterHandlers(e, stub.NewStrictHandler(b, nil))
	fmt.Println(b.url)
	log.Fatal(http.Serve(listener, e))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

var parameter = regexp.MustCompile(`:(\w+)`)

type userKey struct{}

func caller(ctx context.Context) string { return ctx.Value(userKey{}).(string) }

// admit lets one request at a time through to its operation, if the contract admits it and its caller.
func (b *backend) admit(next echo.HandlerFunc) echo.HandlerFunc {
	options := &openapi3filter.Options{MultiError: true, ExcludeRequestBody: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	return func(c echo.Context) error {
		item := b.doc.Paths.Value(parameter.ReplaceAllString(c.Path(), "{$1}"))
		if item == nil || item.GetOperation(c.Request().Method) == nil {
			return next(c) // Echo's own 404 and 405
		}
		route := &routers.Route{Spec: b.doc, PathItem: item, Method: c.Request().Method, Operation: item.GetOperation(c.Request().Method)}
		params := map[string]string{}
		for _, name := range c.ParamNames() {
			params[name] = c.Param(name)
		}
		user := b.users[strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Bearer ")]
		if user == "" && len(*route.Operation.Security) > 0 {
			return echo.ErrUnauthorized
		}
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), userKey{}, user)))
		input := &openapi3filter.RequestValidationInput{Request: c.Request(), PathParams: params, Route: route, Options: options}
		if err := openapi3filter.ValidateRequest(c.Request().Context(), input); err != nil { // fills in defaults, too
			return echo.NewHTTPError(400, fields(err, ""))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if id, role := params["serverId"], route.Operation.Extensions["x-required-role"]; id != "" {
			switch k := b.clubs[id]; {
			case k == nil, role != "anyone" && !k.has(user):
				return echo.ErrNotFound
			case role != "anyone" && role != "member" && k.Owner.ID != user:
				return echo.ErrForbidden
			}
		}
		return next(c)
	}
}

// form reads the parts of a form and holds them against their schema.
func (b *backend) form(body *multipart.Reader, schema *openapi3.Schema) (map[string]string, error) {
	form, values, found := map[string]string{}, map[string]any{}, []gen.ProblemField{}
	for {
		part, err := body.NextPart()
		if err == io.EOF {
			break
		}
		var data []byte
		if err == nil {
			data, err = io.ReadAll(part)
		}
		if err != nil {
			return nil, echo.NewHTTPError(400, wrong("", "malformed"))
		}
		name := part.FormName()
		if _, twice := form[name]; twice {
			found = append(found, wrong("/"+name, "duplicate")...)
		}
		form[name] = string(data)
		switch {
		case schema.Properties[name] == nil:
			found = append(found, wrong("/"+name, "unknown")...)
		case name != "image":
			values[name] = strings.ToValidUTF8(form[name], "\x00") // which no pattern admits
		case len(data) > 5<<20:
			return nil, echo.ErrStatusRequestEntityTooLarge
		default:
			values[name] = "" // its bytes are not JSON
			if !slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, http.DetectContentType(data)) {
				found = append(found, wrong("/image", "wrong_format")...)
			}
		}
	}
	if found = append(found, fields(schema.VisitJSON(values, openapi3.MultiErrors()), "")...); len(found) > 0 {
		return nil, echo.NewHTTPError(400, found)
	}
	return form, nil
}

var codes = map[string]gen.FieldCode{
	"required": "required", "type": "wrong_type", "format": "wrong_format", "pattern": "wrong_format", "minimum": "too_small",
	"maximum": "too_large", "minLength": "too_short", "maxLength": "too_long", "minProperties": "too_few",
}

// fields are the parts of a request with which the validator finds fault.
func fields(err error, pointer string) (all []gen.ProblemField) {
	switch err := err.(type) {
	case nil:
	case openapi3.MultiError:
		for _, err := range err {
			all = append(all, fields(err, pointer)...)
		}
	case *openapi3filter.RequestError:
		return fields(err.Err, err.Parameter.In+"/"+err.Parameter.Name)
	case *openapi3.SchemaError:
		return wrong(strings.Join(append([]string{pointer}, err.JSONPointer()...), "/"), codes[err.SchemaField])
	default: // it could not even be parsed
		return wrong(pointer, "wrong_type")
	}
	return all
}

func wrong(pointer string, code gen.FieldCode) []gen.ProblemField {
	return []gen.ProblemField{{Pointer: pointer, Code: code, Message: "is not as the contract has it"}}
}

var kinds = map[int]gen.ProblemCode{
	400: "invalid_request", 401: "unauthenticated", 403: "permission_denied", 404: "not_found", 405: "method_not_allowed",
	409: "conflict", 413: "payload_too_large", 415: "unsupported_media_type", 500: "internal",
}

// fail writes a failure in the envelope of its family.
func fail(err error, c echo.Context) {
	e := echo.ErrInternalServerError
	if !errors.As(err, &e) && (errors.Is(err, http.ErrNotMultipart) || errors.Is(err, http.ErrMissingBoundary)) {
		e = echo.ErrUnsupportedMediaType
	}
	text, problem := http.StatusText(e.Code), gen.Problem{Code: kinds[e.Code], RequestID: c.Response().Header().Get("X-Request-Id")}
	fields, _ := e.Message.([]gen.ProblemField)
	problem.Fields = append([]gen.ProblemField{}, fields...)
	if strings.HasPrefix(c.Path(), "/images/") {
		_ = c.JSON(e.Code, gen.IntegrationErrorResponse{Status: "error", Message: text, Data: problem})
	} else {
		_ = c.JSON(e.Code, gen.SystemErrorResponse{Meta: gen.SystemMeta{Message: text}, Body: problem})
	}
}

func ok(message string) gen.SystemMeta { return gen.SystemMeta{Success: true, Message: message} }

func (b *backend) newID() string {
	b.last++
	return fmt.Sprintf("%024x", b.last)
}

// change gives a club what is in a form.
func (b *backend) change(k *club, form map[string]string) {
	if name, ok := form["name"]; ok {
		k.Name = name
	}
	if image, ok := form["image"]; ok {
		k.image, k.Image = image, nullable.NewNullableWithValue(b.url+"/images/"+b.newID())
	}
}

func (k *club) has(user string) bool {
	return slices.ContainsFunc(k.members, func(m gen.Member) bool { return m.ID == user })
}

func (k *club) add(user string) {
	k.members = append(k.members, gen.Member{
		ID: user, ObjectID: strings.Repeat("0", 23) + user, DisplayName: "Account " + user, Roles: []string{"@all"},
		Username: nullable.NewNullNullable[string](), Avatar: nullable.NewNullNullable[string](), JoinedAt: gen.Time{Time: time.Now()},
	})
}

func (b *backend) ListMyServers(ctx context.Context, _ stub.ListMyServersRequestObject) (stub.ListMyServersResponseObject, error) {
	mine := []gen.Server{}
	for _, id := range slices.Sorted(maps.Keys(b.clubs)) {
		if k := b.clubs[id]; k.has(caller(ctx)) {
			mine = append(mine, k.Server)
		}
	}
	return stub.ListMyServers200JSONResponse{Meta: ok("My servers"), Body: mine}, nil
}

func (b *backend) CreateServer(ctx context.Context, r stub.CreateServerRequestObject) (stub.CreateServerResponseObject, error) {
	form, err := b.form(r.Body, b.doc.Components.Schemas["ServerCreate"].Value)
	if err != nil {
		return nil, err
	}
	key, user := "", caller(ctx)
	if r.Params.IdempotencyKey != nil {
		key = user + " " + *r.Params.IdempotencyKey
	}
	if first, again := b.kept[key]; again {
		if !maps.Equal(first.form, form) {
			return nil, echo.ErrConflict
		}
		replayed := stub.CreateServer201ResponseHeaders{IdempotentReplayed: new("true")}
		return stub.CreateServer201JSONResponse{Body: first.answer, Headers: replayed}, nil
	}
	id := b.newID()
	k := &club{visits: map[string]gen.Visit{}, Server: gen.Server{
		ID: id, ObjectID: id, Owner: gen.ServerOwner{ID: user}, Image: nullable.NewNullNullable[string](),
		Roles: []string{b.newID()}, Categories: []string{}, Leaderboards: []string{}, LanguageSettings: []string{},
	}}
	k.add(user)
	b.change(k, form)
	b.clubs[id] = k
	made := gen.CreatedServer{ID: id, ObjectID: id, Name: k.Name, Image: k.Image, Owner: k.Owner}
	answer := gen.CreatedServerResponse{Meta: ok("Server has been created successfully"), Body: made}
	if key != "" {
		b.kept[key] = kept{form, answer}
	}
	return stub.CreateServer201JSONResponse{Body: answer}, nil
}

func (b *backend) GetServer(_ context.Context, r stub.GetServerRequestObject) (stub.GetServerResponseObject, error) {
	return stub.GetServer200JSONResponse{Meta: ok("Server"), Body: b.clubs[r.ServerID].Server}, nil
}

func (b *backend) UpdateServer(_ context.Context, r stub.UpdateServerRequestObject) (stub.UpdateServerResponseObject, error) {
	form, err := b.form(r.Body, b.doc.Components.Schemas["ServerUpdate"].Value)
	if err != nil {
		return nil, err
	}
	b.change(b.clubs[r.ServerID], form)
	return stub.UpdateServer200JSONResponse{Meta: ok("Server has been updated successfully"), Body: b.clubs[r.ServerID].Server}, nil
}

func (b *backend) DeleteServer(_ context.Context, r stub.DeleteServerRequestObject) (stub.DeleteServerResponseObject, error) {
	delete(b.clubs, r.ServerID)
	return stub.DeleteServer200JSONResponse{Meta: ok("Server has been deleted successfully"), Body: map[string]any{}}, nil
}

func (b *backend) JoinServer(ctx context.Context, r stub.JoinServerRequestObject) (stub.JoinServerResponseObject, error) {
	k := b.clubs[r.ServerID]
	if k.has(caller(ctx)) {
		return nil, echo.ErrConflict
	}
	k.add(caller(ctx))
	return stub.JoinServer200JSONResponse{Meta: ok("Server has been joined successfully"), Body: k.Server}, nil
}

func (b *backend) LeaveServer(ctx context.Context, r stub.LeaveServerRequestObject) (stub.LeaveServerResponseObject, error) {
	k := b.clubs[r.ServerID]
	if k.Owner.ID == caller(ctx) {
		return nil, echo.ErrConflict
	}
	k.members = slices.DeleteFunc(k.members, func(m gen.Member) bool { return m.ID == caller(ctx) })
	return stub.LeaveServer200JSONResponse{Meta: ok("Server has been left successfully"), Body: map[string]any{}}, nil
}

func (b *backend) VisitServer(ctx context.Context, r stub.VisitServerRequestObject) (stub.VisitServerResponseObject, error) {
	visits, today := b.clubs[r.ServerID].visits, types.Date{Time: time.Now().UTC()}
	visit := visits[caller(ctx)]
	if visit.Counted = visit.Day.String() != today.String(); visit.Counted {
		visit.Day, visit.Visits = today, visit.Visits+1
	}
	visits[caller(ctx)] = visit
	return stub.VisitServer200JSONResponse{Meta: ok("Server has been visited successfully"), Body: visit}, nil
}

func (b *backend) ListMembers(_ context.Context, r stub.ListMembersRequestObject) (stub.ListMembersResponseObject, error) {
	all, page, limit := b.clubs[r.ServerID].members, int(*r.Params.Page), int(*r.Params.Limit)
	meta := gen.SystemPageMeta{Success: true, Message: "Members", Page: *r.Params.Page, Limit: *r.Params.Limit, Total: int64(len(all))}
	return stub.ListMembers200JSONResponse{Meta: meta, Body: all[min((page-1)*limit, len(all)):min(page*limit, len(all))]}, nil
}

func (b *backend) ListServerRoles(_ context.Context, r stub.ListServerRolesRequestObject) (stub.ListServerRolesResponseObject, error) {
	k := b.clubs[r.ServerID]
	made := k.members[0].JoinedAt
	all := gen.Role{ObjectID: k.Roles[0], Title: "@all", Order: 10000, Class: "gray", ServerID: k.ID, CreatedAt: made, UpdatedAt: made}
	return stub.ListServerRoles200JSONResponse{Meta: ok("Server roles"), Body: []gen.Role{all}}, nil
}

func (b *backend) ListServerChannels(context.Context, stub.ListServerChannelsRequestObject) (stub.ListServerChannelsResponseObject, error) {
	return stub.ListServerChannels200JSONResponse{Meta: ok("Server channels"), Body: []gen.Channel{}}, nil
}

func (b *backend) GetMemberBalance(_ context.Context, r stub.GetMemberBalanceRequestObject) (stub.GetMemberBalanceResponseObject, error) {
	if !b.clubs[r.ServerID].has(r.UserID) {
		return nil, echo.ErrNotFound
	}
	return stub.GetMemberBalance200JSONResponse{Meta: ok("Member balance")}, nil
}

// ListAudit is for a backend that also has what is worth auditing.
func (b *backend) ListAudit(_ context.Context, r stub.ListAuditRequestObject) (stub.ListAuditResponseObject, error) {
	meta := gen.SystemPageMeta{Success: true, Message: "Audit trail", Page: *r.Params.Page, Limit: *r.Params.Limit}
	return stub.ListAudit200JSONResponse{Meta: meta, Body: []gen.AuditEntry{}}, nil
}

func (b *backend) GetImage(_ context.Context, r stub.GetImageRequestObject) (stub.GetImageResponseObject, error) {
	tag, forever := `"`+r.ImageID+`"`, "public, max-age=31536000, immutable"
	for _, k := range b.clubs {
		if url, _ := k.Image.Get(); url != b.url+"/images/"+r.ImageID {
			continue
		}
		if r.Params.IfNoneMatch != nil && *r.Params.IfNoneMatch == tag {
			return stub.GetImage304Response{Headers: stub.GetImage304ResponseHeaders{ETag: &tag, CacheControl: &forever}}, nil
		}
		return stub.GetImage200ImageResponse{
			Body: strings.NewReader(k.image), ContentLength: int64(len(k.image)), ContentType: http.DetectContentType([]byte(k.image)),
			Headers: stub.GetImage200ResponseHeaders{ETag: &tag, CacheControl: &forever},
		}, nil
	}
	return nil, echo.ErrNotFound
}
