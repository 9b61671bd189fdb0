package widget

import (
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// StoreView is what is sold, or one product of it, or what somebody has bought.
type StoreView struct {
	Store      gen.StoreConfig
	Categories []gen.Category
	Category   string // the id of the one that is shown; empty: all
	Products   []gen.Product
	Product    *gen.Product
	Orders     []gen.Purchase
	ShowOrders bool
	Balance    *int64 // the coins of who is looking
	Page       int    // from 1
	More       bool
}

// Coin is what the currency is called.
func (v *StoreView) Coin() string {
	if v.Store.Currency.IsEnabled && v.Store.Currency.Name != "" {
		return v.Store.Currency.Name
	}
	return "coins"
}

// Previous is the number of the page before this one.
func (v *StoreView) Previous() int { return v.Page - 1 }

// Next is the number of the page after this one.
func (v *StoreView) Next() int { return max(1, v.Page) + 1 }

// Current is the name of the category that is shown.
func (v *StoreView) Current() string {
	for _, category := range v.Categories {
		if category.ID == v.Category {
			return category.Name
		}
	}
	return ""
}

// Of is the name of the category of a product, if it has one.
func (v *StoreView) Of(product gen.Product) string {
	name, _ := product.Category.Get()
	return name
}

// SoldOut tells whether nothing is left of a product.
func (v *StoreView) SoldOut(product gen.Product) bool {
	left, counted := product.Stocks.Get()
	return counted && left <= 0
}

// Short is how many coins somebody lacks for a product.
func (v *StoreView) Short(product gen.Product) int64 {
	if v.Balance == nil {
		return 0
	}
	return max(0, int64(product.CurrentPrice)-*v.Balance)
}

// Reduced tells whether a product costs less than it does otherwise.
func (v *StoreView) Reduced(product gen.Product) bool { return product.CurrentPrice < product.Price }

// Off is by how many percent a product is reduced.
func (v *StoreView) Off(product gen.Product) int64 {
	if product.Price <= 0 {
		return 0
	}
	return (int64(product.Price) - int64(product.CurrentPrice)) * 100 / int64(product.Price)
}

// few is how many pieces left are worth a word.
const few = 10

// Left says how much there is of a product, where that is to be seen.
func (v *StoreView) Left(product gen.Product) string {
	left, counted := product.Stocks.Get()
	switch {
	case !counted:
		return ""
	case left <= 0:
		return "Sold out"
	case left <= few:
		return "Only " + number(left) + " left"
	}
	return number(left) + " left"
}

// Soon says when a product can be bought, or until when, if that is not for ever.
func (p Page) Soon(product gen.Product) string {
	if from, is := product.AvailableFrom.Get(); is && from.After(p.Now) {
		return "From " + p.Full(from)
	}
	if until, is := product.AvailableUntil.Get(); is {
		if !until.After(p.Now) {
			return "No longer sold"
		}
		return "Ends in " + p.Until(until)
	}
	if until, is := product.DiscountEndDate.Get(); is && p.Store.Reduced(product) && until.After(p.Now) {
		return "At this price for " + p.Until(until)
	}
	return ""
}

// Sold tells whether a product is sold now.
func (p Page) Sold(product gen.Product) bool {
	from, begins := product.AvailableFrom.Get()
	until, ends := product.AvailableUntil.Get()
	return !p.Store.SoldOut(product) && !(begins && from.After(p.Now)) && !(ends && !until.After(p.Now))
}

// What says what kind of thing a product is.
func (v *StoreView) What(kind gen.ProductType) string {
	switch kind {
	case gen.ProductTypeVoucher:
		return "Code, right away"
	case gen.ProductTypePhysical:
		return "Sent to you"
	}
	return "Digital"
}

// CurrencyView is what a member has.
type CurrencyView struct {
	Balance   gen.Balance
	CoinName  string
	ShowLevel bool
	Levels    []gen.TierLevel // of all tiers, the lowest first
	Tiers     []gen.Tier
	Level     int32 // from 1; 0: below the lowest
	Tier      string
	Badges    []gen.Badge
	Streaks   []gen.StreakStanding
}

// Coin is what the coins are called.
func (v *CurrencyView) Coin() string {
	if v.CoinName == "" {
		return "Coins"
	}
	return v.CoinName
}

// LevelName is what the level is called.
func (v *CurrencyView) LevelName() string {
	if v.Level >= 1 && int(v.Level) <= len(v.Levels) {
		return v.Levels[v.Level-1].Name
	}
	return "Newcomer"
}

// Following is the level after the one that is reached.
func (v *CurrencyView) Following() *gen.TierLevel {
	if int(v.Level) < len(v.Levels) && v.Level >= 0 {
		return &v.Levels[v.Level]
	}
	return nil
}

func (v *CurrencyView) floor() int64 {
	if v.Level >= 1 && int(v.Level) <= len(v.Levels) {
		return v.Levels[v.Level-1].XP
	}
	return 0
}

// Done is how much of the way from this level to the following one is gone.
func (v *CurrencyView) Done() int64 { return max(0, v.Balance.XP-v.floor()) }

// Way is how much XP there are between this level and the following one.
func (v *CurrencyView) Way() int64 {
	if next := v.Following(); next != nil {
		return max(1, next.XP-v.floor())
	}
	return 1
}

// Missing is how much XP it takes to the following level.
func (v *CurrencyView) Missing() int64 {
	if next := v.Following(); next != nil {
		return max(0, next.XP-v.Balance.XP)
	}
	return 0
}

// Ring is how long the drawn part of a circle is whose whole length is 100.
func (v *CurrencyView) Ring() int64 {
	if v.Following() == nil {
		return 100
	}
	return min(100, v.Done()*100/v.Way())
}

// A Mark is one of the last periods of a streak.
type Mark struct{ Done, Now bool }

const marks = 7

// Marks are the last periods of a streak, and the one that runs.
func (v *CurrencyView) Marks(s gen.StreakStanding) (all []Mark) {
	before := s.Current
	if s.DoneInPeriod {
		before--
	}
	for i := int64(marks - 1); i > 0; i-- {
		all = append(all, Mark{Done: i <= before})
	}
	return append(all, Mark{Done: s.DoneInPeriod, Now: true})
}

// OverviewView is how a community does.
type OverviewView struct {
	Overview gen.LoyaltyOverview
	Range    int // days
}

// A Tile is a number of an overview.
type Tile struct{ Label, Value, Note, Icon string }

// Tiles are the numbers of the overview.
func (v *OverviewView) Tiles() []Tile {
	o := v.Overview
	return []Tile{
		{"Members", short(o.Members.Total), short(o.Members.New) + " new", "users"},
		{"Active", short(o.Members.Active), short(o.Members.Returning) + " returning", "flame"},
		{"Messages", short(o.Activity.Messages), short(o.Activity.Replies) + " replies", "chat"},
		{"XP issued", short(o.XP.Issued), short(o.XP.Spent) + " spent", "spark"},
		{"Coins issued", short(o.Coins.Issued), short(o.Coins.Spent) + " spent", "coin"},
		{"Redemptions", short(o.Activity.Redemptions), short(o.Activity.Reactions) + " reactions", "bag"},
	}
}

// Ranges are how many days can be chosen.
func (p Page) Ranges() []int { return []int{7, 30, 90} }

// Period says from when to when it is.
func (v *OverviewView) Period() string {
	return day(v.Overview.From).Format("2 January 2006") + " – " + day(v.Overview.To).Format("2 January 2006")
}

func day(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// A Bar is a row of a ranking: a name with a value, as a share of the most.
type Bar struct {
	Name  string
	Value int64
	Most  int64
}

// SpreadTitle says over what members are spread: tiers, or roles where there are no tiers.
func (v *OverviewView) SpreadTitle() string {
	if s := v.Overview.Snapshot; s != nil && len(s.Tiers) == 0 {
		return "Members by role"
	}
	return "Members by tier"
}

// SpreadBars are how many members are in each.
func (v *OverviewView) SpreadBars() (bars []Bar) {
	for _, tier := range v.Overview.Snapshot.Tiers {
		name, is := tier.Name.Get()
		if !is {
			name = "None yet"
		}
		bars = append(bars, Bar{Name: name, Value: tier.Members})
	}
	if len(bars) == 0 {
		for _, role := range v.Overview.Snapshot.Roles {
			bars = append(bars, Bar{Name: role.Title, Value: role.Members})
		}
	}
	return scaled(bars)
}

// Highest are those with the most XP.
func (v *OverviewView) Highest() (bars []Bar) {
	for _, m := range v.Overview.Highest {
		bars = append(bars, Bar{Name: m.DisplayName, Value: m.XP})
	}
	return scaled(bars)
}

func scaled(bars []Bar) []Bar {
	most := int64(1)
	for _, bar := range bars {
		most = max(most, bar.Value)
	}
	for i := range bars {
		bars[i].Most = most
	}
	return bars
}

// CommunityView is a community with its widgets side by side.
type CommunityView struct {
	Server  gen.Server
	Widgets []Placed
}

// A Placed widget is one of a community's page.
type Placed struct {
	Kind    Kind
	ID      string
	Name    string
	Address string
}
