package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// gives is a setting in which nothing is worth anything but what is given.
func gives(worth object) object {
	setting := object{"enabled": true}
	for _, name := range []string{"picture", "aboutme", "quote", "visit", "referral", "refer"} {
		setting[name] = object{"enabled": false, "xp": 0}
	}
	for _, name := range []string{"message", "reply", "react", "object", "analysis", "comment", "tradingDiscussions"} {
		setting[name] = object{"enabled": false, "xp": 0, "time": 0}
	}
	return setting.and(worth)
}

// credits sets what members of a server are credited for.
func (c caller) credits(in club, worth object) *answer {
	return c.post("/gamifications/"+in.id+"/xp-setting", gives(worth)).expect(200)
}

// stats are today's of a member.
func (k key) stats(of string) *answer {
	return k.post("/apis/v1/users/activity/stats", object{"identifier": of, "identifier_type": "id", "days": 1}).expect(200)
}

// logs are the actions in the ledger of a member with their XP and coins, newest first.
func (k key) logs(of string) (lines []string) {
	for _, line := range k.post("/apis/v1/users/activity/logs", object{"identifier": of, "identifier_type": "id", "limit": 100}).expect(200).list("/data/logs") {
		l, _ := line.(map[string]any)
		lines = append(lines, fmt.Sprint(l["action"], " ", l["xp"], " ", l["coins"]))
	}
	return lines
}

const milestones = "/apis/v1/milestones"

// makesMilestone makes a milestone of a server and returns its id.
func (c caller) makesMilestone(in club, changes object) string {
	made := c.post(milestones, object{"name": "Talker", "field": "messages", "steps": []any{object{"value": 2, "xp": 5}}, "serverId": in.id}.and(changes))
	return made.expect(201).text("/data/_id")
}

const socials = "/apis/v1/socials"

// makesSocial makes a social link of a server and returns its id. It has the action of the example of recordSocial.
func (c caller) makesSocial(in club, changes object) string {
	made := c.post(socials, object{"platform": "youtube", "url": "https://video.example/chess-club", "action": "follow", "serverId": in.id}.and(changes))
	return made.expect(201).text("/data/_id")
}

// records says that a member did something at a social link.
func (k key) records(social, action, of string) *answer {
	return k.post("/apis/v1/users/socials", object{"identifier": of, "identifier_type": "id", "socialId": social, "action": action})
}

