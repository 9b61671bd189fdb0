package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/api"
)

// A derivation makes one requirement of each operation that the contract says something of.
type derivation struct {
	kind    string // what the ids begin with
	means   string // for people
	text    string // with the operation where %s stands
	applies func(*api.Operation) bool
	with    []string // the tags that it needs besides those of the operation
	mail    bool
	run     func(*session, *api.Operation)
}

// derivations are in the order in which a request is looked at: who is calling, may they, is it there, is it new.
var derivations = []derivation{
	{"CREDENTIAL", "a caller without a good credential of the right kind is refused",
		"%s answers 401 without a good credential, and 403 to one of another kind", asksWho, nil, false, credential},
	{"KIND", "what is for accounts refuses API keys",
		"%s is for accounts, and answers 403 to an API key", isForAccounts, []string{"keys"}, false, kind},
	{"PERMISSION", "an API key needs the permission, and no other",
		"%s answers 403 to an API key with every permission but the needed one, and needs no other", takesKeys, []string{"keys"}, false, permission},
	{"USERKEY", "a user API key needs the permission, and no other",
		"%s answers 403 to a user API key with every permission but the needed one, and needs no other", takesUserKeys, []string{"keys"}, false, userPermission},
	{"WIDGET", "a widget token opens what its kind of widget needs, in its community",
		"%s takes a widget token of its kinds, refuses those of others by 403, and of another community by 404", takesWidgets, []string{"widgets", "auth"}, false, widgetToken},
	{"NOWIDGET", "a widget token opens nothing else",
		"%s answers 403 to a widget token", refusesWidgets, []string{"widgets", "auth"}, false, noWidgetToken},
	{"KEYSERVER", "an API key is good for its own server only",
		"%s answers 404 to an API key of another server", isForKeysOfAServer, []string{"keys"}, false, keyServer},
	{"ACCESS", "who is no member finds nothing, and who may does it",
		"%s is for whom the contract says: others get 404, and members 403", isInServer, nil, false, access},
	{"ROLE", "the role that the contract names decides, and nothing else does",
		"%s is decided by the role permission that the contract names, or by who owns the server", isForSomeMembers, []string{"roles"}, false, role},
	{"FOREIGN", "what is in a server in which the caller has no business answers as what does not exist",
		"%s answers about a foreign thing exactly as about one that does not exist", hidesForeign, nil, false, foreign},
	{"DELETED", "who was deleted from a server finds nothing there",
		"%s answers who was deleted from the server as it answers about what does not exist", hidesForeign, []string{"keys", "users"}, false, deleted},
	{"SERVERID", "who could mean several servers must say which",
		"%s answers 400 where its server is left out and could be one of several", mayLeaveServerOut, nil, false, severalServers},
	{"ONESERVER", "who can mean only one server need not say which",
		"%s takes the only server in which the account may do it, and answers 400 if there is none", mayLeaveServerOut, []string{"auth"}, true, oneServer},
	{"REPEAT", "a creation can be repeated safely",
		"%s can be repeated safely under an Idempotency-Key", creates, nil, false, repeat},
	{"REPEATKEY", "an Idempotency-Key is a caller's own",
		"%s takes one Idempotency-Key of an account and of two API keys for three", createsByKey, []string{"keys"}, false, repeatByKey},
	{"REPEATLATER", "an Idempotency-Key is an account's own, whatever its session",
		"%s takes an Idempotency-Key for the same after a new log-in, gives the first answer again and makes nothing twice", createsByAccount, []string{"auth"}, true, repeatLater},
	{"AUDIT", "a change adds one entry to the audit trail, and a refused one adds none",
		"%s adds one entry to the audit trail when it succeeds, by who called, and none when it is refused", isAudited, []string{"audit"}, false, audited},
}

