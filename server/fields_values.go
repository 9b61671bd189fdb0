package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/field"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// ListUserFieldHistories shows what values there were.
func (h fields) ListUserFieldHistories(ctx context.Context, r stub.ListUserFieldHistoriesRequestObject) (stub.ListUserFieldHistoriesResponseObject, error) {
	body, err := h.histories(ctx, r.CommunityID, "", "", r.Params)
	if err != nil {
		return nil, err
	}
	return stub.ListUserFieldHistories200JSONResponse(body), nil
}

// ListUserFieldHistoriesOfField shows what values there were in a field.
func (h fields) ListUserFieldHistoriesOfField(ctx context.Context, r stub.ListUserFieldHistoriesOfFieldRequestObject) (stub.ListUserFieldHistoriesOfFieldResponseObject, error) {
	body, err := h.histories(ctx, r.CommunityID, r.FieldID, "", gen.ListUserFieldHistoriesParams(r.Params))
	if err != nil {
		return nil, err
	}
	return stub.ListUserFieldHistoriesOfField200JSONResponse(body), nil
}

// ListUserFieldHistoriesOfUser shows what values a member had.
func (h fields) ListUserFieldHistoriesOfUser(ctx context.Context, r stub.ListUserFieldHistoriesOfUserRequestObject) (stub.ListUserFieldHistoriesOfUserResponseObject, error) {
	body, err := h.histories(ctx, r.CommunityID, "", r.UserID, gen.ListUserFieldHistoriesParams(r.Params))
	if err != nil {
		return nil, err
	}
	return stub.ListUserFieldHistoriesOfUser200JSONResponse(body), nil
}

// ListUserFieldHistoriesOfFieldAndUser shows what values a member had in a field.
func (h fields) ListUserFieldHistoriesOfFieldAndUser(ctx context.Context, r stub.ListUserFieldHistoriesOfFieldAndUserRequestObject) (stub.ListUserFieldHistoriesOfFieldAndUserResponseObject, error) {
	body, err := h.histories(ctx, r.CommunityID, r.FieldID, r.UserID, gen.ListUserFieldHistoriesParams(r.Params))
	if err != nil {
		return nil, err
	}
	return stub.ListUserFieldHistoriesOfFieldAndUser200JSONResponse(body), nil
}

// histories is a page of the history of a community, and there of a field, of a member, or both.
func (h fields) histories(ctx context.Context, communityID, fieldID, userID string, params gen.ListUserFieldHistoriesParams) (body gen.UserFieldHistoryListResponse, err error) {
	q := h.store.Queries
	s, err := require(ctx, q, communityID, "community")
	if err != nil {
		return body, err
	}
	of := store.HistoryScope{ServerID: s.ID, FieldID: fieldID, From: math.MinInt64, To: math.MaxInt64}
	if fieldID != "" {
		if err := checkKnownField(ctx, q, s.ID, fieldID); err != nil {
			return body, err
		}
	}
	if userID != "" {
		account, err := memberNamed(ctx, q, s.ID, userID)
		if err != nil {
			return body, err
		}
		of.Account = account.AccountNumber
	}
	if params.From != nil {
		of.From = params.From.UnixMicro()
	}
	if params.To != nil {
		of.To = momentEnd(*params.To)
	}
	page, err := pageOf(ctx, params.Page, params.Limit, params.Cursor)
	if err != nil {
		return body, err
	}
	found, err := q.Fields.ListHistory(ctx, of, page.asked())
	if err != nil {
		return body, err
	}
	body.Message = "Read user field histories success."
	body.Meta, body.Data = readPage(page, found, func(line gen.UserFieldHistory) store.Position { return store.Position{At: line.At, ID: line.ID} })
	return body, nil
}

// momentEnd is the end of a moment as the wire shows it, to the millisecond.
func momentEnd(at gen.Time) int64 {
	return at.Truncate(time.Millisecond).Add(time.Millisecond).UnixMicro() - 1
}

// checkKnownField refuses a field that the community neither has nor has had with a value in it.
func checkKnownField(ctx context.Context, q store.Queries, serverID, id string) error {
	_, err := q.Fields.Get(ctx, serverID, id)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	had, err := q.Fields.HasHistory(ctx, serverID, id)
	if err == nil && !had {
		err = contract.NotFound("user field")
	}
	return err
}

