package server

import (
	"math"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/streak"
)

// momentOf is when a leaderboard starts or ends: at a time of the day of a date, in a zone that is some hours east of UTC.
func momentOf(date gen.Time, at gen.LeaderboardTime, hours float64) time.Time {
	hour := int(at.Hours) % 12
	if at.Ampm == "PM" {
		hour += 12
	}
	year, month, day := date.UTC().Date()
	zone := time.FixedZone("", int(math.Round(hours*60))*60)
	return time.Date(year, month, day, hour, int(at.Minutes), 0, 0, zone)
}

// A daySpan is from a day to another one, which is included, in days since 1970-01-01.
type daySpan struct{ from, until int64 }

// allDays are those that there were and will be.
var allDays = daySpan{0, store.LastDay}

// spanOfDay are the days of the period in which a day is.
func spanOfDay(frame streak.Frame, day int64) daySpan {
	period := frame.Of(streak.Day(day))
	return daySpan{int64(frame.First(period)), int64(frame.First(period+1)) - 1}
}

// spanOf are the days that a leaderboard shows with a filter, as it is now.
func spanOf(l gen.Leaderboard, filter gen.LeaderboardFilter, now time.Time, zone *time.Location) daySpan {
	today, span := dayOf(now, zone), allDays
	switch filter {
	case gen.LeaderboardFilterDaily:
		span = daySpan{today, today}
	case gen.LeaderboardFilterWeekly:
		span = spanOfDay(streak.Weekly, today)
	case gen.LeaderboardFilterMonthly:
		span = spanOfDay(streak.Monthly, today)
	case gen.LeaderboardFilterYearly:
		year := now.In(zone).Year()
		span = daySpan{int64(streak.DayOf(year, time.January, 1)), int64(streak.DayOf(year+1, time.January, 1)) - 1}
	}
	if rankingFields[l.RankBy] == 0 { // a field has no times
		return span
	}
	d := l.Duration
	if start, is := d.Start.Get(); is {
		span.from = max(span.from, dayOf(momentOf(start, d.StartTime, d.TimeZone), zone))
	}
	if end, is := d.End.Get(); is && !d.NoEndDate {
		span.until = min(span.until, dayOf(momentOf(end, d.EndTime, d.TimeZone), zone))
	}
	return span
}
