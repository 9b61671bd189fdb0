package server

import (
	"errors"
	"fmt"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
	"github.com/rejoin-dev/rejoin/server/internal/password"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// writeErrors writes every error, after it has said in the words of the contract what the packages below say in their own.
func writeErrors(write echo.HTTPErrorHandler) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		known, full := (*contract.Error)(nil), (*store.LimitError)(nil)
		switch {
		case errors.As(err, &known): // whoever knew what it means to the caller has said so
		case errors.As(err, &full):
			err = contract.Conflict("There is no room for one more",
				fmt.Sprintf("limit reached: there are %d %s, as many as there may be", full.Most, full.What))
		case errors.Is(err, store.ErrAway): // the log says so once, not for each request
			err = contract.Unavailable(nil)
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, images.ErrUnavailable), errors.Is(err, password.ErrBusy), errors.Is(err, memory.ErrBusy):
			err = contract.Unavailable(err)
		case errors.Is(err, store.ErrPosition):
			err = notACursor("query/")
		case errors.Is(err, images.ErrNotFound):
			err = contract.NotFound("image")
		case errors.Is(err, store.ErrErased): // between two steps of the request
			err = contract.Unauthenticated("the account was deleted")
		case errors.Is(err, store.ErrNotFound):
			err = contract.NotFound("thing")
		case errors.Is(err, store.ErrDuplicate):
			err = contract.Conflict("It is there already", "the same thing exists")
		}
		write(err, c)
	}
}

// conflictAt is a conflict that comes of a part of the request.
func conflictAt(pointer, message, why string) *contract.Error {
	return refusedFor(gen.FieldCodeNotAllowed, pointer, message, why)
}

// refusedFor is a conflict that comes of a part of the request, for one of several reasons.
func refusedFor(code gen.FieldCode, pointer, message, why string) *contract.Error {
	e := contract.Conflict(message, why)
	e.Fields = []gen.ProblemField{contract.Field(pointer, code, why)}
	return e
}
