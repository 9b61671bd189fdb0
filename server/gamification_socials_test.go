package server

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

func TestOfAHundredTimesAtOnceASocialLinkCountsOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		owner := must(client.New(listen(t, s), client.WithToken(c.owner)))
		key := c.keyOf(t, c.owner, "gamification")
		link := must(owner.Gamification.CreateSocial(t.Context(), client.SocialCreate{
			ServerID: c.id, Platform: "youtube", URL: "https://video.example/club", Action: client.SocialFollow, XP: 20, Coins: 3,
		}))
		in := map[string]any{"identifier": "ben@example.com", "socialId": link.ID, "action": "follow"}
		var counted atomic.Int64
		statuses := inParallel(100, func(int) int {
			w := send(c.h, jsonRequest("/apis/v1/users/socials", key, in))
			if strings.Contains(w.Body.String(), `"counted":true`) {
				counted.Add(1)
			}
			return w.Code
		})
		if statuses[http.StatusOK]+statuses[http.StatusServiceUnavailable] != 100 || statuses[http.StatusOK] < 2 || counted.Load() != 1 {
			t.Fatalf("got %v, of which %d were counted", statuses, counted.Load())
		}
		c.has(t, gen.Balance{XP: 20, Coins: 3})
		must(owner.Gamification.DeleteSocial(t.Context(), link.ID))
		if w := send(c.h, jsonRequest("/apis/v1/users/socials", key, in)); w.Code != http.StatusNotFound {
			t.Errorf("at a link that is gone: %d %s", w.Code, w.Body)
		}
		stats := do[gen.UserStatsResponse](t, c.h, "POST", "/apis/v1/users/activity/stats", c.keyOf(t, c.owner, "getUserStats"), map[string]any{"identifier": "ben@example.com", "days": 1})
		if stats.Data.Totals.Socials != 1 {
			t.Errorf("%d are counted", stats.Data.Totals.Socials)
		}
		c.has(t, gen.Balance{XP: 20, Coins: 3})
	})
}

func TestACommunityHasSoManySocialLinks(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	c := newClub(t, s, "allow_dm")
	in := map[string]any{"serverId": c.id, "platform": "youtube", "url": "https://video.example/club", "action": "follow"}
	for range 100 {
		do[gen.SocialResponse](t, c.h, "POST", "/apis/v1/socials", c.owner, in)
	}
	if w := send(c.h, jsonRequest("/apis/v1/socials", c.owner, in)); w.Code != http.StatusConflict {
		t.Errorf("one more: %d %s", w.Code, w.Body)
	}
}
