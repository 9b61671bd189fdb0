package streak

import "time"

// A Day is a date of the calendar, as the number of days since 1 January 1970. It is on a clock on the wall, not in time: where it
// begins depends on the zone, and a zone may have left it out.
type Day int64

// DayOf is the date of a year, a month and a day.
func DayOf(year int, month time.Month, day int) Day {
	return dayOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix())
}

func dayOf(seconds int64) Day { return Day(floor(seconds, secondsOfDay)) }

const secondsOfDay = 24 * 60 * 60

// ParseDay reads a date as String writes it.
func ParseDay(text string) (Day, error) {
	at, err := time.Parse(time.DateOnly, text)
	return dayOf(at.Unix()), err
}

// String is the date as in 2026-04-07.
func (d Day) String() string { return d.UTC().Format(time.DateOnly) }

// Weekday is the day of the week.
func (d Day) Weekday() time.Weekday { return d.UTC().Weekday() }

// UTC is the moment at which the date begins in UTC.
func (d Day) UTC() time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// A Frame is how long a period lasts.
type Frame string

// The frames. A week begins on Monday.
const (
	Daily   Frame = "daily"
	Weekly  Frame = "weekly"
	Monthly Frame = "monthly"
)

// A Period is a day, a week or a month, by number: the next one has the next number.
type Period int64

// monday is the first Monday of 1970.
const monday = 4

// Of is the period in which a day is.
func (f Frame) Of(d Day) Period {
	switch f {
	case Weekly:
		return Period(floor(int64(d)-monday, 7))
	case Monthly:
		at := d.UTC()
		return Period(int64(at.Year())*12 + int64(at.Month()) - 1)
	}
	return Period(d)
}

// First is the first day of a period.
func (f Frame) First(p Period) Day {
	switch f {
	case Weekly:
		return Day(p)*7 + monday
	case Monthly:
		year := floor(int64(p), 12)
		return DayOf(int(year), time.Month(int64(p)-year*12+1), 1)
	}
	return Day(p)
}

func floor(n, by int64) int64 {
	down := n / by
	if n%by < 0 {
		down--
	}
	return down
}
