package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// Orders holds what members have bought.
type Orders struct{ *conn }

// An Order is something that a member has bought.
type Order struct {
	gen.Purchase
	ServerID   string
	Account    int64 // 0: who is there no more
	CategoryID string
	StatusID   string
	Cancelled  bool
	Taken      int64 // pieces from the stock
	Day        int64
}

const selectOrder = `SELECT o.id, o.transaction_id, o.server_id, o.account, o.status_id, o.cancelled, o.quantity, o.price, o.total, o.taken, o.day, o.product, o.buyer, o.created_at, o.updated_at,
       s.name, s.category, s.color FROM orders o JOIN redemption_statuses s ON s.id = o.status_id `

func scanOrder(rows *sql.Rows) (o Order, err error) {
	err = rows.Scan(&o.ID, &o.TransactionID, &o.ServerID, &o.Account, &o.StatusID, &o.Cancelled, &o.Quantity, &o.Price, &o.Total, &o.Taken, &o.Day,
		document{&o.Product}, document{&o.UserInformation}, micros{&o.CreatedAt}, micros{&o.UpdatedAt}, &o.Status.Name, &o.Status.Category, &o.Status.Color)
	o.Status.ID, o.Vouchers = o.StatusID, []string{}
	return o, err
}

// Insert adds an order, and tells whether nobody else has its transaction id.
func (q Orders) Insert(ctx context.Context, o Order) (bool, error) {
	return q.changed(ctx, `INSERT INTO orders (id, transaction_id, server_id, account, product_id, category_id, status_id, cancelled, quantity, price, total, taken, day, product, buyer, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, $8, $9, $10, $11, $12, $13, $14, $15, $15) ON CONFLICT (transaction_id) DO NOTHING`,
		o.ID, o.TransactionID, o.ServerID, o.Account, o.Product.ID, o.CategoryID, o.StatusID, o.Quantity, o.Price, o.Total, o.Taken, o.Day,
		written(o.Product), written(o.UserInformation), o.CreatedAt.UnixMicro())
}

// GetNamed returns the order with a transaction id.
func (q Orders) GetNamed(ctx context.Context, transactionID string) (Order, error) {
	return get(ctx, q.conn, scanOrder, selectOrder+`WHERE o.transaction_id = $1`+unlocked, transactionID)
}

// Hold is GetNamed of an order that nobody else changes before the transaction ends. It is locked before it is read: one statement for both
// would look for the status that the order had before others, for whom it has waited, gave it another one, and find nothing.
func (q Orders) Hold(ctx context.Context, transactionID string) (Order, error) {
	if _, err := get(ctx, q.conn, scanOne[string], `SELECT id FROM orders WHERE transaction_id = $1 /* FOR UPDATE */`, transactionID); err != nil {
		return Order{}, err
	}
	return q.GetNamed(ctx, transactionID)
}

// SetStatus changes the status of an order, and how many pieces it has of the stock.
func (q Orders) SetStatus(ctx context.Context, o Order) error {
	return q.change(ctx, `UPDATE orders SET status_id = $2, cancelled = $3, taken = $4, updated_at = $5 WHERE id = $1`,
		o.ID, o.StatusID, o.Cancelled, o.Taken, o.UpdatedAt.UnixMicro())
}

// CountSince returns how many pieces of a product, or of those of a category, a member has bought since a day; no more than most of them
// are counted.
func (q Orders) CountSince(ctx context.Context, account int64, productID, categoryID string, day, most int64) (int64, error) {
	if productID == "" {
		return get(ctx, q.conn, scanOne[int64], `SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM (
	       SELECT quantity FROM orders WHERE account = $1 AND category_id = $2 AND NOT cancelled AND day >= $3 ORDER BY day DESC LIMIT $4) AS counted_orders`+unlocked, account, categoryID, day, most)
	}
	return get(ctx, q.conn, scanOne[int64], `SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM (
	       SELECT quantity FROM orders WHERE account = $1 AND product_id = $2 AND NOT cancelled AND day >= $3 ORDER BY day DESC LIMIT $4) AS counted_orders`+unlocked, account, productID, day, most)
}

