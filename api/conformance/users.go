package conformance

// manages deletes b from the server of a scene, or restores b, with a key.
func (x *scene) manages(action string) *answer {
	return x.a.makesKey(x.server, "manageUser").manages(action, x.number).expect(200)
}

func (k key) manages(action, user string) *answer {
	return k.post("/apis/v1/users/manage", object{"action": action, "user": user})
}

// users are the test cases of the tag users.
var users = []testCase{
	{"USERS-MANAGE-01", "manageUser keys", "who was deleted is a stranger and in no list, and is one of them again once restored, since when they were", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "manageUser")
		before := s.a.get(club.path("/members")).expect(200)
		gone := key.manages("delete", number).expect(200).says("User has been deleted successfully")
		gone.is("", object{"status": "success", "message": "User has been deleted successfully", "data": object{"action": "delete", "user": number}})
		s.b.get(club.path("")).expect(404)
		s.b.post(club.path("/leave")).expect(404)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 1)
		key.manages("delete", number).expect(404)

		key.manages("restore", number).expect(200).says("User has been restored successfully").is("/data", object{"action": "restore", "user": number})
		s.b.get(club.path("")).expect(200)
		s.a.get(club.path("/members")).expect(200).is("/body", before.at("/body"))
		key.manages("restore", number).expect(409)
	}},

	{"USERS-MANAGE-02", "manageUser joinServer keys invites", "who was deleted does not come back by joining, not even with an invite", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "manageUser")
		key.manages("delete", number).expect(200)
		s.b.post(club.path("/join")).expect(403)
		invite := s.a.invites(club, object{"uses": 1})
		s.b.comes(club, invite.text("/body/code")).expect(403)
		s.a.get(club.path("/invites")).expect(200).is("/body/0/remaining", 1)
		s.lets("invite", club)
		s.b.post(club.path("/join")).expect(404)
		key.manages("restore", number).expect(200)
		s.b.post(club.path("/join")).expect(409)
	}},

	{"USERS-MANAGE-03", "manageUser keys roles badges channels", "restoring brings back roles, badges, points and channels, and nothing that was deleted meanwhile", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "manageUser")
		kept, gone := s.a.makesRole(club, object{"title": "kept"}), s.a.makesRole(club, object{"title": "gone"})
		s.a.gives(kept, number).expect(200)
		s.a.gives(gone, number).expect(200)
		badge := s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 50})
		s.a.awards(badge, number).expect(200)
		room := s.a.makesChannel(club, "private", object{"members": []string{number}})
		has := func() (roles, badges, balance any) {
			return s.a.get("/roles/" + number + "?serverId=" + club.id).expect(200).at("/body"),
				s.a.awards(badge, number).expect(200).at("/body"), s.a.get(club.path("/members/" + number + "/balance")).expect(200).at("/body")
		}
		roles, badges, balance := has()

		key.manages("delete", number).expect(200)
		s.a.get("/roles/" + number + "?serverId=" + club.id).expect(404)
		s.a.get(club.path("/members/" + number + "/balance")).expect(404)
		s.a.awards(badge, number).expect(404)
		key.manages("restore", number).expect(200)
		nowRoles, nowBadges, nowBalance := has()
		for _, same := range [][2]any{{roles, nowRoles}, {badges, nowBadges}, {balance, nowBalance}} {
			if asJSON(same[0]) != asJSON(same[1]) {
				s.fail("restored is %s, and it was %s", asJSON(same[1]), asJSON(same[0]))
			}
		}
		s.b.get(club.path("/channels")).expect(200).find("/body", "_id", room)

		key.manages("delete", number).expect(200)
		s.a.delete("/roles/" + gone).expect(200)
		key.manages("restore", number).expect(200)
		left := s.a.get("/roles/" + number + "?serverId=" + club.id).expect(200)
		left.find("/body", "_id", kept)
		for _, id := range left.each("/body", "_id") {
			if id == gone {
				left.fail("has a role that was deleted")
			}
		}
	}},

	{"USERS-MANAGE-04", "manageUser keys roles", "an API key makes nobody an administrator by restoring them, and deletes no owner", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "manageUser")
		s.a.appoints(club, number, 0, administrator)
		s.b.get(club.path("/settings")).expect(200)
		key.manages("delete", number).expect(200)
		key.manages("restore", number).expect(200)
		s.b.get(club.path("/settings")).expect(403)
		key.manages("delete", club.owner).expect(409)
		s.a.get(club.path("")).expect(200)
	}},

	{"USERS-MANAGE-05", "manageUser keys", "who is no member, and who has left, is found neither to be deleted nor to be restored", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "manageUser")
		number := s.b.joins(club)
		s.b.post(club.path("/leave")).expect(200)
		for _, name := range []string{number, "0" + number, unknownNumber, "0", unknownID(), "nobody", "nobody@example.com", "@", "Ada Doe", "' OR 1=1 --"} {
			for _, action := range []string{"delete", "restore"} {
				key.manages(action, name).expect(404)
			}
		}
	}},
}
