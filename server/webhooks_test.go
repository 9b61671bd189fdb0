package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/client/webhook"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/guard"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A receiver takes what webhooks are sent.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers func(n int) int // the status of the answer to a call; nil: 204
	calls   []received
}

type received struct {
	at     time.Time
	path   string
	header http.Header
	body   []byte
}

func receive(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.calls = append(r.calls, received{time.Now(), q.URL.Path, q.Header.Clone(), body})
		status := http.StatusNoContent
		if r.answers != nil {
			status = r.answers(len(r.calls))
		}
		r.mu.Unlock()
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = io.WriteString(w, "thanks")
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// waits until so many calls have come, and returns them.
func (r *receiver) waits(t *testing.T, n int) []received {
	t.Helper()
	eventually(t, "the calls come", func() bool { return len(r.all()) >= n })
	return r.all()
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 seconds", what)
		}
	}
}

// A moved clock is ahead of the real one by as much as a test says.
type movedClock struct{ ahead atomic.Int64 }

func (c *movedClock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *movedClock) move(by time.Duration) { c.ahead.Add(int64(by)) }

// withHooks lets webhooks be sent to this machine.
func withHooks(config Config) (Config, *movedClock) {
	clock := &movedClock{}
	config.Now, config.WebhookAllow = clock.now, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return config, clock
}

func hookOf(t *testing.T, c *client.Client, serverID, url string, events ...client.WebhookEventType) *client.Webhook {
	t.Helper()
	hook, err := c.Webhooks.Create(t.Context(), client.WebhookCreate{ServerID: serverID, Name: "CRM", URL: url, Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

func TestWhatHappensIsSentOnceAsItsType(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config, _ = withHooks(config)
		s, r := unlimited(open(t, config)), receive(t)
		url := listen(t, s)
		anna := must(client.New(url, client.WithToken(tokenOf(t, s, "anna@example.com"))))
		bert := must(client.New(url, client.WithToken(tokenOf(t, s, "bert@example.com"))))
		ctx := t.Context()
		club := must(anna.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}))
		must(anna.Servers.UpdateSettings(ctx, club.ID, client.ServerSettingsUpdate{Joining: new(client.JoiningOpen)}))
		channel := must(anna.Channels.Create(ctx, client.ChannelCreate{ServerID: club.ID, Topic: "talk", ChannelType: client.ChannelText}))
		other := must(anna.Channels.Create(ctx, client.ChannelCreate{ServerID: club.ID, Topic: "elsewhere", ChannelType: client.ChannelText}))
		badge := must(anna.Badges.Create(ctx, client.BadgeCreate{ServerID: club.ID, Title: "Rich", Action: "custom", AwardCurrency: true, AwardCurrencyQuantity: 500, Award: true, AwardXPQuantity: 60}))
		must(anna.Gamification.SetTiers(ctx, club.ID, client.TierSettingUpdate{Enabled: true, Tiers: &gen.TierList{{Name: "Bronze", Levels: []client.TierLevel{{Name: "1", XP: 0}, {Name: "2", XP: 50}}}}}))
		must(anna.Streaks.Create(ctx, client.StreakCreate{
			ServerID: club.ID, Name: "Daily", Timeframe: client.StreakTimeframe{Value: "daily", Count: 1},
			Action: client.StreakActionCreate{Operator: "and", Conditions: []client.StreakConditionCreate{{Action: "visits", Value: 1}}},
		}))
		must(anna.Store.Update(ctx, client.StoreConfigUpdate{ServerID: club.ID, IsEnabled: new(true), Title: new("Rewards")}))
		product := must(anna.Store.CreateProduct(ctx, client.ProductCreate{ServerID: club.ID, Name: "Premium", Price: new(int32(30)), Vouchers: []string{"TOPSECRET"}}))
		field := must(anna.Fields.Create(ctx, club.ID, client.UserFieldCreate{Name: "City", Field: "city", Type: "text"}))
		hook := hookOf(t, anna, club.ID, r.URL+"/all", client.WebhookUserJoined, client.WebhookUserLeft, client.WebhookUserVisited, client.WebhookMessagePosted,
			client.WebhookBadgeAwarded, client.WebhookStreakReached, client.WebhookLevelReached, client.WebhookStorePurchased, client.WebhookFieldChanged)
		some := must(anna.Webhooks.Create(ctx, client.WebhookCreate{
			ServerID: club.ID, Name: "One channel", URL: r.URL + "/some", Events: []client.WebhookEventType{client.WebhookMessagePosted}, Channels: []string{other.ID},
		}))

		must(bert.Servers.Join(ctx, club.ID))
		number := must(bert.Auth.Me(ctx))
		must(bert.Servers.Visit(ctx, club.ID))
		must(bert.Messages.Send(ctx, client.MessageCreate{ChannelID: channel.ID, Message: "hello"}))
		must(anna.Badges.Award(ctx, badge.ID, number.Number))
		must(bert.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product.ID}))
		must(anna.Fields.Set(ctx, club.ID, field.ID, number.ID, client.UserFieldHistoryCreate{Value: "Gent"}))
		if err := bert.Servers.Leave(ctx, club.ID); err != nil {
			t.Fatal(err)
		}
		must(anna.Messages.Send(ctx, client.MessageCreate{ChannelID: other.ID, Message: "anybody?"}))

		seen := seenIn(t, r.waits(t, 11), map[string]string{"/all": hook.Secret, "/some": some.Secret}, number.ID)
		for kind, want := range map[string]int{
			"user.joined": 1, "user.left": 1, "user.visited": 1, "message.posted": 3, "badge.awarded": 1, "streak.reached": 1, "level.reached": 1, "store.purchased": 1, "field.changed": 1,
			"/all hello": 1, "/all anybody?": 1, "/some anybody?": 1,
		} {
			if seen[kind] != want {
				t.Errorf("%s came %d times, want %d", kind, seen[kind], want)
			}
		}
		eventually(t, "all are delivered", func() bool {
			n := 0
			for d, err := range anna.Webhooks.Deliveries(ctx, hook.ID) {
				if err != nil {
					t.Fatal(err)
				}
				if d.Status == "delivered" && d.Tries == 1 {
					n++
				}
			}
			return n == 10
		})
	})
}

