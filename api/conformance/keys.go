package conformance

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var wholeKey = regexp.MustCompile(`^[0-9a-f]{64}$`)

const keyInfo = "/apis/v1/api-keys/info"

// key is an API key that a test case has made, and a caller with it.
type key struct {
	caller
	id, whole string
}

// keysPath is where the keys of a server are.
func (c club) keysPath(more string) string {
	return "/apis/v1/communities/" + c.id + "/api-keys" + more
}

// makesKey makes a key that does not expire.
func (c caller) makesKey(club club, permissions ...string) key {
	var key key
	if target := c.suite.target; target.makesKeys() {
		whole, err := target.Key(c.ctx, club.id, permissions...)
		if err != nil {
			c.stop("no API key of the server %s was made: %v", club.id, err)
		}
		key.whole = whole
	} else {
		wanted := object{"name": "shop", "permissions": append([]string{}, permissions...), "expirePeriod": 0}
		made := c.post(club.keysPath(""), wanted).expect(201)
		key.id, key.whole = made.text("/data/_id"), made.text("/data/key")
	}
	key.caller = c.anonymous.bearer(key.whole)
	key.name = fmt.Sprintf("a key for %v", permissions)
	return key
}

// inOtherHeader is the caller with the key in x-api-key.
func (k key) inOtherHeader() caller {
	c := k.anonymous.with("x-api-key", k.whole)
	c.name = k.name + " in x-api-key"
	return c
}

// masked is what is shown of a key after it was made.
func (k key) masked() string { return k.whole[:4] + strings.Repeat("*", 56) + k.whole[60:] }

// isKey checks an answer with one key in it, masked.
func (a *answer) isKey(message string, key key, want object) *answer {
	a.expect(200).says(message)
	return a.has("/data", object{"_id": key.id, "key": key.masked()}.and(want))
}

