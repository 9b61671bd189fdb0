package server

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func (c club) badge(t *testing.T, changes map[string]any) string {
	t.Helper()
	in := map[string]any{"title": "Champion", "action": "custom", "serverId": c.id, "award": true, "awardXpQuantity": 50}
	for name, value := range changes {
		in[name] = value
	}
	return do[gen.BadgeResponse](t, c.h, "POST", "/badges", c.owner, in).Body.ID
}

// asks applies for a badge, with a proof unless it is empty.
func (c club) asks(badge, token, proof string) *httptest.ResponseRecorder {
	return c.asksSaying("I won", badge, token, proof)
}

func (c club) asksSaying(note, badge, token, proof string) *httptest.ResponseRecorder {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("note", note)
	if proof != "" {
		part, _ := form.CreateFormFile("proof", "proof.png")
		part.Write([]byte(proof))
	}
	form.Close()
	r := httptest.NewRequest("POST", "/badges/"+badge+"/apply", &body)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return send(c.h, r)
}

func (c club) applied(t *testing.T, badge, token, proof string) gen.BadgeApplication {
	t.Helper()
	w := c.asks(badge, token, proof)
	if w.Code != http.StatusOK {
		t.Fatalf("applying: %d %s", w.Code, w.Body)
	}
	var answer gen.BadgeApplicationResponse
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Body
}

func (c club) applications(t *testing.T, badge string) []gen.BadgeApplication {
	t.Helper()
	return do[gen.BadgeApplicationListResponse](t, c.h, "GET", "/badges/"+badge+"/applications", c.owner, nil).Body
}

// onlyFile is the id of the only image that is kept.
func onlyFile(t *testing.T, config Config) string {
	t.Helper()
	files := filesOf(t, config)
	if len(files) != 1 {
		t.Fatalf("kept are %v", files)
	}
	return files[0]
}

// Whoever knows the id of any other image sees it. That of a proof is good for nothing.
func TestAProofIsNotPublicWhoeverKnowsItsImage(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		badge := c.badge(t, nil)
		made := c.applied(t, badge, c.ben, onePixel)
		id := onlyFile(t, config)
		if code := imageStatus(s, id); code != http.StatusNotFound {
			t.Errorf("its image is public: %d", code)
		}
		proof := "/badges/" + badge + "/applications/" + made.ID + "/proof"
		cleo, dora := tokenOf(t, s, "cleo@example.com"), tokenOf(t, s, "dora@example.com")
		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", cleo, nil)
		for who, want := range map[string]int{
			c.owner: http.StatusOK, c.ben: http.StatusOK, c.keyOf(t, c.owner, "badges"): http.StatusOK, c.keyOf(t, c.owner, "getUserData"): http.StatusForbidden,
			cleo: http.StatusForbidden, dora: http.StatusNotFound, "": http.StatusUnauthorized,
		} {
			if w := send(c.h, request("GET", proof, who)); w.Code != want || w.Code == http.StatusOK && w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("got %d, want %d; Cache-Control %q", w.Code, want, w.Header().Get("Cache-Control"))
			}
		}
		if w := send(c.h, request("GET", "/badges/"+c.badge(t, nil)+"/applications/"+made.ID+"/proof", c.owner)); w.Code != http.StatusNotFound {
			t.Errorf("by another badge: %d", w.Code)
		}
		if export := exportOf(t, s, c.ben); len(export.Images) != 0 || len(export.Applications) != 1 || export.Applications[0].Note != "I won" || export.Applications[0].Title != "Champion" || !strings.HasSuffix(valueIn(export.Applications[0].Proof), proof) {
			t.Errorf("the export has %+v and %+v", export.Images, export.Applications)
		}
		channel := c.channel(t)
		address := strings.Replace(valueIn(made.Proof), proof, "/images/"+id, 1)
		if w := sendJSON(c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "x", "images": []string{address}}); w.Code != http.StatusBadRequest {
			t.Errorf("a message makes it public: %d %s", w.Code, w.Body)
		}
	})
}

func valueIn(text gen.Nullable[string]) string {
	value, _ := text.Get()
	return value
}

