package server

import (
	"container/heap"
	"context"
	"errors"
	"slices"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// messages are the operations of the tag messages: what members say in channels.
type messages struct{ *core }

func (h messages) ListMessages(ctx context.Context, r stub.ListMessagesRequestObject) (stub.ListMessagesResponseObject, error) {
	asked, err := h.asked(ctx, r.Params)
	if err != nil {
		return nil, err
	}
	found, total, err := h.find(ctx, asked)
	if err != nil {
		return nil, err
	}
	data := gen.MessagePage{Total: total, Messages: []gen.Message{}}
	if len(found) > asked.count {
		found = found[:asked.count]
		data.NextCursor = page{operation: contract.OperationFrom(ctx).ID}.cursorTo(found[asked.count-1].Place())
	}
	for _, m := range found {
		data.Messages = append(data.Messages, h.shown(ctx, asked.standing, m))
	}
	return stub.ListMessages200JSONResponse{Status: integration, Message: "messages fetched successfully", Data: data}, nil
}

func (h messages) GetMessage(ctx context.Context, r stub.GetMessageRequestObject) (stub.GetMessageResponseObject, error) {
	s, m, err := h.seen(ctx, h.store.Queries, r.MessageID)
	if err == nil {
		err = s.check(ctx, h.store.Queries)
	}
	if err != nil {
		return nil, err
	}
	return stub.GetMessage200JSONResponse{Status: integration, Message: "message fetched successfully", Data: h.shown(ctx, s, m)}, nil
}

func (h messages) SendMessage(ctx context.Context, r stub.SendMessageRequestObject) (stub.SendMessageResponseObject, error) {
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.MessageSentResponse, err error) {
		return h.send(ctx, tx, *r.Body)
	})
	if err != nil {
		return nil, err
	}
	return stub.SendMessage200JSONResponse{Body: body, Headers: stub.SendMessage200ResponseHeaders(again)}, nil
}

// send is the step that posts a message in a channel.
func (h messages) send(ctx context.Context, tx *store.Tx, in gen.MessageCreate) (body gen.MessageSentResponse, err error) {
	s, channel, err := channelSeen(ctx, tx.Queries, in.ChannelID, "channel")
	if err != nil {
		return body, err
	}
	m := store.Message{Message: gen.Message{Message: in.Message}}
	if in.ForumTopicID != "" {
		m.ForumTopicID = gen.NullableOf(in.ForumTopicID)
	}
	if err := checkTopic(ctx, tx.Queries, channel, m); err != nil {
		return body, err
	}
	return h.post(ctx, tx, s, channel, said{in.Sender, m, in.Images}, "Message send successfully")
}

func (h messages) ReplyMessage(ctx context.Context, r stub.ReplyMessageRequestObject) (stub.ReplyMessageResponseObject, error) {
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.MessageSentResponse, err error) {
		s, channel, to, err := h.around(ctx, tx.Queries, r.Body.MessageID)
		if err != nil {
			return body, err
		}
		m := gen.Message{Message: r.Body.Message, ReplyTo: gen.NullableOf(to.ID), ForumTopicID: to.ForumTopicID}
		return h.post(ctx, tx, s, channel, said{r.Body.Sender, store.Message{Message: m}, r.Body.Images}, "Message reply successfully")
	})
	if err != nil {
		return nil, err
	}
	return stub.ReplyMessage200JSONResponse{Body: body, Headers: stub.ReplyMessage200ResponseHeaders(again)}, nil
}

func (h messages) UpdateMessage(ctx context.Context, r stub.UpdateMessageRequestObject) (stub.UpdateMessageResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateMessage200JSONResponse, err error) {
		s, m, err := h.seen(ctx, tx.Queries, r.MessageID)
		if err == nil && m.Account != s.actor.account {
			err = contract.PermissionDenied("only its author edits a message")
		}
		if err == nil {
			err = s.check(ctx, tx.Queries)
		}
		if err == nil {
			err = s.mayPost(ctx, tx.Queries, r.Body.Message, 0)
		}
		if err != nil {
			return answer, err
		}
		if m.Message.Message != r.Body.Message {
			now := h.now()
			m.Message.Message, m.EditedAt = r.Body.Message, gen.NullableOf(gen.Time{Time: now})
			if err := tx.Messages.Update(ctx, m, words.Of(r.Body.Message), now); err != nil {
				return answer, err
			}
			if err := h.messageUpdated(ctx, tx, m); err != nil {
				return answer, err
			}
		}
		return stub.UpdateMessage200JSONResponse{Status: integration, Message: "Message updated successfully", Data: h.shown(ctx, s, m)}, nil
	})
}

