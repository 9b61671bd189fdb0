package conformance

import (
	"net/url"
	"strings"
)

// common are the promises about every request, tested with the operations of whichever tag is at hand.
var common = []testCase{
	{"COMMON-ACCOUNTS-01", "", "the two credentials belong to two accounts", func(s *session) {
		a, b := s.a.makesServer("Chess club"), s.b.makesServer("Go club")
		if a.owner == b.owner {
			s.fail("both credentials belong to the account %s; the suite needs two", a.owner)
		}
	}},

	{"COMMON-CREDENTIAL-04", "", "who is calling is asked before what was sent is looked at", func(s *session) {
		s.anonymous.get("/servers/not-an-id").expect(401)
		s.anonymous.submit("POST", "/servers", field("colour", "red")).expect(401)
		s.anonymous.send("POST", "/servers", "application/json", []byte(`{`)).expect(401)
	}},

	{"COMMON-CREDENTIAL-06", "", "a credential beside an empty header, or in both headers, is one credential", func(s *session) {
		club := s.a.makesServer("Chess club")
		for _, key := range []string{"", s.suite.target.A} {
			s.a.with("x-api-key", key).get("/servers").expect(200).find("/body", "_id", club.id)
		}
	}},

	{"COMMON-PATHS-01", "", "the System API answers under /api/v1 as it does at the root", func(s *session) {
		club := s.a.makesServer("Chess club")
		for _, path := range []string{club.path(""), club.path("/members"), club.path("/roles")} {
			one, other := s.a.get(path).expect(200), s.a.get("/api/v1"+path).expect(200)
			if asJSON(one.value) != asJSON(other.value) {
				other.fail("is %s, and at the root %s", other.summary(), one.summary())
			}
		}
		s.a.get("/api/v1/servers").expect(200).says("My servers").find("/body", "_id", club.id)

		made := s.a.submit("POST", "/api/v1/servers", field("name", "Go club")).expect(201).text("/body/_id")
		s.a.get("/servers").expect(200).find("/body", "_id", made)
		s.a.delete("/api/v1/servers/" + made).expect(200)
		s.a.get("/servers/" + made).expect(404)
	}},

	// That the envelope is of the right family is checked by the wire.
	{"COMMON-PATHS-02", "", "an unknown route answers 404, in the envelope of the family it would belong to", func(s *session) {
		for _, who := range []caller{s.anonymous, s.a} {
			for _, path := range []string{
				"/nope", "/servers/" + unknownID() + "/nope", "/api/v1/nope", "/apis/v1/nope", "/v1/nope", "/nope/v1/nope",
			} {
				who.get(path).expect(404)
				who.send("POST", path, "application/json", []byte(`{}`)).expect(404)
			}
		}
	}},

	{"COMMON-PATHS-03", "", "a method that a route does not have answers 405 and names those it has", func(s *session) {
		allows := func(a *answer, methods ...string) {
			a.expect(405)
			for _, method := range methods {
				a.carries("Allow", method)
			}
		}
		for _, who := range []caller{s.anonymous, s.a} {
			allows(who.delete("/servers"), "GET", "POST")
			allows(who.delete("/api/v1/servers"), "GET", "POST")
			allows(who.post("/servers/"+unknownID()), "GET", "PUT", "DELETE")
			allows(who.get("/servers/"+unknownID()+"/join"), "POST")
		}
	}},

	{"COMMON-PATHS-04", "", "a path with a slash at its end is the same path", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.get("/servers/").expect(200).find("/body", "_id", club.id)
		for _, path := range []string{club.path("/"), "/api/v1" + club.path("/")} {
			s.a.get(path).expect(200).is("/body/_id", club.id)
		}
		s.anonymous.get("/servers/").expect(401)
	}},

	{"COMMON-PATHS-05", "", "HEAD is answered where GET is, and so", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.send("HEAD", club.path(""), "", nil).expect(200)
		s.a.send("HEAD", "/servers/"+unknownID(), "", nil).expect(404)
		s.anonymous.send("HEAD", club.path(""), "", nil).expect(401)
	}},

	{"COMMON-REQUESTID-01", "", "a caller's request id comes back if it is a good one, and is replaced if it is not", func(s *session) {
		for _, who := range []caller{s.a, s.anonymous} {
			for _, id := range []string{"a", "my.own_Request-7", strings.Repeat("x", 64)} {
				if a := who.with("X-Request-Id", id).get("/servers"); a.header.Get("X-Request-Id") != id {
					a.fail("X-Request-Id is %q, want the caller's own %q", a.header.Get("X-Request-Id"), id)
				}
			}
			for _, id := range []string{"two words", "<b>", "a/b", "a:b", "\u00e9", strings.Repeat("x", 65)} {
				if a := who.with("X-Request-Id", id).get("/servers"); a.header.Get("X-Request-Id") == id {
					a.fail("X-Request-Id is %q, which must be replaced", id)
				}
			}
		}
		one, other := s.a.get("/servers"), s.a.get("/servers")
		if id := one.header.Get("X-Request-Id"); id == other.header.Get("X-Request-Id") {
			other.fail("X-Request-Id is %q, as it was for the request before", id)
		}
	}},

	{"COMMON-IDS-01", "", "an id that is not one answers 400 and names the parameter", func(s *session) {
		for _, id := range []string{
			"1", "not-an-id", strings.Repeat("a", 23), strings.Repeat("a", 25), strings.Repeat("g", 24),
			strings.ToUpper("66a282dab13eee0013cbb4d8"), url.PathEscape("66a282dab13eee0013cbb4d8'"),
		} {
			s.a.get("/servers/"+id).refuses("path/serverId", "")
			s.a.delete("/servers/"+id).refuses("path/serverId", "")
			s.a.get("/servers/"+id+"/members").refuses("path/serverId", "")
			s.anonymous.get("/images/"+id).refuses("path/imageId", "")
		}
	}},

	{"COMMON-REPEAT-01", "createServer createChannel createRole channels roles", "an Idempotency-Key belongs to one operation: under the same one, each makes its own thing", func(s *session) {
		who := s.a.under(unknownID())
		server := func() *answer { return who.submit("POST", "/servers", field("name", "Chess club")) }
		made := server().expect(201)
		in := object{"serverId": made.text("/body/_id")}
		channel := func() *answer {
			return who.post("/channels", object{"topic": "openings", "channelType": "open"}.and(in))
		}
		role := func() *answer { return who.post("/roles", aRole.and(in)) }
		inChannel, inRole := channel().expect(200), role().expect(201)
		made.isRepeated(server())
		inChannel.isRepeated(channel())
		inRole.isRepeated(role())
	}},

	{"COMMON-REPEAT-02", "createServer createApiKey keys", "under an Idempotency-Key an operation is the same at both of its paths", func(s *session) {
		who := s.a.under(unknownID())
		made := who.submit("POST", "/servers", field("name", "Chess club")).expect(201)
		made.isRepeated(who.submit("POST", "/api/v1/servers", field("name", "Chess club")))
		path, key := club{id: made.text("/body/_id")}.keysPath(""), object{"name": "shop", "permissions": []string{"badges"}}
		who.post(path, key).expect(201).isRepeated(who.post(strings.TrimPrefix(path, "/apis"), key))
	}},

	{"COMMON-REFUSALS-01", "", "a refusal never repeats what was sent", func(s *session) {
		const sent = "zebra7391"
		club := s.a.makesServer("Chess club")
		for _, a := range []*answer{
			s.a.get("/servers/" + sent).expect(400),
			s.a.get("/servers/" + club.id + "/members?limit=" + sent).expect(400),
			s.a.submit("POST", "/servers", field("name", sent+strings.Repeat("x", 100))).expect(400),
			s.a.submit("POST", "/servers", field("name", "Chess club"), field("colour", sent)).expect(400),
			s.a.submit("POST", "/servers", field("name", "Go club"), upload("image", sent, "image/png", []byte(sent))).expect(400),
			s.a.send("POST", "/servers", "text/"+sent, []byte(sent)).expect(415),
			s.anonymous.bearer(sent).get("/servers").expect(401),
			s.a.get("/" + sent).expect(404),
		} {
			if strings.Contains(string(a.raw), sent) {
				a.fail("the answer repeats what was sent: %s", a.summary())
			}
		}
	}},
}
