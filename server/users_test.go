package server

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// deletes has Ben deleted from the club, without his role: no API key deletes an administrator.
func (c club) deletes(t *testing.T) {
	t.Helper()
	c.takes(t)
	c.manages(t, "delete")
}

func (c club) manages(t *testing.T, action string) {
	t.Helper()
	do[gen.ManagedUserResponse](t, c.h, "POST", "/apis/v1/users/manage", c.keyOf(t, c.owner, "manageUser"), map[string]any{"action": action, "user": "ben@example.com"})
}

// info is what is known of Ben.
func (c club) info(t *testing.T, key string) gen.UserData {
	t.Helper()
	return do[gen.UserDataResponse](t, c.h, "POST", "/apis/v1/users/info", key, map[string]any{"idOrEmail": "ben@example.com"}).Data
}

// What is in a server is read as somebody who was deleted, whatever it is, and as a stranger.
func TestWhoWasDeletedReadsNothingThatAStrangerDoesNot(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		stranger := tokenOf(t, s, "stranger@example.com")
		c.deletes(t)
		asked := 0
		for _, op := range operations {
			if op.Method != http.MethodGet || op.Role == "" || op.Role == api.RoleAnyone {
				continue
			}
			target := op.Fill(exampleOf)
			for _, name := range []string{"serverId", "communityId"} {
				if p := op.Parameter("path", name); p != nil {
					target = op.Fill(func(q *openapi3.Parameter) string {
						if q.Name == name {
							return c.id
						}
						return exampleOf(q)
					})
				}
			}
			if op.Parameter("query", "serverId") != nil {
				target += "?serverId=" + c.id
			}
			asked++
			gone, never := send(c.h, request("GET", target, c.ben)), send(c.h, request("GET", target, stranger))
			if gone.Code != http.StatusNotFound || never.Code != gone.Code {
				t.Errorf("%s answers %d to who was deleted, and %d to a stranger", op.ID, gone.Code, never.Code)
			}
		}
		if asked < 10 {
			t.Errorf("only %d operations were asked", asked)
		}
	})
}

func TestActivityIsCountedByTheMinuteAndTheDay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "getUserData")
		now := time.Now().UTC().Truncate(24 * time.Hour).Add(84 * time.Hour) // noon, in three days
		s.now = func() time.Time { return now }
		comes := func() {
			do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil)
			if err := s.writePresence(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		is := func(minutes, streak int64) {
			t.Helper()
			if data := c.info(t, key); data.TimeSpent != minutes || data.LoginStreak != streak {
				t.Errorf("got %d minutes and %d days, want %d and %d", data.TimeSpent, data.LoginStreak, minutes, streak)
			}
		}
		if err := s.writePresence(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := c.info(t, key).TimeSpent
		for range 3 {
			comes()
		}
		is(before+1, 1)
		now = now.Add(time.Minute)
		comes()
		is(before+2, 1)
		now = now.Add(24 * time.Hour)
		is(before+2, 1) // of yesterday, and today is not over
		comes()
		is(before+3, 2)
		now = now.Add(48 * time.Hour)
		is(before+3, 0)
		comes()
		is(before+4, 1)
	})
}

func TestSomebodyIsOnlineForFiveMinutesAfterARequest(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "getUserData")
		me := do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil).Body
		begun := time.Now().Add(time.Hour)
		now := begun
		s.now = func() time.Time { return now }
		online := func() bool {
			return *do[gen.UserPartsResponse](t, c.h, "GET", "/apis/v1/users/"+me.ID+"?isOnline=true", key, nil).Data.IsOnline
		}
		if online() {
			t.Error("is online an hour after the last request")
		}
		do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil)
		for _, written := range []bool{false, true} {
			if written {
				if err := s.writePresence(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			now = begun.Add(onlineFor - time.Second)
			if !online() {
				t.Errorf("written down, %v: is not online after almost five minutes", written)
			}
			now = begun.Add(onlineFor + time.Second)
			if online() {
				t.Errorf("written down, %v: is online after more than five minutes", written)
			}
			now = begun
		}
	})
}

