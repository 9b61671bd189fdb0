package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/gen"
)

// buys lets a member buy a product of codes, and gives it back.
func (l *life) buys(server, product string, account int64) {
	ctx, check := l.Context(), l.check
	l.tx(func(tx *Tx) error {
		statuses, err := tx.Statuses.List(ctx, server)
		l.must(err)
		status, err := tx.Statuses.Get(ctx, statuses[0].ID)
		l.must(err)
		check(tx.Statuses.Hold(ctx, server))
		check(tx.Statuses.Look(ctx, status.ID))
		unused := statuses[len(statuses)-1]
		check(tx.Statuses.IsUsed(ctx, unused))
		check(0, tx.Statuses.Update(ctx, unused))
		check(0, tx.Statuses.Delete(ctx, unused.ID))
		o := Order{ServerID: server, Account: account, StatusID: status.ID, Day: 20513, Taken: 1}
		o.ID, o.TransactionID, o.Quantity, o.CreatedAt = l.id(), "ORD"+l.id(), 1, l.now()
		o.Product = gen.OrderedProduct{ID: product, Type: gen.ProductTypeVoucher}
		if counted, enough, err := tx.Products.Take(ctx, product, 1); err != nil || !counted || !enough {
			l.Errorf("taken: %v, %v, %v", counted, enough, err)
		}
		if _, enough, err := tx.Products.Take(ctx, product, 100); err != nil || enough {
			l.Errorf("taken more than there is: %v, %v", enough, err)
		}
		check(tx.Vouchers.Sell(ctx, product, o.ID, 1, false, false, l.nowAt))
		if _, err := tx.Vouchers.Sell(ctx, product, o.ID, 100, true, false, l.nowAt); !errors.Is(err, ErrNotFound) {
			l.Errorf("got %v for more codes than there are", err)
		}
		for _, want := range []bool{true, false} {
			if added, err := tx.Orders.Insert(ctx, o); err != nil || added != want {
				l.Errorf("added %v, %v; want %v", added, err, want)
			}
			o.ID = l.id()
		}
		o, err = tx.Orders.Hold(ctx, o.TransactionID)
		l.must(err)
		if sealed, shown, err := tx.Vouchers.ListOfOrder(ctx, o.ID); err != nil || shown || len(sealed) != 1 {
			l.Errorf("got %v, %v, %v", sealed, shown, err)
		}
		check(0, tx.Vouchers.Show(ctx, o.ID))
		for _, of := range [][2]string{{product, ""}, {"", "none"}} {
			check(tx.Orders.CountSince(ctx, account, of[0], of[1], 0, 10))
		}
		check(tx.Orders.ListOf(ctx, server, account, Page{Limit: 20}))
		for _, ask := range []OrderQuery{{}, {StatusID: status.ID}, {ProductID: product}, {StatusID: status.ID, ProductID: product, In: Range{From: new(int64), To: new(l.nowAt.UnixMicro())}}} {
			ask.ServerID = server
			if found, err := tx.Orders.List(ctx, ask, Page{Limit: 20}); err != nil || len(found) != 1 {
				l.Errorf("%+v: got %v, %v", ask, found, err)
			}
		}
		check(tx.Products.GiveBack(ctx, product, 1))
		check(0, tx.Vouchers.Release(ctx, o.ID))
		o.Cancelled, o.Taken = true, 0
		check(0, tx.Orders.SetStatus(ctx, o))
		check(tx.Orders.GetNamed(ctx, o.TransactionID))
		return nil
	})
}

