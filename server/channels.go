package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// channels are the operations of the tag channels: where the members of a server talk.
type channels struct{ *core }

func (h channels) ListChannels(ctx context.Context, r stub.ListChannelsRequestObject) (stub.ListChannelsResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, actorFrom(ctx), valueOf(r.Params.ServerID), asViewer)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Channels.List(ctx, s.ID, s.viewer())
	if err != nil {
		return nil, err
	}
	return stub.ListChannels200JSONResponse{Meta: done("Channels"), Body: found}, nil
}

func (h channels) CreateChannel(ctx context.Context, r stub.CreateChannelRequestObject) (stub.CreateChannelResponseObject, error) {
	who, now := actorFrom(ctx), gen.Time{Time: h.now()}
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.ChannelResponse, err error) {
		s, err := resolve(ctx, tx.Queries, who, r.Body.ServerID, asChannelsManager)
		if err != nil {
			return body, err
		}
		if err := mayDirect(who, r.Body.ChannelType); err != nil {
			return body, err
		}
		channel := gen.Channel{
			ID: h.newID(), ServerID: s.ID, UserID: store.Number(who.account), Topic: r.Body.Topic, ChannelType: r.Body.ChannelType,
			Description: r.Body.Description, Permissions: []string{}, CreatedAt: now, UpdatedAt: now,
		}
		if err := tx.Channels.Insert(ctx, channel, who.account, who.key != nil); err != nil {
			return body, err
		}
		if err := admit(ctx, tx, &channel, &r.Body.Permissions, &r.Body.Members); err != nil {
			return body, err
		}
		body = gen.ChannelResponse{Meta: done("Channel has been created successfully"), Body: channel}
		return body, h.record(ctx, tx, s.ID, gen.AuditActionChannelCreate, channel.ID, nil, audited(channel))
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateChannel200JSONResponse{Body: body, Headers: stub.CreateChannel200ResponseHeaders(again)}, nil
}

func (h channels) UpdateChannel(ctx context.Context, r stub.UpdateChannelRequestObject) (stub.UpdateChannelResponseObject, error) {
	var channel gen.Channel
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		before, err := h.manageable(ctx, tx, r.ChannelID)
		if err != nil {
			return err
		}
		if err := mayDirect(actorFrom(ctx), r.Body.ChannelType); err != nil {
			return err
		}
		channel = before
		channel.Topic, channel.ChannelType, channel.UpdatedAt = r.Body.Topic, r.Body.ChannelType, gen.Time{Time: h.now()}
		if r.Body.Description != nil {
			channel.Description = *r.Body.Description
		}
		if err := tx.Channels.Update(ctx, channel); err != nil {
			return err
		}
		if err := admit(ctx, tx, &channel, r.Body.Permissions, r.Body.Members); err != nil {
			return err
		}
		return h.record(ctx, tx, channel.ServerID, gen.AuditActionChannelUpdate, channel.ID, audited(before), audited(channel))
	})
	if err != nil {
		return nil, err
	}
	return stub.UpdateChannel200JSONResponse{Meta: done("Channel has been updated successfully"), Body: channel}, nil
}

func (h channels) DeleteChannel(ctx context.Context, r stub.DeleteChannelRequestObject) (stub.DeleteChannelResponseObject, error) {
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		channel, err := h.manageable(ctx, tx, r.ChannelID)
		if err != nil {
			return err
		}
		if err := tx.Channels.Delete(ctx, channel.ID); err != nil {
			return err
		}
		return h.record(ctx, tx, channel.ServerID, gen.AuditActionChannelDelete, channel.ID, audited(channel), nil)
	})
	if err != nil {
		return nil, err
	}
	return stub.DeleteChannel200JSONResponse{Meta: done("Channel has been deleted successfully"), Body: gen.Nothing{}}, nil
}

func (h channels) ListIntegrationChannels(ctx context.Context, _ stub.ListIntegrationChannelsRequestObject) (stub.ListIntegrationChannelsResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, actorFrom(ctx), "", asViewer)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Channels.List(ctx, s.ID, s.viewer())
	if err != nil {
		return nil, err
	}
	data := make([]gen.IntegrationChannel, len(found))
	for i, c := range found {
		data[i] = gen.IntegrationChannel{ID: c.ID, Topic: c.Topic, ChannelType: c.ChannelType, Description: c.Description}
	}
	return stub.ListIntegrationChannels200JSONResponse{Status: "success", Data: data}, nil
}

// manageable finds a channel that the caller sees and may change.
func (h channels) manageable(ctx context.Context, tx *store.Tx, id string) (channel gen.Channel, err error) {
	serverID, err := tx.Channels.GetServerID(ctx, id)
	if err == nil {
		var s standing
		if s, err = require(ctx, tx.Queries, actorFrom(ctx), serverID, "channel", asViewer); err != nil {
			return channel, err
		}
		if channel, err = tx.Channels.Get(ctx, id, s.viewer()); err == nil && !asChannelsManager.meets(s) {
			err = contract.PermissionDenied("this needs " + asChannelsManager.who)
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("channel")
	}
	return channel, err
}

// audited is what the audit trail shows of a channel. Of a direct one, which not even the owner sees, it tells only that it
// is there.
func audited(c gen.Channel) gen.Channel {
	if c.ChannelType == gen.ChannelTypeDirect {
		c.Topic, c.Description = "", ""
	}
	return c
}

// mayDirect keeps a program, which is no member, from making a channel that it could not see afterwards.
func mayDirect(who actor, kind gen.ChannelType) error {
	if who.key != nil && kind == gen.ChannelTypeDirect {
		return contract.Invalid(contract.Field("/channelType", gen.FieldCodeNotAllowed, "must not be direct: an API key is no member"))
	}
	return nil
}

// admit sets whom a channel admits, as far as the request says so.
func admit(ctx context.Context, tx *store.Tx, channel *gen.Channel, roleIDs, numbers *[]string) error {
	outside := func(err error, pointer, message string) error {
		var foreign *store.ForeignError
		if errors.As(err, &foreign) {
			return contract.Invalid(contract.Field(fmt.Sprintf("%s/%d", pointer, foreign.Index), gen.FieldCodeNotAllowed, message))
		}
		return err
	}
	if roleIDs != nil && *roleIDs != nil {
		if err := tx.Channels.AdmitRoles(ctx, channel.ID, channel.ServerID, *roleIDs); err != nil {
			return outside(err, "/permissions", "must be a role of the server")
		}
		channel.Permissions = *roleIDs
	}
	if numbers != nil && *numbers != nil {
		if err := tx.Channels.AdmitMembers(ctx, channel.ID, channel.ServerID, numbersOf(*numbers)); err != nil {
			return outside(err, "/members", "must be a member of the server")
		}
	}
	return nil
}
