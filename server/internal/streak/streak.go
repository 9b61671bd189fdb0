// Package streak knows when somebody has done something for so many days, weeks or months in a row. It is pure: no clock, no
// database, no network.
//
// What it promises: who acts once on each active date that their clock shows never loses a daily streak, and who does not on one of
// them always does, whatever the clock does: summer time, leap days, a date that a zone leaves out, and every change of zone. A date
// that was shown twice counts once, and one that was never shown was not missed. Which changes of zone a clock has is decided
// elsewhere: those of a member, once in 24 hours.
package streak

import (
	"maps"
	"slices"
	"time"
)

// A Definition is what has to be done, and how often in a row.
type Definition struct {
	Frame      Frame
	Count      int64 // so many periods in a row reach the streak, and so many more reach it again
	Active     Weekdays
	Start      Day  // before it, nothing counts
	Any        bool // whether one of the conditions is enough
	Conditions []Condition
}

// Weekdays is a set of them: the bit of each is 1 << time.Weekday.
type Weekdays uint8

// Everyday is all of them.
const Everyday Weekdays = 1<<7 - 1

// Has tells whether a day of the week is in the set.
func (w Weekdays) Has(day time.Weekday) bool { return w&(1<<day) != 0 }

// A Condition is so many deeds within a period, or a field in which the member has so much.
type Condition struct {
	Action string // of deeds, or the id of the field
	Field  bool
	Value  int64
}

// Concerns tells whether a deed that counts as these actions can move the streak. A field is looked at with every deed, and where there
// is no action, because a value was given.
func (d Definition) Concerns(actions ...string) bool {
	return slices.ContainsFunc(d.Conditions, func(c Condition) bool { return c.Field || slices.Contains(actions, c.Action) })
}

// most is how many deeds of an action there may be to count in a period, 0 if they do not count.
func (d Definition) most(action string) (most int64) {
	for _, c := range d.Conditions {
		if !c.Field && c.Action == action {
			most = max(most, c.Value)
		}
	}
	return most
}

// met tells whether the conditions are.
func (d Definition) met(deeds map[string]int64, fields map[string]float64) bool {
	is := func(c Condition) bool {
		if c.Field {
			has, given := fields[c.Action]
			return given && has >= float64(c.Value)
		}
		return deeds[c.Action] >= c.Value
	}
	if d.Any {
		return slices.ContainsFunc(d.Conditions, is)
	}
	return len(d.Conditions) > 0 && !slices.ContainsFunc(d.Conditions, func(c Condition) bool { return !is(c) })
}

// A State is how far somebody has come. It is small, however long they have been at it: what is older than window periods before the
// last one that was done is only a length.
type State struct {
	Frame Frame `json:"frame,omitempty"` // by which the periods are numbered, "" if none was done
	Count int64 `json:"count,omitempty"` // for which it was reached

	// Of the last periods, Head at bit 0 and the one before at bit 1: which were done, which could not be because the clock did not
	// show them, and at which the streak was reached.
	Head    Period `json:"head,omitempty"`
	Done    uint64 `json:"done,omitempty"`
	Unshown uint64 `json:"unshown,omitempty"`
	Reached uint64 `json:"reached,omitempty"`

	// Before them: how many periods were done in a row up to there, and how often the streak was reached in that row.
	Before        int64 `json:"before,omitempty"`
	BeforeReached int64 `json:"beforeReached,omitempty"`

	Longest int64  `json:"longest,omitempty"`
	Open    []Open `json:"open,omitempty"`
}

const window = 64

// Open are the deeds of a period as far as they were needed. There are several, because a traveller comes back to a date.
type Open struct {
	Period Period           `json:"period"`
	Deeds  map[string]int64 `json:"deeds"`
	Once   Day              `json:"once,omitempty"` // the last date on which something counted that counts once
}

// mostOpen is how many periods a state counts in. No clock on Earth shows more than three dates at a time.
const mostOpen = 4

