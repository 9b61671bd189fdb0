// Command mapserver is a backend that keeps the tag servers of the contract in a map: what it takes to implement
// gen/stub, in one file. It is an example to begin from, and has nothing in common with the server of this repository but
// the contract. It knows two accounts, whose tokens it is given, and forgets everything when it ends.
//
//	mapserver TOKEN TOKEN
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

type (
	object = map[string]any // also what is sent as JSON

	club struct {
		id, name, owner, image, role string
		made                         time.Time
		members                      []*member
	}
	member struct {
		user   string
		joined time.Time
		days   []string // visited
	}
	picture struct {
		kind string
		data []byte
	}
	kept struct { // under an Idempotency-Key
		form [32]byte
		body object
	}
)

// backend implements one tag; an operation of another tag panics, which answers 500.
type backend struct {
	stub.ServerInterface
	doc      *openapi3.T
	mu       sync.Mutex
	users    map[string]string // the number of each token
	clubs    []*club           // in the order in which they were made
	pictures map[string]picture
	keys     map[string]kept
	last     int
}

func main() {
	doc, err := api.Load()
	if err != nil || len(os.Args) != 3 {
		log.Fatalf("usage: mapserver TOKEN TOKEN (%v)", err)
	}
	b := &backend{doc: doc, users: map[string]string{os.Args[1]: "1", os.Args[2]: "2"}, pictures: map[string]picture{}, keys: map[string]kept{}}
	e := echo.New()
	e.HTTPErrorHandler = fail
	e.Use(b.hold)
	stub.RegisterHandlers(e, b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, e))
}

// --------------------------------------------------------------------------------------------------- before a handler

var parameter = regexp.MustCompile(`:(\w+)`)

