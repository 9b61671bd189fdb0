package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A runner is a member of a club in which there are streaks.
type runner struct {
	club
	*testing.T
	s       *Server
	channel string
	account int64
	key     string // that asks for what was reached
}

// newRunner has nothing run in the background, so that the clock can be moved.
func newRunner(t *testing.T, config Config, at string) runner {
	t.Helper()
	config.Idle = true
	s := unlimited(open(t, config))
	r := runner{T: t, s: s}
	r.at(at)
	r.club = newClub(t, s, "server_administrator")
	r.account = accountOf(r.number)
	r.key = r.keyOf(t, r.owner, "getUserStats")
	r.channel = do[gen.ChannelResponse](t, r.h, "POST", "/channels", r.owner, map[string]any{"topic": "openings", "channelType": "open", "serverId": r.id}).Body.ID
	return r
}

func (r runner) at(moment string) {
	r.Helper()
	at, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		r.Fatal(err)
	}
	r.s.now = func() time.Time { return at }
}

func (r runner) makes(changes map[string]any) gen.Streak {
	r.Helper()
	in := map[string]any{
		"name": "Daily message", "serverId": r.id, "startDate": "2020-01-01", "timeframe": map[string]any{"value": "daily", "count": 3},
		"action": conditionsOf("and", 1, "messages"), "reward": map[string]any{"xp": 10, "coins": 1},
	}
	for name, value := range changes {
		in[name] = value
	}
	return do[gen.StreakResponse](r.T, r.h, "POST", "/apis/v1/streaks", r.owner, in).Data
}

func conditionsOf(operator string, value int, actions ...string) map[string]any {
	var all []any
	for _, action := range actions {
		all = append(all, map[string]any{"action": action, "value": value})
	}
	return map[string]any{"operator": operator, "conditions": all}
}

func (r runner) says() int {
	return postJSON(r.h, "/apis/v1/messages/send", r.ben, map[string]any{"channelId": r.channel, "message": "Hello"}).Code
}

func (r runner) views() []gen.StreakStanding {
	r.Helper()
	views, err := r.s.streaksOf(r.Context(), r.s.store.Queries, r.id, r.account)
	if err != nil {
		r.Fatal(err)
	}
	return views
}

func (r runner) logs(ask map[string]any) gen.StreakLogPage {
	r.Helper()
	in := map[string]any{"identifier": r.number, "identifier_type": "id"}
	for name, value := range ask {
		in[name] = value
	}
	return do[gen.StreakLogResponse](r.T, r.h, "POST", "/apis/v1/users/streaks/logs", r.key, in).Data
}

func (r runner) points() gen.Balance {
	return do[gen.BalanceResponse](r.T, r.h, "GET", "/servers/"+r.id+"/members/"+r.number+"/balance", r.owner, nil).Body
}

func TestManyDeedsAtOnceMoveEveryStreakByAsMany(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T12:00:00Z")
		for i := range store.MaxStreaks {
			r.makes(map[string]any{"timeframe": map[string]any{"value": "daily", "count": 1}, "action": conditionsOf("and", 1+i, "messages")})
		}
		if w := postJSON(r.h, "/apis/v1/streaks", r.owner, map[string]any{
			"name": "x", "serverId": r.id, "timeframe": map[string]any{"value": "daily", "count": 1}, "action": conditionsOf("and", 1, "messages"),
		}); w.Code != http.StatusConflict {
			t.Errorf("one more than there may be: %d %s", w.Code, w.Body)
		}
		const deeds = 20
		var codes [deeds]int
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() { codes[i] = r.says() })
		}
		all.Wait()
		for i := range codes {
			for codes[i] == http.StatusServiceUnavailable {
				codes[i] = r.says()
			}
			if codes[i] != http.StatusOK {
				t.Fatalf("got %v", codes)
			}
		}
		for _, v := range r.views() {
			if p := v.Progress[0]; p.Value != min(deeds, p.Target) || v.DoneInPeriod != (p.Target <= deeds) {
				t.Errorf("after %d deeds: %+v", deeds, v)
			}
		}
		if got := r.points(); got.XP != deeds*10 || got.Coins != deeds {
			t.Errorf("%d streaks were reached, and brought %+v", deeds, got)
		}
		if got := r.logs(map[string]any{"limit": 100}).Logs; len(got) != deeds {
			t.Errorf("%d lines say so", len(got))
		}
	})
}

