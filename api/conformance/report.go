package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api"
)

// Report is how all of it went, with what each figure is out of.
type Report struct {
	Contract string    `json:"contract"` // its digest
	Version  string    `json:"version"`  // that it states
	Target   string    `json:"target"`
	Seed     uint64    `json:"seed"`
	Certify  bool      `json:"certify"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`

	Requirements Figures `json:"requirements"`
	Operations   Reach   `json:"operations"` // of the chosen tags, that gave a good answer
	Responses    Reach   `json:"responses"`  // of all statuses that the contract lists for each of these operations

	// Problems are what keeps a backend from conforming although no requirement failed.
	Problems []string `json:"problems"`
	Results  []Result `json:"results"`
}

// Figures count requirements by their outcome.
type Figures struct {
	All      int `json:"all"`
	Passed   int `json:"passed"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
	Disabled int `json:"disabled"`
	Errors   int `json:"errors"`
	NotRun   int `json:"notRun"`  // not run, because the run was stopped
	Advised  int `json:"advised"` // how many of the failed only SHOULD have passed
}

func (f *Figures) add(r Result) {
	f.All++
	switch r.Outcome {
	case Pass:
		f.Passed++
	case Fail:
		f.Failed++
		if r.Advised() {
			f.Advised++
		}
	case Skipped:
		f.Skipped++
	case Broken:
		f.Errors++
	case Disabled:
		f.Disabled++
	default:
		f.NotRun++
	}
}

// Run is how many were run and have a result.
func (f Figures) Run() int { return f.Passed + f.Failed + f.Skipped }

// Reach is how many of something the run has reached, and what is left.
type Reach struct {
	Reached int      `json:"reached"`
	All     int      `json:"all"`
	Missing []string `json:"missing"`
}

// Conforms tells whether the backend keeps the contract, as far as it was tested: with skips and without what is disabled,
// that is not all of it. Where nothing passed, nothing is proved.
func (r Report) Conforms() bool {
	return r.Requirements.Failed == r.Requirements.Advised && r.Requirements.Errors == 0 && len(r.Problems) == 0 && r.Requirements.Passed > 0
}

// TagFigures are the figures of one tag, or of `common`.
type TagFigures struct {
	Tag     string
	Figures Figures
	Results []Result
}

// ByTag counts the results of each tag, in the order of the suite.
func (r Report) ByTag() []TagFigures {
	var rows []TagFigures
	for _, result := range r.Results {
		if len(rows) == 0 || rows[len(rows)-1].Tag != result.Section {
			rows = append(rows, TagFigures{Tag: result.Section})
		}
		row := &rows[len(rows)-1]
		row.Results = append(row.Results, result)
		row.Figures.add(result)
	}
	return rows
}

func (x *run) report() Report {
	r := Report{
		Contract: api.Digest, Version: x.suite.contract.version(), Target: x.suite.shown, Seed: x.options.Seed, Certify: x.options.Certify,
		Started: x.started.UTC(), Seconds: time.Since(x.started).Seconds(), Problems: []string{}, Results: x.results,
		Operations: Reach{Missing: []string{}}, Responses: Reach{Missing: []string{}},
	}
	for _, result := range x.results {
		r.Requirements.add(result)
	}
	x.suite.mu.Lock()
	defer x.suite.mu.Unlock()
	for _, op := range x.suite.contract.operations {
		if !x.chosen(op) {
			continue
		}
		r.Operations.count(op.ID, x.suite.exercised[op.ID])
		for status := range op.Spec.Responses.Map() {
			if status != "default" {
				r.Responses.count(op.ID+" "+status, x.suite.reached[op.ID+" "+status])
			}
		}
	}
	r.Problems = append(r.Problems, x.problems(r)...)
	for _, list := range [][]string{r.Problems, r.Operations.Missing, r.Responses.Missing} {
		slices.Sort(list)
	}
	return r
}

// chosen tells whether an operation is of a tag that is to be tested.
func (x *run) chosen(op *api.Operation) bool {
	return len(x.options.Tags) == 0 || slices.Contains(x.options.Tags, op.Tag)
}

// problems are what is wrong besides requirements that failed.
func (x *run) problems(r Report) (all []string) {
	if x.pointless != "" {
		return []string{x.pointless}
	}
	open := map[string]bool{} // operations of which not everything was tested
	for _, result := range x.results {
		for _, id := range result.Operations {
			if !result.isDerived() && (result.Outcome == Skipped || result.Outcome == Disabled || result.Outcome == "") {
				open[id] = true
			}
		}
	}
	var missing []string
	for _, op := range x.suite.contract.operations {
		if !x.suite.exercised[op.ID] && !open[op.ID] && x.chosen(op) && r.Requirements.Errors == 0 {
			missing = append(missing, op.ID)
		}
	}
	if len(missing) > 0 {
		all = append(all, "these operations never gave a good answer: "+strings.Join(missing, ", "))
	}
	n := r.Requirements
	if run := n.Passed + n.Failed; x.options.Certify && run != n.All {
		all = append(all, fmt.Sprintf("%d of %d requirements were run, and --certify needs all of them", run, n.All))
	}
	if n.NotRun > 0 {
		all = append(all, fmt.Sprintf("the run was stopped, and %d requirements were not run", n.NotRun))
	} else if n.Passed+n.Errors == 0 {
		all = append(all, "nothing passed, so nothing is proved")
	}
	return all
}

func (r *Reach) count(what string, reached bool) {
	r.All++
	if reached {
		r.Reached++
	} else {
		r.Missing = append(r.Missing, what)
	}
}

// Write writes a report in the format that a file name stands for: .json, .xml (JUnit) or .html.
func (r Report) Write(w io.Writer, name string) error {
	switch filepath.Ext(name) {
	case ".json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	case ".xml":
		return r.writeJUnit(w)
	case ".html":
		return page.Execute(w, r)
	}
	return fmt.Errorf("a report is .json, .xml or .html, and %q is none", name)
}
