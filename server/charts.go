package server

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/analysis"
	"github.com/rejoin-dev/rejoin/server/internal/chart"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// charts are the operations of the tag charts: what members think of charts.
type charts struct{ *core }

// CreateAnalysis posts an analysis in a channel.
func (h charts) CreateAnalysis(ctx context.Context, r stub.CreateAnalysisRequestObject) (stub.CreateAnalysisResponseObject, error) {
	body, again, err := onceShared(ctx, h.core, func(tx *store.Tx) (body gen.AnalysisResponse, err error) {
		s, channel, err := channelSeen(ctx, tx.Queries, r.ChannelID, "channel")
		if err == nil && s.ID != r.CommunityID {
			err = contract.NotFound("channel")
		}
		var who standing
		if err == nil {
			who, err = s.speaker(ctx, tx.Queries, channel, r.Body.Sender)
		}
		if err != nil {
			return body, err
		}
		made := analysis.New(*r.Body, h.now(), h.newID)
		if err := allowed(ctx, tx.Queries, who, made); err != nil {
			return body, err
		}
		a := store.Analysis{Analysis: made.Analysis, Account: who.actor.account}
		a.AnalysisID, a.CommunityID, a.ChannelID, a.ByKey = h.newID(), s.ID, channel.ID, nullIfEmpty(s.actor.keyID())
		if err := tx.Charts.Insert(ctx, &a); err != nil {
			return body, err
		}
		rules, err := tx.Gamification.Get(ctx, s.ID)
		if err == nil {
			_, err = h.actedUnder(ctx, tx, rules, posted(a))
		}
		if err == nil {
			err = h.analysisMoved(ctx, tx, rules, gen.WebhookEventTypeAnalysisCreated, a)
		}
		if err != nil {
			return body, err
		}
		a, err = tx.Charts.Get(ctx, a.AnalysisID) // with who has posted it
		return gen.AnalysisResponse{Status: integration, Message: "Analysis created successfully", Data: h.shown(ctx, s, a)}, err
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateAnalysis201JSONResponse{Body: body, Headers: stub.CreateAnalysis201ResponseHeaders(again)}, nil
}

// posted is what who has posted an analysis has done.
func posted(a store.Analysis) deed {
	return deed{a.CommunityID, a.Account, gen.ActionAnalyses, a.AnalysisID}
}

// allowed refuses what an analysis cannot be, and what is said in it that the roles of who says it do not allow.
func allowed(ctx context.Context, q store.Queries, who standing, made analysis.Result) error {
	switch {
	case len(made.Invalid) > 0:
		return contract.Invalid(made.Invalid...)
	case made.Conflict != "":
		return contract.Conflict("The analysis does not allow that", made.Conflict)
	}
	return who.mayPost(ctx, q, strings.Join(made.Given, "\n"), 0)
}

// GetAnalysis shows an analysis.
func (h charts) GetAnalysis(ctx context.Context, r stub.GetAnalysisRequestObject) (stub.GetAnalysisResponseObject, error) {
	s, a, err := h.read(ctx, r.AnalysisID)
	if err != nil {
		return nil, err
	}
	return stub.GetAnalysis200JSONResponse{Status: integration, Message: "Analysis fetched successfully", Data: h.shown(ctx, s, a)}, nil
}

// GetAnalysisImage draws an analysis.
func (h charts) GetAnalysisImage(ctx context.Context, r stub.GetAnalysisImageRequestObject) (stub.GetAnalysisImageResponseObject, error) {
	_, a, err := h.read(ctx, r.AnalysisID)
	if err != nil {
		return nil, err
	}
	var drawn bytes.Buffer
	if err := chart.Analysis(&drawn, a.Analysis); err != nil {
		return nil, err
	}
	policy := svgPolicy
	return stub.GetAnalysisImage200ImageSvgXMLResponse{
		Body: &drawn, ContentLength: int64(drawn.Len()), Headers: stub.GetAnalysisImage200ResponseHeaders{ContentSecurityPolicy: &policy},
	}, nil
}

// read finds an analysis for who may read it.
func (h charts) read(ctx context.Context, id string) (standing, store.Analysis, error) {
	s, _, a, err := h.around(ctx, h.store.Queries, id)
	if err == nil {
		err = s.check(ctx, h.store.Queries)
	}
	return s, a, err
}

// around finds an analysis in a channel that the caller sees. What they may do there is still to be checked.
func (h charts) around(ctx context.Context, q store.Queries, id string) (s standing, channel gen.Channel, a store.Analysis, err error) {
	a, err = q.Charts.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("analysis")
	}
	if err == nil {
		s, channel, err = channelSeen(ctx, q, a.ChannelID, "analysis")
	}
	return s, channel, a, err
}

// shown is an analysis as it is shown to somebody.
func (h charts) shown(ctx context.Context, s standing, a store.Analysis) gen.Analysis {
	shown := a.Analysis
	if !s.seesKeyOf(a.Account) {
		shown.ByKey = gen.Null[string]()
	}
	shown.Sender.Avatar = h.imageURL(ctx, shown.Sender.Avatar)
	return shown
}

// UpdateAnalysis changes what is given of an analysis.
func (h charts) UpdateAnalysis(ctx context.Context, r stub.UpdateAnalysisRequestObject) (stub.UpdateAnalysisResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateAnalysis200JSONResponse, err error) {
		c, err := h.changeable(ctx, tx.Queries, r.AnalysisID, r.Body.Sender)
		if err != nil {
			return answer, err
		}
		change := gen.AnalysisChange{AnalysisID: c.before.AnalysisID, UpdatedFields: []string{}}
		made := analysis.Update(c.before.Analysis, *r.Body, h.now(), h.newID)
		change.UpdatedFields = append(change.UpdatedFields, made.Updated...)
		_, err = h.change(ctx, tx, c, made)
		return stub.UpdateAnalysis200JSONResponse{Status: integration, Message: "Analysis updated successfully", Data: change}, err
	})
}

