package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// channels are the operations of the tag channels: where the members of a server talk.
type channels struct{ *core }

func (h channels) ListChannels(ctx context.Context, r stub.ListChannelsRequestObject) (stub.ListChannelsResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.seen(ctx, s)
	if err != nil {
		return nil, err
	}
	return stub.ListChannels200JSONResponse{Meta: system("Channels"), Body: found}, nil
}

func (h channels) CreateChannel(ctx context.Context, r stub.CreateChannelRequestObject) (stub.CreateChannelResponseObject, error) {
	run := h.store.SharedTx
	if len(r.Body.Permissions)+len(r.Body.Members) > 0 {
		run = h.store.Tx // who is admitted may lose what they are admitted for meanwhile
	}
	body, again, err := onceIn(ctx, h.core, run, claimOf(ctx), func(tx *store.Tx) (body gen.ChannelResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		if err := mayDirect(s.actor, r.Body.ChannelType); err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		channel := gen.Channel{
			ID: h.newID(), ServerID: s.ID, UserID: store.Number(s.actor.account), Topic: r.Body.Topic, ChannelType: r.Body.ChannelType,
			Description: r.Body.Description, Permissions: []string{}, CreatedAt: now, UpdatedAt: now,
		}
		secret, err := h.embeds(&channel, r.Body.IframeURL, &r.Body.SignIdentity)
		if err != nil {
			return body, err
		}
		if err := tx.Channels.Insert(ctx, channel, s.actor.account, s.actor.key != nil); err != nil {
			return body, err
		}
		if secret != nil {
			if err := tx.Channels.SetSigningSecret(ctx, channel.ID, *secret); err != nil {
				return body, err
			}
		}
		if err := admit(ctx, tx, &channel, r.Body.Permissions, r.Body.Members); err != nil {
			return body, err
		}
		body = gen.ChannelResponse{Meta: system("Channel has been created successfully"), Body: saved(channel, secret)}
		return body, record(ctx, h.core, tx, s.ID, channel.ID, nil, recorded(channel))
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateChannel200JSONResponse{Body: body, Headers: stub.CreateChannel200ResponseHeaders(again)}, nil
}

func (h channels) UpdateChannel(ctx context.Context, r stub.UpdateChannelRequestObject) (stub.UpdateChannelResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateChannel200JSONResponse, err error) {
		before, err := h.manageable(ctx, tx, r.ChannelID)
		if err != nil {
			return answer, err
		}
		if err := mayDirect(actorFrom(ctx), r.Body.ChannelType); err != nil {
			return answer, err
		}
		channel := before
		channel.Topic, channel.ChannelType, channel.UpdatedAt = r.Body.Topic, r.Body.ChannelType, shownAfter(before.UpdatedAt, h.now())
		if r.Body.Description != nil {
			channel.Description = *r.Body.Description
		}
		secret, err := h.embeds(&channel, valueOf(r.Body.IframeURL), r.Body.SignIdentity)
		if err != nil {
			return answer, err
		}
		if err := tx.Channels.Update(ctx, channel); err != nil {
			return answer, err
		}
		if secret != nil {
			if err := tx.Channels.SetSigningSecret(ctx, channel.ID, *secret); err != nil {
				return answer, err
			}
		}
		if err := admit(ctx, tx, &channel, valueOf(r.Body.Permissions), valueOf(r.Body.Members)); err != nil {
			return answer, err
		}
		answer = stub.UpdateChannel200JSONResponse{Meta: system("Channel has been updated successfully"), Body: saved(channel, secret)}
		return answer, record(ctx, h.core, tx, channel.ServerID, channel.ID, recorded(before), recorded(channel))
	})
}

// shownAfter is now, or the first moment that is shown as a later one than that: of a direct channel, the trail tells of a change by
// nothing else.
func shownAfter(before gen.Time, now time.Time) gen.Time {
	if earliest := before.Truncate(time.Millisecond).Add(time.Millisecond); now.Before(earliest) {
		now = earliest
	}
	return gen.Time{Time: now}
}

func (h channels) DeleteChannel(ctx context.Context, r stub.DeleteChannelRequestObject) (stub.DeleteChannelResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteChannel200JSONResponse, err error) {
		channel, err := h.manageable(ctx, tx, r.ChannelID)
		if err != nil {
			return answer, err
		}
		if err := tx.Channels.Delete(ctx, channel.ID); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, channelRemoval{ChannelID: channel.ID}); err != nil {
			return answer, err
		}
		answer.Meta = system("Channel has been deleted successfully")
		return answer, record(ctx, h.core, tx, channel.ServerID, channel.ID, recorded(channel), nil)
	})
}

