package main

import (
	"context"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

// verify is the suite, stopped at the first story that fails.
func verify(ctx context.Context, stop func(), target conformance.Target) (killedBy string, err error) {
	summary, err := conformance.Verify(ctx, target, func(r conformance.Result) {
		if !r.Passed() && killedBy == "" {
			killedBy = r.Story
			stop()
		}
	})
	switch {
	case killedBy != "":
		return killedBy, nil
	case err != nil:
		return "", err
	case !summary.Conforms():
		return "an operation never gave a good answer", nil
	}
	return "", nil
}
