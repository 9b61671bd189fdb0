// Package analysis decides what an analysis of a chart may be. It is pure: who may post one is somebody else's business.
package analysis

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/rejoin-dev/rejoin/gen"
)

// What the contract says of an analysis.
const (
	MostDrawings = 100
	LongestText  = 4000
)

// A Result is what a request makes of an analysis.
type Result struct {
	gen.Analysis
	Updated  []string           // the names of what was given
	Given    []string           // the texts that were given, with the title
	Invalid  []gen.ProblemField // what is wrong with the request
	Conflict string             // why it cannot be done to this analysis; empty: it can
}

// TypeOf is what an analysis expects, by its direction and by where the entry is.
func TypeOf(direction gen.AnalysisDirection, entry gen.EntryPlacement) gen.AnalysisType {
	above := entry == gen.EntryPlacementAboveCurrent
	switch {
	case direction == gen.AnalysisDirectionBullish && above:
		return gen.AnalysisTypeBullishBreakout
	case direction == gen.AnalysisDirectionBullish:
		return gen.AnalysisTypeBullishBounce
	case above:
		return gen.AnalysisTypeBearishBounce
	}
	return gen.AnalysisTypeBearishBreakout
}

// New makes an analysis. The ids of its parts come from newID.
func New(in gen.AnalysisCreate, at time.Time, newID func() string) Result {
	m := in.Metadata
	e := edit{newID: newID}
	e.CreatedAt, e.UpdatedAt = gen.Time{Time: at}, gen.Time{Time: at}
	e.Metadata = gen.AnalysisMetadata{Direction: m.Direction, EntryPlacement: m.EntryPlacement}
	e.metadata(gen.AnalysisMetadataUpdate{
		Direction: &m.Direction, EntryPlacement: &m.EntryPlacement, Expiry: &m.Expiry, Title: &m.Title, PreferenceText: &m.PreferenceText,
		AlternativeText: &m.AlternativeText, Comments: &m.Comments, Timeframe: &m.Timeframe, Symbol: &m.Symbol,
	})
	for _, level := range levelsOf(&e.Levels) {
		level.ID, level.Time = newID(), gen.Null[gen.Time]()
	}
	update := func(l gen.AnalysisLevelCreate) *gen.AnalysisLevelUpdate {
		u := gen.AnalysisLevelUpdate{Price: &l.Price, ClientObjectID: &l.ClientObjectID}
		if !l.Time.IsZero() {
			u.Time = &l.Time
		}
		return &u
	}
	e.levels(gen.AnalysisLevelsUpdate{Pivot: update(in.Levels.Pivot), Resistance: update(in.Levels.Resistance), Support: update(in.Levels.Support)})
	e.Drawings = e.drawn(in.Drawings, nil)
	e.drawnFrom = 0
	return e.done()
}

// Update changes what is given of an analysis.
func Update(a gen.Analysis, in gen.AnalysisUpdate, at time.Time, newID func() string) Result {
	e := edit{Result: Result{Analysis: a}, newID: newID, drawnFrom: len(a.Drawings)}
	e.UpdatedAt = gen.Time{Time: at}
	if in.Metadata != nil {
		e.metadata(*in.Metadata)
	}
	if in.Levels != nil {
		e.levels(*in.Levels)
	}
	if in.Drawings != nil {
		e.Drawings, e.drawnFrom = e.drawn(*in.Drawings, a.Drawings), 0
		e.Updated = append(e.Updated, "drawings")
	}
	return e.done()
}

// Append adds drawings to an analysis.
func Append(a gen.Analysis, drawings []gen.AnalysisDrawingCreate, at time.Time, newID func() string) Result {
	e := edit{Result: Result{Analysis: a}, newID: newID, drawnFrom: len(a.Drawings)}
	e.UpdatedAt = gen.Time{Time: at}
	e.Drawings = append(slices.Clone(a.Drawings), e.drawn(drawings, nil)...)
	e.Updated = []string{"drawings"}
	if len(e.Drawings) > MostDrawings {
		e.Conflict = fmt.Sprintf("an analysis has at most %d drawings", MostDrawings)
	}
	return e.done()
}

// An edit is a result as far as it is made.
type edit struct {
	Result
	newID     func() string
	texts     []string // the names of those that were given
	newLevels []string // the names of the levels of which something was given
	newNames  []string // the names of the levels that were given a name
	drawnFrom int      // which is the first drawing that was given
}

