package conformance

import (
	"strconv"
	"strings"

	"github.com/rejoin-dev/rejoin/api"
)

// audited wants one entry of a success and none of a refusal, nor of what authors do to what is theirs.
func audited(s *session, op *api.Operation) {
	if op.Author == api.AuthorAlso {
		x := s.scene()
		x.byB = true
		d := x.ready(op)
		count := x.entries(op)
		d.send(x.b).succeeds()
		if trail, n := x.trail(op); n != count {
			trail.fail("has %d entries %s after an author has done it, and %d before", n, op.Audit, count)
		}
	}
	x := s.scene()
	x.byB = op.Author == api.AuthorAlso
	d := x.ready(op)
	if isForSomeMembers(op) && !x.byB {
		d.send(x.b).expect(404)
	}
	who, plain := x.entitled(op), !x.byB && !x.a.admits(x.server, op)
	if plain {
		x.joined()
	}
	count := x.entries(op)
	d.send(x.anonymous).expect(401)
	if plain {
		d.send(x.b).expect(403)
	}
	if trail, n := x.trail(op); n != count {
		trail.fail("has %d entries %s after requests that were refused, and %d before them", n, op.Audit, count)
	}

	done := d.send(who).succeeds()
	id, made := firstOf(done, "/body/_id", "/body/id", "/data/_id")
	if op.Role == "" && made && !isForKeys(op) { // it has made the server that it is about
		x.server.id, count = id, 0
	}
	trail, n := x.trail(op)
	if n != count+1 {
		trail.stop("%s: has %d entries %s, want %d", trail.what, n, op.Audit, count+1)
	}
	entry := trail.find("/body", "action", op.Audit)
	switch {
	case isForKeys(op) && x.key.id == "": // it was made elsewhere
		trail.is(entry+"/actor/type", "key")
	case isForKeys(op):
		trail.is(entry+"/actor", object{"type": "key", "id": x.key.id})
	case who.name == x.b.name:
		trail.is(entry+"/actor", object{"type": "account", "id": x.b.number()})
	default:
		trail.is(entry+"/actor", object{"type": "account", "id": x.server.owner})
	}
	thing, _, _ := strings.Cut(op.Audit, ".")
	for _, m := range pathMakers(op) {
		if m.thing == thing && !op.Creates {
			trail.is(entry+"/target", x.id(m))
		}
	}
	if op.Creates && made {
		trail.is(entry+"/target", id)
	}
}

// entries is how many entries there are of an operation.
func (x *scene) entries(op *api.Operation) int {
	_, n := x.trail(op)
	return n
}

func (x *scene) trail(op *api.Operation) (trail *answer, entries int) {
	trail = x.a.get(x.server.path("/audit?limit=100")).expect(200)
	for i := range trail.list("/body") {
		if trail.text("/body/"+strconv.Itoa(i)+"/action") == op.Audit {
			entries++
		}
	}
	return trail, entries
}

// number is that of the account of a caller who may make servers.
func (c caller) number() string { return c.makesServer("Go club").owner }

// firstOf is the first text that is in an answer.
func firstOf(a *answer, pointers ...string) (text string, ok bool) {
	for _, pointer := range pointers {
		if value, _ := lookup(a.value, pointer); value != nil {
			text, ok = value.(string)
			return text, ok
		}
	}
	return "", false
}
