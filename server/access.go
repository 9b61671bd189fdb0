package server

import (
	"context"
	"errors"
	"strconv"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A standing is who is calling, in which server, and what they may do there.
type standing struct {
	perm.Standing
	store.Server
	actor actor
}

// viewer is how the channels of the server are looked at.
func (s standing) viewer() store.Viewer {
	if s.actor.key != nil {
		return store.Viewer{Full: true}
	}
	return store.Viewer{Account: s.actor.account, Full: s.Full}
}

// A need is what somebody must be allowed to do an operation, with the words for who may.
type need struct {
	met func(standing) bool // nil: to be a member is enough, and the roles are not even read
	who string
}

var (
	asMember          = need{nil, "a member of the server"}
	asViewer          = need{func(standing) bool { return true }, "a member of the server"} // whose roles decide what they see
	asAdministrator   = need{func(s standing) bool { return s.Full }, "the owner of the server, or the role permission server_administrator"}
	asOwner           = need{func(s standing) bool { return s.actor.key == nil && s.OwnerNumber == s.actor.account }, "the owner of the server"}
	asRoleManager     = need{func(s standing) bool { return s.Standing.Server.ManageRoles }, "the role permission manage_roles"}
	asChannelsManager = need{func(s standing) bool { return s.Standing.Server.ManageChannels }, "the role permission manage_channels"}
)

// rules tells whether somebody may do everything in a server in which they have business, whatever their roles: an API
// key may in its server whatever its permissions let it ask for.
func (a actor) rules(server store.Server) bool {
	return a.key != nil || server.OwnerNumber == a.account
}

// meets tells whether somebody who stands so may.
func (n need) meets(s standing) bool { return n.met == nil || n.met(s) }

// require finds what the caller may do in a server. If the caller has no business there, what it was asked about does not
// exist for them; members who do not meet the need are told so.
func require(ctx context.Context, q store.Queries, who actor, serverID, what string, needed need) (s standing, err error) {
	var server store.Server
	switch {
	case who.key == nil:
		server, err = q.Servers.GetAsMember(ctx, serverID, who.account)
	case who.key.CommunityID == serverID:
		server, err = q.Servers.Get(ctx, serverID)
	default:
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return s, contract.NotFound(what)
	}
	if err != nil {
		return s, err
	}
	var roles []gen.Role
	if needed.met != nil && !who.rules(server) {
		if roles, err = q.Roles.ListOf(ctx, server.ID, who.account); err != nil {
			return s, err
		}
	}
	s = standing{Standing: perm.Of(who.rules(server), roles), Server: server, actor: who}
	if !needed.meets(s) {
		return s, contract.PermissionDenied("this needs " + needed.who)
	}
	return s, nil
}

// resolve is require where the request may leave the server out. Then it is the API key's, or the only one in which the
// account meets the need.
func resolve(ctx context.Context, q store.Queries, who actor, serverID string, needed need) (standing, error) {
	community := ""
	if who.key != nil {
		community = who.key.CommunityID
	}
	var able []standing
	id, err := contract.ServerOf(ctx, serverID, community, func() (ids []string, err error) {
		able, err = standings(ctx, q, who, needed)
		for _, s := range able {
			ids = append(ids, s.ID)
		}
		return ids, err
	})
	switch {
	case err != nil:
		return standing{}, err
	case len(able) == 1:
		return able[0], nil
	}
	return require(ctx, q, who, id, "server", needed)
}

// standings are those of an account in the servers in which it meets a need.
func standings(ctx context.Context, q store.Queries, who actor, needed need) (able []standing, err error) {
	servers, err := q.Servers.ListOf(ctx, who.account)
	if err != nil {
		return nil, err
	}
	var roles map[string][]gen.Role
	if needed.met != nil {
		if roles, err = q.Roles.ListOfAccount(ctx, who.account); err != nil {
			return nil, err
		}
	}
	for _, server := range servers {
		s := standing{Standing: perm.Of(who.rules(server), roles[server.ID]), Server: server, actor: who}
		if needed.meets(s) {
			able = append(able, s)
		}
	}
	return able, nil
}

// memberOf finds a member of a server by the number that a request gives.
func memberOf(ctx context.Context, q store.Queries, serverID, number string) (account int64, err error) {
	account, err = strconv.ParseInt(number, 10, 32) // what is larger was never given to an account
	if err != nil {
		return 0, contract.NotFound("member")
	}
	is, err := q.Servers.IsMember(ctx, serverID, account)
	if err == nil && !is {
		err = contract.NotFound("member")
	}
	return account, err
}

// numbersOf reads the numbers of accounts. One that was never given to an account becomes 0, which is nobody's.
func numbersOf(numbers []string) []int64 {
	accounts := make([]int64, len(numbers))
	for i, number := range numbers {
		if account, err := strconv.ParseInt(number, 10, 32); err == nil {
			accounts[i] = account
		}
	}
	return accounts
}
