package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/shop"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// rewards are the operations of the tag rewards: what members have bought, and in which state it is.
type rewards struct{ *core }

// CreatePurchase lets a member buy a product.
func (h rewards) CreatePurchase(ctx context.Context, r stub.CreatePurchaseRequestObject) (stub.CreatePurchaseResponseObject, error) {
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.PurchaseResponse, err error) {
		s, p, err := productOf(ctx, tx.Queries, r.Body.ProductID)
		if err != nil {
			return body, err
		}
		b := buying{core: h.core, tx: tx, product: p, pieces: max(1, r.Body.Quantity), now: h.now(), byKey: s.actor.key != nil}
		if b.account, err = s.buyer(ctx, tx.Queries, r.Body.User); err != nil {
			return body, err
		}
		b.told, b.expected = r.Body.UserInformation, r.Body.Price
		made, err := b.run(ctx)
		return gen.PurchaseResponse{Status: integration, Message: "Purchase created successfully", Data: made}, err
	})
	if err != nil {
		return nil, err
	}
	return stub.CreatePurchase201JSONResponse{Body: body, Headers: stub.CreatePurchase201ResponseHeaders(again)}, nil
}

// buyer is who buys: the caller, or whom an API key names.
func (s standing) buyer(ctx context.Context, q store.Queries, user string) (account int64, err error) {
	switch {
	case s.actor.key == nil && user == "":
		return s.actor.account, nil
	case s.actor.key == nil:
		itself, err := s.namesItself(ctx, q, user)
		if err == nil && !itself {
			err = contract.PermissionDenied("an account buys for itself only")
		}
		return s.actor.account, err
	case user == "":
		return 0, contract.Invalid(contract.Field("/user", gen.FieldCodeRequired, "is required: an API key is nobody"))
	}
	named, err := memberNamed(ctx, q, s.ID, user)
	return named.AccountNumber, err
}

// answersOf is what a product asks its buyer for, of what they tell.
func answersOf(asks gen.ProductQuestions, given gen.BuyerInformation) (kept gen.BuyerInformation, err error) {
	var missing []gen.ProblemField
	for _, part := range []struct {
		name     string
		asked    bool
		text, to *string
	}{
		{"name", asks.ShouldCollectName, &given.Name, &kept.Name}, {"phone", asks.ShouldCollectPhone, &given.Phone, &kept.Phone},
		{"address", asks.ShouldCollectAddress, &given.Address, &kept.Address},
	} {
		switch {
		case !asks.IsEnabled || !part.asked:
		case *part.text == "":
			missing = append(missing, contract.Field("/userInformation/"+part.name, gen.FieldCodeRequired, "is required by the product"))
		default:
			*part.to = *part.text
		}
	}
	if len(missing) > 0 {
		return kept, contract.Invalid(missing...)
	}
	return kept, nil
}

// A buying is a purchase under way. What it locks, it locks in the order product, which others share; totals, days, server_days and
// active_days, as whatever credits does; and last the row of the stock, which all wait for who buy the same.
type buying struct {
	*core
	tx      *store.Tx
	product store.Product
	account int64
	pieces  int32
	told    gen.BuyerInformation
	now     time.Time
	byKey   bool

	expected *int32 // what a piece is to cost
}

