package streak

import (
	"archive/zip"
	"bytes"
	"fmt"
	"go/build"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// zones are all IANA zones that Go has, by name, those with the same rules once.
var zones = sync.OnceValue(func() []*time.Location {
	files, err := zip.OpenReader(filepath.Join(build.Default.GOROOT, "lib", "time", "zoneinfo.zip"))
	if err != nil {
		panic(err)
	}
	defer files.Close()
	var all []*time.Location
	var seen [][]byte
	for _, file := range files.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		from, err := file.Open()
		if err != nil {
			panic(err)
		}
		rules, err := io.ReadAll(from)
		if err != nil {
			panic(err)
		}
		if slices.ContainsFunc(seen, func(other []byte) bool { return bytes.Equal(rules, other) }) {
			continue
		}
		seen = append(seen, rules)
		all = append(all, zoneNamed(file.Name))
	}
	return all
})

// anyZone is every zone, and as often one of the first and the last that see a date: between them, dates are left out.
func anyZone() *rapid.Generator[*time.Location] {
	far := []*time.Location{zoneNamed("Etc/GMT+12"), zoneNamed("Pacific/Kiritimati"), zoneNamed("Pacific/Pago_Pago")}
	return rapid.OneOf(rapid.SampledFrom(zones()), rapid.SampledFrom(far))
}

func zoneNamed(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

// message is a streak of so many days with one deed in each.
func message(count int64) Definition {
	return Definition{Frame: Daily, Count: count, Active: Everyday, Conditions: []Condition{{Action: "messages", Value: 1}}}
}

// A member acts, and the streak moves.
type member struct {
	Definition
	State
	clock   Clock
	reaches []Reach
}

func (m *member) acts(at time.Time) { m.late(at, at) }

func (m *member) late(at, now time.Time) {
	state, reach, _ := m.Move(m.State, m.clock, Deed{At: at, Actions: []string{"messages"}, Now: now})
	if m.State = state; reach != nil {
		m.reaches = append(m.reaches, *reach)
	}
}

func (m *member) current(now time.Time) int64 { return m.View(m.State, m.clock, now).Current }

var from, to = DayOf(2005, 1, 1), DayOf(2025, 1, 1)

func TestWhoActsOnEachActiveDayNeverLosesAStreakAndWhoMissesOneAlwaysDoesInAnyZone(t *testing.T) {
	if len(zones()) < 300 {
		t.Fatalf("there are only %d zones", len(zones()))
	}
	for name, active := range map[string]Weekdays{"every day": Everyday, "from Monday to Friday": 0b0111110} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, zone := range zones() {
				actsAndMisses(t, zone, active)
			}
		})
	}
}

// actsAndMisses lets somebody act on each day of 20 years, also on those that are not active, but for an active one now and then. In
// between there is time for more days in a row than a state remembers one by one.
func actsAndMisses(t *testing.T, zone *time.Location, active Weekdays) {
	seed := fnv.New64()
	seed.Write([]byte(zone.String()))
	random := rand.New(rand.NewPCG(seed.Sum64(), 1))
	m := member{Definition: message(7), clock: In(zone)}
	m.Active = active
	row, longest, reached, misses, missed := int64(0), int64(0), 0, 0, false
	for day := from; day < to; day++ {
		begin, end := Begin(day, zone), Begin(day+1, zone)
		if !begin.Before(end) {
			continue // the zone has no such date
		}
		if missed && m.current(begin) != 0 {
			t.Fatalf("%s, %s: %d days in a row, and the day before was missed", zone, day, m.current(begin))
		}
		if missed = active.Has(day.Weekday()) && random.IntN(150) == 0; missed {
			row, misses = 0, misses+1
			continue
		}
		if active.Has(day.Weekday()) {
			row++
			if longest = max(longest, row); row%7 == 0 {
				reached++
			}
		}
		at := begin.Add(time.Duration(random.Int64N(int64(end.Sub(begin)))))
		if !atDay(zone, at, day) { // an hour before midnight that came again
			at = begin
		}
		if m.acts(at); m.current(at) != row {
			t.Fatalf("%s, %s: %d days in a row after %d", zone, day, m.current(at), row)
		}
	}
	if len(m.reaches) != reached || m.Longest != longest || misses == 0 {
		t.Errorf("%s: 7 days in a row were reached %d times, want %d; at most there were %d, want %d; %d were missed", zone, len(m.reaches), reached, m.Longest, longest, misses)
	}
}

