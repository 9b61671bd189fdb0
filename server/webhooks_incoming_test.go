package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
	"github.com/rejoin-dev/rejoin/server/internal/webhook"
)

const (
	hooksIn   = "/apis/v1/incoming-webhooks"
	cipherKey = "0123456789abcdef0123456789abcdef"
)

type object = map[string]any

// An inlet is an incoming webhook, and where it is called.
type inlet struct {
	club
	id, path, key string
}

func (c club) inlet(t *testing.T, changes object) inlet {
	t.Helper()
	body := object{"serverId": c.id, "name": "shop"}
	for name, value := range changes {
		body[name] = value
	}
	made := do[gen.IncomingWebhookResponse](t, c.h, "POST", hooksIn, c.owner, body).Data
	_, token, _ := strings.Cut(made.URL, incomingPath)
	return inlet{c, made.ID, incomingPath + token, made.APIKey.Key}
}

// calls calls it, with headers in pairs.
func (i inlet) calls(body object, headers ...string) *httptest.ResponseRecorder {
	r := jsonRequest(i.path, "", body)
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	return send(i.h, r)
}

// becomes fails unless the calls have become that, the latest first.
func (i inlet) becomes(t *testing.T, want ...gen.IncomingOutcome) []gen.IncomingWebhookCall {
	t.Helper()
	calls := do[gen.IncomingWebhookCallListResponse](t, i.h, "GET", hooksIn+"/"+i.id+"/calls", i.owner, nil).Data
	var got []gen.IncomingOutcome
	for _, c := range calls {
		got = append(got, c.Outcome)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the calls have become %v, want %v", got, want)
	}
	return calls
}

func expect(t *testing.T, w *httptest.ResponseRecorder, status int) *httptest.ResponseRecorder {
	t.Helper()
	if w.Code != status {
		t.Fatalf("answered %d, want %d: %s", w.Code, status, w.Body)
	}
	return w
}

func onEachClub(t *testing.T, test func(t *testing.T, s *Server, c club)) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		test(t, s, newClub(t, s, "server_administrator"))
	})
}

func coins(amount int, operation string) object {
	return object{"user": "ben@example.com", "kind": "coins", "operation": operation, "amount": amount}
}

func TestWhatAnotherSystemAsksForIsDoneOnceForEachKey(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		in := c.inlet(t, object{"kind": "currency"})
		first := expect(t, in.calls(coins(10, "add"), "webhook-id", "msg_1"), 200)
		again := expect(t, in.calls(coins(10, "add"), "webhook-id", "msg_1"), 200)
		if first.Body.String() != again.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
			t.Errorf("the second answer is another one: %s %s", first.Body, again.Body)
		}
		expect(t, in.calls(coins(11, "add"), "webhook-id", "msg_1"), 409)
		expect(t, in.calls(coins(10, "add"), "webhook-id", "msg_1", "Idempotency-Key", "other"), 200)
		c.has(t, gen.Balance{Coins: 20})
		in.becomes(t, "done", "conflict", "repeated", "done")
		other := c.inlet(t, object{"kind": "currency"})
		expect(t, other.calls(coins(10, "add"), "webhook-id", "msg_1"), 200) // a key belongs to a webhook
		c.has(t, gen.Balance{Coins: 30})
	})
}

func TestOfManyCallsAtOnceUnderOneKeyOneCounts(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		in := c.inlet(t, object{"kind": "currency"})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if w := in.calls(coins(10, "add"), "webhook-id", "msg_1"); w.Code != 200 && w.Code != 503 {
					t.Errorf("answered %d: %s", w.Code, w.Body)
				}
			})
		}
		all.Wait()
		expect(t, in.calls(coins(10, "add"), "webhook-id", "msg_1"), 200)
		c.has(t, gen.Balance{Coins: 10})
	})
}

