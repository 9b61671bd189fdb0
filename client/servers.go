package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract. A field ID is the `_id` of the wire, V its `__v`, which is always 0.
type (
	// Server is a community. The methods take its ID. Its Image is an address or null; see
	// [ServersService.Image]. Its fields are listed at [gen.Server].
	Server = gen.Server
	// CreatedServer is a server as the answer to its creation shows it, which is less than a [Server]. Its fields are
	// listed at [gen.CreatedServer].
	CreatedServer = gen.CreatedServer
	// ServerOwner is who owns a server: the Number is that of an account.
	ServerOwner = gen.ServerOwner
	// ServerSettings are how a server is run. Its fields are listed at [gen.ServerSettings].
	ServerSettings = gen.ServerSettings
	// ServerSettingsUpdate is what changes in the settings of a server; what is nil stays as it is. At least one part is
	// needed: ServerSettingsUpdate{Joining: new(client.JoiningOpen)}. Null[string]() as AppURL takes it away. Its fields are listed at
	// [gen.ServerSettingsUpdate].
	ServerSettingsUpdate = gen.ServerSettingsUpdate
	// Visit is a member's visit to a server.
	Visit = gen.Visit
	// Member is an account as the members of a server see it. The methods take its Number. Its fields are listed at [gen.Member].
	Member = gen.Member
)

// ServerCreate is what a server is made from.
type ServerCreate struct {
	// Name has 1 to 100 characters.
	Name string

	// Image is a PNG, JPEG, GIF or WebP of at most 5 MiB, or nil for none. It is read as it is sent, from where it is, and
	// not closed. If it is an [io.Seeker], it is set back there before the call is tried again; otherwise the call is tried
	// again only as long as nothing was read. It is no longer in use when the call returns, unless a Read blocks: that
	// one cannot be interrupted.
	Image io.Reader
}

// ServerUpdate is what changes in a server; what is nil stays as it is. At least one part is needed.
type ServerUpdate struct {
	// Name has 1 to 100 characters: Name: new("Chess club").
	Name *string

	// Image is as in [ServerCreate].
	Image io.Reader
}

// Image is the content of an image, to be read as it arrives and then closed. Reading ends with an error if the
// context of the call ends, or after 32 MiB.
type Image struct {
	io.ReadCloser

	// ContentType is the media type, such as "image/png".
	ContentType string

	// Size is the number of bytes, or -1 if the API does not say.
	Size int64
}

// ServersService has the operations on servers, which are communities. It is a field of [Client].
//
// A server that does not exist and one of which the caller
// is not a member are both [ErrNotFound]. An id that cannot be one is [ErrInvalidRequest].
type ServersService struct {
	api *gen.Client
}

// List returns the servers that the caller is a member of, oldest first.
//
// For every account.
func (s *ServersService) List(ctx context.Context) ([]Server, error) {
	return list[Server](s.api.ListMyServers(ctx))
}

// Create makes a server, of which the caller becomes the owner and the first member. It fails with [ErrInvalidRequest]
// if the name is not as it must be or the image is not of an accepted kind, with [ErrPayloadTooLarge] if the image is
// too large, and with the error of in.Image if that cannot be read.
//
// For every account.
func (s *ServersService) Create(ctx context.Context, in ServerCreate, opts ...CreateOption) (*CreatedServer, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	f := newForm()
	f.text("name", in.Name)
	f.file("image", in.Image)
	return upload[CreatedServer](f, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return making.note(s.api.CreateServerWithBody(ctx, nil, contentType, body, append(edits, making.edits...)...))
	})
}

// Get returns a server.
//
// For members.
func (s *ServersService) Get(ctx context.Context, id string) (*Server, error) {
	return one[Server](with(ctx, id, s.api.GetServer))
}

// Update changes a server and returns it as it is then. A new image has a new address, and the old one ends. It fails
// as Create does.
//
// For the owner and members with server_administrator.
func (s *ServersService) Update(ctx context.Context, id string, in ServerUpdate) (*Server, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	f := newForm()
	if in.Name != nil {
		f.text("name", *in.Name)
	}
	f.file("image", in.Image)
	return upload[Server](f, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return s.api.UpdateServerWithBody(ctx, id, contentType, body, edits...)
	})
}

// Delete removes a server and everything in it, for good.
//
// For the owner.
func (s *ServersService) Delete(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.DeleteServer))
}

