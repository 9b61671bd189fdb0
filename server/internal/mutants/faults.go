package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

// A mutant is the reference server with one fault.
type mutant struct {
	fault  string
	mutate func(good http.Handler) http.Handler
}

var mutants = []mutant{
	{"an operation asks for no credential", on("GET", `/servers`, exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if a.Code == http.StatusUnauthorized {
			a.Code = http.StatusOK
			rewrite(a, func(body object) {
				body["meta"], body["body"] = object{"success": true, "message": "My servers", "devMessage": "My servers"}, []any{}
			})
		}
	}))},
	{"the second page begins one item too early", on("GET", `/servers/\w+/members`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, _ := body["body"].([]any); len(list) > 1 {
			body["body"] = list[1:]
		}
	}))},
	{"a page ignores its limit", on("GET", `/servers/\w+/members`, request(func(r *http.Request) {
		if q := r.URL.Query(); q.Get("limit") == "1" {
			q.Set("limit", "2")
			r.URL.RawQuery = q.Encode()
		}
	}))},
	{"the total is what the page has", on("GET", `/servers/\w+/members`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok {
			body.at("meta")["total"] = len(list)
		}
	}))},
	{"an empty list is null", on("GET", `/servers/\w+/channels`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok && len(list) == 0 {
			body["body"] = nil
		}
	}))},
	{"404 is 403", everywhere(answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 404 && body.at("body")["code"] == "not_found" {
			a.Code, body.at("body")["code"] = 403, "permission_denied"
		}
	}))},
	{"403 is 404", everywhere(answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 403 && body.at("body")["code"] == "permission_denied" {
			a.Code, body.at("body")["code"] = 404, "not_found"
		}
	}))},
	{"errors come in the wrong envelope", on("GET", `/apis/v1/channels`, answer(func(a *httptest.ResponseRecorder, body object) {
		if data, ok := body["data"]; ok && a.Code >= 400 {
			delete(body, "data")
			delete(body, "status")
			delete(body, "message")
			body["meta"] = object{"success": false, "message": "x", "devMessage": "x"}
			body["body"] = data
		}
	}))},
	{"an answer has a field that the contract does not know", on("GET", `/servers/\w+`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 200 {
			body.at("body")["secret"] = "x"
		}
	}))},
	{"a documented field is missing", on("POST", `/servers`, answer(func(a *httptest.ResponseRecorder, body object) {
		delete(body.at("body"), "__v")
	}))},
	{"the newest server comes first", on("GET", `/servers`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok {
			slices.Reverse(list)
		}
	}))},
	{"an idempotency key is ignored", everywhere(request(func(r *http.Request) { r.Header.Del("Idempotency-Key") }))},
	{"an idempotency key is everybody's", everywhere(forgetfulKeys())},
	{"a deleted server can still be read", everywhere(undeletable())},
	{"deleting does nothing", on("DELETE", `/channels/\w+`, request(func(r *http.Request) {
		r.Method, r.URL.Path = "GET", "/servers/"+"000000000000000000000000"
	}))},
	{"joining twice is fine", on("POST", `/servers/\w+/join`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 409 {
			a.Code = 200
		}
	}))},
	{"creating a channel answers 201", on("POST", `/channels`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 200 {
			a.Code = 201
		}
	}))},
	{"a badge's quantity is a number", on("GET", `/badges`, answer(func(a *httptest.ResponseRecorder, body object) {
		for _, badge := range body.list("body") {
			badge["quantity"] = 3
		}
	}))},
	{"a badge credits each time it is awarded", on("GET", `/servers/\w+/members/\d+/balance`, growingBalance())},
	{"a key is shown whole for ever", everywhere(unmaskedKeys())},
	{"a key that is not active still works", on("PUT", `/apis/v1/communities/\w+/api-keys/\w+`, request(func(r *http.Request) {
		replaceBody(r, `"isActive":false`, `"isActive":true`)
	}))},
	{"the roles leave out @all", on("GET", `/roles/\d+`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok && len(list) > 0 {
			body["body"] = list[:len(list)-1]
		}
	}))},
	{"a permission flag is left out where it is false", on("GET", `/servers/\w+/roles`, answer(func(a *httptest.ResponseRecorder, body object) {
		for _, role := range body.list("body") {
			delete(role.at("serverPermissions"), "ban_members")
		}
	}))},
	{"direct channels are shown to programs", on("POST", `/channels`, request(func(r *http.Request) {
		replaceBody(r, `"channelType":"direct"`, `"channelType":"open"`)
	}))},
	{"a visit counts each time", on("POST", `/servers/\w+/visit`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 200 {
			body.at("body")["counted"] = true
		}
	}))},
	{"the image has another content type", on("GET", `/images/\w+`, raw(func(a *httptest.ResponseRecorder) {
		if a.Code == 200 {
			a.Header().Set("Content-Type", "image/bmp")
		}
	}))},
	{"the image is a byte too short", on("GET", `/images/\w+`, raw(func(a *httptest.ResponseRecorder) {
		if a.Code == 200 {
			a.Header().Del("Content-Length")
			a.Body.Truncate(a.Body.Len() - 1)
		}
	}))},
	{"an image may not be kept", on("GET", `/images/\w+`, raw(func(a *httptest.ResponseRecorder) { a.Header().Del("ETag") }))},
	{"the request id is not that of the header", everywhere(raw(func(a *httptest.ResponseRecorder) {
		a.Header().Set("X-Request-Id", "another")
	}))},
	{"there is no request id", everywhere(raw(func(a *httptest.ResponseRecorder) { a.Header().Del("X-Request-Id") }))},
	{"405 does not say what is allowed", everywhere(raw(func(a *httptest.ResponseRecorder) { a.Header().Del("Allow") }))},
	{"times have no milliseconds", everywhere(raw(func(a *httptest.ResponseRecorder) {
		replaceAnswer(a, regexp.MustCompile(`(\d\d:\d\d:\d\d)\.\d{3}Z`), "${1}Z")
	}))},
	{"the older prefix is not answered", everywhere(request(func(r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/api/v1/", "/api/v9/", 1)
	}))},
	{"the pointer of an error is missing", everywhere(raw(func(a *httptest.ResponseRecorder) {
		replaceAnswer(a, regexp.MustCompile(`"pointer":"/name"`), `"pointer":""`)
	}))},
	{"an error repeats what was sent", on("GET", `/servers/[^/]+`, echoPath())},
	{"logging out ends nothing", on("POST", `/auth/logout`, request(func(r *http.Request) {
		r.Method, r.URL.Path = "GET", "/auth/me"
	}))},
	{"the audit trail is the oldest first", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok {
			slices.Reverse(list)
		}
	}))},
	{"the audit trail is for every member", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 403 {
			a.Code = 200
		}
	}))},
	{"mailed codes may be guessed without limit", on("POST", `/auth/(verify-email|reset-password)`, patientCodes)},
	{"the code of a registration resets a password", on("POST", `/auth/reset-password`, codesForAnything)},
	{"who was never verified gets no code for a new password", everywhere(unverified(func(path string, r *http.Request) {
		email, _ := objectOf(r)["email"].(string)
		sound := int64(len(email)+len(`{"email":""}`)) == r.ContentLength && strings.Contains(email, "@")
		if path == "/auth/forgot-password" && sound {
			replace(r, object{"email": "nobody@example.com"})
		}
	}, nil))},
	{"a new password verifies no address", everywhere(unverified(nil, func(path string, body object) {
		if path == "/auth/reset-password" {
			body.at("body").at("account")["verified"] = false
		}
	}))},
	{"an update leaves the time of the last one", on("PUT", `/(channels|roles)/\w+`, answer(func(a *httptest.ResponseRecorder, body object) {
		if thing := body.at("body"); a.Code == http.StatusOK {
			thing["updatedAt"] = thing["createdAt"]
		}
	}))},
	{"a session token is taken for an API key", everywhere(tokensAsKeys)},
	{"an administrator deletes a server", everywhere(deletingAdministrators)},
	{"the audit trail knows only of half of the changes", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		untold := regexp.MustCompile(`^((role|badge)\.remove|(role|badge|key)\.delete|(channel|badge|key)\.update)$`)
		list, _ := body["body"].([]any)
		total, _ := body.at("meta")["total"].(float64)
		told := slices.DeleteFunc(slices.Clone(list), func(e any) bool {
			entry, _ := e.(map[string]any)
			return untold.MatchString(fmt.Sprint(entry["action"]))
		})
		if a.Code == http.StatusOK {
			body["body"], body.at("meta")["total"] = told, total-float64(len(list)-len(told))
		}
	}))},
	{"the audit trail does not tell who was given what", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		for _, entry := range body.list("body") {
			if regexp.MustCompile(`^(role|badge)\.(add|remove|award)$`).MatchString(fmt.Sprint(entry["action"])) {
				entry["before"], entry["after"] = object{}, object{}
			}
		}
	}))},
	{"the audit trail tells what a direct channel is about", everywhere(talkativeTrail())},
	{"an idempotency key is shared by all operations", everywhere(sharedKeys)},
	{"an idempotency key is another one at the other path", everywhere(request(func(r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key != "" && len(key) < 200 && (strings.HasPrefix(r.URL.Path, "/api/v1/") || strings.HasPrefix(r.URL.Path, "/v1/")) {
			r.Header.Set("Idempotency-Key", "v1-"+key)
		}
	}))},
	{"an update of a role may name any server", on("PUT", `/roles/\w+`, request(withoutServer))},
	{"an update of a badge may name any server", on("PUT", `/badges/[\w-]+`, request(withoutServer))},
	{"a role or member that a channel cannot admit is not found", on("POST PUT", `/channels(/\w+)?`, answer(func(a *httptest.ResponseRecorder, body object) {
		problem := body.at("body")
		for _, field := range problem.list("fields") {
			if regexp.MustCompile(`^/(permissions|members)/\d+$`).MatchString(fmt.Sprint(field["pointer"])) && field["code"] == "not_allowed" {
				a.Code, problem["code"], problem["fields"] = 404, "not_found", []any{}
			}
		}
	}))},
	{"an API key makes administrators", everywhere(mightyKeys)},
	{"who left a server and comes back is admitted as before", everywhere(stillAdmitted)},
	{"who made a key sees the private channels that the key made", everywhere(transparentKeys)},
}