func TestOneDeedCostsTheSameHoweverManyStreaksItMoves(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T12:00:00Z")
		cost := func() (n int) {
			r.s.store.Watch(func(string, []any) { n++ })
			defer r.s.store.Watch(nil)
			if code := r.says(); code != http.StatusOK {
				t.Fatalf("got %d", code)
			}
			return n
		}
		again := func() int { cost(); return cost() } // what is remembered is read once
		none := again()
		for range store.MaxStreaks {
			r.makes(map[string]any{"action": conditionsOf("or", 5, "messages", "replies")})
		}
		r.says()                             // which reads the streaks
		if moved := cost(); moved > none+4 { // which streaks there are, what there is, and in two parts what becomes of it
			t.Errorf("without streaks, a message takes %d statements, and %d when it moves all", none, moved)
		}
		for range 5 {
			r.says()
		}
		if done := cost(); done > none+2 {
			t.Errorf("without streaks, a message takes %d statements, and %d when all are done", none, done)
		}
	})
}

func TestAStreakIsOnTheClockOfAMemberWhoTravels(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-01-08T10:00:00+13:00")
		r.makes(map[string]any{"timezone": "member"})
		do[gen.AccountResponse](t, r.h, "PATCH", "/auth/me", r.ben, map[string]any{"timeZone": "Pacific/Auckland"})
		for _, step := range []struct {
			at, zone string
			want     int64
		}{
			{"2026-01-09T00:30:00+13:00", "", 1},
			{"2026-01-10T23:30:00+13:00", "", 2},
			{"2026-01-11T10:00:00+13:00", "", 3},                 // reached
			{"2026-01-11T12:00:00+13:00", "Pacific/Honolulu", 3}, // 10 January, 13:00
			{"2026-01-11T09:00:00-10:00", "", 3},                 // again
			{"2026-01-12T23:59:59-10:00", "", 4},
			{"2026-01-13T00:00:00-10:00", "", 5},
			{"2026-01-13T23:00:00-10:00", "Pacific/Auckland", 6}, // 14 January, 22:00: reached
			{"2026-01-15T10:00:00+13:00", "", 7},
			{"2026-01-17T10:00:00+13:00", "", 1},
		} {
			r.at(step.at)
			if step.zone != "" {
				do[gen.AccountResponse](t, r.h, "PATCH", "/auth/me", r.ben, map[string]any{"timeZone": step.zone})
			}
			r.says()
			if got := r.views()[0]; got.Current != step.want || !got.DoneInPeriod {
				t.Errorf("at %s: %+v, want %d in a row", step.at, got, step.want)
			}
		}
		var reached []string
		for _, l := range r.logs(nil).Logs {
			reached = append(reached, fmt.Sprint(l.Period, " ", l.Length))
		}
		if got := strings.Join(reached, ", "); got != "2026-01-14 6, 2026-01-11 3" {
			t.Errorf("it was reached %s", got)
		}
		if got := r.points(); got.XP != 20 || got.Coins != 2 {
			t.Errorf("that brought %+v", got)
		}
	})
}

// From 10:00 to 12:00 UTC there are three dates on Earth.
func TestWhoChangesTheirZoneAgainAndAgainHasNoMoreDaysThanATraveller(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-01-08T10:00:00Z")
		r.makes(map[string]any{"timezone": "member"})
		for _, step := range []struct {
			at, zone string
			want     int64
		}{
			{"2026-01-08T10:10:00Z", "Etc/GMT+12", 1}, // 7 January
			{"2026-01-08T10:20:00Z", "UTC", 1},        // which waits
			{"2026-01-08T10:30:00Z", "Pacific/Kiritimati", 1},
			{"2026-01-08T12:00:00Z", "", 2},           // 8 January
			{"2026-01-09T10:09:00Z", "", 2},           // the same
			{"2026-01-09T10:10:00Z", "", 3},           // 10 January; 9 January was never shown
			{"2026-01-09T10:20:00Z", "Etc/GMT+12", 3}, // which waits
			{"2026-01-10T10:10:00Z", "", 4},           // 9 January
		} {
			r.at(step.at)
			if step.zone != "" {
				me := do[gen.AccountResponse](t, r.h, "PATCH", "/auth/me", r.ben, map[string]any{"timeZone": step.zone}).Body
				if me.TimeZone != step.zone {
					t.Errorf("the account is in %s, not in %s", me.TimeZone, step.zone)
				}
			}
			r.says()
			if got := r.views()[0].Current; got != step.want {
				t.Errorf("at %s: %d in a row, want %d", step.at, got, step.want)
			}
		}
	})
}

