package server

import (
	"context"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/password"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// What strangers do must not keep anybody out of their own account. So what is counted is counted for each network by itself
// first; what all strangers share is bounded on top of that where a secret has to be protected from many networks at once, and
// does not count for the networks from which the account was signed in to before.

// networkHash is the network that a request comes from, as it is kept: enough of its hash to know it again. It is empty if
// there is no request.
func networkHash(ctx context.Context) string {
	network := ratelimit.Network(contract.AddressFrom(ctx))
	if network == "" {
		return ""
	}
	return hashOf(network)[:16]
}

// isKnown tells whether an account was signed in to before from where this request comes from.
func isKnown(ctx context.Context, q store.Queries, account int64) (bool, error) {
	return q.Networks.IsKnown(ctx, account, networkHash(ctx))
}

// remember is the step that notes from where an account is signed in to.
func (k *core) remember(ctx context.Context, tx *store.Tx, account int64) error {
	if network := networkHash(ctx); network != "" {
		return tx.Networks.Remember(ctx, account, network, k.now())
	}
	return nil
}

// rememberOnly is remember where a password is replaced: somebody else may have had the one before, and have signed in from
// where they are.
func (k *core) rememberOnly(ctx context.Context, tx *store.Tx, account int64) error {
	if err := tx.Networks.Forget(ctx, account); err != nil {
		return err
	}
	return k.remember(ctx, tx, account)
}

// callerFrom is who waits for a password to be hashed.
func callerFrom(ctx context.Context, known bool) password.Caller {
	return password.Caller{Network: ratelimit.Network(contract.AddressFrom(ctx)), Known: known}
}
