package client

import (
	"context"
	"iter"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// XPSetting is what members are credited for. It is set as a whole: what is not Enabled in it is worth nothing. Its fields are listed at
	// [gen.XPSetting].
	XPSetting = gen.XPSetting
	// XPRule is what something is worth, in XP and coins. Its fields are listed at [gen.XPRule].
	XPRule = gen.XPRule
	// TimedXPRule is what something is worth, at most once in so many seconds. Its fields are listed at [gen.TimedXPRule].
	TimedXPRule = gen.TimedXPRule
	// TierSettingUpdate is whether there are tiers, and what is shown of them. Without Tiers they stay as they are. Its fields are listed at
	// [gen.TierSettingUpdate].
	TierSettingUpdate = gen.TierSettingUpdate
	// TierDisplay is what is shown of tiers. Its fields are listed at [gen.TierDisplay].
	TierDisplay = gen.TierDisplay
	// Tier is a tier with its levels, the lowest first. Its fields are listed at [gen.Tier].
	Tier = gen.Tier
	// TierLevel is a level, and from how many XP on a member has it. Its fields are listed at [gen.TierLevel].
	TierLevel = gen.TierLevel
	// GamificationSetting is what members of a server are credited for, and the tiers. Its fields are listed at [gen.GamificationSetting].
	GamificationSetting = gen.GamificationSetting
	// TierInfo is the tiers of a community, and what its members are credited for. Its fields are listed at [gen.TierInfo].
	TierInfo = gen.TierInfo
	// UserStats is what a member did, day by day, the earliest first. Its fields are listed at [gen.UserStats].
	UserStats = gen.UserStats
	// UserHistory is what a member got, day by day, the latest first. Its fields are listed at [gen.UserHistory].
	UserHistory = gen.UserHistory
	// DailyHistory is what members got on a day. Its fields are listed at [gen.DailyHistory].
	DailyHistory = gen.DailyHistory
	// DailyQuestion is a day as DD/MM/YYYY, and up to 200 members to ask about. Its fields are listed at [gen.DailyQuestion].
	DailyQuestion = gen.DailyQuestion
	// Milestone is what members can reach step by step. Its fields are listed at [gen.Milestone].
	Milestone = gen.Milestone
	// MilestoneCreate is what a milestone is made from. Name, Field and Steps are required. Its fields are listed at [gen.MilestoneCreate].
	MilestoneCreate = gen.MilestoneCreate
	// MilestoneUpdate is what a milestone becomes. It replaces the whole milestone. Its fields are listed at [gen.MilestoneUpdate].
	MilestoneUpdate = gen.MilestoneUpdate
	// MilestoneStep is from what value on a step is reached, and what it credits. Its fields are listed at [gen.MilestoneStep].
	MilestoneStep = gen.MilestoneStep
	// UserMilestone is how far a member is with a milestone. Its fields are listed at [gen.UserMilestone].
	UserMilestone = gen.UserMilestone
	// ActivityLog is a thing that a member has done or was given, and what that was worth. Its fields are listed at [gen.ActivityLog].
	ActivityLog = gen.ActivityLog
	// Action is what a member did, or was given something for. The list grows with the contract.
	Action = gen.Action
	// IdentifierType is what an [Identifier] is.
	IdentifierType = gen.IdentifierType
)

// An Identifier says which member is meant. Without a Type, the Value is an e-mail address.
type Identifier struct {
	Value string
	Type  IdentifierType
	// Field is the [UserField.Field] whose value is meant, if the Type is [ByCustomField].
	Field string
}

// ActivityQuery says which lines [GamificationService.Logs] lists. The zero ActivityQuery is of all.
type ActivityQuery struct {
	// From and To are the first and the last moment. A zero one is no bound.
	From, To time.Time
}

// GamificationService has the operations on what members do, what that is worth, and what they reach by it. It is a field of [Client].
type GamificationService struct {
	api *gen.Client
}

// Get returns both settings of a server.
//
// For members, and API keys with [PermissionGamification].
func (s *GamificationService) Get(ctx context.Context, serverID string) (*GamificationSetting, error) {
	return one[GamificationSetting](with(ctx, serverID, s.api.GetGamification))
}

// SetXP replaces what members are credited for, and returns both settings.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) SetXP(ctx context.Context, serverID string, in XPSetting) (*GamificationSetting, error) {
	if err := checkID(serverID); err != nil {
		return nil, err
	}
	return one[GamificationSetting](s.api.SetXPSetting(ctx, serverID, in))
}