// CreateUserFieldHistory gives a member a value in a field.
func (h fields) CreateUserFieldHistory(ctx context.Context, r stub.CreateUserFieldHistoryRequestObject) (stub.CreateUserFieldHistoryResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.UserFieldHistoryResponse, err error) {
		s, f, err := fieldOf(ctx, tx.Queries, r.CommunityID, r.FieldID)
		if err != nil {
			return body, err
		}
		account, err := memberNamed(ctx, tx.Queries, s.ID, r.UserID)
		if err != nil {
			return body, err
		}
		value, err := valueFor(f, r.Body.Value)
		if err != nil {
			return body, contract.Invalid(refusedValue("/value", err))
		}
		at := (*time.Time)(nil)
		if r.Body.At != nil {
			at = &r.Body.At.Time
		}
		if at != nil && at.After(h.now()) {
			return body, contract.Invalid(contract.Field("/at", gen.FieldCodeTooLarge, "must not be in the future"))
		}
		line, changed, err := h.setValue(ctx, tx, f, account, value, at)
		if err != nil {
			return body, err
		}
		body = gen.UserFieldHistoryResponse{Meta: application(http.StatusCreated), Message: "Create user field history success.", Data: line}
		if !changed {
			return body, nil
		}
		line.Value, line.Previous = nil, nil // they are in the history, and go with the account
		return body, record(ctx, h.core, tx, s.ID, line.ID, nil, &line)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateUserFieldHistory201JSONResponse{Body: body, Headers: stub.CreateUserFieldHistory201ResponseHeaders(again)}, nil
}

// longestIdentifier is how many characters a value of the identifier may have. The contract says so too.
const longestIdentifier = 255

// valueFor is a value as a field takes it.
func valueFor(f store.Field, given any) (any, error) {
	value, err := typeOf(f.Definition).Of(given)
	if err == nil && f.Identifier && utf8.RuneCountInString(field.TextOf(value)) > longestIdentifier {
		err = &field.Refusal{TooLong: true, Message: fmt.Sprintf("must have at most %d characters", longestIdentifier)}
	}
	return value, err
}

// setValue is the step that gives a member a value of a field from a moment on, from now if there is none. It returns the line of the
// history that says so, and whether that is new: what the member had at that moment anyway is not written again. Who has come again
// after having left has nothing, whatever the history says.
func (k *core) setValue(ctx context.Context, tx *store.Tx, f store.Field, account store.Account, value any, at *time.Time) (line gen.UserFieldHistory, changed bool, err error) {
	number, moment := account.AccountNumber, k.now()
	current, err := tx.Fields.HasValue(ctx, f, number)
	if err != nil {
		return line, false, err
	}
	latest, has, err := tx.Fields.GetHistory(ctx, f, number, math.MaxInt64)
	if err != nil {
		return line, false, err
	}
	before, had := latest, has
	if at != nil {
		moment = *at
		if before, had, err = tx.Fields.GetHistory(ctx, f, number, momentEnd(gen.Time{Time: moment})); err != nil {
			return line, false, err
		}
	}
	line = before
	if !had || !current || field.TextOf(before.Value) != field.TextOf(value) {
		moment = moment.Truncate(time.Microsecond) // as it is kept
		if had && !moment.After(before.At.Time) {  // what comes later counts, also within what the wire shows as one moment
			moment = before.At.Add(time.Microsecond)
		}
		line = gen.UserFieldHistory{
			ID: k.newID(), FieldID: f.ID, Field: f.Definition.Field, UserID: account.ID, Value: value, At: gen.Time{Time: moment}, By: auditActor(ctx),
		}
		if had {
			line.Previous = before.Value
		}
		if err := tx.Fields.InsertHistory(ctx, f.ServerID, number, line); err != nil {
			return line, false, err
		}
	}
	if current && has && latest.At.After(line.At.Time) {
		return line, line.ID != before.ID, nil
	}
	given := store.FieldValue{
		ServerID: f.ServerID, Account: number, FieldID: f.ID, Value: value, Kind: string(field.KindOf(value)), Key: field.KeyOf(value), Unique: f.Identifier,
	}
	if measure, is := field.Measure(value); is {
		given.Measure = &measure
	}
	err = tx.Fields.Set(ctx, given)
	if errors.Is(err, store.ErrDuplicate) {
		err = contract.Conflict("Another user has this value", "the field identifies users, and this value is somebody else's")
	}
	if err == nil {
		err = k.valueGiven(ctx, tx, f, number)
	}
	if err == nil && given.Measure != nil {
		var rules store.Rules
		if rules, err = tx.Gamification.Get(ctx, f.ServerID); err == nil {
			err = k.stepsReached(ctx, tx, rules, number, map[string]float64{f.ID: *given.Measure})
		}
	}
	changed = line.ID != before.ID
	if err == nil && changed {
		err = k.valueChanged(ctx, tx, f.ServerID, number, line)
	}
	return line, changed, err
}