func TestAClockThatWasAheadMakesNobodySeemToBeThere(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "getUserData")
		me := do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil).Body
		now := time.Now().Add(20 * 24 * time.Hour)
		s.now = func() time.Time { return now }
		comes := func() {
			do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil)
			if err := s.writePresence(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		comes()
		now = now.Add(-19 * 24 * time.Hour)
		shown := func() gen.UserParts {
			return do[gen.UserPartsResponse](t, c.h, "GET", "/apis/v1/users/"+me.ID+"?isOnline=true", key, nil).Data
		}
		if *shown().IsOnline || c.info(t, key).LoginStreak != 0 {
			t.Errorf("is there: %v, %d days", *shown().IsOnline, c.info(t, key).LoginStreak)
		}
		minutes := c.info(t, key).TimeSpent
		comes()
		now = now.Add(time.Minute)
		comes()
		if got := c.info(t, key); got.TimeSpent != minutes+1 || !*shown().IsOnline { // but for the minute that put it right
			t.Errorf("got %d minutes after %d, is there: %v", got.TimeSpent, minutes, *shown().IsOnline)
		}
	})
}

func TestWhatWasEarnedTodayBeginsAnewWithTheDay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "getUserData")
		now := time.Now()
		s.now = func() time.Time { return now }
		for i, want := range []int64{5, 10, 5} {
			if i == 2 {
				now = now.Add(24 * time.Hour)
				if data := c.info(t, key); data.XPEarnedToday != 0 || data.XP != 10 {
					t.Errorf("the next day, got %d of %d", data.XPEarnedToday, data.XP)
				}
			}
			badge := do[gen.BadgeResponse](t, c.h, "POST", "/badges", c.owner, map[string]any{
				"title": fmt.Sprint(i), "action": "custom", "serverId": c.id, "award": true, "awardXpQuantity": 5,
			}).Body.ID
			do[gen.BadgeListResponse](t, c.h, "POST", "/badges/"+badge+"/award", c.owner, map[string]any{"userId": c.number})
			if data := c.info(t, key); data.XPEarnedToday != want {
				t.Errorf("after %d badges, %d XP were earned today, want %d", i+1, data.XPEarnedToday, want)
			}
		}
	})
}

// A community may make an account for an address that is somebody else's. Whatever it does then, it does not get in.
func TestAnAccountThatAKeyHasMadeIsNobodysUntilItsAddressIsProved(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "createUser")
		user := map[string]any{
			"firstname": "Ada", "lastname": "Doe", "username": "ada", "displayname": "Ada", "email": "ada@example.com", "password": "Planted1!", "confirmPassword": "Planted1!",
		}
		do[gen.CreatedUserResponse](t, c.h, "POST", "/apis/v1/users", key, user)
		login := func(password string) int {
			return sendJSON(c.h, "POST", "/auth/login", "", map[string]any{"email": "ada@example.com", "password": password}).Code
		}
		if code := login("Planted1!"); code != http.StatusForbidden {
			t.Errorf("before the proof, got %d", code)
		}
		// The operator vouches for the address, and not for the password.
		token := tokenOf(t, s, "ada@example.com")
		if me := do[gen.AccountResponse](t, c.h, "GET", "/auth/me", token, nil).Body; !me.Verified {
			t.Error("is not verified")
		}
		if code := login("Planted1!"); code != http.StatusUnauthorized {
			t.Errorf("after the proof, got %d", code)
		}
	})
}

func TestNewUsersAreLimitedByWhoVouchesForTheKeyMailedOrNot(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		s.madeUsers = store.Quota{AtOnce: 2, Every: time.Hour}
		c := newClub(t, s, "server_administrator")
		makes := func(key, name string, mailed bool) int {
			return sendJSON(c.h, "POST", "/apis/v1/users", key, map[string]any{
				"firstname": "A", "lastname": "B", "username": name, "displayname": "C", "email": name + "@example.com", "sendEmail": mailed,
			}).Code
		}
		one, other, bens := c.keyOf(t, c.owner, "createUser"), c.keyOf(t, c.owner, "createUser"), c.keyOf(t, c.ben, "createUser")
		for i, want := range []int{201, 201, 429, 429} {
			if code := makes([]string{one, other}[i%2], fmt.Sprint("user", i), i%2 == 0); code != want {
				t.Errorf("user %d: got %d, want %d", i, code, want)
			}
		}
		if code := makes(bens, "user2", true); code != 201 { // and nobody was left by the refusal
			t.Errorf("by another's key: got %d", code)
		}
	})
}

// asNew is what a user is made from, under a user name.
func asNew(name string) map[string]any {
	return map[string]any{"firstname": "A", "lastname": "B", "username": name, "displayname": "C", "email": name + "@example.com"}
}