// AppendDrawings adds drawings to an analysis.
func (h charts) AppendDrawings(ctx context.Context, r stub.AppendDrawingsRequestObject) (stub.AppendDrawingsResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.AppendDrawings200JSONResponse, err error) {
		c, err := h.changeable(ctx, tx.Queries, r.AnalysisID, r.Body.Sender)
		if err != nil {
			return answer, err
		}
		a, err := h.change(ctx, tx, c, analysis.Append(c.before.Analysis, r.Body.Drawings, h.now(), h.newID))
		return stub.AppendDrawings200JSONResponse{Status: integration, Message: "Drawings appended successfully", Data: h.shown(ctx, c.standing, a)}, err
	})
}

// A changing is somebody who may change an analysis.
type changing struct {
	standing          // of the caller
	who      standing // of who changes it: the caller, or whom an API key names
	own      bool     // who has posted it
	before   store.Analysis
}

// changeable finds an analysis for who may change it: who has posted it, and may still do so, and who may do the operation.
func (h charts) changeable(ctx context.Context, q store.Queries, id, sender string) (c changing, err error) {
	var channel gen.Channel
	if c.standing, channel, c.before, err = h.around(ctx, q, id); err != nil {
		return c, err
	}
	c.who = c.standing
	if c.actor.key == nil || sender != "" {
		if c.who, err = c.standing.named(ctx, q, channel, sender); err != nil {
			return c, err
		}
	}
	c.own = c.who.actor.key == nil && c.who.actor.account == c.before.Account
	if !c.own {
		return c, c.who.check(ctx, q)
	}
	if err = c.who.learn(ctx, q); err == nil && !c.who.may.Allows(perm.PostAnalysis) {
		err = contract.PermissionDenied("this needs the role permission " + perm.PostAnalysis)
	}
	return c, err
}

// change is the step that replaces an analysis, if that is allowed and anything was given.
func (h charts) change(ctx context.Context, tx *store.Tx, c changing, made analysis.Result) (a store.Analysis, err error) {
	a = c.before
	if err := allowed(ctx, tx.Queries, c.who, made); err != nil || len(made.Updated) == 0 {
		return a, err
	}
	a.Analysis = made.Analysis
	err = tx.Charts.Update(ctx, a)
	if err == nil {
		var rules store.Rules
		if rules, err = tx.Gamification.Get(ctx, a.CommunityID); err == nil {
			err = h.analysisMoved(ctx, tx, rules, gen.WebhookEventTypeAnalysisUpdated, a)
		}
	}
	if err != nil || c.own {
		return a, err
	}
	return a, record(ctx, h.core, tx, a.CommunityID, a.AnalysisID, nil, &gen.AnalysisChange{AnalysisID: a.AnalysisID, UpdatedFields: made.Updated})
}

