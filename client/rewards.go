package client

import (
	"context"
	"iter"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// PurchaseCreate is what is bought. ProductID is required. Its fields are listed at [gen.PurchaseCreate].
	PurchaseCreate = gen.PurchaseCreate
	// BuyerInformation is what a product asks its buyer for.
	BuyerInformation = gen.BuyerInformation
	// Purchase is something that was bought, as its buyer sees it. Its fields are listed at [gen.Purchase].
	Purchase = gen.Purchase
	// NewPurchase is what was just bought, with the coins that are left. Its fields are listed at [gen.NewPurchase].
	NewPurchase = gen.NewPurchase
	// Transaction is an order, as whoever runs the store sees it. Its fields are listed at [gen.Transaction].
	Transaction = gen.Transaction
	// TransactionID is how orders are told apart by people: ORD, and more.
	TransactionID = gen.TransactionID
	// TransactionStatus is the status of an order.
	TransactionStatus = gen.TransactionStatus
	// RedemptionStatus is a status of orders. Its fields are listed at [gen.RedemptionStatus].
	RedemptionStatus = gen.RedemptionStatus
	// RedemptionStatusCreate is what a status is made from. All but ServerID is required.
	RedemptionStatusCreate = gen.RedemptionStatusCreate
	// RedemptionStatusUpdate changes what is not nil.
	RedemptionStatusUpdate = gen.RedemptionStatusUpdate
	// StatusCategory is whether an order is under way, done, or over and paid back.
	StatusCategory = gen.StatusCategory
)

// TransactionQuery says which orders [RewardsService.Transactions] lists. The zero TransactionQuery is all.
type TransactionQuery struct {
	StatusID, ProductID string
	// From and To are moments between which they were made.
	From, To time.Time
}

// RewardsService has the operations on what members have bought. It is a field of [Client].
type RewardsService struct {
	api *gen.Client
}

// Buy buys a product, for the account that calls or, with an API key, for the User. It fails with [ErrConflict] if a rule is against it,
// which the fields of the error name: it costs nothing then. It is safe to repeat: the same request buys once. Codes are shown to their
// buyer only, and not to an API key.
//
// For members, and API keys with [PermissionRedemptions].
func (s *RewardsService) Buy(ctx context.Context, in PurchaseCreate, opts ...CreateOption) (*NewPurchase, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[NewPurchase](making.note(s.api.CreatePurchase(ctx, nil, in, making.edits...)))
}

// Purchases returns an iterator over what the caller has bought in a server, with its codes, the latest first, which works as that of
// [ServersService.Members].
//
// For members.
func (s *RewardsService) Purchases(ctx context.Context, serverID string) iter.Seq2[Purchase, error] {
	size := int32(pageSize)
	return following(func(cursor string) ([]Purchase, string, error) {
		found, err := answer[[]Purchase](s.api.ListMyPurchases(ctx, &gen.ListMyPurchasesParams{ServerID: optional(serverID), Limit: &size, Cursor: optional(cursor)}))
		if err != nil {
			return nil, "", err
		}
		return *found.payload(), found.Pagination.NextCursor, nil
	})
}

// Transactions returns an iterator over the orders of a community, the latest first, which works as that of [ServersService.Members].
//
// For the owner and members with server_administrator, and API keys with [PermissionRedemptions].
func (s *RewardsService) Transactions(ctx context.Context, serverID string, query TransactionQuery) iter.Seq2[Transaction, error] {
	size := int32(pageSize)
	return following(func(cursor string) ([]Transaction, string, error) {
		params := gen.ListTransactionsParams{
			ServerID: optional(serverID), Limit: &size, Cursor: optional(cursor), Status: optional(query.StatusID), ProductID: optional(query.ProductID),
		}
		if !query.From.IsZero() {
			params.From = &Time{Time: query.From}
		}
		if !query.To.IsZero() {
			params.To = &Time{Time: query.To}
		}
		page, err := one[gen.TransactionPage](s.api.ListTransactions(ctx, &params))
		if err != nil {
			return nil, "", err
		}
		return page.Transactions, page.NextCursor, nil
	})
}

// TransactionsOf returns an iterator over the orders of a member, by their address, the latest first.
//
// For API keys with [PermissionRedemptions].
func (s *RewardsService) TransactionsOf(ctx context.Context, email string) iter.Seq2[Transaction, error] {
	return following(func(cursor string) ([]Transaction, string, error) {
		page, err := one[gen.TransactionPage](s.api.ListTransactionsByEmail(ctx, gen.TransactionQuestion{Email: email, Limit: pageSize, Cursor: cursor}))
		if err != nil {
			return nil, "", err
		}
		return page.Transactions, page.NextCursor, nil
	})
}

// SetStatus changes the status of an order. To cancel it gives the coins back. It fails with [ErrConflict] if the order was cancelled.
//
// For the owner and members with server_administrator, and API keys with [PermissionRedemptions].
func (s *RewardsService) SetStatus(ctx context.Context, transactionID, statusID string) (*TransactionStatus, error) {
	return one[TransactionStatus](s.api.UpdateTransactionStatus(ctx, gen.TransactionStatusUpdate{TransactionID: transactionID, StatusID: statusID}))
}

// Statuses returns the statuses of orders, the oldest first, 50 at most.
//
// For members, and API keys with [PermissionRedemptions].
func (s *RewardsService) Statuses(ctx context.Context, serverID string) ([]RedemptionStatus, error) {
	return list[RedemptionStatus](s.api.ListRedemptionStatuses(ctx, &gen.ListRedemptionStatusesParams{ServerID: optional(serverID)}))
}

// GetStatus returns a status of orders.
//
// For members, and API keys with [PermissionRedemptions].
func (s *RewardsService) GetStatus(ctx context.Context, id string) (*RedemptionStatus, error) {
	return one[RedemptionStatus](with(ctx, id, s.api.GetRedemptionStatus))
}

// CreateStatus makes a status of orders. It fails with [ErrConflict] if another one has the name, or there are 50.
//
// For the owner and members with server_administrator, and API keys with [PermissionRedemptions].
func (s *RewardsService) CreateStatus(ctx context.Context, in RedemptionStatusCreate, opts ...CreateOption) (*RedemptionStatus, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[RedemptionStatus](making.note(s.api.CreateRedemptionStatus(ctx, nil, in, making.edits...)))
}

// UpdateStatus changes a status of orders. It fails with [ErrConflict] if its category changes while it is in use.
//
// For the owner and members with server_administrator, and API keys with [PermissionRedemptions].
func (s *RewardsService) UpdateStatus(ctx context.Context, id string, in RedemptionStatusUpdate) (*RedemptionStatus, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[RedemptionStatus](s.api.UpdateRedemptionStatus(ctx, id, in))
}

// DeleteStatus ends a status of orders, and returns it as it was. It fails with [ErrConflict] while it is in use.
//
// For the owner and members with server_administrator, and API keys with [PermissionRedemptions].
func (s *RewardsService) DeleteStatus(ctx context.Context, id string) (*RedemptionStatus, error) {
	return one[RedemptionStatus](with(ctx, id, s.api.DeleteRedemptionStatus))
}
