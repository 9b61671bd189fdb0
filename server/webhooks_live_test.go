package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/client/webhook"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/jwt"
)

// A watcher follows what happens in a server, and remembers it.
type watcher struct {
	mu     sync.Mutex
	seen   []string // what has come, such as "message.posted hello"
	at     string
	ended  error
	resets int // how often it was told that something may be left out
}

func watch(t *testing.T, c *client.Client, serverID, position string) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w, done, ready := &watcher{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var once sync.Once
		defer once.Do(func() { close(ready) })
		for event, err := range c.Webhooks.Follow(ctx, serverID, position) {
			w.add(event, err)
			once.Do(func() { close(ready) })
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-ready
	return w
}

func (w *watcher) add(event client.LiveEvent, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.ended = err
		return
	}
	w.at = event.Position
	switch of := event.Event.(type) {
	case *client.StreamReady:
		if !of.Resumed {
			w.resets++
		}
	case *webhook.MessagePosted:
		w.seen = append(w.seen, "posted "+of.Data.Message)
	case *webhook.MessageUpdated:
		w.seen = append(w.seen, fmt.Sprintf("updated %s %d %t", of.Data.Message, len(of.Data.Reactions), of.Data.Pinned))
	case *webhook.MessageDeleted:
		w.seen = append(w.seen, "deleted")
	case *webhook.UserJoined:
		w.seen = append(w.seen, "joined "+of.Data.User.DisplayName)
	case *webhook.UserLeft:
		w.seen = append(w.seen, "left "+of.Data.User.DisplayName)
	case *webhook.UserVisited:
		w.seen = append(w.seen, "visited "+of.Data.User.DisplayName)
	default:
		w.seen = append(w.seen, fmt.Sprintf("%T", of))
	}
}

func (w *watcher) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

func (w *watcher) position() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *watcher) error() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// shows waits until exactly this has come.
func (w *watcher) shows(t *testing.T, want ...string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(w.all()) < len(want) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if got := w.all(); !slices.Equal(got, want) {
		t.Errorf("it shows\n%q, want\n%q", got, want)
	}
}

// A club is a server with two channels, one of which is private, and a member.
type liveClub struct {
	s             *Server
	url, id       string
	open, private string
	owner, member *client.Client
	memberNo      string
}

func newLiveClub(t *testing.T, config Config) *liveClub {
	t.Helper()
	s := unlimited(open(t, config))
	x := &liveClub{s: s, url: listen(t, s)}
	ctx := t.Context()
	x.owner, x.member = clientFor(t, x.url, s, "anna@example.com"), clientFor(t, x.url, s, "bert@example.com")
	x.id = must(x.owner.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})).ID
	must(x.owner.Servers.UpdateSettings(ctx, x.id, client.ServerSettingsUpdate{Joining: new(client.JoiningOpen)}))
	x.open = must(x.owner.Channels.Create(ctx, client.ChannelCreate{ServerID: x.id, Topic: "talk", ChannelType: client.ChannelText})).ID
	x.private = must(x.owner.Channels.Create(ctx, client.ChannelCreate{ServerID: x.id, Topic: "board", ChannelType: client.ChannelPrivate})).ID
	must(x.member.Servers.Join(ctx, x.id))
	x.memberNo = must(x.member.Auth.Me(ctx)).Number
	return x
}

func clientFor(t *testing.T, url string, s *Server, email string) *client.Client {
	return must(client.New(url, client.WithToken(tokenOf(t, s, email))))
}

// program calls with an API key.
func (x *liveClub) program(t *testing.T) *client.Client {
	t.Helper()
	key := must(x.owner.Keys.Create(t.Context(), x.id, client.APIKeyCreate{Name: "CRM", Permissions: []client.KeyPermission{client.PermissionManageUser, client.PermissionWebhooks}}))
	return must(client.New(x.url, client.WithAPIKey(key.Key)))
}

func (x *liveClub) says(t *testing.T, who *client.Client, channel, text string) string {
	t.Helper()
	return must(who.Messages.Send(t.Context(), client.MessageCreate{ChannelID: channel, Message: text})).MessageID
}

