package main

import (
	"context"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

// verify is the suite, stopped at the first requirement that is not met.
func verify(ctx context.Context, target conformance.Target) (killedBy string, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	report, err := conformance.Verify(ctx, target, func(r conformance.Result) {
		if r.Outcome == conformance.Fail && killedBy == "" {
			killedBy = r.ID + " " + r.Text
			stop()
		}
	})
	switch {
	case killedBy != "":
		return killedBy, nil
	case err != nil:
		return "", err
	case target.Options.Match == nil && !report.Conforms():
		return "an operation never gave a good answer", nil
	}
	return "", nil
}
