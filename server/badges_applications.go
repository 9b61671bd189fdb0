package server

import (
	"context"
	"errors"
	"io"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// ApplyForBadge asks for a badge. What it locks, it locks in the order of who deletes a message: the bytes of images, and then the member.
func (h badges) ApplyForBadge(ctx context.Context, r stub.ApplyForBadgeRequestObject) (stub.ApplyForBadgeResponseObject, error) {
	_, badge, err := badgeNamed(ctx, h.store.Queries, r.BadgeID)
	if err != nil {
		return nil, err
	}
	account, err := h.store.Auth.GetAccount(ctx, actorFrom(ctx).account)
	if err != nil {
		return nil, err
	}
	// Asked here too, so that nobody who may not can make the server keep a file. What is wrong with the form comes first all the same.
	useless := checkApplying(ctx, h.store.Queries, badge, account.AccountNumber)
	var up upload
	form, err := contract.ReadForm(ctx, r.Body, func(name, _ string, content io.Reader) (err error) {
		if useless != nil {
			_, err = io.Copy(io.Discard, content)
			return err
		}
		up, err = h.receive(ctx, account.AccountNumber, name, content)
		return err
	})
	if err == nil {
		err = useless
	}
	if err != nil {
		h.images.Remove(ctx, up.id)
		return nil, err
	}
	made, err := inSharedTx(ctx, h.core, func(tx *store.Tx) (a store.Application, err error) {
		s, badge, err := badgeNamed(ctx, tx.Queries, r.BadgeID)
		if err != nil {
			return a, err
		}
		if badge.Definition.AttachRequired && up.id == "" {
			return a, contract.Invalid(contract.Field("/proof", gen.FieldCodeRequired, "is required: the badge is not applied for without one"))
		}
		a = store.Application{ServerID: s.ID, Account: account.AccountNumber, ImageID: up.id, BadgeApplication: gen.BadgeApplication{
			ID: h.newID(), BadgeID: badge.ID, Note: valueOf(form.Text("note")), CreatedAt: gen.Time{Time: h.now()},
			User: gen.BadgeApplicant{ID: account.ID, Number: account.Number, Username: account.Username, DisplayName: account.DisplayName, Avatar: account.Avatar},
		}}
		return a, h.apply(ctx, tx, badge, a, up)
	})
	if err != nil {
		return nil, h.giveUp(ctx, up, err)
	}
	return stub.ApplyForBadge200JSONResponse{Meta: system("Badge has been applied for successfully"), Body: h.shownApplication(ctx, made)}, nil
}

// apply is the step that adds an application, unless it is of no use.
func (k *core) apply(ctx context.Context, tx *store.Tx, badge store.Badge, a store.Application, up upload) error {
	if err := k.showToSome(ctx, tx, up); err != nil {
		return err
	}
	err := tx.Badges.HoldApplicant(ctx, a.ServerID, a.Account)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("badge")
	}
	if err == nil {
		err = checkApplying(ctx, tx.Queries, badge, a.Account)
	}
	if err != nil {
		return err
	}
	return tx.Badges.InsertApplication(ctx, a)
}

// checkApplying refuses an application of who has the badge, or has applied for it.
func checkApplying(ctx context.Context, q store.Queries, badge store.Badge, account int64) error {
	held, err := q.Badges.IsHeldBy(ctx, badge, account)
	if err == nil && held {
		err = contract.Conflict("You have this badge already", "the badge was awarded to the caller")
	}
	if err != nil {
		return err
	}
	applied, err := q.Badges.HasApplied(ctx, badge, account)
	if err == nil && applied {
		err = contract.Conflict("You have applied for this badge already", "the caller has an open application for the badge")
	}
	return err
}

// ListMyBadgeApplications shows the open applications of the caller.
func (h badges) ListMyBadgeApplications(ctx context.Context, r stub.ListMyBadgeApplicationsRequestObject) (stub.ListMyBadgeApplicationsResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.Badges.ListApplicationsOf(ctx, s.ID, s.actor.account)
	if err != nil {
		return nil, err
	}
	answer := stub.ListMyBadgeApplications200JSONResponse{Meta: system("Badge applications"), Body: []gen.BadgeApplication{}}
	for _, a := range found {
		answer.Body = append(answer.Body, h.shownApplication(ctx, a))
	}
	return answer, nil
}

