package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

// How many buy at once, and how many pieces there are.
const (
	buyers = 100
	pieces = 10
)

func TestAHundredBuyersAtOnceShareTheLastTen(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		replicas := []*Server{unlimited(open(t, config))}
		if config.Database != "" {
			other := config
			other.Data = t.TempDir()
			replicas = append(replicas, unlimited(open(t, other)))
		}
		r := newRush(t, replicas)
		got := r.buy(t)
		slices.Sort(got)
		if !slices.Equal(got, r.codes) {
			t.Errorf("sold: %v; want each of %v once", got, r.codes)
		}
		r.check(t)
		for _, one := range replicas {
			verify(t, one)
		}
	})
}

// A rush is many who want the last pieces of a product, and could pay for one each.
type rush struct {
	anna           *client.Client
	club, product  string
	codes, numbers []string
	members        []*client.Client
}

func newRush(t *testing.T, replicas []*Server) (r rush) {
	t.Helper()
	var urls []string
	for _, one := range replicas {
		urls = append(urls, listen(t, one))
	}
	ctx, s := t.Context(), replicas[0]
	r.anna = must(client.New(urls[0], client.WithToken(tokenOf(t, s, "anna@example.com"))))
	r.club = must(r.anna.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})).ID
	must(r.anna.Servers.UpdateSettings(ctx, r.club, client.ServerSettingsUpdate{Joining: new(client.JoiningOpen)}))
	must(r.anna.Store.Update(ctx, client.StoreConfigUpdate{ServerID: r.club, IsEnabled: new(true), Title: new("Rewards")}))
	badge := must(r.anna.Badges.Create(ctx, client.BadgeCreate{ServerID: r.club, Title: "Rich", Action: "custom", AwardCurrency: true, AwardCurrencyQuantity: 50}))
	for i := range pieces {
		r.codes = append(r.codes, fmt.Sprint("CODE-", i))
	}
	r.product = must(r.anna.Store.CreateProduct(ctx, client.ProductCreate{ServerID: r.club, Name: "Premium", Price: new(int32(30)), Vouchers: r.codes})).ID
	for i := range buyers {
		member := must(client.New(urls[i%len(urls)], client.WithToken(tokenOf(t, s, fmt.Sprintf("buyer%d@example.com", i)))))
		must(member.Servers.Join(ctx, r.club))
		number := must(member.Auth.Me(ctx)).Number
		must(r.anna.Badges.Award(ctx, badge.ID, number))
		r.members, r.numbers = append(r.members, member), append(r.numbers, number)
	}
	return r
}

// buy has all of them buy at once, and returns the codes that they got.
func (r rush) buy(t *testing.T) (got []string) {
	t.Helper()
	var mu sync.Mutex
	var wait sync.WaitGroup
	begin := make(chan struct{})
	for i, c := range r.members {
		wait.Go(func() {
			<-begin
			bought, err := c.Rewards.Buy(t.Context(), client.PurchaseCreate{ProductID: r.product})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				got = append(got, bought.Vouchers...)
				if bought.Balance != 20 {
					t.Errorf("buyer %d has %d coins left, want 20", i, bought.Balance)
				}
			case !errors.Is(err, client.ErrConflict):
				t.Errorf("buyer %d: %v", i, err)
			}
		})
	}
	close(begin)
	wait.Wait()
	return got
}

// check wants nothing to be left, and as many to have paid as have got something.
func (r rush) check(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	after := must(r.anna.Store.GetProduct(ctx, r.product))
	if stock, _ := after.Stocks.Get(); stock != 0 || after.TotalOrders != pieces {
		t.Errorf("%d are left, and %d orders", stock, after.TotalOrders)
	}
	orders := map[string]bool{}
	for order, err := range r.anna.Rewards.Transactions(ctx, r.club, client.TransactionQuery{ProductID: r.product}) {
		if err != nil {
			t.Fatal(err)
		}
		orders[order.TransactionID] = true
	}
	if len(orders) != pieces {
		t.Errorf("got the orders %v, want %d", orders, pieces)
	}
	poorer := 0
	for _, number := range r.numbers {
		switch coins := must(r.anna.Badges.Balance(ctx, r.club, number)).Coins; coins {
		case 20:
			poorer++
		case 50:
		default:
			t.Errorf("member %s has %d coins", number, coins)
		}
	}
	if poorer != pieces {
		t.Errorf("%d have paid, want %d", poorer, pieces)
	}
}

// A shopClub is a community with a store, its owner, a member with 200 coins, and an API key.
type shopClub struct {
	*testing.T
	anna, ben, key *client.Client
	id, number     string            // of the community, and the member
	statuses       map[string]string // their ids, by name
}

