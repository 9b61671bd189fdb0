package server

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rejoin-dev/rejoin/api/conformance"
	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

func TestConformance(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.CheckAnswers = "enforce" // what the suite does from the outside, the server does from inside
		config.WebhookAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		s := unlimited(open(t, config)) // limits have tests of their own; here everything would have to wait for them
		conformance.Run(t, conformance.Target{
			URL:  listen(t, s),
			A:    tokenOf(t, s, "anna@example.com"),
			B:    tokenOf(t, s, "ben@example.com"),
			Code: conformance.MailDir(filepath.Join(config.Data, "mail")),
			// Nothing is left out.
			Receiver: "127.0.0.1:0",
			Options:  conformance.Options{Certify: true},
		})
	})
}

func TestABackendWithoutTheTagKeysIsTestedWithKeysOfItsOwn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		url, anna := listen(t, s), tokenOf(t, s, "anna@example.com")
		ben := tokenOf(t, s, "ben@example.com")
		target := conformance.Target{
			URL: url, A: anna, B: ben,
			Options: conformance.Options{Tags: []string{"servers", "channels"}, Match: regexp.MustCompile("KEY|^KIND|^PERMISSION")},
		}
		passed := func() map[string]bool {
			ids := map[string]bool{}
			_, err := conformance.Verify(t.Context(), target, func(r conformance.Result) {
				for _, failure := range r.Failures {
					t.Errorf("%s: %s", r.ID, failure.Text)
				}
				ids[r.ID] = r.Outcome == conformance.Pass
			})
			if err != nil {
				t.Error(err)
			}
			return ids
		}
		byKey := []string{"KIND-joinServer", "PERMISSION-createChannel", "KEYSERVER-createChannel", "REPEATKEY-createChannel"}
		without := passed()
		target.Key = func(ctx context.Context, serverID string, permissions ...string) (string, error) {
			in := client.APIKeyCreate{Name: "shop", Permissions: gen.KeyPermissions{}}
			for _, permission := range permissions {
				in.Permissions = append(in.Permissions, gen.KeyPermission(permission))
			}
			made, err := must(client.New(url, client.WithToken(anna))).Keys.Create(ctx, serverID, in)
			if errors.Is(err, client.ErrNotFound) { // it is Ben's
				made, err = must(client.New(url, client.WithToken(ben))).Keys.Create(ctx, serverID, in)
			}
			if err != nil {
				return "", err
			}
			return made.Key, nil
		}
		with := passed()
		for _, id := range byKey {
			if without[id] || !with[id] {
				t.Errorf("%s: passed is %v without keys, and %v with them", id, without[id], with[id])
			}
		}
		if with["KEYS-CREATE-01"] || with["CHANNELS-KEY-01"] {
			t.Error("what a test case says of the tag keys ran without it")
		}
	})
}
