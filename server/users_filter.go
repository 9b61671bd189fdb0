package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// filterOf reads what to find, and of what the members are gone through for it: the part of the filter that leaves the fewest. The
// others are conditions on each of these.
func filterOf(s standing, in gen.UserFilter) (f userFilter, err error) {
	f.fields = in.Fields
	if f.fields == nil {
		f.fields = slices.Sorted(maps.Keys(filteredFields))
	}
	var faults []gen.ProblemField
	for i, name := range f.fields {
		if filteredFields[name] == nil {
			faults = append(faults, contract.Field(fmt.Sprintf("/fields/%d", i), gen.FieldCodeNotAllowed, "must be a field of users"))
		}
	}
	given, isObject := in.Filter.(map[string]any)
	if !isObject && in.Filter != nil {
		faults = append(faults, contract.Field("/filter", gen.FieldCodeWrongType, "must be an object"))
	}
	wanted := map[string]wantedRange{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if filteredFields[name] == nil {
			faults = append(faults, contract.Field("/filter/"+pointerTo(name), gen.FieldCodeUnknown, "is an unknown field"))
			continue
		}
		var fault *gen.ProblemField
		if wanted[name], fault = rangeOf(name, given[name]); fault != nil {
			faults = append(faults, *fault)
		}
	}
	if len(faults) > 0 {
		return f, contract.Invalid(faults...)
	}
	f.filters = len(wanted) > 0
	f.ask = questionFor(wanted)
	f.ask.ServerID = s.ID
	return f, nil
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
		text, is := value.(string)
		if !is || strings.ContainsRune(text, 0) {
			return w, wrong("", "must be a text without the character NUL")
		}
		return wantedRange{text: text}, nil
	}
	const must = "must be a whole number, for a date YYYY-MM-DD or RFC 3339, or an object with gte, lte or both"
	bounds, is := value.(map[string]any)
	if !is {
		from, to, ok := read(value)
		if !ok {
			return w, wrong("", must)
		}
		return wantedRange{Range: store.Range{From: &from, To: &to}}, nil
	}
	if len(bounds) == 0 {
		return w, wrong("", must)
	}
	for _, bound := range slices.Sorted(maps.Keys(bounds)) {
		from, to, ok := read(bounds[bound])
		switch {
		case bound != "gte" && bound != "lte" || !ok:
			return w, wrong("/"+pointerTo(bound), must)
		case bound == "gte":
			w.From = &from
		default:
			w.To = &to
		}
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
	{"email", store.OfOneAddress}, {"username", store.OfOneName},
	{"display_name", store.ByName}, {"last_name", store.OfLastName}, {"first_name", store.OfFirstName},
	{"xp", store.ByXP}, {"coins", store.ByCoins}, {"join_date", store.ByJoining},
}

// questionFor is the question for what is wanted.
func questionFor(wanted map[string]wantedRange) (ask store.UserQuery) {
	for _, drive := range drives {
		w, is := wanted[drive.name]
		if !is {
			continue
		}
		delete(wanted, drive.name)
		ask.Order = drive.order
		switch drive.order {
		case store.OfOneAddress, store.OfOneName:
			ask.From = strings.ToLower(w.text)
		case store.ByName, store.OfFirstName, store.OfLastName:
			ask.From, ask.To = anyRange(store.NameOf(w.text))
		default:
			ask.From, ask.To = w.Bounds()
		}
		break
	}
	if len(wanted) == 0 {
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
		XP: wanted["xp"].Range, Coins: wanted["coins"].Range, Joined: wanted["join_date"].Range,
	}
	if name := text("username"); name != nil {
		ask.Conditions.Username = new(strings.ToLower(*name))
	}
	return ask // an address is always what is gone through by
}