// sells gives a server a store with one of everything, and returns a product of codes that was not deleted.
func (l *life) sells(server string) (product string) {
	ctx, check := l.Context(), l.check
	l.tx(func(tx *Tx) error {
		now := l.now()
		if _, err := tx.Stores.Get(ctx, server); !errors.Is(err, ErrNotFound) {
			l.Errorf("got %v for a store that nobody has set up", err)
		}
		for range 2 { // the second time instead of the first
			check(0, tx.Stores.Put(ctx, gen.StoreConfig{ID: server, CommunityID: server, CreatedAt: now, UpdatedAt: now}))
		}
		check(tx.Stores.Get(ctx, server))
		check(0, tx.Statuses.InsertFirst(ctx, server, now.Time, l.id))
		check(0, tx.Statuses.Insert(ctx, Status{ID: l.id(), ServerID: server, Name: "Packed", Category: "incomplete", Color: "#000000", CreatedAt: now}))
		check(tx.Statuses.List(ctx, server))
		kept := gen.Category{ID: l.id(), CommunityID: server, Name: "Mugs", CreatedAt: now, UpdatedAt: now}
		gone := gen.Category{ID: l.id(), CommunityID: server, Name: "Clocks", CreatedAt: now, UpdatedAt: now}
		check(0, tx.Categories.Insert(ctx, kept))
		check(0, tx.Categories.Insert(ctx, gone))
		check(0, tx.Categories.Update(ctx, kept))
		check(0, tx.Categories.Delete(ctx, gone.ID))
		check(tx.Categories.Get(ctx, kept.ID))
		check(tx.Categories.List(ctx, server))
		for i := range 2 {
			p := Product{Product: gen.Product{ID: l.id(), CommunityID: server, CategoryID: gen.NullableOf(kept.ID), Name: "Mug", Type: "voucher", CreatedAt: now, UpdatedAt: now}, Stock: new(int64)}
			check(0, tx.Products.Insert(ctx, p))
			check(0, tx.Products.Update(ctx, p.Product))
			check(0, tx.Products.SetStock(ctx, p.ID, p.Stock))
			over := gen.Time{Time: now.Add(-time.Hour)}
			check(0, tx.Vouchers.Insert(ctx, p.ID, []Voucher{
				{Hash: "a", ServerID: server, Sealed: "x"}, {Hash: "b", ServerID: server, Sealed: "x", ExpiresAt: &over}, {Hash: "c", ServerID: server, Sealed: "x", ExpiresAt: &over},
			}))
			check(tx.Vouchers.Expire(ctx, "", now.Time, 1))
			if i == 0 {
				check(0, tx.Products.Delete(ctx, p.ID))
				check(tx.Products.DeleteRest(ctx, p.ID, 10))
				continue
			}
			if found, err := tx.Products.Get(ctx, p.ID); err != nil || *found.Stock != 2 {
				l.Errorf("got %+v, %v; want a stock of 2", found, err)
			}
			product = p.ID
		}
		check(tx.Categories.HoldsAny(ctx, kept))
		check(tx.Products.ListCards(ctx, server, true))
		check(tx.Products.ListCards(ctx, server, false))
		check(tx.Products.ListOf(ctx, []string{product}))
		for _, proof := range []string{"one", "other"} {
			if same, err := tx.Vouchers.Seals(ctx, proof); err != nil || same != (proof == "one") {
				l.Errorf("sealed with %q: %v, %v", proof, same, err)
			}
		}
		return nil
	})
	return product
}

func TestACodeIsOnceInAProductAndExpiresOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann := l.account()
		server := l.server(ann)
		product := l.sells(server)
		ctx := t.Context()
		err := s.Tx(ctx, func(tx *Tx) error {
			return tx.Vouchers.Insert(ctx, product, []Voucher{{Hash: "d", ServerID: server}, {Hash: "a", ServerID: server}})
		})
		if twice := (*DuplicateVoucherError)(nil); !errors.As(err, &twice) || twice.At != 1 {
			t.Errorf("got %v, want that the second is there already", err)
		}
		for _, want := range []int64{1, 0} {
			l.tx(func(tx *Tx) error {
				n, err := tx.Vouchers.Expire(ctx, product, l.nowAt, 10)
				if n != want {
					t.Errorf("%d have expired, want %d", n, want)
				}
				return err
			})
		}
		found, err := s.Products.Get(ctx, product)
		if err != nil || *found.Stock != 1 {
			t.Errorf("got %+v, %v; want a stock of 1", found, err)
		}
	})
}

