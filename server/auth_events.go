package server

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// authEventLife is how long an event of an account is kept.
const authEventLife = 90 * 24 * time.Hour

// addEvent is the step that adds to the events of an account what is done with it, in the transaction in which it is: in a session,
// or by opening it, and to a session or key, if it is to one. The contract says what there is of both.
func (k *core) addEvent(ctx context.Context, tx *store.Tx, account int64, kind gen.AuthEventKind, session, target string) error {
	now := gen.Time{Time: k.now()}
	return tx.Auth.InsertEvent(ctx, store.AuthEvent{Account: account, AuthEvent: gen.AuthEvent{
		ID: k.newID(), Kind: kind, At: now, LastAt: now, Times: 1, Address: contract.AddressFrom(ctx), UserAgent: userAgentOf(ctx),
		SessionID: nullIfEmpty(session), Target: nullIfEmpty(target),
	}})
}

// addOwnEvent is addEvent for what the caller does in the own account.
func (k *core) addOwnEvent(ctx context.Context, tx *store.Tx, kind gen.AuthEventKind, target string) error {
	who := actorFrom(ctx)
	return k.addEvent(ctx, tx, who.account, kind, who.session, target)
}

// maxUserAgent is the contract's bound.
const maxUserAgent = 200

// userAgentOf is the beginning of what a request says that it was sent with, as a text of one line.
func userAgentOf(ctx context.Context) string {
	text := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(contract.UserAgentFrom(ctx), "")))
	return string(text[:min(len(text), maxUserAgent)])
}

// notes are what is written down after requests were answered: the last uses of sessions and the attempts that have failed. A
// request that waits for that would be slower, and one with a wrong password would tell by it who has an account. Notes are
// in memory for some seconds, and a process that is killed loses them.
type notes struct {
	mu       sync.Mutex
	uses     map[string]time.Time // by the hash of the session's token
	refusals map[refusalKey]*store.AuthEvent

	presence sync.Mutex
	actives  map[activity]time.Time // when in that minute it was last
}

// A refusalKey is what attempts have in common that are counted together.
type refusalKey struct {
	account int64
	kind    gen.AuthEventKind
	network string
	hour    int64
}

const (
	useLife     = 10 * time.Minute // so long a use stands for those after it
	notesEvery  = 2 * time.Second
	mostNotes   = 10_000 // of each kind; what does not fit is not written down
	notesAtOnce = 200    // in one transaction
)

func newNotes() *notes {
	n := &notes{actives: map[activity]time.Time{}}
	n.clear()
	return n
}

func (n *notes) clear() {
	n.uses, n.refusals = map[string]time.Time{}, map[refusalKey]*store.AuthEvent{}
}

// used notes that a session is used, unless that was written down lately. A last use in the future was left by a clock that
// has jumped.
func (n *notes) used(s store.Session, now time.Time) {
	if now.Sub(s.LastUsedAt.Time).Abs() < useLife {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, noted := n.uses[s.TokenHash]; noted || len(n.uses) < mostNotes {
		n.uses[s.TokenHash] = now
	}
}

// refused notes an attempt at an account that has failed. One at nobody's, or at one that is not verified, leaves nothing.
func (k *core) refused(ctx context.Context, account store.Account, kind gen.AuthEventKind) {
	if account.AccountNumber != 0 && account.Verified {
		k.refusedAt(ctx, account.AccountNumber, kind)
	}
}

// refusedAt is refused for an account that is there and verified.
func (k *core) refusedAt(ctx context.Context, account int64, kind gen.AuthEventKind) {
	n, now, address := k.notes, k.now(), contract.AddressFrom(ctx)
	key := refusalKey{account, kind, ratelimit.Network(address), now.Truncate(time.Hour).Unix()}
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.refusals[key]
	if known == nil {
		if len(n.refusals) >= mostNotes {
			return
		}
		known = &store.AuthEvent{Account: key.account, Network: key.network}
		known.Kind, known.At, known.SessionID = kind, gen.Time{Time: now}, nullIfEmpty(actorFrom(ctx).session)
		n.refusals[key] = known
	}
	known.Times++
	known.LastAt, known.Address, known.UserAgent = gen.Time{Time: now}, address, userAgentOf(ctx)
}

// taken are the notes that there are, which are none of them afterwards.
func (n *notes) taken() (uses map[string]time.Time, refusals []*store.AuthEvent) {
	n.mu.Lock()
	defer n.mu.Unlock()
	uses, refusals = n.uses, slices.Collect(maps.Values(n.refusals))
	n.clear()
	return uses, refusals
}

// writeNotes writes the notes down. Those that it cannot write are lost: a use is noted again by the next one.
func (k *core) writeNotes(ctx context.Context) error {
	uses, refusals := k.notes.taken()
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(uses)), notesAtOnce) {
		if err := k.store.Tx(ctx, func(tx *store.Tx) error {
			for _, hash := range chunk {
				if err := tx.Auth.UpdateLastUse(ctx, hash, uses[hash]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(refusals, notesAtOnce) {
		if err := k.store.Tx(ctx, func(tx *store.Tx) error {
			for _, refusal := range chunk {
				refusal.ID = k.newID()
				if err := tx.Auth.CountEvent(ctx, *refusal); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// startNotes writes the notes down now and then until stop is called, and then once more. Of an outage the log tells already.
func (k *core) startNotes() (stop func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker, presence := time.NewTicker(notesEvery), time.NewTicker(presenceEvery)
		defer ticker.Stop()
		defer presence.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				k.writeNotes(ctx)
			case <-presence.C:
				k.writePresence(ctx)
			}
		}
	}()
	return func(last context.Context) {
		cancel()
		<-done
		k.writeNotes(last)
		k.writePresence(last)
	}
}
