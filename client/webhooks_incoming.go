package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of incoming webhooks.
type (
	// IncomingWebhook is an address to which another system posts what is to be done. Its fields are listed at [gen.IncomingWebhook].
	IncomingWebhook = gen.IncomingWebhook
	// IncomingWebhookCreate is what an incoming webhook is made from. Name and Kind are required. Its fields are listed at [gen.IncomingWebhookCreate].
	IncomingWebhookCreate = gen.IncomingWebhookCreate
	// IncomingWebhookUpdate is what changes of an incoming webhook; what is nil stays as it is. Its fields are listed at [gen.IncomingWebhookUpdate].
	IncomingWebhookUpdate = gen.IncomingWebhookUpdate
	// IncomingWebhookKind is what an incoming webhook does.
	IncomingWebhookKind = gen.IncomingWebhookKind
	// IncomingWebhookCall is a call of an incoming webhook, and what became of it.
	IncomingWebhookCall = gen.IncomingWebhookCall
	// IncomingOutcome is what became of it.
	IncomingOutcome = gen.IncomingOutcome
	// IncomingCall is what is to be done. Its fields are listed at [gen.IncomingCall].
	IncomingCall = gen.IncomingCall
	// IncomingFieldValue is a value of a field of the community.
	IncomingFieldValue = gen.IncomingFieldValue
	// IncomingCurrency is of what a member gets more or less.
	IncomingCurrency = gen.IncomingCurrency
	// IncomingOperation is what an amount does.
	IncomingOperation = gen.IncomingOperation
	// IncomingResult is what was done.
	IncomingResult = gen.IncomingResult
)

// IncomingCalling is how an incoming webhook is called, if it asks for more than its address.
type IncomingCalling struct {
	APIKey      string // of the webhook
	IsEncrypted bool   // the call has IV, Data and, for gcm, Tag
}

// ListIncoming returns the incoming webhooks of a community, the oldest first, 50 at most. Without a server, it is the only one of the account.
//
// For the owner and members with server_administrator.
func (s *WebhooksService) ListIncoming(ctx context.Context, serverID string) ([]IncomingWebhook, error) {
	return list[IncomingWebhook](s.api.ListIncomingWebhooks(ctx, &gen.ListIncomingWebhooksParams{ServerID: optional(serverID)}))
}

// CreateIncoming makes an incoming webhook. What it returns is the only answer that shows its URL whole, and the Key of its APIKey. It fails with
// [ErrConflict] if there are 50.
//
// For the owner and members with server_administrator.
func (s *WebhooksService) CreateIncoming(ctx context.Context, in IncomingWebhookCreate, opts ...CreateOption) (*IncomingWebhook, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[IncomingWebhook](making.note(s.api.CreateIncomingWebhook(ctx, nil, full(in), making.edits...)))
}

// GetIncoming returns an incoming webhook, with its secrets masked.
//
// For the owner and members with server_administrator.
func (s *WebhooksService) GetIncoming(ctx context.Context, id string) (*IncomingWebhook, error) {
	return one[IncomingWebhook](with(ctx, id, s.api.GetIncomingWebhook))
}

// UpdateIncoming changes an incoming webhook. The caller vouches for it from then on.
//
// For the owner and members with server_administrator.
func (s *WebhooksService) UpdateIncoming(ctx context.Context, id string, in IncomingWebhookUpdate) (*IncomingWebhook, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[IncomingWebhook](s.api.UpdateIncomingWebhook(ctx, id, full(in)))
}

// DeleteIncoming ends an incoming webhook, and returns it as it was.
//
// For the owner and members with server_administrator.
func (s *WebhooksService) DeleteIncoming(ctx context.Context, id string) (*IncomingWebhook, error) {
	return one[IncomingWebhook](with(ctx, id, s.api.DeleteIncomingWebhook))
}

// IncomingCalls returns what became of the last 100 calls of an incoming webhook, the latest first.
//
// For the owner and members with server_administrator.
func (s *WebhooksService) IncomingCalls(ctx context.Context, id string) ([]IncomingWebhookCall, error) {
	return list[IncomingWebhookCall](with(ctx, id, s.api.ListIncomingWebhookCalls))
}

// CallIncoming has an incoming webhook do something. The token is the last part of its URL. It fails with [ErrInvalidRequest] if the call is not
// what the webhook does, and with [ErrConflict] if a member would have less than nothing.
//
// For everybody, without a credential.
func (s *WebhooksService) CallIncoming(ctx context.Context, token string, in IncomingCall, how IncomingCalling, opts ...CreateOption) (*IncomingResult, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	if err := checkID(token); err != nil {
		return nil, err
	}
	params := &gen.ReceiveWebhookParams{XApiKey: optional(how.APIKey)}
	if how.IsEncrypted {
		params.XEncrypted = new("true")
	}
	return one[IncomingResult](making.note(s.api.ReceiveWebhook(ctx, token, params, full(in), making.edits...)))
}
