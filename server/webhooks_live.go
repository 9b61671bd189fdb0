package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"golang.org/x/sync/semaphore"
)

// What happens in a server is followed as it happens. As soon as somebody has followed one, what happens there is written down with its deed
// (webhooks_events.go), whether a webhook wants it or not, and gets its place after the commit: so all see one order, and nothing comes before a
// place that somebody has read already. Each process reads the events of a server once, however many follow them there, and keeps the last ones;
// who is behind those reads them by themselves.

const (
	livesFor        = 24 * time.Hour   // as long as a stream goes on behind a position. The contract says so.
	liveLooks       = 2 * time.Second  // how often somebody looks, should no word have come
	liveSeen        = time.Hour        // how often it is noted that a server is followed
	livePage        = 100              // events that are placed or read at once for all
	liveTaken       = 4                // events that a stream takes at once: it holds them for as long as its reader takes
	liveKept        = 256              // events of a server that are kept
	liveKeptSize    = 1 << 20          // bytes of those
	liveBeats       = 20 * time.Second // between two signs of life
	liveChecks      = time.Minute      // between two looks at what somebody may see. The contract says that it is done.
	liveLooksAtOnce = 4                // at what they may see: however many have to, requests get at the database meanwhile
	liveWrites      = 10 * time.Second // as long as a reader may take
	liveLasts       = time.Hour        // of a stream. The contract says so.
	liveMost        = 20_000           // streams of a process
	liveMostOf      = 20               // of an account, or the API keys of a community. The contract says so.
)

// accessMoved is the step after a change of something, after which those of whom it moves what they may see look anew. It has a place among the
// events, so that nothing behind it is shown to whom it is not for.
func (k *core) accessMoved(ctx context.Context, tx *store.Tx, serverID string, of any) error {
	account, somebody := looksAnew(of)
	if !somebody {
		return nil
	}
	rules, err := tx.Gamification.Get(ctx, serverID)
	if errors.Is(err, store.ErrNotFound) || err == nil && !rules.Live {
		return nil
	}
	if err != nil {
		return err
	}
	notice := k.notice(serverID, k.now())
	notice.Account = account
	return tx.Webhooks.InsertEvent(ctx, notice)
}

// looksAnew tells of whom a change of something may move what they see of its server: of nobody, of one account, or of everybody, which is 0 and what
// is not known better.
func looksAnew(of any) (account int64, somebody bool) {
	switch of := of.(type) {
	case *gen.UserReference:
		return accountOf(of.UserID), true
	case *gen.ManagedUser:
		return accountOf(of.User), true
	case *gen.CreatedUser, *gen.InviteCreate, *gen.BadgeUpdate, *gen.UserField, *gen.UserFieldHistory, *gen.GamificationSetting, *gen.Milestone, *gen.Leaderboard, *gen.Streak,
		*gen.MiniGame, *gen.MiniGamePlays, *gen.Social, *gen.StoreConfig, *gen.Category, *gen.Product, *gen.TransactionStatus, *gen.RedemptionStatus, *gen.AnalysisChange,
		*gen.BulkUpdate, *gen.Webhook, *gen.IncomingWebhook:
		return 0, false
	}
	return 0, true
}

// notice is an event that has a place, and that nobody is shown. It concerns everybody.
func (k *core) notice(serverID string, now time.Time) store.WebhookEvent {
	return store.WebhookEvent{ID: k.newID(), ServerID: serverID, Live: true, At: now, ExpiresAt: now.Add(livesFor + time.Hour)}
}

// live are the servers that are followed in this process, and by whom.
type live struct {
	*core
	ended chan struct{} // closed when the process stops
	once  sync.Once
	looks *semaphore.Weighted // of those who look anew at what they may see

	mu      sync.Mutex
	feeds   map[string]*feed
	streams map[string]int                   // how many there are of whom
	count   int                              // of all streams
	wakes   map[int64]map[*follower]struct{} // by account
}

func newLive(k *core) *live {
	return &live{core: k, ended: make(chan struct{}), looks: semaphore.NewWeighted(liveLooksAtOnce), feeds: map[string]*feed{}, streams: map[string]int{}, wakes: map[int64]map[*follower]struct{}{}}
}

// end ends all streams.
func (l *live) end() { l.once.Do(func() { close(l.ended) }) }

