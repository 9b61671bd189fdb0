package conformance

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// atMessages is where messages are.
const atMessages = "/apis/v1/messages"

// says posts a message in a channel and returns its id.
func (c caller) says(channel, text string) (id string) {
	return c.sends(channel, text).expect(200).text("/data/messageId")
}

func (c caller) sends(channel, text string) *answer {
	return c.post(atMessages+"/send", object{"channelId": channel, "message": text})
}

func (c caller) replies(to, text string) *answer {
	return c.post(atMessages+"/reply", object{"messageId": to, "message": text})
}

func (c caller) reacts(to, emoji string) *answer {
	return c.post(atMessages+"/react", object{"messageId": to, "emoji": emoji})
}

// turns makes a channel one of another type.
func (c caller) turns(channel, kind string) {
	c.put("/channels/"+channel, object{"topic": "a " + kind + " channel", "channelType": kind}).expect(200)
}

// reads lists messages.
func (c caller) reads(query string) *answer { return c.get(atMessages + "?" + query).expect(200) }

// lists wants these messages, in this order.
func (a *answer) lists(ids ...string) *answer {
	if got := a.each("/data/messages", "id"); !slices.Equal(got, ids) {
		a.fail("lists the messages %v, want %v", got, ids)
	}
	return a
}

// messages are the test cases of the tag messages.
var messages = []testCase{
	{"MESSAGES-SEND-01", "sendMessage listMessages getMessage channels", "a message comes back as it was sent, under the documented names, newest first", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		texts := []string{
			"Hello", "<b>&amp;</b> =1+1", "several\nlines\r\n\tof it", "\u202eright to left\u202c", "a\u0301 \U0001f469\u200d\U0001f680 \U00020000", " blanks ",
			strings.Repeat("я", 4000),
		}
		var ids []string
		for _, text := range texts {
			sent := s.b.sends(channel, text).expect(200).keys("", "status", "message", "data").keys("/data", "messageId")
			sent.is("/status", "success").is("/message", "Message send successfully")
			ids = append([]string{sent.text("/data/messageId")}, ids...)
		}
		listed := s.a.reads("channel_id="+channel).is("/message", "messages fetched successfully").is("/data/total", len(texts)).lists(ids...)
		for i, text := range texts {
			listed.is(fmt.Sprintf("/data/messages/%d/message", len(texts)-1-i), text)
		}
		first := "/data/messages/" + strconv.Itoa(len(texts)-1)
		listed.has(first+"/channel", object{"channel_id": channel, "name": "a open channel"})
		listed.is(first+"/user/user_id", plain(number)).is(first+"/user/email", nil)
		listed.has(first, object{"images": []any{}, "reactions": []any{}, "reply_to": nil, "forum_topic_id": nil, "edited_at": nil, "pinned": false})
		listed.time(first + "/timestamp")
		one := s.b.get(atMessages + "/" + ids[len(ids)-1]).expect(200)
		if own, _ := one.at("/data/user/email").(string); !strings.Contains(own, "@") {
			one.fail("shows authors no address of their own")
		}
		s.a.sends(channel, "").refuses("/message", "too_short")
		s.a.sends(channel, "a\x00b").refuses("/message", "wrong_format")
		s.a.sends(channel, strings.Repeat("я", 4001)).refuses("/message", "too_long")
		s.a.post(atMessages+"/send", object{"channelId": channel, "sender": club.owner}).refuses("/message", "required")
	}},

	{"MESSAGES-SEND-02", "sendMessage channels", "a message can be sent at the older path, too", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		for _, path := range []string{"/apis/v1/messages", "/v1/messages", "/apis/v1/messages/", "/v1/messages/send"} {
			s.a.post(path, object{"channelId": channel, "message": path}).expect(200).is("/message", "Message send successfully")
		}
		s.a.reads("channel_id="+channel).is("/data/total", 4)
	}},

	{"MESSAGES-SENDER-01", "sendMessage replyMessage reactMessage channels keys roles", "an API key says who posts: a member who sees the channel and may post there; an account may only name itself", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		key := s.a.makesKey(club, "sendMessage", "replyMessage", "reactMessage", "getMessages")
		channel, closed := s.a.makesChannel(club, "open", nil), s.a.makesChannel(club, "private", nil)
		send := func(who caller, channel string, sender any) *answer {
			message := object{"channelId": channel, "message": "Hello"}
			if sender != nil {
				message["sender"] = sender
			}
			return who.post(atMessages+"/send", message)
		}
		send(key.caller, channel, nil).refuses("/sender", "required")
		send(key.caller, channel, unknownNumber).expect(404)
		send(key.caller, channel, "nobody.of.this.name").expect(404)
		id := send(key.caller, channel, number).expect(200).text("/data/messageId")
		key.get(atMessages+"/"+id).expect(200).is("/data/user/user_id", plain(number)).is("/data/user/email", nil)
		send(key.caller, closed, number).expect(403)
		send(key.caller, closed, club.owner).expect(200)
		send(s.a, channel, club.owner).expect(200)
		send(s.a, channel, number).expect(403)

		reply := key.post(atMessages+"/reply", object{"messageId": id, "message": "Yes", "sender": club.owner}).expect(200)
		s.b.get(atMessages+"/"+reply.text("/data/messageId")).expect(200).is("/data/reply_to", id).is("/data/user/user_id", plain(club.owner))
		key.post(atMessages+"/react", object{"messageId": id, "emoji": "👍", "sender": number}).expect(200)
		s.a.bares(club)
		send(key.caller, channel, number).expect(403)
		key.post(atMessages+"/reply", object{"messageId": id, "message": "Yes", "sender": number}).expect(403)
		key.post(atMessages+"/react", object{"messageId": id, "emoji": "👎", "sender": number}).expect(403)
		send(key.caller, channel, club.owner).expect(200)
	}},

	{"MESSAGES-EMAIL-01", "listMessages sendMessage channels keys", "the address of an author is shown to API keys that may read it, and to the author", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		id := s.b.says(channel, "Hello")
		address, _ := s.b.reads("channel_id=" + channel).at("/data/messages/0/user/email").(string)
		where := "channel_id=" + channel + "&email=" + url.QueryEscape(address)
		s.b.reads(where).lists(id)
		s.a.get(atMessages + "?" + where).expect(404)
		s.a.reads("channel_id="+channel+"&user_id="+number).lists(id).is("/data/messages/0/user/email", nil)
		blind, seeing := s.a.makesKey(club, "getMessages"), s.a.makesKey(club, "getMessages", "getUserData")
		blind.reads("channel_id="+channel).is("/data/messages/0/user/email", nil)
		blind.get(atMessages + "?" + where).expect(404)
		seeing.reads(where).lists(id).is("/data/messages/0/user/email", address)
		seeing.get(atMessages+"?"+where+"&user_id="+number).refuses("query/email", "not_allowed")
	}},

	{"MESSAGES-PAGES-01", "listMessages sendMessage channels", "pages follow one another without a gap, by cursor and by message, of one channel or of all", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		channels := []string{s.a.makesChannel(club, "open", nil), s.a.makesChannel(club, "text", nil), s.a.makesChannel(club, "private", nil)}
		var all, inFirst, bySecond []string
		for i := range 24 {
			who, channel := s.a, channels[i%3]
			if i%2 == 1 && i%3 < 2 {
				who = s.b
			}
			id := who.says(channel, strconv.Itoa(i))
			all = append([]string{id}, all...)
			if i%3 == 0 {
				inFirst = append([]string{id}, inFirst...)
			}
			if who.name == s.b.name {
				bySecond = append([]string{id}, bySecond...)
			}
		}
		for query, want := range map[string][]string{
			"serverId=" + club.id: all, "channel_id=" + channels[0]: inFirst, "serverId=" + club.id + "&user_id=" + number: bySecond,
		} {
			var byCursor, byMessage []string
			for next := "&count=5"; next != ""; {
				page := s.a.reads(query+next).is("/data/total", len(want))
				byCursor = append(byCursor, page.each("/data/messages", "id")...)
				next = ""
				if cursor, there := lookup(page.value, "/data/next_cursor"); there {
					next = fmt.Sprint("&count=5&cursor=", cursor)
				}
			}
			for next := "&count=7"; next != ""; {
				ids := s.a.reads(query+next).each("/data/messages", "id")
				byMessage = append(byMessage, ids...)
				next = ""
				if len(ids) > 0 {
					next = "&count=7&before=" + ids[len(ids)-1]
				}
			}
			if !slices.Equal(byCursor, want) || !slices.Equal(byMessage, want) {
				s.fail("?%s lists %v by cursor and %v by message, want %v", query, byCursor, byMessage, want)
			}
		}
		seen := s.b.reads("serverId="+club.id+"&count=200").is("/data/total", 16)
		if got := len(seen.list("/data/messages")); got != 16 {
			seen.fail("lists %d messages to who does not see the private channel, want 16", got)
		}
		s.a.get(atMessages+"?channel_id="+channels[0]+"&cursor=abc").refuses("query/cursor", "malformed")
		s.a.get(atMessages + "?channel_id=" + channels[0] + "&before=" + unknownID()).expect(404)
	}},

	{"MESSAGES-SEARCH-01", "listMessages sendMessage updateMessage deleteMessage channels", "a search finds the messages with all of its words, whatever their case, in one channel", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel, other := s.a.makesChannel(club, "open", nil), s.a.makesChannel(club, "open", nil)
		one := s.a.says(channel, "Die Straße zum Schloß")
		two := s.a.says(channel, "STRASSE, schloss & hof!")
		three := s.a.says(channel, "ıstanbul'da e4-e5 东京")
		s.a.says(other, "Straße")
		search := func(words string) *answer {
			return s.a.reads("channel_id=" + channel + "&search=" + url.QueryEscape(words))
		}
		search("strasse").lists(two, one).is("/data/total", 2)
		search("Hof STRASSE").lists(two)
		search("stra").lists().is("/data/total", 0)
		search("istanbul").lists()
		search("ISTANBUL").lists()
		search("E4").lists(three)
		search("京").lists(three)
		search("\"' OR * & | ! ( ) :").lists()
		search("!?").lists()
		s.a.get(atMessages+"?serverId="+club.id+"&search=hof").refuses("query/channel_id", "required")
		s.a.put(atMessages+"/"+two, object{"message": "Feldweg"}).expect(200)
		search("strasse").lists(one)
		search("feldweg").lists(two)
		s.a.delete(atMessages + "/" + one).expect(200)
		search("strasse").lists()
	}},

	{"MESSAGES-REPLY-01", "replyMessage deleteMessage getMessage channels", "a reply says what it is to, and stays when that is gone", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		id := s.a.says(channel, "Hello")
		reply := s.a.replies(id, "Yes").expect(200).is("/message", "Message reply successfully").text("/data/messageId")
		s.a.delete(atMessages+"/"+id).expect(200).is("/message", "Message deleted successfully")
		s.a.get(atMessages + "/" + id).expect(404)
		s.a.delete(atMessages + "/" + id).expect(404)
		s.a.replies(id, "Yes").expect(404)
		s.a.reacts(id, "👍").expect(404)
		s.a.reads("channel_id="+channel).lists(reply).is("/data/total", 1).is("/data/messages/0/reply_to", id)
	}},

	{"MESSAGES-REACT-01", "reactMessage deleteReaction listMessages channels", "reactions are counted, once for each who reacts so, and can be taken back", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		id := s.a.says(channel, "Hello")
		for range 2 {
			s.a.reacts(id, ":sparkling_heart:").expect(200).is("", object{"status": "success", "message": "Reaction added successfully"})
		}
		s.b.reacts(id, ":sparkling_heart:").expect(200)
		s.b.reacts(id, "👩‍🚀").expect(200)
		shown := func(want ...any) {
			s.a.reads("channel_id="+channel).is("/data/messages/0/reactions", append([]any{}, want...))
		}
		shown(object{"emoji": ":sparkling_heart:", "count": 2}, object{"emoji": "👩‍🚀", "count": 1})
		for range 2 { // there is none the second time
			s.b.delete(atMessages + "/" + id + "/reactions/" + url.PathEscape("👩‍🚀")).expect(200)
			s.b.delete(atMessages + "/" + id + "/reactions/:sparkling_heart:").expect(200)
		}
		shown(object{"emoji": ":sparkling_heart:", "count": 1})
		for _, bad := range []string{"", "a", "two words", ":a b:", ":", "::", "<3", "я", "👍👍", "👍 ", "漢字"} {
			s.a.reacts(id, bad).refuses("/emoji", "")
		}
		s.a.delete(atMessages + "/" + id + "/reactions/:sparkling_heart:").expect(200)
		shown()
		for _, bad := range []string{"€", "«", "。", "\ufffc", "\ufffd", "🇩", "👍" + strings.Repeat("\u0301", 10)} {
			s.a.reacts(id, bad).refuses("/emoji", "")
		}
		s.a.reacts(id, "❤").expect(200)
		s.b.reacts(id, "❤️").expect(200)
		shown(object{"emoji": "❤️", "count": 2})
		for _, who := range []caller{s.a, s.b} {
			who.delete(atMessages + "/" + id + "/reactions/" + url.PathEscape("❤")).expect(200)
		}
		shown()
	}},

	{"MESSAGES-REACT-02", "reactMessage channels", "a message has at most 50 different reactions", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		id := s.a.says(channel, "Hello")
		counts := map[int]int{}
		for i := range 51 {
			counts[s.a.reacts(id, fmt.Sprintf(":e%d:", i)).status]++
		}
		if counts[200] != 50 || counts[409] != 1 {
			s.fail("51 different reactions answered %v, want 50 times 200 and once 409", counts)
		}
	}},

	{"MESSAGES-EDIT-01", "updateMessage deleteMessage roles channels", "authors edit and delete what is theirs; of others', a role permission deletes, and none edits", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		theirs, own := s.a.says(channel, "Hello"), s.b.says(channel, "Hi")
		edited := s.b.put(atMessages+"/"+own, object{"message": "Good day"}).expect(200).is("/data/message", "Good day")
		edited.time("/data/edited_at")
		s.b.put(atMessages+"/"+theirs, object{"message": "Good day"}).expect(403)
		s.b.delete(atMessages + "/" + theirs).expect(403)
		s.a.put(atMessages+"/"+own, object{"message": "Good night"}).expect(403)
		role := s.a.appoints(club, number, 10, "manage_messages")
		s.b.put(atMessages+"/"+theirs, object{"message": "Good day"}).expect(403)
		s.b.delete(atMessages + "/" + theirs).expect(403)
		s.a.takes(role, number).expect(200)
		s.a.appoints(club, number, 10, "delete_messages")
		s.b.put(atMessages+"/"+theirs, object{"message": "Good night"}).expect(403)
		s.a.get(atMessages+"/"+theirs).expect(200).is("/data/message", "Hello").is("/data/edited_at", nil)
		s.a.get(atMessages+"/"+own).expect(200).is("/data/message", "Good day")
		s.b.delete(atMessages + "/" + theirs).expect(200)
		s.a.bares(club) // who may say nothing any more says nothing new, and takes back what they have said
		s.b.put(atMessages+"/"+own, object{"message": "Good evening"}).expect(403)
		s.b.delete(atMessages + "/" + own).expect(200)
	}},

	{"MESSAGES-DELETE-01", "deleteMessage deleteTopic listAudit channels audit keys", "the audit trail says who has deleted what others have said, and not what it was", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		forum := s.a.makesChannel(club, "forum", nil)
		id := s.b.says(channel, "what only ben has said")
		begin := func() string {
			return s.b.post("/channels/"+forum+"/topics", object{"title": "what only ben asks"}).expect(201).text("/body/_id")
		}
		topic, byKey := begin(), begin()
		key := s.a.makesKey(club, "channels")
		s.a.delete(atMessages + "/" + id).expect(200)
		s.a.delete("/channels/" + forum + "/topics/" + topic).expect(200)
		key.delete("/channels/" + forum + "/topics/" + byKey).expect(200)
		trail := s.a.get(club.path("/audit")).expect(200)
		owner := object{"type": "account", "id": club.owner}
		trail.is("/body/0/action", "topic.delete").is("/body/0/target", byKey).is("/body/0/actor", object{"type": "key", "id": key.id})
		trail.is("/body/1/action", "topic.delete").is("/body/1/target", topic).has("/body/1/actor", owner)
		trail.is("/body/2/action", "message.delete").is("/body/2/target", id).has("/body/2/actor", owner)
		for _, entry := range []string{"/body/0", "/body/1", "/body/2"} {
			trail.is(entry+"/before", object{"userId": number}).is(entry+"/after", nil)
		}
	}},

	{"MESSAGES-BYKEY-01", "sendMessage replyMessage listMessages getMessage updateMessage channels keys roles", "what an API key has sent in somebody's name says so: to them, to API keys and to who may moderate", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		key := s.a.makesKey(club, "sendMessage", "replyMessage", "getMessages")
		own := s.b.says(channel, "Hello")
		send := func(sender string) string {
			return key.post(atMessages+"/send", object{"channelId": channel, "message": "Hello", "sender": sender}).expect(200).text("/data/messageId")
		}
		forA, forB := send(club.owner), send(number)
		reply := key.post(atMessages+"/reply", object{"messageId": own, "message": "Hello", "sender": number}).expect(200).text("/data/messageId")
		shows := func(who caller, id string, want any) {
			who.get(atMessages+"/"+id).expect(200).is("/data/by_key", want)
			listed := who.reads("channel_id=" + channel)
			listed.is(listed.find("/data/messages", "id", id)+"/by_key", want)
		}
		for _, who := range []caller{s.a, s.b, key.caller} {
			shows(who, own, nil)
			shows(who, forB, key.id)
			shows(who, reply, key.id)
		}
		s.b.put(atMessages+"/"+forB, object{"message": "Good day"}).expect(200).is("/data/by_key", key.id)
		shows(s.b, forA, nil)
		for _, flag := range []string{"delete_messages", "manage_messages"} {
			role := s.a.appoints(club, number, 10, flag)
			shows(s.b, forA, key.id)
			s.a.takes(role, number).expect(200)
		}
		shows(s.b, forA, nil)
	}},

	{"MESSAGES-PIN-01", "pinMessage unpinMessage channels", "a message is pinned, or is not", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		id := s.a.says(channel, "Hello")
		for range 2 {
			s.a.put(atMessages+"/"+id+"/pin", nil).expect(200).is("/message", "Message pinned successfully")
			s.a.get(atMessages+"/"+id).expect(200).is("/data/pinned", true)
		}
		for range 2 {
			s.a.delete(atMessages+"/"+id+"/pin").expect(200).is("/message", "Message unpinned successfully")
			s.a.get(atMessages+"/"+id).expect(200).is("/data/pinned", false)
		}
	}},

	{"MESSAGES-HIDDEN-01", "listMessages getMessage sendMessage replyMessage reactMessage channels", "in a channel that somebody does not see, there is nothing for them", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		closed := s.a.makesChannel(club, "private", object{"members": []string{number}})
		own, id := s.b.says(closed, "Hello"), s.a.says(closed, "Hello")
		s.a.put("/channels/"+closed, object{"topic": "closed", "channelType": "private", "members": []string{}}).expect(200)
		s.b.get(atMessages + "?channel_id=" + closed).expect(404)
		s.b.sends(closed, "Hello").expect(404)
		s.b.reads("serverId="+club.id).lists().is("/data/total", 0)
		for _, id := range []string{own, id} {
			s.b.get(atMessages + "/" + id).expect(404)
			s.b.replies(id, "Yes").expect(404)
			s.b.reacts(id, "👍").expect(404)
			s.b.put(atMessages+"/"+id, object{"message": "Hi"}).expect(404)
			s.b.delete(atMessages + "/" + id).expect(404)
			s.b.get(atMessages + "?serverId=" + club.id + "&before=" + id).expect(404)
		}
		s.a.delete("/channels/" + closed).expect(200)
		s.a.get(atMessages + "/" + id).expect(404)
		s.a.get(atMessages + "?channel_id=" + closed).expect(404)
	}},

	{"MESSAGES-FORUM-01", "createTopic listTopics deleteTopic sendMessage replyMessage listMessages channels", "in a forum, messages are in topics, and go with them", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		forum, plainOne := s.a.makesChannel(club, "forum", nil), s.a.makesChannel(club, "open", nil)
		begin := func(who caller, title string) string {
			return who.post("/channels/"+forum+"/topics", object{"title": title}).expect(201).says("Topic has been created successfully").text("/body/_id")
		}
		openings, endgames := begin(s.b, "Openings"), begin(s.a, "Endgames")
		listed := s.b.get("/channels/"+forum+"/topics").expect(200).says("Topics").is("/meta/total", 2)
		listed.is("/body/0/_id", endgames).has("/body/1", object{"_id": openings, "title": "Openings", "userId": number, "channelId": forum})
		send := func(channel, topic string) *answer {
			return s.b.post(atMessages+"/send", object{"channelId": channel, "message": "Hello", "forumTopicId": topic})
		}
		s.b.sends(forum, "Hello").refuses("/forumTopicId", "required")
		send(plainOne, openings).refuses("/forumTopicId", "not_allowed")
		send(forum, unknownID()).expect(404)
		one, two := send(forum, openings).expect(200).text("/data/messageId"), send(forum, endgames).expect(200).text("/data/messageId")
		reply := s.a.replies(one, "Yes").expect(200).text("/data/messageId")
		s.a.get(atMessages+"/"+reply).expect(200).is("/data/forum_topic_id", openings)
		in := "channel_id=" + forum + "&forum_topic_id="
		s.a.reads(in+openings).lists(reply, one).is("/data/total", 2)
		s.a.reads(in+openings+"&user_id="+number).lists(one).is("/data/total", 1)
		s.a.reads(in + openings + "&search=hello").lists(one)
		s.a.reads("channel_id="+forum).lists(reply, two, one).is("/data/total", 3)
		s.a.get(atMessages + "?" + in + unknownID()).expect(404)
		s.a.get(atMessages+"?serverId="+club.id+"&forum_topic_id="+openings).refuses("query/channel_id", "required")
		s.b.delete("/channels/" + forum + "/topics/" + endgames).expect(403)
		s.b.delete("/channels/" + plainOne + "/topics/" + openings).expect(404)
		s.b.delete("/channels/" + forum + "/topics/" + openings).expect(200).says("Topic has been deleted successfully")
		s.a.get(atMessages + "/" + one).expect(404)
		s.a.get(atMessages + "?" + in + openings).expect(404)
		s.a.reads("channel_id=" + forum).lists(two)
		s.a.post("/channels/"+plainOne+"/topics", object{"title": "Openings"}).expect(409)
	}},

	{"MESSAGES-FORUM-02", "createTopic deleteTopic channels keys roles", "an API key says who begins a topic: a member who may, and whose it is then", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		forum, closed := s.a.makesChannel(club, "forum", nil), s.a.makesChannel(club, "private", nil)
		key := s.a.makesKey(club, "sendMessage")
		begin := func(who caller, forum, sender string) *answer {
			in := object{"title": "Openings"}
			if sender != "" {
				in["sender"] = sender
			}
			return who.post("/channels/"+forum+"/topics", in)
		}
		begin(key.caller, forum, "").refuses("/sender", "required")
		begin(key.caller, forum, unknownNumber).expect(404)
		begin(key.caller, closed, number).expect(403)
		begin(s.b, forum, club.owner).expect(403)
		begin(s.b, forum, unknownNumber).expect(403)
		begin(s.b, forum, number).expect(201)
		topic := begin(key.caller, forum, number).expect(201).is("/body/userId", number).text("/body/_id")
		s.b.delete("/channels/" + forum + "/topics/" + topic).expect(200)
		s.a.bares(club)
		begin(key.caller, forum, number).expect(403)
	}},

	{"MESSAGES-ROLES-01", "sendMessage replyMessage listMessages pinMessage roles channels", "what the roles of who says it do not allow is not said", func(s *session) {
		for _, c := range []struct {
			flag string
			do   func(who caller, channel, message string) *answer
		}{
			{"view_message_history", func(who caller, channel, _ string) *answer { return who.get(atMessages + "?channel_id=" + channel) }},
			{"view_message_history", func(who caller, _, message string) *answer { return who.get(atMessages + "/" + message) }},
			{"view_message_history", func(who caller, _, message string) *answer { return who.reacts(message, "👍") }},
			{"post_messages", func(who caller, channel, _ string) *answer { return who.sends(channel, "Hello") }},
			{"post_messages", func(who caller, _, message string) *answer { return who.replies(message, "Hello") }},
			{"post_messages share_links", func(who caller, channel, _ string) *answer { return who.sends(channel, "see HTTP://example.com") }},
			{"post_messages share_links", func(who caller, channel, _ string) *answer { return who.sends(channel, "www.example.com") }},
			{"post_messages share_links", func(who caller, _, message string) *answer { return who.replies(message, "https://example.com") }},
			{"post_messages share_links", func(who caller, channel, _ string) *answer { return who.sends(channel, "//example.com") }},
			{"post_messages share_links", func(who caller, channel, _ string) *answer { return who.sends(channel, "ftp://x.y, example.com/a") }},
			{"post_messages allow_mentions", func(who caller, channel, _ string) *answer { return who.sends(channel, "@all come") }},
			{"post_messages allow_mentions", func(who caller, channel, _ string) *answer { return who.sends(channel, "hello (@vera)") }},
			{"pinable", func(who caller, _, message string) *answer { return who.put(atMessages+"/"+message+"/pin", nil) }},
			{"delete_messages", func(who caller, _, message string) *answer { return who.delete(atMessages + "/" + message) }},
		} {
			club := s.a.makesServer("Chess club")
			number := s.b.joins(club)
			s.a.bares(club)
			channel := s.a.makesChannel(club, "open", nil)
			message, flags := s.a.says(channel, "Hello"), strings.Fields(c.flag)
			lacking := s.a.appoints(club, number, 0, everyBut(s.suite.contract.flagsIn("channelPermissions"), flags[len(flags)-1])...)
			c.do(s.b, channel, message).expect(403)
			s.a.takes(lacking, number).expect(200)
			s.a.appoints(club, number, 0, flags...)
			c.do(s.b, channel, message).expect(200)
		}
	}},

	{"MESSAGES-ROLES-02", "updateMessage roles channels", "what the roles of an author do not allow is not said by editing, either", func(s *session) {
		for text, flags := range map[string][]string{"Hi": {"post_messages"}, "www.example.com": {"post_messages", "share_links"}} {
			club := s.a.makesServer("Chess club")
			number := s.b.joins(club)
			channel := s.a.makesChannel(club, "open", nil)
			own := s.b.says(channel, "Hello")
			s.a.bares(club)
			lacking := s.a.appoints(club, number, 0, everyBut(s.suite.contract.flagsIn("channelPermissions"), flags[len(flags)-1])...)
			s.b.put(atMessages+"/"+own, object{"message": text}).expect(403)
			s.a.takes(lacking, number).expect(200)
			s.a.appoints(club, number, 0, flags...)
			s.b.put(atMessages+"/"+own, object{"message": text}).expect(200)
		}
	}},

	{"MESSAGES-IMAGES-01", "uploadMessageImages sendMessage deleteMessage getImage roles channels", "images are uploaded first, are for one message of who has uploaded them, and end with it", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		uploads := func(who caller, names ...string) (addresses []string) {
			var parts []part
			for _, name := range names {
				parts = append(parts, upload("images", name, "image/png", pngImage()))
			}
			done := who.submit("POST", atMessages+"/upload-image?serverId="+club.id, parts...).expect(200)
			for i := range done.list("") {
				at := "/" + strconv.Itoa(i)
				done.is(at+"/name", names[i]).is(at+"/type", "image/png").keys(at, "id", "name", "url", "type", "size")
				addresses = append(addresses, done.text(at+"/url"))
			}
			return addresses
		}
		sends := func(who caller, more object) *answer {
			return who.post(atMessages+"/send", object{"channelId": channel}.and(more))
		}
		two := uploads(s.b, "one.png", "größe 2.png")
		if len(two) != 2 {
			s.stop("2 images were uploaded, and the answer has %d", len(two))
		}
		sends(s.a, object{"images": two}).refuses("/images/0", "not_allowed")
		own, err := url.Parse(two[0])
		if err != nil {
			s.stop("an image is at %s", two[0])
		}
		for _, address := range []string{
			"https://elsewhere.example" + own.Path, own.Scheme + "://" + own.Host + "/x" + own.Path, two[0] + "?a=1", "urn:x:/" + path.Base(own.Path),
		} {
			sends(s.b, object{"images": []string{address}}).refuses("/images/0", "not_allowed")
		}
		id := sends(s.b, object{"images": []string{two[1], two[0]}}).expect(200).text("/data/messageId")
		got := s.a.get(atMessages+"/"+id).expect(200).is("/data/message", "")
		got.is("/data/images/0/name", "größe 2.png").is("/data/images/0/url", two[1]).is("/data/images/1/url", two[0])
		sends(s.b, object{"message": "again", "images": two[:1]}).refuses("/images/0", "not_allowed")
		sends(s.b, object{"message": "elsewhere", "images": []string{"https://example.com/images/" + unknownID()}}).refuses("/images/0", "not_allowed")
		sends(s.b, object{"images": []string{}}).refuses("/message", "required")
		s.anonymous.get(two[0]).expect(200).carries("Content-Type", "image/png")
		s.b.delete(atMessages + "/" + id).expect(200)
		s.anonymous.get(two[0]).expect(404)

		one := uploads(s.b, "three.png")
		reply := s.b.post(atMessages+"/reply", object{"messageId": s.a.says(channel, "Hello"), "images": one}).expect(200)
		s.a.get(atMessages+"/"+reply.text("/data/messageId")).expect(200).is("/data/images/0/url", one[0])
		for _, flag := range []string{"attach_files", "share_Attachments"} {
			club, channel = s.a.makesServer("Go club"), ""
			number := s.b.joins(club)
			channel = s.a.makesChannel(club, "open", nil)
			role := s.a.appoints(club, number, 10, "post_messages", flag)
			s.a.bares(club)
			address := uploads(s.b, "four.png")
			s.a.takes(role, number).expect(200)
			s.a.appoints(club, number, 10, "post_messages")
			sends(s.b, object{"message": "Hello", "images": address}).expect(403)
			s.b.submit("POST", atMessages+"/upload-image?serverId="+club.id, upload("images", "a.png", "image/png", pngImage())).expect(403)
			s.a.gives(role, number).expect(200)
			sends(s.b, object{"message": "Hello", "images": address}).expect(200)
		}
	}},

	{"MESSAGES-USERKEY-01", "sendMessage listMessages keys channels", "a user API key posts where it may, and reads what its own account has said", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		open, other := s.a.makesChannel(club, "open", nil), s.a.makesChannel(club, "open", nil)
		made := s.b.asksUserKey(s.b.accountOf(club, number), club, object{"permissions": []string{"sendMessages", "replyMessages", "reactMessages", "readOwnMessages"}, "channels": []string{open}}).expect(201)
		key := s.anonymous.bearer(made.text("/data/key"))
		theirs, elsewhere := s.a.says(open, "Hello"), s.a.says(other, "Hello")
		own := key.says(open, "Hi")
		key.sends(other, "Hi").expect(403)
		key.replies(elsewhere, "Hi").expect(403)
		key.reacts(elsewhere, "👍").expect(403)
		key.reacts(theirs, "👍").expect(200)
		key.reads("channel_id=" + open).lists(own)
		key.reads("user_id=" + number).lists(own)
		for _, other := range []string{club.owner, "9007199254740991"} { // whether or not somebody has the name
			key.get(atMessages + "?user_id=" + other).expect(403)
		}
		key.get(atMessages + "?serverId=" + club.id + "&email=nobody@example.com").expect(403)
		refused := key.post(atMessages+"/send", object{"channelId": open, "message": "Hi", "sender": club.owner}).expect(403)
		for _, nobody := range []string{unknownNumber, unknownID(), "nobody", "nobody@example.com"} {
			for _, who := range []caller{key, s.b} {
				who.post(atMessages+"/send", object{"channelId": open, "message": "Hi", "sender": nobody}).expect(403).isLike(refused)
			}
		}
	}},
}