func atDay(zone *time.Location, t time.Time, day Day) bool {
	return t.In(zone).Format(time.DateOnly) == day.String()
}

func TestADateBeginsWhenTheZoneFirstShowsIt(t *testing.T) {
	for _, c := range []struct{ zone, day, begins string }{
		{"UTC", "2024-02-29", "2024-02-29T00:00:00Z"},
		{"Europe/Berlin", "2024-03-31", "2024-03-31T00:00:00+01:00"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"}, // midnight is left out
		{"America/Sao_Paulo", "2018-02-18", "2018-02-18T00:00:00-03:00"}, // the hour before midnight is there twice
		{"Asia/Beirut", "2022-03-27", "2022-03-27T01:00:00+03:00"},
		{"America/St_Johns", "2006-10-29", "2006-10-29T00:00:00-02:30"}, // a minute, then an hour of the day before again
		{"Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},     // never
		{"Pacific/Apia", "2011-12-31", "2011-12-31T00:00:00+14:00"},
		{"Pacific/Kiritimati", "2024-01-01", "2024-01-01T00:00:00+14:00"},
		{"Etc/GMT+12", "2024-01-01", "2024-01-01T00:00:00-12:00"},
		{"Antarctica/Troll", "2024-03-31", "2024-03-31T00:00:00Z"},
		{"Africa/Casablanca", "2044-01-01", "2044-01-01T00:00:00+01:00"},
	} {
		day, err := ParseDay(c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := Begin(day, zoneNamed(c.zone)).Format(time.RFC3339); got != c.begins {
			t.Errorf("%s in %s begins at %s, want %s", c.day, c.zone, got, c.begins)
		}
	}
}

// A life is what a member's clock has shown, minute by minute: the naive way to know it.
type life struct {
	clock      Clock
	shown      map[Day]bool
	done       map[Day]bool
	start, now time.Time
}

// until lets the life go on.
func (l *life) until(now time.Time) {
	for l.now.Before(now) {
		l.look()
		l.now = l.now.Add(time.Minute)
	}
}

func (l *life) look() { l.shown[l.today(l.now)] = true }

// flies sets the clock to another zone.
func (l *life) flies(to *time.Location) Clock {
	l.clock = append(slices.Clone(l.clock), Change{l.now, to})
	return l.clock
}

// today is read from the wall.
func (l *life) today(t time.Time) Day {
	year, month, day := t.In(l.zone(t)).Date()
	return DayOf(year, month, day)
}

func (l *life) zone(t time.Time) (zone *time.Location) {
	for i, change := range l.clock {
		if i == 0 || !t.Before(change.Since) {
			zone = change.Zone
		}
	}
	return zone
}

// row is how many of the active dates that were shown are done in a row.
func (l *life) row(d Definition) (length int64) {
	today := l.today(l.now)
	for _, day := range slices.Sorted(maps.Keys(l.shown)) {
		switch {
		case !d.Active.Has(day.Weekday()):
		case l.done[day]:
			length++
		case day < today: // the others may still be done
			length = 0
		}
	}
	return length
}

func TestAStreakIsWhatSomebodyWouldCountByHandWhateverTheZonesAndHoweverLateTheDeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := anyZone()
		begin := time.Unix(rapid.Int64Range(int64(from), int64(to)).Draw(t, "begin")*secondsOfDay, 0).UTC()
		l := &life{clock: In(zone.Draw(t, "zone")), shown: map[Day]bool{}, done: map[Day]bool{}, start: begin, now: begin}
		d := message(rapid.Int64Range(1, 5).Draw(t, "count"))
		d.Active = Weekdays(rapid.SampledFrom([]int{127, 127, 0b0111110, 0b1000001, 1}).Draw(t, "active"))
		m := &member{Definition: d, clock: l.clock}
		hours := 24 * rapid.IntRange(5, 40).Draw(t, "days")
		for lived := 0; lived < hours; {
			step := rapid.IntRange(1, 30).Draw(t, "hours")
			lived += step
			l.until(l.now.Add(time.Duration(step)*time.Hour + time.Duration(rapid.IntRange(0, 59).Draw(t, "minutes"))*time.Minute))
			switch rapid.SampledFrom([]string{"acts", "acts", "acts", "acts", "flies", "late", "nothing"}).Draw(t, "does") {
			case "flies":
				m.clock = l.flies(zone.Draw(t, "to"))
			case "acts":
				m.acts(l.now)
				l.done[l.today(l.now)] = true
			case "late":
				at := l.start.Add(time.Duration(rapid.Int64Range(1, max(1, int64(l.now.Sub(l.start)/time.Minute))).Draw(t, "at")) * time.Minute)
				if at.After(l.now) {
					at = l.now
				}
				m.late(at, l.now)
				l.done[l.today(at)] = true
			}
			l.look()
			for day := range l.done {
				if !d.Active.Has(day.Weekday()) {
					delete(l.done, day)
				}
			}
			if got, want := m.current(l.now), l.row(d); got != want {
				t.Fatalf("at %s on %s: %d in a row, want %d", l.now, l.today(l.now), got, want)
			}
		}
		if periods := map[Period]bool{}; len(m.reaches) > 0 {
			for _, reach := range m.reaches {
				periods[reach.Period] = true
			}
			if len(periods) != len(m.reaches) || int64(len(m.reaches))*d.Count > int64(len(l.done)) {
				t.Fatalf("%d in a row were reached %d times in %d days: %v", d.Count, len(m.reaches), len(l.done), m.reaches)
			}
		}
	})
}

