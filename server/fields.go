package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/field"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// fields are the operations of the tag fields: what a community knows of its members in fields of its own.
type fields struct{ *core }

// ListUserFields shows the fields of a community in their order.
func (h fields) ListUserFields(ctx context.Context, r stub.ListUserFieldsRequestObject) (stub.ListUserFieldsResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.CommunityID, "community")
	if err != nil {
		return nil, err
	}
	found, err := h.store.Fields.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	shown := make([]gen.UserField, len(found))
	for i, f := range found {
		shown[i] = h.shownField(ctx, f)
	}
	return stub.ListUserFields200JSONResponse{Meta: application(http.StatusOK), Message: "Read user fields success.", Data: shown}, nil
}

// GetUserField shows a field.
func (h fields) GetUserField(ctx context.Context, r stub.GetUserFieldRequestObject) (stub.GetUserFieldResponseObject, error) {
	_, f, err := fieldOf(ctx, h.store.Queries, r.CommunityID, r.FieldID)
	if err != nil {
		return nil, err
	}
	return stub.GetUserField200JSONResponse{Meta: application(http.StatusOK), Message: "Read user field success.", Data: h.shownField(ctx, f)}, nil
}

// CreateUserField makes a field.
func (h fields) CreateUserField(ctx context.Context, r stub.CreateUserFieldRequestObject) (stub.CreateUserFieldResponseObject, error) {
	definition := *r.Body
	definition.Field = field.Key(definition.Field)
	if err := checkField(&definition); err != nil {
		return nil, err
	}
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.UserFieldResponse, err error) {
		s, err := require(ctx, tx.Queries, r.CommunityID, "community")
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		f := store.Field{ID: h.newID(), ServerID: s.ID, Key: words.Caseless(definition.Field), Definition: definition, CreatedAt: now, UpdatedAt: now}
		if f.Creator, err = tx.Auth.GetAccount(ctx, actorFrom(ctx).account); err != nil {
			return body, err
		}
		if err := tx.Fields.Insert(ctx, f); errors.Is(err, store.ErrDuplicate) {
			return body, contract.Conflict("There is such a field already", "another field of the community is called so")
		} else if err != nil {
			return body, err
		}
		body = gen.UserFieldResponse{Meta: application(http.StatusCreated), Message: "Create user field successful", Data: h.shownField(ctx, f)}
		return body, record(ctx, h.core, tx, s.ID, f.ID, nil, trailOf(body.Data))
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateUserField201JSONResponse{Body: body, Headers: stub.CreateUserField201ResponseHeaders(again)}, nil
}

// UpdateUserField changes what a field is, as far as all values in it convert.
func (h fields) UpdateUserField(ctx context.Context, r stub.UpdateUserFieldRequestObject) (stub.UpdateUserFieldResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateUserField200JSONResponse, err error) {
		s, before, err := fieldOf(ctx, tx.Queries, r.CommunityID, r.FieldID)
		if err != nil {
			return answer, err
		}
		after := changedField(before, *r.Body)
		if err := checkField(&after.Definition); err != nil {
			if r.Body.DefaultValue == nil && before.Definition.DefaultValue != nil && checkField(withoutDefault(after.Definition)) == nil {
				err = contract.Conflict("Not every value converts", "the defaultValue is none of what the field would take: give another one, too")
			}
			return answer, err
		}
		if err := checkIdentifier(ctx, tx, before, after); err != nil {
			return answer, err
		}
		if err := checkConversion(ctx, tx, before, after); err != nil {
			return answer, err
		}
		was, is := h.shownField(ctx, before), h.shownField(ctx, after)
		if !same(&was, &is) {
			after.UpdatedAt = gen.Time{Time: h.now()}
			is.UpdatedAt = after.UpdatedAt
			if err := tx.Fields.Update(ctx, after); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateUserField200JSONResponse{Meta: application(http.StatusOK), Message: "Updated user field", Data: is}
		return answer, record(ctx, h.core, tx, s.ID, after.ID, trailOf(was), trailOf(is))
	})
}

