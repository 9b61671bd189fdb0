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
	"join": strings.Join,
}).Parse(pageText))