// hear passes a word from the store on.
func (l *live) hear(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of, id, _ := strings.Cut(topic, "/")
	switch of {
	case "server":
		if f := l.feeds[id]; f != nil {
			f.poke()
		}
	case "account":
		for follower := range l.wakes[accountOf(id)] {
			follower.poke()
		}
	default: // something may have been missed
		for _, f := range l.feeds {
			f.poke()
		}
		for _, of := range l.wakes {
			for follower := range of {
				follower.poke()
			}
		}
	}
}

// A feed is the events of a server, as far as they have been read.
type feed struct {
	*live
	serverID string
	poked    chan struct{}
	stop     chan struct{}
	users    int // under live.mu

	mu    sync.Mutex
	moved chan struct{} // closed when there are more
	head  int64         // the place of the last one
	kept  []happening   // the last ones, up to the head, without a gap
	bytes int
}

// A happening is an event as it is sent to those who follow it.
type happening struct {
	store.LiveEvent
	chunk []byte // with the body
}

func happeningOf(e store.LiveEvent) happening {
	h := happening{e, chunkOf(e)}
	h.Body = ""
	return h
}

func (f *feed) poke() {
	select {
	case f.poked <- struct{}{}:
	default:
	}
}

// open is the feed of a server, which close gives back.
func (l *live) open(serverID string, head int64) *feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feeds[serverID]
	if f == nil {
		f = &feed{live: l, serverID: serverID, poked: make(chan struct{}, 1), stop: make(chan struct{}), moved: make(chan struct{}), head: head}
		l.feeds[serverID] = f
		go f.run()
	}
	f.users++
	return f
}

func (f *feed) close() {
	f.live.mu.Lock()
	defer f.live.mu.Unlock()
	if f.users--; f.users == 0 {
		delete(f.feeds, f.serverID)
		close(f.stop)
	}
}

// run reads what happens for as long as somebody follows it.
func (f *feed) run() {
	looks := time.NewTicker(liveLooks)
	defer looks.Stop()
	for noted := f.now(); ; {
		for more := true; more; {
			var err error
			if more, err = f.read(context.Background()); err != nil && !errors.Is(err, store.ErrUnavailable) {
				f.log.Error("what happens cannot be followed", slog.String("server", f.serverID), slog.Any("error", err))
			}
		}
		if now := f.now(); now.Sub(noted) > liveSeen {
			if _, err := f.beginFollowing(context.Background(), f.serverID); err == nil {
				noted = now
			}
		}
		select {
		case <-f.poked:
		case <-looks.C:
		case <-f.stop:
			return
		case <-f.ended:
			return
		}
	}
}

// read gives events their places, reads those that are new, and tells whether there may be more.
func (f *feed) read(ctx context.Context) (more bool, err error) {
	waits, err := f.store.Webhooks.WaitsForPlace(ctx, f.serverID)
	if err != nil {
		return false, err
	}
	if waits {
		if _, err := f.place(ctx, f.serverID); err != nil {
			return false, err
		}
	}
	found, err := f.store.Webhooks.ListPlaced(ctx, f.serverID, f.head, livePage)
	if err != nil || len(found) == 0 {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range found {
		h := happeningOf(e)
		f.kept, f.bytes, f.head = append(f.kept, h), f.bytes+len(h.chunk), e.Place
	}
	for len(f.kept) > liveKept || f.bytes > liveKeptSize && len(f.kept) > 0 {
		f.bytes -= len(f.kept[0].chunk)
		f.kept = f.kept[1:]
	}
	f.kept = slices.Clone(f.kept)
	close(f.moved)
	f.moved = make(chan struct{})
	return true, nil
}

// last is the place of the last event that was read.
func (f *feed) last() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head
}

// place gives what has happened in a server its places, and returns the last one.
func (k *core) place(ctx context.Context, serverID string) (store.LiveHead, error) {
	return inSharedTx(ctx, k, func(tx *store.Tx) (store.LiveHead, error) {
		head, err := tx.Webhooks.HoldHead(ctx, serverID)
		if err != nil {
			return head, err
		}
		return tx.Webhooks.Place(ctx, serverID, head, livePage)
	})
}

