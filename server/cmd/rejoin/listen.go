package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/cause"
)

// listen listens on the address that a flag gives.
func listen(flag, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use already; choose another address with %s", address, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be listened on: %w", flag, cause.Of(err))
	}
	return lastCalls{listener.(*net.TCPListener)}, nil
}

// lastCalls is a listener that does not hang up on those whom the system has let in and nobody has accepted yet.
type lastCalls struct{ *net.TCPListener }

// taken is how long accepting them may take.
const taken = 20 * time.Millisecond

// Close lets nobody else in, gives them a moment to be accepted, and closes the listener.
func (l lastCalls) Close() error {
	if raw, err := l.SyscallConn(); err == nil && raw.Control(letNobodyIn) == nil {
		time.Sleep(taken)
	}
	return l.TCPListener.Close()
}
