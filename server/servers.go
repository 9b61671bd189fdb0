package server

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"time"

	"github.com/oapi-codegen/runtime/types"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// servers are the operations of the tag servers: communities, their members and images.
type servers struct{ *core }

func (h servers) ListMyServers(ctx context.Context, _ stub.ListMyServersRequestObject) (stub.ListMyServersResponseObject, error) {
	found, err := h.store.Servers.ListOf(ctx, actorFrom(ctx).account)
	if err != nil {
		return nil, err
	}
	body := make([]gen.Server, len(found))
	for i, server := range found {
		body[i] = h.shown(ctx, server)
	}
	return stub.ListMyServers200JSONResponse{Meta: done("My servers"), Body: body}, nil
}

func (h servers) CreateServer(ctx context.Context, r stub.CreateServerRequestObject) (stub.CreateServerResponseObject, error) {
	who := actorFrom(ctx)
	form, imageID, err := h.readServerForm(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	id, name, now := h.newID(), *form.Text("name"), h.now()
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.CreatedServerResponse, err error) {
		if err := tx.Servers.Insert(ctx, id, name, imageID, who.account, now); err != nil {
			return body, err
		}
		if err := tx.Servers.InsertMember(ctx, id, who.account, now); err != nil {
			return body, err
		}
		if err := tx.Roles.Insert(ctx, everyone(h.newID(), id, now)); err != nil {
			return body, err
		}
		body.Meta = done("Server has been created successfully")
		body.Body = gen.CreatedServer{ID: id, RepeatedID: id, Name: name, Image: h.imageURL(ctx, imageID), Owner: gen.ServerOwner{Number: store.Number(who.account)}}
		return body, h.record(ctx, tx, id, gen.AuditActionServerCreate, id, nil, body.Body)
	})
	if err != nil {
		return nil, h.giveUp(ctx, imageID, err)
	}
	if again.IdempotentReplayed != nil {
		h.images.Remove(ctx, imageID) // the first answer shows its own
	}
	return stub.CreateServer201JSONResponse{Body: body, Headers: stub.CreateServer201ResponseHeaders(again)}, nil
}

func (h servers) GetServer(ctx context.Context, r stub.GetServerRequestObject) (stub.GetServerResponseObject, error) {
	s, err := h.seen(ctx, r.ServerID)
	if err != nil {
		return nil, err
	}
	return stub.GetServer200JSONResponse{Meta: done("Server"), Body: h.shown(ctx, s.Server)}, nil
}

func (h servers) UpdateServer(ctx context.Context, r stub.UpdateServerRequestObject) (stub.UpdateServerResponseObject, error) {
	who := actorFrom(ctx)
	// Asked here too, so that nobody who may not can make the server take in a file.
	if _, err := require(ctx, h.store.Queries, who, r.ServerID, "server", asAdministrator); err != nil {
		return nil, err
	}
	form, imageID, err := h.readServerForm(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	var server store.Server
	var unused string
	err = h.store.Tx(ctx, func(tx *store.Tx) error {
		unused = ""
		s, err := require(ctx, tx.Queries, who, r.ServerID, "server", asAdministrator)
		if err != nil {
			return err
		}
		server = s.Server
		before := h.shown(ctx, server)
		if name := form.Text("name"); name != nil {
			server.Name = *name
		}
		if imageID != "" {
			unused, server.ImageID = server.ImageID, imageID
		}
		if err := tx.Servers.Update(ctx, server.ID, server.Name, server.ImageID); err != nil {
			return err
		}
		return h.record(ctx, tx, server.ID, gen.AuditActionServerUpdate, server.ID, before, h.shown(ctx, server))
	})
	if err != nil {
		return nil, h.giveUp(ctx, imageID, err)
	}
	h.images.Remove(ctx, unused)
	return stub.UpdateServer200JSONResponse{Meta: done("Server has been updated successfully"), Body: h.shown(ctx, server)}, nil
}

func (h servers) DeleteServer(ctx context.Context, r stub.DeleteServerRequestObject) (stub.DeleteServerResponseObject, error) {
	who := actorFrom(ctx)
	var server store.Server
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		s, err := require(ctx, tx.Queries, who, r.ServerID, "server", asOwner)
		if err != nil {
			return err
		}
		server = s.Server
		if err := tx.Servers.Delete(ctx, server.ID); err != nil {
			return err
		}
		if err := tx.Jobs.Insert(ctx, removal{ServerID: server.ID}); err != nil {
			return err
		}
		return h.record(ctx, tx, server.ID, gen.AuditActionServerDelete, server.ID, h.shown(ctx, server), nil)
	})
	if err != nil {
		return nil, err
	}
	h.images.Remove(ctx, server.ImageID)
	return stub.DeleteServer200JSONResponse{Meta: done("Server has been deleted successfully"), Body: gen.Nothing{}}, nil
}