const firstCoins = 200

func openShop(t *testing.T, s *Server, url string) *shopClub {
	c := &shopClub{
		T: t, statuses: map[string]string{},
		anna: must(client.New(url, client.WithToken(tokenOf(t, s, "anna@example.com")))),
		ben:  must(client.New(url, client.WithToken(tokenOf(t, s, "ben@example.com")))),
	}
	ctx := t.Context()
	c.id = must(c.anna.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})).ID
	must(c.anna.Servers.UpdateSettings(ctx, c.id, client.ServerSettingsUpdate{Joining: new(client.JoiningOpen)}))
	must(c.anna.Store.Update(ctx, client.StoreConfigUpdate{ServerID: c.id, IsEnabled: new(true), Title: new("Rewards")}))
	must(c.ben.Servers.Join(ctx, c.id))
	c.number = must(c.ben.Auth.Me(ctx)).Number
	badge := must(c.anna.Badges.Create(ctx, client.BadgeCreate{ServerID: c.id, Title: "Rich", Action: "custom", AwardCurrency: true, AwardCurrencyQuantity: firstCoins}))
	must(c.anna.Badges.Award(ctx, badge.ID, c.number))
	whole := must(c.anna.Keys.Create(ctx, c.id, client.APIKeyCreate{Name: "shop", Permissions: []client.KeyPermission{client.PermissionRedemptions}})).Key
	c.key = must(client.New(url, client.WithAPIKey(whole)))
	must(c.anna.Rewards.CreateStatus(ctx, client.RedemptionStatusCreate{ServerID: c.id, Name: "Returned", Category: client.StatusCancelled, Color: "#000000"}))
	for _, status := range must(c.anna.Rewards.Statuses(ctx, c.id)) {
		c.statuses[status.Name] = status.ID
	}
	return c
}

func (c *shopClub) sells(product client.ProductCreate) string {
	product.ServerID, product.Name = c.id, "Thing"
	return must(c.anna.Store.CreateProduct(c.Context(), product)).ID
}

func (c *shopClub) wants(what string, got, want any) {
	c.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func (c *shopClub) stock(product string) int32 {
	stock, _ := must(c.anna.Store.GetProduct(c.Context(), product)).Stocks.Get()
	return stock
}

// limitedTo lets every member buy so many a day.
func limitedTo(n int32) *gen.StorePermissions {
	return &gen.StorePermissions{{
		IsEnabled: true, Type: "role", AccessLevel: "full-access", Permission: client.StoreAudience{IsSelectAll: true},
		PurchaseLimit: &client.StorePurchaseLimit{IsPurchaseLimitEnabled: true, Quantity: n, IntervalCount: 1, IntervalUnit: "days"},
	}}
}

// atOnce runs something so many times at once, and returns how often it has succeeded; what fails is a conflict.
func (c *shopClub) atOnce(n int, do func(i int) error) int {
	var succeeded atomic.Int64
	var wait sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-begin
			switch err := do(i); {
			case err == nil:
				succeeded.Add(1)
			case !errors.Is(err, client.ErrConflict):
				c.Error(err)
			}
		})
	}
	close(begin)
	wait.Wait()
	return int(succeeded.Load())
}

// The table of README, by its first column. "!" stands before a status that is refused, "*" before one that ten ask for at once.
var changesOfOrders = []struct {
	name, moves string
	refunded    bool
}{
	{"from incomplete to complete", "Completed", false},
	{"from complete to incomplete", "Completed Pending", false},
	{"to the status that it has", "Pending *Pending", false},
	{"from incomplete to cancelled", "Cancelled", true},
	{"from complete to cancelled", "Completed Cancelled", true},
	{"to cancelled again", "Cancelled Cancelled *Returned", true},
	{"to cancelled, by many at once", "*Cancelled", true},
	{"from cancelled to anything else", "Cancelled !Completed !Pending", true},
}