// What is wrong with a form is told to everybody alike, and only a file that is of use is kept.
func TestAWrongFormIsRefusedBeforeASecondApplicationIs(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, unlimited(open(t, config)), "allow_dm")
		badge := c.badge(t, nil)
		c.applied(t, badge, c.ben, "")
		long := strings.Repeat("a", 100_000)
		for _, test := range []struct {
			note string
			want int
		}{{"\x00", http.StatusBadRequest}, {long, http.StatusBadRequest}, {"I won again", http.StatusConflict}} {
			if w := c.asksSaying(test.note, badge, c.ben, onePixel); w.Code != test.want {
				t.Errorf("a note of %d characters: got %d %s, want %d", len(test.note), w.Code, w.Body, test.want)
			}
		}
		if kept := filesOf(t, config); len(kept) != 0 {
			t.Errorf("kept are %v", kept)
		}
	})
}

// However an application ends, its proof ends with it: for everybody at once, and for who has uploaded it after the sweep.
func TestAProofEndsWithItsApplication(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		account, key := accountOf(c.number), c.keyOf(t, c.owner, "manageUser")
		joins := func() { do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", c.ben, nil) }
		for name, test := range map[string]struct {
			action string
			end    func(badge, application string)
			after  func()
		}{
			"awarded": {"custom", func(badge, _ string) {
				do[gen.BadgeListResponse](t, c.h, "POST", "/badges/"+badge+"/award", c.owner, map[string]any{"userId": c.number})
			}, nil},
			"by itself": {"visits", func(string, string) { do[gen.VisitResponse](t, c.h, "POST", "/servers/"+c.id+"/visit", c.ben, nil) }, nil},
			"refused": {"custom", func(badge, application string) {
				do[gen.EmptyResponse](t, c.h, "POST", "/badges/"+badge+"/applications/"+application+"/refuse", c.owner, nil)
			}, nil},
			"left": {"custom", func(string, string) { do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", c.ben, nil) }, joins},
			"deleted from the server": {"custom", func(string, string) {
				do[gen.ManagedUserResponse](t, c.h, "POST", "/apis/v1/users/manage", key, map[string]any{"action": "delete", "user": c.number})
			}, func() {
				do[gen.ManagedUserResponse](t, c.h, "POST", "/apis/v1/users/manage", key, map[string]any{"action": "restore", "user": c.number})
			}},
			"the badge is deleted": {"custom", func(badge, application string) {
				do[gen.EmptyResponse](t, c.h, "DELETE", "/badges/"+badge, c.owner, nil)
				for path, method := range map[string]string{"proof": "GET", "refuse": "POST"} { // what is left is removed later
					if w := send(c.h, request(method, "/badges/"+badge+"/applications/"+application+"/"+path, c.owner)); w.Code != http.StatusNotFound {
						t.Errorf("%s, when the badge has just been deleted: %d", path, w.Code)
					}
				}
				if _, err := s.inSteps(t.Context(), func(tx *store.Tx) (bool, error) {
					return badgeRemoval{badge}.deleteRest(t.Context(), tx, 1, s.now())
				}); err != nil {
					t.Fatal(err)
				}
			}, nil},
		} {
			badge := c.badge(t, map[string]any{"action": test.action})
			made := c.applied(t, badge, c.ben, onePixel)
			if bytes, err := s.store.Images.Bytes(t.Context(), account); err != nil || bytes == 0 {
				t.Errorf("%s: %d bytes are counted, %v", name, bytes, err)
			}
			test.end(badge, made.ID)
			for _, who := range []string{c.owner, c.ben} {
				if w := send(c.h, request("GET", "/badges/"+badge+"/applications/"+made.ID+"/proof", who)); w.Code != http.StatusNotFound {
					t.Errorf("%s: its proof is there: %d", name, w.Code)
				}
			}
			sweepAt(t, s, 0)
			if bytes, err := s.store.Images.Bytes(t.Context(), account); err != nil || bytes != 0 || len(filesOf(t, config)) != 0 {
				t.Errorf("%s: %d bytes are counted (%v) of %v", name, bytes, err, filesOf(t, config))
			}
			if test.after != nil {
				test.after()
			}
		}
	})
}

func TestWhoDeletesTheirAccountAppliesForNothingAnyMore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		badge := c.badge(t, nil)
		made := c.applied(t, badge, c.ben, onePixel)
		if w := leave(s, c.ben, nil); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		if found := c.applications(t, badge); len(found) != 0 {
			t.Errorf("listed are %+v", found)
		}
		for path, method := range map[string]string{"proof": "GET", "refuse": "POST"} {
			if w := send(c.h, request(method, "/badges/"+badge+"/applications/"+made.ID+"/"+path, c.owner)); w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		if _, err := s.inSteps(t.Context(), func(tx *store.Tx) (bool, error) {
			return accountRemoval{accountOf(c.number)}.deleteRest(t.Context(), tx, 1, s.now())
		}); err != nil {
			t.Fatal(err)
		}
		sweepAt(t, s, 0)
		if left := filesOf(t, config); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
}

// Whatever comes first, nobody has a badge and asks for it, and each is credited once.
func TestNobodyAppliesForABadgeThatTheyAreAwardedAtTheSameTime(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		const rounds = 5
		for range rounds {
			badge := c.badge(t, nil)
			statuses := inParallel(8, func(i int) int {
				if i%2 == 0 {
					return c.asks(badge, c.ben, "").Code
				}
				return sendJSON(c.h, "POST", "/badges/"+badge+"/award", c.owner, map[string]any{"userId": c.number}).Code
			})
			if statuses[http.StatusOK]+statuses[http.StatusConflict]+statuses[http.StatusServiceUnavailable] != 8 {
				t.Errorf("got %v", statuses)
			}
			if found := c.applications(t, badge); len(found) != 0 {
				t.Errorf("open are %+v", found)
			}
		}
		c.has(t, gen.Balance{XP: 50 * rounds})
	})
}

