package conformance

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rejoin-dev/rejoin/api"
)

// under is the same caller, sending an Idempotency-Key.
func (c caller) under(key string) caller { return c.with(api.IdempotencyKeyHeader, key) }

// isRepeated wants a second answer that is the first again, and says so.
func (a *answer) isRepeated(again *answer) {
	a.isNew()
	again.expect(a.status)
	if told := again.header.Get(api.IdempotentReplayedHeader); told != "true" {
		again.fail("the header %s is %q, want true: this was sent before under its %s", api.IdempotentReplayedHeader, told, api.IdempotencyKeyHeader)
	}
	if asJSON(again.value) != asJSON(a.value) {
		again.fail("is %s, and the first answer was %s", again.summary(), a.summary())
	}
}

// isNew wants a success that does not say that it was sent before.
func (a *answer) isNew() *answer {
	if a.succeeds(); a.header.Get(api.IdempotentReplayedHeader) != "" {
		a.fail("says that it is not the first")
	}
	return a
}

// creation is an operation that makes something, in a scene.
type creation struct {
	*scene
	op   *api.Operation
	name string         // a member of its body that may be any text, and that it cannot do without; empty: there is none
	in   string         // a member of its body that has the name in it; empty: the body itself has
	tell string         // where there is none, an optional one that may be any of the first numbers, or of some values; empty: none either
	list *api.Operation // where what was made is listed; nil: nowhere
	keys bool           // API keys send it, too

	drafts *sync.Map // by name: what was sent for one is sent again
}

func (x *scene) creation(op *api.Operation) creation {
	c := creation{scene: x, op: op, drafts: &sync.Map{}}
	body := membersOf(op)
	needed := body.Required
	if example := membersIn(op.Body.Example); example != nil && body.MinProps > uint64(len(needed)) {
		needed = sortedKeys(example)
	}
	c.name = firstText(body, needed)
	for _, outer := range needed {
		if inner := body.Properties[outer].Value; c.name == "" && inner.Type.Is("object") {
			if c.name = firstText(inner, inner.Required); c.name != "" {
				c.in = outer
			}
		}
	}
	for _, name := range sortedKeys(body.Properties) {
		schema := body.Properties[name].Value
		expected := schema.Extensions["x-expected"] == true // which is no choice
		if c.name == "" && c.tell == "" && schema.Type.Is("integer") && !expected && *schema.Min <= 1 && *schema.Max >= 9 {
			c.tell = name
		}
	}
	for _, name := range sortedKeys(body.Properties) {
		if schema := body.Properties[name].Value; c.name == "" && c.tell == "" && len(schema.Enum) >= len(inOrder) {
			c.tell = name
		}
	}
	for _, path := range []string{op.Path, "/servers/{serverId}" + op.Path} {
		if list := x.suite.contract.operations.Match("GET", path); c.list == nil && list != nil && list.Path == path {
			c.list = list
		}
	}
	return c
}

// firstText is the first of the members of an object that may be any text; empty: none may.
func firstText(of *openapi3.Schema, names []string) string {
	for _, name := range names {
		schema := of.Properties[name].Value
		anything := schema.Type == nil // so that it is a text, too
		if anything || schema.Type.Is("string") && schema.Format == "" && len(schema.Enum) == 0 && schema.MaxLength != nil {
			return name
		}
	}
	return ""
}

// under sends the request for what has a name under an Idempotency-Key.
func (c creation) under(who caller, key, name string) *answer {
	d := c.draft(name)
	if c.keys && !c.isAccount(who) { // an account acts for itself
		d = c.byKey(d)
	}
	return d.send(who.under(key))
}

func (c creation) isAccount(who caller) bool { return who.name == c.a.name || who.name == c.b.name }

