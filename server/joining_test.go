package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func TestNobodyJoinsAServerBecauseTheyKnowItsID(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		h, owner, stranger := s.Handler(), tokenOf(t, s, "owner@example.com"), tokenOf(t, s, "stranger@example.com")
		id := createServer(t, h, owner, "Secret board room")
		nothing := send(h, request("POST", "/servers/"+s.newID()+"/join", stranger))
		w := send(h, request("POST", "/servers/"+id+"/join", stranger))
		if plain := withoutRequestID; w.Code != http.StatusNotFound || plain(t, w) != plain(t, nothing) {
			t.Errorf("got %d %s, and for what does not exist %s", w.Code, w.Body, nothing.Body)
		}
		if n := do[gen.MemberListResponse](t, h, "GET", "/servers/"+id+"/members", owner, nil).Meta.Total; n != 1 {
			t.Errorf("it has %d members", n)
		}
	})
}

func TestAnImageOfBeforeIsShownUnderItsOldID(t *testing.T) {
	s := open(t, onSQLite(t))
	const id = "66a282dab13eee0013cbb4d9"
	err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
		if err := tx.Images.Insert(t.Context(), id, 1, s.now()); err != nil {
			return err
		}
		return tx.Images.Show(t.Context(), id, int64(len(onePixel)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.images.Put(t.Context(), id, strings.NewReader(onePixel)); err != nil {
		t.Fatal(err)
	}
	if w := send(s.Handler(), request("GET", "/images/"+id, "")); w.Code != http.StatusOK || w.Body.String() != onePixel {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

// withoutRequestID is an answer but for what differs in every one.
func withoutRequestID(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	answer := problemOf(t, w)
	return strings.ReplaceAll(w.Body.String(), answer.Body.RequestID, "")
}

// invited is a server of an owner that is joined by invite.
type invited struct {
	*testing.T
	s         *Server
	h         http.Handler
	owner, id string
}

func newInvited(t *testing.T, config Config) invited {
	s := open(t, config)
	i := invited{T: t, s: s, h: s.Handler(), owner: tokenOf(t, s, "owner@example.com")}
	i.id = createServer(t, i.h, i.owner, "Chess club")
	return i
}

func (i invited) invite(token string, in map[string]any) gen.Invite {
	i.Helper()
	return do[gen.InviteResponse](i.T, i.h, "POST", "/servers/"+i.id+"/invites", token, in).Body
}

func (i invited) join(token, code string) int {
	return send(i.h, jsonRequest("/servers/"+i.id+"/join", token, map[string]any{"invite": code})).Code
}

func (i invited) wants(what string, got, want int) {
	i.Helper()
	if got != want {
		i.Errorf("%s: got %d, want %d", what, got, want)
	}
}

func (i invited) listed() int {
	i.Helper()
	return len(do[gen.InviteListResponse](i.T, i.h, "GET", "/servers/"+i.id+"/invites", i.owner, nil).Body)
}

func TestAnInviteForOneLetsInOneOfTwentyAtOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		i := newInvited(t, config)
		for _, uses := range []int{1, 5} {
			code := i.invite(i.owner, map[string]any{"uses": uses}).Code
			tokens := make([]string, 20)
			for n := range tokens {
				tokens[n] = tokenOf(t, i.s, fmt.Sprintf("m%d-%d@example.com", uses, n))
			}
			statuses := inParallel(len(tokens), func(n int) int { return i.join(tokens[n], code) })
			if statuses[http.StatusOK] != uses || statuses[http.StatusForbidden] != len(tokens)-uses {
				t.Errorf("%d uses: got %v", uses, statuses)
			}
		}
		if n := do[gen.MemberListResponse](t, i.h, "GET", "/servers/"+i.id+"/members", i.owner, nil).Meta.Total; n != 1+1+5 {
			t.Errorf("%d are members", n)
		}
	})
}

func TestAnInviteEndsInTime(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		i := newInvited(t, config)
		now := time.Now()
		i.s.now = func() time.Time { return now }
		code := i.invite(i.owner, map[string]any{"expiresAt": now.Add(time.Hour)}).Code
		ben, cleo := tokenOf(t, i.s, "ben@example.com"), tokenOf(t, i.s, "cleo@example.com")
		now = now.Add(time.Hour - time.Second)
		i.wants("before it ends", i.join(ben, code), http.StatusOK)
		now = now.Add(2 * time.Second)
		i.wants("after it has ended", i.join(cleo, code), http.StatusForbidden)
		i.wants("listed", i.listed(), 0)
		i.wants("sweeping", 0, errorsIn(sweeper{core: i.s.core}.Work(t.Context(), nil)))
		i.wants("after a sweep", i.join(cleo, code), http.StatusForbidden)
		now = now.Add(endedInvites + time.Minute)
		i.wants("sweeping", 0, errorsIn(sweeper{core: i.s.core}.Work(t.Context(), nil)))
		i.wants("after a month", i.join(tokenOf(t, i.s, "cleo@example.com"), code), http.StatusNotFound)
	})
}

