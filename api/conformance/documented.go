package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/rejoin-dev/rejoin/api"
)

//go:embed testdata/documented.json
var documentedText []byte

// documentedRequest is a request as the public documentation shows it, and what must be in its answer. In it, {thing}
// stands for the id of something that a maker makes.
type documentedRequest struct {
	Tag    string              `json:"tag"`
	Send   string              `json:"send"` // method and path
	As     string              `json:"as"`   // session, key (as bearer) or x-api-key
	JSON   json.RawMessage     `json:"json"`
	Form   map[string]string   `json:"form"`
	Status int                 `json:"status"`
	Has    any                 `json:"has"`  // a part of the answer
	Keys   map[string][]string `json:"keys"` // by where in the answer they must be
}

var documentedRequests = sync.OnceValue(func() []documentedRequest {
	var file struct {
		Requests []documentedRequest `json:"requests"`
	}
	if err := json.Unmarshal(documentedText, &file); err != nil {
		panic(err) // the file is a part of this very binary
	}
	return file.Requests
})

// documented are the requirements of the documented requests to the operations of a tag. Those to operations that the
// contract does not have yet are not among them.
func (c *contract) documented(tag string) []requirement {
	var all []requirement
	shown := map[string]int{}
	for _, r := range documentedRequests() {
		op := c.shownBy(r)
		if op == nil || op.Tag != tag {
			continue
		}
		shown[op.ID]++
		more := r.needs()
		if r.As != "session" {
			more = append(more, "keys")
		}
		if prepare, is := shownBefore[op.ID]; is {
			more = append(more, prepare.tags...)
		}
		with := needs(op, more...)
		all = append(all, requirement{run: func(s *session) { r.replay(s, op) }, Requirement: Requirement{
			ID: fmt.Sprintf("DOCUMENTED-%s-%d", op.ID, shown[op.ID]), Section: tag, Level: Must, Source: "documented",
			Operations: []string{op.ID}, With: with,
			Text: fmt.Sprintf("%s takes request %d of the public documentation, and answers as that shows", op.ID, shown[op.ID]),
		}})
	}
	return all
}

// shownBy is the operation of a documented request, or nil.
func (c *contract) shownBy(r documentedRequest) *api.Operation {
	method, target, _ := strings.Cut(r.Send, " ")
	path, _, _ := strings.Cut(target, "?")
	return c.operations.Match(method, path)
}

// needs are the tags of what makes what it names.
func (r documentedRequest) needs() (tags []string) {
	for _, thing := range placeholders.FindAllString(r.Send+string(r.JSON), -1) {
		for _, m := range makers {
			if "{"+m.thing+"}" == thing {
				tags = append(tags, m.tag)
			}
		}
	}
	return tags
}

var placeholders = regexp.MustCompile(`\{[a-z]+\}`)

func (r documentedRequest) replay(s *session, op *api.Operation) {
	x := s.scene()
	for _, m := range makers { // a list must have something in it
		if m.tag == op.Tag {
			x.id(m)
		}
	}
	if prepare, is := shownBefore[op.ID]; is {
		prepare.prepare(x)
	}
	got := r.send(x, op)
	var has any
	if err := json.Unmarshal([]byte(x.fill(asJSON(r.Has))), &has); err != nil {
		panic(err)
	}
	got.expect(r.Status).contains("", has)
	for _, pointer := range sortedKeys(r.Keys) {
		at := ""
		if pointer != "" {
			at = "/" + pointer
		}
		there := typed[map[string]any](got, at, "an object")
		for _, key := range r.Keys[pointer] {
			if _, ok := there[key]; !ok {
				got.fail("/%s has no %s", pointer, key)
			}
		}
	}
}

// fill is a text of the documentation with the ids of things in it.
func (x *scene) fill(text string) string {
	return placeholders.ReplaceAllStringFunc(text, func(thing string) string {
		for _, m := range makers {
			if m.thing == strings.Trim(thing, "{}") {
				return x.id(m)
			}
		}
		x.stop("nothing makes what %s stands for: it needs a maker", thing)
		return ""
	})
}

// send sends the request in a scene.
func (r documentedRequest) send(x *scene, op *api.Operation) *answer {
	who := x.a
	if r.As != "session" {
		key := x.a.makesKey(x.server, x.suite.contract.everyPermission()...)
		if who = key.caller; r.As == "x-api-key" {
			who = key.inOtherHeader()
		}
	}
	method, path, _ := strings.Cut(x.fill(r.Send), " ")
	switch {
	case r.Form != nil:
		var parts []part
		for _, name := range sortedKeys(r.Form) {
			if strings.HasPrefix(r.Form[name], "@") { // a file, of which the documentation shows the name alone
				example, _ := op.Form.Example.(map[string]any)
				parts = append(parts, fileOf(name, op.Form.Schema.Value.Properties[name], example[name]))
				continue
			}
			parts = append(parts, field(name, r.Form[name]))
		}
		return who.submit(method, path, parts...)
	case r.JSON != nil:
		var body any
		if err := json.Unmarshal([]byte(x.fill(string(r.JSON))), &body); err != nil {
			panic(err)
		}
		if members, is := body.(map[string]any); is {
			freshen(op, members)
			if r.As == "session" && mayLeaveServerOut(op) {
				members["serverId"] = x.server.id // the account of the documentation has only one
			}
		}
		return who.write(method, path, body)
	}
	return who.send(method, path, "", nil)
}

// freshen replaces an address and a user name that only one account can have: others may have run this before.
func freshen(op *api.Operation, body object) {
	for name, member := range op.Body.Schema.Value.Properties {
		if _, given := body[name]; !given || !op.Creates {
			continue
		}
		if fresh, is := freshValue(member.Value); is {
			body[name] = fresh
		}
	}
}

// contains wants all that is in a value to be in the answer, too.
func (a *answer) contains(pointer string, want any) {
	members, is := want.(map[string]any)
	switch {
	case is:
		for _, name := range sortedKeys(members) {
			a.contains(pointer+"/"+escape.Replace(name), members[name])
		}
	case pointer != "":
		a.is(pointer, want)
	}
}