// keys are the test cases of the tag keys.
var keys = []testCase{
	{"KEYS-CREATE-01", "createApiKey listApiKeys updateApiKey deleteApiKey", "a key is shown whole in the answer that makes it, and masked ever after", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post(club.keysPath(""), object{"name": "shop", "permissions": []string{"badges", "channels"}, "expirePeriod": 30})
		made.expect(201).says("Create API key success.")
		made.is("/meta", object{"status": "success", "statusCode": 201})
		want := object{"name": "shop", "expirePeriod": 30, "isActive": true, "communityId": club.id}
		made.has("/data", want)
		made.permits("/data", "badges", "channels")
		key := key{caller: s.anonymous.bearer(made.text("/data/key")), id: made.text("/data/_id"), whole: made.text("/data/key")}
		key.name = "the key"
		if !wholeKey.MatchString(key.whole) {
			made.stop("%s: the key must be 64 lower-case hexadecimal characters", made.what)
		}
		made.expires("/data", 30)

		listed := s.a.get(club.keysPath("")).expect(200).says("Read API keys success.")
		listed.is("/meta", object{"status": "success", "statusCode": 200})
		listed.has("/data/0", want.and(object{"_id": key.id, "key": key.masked(), "createdAt": made.at("/data/createdAt")}))
		for _, a := range []*answer{
			listed,
			key.get(keyInfo).isKey("Read API key success.", key, want),
			s.a.put(club.keysPath("/"+key.id), object{"name": "shop"}).isKey("Update API key success.", key, want),
			s.a.delete(club.keysPath("/"+key.id)).isKey("Delete API key success.", key, want),
		} {
			if strings.Contains(string(a.raw), key.whole) {
				a.fail("shows the whole key again")
			}
		}
	}},

	{"KEYS-LIST-01", "listApiKeys", "keys are listed in the order in which they were made", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.get(club.keysPath("")).expect(200).is("/data", []any{})
		var made []string
		for range 3 {
			made = append(made, s.a.makesKey(club, "badges").id)
		}
		for _, path := range []string{club.keysPath(""), strings.TrimPrefix(club.keysPath(""), "/apis")} {
			listed := s.a.get(path).expect(200)
			if got := listed.each("/data", "_id"); !slices.Equal(got, made) {
				listed.fail("lists %v, and they were made in the order %v", got, made)
			}
		}
	}},

	{"KEYS-UPDATE-01", "updateApiKey channels badges", "a change touches what it names and leaves the rest", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "badges")
		path := club.keysPath("/" + key.id)
		made := key.get(keyInfo)
		want := object{"name": "shop", "expirePeriod": 0, "expireDate": nil, "isActive": true, "communityId": club.id}
		changes := func(change object) *answer {
			want = want.and(change)
			a := s.a.put(path, change).isKey("Update API key success.", key, want)
			key.get(keyInfo).isKey("Read API key success.", key, want)
			return a
		}
		key.get(keyInfo).isKey("Read API key success.", key, want).permits("/data", "badges")
		time.Sleep(aMoment)
		changes(object{"name": "till"}).permits("/data", "badges").moves("/data/updatedAt", made)
		delete(want, "expireDate")
		changes(object{"expirePeriod": 365}).expires("/data", 365)
		changes(object{"name": "counter"}).expires("/data", 365)
		want["expireDate"] = nil
		changes(object{"expirePeriod": 0})

		key.get("/badges").expect(200)
		key.get("/channels").expect(403)
		s.a.put(path, object{"permissions": []string{"channels"}}).isKey("Update API key success.", key, want).permits("/data", "channels")
		key.get("/badges").expect(403)
		key.get("/channels").expect(200)
	}},

	{"KEYS-ACTIVE-01", "updateApiKey channels", "a key that is not active is refused at once, until it is active again", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, other := s.a.makesKey(club, "channels"), s.a.makesKey(club, "channels")
		for range 2 {
			for _, who := range []caller{key.caller, key.inOtherHeader(), other.caller} {
				who.get("/channels").expect(200)
			}
			s.a.put(club.keysPath("/"+key.id), object{"isActive": false}).expect(200).is("/data/isActive", false)
			key.get("/channels").expect(401)
			key.inOtherHeader().get("/channels").expect(401)
			key.get(keyInfo).expect(401)
			key.get("/apis/v1/channels").expect(401)
			other.get("/channels").expect(200)
			s.a.put(club.keysPath("/"+key.id), object{"isActive": true}).expect(200).is("/data/isActive", true)
		}
	}},

	{"KEYS-DELETE-01", "deleteApiKey channels", "a key that is deleted ends at once and for good, and so do the keys of a deleted server", func(s *session) {
		club := s.a.makesServer("Chess club")
		key, other := s.a.makesKey(club, "channels"), s.a.makesKey(club, "channels")
		path := club.keysPath("/" + key.id)
		s.a.delete(path).expect(200)
		key.get(keyInfo).expect(401)
		key.inOtherHeader().get("/channels").expect(401)
		s.a.delete(path).expect(404)
		s.a.put(path, object{"isActive": true}).expect(404)
		s.a.get(club.keysPath("")).expect(200).is("/data/0/_id", other.id)
		other.get(keyInfo).expect(200)
		s.a.delete(club.path("")).expect(200)
		other.get(keyInfo).expect(401)
		other.inOtherHeader().get("/channels").expect(401)
	}},

	{"KEYS-TRUST-01", "createApiKey updateApiKey getApiKeyInfo channels roles", "a key is good while who has made it may make keys, and otherwise refused until another administrator adopts it", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.appoints(club, number, 50, "server_administrator")
		made := s.b.post(club.keysPath(""), object{"name": "shop", "permissions": []string{"channels"}}).expect(201)
		made.has("/data", object{"userId": plain(number), "isTrusted": true})
		key := key{caller: s.anonymous.bearer(made.text("/data/key")), id: made.text("/data/_id"), whole: made.text("/data/key")}
		key.name = "the key"
		path := club.keysPath("/" + key.id)
		isGood := func(good bool) {
			status := map[bool]int{true: 200, false: 403}[good]
			for _, a := range []*answer{
				key.get("/channels"), key.inOtherHeader().get("/channels"), key.get("/apis/v1/channels"), key.get(keyInfo),
				key.post("/channels", object{"topic": "by key", "channelType": "open"}),
			} {
				a.expect(status)
			}
			s.a.get(club.keysPath("")).expect(200).is("/data/0/isTrusted", good)
		}
		isGood(true)
		s.a.takes(role, number).expect(200)
		isGood(false)
		s.b.put(path, object{"adopt": true}).expect(403)
		s.a.put(path, object{"name": "till", "adopt": false}).expect(200).is("/data/isTrusted", false)
		isGood(false)
		s.a.gives(role, number).expect(200)
		isGood(true)
		s.a.takes(role, number).expect(200)

		s.a.put(path, object{"adopt": true}).expect(200).has("/data", object{"name": "till", "userId": plain(club.owner), "isTrusted": true})
		isGood(true)
		s.b.post(club.path("/leave")).expect(200)
		isGood(true)
	}},

	{"KEYS-EVENTS-01", "createApiKey updateApiKey listAuthEvents roles auth", "who makes or adopts a key finds it among the events of their account", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.appoints(club, s.b.joins(club), 50, "server_administrator")
		made := s.b.post(club.keysPath(""), object{"name": "shop", "permissions": []string{"channels"}}).expect(201).text("/data/_id")
		s.a.put(club.keysPath("/"+made), object{"adopt": true}).expect(200)
		for kind, who := range map[string]caller{"key.create": s.b, "key.adopt": s.a} {
			trail := who.get("/auth/events?limit=100").expect(200)
			trail.is(trail.find("/body", "target", made)+"/kind", kind)
		}
	}},

	// -------------------------------------------------------------------------------------------------- what it opens

	{"KEYS-INFO-01", "getApiKeyInfo channels", "a key without any permission knows who it is", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club)
		for _, path := range []string{keyInfo, "/v1/api-keys/info"} {
			key.get(path).isKey("Read API key success.", key, object{"communityId": club.id, "permissions": []any{}})
		}
		key.inOtherHeader().get(keyInfo).anyOf(401, 403)
		key.get("/channels").expect(403)
		key.with("x-api-key", key.whole).get(keyInfo).expect(200)
	}},

	// ---------------------------------------------------------------------------------------------------- who may make it

}

// plain is a user's number as the Application API has it.
func plain(number string) int {
	n, _ := strconv.Atoi(number)
	return n
}

// permits wants a key to have just these permissions.
func (a *answer) permits(pointer string, want ...string) *answer {
	var got []string
	for i := range a.list(pointer + "/permissions") {
		got = append(got, a.text(fmt.Sprintf("%s/permissions/%d", pointer, i)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		a.fail("%s/permissions are %v, want %v", pointer, got, want)
	}
	return a
}

// expires wants a key to end so many days from now, give or take what clocks differ.
func (a *answer) expires(pointer string, days int) *answer {
	left := time.Until(a.time(pointer + "/expireDate"))
	if want := time.Duration(days) * 24 * time.Hour; left < want-5*time.Minute || left > want+5*time.Minute {
		a.fail("%s/expireDate is in %v, want in %d days", pointer, left.Round(time.Minute), days)
	}
	return a
}