// 23 November 2026 is a Monday: a day, and the first one of its week.
func TestAPeriodOfAnotherKindIsAnotherOneWhereverItBegins(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-11-23T10:00:00Z")
		s := r.makes(map[string]any{"timeframe": map[string]any{"value": "daily", "count": 1}})
		r.says()
		for i, step := range []struct {
			frame string
			times int64
		}{{"weekly", 2}, {"daily", 2}, {"weekly", 2}, {"monthly", 3}} { // once with each
			r.at(fmt.Sprintf("2026-11-23T1%d:00:00Z", i+1))
			change := map[string]any{"name": s.Name, "timeframe": map[string]any{"value": step.frame, "count": 1}, "action": s.Action}
			if w := send(r.h, put("/apis/v1/streaks/"+s.ID, r.owner, change)); w.Code != http.StatusOK {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			r.says()
			if got := r.points(); got.XP != 10*step.times || got.Coins != step.times {
				t.Errorf("changed to %s, %d times brought %+v", step.frame, step.times, got)
			}
		}
		var periods []string
		for _, l := range r.logs(map[string]any{"limit": 1}).Logs {
			periods = append(periods, l.Period)
		}
		for _, l := range do[gen.AccountExportResponse](t, r.h, "GET", "/auth/me/export", r.ben, nil).Body.Streaks {
			periods = append(periods, l.Period)
		}
		if got := strings.Join(periods, " "); got != "2026-11-01 2026-11-01 2026-11-23 2026-11-23" {
			t.Errorf("it was reached %s", got)
		}
	})
}

// A zone has many paths that lead to it, and no end of them.
func TestATimeZoneIsKeptByOneName(t *testing.T) {
	for _, name := range []string{"America/./New_York", "America//New_York", "America/New_York/."} {
		zone := zoneOf(name)
		if _, kept := zones.Load(name); kept {
			t.Errorf("%s is kept", name)
		}
		if zone == nil {
			t.Errorf("%s is no zone", name)
		}
	}
	if again := zoneOf("America/New_York"); again != zoneOf("America/New_York") {
		t.Error("a zone is read again")
	}
}

func TestACommunityThatChangesTheZoneOfAStreakCountsNoDateTwice(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-01T20:00:00Z")
		s := r.makes(nil)
		for _, step := range []struct {
			at, zone string
			want     int64
		}{
			{"2026-05-01T20:00:00Z", "", 1},
			{"2026-05-02T10:00:00Z", "", 2},
			{"2026-05-02T17:00:00Z", "Asia/Tokyo", 3}, // 3 May, 2:00
			{"2026-05-02T19:00:00Z", "utc_gmt", 3},    // 2 May
			{"2026-05-03T19:00:00Z", "", 3},
			{"2026-05-04T19:00:00Z", "member", 4},
		} {
			r.at(step.at)
			if step.zone != "" {
				if w := send(r.h, put("/apis/v1/streaks/"+s.ID, r.owner, map[string]any{"name": s.Name, "timezone": step.zone, "timeframe": s.Timeframe, "action": s.Action})); w.Code != http.StatusOK {
					t.Fatalf("got %d %s", w.Code, w.Body)
				}
			}
			r.says()
			if got := r.views()[0].Current; got != step.want {
				t.Errorf("at %s: %d in a row, want %d", step.at, got, step.want)
			}
		}
	})
}

// A visit is counted once a day of the server, which is not the day of the streak.
func TestAVisitCountsOnTheDayOfTheStreak(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-01T10:00:00Z")
		r.makes(map[string]any{"timezone": "Asia/Tokyo", "action": conditionsOf("and", 1, "visits")})
		r.makes(map[string]any{"action": conditionsOf("and", 2, "visits"), "order": 1}) // of which nobody makes two
		for _, step := range []struct {
			at   string
			want int64
		}{{"2026-05-01T10:00:00Z", 1}, {"2026-05-01T12:00:00Z", 1}, {"2026-05-01T20:00:00Z", 2}, {"2026-05-02T20:00:00Z", 3}, {"2026-05-04T20:00:00Z", 1}} {
			r.at(step.at)
			do[gen.VisitResponse](t, r.h, "POST", "/servers/"+r.id+"/visit", r.ben, nil)
			if got := r.views(); got[0].Current != step.want || got[1].Current != 0 {
				t.Errorf("at %s: %+v, want %d in a row", step.at, got, step.want)
			}
		}
	})
}

