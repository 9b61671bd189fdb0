package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// fields is where the fields of a server are, and what is below.
func (c club) fields(more ...string) string {
	return "/apis/v1/communities/" + c.id + "/user-fields" + strings.Join(more, "")
}

// makesField makes a field of a server and returns its id.
func (c caller) makesField(in club, changes object) string {
	made := c.post(in.fields(), object{"field": "conf-" + unknownID(), "name": "Level", "type": "text"}.and(changes)).expect(201)
	return made.text("/data/_id")
}

// gives a member a value in a field.
func (c caller) sets(in club, field, account string, body object) *answer {
	return c.post(in.fields("/", field, "/users/", account, "/histories"), body)
}

// fieldsOf is what a member has in the fields of a server.
func (k key) fieldsOf(name string) any {
	return k.post("/apis/v1/users/info", object{"idOrEmail": name}).expect(200).at("/data/customFields")
}

// fields are the test cases of the tag fields.
var fields = []testCase{
	{"FIELDS-CREATE-01", "createUserField listUserFields getUserField", "a field is called as it was asked for, with hyphens for spaces, and no other is called so in any case", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post(club.fields(), object{"field": "deposit amount", "name": "Deposit amount", "type": "numerical"}).expect(201)
		made.says("Create user field successful").is("/meta", object{"status": "success", "statusCode": 201})
		made.has("/data", object{"field": "deposit-amount", "name": "Deposit amount", "type": "numerical", "communityId": club.id, "required": false, "options": []any{}, "isIdentifier": false})
		if fmt.Sprint(made.number("/data/creator/id")) != club.owner {
			made.fail("/data/creator/id is not %s, as a number", club.owner)
		}
		for _, taken := range []string{"deposit-amount", "Deposit Amount", "DEPOSIT-AMOUNT"} {
			s.a.post(club.fields(), object{"field": taken, "name": "x", "type": "text"}).expect(409)
		}
		s.a.makesField(club, object{"field": "STRAẞE"})
		s.a.post(club.fields(), object{"field": "strasse", "name": "x", "type": "text"}).expect(409)
		for _, everybodys := range []string{"Email", "_id", made.text("/data/_id")} {
			s.a.post(club.fields(), object{"field": everybodys, "name": "x", "type": "text"}).refuses("/field", "not_allowed")
		}
		s.a.get(club.fields("/", made.text("/data/_id"))).expect(200).says("Read user field success.").is("/data", made.at("/data"))
		other := s.a.makesServer("Other club")
		s.a.makesField(other, object{"field": "deposit amount"})
		s.a.get(other.fields("/", made.text("/data/_id"))).expect(404)
	}},

	{"FIELDS-CREATE-02", "createUserField updateUserField", "a select has options, no two of them alike, other types have none, and a default is a value of the type", func(s *session) {
		club := s.a.makesServer("Chess club")
		wrong := func(pointer, code string, in object) {
			s.a.post(club.fields(), object{"field": "level", "name": "Level"}.and(in)).refuses(pointer, code)
		}
		wrong("/options", "required", object{"type": "select"})
		wrong("/options", "required", object{"type": "select", "options": []any{}})
		wrong("/options", "not_allowed", object{"type": "text", "options": []any{"Gold"}})
		wrong("/options/1", "duplicate", object{"type": "select", "options": []any{"Gold", "GOLD"}})
		wrong("/defaultValue", "not_allowed", object{"type": "select", "options": []any{"Gold"}, "defaultValue": "Silver"})
		wrong("/defaultValue", "not_allowed", object{"type": "number", "defaultValue": "many"})
		wrong("/defaultValue", "wrong_type", object{"type": "text", "defaultValue": []any{"a"}})
		s.a.post(club.fields(), object{"field": "level", "name": "Level", "type": "select", "options": []any{"Silver", "Gold"}, "defaultValue": "gold"}).expect(201).is("/data/defaultValue", "Gold")
		plain := s.a.makesField(club, object{"defaultValue": "none"})
		s.a.put(club.fields("/", plain), object{"name": "x", "type": "number"}).expect(409)
		s.a.put(club.fields("/", plain), object{"name": "x", "type": "number", "defaultValue": "7"}).expect(200).is("/data/defaultValue", 7)
		wrong("/defaultValue", "too_long", object{"type": "text", "defaultValue": strings.Repeat("x", 254)})
		long := []any{}
		for i := range 40 {
			long = append(long, fmt.Sprint(i, strings.Repeat("x", 250)))
		}
		wrong("/options", "too_large", object{"type": "select", "options": long})
	}},

	{"FIELDS-LIST-01", "createUserField listUserFields updateUserField deleteUserField", "fields stand in their order, and what is deleted is in it no more", func(s *session) {
		club := s.a.makesServer("Chess club")
		first, second, third := s.a.makesField(club, nil), s.a.makesField(club, nil), s.a.makesField(club, nil)
		order := func(want ...string) {
			list := s.a.get(club.fields()).expect(200).says("Read user fields success.")
			if got := list.each("/data", "_id"); asJSON(got) != asJSON(want) {
				list.fail("the fields are %v, want %v", got, want)
			}
		}
		order(first, second, third)
		s.a.put(club.fields("/", first), object{"name": "Level", "type": "text", "order": 5}).expect(200).says("Updated user field").is("/data/order", 5)
		order(second, third, first)
		s.a.delete(club.fields("/", third)).expect(200).says("Deleted user field").is("/data/_id", third)
		s.a.delete(club.fields("/", third)).expect(404)
		order(second, first)
	}},

	{"FIELDS-VALUE-01", "createUserField createUserFieldHistory getUserData keys users", "each type takes its values and texts that say them, unchanged in any script, and nothing else", func(s *session) {
		club := s.a.makesServer("Chess club")
		me, key := s.a.accountOf(club, club.owner), s.a.makesKey(club, "userFields", "getUserData")
		long, line := strings.Repeat("𝄞", 4000), strings.Repeat("ж", 255)
		for _, kind := range []struct {
			in           object
			takes, shown []any
			refuses      []any
		}{
			{object{"type": "text"}, []any{"a\nb \u202e<b>=1+1 e\u0301", "", 1.5, true, long}, []any{"a\nb \u202e<b>=1+1 e\u0301", "", "1.5", "true", long}, []any{long + "x", "a\x00b", nil, []any{"a"}, object{}}},
			{object{"type": "multi-line-text"}, []any{"a\r\nb"}, []any{"a\r\nb"}, []any{"\x00"}},
			{object{"type": "single-line-text"}, []any{line}, []any{line}, []any{line + "x", "a\nb"}},
			{object{"type": "number"}, []any{12.5, "12.50", "-0"}, []any{12.5, 12.5, 0}, []any{"many", "0x10", true, "", "9007199254740993"}},
			{object{"type": "numerical"}, []any{9007199254740991, "1e3"}, []any{9007199254740991, 1000}, []any{"1e400", "NaN"}},
			{object{"type": "boolean"}, []any{true, "false"}, []any{true, false}, []any{"TRUE", 1}},
			{object{"type": "date"}, []any{"2024-02-29", "2024-02-29T12:00:00.5+02:00"}, []any{"2024-02-29", "2024-02-29T12:00:00.5+02:00"}, []any{"2023-02-29", "29.02.2024", 20240229}},
			{object{"type": "select", "options": []any{"Gold", "Straße"}}, []any{"gold", "STRASSE"}, []any{"Gold", "Straße"}, []any{"Silver", true}},
		} {
			field := s.a.post(club.fields(), object{"field": "conf-" + unknownID(), "name": "x"}.and(kind.in)).expect(201)
			id, name := field.text("/data/_id"), field.text("/data/field")
			for i, value := range kind.takes {
				s.a.sets(club, id, me, object{"value": value}).expect(201).is("/data/value", kind.shown[i])
				if got, _ := lookup(key.fieldsOf(club.owner), "/"+name); asJSON(got) != asJSON(kind.shown[i]) {
					s.fail("%s of %.40s is %.40s", kind.in["type"], asJSON(value), asJSON(got))
				}
			}
			for _, value := range kind.refuses {
				s.a.sets(club, id, me, object{"value": value}).refuses("/value", "")
			}
			s.a.delete(club.fields("/", id)).expect(200)
		}
	}},

	{"FIELDS-HISTORY-01", "createUserField createUserFieldHistory getUserData keys users", "the current value is that of the latest moment, and what does not change is not written again", func(s *session) {
		club := s.a.makesServer("Chess club")
		me, key := s.a.accountOf(club, club.owner), s.a.makesKey(club, "userFields", "getUserData")
		field := s.a.makesField(club, object{"field": "level"})
		now := func(want any) {
			if got := key.fieldsOf(club.owner); asJSON(got) != asJSON(object{"level": want}) {
				s.fail("the fields are %s, want level %v", asJSON(got), want)
			}
		}
		silver := s.a.sets(club, field, me, object{"value": "Silver"}).expect(201).says("Create user field history success.").lacks("/data/previous").has("/data", object{"value": "Silver", "userId": me, "field": "level", "by": object{"type": "account", "id": club.owner}})
		again := s.a.sets(club, field, me, object{"value": "Silver"}).expect(201)
		again.is("/data", silver.at("/data"))
		key.sets(club, field, me, object{"value": "Gold"}).expect(201).is("/data/previous", "Silver").is("/data/by/type", "key")
		now("Gold")
		old := s.a.sets(club, field, me, object{"value": "Bronze", "at": "2024-01-01T00:00:00.000Z"}).expect(201).is("/data/at", "2024-01-01T00:00:00.000Z").lacks("/data/previous")
		now("Gold")
		s.a.sets(club, field, me, object{"value": "Bronze", "at": "2024-06-01T00:00:00Z"}).expect(201).is("/data", old.at("/data"))
		for i, value := range []string{"A", "B", "C"} { // within what is kept as one moment
			s.a.sets(club, field, me, object{"value": value, "at": fmt.Sprintf("2025-01-01T00:00:00.000000%dZ", i)}).expect(201)
		}
		moments := s.a.get(club.fields("/", field, "/histories?from=2025-01-01T00:00:00Z&to=2025-01-01T00:00:00Z")).expect(200)
		if got := asJSON(moments.each("/data", "value")); got != `["C","B","A"]` {
			moments.fail("what was given in one moment stands as %s", got)
		}
		s.a.sets(club, field, me, object{"value": "Gold", "at": "2999-01-01T00:00:00Z"}).refuses("/at", "too_large")

		whole := s.a.get(club.fields("/", field, "/histories")).expect(200).says("Read user field histories success.")
		if got := asJSON(whole.each("/data", "value")); got != `["Gold","Silver","C","B","A","Bronze"]` {
			whole.fail("the history is %s", got)
		}
		whole.is("/data/0/previous", "Silver").is("/data/1/previous", "C").is("/data/4/previous", "Bronze").lacks("/data/5/previous")
	}},

	{"FIELDS-HISTORY-02", "createUserField createUserFieldHistory deleteUserField listUserFieldHistories listUserFieldHistoriesOfField listUserFieldHistoriesOfUser listUserFieldHistoriesOfFieldAndUser createUser keys users",
		"the history is read of all, of a field, of a member and of both, between moments, by cursor, and also of a field that is gone", func(s *session) {
			club := s.a.makesServer("Chess club")
			key := s.a.makesKey(club, "createUser")
			me, other := s.a.accountOf(club, club.owner), key.makesUser(nil).expect(201).text("/data/_id")
			one, two := s.a.makesField(club, nil), s.a.makesField(club, nil)
			for year, at := range []struct{ field, account string }{{one, me}, {two, me}, {one, other}, {two, other}} {
				s.a.sets(club, at.field, at.account, object{"value": fmt.Sprint(year), "at": fmt.Sprintf("200%d-01-01T00:00:00Z", year)}).expect(201)
			}
			s.a.delete(club.fields("/", one)).expect(200)
			base := "/apis/v1/communities/" + club.id
			for path, want := range map[string]string{
				base + "/user-field-histories":                                               "3210",
				base + "/user-field-histories?from=2001-01-01T00:00:00Z":                     "321",
				base + "/user-field-histories?to=2002-01-01T00:00:00Z&limit=2":               "21",
				club.fields("/", one, "/histories"):                                          "20",
				base + "/users/" + other + "/user-field-histories":                           "32",
				club.fields("/", one, "/users/", me, "/histories"):                           "0",
				club.fields("/", two, "/users/", me, "/histories?from=2002-01-01T00:00:00Z"): "",
			} {
				found := s.a.get(path).expect(200)
				if got := strings.Join(found.each("/data", "value"), ""); got != want {
					found.fail("%s has the values %s, want %s", path, got, want)
				}
			}
			var paged string
			for cursor, next := "", true; next; {
				page := s.a.get(base + "/user-field-histories?limit=1" + cursor).expect(200)
				paged += strings.Join(page.each("/data", "value"), "")
				var to any
				to, next = lookup(page.value, "/meta/nextCursor")
				cursor = fmt.Sprintf("&cursor=%v", to)
			}
			if paged != "3210" {
				s.fail("by cursor, the values are %s", paged)
			}
			s.a.get(club.fields("/", unknownID(), "/histories")).expect(404)
			s.a.get(s.a.makesServer("Other club").fields("/", one, "/histories")).expect(404)
			s.a.sets(club, one, me, object{"value": "x"}).expect(404)
		}},

	{"FIELDS-TYPE-01", "createUserField createUserFieldHistory updateUserField getUserData keys users", "a type to which every value converts shows them as its own, and another one changes nothing", func(s *session) {
		club := s.a.makesServer("Chess club")
		me, key := s.a.accountOf(club, club.owner), s.a.makesKey(club, "getUserData")
		field := s.a.makesField(club, object{"field": "level"})
		becomes := func(kind string, more object) *answer {
			return s.a.put(club.fields("/", field), object{"name": "Level", "type": kind}.and(more))
		}
		for _, step := range []struct {
			value any
			into  string
			with  object
			shown any // nil: it does not convert
		}{
			{"12.5", "number", nil, 12.5},
			{nil, "single-line-text", nil, "12.5"},
			{nil, "boolean", nil, nil},
			{"gold", "number", nil, nil},
			{nil, "select", object{"options": []any{"Silver"}}, nil},
			{nil, "select", object{"options": []any{"Silver", "Gold"}}, "Gold"},
			{nil, "select", object{"options": []any{"Silver"}}, nil},
			{nil, "multi-line-text", nil, "gold"},
			{"a\nb", "single-line-text", nil, nil},
			{nil, "text", nil, "a\nb"},
		} {
			if step.value != nil {
				s.a.sets(club, field, me, object{"value": step.value}).expect(201)
			}
			before := key.fieldsOf(club.owner)
			if step.shown == nil {
				becomes(step.into, step.with).expect(409)
				if after := key.fieldsOf(club.owner); asJSON(after) != asJSON(before) {
					s.fail("refused, and the fields are %s, and were %s", asJSON(after), asJSON(before))
				}
				continue
			}
			becomes(step.into, step.with).expect(200).is("/data/type", step.into)
			if got, _ := lookup(key.fieldsOf(club.owner), "/level"); asJSON(got) != asJSON(step.shown) {
				s.fail("as %s it is %s, want %s", step.into, asJSON(got), asJSON(step.shown))
			}
		}
	}},

	{"FIELDS-IDENTIFIER-01", "createUserField createUserFieldHistory updateUserField createUser keys users", "one field identifies members: nobody has the value of another in any case, and a program finds them by it", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		me, field := s.a.accountOf(club, club.owner), s.a.makesField(club, object{"field": "customer id"})
		marks := func(id string, kind string, identifies bool) *answer {
			return s.a.put(club.fields("/", id), object{"name": "x", "type": kind, "isIdentifier": identifies})
		}
		marks(field, "date", true).refuses("/isIdentifier", "not_allowed")
		marks(field, "text", true).expect(200).is("/data/isIdentifier", true)
		marks(s.a.makesField(club, nil), "text", true).expect(409)
		s.a.sets(club, field, me, object{"value": "STRAẞE"}).expect(201)
		s.a.sets(club, field, me, object{"value": strings.Repeat("x", 256)}).refuses("/value", "too_long")
		key.makesUser(object{"externalId": "strasse"}).expect(409)
		made := key.makesUser(object{"externalId": "CUS-001", "referral": "Strasse"}).expect(201)
		s.a.sets(club, field, me, object{"value": "cus-001"}).expect(409)
		s.a.sets(club, field, me, object{"value": "Straße"}).expect(201)
		if got := key.fieldsOf(made.text("/data/userId")); asJSON(got) != `{"customer-id":"CUS-001"}` {
			s.fail("the fields are %s", asJSON(got))
		}
		marks(field, "number", true).expect(409)
		marks(field, "text", false).expect(200)
		s.a.sets(club, field, me, object{"value": "cus-001"}).expect(201)
		marks(field, "text", true).expect(409)
		key.makesUser(object{"externalId": "CUS-002"}).refuses("/externalId", "not_allowed")
	}},

	{"FIELDS-USERS-01", "createUserField updateUserField createUser filterUsers keys users", "a new user is given values, and must be where the field is required", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		field := s.a.makesField(club, object{"field": "deposit amount", "type": "number", "required": true})
		given := func(name, value any) object {
			return object{"customFields": []any{object{"fieldIdorName": name, "value": value}}}
		}
		key.makesUser(nil).refuses("/customFields", "required")
		key.makesUser(given("deposit-amount", "much")).refuses("/customFields/0/value", "")
		key.makesUser(given("no such field", 1)).refuses("/customFields/0/fieldIdorName", "not_allowed")
		twice := object{"customFields": []any{object{"fieldIdorName": field, "value": 1}, object{"fieldIdorName": "Deposit Amount", "value": 2}}}
		key.makesUser(twice).refuses("/customFields/1/value", "duplicate")
		key.makesUser(given(field, 1).and(object{"joinServer": false})).refuses("/customFields", "not_allowed")
		key.makesUser(object{"joinServer": false}).expect(201)
		for i, name := range []string{field, "deposit-amount", "DEPOSIT AMOUNT"} {
			made := key.makesUser(given(name, 10*(i+1))).expect(201)
			if got := key.fieldsOf(made.text("/data/userId")); asJSON(got) != fmt.Sprintf(`{"deposit-amount":%d}`, 10*(i+1)) {
				s.fail("the fields are %s", asJSON(got))
			}
		}
	}},

	{"FIELDS-FILTER-01", "createUserField createUser filterUsers keys users", "members are found by what they have in fields: by a value in any case, by a range, and by several", func(s *session) {
		club := s.a.makesServer("Chess club")
		key := s.a.makesKey(club, "createUser", "getUserData")
		s.a.makesField(club, object{"field": "level"})
		s.a.makesField(club, object{"field": "amount", "type": "number"})
		s.a.makesField(club, object{"field": "since", "type": "date"})
		s.a.makesField(club, object{"field": "vip", "type": "boolean", "defaultValue": false})
		for _, user := range []struct {
			level  string
			amount float64
			since  string
		}{{"Straße", 5, "2024-01-01"}, {"STRASSE", 7.5, "2024-01-02T12:00:00Z"}, {"Gold", 7.5, "2024-01-03"}} {
			key.makesUser(object{"displayname": user.level, "customFields": []any{
				object{"fieldIdorName": "level", "value": user.level}, object{"fieldIdorName": "amount", "value": user.amount}, object{"fieldIdorName": "since", "value": user.since},
			}}).expect(201)
		}
		find := func(filter object, fields ...string) *answer {
			body := object{"filter": filter}
			if fields != nil {
				body["fields"] = fields
			}
			return key.post("/apis/v1/users/filter", body)
		}
		for _, c := range []struct {
			filter object
			want   string
		}{
			{object{"level": "strasse"}, "STRASSE Straße"},
			{object{"Level": "GOLD"}, "Gold"},
			{object{"level": "Silver"}, ""},
			{object{"amount": 7.5}, "Gold STRASSE"},
			{object{"amount": object{"gte": 5, "lte": 7}}, "Straße"},
			{object{"amount": object{"gte": 6}, "level": "straße"}, "STRASSE"},
			{object{"amount": object{"gte": 6}, "since": object{"lte": "2024-01-02"}}, "STRASSE"},
			{object{"since": "2024-01-02"}, "STRASSE"},
			{object{"since": object{"gte": "2024-01-02"}, "display_name": "gold"}, "Gold"},
			{object{"vip": false}, ""},
		} {
			found := find(c.filter, "display_name", "vip").expect(200)
			names := found.each("/data/users", "display_name")
			slices.Sort(names)
			if got := strings.Join(names, " "); got != c.want {
				found.fail("found %q, want %q", got, c.want)
			}
			for i := range names {
				found.is(fmt.Sprintf("/data/users/%d/vip", i), false)
			}
		}
		all := find(object{"level": "gold"}).expect(200)
		all.has("/data/users/0", object{"level": "Gold", "amount": 7.5, "since": "2024-01-03", "vip": false, "xp": 0})
		level := s.a.makesField(club, object{"field": "rank"})
		s.a.sets(club, level, s.a.accountOf(club, club.owner), object{"value": "7"}).expect(201)
		s.a.put(club.fields("/", level), object{"name": "Rank", "type": "number"}).expect(200)
		for _, by := range []any{7, object{"gte": 6.5, "lte": 8}} {
			find(object{"rank": by}).expect(200).is("/data/users/0/rank", 7)
		}
		find(object{"amount": "many"}).refuses("/filter/amount", "")
		find(object{"level": object{"gte": "a"}}).refuses("/filter/level", "")
		find(object{"amount": object{"gt": 1}}).refuses("/filter/amount/gt", "")
		many := object{}
		for range 21 {
			name := "conf-" + unknownID()
			s.a.makesField(club, object{"field": name})
			many[name] = "x"
		}
		find(many).refuses("/filter", "too_many")
		find(object{}, "nothing").refuses("/fields/0", "not_allowed")
	}},

	{"FIELDS-MEMBER-01", "createUserField createUserFieldHistory getCommunityUser manageUser keys users", "what is in fields is for who manages them and for oneself, comes back with who is restored, and ends for who leaves", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		account := s.a.accountOf(club, number)
		field, key := s.a.makesField(club, object{"field": "level"}), s.a.makesKey(club, "manageUser", "getUserData", "userFields")
		s.a.sets(club, field, account, object{"value": "Gold"}).expect(201)
		at := func(account string) string { return "/apis/v1/communities/" + club.id + "/users/" + account }
		gold, none := object{"level": "Gold"}, object{}
		s.a.get(at(account)).expect(200).is("/data/customFields", gold)
		s.b.get(at(account)).expect(200).is("/data/customFields", gold)
		owner := s.a.accountOf(club, club.owner)
		s.a.sets(club, field, owner, object{"value": "Gold"}).expect(201)
		s.b.get(at(owner)).expect(200).is("/data/customFields", none)

		key.manages("delete", number).expect(200)
		s.a.sets(club, field, account, object{"value": "Silver"}).expect(404)
		s.a.get(at(account) + "/user-field-histories").expect(404)
		for _, path := range []string{club.fields("/", field, "/histories"), "/apis/v1/communities/" + club.id + "/user-field-histories"} {
			if got := s.a.get(path).expect(200).each("/data", "userId"); !slices.Equal(got, []string{owner}) {
				s.fail("%s shows what %v had, want only %s", path, got, owner)
			}
		}
		key.manages("restore", number).expect(200)
		s.b.get(at(account)).expect(200).is("/data/customFields", gold)
		s.b.post(club.path("/leave")).expect(200)
		s.lets("open", club)
		s.b.post(club.path("/join")).expect(200)
		s.b.get(at(account)).expect(200).is("/data/customFields", none)
		before := len(s.a.get(at(account) + "/user-field-histories").expect(200).list("/data"))
		s.a.sets(club, field, account, object{"value": "Gold"}).expect(201)
		if lines := s.a.get(at(account) + "/user-field-histories").expect(200).list("/data"); len(lines) != before+1 {
			s.fail("of a value that was given again after leaving, the history has %d lines, and had %d", len(lines), before)
		}
		s.b.get(at(account)).expect(200).is("/data/customFields", gold)
	}},
}
