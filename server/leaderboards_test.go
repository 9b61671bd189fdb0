package server

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A boardClub is a server with members, in which XP are given, and whose clock is moved. No job runs by itself.
type boardClub struct {
	*testing.T
	s         *Server
	h         http.Handler
	id, owner string
	tokens    map[string]string
	numbers   map[string]string

	mu    sync.Mutex
	nowAt time.Time
}

func newBoardClub(t *testing.T, config Config, names ...string) *boardClub {
	t.Helper()
	c := &boardClub{T: t, tokens: map[string]string{}, numbers: map[string]string{}}
	c.nowAt = time.Date(2026, time.August, 5, 12, 0, 0, 0, time.UTC) // a Wednesday
	config.Now = func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.nowAt
	}
	c.s = unlimited(open(t, config))
	c.s.stopJobs(t.Context())
	c.s.stopJobs = nil
	c.h, c.owner = c.s.Handler(), tokenOf(t, c.s, "owner@example.com")
	c.id = openServer(t, c.h, c.owner, "Chess club")
	for _, name := range append([]string{"owner"}, names...) {
		c.tokens[name] = tokenOf(t, c.s, name+"@example.com")
		if name != "owner" {
			do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", c.tokens[name], nil)
		}
		c.numbers[name] = do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.tokens[name], nil).Body.Number
	}
	return c
}

func (c *boardClub) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nowAt = c.nowAt.Add(by)
}

// gives a member XP.
func (c *boardClub) gives(name string, xp int) {
	c.Helper()
	badge := do[gen.BadgeResponse](c, c.h, "POST", "/badges", c.owner, map[string]any{"title": "Well done", "action": "custom", "award": true, "awardXpQuantity": xp, "serverId": c.id}).Body.ID
	do[struct{}](c, c.h, "POST", "/badges/"+badge+"/award", c.owner, map[string]any{"userId": c.numbers[name]})
}

func (c *boardClub) role() string {
	return do[gen.RoleResponse](c, c.h, "POST", "/roles", c.owner, map[string]any{"title": "Player", "class": "blue", "order": 10, "billable": false, "serverId": c.id}).Body.ID
}

func (c *boardClub) roles(role, what, name string) {
	c.Helper()
	do[gen.RoleListResponse](c, c.h, "POST", "/roles/"+role+"/"+what, c.owner, map[string]any{"userId": c.numbers[name]})
}

var slugs atomic.Int64

// board makes a leaderboard by XP.
func (c *boardClub) board(changes map[string]any) string {
	c.Helper()
	body := map[string]any{"name": "Most XP", "slug": fmt.Sprint("b", slugs.Add(1)), "rankingField": "xps", "serverId": c.id}
	for name, value := range changes {
		body[name] = value
	}
	return do[gen.LeaderboardResponse](c, c.h, "POST", "/apis/v1/leaderboards", c.owner, body).Data.ID
}

func (c *boardClub) entries(board, query string) gen.LeaderboardEntryListResponse {
	c.Helper()
	return do[gen.LeaderboardEntryListResponse](c, c.h, "GET", "/apis/v1/leaderboards/"+board+"/entries"+query, c.owner, nil)
}

// refresh runs the job of the server until it would wait.
func (c *boardClub) refresh() {
	c.Helper()
	for {
		again, after, err := c.s.refreshBoards(c.Context(), c.id)
		if err != nil {
			c.Fatal(err)
		}
		if !again || after > 0 {
			return
		}
	}
}

// is wants these to be ranked so: "1 ann 10".
func (c *boardClub) is(board, query string, want ...string) gen.LeaderboardEntryListResponse {
	c.Helper()
	found := c.entries(board, query)
	if got := ranksIn(found); strings.Join(got, ", ") != strings.Join(want, ", ") {
		c.Errorf("%s: got %v, want %v", query, got, want)
	}
	return found
}

func ranksIn(found gen.LeaderboardEntryListResponse) (got []string) {
	for _, e := range found.Data {
		rank, _ := e.Rank.Get()
		got = append(got, fmt.Sprintf("%d %s %v", rank, e.User.DisplayName, e.Value))
	}
	return got
}