func TestOrdersAndAnalysesAreToldAsTheyMove(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		ctx := t.Context()
		must(x.anna.Webhooks.Update(ctx, x.hook.ID, client.WebhookUpdate{Events: &[]client.WebhookEventType{
			client.WebhookStorePurchased, client.WebhookRedemptionUpdated, client.WebhookAnalysisCreated, client.WebhookAnalysisUpdated,
		}}))
		must(x.anna.Store.Update(ctx, client.StoreConfigUpdate{ServerID: x.club, IsEnabled: new(true), Title: new("Rewards")}))
		product := must(x.anna.Store.CreateProduct(ctx, client.ProductCreate{ServerID: x.club, Name: "Premium", Price: new(int32(0)), Vouchers: []string{"TOPSECRET"}}))
		order := must(x.anna.Rewards.Buy(ctx, client.PurchaseCreate{ProductID: product.ID}))
		for _, status := range must(x.anna.Rewards.Statuses(ctx, x.club)) {
			if status.Name == "Completed" {
				must(x.anna.Rewards.SetStatus(ctx, order.TransactionID, status.ID))
				must(x.anna.Rewards.SetStatus(ctx, order.TransactionID, status.ID)) // which changes nothing
			}
		}
		channel := must(x.anna.Channels.Create(ctx, client.ChannelCreate{ServerID: x.club, Topic: "charts", ChannelType: client.ChannelOpen}))
		level := func(price float64) client.AnalysisLevelCreate { return client.AnalysisLevelCreate{Price: price} }
		posted := must(x.anna.Charts.Create(ctx, x.club, channel.ID, client.AnalysisCreate{
			Metadata: client.AnalysisMetadataCreate{Direction: client.DirectionBullish, EntryPlacement: client.EntryBelowCurrent, Title: "Bounce", Symbol: "GBP/USD", PreferenceText: "It bounced."},
			Levels:   client.AnalysisLevelsCreate{Support: level(1.341), Pivot: level(1.345), Resistance: level(1.35)},
		}))
		must(x.anna.Charts.Update(ctx, posted.AnalysisID, client.AnalysisUpdate{Metadata: &client.AnalysisMetadataUpdate{Title: new("Breakout")}}))
		told := map[string]int{}
		for _, call := range x.r.waits(t, 4) {
			event, err := webhook.Parse(x.hook.Secret, call.header, call.body)
			if err != nil || strings.Contains(string(call.body), "TOPSECRET") {
				t.Fatalf("%s: %v", call.body, err)
			}
			switch e := event.(type) {
			case *webhook.StorePurchased:
				told["bought as "+e.Data.Status.Name]++
			case *webhook.RedemptionUpdated:
				told["now "+e.Data.Status.Name]++
			case *webhook.AnalysisCreated:
				told["posted "+e.Data.Metadata.Title]++
			case *webhook.AnalysisUpdated:
				told["changed "+e.Data.Metadata.Title]++
			}
		}
		for _, what := range []string{"bought as Pending", "now Completed", "posted Bounce", "changed Breakout"} {
			is(t, what, told[what], 1)
		}
	})
}

