package server

import (
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

// deletes has Ben deleted from the club.
func (c club) deletes(t *testing.T) {
	t.Helper()
	c.manages(t, "delete")
}

func (c club) manages(t *testing.T, action string) {
	t.Helper()
	do[gen.ManagedUserResponse](t, c.h, "POST", "/apis/v1/users/manage", c.keyOf(t, c.owner, "manageUser"), map[string]any{"action": action, "user": "ben@example.com"})
}