func (b buying) run(ctx context.Context) (made gen.NewPurchase, err error) {
	server := b.product.CommunityID
	had, err := b.tx.Ledger.HoldTotals(ctx, server, b.account)
	if err != nil {
		return made, err
	}
	day, err := b.today(ctx, b.tx.Queries, server)
	if err != nil {
		return made, err
	}
	member, err := shopMember(ctx, b.tx.Queries, server, b.account)
	if err != nil {
		return made, err
	}
	category, err := b.check(ctx, member, day)
	if err != nil {
		return made, err
	}
	answers, err := answersOf(b.product.UserInformation, b.told) // which is told to nobody who may not buy it
	if err != nil {
		return made, err
	}
	status, err := b.firstStatus(ctx, category)
	if err != nil {
		return made, err
	}
	price := shop.Price(b.product.Product, member, b.now)
	o := store.Order{ServerID: server, Account: b.account, CategoryID: category.ID, StatusID: status.ID, Day: day}
	o.ID, o.Quantity, o.Price, o.Total, o.UserInformation = b.newID(), b.pieces, price, int64(price)*int64(b.pieces), answers
	o.Status = orderStatus(status)
	o.Product = gen.OrderedProduct{ID: b.product.ID, Name: b.product.Name, Image: b.product.Image, Type: b.product.Type}
	o.CreatedAt, o.UpdatedAt, o.Vouchers = gen.Time{Time: b.now}, gen.Time{Time: b.now}, []string{}
	switch {
	case b.expected != nil && *b.expected != price:
		return made, refusedFor(gen.FieldCodePriceChanged, "/price", "This costs something else now", "the price is not the one that is expected")
	case had.Coins < o.Total:
		return made, refusedFor(gen.FieldCodeNotEnoughCoins, atProduct, "Not enough coins", "the balance is lower than the cost")
	}
	if err := b.pay(ctx, o); err != nil {
		return made, err
	}
	err = b.handOver(ctx, &o)
	if err == nil {
		err = b.orderMoved(ctx, b.tx, gen.WebhookEventTypeStorePurchased, o)
	}
	if err != nil {
		return made, err
	}
	left, err := b.tx.Ledger.GetTotals(ctx, server, b.account)
	return gen.NewPurchase{
		ID: o.ID, TransactionID: o.TransactionID, Status: o.Status, Product: o.Product, Quantity: o.Quantity, Price: o.Price, Total: o.Total,
		UserInformation: o.UserInformation, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt, Vouchers: o.Vouchers, Balance: left.Coins,
	}, err
}

const atProduct = "/productID"

// check refuses what the member may not buy, with the rule that it breaks, and returns the category of the product.
func (b buying) check(ctx context.Context, member shop.Member, day int64) (category gen.Category, err error) {
	p, q := b.product, b.tx.Queries
	config, err := storeOf(ctx, q, p.CommunityID)
	if err != nil {
		return category, err
	}
	if id, in := p.CategoryID.Get(); in {
		if category, err = q.Categories.Get(ctx, id); err != nil {
			return category, err
		}
	}
	entries := category.CategoryPermission
	switch {
	case !config.IsEnabled:
		return category, refusedFor(gen.FieldCodeClosed, atProduct, "The store is closed", "the store of the community is not enabled")
	case p.IsArchived || category.IsArchived:
		return category, refusedFor(gen.FieldCodeArchived, atProduct, "This is not sold any more", "the product or its category is archived")
	case !shop.Within(p.AvailableFrom, p.AvailableUntil, b.now):
		return category, refusedFor(gen.FieldCodeNotOnSale, atProduct, "This is not sold now", "the product is sold from availableFrom until availableUntil")
	case shop.Access(p.IsProductAccessEnabled, p.ProductPermission, member) < shop.Buy, shop.Access(shop.IsRestricted(entries), entries, member) < shop.Buy:
		return category, refusedFor(gen.FieldCodeNotForYou, atProduct, "This is not for you", "the permissions of the product or its category do not let the member buy it")
	case p.Stock != nil && *p.Stock < int64(b.pieces):
		return category, b.soldOut()
	}
	if err := b.checkLimit(ctx, p.ProductPermission, member, day, p.ID, ""); err != nil {
		return category, err
	}
	return category, b.checkLimit(ctx, entries, member, day, "", category.ID)
}

func (b buying) soldOut() error {
	return refusedFor(gen.FieldCodeSoldOut, "/quantity", "This is sold out", "there are not as many pieces as are asked for")
}

func (b buying) checkLimit(ctx context.Context, entries gen.StorePermissions, member shop.Member, day int64, productID, categoryID string) error {
	most, since, limited := shop.Limit(entries, member, time.Unix(day*24*60*60, 0).UTC())
	if !limited {
		return nil
	}
	has, err := b.tx.Orders.CountSince(ctx, b.account, productID, categoryID, dayOf(since, time.UTC), most)
	if err == nil && has+int64(b.pieces) > most {
		err = refusedFor(gen.FieldCodeLimitReached, "/quantity", "You have bought as many as you may", fmt.Sprintf("limit reached: %d since %s", most, since.Format(time.DateOnly)))
	}
	return err
}

