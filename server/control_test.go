package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

func TestACommandThatDoesNotFinishIsBrokenOffAndNoFailureOfTheServer(t *testing.T) {
	var log bytes.Buffer
	config := onSQLite(t)
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := open(t, config)
	conn, err := net.Dial("unix", filepath.Join(config.Data, "rejoin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: rejoin\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", owner.PathToken)
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server does not read the request: %q (%v)", line, err)
	}
	over, end := context.WithCancel(context.Background())
	end()
	s.stopControl(over)
	if err := s.Close(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if !strings.Contains(log.String(), "level=WARN msg=\"a command that this server was answering has not finished in time") {
		t.Errorf("the log says %s", &log)
	}
}

func TestACommandOnPostgreSQLOpensTheDatabaseAlone(t *testing.T) {
	config := onPostgreSQL(t)
	tokenOf(t, open(t, config), "a@example.com")
	data := filepath.Join(t.TempDir(), "data")
	s := open(t, Config{Data: data, Database: config.Database, Images: "s3://pictures?endpoint=http://127.0.0.1:1", CommandsOnly: true})
	if _, isNew, err := s.Token(t.Context(), "a@example.com"); err != nil || isNew {
		t.Errorf("a token: new %v (%v)", isNew, err)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a directory was made")
	}
}
