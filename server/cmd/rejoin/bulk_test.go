package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
)

// An office is an API key that may send files of many members, and who has made it.
type office struct {
	caller
	server, key string
}

func officeOf(c caller) office {
	c.t.Helper()
	o := office{caller: c}
	var server struct {
		Body struct {
			ID string `json:"_id"`
		}
	}
	json.Unmarshal([]byte(c.ask("POST", "/servers", formType, form("Chess club", nil))), &server)
	o.server = server.Body.ID
	var key struct{ Data struct{ Key string } }
	text := c.ask("POST", "/apis/v1/communities/"+o.server+"/api-keys", "application/json", []byte(`{"name":"office","permissions":["bulkUpdateUser"],"expirePeriod":0}`))
	if json.Unmarshal([]byte(text), &key); key.Data.Key == "" {
		c.t.Fatal(text)
	}
	o.key = key.Data.Key
	c.t.Setenv("REJOIN_URL", c.base)
	c.t.Setenv("REJOIN_KEY", o.key)
	return o
}

// coins are those of the owner.
func (o office) coins() int {
	o.t.Helper()
	var has struct{ Body struct{ Coins int } }
	json.Unmarshal([]byte(o.ask("GET", "/servers/"+o.server+"/members/1/balance", "", nil)), &has)
	return has.Body.Coins
}

// addingCoins is a file that gives the owner one coin by each of its rows.
func addingCoins(t *testing.T, rows int) (path string) {
	t.Helper()
	return write(t, "rows.csv", "identifier,coins_op,coins\n"+strings.Repeat("1,add,1\n", rows))
}

func TestAFileIsSentOnceAndFollowedToItsEnd(t *testing.T) {
	data := t.TempDir()
	_, base := serve(t, "--data", data)
	o := officeOf(callerOf(t, data, base))
	good, bad := addingCoins(t, 300), write(t, "bad.csv", "identifier,coins_op,coins\n1,add,5\nnobody,add,5\n"+strings.Repeat("1,take,5\n", 25))
	results := filepath.Join(t.TempDir(), "results.csv")
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stdout []string
		stderr string
		coins  int // afterwards
	}{
		{"a good file", []string{good}, 0, []string{"done: 300 of 300 rows done, 0 failed\n"}, "300 of 300 rows", 300},
		{"it again", []string{good}, 0, []string{"done: 300 of 300 rows done, 0 failed\n"}, "the same file was sent before", 300},
		{"it once more", []string{"--again", good}, 0, []string{"done: 300 of 300 rows done, 0 failed\n"}, "the file is", 600},
		{"rows that fail", []string{"--results", results, bad}, 1, []string{
			"done_with_errors: 27 of 27 rows done, 26 failed\nrow 2, identifier: must name a member of the community\nrow 3, coins_op: must be add", "\n... and 6 more rows; --results"}, "", 605},
	} {
		code, stdout, stderr := rejoin(append([]string{"bulk"}, test.args...)...)
		for _, want := range test.stdout {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: it does not say %q: %s", test.name, want, stdout)
			}
		}
		if code != test.code || !strings.Contains(stderr, test.stderr) || strings.ContainsAny(stdout+stderr, "\r\x1b") || o.coins() != test.coins {
			t.Errorf("%s: %d, %d coins: %s%s", test.name, code, o.coins(), stdout, stderr)
		}
	}
	if text := textOf(t, results); !strings.HasPrefix(text, "row,identifier,result,column,message\n1,1,succeeded,,\n2,nobody,failed,identifier,must ") || strings.Count(text, "\n") != 28 {
		t.Errorf("the results are %s", text)
	}
	if info, err := os.Stat(results); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the results are for others to read: %v, %v", info.Mode(), err)
	}
	before := textOf(t, results)
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--results", results, good}, 3, "is there already"},
		{[]string{"--results", good, "--replace", good}, 3, "is the file that is sent"},
		{[]string{"--results", results, "--replace", good}, 0, ""},
	} {
		sent := textOf(t, good)
		if code, _, stderr := rejoin(append([]string{"bulk"}, test.args...)...); code != test.code || !strings.Contains(stderr, test.says) || textOf(t, good) != sent {
			t.Errorf("%v: got %d %s", test.args, code, stderr)
		}
		if same := textOf(t, results) == before; same != (test.code != 0) {
			t.Errorf("%v: the results are the same: %v", test.args, same)
		}
	}
}

