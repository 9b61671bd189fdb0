package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// ListAccessLevels shows which role each access level gives.
func (h users) ListAccessLevels(ctx context.Context, r stub.ListAccessLevelsRequestObject) (stub.ListAccessLevelsResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	levels, err := h.store.Users.ListAccessLevels(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListAccessLevels200JSONResponse{Meta: system("Access levels"), Body: levels}, nil
}

// UpdateAccessLevels replaces all of them.
func (h users) UpdateAccessLevels(ctx context.Context, r stub.UpdateAccessLevelsRequestObject) (stub.UpdateAccessLevelsResponseObject, error) {
	var fields []gen.ProblemField
	seen := map[int32]bool{}
	for i, level := range r.Body.AccessLevels {
		if seen[level.Level] {
			fields = append(fields, contract.Field(fmt.Sprintf("/accessLevels/%d/level", i), gen.FieldCodeDuplicate, "stands there twice"))
		}
		seen[level.Level] = true
	}
	if len(fields) > 0 {
		return nil, contract.Invalid(fields...)
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateAccessLevels200JSONResponse, err error) {
		s, err := require(ctx, tx.Queries, r.ServerID, "server")
		if err != nil {
			return answer, err
		}
		before, err := tx.Users.ListAccessLevels(ctx, s.ID)
		if err != nil {
			return answer, err
		}
		err = tx.Users.ReplaceAccessLevels(ctx, s.ID, r.Body.AccessLevels)
		if foreign := (*store.ForeignError)(nil); errors.As(err, &foreign) {
			err = contract.Invalid(contract.Field(fmt.Sprintf("/accessLevels/%d/roleId", foreign.Index), gen.FieldCodeNotAllowed,
				"must be a role of this server, and not @all"))
		}
		if err != nil {
			return answer, err
		}
		after := slices.Clone(r.Body.AccessLevels)
		slices.SortFunc(after, func(a, b gen.AccessLevel) int { return cmp.Compare(a.Level, b.Level) })
		answer = stub.UpdateAccessLevels200JSONResponse{Meta: system("Access levels have been updated successfully"), Body: after}
		return answer, record(ctx, h.core, tx, s.ID, s.ID, &gen.AccessLevels{AccessLevels: before}, &gen.AccessLevels{AccessLevels: after})
	})
}