// A Deed is what somebody did, or, without Actions, that they were given a value in a field.
type Deed struct {
	At      time.Time
	Actions []string           // as which it counts: a reply is a message, too
	Once    bool               // it counts once on a date, however often it is done
	Now     time.Time          // at which it becomes known; it may be late
	Fields  map[string]float64 // what they have in those that the conditions name
}

// A Reach is that the streak was reached: with which period, and how many of them were done in a row then.
type Reach struct {
	Period Period
	Length int64
}

// Move is the state after a deed, whether it is another one, and whether the streak was reached. It leaves the state that it was given
// as it is. A deed may be late by as many periods as the window has; one that is later than that does not count.
func (d Definition) Move(s State, clock Clock, deed Deed) (after State, reach *Reach, changed bool) {
	day := clock.Day(deed.At)
	if d.Count < 1 || day < d.Start || !d.Active.Has(day.Weekday()) || !d.Concerns(deed.Actions...) {
		return s, nil, false
	}
	p, m := d.Frame.Of(day), march{Definition: d, State: s.of(d.Frame), clock: clock, until: deed.Now}
	if m.isDone(p) || m.Done != 0 && m.Head-p >= window {
		return s, nil, false
	}
	deeds, changed := m.count(p, day, deed)
	if !d.met(deeds, deed.Fields) {
		if !changed {
			return s, nil, false
		}
		return m.State, nil, true
	}
	return m.State, m.finish(p), true
}

// of is the state for periods of a frame: a new one if they were others.
func (s State) of(frame Frame) State {
	if s.Frame != frame {
		return State{Frame: frame}
	}
	s.Open = slices.Clone(s.Open)
	return s
}

// A march is a state that moves.
type march struct {
	Definition
	State
	clock Clock
	until time.Time
}

func (s State) isDone(p Period) bool {
	at := s.Head - p
	return at >= 0 && at < window && s.Done&(1<<at) != 0
}

// count adds a deed to those of a period, as far as it is needed.
func (m *march) count(p Period, day Day, deed Deed) (deeds map[string]int64, changed bool) {
	i := slices.IndexFunc(m.Open, func(o Open) bool { return o.Period == p })
	open := Open{Period: p}
	if i >= 0 {
		open = m.Open[i]
		deeds = maps.Clone(open.Deeds)
	}
	if deed.Once {
		if open.Once >= day && open.Deeds != nil {
			return deeds, false
		}
		open.Once = day
	}
	for _, action := range deed.Actions {
		if deeds[action] < m.most(action) {
			if deeds == nil {
				deeds = map[string]int64{}
			}
			deeds[action]++
			changed = true
		}
	}
	open.Deeds = deeds
	switch {
	case !changed:
	case i >= 0:
		m.Open[i] = open
	default:
		m.Open = append(m.Open, open)
		slices.SortFunc(m.Open, func(a, b Open) int { return int(a.Period - b.Period) })
		if len(m.Open) > mostOpen {
			m.Open = slices.Delete(m.Open, 0, 1)
		}
	}
	return deeds, changed
}

// finish marks a period as done.
func (m *march) finish(p Period) *Reach {
	if m.State.Count != m.Definition.Count {
		m.recount()
	}
	switch {
	case m.Done == 0:
		m.Head = p
	case p > m.Head:
		m.advance(p)
	}
	m.Done |= 1 << (m.Head - p)
	m.look()
	length, reached := m.row(int(m.Head - p))
	m.Longest = max(m.Longest, length)
	if length/m.Definition.Count <= reached {
		return nil
	}
	m.Reached |= 1 << (m.Head - p)
	return &Reach{p, length}
}

// recount sees to a count that has changed: what would have been reached by it before is not reached afterwards.
func (m *march) recount() {
	count := m.Definition.Count
	length := m.Before
	m.State.Count, m.BeforeReached, m.Reached = count, length/count, 0
	for i := window - 1; i >= 0; i-- {
		switch bit := uint64(1) << i; {
		case m.Done&bit != 0:
			if length++; length%count == 0 {
				m.Reached |= bit
			}
		case m.breaks(i):
			length = 0
		}
	}
}

