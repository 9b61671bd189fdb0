package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/conformance"
)

type conformCommand struct {
	URL   string   `name:"url" required:"" help:"Where the paths of the contract begin." placeholder:"URL"`
	Token []string `required:"" sep:"none" help:"Session tokens of two different accounts; give the flag twice." placeholder:"TOKEN"`
	Mail  string   `help:"Directory in which the backend's mail arrives as .eml files, for what needs a code from a mail." placeholder:"DIR"`
}

func (c conformCommand) Validate() error {
	if len(c.Token) != 2 {
		return fmt.Errorf("--token must be given twice, for two different accounts")
	}
	return nil
}

func (c conformCommand) Run(ctx context.Context, t terminal) error {
	fmt.Fprintf(t.out, "contract %s\nbackend  %s\n\n", api.Digest, c.URL)
	target := conformance.Target{URL: c.URL, A: c.Token[0], B: c.Token[1]}
	if c.Mail != "" {
		target.Code = conformance.MailDir(c.Mail)
	}
	summary, err := conformance.Verify(ctx, target, func(r conformance.Result) {
		verdict := "ok  "
		if !r.Passed() {
			verdict = "FAIL"
		}
		fmt.Fprintf(t.out, "%s %s: %s (%.2fs)\n", verdict, r.Section, r.Story, r.Duration.Seconds())
		for _, failure := range r.Failures {
			fmt.Fprintf(t.out, "     %s\n", strings.ReplaceAll(failure, "\n", "\n     "))
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n%d stories: %d passed, %d failed\n", summary.Stories, summary.Passed, summary.Failed)
	if len(summary.Untold) > 0 {
		fmt.Fprintf(t.out, "%d stories were not told: they need a code from a mail, see --mail\n", len(summary.Untold))
	}
	if len(summary.Unexercised) > 0 {
		fmt.Fprintf(t.out, "operations that never gave a good answer: %s\n", strings.Join(summary.Unexercised, ", "))
	}
	if !summary.Conforms() {
		return errFailed
	}
	return nil
}
