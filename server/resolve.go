package server

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// How a user is named in a request is decided here, for every operation. Only members of the community are found: for everybody
// else the answer is the same, whether or not there is such an account.

// nameOf tells in which way a text names an account: 24 hexadecimal characters are an id, a text with @ an address, digits a
// number, and everything else a user name.
func nameOf(text string) (by store.MemberName, value any) {
	switch number := accountOf(text); {
	case len(text) == 24 && strings.Trim(text, "0123456789abcdef") == "":
		return store.ByID, text
	case strings.Contains(text, "@"):
		return store.ByEmail, strings.ToLower(text)
	case text != "" && strings.Trim(text, "0123456789") == "":
		if strconv.FormatInt(number, 10) != text { // 007 is nobody's number
			number = 0
		}
		return store.ByNumber, number
	}
	return store.ByUsername, strings.ToLower(text)
}

// memberNamed finds a member of a server by whatever name a request gives.
func memberNamed(ctx context.Context, q store.Queries, serverID, name string) (store.Account, error) {
	by, value := nameOf(name)
	return found(q.Users.GetMember(ctx, serverID, by, value))
}

// formerNamed finds somebody who was deleted from a server.
func formerNamed(ctx context.Context, q store.Queries, serverID, name string) (store.Account, error) {
	by, value := nameOf(name)
	return found(q.Users.GetFormer(ctx, serverID, by, value))
}

func found(account store.Account, err error) (store.Account, error) {
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("user")
	}
	return account, err
}
