package server

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// badges are the operations of the tag badges: what members are awarded, and what that is worth.
type badges struct{ *core }

func (h badges) ListBadges(ctx context.Context, r stub.ListBadgesRequestObject) (stub.ListBadgesResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, actorFrom(ctx), valueOf(r.Params.ServerID), asMember)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Badges.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListBadges200JSONResponse{Meta: done("Badges"), Body: shownBadges(found)}, nil
}

func (h badges) CreateBadge(ctx context.Context, r stub.CreateBadgeRequestObject) (stub.CreateBadgeResponseObject, error) {
	who := actorFrom(ctx)
	id, err := uuid.NewRandomFromReader(h.random)
	if err != nil {
		return nil, err
	}
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.BadgeResponse, err error) {
		s, err := resolve(ctx, tx.Queries, who, r.Body.ServerID, asAdministrator)
		if err != nil {
			return body, err
		}
		badge := store.Badge{ID: id.String(), ServerID: s.ID, Definition: defined(gen.BadgeUpdate(*r.Body)), CreatedAt: h.now()}
		if err := tx.Badges.Insert(ctx, badge); err != nil {
			return body, err
		}
		body = gen.BadgeResponse{Meta: done("Badge has been created successfully"), Body: shownBadge(badge)}
		return body, h.record(ctx, tx, s.ID, gen.AuditActionBadgeCreate, badge.ID, nil, badge.Definition)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateBadge200JSONResponse{Body: body, Headers: stub.CreateBadge200ResponseHeaders(again)}, nil
}

func (h badges) UpdateBadge(ctx context.Context, r stub.UpdateBadgeRequestObject) (stub.UpdateBadgeResponseObject, error) {
	var badge store.Badge
	err := h.store.Tx(ctx, func(tx *store.Tx) (err error) {
		if badge, err = h.manageable(ctx, tx, r.BadgeID); err != nil {
			return err
		}
		if r.Body.ServerID != "" && r.Body.ServerID != badge.ServerID {
			return contract.Invalid(contract.Field("/serverId", gen.FieldCodeNotAllowed, "must be the server of the badge, or be left out"))
		}
		before := badge.Definition
		badge.Definition = defined(*r.Body)
		if err := tx.Badges.Update(ctx, badge); err != nil {
			return err
		}
		return h.record(ctx, tx, badge.ServerID, gen.AuditActionBadgeUpdate, badge.ID, before, badge.Definition)
	})
	if err != nil {
		return nil, err
	}
	return stub.UpdateBadge200JSONResponse{Meta: done("Badge has been updated successfully"), Body: shownBadge(badge)}, nil
}

func (h badges) DeleteBadge(ctx context.Context, r stub.DeleteBadgeRequestObject) (stub.DeleteBadgeResponseObject, error) {
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		badge, err := h.manageable(ctx, tx, r.BadgeID)
		if err != nil {
			return err
		}
		if err := tx.Badges.Delete(ctx, badge.ID); err != nil {
			return err
		}
		return h.record(ctx, tx, badge.ServerID, gen.AuditActionBadgeDelete, badge.ID, badge.Definition, nil)
	})
	if err != nil {
		return nil, err
	}
	return stub.DeleteBadge200JSONResponse{Meta: done("Badge has been deleted successfully"), Body: gen.Nothing{}}, nil
}

func (h badges) AwardBadge(ctx context.Context, r stub.AwardBadgeRequestObject) (stub.AwardBadgeResponseObject, error) {
	var found []store.Badge
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		badge, account, err := h.awardable(ctx, tx, r.BadgeID, r.Body.UserID)
		if err != nil {
			return err
		}
		changed, err := tx.Badges.InsertOf(ctx, badge, account, h.now())
		if err != nil {
			return err
		}
		if changed {
			if err := h.badgeAwarded(ctx, tx, badge, account); err != nil {
				return err
			}
			if err := h.record(ctx, tx, badge.ServerID, gen.AuditActionBadgeAward, badge.ID, nil, *r.Body); err != nil {
				return err
			}
		}
		found, err = tx.Badges.ListOf(ctx, badge.ServerID, account)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stub.AwardBadge200JSONResponse{Meta: done("Badge has been rewarded successfully"), Body: shownBadges(found)}, nil
}

func (h badges) RemoveBadge(ctx context.Context, r stub.RemoveBadgeRequestObject) (stub.RemoveBadgeResponseObject, error) {
	err := h.store.Tx(ctx, func(tx *store.Tx) error {
		badge, account, err := h.awardable(ctx, tx, r.BadgeID, r.Body.UserID)
		if err != nil {
			return err
		}
		changed, err := tx.Badges.DeleteOf(ctx, badge, account)
		if err != nil || !changed {
			return err
		}
		return h.record(ctx, tx, badge.ServerID, gen.AuditActionBadgeRemove, badge.ID, *r.Body, nil)
	})
	if err != nil {
		return nil, err
	}
	return stub.RemoveBadge200JSONResponse{Meta: done("Badge has been removed successfully"), Body: []gen.Badge{}}, nil
}

func (h badges) GetMemberBalance(ctx context.Context, r stub.GetMemberBalanceRequestObject) (stub.GetMemberBalanceResponseObject, error) {
	s, err := require(ctx, h.store.Queries, actorFrom(ctx), r.ServerID, "server", asMember)
	if err != nil {
		return nil, err
	}
	account, err := memberOf(ctx, h.store.Queries, s.ID, r.UserID)
	if err != nil {
		return nil, err
	}
	balance, err := h.store.Ledger.Balance(ctx, s.ID, account)
	if err != nil {
		return nil, err
	}
	return stub.GetMemberBalance200JSONResponse{Meta: done("Member balance"), Body: balance}, nil
}

// manageable finds a badge that the caller may change, award and remove.
func (h badges) manageable(ctx context.Context, tx *store.Tx, id string) (store.Badge, error) {
	badge, err := tx.Badges.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return badge, contract.NotFound("badge")
	}
	if err != nil {
		return badge, err
	}
	_, err = require(ctx, tx.Queries, actorFrom(ctx), badge.ServerID, "badge", asAdministrator)
	return badge, err
}

// awardable is manageable, and the member it is about.
func (h badges) awardable(ctx context.Context, tx *store.Tx, id, userID string) (badge store.Badge, account int64, err error) {
	if badge, err = h.manageable(ctx, tx, id); err != nil {
		return badge, 0, err
	}
	account, err = memberOf(ctx, tx.Queries, badge.ServerID, userID)
	return badge, account, err
}

// defined is a badge as a request describes it: an action must happen once if the request does not say how often.
func defined(d gen.BadgeUpdate) gen.BadgeUpdate {
	if d.Quantity == nil {
		d.Quantity = new(int32(1))
	}
	return d
}

// shownBadge is a badge as the wire shows it: everything is a string.
func shownBadge(b store.Badge) gen.Badge {
	d := b.Definition
	return gen.Badge{
		ID: b.ID, Title: d.Title, Action: d.Action, Description: d.Description, Image: d.Image,
		Quantity:       strconv.FormatInt(int64(valueOf(d.Quantity)), 10),
		AttachRequired: strconv.FormatBool(d.AttachRequired),
		Awarded:        strconv.FormatBool(d.Awarded),
	}
}

func shownBadges(found []store.Badge) []gen.Badge {
	shown := make([]gen.Badge, len(found))
	for i, badge := range found {
		shown[i] = shownBadge(badge)
	}
	return shown
}
