package widget

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// With is the address of the page with something in its query, from pairs of a name and a value. A theme that was asked for stays.
func (p Page) With(pairs ...string) string {
	query := url.Values{}
	if p.Color != "" {
		query.Set("color", p.Color)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	if len(query) == 0 {
		return p.Address
	}
	return p.Address + "?" + query.Encode()
}

// Is tells whether somebody is who is looking.
func (p Page) Is(number string) bool { return p.Me != nil && p.Me.Number == number }

// ChannelView is a page of a channel.
type ChannelView struct {
	ID       string
	Topic    string
	Messages []gen.Message          // the newest first
	Quoted   map[string]gen.Message // what they reply to, as far as it is known, by its id
	Older    string                 // the cursor of the page before; empty: there is none
	Later    bool                   // there are newer ones than these
	CanWrite bool
}

type (
	// A Day is what was written on one.
	Day struct {
		Label, Date string
		Runs        []Run
	}
	// A Run is what one author has written without a pause.
	Run struct {
		Author   gen.MessageAuthor
		Mine     bool
		Messages []Shown
	}
	// Shown is a message with what it replies to.
	Shown struct {
		Of    gen.Message
		Quote *gen.Message
	}
)

const pause = 5 * time.Minute // after which the author is named again

// Days are the messages of the channel, the oldest first.
func (p Page) Days() (days []Day) {
	var last gen.Message
	for i := len(p.Channel.Messages) - 1; i >= 0; i-- {
		m := p.Channel.Messages[i]
		date := m.Timestamp.In(p.Zone).Format(time.DateOnly)
		newDay := len(days) == 0 || days[len(days)-1].Date != date
		if newDay {
			days = append(days, Day{Label: p.Day(m.Timestamp), Date: date})
		}
		day := &days[len(days)-1]
		reply, isReply := m.ReplyTo.Get()
		if newDay || isReply || last.User.ID != m.User.ID || m.Timestamp.Sub(last.Timestamp.Time) > pause {
			day.Runs = append(day.Runs, Run{Author: m.User, Mine: p.Is(strconv.FormatInt(m.User.UserID, 10))})
		}
		shown := Shown{Of: m}
		if quote, known := p.Channel.Quoted[reply]; isReply && known {
			shown.Quote = &quote
		}
		run := &day.Runs[len(day.Runs)-1]
		run.Messages, last = append(run.Messages, shown), m
	}
	return days
}

// Palette are the emojis that are offered for reacting.
func (p Page) Palette() []string { return []string{"👍", "❤️", "😂", "🎉", "🔥", "👀"} }

// LeaderboardView is a page of a leaderboard.
type LeaderboardView struct {
	Board      gen.Leaderboard
	Entries    []gen.LeaderboardEntry
	Mine       *gen.LeaderboardEntry // of who is looking, if they are ranked
	Filter     gen.LeaderboardFilter
	ComputedAt gen.Nullable[gen.Time]
	Page       int // from 1
	More       bool
}

// Podium are the first three, on the first page.
func (v *LeaderboardView) Podium() []gen.LeaderboardEntry {
	if v.Page > 1 || len(v.Entries) < 3 {
		return nil
	}
	return v.Entries[:3]
}

// Rest are those without a place on the podium.
func (v *LeaderboardView) Rest() []gen.LeaderboardEntry { return v.Entries[len(v.Podium()):] }

// Shows tells whether one's own entry is among these.
func (v *LeaderboardView) Shows() bool {
	for _, entry := range v.Entries {
		if v.Mine != nil && entry.User.ID == v.Mine.User.ID {
			return true
		}
	}
	return false
}

// IsMine tells whether an entry is that of who is looking.
func (v *LeaderboardView) IsMine(entry gen.LeaderboardEntry) bool {
	return v.Mine != nil && v.Mine.User.ID == entry.User.ID
}

// Unit is what is counted.
func (v *LeaderboardView) Unit() string {
	switch v.Board.RankBy {
	case "xps":
		return "XP"
	case "currencies":
		return "Coins"
	case "messages", "replies", "reactions", "referrals":
		return sentence(v.Board.RankBy)
	}
	return "Score"
}

// Columns are those beside the one by which it ranks.
func (v *LeaderboardView) Columns() (columns []string) {
	order := v.Board.DisplayFieldsOrder
	if len(order) == 0 {
		order = v.Board.DisplayedFields
	}
	for _, column := range order {
		if column != v.Board.RankBy && column != "user" && column != "rank" && len(columns) < 3 && v.has(column) {
			columns = append(columns, column)
		}
	}
	return columns
}

func (v *LeaderboardView) has(column string) bool {
	for _, entry := range v.Entries {
		if _, is := entry.Columns[column]; is {
			return true
		}
	}
	return false
}

// Cell is a value of a column.
func (v *LeaderboardView) Cell(entry gen.LeaderboardEntry, column string) any {
	switch value := entry.Columns[column].(type) {
	case nil:
		return "–"
	case float64:
		return figure(value)
	default:
		return value
	}
}

// Previous is the number of the page before this one.
func (v *LeaderboardView) Previous() int { return v.Page - 1 }

// Next is the number of the page after this one.
func (v *LeaderboardView) Next() int { return max(1, v.Page) + 1 }

// FilterName is a time in words.
func (p Page) FilterName(filter gen.LeaderboardFilter) string {
	switch filter {
	case gen.LeaderboardFilterDaily:
		return "Today"
	case gen.LeaderboardFilterWeekly:
		return "This week"
	case gen.LeaderboardFilterMonthly:
		return "This month"
	case gen.LeaderboardFilterYearly:
		return "This year"
	}
	return "All time"
}

// MilestonesView is how far a member has come.
type MilestonesView struct {
	Milestones []gen.UserMilestone
	Plans      map[string]gen.Milestone // what their steps are worth, by their ids, as far as it is known
}

// A Step is one of a milestone.
type Step struct {
	gen.UserMilestoneStep
	XP, Coins int32
	Next      bool
}

// Steps are those of a milestone, with what they are worth.
func (v *MilestonesView) Steps(m gen.UserMilestone) (steps []Step) {
	next := true
	for i, step := range m.Steps {
		shown := Step{UserMilestoneStep: step}
		if plan := v.Plans[m.ID]; i < len(plan.Steps) && plan.Steps[i].Value == step.Value {
			shown.XP, shown.Coins = plan.Steps[i].XP, plan.Steps[i].Coins
		}
		if shown.Next = next && !step.Reached; shown.Next {
			next = false
		}
		steps = append(steps, shown)
	}
	return steps
}

// Reached is how many of them are.
func (v *MilestonesView) Reached(m gen.UserMilestone) (n int) {
	for _, step := range m.Steps {
		if step.Reached {
			n++
		}
	}
	return n
}

// Goal is the step that comes next; all are reached: the last one.
func (v *MilestonesView) Goal(m gen.UserMilestone) (goal int64) {
	for _, step := range m.Steps {
		if goal = step.Value; !step.Reached {
			break
		}
	}
	return goal
}

// What is what a milestone counts, of so many.
func (v *MilestonesView) What(m gen.UserMilestone, n int64) string {
	switch {
	case m.Field == "xp":
		return "XP"
	case len(m.Field) == 24:
		return "points"
	case n == 1:
		return strings.TrimSuffix(m.Field, "s")
	}
	return m.Field
}

// SocialsView are the links of a community.
type SocialsView struct {
	Links []gen.Social
	Done  map[string]bool // by their ids
}

// Host is where a link leads.
func (v *SocialsView) Host(link gen.Social) string {
	parsed, err := url.Parse(link.URL)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(parsed.Host, "www.")
}

// Phrase says what there is to do.
func (v *SocialsView) Phrase(link gen.Social) string {
	on := sentence(link.Platform)
	switch strings.ToLower(link.Platform) {
	case "youtube":
		on = "YouTube"
	case "tiktok":
		on = "TikTok"
	case "linkedin":
		on = "LinkedIn"
	case "github":
		on = "GitHub"
	}
	return sentence(link.Action) + " on " + on
}

// Icon is that of what there is to do.
func (v *SocialsView) Icon(link gen.Social) string {
	switch link.Action {
	case gen.SocialActionLike:
		return "heart"
	case gen.SocialActionComment:
		return "chat"
	case gen.SocialActionShare:
		return "share"
	}
	return "plus"
}

// Open is how many are not done.
func (v *SocialsView) Open() (n int) {
	for _, link := range v.Links {
		if !v.Done[link.ID] {
			n++
		}
	}
	return n
}
