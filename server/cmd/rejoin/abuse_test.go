package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rejoin-dev/rejoin/api"
)

// abuseEnv makes the abuse as large as README says, instead of a hundredth of it.
const abuseEnv = "REJOIN_TEST_ABUSE"

// Whatever strangers send, nothing falls over, the memory stays bounded, and those who use the server notice little of it.
func TestHonestUsersAreServedWhateverOthersSend(t *testing.T) {
	share := 100
	if os.Getenv(abuseEnv) != "" {
		share = 1
	}
	a := newAbused(t)
	for _, attack := range []struct {
		name string
		run  func(*tally)
	}{
		{fmt.Sprintf("%d hostile requests", 100_000/share), func(found *tally) { a.hostile(100_000/share, found) }},
		{fmt.Sprintf("%d slow connections", 2000/share), func(found *tally) { a.slow(2000/share, found) }},
		{fmt.Sprintf("%d uploads at once", 500/share), func(found *tally) { a.uploads(500/share, found) }},
		{fmt.Sprintf("%d log-ins from as many networks", 5000/share), func(found *tally) { a.logIns(5000/share, found) }},
	} {
		a.during(attack.name, attack.run)
	}
	if peak := a.p.memory("VmHWM"); peak > a.idle+mostOverIdle {
		t.Errorf("it took %d MiB, of which %d at rest", peak>>20, a.idle>>20)
	}
	t.Logf("memory: %d MiB at rest, %d MiB at most; log: %d KiB", a.idle>>20, a.p.memory("VmHWM")>>20, len(a.p.stderr.String())>>10)
	if a.get("/livez") != http.StatusOK || a.get("/readyz") != http.StatusOK {
		t.Error("it is not well afterwards")
	}
}

// abused is a server that strangers abuse while somebody uses it.
type abused struct {
	t      *testing.T
	p      *process
	base   string
	data   string
	honest person
	guest  person // who has an account, too, and means no good
	idle   int64  // bytes at rest
}

// A person has an account with a password, and calls from a network of their own.
type person struct {
	client                 *http.Client
	email, password, token string
	server                 string
}

func newAbused(t *testing.T) *abused {
	a := &abused{t: t, data: t.TempDir()}
	a.p, a.base = serveShipped(t, "--data", a.data)
	a.honest, a.guest = a.register("honest@example.com", 9), a.register("guest@example.com", 666)
	a.idle = a.p.memory("VmRSS")
	return a
}

// register makes somebody with an account and a server.
func (a *abused) register(email string, network uint32) person {
	a.t.Helper()
	who := person{client: from(network), email: email, password: "a password of one's own"}
	a.post(who, "/auth/register", map[string]any{"email": who.email, "password": who.password}, nil)
	who.token = a.verify(who)
	a.found(&who)
	return who
}

// found makes a server for somebody.
func (a *abused) found(who *person) {
	a.t.Helper()
	var made struct{ Body struct{ ID string } }
	status, text := a.send(*who, "POST", "/servers", formType, form("Chess club", nil))
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != http.StatusCreated {
		a.t.Fatalf("no server: %d %s", status, text)
	}
	who.server = made.Body.ID
}

// from is a client in a network of its own.
func from(network uint32) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dialFrom(network), MaxIdleConnsPerHost: 64}}
}

// dialFrom dials from an address of the loopback network, of which every one is a network to a server.
func dialFrom(network uint32) func(context.Context, string, string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(network>>16), byte(network>>8), byte(network))}}
	return dialer.DialContext
}

func (a *abused) send(who person, method, path, kind string, body []byte) (status int, text string) {
	r, err := http.NewRequest(method, a.base+path, bytes.NewReader(body))
	if err != nil {
		a.t.Error(err)
		return 0, ""
	}
	if who.token != "" {
		r.Header.Set("Authorization", "Bearer "+who.token)
	}
	r.Header.Set("Content-Type", kind)
	answer, err := who.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(read)
}

func (a *abused) post(who person, path string, body map[string]any, into any) (status int) {
	text, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	status, answer := a.send(who, "POST", path, "application/json", text)
	if into != nil && status < 300 {
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			a.t.Error(err)
		}
	}
	return status
}

func (a *abused) get(path string) int {
	status, _ := a.send(a.honest, "GET", path, "", nil)
	return status
}

// verify reads the code that was mailed, and returns the token that it gives.
func (a *abused) verify(who person) (token string) {
	a.t.Helper()
	code := ""
	a.p.until("no mail", func() bool {
		mails, err := filepath.Glob(filepath.Join(a.data, "mail", "*.eml"))
		if err != nil {
			a.t.Fatal(err)
		}
		for _, mail := range mails {
			text, err := os.ReadFile(mail)
			if _, body, whole := strings.Cut(string(text), "\r\n\r\n"); err == nil && whole && strings.Contains(string(text), who.email) {
				code = regexp.MustCompile(`\b[0-9A-Z]{4}-[0-9A-Z]{4}\b`).FindString(body)
			}
		}
		return code != ""
	})
	var session struct{ Body struct{ Token string } }
	if status := a.post(who, "/auth/verify-email", map[string]any{"email": who.email, "code": code, "password": who.password}, &session); status != http.StatusOK {
		a.t.Fatalf("the address is not verified: %d", status)
	}
	return session.Body.Token
}