// WithdrawBadgeApplication ends the application of the caller, if there is one. What it locks, it locks in the order of who awards the badge.
func (h badges) WithdrawBadgeApplication(ctx context.Context, r stub.WithdrawBadgeApplicationRequestObject) (stub.WithdrawBadgeApplicationResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.WithdrawBadgeApplication200JSONResponse, err error) {
		s, badge, err := badgeNamed(ctx, tx.Queries, r.BadgeID)
		if err != nil {
			return answer, err
		}
		answer.Meta = system("Application has been withdrawn successfully")
		return answer, tx.Badges.EndApplication(ctx, badge.ID, s.actor.account, h.now())
	})
}

// ListBadgeApplications shows a page of the open applications for a badge.
func (h badges) ListBadgeApplications(ctx context.Context, r stub.ListBadgeApplicationsRequestObject) (stub.ListBadgeApplicationsResponseObject, error) {
	_, badge, err := badgeNamed(ctx, h.store.Queries, r.BadgeID)
	if err != nil {
		return nil, err
	}
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Badges.ListApplications(ctx, badge.ID, page.asked())
	if err != nil {
		return nil, err
	}
	total, err := h.store.Badges.CountApplications(ctx, badge.ID)
	if err != nil {
		return nil, err
	}
	meta, found := listed(page, "Badge applications", found, total, func(a store.Application) store.Position {
		return store.Position{At: a.CreatedAt, ID: a.ID}
	})
	body := make([]gen.BadgeApplication, len(found))
	for i, a := range found {
		body[i] = h.shownApplication(ctx, a)
	}
	return stub.ListBadgeApplications200JSONResponse{Meta: meta, Body: body}, nil
}

// GetBadgeApplicationProof sends the proof of an application to who may see it. Its image has no other address: it is not shown.
func (h badges) GetBadgeApplicationProof(ctx context.Context, r stub.GetBadgeApplicationProofRequestObject) (stub.GetBadgeApplicationProofResponseObject, error) {
	q := h.store.Queries
	s, a, err := applicationNamed(ctx, q, r.BadgeID, r.ApplicationID)
	if err == nil && (s.actor.key != nil || s.actor.account != a.Account) {
		err = s.check(ctx, q)
	}
	if err == nil && a.ImageID == "" {
		err = images.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	image, err := h.images.Get(ctx, a.ImageID)
	if err != nil {
		return nil, err
	}
	return stub.GetBadgeApplicationProof200ImageResponse{Body: image, ContentType: image.Type, ContentLength: image.Size}, nil
}

// RefuseBadgeApplication ends an application.
func (h badges) RefuseBadgeApplication(ctx context.Context, r stub.RefuseBadgeApplicationRequestObject) (stub.RefuseBadgeApplicationResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.RefuseBadgeApplication200JSONResponse, err error) {
		s, a, err := applicationNamed(ctx, tx.Queries, r.BadgeID, r.ApplicationID)
		if err == nil {
			err = s.check(ctx, tx.Queries)
		}
		if err == nil {
			err = tx.Badges.RefuseApplication(ctx, a.ID, h.now())
		}
		if err != nil {
			return answer, err
		}
		answer.Meta = system("Application has been refused successfully")
		return answer, record(ctx, h.core, tx, s.ID, a.BadgeID, &gen.UserReference{UserID: a.User.Number}, nil)
	})
}

// badgeNamed finds a badge with which the caller may do the operation of the request.
func badgeNamed(ctx context.Context, q store.Queries, id string) (s standing, badge store.Badge, err error) {
	if badge, err = q.Badges.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("badge")
	}
	if err == nil {
		s, err = require(ctx, q, badge.ServerID, "badge")
	}
	return s, badge, err
}

// applicationNamed finds an application in a server in which the caller has business. What they may do there is still to be checked.
func applicationNamed(ctx context.Context, q store.Queries, badgeID, id string) (s standing, a store.Application, err error) {
	if a, err = q.Badges.GetApplication(ctx, badgeID, id); errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("application")
	}
	if err == nil {
		s, err = enter(ctx, q, a.ServerID, "application")
	}
	return s, a, err
}

// shownApplication is an application as it is shown, with addresses in full.
func (k *core) shownApplication(ctx context.Context, a store.Application) gen.BadgeApplication {
	shown := a.BadgeApplication
	shown.User.Avatar = k.imageURL(ctx, shown.User.Avatar)
	shown.Proof = k.imageURL(ctx, store.ProofPath(a.BadgeID, a.ID, a.ImageID != ""))
	return shown
}

// applicationsEnd is the step that ends the applications of who is no member any more.
func (k *core) applicationsEnd(ctx context.Context, tx *store.Tx, serverID string, account int64) error {
	_, err := tx.Badges.EndApplicationsOf(ctx, serverID, account, store.MaxApplications, k.now())
	return err
}
