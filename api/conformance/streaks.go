package conformance

const atStreaks = "/apis/v1/streaks"

// streak is what a streak is made from, with changes: one message a day reaches it.
func (c club) streak(changes object) object {
	return object{
		"name": "Daily message", "timeframe": object{"value": "daily", "count": 1}, "action": conditions("and", object{"action": "messages", "value": 1}), "serverId": c.id,
	}.and(changes)
}

func conditions(operator string, all ...any) object {
	return object{"operator": operator, "conditions": all}
}

// makesStreak makes a streak of a server and returns its id.
func (c caller) makesStreak(in club, changes object) string {
	return c.post(atStreaks, in.streak(changes)).expect(201).text("/data/_id")
}

// reached are the times that a member has reached a streak, or any.
func (k key) reached(name, streak string) *answer {
	ask := object{"identifier": name, "identifier_type": "id"}
	if streak != "" {
		ask["streakId"] = streak
	}
	return k.post("/apis/v1/users/streaks/logs", ask).expect(200).says("Streak logs fetched successfully")
}

// streaks are the test cases of the tag streaks.
var streaks = []testCase{
	{"STREAKS-CREATE-01", "createStreak updateStreak fields", "a streak has days on which it is active, a zone that there is, and conditions on what members do or have in a field of numbers", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		number := s.a.makesField(club, object{"type": "number"})
		made := s.a.post(atStreaks, club.streak(nil)).expect(201).says("Streak created successfully")
		made.has("/data", object{"communityId": club.id, "timezone": "utc_gmt", "activeDaysType": "everyday", "activeDays": []any{}, "order": 0, "__v": 0, "reward": object{"xp": 0, "coins": 0}})
		made.is("/data/action/conditions/0/isCustomField", false)
		id := made.text("/data/_id")
		for _, wrong := range []struct {
			pointer, code string
			in            object
		}{
			{"/activeDays", "required", object{"activeDaysType": "custom"}},
			{"/activeDays", "required", object{"activeDaysType": "custom", "activeDays": []any{}}},
			{"/timezone", "not_allowed", object{"timezone": "Europe/Atlantis"}},
			{"/timezone", "not_allowed", object{"timezone": "Local"}},
			{"/timezone", "not_allowed", object{"timezone": "Etc//UTC"}},
			{"/timezone", "wrong_format", object{"timezone": "America/./New_York"}},
			{"/timezone", "wrong_format", object{"timezone": "posix/Europe/Berlin"}},
			{"/startDate", "wrong_format", object{"startDate": "2026-02-30"}},
			{"/startDate", "wrong_format", object{"startDate": "2026-02-03Thursday"}},
			{"/action/conditions/1/action", "not_allowed", object{"action": conditions("or", object{"action": "visits", "value": 1}, object{"action": "yawns", "value": 1})}},
			{"/action/conditions/0/action", "not_allowed", object{"action": conditions("or", object{"action": "streaks", "value": 1})}},
			{"/action/conditions/0/action", "not_allowed", object{"action": conditions("or", object{"action": number, "value": 1})}},
			{"/action/conditions/0/action", "not_allowed", object{"action": conditions("or", object{"action": "messages", "value": 1, "isCustomField": true})}},
			{"/action/conditions/0/action", "not_allowed", object{"action": conditions("or", object{"action": s.a.makesField(club, nil), "value": 1, "isCustomField": true})}},
			{"/action/conditions/0/action", "not_allowed", object{"action": conditions("or", object{"action": s.a.makesField(other, object{"type": "number"}), "value": 1, "isCustomField": true})}},
		} {
			s.a.post(atStreaks, club.streak(wrong.in)).refuses(wrong.pointer, wrong.code)
			change := club.streak(wrong.in)
			delete(change, "serverId")
			s.a.put(atStreaks+"/"+id, change).refuses(wrong.pointer, wrong.code)
		}
		change := club.streak(object{
			"name": "Invested", "timezone": "Pacific/Auckland", "startDate": "2026-04-07T23:00:00.000Z", "timeframe": object{"value": "weekly", "count": 3},
			"action":         conditions("or", object{"_id": "524710654a38", "action": number, "value": 100, "isCustomField": true}, object{"action": "replies", "value": 2}),
			"activeDaysType": "custom", "activeDays": []any{"Sunday", "Monday"}, "order": 3, "reward": object{"xp": 5, "coins": 6},
		})
		delete(change, "serverId")
		after := s.a.put(atStreaks+"/"+id, change).expect(200).says("Streak updated successfully").is("/data/startDate", "2026-04-07T00:00:00.000Z")
		delete(change, "startDate")
		delete(change, "action")
		after.has("/data", change).has("/data/action/conditions/0", object{"_id": "524710654a38", "action": number, "value": 100, "isCustomField": true})
		kept := s.a.put(atStreaks+"/"+id, object{"name": "Invested", "timeframe": object{"value": "weekly", "count": 3}, "action": conditions("and", object{"action": "visits", "value": 1})}).expect(200)
		delete(change, "name")
		kept.has("/data", change)
	}},

	{"STREAKS-LIST-01", "createStreak listStreaks updateStreak deleteStreak", "streaks stand in their order, in parts that say so, for members too, and what is deleted is there no more", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		third := s.a.makesStreak(club, object{"order": 5})
		first, second := s.a.makesStreak(club, nil), s.a.makesStreak(club, nil)
		list := func(query string, pages object, want ...string) {
			for _, who := range []caller{s.a, s.b} {
				found := who.get(atStreaks + "?serverId=" + club.id + query).expect(200)
				found.is("/status", "success").is("/pagination", pages)
				if got := found.each("/data", "_id"); asJSON(got) != asJSON(want) {
					found.fail("the streaks are %v, want %v", got, want)
				}
			}
		}
		pages := func(total, page, all int, next, before bool) object {
			return object{"total": total, "currentPage": page, "totalPages": all, "hasNextPage": next, "hasPrevPage": before}
		}
		list("", pages(3, 1, 1, false, false), first, second, third)
		list("&limit=2", pages(3, 1, 2, true, false), first, second)
		list("&limit=2&page=2", pages(3, 2, 2, false, true), third)
		list("&limit=2&page=9", pages(3, 9, 2, false, true))
		gone := s.a.delete(atStreaks + "/" + first).expect(200).says("Streak deleted successfully")
		gone.is("/data/_id", first)
		s.a.delete(atStreaks + "/" + first).expect(404)
		list("", pages(2, 1, 1, false, false), second, third)
	}},

	{"STREAKS-REACH-01", "createStreak listStreakLogs deleteStreak getUserData channels keys messages users", "who meets the conditions reaches the streak once with the period, is credited for it, and that stays readable", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "getUserStats", "getUserData")
		channel := s.a.makesChannel(club, "open", nil)
		daily := s.a.makesStreak(club, object{"name": "Two messages", "action": conditions("and", object{"action": "messages", "value": 2}), "reward": object{"xp": 50, "coins": 7}})
		either := s.a.makesStreak(club, object{"timeframe": object{"value": "monthly", "count": 1}, "action": conditions("or", object{"action": "replies", "value": 1}, object{"action": "reactions", "value": 1})})
		s.a.makesStreak(club, object{"startDate": "2999-01-01"})
		s.a.makesStreak(club, object{"timeframe": object{"value": "daily", "count": 2}})
		points := func(xp, coins int) {
			key.post("/apis/v1/users/info", object{"idOrEmail": club.owner}).expect(200).is("/data/xp", xp).is("/data/coins", coins)
		}
		first := s.a.says(channel, "One")
		key.reached(club.owner, "").is("/data/logs", []any{})
		points(0, 0)
		s.a.replies(first, "Two").expect(200) // which is a message, too
		logs := key.reached(club.owner, "")
		if got := asJSON(logs.each("/data/logs", "streakId")); got != asJSON([]string{either, daily}) && got != asJSON([]string{daily, either}) {
			logs.fail("the streaks %s were reached, want %s and %s", got, daily, either)
		}
		points(50, 7)
		s.a.says(channel, "Three")
		points(50, 7)
		s.a.delete(atStreaks + "/" + daily).expect(200)
		of := key.reached(club.owner, daily).lacks("/data/logs/1")
		of.has("/data/logs/0", object{"streakId": daily, "name": "Two messages", "length": 1, "xp": 50, "coins": 7})
		key.reached(club.owner, unknownID()).is("/data/logs", []any{})
	}},

	{"STREAKS-FIELD-01", "createStreak listStreakLogs createUserField createUserFieldHistory keys fields", "a condition on a field is met when the value is set, and not by another field", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, me := s.a.makesKey(club, "getUserStats"), s.a.accountOf(club, club.owner)
		deposit, other := s.a.makesField(club, object{"type": "number"}), s.a.makesField(club, object{"type": "number"})
		streak := s.a.makesStreak(club, object{"action": conditions("and", object{"action": deposit, "value": 100, "isCustomField": true})})
		count := func(want int) {
			logs := key.reached(club.owner, streak)
			if got := len(logs.each("/data/logs", "streakId")); got != want {
				logs.fail("it was reached %d times, want %d", got, want)
			}
		}
		s.a.sets(club, deposit, me, object{"value": 99.5}).expect(201)
		s.a.sets(club, other, me, object{"value": 100}).expect(201)
		count(0)
		s.a.sets(club, deposit, me, object{"value": 100}).expect(201)
		count(1)
		s.a.sets(club, deposit, me, object{"value": 200}).expect(201)
		count(1)
	}},
}