func TestWhatHappensIsFollowedByThoseWhoMaySeeIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		ctx := t.Context()
		stranger := clientFor(t, x.url, x.s, "carl@example.com")
		owner, member, program := watch(t, x.owner, x.id, ""), watch(t, x.member, x.id, ""), watch(t, x.program(t), "", "")
		refused := watch(t, stranger, x.id, "")
		if refused.error() == nil {
			t.Error("who is no member follows what happens")
		}
		message := x.says(t, x.member, x.open, "hello")
		x.says(t, x.owner, x.private, "secret")
		must(0, x.owner.Messages.React(ctx, client.ReactionAdd{MessageID: message, Emoji: "👍"}))
		must(0, x.owner.Messages.Pin(ctx, message))
		must(x.owner.Messages.Update(ctx, x.says(t, x.owner, x.open, "bye"), "good bye"))
		must(0, x.member.Messages.Delete(ctx, message))
		must(stranger.Servers.Join(ctx, x.id))
		must(stranger.Servers.Visit(ctx, x.id))
		both := []string{"posted hello", "updated hello 1 false", "updated hello 1 true", "posted bye", "updated good bye 0 false", "deleted"}
		joined := "joined " + must(stranger.Auth.Me(ctx)).DisplayName
		visited := strings.Replace(joined, "joined", "visited", 1)
		member.shows(t, append(slices.Clone(both), joined)...)
		all := append(slices.Insert(slices.Clone(both), 1, "posted secret"), joined, visited)
		owner.shows(t, all...)
		program.shows(t, all...)
	})
}

func TestALevelIsFollowedWhereNoWebhookWantsIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		ctx := t.Context()
		badge := must(x.owner.Badges.Create(ctx, client.BadgeCreate{ServerID: x.id, Title: "Rich", Action: "custom", Award: true, AwardXPQuantity: 60}))
		must(x.owner.Gamification.SetTiers(ctx, x.id, client.TierSettingUpdate{Enabled: true, Tiers: &gen.TierList{{Name: "Bronze", Levels: []client.TierLevel{{Name: "1", XP: 0}, {Name: "2", XP: 50}}}}}))
		member := watch(t, x.member, x.id, "")
		must(x.owner.Badges.Award(ctx, badge.ID, x.memberNo))
		member.shows(t, "*gen.LevelReachedEvent", "*gen.BadgeAwardedEvent")
	})
}

// The token of an administrator reaches no further: whoever made the page that has it is to learn of nobody else.
func TestAWidgetTokenFollowsItsMemberAndTheChannelsOfWidgetsAlone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		ctx := t.Context()
		stranger := clientFor(t, x.url, x.s, "carl@example.com")
		other := must(x.owner.Channels.Create(ctx, client.ChannelCreate{ServerID: x.id, Topic: "elsewhere", ChannelType: client.ChannelText})).ID
		var shown []string
		for _, channel := range []string{x.open, other} {
			shown = append(shown, must(x.owner.Widgets.Create(ctx, client.WidgetCreate{ServerID: x.id, Kind: client.WidgetChannels, Name: "Talk", ChannelID: channel})).ID)
		}
		number := must(x.owner.Auth.Me(ctx)).Number
		follows := func(widgetID string) *watcher {
			token := must(x.s.newWidgetToken(ctx, jwt.Pass{Subject: number, Community: x.id, Widget: widgetID}, widgetTokenLife))
			return watch(t, must(client.New(x.url, client.WithToken(token))), x.id, "")
		}
		all, one := follows(""), follows(shown[0])
		x.says(t, x.member, x.open, "in the first")
		x.says(t, x.member, other, "in the second")
		x.says(t, x.owner, x.private, "in none")
		must(stranger.Servers.Join(ctx, x.id))
		must(stranger.Servers.Visit(ctx, x.id))
		must(x.owner.Servers.Visit(ctx, x.id))
		must(x.owner.Widgets.Delete(ctx, shown[1]))
		x.says(t, x.member, other, "in none any more")
		x.says(t, x.member, x.open, "last")
		visited := "visited " + must(x.owner.Auth.Me(ctx)).DisplayName
		all.shows(t, "posted in the first", "posted in the second", visited, "posted last")
		one.shows(t, "posted in the first", visited, "posted last")
	})
}

