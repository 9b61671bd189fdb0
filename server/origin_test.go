package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// sentTo sends a request to a host and returns the body of the answer, which must have a status.
func sentTo(t *testing.T, s *Server, host string, r *http.Request, status int) string {
	t.Helper()
	r.Host = host
	w := send(s.Handler(), r)
	if w.Code != status {
		t.Fatalf("%s %s: got %d, want %d: %s", r.Method, r.URL, w.Code, status, w.Body)
	}
	return w.Body.String()
}

func painted(t *testing.T, token, method, target string) *http.Request {
	r := uploadOf(t, token, strings.NewReader(onePixel))
	r.Method, r.URL.Path = method, target
	return r
}

func TestAForgedHostGetsIntoNothingThatIsKept(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		create := func() *http.Request {
			r := painted(t, token, "POST", "/servers")
			r.Header.Set("Idempotency-Key", "once")
			return r
		}
		var made gen.CreatedServerResponse
		first := sentTo(t, s, "evil.example", create(), http.StatusCreated)
		if err := json.Unmarshal([]byte(first), &made); err != nil {
			t.Fatal(err)
		}
		path := "/servers/" + made.Body.ID
		sentTo(t, s, "evil.example", painted(t, token, "PUT", path), http.StatusOK)

		for host, body := range map[string]string{
			"good.example": sentTo(t, s, "good.example", request("GET", path+"/audit", token), http.StatusOK),
			"other.test":   sentTo(t, s, "other.test", create(), http.StatusCreated),
			"third.test":   sentTo(t, s, "third.test", request("GET", "/servers", token), http.StatusOK),
		} {
			if strings.Contains(body, "evil.example") || !strings.Contains(body, `"http://`+host+`/images/`) {
				t.Errorf("to %s: %s", host, body)
			}
		}
		// What is kept says nothing of any host.
		entries, err := s.store.Audit.List(t.Context(), made.Body.ID, store.Page{Limit: 10})
		if err != nil || len(entries) != 2 {
			t.Fatalf("%d entries: %v", len(entries), err)
		}
		for _, entry := range entries {
			if kept := fmt.Sprint(entry.Before, entry.After); strings.Contains(kept, "://") || !strings.Contains(kept, "/images/") {
				t.Errorf("the audit trail keeps %s", kept)
			}
		}
	})
}

func TestAddressesThatWereKeptWholeAreShownAsThoseOfThisServer(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.PublicURL = "https://community.example/"
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		id := createServer(t, s.Handler(), token, "Chess club")
		image, elsewhere := "http://evil.example/images/0123456789abcdef01234567", "http://elsewhere.example/images/0123456789abcdef01234567"
		before := gen.CreatedServer{Name: "Chess club", Image: gen.NullableOf(image)}
		badge := gen.BadgeUpdate{Title: "Pawn", Image: elsewhere} // which its maker has written
		err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
			entry := func(id, action string, state any) error {
				return tx.Audit.Insert(t.Context(), id, gen.AuditEntry{
					ID: s.newID(), Actor: gen.AuditActor{Type: "account", ID: "1"}, Action: gen.AuditAction(action), Target: id, At: gen.Time{Time: s.now()},
				}, state, nil)
			}
			if err := entry(id, "server.delete", before); err != nil {
				return err
			}
			return entry(id, "badge.delete", badge)
		})
		if err != nil {
			t.Fatal(err)
		}
		body := sentTo(t, s, "good.example", request("GET", "/servers/"+id+"/audit", token), http.StatusOK)
		if strings.Contains(body, "evil.example") || !strings.Contains(body, `"https://community.example/images/0123456789abcdef01234567"`) {
			t.Errorf("of a server: %s", body)
		}
		if !strings.Contains(body, elsewhere) {
			t.Errorf("what somebody has written about a badge was changed: %s", body)
		}
	})
}

func TestAHostThatIsNoneIsShownToNobody(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	sentTo(t, s, "good.example", painted(t, token, "POST", "/servers"), http.StatusCreated)
	base := listen(t, s)
	at := strings.TrimPrefix(base, "http://")
	for _, host := range []string{"", "user@evil.example", "evil.example:80:80", "ev$il", "evil.example;a", "[::1", strings.Repeat("a", 300)} {
		connection, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		fmt.Fprintf(connection, "GET /servers HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n\r\n", host, token)
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		var listed gen.ServerListResponse
		err = json.NewDecoder(answer.Body).Decode(&listed)
		if answer.StatusCode == http.StatusBadRequest { // net/http has refused it
			continue
		}
		if err != nil || len(listed.Body) != 1 {
			t.Fatalf("%q: got %d: %v", host, answer.StatusCode, err)
		}
		if image, _ := listed.Body[0].Image.Get(); !strings.HasPrefix(image, base+"/images/") {
			t.Errorf("%q: got %s", host, image)
		}
	}
}

func TestAServerThatStrangersReachSaysWhatItTakesForItsAddress(t *testing.T) {
	for name, c := range map[string]struct {
		listen, public string
		proxies        []netip.Prefix
		says           bool
	}{
		"at home":                 {listen: "127.0.0.1:0"},
		"for everybody":           {listen: "0.0.0.0:0", says: true},
		"for everybody, by name":  {listen: "0.0.0.0:0", public: "https://community.example"},
		"behind a proxy":          {listen: "127.0.0.1:0", proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, says: true},
		"behind a proxy, by name": {listen: "127.0.0.1:0", public: "https://community.example", proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	} {
		t.Run(name, func(t *testing.T) {
			var log safeBuffer
			config := onSQLite(t)
			config.PublicURL, config.TrustProxy, config.Log = c.public, c.proxies, slog.New(slog.NewTextHandler(&log, nil))
			s := open(t, config)
			listener, err := net.Listen("tcp", c.listen)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			stop()
			if err := s.Serve(ctx, listener); err != nil {
				t.Fatal(err)
			}
			if said := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "--public-url"); said != c.says {
				t.Errorf("want a warning: %t; got %s", c.says, log.String())
			}
		})
	}
}
