package widget

import (
	"fmt"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Chart draws up to two series over the same days. Its drawing is stretched to the room there is, so that texts stand beside it.
type Chart struct {
	Title         string
	About         string // what a picture says, for who does not see it
	First, Second Series
	Lines         []Tick
	Dates         []string
	Rows          []ChartRow
}

// A Series is one line of a chart.
type Series struct {
	Name       string
	Total      int64
	Line, Area string // paths in a picture of 1000 x 200
}

// A Tick is a number at the side of a chart, with the place of its line.
type Tick struct {
	Label string
	Y     float64
}

// A ChartRow has the numbers of one part of the time.
type ChartRow struct {
	Label         string
	First, Second int64
}

const (
	chartWidth, chartHeight = 1000.0, 200.0
	chartRoom               = 6.0 // above the highest line, so that it is seen whole
)

// Charts are those of the overview.
func (v *OverviewView) Charts() []Chart {
	members := v.chart("Members", "active", "new", func(p gen.OverviewPart) (int64, int64) { return p.Active, p.New })
	members.First.Total = v.Overview.Members.Active // who was active on several days is one member
	return []Chart{
		members,
		v.chart("Messages", "messages", "replies", func(p gen.OverviewPart) (int64, int64) { return p.Messages, p.Replies }),
		v.chart("XP", "issued", "spent", func(p gen.OverviewPart) (int64, int64) { return p.XPIssued, p.XPSpent }),
		v.chart("Coins", "issued", "spent", func(p gen.OverviewPart) (int64, int64) { return p.CoinsIssued, p.CoinsSpent }),
	}
}

func (v *OverviewView) chart(title, first, second string, of func(gen.OverviewPart) (a, b int64)) Chart {
	c := Chart{Title: title, First: Series{Name: first}, Second: Series{Name: second}}
	parts, most := v.Overview.Series, int64(0)
	for _, part := range parts {
		a, b := of(part)
		most = max(most, a, b)
		c.First.Total, c.Second.Total = c.First.Total+a, c.Second.Total+b
		c.Rows = append(c.Rows, ChartRow{v.label(part), a, b})
	}
	top := ceiling(most)
	for _, value := range []int64{top, top / 2, 0} {
		c.Lines = append(c.Lines, Tick{short(value), place(value, top)})
	}
	c.First.Line, c.First.Area = paths(c.Rows, top, func(row ChartRow) int64 { return row.First })
	c.Second.Line, c.Second.Area = paths(c.Rows, top, func(row ChartRow) int64 { return row.Second })
	if n := len(c.Rows); n > 2 {
		c.Dates = []string{c.Rows[0].Label, c.Rows[n/2].Label, c.Rows[n-1].Label}
	} else {
		for _, row := range c.Rows {
			c.Dates = append(c.Dates, row.Label)
		}
	}
	c.About = fmt.Sprintf("%s by %s: at most %s %s and %s in one.", title, v.Overview.Interval, number(most), first, second)
	return c
}

// label is when a part begins, in the words of the interval.
func (v *OverviewView) label(part gen.OverviewPart) string {
	if v.Overview.Interval == gen.OverviewIntervalMonth {
		return day(part.From).Format("Jan 2006")
	}
	return day(part.From).Format("2 Jan")
}

func place(value, top int64) float64 {
	return chartHeight - (chartHeight-chartRoom)*float64(value)/float64(top)
}

func paths(rows []ChartRow, top int64, of func(ChartRow) int64) (line, area string) {
	if len(rows) == 0 {
		return "", ""
	}
	var path strings.Builder
	step := chartWidth / float64(max(1, len(rows)-1))
	for i, row := range rows {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], float64(i)*step, place(of(row), top))
	}
	if len(rows) == 1 {
		fmt.Fprintf(&path, "H%.0f", chartWidth)
	}
	line = path.String()
	return line, fmt.Sprintf("%sV%.0fH0Z", line, chartHeight)
}

// ceiling is the number with one digit that is not 0 and is even, or 10 of such, that is not less.
func ceiling(most int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, digit := range []int64{2, 4, 6, 8, 10} {
			if digit*unit >= most {
				return digit * unit
			}
		}
	}
}
