package conformance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

var channelTypes = []string{"open", "text", "forum", "direct", "private", "iframe"}

// makesChannel makes a channel and returns its id. More is what a channel of its type allows.
func (c caller) makesChannel(club club, kind string, more object) (id string) {
	channel := object{"topic": "a " + kind + " channel", "channelType": kind, "serverId": club.id}
	return c.post("/channels", channel.and(more)).expect(200).text("/body/_id")
}

// sees wants a channel of a server to be there for a caller, or not: in both lists and, for one who may change channels,
// also by its id.
func (c caller) sees(club club, channel string, want, changes bool) {
	for _, path := range []string{club.path("/channels"), "/channels?serverId=" + club.id} {
		list := c.get(path).expect(200)
		if got := slices.Contains(list.each("/body", "_id"), channel); got != want {
			list.fail("has the channel %s: %v, want %v", channel, got, want)
		}
	}
	switch {
	case !want:
		c.put("/channels/"+channel, object{"topic": "mine now", "channelType": "open"}).expect(404)
		c.delete("/channels/" + channel).expect(404)
	case !changes:
		c.put("/channels/"+channel, object{"topic": "mine now", "channelType": "open"}).expect(403)
		c.delete("/channels/" + channel).expect(403)
	}
}

// channels are the test cases of the tag channels.
var channels = []testCase{
	{"CHANNELS-CREATE-01", "createChannel", "a channel is made under the documented names", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post("/channels", object{
			"topic": "openings", "channelType": "open", "description": "What to play after 1. e4\nand after 1. d4", "serverId": club.id,
		}).expect(200).says("Channel has been created successfully")
		made.has("/body", object{
			"topic": "openings", "channelType": "open", "description": "What to play after 1. e4\nand after 1. d4",
			"permissions": []any{}, "userId": club.owner, "serverId": club.id, "__v": 0,
		})
		for path, message := range map[string]string{club.path("/channels"): "Server channels", "/channels?serverId=" + club.id: "Channels"} {
			listed := s.a.get(path).expect(200).says(message)
			listed.is("/body", []any{made.at("/body")})
		}
		s.a.post("/channels", object{"topic": "endgames", "channelType": "text", "serverId": club.id}).expect(200).
			is("/body/description", "")
	}},

	{"CHANNELS-LIST-01", "listChannels createChannel", "channels are of six types, and listed in the order in which they were made", func(s *session) {
		club := s.a.makesServer("Chess club")
		var made []string
		for _, kind := range channelTypes {
			made = append(made, s.a.makesChannel(club, kind, nil))
		}
		for _, path := range []string{club.path("/channels"), "/channels?serverId=" + club.id, "/api/v1/channels?serverId=" + club.id} {
			listed := s.a.get(path).expect(200)
			if got := listed.each("/body", "channelType"); !slices.Equal(got, channelTypes) {
				listed.fail("lists channels of the types %v, want %v", got, channelTypes)
			}
			listed.is("/body/0/_id", made[0])
		}
	}},

	{"CHANNELS-UPDATE-01", "updateChannel", "an update changes what it names and leaves the rest", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post("/channels", object{
			"topic": "openings", "channelType": "open", "description": "What to play", "serverId": club.id,
		}).expect(200)
		path := "/channels/" + made.text("/body/_id")
		time.Sleep(aMoment)
		renamed := s.a.put(path, object{"topic": "endgames", "channelType": "text"}).expect(200)
		renamed.says("Channel has been updated successfully")
		renamed.has("/body", object{
			"topic": "endgames", "channelType": "text", "description": "What to play", "_id": made.at("/body/_id"),
			"userId": club.owner, "serverId": club.id, "createdAt": made.at("/body/createdAt"), "permissions": []any{},
		})
		renamed.moves("/body/updatedAt", made)
		described := s.a.put(path, object{"topic": "endgames", "channelType": "text", "description": ""}).expect(200)
		described.is("/body/description", "")
		s.a.get(club.path("/channels")).expect(200).is("/body", []any{described.at("/body")})
	}},

	{"CHANNELS-DELETE-01", "deleteChannel", "a deleted channel is gone", func(s *session) {
		club := s.a.makesServer("Chess club")
		id := s.a.makesChannel(club, "open", nil)
		kept := s.a.makesChannel(club, "open", nil)
		s.a.delete("/channels/"+id).expect(200).says("Channel has been deleted successfully").
			keys("", "meta", "body").is("/body", object{})
		s.a.delete("/channels/" + id).expect(404)
		s.a.put("/channels/"+id, object{"topic": "openings", "channelType": "open"}).expect(404)
		if ids := s.a.get(club.path("/channels")).expect(200).each("/body", "_id"); !slices.Equal(ids, []string{kept}) {
			s.fail("the channels are %v, want %v", ids, []string{kept})
		}
		s.a.delete("/channels/not-an-id").refuses("path/channelId", "")
	}},

	{"CHANNELS-IFRAME-01", "createChannel updateChannel getChannelEmbed", "the page of an iframe channel learns who looks at it, signed with a secret that is shown once", func(s *session) {
		const page = "https://games.example/board?game=1;round=2&user_id=9"
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		in := object{"topic": "board", "channelType": "iframe"}
		made := s.a.post("/channels", in.and(object{"iframeUrl": page, "signIdentity": true, "serverId": club.id})).expect(200)
		made.is("/body/iframeUrl", page).is("/body/signIdentity", true)
		secret, id := made.text("/body/signingSecret"), made.text("/body/_id")
		if len(secret) != 64 {
			made.fail("shows a secret of %d characters, want 64", len(secret))
		}
		listed := s.a.get(club.path("/channels")).expect(200).is("/body/0/iframeUrl", page)
		if strings.Contains(string(listed.raw), secret) {
			listed.fail("shows the secret again")
		}
		again := s.a.put("/channels/"+id, in.and(object{"signIdentity": true})).expect(200).is("/body/iframeUrl", page)
		if _, there := lookup(again.value, "/body/signingSecret"); there {
			again.fail("shows a secret though nothing was switched on")
		}

		embed := func(who caller) (query url.Values, raw string) {
			got := who.get("/channels/" + id + "/embed").expect(200).says("Channel embed")
			address, err := url.Parse(got.text("/body/url"))
			if err != nil || address.Host != "games.example" || address.Path != "/board" {
				got.stop("the address is %s", got.text("/body/url"))
			}
			if life := time.Until(got.time("/body/expiresAt")); life < 4*time.Minute || life > 6*time.Minute {
				got.fail("the address ends in %v, want 5 minutes", life.Round(time.Second))
			}
			return address.Query(), address.RawQuery
		}
		for _, who := range []caller{s.a, s.b} {
			query, raw := embed(who)
			of := club.owner
			if who.name == s.b.name {
				of = number
			}
			mac := hmac.New(sha256.New, []byte(secret))
			fmt.Fprintf(mac, "%s\n%s\n%s\n%s", of, query.Get("username"), club.id, query.Get("ts"))
			if want := hex.EncodeToString(mac.Sum(nil)); query.Get("sig") != want || len(query["user_id"]) != 1 || query.Get("user_id") != of || !strings.Contains(raw, "game=1;round=2") {
				s.fail("%s gets %v, want the user_id %s and the sig %s", who.name, query, of, want)
			}
		}

		s.a.put("/channels/"+id, in.and(object{"signIdentity": false})).expect(200)
		if query, raw := embed(s.a); query.Has("sig") || !strings.Contains(raw, "game=1;round=2") {
			s.fail("the address has the parameters %v, though nothing is signed", query)
		}
		renewed := s.a.put("/channels/"+id, in.and(object{"signIdentity": true})).expect(200)
		if renewed.text("/body/signingSecret") == secret {
			renewed.fail("is the secret from before")
		}
		s.a.put("/channels/"+id, object{"topic": "board", "channelType": "open"}).expect(200)
		s.a.get("/channels/" + id + "/embed").expect(409)
		plain := object{"topic": "board", "channelType": "open", "serverId": club.id}
		s.a.post("/channels", plain.and(object{"iframeUrl": page})).refuses("/iframeUrl", "not_allowed")
		s.a.post("/channels", plain.and(object{"signIdentity": true})).refuses("/signIdentity", "not_allowed")
		for _, address := range []string{"http://games.example", "https://user@games.example/", "http://localhost.games.example/", "http://127.0.0.1@games.example/", "https://:443/"} {
			s.a.post("/channels", in.and(object{"iframeUrl": address, "serverId": club.id})).refuses("/iframeUrl", "wrong_format")
		}
		for _, address := range []string{"https:///", "https://?a=1"} { // which are no addresses for some
			s.a.post("/channels", in.and(object{"iframeUrl": address, "serverId": club.id})).refuses("/iframeUrl", "")
		}
		for _, address := range []string{"http://localhost:8090", "http://127.0.0.1:8090/board", "http://[::1]/?game=1", "https://[2001:db8::7]:8443/board"} {
			s.a.post("/channels", in.and(object{"iframeUrl": address, "serverId": club.id})).expect(200).is("/body/iframeUrl", address)
		}
		closed := s.a.makesChannel(club, "private", nil)
		s.b.get("/channels/" + closed + "/embed").expect(404)
	}},

	// ------------------------------------------------------------------------------------------------- who may, who sees

	{"CHANNELS-PRIVATE-01", "listChannels roles", "a private channel is seen by the owner, by administrators, by those whom it names and by those with its roles", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.makesRole(club, nil)
		closed := s.a.makesChannel(club, "private", nil)
		byRole := s.a.makesChannel(club, "private", object{"permissions": []string{role}})
		byName := s.a.makesChannel(club, "private", object{"members": []string{number}})
		list := s.a.get(club.path("/channels")).expect(200)
		list.is(list.find("/body", "_id", byRole)+"/permissions", []string{role})
		list.is(list.find("/body", "_id", byName)+"/permissions", []any{})
		for _, channel := range []string{closed, byRole, byName} {
			s.a.sees(club, channel, true, true)
		}

		sees := func(changes bool, channels ...string) {
			for _, channel := range []string{closed, byRole, byName} {
				s.b.sees(club, channel, slices.Contains(channels, channel), changes)
			}
		}
		sees(false, byName)
		s.a.gives(role, number).expect(200)
		sees(false, byName, byRole)
		manager := s.a.appoints(club, number, 50, "manage_channels")
		sees(true, byName, byRole)
		s.a.takes(role, number).expect(200)
		sees(true, byName)
		s.a.takes(manager, number).expect(200)
		s.a.put("/channels/"+byName, object{"topic": "closed", "channelType": "private", "members": []any{}}).expect(200)
		sees(false)
		s.a.put("/channels/"+closed, object{"topic": "open to b", "channelType": "private", "permissions": []string{role}}).expect(200)
		s.a.gives(role, number).expect(200)
		sees(false, byRole, closed)
		s.a.delete("/roles/" + role).expect(200)
		sees(false)
		s.a.put("/channels/"+closed, object{"topic": "open to all", "channelType": "open"}).expect(200)
		sees(false, closed)
		s.a.appoints(club, number, 50, "server_administrator")
		sees(true, closed, byRole, byName)
	}},

	{"CHANNELS-DIRECT-01", "listChannels roles", "a direct channel is seen by whoever made it and whom it names, and not even by the owner", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.appoints(club, number, 50, "manage_channels")
		role := s.a.makesRole(club, object{"order": 90})
		s.a.gives(role, number).expect(200)

		alone := s.b.makesChannel(club, "direct", nil)
		both := s.b.makesChannel(club, "direct", object{"members": []string{club.owner}})
		ofOwner := s.a.makesChannel(club, "direct", object{"permissions": []string{role}})
		s.b.sees(club, alone, true, true)
		s.b.sees(club, both, true, true)
		s.a.sees(club, both, true, true)
		s.a.sees(club, alone, false, true)
		s.a.sees(club, ofOwner, true, true)
		s.b.sees(club, ofOwner, false, true)
		s.a.appoints(club, number, 40, "server_administrator")
		s.b.sees(club, ofOwner, false, true)
	}},

	{"CHANNELS-LEAVE-01", "listChannels createChannel", "who left a server and comes back no longer has access to private and direct channels", func(s *session) {
		club := s.a.makesServer("Chess club")
		named := object{"members": []string{s.b.joins(club)}}
		channels := []string{s.a.makesChannel(club, "private", named), s.a.makesChannel(club, "direct", named)}
		for _, channel := range channels {
			s.b.sees(club, channel, true, false)
		}
		s.b.post(club.path("/leave")).expect(200)
		s.b.joins(club)
		for _, channel := range channels {
			s.b.sees(club, channel, false, false)
		}
	}},

	{"CHANNELS-ADMITS-01", "createChannel updateChannel roles", "a channel gives access only to roles and members of its own server", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		number := s.b.joins(other)
		foreign := s.a.makesRole(other, nil)
		path := "/channels/" + s.a.makesChannel(club, "private", nil)
		for _, more := range []object{
			{"permissions": []string{foreign}}, {"permissions": []string{unknownID()}},
			{"members": []string{number}}, {"members": []string{unknownNumber}},
		} {
			pointer := "/permissions/0"
			if more["members"] != nil {
				pointer = "/members/0"
			}
			channel := object{"topic": "openings", "channelType": "private"}.and(more)
			s.a.post("/channels", channel.and(object{"serverId": club.id})).refuses(pointer, "not_allowed")
			s.a.put(path, channel).refuses(pointer, "not_allowed")
		}
	}},

	// ----------------------------------------------------------------------------------------------------- with a key

	{"CHANNELS-PROGRAM-01", "listIntegrationChannels keys", "a program gets the channels of its community in one answer, under the documented names", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "channels")
		key.get("/apis/v1/channels").expect(200).is("", object{"status": "success", "data": []any{}})

		want := []any{}
		for _, kind := range channelTypes {
			id := s.a.makesChannel(club, kind, object{"description": "For " + kind})
			if kind != "direct" {
				want = append(want, object{"_id": id, "topic": "a " + kind + " channel", "channelType": kind, "description": "For " + kind})
			}
		}
		for _, path := range []string{"/apis/v1/channels", "/v1/channels"} {
			listed := key.get(path).expect(200)
			listed.is("/data", want)
		}
	}},

	{"CHANNELS-KEY-01", "createChannel updateChannel deleteChannel listChannels keys", "an API key with the permission manages the channels of its community, but for direct ones", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		key := s.a.makesKey(club, "channels")
		closed, direct := s.a.makesChannel(club, "private", nil), s.a.makesChannel(club, "direct", nil)
		elsewhere := s.a.makesChannel(other, "open", nil)
		for _, key := range []caller{key.caller, key.inOtherHeader()} {
			channel := object{"topic": "openings", "channelType": "open"}
			made := key.post("/channels", channel).expect(200).is("/body/serverId", club.id)
			id := made.text("/body/_id")
			key.put("/channels/"+id, object{"topic": "endgames", "channelType": "text"}).expect(200).is("/body/topic", "endgames")
			for _, path := range []string{"/channels", "/channels?serverId=" + club.id} {
				list := key.get(path).expect(200)
				if ids := list.each("/body", "_id"); !slices.Equal(ids, []string{closed, id}) {
					list.fail("lists %v, want %v", ids, []string{closed, id})
				}
			}
			key.delete("/channels/" + id).expect(200)
			key.put("/channels/"+direct, channel).expect(404)
			key.delete("/channels/" + direct).expect(404)

			key.get("/channels?serverId="+other.id).anyOf(403, 404)
			key.post("/channels", channel.and(object{"serverId": other.id})).anyOf(403, 404)
			key.put("/channels/"+elsewhere, channel).anyOf(403, 404)
			key.delete("/channels/"+elsewhere).anyOf(403, 404)
		}
		s.a.get(other.path("/channels")).expect(200).is("/body/0/topic", "a open channel")
	}},

	{"CHANNELS-KEY-02", "createChannel listChannels roles keys", "a private channel that an API key has made is not shown to who made the key, unless that is more than a plain member", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.appoints(club, number, 10, "server_administrator")
		key := s.b.makesKey(club, "channels")
		made := key.post("/channels", object{"topic": "secrets", "channelType": "private"}).expect(200).text("/body/_id")
		s.b.sees(club, made, true, true)
		s.a.takes(role, number).expect(200)
		s.b.sees(club, made, false, false)
		s.a.sees(club, made, true, true)
	}},
}