// hold lets one request at a time through to its handler, if the contract admits it.
func (b *backend) hold(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		id := c.Request().Header.Get("X-Request-Id")
		if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(id) {
			id = fmt.Sprint(time.Now().UnixNano())
		}
		c.Response().Header().Set("X-Request-Id", id)
		path := parameter.ReplaceAllString(c.Path(), "{$1}")
		item := b.doc.Paths.Value(path)
		if item == nil || item.GetOperation(c.Request().Method) == nil {
			return next(c) // Echo's own 404 and 405
		}
		operation := item.GetOperation(c.Request().Method)
		user := b.users[strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Bearer ")]
		if user == "" && len(*operation.Security) > 0 {
			return &problem{status: 401}
		}
		c.Set("user", user)
		input := openapi3filter.RequestValidationInput{
			Request: c.Request(), PathParams: map[string]string{},
			Route:   &routers.Route{Spec: b.doc, Path: path, PathItem: item, Method: c.Request().Method, Operation: operation},
			Options: &openapi3filter.Options{MultiError: true, ExcludeRequestBody: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		}
		for _, name := range c.ParamNames() {
			input.PathParams[name] = c.Param(name)
		}
		if err := openapi3filter.ValidateRequest(c.Request().Context(), &input); err != nil {
			return invalid(err)
		}
		body, err := io.ReadAll(io.LimitReader(c.Request().Body, 8<<20))
		if err != nil {
			return &problem{status: 400}
		}
		c.Request().Body = io.NopCloser(bytes.NewReader(body))
		b.mu.Lock()
		defer b.mu.Unlock()
		defer func() {
			if recover() != nil {
				err = &problem{status: 500}
			}
		}()
		return next(c)
	}
}

// problem is a failure, and which parts of the request caused it.
type problem struct {
	status int
	fields []object
}

func (p *problem) Error() string { return http.StatusText(p.status) }

func wrong(pointer, code string) *problem {
	return &problem{400, []object{{"pointer": pointer, "code": code, "message": "is not as the contract has it"}}}
}

// invalid names the parameters that the contract does not admit.
func invalid(err error) *problem {
	p := &problem{status: 400}
	var many openapi3.MultiError
	if !errors.As(err, &many) {
		many = openapi3.MultiError{err}
	}
	for _, err := range many {
		var request *openapi3filter.RequestError
		var schema *openapi3.SchemaError
		if !errors.As(err, &request) || request.Parameter == nil {
			continue
		}
		code := "wrong_type"
		if errors.As(err, &schema) {
			code = codes[schema.SchemaField]
		}
		p.fields = append(p.fields, wrong(request.Parameter.In+"/"+request.Parameter.Name, code).fields...)
	}
	return p
}

var codes = map[string]string{
	"type": "wrong_type", "format": "wrong_format", "pattern": "wrong_format", "minimum": "too_small", "maximum": "too_large",
	"minLength": "too_short", "maxLength": "too_long",
}

var kinds = map[int]string{
	400: "invalid_request", 401: "unauthenticated", 403: "permission_denied", 404: "not_found", 405: "method_not_allowed",
	409: "conflict", 413: "payload_too_large", 415: "unsupported_media_type", 500: "internal",
}

// fail writes a failure in the envelope of its family.
func fail(err error, c echo.Context) {
	var p *problem
	var e *echo.HTTPError
	if !errors.As(err, &p) {
		p = &problem{status: 500}
		if errors.As(err, &e) && kinds[e.Code] != "" {
			p.status = e.Code
		}
	}
	fields := append([]object{}, p.fields...)
	body := object{"code": kinds[p.status], "requestId": c.Response().Header().Get("X-Request-Id"), "fields": fields}
	if strings.HasPrefix(c.Path(), "/images/") || strings.HasPrefix(c.Request().URL.Path, "/apis/v1") {
		_ = c.JSON(p.status, object{"status": "error", "message": p.Error(), "data": body})
		return
	}
	_ = c.JSON(p.status, object{"meta": object{"success": false, "message": p.Error(), "devMessage": ""}, "body": body})
}

func answer(c echo.Context, status int, message string, body any, more ...object) error {
	meta := object{"success": true, "message": message, "devMessage": ""}
	for _, m := range more {
		maps.Copy(meta, m)
	}
	return c.JSON(status, object{"meta": meta, "body": body})
}

// form reads the two parts that a server is made from. A name that was not sent is empty.
func (b *backend) form(c echo.Context) (name string, image *picture, err error) {
	reader, err := c.Request().MultipartReader()
	if err != nil {
		return "", nil, &problem{status: 415}
	}
	seen, p := map[string]bool{}, &problem{status: 400}
	refuse := func(part, code string) { p.fields = append(p.fields, wrong("/"+part, code).fields...) }
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", nil, wrong("", "malformed")
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return "", nil, wrong("", "malformed")
		}
		field := part.FormName()
		if seen[field] {
			refuse(field, "duplicate")
		}
		seen[field] = true
		switch field {
		case "name":
			switch name = string(data); {
			case name == "":
				refuse(field, "too_short")
			case utf8.RuneCountInString(name) > 100:
				refuse(field, "too_long")
			case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
				refuse(field, "wrong_format")
			}
		case "image":
			if len(data) > 5<<20 {
				return "", nil, &problem{status: 413}
			}
			image = &picture{http.DetectContentType(data), data}
			if !slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, image.kind) {
				refuse(field, "wrong_format")
			}
		default:
			refuse(field, "unknown")
		}
	}
	if c.Request().Method == http.MethodPost && !seen["name"] {
		refuse("name", "required")
	}
	if len(seen) == 0 {
		refuse("", "too_few")
	}
	if len(p.fields) > 0 {
		return "", nil, p
	}
	return name, image, nil
}

// ------------------------------------------------------------------------------------------------------- what there is

func (b *backend) newID() string {
	b.last++
	return fmt.Sprintf("%024x", b.last)
}

func (k *club) member(user string) *member {
	for _, m := range k.members {
		if m.user == user {
			return m
		}
	}
	return nil
}

