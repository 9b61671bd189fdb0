package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/draw"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// ListMiniGames shows the mini games of a community.
func (h streaks) ListMiniGames(ctx context.Context, r stub.ListMiniGamesRequestObject) (stub.ListMiniGamesResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	games, err := h.store.Games.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListMiniGames200JSONResponse{Status: integration, Message: "Mini games fetched successfully", Data: append([]gen.MiniGame{}, games...)}, nil
}

// CreateMiniGame makes a mini game.
func (h streaks) CreateMiniGame(ctx context.Context, r stub.CreateMiniGameRequestObject) (stub.CreateMiniGameResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.MiniGameResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		game := gen.MiniGame{
			ID: h.newID(), CommunityID: s.ID, Name: r.Body.Name, Type: r.Body.Type, PlaysPerDay: 1, Cost: r.Body.Cost, CreatedAt: now, UpdatedAt: now,
		}
		set(&game.PlaysPerDay, r.Body.PlaysPerDay)
		for _, p := range r.Body.Prizes {
			game.Prizes = append(game.Prizes, gen.MiniGamePrize{
				ID: h.newID(), Name: p.Name, Weight: p.Weight, XP: p.XP, Coins: p.Coins, ProductID: p.ProductID, Stock: p.Stock, Left: p.Stock,
			})
		}
		if err := tx.Games.Insert(ctx, game); err != nil {
			return body, err
		}
		body = gen.MiniGameResponse{Status: integration, Message: "Mini game created successfully", Data: game}
		return body, record(ctx, h.core, tx, s.ID, game.ID, nil, &game)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateMiniGame201JSONResponse{Body: body, Headers: stub.CreateMiniGame201ResponseHeaders(again)}, nil
}

// GetMiniGame shows a mini game.
func (h streaks) GetMiniGame(ctx context.Context, r stub.GetMiniGameRequestObject) (stub.GetMiniGameResponseObject, error) {
	_, game, err := gameNamed(ctx, h.store.Queries, r.GameID)
	if err != nil {
		return nil, err
	}
	return stub.GetMiniGame200JSONResponse{Status: integration, Message: "Mini game fetched successfully", Data: game}, nil
}

// UpdateMiniGame changes what is given of a mini game.
func (h streaks) UpdateMiniGame(ctx context.Context, r stub.UpdateMiniGameRequestObject) (stub.UpdateMiniGameResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateMiniGame200JSONResponse, err error) {
		s, before, err := gameNamed(ctx, tx.Queries, r.GameID)
		if err != nil {
			return answer, err
		}
		after := before
		set(&after.Name, r.Body.Name)
		set(&after.Type, r.Body.Type)
		set(&after.PlaysPerDay, r.Body.PlaysPerDay)
		set(&after.Cost, r.Body.Cost)
		if r.Body.Prizes != nil {
			if after.Prizes, err = h.prizesOf(before, *r.Body.Prizes); err != nil {
				return answer, err
			}
		}
		if !same(&before, &after) {
			after.UpdatedAt = gen.Time{Time: h.now()}
			if after, err = tx.Games.Update(ctx, before, after); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateMiniGame200JSONResponse{Status: integration, Message: "Mini game updated successfully", Data: after}
		return answer, record(ctx, h.core, tx, s.ID, after.ID, &before, &after)
	})
}

// prizesOf are the prizes that a game is given. Those that it has already keep their ids; how many are left of them follows from how
// many were drawn.
func (k *core) prizesOf(game gen.MiniGame, given []gen.MiniGamePrizeUpdate) (prizes []gen.MiniGamePrize, err error) {
	var faults []gen.ProblemField
	for i, p := range given {
		named := func(has gen.MiniGamePrize) bool { return has.ID == p.ID }
		prize := gen.MiniGamePrize{ID: p.ID, Name: p.Name, Weight: p.Weight, XP: p.XP, Coins: p.Coins, ProductID: p.ProductID, Stock: p.Stock, Left: p.Stock}
		switch at := slices.IndexFunc(game.Prizes, named); {
		case p.ID == "":
			prize.ID = k.newID()
		case at < 0:
			faults = append(faults, contract.Field(fmt.Sprintf("/prizes/%d/_id", i), gen.FieldCodeNotAllowed, "must be the id of a prize of the game, or be left out"))
		case slices.ContainsFunc(prizes, named):
			faults = append(faults, contract.Field(fmt.Sprintf("/prizes/%d/_id", i), gen.FieldCodeDuplicate, "must not be the id of two prizes"))
		default: // with the stock that it had, as many are left as there were
			if had := game.Prizes[at]; p.Stock != nil && had.Stock != nil && *p.Stock == *had.Stock {
				prize.Left = had.Left
			}
		}
		prizes = append(prizes, prize)
	}
	if len(faults) > 0 {
		return nil, contract.Invalid(faults...)
	}
	return prizes, nil
}

