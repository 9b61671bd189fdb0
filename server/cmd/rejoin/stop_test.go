package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// stopsWithin is how long a server may take to stop: less than supervisors wait before they kill, which is 30 seconds at
// Kubernetes.
const stopsWithin = 25 * time.Second

// Clients must not lose what they send while a server stops, and one of them that dawdles must not keep it from stopping.
func TestAServerThatStopsAnswersWhatIsSentToItAndStopsInTime(t *testing.T) {
	for _, test := range []struct {
		name   string
		signal syscall.Signal
	}{{"SIGTERM", syscall.SIGTERM}, {"Ctrl-C", syscall.SIGINT}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, base := serveApart(t, "--drain=100ms", "--data", t.TempDir())
			dawdler, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer dawdler.Close()
			io.WriteString(dawdler, "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")

			var answered atomic.Int64
			var clients sync.WaitGroup
			for range 64 {
				clients.Go(func() { askUntilRefused(t, base, &answered) })
			}
			p.until("nobody is answered", func() bool { return answered.Load() > 200 })
			begin := time.Now()
			p.signal(test.signal)
			clients.Wait()
			p.Wait()
			if took := time.Since(begin); took > stopsWithin {
				t.Errorf("it has taken %s to stop", took)
			}
		})
	}
}

// askUntilRefused asks again and again on one connection after the other, until no new one is taken. What is asked on a
// connection that has answered before must be answered: the client cannot know whether it was done.
func askUntilRefused(t *testing.T, base string, answered *atomic.Int64) {
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		known := false
		trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { known = info.Reused }})
		// net/http sends a POST with a body once only.
		r, err := http.NewRequestWithContext(trace, "POST", base+"/auth/logout", io.NopCloser(strings.NewReader("{}")))
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := client.Do(r)
		switch {
		case err == nil:
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			answered.Add(1)
		case known:
			t.Errorf("a request got no answer: %v", err)
			return
		default:
			return
		}
	}
}