func TestWhatBecomesOfAnOrderIsWhatTheTableSays(t *testing.T) {
	readme := must(os.ReadFile("../README.md"))
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		url := listen(t, s)
		for _, test := range changesOfOrders {
			t.Run(test.name, func(t *testing.T) {
				if !bytes.Contains(readme, []byte("\n| "+test.name+" |")) {
					t.Error("README does not have it")
				}
				c := openShop(t, s, url)
				ctx := t.Context()
				mugs := c.sells(client.ProductCreate{Price: new(int32(30)), Stocks: gen.NullableOf(int32(5)), Type: new(client.ProductPhysical), ProductPermission: limitedTo(2), IsProductAccessEnabled: new(true)})
				seen := c.sells(client.ProductCreate{Price: new(int32(10)), Vouchers: []string{"SEEN-1", "SEEN-2"}})
				unseen := c.sells(client.ProductCreate{Price: new(int32(10)), Vouchers: []string{"UNSEEN-1", "UNSEEN-2"}})
				orders := []string{
					must(c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: mugs, Quantity: 2})).TransactionID,
					must(c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: seen})).TransactionID,
					must(c.key.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: unseen, User: c.number})).TransactionID,
				}
				c.wants("coins", must(c.anna.Badges.Balance(ctx, c.id, c.number)).Coins, firstCoins-80)
				last := ""
				for _, move := range strings.Fields(test.moves) {
					name := strings.TrimLeft(move, "!*")
					for _, order := range orders {
						set := func(int) error {
							_, err := c.anna.Rewards.SetStatus(ctx, order, c.statuses[name])
							return err
						}
						asked := 1
						if move[0] == '*' {
							asked = 10
						}
						succeeded := c.atOnce(asked, set)
						if want := asked * len(strings.Trim(move[:1], "!")); succeeded != want {
							t.Errorf("%s: %d of %d have succeeded", move, succeeded, asked)
						}
					}
					if move[0] != '!' {
						last = name
					}
				}
				c.becomes(test.refunded, last, mugs, seen, unseen)
			})
		}
	})
}

// becomes is what has become of the three orders.
func (c *shopClub) becomes(refunded bool, status, mugs, seen, unseen string) {
	c.Helper()
	ctx := c.Context()
	for order, err := range c.anna.Rewards.Transactions(ctx, c.id, client.TransactionQuery{}) {
		if c.wants("error", err, nil); order.Status.Name != status {
			c.Errorf("the order has the status %s, want %s", order.Status.Name, status)
		}
	}
	spent, left, back := 80, 3, 1
	if refunded {
		spent, left, back = 0, 5, 2
	}
	c.wants("coins", must(c.anna.Badges.Balance(ctx, c.id, c.number)).Coins, firstCoins-spent)
	overview := must(c.anna.Analytics.Overview(ctx, c.id, client.OverviewQuery{}))
	c.wants("coins that were issued", overview.Coins.Issued, firstCoins)
	c.wants("coins that were spent", overview.Coins.Spent, spent)
	c.wants("purchases", overview.Activity.Redemptions, 3)
	c.wants("pieces", c.stock(mugs), left)
	c.wants("codes that were seen", c.stock(seen), 1)
	c.wants("codes that nobody has seen", c.stock(unseen), back)
	c.wants("orders", must(c.anna.Store.GetProduct(ctx, mugs)).TotalOrders, 1)
	shown := 0
	for bought, err := range c.ben.Rewards.Purchases(ctx, c.id) {
		c.wants("error", err, nil)
		shown += len(bought.Vouchers)
	}
	_, limit := c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: mugs})
	next, _ := c.key.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: unseen, User: c.number})
	again := must(c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: seen}))
	c.wants("the code after one that was seen", again.Vouchers, []string{"SEEN-2"})
	if c.wants("orders of codes", next != nil, true); refunded {
		c.wants("codes that are shown", shown, 0)
		c.wants("the purchase limit", limit, nil)
		for bought := range c.ben.Rewards.Purchases(ctx, c.id) {
			if bought.TransactionID == next.TransactionID {
				c.wants("the code after one that nobody has seen", bought.Vouchers, []string{"UNSEEN-1"})
			}
		}
		return
	}
	c.wants("codes that are shown", shown, 2)
	c.wants("the purchase limit", errors.Is(limit, client.ErrConflict), true)
}

func TestChangesOfAnOrderAtOnceAreDoneOneAfterAnother(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := openShop(t, s, listen(t, s))
		product := c.sells(client.ProductCreate{Price: new(int32(30)), Type: new(client.ProductDigital)})
		order := must(c.ben.Rewards.Buy(t.Context(), client.PurchaseCreate{ProductID: product})).TransactionID
		names := []string{"Shipping", "Completed", "Pending"}
		set := func(name string) error {
			_, err := c.anna.Rewards.SetStatus(t.Context(), order, c.statuses[name])
			return err
		}
		c.wants("changes", c.atOnce(12, func(i int) error { return set(names[i%3]) }), 12)
		c.atOnce(12, func(i int) error { return set(append(names, "Cancelled")[i%4]) })
		c.wants("coins", must(c.anna.Badges.Balance(t.Context(), c.id, c.number)).Coins, firstCoins)
	})
}

