package analysis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rejoin-dev/rejoin/gen"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// counter gives ids that are one after the other.
func counter() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("%024x", n) }
}

func point(price float64) gen.AnalysisPoint {
	return gen.AnalysisPoint{Time: gen.Time{Time: at}, Price: price}
}

func across(name string) gen.AnalysisDrawingCreate {
	return gen.AnalysisDrawingCreate{Type: gen.DrawingTypeHorizontalLine, ClientObjectID: name, Points: []gen.AnalysisPoint{point(1)}}
}

// created is a request with texts and drawings.
func created(text string, drawings ...gen.AnalysisDrawingCreate) gen.AnalysisCreate {
	return gen.AnalysisCreate{
		Metadata: gen.AnalysisMetadataCreate{Direction: gen.AnalysisDirectionBullish, EntryPlacement: gen.EntryPlacementAboveCurrent, Title: "T", Symbol: "S", PreferenceText: text},
		Levels: gen.AnalysisLevelsCreate{
			Pivot: gen.AnalysisLevelCreate{Price: 2, ClientObjectID: "piv"}, Resistance: gen.AnalysisLevelCreate{Price: 3}, Support: gen.AnalysisLevelCreate{Price: 1},
		},
		Drawings: drawings,
	}
}

// faults are what is wrong, in short.
func faults(r Result) (all []string) {
	for _, f := range r.Invalid {
		all = append(all, f.Pointer+" "+string(f.Code))
	}
	if r.Conflict != "" {
		all = append(all, "conflict")
	}
	return all
}

func TestTheTypeFollowsFromDirectionAndEntry(t *testing.T) {
	for _, test := range []struct {
		direction gen.AnalysisDirection
		entry     gen.EntryPlacement
		want      gen.AnalysisType
	}{
		{gen.AnalysisDirectionBullish, gen.EntryPlacementAboveCurrent, gen.AnalysisTypeBullishBreakout},
		{gen.AnalysisDirectionBullish, gen.EntryPlacementBelowCurrent, gen.AnalysisTypeBullishBounce},
		{gen.AnalysisDirectionBearish, gen.EntryPlacementAboveCurrent, gen.AnalysisTypeBearishBounce},
		{gen.AnalysisDirectionBearish, gen.EntryPlacementBelowCurrent, gen.AnalysisTypeBearishBreakout},
	} {
		if got := TypeOf(test.direction, test.entry); got != test.want {
			t.Errorf("%s %s: got %s, want %s", test.direction, test.entry, got, test.want)
		}
	}
}

func TestALinkLeadsToAnIDOrIsRefused(t *testing.T) {
	for text, want := range map[string]struct {
		linked string
		ok     bool
	}{
		"":                          {"", true},
		"no link":                   {"no link", true},
		"[[a:A]]":                   {"[[1:A]]", true},
		"[[a:A]][[b:B: b]]":         {"[[1:A]][[2:B: b]]", true},
		"[[a:]]":                    {"[[1:]]", true},
		"[[c:C]]":                   {"[[:C]]", false},
		"[[a:A]] [[c:C]]":           {"[[1:A]] [[:C]]", false},
		"[[ a:A]]":                  {"[[:A]]", false},
		"[[:A]]":                    {"[[:A]]", false},
		"[[a]] [a:A] [[a:A]":        {"[[a]] [a:A] [[a:A]", true},
		"[[[a:A]]]":                 {"[[[1:A]]]", true},
		"[[a:\u202eA\n\U0001f600]]": {"[[1:\u202eA\n\U0001f600]]", true},
	} {
		linked, ok := Linked(text, map[string]string{"a": "1", "b": "2"})
		if ok != want.ok || ok && linked != want.linked {
			t.Errorf("%q: got %q, %v", text, linked, ok)
		}
	}
}