// firstStatus is the one in which the order begins. Nobody removes it before the order has it.
func (b buying) firstStatus(ctx context.Context, category gen.Category) (store.Status, error) {
	id, there := category.DefaultPurchaseStatusID.Get()
	if override := b.product.PurchaseStatusOverride; override.IsEnabled {
		id, there = override.StatusID.Get()
	}
	if !there {
		all, err := b.tx.Statuses.List(ctx, b.product.CommunityID)
		if err != nil {
			return store.Status{}, err
		}
		i := slices.IndexFunc(all, func(s store.Status) bool { return s.Category == string(gen.StatusCategoryIncomplete) })
		if i < 0 {
			i = slices.IndexFunc(all, func(s store.Status) bool { return s.Category != string(gen.StatusCategoryCancelled) })
		}
		if i < 0 {
			return store.Status{}, conflictAt(atProduct, "This cannot be bought now", "the community has no redemption status in which an order could begin")
		}
		id = all[i].ID
	}
	status, err := b.tx.Statuses.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) { // it was removed while the product was being given it
		return status, conflictAt(atProduct, "This cannot be bought now", "the redemption status in which an order of it would begin is not there any more")
	}
	if err == nil && status.Category == string(gen.StatusCategoryCancelled) {
		err = conflictAt(atProduct, "This cannot be bought now", "an order of it would begin as cancelled")
	}
	return status, err
}

// pay takes the coins, and counts the deed.
func (b buying) pay(ctx context.Context, o store.Order) error {
	if o.Total > 0 {
		if _, err := b.credit(ctx, b.tx, store.LedgerLine{
			ServerID: o.ServerID, Account: o.Account, Action: string(gen.ActionPurchases), Reason: string(gen.ActionPurchases) + "/" + o.ID + "/cost", Coins: -o.Total,
		}); err != nil {
			return err
		}
	}
	_, err := b.acted(ctx, b.tx, deed{o.ServerID, o.Account, gen.ActionPurchases, o.ID})
	return err
}

// handOver takes the pieces out of the stock, and the codes if it has any, and writes the order down.
func (b buying) handOver(ctx context.Context, o *store.Order) error {
	voucher := o.Product.Type == gen.ProductTypeVoucher
	counted, enough, err := b.tx.Products.Take(ctx, o.Product.ID, b.pieces)
	if err == nil && !enough {
		err = b.soldOut()
	}
	if err != nil {
		return err
	}
	if counted {
		o.Taken = int64(b.pieces)
	}
	var sealed []string
	if voucher {
		sealed, err = b.tx.Vouchers.Sell(ctx, o.Product.ID, o.ID, b.pieces, b.product.ShouldPrioritiesExpiringVouchers, !b.byKey, b.now)
		if errors.Is(err, store.ErrNotFound) {
			err = b.soldOut()
		}
		if err != nil {
			return err
		}
	}
	for added := false; !added; {
		o.TransactionID = "ORD" + b.now.UTC().Format("20060102") + b.newID()[12:]
		if added, err = b.tx.Orders.Insert(ctx, *o); err != nil {
			return err
		}
	}
	if !b.byKey {
		o.Vouchers, err = b.opened(o.Product.ID, sealed)
	}
	return err
}

