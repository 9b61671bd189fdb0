package server

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A life is simulated through the API, with a clock that moves, and every number is counted again from what the API has
// acknowledged, without a look at how the server does it. `make simulate` has 1,000 members and 400 days.
const (
	simulatedMembers, simulatedDays   = 12, 45
	simulatedMembersLong, simulateAll = 1000, 400
)

// What the community of a simulation gives.
const (
	messageXP, messageCoins, messageEvery = 10, 1, time.Hour
	replyXP                               = 5
	reactXP, reactEvery                   = 2, time.Minute
	visitXP                               = 3
	talkerAt, talkerXP                    = 10, 50 // a badge for messages
	regularAt, regularXP                  = 3, 20  // a badge for visits in a row
	streakCount, streakXP                 = 3, 9   // each day with a message, in UTC
	workCount, workXP                     = 5, 31  // each working day of Kolkata with two messages or a reaction
)

var (
	xpSteps       = []gen.MilestoneStep{{Value: 100, Coins: 5}, {Value: 500, XP: 7}, {Value: 1500, XP: 100}}
	messageSteps  = []gen.MilestoneStep{{Value: 5, XP: 11}, {Value: 40, XP: 13}}
	zoneChanges   = map[int]string{0: "Europe/Berlin", 1: "America/New_York", 2: "Asia/Kathmandu", 3: "Pacific/Kiritimati"}
	simulatedFrom = time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC) // over the ends of summer time, and a turn of the year
)

// A resident is a member of a simulation, with everything that a naive count says of them.
type resident struct {
	number, token string
	tokenAt       time.Time

	xp, coins                    int64
	messages, replies, reactions int64
	credited                     map[string]time.Time // when each action was credited last
	days                         map[string]*gen.DailyStats
	earned                       map[string]*gen.DailyEarnings
	visited                      map[string]bool
	reacted                      map[string]bool
	steps                        map[string]bool
	badges                       map[string]bool
	talked, worked               map[string]int // what was done on the dates of the streaks
	reached                      int            // how often a streak was
	deeds                        int
}

type simulation struct {
	t         *testing.T
	s         *Server
	c         club
	clock     *atomic.Pointer[time.Time] // of the server
	now       time.Time                  // what it shows
	zone      *time.Location
	chance    *rand.Rand
	residents []*resident
	channel   string
	key       string
	said      []string // what is there
	regretted int      // messages that took back what they had brought
}

// waits lets the clock go on until then.
func (m *simulation) waits(until time.Time) {
	if until.After(m.now) {
		m.now = until
		m.clock.Store(&until)
	}
}

func (m *simulation) date() string { return m.now.In(m.zone).Format(time.DateOnly) }

func TestEveryNumberIsRightAfterADaysWorthOfLife(t *testing.T) {
	members, days := simulatedMembers, simulatedDays
	if os.Getenv("REJOIN_SIMULATE") == "long" {
		members, days = simulatedMembersLong, simulateAll
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		began, clock := time.Now(), &atomic.Pointer[time.Time]{}
		config.Now = func() time.Time { return *clock.Load() }
		clock.Store(&simulatedFrom)
		m := newSimulation(t, unlimited(open(t, config)), clock, members)
		for day := range days {
			m.live(day, days)
		}
		deeds, differences, reached, awarded, steps := 0, 0, 0, 0, 0
		for _, r := range m.residents {
			deeds, reached, awarded, steps = deeds+r.deeds, reached+r.reached, awarded+len(r.badges), steps+len(r.steps)
			differences += m.compare(r, days)
		}
		if min(reached, awarded, steps, m.regretted) == 0 {
			t.Errorf("nobody has lived: %d streaks, %d badges, %d steps, %d messages taken back", reached, awarded, steps, m.regretted)
		}
		t.Logf("%d members, %d days, %d deeds, %d differences, %s", members, days, deeds, differences, time.Since(began).Round(time.Second))
	})
}

