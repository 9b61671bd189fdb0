package client

import (
	"context"
	"iter"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of mini games.
type (
	// MiniGame is a game that draws a prize for each play. Its fields are listed at [gen.MiniGame].
	MiniGame = gen.MiniGame
	// MiniGameCreate is what a mini game is made from. Name, Type and Prizes are required. Its fields are listed at [gen.MiniGameCreate].
	MiniGameCreate = gen.MiniGameCreate
	// MiniGameUpdate changes what is not nil. Its Prizes replace all. Its fields are listed at [gen.MiniGameUpdate].
	MiniGameUpdate = gen.MiniGameUpdate
	// MiniGameType is how a game looks.
	MiniGameType = gen.MiniGameType
	// MiniGameCost is what a play costs.
	MiniGameCost = gen.MiniGameCost
	// MiniGamePrizeCreate is what may be drawn. Name and Weight are required; without a Stock there is any number of it. Its fields are
	// listed at [gen.MiniGamePrizeCreate].
	MiniGamePrizeCreate = gen.MiniGamePrizeCreate
	// MiniGamePrizeUpdate is what may be drawn: the prize of the game with the ID, or without one a new prize. Its fields are listed at
	// [gen.MiniGamePrizeUpdate].
	MiniGamePrizeUpdate = gen.MiniGamePrizeUpdate
	// MiniGamePlay is what a play has drawn, and how many plays are left. Its fields are listed at [gen.MiniGamePlay].
	MiniGamePlay = gen.MiniGamePlay
	// MiniGamePlays is how many plays a member has in a game. Its fields are listed at [gen.MiniGamePlays].
	MiniGamePlays = gen.MiniGamePlays
	// MiniGameStats is the mini games and the streaks of a community, as a member has them. Its fields are listed at [gen.MiniGameStats].
	MiniGameStats = gen.MiniGameStats
	// MiniGameLog is a play of a member. Its fields are listed at [gen.MiniGameLog].
	MiniGameLog = gen.MiniGameLog
)

// MiniGamesService has the operations on mini games. It is a field of [Client].
type MiniGamesService struct {
	api *gen.Client
}

// List returns the mini games of a community, the oldest first, 50 at most. Without a server, it is that of the API key, or the only one
// of the account.
//
// For members, and API keys with [PermissionGamification].
func (s *MiniGamesService) List(ctx context.Context, serverID string) ([]MiniGame, error) {
	return list[MiniGame](s.api.ListMiniGames(ctx, &gen.ListMiniGamesParams{ServerID: optional(serverID)}))
}

// Get returns a mini game, with how many are left of its prizes.
//
// For members, and API keys with [PermissionGamification].
func (s *MiniGamesService) Get(ctx context.Context, id string) (*MiniGame, error) {
	return one[MiniGame](with(ctx, id, s.api.GetMiniGame))
}

// Create makes a mini game. It fails with [ErrInvalidRequest] if a part of the input is not as it must be, and with [ErrConflict] if
// there are 50.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *MiniGamesService) Create(ctx context.Context, in MiniGameCreate, opts ...CreateOption) (*MiniGame, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[MiniGame](making.note(s.api.CreateMiniGame(ctx, nil, full(in), making.edits...)))
}

// Update changes a mini game. A prize with an ID keeps how many were drawn of it.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *MiniGamesService) Update(ctx context.Context, id string, in MiniGameUpdate) (*MiniGame, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[MiniGame](s.api.UpdateMiniGame(ctx, id, full(in)))
}

// Delete ends a mini game, and returns it as it was. What its plays brought stays.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *MiniGamesService) Delete(ctx context.Context, id string) (*MiniGame, error) {
	return one[MiniGame](with(ctx, id, s.api.DeleteMiniGame))
}

// Play draws a prize of a mini game and credits it. Who plays is the account that calls, for which the Identifier is the zero one, or
// whom an API key names. It fails with [ErrConflict] if there are no plays left, too few coins, or no prizes. It is safe to repeat: the
// same request plays once.
//
// For members, and API keys with [PermissionGamification].
func (s *MiniGamesService) Play(ctx context.Context, id string, who Identifier, opts ...CreateOption) (*MiniGamePlay, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	in := gen.MiniGamePlayCreate{Identifier: who.Value, IdentifierType: who.Type, FieldName: who.Field}
	return one[MiniGamePlay](making.note(s.api.PlayMiniGame(ctx, id, nil, in, making.edits...)))
}

// SetPlays sets how many plays a member has in a mini game beyond those of the day.
//
// For API keys with [PermissionGamification].
func (s *MiniGamesService) SetPlays(ctx context.Context, id string, of Identifier, plays int) (*MiniGamePlays, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[MiniGamePlays](s.api.SetMiniGamePlays(ctx, gen.MiniGamePlaysUpdate{
		Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field, GameID: id, Plays: int32(plays),
	}))
}

// Stats returns how much a member plays, and how far they have come in streaks.
//
// For API keys with [PermissionGetUserStats].
func (s *MiniGamesService) Stats(ctx context.Context, of Identifier) (*MiniGameStats, error) {
	return one[MiniGameStats](s.api.GetMiniGameStats(ctx, gen.MiniGameStatsQuestion{Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field}))
}

// Logs returns an iterator over what a member has played, newest first, which works as that of [ServersService.Members].
//
// For API keys with [PermissionGetUserStats].
func (s *MiniGamesService) Logs(ctx context.Context, of Identifier) iter.Seq2[MiniGameLog, error] {
	ask := gen.MiniGameLogQuestion{Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field, Limit: pageSize}
	return following(func(cursor string) ([]MiniGameLog, string, error) {
		ask.Cursor = cursor
		page, err := one[gen.MiniGameLogPage](s.api.ListMiniGameLogs(ctx, ask))
		if err != nil {
			return nil, "", err
		}
		return page.Logs, page.NextCursor, nil
	})
}
