package conformance

import (
	"slices"
	"strings"
)

// club is a server that a test case has made.
type club struct {
	id    string
	owner string // the number of the account that made it
	image string // empty for none
}

// makesServer makes a server that is taken away again when the test case ends.
func (c caller) makesServer(name string, more ...part) club {
	made := c.submit("POST", "/servers", append([]part{field("name", name)}, more...)...).expect(201)
	image, _ := made.at("/body/image").(string)
	return club{id: made.text("/body/_id"), owner: made.text("/body/owner/id"), image: image}
}

func (c club) path(more string) string { return "/servers/" + c.id + more }

// servers are the test cases of the tag servers.
var servers = []testCase{
	// ------------------------------------------------------------------------------------------ the documented two

	{"SERVERS-CREATE-01", "createServer", "a server is made under the documented names, without an image unless one is given", func(s *session) {
		made := s.a.submit("POST", "/servers", field("name", "Chess club")).expect(201)
		made.says("Server has been created successfully")
		made.is("/body/name", "Chess club").is("/body/image", nil).is("/body/__v", 0).is("/body/id", made.at("/body/_id"))
	}},

	{"SERVERS-LIST-01", "listMyServers", "a member's servers are listed under the documented names", func(s *session) {
		club := s.a.makesServer("Chess club")
		list := s.a.get("/servers").expect(200).says("My servers")
		mine := list.find("/body", "_id", club.id)
		list.is(mine+"/name", "Chess club").is(mine+"/image", nil).is(mine+"/owner/id", club.owner)
		list.is(mine+"/__v", 0).is(mine+"/id", club.id)
		if roles := list.list(mine + "/roles"); len(roles) != 1 {
			list.fail("a new server has one role, @all; got %s", asJSON(roles))
		}
		for _, empty := range []string{"/categories", "/leaderboards", "/languageSettings"} {
			list.is(mine+empty, []any{})
		}
	}},

	{"SERVERS-LIST-02", "listMyServers", "the list is in the order in which the servers were made, and stays so", func(s *session) {
		var made []string
		for _, name := range []string{"Zither club", "Chess club", "Accordion club", "chess club", "Chess club"} {
			made = append(made, s.a.makesServer(name).id)
		}
		for range 3 {
			list := s.a.get("/servers").expect(200)
			listed := list.each("/body", "_id")
			ours := slices.DeleteFunc(slices.Clone(listed), func(id string) bool { return !slices.Contains(made, id) })
			if !slices.Equal(ours, made) {
				list.fail("lists %v, and they were made in the order %v", ours, made)
			}
			if slices.Sort(listed); len(slices.Compact(slices.Clone(listed))) != len(listed) {
				list.fail("lists a server twice")
			}
		}
	}},

	// ---------------------------------------------------------------------------------------------------- the form

	{"SERVERS-NAME-01", "createServer updateServer", "a name comes back as it was sent", func(s *session) {
		for _, name := range []string{
			"x", "Шахматы", "将棋クラブ", "نادي الشطرنج", "e\u0301 is not \u00e9", "👩‍👩‍👧 & 🏳️‍🌈", `"quoted" 'twice' \ and /`,
			"<b>bold</b> &amp; <script>alert(1)</script>", "'; DROP TABLE servers; --", "{{.}} ${1} %s %00", "inner   spaces",
		} {
			made := s.a.submit("POST", "/servers", field("name", name)).expect(201).is("/body/name", name)
			path := "/servers/" + made.text("/body/_id")
			s.a.get(path).expect(200).is("/body/name", name)
			s.a.submit("PUT", path, field("name", name+"!")).expect(200).is("/body/name", name+"!")
		}
	}},

	{"SERVERS-NAME-02", "createServer updateServer", "a name is one line, without control characters", func(s *session) {
		club := s.a.makesServer("Chess club")
		for _, odd := range []string{"two\nlines", "two\r\nlines", "a\ttab", "a\x00zero", "a\x1bscape", "\x7f"} {
			s.a.submit("POST", "/servers", field("name", odd)).refuses("/name", "wrong_format")
			s.a.submit("PUT", club.path(""), field("name", odd)).refuses("/name", "wrong_format")
		}
		s.a.submit("POST", "/servers", field("name", "not \xff UTF-8")).refuses("/name", "")
	}},

	{"SERVERS-NAME-03", "createServer", "the length of a name is counted in characters, not in bytes", func(s *session) {
		for _, letter := range []string{"x", "я", "棋", "♞", "😀"} {
			longest := strings.Repeat(letter, 100)
			s.a.submit("POST", "/servers", field("name", longest)).expect(201).is("/body/name", longest)
			s.a.submit("POST", "/servers", field("name", longest+letter)).refuses("/name", "too_long")
		}
	}},

	{"SERVERS-FORM-02", "SHOULD createServer", "several mistakes in one form are reported at once", func(s *session) {
		a := s.a.submit("POST", "/servers", field("name", ""), field("colour", "red"))
		a.refuses("/name", "too_short").refuses("/colour", "unknown")
	}},

	// -------------------------------------------------------------------------------------- reading, changing, ending

	{"SERVERS-UPDATE-01", "updateServer getServer", "a change touches what it names and leaves the rest", func(s *session) {
		club := s.a.makesServer("Chess club", upload("image", "a.png", "image/png", pngImage()))
		before := s.a.get(club.path("")).expect(200)

		renamed := s.a.submit("PUT", club.path(""), field("name", "Go club")).expect(200)
		renamed.says("Server has been updated successfully")
		renamed.is("/body/name", "Go club").is("/body/image", club.image).is("/body/_id", club.id)
		renamed.is("/body/roles", before.at("/body/roles")).is("/body/owner/id", club.owner)
		s.anonymous.get(club.image).expect(200)

		repainted := s.a.submit("PUT", club.path(""), upload("image", "b.gif", "image/gif", gifImage())).expect(200)
		repainted.is("/body/name", "Go club")
		if repainted.text("/body/image") == club.image {
			repainted.fail("another image has the address of the old one, which may be cached")
		}
		s.anonymous.get(repainted.text("/body/image")).expect(200).carries("Content-Type", "image/gif")
		s.anonymous.get(club.image).expect(404)

		both := s.a.submit("PUT", club.path(""), upload("image", "c.png", "image/png", pngImage()), field("name", "Shogi club"))
		both.expect(200).is("/body/name", "Shogi club")
		s.anonymous.get(repainted.text("/body/image")).expect(404)
		if now := s.a.get(club.path("")).expect(200); asJSON(now.at("/body")) != asJSON(both.at("/body")) {
			now.fail("shows %s, and the change answered %s", now.summary(), both.summary())
		}
	}},

	{"SERVERS-DELETE-01", "deleteServer", "a deleted server is gone, with everything in it", func(s *session) {
		club := s.a.makesServer("Chess club", upload("image", "a.png", "image/png", pngImage()))
		other := s.a.makesServer("Go club")
		s.b.enters(club)

		gone := s.a.delete(club.path("")).expect(200).says("Server has been deleted successfully")
		gone.is("/body", map[string]any{})
		for _, who := range []caller{s.a, s.b} {
			who.get(club.path("")).expect(404)
			who.get(club.path("/members")).expect(404)
			if ids := who.get("/servers").expect(200).each("/body", "_id"); slices.Contains(ids, club.id) {
				s.fail("a deleted server is still listed for %s", who.name)
			}
		}
		s.anonymous.get(club.image).expect(404)
		s.a.get(other.path("")).expect(200)
	}},
}