func TestEqualValuesShareARankAndTheNextOneCountsAllBeforeIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann", "ben", "cleo", "dan")
		c.gives("ann", 10)
		c.gives("ben", 5)
		c.gives("cleo", 5)
		c.gives("dan", 1)
		all := c.board(nil)
		c.is(all, "", "1 ann 10", "2 cleo 5", "2 ben 5", "4 dan 1", "5 owner 0")
		c.is(all, "?limit=2&page=2", "2 ben 5", "4 dan 1")
		c.is(all, "?limit=3&around=ben@example.com", "2 cleo 5", "2 ben 5", "4 dan 1")
		c.is(all, "?limit=1&around="+c.numbers["dan"], "4 dan 1")
		c.is(all, "?around="+c.numbers["owner"], "1 ann 10", "2 cleo 5", "2 ben 5", "4 dan 1", "5 owner 0")
		c.is(c.board(map[string]any{"onlyPositiveRanks": true}), "", "1 ann 10", "2 cleo 5", "2 ben 5", "4 dan 1")
		top := c.board(map[string]any{"topRankOnly": true, "topRankLimit": 2})
		c.is(top, "", "1 ann 10", "2 cleo 5", "2 ben 5")
		c.is(top, "?limit=3&around="+c.numbers["ben"], "2 cleo 5", "2 ben 5")

		var walked []string
		for query := "?limit=1"; ; {
			page := c.entries(all, query)
			walked = append(walked, ranksIn(page)...)
			if page.Meta.NextCursor == "" {
				break
			}
			query = "?limit=1&cursor=" + page.Meta.NextCursor
		}
		if got := strings.Join(walked, ", "); got != "1 ann 10, 2 cleo 5, 2 ben 5, 4 dan 1, 5 owner 0" {
			t.Errorf("by cursor: got %s", got)
		}
		for _, query := range []string{"?page=2&around=1", "?cursor=eA&around=1", "?cursor=eA", "?page=2&cursor=eA"} {
			if w := send(c.h, request("GET", "/apis/v1/leaderboards/"+all+"/entries"+query, c.owner)); w.Code != http.StatusBadRequest {
				t.Errorf("%s: got %d %s", query, w.Code, w.Body)
			}
		}
		if w := send(c.h, request("GET", "/apis/v1/leaderboards/"+all+"/entries?around=ben@example.com", c.tokens["ann"])); w.Code != http.StatusNotFound {
			t.Errorf("a member learns whose address it is: got %d %s", w.Code, w.Body)
		}
	})
}

func TestWhereOnlyTheTopIsShownNothingTellsOfTheRanksBelow(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann", "ben", "cleo", "dan", "eve")
		for name, xp := range map[string]int{"ann": 10, "ben": 8, "cleo": 6, "dan": 4, "eve": 2} {
			c.gives(name, xp)
		}
		top := map[string]any{"topRankOnly": true, "topRankLimit": 2}
		exact, computed := c.board(top), c.board(top)
		c.entries(computed, "?filter=daily")
		c.refresh()
		for board, filter := range map[string]string{exact: "all-time", computed: "daily"} {
			at := "?filter=" + filter
			cursor := func(text string) string {
				return at + "&cursor=" + base64.RawURLEncoding.EncodeToString([]byte(board+" "+filter+" "+text))
			}
			nothing := func(query string) {
				t.Helper()
				if found := c.is(board, query); found.Meta.Total != 0 || found.Meta.NextCursor != "" {
					t.Errorf("%s: tells of %d, and of more at %q", query, found.Meta.Total, found.Meta.NextCursor)
				}
			}
			c.is(board, at, "1 ann 10", "2 ben 8")
			c.is(board, at+"&limit=1&page=2", "2 ben 8")
			c.is(board, at+"&limit=3&around="+c.numbers["ben"], "1 ann 10", "2 ben 8")
			c.is(board, cursor("9.5 0"), "2 ben 8")
			nothing(cursor("8 0"))
			nothing(cursor("5.5 0"))
			for _, counters := range []string{" 1 0", " 1 -1"} {
				if w := send(c.h, request("GET", "/apis/v1/leaderboards/"+board+"/entries"+cursor("5.5 0"+counters), c.owner)); w.Code != http.StatusBadRequest {
					t.Errorf("a cursor that counts: got %d %s", w.Code, w.Body)
				}
			}
			nothing(at + "&limit=2&page=2")
			nothing(at + "&limit=2&page=3")
			for _, limit := range []string{"1", "2", "3", "4", "100"} {
				nothing(at + "&limit=" + limit + "&around=" + c.numbers["dan"])
			}
			next := c.is(board, at+"&limit=1", "1 ann 10").Meta.NextCursor
			if last := c.is(board, at+"&limit=1&cursor="+next, "2 ben 8"); last.Meta.Total != 2 || last.Meta.NextCursor != "" {
				t.Errorf("the last page tells of %d, and of more at %q", last.Meta.Total, last.Meta.NextCursor)
			}
		}
		c.is(c.board(nil), "?limit=2&page=9")
	})
}