// seenIn counts what calls have told of somebody, by its type, and messages by where they were sent to.
func seenIn(t *testing.T, calls []received, secrets map[string]string, who string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for _, call := range calls {
		event, err := webhook.Parse(secrets[call.path], call.header, call.body)
		if err != nil {
			t.Fatalf("%s: %v", call.body, err)
		}
		if strings.Contains(string(call.body), "@example.com") || strings.Contains(string(call.body), "TOPSECRET") {
			t.Errorf("it tells what is private: %s", call.body)
		}
		switch e := event.(type) {
		case *webhook.UserJoined:
			is(t, "who joins", e.Data.User.ID, who)
		case *webhook.UserLeft:
			is(t, "who leaves", e.Data.User.ID, who)
		case *webhook.UserVisited:
			is(t, "who visits", e.Data.User.ID, who)
		case *webhook.MessagePosted:
			seen[call.path+" "+e.Data.Message]++
		case *webhook.BadgeAwarded:
			is(t, "the badge", e.Data.Badge.Title, "Rich")
		case *webhook.StreakReached:
			is(t, "the streak", e.Data.Streak.Name, "Daily")
		case *webhook.LevelReached:
			is(t, "the level", e.Data.Level, 2)
		case *webhook.StorePurchased:
			is(t, "the product", e.Data.Product.Name, "Premium")
		case *webhook.FieldChanged:
			is(t, "the value", e.Data.Change.Value, any("Gent"))
		default:
			t.Errorf("it is %T", event)
		}
		var kind struct{ Type string }
		_ = json.Unmarshal(call.body, &kind)
		seen[kind.Type]++
	}
	return seen
}

func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// A hooked is a community with a webhook.
type hooked struct {
	s     *Server
	anna  *client.Client
	club  string
	hook  *client.Webhook
	clock *movedClock
	r     *receiver
}

