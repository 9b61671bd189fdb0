package client

import (
	"cmp"
	"context"
	"io"
	"iter"
	"net/http"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Message is what somebody has said in a channel. The methods take its ID. The Email of its User is null for whom it is
	// not for, and so is ByKey, the id of the API key that has sent it in the name of its author. Its fields are listed at [gen.Message].
	Message = gen.Message
	// MessageAuthor is who has sent a message. Its fields are listed at [gen.MessageAuthor].
	MessageAuthor = gen.MessageAuthor
	// MessageReaction is a reaction, and how many have reacted so.
	MessageReaction = gen.MessageReaction
	// MessageImage is an image of a message. Its fields are listed at [gen.MessageImage].
	MessageImage = gen.MessageImage
	// MessagePage is some messages, newest first, and how many there are in all. Its fields are listed at [gen.MessagePage].
	MessagePage = gen.MessagePage
	// SentMessage has the id of a message that was sent.
	SentMessage = gen.SentMessage
	// MessageCreate is what a message is made from: the ChannelID and the text. An API key says in Sender who sends it: the
	// ID, the address, the number or the user name of a member. A message in a forum names its topic. Its fields are
	// listed at [gen.MessageCreate].
	MessageCreate = gen.MessageCreate
	// ReplyCreate is what a reply is made from, as a [MessageCreate]. Its fields are listed at [gen.ReplyCreate].
	ReplyCreate = gen.ReplyCreate
	// ReactionAdd is a reaction to a message: ":name:", or one emoji. Its Sender is as in a [MessageCreate].
	ReactionAdd = gen.ReactionAdd
	// Topic is what messages in a forum are about. Its fields are listed at [gen.Topic].
	Topic = gen.Topic
	// TopicCreate is what a topic is made from: the Title. Its Sender is as in a [MessageCreate].
	TopicCreate = gen.TopicCreate
)

// MessageQuery says which messages are wanted. What is empty does not count. The zero query is for those of all channels
// that the caller sees, in the server of an API key or the only one of an account.
type MessageQuery struct {
	// ServerID is needed where neither the channel nor the caller tells the server.
	ServerID string

	// ChannelID is the channel, and ForumTopicID a topic of it.
	ChannelID, ForumTopicID string

	// UserID is the number of the author, or Email the address, which only finds oneself without an API key with
	// [PermissionGetUserData].
	UserID int64
	Email  string

	// Search is words that the messages have. It needs a ChannelID.
	Search string

	// Before is the id of a message: those before it are wanted. Cursor is the NextCursor of a page.
	Before, Cursor string

	// Count is how many messages a page has, up to 200; 0: 100.
	Count int32
}

// MessagesService has the operations on messages and on the topics of forums. It is a field of [Client].
//
// A message, a channel or a topic that does not exist and one that is not the caller's to see are both [ErrNotFound].
type MessagesService struct {
	api *gen.Client
}

// List returns the messages that a query asks for, newest first, from its Before or its Cursor on. They are fetched as the
// loop gets to them, Count at a time. An error is the last thing that is yielded. Messages that are sent meanwhile do not come.
//
// For the owner and members with view_message_history or server_administrator, and API keys with [PermissionGetMessages].
func (s *MessagesService) List(ctx context.Context, query MessageQuery) iter.Seq2[Message, error] {
	return paged(func(cursor *string, _ int32) (*envelope[[]Message], error) {
		query := query
		if cursor != nil {
			query.Before, query.Cursor = "", *cursor
		}
		page, err := s.Page(ctx, query)
		if err != nil {
			return nil, err
		}
		e := &envelope[[]Message]{Data: &page.Messages}
		e.Meta.NextCursor = optional(page.NextCursor)
		return e, nil
	})
}

// Page returns the first messages that a query asks for, and how many there are in all: of a search, that is counted up to 1,000
// only. Those behind them are asked for with the NextCursor.
//
// For the owner and members with view_message_history or server_administrator, and API keys with
// [PermissionGetMessages], and user API keys with [UserPermissionReadOwnMessages].
func (s *MessagesService) Page(ctx context.Context, query MessageQuery) (*MessagePage, error) {
	params := &gen.ListMessagesParams{
		ServerID: optional(query.ServerID), ChannelID: optional(query.ChannelID), ForumTopicID: optional(query.ForumTopicID),
		Email: optional(query.Email), Search: optional(query.Search), Before: optional(query.Before), Cursor: optional(query.Cursor),
		Count: new(cmp.Or(query.Count, pageSize)),
	}
	if query.UserID != 0 {
		params.UserID = &query.UserID
	}
	return one[MessagePage](s.api.ListMessages(ctx, params))
}

// Get returns a message.
//
// For the owner and members with view_message_history or server_administrator, and API keys with [PermissionGetMessages].
func (s *MessagesService) Get(ctx context.Context, id string) (*Message, error) {
	return one[Message](with(ctx, id, s.api.GetMessage))
}

