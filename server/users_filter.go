package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/field"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// mostConditions is how many fields of the community a filter may have: each is looked up for each member that is gone through. The
// contract says so too.
const mostConditions = 20

// filterOf reads what to find, and of what the members are gone through for it: the part of the filter that leaves the fewest. The
// others are conditions on each of these.
func filterOf(ctx context.Context, q store.Queries, s standing, in gen.UserFilter) (f userFilter, err error) {
	given, isObject := in.Filter.(map[string]any)
	if !isObject && in.Filter != nil {
		return f, contract.Invalid(contract.Field("/filter", gen.FieldCodeWrongType, "must be an object"))
	}
	var all []store.Field // of the community, if the request is about any
	own := func(name string) bool { return filteredFields[name] == nil }
	if in.Fields == nil || slices.ContainsFunc(in.Fields, own) || slices.ContainsFunc(slices.Collect(maps.Keys(given)), own) {
		if all, err = q.Fields.List(ctx, s.ID); err != nil {
			return f, err
		}
	}
	faults := f.shows(all, in.Fields)
	wanted, conditions := map[string]wantedRange{}, []store.FieldCondition{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		var fault *gen.ProblemField
		if ours, is := fieldNamed(all, name); filteredFields[name] != nil {
			wanted[name], fault = rangeOf(name, given[name])
		} else if is {
			var condition store.FieldCondition
			condition, fault = conditionOf(ours, name, given[name])
			conditions = append(conditions, condition)
		} else {
			unknown := contract.Field("/filter/"+pointerTo(name), gen.FieldCodeUnknown, "is an unknown field")
			fault = &unknown
		}
		if fault != nil {
			faults = append(faults, *fault)
		}
	}
	if len(conditions) > mostConditions {
		faults = append(faults, contract.Field("/filter", gen.FieldCodeTooMany, fmt.Sprintf("must have at most %d fields of the community", mostConditions)))
	}
	if len(faults) > 0 {
		return f, contract.Invalid(faults...)
	}
	for _, own := range f.own {
		f.types = append(f.types, typeOf(own.Definition))
	}
	f.filters = len(given) > 0
	f.ask = questionFor(wanted, conditions)
	f.ask.ServerID, f.ask.Values = s.ID, len(f.own) > 0
	return f, nil
}

// shows sets what a filter shows of the fields that every user has and of those of the community: everything, unless some are named.
func (f *userFilter) shows(all []store.Field, names []string) (faults []gen.ProblemField) {
	if names == nil {
		f.fields, f.own = slices.Sorted(maps.Keys(filteredFields)), all
		return nil
	}
	for i, name := range names {
		if own, is := fieldNamed(all, name); filteredFields[name] != nil {
			f.fields = append(f.fields, name)
		} else if is {
			f.own = append(f.own, own)
		} else {
			faults = append(faults, contract.Field(fmt.Sprintf("/fields/%d", i), gen.FieldCodeNotAllowed, "must be a field of users"))
		}
	}
	return faults
}

// conditionOf reads what a field of the community must be.
func conditionOf(f store.Field, name string, value any) (c store.FieldCondition, fault *gen.ProblemField) {
	c.FieldID = f.ID
	of := typeOf(f.Definition)
	wrong := func(at, message string) *gen.ProblemField {
		field := contract.Field("/filter/"+pointerTo(name)+at, gen.FieldCodeWrongType, message)
		return &field
	}
	bounds, isRange := value.(map[string]any)
	if !isRange {
		value, err := of.Of(value)
		if err != nil {
			fault := refusedValue("/filter/"+pointerTo(name), err)
			return c, &fault
		}
		if from, to, ok := of.Span(value); ok { // a day is all of its moments
			c.From, c.To = &from, &to
		} else {
			c.Key = field.KeyOf(value)
		}
		return c, nil
	}
	if !of.IsNumber() && of.Name != field.Date {
		return c, wrong("", "must be a value: only numbers and dates have ranges")
	}
	at, ok := "", false
	if c.From, c.To, at, ok = boundsOf(bounds, of.Span); !ok {
		return c, wrong(at, "must have gte, lte or both, each a value of the field")
	}
	return c, nil
}

// boundsOf reads a range: gte, lte or both, as numbers. If it is none, at is the pointer to what is wrong in it.
func boundsOf[N any](bounds map[string]any, read func(any) (from, to N, ok bool)) (from, to *N, at string, ok bool) {
	for _, bound := range slices.Sorted(maps.Keys(bounds)) {
		low, high, ok := read(bounds[bound])
		switch {
		case bound != "gte" && bound != "lte" || !ok:
			return nil, nil, "/" + pointerTo(bound), false
		case bound == "gte":
			from = &low
		default:
			to = &high
		}
	}
	return from, to, "", len(bounds) > 0
}

