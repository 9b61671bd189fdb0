package store

import "github.com/rejoin-dev/rejoin/gen"

// hasLeaderboards gives a server a leaderboard, and another one that is deleted.
func (l *life) hasLeaderboards(serverID string) {
	ctx, check := l.Context(), l.check
	board := gen.Leaderboard{ID: l.id(), CommunityID: serverID, Slug: "april", CreatedAt: gen.Time{Time: l.nowAt}}
	gone := board
	gone.ID, gone.Slug = l.id(), "gone"
	l.tx(func(tx *Tx) error {
		check(0, tx.Leaderboards.Insert(ctx, board))
		check(0, tx.Leaderboards.Insert(ctx, gone))
		check(0, tx.Leaderboards.Update(ctx, board))
		check(0, tx.Leaderboards.Delete(ctx, serverID, gone.ID))
		return nil
	})
	check(l.s.Leaderboards.List(ctx, serverID))
	check(l.s.Leaderboards.Get(ctx, board.ID))
}