// Send posts a message in a channel. It fails with [ErrPermissionDenied] if the roles of the sender do not allow it, or what is
// in it: links, mentions or images.
//
// For the owner and members with post_messages or server_administrator, and API keys with [PermissionSendMessage],
// and user API keys with [UserPermissionSendMessages].
func (s *MessagesService) Send(ctx context.Context, in MessageCreate, opts ...CreateOption) (*SentMessage, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[SentMessage](making.note(s.api.SendMessage(ctx, nil, full(in), making.edits...)))
}

// A MessageImageFile is an image to upload: a PNG, JPEG, GIF or WebP of at most 5 MiB. Its Content is read as that of the Image in
// [ServerCreate].
type MessageImageFile struct {
	Name    string
	Content io.Reader
}

// UploadImages keeps 1 to 10 images for messages that are sent afterwards, with the URL of each among their Images. One that no
// message has after 24 hours ends. The server may be "": then it is that of the API key, or the only one of the account. It fails
// as [ServersService.Create] does with an image.
//
// For members, and API keys with [PermissionSendMessage], and user API keys with [UserPermissionSendMessages].
func (s *MessagesService) UploadImages(ctx context.Context, serverID string, files ...MessageImageFile) ([]MessageImage, error) {
	f := newForm()
	for _, file := range files {
		f.fileNamed("images", file.Name, file.Content)
	}
	images, err := uploadFor(f, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		params := &gen.UploadMessageImagesParams{ServerID: optional(serverID)}
		return s.api.UploadMessageImagesWithBody(ctx, params, contentType, body, edits...)
	}, bare[[]MessageImage])
	if err != nil {
		return nil, err
	}
	return *images, nil
}

// Reply posts a message in the channel of another one, as a reply to it.
//
// For the owner and members with post_messages or server_administrator, and API keys with [PermissionReplyMessage],
// and user API keys with [UserPermissionReplyMessages].
func (s *MessagesService) Reply(ctx context.Context, in ReplyCreate, opts ...CreateOption) (*SentMessage, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[SentMessage](making.note(s.api.ReplyMessage(ctx, nil, full(in), making.edits...)))
}

// React adds a reaction to a message. Where there is the same one of the same member already, it changes nothing. It fails with
// [ErrConflict] if the message has 50 different ones.
//
// For the owner and members with view_message_history or server_administrator, and API keys with [PermissionReactMessage],
// and user API keys with [UserPermissionReactMessages].
func (s *MessagesService) React(ctx context.Context, in ReactionAdd) error {
	return done(s.api.ReactMessage(ctx, in))
}

// Unreact takes the caller's own reaction back. Where there is none, it changes nothing.
//
// For the owner and members with view_message_history or server_administrator.
func (s *MessagesService) Unreact(ctx context.Context, id, emoji string) error {
	if err := checkID(id, emoji); err != nil {
		return err
	}
	return done(s.api.DeleteReaction(ctx, id, emoji))
}

// Update replaces the text of a message, and returns it as it is then.
//
// For the author, who needs post_messages.
func (s *MessagesService) Update(ctx context.Context, id, text string) (*Message, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Message](s.api.UpdateMessage(ctx, id, gen.MessageUpdate{Message: text}))
}

// Delete removes a message, for good. Its replies stay.
//
// The author may, too.
//
// For the owner and members with delete_messages or server_administrator.
func (s *MessagesService) Delete(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.DeleteMessage))
}

// Pin marks a message as pinned.
//
// For the owner and members with pinable or server_administrator.
func (s *MessagesService) Pin(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.PinMessage))
}

// Unpin takes that mark away.
//
// For the owner and members with pinable or server_administrator.
func (s *MessagesService) Unpin(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.UnpinMessage))
}

// Topics returns the topics of a forum, newest first. They are fetched as the loop gets to them, as in
// [ServersService.Members].
//
// For the owner and members with view_message_history or server_administrator, and API keys with [PermissionGetMessages].
func (s *MessagesService) Topics(ctx context.Context, channelID string) iter.Seq2[Topic, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]Topic], error) {
		if err := checkID(channelID); err != nil {
			return nil, err
		}
		return answer[[]Topic](s.api.ListTopics(ctx, channelID, &gen.ListTopicsParams{Cursor: cursor, Limit: &size}))
	})
}

// CreateTopic begins a topic in a forum. It fails with [ErrConflict] if the channel is none.
//
// For the owner and members with post_messages or server_administrator, and API keys with [PermissionSendMessage].
func (s *MessagesService) CreateTopic(ctx context.Context, channelID string, in TopicCreate, opts ...CreateOption) (*Topic, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	if err := checkID(channelID); err != nil {
		return nil, err
	}
	return one[Topic](making.note(s.api.CreateTopic(ctx, channelID, nil, in, making.edits...)))
}

// DeleteTopic removes a topic and the messages in it, for good.
//
// Who has begun it may, too.
//
// For the owner and members with manage_messages or server_administrator, and API keys with [PermissionChannels].
func (s *MessagesService) DeleteTopic(ctx context.Context, channelID, id string) error {
	if err := checkID(channelID, id); err != nil {
		return err
	}
	return done(s.api.DeleteTopic(ctx, channelID, id))
}
