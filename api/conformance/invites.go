package conformance

import (
	"crypto/rand"
	"slices"
	"strings"
)

// invites makes an invite.
func (c caller) invites(club club, in object) *answer {
	return c.post(club.path("/invites"), object{}.and(in)).expect(201)
}

// comes joins a server with an invite.
func (c caller) comes(club club, code string) *answer {
	return c.post(club.path("/join"), object{"invite": code})
}

// unknownCode has the form of an invite's.
func unknownCode() string { return rand.Text()[:22] }

// invites are the test cases of the tag invites.
var invites = []testCase{
	{"INVITES-CREATE-01", "createInvite listInvites", "an invite is made under the documented names, and listed until it ends", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.get(club.path("/invites")).expect(200).says("Invites").is("/body", []any{})
		plain := s.a.invites(club, nil).says("Invite has been created successfully")
		plain.has("/body", object{"serverId": club.id, "userId": club.owner, "uses": 0, "remaining": nil, "expiresAt": nil, "roleId": nil, "__v": 0})
		whole := s.a.invites(club, object{"uses": 2, "expiresAt": "2999-12-31T23:59:59.000Z"})
		whole.has("/body", object{"uses": 2, "remaining": 2, "expiresAt": "2999-12-31T23:59:59.000Z"})
		s.a.get(club.path("/invites")).expect(200).is("/body", []any{plain.at("/body"), whole.at("/body")})
		gone := s.a.delete(club.path("/invites/" + plain.text("/body/code"))).expect(200).says("Invite has been deleted successfully")
		gone.is("/body", object{})
		s.a.delete(club.path("/invites/" + plain.text("/body/code"))).expect(404)
		s.a.get(club.path("/invites")).expect(200).is("/body", []any{whole.at("/body")})
	}},

	{"INVITES-CREATE-02", "createInvite", "an invite that would have ended before it begins is refused", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.post(club.path("/invites"), object{"expiresAt": "2020-01-01T00:00:00.000Z"}).refuses("/expiresAt", "too_small")
		s.a.get(club.path("/invites")).expect(200).is("/body", []any{})
	}},

	{"INVITES-JOIN-01", "joinServer createInvite listInvites", "an invite lets in as many as it says", func(s *session) {
		club := s.a.makesServer("Chess club")
		code := s.a.invites(club, object{"uses": 2}).text("/body/code")
		for _, remaining := range []any{1, nil} {
			s.b.comes(club, code).expect(200).says("Server has been joined successfully").is("/body/_id", club.id)
			s.b.comes(club, code).expect(409) // and this uses up nothing
			list := s.a.get(club.path("/invites")).expect(200)
			if remaining == nil {
				list.is("/body", []any{})
			} else {
				list.is("/body/0/remaining", remaining)
			}
			s.b.post(club.path("/leave")).expect(200)
		}
		s.b.comes(club, code).expect(403)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 1)
	}},

	{"INVITES-JOIN-02", "joinServer createInvite deleteInvite", "an invite that has ended is refused, and one that never was does not even tell that the server exists", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		code := s.a.invites(club, nil).text("/body/code")
		nothing := s.b.comes(other, unknownCode()).expect(404)
		s.b.comes(other, code).expect(404).isLike(nothing)
		s.b.post("/servers/"+unknownID()+"/join", object{"invite": code}).expect(404).isLike(nothing)
		s.b.post(club.path("/join")).expect(404).isLike(nothing)
		s.lets("closed", club)
		s.b.comes(club, code).expect(403)
		s.b.comes(club, unknownCode()).expect(404).isLike(nothing)
		s.lets("invite", club)
		s.a.delete(club.path("/invites/" + code)).expect(200)
		s.b.comes(club, code).expect(403)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 1)
	}},

	{"INVITES-ROLE-01", "createInvite joinServer roles", "an invite gives its role, as long as whoever made it may give it", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		low, high := s.a.makesRole(club, object{"title": "low", "order": 50}), s.a.makesRole(club, object{"title": "high", "order": 5})
		foreign := s.b.makesRole(s.b.makesServer("Go club"), nil)
		everyone, _ := s.a.everyone(club)["_id"].(string)
		for _, none := range []string{unknownID(), foreign, everyone} {
			s.a.post(club.path("/invites"), object{"roleId": none}).refuses("/roleId", "not_allowed")
		}
		s.b.post(club.path("/invites"), object{"roleId": low}).expect(403) // who may invite may not give roles for that
		s.a.appoints(club, number, 20, "manage_roles", "create_invite")
		s.b.post(club.path("/invites"), object{"roleId": high}).expect(403)
		code := s.b.invites(club, object{"roleId": low}).text("/body/code")
		s.b.post(club.path("/leave")).expect(200)
		s.b.comes(club, code).expect(403) // it went with its maker

		code = s.a.invites(club, object{"roleId": low}).text("/body/code")
		s.b.comes(club, code).expect(200)
		if titles := s.b.get("/roles/"+number+"?serverId="+club.id).expect(200).each("/body", "title"); !slices.Equal(titles, []string{"low", "@all"}) {
			s.fail("who has joined by the invite has the roles %v", titles)
		}
		s.b.post(club.path("/leave")).expect(200)
		s.a.delete("/roles/" + low).expect(200)
		s.b.comes(club, code).expect(403)
		s.a.get(club.path("/invites")).expect(200).is("/body", []any{})
	}},

	{"INVITES-ROLE-02", "createInvite joinServer leaveServer roles", "an invite gives its role to an account once: what was taken away does not come back by leaving and joining again", func(s *session) {
		club := s.a.makesServer("Chess club")
		role := s.a.makesRole(club, nil)
		code := s.a.invites(club, object{"roleId": role}).text("/body/code")
		joins := func() { s.b.post(club.path("/join"), object{"invite": code}).expect(200) }
		has := func(want bool) {
			a := s.a.get(club.path("/members")).expect(200)
			number := a.text("/body/1/id")
			roles := s.a.get("/roles/" + number + "?serverId=" + club.id).expect(200)
			if got := slices.Contains(roles.each("/body", "_id"), role); got != want {
				roles.fail("has the role: %t, want %t", got, want)
			}
		}
		joins()
		has(true)
		s.a.takes(role, s.a.get(club.path("/members")).expect(200).text("/body/1/id")).expect(200)
		s.b.post(club.path("/leave")).expect(200)
		joins()
		has(false)
	}},

	{"INVITES-LIST-01", "listInvites deleteInvite createInvite roles", "a member sees and ends the invites that they made, an administrator all", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		ofA, ofB := s.a.invites(club, nil), s.b.invites(club, nil).is("/body/userId", number)
		s.a.get(club.path("/invites")).expect(200).is("/body", []any{ofA.at("/body"), ofB.at("/body")})
		s.b.get(club.path("/invites")).expect(200).is("/body", []any{ofB.at("/body")})
		s.b.delete(club.path("/invites/" + ofA.text("/body/code"))).expect(403)
		s.b.delete(club.path("/invites/" + unknownCode())).expect(403)
		s.b.delete(club.path("/invites/" + ofB.text("/body/code"))).expect(200)
		s.a.appoints(club, number, 20, administrator)
		s.b.delete(club.path("/invites/" + unknownCode())).expect(404)
		s.b.delete(club.path("/invites/" + ofA.text("/body/code"))).expect(200)
		s.a.get(club.path("/invites")).expect(200).is("/body", []any{})
	}},

	{"INVITES-AUDIT-01", "createInvite deleteInvite joinServer audit", "the audit trail shows who made, used and ended an invite, and not its code", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.invites(club, object{"uses": 5})
		code := made.text("/body/code")
		s.b.comes(club, code).expect(200)
		s.a.delete(club.path("/invites/" + code)).expect(200)
		trail := s.a.get(club.path("/audit")).expect(200)
		trail.is(trail.find("/body", "action", "invite.create")+"/target", made.at("/body/_id"))
		trail.is(trail.find("/body", "action", "invite.delete")+"/target", made.at("/body/_id"))
		trail.is(trail.find("/body", "action", "member.join")+"/after/uses", 5)
		if strings.Contains(string(trail.raw), code) {
			trail.fail("shows the code")
		}
	}},
}
