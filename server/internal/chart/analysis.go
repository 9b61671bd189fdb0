package chart

import (
	_ "embed"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

//go:embed analysis.svg
var analysisText string

var analysisTemplate = template.Must(template.New("analysis").Funcs(template.FuncMap{"text": escaped}).Parse(analysisText))

// What the template shows.
type (
	picture struct {
		Name, About, Note string
		NameSize          string
		Prices            []tick
		Dates             []date
		Shapes            []shape
		Levels            []level
	}
	tick struct{ Y, Label string }
	// A shape is a rectangle, or a line with what its heads are filled of.
	shape struct {
		Path, Heads         string
		Color, Fill, Dashes string
		Wide, Halo          string
	}
	level struct {
		Class, Name, Price string
		Y, LabelY          string
		DotX               string // empty: no dot
	}
)

// Where the chart is in the picture, and how far what is drawn stays from its edges.
const (
	plotLeft, plotRight = 24.0, 756.0
	plotTop, plotFloor  = 84.0, 458.0
	plotMargin          = 24.0
	mostTicks           = 12
)

// A scale is how numbers become places.
type scale struct{ least, most, from, to float64 }

// scaleOf is a scale on which all of some numbers have a place. However far apart they are, no place is outside.
func scaleOf(all []float64, from, to, alone float64) scale {
	s := scale{-alone, alone, from, to}
	if len(all) > 0 {
		s.least, s.most = slices.Min(all), slices.Max(all)
		if s.most-s.least < 1e-9*max(1, math.Abs(s.most)) {
			s.least, s.most = s.least-alone, s.most+alone
		}
	}
	return s
}

func (s scale) at(n float64) float64 { return s.from + (s.to-s.from)*(n-s.least)/(s.most-s.least) }

// Analysis draws an analysis of a chart, 900 x 500.
func Analysis(w io.Writer, a gen.Analysis) error {
	m, l := a.Metadata, a.Levels
	v := picture{Name: straight(m.Title), NameSize: sizeOf(straight(m.Title))}
	v.About = fmt.Sprintf("%s, %s: support %s, pivot %s, resistance %s, and %d drawings.",
		m.Symbol, kindOf(a.Type), plain(l.Support.Price), plain(l.Pivot.Price), plain(l.Resistance.Price), len(a.Drawings))
	notes := []string{straight(m.Symbol), straight(m.Timeframe), kindOf(a.Type)}
	if until, is := m.ExpiresAt.Get(); is {
		notes = append(notes, "until "+until.UTC().Format("2 January 2006, 15:04")+" UTC")
	}
	v.Note = strings.Join(slices.DeleteFunc(notes, func(note string) bool { return note == "" }), " · ")
	prices, times := []float64{l.Support.Price, l.Pivot.Price, l.Resistance.Price}, []float64{}
	for _, level := range []gen.AnalysisLevel{l.Support, l.Pivot, l.Resistance} {
		if at, is := level.Time.Get(); is {
			times = append(times, seconds(at.Time))
		}
	}
	for _, d := range a.Drawings {
		for _, p := range d.Points {
			prices, times = append(prices, p.Price), append(times, seconds(p.Time.Time))
		}
	}
	y := scaleOf(prices, plotFloor-plotMargin, plotTop+plotMargin, 1)
	x := scaleOf(times, plotLeft+plotMargin, plotRight-plotMargin, 1800)
	digits := digitsOf(y, l)
	v.Prices = ticksOf(y, digits)
	if len(times) > 0 {
		v.Dates = datesOf(x)
	}
	for _, d := range a.Drawings {
		v.Shapes = append(v.Shapes, shapeOf(d, x, y))
	}
	v.Levels = drawnLevels(l, x, y, digits)
	return analysisTemplate.Execute(w, v)
}

// straight is a text without what turns the direction of those behind it.
func straight(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, text)
}

// seconds are those since 1970, of a moment of any year.
func seconds(at time.Time) float64 { return float64(at.Unix()) + float64(at.Nanosecond())/1e9 }

func kindOf(t gen.AnalysisType) string { return strings.ReplaceAll(string(t), "_", " ") }

// written is a price with so many digits behind the point, or in full if it has more.
func written(price float64, digits int) string {
	if _, behind, _ := strings.Cut(plain(price), "."); len(behind) > digits {
		return plain(price)
	}
	return strconv.FormatFloat(price, 'f', digits, 64)
}

// plain is a price in full.
func plain(price float64) string { return strconv.FormatFloat(price, 'f', -1, 64) }

// stepOf is how far even prices on a scale are from each other.
func stepOf(s scale) float64 {
	step := math.Pow(10, math.Floor(math.Log10((s.most-s.least)/4)))
	for _, times := range []float64{1, 2, 5, 10} {
		if (s.most-s.least)/(step*times) <= 6 {
			return step * times
		}
	}
	return step
}

// mostLevelDigits is how many digits the levels make all prices have behind the point.
const mostLevelDigits = 6

