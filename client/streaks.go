package client

import (
	"context"
	"iter"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Streak is what members of a community do so many days, weeks or months in a row. Its fields are listed at [gen.Streak].
	Streak = gen.Streak
	// StreakCreate is what a streak is made from. Name, Timeframe and Action are required. Its fields are listed at [gen.StreakCreate].
	StreakCreate = gen.StreakCreate
	// StreakUpdate is what a streak becomes. Name, Timeframe and Action are required; what else is nil stays as it is. Its fields are
	// listed at [gen.StreakUpdate].
	StreakUpdate = gen.StreakUpdate
	// StreakTimeframe is how long a period is, "daily", "weekly" or "monthly", and how many in a row reach the streak.
	StreakTimeframe = gen.StreakTimeframe
	// StreakActionCreate is what has to be done in a period: all conditions with the Operator "and", one of them with "or".
	StreakActionCreate = gen.StreakActionCreate
	// StreakConditionCreate is so many deeds of an [Action], or so much in a custom field, whose ID is the Action then.
	StreakConditionCreate = gen.StreakConditionCreate
	// StreakReward is what a member gets each time.
	StreakReward = gen.StreakReward
	// StreakLog is that a member has reached a streak. Its fields are listed at [gen.StreakLog].
	StreakLog = gen.StreakLog
)

// StreaksService has the operations on streaks. It is a field of [Client].
type StreaksService struct {
	api *gen.Client
}

// List returns the streaks of a community in their order, 50 at most. Without a server, it is that of the API key, or the only one of
// the account.
//
// For members, and API keys with [PermissionGamification].
func (s *StreaksService) List(ctx context.Context, serverID string) ([]Streak, error) {
	limit := gen.Limit(pageSize)
	res, err := s.api.ListStreaks(ctx, &gen.ListStreaksParams{ServerID: optional(serverID), Limit: &limit})
	return list[Streak](res, err)
}

// Create makes a streak. It fails with [ErrInvalidRequest] if a part of the input is not as it must be, and with [ErrConflict] if there
// are 50.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *StreaksService) Create(ctx context.Context, in StreakCreate, opts ...CreateOption) (*Streak, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Streak](making.note(s.api.CreateStreak(ctx, nil, full(in), making.edits...)))
}

// Update changes a streak. How far members have come counts on, unless the kind of period changes.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *StreaksService) Update(ctx context.Context, id string, in StreakUpdate) (*Streak, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Streak](s.api.UpdateStreak(ctx, id, full(in)))
}

// Delete ends a streak, and returns it as it was. When it was reached stays readable.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *StreaksService) Delete(ctx context.Context, id string) (*Streak, error) {
	return one[Streak](with(ctx, id, s.api.DeleteStreak))
}

// Logs returns an iterator over the times that a member has reached a streak, or any if the ID is empty, newest first, which works as that
// of [ServersService.Members].
//
// For API keys with [PermissionGetUserStats].
func (s *StreaksService) Logs(ctx context.Context, of Identifier, streakID string) iter.Seq2[StreakLog, error] {
	ask := gen.StreakLogQuestion{Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field, StreakID: streakID, Limit: pageSize}
	return following(func(cursor string) ([]StreakLog, string, error) {
		ask.Cursor = cursor
		page, err := one[gen.StreakLogPage](s.api.ListStreakLogs(ctx, ask))
		if err != nil {
			return nil, "", err
		}
		return page.Logs, page.NextCursor, nil
	})
}