func TestAStreamGoesOnWhereItWas(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		clock := &movedClock{}
		config.Now, config.Idle = clock.now, true
		x := newLiveClub(t, config)
		first := watch(t, x.member, x.id, "")
		position := first.position()
		var want []string
		for i := range livePage + 20 { // more than are read at once
			text := fmt.Sprint("message ", i)
			x.says(t, x.owner, x.open, text)
			want = append(want, "posted "+text)
		}
		first.shows(t, want...)
		watch(t, x.member, x.id, position).shows(t, want...)
		before := first.position()
		behind := watch(t, x.member, x.id, before)
		x.says(t, x.owner, x.open, "last")
		behind.shows(t, "posted last")
		if behind.resets != 0 {
			t.Error("a stream that goes on says that something is left out")
		}
		for _, unknown := range []string{strings.Split(position, ".")[0] + ".0123456789abcdef01234567", "999999.0123456789abcdef01234567"} {
			if other := watch(t, x.member, x.id, unknown); other.resets != 1 || len(other.all()) > 0 {
				t.Errorf("behind an unknown position it shows %q, and says %d times that something is left out", other.all(), other.resets)
			}
		}
		clock.move(livesFor - time.Minute)
		again := watch(t, clientFor(t, x.url, x.s, "bert@example.com"), x.id, before)
		again.shows(t, "posted last")
		clock.move(2 * time.Minute)
		if old := watch(t, clientFor(t, x.url, x.s, "bert@example.com"), x.id, position); old.resets != 1 {
			t.Error("a stream goes on behind what is more than 24 hours old")
		}
	})
}

func TestWhatWasDeletedIsNotShownToWhoComesBack(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		position := watch(t, x.member, x.id, "").position()
		metadata := client.AnalysisMetadataCreate{Direction: client.DirectionBullish, EntryPlacement: client.EntryBelowCurrent, Title: "a slip, too", Symbol: "EURUSD"}
		levels := client.AnalysisLevelsCreate{Support: client.AnalysisLevelCreate{Price: 1}, Pivot: client.AnalysisLevelCreate{Price: 2}, Resistance: client.AnalysisLevelCreate{Price: 3}}
		posted := must(x.owner.Charts.Create(t.Context(), x.id, x.open, client.AnalysisCreate{Metadata: metadata, Levels: levels}))
		must(0, x.owner.Charts.Delete(t.Context(), posted.AnalysisID))
		gone := x.says(t, x.owner, x.open, "a slip of the tongue")
		x.says(t, x.owner, x.open, "sorry")
		must(0, x.owner.Messages.Delete(t.Context(), gone))
		watch(t, x.member, x.id, position).shows(t, "posted sorry", "deleted")
	})
}

func TestWhoMayNoLongerSeeSomethingFollowsItNoMore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		ctx := t.Context()
		must(x.owner.Channels.Update(ctx, x.private, client.ChannelUpdate{Topic: "board", ChannelType: client.ChannelPrivate, Members: &gen.ChannelMembers{x.memberNo}}))
		member := watch(t, x.member, x.id, "")
		x.says(t, x.owner, x.private, "for you, too")
		member.shows(t, "posted for you, too")
		must(x.owner.Channels.Update(ctx, x.private, client.ChannelUpdate{Topic: "board", ChannelType: client.ChannelPrivate, Members: &gen.ChannelMembers{}}))
		x.says(t, x.owner, x.private, "not for you")
		x.says(t, x.owner, x.open, "for all")
		member.shows(t, "posted for you, too", "posted for all")
		must(x.program(t).Users.Delete(ctx, must(x.member.Auth.Me(ctx)).Email))
		x.says(t, x.owner, x.open, "among us")
		eventually(t, "the stream ends", func() bool { return member.error() != nil })
		member.shows(t, "posted for you, too", "posted for all")
	})
}

func TestARoleThatIsGivenOrTakenOpensAndClosesItsChannels(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		ctx := t.Context()
		board := must(x.owner.Roles.Create(ctx, client.RoleCreate{ServerID: x.id, Title: "Board", Class: "blue"})).ID
		must(x.owner.Channels.Update(ctx, x.private, client.ChannelUpdate{Topic: "board", ChannelType: client.ChannelPrivate, Permissions: &gen.ChannelRoles{board}}))
		member := watch(t, x.member, x.id, "")
		x.says(t, x.owner, x.private, "one")
		must(x.owner.Roles.Add(ctx, board, x.memberNo))
		x.says(t, x.owner, x.private, "two")
		must(x.owner.Roles.Remove(ctx, board, x.memberNo))
		x.says(t, x.owner, x.private, "three")
		x.says(t, x.owner, x.open, "four")
		member.shows(t, "posted two", "posted four")
		must(x.owner.Roles.Add(ctx, board, x.memberNo))
		x.says(t, x.owner, x.private, "five")
		must(0, x.owner.Roles.Delete(ctx, board))
		x.says(t, x.owner, x.private, "six")
		x.says(t, x.owner, x.open, "seven")
		member.shows(t, "posted two", "posted four", "posted five", "posted seven")
	})
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		member := watch(t, x.member, x.id, "")
		must(0, clientFor(t, x.url, x.s, "bert@example.com").Auth.EndOtherSessions(t.Context()))
		eventually(t, "the stream ends", func() bool { return member.error() != nil })
	})
}

