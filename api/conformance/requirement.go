package conformance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Level is how binding a requirement is, in the words of RFC 2119.
type Level string

// The levels. A backend that misses what it SHOULD do conforms, and is told.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Requirement is one promise of the contract that can be kept or broken.
type Requirement struct {
	ID      string `json:"id"`      // stays the same for ever; a requirement that goes takes its id with it
	Section string `json:"section"` // the tag it belongs to, or `common`
	Level   Level  `json:"level"`

	// Source says where the promise comes from: `documented`, `named` or `rejoin`, as in x-source of the contract; the
	// weakest, where it is about several operations. What is about none in particular is Rejoin's own.
	Source     string   `json:"source"`
	Operations []string `json:"operations"` // that it is about
	With       []string `json:"with"`       // the other tags without which it cannot be told, besides servers
	Mail       bool     `json:"mail"`       // it needs Target.Code
	Text       string   `json:"text"`
}

// requirement is one and how to find out whether it is kept.
type requirement struct {
	Requirement
	tell func(*session)

	queue string // those of one queue are told one after another; empty: at any time
	dear  bool   // it asks for what backends limit; told always only where everything must be
}

// Requirements are all that this kit tells, in order.
func Requirements() []Requirement {
	all, err := kit(defaultSeed)
	if err != nil {
		panic(err) // the contract of this very binary cannot be read
	}
	var plain []Requirement
	for _, r := range all {
		plain = append(plain, r.Requirement)
	}
	return plain
}

const defaultSeed = 1

// kit is every story, and what is derived from the contract. The seed chooses values, never requirements.
func kit(seed uint64) ([]requirement, error) {
	contract, err := loadContract()
	if err != nil {
		return nil, err
	}
	var all []requirement
	for _, section := range sections {
		all = append(all, contract.requirements(section)...)
		all = append(all, contract.negatives(section.tag, seed)...)
	}
	return all, nil
}

var sources = []string{"rejoin", "named", "documented"} // the weakest first

// requirements are the stories of a section.
func (c *contract) requirements(of section) []requirement {
	var all []requirement
	for _, story := range of.stories {
		r := requirement{tell: story.tell, Requirement: Requirement{
			ID: story.id, Section: of.tag, Level: Must, Text: story.promise, Operations: []string{}, With: []string{},
		}}
		for _, word := range strings.Fields(story.about) {
			switch {
			case word == "mail":
				r.Mail, r.queue = true, of.tag // these share an account
			case word == string(Should):
				r.Level = Should
			case slices.ContainsFunc(sections, func(x section) bool { return x.tag == word }):
				r.With = append(r.With, word)
			default:
				r.Operations = append(r.Operations, word)
			}
		}
		r.Source = c.sourceOf(r.Operations)
		all = append(all, r)
	}
	return all
}

// sourceOf is the weakest of the sources of operations.
func (c *contract) sourceOf(operations []string) string {
	source := len(sources) - 1
	for _, id := range operations {
		if op := c.operation(id); op != nil {
			source = min(source, slices.Index(sources, op.source))
		}
	}
	if len(operations) == 0 || source < 0 {
		return sources[0]
	}
	return sources[source]
}

// Document is CONFORMANCE.md: every requirement with its id, for people.
func Document() string {
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

Generated from the stories in this directory and from ` + "`api/openapi.yaml`" + `; to write it anew:
` + "`go test ./api/conformance -run Document -update`" + `.

%d requirements. Their ids are stable: they may be quoted, and a list of known gaps (` + "`rejoin conform --skip`" + `) names them.
Ids that begin with NEGATIVE are derived from the contract: one request for each constraint of each operation, which breaks
that and nothing else. The rest of such an id is the operation, where in the request, and the keyword that is broken.

*Source* says where a promise comes from: *documented* in the public documentation of the Returning.AI API, only *named* there,
or *rejoin*: ours.
`
