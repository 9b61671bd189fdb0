package server

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func (c club) overviewPath(query string) string {
	return "/apis/v1/communities/" + c.id + "/analytics/loyalty-overview" + query
}

// overview is what the owner sees.
func (c club) overview(t *testing.T, query string) gen.LoyaltyOverview {
	t.Helper()
	return do[gen.LoyaltyOverviewResponse](t, c.h, "GET", c.overviewPath(query), c.owner, nil).Data
}

// clock is a clock that a test sets.
func clock(t *testing.T, s *Server) (set func(at string)) {
	now := time.Time{}
	s.now = func() time.Time { return now }
	return func(at string) {
		t.Helper()
		var err error
		if now, err = time.Parse(time.RFC3339, at); err != nil {
			t.Fatal(err)
		}
	}
}

// Who does something on several days of a range is active in it once, whatever the zone was. Who has left, or has deleted the account,
// stays counted where they were active or new, and who joins again is not new again.
func TestAnOverviewCountsEachMemberOnceInEachRange(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true // a sweep that has begun by the real clock would end the sessions of this one
		s := unlimited(open(t, config))
		at := clock(t, s)
		at("2026-03-01T12:00:00Z") // a Sunday
		c := newClub(t, s, "allow_dm")
		visits := func(token string) { do[gen.VisitResponse](t, c.h, "POST", "/servers/"+c.id+"/visit", token, nil) }
		visits(c.ben)
		visits(c.ben)
		at("2026-03-02T12:00:00Z")
		visits(c.ben)
		visits(c.owner)
		at("2026-03-09T12:00:00Z")
		visits(c.ben)
		cleo := tokenOf(t, s, "cleo@example.com")
		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", cleo, nil)
		visits(cleo)
		do[gen.EmptyResponse](t, c.h, "POST", "/servers/"+c.id+"/leave", cleo, nil)
		at("2026-04-01T12:00:00Z")
		c.owner, c.ben = tokenOf(t, s, "owner@example.com"), tokenOf(t, s, "ben@example.com")
		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", cleo, nil)
		visits(cleo)

		for query, want := range map[string]gen.OverviewMembers{
			"":                               {Total: 3, New: 1, Active: 2, Returning: 1}, // from 2026-03-03 on
			"?from=2026-03-01&to=2026-04-01": {Total: 3, New: 3, Active: 3, Returning: 0},
			"?from=2026-03-02&to=2026-03-08": {Total: 3, Active: 2, Returning: 1},
			"?from=2026-03-10&to=2026-04-01": {Total: 3, Active: 1, Returning: 1},
			"?from=2026-03-10&to=2026-03-31": {Total: 3},
			"?from=2027-01-01&to=2027-12-31": {Total: 3},
			"?from=1960-01-01&to=1960-12-31": {Total: 3},
			"?to=2026-03-02":                 {Total: 3, New: 2, Active: 2},
		} {
			if got := c.overview(t, query).Members; got != want {
				t.Errorf("%s: got %+v, want %+v", query, got, want)
			}
		}
		var weeks []string
		for _, p := range c.overview(t, "?from=2026-03-01&to=2026-03-15&interval=week").Series {
			weeks = append(weeks, fmt.Sprint(p.From, " ", p.To, " ", p.Active, " ", p.New))
		}
		if diff := cmp.Diff([]string{"2026-03-01 2026-03-01 1 2", "2026-03-02 2026-03-08 2 0", "2026-03-09 2026-03-15 2 1"}, weeks); diff != "" {
			t.Error(diff)
		}
		var months []string
		for _, p := range c.overview(t, "?from=2026-03-02&to=2026-04-01&interval=month").Series {
			months = append(months, fmt.Sprint(p.From, " ", p.To, " ", p.Active, " ", p.New))
		}
		if diff := cmp.Diff([]string{"2026-03-02 2026-03-31 3 1", "2026-04-01 2026-04-01 1 0"}, months); diff != "" {
			t.Error(diff)
		}

		// In Auckland it is the day after, and in Honolulu the day before that again.
		at("2026-04-02T13:00:00Z")
		send(c.h, patch("/servers/"+c.id+"/settings", c.owner, map[string]any{"timeZone": "Pacific/Auckland"}))
		visits(c.ben)
		do[gen.ServerResponse](t, c.h, "POST", "/servers/"+c.id+"/join", tokenOf(t, s, "dora@example.com"), nil)
		send(c.h, patch("/servers/"+c.id+"/settings", c.owner, map[string]any{"timeZone": "Pacific/Honolulu"}))
		channel := c.channel(t)
		do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "Hello"})
		for query, want := range map[string]gen.OverviewMembers{
			"?from=2026-04-02&to=2026-04-02": {Total: 4, Active: 1, Returning: 1},
			"?from=2026-04-03&to=2026-04-03": {Total: 4, New: 1, Active: 1, Returning: 1},
			"?from=2026-04-02&to=2026-04-03": {Total: 4, New: 1, Active: 1, Returning: 1},
		} {
			if got := c.overview(t, query).Members; got != want {
				t.Errorf("%s: got %+v, want %+v", query, got, want)
			}
		}
	})
}