// DeleteUserField ends a field. What its values were stays readable.
func (h fields) DeleteUserField(ctx context.Context, r stub.DeleteUserFieldRequestObject) (stub.DeleteUserFieldResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteUserField200JSONResponse, err error) {
		s, f, err := fieldOf(ctx, tx.Queries, r.CommunityID, r.FieldID)
		if err != nil {
			return answer, err
		}
		if err := tx.Fields.Delete(ctx, f.ID); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, fieldRemoval{FieldID: f.ID}); err != nil {
			return answer, err
		}
		was := h.shownField(ctx, f)
		answer = stub.DeleteUserField200JSONResponse{Meta: application(http.StatusOK), Message: "Deleted user field", Data: was}
		return answer, record(ctx, h.core, tx, s.ID, f.ID, trailOf(was), nil)
	})
}

// fieldOf finds a field with which the caller may do the operation of the request.
func fieldOf(ctx context.Context, q store.Queries, communityID, id string) (s standing, f store.Field, err error) {
	if s, err = require(ctx, q, communityID, "community"); err != nil {
		return s, f, err
	}
	f, err = q.Fields.Get(ctx, s.ID, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("user field")
	}
	return s, f, err
}

func (k *core) shownField(ctx context.Context, f store.Field) gen.UserField {
	d := f.Definition
	return gen.UserField{
		ID: f.ID, Field: d.Field, Name: d.Name, Type: d.Type, Description: d.Description, Required: d.Required, DefaultValue: d.DefaultValue,
		Options: append(gen.UserFieldOptions{}, d.Options...), IsIdentifier: f.Identifier, Order: f.Order, CommunityID: f.ServerID,
		Creator: gen.UserFieldCreator{
			ID: f.Creator.ID, Number: int32(f.Creator.AccountNumber), Avatar: k.imageURL(ctx, f.Creator.Avatar),
			DisplayName: f.Creator.DisplayName, Username: f.Creator.Username,
		},
		CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt,
	}
}

// trailOf is a field as the audit trail keeps it, which does not know what the names of people are, or were.
func trailOf(f gen.UserField) *gen.UserField {
	f.Creator = gen.UserFieldCreator{ID: f.Creator.ID, Number: f.Creator.Number}
	return &f
}

// typeOf is what values a field takes.
func typeOf(d gen.UserFieldCreate) *field.Type {
	return &field.Type{Name: string(d.Type), Options: d.Options}
}

// changedField is a field as a request changes it.
func changedField(f store.Field, in gen.UserFieldUpdate) store.Field {
	d := &f.Definition
	d.Name, d.Type = in.Name, in.Type
	if in.Description != nil {
		d.Description = *in.Description
	}
	if in.DefaultValue != nil {
		d.DefaultValue = *in.DefaultValue
	}
	if in.Required != nil {
		d.Required = *in.Required
	}
	switch {
	case in.Options != nil:
		d.Options = *in.Options
	case in.Type != gen.UserFieldTypeSelect:
		d.Options = nil
	}
	if in.IsIdentifier != nil {
		f.Identifier = *in.IsIdentifier
	}
	if in.Order != nil {
		f.Order = *in.Order
	}
	return f
}

// How long the options and the default of a field may be, in bytes of JSON: all fields of a community are read to show one member,
// and each of many members is shown their defaults. The contract says so too.
const (
	mostOptions = 8000
	mostDefault = 255
)

func withoutDefault(d gen.UserFieldCreate) *gen.UserFieldCreate {
	d.DefaultValue = nil
	return &d
}

