package server

import (
	"context"
	"errors"
	"slices"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func shownStatus(s store.Status) gen.RedemptionStatus {
	return gen.RedemptionStatus{ID: s.ID, CommunityID: s.ServerID, Name: s.Name, Category: gen.StatusCategory(s.Category), Color: s.Color, CreatedAt: s.CreatedAt}
}

// ListRedemptionStatuses shows the statuses of a community.
func (h rewards) ListRedemptionStatuses(ctx context.Context, r stub.ListRedemptionStatusesRequestObject) (stub.ListRedemptionStatusesResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	all, err := h.store.Statuses.List(ctx, s.ID)
	answer := stub.ListRedemptionStatuses200JSONResponse{Status: integration, Message: "Redemption statuses fetched successfully", Data: []gen.RedemptionStatus{}}
	for _, status := range all {
		answer.Data = append(answer.Data, shownStatus(status))
	}
	return answer, err
}

// CreateRedemptionStatus makes a status.
func (h rewards) CreateRedemptionStatus(ctx context.Context, r stub.CreateRedemptionStatusRequestObject) (stub.CreateRedemptionStatusResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.RedemptionStatusResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		made := store.Status{
			ID: h.newID(), ServerID: s.ID, Name: r.Body.Name, Category: string(r.Body.Category), Color: r.Body.Color, CreatedAt: gen.Time{Time: h.now()},
		}
		if err := ofOneName(tx.Statuses.Insert(ctx, made)); err != nil {
			return body, err
		}
		shown := shownStatus(made)
		body = gen.RedemptionStatusResponse{Status: integration, Message: "Redemption status created successfully", Data: shown}
		return body, record(ctx, h.core, tx, s.ID, made.ID, nil, &shown)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateRedemptionStatus201JSONResponse{Body: body, Headers: stub.CreateRedemptionStatus201ResponseHeaders(again)}, nil
}

func ofOneName(err error) error {
	if errors.Is(err, store.ErrDuplicate) {
		err = conflictAt("/name", "There is such a status already", "another status of the community has this name")
	}
	return err
}

// statusNamed finds a status with which the caller may do the operation of the request.
func statusNamed(ctx context.Context, q store.Queries, id string) (s standing, status store.Status, err error) {
	if status, err = q.Statuses.Look(ctx, id); errors.Is(err, store.ErrNotFound) {
		return s, status, contract.NotFound("redemption status")
	}
	if err == nil {
		s, err = require(ctx, q, status.ServerID, "redemption status")
	}
	return s, status, err
}

// GetRedemptionStatus shows a status.
func (h rewards) GetRedemptionStatus(ctx context.Context, r stub.GetRedemptionStatusRequestObject) (stub.GetRedemptionStatusResponseObject, error) {
	_, status, err := statusNamed(ctx, h.store.Queries, r.StatusID)
	if err != nil {
		return nil, err
	}
	return stub.GetRedemptionStatus200JSONResponse{Status: integration, Message: "Redemption status fetched successfully", Data: shownStatus(status)}, nil
}

// statusHeld is statusNamed with all statuses of the community, of which nobody gives one to an order before the transaction ends.
func statusHeld(ctx context.Context, tx *store.Tx, id string) (s standing, status store.Status, all []store.Status, err error) {
	if s, status, err = statusNamed(ctx, tx.Queries, id); err != nil {
		return s, status, nil, err
	}
	if all, err = tx.Statuses.Hold(ctx, s.ID); err != nil {
		return s, status, nil, err
	}
	at := slices.IndexFunc(all, func(one store.Status) bool { return one.ID == id })
	if at < 0 { // somebody has removed it meanwhile
		return s, status, nil, contract.NotFound("redemption status")
	}
	return s, all[at], all, nil
}

// UpdateRedemptionStatus changes what is given of a status.
func (h rewards) UpdateRedemptionStatus(ctx context.Context, r stub.UpdateRedemptionStatusRequestObject) (stub.UpdateRedemptionStatusResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateRedemptionStatus200JSONResponse, err error) {
		s, was, all, err := statusHeld(ctx, tx, r.StatusID)
		if err != nil {
			return answer, err
		}
		is := was
		set(&is.Name, r.Body.Name)
		set(&is.Color, r.Body.Color)
		if r.Body.Category != nil && string(*r.Body.Category) != was.Category {
			is.Category = string(*r.Body.Category)
			if err := h.free(ctx, tx, all, was, is.Category == string(gen.StatusCategoryCancelled)); err != nil {
				return answer, err
			}
		}
		if err := ofOneName(tx.Statuses.Update(ctx, is)); err != nil {
			return answer, err
		}
		before, after := shownStatus(was), shownStatus(is)
		answer = stub.UpdateRedemptionStatus200JSONResponse{Status: integration, Message: "Redemption status updated successfully", Data: after}
		return answer, record(ctx, h.core, tx, s.ID, is.ID, &before, &after)
	})
}

// free refuses a status that is used, or without which no order could begin, if it ends.
func (k *core) free(ctx context.Context, tx *store.Tx, all []store.Status, status store.Status, ends bool) error {
	used, err := tx.Statuses.IsUsed(ctx, status)
	if err == nil && used {
		err = conflictAt("path/statusId", "The status is in use", "an order, a product or a category has it")
	}
	if err == nil && ends && !slices.ContainsFunc(all, func(other store.Status) bool {
		return other.ID != status.ID && other.Category != string(gen.StatusCategoryCancelled)
	}) {
		err = conflictAt("path/statusId", "The status is needed", "it is the last one in which an order could begin")
	}
	return err
}

// DeleteRedemptionStatus ends a status that nothing has.
func (h rewards) DeleteRedemptionStatus(ctx context.Context, r stub.DeleteRedemptionStatusRequestObject) (stub.DeleteRedemptionStatusResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteRedemptionStatus200JSONResponse, err error) {
		s, status, all, err := statusHeld(ctx, tx, r.StatusID)
		if err == nil {
			err = h.free(ctx, tx, all, status, true)
		}
		if err != nil {
			return answer, err
		}
		if err := tx.Statuses.Delete(ctx, status.ID); err != nil {
			return answer, err
		}
		gone := shownStatus(status)
		answer = stub.DeleteRedemptionStatus200JSONResponse{Status: integration, Message: "Redemption status deleted successfully", Data: gone}
		return answer, record(ctx, h.core, tx, s.ID, gone.ID, &gone, nil)
	})
}
