package store

import (
	"slices"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasCharts posts, changes, finds and deletes analyses.
func (l *life) hasCharts(server string, ann, ben int64) {
	ctx, q := l.Context(), l.s.Charts
	channels, err := l.s.Channels.List(ctx, server, Viewer{Full: true})
	l.must(err)
	var posted []Analysis
	for _, account := range []int64{ann, ben, ann} {
		at := l.now()
		y := Analysis{Account: account, Analysis: gen.Analysis{
			AnalysisID: l.id(), Type: gen.AnalysisTypeBullishBounce, CommunityID: server, ChannelID: channels[0].ID, CreatedAt: at, UpdatedAt: at,
			Metadata: gen.AnalysisMetadata{Symbol: "GBP/USD"}, Drawings: []gen.AnalysisDrawing{{ID: l.id()}},
		}}
		l.sharedTx(func(tx *Tx) error { return tx.Charts.Insert(ctx, &y) })
		posted = append(posted, y)
	}
	finds := func(scope AnalysisScope, want ...Analysis) {
		l.Helper()
		scope.ChannelID = channels[0].ID
		positions, err := q.ListPositions(ctx, scope, Newest, 10)
		l.must(err)
		found, err := q.List(ctx, positions)
		l.must(err)
		if !slices.EqualFunc(found, want, func(a, b Analysis) bool { return a.AnalysisID == b.AnalysisID && a.Account == b.Account }) {
			l.Errorf("%+v finds %v, want %v", scope, found, want)
		}
		scope.ChannelID = ""
		heads, err := q.ListHeads(ctx, server, Viewer{Account: ann, Full: true}, scope, Newest)
		if l.must(err); len(want) > 0 != (len(heads) > 0) || len(heads) > 0 && heads[0].Position != want[0].Position {
			l.Errorf("%+v has the heads %v", scope, heads)
		}
	}
	finds(AnalysisScope{}, posted[2], posted[1], posted[0])
	finds(AnalysisScope{Account: ben, Symbol: "gbp/usd"}, posted[1])
	posted[1].Type, posted[1].Metadata.Symbol = gen.AnalysisTypeBearishBreakout, "X"
	l.tx(func(tx *Tx) error { return tx.Charts.Update(ctx, posted[1]) })
	finds(AnalysisScope{Account: ben, Symbol: "gbp/usd"})
	finds(AnalysisScope{Type: gen.AnalysisTypeBearishBreakout, Symbol: "x"}, posted[1])
	got, err := q.Get(ctx, posted[1].AnalysisID)
	if l.must(err); len(got.Drawings) != 1 || got.Metadata.Symbol != "X" || got.Sender.Number != int32(ben) {
		l.Errorf("got %+v", got)
	}
	l.sharedTx(func(tx *Tx) error {
		l.must(tx.Charts.Hold(ctx, posted[2].AnalysisID))
		return tx.Charts.Delete(ctx, posted[2])
	})
	finds(AnalysisScope{}, posted[1], posted[0])
}

func TestManyAnalysesAreReadInTheOrderOfTheirPositions(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann := l.account()
		server := l.server(ann)
		channels, err := s.Channels.List(t.Context(), server, Viewer{Full: true})
		l.must(err)
		l.sharedTx(func(tx *Tx) error {
			for range 2*analysesAtOnce + 3 {
				at := l.now()
				l.must(tx.Charts.Insert(t.Context(), &Analysis{Account: ann, Analysis: gen.Analysis{
					AnalysisID: l.id(), Type: gen.AnalysisTypeBullishBounce, CommunityID: server, ChannelID: channels[0].ID, Metadata: gen.AnalysisMetadata{Symbol: "X"}, CreatedAt: at, UpdatedAt: at,
				}}))
			}
			return nil
		})
		positions, err := s.Charts.ListPositions(t.Context(), AnalysisScope{ChannelID: channels[0].ID}, Newest, 100)
		l.must(err)
		found, err := s.Charts.List(t.Context(), positions)
		l.must(err)
		var got []int64
		for _, y := range found {
			got = append(got, y.Position)
		}
		if len(got) != 2*analysesAtOnce+3 || !slices.Equal(got, positions) {
			t.Errorf("got %v, want %v", got, positions)
		}
	})
}
