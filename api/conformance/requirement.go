package conformance

import (
	"slices"
	"strings"
)

// Level is how binding a requirement is, in the words of RFC 2119.
type Level string

// The levels. A backend that misses what it SHOULD do still conforms; the report says it.
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
	With       []string `json:"with"`       // the other tags that it needs, besides servers
	Mail       bool     `json:"mail"`       // it needs Target.Code
	Receiver   bool     `json:"receiver"`   // it needs Target.Receiver
	Text       string   `json:"text"`
}

// requirement is a Requirement and the test of it.
type requirement struct {
	Requirement
	run func(*session)

	queue       string // those of one queue run one after another; empty: at any time
	rateLimited bool   // it calls an operation with a rate limit; unless everything must run, only a sample of these does
}

// testCase is a promise in words, and the test of it.
type testCase struct {
	id string

	// about names the operations that the promise is about, and any of these: the tags that it needs (besides its own and
	// servers), `mail` if it needs a code from one, `receiver` if
	// the backend calls the suite, and SHOULD.
	about string

	promise string
	run     func(*session)
}

// section is all the test cases of one tag.
type section struct {
	tag   string
	cases []testCase
}

// sections are in the order in which an implementer would work: first what holds everywhere, then the tags as the
// contract has them.
var sections = []section{
	{"common", common},
	{"auth", slices.Concat(auth, mailedAuth, secure)},
	{"servers", slices.Concat(servers, serverImages, members)},
	{"invites", invites},
	{"channels", channels},
	{"roles", slices.Concat(roles, roleRules)},
	{"badges", badges},
	{"keys", slices.Concat(keys, userKeys)},
	{"audit", audit},
	{"users", users},
	{"fields", fields},
	{"messages", messages},
	{"gamification", gamification},
	{"streaks", slices.Concat(streaks, games)},
	{"leaderboards", leaderboards},
	{"analytics", analytics},
	{"store", store},
	{"rewards", rewards},
	{"charts", charts},
	{"bulk", bulk},
	{"webhooks", slices.Concat(hooks, inlets)},
	{"widgets", frames},
}

// Requirements are all requirements of the suite, in order.
func Requirements() []Requirement {
	all, err := allRequirements(defaultSeed)
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

// allRequirements are the test cases, and what is derived from the contract. The seed chooses values, never requirements.
func allRequirements(seed uint64) ([]requirement, error) {
	contract, err := loadContract()
	if err != nil {
		return nil, err
	}
	var all []requirement
	for _, section := range sections {
		all = append(all, contract.requirements(section)...)
		all = append(all, contract.derived(section.tag)...)
		all = append(all, contract.negatives(section.tag, seed)...)
	}
	return all, nil
}

var sources = []string{"rejoin", "named", "documented"} // the weakest first

// requirements are the test cases of a section.
func (c *contract) requirements(of section) []requirement {
	var all []requirement
	for _, one := range of.cases {
		r := requirement{run: one.run, Requirement: Requirement{
			ID: one.id, Section: of.tag, Level: Must, Text: one.promise, Operations: []string{}, With: []string{},
		}}
		for _, word := range strings.Fields(one.about) {
			switch {
			case word == "mail":
				r.Mail, r.queue = true, of.tag // these share an account
			case word == "receiver":
				r.Receiver = true
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
		if op := c.operations.ByID(id); op != nil {
			source = min(source, slices.Index(sources, op.Source))
		}
	}
	if len(operations) == 0 || source < 0 {
		return sources[0]
	}
	return sources[source]
}
