package conformance

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	createdKeys = []string{"name", "image", "owner", "_id", "__v", "id"}
	serverKeys  = append([]string{"roles", "categories", "leaderboards", "languageSettings"}, createdKeys...)
	memberKeys  = []string{"id", "_id", "username", "displayName", "avatar", "roles", "joinedAt"}
)

const maxImage = 5 << 20

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
		made.keys("", "meta", "body").keys("/meta", "success", "message", "devMessage")
		made.keys("/body", createdKeys...).keys("/body/owner", "id")
		made.is("/body/name", "Chess club").is("/body/image", nil).is("/body/__v", 0).is("/body/id", made.at("/body/_id"))
	}},

	{"SERVERS-LIST-01", "listMyServers", "a member's servers are listed under the documented names", func(s *session) {
		club := s.a.makesServer("Chess club")
		list := s.a.get("/servers").expect(200).says("My servers")
		list.keys("", "meta", "body").keys("/meta", "success", "message", "devMessage")
		mine := list.find("/body", "_id", club.id)
		list.keys(mine, serverKeys...).keys(mine+"/owner", "id")
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

	// -------------------------------------------------------------------------------------------------- the image

	{"SERVERS-IMAGE-01", "getImage createServer", "an image is public, comes back byte for byte, and may be kept for ever", func(s *session) {
		for kind, data := range images() {
			made := s.a.makesServer("Chess club", upload("image", "picture", kind, data))
			if made.image == "" {
				s.stop("a server that was made with an image (%s) shows none", kind)
			}
			s.a.get(made.path("")).expect(200).is("/body/image", made.image)

			shown := s.anonymous.get(made.image).expect(200)
			if !bytes.Equal(shown.raw, data) {
				shown.fail("sends %d bytes that are not the %d uploaded", len(shown.raw), len(data))
			}
			shown.carries("Content-Type", kind)
			shown.carries("X-Content-Type-Options", "nosniff")
			shown.carries("Cache-Control", "public")
			shown.carries("Cache-Control", "immutable")
			shown.carries("Cache-Control", "max-age=31536000")

			tag := shown.header.Get("ETag")
			if tag == "" {
				shown.stop("%s: the header ETag is missing", shown.what)
			}
			same := s.anonymous.with("If-None-Match", tag).get(made.image).expect(304)
			if same.header.Get("ETag") != tag {
				same.fail("the header ETag is %q, want %q again", same.header.Get("ETag"), tag)
			}
			s.anonymous.with("If-None-Match", `"another"`).get(made.image).expect(200)
		}
	}},

	{"SERVERS-IMAGE-02", "createServer getImage", "an image is taken by its content, whatever its name and declared type say", func(s *session) {
		for _, lie := range []part{
			upload("image", "page.html", "text/html", pngImage()),
			upload("image", "drawing.svg", "image/svg+xml", pngImage()),
			upload("image", "picture.jpg", "image/jpeg", pngImage()),
			upload("image", "noextension", "application/octet-stream", pngImage()),
			upload("image", "../../../etc/passwd", "", pngImage()),
		} {
			made := s.a.makesServer("Chess club", lie)
			s.anonymous.get(made.image).expect(200).carries("Content-Type", "image/png")
		}
		for _, content := range []string{
			"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>",
			`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
			`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`,
			"BM not one of the four", "%PDF-1.7", "just text", "",
		} {
			for _, kind := range []string{"image/png", "image/svg+xml", ""} {
				s.a.submit("POST", "/servers", field("name", "Chess club"), upload("image", "x.png", kind, []byte(content))).
					refuses("/image", "")
			}
		}
	}},

	{"SERVERS-IMAGE-03", "createServer", "an image may have 5 MiB and not one byte more", func(s *session) {
		s.a.makesServer("Chess club", upload("image", "large.png", "image/png", sized(maxImage)))
		for _, size := range []int{maxImage + 1, maxImage + 1<<20} {
			s.a.submit("POST", "/servers", field("name", "Chess club"), upload("image", "large.png", "image/png", sized(size))).
				expect(413)
		}
	}},

	{"SERVERS-IMAGE-04", "getImage", "an image that was never there answers 404", func(s *session) {
		s.anonymous.get("/images/" + unknownID()).expect(404)
		s.a.get("/images/" + unknownID()).expect(404)
	}},

	// -------------------------------------------------------------------------------------- reading, changing, ending

	{"SERVERS-UPDATE-01", "updateServer getServer", "a change touches what it names and leaves the rest", func(s *session) {
		club := s.a.makesServer("Chess club", upload("image", "a.png", "image/png", pngImage()))
		before := s.a.get(club.path("")).expect(200)

		renamed := s.a.submit("PUT", club.path(""), field("name", "Go club")).expect(200)
		renamed.says("Server has been updated successfully").keys("/body", serverKeys...)
		renamed.is("/body/name", "Go club").is("/body/image", club.image).is("/body/_id", club.id)
		renamed.is("/body/roles", before.at("/body/roles")).is("/body/owner/id", club.owner)
		s.anonymous.get(club.image).expect(200)

		repainted := s.a.submit("PUT", club.path(""), upload("image", "b.gif", "image/gif", gifImage())).expect(200)
		repainted.is("/body/name", "Go club")
		if repainted.text("/body/image") == club.image {
			repainted.fail("another image has the address of the old one, which may be cached for ever")
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
		s.b.post(club.path("/join")).expect(200)

		gone := s.a.delete(club.path("")).expect(200).says("Server has been deleted successfully")
		gone.keys("", "meta", "body").is("/body", map[string]any{})
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

	// ------------------------------------------------------------------------------------------------- membership

	{"SERVERS-JOIN-01", "joinServer", "who knows a server's id may join it, once", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.post(club.path("/join")).expect(200).keys("/body", serverKeys...).is("/body/_id", club.id)
		s.b.post(club.path("/join")).expect(409)
		s.a.post(club.path("/join")).expect(409)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 2)
	}},

	{"SERVERS-LEAVE-01", "leaveServer", "a member may leave and come back; the owner stays", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.post(club.path("/leave")).expect(409)
		s.b.post(club.path("/leave")).expect(404)

		s.b.post(club.path("/join")).expect(200)
		s.b.post(club.path("/leave")).expect(200).keys("", "meta", "body").is("/body", map[string]any{})
		s.b.get(club.path("")).expect(404)
		s.b.post(club.path("/leave")).expect(404)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 1)

		s.b.post(club.path("/join")).expect(200)
		s.b.get(club.path("")).expect(200)
	}},

	{"SERVERS-VISIT-01", "visitServer", "a visit counts once a day, for members", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.post(club.path("/visit")).expect(404)
		s.b.post(club.path("/join")).expect(200)
		for _, who := range []caller{s.a, s.b} {
			first := who.post(club.path("/visit")).expect(200).keys("/body", "day", "counted", "visits")
			first.is("/body/counted", true).is("/body/visits", 1)
			if day := first.text("/body/day"); !isToday(day) {
				first.fail("/body/day is %s, which is not today in UTC", day)
			}
			second := who.post(club.path("/visit")).expect(200)
			if second.text("/body/day") != first.text("/body/day") {
				continue // the day has ended between the two
			}
			second.is("/body/counted", false).is("/body/visits", 1)
		}
	}},

	{"SERVERS-MEMBERS-01", "listMembers", "members are listed page by page, those who joined first first", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.post(club.path("/join")).expect(200)

		all := s.a.get(club.path("/members")).expect(200).is("/meta/page", 1).is("/meta/limit", 20).is("/meta/total", 2)
		all.keys("/meta", "success", "message", "devMessage", "page", "limit", "total")
		if len(all.list("/body")) != 2 {
			all.stop("%s: want 2 members, got %s", all.what, all.summary())
		}
		all.keys("/body/0", memberKeys...).is("/body/0/id", club.owner)
		if joined := all.each("/body", "joinedAt"); joined[0] > joined[1] {
			all.fail("lists one who joined at %s before one who joined at %s", joined[0], joined[1])
		}
		for page, want := range map[int]any{1: all.at("/body/0"), 2: all.at("/body/1")} {
			one := s.b.get(club.path("/members?limit=1&page=" + strconv.Itoa(page))).expect(200)
			one.is("/meta/page", page).is("/meta/limit", 1).is("/meta/total", 2).is("/body", []any{want})
		}
		for _, query := range []string{"?limit=1&page=3", "?page=2", "?page=100&limit=100"} {
			s.a.get(club.path("/members"+query)).expect(200).is("/meta/total", 2).is("/body", []any{})
		}
	}},

	{"SERVERS-MEMBERS-03", "listMembers", "members are listed by cursor to the last, whoever comes and goes meanwhile", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		members := club.path("/members")
		first := s.a.get(members+"?limit=1").expect(200).is("/body/0/id", club.owner)
		next := members + "?limit=1&cursor=" + first.text("/meta/nextCursor")
		last := s.a.get(next).expect(200).is("/meta/total", 2).is("/meta/page", 1)
		last.keys("/meta", "success", "message", "devMessage", "page", "limit", "total") // no nextCursor: nothing follows
		if number := last.text("/body/0/id"); number == club.owner {
			last.fail("lists the owner again")
		}
		s.a.get(members+"?limit=100").expect(200).keys("/meta", "success", "message", "devMessage", "page", "limit", "total")
		s.b.post(club.path("/leave")).expect(200)
		s.a.get(next).expect(200).is("/body", []any{}).is("/meta/total", 1)
	}},

	{"SERVERS-MEMBERS-04", "listMembers", "a cursor that cannot be is refused, and so is a page beyond the first 10,000 members", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		members := club.path("/members")
		cursor := s.a.get(members + "?limit=1").expect(200).text("/meta/nextCursor")
		for _, odd := range []string{"abc", "x" + cursor, cursor[:len(cursor)-1], cursor + "AAAA"} {
			s.a.get(members+"?cursor="+odd).refuses("query/cursor", "malformed")
		}
		s.a.get(members+"?page=2&cursor="+cursor).refuses("query/page", "not_allowed")
		s.a.get(members+"?page=101&limit=100").refuses("query/page", "too_large")
		s.a.get(members+"?page=1000000&limit=1").refuses("query/page", "too_large")
	}},

	// ------------------------------------------------------------------------------------------ roles and channels

	{"SERVERS-ROLES-01", "listServerRoles", "every server has the role @all, and every member has the role", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.post(club.path("/join")).expect(200)
		ids := s.a.get(club.path("")).expect(200).at("/body/roles")
		for _, who := range []caller{s.a, s.b} {
			roles := who.get(club.path("/roles")).expect(200)
			everyone := roles.find("/body", "title", "@all")
			roles.is(everyone+"/serverId", club.id).is(everyone+"/__v", 0)
			roles.is(everyone+"/serverPermissions/server_administrator", false)
			for _, flags := range []string{"/serverPermissions", "/channelPermissions"} {
				for name, flag := range typed[map[string]any](roles, everyone+flags, "an object") {
					if _, ok := flag.(bool); !ok {
						roles.fail("the flag %s is %s, want true or false", name, asJSON(flag))
					}
				}
			}
			if got := roles.each("/body", "_id"); asJSON(got) != asJSON(ids) {
				roles.fail("lists %v, and the server shows %s", got, asJSON(ids))
			}
		}
		members := s.a.get(club.path("/members")).expect(200)
		for i := range members.list("/body") {
			if held := members.list("/body/" + strconv.Itoa(i) + "/roles"); !slices.Contains(held, any("@all")) {
				members.fail("a member has the roles %s, without @all", asJSON(held))
			}
		}
	}},

	{"SERVERS-CHANNELS-01", "listServerChannels", "a new server has no channels, and says so with an empty array", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.get(club.path("/channels")).expect(200).keys("", "meta", "body").is("/body", []any{})
	}},

	{"SERVERS-REPEAT-01", "createServer", "making a server can be repeated safely, whatever divides the parts of its form", func(s *session) {
		key := unknownID()
		first := s.a.with(idempotencyKey, key).submit("POST", "/servers", field("name", "Chess club"),
			upload("image", "a.png", "image/png", pngImage())).expect(201)
		s.a.with(idempotencyKey, key).submit("POST", "/servers", field("name", "Chess club"),
			upload("image", "a.gif", "image/gif", gifImage())).expect(409)
		s.a.with(idempotencyKey, key).submit("POST", "/servers", field("name", "Chess club")).expect(409)
		s.anonymous.get(first.text("/body/image")).expect(200)
	}},
}

// isToday allows for clocks that are five minutes apart.
func isToday(day string) bool {
	now := time.Now().UTC()
	return day == now.Add(-5*time.Minute).Format(time.DateOnly) || day == now.Add(5*time.Minute).Format(time.DateOnly)
}

// ---------------------------------------------------------------------------------------------------------- pictures

// images are one of each type that a server takes.
func images() map[string][]byte {
	// One pixel in lossless WebP: the standard library reads this format no more than it writes it.
	webp, _ := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	return map[string][]byte{"image/png": pngImage(), "image/jpeg": jpegImage(), "image/gif": gifImage(), "image/webp": webp}
}

func board() *image.Paletted {
	picture := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White})
	for i := range picture.Pix {
		picture.Pix[i] = uint8((i + i/8) % 2)
	}
	return picture
}

// What encodes into a buffer does not fail.

func pngImage() []byte {
	var data bytes.Buffer
	_ = png.Encode(&data, board())
	return data.Bytes()
}

func jpegImage() []byte {
	var data bytes.Buffer
	_ = jpeg.Encode(&data, board(), nil)
	return data.Bytes()
}

func gifImage() []byte {
	var data bytes.Buffer
	_ = gif.Encode(&data, board(), nil)
	return data.Bytes()
}

// sized is a PNG of a given number of bytes; what follows its last chunk is padding.
func sized(size int) []byte {
	return append(pngImage(), make([]byte, size-len(pngImage()))...)
}