// mine is the club of an id if the caller is a member of it.
func (b *backend) mine(c echo.Context, id string) (*club, *member, error) {
	k, err := b.club(id)
	if err != nil {
		return nil, nil, err
	}
	m := k.member(c.Get("user").(string))
	if m == nil {
		return nil, nil, &problem{status: 404}
	}
	return k, m, nil
}

func (b *backend) club(id string) (*club, error) {
	for _, k := range b.clubs {
		if k.id == id {
			return k, nil
		}
	}
	return nil, &problem{status: 404}
}

// owned is the club of an id if the caller owns it.
func (b *backend) owned(c echo.Context, id string) (*club, error) {
	k, m, err := b.mine(c, id)
	if err == nil && m.user != k.owner {
		return nil, &problem{status: 403}
	}
	return k, err
}

func (b *backend) show(c echo.Context, k *club) object {
	var image any
	if k.image != "" {
		image = "http://" + c.Request().Host + "/images/" + k.image
	}
	return object{
		"_id": k.id, "id": k.id, "name": k.name, "image": image, "owner": object{"id": k.owner}, "__v": 0,
		"roles": []string{k.role}, "categories": []string{}, "leaderboards": []string{}, "languageSettings": []string{},
	}
}

func (b *backend) paint(k *club, image *picture) {
	if image != nil {
		delete(b.pictures, k.image)
		k.image = b.newID()
		b.pictures[k.image] = *image
	}
}

// ------------------------------------------------------------------------------------------------------ the operations

func (b *backend) ListMyServers(c echo.Context) error {
	all := []object{}
	for _, k := range b.clubs {
		if k.member(c.Get("user").(string)) != nil {
			all = append(all, b.show(c, k))
		}
	}
	return answer(c, 200, "My servers", all)
}

func (b *backend) CreateServer(c echo.Context, params gen.CreateServerParams) error {
	const done = "Server has been created successfully"
	name, image, err := b.form(c)
	if err != nil {
		return err
	}
	user, now, key := c.Get("user").(string), time.Now(), ""
	form := sha256.Sum256(fmt.Appendf(nil, "%q %q", name, image))
	if params.IdempotencyKey != nil {
		key = user + " " + *params.IdempotencyKey
		if first, again := b.keys[key]; again && first.form != form {
			return &problem{status: 409}
		} else if again {
			c.Response().Header().Set("Idempotent-Replayed", "true")
			return answer(c, 201, done, first.body)
		}
	}
	k := &club{id: b.newID(), role: b.newID(), name: name, owner: user, made: now, members: []*member{{user: user, joined: now}}}
	b.paint(k, image)
	b.clubs = append(b.clubs, k)
	body := b.show(c, k)
	for _, list := range []string{"roles", "categories", "leaderboards", "languageSettings"} {
		delete(body, list)
	}
	if key != "" {
		b.keys[key] = kept{form, body}
	}
	return answer(c, 201, done, body)
}

func (b *backend) GetServer(c echo.Context, id gen.ServerID) error {
	k, _, err := b.mine(c, id)
	if err != nil {
		return err
	}
	return answer(c, 200, "Server", b.show(c, k))
}

func (b *backend) UpdateServer(c echo.Context, id gen.ServerID) error {
	name, image, err := b.form(c)
	if err != nil {
		return err
	}
	k, err := b.owned(c, id)
	if err != nil {
		return err
	}
	if name != "" {
		k.name = name
	}
	b.paint(k, image)
	return answer(c, 200, "Server has been updated successfully", b.show(c, k))
}

func (b *backend) DeleteServer(c echo.Context, id gen.ServerID) error {
	k, err := b.owned(c, id)
	if err != nil {
		return err
	}
	delete(b.pictures, k.image)
	b.clubs = slices.DeleteFunc(b.clubs, func(other *club) bool { return other == k })
	return answer(c, 200, "Server has been deleted successfully", object{})
}