func errorsIn(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

func TestAnInviteIsGoodWhileItsMakerMayMakeIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		i := newInvited(t, config)
		ben, cleo := tokenOf(t, i.s, "ben@example.com"), tokenOf(t, i.s, "cleo@example.com")
		i.wants("Ben joins", i.join(ben, i.invite(i.owner, map[string]any{}).Code), http.StatusOK)
		number := do[gen.AccountResponse](t, i.h, "GET", "/auth/me", ben, nil).Body.Number
		role := func(title string, order int, permissions ...string) string {
			flags := map[string]any{}
			for _, name := range permissions {
				flags[name] = true
			}
			return do[gen.RoleResponse](t, i.h, "POST", "/roles", i.owner, map[string]any{
				"title": title, "class": "blue", "order": order, "billable": false, "serverId": i.id, "serverPermissions": flags,
			}).Body.ID
		}
		give := func(to, id string) {
			do[gen.RoleListResponse](t, i.h, "POST", "/roles/"+id+"/"+to, i.owner, map[string]any{"userId": number})
		}
		manager, helper := role("manager", 10, "manage_roles", "kick_members"), role("helper", 20, "kick_members")
		give("add", manager)
		withRole := i.invite(ben, map[string]any{"roleId": helper}).Code
		plain := i.invite(ben, map[string]any{}).Code

		give("remove", manager)
		i.wants("with a role that its maker may give no more", i.join(cleo, withRole), http.StatusForbidden)
		everyone := do[gen.RoleListResponse](t, i.h, "GET", "/servers/"+i.id+"/roles", i.owner, nil).Body
		all := everyone[len(everyone)-1]
		if w := send(i.h, put("/roles/"+all.ID, i.owner, map[string]any{"class": "gray", "order": 10000, "billable": false})); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		i.wants("whose maker may make none", i.join(cleo, plain), http.StatusForbidden)
		give("add", manager)
		i.wants("and gives the role, but may make none", i.join(cleo, withRole), http.StatusForbidden)
		give("add", role("inviter", 5, "create_invite"))
		i.wants("with everything again", i.join(cleo, withRole), http.StatusOK)
		do[gen.EmptyResponse](t, i.h, "POST", "/servers/"+i.id+"/leave", ben, nil)
		dora := tokenOf(t, i.s, "dora@example.com")
		i.wants("whose maker has left", i.join(dora, plain), http.StatusForbidden)
		i.wants("listed", i.listed(), 1) // the owner's, of any number
	})
}

