package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/owner"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// request is a request of the holder of a token.
func request(method, target, token string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func createRequest(target, token, name string) *http.Request {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("name", name)
	form.Close()
	r := httptest.NewRequest("POST", target, &body)
	r.RequestURI = "" // so that a client can send it too
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

// createServer makes a server and returns its id.
func createServer(t testing.TB, h http.Handler, token, name string) string {
	t.Helper()
	w := send(h, createRequest("/servers", token, name))
	var answer gen.CreatedServerResponse
	if err := json.Unmarshal(w.Body.Bytes(), &answer); w.Code != http.StatusCreated || err != nil {
		t.Fatalf("POST /servers answered %d: %s (%v)", w.Code, w.Body, err)
	}
	return answer.Body.ID
}

func read[T any](t testing.TB, w *httptest.ResponseRecorder) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil || w.Code != http.StatusOK {
		t.Fatalf("answered %d: %s (%v)", w.Code, w.Body, err)
	}
	return value
}

func TestAVisitCountsOncePerUTCDay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		s.now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
		token := tokenOf(t, s, "a@example.com")
		id := createServer(t, s.Handler(), token, "Chess club")
		for _, step := range []struct {
			now     string
			day     string
			counted bool
			visits  int64
		}{
			{"2026-03-01T23:59:59+00:00", "2026-03-01", true, 1},
			{"2026-03-02T01:30:00+02:00", "2026-03-01", false, 1},
			{"2026-03-02T00:00:00+00:00", "2026-03-02", true, 2},
			{"2026-03-01T20:00:00-08:00", "2026-03-02", false, 2},
		} {
			now, err := time.Parse(time.RFC3339, step.now)
			if err != nil {
				t.Fatal(err)
			}
			s.now = func() time.Time { return now }
			visit := read[gen.VisitResponse](t, send(s.Handler(), request("POST", "/servers/"+id+"/visit", token))).Body
			if visit.Day.String() != step.day || visit.Counted != step.counted || visit.Visits != step.visits {
				t.Errorf("%s: got %s, counted %v, visits %d; want %s, %v, %d", step.now, visit.Day, visit.Counted, visit.Visits, step.day, step.counted, step.visits)
			}
		}
	})
}

func TestASessionEndsAfterThirtyDays(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	start := time.Now()
	for after, want := range map[time.Duration]int{
		sessionLife - time.Minute: http.StatusOK,
		sessionLife + time.Minute: http.StatusUnauthorized,
	} {
		s.now = func() time.Time { return start.Add(after) }
		if w := send(s.Handler(), request("GET", "/servers", token)); w.Code != want {
			t.Errorf("after %v: got %d, want %d", after, w.Code, want)
		}
	}
}

func TestATokenIsNotInTheDatabase(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	files, err := os.ReadDir(config.Data)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, file := range files {
		if !file.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(config.Data + "/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(content, []byte(hashOf(token)))
		if bytes.Contains(content, []byte(token)) {
			t.Errorf("%s holds the token", file.Name())
		}
	}
	if !found {
		t.Error("the token's hash is nowhere: this test has looked in the wrong place")
	}
}

func TestParallelJoinsMakeOneMember(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		id := openServer(t, s.Handler(), tokenOf(t, s, "owner@example.com"), "Chess club")
		token := tokenOf(t, s, "member@example.com")
		statuses := inParallel(20, func(int) int {
			return send(s.Handler(), request("POST", "/servers/"+id+"/join", token)).Code
		})
		if statuses[http.StatusOK] != 1 || statuses[http.StatusConflict] != 19 {
			t.Errorf("got %v, want one 200 and nineteen 409", statuses)
		}
		page := read[gen.MemberListResponse](t, send(s.Handler(), request("GET", "/servers/"+id+"/members", token)))
		if page.Meta.Total != 2 || len(page.Body) != 2 {
			t.Errorf("got %d members, want the owner and one more", page.Meta.Total)
		}
	})
}

func TestParallelVisitsCountOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		id := createServer(t, s.Handler(), token, "Chess club")
		var mu sync.Mutex
		counted := 0
		statuses := inParallel(20, func(int) int {
			w := send(s.Handler(), request("POST", "/servers/"+id+"/visit", token))
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(w.Body.String(), `"counted":true`) {
				counted++
			}
			return w.Code
		})
		if statuses[http.StatusOK] != 20 || counted != 1 {
			t.Errorf("got %v with %d counted, want twenty 200 with one counted", statuses, counted)
		}
	})
}

