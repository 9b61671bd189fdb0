package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// healthyWriters is how many write at once: not many.
const healthyWriters = 32

// A writer is one of those who write at once, in a server that all are members of.
type writer struct {
	h                  http.Handler
	token, number, own string // own is a server that only they are in
	owner, server      string // all of them: the owner's token, and the server
	badge, channel     string
	mu                 *sync.Mutex
	statuses           map[int]int
	took               *[]time.Duration
}

// send sends a request and returns the id of what was made.
func (w writer) send(r *http.Request) (id string) {
	r.RequestURI = r.URL.RequestURI()
	if r.Method == "POST" {
		r.Header.Set("Idempotency-Key", uuid.NewString()) // as our client does; who only reads it once ignores it
	}
	began := time.Now()
	answer := send(w.h, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	*w.took = append(*w.took, time.Since(began))
	w.statuses[answer.Code]++
	var made struct {
		Body struct {
			ID         string `json:"id"`
			RepeatedID string `json:"_id"`
		}
	}
	json.Unmarshal(answer.Body.Bytes(), &made)
	return cmp.Or(made.Body.RepeatedID, made.Body.ID)
}

func (w writer) delete(path string) { w.send(request("DELETE", path, w.owner)) }

// healthyLoads are what they do. Each leaves nothing behind, so that it can go on for ever.
var healthyLoads = []struct {
	name string
	do   func(w writer)
}{
	{"channels in one server", func(w writer) {
		w.delete("/channels/" + w.send(channelRequest(w.owner, w.server)))
	}},
	{"channels in many servers", func(w writer) {
		w.send(request("DELETE", "/channels/"+w.send(channelRequest(w.token, w.own)), w.token))
	}},
	{"servers of one account", func(w writer) {
		w.delete("/servers/" + w.send(createRequest("/servers", w.owner, "Club")))
	}},
	{"servers of many accounts", func(w writer) {
		w.send(request("DELETE", "/servers/"+w.send(createRequest("/servers", w.token, "Club")), w.token))
	}},
	{"badges in one server", func(w writer) {
		w.delete("/badges/" + w.send(jsonRequest("/badges", w.owner, map[string]any{"serverId": w.server, "title": "Medal", "action": "custom"})))
	}},
	{"awards of one badge", func(w writer) {
		who := map[string]any{"userId": w.number}
		w.send(jsonRequest("/badges/"+w.badge+"/award", w.owner, who))
		w.send(jsonRequest("/badges/"+w.badge+"/remove", w.owner, who))
	}},
	{"members of one server", func(w writer) {
		w.send(request("POST", "/servers/"+w.server+"/leave", w.token))
		w.send(request("POST", "/servers/"+w.server+"/join", w.token))
	}},
	{"changes of one channel", func(w writer) {
		r := jsonRequest("/channels/"+w.channel, w.owner, map[string]any{"topic": "Talk", "channelType": "open"})
		r.Method = "PUT"
		w.send(r)
	}},
	{"visits", func(w writer) {
		w.send(request("POST", "/servers/"+w.server+"/visit", w.token))
	}},
}

// With REJOIN_TEST_LOAD=1m, each of the loads lasts that long, and says how long the answers took.
func TestThirtyTwoWritersAreNeverRefused(t *testing.T) {
	long, measured := time.Duration(0), os.Getenv("REJOIN_TEST_LOAD")
	if measured != "" {
		var err error
		if long, err = time.ParseDuration(measured); err != nil {
			t.Fatal(err)
		}
		pgtest.Durable()
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.RateLimit = -1 // for a minute of them, one account writes more often than it may
		s := open(t, config)
		var statuses map[int]int
		var took []time.Duration
		writers := make([]writer, healthyWriters)
		all := writer{h: s.Handler(), owner: tokenOf(t, s, "owner@example.com"), mu: &sync.Mutex{}, took: &took, statuses: map[int]int{}}
		all.server = openServer(t, all.h, all.owner, "Everybody's")
		all.badge = all.send(jsonRequest("/badges", all.owner, map[string]any{"serverId": all.server, "title": "Medal", "action": "custom"}))
		all.channel = all.send(channelRequest(all.owner, all.server))
		for i := range writers {
			w := all
			w.token = tokenOf(t, s, fmt.Sprintf("w%d@example.com", i))
			w.own = w.send(createRequest("/servers", w.token, "Own"))
			w.send(request("POST", "/servers/"+w.server+"/join", w.token))
			var me gen.AccountResponse
			if err := json.Unmarshal(send(w.h, request("GET", "/auth/me", w.token)).Body.Bytes(), &me); err != nil {
				t.Fatal(err)
			}
			w.number = me.Body.Number
			writers[i] = w
		}
		for _, load := range healthyLoads {
			t.Run(load.name, func(t *testing.T) {
				statuses, took = map[int]int{}, nil
				lost := s.store.Retries()
				began := time.Now()
				var group sync.WaitGroup
				for _, w := range writers {
					w.statuses = statuses
					group.Go(func() {
						for n := 0; n < 3 || time.Since(began) < long; n++ {
							load.do(w)
						}
					})
				}
				group.Wait()
				for status := range statuses {
					if status/100 != 2 {
						t.Errorf("the answers were %v", statuses)
					}
				}
				if measured != "" {
					t.Log(summary(took, time.Since(began)), s.store.Retries()-lost, "run again")
				}
			})
		}
	})
}

// summary says how long some answers took.
func summary(took []time.Duration, whole time.Duration) string {
	slices.Sort(took)
	var sum time.Duration
	for _, one := range took {
		sum += one
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d, %.0f/s, mean %v", len(took), float64(len(took))/whole.Seconds(), (sum / time.Duration(len(took))).Round(100*time.Microsecond))
	for _, percent := range []int{50, 99, 100} {
		fmt.Fprintf(&text, ", p%d %v", percent, took[(len(took)-1)*percent/100].Round(100*time.Microsecond))
	}
	return text.String()
}

func TestWhoWouldWaitTooLongToWriteIsRefusedAtOnceAndOthersAreServed(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.RateLimit = -1
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		write := func() *httptest.ResponseRecorder { return send(s.Handler(), createRequest("/servers", token, "Club")) }
		goOn := make(chan struct{})
		var holding sync.WaitGroup
		for range 12 { // more than one only on PostgreSQL
			holding.Go(func() {
				s.store.Tx(t.Context(), func(*store.Tx) error { <-goOn; return nil })
			})
		}
		const waiting = 64
		answers := make(chan int, waiting)
		for range waiting {
			go func() { answers <- write().Code }()
		}
		for int(s.store.Waiting())+len(answers) < waiting { // where goroutines are slow to begin, some are refused already
			time.Sleep(time.Millisecond)
		}
		time.Sleep(1100 * time.Millisecond) // nothing moves for too long
		unavailable(t, write())
		if w := send(s.Handler(), request("GET", "/servers", token)); w.Code != http.StatusOK {
			t.Errorf("reading: got %d %s", w.Code, w.Body)
		}
		early := len(answers)
		for range early { // PostgreSQL may have a connection left
			if code := <-answers; code != http.StatusServiceUnavailable && code != http.StatusCreated {
				t.Errorf("one who did not wait got %d", code)
			}
		}
		close(goOn)
		for range waiting - early {
			if code := <-answers; code != http.StatusCreated {
				t.Errorf("one who waited got %d", code)
			}
		}
		if early == waiting {
			t.Error("nobody waited")
		}
		holding.Wait()
		if w := write(); w.Code != http.StatusCreated {
			t.Errorf("afterwards: got %d %s", w.Code, w.Body)
		}
	})
}