func TestWhoActsOnEachDateThatTheirClockShowsNeverLosesAndWhoMissesOneAlwaysDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := anyZone()
		begin := time.Unix(rapid.Int64Range(int64(from), int64(to)).Draw(t, "begin")*secondsOfDay, 0).UTC()
		l := &life{clock: In(zone.Draw(t, "zone")), shown: map[Day]bool{}, done: map[Day]bool{}, start: begin, now: begin}
		m := &member{Definition: message(1), clock: l.clock}
		missed := Day(-1)
		if rapid.Bool().Draw(t, "misses") {
			missed = l.today(begin) + Day(rapid.IntRange(2, 20).Draw(t, "missed"))
		}
		for range 30 * 24 {
			l.until(l.now.Add(time.Hour))
			if rapid.IntRange(0, 60).Draw(t, "flies") == 0 {
				m.clock = l.flies(zone.Draw(t, "to"))
			}
			l.look()
			for day := range l.shown { // also those of which they had only minutes, which comes late
				if !l.done[day] && day != missed {
					l.done[day] = true
					m.late(l.shownAt(day), l.now)
				}
			}
			want := int64(len(l.done))
			if l.shown[missed] && l.today(l.now) > missed {
				want = 0
				for day := range l.done {
					if day > missed {
						want++
					}
				}
			} else if l.shown[missed] {
				continue // they are back on it, or not yet through
			}
			if got := m.current(l.now); got != want {
				t.Fatalf("%s: %d in a row, want %d", l.now, got, want)
			}
		}
	})
}

// shownAt is a moment at which a date was shown.
func (l *life) shownAt(day Day) time.Time {
	for t := l.now; ; t = t.Add(-time.Minute) {
		if l.today(t) == day {
			return t
		}
	}
}