func (h channels) ListIntegrationChannels(ctx context.Context, _ stub.ListIntegrationChannelsRequestObject) (stub.ListIntegrationChannelsResponseObject, error) {
	s, err := requireOfKey(ctx, h.store.Queries)
	if err != nil {
		return nil, err
	}
	found, err := h.seen(ctx, s)
	if err != nil {
		return nil, err
	}
	data := make([]gen.IntegrationChannel, len(found))
	for i, c := range found {
		data[i] = gen.IntegrationChannel{ID: c.ID, Topic: c.Topic, ChannelType: c.ChannelType, Description: c.Description}
	}
	return stub.ListIntegrationChannels200JSONResponse{Status: integration, Data: data}, nil
}

// seen are the channels of a server that the caller sees.
func (k *core) seen(ctx context.Context, s standing) ([]gen.Channel, error) {
	viewer, err := s.viewer(ctx, k.store.Queries)
	if err != nil {
		return nil, err
	}
	return k.store.Channels.List(ctx, s.ID, viewer)
}

// manageable finds a channel that the caller sees and may change.
func (h channels) manageable(ctx context.Context, tx *store.Tx, id string) (channel gen.Channel, err error) {
	s, channel, err := channelSeen(ctx, tx.Queries, id, "channel")
	if err == nil {
		err = s.check(ctx, tx.Queries)
	}
	return channel, err
}

// channelSeen finds a channel that the caller sees, and how the caller stands in its server. To others, what is in it does not
// exist. A user API key that is for some channels changes nothing in others. What they may do there is still to be checked.
func channelSeen(ctx context.Context, q store.Queries, id, what string) (s standing, channel gen.Channel, err error) {
	serverID, err := q.Channels.GetServerID(ctx, id)
	if err == nil {
		if s, err = enter(ctx, q, serverID, what); err != nil {
			return s, channel, err
		}
		channel, err = s.sees(ctx, q, id)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound(what)
	}
	if err == nil {
		err = s.actor.showsChannel(ctx, q, channel.ID, what)
	}
	if err == nil && contract.OperationFrom(ctx).Method != http.MethodGet && !s.actor.mayActIn(channel.ID) {
		err = contract.PermissionDenied("the user API key is not for this channel")
	}
	return s, channel, err
}

// sees is a channel that a caller, or who is named by one, sees; ErrNotFound without one.
func (s *standing) sees(ctx context.Context, q store.Queries, id string) (gen.Channel, error) {
	viewer, err := s.viewer(ctx, q)
	if err != nil {
		return gen.Channel{}, err
	}
	return q.Channels.Get(ctx, id, viewer)
}

// recorded is what the audit trail shows of a channel. Of a direct one, which not even the owner sees, it tells only that it
// is there.
func recorded(c gen.Channel) *gen.Channel {
	if c.ChannelType == gen.ChannelTypeDirect {
		c.Topic, c.Description = "", ""
	}
	return &c
}

// mayDirect keeps a program, which is no member, from making a channel that it could not see afterwards.
func mayDirect(who actor, kind gen.ChannelType) error {
	if who.key != nil && kind == gen.ChannelTypeDirect {
		return contract.Invalid(contract.Field("/channelType", gen.FieldCodeNotAllowed, "must not be direct: an API key is no member"))
	}
	return nil
}

// admit sets whom a channel admits, as far as the request says so.
func admit(ctx context.Context, tx *store.Tx, channel *gen.Channel, roleIDs, numbers []string) error {
	outside := func(err error, pointer, message string) error {
		var foreign *store.ForeignError
		if errors.As(err, &foreign) {
			return contract.Invalid(contract.Field(fmt.Sprintf("%s/%d", pointer, foreign.Index), gen.FieldCodeNotAllowed, message))
		}
		return err
	}
	if roleIDs != nil {
		if err := tx.Channels.AdmitRoles(ctx, channel.ID, channel.ServerID, roleIDs); err != nil {
			return outside(err, "/permissions", "must be a role of the server")
		}
		channel.Permissions = roleIDs
	}
	if numbers != nil {
		if err := tx.Channels.AdmitMembers(ctx, channel.ID, channel.ServerID, accountsOf(numbers)); err != nil {
			return outside(err, "/members", "must be a member of the server")
		}
	}
	return nil
}

// accountsOf reads the numbers of accounts.
func accountsOf(numbers []string) []int64 {
	accounts := make([]int64, len(numbers))
	for i, number := range numbers {
		accounts[i] = accountOf(number)
	}
	return accounts
}