// fieldNamed is the field of those of a community that a text names: by its id, or by what programs call it.
func fieldNamed(all []store.Field, name string) (store.Field, bool) {
	key := words.Caseless(field.Key(name))
	i := slices.IndexFunc(all, func(f store.Field) bool { return f.ID == name })
	if i < 0 {
		i = slices.IndexFunc(all, func(f store.Field) bool { return f.Key == key })
	}
	if i < 0 {
		return store.Field{}, false
	}
	return all[i], true
}

// shownValue is what is shown of a member in a field: their value, or else the default.
func shownValue(f store.Field, of *field.Type, values map[string]any) (value any, has bool) {
	value, has = values[f.ID]
	if !has {
		return f.Definition.DefaultValue, f.Definition.DefaultValue != nil
	}
	if converted, err := of.Of(value); err == nil {
		value = converted
	}
	return value, true
}

// customFieldsOf are the values that a member has in the fields of a community.
func (k *core) customFieldsOf(ctx context.Context, q store.Queries, serverID string, account int64) (map[string]any, error) {
	shown := map[string]any{}
	all, err := q.Fields.List(ctx, serverID)
	if err != nil || len(all) == 0 {
		return shown, err
	}
	values, err := q.Fields.ListOf(ctx, serverID, account)
	for _, f := range all {
		if value, has := shownValue(f, typeOf(f.Definition), values); has {
			shown[f.Definition.Field] = value
		}
	}
	return shown, err
}

// checkGiven finds what a request gives a new user in the fields of the community, one value for each field, and refuses what no field
// takes or what is missing.
func checkGiven(all []store.Field, in gen.UserCreate) (given []givenValue, err error) {
	var faults []gen.ProblemField
	add := func(f store.Field, pointer string, value any) {
		if slices.ContainsFunc(given, func(other givenValue) bool { return other.field.ID == f.ID }) {
			faults = append(faults, contract.Field(pointer, gen.FieldCodeDuplicate, "gives a field a second value"))
			return
		}
		value, err := valueFor(f, value)
		if err != nil {
			faults = append(faults, refusedValue(pointer, err))
		}
		given = append(given, givenValue{f, value})
	}
	for i, one := range in.CustomFields {
		pointer := fmt.Sprintf("/customFields/%d", i)
		if f, known := fieldNamed(all, one.FieldIdorName); known {
			add(f, pointer+"/value", one.Value)
		} else {
			faults = append(faults, contract.Field(pointer+"/fieldIdorName", gen.FieldCodeNotAllowed, "must be a field of the community"))
		}
	}
	if in.ExternalID != "" {
		if i := slices.IndexFunc(all, func(f store.Field) bool { return f.Identifier }); i >= 0 {
			add(all[i], "/externalId", in.ExternalID)
		} else {
			faults = append(faults, contract.Field("/externalId", gen.FieldCodeNotAllowed, "needs a field of the community that is marked as its identifier"))
		}
	}
	for _, f := range all {
		missing := f.Definition.Required && !slices.ContainsFunc(given, func(one givenValue) bool { return one.field.ID == f.ID })
		if missing && faults == nil {
			faults = append(faults, contract.Field("/customFields", gen.FieldCodeRequired, "must give a value to each field that is required"))
		}
	}
	if len(faults) > 0 {
		return nil, contract.Invalid(faults...)
	}
	return given, nil
}

// A givenValue is what somebody is given in a field.
type givenValue struct {
	field store.Field
	value any
}

// giveValues is the step that gives a new user what the request says in the fields of the community.
func (k *core) giveValues(ctx context.Context, tx *store.Tx, s standing, account store.Account, in gen.UserCreate) error {
	if !joins(in) {
		return nil // checkUser lets nothing be given then
	}
	all, err := tx.Fields.List(ctx, s.ID)
	if err != nil {
		return err
	}
	given, err := checkGiven(all, in)
	for i := 0; i < len(given) && err == nil; i++ {
		_, _, err = k.setValue(ctx, tx, given[i].field, account, given[i].value, nil)
	}
	return err
}

// identified finds the member who has a value in a field of a community. If several have it, that is a conflict.
func identified(ctx context.Context, q store.Queries, f store.Field, value any) (store.Account, error) {
	value, err := valueFor(f, value)
	if err != nil {
		return store.Account{}, contract.NotFound("user")
	}
	found, err := q.Fields.ListHaving(ctx, f, field.KeyOf(value))
	switch {
	case err != nil:
		return store.Account{}, err
	case len(found) == 0:
		return store.Account{}, contract.NotFound("user")
	case len(found) > 1:
		return store.Account{}, contract.Conflict("Several users have this value", "more than one user has this value in the field")
	}
	return found[0], nil
}
