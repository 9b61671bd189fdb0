package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

//go:generate go test . -run ^TestDocumentIsCurrent$ -update

// document is CONFORMANCE.md: every requirement with its id, for people.
func document() string {
	var b strings.Builder
	count := map[string]int{}
	all := Requirements()
	for _, r := range all {
		count[r.Section]++
	}
	fmt.Fprintf(&b, documentHead, len(all))
	for _, section := range sections {
		fmt.Fprintf(&b, "\n## %s (%d)\n\n| id | level | source | operations | requirement |\n|---|---|---|---|---|\n", section.tag, count[section.tag])
		of := func(chosen func(Requirement) bool) (some []Requirement) {
			for _, r := range all {
				if r.Section == section.tag && chosen(r) {
					some = append(some, r)
				}
			}
			return some
		}
		for _, r := range of(func(r Requirement) bool { return !r.isDerived() }) {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.ID, r.Level, r.Source, cmp.Or(strings.Join(r.Operations, ", "), "several"),
				strings.ReplaceAll(r.Text, "|", "\\|")+r.conditions())
		}
		writeDerived(&b, of(Requirement.isDerived))
		writeNegatives(&b, of(func(r Requirement) bool { return strings.HasPrefix(r.ID, "NEGATIVE-") }))
	}
	b.WriteString(retiredHead)
	for _, old := range retired {
		fmt.Fprintf(&b, "| %s | %s |\n", old.id, old.by)
	}
	return b.String()
}

// conditions are what else a requirement needs, as text.
func (r Requirement) conditions() (text string) {
	if len(r.With) > 0 {
		text += " *(with " + strings.Join(r.With, ", ") + ")*"
	}
	if r.Mail {
		text += " *(needs mail)*"
	}
	return text
}

// writeDerived writes the derived requirements of a section, by what they are about.
func writeDerived(b *strings.Builder, of []Requirement) {
	lists := map[string][]string{}
	for _, r := range of {
		kind, rest, _ := strings.Cut(r.ID, "-")
		lists[kind] = append(lists[kind], "`"+rest+"`"+r.conditions())
	}
	delete(lists, "NEGATIVE")
	if len(lists) == 0 {
		return
	}
	b.WriteString("\nDerived from the contract, each with the operation at the end of its id:\n\n")
	for _, d := range append(slices.Clone(derivations), derivation{kind: "DOCUMENTED", means: "what the public documentation shows is answered as it shows"}) {
		if len(lists[d.kind]) > 0 {
			fmt.Fprintf(b, "- `%s-` %s (%d): %s\n", d.kind, d.means, len(lists[d.kind]), strings.Join(lists[d.kind], ", "))
		}
	}
}

// writeNegatives writes the requests of a section that are to be refused, by operation and by place.
func writeNegatives(b *strings.Builder, of []Requirement) {
	if len(of) == 0 {
		return
	}
	negatives := map[string][]Requirement{}
	for _, r := range of {
		negatives[r.Operations[0]] = append(negatives[r.Operations[0]], r)
	}
	b.WriteString("\nRefused, each by itself, with the status, pointer and code that follow from the contract:\n\n")
	for _, id := range sortedKeys(negatives) {
		keywords := map[string][]string{}
		for _, r := range negatives[id] {
			where, keyword, _ := strings.Cut(strings.TrimPrefix(r.ID, "NEGATIVE-"+id+"-"), "-")
			keywords[where] = append(keywords[where], keyword)
		}
		fmt.Fprintf(b, "- `NEGATIVE-%s-` (%s, %d):", id, negatives[id][0].Source, len(negatives[id]))
		for i, where := range sortedKeys(keywords) {
			if i > 0 {
				b.WriteString(";")
			}
			fmt.Fprintf(b, " `%s-` %s", where, strings.Join(keywords[where], " "))
		}
		b.WriteString("\n")
	}
}

const retiredHead = `
## Retired

These requirements are no more. Their ids are not used again.

| id | replaced by |
|---|---|
`

const documentHead = `# What a backend must do to conform

` + "`make generate`" + ` writes this file from the test cases in this directory and from ` + "`api/openapi.yaml`" + `. Do not edit it.

%d requirements. Their ids are stable: they may be quoted, and the file of ` + "`rejoin conform --skip`" + ` names them.
Ids that do not begin with the name of their section are derived from the contract, so that every operation is tested on
what the contract says of it. Ids that begin with NEGATIVE are one request for each constraint of each operation, which breaks
only this: the rest of such an id is the operation, the place in the request, and the keyword that is broken.

*Source* says where a requirement comes from: *documented* is in the public documentation of the Returning.AI API, *named* is
only named there, and *rejoin* is our own.
`
