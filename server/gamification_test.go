package server

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// credits sets what members are credited for: nothing but this.
func (c club) credits(t *testing.T, worth gen.XPSetting) {
	t.Helper()
	worth.Enabled = true
	do[gen.GamificationResponse](t, c.h, "POST", "/gamifications/"+c.id+"/xp-setting", c.owner, worth)
}

// has fails unless Ben has so much.
func (c club) has(t *testing.T, want gen.Balance) {
	t.Helper()
	if got := do[gen.BalanceResponse](t, c.h, "GET", "/servers/"+c.id+"/members/"+c.number+"/balance", c.owner, nil).Body; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func (c club) channel(t *testing.T) string {
	t.Helper()
	return do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.owner, map[string]any{"topic": "talk", "channelType": "open", "serverId": c.id}).Body.ID
}

func TestOfAHundredMessagesAtOnceACooldownCreditsOne(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		now := time.Now()
		s.now = func() time.Time { return now }
		c := newClub(t, s, "allow_dm")
		channel, key := c.channel(t), c.keyOf(t, c.owner, "getUserStats")
		c.credits(t, gen.XPSetting{Message: gen.TimedXPRule{Enabled: true, XP: 10, Coins: 3, Time: 60}})
		said := int64(0)
		for round, later := range []time.Duration{0, 59 * time.Second, time.Second} {
			now = now.Add(later)
			statuses := inParallel(100, func(i int) int {
				return send(c.h, jsonRequest("/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": fmt.Sprint(i)})).Code
			})
			if statuses[http.StatusOK]+statuses[http.StatusServiceUnavailable] != 100 || statuses[http.StatusOK] == 0 {
				t.Fatalf("got %v", statuses)
			}
			said += int64(statuses[http.StatusOK])
			credited := []int64{1, 1, 2}[round]
			c.has(t, gen.Balance{XP: 10 * credited, Coins: 3 * credited})
		}
		stats := do[gen.UserStatsResponse](t, c.h, "POST", "/apis/v1/users/activity/stats", key, map[string]any{"identifier": "ben@example.com", "days": 2})
		if stats.Data.Totals.Messages != said {
			t.Errorf("%d messages are counted, and %d were sent", stats.Data.Totals.Messages, said)
		}
	})
}

// Who reaches a badge by many deeds at once is awarded it once, and what it is worth counts once.
func TestABadgeThatIsReachedAtOnceIsAwardedOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		channel := c.channel(t)
		do[gen.BadgeResponse](t, c.h, "POST", "/badges", c.owner, map[string]any{
			"title": "Chatterbox", "action": "messages", "quantity": 5, "serverId": c.id, "award": true, "awardXpQuantity": 50,
		})
		inParallel(20, func(i int) int {
			return send(c.h, jsonRequest("/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": fmt.Sprint(i)})).Code
		})
		c.has(t, gen.Balance{XP: 50})
	})
}

// The days of a server are those of its time zone. Whatever it is changed to, no day counts twice.
func TestADayIsThatOfTheZoneOfTheServerAndCountsOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		var now atomic.Pointer[time.Time]
		s.now = func() time.Time { return *now.Load() }
		at := func(text string) {
			moment, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			now.Store(&moment)
		}
		at("2026-03-01T12:00:00Z")
		c := newClub(t, s, "allow_dm")
		c.credits(t, gen.XPSetting{Visit: gen.XPRule{Enabled: true, XP: 1}})
		do[gen.BadgeResponse](t, c.h, "POST", "/badges", c.owner, map[string]any{
			"title": "Regular", "action": "visits", "quantity": 4, "serverId": c.id, "award": true, "awardXpQuantity": 100,
		})
		for _, step := range []struct {
			at, zone, day string
			counted       bool
			xp            int64
		}{
			{"2026-03-01T12:00:00Z", "UTC", "2026-03-01", true, 1},
			{"2026-03-01T12:30:00Z", "Pacific/Auckland", "2026-03-02", true, 2},
			{"2026-03-01T13:00:00Z", "Pacific/Honolulu", "2026-03-01", false, 2},
			{"2026-03-02T11:00:00Z", "Pacific/Honolulu", "2026-03-02", false, 2},
			{"2026-03-03T10:30:00Z", "Pacific/Honolulu", "2026-03-03", true, 3},
			{"2026-03-04T09:59:59Z", "Pacific/Honolulu", "2026-03-03", false, 3},
			{"2026-03-04T10:00:00Z", "Pacific/Honolulu", "2026-03-04", true, 104},
		} {
			at(step.at)
			send(c.h, patch("/servers/"+c.id+"/settings", c.owner, map[string]any{"timeZone": step.zone}))
			visit := do[gen.VisitResponse](t, c.h, "POST", "/servers/"+c.id+"/visit", c.ben, nil).Body
			if visit.Day.String() != step.day || visit.Counted != step.counted {
				t.Errorf("%s in %s: got %s, counted %v; want %s, %v", step.at, step.zone, visit.Day, visit.Counted, step.day, step.counted)
			}
			c.has(t, gen.Balance{XP: step.xp})
		}
	})
}

