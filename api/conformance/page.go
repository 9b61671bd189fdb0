package conformance

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(part, all int) string { return fmt.Sprintf("%.1f", 100*float64(part)/float64(max(all, 1))) },
	"ms":      func(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) },
	"short":   func(digest string) string { return digest[:min(len(digest), 12)] },
	"of": func(results []Result, outcome string) []Result {
		var some []Result
		for _, r := range results {
			if string(r.Outcome) == outcome {
				some = append(some, r)
			}
		}
		return some
	},
	"tags": tally,
	"join": strings.Join,
}).Parse(pageText))

// tagFigures is the row of one tag.
type tagFigures struct {
	Tag     string
	Figures Figures
	Results []Result
}

func tally(results []Result) []tagFigures {
	var rows []tagFigures
	for _, r := range results {
		if len(rows) == 0 || rows[len(rows)-1].Tag != r.Section {
			rows = append(rows, tagFigures{Tag: r.Section})
		}
		row := &rows[len(rows)-1]
		row.Results = append(row.Results, r)
		row.Figures.add(r)
	}
	return rows
}