var pointerToken = strings.NewReplacer("~", "~0", "/", "~1")

func pointerTo(name string) string { return pointerToken.Replace(name) }

// A wantedRange is what a field must be: a text, or a number between two that may be missing.
type wantedRange struct {
	text string
	store.Range
}

// rangeOf reads what a field of a filter must be.
func rangeOf(name string, value any) (w wantedRange, fault *gen.ProblemField) {
	wrong := func(at, message string) *gen.ProblemField {
		field := contract.Field("/filter/"+name+at, gen.FieldCodeWrongType, message)
		return &field
	}
	read, ranges := map[string]func(any) (from, to int64, ok bool){"xp": numberRange, "coins": numberRange, "join_date": dateRange}[name]
	if !ranges {
		if _, is := value.(map[string]any); is {
			return w, wrong("", "must be a text: it takes no range")
		}
		text, is := value.(string)
		if !is || strings.ContainsRune(text, 0) {
			return w, wrong("", "must be a text without the character NUL")
		}
		return wantedRange{text: text}, nil
	}
	must := "must be a whole number, or an object with gte, lte or both"
	if name == "join_date" {
		must = "must be a day as YYYY-MM-DD, a moment of RFC 3339, or an object with gte, lte or both"
	}
	bounds, is := value.(map[string]any)
	if !is {
		from, to, ok := read(value)
		if !ok {
			return w, wrong("", must)
		}
		return wantedRange{Range: store.Range{From: &from, To: &to}}, nil
	}
	at, ok := "", false
	if w.From, w.To, at, ok = boundsOf(bounds, read); !ok {
		return w, wrong(at, must)
	}
	return w, nil
}

func numberRange(value any) (from, to int64, ok bool) {
	number, ok := wholeNumber(value)
	return number, number, ok
}

// dateRange is a day or a moment, in microseconds: all of the day, or of the millisecond.
func dateRange(value any) (from, to int64, ok bool) {
	text, _ := value.(string)
	long := 24 * time.Hour
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		long = time.Millisecond
		at, err = time.Parse(time.RFC3339Nano, text)
	}
	return at.UnixMicro(), at.Add(long).UnixMicro() - 1, err == nil
}

// drives are the parts of a filter by which members are gone through, the one that leaves the fewest first.
var drives = []struct {
	name  string
	order store.UserOrder
}{
	{"email", store.OfOneAddress}, {"username", store.OfOneName}, {order: store.OfField},
	{"display_name", store.ByName}, {"last_name", store.OfLastName}, {"first_name", store.OfFirstName}, {order: store.ByField},
	{"xp", store.ByXP}, {"coins", store.ByCoins}, {"join_date", store.ByJoining},
}

// questionFor is the question for what is wanted, of that what every user has and of the fields of the community.
func questionFor(wanted map[string]wantedRange, own []store.FieldCondition) (ask store.UserQuery) {
	one := func(c store.FieldCondition) bool { return c.Key != "" }
	for _, drive := range drives {
		w, is := wanted[drive.name]
		switch {
		case drive.order == store.OfField && slices.ContainsFunc(own, one):
			i := slices.IndexFunc(own, one)
			ask.Field = own[i]
			own = slices.Delete(own, i, i+1)
		case drive.order == store.ByField && len(own) > 0:
			ask.Field, own = own[0], own[1:]
		case !is:
			continue
		}
		delete(wanted, drive.name)
		ask.Order = drive.order
		switch drive.order {
		case store.OfOneAddress, store.OfOneName:
			ask.From = strings.ToLower(w.text)
		case store.ByName, store.OfFirstName, store.OfLastName:
			ask.From, ask.To = anyRange(store.NameOf(w.text))
		case store.OfField, store.ByField: // which have theirs
		default:
			ask.From, ask.To = w.Bounds()
		}
		break
	}
	if len(wanted) == 0 && len(own) == 0 {
		return ask
	}
	text := func(name string) *string {
		if w, is := wanted[name]; is {
			return &w.text
		}
		return nil
	}
	ask.Conditions = &store.UserConditions{
		FirstName: text("first_name"), LastName: text("last_name"), DisplayName: text("display_name"),
		XP: wanted["xp"].Range, Coins: wanted["coins"].Range, Joined: wanted["join_date"].Range, Fields: own,
	}
	if name := text("username"); name != nil {
		ask.Conditions.Username = new(strings.ToLower(*name))
	}
	return ask // an address is always what is gone through by
}