func TestNobodyHasLessThanNothingAfterACall(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		in := c.inlet(t, object{"kind": "currency"})
		for _, kind := range []string{"xp", "coins", "premium"} {
			body := coins(7, "overwrite")
			body["kind"], body["reason"] = kind, "a gift"
			expect(t, in.calls(body), 200)
			body["operation"], body["amount"] = "subtract", 8
			expect(t, in.calls(body), 409)
			body["operation"], body["amount"] = "add", 0
			expect(t, in.calls(body), 200)
			body["operation"], body["amount"] = "subtract", 2
			expect(t, in.calls(body), 200)
		}
		c.has(t, gen.Balance{XP: 5, Coins: 5, Premium: 5})
		expect(t, in.calls(object{"user": "nobody", "kind": "xp", "operation": "add", "amount": 1}), 404)
		expect(t, in.calls(object{"user": "ben@example.com", "kind": "xp", "operation": "add"}), 400)
		expect(t, in.calls(object{"message": "Hello", "sender": "ben@example.com"}), 400)
	})
}

func TestAMessageOfAnotherSystemIsThatOfASenderWhoMayPostIt(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		c.takes(t)
		private := do[gen.ChannelResponse](t, c.h, "POST", "/channels", c.owner, object{"topic": "board", "channelType": "private", "serverId": c.id}).Body.ID
		in, hidden := c.inlet(t, object{"kind": "message", "channelId": c.channel(t)}), c.inlet(t, object{"kind": "message", "channelId": private})
		sent := decoded[gen.IncomingCallResponse](t, expect(t, in.calls(object{"message": "A deposit", "sender": "ben@example.com"}), 200)).Data
		id, _ := sent.MessageID.Get()
		m := do[gen.MessageResponse](t, c.h, "GET", "/apis/v1/messages/"+id, c.owner, nil).Data
		if key, _ := m.ByKey.Get(); m.Message != "A deposit" || key != in.id {
			t.Errorf("the message is %+v", m)
		}
		expect(t, hidden.calls(object{"message": "A secret", "sender": "ben@example.com"}), 403)
		expect(t, hidden.calls(object{"message": "A secret", "sender": "owner@example.com"}), 200)
		expect(t, in.calls(object{"message": "Hello", "sender": "stranger"}), 404)
		for _, role := range do[gen.RoleListResponse](t, c.h, "GET", "/servers/"+c.id+"/roles", c.owner, nil).Body {
			if role.Title == "@all" {
				do[gen.RoleResponse](t, c.h, "PUT", "/roles/"+role.ID, c.owner, object{"class": "blue", "order": role.Order, "billable": false, "channelPermissions": object{"post_messages": true, "share_links": false}})
			}
		}
		expect(t, in.calls(object{"message": "Hello https://example.com", "sender": "ben@example.com"}), 403)
		for _, address := range []string{"https://images.example/a.png", "http://example.com/images/0123456789abcdef0123456789abcdef", "http://169.254.169.254/"} {
			expect(t, in.calls(object{"images": []string{address}, "sender": "owner@example.com"}), 400)
		}
		in.becomes(t, "invalid_request", "invalid_request", "invalid_request", "permission_denied", "not_found", "done")
		expect(t, send(c.h, jsonRequest(hooksIn, c.owner, object{"serverId": c.id, "name": "x", "kind": "message"})), 400)
		expect(t, send(c.h, jsonRequest(hooksIn, c.owner, object{"serverId": c.id, "name": "x", "kind": "fields", "channelId": private})), 400)
	})
}

func TestACallThatLacksSomethingIsToldWhatItsWebhookTakes(t *testing.T) {
	s := open(t, onSQLite(t))
	c := newClub(t, s, "allow_dm")
	message, coins := c.inlet(t, object{"kind": "message", "channelId": c.channel(t)}), c.inlet(t, object{"kind": "currency"})
	for _, test := range []struct {
		in   inlet
		body object
		want []string
	}{
		{message, object{}, []string{"sender, and message or images", "user, kind, operation and amount"}},
		{message, object{"message": "A deposit"}, []string{"sender, and message or images"}},
		{message, object{"message": "A deposit", "images": []string{"https://images.example/a.png"}}, []string{`"/sender"`, "the webhook is for message"}},
		{coins, object{"user": "ben@example.com", "reason": "a deposit"}, []string{`"/kind"`, `"/operation"`, `"/amount"`, "the webhook is for currency"}},
	} {
		answer := expect(t, test.in.calls(test.body), 400).Body.String()
		for _, want := range test.want {
			if !strings.Contains(answer, want) {
				t.Errorf("%v is answered %s, without %s", test.body, answer, want)
			}
		}
	}
}

