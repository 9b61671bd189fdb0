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
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/streak"
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
		body[i] = *h.shown(ctx, server)
	}
	return stub.ListMyServers200JSONResponse{Meta: system("My servers"), Body: body}, nil
}

func (h servers) CreateServer(ctx context.Context, r stub.CreateServerRequestObject) (stub.CreateServerResponseObject, error) {
	form, up, err := h.readServerForm(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	who, name := actorFrom(ctx), *form.Text("name")
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.CreatedServerResponse, err error) {
		id, now := h.newID(), h.now()
		if err := h.show(ctx, tx, up); err != nil {
			return body, err
		}
		if err := tx.Servers.Insert(ctx, id, name, up.id, who.account, now); err != nil {
			return body, err
		}
		if err := tx.Servers.InsertMember(ctx, id, who.account, now); err != nil {
			return body, err
		}
		if err := h.memberJoined(ctx, tx, id, who.account); err != nil {
			return body, err
		}
		if err := tx.Roles.Insert(ctx, everyone(h.newID(), id, now)); err != nil {
			return body, err
		}
		if err := tx.Statuses.InsertFirst(ctx, id, now, h.newID); err != nil {
			return body, err
		}
		body.Meta = system("Server has been created successfully")
		body.Body = gen.CreatedServer{ID: id, RepeatedID: id, Name: name, Image: store.ImagePath(up.id), Owner: gen.ServerOwner{Number: store.Number(who.account)}}
		return body, record(ctx, h.core, tx, id, id, nil, &body.Body)
	})
	if err != nil {
		return nil, h.giveUp(ctx, up, err)
	}
	if again.IdempotentReplayed != nil {
		h.images.Remove(ctx, up.id) // the first answer shows its own
	}
	body.Body.Image = h.imageURL(ctx, body.Body.Image)
	return stub.CreateServer201JSONResponse{Body: body, Headers: stub.CreateServer201ResponseHeaders(again)}, nil
}

func (h servers) GetServer(ctx context.Context, r stub.GetServerRequestObject) (stub.GetServerResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	return stub.GetServer200JSONResponse{Meta: system("Server"), Body: *h.shown(ctx, s.Server)}, nil
}