// beginFollowing has what happens in a server written down, and returns the last of it.
func (k *core) beginFollowing(ctx context.Context, serverID string) (store.LiveHead, error) {
	now := k.now()
	if head, seen, err := k.store.Webhooks.GetHead(ctx, serverID); err == nil && now.Sub(seen) < liveSeen {
		return head, nil
	} else if err != nil && !errors.Is(err, store.ErrNotFound) {
		return head, err
	}
	type begun struct {
		head store.LiveHead
		now  bool
	}
	b, err := inSharedTx(ctx, k, func(tx *store.Tx) (b begun, err error) {
		if b.head, b.now, err = tx.Webhooks.Follow(ctx, serverID, now); err != nil {
			return b, err
		}
		// A position is never older than this: whoever has it can go on behind it, however seldom something happens.
		if err = tx.Webhooks.InsertEvent(ctx, k.notice(serverID, now)); err == nil {
			b.head, err = tx.Webhooks.Place(ctx, serverID, b.head, livePage)
		}
		return b, err
	})
	if err == nil && b.now {
		err = k.store.Settle(ctx) // what is under way does not know yet that it is followed
	}
	return b.head, err
}

// after returns some events behind a place, and what is closed when there are more. They are few, and keep none of the others. Who comes back
// reads what was before they joined by themselves, without what was deleted meanwhile.
func (f *feed) after(ctx context.Context, place, joined int64) ([]happening, <-chan struct{}, error) {
	f.mu.Lock()
	head, moved, kept := f.head, f.moved, f.kept
	f.mu.Unlock()
	switch {
	case place >= head:
		return nil, moved, nil
	case place >= joined && len(kept) > 0 && kept[0].Place <= place+1:
		next, _ := slices.BinarySearchFunc(kept, place+1, func(h happening, place int64) int { return cmp.Compare(h.Place, place) })
		return slices.Clone(kept[next:min(next+liveTaken, len(kept))]), moved, nil
	}
	found, err := f.store.Webhooks.ListPlaced(ctx, f.serverID, place, liveTaken)
	events := make([]happening, 0, len(found))
	for _, e := range found {
		events = append(events, happeningOf(e))
	}
	return events, moved, err
}

// chunkOf is an event as it goes over the wire. One that shows a message or an analysis which was deleted meanwhile is not shown any more.
func chunkOf(e store.LiveEvent) []byte {
	if e.Kind == "" || e.Gone {
		return nil
	}
	return fmt.Appendf(nil, "id: %s\nevent: %s\ndata: %s\n\n", positionOf(e.Place, e.ID), e.Kind, e.Body)
}

func positionOf(place int64, eventID string) string {
	return strconv.FormatInt(place, 10) + "." + eventID
}

// StreamEvents sends what happens in a server as it happens.
func (h webhooks) StreamEvents(ctx context.Context, r stub.StreamEventsRequestObject) (stub.StreamEventsResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	if s.actor.isNobody() {
		return nil, contract.PermissionDenied("events are followed by members")
	}
	f := &follower{live: h.live, standing: s, ctx: ctx, lasts: liveLasts, poked: make(chan struct{}, 1), checked: h.now()}
	if r.Params.Wait != nil {
		f.lasts = time.Duration(*r.Params.Wait) * time.Second
	}
	head, err := h.beginFollowing(ctx, s.ID)
	if err == nil && r.Params.LastEventID != nil {
		head, err = f.resume(ctx, *r.Params.LastEventID, head)
	}
	if err == nil {
		err = f.look()
	}
	if err == nil {
		err = h.live.admit(f)
	}
	if err != nil {
		return nil, err
	}
	f.at = head
	return f, nil
}

// A follower is who follows what happens in a server.
type follower struct {
	*live
	standing
	ctx     context.Context
	begunBy int64          // the account at the beginning: an API key may come to be of another one
	at      store.LiveHead // behind which the next event is
	resumed bool
	lasts   time.Duration
	poked   chan struct{}   // when a credential of the account has ended
	checked time.Time       // when it was looked what they may see
	full    bool            // all events are for them, but for those in channels
	reads   bool            // they read messages
	seen    map[string]bool // whether they see a channel
}

// whose is for whom it counts how many streams there are.
func (f *follower) whose() string {
	if f.actor.key != nil {
		return "server/" + f.ID
	}
	return "account/" + store.Number(f.actor.account)
}

func (f *follower) poke() {
	select {
	case f.poked <- struct{}{}:
	default:
	}
}

// admit refuses one stream too many.
func (l *live) admit(f *follower) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.streams[f.whose()] >= liveMostOf:
		return contract.RateLimited(liveBeats)
	case l.count >= liveMost:
		return contract.Unavailable(errors.New("as many follow what happens as can"))
	}
	l.count++
	l.streams[f.whose()]++
	f.begunBy = f.actor.account
	if l.wakes[f.begunBy] == nil {
		l.wakes[f.begunBy] = map[*follower]struct{}{}
	}
	l.wakes[f.begunBy][f] = struct{}{}
	return nil
}