func newHooked(t *testing.T, config Config) *hooked {
	t.Helper()
	x := &hooked{r: receive(t)}
	config, x.clock = withHooks(config)
	x.s = unlimited(open(t, config))
	x.anna = must(client.New(listen(t, x.s), client.WithToken(tokenOf(t, x.s, "anna@example.com")), client.WithoutRetry()))
	x.club = must(x.anna.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"})).ID
	x.hook = hookOf(t, x.anna, x.club, x.r.URL, client.WebhookUserVisited)
	return x
}

// tested sends a test, and returns the delivery.
func (x *hooked) tested(t *testing.T) string {
	t.Helper()
	return must(x.anna.Webhooks.Test(t.Context(), x.hook.ID)).ID
}

func (x *hooked) waits(t *testing.T, delivery string, is func(d *client.WebhookDeliveryDetails) bool) (d *client.WebhookDeliveryDetails) {
	t.Helper()
	eventually(t, "the delivery", func() bool {
		d = must(x.anna.Webhooks.Delivery(t.Context(), x.hook.ID, delivery))
		return is(d)
	})
	return d
}

func TestWhatFailsIsTriedAgainLaterSignedAnew(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		x.r.answers = func(n int) int { return []int{500, 302, 200}[min(n-1, 2)] }
		id := x.tested(t)
		tried := func(n int32) func(d *client.WebhookDeliveryDetails) bool {
			return func(d *client.WebhookDeliveryDetails) bool { return d.Tries == n }
		}
		d := x.waits(t, id, tried(1))
		next, waits := d.NextTryAt.Get()
		if wait := next.Sub(x.clock.now()); d.Status != "pending" || !waits || wait > 6*time.Second {
			t.Errorf("after the first try: %s, again in %v", d.Status, wait)
		}
		if _, failing := must(x.anna.Webhooks.Get(t.Context(), x.hook.ID)).FailingSince.Get(); !failing {
			t.Error("nothing says that the webhook fails")
		}
		x.clock.move(6 * time.Second)
		x.waits(t, id, tried(2))
		x.clock.move(6 * time.Minute)
		d = x.waits(t, id, tried(3))
		if d.Status != "delivered" || len(d.Log) != 3 || d.Log[0].Status != 500 || d.Log[0].Answer != "thanks" || d.Log[1].Status != 302 || d.Log[2].Status != 200 || d.Event.ID != d.EventID {
			t.Errorf("in the end: %+v", d)
		}
		if _, failing := must(x.anna.Webhooks.Get(t.Context(), x.hook.ID)).FailingSince.Get(); failing {
			t.Error("the webhook is said to fail")
		}
		calls := x.r.all()
		if stamps := []string{calls[0].header.Get("Webhook-Timestamp"), calls[2].header.Get("Webhook-Timestamp")}; stamps[0] == stamps[1] || calls[0].header.Get("Webhook-Id") != calls[2].header.Get("Webhook-Id") {
			t.Errorf("signed at %v", stamps)
		}

		must(x.anna.Webhooks.Replay(t.Context(), x.hook.ID, id))
		x.waits(t, id, tried(4))
		must(x.anna.Webhooks.ReplayBetween(t.Context(), x.hook.ID, time.Now().Add(-time.Hour), x.clock.now().Add(time.Hour)))
		x.waits(t, id, tried(5))
	})
}

func TestOneThatIsGoneIsSwitchedOffAndTheOwnerIsTold(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		x.r.answers = func(int) int { return http.StatusGone }
		id := x.tested(t)
		x.waits(t, id, func(d *client.WebhookDeliveryDetails) bool { return d.Status == "failed" })
		if hook := must(x.anna.Webhooks.Get(t.Context(), x.hook.ID)); hook.IsActive || hook.InactiveReason != "gone" {
			t.Errorf("the webhook is %+v", hook)
		}
		if _, err := x.anna.Webhooks.Test(t.Context(), x.hook.ID); !errors.Is(err, client.ErrConflict) {
			t.Errorf("a test of one that is off: %v", err)
		}
		eventually(t, "the mail", func() bool {
			return slices.ContainsFunc(mailsTo(t, config.Data, "anna@example.com"), func(m mailFile) bool { return strings.Contains(m.text, "gone") })
		})
		x.r.answers = nil
		must(x.anna.Webhooks.Update(t.Context(), x.hook.ID, client.WebhookUpdate{IsActive: new(true)}))
		must(x.anna.Webhooks.Replay(t.Context(), x.hook.ID, id))
		x.waits(t, id, func(d *client.WebhookDeliveryDetails) bool { return d.Status == "delivered" })
	})
}

func TestFiveDaysOfFailureSwitchItOffAndItGoesOnLater(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		x.r.answers = func(int) int { return 503 }
		first := x.tested(t)
		for try := int32(1); try <= 10; try++ {
			d := x.waits(t, first, func(d *client.WebhookDeliveryDetails) bool { return d.Tries == try })
			if ended := d.Status == "failed"; ended != (try == 10) {
				t.Fatalf("after %d tries it is %s", try, d.Status)
			}
			x.clock.move(28 * time.Hour)
			if try == 4 {
				break
			}
		}
		x.waits(t, first, func(d *client.WebhookDeliveryDetails) bool { return d.Tries == 5 })
		x.clock.move(28 * time.Hour)
		eventually(t, "it is switched off", func() bool { return !must(x.anna.Webhooks.Get(t.Context(), x.hook.ID)).IsActive })
		if hook := must(x.anna.Webhooks.Get(t.Context(), x.hook.ID)); hook.InactiveReason != "failing" {
			t.Errorf("the reason is %s", hook.InactiveReason)
		}
		x.r.mu.Lock()
		x.r.answers = nil
		x.r.mu.Unlock()
		must(x.anna.Webhooks.Update(t.Context(), x.hook.ID, client.WebhookUpdate{IsActive: new(true)}))
		x.clock.move(28 * time.Hour)
		x.waits(t, first, func(d *client.WebhookDeliveryDetails) bool { return d.Status == "delivered" })
	})
}

