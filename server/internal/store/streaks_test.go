package store

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasStreaks gives a server a streak, in which some have come on, and another one that is deleted.
func (l *life) hasStreaks(serverID string, accounts ...int64) {
	ctx := l.Context()
	kept := Streak{Streak: gen.Streak{ID: l.id(), CommunityID: serverID, Name: "Daily", CreatedAt: l.now()}, Zones: Zones{}.Then("member", l.nowAt)}
	gone := kept
	gone.ID = l.id()
	l.tx(func(tx *Tx) error {
		for _, s := range []Streak{kept, gone} {
			l.must(tx.Streaks.Insert(ctx, s))
			l.must(tx.Streaks.Update(ctx, s))
			for _, account := range accounts {
				l.must(tx.Streaks.Put(ctx, serverID, account, map[string]string{s.ID: "{}"}))
			}
		}
		for _, account := range accounts {
			l.keepsStreaks(tx, serverID, account)
		}
		return tx.Streaks.Delete(ctx, gone.ID)
	})
	for more := true; more; {
		l.tx(func(tx *Tx) (err error) { more, err = tx.Streaks.DeleteRest(ctx, serverID, gone.ID, 1); return err })
	}
	l.check(l.s.Streaks.List(ctx, serverID))
	l.check(l.s.Streaks.Get(ctx, kept.ID))
	for _, account := range accounts {
		for _, fields := range []bool{false, true} {
			m, err := l.s.Streaks.Member(ctx, serverID, account, fields)
			l.must(err)
			want := Zones{{Zone: "UTC"}, {Zone: "Asia/Tokyo", Since: l.nowAt.UnixMicro()}}
			if diff := cmp.Diff(want, m.Zones); diff != "" || m.States[gone.ID] != "" || m.States[kept.ID] != "{}" {
				l.Errorf("the zones differ, or the states are not those of %s: %v %s", kept.ID, m.States, diff)
			}
		}
		for _, id := range []string{"", "s1"} {
			if logs, err := l.s.Streaks.ListLogs(ctx, serverID, account, id, Page{Limit: 10}); err != nil || len(logs) != 1 || logs[0].Period != "2026-03-01" {
				l.Errorf("got %+v, %v", logs, err)
			}
		}
	}
}

// keepsStreaks notes how far an account has come in a streak, when it has reached it, and that it moved.
func (l *life) keepsStreaks(tx *Tx, serverID string, account int64) {
	ctx := l.Context()
	l.must(tx.Streaks.Put(ctx, serverID, account, map[string]string{"s1": "{}"}))
	l.must(tx.Streaks.Put(ctx, serverID, account, map[string]string{"s1": "{}", "s2": "{}"}))
	line := StreakLog{ID: l.id(), ServerID: serverID, Account: account, Frame: "daily", StreakLog: gen.StreakLog{StreakID: "s1", Period: "2026-03-01", Length: 1, ReachedAt: l.now()}}
	l.check(tx.Streaks.InsertLog(ctx, line))
	if added, err := tx.Streaks.InsertLog(ctx, line); err != nil || added {
		l.Errorf("a period is logged twice: %v, %v", added, err)
	}
	l.must(tx.Streaks.ChangeZone(ctx, account, "UTC", "Asia/Tokyo", l.nowAt))
}

func TestOnlyTheLastZonesAreKnown(t *testing.T) {
	zones := Zones{{Zone: "UTC"}}
	for i := range 40 {
		zones = zones.Then("zone "+strconv.Itoa(i/2), time.UnixMicro(int64(i)))
	}
	if len(zones) != MostZones || zones[MostZones-1] != (ZoneChange{"zone 19", 38}) || zones[0].Zone != "zone 4" {
		t.Errorf("got %v", zones)
	}
}

func TestTheZoneOfAMemberStaysForADayOnceItHasCounted(t *testing.T) {
	hour := func(h int) time.Time { return time.UnixMicro(0).Add(time.Duration(h) * time.Hour) }
	for name, story := range map[string]struct {
		hours []int
		zones []string
		want  Zones
	}{
		"the first change counts at once": {[]int{1000}, []string{"A"}, Zones{{"UTC", 0}, {"A", hour(1000).UnixMicro()}}},
		"one after a day counts at once": {[]int{1000, 1024}, []string{"A", "B"},
			Zones{{"UTC", 0}, {"A", hour(1000).UnixMicro()}, {"B", hour(1024).UnixMicro()}}},
		"one before that counts when the day is over": {[]int{1000, 1001}, []string{"A", "B"},
			Zones{{"UTC", 0}, {"A", hour(1000).UnixMicro()}, {"B", hour(1024).UnixMicro()}}},
		"of several, the latest one counts": {[]int{1000, 1001, 1023, 1023}, []string{"A", "B", "C", "D"},
			Zones{{"UTC", 0}, {"A", hour(1000).UnixMicro()}, {"D", hour(1024).UnixMicro()}}},
		"whoever goes back has not moved": {[]int{1000, 1001, 1002}, []string{"A", "B", "A"}, Zones{{"UTC", 0}, {"A", hour(1000).UnixMicro()}}},
		"one that waited begins a day, too": {[]int{1000, 1001, 1030, 1047}, []string{"A", "B", "C", "D"},
			Zones{{"UTC", 0}, {"A", hour(1000).UnixMicro()}, {"B", hour(1024).UnixMicro()}, {"D", hour(1048).UnixMicro()}}},
	} {
		zones := Zones{{Zone: "UTC"}}
		for i, zone := range story.zones {
			zones = zones.Moved(zone, hour(story.hours[i]))
		}
		if diff := cmp.Diff(story.want, zones); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	zones := Zones{{Zone: "UTC"}}
	for i := range 4 * MostZones {
		zones = zones.Moved("zone "+strconv.Itoa(i), hour(1000+i*10))
		for j, change := range zones[1:] {
			if time.Duration(change.Since-zones[j].Since)*time.Microsecond < ZoneRest {
				t.Fatalf("two count within a day: %v", zones)
			}
		}
	}
	if len(zones) != MostZones || zones[MostZones-1].Zone != "zone "+strconv.Itoa(4*MostZones-1) {
		t.Errorf("got %v", zones)
	}
}