// A step of a story: at a moment, the clock is set to a zone, or the member acts, or looks at what they have.
type step struct {
	at   string
	zone string
	want int64 // in a row, after having acted, or without if look
	look bool
}

func TestStreaksOfTravellersAndOfClocksThatChange(t *testing.T) {
	weekend := message(2)
	weekend.Active = 1<<time.Saturday | 1<<time.Sunday
	fridays := message(1)
	fridays.Active = 1 << time.Friday
	weekly, monthly := message(1), message(1)
	weekly.Frame, monthly.Frame = Weekly, Monthly
	for name, story := range map[string]struct {
		Definition
		zone  string
		steps []step
	}{
		"from Auckland to Honolulu, a date is there twice and counts once": {message(1), "Pacific/Auckland", []step{
			{at: "2024-01-09T10:00:00+13:00", want: 1},
			{at: "2024-01-10T10:00:00+13:00", want: 2},
			{at: "2024-01-10T20:00:00+13:00", zone: "Pacific/Honolulu"}, // 9 January, 21:00
			{at: "2024-01-09T22:00:00-10:00", want: 2},
			{at: "2024-01-10T10:00:00-10:00", want: 2},
			{at: "2024-01-11T10:00:00-10:00", want: 3},
		}},
		"from Auckland to Honolulu, what was missed can still be done on the same date": {message(1), "Pacific/Auckland", []step{
			{at: "2024-01-08T10:00:00+13:00", want: 1},
			{at: "2024-01-10T01:00:00+13:00", want: 1},
			{at: "2024-01-10T02:00:00+13:00", zone: "Pacific/Honolulu"}, // 9 January, 3:00
			{at: "2024-01-09T10:00:00-10:00", want: 3},
		}},
		"from Honolulu to Auckland, most of a date is left out, and the rest of it is enough": {message(1), "Pacific/Honolulu", []step{
			{at: "2024-01-09T10:00:00-10:00", want: 1},
			{at: "2024-01-09T23:00:00-10:00", zone: "Pacific/Auckland"}, // 10 January, 22:00
			{at: "2024-01-10T23:30:00+13:00", want: 2},
			{at: "2024-01-11T10:00:00+13:00", want: 3},
		}},
		"from Honolulu to Auckland, who misses that date has missed it": {message(1), "Pacific/Honolulu", []step{
			{at: "2024-01-09T10:00:00-10:00", want: 1},
			{at: "2024-01-09T23:00:00-10:00", zone: "Pacific/Auckland"},
			{at: "2024-01-11T00:30:00+13:00", look: true, want: 0},
			{at: "2024-01-11T10:00:00+13:00", want: 1},
		}},
		"over a date that there never was for them": {message(1), "Etc/GMT+12", []step{
			{at: "2024-01-09T10:00:00-12:00", want: 1},
			{at: "2024-01-09T23:00:00-12:00", zone: "Pacific/Kiritimati"}, // 11 January, 1:00
			{at: "2024-01-11T02:00:00+14:00", look: true, want: 1},
			{at: "2024-01-11T10:00:00+14:00", want: 2},
		}},
		"and back to it, where they miss it": {message(1), "Etc/GMT+12", []step{
			{at: "2024-01-09T10:00:00-12:00", want: 1},
			{at: "2024-01-09T23:00:00-12:00", zone: "Pacific/Kiritimati"},
			{at: "2024-01-11T02:00:00+14:00", want: 2},
			{at: "2024-01-11T03:00:00+14:00", zone: "Etc/GMT+12"}, // 10 January, 1:00
			{at: "2024-01-10T02:00:00-12:00", look: true, want: 2},
			{at: "2024-01-11T00:30:00-12:00", look: true, want: 1},
		}},
		"summer time in New York, both ways": {message(1), "America/New_York", []step{
			{at: "2024-03-09T23:59:59-05:00", want: 1},
			{at: "2024-03-10T00:00:00-05:00", want: 2},
			{at: "2024-03-11T23:59:59-04:00", want: 3},
			{at: "2024-03-13T00:00:00-04:00", look: true, want: 0},
			{at: "2024-11-02T00:00:00-04:00", want: 1},
			{at: "2024-11-03T01:30:00-04:00", want: 2},
			{at: "2024-11-03T01:30:00-05:00", want: 2},
			{at: "2024-11-04T23:59:59-05:00", want: 3},
		}},
		"midnight is not there in Brazil, and an hour before it is there twice": {message(1), "America/Sao_Paulo", []step{
			{at: "2018-11-03T23:59:59-03:00", want: 1},
			{at: "2018-11-04T01:00:00-02:00", want: 2}, // a second later
			{at: "2018-11-06T00:00:00-02:00", look: true, want: 0},
			{at: "2019-02-16T23:30:00-02:00", want: 1},
			{at: "2019-02-16T23:30:00-03:00", want: 1},
			{at: "2019-02-17T00:00:00-03:00", want: 2},
		}},
		"Samoa left out 30 December 2011": {message(1), "Pacific/Apia", []step{
			{at: "2011-12-29T12:00:00-10:00", want: 1},
			{at: "2011-12-31T12:00:00+14:00", want: 2},
		}},
		"which was a Friday": {fridays, "Pacific/Apia", []step{
			{at: "2011-12-23T12:00:00-10:00", want: 1},
			{at: "2011-12-31T12:00:00+14:00", want: 1},
			{at: "2012-01-06T12:00:00+14:00", want: 2},
		}},
		"a leap day": {message(1), "UTC", []step{
			{at: "2024-02-28T12:00:00Z", want: 1},
			{at: "2024-02-29T12:00:00Z", want: 2},
			{at: "2024-03-01T12:00:00Z", want: 3},
		}},
		"a leap day that is missed": {message(1), "UTC", []step{
			{at: "2024-02-28T12:00:00Z", want: 1},
			{at: "2024-03-01T12:00:00Z", want: 1},
		}},
		"there is none in 2100": {message(1), "UTC", []step{
			{at: "2100-02-28T12:00:00Z", want: 1},
			{at: "2100-03-01T12:00:00Z", want: 2},
		}},
		"a community moves from UTC to Tokyo": {message(1), "UTC", []step{
			{at: "2024-05-01T20:00:00Z", want: 1},
			{at: "2024-05-02T16:00:00Z", zone: "Asia/Tokyo"}, // 3 May, 1:00
			{at: "2024-05-02T16:30:00Z", look: true, want: 0},
			{at: "2024-05-03T10:00:00+09:00", want: 1},
		}},
		"a community moves from UTC to Tokyo, and back": {message(1), "UTC", []step{
			{at: "2024-05-01T20:00:00Z", want: 1},
			{at: "2024-05-02T10:00:00Z", want: 2},
			{at: "2024-05-02T16:00:00Z", zone: "Asia/Tokyo"},
			{at: "2024-05-03T02:00:00+09:00", want: 3}, // 2 May, 17:00 in UTC
			{at: "2024-05-02T18:00:00Z", zone: "UTC"},
			{at: "2024-05-02T19:00:00Z", want: 3},
			{at: "2024-05-03T19:00:00Z", want: 3},
			{at: "2024-05-04T19:00:00Z", want: 4},
		}},
		"days that are not active neither break nor extend": {weekend, "Europe/Berlin", []step{
			{at: "2024-05-04T12:00:00+02:00", want: 1}, // Saturday
			{at: "2024-05-05T12:00:00+02:00", want: 2},
			{at: "2024-05-07T12:00:00+02:00", want: 2},
			{at: "2024-05-11T12:00:00+02:00", want: 3},
			{at: "2024-05-13T12:00:00+02:00", look: true, want: 0}, // without Sunday
			{at: "2024-05-18T12:00:00+02:00", want: 1},
		}},
		"weeks begin on Monday": {weekly, "Europe/Berlin", []step{
			{at: "2024-12-29T23:59:59+01:00", want: 1}, // Sunday
			{at: "2024-12-30T00:00:00+01:00", want: 2},
			{at: "2025-01-05T12:00:00+01:00", want: 2},
			{at: "2025-01-12T23:59:59+01:00", want: 3},
			{at: "2025-01-20T00:00:00+01:00", look: true, want: 0},
		}},
		"months are as long as they are": {monthly, "Europe/Berlin", []step{
			{at: "2024-01-31T23:59:59+01:00", want: 1},
			{at: "2024-02-01T00:00:00+01:00", want: 2},
			{at: "2024-03-31T23:59:59+02:00", want: 3},
			{at: "2024-05-01T00:00:00+02:00", look: true, want: 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := member{Definition: story.Definition, clock: In(zoneNamed(story.zone))}
			for _, s := range story.steps {
				at, err := time.Parse(time.RFC3339, s.at)
				if err != nil {
					t.Fatal(err)
				}
				if s.zone != "" {
					m.clock = append(m.clock, Change{at, zoneNamed(s.zone)})
					continue
				}
				if !s.look {
					m.acts(at)
				}
				if got := m.current(at); got != s.want {
					t.Errorf("at %s: %d in a row, want %d", s.at, got, s.want)
				}
			}
		})
	}
}

func TestAStreakWithoutAnActiveDayIsNeverReachedAndNeverMoves(t *testing.T) {
	d := message(1)
	d.Active = 0
	for _, d.Frame = range []Frame{Daily, Weekly, Monthly} {
		m := member{Definition: d, clock: In(time.UTC)}
		for day := range 40 {
			m.acts(time.Date(2024, 1, day, 12, 0, 0, 0, time.UTC))
		}
		if diff := cmp.Diff(State{}, m.State); diff != "" || m.reaches != nil {
			t.Errorf("%s: %v %s", d.Frame, m.reaches, diff)
		}
	}
}

func TestConditionsAreCountedWithinAPeriodAndFieldsAreLookedAt(t *testing.T) {
	both := Definition{Frame: Daily, Count: 2, Active: Everyday, Conditions: []Condition{
		{Action: "messages", Value: 2}, {Action: "replies", Value: 1}, {Action: "f1", Field: true, Value: 100},
	}}
	one := both
	one.Any = true
	noon := func(day int) time.Time { return time.Date(2024, 5, day, 12, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		Definition
		deeds []Deed
		done  string // after each deed, whether the period is done
	}{
		"and": {both, []Deed{
			{At: noon(1), Actions: []string{"messages"}}, {At: noon(1), Actions: []string{"messages"}}, {At: noon(1), Actions: []string{"replies"}},
			{At: noon(1), Fields: map[string]float64{"f1": 99.5}}, {At: noon(1), Actions: []string{"visits"}, Fields: map[string]float64{"f1": 100}}, {At: noon(1), Actions: []string{"messages"}},
			{At: noon(2), Actions: []string{"replies"}, Fields: map[string]float64{"f1": 100}}, {At: noon(2), Actions: []string{"messages"}, Fields: map[string]float64{"f1": 100}}, {At: noon(2), Actions: []string{"messages"}, Fields: map[string]float64{"f1": 100}},
		}, "----++--+"},
		"or": {one, []Deed{
			{At: noon(1), Actions: []string{"messages"}}, {At: noon(1), Actions: []string{"messages"}}, {At: noon(2), Actions: []string{"visits"}}, {At: noon(2), Fields: map[string]float64{"f1": 100}},
			{At: noon(3), Actions: []string{"replies"}},
		}, "-+-++"},
		"a day before does not count": {both, []Deed{{At: noon(1), Actions: []string{"messages"}}, {At: noon(2), Actions: []string{"messages"}}}, "--"},
	} {
		state, done := State{}, ""
		for _, deed := range c.deeds {
			before := fmt.Sprint(state)
			after, _, changed := c.Move(state, In(time.UTC), deed)
			if changed != (fmt.Sprint(after) != before) || fmt.Sprint(state) != before {
				t.Errorf("%s: %v: %s became %v, changed: %t", name, deed, before, after, changed)
			}
			state = after
			done += map[bool]string{true: "+", false: "-"}[c.View(state, In(time.UTC), deed.At).Done]
		}
		if done != c.done {
			t.Errorf("%s: done is %s, want %s", name, done, c.done)
		}
	}
}

func TestAStreakIsReachedAtEachMultipleAndAgainByNothingElse(t *testing.T) {
	reached := func(m member) (days string) {
		for _, reach := range m.reaches {
			days += fmt.Sprintf("%d:%d ", reach.Period-Period(DayOf(2024, 1, 1))+1, reach.Length)
		}
		return strings.TrimSpace(days)
	}
	day := func(n int) time.Time { return time.Date(2024, 1, n, 12, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		days  []int // 0: the count becomes 2
		count int64
		want  string
	}{
		"in a row":                          {[]int{1, 2, 3, 4, 5, 6, 7}, 3, "3:3 6:6"},
		"after a break":                     {[]int{1, 2, 3, 5, 6, 7, 8}, 3, "3:3 7:3"},
		"twice on a day":                    {[]int{1, 1, 1, 2, 2, 3, 3}, 3, "3:3"},
		"late, at the end of two rows":      {[]int{1, 2, 4, 5, 3}, 5, "3:5"},
		"late, between rows that reached":   {[]int{1, 2, 3, 5, 6, 7, 4}, 3, "3:3 7:3"},
		"late, and then on":                 {[]int{1, 2, 3, 5, 6, 7, 4, 8, 9}, 3, "3:3 7:3 9:9"},
		"late by more than there is window": {[]int{100, 101, 1, 2, 3}, 3, ""},
		"late within it":                    {[]int{60, 1, 2, 3}, 3, "3:3"},
		"each day":                          {[]int{1, 2, 4}, 1, "1:1 2:2 4:1"},
		"what is behind a smaller count is not reached afterwards":   {[]int{1, 2, 3, 0, 4, 5, 6}, 7, "4:4 6:6"},
		"nor what was reached by another one, once more":             {[]int{1, 2, 3, 0, 4, 5, 6}, 3, "3:3 4:4 6:6"},
		"a smaller count, after a break":                             {[]int{1, 2, 3, 0, 10, 11}, 7, "11:2"},
		"a smaller count, and a late deed that makes two rows of it": {[]int{1, 3, 0, 2, 4}, 7, "2:3 4:4"},
	} {
		m := member{Definition: message(c.count), clock: In(time.UTC)}
		now := time.Time{}
		for _, n := range c.days {
			if n == 0 {
				m.Definition.Count = 2
				continue
			}
			if day(n).After(now) {
				now = day(n)
			}
			m.late(day(n), now)
		}
		if got := reached(m); got != c.want {
			t.Errorf("%s: reached at %s, want %s", name, got, c.want)
		}
	}
}

func TestWhatCountsOnceOnADateDoesSoOnTheClockOfTheStreak(t *testing.T) {
	d := message(1)
	d.Frame, d.Conditions[0].Value = Weekly, 3
	state, tokyo := State{}, In(zoneNamed("Asia/Tokyo"))
	for _, at := range []struct {
		at   string
		done bool
	}{
		{"2024-05-06T10:00:00+09:00", false}, {"2024-05-06T23:00:00+09:00", false}, {"2024-05-07T00:30:00+09:00", false}, {"2024-05-07T12:00:00+09:00", false}, {"2024-05-12T12:00:00+09:00", true},
	} {
		now, err := time.Parse(time.RFC3339, at.at)
		if err != nil {
			t.Fatal(err)
		}
		state, _, _ = d.Move(state, tokyo, Deed{At: now, Actions: []string{"messages"}, Once: true, Now: now})
		if d.View(state, tokyo, now).Done != at.done {
			t.Errorf("at %s it is not %t that the week is done: %+v", at.at, at.done, state)
		}
	}
}

func TestAStateStaysSmallHoweverLongARowIs(t *testing.T) {
	m := member{Definition: message(10), clock: In(time.UTC)}
	m.Definition.Conditions[0].Value = 3
	for day := range 3011 {
		for range 4 {
			if day != 10 {
				m.acts(time.Date(2020, 1, day-10, 12, 0, 0, 0, time.UTC))
			}
		}
	}
	now := time.Date(2020, 1, 3000, 13, 0, 0, 0, time.UTC)
	if v := m.View(m.State, m.clock, now); v.Current != 3000 || v.Longest != 3000 || !v.Done || v.Deeds["messages"] != 3 || v.Ends.Sub(now) != 11*time.Hour {
		t.Errorf("after 3000 days: %+v", v)
	}
	if len(m.reaches) != 301 || len(m.Open) > mostOpen {
		t.Errorf("reached %d times, counting in %d periods", len(m.reaches), len(m.Open))
	}
	weekly := m.Definition
	weekly.Frame = Weekly
	if v := weekly.View(m.State, m.clock, now); v.Current != 0 || v.Longest != 0 {
		t.Errorf("counted in days, it shows %+v in weeks", v)
	}
	before := m.Definition
	before.Start = DayOf(2040, 1, 1)
	if _, _, changed := before.Move(m.State, m.clock, Deed{At: now.AddDate(0, 0, 1), Actions: []string{"messages"}}); changed {
		t.Error("a deed before the start counts")
	}
}

func TestPeriodsFollowEachOther(t *testing.T) {
	for day := DayOf(1969, 1, 1); day < DayOf(2033, 1, 1); day++ {
		for _, frame := range []Frame{Daily, Weekly, Monthly} {
			p := frame.Of(day)
			if first, next := frame.First(p), frame.First(p+1); first > day || next <= day || frame.Of(first) != p || frame.Of(next) != p+1 {
				t.Fatalf("%s is in a period of %s from %s until before %s", day, frame, first, next)
			}
		}
		if first := Weekly.First(Weekly.Of(day)); first.Weekday() != time.Monday {
			t.Fatalf("a week begins on %s", first)
		}
		if parsed, err := ParseDay(day.String()); err != nil || parsed != day {
			t.Fatalf("%s is parsed as %s: %v", day, parsed, err)
		}
	}
}

func TestAClockOfTheMemberIsThatWhereverAStreakHasNoZone(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2024, 5, 1, hour, 0, 0, 0, time.UTC) }
	berlin, tokyo, apia := zoneNamed("Europe/Berlin"), zoneNamed("Asia/Tokyo"), zoneNamed("Pacific/Apia")
	member := Clock{{Zone: berlin}, {at(2), tokyo}, {at(8), apia}}
	for name, c := range map[string]struct{ clock, want Clock }{
		"never":       {In(time.UTC), In(time.UTC)},
		"always":      {Clock{{}}, member},
		"from then":   {Clock{{Zone: time.UTC}, {at(4), nil}}, Clock{{Zone: time.UTC}, {at(4), tokyo}, {at(8), apia}}},
		"until then":  {Clock{{}, {at(4), time.UTC}}, Clock{{Zone: berlin}, {at(2), tokyo}, {at(4), time.UTC}}},
		"in between":  {Clock{{Zone: time.UTC}, {at(1), nil}, {at(9), time.UTC}}, Clock{{Zone: time.UTC}, {at(1), berlin}, {at(2), tokyo}, {at(8), apia}, {at(9), time.UTC}}},
		"at one time": {Clock{{Zone: time.UTC}, {at(2), nil}}, Clock{{Zone: time.UTC}, {at(2), tokyo}, {at(8), apia}}},
	} {
		if diff := cmp.Diff(fmt.Sprint(c.want), fmt.Sprint(c.clock.Of(member))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