// ---- how a fault gets onto the wire

type object map[string]any

// at is an object in an object; where there is none, an empty one that belongs to nothing.
func (o object) at(name string) object {
	if inner, ok := o[name].(map[string]any); ok {
		return inner
	}
	return object{}
}

func (o object) list(name string) (objects []object) {
	list, _ := o[name].([]any)
	for _, item := range list {
		if o, ok := item.(map[string]any); ok {
			objects = append(objects, o)
		}
	}
	return objects
}

type mutation = func(good http.Handler) http.Handler

func everywhere(m mutation) mutation { return m }

// on applies a mutation to the requests of some methods and a path, and leaves the others alone.
func on(methods, path string, m mutation) mutation {
	whole := regexp.MustCompile(`^(/api/v1)?` + path + `$`)
	return func(good http.Handler) http.Handler {
		bad := m(good)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slices.Contains(strings.Fields(methods), r.Method) && whole.MatchString(r.URL.Path) {
				bad.ServeHTTP(w, r)
				return
			}
			good.ServeHTTP(w, r)
		})
	}
}

// request changes requests on their way in.
func request(change func(*http.Request)) mutation {
	return func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			change(r)
			good.ServeHTTP(w, r)
		})
	}
}

// raw changes answers on their way out.
func raw(change func(*httptest.ResponseRecorder)) mutation {
	return exchange(func(_ *http.Request, a *httptest.ResponseRecorder) { change(a) })
}