func (l *live) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	if l.streams[f.whose()]--; l.streams[f.whose()] == 0 {
		delete(l.streams, f.whose())
	}
	delete(l.wakes[f.begunBy], f)
	if len(l.wakes[f.begunBy]) == 0 {
		delete(l.wakes, f.begunBy)
	}
}

// resume is the position that somebody has read up to, if the stream can go on there, or else the last one.
func (f *follower) resume(ctx context.Context, position string, head store.LiveHead) (at store.LiveHead, err error) {
	number, id, _ := strings.Cut(position, ".")
	at.EventID = id
	if at.Place, err = strconv.ParseInt(number, 10, 64); err != nil {
		return head, nil
	}
	if at == head {
		f.resumed = true
		return head, nil
	}
	if f.resumed, err = f.store.Webhooks.IsPlaced(ctx, f.ID, at, f.now().Add(-livesFor)); !f.resumed {
		return head, err
	}
	return at, nil
}

// VisitStreamEventsResponse implements stub.StreamEventsResponseObject.
func (f *follower) VisitStreamEventsResponse(w http.ResponseWriter) error {
	defer f.live.leave(f)
	to := stream{w, http.NewResponseController(w)}
	_ = to.SetReadDeadline(time.Time{}) // what is read from now on is that the client has gone
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	ready := fmt.Appendf(nil, "retry: %d\nid: %s\nevent: stream.ready\ndata: {\"resumed\":%t}\n\n", 1000+rand.IntN(2000), positionOf(f.at.Place, f.at.EventID), f.resumed)
	if err := to.send(ready); err != nil {
		return nil
	}
	if f.lasts == 0 {
		f.tell(f.catchUp(to))
	} else {
		f.tell(f.follow(to))
	}
	return nil
}

// tell logs what has ended a stream, unless that is how streams end.
func (f *follower) tell(err error) {
	var refused *contract.Error
	if err == nil || errors.As(err, &refused) || errors.Is(err, errGone) || errors.Is(err, store.ErrUnavailable) || f.ctx.Err() != nil {
		return
	}
	f.log.LogAttrs(f.ctx, slog.LevelError, "a stream was broken off", slog.Any("error", err))
}

// catchUp sends what has happened up to now.
func (f *follower) catchUp(to stream) error {
	for {
		head, err := f.place(f.ctx, f.ID)
		if err != nil {
			return err
		}
		for f.at.Place < head.Place {
			events, err := f.store.Webhooks.ListPlaced(f.ctx, f.ID, f.at.Place, liveTaken)
			if err != nil || len(events) == 0 {
				return err
			}
			for _, e := range events {
				if err := f.pass(happeningOf(e), to); err != nil {
					return err
				}
			}
		}
		waits, err := f.store.Webhooks.WaitsForPlace(f.ctx, f.ID)
		if err != nil {
			return err
		}
		if !waits {
			return to.send(nil)
		}
	}
}

// follow sends what happens until the stream ends.
func (f *follower) follow(to stream) error {
	feed := f.live.open(f.ID, f.at.Place)
	defer feed.close()
	ends := time.NewTimer(f.lasts)
	defer ends.Stop()
	joined := feed.last()
	beats := time.NewTicker(liveBeats - time.Duration(rand.Int64N(int64(liveBeats/4))))
	defer beats.Stop()
	for {
		events, moved, err := feed.after(f.ctx, f.at.Place, joined)
		for i := 0; i < len(events) && err == nil; i++ {
			err = f.pass(events[i], to)
		}
		if err == nil && len(events) > 0 {
			err, moved = to.send(nil), atOnce // and not without a look at what else there is: who is always behind would never end
		}
		if err != nil {
			return err
		}
		select {
		case <-moved:
		case <-beats.C:
			if f.now().Sub(f.checked) >= liveChecks {
				err = f.check()
			}
			if err == nil {
				err = to.send(fmt.Appendf(nil, ":\nid: %s\n\n", positionOf(f.at.Place, f.at.EventID)))
			}
		case <-f.poked:
			err = f.check()
		case <-ends.C:
			return nil
		case <-f.ended:
			return nil
		case <-f.ctx.Done():
			return errGone
		}
		if err != nil {
			return err
		}
	}
}

