package conformance

import "strings"

// roleRules are the test cases of the tag roles about who may give what.
var roleRules = []testCase{
	{"ROLES-ALL-01", "deleteRole updateRole removeRoleFromUser channels", "@all can be neither deleted nor taken, and keeps its title and order; its permissions may change", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		roles := s.a.get(club.path("/roles")).expect(200)
		everyone := roles.find("/body", "title", "@all")
		id, order := roles.text(everyone+"/_id"), roles.number(everyone+"/order")
		all := object{"title": "@all", "class": "gray", "order": order, "billable": false}

		s.a.delete("/roles/" + id).expect(409)
		s.a.takes(id, number).expect(409)
		s.a.put("/roles/"+id, all.and(object{"title": "everybody"})).expect(409)
		s.a.put("/roles/"+id, all.and(object{"order": order - 1})).expect(409)
		roles.is(everyone, at(s.a.get(club.path("/roles")).expect(200), "_id", id))
		s.a.gives(id, number).expect(200).find("/body", "_id", id)

		channel := object{"topic": "openings", "channelType": "open", "serverId": club.id}
		s.b.post("/channels", channel).expect(403)
		s.a.put("/roles/"+id, all.and(object{"serverPermissions": flags("manage_channels")})).expect(200).
			shows("/body/serverPermissions", "manage_channels")
		s.b.post("/channels", channel).expect(200)
	}},

	{"ROLES-RANK-01", "createRole updateRole deleteRole addRoleToUser removeRoleFromUser", "who manages roles does so below their own highest, with permissions that they have", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		in := object{"serverId": club.id}
		own := s.a.appoints(club, number, 50, "manage_roles", "kick_members")
		higher, equal := s.a.makesRole(club, object{"order": 10}), s.a.makesRole(club, object{"order": 50})
		mighty := s.a.makesRole(club, object{"order": 70, "serverPermissions": flags("ban_members")})
		s.a.gives(s.a.makesRole(club, object{"title": "lower", "order": 80}), number).expect(200)

		role := aRole.and(in).and(object{"order": 60, "serverPermissions": flags("kick_members", "manage_roles")})
		made := "/roles/" + s.b.post("/roles", role).expect(201).text("/body/_id")
		s.b.post("/roles", role.and(object{"order": 51})).expect(201)
		for _, order := range []int{50, 49, 0} {
			s.b.post("/roles", role.and(object{"order": order})).expect(403)
			s.b.put(made, role.and(object{"order": order})).expect(403)
		}
		for _, more := range []object{
			{"serverPermissions": flags("ban_members")},
			{"serverPermissions": flags("kick_members", "server_administrator")},
			{"channelPermissions": flags("delete_messages")},
			{"channelPermissions": flags("allow_mentions", "manage_messages")},
		} {
			s.b.post("/roles", role.and(more)).expect(403)
			s.b.put(made, role.and(more)).expect(403)
		}
		s.b.put(made, role.and(object{"title": "helpers", "order": 90})).expect(200).is("/body/title", "helpers")

		for _, beyond := range []string{own, higher, equal} {
			s.b.put("/roles/"+beyond, role).expect(403)
			s.b.delete("/roles/" + beyond).expect(403)
			s.b.gives(beyond, number).expect(403)
			s.b.gives(beyond, club.owner).expect(403)
			s.b.takes(beyond, number).expect(403)
		}
		s.b.put("/roles/"+mighty, role).expect(403) // as it was, it has a permission that b lacks
		id := strings.TrimPrefix(made, "/roles/")
		s.b.gives(id, club.owner).expect(200)
		s.b.takes(id, club.owner).expect(200)
		s.b.delete(made).expect(200)
		s.a.get("/roles/"+number+"?serverId="+club.id).expect(200).find("/body", "_id", own)
	}},

	{"ROLES-RANK-02", "createRole updateRole deleteRole addRoleToUser removeRoleFromUser", "an administrator stands below nobody", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.appoints(club, number, 50, "server_administrator")
		role := s.b.makesRole(club, object{"order": 1}.and(s.suite.contract.permitting(s.suite.contract.flags()...)))
		s.b.put("/roles/"+role, aRole.and(object{"order": 0})).expect(200)
		s.b.gives(role, number).expect(200)
		s.b.gives(role, club.owner).expect(200)
		s.b.takes(role, club.owner).expect(200)
		s.b.delete("/roles/" + role).expect(200)
	}},

	{"ROLES-SERVER-02", "updateRole", "an update that names another server is refused, and changes nothing", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		role := s.a.makesRole(club, nil)
		before := at(s.a.get(club.path("/roles")).expect(200), "_id", role)
		change := aRole.and(object{"title": "helpers"})
		s.a.put("/roles/"+role, change.and(object{"serverId": other.id})).refuses("/serverId", "")
		after := s.a.get(club.path("/roles")).expect(200)
		after.is(after.find("/body", "_id", role), before)
		s.a.put("/roles/"+role, change.and(object{"serverId": club.id})).expect(200).is("/body/title", "helpers").is("/body/serverId", club.id)
	}},

	{"ROLES-KEY-01", "createRole updateRole deleteRole keys", "an API key with the permission manages the roles of its community", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "roles").caller
		made := key.post("/roles", aRole).expect(201).is("/body/serverId", club.id)
		role := made.text("/body/_id")
		key.put("/roles/"+role, aRole.and(object{"title": "helpers"})).expect(200).is("/body/title", "helpers")
		key.gives(role, number).expect(200).find("/body", "_id", role)
		key.get("/roles/"+number).expect(200).find("/body", "_id", role)
		key.get("/roles/"+number+"?serverId="+club.id).expect(200).find("/body", "_id", role)
		key.takes(role, number).expect(200)
		key.delete("/roles/" + role).expect(200)
	}},

	{"ROLES-KEY-02", "createRole updateRole addRoleToUser removeRoleFromUser deleteRole keys", "an API key makes nobody an administrator, and unmakes none", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "roles").caller
		mighty := s.a.makesRole(club, object{"title": "mighty", "serverPermissions": flags("server_administrator")})
		plain := key.post("/roles", aRole).expect(201).text("/body/_id")
		for _, spelling := range []string{"serverPermissions", "server_permissions"} {
			role := aRole.and(object{spelling: flags("server_administrator")})
			key.post("/roles", role).expect(403)
			key.put("/roles/"+plain, role).expect(403)
		}
		key.gives(mighty, number).expect(403)
		key.gives(plain, number).expect(200)
		s.b.submit("PUT", club.path(""), field("name", "Go club")).expect(403)
		s.a.gives(mighty, number).expect(200)
		key.takes(mighty, number).expect(403)
		key.put("/roles/"+mighty, aRole).expect(403)
		key.delete("/roles/" + mighty).expect(403)
		s.b.submit("PUT", club.path(""), field("name", "Go club")).expect(200)
	}},
}
