package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// charted lets Ben, and everybody else, post analyses, and returns a channel.
func (c club) charted(t *testing.T) (channel string) {
	t.Helper()
	role := do[gen.RoleResponse](t, c.h, "POST", "/roles", c.owner, map[string]any{
		"title": "analysts", "class": "blue", "order": 20, "billable": false, "serverId": c.id, "channelPermissions": map[string]any{"post_analysis": true},
	}).Body.ID
	do[gen.RoleListResponse](t, c.h, "POST", "/roles/"+role+"/add", c.owner, map[string]any{"userId": c.number})
	return c.channel(t)
}

// charting is the body of an analysis, with changes.
func charting(changes map[string]any) map[string]any {
	body := map[string]any{
		"metadata": map[string]any{"direction": "BULLISH", "entryPlacement": "BELOW_CURRENT", "title": "Bounce", "symbol": "GBP/USD", "comments": "[[zone:here]]"},
		"levels":   map[string]any{"pivot": map[string]any{"price": 2}, "resistance": map[string]any{"price": 3}, "support": map[string]any{"price": 1}},
		"drawings": []any{map[string]any{"type": "HORIZONTAL_LINE", "clientObjectId": "zone", "points": []any{map[string]any{"time": "2026-01-08T12:00:00Z", "price": 1}}}},
	}
	maps.Copy(body, changes)
	return body
}

func (c club) analysisPath(channel string) string {
	return "/apis/v1/analysis/" + c.id + "/channels/" + channel
}

func (c club) charts(t *testing.T, channel, token string) gen.Analysis {
	t.Helper()
	return do[gen.AnalysisResponse](t, c.h, "POST", c.analysisPath(channel), token, charting(nil)).Data
}

func TestAnAnalysisThatIsPostedManyTimesUnderOneKeyIsThereOnceWhereverTheKeyStands(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		channel := c.charted(t)
		c.credits(t, gen.XPSetting{Analysis: gen.TimedXPRule{Enabled: true, XP: 50, Coins: 2}})
		statuses := inParallel(30, func(i int) int {
			changes := map[string]any{}
			if i%3 > 0 {
				changes["idempotencyKey"] = "one"
			}
			r := jsonRequest(c.analysisPath(channel), c.ben, charting(changes))
			if i%3 < 2 {
				r.Header.Set("Idempotency-Key", "one")
			}
			return send(c.h, r).Code
		})
		if statuses[http.StatusCreated]+statuses[http.StatusServiceUnavailable] != 30 || statuses[http.StatusCreated] == 0 {
			t.Fatalf("got %v", statuses)
		}
		page := do[gen.AnalysisListResponse](t, c.h, "GET", "/apis/v1/analysis?channelId="+channel, c.owner, nil).Data
		if len(page.Analyses) != 1 {
			t.Errorf("there are %d", len(page.Analyses))
		}
		c.has(t, gen.Balance{XP: 50, Coins: 2})
	})
}

func TestAnAnalysisThatIsDeletedWithinAMinuteTakesBackWhatItHasBrought(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		var later atomic.Int64
		begun := time.Now()
		s.now = func() time.Time { return begun.Add(time.Duration(later.Load())) }
		c := newClub(t, s, "allow_dm")
		channel := c.charted(t)
		c.credits(t, gen.XPSetting{Analysis: gen.TimedXPRule{Enabled: true, XP: 50, Coins: 2}})
		for _, step := range []struct {
			later time.Duration
			left  int64
		}{{takesBack - time.Second, 0}, {takesBack + time.Second, 1}} {
			posted := c.charts(t, channel, c.ben)
			later.Add(int64(step.later))
			statuses := inParallel(10, func(int) int { return send(c.h, request("DELETE", "/apis/v1/analysis/"+posted.AnalysisID, c.ben)).Code })
			if statuses[http.StatusOK] != 1 || statuses[http.StatusOK]+statuses[http.StatusNotFound]+statuses[http.StatusServiceUnavailable] != 10 {
				t.Errorf("deleting at once: got %v", statuses)
			}
			c.has(t, gen.Balance{XP: 50 * step.left, Coins: 2 * step.left})
		}
	})
}

