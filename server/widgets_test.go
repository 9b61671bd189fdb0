package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/jwt"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// signs has a token made for a member of a club, and returns it.
func (c *boardClub) signs(s *Server, name string) string {
	c.Helper()
	token, err := s.newWidgetToken(c.Context(), jwt.Pass{Subject: c.numbers[name], Community: c.id}, widgetTokenLife)
	if err != nil {
		c.Fatal(err)
	}
	return token
}

// at is the status with which a server answers a token.
func (c *boardClub) at(s *Server, path, token string) int {
	return send(s.Handler(), request("GET", path, token)).Code
}

func TestAKeySignsForAMonthAndItsTokensOutliveThat(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann")
		path := "/servers/" + c.id
		keyOf := func() string {
			key, err := c.s.signingKey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return key.ID
		}
		first := keyOf()
		c.move(signingKeySigns - time.Second)
		last := c.signs(c.s, "ann")
		if again := keyOf(); again != first {
			t.Errorf("after a month without a second, %s signs, and not %s", again, first)
		}
		c.move(2 * time.Second)
		if next := keyOf(); next == first {
			t.Error("a key signs for more than a month")
		}
		c.move(widgetTokenLife - 3*time.Second)
		if err := (sweeper{core: c.s.core}).Work(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if status := c.at(c.s, path, last); status != http.StatusOK {
			t.Errorf("a second before its end, the last token of a key is answered with %d", status)
		}
		c.move(time.Second)
		if status := c.at(c.s, path, last); status != http.StatusUnauthorized {
			t.Errorf("at its end, a token is answered with %d", status)
		}
		c.move(2 * signingKeyIsKept)
		if err := (sweeper{core: c.s.core}).Work(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.s.store.Widgets.GetSigningKey(t.Context(), first); err != store.ErrNotFound {
			t.Errorf("an old key is kept: %v", err)
		}
	})
}

func TestAllServersOnADatabaseReadTheTokensOfEach(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann")
		token := c.signs(c.s, "ann")
		config.Now = c.s.now
		next := unlimited(openNext(t, c.s, config))
		if status := c.at(next, "/servers/"+c.id, token); status != http.StatusOK {
			t.Errorf("the next server answers %d", status)
		}
	})
}

func TestAWidgetTokenIsNoMoreThanItsMember(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann", "ben")
		overview := "/apis/v1/communities/" + c.id + "/analytics/loyalty-overview"
		for name, want := range map[string]int{"owner": 200, "ann": 403} {
			if status := c.at(c.s, overview, c.signs(c.s, name)); status != want {
				t.Errorf("%s is answered %d, want %d", name, status, want)
			}
		}
		bens := c.signs(c.s, "ben")
		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.tokens["ben"], nil)
		if status := c.at(c.s, "/servers/"+c.id, bens); status != http.StatusNotFound {
			t.Errorf("who has left is answered %d", status)
		}
		valid := do[gen.WidgetValidationResponse](t, c.h, "POST", "/v2/api/widget-access-keys/validate", "", map[string]any{"embedToken": bens})
		if valid.Data.Valid {
			t.Error("the token of who has left is said to be good")
		}
		r := request("GET", "/servers/"+c.id, "")
		r.Header.Del("Authorization")
		r.Header.Set("x-api-key", c.signs(c.s, "ann"))
		if w := send(c.h, r); w.Code != http.StatusUnauthorized {
			t.Errorf("in the header of API keys it is answered %d", w.Code)
		}
	})
}

// What a public widget shows is what every member sees, also where every member is an administrator.
func TestAPublicWidgetShowsNobodyWhatEveryMemberSees(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newBoardClub(t, config, "ann")
		role := c.role()
		c.roles(role, "add", "ann")
		open, closed := c.board(nil), c.board(map[string]any{"allowedRolesToView": []string{role}})
		makes := func(board string) gen.Widget {
			return do[gen.WidgetResponse](t, c.h, "POST", "/apis/v1/widgets", c.owner, map[string]any{
				"serverId": c.id, "kind": "leaderboard", "name": "Most XP", "public": true, "leaderboardId": board,
			}).Data
		}
		all := do[gen.RoleListResponse](t, c.h, "GET", "/servers/"+c.id+"/roles", c.owner, nil).Body
		for _, r := range all {
			if r.Title == "@all" {
				do[gen.RoleResponse](t, c.h, "PUT", "/roles/"+r.ID, c.owner, map[string]any{
					"class": "blue", "order": r.Order, "billable": false, "serverPermissions": map[string]any{"server_administrator": true},
				})
			}
		}
		shown, hidden := makes(open), makes(closed)
		asks := func(w gen.Widget, operation, board string) error {
			ctx, err := contract.Calling(request("GET", "/", ""), operation, onlooker(w))
			if err != nil {
				return err
			}
			_, err = (leaderboards{c.s.core}).GetLeaderboard(ctx, stub.GetLeaderboardRequestObject{LeaderboardID: board})
			return err
		}
		if err := asks(shown, "getLeaderboard", open); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{
			"a board that not every member sees": asks(hidden, "getLeaderboard", closed),
			"another board than its own":         asks(shown, "getLeaderboard", closed),
			"an operation of other kinds":        asks(shown, "getLoyaltyOverview", open),
			"an operation of none":               asks(shown, "deleteServer", open),
		} {
			if err == nil {
				t.Errorf("%s is shown", what)
			}
		}
		token, err := c.s.newWidgetToken(t.Context(), jwt.Pass{Community: c.id, Widget: shown.ID}, widgetTokenLife)
		if err != nil {
			t.Fatal(err)
		}
		path := "/apis/v1/leaderboards/" + open + "/entries"
		if status := c.at(c.s, path, token); status != http.StatusOK {
			t.Errorf("without a member, the board is answered %d", status)
		}
		do[gen.WidgetResponse](t, c.h, "PUT", "/apis/v1/widgets/"+shown.ID, c.owner, map[string]any{"public": false})
		if status := c.at(c.s, path, token); status != http.StatusUnauthorized {
			t.Errorf("when the widget is public no more, it is answered %d", status)
		}
		nobodys, err := c.s.newWidgetToken(t.Context(), jwt.Pass{Community: c.id}, widgetTokenLife)
		if err != nil {
			t.Fatal(err)
		}
		if status := c.at(c.s, path, nobodys); status != http.StatusUnauthorized {
			t.Errorf("a token of nobody for no widget is answered %d", status)
		}
	})
}