// inParallel does something n times at once and counts the results.
func inParallel[R comparable](n int, do func(i int) R) map[R]int {
	results := map[R]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			result := do(i)
			mu.Lock()
			defer mu.Unlock()
			results[result]++
		})
	}
	group.Wait()
	return results
}

// Any number of replicas may share a PostgreSQL, and the files of SQLite have one owner.
func TestReplicasMayStartTogetherOnAnEmptyDatabase(t *testing.T) {
	together := func(t *testing.T, config Config, serving int) {
		var mu sync.Mutex
		var servers []*Server
		errs := inParallel(4, func(int) error {
			s, err := New(context.Background(), config)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				servers = append(servers, s)
			}
			return err
		})
		if len(servers) != serving || errs[nil] != serving {
			t.Fatalf("got %v, want %d servers", errs, serving)
		}
		for err := range errs {
			if inUse := (*owner.InUseError)(nil); err != nil && (!errors.As(err, &inUse) || inUse.Dir != config.Data) {
				t.Errorf("a server was refused because %v", err)
			}
		}
		tokens := inParallel(serving, func(i int) string {
			_, token, err := servers[i].FirstToken(context.Background())
			if err != nil {
				t.Error(err)
			}
			return token
		})
		if made := serving - tokens[""]; made != 1 {
			t.Errorf("the first account was made by %d servers", made)
		}
		for _, s := range servers {
			s.Close()
		}
		open(t, config) // what is closed is nobody's
	}
	t.Run("SQLite", func(t *testing.T) { together(t, Config{Data: t.TempDir()}, 1) })
	t.Run("PostgreSQL", func(t *testing.T) {
		together(t, Config{Data: t.TempDir(), Database: pgtest.URL(t), SecretKey: testKey}, 4)
	})
}

func TestARunningRequestFinishesWhenTheServerStops(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	running := make(chan struct{})
	begin := sync.OnceFunc(func() { close(running) })
	s.now = func() time.Time { begin(); return time.Now() } // asked to find the caller
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()

	base := "http://" + listener.Addr().String()
	r := createRequest(base+"/servers", token, "Chess club")
	whole, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, finish := io.Pipe()
	r.Body, r.ContentLength = body, int64(len(whole))
	answered := make(chan *http.Response, 1)
	go func() {
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
		}
		answered <- answer
	}()
	finish.Write(whole[:20])
	<-running
	for send(s.Handler(), request("GET", "/readyz", "")).Code != http.StatusOK {
		t.Fatal("the server was not ready before it was to stop")
	}
	stop()
	for send(s.Handler(), request("GET", "/readyz", "")).Code != http.StatusServiceUnavailable {
		time.Sleep(time.Millisecond)
	}
	for { // until nobody takes connections any more
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
		time.Sleep(time.Millisecond)
	}
	finish.Write(whole[20:])
	finish.Close()
	if answer := <-answered; answer == nil || answer.StatusCode != http.StatusCreated {
		t.Errorf("the running request got %v, want 201", answer)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestOversizedHeadersAreRefused(t *testing.T) {
	s := open(t, onSQLite(t))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	r := request("GET", "http://"+listener.Addr().String()+"/livez", "")
	r.RequestURI = ""
	r.Header.Set("X-Long", strings.Repeat("a", 100<<10))
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %v, %v; want 431", answer, err)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	<-done
}

func TestAPanicIsAnErrorLikeAnyOther(t *testing.T) {
	var log bytes.Buffer
	s := open(t, Config{Data: onSQLite(t).Data, Log: slog.New(slog.NewTextHandler(&log, nil))})
	token := tokenOf(t, s, "a@example.com")
	s.now = func() time.Time { panic("a secret of the program") }
	w := send(s.Handler(), request("GET", "/servers", token))
	problem := problemOf(t, w)
	if w.Code != http.StatusInternalServerError || problem.Body.Code != gen.ProblemCodeInternal {
		t.Errorf("got %d %s, want 500 internal", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "secret") || !strings.Contains(log.String(), "a secret of the program") ||
		!strings.Contains(log.String(), problem.Body.RequestID) {
		t.Errorf("the cause must be in the log under the request id, and nowhere else\nanswer: %s\nlog: %s", w.Body, &log)
	}
}

func TestALostDatabaseIsUnavailableAndNotReady(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s, err := New(context.Background(), config)
		if err != nil {
			t.Fatal(err)
		}
		token := tokenOf(t, s, "a@example.com")
		s.Close()
		if w := send(s.Handler(), request("GET", "/readyz", "")); w.Code != http.StatusServiceUnavailable {
			t.Errorf("/readyz: got %d, want 503", w.Code)
		}
		if w := send(s.Handler(), request("GET", "/livez", "")); w.Code != http.StatusOK {
			t.Errorf("/livez: got %d, want 200", w.Code)
		}
		w := send(s.Handler(), request("GET", "/servers", token))
		if w.Code < 500 || strings.Contains(w.Body.String(), "sql") {
			t.Errorf("GET /servers: got %d %s, want a 5xx that says nothing of SQL", w.Code, w.Body)
		}
	})
}

