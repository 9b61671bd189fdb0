package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// ListMilestones shows all milestones of a community.
func (h gamification) ListMilestones(ctx context.Context, r stub.ListMilestonesRequestObject) (stub.ListMilestonesResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.Gamification.ListMilestones(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListMilestones200JSONResponse{Meta: application(http.StatusOK), Message: "Read milestones success.", Data: found}, nil
}

// GetMilestone shows a milestone.
func (h gamification) GetMilestone(ctx context.Context, r stub.GetMilestoneRequestObject) (stub.GetMilestoneResponseObject, error) {
	m, err := milestoneOf(ctx, h.store.Queries, r.MilestoneID)
	if err != nil {
		return nil, err
	}
	return stub.GetMilestone200JSONResponse{Meta: application(http.StatusOK), Message: "Read milestone success.", Data: m}, nil
}

// CreateMilestone makes a milestone.
func (h gamification) CreateMilestone(ctx context.Context, r stub.CreateMilestoneRequestObject) (stub.CreateMilestoneResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.MilestoneResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		m := gen.Milestone{
			ID: h.newID(), CommunityID: s.ID, Name: r.Body.Name, Image: r.Body.Image, Field: r.Body.Field, Steps: r.Body.Steps, CreatedAt: now, UpdatedAt: now,
		}
		if err := checkMilestone(ctx, tx.Queries, m); err != nil {
			return body, err
		}
		if err := tx.Gamification.InsertMilestone(ctx, m); err != nil {
			return body, err
		}
		body = gen.MilestoneResponse{Meta: application(http.StatusCreated), Message: "Create milestone success.", Data: m}
		return body, record(ctx, h.core, tx, s.ID, m.ID, nil, &m)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateMilestone201JSONResponse{Body: body, Headers: stub.CreateMilestone201ResponseHeaders(again)}, nil
}

// UpdateMilestone replaces a milestone.
func (h gamification) UpdateMilestone(ctx context.Context, r stub.UpdateMilestoneRequestObject) (stub.UpdateMilestoneResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateMilestone200JSONResponse, err error) {
		before, err := milestoneOf(ctx, tx.Queries, r.MilestoneID)
		if err != nil {
			return answer, err
		}
		m := before
		m.Name, m.Image, m.Field, m.Steps = r.Body.Name, r.Body.Image, r.Body.Field, r.Body.Steps
		if err := checkMilestone(ctx, tx.Queries, m); err != nil {
			return answer, err
		}
		if !same(&before, &m) {
			m.UpdatedAt = gen.Time{Time: h.now()}
			if err := tx.Gamification.UpdateMilestone(ctx, m); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateMilestone200JSONResponse{Meta: application(http.StatusOK), Message: "Update milestone success.", Data: m}
		return answer, record(ctx, h.core, tx, m.CommunityID, m.ID, &before, &m)
	})
}

// DeleteMilestone ends a milestone.
func (h gamification) DeleteMilestone(ctx context.Context, r stub.DeleteMilestoneRequestObject) (stub.DeleteMilestoneResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteMilestone200JSONResponse, err error) {
		m, err := milestoneOf(ctx, tx.Queries, r.MilestoneID)
		if err != nil {
			return answer, err
		}
		if err := tx.Gamification.DeleteMilestone(ctx, m.ID); err != nil {
			return answer, err
		}
		answer = stub.DeleteMilestone200JSONResponse{Meta: application(http.StatusOK), Message: "Delete milestone success.", Data: m}
		return answer, record(ctx, h.core, tx, m.CommunityID, m.ID, &m, nil)
	})
}

// milestoneOf finds a milestone with which the caller may do the operation of the request.
func milestoneOf(ctx context.Context, q store.Queries, id string) (gen.Milestone, error) {
	m, err := q.Gamification.GetMilestone(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("milestone")
	}
	if err == nil {
		_, err = require(ctx, q, m.CommunityID, "milestone")
	}
	return m, err
}

