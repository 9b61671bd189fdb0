package server

import (
	"math"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
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
