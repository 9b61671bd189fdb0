package conformance

const atGames = "/apis/v1/mini-games"

// game is what a mini game is made from, with changes: there is one prize, any number of times, and members play often.
func (c club) game(changes object) object {
	return object{"name": "Wheel", "type": "spin-wheel", "prizes": []any{object{"name": "10 XP", "weight": 1, "xp": 10, "coins": 2}}, "playsPerDay": 100, "serverId": c.id}.and(changes)
}

// makesGame makes a mini game of a server and returns its id.
func (c caller) makesGame(in club, changes object) string {
	return c.post(atGames, in.game(changes)).expect(201).text("/data/_id")
}

// plays plays a mini game.
func (c caller) plays(game string) *answer { return c.post(atGames+"/"+game+"/play", object{}) }

// games are the test cases of mini games, in the tag streaks.
var games = []testCase{
	{"STREAKS-GAMES-01", "createMiniGame getMiniGame listMiniGames updateMiniGame deleteMiniGame", "a mini game has what it was given, changes what is given, keeps the prizes that it names by their ids, and is gone when it is deleted", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		made := s.a.post(atGames, object{"name": "Card", "type": "scratch-card", "serverId": club.id, "prizes": []any{
			object{"name": "Nothing", "weight": 9}, object{"name": "Chess set", "weight": 1, "xp": 1, "coins": 2, "productID": "set", "stock": 5},
		}}).expect(201).says("Mini game created successfully")
		made.has("/data", object{"communityId": club.id, "name": "Card", "type": "scratch-card", "playsPerDay": 1, "cost": object{"coins": 0}, "__v": 0})
		made.has("/data/prizes/0", object{"name": "Nothing", "weight": 9, "xp": 0, "coins": 0}).lacks("/data/prizes/0/stock").lacks("/data/prizes/0/left").lacks("/data/prizes/0/productID")
		made.has("/data/prizes/1", object{"name": "Chess set", "weight": 1, "xp": 1, "coins": 2, "productID": "set", "stock": 5, "left": 5})
		id, first := made.text("/data/_id"), made.text("/data/prizes/0/_id")
		s.a.get(atGames+"/"+id).expect(200).says("Mini game fetched successfully").is("/data", made.at("/data"))
		second := s.a.makesGame(club, nil)
		change := func(in object) *answer { return s.a.put(atGames+"/"+id, in) }
		change(object{"name": "Another"}).expect(200).says("Mini game updated successfully").is("/data/name", "Another").is("/data/prizes", made.at("/data/prizes"))
		elsewhere := s.a.get(atGames + "/" + s.a.makesGame(other, nil)).expect(200).text("/data/prizes/0/_id")
		for _, wrong := range []string{unknownID(), elsewhere} {
			change(object{"prizes": []any{object{"name": "x", "weight": 1, "_id": first}, object{"name": "x", "weight": 1, "_id": wrong}}}).refuses("/prizes/1/_id", "not_allowed")
		}
		change(object{"prizes": []any{object{"name": "x", "weight": 1, "_id": first}, object{"name": "x", "weight": 1, "_id": first}}}).refuses("/prizes/1/_id", "duplicate")
		changed := change(object{"playsPerDay": 0, "cost": object{"coins": 3}, "prizes": []any{object{"name": "Board", "weight": 3, "stock": 2}, object{"name": "None", "weight": 2, "_id": first}}}).expect(200)
		changed.has("/data", object{"playsPerDay": 0, "cost": object{"coins": 3}, "type": "scratch-card"}).has("/data/prizes/0", object{"name": "Board", "stock": 2, "left": 2}).is("/data/prizes/1/_id", first)
		list := s.a.get(atGames + "?serverId=" + club.id).expect(200).says("Mini games fetched successfully")
		if got := list.each("/data", "_id"); asJSON(got) != asJSON([]string{id, second}) {
			list.fail("the games are %v, want %s and %s", got, id, second)
		}
		list.is("/data/0", changed.at("/data"))
		s.a.delete(atGames+"/"+id).expect(200).says("Mini game deleted successfully").is("/data/_id", id)
		for _, gone := range []*answer{s.a.get(atGames + "/" + id), s.a.delete(atGames + "/" + id), s.a.plays(id), change(object{"name": "x"})} {
			gone.expect(404)
		}
	}},

	{"STREAKS-GAMES-02", "createMiniGame playMiniGame getMiniGame getMiniGameStats listMiniGameLogs listActivityLogs getMemberBalance badges gamification keys", "a play draws a prize, credits it, and stands in the logs; nobody plays more often than a game allows, and no prize is drawn more often than its stock", func(s *session) {
		club := s.a.makesServer("Chess club")
		member := s.b.joins(club)
		key := s.a.makesKey(club, "gamification", "getUserStats")
		game := s.a.makesGame(club, object{"playsPerDay": 2})
		s.a.plays(game).expect(200).says("Mini game played successfully").has("/data/prize", object{"name": "10 XP", "xp": 10, "coins": 2}).is("/data/playsLeft", 1)
		s.owns(club, club.owner, 10, 2)
		key.post(atGames+"/"+game+"/play", object{"identifier": club.owner, "identifier_type": "id"}).expect(200).is("/data/playsLeft", 0)
		s.a.plays(game).expect(409)
		s.owns(club, club.owner, 20, 4)
		s.owns(club, member, 0, 0)
		key.post(atGames+"/"+game+"/play", object{}).refuses("/identifier", "required")
		key.post(atGames+"/"+game+"/play", object{"identifier": unknownNumber, "identifier_type": "id"}).expect(404)
		s.b.post(atGames+"/"+game+"/play", object{"identifier": member}).expect(200)
		s.b.post(atGames+"/"+game+"/play", object{"identifier": club.owner}).expect(403)
		ask := func(path, who string) *answer {
			return key.post("/apis/v1/users/mini-games"+path, object{"identifier": who, "identifier_type": "id"}).expect(200)
		}
		stats := ask("/stats", club.owner).says("Mini game stats fetched successfully")
		stats.has("/data/miniGames/0", object{"_id": game, "name": "Wheel", "type": "spin-wheel", "playsLeft": 0, "playsToday": 2, "totalPlays": 2}).is("/data/streaks", []any{})
		logs := ask("/logs", club.owner).says("Mini game logs fetched successfully").is("/data/logs/0/playedAt", stats.at("/data/miniGames/0/lastPlayedAt"))
		if got := logs.each("/data/logs", "gameId"); asJSON(got) != asJSON([]string{game, game}) {
			logs.fail("the plays are of %v, want two of %s", got, game)
		}
		logs.has("/data/logs/1", object{"name": "Wheel"}).has("/data/logs/1/prize", object{"name": "10 XP", "xp": 10, "coins": 2})

		rare := s.a.makesGame(club, object{"prizes": []any{object{"name": "Board", "weight": 1, "stock": 1}, object{"name": "Set", "weight": 1000000, "stock": 2}}})
		drawn := map[string]int{}
		for range 3 {
			drawn[s.a.plays(rare).expect(200).text("/data/prize/name")]++
		}
		if drawn["Board"] != 1 || drawn["Set"] != 2 {
			s.fail("of 1 board and 2 sets, %v were drawn", drawn)
		}
		s.a.plays(rare).expect(409)
		s.a.get(atGames+"/"+rare).expect(200).is("/data/prizes/0/left", 0).is("/data/prizes/1/left", 0)
		ask("/stats", club.owner).is("/data/miniGames/1/playsLeft", 97)
		s.a.put(atGames+"/"+rare, object{"prizes": []any{object{"name": "Pawn", "weight": 1}}}).expect(200)
		s.a.plays(rare).expect(200).is("/data/prize/name", "Pawn")
		s.a.delete(atGames + "/" + game).expect(200)
		gone := ask("/logs", club.owner)
		if got := gone.each("/data/logs", "gameId"); asJSON(got) != asJSON([]string{rare, rare, rare, rare}) {
			gone.fail("after one game was deleted, the plays are of %v, want four of %s", got, rare)
		}
		s.owns(club, club.owner, 20, 4)
	}},

	{"STREAKS-GAMES-03", "createMiniGame playMiniGame setMiniGamePlays getMiniGameStats getMemberBalance badges keys", "a play that costs more than there is takes nothing, and plays beyond those of the day last until they are played", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "gamification", "getUserStats")
		free, dear := s.a.makesGame(club, object{"playsPerDay": 0}), s.a.makesGame(club, object{"cost": object{"coins": 3}, "playsPerDay": 2})
		left := func(n int, want int) {
			stats := key.post("/apis/v1/users/mini-games/stats", object{"identifier": club.owner, "identifier_type": "id"}).expect(200)
			if games := stats.list("/data/miniGames"); len(games) != 2 {
				stats.fail("there are %d games, want 2", len(games))
			}
			stats.is([]string{"/data/miniGames/0/playsLeft", "/data/miniGames/1/playsLeft"}[n], want)
		}
		s.a.plays(dear).expect(409)
		left(1, 2)
		s.a.plays(free).expect(409)
		grant := func(plays int) *answer {
			return key.put("/apis/v1/users/mini-games/plays", object{"identifier": club.owner, "identifier_type": "id", "gameId": free, "plays": plays})
		}
		grant(2).expect(200).says("Mini game plays updated successfully").is("/data", object{"gameId": free, "userId": club.owner, "plays": 2, "playsLeft": 2})
		s.a.plays(free).expect(200).is("/data/playsLeft", 1)
		left(0, 1)
		grant(1).expect(200).is("/data/playsLeft", 1)
		s.a.plays(free).expect(200).is("/data/playsLeft", 0)
		s.a.plays(free).expect(409)
		s.owns(club, club.owner, 20, 4)
		s.a.plays(dear).expect(200).is("/data/playsLeft", 1)
		s.owns(club, club.owner, 30, 3)
		s.a.plays(dear).expect(200)
		s.owns(club, club.owner, 40, 2)
		grant(5).expect(200)
		left(0, 5)
		grant(0).expect(200)
		left(0, 0)
	}},

	{"STREAKS-GAMES-04", "getMiniGameStats listMiniGameLogs auth keys", "whom a question about mini games is about is said by an address or by an identifier", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "getUserStats")
		email := s.a.get("/auth/me").expect(200).text("/body/email")
		for _, path := range []string{"/apis/v1/users/mini-games/stats", "/apis/v1/users/mini-games/logs"} {
			key.post(path, object{"email": email}).expect(200)
			key.post(path, object{"identifier": email}).expect(200)
			key.post(path, object{"email": email, "identifier": email}).refuses("/email", "not_allowed")
			key.post(path, object{"identifier_type": "id"}).refuses("/identifier", "required")
			key.post(path, object{"email": freshEmail()}).expect(404)
		}
	}},
}
