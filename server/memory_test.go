package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
)

// Escaped, as programs write JSON that stands in a page, each of these characters would take six bytes.
func TestTextIsWrittenAsItIs(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		club := createServer(t, s.Handler(), token, "a <b> & c")
		const text = `<i>&"` // and one that JSON has to escape
		const written = `"<i>&\""`
		ask := func(want string, r *http.Request) {
			t.Helper()
			if w := send(s.Handler(), r); !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), `\u00`) {
				t.Errorf("%s: got %d %s, want %s in it", r.URL, w.Code, w.Body, want)
			}
		}
		ask(written, jsonRequest("/badges", token, map[string]any{"title": text, "action": "custom", "serverId": club, "image": "https://a.example/?a=1&b=2"}))
		ask(written, request("GET", "/badges", token))
		ask(`a=1&b=2`, request("GET", "/badges", token))
		ask(`a <b> & c`, request("GET", "/servers", token))
		ask(written, request("GET", "/servers/"+club+"/audit", token))
		ask(`"/<&>"`, jsonRequest("/badges", token, map[string]any{"title": "x", "action": "custom", "<&>": 1}))
	})
}

// longList makes a server whose list of channels is long.
func longList(t *testing.T, s *Server, token string, channels int) (target string) {
	t.Helper()
	club := createServer(t, s.Handler(), token, "Chess club")
	unlimited(s)
	for i := range channels {
		do[gen.ChannelResponse](t, s.Handler(), "POST", "/channels", token, map[string]any{
			"topic": fmt.Sprint(i), "channelType": "open", "serverId": club, "description": strings.Repeat("\x01", 1000),
		})
	}
	return "/servers/" + club + "/channels"
}

func TestALongAnswerNeedsRoomInMemoryAndAShortOneDoesNot(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		target := longList(t, s, token, 150)
		for range 3 { // also where it was remembered
			if w := send(s.Handler(), request("GET", target, token)); w.Code != http.StatusOK || w.Body.Len() < 900_000 {
				t.Fatalf("got %d, %d bytes", w.Code, w.Body.Len())
			}
		}
		for bytes, want := range map[int64]int{0: http.StatusOK, requestMemory - 100_000: http.StatusServiceUnavailable} {
			giveBack, err := s.memory.Take(t.Context(), bytes)
			if err != nil {
				t.Fatalf("not everything was given back: %v", err)
			}
			w := send(s.Handler(), request("GET", target, token))
			if w.Code != want || want != http.StatusOK && (w.Header().Get("Retry-After") != "1" || problemOf(t, w).Body.Code != gen.ProblemCodeUnavailable) {
				t.Errorf("with %d bytes in use: got %d %v %.300s", bytes, w.Code, w.Header(), w.Body)
			}
			if w := send(s.Handler(), request("GET", "/servers", token)); w.Code != http.StatusOK {
				t.Errorf("a short answer, with %d bytes in use: got %d", bytes, w.Code)
			}
			giveBack()
		}
		if _, err := s.memory.Take(context.WithoutCancel(t.Context()), requestMemory); err != nil {
			t.Errorf("not everything was given back: %v", err)
		}
	})
}

// A connection notes whether it is to be read for a bounded time only.
type connection struct {
	*httptest.ResponseRecorder
	bounded bool
}

func (c *connection) SetReadDeadline(at time.Time) error {
	c.bounded = c.bounded || !at.IsZero()
	return nil
}