// What a message has brought is taken back once, and of coins no more than there are.
// What does not count leaves no trace: the next one that does is worth something.
func TestADeedThatDoesNotCountStartsNoCooldown(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		now := time.Now()
		s.now = func() time.Time { return now }
		c := newClub(t, s, "allow_dm")
		channel := c.channel(t)
		c.credits(t, gen.XPSetting{React: gen.TimedXPRule{Enabled: true, XP: 10, Time: 60}})
		says := func() string {
			return do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.owner, map[string]any{"channelId": channel, "message": "Hello"}).Data.MessageID
		}
		reacts := func(message, emoji string) {
			do[gen.MessageDoneResponse](t, c.h, "POST", "/apis/v1/messages/react", c.ben, map[string]any{"messageId": message, "emoji": emoji})
		}
		one, another := says(), says()
		reacts(one, "👍")
		now = now.Add(61 * time.Second)
		reacts(one, "🎉") // the message has counted
		reacts(another, "👍")
		c.has(t, gen.Balance{XP: 20})
	})
}

func TestAMessageThatIsDeletedLateTakesNothingBack(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		now := time.Now()
		s.now = func() time.Time { return now }
		c := newClub(t, s, "allow_dm")
		channel := c.channel(t)
		c.credits(t, gen.XPSetting{Message: gen.TimedXPRule{Enabled: true, XP: 10, Coins: 3}})
		says := func() string {
			return do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "Hello"}).Data.MessageID
		}
		early, late := says(), says()
		c.has(t, gen.Balance{XP: 20, Coins: 6})
		now = now.Add(59 * time.Second)
		statuses := inParallel(10, func(int) int { return send(c.h, request("DELETE", "/apis/v1/messages/"+early, c.ben)).Code })
		if statuses[http.StatusOK] != 1 {
			t.Errorf("deleted at once: %v", statuses)
		}
		c.has(t, gen.Balance{XP: 10, Coins: 3})
		now = now.Add(2 * time.Second)
		do[gen.MessageDoneResponse](t, c.h, "DELETE", "/apis/v1/messages/"+late, c.ben, nil)
		c.has(t, gen.Balance{XP: 10, Coins: 3})
	})
}

func TestADeletedMessageTakesBackNoMoreThanIsLeft(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		c.credits(t, gen.XPSetting{Message: gen.TimedXPRule{Enabled: true, XP: 10, Coins: 3}})
		said := do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": c.channel(t), "message": "Hello"}).Data.MessageID
		if _, err := inSharedTx(t.Context(), s.core, func(tx *store.Tx) (bool, error) { // as a row of a file does it
			return s.credit(t.Context(), tx, store.LedgerLine{ServerID: c.id, Account: accountOf(c.number), Action: string(gen.ActionBulk), Reason: "bulk/x/1", XP: -6, Coins: -1})
		}); err != nil {
			t.Fatal(err)
		}
		do[gen.MessageDoneResponse](t, c.h, "DELETE", "/apis/v1/messages/"+said, c.ben, nil)
		c.has(t, gen.Balance{})
	})
}

// Whoever is awarded a badge by hand, and by what they do, in the same moment: the one waits for the other, and neither is run again.
func TestABadgeIsAwardedByHandAndByADeedAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		channel := c.channel(t)
		for round := range 10 {
			badge := do[gen.BadgeResponse](t, c.h, "POST", "/badges", c.owner, map[string]any{
				"title": fmt.Sprint(round), "action": "messages", "quantity": 1, "serverId": c.id, "award": true, "awardXpQuantity": 10,
			}).Body.ID
			before := s.store.Retries()
			statuses := inParallel(24, func(i int) int {
				if i%2 == 0 {
					return send(c.h, jsonRequest("/badges/"+badge+"/award", c.owner, map[string]any{"userId": c.number})).Code
				}
				return send(c.h, jsonRequest("/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": fmt.Sprint(i)})).Code
			})
			if statuses[http.StatusOK] != 24 || s.store.Retries() != before {
				t.Errorf("got %v, and %d were run again", statuses, s.store.Retries()-before)
			}
			c.has(t, gen.Balance{XP: int64(10 * (round + 1))})
		}
	})
}

// Who deletes what they have just said has earned nothing by it, also on that day.
func TestWhatIsTakenBackWasNotEarned(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		var now atomic.Pointer[time.Time]
		s.now = func() time.Time { return *now.Load() }
		at := time.Date(2026, 3, 1, 23, 59, 50, 0, time.UTC)
		now.Store(&at)
		c := newClub(t, s, "allow_dm")
		channel, key := c.channel(t), c.keyOf(t, c.owner, "getUserStats")
		c.credits(t, gen.XPSetting{Message: gen.TimedXPRule{Enabled: true, XP: 10, Coins: 3}})
		said := do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "Hello"}).Data.MessageID
		later := at.Add(20 * time.Second) // the next day
		now.Store(&later)
		do[gen.MessageDoneResponse](t, c.h, "DELETE", "/apis/v1/messages/"+said, c.ben, nil)
		history := do[gen.UserHistoryResponse](t, c.h, "GET", "/apis/v1/users/activity/daily?identifier=ben@example.com&days=2", key, nil).Data
		if history.Totals != (gen.Earnings{}) {
			t.Errorf("got %+v", history)
		}
	})
}