// ListOf returns a page of what a member has bought in a server, the latest first.
func (q Orders) ListOf(ctx context.Context, serverID string, account int64, page Page) ([]Order, error) {
	at, id := page.from(latest)
	return list(ctx, q.conn, scanOrder, selectOrder+`WHERE o.account = $1 AND o.server_id = $2 AND (o.created_at, o.id) < ($3, $4)
	 ORDER BY o.created_at DESC, o.id DESC LIMIT $5 OFFSET $6`, account, serverID, at, id, page.Limit, page.Skip)
}

// An OrderQuery says which orders of a server are wanted.
type OrderQuery struct {
	ServerID            string
	StatusID, ProductID string // empty: any
	In                  Range
}

// List returns a page of the orders of a server, the latest first.
func (q Orders) List(ctx context.Context, ask OrderQuery, page Page) ([]Order, error) {
	at, id := page.from(latest)
	if ask.In.To != nil && *ask.In.To < at {
		at, id = *ask.In.To+1, ""
	}
	text, args := selectOrder+`WHERE o.server_id = $1 AND (o.created_at, o.id) < ($2, $3) `, []any{ask.ServerID, at, id, page.Limit, page.Skip}
	switch {
	case ask.StatusID != "" && ask.ProductID != "":
		text, args = text+`AND o.product_id = $6 AND o.status_id = $7 `, append(args, ask.ProductID, ask.StatusID)
	case ask.StatusID != "":
		text, args = text+`AND o.status_id = $6 `, append(args, ask.StatusID)
	case ask.ProductID != "":
		text, args = text+`AND o.product_id = $6 `, append(args, ask.ProductID)
	}
	found, err := list(ctx, q.conn, scanOrder, text+`ORDER BY o.created_at DESC, o.id DESC LIMIT $4 OFFSET $5`, args...)
	if ask.In.From != nil { // these are the last of them, and one more argument would be one too many for a read that is remembered
		found = slices.DeleteFunc(slices.Clone(found), func(o Order) bool { return o.CreatedAt.UnixMicro() < *ask.In.From })
	}
	return found, err
}

// Take takes pieces of a product out of its stock for an order, and tells whether there were as many, and whether they are counted. It
// locks the row of the stock, which everybody takes last: behind totals, days, server_days and active_days.
func (q Products) Take(ctx context.Context, productID string, pieces int32) (counted, enough bool, err error) {
	limited, err := get(ctx, q.conn, scanOne[bool], `UPDATE product_stock SET stock = stock - $2, taken = taken + CASE WHEN stock IS NULL THEN 0 ELSE $2 END, orders = orders + 1
	 WHERE product_id = $1 AND (stock IS NULL OR stock >= $2) RETURNING stock IS NOT NULL`, productID, pieces)
	if errors.Is(err, ErrNotFound) {
		return false, false, nil
	}
	return limited, err == nil, err
}

// GiveBack puts pieces of an order back into the stock, and tells whether the product is still there. Into a stock that is not counted
// any more, none go.
func (q Products) GiveBack(ctx context.Context, productID string, pieces int64) (bool, error) {
	return q.changed(ctx, `UPDATE product_stock SET stock = stock + $2, taken = taken - $2 WHERE product_id = $1`, productID, pieces)
}