func TestWhatCannotBeSentIsOneClearLine(t *testing.T) {
	data := t.TempDir()
	_, base := serve(t, "--data", data)
	o := officeOf(callerOf(t, data, base))
	good := addingCoins(t, 1)
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown column":    {[]string{write(t, "a.csv", "identifier,coinz\n1,1\n")}, 3, "rejoin: the header, column 2: \"coinz\" is not known here: the columns are identifier, xp_op, xp, coins_op, coins [request "},
		"no text":           {[]string{write(t, "b.csv", "identifier,xp\n1,\xff\n")}, 3, "rejoin: row 1, column 2: must be UTF-8 [request "},
		"unknown key":       {[]string{"--key", strings.Repeat("0", 64), good}, 3, "rejoin: Sign in first: "},
		"a session":         {[]string{"--key", o.token, good}, 3, "rejoin: You may not do this: "},
		"no key":            {[]string{"--key", "", good}, 3, "rejoin: --url and --key must not be empty"},
		"half a key":        {[]string{"--key", "a b", good}, 2, "rejoin: --key must be an API key"},
		"bad address":       {[]string{"--url", "nonsense", good}, 2, "rejoin: --url: the base URL must begin with http"},
		"nobody there":      {[]string{"--url", "http://127.0.0.1:1", good}, 3, "rejoin: 127.0.0.1:1: connection refused\n"},
		"no file":           {nil, 2, "rejoin: --follow or a file must be given"},
		"a file that is":    {[]string{"nothing.csv"}, 2, "no such file"},
		"no standard input": {[]string{"-"}, 3, "rejoin: the header: the file is empty"},
		"an empty pipe":     {[]string{"/dev/null"}, 3, "rejoin: the header: the file is empty"},
		"template and":      {[]string{"--template", "import", good}, 2, "rejoin: --template prints columns, and nothing else can be asked for"},
		"unknown template":  {[]string{"--template", "products"}, 2, "rejoin: --template must be one of import, update, premium, and is"},
		"rest of nothing":   {[]string{"--rest", o.server}, 2, "rejoin: --rest needs the file that was sent"},
		"rest of nobody's":  {[]string{"--rest", o.server, good}, 3, "rejoin: Not found: there is no such bulk update"},
		"both":              {[]string{"--follow", o.server, good}, 2, "rejoin: --follow or a file must be given, and not both"},
		"unknown to all":    {[]string{"--follow", o.server}, 3, "rejoin: Not found: there is no such bulk update"},
		"results, a place":  {[]string{"--results", ".", good}, 3, "rejoin: .: is a directory, and must be a file\n"},
		"results, nowhere":  {[]string{"--results", "/nowhere/r.csv", good}, 3, "rejoin: /nowhere/r.csv: no such file"},
		"unknown type":      {[]string{"--type", "export", good}, 2, "rejoin: --type must be one of import, update, premium, and is"},
	} {
		code, stdout, stderr := rejoin(append([]string{"bulk"}, test.args...)...)
		if code != test.code || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 || stdout != "" || strings.Contains(stderr, o.key) {
			t.Errorf("%s: got %d %q, want %d with %q", name, code, stdout+stderr, test.code, test.want)
		}
	}
	if o.coins() != 0 {
		t.Errorf("something was done: %d coins", o.coins())
	}
}

func TestAFileIsFollowedWhileTheServerIsKilledAndStartsAgain(t *testing.T) {
	data, at := t.TempDir(), freeAddress(t)
	args := []string{"serve", "--addr", at, "--data", data, "--rate-limit=off"}
	server := start(t, nil, args...)
	o := officeOf(callerOf(t, data, server.answers()))
	const rows = 10_000
	follows := start(t, nil, "bulk", addingCoins(t, rows))
	follows.until("no row is done", func() bool { return strings.Contains(follows.stderr.String(), "running, ") })
	server.Process.Kill()
	server.Wait()
	follows.until("it does not say that there is no answer", func() bool { return strings.Contains(follows.stderr.String(), "asking again") })
	start(t, nil, args...).answers()
	follows.untilEnd(func() {})
	if out := follows.stdout.String(); follows.ProcessState.ExitCode() != 0 || out != fmt.Sprintf("done: %d of %d rows done, 0 failed\n", rows, rows) || o.coins() != rows {
		t.Errorf("%v, %d coins: %s%s", follows.ProcessState, o.coins(), out, &follows.stderr)
	}
}

func TestWhoStopsFollowingIsToldThatTheBackendGoesOn(t *testing.T) {
	data := t.TempDir()
	_, base := serve(t, "--data", data)
	o := officeOf(callerOf(t, data, base))
	const rows = 5000
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		before := o.coins()
		follows := start(t, nil, "bulk", "--again", addingCoins(t, rows))
		follows.until("it is not sent", func() bool { return strings.Contains(follows.stderr.String(), "the file is") })
		follows.signal(signal)
		follows.untilEnd(func() {})
		said := regexp.MustCompile(`: the backend goes on with the rows, unless somebody cancels the file: rejoin bulk --follow ([0-9a-f]{24})\n$`).FindStringSubmatch(follows.stderr.String())
		if follows.ProcessState.ExitCode() != 3 || said == nil {
			t.Fatalf("%v: %v %s%s", signal, follows.ProcessState, &follows.stdout, &follows.stderr)
		}
		if code, stdout, stderr := rejoin("bulk", "--follow", said[1]); code != 0 || o.coins() != before+rows {
			t.Errorf("%v: %d, %d coins: %s%s", signal, code, o.coins(), stdout, stderr)
		}
	}
}

