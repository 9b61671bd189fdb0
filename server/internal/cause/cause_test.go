package cause

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
)

func TestACauseIsWhatTheSystemSaysOfAnAddress(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5432}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	unknown := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "db.invalid"}}
	for want, err := range map[string]error{
		"192.0.2.1:5432: connection refused": fmt.Errorf("failed to connect: %w", refused),
		"db.invalid: no such host":           &url.Error{Op: "Get", URL: "http://db.invalid/", Err: unknown},
		"unexpected EOF":                     &url.Error{Op: "Get", URL: "http://db.invalid/", Err: io.ErrUnexpectedEOF},
		"anything else":                      errors.New("anything else"),
	} {
		if got := Of(err); got.Error() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !errors.Is(Of(refused), syscall.ECONNREFUSED) {
		t.Error("the error of the system is not in it")
	}
}
