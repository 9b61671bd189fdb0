package conformance

import (
	"slices"
	"strings"
)

// aBadge is the least that a badge is made from.
var aBadge = object{"title": "Chatterbox", "action": "messages"}

// makesBadge makes a badge from aBadge with changes.
func (c caller) makesBadge(club club, changes object) (id string) {
	return c.post("/badges", aBadge.and(object{"serverId": club.id}).and(changes)).expect(200).text("/body/id")
}

// awards gives a badge to a user.
func (c caller) awards(badge, user string) *answer {
	return c.post("/badges/"+badge+"/award", object{"userId": user})
}

// applies applies for a badge, with a proof, and returns the id of the application.
func (c caller) applies(badge string) (id string) {
	proof := upload("proof", "proof.png", "image/png", pngImage())
	return c.submit("POST", "/badges/"+badge+"/apply", field("note", "I won"), proof).expect(200).text("/body/_id")
}

// owns wants a member to have been credited just so much.
func (s *session) owns(club club, user string, xp, coins int) {
	s.a.get(club.path("/members/"+user+"/balance")).expect(200).has("/body", object{"xp": xp, "coins": coins})
}

// badges are the test cases of the tag badges.
var badges = []testCase{
	{"BADGES-CREATE-01", "createBadge", "a badge is made under the documented names, and everything in it is a string", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post("/badges", object{
			"title": "Chatterbox", "action": "messages", "quantity": 3, "description": "Three messages in a day",
			"image": "https://example.com/badge.png", "darkImage": "https://example.com/dark.png",
			"lightImage": "https://example.com/light.png", "enabledDarkAndLight": true, "applied": true, "awarded": true,
			"attachRequired": true, "award": true, "awardXpQuantity": 50, "awardCurrency": true, "awardCurrencyQuantity": 7,
			"serverId": club.id,
		}).expect(200).says("Badge has been created successfully")
		made.has("/body", object{
			"title": "Chatterbox", "action": "messages", "quantity": "3", "description": "Three messages in a day",
			"attachRequired": "true", "awarded": "true", "image": "https://example.com/badge.png",
		})
		listed := s.a.get("/badges?serverId=" + club.id).expect(200).says("Badges")
		listed.is("/body", []any{made.at("/body")})
	}},

	{"BADGES-CREATE-02", "createBadge", "what is left out of a badge has a default", func(s *session) {
		club := s.a.makesServer("Chess club")
		for _, action := range []string{"custom", "messages", "replies", "reactions", "referrals", "visits"} {
			made := s.a.post("/badges", object{"title": "Plain", "action": action, "serverId": club.id}).expect(200)
			made.has("/body", object{
				"title": "Plain", "action": action, "quantity": "1", "description": "", "attachRequired": "false", "awarded": "false",
				"image": "",
			})
		}
	}},

	{"BADGES-IMAGE-01", "createBadge updateBadge", "an empty image means none, so that what is read can be written", func(s *session) {
		club := s.a.makesServer("Chess club")
		none := aBadge.and(object{"image": "", "darkImage": "", "lightImage": ""})
		pictured := none.and(object{"image": "https://example.com/badge.png"})
		made := s.a.post("/badges", none.and(object{"serverId": club.id})).expect(200).is("/body/image", "")
		path := "/badges/" + made.text("/body/id")
		s.a.put(path, pictured).expect(200).is("/body/image", "https://example.com/badge.png")
		s.a.put(path, none).expect(200).is("/body/image", "")
	}},

	{"BADGES-UPDATE-01", "updateBadge", "an update replaces a badge", func(s *session) {
		club := s.a.makesServer("Chess club")
		id := s.a.makesBadge(club, object{"quantity": 3, "description": "Three messages in a day", "awarded": true})
		updated := s.a.put("/badges/"+id, object{
			"title": "Magpie", "action": "replies", "quantity": 1000000, "description": "Many replies", "attachRequired": true,
		}).expect(200).says("Badge has been updated successfully")
		updated.has("/body", object{
			"id": id, "title": "Magpie", "action": "replies", "quantity": "1000000", "description": "Many replies",
			"attachRequired": "true", "awarded": "false",
		})
		s.a.get("/badges?serverId="+club.id).expect(200).is("/body", []any{updated.at("/body")})
		s.a.put("/badges/"+id, aBadge).expect(200).has("/body", object{
			"id": id, "title": "Chatterbox", "action": "messages", "quantity": "1", "attachRequired": "false", "description": "",
			"image": "",
		})
	}},

	{"BADGES-LIST-01", "listBadges", "badges are listed in the order in which they were made", func(s *session) {
		club := s.a.makesServer("Chess club")
		var made []string
		for _, title := range []string{"Zither", "Accordion", "Bassoon", "Accordion"} {
			made = append(made, s.a.makesBadge(club, object{"title": title}))
		}
		for _, path := range []string{"/badges?serverId=", "/api/v1/badges?serverId="} {
			listed := s.a.get(path + club.id).expect(200)
			if got := listed.each("/body", "id"); !slices.Equal(got, made) {
				listed.fail("lists %v, and they were made in the order %v", got, made)
			}
		}
	}},

	// ---------------------------------------------------------------------------------------------------- what it gives

	{"BADGES-AWARD-01", "awardBadge removeBadge", "a badge is given to a member and credited once, and taking it gives nothing back", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		other := s.a.makesBadge(club, object{"title": "Early bird", "action": "visits"})
		badge := s.a.makesBadge(club, object{
			"award": true, "awardXpQuantity": 50, "awardCurrency": true, "awardCurrencyQuantity": 7, "quantity": 3,
		})
		s.awardsTo(number, other, "Early bird")
		s.owns(club, number, 0, 0)
		for range 2 {
			a := s.awardsTo(number, badge, "Chatterbox", "Early bird")
			a.has(a.find("/body", "id", badge), object{"quantity": "3", "awarded": "false", "action": "messages"})
			s.owns(club, number, 50, 7)
		}
		for range 2 {
			s.a.post("/badges/"+badge+"/remove", object{"userId": number}).expect(200).
				says("Badge has been removed successfully").is("/body", []any{})
			s.owns(club, number, 50, 7)
		}
		s.awardsTo(number, other, "Early bird")
		s.awardsTo(number, badge, "Chatterbox", "Early bird")
		s.owns(club, number, 50, 7)
		s.owns(club, club.owner, 0, 0)
	}},

	{"BADGES-AWARD-02", "awardBadge", "XP and coins are credited only where the badge says so", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.awards(s.a.makesBadge(club, object{"awardXpQuantity": 50, "awardCurrencyQuantity": 7}), number).expect(200)
		s.owns(club, number, 0, 0)
		s.a.awards(s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 20, "awardCurrencyQuantity": 7}), number).expect(200)
		s.owns(club, number, 20, 0)
		s.a.awards(s.a.makesBadge(club, object{"awardCurrency": true, "awardXpQuantity": 20, "awardCurrencyQuantity": 3}), number).
			expect(200)
		s.owns(club, number, 20, 3)
		s.a.awards(s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 1000000}), number).expect(200)
		s.owns(club, number, 1000020, 3)
	}},

	{"BADGES-AWARD-03", "updateBadge deleteBadge", "what was credited stays when the badge is changed or deleted", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		badge := s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 50})
		other := s.a.makesBadge(club, object{"title": "Early bird"})
		s.awardsTo(number, badge, "Chatterbox")
		s.a.put("/badges/"+badge, aBadge.and(object{"title": "Magpie", "award": true, "awardXpQuantity": 5})).expect(200)
		s.awardsTo(number, badge, "Magpie")
		s.owns(club, number, 50, 0)

		s.a.delete("/badges/"+badge).expect(200).says("Badge has been deleted successfully").
			keys("", "meta", "body").is("/body", object{})
		s.owns(club, number, 50, 0)
		s.awardsTo(number, other, "Early bird")
		for _, title := range s.a.get("/badges?serverId="+club.id).expect(200).each("/body", "title") {
			if title != "Early bird" {
				s.fail("a deleted badge is still listed: %s", title)
			}
		}
		s.a.delete("/badges/" + badge).expect(404)
		s.a.put("/badges/"+badge, aBadge).expect(404)
		s.a.awards(badge, number).expect(404)
		s.a.post("/badges/"+badge+"/remove", object{"userId": number}).expect(404)
	}},

	{"BADGES-AWARD-04", "awardBadge", "a badge that is awarded many times at once is credited once", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		badge := s.a.makesBadge(club, object{"award": true, "awardXpQuantity": 50})
		s.atOnce(10, func(int) { s.a.awards(badge, number).expect(200) })
		s.awardsTo(number, badge, "Chatterbox")
		s.owns(club, number, 50, 0)
	}},

	{"BADGES-AWARD-05", "awardBadge removeBadge", "a badge is awarded to members only", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		number := s.b.joins(other)
		badge := s.a.makesBadge(club, nil)
		for _, deed := range []string{"/award", "/remove"} {
			s.a.post("/badges/"+badge+deed, object{"userId": number}).expect(404)
			s.a.post("/badges/"+badge+deed, object{"userId": unknownNumber}).expect(404)
			s.a.post("/badges/"+unknownUUID()+deed, object{"userId": club.owner}).expect(404)
			s.a.post("/badges/"+badge+deed, object{}).refuses("/userId", "required")
			s.a.post("/badges/"+badge+deed, object{"userId": 2}).refuses("/userId", "wrong_type")
			s.a.post("/badges/nope"+deed, object{"userId": number}).refuses("path/badgeId", "")
		}
	}},

	// ------------------------------------------------------------------------------------------------------------ who may

	{"BADGES-SERVER-02", "updateBadge", "an update that names another server is refused, and changes nothing", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		badge := s.a.makesBadge(club, nil)
		before := at(s.a.get("/badges?serverId="+club.id).expect(200), "id", badge)
		change := aBadge.and(object{"title": "Magpie"})
		s.a.put("/badges/"+badge, change.and(object{"serverId": other.id})).refuses("/serverId", "")
		s.a.get("/badges?serverId="+club.id).expect(200).is("/body", []any{before})
		s.a.get("/badges?serverId="+other.id).expect(200).is("/body", []any{})
		s.a.put("/badges/"+badge, change.and(object{"serverId": club.id})).expect(200).is("/body/title", "Magpie")
	}},

	{"BADGES-KEY-01", "createBadge updateBadge deleteBadge awardBadge removeBadge keys", "an API key with the permission manages the badges of its community", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		number := s.b.joins(club)
		made := s.a.makesKey(club, "badges")
		elsewhere := s.a.makesBadge(other, nil)
		for i, key := range []caller{made.caller, made.inOtherHeader()} {
			badge := key.post("/badges", aBadge.and(object{"award": true, "awardXpQuantity": 10})).expect(200).text("/body/id")
			key.put("/badges/"+badge, aBadge.and(object{"award": true, "awardXpQuantity": 20})).expect(200)
			key.awards(badge, number).expect(200).find("/body", "id", badge)
			s.owns(club, number, 20*(i+1), 0)
			key.get("/badges").expect(200).find("/body", "id", badge)
			key.get("/badges?serverId="+club.id).expect(200).find("/body", "id", badge)
			key.post("/badges/"+badge+"/remove", object{"userId": number}).expect(200).is("/body", []any{})
			key.delete("/badges/" + badge).expect(200)

			key.get("/badges?serverId="+other.id).anyOf(403, 404)
			key.post("/badges", aBadge.and(object{"serverId": other.id})).anyOf(403, 404)
			key.put("/badges/"+elsewhere, aBadge).anyOf(403, 404)
			key.awards(elsewhere, other.owner).anyOf(403, 404)
			key.delete("/badges/"+elsewhere).anyOf(403, 404)
		}
	}},

	// ----------------------------------------------------------------------------------------------------- who asks for one

	{"BADGES-APPLY-01", "createBadge applyForBadge listBadgeApplications awardBadge removeBadge", "a member applies for a badge once, until the badge is awarded, and not while they have it", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		badge := s.a.makesBadge(club, nil)
		path := "/badges/" + badge + "/apply"
		made := s.b.submit("POST", path, field("note", "I won")).expect(200).says("Badge has been applied for successfully")
		made.has("/body", object{"badgeId": badge, "note": "I won", "proof": nil}).is("/body/user/id", number).time("/body/createdAt")
		s.b.submit("POST", path, field("note", "I won again")).expect(409)
		s.a.submit("POST", path).expect(200).is("/body/note", "")
		listed := s.a.get("/badges/" + badge + "/applications").expect(200).says("Badge applications")
		listed.is("/body/0", made.at("/body")).is("/meta/total", 2).is("/body/1/user/id", club.owner)
		s.a.awards(badge, number).expect(200)
		s.a.get("/badges/"+badge+"/applications").expect(200).is("/meta/total", 1).is("/body/0/user/id", club.owner)
		s.b.submit("POST", path).expect(409)
		s.a.post("/badges/"+badge+"/remove", object{"userId": number}).expect(200)
		s.b.submit("POST", path).expect(200)
	}},

	{"BADGES-APPLY-02", "applyForBadge refuseBadgeApplication listBadgeApplications", "an application that is refused is gone, and may be made again", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		badge, other := s.a.makesBadge(club, nil), s.a.makesBadge(club, nil)
		first := s.b.applies(badge)
		s.a.post("/badges/" + other + "/applications/" + first + "/refuse").expect(404)
		refuse := "/badges/" + badge + "/applications/" + first + "/refuse"
		s.a.post(refuse).expect(200).says("Application has been refused successfully").is("/body", object{})
		s.a.post(refuse).expect(404)
		s.a.get("/badges/"+badge+"/applications").expect(200).is("/body", []any{}).is("/meta/total", 0)
		if again := s.b.applies(badge); again == first {
			s.fail("another application has the id of the one before")
		}
	}},

	{"BADGES-APPLY-06", "applyForBadge listMyBadgeApplications withdrawBadgeApplication listBadgeApplications refuseBadgeApplication", "who applies sees what is open, of their own alone, and withdraws it as often as they like", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		badge, other, mine := s.a.makesBadge(club, nil), s.a.makesBadge(club, nil), "/badges/applications?serverId="+club.id
		s.b.get(mine).expect(200).is("/body", []any{})
		s.a.applies(badge)
		first, second := s.b.applies(badge), s.b.applies(other)
		s.b.get(mine).expect(200).says("Badge applications").holds("/body", 2).is("/body/0/_id", first).is("/body/1/_id", second)
		s.a.post("/badges/" + other + "/applications/" + second + "/refuse").expect(200)
		s.b.get(mine).expect(200).holds("/body", 1).is("/body/0/_id", first)
		for range 2 {
			s.b.delete("/badges/"+badge+"/apply").expect(200).says("Application has been withdrawn successfully").is("/body", object{})
		}
		s.b.get(mine).expect(200).is("/body", []any{})
		s.a.get("/badges/"+badge+"/applications").expect(200).is("/meta/total", 1).is("/body/0/user/id", club.owner)
		s.b.applies(badge)
	}},

	{"BADGES-APPLY-03", "createBadge applyForBadge getBadgeApplicationProof refuseBadgeApplication", "a proof is wanted where the badge says so, and shown to nobody but who may see it, at no other address, as long as the application is open", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		badge := s.a.makesBadge(club, object{"attachRequired": true})
		s.b.submit("POST", "/badges/"+badge+"/apply", field("note", "I won")).refuses("/proof", "required")
		s.b.submit("POST", "/badges/"+badge+"/apply", upload("proof", "x.png", "image/png", []byte("no picture"))).refuses("/proof", "wrong_format")
		made := s.b.submit("POST", "/badges/"+badge+"/apply", upload("proof", "proof.png", "image/png", pngImage())).expect(200)
		path := "/badges/" + badge + "/applications/" + made.text("/body/_id") + "/proof"
		if proof := made.text("/body/proof"); !strings.HasSuffix(proof, path) {
			made.fail("the proof is at %s", proof)
		}
		for _, who := range []caller{s.a, s.b} {
			shown := who.get(path).expect(200)
			shown.carries("Content-Type", "image/png")
			shown.carries("Cache-Control", "no-store")
			shown.carries("X-Content-Type-Options", "nosniff")
		}
		s.anonymous.get(path).expect(401)
		own := s.a.applies(badge)
		s.b.get("/badges/" + badge + "/applications/" + own + "/proof").expect(403)
		s.a.post(strings.TrimSuffix(path, "proof") + "refuse").expect(200)
		s.a.get(path).expect(404)
		s.b.get(path).expect(404)
		bare := s.a.submit("POST", "/badges/"+s.a.makesBadge(club, nil)+"/apply").expect(200)
		s.a.get("/badges/" + bare.text("/body/badgeId") + "/applications/" + bare.text("/body/_id") + "/proof").expect(404)
	}},

	{"BADGES-APPLY-04", "applyForBadge listBadgeApplications visitServer", "a badge that is awarded by itself ends the application, and so does leaving", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		badge := s.a.makesBadge(club, object{"action": "visits", "quantity": 1})
		s.a.applies(badge)
		s.b.applies(badge)
		s.a.post(club.path("/visit")).expect(200)
		s.a.get("/badges/"+badge+"/applications").expect(200).is("/meta/total", 1)
		s.b.post(club.path("/leave")).expect(200)
		s.a.get("/badges/"+badge+"/applications").expect(200).is("/meta/total", 0).is("/body", []any{})
		s.b.joins(club)
		s.b.applies(badge)
	}},

	{"BADGES-APPLY-05", "applyForBadge listBadgeApplications", "of applications that are sent at once, one is made", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		badge := s.a.makesBadge(club, nil)
		s.atOnce(6, func(int) { s.b.submit("POST", "/badges/"+badge+"/apply", field("note", "I won")).anyOf(200, 409) })
		s.a.get("/badges/"+badge+"/applications").expect(200).is("/meta/total", 1)
	}},

	{"BADGES-BALANCE-01", "getMemberBalance", "a member begins with nothing, and the members can see it", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		for _, who := range []caller{s.a, s.b} {
			for _, user := range []string{number, club.owner} {
				balance := who.get(club.path("/members/" + user + "/balance")).expect(200).says("Member balance")
				balance.is("/body", object{"xp": 0, "coins": 0, "premium": 0})
			}
		}
	}},

	{"BADGES-BALANCE-02", "getMemberBalance", "who is no member has no balance, and sees none", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.get(club.path("/members/" + club.owner + "/balance")).expect(404)
		number := s.b.joins(club)
		s.a.get(club.path("/members/" + number + "/balance")).expect(200)
		s.b.post(club.path("/leave")).expect(200)
		s.a.get(club.path("/members/" + number + "/balance")).expect(404)
		s.a.get(club.path("/members/" + unknownNumber + "/balance")).expect(404)
		for _, odd := range []string{"0", "vera", "-1", unknownID()} {
			s.a.get(club.path("/members/"+odd+"/balance")).refuses("path/userId", "")
		}
		s.a.delete(club.path("")).expect(200)
		s.a.get(club.path("/members/" + club.owner + "/balance")).expect(404)
	}},
}

// awardsTo awards a badge and wants the user to have then just these, whichever was first.
func (s *session) awardsTo(user, badge string, titles ...string) *answer {
	a := s.a.awards(badge, user).expect(200).says("Badge has been rewarded successfully")
	if got := slices.Sorted(slices.Values(a.each("/body", "title"))); !slices.Equal(got, titles) {
		a.fail("the user has the badges %q, want %q", got, titles)
	}
	return a
}