func (h servers) UpdateServer(ctx context.Context, r stub.UpdateServerRequestObject) (stub.UpdateServerResponseObject, error) {
	// Asked here too, so that nobody who may not can make the server take in a file.
	if _, err := require(ctx, h.store.Queries, r.ServerID, "server"); err != nil {
		return nil, err
	}
	form, up, err := h.readServerForm(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	type change struct{ before, after store.Server }
	changed, err := inTx(ctx, h.core, func(tx *store.Tx) (c change, err error) {
		s, err := require(ctx, tx.Queries, r.ServerID, "server")
		if err != nil {
			return c, err
		}
		c = change{s.Server, s.Server}
		if name := form.Text("name"); name != nil {
			c.after.Name = *name
		}
		if up.id != "" {
			c.after.ImageID, c.after.Image = up.id, store.ImagePath(up.id)
			if err := tx.Images.Leave(ctx, c.before.ImageID, h.now()); err != nil { // first: it makes room
				return c, err
			}
			if err := h.show(ctx, tx, up); err != nil {
				return c, err
			}
		}
		if err := tx.Servers.Update(ctx, s.ID, c.after.Name, c.after.ImageID); err != nil {
			return c, err
		}
		return c, record(ctx, h.core, tx, s.ID, s.ID, &c.before.Server, &c.after.Server)
	})
	if err != nil {
		return nil, h.giveUp(ctx, up, err)
	}
	if changed.before.ImageID != changed.after.ImageID {
		h.images.Remove(ctx, changed.before.ImageID)
	}
	return stub.UpdateServer200JSONResponse{Meta: system("Server has been updated successfully"), Body: *h.shown(ctx, changed.after)}, nil
}

func (h servers) DeleteServer(ctx context.Context, r stub.DeleteServerRequestObject) (stub.DeleteServerResponseObject, error) {
	gone, err := inTx(ctx, h.core, func(tx *store.Tx) (gone store.Server, err error) {
		s, err := require(ctx, tx.Queries, r.ServerID, "server")
		if err != nil {
			return gone, err
		}
		if err := tx.Servers.Delete(ctx, s.ID); err != nil {
			return gone, err
		}
		if err := tx.Images.Leave(ctx, s.ImageID, h.now()); err != nil {
			return gone, err
		}
		if err := tx.Jobs.Insert(ctx, serverRemoval{ServerID: s.ID}); err != nil {
			return gone, err
		}
		if err := tx.Audit.InsertDeletion(ctx, store.Deletion{ServerID: s.ID, Account: s.actor.account, At: h.now()}); err != nil {
			return gone, err
		}
		return s.Server, record(ctx, h.core, tx, s.ID, s.ID, &s.Server.Server, nil)
	})
	if err != nil {
		return nil, err
	}
	h.images.Remove(ctx, gone.ImageID)
	return stub.DeleteServer200JSONResponse{Meta: system("Server has been deleted successfully")}, nil
}

func (h servers) GetServerSettings(ctx context.Context, r stub.GetServerSettingsRequestObject) (stub.GetServerSettingsResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	settings, err := h.store.Servers.GetSettings(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.GetServerSettings200JSONResponse{Meta: system("Server settings"), Body: settings}, nil
}

func (h servers) UpdateServerSettings(ctx context.Context, r stub.UpdateServerSettingsRequestObject) (stub.UpdateServerSettingsResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateServerSettings200JSONResponse, err error) {
		s, err := require(ctx, tx.Queries, r.ServerID, "server")
		if err != nil {
			return answer, err
		}
		before, err := tx.Servers.GetSettings(ctx, s.ID)
		if err != nil {
			return answer, err
		}
		after := changed(before, *r.Body)
		if after.RequireTwoFactor && !before.RequireTwoFactor { // nobody must be able to shut the owner out, nor the owner themselves
			if !s.owns() {
				return answer, contract.PermissionDenied("only the owner of the server makes it require two-factor")
			}
			if err := requireTwoFactor(ctx, tx.Queries, s.actor.account); err != nil {
				return answer, err
			}
		}
		if err := tx.Servers.UpdateSettings(ctx, s.ID, after); err != nil {
			return answer, err
		}
		answer = stub.UpdateServerSettings200JSONResponse{Meta: system("Server settings have been updated successfully"), Body: after}
		return answer, record(ctx, h.core, tx, s.ID, s.ID, &before, &after)
	})
}

// changed are settings after a change.
func changed(settings gen.ServerSettings, by gen.ServerSettingsUpdate) gen.ServerSettings {
	set(&settings.Joining, by.Joining)
	set(&settings.TimeZone, by.TimeZone)
	set(&settings.Language, by.Language)
	set(&settings.Domains, by.Domains)
	set(&settings.RequireTwoFactor, by.RequireTwoFactor)
	if !by.AppURL.IsZero() {
		settings.AppURL = by.AppURL
	}
	return settings
}

