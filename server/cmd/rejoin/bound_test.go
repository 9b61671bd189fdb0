package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/server"
)

// mostOverIdle is how much memory the process may have over idle, whatever anybody sends.
const mostOverIdle = 256 << 20

// A hostile has a server to itself, as it is shipped: the race detector takes many times the memory.
type hostile struct {
	caller
	process    *process
	idle       int64
	operations api.List
	ids        map[string]string // by path parameter
	key        string            // an API key
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes its time")
	}
	p, base := serveShipped(t, "--rate-limit=off", "--drain=0s", "--data", t.TempDir())
	h := &hostile{process: p, ids: map[string]string{"hostname": strings.TrimPrefix(base, "http://")}}
	h.caller = caller{t: t, base: base, token: tokenIn.FindString(p.stdout.String())}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 32
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	var err error
	if h.operations, err = api.Operations(); err != nil {
		t.Fatal(err)
	}
	h.ask("GET", "/servers", "", nil)
	time.Sleep(200 * time.Millisecond) // what the start has left is given back meanwhile
	if h.idle = h.process.memory("VmRSS"); h.idle == 0 {
		t.Skip("this system does not say how much memory a process has")
	}
	return h
}

// withinBound fails the test if the process has had more memory than it may.
func (h *hostile) withinBound(after string) {
	h.t.Helper()
	over := h.process.memory("VmHWM") - h.idle
	h.t.Logf("after %s: %d MiB over %d MiB", after, over>>20, h.idle>>20)
	if over > mostOverIdle {
		h.t.Errorf("after %s the process has had %d MiB over idle, more than %d MiB", after, over>>20, mostOverIdle>>20)
	}
	if status, _, err := h.try("GET", "/livez", "", nil); err != nil || status != http.StatusOK {
		h.t.Errorf("after %s: %d %v", after, status, err)
	}
}

// inParallel runs something with so many hands.
func inParallel(hands int, do func(i int)) {
	var group sync.WaitGroup
	for i := range hands {
		group.Go(func() { do(i) })
	}
	group.Wait()
}

// unicodeEscape is a character in a pattern of a contract, which Go writes in another way.
var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// largest is the largest value that a schema lets pass, as JSON: texts of the characters that take the most bytes.
func (h *hostile) largest(name string, schema *openapi3.Schema, n int) any {
	switch {
	case h.ids[name] != "":
		return h.ids[name]
	case len(schema.Enum) > 0:
		return schema.Enum[n%len(schema.Enum)]
	case schema.Type.Is(openapi3.TypeObject):
		object := map[string]any{}
		for name, property := range schema.Properties {
			foreign := property.Value.Format == "objectid" && h.ids[name] == "" || unlikely[name] != ""
			if older := strings.Contains(name, "_p"); !foreign && !older { // of what is there in another spelling
				object[name] = h.largest(name, property.Value, n)
			}
		}
		return object
	case schema.Type.Is(openapi3.TypeArray):
		items := []any{}
		if schema.Items.Value.Format == "objectid" || schema.Items.Value.Pattern != "" {
			return items
		}
		for i := range int(*schema.MaxItems) {
			item := h.largest("", schema.Items.Value, i)
			if slices.ContainsFunc(items, func(other any) bool { return reflect.DeepEqual(other, item) }) {
				break // there are no others, and to look for them within each other takes for ever
			}
			items = append(items, item)
		}
		return items
	case schema.Type.Is(openapi3.TypeString):
		switch schema.Format {
		case "email":
			return fmt.Sprintf("%d@%s.example", n, strings.Repeat("a", 60))
		case "date-time":
			return "2099-01-01T00:00:00.000Z"
		case "objectid":
			return "66a282dab13eee0013cbb4d8"
		}
		if schema.Format == "binary" { // files are asked for elsewhere
			return "true"
		}
		for _, worst := range []string{"\x01", "\U0001f600", "<", "a", "1"} {
			text := strings.Repeat(worst, int(*schema.MaxLength))
			if pattern := regexp.MustCompile(unicodeEscape.ReplaceAllString(schema.Pattern, `\x{$1}`)); pattern.MatchString(text) {
				return text
			}
		}
		return "a:" + strings.Repeat("a", int(*schema.MaxLength)-2) // a URI
	case schema.Type.Is(openapi3.TypeInteger):
		return *schema.Max
	}
	return true
}

const boundary = "x"

