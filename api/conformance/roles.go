package conformance

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// aRole is the least that a role is made from.
var aRole = object{"title": "moderators", "class": "blue", "order": 10, "billable": false}

// flags are the named ones as a request sets them.
func flags(names ...string) object {
	set := object{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// shows wants every flag in a container, those that are named true and all others false.
func (a *answer) shows(container string, set ...string) *answer {
	for _, name := range a.suite.contract.flagsIn(path.Base(container)) {
		a.is(container+"/"+name, slices.Contains(set, name))
	}
	return a
}

// lets says who gets into a server of a's: "open", "invite" or "closed".
func (s *session) lets(joining string, club club) {
	s.a.write("PATCH", club.path("/settings"), object{"joining": joining}).expect(200)
}

// enters makes the caller a member of a server of a's, which is open then.
func (c caller) enters(club club) *answer {
	if _, open := c.open.LoadOrStore(club.id, true); !open {
		c.lets("open", club)
	}
	return c.post(club.path("/join")).expect(200)
}

// joins makes the caller the newest member of a server of a's that has few, and returns the caller's number.
func (c caller) joins(club club) (number string) {
	c.enters(club)
	members := c.get(club.path("/members?limit=100")).expect(200)
	return members.text(fmt.Sprintf("/body/%d/id", len(members.list("/body"))-1))
}

// makesRole makes a role from aRole with changes.
func (c caller) makesRole(club club, changes object) (id string) {
	return c.post("/roles", aRole.and(object{"serverId": club.id}).and(changes)).expect(201).text("/body/_id")
}

// gives gives a role to a user.
func (c caller) gives(role, user string) *answer {
	return c.post("/roles/"+role+"/add", object{"userId": user})
}

// takes takes a role from a user.
func (c caller) takes(role, user string) *answer {
	return c.post("/roles/"+role+"/remove", object{"userId": user})
}

// appoints makes somebody who has joined a member with permissions, through a role of an order.
func (c caller) appoints(club club, user string, order int, permissions ...string) (role string) {
	role = c.makesRole(club, object{"title": "appointed", "order": order}.and(c.suite.contract.permitting(permissions...)))
	c.gives(role, user).expect(200)
	return role
}

// everyone is the role @all of a server that the caller is in.
func (c caller) everyone(club club) object {
	role, _ := at(c.get(club.path("/roles")).expect(200), "title", "@all").(map[string]any)
	return role
}

// bares takes every permission from @all.
func (c caller) bares(club club) {
	role := c.everyone(club)
	c.put(fmt.Sprint("/roles/", role["_id"]), object{"class": role["class"], "order": role["order"], "billable": role["billable"]}).expect(200)
}

// roles are the test cases of the tag roles.
var roles = []testCase{
	{"ROLES-CREATE-01", "createRole", "a role is made under the documented names, and shows every flag", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post("/roles", object{
			"title": "moderators", "class": "blue", "order": 10, "billable": false, "description": "Keep the peace",
			"serverPermissions":  object{"kick_members": true, "warn_members": true, "ban_members": false},
			"channelPermissions": object{"delete_messages": true, "share_Attachments": true},
			"serverId":           club.id,
		}).expect(201).says("Role has been created successfully")
		made.has("/body", object{
			"title": "moderators", "class": "blue", "order": 10, "billable": false, "description": "Keep the peace",
			"serverId": club.id, "__v": 0,
		})
		made.shows("/body/serverPermissions", "kick_members", "warn_members")
		made.shows("/body/channelPermissions", "delete_messages", "share_Attachments")

		listed := s.a.get(club.path("/roles")).expect(200)
		listed.is(listed.find("/body", "_id", made.text("/body/_id")), made.at("/body"))
	}},

	{"ROLES-SPELLING-01", "createRole updateRole", "the older spelling of the permissions is read as the newer", func(s *session) {
		club := s.a.makesServer("Chess club")
		older := aRole.and(object{
			"server_permissions":  flags("overwrite_language", "broadcast_messages"),
			"channel_permissions": flags("pinable", "post_analysis"),
			"serverId":            club.id,
		})
		made := s.a.post("/roles", older).expect(201)
		path := "/roles/" + made.text("/body/_id")
		for _, a := range []*answer{made, s.a.put(path, older).expect(200)} {
			a.shows("/body/serverPermissions", "overwrite_language_settings", "broadcast_messages")
			a.shows("/body/channelPermissions", "pinable", "post_analysis")
		}
		delete(older, "server_permissions")
		mixed := s.a.put(path, older.and(object{"serverPermissions": flags("overwrite_language_settings")})).expect(200)
		mixed.shows("/body/serverPermissions", "overwrite_language_settings")
		mixed.shows("/body/channelPermissions", "pinable", "post_analysis")
	}},

	{"ROLES-SPELLING-02", "createRole updateRole", "permissions in both spellings at once are refused, and so is a flag of the other one", func(s *session) {
		club := s.a.makesServer("Chess club")
		path := "/roles/" + s.a.makesRole(club, nil)
		for _, to := range []func(object) *answer{
			func(role object) *answer { return s.a.post("/roles", role.and(object{"serverId": club.id})) },
			func(role object) *answer { return s.a.put(path, role) },
		} {
			both := aRole.and(object{"serverPermissions": flags("allow_dm"), "server_permissions": flags("allow_dm")})
			to(both).expect(400).is("/body/code", "invalid_request")
			both = aRole.and(object{"channelPermissions": flags("pinable"), "channel_permissions": flags("pinable")})
			to(both).expect(400).is("/body/code", "invalid_request")
			to(aRole.and(object{"serverPermissions": flags("overwrite_language")})).
				refuses("/serverPermissions/overwrite_language", "unknown")
			to(aRole.and(object{"server_permissions": flags("overwrite_language_settings")})).
				refuses("/server_permissions/overwrite_language_settings", "unknown")
		}
	}},

	{"ROLES-UPDATE-01", "updateRole", "an update replaces a role: flags that are left out are false", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post("/roles", aRole.and(object{
			"serverPermissions": flags("kick_members", "ban_members"), "channelPermissions": flags("pinable"), "serverId": club.id,
		})).expect(201)
		path := "/roles/" + made.text("/body/_id")
		time.Sleep(aMoment)
		updated := s.a.put(path, object{
			"title": "helpers", "class": "#ff0000", "order": 20, "billable": true, "serverPermissions": flags("ban_members"),
		}).expect(200).says("Role has been updated successfully")
		updated.has("/body", object{
			"title": "helpers", "class": "#ff0000", "order": 20, "billable": true, "_id": made.at("/body/_id"),
			"serverId": club.id, "createdAt": made.at("/body/createdAt"),
		})
		updated.shows("/body/serverPermissions", "ban_members").shows("/body/channelPermissions")
		updated.moves("/body/updatedAt", made)
		listed := s.a.get(club.path("/roles")).expect(200)
		listed.is(listed.find("/body", "_id", made.text("/body/_id")), updated.at("/body"))
	}},

	{"ROLES-TITLE-01", "updateRole", "an update that leaves the title out keeps it, also that of @all", func(s *session) {
		club := s.a.makesServer("Chess club")
		update := object{"class": "blue", "order": 2, "billable": false, "serverPermissions": flags("kick_members")}
		updated := s.a.put("/roles/"+s.a.makesRole(club, object{"title": "Manager 2"}), update).expect(200)
		updated.has("/body", object{"title": "Manager 2", "class": "blue", "order": 2})

		all := s.a.everyone(club)
		update = object{"class": "blue", "order": all["order"], "billable": false}
		s.a.put(fmt.Sprint("/roles/", all["_id"]), update).expect(200).has("/body", object{"title": "@all", "class": "blue"})
	}},

	{"ROLES-ORDER-01", "listServerRoles", "roles are listed the highest first, and a server shows them in that order", func(s *session) {
		club := s.a.makesServer("Chess club")
		for _, order := range []int{500, 3, 9999, 0, 42} {
			s.a.makesRole(club, object{"title": "of order " + strconv.Itoa(order), "order": order})
		}
		listed := s.a.get(club.path("/roles")).expect(200)
		titles := []string{"of order 0", "of order 3", "of order 42", "of order 500", "of order 9999", "@all"}
		if got := listed.each("/body", "title"); !slices.Equal(got, titles) {
			listed.fail("lists %q, want %q", got, titles)
		}
		s.a.get(club.path("")).expect(200).is("/body/roles", listed.each("/body", "_id"))
	}},

	// ------------------------------------------------------------------------------------------------- who has which

	{"ROLES-USER-01", "listUserRoles", "a user's roles are listed by the user's number, the highest first, @all among them", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		low, high := s.a.makesRole(club, object{"title": "low", "order": 20}), s.a.makesRole(club, object{"title": "high", "order": 10})
		s.a.gives(low, number).expect(200)
		s.a.gives(high, number).expect(200)
		for _, who := range []caller{s.a, s.b} {
			roles := who.get("/roles/" + number + "?serverId=" + club.id).expect(200).says("User roles fetched successfully")
			if got := roles.each("/body", "title"); !slices.Equal(got, []string{"high", "low", "@all"}) {
				roles.fail("lists %q, want [high low @all]", got)
			}
			roles.is("/body/0", at(who.get(club.path("/roles")).expect(200), "_id", high))
			owner := who.get("/roles/" + club.owner + "?serverId=" + club.id).expect(200)
			if got := owner.each("/body", "title"); !slices.Equal(got, []string{"@all"}) {
				owner.fail("the owner has the roles %q, want @all and no other", got)
			}
		}
	}},

	{"ROLES-USER-02", "listUserRoles", "the roles of a user who is not there are not found, and a number that is none is refused", func(s *session) {
		club, empty := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		number := s.b.joins(club)
		in := "?serverId=" + club.id
		s.a.get("/roles/" + number + in).expect(200)
		s.a.get("/roles/" + unknownNumber + in).expect(404)
		s.a.get("/roles/" + number + "?serverId=" + empty.id).expect(404)
		s.a.get("/roles/" + number + "?serverId=" + unknownID()).expect(404)
		s.b.get("/roles/" + number + "?serverId=" + empty.id).expect(404)
		for _, odd := range []string{"0", "-1", "1.5", "vera", "02", unknownID() + "x", strings.Repeat("1", 20)} {
			s.a.get("/roles/"+odd+in).refuses("path/id", "")
		}
		s.a.get("/roles/"+number+"?serverId=nope").refuses("query/serverId", "")
	}},

	{"ROLES-GIVE-01", "addRoleToUser removeRoleFromUser", "a role is given and taken; doing it twice changes nothing", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.makesRole(club, nil)
		titles := func(a *answer, want ...string) {
			if got := a.each("/body", "title"); !slices.Equal(got, want) {
				a.fail("the user has the roles %q, want %q", got, want)
			}
			members := s.b.get(club.path("/members")).expect(200)
			members.is(members.find("/body", "id", number)+"/roles", want)
		}
		for range 2 {
			titles(s.a.gives(role, number).expect(200).says("Role has been added successfully"), "moderators", "@all")
		}
		for range 2 {
			titles(s.a.takes(role, number).expect(200).says("Role has been removed successfully"), "@all")
		}
		titles(s.a.gives(role, number).expect(200), "moderators", "@all")
	}},

	{"ROLES-GIVE-02", "addRoleToUser", "a role is given to members only, and only one that is there", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		number := s.b.joins(other)
		role := s.a.makesRole(club, nil)
		for _, deed := range []string{"/add", "/remove"} {
			s.a.post("/roles/"+role+deed, object{"userId": number}).expect(404)
			s.a.post("/roles/"+role+deed, object{"userId": unknownNumber}).expect(404)
			s.a.post("/roles/"+unknownID()+deed, object{"userId": club.owner}).expect(404)
			s.a.post("/roles/"+role+deed, object{}).refuses("/userId", "required")
			s.a.post("/roles/"+role+deed, object{"userId": 2}).refuses("/userId", "wrong_type")
			s.a.post("/roles/"+role+deed, object{"userId": "vera"}).refuses("/userId", "wrong_format")
			s.a.post("/roles/not-an-id"+deed, object{"userId": number}).refuses("path/id", "")
		}
	}},

	{"ROLES-DELETE-01", "deleteRole channels", "a role that is deleted is taken from everybody", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.appoints(club, number, 10, "manage_channels")
		channel := object{"topic": "openings", "channelType": "open", "serverId": club.id}
		s.b.post("/channels", channel).expect(200)

		s.a.delete("/roles/"+role).expect(200).is("/body", object{}).
			says("Role has been deleted successfully")
		s.a.delete("/roles/" + role).expect(404)
		s.a.put("/roles/"+role, aRole).expect(404)
		if got := s.a.get("/roles/"+number+"?serverId="+club.id).expect(200).each("/body", "title"); !slices.Equal(got, []string{"@all"}) {
			s.fail("somebody has the roles %q, want @all and not the deleted one", got)
		}
		members := s.a.get(club.path("/members")).expect(200)
		members.is(members.find("/body", "id", number)+"/roles", []string{"@all"})
		if ids := s.a.get(club.path("/roles")).expect(200).each("/body", "_id"); slices.Contains(ids, role) {
			s.fail("a deleted role is still listed")
		}
		s.b.post("/channels", channel).expect(403)
	}},

	{"ROLES-LEAVE-01", "listUserRoles", "who leaves a server and comes back has only @all", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.appoints(club, number, 10, "server_administrator")
		s.b.submit("PUT", club.path(""), field("name", "Go club")).expect(200)
		s.b.post(club.path("/leave")).expect(200)
		s.a.get("/roles/" + number + "?serverId=" + club.id).expect(404)
		s.b.joins(club)
		if got := s.a.get("/roles/"+number+"?serverId="+club.id).expect(200).each("/body", "title"); !slices.Equal(got, []string{"@all"}) {
			s.fail("somebody who came back has the roles %q, want @all", got)
		}
		s.b.submit("PUT", club.path(""), field("name", "Shogi club")).expect(403)
	}},
}

// at is the item of the body of a list whose member has a value.
func at(list *answer, member, value string) any {
	return list.at(list.find("/body", member, value))
}
