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
// does not count for the networks from which the account was signed in to before, nor for the devices: whoever signs in may
// show the session token that they were given before, which need not be good any more. A device is counted by itself, too,
// wherever it is: who has stolen one guesses no better than from one network.

// networkHash is the network that a request comes from, as it is kept: enough of its hash to know it again. It is empty if
// there is no request.
func networkHash(ctx context.Context) string {
	network := ratelimit.Network(contract.AddressFrom(ctx))
	if network == "" {
		return ""
	}
	return hashOf(network)[:16]
}

// deviceName is the device that a request to sign in says it comes from. It is empty if it says nothing.
func deviceName(ctx context.Context) string {
	if op := contract.OperationFrom(ctx); op == nil || len(op.Schemes) > 0 {
		return ""
	}
	return deviceOf(contract.BearerFrom(ctx))
}

func deviceOf(token string) string {
	if token == "" {
		return ""
	}
	return store.DeviceOf(hashOf(token))
}

// A place is where a request about an account comes from, for what is counted by it: a device on which the account was signed
// in to before, or else a network.
type place struct {
	name   string
	known  bool // the account was signed in to before from there
	device bool
}

// placeOf is where this request comes from.
func (k *core) placeOf(ctx context.Context, q store.Queries, account int64) (place, error) {
	return k.placeIn(ctx, q, account, networkHash(ctx), deviceName(ctx))
}

func (k *core) placeIn(ctx context.Context, q store.Queries, account int64, network, device string) (place, error) {
	if device != "" {
		known, err := q.Networks.IsKnown(ctx, account, device, k.now())
		if err != nil || known {
			return place{device, known, true}, err
		}
	}
	known, err := q.Networks.IsKnown(ctx, account, network, k.now())
	return place{name: network, known: known}, err
}

// remember is the step that notes from where an account is signed in to.
func (k *core) remember(ctx context.Context, tx *store.Tx, account int64) error {
	if network := networkHash(ctx); network != "" {
		return tx.Networks.Remember(ctx, account, network, k.now())
	}
	return nil
}

// ownDevice is the device of the session that is calling.
func ownDevice(ctx context.Context) string { return deviceOf(actorFrom(ctx).credential) }

// rememberOnly is remember where a password is replaced: somebody else may have had the one before, and have signed in from
// where they are. A session that goes on keeps its device.
func (k *core) rememberOnly(ctx context.Context, tx *store.Tx, account int64) error {
	if err := tx.Networks.Forget(ctx, account); err != nil {
		return err
	}
	if device := ownDevice(ctx); device != "" {
		if err := tx.Networks.RememberDevice(ctx, account, device, "", k.now()); err != nil {
			return err
		}
	}
	return k.remember(ctx, tx, account)
}

// callerFrom is who waits for a password to be hashed.
func callerFrom(ctx context.Context, known bool) password.Caller {
	return password.Caller{Network: ratelimit.Network(contract.AddressFrom(ctx)), Known: known}
}
