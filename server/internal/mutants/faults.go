package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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
				body["meta"], body["body"] = object{"success": true, "message": "My servers", "devMessage": ""}, []any{}
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

// on applies a mutation to the requests of one method and path, and leaves the others alone.
func on(method, path string, m mutation) mutation {
	whole := regexp.MustCompile(`^(/api/v1)?` + path + `$`)
	return func(good http.Handler) http.Handler {
		bad := m(good)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method && whole.MatchString(r.URL.Path) {
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
			w.Write([]byte(`{"meta":{"success":true,"message":"Server has been deleted successfully","devMessage":""},"body":{}}`))
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