func TestTheLogHasOneLineARequestAndNoCredential(t *testing.T) {
	var log bytes.Buffer
	s := open(t, Config{Data: onSQLite(t).Data, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	token := tokenOf(t, s, "a@example.com")
	log.Reset()
	r := request("GET", "/servers?x="+token, token)
	r.Header.Set("X-Request-Id", "my-request")
	send(s.Handler(), r)
	var line struct {
		RequestID  string `json:"request_id"`
		Operation  string
		Status     int
		DurationMS float64 `json:"duration_ms"`
		Account    int64
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("not one line of JSON: %v: %s", err, &log)
	}
	if line.RequestID != "my-request" || line.Operation != "listMyServers" || line.Status != 200 || line.DurationMS <= 0 || line.Account != 1 {
		t.Errorf("got %+v", line)
	}
	if strings.Contains(log.String(), token) {
		t.Errorf("the log holds the credential: %s", &log)
	}
}

func TestOnlyATrustedProxySaysWhereARequestCameFrom(t *testing.T) {
	for _, test := range []struct {
		name    string
		trusted []netip.Prefix
		want    string
	}{
		{"nobody is trusted", nil, "192.0.2.1"}, // the address that httptest gives its requests
		{"somebody else is trusted", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "192.0.2.1"},
		{"the proxy is trusted", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "203.0.113.9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			s := open(t, Config{Data: onSQLite(t).Data, TrustProxy: test.trusted, Log: slog.New(slog.NewTextHandler(&log, nil))})
			r := request("GET", "/servers", "")
			// What a client sends itself stands left of what the proxy appended, and never counts.
			r.Header.Set("X-Forwarded-For", "198.51.100.7, 203.0.113.9")
			r.Header.Set("X-Real-Ip", "198.51.100.8")
			send(s.Handler(), r)
			if !strings.Contains(log.String(), "remote="+test.want+"\n") {
				t.Errorf("want remote=%s in the log: %s", test.want, &log)
			}
		})
	}
}

func TestImageAddressesBeginWithThePublicURL(t *testing.T) {
	s := open(t, Config{Data: onSQLite(t).Data, PublicURL: "https://community.example/"})
	w := send(s.Handler(), uploadOf(t, tokenOf(t, s, "a@example.com"), strings.NewReader(onePixel)))
	if !strings.Contains(w.Body.String(), `"image":"https://community.example/images/`) {
		t.Errorf("got %s", w.Body)
	}
}

func TestTheContractIsServedAsItWasWritten(t *testing.T) {
	s := open(t, onSQLite(t))
	w := send(s.Handler(), request("GET", "/openapi.yaml", ""))
	tag := w.Header().Get("ETag")
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), api.Spec) || tag != `"`+api.Digest+`"` {
		t.Errorf("got %d, %d bytes, tag %s; want the %d bytes of the file and their digest", w.Code, w.Body.Len(), tag, len(api.Spec))
	}
	again := request("GET", "/openapi.yaml", "")
	again.Header.Set("If-None-Match", tag)
	if w := send(s.Handler(), again); w.Code != http.StatusNotModified {
		t.Errorf("with its tag: got %d, want 304", w.Code)
	}
	var doc map[string]any
	if err := json.Unmarshal(send(s.Handler(), request("GET", "/openapi.json", "")).Body.Bytes(), &doc); err != nil || doc["openapi"] != "3.0.3" {
		t.Errorf("/openapi.json is not the contract: %v", err)
	}
}

func TestParallelAwardsCreditOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "owner@example.com")
		id := createServer(t, s.Handler(), token, "Chess club")
		badge := do[gen.BadgeResponse](t, s.Handler(), "POST", "/badges", token, map[string]any{
			"title": "Chatterbox", "action": "custom", "award": true, "awardXpQuantity": 50, "awardCurrency": true, "awardCurrencyQuantity": 7,
		}).Body.ID
		award := func(int) int {
			r := httptest.NewRequest("POST", "/badges/"+badge+"/award", strings.NewReader(`{"userId":"1"}`))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			return send(s.Handler(), r).Code
		}
		if statuses := inParallel(20, award); statuses[http.StatusOK] != 20 {
			t.Errorf("got %v, want twenty 200", statuses)
		}
		// Taken and given again, it still credits nothing more.
		do[gen.BadgeListResponse](t, s.Handler(), "POST", "/badges/"+badge+"/remove", token, gen.UserReference{UserID: "1"})
		if code := award(0); code != http.StatusOK {
			t.Errorf("awarded again: got %d", code)
		}
		balance := do[gen.BalanceResponse](t, s.Handler(), "GET", "/servers/"+id+"/members/1/balance", token, nil).Body
		if balance != (gen.Balance{XP: 50, Coins: 7}) {
			t.Errorf("got %+v, want 50 XP and 7 coins", balance)
		}
	})
}

func TestABadgeIsKnownByItsLowerCaseIdOnly(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "owner@example.com")
		createServer(t, s.Handler(), token, "Chess club")
		badge := do[gen.BadgeResponse](t, s.Handler(), "POST", "/badges", token, map[string]any{"title": "Host", "action": "custom"}).Body.ID
		for id, want := range map[string]int{strings.ToUpper(badge): 404, "urn:uuid:" + badge: 400, badge: 200} {
			if w := send(s.Handler(), request("DELETE", "/badges/"+id, token)); w.Code != want {
				t.Errorf("%s: got %d, want %d", id, w.Code, want)
			}
		}
	})
}

func TestParallelCreatesUnderOneIdempotencyKeyMakeOneThing(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "owner@example.com")
		id := createServer(t, s.Handler(), token, "Chess club")
		role := func(token, key, title string) *httptest.ResponseRecorder {
			body := fmt.Sprintf(`{"title":%q,"class":"blue","order":10,"billable":false,"serverId":%q}`, title, id)
			r := httptest.NewRequest("POST", "/roles", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", key)
			return send(s.Handler(), r)
		}
		answers := inParallel(20, func(int) string {
			w := role(token, "one", "moderators")
			return fmt.Sprintf("%d %s", w.Code, w.Body)
		})
		if len(answers) != 1 {
			t.Errorf("got %d different answers, want one: %v", len(answers), answers)
		}
		if w := role(token, "one", "moderators"); w.Code != http.StatusCreated || w.Header().Get("Idempotent-Replayed") != "true" {
			t.Errorf("again: got %d, replayed %q", w.Code, w.Header().Get("Idempotent-Replayed"))
		}
		if w := role(token, "one", "others"); w.Code != http.StatusConflict {
			t.Errorf("another request under the same key: got %d, want 409", w.Code)
		}
		if w := role(tokenOf(t, s, "other@example.com"), "one", "moderators"); w.Code != http.StatusNotFound {
			t.Errorf("somebody else under the same key: got %d %s, want their own answer, 404", w.Code, w.Body)
		}
		if roles := read[gen.RoleListResponse](t, send(s.Handler(), request("GET", "/servers/"+id+"/roles", token))).Body; len(roles) != 2 {
			t.Errorf("there are %d roles, want @all and one more", len(roles))
		}
		s.now = func() time.Time { return time.Now().Add(idempotencyLife + time.Minute) }
		if w := role(token, "one", "later"); w.Code != http.StatusCreated || w.Header().Get("Idempotent-Replayed") != "" {
			t.Errorf("a day later: got %d, replayed %q; want a new role", w.Code, w.Header().Get("Idempotent-Replayed"))
		}
	})
}

func TestAReplayedUploadKeepsTheFirstImage(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	token := tokenOf(t, s, "owner@example.com")
	create := func() string {
		r := uploadOf(t, token, strings.NewReader(onePixel)) // with a boundary of its own each time
		r.Header.Set("Idempotency-Key", "once")
		return send(s.Handler(), r).Body.String()
	}
	first, second := create(), create()
	if first != second {
		t.Errorf("got %s and then %s", first, second)
	}
	files, err := os.ReadDir(config.Data + "/images")
	if err != nil || len(files) != 1 {
		t.Errorf("got %d files, want one image (%v)", len(files), err)
	}
}

// The requests are those of the public documentation.
