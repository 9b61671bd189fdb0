package server

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// What follows from what, in the transaction of what it follows from.

// record adds a line to the audit trail of a server. The states are models of the contract without secrets, or nil.
func (k *core) record(ctx context.Context, tx *store.Tx, serverID string, action gen.AuditAction, target string, before, after any) error {
	who := actorFrom(ctx)
	by := gen.AuditActor{Type: "account", ID: store.Number(who.account)}
	if who.key != nil {
		by = gen.AuditActor{Type: "key", ID: who.key.ID}
	}
	return tx.Audit.Insert(ctx, serverID, gen.AuditEntry{
		ID: k.newID(), Actor: by, Action: action, Target: target, At: gen.Time{Time: k.now()},
	}, before, after)
}

// badgeAwarded credits what a badge is worth. The ledger takes each badge once for a member.
func (k *core) badgeAwarded(ctx context.Context, tx *store.Tx, badge store.Badge, account int64) error {
	worth := map[string]int64{}
	if d := badge.Definition; d.Award {
		worth[store.XP] = int64(d.AwardXpQuantity)
	}
	if d := badge.Definition; d.AwardCurrency {
		worth[store.Coins] = int64(d.AwardCurrencyQuantity)
	}
	for kind, amount := range worth {
		if amount == 0 {
			continue
		}
		line := store.LedgerLine{
			ID: k.newID(), ServerID: badge.ServerID, Account: account, Kind: kind, Amount: amount,
			Reason: "badge/" + badge.ID, At: k.now(),
		}
		if err := tx.Ledger.Insert(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

// valueOf is what a parameter that may be left out holds, or the zero value.
func valueOf[T any](member *T) (value T) {
	if member != nil {
		value = *member
	}
	return value
}