// answer changes JSON answers on their way out.
func answer(change func(*httptest.ResponseRecorder, object)) mutation {
	return raw(func(a *httptest.ResponseRecorder) { rewrite(a, func(body object) { change(a, body) }) })
}

func exchange(change func(*http.Request, *httptest.ResponseRecorder)) mutation {
	return func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := httptest.NewRecorder()
			good.ServeHTTP(a, r)
			change(r, a)
			for name, values := range a.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(a.Code)
			w.Write(a.Body.Bytes())
		})
	}
}

func rewrite(a *httptest.ResponseRecorder, change func(object)) {
	var body object
	if json.Unmarshal(a.Body.Bytes(), &body) != nil {
		return
	}
	change(body)
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	a.Header().Set("Content-Length", strconv.Itoa(len(text)))
	a.Body = bytes.NewBuffer(text)
}

func replaceAnswer(a *httptest.ResponseRecorder, pattern *regexp.Regexp, by string) {
	if text := pattern.ReplaceAll(a.Body.Bytes(), []byte(by)); !bytes.Equal(text, a.Body.Bytes()) {
		a.Header().Set("Content-Length", strconv.Itoa(len(text)))
		a.Body = bytes.NewBuffer(text)
	}
}

func replaceBody(r *http.Request, old, new string) {
	var text bytes.Buffer
	text.ReadFrom(r.Body)
	replaced := strings.ReplaceAll(text.String(), old, new)
	r.Body = http.NoBody
	r.ContentLength = int64(len(replaced))
	if replaced != "" {
		r.Body = readCloser{strings.NewReader(replaced)}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// ---- faults that remember something

// forgetfulKeys answers every request under one idempotency key with the first answer under it, whoever asks for what.
func forgetfulKeys() mutation {
	var mu sync.Mutex
	first := map[string]*httptest.ResponseRecorder{}
	return exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" || a.Code >= 500 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if kept := first[key]; kept != nil {
			a.Code, a.Body = kept.Code, bytes.NewBuffer(kept.Body.Bytes())
			a.Header().Set("Content-Length", strconv.Itoa(a.Body.Len()))
			a.Header().Set("Idempotent-Replayed", "true")
			return
		}
		first[key] = &httptest.ResponseRecorder{Code: a.Code, Body: bytes.NewBuffer(bytes.Clone(a.Body.Bytes()))}
	})
}