func (h messages) DeleteMessage(ctx context.Context, r stub.DeleteMessageRequestObject) (stub.DeleteMessageResponseObject, error) {
	gone, err := inSharedTx(ctx, h.core, func(tx *store.Tx) (m store.Message, err error) {
		if err := tx.Messages.Hold(ctx, r.MessageID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return m, err
		}
		s, m, err := h.seen(ctx, tx.Queries, r.MessageID)
		own := m.Account == s.actor.account
		if err == nil && !own {
			err = s.check(ctx, tx.Queries)
		}
		if err != nil {
			return m, err
		}
		if err := tx.Messages.Delete(ctx, m, h.now()); err != nil {
			return m, err
		}
		if err := h.undone(ctx, tx, deedOf(m), m.Timestamp); err != nil {
			return m, err
		}
		if err := h.messageDeleted(ctx, tx, m); err != nil {
			return m, err
		}
		if !own {
			if err := record(ctx, h.core, tx, s.ID, m.ID, &gen.UserReference{UserID: store.Number(m.Account)}, nil); err != nil {
				return m, err
			}
		}
		return m, tx.Jobs.Insert(ctx, reactionRemoval{Message: m.Position})
	})
	if err != nil {
		return nil, err
	}
	for _, image := range gone.Images {
		h.images.Remove(ctx, image.ID)
	}
	return stub.DeleteMessage200JSONResponse{Status: integration, Message: "Message deleted successfully"}, nil
}

func (h messages) ReactMessage(ctx context.Context, r stub.ReactMessageRequestObject) (stub.ReactMessageResponseObject, error) {
	emoji, is := words.Emoji(r.Body.Emoji)
	if r.Body.Emoji[0] == ':' {
		emoji = r.Body.Emoji
	} else if !is {
		return nil, contract.Invalid(contract.Field("/emoji", gen.FieldCodeWrongFormat, "must be one emoji, or its name between colons"))
	}
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.ReactMessage200JSONResponse, err error) {
		s, channel, m, err := h.around(ctx, tx.Queries, r.Body.MessageID)
		if err != nil {
			return answer, err
		}
		who, err := s.speaker(ctx, tx.Queries, channel, r.Body.Sender)
		if err != nil {
			return answer, err
		}
		answer = stub.ReactMessage200JSONResponse{Status: integration, Message: "Reaction added successfully"}
		added, err := tx.Messages.React(ctx, m, emoji, who.actor.account, h.now())
		if err != nil || !added {
			return answer, err
		}
		_, err = h.acted(ctx, tx, deed{s.ID, who.actor.account, gen.ActionReactions, m.ID}) // whatever it is, and how often
		if err == nil {
			err = h.messageUpdated(ctx, tx, m)
		}
		return answer, err
	})
}

func (h messages) DeleteReaction(ctx context.Context, r stub.DeleteReactionRequestObject) (stub.DeleteReactionResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteReaction200JSONResponse, err error) {
		s, m, err := h.seen(ctx, tx.Queries, r.MessageID)
		if err == nil {
			err = s.check(ctx, tx.Queries)
		}
		if err != nil {
			return answer, err
		}
		answer = stub.DeleteReaction200JSONResponse{Status: integration, Message: "Reaction removed successfully"}
		all := []string{r.Emoji}
		if emoji, is := words.Emoji(r.Emoji); is && emoji != r.Emoji { // what is from before is kept as it was written
			all = append(all, emoji)
		}
		for _, emoji := range all {
			gone, err := tx.Messages.Unreact(ctx, m, emoji, s.actor.account)
			if err == nil && gone {
				err = h.messageUpdated(ctx, tx, m)
			}
			if err != nil {
				return answer, err
			}
		}
		return answer, nil
	})
}

func (h messages) PinMessage(ctx context.Context, r stub.PinMessageRequestObject) (stub.PinMessageResponseObject, error) {
	return stub.PinMessage200JSONResponse{Status: integration, Message: "Message pinned successfully"}, h.pin(ctx, r.MessageID, true)
}

func (h messages) UnpinMessage(ctx context.Context, r stub.UnpinMessageRequestObject) (stub.UnpinMessageResponseObject, error) {
	return stub.UnpinMessage200JSONResponse{Status: integration, Message: "Message unpinned successfully"}, h.pin(ctx, r.MessageID, false)
}

