package server

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
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
		s := replicas[0]
		var urls []string
		for _, one := range replicas {
			urls = append(urls, listen(t, one))
		}
		anna := must(client.New(urls[0], client.WithToken(tokenOf(t, s, "anna@example.com"))))
		ctx := t.Context()
		club := must(anna.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}))
		must(anna.Servers.UpdateSettings(ctx, club.ID, client.ServerSettingsUpdate{Joining: new(client.JoiningOpen)}))
		must(anna.Store.Update(ctx, client.StoreConfigUpdate{ServerID: club.ID, IsEnabled: new(true), Title: new("Rewards")}))
		badge := must(anna.Badges.Create(ctx, client.BadgeCreate{ServerID: club.ID, Title: "Rich", Action: "custom", AwardCurrency: true, AwardCurrencyQuantity: 50}))
		var codes []string
		for i := range pieces {
			codes = append(codes, fmt.Sprint("CODE-", i))
		}
		product := must(anna.Store.CreateProduct(ctx, client.ProductCreate{ServerID: club.ID, Name: "Premium", Price: new(int32(30)), Vouchers: codes}))
		members, numbers := make([]*client.Client, buyers), make([]string, buyers)
		for i := range members {
			members[i] = must(client.New(urls[i%len(urls)], client.WithToken(tokenOf(t, s, fmt.Sprintf("buyer%d@example.com", i)))))
			must(members[i].Servers.Join(ctx, club.ID))
			numbers[i] = must(members[i].Auth.Me(ctx)).Number
			must(anna.Badges.Award(ctx, badge.ID, numbers[i]))
		}
		var mu sync.Mutex
		var got []string
		var wait sync.WaitGroup
		begin := make(chan struct{})
		for i, c := range members {
			wait.Go(func() {
				<-begin
				bought, err := c.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product.ID})
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
		slices.Sort(got)
		if !slices.Equal(got, codes) {
			t.Errorf("sold: %v; want each of %v once", got, codes)
		}
		after := must(anna.Store.GetProduct(ctx, product.ID))
		if stock, _ := after.Stocks.Get(); stock != 0 || after.TotalOrders != pieces {
			t.Errorf("%d are left, and %d orders", stock, after.TotalOrders)
		}
		poorer := 0
		for _, number := range numbers {
			switch coins := must(anna.Badges.Balance(ctx, club.ID, number)).Coins; coins {
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
	})
}