func (h servers) JoinServer(ctx context.Context, r stub.JoinServerRequestObject) (stub.JoinServerResponseObject, error) {
	who, code := actorFrom(ctx), ""
	if r.Body != nil {
		code = r.Body.Invite
	}
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.JoinServer200JSONResponse, err error) {
		server, err := tx.Servers.Get(ctx, r.ServerID)
		if errors.Is(err, store.ErrNotFound) {
			err = noWayIn()
		}
		if err != nil {
			return answer, err
		}
		already := contract.Conflict("You are a member already", "the caller has joined this server before")
		if is, err := tx.Servers.IsMember(ctx, server.ID, who.account); err != nil {
			return answer, err
		} else if is {
			return answer, already
		}
		invite, err := h.enterBy(ctx, tx, server, code)
		if err != nil {
			return answer, err
		}
		err = tx.Servers.InsertMember(ctx, server.ID, who.account, h.now())
		if errors.Is(err, store.ErrDuplicate) { // meanwhile
			err = already
		}
		if err != nil {
			return answer, err
		}
		// Who was deleted is let in again by being restored, and by nothing else. Asked last: from here on nobody else makes them a
		// member and deletes them. Without an invite, they have seen nothing so far.
		if is, err := tx.Users.IsFormer(ctx, server.ID, who.account); err != nil {
			return answer, err
		} else if is {
			return answer, contract.PermissionDenied("the community has deleted the caller, and has not restored them")
		}
		if err := h.memberJoined(ctx, tx, server.ID, who.account); err != nil {
			return answer, err
		}
		answer = stub.JoinServer200JSONResponse{Meta: system("Server has been joined successfully"), Body: *h.shown(ctx, server)}
		if invite == nil {
			return answer, record[gen.InviteCreate](ctx, h.core, tx, server.ID, store.Number(who.account), nil, nil)
		}
		if role, gives := invite.RoleID.Get(); gives {
			if gives, err = tx.Invites.GiveRole(ctx, *invite, who.account); err == nil && gives {
				_, err = tx.Roles.InsertOf(ctx, server.ID, who.account, role)
			}
			if err != nil {
				return answer, err
			}
		}
		return answer, record(ctx, h.core, tx, server.ID, store.Number(who.account), nil, madeFrom(*invite))
	})
}

func (h servers) LeaveServer(ctx context.Context, r stub.LeaveServerRequestObject) (stub.LeaveServerResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.LeaveServer200JSONResponse, err error) {
		s, err := require(ctx, tx.Queries, r.ServerID, "server")
		if err != nil {
			return answer, err
		}
		if s.owns() {
			return answer, contract.Conflict("The owner cannot leave", "the caller owns this server; delete it instead")
		}
		if err := h.memberLeaves(ctx, tx, s.ID, s.actor.account); err != nil {
			return answer, err
		}
		if err := tx.Servers.DeleteMember(ctx, s.ID, s.actor.account); err != nil {
			return answer, err
		}
		if err := tx.Fields.DeleteOf(ctx, s.ID, s.actor.account); err != nil { // whom nobody finds any more keeps no value from others
			return answer, err
		}
		if err := h.applicationsEnd(ctx, tx, s.ID, s.actor.account); err != nil {
			return answer, err
		}
		if err := tx.Invites.EndOf(ctx, s.ID, s.actor.account, h.now()); err != nil {
			return answer, err
		}
		answer.Meta = system("Server has been left successfully")
		return answer, record[gen.Server](ctx, h.core, tx, s.ID, store.Number(s.actor.account), nil, nil)
	})
}

func (h servers) VisitServer(ctx context.Context, r stub.VisitServerRequestObject) (stub.VisitServerResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.VisitServer200JSONResponse, err error) {
		s, err := require(ctx, tx.Queries, r.ServerID, "server")
		if err != nil {
			return answer, err
		}
		day, err := h.today(ctx, tx.Queries, s.ID)
		if err != nil {
			return answer, err
		}
		today := types.Date{Time: streak.Day(day).UTC()}
		answer = stub.VisitServer200JSONResponse{Meta: system("Server has been visited successfully"), Body: gen.Visit{Day: today}}
		if answer.Body.Counted, err = h.acted(ctx, tx, deed{s.ID, s.actor.account, gen.ActionVisits, today.String()}); err != nil {
			return answer, err
		}
		if answer.Body.Counted {
			if err := h.profileSeen(ctx, tx, s.ID, s.actor.account); err != nil {
				return answer, err
			}
		}
		totals, err := tx.Ledger.GetTotals(ctx, s.ID, s.actor.account)
		answer.Body.Visits = totals.Visits
		return answer, err
	})
}