func (h messages) pin(ctx context.Context, id string, pinned bool) error {
	_, err := inTx(ctx, h.core, func(tx *store.Tx) (none struct{}, err error) {
		s, m, err := h.seen(ctx, tx.Queries, id)
		if err == nil {
			err = s.check(ctx, tx.Queries)
		}
		if err != nil {
			return none, err
		}
		if err := tx.Messages.Pin(ctx, m.ID, pinned); err != nil {
			return none, err
		}
		return none, h.messageUpdated(ctx, tx, m)
	})
	return err
}

// said is what somebody says: who, unless it is the caller, what, and with which images.
type said struct {
	sender  string
	message store.Message
	images  []string
}

// post is the step that adds a message to a channel which the caller sees, for whoever says it.
func (h messages) post(ctx context.Context, tx *store.Tx, s standing, channel gen.Channel, what said, done string) (body gen.MessageSentResponse, err error) {
	m := what.message
	if m.Message.Message == "" && len(what.images) == 0 {
		return body, contract.Invalid(contract.Field("/message", gen.FieldCodeRequired, "is required where there are no images"))
	}
	who, err := s.speaker(ctx, tx.Queries, channel, what.sender)
	if err == nil {
		err = who.mayPost(ctx, tx.Queries, m.Message.Message, len(what.images))
	}
	if err != nil {
		return body, err
	}
	m.ID, m.Timestamp = h.newID(), gen.Time{Time: h.now()}
	m.ServerID, m.Channel.ChannelID, m.Account, m.ByKey = s.ID, channel.ID, who.actor.account, nullIfEmpty(s.actor.keyID())
	if err := tx.Messages.Insert(ctx, &m, words.Of(m.Message.Message)); err != nil {
		return body, err
	}
	if err := h.takeImages(ctx, tx, m, what.images); err != nil {
		return body, err
	}
	rules, err := tx.Gamification.Get(ctx, s.ID)
	if err == nil {
		_, err = h.actedUnder(ctx, tx, rules, deedOf(m))
	}
	if err == nil {
		err = h.messageMoved(ctx, tx, rules, gen.WebhookEventTypeMessagePosted, m)
	}
	return gen.MessageSentResponse{Status: integration, Message: done, Data: gen.SentMessage{MessageID: m.ID}}, err
}

// speaker is who says something in a channel that the caller sees, and may do the operation of the request there: the caller,
// or whom an API key names, who must see the channel, too.
func (s *standing) speaker(ctx context.Context, q store.Queries, channel gen.Channel, sender string) (standing, error) {
	who, err := s.named(ctx, q, channel, sender)
	if err == nil {
		err = who.check(ctx, q)
	}
	return who, err
}

// named is speaker for whom may not do the operation, too.
func (s *standing) named(ctx context.Context, q store.Queries, channel gen.Channel, sender string) (standing, error) {
	who := *s
	switch {
	case s.actor.key == nil && sender != "":
		itself, err := s.namesItself(ctx, q, sender)
		if err == nil && !itself {
			err = contract.PermissionDenied("an account may only name itself as the sender")
		}
		if err != nil {
			return who, err
		}
	case s.actor.key != nil && sender == "":
		return who, contract.Invalid(contract.Field("/sender", gen.FieldCodeRequired, "is required: an API key is nobody"))
	case s.actor.key != nil:
		named, err := memberNamed(ctx, q, s.ID, sender)
		if err != nil {
			return who, err
		}
		who = s.as(named.AccountNumber)
		if _, err := who.sees(ctx, q, channel.ID); errors.Is(err, store.ErrNotFound) {
			return who, contract.PermissionDenied("the sender does not see the channel")
		} else if err != nil {
			return who, err
		}
	}
	return who, nil
}

// mayPost refuses what the roles of who says it do not allow to be said.
func (s *standing) mayPost(ctx context.Context, q store.Queries, text string, images int) error {
	err := s.learn(ctx, q)
	if lacks := s.may.LacksFor(text, images); err == nil && lacks != "" {
		err = contract.PermissionDenied("what is said needs the role permission " + lacks)
	}
	return err
}

// around finds a message in a channel that the caller sees. What they may do there is still to be checked.
func (h messages) around(ctx context.Context, q store.Queries, id string) (s standing, channel gen.Channel, m store.Message, err error) {
	m, err = q.Messages.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("message")
	}
	if err == nil {
		s, channel, err = channelSeen(ctx, q, m.Channel.ChannelID, "message")
	}
	return s, channel, m, err
}

func (h messages) seen(ctx context.Context, q store.Queries, id string) (standing, store.Message, error) {
	s, _, m, err := h.around(ctx, q, id)
	return s, m, err
}

