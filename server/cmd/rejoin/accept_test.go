package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Who cannot be let in notices; the operator must, too, and the log must not be what fills the disk.
func TestTooManyConnectionsAreInTheLogAFewTimesAndHarmNobodyAfterwards(t *testing.T) {
	t.Parallel()
	p := &process{Cmd: exec.Command("sh", "-c", `ulimit -n 64 && exec "$0" serve --addr=127.0.0.1:0 --data "$1"`, os.Args[0], t.TempDir()), t: t}
	p.run()
	base := p.answers()
	var connections []net.Conn
	for range 200 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		connections = append(connections, conn)
	}
	const line = `level=ERROR msg="connections cannot be accepted" error="http: Accept error: `
	p.until("nothing is logged", func() bool { return strings.Contains(p.stderr.String(), line) })
	p.until("the repeated lines are not summed up", func() bool {
		return strings.Contains(p.stderr.String(), `level=ERROR msg=repeated message="connections cannot be accepted"`)
	})
	if n := strings.Count(p.stderr.String(), line); n > 20 {
		t.Errorf("the log says it %d times", n)
	}
	for _, conn := range connections {
		conn.Close()
	}
	p.until("nobody is let in afterwards", func() bool { return get(t, base+"/servers", "") == http.StatusUnauthorized })
}
