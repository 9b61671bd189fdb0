// Package chart draws what people look at before they read: as SVG, without scripts, with colors for dark and light.
package chart

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

//go:embed overview.svg
var overviewText string

var overviewTemplate = template.Must(template.New("overview").Funcs(template.FuncMap{
	"text": escaped,
	"add":  func(a, b float64) string { return number(a + b) },
	"sub":  func(a, b float64) string { return number(a - b) },
}).Parse(overviewText))

// escaped is a text as it may stand in XML. What may not at all becomes a replacement character.
func escaped(text string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(text))
	return b.String(), err
}

// What the template shows.
type (
	overview struct {
		Name, About, Range string
		NameSize           string
		Tiles              []tile
		Charts             []chart
		Lists              []ranking
	}
	tile struct {
		X                  float64
		Label, Value, Note string
	}
	chart struct {
		Y             float64
		Title         string
		First, Second bars
		Lines         []line
		Dates         []date
	}
	bars struct {
		Name string
		End  float64 // of its sign, where the name begins
		Path string
	}
	line struct {
		Y     float64
		Label string
	}
	date struct{ X, Anchor, Label string }
	// A ranking is a list with a bar for each row.
	ranking struct {
		Y           float64
		Title, Note string
		Rows        []row
	}
	row struct {
		X, Y                   float64
		Bar, Rank, Name, Value string
	}
)

// Overview draws that of a community, 900 x 500.
func Overview(w io.Writer, name string, o gen.LoyaltyOverview) error {
	first, last := day(o.From), day(o.To)
	v := overview{Name: name, NameSize: sizeOf(name)}
	v.Range = fmt.Sprintf("%s to %s, by %s, %s", first.Format("2 January 2006"), last.Format("2 January 2006"), o.Interval, o.TimeZone)
	v.About = fmt.Sprintf("From %s to %s: %d members, %d of them new; %d active, of whom %d were so before; %d messages; %d XP and %d coins issued.",
		o.From, o.To, o.Members.Total, o.Members.New, o.Members.Active, o.Members.Returning, o.Activity.Messages, o.XP.Issued, o.Coins.Issued)
	xp, coins := Short(o.XP.Spent)+" spent", Short(o.Coins.Spent)+" spent"
	if s := o.Snapshot; s != nil {
		xp += ", " + Short(s.XPOutstanding) + " held"
		coins += ", " + Short(s.CoinsOutstanding) + " held"
	}
	for i, t := range []tile{
		{Label: "Members", Value: Short(o.Members.Total), Note: Short(o.Members.New) + " new"},
		{Label: "Active", Value: Short(o.Members.Active), Note: Short(o.Members.Returning) + " returning"},
		{Label: "Messages", Value: Short(o.Activity.Messages), Note: Short(o.Activity.Replies) + " replies"},
		{Label: "XP issued", Value: Short(o.XP.Issued), Note: xp},
		{Label: "Coins issued", Value: Short(o.Coins.Issued), Note: coins},
	} {
		t.X = 24 + float64(i)*172.75
		v.Tiles = append(v.Tiles, t)
	}
	v.Charts = []chart{
		chartOf(o, 170, "Members", "active", "new", func(p gen.OverviewPart) (int64, int64) { return p.Active, p.New }),
		chartOf(o, 336, "Messages, and "+Short(o.Activity.Reactions)+" reactions", "messages", "replies", func(p gen.OverviewPart) (int64, int64) { return p.Messages, p.Replies }),
	}
	v.Lists = []ranking{highestOf(o), sharesOf(o)}
	return overviewTemplate.Execute(w, v)
}

