package conformance

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const hooksPath = "/apis/v1/webhooks"

// makesWebhook makes a webhook and returns the answer.
func (c caller) makesWebhook(in club, changes object) *answer {
	return c.post(hooksPath, object{"serverId": in.id, "name": "conf", "url": "https://hooks.example.invalid/rejoin", "events": []any{"user.visited"}}.and(changes)).expect(201)
}

// webhook is the id of a webhook of the server of a scene.
func (x *scene) webhook() string {
	if x.known["webhook"] == "" {
		x.known["webhook"] = x.a.makesWebhook(x.server, nil).text("/data/_id")
	}
	return x.known["webhook"]
}

// delivery is the id of one of that.
func (x *scene) delivery() string {
	return x.a.post(hooksPath + "/" + x.webhook() + "/test").expect(202).text("/data/_id")
}

// A hookCall is what a webhook was sent.
type hookCall struct {
	header http.Header
	body   []byte
}

// A hookReceiver takes what a backend sends. It is at Target.Receiver.
type hookReceiver struct {
	url     string
	mu      sync.Mutex
	answers []int // the statuses of the first answers; all others are 204
	calls   []hookCall
}

// receives begins to receive, until the test case ends.
func (s *session) receives(answers ...int) *hookReceiver {
	r := &hookReceiver{answers: answers}
	listener, err := net.Listen("tcp", s.suite.target.Receiver)
	if err != nil {
		s.broken.Store(true)
		s.fail("the suite cannot listen at %s: %v", s.suite.target.Receiver, err)
		panic(stopped{})
	}
	r.url = "http://" + listener.Addr().String() + "/hook"
	web := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }() // until it is closed
	s.mu.Lock()
	s.undo = append(s.undo, func() { web.Close() })
	s.mu.Unlock()
	return r
}

func (r *hookReceiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(io.LimitReader(q.Body, 1<<20))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	status := http.StatusNoContent
	if n := len(r.calls); n < len(r.answers) {
		status = r.answers[n]
	}
	r.calls = append(r.calls, hookCall{q.Header.Clone(), body})
	w.WriteHeader(status)
}

// waits for so many calls, and returns them.
func (r *hookReceiver) waits(s *session, n int) (calls []hookCall) {
	if !inTime(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		calls = slices.Clone(r.calls)
		return len(calls) >= n
	}) {
		s.fail("the webhook was called %d times within 30 seconds, and not %d times", len(calls), n)
		panic(stopped{})
	}
	return calls
}

// inTime tells whether something is so within 30 seconds.
func inTime(is func() bool) bool {
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// followed is what a stream has shown.
type followed struct {
	*answer
	last    string // position
	resumed bool
	events  []hookEvent
}

// follows reads what has happened in a server behind a position.
func (c caller) follows(in club, after string) *followed {
	if after != "" {
		c = c.with("Last-Event-ID", after)
	}
	f := &followed{answer: c.get("/apis/v1/events?wait=0&serverId=" + in.id).expect(200)}
	kind, ready := "", false
	for line := range strings.Lines(string(f.raw)) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch {
		case name == "id":
			f.last = value
		case name == "event":
			kind = value
		case name == "data" && kind == "stream.ready":
			ready, f.resumed = true, strings.Contains(value, "true")
		case name == "data":
			var event hookEvent
			if err := json.Unmarshal([]byte(value), &event); err != nil || event.Type != kind {
				f.stop("an event of the type %s is none: %v", kind, err)
			}
			f.events = append(f.events, event)
		}
	}
	if !ready || f.last == "" {
		f.stop("the stream does not begin with stream.ready and a position")
	}
	return f
}

// resumes demands that the stream says whether it goes on where it was.
func (f *followed) resumes(want bool) *followed {
	if f.resumed != want {
		f.fail("resumed is %t", f.resumed)
	}
	return f
}

// shows demands events of these types.
func (f *followed) shows(types ...string) *followed {
	var got []string
	for _, event := range f.events {
		got = append(got, event.Type)
	}
	if !slices.Equal(got, types) {
		f.stop("it shows %q, want %q", got, types)
	}
	return f
}

