package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func metricsOf(s *Server) string {
	r := request("GET", "/metrics", "")
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "localhost"
	w := send(s.Handler(), r)
	return w.Body.String()
}

func TestMetricsCountRequestsByOperationAndClassOfStatus(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	send(s.Handler(), request("GET", "/servers", token))
	send(s.Handler(), request("GET", "/servers", token))
	send(s.Handler(), request("GET", "/servers", ""))
	got := metricsOf(s)
	for _, want := range []string{
		`rejoin_requests_total{operation="listMyServers",status="2xx"} 2`,
		`rejoin_requests_total{operation="listMyServers",status="4xx"} 1`,
		`rejoin_request_duration_seconds_count{operation="listMyServers"} 3`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is missing from %s", want, got)
		}
	}
}

func TestTheLogNamesAnAccountOnlyWhereOneIsSignedIn(t *testing.T) {
	var log bytes.Buffer
	s := open(t, Config{Data: onSQLite(t).Data, Log: slog.New(slog.NewTextHandler(&log, nil))})
	token := tokenOf(t, s, "a@example.com")
	for credential, want := range map[string]bool{"": false, token: true} {
		log.Reset()
		send(s.Handler(), request("GET", "/servers", credential))
		if line := log.String(); !strings.Contains(line, "operation=listMyServers") || strings.Contains(line, " account=") != want {
			t.Errorf("want an account: %t; got %s", want, line)
		}
	}
}

func TestNoRequestAddsSeriesToTheMetrics(t *testing.T) {
	s := open(t, onSQLite(t))
	series := regexp.MustCompile(`(?m)^rejoin_.*\{`)
	count := func() int { return len(series.FindAllString(metricsOf(s), -1)) }
	for range 2 { // the pages' own answers are counted, too
		metricsOf(s)
	}
	send(s.Handler(), request("GET", "/nothing", ""))
	before := count()
	for i := range 100 {
		send(s.Handler(), request(fmt.Sprintf("METHOD%d", i), "/servers", ""))
		send(s.Handler(), request("GET", fmt.Sprintf("/nothing/%d", i), ""))
		send(s.Handler(), request("OPTIONS", fmt.Sprintf("/servers/%d", i), ""))
	}
	if after := count(); after != before {
		t.Errorf("there were %d series and now are %d: %s", before, after, metricsOf(s))
	}
}
