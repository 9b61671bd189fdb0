package clienttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/client/clienttest"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestAClientIsSignedInOnAnEmptyServerOfItsOwn(t *testing.T) {
	for range 2 {
		c := clienttest.New(t)
		if me := must(c.Auth.Me(t.Context())); me.Email != "user@example.com" || !me.Verified || me.Number != "1" {
			t.Errorf("got %+v, want a fresh account", me)
		}
		if servers := must(c.Servers.List(t.Context())); len(servers) != 0 {
			t.Errorf("there is %v already", servers)
		}
		club := must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
		if servers := must(c.Servers.List(t.Context())); len(servers) != 1 || servers[0].ID != club.ID {
			t.Errorf("got %v, want what was made", servers)
		}
	}
}

func TestServersOfManyTestsAtOnce(t *testing.T) {
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			c := clienttest.New(t)
			must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
			if servers := must(c.Servers.List(t.Context())); len(servers) != 1 {
				t.Errorf("got %d servers, want 1", len(servers))
			}
		})
	}
}

func TestASecondClientOfAnAccountIsOfTheSameAccount(t *testing.T) {
	s := clienttest.Start(t)
	first, again, other := s.Client("vera@example.com"), s.Client("vera@example.com"), s.Client("ben@example.com")
	ids := []string{must(first.Auth.Me(t.Context())).Number, must(again.Auth.Me(t.Context())).Number, must(other.Auth.Me(t.Context())).Number}
	if diff := cmp.Diff([]string{"1", "1", "2"}, ids); diff != "" {
		t.Error(diff)
	}
	if err := first.Auth.LogOut(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := again.Auth.Me(t.Context()); err != nil {
		t.Errorf("the other session has ended too: %v", err)
	}
}

func TestEveryMailedCodeIsGivenOnce(t *testing.T) {
	s := clienttest.Start(t)
	c, ctx := s.Visitor(), t.Context()
	for _, email := range []string{"vera@example.com", "ben@example.com"} {
		must(c.Auth.Register(ctx, client.AccountCreate{Email: email, Password: "a long passphrase"}))
	}
	ben, vera := s.Code("ben@example.com"), s.Code("vera@example.com")
	must(c.Auth.VerifyEmail(ctx, "ben@example.com", ben))
	if err := c.Auth.ResendCode(ctx, "vera@example.com"); err != nil {
		t.Fatal(err)
	}
	again := s.Code("vera@example.com")
	if _, err := c.Auth.VerifyEmail(ctx, "vera@example.com", vera); vera != again && !errors.Is(err, client.ErrInvalidRequest) {
		t.Errorf("the code that was replaced: got %v, want ErrInvalidRequest", err)
	}
	must(c.Auth.VerifyEmail(ctx, "vera@example.com", again))
}

func TestTheClockIsTheTests(t *testing.T) {
	s := clienttest.Start(t)
	c, ctx := s.Client("vera@example.com"), t.Context()
	club := must(c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}))
	if off := time.Since(s.Now()); off < -time.Second || off > time.Second {
		t.Errorf("at first, the clock is %v off", off)
	}
	s.Advance(time.Hour)
	if off := time.Until(s.Now()) - time.Hour; off < -time.Second || off > time.Second {
		t.Errorf("advanced by an hour, the clock is %v off that", off)
	}

	at := time.Date(2030, 2, 28, 23, 59, 0, 0, time.UTC)
	s.SetTime(at)
	c = s.Client("vera@example.com")
	for _, tt := range []struct {
		advance time.Duration
		counted bool
	}{{0, true}, {59 * time.Second, false}, {time.Second, true}} {
		s.Advance(tt.advance)
		if at = at.Add(tt.advance); !s.Now().Equal(at) {
			t.Errorf("it is %v, want %v", s.Now(), at)
		}
		if visit := must(c.Servers.Visit(ctx, club.ID)); visit.Counted != tt.counted {
			t.Errorf("at %v: counted is %v", at, visit.Counted)
		}
	}
	s.Advance(31 * 24 * time.Hour)
	if _, err := c.Auth.Me(ctx); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("a month later: got %v, want ErrUnauthenticated", err)
	}
}

func TestIdsAreTheSameEachTime(t *testing.T) {
	ids := func() (made []string) {
		c := clienttest.New(t)
		for range 2 {
			club := must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
			made = append(made, club.ID)
		}
		return made
	}
	first, second := ids(), ids()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	if first[0] >= first[1] || !strings.HasPrefix(first[0], "00000000000000000000") {
		t.Errorf("got %q, want numbers in order", first)
	}
}

// tried is what became of each request of a client that does not wait.
func tried(t *testing.T, s *clienttest.Server, fault string, call func(*client.Client) error) (statuses []int, err error) {
	t.Helper()
	c := s.Client("vera@example.com", clienttest.WithFault(fault), client.WithRetry(client.Retry{Backoff: 1, Budget: 1000}),
		client.WithAfter(func(_ context.Context, a client.Attempt) { statuses = append(statuses, a.Status) }))
	return statuses, call(c)
}