// A tally is how often there was which answer: a status, or in words that there was none.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	took   []time.Duration
}

func (c *tally) add(what string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
	c.took = append(c.took, took)
}

func (c *tally) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, c.counts[what]))
	}
	return strings.Join(parts, ", ")
}

// percentile is how long that share of the exchanges took at most.
func (c *tally) percentile(share float64) time.Duration {
	if len(c.took) == 0 {
		return 0
	}
	slices.Sort(c.took)
	return c.took[int(share*float64(len(c.took)-1))].Round(time.Millisecond)
}

// during abuses the server and says what there was to see meanwhile. Whoever uses it must be served.
func (a *abused) during(name string, attack func(*tally)) {
	a.t.Helper()
	// What was sent before may have ended the session, and deleted the server, of who has sent it.
	var session struct{ Body struct{ Token string } }
	if status := a.post(a.guest, "/auth/login", map[string]any{"email": a.guest.email, "password": a.guest.password}, &session); status != http.StatusOK {
		a.t.Fatalf("the guest is not let in: %d", status)
	}
	a.guest.token = session.Body.Token
	a.found(&a.guest)

	attacked, honest := &tally{counts: map[string]int{}}, &tally{counts: map[string]int{}}
	done := make(chan struct{})
	var users sync.WaitGroup
	for i, use := range []func() int{
		func() int { return a.get("/servers") },
		func() int {
			return a.post(a.honest, "/channels", map[string]any{"topic": "general", "channelType": "open", "serverId": a.honest.server}, nil)
		},
		func() int {
			return a.post(a.honest, "/auth/login", map[string]any{"email": a.honest.email, "password": a.honest.password}, nil)
		},
	} {
		users.Go(func() {
			pause := []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 10 * time.Second}[i]
			for {
				begin := time.Now()
				status := use()
				honest.add(strconv.Itoa(status), time.Since(begin))
				if status < 200 || status >= 300 {
					a.t.Errorf("%s: an honest request got %d", name, status)
				}
				select {
				case <-done:
					return
				case <-time.After(pause):
				}
			}
		})
	}
	begin := time.Now()
	attack(attacked)
	took := time.Since(begin)
	close(done)
	users.Wait()
	for what, n := range attacked.counts {
		if strings.HasPrefix(what, "5") && what != "503" {
			a.t.Errorf("%s: %d answers were %s", name, n, what)
		}
	}
	a.t.Logf("%s in %.1f s: %s | meanwhile, honest: %s; half of them within %s, 99 %% within %s",
		name, took.Seconds(), attacked, honest, honest.percentile(.5), honest.percentile(.99))
}

// attackers calls do n times, from many networks at once.
func attackers(n int, do func(i int, client *http.Client)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for worker := range min(64, n) {
		group.Go(func() {
			client := from(1000 + uint32(worker))
			defer client.CloseIdleConnections()
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				do(i, client)
			}
		})
	}
	group.Wait()
}

