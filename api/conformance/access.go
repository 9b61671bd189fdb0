package conformance

import (
	"maps"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/api"
)

// credential sends a good request as nobody, and with everything that is no credential for it.
func credential(s *session, op *api.Operation) {
	d := unknown(op)
	d.send(s.anonymous).expect(401)
	for _, header := range []string{
		"Bearer " + strings.Repeat("0123456789abcdef", 4), "Bearer " + s.suite.target.A + "0", "Bearer " + strings.Repeat("g", 64),
		"Bearer garbage", "Bearer", "Bearer ", "Basic YTpi", s.suite.target.A,
	} {
		d.send(s.anonymous.with("Authorization", header)).expect(401)
	}
	for _, key := range []string{strings.Repeat("0123456789abcdef", 4), "garbage", s.suite.target.A} {
		d.send(s.anonymous.with("x-api-key", key)).expect(401)
	}
	d.send(s.a.with("x-api-key", s.suite.target.B)).expect(401)
	if !op.Takes(api.SessionAuth) {
		d.send(s.a).expect(403)
	}
}

// kind sends a good request with an API key that has every permission.
func kind(s *session, op *api.Operation) {
	key := s.a.makesKey(s.a.makesServer("Chess club"), s.suite.contract.everyPermission()...)
	unknown(op).send(key.caller).expect(403)
	unknown(op).send(key.inOtherHeader()).expect(403)
}

// byScheme is the key in the header of each security scheme, with whether an operation takes it there.
func (k key) byScheme(op *api.Operation) map[string]struct {
	caller
	taken bool
} {
	return map[string]struct {
		caller
		taken bool
	}{api.KeyAuth: {k.caller, op.Takes(api.KeyAuth)}, api.APIKeyAuth: {k.inOtherHeader(), op.Takes(api.APIKeyAuth)}}
}

// permission wants a key to succeed with the permission alone, and to be refused with all others. In one of the headers
// the server is named, and in the other it is the key's.
func permission(s *session, op *api.Operation) {
	needed := neededBy(op)
	for _, scheme := range []string{api.KeyAuth, api.APIKeyAuth} {
		x := s.scene()
		with := x.a.makesKey(x.server, needed...)
		d, who := x.ready(op), with.byScheme(op)[scheme]
		if scheme == api.APIKeyAuth && mayLeaveServerOut(op) {
			d.leavesServerOut()
		}
		if !who.taken {
			d.send(who.caller).expect(403)
			continue
		}
		d = x.byKey(d)
		if needed != nil {
			without := x.a.makesKey(x.server, everyBut(s.suite.contract.everyPermission(), op.Permission)...)
			d.send(without.byScheme(op)[scheme].caller).expect(403)
		}
		d.send(who.caller).succeeds()
	}
}

// neededBy are the permissions that a key needs for an operation.
func neededBy(op *api.Operation) []string {
	if op.Permission == api.AnyPermission {
		return nil
	}
	return []string{op.Permission}
}

// userPermission is permission for a user API key of a member.
func userPermission(s *session, op *api.Operation) {
	x := s.scene()
	d, who := x.ready(op), x.joined()
	needed := []string{op.UserPermission}
	if op.UserPermission == api.AnyPermission {
		needed = nil
	} else {
		without := who.makesUserKey(x.server, x.number, everyBut(s.suite.contract.everyUserPermission(), op.UserPermission)...)
		d.send(without.caller).expect(403)
	}
	d.send(who.makesUserKey(x.server, x.number, needed...).caller).succeeds()
}

// byKey is a request as an API key sends it: it says in whose name, where the contract takes that.
func (x *scene) byKey(d *draft) *draft {
	if d.op.Body == nil {
		return d
	}
	takes := d.op.Body.Schema.Value.Properties
	switch {
	case takes["sender"] != nil:
		return d.and("sender", x.server.owner)
	case takes["user"] != nil && d.op.Role == api.RoleMember: // a member need not name itself
		return d.and("user", x.server.owner)
	case takes["identifier"] != nil && d.op.Takes(api.SessionAuth): // whom else it names already
		return d.and("identifier", x.server.owner).and("identifier_type", "id")
	}
	return d
}

// keyServer asks with a key of another server, of which the owner of the one is no member.
func keyServer(s *session, op *api.Operation) {
	x := s.scene()
	d := x.ready(op)
	key := s.b.makesKey(s.b.makesServer("Go club"), s.suite.contract.everyPermission()...)
	for _, who := range key.byScheme(op) {
		if who.taken {
			x.byKey(d).send(who.caller).expect(404)
		}
	}
}

// access asks as a stranger, as a plain member, and as somebody who may.
func access(s *session, op *api.Operation) {
	x := s.scene()
	d := x.ready(op)
	if op.Role != api.RoleAnyone {
		d.send(x.b).expect(404)
	}
	if op.Author == api.AuthorOnly || !x.a.admits(x.server, op) { // what is there is a's
		d.send(x.joined()).expect(403)
	}
	d.send(x.entitled(op)).succeeds()
}