// checkField refuses a definition that no field can have, and makes its default a value of its type.
func checkField(d *gen.UserFieldCreate) error {
	var faults []gen.ProblemField
	add := func(pointer string, code gen.FieldCode, message string) {
		faults = append(faults, contract.Field(pointer, code, message))
	}
	if key := words.Caseless(d.Field); key == "_id" || filteredFields[key] != nil || isID(d.Field) {
		add("/field", gen.FieldCodeNotAllowed, "must not be what every user has, nor an id")
	}
	switch selects := d.Type == gen.UserFieldTypeSelect; {
	case selects && len(d.Options) == 0:
		add("/options", gen.FieldCodeRequired, "is required for a select")
	case !selects && len(d.Options) > 0:
		add("/options", gen.FieldCodeNotAllowed, "must be left out but for a select")
	}
	seen := map[string]bool{}
	for i, option := range d.Options {
		if folded := words.Caseless(option); seen[folded] {
			add(fmt.Sprintf("/options/%d", i), gen.FieldCodeDuplicate, "stands there twice")
		} else {
			seen[folded] = true
		}
	}
	if size, err := gen.MarshalJSON(d.Options); err != nil || len(size) > mostOptions {
		add("/options", gen.FieldCodeTooLarge, fmt.Sprintf("must have at most %d bytes in all, as JSON", mostOptions))
	}
	if d.DefaultValue != nil && faults == nil {
		value, err := typeOf(*d).Of(d.DefaultValue)
		if size, _ := gen.MarshalJSON(value); err == nil && len(size) > mostDefault {
			err = &field.Refusal{TooLong: true, Message: fmt.Sprintf("must have at most %d bytes, as JSON", mostDefault)}
		}
		if err != nil {
			faults = append(faults, refusedValue("/defaultValue", err))
		}
		d.DefaultValue = value
	}
	if len(faults) > 0 {
		return contract.Invalid(faults...)
	}
	return nil
}

// refusedValue says what is wrong with a value.
func refusedValue(pointer string, err error) gen.ProblemField {
	refusal := (*field.Refusal)(nil)
	switch errors.As(err, &refusal); {
	case refusal.WrongType:
		return contract.Field(pointer, gen.FieldCodeWrongType, refusal.Message)
	case refusal.TooLong:
		return contract.Field(pointer, gen.FieldCodeTooLong, refusal.Message)
	}
	return contract.Field(pointer, gen.FieldCodeNotAllowed, refusal.Message)
}

// checkIdentifier refuses a field as the identifier of its community that cannot be it.
func checkIdentifier(ctx context.Context, tx *store.Tx, before, after store.Field) error {
	if !after.Identifier {
		return nil
	}
	if !typeOf(after.Definition).Identifies() {
		return contract.Invalid(contract.Field("/isIdentifier", gen.FieldCodeNotAllowed, "must be a text of any number of lines or of one, or a number"))
	}
	becomesNumber := typeOf(after.Definition).IsNumber() && !typeOf(before.Definition).IsNumber()
	if before.Identifier && !becomesNumber {
		return nil
	}
	other, err := tx.Fields.Identifier(ctx, after.ServerID)
	switch {
	case err == nil && other.ID != after.ID:
		return contract.Conflict("Another field is the identifier", "the community has an identifier: unmark that first")
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	has, err := tx.Fields.HasValues(ctx, after.ID)
	if err == nil && has {
		err = contract.Conflict("The field has values already", "only a field without values can become the identifier, or a number as one")
	}
	return err
}

// checkConversion refuses what a field becomes if it has a value that does not convert.
func checkConversion(ctx context.Context, tx *store.Tx, before, after store.Field) (err error) {
	from, to := typeOf(before.Definition), typeOf(after.Definition)
	if from.Name == to.Name && slices.Equal(from.Options, to.Options) {
		return nil
	}
	has := false
	if to.Name == field.Select {
		keys := make([]string, len(to.Options))
		for i, option := range to.Options {
			keys[i] = field.KeyOf(option)
		}
		has, err = tx.Fields.HasOther(ctx, after, keys)
	}
	for _, kind := range field.Kinds {
		if !to.Takes(kind) && !has && err == nil {
			has, err = tx.Fields.HasKind(ctx, after.ID, string(kind))
		}
	}
	if err == nil && has {
		err = contract.Conflict("Not every value converts", "a user has a value in this field that is none of what the field would take")
	}
	return err
}