func day(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Where the bars of a chart are.
const (
	chartLeft, chartRight = 40.0, 560.0
	chartTop, chartFloor  = 14.0, 126.0

	wideLetter = 6.4 // of the letters in a legend
)

func chartOf(o gen.LoyaltyOverview, y float64, title, first, second string, of func(gen.OverviewPart) (a, b int64)) chart {
	c := chart{Y: y, Title: title, First: bars{Name: first}, Second: bars{Name: second}}
	c.Second.End = chartRight - wideLetter*float64(len(second))
	c.First.End = c.Second.End - 26 - wideLetter*float64(len(first))
	most := int64(0)
	for _, p := range o.Series {
		a, b := of(p)
		most = max(most, a, b)
	}
	top := ceiling(most)
	for _, value := range []int64{0, top / 2, top} {
		c.Lines = append(c.Lines, line{chartFloor - height(value, top), Short(value)})
	}
	var one, two strings.Builder
	step := (chartRight - chartLeft) / float64(max(1, len(o.Series)))
	wide := min(step*0.78, 48)
	if step < 4 { // there is no room between them
		wide = step
	}
	for i, p := range o.Series {
		middle := chartLeft + step*(float64(i)+0.5)
		a, b := of(p)
		bar(&one, middle-wide/4, wide/2, height(a, top)) // beside each other: none covers the other
		bar(&two, middle+wide/4, wide/2, height(b, top))
	}
	c.First.Path, c.Second.Path = one.String(), two.String()
	at := func(i int, x float64, anchor string) {
		c.Dates = append(c.Dates, date{number(x), anchor, day(o.Series[i].From).Format("2 Jan 2006")})
	}
	if n := len(o.Series); n > 0 {
		at(0, chartLeft, "start")
		if n > 4 {
			at(n/2, chartLeft+step*(float64(n/2)+0.5), "middle")
		}
		if n > 1 {
			at(n-1, chartRight, "end")
		}
	}
	return c
}

// height is that of a bar. What is not nothing can be seen.
func height(value, top int64) float64 {
	if value <= 0 {
		return 0
	}
	return max(1, (chartFloor-chartTop)*float64(value)/float64(top))
}

func bar(path *strings.Builder, middle, wide, high float64) {
	if high > 0 {
		fmt.Fprintf(path, "M%s %sh%sv%sh-%sz", number(middle-wide/2), number(chartFloor), number(wide), number(-high), number(wide))
	}
}

// ceiling is the even number with one digit that is not 0, or 10 of such, that is not less.
func ceiling(most int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, digit := range []int64{2, 4, 6, 8, 10} {
			if digit*unit >= most {
				return digit * unit
			}
		}
	}
}

const listWidth = 264.0

func highestOf(o gen.LoyaltyOverview) ranking {
	r := ranking{Y: 170, Title: "Most XP"}
	most := int64(1)
	for _, m := range o.Highest {
		most = max(most, m.XP)
	}
	for i, m := range o.Highest {
		r.Rows = append(r.Rows, row{
			X: 26, Y: 18 + float64(i)*15, Bar: width(m.XP, most), Rank: fmt.Sprint(m.Rank), Name: cut(m.DisplayName, 24), Value: Short(m.XP),
		})
	}
	return r
}

// mostShares is how many tiers or roles there is room for.
const mostShares = 6

// sharesOf is how the members are spread over tiers, or over roles where there are no tiers.
func sharesOf(o gen.LoyaltyOverview) ranking {
	r := ranking{Y: 358, Title: "Members by tier"}
	if o.Snapshot == nil {
		r.Note = "They are being counted."
		return r
	}
	type share struct {
		name    string
		members int64
	}
	var all []share
	for _, t := range o.Snapshot.Tiers {
		name, is := t.Name.Get()
		if !is {
			name = "none yet"
		}
		all = append(all, share{name, t.Members})
	}
	if len(all) == 0 {
		r.Title = "Members by role"
		for _, role := range o.Snapshot.Roles {
			all = append(all, share{role.Title, role.Members})
		}
	}
	if more := len(all) - mostShares; more > 0 {
		r.Title += fmt.Sprintf(" (%d more)", more)
		all = all[:mostShares]
	}
	most := int64(1)
	for _, s := range all {
		most = max(most, s.members)
	}
	for i, s := range all {
		r.Rows = append(r.Rows, row{X: 6, Y: 20 + float64(i)*18, Bar: width(s.members, most), Name: cut(s.name, 28), Value: Short(s.members)})
	}
	return r
}

func width(value, most int64) string {
	if value <= 0 {
		return ""
	}
	return number(max(2, listWidth*float64(value)/float64(most)))
}

func number(n float64) string {
	text := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", n), "0"), ".")
	if text == "-0" {
		return "0"
	}
	return text
}

// Short is a number in a few characters: 950, 12.3k, 4M.
func Short(n int64) string {
	if n < 0 {
		return "-" + Short(-n)
	}
	if n < 10_000 {
		return fmt.Sprint(n)
	}
	units := []string{"k", "M", "G", "T", "P"}
	tenths := n / 100 // of the unit
	for _, unit := range units {
		switch {
		case tenths < 1000:
			return strings.TrimSuffix(fmt.Sprintf("%d.%d", tenths/10, tenths%10), ".0") + unit
		case tenths < 10_000:
			return fmt.Sprint(tenths/10) + unit
		}
		tenths /= 1000
	}
	return fmt.Sprint(tenths/10*1000) + units[len(units)-1]
}

// cut is as much of a text as there is room for. A letter of East Asia, or an emoji, takes as much as two others.
func cut(text string, room int) string {
	for i, r := range text {
		if room -= wideOf(r); room < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// wideOf is for how many letters a character takes room.
func wideOf(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}

// sizeOf is that of the letters of a heading, all of which has room in one line.
func sizeOf(heading string) string {
	const usual, room = 20, 60 // letters of the usual size
	wide := 0
	for _, r := range heading {
		wide += wideOf(r)
	}
	return number(usual * min(1, room/float64(max(1, wide))))
}