// signedBy tells whether one of the signatures of a call is made with a secret, as Standard Webhooks has it.
func (c hookCall) signedBy(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", c.header.Get("webhook-id"), c.header.Get("webhook-timestamp"), c.body)
	return slices.Contains(strings.Fields(c.header.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// A hookEvent is an event.
type hookEvent struct {
	ID, Type, CommunityID string
	Data                  map[string]any
}

// event is the body of a call.
func (c hookCall) event(s *session) (event hookEvent) {
	if err := json.Unmarshal(c.body, &event); err != nil {
		s.fail("the webhook was sent what is no event: %v", err)
		panic(stopped{})
	}
	return event
}

// decrypted is the body of a call that is encrypted.
func (c hookCall) decrypted(key string) ([]byte, error) {
	var e struct{ IV, Data, Tag []byte }
	if err := json.Unmarshal(c.body, &e); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		return nil, err
	}
	if e.Tag != nil {
		seal, err := cipher.NewGCMWithNonceSize(block, max(1, len(e.IV)))
		if err != nil {
			return nil, err
		}
		return seal.Open(nil, e.IV, append(e.Data, e.Tag...), nil)
	}
	if len(e.IV) != aes.BlockSize || len(e.Data) == 0 || len(e.Data)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("an iv of %d bytes, and %d bytes of data", len(e.IV), len(e.Data))
	}
	cipher.NewCBCDecrypter(block, e.IV).CryptBlocks(e.Data, e.Data)
	return e.Data[:len(e.Data)-min(len(e.Data), int(e.Data[len(e.Data)-1]))], nil
}

// settled waits until a delivery of a webhook is as it must be.
func (c caller) settled(path string, is func(*answer) bool) (got *answer) {
	if !inTime(func() bool {
		got = c.get(path).expect(200)
		return is(got)
	}) {
		got.stop("the delivery has not become what it must be within 30 seconds")
	}
	return got
}

// hooks are the test cases of the tag webhooks.
var hooks = []testCase{
	{"WEBHOOKS-SECRET-01", "createWebhook getWebhook listWebhooks updateWebhook rotateWebhookSecret", "a secret is shown whole when it is made, and never again", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.makesWebhook(club, object{"apiKey": object{"isEnabled": true}})
		id, secret, key := made.text("/data/_id"), made.text("/data/secret"), made.text("/data/apiKey/key")
		if !strings.HasPrefix(secret, "whsec_") || strings.Contains(secret+key, "*") {
			made.stop("the secrets are not shown whole")
		}
		rotated := s.a.post(hooksPath + "/" + id + "/secret").expect(200)
		if other := rotated.text("/data/secret"); other == secret || !strings.HasPrefix(other, "whsec_") {
			rotated.stop("the new secret is not shown whole")
		}
		for _, got := range []*answer{s.a.get(hooksPath + "/" + id), s.a.get(hooksPath + "?serverId=" + club.id), s.a.put(hooksPath+"/"+id, object{"name": "other"})} {
			if text := string(got.expect(200).raw); strings.Contains(text, secret) || strings.Contains(text, key) || strings.Contains(text, rotated.text("/data/secret")) {
				got.stop("a secret is shown again")
			}
		}
		s.a.put(hooksPath+"/"+id, object{"encryption": object{"isEnabled": true}}).refuses("/encryption/key", "required")
	}},
	{"WEBHOOKS-URL-01", "createWebhook", "what the internet does not reach is refused", func(s *session) {
		club := s.a.makesServer("Chess club")
		for _, url := range []string{"http://hooks.example.invalid/", "https://169.254.169.254/", "https://user:pw@hooks.example.invalid/", "https://[64:ff9b::a9fe:a9fe]/", "ftp://hooks.example.invalid/"} {
			s.a.post(hooksPath, object{"serverId": club.id, "name": "conf", "url": url, "events": []any{"user.left"}}).refuses("/url", "not_allowed")
		}
	}},
	{"WEBHOOKS-OFF-01", "updateWebhook testWebhook", "to one that is switched off, nothing is sent", func(s *session) {
		club := s.a.makesServer("Chess club")
		id := s.a.makesWebhook(club, object{"isActive": false}).is("/data/inactiveReason", "switched_off").text("/data/_id")
		s.a.post(hooksPath + "/" + id + "/test").expect(409)
		s.a.put(hooksPath+"/"+id, object{"isActive": true}).expect(200).is("/data/inactiveReason", "none")
		s.a.post(hooksPath+"/"+id+"/test").expect(202).is("/data/event/type", "webhook.test").is("/data/event/data/webhookId", id)
	}},
	{"WEBHOOKS-DELETE-01", "deleteWebhook getWebhook listWebhooks listWebhookDeliveries", "one that was deleted is there no more, and neither is what it was sent", func(s *session) {
		club := s.a.makesServer("Chess club")
		at := hooksPath + "/" + s.a.makesWebhook(club, nil).text("/data/_id")
		sent := s.a.post(at + "/test").expect(202).text("/data/_id")
		s.a.delete(at).expect(200).is("/data/name", "conf")
		for _, path := range []string{at, at + "/deliveries", at + "/deliveries/" + sent} {
			s.a.get(path).expect(404)
		}
		s.a.get(hooksPath+"?serverId="+club.id).expect(200).is("/data", []any{})
	}},
	{"WEBHOOKS-SEND-01", "createWebhook listWebhookDeliveries receiver channels messages", "what happens is sent, signed, once to each that wants it", func(s *session) {
		club := s.a.makesServer("Chess club")
		one, other := s.a.makesChannel(club, "text", nil), s.a.makesChannel(club, "text", nil)
		r := s.receives()
		made := s.a.makesWebhook(club, object{"url": r.url, "events": []any{"message.posted", "user.joined"}, "channels": []any{one}})
		s.b.joins(club)
		s.a.says(other, "Not this one")
		said := s.a.says(one, "This one")
		types := map[string]bool{}
		for _, call := range r.waits(s, 2) {
			event := call.event(s)
			types[event.Type] = true
			if !call.signedBy(made.text("/data/secret")) || call.header.Get("webhook-id") != event.ID || event.CommunityID != club.id {
				s.fail("%s is not signed, or not as what it is: %v", call.body, call.header)
			}
			if event.Type == "message.posted" && event.Data["id"] != said {
				s.fail("it tells of another message than %s: %s", said, call.body)
			}
		}
		if !types["message.posted"] || !types["user.joined"] {
			s.fail("it was sent %v", types)
		}
		path := hooksPath + "/" + made.text("/data/_id") + "/deliveries"
		s.a.settled(path, func(got *answer) bool {
			return got.at("/data/0/status") == "delivered" && got.at("/data/1/status") == "delivered"
		}).is("/data/0/tries", 1)
	}},
	{"WEBHOOKS-AGAIN-01", "testWebhook getWebhookDelivery replayWebhookDelivery replayWebhook receiver", "what fails is tried again under the same id, signed anew, and the log says how each try went", func(s *session) {
		club := s.a.makesServer("Chess club")
		r := s.receives(500)
		made := s.a.makesWebhook(club, object{"url": r.url})
		at := hooksPath + "/" + made.text("/data/_id")
		path := at + "/deliveries/" + s.a.post(at+"/test").expect(202).text("/data/_id")
		calls := r.waits(s, 2)
		if calls[0].header.Get("webhook-id") != calls[1].header.Get("webhook-id") || !calls[1].signedBy(made.text("/data/secret")) || calls[0].header.Get("webhook-timestamp") == calls[1].header.Get("webhook-timestamp") {
			s.fail("the second try is not the same, signed anew: %v", calls[1].header)
		}
		s.a.settled(path, func(got *answer) bool { return got.at("/data/status") == "delivered" }).is("/data/tries", 2).is("/data/log/0/status", 500).is("/data/log/1/status", 204)
		s.a.post(path + "/replay").expect(202)
		r.waits(s, 3)
		s.a.settled(path, func(got *answer) bool { return got.at("/data/status") == "delivered" }).is("/data/tries", 3)
		s.a.post(at + "/replay?from=2020-01-01T00:00:00.000Z&to=2100-01-01T00:00:00.000Z").expect(202)
		r.waits(s, 4)
		s.a.post(at + "/replay?from=2100-01-01T00:00:00.000Z&to=2020-01-01T00:00:00.000Z").expect(400)
	}},
	{"WEBHOOKS-ROTATE-01", "rotateWebhookSecret testWebhook receiver", "for a day after it was rotated, the old secret signs beside the new one", func(s *session) {
		club := s.a.makesServer("Chess club")
		r := s.receives()
		made := s.a.makesWebhook(club, object{"url": r.url})
		at := hooksPath + "/" + made.text("/data/_id")
		rotated := s.a.post(at + "/secret").expect(200)
		s.a.post(at + "/test").expect(202)
		if call := r.waits(s, 1)[0]; !call.signedBy(made.text("/data/secret")) || !call.signedBy(rotated.text("/data/secret")) {
			s.fail("not both of them sign: %v", call.header)
		}
	}},
	{"WEBHOOKS-CIPHER-01", "updateWebhook testWebhook receiver", "a body is encrypted as it is wanted, and the signature is over what is sent", func(s *session) {
		club := s.a.makesServer("Chess club")
		r := s.receives()
		made := s.a.makesWebhook(club, object{"url": r.url, "apiKey": object{"isEnabled": true}})
		at, key := hooksPath+"/"+made.text("/data/_id"), "0123456789abcdef0123456789abcdef"
		for i, mode := range []string{"cbc", "gcm"} {
			s.a.put(at, object{"encryption": object{"isEnabled": true, "mode": mode, "key": key}}).expect(200).is("/data/encryption", object{"isEnabled": true, "mode": mode})
			s.a.post(at + "/test").expect(202)
			call := r.waits(s, i+1)[i]
			plain, err := call.decrypted(key)
			if err != nil || !bytes.Contains(plain, []byte("webhook.test")) || !call.signedBy(made.text("/data/secret")) {
				s.fail("%s: %v: %s %v", mode, err, call.body, call.header)
			}
			if call.header.Get("x-encrypted") != "true" || call.header.Get("x-api-key") != made.text("/data/apiKey/key") {
				s.fail("%s: the headers are %v", mode, call.header)
			}
		}
	}},
	{"WEBHOOKS-LIVE-01", "streamEvents sendMessage messages channels", "what happens is followed, and goes on behind any position", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "text", nil)
		begin := s.a.follows(club, "").resumes(false)
		s.a.says(channel, "first")
		s.a.says(channel, "second")
		got := s.a.follows(club, begin.last).resumes(true).shows("message.posted", "message.posted")
		if id := got.events[0].ID; id == got.events[1].ID || got.events[0].CommunityID != club.id || got.events[0].Data["message"] != "first" {
			got.stop("the events are not those of the messages, in their order")
		}
		s.a.follows(club, got.last).resumes(true).shows()
		s.a.follows(club, "999999999."+strings.Repeat("a", 24)).resumes(false).shows()
	}},
	{"WEBHOOKS-LIVE-02", "streamEvents sendMessage messages channels", "what is said in a private channel follows who sees it", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.b.joins(club)
		private, open := s.a.makesChannel(club, "private", nil), s.a.makesChannel(club, "text", nil)
		begin := s.b.follows(club, "")
		s.a.says(private, "for few")
		s.a.says(open, "for all")
		if got := s.b.follows(club, begin.last).shows("message.posted"); got.events[0].Data["message"] != "for all" {
			got.stop("it shows what is said where the caller does not look")
		}
		s.a.follows(club, begin.last).shows("message.posted", "message.posted")
	}},
	{"WEBHOOKS-GONE-01", "testWebhook getWebhook receiver", "one that answers that it is gone is switched off", func(s *session) {
		club := s.a.makesServer("Chess club")
		r := s.receives(http.StatusGone)
		at := hooksPath + "/" + s.a.makesWebhook(club, object{"url": r.url}).text("/data/_id")
		s.a.post(at + "/test").expect(202)
		s.a.settled(at, func(got *answer) bool { return got.at("/data/isActive") == false }).is("/data/inactiveReason", "gone")
	}},
}
