// Package shop says who may see and buy what in a store, and for how much. It knows no database and no clock.
package shop

import (
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Member is who looks at a store, as entries of permissions that are kept name them: by what stays the same, whatever that is called.
type Member struct {
	Number string   // of their account
	Roles  []string // the ids of their roles
}

// Entry is the first entry that is enabled and names a member.
func Entry(all gen.StorePermissions, m Member) (entry gen.StorePermission, found bool) {
	i := slices.IndexFunc(all, func(p gen.StorePermission) bool { return p.IsEnabled && names(p, m) })
	if i < 0 {
		return entry, false
	}
	return all[i], true
}

func names(p gen.StorePermission, m Member) bool {
	a := p.Permission
	switch {
	case a.IsSelectAll:
		return true
	case p.Type == gen.StoreAudienceTypeCombination:
		return len(a.Combination) > 0 && !slices.ContainsFunc(a.Combination, func(c gen.StoreCombination) bool { return !m.is(c.Type, c.Values) })
	}
	return m.is(gen.StoreCombinationTypeRole, a.RoleNames) || m.is(gen.StoreCombinationTypeUser, a.Usernames)
}

// is tells whether one of the values is one of a member's. Nobody has a tag yet.
func (m Member) is(kind gen.StoreCombinationType, values []string) bool {
	switch kind {
	case gen.StoreCombinationTypeRole:
		return slices.ContainsFunc(m.Roles, func(id string) bool { return slices.Contains(values, id) })
	case gen.StoreCombinationTypeUser:
		return m.Number != "" && slices.Contains(values, m.Number)
	}
	return false
}

// A Level is what a member may do.
type Level int

// What a member may do.
const (
	Nothing Level = iota
	Look
	Buy
)

// Access is what a member may do with something: where it is restricted, what the entry says that names them.
func Access(restricted bool, all gen.StorePermissions, m Member) Level {
	if !restricted {
		return Buy
	}
	entry, found := Entry(all, m)
	switch {
	case !found || entry.AccessLevel == gen.StoreAccessNoAccess:
		return Nothing
	case entry.AccessLevel == gen.StoreAccessViewOnly:
		return Look
	}
	return Buy
}

// IsRestricted tells whether a category is for some members only: one of its entries is enabled.
func IsRestricted(all gen.StorePermissions) bool {
	return slices.ContainsFunc(all, func(p gen.StorePermission) bool { return p.IsEnabled })
}

// Price is what a product costs at a moment: the special price of whom an entry names, or the discount while it is on, or else the
// price. Of two that hold, it is the lower one.
func Price(p gen.Product, m Member, now time.Time) int32 {
	price := p.Price
	if p.IsDiscountEnabled && Within(p.DiscountStartDate, p.DiscountEndDate, now) {
		price = p.DiscountPrice
	}
	if entry, found := Entry(p.ProductPermission, m); found && entry.PurchaseAccess != nil && entry.PurchaseAccess.IsSpecialPriceEnabled {
		price = min(price, entry.PurchaseAccess.SpecialPrice)
	}
	return price
}

// Within tells whether a moment is between two others, of which each may be none. The end is not within.
func Within(from, until gen.Nullable[gen.Time], now time.Time) bool {
	if start, there := from.Get(); there && now.Before(start.Time) {
		return false
	}
	end, there := until.Get()
	return !there || now.Before(end.Time)
}

// Limit is how many pieces an entry lets those whom it names buy, from a day on; false: as many as they like. Days are given as dates.
func Limit(all gen.StorePermissions, m Member, today time.Time) (most int64, since time.Time, limited bool) {
	entry, found := Entry(all, m)
	if !found || entry.PurchaseLimit == nil || !entry.PurchaseLimit.IsEnabled && !entry.PurchaseLimit.IsPurchaseLimitEnabled {
		return 0, since, false
	}
	l := *entry.PurchaseLimit
	n := int(l.IntervalCount)
	switch l.IntervalUnit {
	case gen.StoreIntervalWeeks:
		since = today.AddDate(0, 0, 1-7*n)
	case gen.StoreIntervalMonths:
		since = today.AddDate(0, -n, 1)
	case gen.StoreIntervalYears:
		since = today.AddDate(-n, 0, 1)
	default:
		since = today.AddDate(0, 0, 1-n)
	}
	return int64(l.Quantity), since, true
}