// Whoever is named by what they are called is named by what stays the same, once the database is migrated.
func TestPermissionsFromBeforeNameWhomTheyHaveNamed(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		entries := `[{"isEnabled":true,"type":"role","permission":{"roleNames":["VIP","Gone"],"usernames":["ANN","nobody"],"tagNames":["VIP"],` +
			`"combination":[{"type":"user","values":["ann"]},{"type":"tag","values":["ann"]},{"type":"role","values":["VIP"]}]},"accessLevel":"full-access"}]`
		migrateTo(t, url, 75, `DELETE FROM goose_db_version WHERE version_id = 62`, // which came later
			`DROP INDEX bulk_updates_with_rows`, `DROP INDEX bulk_updates_told`,
			`ALTER TABLE bulk_updates DROP COLUMN bytes`, `ALTER TABLE bulk_updates DROP COLUMN told`, `ALTER TABLE bulk_updates DROP COLUMN told_until`,
			`INSERT INTO accounts (number, id, email, username, display_name, created_at) VALUES (7, 'a', 'a@example.com', 'ann', 'Ann', 0)`,
			`INSERT INTO servers (id, name, owner, created_at) VALUES ('s', 'Chess club', 7, 0), ('o', 'Go club', 7, 0)`,
			`INSERT INTO roles (id, server_id, everyone, title, description, class, position, billable, server_permissions, channel_permissions, created_at, updated_at)
			VALUES ('r1', 's', FALSE, 'VIP', '', '', 1, FALSE, '{}', '{}', 0, 0), ('r2', 's', FALSE, 'VIP', '', '', 1, FALSE, '{}', '{}', 0, 0), ('r3', 'o', FALSE, 'VIP', '', '', 1, FALSE, '{}', '{}', 0, 0)`,
			`INSERT INTO categories (id, server_id, name_key, definition, created_at) VALUES ('c', 's', 'c', '{"_id":"c","communityID":"s","categoryPermission":`+entries+`}', 0), ('d', 's', 'd', '{"_id":"d","communityID":"s","categoryPermission":[]}', 0)`,
			`INSERT INTO products (id, server_id, definition, name, type, price, position, archived, discounted, restricted, access, created_at, updated_at)
			VALUES ('p', 's', '{"_id":"p","communityID":"s","productPermission":`+entries+`}', 'Mug', 'physical', 1, 0, FALSE, FALSE, TRUE, '`+entries+`', 0, 0),
			('q', 's', '{"_id":"q","communityID":"s","productPermission":[]}', 'Cup', 'physical', 1, 0, FALSE, FALSE, FALSE, '', 1, 0)`,
			`INSERT INTO product_stock (product_id) VALUES ('p'), ('q')`)
		s := open(t, url)
		audience := gen.StoreAudience{RoleNames: []string{"r1", "r2"}, Usernames: []string{"7"}, TagNames: []string{"VIP"}, Combination: []gen.StoreCombination{
			{Type: "user", Values: []string{"7"}}, {Type: "tag", Values: []string{"ann"}}, {Type: "role", Values: []string{"r1", "r2"}},
		}}
		want := gen.StorePermissions{{IsEnabled: true, Type: "role", AccessLevel: "full-access", Permission: audience}}
		cards, err := s.Products.ListCards(t.Context(), "s", true)
		if err != nil || len(cards) != 2 {
			t.Fatalf("%v, %v", cards, err)
		}
		if short, err := s.Products.ListCards(t.Context(), "s", false); err != nil || short[0].Access != nil || short[0].Name != "Mug" {
			t.Errorf("what nobody asks for is read: %+v, %v", short, err)
		}
		p, err := s.Products.Get(t.Context(), "p")
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Categories.Get(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string]gen.StorePermissions{"the card": cards[0].Access, "the product": p.ProductPermission, "the category": c.CategoryPermission} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		if p.ID != "p" || c.ID != "c" {
			t.Error("something else of a definition was lost")
		}
	})
}