func TestTheFieldsOfACallAreGivenAllOrNone(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		for _, name := range []string{"city", "deposits"} {
			kind := map[string]string{"city": "text", "deposits": "numerical"}[name]
			do[gen.UserFieldResponse](t, c.h, "POST", "/apis/v1/communities/"+c.id+"/user-fields", c.owner, object{"name": name, "field": name, "type": kind})
		}
		in := c.inlet(t, object{"kind": "fields"})
		value := func(name string, value any) object { return object{"fieldIdorName": name, "value": value} }
		expect(t, in.calls(object{"user": c.number, "fields": []any{value("city", "Gent"), value("deposits", "many")}}), 400)
		expect(t, in.calls(object{"user": c.number, "fields": []any{value("city", "Gent"), value("age", 7)}}), 400)
		history := "/apis/v1/communities/" + c.id + "/user-field-histories"
		if got := do[gen.UserFieldHistoryListResponse](t, c.h, "GET", history, c.owner, nil).Data; len(got) != 0 {
			t.Errorf("some of them are given: %+v", got)
		}
		expect(t, in.calls(object{"user": c.number, "fields": []any{value("city", "Gent"), value("deposits", 12.5)}}), 200)
		got := do[gen.UserFieldHistoryListResponse](t, c.h, "GET", history, c.owner, nil).Data
		if len(got) != 2 || got[0].By.Type != "key" || got[0].By.ID != in.id {
			t.Errorf("the history is %+v", got)
		}
	})
}

func TestAnIncomingWebhookOpensWithItsAddressAndItsKeyOnly(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		in := c.inlet(t, object{"kind": "currency", "apiKey": object{"isEnabled": true}})
		shown := send(c.h, request("GET", hooksIn+"/"+in.id, c.owner)).Body.String() + send(c.h, request("GET", hooksIn+"?serverId="+c.id, c.owner)).Body.String() +
			send(c.h, request("GET", "/servers/"+c.id+"/audit", c.owner)).Body.String()
		if strings.Contains(shown, strings.TrimPrefix(in.path, incomingPath)) || strings.Contains(shown, in.key) {
			t.Error("a secret is shown again")
		}
		for _, key := range []string{"", strings.Repeat("0", 64), strings.ToUpper(in.key)} {
			expect(t, in.calls(coins(1, "add"), "x-api-key", key), 401)
		}
		expect(t, in.calls(coins(1, "add"), "x-api-key", in.key), 200)
		other := in
		other.path = incomingPath + strings.Repeat("0", 64)
		nothing := expect(t, other.calls(coins(1, "add"), "x-api-key", in.key), 404)

		do[gen.IncomingWebhookResponse](t, c.h, "PUT", hooksIn+"/"+in.id, c.owner, object{"isActive": false})
		off := expect(t, in.calls(coins(1, "add"), "x-api-key", in.key), 404)
		if problemIn(t, off).Detail != problemIn(t, nothing).Detail {
			t.Errorf("one that is switched off answers as none does not: %s", off.Body)
		}
		do[gen.IncomingWebhookResponse](t, c.h, "PUT", hooksIn+"/"+in.id, c.owner, object{"isActive": true})
		expect(t, in.calls(coins(1, "add"), "x-api-key", in.key), 200)
		do[gen.IncomingWebhookResponse](t, c.h, "DELETE", hooksIn+"/"+in.id, c.owner, nil)
		expect(t, in.calls(coins(1, "add"), "x-api-key", in.key), 404)
		c.has(t, gen.Balance{Coins: 2})
	})
}

func problemIn(t *testing.T, w *httptest.ResponseRecorder) gen.Problem {
	t.Helper()
	return decoded[gen.IntegrationErrorResponse](t, w).Data
}