func TestWhoIsNoMemberOrHasNoneOfTheRolesIsInNoLeaderboardAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann", "ben", "cleo", "dan")
		for name, xp := range map[string]int{"ann": 10, "ben": 5, "cleo": 4, "dan": 3} {
			c.gives(name, xp)
		}
		role := c.role()
		for _, name := range []string{"ann", "ben", "cleo"} {
			c.roles(role, "add", name)
		}
		all, daily := c.board(nil), c.board(nil)
		players := c.board(map[string]any{"allowedRolesToRank": []string{role}})
		tagged := c.board(map[string]any{"allowedTagsToRank": []string{"gold"}})
		for board, filter := range map[string]string{daily: "?filter=daily", players: "", tagged: ""} {
			if found := c.is(board, filter); !found.Meta.ComputedAt.IsNull() {
				t.Errorf("what was never computed was so at %v", found.Meta.ComputedAt)
			}
		}
		c.refresh()
		c.is(all, "?filter=daily") // another leaderboard, at which nobody has looked
		if found := c.is(daily, "?filter=daily", "1 ann 10", "2 ben 5", "3 cleo 4", "4 dan 3"); found.Meta.ComputedAt.IsNull() {
			t.Error("it is not said when it was computed")
		}
		c.is(players, "", "1 ann 10", "2 ben 5", "3 cleo 4")
		c.is(tagged, "")

		do[struct{}](t, c.h, "POST", "/servers/"+c.id+"/leave", c.tokens["ann"], nil)
		c.roles(role, "remove", "ben")
		c.is(all, "", "1 ben 5", "2 cleo 4", "3 dan 3", "4 owner 0")
		c.is(daily, "?filter=daily", "1 ben 5", "2 cleo 4", "3 dan 3")
		c.is(players, "", "1 cleo 4")
		c.move(boardsRefreshEvery)
		c.refresh()
		c.is(players, "", "1 cleo 4")

		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", c.tokens["ann"], nil)
		c.roles(role, "add", "ben")
		c.roles(role, "add", "dan")
		c.refresh() // also before it is time: of whom something has changed is brought up to date first
		c.is(all, "", "1 ann 10", "2 ben 5", "3 cleo 4", "4 dan 3", "5 owner 0")
		c.is(daily, "?filter=daily", "1 ann 10", "2 ben 5", "3 cleo 4", "4 dan 3")
		c.is(players, "", "1 ben 5", "2 cleo 4", "3 dan 3")

		do[struct{}](t, c.h, "DELETE", "/roles/"+role, c.owner, nil)
		c.is(players, "")
		c.refresh()
		c.is(players, "")
	})
}

func TestALeaderboardOfATimeCountsWhatWasGotInItAndIsAMinuteOldAtMost(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann", "ben")
		board := c.board(nil)
		window := c.board(map[string]any{"startDate": "2026-08-06T00:00:00Z", "endDate": "2026-08-07T00:00:00Z", "timeZone": 0})
		look := func(day string, want map[string][]string) {
			t.Helper()
			for range 2 {
				for filter := range want {
					c.entries(board, "?filter="+filter)
				}
				c.entries(window, "")
				c.refresh()
			}
			for filter, ranks := range want {
				c.is(board, "?filter="+filter, ranks...)
			}
		}
		c.gives("ann", 10)
		look("Wednesday", map[string][]string{"daily": {"1 ann 10"}, "weekly": {"1 ann 10"}, "monthly": {"1 ann 10"}, "yearly": {"1 ann 10"}})
		c.is(window, "")
		c.gives("ben", 3)
		c.is(board, "?filter=daily", "1 ann 10")
		c.move(boardsRefreshEvery)
		look("later", map[string][]string{"daily": {"1 ann 10", "2 ben 3"}, "weekly": {"1 ann 10", "2 ben 3"}})

		c.move(24 * time.Hour)
		c.gives("ben", 20)
		look("Thursday", map[string][]string{"daily": {"1 ben 20"}, "weekly": {"1 ben 23", "2 ann 10"}, "yearly": {"1 ben 23", "2 ann 10"}})
		c.is(window, "", "1 ben 20")
		c.move(4 * 24 * time.Hour)
		c.gives("ann", 1)
		look("Monday", map[string][]string{"daily": {"1 ann 1"}, "weekly": {"1 ann 1"}, "monthly": {"1 ben 23", "2 ann 11"}})
		c.is(window, "", "1 ben 20")
		c.move(22 * 24 * time.Hour)
		look("September", map[string][]string{"daily": nil, "monthly": nil, "yearly": {"1 ben 23", "2 ann 11"}})
		c.is(board, "", "1 ben 23", "2 ann 11", "3 owner 0")
	})
}