// undeletable says that a server was deleted and does not delete it.
func undeletable() mutation {
	path := regexp.MustCompile(`^/servers/\w{24}$`)
	return func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodDelete || !path.MatchString(r.URL.Path) {
				good.ServeHTTP(w, r)
				return
			}
			look := r.Clone(r.Context())
			look.Method = http.MethodGet
			a := httptest.NewRecorder()
			good.ServeHTTP(a, look)
			if a.Code != http.StatusOK {
				good.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Request-Id", a.Header().Get("X-Request-Id"))
			w.Write([]byte(`{"meta":{"success":true,"message":"Server has been deleted successfully","devMessage":"Server has been deleted successfully"},"body":{}}`))
		})
	}
}

func growingBalance() mutation {
	var mu sync.Mutex
	asked := map[string]int{}
	return exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		mu.Lock()
		defer mu.Unlock()
		rewrite(a, func(body object) {
			if xp, ok := body.at("body")["xp"].(float64); ok && xp > 0 {
				asked[r.URL.Path]++
				body.at("body")["xp"] = xp * float64(asked[r.URL.Path])
			}
		})
	})
}

// unmaskedKeys shows a key whole wherever it would be masked.
func unmaskedKeys() mutation {
	var mu sync.Mutex
	whole := map[string]any{}
	unmask := func(key object) {
		text, _ := key["key"].(string)
		id, _ := key["_id"].(string)
		if text == "" || id == "" {
			return
		}
		if !strings.Contains(text, "*") {
			whole[id] = text
		} else if known := whole[id]; known != nil {
			key["key"] = known
		}
	}
	return raw(func(a *httptest.ResponseRecorder) {
		mu.Lock()
		defer mu.Unlock()
		if !bytes.Contains(a.Body.Bytes(), []byte(`"communityId"`)) {
			return
		}
		rewrite(a, func(body object) {
			unmask(body.at("data"))
			for _, key := range body.list("data") {
				unmask(key)
			}
		})
	})
}

// echoPath puts the last part of the path into the error about it.
func echoPath() mutation {
	return exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		rewrite(a, func(body object) {
			if a.Code == http.StatusBadRequest {
				body.at("meta")["devMessage"] = "not an id: " + r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
			}
		})
	})
}

// ---- faults that need more than one request

// reference is the good server, for mutants that also read its mails.
type reference struct {
	http.Handler
	mail string
}

// peek is the body of a request, which stays readable.
func peek(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	put(r, body)
	return body
}

func put(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

// objectOf is the JSON object in the body of a request; empty if there is none.
func objectOf(r *http.Request) object {
	body := object{}
	_ = json.Unmarshal(peek(r), &body)
	return body
}

func replace(r *http.Request, body object) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	put(r, text)
}

// ask sends a request of the mutant's own, as somebody.
func ask(good http.Handler, method, path, authorization string, body object) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if body != nil {
		replace(r, body)
		r.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	a := httptest.NewRecorder()
	good.ServeHTTP(a, r)
	return a
}

// memory is what a mutant remembers, from one text to another.
type memory struct{ sync.Map }

func (m *memory) get(key string) string {
	value, _ := m.Load(key)
	text, _ := value.(string)
	return text
}

