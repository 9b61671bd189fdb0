package streak

import "time"

// A Clock is what somebody reads the time from: a zone, and after a change another one. The first change is where it began, and
// holds for all the time before, too. A clock has at least one, and they are in the order of their moments.
type Clock []Change

// A Change is since when a clock shows a zone.
type Change struct {
	Since time.Time
	Zone  *time.Location
}

// In is a clock that always shows one zone.
func In(zone *time.Location) Clock { return Clock{{Zone: zone}} }

// Of is a clock that shows another one wherever it has no zone of its own.
func (c Clock) Of(other Clock) (whole Clock) {
	for i, change := range c {
		if change.Zone != nil {
			whole = append(whole, change)
			continue
		}
		whole = append(whole, Change{change.Since, other.At(change.Since)})
		for _, later := range other[1:] {
			if later.Since.After(change.Since) && (i+1 == len(c) || later.Since.Before(c[i+1].Since)) {
				whole = append(whole, later)
			}
		}
	}
	return whole
}

// At is the zone that the clock shows at a moment.
func (c Clock) At(t time.Time) *time.Location {
	at := len(c) - 1
	for at > 0 && c[at].Since.After(t) {
		at--
	}
	return c[at].Zone
}

// Day is the date that the clock shows at a moment.
func (c Clock) Day(t time.Time) Day { return dayIn(c.At(t), t) }

// Shown tells whether the clock has shown a date at any moment until one. It has not if a zone left it out, as Samoa did with 30
// December 2011, and if a change of zone leaped over it.
func (c Clock) Shown(d Day, until time.Time) bool {
	for i, change := range c {
		end := until.Add(1)
		if i+1 < len(c) && c[i+1].Since.Before(end) {
			end = c[i+1].Since
		}
		if i > 0 && !change.Since.Before(end) {
			continue // it is not so late yet, or the clock was changed again at once
		}
		begins := Begin(d, change.Zone)
		has := dayIn(change.Zone, begins) == d // the zone, at some time
		if i == 0 {
			if has && begins.Before(end) {
				return true
			}
			continue
		}
		first, last := dayIn(change.Zone, change.Since), dayIn(change.Zone, end.Add(-1))
		if first == d || last == d || has && (first < d && d < last || !begins.Before(change.Since) && begins.Before(end)) {
			return true
		}
	}
	return false
}

func dayIn(zone *time.Location, t time.Time) Day {
	local := t.In(zone)
	_, offset := local.Zone()
	return dayOf(t.Unix() + int64(offset))
}

// Begin is the first moment at which a zone shows a date, or a later one if it leaves that out. Midnight is not always there.
func Begin(d Day, zone *time.Location) time.Time {
	midnight := int64(d) * secondsOfDay
	t := time.Unix(midnight-36*60*60, 0).In(zone) // no zone is so far from UTC
	for {
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		begins := time.Unix(max(midnight-int64(offset), t.Unix()), 0).In(zone)
		if end.IsZero() || begins.Before(end) {
			return begins
		}
		t = end.In(zone)
	}
}