// admits tells whether every member of a server may do an operation there: the contract says so, or @all has the permission.
func (c caller) admits(club club, op *api.Operation) bool {
	if op.ByMembership() || op.Role == api.RoleOwner {
		return op.ByMembership()
	}
	everyone := c.everyone(club)
	return slices.ContainsFunc(containers, func(container string) bool {
		flags, _ := everyone[container].(map[string]any)
		return flags[op.Role] == true
	})
}

const administrator = "server_administrator"

// role asks as a member of a server in which @all permits nothing, with roles of the highest order, so that nothing but
// their permissions decides.
func role(s *session, op *api.Operation) {
	flags := s.suite.contract.flags()
	with := func(permissions ...string) (x *scene, d *draft, role string) {
		x = s.scene()
		x.byB = op.Author == api.AuthorOnly
		d = x.ready(op)
		x.joined()
		x.a.bares(x.server)
		return x, d, x.a.appoints(x.server, x.number, 0, permissions...)
	}
	if op.Role == api.RoleOwner {
		x, d, _ := with(flags...)
		d.send(x.b).expect(403)
		return
	}
	x, d, others := with(everyBut(flags, op.Role, administrator)...)
	d.send(x.b).expect(403)
	x.a.takes(others, x.number).expect(200)
	x.a.appoints(x.server, x.number, 0, op.Role)
	d.send(x.b).succeeds()
	if op.Role != administrator {
		x, d, _ = with(administrator)
		d.send(x.b).succeeds()
	}
}

// foreign asks about things in a server in which the caller has no business, and about none: once with all of it foreign,
// and once in a server of the caller's own.
func foreign(s *session, op *api.Operation) {
	x := s.scene()
	own := s.b.makesServer("Go club")
	ask := func(id func(maker) string) *answer { return draftOf(op, id).send(s.b).expect(404) }
	nothing := func(m maker) string { return m.unknown() }
	inOwn := func(id func(maker) string) func(maker) string {
		return func(m maker) string {
			if m.thing == "server" {
				return own.id
			}
			return id(m)
		}
	}
	ask(x.id).isLike(ask(nothing))
	things := makersOf(op)
	if len(things) > 1 && slices.ContainsFunc(things, func(m maker) bool { return m.thing == "server" }) {
		// What tells its own server wins over a serverId beside it, or is refused because of it, but alike.
		draftOf(op, inOwn(x.id)).send(s.b).isLike(draftOf(op, inOwn(nothing)).send(s.b))
	}
}

// deleted asks as somebody whom the community has deleted, and has not restored.
func deleted(s *session, op *api.Operation) {
	x := s.scene()
	d := x.ready(op)
	x.joined()
	x.manages("delete")
	d.send(x.b).expect(404).isLike(unknown(op).send(x.b).expect(404))
	x.manages("restore")
	if x.a.admits(x.server, op) && op.Role == api.RoleMember {
		d.send(x.b).succeeds()
	}
}

// isLike wants two answers to differ in nothing but the request id.
func (a *answer) isLike(other *answer) {
	plain := func(a *answer) string {
		whole, _ := a.value.(map[string]any)
		whole = maps.Clone(whole)
		delete(whole, "requestId") // of a flat answer
		for name, value := range whole {
			if problem, is := value.(map[string]any); is {
				whole[name] = map[string]any(object(problem).without("requestId"))
			}
		}
		return asJSON(whole)
	}
	if a.status != other.status || plain(a) != plain(other) {
		a.fail("is %s, and for what does not exist it is %s", a.summary(), other.summary())
	}
}

// succeeds ends the test case unless the answer is a success.
func (a *answer) succeeds() *answer {
	if a.status/100 != 2 {
		a.stop("%s: want a success, got %s", a.what, a.summary())
	}
	return a
}

// severalServers asks without naming a server as somebody who owns two.
func severalServers(s *session, op *api.Operation) {
	x := s.scene()
	s.a.makesServer("Go club")
	x.ready(op).leavesServerOut().send(x.a).refuses(op.ServerPointer(), "")
}

// oneServer asks as an account that nobody else uses: in no server, in one of its own, and beside that in one in which it
// is a plain member.
func oneServer(s *session, op *api.Operation) {
	who := s.as(s.newcomer().token)
	of := func(x *scene) *answer { return x.ready(op).leavesServerOut().send(who) }
	of(s.scene()).refuses(op.ServerPointer(), "")

	mine := &scene{session: s, server: who.makesServer("Go club"), known: map[string]string{}}
	first := of(mine).succeeds()
	if server, said := lookup(first.value, "/body/serverId"); said && server != mine.server.id {
		first.fail("is about the server %v, and the only one is %s", server, mine.server.id)
	}
	other := s.a.makesServer("Chess club")
	who.enters(other)
	if s.a.admits(other, op) {
		of(mine).refuses(op.ServerPointer(), "")
	} else {
		of(mine).succeeds()
	}
}
