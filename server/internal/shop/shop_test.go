package shop_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/shop"
)

var (
	now = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	ada = shop.Member{Number: "1", Roles: []string{"@all", "VIP"}}
)

func role(ids ...string) gen.StorePermission {
	return gen.StorePermission{IsEnabled: true, Type: "role", AccessLevel: "full-access", Permission: gen.StoreAudience{RoleNames: ids}}
}

func TestTheFirstEntryThatNamesAMemberHolds(t *testing.T) {
	user := gen.StorePermission{IsEnabled: true, Type: "user", AccessLevel: "view-only", Permission: gen.StoreAudience{Usernames: []string{"1"}}}
	nobody := gen.StorePermission{IsEnabled: true, Type: "tag", AccessLevel: "full-access", Permission: gen.StoreAudience{TagNames: []string{"gold"}}}
	all := gen.StorePermission{IsEnabled: true, Type: "role", AccessLevel: "no-access", Permission: gen.StoreAudience{IsSelectAll: true}}
	off := role("VIP")
	off.IsEnabled = false
	both := gen.StorePermission{IsEnabled: true, Type: "combination", AccessLevel: "full-access", Permission: gen.StoreAudience{Combination: []gen.StoreCombination{
		{Type: "role", Values: []string{"VIP", "Staff"}}, {Type: "user", Values: []string{"1"}},
	}}}
	neither := both
	neither.Permission.Combination = append([]gen.StoreCombination{{Type: "tag", Values: []string{"gold"}}}, both.Permission.Combination...)
	empty := gen.StorePermission{IsEnabled: true, Type: "combination", AccessLevel: "full-access"}
	for name, is := range map[string]struct {
		entries gen.StorePermissions
		want    shop.Level
	}{
		"none":                     {nil, shop.Nothing},
		"a role":                   {gen.StorePermissions{role("VIP")}, shop.Buy},
		"another role":             {gen.StorePermissions{role("Staff")}, shop.Nothing},
		"a user":                   {gen.StorePermissions{user, role("VIP")}, shop.Look},
		"a tag":                    {gen.StorePermissions{nobody}, shop.Nothing},
		"all, and first":           {gen.StorePermissions{all, role("VIP")}, shop.Nothing},
		"all, and last":            {gen.StorePermissions{role("VIP"), all}, shop.Buy},
		"one that is off":          {gen.StorePermissions{off, user}, shop.Look},
		"a combination":            {gen.StorePermissions{both}, shop.Buy},
		"a combination with a tag": {gen.StorePermissions{neither}, shop.Nothing},
		"a combination of nothing": {gen.StorePermissions{empty}, shop.Nothing},
	} {
		if got := shop.Access(true, is.entries, ada); got != is.want {
			t.Errorf("%s: got %d, want %d", name, got, is.want)
		}
		if got := shop.Access(false, is.entries, ada); got != shop.Buy {
			t.Errorf("%s, not restricted: got %d", name, got)
		}
	}
}

func TestAPriceIsThatOfTheMomentAndOfTheMember(t *testing.T) {
	at := func(hours int) gen.Nullable[gen.Time] {
		return gen.NullableOf(gen.Time{Time: now.Add(time.Duration(hours) * time.Hour)})
	}
	special := role("VIP")
	special.PurchaseAccess = &gen.StorePurchaseAccess{SpecialPrice: 50, IsSpecialPriceEnabled: true}
	off := role("VIP")
	off.PurchaseAccess = &gen.StorePurchaseAccess{SpecialPrice: 50}
	discount := gen.Product{Price: 100, DiscountPrice: 80, IsDiscountEnabled: true}
	windowed := func(from, until gen.Nullable[gen.Time], entries ...gen.StorePermission) gen.Product {
		p := discount
		p.DiscountStartDate, p.DiscountEndDate, p.ProductPermission = from, until, entries
		return p
	}
	none := gen.Null[gen.Time]()
	for name, is := range map[string]struct {
		product gen.Product
		want    int32
	}{
		"plain":                        {gen.Product{Price: 100, DiscountPrice: 80}, 100},
		"a discount without end":       {windowed(none, none), 80},
		"a discount that begins now":   {windowed(at(0), at(1)), 80},
		"a discount that ends now":     {windowed(at(-1), at(0)), 100},
		"a discount that is to come":   {windowed(at(1), none), 100},
		"a special price":              {gen.Product{Price: 100, ProductPermission: gen.StorePermissions{special}}, 50},
		"a special price that is off":  {gen.Product{Price: 100, ProductPermission: gen.StorePermissions{off}}, 100},
		"a special price and discount": {windowed(none, none, special), 50},
		"a lower discount":             {gen.Product{Price: 100, DiscountPrice: 0, IsDiscountEnabled: true, ProductPermission: gen.StorePermissions{special}}, 0},
	} {
		if got := shop.Price(is.product, ada, now); got != is.want {
			t.Errorf("%s: got %d, want %d", name, got, is.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := gen.Product{Price: rapid.Int32Range(0, 1000).Draw(t, "price"), DiscountPrice: rapid.Int32Range(0, 1000).Draw(t, "discount"), ProductPermission: gen.StorePermissions{special}}
		if got := shop.Price(p, ada, now); got > p.Price || got > 50 {
			t.Fatalf("who has a special price pays %d of %d", got, p.Price)
		}
	})
}

func TestALimitCountsTheLastDays(t *testing.T) {
	today := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	for unit, since := range map[gen.StoreInterval]string{"days": "2026-03-30", "weeks": "2026-03-18", "months": "2026-02-01", "years": "2024-04-01"} {
		entry := role("VIP")
		entry.PurchaseLimit = &gen.StorePurchaseLimit{IsPurchaseLimitEnabled: true, Quantity: 3, IntervalCount: 2, IntervalUnit: unit}
		most, from, limited := shop.Limit(gen.StorePermissions{entry}, ada, today)
		if !limited || most != 3 || from.Format(time.DateOnly) != since {
			t.Errorf("2 %s: %d since %s, %v; want 3 since %s", unit, most, from.Format(time.DateOnly), limited, since)
		}
		entry.PurchaseLimit.IsPurchaseLimitEnabled = false
		if _, _, limited := shop.Limit(gen.StorePermissions{entry}, ada, today); limited {
			t.Errorf("%s: limited by what is off", unit)
		}
	}
}
