package server

import (
	"path/filepath"
	"testing"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

func TestConformance(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.CheckAnswers = "enforce" // what the suite does from the outside, the server does from inside
		s := unlimited(open(t, config)) // limits have tests of their own; here everything would have to wait for them
		conformance.Run(t, conformance.Target{
			URL:  listen(t, s),
			A:    tokenOf(t, s, "anna@example.com"),
			B:    tokenOf(t, s, "ben@example.com"),
			Code: conformance.MailDir(filepath.Join(config.Data, "mail")),
			// Nothing is left out.
			Options: conformance.Options{Certify: true},
		})
	})
}
