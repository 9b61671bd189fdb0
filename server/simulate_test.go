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
	deeds, regretted             int
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
		for i := 0; i < len(m.residents); i += max(1, len(m.residents)/20) {
			differences += m.compareLog(m.residents[i])
		}
		differences += m.compareDays(days) + m.compareOverview(days) + m.compareRanks()
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
			deeds := []func(*resident){m.visits, m.says, m.says, m.replies, m.reacts, m.reacts, m.bursts, m.regrets}
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
	m.reactsTo(r, to, []string{":ok:", ":tada:"}[m.chance.IntN(2)])
}

// bursts are reactions within seconds, with two emojis on each message: the second one is no deed, and starts no cooldown.
func (m *simulation) bursts(r *resident) {
	for range 3 {
		if len(m.said) == 0 {
			return
		}
		to := m.said[max(0, len(m.said)-1-m.chance.IntN(20))]
		for _, emoji := range []string{":ok:", ":tada:"} {
			m.reactsTo(r, to, emoji)
			m.waits(m.now.Add(time.Duration(m.chance.Int64N(int64(40 * time.Second)))).Truncate(time.Microsecond))
		}
	}
}

func (m *simulation) reactsTo(r *resident, to, emoji string) {
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
		r.regretted++
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

// is tells of a difference, and counts it.
func (m *simulation) is(what string, got, want any) (differences int) {
	if got != want {
		m.t.Errorf("%s: got %v, want %v", what, got, want)
		return 1
	}
	return 0
}

// compareLog reads all that the ledger has of a resident.
func (m *simulation) compareLog(r *resident) (differences int) {
	lines, sum := map[gen.Action]int64{}, gen.Balance{}
	for cursor := ""; ; {
		page := do[gen.ActivityLogResponse](m.t, m.c.h, "POST", "/apis/v1/users/activity/logs", m.key, withCursor(map[string]any{"identifier": r.number, "identifier_type": "id", "limit": 100}, cursor)).Data
		for _, line := range page.Logs {
			lines[line.Action]++
			sum.XP += line.XP
			sum.Coins += line.Coins
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	differences += m.is("what all lines of "+r.number+" are worth", sum, gen.Balance{XP: r.xp, Coins: r.coins})
	for action, want := range map[gen.Action]int64{
		gen.ActionMessages: r.messages - r.replies, gen.ActionReplies: r.replies, gen.ActionReactions: r.reactions, gen.ActionVisits: int64(len(r.visited)),
		gen.ActionBadges: int64(len(r.badges)), gen.ActionMilestones: int64(len(r.steps)), gen.ActionStreaks: int64(r.reached), gen.ActionDeleted: int64(r.regretted),
	} {
		differences += m.is("lines of "+r.number+" for "+string(action), lines[action], want)
		delete(lines, action)
	}
	return differences + m.is("other lines of "+r.number, len(lines), 0)
}

// dates are all on which anything may have been done.
func (m *simulation) dates(days int) (dates []time.Time) {
	for day := -1; day <= days+1; day++ {
		dates = append(dates, simulatedFrom.AddDate(0, 0, day))
	}
	return dates
}

// compareDays asks what everybody got on each day there was.
func (m *simulation) compareDays(days int) (differences int) {
	const atOnce = 200
	for _, date := range m.dates(days) {
		for some := range slices.Chunk(m.residents, atOnce) {
			numbers := make([]string, len(some))
			for i, r := range some {
				numbers[i] = r.number
			}
			got := do[gen.DailyHistoryResponse](m.t, m.c.h, "POST", "/apis/v1/users/activity/daily", m.key, map[string]any{
				"identifier": numbers, "identifier_type": "id", "date": date.Format("02/01/2006"), "limit": atOnce,
			}).Data.Results
			if differences += m.is("how many got something told", len(got), len(some)); len(got) != len(some) {
				continue
			}
			for i, r := range some {
				want := cmp.Or(r.earned[date.Format(time.DateOnly)], &gen.DailyEarnings{})
				differences += m.is("what "+r.number+" got on "+date.Format(time.DateOnly), gen.Balance{XP: got[i].XP, Coins: got[i].Coins}, gen.Balance{XP: want.XP, Coins: want.Coins})
			}
		}
	}
	return differences
}

// compareOverview asks for each day of the community, and adds up those of its members.
func (m *simulation) compareOverview(days int) (differences int) {
	owner := tokenOf(m.t, m.s, "owner@example.com")
	for some := range slices.Chunk(m.dates(days), 366) {
		from, to := some[0].Format(time.DateOnly), some[len(some)-1].Format(time.DateOnly)
		got := do[gen.LoyaltyOverviewResponse](m.t, m.c.h, "GET", "/apis/v1/communities/"+m.c.id+"/analytics/loyalty-overview?from="+from+"&to="+to, owner, nil).Data
		var activity gen.OverviewActivity
		var issued gen.Balance
		for _, part := range got.Series {
			var messages, replies, reactions, xp, coins int64
			for _, r := range m.residents {
				did, earned := cmp.Or(r.days[part.From], &gen.DailyStats{}), cmp.Or(r.earned[part.From], &gen.DailyEarnings{})
				messages, replies, reactions = messages+did.Messages, replies+did.Replies, reactions+did.Reaction
				xp, coins = xp+earned.XP, coins+earned.Coins
			}
			differences += m.is("what was done on "+part.From, [5]int64{part.Messages, part.Replies, part.Reactions, part.XPIssued, part.CoinsIssued},
				[5]int64{messages, replies, reactions, xp, coins})
			activity.Messages, activity.Replies, activity.Reactions = activity.Messages+part.Messages, activity.Replies+part.Replies, activity.Reactions+part.Reactions
			issued.XP, issued.Coins = issued.XP+xp, issued.Coins+coins
		}
		differences += m.is("what was done from "+from+" to "+to, got.Activity, activity)
		differences += m.is("what was issued from "+from+" to "+to, gen.Balance{XP: got.XP.Issued, Coins: got.Coins.Issued}, issued)
		differences += m.is("what was spent from "+from+" to "+to, got.XP.Spent+got.Coins.Spent, int64(0))
	}
	return differences
}

// compareRanks reads the leaderboard by XP to its end.
func (m *simulation) compareRanks() (differences int) {
	owner, ranked := tokenOf(m.t, m.s, "owner@example.com"), map[string]gen.LeaderboardEntry{}
	board := do[gen.LeaderboardResponse](m.t, m.c.h, "POST", "/apis/v1/leaderboards", owner, map[string]any{"name": "Most XP", "slug": "most-xp", "rankingField": "xps", "serverId": m.c.id}).Data.ID
	for page := 1; ; page++ {
		entries := do[gen.LeaderboardEntryListResponse](m.t, m.c.h, "GET", fmt.Sprintf("/apis/v1/leaderboards/%s/entries?limit=100&page=%d", board, page), owner, nil).Data
		for _, entry := range entries {
			ranked[fmt.Sprint(entry.User.Number)] = entry
		}
		if len(entries) < 100 {
			break
		}
	}
	for _, r := range m.residents {
		rank := int32(1)
		for _, other := range m.residents {
			if other.xp > r.xp {
				rank++
			}
		}
		got, _ := ranked[r.number].Rank.Get()
		differences += m.is("the rank of "+r.number, got, rank) + m.is("what "+r.number+" is ranked by", ranked[r.number].Value, float64(r.xp))
	}
	return differences
}

func withCursor(question map[string]any, cursor string) map[string]any {
	if cursor != "" {
		question["cursor"] = cursor
	}
	return question
}