func TestAnAPIKeySpoilsNoRegistrationOfWhoIsAboutToVerifyIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "createUser")
		registered := do[gen.AccountResponse](t, c.h, "POST", "/auth/register", "", map[string]any{
			"email": "ada@example.com", "password": passphrase, "username": "countess", "displayName": "Ada Lovelace",
		}).Body
		code := codeFor(t, config.Data, "ada@example.com")
		user := asNew("ada")
		user["password"], user["confirmPassword"] = "Planted1!", "Planted1!"
		made := do[gen.CreatedUserResponse](t, c.h, "POST", "/apis/v1/users", key, user).Data
		if made.ID != registered.ID || made.UserID != registered.Number {
			t.Errorf("got the account %s, %s; registered is %s, %s", made.ID, made.UserID, registered.ID, registered.Number)
		}
		opened := do[gen.SessionResponse](t, c.h, "POST", "/auth/verify-email", "", map[string]any{"email": "ada@example.com", "code": code, "password": passphrase}).Body
		if username, _ := opened.Account.Username.Get(); username != "countess" || opened.Account.DisplayName != "Ada Lovelace" || opened.Account.FirstName != "" {
			t.Errorf("is %+v, and not as registered", opened.Account)
		}
		do[gen.SessionResponse](t, c.h, "POST", "/auth/login", "", map[string]any{"email": "ada@example.com", "password": passphrase})
		// The membership is there to be seen, and to be left.
		servers := do[gen.ServerListResponse](t, c.h, "GET", "/servers", opened.Token, nil).Body
		if len(servers) != 1 || servers[0].ID != c.id {
			t.Errorf("is in %+v", servers)
		}
		if w := send(c.h, request("POST", "/servers/"+c.id+"/leave", opened.Token)); w.Code != http.StatusOK {
			t.Errorf("leaving: got %d %s", w.Code, w.Body)
		}
		if code := sendJSON(c.h, "POST", "/apis/v1/users", key, asNew("countess")).Code; code != http.StatusConflict {
			t.Errorf("the name that was registered: got %d", code)
		}
	})
}

func TestAUserNameThatNobodyHasProvedGoesAfterNinetyDaysToWhoHas(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		now := time.Now().Add(-unprovedName - time.Minute) // the jobs have a clock of their own, which does not change
		s.now = func() time.Time { return now }
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "createUser")
		for _, name := range []string{"ada", "bea"} {
			do[gen.CreatedUserResponse](t, c.h, "POST", "/apis/v1/users", key, asNew(name))
		}
		takes := func(token, name string) int {
			return send(c.h, patch("/auth/me", token, map[string]any{"username": name})).Code
		}
		registers := func(name string) int {
			return sendJSON(c.h, "POST", "/auth/register", "", map[string]any{"email": "new@example.com", "password": passphrase, "username": name}).Code
		}
		now = now.Add(unprovedName - time.Minute)
		owner, ben := tokenOf(t, s, "owner@example.com"), tokenOf(t, s, "ben@example.com")
		if one, two := takes(ben, "ada"), registers("bea"); one != http.StatusConflict || two != http.StatusConflict {
			t.Errorf("before that: got %d and %d", one, two)
		}
		now = now.Add(2 * time.Minute)
		other := asNew("ada")
		other["email"] = "other@example.com"
		if w := sendJSON(c.h, "POST", "/apis/v1/users", key, other); w.Code != http.StatusConflict {
			t.Errorf("to an API key, which proves nothing: got %d %s", w.Code, w.Body)
		}
		if code := takes(ben, "ada"); code != http.StatusOK {
			t.Errorf("to ben: got %d", code)
		}
		if code := takes(owner, "ada"); code != http.StatusConflict {
			t.Errorf("from ben: got %d", code)
		}
		if code := registers("bea"); code != http.StatusCreated {
			t.Errorf("to who registers: got %d", code)
		}
		opened := do[gen.SessionResponse](t, c.h, "POST", "/auth/verify-email", "", map[string]any{
			"email": "new@example.com", "code": codeFor(t, config.Data, "new@example.com"), "password": passphrase,
		}).Body
		if username, _ := opened.Account.Username.Get(); username != "bea" {
			t.Errorf("who registers is %q", username)
		}
		members := do[gen.CommunityUserListResponse](t, c.h, "GET", "/apis/v1/communities/"+c.id+"/users?search=c", owner, nil).Data
		for _, m := range members {
			if username, named := m.Username.Get(); named {
				t.Errorf("an unproved account still is %q", username)
			}
		}
		if len(members) != 2 {
			t.Errorf("of 2 unproved accounts, %d are there", len(members))
		}
	})
}

func TestAKeyWithoutTheDataOfUsersSeesNoAddress(t *testing.T) {
	for _, c := range []struct {
		permission gen.KeyPermission
		want       bool
	}{{gen.KeyPermissionGetUserData, true}, {gen.KeyPermissionGetMessages, false}, {gen.KeyPermissionManageUser, false}} {
		s := standing{actor: actor{account: 1, key: &gen.APIKey{Permissions: []gen.KeyPermission{c.permission}}}}
		for _, account := range []int64{1, 2} { // that of who vouches for it, too
			if got := s.seesEmailOf(account); got != c.want {
				t.Errorf("a key with %s sees the address of %d: %v", c.permission, account, got)
			}
		}
	}
}