// body is the largest body of an operation.
func (h *hostile) body(op *api.Operation, n int) (kind string, body []byte) {
	switch op.BodyType {
	case "":
		return "", nil
	case "application/json":
		text, err := json.Marshal(h.largest("", op.Body.Schema.Value, n))
		if err != nil {
			h.t.Fatal(err)
		}
		return op.BodyType, text
	}
	var form bytes.Buffer
	for name, part := range op.Body.Schema.Value.Properties {
		if part.Value.Format != "binary" {
			fmt.Fprintf(&form, "--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", name, h.largest(name, part.Value, n))
		}
	}
	form.WriteString("--x--\r\n")
	return op.BodyType + "; boundary=" + boundary, form.Bytes()
}

func (h *hostile) path(op *api.Operation) string {
	path := op.Fill(h.value)
	query := url.Values{}
	for _, p := range op.Parameters() {
		switch {
		case p.In == openapi3.ParameterInQuery && p.Required:
			query.Set(p.Name, fmt.Sprint(p.Example))
		case p.In == openapi3.ParameterInQuery && p.Name == "limit":
			query.Set("limit", "100")
		case p.In == openapi3.ParameterInQuery && p.Name == "wait": // else a stream goes on for an hour
			query.Set("wait", "0")
		}
	}
	if op.ServerPointer() == "query/serverId" {
		query.Set("serverId", h.ids["serverId"])
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func (h *hostile) value(p *openapi3.Parameter) string {
	if id := h.ids[p.Name]; id != "" {
		return id
	}
	return fmt.Sprint(p.Example)
}

// as is a caller of an operation, with a credential and the headers that it takes.
func (h *hostile) as(op *api.Operation) caller {
	as := h.caller
	as.token, as.header = h.credential(op), http.Header{}
	for _, p := range op.Parameters() {
		if p.In == openapi3.ParameterInHeader && p.Required {
			as.header.Set(p.Name, h.value(p))
		}
	}
	return as
}

// credential is one that an operation takes.
func (h *hostile) credential(op *api.Operation) string {
	if op.Takes(api.SessionAuth) {
		return h.token
	}
	return h.key
}

var madeID = regexp.MustCompile(`"_?id":"([0-9a-f-]{24,36})"`)

// unlikely are what cannot be given with everything else, and why.
var unlikely = map[string]string{
	"iframeUrl": "only for an iframe channel", "signIdentity": "likewise", "images": "only those that were uploaded before", "sender": "only the caller",
	"defaultValue": "only of the type",
}

// notFilled are operations that are not called to fill, and why.
var notFilled = map[string]string{
	"createUserApiKey": "it names the account", "createUserFieldHistory": "likewise", "createTopic": "it needs a forum", "createProducts": "createProduct makes as many", "playMiniGame": "it needs a game", "createAnalysis": "its levels must rise, and its list is by page", "createPurchase": "it needs a product",
}

// worst is a name that takes the most bytes.
var worst = strings.Repeat("\U0001f600", 100)

// worstOrigins are as many as there may be, and as long.
func worstOrigins() (all []any) {
	for i := range 20 {
		all = append(all, fmt.Sprintf("https://%02d%s.example", i, strings.Repeat("a", 180)))
	}
	return all
}

// filledWith are the bodies of what is more than its schema says, as large as they may be.
var filledWith = map[string]func(n int) map[string]any{
	"createLeaderboard": func(n int) map[string]any {
		return map[string]any{"name": worst, "slug": fmt.Sprint("board-", n), "description": strings.Repeat("<", 1000)}
	},
	"createCategory": func(n int) map[string]any {
		return map[string]any{"name": fmt.Sprint(n, " ", worst[:320]), "coverImage": "https://example.com/" + strings.Repeat("x", 1900)}
	},
	"createProduct": func(int) map[string]any {
		text := strings.Repeat("\U0001f600", 10_000)
		return map[string]any{"name": worst, "price": 1, "description": text, "redemptionInstructions": text}
	},
	"createRedemptionStatus": func(n int) map[string]any {
		return map[string]any{"name": fmt.Sprint(n, " ", strings.Repeat("\U0001f600", 40)), "category": "incomplete", "color": "#7A5CFA"}
	},
	"createMilestone": func(int) map[string]any {
		steps := []any{}
		for i := range 20 {
			steps = append(steps, map[string]any{"value": 9_000_000_000_000_000 + i, "xp": 1_000_000, "coins": 1_000_000})
		}
		return map[string]any{"name": worst, "field": "messages", "steps": steps}
	},
	"createSocial": func(int) map[string]any {
		return map[string]any{"platform": strings.Repeat("\U0001f600", 50), "url": "https://a.example/" + strings.Repeat("a", 1982), "action": "follow", "xp": 1_000_000, "coins": 1_000_000}
	},
	"createStreak": func(int) map[string]any {
		conditions := []any{}
		for i := range 10 {
			conditions = append(conditions, map[string]any{"action": "messages", "value": i + 1})
		}
		return map[string]any{"name": worst, "timeframe": map[string]any{"value": "daily", "count": 1}, "action": map[string]any{"operator": "or", "conditions": conditions}}
	},
	"createWebhook": func(int) map[string]any { // none is active, so that nothing is sent
		return map[string]any{"name": worst, "url": "https://a.example/" + strings.Repeat("a", 1982), "events": []any{"user.joined"}, "isActive": false}
	},
	"createIncomingWebhook": func(int) map[string]any {
		return map[string]any{"name": worst, "kind": "fields"}
	},
	"createWidget": func(n int) map[string]any {
		return map[string]any{"kind": "store", "name": worst, "slug": fmt.Sprint("store-", n), "allowedOrigins": worstOrigins(), "userIdentifierFields": []any{worst[:400]}}
	},
	"createWidgetAccessKey": func(int) map[string]any {
		return map[string]any{"name": worst, "allowedOrigins": worstOrigins()}
	},
	"createMiniGame": func(int) map[string]any {
		prizes := []any{}
		for range 50 {
			prizes = append(prizes, map[string]any{"name": worst, "weight": 1_000_000, "xp": 1_000_000, "coins": 1_000_000, "stock": 1_000_000})
		}
		return map[string]any{"name": worst, "type": "spin-wheel", "prizes": prizes}
	},
}

// fill makes as many things as there may be, by every operation that makes some, each as large as it may be.
func (h *hostile) fill() {
	h.t.Helper()
	var makers []*api.Operation
	for _, op := range h.operations {
		if op.Creates && op.Takes(api.SessionAuth) && notFilled[op.ID] == "" {
			makers = append(makers, op)
		}
	}
	slices.SortStableFunc(makers, func(a, b *api.Operation) int { // servers first, in the first of which is all else
		return len(b.BodyType) - len(a.BodyType)
	})
	for _, op := range makers {
		var made atomic.Int64
		most := 1000
		if op.ID == "createApiKey" {
			most = 99 // and one to use
		}
		inParallel(16, func(hand int) {
			for n := hand; n < most; n += 16 {
				kind, body := op.BodyType, []byte(nil)
				if with := filledWith[op.ID]; with != nil {
					given := with(n)
					given["serverId"] = h.ids["serverId"]
					body, _ = json.Marshal(given)
				} else {
					kind, body = h.body(op, n)
				}
				status, text, err := h.try(op.Method, h.path(op), kind, body)
				if err != nil || status >= 300 && status != http.StatusConflict {
					h.t.Errorf("%s: %d %.300s (%v)", op.ID, status, text, err)
				}
				if err != nil || status >= 300 {
					return
				}
				made.Add(1)
			}
		})
		h.t.Logf("%s: %d", op.ID, made.Load())
	}
}

func (h *hostile) request(op *api.Operation, kind string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		op.Method, h.path(op), h.credential(op), kind, length)
}

// Whatever is asked of any operation, with the largest contents that are legal and with such that are not, by many at once who
// do not read the answers and do not end what they send.
func TestNoCallerMakesTheProcessGrowBeyondItsBound(t *testing.T) {
	h := newHostile(t)
	h.ids["type"] = "text" // of a field: others need options, or take less
	kind, body := h.body(h.operations.ByID("createServer"), 0)
	h.ids["serverId"] = madeID.FindStringSubmatch(h.ask("POST", "/servers", kind, body))[1]
	h.ids["communityId"] = h.ids["serverId"]
	channel := h.ask("POST", "/channels", "application/json", []byte(`{"topic":"x","channelType":"open","serverId":"`+h.ids["serverId"]+`"}`))
	h.ids["channelId"] = madeID.FindStringSubmatch(channel)[1]
	message := h.ask("POST", "/apis/v1/messages/send", "application/json", []byte(`{"message":"x","channelId":"`+h.ids["channelId"]+`"}`))
	h.ids["messageId"] = regexp.MustCompile(`"messageId":"([0-9a-f]{24})"`).FindStringSubmatch(message)[1]
	h.fill()
	permissions := map[string]bool{}
	for _, op := range h.operations {
		if op.Permission != "" && op.Permission != api.AnyPermission {
			permissions[op.Permission] = true
		}
	}
	all, err := json.Marshal(slices.Sorted(maps.Keys(permissions)))
	if err != nil {
		t.Fatal(err)
	}
	made := h.ask("POST", "/apis/v1/communities/"+h.ids["serverId"]+"/api-keys", "application/json", []byte(`{"name":"x","permissions":`+string(all)+`}`))
	h.key = regexp.MustCompile(`"key":"([0-9a-f]{64})"`).FindStringSubmatch(made)[1]
	h.withinBound("filling")
	long := 0
	for _, op := range h.operations {
		if op.Method == "GET" {
			status, text, err := h.as(op).try(op.Method, h.path(op), "", nil)
			if err != nil || status != http.StatusOK && status != http.StatusNotFound && status != http.StatusConflict {
				t.Errorf("%s: %d %.300s (%v)", op.ID, status, text, err)
			}
			if len(text) > 1<<20 {
				long++
			}
		}
	}
	if long < 4 {
		t.Errorf("only %d answers have more than a MiB", long)
	}

	h.askTheLargest()
	h.withinBound("the largest that is legal")
	h.askJunk()
	h.withinBound("the largest that is not")
	h.readNothing()
	h.withinBound("answers that nobody reads")
	h.endNothing()
	h.withinBound("requests that do not end")
	h.sendHeadersAndLogIn()
	h.withinBound("headers without an end, and log-ins")
}

// askTheLargest asks every operation that leaves the session as it is, each many times at once.
func (h *hostile) askTheLargest() {
	for _, op := range h.operations {
		if op.Method == "DELETE" || op.Tag == "auth" && op.Method != "GET" { // what could end the session of all others
			continue
		}
		inParallel(24, func(i int) {
			kind, body := h.body(op, i)
			h.as(op).try(op.Method, h.path(op), kind, body)
		})
	}
}

// askJunk sends bodies that are refused and take the most to refuse.
func (h *hostile) askJunk() {
	for _, op := range h.operations {
		if op.BodyType != "application/json" || op.Tag == "auth" {
			continue
		}
		for _, junk := range []string{
			strings.Repeat("[", 200<<10), `{"a":` + strings.Repeat("[1,", 60<<10), `{"permissions":[` + strings.Repeat("1,", 30<<10) + `1]}`,
			"{" + strings.Repeat(`"a":{},`, 2<<10) + `"b":1}`, `{"topic":"` + strings.Repeat("\\u0001", 30<<10) + `"}`,
			`{"permissions":[` + strings.Repeat("{},", 5<<10) + `{}]}`,
		} {
			inParallel(16, func(int) { h.try(op.Method, h.path(op), op.BodyType, []byte(junk)) })
		}
	}
}

// hang opens connections that ask for something and read nothing, and returns what closes them.
func (h *hostile) hang(wire string, each int) (hangUp func()) {
	var open []net.Conn
	for range each {
		if c, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://")); err == nil {
			open = append(open, c)
			go io.WriteString(c, wire)
		}
	}
	time.Sleep(50 * time.Millisecond)
	return func() {
		for _, c := range open {
			c.Close()
		}
	}
}