func TestOnATerminalThereIsABarAndWhatIsSaidStandsAboveIt(t *testing.T) {
	var out output
	show := newBulkProgress(&out, true)
	file, err := os.Open(addingCoins(t, 20))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content := show.sending(file, 100)
	content.Read(make([]byte, 50))
	show.note("the file is 1")
	show.rows(&client.BulkUpdate{Status: client.BulkIsRunning, Total: 20, Processed: 5})
	show.rows(&client.BulkUpdate{Status: client.BulkIsDone, Total: 20, Processed: 20})
	show.end()
	text := out.String()
	if note, bar := strings.Index(text, "rejoin: the file is 1\n"), strings.LastIndex(text, "done 20 / 20 rows ["); note < 0 || bar < note || !strings.Contains(text[bar:], "100 %") {
		t.Errorf("got %q", text)
	}
}

func TestWhatIsRefusedForLongerThanTheCommandWaitsIsSaidAtOnce(t *testing.T) {
	for after, want := range map[time.Duration]bool{0: true, bulkPatience: true, bulkPatience + time.Second: false} {
		if got := passes(&client.Error{Status: http.StatusTooManyRequests, RetryAfter: after}); got != want {
			t.Errorf("after %v: got %v, want %v", after, got, want)
		}
	}
}

// Nothing is done twice, and nothing is left out.
func TestWhoGoesOnWithAFileThatWasCancelledSendsItsRest(t *testing.T) {
	data := t.TempDir()
	_, base := serve(t, "--data", data)
	o := officeOf(callerOf(t, data, base))
	const rows = 20_000
	file := addingCoins(t, rows)
	follows := start(t, nil, "bulk", file)
	follows.until("no row is done", func() bool { return strings.Contains(follows.stderr.String(), "running, ") })
	id := regexp.MustCompile(`the file is ([0-9a-f]{24})`).FindStringSubmatch(follows.stderr.String())[1]
	if code, _, stderr := rejoin("bulk", "--rest", id, file); code != 3 || !strings.Contains(stderr, id+" has not ended: --follow "+id) {
		t.Errorf("the rest of what runs: got %d %s", code, stderr)
	}
	owner := o.token
	o.token = o.key
	o.ask("POST", "/apis/v1/bulk-updates/"+id+"/cancel", "application/json", nil)
	o.token = owner
	follows.untilEnd(func() {})
	left := regexp.MustCompile(`of the last (\d+) rows, nothing was done: rejoin bulk --rest ` + id + " (.*) >rest.csv").FindStringSubmatch(follows.stdout.String())
	if follows.ProcessState.ExitCode() != 3 || left == nil || left[2] != file {
		t.Fatalf("%v: %s%s", follows.ProcessState, &follows.stdout, &follows.stderr)
	}
	code, rest, stderr := rejoin("bulk", "--rest", id, file)
	if code != 0 || fmt.Sprint(strings.Count(rest, "\n")-1) != left[1] || !strings.HasPrefix(rest, "identifier,coins_op,coins\n1,add,1\n") {
		t.Fatalf("the rest: got %d %.100s%s", code, rest, stderr)
	}
	if code, stdout, stderr := rejoinReading(strings.NewReader(rest), "bulk", "-"); code != 0 || o.coins() != rows {
		t.Errorf("%d, %d coins: %s%s", code, o.coins(), stdout, stderr)
	}
	if code, _, stderr := rejoin("bulk", "--rest", id, addingCoins(t, 1)); code != 3 || !strings.Contains(stderr, "it is not the same file") {
		t.Errorf("the rest of another file: got %d %s", code, stderr)
	}
}

func TestTheColumnsOfAFileArePrinted(t *testing.T) {
	data := t.TempDir()
	_, base := serve(t, "--data", data)
	officeOf(callerOf(t, data, base))
	for kind, want := range map[string]string{
		"import": "firstname,lastname,username,displayname,email,accessLevel,externalId,referral\n", "update": "identifier,xp_op,xp,coins_op,coins\n", "premium": "identifier,amount_op,amount,reason\n",
	} {
		if code, stdout, stderr := rejoin("bulk", "--template", kind); code != 0 || stdout != want {
			t.Errorf("%s: got %d %s%s", kind, code, stdout, stderr)
		}
	}
}