func (h servers) JoinServer(ctx context.Context, r stub.JoinServerRequestObject) (stub.JoinServerResponseObject, error) {
	who := actorFrom(ctx)
	var server store.Server
	err := h.store.Tx(ctx, func(tx *store.Tx) (err error) {
		if server, err = tx.Servers.Get(ctx, r.ServerID); err != nil {
			if errors.Is(err, store.ErrNotFound) {
				return contract.NotFound("server")
			}
			return err
		}
		err = tx.Servers.InsertMember(ctx, server.ID, who.account, h.now())
		if errors.Is(err, store.ErrDuplicate) {
			return contract.Conflict("You are a member already", "the caller has joined this server before")
		}
		if err != nil {
			return err
		}
		return h.record(ctx, tx, server.ID, gen.AuditActionMemberJoin, store.Number(who.account), nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return stub.JoinServer200JSONResponse{Meta: done("Server has been joined successfully"), Body: h.shown(ctx, server)}, nil
}

func (h servers) LeaveServer(ctx context.Context, r stub.LeaveServerRequestObject) (stub.LeaveServerResponseObject, error) {
	who := actorFrom(ctx)
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		s, err := require(ctx, tx.Queries, who, r.ServerID, "server", asMember)
		if err != nil {
			return err
		}
		if asOwner.meets(s) {
			return contract.Conflict("The owner cannot leave", "the caller owns this server; delete it instead")
		}
		if err := tx.Servers.DeleteMember(ctx, s.ID, who.account); err != nil {
			return err
		}
		return h.record(ctx, tx, s.ID, gen.AuditActionMemberLeave, store.Number(who.account), nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return stub.LeaveServer200JSONResponse{Meta: done("Server has been left successfully"), Body: gen.Nothing{}}, nil
}

func (h servers) VisitServer(ctx context.Context, r stub.VisitServerRequestObject) (stub.VisitServerResponseObject, error) {
	who := actorFrom(ctx)
	today := h.now().UTC()
	visit := gen.Visit{Day: types.Date{Time: today}}
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		s, err := require(ctx, tx.Queries, who, r.ServerID, "server", asMember)
		if err != nil {
			return err
		}
		if visit.Counted, err = tx.Servers.InsertVisit(ctx, s.ID, who.account, today.Format(time.DateOnly)); err != nil {
			return err
		}
		visit.Visits, err = tx.Servers.CountVisits(ctx, s.ID, who.account)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stub.VisitServer200JSONResponse{Meta: done("Server has been visited successfully"), Body: visit}, nil
}

func (h servers) ListMembers(ctx context.Context, r stub.ListMembersRequestObject) (stub.ListMembersResponseObject, error) {
	s, err := h.seen(ctx, r.ServerID)
	if err != nil {
		return nil, err
	}
	page := pageOf(r.Params.Page, r.Params.Limit)
	members, err := h.store.Servers.ListMembers(ctx, s.ID, int(page.limit), page.skip())
	if err != nil {
		return nil, err
	}
	total, err := h.store.Servers.CountMembers(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListMembers200JSONResponse{Meta: page.listed("Members", total), Body: members}, nil
}

func (h servers) ListServerRoles(ctx context.Context, r stub.ListServerRolesRequestObject) (stub.ListServerRolesResponseObject, error) {
	s, err := h.seen(ctx, r.ServerID)
	if err != nil {
		return nil, err
	}
	roles, err := h.store.Roles.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListServerRoles200JSONResponse{Meta: done("Server roles"), Body: roles}, nil
}

func (h servers) ListServerChannels(ctx context.Context, r stub.ListServerChannelsRequestObject) (stub.ListServerChannelsResponseObject, error) {
	s, err := require(ctx, h.store.Queries, actorFrom(ctx), r.ServerID, "server", asViewer)
	if err != nil {
		return nil, err
	}
	channels, err := h.store.Channels.List(ctx, s.ID, s.viewer())
	if err != nil {
		return nil, err
	}
	return stub.ListServerChannels200JSONResponse{Meta: done("Server channels"), Body: channels}, nil
}

func (h servers) GetImage(ctx context.Context, r stub.GetImageRequestObject) (stub.GetImageResponseObject, error) {
	// The bytes under an id never change, so the id is the tag.
	tag, forEver := `"`+r.ImageID+`"`, "public, max-age=31536000, immutable"
	image, err := h.images.Get(r.ImageID)
	if err != nil {
		return nil, err
	}
	if matchesTag(r.Params.IfNoneMatch, tag) {
		headers := stub.GetImage304ResponseHeaders{ETag: &tag, CacheControl: &forEver}
		return stub.GetImage304Response{Headers: headers}, image.Close()
	}
	return stub.GetImage200ImageResponse{
		Body: image, ContentType: image.Type, ContentLength: image.Size,
		Headers: stub.GetImage200ResponseHeaders{ETag: &tag, CacheControl: &forEver},
	}, nil
}

// matchesTag compares an If-None-Match header (RFC 9110, section 13.1.2) with the tag of what is there.
func matchesTag(header *string, tag string) bool {
	if header == nil {
		return false
	}
	for given := range strings.SplitSeq(*header, ",") {
		given = strings.TrimPrefix(strings.TrimSpace(given), "W/")
		if given == tag || given == "*" {
			return true
		}
	}
	return false
}

// giveUp removes an image that was stored for what then was refused. Any other failure leaves it: a file that nothing shows
// does less harm than a server whose image is gone, where only the answer to a commit was lost.
func (h servers) giveUp(ctx context.Context, imageID string, failure error) error {
	refused, full := (*contract.Error)(nil), (*store.LimitError)(nil)
	if errors.As(failure, &refused) || errors.As(failure, &full) {
		h.images.Remove(ctx, imageID)
	}
	return failure
}

// readServerForm reads the parts that make or change a server. The image, if there was one, is stored already; it is
// removed again if the rest of the form is not valid.
func (h servers) readServerForm(ctx context.Context, body *multipart.Reader) (form contract.Form, imageID string, err error) {
	form, err = contract.ReadForm(ctx, body, func(_, _ string, content io.Reader) (err error) {
		imageID, err = h.images.Put(content)
		return err
	})
	if err != nil {
		h.images.Remove(ctx, imageID)
	}
	return form, imageID, err
}

// seen is a server as the caller, a member, stands in it.
func (h servers) seen(ctx context.Context, id string) (standing, error) {
	return require(ctx, h.store.Queries, actorFrom(ctx), id, "server", asMember)
}

// shown is a server as the wire shows it.
func (h servers) shown(ctx context.Context, server store.Server) gen.Server {
	server.Image = h.imageURL(ctx, server.ImageID)
	return server.Server
}

// imageURL is the absolute address of an image, null if there is none.
func (k *core) imageURL(ctx context.Context, imageID string) gen.Nullable[string] {
	if imageID == "" {
		return gen.Null[string]()
	}
	return gen.NullableOf(k.origin(ctx) + "/images/" + imageID)
}

// everyone is the role that every member of a server has, the lowest there is.
func everyone(id, serverID string, at time.Time) store.Role {
	return store.Role{Everyone: true, Role: gen.Role{
		ID: id, ServerID: serverID, Title: "@all", Description: "Every member", Class: "gray", Order: 10000,
		ServerPermissions: gen.ServerPermissions{AllowDm: true, CreateInvite: true},
		ChannelPermissions: gen.ChannelPermissions{
			ViewMessageHistory: true, PostMessages: true, AllowMentions: true, AttachFiles: true, ShareLinks: true, ShareAttachments: true,
		},
		CreatedAt: gen.Time{Time: at}, UpdatedAt: gen.Time{Time: at},
	}}
}
