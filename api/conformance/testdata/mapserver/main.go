// Command mapserver is a backend that keeps the tag servers of the contract in a map: what it takes to implement gen/stub.
// It is an example to begin from. It knows two accounts, whose tokens it is given, and forgets everything when it ends.
//
//	mapserver TOKEN TOKEN
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"log"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oapi-codegen/runtime/types"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// A backend implements one tag; an operation of another tag answers 501.
type backend struct {
	stub.Unimplemented
	mu    sync.Mutex // operations hold it
	clubs map[string]*club
	order []string         // the ids of all clubs there ever were, oldest first
	made  map[string]*club // by who sent which Idempotency-Key
}

type club struct {
	gen.Server
	settings gen.ServerSettings
	image    []byte
	members  []gen.Member // the owner is the first
	visits   map[string]gen.Visit
	request  []byte // that made it, and what was answered
	answer   gen.CreatedServerResponse
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: mapserver TOKEN TOKEN")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	b := &backend{clubs: map[string]*club{}, made: map[string]*club{}}
	e, err := contract.NewEcho(b, contract.Options{Authenticate: authenticate, Inner: []echo.MiddlewareFunc{b.enter}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("http://" + listener.Addr().String())
	log.Fatal((&http.Server{Handler: e, ReadTimeout: time.Minute}).Serve(listener))
}

func authenticate(_ context.Context, token string, inKeyHeader bool) (contract.Caller, error) {
	if account := slices.Index(os.Args, token); account > 0 && !inKeyHeader {
		return contract.Caller{Scheme: contract.SessionAuth, Who: fmt.Sprint(account)}, nil
	}
	return contract.Caller{}, contract.Unauthenticated("nobody has this token")
}

func caller(ctx context.Context) string { return contract.CallerFrom(ctx).Who.(string) }

// enter lets one request at a time through to its operation, if the caller is in the server what the contract asks for.
func (b *backend) enter(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		ctx, id := c.Request().Context(), c.Param("serverId")
		switch k, role := b.clubs[id], contract.OperationFrom(ctx).Role; {
		case id == "" || k != nil && role == "anyone":
		case k == nil || !k.has(caller(ctx)):
			return contract.NotFound("server")
		case role != "member" && k.Owner.Number != caller(ctx):
			return contract.PermissionDenied("this needs the owner")
		}
		return next(c)
	}
}

// take takes into a club what a form says. Nobody has to wait until it has arrived.
func (b *backend) take(ctx context.Context, body *multipart.Reader, k *club) error {
	b.mu.Unlock()
	form, err := contract.ReadForm(ctx, body, nil)
	b.mu.Lock()
	if name := form.Text("name"); name != nil {
		k.Name = *name
	}
	if file := form.File("image"); file != nil && err == nil {
		if k.image, err = pixels(file); err != nil {
			return err
		}
		k.Image = gen.NullableOf(contract.OriginFrom(ctx) + "/images/" + contract.NewImageID())
	}
	return err
}

// pixels writes an image anew, so that nothing else is kept of it. WebP, of which the standard library knows nothing, it takes
// as it is.
func pixels(file []byte) ([]byte, error) {
	refused := contract.Invalid(contract.Field("/image", gen.FieldCodeMalformed, "must be an image that can be decoded, and is not too large then"))
	size, kind, err := image.DecodeConfig(bytes.NewReader(file))
	if errors.Is(err, image.ErrFormat) {
		return file, nil
	}
	if err != nil || size.Width*size.Height > 12_000_000 {
		return nil, refused
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, refused
	}
	var anew bytes.Buffer
	switch kind {
	case "png":
		err = png.Encode(&anew, decoded)
	case "jpeg":
		err = jpeg.Encode(&anew, decoded, nil)
	case "gif":
		err = gif.Encode(&anew, decoded, nil)
	}
	return anew.Bytes(), err
}

func (k *club) has(account string) bool {
	return slices.ContainsFunc(k.members, func(m gen.Member) bool { return m.Number == account })
}

func (k *club) add(account string) {
	k.members = append(k.members, gen.Member{
		Number: account, ID: strings.Repeat("0", 23) + account, DisplayName: "Account " + account, Roles: []string{"@all"},
		Username: gen.Null[string](), Avatar: gen.Null[string](), JoinedAt: gen.Time{Time: time.Now()},
	})
}

func ok(message string) gen.SystemMeta {
	return gen.SystemMeta{Success: true, Message: message, DevMessage: message}
}

func (b *backend) ListMyServers(ctx context.Context, _ stub.ListMyServersRequestObject) (stub.ListMyServersResponseObject, error) {
	mine := []gen.Server{}
	for _, id := range b.order {
		if k := b.clubs[id]; k != nil && k.has(caller(ctx)) {
			mine = append(mine, k.Server)
		}
	}
	return stub.ListMyServers200JSONResponse{Meta: ok("My servers"), Body: mine}, nil
}

func (b *backend) CreateServer(ctx context.Context, r stub.CreateServerRequestObject) (stub.CreateServerResponseObject, error) {
	id := contract.NewID()
	settings := gen.ServerSettings{Joining: gen.JoiningInvite, TimeZone: "UTC", Language: "en", Domains: []string{}}
	k := &club{settings: settings, visits: map[string]gen.Visit{}, Server: gen.Server{
		ID: id, RepeatedID: id, Owner: gen.ServerOwner{Number: caller(ctx)},
		Roles: []string{contract.NewID()}, Categories: []string{}, Leaderboards: []string{}, LanguageSettings: []string{},
	}}
	if err := b.take(ctx, r.Body, k); err != nil {
		return nil, err
	}
	k.add(caller(ctx))
	k.answer.Meta = ok("Server has been created successfully")
	k.answer.Body = gen.CreatedServer{ID: id, RepeatedID: id, Name: k.Name, Image: k.Image, Owner: k.Owner}
	if key, request := contract.IdempotencyFrom(ctx); key != "" {
		key, k.request = caller(ctx)+" "+key, request
		if first := b.made[key]; first != nil && bytes.Equal(first.request, request) {
			return stub.CreateServer201JSONResponse{Body: first.answer, Headers: stub.CreateServer201ResponseHeaders{IdempotentReplayed: new("true")}}, nil
		} else if first != nil {
			return nil, contract.Conflict("This was sent before with other content", "the Idempotency-Key belongs to another request")
		}
		b.made[key] = k
	}
	b.clubs[id], b.order = k, append(b.order, id)
	return stub.CreateServer201JSONResponse{Body: k.answer}, nil
}

func (b *backend) GetServer(_ context.Context, r stub.GetServerRequestObject) (stub.GetServerResponseObject, error) {
	return stub.GetServer200JSONResponse{Meta: ok("Server"), Body: b.clubs[r.ServerID].Server}, nil
}

func (b *backend) UpdateServer(ctx context.Context, r stub.UpdateServerRequestObject) (stub.UpdateServerResponseObject, error) {
	k := b.clubs[r.ServerID]
	err := b.take(ctx, r.Body, k)
	return stub.UpdateServer200JSONResponse{Meta: ok("Server has been updated successfully"), Body: k.Server}, err
}

func (b *backend) DeleteServer(_ context.Context, r stub.DeleteServerRequestObject) (stub.DeleteServerResponseObject, error) {
	delete(b.clubs, r.ServerID)
	return stub.DeleteServer200JSONResponse{Meta: ok("Server has been deleted successfully"), Body: gen.Nothing{}}, nil
}

func (b *backend) GetServerSettings(_ context.Context, r stub.GetServerSettingsRequestObject) (stub.GetServerSettingsResponseObject, error) {
	return stub.GetServerSettings200JSONResponse{Meta: ok("Server settings"), Body: b.clubs[r.ServerID].settings}, nil
}

func (b *backend) UpdateServerSettings(_ context.Context, r stub.UpdateServerSettingsRequestObject) (stub.UpdateServerSettingsResponseObject, error) {
	s, in := &b.clubs[r.ServerID].settings, r.Body
	set(&s.Joining, in.Joining)
	set(&s.TimeZone, in.TimeZone)
	set(&s.Language, in.Language)
	set(&s.Domains, in.Domains)
	if !in.AppURL.IsZero() {
		s.AppURL = in.AppURL
	}
	return stub.UpdateServerSettings200JSONResponse{Meta: ok("Server settings have been updated successfully"), Body: *s}, nil
}

// set changes what was given and leaves the rest.
func set[T any](value, given *T) {
	if given != nil {
		*value = *given
	}
}

func (b *backend) JoinServer(ctx context.Context, r stub.JoinServerRequestObject) (stub.JoinServerResponseObject, error) {
	k := b.clubs[r.ServerID]
	if k.has(caller(ctx)) {
		return nil, contract.Conflict("You are a member already", "the caller has joined this server before")
	} else if k.settings.Joining != gen.JoiningOpen {
		return nil, contract.NotFound("server")
	}
	k.add(caller(ctx))
	return stub.JoinServer200JSONResponse{Meta: ok("Server has been joined successfully"), Body: k.Server}, nil
}

func (b *backend) LeaveServer(ctx context.Context, r stub.LeaveServerRequestObject) (stub.LeaveServerResponseObject, error) {
	k := b.clubs[r.ServerID]
	if k.Owner.Number == caller(ctx) {
		return nil, contract.Conflict("The owner cannot leave", "the caller owns this server")
	}
	k.members = slices.DeleteFunc(k.members, func(m gen.Member) bool { return m.Number == caller(ctx) })
	return stub.LeaveServer200JSONResponse{Meta: ok("Server has been left successfully"), Body: gen.Nothing{}}, nil
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

// cursor is that of the page that begins with the member of a number.
func cursor(member int) string { return fmt.Sprintf("member%06d", member) }

// ListMembers has numbered pages of the first 10,000 members, and cursors for all of them.
func (b *backend) ListMembers(_ context.Context, r stub.ListMembersRequestObject) (stub.ListMembersResponseObject, error) {
	all, page, limit := b.clubs[r.ServerID].members, int(*r.Params.Page), int(*r.Params.Limit)
	first := (page - 1) * limit
	if given := r.Params.Cursor; given != nil {
		if _, err := fmt.Sscanf(*given, "member%06d", &first); err != nil || *given != cursor(first) {
			return nil, contract.Invalid(contract.Field("query/cursor", gen.FieldCodeMalformed, "must be the nextCursor of a page"))
		} else if page != 1 {
			return nil, contract.Invalid(contract.Field("query/page", gen.FieldCodeNotAllowed, "must be left out where there is a cursor"))
		}
	} else if page*limit > 10_000 {
		return nil, contract.Invalid(contract.Field("query/page", gen.FieldCodeTooLarge, "reaches too far: go on by cursor"))
	}
	meta := gen.SystemPageMeta{Success: true, Message: "Members", DevMessage: "Members", Page: *r.Params.Page, Limit: *r.Params.Limit, Total: int64(len(all))}
	next := min(first+limit, len(all))
	if next < len(all) {
		meta.NextCursor = cursor(next)
	}
	return stub.ListMembers200JSONResponse{Meta: meta, Body: all[min(first, next):next]}, nil
}

func (b *backend) ListServerRoles(_ context.Context, r stub.ListServerRolesRequestObject) (stub.ListServerRolesResponseObject, error) {
	k, made := b.clubs[r.ServerID], b.clubs[r.ServerID].members[0].JoinedAt
	all := gen.Role{ID: k.Roles[0], Title: "@all", Order: 10000, Class: "gray", ServerID: k.ID, CreatedAt: made, UpdatedAt: made}
	return stub.ListServerRoles200JSONResponse{Meta: ok("Server roles"), Body: []gen.Role{all}}, nil
}

func (b *backend) ListServerChannels(context.Context, stub.ListServerChannelsRequestObject) (stub.ListServerChannelsResponseObject, error) {
	return stub.ListServerChannels200JSONResponse{Meta: ok("Server channels"), Body: []gen.Channel{}}, nil
}

func (b *backend) GetImage(_ context.Context, r stub.GetImageRequestObject) (stub.GetImageResponseObject, error) {
	for _, k := range b.clubs {
		if url, _ := k.Image.Get(); strings.HasSuffix(url, "/"+r.ImageID) {
			tag, forEver := new(`"`+r.ImageID+`"`), new("public, max-age=3600, must-revalidate")
			if r.Params.IfNoneMatch != nil && *r.Params.IfNoneMatch == *tag {
				return stub.GetImage304Response{Headers: stub.GetImage304ResponseHeaders{ETag: tag, CacheControl: forEver}}, nil
			}
			return stub.GetImage200ImageResponse{
				Body: bytes.NewReader(k.image), ContentLength: int64(len(k.image)), ContentType: http.DetectContentType(k.image),
				Headers: stub.GetImage200ResponseHeaders{ETag: tag, CacheControl: forEver},
			}, nil
		}
	}
	return nil, contract.NotFound("image")
}