func asksWho(op *api.Operation) bool       { return len(op.Schemes) > 0 }
func isForKeys(op *api.Operation) bool     { return asksWho(op) && !op.Takes(api.SessionAuth) }
func isForAccounts(op *api.Operation) bool { return asksWho(op) && !takesKeys(op) }
func takesUserKeys(op *api.Operation) bool { return op.Takes(api.UserKeyAuth) }
func isInServer(op *api.Operation) bool    { return op.Role != "" }
func creates(op *api.Operation) bool       { return op.Creates && !isForOneAccount(op) }
func createsByAccount(op *api.Operation) bool {
	return creates(op) && op.Takes(api.SessionAuth)
}

// isForOneAccount tells whether a request names an account, and is for that account: a story says who else may send it.
func isForOneAccount(op *api.Operation) bool {
	return slices.ContainsFunc(makersOf(op), func(m maker) bool { return m.thing == "user" })
}
func createsByKey(op *api.Operation) bool { return op.Creates && takesKeys(op) }

func isForKeysOfAServer(op *api.Operation) bool { return takesKeys(op) && len(makersOf(op)) > 0 }
func isForSomeMembers(op *api.Operation) bool   { return !op.ByMembership() }
func hidesForeign(op *api.Operation) bool       { return isInServer(op) && op.Role != api.RoleAnyone }

// mayLeaveServerOut tells whether a request may leave out its server, and nothing else in its path, or in a list that it is, tells it.
func mayLeaveServerOut(op *api.Operation) bool {
	named := pathMakers(op)
	if op.Body != nil && op.Body.Schema.Value.Items != nil {
		named = makersOf(op)
	}
	return op.ServerPointer() != "" && !slices.ContainsFunc(named, func(m maker) bool { return m.inServer && m.thing != "server" })
}

func isAudited(op *api.Operation) bool { return op.Audit != "" }

// pathMakers are the makers of what the path of an operation names.
func pathMakers(op *api.Operation) []maker {
	var all []maker
	for _, p := range op.Parameters() {
		if m, known := makerOf(p.Name, p.Schema); known && p.In == "path" {
			all = append(all, m)
		}
	}
	return all
}

// derived are the requirements of a tag that follow from the contract, but for those that break its schemas.
func (c *contract) derived(tag string) []requirement {
	var all []requirement
	for _, d := range derivations {
		for _, op := range c.operations {
			if op.Tag != tag || !d.applies(op) {
				continue
			}
			r := requirement{run: func(s *session) { d.run(s, op) }, Requirement: Requirement{
				ID: d.kind + "-" + op.ID, Section: tag, Level: Must, Source: op.Source, Operations: []string{op.ID},
				With: needs(op, d.needs(op)...), Mail: d.mail, Text: fmt.Sprintf(d.text, op.ID),
			}}
			switch {
			case d.mail:
				r.queue = "auth" // they share an account
			case rateLimited(op):
				r.rateLimited, r.queue = true, "rate-limited"
			}
			all = append(all, r)
		}
	}
	return append(all, c.documented(tag)...)
}

// needs are the tags that it needs besides those of an operation.
func (d derivation) needs(op *api.Operation) []string {
	if d.kind == "WIDGET" {
		return append([]string{shownIn[kindOfWidget(op)]}, d.with...)
	}
	if isForKeys(op) {
		return append([]string{"keys"}, d.with...)
	}
	if tag := ofAuthors[op.Tag]; tag != "" && d.kind == "AUDIT" && op.Author == api.AuthorAlso {
		return append([]string{tag}, d.with...)
	}
	return d.with
}

// isDerived tells whether the id of a requirement was made from a kind and an operation.
func (r Requirement) isDerived() bool {
	kind, rest, _ := strings.Cut(r.ID, "-")
	return len(r.Operations) == 1 && strings.HasPrefix(rest, r.Operations[0]) && (kind == "NEGATIVE" || kind == "DOCUMENTED" ||
		slices.ContainsFunc(derivations, func(d derivation) bool { return d.kind == kind }))
}