// atOnce is closed.
var atOnce = func() <-chan struct{} {
	closed := make(chan struct{})
	close(closed)
	return closed
}()

// isDue tells whether it is to be looked anew at who is calling before they are sent more: a credential of theirs has ended, or nobody has looked
// for longer than those are let off who read what they are sent.
func (f *follower) isDue() bool {
	select {
	case <-f.poked:
		return true
	default:
		return f.now().Sub(f.checked) >= 2*liveChecks
	}
}

// pass sends an event to who may see it.
func (f *follower) pass(e happening, to stream) error {
	f.at = store.LiveHead{Place: e.Place, EventID: e.ID}
	own := e.Account == f.actor.account
	moved := e.Kind == string(gen.WebhookEventTypeUserLeft) || e.Kind == string(gen.WebhookEventTypeUserJoined)
	if f.isDue() || e.Kind == "" && (own || e.Account == 0) || moved && own {
		if err := f.check(); err != nil {
			return err
		}
	}
	if e.chunk == nil {
		return nil
	}
	seen, err := f.follows(e.LiveEvent)
	if err != nil || !seen {
		return err
	}
	return to.write(e.chunk)
}

// check looks anew at who is calling, and ends the stream of who may follow it no more.
func (f *follower) check() error {
	if err := f.looks.Acquire(f.ctx, 1); err != nil {
		return errGone
	}
	defer f.looks.Release(1)
	if err := contract.FindCallerAgain(f.ctx); err != nil {
		return err
	}
	s, err := require(f.ctx, f.store.Queries, f.ID, "server")
	if err != nil {
		return err
	}
	f.standing, f.seen, f.checked = s, nil, f.now()
	return f.look()
}

// look finds what somebody may see, whom it is known of that they may follow.
func (f *follower) look() error {
	viewer, err := f.viewer(f.ctx, f.store.Queries)
	f.full = viewer.Full && f.actor.userKey == nil
	f.reads = f.actor.key != nil || f.actor.userKey != nil || f.allows(readsMessages())
	return err
}

// readsMessages is the operation that shows messages to who may follow them.
var readsMessages = sync.OnceValue(func() *api.Operation {
	operations, err := api.Operations()
	if err != nil {
		return nil // and nothing is served
	}
	return operations.ByID("listMessages")
})

// follows tells whether an event is for who follows, as the contract says of it.
func (f *follower) follows(e store.LiveEvent) (bool, error) {
	own := e.Account == f.actor.account && f.actor.key == nil
	if e.ChannelID == "" && !f.actor.showsMember(e.Account) {
		return false, nil
	}
	if f.actor.userKey != nil && (!own || e.ChannelID != "" && !f.actor.mayActIn(e.ChannelID)) {
		return false, nil
	}
	seenBy := api.SeenBy(e.Kind)
	switch {
	case ofMessage(e.Kind) && !f.reads:
		return false, nil
	case seenBy == api.SeenByChannel:
		return f.seesChannel(e.ChannelID)
	case seenBy == api.SeenByMember, seenBy == api.SeenBySelf && own:
		return true, nil
	}
	return f.full, nil
}

func (f *follower) seesChannel(id string) (bool, error) {
	if seen, known := f.seen[id]; known {
		return seen, nil
	}
	_, err := f.sees(f.ctx, f.store.Queries, id)
	if err == nil {
		err = f.actor.showsChannel(f.ctx, f.store.Queries, id, "channel")
	}
	if refused := (*contract.Error)(nil); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.As(err, &refused) {
		return false, err
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[id] = err == nil
	return err == nil, nil
}

// errGone says that nobody reads a stream any more.
var errGone = errors.New("the client has gone")

// A stream is a connection on which events are sent.
type stream struct {
	w http.ResponseWriter
	*http.ResponseController
}

func (s stream) write(chunk []byte) error {
	_ = s.SetWriteDeadline(time.Now().Add(liveWrites)) // without a connection, there is no haste
	if _, err := s.w.Write(chunk); err != nil {
		return errGone
	}
	return nil
}

// send writes something, and has all that was written go out.
func (s stream) send(chunk []byte) error {
	if err := s.write(chunk); err != nil {
		return err
	}
	if err := s.Flush(); err != nil {
		return errGone
	}
	return nil
}

// ofMessage tells whether events of a kind are about messages.
func ofMessage(kind string) bool { return strings.HasPrefix(kind, "message.") }