func TestWhatARequestMakesOfAnAnalysis(t *testing.T) {
	base := New(created("[[zone:here]]", across("zone"), across("")), at, counter())
	if got := faults(base); got != nil {
		t.Fatal(got)
	}
	text, level := func(s string) *string { return &s }, func(price float64) *gen.AnalysisLevelUpdate { return &gen.AnalysisLevelUpdate{Price: &price} }
	named := func(name string) *gen.AnalysisLevelUpdate { return &gen.AnalysisLevelUpdate{ClientObjectID: &name} }
	drawn := func(d ...gen.AnalysisDrawingCreate) gen.AnalysisUpdate { return gen.AnalysisUpdate{Drawings: &d} }
	says := func(s string) gen.AnalysisUpdate {
		return gen.AnalysisUpdate{Metadata: &gen.AnalysisMetadataUpdate{PreferenceText: text(s)}}
	}
	levels := func(p, r, s *gen.AnalysisLevelUpdate) gen.AnalysisUpdate {
		return gen.AnalysisUpdate{Levels: &gen.AnalysisLevelsUpdate{Pivot: p, Resistance: r, Support: s}}
	}
	for name, test := range map[string]struct {
		in      gen.AnalysisUpdate
		faults  []string
		updated []string
	}{
		"nothing":                       {gen.AnalysisUpdate{}, nil, nil},
		"a pivot too high":              {levels(level(3), nil, nil), []string{"/levels/pivot/price not_allowed"}, []string{"pivot"}},
		"a support too high":            {levels(nil, nil, level(2)), []string{"/levels/support/price not_allowed"}, []string{"support"}},
		"all levels elsewhere":          {levels(level(20), level(30), level(10)), nil, []string{"pivot", "resistance", "support"}},
		"a link by id":                  {says("[[" + base.Drawings[1].ID + ":x]]"), nil, []string{"preferenceText"}},
		"a link to nothing":             {says("[[gone:x]]"), []string{"/metadata/preferenceText not_allowed"}, []string{"preferenceText"}},
		"the linked drawing goes":       {drawn(across("other")), []string{"conflict"}, []string{"drawings"}},
		"it goes, and the link":         {gen.AnalysisUpdate{Metadata: says("gone").Metadata, Drawings: drawn().Drawings}, nil, []string{"preferenceText", "drawings"}},
		"the linked drawing stays":      {drawn(across("other"), across("zone")), nil, []string{"drawings"}},
		"two of one name":               {drawn(across("zone"), across("zone")), []string{"/drawings/1/clientObjectId duplicate"}, []string{"drawings"}},
		"the name of a level":           {drawn(across("zone"), across("piv")), []string{"conflict"}, []string{"drawings"}},
		"a level named like a drawing":  {levels(named("zone"), nil, nil), []string{"conflict"}, []string{"pivot"}},
		"a name that is an id":          {levels(named(base.Drawings[1].ID), nil, nil), []string{"conflict"}, []string{"pivot"}},
		"a level keeps its name":        {levels(named("piv"), nil, nil), nil, []string{"pivot"}},
		"a text that is too long by id": {says(strings.Repeat("[[piv:]]", 150)), []string{"/metadata/preferenceText too_long"}, []string{"preferenceText"}},
	} {
		got := Update(base.Analysis, test.in, at.Add(time.Hour), counter())
		if diff := cmp.Diff(test.faults, faults(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff(test.updated, got.Updated); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	if got := faults(Append(base.Analysis, []gen.AnalysisDrawingCreate{across("zone")}, at, counter())); !slices.Equal(got, []string{"conflict"}) {
		t.Errorf("a name twice: got %v", got)
	}
	if got := faults(Append(base.Analysis, make([]gen.AnalysisDrawingCreate, MostDrawings-1), at, counter())); !slices.Contains(got, "conflict") {
		t.Errorf("101 drawings: got %v", got)
	}
}

// Whatever is posted and changed, an analysis that stands has links to what is in it only, and two names for no thing.
func TestAnAnalysisNeverHasALinkToNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "piv", ""})
		text := rapid.SampledFrom([]string{"", "[[a:A]]", "[[b:B]] [[piv:P]]", "[[a]]"})
		drawings := rapid.SliceOfN(rapid.Map(name, across), 0, 3)
		ids := counter()
		now := New(created(text.Draw(t, "text"), drawings.Draw(t, "drawings")...), at, ids)
		if faults(now) != nil {
			return
		}
		a := now.Analysis
		for range rapid.IntRange(0, 6).Draw(t, "changes") {
			var next Result
			if rapid.Bool().Draw(t, "append") {
				next = Append(a, drawings.Draw(t, "drawings"), at, ids)
			} else {
				in := gen.AnalysisUpdate{}
				if rapid.Bool().Draw(t, "says") {
					said := text.Draw(t, "text")
					in.Metadata = &gen.AnalysisMetadataUpdate{PreferenceText: &said}
				}
				if rapid.Bool().Draw(t, "draws") {
					drawn := drawings.Draw(t, "drawings")
					in.Drawings = &drawn
				}
				next = Update(a, in, at, ids)
			}
			if faults(next) == nil {
				a = next.Analysis
			}
			known, named := map[string]bool{}, map[string]bool{}
			for _, l := range levelsOf(&a.Levels) {
				known[l.ID], named[l.ClientObjectID] = true, true
			}
			for _, d := range a.Drawings {
				if named[d.ClientObjectID] && d.ClientObjectID != "" || known[d.ID] {
					t.Fatalf("two are %s, %q", d.ID, d.ClientObjectID)
				}
				known[d.ID], named[d.ClientObjectID] = true, true
			}
			for _, link := range links.FindAllStringSubmatch(a.Metadata.PreferenceText, -1) {
				if !known[link[1]] {
					t.Fatalf("%q leads nowhere", link[0])
				}
			}
		}
	})
}