func newSimulation(t *testing.T, s *Server, clock *atomic.Pointer[time.Time], members int) *simulation {
	m := &simulation{t: t, s: s, clock: clock, now: simulatedFrom, zone: time.UTC, chance: rand.New(rand.NewPCG(1, 2))}
	m.c = newClub(t, s, "allow_dm")
	m.channel = m.c.channel(t)
	m.c.credits(t, gen.XPSetting{
		Message: gen.TimedXPRule{Enabled: true, XP: messageXP, Coins: messageCoins, Time: int32(messageEvery / time.Second)},
		Reply:   gen.TimedXPRule{Enabled: true, XP: replyXP}, React: gen.TimedXPRule{Enabled: true, XP: reactXP, Time: int32(reactEvery / time.Second)},
		Visit: gen.XPRule{Enabled: true, XP: visitXP},
	})
	for action, badge := range map[string][2]int{"messages": {talkerAt, talkerXP}, "visits": {regularAt, regularXP}} {
		do[gen.BadgeResponse](t, m.c.h, "POST", "/badges", m.c.owner, map[string]any{
			"title": action, "action": action, "quantity": badge[0], "serverId": m.c.id, "award": true, "awardXpQuantity": badge[1],
		})
	}
	for field, steps := range map[string][]gen.MilestoneStep{"xp": xpSteps, "messages": messageSteps} {
		do[gen.MilestoneResponse](t, m.c.h, "POST", "/apis/v1/milestones", m.c.owner, gen.MilestoneCreate{Name: field, Field: field, Steps: steps, ServerID: m.c.id})
	}
	for _, streak := range []map[string]any{
		{"name": "Talks", "timeframe": map[string]any{"value": "daily", "count": streakCount}, "reward": map[string]any{"xp": streakXP, "coins": 0},
			"action": map[string]any{"operator": "and", "conditions": []any{map[string]any{"action": "messages", "value": 1}}}},
		{"name": "Works", "timezone": "Asia/Kolkata", "timeframe": map[string]any{"value": "daily", "count": workCount}, "reward": map[string]any{"xp": workXP, "coins": 0},
			"activeDaysType": "custom", "activeDays": []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"},
			"action": map[string]any{"operator": "or", "conditions": []any{map[string]any{"action": "messages", "value": 2}, map[string]any{"action": "reactions", "value": 1}}}},
	} {
		streak["serverId"] = m.c.id
		do[gen.StreakResponse](t, m.c.h, "POST", "/apis/v1/streaks", m.c.owner, streak)
	}
	m.key = do[gen.APIKeyResponse](t, m.c.h, "POST", "/apis/v1/communities/"+m.c.id+"/api-keys", m.c.owner, map[string]any{
		"name": "life", "permissions": []string{"sendMessage", "replyMessage", "reactMessage", "getMessages", "getUserStats"},
	}).Data.Key
	send(m.c.h, patch("/servers/"+m.c.id+"/settings", m.c.owner, map[string]any{"joining": "open"}))
	for i := range members {
		r := &resident{
			tokenAt: m.now, token: tokenOf(t, s, fmt.Sprintf("resident%d@example.com", i)), credited: map[string]time.Time{}, days: map[string]*gen.DailyStats{},
			earned: map[string]*gen.DailyEarnings{}, visited: map[string]bool{}, reacted: map[string]bool{}, steps: map[string]bool{}, badges: map[string]bool{},
			talked: map[string]int{}, worked: map[string]int{},
		}
		do[gen.ServerResponse](t, m.c.h, "POST", "/servers/"+m.c.id+"/join", r.token, nil)
		r.number = do[gen.AccountResponse](t, m.c.h, "GET", "/auth/me", r.token, nil).Body.Number
		m.residents = append(m.residents, r)
	}
	return m
}

// live is a day. Who does something does it at a moment of their own.
func (m *simulation) live(day, days int) {
	if change := day * len(zoneChanges) / days; day == change*days/len(zoneChanges) {
		owner := tokenOf(m.t, m.s, "owner@example.com")
		send(m.c.h, patch("/servers/"+m.c.id+"/settings", owner, map[string]any{"timeZone": zoneChanges[change]}))
		zone, err := time.LoadLocation(zoneChanges[change])
		if err != nil {
			m.t.Fatal(err)
		}
		m.zone = zone
	}
	type plan struct {
		at time.Time
		do func()
	}
	var plans []plan
	start := simulatedFrom.AddDate(0, 0, day)
	for i, r := range m.residents {
		if m.chance.IntN(10) < 3+i%5 { // some are here more often than others
			continue
		}
		for range 1 + m.chance.IntN(3) {
			at := start.Add(time.Duration(m.chance.Int64N(int64(24 * time.Hour)))).Truncate(time.Microsecond)
			deeds := []func(*resident){m.visits, m.says, m.says, m.replies, m.reacts, m.reacts, m.regrets}
			plans = append(plans, plan{at, func() { deeds[m.chance.IntN(len(deeds))](r) }})
		}
	}
	slices.SortFunc(plans, func(a, b plan) int { return cmp.Compare(a.at.UnixMicro(), b.at.UnixMicro()) })
	for _, p := range plans {
		m.waits(p.at)
		p.do()
	}
}

