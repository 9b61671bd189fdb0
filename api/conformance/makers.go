package conformance

import (
	"path"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rejoin-dev/rejoin/api"
)

// A maker makes what a parameter of a request names. An operation with a new kind of parameter needs one more of these, and
// is in all derived requirements then.
type maker struct {
	thing    string // as the audit trail and testdata/documented.json call it
	tag      string // of the operations that make it
	inServer bool   // it tells which server a request is about
	make     func(*scene) string
	unknown  func() string // of the same form, and the name of nothing
}

// makers are by the name of the parameter, with its format or its schema where one name stands for several things: the id of a role and
// the number of a user stand in the same place of the same path.
var makers = map[string]maker{
	"serverId":    {"server", "servers", true, func(x *scene) string { return x.server.id }, unknownID},
	"communityId": {"server", "servers", true, func(x *scene) string { return x.server.id }, unknownID},
	"imageId": {"image", "servers", false, func(x *scene) string {
		image := x.a.makesServer("Chess club", upload("image", "a.png", "image/png", pngImage())).image
		return image[strings.LastIndex(image, "/")+1:]
	}, func() string { return unknownID() + unknownID()[:8] }},
	// Nothing that must succeed ends it: it is the one with which the suite calls.
	"sessionId":     {"session", "auth", false, func(x *scene) string { return x.a.get("/auth/sessions").expect(200).text("/body/0/_id") }, unknownID},
	"userId":        {"number", "servers", false, func(x *scene) string { return x.server.owner }, func() string { return unknownNumber }},
	"id":            {"number", "servers", false, func(x *scene) string { return x.server.owner }, func() string { return unknownNumber }},
	"inviteCode":    {"code", "invites", false, func(x *scene) string { return x.a.invites(x.server, nil).text("/body/code") }, unknownCode},
	"channelId":     {"channel", "channels", true, (*scene).channel, unknownID},
	"id objectid":   {"role", "roles", true, func(x *scene) string { return x.a.makesRole(x.server, nil) }, unknownID},
	"badgeId":       {"badge", "badges", true, (*scene).badge, unknownUUID},
	"applicationId": {"application", "badges", true, func(x *scene) string { return x.author().applies(x.badge()) }, unknownID},
	"roleId":        {"role", "roles", true, func(x *scene) string { return x.a.makesRole(x.server, nil) }, unknownID},
	// Whoever may be deleted owns nothing.
	"user":                  {"username", "users", false, func(x *scene) string { return x.user("username") }, func() string { return "no" + unknownID()[:12] }},
	"email ":                {"email", "auth", false, func(x *scene) string { return x.a.get("/auth/me").expect(200).text("/body/email") }, freshEmail}, // of somebody who is there
	"userId MemberUsername": {"username", "users", false, func(x *scene) string { return x.user("username") }, func() string { return "no" + unknownID()[:12] }},
	"hostname":              {"hostname", "servers", false, func(x *scene) string { return x.host() }, func() string { return "nowhere.example" }},
	"idOrEmail":             {"email", "auth", false, func(x *scene) string { return x.a.get("/auth/me").expect(200).text("/body/email") }, freshEmail},
	"identifier":            {"email", "auth", false, func(x *scene) string { return x.a.get("/auth/me").expect(200).text("/body/email") }, freshEmail},
	// The operations about an account's own things are for that account.
	"userId objectid":    {"user", "servers", false, func(x *scene) string { return x.a.accountOf(x.server, x.server.owner) }, unknownID},
	"userApiKeyId":       {"userKey", "keys", false, func(x *scene) string { return x.a.makesUserKey(x.server, x.server.owner).id }, unknownID},
	"fieldId":            {"field", "fields", true, func(x *scene) string { return x.a.makesField(x.server, nil) }, unknownID},
	"milestoneId":        {"milestone", "gamification", true, func(x *scene) string { return x.a.makesMilestone(x.server, nil) }, unknownID},
	"socialId":           {"social", "gamification", true, func(x *scene) string { return x.a.makesSocial(x.server, nil) }, unknownID},
	"messageId":          {"message", "messages", true, func(x *scene) string { return x.author().says(x.channel(), "Hello") }, unknownID},
	"topicId":            {"topic", "messages", true, func(x *scene) string { return x.begins("Which opening first?") }, unknownID},
	"emoji":              {"emoji", "messages", false, func(*scene) string { return ":sparkling_heart:" }, func() string { return ":no_such_thing:" }},
	"streakId":           {"streak", "streaks", true, func(x *scene) string { return x.a.makesStreak(x.server, nil) }, unknownID},
	"gameId":             {"game", "streaks", true, func(x *scene) string { return x.a.makesGame(x.server, nil) }, unknownID},
	"leaderboardId":      {"leaderboard", "leaderboards", true, func(x *scene) string { return x.a.makesLeaderboard(x.server, nil) }, unknownID},
	"categoryID":         {"category", "store", true, func(x *scene) string { return x.a.makesCategory(x.server, nil) }, unknownID},
	"productID objectid": {"product", "store", true, func(x *scene) string { return x.a.makesProduct(x.server, object{"price": 0}) }, unknownID},
	"statusId":           {"status", "rewards", true, func(x *scene) string { return x.a.makesStatus(x.server, nil) }, unknownID},
	"transactionId":      {"order", "rewards", true, func(x *scene) string { return x.a.makesOrder(x.server) }, func() string { return "ORD20260101" + unknownID() }},
	"analysisId":         {"analysis", "charts", true, (*scene).charted, unknownID},
	"bulkId":             {"bulk", "bulk", true, func(x *scene) string { return x.bulk() }, unknownID},
	"webhookId":          {"webhook", "webhooks", true, (*scene).webhook, unknownID},
	"incomingWebhookId":  {"incomingwebhook", "webhooks", true, func(x *scene) string { return x.incoming().id }, unknownID},
	"incomingToken":      {"incomingtoken", "webhooks", true, func(x *scene) string { return x.incoming().token }, unknownToken},
	"sender":             {"sender", "servers", false, func(x *scene) string { return x.server.owner }, func() string { return "no" + unknownID()[:12] }},
	"deliveryId":         {"delivery", "webhooks", true, (*scene).delivery, unknownID},
	"widgetId":           {"widget", "widgets", true, func(x *scene) string { return x.a.makesWidget(x.server, nil) }, unknownID},
	"widgetAccessKeyId":  {"pair", "widgets", true, func(x *scene) string { return x.a.makesPair(x.server, nil).text("/data/_id") }, unknownID},
	"apiKeyId":           {"key", "keys", true, func(x *scene) string { return x.a.makesKey(x.server).id }, unknownID},
}