// Settings returns the settings of a server.
//
// For the owner and members with server_administrator.
func (s *ServersService) Settings(ctx context.Context, id string) (*ServerSettings, error) {
	return one[ServerSettings](with(ctx, id, s.api.GetServerSettings))
}

// UpdateSettings changes settings of a server and returns all of them as they are then. It fails with [ErrInvalidRequest] if
// a part of the input is not as it must be.
//
// For the owner and members with server_administrator.
func (s *ServersService) UpdateSettings(ctx context.Context, id string, in ServerSettingsUpdate) (*ServerSettings, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[ServerSettings](s.api.UpdateServerSettings(ctx, id, full(in)))
}

// A JoinOption says more about one call of [ServersService.Join].
type JoinOption func(*gen.ServerJoin)

// WithInvite joins with the code of an [Invite].
func WithInvite(code string) JoinOption { return func(in *gen.ServerJoin) { in.Invite = code } }

// Join makes the caller a member of a server. Whoever knows its id may join it if it is [JoiningOpen]; otherwise it is
// [ErrNotFound] without an invite of it, and [ErrPermissionDenied] with one that has ended, or if it is [JoiningClosed]. It
// fails with [ErrConflict] if the caller is a member already.
//
//	server, err := c.Servers.Join(ctx, id, client.WithInvite(code))
//
// For every account.
func (s *ServersService) Join(ctx context.Context, id string, opts ...JoinOption) (*Server, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	var in gen.ServerJoin
	for _, opt := range opts {
		opt(&in)
	}
	return one[Server](s.api.JoinServer(ctx, id, in))
}

// Leave ends the caller's membership and takes the roles given with it. It fails with [ErrConflict] for the owner, who
// cannot leave.
//
// For members.
func (s *ServersService) Leave(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.LeaveServer))
}

// Visit records that the caller was here today, in UTC, and returns on how many days that was so. Calling it again on
// the same day changes nothing; Counted is false then.
//
// For members.
func (s *ServersService) Visit(ctx context.Context, id string) (*Visit, error) {
	return one[Visit](with(ctx, id, s.api.VisitServer))
}

// Members returns an iterator over the members of a server, those who joined first first. It asks for 100 at a time,
// when the loop gets to them, and for no more once the loop is left. An error comes once, with a zero [Member], and
// ends the loop. Ranging again begins again. Whoever is a member all the while comes once.
//
// For members.
func (s *ServersService) Members(ctx context.Context, id string) iter.Seq2[Member, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]Member], error) {
		if err := checkID(id); err != nil {
			return nil, err
		}
		return answer[[]Member](s.api.ListMembers(ctx, id, &gen.ListMembersParams{Cursor: cursor, Limit: &size}))
	})
}

// Roles returns the roles of a server, the highest first, which is the one with the lowest Order.
//
// For members.
func (s *ServersService) Roles(ctx context.Context, id string) ([]Role, error) {
	return list[Role](with(ctx, id, s.api.ListServerRoles))
}

// Channels returns the channels of a server that the caller may see, oldest first.
//
// For members.
func (s *ServersService) Channels(ctx context.Context, id string) ([]Channel, error) {
	return list[Channel](with(ctx, id, s.api.ListServerChannels))
}

// Image opens an image, given the address that a [Server] shows, or only the id at the end of it. It is asked of this
// client's API in either case: no address makes it call another host. The caller closes the [Image]. It fails with
// [ErrNotFound] if there is no such image, or no longer.
//
// A server may have none; then the address is null:
//
//	if address, ok := server.Image.Get(); ok {
//		image, err := c.Servers.Image(ctx, address)
//		...
//	}
//
// For everybody, without a credential.
func (s *ServersService) Image(ctx context.Context, address string) (*Image, error) {
	id := address[strings.LastIndexByte(address, '/')+1:]
	if err := checkID(id); err != nil {
		return nil, err
	}
	return image(s.api.GetImage(ctx, id, nil))
}

// image is where a response becomes an image or an error.
func image(res *http.Response, err error) (*Image, error) {
	if err != nil {
		return nil, err
	}
	contentType := res.Header.Get("Content-Type")
	switch {
	case res.StatusCode != http.StatusOK:
		err = newError(res)
	case !strings.HasPrefix(contentType, "image/"):
		err = unusable(res, errors.New("it is not an image"))
	default:
		return &Image{ReadCloser: capped(res.Body), ContentType: contentType, Size: res.ContentLength}, nil
	}
	res.Body.Close()
	return nil, err
}