// A lateReader does something before it takes the first message.
type lateReader struct {
	*httptest.ResponseRecorder
	before func()
	once   sync.Once
}

func (r *lateReader) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte("event: message.posted")) {
		r.once.Do(r.before)
	}
	return r.ResponseRecorder.Write(text)
}

func TestWhoIsBehindIsShownNothingMoreOnceTheirSessionHasEnded(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		for _, wait := range []string{"0", "2"} {
			token := tokenOf(t, x.s, "bert@example.com")
			late := must(client.New(x.url, client.WithToken(token)))
			other := watch(t, late, x.id, "")
			position := other.position()
			for range 5 {
				x.says(t, x.owner, x.open, "hello")
			}
			reader := &lateReader{ResponseRecorder: httptest.NewRecorder(), before: func() {
				must(0, late.Auth.LogOut(t.Context()))
				eventually(t, "it is known that the session has ended", func() bool { return other.error() != nil })
			}}
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/apis/v1/events?serverId="+x.id+"&wait="+wait, nil)
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Last-Event-ID", position)
			x.s.Handler().ServeHTTP(reader, r)
			if shown := strings.Count(reader.Body.String(), "event: message.posted"); shown != 1 {
				t.Errorf("a stream for %s s whose session ended while its reader took the first message shows %d, want 1", wait, shown)
			}
		}
	})
}

func TestAStreamWhoseReaderIsSlowHoldsFewEvents(t *testing.T) {
	x := newLiveClub(t, onSQLite(t))
	position := watch(t, x.member, x.id, "").position()
	for range livePage {
		x.says(t, x.owner, x.open, strings.Repeat("🧨", 4000))
	}
	inUse := func() int64 {
		var now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&now)
		return int64(now.HeapAlloc)
	}
	before := inUse()
	token := tokenOf(t, x.s, "bert@example.com")
	var wait, streams sync.WaitGroup
	read := make(chan struct{})
	for i := range liveMostOf - 1 { // beside the one that is watched
		wait.Add(1)
		streams.Go(func() {
			reader := &lateReader{ResponseRecorder: httptest.NewRecorder(), before: func() { wait.Done(); <-read }}
			r := httptest.NewRequestWithContext(t.Context(), "GET", fmt.Sprint("/apis/v1/events?serverId=", x.id, "&wait=", i%2), nil)
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Last-Event-ID", position)
			x.s.Handler().ServeHTTP(reader, r)
		})
	}
	wait.Wait()
	held := inUse() - before
	close(read)
	streams.Wait()
	if most := int64(8 << 20); held > most {
		t.Errorf("%d streams whose readers take nothing hold %d bytes, want at most %d", liveMostOf-1, held, most)
	}
}

func TestWhatHappensOnAnotherReplicaIsFollowed(t *testing.T) {
	config := onPostgreSQL(t)
	x := newLiveClub(t, config)
	config.Data = t.TempDir()
	other := listen(t, unlimited(open(t, config)))
	far := must(client.New(other, client.WithToken(tokenOf(t, x.s, "bert@example.com"))))
	here, there := watch(t, x.member, x.id, ""), watch(t, far, x.id, "")
	x.says(t, x.owner, x.open, "one")
	x.says(t, far, x.open, "two")
	here.shows(t, "posted one", "posted two")
	there.shows(t, "posted one", "posted two")
}

