package server

import (
	"context"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/password"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
)

// callerFrom is who waits for a password to be hashed.
func callerFrom(ctx context.Context, known bool) password.Caller {
	return password.Caller{Network: ratelimit.Network(contract.AddressFrom(ctx)), Known: known}
}
