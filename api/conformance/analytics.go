package conformance

import "net/http"

// overview is the path of the overview of a server.
func (c club) overview(query string) string {
	return "/apis/v1/communities/" + c.id + "/analytics/loyalty-overview" + query
}

// analytics are the test cases of the tag analytics.
var analytics = []testCase{
	{"ANALYTICS-OVERVIEW-01", "getLoyaltyOverview gamification roles keys", "an overview counts who has joined and who was active, what they got, and who has most", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.credits(club, object{"visit": object{"enabled": true, "xp": 3, "coins": 2}})
		number := s.b.joins(club)
		role := s.a.makesRole(club, object{"title": "Knights"})
		s.a.gives(role, number).anyOf(200)
		s.b.post(club.path("/visit")).expect(200)
		s.b.post(club.path("/visit")).expect(200)
		seen := s.a.get(club.overview("")).expect(200).says("Loyalty overview fetched successfully")
		seen.is("/data/members", object{"total": 2, "new": 2, "active": 1, "returning": 0}).is("/data/xp", object{"issued": 3, "spent": 0})
		seen.is("/data/coins", object{"issued": 2, "spent": 0}).is("/data/highest/0/id", number).is("/data/highest/0/xp", 3)
		if n := len(seen.list("/data/series")); n != 30 {
			seen.fail("the series has %d parts, want 30", n)
		}
		seen.is("/data/series/29/active", 1).is("/data/series/29/to", seen.text("/data/to")).is("/data/snapshot/xpOutstanding", 3).is("/data/snapshot/coinsOutstanding", 2)
		seen.is(seen.find("/data/snapshot/roles", "_id", role)+"/members", 1).is(seen.find("/data/snapshot/roles", "title", "@all")+"/members", 2)
		s.a.makesKey(club, "analytics").get(club.overview("?interval=month")).expect(200).is("/data/members", seen.at("/data/members"))
	}},

	{"ANALYTICS-RANGE-01", "getLoyaltyOverview", "a range ends where it begins or later, and has 366 days at most", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.get(club.overview("?from=2026-03-02&to=2026-03-01")).refuses("query/from", "not_allowed")
		s.a.get(club.overview("?from=2025-03-01&to=2026-03-02")).refuses("query/from", "not_allowed")
		year := s.a.get(club.overview("?from=2025-03-01&to=2026-03-01&interval=month")).expect(200)
		if n := len(year.list("/data/series")); n != 13 {
			year.fail("the series has %d parts, want 13", n)
		}
		year.is("/data/series/0/to", "2025-03-31").is("/data/series/12/from", "2026-03-01").is("/data/series/12/to", "2026-03-01")
		week := s.a.get(club.overview("?from=2026-03-01&to=2026-03-10&interval=week")).expect(200)
		if got := week.each("/data/series", "from"); len(got) != 3 || got[1] != "2026-03-02" || got[2] != "2026-03-09" {
			week.fail("the weeks begin on %v; the days are from a Sunday to a Tuesday", got)
		}
	}},

	{"ANALYTICS-PICTURE-01", "getLoyaltyOverview", "who asks for a picture gets one, and everybody else JSON", func(s *session) {
		club := s.a.makesServer("Chess & <Go> club")
		s.a.with("Accept", "image/svg+xml").get(club.overview("")).expect(200).carries("Content-Type", "image/svg+xml")
		for _, accept := range []string{"*/*", "text/csv", "application/json, image/svg+xml", "not a type"} {
			s.a.with("Accept", accept).get(club.overview("")).expect(200).carries("Content-Type", "application/json")
		}
		s.a.with("Accept", "image/svg+xml").get(club.overview("?from=x")).expect(http.StatusBadRequest).carries("Content-Type", "application/json")
	}},
}
