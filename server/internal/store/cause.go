package store

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// causeOf is why a database cannot be used, once. The driver tells it for each way it has tried, with its own steps
// around it, and may repeat an address that holds a password.
func causeOf(err error) error {
	var parse *pgconn.ParseConfigError
	var refused *pgconn.PgError
	var name *net.DNSError
	var network *net.OpError
	var system syscall.Errno
	switch {
	case errors.As(err, &parse):
		return errors.New("its address is not a valid postgres:// URL")
	case errors.As(err, &refused):
		return errors.New(refused.Message)
	case errors.As(err, &name):
		return fmt.Errorf("%s: %s", name.Name, name.Err)
	case errors.As(err, &network) && network.Addr != nil && errors.As(err, &system):
		return fmt.Errorf("%s: %w", network.Addr, system)
	}
	return err
}
