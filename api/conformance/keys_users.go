package conformance

import (
	"slices"
	"strings"
)

// userKeysPath is where the user API keys of an account are.
func userKeysPath(account, more string) string {
	return "/apis/v1/users/" + account + "/api-keys" + more
}

// accountOf is the id of the account that has a number and is a member of a server.
func (c caller) accountOf(club club, number string) string {
	members := c.get(club.path("/members")).expect(200)
	return members.text(members.find("/body", "id", number) + "/_id")
}

// makesUserKey makes a key that acts for the caller, who is a member of the server by a number, and does not expire.
func (c caller) makesUserKey(club club, number string, permissions ...string) key {
	made := c.asksUserKey(c.accountOf(club, number), club, object{"permissions": append([]string{}, permissions...)}).expect(201)
	key := key{caller: c.anonymous.bearer(made.text("/data/key")), id: made.text("/data/_id"), whole: made.text("/data/key")}
	key.name = "a user API key"
	return key
}

// asksUserKey asks for a key for an account in a server.
func (c caller) asksUserKey(account string, club club, more object) *answer {
	wanted := object{"name": "phone", "permissions": []string{}, "communityId": club.id}
	return c.post("/apis/v1/users/apikeys?userId="+account, wanted.and(more))
}

// userKeys are the test cases of the tag keys that are about keys of accounts.
var userKeys = []testCase{
	{"KEYS-USERCREATE-01", "createUserApiKey listUserApiKeys updateUserApiKey deleteUserApiKey getApiKeyInfo", "a user API key is shown whole in the answer that makes it, and masked ever after", func(s *session) {
		club := s.a.makesServer("Chess club")
		me := s.a.accountOf(club, club.owner)
		once := s.a.with("Idempotency-Key", "phone-"+club.id)
		wanted := object{"permissions": []string{"sendMessages"}, "expirePeriod": 30, "expireDate": ""}
		made := once.asksUserKey(me, club, wanted)
		made.expect(201).says("Create API key success.")
		want := object{"name": "phone", "expirePeriod": 30, "isActive": true, "communityId": club.id, "channels": []any{}, "userId": plain(club.owner)}
		made.has("/data", want)
		made.permits("/data", "sendMessages")
		made.expires("/data", 30)
		key := key{caller: s.anonymous.bearer(made.text("/data/key")), id: made.text("/data/_id"), whole: made.text("/data/key")}
		key.name = "the key"
		once.asksUserKey(me, club, wanted).expect(201).is("/data/_id", key.id)
		if !wholeKey.MatchString(key.whole) {
			made.stop("%s: the key must be 64 lower-case hexadecimal characters", made.what)
		}
		listed := s.a.get(userKeysPath(me, "?communityId="+club.id)).expect(200).says("Read API keys success.")
		listed.has("/data/0", want.and(object{"_id": key.id, "key": key.masked()}))
		for _, a := range []*answer{
			listed,
			key.get(keyInfo).isKey("Read API key success.", key, want.and(object{"kind": "user", "isTrusted": true})),
			s.a.put(userKeysPath(me, "/"+key.id), object{"name": "phone"}).isKey("Update API key success.", key, want),
			s.a.delete(userKeysPath(me, "/"+key.id)).isKey("Delete API key success.", key, want),
		} {
			if strings.Contains(string(a.raw), key.whole) {
				a.fail("shows the whole key again")
			}
		}
		key.get(keyInfo).expect(401)
		s.a.delete(userKeysPath(me, "/"+key.id)).expect(404)
	}},

	{"KEYS-USERUPDATE-01", "updateUserApiKey getApiKeyInfo", "a change touches what it names, a key that is not active is refused, and a body that says it is text is JSON", func(s *session) {
		club := s.a.makesServer("Chess club")
		me := s.a.accountOf(club, club.owner)
		key := s.a.makesUserKey(club, club.owner, "sendMessages")
		path := userKeysPath(me, "/"+key.id)
		s.a.put(path, object{"name": "tablet"}).expect(200).permits("/data", "sendMessages").is("/data/name", "tablet")
		s.a.put(path, object{"permissions": []string{"reactMessages"}}).expect(200).permits("/data", "reactMessages").is("/data/name", "tablet")
		s.a.put(path, object{"expirePeriod": 7}).expect(200).expires("/data", 7)
		s.a.put(path, object{"expirePeriod": 7, "expireDate": "2999-01-01T00:00:00Z"}).refuses("/expireDate", "not_allowed")
		s.a.put(path, object{"expireDate": "2001-01-01T00:00:00Z"}).refuses("/expireDate", "too_small")
		s.a.put(path, object{"expireDate": "2999-01-01T00:00:00Z"}).expect(200).is("/data/expireDate", "2999-01-01T00:00:00.000Z")
		s.a.put(path, object{"expirePeriod": 0, "expireDate": nil}).expect(200).is("/data/expireDate", nil)
		s.a.put(path, object{"expirePeriod": 7, "expireDate": nil}).refuses("/expireDate", "not_allowed")
		for _, change := range []object{{"expireDate": nil}, {"expirePeriod": 7}, {"expireDate": "2999-01-01T00:00:00Z"}} {
			shown := s.a.put(path, change).expect(200)
			whole := object{}
			for _, name := range []string{"name", "permissions", "channels", "expirePeriod", "expireDate", "isActive"} {
				whole[name], _ = lookup(shown.value, "/data/"+name)
			}
			s.a.put(path, whole).expect(200).has("/data", whole).is("/data/updatedAt", shown.text("/data/updatedAt"))
		}
		s.a.send("PUT", path, "text/plain", []byte(`{"isActive":false}`)).expect(200).is("/data/isActive", false)
		key.get(keyInfo).expect(401)
		s.a.put(path, object{"isActive": true}).expect(200)
		key.get(keyInfo).expect(200)
	}},

	{"KEYS-USEROTHERS-01", "createUserApiKey listUserApiKeys updateUserApiKey deleteUserApiKey", "the keys of others do not exist, but for administrators, who see and end those in their community", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		me, her := s.a.accountOf(club, club.owner), s.a.accountOf(club, number)
		key := s.b.makesUserKey(club, number)
		s.a.asksUserKey(her, club, nil).expect(404)
		s.a.get(userKeysPath(her, "")).expect(404)
		s.a.put(userKeysPath(her, "/"+key.id), object{"isActive": false}).expect(404)
		listed := s.a.get(userKeysPath(her, "?communityId="+club.id)).expect(200)
		if got := listed.each("/data", "_id"); !slices.Equal(got, []string{key.id}) {
			listed.fail("lists %v, and the member has %s", got, key.id)
		}
		mine := s.a.makesUserKey(club, club.owner)
		s.b.get(userKeysPath(me, "?communityId="+club.id)).expect(403)
		s.b.delete(userKeysPath(me, "/"+mine.id)).expect(404)
		s.a.delete(userKeysPath(her, "/"+key.id)).expect(200)
		key.get(keyInfo).expect(401)
	}},

	{"KEYS-USERSCOPE-01", "createUserApiKey channels", "a user API key is no session, is for one community, and ends with the membership", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		number := s.b.joins(club)
		her := s.b.accountOf(club, number)
		key := s.b.makesUserKey(club, number, s.suite.contract.everyUserPermission()...)
		for _, path := range []string{"/servers", club.path(""), other.path(""), "/channels?serverId=" + club.id, "/apis/v1/channels"} {
			key.get(path).expect(403)
		}
		s.b.asksUserKey(her, other, nil).expect(404)
		elsewhere := s.a.makesChannel(other, "open", nil)
		s.b.asksUserKey(her, club, object{"channels": []string{elsewhere}}).refuses("/channels", "unknown")
		s.b.post(club.path("/leave")).expect(200)
		key.get(keyInfo).expect(401)
	}},
}