// Whatever comes at once, somebody is a member or was deleted, and not both, and is counted once.
func TestDeletingRestoringAndJoiningAtOnceLeaveOneOfThem(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "manageUser")
		manage := func(action string) int {
			return sendJSON(c.h, "POST", "/apis/v1/users/manage", key, map[string]any{"action": action, "user": c.number}).Code
		}
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() {
				for range 8 {
					code := 0
					switch i % 4 {
					case 0:
						code = manage("delete")
					case 1:
						code = manage("restore")
					case 2:
						code = send(c.h, request("POST", "/servers/"+c.id+"/join", c.ben)).Code
					default:
						code = send(c.h, request("POST", "/servers/"+c.id+"/leave", c.ben)).Code
					}
					if code != 200 && code != 403 && code != 404 && code != 409 && code != 503 { // who loses too often is to try again
						t.Errorf("%d got %d", i%4, code)
					}
				}
			})
		}
		group.Wait()
		is, err := s.store.Servers.IsMember(t.Context(), c.id, accountOf(c.number))
		if err != nil {
			t.Fatal(err)
		}
		was, err := s.store.Users.IsFormer(t.Context(), c.id, accountOf(c.number))
		if err != nil || is && was {
			t.Errorf("is a member: %v, was deleted: %v (%v)", is, was, err)
		}
		members := do[gen.MemberListResponse](t, c.h, "GET", "/servers/"+c.id+"/members", c.owner, nil)
		if int(members.Meta.Total) != len(members.Body) {
			t.Errorf("of %d members, %d are counted", len(members.Body), members.Meta.Total)
		}
	})
}

func TestAUserAPIKeyIsItsUserBeingThere(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "getUserData")
		me := do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.ben, nil).Body
		own := do[gen.UserAPIKeyResponse](t, c.h, "POST", "/apis/v1/users/apikeys?userId="+me.ID, c.ben,
			map[string]any{"name": "phone", "permissions": []string{"sendMessages"}, "communityId": c.id}).Data.Key
		later := time.Now().Add(time.Hour)
		s.now = func() time.Time { return later }
		online := func() bool {
			return *do[gen.UserPartsResponse](t, c.h, "GET", "/apis/v1/users/"+me.ID+"?isOnline=true", key, nil).Data.IsOnline
		}
		before := online()
		send(c.h, request("GET", "/apis/v1/api-keys/info", own))
		if after := online(); before || !after {
			t.Errorf("is there, before a request with the key: %v, and after it: %v", before, after)
		}
	})
}

func TestOfManyWhoDeleteAUserAtOnceOneDoes(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		key := c.keyOf(t, c.owner, "manageUser")
		for round := range 5 {
			got := inParallel(4, func(int) int {
				return postJSON(c.h, "/apis/v1/users/manage", key, map[string]any{"action": "delete", "user": c.number}).Code
			})
			if got[http.StatusOK] != 1 || got[http.StatusNotFound] != 3 {
				t.Errorf("round %d: got %v, want 200 once and else 404", round, got)
			}
			c.manages(t, "restore")
		}
	})
}

// At each moment at which the server looks at its clock while it tells of a user, the community goes once, with all it had.
func TestOfACommunityThatGoesMeanwhileThereIsNoUser(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		for moment := 1; moment < 50; moment++ {
			c := newClub(t, s, "allow_dm")
			key := c.keyOf(t, c.owner, "getUserData")
			asked := 0
			s.now = func() time.Time {
				if asked++; asked == moment {
					asked += 1000
					send(c.h, request("DELETE", "/servers/"+c.id, c.owner))
					for more := true; more; { // as the job does, to its end
						if err := s.store.Tx(t.Context(), func(tx *store.Tx) (err error) {
							more, err = tx.Servers.DeleteRest(t.Context(), c.id, 1000, time.Now())
							return err
						}); err != nil {
							t.Error(err)
							break
						}
					}
				}
				return time.Now()
			}
			code := postJSON(c.h, "/apis/v1/users/info", key, map[string]any{"idOrEmail": "ben@example.com"}).Code
			s.now = time.Now
			if code != http.StatusOK && code != http.StatusNotFound && code != http.StatusUnauthorized {
				t.Errorf("when it went at moment %d: got %d", moment, code)
			}
			if asked < 1000 {
				return
			}
		}
		t.Error("the clock is looked at too often")
	})
}