// patientCodes does not count the tries of a mailed code: it does not even pass wrong ones on.
func patientCodes(good http.Handler) http.Handler {
	newest := conformance.MailDir(good.(reference).mail)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		given := objectOf(r)
		code, err := newest(ctx, fmt.Sprint(given["email"]))
		if text, _ := given["code"].(string); err == nil && len(text) == 6 && text != code {
			given["email"] = "nobody@example.com" // has as little of a code
			replace(r, given)
		}
		good.ServeHTTP(w, r)
	})
}

// codesForAnything lets a code that would verify an address set a password.
func codesForAnything(good http.Handler) http.Handler {
	newest := conformance.MailDir(good.(reference).mail)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := objectOf(r)
		who := object{"email": given["email"]}
		if ask(good, "POST", "/auth/verify-email", "", object{"email": given["email"], "code": given["code"]}).Code == http.StatusOK {
			ask(good, "POST", "/auth/forgot-password", "", who)
			for range 100 {
				if code, err := newest(r.Context(), fmt.Sprint(given["email"])); err == nil && code != given["code"] {
					given["code"] = code
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			replace(r, given)
		}
		good.ServeHTTP(w, r)
	})
}

// unverified changes the requests of and the good answers to those who have never verified an address.
func unverified(request func(path string, r *http.Request), answer func(path string, body object)) mutation {
	var verified memory
	return func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/auth/") || r.Method != http.MethodPost {
				good.ServeHTTP(w, r)
				return
			}
			email := strings.ToLower(fmt.Sprint(objectOf(r)["email"]))
			known := verified.get(email) != ""
			if request != nil && !known {
				request(r.URL.Path, r)
			}
			exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
				if a.Code == http.StatusOK && r.URL.Path == "/auth/verify-email" {
					verified.Store(email, "yes")
				}
				if a.Code == http.StatusOK && answer != nil && !known {
					rewrite(a, func(body object) { answer(r.URL.Path, body) })
				}
			})(good).ServeHTTP(w, r)
		})
	}
}

// tokensAsKeys takes a session token in the header of an API key.
func tokensAsKeys(good http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("X-Api-Key")
		if key != "" && r.Header.Get("Authorization") == "" && ask(good, "GET", "/auth/me", "Bearer "+key, nil).Code == http.StatusOK {
			r.Header.Del("X-Api-Key")
			r.Header.Set("Authorization", "Bearer "+key)
		}
		good.ServeHTTP(w, r)
	})
}

// deletingAdministrators lets whoever may read the audit trail delete a server.
func deletingAdministrators(good http.Handler) http.Handler {
	var owners memory
	noting := exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if r.Method == http.MethodPost && r.URL.Path == "/servers" && a.Code == http.StatusCreated {
			rewrite(a, func(body object) {
				owners.LoadOrStore(fmt.Sprint("/servers/", body.at("body")["_id"]), r.Header.Get("Authorization"))
			})
		}
	})(good)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		owner := owners.get(r.URL.Path)
		if owner != "" && r.Method == http.MethodDelete && ask(good, "GET", r.URL.Path+"/audit", r.Header.Get("Authorization"), nil).Code == http.StatusOK {
			r.Header.Set("Authorization", owner)
		}
		noting.ServeHTTP(w, r)
	})
}

// talkativeTrail shows the topic of each channel that was ever direct.
func talkativeTrail() mutation {
	var topics memory
	return exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if a.Code != http.StatusOK || !strings.Contains(r.URL.Path, "/channels") && !strings.HasSuffix(r.URL.Path, "/audit") {
			return
		}
		rewrite(a, func(body object) {
			if channel := body.at("body"); channel["channelType"] == "direct" {
				topics.Store(fmt.Sprint(channel["_id"]), channel["topic"])
			}
			for _, entry := range body.list("body") {
				for _, state := range []string{"before", "after"} {
					if topic := topics.get(fmt.Sprint(entry["target"])); topic != "" && entry[state] != nil {
						entry.at(state)["topic"] = topic
					}
				}
			}
		})
	})
}