func TestAStreakIsReachedByWhoHasEnoughInAFieldWhenTheyAct(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-01T10:00:00Z")
		me := do[gen.AccountResponse](t, r.h, "GET", "/auth/me", r.ben, nil).Body.ID
		at := "/apis/v1/communities/" + r.id + "/user-fields"
		field := do[gen.UserFieldResponse](t, r.h, "POST", at, r.owner, map[string]any{"field": "deposit", "name": "Deposit", "type": "number", "defaultValue": 500}).Data.ID
		r.makes(map[string]any{"action": map[string]any{"operator": "and", "conditions": []any{map[string]any{"action": field, "value": 100, "isCustomField": true}}}})
		set := func(value float64) {
			do[gen.UserFieldHistoryResponse](t, r.h, "POST", at+"/"+field+"/users/"+me+"/histories", r.owner, map[string]any{"value": value})
		}
		for _, step := range []struct {
			at   string
			does func()
			want int64
			done bool
		}{
			{"2026-05-01T10:00:00Z", func() { r.says() }, 0, false}, // a default is nobody's own
			{"2026-05-01T11:00:00Z", func() { set(100) }, 1, true},
			{"2026-05-02T10:00:00Z", func() {}, 1, false},
			{"2026-05-02T11:00:00Z", func() { r.says() }, 2, true},
			{"2026-05-03T10:00:00Z", func() { set(50) }, 2, false},
			{"2026-05-03T11:00:00Z", func() { r.says() }, 2, false},
			{"2026-05-03T12:00:00Z", func() { set(1000) }, 3, true},
		} {
			r.at(step.at)
			step.does()
			if got := r.views()[0]; got.Current != step.want || got.DoneInPeriod != step.done {
				t.Errorf("at %s: %+v, want %d in a row, done: %t", step.at, got, step.want, step.done)
			}
		}
		if got := r.points(); got.XP != 10 {
			t.Errorf("that brought %+v", got)
		}
	})
}

func TestWhatWasReachedIsListedByPagesAndOutlivesTheStreak(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-01T10:00:00Z")
		each := map[string]any{"timeframe": map[string]any{"value": "daily", "count": 1}}
		one, two := r.makes(each), r.makes(each)
		for day := 1; day <= 7; day++ {
			r.at(fmt.Sprintf("2026-05-%02dT10:00:00Z", day))
			r.says()
		}
		if w := send(r.h, request("DELETE", "/apis/v1/streaks/"+one.ID, r.owner)); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		if len(r.views()) != 1 {
			t.Errorf("a streak that is gone is shown: %+v", r.views())
		}
		export := do[gen.AccountExportResponse](t, r.h, "GET", "/auth/me/export", r.ben, nil).Body
		if len(export.Streaks) != 14 || export.Streaks[0].Length != 1 || export.Streaks[6].Period != "2026-05-07" {
			t.Errorf("the export has %+v", export.Streaks)
		}
		var periods []string
		ask := map[string]any{"streakId": one.ID, "limit": 3}
		for page := r.logs(ask); ; page = r.logs(ask) {
			for _, l := range page.Logs {
				periods = append(periods, l.Period[len("2026-05-"):])
			}
			if page.NextCursor == "" {
				break
			}
			ask["cursor"] = page.NextCursor
		}
		if got := strings.Join(periods, " "); got != "07 06 05 04 03 02 01" {
			t.Errorf("by cursor, it was reached on %s", got)
		}
		if got := r.logs(map[string]any{"limit": 100}).Logs; len(got) != 14 {
			t.Errorf("there are %d lines of both", len(got))
		}
		states := func() []string {
			member, err := r.s.store.Streaks.Member(t.Context(), r.id, r.account, false)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for id := range member.States {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			return ids
		}
		for more := true; more; {
			more = must(inTx(t.Context(), r.s.core, func(tx *store.Tx) (bool, error) {
				return streakRemoval{ServerID: r.id, StreakID: one.ID}.deleteRest(t.Context(), tx, 1, r.s.now())
			}))
		}
		if got := states(); len(got) != 1 || got[0] != two.ID {
			t.Errorf("what is left is of %v, want %s", got, two.ID)
		}
	})
}
