package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// The page in testdata/embed is what a page of somebody else would be: it knows the contract and the secret, and nothing of ours.
func TestThePageOfTheExampleKnowsWhoLooksAtIt(t *testing.T) {
	config := onSQLite(t)
	config.Idle = true // nothing looks at the clock while it is moved
	now := time.Now()
	config.Now = func() time.Time { return now }
	s := open(t, config)
	c := must(client.New(listen(t, s), client.WithToken(tokenOf(t, s, "anna@example.com"))))
	server := must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
	channel := must(c.Channels.Create(t.Context(), client.ChannelCreate{
		ServerID: server.ID, Topic: "board", ChannelType: client.ChannelIframe, IframeURL: "http://127.0.0.1:8090/board", SignIdentity: true,
	}))
	page := startPage(t, channel.SigningSecret)
	look := func(change func(url.Values)) (int, string) {
		address := must(url.Parse(must(c.Channels.Embed(t.Context(), channel.ID)).URL))
		query := address.Query()
		change(query)
		answer := must(http.Get(page + "/?" + query.Encode()))
		defer answer.Body.Close()
		return answer.StatusCode, string(must(io.ReadAll(answer.Body)))
	}
	asItIs := func(url.Values) {}
	me := must(c.Auth.Me(t.Context()))
	if status, text := look(asItIs); status != http.StatusOK || text != fmt.Sprintf("Hello, member (%s)", me.Number) {
		t.Errorf("got %d: %s", status, text)
	}
	for name, value := range map[string]string{"user_id": "7", "username": "vera", "server_id": channel.ID, "ts": fmt.Sprint(now.Unix() + 1), "sig": ""} {
		if status, text := look(func(query url.Values) { query.Set(name, value) }); status != http.StatusForbidden {
			t.Errorf("with another %s: got %d: %s", name, status, text)
		}
	}
	now = now.Add(-embedLife - time.Second)
	if status, text := look(asItIs); status != http.StatusForbidden {
		t.Errorf("after %v: got %d: %s", embedLife, status, text)
	}
}

// startPage builds and runs the example, and returns where it is.
func startPage(t *testing.T, secret string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "embed")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./testdata/embed").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if output, err := exec.CommandContext(t.Context(), binary).CombinedOutput(); err == nil || !strings.HasPrefix(string(output), "usage: ") {
		t.Errorf("without an address, the page ends with %v: %s", err, output)
	}
	command := exec.CommandContext(t.Context(), binary, "127.0.0.1:0")
	command.Env = append(os.Environ(), "SIGNING_SECRET="+secret)
	output := must(command.StdoutPipe())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(address)
}

func TestTheQueryOfAPageStaysAsItWasWritten(t *testing.T) {
	for query, want := range map[string]string{
		"":                          "",
		"a=1;b=2":                   "a=1;b=2",
		"b=2&a=1&&x&%zz":            "b=2&a=1&&x&%zz",
		"a=%20+&ts=1":               "a=%20+",
		"a=1;ts=1;b=2&sig=1&c":      "a=1;b=2&c",
		"user%5Fid=9&username&x=ts": "x=ts",
	} {
		channel := gen.Channel{IframeURL: "https://games.example/board?" + query + "#top", ServerID: "s"}
		got := must(signedFor(channel, store.Account{AccountNumber: 7}, "secret", time.Unix(5, 0)))
		own, ours, _ := strings.Cut(strings.TrimPrefix(got, "https://games.example/board?"), "server_id=s&sig=")
		if strings.TrimSuffix(own, "&") != want || !strings.HasSuffix(ours, "&ts=5&user_id=7&username=#top") {
			t.Errorf("%q: got %s", query, got)
		}
	}
}
