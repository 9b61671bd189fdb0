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
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.Badges.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListBadges200JSONResponse{Meta: system("Badges"), Body: shownBadges(found)}, nil
}

func (h badges) CreateBadge(ctx context.Context, r stub.CreateBadgeRequestObject) (stub.CreateBadgeResponseObject, error) {
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.BadgeResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		id, err := uuid.NewRandomFromReader(h.random)
		if err != nil {
			return body, err
		}
		badge := store.Badge{ID: id.String(), ServerID: s.ID, Definition: defined(gen.BadgeUpdate(*r.Body)), CreatedAt: h.now()}
		if err := tx.Badges.Insert(ctx, badge); err != nil {
			return body, err
		}
		body = gen.BadgeResponse{Meta: system("Badge has been created successfully"), Body: shownBadge(badge)}
		return body, record(ctx, h.core, tx, s.ID, badge.ID, nil, &badge.Definition)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateBadge200JSONResponse{Body: body, Headers: stub.CreateBadge200ResponseHeaders(again)}, nil
}

func (h badges) UpdateBadge(ctx context.Context, r stub.UpdateBadgeRequestObject) (stub.UpdateBadgeResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateBadge200JSONResponse, err error) {
		before, err := h.manageable(ctx, tx, r.BadgeID)
		if err != nil {
			return answer, err
		}
		if r.Body.ServerID != "" && r.Body.ServerID != before.ServerID {
			return answer, contract.Invalid(contract.Field("/serverId", gen.FieldCodeNotAllowed, "must be the server of the badge, or be left out"))
		}
		badge := before
		badge.Definition = defined(*r.Body)
		if err := tx.Badges.Update(ctx, badge); err != nil {
			return answer, err
		}
		answer = stub.UpdateBadge200JSONResponse{Meta: system("Badge has been updated successfully"), Body: shownBadge(badge)}
		return answer, record(ctx, h.core, tx, badge.ServerID, badge.ID, &before.Definition, &badge.Definition)
	})
}

func (h badges) DeleteBadge(ctx context.Context, r stub.DeleteBadgeRequestObject) (stub.DeleteBadgeResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteBadge200JSONResponse, err error) {
		badge, err := h.manageable(ctx, tx, r.BadgeID)
		if err != nil {
			return answer, err
		}
		if err := tx.Badges.Delete(ctx, badge.ID); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, badgeRemoval{BadgeID: badge.ID}); err != nil {
			return answer, err
		}
		answer.Meta = system("Badge has been deleted successfully")
		return answer, record(ctx, h.core, tx, badge.ServerID, badge.ID, &badge.Definition, nil)
	})
}

func (h badges) AwardBadge(ctx context.Context, r stub.AwardBadgeRequestObject) (stub.AwardBadgeResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.AwardBadge200JSONResponse, err error) {
		badge, account, err := h.awardable(ctx, tx, r.BadgeID, r.Body.UserID)
		if err != nil {
			return answer, err
		}
		// Who is awarded a badge by what they do holds their totals first: in another order, two would wait for each other.
		if _, err := tx.Ledger.HoldTotals(ctx, badge.ServerID, account); err != nil {
			return answer, err
		}
		awarded, err := tx.Badges.InsertOf(ctx, badge, account, h.now())
		if err != nil {
			return answer, err
		}
		if awarded {
			if err := h.badgeAwarded(ctx, tx, badge, account); err != nil {
				return answer, err
			}
			if err := record(ctx, h.core, tx, badge.ServerID, badge.ID, nil, r.Body); err != nil {
				return answer, err
			}
		}
		found, err := tx.Badges.ListOf(ctx, badge.ServerID, account)
		return stub.AwardBadge200JSONResponse{Meta: system("Badge has been rewarded successfully"), Body: shownBadges(found)}, err
	})
}

func (h badges) RemoveBadge(ctx context.Context, r stub.RemoveBadgeRequestObject) (stub.RemoveBadgeResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.RemoveBadge200JSONResponse, err error) {
		badge, account, err := h.awardable(ctx, tx, r.BadgeID, r.Body.UserID)
		if err != nil {
			return answer, err
		}
		answer = stub.RemoveBadge200JSONResponse{Meta: system("Badge has been removed successfully"), Body: []gen.Badge{}}
		removed, err := tx.Badges.DeleteOf(ctx, badge, account)
		if err != nil || !removed {
			return answer, err
		}
		return answer, record(ctx, h.core, tx, badge.ServerID, badge.ID, r.Body, nil)
	})
}

func (h badges) GetMemberBalance(ctx context.Context, r stub.GetMemberBalanceRequestObject) (stub.GetMemberBalanceResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	account, err := memberOf(ctx, h.store.Queries, s.ID, r.UserID)
	if err == nil && !s.actor.showsMember(account) {
		err = contract.NotFound("member")
	}
	if err != nil {
		return nil, err
	}
	balance, err := h.store.Ledger.Balance(ctx, s.ID, account)
	if err != nil {
		return nil, err
	}
	return stub.GetMemberBalance200JSONResponse{Meta: system("Member balance"), Body: balance}, nil
}

// manageable finds a badge that the caller may change, award and remove.
func (h badges) manageable(ctx context.Context, tx *store.Tx, id string) (store.Badge, error) {
	badge, err := tx.Badges.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("badge")
	}
	if err == nil {
		_, err = require(ctx, tx.Queries, badge.ServerID, "badge")
	}
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
	d.ServerID = "" // which belongs to the request; the badge has its own
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
