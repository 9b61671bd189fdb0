package server

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A pool is requests of one kind, as bytes.
type pool struct {
	requests [][]byte
	each     int64 // how often each may be sent, because what it makes has a limit; 0: for ever
	taken    atomic.Int64
	made     atomic.Int64          // good answers
	count    func(taken int) int64 // what a caller sees of what was made with so many of the requests; nil: they make nothing
}

// onlyRequest is a pool of a request that makes nothing.
func onlyRequest(r *http.Request) *pool { return &pool{requests: [][]byte{wire(r)}} }

// wire is a request as it is sent.
func wire(r *http.Request) []byte {
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		panic(err)
	}
	return text.Bytes()
}

// take hands out a request that nobody else has, or the only one.
func (p *pool) take() ([]byte, error) {
	i := p.taken.Add(1) - 1
	if p.each == 0 {
		return p.requests[0], nil
	}
	if i >= int64(len(p.requests)) {
		return nil, errors.New("the machine is too fast for what was made ready: there is no room left to create more")
	}
	return p.requests[i], nil
}

// A load sends the requests of a pool on some connections at once. It only writes and reads bytes: what the client costs,
// the machine does not have for the server.
type load struct {
	address string
	pool    *pool
	conns   []*loadConn
}

type loadConn struct {
	net.Conn
	answers *bufio.Reader
	request []byte
	left    int64 // how often the request may still be sent; below 0: for ever
}

func newLoad(address string, requests *pool, connections int) *load {
	l := &load{address: address, pool: requests}
	for range connections {
		l.conns = append(l.conns, &loadConn{})
	}
	return l
}

// dial connects for a turn: servers end connections that are idle while others have theirs.
func (l *load) dial() (err error) {
	for _, c := range l.conns {
		if c.Conn, err = net.Dial("tcp", l.address); err != nil {
			return err
		}
		c.answers = bufio.NewReader(c)
	}
	return nil
}

func (l *load) close() {
	for _, c := range l.conns {
		if c.Conn != nil {
			c.Close()
		}
	}
}

// run sends requests for a while. All answers must be good ones.
func (l *load) run(long time.Duration) (sample, error) {
	var stop atomic.Bool
	began := time.Now()
	defer time.AfterFunc(long, func() { stop.Store(true) }).Stop()
	counts, failed := make([]int64, len(l.conns)), make([]error, len(l.conns))
	var group sync.WaitGroup
	for i, conn := range l.conns {
		group.Go(func() {
			for !stop.Load() && failed[i] == nil {
				if failed[i] = l.send(conn); failed[i] == nil {
					counts[i]++
				}
			}
		})
	}
	group.Wait()
	s := sample{took: time.Since(began)}
	for _, n := range counts {
		s.n += n
	}
	l.pool.made.Add(s.n)
	return s, cmp.Or(failed...)
}

func (l *load) send(c *loadConn) (err error) {
	if c.left == 0 {
		if c.request, err = l.pool.take(); err != nil {
			return err
		}
		c.left = l.pool.each
	}
	c.left--
	if _, err := c.Write(c.request); err != nil {
		return err
	}
	return skipAnswer(c.answers)
}

// skipAnswer reads an answer, which must be a good one.
func skipAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 2")) {
		status := string(line)
		rest, _ := r.Peek(r.Buffered())
		return fmt.Errorf("unexpected answer: %s%s", status, rest)
	}
	length := int64(-1)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = textproto.TrimBytes(line); len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return skipChunks(r)
	}
	_, err = io.CopyN(io.Discard, r, length)
	return err
}

func skipChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		length, err := strconv.ParseInt(string(textproto.TrimBytes(line)), 16, 64)
		if err != nil {
			return fmt.Errorf("the answer has neither a Content-Length nor chunks: %w", err)
		}
		if _, err := io.CopyN(io.Discard, r, length+2); err != nil || length == 0 {
			return err
		}
	}
}