func TestNoPartOfAnAnalysisHasALinkOfWhoMayShareNone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, unlimited(open(t, config)), "allow_dm")
		channel := c.charted(t)
		for _, role := range do[gen.RoleListResponse](t, c.h, "GET", "/servers/"+c.id+"/roles", c.owner, nil).Body {
			if role.Title == "@all" {
				do[gen.RoleResponse](t, c.h, "PUT", "/roles/"+role.ID, c.owner, map[string]any{
					"class": role.Class, "order": role.Order, "billable": role.Billable, "channelPermissions": map[string]any{"post_messages": true},
				})
			}
		}
		for _, part := range []string{"title", "symbol", "timeframe", "comments", "preferenceText", "alternativeText"} {
			metadata := map[string]any{"direction": "BULLISH", "entryPlacement": "BELOW_CURRENT", "title": "Bounce", "symbol": "GBP/USD"}
			metadata[part] = "evil.example/x"
			if w := sendJSON(c.h, "POST", c.analysisPath(channel), c.ben, charting(map[string]any{"metadata": metadata})); w.Code != http.StatusForbidden {
				t.Errorf("%s: got %d %s", part, w.Code, w.Body)
			}
			if w := sendJSON(c.h, "POST", c.analysisPath(channel), c.owner, charting(map[string]any{"metadata": metadata})); w.Code != http.StatusCreated {
				t.Errorf("%s, of the owner: got %d %s", part, w.Code, w.Body)
			}
		}
	})
}

// Changes at once do not undo each other, and what holds of an analysis holds after all of them.
func TestChangesOfAnAnalysisAtOnceAllCount(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		at := "/apis/v1/analysis/" + c.charts(t, c.charted(t), c.ben).AnalysisID
		level := func(name string, price int) map[string]any {
			return map[string]any{"levels": map[string]any{name: map[string]any{"price": price}}}
		}
		for round := range 10 {
			do[gen.AnalysisChangeResponse](t, c.h, "PATCH", at, c.ben, map[string]any{"levels": map[string]any{
				"pivot": map[string]any{"price": 2}, "resistance": map[string]any{"price": 6}, "support": map[string]any{"price": 1},
			}})
			inParallel(2, func(i int) int { // one of them must be refused
				return sendJSON(c.h, "PATCH", at, c.ben, level([]string{"support", "pivot"}[i], []int{4, 3}[i])).Code
			})
			drawing := map[string]any{"type": "HORIZONTAL_LINE", "points": []any{map[string]any{"time": "2026-01-08T12:00:00Z", "price": 1}}}
			if w := send(c.h, jsonRequest(at+"/drawings", c.ben, map[string]any{"drawings": []any{drawing}})); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			got := do[gen.AnalysisResponse](t, c.h, "GET", at, c.ben, nil).Data
			if l := got.Levels; l.Support.Price >= l.Pivot.Price || l.Pivot.Price >= l.Resistance.Price || len(got.Drawings) != round+2 {
				t.Fatalf("got %+v with %d drawings", l, len(got.Drawings))
			}
		}
	})
}

func TestTheAnalysesOfAllChannelsAreListedInOneOrder(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		channels := []string{c.charted(t), c.channel(t), c.channel(t)}
		var want []string
		for i := range 2*readAhead + 7 {
			want = append(want, c.charts(t, channels[i%7%3], c.ben).AnalysisID)
		}
		slices.Reverse(want)
		at := "/apis/v1/analysis?symbol=gbp/usd&serverId=" + c.id
		ids := func(p gen.AnalysisPage) (ids []string) {
			for _, a := range p.Analyses {
				ids = append(ids, a.AnalysisID)
			}
			return ids
		}
		var byCursor, byPage []string
		for cursor := ""; ; {
			page := do[gen.AnalysisListResponse](t, c.h, "GET", at+"&limit=10"+cursor, c.owner, nil).Data
			if byCursor = append(byCursor, ids(page)...); page.NextCursor == "" {
				break
			}
			cursor = "&cursor=" + page.NextCursor
		}
		for number := 1; number <= 5; number++ {
			byPage = append(byPage, ids(do[gen.AnalysisListResponse](t, c.h, "GET", fmt.Sprint(at, "&limit=10&page=", number), c.owner, nil).Data)...)
		}
		if !slices.Equal(byCursor, want) || !slices.Equal(byPage, want) {
			t.Errorf("got %v by cursor, %v by page, want %v", byCursor, byPage, want)
		}
	})
}

