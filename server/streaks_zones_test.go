package server

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/streak"
)

// The clock of a member is that of the zones that have counted, of which there is a new one once in 24 hours. Of this one, the promise of
// package streak holds however often somebody changes the zone of their account, and nothing that they change says anything else of the past.
func TestWhoActsOnEachDateOfTheZonesThatHaveCountedNeverLosesHoweverOftenTheyChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const look = 15 * time.Minute // zones have begun their dates at such moments since 2013
		zone := rapid.SampledFrom([]string{"Etc/GMT+12", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"})
		now := time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 4000).Draw(t, "begin"))
		zones := store.Zones{{Zone: zone.Draw(t, "zone")}}
		often := rapid.SampledFrom([]int{1, 10, 100, 200}).Draw(t, "changes")
		daily := streak.Definition{Frame: streak.Daily, Count: 1, Active: streak.Everyday, Conditions: []streak.Condition{{Action: "messages", Value: 1}}}
		clock := func() streak.Clock {
			return clockOf(store.Streak{Zones: store.Zones{{Zone: memberZone}}}, store.StreakMember{Zones: zones})
		}
		var state streak.State
		shown, done, shows := map[streak.Day]bool{}, map[streak.Day]bool{}, map[time.Time]streak.Day{}
		missed, first := streak.Day(-1), clock().Day(now)
		if rapid.Bool().Draw(t, "misses") {
			missed = first + streak.Day(rapid.IntRange(2, 8).Draw(t, "missed"))
		}
		for range 11 * 24 * time.Hour / look {
			now = now.Add(look)
			if rapid.IntRange(0, often).Draw(t, "does") == 0 {
				zones = zones.Moved(zone.Draw(t, "to"), now)
			}
			counts := clock()
			today := counts.Day(now)
			shown[today], shows[now] = true, today
			if today != missed && !done[today] {
				done[today] = true
				state, _, _ = daily.Move(state, counts, streak.Deed{At: now, Actions: []string{"messages"}, Now: now})
			}
			want := int64(len(done))
			if shown[missed] && today > missed {
				want = 0
				for day := range done {
					if day > missed {
						want++
					}
				}
			} else if shown[missed] {
				continue // they are back on it, or not yet through
			}
			if got := daily.View(state, counts, now).Current; got != want {
				t.Fatalf("%s, on %s: %d in a row, want %d, with %v", now, today, got, want, zones)
			}
		}
		for at, day := range shows {
			if got := clock().Day(at); got != day {
				t.Fatalf("%s was on %s, and is on %s after other changes: %v", at, day, got, zones)
			}
		}
	})
}