func TestAnIncomingWebhookOfWhoMayMakeNoneDoesNothing(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		in := c.inlet(t, object{"kind": "currency"})
		do[gen.IncomingWebhookResponse](t, c.h, "PUT", hooksIn+"/"+in.id, c.ben, object{"name": "mine"}) // Ben vouches for it now
		expect(t, in.calls(coins(1, "add")), 200)
		c.takes(t)
		expect(t, in.calls(coins(1, "add")), 403)
		expect(t, send(c.h, request("GET", hooksIn+"/"+in.id, c.ben)), 403)
		do[gen.IncomingWebhookResponse](t, c.h, "PUT", hooksIn+"/"+in.id, c.owner, object{"name": "ours"})
		expect(t, in.calls(coins(1, "add")), 200)
		in.becomes(t, "done", "permission_denied", "done")
		c.has(t, gen.Balance{Coins: 2})
	})
}

// encrypted is a body as a webhook takes it that decrypts.
func encrypted(t *testing.T, s *Server, mode, plain string) object {
	t.Helper()
	_, body, err := webhook.Sending{ID: "1", Body: []byte(plain), Cipher: mode, Key: cipherKey}.Sealed(time.Now(), s.random)
	if err != nil {
		t.Fatal(err)
	}
	var e object
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// Whoever may try out bodies learns nothing of what they become: all of those that are not good get one answer.
func TestWhatCannotBeReadHasOneAnswerWhateverIsWrong(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		good := `{"user":"ben@example.com","kind":"coins","operation":"add","amount":10}`
		for _, mode := range []string{"cbc", "gcm"} {
			in := c.inlet(t, object{"kind": "currency", "encryption": object{"isEnabled": true, "mode": mode, "key": cipherKey}})
			before := do[gen.BalanceResponse](t, c.h, "GET", "/servers/"+c.id+"/members/"+c.number+"/balance", c.owner, nil).Body.Coins
			for range 2 { // encrypted anew, it is the same
				expect(t, in.calls(encrypted(t, s, mode, good), "x-encrypted", "true", "webhook-id", "msg_1"), 200)
			}
			c.has(t, gen.Balance{Coins: before + 10})
			expect(t, in.calls(encrypted(t, s, mode, good)), 400)
			expect(t, in.calls(coins(1, "add")), 400)

			changed, short, tagged := encrypted(t, s, mode, good), encrypted(t, s, mode, good), encrypted(t, s, mode, good)
			changed["data"] = flipped(changed["data"].(string))
			short["data"] = "AAAA"
			tagged["tag"] = "AAAAAAAAAAAAAAAAAAAAAA=="
			want := ""
			for name, body := range map[string]object{
				"a changed text": changed, "a short text": short, "another tag": tagged, "no text": {"iv": "AAAA", "tag": ""}, "nothing encrypted": coins(1, "add"),
				"no JSON": encrypted(t, s, mode, "Hello"), "half of it": encrypted(t, s, mode, good[:30]), "more behind it": encrypted(t, s, mode, good+"{}"),
				"a list": encrypted(t, s, mode, "["+good+"]"), "nothing": encrypted(t, s, mode, ""), "another kind": encrypted(t, s, mode, `{"message":"Hello","sender":"ben"}`),
				"another member": encrypted(t, s, mode, good[:len(good)-1]+`,"more":1}`), "part of a coin": encrypted(t, s, mode, strings.Replace(good, "10", "1.5", 1)),
				"encrypted twice": encrypted(t, s, mode, `{"iv":"AAAA","data":"AAAA"}`),
			} {
				w := expect(t, in.calls(body, "x-encrypted", "true", "X-Request-Id", "same"), 400)
				if want == "" {
					want = w.Body.String()
				}
				if w.Body.String() != want {
					t.Errorf("%s with %s answers\n%s\nand not\n%s", mode, name, w.Body, want)
				}
			}
			c.has(t, gen.Balance{Coins: before + 10})
		}
		expect(t, c.inlet(t, object{"kind": "currency"}).calls(coins(1, "add"), "x-encrypted", "true"), 400)
	})
}

