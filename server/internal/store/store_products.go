package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Products holds what stores sell, and how much of it there is.
type Products struct{ *conn }

// MaxProducts is how many a server may have. The contract says so of the list.
const MaxProducts = 1000

// A Product is one with what is counted of it. Its definition does not hold that, nor what things are called that it refers to.
type Product struct {
	gen.Product
	Stock  *int64 // how many pieces there are; nil: any number
	Orders int64
}

const selectProduct = `SELECT p.definition, s.stock, s.orders FROM products p JOIN product_stock s ON s.product_id = p.id `

func scanProduct(rows *sql.Rows) (p Product, err error) {
	return p, rows.Scan(document{&p.Product}, &p.Stock, &p.Orders)
}

// Get returns a product. In a shared transaction, nobody changes it until that ends; others buy it meanwhile.
func (q Products) Get(ctx context.Context, id string) (Product, error) {
	return get(ctx, q.conn, scanProduct, selectProduct+`WHERE p.id = $1 /* FOR SHARE OF p */`, id)
}

// A ProductCard is what a list of products is made from.
type ProductCard struct {
	ID, Name, Type      string
	CategoryID          string // empty: none
	Price               int32
	Position            int64
	Archived, Discounts bool
	Restricted          bool
	Access              gen.StorePermissions
	CreatedAt           gen.Time
	UpdatedAt           gen.Time
}

// ListCards returns the cards of the products of a server, the oldest first; without access, where nobody asks for that: it is long.
func (q Products) ListCards(ctx context.Context, serverID string, access bool) ([]ProductCard, error) {
	column := "''"
	if access {
		column = "access"
	}
	return list(ctx, q.conn, func(rows *sql.Rows) (c ProductCard, err error) {
		var category sql.NullString
		var access string
		err = rows.Scan(&c.ID, &c.Name, &c.Type, &category, &c.Price, &c.Position, &c.Archived, &c.Discounts, &c.Restricted, &access, micros{&c.CreatedAt}, micros{&c.UpdatedAt})
		c.CategoryID = category.String
		if err == nil && access != "" {
			err = document{&c.Access}.Scan(access)
		}
		return c, err
	}, `SELECT id, name, type, category_id, price, position, archived, discounted, restricted, `+column+`, created_at, updated_at
	 FROM products WHERE server_id = $1 ORDER BY created_at, id`, serverID)
}

// atOnce is how many products ListOf asks for at once: as many as what is remembered may have arguments.
const atOnce = 7

// ListOf returns the products with these ids, in their order, without those that are gone.
func (q Products) ListOf(ctx context.Context, ids []string) (all []Product, err error) {
	byID := map[string]Product{}
	for from := 0; from < len(ids); from += atOnce {
		args := make([]any, atOnce)
		for i := range args {
			args[i] = ids[min(from+i, len(ids)-1)]
		}
		found, err := list(ctx, q.conn, scanProduct, selectProduct+`WHERE p.id IN ($1, $2, $3, $4, $5, $6, $7)`, args...)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			byID[p.ID] = p
		}
	}
	for _, id := range ids {
		if p, there := byID[id]; there {
			all = append(all, p)
		}
	}
	return all, nil
}

func columnsOfProduct(p gen.Product) []any {
	access := ""
	if len(p.ProductPermission) > 0 {
		access = written(p.ProductPermission)
	}
	return []any{
		p.ID, textOrNull(p.CategoryID), written(p), textOrNull(p.PurchaseStatusOverride.StatusID), p.Name, string(p.Type), p.Price, p.DisplayOrder,
		p.IsArchived, p.IsDiscountEnabled, p.IsProductAccessEnabled, access, p.UpdatedAt.UnixMicro(),
	}
}

// Insert adds a product, with its stock. Beyond MaxProducts it is a LimitError.
func (q Products) Insert(ctx context.Context, p Product) error {
	if err := q.exec(ctx, `INSERT INTO products (id, category_id, definition, status_id, name, type, price, position, archived, discounted, restricted, access, updated_at, server_id, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`, append(columnsOfProduct(p.Product), p.CommunityID, p.CreatedAt.UnixMicro())...); err != nil {
		return err
	}
	if err := q.exec(ctx, `INSERT INTO product_stock (product_id, stock) VALUES ($1, $2)`, p.ID, p.Stock); err != nil {
		return err
	}
	return q.countIn(ctx, productsTally, p.CommunityID)
}

// Update replaces a product, but for its stock.
func (q Products) Update(ctx context.Context, p gen.Product) error {
	return q.change(ctx, `UPDATE products SET category_id = $2, definition = $3, status_id = $4, name = $5, type = $6, price = $7, position = $8, archived = $9,
	       discounted = $10, restricted = $11, access = $12, updated_at = $13 WHERE id = $1`, columnsOfProduct(p)...)
}