func TestFaults(t *testing.T) {
	ctx := t.Context()
	list := func(c *client.Client) error { _, err := c.Servers.List(ctx); return err }
	create := func(c *client.Client) error {
		_, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
		return err
	}
	three := func(c *client.Client) error {
		return errors.Join(create(c), list(c), list(c))
	}
	for _, tt := range []struct {
		fault    string
		call     func(*client.Client) error
		statuses []int
		want     error
		servers  int
	}{
		{"status=503", create, []int{503, 503, 503, 503}, client.ErrUnavailable, 0},
		{"status=503; times=2", create, []int{503, 503, 201}, nil, 1},
		{"status=503;times=2;after=1", three, []int{201, 503, 503, 200, 200}, nil, 1},
		{"status=503; after=2", three, []int{201, 200, 503, 503, 503, 503}, client.ErrUnavailable, 1},
		{"status=503; times=0", list, []int{200}, nil, 0},
		{"status=502; times=1; operation=listMyServers", three, []int{201, 502, 200, 200}, nil, 1},
		{"status=429; operation=getMe", list, []int{200}, nil, 0},
		{"status=500", list, []int{500}, client.ErrInternal, 0},
		{"status=418", list, []int{418}, nil, 0},
		{"drop; times=2", create, []int{0, 0, 201}, nil, 1},
		{"drop", list, []int{0, 0, 0, 0}, io.EOF, 0},
		{"drop=answer; times=2", create, []int{0, 0, 201}, nil, 1},
		{"delay=1ms", create, []int{201}, nil, 1},
		{"delay=1ms; status=504; times=1; id=again", list, []int{504, 200}, nil, 0},

		{"", list, []int{200}, nil, 0},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			s := clienttest.Start(t)
			statuses, err := tried(t, s, tt.fault, tt.call)
			if diff := cmp.Diff(tt.statuses, statuses); diff != "" {
				t.Error(diff)
			}
			if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && err != nil && !strings.Contains(tt.fault, "418") {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if servers := must(s.Client("vera@example.com").Servers.List(ctx)); len(servers) != tt.servers {
				t.Errorf("there are %d servers, want %d", len(servers), tt.servers)
			}
		})
	}
}

func TestAFaultThatIsNoneIsSaidAtOnce(t *testing.T) {
	s := clienttest.Start(t)
	for fault, want := range map[string]string{
		"stats=500": `"stats" is not a part of a fault`, "slow": `"slow" is not a part of a fault`, "times=1": "one of status, drop and delay",
		"status=200": "from 400 to 599", "status=503; drop": "exclude each other", "status=503; times=-1": "not a number",
		"drop=request": "have the value answer", "delay=soon": "invalid duration", "status=500; operation=nothing": "not an operation",
		"drop; retry-after=1": "needs a status",
	} {
		_, err := client.New(s.URL, clienttest.WithFault(fault))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), strconv.Quote(fault)) {
			t.Errorf("%s: New says %v, want %q", fault, err, want)
		}
		inHeader := client.WithBefore(func(r *http.Request) { r.Header.Set("Fault", fault) })
		_, err = s.Client("vera@example.com", inHeader).Servers.List(t.Context())
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 400 || len(e.Fields) != 1 || e.Fields[0].Pointer != "header/Fault" {
			t.Errorf("%s in a header: got %v, want a 400 with a field header/Fault", fault, err)
		}
	}
}

func TestADelayIsAWait(t *testing.T) {
	c := clienttest.New(t, clienttest.WithFault("delay=1m"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

func TestADelayDoesNotOutliveTheTest(t *testing.T) {
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"without a body": func(ctx context.Context, c *client.Client) error { _, err := c.Servers.List(ctx); return err },
		"with a body": func(ctx context.Context, c *client.Client) error {
			_, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
			return err
		},
	} {
		test := &timed{TB: t}
		c := clienttest.New(test, clienttest.WithFault("delay=20s"))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want context.DeadlineExceeded", name, err)
		}
		cancel()
		start := time.Now()
		test.end()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: the end of the test took %v", name, took)
		}
	}
}

func TestAFaultComesInTheEnvelopeOfItsOperation(t *testing.T) {
	s := clienttest.Start(t)
	for path, want := range map[string]string{
		"/servers": "body meta", "/api/v1/servers": "body meta", "/nothing": "body meta",
		"/apis/v1/channels": "data message status", "/v1/channels": "data message status",
		"/apis/v1/communities/1/api-keys": "data message meta", "/apis/v1/api-keys/info": "data message meta",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Fault", "status=503; retry-after=7")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		res.Body.Close()
		var names []string
		for _, name := range []string{"body", "data", "message", "meta", "status"} {
			if _, ok := body[name]; ok {
				names = append(names, name)
			}
		}
		if got := strings.Join(names, " "); got != want || res.StatusCode != 503 || res.Header.Get("Retry-After") != "7" {
			t.Errorf("%s: got %d with %q and Retry-After %q, want %q", path, res.StatusCode, got, res.Header.Get("Retry-After"), want)
		}
	}
}

// Nothing else than this package imports it, so no server that is run knows the header.
func TestTheServerItselfKnowsNoFaults(t *testing.T) {
	files := must(os.ReadDir("../../server"))
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		if text := must(os.ReadFile("../../server/" + file.Name())); strings.Contains(string(text), "clienttest") {
			t.Errorf("%s imports this package", file.Name())
		}
	}
}

// What a test pays for a server and a client on it.
func BenchmarkNew(b *testing.B) {
	clienttest.New(b) // The first one is not counted.
	for b.Loop() {
		t := &timed{TB: b}
		clienttest.New(t)
		t.end()
	}
}

type timed struct {
	testing.TB
	cleanups []func()
}

func (t *timed) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *timed) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}
