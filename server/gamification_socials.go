package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// ListSocials shows all social links of a community.
func (h gamification) ListSocials(ctx context.Context, r stub.ListSocialsRequestObject) (stub.ListSocialsResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.Gamification.ListSocials(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListSocials200JSONResponse{Status: integration, Message: "Socials fetched successfully", Data: found}, nil
}

// CreateSocial makes a social link.
func (h gamification) CreateSocial(ctx context.Context, r stub.CreateSocialRequestObject) (stub.CreateSocialResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.SocialResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		made := gen.Social{
			ID: h.newID(), CommunityID: s.ID, Platform: r.Body.Platform, URL: r.Body.URL, Action: r.Body.Action,
			XP: r.Body.XP, Coins: r.Body.Coins, CreatedAt: gen.Time{Time: h.now()},
		}
		if err := tx.Gamification.InsertSocial(ctx, made); err != nil {
			return body, err
		}
		body = gen.SocialResponse{Status: integration, Message: "Social created successfully", Data: made}
		return body, record(ctx, h.core, tx, s.ID, made.ID, nil, &made)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateSocial201JSONResponse{Body: body, Headers: stub.CreateSocial201ResponseHeaders(again)}, nil
}

// DeleteSocial ends a social link.
func (h gamification) DeleteSocial(ctx context.Context, r stub.DeleteSocialRequestObject) (stub.DeleteSocialResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteSocial200JSONResponse, err error) {
		gone, err := socialNamed(ctx, tx.Queries, r.SocialID)
		if err == nil {
			_, err = require(ctx, tx.Queries, gone.CommunityID, "social")
		}
		if err == nil {
			err = tx.Gamification.DeleteSocial(ctx, gone.ID)
		}
		if err != nil {
			return answer, err
		}
		answer = stub.DeleteSocial200JSONResponse{Status: integration, Message: "Social deleted successfully", Data: gone}
		return answer, record(ctx, h.core, tx, gone.CommunityID, gone.ID, &gone, nil)
	})
}

// RecordSocial counts what a member did at a social link.
func (h gamification) RecordSocial(ctx context.Context, r stub.RecordSocialRequestObject) (stub.RecordSocialResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.RecordSocial200JSONResponse, err error) {
		s, account, err := memberAsked(ctx, tx.Queries, identifiedBy{r.Body.Identifier, r.Body.FieldName, r.Body.IdentifierType})
		if err != nil {
			return answer, err
		}
		social, err := socialNamed(ctx, tx.Queries, r.Body.SocialID)
		switch {
		case err != nil:
			return answer, err
		case social.CommunityID != s.ID:
			return answer, contract.NotFound("social")
		case social.Action != r.Body.Action:
			return answer, contract.Invalid(contract.Field("/action", gen.FieldCodeNotAllowed, "must be the action of the link"))
		}
		done := gen.SocialDeed{SocialID: social.ID, UserID: account.Number, Action: social.Action}
		if done.Counted, err = h.socialDone(ctx, tx, social, account.AccountNumber); err != nil {
			return answer, err
		}
		if done.Counted {
			done.XP, done.Coins = social.XP, social.Coins
		}
		totals, err := tx.Ledger.GetTotals(ctx, s.ID, account.AccountNumber)
		done.Socials = totals.Socials
		return stub.RecordSocial200JSONResponse{Status: integration, Message: "Social recorded successfully", Data: done}, err
	})
}

func socialNamed(ctx context.Context, q store.Queries, id string) (gen.Social, error) {
	found, err := q.Gamification.GetSocial(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("social")
	}
	return found, err
}
