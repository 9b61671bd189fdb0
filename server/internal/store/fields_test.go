package store

import (
	"errors"
	"math"

	"github.com/rejoin-dev/rejoin/gen"
)

// hasFields gives a server a field in which two members have values, and looks for them.
func (l *life) hasFields(serverID string, ann, ben int64) {
	ctx, check := l.Context(), l.check
	f := Field{ID: l.id(), ServerID: serverID, Key: "level", CreatedAt: l.now(), UpdatedAt: l.now(), Creator: Account{AccountNumber: ann}}
	gone := f
	gone.ID, gone.Key = l.id(), "gone"
	one := 1.0
	l.tx(func(tx *Tx) error {
		for _, f := range []Field{f, gone} {
			l.must(tx.Fields.Insert(ctx, f))
			for i, account := range []int64{ann, ben} {
				v := FieldValue{ServerID: serverID, Account: account, FieldID: f.ID, Value: "Gold", Kind: "line", Key: "ab", Measure: &one}
				check(0, tx.Fields.Set(ctx, v))
				v.Unique = i == 0
				check(0, tx.Fields.Set(ctx, v))
				check(0, tx.Fields.InsertHistory(ctx, serverID, account, gen.UserFieldHistory{ID: l.id(), FieldID: f.ID, Field: "level", Value: "Gold", At: l.now()}))
			}
		}
		check(0, tx.Fields.Update(ctx, f))
		check(0, tx.Fields.Delete(ctx, gone.ID))
		for more := true; more; {
			var err error
			more, err = tx.Fields.DeleteRest(ctx, gone.ID, 1)
			l.must(err)
		}
		return tx.Fields.DeleteOf(ctx, serverID, ben)
	})
	q := l.s.Fields
	check(q.List(ctx, serverID))
	check(q.Get(ctx, serverID, f.ID))
	if _, err := q.Identifier(ctx, serverID); !errors.Is(err, ErrNotFound) {
		l.Errorf("got %v without an identifier", err)
	}
	check(q.HasValues(ctx, f.ID))
	check(q.HasValue(ctx, f, ann))
	check(q.HasKind(ctx, f.ID, "number"))
	check(q.HasOther(ctx, f, []string{"ab"}))
	check(q.ListOf(ctx, serverID, ann))
	check(q.ListHaving(ctx, f, "ab"))
	if _, err := q.GetMeasure(ctx, serverID, f.ID, ann); err != nil && !errors.Is(err, ErrNotFound) {
		l.Error(err)
	}
	check(q.HasHistory(ctx, serverID, f.ID))
	if _, found, err := q.GetHistory(ctx, f, ann, math.MaxInt64); err != nil || !found {
		l.Errorf("no history: %v", err)
	}
	for _, of := range []HistoryScope{{}, {FieldID: f.ID}, {Account: ann}, {FieldID: f.ID, Account: ann}} {
		of.ServerID, of.From, of.To = serverID, math.MinInt64, math.MaxInt64
		check(q.ListHistory(ctx, of, Page{Limit: 20}))
	}
	value, measured := FieldCondition{FieldID: f.ID, Key: "ab"}, FieldCondition{FieldID: f.ID, From: &one}
	for _, ask := range []UserQuery{
		{Order: OfField, Field: value, Values: true},
		{Order: ByField, Field: measured, Conditions: &UserConditions{Fields: []FieldCondition{value}}},
		{Order: ByXP, Conditions: &UserConditions{Fields: []FieldCondition{measured}}},
	} {
		ask.ServerID = serverID
		if found, _, err := l.s.Users.Find(ctx, ask, 0, 20); err != nil || len(found) != 1 || found[0].AccountNumber != ann {
			l.Errorf("found %v, %v", found, err)
		}
	}
}
