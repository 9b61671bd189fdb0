package store

import (
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasWidgets shows some of a community on pages of others, and lets a member get tokens for it.
func (l *life) hasWidgets(server string, maker int64) {
	ctx, check := l.Context(), l.check
	widget := func() gen.Widget {
		w := gen.Widget{ID: l.id(), CommunityID: server, Kind: gen.WidgetKindChannels, Name: "Talk", AllowedOrigins: []string{}, UserIdentifierFields: []string{},
			LeaderboardID: gen.Null[string](), ChannelID: gen.NullableOf(l.id()), IsActive: true, CreatedAt: l.now(), UpdatedAt: l.now()}
		w.Slug = w.ID
		return w
	}
	kept, gone := widget(), widget()
	pair := func() WidgetAccessKey {
		return WidgetAccessKey{Hash: "x", WidgetAccessKey: gen.WidgetAccessKey{ID: l.id(), CommunityID: server, Name: "Shop", UserID: int32(maker), CreatedAt: l.now()}}
	}
	one, other := pair(), pair()
	signing := SigningKey{ID: l.id(), Sealed: "x", CreatedAt: l.now().Time}
	l.tx(func(tx *Tx) error {
		q := tx.Widgets
		check(0, q.Insert(ctx, kept))
		check(0, q.Insert(ctx, gone))
		kept.Slug = "talk"
		check(0, q.Update(ctx, kept))
		check(0, q.Delete(ctx, gone.ID))
		check(q.Get(ctx, kept.ID))
		check(q.GetBySlug(ctx, server, "talk"))
		check(q.List(ctx, server))
		channel, _ := kept.ChannelID.Get()
		if is, err := q.ShowsChannel(ctx, channel); err != nil || !is {
			l.Errorf("a channel is not shown that a widget shows: %v", err)
		}
		check(0, q.InsertAccessKey(ctx, one))
		check(0, q.InsertAccessKey(ctx, other))
		check(q.GetAccessKey(ctx, one.ID))
		check(q.ListAccessKeys(ctx, server))
		check(0, q.DeleteAccessKey(ctx, other.ID))
		check(0, q.InsertSigningKey(ctx, signing))
		check(q.NewestSigningKey(ctx, signing.CreatedAt.Add(-time.Hour)))
		check(q.GetSigningKey(ctx, signing.ID))
		_, err := q.DeleteSigningKeys(ctx, signing.CreatedAt.Add(-time.Hour), 1)
		return err
	})
}
