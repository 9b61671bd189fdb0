package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

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
