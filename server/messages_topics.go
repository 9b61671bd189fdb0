package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func (h messages) ListTopics(ctx context.Context, r stub.ListTopicsRequestObject) (stub.ListTopicsResponseObject, error) {
	s, channel, err := channelSeen(ctx, h.store.Queries, r.ChannelID, "channel")
	if err == nil {
		err = s.check(ctx, h.store.Queries)
	}
	if err != nil {
		return nil, err
	}
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Messages.ListTopics(ctx, channel.ID, page.asked())
	if err != nil {
		return nil, err
	}
	total, err := h.store.Messages.CountTopics(ctx, channel.ID)
	if err != nil {
		return nil, err
	}
	meta, topics := listed(page, "Topics", found, total, func(t store.Topic) store.Position {
		return store.Position{At: t.CreatedAt, ID: t.ID}
	})
	shown := make([]gen.Topic, len(topics))
	for i, t := range topics {
		shown[i] = t.Topic
	}
	return stub.ListTopics200JSONResponse{Meta: meta, Body: shown}, nil
}

func (h messages) CreateTopic(ctx context.Context, r stub.CreateTopicRequestObject) (stub.CreateTopicResponseObject, error) {
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.TopicResponse, err error) {
		s, channel, err := channelSeen(ctx, tx.Queries, r.ChannelID, "channel")
		var who standing
		if err == nil {
			who, err = s.speaker(ctx, tx.Queries, channel, r.Body.Sender)
		}
		if err == nil {
			err = who.mayPost(ctx, tx.Queries, r.Body.Title, 0)
		}
		switch {
		case err != nil:
			return body, err
		case channel.ChannelType != gen.ChannelTypeForum:
			return body, contract.Conflict("This is no forum", "only a channel of the type forum has topics")
		}
		topic := store.Topic{Account: who.actor.account, KeyID: s.actor.keyID(), Topic: gen.Topic{
			ID: h.newID(), Title: r.Body.Title, UserID: store.Number(who.actor.account), ChannelID: channel.ID, CreatedAt: gen.Time{Time: h.now()},
		}}
		body = gen.TopicResponse{Meta: system("Topic has been created successfully"), Body: topic.Topic}
		return body, tx.Messages.InsertTopic(ctx, topic)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateTopic201JSONResponse{Body: body, Headers: stub.CreateTopic201ResponseHeaders(again)}, nil
}

func (h messages) DeleteTopic(ctx context.Context, r stub.DeleteTopicRequestObject) (stub.DeleteTopicResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteTopic200JSONResponse, err error) {
		s, channel, err := channelSeen(ctx, tx.Queries, r.ChannelID, "channel")
		if err != nil {
			return answer, err
		}
		topic, err := tx.Messages.GetTopic(ctx, channel.ID, r.TopicID)
		if errors.Is(err, store.ErrNotFound) {
			err = contract.NotFound("topic")
		}
		own := s.actor.key == nil && !topic.OfKeys && topic.Account == s.actor.account
		if err == nil && !own {
			err = s.check(ctx, tx.Queries)
		}
		if err != nil {
			return answer, err
		}
		if err := tx.Messages.DeleteTopic(ctx, topic.ID); err != nil {
			return answer, err
		}
		if !own {
			if err := record(ctx, h.core, tx, s.ID, topic.ID, &gen.UserReference{UserID: topic.UserID}, nil); err != nil {
				return answer, err
			}
		}
		answer.Meta = system("Topic has been deleted successfully")
		return answer, tx.Jobs.Insert(ctx, channelRemoval{ChannelID: channel.ID, TopicID: topic.ID})
	})
}

// checkTopic refuses a topic of another channel, and a message in a forum that names none.
func checkTopic(ctx context.Context, q store.Queries, channel gen.Channel, m store.Message) error {
	const pointer = "/forumTopicId"
	topic, named := m.ForumTopicID.Get()
	switch forum := channel.ChannelType == gen.ChannelTypeForum; {
	case forum && !named:
		return contract.Invalid(contract.Field(pointer, gen.FieldCodeRequired, "is required in a forum"))
	case !forum && named:
		return contract.Invalid(contract.Field(pointer, gen.FieldCodeNotAllowed, "must be left out: the channel is no forum"))
	case !named:
		return nil
	}
	_, err := q.Messages.GetTopic(ctx, channel.ID, topic)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("topic")
	}
	return err
}
