package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// What follows from what, in the transaction of what it follows from.

// audited are the models that the audit trail may show: none of them holds a secret. A row of the store, which may, is
// none and does not compile.
type audited interface {
	gen.Server | gen.CreatedServer | gen.ServerSettings | gen.InviteCreate | gen.Channel | gen.Role | gen.BadgeUpdate | gen.APIKey | gen.UserReference | gen.ManagedUser | gen.CreatedUser |
		gen.AccessLevels | gen.UserField | gen.UserFieldHistory | gen.Leaderboard
}

// record adds what an operation has changed to the audit trail of a server, under the action that the contract names in
// its x-audit: how it was and how it became, nil for what there is none of. If it is as it was, nothing has changed.
func record[T audited](ctx context.Context, k *core, tx *store.Tx, serverID, target string, before, after *T) error {
	op := contract.OperationFrom(ctx)
	if op.Audit == "" {
		return fmt.Errorf("%s changes something and has no x-audit", op.ID)
	}
	if before != nil && after != nil && same(before, after) {
		return nil
	}
	return tx.Audit.Insert(ctx, serverID, gen.AuditEntry{
		ID: k.newID(), Actor: auditActor(ctx), Action: gen.AuditAction(op.Audit), Target: target, At: gen.Time{Time: k.now()},
	}, stateOf(before), stateOf(after))
}

// auditActor is who is calling, as others read it later.
func auditActor(ctx context.Context) gen.AuditActor {
	who := actorFrom(ctx)
	if who.key != nil {
		return gen.AuditActor{Type: "key", ID: who.key.ID}
	}
	return gen.AuditActor{Type: "account", ID: store.Number(who.account)}
}

// same tells whether two are the same for whoever sees them.
func same[T any](a, b *T) bool {
	shownA, errA := json.Marshal(a)
	shownB, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(shownA, shownB)
}

// stateOf is a model or nil, as the store takes it.
func stateOf[T audited](model *T) any {
	if model == nil {
		return nil
	}
	return *model
}

// badgeAwarded credits what a badge is worth. The ledger takes each badge once for a member.
func (k *core) badgeAwarded(ctx context.Context, tx *store.Tx, badge store.Badge, account int64) error {
	d := badge.Definition
	for _, worth := range []struct {
		given  bool
		kind   string
		amount int32
	}{
		{d.Award, store.XP, d.AwardXPQuantity},
		{d.AwardCurrency, store.Coins, d.AwardCurrencyQuantity},
	} {
		if !worth.given || worth.amount == 0 {
			continue
		}
		err := tx.Ledger.Insert(ctx, store.LedgerLine{
			ID: k.newID(), ServerID: badge.ServerID, Account: account, Kind: worth.kind, Amount: int64(worth.amount),
			Reason: "badge/" + badge.ID, At: k.now(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// userReferred notes who has brought somebody to a server.
func (k *core) userReferred(ctx context.Context, tx *store.Tx, serverID string, account, referrer int64) error {
	return tx.Users.InsertReferral(ctx, serverID, account, referrer, k.now())
}