// sharedKeys knows of no operations: what has once been sent under an idempotency key is another request to all others.
func sharedKeys(good http.Handler) http.Handler {
	var first memory
	ids := regexp.MustCompile(`[0-9a-f]{24}`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" {
			good.ServeHTTP(w, r)
			return
		}
		key = r.Header.Get("Authorization") + r.Header.Get("X-Api-Key") + " " + key
		operation := ids.ReplaceAllString(strings.TrimPrefix(r.URL.Path, "/api/v1"), "*")
		known := first.get(key)
		exchange(func(_ *http.Request, a *httptest.ResponseRecorder) {
			switch {
			case a.Code/100 == 2 && known == "":
				first.Store(key, operation)
			case a.Code/100 == 2 && known != operation:
				a.Code = http.StatusConflict
				rewrite(a, func(body object) {
					clear(body)
					body["meta"] = object{"success": false, "message": "No", "devMessage": "no"}
					body["body"] = object{"code": "conflict", "requestId": a.Header().Get("X-Request-Id"), "fields": []any{}}
				})
			}
		})(good).ServeHTTP(w, r)
	})
}

func withoutServer(r *http.Request) {
	body := objectOf(r)
	delete(body, "serverId")
	replace(r, body)
}

// makers notes who makes which API key, and returns who has made the key of a request; empty if there is none.
func makers(good http.Handler) (noting http.Handler, maker func(*http.Request) string) {
	var known memory
	noting = exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/api-keys") && a.Code == http.StatusCreated {
			rewrite(a, func(body object) {
				known.Store(fmt.Sprint(body.at("data")["key"]), r.Header.Get("Authorization"))
			})
		}
	})(good)
	return noting, func(r *http.Request) string {
		if key := r.Header.Get("X-Api-Key"); key != "" {
			return known.get(key)
		}
		return known.get(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
}

// mightyKeys lets a key do to the roles of administrators what its maker may do.
func mightyKeys(good http.Handler) http.Handler {
	noting, maker := makers(good)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := maker(r); who != "" && strings.HasPrefix(r.URL.Path, "/roles") && bytes.Contains(peek(r), []byte(`"server_administrator":true`)) {
			r.Header.Del("X-Api-Key")
			r.Header.Set("Authorization", who)
		}
		noting.ServeHTTP(w, r)
	})
}

// moreChannels shows channels in the lists of somebody in a server who would not see them.
type moreChannels struct {
	mu    sync.Mutex
	shown map[string][]object // by who and the server's id
}

func (m *moreChannels) add(who, server string, channels ...object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shown == nil {
		m.shown = map[string][]object{}
	}
	m.shown[who+server] = append(m.shown[who+server], channels...)
}

func (m *moreChannels) show(r *http.Request, a *httptest.ResponseRecorder) {
	server := r.URL.Query().Get("serverId")
	if rest, is := strings.CutSuffix(r.URL.Path, "/channels"); is && server == "" {
		server = strings.TrimPrefix(rest, "/servers/")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	more := m.shown[r.Header.Get("Authorization")+server]
	if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/channels") || a.Code != http.StatusOK || len(more) == 0 {
		return
	}
	rewrite(a, func(body object) {
		list, _ := body["body"].([]any)
		for _, channel := range more {
			if !slices.ContainsFunc(body.list("body"), func(o object) bool { return o["_id"] == channel["_id"] }) {
				list = append(list, channel)
			}
		}
		body["body"] = list
	})
}

// stillAdmitted shows to who comes back what they were shown when they left.
func stillAdmitted(good http.Handler) http.Handler {
	var more moreChannels
	showing := exchange(more.show)(good)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, is := strings.CutSuffix(r.URL.Path, "/leave"); is {
			var before object
			_ = json.Unmarshal(ask(good, "GET", rest+"/channels", r.Header.Get("Authorization"), nil).Body.Bytes(), &before)
			for _, channel := range before.list("body") {
				if kind := channel["channelType"]; kind == "private" || kind == "direct" {
					more.add(r.Header.Get("Authorization"), strings.TrimPrefix(rest, "/servers/"), channel)
				}
			}
		}
		showing.ServeHTTP(w, r)
	})
}

// transparentKeys shows what a key has made to who has made the key.
func transparentKeys(good http.Handler) http.Handler {
	var more moreChannels
	noting, maker := makers(good)
	return exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if who := maker(r); who != "" && r.Method == http.MethodPost && r.URL.Path == "/channels" && a.Code == http.StatusOK {
			rewrite(a, func(body object) { more.add(who, fmt.Sprint(body.at("body")["serverId"]), body.at("body")) })
		}
		more.show(r, a)
	})(noting)
}
