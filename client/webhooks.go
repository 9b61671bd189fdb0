package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Webhook is an address to which events are sent. Its fields are listed at [gen.Webhook].
	Webhook = gen.Webhook
	// WebhookCreate is what a webhook is made from. Name, URL and Events are required. Its fields are listed at [gen.WebhookCreate].
	WebhookCreate = gen.WebhookCreate
	// WebhookUpdate is what changes of a webhook; what is nil stays as it is. Its fields are listed at [gen.WebhookUpdate].
	WebhookUpdate = gen.WebhookUpdate
	// WebhookAPIKeySwitch says whether requests have the header x-api-key.
	WebhookAPIKeySwitch = gen.WebhookAPIKeySwitch
	// WebhookAPIKey says so, too, with its Key.
	WebhookAPIKey = gen.WebhookAPIKey
	// WebhookEncryptionSwitch says whether bodies are encrypted, and with which Key of 32 characters.
	WebhookEncryptionSwitch = gen.WebhookEncryptionSwitch
	// WebhookEncryption says so, too, without the key.
	WebhookEncryption = gen.WebhookEncryption
	// WebhookCipher is how bodies are encrypted.
	WebhookCipher = gen.WebhookCipher
	// WebhookEventType is what has happened.
	WebhookEventType = gen.WebhookEventType
	// WebhookDelivery is an event on its way to a webhook. Its fields are listed at [gen.WebhookDelivery].
	WebhookDelivery = gen.WebhookDelivery
	// WebhookDeliveryDetails is the same, with what is sent and how each try went. Its fields are listed at [gen.WebhookDeliveryDetails].
	WebhookDeliveryDetails = gen.WebhookDeliveryDetails
	// WebhookDeliveryStatus is how far it is.
	WebhookDeliveryStatus = gen.WebhookDeliveryStatus
	// WebhookReplay says of which webhook deliveries are sent again.
	WebhookReplay = gen.WebhookReplay
	// WebhookTry is a try to deliver.
	WebhookTry = gen.WebhookTry
)

// WebhooksService has the operations on webhooks. It is a field of [Client]. What they send is read by package
// github.com/rejoin-dev/rejoin/client/webhook.
type WebhooksService struct {
	api   *gen.Client
	clock clock
}

// List returns the webhooks of a community, the oldest first, 50 at most. Without a server, it is that of the API key, or the only one of the
// account.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) List(ctx context.Context, serverID string) ([]Webhook, error) {
	return list[Webhook](s.api.ListWebhooks(ctx, &gen.ListWebhooksParams{ServerID: optional(serverID)}))
}

// Create makes a webhook. What it returns is the only answer that shows its Secret whole, and the Key of its APIKey. It fails with
// [ErrInvalidRequest] if the URL may not be called, and with [ErrConflict] if there are 50.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Create(ctx context.Context, in WebhookCreate, opts ...CreateOption) (*Webhook, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Webhook](making.note(s.api.CreateWebhook(ctx, nil, full(in), making.edits...)))
}

// Get returns a webhook, with its secrets masked.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Get(ctx context.Context, id string) (*Webhook, error) {
	return one[Webhook](with(ctx, id, s.api.GetWebhook))
}

// Update changes a webhook. What waits to be sent is sent as it is then.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Update(ctx context.Context, id string, in WebhookUpdate) (*Webhook, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Webhook](s.api.UpdateWebhook(ctx, id, full(in)))
}

// Delete ends a webhook, what waits to be sent, and what was, and returns it as it was.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Delete(ctx context.Context, id string) (*Webhook, error) {
	return one[Webhook](with(ctx, id, s.api.DeleteWebhook))
}

// RotateSecret gives a webhook a new Secret, which only this answer shows whole. For 24 hours, the one before signs beside it.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) RotateSecret(ctx context.Context, id string) (*Webhook, error) {
	return one[Webhook](with(ctx, id, s.api.RotateWebhookSecret))
}

// Test sends a test, and returns what is about to be sent. It fails with [ErrConflict] if the webhook is not active.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Test(ctx context.Context, id string) (*WebhookDeliveryDetails, error) {
	return one[WebhookDeliveryDetails](with(ctx, id, s.api.TestWebhook))
}

// Deliveries returns an iterator over what a webhook was sent in the last 30 days, the latest first, which works as that of
// [ServersService.Members].
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Deliveries(ctx context.Context, id string) iter.Seq2[WebhookDelivery, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]WebhookDelivery], error) {
		if err := checkID(id); err != nil {
			return nil, err
		}
		return answer[[]WebhookDelivery](s.api.ListWebhookDeliveries(ctx, id, &gen.ListWebhookDeliveriesParams{Cursor: cursor, Limit: &size}))
	})
}

// Delivery returns what was sent, and how each of the last 20 tries went.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Delivery(ctx context.Context, id, deliveryID string) (*WebhookDeliveryDetails, error) {
	return oneOf(id, deliveryID, func() (*http.Response, error) { return s.api.GetWebhookDelivery(ctx, id, deliveryID) })
}

// Replay sends a delivery again, whether it was delivered or not. It fails with [ErrConflict] if the webhook is not active.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) Replay(ctx context.Context, id, deliveryID string) (*WebhookDeliveryDetails, error) {
	return oneOf(id, deliveryID, func() (*http.Response, error) { return s.api.ReplayWebhookDelivery(ctx, id, deliveryID) })
}

func oneOf(id, deliveryID string, call func() (*http.Response, error)) (*WebhookDeliveryDetails, error) {
	if err := checkID(id, deliveryID); err != nil {
		return nil, err
	}
	return one[WebhookDeliveryDetails](call())
}

// ReplayBetween sends again what was made from a moment until before another one. It fails with [ErrConflict] if the webhook is not active.
//
// For the owner and members with server_administrator, and API keys with [PermissionWebhooks].
func (s *WebhooksService) ReplayBetween(ctx context.Context, id string, from, to time.Time) (*WebhookReplay, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[WebhookReplay](s.api.ReplayWebhook(ctx, id, &gen.ReplayWebhookParams{From: Time{Time: from.UTC()}, To: Time{Time: to.UTC()}}))
}