func (e *edit) refuse(pointer string, code gen.FieldCode, message string) {
	e.Invalid = append(e.Invalid, gen.ProblemField{Pointer: pointer, Code: code, Message: message})
}

// given takes a member over, if it was given.
func given[T any](e *edit, name string, to, from *T) bool {
	if from == nil {
		return false
	}
	*to = *from
	e.Updated = append(e.Updated, name)
	return true
}

func (e *edit) metadata(in gen.AnalysisMetadataUpdate) {
	m := &e.Metadata
	given(e, "direction", &m.Direction, in.Direction)
	given(e, "entryPlacement", &m.EntryPlacement, in.EntryPlacement)
	given(e, "expiry", &m.Expiry, in.Expiry)
	if given(e, "title", &m.Title, in.Title) {
		e.Given = append(e.Given, m.Title)
	}
	from := []*string{in.PreferenceText, in.AlternativeText, in.Comments}
	for i, to := range []*string{&m.PreferenceText, &m.AlternativeText, &m.Comments} {
		if given(e, textNames[i], to, from[i]) {
			e.texts, e.Given = append(e.texts, textNames[i]), append(e.Given, *to)
		}
	}
	if given(e, "timeframe", &m.Timeframe, in.Timeframe) {
		e.Given = append(e.Given, m.Timeframe)
	}
	if given(e, "symbol", &m.Symbol, in.Symbol) {
		e.Given = append(e.Given, m.Symbol)
	}
}

var textNames = []string{"preferenceText", "alternativeText", "comments"}

var levelNames = []string{"pivot", "resistance", "support"}

// levelsOf are the levels, in the order of their names.
func levelsOf(l *gen.AnalysisLevels) []*gen.AnalysisLevel {
	return []*gen.AnalysisLevel{&l.Pivot, &l.Resistance, &l.Support}
}

func (e *edit) levels(in gen.AnalysisLevelsUpdate) {
	for i, level := range []*gen.AnalysisLevelUpdate{in.Pivot, in.Resistance, in.Support} {
		if level == nil {
			continue
		}
		to := levelsOf(&e.Levels)[i]
		e.Updated, e.newLevels = append(e.Updated, levelNames[i]), append(e.newLevels, levelNames[i])
		if level.Price != nil {
			to.Price = *level.Price
		}
		if level.ClientObjectID != nil {
			to.ClientObjectID = *level.ClientObjectID
			e.newNames = append(e.newNames, levelNames[i])
		}
		if level.Time != nil {
			to.Time = gen.NullableOf(*level.Time)
		}
	}
}

// drawn are new drawings. One that has the name of one before is that one.
func (e *edit) drawn(in []gen.AnalysisDrawingCreate, before []gen.AnalysisDrawing) []gen.AnalysisDrawing {
	drawings := []gen.AnalysisDrawing{}
	for i, d := range in {
		e.checkDrawing(fmt.Sprintf("/drawings/%d", i), d)
		id := ""
		if at := slices.IndexFunc(before, func(b gen.AnalysisDrawing) bool { return b.ClientObjectID == d.ClientObjectID }); at >= 0 && d.ClientObjectID != "" {
			id = before[at].ID
		} else {
			id = e.newID()
		}
		drawings = append(drawings, gen.AnalysisDrawing{
			ID: id, Type: d.Type, ClientObjectID: d.ClientObjectID, Points: d.Points, Style: d.Style, StartHead: d.StartHead, EndHead: d.EndHead,
		})
	}
	return drawings
}

// checkDrawing refuses what a drawing of its type does not have.
func (e *edit) checkDrawing(at string, d gen.AnalysisDrawingCreate) {
	points, flat, heads := 2, d.Type == gen.DrawingTypeRectangle, d.Type == gen.DrawingTypeLine
	if d.Type == gen.DrawingTypeHorizontalLine {
		points = 1
	}
	switch {
	case len(d.Points) < points:
		e.refuse(at+"/points", gen.FieldCodeTooFew, fmt.Sprintf("must be %d points", points))
	case len(d.Points) > points:
		e.refuse(at+"/points", gen.FieldCodeTooMany, fmt.Sprintf("must be %d point", points))
	}
	s := d.Style
	for _, member := range []struct {
		name    string
		given   bool
		belongs bool
	}{
		{"startHead", d.StartHead != "", heads}, {"endHead", d.EndHead != "", heads},
		{"style/color", s.Color != "", !flat}, {"style/lineStyle", s.LineStyle != "", !flat},
		{"style/fillColor", s.FillColor != "", flat}, {"style/borderColor", s.BorderColor != "", flat},
	} {
		if member.given && !member.belongs {
			e.refuse(at+"/"+member.name, gen.FieldCodeNotAllowed, "must be left out: a drawing of this type has none")
		}
	}
}

