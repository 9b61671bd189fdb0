package conformance

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
)

const incomingPath = "/apis/v1/incoming-webhooks"

// An incoming is an incoming webhook.
type incoming struct{ id, token, key string }

// makesIncoming makes an incoming webhook.
func (c caller) makesIncoming(in club, changes object) incoming {
	made := c.post(incomingPath, object{"serverId": in.id, "name": "conf"}.and(changes)).expect(201)
	url := made.text("/data/url")
	hook := incoming{id: made.text("/data/_id"), token: url[strings.LastIndex(url, "/")+1:]}
	if changes["apiKey"] != nil {
		hook.key = made.text("/data/apiKey/key")
	}
	return hook
}

// incoming is one of the server of a scene, for messages.
func (x *scene) incoming() incoming {
	if x.known["incoming"] == "" {
		hook := x.a.makesIncoming(x.server, object{"kind": "message", "channelId": x.channel()})
		x.known["incoming"], x.known["incoming token"] = hook.id, hook.token
	}
	return incoming{id: x.known["incoming"], token: x.known["incoming token"]}
}

// unknownToken has the form of one in the address of an incoming webhook.
func unknownToken() string { return (unknownID() + unknownID() + unknownID())[:64] }

// call calls an incoming webhook, with nothing but its address.
func (i incoming) call(s *session, body object) *answer { return i.calls(s.anonymous, body) }

func (i incoming) calls(who caller, body object) *answer {
	return who.post("/webhooks/in/"+i.token, body)
}

// enciphered is a body as a webhook takes it whose encryption is on.
func enciphered(mode, key string, plain []byte) object {
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		panic(err)
	}
	text := base64.StdEncoding.EncodeToString
	if mode == "gcm" {
		box, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		iv := make([]byte, box.NonceSize())
		_, _ = rand.Read(iv) // it never fails
		sealed := box.Seal(nil, iv, plain, nil)
		end := len(sealed) - box.Overhead()
		return object{"iv": text(iv), "data": text(sealed[:end]), "tag": text(sealed[end:])}
	}
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	return object{"iv": text(iv), "data": text(data)}
}