// shown is a message as it is shown to somebody.
func (h messages) shown(ctx context.Context, s standing, m store.Message) gen.Message {
	shown := m.Message
	if !s.seesEmailOf(m.Account) {
		shown.User.Email = gen.Null[string]()
	}
	if !s.seesKeyOf(m.Account) {
		shown.ByKey = gen.Null[string]()
	}
	shown.User.Avatar = h.imageURL(ctx, shown.User.Avatar)
	shown.Images = slices.Clone(shown.Images)
	for i := range shown.Images {
		shown.Images[i].URL = h.origin(ctx) + shown.Images[i].URL
	}
	return shown
}

// seesKeyOf tells whether the caller may know which API key has sent a message of an account: that is for programs, for the author, whose words
// it gave out as theirs, and for who may moderate. The roles of a caller that were not read allow nothing.
func (s standing) seesKeyOf(account int64) bool {
	moderates := s.may.Allows(perm.DeleteMessages) || s.may.Allows(perm.ManageMessages)
	return s.actor.key != nil || s.actor.account == account || moderates
}

// seesEmailOf tells whether the caller may know the e-mail address of an account, and when it signed in: that is for programs that
// read the data of users, and for oneself.
func (s standing) seesEmailOf(account int64) bool {
	if s.actor.key != nil {
		return slices.Contains(s.actor.key.Permissions, gen.KeyPermissionGetUserData)
	}
	return s.actor.account == account
}

// A question is which messages somebody asks for.
type question struct {
	standing
	viewer store.Viewer
	scope  store.MessageScope // without a channel: all channels
	before int64              // a position
	count  int
	search bool
	words  []string
}

// asked reads which messages the request asks for.
func (h messages) asked(ctx context.Context, p gen.ListMessagesParams) (a question, err error) {
	q := h.store.Queries
	channelID, topicID, search := valueOf(p.ChannelID), valueOf(p.ForumTopicID), valueOf(p.Search)
	pass := actorFrom(ctx).widget
	if pass != nil && channelID == "" {
		channelID, _ = pass.widget.ChannelID.Get()
	}
	if channelID == "" {
		if a.standing, err = resolve(ctx, q, valueOf(p.ServerID)); err == nil && pass != nil {
			err = contract.Invalid(contract.Field("query/channel_id", gen.FieldCodeRequired, "is required by a widget token that is for no channel"))
		}
	} else if a.standing, _, err = channelSeen(ctx, q, channelID, "channel"); err == nil {
		if p.ServerID != nil && *p.ServerID != a.ID {
			return a, contract.NotFound("channel")
		}
		err = a.check(ctx, q)
	}
	if err != nil {
		return a, err
	}
	if a.viewer, err = a.standing.viewer(ctx, q); err != nil {
		return a, err
	}
	a.count, a.scope.ChannelID = int(*p.Count), channelID // the validator has filled in its default
	if a.scope.Account, err = a.author(ctx, q, p); err != nil {
		return a, err
	}
	if a.before, err = h.before(ctx, a, p); err != nil {
		return a, err
	}
	a.search, a.words, a.scope.TopicID = search != "", words.Of(search), topicID
	if channelID == "" && (a.search || topicID != "") {
		return a, contract.Invalid(contract.Field("query/channel_id", gen.FieldCodeRequired, "is required for a search, and with a topic"))
	}
	if topicID != "" {
		if _, err = q.Messages.GetTopic(ctx, channelID, topicID); errors.Is(err, store.ErrNotFound) {
			err = contract.NotFound("topic")
		}
	}
	return a, err
}

// author is whose messages are asked for; 0: everybody's.
func (s standing) author(ctx context.Context, q store.Queries, p gen.ListMessagesParams) (account int64, err error) {
	var name string
	switch {
	case p.UserID != nil && p.Email != nil:
		return 0, contract.Invalid(contract.Field("query/email", gen.FieldCodeNotAllowed, "must be left out where there is a user_id"))
	case p.UserID != nil:
		name = store.Number(*p.UserID)
	case p.Email != nil:
		name = *p.Email
	}
	switch {
	case s.actor.userKey != nil && name != "":
		itself, err := s.namesItself(ctx, q, name)
		if err == nil && !itself {
			err = contract.PermissionDenied("a user API key reads the messages of its own account only")
		}
		return s.actor.account, err
	case s.actor.userKey != nil:
		return s.actor.account, nil
	case name == "":
		return 0, nil
	}
	author, err := memberNamed(ctx, q, s.ID, name)
	if err == nil && p.Email != nil && !s.seesEmailOf(author.AccountNumber) {
		err = contract.NotFound("user")
	}
	return author.AccountNumber, err
}

