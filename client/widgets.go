package client

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Widget is a part of a community that pages of others show. Its fields are listed at [gen.Widget].
	Widget = gen.Widget
	// WidgetCreate is what a widget is made from. Kind and Name are required. Its fields are listed at [gen.WidgetCreate].
	WidgetCreate = gen.WidgetCreate
	// WidgetUpdate is what changes of a widget; what is nil stays as it is. Its fields are listed at [gen.WidgetUpdate].
	WidgetUpdate = gen.WidgetUpdate
	// WidgetKind is what a widget shows.
	WidgetKind = gen.WidgetKind
	// WidgetMode is whether it is light or dark.
	WidgetMode = gen.WidgetMode
	// WidgetTheme is how it looks.
	WidgetTheme = gen.WidgetTheme
	// WidgetSize is how large its frame is.
	WidgetSize = gen.WidgetSize
	// WidgetAccessKey is a pair with which a program asks for widget tokens. Its fields are listed at [gen.WidgetAccessKey].
	WidgetAccessKey = gen.WidgetAccessKey
	// WidgetAccessKeyCreate is what a pair is made from. Name is required. Its fields are listed at [gen.WidgetAccessKeyCreate].
	WidgetAccessKeyCreate = gen.WidgetAccessKeyCreate
	// WidgetTokenQuestion says who asks for a token, and for whom. Its fields are listed at [gen.WidgetTokenQuestion].
	WidgetTokenQuestion = gen.WidgetTokenQuestion
	// WidgetUserIdentifiers say which member, by names that begin with data-.
	WidgetUserIdentifiers = gen.WidgetUserIdentifiers
	// WidgetToken is what a page gives to a widget, so that it knows who looks at it.
	WidgetToken = gen.WidgetToken
	// WidgetSession is that, too, by an API key.
	WidgetSession = gen.WidgetSignInResponse
	// WidgetValidation is what is known of a token.
	WidgetValidation = gen.WidgetValidation
)

// WidgetsService has the operations on widgets, and makes the tokens for them. It is a field of [Client].
type WidgetsService struct {
	api *gen.Client
}

// List returns the widgets of a community, the oldest first, 50 at most. Without a server, it is that of the API key, or the only one of the
// account.
//
// For the owner and members with server_administrator, and API keys with [PermissionWidgets].
func (s *WidgetsService) List(ctx context.Context, serverID string) ([]Widget, error) {
	return list[Widget](s.api.ListWidgets(ctx, &gen.ListWidgetsParams{ServerID: optional(serverID)}))
}

// Create makes a widget. It fails with [ErrConflict] if another one has its slug, or if there are 50.
//
// For the owner and members with server_administrator, and API keys with [PermissionWidgets].
func (s *WidgetsService) Create(ctx context.Context, in WidgetCreate, opts ...CreateOption) (*Widget, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Widget](making.note(s.api.CreateWidget(ctx, nil, full(in), making.edits...)))
}

// Get returns a widget.
//
// For the owner and members with server_administrator, and API keys with [PermissionWidgets].
func (s *WidgetsService) Get(ctx context.Context, id string) (*Widget, error) {
	return one[Widget](with(ctx, id, s.api.GetWidget))
}

// Update changes a widget. Tokens for one that is not active are refused at once.
//
// For the owner and members with server_administrator, and API keys with [PermissionWidgets].
func (s *WidgetsService) Update(ctx context.Context, id string, in WidgetUpdate) (*Widget, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Widget](s.api.UpdateWidget(ctx, id, full(in)))
}

// Delete ends a widget, and the tokens for it, and returns it as it was.
//
// For the owner and members with server_administrator, and API keys with [PermissionWidgets].
func (s *WidgetsService) Delete(ctx context.Context, id string) (*Widget, error) {
	return one[Widget](with(ctx, id, s.api.DeleteWidget))
}

// ListAccessKeys returns the pairs of a community, the oldest first, 20 at most, with their keys masked.
//
// For the owner and members with server_administrator.
func (s *WidgetsService) ListAccessKeys(ctx context.Context, serverID string) ([]WidgetAccessKey, error) {
	return list[WidgetAccessKey](s.api.ListWidgetAccessKeys(ctx, &gen.ListWidgetAccessKeysParams{ServerID: optional(serverID)}))
}

// CreateAccessKey makes a pair. What it returns is the only answer that shows its AccessKey whole.
//
// For the owner and members with server_administrator.
func (s *WidgetsService) CreateAccessKey(ctx context.Context, in WidgetAccessKeyCreate, opts ...CreateOption) (*WidgetAccessKey, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[WidgetAccessKey](making.note(s.api.CreateWidgetAccessKey(ctx, nil, full(in), making.edits...)))
}

// DeleteAccessKey ends a pair, and returns it as it was. It gets no token any more, at once; those that are out end within 15 minutes.
//
// For the owner and members with server_administrator.
func (s *WidgetsService) DeleteAccessKey(ctx context.Context, id string) (*WidgetAccessKey, error) {
	return one[WidgetAccessKey](with(ctx, id, s.api.DeleteWidgetAccessKey))
}

// Token makes a token for a member, for 15 minutes. It is for a program that knows who looks at its page, and keeps the pair from that page.
// It fails with [ErrNotFound] if the identifiers name no member, and with [ErrUnauthenticated] if the pair is none.
//
// For everybody, without a credential.
func (s *WidgetsService) Token(ctx context.Context, in WidgetTokenQuestion) (*WidgetToken, error) {
	answer, err := bare[gen.WidgetTokenResponse](s.api.CreateWidgetToken(ctx, full(in)))
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// SignIn makes a token for a member, by the address of their account, for 5 minutes. It is for a program that has an API key with
// [PermissionWidgets], and keeps it from pages. It fails with [ErrNotFound] if nobody with the address is a member.
//
// For everybody, without a credential.
func (s *WidgetsService) SignIn(ctx context.Context, communityID, apiKey, email string) (*WidgetSession, error) {
	if err := checkID(communityID); err != nil {
		return nil, err
	}
	return bare[WidgetSession](s.api.SignInToWidgets(ctx, communityID, &gen.SignInToWidgetsParams{ReturningaiAPIKey: apiKey, Email: email}))
}

// Validate tells whether a token is good now.
//
// For everybody, without a credential.
func (s *WidgetsService) Validate(ctx context.Context, embedToken string) (*WidgetValidation, error) {
	answer, err := bare[gen.WidgetValidationResponse](s.api.ValidateWidgetToken(ctx, full(gen.WidgetTokenProof{EmbedToken: embedToken})))
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}