// What members did and got is added up over the range and in each of its parts, and what they have now is what they have.
func TestAnOverviewAddsUpWhatMembersDidAndHave(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true // a sweep that has begun by the real clock would end the sessions of this one
		s := unlimited(open(t, config))
		at := clock(t, s)
		at("2026-03-01T12:00:00Z")
		c := newClub(t, s, "allow_dm")
		channel := c.channel(t)
		c.credits(t, gen.XPSetting{Message: gen.TimedXPRule{Enabled: true, XP: 10, Coins: 3}, Reply: gen.TimedXPRule{Enabled: true, XP: 4}})
		tier := func(name string, xp int) map[string]any {
			return map[string]any{"name": name, "levels": []map[string]any{{"name": name, "xp": xp}}}
		}
		do[gen.GamificationResponse](t, c.h, "POST", "/gamifications/"+c.id+"/tier-setting", c.owner, map[string]any{
			"enabled": true, "display": map[string]any{"levels": true, "tiers": true}, "tiers": []any{tier("Bronze", 1), tier("Silver", 20)},
		})
		said := do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "Hello"}).Data.MessageID
		gone := do[gen.MessageSentResponse](t, c.h, "POST", "/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "Oops"}).Data.MessageID
		do[gen.MessageDoneResponse](t, c.h, "DELETE", "/apis/v1/messages/"+gone, c.ben, nil)
		at("2026-03-02T12:00:00Z")
		send(c.h, jsonRequest("/apis/v1/messages/reply", c.ben, map[string]any{"messageId": said, "message": "And again"}))
		send(c.h, jsonRequest("/apis/v1/messages/send", c.ben, map[string]any{"channelId": channel, "message": "Once more"}))

		o := c.overview(t, "?from=2026-03-01&to=2026-03-02")
		o.Highest[0].ID, o.Highest[1].ID = "", ""
		want := gen.LoyaltyOverview{
			CommunityID: c.id, TimeZone: "UTC", From: "2026-03-01", To: "2026-03-02", Interval: "day",
			Members:  gen.OverviewMembers{Total: 2, New: 2, Active: 1},
			Activity: gen.OverviewActivity{Messages: 4, Replies: 1},
			XP:       gen.OverviewFlow{Issued: 24}, Coins: gen.OverviewFlow{Issued: 6},
			Highest: []gen.OverviewMember{
				{Rank: 1, Number: c.number, Username: o.Highest[0].Username, DisplayName: o.Highest[0].DisplayName, Avatar: gen.Null[string](), XP: 24, Coins: 6},
				{Rank: 2, Number: o.Highest[1].Number, Username: o.Highest[1].Username, DisplayName: o.Highest[1].DisplayName, Avatar: gen.Null[string]()},
			},
			Series: []gen.OverviewPart{
				{From: "2026-03-01", To: "2026-03-01", New: 2, Active: 1, Messages: 2, XPIssued: 10, CoinsIssued: 3},
				{From: "2026-03-02", To: "2026-03-02", Active: 1, Messages: 2, Replies: 1, XPIssued: 14, CoinsIssued: 3},
			},
			Snapshot: &gen.OverviewSnapshot{
				ComputedAt: o.Snapshot.ComputedAt, XPOutstanding: 24, CoinsOutstanding: 6,
				Tiers: []gen.OverviewTier{{Name: gen.Null[string](), Members: 1}, {Name: gen.NullableOf("Bronze")}, {Name: gen.NullableOf("Silver"), Members: 1}},
				Roles: []gen.OverviewRole{{ID: c.role, Title: "allow_dm", Members: 1}, {ID: o.Snapshot.Roles[1].ID, Title: "@all", Members: 2}},
			},
		}
		if diff := cmp.Diff(want, o); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// A large community is counted by a job, in several steps, and by no request.
func TestALargeCommunityIsCountedByAJob(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		joined := 0
		for joined < countedAtOnce+10 {
			_, err := inTx(t.Context(), s.core, func(tx *store.Tx) (none struct{}, err error) {
				for i := range 500 {
					id := contract.NewID()
					a := store.Account{Account: gen.Account{ID: id, Email: id + "@example.com", DisplayName: fmt.Sprint(joined + i), Language: "en", TimeZone: "UTC"}}
					if err := tx.Auth.InsertAccount(t.Context(), &a); err != nil {
						return none, err
					}
					if err := tx.Servers.InsertMember(t.Context(), c.id, a.AccountNumber, s.now()); err != nil {
						return none, err
					}
				}
				return none, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			joined += 500
		}
		if got := c.overview(t, ""); got.Members.Total != int64(joined+2) || len(got.Highest) != overviewHighest {
			t.Errorf("got %d members, and the %d highest", got.Members.Total, len(got.Highest))
		}
		if err := (snapshotCounter{core: s.core}).Work(t.Context(), &river.Job[snapshotCount]{Args: snapshotCount{ServerID: c.id}}); err != nil {
			t.Fatal(err)
		}
		got := c.overview(t, "").Snapshot
		if got == nil || len(got.Roles) != 2 || got.Roles[0].Members != 1 || got.Roles[1].Members != int64(joined+2) {
			t.Errorf("got %+v", got)
		}
		if err := (snapshotCounter{core: s.core}).Work(t.Context(), &river.Job[snapshotCount]{Args: snapshotCount{ServerID: contract.NewID()}}); err != nil {
			t.Errorf("a server that is gone: %v", err)
		}
	})
}

// Of a picture, nothing is left to whoever gives the server its name.
func TestAPictureOfAnOverviewRunsNothing(t *testing.T) {
	c := newClub(t, unlimited(open(t, onSQLite(t))), "allow_dm")
	c.id = openServer(t, c.h, c.owner, `<script>alert("x")</script> & Co`)
	r := request("GET", c.overviewPath("?interval=week"), c.owner)
	r.Header.Set("Accept", "image/svg+xml")
	w := send(c.h, r)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != svgType || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
	decoder, names := xml.NewDecoder(w.Body), 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "script" {
				t.Error("there is a script")
			}
		case xml.CharData:
			if strings.Contains(string(token), `<script>alert("x")</script> & Co`) {
				names++
			}
		}
	}
	if names == 0 {
		t.Error("the name of the server is not shown")
	}
}