func (b *backend) JoinServer(c echo.Context, id gen.ServerID) error {
	k, err := b.club(id)
	if err != nil {
		return err
	}
	user := c.Get("user").(string)
	if k.member(user) != nil {
		return &problem{status: 409}
	}
	k.members = append(k.members, &member{user: user, joined: time.Now()})
	return answer(c, 200, "Server has been joined successfully", b.show(c, k))
}

func (b *backend) LeaveServer(c echo.Context, id gen.ServerID) error {
	k, m, err := b.mine(c, id)
	if err != nil {
		return err
	}
	if m.user == k.owner {
		return &problem{status: 409}
	}
	k.members = slices.DeleteFunc(k.members, func(other *member) bool { return other == m })
	return answer(c, 200, "Server has been left successfully", object{})
}

func (b *backend) VisitServer(c echo.Context, id gen.ServerID) error {
	_, m, err := b.mine(c, id)
	if err != nil {
		return err
	}
	today := time.Now().UTC().Format(time.DateOnly)
	counted := !slices.Contains(m.days, today)
	if counted {
		m.days = append(m.days, today)
	}
	return answer(c, 200, "Server has been visited successfully", object{"day": today, "counted": counted, "visits": len(m.days)})
}

func (b *backend) ListMembers(c echo.Context, id gen.ServerID, params gen.ListMembersParams) error {
	k, _, err := b.mine(c, id)
	if err != nil {
		return err
	}
	page, limit := 1, 20
	if params.Page != nil {
		page = int(*params.Page)
	}
	if params.Limit != nil {
		limit = int(*params.Limit)
	}
	all := []object{}
	for _, m := range k.members {
		all = append(all, object{
			"id": m.user, "_id": strings.Repeat("0", 23) + m.user, "username": nil, "displayName": "Account " + m.user, "avatar": nil,
			"roles": []string{"@all"}, "joinedAt": gen.Time{Time: m.joined.UTC()},
		})
	}
	some := all[min((page-1)*limit, len(all)):min(page*limit, len(all))]
	return answer(c, 200, "Members", some, object{"page": page, "limit": limit, "total": len(all)})
}

func (b *backend) ListServerRoles(c echo.Context, id gen.ServerID) error {
	k, _, err := b.mine(c, id)
	if err != nil {
		return err
	}
	made := gen.Time{Time: k.made.UTC()}
	everyone := gen.Role{ObjectID: k.role, Title: "@all", Order: 10000, Class: "grey", ServerID: k.id, CreatedAt: made, UpdatedAt: made}
	return answer(c, 200, "Roles", []gen.Role{everyone})
}

func (b *backend) ListServerChannels(c echo.Context, id gen.ServerID) error {
	if _, _, err := b.mine(c, id); err != nil {
		return err
	}
	return answer(c, 200, "Channels", []object{})
}

func (b *backend) GetMemberBalance(c echo.Context, id gen.ServerID, user gen.UserID) error {
	k, _, err := b.mine(c, id)
	if err != nil {
		return err
	}
	if k.member(user) == nil {
		return &problem{status: 404}
	}
	return answer(c, 200, "Member balance", object{"xp": 0, "coins": 0})
}

// ListAudit is for a backend that also has what is worth auditing.
func (b *backend) ListAudit(c echo.Context, id gen.ServerID, _ gen.ListAuditParams) error {
	if _, err := b.owned(c, id); err != nil {
		return err
	}
	return answer(c, 200, "Audit trail", []object{}, object{"page": 1, "limit": 20, "total": 0})
}

func (b *backend) GetImage(c echo.Context, id gen.ObjectID, _ gen.GetImageParams) error {
	image, ok := b.pictures[id]
	if !ok {
		return &problem{status: 404}
	}
	for name, value := range map[string]string{
		"Content-Type": image.kind, "ETag": `"` + id + `"`, "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable",
	} {
		c.Response().Header().Set(name, value)
	}
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(image.data))
	return nil
}
