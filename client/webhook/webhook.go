// Package webhook reads what a Rejoin server sends to a webhook: [Parse] verifies it, decrypts it if need be, and returns a typed event.
//
// An event is sent at least once. Its ID tells the same one: whoever does something with it that must not be done twice remembers the ID.
package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rejoin-dev/rejoin/gen"
)

// The events that [Parse] returns, as pointers. Their fields are listed in package gen.
type (
	// UserJoined says that somebody has become a member.
	UserJoined = gen.UserJoinedEvent
	// UserLeft says that somebody is a member no more.
	UserLeft = gen.UserLeftEvent
	// UserVisited says that a member has come by for the first time on a day.
	UserVisited = gen.UserVisitedEvent
	// MessagePosted says that something was said in a channel.
	MessagePosted = gen.MessagePostedEvent
	// MessageUpdated says that a message was edited or pinned, or somebody has reacted to it, or does so no more.
	MessageUpdated = gen.MessageUpdatedEvent
	// MessageDeleted says that a message is there no more.
	MessageDeleted = gen.MessageDeletedEvent
	// BadgeAwarded says that a member was awarded a badge.
	BadgeAwarded = gen.BadgeAwardedEvent
	// StreakReached says that a member has reached a streak.
	StreakReached = gen.StreakReachedEvent
	// LevelReached says that a member has come to a higher level.
	LevelReached = gen.LevelReachedEvent
	// StorePurchased says that a member has bought something.
	StorePurchased = gen.StorePurchasedEvent
	// RedemptionUpdated says that the status of an order has changed.
	RedemptionUpdated = gen.RedemptionUpdatedEvent
	// AnalysisCreated says that an analysis was posted.
	AnalysisCreated = gen.AnalysisCreatedEvent
	// AnalysisUpdated says that an analysis was changed.
	AnalysisUpdated = gen.AnalysisUpdatedEvent
	// FieldChanged says that a member was given another value in a field.
	FieldChanged = gen.FieldChangedEvent
	// Test is what was sent to try the webhook.
	Test = gen.WebhookTestEvent
	// Unknown is an event of a later version than this one.
	Unknown = gen.WebhookEvent
)

// What [Parse] fails with. Test with errors.Is. An answer of 400 or 401 makes the server try again later.
var (
	// ErrSignature says that nobody who knows the secret has sent this, or not within the last five minutes.
	ErrSignature = errors.New("webhook: the signature is not good")
	// ErrDecrypt says that the body is encrypted and cannot be read with the key, or that there is none.
	ErrDecrypt = errors.New("webhook: the body cannot be decrypted")
	// ErrMalformed says that the body is no event.
	ErrMalformed = errors.New("webhook: the body is no event")
)

// An Option is for [Parse].
type Option func(*options)

type options struct {
	key         string
	isEncrypted bool
}

// WithKey gives the key of 32 characters of a webhook whose bodies are encrypted. One that is not is refused then.
func WithKey(key string) Option {
	return func(o *options) { o.key, o.isEncrypted = key, true }
}

// Parse verifies what was sent, by the secret of the webhook, and returns the event: a pointer to one of the types of this package, such as
// *[MessagePosted], or *[Unknown]. The body is as it was sent, byte for byte.
func Parse(secret string, header http.Header, body []byte, opts ...Option) (event any, err error) {
	var o options
	for _, option := range opts {
		option(&o)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: the secret is none", ErrSignature)
	}
	if err := verifier.Verify(body, header); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if o.isEncrypted || header.Get("X-Encrypted") == "true" {
		if body, err = decrypt(body, []byte(o.key)); err != nil {
			return nil, err
		}
		if !json.Valid(body) { // without a tag, a wrong key may make something of it
			return nil, ErrDecrypt
		}
	}
	return Decode(body)
}

// Decode returns the event that a body holds, which was verified and decrypted, or has come as a live event: as [Parse] does.
func Decode(body []byte) (event any, err error) {
	var kind Unknown
	if err := json.Unmarshal(body, &kind); err != nil || kind.ID == "" {
		return nil, ErrMalformed
	}
	event = &kind
	if typed := eventOf(kind.Type); typed != nil {
		event = typed
		if err := json.Unmarshal(body, event); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	return event, nil
}

func eventOf(kind gen.WebhookEventType) any {
	switch kind {
	case gen.WebhookEventTypeUserJoined:
		return new(UserJoined)
	case gen.WebhookEventTypeUserLeft:
		return new(UserLeft)
	case gen.WebhookEventTypeUserVisited:
		return new(UserVisited)
	case gen.WebhookEventTypeMessagePosted:
		return new(MessagePosted)
	case gen.WebhookEventTypeMessageUpdated:
		return new(MessageUpdated)
	case gen.WebhookEventTypeMessageDeleted:
		return new(MessageDeleted)
	case gen.WebhookEventTypeBadgeAwarded:
		return new(BadgeAwarded)
	case gen.WebhookEventTypeStreakReached:
		return new(StreakReached)
	case gen.WebhookEventTypeLevelReached:
		return new(LevelReached)
	case gen.WebhookEventTypeStorePurchased:
		return new(StorePurchased)
	case gen.WebhookEventTypeRedemptionUpdated:
		return new(RedemptionUpdated)
	case gen.WebhookEventTypeAnalysisCreated:
		return new(AnalysisCreated)
	case gen.WebhookEventTypeAnalysisUpdated:
		return new(AnalysisUpdated)
	case gen.WebhookEventTypeFieldChanged:
		return new(FieldChanged)
	case gen.WebhookEventTypeWebhookTest:
		return new(Test)
	}
	return nil
}

// decrypt reads an encrypted body. What is wrong with it is not told: the signature was good, and the key is not.
func decrypt(body, key []byte) ([]byte, error) {
	var e struct{ IV, Data, Tag []byte }
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != 32 || json.Unmarshal(body, &e) != nil {
		return nil, ErrDecrypt
	}
	if e.Tag != nil {
		open, err := cipher.NewGCM(block)
		if err != nil || len(e.IV) != open.NonceSize() {
			return nil, ErrDecrypt
		}
		plain, err := open.Open(nil, e.IV, append(e.Data, e.Tag...), nil)
		if err != nil {
			return nil, ErrDecrypt
		}
		return plain, nil
	}
	if len(e.IV) != aes.BlockSize || len(e.Data) == 0 || len(e.Data)%aes.BlockSize != 0 {
		return nil, ErrDecrypt
	}
	cipher.NewCBCDecrypter(block, e.IV).CryptBlocks(e.Data, e.Data)
	pad := int(e.Data[len(e.Data)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, ErrDecrypt
	}
	for _, b := range e.Data[len(e.Data)-pad:] {
		if int(b) != pad {
			return nil, ErrDecrypt
		}
	}
	return e.Data[:len(e.Data)-pad], nil
}