func TestForADayTheOldSecretSignsToo(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		rotated := must(x.anna.Webhooks.RotateSecret(t.Context(), x.hook.ID))
		if rotated.Secret == x.hook.Secret || !strings.HasPrefix(rotated.Secret, "whsec_") || strings.Contains(rotated.Secret, "*") {
			t.Errorf("the new secret is %s", rotated.Secret)
		}
		x.tested(t)
		call := x.r.waits(t, 1)[0]
		for _, secret := range []string{x.hook.Secret, rotated.Secret} {
			if _, err := webhook.Parse(secret, call.header, call.body); err != nil {
				t.Error(err)
			}
		}
		x.clock.move(25 * time.Hour)
		x.tested(t)
		call = x.r.waits(t, 2)[1]
		if n := len(strings.Fields(call.header.Get("Webhook-Signature"))); n != 1 {
			t.Errorf("after a day, %d sign", n)
		}
		if strings.Contains(must(x.anna.Webhooks.Get(t.Context(), x.hook.ID)).Secret, rotated.Secret[8:20]) {
			t.Error("the secret is shown again")
		}
	})
}

func TestBodiesAreEncryptedAndTheKeyIsSentWhereThatIsWanted(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		const key = "0123456789abcdef0123456789abcdef"
		if _, err := x.anna.Webhooks.Update(t.Context(), x.hook.ID, client.WebhookUpdate{Encryption: &client.WebhookEncryptionSwitch{IsEnabled: true}}); !errors.Is(err, client.ErrInvalidRequest) {
			t.Errorf("without a key: %v", err)
		}
		switched := must(x.anna.Webhooks.Update(t.Context(), x.hook.ID, client.WebhookUpdate{
			APIKey: &client.WebhookAPIKeySwitch{IsEnabled: true}, Encryption: &client.WebhookEncryptionSwitch{IsEnabled: true, Mode: client.CipherCbc, Key: key},
		}))
		for i, mode := range []client.WebhookCipher{client.CipherCbc, client.CipherGcm} {
			must(x.anna.Webhooks.Update(t.Context(), x.hook.ID, client.WebhookUpdate{Encryption: &client.WebhookEncryptionSwitch{IsEnabled: true, Mode: mode}}))
			id := x.tested(t)
			call := x.r.waits(t, i+1)[i]
			event, err := webhook.Parse(x.hook.Secret, call.header, call.body, webhook.WithKey(key))
			if err != nil || event.(*webhook.Test).Data.WebhookID != x.hook.ID {
				t.Errorf("%s: %v %v", mode, event, err)
			}
			if call.header.Get("X-Api-Key") != switched.APIKey.Key || len(switched.APIKey.Key) != 64 || strings.Contains(string(call.body), "webhook.test") {
				t.Errorf("%s: the headers are %v, the body %s", mode, call.header, call.body)
			}
			x.waits(t, id, func(d *client.WebhookDeliveryDetails) bool { return d.Status == "delivered" })
		}
		shown := must(x.anna.Webhooks.Get(t.Context(), x.hook.ID))
		if text := string(must(json.Marshal(shown))); strings.Contains(text, key) || strings.Contains(text, switched.APIKey.Key) {
			t.Errorf("it is shown again: %s", text)
		}
	})
}