// before are what must have happened for an operation to change anything, where it is not enough that things are there.
var before = map[string]func(*scene){
	"getChannelEmbed": func(x *scene) {
		x.a.put("/channels/"+x.channel(), object{"topic": "board", "channelType": "iframe", "iframeUrl": "https://games.example/board"}).expect(200)
	},
	// The file that is cancelled waits for a long one.
	"cancelBulkUpdate": func(x *scene) {
		x.bulkKey().sends(bulkUpdates, longFile()).expect(200)
		x.bulk()
	},
	"createTopic":        func(x *scene) { x.a.turns(x.channel(), "forum") },
	"joinServer":         func(x *scene) { x.lets("open", x.server) },
	"removeRoleFromUser": func(x *scene) { x.a.gives(x.id(makers["id objectid"]), x.server.owner).expect(200) },
	"removeBadge":        func(x *scene) { x.a.awards(x.id(makers["badgeId"]), x.server.owner).expect(200) },
	"updateProducts":     (*scene).sellsCodes,
}

// shownBefore are what must be there, beside what a documented request names, for it to be good, and the tags that make it.
var shownBefore = map[string]struct {
	tags    []string
	prepare func(*scene)
}{
	"createUser": {[]string{"roles", "fields"}, func(x *scene) {
		x.a.makesField(x.server, object{"field": "customerid"})
		x.a.put(x.server.path("/access-levels"), object{"accessLevels": []any{object{"level": 1, "roleId": x.a.makesRole(x.server, nil)}}}).expect(200)
	}},
	"updateProducts": {nil, (*scene).sellsCodes},
}

// sellsCodes makes the product of a scene one that may be given codes.
func (x *scene) sellsCodes() {
	x.known["product"] = x.a.makesProduct(x.server, object{"type": "voucher"})
}

// makerOf is the maker of what a name with a schema stands for.
func makerOf(name string, schema *openapi3.SchemaRef) (maker, bool) {
	if schema.Value.Type.Is("boolean") || schema.Value.Type.Is("array") { // a question whether to show it, or any number of them
		return maker{}, false
	}
	if m, ok := makers[name+" "+path.Base(schema.Ref)]; ok {
		return m, true
	}
	if m, ok := makers[name+" "+schema.Value.Format]; ok {
		return m, true
	}
	m, ok := makers[name]
	return m, ok
}

// makersOf are those whose things a request to an operation names.
func makersOf(op *api.Operation) []maker {
	var all []maker
	draftOf(op, func(m maker) string { all = append(all, m); return "" })
	return all
}

// within is the tag of what the things of a tag are in or made by, other than a server.
var within = map[string]string{"webhooks": "channels", "messages": "channels", "charts": "channels", "users": "keys", "bulk": "keys", "rewards": "store"}