func TestACodeThatItsBuyerSeesIsNeverSoldAgain(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := openShop(t, s, listen(t, s))
		ctx := t.Context()
		const n = 20
		var codes, orders []string
		for i := range n {
			codes = append(codes, fmt.Sprint("CODE-", i))
		}
		product := c.sells(client.ProductCreate{Price: new(int32(1)), Vouchers: codes})
		for range n {
			orders = append(orders, must(c.key.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product, User: c.number})).TransactionID)
		}
		seen := map[string]bool{}
		c.atOnce(n+1, func(i int) error {
			if i < n {
				_, err := c.anna.Rewards.SetStatus(ctx, orders[i], c.statuses["Cancelled"])
				return err
			}
			for bought, err := range c.ben.Rewards.Purchases(ctx, c.id) {
				if err != nil {
					return err
				}
				for _, code := range bought.Vouchers {
					seen[code] = true
				}
			}
			return nil
		})
		c.wants("coins", must(c.anna.Badges.Balance(ctx, c.id, c.number)).Coins, firstCoins)
		left := c.stock(product)
		if int(left) > n-len(seen) {
			t.Errorf("%d are left, and %d of %d were seen", left, len(seen), n)
		}
		for range left {
			bought := must(c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product}))
			if seen[bought.Vouchers[0]] {
				t.Errorf("%s is sold again", bought.Vouchers[0])
			}
		}
	})
}

func TestManyPurchasesAtOnceKeepToALimitAndToTheCoins(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := openShop(t, s, listen(t, s))
		free := c.sells(client.ProductCreate{Price: new(int32(0)), ProductPermission: limitedTo(3), IsProductAccessEnabled: new(true), Type: new(client.ProductDigital)})
		costly := c.sells(client.ProductCreate{Price: new(int32(firstCoins / 2)), Type: new(client.ProductDigital)})
		for product, want := range map[string]int{free: 3, costly: 2} {
			c.wants("bought", c.atOnce(10, func(int) error {
				_, err := c.ben.Rewards.Buy(t.Context(), client.PurchaseCreate{ProductID: product})
				return err
			}), want)
		}
		c.wants("coins", must(c.anna.Badges.Balance(t.Context(), c.id, c.number)).Coins, 0)
	})
}

func TestOrdersAreCancelledWhileTheirProductAndTheirStatusEnd(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := openShop(t, s, listen(t, s))
		ctx := t.Context()
		const n = 8
		product := c.sells(client.ProductCreate{Price: new(int32(5)), Stocks: gen.NullableOf(int32(100)), Type: new(client.ProductPhysical)})
		var orders []string
		for range n {
			orders = append(orders, must(c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product})).TransactionID)
		}
		c.atOnce(n+2, func(i int) (err error) {
			switch {
			case i < n:
				_, err = c.anna.Rewards.SetStatus(ctx, orders[i], c.statuses["Returned"])
			case i == n:
				_, err = c.anna.Store.DeleteProduct(ctx, product)
			default:
				_, err = c.anna.Rewards.DeleteStatus(ctx, c.statuses["Returned"])
			}
			if errors.Is(err, client.ErrNotFound) { // the status was first
				err = nil
			}
			return err
		})
		cancelled := 0
		for order, err := range c.anna.Rewards.Transactions(ctx, c.id, client.TransactionQuery{ProductID: product}) {
			if c.wants("error", err, nil); order.Status.Category == client.StatusCancelled {
				cancelled++
			}
		}
		c.wants("coins", must(c.anna.Badges.Balance(ctx, c.id, c.number)).Coins, firstCoins-5*(n-cancelled))
	})
}

func TestAnOrderBeginsInNoStatusThatIsBeingCancelled(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := openShop(t, s, listen(t, s))
		ctx := t.Context()
		product := c.sells(client.ProductCreate{Price: new(int32(1)), Type: new(client.ProductDigital)})
		for range 10 {
			c.atOnce(4, func(i int) (err error) {
				if i == 0 {
					_, err = c.anna.Rewards.UpdateStatus(ctx, c.statuses["Pending"], client.RedemptionStatusUpdate{Category: new(client.StatusCancelled)})
				} else {
					_, err = c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product})
				}
				return err
			})
		}
		for order, err := range c.anna.Rewards.Transactions(ctx, c.id, client.TransactionQuery{}) {
			if c.wants("error", err, nil); order.Status.Category == client.StatusCancelled {
				t.Errorf("%s is cancelled, and nobody has cancelled it", order.TransactionID)
			}
		}
	})
}

