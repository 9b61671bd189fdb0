package client

import (
	"context"
	"iter"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Analysis is what a member thinks of a chart. The methods take its AnalysisID. In its texts, [[_id:label]] links to a drawing or a level. Its fields
	// are listed at [gen.Analysis].
	Analysis = gen.Analysis
	// AnalysisSummary is an analysis without its drawings. Its fields are listed at [gen.AnalysisSummary].
	AnalysisSummary = gen.AnalysisSummary
	// AnalysisCreate is what an analysis is made from: Metadata and Levels, which rise from support over pivot to resistance. An API key says in Sender who
	// posts it. In its texts, [[ClientObjectID:label]] links to a drawing or a level. Its fields are listed at [gen.AnalysisCreate].
	AnalysisCreate = gen.AnalysisCreate
	// AnalysisMetadataCreate is what a new analysis says. Direction, EntryPlacement, Title and Symbol are required. Its fields are listed at
	// [gen.AnalysisMetadataCreate].
	AnalysisMetadataCreate = gen.AnalysisMetadataCreate
	// AnalysisLevelsCreate are the levels of a new analysis.
	AnalysisLevelsCreate = gen.AnalysisLevelsCreate
	// AnalysisLevelCreate is a new level: a Price, and what the caller names it.
	AnalysisLevelCreate = gen.AnalysisLevelCreate
	// AnalysisExpiry is for how long an analysis is good.
	AnalysisExpiry = gen.AnalysisExpiry
	// AnalysisUpdate is what changes of an analysis; what is nil stays. Its fields are listed at [gen.AnalysisUpdate].
	AnalysisUpdate = gen.AnalysisUpdate
	// AnalysisMetadataUpdate is what changes of what an analysis says; what is nil stays. Its fields are listed at [gen.AnalysisMetadataUpdate].
	AnalysisMetadataUpdate = gen.AnalysisMetadataUpdate
	// AnalysisLevelsUpdate are the levels that change; what is nil stays.
	AnalysisLevelsUpdate = gen.AnalysisLevelsUpdate
	// AnalysisLevelUpdate is what changes of a level; what is nil stays.
	AnalysisLevelUpdate = gen.AnalysisLevelUpdate
	// AnalysisChange tells which fields of an analysis were changed.
	AnalysisChange = gen.AnalysisChange
	// DrawingCreate is a new drawing: a Type, its Points, and how it looks. Its fields are listed at [gen.AnalysisDrawingCreate].
	DrawingCreate = gen.AnalysisDrawingCreate
	// DrawingPoint is a moment, and the price then.
	DrawingPoint = gen.AnalysisPoint
	// DrawingStyle is how a drawing looks. Its fields are listed at [gen.DrawingStyle].
	DrawingStyle = gen.DrawingStyle
	// AnalysisType is what an analysis expects.
	AnalysisType = gen.AnalysisType
)

// AnalysisQuery says which analyses are wanted. What is empty does not count. The zero query is for those of all channels that the caller sees, in
// the server of an API key or the only one of an account.
type AnalysisQuery struct {
	// ServerID is needed where neither the channel nor the caller tells the server.
	ServerID string
	// ChannelID is the channel.
	ChannelID string
	// Symbol is what they are about, whatever the case.
	Symbol string
	// Sender is who has posted them: an ID, a number, a user name, or an address, which only finds oneself without an API key with
	// [PermissionGetUserData].
	Sender string
	// Type is their type.
	Type AnalysisType
}

// ChartsService has the operations on analyses of charts. It is a field of [Client].
//
// An analysis that does not exist and one in a channel that the caller does not see are both [ErrNotFound].
type ChartsService struct {
	api *gen.Client
}

// Create posts an analysis in a channel of a server. It fails with [ErrInvalidRequest] if the levels do not rise, or a text links to nothing, and with
// [ErrPermissionDenied] if the roles of the sender do not allow it.
//
// For the owner and members with post_analysis or server_administrator, and API keys with [PermissionAnalysis].
func (s *ChartsService) Create(ctx context.Context, serverID, channelID string, in AnalysisCreate, opts ...CreateOption) (*Analysis, error) {
	if in.IdempotencyKey != "" { // which is the same as the header
		opts = append([]CreateOption{IdempotencyKey(in.IdempotencyKey)}, opts...)
	}
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	if err := checkID(serverID, channelID); err != nil {
		return nil, err
	}
	return one[Analysis](making.note(s.api.CreateAnalysis(ctx, serverID, channelID, nil, full(in), making.edits...)))
}

// List returns an iterator over the analyses that a query asks for, newest first, without their drawings. It works as that of [ServersService.Members].
//
// For the owner and members with view_message_history or server_administrator, and API keys with [PermissionAnalysis].
func (s *ChartsService) List(ctx context.Context, query AnalysisQuery) iter.Seq2[AnalysisSummary, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]AnalysisSummary], error) {
		params := &gen.ListAnalysesParams{
			ServerID: optional(query.ServerID), ChannelID: optional(query.ChannelID), Symbol: optional(query.Symbol), Sender: optional(query.Sender),
			Cursor: cursor, Limit: &size,
		}
		if query.Type != "" {
			params.Type = &query.Type
		}
		page, err := one[gen.AnalysisPage](s.api.ListAnalyses(ctx, params))
		if err != nil {
			return nil, err
		}
		e := &envelope[[]AnalysisSummary]{Data: &page.Analyses}
		e.Meta.NextCursor = optional(page.NextCursor)
		return e, nil
	})
}

// Get returns an analysis.
//
// For the owner and members with view_message_history or server_administrator, and API keys with [PermissionAnalysis].
func (s *ChartsService) Get(ctx context.Context, id string) (*Analysis, error) {
	return one[Analysis](with(ctx, id, s.api.GetAnalysis))
}

// Update changes what is given of an analysis, and all drawings if any are. It fails with [ErrConflict] if a text that stays links to a drawing
// that would be gone. Who has posted it may, too.
//
// For the owner and members with server_administrator, and API keys with [PermissionAnalysis].
func (s *ChartsService) Update(ctx context.Context, id string, in AnalysisUpdate) (*AnalysisChange, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[AnalysisChange](s.api.UpdateAnalysis(ctx, id, full(in)))
}

// Append adds drawings to an analysis. An API key may do it in the name of a sender; everybody else leaves it empty. It fails with [ErrConflict] if the
// analysis has one of their names, or 100 drawings. Who has posted it may, too.
//
// For the owner and members with server_administrator, and API keys with [PermissionAnalysis].
func (s *ChartsService) Append(ctx context.Context, id, sender string, drawings ...DrawingCreate) (*Analysis, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Analysis](s.api.AppendDrawings(ctx, id, full(gen.AnalysisDrawingsAppend{Sender: sender, Drawings: drawings})))
}

// Delete removes an analysis for good. Who has posted it may, too.
//
// For the owner and members with server_administrator, and API keys with [PermissionAnalysis].
func (s *ChartsService) Delete(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	return done(s.api.DeleteAnalysis(ctx, id))
}

// Picture opens an SVG of an analysis, of 900 x 500. The caller closes the [Image].
//
// For the owner and members with view_message_history or server_administrator, and API keys with [PermissionAnalysis].
func (s *ChartsService) Picture(ctx context.Context, id string) (*Image, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return image(s.api.GetAnalysisImage(ctx, id))
}
