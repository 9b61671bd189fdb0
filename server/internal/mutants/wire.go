package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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