func TestNobodyReachesTheOrdersAndStatusesOfAnotherCommunity(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		url := listen(t, s)
		c, other := openShop(t, s, url), openShop(t, s, url)
		mallory := must(client.New(url, client.WithToken(tokenOf(t, s, "mallory@example.com"))))
		must(mallory.Servers.Create(t.Context(), client.ServerCreate{Name: "Go club"}))
		ctx := t.Context()
		product := c.sells(client.ProductCreate{Price: new(int32(1)), Stocks: gen.NullableOf(int32(5)), Type: new(client.ProductPhysical)})
		order := must(c.ben.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product})).TransactionID
		for name, ask := range map[string]func() error{
			"an order by somebody else's key": func() error {
				_, err := other.key.Rewards.SetStatus(ctx, order, other.statuses["Cancelled"])
				return err
			},
			"an order by somebody else":            func() error { _, err := mallory.Rewards.SetStatus(ctx, order, c.statuses["Cancelled"]); return err },
			"a status of another community":        func() error { _, err := c.anna.Rewards.SetStatus(ctx, order, other.statuses["Cancelled"]); return err },
			"a status by somebody else's key":      func() error { _, err := other.key.Rewards.GetStatus(ctx, c.statuses["Pending"]); return err },
			"the end of a status by somebody else": func() error { _, err := mallory.Rewards.DeleteStatus(ctx, c.statuses["Returned"]); return err },
			"a product by no member": func() error {
				_, err := mallory.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product})
				return err
			},
			"a product by somebody else's key": func() error {
				_, err := other.key.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product, User: c.number})
				return err
			},
			"in the name of no member": func() error {
				_, err := c.key.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product, User: "mallory@example.com"})
				return err
			},
		} {
			if err := ask(); !errors.Is(err, client.ErrNotFound) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := c.anna.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product, User: c.number}); !errors.Is(err, client.ErrPermissionDenied) {
			t.Errorf("in the name of another member: got %v", err)
		}
		c.wants("coins", must(c.anna.Badges.Balance(ctx, c.id, c.number)).Coins, firstCoins-1)
		c.wants("pieces", c.stock(product), 4)
	})
}

func TestCodesThatWereBoughtAreShownToTheirBuyerAlone(t *testing.T) {
	config := onSQLite(t)
	s := unlimited(open(t, config))
	c := openShop(t, s, listen(t, s))
	ctx := t.Context()
	const code = "BOUGHT-CODE-0001"
	product := c.sells(client.ProductCreate{Price: new(int32(1)), Vouchers: []string{code}})
	token := tokenOf(t, s, "ben@example.com")
	body := map[string]any{"productID": product}
	buy := func(token string, body map[string]any) string {
		r := jsonRequest("/apis/v1/purchases", token, body)
		r.Header.Set("Idempotency-Key", "one")
		return send(s.Handler(), r).Body.String()
	}
	for range 2 {
		if got := buy(token, body); !strings.Contains(got, code) {
			t.Errorf("the session that has bought gets %s", got)
		}
	}
	if got := buy(tokenOf(t, s, "ben@example.com"), body); strings.Contains(got, code) || !strings.Contains(got, "201") && !strings.Contains(got, "success") {
		t.Errorf("another session gets %s", got)
	}
	if got := buy(token, map[string]any{"productID": product, "quantity": 2}); !strings.Contains(got, `"conflict"`) {
		t.Errorf("another request under the key gets %s", got)
	}
	c.wants("coins", must(c.anna.Badges.Balance(ctx, c.id, c.number)).Coins, firstCoins-1)
	owner := tokenOf(t, s, "anna@example.com")
	for _, target := range []string{
		"/apis/v1/redemption-transactions?serverId=" + c.id, "/apis/v1/purchases?serverId=" + c.id, "/apis/v1/products/" + product, "/audit?serverId=" + c.id, "/auth/me/export",
	} {
		if got := send(s.Handler(), request("GET", target, owner)).Body.String(); strings.Contains(got, code) {
			t.Errorf("%s shows it to the owner", target)
		}
	}
	if got := send(s.Handler(), request("GET", "/auth/me/export", token)).Body.String(); strings.Contains(got, code) || len(exportOf(t, s, token).Purchases) != 1 {
		t.Errorf("an export has the code, or not the purchase: %s", got)
	}
	for _, name := range []string{"rejoin.db", "rejoin.db-wal"} {
		data, err := os.ReadFile(filepath.Join(config.Data, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(code)) {
			t.Errorf("%s holds it", name)
		}
	}
}
