package store

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rejoin-dev/rejoin/server/internal/cause"
)

// causeOf is why a database cannot be used, once. The driver tells it for each way it has tried, with its own steps
// around it, and may repeat an address that holds a password.
func causeOf(err error) error {
	var parse *pgconn.ParseConfigError
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &parse):
		return errors.New("its address is not a valid postgres:// URL")
	case errors.As(err, &refused):
		return errors.New(refused.Message)
	}
	return cause.Of(err)
}
