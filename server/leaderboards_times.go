package server

import (
	"context"
	"math"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
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

// spanOf are the days that a leaderboard shows with a filter, as it is now.
func spanOf(l gen.Leaderboard, filter gen.LeaderboardFilter, now time.Time, zone *time.Location) daySpan {
	now = now.In(zone)
	today, span := dayOf(now, zone), allDays
	first := func(month time.Month) time.Time { return time.Date(now.Year(), month, 1, 12, 0, 0, 0, zone) }
	switch filter {
	case gen.LeaderboardFilterDaily:
		span = daySpan{today, today}
	case gen.LeaderboardFilterWeekly:
		monday := today - int64(now.Weekday()+6)%7
		span = daySpan{monday, monday + 6}
	case gen.LeaderboardFilterMonthly:
		span = daySpan{dayOf(first(now.Month()), zone), dayOf(first(now.Month()+1), zone) - 1}
	case gen.LeaderboardFilterYearly:
		span = daySpan{dayOf(first(time.January), zone), dayOf(first(13), zone) - 1}
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

// zoneOfBoards is the time zone of a server, in which its days begin.
func (k *core) zoneOfBoards(ctx context.Context, serverID string) (*time.Location, error) {
	settings, err := k.store.Servers.GetSettings(ctx, serverID)
	if err != nil {
		return nil, err
	}
	return zoneOf(settings.TimeZone), nil
}
