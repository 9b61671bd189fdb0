// Package conformance proves that a backend keeps the contract, from the outside: it takes an address and the session
// tokens of two accounts, and assumes nothing else. The accounts may belong to servers already, the backend may be in
// use, in any language, behind any proxy.
//
// Against a backend in Go, one test is enough:
//
//	func TestConformance(t *testing.T) {
//		backend := httptest.NewServer(handler)
//		defer backend.Close()
//		conformance.Run(t, conformance.Target{
//			URL: backend.URL, A: tokenOfAnna, B: tokenOfBen,
//			Code: conformance.MailDir("mail"),
//		})
//	}
//
// Each requirement has a stable id, listed in CONFORMANCE.md, and is a subtest:
// `go test -run 'TestConformance/servers/SERVERS-VISIT-01'` runs only that one. Elsewhere, `rejoin conform --url ...` does
// the same without Go; it is built on Verify.
//
// Most requirements are derived from the contract, for every operation: who may call it, with which credential, key and
// role; that foreign things answer as unknown ones; what may be left out and what may be repeated; what it adds to the
// audit trail; and for each constraint, one request that breaks it and nothing else. They belong to the tag of their
// operation, and say which other tags they need. The rest are test cases, written by hand: what happens to what.
//
// When a requirement fails, read its first failure. It says which caller sent what, and what came back. A failure that
// begins with the name of an operation and a status comes from the validator: every answer is validated against the
// contract, its status, content type, headers and each property. The pointer in the failure leads to the place in the body.
//
// At the end the suite lists the operations that never gave a good answer. An implementation in progress begins with one
// tag (Options.Tags), lists what it does not offer yet (Options.Skips), and works it off. testdata/mapserver is such a
// beginning, in one file.
//
// The test cases make servers and delete them again, also when they fail. They need no clock and no order, and several
// people may run them against one backend at the same time. What cannot be deleted is accounts: each run registers a few,
// under random addresses at example.com. Backends limit how often one address may sign up and in. So the test cases do
// that fewer than a hundred times, and only a sample of the derived requests to those operations is sent; a run that
// certifies sends them all. Where there is a limit, the suite waits.
package conformance

import (
	"cmp"
	"context"
	"net/http"
	"testing"
)

// Target is the backend to test.
type Target struct {
	// URL is where the contract's paths begin: for /servers at https://example.org/community/servers it is
	// https://example.org/community.
	URL string

	// A and B are the session tokens of two different accounts with verified e-mail addresses.
	A, B string

	// Code returns the newest code that was mailed to an address, waiting a little for it if need be.
	// MailDir makes one for a backend that writes its mail into files. Without it, what needs a mailed code is not
	// run.
	Code func(ctx context.Context, email string) (string, error)

	// Receiver is where the suite may listen for what the backend sends to webhooks, such as 127.0.0.1:0: the backend must allow that
	// address, and reach it, by http. Without it, what needs that is not run.
	Receiver string

	// Key makes an API key with these permissions, which does not expire, for a server that A or B owns, and returns it whole. It
	// is for a backend that does not offer the tag keys yet: where Options.Tags leaves that out, what is derived from
	// the contract of the other tags is also tested with API keys. Without it, that needs the tag keys. It may be called
	// by several requirements at once.
	Key func(ctx context.Context, serverID string, permissions ...string) (key string, err error)

	// Client sends the requests if it is given. Its redirects and cookies are not used, and a request that takes longer
	// than its Timeout, or than ten seconds, has failed.
	Client *http.Client

	// Options choose what is run.
	Options Options
}

// Run runs every requirement as a subtest of t. `go test -parallel` sets how many run at once.
func Run(t *testing.T, target Target) {
	run, err := newRun(target)
	if err != nil {
		t.Fatal(err)
	}
	defer run.suite.close(context.WithoutCancel(t.Context()))
	if why := run.suite.preflight(t.Context()); why != "" {
		t.Fatal(why)
	}
	for _, section := range sections {
		t.Run(section.tag, func(t *testing.T) {
			for i, r := range run.requirements {
				if r.Section != section.tag {
					continue
				}
				t.Run(r.ID+" "+r.Text, func(t *testing.T) {
					if r.queue == "" {
						t.Parallel()
					}
					result := run.one(t.Context(), i)
					excused := result.Outcome == Skipped || result.Advised()
					for _, failure := range result.Failures {
						if excused {
							t.Log(failure.Text)
						} else {
							t.Error(failure.Text)
						}
					}
					if excused || result.Outcome == Disabled {
						t.Skip(cmp.Or(result.Note, "it only SHOULD"))
					}
				})
			}
		})
	}
	t.Run("every operation is exercised", func(t *testing.T) {
		report := run.report()
		if report.Requirements.NotRun > 0 {
			t.Skip("only some of the requirements were run: go test -run chose them")
		}
		for _, problem := range report.Problems {
			t.Error(problem)
		}
	})
}

// Verify runs every requirement without a test around it. It passes each result that is not disabled to observe, if there
// is one, in the order of the suite. An error means that the suite could not be run to its end: it was stopped, a token is
// refused, or there is no JSON API. Requirements that fail are no error, see Report.Conforms. There is a report also with an error, unless the options or the target make no sense.
func Verify(ctx context.Context, target Target, observe func(Result)) (Report, error) {
	run, err := newRun(target)
	if err != nil {
		return Report{}, err
	}
	run.pointless = run.suite.preflight(ctx)
	return run.verify(ctx, observe)
}
