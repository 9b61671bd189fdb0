package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/client/webhook"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// crowdEnv makes the crowds as large as README says, instead of a fiftieth of it.
const crowdEnv = "REJOIN_TEST_CROWD"

func crowd(most int) int {
	if os.Getenv(crowdEnv) == "" {
		return most / 50
	}
	return most
}

// A place is where a crowd meets: one server, or all replicas, of the program as it is shipped.
type place struct {
	t        *testing.T
	database []string // arguments of all commands
	args     [][]string
	replicas []*process
	bases    []string
	binary   string
}

// onEachPlace runs a test on SQLite, and on two replicas with PostgreSQL.
func onEachPlace(t *testing.T, test func(p *place)) {
	t.Run("SQLite", func(t *testing.T) { test(meet(t, []string{"--data", t.TempDir()}, 1)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		test(meet(t, []string{"--db", pgtest.URL(t)}, 2, "--data", t.TempDir(), "--secret-key", secretKey))
	})
}

func meet(t *testing.T, database []string, replicas int, more ...string) *place {
	t.Helper()
	p := &place{t: t, database: database, binary: shipped(t)}
	for range replicas {
		p.args = append(p.args, append(append([]string{"serve", "--addr", freeAddress(t), "--rate-limit=off", "--webhook-allow=127.0.0.0/8"}, more...), database...))
		p.replicas, p.bases = append(p.replicas, nil), append(p.bases, "")
		p.start(len(p.args) - 1)
	}
	return p
}

func (p *place) start(i int) {
	p.replicas[i] = execute(p.t, p.binary, p.args[i]...)
	p.bases[i] = p.replicas[i].answers()
}

// calls is a client of a replica, for somebody, that waits while the replica is away.
func (p *place) calls(replica int, email string) *client.Client {
	p.t.Helper()
	code, token, stderr := rejoin(append([]string{"token", "--email", email}, p.database...)...)
	if code != 0 {
		p.t.Fatal(stderr)
	}
	c, err := client.New(p.bases[replica], client.WithToken(strings.TrimSpace(token)), client.WithRetry(client.Retry{Attempts: 20, MaxWait: 5 * time.Second, Budget: 10_000}))
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// memory is that of all replicas now, in bytes.
func (p *place) memory() (all int64) {
	for _, replica := range p.replicas {
		all += replica.memory("VmRSS")
	}
	return all
}

// logs are the last lines that each replica has logged.
func (p *place) logs() (text string) {
	for _, replica := range p.replicas {
		lines := strings.Split(strings.TrimSpace(replica.stderr.String()), "\n")
		text += "\n" + strings.Join(lines[max(0, len(lines)-20):], "\n")
	}
	return text
}

func (p *place) verify() {
	p.t.Helper()
	if code, stdout, stderr := rejoin(append([]string{"verify"}, p.database...)...); code != 0 {
		p.t.Errorf("verify: %d %s%s", code, stdout, stderr)
	}
}

func must[T any](it T, err error) T {
	if err != nil {
		panic(err)
	}
	return it
}

// Who follows a community sees every message once, and in the one order, however many they are.
func TestAMessageReachesEverybodyWhoFollows(t *testing.T) {
	const each, messages = 20, 10 // streams of an account
	onEachPlace(t, func(p *place) {
		listeners := crowd(5000)
		owner := p.calls(0, "owner@rejoin.local")
		club := must(owner.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
		channel := must(owner.Channels.Create(t.Context(), client.ChannelCreate{Topic: "openings", ChannelType: client.ChannelOpen, ServerID: club.ID}))
		must(owner.Servers.UpdateSettings(t.Context(), club.ID, client.ServerSettingsUpdate{Joining: new(client.JoiningOpen)}))
		before := p.memory()
		c := &listening{t: t, seen: make([]atomic.Int64, messages), after: make([][]time.Duration, messages)}
		ctx, leave := context.WithCancel(t.Context())
		for i := range listeners / each {
			member := p.calls(i%len(p.replicas), fmt.Sprintf("member-%d@example.com", i))
			must(member.Servers.Join(ctx, club.ID))
			for range each {
				c.add(ctx, member, club.ID)
			}
		}
		c.until("all listen", func() bool { return c.ready.Load() == int64(listeners) })
		with := p.memory()
		for i := range messages {
			c.sent.Store(time.Now().UnixNano())
			must(owner.Messages.Send(ctx, client.MessageCreate{ChannelID: channel.ID, Message: fmt.Sprint(i)}))
			c.until("all have it", func() bool { return c.seen[i].Load() == int64(listeners) })
		}
		most := p.memory()
		leave()
		c.hands.Wait()
		last, half := []time.Duration{}, []time.Duration{}
		for _, after := range c.after {
			slices.Sort(after)
			last, half = append(last, after[len(after)-1].Round(time.Millisecond)), append(half, after[len(after)/2].Round(time.Millisecond))
		}
		slices.Sort(last)
		slices.Sort(half)
		t.Logf("%d listeners: a message is with half of them after %v, and with the last after %v (the slowest of %d: %v); %d KiB each, %d MiB in all, %d MiB without them",
			listeners, half[messages/2], last[messages/2], messages, last[messages-1], (with-before)/int64(listeners)>>10, most>>20, before>>20)
		p.verify()
	})
}

// listening is what all who listen have seen.
type listening struct {
	t     *testing.T
	ready atomic.Int64
	sent  atomic.Int64 // when the last message was, in nanoseconds
	seen  []atomic.Int64
	hands sync.WaitGroup

	mu    sync.Mutex
	after [][]time.Duration // of each message
}

func (c *listening) add(ctx context.Context, member *client.Client, serverID string) {
	c.hands.Go(func() {
		next := 0
		for event, err := range member.Webhooks.Follow(ctx, serverID, "") {
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				c.t.Error(err)
				return
			}
			switch of := event.Event.(type) {
			case *client.StreamReady:
				c.ready.Add(1)
			case *webhook.MessagePosted:
				if of.Data.Message != fmt.Sprint(next) {
					c.t.Errorf("message %s is seen instead of message %d", of.Data.Message, next)
				}
				c.mu.Lock()
				c.after[next] = append(c.after[next], time.Duration(time.Now().UnixNano()-c.sent.Load()))
				c.mu.Unlock()
				c.seen[next].Add(1)
				next++
			}
		}
	})
}

func (c *listening) until(what string, so func() bool) {
	c.t.Helper()
	inTime(c.t, 2*time.Minute, what, so)
}

// inTime waits until something is so, for as long as nothing else has failed.
func inTime(t *testing.T, long time.Duration, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) || t.Failed() {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// Webhooks are sent everything once, whether others are slow or dead; and while the server is killed, at least once and under one id.
func TestNothingIsLostOrDoubledOfWhatWebhooksAreSent(t *testing.T) {
	for name, kills := range map[string]int{"undisturbed": 0, "killed": 3} {
		t.Run(name, func(t *testing.T) { onEachPlace(t, func(p *place) { p.sends(crowd(1000), crowd(10_000), kills) }) })
	}
}

const hooksOfAClub = 20 // of 50 that it may have

func (p *place) sends(hooks, events, kills int) {
	t := p.t
	r := newReceivers(t, hooks)
	owner := p.calls(0, "owner@rejoin.local")
	clubs := hooks / hooksOfAClub
	var channels []string
	for club := range clubs {
		server := must(owner.Servers.Create(t.Context(), client.ServerCreate{Name: fmt.Sprint("Club ", club)}))
		channel := must(owner.Channels.Create(t.Context(), client.ChannelCreate{Topic: "openings", ChannelType: client.ChannelOpen, ServerID: server.ID}))
		channels = append(channels, channel.ID)
		for i := range hooksOfAClub {
			must(owner.Webhooks.Create(t.Context(), client.WebhookCreate{
				Name: "CRM", URL: r.address(club*hooksOfAClub + i), Events: []client.WebhookEventType{client.WebhookMessagePosted}, ServerID: server.ID,
			}))
		}
	}
	began := time.Now()
	var posting sync.WaitGroup
	var next, posted atomic.Int64
	for range 16 {
		posting.Go(func() {
			for i := int(next.Add(1)) - 1; i < events; i = int(next.Add(1)) - 1 {
				if _, err := owner.Messages.Send(t.Context(), client.MessageCreate{ChannelID: channels[i%clubs], Message: fmt.Sprint(i)}); err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			}
			posted.Store(int64(time.Since(began)))
		})
	}
	healthy := events / clubs * hooksOfAClub * 8 / 10 * clubs
	for killed := 0; killed < kills; killed++ {
		r.until("so much is sent", func() bool { return r.distinct.Load() >= int64(healthy*(killed+1)/(kills+2)) })
		p.replicas[killed%len(p.replicas)].Process.Kill()
		p.replicas[killed%len(p.replicas)].Wait()
		p.start(killed % len(p.replicas))
	}
	posting.Wait()
	r.until("the healthy ones have everything", func() bool { return r.distinct.Load() >= int64(healthy) })
	took := time.Since(began)
	time.Sleep(2 * time.Second) // what is sent twice comes, too
	lost, doubled, again := r.count(events, clubs)
	if lost > 0 || doubled > 0 || kills == 0 && again > 0 {
		t.Errorf("%d are lost, %d have two ids, and %d were sent again%s", lost, doubled, again, p.logs())
	}
	t.Logf("%d events to %d webhooks: posted after %v, all with the healthy ones after %v, %.0f a second; lost %d, with two ids %d, sent again under the same id %d, %d kills; %d MiB",
		events, hooks, time.Duration(posted.Load()).Round(time.Millisecond), took.Round(time.Millisecond), float64(healthy)/took.Seconds(), lost, doubled, again, kills, p.memory()>>20)
	p.verify()
}

// receivers are webhooks, of which each tenth is slow, and another tenth is dead: half of those do not listen, and half never answer.
type receivers struct {
	t        *testing.T
	web      *httptest.Server
	hosts    []string // of each
	ended    chan struct{}
	distinct atomic.Int64 // messages of healthy ones

	mu  sync.Mutex
	got []map[string][]string // of each, the ids under which it has got a message
}

func newReceivers(t *testing.T, n int) *receivers {
	r := &receivers{t: t, got: make([]map[string][]string, n), ended: make(chan struct{})}
	for i := range r.got {
		r.got[i] = map[string][]string{}
	}
	r.web = httptest.NewServer(r)
	for i := range n {
		at := must(net.Listen("tcp", "127.0.0.1:0"))
		r.hosts = append(r.hosts, at.Addr().String())
		if i%20 == 1 { // nobody listens there
			at.Close()
			continue
		}
		go r.web.Config.Serve(at)
	}
	t.Cleanup(func() { close(r.ended); r.web.Close() })
	return r
}

func (r *receivers) address(i int) string { return fmt.Sprintf("http://%s/%d", r.hosts[i], i) }

func (*receivers) isHealthy(i int) bool { return i%10 > 1 }

func (r *receivers) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	i := 0
	fmt.Sscanf(q.URL.Path, "/%d", &i)
	body, err := io.ReadAll(q.Body)
	var event webhook.MessagePosted
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	switch {
	case err != nil:
		return // it was killed while it sent
	case i%10 == 1:
		select {
		case <-r.ended:
		case <-q.Context().Done():
		}
		return
	case i%10 == 0:
		select {
		case <-r.ended:
		case <-time.After(5 * time.Second):
		}
	}
	r.mu.Lock()
	ids := append(r.got[i][event.Data.Message], q.Header.Get("webhook-id"))
	r.got[i][event.Data.Message] = ids
	r.mu.Unlock()
	if len(ids) == 1 && r.isHealthy(i) {
		r.distinct.Add(1)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receivers) until(what string, so func() bool) {
	r.t.Helper()
	inTime(r.t, 20*time.Minute, what, so)
}

// count looks at what the healthy ones have of what was sent to their clubs.
func (r *receivers) count(events, clubs int) (lost, doubled, again int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, got := range r.got {
		for message := i / hooksOfAClub; message < events && r.isHealthy(i); message += clubs {
			ids := got[fmt.Sprint(message)]
			if len(ids) == 0 {
				lost++
				continue
			}
			again += len(ids) - 1
			if slices.Sort(ids); ids[0] != ids[len(ids)-1] {
				doubled++
			}
		}
	}
	return lost, doubled, again
}