func TestTheJobOfLeaderboardsGoesOnWhereItWas(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann", "ben")
		c.gives("ann", 10)
		board := c.board(nil)
		c.entries(board, "?filter=daily")
		step := func() (more bool) {
			t.Helper()
			found, err := c.s.store.Leaderboards.ListStandings(t.Context(), c.id, "", 10)
			if err != nil || len(found) != 1 {
				t.Fatalf("got %v (%v)", found, err)
			}
			shown, err := c.s.store.Leaderboards.Get(t.Context(), board)
			if err != nil {
				t.Fatal(err)
			}
			more, err = inSharedTx(t.Context(), c.s.core, func(tx *store.Tx) (bool, error) { return c.s.refreshSome(t.Context(), tx, &found[0], shown, time.UTC) })
			if err != nil {
				t.Fatal(err)
			}
			return more
		}
		steps := 1
		for ; step(); steps++ {
			if steps > 20 {
				t.Fatal("it does not end")
			}
		}
		c.is(board, "?filter=daily", "1 ann 10")
		c.gives("ben", 20)
		c.move(boardsRefreshEvery)
		for more := true; more; {
			called, off := context.WithCancel(t.Context())
			off()
			if _, _, err := c.s.refreshBoards(called, c.id); err == nil && config.Database != "" {
				t.Error("what was called off has worked")
			}
			more = step()
		}
		c.is(board, "?filter=daily", "1 ben 20", "2 ann 10")
		if steps < 2 {
			t.Errorf("it took %d steps, so that this test shows nothing", steps)
		}
	})
}

func TestALeaderboardAtWhichNobodyLooksIsNotComputedAndIsRemovedAfterADay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann")
		c.gives("ann", 10)
		board := c.board(map[string]any{"allowedUsersToRank": []string{do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.tokens["ann"], nil).Body.ID}})
		c.entries(board, "")
		c.refresh()
		c.gives("ann", 5)
		c.move(boardsWatchedFor + time.Second)
		if again, _, err := c.s.refreshBoards(t.Context(), c.id); again || err != nil {
			t.Errorf("the job wants to be run again: %t, %v", again, err)
		}
		first := c.is(board, "", "1 ann 10")
		c.refresh()
		if second := c.is(board, "", "1 ann 15"); second.Meta.ComputedAt == first.Meta.ComputedAt {
			t.Error("it was computed, and still says that it was so long ago")
		}
		c.move(boardsKeptFor + time.Second)
		c.refresh()
		c.is(board, "")
	})
}

func TestALeaderboardByAFieldRanksWhoHasANumberInIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann", "ben")
		at := "/apis/v1/communities/" + c.id + "/user-fields"
		field := do[gen.UserFieldResponse](t, c.h, "POST", at, c.owner, map[string]any{"field": "rating", "name": "Rating", "type": "number"}).Data.ID
		has := func(name string, value float64) {
			id := do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.tokens[name], nil).Body.ID
			do[gen.UserFieldHistoryResponse](t, c.h, "POST", at+"/"+field+"/users/"+id+"/histories", c.owner, map[string]any{"value": value})
		}
		has("ann", 1500.5)
		has("ben", -3)
		board := c.board(map[string]any{"rankingField": field, "displayedColumns": []any{
			map[string]any{"column": "rating", "visible": true, "order": 0}, map[string]any{"column": "xps", "visible": true, "order": 1}, map[string]any{"column": "messages", "visible": false, "order": 2},
		}})
		c.entries(board, "")
		c.refresh()
		found := c.is(board, "", "1 ann 1500.5", "2 ben -3")
		if got := fmt.Sprint(found.Data[0].Columns); got != "map[rating:1500.5 xps:0]" {
			t.Errorf("the columns are %s", got)
		}
		has("ben", 2000)
		c.refresh()
		c.is(board, "?limit=1&around="+c.numbers["ann"], "2 ann 1500.5")
		if w := send(c.h, request("GET", "/apis/v1/leaderboards/"+board+"/entries?filter=daily", c.owner)); w.Code != http.StatusBadRequest {
			t.Errorf("a field of a day: got %d %s", w.Code, w.Body)
		}
		do[gen.UserFieldResponse](t, c.h, "DELETE", at+"/"+field, c.owner, nil)
		c.is(board, "")
	})
}