func (h servers) ListMembers(ctx context.Context, r stub.ListMembersRequestObject) (stub.ListMembersResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Servers.ListMembers(ctx, s.ID, page.asked())
	if err != nil {
		return nil, err
	}
	total, err := h.store.Servers.CountMembers(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	meta, members := listed(page, "Members", found, total, func(m gen.Member) store.Position {
		return store.Position{At: m.JoinedAt, ID: m.Number}
	})
	for i := range members {
		members[i].Avatar = h.imageURL(ctx, members[i].Avatar)
	}
	return stub.ListMembers200JSONResponse{Meta: meta, Body: members}, nil
}

func (h servers) ListServerRoles(ctx context.Context, r stub.ListServerRolesRequestObject) (stub.ListServerRolesResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	roles, err := h.store.Roles.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListServerRoles200JSONResponse{Meta: system("Server roles"), Body: roles}, nil
}

func (h servers) ListServerChannels(ctx context.Context, r stub.ListServerChannelsRequestObject) (stub.ListServerChannelsResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	found, err := h.seen(ctx, s)
	if err != nil {
		return nil, err
	}
	return stub.ListServerChannels200JSONResponse{Meta: system("Server channels"), Body: found}, nil
}

// imageCaching is how long whoever has an image may show it without asking. It is what is left of one that has ended.
const imageCaching = "public, max-age=3600, must-revalidate"

func (h servers) GetImage(ctx context.Context, r stub.GetImageRequestObject) (stub.GetImageResponseObject, error) {
	// What no server shows is not there, even while its file is.
	shown, err := h.store.Images.IsShown(ctx, r.ImageID)
	if err == nil && !shown {
		err = images.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	// The bytes under an id never change, so the id is the tag.
	tag, caching := `"`+r.ImageID+`"`, imageCaching
	image, err := h.images.Get(ctx, r.ImageID)
	if err != nil {
		return nil, err
	}
	if matchesTag(r.Params.IfNoneMatch, tag) {
		headers := stub.GetImage304ResponseHeaders{ETag: &tag, CacheControl: &caching}
		return stub.GetImage304Response{Headers: headers}, image.Close()
	}
	return stub.GetImage200ImageResponse{
		Body: image, ContentType: image.Type, ContentLength: image.Size,
		Headers: stub.GetImage200ResponseHeaders{ETag: &tag, CacheControl: &caching},
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

// readServerForm reads the parts that make or change a server. The image, if there was one, is kept already; it is removed
// again if the rest of the form is not valid.
func (h servers) readServerForm(ctx context.Context, body *multipart.Reader) (form contract.Form, up upload, err error) {
	form, err = contract.ReadForm(ctx, body, func(name, _ string, content io.Reader) (err error) {
		up, err = h.receive(ctx, actorFrom(ctx).account, name, content)
		return err
	})
	if err != nil {
		h.images.Remove(ctx, up.id)
	}
	return form, up, err
}

// shown is a server as the wire shows it: the address of its image is in full there, and nowhere else.
func (h servers) shown(ctx context.Context, server store.Server) *gen.Server {
	server.Image = h.imageURL(ctx, server.Image)
	return &server.Server
}

// imageURL is the absolute address of an image, of which the path was kept; null if there is none.
func (k *core) imageURL(ctx context.Context, kept gen.Nullable[string]) gen.Nullable[string] {
	path, ok := kept.Get()
	if !ok {
		return kept
	}
	return gen.NullableOf(k.origin(ctx) + store.PathOfImage(path))
}

// everyone is the role that every member of a server has, the lowest there is.
func everyone(id, serverID string, at time.Time) store.Role {
	return store.Role{Everyone: true, Role: gen.Role{
		ID: id, ServerID: serverID, Title: "@all", Description: "Every member", Class: "gray", Order: perm.Lowest,
		ServerPermissions: gen.ServerPermissions{AllowDM: true, CreateInvite: true},
		ChannelPermissions: gen.ChannelPermissions{
			ViewMessageHistory: true, PostMessages: true, AllowMentions: true, AttachFiles: true, ShareLinks: true, ShareAttachments: true, Pinable: true,
		},
		CreatedAt: gen.Time{Time: at}, UpdatedAt: gen.Time{Time: at},
	}}
}
