package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// killsEnv is how often TestWhatWasAcknowledgedSurvivesKills kills, instead of a few times.
const killsEnv = "REJOIN_TEST_KILLS"

// Whatever was acknowledged must be there after the process was killed in the middle of more, again and again.
func TestWhatWasAcknowledgedSurvivesKills(t *testing.T) {
	kills := 2
	if text := os.Getenv(killsEnv); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	data := t.TempDir()
	acknowledged := map[string][]string{} // topics of channels by server
	c, total := caller{t: t}, 0
	for range kills {
		p, base := serveApart(t, "--data", data, "--rate-limit=off")
		if c.base = base; c.token == "" {
			c.token = regexp.MustCompile(`[0-9a-f]{64}`).FindString(p.stdout.String())
		}
		server, topics := c.createUntilKilled(p)
		acknowledged[server] = topics
		total += len(topics)
	}
	_, c.base = serve(t, "--data", data)
	for server, topics := range acknowledged {
		channels := c.ask("GET", "/channels?serverId="+server, "", nil)
		for _, topic := range topics {
			if !strings.Contains(channels, fmt.Sprintf("%q:%q", "topic", topic)) {
				t.Errorf("channel %s was acknowledged and is gone", topic)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
	t.Logf("%d kills, %d acknowledged", kills, total)
}

// createUntilKilled creates a server, and channels in it from many connections, and kills the process in the middle of it.
// It returns what was acknowledged.
func (c caller) createUntilKilled(p *process) (server string, topics []string) {
	c.t.Helper()
	const form = "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nClub\r\n--x--\r\n"
	var made struct{ Body struct{ ID string } }
	if err := json.Unmarshal([]byte(c.ask("POST", "/servers", "multipart/form-data; boundary=x", []byte(form))), &made); err != nil {
		c.t.Fatal(err)
	}
	server = made.Body.ID
	const workers = 16
	acknowledged := make(chan string, 1000) // as many channels as there may be
	left := make(chan string, workers)      // why a worker goes on no more
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := 0; ; i++ {
				topic := fmt.Sprintf("%d-%d", worker, i)
				status, text, err := c.try("POST", "/channels", "application/json",
					fmt.Appendf(nil, `{"topic":%q,"channelType":"open","serverId":%q}`, topic, server))
				if err == nil && status != http.StatusOK { // which no kill explains
					c.t.Errorf("a create got %d %s", status, text)
				}
				if err != nil || status != http.StatusOK {
					left <- fmt.Sprintf("%d (%v)", status, err)
					return
				}
				acknowledged <- topic
			}
		})
	}
	for enough := 1 + rand.IntN(300); len(acknowledged) < enough; {
		select {
		case why := <-left:
			c.t.Fatalf("a create failed before anything was killed: %s", why)
		case <-time.After(100 * time.Microsecond):
		}
	}
	if err := p.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	group.Wait()
	p.Wait()
	close(acknowledged)
	for topic := range acknowledged {
		topics = append(topics, topic)
	}
	return server, topics
}