// ofAuthors are the tags that are needed beside a tag where somebody else than the owner makes its things.
var ofAuthors = map[string]string{"charts": "roles"}

// needs are the tags, besides its own and servers, that are needed to call an operation, and more.
func needs(op *api.Operation, more ...string) []string {
	tags := []string{}
	add := func(tag string) {
		if tag != "" && tag != op.Tag && tag != "servers" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	for _, m := range makersOf(op) {
		add(m.tag)
		add(within[m.tag])
	}
	for _, tag := range more {
		add(tag)
	}
	slices.Sort(tags)
	return tags
}

// scene is a server of a's with what a request needs in it, made when it is asked for. What succeeds may use it up.
type scene struct {
	*session
	server club
	known  map[string]string // by thing
	number string            // of b, who is a member then
	byB    bool              // whether what has an author is b's, who is a member
	made   object            // a user whom a key has made
	key    key               // that calls what is for keys alone, once that was asked for
}

// author is who makes what has an author.
func (x *scene) author() caller {
	if x.byB {
		return x.joined()
	}
	return x.a
}

// begins makes a topic in the channel of a scene, which is a forum meanwhile, and returns its id.
func (x *scene) begins(title string) (id string) {
	x.a.turns(x.channel(), "forum")
	id = x.author().post("/channels/"+x.channel()+"/topics", object{"title": title}).expect(201).text("/body/_id")
	x.a.turns(x.channel(), "open")
	return id
}

// channel is the id of the channel of a scene.
func (x *scene) channel() string {
	if x.known["channel"] == "" {
		x.known["channel"] = x.a.makesChannel(x.server, "open", nil)
	}
	return x.known["channel"]
}

// badge is the id of the badge of a scene.
func (x *scene) badge() string {
	if x.known["badge"] == "" {
		x.known["badge"] = x.a.makesBadge(x.server, nil)
	}
	return x.known["badge"]
}

func (s *session) scene() *scene {
	return &scene{session: s, server: s.a.makesServer("Chess club"), known: map[string]string{}}
}

// id is the id of a thing.
func (x *scene) id(m maker) string {
	if x.known[m.thing] == "" {
		x.known[m.thing] = m.make(x)
	}
	return x.known[m.thing]
}

// ready is a request to an operation that has everything it needs to succeed, but for who sends it.
func (x *scene) ready(op *api.Operation) *draft {
	if prepare := before[op.ID]; prepare != nil {
		prepare(x)
	}
	return draftOf(op, x.id)
}

// joined is b as a member.
func (x *scene) joined() caller {
	if x.number == "" {
		x.number = x.b.joins(x.server)
	}
	return x.b
}

// entitled is who may do an operation in the scene: an account that needs no role for it, or a key where it is for keys alone.
func (x *scene) entitled(op *api.Operation) caller {
	if isForKeys(op) {
		if x.key.whole == "" {
			x.key = x.a.makesKey(x.server, neededBy(op)...)
		}
		return x.key.caller
	}
	switch op.Role {
	case api.RoleAnyone:
		return x.b
	case api.RoleMember:
		return x.joined()
	}
	return x.a
}

// unknown is a request about things that are not there.
func unknown(op *api.Operation) *draft {
	return draftOf(op, func(m maker) string { return m.unknown() })
}

// containers are the members of a role that hold its permissions.
var containers = []string{"serverPermissions", "channelPermissions"}

// flagsIn are the role permissions that a container has.
func (c *contract) flagsIn(container string) []string {
	return sortedKeys(c.document.Components.Schemas["Role"].Value.Properties[container].Value.Properties)
}

// flags are all role permissions of the contract.
func (c *contract) flags() (all []string) {
	for _, container := range containers {
		all = append(all, c.flagsIn(container)...)
	}
	return all
}

// permitting are the members of a role that has these permissions and no others, each where the contract has it.
func (c *contract) permitting(permissions ...string) object {
	role := object{}
	for _, container := range containers {
		in := c.flagsIn(container)
		role[container] = flags(slices.DeleteFunc(slices.Clone(permissions), func(name string) bool { return !slices.Contains(in, name) })...)
	}
	return role
}

// everyPermission are all that a key can have.
func (c *contract) everyPermission() []string {
	return permissionsOf(c.operations.ByID("createApiKey"))
}

// everyUserPermission are all that a user API key can have.
func (c *contract) everyUserPermission() []string {
	return permissionsOf(c.operations.ByID("createUserApiKey"))
}

// permissionsOf are those that the body of an operation can name.
func permissionsOf(op *api.Operation) (all []string) {
	for _, name := range op.Body.Schema.Value.Properties["permissions"].Value.Items.Value.Enum {
		all = append(all, name.(string))
	}
	return all
}

// everyBut are the names that are not among these.
func everyBut(names []string, without ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(without, name) })
}
