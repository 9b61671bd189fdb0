package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

// reference is the good server, for mutants that also read its mails.
type reference struct {
	http.Handler
	mail string
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
		if text, _ := given["code"].(string); err == nil && len(text) >= 6 && text != code {
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

// passwordsOfAnybody gives an account the password that was registered, whoever has registered it.
func passwordsOfAnybody(good http.Handler) http.Handler {
	var registered memory
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if given := objectOf(r); r.Method == http.MethodPost {
			email := strings.ToLower(fmt.Sprint(given["email"]))
			password := given["password"]
			switch known := registered.get(email); {
			case r.URL.Path == "/auth/register" && password != nil:
				registered.Store(email, fmt.Sprint(password))
			case r.URL.Path == "/auth/verify-email" && password == nil && known != "":
				given["password"] = known
				replace(r, given)
			}
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

// owners notes who makes which server, and returns who has made one; empty if it is not known.
func owners(good http.Handler) (noting http.Handler, owner func(server string) string) {
	var known memory
	noting = exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if r.Method == http.MethodPost && r.URL.Path == "/servers" && a.Code == http.StatusCreated {
			rewrite(a, func(body object) { known.LoadOrStore(body.at("body")["_id"], r.Header.Get("Authorization")) })
		}
	})(good)
	return noting, known.get
}

// deletingAdministrators lets whoever may read the audit trail delete a server.
func deletingAdministrators(good http.Handler) http.Handler {
	noting, owner := owners(good)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by := owner(strings.TrimPrefix(r.URL.Path, "/servers/"))
		if by != "" && r.Method == http.MethodDelete && ask(good, "GET", r.URL.Path+"/audit", r.Header.Get("Authorization"), nil).Code == http.StatusOK {
			r.Header.Set("Authorization", by)
		}
		noting.ServeHTTP(w, r)
	})
}

// rolesByChannelManagers lets whoever may make a channel in a server make a role there.
func rolesByChannelManagers(good http.Handler) http.Handler {
	noting, owner := owners(good)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/roles" {
			noting.ServeHTTP(w, r)
			return
		}
		server, caller := fmt.Sprint(objectOf(r)["serverId"]), r.Header.Get("Authorization")
		account := ask(good, "GET", "/auth/me", caller, nil).Code == http.StatusOK
		if by := owner(server); account && by != "" && by != caller {
			made := ask(good, "POST", "/channels", caller, object{"topic": "x", "channelType": "open", "serverId": server})
			if made.Code == http.StatusOK {
				r.Header.Set("Authorization", by)
			}
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