// inlets are the test cases of incoming webhooks, of the tag webhooks.
var inlets = []testCase{
	{"WEBHOOKS-INLET-01", "createIncomingWebhook receiveWebhook updateIncomingWebhook deleteIncomingWebhook badges", "an incoming webhook does what it is for, for whoever has its address, until it is switched off or deleted", func(s *session) {
		club := s.a.makesServer("Chess club")
		hook := s.a.makesIncoming(club, object{"kind": "currency"})
		gift := object{"user": club.owner, "kind": "xp", "operation": "add", "amount": 5}
		hook.call(s, gift).expect(200).is("/data/kind", "currency")
		hook.call(s, gift.and(object{"operation": "subtract", "amount": 2, "reason": "a mistake"})).expect(200)
		hook.call(s, gift.and(object{"operation": "subtract", "amount": 4})).expect(409)
		hook.call(s, gift.and(object{"kind": "coins", "operation": "overwrite"})).expect(200)
		s.a.get(club.path("/members/"+club.owner+"/balance")).expect(200).has("/body", object{"xp": 3, "coins": 5})
		hook.call(s, object{"message": "Hello", "sender": club.owner}).refuses("/message", "not_allowed")
		hook.call(s, gift.and(object{"user": unknownNumber})).expect(404)
		at := incomingPath + "/" + hook.id
		s.a.put(at, object{"isActive": false}).expect(200)
		off := hook.call(s, gift).expect(404)
		incoming{token: unknownToken()}.call(s, gift).expect(404).isLike(off)
		s.a.put(at, object{"isActive": true}).expect(200)
		hook.call(s, gift).expect(200)
		s.a.delete(at).expect(200)
		hook.call(s, gift).expect(404)
	}},
	{"WEBHOOKS-TOKEN-01", "createIncomingWebhook receiveWebhook listIncomingWebhooks getIncomingWebhook updateIncomingWebhook", "the address and the key are shown once, and the key is asked for where there is one", func(s *session) {
		club := s.a.makesServer("Chess club")
		hook := s.a.makesIncoming(club, object{"kind": "currency", "apiKey": object{"isEnabled": true}})
		for _, got := range []*answer{s.a.get(incomingPath + "/" + hook.id), s.a.get(incomingPath + "?serverId=" + club.id), s.a.put(incomingPath+"/"+hook.id, object{"name": "other"})} {
			if text := string(got.expect(200).raw); strings.Contains(text, hook.token) || strings.Contains(text, hook.key) {
				got.stop("a secret is shown again")
			}
		}
		gift := object{"user": club.owner, "kind": "coins", "operation": "add", "amount": 5}
		hook.call(s, gift).expect(401)
		hook.calls(s.anonymous.with("x-api-key", unknownToken()), gift).expect(401)
		hook.calls(s.anonymous.with("x-api-key", hook.key), gift).expect(200)
		s.a.post(incomingPath, object{"serverId": club.id, "name": "conf", "kind": "message"}).refuses("/channelId", "required")
	}},
	{"WEBHOOKS-POST-01", "createIncomingWebhook receiveWebhook channels messages", "a message is posted in the name of a member who may post it there", func(s *session) {
		club := s.a.makesServer("Chess club")
		b := s.b.joins(club)
		open, board := s.a.makesChannel(club, "text", nil), s.a.makesChannel(club, "private", nil)
		hook, hidden := s.a.makesIncoming(club, object{"kind": "message", "channelId": open}), s.a.makesIncoming(club, object{"kind": "message", "channelId": board})
		id := hook.call(s, object{"message": "A deposit", "sender": b}).expect(200).text("/data/messageId")
		s.b.get(atMessages+"/"+id).expect(200).is("/data/message", "A deposit")
		hidden.call(s, object{"message": "A secret", "sender": b}).expect(403)
		hidden.call(s, object{"message": "A secret", "sender": club.owner}).expect(200)
		hook.call(s, object{"images": []any{"https://images.example.invalid/a.png"}, "sender": b}).refuses("/images/0", "not_allowed")
	}},
	{"WEBHOOKS-FIELDS-01", "createIncomingWebhook receiveWebhook fields", "a member gets all the values of a call, or none", func(s *session) {
		club := s.a.makesServer("Chess club")
		field := s.a.makesField(club, nil)
		hook := s.a.makesIncoming(club, object{"kind": "fields"})
		value := object{"fieldIdorName": field, "value": "Gent"}
		hook.call(s, object{"user": club.owner, "fields": []any{value, object{"fieldIdorName": unknownID(), "value": "x"}}}).refuses("/fields/1/fieldIdorName", "not_allowed")
		histories := "/apis/v1/communities/" + club.id + "/user-field-histories"
		s.a.get(histories).expect(200).is("/data", []any{})
		hook.call(s, object{"user": club.owner, "fields": []any{value}}).expect(200)
		s.a.get(histories).expect(200).is("/data/0/value", "Gent").is("/data/0/by", object{"type": "key", "id": hook.id})
	}},
	{"WEBHOOKS-ONCE-01", "createIncomingWebhook receiveWebhook listIncomingWebhookCalls badges", "under one key a call counts once, also if it is encrypted anew, and what became of each is listed", func(s *session) {
		club := s.a.makesServer("Chess club")
		const key = "0123456789abcdef0123456789abcdef"
		hook := s.a.makesIncoming(club, object{"kind": "currency", "encryption": object{"isEnabled": true, "mode": "gcm", "key": key}})
		who := s.anonymous.with("x-encrypted", "true")
		gift := func(amount int) object {
			text, err := json.Marshal(object{"user": club.owner, "kind": "coins", "operation": "add", "amount": amount})
			if err != nil {
				panic(err)
			}
			return enciphered("gcm", key, text)
		}
		first := hook.calls(who.with("webhook-id", "msg_1"), gift(5)).expect(200)
		hook.calls(who.with("webhook-id", "msg_1"), gift(5)).expect(200).is("/data/callId", first.at("/data/callId"))
		hook.calls(who.with("webhook-id", "msg_1"), gift(6)).expect(409)
		s.a.get(club.path("/members/"+club.owner+"/balance")).expect(200).has("/body", object{"coins": 5})
		s.a.get(incomingPath+"/"+hook.id+"/calls").expect(200).is("/data/0/outcome", "conflict").is("/data/1/outcome", "repeated").is("/data/2/outcome", "done")
	}},
	{"WEBHOOKS-DECIPHER-01", "createIncomingWebhook receiveWebhook updateIncomingWebhook badges", "where encryption is on, only what is encrypted is done, and all that cannot be read has one answer", func(s *session) {
		club := s.a.makesServer("Chess club")
		const key = "0123456789abcdef0123456789abcdef"
		hook := s.a.makesIncoming(club, object{"kind": "currency"})
		who := s.anonymous.with("x-encrypted", "true")
		plain := object{"user": club.owner, "kind": "coins", "operation": "add", "amount": 5}
		text, err := json.Marshal(plain)
		if err != nil {
			panic(err)
		}
		for i, mode := range []string{"cbc", "gcm"} {
			s.a.put(incomingPath+"/"+hook.id, object{"encryption": object{"isEnabled": true, "mode": mode, "key": key}}).expect(200)
			hook.calls(who, enciphered(mode, key, text)).expect(200)
			s.a.get(club.path("/members/"+club.owner+"/balance")).expect(200).has("/body", object{"coins": 5 * (i + 1)})
			hook.call(s, plain).expect(400)
			hook.call(s, enciphered(mode, key, text)).expect(400)
			other := hook.calls(who, enciphered(mode, strings.ToUpper(key), text)).expect(400)
			for _, bad := range []object{
				enciphered(mode, key, text[1:]), enciphered(mode, key, []byte("{}")), enciphered(mode, key, []byte(`{"message":"Hello","sender":"vera"}`)),
				enciphered(mode, key, text).and(object{"tag": "AAAAAAAAAAAAAAAAAAAAAA=="}), enciphered(mode, key, text).and(object{"data": "AAAA"}), plain,
			} {
				hook.calls(who, bad).expect(400).isLike(other)
			}
		}
	}},
}