// hostile sends what no client would.
func (a *abused) hostile(n int, found *tally) {
	operations, err := api.Operations()
	if err != nil {
		a.t.Fatal(err)
	}
	attackers(n, func(i int, client *http.Client) {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		r := a.hostileRequest(operations, random)
		begin := time.Now()
		answer, err := client.Do(r)
		if err != nil {
			found.add("no answer", time.Since(begin))
			return
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		found.add(strconv.Itoa(answer.StatusCode), time.Since(begin))
	})
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// nasty are texts that have broken servers.
var nasty = []string{
	"", "0", "-1", "2", "9223372036854775808", "NaN", "null", "true", "[]", "{}", "'", `"; DROP TABLE servers; --`, "../../etc/passwd",
	"%00", "\u202e", "\u0001", "<script>alert(1)</script>", "${jndi:ldap://127.0.0.1/a}", "{{7*7}}", "$(id)", "http://169.254.169.254/",
	strings.Repeat("a", 5000), strings.Repeat("\u0001", 500), "000000000000000000000000", "65f0c0ffee65f0c0ffee65f0", "😀",
}

func (a *abused) hostileRequest(operations api.List, random *rand.Rand) *http.Request {
	op := operations[random.IntN(len(operations))]
	path := op.Fill(func(p *openapi3.Parameter) string { return pick(random, append(nasty, a.guest.server, "1")...) })
	if random.IntN(3) == 0 {
		path += "?" + pick(random, "serverId=", "page=", "limit=", "a[b]=", "cursor=") + pick(random, nasty...)
	}
	r, err := http.NewRequest(op.Method, a.base, bytes.NewReader(hostileBody(random)))
	if err != nil {
		a.t.Fatal(err)
	}
	r.URL.Opaque = "//" + r.URL.Host + strings.Map(func(c rune) rune { // as it is, but for what ends the line of a request
		if c <= ' ' || c > '~' {
			return 'x'
		}
		return c
	}, path)
	r.Header.Set("Content-Type", pick(random, cmp.Or(op.BodyType, "application/json"), "application/json", formType,
		"application/json; charset=utf-7", "text/plain", "multipart/form-data", "", "application/x-www-form-urlencoded"))
	switch random.IntN(4) {
	case 0:
		r.Header.Set("Authorization", "Bearer "+a.guest.token) // somebody who is let in, and sends junk
	case 1:
		r.Header.Set("Authorization", "Bearer "+fmt.Sprintf("%064x", random.Uint64()))
	case 2:
		r.Header.Set("x-api-key", pick(random, "", strings.Repeat("f", 64), strings.Repeat("a", 8000)))
	}
	if random.IntN(10) == 0 {
		r.Header.Set(pick(random, "X-Request-Id", "Idempotency-Key", "Cookie", "X-Forwarded-For", "Host", "Expect"), pick(random, "a", strings.Repeat("b", 20_000)))
	}
	if random.IntN(20) == 0 {
		r.Method = pick(random, "OPTIONS", "HEAD", "PATCH", "TRACE", "PROPFIND", "DELETE", "PUT")
	}
	return r
}

func hostileBody(random *rand.Rand) []byte {
	switch random.IntN(8) {
	case 0:
		return nil
	case 1: // deep
		return []byte(strings.Repeat(pick(random, "[", `{"a":`), 10_000))
	case 2: // wide
		return []byte(`{"` + strings.Repeat(`a":1,"`, 3000) + `a":1}`)
	case 3: // large
		return bytes.Repeat([]byte("x"), pick(random, 1<<10, 1<<16, 1<<20))
	case 4: // no text
		junk := make([]byte, 500)
		for i := range junk {
			junk[i] = byte(random.Uint32())
		}
		return junk
	case 5:
		return form(pick(random, nasty...), []byte(pick(random, nasty...)))
	}
	body := map[string]any{}
	for _, member := range []string{"email", "password", "topic", "channelType", "title", "userId", "serverId", "name", "permissions", "__proto__"} {
		if random.IntN(2) == 0 {
			body[member] = pick[any](random, pick(random, nasty...), random.Uint64(), -1.5, nil, []any{}, map[string]any{"a": nasty[random.IntN(len(nasty))]})
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return text
}

// slow opens connections on which little or nothing happens, and holds them.
func (a *abused) slow(n int, found *tally) {
	address := strings.TrimPrefix(a.base, "http://")
	head := "Host: a\r\nAuthorization: Bearer " + a.guest.token + "\r\n"
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			begin := time.Now()
			conn, err := dialFrom(2000+uint32(i))(context.Background(), "tcp", address)
			if err != nil {
				found.add("not let in", time.Since(begin))
				return
			}
			defer conn.Close()
			switch i % 4 {
			case 0: // a head that never ends
				io.WriteString(conn, "GET /servers HTTP/1.1\r\n")
			case 1: // a body that never ends
				io.WriteString(conn, "POST /channels HTTP/1.1\r\n"+head+"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
			case 2: // answers that nobody reads
				for range 20 {
					io.WriteString(conn, "GET /openapi.yaml HTTP/1.1\r\n"+head+"\r\n")
				}
			case 3: // nothing at all
			}
			conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if i%4 == 2 {
				time.Sleep(10 * time.Second)
			} else if _, err := conn.Read(make([]byte, 1)); err == nil {
				found.add("answered", time.Since(begin))
				return
			}
			found.add("held for 10 s", time.Since(begin))
		})
	}
	group.Wait()
}

// uploads sends images of the largest size that is allowed, all at once, with an account that may.
func (a *abused) uploads(n int, found *tally) {
	large := append(somePNG(), bytes.Repeat([]byte{0}, 5<<20-1000)...)
	body := form("", large)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			who := a.guest
			who.client = from(100_000 + uint32(i))
			defer who.client.CloseIdleConnections()
			begin := time.Now()
			status, _ := a.send(who, "PUT", "/servers/"+a.guest.server, formType, body)
			found.add(strconv.Itoa(status), time.Since(begin))
		})
	}
	group.Wait()
}

// logIns tries passwords of the honest account, each from another network.
func (a *abused) logIns(n int, found *tally) {
	var group sync.WaitGroup
	at := make(chan struct{}, 500)
	for i := range n {
		at <- struct{}{}
		group.Go(func() {
			defer func() { <-at }()
			who := person{client: from(200_000 + uint32(i))}
			defer who.client.CloseIdleConnections()
			begin := time.Now()
			status := a.post(who, "/auth/login", map[string]any{"email": a.honest.email, "password": fmt.Sprint("guess number ", i)}, nil)
			found.add(strconv.Itoa(status), time.Since(begin))
		})
	}
	group.Wait()
}