func TestAServerHasSoManyInvitesAndEndedOnesDoNotCount(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		i := newInvited(t, config)
		now := time.Now()
		i.s.now = func() time.Time { return now }
		fill := func(n int) {
			for range n {
				if err := i.s.store.Tx(t.Context(), func(tx *store.Tx) error {
					code, err := i.s.newInviteCode()
					if err != nil {
						return err
					}
					return tx.Invites.Insert(t.Context(), store.Invite{Account: 1, Invite: gen.Invite{
						Code: code, ID: i.s.newID(), ServerID: i.id, Uses: 1, CreatedAt: gen.Time{Time: now}, ExpiresAt: gen.NullableOf(gen.Time{Time: now.Add(time.Hour)}),
					}}, now)
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		fill(store.MaxInvites - 1)
		target := "/servers/" + i.id + "/invites"
		last := i.invite(i.owner, map[string]any{"uses": 1})
		i.wants("one more than there may be", send(i.h, jsonRequest(target, i.owner, map[string]any{})).Code, http.StatusConflict)
		i.wants("using one up", i.join(tokenOf(t, i.s, "ben@example.com"), last.Code), http.StatusOK)
		last = i.invite(i.owner, map[string]any{})
		i.wants("one more than there may be", send(i.h, jsonRequest(target, i.owner, map[string]any{})).Code, http.StatusConflict)
		do[gen.EmptyResponse](t, i.h, "DELETE", target+"/"+last.Code, i.owner, nil)
		i.invite(i.owner, map[string]any{})
		i.wants("listed", i.listed(), store.MaxInvites)
		now = now.Add(2 * time.Hour)
		i.invite(i.owner, map[string]any{})
		i.wants("listed when all but one have expired", i.listed(), 2)
	})
}

func TestTheLogShowsNoCodeOfAnInvite(t *testing.T) {
	var log bytes.Buffer
	i := newInvited(t, Config{Data: onSQLite(t).Data, Log: slog.New(slog.NewTextHandler(&log, nil))})
	code := i.invite(i.owner, map[string]any{}).Code
	ben := tokenOf(t, i.s, "ben@example.com")
	i.wants("a stranger ends it", send(i.h, request("DELETE", "/servers/"+i.id+"/invites/"+code, ben)).Code, http.StatusNotFound)
	i.wants("joining", i.join(ben, code), http.StatusOK)
	do[gen.EmptyResponse](t, i.h, "DELETE", "/servers/"+i.id+"/invites/"+code, i.owner, nil)
	// What is no operation has codes in it, too.
	for _, r := range []*http.Request{
		request("GET", "/servers/"+i.id+"/invites/"+code, ben), request("PATCH", "/api/v1/servers/"+i.id+"/invites/"+code+"/", ben),
		request("OPTIONS", "/servers/"+i.id+"/invites/"+code, ""), request("GET", "/invites/"+code, ben),
		request("GET", "/servers/"+i.id+"/Invites//"+code+"/uses", ben), request("GET", "/servers/"+i.id+"/%69nvites/"+code, ben),
	} {
		send(i.h, r)
	}
	if text := log.String(); strings.Contains(text, code) || !strings.Contains(text, "deleteInvite") || strings.Count(text, "operation=none") != 6 {
		t.Errorf("the log has the code, or not the request:\n%s", text)
	}
}

func TestTheCodesOfInvitesHaveNothingInCommon(t *testing.T) {
	s := open(t, onSQLite(t))
	count := map[rune]int{}
	const made = 5000
	for range made {
		code, err := s.newInviteCode()
		if err != nil || len(code) != codeLength {
			t.Fatalf("got %q, %v", code, err)
		}
		for _, letter := range code {
			count[letter]++
		}
	}
	mean := made * codeLength / len(codeLetters)
	for _, letter := range codeLetters {
		if n := count[letter]; n < mean*8/10 || n > mean*12/10 { // the bounds are eight standard deviations away
			t.Errorf("%c stands %d times in %d codes, want about %d", letter, n, made, mean)
		}
	}
}

func TestJoiningIsLimited(t *testing.T) {
	i := newInvited(t, onSQLite(t))
	ben := tokenOf(t, i.s, "ben@example.com")
	statuses := map[int]int{}
	for range 500 {
		statuses[i.join(ben, strings.Repeat("a", codeLength))]++
	}
	if statuses[http.StatusTooManyRequests] == 0 || statuses[http.StatusNotFound] == 0 {
		t.Errorf("got %v", statuses)
	}
}

func TestAMemberTakesNotThePlacesOfAllInvites(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		i := newInvited(t, config)
		i.s = unlimited(i.s)
		i.h = i.s.Handler()
		now := time.Now()
		i.s.now = func() time.Time { return now }
		ben := tokenOf(t, i.s, "ben@example.com")
		i.wants("Ben joins", i.join(ben, i.invite(i.owner, map[string]any{}).Code), http.StatusOK)
		target := "/servers/" + i.id + "/invites"
		makes := func(token string) int {
			return send(i.h, jsonRequest(target, token, map[string]any{"expiresAt": now.Add(time.Hour)})).Code
		}
		for range store.MaxInvitesOfMember - 1 {
			i.wants("one of those that a member may make", makes(ben), http.StatusCreated)
		}
		last := i.invite(ben, map[string]any{"expiresAt": now.Add(time.Hour)})
		i.wants("one more than a member may make", makes(ben), http.StatusConflict)
		do[gen.EmptyResponse](t, i.h, "DELETE", target+"/"+last.Code, ben, nil)
		i.wants("instead of one that has ended", makes(ben), http.StatusCreated)
		i.wants("one more than a member may make", makes(ben), http.StatusConflict)
		for range store.MaxInvitesOfMember + 1 {
			i.wants("the owner's", makes(i.owner), http.StatusCreated)
		}
		now = now.Add(2 * time.Hour)
		i.wants("when the others have expired", makes(ben), http.StatusCreated)
	})
}

// Who knows the id of an image sees it.
func TestTheIDOfAnImageComesFromTheSourceOfAllSecrets(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "owner@example.com")
	s.random = strings.NewReader(strings.Repeat("k", 16))
	w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel)))
	if id := "/images/" + strings.Repeat("6b", 16); w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), id) {
		t.Errorf("got %d %s, want %s", w.Code, w.Body, id)
	}
	if w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel))); w.Code != http.StatusInternalServerError {
		t.Errorf("without randomness: got %d %s", w.Code, w.Body)
	}
}
