package conformance

import (
	"slices"
	"strconv"
	"strings"
)

// audit are the test cases of the tag audit.
var audit = []testCase{
	{"AUDIT-LIST-01", "listAudit channels roles badges keys", "the audit trail shows who changed what, the latest first", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.makesRole(club, nil)
		badge := s.a.makesBadge(club, nil)
		for range 2 { // the second time changes nothing, so there is nothing to show
			s.a.gives(role, number).expect(200)
			s.a.awards(badge, number).expect(200)
		}
		channel := s.a.makesChannel(club, "open", nil)
		key := s.a.makesKey(club, "channels")
		byKey := key.post("/channels", object{"topic": "by key", "channelType": "open"}).expect(200).text("/body/_id")
		s.a.put("/roles/"+role, aRole.and(object{"title": "helpers"})).expect(200)
		s.a.delete("/channels/" + channel).expect(200)
		s.a.submit("PUT", club.path(""), field("name", "Go club")).expect(200)
		s.b.post(club.path("/leave")).expect(200)

		ofA, ofB, ofKey := object{"type": "account", "id": club.owner}, object{"type": "account", "id": number}, object{"type": "key", "id": key.id}
		want := []struct {
			action string
			actor  object
			target string // empty: not looked at
			change string // what there is of before and after
		}{
			{"member.leave", ofB, number, ""},
			{"server.update", ofA, club.id, "both"},
			{"channel.delete", ofA, channel, "before"},
			{"role.update", ofA, role, "both"},
			{"channel.create", ofKey, byKey, "after"},
			{"key.create", ofA, key.id, "after"},
			{"channel.create", ofA, channel, "after"},
			{"badge.award", ofA, "", ""},
			{"role.add", ofA, "", ""},
			{"badge.create", ofA, badge, "after"},
			{"role.create", ofA, role, "after"},
			{"member.join", ofB, number, ""},
			{"server.create", ofA, club.id, "after"},
		}
		trail := s.a.get(club.path("/audit?limit=100")).expect(200).says("Audit trail")
		trail.keys("", "meta", "body").keys("/meta", "success", "message", "devMessage", "page", "limit", "total")
		trail.is("/meta/total", len(trail.list("/body"))).is("/meta/page", 1).is("/meta/limit", 100)
		// There may be more than these: what follows from a change, such as the role @all of a new server.
		at, last := 0, ""
		for i := range trail.list("/body") {
			entry := "/body/" + strconv.Itoa(i)
			if moment := trail.text(entry + "/at"); last != "" && moment > last {
				trail.fail("%s is later than the entry before it", entry)
			}
			last = trail.text(entry + "/at")
			if at == len(want) || trail.text(entry+"/action") != want[at].action ||
				want[at].target != "" && trail.text(entry+"/target") != want[at].target {
				continue
			}
			trail.is(entry+"/actor", want[at].actor)
			for state, exists := range map[string]bool{"before": want[at].change != "after", "after": want[at].change != "before"} {
				if want[at].change != "" && (trail.at(entry+"/"+state) != nil) != exists {
					trail.fail("%s (%s): whether there is a state %s must be %v", entry, want[at].action, state, exists)
				}
			}
			at++
		}
		if at < len(want) {
			trail.fail("no entry %s with the target %q where it belongs, in %v", want[at].action, want[at].target, trail.each("/body", "action"))
		}
		actions := trail.each("/body", "action")
		for _, once := range []string{"role.add", "badge.award"} {
			if i := slices.Index(actions, once); slices.Contains(actions[i+1:], once) {
				trail.fail("has a second entry %s for what changed nothing", once)
			}
		}
		for name, secret := range map[string]string{"the key": key.whole, "a token": s.suite.target.A, "another token": s.suite.target.B} {
			if strings.Contains(string(trail.raw), secret) {
				trail.fail("shows %s", name)
			}
		}
	}},

	{"AUDIT-LIST-02", "listAudit roles", "the audit trail shows a thing as it was and as it became", func(s *session) {
		club := s.a.makesServer("Chess club")
		role := s.a.makesRole(club, nil)
		s.a.put("/roles/"+role, aRole.and(object{"title": "helpers", "order": 20})).expect(200)
		trail := s.a.get(club.path("/audit")).expect(200)
		made, changed := trail.find("/body", "action", "role.create"), trail.find("/body", "action", "role.update")
		trail.is(made+"/before", nil).has(made+"/after", object{"title": "moderators", "order": 10})
		trail.has(changed+"/before", object{"title": "moderators", "order": 10})
		trail.has(changed+"/after", object{"title": "helpers", "order": 20})
	}},

	{"AUDIT-LIST-03", "listAudit roles", "the audit trail is read page by page, by the owner and administrators", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.get(club.path("/audit")).expect(404)
		number := s.b.joins(club)
		s.b.get(club.path("/audit")).expect(403)
		s.a.appoints(club, number, 50, "manage_roles", "manage_channels")
		s.b.get(club.path("/audit")).expect(403)
		s.a.appoints(club, number, 40, "server_administrator")

		all := s.b.get(club.path("/audit")).expect(200).is("/meta/page", 1).is("/meta/limit", 20)
		entries := all.list("/body")
		if len(entries) < 6 {
			all.stop("%s: want an entry for each of six changes, got %s", all.what, all.summary())
		}
		for i, entry := range entries {
			one := s.a.get(club.path("/audit?limit=1&page=" + strconv.Itoa(i+1))).expect(200)
			one.is("/meta/total", len(entries)).is("/meta/limit", 1).is("/meta/page", i+1).is("/body", []any{entry})
		}
		for i, next := 0, club.path("/audit?limit=1"); i < len(entries); i++ {
			one := s.a.get(next).expect(200).is("/meta/total", len(entries)).is("/body", []any{entries[i]})
			if i < len(entries)-1 {
				next = club.path("/audit?limit=1&cursor=" + one.text("/meta/nextCursor"))
			} else {
				one.keys("/meta", "success", "message", "devMessage", "page", "limit", "total")
			}
		}
		ofMembers := s.a.get(club.path("/members?limit=1")).expect(200).text("/meta/nextCursor")
		for _, odd := range []string{"abc", ofMembers} {
			s.a.get(club.path("/audit?cursor="+odd)).refuses("query/cursor", "malformed")
		}
		s.a.get(club.path("/audit?page=101&limit=100")).refuses("query/page", "too_large")
		s.a.get(club.path("/audit?page=100&limit=100")).expect(200).is("/body", []any{}).is("/meta/total", len(entries))
		s.a.get(club.path("/audit?limit=0")).refuses("query/limit", "too_small")
		s.a.get(club.path("/audit?page=0")).refuses("query/page", "too_small")
	}},

	{"AUDIT-LIST-05", "listAudit roles badges", "where a role or a badge was given or taken, the entry names it and the user", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role, badge := s.a.makesRole(club, nil), s.a.makesBadge(club, nil)
		s.a.gives(role, number).expect(200)
		s.a.takes(role, number).expect(200)
		s.a.awards(badge, number).expect(200)
		s.a.post("/badges/"+badge+"/remove", object{"userId": number}).expect(200)
		trail := s.a.get(club.path("/audit")).expect(200)
		for action, want := range map[string]struct{ target, user string }{
			"role.add": {role, "/after/userId"}, "role.remove": {role, "/before/userId"},
			"badge.award": {badge, "/after/userId"}, "badge.remove": {badge, "/before/userId"},
		} {
			entry := trail.find("/body", "action", action)
			trail.is(entry+"/target", want.target).is(entry+want.user, number)
		}
	}},

	{"AUDIT-LIST-06", "listAudit channels", "of a direct channel the audit trail shows neither topic nor description", func(s *session) {
		club := s.a.makesServer("Chess club")
		secret := object{"topic": "about ben", "description": "what nobody else may read"}
		channel := s.a.makesChannel(club, "direct", secret)
		s.a.put("/channels/"+channel, secret.and(object{"channelType": "direct", "topic": "about anna"})).expect(200)
		s.a.delete("/channels/" + channel).expect(200)
		trail := s.a.get(club.path("/audit")).expect(200)
		for _, action := range []string{"channel.create", "channel.update", "channel.delete"} {
			trail.is(trail.find("/body", "action", action)+"/target", channel)
		}
		for _, text := range []string{"about ben", "about anna", "what nobody else may read"} {
			if strings.Contains(string(trail.raw), text) {
				trail.fail("shows %q, which stands in a direct channel", text)
			}
		}
	}},

	{"AUDIT-LIST-07", "listAudit keys roles", "the audit trail tells who has adopted an API key, and from whom", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.appoints(club, number, 50, "server_administrator")
		made := s.b.post(club.keysPath(""), object{"name": "shop", "permissions": []string{"channels"}}).expect(201)
		s.a.put(club.keysPath("/"+made.text("/data/_id")), object{"adopt": true}).expect(200)
		trail := s.a.get(club.path("/audit")).expect(200)
		trail.is("/body/0/action", "key.update").is("/body/0/actor", object{"type": "account", "id": club.owner})
		trail.is("/body/0/before/userId", plain(number)).is("/body/0/after/userId", plain(club.owner))
	}},

	{"AUDIT-DELETED-01", "listAudit deleteServer roles", "the audit trail of a deleted server is there for who has deleted it, and for nobody else", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.appoints(club, number, 50, "server_administrator")
		before := s.b.get(club.path("/audit?limit=100")).expect(200)
		s.a.delete(club.path("")).expect(200)
		s.b.get(club.path("/audit")).expect(404)
		s.anonymous.get(club.path("/audit")).expect(401)
		trail := s.a.get(club.path("/audit?limit=100")).expect(200).says("Audit trail")
		trail.is("/meta/total", len(before.list("/body"))+1)
		trail.is("/body/0/action", "server.delete").is("/body/0/actor", object{"type": "account", "id": club.owner})
		trail.is("/body/0/target", club.id).has("/body/0/before", object{"name": "Chess club"}).is("/body/0/after", nil)
		for i, entry := range before.list("/body") {
			trail.is("/body/"+strconv.Itoa(i+1), entry)
		}
		page := s.a.get(club.path("/audit?limit=1")).expect(200).is("/body", []any{trail.at("/body/0")})
		s.a.get(club.path("/audit?limit=1&cursor="+page.text("/meta/nextCursor"))).expect(200).is("/body", []any{trail.at("/body/1")})
	}},
}
