package server

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// connections are those of a listener that are open. net/http closes the idle ones when it stops, and with them requests
// that have arrived and were not read yet.
type connections struct {
	mu    sync.Mutex
	open  map[net.Conn]struct{}
	empty chan struct{} // closed when there are none and nobody may open one; nil before
}

func newConnections() *connections { return &connections{open: map[net.Conn]struct{}{}} }

// note is a hook of http.Server.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew, http.StateClosed, http.StateHijacked:
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew {
		c.open[conn] = struct{}{}
		return
	}
	delete(c.open, conn)
	if c.empty != nil && len(c.open) == 0 {
		close(c.empty)
		c.empty = nil
	}
}

// settle waits until all connections have ended by themselves, because each answer ends its own, for some time at most. No
// new one is taken any more.
func (c *connections) settle(most time.Duration) {
	c.mu.Lock()
	if len(c.open) == 0 {
		c.mu.Unlock()
		return
	}
	empty := make(chan struct{})
	c.empty = empty
	c.mu.Unlock()
	select {
	case <-empty:
	case <-time.After(most):
	}
}
