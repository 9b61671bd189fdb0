package conformance

import (
	"slices"
	"strconv"
	"time"
)

// members are the test cases of the tag servers about who and what is in one.
var members = []testCase{
	{"SERVERS-JOIN-01", "joinServer", "who knows the id of an open server may join it, once", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.post("/servers/" + unknownID() + "/join").expect(404)
		s.b.enters(club).is("/body/_id", club.id)
		s.b.post(club.path("/join")).expect(409)
		s.a.post(club.path("/join")).expect(409)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 2)
	}},

	{"SERVERS-JOIN-02", "joinServer updateServerSettings", "a server that is not open does not exist for who knows no more than its id", func(s *session) {
		club := s.a.makesServer("Chess club")
		hidden := func() {
			s.b.post(club.path("/join")).expect(404).isLike(s.b.post("/servers/" + unknownID() + "/join").expect(404))
			s.a.get(club.path("/members")).expect(200).is("/meta/total", 1)
		}
		hidden() // a new one is not
		for _, joining := range []string{"closed", "invite"} {
			s.b.enters(club)
			s.lets(joining, club)
			s.b.get(club.path("")).expect(200) // who is in stays
			s.b.post(club.path("/join")).expect(409)
			s.b.post(club.path("/leave")).expect(200)
			hidden()
			s.lets("open", club)
		}
	}},

	{"SERVERS-SETTINGS-01", "getServerSettings updateServerSettings", "the settings of a new server let nobody in, and each is changed on its own", func(s *session) {
		club := s.a.makesServer("Chess club")
		path := club.path("/settings")
		now := object{"joining": "invite", "timeZone": "UTC", "language": "en", "domains": []any{}, "appUrl": nil, "requireTwoFactor": false}
		s.a.get(path).expect(200).says("Server settings").is("/body", now)
		for _, change := range []object{
			{"joining": "open"}, {"timeZone": "Asia/Kathmandu"}, {"language": "pt-BR"}, {"domains": []any{"chess.example", "www.chess.example"}},
			{"appUrl": "https://chess.example/app"}, {"joining": "closed", "language": "de", "domains": []any{}, "appUrl": nil},
		} {
			now = now.and(change)
			s.a.write("PATCH", path, change).expect(200).says("Server settings have been updated successfully").is("/body", now)
			s.a.get(path).expect(200).is("/body", now)
		}
	}},

	{"SERVERS-SETTINGS-02", "updateServerSettings", "a setting that cannot be meant is refused, and nothing else in the request is done", func(s *session) {
		club := s.a.makesServer("Chess club")
		path := club.path("/settings")
		before := s.a.get(path).expect(200)
		for name, values := range map[string][]any{
			"timeZone": {"Europe/Atlantis", "Local", "Etc//UTC", "America/./New_York", "europe/berlin", "posix/Europe/Berlin", "../../etc/passwd", "CET-1"},
			"language": {"xx", "german", "pt-br", "en_US", "de-"},
			"appUrl":   {"http://chess.example", "javascript:alert(1)", "https://", "https://vera:secret@chess.example/", "chess.example"},
		} {
			for _, value := range values {
				s.a.write("PATCH", path, object{"joining": "open", name: value}).refuses("/"+name, "wrong_format")
			}
		}
		for _, domain := range []string{"Chess.example", "chess", "*.chess.example", "chess.example.", "https://chess.example", "a..example", "127.0.0.1", "chess.example:80"} {
			s.a.write("PATCH", path, object{"joining": "open", "domains": []string{"good.example", domain}}).refuses("/domains/1", "wrong_format")
		}
		s.a.get(path).expect(200).is("/body", before.at("/body"))
	}},

	{"SERVERS-LEAVE-01", "leaveServer", "a member may leave and come back; the owner stays", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.post(club.path("/leave")).expect(409)
		s.b.post(club.path("/leave")).expect(404)

		s.b.enters(club)
		s.b.post(club.path("/leave")).expect(200).is("/body", map[string]any{})
		s.b.get(club.path("")).expect(404)
		s.b.post(club.path("/leave")).expect(404)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 1)

		s.b.enters(club)
		s.b.get(club.path("")).expect(200)
	}},

	{"SERVERS-VISIT-01", "visitServer", "a visit counts once a day, for members", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.post(club.path("/visit")).expect(404)
		s.b.enters(club)
		for _, who := range []caller{s.a, s.b} {
			first := who.post(club.path("/visit")).expect(200)
			first.is("/body/counted", true).is("/body/visits", 1)
			if day := first.text("/body/day"); !isToday(day) {
				first.fail("/body/day is %s, which is not today in UTC", day)
			}
			second := who.post(club.path("/visit")).expect(200)
			if second.text("/body/day") != first.text("/body/day") {
				continue // the day has ended between the two
			}
			second.is("/body/counted", false).is("/body/visits", 1)
		}
	}},

	{"SERVERS-MEMBERS-01", "listMembers", "members are listed page by page, those who joined first first", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.enters(club)

		all := s.a.get(club.path("/members")).expect(200).is("/meta/page", 1).is("/meta/limit", 20).is("/meta/total", 2)
		all.keys("/meta", "success", "message", "devMessage", "page", "limit", "total")
		if len(all.list("/body")) != 2 {
			all.stop("%s: want 2 members, got %s", all.what, all.summary())
		}
		all.is("/body/0/id", club.owner)
		if joined := all.each("/body", "joinedAt"); joined[0] > joined[1] {
			all.fail("lists one who joined at %s before one who joined at %s", joined[0], joined[1])
		}
		for page, want := range map[int]any{1: all.at("/body/0"), 2: all.at("/body/1")} {
			one := s.b.get(club.path("/members?limit=1&page=" + strconv.Itoa(page))).expect(200)
			one.is("/meta/page", page).is("/meta/limit", 1).is("/meta/total", 2).is("/body", []any{want})
		}
		for _, query := range []string{"?limit=1&page=3", "?page=2", "?page=100&limit=100"} {
			s.a.get(club.path("/members"+query)).expect(200).is("/meta/total", 2).is("/body", []any{})
		}
	}},

	{"SERVERS-MEMBERS-03", "listMembers", "members are listed by cursor to the last, whoever comes and goes meanwhile", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		members := club.path("/members")
		first := s.a.get(members+"?limit=1").expect(200).is("/body/0/id", club.owner)
		next := members + "?limit=1&cursor=" + first.text("/meta/nextCursor")
		last := s.a.get(next).expect(200).is("/meta/total", 2).is("/meta/page", 1)
		last.keys("/meta", "success", "message", "devMessage", "page", "limit", "total") // no nextCursor: nothing follows
		if number := last.text("/body/0/id"); number == club.owner {
			last.fail("lists the owner again")
		}
		s.a.get(members+"?limit=100").expect(200).keys("/meta", "success", "message", "devMessage", "page", "limit", "total")
		s.b.post(club.path("/leave")).expect(200)
		s.a.get(next).expect(200).is("/body", []any{}).is("/meta/total", 1)
	}},

	{"SERVERS-MEMBERS-04", "listMembers", "a cursor that cannot be is refused, and so is a page beyond the first 10,000 members", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		members := club.path("/members")
		cursor := s.a.get(members + "?limit=1").expect(200).text("/meta/nextCursor")
		for _, odd := range []string{"abc", "x" + cursor, cursor[:len(cursor)-1], cursor + "AAAA"} {
			s.a.get(members+"?cursor="+odd).refuses("query/cursor", "malformed")
		}
		s.a.get(members+"?page=2&cursor="+cursor).refuses("query/page", "not_allowed")
		s.a.get(members+"?page=101&limit=100").refuses("query/page", "too_large")
		s.a.get(members+"?page=1000000&limit=1").refuses("query/page", "too_large")
	}},

	// ------------------------------------------------------------------------------------------ roles and channels

	{"SERVERS-ROLES-01", "listServerRoles", "every server has the role @all, and every member has the role", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.enters(club)
		ids := s.a.get(club.path("")).expect(200).at("/body/roles")
		for _, who := range []caller{s.a, s.b} {
			roles := who.get(club.path("/roles")).expect(200)
			everyone := roles.find("/body", "title", "@all")
			roles.is(everyone+"/serverId", club.id).is(everyone+"/__v", 0)
			roles.is(everyone+"/serverPermissions/server_administrator", false)
			for _, flags := range []string{"/serverPermissions", "/channelPermissions"} {
				for name, flag := range typed[map[string]any](roles, everyone+flags, "an object") {
					if _, ok := flag.(bool); !ok {
						roles.fail("the flag %s is %s, want true or false", name, asJSON(flag))
					}
				}
			}
			if got := roles.each("/body", "_id"); asJSON(got) != asJSON(ids) {
				roles.fail("lists %v, and the server shows %s", got, asJSON(ids))
			}
		}
		members := s.a.get(club.path("/members")).expect(200)
		for i := range members.list("/body") {
			if held := members.list("/body/" + strconv.Itoa(i) + "/roles"); !slices.Contains(held, any("@all")) {
				members.fail("a member has the roles %s, without @all", asJSON(held))
			}
		}
	}},

	{"SERVERS-CHANNELS-01", "listServerChannels", "a new server has no channels, and says so with an empty array", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.get(club.path("/channels")).expect(200).is("/body", []any{})
	}},

	{"SERVERS-REPEAT-01", "createServer", "making a server can be repeated safely, whatever divides the parts of its form", func(s *session) {
		key := unknownID()
		first := s.a.under(key).submit("POST", "/servers", field("name", "Chess club"),
			upload("image", "a.png", "image/png", pngImage())).expect(201)
		s.a.under(key).submit("POST", "/servers", field("name", "Chess club"),
			upload("image", "a.gif", "image/gif", gifImage())).expect(409)
		s.a.under(key).submit("POST", "/servers", field("name", "Chess club")).expect(409)
		s.anonymous.get(first.text("/body/image")).expect(200)
	}},
}

// isToday allows for clocks that are five minutes apart.
func isToday(day string) bool {
	now := time.Now().UTC()
	return day == now.Add(-5*time.Minute).Format(time.DateOnly) || day == now.Add(5*time.Minute).Format(time.DateOnly)
}
