package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestAnUpdateThatChangesNothingLeavesNoEntryInTheAuditTrail(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, open(t, config), "allow_dm")
		badge := map[string]any{"title": "first", "action": "custom", "serverId": c.id}
		id := do[gen.BadgeResponse](t, c.h, "POST", "/badges", c.owner, badge).Body.ID
		key := do[gen.APIKeyResponse](t, c.h, "POST", c.keys(""), c.owner, map[string]any{"name": "shop", "permissions": []string{"channels"}}).Data
		settings := func(body map[string]any) *http.Request { return patch("/servers/"+c.id+"/settings", c.owner, body) }
		entries := func() int64 {
			return do[gen.AuditListResponse](t, c.h, "GET", "/servers/"+c.id+"/audit", c.owner, nil).Meta.Total
		}
		for name, requests := range map[string]map[bool]*http.Request{
			"settings":       {false: settings(map[string]any{"joining": "open", "domains": []string{}, "appUrl": nil}), true: settings(map[string]any{"joining": "closed"})},
			"badge":          {false: put("/badges/"+id, c.owner, badge), true: put("/badges/"+id, c.owner, map[string]any{"title": "second", "action": "custom"})},
			"key":            {false: put(c.keys("/"+key.ID), c.owner, map[string]any{"adopt": false, "name": "shop"}), true: put(c.keys("/"+key.ID), c.owner, map[string]any{"name": "till"})},
			"key, of theirs": {false: put(c.keys("/"+key.ID), c.owner, map[string]any{"adopt": true})},
		} {
			for _, changes := range []bool{false, true} {
				if requests[changes] == nil {
					continue
				}
				before, more := entries(), int64(0)
				if changes {
					more = 1
				}
				if w := send(c.h, requests[changes]); w.Code != http.StatusOK {
					t.Fatalf("%s: got %d %s", name, w.Code, w.Body)
				}
				if after := entries(); after != before+more {
					t.Errorf("%s: an update that changes something, %v, leaves %d entries", name, changes, after-before)
				}
			}
		}
		for _, now := range do[gen.APIKeyListResponse](t, c.h, "GET", c.keys(""), c.owner, nil).Data {
			if now.Name == "till" && !now.UpdatedAt.After(key.UpdatedAt.Time) {
				t.Error("a key that was changed has not another updatedAt")
			}
		}
	})
}

// However fast one change follows another, and though the trail shows neither of them.
func TestEveryChangeOfADirectChannelLeavesAnEntryInTheAuditTrail(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		now := time.Now()
		s.now = func() time.Time { return now }
		channel := map[string]any{"topic": "about ben", "channelType": "direct", "serverId": c.id}
		id := do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.owner, channel).Body.ID
		before := do[gen.AuditListResponse](t, c.h, "GET", "/servers/"+c.id+"/audit", c.owner, nil).Meta.Total
		for _, topic := range []string{"about anna", "about cleo"} {
			do[gen.ChannelResponse](t, c.h, "PUT", "/channels/"+id, c.owner, map[string]any{"topic": topic, "channelType": "direct"})
		}
		if after := do[gen.AuditListResponse](t, c.h, "GET", "/servers/"+c.id+"/audit", c.owner, nil).Meta.Total; after != before+2 {
			t.Errorf("two changes leave %d entries", after-before)
		}
	})
}