func (c creation) draft(name string) *draft {
	if known, is := c.drafts.Load(name); is {
		return known.(*draft)
	}
	d := c.ready(c.op)
	if member, value := c.distinct(name); member != "" {
		d.and(member, value)
	} else {
		d.lengthen(slices.Index(inOrder, strings.Split(name, "-")[0]))
	}
	made, _ := c.drafts.LoadOrStore(name, d)
	return made.(*draft)
}

// inOrder are what the names of things begin with.
var inOrder = []string{"first", "second", "third", "fourth", "fifth"}

// distinct is the member of a body that tells one thing from another, with what stands there for a name.
func (c creation) distinct(name string) (member string, value any) {
	if c.in != "" {
		outer, _ := membersIn(c.op.Body.Example)[c.in].(map[string]any)
		return c.in, map[string]any(object(outer).and(object{c.name: name}))
	}
	if c.tell == "" {
		return c.name, name
	}
	which, _, _ := strings.Cut(name, "-")
	at := slices.Index(inOrder, which)
	if values := membersOf(c.op).Properties[c.tell].Value.Enum; len(values) > 0 {
		return c.tell, values[at]
	}
	return c.tell, float64(1 + at)
}

// failing is a request that is refused.
func (c creation) failing() *draft {
	switch {
	case cmp.Or(c.tell, c.in, c.name) == "":
		d := c.ready(c.op)
		d.parts = nil
		return d
	case c.tell == "":
		return c.draft("").without(cmp.Or(c.in, c.name))
	}
	return c.ready(c.op).and(c.tell, "no number")
}

// count wants so many things of a name to be there for somebody.
func (c creation) count(who caller, name string, want int) {
	if c.list == nil {
		return
	}
	list := draftOf(c.list, c.id).send(who).expect(http.StatusOK)
	member, value := c.distinct(name)
	n := 0
	for _, items := range []string{"/body", "/data"} {
		if _, there := lookup(list.value, items); !there {
			continue
		}
		for i := range list.list(items) {
			if got, _ := lookup(list.value, items+"/"+strconv.Itoa(i)+"/"+member); got == value {
				n++
			}
		}
	}
	if n != want {
		list.fail("has %d of the %s %q, want %d", n, member, name, want)
	}
}

// repeat is what every operation that takes an Idempotency-Key promises.
func repeat(s *session, op *api.Operation) {
	if !asksWho(op) {
		repeatByAnybody(s, op)
		return
	}
	c := s.scene().creation(op)
	one := c.entitled(op)
	run := "-" + unknownID()[:12] // others may make things of such names at the same time
	key := unknownID()
	first := c.under(one, key, "first"+run)
	for range 2 {
		first.isRepeated(c.under(one, key, "first"+run))
	}
	c.count(one, "first"+run, 1)
	c.under(one, key, "second"+run).expect(http.StatusConflict)
	c.count(one, "second"+run, 0)
	first.isRepeated(c.under(one, key, "first"+run))

	// A key is a caller's own, and a failure is not kept under it.
	if op.Role == "" {
		other := c.b
		if isForKeys(op) {
			other = c.a.makesKey(c.server, neededBy(op)...).caller
		}
		c.under(other, key, "third"+run).isNew()
		c.count(other, "third"+run, 1)
	}
	key = strings.Repeat("~", 231) + unknownID() // no key is longer
	c.failing().send(one.under(key)).expect(http.StatusBadRequest)
	c.under(one, key, "fourth"+run).isRepeated(c.under(one, key, "fourth"+run))
	c.atOnce(one, "fifth"+run)
}