// The job runs by itself, soon after the first reading, and once however many read.
func TestWhoReadsALeaderboardHasItComputed(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		h, owner := s.Handler(), tokenOf(t, s, "owner@example.com")
		c := &boardClub{T: t, s: s, h: h, owner: owner, id: createServer(t, h, owner, "Chess club"), numbers: map[string]string{"owner": "1"}}
		c.gives("owner", 7)
		board := c.board(nil)
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() { c.entries(board, "?filter=weekly") })
		}
		wait.Wait()
		for end := time.Now().Add(20 * time.Second); c.entries(board, "?filter=weekly").Meta.ComputedAt.IsNull(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it is not computed")
			}
		}
		c.is(board, "?filter=weekly", "1 owner 7")
	})
}

func TestHoweverManyReadOneJobOfTheCommunityWaits(t *testing.T) {
	config := onPostgreSQL(t)
	c := newBoardClub(t, config)
	var wait sync.WaitGroup
	for range 5 {
		board := c.board(nil)
		for _, filter := range []string{"daily", "weekly"} {
			wait.Go(func() { c.entries(board, "?filter="+filter) })
		}
	}
	wait.Wait()
	db, err := sql.Open("pgx", config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var jobs, standings int
	if err := db.QueryRow(`SELECT (SELECT COUNT(*) FROM river_job WHERE kind = 'boards_refresh'), (SELECT COUNT(*) FROM leaderboard_standings)`).Scan(&jobs, &standings); err != nil {
		t.Fatal(err)
	}
	if jobs != 1 || standings != 10 {
		t.Errorf("%d jobs wait for %d leaderboards, want 1 for 10", jobs, standings)
	}
}

func TestTheDaysOfALeaderboardAreThoseOfTheCommunity(t *testing.T) {
	day := func(text string) int64 {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return dayOf(at, time.UTC)
	}
	auckland, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	board := newLeaderboard()
	now := time.Date(2026, time.December, 31, 13, 0, 0, 0, time.UTC) // the new year has begun in Auckland
	for _, want := range []struct {
		filter      gen.LeaderboardFilter
		zone        *time.Location
		from, until string
	}{
		{gen.LeaderboardFilterDaily, time.UTC, "2026-12-31", "2026-12-31"},
		{gen.LeaderboardFilterDaily, auckland, "2027-01-01", "2027-01-01"},
		{gen.LeaderboardFilterWeekly, time.UTC, "2026-12-28", "2027-01-03"},
		{gen.LeaderboardFilterMonthly, time.UTC, "2026-12-01", "2026-12-31"},
		{gen.LeaderboardFilterMonthly, auckland, "2027-01-01", "2027-01-31"},
		{gen.LeaderboardFilterYearly, time.UTC, "2026-01-01", "2026-12-31"},
	} {
		if got := spanOf(board, want.filter, now, want.zone); got != (daySpan{day(want.from), day(want.until)}) {
			t.Errorf("%s in %s: got %v, want %s to %s", want.filter, want.zone, got, want.from, want.until)
		}
	}
	date := func(text string) gen.Time {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return gen.Time{Time: at}
	}
	noon := gen.LeaderboardTime{Hours: 12, Ampm: "PM"}
	for hours, want := range map[float64]string{5.3: "06:42", 5.75: "06:15", -12: "00:00", 0: "12:00"} {
		if got := momentOf(date("2026-01-30"), noon, hours).UTC().Format("15:04"); got != want {
			t.Errorf("noon at %v hours is %s, want %s", hours, got, want)
		}
	}
	board.Duration.Start = gen.NullableOf(date("2026-01-30"))
	board.Duration.StartTime, board.Duration.TimeZone = gen.LeaderboardTime{Hours: 12, Ampm: "AM"}, 5.5
	if got := spanOf(board, gen.LeaderboardFilterAllTime, now, time.UTC); got != (daySpan{day("2026-01-29"), store.LastDay}) {
		t.Errorf("midnight in India begins %v", got)
	}
}
