package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"
)

// Skip is one requirement that a backend does not meet, knowingly and for a while. It runs all the same, so that the
// day on which it passes is noticed.
type Skip struct {
	ID     string `yaml:"id"`
	Reason string `yaml:"reason"`
	Link   string `yaml:"link"`   // where it is being worked on
	Expiry string `yaml:"expiry"` // the last day on which it is skipped, in UTC, as 2006-01-02
}

// ReadSkips reads a list of skips in YAML, of which JSON is a part:
//
//   - id: SERVERS-VISIT-01
//     reason: visits are not counted yet
//     link: https://tracker.example/77
//     expiry: 2027-03-31
//
// Every one of the four is needed.
func ReadSkips(data []byte) ([]Skip, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var skips []Skip
	if err := decoder.Decode(&skips); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the skips cannot be read: %w", err)
	}
	seen := map[string]bool{}
	for i, skip := range skips {
		_, err := time.Parse(time.DateOnly, skip.Expiry)
		switch {
		case skip.ID == "" || skip.Reason == "" || skip.Link == "" || skip.Expiry == "":
			return nil, fmt.Errorf("skip %d (%s) must have an id, a reason, a link and an expiry", i+1, skip.ID)
		case err != nil:
			return nil, fmt.Errorf("the skip of %s: expiry %q is not a day like 2027-03-31", skip.ID, skip.Expiry)
		case seen[skip.ID]:
			return nil, fmt.Errorf("%s is skipped twice", skip.ID)
		}
		seen[skip.ID] = true
	}
	return skips, nil
}

// passesAlthoughSkipped is the note of a result whose skip can go.
const passesAlthoughSkipped = "passes although skipped"

// apply turns what was found out into a skip, unless that has expired. What the suite could not find out stays so.
func (s Skip) apply(result *Result, now time.Time) {
	last, err := time.Parse(time.DateOnly, s.Expiry)
	switch {
	case result.Outcome == Broken:
	case err != nil || !now.Before(last.AddDate(0, 0, 1)):
		result.Outcome = Fail
		result.Failures = append(result.Failures, Failure{Text: fmt.Sprintf("the skip expired on %s: %s (%s)", s.Expiry, s.Reason, s.Link)})
	case result.Outcome == Pass:
		result.Outcome, result.Note = Skipped, passesAlthoughSkipped
	default:
		result.Outcome, result.Note = Skipped, fmt.Sprintf("%s (%s, until %s)", s.Reason, s.Link, s.Expiry)
	}
}