// gamification are the test cases of the tag gamification.
var gamification = []testCase{
	{"GAMIFICATION-SETTING-01", "setXpSetting getGamification getTierInfo keys", "nothing is worth anything before somebody has set it, and what is set is shown to members and keys", func(s *session) {
		club := s.a.makesServer("Chess club")
		path := "/gamifications/" + club.id
		before := s.a.get(path).expect(200)
		before.is("/body/xpSetting", gives(object{"enabled": false})).is("/body/serverId", club.id).is("/body/__v", 0)
		before.is("/body/tiers", object{"enabled": false, "display": object{"levels": false, "tiers": false}, "tiers": []any{}})
		setting := gives(object{"visit": object{"enabled": true, "xp": 3, "coins": 2}, "message": object{"enabled": true, "xp": 10, "time": 3}})
		set := s.a.post(path+"/xp-setting", setting).expect(200).says("XP Setting has been updated successfully")
		set.is("/body/xpSetting", setting).is("/body/_id", before.text("/body/_id"))
		s.b.joins(club)
		s.b.get(path).expect(200).is("/body", set.at("/body"))
		s.a.makesKey(club, "getUserStats").get("/apis/v1/gamification/tiers").expect(200).is("/data/xpSetting", setting)
	}},

	{"GAMIFICATION-TIERS-01", "setTierSetting setXpSetting visitServer getUserData keys users", "each level needs more XP than the one before, over all tiers, and a member has the highest that they have reached", func(s *session) {
		club := s.a.makesServer("Chess club")
		path := "/gamifications/" + club.id + "/tier-setting"
		tier := func(name string, xp ...int) object {
			levels := []any{}
			for i, n := range xp {
				levels = append(levels, object{"name": fmt.Sprint(name, " ", i+1), "xp": n})
			}
			return object{"name": name, "levels": levels}
		}
		shown := object{"enabled": true, "display": object{"levels": true, "tiers": true}}
		s.a.post(path, shown.and(object{"tiers": []any{tier("Bronze", 0, 50), tier("Silver", 50)}})).refuses("/tiers/1/levels/0/xp", "too_small")
		s.a.post(path, shown.and(object{"tiers": []any{tier("Bronze", 2, 1)}})).refuses("/tiers/0/levels/1/xp", "too_small")
		tiers := []any{tier("Bronze", 1, 5), tier("Silver", 10, 20)}
		s.a.post(path, shown.and(object{"tiers": tiers})).expect(200).says("XP Setting has been updated successfully").is("/body/tiers/tiers", tiers)
		s.a.post(path, shown).expect(200).is("/body/tiers/tiers", tiers)

		key := s.a.makesKey(club, "getUserData")
		has := func(level int, tier any) {
			key.post("/apis/v1/users/info", object{"idOrEmail": club.owner}).expect(200).is("/data/level", level).is("/data/tier", tier)
		}
		has(0, nil)
		s.a.credits(club, object{"visit": object{"enabled": true, "xp": 10}})
		s.a.post(club.path("/visit")).expect(200)
		has(3, "Silver")
		s.a.post(path, shown.and(object{"enabled": false})).expect(200)
		has(0, nil)
	}},

	{"GAMIFICATION-EARN-01", "setXpSetting sendMessage replyMessage reactMessage getUserStats listActivityLogs getUserHistory channels messages keys badges", "what a member does is counted, and worth what the setting says, once", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, channel := s.a.makesKey(club, "getUserStats"), s.a.makesChannel(club, "open", nil)
		s.a.credits(club, object{
			"message": object{"enabled": true, "xp": 10, "time": 0}, "reply": object{"enabled": true, "xp": 5, "coins": 1, "time": 0}, "react": object{"enabled": true, "xp": 2, "time": 0},
		})
		first := s.a.says(channel, "Hello")
		s.a.replies(first, "Hello yourself").expect(200)
		for _, emoji := range []string{":ok:", ":ok:", ":tada:"} {
			s.a.reacts(first, emoji).expect(200)
			s.a.delete("/apis/v1/messages/" + first + "/reactions/" + emoji).expect(200)
		}
		s.owns(club, club.owner, 17, 1)
		stats := key.stats(club.owner).says("User gamification stats fetched successfully")
		stats.is("/data/totals", object{"messages": 2, "replies": 1, "reaction": 1, "socials": 0}).is("/data/user_id", club.owner)
		got := key.logs(club.owner)
		if slices.Sort(got); !slices.Equal(got, []string{"messages 10 0", "reactions 2 0", "replies 5 1"}) {
			s.fail("the ledger has %v", got)
		}
		history := key.get("/apis/v1/users/activity/daily?days=3&identifier_type=id&identifier=" + club.owner).expect(200)
		history.is("/data/totals", object{"xp": 17, "coins": 1}).is("/data/daily_stats/0/xp", 17).is("/data/daily_stats/2/xp", 0)
		if days := history.list("/data/daily_stats"); len(days) != 3 || history.text("/data/range/end_date") != history.text("/data/daily_stats/0/date") {
			history.fail("%d days, of which the latest is not the first", len(days))
		}
	}},

	{"GAMIFICATION-EARN-02", "setXpSetting sendMessage getUserStats channels messages keys badges", "while the setting is off nothing is worth anything, and what is done is counted all the same", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, channel := s.a.makesKey(club, "getUserStats"), s.a.makesChannel(club, "open", nil)
		s.a.credits(club, object{"enabled": false, "message": object{"enabled": true, "xp": 10, "time": 0}})
		s.a.says(channel, "Hello")
		s.owns(club, club.owner, 0, 0)
		key.stats(club.owner).is("/data/totals/messages", 1)
	}},

	{"GAMIFICATION-COOLDOWN-01", "setXpSetting sendMessage getUserStats channels messages keys badges", "of what is done at once, a cooldown lets one count, and a member has one of their own", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		other := s.b.joins(club)
		s.a.credits(club, object{"message": object{"enabled": true, "xp": 10, "time": 3600}})
		s.atOnce(4, func(i int) { s.a.sends(channel, fmt.Sprint("Hello ", i)).expect(200) })
		s.owns(club, club.owner, 10, 0)
		s.b.says(channel, "Hello")
		s.owns(club, other, 10, 0)
		s.a.makesKey(club, "getUserStats").stats(club.owner).is("/data/totals/messages", 4)
	}},

	{"GAMIFICATION-DELETE-01", "setXpSetting sendMessage deleteMessage listActivityLogs channels messages keys badges", "a message that is deleted at once takes back what it has brought, and stays counted", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, channel := s.a.makesKey(club, "getUserStats"), s.a.makesChannel(club, "open", nil)
		s.a.credits(club, object{"message": object{"enabled": true, "xp": 10, "coins": 3, "time": 0}})
		id := s.a.says(channel, "Hello")
		s.owns(club, club.owner, 10, 3)
		s.a.delete("/apis/v1/messages/" + id).expect(200)
		s.owns(club, club.owner, 0, 0)
		s.a.delete("/apis/v1/messages/" + id).expect(404)
		if got := key.logs(club.owner); len(got) != 2 || !slices.Contains(got, "deleted -10 -3") {
			s.fail("the ledger has %v", got)
		}
		key.stats(club.owner).is("/data/totals/messages", 1)
	}},

	{"GAMIFICATION-BADGE-01", "createBadge sendMessage visitServer channels messages badges", "a badge with an action is awarded once, when a member has done it often enough", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		badge := s.a.makesBadge(club, object{"action": "messages", "quantity": 2, "award": true, "awardXpQuantity": 50})
		s.a.makesBadge(club, object{"action": "custom", "quantity": 1, "award": true, "awardXpQuantity": 1000})
		daily := s.a.makesBadge(club, object{"action": "visits", "quantity": 2, "award": true, "awardXpQuantity": 500})
		s.a.says(channel, "One")
		s.owns(club, club.owner, 0, 0)
		s.a.says(channel, "Two")
		s.owns(club, club.owner, 50, 0)
		s.a.post("/badges/"+badge+"/remove", object{"userId": club.owner}).expect(200)
		s.a.says(channel, "Three")
		s.owns(club, club.owner, 50, 0)
		s.a.post(club.path("/visit")).expect(200)
		s.owns(club, club.owner, 50, 0)
		s.a.delete("/badges/" + daily).expect(200)
	}},

	{"GAMIFICATION-REFER-01", "setXpSetting createUser keys users badges", "who brings somebody and who was brought are credited, each once", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.credits(club, object{"referral": object{"enabled": true, "xp": 30}, "refer": object{"enabled": true, "xp": 7}})
		made := s.a.makesKey(club, "createUser").makesUser(object{"referral": club.owner}).expect(201)
		s.owns(club, club.owner, 30, 0)
		s.owns(club, fmt.Sprint(made.at("/data/userId")), 7, 0)
	}},

	{"GAMIFICATION-VISIT-01", "setXpSetting visitServer servers auth badges", "a visit is credited once a day, and with the first one what the profile has", func(s *session) {
		club := s.a.makesServer("Chess club")
		was := s.a.get("/auth/me").expect(200)
		s.undoes(func() {
			s.a.write("PATCH", "/auth/me", object{"aboutMe": was.at("/body/aboutMe"), "quote": was.at("/body/quote")}).expect(200)
		})
		s.a.write("PATCH", "/auth/me", object{"aboutMe": "Plays the Dutch defence.", "quote": ""}).expect(200)
		s.a.credits(club, object{"visit": object{"enabled": true, "xp": 3}, "aboutme": object{"enabled": true, "xp": 20}, "quote": object{"enabled": true, "xp": 100}})
		for range 2 {
			s.a.post(club.path("/visit")).expect(200)
			s.owns(club, club.owner, 23, 0)
		}
	}},

	{"GAMIFICATION-DAILY-01", "getDailyHistory setXpSetting visitServer keys", "of all who are asked for on a day, members are shown in that order, by pages, and others are left out", func(s *session) {
		club := s.a.makesServer("Chess club")
		other := s.b.joins(club)
		key := s.a.makesKey(club, "getUserStats")
		s.a.credits(club, object{"visit": object{"enabled": true, "xp": 3, "coins": 1}})
		day := s.a.post(club.path("/visit")).expect(200).text("/body/day")
		date, err := time.Parse(time.DateOnly, day)
		if err != nil {
			s.stop("the day is %s", day)
		}
		ask := func(page int, date string) *answer {
			return key.post("/apis/v1/users/activity/daily", object{"identifier": []string{other, unknownNumber, club.owner}, "identifier_type": "id", "date": date, "page": page, "limit": 2})
		}
		today := date.Format("02/01/2006")
		ask(1, today).expect(200).is("/data/pagination", object{"page": 1, "limit": 2, "total": 3, "total_pages": 2, "found": 2}).is("/data/results/0/identifier", other).is("/data/results/0/xp", 0)
		second := ask(2, today).expect(200).is("/data/results/0/identifier", club.owner).is("/data/results/0/xp", 3).is("/data/results/0/coins", 1).is("/data/results/0/date", today)
		if id := s.a.accountOf(club, club.owner); id != second.text("/data/results/0/user_id") {
			second.fail("the user_id is not %s", id)
		}
		ask(1, "01/01/2001").expect(200).is("/data/results/0/xp", 0)
		ask(1, "30/02/2026").refuses("/date", "wrong_format")
	}},

	{"GAMIFICATION-LOGS-01", "listActivityLogs setXpSetting visitServer sendMessage channels messages keys", "the ledger comes newest first, by pages that fit together, between the moments that were asked for", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, channel := s.a.makesKey(club, "getUserStats"), s.a.makesChannel(club, "open", nil)
		for i := range 5 {
			s.a.says(channel, fmt.Sprint("Hello ", i))
		}
		ask := func(more object) *answer {
			return key.post("/apis/v1/users/activity/logs", object{"identifier": club.owner, "identifier_type": "id"}.and(more))
		}
		all := ask(nil).expect(200).each("/data/logs", "reason")
		if len(all) != 5 || !strings.HasPrefix(all[0], "messages/") {
			s.fail("the ledger has %v", all)
		}
		var paged []string
		for next := (object{"limit": 2}); len(paged) < len(all); {
			page := ask(next).expect(200)
			paged = append(paged, page.each("/data/logs", "reason")...)
			if len(paged) == len(all) {
				page.lacks("/data/nextCursor")
				break
			}
			next = object{"limit": 2, "cursor": page.text("/data/nextCursor")}
		}
		if !slices.Equal(all, paged) {
			s.fail("by pages, the ledger has %v, and whole %v", paged, all)
		}
		if found := ask(object{"page": 2, "limit": 4}).expect(200).each("/data/logs", "reason"); !slices.Equal(found, all[4:]) {
			s.fail("the second page is %v", found)
		}
		ask(object{"from": "2026-03-02T00:00:00.000Z", "to": "2026-03-01T00:00:00.000Z"}).refuses("/to", "not_allowed")
		key.post("/apis/v1/users/activity/logs", object{"identifier": club.owner}).refuses("/identifier", "wrong_format")
		if later := ask(object{"from": "2999-01-01T00:00:00.000Z"}).expect(200).list("/data/logs"); len(later) != 0 {
			s.fail("%d lines are of the future", len(later))
		}
		if earlier := ask(object{"to": "2001-01-01T00:00:00.000Z"}).expect(200).list("/data/logs"); len(earlier) != 0 {
			s.fail("%d lines are older than this", len(earlier))
		}
		ask(object{"cursor": "abc"}).refuses("/cursor", "malformed")
		ask(object{"page": 2, "cursor": "abc"}).refuses("/page", "not_allowed")
	}},

	{"GAMIFICATION-MILESTONE-01", "createMilestone updateMilestone listMilestones getMilestone deleteMilestone fields", "the values of a milestone rise, and it is about what is counted or a field of numbers", func(s *session) {
		club := s.a.makesServer("Chess club")
		wrong := func(pointer, code string, in object) {
			s.a.post(milestones, object{"name": "Talker", "field": "messages", "steps": []any{object{"value": 2}}, "serverId": club.id}.and(in)).refuses(pointer, code)
		}
		wrong("/steps/1/value", "too_small", object{"steps": []any{object{"value": 2}, object{"value": 2}}})
		wrong("/field", "not_allowed", object{"field": unknownID()})
		text, number := s.a.makesField(club, object{"type": "text"}), s.a.makesField(club, object{"type": "numerical"})
		wrong("/field", "not_allowed", object{"field": text})
		id := s.a.makesMilestone(club, object{"field": number})
		made := s.a.get(milestones + "/" + id).expect(200).says("Read milestone success.")
		made.has("/data", object{"name": "Talker", "field": number, "communityId": club.id, "image": "", "steps": []any{object{"value": 2, "xp": 5}}})
		s.a.put(milestones+"/"+id, object{"name": "Rich", "field": "coins", "steps": []any{object{"value": 9}, object{"value": 9}}}).refuses("/steps/1/value", "too_small")
		s.a.put(milestones+"/"+id, object{"name": "Rich", "field": "coins", "steps": []any{object{"value": 9}}}).expect(200).says("Update milestone success.").has("/data", object{"name": "Rich", "field": "coins"})
		second := s.a.makesMilestone(club, nil)
		list := s.a.get(milestones + "?serverId=" + club.id).expect(200).says("Read milestones success.")
		if got := list.each("/data", "_id"); !slices.Equal(got, []string{id, second}) {
			list.fail("the milestones are %v", got)
		}
		s.a.delete(milestones+"/"+id).expect(200).says("Delete milestone success.").is("/data/_id", id)
		s.a.get(milestones + "/" + id).expect(404)
	}},

	{"GAMIFICATION-MILESTONE-02", "createMilestone getUserMilestones sendMessage setXpSetting awardBadge channels messages keys badges", "a step is reached once, when the number is there, and what it credits reaches others", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, channel := s.a.makesKey(club, "getUserStats"), s.a.makesChannel(club, "open", nil)
		s.a.says(channel, "Before")
		talker := s.a.makesMilestone(club, object{"steps": []any{object{"value": 1, "xp": 1}, object{"value": 2, "xp": 10, "coins": 2}, object{"value": 9, "xp": 1000}}})
		rich := s.a.makesMilestone(club, object{"name": "Rich", "field": "xp", "steps": []any{object{"value": 11, "xp": 100}, object{"value": 111, "coins": 7}}})
		s.owns(club, club.owner, 0, 0)
		s.a.says(channel, "One")
		s.owns(club, club.owner, 111, 9)
		s.a.says(channel, "Two")
		s.owns(club, club.owner, 111, 9)
		shown := key.post("/apis/v1/users/milestones", object{"identifier": club.owner, "identifier_type": "id"}).expect(200).says("User milestones fetched successfully")
		if ids := shown.each("/data", "_id"); !slices.Equal(ids, []string{talker, rich}) {
			shown.fail("the milestones are %v", ids)
		}
		shown.is("/data/0/value", 3).is("/data/0/steps/1/reached", true).is("/data/0/steps/2", object{"value": 9, "reached": false, "reachedAt": nil}).is("/data/1/value", 111).is("/data/1/steps/1/reached", true)
		shown.time("/data/0/steps/0/reachedAt")
	}},

	{"GAMIFICATION-MILESTONE-03", "createMilestone createUserFieldHistory getUserMilestones fields keys badges", "a field of numbers reaches steps when it is given", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, field, me := s.a.makesKey(club, "getUserStats"), s.a.makesField(club, object{"type": "numerical"}), s.a.accountOf(club, club.owner)
		s.a.makesMilestone(club, object{"field": field, "steps": []any{object{"value": 10, "xp": 5}, object{"value": 20, "xp": 50}}})
		for _, value := range []float64{9.5, 10, 12, 3} {
			s.a.sets(club, field, me, object{"value": value}).expect(201)
		}
		s.owns(club, club.owner, 5, 0)
		shown := key.post("/apis/v1/users/milestones", object{"identifier": me, "identifier_type": "_id"}).expect(200)
		shown.is("/data/0/value", 3).is("/data/0/steps/0/reached", true).is("/data/0/steps/1/reached", false)
	}},

	{"GAMIFICATION-SOCIAL-01", "createSocial listSocials recordSocial deleteSocial getUserStats listActivityLogs keys badges", "what a member did at a social link is counted and credited once, for ever, and stays when the link is gone", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key, stats := s.a.makesKey(club, "gamification"), s.a.makesKey(club, "getUserStats")
		first := s.a.makesSocial(club, object{"xp": 20, "coins": 5})
		second := s.a.makesSocial(club, object{"action": "share", "url": "https://pictures.example/chess-club?from=club"})
		listed := s.b.get(socials + "?serverId=" + club.id).expect(200).says("Socials fetched successfully")
		if ids := listed.each("/data", "_id"); !slices.Equal(ids, []string{first, second}) {
			listed.fail("the links are %v", ids)
		}
		listed.has("/data/0", object{"platform": "youtube", "action": "follow", "xp": 20, "coins": 5, "communityId": club.id}).has("/data/1", object{"xp": 0, "coins": 0})
		key.records(first, "follow", number).expect(200).says("Social recorded successfully").
			is("/data", object{"socialId": first, "userId": number, "action": "follow", "counted": true, "xp": 20, "coins": 5, "socials": 1})
		for range 2 {
			key.records(first, "follow", number).expect(200).has("/data", object{"counted": false, "xp": 0, "coins": 0, "socials": 1})
		}
		s.a.delete(socials+"/"+first).expect(200).says("Social deleted successfully").is("/data/_id", first)
		key.records(first, "follow", number).expect(404)
		key.records(second, "share", number).expect(200).has("/data", object{"counted": true, "xp": 0, "coins": 0, "socials": 2})
		s.owns(club, number, 20, 5)
		stats.stats(number).is("/data/totals/socials", 2).is("/data/daily_stats/0/socials", 2)
		if got := stats.logs(number); !slices.Equal(got, []string{"socials 0 0", "socials 20 5"}) {
			s.fail("the ledger has %v", got)
		}
	}},

	{"GAMIFICATION-SOCIAL-02", "createSocial recordSocial keys badges", "what is recorded many times at once is credited once, and an action that the link does not ask for is refused", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, social := s.a.makesKey(club, "gamification"), s.a.makesSocial(club, object{"action": "like", "xp": 20})
		for _, action := range []string{"follow", "share", "comment"} {
			key.records(social, action, club.owner).refuses("/action", "not_allowed")
		}
		s.atOnce(8, func(int) { key.records(social, "like", club.owner).expect(200) })
		s.owns(club, club.owner, 20, 0)
		key.records(s.a.makesSocial(s.a.makesServer("Go club"), nil), "follow", club.owner).expect(404)
	}},

	{"GAMIFICATION-SOCIAL-03", "createSocial", "the address of a social link begins with https and names no user", func(s *session) {
		club := s.a.makesServer("Chess club")
		for _, url := range []string{"http://video.example/", "javascript:alert(1)", "https://", "https://vera@video.example/", "https:video.example", ""} {
			s.a.post(socials, object{"platform": "youtube", "url": url, "action": "follow", "serverId": club.id}).refuses("/url", "")
		}
	}},
}
