package client

import (
	"context"
	"iter"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Leaderboard says who is ahead in a community. Its fields are listed at [gen.Leaderboard].
	Leaderboard = gen.Leaderboard
	// LeaderboardCreate is what a leaderboard is made from. Name and Slug are required; it ranks by xps unless it says otherwise. Each part has a newer name and an
	// older one, as answers have it, of which one is given. Its fields are listed at [gen.LeaderboardCreate].
	LeaderboardCreate = gen.LeaderboardCreate
	// LeaderboardUpdate changes what is given; the rest stays. Its fields are listed at [gen.LeaderboardUpdate].
	LeaderboardUpdate = gen.LeaderboardUpdate
	// LeaderboardEntry is somebody who is ranked: null is a rank that is not counted yet. Its fields are listed at [gen.LeaderboardEntry].
	LeaderboardEntry = gen.LeaderboardEntry
	// LeaderboardFilter is of what time a leaderboard is shown.
	LeaderboardFilter = gen.LeaderboardFilter
)

// LeaderboardQuery says which leaderboards [LeaderboardsService.List] lists, and how. The zero LeaderboardQuery is all, in their order.
type LeaderboardQuery struct {
	// Sort is name, slug, displayOrder or createdAt, and perhaps :desc behind it.
	Sort string
	// Keyword is a part of the name, the slug or the description.
	Keyword string
}

// LeaderboardView says what of a leaderboard [LeaderboardsService.View] shows. The zero LeaderboardView is the first 20 of all times, or
// of the first filter that the leaderboard allows.
type LeaderboardView struct {
	Filter LeaderboardFilter
	// Around names a user, by ID, number or user name, who is in the middle of what is shown.
	Around string
	// Size is how many are shown, 100 at most.
	Size int32
}

// LeaderboardEntries are some of those who are ranked.
type LeaderboardEntries struct {
	Entries []LeaderboardEntry
	// ComputedAt is since when it is so; nil: it is not computed yet, and will be soon.
	ComputedAt *Time
}

// LeaderboardsService has the operations on leaderboards. It is a field of [Client].
type LeaderboardsService struct {
	api *gen.Client
}

// List returns the leaderboards of a server that the caller may view, 50 at most. The server may be left out, empty, where an API key
// calls.
//
// For members, and API keys with [PermissionLeaderboard].
func (s *LeaderboardsService) List(ctx context.Context, serverID string, query LeaderboardQuery) ([]Leaderboard, error) {
	most := int32(pageSize)
	params := gen.ListLeaderboardsParams{ServerID: optional(serverID), Limit: &most, Sort: optional(query.Sort)}
	if query.Keyword != "" {
		params.Search = optional("keyword:" + query.Keyword)
	}
	return list[Leaderboard](s.api.ListLeaderboards(ctx, &params))
}

// Get returns a leaderboard. It fails with [ErrNotFound] if the caller may not view it.
//
// For members, and API keys with [PermissionLeaderboard].
func (s *LeaderboardsService) Get(ctx context.Context, id string) (*Leaderboard, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Leaderboard](s.api.GetLeaderboard(ctx, id, nil))
}

// Create makes a leaderboard. It fails with [ErrConflict] if another one of the community has the slug, or there are 50.
//
// For the owner and members with server_administrator, and API keys with [PermissionLeaderboard].
func (s *LeaderboardsService) Create(ctx context.Context, in LeaderboardCreate, opts ...CreateOption) (*Leaderboard, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Leaderboard](making.note(s.api.CreateLeaderboard(ctx, nil, full(in), making.edits...)))
}

// Update changes a leaderboard. It fails with [ErrConflict] if another one of the community has the slug.
//
// For the owner and members with server_administrator, and API keys with [PermissionLeaderboard].
func (s *LeaderboardsService) Update(ctx context.Context, id string, in LeaderboardUpdate) (*Leaderboard, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Leaderboard](s.api.UpdateLeaderboard(ctx, id, full(in)))
}

// Delete ends a leaderboard, and returns it as it was.
//
// For the owner and members with server_administrator, and API keys with [PermissionLeaderboard].
func (s *LeaderboardsService) Delete(ctx context.Context, id string) (*Leaderboard, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Leaderboard](s.api.DeleteLeaderboard(ctx, id))
}

// View returns the first of those who are ranked, or those around a user: none, if the user is not ranked.
//
// For members, and API keys with [PermissionLeaderboard].
func (s *LeaderboardsService) View(ctx context.Context, id string, view LeaderboardView) (*LeaderboardEntries, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	params := gen.ListLeaderboardEntriesParams{Around: optional(view.Around)}
	if view.Filter != "" {
		params.Filter = &view.Filter
	}
	if view.Size != 0 {
		params.Limit = &view.Size
	}
	found, err := answer[[]LeaderboardEntry](s.api.ListLeaderboardEntries(ctx, id, &params))
	if err != nil {
		return nil, err
	}
	return &LeaderboardEntries{Entries: *found.payload(), ComputedAt: found.Meta.ComputedAt}, nil
}

// Entries returns an iterator over all who are ranked, the first one first, which works as that of [ServersService.Members]. Whose
// value changes meanwhile may come twice, or not at all.
//
// For members, and API keys with [PermissionLeaderboard].
func (s *LeaderboardsService) Entries(ctx context.Context, id string, filter LeaderboardFilter) iter.Seq2[LeaderboardEntry, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]LeaderboardEntry], error) {
		if err := checkID(id); err != nil {
			return nil, err
		}
		params := gen.ListLeaderboardEntriesParams{Cursor: cursor, Limit: &size}
		if filter != "" {
			params.Filter = &filter
		}
		return answer[[]LeaderboardEntry](s.api.ListLeaderboardEntries(ctx, id, &params))
	})
}