// DeleteMiniGame ends a mini game.
func (h streaks) DeleteMiniGame(ctx context.Context, r stub.DeleteMiniGameRequestObject) (stub.DeleteMiniGameResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteMiniGame200JSONResponse, err error) {
		s, gone, err := gameNamed(ctx, tx.Queries, r.GameID)
		if err != nil {
			return answer, err
		}
		if err := tx.Games.Delete(ctx, gone.ID); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, gameRemoval{GameID: gone.ID}); err != nil {
			return answer, err
		}
		answer = stub.DeleteMiniGame200JSONResponse{Status: integration, Message: "Mini game deleted successfully", Data: gone}
		return answer, record(ctx, h.core, tx, s.ID, gone.ID, &gone, nil)
	})
}

// gameNamed finds a mini game with which the caller may do the operation of the request.
func gameNamed(ctx context.Context, q store.Queries, id string) (s standing, game gen.MiniGame, err error) {
	if game, err = q.Games.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return s, game, contract.NotFound("mini game")
	}
	if err == nil {
		s, err = require(ctx, q, game.CommunityID, "mini game")
	}
	return s, game, err
}

// PlayMiniGame draws a prize of a mini game for a member, and credits it.
func (h streaks) PlayMiniGame(ctx context.Context, r stub.PlayMiniGameRequestObject) (stub.PlayMiniGameResponseObject, error) {
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.MiniGamePlayResponse, err error) {
		s, game, err := gameNamed(ctx, tx.Queries, r.GameID)
		if err != nil {
			return body, err
		}
		account, err := s.player(ctx, tx.Queries, valueOf(r.Body))
		if err != nil {
			return body, err
		}
		play, err := h.play(ctx, tx, game, account)
		return gen.MiniGamePlayResponse{Status: integration, Message: "Mini game played successfully", Data: play}, err
	})
	if err != nil {
		return nil, err
	}
	return stub.PlayMiniGame200JSONResponse{Body: body, Headers: stub.PlayMiniGame200ResponseHeaders(again)}, nil
}

// player is who plays: the caller, or whom an API key names.
func (s standing) player(ctx context.Context, q store.Queries, by gen.MiniGamePlayCreate) (account int64, err error) {
	switch {
	case s.actor.key == nil && by.Identifier == "":
		return s.actor.account, nil
	case s.actor.key == nil:
		itself, err := s.namesItself(ctx, q, by.Identifier)
		if err == nil && !itself {
			err = contract.PermissionDenied("an account plays for itself only")
		}
		return s.actor.account, err
	case by.Identifier == "":
		return 0, contract.Invalid(contract.Field("/identifier", gen.FieldCodeRequired, "is required: an API key is nobody"))
	}
	named, err := memberIdentified(ctx, q, s.ID, by.Identifier, string(by.IdentifierType), by.FieldName)
	return named.AccountNumber, err
}

// play is the step that lets a member play a game once. What it locks, it locks in the order player, prize, totals: two who play several
// games at once never wait for each other.
func (k *core) play(ctx context.Context, tx *store.Tx, game gen.MiniGame, account int64) (made gen.MiniGamePlay, err error) {
	player, err := tx.Games.HoldPlayer(ctx, game, account)
	if err != nil {
		return made, err
	}
	today, err := k.today(ctx, tx.Queries, game.CommunityID)
	if err != nil {
		return made, err
	}
	now, id := gen.Time{Time: k.now()}, k.newID()
	left, ok := takePlay(&player, int64(game.PlaysPerDay), today)
	if !ok {
		return made, contract.Conflict("No plays left", "the member has played as often as the game allows on a day, and has no extra plays")
	}
	player.LastAt = gen.NullableOf(now)
	if err := tx.Games.PutPlayer(ctx, player); err != nil {
		return made, err
	}
	prize, taken, err := k.drawPrize(ctx, tx, game)
	if err != nil {
		return made, err
	}
	won := gen.MiniGameWin{ID: prize.ID, Name: prize.Name, XP: prize.XP, Coins: prize.Coins, ProductID: prize.ProductID}
	if err := tx.Games.InsertPlay(ctx, store.Play{
		ServerID: game.CommunityID, Account: account, Taken: taken, MiniGameLog: gen.MiniGameLog{ID: id, GameID: game.ID, Prize: won, PlayedAt: now},
	}); err != nil {
		return made, err
	}
	line := store.LedgerLine{ServerID: game.CommunityID, Account: account, Action: string(gen.ActionMinigames)}
	for what, credit := range [2]gen.Balance{{Coins: -int64(game.Cost.Coins)}, {XP: int64(prize.XP), Coins: int64(prize.Coins)}} { // the prize pays no cost
		line.Reason = line.Action + "/" + id + "/" + [2]string{"cost", "prize"}[what]
		line.XP, line.Coins = credit.XP, credit.Coins
		if credit == (gen.Balance{}) {
			continue
		}
		if _, err := k.credit(ctx, tx, line); err != nil {
			return made, err
		}
	}
	_, err = k.acted(ctx, tx, deed{game.CommunityID, account, gen.ActionMinigames, id})
	return gen.MiniGamePlay{ID: id, Prize: won, PlaysLeft: left}, err
}

