package conformance

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
)

// makesUser makes a user of a server with a key.
func (k key) makesUser(changes object) *answer {
	return k.post("/apis/v1/users", aUser().and(changes))
}

// aUser is the least that a user is made from.
func aUser() object {
	return object{"firstname": "Ada", "lastname": "Doe", "username": "conf-" + unknownID(), "displayname": "Ada Doe", "email": freshEmail()}
}

// user is a part of a user whom a key has made in the server of a scene.
func (x *scene) user(part string) string {
	if x.made == nil {
		made := x.a.makesKey(x.server, "createUser").makesUser(nil).expect(201)
		x.made = typed[map[string]any](made, "/data", "an object")
	}
	return fmt.Sprint(x.made[part])
}

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

	{"USERS-MANAGE-04", "manageUser keys roles", "an API key makes nobody an administrator by restoring them, and deletes neither one nor the owner", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "manageUser")
		rank := s.a.appoints(club, number, 0, administrator)
		s.b.get(club.path("/settings")).expect(200)
		key.manages("delete", number).expect(403)
		s.b.get(club.path("/settings")).expect(200)
		s.a.takes(rank, number).expect(200)
		helper := s.a.appoints(club, number, 1, "manage_roles")
		key.manages("delete", number).expect(200)
		s.a.put("/roles/"+helper, object{"title": "rulers", "class": "red", "order": 1, "billable": false}.and(s.suite.contract.permitting(administrator))).expect(200)
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

	{"USERS-CREATE-01", "createUser keys", "a user is made under the documented names and is a member; what somebody has is a conflict", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser")
		in := aUser()
		made := key.post("/apis/v1/users", in.and(object{"email": strings.ToUpper(fmt.Sprint(in["email"]))})).expect(201).says("User created successfully")
		made.keys("", "status", "message", "data").keys("/data", "_id", "userId", "username", "email", "displayName", "joined")
		made.has("/data", object{"username": in["username"], "email": in["email"], "displayName": "Ada Doe", "joined": true})
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 2).find("/body", "_id", made.text("/data/_id"))
		key.makesUser(object{"email": in["email"]}).expect(409)
		key.makesUser(object{"username": in["username"]}).expect(409)
		key.makesUser(object{"communityId": unknownID()}).expect(404)
		key.makesUser(object{"communityId": club.id}).expect(201)
	}},

	{"USERS-CREATE-02", "createUser keys", "a password comes twice, with a special character, and is not the user name", func(s *session) {
		key := s.a.makesKey(s.a.makesServer("Chess club"), "createUser")
		for pointer, in := range map[string]object{
			"/confirmPassword":  {"password": "StrongPass1!", "confirmPassword": "StrongPass2!"},
			"/confirmPassword ": {"password": "StrongPass1!"},
			"/password":         {"confirmPassword": "StrongPass1!"},
			"/password ":        {"password": "StrongPass1", "confirmPassword": "StrongPass1"},
			"/password  ":       {"username": "ada.lovelace", "password": "Ada.Lovelace", "confirmPassword": "Ada.Lovelace"},
		} {
			key.makesUser(in).refuses(strings.TrimSpace(pointer), "")
		}
		key.makesUser(object{"password": "StrongPass1!", "confirmPassword": "StrongPass1!"}).expect(201)
	}},

	{"USERS-CREATE-03", "mail createUser auth keys", "a password that was given works only once the mailed code was, and with it", func(s *session) {
		key := s.a.makesKey(s.a.makesServer("Chess club"), "createUser")
		in := aUser().and(object{"password": "StrongPass1!", "confirmPassword": "StrongPass1!", "sendEmail": true})
		key.post("/apis/v1/users", in).expect(201)
		signIn := object{"email": in["email"], "password": "StrongPass1!"}
		s.anonymous.post("/auth/login", signIn).expect(403)
		verified := s.anonymous.post("/auth/verify-email", signIn.and(object{"code": s.code(fmt.Sprint(in["email"]))})).expect(200)
		verified.is("/body/account/verified", true).is("/body/account/username", in["username"])
		s.anonymous.post("/auth/login", signIn).expect(200)
	}},

	{"USERS-CREATE-04", "mail createUser auth keys", "who has the mailed code decides on the password, and not who has made the account", func(s *session) {
		key := s.a.makesKey(s.a.makesServer("Chess club"), "createUser")
		for _, how := range []string{"verify-email", "reset-password"} {
			in := aUser().and(object{"password": "Planted1!", "confirmPassword": "Planted1!"})
			email := fmt.Sprint(in["email"])
			key.post("/apis/v1/users", in.and(object{"sendEmail": true, "emailPassword": how == "reset-password"})).expect(201)
			proof := object{"email": email, "code": s.code(email)}
			if how == "reset-password" {
				proof["password"] = "my own passphrase"
			}
			opened := s.anonymous.post("/auth/"+how, proof).expect(200)
			s.anonymous.post("/auth/login", object{"email": email, "password": "Planted1!"}).expect(401)
			s.as(opened.text("/body/token")).get("/servers").expect(200).is("/body/0/name", "Chess club")
		}
	}},

	{"USERS-CREATE-05", "createUser updateAccessLevels listAccessLevels keys roles", "an access level gives its role, and none that an API key may not give", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser")
		helper, ruler := s.a.makesRole(club, object{"title": "helpers"}), s.a.makesRole(club, s.suite.contract.permitting(administrator))
		levels := object{"accessLevels": []any{object{"level": 7, "roleId": ruler}, object{"level": 1, "roleId": helper}}}
		sorted := []any{object{"level": 1, "roleId": helper}, object{"level": 7, "roleId": ruler}}
		s.a.get(club.path("/access-levels")).expect(200).says("Access levels").is("/body", []any{})
		s.a.put(club.path("/access-levels"), levels).expect(200).says("Access levels have been updated successfully").is("/body", sorted)
		s.a.get(club.path("/access-levels")).expect(200).is("/body", sorted)

		made := key.makesUser(object{"accessLevel": 1}).expect(201)
		s.a.get("/roles/"+made.text("/data/userId")+"?serverId="+club.id).expect(200).find("/body", "_id", helper)
		key.makesUser(object{"accessLevel": 2}).refuses("/accessLevel", "not_allowed")
		key.makesUser(object{"accessLevel": 1, "joinServer": false}).refuses("/accessLevel", "not_allowed")
		key.makesUser(object{"accessLevel": 7}).expect(403)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 2)

		s.a.delete("/roles/" + helper).expect(200)
		key.makesUser(object{"accessLevel": 1}).refuses("/accessLevel", "not_allowed")
		everyone := fmt.Sprint(s.a.everyone(club)["_id"])
		for pointer, wrong := range map[string][]any{
			"/accessLevels/1/level":  {object{"level": 1, "roleId": ruler}, object{"level": 1, "roleId": ruler}},
			"/accessLevels/0/roleId": {object{"level": 1, "roleId": everyone}},
			"/accessLevels/1/roleId": {object{"level": 1, "roleId": ruler}, object{"level": 2, "roleId": unknownID()}},
		} {
			s.a.put(club.path("/access-levels"), object{"accessLevels": wrong}).refuses(pointer, "")
		}
		s.a.get(club.path("/access-levels")).expect(200).is("/body", []any{object{"level": 7, "roleId": ruler}})
	}},

	{"USERS-CREATE-06", "createUser getUserData keys", "a user who does not join is no member, and a referral must be one", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		outside := key.makesUser(object{"joinServer": false, "customFields": []any{}}).expect(201).is("/data/joined", false)
		info := func(name string) *answer { return key.post("/apis/v1/users/info", object{"idOrEmail": name}) }
		info(outside.text("/data/email")).expect(404)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 1)
		key.makesUser(object{"referral": outside.text("/data/username")}).refuses("/referral", "not_allowed")
		key.makesUser(object{"referral": club.owner}).expect(201)
		key.makesUser(object{"externalId": "CUS-001"}).refuses("/externalId", "")
	}},

	{"USERS-INFO-01", "getUserData createUser visitServer keys auth", "what is known of a member is the same by every name of theirs", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		made := key.makesUser(object{"displayname": "Ada"}).expect(201)
		info := func(name string) *answer {
			return key.post("/apis/v1/users/info", object{"idOrEmail": name}).expect(200)
		}
		first := info(made.text("/data/_id")).keys("", "status", "data")
		first.has("/data", object{
			"_id": made.text("/data/_id"), "userId": made.text("/data/userId"), "username": made.text("/data/username"), "email": made.text("/data/email"),
			"firstName": "Ada", "lastName": "Doe", "roles": []string{"@all"}, "highestRole": "@all", "xp": 0, "coins": 0, "visitCount": 0, "customFields": object{},
		})
		for _, part := range []string{"userId", "username", "email"} {
			info(made.text("/data/"+part)).is("/data", first.at("/data"))
			info(strings.ToUpper(made.text("/data/"+part))).is("/data", first.at("/data"))
		}
		s.b.joins(club)
		s.b.post(club.path("/visit")).expect(200)
		mine := s.b.get("/auth/me").expect(200)
		info(mine.text("/body/email")).is("/data/visitCount", 1)
	}},

	{"USERS-INFO-02", "getUserData keys badges", "what was earned today is reported beside all that was", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "getUserData")
		badge := s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 50, "awardCurrency": true, "awardCurrencyQuantity": 7})
		s.a.awards(badge, club.owner).expect(200)
		key.post("/apis/v1/users/info", object{"idOrEmail": club.owner}).expect(200).has("/data", object{"xp": 50, "coins": 7, "xpEarnedToday": 50, "coinsEarnedToday": 7})
	}},

	{"USERS-GET-01", "getUser keys auth", "a user is shown in the parts that were asked for, and whole if none was", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "getUserData")
		me := s.a.get("/auth/me").expect(200)
		path := "/apis/v1/users/" + me.text("/body/_id")
		whole := key.get(path).expect(200).says("Get user success.").is("/meta", object{"status": "success", "statusCode": 200})
		whole.keys("/data", "_id", "id", "avatar", "displayName", "username", "firstName", "lastName", "email", "isOnline", "lastLogin")
		whole.has("/data", object{"email": me.text("/body/email"), "isOnline": true, "displayName": me.text("/body/displayName")})
		if fmt.Sprint(whole.number("/data/id")) != club.owner {
			whole.fail("/data/id is not %s, as a number", club.owner)
		}
		key.get(path+"?email=true&isOnline=false&id=true").expect(200).keys("/data", "email", "id")
		s.a.get(path+"?username=true").expect(200).keys("/data", "username")
		s.b.get(path).expect(404)
		s.b.joins(club)
		s.b.get(path).expect(404)
	}},

	{"USERS-LIST-01", "listCommunityUsers getCommunityUser createUser keys auth", "members see each other without addresses and log-ins, which API keys see", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		made := key.makesUser(nil).expect(201)
		s.b.joins(club)
		list := "/apis/v1/communities/" + club.id + "/users"
		at := list + "/" + made.text("/data/_id")
		all := key.get(list).expect(200).says("Read community users success.").is("/meta/total", 3).is("/meta/page", 1).is("/meta/limit", 20)
		all.has(all.find("/data", "_id", made.text("/data/_id")), object{"email": made.text("/data/email"), "lastLogin": nil})
		key.get(at).expect(200).says("Read community user success.").has("/data", object{"email": made.text("/data/email"), "xp": 0, "coins": 0})
		for _, hidden := range []string{"email", "lastLogin"} {
			for _, a := range []*answer{s.b.get(at).expect(200), s.a.get(at).expect(200)} {
				if _, shown := lookup(a.value, "/data/"+hidden); shown {
					a.fail("shows %s", hidden)
				}
			}
		}
		for i := range all.list("/data") {
			all.text(fmt.Sprintf("/data/%d/email", i))
		}
		own := s.b.get("/auth/me").expect(200).text("/body/email")
		for _, shown := range s.b.get(list).expect(200).list("/data") {
			if email, has := lookup(shown, "/email"); has && email != own {
				s.fail("a member sees the address %v of another", email)
			}
		}
	}},

	{"USERS-LIST-02", "listCommunityUsers createUser keys", "members are found by how a name begins, whatever its case and script, and listed by cursor", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		names := []string{"Straße", "STRASSENBAHN", "Ада Лавлейс", "\u202eRTL", "e\u0301clair", "𝔘nicode", "<b>bold</b>", "=1+1", "50%_off"}
		for _, name := range names {
			key.makesUser(object{"displayname": name}).expect(201).is("/data/displayName", name)
		}
		list := "/apis/v1/communities/" + club.id + "/users?"
		for search, want := range map[string]string{
			"strass": "Straße,STRASSENBAHN", "STRAẞE": "Straße,STRASSENBAHN", "ада": "Ада Лавлейс", "É": "e\u0301clair", "%": "", "50%_": "50%_off", "<B>": "<b>bold</b>", "=1": "=1+1",
			"zzz": "", "\u202er": "\u202eRTL",
		} {
			found := key.get(list + "search=" + url.QueryEscape(search)).expect(200)
			if got := strings.Join(found.each("/data", "displayName"), ","); got != want {
				found.fail("of the search %q, the names are %q, want %q", search, got, want)
			}
		}
		key.get(list+"search=a&sort=xp").refuses("query/sort", "not_allowed")
		for _, sort := range []string{"joinedAt", "joinedAt:desc", "displayName", "displayName:desc", "xp:desc", "coins"} {
			var seen []string
			cursor := ""
			for range 2 * len(names) {
				page := key.get(list+"limit=3&sort="+sort+cursor).expect(200).is("/meta/total", len(names)+1)
				seen = append(seen, page.each("/data", "_id")...)
				next, more := lookup(page.value, "/meta/nextCursor")
				if !more {
					break
				}
				cursor = fmt.Sprint("&cursor=", next)
			}
			whole := key.get(list+"sort="+sort).expect(200).each("/data", "_id")
			if len(whole) != len(names)+1 || asJSON(seen) != asJSON(whole) {
				s.fail("by %s, page by page are %s, and at once %s", sort, asJSON(seen), asJSON(whole))
			}
		}
	}},

	{"USERS-LIST-03", "listCommunityUsers createUser keys roles", "members are found by a role, in the order of what they have", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		role := s.a.makesRole(club, nil)
		first, second := key.makesUser(nil).expect(201), key.makesUser(nil).expect(201)
		s.a.gives(role, second.text("/data/userId")).expect(200)
		list := "/apis/v1/communities/" + club.id + "/users?role="
		key.get(list+role).expect(200).is("/data/0/_id", second.text("/data/_id")).is("/meta/total", 1)
		s.a.gives(role, first.text("/data/userId")).expect(200)
		key.get(list+role+"&sort=joinedAt:desc").expect(200).is("/data/0/_id", second.text("/data/_id")).is("/data/1/_id", first.text("/data/_id"))
		key.get(list+fmt.Sprint(s.a.everyone(club)["_id"])).expect(200).is("/meta/total", 3)
		key.get(list + unknownID()).expect(404)
	}},

	{"USERS-FILTER-01", "filterUsers createUser keys badges", "members are found by every field alone and together, in the fields that were asked for", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		ada, bob := key.makesUser(nil).expect(201), key.makesUser(object{"firstname": "Bob", "lastname": "Straße", "displayname": "bob"}).expect(201)
		badge := s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 50, "awardCurrency": true, "awardCurrencyQuantity": 7})
		s.a.awards(badge, bob.text("/data/userId")).expect(200)
		find := func(filter object) *answer {
			return key.post("/apis/v1/users/filter", object{"filter": filter}).expect(200)
		}
		both := []string{ada.text("/data/_id"), bob.text("/data/_id")}
		for _, c := range []struct {
			filter object
			want   []string
		}{
			{object{"email": ada.text("/data/email")}, both[:1]}, {object{"username": bob.text("/data/username")}, both[1:]},
			{object{"first_name": "BOB"}, both[1:]}, {object{"last_name": "STRASSE"}, both[1:]}, {object{"display_name": "Bob"}, both[1:]},
			{object{"xp": 50}, both[1:]}, {object{"xp": object{"gte": 1, "lte": 50}}, both[1:]}, {object{"coins": object{"gte": 8}}, nil},
			{object{"coins": object{"lte": 7, "gte": 7}, "first_name": "bob"}, both[1:]}, {object{"coins": 7, "first_name": "Ada"}, nil},
			{object{"join_date": object{"lte": "2020-01-01"}}, nil}, {object{"join_date": object{"gte": "2020-01-01"}, "last_name": "doe"}, both[:1]},
			{object{"xp": 0, "display_name": "ada doe", "email": ada.text("/data/email"), "username": ada.text("/data/username"), "last_name": "Doe"}, both[:1]},
			{object{"first_name": "' OR 1=1 --"}, nil}, {object{"email": "%"}, nil},
		} {
			found := find(c.filter).is("/data/total_pages", 1).is("/data/current_page", 1)
			if got := found.each("/data/users", "_id"); strings.Join(got, " ") != strings.Join(c.want, " ") {
				found.fail("by %s: got %v, want %v", asJSON(c.filter), got, c.want)
			}
		}
		shown := key.post("/apis/v1/users/filter", object{"fields": []string{"email", "xp"}, "filter": object{"xp": object{"gte": 1}}}).expect(200)
		shown.says("Users fetched successfully").keys("/data/users/0", "_id", "email", "xp")
		key.post("/apis/v1/users/filter", object{}).expect(200).keys("/data/users/0", "_id", "email", "first_name", "last_name", "username", "display_name", "join_date", "xp", "coins")
		for pointer, in := range map[string]object{
			"/filter/colour": {"filter": object{"colour": "red"}}, "/fields/0": {"fields": []string{"colour"}}, "/filter/xp": {"filter": object{"xp": "many"}},
			"/filter/xp/gt": {"filter": object{"xp": object{"gt": 1}}}, "/filter/join_date": {"filter": object{"join_date": "yesterday"}}, "/filter": {"filter": []any{}},
			"/cursor": {"cursor": "abc"}, "/page": {"page": 1, "cursor": "abc"},
		} {
			key.post("/apis/v1/users/filter", in).refuses(pointer, "")
		}
	}},

	{"USERS-AVATAR-01", "uploadAvatar getImage keys auth", "an avatar is public until another one takes its place, and is set by the account or by a key", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "manageUser")
		s.b.joins(club)
		me := s.b.get("/auth/me").expect(200)
		set := func(who caller, parts ...part) *answer {
			return who.submit("POST", "/apis/v1/users/avatar", append(parts, upload("avatar", "a.png", "image/png", pngImage()))...)
		}
		if was, is := me.at("/body/avatar").(string); is {
			image := s.anonymous.get(was).expect(200)
			s.undoes(func() {
				s.b.submit("POST", "/apis/v1/users/avatar", upload("avatar", "avatar", image.header.Get("Content-Type"), image.raw)).expect(200)
			})
		}
		first := set(s.b).expect(200).text("/data/avatar")
		s.anonymous.get(first).expect(200)
		second := set(key.caller, field("user", me.text("/body/email"))).expect(200).text("/data/avatar")
		s.anonymous.get(second).expect(200)
		members := s.a.get(club.path("/members")).expect(200)
		members.is(members.find("/body", "_id", me.text("/body/_id"))+"/avatar", second)
		s.anonymous.get(first).expect(404)
		set(s.b, field("user", me.text("/body/id"))).expect(200)
		set(s.b, field("user", club.owner)).expect(404)
		set(key.caller).refuses("/user", "required")
		set(key.caller, field("user", unknownNumber)).expect(404)
		s.b.submit("POST", "/apis/v1/users/avatar", upload("avatar", "a.png", "image/png", bytes.Repeat([]byte("x"), 100))).refuses("/avatar", "")
	}},
}
