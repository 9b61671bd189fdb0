// Package cause finds, in an error of the network, what an operator can act on.
package cause

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
)

// Of is why an address cannot be used, as the system or the name server says it, with the address and without the steps
// of a client around it. An error that says none of this is returned as it is.
func Of(err error) error {
	var name *net.DNSError
	var network *net.OpError
	var system syscall.Errno
	var request *url.Error
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("%s: %s", name.Name, name.Err)
	case errors.As(err, &network) && network.Addr != nil && errors.As(err, &system):
		return fmt.Errorf("%s: %w", network.Addr, system)
	case errors.As(err, &request):
		return request.Err
	}
	return err
}
