package conformance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:generate go test . -run ^TestDocumentIsCurrent$ -update

// document is CONFORMANCE.md: every requirement with its id, for people.
func document() string {
	var b strings.Builder
	count := map[string]int{}
	all := Requirements()
	negatives := map[string][]Requirement{}
	for _, r := range all {
		count[r.Section]++
		if strings.HasPrefix(r.ID, "NEGATIVE-") {
			negatives[r.Operations[0]] = append(negatives[r.Operations[0]], r)
		}
	}
	fmt.Fprintf(&b, documentHead, len(all))
	for _, section := range sections {
		fmt.Fprintf(&b, "\n## %s (%d)\n\n| id | level | source | operations | requirement |\n|---|---|---|---|---|\n", section.tag, count[section.tag])
		for _, r := range all {
			if r.Section != section.tag || strings.HasPrefix(r.ID, "NEGATIVE-") {
				continue
			}
			text := strings.ReplaceAll(r.Text, "|", "\\|")
			if len(r.With) > 0 {
				text += " *(with " + strings.Join(r.With, ", ") + ")*"
			}
			if r.Mail {
				text += " *(needs mail)*"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.ID, r.Level, r.Source, cmp.Or(strings.Join(r.Operations, ", "), "several"), text)
		}
		var refused []string
		for id, list := range negatives {
			if list[0].Section == section.tag {
				refused = append(refused, id)
			}
		}
		slices.Sort(refused)
		if len(refused) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\nRefused, each by itself, with the status, pointer and code that follow from the contract:\n\n")
		for _, id := range refused {
			keywords := map[string][]string{}
			for _, r := range negatives[id] {
				where, keyword, _ := strings.Cut(strings.TrimPrefix(r.ID, "NEGATIVE-"+id+"-"), "-")
				keywords[where] = append(keywords[where], keyword)
			}
			fmt.Fprintf(&b, "- `NEGATIVE-%s-` (%s, %d):", id, negatives[id][0].Source, len(negatives[id]))
			for i, where := range slices.Sorted(maps.Keys(keywords)) {
				if i > 0 {
					b.WriteString(";")
				}
				fmt.Fprintf(&b, " `%s-` %s", where, strings.Join(keywords[where], " "))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

const documentHead = `# What a backend must do to conform

` + "`make generate`" + ` writes this file from the test cases in this directory and from ` + "`api/openapi.yaml`" + `. Do not edit it.

%d requirements. Their ids are stable: they may be quoted, and the file of ` + "`rejoin conform --skip`" + ` names them.
Ids that begin with NEGATIVE are derived from the contract: for each constraint of each operation, one request that breaks
only this. The rest of such an id is the operation, the place in the request, and the keyword that is broken.

*Source* says where a requirement comes from: *documented* is in the public documentation of the Returning.AI API, *named* is
only named there, and *rejoin* is our own.
`
