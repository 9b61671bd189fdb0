package conformance

import (
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api"
)

const (
	widgetsPath  = "/apis/v1/widgets"
	pairsPath    = "/apis/v1/widget-access-keys"
	tokenPath    = "/v2/api/widget-access-keys/token"
	validatePath = "/v2/api/widget-access-keys/validate"
)

// makesWidget makes a widget, of the kind store unless the changes say another, and returns its id.
func (c caller) makesWidget(in club, changes object) string {
	return c.post(widgetsPath, object{"serverId": in.id, "kind": "store", "name": "conf"}.and(changes)).expect(201).text("/data/_id")
}

// makesPair makes a pair with which tokens are asked for, and returns the answer.
func (c caller) makesPair(in club, changes object) *answer {
	return c.post(pairsPath, object{"serverId": in.id, "name": "conf"}.and(changes)).expect(201)
}

// asksToken asks for a token by the pair of an answer.
func (c caller) asksToken(pair *answer, changes object) *answer {
	return c.anonymous.post(tokenPath, object{"accessId": pair.text("/data/accessId"), "accessKey": pair.text("/data/accessKey")}.and(changes))
}

// address is that of the account of the caller.
func (c caller) address() string { return c.get("/auth/me").expect(200).text("/body/email") }

// byWidget is somebody who comes by a token for a member of a server, by their address, for one widget or, without one, for all.
func (c caller) byWidget(in club, email, widget string) caller {
	wanted := object{"userIdentifiers": object{"data-email": email}}
	if widget != "" {
		wanted["widgetId"] = widget
	}
	who := c.anonymous.bearer(c.asksToken(c.makesPair(in, nil), wanted).expect(200).text("/data/embedToken"))
	who.name = "a widget token"
	return who
}

// widgetOf is a widget of a kind in a scene, which shows what requests are about there.
func (x *scene) widgetOf(kind string) string {
	shows := object{"kind": kind}
	switch kind {
	case "channels":
		shows["channelId"] = x.channel()
	case "leaderboard":
		shows["leaderboardId"] = x.id(makers["leaderboardId"])
	}
	return x.a.makesWidget(x.server, shows)
}

// shownIn are the tags of what widgets of a kind show, where they name it.
var shownIn = map[string]string{"channels": "channels", "leaderboard": "leaderboards"}

// kindOfWidget is a kind of those whose tokens an operation takes: one that names nothing, if there is one.
func kindOfWidget(op *api.Operation) string { return op.Widgets[len(op.Widgets)-1] }

// kindsOfWidgets are those that the contract knows.
func (c *contract) kindsOfWidgets() (all []string) {
	for _, name := range c.operations.ByID("createWidget").Body.Schema.Value.Properties["kind"].Value.Enum {
		all = append(all, name.(string))
	}
	return all
}

func takesWidgets(op *api.Operation) bool   { return op.Takes(api.WidgetAuth) }
func refusesWidgets(op *api.Operation) bool { return asksWho(op) && !takesWidgets(op) }

// widgetToken asks with tokens for the owner of a server: for one widget of each kind, and of another community.
func widgetToken(s *session, op *api.Operation) {
	x := s.scene()
	mine := x.a.address()
	others := everyBut(s.suite.contract.kindsOfWidgets(), op.Widgets...)
	if len(others) > 0 {
		x.ready(op).send(x.a.byWidget(x.server, mine, x.widgetOf(others[len(others)-1]))).expect(403)
	}
	elsewhere := s.a.makesServer("Go club")
	if op.Role != "" && len(makersOf(op)) > 0 {
		x.byKey(x.ready(op)).send(x.a.byWidget(elsewhere, mine, "")).expect(404)
	}
	x.byKey(x.ready(op)).send(x.a.byWidget(x.server, mine, x.widgetOf(kindOfWidget(op)))).succeeds()
}

// noWidgetToken sends a good request with a token for all widgets of a community.
func noWidgetToken(s *session, op *api.Operation) {
	unknown(op).send(s.widgetBearer()).expect(403)
}

// widgetBearer is somebody who comes by a token for all widgets of the server of the fixture. They share it as long as it is good.
func (s *session) widgetBearer() caller {
	x := s.suite
	x.fixtureMu.Lock()
	defer x.fixtureMu.Unlock()
	if x.widget.session == nil || time.Since(x.widgetAt) > 5*time.Minute {
		x.widget, x.widgetAt = s.a.byWidget(s.a.makesServer("Chess club"), s.a.address(), ""), time.Now()
	}
	who := x.widget
	who.session = s
	return who
}

