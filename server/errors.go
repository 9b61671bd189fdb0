package server

import (
	"errors"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/password"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// writeErrors writes every error, after it has said in the words of the contract what the packages below say in their own.
func writeErrors(write echo.HTTPErrorHandler) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		switch told := (*contract.Error)(nil); {
		case errors.As(err, &told): // whoever knew what it means to the caller has said so
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, password.ErrBusy):
			err = contract.Unavailable(err)
		case errors.Is(err, images.ErrNotFound):
			err = contract.NotFound("image")
		case errors.Is(err, store.ErrNotFound):
			err = contract.NotFound("thing")
		case errors.Is(err, store.ErrDuplicate):
			err = contract.Conflict("It is there already", "the same thing exists")
		}
		write(err, c)
	}
}