// untilGrown is about how long the process needs for what it is asked by many connections.
const untilGrown = 3 * time.Second

// hangsOf is how many connections each of some operations gets: all together as many whatever their number is, as each of those costs something, too.
func (h *hostile) hangsOf(is func(op *api.Operation) bool) (each int) {
	of := slices.DeleteFunc(slices.Clone(h.operations), func(op *api.Operation) bool { return !is(op) })
	return 2000 / len(of)
}

func (h *hostile) readNothing() {
	reads := func(op *api.Operation) bool { return op.Method == "GET" }
	each := h.hangsOf(reads)
	for _, op := range h.operations {
		if reads(op) {
			defer h.hang(h.request(op, "", 0), each)()
		}
	}
	time.Sleep(untilGrown)
}

func (h *hostile) endNothing() {
	each := h.hangsOf(func(op *api.Operation) bool { return op.BodyType == "application/json" })
	for _, op := range h.operations {
		switch op.BodyType {
		case "application/json":
			defer h.hang(h.request(op, op.BodyType, 64<<10)+strings.Repeat(" ", 60<<10), each)()
		case "multipart/form-data":
			const head = "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n\x89PNG\r\n\x1a\n"
			defer h.hang(h.request(op, op.BodyType+"; boundary=x", 5<<20)+head+strings.Repeat("x", 4<<20), 200)()
		}
	}
	time.Sleep(untilGrown)
}