func TestNoMoreThanFourCallsOfAWebhookAreUnderWay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		var mu sync.Mutex
		now, most, all := 0, 0, 0
		release := make(chan struct{})
		slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			mu.Lock()
			now++
			all++
			most = max(most, now)
			mu.Unlock()
			<-release
			mu.Lock()
			now--
			mu.Unlock()
		}))
		t.Cleanup(slow.Close)
		x.r.answers = nil
		healthy := hookOf(t, x.anna, x.club, x.r.URL, client.WebhookUserVisited)
		must(x.anna.Webhooks.Update(t.Context(), x.hook.ID, client.WebhookUpdate{URL: &slow.URL}))
		for range 20 {
			x.tested(t)
		}
		counted := func() (int, int, int) { mu.Lock(); defer mu.Unlock(); return now, most, all }
		eventually(t, "four are under way", func() bool { n, _, _ := counted(); return n == 4 })
		for range 20 {
			must(x.anna.Webhooks.Test(t.Context(), healthy.ID))
		}
		x.r.waits(t, 20) // while the others wait
		if n, _, _ := counted(); n != 4 {
			t.Errorf("%d are under way, want 4", n)
		}
		close(release)
		eventually(t, "all have come", func() bool { _, _, n := counted(); return n == 20 })
		if _, n, _ := counted(); n > 4 {
			t.Errorf("%d were under way at once", n)
		}
	})
}

func TestALaneWhoseRunHasDiedIsTakenOver(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		ctx := t.Context()
		// As a run leaves it that was killed during a call: it has the lane, and the lane has a delivery.
		event, err := x.s.eventOf(x.club, gen.WebhookEventTypeWebhookTest, about{}, gen.WebhookTestData{WebhookID: x.hook.ID})
		if err != nil {
			t.Fatal(err)
		}
		event.Waiting = false
		now := gen.Time{Time: x.clock.now()}
		d := store.WebhookDelivery{ServerID: x.club, ExpiresAt: now.Add(webhookLife), WebhookDelivery: gen.WebhookDelivery{
			ID: x.s.newID(), WebhookID: x.hook.ID, EventID: event.ID, Type: gen.WebhookEventTypeWebhookTest, Status: gen.WebhookDeliveryStatusPending, NextTryAt: gen.NullableOf(now), CreatedAt: now,
		}}
		if err := x.s.store.Tx(ctx, func(tx *store.Tx) error {
			_, begun := tx.Webhooks.BeginLane(ctx, x.hook.ID, 1, "dead", now.Time)
			err := errors.Join(begun, tx.Webhooks.InsertEvent(ctx, event), tx.Webhooks.InsertDelivery(ctx, d))
			if err == nil {
				_, _, _, err = tx.Webhooks.SendNext(ctx, x.hook.ID, 0, now.Time)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		x.clock.move(time.Minute)
		x.waits(t, d.ID, func(d *client.WebhookDeliveryDetails) bool { return d.Status == "delivered" })
	})
}

func TestAnEventThatWasNotSpreadIsSpreadLater(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		event, err := x.s.eventOf(x.club, gen.WebhookEventTypeUserVisited, about{}, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		if err := x.s.store.Tx(t.Context(), func(tx *store.Tx) error { return tx.Webhooks.InsertEvent(t.Context(), event) }); err != nil {
			t.Fatal(err)
		}
		x.clock.move(time.Minute)
		if call := x.r.waits(t, 1)[0]; call.header.Get("Webhook-Id") != event.ID {
			t.Errorf("it is %s", call.header.Get("Webhook-Id"))
		}
	})
}

func TestADeedThatFailsIsNotTold(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		ctx, failed := t.Context(), errors.New("it fails")
		err := x.s.store.Tx(ctx, func(tx *store.Tx) error {
			rules, err := tx.Gamification.Get(ctx, x.club)
			if err == nil {
				err = x.s.emitUnder(ctx, tx, rules, gen.WebhookEventTypeUserVisited, about{}, func() (any, error) { return map[string]any{}, nil })
			}
			return errors.Join(err, failed)
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		id := x.tested(t)
		x.waits(t, id, func(d *client.WebhookDeliveryDetails) bool { return d.Status == "delivered" })
		if n := len(x.r.all()); n != 1 {
			t.Errorf("%d calls, want the test alone", n)
		}
	})
}

func TestWhatWasSentIsKeptForThirtyDays(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newHooked(t, config)
		id := x.tested(t)
		x.waits(t, id, func(d *client.WebhookDeliveryDetails) bool { return d.Status == "delivered" })
		sweepAfter := func(by time.Duration) {
			x.clock.move(by)
			if err := (sweeper{core: x.s.core}).Work(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
		}
		sweepAfter(29 * 24 * time.Hour)
		must(x.s.store.Webhooks.GetDelivery(t.Context(), x.hook.ID, id))
		sweepAfter(36 * time.Hour)
		if _, err := x.s.store.Webhooks.GetDelivery(t.Context(), x.hook.ID, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after more than thirty days: %v", err)
		}
	})
}

