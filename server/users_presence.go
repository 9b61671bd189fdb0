package server

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// An activity is a minute in which an account was active. It is noted in memory, and written down now and then: a process that
// is killed loses at most what there was since.
type activity struct {
	account int64
	minute  int64
}

const (
	presenceEvery = 30 * time.Second
	onlineFor     = 5 * time.Minute // after a request
	mostActives   = 100_000         // what does not fit is not written down
)

// active notes that an account has sent a request.
func (n *notes) active(account int64, now time.Time) {
	key := activity{account, now.Unix() / 60}
	n.presence.Lock()
	defer n.presence.Unlock()
	if _, noted := n.actives[key]; noted || len(n.actives) < mostActives {
		n.actives[key] = now
	}
}

// lastActive is when an account has sent a request to this process that was not written down yet.
func (n *notes) lastActive(account int64, now time.Time) (last time.Time) {
	n.presence.Lock()
	defer n.presence.Unlock()
	for back := range int64(onlineFor/time.Minute) + 1 {
		if at, noted := n.actives[activity{account, now.Unix()/60 - back}]; noted {
			return at
		}
	}
	return last
}

// writePresence writes down who was active since it was called before. What it cannot write is lost.
func (k *core) writePresence(ctx context.Context) error {
	k.notes.presence.Lock()
	actives := k.notes.actives
	k.notes.actives = map[activity]time.Time{}
	k.notes.presence.Unlock()
	order := slices.SortedFunc(maps.Keys(actives), func(a, b activity) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.minute, b.minute))
	})
	for chunk := range slices.Chunk(order, notesAtOnce) { // whoever waits to write has a turn in between
		if err := k.store.Tx(ctx, func(tx *store.Tx) error {
			for _, one := range chunk {
				if err := tx.Users.NoteActivity(ctx, one.account, actives[one]); err != nil {
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

// A userPresence is when an account was there, as others see it.
type userPresence struct {
	store.Presence
	online bool
	streak int64
}

// presenceOf is that of an account now.
func (k *core) presenceOf(ctx context.Context, q store.Queries, account int64) (p userPresence, err error) {
	now := k.now()
	if p.Presence, err = q.Users.GetPresence(ctx, account); err != nil {
		return p, err
	}
	last := p.ActiveAt
	if unwritten := k.notes.lastActive(account, now); unwritten.After(last) {
		last = unwritten
	}
	p.online = now.Sub(last).Abs() < onlineFor // the clock may have been ahead
	day := func(days int) string { return now.UTC().AddDate(0, 0, days).Format(time.DateOnly) }
	if p.Today == day(0) || p.Today == day(-1) {
		p.streak = p.Streak
	}
	return p, nil
}
