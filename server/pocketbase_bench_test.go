package server

import (
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// newPocketBase runs PocketBase with a collection whose records an account sees and creates if it owns them, and three of
// them, as GET /servers and POST /servers have it. All settings are its own: it logs requests to a database of its own, and it
// does not wait for the disk when it commits (synchronous=NORMAL), as Rejoin does. A power cut may take what it has
// acknowledged, so that only its lists compare with Rejoin's on equal terms.
func newPocketBase(b *testing.B, binary string) *backend {
	data := b.TempDir()
	const email, password = "bench@example.com", "not-a-secret"
	if output, err := exec.Command(binary, "superuser", "upsert", email, password, "--dir", data).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0") // it does not tell which port it has chosen
	if err != nil {
		b.Fatal(err)
	}
	free.Close()
	cmd := exec.Command(binary, "serve", "--http", free.Addr().String(), "--dir", data, "--dev=false")
	c := &backend{process: startProcess(b, cmd, regexp.MustCompile("Dashboard"))}
	type session struct {
		Token  string
		Record struct{ ID string }
	}
	var admin session
	credentials := map[string]any{"identity": email, "password": password}
	c.post(b, "/api/collections/_superusers/auth-with-password", "", credentials, &admin)
	const owned = "owner = @request.auth.id"
	c.post(b, "/api/collections", admin.Token, map[string]any{
		"name": "servers", "type": "base", "listRule": owned, "createRule": owned,
		"fields": []map[string]any{
			{"name": "name", "type": "text", "required": true},
			{"name": "owner", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1, "required": true},
		},
		"indexes": []string{"CREATE INDEX servers_by_owner ON servers (owner)"},
	}, nil)

	var users [2]session // who lists and who creates, so that the list stays as it is
	for i, email := range []string{"reader@example.com", "maker@example.com"} {
		credentials := map[string]any{"identity": email, "email": email, "password": password, "passwordConfirm": password}
		c.post(b, "/api/collections/users/records", admin.Token, credentials, nil)
		c.post(b, "/api/collections/users/auth-with-password", "", credentials, &users[i])
	}
	const records = "/api/collections/servers/records"
	reader, maker := users[0], users[1]
	for i := range 3 {
		c.post(b, records, reader.Token, map[string]any{"name": "Server " + strconv.Itoa(i), "owner": reader.Record.ID}, nil)
	}
	create := authorized(jsonRequest(records, "", map[string]any{"name": "Chess club", "owner": maker.Record.ID}), maker.Token)
	c.pools = map[string]*pool{
		"servers": onlyRequest(authorized(request("GET", records, ""), reader.Token)),
		"create-server": {requests: [][]byte{wire(create)}, count: func(int) int64 {
			var answer struct{ TotalItems int64 }
			c.do(b, authorized(request("GET", records+"?perPage=1", ""), maker.Token), &answer)
			return answer.TotalItems
		}},
	}
	return c
}

func (c *backend) post(b *testing.B, target, token string, body map[string]any, into any) {
	c.do(b, authorized(jsonRequest(target, "", body), token), into)
}

// authorized gives a request a token as PocketBase has it.
func authorized(r *http.Request, token string) *http.Request {
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	return r
}