func (m *simulation) visits(r *resident) {
	if m.now.Sub(r.tokenAt) > 20*24*time.Hour {
		r.token, r.tokenAt = tokenOf(m.t, m.s, fmt.Sprintf("resident%d@example.com", slices.Index(m.residents, r))), m.now
	}
	visit := do[gen.VisitResponse](m.t, m.c.h, "POST", "/servers/"+m.c.id+"/visit", r.token, nil).Body
	date := m.date()
	if visit.Counted == r.visited[date] || visit.Day.String() != date {
		m.t.Errorf("%s: a visit on %s is counted: %v", m.now, visit.Day, visit.Counted)
	}
	if r.visited[date] {
		return
	}
	r.visited[date] = true
	r.deeds++
	m.earns(r, visitXP, 0)
	run := 0
	for at := m.now.In(m.zone); r.visited[at.AddDate(0, 0, -run).Format(time.DateOnly)]; {
		run++
	}
	m.awards(r, "visits", run >= regularAt, regularXP)
	m.settles(r)
}

func (m *simulation) says(r *resident) {
	id := do[gen.MessageSentResponse](m.t, m.c.h, "POST", "/apis/v1/messages/send", m.key, map[string]any{"channelId": m.channel, "message": "Hello", "sender": r.number}).Data.MessageID
	m.said = append(m.said, id)
	r.messages++
	m.day(r).Messages++
	if m.cools(r, "messages", messageEvery) {
		m.earns(r, messageXP, messageCoins)
	}
	m.talks(r)
}

func (m *simulation) replies(r *resident) {
	if len(m.said) == 0 {
		return
	}
	to := m.said[m.chance.IntN(len(m.said))]
	do[gen.MessageSentResponse](m.t, m.c.h, "POST", "/apis/v1/messages/reply", m.key, map[string]any{"messageId": to, "message": "Hello", "sender": r.number})
	r.messages++
	r.replies++
	m.day(r).Messages++
	m.day(r).Replies++
	m.earns(r, replyXP, 0)
	m.talks(r)
}

// talks is what follows from a message, of whatever kind.
func (m *simulation) talks(r *resident) {
	r.deeds++
	m.streaks(r, true)
	m.awards(r, "messages", r.messages >= talkerAt, talkerXP)
	m.settles(r)
}

func (m *simulation) reacts(r *resident) {
	if len(m.said) == 0 {
		return
	}
	to := m.said[max(0, len(m.said)-1-m.chance.IntN(20))]
	emoji := []string{":ok:", ":tada:"}[m.chance.IntN(2)]
	do[gen.MessageDoneResponse](m.t, m.c.h, "POST", "/apis/v1/messages/react", m.key, map[string]any{"messageId": to, "emoji": emoji, "sender": r.number})
	if r.reacted[to] {
		return
	}
	r.reacted[to] = true
	r.reactions++
	r.deeds++
	m.day(r).Reaction++
	if m.cools(r, "reactions", reactEvery) {
		m.earns(r, reactXP, 0)
	}
	m.streaks(r, false)
	m.settles(r)
}

// regrets is a message that is deleted at once.
func (m *simulation) regrets(r *resident) {
	before, date := r.credited["messages"], m.date()
	m.says(r)
	m.waits(m.now.Add(time.Duration(m.chance.IntN(60)) * time.Second))
	last := m.said[len(m.said)-1]
	m.said = m.said[:len(m.said)-1]
	owner := tokenOf(m.t, m.s, "owner@example.com")
	do[gen.MessageDoneResponse](m.t, m.c.h, "DELETE", "/apis/v1/messages/"+last, owner, nil)
	if r.credited["messages"] != before {
		m.regretted++
		r.xp -= messageXP
		r.coins -= messageCoins
		r.earned[date].XP -= messageXP
		r.earned[date].Coins -= messageCoins
	}
}

// cools tells whether an action is credited, and notes it.
func (m *simulation) cools(r *resident, action string, every time.Duration) bool {
	if last, was := r.credited[action]; was && m.now.Sub(last) < every {
		return false
	}
	r.credited[action] = m.now
	return true
}

func (m *simulation) day(r *resident) *gen.DailyStats {
	date := m.date()
	if r.days[date] == nil {
		r.days[date] = &gen.DailyStats{Date: date}
	}
	return r.days[date]
}

func (m *simulation) earns(r *resident, xp, coins int64) {
	r.xp += xp
	r.coins += coins
	date := m.date()
	if r.earned[date] == nil {
		r.earned[date] = &gen.DailyEarnings{Date: date}
	}
	r.earned[date].XP += xp
	r.earned[date].Coins += coins
}

func (m *simulation) awards(r *resident, badge string, reached bool, xp int64) {
	if reached && !r.badges[badge] {
		r.badges[badge] = true
		m.earns(r, xp, 0)
	}
}

