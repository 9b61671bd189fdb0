package contract

import (
	"context"

	"github.com/rejoin-dev/rejoin/gen"
)

// ServerOf returns the id of the server that a request is about, of an operation where the request may leave it out: the
// one that it names; else the community of an API key; else the only one in which the account may do this. Whether the
// caller has business in that server is still to be asked.
//
// Named is empty where the request names none, community where the caller is no API key. The function servers returns
// the ids of the servers in which the account may do this. It is called only where they count, and needs to return no
// more than two. The error, where there are several or none, is Invalid, and leads to where the request could have named
// one.
func ServerOf(ctx context.Context, named, community string, servers func() ([]string, error)) (id string, err error) {
	switch {
	case named != "":
		return named, nil
	case community != "":
		return community, nil
	}
	found, err := servers()
	if err != nil {
		return "", err
	}
	pointer := ""
	if op := OperationFrom(ctx); op != nil {
		pointer = op.ServerPointer()
	}
	switch len(found) {
	case 0:
		return "", Invalid(Field(pointer, gen.FieldCodeRequired, "is required: there is no server in which you may do this"))
	case 1:
		return found[0], nil
	}
	return "", Invalid(Field(pointer, gen.FieldCodeRequired, "is required: there are several servers in which you may do this"))
}