// before is the position before which messages are asked for.
func (h messages) before(ctx context.Context, a question, p gen.ListMessagesParams) (int64, error) {
	switch {
	case p.Before != nil && p.Cursor != nil:
		return 0, contract.Invalid(contract.Field("query/before", gen.FieldCodeNotAllowed, "must be left out where there is a cursor"))
	case p.Cursor != nil:
		place, err := page{operation: contract.OperationFrom(ctx).ID}.positionOf(*p.Cursor)
		if err != nil {
			return 0, notACursor("query/")
		}
		position, err := store.PositionOf(*place)
		if err != nil {
			return 0, notACursor("query/")
		}
		return position, nil
	case p.Before != nil:
		s, m, err := h.seen(ctx, h.store.Queries, *p.Before)
		if err == nil && s.ID != a.ID {
			err = contract.NotFound("message")
		}
		return m.Position, err
	}
	return store.Newest, nil
}

// mostFound is how far what a search finds is counted. The contract says so.
const mostFound = 1000

// find returns the messages that are asked for, one more than that if there are more, and how many there are in all.
func (h messages) find(ctx context.Context, a question) (found []store.Message, total int64, err error) {
	q := h.store.Messages
	switch {
	case a.search && len(a.words) == 0:
	case a.search:
		if found, err = q.Search(ctx, a.scope, a.words, a.before, a.count+1); err == nil {
			total, err = q.CountFound(ctx, a.scope, a.words, mostFound)
		}
	case a.scope.ChannelID != "":
		if found, err = q.List(ctx, a.scope, store.Oldest, a.before, a.count+1); err == nil {
			total, err = q.Count(ctx, a.scope)
		}
	default:
		if found, err = h.newest(ctx, a); err == nil {
			total, err = q.CountSeen(ctx, a.ID, a.viewer, a.scope.Account)
		}
	}
	return found, max(total, 0), err
}

// readAhead is how many messages of a channel are read at once where those of several are merged.
const readAhead = 20

// newest merges the messages of all channels that the caller sees. However many channels there are, it reads those that have
// the newest messages, and a few messages of each more than it needs.
func (h messages) newest(ctx context.Context, a question) (found []store.Message, err error) {
	heads, err := h.store.Messages.ListHeads(ctx, a.ID, a.viewer, a.scope.Account, a.before)
	if err != nil {
		return nil, err
	}
	return newestFirst(heads, a.before, a.count+1, func(channel string, before int64) ([]store.Message, error) {
		return h.store.Messages.List(ctx, store.MessageScope{ChannelID: channel, Account: a.scope.Account}, store.Oldest, before, readAhead)
	}, func(m store.Message) int64 { return m.Position })
}

// newestFirst merges what there is before a position in channels that have any, the newest first, and so many of it at most. read returns the
// newest in a channel before a position.
func newestFirst[T any](heads []store.Head, before int64, most int, read func(channel string, before int64) ([]T, error), position func(T) int64) (found []T, err error) {
	var lanes lanes[T]
	for _, head := range heads {
		lanes = append(lanes, &lane[T]{channel: head.ChannelID, newest: head.Position, before: before})
	}
	heap.Init(&lanes)
	for len(found) < most && len(lanes) > 0 {
		first := lanes[0]
		if len(first.read) == 0 {
			if first.read, err = read(first.channel, first.before); err != nil {
				return nil, err
			}
			if len(first.read) == 0 {
				heap.Pop(&lanes)
				continue
			}
			first.newest = position(first.read[0])
			heap.Fix(&lanes, 0) // what was its newest may be gone
			continue
		}
		found = append(found, first.read[0])
		first.before, first.read = position(first.read[0]), first.read[1:]
		first.newest = first.before - 1 // at most, as long as it is not read
		if len(first.read) > 0 {
			first.newest = position(first.read[0])
		}
		heap.Fix(&lanes, 0)
	}
	return found, nil
}

// A lane is what there is in a channel, as far as it was read.
type lane[T any] struct {
	channel string
	newest  int64 // nothing is behind it
	before  int64 // where to go on
	read    []T
}

// lanes are a heap, that with the newest first.
type lanes[T any] []*lane[T]

func (l lanes[T]) Len() int           { return len(l) }
func (l lanes[T]) Less(i, j int) bool { return l[i].newest > l[j].newest }
func (l lanes[T]) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lanes[T]) Push(x any)        { *l = append(*l, x.(*lane[T])) }
func (l *lanes[T]) Pop() any {
	last := len(*l) - 1
	popped := (*l)[last]
	*l = (*l)[:last]
	return popped
}