// settles credits milestones, as long as there are any to credit.
func (m *simulation) settles(r *resident) {
	for again := true; again; {
		again = false
		for name, steps := range map[string][]gen.MilestoneStep{"xp": xpSteps, "messages": messageSteps} {
			value := map[string]int64{"xp": r.xp, "messages": r.messages}[name]
			for _, step := range steps {
				if of := name + strconv.FormatInt(step.Value, 10); value >= step.Value && !r.steps[of] {
					r.steps[of], again = true, true
					m.earns(r, int64(step.XP), int64(step.Coins))
				}
			}
		}
	}
}

// streaks counts a message or a reaction on the dates of both streaks.
func (m *simulation) streaks(r *resident, message bool) {
	if message {
		today := m.now.UTC()
		if r.talked[today.Format(time.DateOnly)]++; r.talked[today.Format(time.DateOnly)] == 1 {
			run := 0
			for r.talked[today.AddDate(0, 0, -run).Format(time.DateOnly)] > 0 {
				run++
			}
			m.reaches(r, run, streakCount, streakXP)
		}
	}
	kolkata := m.now.In(time.FixedZone("", int((5*time.Hour+30*time.Minute)/time.Second)))
	if weekend(kolkata) {
		return
	}
	date := kolkata.Format(time.DateOnly)
	before := r.worked[date]
	if message {
		r.worked[date]++
	} else {
		r.worked[date] += 2
	}
	if before >= 2 || r.worked[date] < 2 {
		return
	}
	run := 0
	for at := kolkata; weekend(at) || r.worked[at.Format(time.DateOnly)] >= 2; at = at.AddDate(0, 0, -1) {
		if !weekend(at) {
			run++
		}
	}
	m.reaches(r, run, workCount, workXP)
}

func weekend(at time.Time) bool { return at.Weekday() == time.Saturday || at.Weekday() == time.Sunday }

func (m *simulation) reaches(r *resident, run, count int, xp int64) {
	if run%count == 0 {
		r.reached++
		m.earns(r, xp, 0)
	}
}

// compare asks the API for every number of a resident, and tells how many are not what they should be.
func (m *simulation) compare(r *resident, days int) (differences int) {
	is := func(what string, got, want any) {
		if got != want {
			differences++
			m.t.Errorf("%s of %s: got %v, want %v", what, r.number, got, want)
		}
	}
	balance := do[gen.BalanceResponse](m.t, m.c.h, "GET", "/servers/"+m.c.id+"/members/"+r.number+"/balance", tokenOf(m.t, m.s, "owner@example.com"), nil).Body
	is("the balance", balance, gen.Balance{XP: r.xp, Coins: r.coins})
	ask := map[string]any{"identifier": r.number, "identifier_type": "id", "days": min(days+2, 366)}
	stats := do[gen.UserStatsResponse](m.t, m.c.h, "POST", "/apis/v1/users/activity/stats", m.key, ask).Data
	for _, got := range stats.DailyStats {
		is("a day", got, cmp.Or(*cmp.Or(r.days[got.Date], &gen.DailyStats{}), gen.DailyStats{Date: got.Date}))
	}
	history := do[gen.UserHistoryResponse](m.t, m.c.h, "GET", fmt.Sprintf("/apis/v1/users/activity/daily?identifier=%s&identifier_type=id&days=%d", r.number, min(days+2, 366)), m.key, nil).Data
	for _, got := range history.DailyStats {
		is("what a day has brought", got, cmp.Or(*cmp.Or(r.earned[got.Date], &gen.DailyEarnings{}), gen.DailyEarnings{Date: got.Date}))
	}
	for _, milestone := range do[gen.UserMilestonesResponse](m.t, m.c.h, "POST", "/apis/v1/users/milestones", m.key, map[string]any{"identifier": r.number, "identifier_type": "id"}).Data {
		is("the value of a milestone", milestone.Value, map[string]float64{"xp": float64(r.xp), "messages": float64(r.messages)}[milestone.Field])
		for _, step := range milestone.Steps {
			is("a step of a milestone", step.Reached, r.steps[milestone.Field+strconv.FormatInt(step.Value, 10)])
		}
	}
	reached := 0
	for cursor := ""; ; {
		page := do[gen.StreakLogResponse](m.t, m.c.h, "POST", "/apis/v1/users/streaks/logs", m.key, withCursor(map[string]any{"identifier": r.number, "identifier_type": "id", "limit": 100}, cursor)).Data
		if reached += len(page.Logs); page.NextCursor == "" {
			break
		}
		cursor = page.NextCursor
	}
	is("how often a streak was reached", reached, r.reached)
	return differences
}

func withCursor(question map[string]any, cursor string) map[string]any {
	if cursor != "" {
		question["cursor"] = cursor
	}
	return question
}