func TestOnlyWhatTheOperatorAllowsBesideTheInternetIsTaken(t *testing.T) {
	s := open(t, onSQLite(t))
	anna := must(client.New(listen(t, s), client.WithToken(tokenOf(t, s, "anna@example.com"))))
	club := must(anna.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"})).ID
	for _, url := range []string{"http://example.com/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest", "http://localhost/", "https://u:p@example.com/", "https://[64:ff9b::7f00:1]/"} {
		_, err := anna.Webhooks.Create(t.Context(), client.WebhookCreate{ServerID: club, Name: "CRM", URL: url, Events: []client.WebhookEventType{client.WebhookUserLeft}})
		if !errors.Is(err, client.ErrInvalidRequest) {
			t.Errorf("%s: %v", url, err)
		}
	}
	// By name, it is taken, and refused when it is dialled.
	hook := hookOf(t, anna, club, "https://localhost.localdomain.invalid/", client.WebhookUserLeft)
	d := must(anna.Webhooks.Test(t.Context(), hook.ID))
	eventually(t, "it has failed", func() bool { return must(anna.Webhooks.Delivery(t.Context(), hook.ID, d.ID)).Tries == 1 })
	if d := must(anna.Webhooks.Delivery(t.Context(), hook.ID, d.ID)); d.Log[0].Error == "" || strings.Contains(d.Log[0].Error, "127.0.0.1") {
		t.Errorf("the log is %+v", d.Log)
	}
}

// Whoever answers slowly, or never, makes no other webhook fail or wait: neither many of its host, nor more than are called at once at all.
func TestAWebhookIsSentHoweverManyOthersAreSlow(t *testing.T) {
	for name, many := range map[string]struct {
		hooks, hosts int
	}{"of its host": {guard.MostOfHost + 8, 1}, "of other hosts": {300, 300}} {
		t.Run(name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, config Config) {
				x := newHooked(t, config)
				known, ended := make(chan struct{}), make(chan struct{})
				hosts := []string{}
				answer := http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
					io.Copy(io.Discard, q.Body)
					if q.URL.Path == "/healthy" {
						return
					}
					select {
					case <-known:
						<-ended
					case <-time.After(laneSlow + time.Second/10): // the first call, from which it is known that they are slow
					}
				})
				for range many.hosts {
					host := httptest.NewServer(answer)
					t.Cleanup(host.Close)
					hosts = append(hosts, host.URL)
				}
				t.Cleanup(func() { close(ended) })
				ctx, club := t.Context(), ""
				isDelivered := func(d *client.WebhookDeliveryDetails) bool {
					if d.Tries > 1 || d.Tries == 1 && d.Status != "delivered" {
						t.Fatalf("it is %s after %d tries: %+v", d.Status, d.Tries, d.Log)
					}
					return d.Status == "delivered"
				}
				var slow []*client.WebhookDeliveryDetails
				for i := range many.hooks {
					if i%store.MaxWebhooks == 0 {
						club = must(x.anna.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})).ID
					}
					w := hookOf(t, x.anna, club, hosts[i%len(hosts)]+"/slow", client.WebhookUserVisited)
					slow = append(slow, must(x.anna.Webhooks.Test(ctx, w.ID)))
				}
				for _, d := range slow {
					eventually(t, "it is delivered", func() bool { return isDelivered(must(x.anna.Webhooks.Delivery(ctx, d.WebhookID, d.ID))) })
				}
				close(known)
				for i, d := range slow {
					slow[i] = must(x.anna.Webhooks.Test(ctx, d.WebhookID))
				}
				must(x.anna.Webhooks.Update(ctx, x.hook.ID, client.WebhookUpdate{URL: new(hosts[0] + "/healthy")}))
				x.waits(t, x.tested(t), isDelivered)
				for _, d := range slow {
					if d = must(x.anna.Webhooks.Delivery(ctx, d.WebhookID, d.ID)); d.Tries > 0 {
						t.Fatal("it had to wait until a slow one had answered")
					}
				}
			})
		})
	}
}