// advance makes a later period the head. What leaves the window becomes a length.
func (m *march) advance(p Period) {
	steps := int(min(p-m.Head, window))
	for i := window - 1; i >= window-steps; i-- {
		switch bit := uint64(1) << i; {
		case m.Done&bit != 0:
			m.Before++
			m.BeforeReached += int64(m.Reached & bit >> i)
		case m.breaks(i):
			m.Before, m.BeforeReached = 0, 0
		}
	}
	m.Done, m.Unshown, m.Reached, m.Head = m.Done<<steps, m.Unshown<<steps, m.Reached<<steps, p
	for i := 1; i < steps; i++ {
		m.show(i)
	}
}

// unsettled is for how many periods a clock on Earth may still come back to one.
const unsettled = 4

// look asks the clock again about the periods that it may still show.
func (m *march) look() {
	for i := 1; i <= unsettled; i++ {
		m.show(i)
	}
}

// show notes whether the clock has shown a period that was not done.
func (m *march) show(i int) {
	bit := uint64(1) << i
	m.Unshown &^= bit
	if p := m.Head - Period(i); m.Done&bit == 0 && m.active(p) && !m.shown(p) {
		m.Unshown |= bit
	}
}

// active tells whether the calendar has an active day in a period.
func (d Definition) active(p Period) bool {
	return d.Frame != Daily || d.Active.Has(Day(p).Weekday())
}

// shown tells whether the clock has shown an active day of a period.
func (m *march) shown(p Period) bool {
	for day := m.Definition.Frame.First(p); day < m.Definition.Frame.First(p+1); day++ {
		if m.Active.Has(day.Weekday()) && m.clock.Shown(day, m.until) {
			return true
		}
	}
	return false
}

// breaks tells whether a period of the window that was not done ends a row.
func (m *march) breaks(i int) bool {
	return m.active(m.Head-Period(i)) && m.Unshown&(1<<i) == 0
}

// row is how many periods are done in the row that has a period of the window in it, and how often it was reached.
func (m *march) row(at int) (length, reached int64) {
	for i := at; i >= 0 && (m.Done&(1<<i) != 0 || !m.breaks(i)); i-- { // what came later
		length, reached = length+int64(m.Done>>i&1), reached+int64(m.Reached>>i&1)
	}
	i := at + 1
	for ; i < window && (m.Done&(1<<i) != 0 || !m.breaks(i)); i++ {
		length, reached = length+int64(m.Done>>i&1), reached+int64(m.Reached>>i&1)
	}
	if i == window {
		length, reached = length+m.Before, reached+m.BeforeReached
	}
	return length, reached
}

// A View is what a state means at a moment.
type View struct {
	Current, Longest int64
	Done             bool             // whether this period is
	Deeds            map[string]int64 // in this period, as far as they were needed
	Ends             time.Time        // of this period, on the clock of now
}

// View reads a state at a moment. What can still be done does not break the row yet.
func (d Definition) View(s State, clock Clock, now time.Time) View {
	m := march{Definition: d, State: s.of(d.Frame), clock: clock, until: now}
	n := d.Frame.Of(clock.Day(now))
	v := View{Longest: m.Longest, Done: m.isDone(n), Ends: Begin(d.Frame.First(n+1), clock.At(now))}
	if i := slices.IndexFunc(m.Open, func(o Open) bool { return o.Period == n }); i >= 0 {
		v.Deeds = m.Open[i].Deeds
	}
	if m.Done == 0 {
		return v
	}
	if n > m.Head+1 {
		m.advance(n) // as if it were done: what is between may break the row
	}
	m.look()
	for i := 0; m.Head-Period(i) >= n && i < window; i++ { // what is still to come, for who came back to an earlier date
		m.Unshown |= 1 << i &^ m.Done
	}
	v.Current, _ = m.row(0)
	return v
}
