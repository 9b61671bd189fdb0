package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/backup"
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
	s := open(t, Config{Data: data, Database: config.Database, SecretKey: testKey, Images: "s3://pictures?endpoint=http://127.0.0.1:1", CommandsOnly: true})
	if _, isNew, err := s.Token(t.Context(), "a@example.com"); err != nil || isNew {
		t.Errorf("a token: new %v (%v)", isNew, err)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a directory was made")
	}
}

// stall asks for a backup that is larger than what the system keeps for whoever does not read, and reads its beginning only.
func stall(t *testing.T, s *Server, data string) {
	t.Helper()
	image := bytes.NewReader(pngOf(700, 700, true))
	if w := send(s.Handler(), uploadOf(t, tokenOf(t, s, "a@example.com"), image)); w.Code != http.StatusCreated {
		t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	conn, err := net.Dial("unix", filepath.Join(data, "rejoin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: rejoin\r\n\r\n", owner.PathBackup)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200 OK") {
		t.Fatalf("got %q (%v)", line, err)
	}
}

func TestABackupThatNobodyReadsMakesWayForTheNextOne(t *testing.T) {
	var log safeBuffer
	config := onSQLite(t)
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := open(t, config)
	s.patience = 100 * time.Millisecond
	stall(t, s, config.Data)
	for !strings.Contains(log.String(), "a backup was not made") {
		time.Sleep(10 * time.Millisecond)
	}
	s.patience = stalledAfter
	stream, err := owner.At(config.Data).Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if made, err := backup.Pass(t.Context(), stream, io.Discard); err != nil || made.Images != 1 {
		t.Errorf("the next one has %d images (%v)", made.Images, err)
	}
	if left, _ := filepath.Glob(filepath.Join(config.Data, "*.copy*")); len(left) > 0 {
		t.Errorf("the disk still holds %q", left)
	}
}

func TestAStopBreaksOffABackupAndDoesNotWaitForIt(t *testing.T) {
	var log safeBuffer
	config := onSQLite(t)
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := open(t, config)
	stall(t, s, config.Data)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if said := log.String(); !strings.Contains(said, `msg="a backup was not made" error="the server stops"`) || strings.Contains(said, "in time") {
		t.Errorf("the log says %s", said)
	}
}