// checkMilestone refuses steps that do not rise, and a field that takes no numbers.
func checkMilestone(ctx context.Context, q store.Queries, m gen.Milestone) error {
	for i, step := range m.Steps {
		if i > 0 && step.Value <= m.Steps[i-1].Value {
			return contract.Invalid(contract.Field(fmt.Sprintf("/steps/%d/value", i), gen.FieldCodeTooSmall, "must be more than the value of the step before it"))
		}
	}
	if !isID(m.Field) {
		return nil
	}
	f, err := q.Fields.Get(ctx, m.CommunityID, m.Field)
	if errors.Is(err, store.ErrNotFound) || err == nil && !typeOf(f.Definition).IsNumber() {
		return contract.Invalid(contract.Field("/field", gen.FieldCodeNotAllowed, "must be a field of this community that takes numbers"))
	}
	return err
}

// GetUserMilestones shows how far a member is.
func (h gamification) GetUserMilestones(ctx context.Context, r stub.GetUserMilestonesRequestObject) (stub.GetUserMilestonesResponseObject, error) {
	q := h.store.Queries
	s, account, err := memberAsked(ctx, q, identifiedBy{r.Body.Identifier, r.Body.FieldName, r.Body.IdentifierType})
	if err != nil {
		return nil, err
	}
	all, err := q.Gamification.ListMilestones(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	totals, err := q.Ledger.GetTotals(ctx, s.ID, account.AccountNumber)
	if err != nil {
		return nil, err
	}
	answer := stub.GetUserMilestones200JSONResponse{Status: integration, Message: "User milestones fetched successfully", Data: []gen.UserMilestone{}}
	for _, m := range all {
		reached, err := q.Gamification.ListReachedSteps(ctx, m, account.AccountNumber)
		if err != nil {
			return nil, err
		}
		shown := gen.UserMilestone{ID: m.ID, Name: m.Name, Field: m.Field, Steps: []gen.UserMilestoneStep{}}
		if shown.Value, err = h.valueOfMember(ctx, q, m, account.AccountNumber, totals); err != nil {
			return nil, err
		}
		for _, step := range m.Steps {
			at, is := reached[step.Value]
			one := gen.UserMilestoneStep{Value: step.Value, Reached: is, ReachedAt: gen.Null[gen.Time]()}
			if is {
				one.ReachedAt = gen.NullableOf(at)
			}
			shown.Steps = append(shown.Steps, one)
		}
		answer.Data = append(answer.Data, shown)
	}
	return answer, nil
}

// valueOfMember is what the field of a milestone counts of a member.
func (h gamification) valueOfMember(ctx context.Context, q store.Queries, m gen.Milestone, account int64, totals store.Totals) (float64, error) {
	if !isID(m.Field) {
		return float64(totals.Of(m.Field)), nil
	}
	number, err := q.Fields.GetMeasure(ctx, m.CommunityID, m.Field, account)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return number, err
}

// stepsReached is the step that credits what milestones give for what has just changed: values are what members have now, by the field
// of a milestone. What they credit may reach others.
func (k *core) stepsReached(ctx context.Context, tx *store.Tx, rules store.Rules, account int64, values map[string]float64) error {
	if !rules.Milestones || len(values) == 0 {
		return nil
	}
	all, err := tx.Gamification.ListMilestones(ctx, rules.ServerID)
	if err != nil {
		return err
	}
	for len(values) > 0 {
		next := map[string]float64{}
		for _, m := range all {
			value, changed := values[m.Field]
			if !changed || value < float64(m.Steps[0].Value) {
				continue
			}
			reached, err := tx.Gamification.ListReachedSteps(ctx, m, account)
			if err != nil {
				return err
			}
			for _, step := range m.Steps {
				if _, is := reached[step.Value]; is || value < float64(step.Value) {
					continue
				}
				line := store.LedgerLine{
					ServerID: rules.ServerID, Account: account, Action: string(gen.ActionMilestones), XP: int64(step.XP), Coins: int64(step.Coins),
					Reason: store.MilestoneReason + m.ID + "/" + strconv.FormatInt(step.Value, 10),
				}
				after, added, err := k.addLine(ctx, tx, rules, line)
				if err != nil {
					return err
				}
				if added {
					changedBy(line, after, next)
				}
			}
		}
		values = next
	}
	return nil
}

// changedBy notes what a member has now of what a line has changed.
func changedBy(line store.LedgerLine, after store.Totals, values map[string]float64) {
	names := line.Counts.Names()
	if line.XP != 0 {
		names = append(names, "xp")
	}
	if line.Coins != 0 {
		names = append(names, "coins")
	}
	for _, name := range names {
		values[name] = float64(after.Of(name))
	}
}