// drawPrize draws a prize of a game, and takes it if it has a stock. If somebody else has just taken the last one, it draws among the
// others.
func (k *core) drawPrize(ctx context.Context, tx *store.Tx, game gen.MiniGame) (prize gen.MiniGamePrize, taken bool, err error) {
	weights := make([]int64, len(game.Prizes))
	for i, p := range game.Prizes {
		if p.Left == nil || *p.Left > 0 {
			weights[i] = int64(p.Weight)
		}
	}
	for {
		i, err := draw.Weighted(k.random, weights)
		if errors.Is(err, draw.ErrNothing) {
			err = contract.Conflict("No prizes left", "the stock of every prize was drawn")
		}
		if err != nil {
			return prize, false, err
		}
		if prize = game.Prizes[i]; prize.Stock == nil {
			return prize, false, nil
		}
		if taken, err := tx.Games.Take(ctx, prize.ID); err != nil || taken {
			return prize, taken, err
		}
		weights[i] = 0
	}
}

// mostDaysAhead is by how many days the date may be later at one place than at another.
const mostDaysAhead = 2

// reachDay brings what a member has played to a day: on a new one, they have played nothing. After a change of the time zone, the day
// may be one before: then it is still the one that they have played on. What a clock that had jumped has noted is forgotten.
func reachDay(p *store.Player, today int64) {
	if p.Day < today || p.Day > today+mostDaysAhead {
		p.Day, p.Today, p.Free = today, 0, 0
	}
}

// playsLeft is how many plays a member has, on the day that they have reached.
func playsLeft(p store.Player, perDay int64) int64 { return max(0, perDay-p.Free) + p.Extra }

// takePlay takes one of the plays of the day, or else an extra one, and tells how many are left, and whether there was one.
func takePlay(p *store.Player, perDay, today int64) (left int64, ok bool) {
	reachDay(p, today)
	switch {
	case p.Free < perDay:
		p.Free++
	case p.Extra > 0:
		p.Extra--
	default:
		return 0, false
	}
	p.Today++
	p.Total++
	return playsLeft(*p, perDay), true
}

// SetMiniGamePlays sets how many plays a member has beyond those of the day.
func (h streaks) SetMiniGamePlays(ctx context.Context, r stub.SetMiniGamePlaysRequestObject) (stub.SetMiniGamePlaysResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.SetMiniGamePlays200JSONResponse, err error) {
		s, game, err := gameNamed(ctx, tx.Queries, r.Body.GameID)
		if err != nil {
			return answer, err
		}
		account, err := memberIdentified(ctx, tx.Queries, s.ID, r.Body.Identifier, string(r.Body.IdentifierType), r.Body.FieldName)
		if err != nil {
			return answer, err
		}
		today, err := h.today(ctx, tx.Queries, s.ID)
		if err != nil {
			return answer, err
		}
		player, err := tx.Games.HoldPlayer(ctx, game, account.AccountNumber)
		if err != nil {
			return answer, err
		}
		reachDay(&player, today)
		shown := func() gen.MiniGamePlays {
			return gen.MiniGamePlays{GameID: game.ID, UserID: account.Number, Plays: int32(player.Extra), PlaysLeft: playsLeft(player, int64(game.PlaysPerDay))}
		}
		before := shown()
		player.Extra = int64(r.Body.Plays)
		if err := tx.Games.PutPlayer(ctx, player); err != nil {
			return answer, err
		}
		answer = stub.SetMiniGamePlays200JSONResponse{Status: integration, Message: "Mini game plays updated successfully", Data: shown()}
		return answer, record(ctx, h.core, tx, s.ID, game.ID, &before, &answer.Data)
	})
}