// 16 at once on two replicas: all see the same, in one order, each once.
func TestAllSeeOneOrder(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		x := newLiveClub(t, config)
		writers := []*client.Client{x.owner}
		if config.Database != "" {
			config.Data = t.TempDir()
			writers = append(writers, must(client.New(listen(t, unlimited(open(t, config))), client.WithToken(tokenOf(t, x.s, "anna@example.com")))))
		}
		position := watch(t, x.member, x.id, "").position()
		var all []*watcher
		for i := range 4 {
			all = append(all, watch(t, writers[i%len(writers)], x.id, position))
		}
		const each = 20
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for n := range each {
					x.says(t, writers[i%len(writers)], x.open, fmt.Sprint(i, "/", n))
				}
			})
		}
		wg.Wait()
		late := watch(t, x.member, x.id, position)
		first := all[0]
		eventually(t, "all has come", func() bool { return len(first.all()) >= 16*each })
		want := first.all()
		if seen := slices.Compact(slices.Sorted(slices.Values(want))); len(seen) != 16*each || len(want) != 16*each {
			t.Fatalf("%d messages came %d times; want each of %d once", len(seen), len(want), 16*each)
		}
		for _, other := range append(all[1:], late) {
			other.shows(t, want...)
		}
	})
}

func TestAnAccountHasNoMoreStreamsThanItMay(t *testing.T) {
	x := newLiveClub(t, onSQLite(t))
	token := tokenOf(t, x.s, "bert@example.com")
	ask := func() *http.Response {
		r := must(http.NewRequestWithContext(t.Context(), "GET", x.url+"/apis/v1/events?serverId="+x.id, nil))
		r.Header.Set("Authorization", "Bearer "+token)
		answer := must(http.DefaultClient.Do(r))
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	var streams []*http.Response
	for range liveMostOf {
		streams = append(streams, ask())
	}
	if one := ask(); one.StatusCode != http.StatusTooManyRequests || one.Header.Get("Retry-After") == "" {
		t.Errorf("one stream too many is answered %s, Retry-After %q", one.Status, one.Header.Get("Retry-After"))
	}
	streams[0].Body.Close()
	eventually(t, "there is room again", func() bool { return ask().StatusCode == http.StatusOK })
}

func TestAStreamThatHasEndedIsForgottenAlsoIfItsKeyWasAdopted(t *testing.T) {
	s := unlimited(open(t, onSQLite(t)))
	c := newClub(t, s, "server_administrator")
	key := do[gen.APIKeyResponse](t, c.h, "POST", c.keys(""), c.ben, map[string]any{"name": "CRM", "permissions": []string{"webhooks"}}).Data
	t.Run("followed", func(t *testing.T) {
		program := watch(t, must(client.New(listen(t, s), client.WithAPIKey(key.Key))), "", "")
		do[gen.APIKeyResponse](t, c.h, "PUT", c.keys("/"+key.ID), c.owner, map[string]any{"adopt": true})
		send(c.h, request("POST", "/servers/"+c.id+"/visit", c.ben))
		eventually(t, "it goes on", func() bool { return len(program.all()) == 1 })
	})
	eventually(t, "the stream is forgotten", func() bool {
		s.live.mu.Lock()
		defer s.live.mu.Unlock()
		return s.live.count == 0 && len(s.live.streams) == 0 && len(s.live.wakes) == 0
	})
}

func TestAServerThatStopsEndsItsStreams(t *testing.T) {
	x := newLiveClub(t, onSQLite(t))
	r := must(http.NewRequestWithContext(t.Context(), "GET", x.url+"/apis/v1/events?serverId="+x.id, nil))
	r.Header.Set("Authorization", "Bearer "+tokenOf(t, x.s, "bert@example.com"))
	answer := must(http.DefaultClient.Do(r))
	defer answer.Body.Close()
	x.s.live.end()
	if _, err := io.ReadAll(answer.Body); err != nil {
		t.Errorf("the stream is broken off: %v", err)
	}
}

func TestWhereNobodyFollowsNothingIsWrittenDown(t *testing.T) {
	x := newLiveClub(t, onSQLite(t))
	x.says(t, x.owner, x.open, "nobody listens")
	if _, _, err := x.s.store.Webhooks.GetHead(t.Context(), x.id); err == nil {
		t.Error("it is followed")
	}
	if found := must(x.s.store.Webhooks.ListPlaced(t.Context(), x.id, 0, 10)); len(found) > 0 || must(x.s.store.Webhooks.WaitsForPlace(t.Context(), x.id)) {
		t.Errorf("%v are written down", found)
	}
}
