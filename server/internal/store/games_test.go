package store

import (
	"errors"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasGames gives a server a game that some have played, and another one that is deleted.
func (l *life) hasGames(serverID string, accounts ...int64) {
	ctx := l.Context()
	var kept, gone gen.MiniGame
	l.tx(func(tx *Tx) error {
		kept, gone = l.game(serverID), l.game(serverID)
		for _, g := range []gen.MiniGame{kept, gone} {
			l.must(tx.Games.Insert(ctx, g))
			for _, account := range accounts {
				l.playsIn(tx, g, account)
			}
		}
		return tx.Games.Delete(ctx, gone.ID)
	})
	for more := true; more; {
		l.tx(func(tx *Tx) (err error) { more, err = tx.Games.DeleteRest(ctx, gone.ID, 1); return err })
	}
	l.tx(func(tx *Tx) error {
		changed := kept
		changed.Prizes = []gen.MiniGamePrize{kept.Prizes[0], {ID: l.id(), Name: "Another", Weight: 1, Stock: new(int32(3))}}
		after, err := tx.Games.Update(ctx, kept, changed)
		if err == nil && (*after.Prizes[0].Left != int32(9-len(accounts)) || *after.Prizes[1].Left != 3) {
			l.Errorf("%d and %d are left", *after.Prizes[0].Left, *after.Prizes[1].Left)
		}
		return err
	})
	games, err := l.s.Games.List(ctx, serverID)
	if err != nil || len(games) != 1 || len(games[0].Prizes) != 2 || *games[0].Prizes[0].Left != int32(9-len(accounts)) {
		l.Errorf("got %+v, %v", games, err)
	}
	if _, err := l.s.Games.Get(ctx, gone.ID); !errors.Is(err, ErrNotFound) {
		l.Errorf("a deleted game is found: %v", err)
	}
	for _, account := range accounts {
		players, err := l.s.Games.ListPlayers(ctx, serverID, account)
		if err != nil || len(players) != 1 || players[0].Total != 2 || players[0].Extra != 3 {
			l.Errorf("got %+v, %v", players, err)
		}
		plays, err := l.s.Games.ListPlays(ctx, serverID, account, Page{Limit: 10})
		if err != nil || len(plays) != 2 || plays[0].Name != "Wheel" || plays[1].Prize.Name != "Chess set" {
			l.Errorf("got %+v, %v", plays, err)
		}
	}
}

func (l *life) game(serverID string) gen.MiniGame {
	return gen.MiniGame{ID: l.id(), CommunityID: serverID, Name: "Wheel", CreatedAt: l.now(), Prizes: []gen.MiniGamePrize{
		{ID: l.id(), Name: "Chess set", Weight: 1, Stock: new(int32(9))}, {ID: l.id(), Name: "10 XP", Weight: 9, XP: 10}, {ID: l.id(), Name: "None", Weight: 1, Stock: new(int32(0))},
	}}
}

// plays gives a server a game, which an account plays.
func (l *life) plays(tx *Tx, serverID string, account int64) {
	g := l.game(serverID)
	l.must(tx.Games.Insert(l.Context(), g))
	l.playsIn(tx, g, account)
}

// playsIn lets an account draw a prize of each kind.
func (l *life) playsIn(tx *Tx, g gen.MiniGame, account int64) {
	ctx := l.Context()
	player, err := tx.Games.HoldPlayer(ctx, g, account)
	l.must(err)
	if _, known := player.LastAt.Get(); known || player.GameID != g.ID || player.Account != account {
		l.Errorf("a new player is %+v", player)
	}
	for i, p := range g.Prizes {
		taken, err := tx.Games.Take(ctx, p.ID)
		if want := i == 0; err != nil || taken != want {
			l.Errorf("the prize %d is taken: %v, %v", i, taken, err)
		}
		if i < 2 {
			id := l.id()
			l.adds(tx, LedgerLine{ServerID: g.CommunityID, Account: account, Action: "minigames", Reason: "minigames/" + id, Day: 20513, Deed: true, Counts: Counts{Minigames: 1}})
			l.must(tx.Games.InsertPlay(ctx, Play{ServerID: g.CommunityID, Account: account, Taken: taken, MiniGameLog: gen.MiniGameLog{
				ID: id, GameID: g.ID, Prize: gen.MiniGameWin{ID: p.ID, Name: p.Name}, PlayedAt: l.now(),
			}}))
		}
	}
	player.Total, player.Extra, player.LastAt = 2, 3, gen.NullableOf(l.now())
	l.must(tx.Games.PutPlayer(ctx, player))
	if again, err := tx.Games.HoldPlayer(ctx, g, account); err != nil || again.Total != 2 || again.Extra != 3 {
		l.Errorf("got %+v, %v", again, err)
	}
}

func TestAServerHasSoManyMiniGames(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		server := l.server(l.account())
		add := func() error {
			return s.Tx(t.Context(), func(tx *Tx) error { return tx.Games.Insert(t.Context(), l.game(server)) })
		}
		for range MaxMiniGames {
			l.must(add())
		}
		if limit := (*LimitError)(nil); !errors.As(add(), &limit) || limit.Most != MaxMiniGames {
			t.Error("there is one more than there may be")
		}
	})
}