// done checks what holds of the whole.
func (e *edit) done() Result {
	m := &e.Metadata
	e.Type = TypeOf(m.Direction, m.EntryPlacement)
	m.ExpiresAt = gen.Null[gen.Time]()
	if m.Expiry.Hours > 0 {
		m.ExpiresAt = gen.NullableOf(gen.Time{Time: e.CreatedAt.Add(time.Duration(m.Expiry.Hours) * time.Hour)})
	}
	e.rise()
	e.link(e.named())
	return e.Result
}

// rise refuses levels that do not, at the outer one where that was given.
func (e *edit) rise() {
	l := e.Levels
	for _, outer := range []struct {
		name, must string
		rise       bool
	}{{"support", "below", l.Support.Price < l.Pivot.Price}, {"resistance", "above", l.Resistance.Price > l.Pivot.Price}} {
		switch {
		case outer.rise:
		case slices.Contains(e.newLevels, outer.name):
			e.refuse("/levels/"+outer.name+"/price", gen.FieldCodeNotAllowed, "must be "+outer.must+" the pivot")
		default:
			e.refuse("/levels/pivot/price", gen.FieldCodeNotAllowed, "must be between the support and the resistance")
		}
	}
}

// named are the ids of the drawings and levels, by their ids and by what the caller names them. No two have one name.
func (e *edit) named() (ids map[string]bool, names map[string]string) {
	type thing struct {
		at, name, id string
		given        bool
	}
	var all []thing
	for i, l := range levelsOf(&e.Levels) {
		all = append(all, thing{"/levels/" + levelNames[i], l.ClientObjectID, l.ID, slices.Contains(e.newNames, levelNames[i])})
	}
	for i, d := range e.Drawings {
		all = append(all, thing{fmt.Sprintf("/drawings/%d", i-e.drawnFrom), d.ClientObjectID, d.ID, i >= e.drawnFrom})
	}
	ids, names = map[string]bool{}, map[string]string{}
	for _, t := range all {
		ids[t.id], names[t.id] = true, t.id
	}
	kept := map[string]bool{}
	for _, new := range []bool{false, true} { // what is there has its name first
		for _, t := range all {
			if t.given != new || t.name == "" {
				continue
			}
			switch _, taken := names[t.name]; {
			case taken && new && (kept[t.name] || ids[t.name]):
				e.Conflict = "a drawing or a level of the analysis has that clientObjectId"
			case taken:
				e.refuse(t.at+"/clientObjectId", gen.FieldCodeDuplicate, "must differ from all others of the analysis")
			}
			names[t.name] = t.id
			kept[t.name] = kept[t.name] || !new
		}
	}
	return ids, names
}

// A link in a text: what it leads to, and its label.
var links = regexp.MustCompile(`\[\[([^\[\]:]*):([^\[\]]*)\]\]`)

// link makes the links of texts that were given lead to ids, and finds out whether those of the others still lead somewhere.
func (e *edit) link(ids map[string]bool, names map[string]string) {
	m := &e.Metadata
	for i, text := range []*string{&m.PreferenceText, &m.AlternativeText, &m.Comments} {
		name := textNames[i]
		if !slices.Contains(e.texts, name) {
			for _, link := range links.FindAllStringSubmatch(*text, -1) {
				if !ids[link[1]] {
					e.Conflict = "the " + name + " links to a drawing that would be gone"
				}
			}
			continue
		}
		at := "/metadata/" + name
		linked, ok := Linked(*text, names)
		switch {
		case !ok:
			e.refuse(at, gen.FieldCodeNotAllowed, "must not link to what is no drawing and no level of the analysis")
		case utf8.RuneCountInString(linked) > LongestText:
			e.refuse(at, gen.FieldCodeTooLong, fmt.Sprintf("must have at most %d characters, each link with an id of 24", LongestText))
		}
		*text = linked
	}
}

// Linked is a text whose links lead to ids, and whether all lead somewhere.
func Linked(text string, ids map[string]string) (linked string, ok bool) {
	ok = true
	linked = links.ReplaceAllStringFunc(text, func(link string) string {
		parts := links.FindStringSubmatch(link)
		id, known := ids[parts[1]]
		ok = ok && known
		return "[[" + id + ":" + parts[2] + "]]"
	})
	return linked, ok
}