// Who leaves while they apply leaves no application behind.
func TestNobodyAppliesWhoLeavesAtTheSameTime(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		badge := c.badge(t, nil)
		applied := 0
		for range 5 {
			var left int
			statuses := inParallel(6, func(i int) int {
				if i == 3 {
					left = send(c.h, request("POST", "/servers/"+c.id+"/leave", c.ben)).Code
					return left
				}
				return c.asks(badge, c.ben, "").Code
			})
			if left != http.StatusOK || statuses[http.StatusOK]+statuses[http.StatusNotFound]+statuses[http.StatusConflict]+statuses[http.StatusServiceUnavailable] != 6 {
				t.Fatalf("leaving: %d, all: %v", left, statuses)
			}
			applied += statuses[http.StatusOK] - 1
			do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", c.ben, nil)
			if found := c.applications(t, badge); len(found) != 0 {
				t.Fatalf("open are %+v", found)
			}
		}
		if applied == 0 {
			t.Error("nobody was fast enough to apply")
		}
	})
}

// Of a program's list, every application comes once, in order.
func TestApplicationsAreListedByPages(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	c := newClub(t, s, "allow_dm")
	badge, want := c.badge(t, nil), []string{}
	c.applied(t, c.badge(t, nil), c.owner, "") // for another badge
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		token := tokenOf(t, s, name+"@example.com")
		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", token, nil)
		want = append(want, c.applied(t, badge, token, "").ID)
	}
	var got []string
	for at := "?limit=2"; at != ""; {
		page := do[gen.BadgeApplicationListResponse](t, c.h, "GET", "/badges/"+badge+"/applications"+at, c.owner, nil)
		for _, a := range page.Body {
			got = append(got, a.ID)
		}
		if at = ""; page.Meta.NextCursor != "" {
			at = "?limit=2&cursor=" + page.Meta.NextCursor
		}
		if page.Meta.Total != 5 {
			t.Errorf("there are %d in all", page.Meta.Total)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, want %v", got, want)
	}
	key := must(client.New(listen(t, s), client.WithToken(c.keyOf(t, c.owner, "badges"))))
	n := 0
	for a, err := range key.Badges.Applications(t.Context(), badge) {
		if err != nil || a.ID != want[n] {
			t.Fatalf("got %+v, %v", a, err)
		}
		n++
	}
}
