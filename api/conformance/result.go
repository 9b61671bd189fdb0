package conformance

import "time"

// Outcome is one of five ways in which a requirement ends.
type Outcome string

// The outcomes. Only a failure is the backend's, and only a pass proves anything.
const (
	Pass     Outcome = "pass"
	Fail     Outcome = "fail"
	Skipped  Outcome = "skip"     // it is on the list of skips
	Disabled Outcome = "disabled" // it was not run: not chosen, not in the sample, or no mail
	Broken   Outcome = "error"    // the suite could not find out: its own fault, or the network's
)

// Result is how one requirement went.
type Result struct {
	Requirement
	Outcome  Outcome       `json:"outcome"`        // empty: the run was stopped before
	Note     string        `json:"note,omitempty"` // why it was skipped or disabled
	Failures []Failure     `json:"failures"`       // of a skip, too: it runs all the same
	Duration time.Duration `json:"nanoseconds"`
}

// Advised tells whether the requirement failed, and is only what a backend SHOULD do.
func (r Result) Advised() bool { return r.Outcome == Fail && r.Level == Should }