// Not even the owner sees what is in a direct channel, and the trail does not tell what an analysis said.
func TestWhatAnAnalysisSaysIsForWhoSeesItsChannelOnly(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		channel := c.charted(t)
		role := do[gen.RoleResponse](t, c.h, "POST", "/roles", c.owner, roleWith(c.id, "manage_channels")).Body.ID
		do[gen.RoleListResponse](t, c.h, "POST", "/roles/"+role+"/add", c.owner, map[string]any{"userId": c.number})
		direct := do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.ben, map[string]any{
			"topic": "ours", "channelType": "direct", "serverId": c.id, "members": []string{c.number},
		}).Body.ID
		hidden := c.charts(t, direct, c.ben)
		key := c.keyOf(t, c.owner, "analysis")
		for _, who := range []string{c.owner, key} {
			for _, r := range []*http.Request{
				request("GET", "/apis/v1/analysis/"+hidden.AnalysisID, who), request("GET", "/apis/v1/analysis/"+hidden.AnalysisID+"/image.svg", who),
				request("DELETE", "/apis/v1/analysis/"+hidden.AnalysisID, who), request("GET", "/apis/v1/analysis?channelId="+direct, who),
				patch("/apis/v1/analysis/"+hidden.AnalysisID, who, map[string]any{"metadata": map[string]any{"title": "x"}}),
			} {
				if w := send(c.h, r); w.Code != http.StatusNotFound {
					t.Errorf("%s %s: %d %s", r.Method, r.URL, w.Code, w.Body)
				}
			}
		}
		posted := c.charts(t, channel, c.ben)
		do[gen.AnalysisChangeResponse](t, c.h, "PATCH", "/apis/v1/analysis/"+posted.AnalysisID, c.owner, map[string]any{"metadata": map[string]any{"title": "A secret title"}})
		do[gen.AnalysisDoneResponse](t, c.h, "DELETE", "/apis/v1/analysis/"+posted.AnalysisID, c.owner, nil)
		w := send(c.h, request("GET", "/servers/"+c.id+"/audit?limit=100", c.owner))
		if text := w.Body.String(); strings.Contains(text, "secret title") || !strings.Contains(text, "analysis.update") || !strings.Contains(text, "analysis.delete") {
			t.Errorf("the trail is %s", text)
		}
		if export := exportOf(t, s, c.ben); len(export.Analyses) != 1 || export.Analyses[0].AnalysisID != hidden.AnalysisID || len(export.Analyses[0].Drawings) != 1 {
			t.Errorf("the export has %+v", export.Analyses)
		}
	})
}

// What members may not say in messages they may not say in analyses.
func TestWhoMayShareNoLinksHasNoneInAnAnalysis(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	c := newClub(t, s, "allow_dm")
	channel := c.charted(t)
	for _, role := range do[gen.RoleListResponse](t, c.h, "GET", "/servers/"+c.id+"/roles", c.owner, nil).Body {
		if role.Title == "@all" {
			do[gen.RoleResponse](t, c.h, "PUT", "/roles/"+role.ID, c.owner, map[string]any{"class": role.Class, "order": role.Order, "billable": false, "channelPermissions": map[string]any{"view_message_history": true}})
		}
	}
	for _, name := range []string{"title", "preferenceText", "alternativeText", "comments"} {
		body := charting(nil)
		body["metadata"].(map[string]any)[name] = "see https://chess.example/"
		if w := send(c.h, jsonRequest(c.analysisPath(channel), c.ben, body)); w.Code != http.StatusForbidden {
			t.Errorf("a link in %s: %d %s", name, w.Code, w.Body)
		}
		if w := send(c.h, jsonRequest(c.analysisPath(channel), c.owner, body)); w.Code != http.StatusCreated {
			t.Errorf("the owner: %d %s", w.Code, w.Body)
		}
	}
	at := "/apis/v1/analysis/" + c.charts(t, channel, c.ben).AnalysisID
	if w := send(c.h, patch(at, c.ben, map[string]any{"metadata": map[string]any{"comments": "@all look"}})); w.Code != http.StatusForbidden {
		t.Errorf("a mention in a change: %d %s", w.Code, w.Body)
	}
}
