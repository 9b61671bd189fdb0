package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A standing is who is calling, in which server, and what they may do there.
type standing struct {
	store.Server
	actor actor
	may   perm.Standing // what the roles allow, once they were read; see learn
	roles bool          // whether they were
}

// checkRoles refuses, by name, an operation with an x-required-role that nothing here decides.
func checkRoles(operations api.List) error {
	for _, op := range operations {
		if !op.ByMembership() && op.Role != api.RoleOwner && !perm.Flag(op.Role) {
			return fmt.Errorf("%s: there is no x-required-role %q", op.ID, op.Role)
		}
	}
	return nil
}

// ruled tells whether the caller may do everything in the server, whatever their roles: an API key may, whatever its
// permissions let it ask for.
func (s standing) ruled() bool { return s.actor.key != nil || s.OwnerNumber == s.actor.account }

// learn reads what the roles of the caller allow.
func (s *standing) learn(ctx context.Context, q store.Queries) (err error) {
	if s.roles {
		return nil
	}
	var roles []gen.Role
	if !s.ruled() && !s.actor.isNobody() {
		roles, err = q.Roles.ListOf(ctx, s.ID, s.actor.account)
	}
	s.may, s.roles = perm.Of(s.ruled(), roles), err == nil
	return err
}

// viewer is how the caller looks at the channels of the server.
func (s *standing) viewer(ctx context.Context, q store.Queries) (store.Viewer, error) {
	if s.actor.key != nil {
		return store.Viewer{Full: true}, nil
	}
	err := s.learn(ctx, q)
	full := s.may.Full
	if err == nil && full && s.TwoFactor {
		full, err = hasTwoFactor(ctx, q, s.actor.account)
	}
	return store.Viewer{Account: s.actor.account, Full: full}, err
}

// as is how a member of the server stands there, in whose name an API key calls.
func (s standing) as(account int64) standing {
	return standing{Server: s.Server, actor: actor{account: account}}
}

// owns tells whether the caller is the owner of the server.
func (s standing) owns() bool { return s.actor.key == nil && s.OwnerNumber == s.actor.account }

// allows tells whether the caller may do an operation, as its x-required-role says. The roles were read, if it asks for
// more than a membership.
func (s standing) allows(op *api.Operation) bool {
	switch {
	case op.ByMembership():
		return true
	case op.Role == api.RoleOwner:
		return s.owns()
	}
	return s.may.Allows(op.Role)
}

// check refuses a caller who may not do the operation of the request, as its x-required-role says.
func (s *standing) check(ctx context.Context, q store.Queries) error {
	return s.checkCall(ctx, q, contract.OperationFrom(ctx).Operation)
}

// checkCall refuses who may not call an operation in the server, which need not be that of the request.
func (s *standing) checkCall(ctx context.Context, q store.Queries, op *api.Operation) error {
	if !op.ByMembership() {
		if err := s.learn(ctx, q); err != nil {
			return err
		}
	}
	switch {
	case s.allows(op):
		return s.checkFactor(ctx, q, op)
	case op.Role == api.RoleOwner:
		return contract.PermissionDenied("this is for the owner of the server")
	}
	return contract.PermissionDenied("this needs the role permission " + op.Role)
}

// checkFactor refuses who has two-factor off, where the server requires it for an operation.
func (s standing) checkFactor(ctx context.Context, q store.Queries, op *api.Operation) error {
	if !s.TwoFactor || op.ByMembership() || perm.Saying(op.Role) || s.actor.key != nil {
		return nil
	}
	return requireTwoFactor(ctx, q, s.actor.account)
}

// enter finds how the caller stands in a server. If they have no business there, what it was asked about does not exist
// for them. What they may do there is still to be checked.
func enter(ctx context.Context, q store.Queries, serverID, what string) (standing, error) {
	who := actorFrom(ctx)
	var server store.Server
	var err error
	switch {
	case who.community() != "" && who.community() != serverID:
		err = store.ErrNotFound
	case who.key != nil || who.isNobody():
		server, err = q.Servers.Get(ctx, serverID)
	default:
		server, err = q.Servers.GetAsMember(ctx, serverID, who.account)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound(what)
	}
	return standing{Server: server, actor: who}, err
}

// require is enter for those who may do the operation of the request. Who may not see a thing is not refused: for them it
// does not exist.
func require(ctx context.Context, q store.Queries, serverID, what string) (standing, error) {
	s, err := enter(ctx, q, serverID, what)
	if err == nil {
		err = s.check(ctx, q)
	}
	return s, err
}

// requireOfKey is require for an operation that only API keys and widget tokens may call: it is about their community.
func requireOfKey(ctx context.Context, q store.Queries) (standing, error) {
	return require(ctx, q, actorFrom(ctx).community(), "community")
}

// resolve is require where the request may leave the server out. Then it is the API key's, or the only one in which the
// account may do the operation.
func resolve(ctx context.Context, q store.Queries, serverID string) (standing, error) {
	id, err := contract.ServerOf(ctx, serverID, actorFrom(ctx).community(), func() ([]string, error) { return serversFor(ctx, q) })
	if err != nil {
		return standing{}, err
	}
	return require(ctx, q, id, "server")
}

// serversFor are the servers in which an account may do the operation of the request, two of them at most: whether there is
// another is all that is asked.
func serversFor(ctx context.Context, q store.Queries) (ids []string, err error) {
	const most = 2
	account, op := actorFrom(ctx).account, contract.OperationFrom(ctx)
	switch {
	case op.ByMembership():
		return q.Servers.IDsOf(ctx, account, most)
	case op.Role == api.RoleOwner:
		return q.Servers.IDsOfOwner(ctx, account, most)
	}
	return q.Servers.IDsAllowing(ctx, account, op.Role, most)
}

// accountOf reads the number of an account. What was never given to one becomes 0, which is nobody's.
func accountOf(number string) int64 {
	account, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return 0
	}
	return account
}

// memberOf finds a member of a server by the number that a request gives.
func memberOf(ctx context.Context, q store.Queries, serverID, number string) (account int64, err error) {
	account = accountOf(number)
	is, err := q.Servers.IsMember(ctx, serverID, account)
	if err == nil && !is {
		err = contract.NotFound("member")
	}
	return account, err
}

// sameServer refuses a server that a request names and that is not the one of what its path names.
func (s standing) sameServer(serverID string) error {
	if serverID != "" && serverID != s.ID {
		return contract.Invalid(contract.Field("/serverId", gen.FieldCodeNotAllowed, "must be the community of what is changed, or be left out"))
	}
	return nil
}