// opened are codes of a product that were sealed.
func (k *core) opened(productID string, sealed []string) ([]string, error) {
	codes := []string{}
	for _, one := range sealed {
		code, err := k.vault.open(productID, one)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

func orderPosition(o store.Order) store.Position {
	return store.Position{At: o.CreatedAt, ID: o.ID}
}

// ListMyPurchases shows what the caller has bought, with its codes.
func (h rewards) ListMyPurchases(ctx context.Context, r stub.ListMyPurchasesRequestObject) (stub.ListMyPurchasesResponseObject, error) {
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	q := h.store.Queries
	s, err := resolve(ctx, q, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := q.Orders.ListOf(ctx, s.ID, s.actor.account, page.asked())
	if err != nil {
		return nil, err
	}
	shown, next := cut(page, found, orderPosition)
	answer := stub.ListMyPurchases200JSONResponse{
		Status: integration, Message: "Purchases fetched successfully", Data: []gen.Purchase{},
		Pagination: gen.PurchasePage{Page: page.number, Limit: page.limit, NextCursor: next},
	}
	for _, o := range shown {
		if o, err = h.withCodes(ctx, o); err != nil {
			return nil, err
		}
		answer.Data = append(answer.Data, o.Purchase)
	}
	return answer, nil
}

// withCodes is an order with its codes, for its buyer. That they have seen them is noted first, of the order as it is then: of one that
// is cancelled meanwhile, nobody shows codes that are in the stock again.
func (h rewards) withCodes(ctx context.Context, o store.Order) (store.Order, error) {
	if o.Product.Type != gen.ProductTypeVoucher || o.Cancelled {
		return o, nil
	}
	sealed, seen, err := h.store.Vouchers.ListOfOrder(ctx, o.ID)
	if err == nil && !seen {
		type noted struct {
			store.Order
			sealed []string
		}
		var now noted
		now, err = inSharedTx(ctx, h.core, func(tx *store.Tx) (now noted, err error) {
			if now.Order, err = tx.Orders.Hold(ctx, o.TransactionID); err != nil || now.Cancelled {
				return now, err
			}
			if err := tx.Vouchers.Show(ctx, o.ID); err != nil {
				return now, err
			}
			now.sealed, _, err = tx.Vouchers.ListOfOrder(ctx, o.ID)
			return now, err
		})
		o, sealed = now.Order, now.sealed
	}
	if err == nil {
		o.Vouchers, err = h.opened(o.Product.ID, sealed)
	}
	return o, err
}

// transactionOf is an order as whoever runs the store sees it.
func transactionOf(ctx context.Context, q store.Queries, o store.Order) (shown gen.Transaction, err error) {
	shown = gen.Transaction{
		ID: o.ID, TransactionID: o.TransactionID, Status: o.Status, Product: o.Product, Quantity: o.Quantity, Price: o.Price, Total: o.Total,
		UserInformation: o.UserInformation, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
	of, err := q.Auth.GetAccount(ctx, o.Account)
	switch {
	case errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased):
		return shown, nil
	case err == nil:
		shown.User = &gen.OrderUser{ID: of.ID, Number: of.Number, Username: of.Username, DisplayName: of.DisplayName}
	}
	return shown, err
}

func transactionsOf(ctx context.Context, q store.Queries, page page, found []store.Order) (data gen.TransactionPage, err error) {
	shown, next := cut(page, found, orderPosition)
	data = gen.TransactionPage{Transactions: []gen.Transaction{}, Page: page.number, Limit: page.limit, NextCursor: next}
	for _, o := range shown {
		transaction, err := transactionOf(ctx, q, o)
		if err != nil {
			return data, err
		}
		data.Transactions = append(data.Transactions, transaction)
	}
	return data, nil
}

// ListTransactions shows the orders of a community.
func (h rewards) ListTransactions(ctx context.Context, r stub.ListTransactionsRequestObject) (stub.ListTransactionsResponseObject, error) {
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	q := h.store.Queries
	s, err := resolve(ctx, q, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	ask := store.OrderQuery{
		ServerID: s.ID, StatusID: valueOf(r.Params.Status), ProductID: valueOf(r.Params.ProductID), In: momentsOf(valueOf(r.Params.From), valueOf(r.Params.To)),
	}
	found, err := q.Orders.List(ctx, ask, page.asked())
	if err != nil {
		return nil, err
	}
	data, err := transactionsOf(ctx, q, page, found)
	return stub.ListTransactions200JSONResponse{Status: integration, Message: "Redemption transactions fetched successfully", Data: data}, err
}

// ListTransactionsByEmail shows the orders of a member.
func (h rewards) ListTransactionsByEmail(ctx context.Context, r stub.ListTransactionsByEmailRequestObject) (stub.ListTransactionsByEmailResponseObject, error) {
	page, err := pageIn(ctx, r.Body.Page, r.Body.Limit, r.Body.Cursor)
	if err != nil {
		return nil, err
	}
	q := h.store.Queries
	s, of, err := memberAsked(ctx, q, identifiedBy{string(r.Body.Email), "", gen.IdentifierTypeEmail})
	if err != nil {
		return nil, err
	}
	found, err := q.Orders.ListOf(ctx, s.ID, of.AccountNumber, page.asked())
	if err != nil {
		return nil, err
	}
	data, err := transactionsOf(ctx, q, page, found)
	return stub.ListTransactionsByEmail200JSONResponse{Status: integration, Message: "Redemption transactions fetched successfully", Data: data}, err
}

// UpdateTransactionStatus changes the status of an order.
func (h rewards) UpdateTransactionStatus(ctx context.Context, r stub.UpdateTransactionStatusRequestObject) (stub.UpdateTransactionStatusResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateTransactionStatus200JSONResponse, err error) {
		o, err := tx.Orders.GetNamed(ctx, r.Body.TransactionID)
		if errors.Is(err, store.ErrNotFound) {
			err = contract.NotFound("order")
		}
		if err != nil {
			return answer, err
		}
		s, err := require(ctx, tx.Queries, o.ServerID, "order")
		if err != nil {
			return answer, err
		}
		status, err := statusOf(ctx, tx.Queries, s, r.Body.StatusID)
		if err != nil {
			return answer, err
		}
		before, after, err := h.moveOrder(ctx, tx, o, status)
		if err != nil {
			return answer, err
		}
		answer = stub.UpdateTransactionStatus200JSONResponse{Status: integration, Message: "Transaction status updated successfully", Data: after}
		return answer, record(ctx, h.core, tx, s.ID, o.TransactionID, &before, &after)
	})
}

// orderStatus is a status as an order shows it.
func orderStatus(s store.Status) gen.OrderStatus {
	return gen.OrderStatus{ID: s.ID, Name: s.Name, Category: gen.StatusCategory(s.Category), Color: s.Color}
}

// statusOf finds a status of a server.
func statusOf(ctx context.Context, q store.Queries, s standing, id string) (status store.Status, err error) {
	status, err = q.Statuses.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && status.ServerID != s.ID {
		err = contract.NotFound("redemption status")
	}
	return status, err
}

// moveOrder is the step that gives an order another status and, if it is cancelled, the coins and the pieces back. It locks the totals
// first, then the order, and the row of the stock last: see buying.
func (k *core) moveOrder(ctx context.Context, tx *store.Tx, o store.Order, to store.Status) (before, after gen.TransactionStatus, err error) {
	cancels := to.Category == string(gen.StatusCategoryCancelled)
	if cancels && o.Account > 0 {
		if _, err := tx.Ledger.HoldTotals(ctx, o.ServerID, o.Account); err != nil {
			return before, after, err
		}
	}
	if o, err = tx.Orders.Hold(ctx, o.TransactionID); err != nil {
		return before, after, err
	}
	before = gen.TransactionStatus{TransactionID: o.TransactionID, StatusID: o.StatusID, Status: o.Status}
	after = before
	after.StatusID, after.Status = to.ID, orderStatus(to)
	switch {
	case o.StatusID == to.ID:
		return before, after, nil
	case o.Cancelled && !cancels:
		return before, after, conflictAt("/statusId", "The order was cancelled", "there is no way out of a status of the category cancelled")
	}
	refunds := cancels && !o.Cancelled
	o.StatusID, o.UpdatedAt, o.Cancelled = to.ID, gen.Time{Time: k.now()}, cancels
	if refunds && o.Account > 0 && o.Total > 0 {
		if _, err := k.credit(ctx, tx, store.LedgerLine{
			ServerID: o.ServerID, Account: o.Account, Action: string(gen.ActionRefunds), Reason: string(gen.ActionRefunds) + "/" + o.ID, Day: o.Day, Coins: o.Total,
		}); err != nil {
			return before, after, err
		}
	}
	if refunds && o.Taken > 0 {
		if err := k.giveBack(ctx, tx, &o); err != nil {
			return before, after, err
		}
	}
	if err := tx.Orders.SetStatus(ctx, o); err != nil {
		return before, after, err
	}
	o.Status = after.Status
	return before, after, k.orderMoved(ctx, tx, gen.WebhookEventTypeRedemptionUpdated, o)
}

// giveBack is the step that puts the pieces of an order back: of codes, only if their buyer has not seen them.
func (k *core) giveBack(ctx context.Context, tx *store.Tx, o *store.Order) error {
	codes := o.Product.Type == gen.ProductTypeVoucher
	if codes {
		if _, seen, err := tx.Vouchers.ListOfOrder(ctx, o.ID); err != nil || seen {
			return err
		}
	}
	there, err := tx.Products.GiveBack(ctx, o.Product.ID, o.Taken)
	if err != nil || !there {
		return err
	}
	o.Taken = 0
	if codes {
		err = tx.Vouchers.Release(ctx, o.ID)
	}
	return err
}