func (h *hostile) sendHeadersAndLogIn() {
	var head strings.Builder // of as many headers as fit
	for i := range 10_000 {
		fmt.Fprintf(&head, "%x:b\r\n", i)
	}
	defer h.hang("GET /servers HTTP/1.1\r\nHost: x\r\n"+head.String(), 500)()
	inParallel(150, func(n int) {
		kind, body := h.body(h.operations.ByID("logIn"), n)
		h.try("POST", "/auth/login", kind, body)
	})
}

// Of one < the answer made six bytes: 10,000 badges were 182 MB and 985 MiB of memory.
func TestTenThousandBadgesOfOneCharacterTakeLittle(t *testing.T) {
	h := newHostile(t)
	kind, body := h.body(h.operations.ByID("createServer"), 0)
	server := madeID.FindStringSubmatch(h.ask("POST", "/servers", kind, body))[1]
	var made, refused atomic.Int64
	inParallel(16, func(hand int) {
		for n := hand; n < 10_000 && refused.Load() == 0; n += 16 {
			status, text, err := h.try("POST", "/badges", "application/json", fmt.Appendf(nil, `{"title":"x","action":"custom","serverId":%q,"description":%q}`,
				server, strings.Repeat("<", 1000)))
			switch {
			case err == nil && status == http.StatusOK:
				made.Add(1)
			case err == nil && status == http.StatusConflict && strings.Contains(text, "limit reached"):
				refused.Add(1)
			default:
				t.Errorf("got %d %s %v", status, text, err)
				return
			}
		}
	})
	if made.Load() != 1000 {
		t.Errorf("%d badges were made, want 1,000", made.Load())
	}
	inParallel(5, func(int) {
		r, _ := http.NewRequest("GET", h.base+"/badges?serverId="+server, nil)
		r.Header.Set("Authorization", "Bearer "+h.token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		if n, err := io.Copy(io.Discard, bufio.NewReader(answer.Body)); err != nil || answer.StatusCode != http.StatusOK || n > 2<<20 {
			t.Errorf("got %d, %d bytes (%v)", answer.StatusCode, n, err)
		}
	})
	h.withinBound("listing them")
}

// A list of servers has the ids of all their roles: 250,000 of them, which its items do not tell.
func TestAThousandServersOfManyRolesTakeLittle(t *testing.T) {
	h := newHostile(t)
	data := h.process.Args[len(h.process.Args)-1]
	db, err := sql.Open("sqlite", filepath.Join(data, server.DatabaseFile)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	const servers = `WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 990), r (j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM r WHERE j < 250) `
	for _, text := range []string{ // over the wire it would take hours
		`INSERT INTO accounts (number, id, email, display_name, created_at) VALUES (1000, 'x', 'x', 'x', 0)`,
		`INSERT INTO servers (id, name, owner, created_at) ` + servers + `SELECT printf('%024x', i), 'x', 1000, i FROM s`,
		`INSERT INTO members (server_id, account, joined_at) ` + servers + `SELECT printf('%024x', i), 1, i FROM s`,
		`INSERT INTO roles (id, server_id, everyone, title, description, class, position, billable, server_permissions, channel_permissions, created_at, updated_at) ` +
			servers + `SELECT printf('%012x%012x', i, j), printf('%024x', i), j = 250, 'x', '', 'x', j, FALSE, '{"manage_roles":false}', '{}', 0, 0 FROM s, r`,
	} {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	kind, body := h.body(h.operations.ByID("createServer"), 0) // the process sees what it has not written once it writes itself
	own := madeID.FindStringSubmatch(h.ask("POST", "/servers", kind, body))[1]
	h.ask("DELETE", "/servers/"+own, "", nil)
	var whole atomic.Int64
	inParallel(24, func(int) {
		if status, text, err := h.try("GET", "/servers", "", nil); err == nil && status == http.StatusOK && len(text) > 6<<20 {
			whole.Add(1)
		}
		if status, text, err := h.try("POST", "/channels", "application/json", []byte(`{"topic":"x","channelType":"open"}`)); err != nil || status != http.StatusBadRequest {
			t.Errorf("got %d %.300s (%v)", status, text, err)
		}
	})
	t.Logf("%d of 24 got their list", whole.Load())
	if whole.Load() == 0 {
		t.Error("nobody got their list")
	}
	h.withinBound("listing them")
}