// Sell hands codes of a product over to an order, of which nobody else takes any until the transaction ends: see Take. Those that expire
// first go first, if that is wanted, or else those that were added first. With fewer than there should be, it is ErrNotFound.
func (q Vouchers) Sell(ctx context.Context, productID, orderID string, n int32, expiring, shown bool, now time.Time) (sealed []string, err error) {
	text := `SELECT hash, sealed FROM vouchers WHERE product_id = $1 AND order_id IS NULL AND NOT expired AND +expires_at > $2 ORDER BY seq LIMIT $3` + unlocked // +: by the index of seq
	if expiring {
		text = `SELECT hash, sealed FROM vouchers WHERE product_id = $1 AND order_id IS NULL AND NOT expired AND expires_at > $2 ORDER BY expires_at, seq LIMIT $3` + unlocked
	}
	free, err := list(ctx, q.conn, func(rows *sql.Rows) (v Voucher, err error) { return v, rows.Scan(&v.Hash, &v.Sealed) }, text, productID, now.UnixMicro(), n)
	if err == nil && len(free) < int(n) {
		err = ErrNotFound
	}
	for i := 0; i < len(free) && err == nil; i++ {
		sealed = append(sealed, free[i].Sealed)
		err = q.change(ctx, `UPDATE vouchers SET order_id = $3, shown = $4 WHERE product_id = $1 AND hash = $2 AND order_id IS NULL AND NOT expired`, productID, free[i].Hash, orderID, shown)
	}
	return sealed, err
}

// ListOfOrder returns the codes of an order, sealed, and whether their buyer has seen all of them.
func (q Vouchers) ListOfOrder(ctx context.Context, orderID string) (sealed []string, shown bool, err error) {
	type code struct {
		sealed string
		shown  bool
	}
	found, err := list(ctx, q.conn, func(rows *sql.Rows) (c code, err error) {
		return c, rows.Scan(&c.sealed, &c.shown)
	}, `SELECT sealed, shown FROM vouchers WHERE order_id = $1 ORDER BY seq`+unlocked, orderID)
	shown = true
	for _, c := range found {
		sealed, shown = append(sealed, c.sealed), shown && c.shown
	}
	return sealed, shown, err
}

// Show notes that the buyer sees the codes of an order.
func (q Vouchers) Show(ctx context.Context, orderID string) error {
	return q.exec(ctx, `UPDATE vouchers SET shown = TRUE WHERE order_id = $1`, orderID)
}

// Release takes the codes of an order back.
func (q Vouchers) Release(ctx context.Context, orderID string) error {
	return q.exec(ctx, `UPDATE vouchers SET order_id = NULL WHERE order_id = $1`, orderID)
}

// Get returns a status. In a shared transaction, nobody changes or removes it until that ends.
func (q Statuses) Get(ctx context.Context, id string) (Status, error) {
	return get(ctx, q.conn, scanStatus, selectStatus+`WHERE s.id = $1 /* FOR SHARE OF s */`, id)
}

// Look is Get where it may be out of date.
func (q Statuses) Look(ctx context.Context, id string) (Status, error) {
	return get(ctx, q.conn, scanStatus, selectStatus+`WHERE s.id = $1`+unlocked, id)
}

// Hold returns the statuses of a server, the oldest first, which nobody changes, removes or gives to an order until the transaction ends.
func (q Statuses) Hold(ctx context.Context, serverID string) ([]Status, error) {
	return list(ctx, q.conn, scanStatus, selectStatus+`WHERE s.server_id = $1 ORDER BY s.created_at, s.id /* FOR UPDATE OF s */`, serverID)
}

// Update replaces a status. If another one of the server has its name, it is ErrDuplicate.
func (q Statuses) Update(ctx context.Context, s Status) error {
	return q.change(ctx, `UPDATE redemption_statuses SET name = $2, name_key = $3, category = $4, color = $5 WHERE id = $1`, s.ID, s.Name, words.Caseless(s.Name), s.Category, s.Color)
}

// Delete removes a status.
func (q Statuses) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, statusesTally, `DELETE FROM redemption_statuses WHERE id = $1 RETURNING server_id`, id)
}

// IsUsed tells whether an order, a product or a category has a status.
func (q Statuses) IsUsed(ctx context.Context, s Status) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM orders WHERE status_id = $1) OR EXISTS (SELECT 1 FROM products WHERE server_id = $2 AND status_id = $1)
	    OR EXISTS (SELECT 1 FROM categories WHERE server_id = $2 AND status_id = $1)`+unlocked, s.ID, s.ServerID)
}
