package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr"`
	Facts    []junitFact `xml:"properties>property"`
	Cases    []junitCase `xml:"testcase"`
}

type junitFact struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (r Report) writeJUnit(w io.Writer) error {
	suite := junitSuite{
		Name: "rejoin conformance", Time: fmt.Sprintf("%.3f", r.Seconds), Stamp: r.Started.Format("2006-01-02T15:04:05"),
		Facts: []junitFact{
			{"contract", r.Contract}, {"version", r.Version}, {"target", r.Target}, {"seed", fmt.Sprint(r.Seed)},
			{"operations", fmt.Sprintf("%d of %d", r.Operations.Reached, r.Operations.All)},
			{"responses", fmt.Sprintf("%d of %d", r.Responses.Reached, r.Responses.All)},
		},
	}
	results := r.Results
	for i, problem := range r.Problems {
		results = append(slices.Clip(results), Result{
			Requirement: Requirement{ID: fmt.Sprintf("PROBLEM-%d", i+1), Section: "run"}, Outcome: Fail, Failures: []Failure{{Text: problem}},
		})
	}
	for _, result := range results {
		suite.Tests++
		one := junitCase{
			Class: "conformance." + result.Section, Name: strings.TrimSpace(result.ID + " " + result.Text),
			Time: fmt.Sprintf("%.3f", result.Duration.Seconds()),
		}
		message := &junitMessage{Message: result.Note}
		if result.Outcome == "" {
			message.Message = "not run, because the run was stopped"
		}
		for i, failure := range result.Failures {
			if i == 0 && message.Message == "" {
				message.Message = failure.Text
			}
			message.Text += failure.Text + "\n"
			if failure.Exchange != nil {
				message.Text += "\n" + failure.Exchange.Request + "\n\n" + failure.Exchange.Response + "\n\n" + failure.Exchange.Curl + "\n\n"
			}
		}
		switch result.Outcome {
		case Pass:
		case Fail:
			one.Failure = message
			suite.Failures++
		case Broken:
			one.Error = message
			suite.Errors++
		default:
			one.Skipped = message
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
