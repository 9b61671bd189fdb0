package server

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// game makes a mini game of the club.
func (r runner) game(changes map[string]any) gen.MiniGame {
	r.Helper()
	in := map[string]any{
		"name": "Wheel", "type": "spin-wheel", "serverId": r.id, "playsPerDay": 1000, "prizes": []any{map[string]any{"name": "10 XP", "weight": 1, "xp": 10, "coins": 1}},
	}
	for name, value := range changes {
		in[name] = value
	}
	return do[gen.MiniGameResponse](r.T, r.h, "POST", "/apis/v1/mini-games", r.owner, in).Data
}

func (r runner) play(game, token, key string) (code int, name string) {
	asked := jsonRequest("/apis/v1/mini-games/"+game+"/play", token, map[string]any{})
	if key != "" {
		asked.Header.Set("Idempotency-Key", key)
	}
	w := send(r.h, asked)
	var answer gen.MiniGamePlayResponse
	if err := json.Unmarshal(w.Body.Bytes(), &answer); w.Code == http.StatusOK && err != nil {
		r.Error(err)
	}
	return w.Code, answer.Data.Prize.Name
}

// playsAtOnce lets members play at once, and tells how often what came of it: the name of a prize, or "409".
func (r runner) playsAtOnce(game string, times int, key string, tokens ...string) map[string]int {
	r.Helper()
	var all sync.WaitGroup
	var mutex sync.Mutex
	got := map[string]int{}
	for i := range times {
		all.Go(func() {
			code, name := r.play(game, tokens[i%len(tokens)], key)
			for code == http.StatusServiceUnavailable { // too many wait at once
				code, name = r.play(game, tokens[i%len(tokens)], key)
			}
			if code != http.StatusOK {
				name = http.StatusText(code)
			}
			mutex.Lock()
			defer mutex.Unlock()
			got[name]++
		})
	}
	all.Wait()
	return got
}

func (r runner) setPlays(game string, plays int) gen.MiniGamePlays {
	r.Helper()
	key := r.keyOf(r.T, r.owner, "gamification")
	return do[gen.MiniGamePlaysResponse](r.T, r.h, "PUT", "/apis/v1/users/mini-games/plays", key, map[string]any{
		"identifier": r.number, "identifier_type": "id", "gameId": game, "plays": plays,
	}).Data
}

func (r runner) standing() gen.MiniGameStanding {
	r.Helper()
	in := map[string]any{"identifier": r.number, "identifier_type": "id"}
	return do[gen.MiniGameStatsResponse](r.T, r.h, "POST", "/apis/v1/users/mini-games/stats", r.key, in).Data.MiniGames[0]
}

func prizes(all ...map[string]any) map[string]any { return map[string]any{"prizes": all} }

var conflict = http.StatusText(http.StatusConflict)

func TestNoPrizeIsDrawnMoreOftenThanItsStockHoweverManyPlay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T12:00:00Z")
		rare := r.game(prizes(map[string]any{"name": "Board", "weight": 1, "stock": 2, "xp": 7}, map[string]any{"name": "Set", "weight": 1_000_000, "stock": 3, "xp": 7}))
		if got := r.playsAtOnce(rare.ID, 100, "", r.ben, r.owner); got["Board"] != 2 || got["Set"] != 3 || got[conflict] != 95 {
			t.Errorf("of 2 boards and 3 sets, 100 plays have drawn %v", got)
		}
		often := r.game(prizes(map[string]any{"name": "Set", "weight": 50, "stock": 5, "coins": 3}, map[string]any{"name": "Pawn", "weight": 1}))
		if got := r.playsAtOnce(often.ID, 100, "", r.ben, r.owner); got["Set"] != 5 || got["Pawn"] != 95 {
			t.Errorf("of 5 sets and any number of pawns, 100 plays have drawn %v", got)
		}
		for _, game := range []string{rare.ID, often.ID} {
			for _, p := range do[gen.MiniGameResponse](t, r.h, "GET", "/apis/v1/mini-games/"+game, r.owner, nil).Data.Prizes {
				if p.Stock != nil && *p.Left != 0 {
					t.Errorf("%d are left of %s", *p.Left, p.Name)
				}
			}
		}
		var sum gen.Balance
		for _, number := range []string{r.number, do[gen.AccountResponse](t, r.h, "GET", "/auth/me", r.owner, nil).Body.Number} {
			has := do[gen.BalanceResponse](t, r.h, "GET", "/servers/"+r.id+"/members/"+number+"/balance", r.owner, nil).Body
			sum.XP += has.XP
			sum.Coins += has.Coins
		}
		if want := (gen.Balance{XP: 35, Coins: 15}); sum != want {
			t.Errorf("%+v was credited, want %+v", sum, want)
		}
	})
}