// SetTiers says whether there are tiers, and which, and returns both settings. It fails with [ErrInvalidRequest] if a level does not need more
// XP than the one before it.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) SetTiers(ctx context.Context, serverID string, in TierSettingUpdate) (*GamificationSetting, error) {
	if err := checkID(serverID); err != nil {
		return nil, err
	}
	return one[GamificationSetting](s.api.SetTierSetting(ctx, serverID, full(in)))
}

// Tiers returns the tiers of the community of the API key.
//
// For API keys with [PermissionGetUserStats].
func (s *GamificationService) Tiers(ctx context.Context) (*TierInfo, error) {
	return one[TierInfo](s.api.GetTierInfo(ctx))
}

// Stats returns what a member did today and on the days before it: so many days, up to 366; 0: 30.
//
// For API keys with [PermissionGetUserStats].
func (s *GamificationService) Stats(ctx context.Context, of Identifier, days int32) (*UserStats, error) {
	return one[UserStats](s.api.GetUserStats(ctx, gen.ActivityQuestion{Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field, Days: days}))
}

// History returns what a member got today and on the days before it: so many days, up to 366; 0: 30.
//
// For API keys with [PermissionGetUserStats].
func (s *GamificationService) History(ctx context.Context, of Identifier, days int32) (*UserHistory, error) {
	params := gen.GetUserHistoryParams{Identifier: of.Value}
	if of.Type != "" {
		params.IdentifierType = &of.Type
	}
	if of.Field != "" {
		params.FieldName = &of.Field
	}
	if days != 0 {
		params.Days = &days
	}
	return one[UserHistory](s.api.GetUserHistory(ctx, &params))
}

// Daily returns what members got on a day. Who is no member is left out.
//
// For API keys with [PermissionGetUserStats].
func (s *GamificationService) Daily(ctx context.Context, in DailyQuestion) (*DailyHistory, error) {
	return one[DailyHistory](s.api.GetDailyHistory(ctx, full(in)))
}

// Logs returns an iterator over what a member did and got, newest first, which works as that of [ServersService.Members].
//
// For API keys with [PermissionGetUserStats].
func (s *GamificationService) Logs(ctx context.Context, of Identifier, query ActivityQuery) iter.Seq2[ActivityLog, error] {
	ask := gen.ActivityLogQuestion{
		Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field, Limit: pageSize, From: gen.Time{Time: query.From}, To: gen.Time{Time: query.To},
	}
	return following(func(cursor string) ([]ActivityLog, string, error) {
		ask.Cursor = cursor
		page, err := one[gen.ActivityLogPage](s.api.ListActivityLogs(ctx, ask))
		if err != nil {
			return nil, "", err
		}
		return page.Logs, page.NextCursor, nil
	})
}

// Milestones returns the milestones of a server, the oldest first, 50 at most. The server may be left out, empty, where an API key calls.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) Milestones(ctx context.Context, serverID string) ([]Milestone, error) {
	return list[Milestone](s.api.ListMilestones(ctx, &gen.ListMilestonesParams{ServerID: optional(serverID)}))
}

// Milestone returns a milestone.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) Milestone(ctx context.Context, id string) (*Milestone, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Milestone](s.api.GetMilestone(ctx, id))
}

// CreateMilestone makes a milestone. It fails with [ErrConflict] if there are 50, and with [ErrInvalidRequest] if the values of its steps do not
// rise, or its field is none of the community that takes numbers.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) CreateMilestone(ctx context.Context, in MilestoneCreate, opts ...CreateOption) (*Milestone, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Milestone](making.note(s.api.CreateMilestone(ctx, nil, full(in), making.edits...)))
}

// UpdateMilestone replaces a milestone. Steps that members have reached stay reached.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) UpdateMilestone(ctx context.Context, id string, in MilestoneUpdate) (*Milestone, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Milestone](s.api.UpdateMilestone(ctx, id, full(in)))
}

// DeleteMilestone ends a milestone, and returns it as it was. What it has credited stays.
//
// For the owner and members with server_administrator, and API keys with [PermissionGamification].
func (s *GamificationService) DeleteMilestone(ctx context.Context, id string) (*Milestone, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Milestone](s.api.DeleteMilestone(ctx, id))
}

// Reached returns how far a member is with each milestone.
//
// For API keys with [PermissionGetUserStats].
func (s *GamificationService) Reached(ctx context.Context, of Identifier) ([]UserMilestone, error) {
	return list[UserMilestone](s.api.GetUserMilestones(ctx, gen.MemberQuestion{Identifier: of.Value, IdentifierType: of.Type, FieldName: of.Field}))
}