// Whoever sends a long body slowly keeps its share of the memory from others.
func TestALongBodyMustArriveInTimeWhateverIsAnswered(t *testing.T) {
	t.Parallel()
	config := onSQLite(t)
	for _, config.CheckAnswers = range []string{"off", "log"} {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		club := createServer(t, s.Handler(), token, "Chess club")
		operations, err := api.Operations()
		if err != nil {
			t.Fatal(err)
		}
		long := 0
		bounded := &boundedWriter{ResponseWriter: &connection{ResponseRecorder: httptest.NewRecorder()}}
		if err := http.NewResponseController(bounded).SetReadDeadline(time.Now()); err != nil {
			t.Errorf("where the answer may be long: %v", err)
		}
		for _, op := range operations {
			if op.BodyType != "application/json" || !op.Takes(api.SessionAuth) {
				continue
			}
			r := jsonRequest(op.Fill(func(*openapi3.Parameter) string { return club }), token, map[string]any{"x": strings.Repeat("x", 20<<10)})
			r.Method = op.Method
			c := &connection{ResponseRecorder: httptest.NewRecorder()}
			s.Handler().ServeHTTP(c, r)
			if c.Code == http.StatusRequestEntityTooLarge {
				continue
			}
			if long++; !c.bounded {
				t.Errorf("%s, answers checked: %s: the body may take as long as it likes (%d)", op.ID, config.CheckAnswers, c.Code)
			}
		}
		if long == 0 {
			t.Error("no operation takes a long body")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheListOfServersNeedsRoomForTheRolesInIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		unlimited(s)
		for n := range 2 {
			club := createServer(t, s.Handler(), token, fmt.Sprint("Club ", n))
			for range 40 {
				do[gen.RoleResponse](t, s.Handler(), "POST", "/roles", token, roleWith(club, "allow_dm"))
			}
		}
		for range 2 { // also where it was remembered
			giveBack, err := s.memory.Take(t.Context(), requestMemory-1000)
			if err != nil {
				t.Fatalf("not everything was given back: %v", err)
			}
			if w := send(s.Handler(), request("GET", "/servers", token)); w.Code != http.StatusServiceUnavailable {
				t.Errorf("without room: got %d, %d bytes", w.Code, w.Body.Len())
			}
			giveBack()
			if w := send(s.Handler(), request("GET", "/servers", token)); w.Code != http.StatusOK || w.Body.Len() < 80*24 {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		}
	})
}

func TestWhoDoesNotReadTheirAnswerDoesNotKeepOthersFromTheirs(t *testing.T) {
	t.Parallel()
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	target := longList(t, s, token, 1000)
	s.memory = memory.New(30 << 20) // of which making the answer takes most, and sending it a fifth
	base := listen(t, s)
	leaveOpen(t, base, 8, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", target, token))
	for tries := 1; ; tries++ {
		r := request("GET", base+target, token)
		r.RequestURI = ""
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK && err == nil && n > 6_000_000 {
			t.Logf("after %d tries", tries)
			return
		}
		if answer.StatusCode != http.StatusServiceUnavailable || tries == 10 {
			t.Fatalf("got %d, %d bytes (%v)", answer.StatusCode, n, err)
		}
	}
}

func TestWhoSendsLongBodiesSlowlyKeepsOnlyThemselvesWaiting(t *testing.T) {
	t.Parallel()
	s := open(t, onSQLite(t))
	slow, honest := tokenOf(t, s, "a@example.com"), tokenOf(t, s, "b@example.com")
	club := createServer(t, s.Handler(), honest, "Chess club")
	base := listen(t, s)
	leaveOpen(t, base, 8, fmt.Sprintf(
		"POST /channels HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n%s",
		slow, strings.Repeat(" ", 17<<10)))
	waitForTurns(t, s, 8)
	// What one of them does not hold is there for everybody else.
	giveBack, err := s.senders.Take(t.Context(), senderMemory-60_000)
	if err != nil {
		t.Fatal(err)
	}
	giveBack()
	for i := range 8 {
		body := fmt.Sprintf(`{"topic":"%d","channelType":"open","serverId":%q}`, i, club) + strings.Repeat(" ", 20<<10)
		r := request("POST", "/channels", honest)
		r.Header.Set("Content-Type", "application/json")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		if w := send(s.Handler(), r); w.Code != http.StatusOK {
			t.Errorf("got %d %.300s", w.Code, w.Body)
		}
	}
}

// Each of them is an account of its own, so that turns keep none of them waiting.
func TestWhoeverSendsLongBodiesSlowlyKeepsNobodyElseWaiting(t *testing.T) {
	for name, sent := range map[string]int{"the beginning": 17 << 10, "nearly all": 1020 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, onSQLite(t))
			honest := tokenOf(t, s, "honest@example.com")
			club := createServer(t, s.Handler(), honest, "Chess club")
			base := listen(t, s)
			const slow = 12
			for i := range slow {
				leaveOpen(t, base, 1, fmt.Sprintf(
					"POST /channels HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n%s",
					tokenOf(t, s, fmt.Sprintf("slow-%d@example.com", i)), strings.Repeat(" ", sent)))
			}
			waitForTurns(t, s, min(slow, senderMemory/sent-1)) // the others may be broken off already, as there is no room for them
			for i := range 4 {
				body := fmt.Sprintf(`{"topic":"%d","channelType":"open","serverId":%q}`, i, club) + strings.Repeat(" ", 200<<10)
				r := request("POST", "/channels", honest)
				r.Header.Set("Content-Type", "application/json")
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				if w := send(s.Handler(), r); w.Code != http.StatusOK {
					t.Errorf("got %d %.300s", w.Code, w.Body)
				}
			}
		})
	}
}

// waitForTurns waits until so many are in the middle of a long body, or wait for their turn.
func waitForTurns(t *testing.T, s *Server, want int) {
	t.Helper()
	waitForUsers(t, &s.turns, func(users int) bool { return users >= want })
}

func waitForUsers(t *testing.T, turns *bodyTurns, enough func(users int) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		turns.mu.Lock()
		users := 0
		for _, turn := range turns.callers {
			users += turn.users
		}
		turns.mu.Unlock()
		if enough(users) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d wait", users)
		}
	}
}

// A file of members is in memory before its rows are in the database: whoever leaves one open keeps no room that others need.
func TestAFileThatIsLeftOpenKeepsNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	s := open(t, onSQLite(t))
	o := newOffice(t, s)
	base := listen(t, s)
	head := "POST " + bulkUpdatePath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + o.key + "\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 60000000\r\n\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"data\"; filename=\"rows.csv\"\r\n\r\nidentifier,xp\n\""
	const many = 12
	leaveOpen(t, base, many, head+strings.Repeat("a", 500<<10)) // which is in the middle of a cell
	waitForUsers(t, s.files, func(users int) bool { return users == many })
	waitForUsers(t, s.files, func(users int) bool { return users*500<<10*bulkCost <= senderMemory }) // the others were broken off
	if w := o.sends(bulkUpdatePath, strings.NewReader("identifier,xp\n"+strings.Repeat("owner@example.com,0\n", 5000))); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// leaveOpen sends the same on some connections, and neither reads of them nor ends them before the test does.
func leaveOpen(t *testing.T, base string, connections int, sent string) {
	t.Helper()
	for range connections {
		c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, sent)
	}
}
