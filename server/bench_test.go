package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

// BenchmarkListServers compares, over loopback sockets and in one run, GET /servers (authenticated, validated, three
// servers read from SQLite) with a bare Echo handler that answers the same bytes. The two take turns, so that whatever
// else the machine does hits both. The client only writes and reads bytes: what it costs would flatter the ratio.
func BenchmarkListServers(b *testing.B) {
	ctx, stop := context.WithCancel(context.Background())
	s, err := New(ctx, Config{Data: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	token, err := s.Token(ctx, "bench@example.com")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 3 {
		createServer(b, s.Handler(), token, fmt.Sprintf("Server %d", i))
	}
	answer := send(s.Handler(), request("GET", "/servers", token))
	if answer.Code != http.StatusOK {
		b.Fatalf("GET /servers answered %d", answer.Code)
	}

	bare := echo.New()
	bare.GET("/servers", func(c echo.Context) error {
		return c.JSONBlob(http.StatusOK, answer.Body.Bytes())
	})
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return listener
	}
	ours, theirs := listen(), listen()
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ours) }()
	bareServer := &http.Server{Handler: bare}
	go bareServer.Serve(theirs)

	var wire bytes.Buffer
	request("GET", "/servers", token).Write(&wire)
	compare(b, newLoad(b, ours.Addr(), wire.Bytes()), newLoad(b, theirs.Addr(), wire.Bytes()))

	stop()
	if err := <-done; err != nil {
		b.Error(err)
	}
	bareServer.Close()
	s.Close()
}

// compare runs both by turns and reports the ratio.
func compare(b *testing.B, ours, bare *load) {
	sides := []*load{ours, bare}
	const round = 2000
	for _, side := range sides { // connections, prepared statements and pools are warm when the clock starts
		side.run(b, round)
	}
	var took [2]time.Duration
	requests := 0
	b.ResetTimer()
	for requests < b.N {
		for i, side := range sides {
			took[i] += side.run(b, round)
		}
		requests += round
	}
	b.StopTimer()
	b.ReportMetric(float64(requests)/took[0].Seconds(), "rejoin-req/s")
	b.ReportMetric(float64(requests)/took[1].Seconds(), "bare-req/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
	b.ReportMetric(0, "ns/op") // both sides together; it says nothing
}

// A load sends one request over and over, on a few connections at once.
type load struct {
	conns   []net.Conn
	request []byte
}

func newLoad(b *testing.B, to net.Addr, request []byte) *load {
	l := &load{request: request}
	for range 8 * runtime.GOMAXPROCS(0) {
		conn, err := net.Dial("tcp", to.String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		l.conns = append(l.conns, conn)
	}
	return l
}

func (l *load) run(b *testing.B, requests int) time.Duration {
	start := time.Now()
	var group sync.WaitGroup
	for _, conn := range l.conns {
		group.Go(func() {
			answers := bufio.NewReader(conn)
			for range requests / len(l.conns) {
				if _, err := conn.Write(l.request); err != nil {
					b.Error(err)
					return
				}
				if err := skipAnswer(answers); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(start)
}

func skipAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("unexpected answer: %s", line)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = textproto.TrimBytes(line)
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("the answer has no Content-Length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