// DeleteAnalysis ends an analysis.
func (h charts) DeleteAnalysis(ctx context.Context, r stub.DeleteAnalysisRequestObject) (stub.DeleteAnalysisResponseObject, error) {
	return inSharedTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteAnalysis200JSONResponse, err error) {
		if err := tx.Charts.Hold(ctx, r.AnalysisID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return answer, err
		}
		s, _, a, err := h.around(ctx, tx.Queries, r.AnalysisID)
		own := s.actor.key == nil && a.Account == s.actor.account
		if err == nil && !own {
			err = s.check(ctx, tx.Queries)
		}
		if err == nil {
			err = tx.Charts.Delete(ctx, a)
		}
		if err == nil {
			err = h.undone(ctx, tx, posted(a), a.CreatedAt)
		}
		if err == nil && !own {
			err = record(ctx, h.core, tx, s.ID, a.AnalysisID, &gen.UserReference{UserID: store.Number(a.Account)}, nil)
		}
		return stub.DeleteAnalysis200JSONResponse{Status: integration, Message: "Analysis deleted successfully"}, err
	})
}

// ListAnalyses shows the analyses of channels that the caller sees.
func (h charts) ListAnalyses(ctx context.Context, r stub.ListAnalysesRequestObject) (stub.ListAnalysesResponseObject, error) {
	p, q := r.Params, h.store.Queries
	page, err := pageOf(ctx, p.Page, p.Limit, p.Cursor)
	if err != nil {
		return nil, err
	}
	s, scope, err := h.asked(ctx, p)
	if err != nil {
		return nil, err
	}
	before := store.Newest
	if page.after != nil {
		if before, err = store.PositionOf(*page.after); err != nil {
			return nil, notACursor("query/")
		}
	}
	found, err := h.positions(ctx, s, scope, before, page.asked())
	if err != nil {
		return nil, err
	}
	found, next := cut(page, found, store.PlaceOf)
	analyses, err := q.Charts.List(ctx, found)
	if err != nil {
		return nil, err
	}
	data := gen.AnalysisPage{Analyses: []gen.AnalysisSummary{}, Page: page.number, Limit: page.limit, NextCursor: next}
	for _, a := range analyses {
		a := h.shown(ctx, s, a)
		data.Analyses = append(data.Analyses, gen.AnalysisSummary{
			AnalysisID: a.AnalysisID, Type: a.Type, CommunityID: a.CommunityID, ChannelID: a.ChannelID, Sender: a.Sender, Metadata: a.Metadata,
			Levels: a.Levels, ByKey: a.ByKey, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
		})
	}
	return stub.ListAnalyses200JSONResponse{Status: integration, Message: "Analyses fetched successfully", Data: data}, nil
}

// asked reads which analyses a request asks for, of which server.
func (h charts) asked(ctx context.Context, p gen.ListAnalysesParams) (s standing, scope store.AnalysisScope, err error) {
	q := h.store.Queries
	scope.ChannelID = valueOf(p.ChannelID)
	if scope.ChannelID == "" {
		s, err = resolve(ctx, q, valueOf(p.ServerID))
	} else if s, _, err = channelSeen(ctx, q, scope.ChannelID, "channel"); err == nil {
		if p.ServerID != nil && *p.ServerID != s.ID {
			return s, scope, contract.NotFound("channel")
		}
		err = s.check(ctx, q)
	}
	if err != nil {
		return s, scope, err
	}
	if scope.Symbol = valueOf(p.Symbol); p.Type != nil {
		scope.Type = *p.Type
	}
	if p.Sender == nil {
		return s, scope, nil
	}
	sender, err := memberNamed(ctx, q, s.ID, *p.Sender)
	if err == nil && strings.Contains(*p.Sender, "@") && !s.seesEmailOf(sender.AccountNumber) {
		err = contract.NotFound("user")
	}
	scope.Account = sender.AccountNumber
	return s, scope, err
}

// positions are where the analyses of a page are.
func (h charts) positions(ctx context.Context, s standing, scope store.AnalysisScope, before int64, page store.Page) (found []int64, err error) {
	q, most := h.store.Charts, page.Skip+page.Limit
	if scope.ChannelID != "" {
		found, err = q.ListPositions(ctx, scope, before, most)
		return found[min(page.Skip, len(found)):], err
	}
	viewer, err := s.viewer(ctx, h.store.Queries)
	if err != nil {
		return nil, err
	}
	heads, err := q.ListHeads(ctx, s.ID, viewer, scope, before)
	if err != nil {
		return nil, err
	}
	found, err = newestFirst(heads, before, most, func(channel string, before int64) ([]int64, error) {
		scope.ChannelID = channel
		return q.ListPositions(ctx, scope, before, readAhead)
	}, func(position int64) int64 { return position })
	return found[min(page.Skip, len(found)):], err
}