// atOnce sends the same many times at once, which makes one thing. Those that come while it is being made may be asked to
// come back.
func (c creation) atOnce(who caller, name string) {
	key, answers := unknownID(), make([]*answer, 10)
	c.session.atOnce(len(answers), func(i int) {
		for range 10 {
			answers[i] = c.under(who, key, name)
			pause, err := strconv.Atoi(answers[i].header.Get("Retry-After"))
			if answers[i].status != http.StatusConflict || err != nil {
				break
			}
			time.Sleep(time.Duration(min(pause, 3)) * time.Second)
		}
		answers[i].succeeds()
	})
	originals := 0
	for _, a := range answers {
		if asJSON(a.value) != asJSON(answers[0].value) {
			a.fail("of requests sent at once under one %s, one got %s and another %s", api.IdempotencyKeyHeader, a.summary(), answers[0].summary())
		}
		if a.header.Get(api.IdempotentReplayedHeader) == "" {
			originals++
		}
	}
	if originals != 1 {
		c.fail("of %d requests sent at once under one %s, %d got an answer that is not marked as repeated, want 1",
			len(answers), api.IdempotencyKeyHeader, originals)
	}
	c.count(who, name, 1)
}

// repeatByAnybody is repeat for who sends no credential. Backends limit how often they may do that.
func repeatByAnybody(s *session, op *api.Operation) {
	who := s.anonymous.under(unknownID())
	if len(pathMakers(op)) > 0 { // what it is about must be there
		d := s.scene().ready(op)
		d.send(who).isNew().isRepeated(d.send(who))
		members := d.body.(map[string]any)
		for _, name := range sortedKeys(members) {
			if text, is := members[name].(string); is {
				members[name] = text + "!"
				break
			}
		}
		d.send(who).expect(http.StatusConflict) // with another text
		return
	}
	d := unknown(op)
	d.send(who).isRepeated(d.send(who))
	unknown(op).send(who).expect(http.StatusConflict) // with another address
}

// repeatByKey uses one Idempotency-Key as three callers.
func repeatByKey(s *session, op *api.Operation) {
	c := s.scene().creation(op)
	c.keys = true
	key, names := unknownID(), []string{"first", "second", "third"}
	callers := []caller{c.entitled(op), c.a.makesKey(c.server, op.Permission).caller, c.a.makesKey(c.server, op.Permission).caller}
	var firsts []*answer
	for i, who := range callers {
		firsts = append(firsts, c.under(who, key, names[i]).isNew())
	}
	for i, who := range slices.Backward(callers) {
		firsts[i].isRepeated(c.under(who, key, names[i]))
		asks := c.a // in whose name keys call
		if c.list != nil && isForAccounts(c.list) && c.isAccount(who) {
			asks = who // everybody finds their own there
		}
		c.count(asks, names[i], 1)
	}
}

// repeatLater logs in anew, as an account that nobody else uses, between one request and the same again. What the first
// answer has shown once is masked in the second.
func repeatLater(s *session, op *api.Operation) {
	known := s.newcomer()
	who := s.as(known.token)
	s.a = who // who makes what is needed, too
	c := (&scene{session: s, server: who.makesServer("Go club"), known: map[string]string{}}).creation(op)
	name, key := "first-"+unknownID()[:12], unknownID()
	first := c.under(who, key, name).isNew()
	login := s.anonymous.post("/auth/login", object{"email": known.email, "password": known.password}).expect(200)
	later := s.as(login.text("/body/token"))
	again := c.under(later, key, name)
	for _, path := range op.Secrets {
		pointer := pointer(path)
		if _, shown := lookup(first.value, pointer); shown && first.at(pointer) == again.at(pointer) {
			again.fail("%s is shown to another session: it must be masked", pointer)
		}
	}
	first.without(op.Secrets).isRepeated(again.without(op.Secrets))
	c.count(later, name, 1)
}

// without is the answer without what is at these paths.
func (a *answer) without(paths [][]string) *answer {
	copied := *a
	for _, path := range paths {
		copied.value = without(copied.value, path)
	}
	return &copied
}

func without(value any, path []string) any {
	members, is := value.(map[string]any)
	if !is || len(path) == 0 {
		return value
	}
	rest := maps.Clone(members)
	if delete(rest, path[0]); len(path) > 1 {
		rest[path[0]] = without(members[path[0]], path[1:])
	}
	return rest
}
