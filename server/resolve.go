package server

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// How a user is named in a request is decided here, for every operation. Only members of the community are found: for everybody
// else the answer is the same, whether or not there is such an account.

// nameOf tells in which way a text names an account: 24 hexadecimal characters are an id, a text with @ an address, digits a
// number, and everything else a user name.
func nameOf(text string) (by store.MemberName, value any) {
	switch {
	case isID(text):
		by = store.ByID
	case strings.Contains(text, "@"):
		by = store.ByEmail
	case text != "" && strings.Trim(text, "0123456789") == "":
		by = store.ByNumber
	default:
		by = store.ByUsername
	}
	return by, nameAs(by, text)
}

func isID(text string) bool { return len(text) == 24 && strings.Trim(text, "0123456789abcdef") == "" }

// nameAs is a text as the store keeps names of a kind.
func nameAs(by store.MemberName, text string) any {
	switch by {
	case store.ByNumber:
		if number := accountOf(text); strconv.FormatInt(number, 10) == text { // 007 is nobody's number
			return number
		}
		return int64(0)
	case store.ByID:
		return text
	}
	return strings.ToLower(text)
}

// identifierTypes are what a request may narrow an identifier to, with how the account is named then.
var identifierTypes = map[string]store.MemberName{
	"": store.ByEmail, "email": store.ByEmail, "username": store.ByUsername, "id": store.ByNumber, "_id": store.ByID,
}

// memberIdentified finds a member of a server by an identifier of one kind, an address unless the request names another: by the value
// of a field if it is that. A value that several have is a conflict.
func memberIdentified(ctx context.Context, q store.Queries, serverID, identifier, kind, fieldName string) (store.Account, error) {
	if kind == "" && !strings.Contains(identifier, "@") {
		at := "/identifier"
		if contract.OperationFrom(ctx).Body == nil {
			at = "query/identifier"
		}
		return store.Account{}, contract.Invalid(contract.Field(at, gen.FieldCodeWrongFormat, "must be an email address, unless identifier_type says what else it is"))
	}
	find, err := identifying(ctx, q, serverID, kind, fieldName)
	if err != nil {
		return store.Account{}, err
	}
	return find(identifier)
}

// identifying is memberIdentified for several members.
func identifying(ctx context.Context, q store.Queries, serverID, kind, fieldName string) (func(identifier string) (store.Account, error), error) {
	nobody := func(string) (store.Account, error) { return store.Account{}, contract.NotFound("user") }
	if kind == "custom-field" {
		all, err := q.Fields.List(ctx, serverID)
		f, known := fieldNamed(all, fieldName)
		if err != nil || !known {
			return nobody, err
		}
		return func(identifier string) (store.Account, error) { return identified(ctx, q, f, identifier) }, nil
	}
	by, known := identifierTypes[kind]
	if !known {
		return nobody, nil
	}
	return func(identifier string) (store.Account, error) {
		return found(q.Users.GetMember(ctx, serverID, by, nameAs(by, identifier)))
	}, nil
}

// memberNamed finds a member of a server by whatever name a request gives.
func memberNamed(ctx context.Context, q store.Queries, serverID, name string) (store.Account, error) {
	by, value := nameOf(name)
	return found(q.Users.GetMember(ctx, serverID, by, value))
}

// memberReferred finds a member of a server by whatever name a request gives, or else by the value of the field that identifies
// members.
func memberReferred(ctx context.Context, q store.Queries, serverID, name string) (store.Account, error) {
	account, err := memberNamed(ctx, q, serverID, name)
	if unknown := (*contract.Error)(nil); !errors.As(err, &unknown) {
		return account, err
	}
	f, absent := q.Fields.Identifier(ctx, serverID)
	switch {
	case errors.Is(absent, store.ErrNotFound):
		return account, err
	case absent != nil:
		return account, absent
	}
	return identified(ctx, q, f, name)
}

// formerNamed finds somebody who was deleted from a server.
func formerNamed(ctx context.Context, q store.Queries, serverID, name string) (store.Account, error) {
	by, value := nameOf(name)
	return found(q.Users.GetFormer(ctx, serverID, by, value))
}

// namesItself tells whether the caller, who is a member of the server, names itself. Nobody else is looked up: who may name nobody
// else learns of nobody.
func (s standing) namesItself(ctx context.Context, q store.Queries, name string) (bool, error) {
	self, err := memberNamed(ctx, q, s.ID, store.Number(s.actor.account))
	return isNamed(self, name), err
}

// isNamed tells whether a text names an account.
func isNamed(account store.Account, text string) bool {
	username, _ := account.Username.Get()
	by, value := nameOf(text)
	return map[store.MemberName]any{
		store.ByID: account.ID, store.ByEmail: account.Email, store.ByNumber: account.AccountNumber, store.ByUsername: strings.ToLower(username),
	}[by] == value
}

func found(account store.Account, err error) (store.Account, error) {
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("user")
	}
	return account, err
}
