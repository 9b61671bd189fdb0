package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func metricsOf(s *Server) string {
	return send(s.ops, request("GET", "/metrics", "")).Body.String()
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
	send(s.Handler(), request("GET", "/livez", "")) // what is no operation and answers is counted, too
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

func TestTheLogWarnsOnceOfAProxyThatNobodyHasNamed(t *testing.T) {
	for name, c := range map[string]struct {
		header  string
		trusted []netip.Prefix
		want    int
	}{
		"through a proxy":            {"192.0.2.7", nil, 1},
		"through none":               {"", nil, 0},
		"through one that was named": {"192.0.2.7", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := open(t, Config{Data: onSQLite(t).Data, PublicURL: "https://community.example", TrustProxy: c.trusted, Log: slog.New(slog.NewTextHandler(&log, nil))})
			for range 3 {
				r := request("GET", "/servers", "")
				if c.header != "" {
					r.Header.Set("X-Forwarded-For", c.header)
				}
				send(s.Handler(), r)
			}
			if n := strings.Count(log.String(), "level=WARN"); n != c.want || strings.Count(log.String(), "--trust-proxy") != c.want {
				t.Errorf("the log warns %d times, want %d: %s", n, c.want, &log)
			}
		})
	}
}