// whoseGames finds the member of the community of the API key whom a question about games is about, by an address or by an identifier.
func whoseGames(ctx context.Context, q store.Queries, email string, by identifiedBy) (standing, store.Account, error) {
	switch {
	case email != "" && (by.identifier != "" || by.kind != "" || by.fieldName != ""):
		return standing{}, store.Account{}, contract.Invalid(contract.Field("/email", gen.FieldCodeNotAllowed, "must be left out where there is an identifier"))
	case email != "":
		by = identifiedBy{email, "", gen.IdentifierTypeEmail}
	case by.identifier == "":
		return standing{}, store.Account{}, contract.Invalid(contract.Field("/identifier", gen.FieldCodeRequired, "is required where there is no email"))
	}
	return memberAsked(ctx, q, by)
}

// GetMiniGameStats shows how much a member plays, and how far they have come in streaks.
func (h streaks) GetMiniGameStats(ctx context.Context, r stub.GetMiniGameStatsRequestObject) (stub.GetMiniGameStatsResponseObject, error) {
	q := h.store.Queries
	s, account, err := whoseGames(ctx, q, r.Body.Email, identifiedBy{r.Body.Identifier, r.Body.FieldName, r.Body.IdentifierType})
	if err != nil {
		return nil, err
	}
	var stats gen.MiniGameStats
	if stats.MiniGames, err = h.gamesOf(ctx, q, s.ID, account.AccountNumber); err != nil {
		return nil, err
	}
	if stats.Streaks, err = h.streaksOf(ctx, q, s.ID, account.AccountNumber); err != nil {
		return nil, err
	}
	return stub.GetMiniGameStats200JSONResponse{Status: integration, Message: "Mini game stats fetched successfully", Data: stats}, nil
}

// gamesOf are the games of a server as a member has them.
func (k *core) gamesOf(ctx context.Context, q store.Queries, serverID string, account int64) (shown []gen.MiniGameStanding, err error) {
	games, err := q.Games.List(ctx, serverID)
	if err != nil {
		return nil, err
	}
	players, err := q.Games.ListPlayers(ctx, serverID, account)
	if err != nil {
		return nil, err
	}
	today, err := k.today(ctx, q, serverID)
	shown = []gen.MiniGameStanding{}
	for _, game := range games {
		player := store.Player{LastAt: gen.Null[gen.Time]()}
		if at := slices.IndexFunc(players, func(p store.Player) bool { return p.GameID == game.ID }); at >= 0 {
			player = players[at]
		}
		reachDay(&player, today)
		shown = append(shown, gen.MiniGameStanding{
			ID: game.ID, Name: game.Name, Type: game.Type, PlaysLeft: playsLeft(player, int64(game.PlaysPerDay)), PlaysToday: player.Today, TotalPlays: player.Total, LastPlayedAt: player.LastAt,
		})
	}
	return shown, err
}

// ListMiniGameLogs shows what a member has played.
func (h streaks) ListMiniGameLogs(ctx context.Context, r stub.ListMiniGameLogsRequestObject) (stub.ListMiniGameLogsResponseObject, error) {
	page, err := pageIn(ctx, r.Body.Page, r.Body.Limit, r.Body.Cursor)
	if err != nil {
		return nil, err
	}
	s, account, err := whoseGames(ctx, h.store.Queries, r.Body.Email, identifiedBy{r.Body.Identifier, r.Body.FieldName, r.Body.IdentifierType})
	if err != nil {
		return nil, err
	}
	found, err := h.store.Games.ListPlays(ctx, s.ID, account.AccountNumber, page.asked())
	if err != nil {
		return nil, err
	}
	shown, next := cut(page, found, func(p store.Play) store.Position { return store.Position{At: p.PlayedAt, ID: p.ID} })
	data := gen.MiniGameLogPage{Logs: []gen.MiniGameLog{}, Page: page.number, Limit: page.limit, NextCursor: next}
	for _, p := range shown {
		data.Logs = append(data.Logs, p.MiniGameLog)
	}
	return stub.ListMiniGameLogs200JSONResponse{Status: integration, Message: "Mini game logs fetched successfully", Data: data}, nil
}
