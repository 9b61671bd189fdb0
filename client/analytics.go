package client

import (
	"context"
	"net/http"
	"time"

	"github.com/oapi-codegen/runtime/types"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// LoyaltyOverview says how a community does. Its Snapshot is nil while a large community is counted for the first time. Its fields are listed at
	// [gen.LoyaltyOverview].
	LoyaltyOverview = gen.LoyaltyOverview
	// OverviewInterval is by what a series goes.
	OverviewInterval = gen.OverviewInterval
)

// OverviewQuery says of which days an overview is. The zero OverviewQuery is of the last 30, day by day.
type OverviewQuery struct {
	// From and To are the first and the last day, each by its date alone, at most 366 days. A zero To is today, and a zero From the 29th day before
	// that.
	From, To time.Time
	// Interval is by what the series goes: by day, unless it says otherwise.
	Interval OverviewInterval
}

func (q OverviewQuery) params() *gen.GetLoyaltyOverviewParams {
	date := func(at time.Time) *types.Date {
		if at.IsZero() {
			return nil
		}
		return &types.Date{Time: at}
	}
	params := gen.GetLoyaltyOverviewParams{From: date(q.From), To: date(q.To)}
	if q.Interval != "" {
		params.Interval = &q.Interval
	}
	return &params
}

// AnalyticsService has the operations on how a community does. It is a field of [Client].
type AnalyticsService struct {
	api *gen.Client
}

// Overview returns how a community does, from one day to another one, and as a series.
//
// For the owner and members with server_administrator, and API keys with [PermissionAnalytics].
func (s *AnalyticsService) Overview(ctx context.Context, communityID string, query OverviewQuery) (*LoyaltyOverview, error) {
	if err := checkID(communityID); err != nil {
		return nil, err
	}
	return one[LoyaltyOverview](s.api.GetLoyaltyOverview(ctx, communityID, query.params()))
}

// Picture opens the same as an SVG of 900 x 500. The caller closes the [Image].
//
// For the owner and members with server_administrator, and API keys with [PermissionAnalytics].
func (s *AnalyticsService) Picture(ctx context.Context, communityID string, query OverviewQuery) (*Image, error) {
	if err := checkID(communityID); err != nil {
		return nil, err
	}
	return image(s.api.GetLoyaltyOverview(ctx, communityID, query.params(), func(_ context.Context, req *http.Request) error {
		req.Header.Set("Accept", "image/svg+xml")
		return nil
	}))
}
