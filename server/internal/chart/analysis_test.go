package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// analysed is an analysis as somebody would post one.
func analysed() gen.Analysis {
	at := func(hour int) gen.Time { return gen.Time{Time: time.Date(2026, 1, 8, hour, 0, 0, 0, time.UTC)} }
	level := func(price float64) gen.AnalysisLevel {
		return gen.AnalysisLevel{Price: price, Time: gen.NullableOf(at(12))}
	}
	point := func(hour int, price float64) gen.AnalysisPoint {
		return gen.AnalysisPoint{Time: at(hour), Price: price}
	}
	a := gen.Analysis{Type: gen.AnalysisTypeBullishBounce, Metadata: gen.AnalysisMetadata{
		Title: "GBPUSD Bullish Bounce", Symbol: "GBP/USD", Timeframe: "H1", ExpiresAt: gen.NullableOf(at(23)),
	}}
	a.Levels = gen.AnalysisLevels{Pivot: level(1.345), Resistance: level(1.35), Support: level(1.341)}
	a.Drawings = []gen.AnalysisDrawing{
		{Type: gen.DrawingTypeRectangle, Points: []gen.AnalysisPoint{point(6, 1.34), point(12, 1.342)}, Style: gen.DrawingStyle{FillColor: "#00FF00", BorderColor: "#008800", LineWidth: 1}},
		{Type: gen.DrawingTypeLine, Points: []gen.AnalysisPoint{point(4, 1.3495), point(9, 1.3412)}, Style: gen.DrawingStyle{Color: "#000000", LineWidth: 2, LineStyle: gen.LineStyleSolid}},
		{Type: gen.DrawingTypeLine, Points: []gen.AnalysisPoint{point(9, 1.3412), point(12, 1.345)}, Style: gen.DrawingStyle{Color: "#FFFFFF", LineWidth: 3, LineStyle: gen.LineStyleDotted}},
		{Type: gen.DrawingTypeLine, Points: []gen.AnalysisPoint{point(12, 1.345), point(18, 1.35)}, EndHead: gen.LineHeadArrow, StartHead: gen.LineHeadArrow, Style: gen.DrawingStyle{Color: "#0000FF", LineWidth: 2, LineStyle: gen.LineStyleDashed}},
		{Type: gen.DrawingTypeHorizontalLine, Points: []gen.AnalysisPoint{point(12, 1.3475)}, Style: gen.DrawingStyle{Color: "#FF0000", LineWidth: 1}},
	}
	return a
}

func TestAPictureOfAnAnalysisIsWellFormedWhateverIsInIt(t *testing.T) {
	const most = 1_000_000_000_000
	hostile, extreme, alone, near := analysed(), analysed(), analysed(), analysed()
	hostile.Metadata.Title, hostile.Metadata.Symbol, hostile.Metadata.Timeframe = `<script>alert("x")</script> ]]>`, "\"'><&", "\x01\u202e"
	hostile.Drawings[0].Style.FillColor = `"/><script>`
	extreme.Levels.Support.Price, extreme.Levels.Resistance.Price = -most, most
	extreme.Drawings[1].Points[0].Time, extreme.Drawings[1].Points[1].Time = gen.Time{Time: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}, gen.Time{Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	alone.Drawings, alone.Levels.Pivot.Time, alone.Levels.Support.Time, alone.Levels.Resistance.Time = nil, gen.Null[gen.Time](), gen.Null[gen.Time](), gen.Null[gen.Time]()
	near.Levels.Support.Price, near.Levels.Pivot.Price, near.Levels.Resistance.Price = math.Nextafter(most, 0)-1, math.Nextafter(most, 0), most
	near.Drawings = near.Drawings[:0]
	for name, a := range map[string]gen.Analysis{"usual": analysed(), "hostile": hostile, "extreme": extreme, "alone": alone, "near": near, "none": {}} {
		var drawn bytes.Buffer
		if err := Analysis(&drawn, a); err != nil {
			t.Fatal(err)
		}
		if dir := os.Getenv("REJOIN_PICTURES"); dir != "" {
			if err := os.WriteFile(dir+"/analysis-"+name+".svg", drawn.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		decoder := xml.NewDecoder(&drawn)
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			element, is := token.(xml.StartElement)
			if is && strings.EqualFold(element.Name.Local, "script") {
				t.Errorf("%s: there is a script", name)
			}
			for _, attribute := range element.Attr {
				isInside(t, name, attribute)
			}
		}
	}
}

// isInside wants the numbers of a path or a place to be near the picture.
func isInside(t *testing.T, name string, a xml.Attr) {
	t.Helper()
	if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
		t.Errorf("%s: %s is %s", name, a.Name.Local, a.Value)
	}
	if a.Name.Local != "d" && a.Name.Local != "y" && a.Name.Local != "cx" && a.Name.Local != "cy" {
		return
	}
	for text := range strings.FieldsFuncSeq(a.Value, func(r rune) bool { return strings.ContainsRune("MLHhvz ", r) }) {
		if n, err := strconv.ParseFloat(text, 64); err != nil || n < -900 || n > 900 {
			t.Errorf("%s: %s is %s", name, a.Name.Local, a.Value)
		}
	}
}

func TestAPriceIsWrittenInOneWayAndATitleWhole(t *testing.T) {
	a := analysed()
	a.Metadata.Title = strings.Repeat("W", 99) + "!"
	var drawn strings.Builder
	if err := Analysis(&drawn, a); err != nil {
		t.Fatal(err)
	}
	text := drawn.String()
	if strings.Count(text, ">1.350<") != 2 || strings.Contains(text, ">1.35<") {
		t.Errorf("1.35 is not written in one way: %s", text)
	}
	if strings.Count(text, a.Metadata.Title) != 2 || !strings.Contains(text, `font-size="12" font-weight="600" clip-path="url(#heading)"`) {
		t.Errorf("the title is cut, or as large as a short one: %s", text)
	}
}