// frames are the test cases of the tag widgets.
var frames = []testCase{
	{"WIDGETS-SHOW-01", "createWidget updateWidget getWidget listWidgets deleteWidget channels leaderboards", "a widget shows what its kind needs, and nothing else, of its own community", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		channel, foreign := s.a.makesChannel(club, "text", nil), s.a.makesChannel(other, "text", nil)
		make := func(changes object) *answer {
			return s.a.post(widgetsPath, object{"serverId": club.id, "name": "conf"}.and(changes))
		}
		make(object{"kind": "channels"}).refuses("/channelId", "required")
		make(object{"kind": "leaderboard"}).refuses("/leaderboardId", "required")
		make(object{"kind": "store", "channelId": channel}).refuses("/channelId", "not_allowed")
		make(object{"kind": "channels", "channelId": foreign}).refuses("/channelId", "unknown")
		make(object{"kind": "channels", "channelId": channel, "public": true}).refuses("/public", "not_allowed")
		for _, origin := range []string{"http://shop.example", "https://shop.example/path", "https://*.example"} {
			if make(object{"kind": "store", "allowedOrigins": []any{origin}}).status != 400 {
				s.fail("%s is an origin", origin)
			}
		}
		made := make(object{"kind": "channels", "channelId": channel, "slug": "talk", "allowedOrigins": []any{"HTTPS://Shop.example:443"}})
		if made.status == 400 { // the pattern has lower-case letters
			made = make(object{"kind": "channels", "channelId": channel, "slug": "talk", "allowedOrigins": []any{"https://shop.example:443"}})
		}
		made.expect(201).is("/data/allowedOrigins", []any{"https://shop.example"}).is("/data/channelId", channel)
		make(object{"kind": "store", "slug": "talk"}).expect(409)
		s.a.put(widgetsPath+"/"+made.text("/data/_id"), object{"theme": object{"mode": "dark", "accent": "#FF0000"}}).expect(200).is("/data/theme", object{"mode": "dark", "accent": "#ff0000"}).is("/data/slug", "talk")
		path := widgetsPath + "/" + made.text("/data/_id")
		s.a.get(widgetsPath+"?serverId="+club.id).expect(200).is("/data/0", s.a.get(path).expect(200).at("/data"))
		s.a.delete(path).expect(200)
		s.a.get(widgetsPath+"?serverId="+club.id).expect(200).is("/data", []any{})
	}},
	{"WIDGETS-PAIR-01", "createWidgetAccessKey listWidgetAccessKeys deleteWidgetAccessKey createWidgetToken validateWidgetToken auth", "a pair is shown whole once, and gets tokens until it is deleted", func(s *session) {
		club := s.a.makesServer("Chess club")
		pair, whom := s.a.makesPair(club, nil), object{"userIdentifiers": object{"data-email": s.a.address()}}
		if listed := s.a.get(pairsPath + "?serverId=" + club.id).expect(200); strings.Contains(string(listed.raw), pair.text("/data/accessKey")) {
			listed.stop("the key is shown again")
		}
		got := s.a.asksToken(pair, whom).expect(200).is("/data/expiresIn", 900)
		s.anonymous.post(validatePath, object{"embedToken": got.text("/data/embedToken")}).expect(200).is("/data/valid", true).is("/data/communityId", club.id)
		for _, wrong := range []object{{"accessId": unknownID()}, {"accessKey": strings.Repeat("0", 64)}} {
			s.a.asksToken(pair, whom.and(wrong)).expect(401)
		}
		s.a.delete(pairsPath + "/" + pair.text("/data/_id")).expect(200)
		s.a.asksToken(pair, whom).expect(401)
		s.anonymous.post(validatePath, object{"embedToken": "a.b.c"}).expect(200).is("/data", object{"valid": false, "communityId": nil, "expiresAt": nil})
	}},
	{"WIDGETS-PAIR-02", "createWidgetAccessKey createWidgetToken roles auth", "a pair gets tokens while whoever has made it may make one", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		role := s.a.appoints(club, number, 50, administrator)
		pair, whom := s.b.makesPair(club, nil), object{"userIdentifiers": object{"data-email": s.a.address()}}
		s.a.asksToken(pair, whom).expect(200)
		s.a.takes(role, number).expect(200)
		s.a.asksToken(pair, whom).expect(403)
	}},
	{"WIDGETS-WHO-01", "createWidgetToken createWidget fields auth", "a token is for the member whom all identifiers name, and for nobody else", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		her, hers := s.a.accountOf(club, number), s.b.address()
		pair := s.a.makesPair(club, nil)
		asks := func(identifiers object) *answer { return s.a.asksToken(pair, object{"userIdentifiers": identifiers}) }
		asks(object{"data-user-id": her, "data-email": hers}).expect(200)
		asks(object{"data-user-id": her, "data-email": s.a.address()}).expect(404)
		asks(object{"data-user-id": number}).expect(404)
		asks(object{"data-email": freshEmail()}).expect(404)
		asks(object{"email": hers}).refuses("/userIdentifiers", "not_allowed")

		field := s.a.makesField(club, object{"field": "crm_number"})
		s.a.sets(club, field, her, object{"value": "c-1"}).expect(201)
		asks(object{"data-crm-number": "c-1"}).expect(404)
		s.a.makesWidget(club, object{"userIdentifierFields": []any{"crm_number"}})
		asks(object{"data-crm-number": "c-1"}).expect(200)
		asks(object{"data-crm-number": "c-2"}).expect(404)
		s.b.post(club.path("/leave")).expect(200)
		asks(object{"data-user-id": her}).expect(404)
	}},
	{"WIDGETS-SIGNIN-01", "signInToWidgets getServer keys auth", "an API key with the permission gets tokens for members of its community", func(s *session) {
		chess := s.a.makesServer("Chess club")
		good := s.a.makesKey(chess, "widgets")
		signs := func(with key, in club, email string) *answer {
			return s.anonymous.with("returningai-api-key", with.whole).with("email", email).post("/widget/" + in.id + "/signin")
		}
		token := signs(good, chess, s.a.address()).expect(200).text("/token")
		s.anonymous.bearer(token).get(chess.path("")).expect(200)
		signs(good, chess, s.b.address()).expect(404)
		signs(good, s.a.makesServer("Go club"), s.a.address()).expect(404)
		others := everyBut(s.suite.contract.everyPermission(), "widgets")
		signs(s.a.makesKey(chess, others...), chess, s.a.address()).expect(403)
		s.a.delete(chess.keysPath("/" + good.id)).expect(200)
		signs(good, chess, s.a.address()).expect(401)
	}},
	{"WIDGETS-SELF-01", "createWidgetToken badges users gamification auth", "by a widget token, members find what they have themselves, and nobody else", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		hers := s.a.byWidget(club, s.b.address(), "")
		for _, is := range []struct {
			number, id string
			status     int
		}{{number, s.a.accountOf(club, number), 200}, {club.owner, s.a.accountOf(club, club.owner), 404}} {
			hers.get(club.path("/members/" + is.number + "/balance")).expect(is.status)
			hers.get("/apis/v1/communities/" + club.id + "/users/" + is.id).expect(is.status)
			hers.post("/apis/v1/users/milestones", object{"identifier": is.number, "identifier_type": "id"}).expect(is.status)
		}
		s.b.post(club.path("/leave")).expect(200)
		hers.get(club.path("/members/" + number + "/balance")).expect(404)
	}},
	{"WIDGETS-CHANNEL-01", "createWidgetToken createWidget deleteWidget messages channels auth", "a token opens the channels that widgets show, and no other", func(s *session) {
		club := s.a.makesServer("Chess club")
		shown, other := s.a.makesChannel(club, "text", nil), s.a.makesChannel(club, "text", nil)
		hidden := s.a.says(other, "Not for widgets")
		widget := s.a.makesWidget(club, object{"kind": "channels", "channelId": shown})
		for _, only := range []string{"", widget} {
			who := s.a.byWidget(club, s.a.address(), only)
			said := who.post("/apis/v1/messages/send", object{"channelId": shown, "message": "From a page"}).expect(200).text("/data/messageId")
			who.get("/apis/v1/messages/" + said).expect(200)
			who.get("/apis/v1/messages?channel_id=" + other).expect(404)
			who.get("/apis/v1/messages/" + hidden).expect(404)
			who.post("/apis/v1/messages/send", object{"channelId": other, "message": "From a page"}).expect(404)
			who.post("/apis/v1/messages/react", object{"messageId": hidden, "emoji": "👍"}).expect(404)
		}
		bound := s.a.byWidget(club, s.a.address(), widget)
		s.a.delete(widgetsPath + "/" + widget).expect(200)
		bound.get("/apis/v1/messages?channel_id=" + shown).expect(401)
	}},
}
