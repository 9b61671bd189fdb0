package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// asMember returns a server for one of its members; for everybody else it does not exist.
func asMember(ctx context.Context, q store.Queries, serverID string, who actor) (store.Server, error) {
	server, err := q.Servers.GetAsMember(ctx, serverID, who.account)
	if errors.Is(err, store.ErrNotFound) {
		return server, notFound("server")
	}
	return server, err
}

// permissionsOf resolves what a member may do in a server.
func permissionsOf(ctx context.Context, q store.Queries, server store.Server, who actor) (gen.ServerPermissions, error) {
	roles, err := q.Roles.ListOf(ctx, server.ID, who.account)
	return perm.Resolve(server.OwnerNumber == who.account, roles), err
}

// asAdministrator returns a server for its owner and its administrators.
func asAdministrator(ctx context.Context, q store.Queries, serverID string, who actor) (store.Server, error) {
	server, err := asMember(ctx, q, serverID, who)
	if err != nil {
		return server, err
	}
	may, err := permissionsOf(ctx, q, server, who)
	if err != nil {
		return server, err
	}
	if !may.ServerAdministrator {
		return server, permissionDenied("this needs the owner of the server, or the role permission server_administrator")
	}
	return server, nil
}