// flipped is a text in base64 of which something in the middle is another.
func flipped(text string) string {
	at := len(text) / 2
	other := byte('A')
	if text[at] == 'A' {
		other = 'B'
	}
	return text[:at] + string(other) + text[at+1:]
}

func TestTheLastHundredCallsAreKept(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		in := c.inlet(t, object{"kind": "currency"})
		for range 102 {
			expect(t, in.calls(coins(1, "add")), 200)
		}
		expect(t, in.calls(coins(1000, "subtract")), 409)
		calls := do[gen.IncomingWebhookCallListResponse](t, c.h, "GET", hooksIn+"/"+in.id+"/calls", c.owner, nil).Data
		if len(calls) != 100 || calls[0].Outcome != "conflict" || calls[99].Outcome != "done" {
			t.Errorf("there are %d, of which the first is %+v", len(calls), calls[0])
		}
		c.has(t, gen.Balance{Coins: 102})
	})
}

func TestAnIncomingWebhookIsRateLimitedByItself(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		now := time.Now()
		s.now, s.incoming = func() time.Time { return now }, ratelimit.New(2, time.Second)
		in, other := c.inlet(t, object{"kind": "currency"}), c.inlet(t, object{"kind": "currency"})
		expect(t, in.calls(coins(1, "add")), 200)
		expect(t, in.calls(coins(1, "add")), 200)
		if w := expect(t, in.calls(coins(1, "add")), http.StatusTooManyRequests); w.Header().Get("Retry-After") != "1" {
			t.Errorf("it says to wait %q seconds", w.Header().Get("Retry-After"))
		}
		expect(t, other.calls(coins(1, "add")), 200)
		now = now.Add(time.Second)
		expect(t, in.calls(coins(1, "add")), 200)
		in.becomes(t, "done", "done", "done")
	})
}

func TestAnIncomingWebhookIsForTheAdministratorsOfItsCommunityOnly(t *testing.T) {
	onEachClub(t, func(t *testing.T, s *Server, c club) {
		key := c.keyOf(t, c.owner, "webhooks") // it may not send messages, say
		expect(t, send(c.h, jsonRequest(hooksIn, key, object{"name": "x", "kind": "currency"})), 403)
		in := c.inlet(t, object{"kind": "currency"})
		stranger := tokenOf(t, s, "stranger@example.com")
		for _, r := range []*http.Request{request("GET", hooksIn+"/"+in.id, stranger), request("DELETE", hooksIn+"/"+in.id, stranger), request("GET", hooksIn+"/"+in.id+"/calls", stranger), put(hooksIn+"/"+in.id, stranger, object{"name": "x"})} {
			expect(t, send(c.h, r), 404)
		}
	})
}

// The programs of README are run as they stand there, where there is what they need.
func TestTheProgramsOfREADMECallAnIncomingWebhook(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n### What other systems ask for\n")
	s := unlimited(open(t, onSQLite(t)))
	c := newClub(t, s, "allow_dm")
	url := listen(t, s)
	for language, program := range map[string]string{"python": "python3", "js": "node"} {
		_, code, is := strings.Cut(section, "\n```"+language+"\n")
		code, _, _ = strings.Cut(code, "\n```")
		if !is {
			t.Errorf("README has no program in %s", language)
			continue
		}
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("REJOIN_TEST_POSTGRES") == "require" {
				t.Errorf("%s is needed here", program)
			}
			continue
		}
		in := c.inlet(t, object{"kind": "currency", "apiKey": object{"isEnabled": language == "python"}, "encryption": object{"isEnabled": language == "js", "mode": "gcm", "key": cipherKey}})
		run := exec.CommandContext(t.Context(), program, map[string]string{"python": "-c", "js": "-e"}[language], code)
		run.Env = append(os.Environ(), "HOOK_URL="+url+in.path, "HOOK_USER="+c.number, "HOOK_KEY="+in.key, "HOOK_CIPHER_KEY="+cipherKey)
		if said, err := run.CombinedOutput(); err != nil || strings.TrimSpace(string(said)) != "success" {
			t.Errorf("%s says %q: %v", program, said, err)
		}
		in.becomes(t, "done")
	}
}