// digitsOf is how many digits all prices have behind the point, so that one is written in one way: those of even prices, and of the levels.
func digitsOf(s scale, l gen.AnalysisLevels) int {
	digits := int(min(max(0, -math.Floor(math.Log10(stepOf(s))+1e-9)), 12))
	for _, level := range []gen.AnalysisLevel{l.Support, l.Pivot, l.Resistance} {
		_, behind, _ := strings.Cut(plain(level.Price), ".")
		digits = max(digits, min(len(behind), mostLevelDigits))
	}
	return digits
}

// ticksOf are even prices on a scale, with so many digits behind the point.
func ticksOf(s scale, digits int) (all []tick) {
	step := stepOf(s)
	for first, i := math.Ceil(s.least/step), 0; i < mostTicks; i++ {
		price := (first + float64(i)) * step
		if !(price <= s.most) {
			break
		}
		all = append(all, tick{number(s.at(price)), strconv.FormatFloat(price, 'f', digits, 64)})
	}
	return all
}

// datesOf are the moments at which a scale begins and ends, and the one between them.
func datesOf(s scale) (all []date) {
	form := "2 Jan 2006 15:04"
	if s.most-s.least > 20*secondsOfDay {
		form = "2 Jan 2006"
	}
	for i, anchor := range []string{"start", "middle", "end"} {
		at := s.least + (s.most-s.least)*float64(i)/2
		all = append(all, date{number([]float64{plotLeft, s.at(at), plotRight}[i]), anchor, time.Unix(int64(at), 0).UTC().Format(form)})
	}
	return all
}

const secondsOfDay = 24 * 60 * 60

const (
	inkOfNone = "#7d8798" // of what says no color
	lineWidth = 2
)

func shapeOf(d gen.AnalysisDrawing, x, y scale) shape {
	at := func(i int) (float64, float64) {
		p := d.Points[min(i, len(d.Points)-1)]
		return x.at(seconds(p.Time.Time)), y.at(p.Price)
	}
	wide := float64(d.Style.LineWidth)
	if wide == 0 {
		wide = lineWidth
	}
	s := shape{Color: or(d.Style.Color, inkOfNone), Wide: number(wide), Halo: number(wide + 2.5), Dashes: dashes(d.Style.LineStyle, wide)}
	if len(d.Points) == 0 {
		return s
	}
	ax, ay := at(0)
	bx, by := at(1)
	switch d.Type {
	case gen.DrawingTypeRectangle:
		s.Color, s.Fill = or(d.Style.BorderColor, inkOfNone), or(d.Style.FillColor, inkOfNone)
		left, top := min(ax, bx), min(ay, by)
		s.Path = fmt.Sprintf("M%s %sh%sv%sh-%sz", number(left), number(top), number(max(ax, bx)-left), number(max(ay, by)-top), number(max(ax, bx)-left))
	case gen.DrawingTypeHorizontalLine:
		s.Path = fmt.Sprintf("M%s %sH%s", number(plotLeft), number(ay), number(plotRight))
	default:
		s.Path = fmt.Sprintf("M%s %sL%s %s", number(ax), number(ay), number(bx), number(by))
		if d.StartHead == gen.LineHeadArrow {
			s.Heads += head(bx, by, ax, ay, wide)
		}
		if d.EndHead == gen.LineHeadArrow {
			s.Heads += head(ax, ay, bx, by, wide)
		}
	}
	return s
}

func or(color, otherwise string) string {
	if color == "" {
		return otherwise
	}
	return color
}

func dashes(style gen.LineStyle, wide float64) string {
	switch style {
	case gen.LineStyleDashed:
		return number(4*wide) + " " + number(3*wide)
	case gen.LineStyleDotted:
		return "0.1 " + number(2*wide)
	}
	return "none"
}

// head is that of a line which comes from the one place to the other.
func head(ax, ay, bx, by, wide float64) string {
	long := 8 + 2*wide
	angle := math.Atan2(by-ay, bx-ax)
	corner := func(turn float64) string {
		return number(bx-long*math.Cos(angle+turn)) + " " + number(by-long*math.Sin(angle+turn))
	}
	return fmt.Sprintf("M%s %sL%sL%sz", number(bx+wide*math.Cos(angle)), number(by+wide*math.Sin(angle)), corner(0.42), corner(-0.42))
}

// lineOfLabel is how far the labels of two levels are from each other at least.
const lineOfLabel = 30.0

// drawnLevels are the levels, the highest first. Where they are close together, their labels make room for each other.
func drawnLevels(l gen.AnalysisLevels, x, y scale, digits int) []level {
	all := []level{{Class: "up", Name: "Resistance"}, {Class: "mid", Name: "Pivot"}, {Class: "down", Name: "Support"}}
	of := []gen.AnalysisLevel{l.Resistance, l.Pivot, l.Support}
	middle := y.at(l.Pivot.Price)
	for i := range all {
		at := y.at(of[i].Price)
		label := at
		switch i {
		case 0:
			label = min(at, middle-lineOfLabel)
		case 2:
			label = max(at, middle+lineOfLabel)
		}
		all[i].Price, all[i].Y, all[i].LabelY = cut(written(of[i].Price, digits), 15), number(at), number(label)
		if when, is := of[i].Time.Get(); is {
			all[i].DotX = number(x.at(seconds(when.Time)))
		}
	}
	return all
}