func TestNobodyPlaysMoreOftenThanTheyMayOrPaysWhatTheyHaveNot(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T12:00:00Z")
		few := r.game(map[string]any{"playsPerDay": 3})
		r.setPlays(few.ID, 4)
		if got := r.playsAtOnce(few.ID, 30, "", r.ben); got["10 XP"] != 7 || got[conflict] != 23 {
			t.Errorf("with 3 plays a day and 4 beyond, 30 plays are %v", got)
		}
		if got := r.standing(); got.PlaysLeft != 0 || got.PlaysToday != 7 || got.TotalPlays != 7 {
			t.Errorf("got %+v", got)
		}
		dear := r.game(map[string]any{"cost": map[string]any{"coins": 2}, "prizes": []any{map[string]any{"name": "Nothing", "weight": 1}}})
		if got := r.playsAtOnce(dear.ID, 30, "", r.ben); got["Nothing"] != 3 || got[conflict] != 27 {
			t.Errorf("for 2 of 7 coins each, 30 plays are %v", got)
		}
		if got, want := r.points(), (gen.Balance{XP: 70, Coins: 1}); got != want {
			t.Errorf("%+v is left, want %+v", got, want)
		}
		rich := r.game(map[string]any{"cost": map[string]any{"coins": 5}, "prizes": []any{map[string]any{"name": "Coins", "weight": 1, "coins": 100}}})
		if code, _ := r.play(rich.ID, r.ben, ""); code != http.StatusConflict {
			t.Errorf("a prize has paid for itself: %d", code)
		}
	})
}

func TestAPlayThatIsSentAgainPlaysOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T12:00:00Z")
		game := r.game(nil)
		if got := r.playsAtOnce(game.ID, 10, "k-1", r.ben); got["10 XP"] != 10 {
			t.Errorf("got %v", got)
		}
		if got, want := r.points(), (gen.Balance{XP: 10, Coins: 1}); got != want {
			t.Errorf("%+v was credited, want %+v", got, want)
		}
		if got := r.standing(); got.TotalPlays != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestPlaysOfTheDayAreThoseOfTheDayOfTheCommunity(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T10:00:00Z") // the 4th at 22:00
		zone := func(name string) {
			if w := send(r.h, patch("/servers/"+r.id+"/settings", r.owner, map[string]any{"timeZone": name})); w.Code != http.StatusOK {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
		zone("Pacific/Auckland")
		game := r.game(map[string]any{"playsPerDay": 1}).ID
		for _, step := range []struct {
			at, zone string
			want     int
		}{
			{"2026-05-04T10:00:00Z", "Pacific/Auckland", http.StatusOK},
			{"2026-05-04T11:59:00Z", "Pacific/Auckland", http.StatusConflict},
			{"2026-05-04T12:00:00Z", "Pacific/Auckland", http.StatusOK},       // the 5th
			{"2026-05-04T12:01:00Z", "Pacific/Honolulu", http.StatusConflict}, // the 4th again
			{"2026-05-05T12:00:00Z", "Pacific/Honolulu", http.StatusConflict}, // the 5th again
			{"2026-05-06T10:00:00Z", "Pacific/Honolulu", http.StatusOK},       // the 6th
		} {
			r.at(step.at)
			zone(step.zone)
			if code, _ := r.play(game, r.ben, ""); code != step.want {
				t.Errorf("at %s in %s: got %d, want %d", step.at, step.zone, code, step.want)
			}
		}
		r.at("2026-05-20T10:00:00Z")
		if got := r.standing(); got.PlaysLeft != 1 || got.PlaysToday != 0 || got.TotalPlays != 3 {
			t.Errorf("got %+v", got)
		}
		r.setPlays(game, 2)
		if got := r.standing(); got.PlaysLeft != 3 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestPlaysOfADayGoFirstAndAClockThatJumpedIsForgotten(t *testing.T) {
	p := store.Player{Extra: 1}
	for i, step := range []struct {
		perDay, today, left int64
		ok                  bool
	}{
		{2, 100, 2, true}, {2, 100, 1, true}, {2, 100, 0, true}, {2, 100, 0, false},
		{2, 99, 0, false}, {2, 98, 0, false}, // a change of the time zone
		{3, 98, 0, true},
		{2, 101, 1, true},
		{1, 101, 0, false}, // fewer than were played
		{2, 98, 1, true},   // the clock was wrong
	} {
		if left, ok := takePlay(&p, step.perDay, step.today); left != step.left || ok != step.ok {
			t.Errorf("step %d: got %d, %v; want %d, %v (%+v)", i, left, ok, step.left, step.ok, p)
		}
	}
	if p.Total != 6 || p.Today != 1 {
		t.Errorf("got %+v", p)
	}
}

func TestADeletedGameLeavesNothingOfItsPlays(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T12:00:00Z")
		game, kept := r.game(nil), r.game(nil)
		for _, id := range []string{game.ID, kept.ID} {
			r.playsAtOnce(id, 3, "", r.ben, r.owner)
		}
		do[gen.MiniGameResponse](t, r.h, "DELETE", "/apis/v1/mini-games/"+game.ID, r.owner, nil)
		steps := 0
		for more := true; more; steps++ {
			var err error
			if more, err = inTx(t.Context(), r.s.core, func(tx *store.Tx) (bool, error) {
				return gameRemoval{GameID: game.ID}.deleteRest(t.Context(), tx, 1, r.s.now())
			}); err != nil {
				t.Fatal(err)
			}
		}
		if steps != 6 { // three plays, two players, and nothing more
			t.Errorf("it took %d steps", steps)
		}
		if got := r.standing(); got.ID != kept.ID || got.TotalPlays != 2 {
			t.Errorf("got %+v", got)
		}
		if got, want := r.points(), (gen.Balance{XP: 40, Coins: 4}); got != want {
			t.Errorf("%+v is left of what was drawn, want %+v", got, want)
		}
	})
}

func TestAPrizeThatKeepsItsIDKeepsHowOftenItWasDrawn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		r := newRunner(t, config, "2026-05-04T12:00:00Z")
		game := r.game(prizes(map[string]any{"name": "Set", "weight": 1, "stock": 3}))
		id := game.Prizes[0].ID
		change := func(stock any) gen.MiniGamePrize {
			prize := map[string]any{"name": "Set", "weight": 1, "_id": id}
			if stock != nil {
				prize["stock"] = stock
			}
			return do[gen.MiniGameResponse](t, r.h, "PUT", "/apis/v1/mini-games/"+game.ID, r.owner, prizes(prize)).Data.Prizes[0]
		}
		r.playsAtOnce(game.ID, 2, "", r.ben)
		for _, step := range []struct{ stock, left int }{{5, 3}, {3, 1}, {1, 0}, {2, 0}} {
			if got := change(step.stock); *got.Left != int32(step.left) {
				t.Errorf("with a stock of %d and 2 drawn, %d are left", step.stock, *got.Left)
			}
		}
		if code, _ := r.play(game.ID, r.ben, ""); code != http.StatusConflict {
			t.Errorf("got %d", code)
		}
		if got := change(nil); got.Left != nil {
			t.Errorf("of any number, %d are left", *got.Left)
		}
		r.playsAtOnce(game.ID, 4, "", r.ben)
		if got := change(3); *got.Left != 1 {
			t.Errorf("what was drawn while there was any number counts: %d are left, want 1", *got.Left)
		}
	})
}