// SetStock sets how many pieces there are from now on; nil: any number.
func (q Products) SetStock(ctx context.Context, id string, stock *int64) error {
	return q.change(ctx, `UPDATE product_stock SET stock = $2 WHERE product_id = $1`, id, stock)
}

// Delete removes a product. Its codes are removed by DeleteRest, because there may be many.
func (q Products) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, productsTally, `DELETE FROM products WHERE id = $1 RETURNING server_id`, id)
}

// DeleteRest removes some of the codes of a deleted product that nobody has bought, and tells whether there may be more.
func (q Products) DeleteRest(ctx context.Context, id string, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM vouchers WHERE (product_id, hash) IN (SELECT product_id, hash FROM vouchers WHERE product_id = $1 AND order_id IS NULL LIMIT $2)`, id, some)
}

// Vouchers holds the codes of products, sealed.
type Vouchers struct{ *conn }

// MaxVouchers is how many codes a product may ever have had. The contract says so in words.
const MaxVouchers = 100_000

// A Voucher is a code as it is kept.
type Voucher struct {
	ProductID, ServerID string
	Hash                string
	Sealed              string
	ExpiresAt           *gen.Time // nil: never
}

// Insert adds codes to the stock of a product, in their order. If the product has or had one of them already, it is a
// *DuplicateVoucherError, and beyond MaxVouchers a LimitError.
func (q Vouchers) Insert(ctx context.Context, productID string, all []Voucher) error {
	given, err := get(ctx, q.conn, scanOne[int64], `UPDATE product_stock SET stock = stock + $2, given = given + $2 WHERE product_id = $1 RETURNING given`, productID, len(all))
	if err != nil {
		return err
	}
	if given > MaxVouchers {
		return &LimitError{Most: MaxVouchers, What: "codes of a product"}
	}
	for i, v := range all {
		expires := int64(latest)
		if v.ExpiresAt != nil {
			expires = v.ExpiresAt.UnixMicro()
		}
		added, err := q.changed(ctx, `INSERT INTO vouchers (product_id, hash, server_id, sealed, seq, expires_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			productID, v.Hash, v.ServerID, v.Sealed, given-int64(len(all))+int64(i), expires)
		if err != nil {
			return err
		}
		if !added {
			return &DuplicateVoucherError{i}
		}
	}
	return nil
}

// A DuplicateVoucherError says that a product has or had a code already.
type DuplicateVoucherError struct{ At int } // among those that were given

func (e *DuplicateVoucherError) Error() string { return "the product has this code already" }

// Expire takes codes that have expired at now out of the stock of a product, some of them, and tells how many. Without a product, it is
// the one of which a code expired first.
func (q Vouchers) Expire(ctx context.Context, productID string, now time.Time, some int) (n int64, err error) {
	if productID == "" {
		productID, err = get(ctx, q.conn, scanOne[string], `SELECT product_id FROM vouchers WHERE order_id IS NULL AND NOT expired AND expires_at < 9223372036854775807 AND expires_at <= $1 ORDER BY expires_at LIMIT 1`+unlocked, now.UnixMicro())
		if errors.Is(err, ErrNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
	gone, err := list(ctx, q.conn, scanOne[string], `UPDATE vouchers SET expired = TRUE WHERE (product_id, hash) IN (
	       SELECT product_id, hash FROM vouchers WHERE product_id = $1 AND order_id IS NULL AND NOT expired AND expires_at < 9223372036854775807 AND expires_at <= $2 ORDER BY expires_at LIMIT $3`+unlocked+`) RETURNING hash`,
		productID, now.UnixMicro(), some)
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	err = q.exec(ctx, `UPDATE product_stock SET stock = stock - $2 WHERE product_id = $1`, productID, len(gone)) // which is gone if the product is
	return int64(len(gone)), err
}

// Sealing returns what tells whether a secret key is the one with which something is sealed; ErrNotFound: nothing is.
func (q Vouchers) Sealing(ctx context.Context) (proof string, err error) {
	return get(ctx, q.conn, scanOne[string], `SELECT proof FROM sealing WHERE id = 1`+unlocked)
}

// Seals notes that something is sealed from now on, and tells whether it is with the key that has this proof.
func (q Vouchers) Seals(ctx context.Context, proof string) (bool, error) {
	if err := q.exec(ctx, `INSERT INTO sealing (id, proof) VALUES (1, $1) ON CONFLICT DO NOTHING`, proof); err != nil {
		return false, err
	}
	kept, err := q.Sealing(ctx)
	return kept == proof, err
}
