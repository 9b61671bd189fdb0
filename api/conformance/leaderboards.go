package conformance

import (
	"fmt"
	"strings"
)

const boards = "/apis/v1/leaderboards"

// board is what a leaderboard is made from, with changes.
func (c club) board(changes object) object {
	return object{"name": "Most active", "slug": "conf-" + unknownID(), "rankingField": "xps", "serverId": c.id}.and(changes)
}

// makesLeaderboard makes a leaderboard of a server and returns its id.
func (c caller) makesLeaderboard(in club, changes object) string {
	return c.post(boards, in.board(changes)).expect(201).text("/data/_id")
}

// leaderboards are the test cases of the tag leaderboards.
var leaderboards = []testCase{
	{"LEADERBOARDS-NAMES-01", "createLeaderboard getLeaderboard updateLeaderboard", "each part is taken by its newer and by its older name, not by both, and answers have the older one", func(s *session) {
		club := s.a.makesServer("Chess club")
		newer := object{
			"rankingField": "currencies", "displayedColumns": []any{object{"column": "xps", "visible": false, "order": 1}, object{"column": "user", "visible": true, "order": 0}},
			"topRankOnly": true, "topRankLimit": 7, "onlyPositiveRanks": true, "includeDummyUsers": true, "startDate": "2026-01-30T00:00:00.000Z", "endDate": "2026-02-28T00:00:00.000Z",
			"hasNoEndDate": false, "timeZone": 5.3, "startTime": object{"hours": 12, "minutes": 0, "ampm": "AM"}, "endTime": object{"hours": 11, "minutes": 59, "ampm": "PM"},
			"allowedTimeFilters": []any{"daily"}, "allowedTagsToRank": []any{"gold"}, "allowedTagsToView": []any{"silver"},
		}
		older := object{
			"rankBy": "currencies", "displayedFields": []any{"user"}, "displayFieldsOrder": []any{"user", "xps"},
			"performanceDisplay": object{"showTop": object{"enabled": true, "value": 7}, "showPositive": object{"enabled": true}, "showDummy": object{"enabled": true}},
			"duration": object{
				"start": "2026-01-30T00:00:00.000Z", "end": "2026-02-28T00:00:00.000Z", "noEndDate": false, "timeZone": 5.3,
				"startTime": object{"hours": 12, "minutes": 0, "ampm": "AM"}, "endTime": object{"hours": 11, "minutes": 59, "ampm": "PM"},
			},
			"timeFilters": []any{"daily"}, "rankedUserRoles": object{"users": []any{}, "roles": []any{}, "tags": []any{"gold"}},
			"viewPermissionUserRoles": object{"users": []any{}, "roles": []any{}, "tags": []any{"silver"}},
		}
		board := club.board(nil)
		delete(board, "rankingField")
		for _, spelling := range []object{newer, older} {
			made := s.a.post(boards, board.and(spelling).and(object{"slug": "conf-" + unknownID()})).expect(201).says("Create leaderboard success.").has("/data", older)
			s.a.get(boards+"/"+made.text("/data/_id")).expect(200).says("Read leaderboard success.").is("/data", made.at("/data"))
		}
		id := s.a.makesLeaderboard(club, nil)
		for part, newer := range map[string]object{
			"rankBy": {"rankingField": "xps"}, "displayedFields": {"displayedColumns": []any{}}, "displayFieldsOrder": {"displayedColumns": []any{}}, "performanceDisplay": {"topRankLimit": 3},
			"duration": {"startDate": nil}, "timeFilters": {"allowedTimeFilters": []any{}}, "rankedUserRoles": {"allowedRolesToRank": []any{}}, "viewPermissionUserRoles": {"allowedUsersToView": []any{}},
		} {
			s.a.write("PATCH", boards+"/"+id, newer.and(object{part: older[part]})).refuses("/"+part, "duplicate")
			s.a.write("PATCH", boards+"/"+id, object{part: older[part]}).expect(200).says("Update leaderboard success.").has("/data", object{part: older[part]})
		}
		s.a.post(boards, board).expect(201).is("/data/rankBy", "xps")
	}},

	{"LEADERBOARDS-CREATE-01", "createLeaderboard updateLeaderboard fields roles", "a slug is one leaderboard's in its community, and a leaderboard ranks by what is there, and ends after it starts", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		first, second := s.a.makesLeaderboard(club, object{"slug": "april"}), s.a.makesLeaderboard(club, nil)
		s.a.post(boards, club.board(object{"slug": "april"})).expect(409)
		s.a.write("PATCH", boards+"/"+second, object{"slug": "april"}).expect(409)
		s.a.makesLeaderboard(other, object{"slug": "april"})
		s.a.write("PATCH", boards+"/"+first, object{"slug": "april", "name": "April"}).expect(200)
		text, number := s.a.makesField(club, nil), s.a.makesField(club, object{"type": "number"})
		for _, field := range []string{"level", text, unknownID(), s.a.makesField(other, object{"type": "number"})} {
			s.a.post(boards, club.board(object{"rankingField": field})).refuses("/rankingField", "not_allowed")
		}
		s.a.makesLeaderboard(club, object{"rankingField": number})
		s.a.post(boards, club.board(object{"allowedRolesToRank": []any{s.a.makesRole(other, nil)}})).refuses("/allowedRolesToRank/0", "not_allowed")
		s.a.post(boards, club.board(object{"allowedUsersToView": []any{unknownID()}})).refuses("/allowedUsersToView/0", "not_allowed")
		s.a.post(boards, club.board(object{"hasNoEndDate": false})).refuses("/endDate", "required")
		s.a.post(boards, club.board(object{"startDate": "2026-02-01T00:00:00Z", "endDate": "2026-01-31T00:00:00Z"})).refuses("/endDate", "not_allowed")
		s.a.write("PATCH", boards+"/"+first, object{"serverId": other.id}).refuses("/serverId", "not_allowed")
	}},

	{"LEADERBOARDS-LIST-01", "createLeaderboard listLeaderboards getLeaderboard deleteLeaderboard listMyServers", "leaderboards stand in their order, are found, sorted and shown in parts, and a server names them", func(s *session) {
		club := s.a.makesServer("Chess club")
		third := s.a.makesLeaderboard(club, object{"name": "April", "slug": "c", "displayOrder": 5})
		first, second := s.a.makesLeaderboard(club, object{"name": "May", "slug": "b"}), s.a.makesLeaderboard(club, object{"name": "june", "slug": "a", "description": "Mayflies"})
		list := func(query string, want ...string) {
			found := s.a.get(boards + "?serverId=" + club.id + query).expect(200).says("Read leaderboards success.")
			if got := found.each("/data", "_id"); asJSON(got) != asJSON(want) {
				found.fail("the leaderboards are %v, want %v", got, want)
			}
		}
		list("", first, second, third)
		list("&sort=name", third, second, first)
		list("&sort=slug:desc", third, first, second)
		list("&search=keyword:MAY", first, second)
		list("&limit=2&page=2", third)
		s.a.get(boards+"?limit=1&serverId="+club.id).expect(200).is("/meta/total", 3)
		s.a.get(club.path("")).expect(200).is("/body/leaderboards", []any{first, second, third})
		s.a.get(boards+"/"+third+"?fields=name,slug").expect(200).is("/data", object{"_id": third, "name": "April", "slug": "c"})
		s.a.get(boards+"/"+third+"?fields=secret").refuses("query/fields", "not_allowed")
		s.a.delete(boards + "/" + first).expect(200).says("Delete leaderboard success.")
		list("", second, third)
		s.a.get(club.path("")).expect(200).is("/body/leaderboards", []any{second, third})
	}},

	{"LEADERBOARDS-ENTRIES-01", "createLeaderboard listLeaderboardEntries badges", "equal values share a rank, the next one counts all before it, and a user is found in the middle", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		id := s.a.makesLeaderboard(club, object{"displayedColumns": []any{object{"column": "currencies", "visible": true, "order": 0}}})
		at := boards + "/" + id + "/entries"
		ranks := func(query string, want ...any) {
			found := s.a.get(at + query).expect(200).says("Read leaderboard entries success.")
			if got := found.each("/data", "user/displayName"); len(got) != len(want) {
				found.fail("%d are ranked, want %d", len(got), len(want))
			}
			for i, rank := range want {
				found.is(fmt.Sprintf("/data/%d/rank", i), rank)
			}
		}
		ranks("", 1, 1)
		s.a.awards(s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 5, "awardCurrency": true, "awardCurrencyQuantity": 3}), number).expect(200)
		ranks("", 1, 2)
		first := s.a.get(at+"?limit=1").expect(200).is("/data/0/value", 5).is("/data/0/columns", object{"currencies": 3}).is("/data/0/user/_id", s.a.accountOf(club, number))
		s.a.get(at+"?limit=1&cursor="+first.text("/meta/nextCursor")).expect(200).is("/data/0/rank", 2)
		s.a.get(at+"?limit=1&around="+number).expect(200).is("/data/0/rank", 1)
		s.b.get(at + "?around=" + club.owner).expect(200)
		s.a.get(at + "?around=" + unknownNumber).expect(404)
		s.a.get(at+"?around="+number+"&page=2").refuses("query/page", "not_allowed")
		s.a.get(at+"?cursor=eA").refuses("query/cursor", "malformed")
		few := s.a.makesLeaderboard(club, object{"allowedTimeFilters": []any{"daily"}, "onlyPositiveRanks": true})
		s.a.get(boards+"/"+few+"/entries?filter=all-time").refuses("query/filter", "not_allowed")
		s.a.get(boards + "/" + few + "/entries").expect(200)
		s.a.write("PATCH", boards+"/"+few, object{"allowedTimeFilters": []any{"all-time"}}).expect(200)
		s.a.get(boards+"/"+few+"/entries").expect(200).is("/data/0/value", 5)
		s.b.post(club.path("/leave"), nil).expect(200)
		ranks("", 1)
	}},

	{"LEADERBOARDS-VIEW-01", "createLeaderboard listLeaderboards getLeaderboard updateLeaderboard deleteLeaderboard listMyServers roles", "a member sees those that are enabled and for everybody, for them, or for a role of theirs, and no others are there; a server names only those for everybody", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.makesRole(club, nil)
		id := s.a.makesLeaderboard(club, nil)
		named := func(want ...any) {
			for _, who := range []caller{s.a, s.b} {
				who.get(club.path("")).expect(200).is("/body/leaderboards", append([]any{}, want...))
			}
		}
		seen := func(want bool) {
			status := map[bool]int{true: 200, false: 404}[want]
			s.b.get(boards + "/" + id).expect(status)
			found := s.b.get(boards + "?serverId=" + club.id).expect(200)
			if strings.Contains(asJSON(found.each("/data", "_id")), id) != want {
				found.fail("whether the leaderboard is listed is not %t", want)
			}
		}
		seen(true)
		named(id)
		s.a.write("PATCH", boards+"/"+id, object{"isEnabled": false}).expect(200)
		seen(false)
		named()
		s.a.write("PATCH", boards+"/"+id, object{"isEnabled": true, "allowedRolesToView": []any{role}}).expect(200)
		seen(false)
		named()
		s.a.gives(role, number).expect(200)
		seen(true)
		s.a.write("PATCH", boards+"/"+id, object{"allowedRolesToView": []any{}, "allowedTagsToView": []any{"gold"}}).expect(200)
		seen(false)
		s.a.write("PATCH", boards+"/"+id, object{"allowedUsersToView": []any{s.a.accountOf(club, number)}}).expect(200)
		seen(true)
		s.a.get(boards + "/" + id).expect(200)
		s.a.makesLeaderboard(club, object{"isEnabled": false})
		s.a.delete(boards + "/" + s.a.makesLeaderboard(club, nil)).expect(200)
		named()
		s.a.write("PATCH", boards+"/"+id, object{"allowedUsersToView": []any{}, "allowedTagsToView": []any{}}).expect(200)
		named(id)
	}},
}
