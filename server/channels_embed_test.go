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
)

// The page in testdata/embed is what a page of somebody else would be: it knows the contract and the secret, and nothing of ours.
func TestThePageOfTheExampleKnowsWhoLooksAtIt(t *testing.T) {
	config := onSQLite(t)
	now := time.Now()
	config.Now = func() time.Time { return now }
	s := open(t, config)
	c := must(client.New(listen(t, s), client.WithToken(tokenOf(t, s, "anna@example.com"))))
	server := must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
	channel := must(c.Channels.Create(t.Context(), client.ChannelCreate{
		ServerID: server.ID, Topic: "board", ChannelType: client.ChannelIframe, IframeURL: "https://games.example/board", SignIdentity: true,
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
	if status, text := look(asItIs); status != http.StatusOK || !strings.Contains(text, fmt.Sprintf("(%s)", me.Number)) {
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
