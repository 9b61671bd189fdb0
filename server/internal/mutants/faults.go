package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A mutant is the reference server with one fault.
type mutant struct {
	fault  string
	by     string // the requirement that must notice it
	mutate func(good http.Handler) http.Handler
}

var mutants = []mutant{
	{"an operation asks for no credential", "CREDENTIAL-listMyServers", on("GET", `/servers`, exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if a.Code == http.StatusUnauthorized {
			a.Code = http.StatusOK
			rewrite(a, func(body object) {
				body["meta"], body["body"] = object{"success": true, "message": "My servers", "devMessage": "My servers"}, []any{}
			})
		}
	}))},
	{"the second page begins one item too early", "SERVERS-MEMBERS-01", on("GET", `/servers/\w+/members`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, _ := body["body"].([]any); len(list) > 1 {
			body["body"] = list[1:]
		}
	}))},
	{"a page ignores its limit", "SERVERS-MEMBERS-01", on("GET", `/servers/\w+/members`, request(func(r *http.Request) {
		if q := r.URL.Query(); q.Get("limit") == "1" {
			q.Set("limit", "2")
			r.URL.RawQuery = q.Encode()
		}
	}))},
	{"the total is what the page has", "SERVERS-MEMBERS-01", on("GET", `/servers/\w+/members`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok {
			body.at("meta")["total"] = len(list)
		}
	}))},
	{"an empty list is null", "SERVERS-CHANNELS-01", on("GET", `/servers/\w+/channels`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok && len(list) == 0 {
			body["body"] = nil
		}
	}))},
	{"404 is 403", "ACCESS-getServer", everywhere(answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 404 && body.at("body")["code"] == "not_found" {
			a.Code, body.at("body")["code"] = 403, "permission_denied"
		}
	}))},
	{"403 is 404", "ACCESS-updateServer", everywhere(answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 403 && body.at("body")["code"] == "permission_denied" {
			a.Code, body.at("body")["code"] = 404, "not_found"
		}
	}))},
	{"errors come in the wrong envelope", "CREDENTIAL-listIntegrationChannels", on("GET", `/apis/v1/channels`, answer(func(a *httptest.ResponseRecorder, body object) {
		if data, ok := body["data"]; ok && a.Code >= 400 {
			delete(body, "data")
			delete(body, "status")
			delete(body, "message")
			body["meta"] = object{"success": false, "message": "x", "devMessage": "x"}
			body["body"] = data
		}
	}))},
	{"an answer has a field that the contract does not know", "ACCESS-getServer", on("GET", `/servers/\w+`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 200 {
			body.at("body")["secret"] = "x"
		}
	}))},
	{"a documented field is missing", "SERVERS-CREATE-01", on("POST", `/servers`, answer(func(a *httptest.ResponseRecorder, body object) {
		delete(body.at("body"), "__v")
	}))},
	{"the newest server comes first", "SERVERS-LIST-02", on("GET", `/servers`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok {
			slices.Reverse(list)
		}
	}))},
	{"an idempotency key is ignored", "REPEAT-createChannel", everywhere(request(func(r *http.Request) { r.Header.Del("Idempotency-Key") }))},
	{"an idempotency key is everybody's", "REPEAT-createServer", everywhere(forgetfulKeys())},
	{"a deleted server can still be read", "SERVERS-DELETE-01", everywhere(undeletable())},
	{"deleting does nothing", "CHANNELS-DELETE-01", on("DELETE", `/channels/\w+`, request(func(r *http.Request) {
		r.Method, r.URL.Path = "GET", "/servers/"+"000000000000000000000000"
	}))},
	{"joining twice is fine", "SERVERS-JOIN-01", on("POST", `/servers/\w+/join`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 409 {
			a.Code = 200
		}
	}))},
	{"creating a channel answers 201", "CHANNELS-CREATE-01", on("POST", `/channels`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 200 {
			a.Code = 201
		}
	}))},
	{"a badge's quantity is a number", "BADGES-CREATE-01", on("GET", `/badges`, answer(func(a *httptest.ResponseRecorder, body object) {
		for _, badge := range body.list("body") {
			badge["quantity"] = 3
		}
	}))},
	{"a badge credits each time it is awarded", "BADGES-AWARD-01", on("GET", `/servers/\w+/members/\d+/balance`, growingBalance())},
	{"a key is shown whole for ever", "KEYS-CREATE-01", everywhere(unmaskedKeys())},
	{"a key that is not active still works", "KEYS-ACTIVE-01", on("PUT", `/apis/v1/communities/\w+/api-keys/\w+`, request(func(r *http.Request) {
		replaceBody(r, `"isActive":false`, `"isActive":true`)
	}))},
	{"the roles leave out @all", "ROLES-USER-01", on("GET", `/roles/\d+`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok && len(list) > 0 {
			body["body"] = list[:len(list)-1]
		}
	}))},
	{"a permission flag is left out where it is false", "SERVERS-ROLES-01", on("GET", `/servers/\w+/roles`, answer(func(a *httptest.ResponseRecorder, body object) {
		for _, role := range body.list("body") {
			delete(role.at("serverPermissions"), "ban_members")
		}
	}))},
	{"direct channels are shown to programs", "CHANNELS-LIST-01", on("POST", `/channels`, request(func(r *http.Request) {
		replaceBody(r, `"channelType":"direct"`, `"channelType":"open"`)
	}))},
	{"a visit counts each time", "SERVERS-VISIT-01", on("POST", `/servers/\w+/visit`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 200 {
			body.at("body")["counted"] = true
		}
	}))},
	{"the image has another content type", "SERVERS-IMAGE-01", on("GET", `/images/\w+`, raw(func(a *httptest.ResponseRecorder) {
		if a.Code == 200 {
			a.Header().Set("Content-Type", "image/bmp")
		}
	}))},
	{"the image is a byte too short", "SERVERS-IMAGE-01", on("GET", `/images/\w+`, raw(func(a *httptest.ResponseRecorder) {
		if a.Code == 200 {
			a.Header().Del("Content-Length")
			a.Body.Truncate(a.Body.Len() - 1)
		}
	}))},
	{"an image may not be kept", "SERVERS-IMAGE-01", on("GET", `/images/\w+`, raw(func(a *httptest.ResponseRecorder) { a.Header().Del("ETag") }))},
	{"the request id is not that of the header", "COMMON-REQUESTID-01", everywhere(raw(func(a *httptest.ResponseRecorder) {
		a.Header().Set("X-Request-Id", "another")
	}))},
	{"there is no request id", "COMMON-REQUESTID-01", everywhere(raw(func(a *httptest.ResponseRecorder) { a.Header().Del("X-Request-Id") }))},
	{"405 does not say what is allowed", "COMMON-PATHS-03", everywhere(raw(func(a *httptest.ResponseRecorder) { a.Header().Del("Allow") }))},
	{"times have no milliseconds", "CHANNELS-CREATE-01", everywhere(raw(func(a *httptest.ResponseRecorder) {
		replaceAnswer(a, regexp.MustCompile(`(\d\d:\d\d:\d\d)\.\d{3}Z`), "${1}Z")
	}))},
	{"the older prefix is not answered", "COMMON-PATHS-01", everywhere(request(func(r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/api/v1/", "/api/v9/", 1)
	}))},
	{"the pointer of an error is missing", "NEGATIVE-createServer-body.name-required", everywhere(raw(func(a *httptest.ResponseRecorder) {
		replaceAnswer(a, regexp.MustCompile(`"pointer":"/name"`), `"pointer":""`)
	}))},
	{"an error repeats what was sent", "COMMON-REFUSALS-01", on("GET", `/servers/[^/]+`, echoPath())},
	{"logging out ends nothing", "AUTH-SESSION-01", on("POST", `/auth/logout`, request(func(r *http.Request) {
		r.Method, r.URL.Path = "GET", "/auth/me"
	}))},
	{"the audit trail is the oldest first", "AUDIT-LIST-01", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		if list, ok := body["body"].([]any); ok {
			slices.Reverse(list)
		}
	}))},
	{"the audit trail is for every member", "ACCESS-listAudit", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == 403 {
			a.Code = 200
		}
	}))},
	{"mailed codes may be guessed without limit", "AUTH-CODE-03", on("POST", `/auth/(verify-email|reset-password)`, patientCodes)},
	{"a password is the account's because it was registered", "AUTH-REGISTER-06", on("POST", `/auth/(register|verify-email)`, passwordsOfAnybody)},
	{"the code of a registration resets a password", "AUTH-CODE-04", on("POST", `/auth/reset-password`, codesForAnything)},
	{"who was never verified gets no code for a new password", "AUTH-CODE-03", everywhere(unverified(func(path string, r *http.Request) {
		email, _ := objectOf(r)["email"].(string)
		sound := int64(len(email)+len(`{"email":""}`)) == r.ContentLength && strings.Contains(email, "@")
		if path == "/auth/forgot-password" && sound {
			replace(r, object{"email": "nobody@example.com"})
		}
	}, nil))},
	{"a new password verifies no address", "AUTH-PASSWORD-02", everywhere(unverified(nil, func(path string, body object) {
		if path == "/auth/reset-password" {
			body.at("body").at("account")["verified"] = false
		}
	}))},
	{"an update leaves the time of the last one", "CHANNELS-UPDATE-01", on("PUT", `/(channels|roles)/\w+`, answer(func(a *httptest.ResponseRecorder, body object) {
		if thing := body.at("body"); a.Code == http.StatusOK {
			thing["updatedAt"] = thing["createdAt"]
		}
	}))},
	{"a session token is taken for an API key", "CREDENTIAL-getMe", everywhere(tokensAsKeys)},
	{"administrators delete servers", "ROLE-deleteServer", everywhere(deletingAdministrators)},
	{"channel managers create roles", "ROLE-createRole", everywhere(rolesByChannelManagers)},
	{"the audit trail knows only of half of the changes", "AUDIT-updateChannel", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		left := regexp.MustCompile(`^((role|badge)\.remove|(role|badge|key)\.delete|(channel|badge|key)\.update)$`)
		list, _ := body["body"].([]any)
		total, _ := body.at("meta")["total"].(float64)
		shown := slices.DeleteFunc(slices.Clone(list), func(e any) bool {
			entry, _ := e.(map[string]any)
			return left.MatchString(fmt.Sprint(entry["action"]))
		})
		if a.Code == http.StatusOK {
			body["body"], body.at("meta")["total"] = shown, total-float64(len(list)-len(shown))
		}
	}))},
	{"the audit trail does not show who was given what", "AUDIT-LIST-05", on("GET", `/servers/\w+/audit`, answer(func(a *httptest.ResponseRecorder, body object) {
		for _, entry := range body.list("body") {
			if regexp.MustCompile(`^(role|badge)\.(add|remove|award)$`).MatchString(fmt.Sprint(entry["action"])) {
				entry["before"], entry["after"] = object{}, object{}
			}
		}
	}))},
	{"the audit trail shows what a direct channel is about", "AUDIT-LIST-06", everywhere(talkativeTrail())},
	{"an idempotency key is shared by all operations", "COMMON-REPEAT-01", everywhere(sharedKeys)},
	{"an idempotency key is another one at the other path", "COMMON-REPEAT-02", everywhere(request(func(r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key != "" && len(key) < 200 && (strings.HasPrefix(r.URL.Path, "/api/v1/") || strings.HasPrefix(r.URL.Path, "/v1/")) {
			r.Header.Set("Idempotency-Key", "v1-"+key)
		}
	}))},
	{"an update of a role may name any server", "ROLES-SERVER-02", on("PUT", `/roles/\w+`, request(withoutServer))},
	{"an update of a badge may name any server", "BADGES-SERVER-02", on("PUT", `/badges/[\w-]+`, request(withoutServer))},
	{"a role or member that a channel cannot give access to is not found", "CHANNELS-ADMITS-01", on("POST PUT", `/channels(/\w+)?`, answer(func(a *httptest.ResponseRecorder, body object) {
		problem := body.at("body")
		for _, field := range problem.list("fields") {
			if regexp.MustCompile(`^/(permissions|members)/\d+$`).MatchString(fmt.Sprint(field["pointer"])) && field["code"] == "not_allowed" {
				a.Code, problem["code"], problem["fields"] = 404, "not_found", []any{}
			}
		}
	}))},
	{"an API key makes administrators", "ROLES-KEY-02", everywhere(mightyKeys)},
	{"who left a server and comes back has access as before", "CHANNELS-LEAVE-01", everywhere(stillAdmitted)},
	{"who made a key sees the private channels that the key made", "CHANNELS-KEY-02", everywhere(transparentKeys)},
	{"members see each other's addresses", "USERS-LIST-01", on("GET", `/apis/v1/communities/\w+/users`, answer(func(_ *httptest.ResponseRecorder, body object) {
		for _, user := range body.list("data") {
			user["email"] = "somebody@example.com"
		}
	}))},
	{"a search knows upper and lower case apart", "USERS-LIST-02", on("GET", `/apis/v1/communities/\w+/users`, exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		rewrite(a, func(body object) {
			list, _ := body["data"].([]any)
			body["data"] = slices.DeleteFunc(list, func(user any) bool {
				name, _ := user.(map[string]any)["displayName"].(string)
				return !strings.HasPrefix(name, r.URL.Query().Get("search"))
			})
		})
	}))},
	{"of a filter, one part counts", "USERS-FILTER-01", on("POST", `/apis/v1/users/filter`, request(func(r *http.Request) {
		body := objectOf(r)
		for name := range body.at("filter") {
			if len(body.at("filter")) > 1 {
				delete(body.at("filter"), name)
			}
		}
		replace(r, body)
	}))},
	{"nothing was earned today", "USERS-INFO-02", on("POST", `/apis/v1/users/info`, answer(func(_ *httptest.ResponseRecorder, body object) {
		body.at("data")["xpEarnedToday"] = 0
	}))},
	{"an access level that nobody has set gives nothing", "USERS-CREATE-05", on("POST", `/apis/v1/users`, request(func(r *http.Request) {
		if body := objectOf(r); body["accessLevel"] == 2.0 {
			delete(body, "accessLevel")
			replace(r, body)
		}
	}))},
	{"who was deleted joins again", "USERS-MANAGE-02", everywhere(forgetfulDeletion())},
	{"a search finds everything", "MESSAGES-SEARCH-01", on("GET", `/apis/v1/messages`, request(func(r *http.Request) {
		q := r.URL.Query()
		q.Del("search")
		r.URL.RawQuery = q.Encode()
	}))},
	{"members see the addresses of authors", "MESSAGES-EMAIL-01", on("GET", `/apis/v1/messages`, answer(func(_ *httptest.ResponseRecorder, body object) {
		for _, message := range body.at("data").list("messages") {
			message.at("user")["email"] = "somebody@example.com"
		}
	}))},
	{"a message is made fit for HTML", "MESSAGES-SEND-01", on("POST", `/apis/v1/messages/send`, request(func(r *http.Request) {
		body := objectOf(r)
		if text, is := body["message"].(string); is {
			body["message"] = strings.ReplaceAll(text, "<", "&lt;")
		}
		replace(r, body)
	}))},
	{"anybody rewrites what others have said", "MESSAGES-EDIT-01", on("PUT", `/apis/v1/messages/\w+`, forgiven(403, object{"message": "Message updated successfully"}))},
	{"what is deleted of others leaves no trace", "AUDIT-deleteMessage", on("GET", `/servers/\w+/audit`, answer(func(_ *httptest.ResponseRecorder, body object) {
		list, _ := body["body"].([]any)
		body["body"] = slices.DeleteFunc(list, func(entry any) bool {
			of, _ := entry.(map[string]any)
			return of["action"] == "message.delete"
		})
	}))},
	{"a message does not say that an API key has sent it", "MESSAGES-BYKEY-01", on("GET", `/apis/v1/messages/\w+`, answer(func(_ *httptest.ResponseRecorder, body object) {
		if data, is := body["data"].(map[string]any); is {
			data["by_key"] = nil
		}
	}))},
	{"an API key deletes an administrator", "USERS-MANAGE-04", on("POST", `/apis/v1/users/manage`, forgiven(403, object{"message": "User has been deleted successfully"}))},
	{"whoever reacts twice counts twice", "MESSAGES-REACT-01", on("GET", `/apis/v1/messages`, answer(func(_ *httptest.ResponseRecorder, body object) {
		for _, message := range body.at("data").list("messages") {
			for _, reaction := range message.list("reactions") {
				if n, _ := reaction["count"].(float64); n > 1 {
					reaction["count"] = n + 1
				}
			}
		}
	}))},
	{"a page by cursor begins with the last message of the one before", "MESSAGES-PAGES-01", on("GET", `/apis/v1/messages`, exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		rewrite(a, func(body object) {
			if list, _ := body.at("data")["messages"].([]any); r.URL.Query().Has("cursor") && len(list) > 0 {
				body.at("data")["messages"] = append([]any{list[0]}, list...)
			}
		})
	}))},
	{"null does not take the end of a user API key away", "KEYS-USERUPDATE-01", on("PUT", `/apis/v1/users/\w+/api-keys/\w+`, request(func(r *http.Request) {
		replaceBody(r, `"expireDate":null`, `"expireDate":""`)
	}))},
	{"administrators do not see the user API keys of members", "KEYS-USEROTHERS-01", on("GET", `/apis/v1/users/\w+/api-keys`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == http.StatusOK {
			body["data"] = []any{}
		}
	}))},
	{"a topic is of whoever has made the API key", "MESSAGES-FORUM-02", on("POST", `/channels/\w+/topics`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == http.StatusCreated {
			body.at("body")["userId"] = "9"
		}
	}))},
	{"an image is known by its id, wherever it is said to be", "MESSAGES-IMAGES-01", on("POST", `/apis/v1/messages/send`, request(func(r *http.Request) {
		replaceBody(r, "https://elsewhere.example", "http://"+r.Host)
	}))},
	{"an image that was uploaded loses its name", "MESSAGES-IMAGES-01", on("POST", `/apis/v1/messages/upload-image`, raw(func(a *httptest.ResponseRecorder) {
		replaceAnswer(a, regexp.MustCompile(`"name":"[^"]*"`), `"name":"image"`)
	}))},
	{"links need no permission", "MESSAGES-ROLES-01", on("POST", `/apis/v1/messages/send`, request(func(r *http.Request) {
		replaceBody(r, "HTTP://example.com", "example")
	}))},
	{"no value was ever another one before", "FIELDS-HISTORY-01", on("GET", `/apis/v1/communities/\w+/user-fields/\w+/histories`, answer(func(_ *httptest.ResponseRecorder, body object) {
		for _, line := range body.list("data") {
			delete(line, "previous")
		}
	}))},
	{"two users may have one value in the field that identifies them", "FIELDS-IDENTIFIER-01", on("PUT", `/apis/v1/communities/\w+/user-fields/\w+`, exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		rewrite(a, func(body object) {
			if a.Code == http.StatusOK {
				body.at("data")["isIdentifier"] = false
			}
		})
	}))},
	{"members see what others have in fields", "FIELDS-MEMBER-01", on("GET", `/apis/v1/communities/\w+/users/\w+`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == http.StatusOK && len(body.at("data").at("customFields")) == 0 {
			body.at("data")["customFields"] = object{"level": "Gold"}
		}
	}))},
	{"a range of numbers is compared as text", "FIELDS-FILTER-01", on("POST", `/apis/v1/users/filter`, request(func(r *http.Request) {
		body := objectOf(r)
		if amount, is := body.at("filter")["amount"].(map[string]any); is && amount["lte"] != nil {
			amount["lte"] = 4.0
		}
		replace(r, body)
	}))},
	{"the days of a member come in the other order", "GAMIFICATION-EARN-01", on("GET", `/apis/v1/users/activity/daily`, answer(func(_ *httptest.ResponseRecorder, body object) {
		if days, is := body.at("data")["daily_stats"].([]any); is {
			slices.Reverse(days)
		}
	}))},
	{"a reply is no message", "GAMIFICATION-EARN-01", on("POST", `/apis/v1/users/activity/stats`, answer(func(_ *httptest.ResponseRecorder, body object) {
		totals := body.at("data").at("totals")
		if messages, is := totals["messages"].(float64); is {
			totals["messages"] = messages - totals["replies"].(float64)
		}
	}))},
	{"what a deleted message has taken back is not in the ledger", "GAMIFICATION-DELETE-01", on("POST", `/apis/v1/users/activity/logs`, answer(func(_ *httptest.ResponseRecorder, body object) {
		data := body.at("data")
		if lines, is := data["logs"].([]any); is {
			data["logs"] = slices.DeleteFunc(lines, func(line any) bool { l, _ := line.(map[string]any); return l["action"] == "deleted" })
		}
	}))},
	{"every step of a milestone is reached at once", "GAMIFICATION-MILESTONE-02", on("POST", `/apis/v1/users/milestones`, answer(func(_ *httptest.ResponseRecorder, body object) {
		for _, milestone := range body.list("data") {
			for _, step := range object(milestone).list("steps") {
				if step["reachedAt"] == nil {
					step["reached"], step["reachedAt"] = true, "2026-03-01T16:50:17.610Z"
				}
			}
		}
	}))},
	{"members see streaks in no order", "STREAKS-LIST-01", on("GET", `/apis/v1/streaks`, answer(func(_ *httptest.ResponseRecorder, body object) {
		if streaks, is := body["data"].([]any); is {
			slices.Reverse(streaks)
		}
	}))},
	{"a streak that is gone has never been reached", "STREAKS-REACH-01", on("POST", `/apis/v1/users/streaks/logs`, answer(func(_ *httptest.ResponseRecorder, body object) {
		if body.at("data")["logs"] != nil {
			body.at("data")["logs"] = []any{}
		}
	}))},
	{"who comes after equal values has the next rank", "LEADERBOARDS-ENTRIES-01", on("GET", `/apis/v1/leaderboards/\w+/entries`, answer(func(_ *httptest.ResponseRecorder, body object) {
		last, rank := -1.0, 0.0
		for _, entry := range body.list("data") {
			if value, is := entry["value"].(float64); is && value != last {
				last, rank = value, rank+1
			}
			if entry["rank"] != nil {
				entry["rank"] = rank
			}
		}
	}))},
	{"leaderboards stand in the other order", "LEADERBOARDS-LIST-01", on("GET", `/apis/v1/leaderboards`, answer(func(_ *httptest.ResponseRecorder, body object) {
		if boards, is := body["data"].([]any); is {
			slices.Reverse(boards)
		}
	}))},
	{"who has left keeps their name in what they have said", "AUTH-DELETE-01", on("GET", `/apis/v1/messages/\w+`, answer(func(_ *httptest.ResponseRecorder, body object) {
		if author := body.at("data").at("user"); author["display_name"] == "deleted user" {
			author["display_name"] = "Vera"
		}
	}))},
	{"whoever owns a server is deleted all the same", "AUTH-DELETE-01", on("DELETE", `/auth/me`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == http.StatusConflict {
			const done = "Account has been deleted successfully"
			a.Code, body["meta"], body["body"] = http.StatusOK, object{"success": true, "message": done, "devMessage": done}, object{}
		}
	}))},
	{"an export leaves out what was said", "AUTH-EXPORT-01", on("GET", `/auth/me/export`, answer(func(a *httptest.ResponseRecorder, body object) {
		if a.Code == http.StatusOK {
			body.at("body")["messages"] = []any{}
		}
	}))},
	{"the page of a channel believes nobody", "CHANNELS-IFRAME-01", on("GET", `/channels/\w+/embed`, answer(func(_ *httptest.ResponseRecorder, body object) {
		if address, is := body.at("body")["url"].(string); is {
			body.at("body")["url"] = strings.Replace(address, "ts=", "ts=1", 1)
		}
	}))},
	{"an incoming webhook takes what is not encrypted", "WEBHOOKS-DECIPHER-01", on("POST", `/webhooks/in/\w+`, exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
		if a.Code == http.StatusBadRequest && r.Header.Get("X-Encrypted") == "" && strings.Contains(a.Body.String(), "header/x-encrypted") {
			a.Code = http.StatusOK
			rewrite(a, func(body object) {
				clear(body)
				body["status"], body["message"] = "success", "Webhook received successfully"
				body["data"] = object{"callId": strings.Repeat("0", 24), "kind": "currency", "messageId": nil}
			})
		}
	}))},
	{"a login works as often as one likes", "AUTH-SECURE-01", func(good http.Handler) http.Handler {
		var first sync.Map
		return on("GET", `/v2/app/loginApi/\w+/2`, exchange(func(r *http.Request, a *httptest.ResponseRecorder) {
			if a.Code == http.StatusSeeOther {
				first.Store(r.URL.RawQuery, a.Header().Clone())
			} else if before, is := first.Load(r.URL.RawQuery); is {
				a.Code = http.StatusSeeOther
				maps.Copy(a.Header(), before.(http.Header))
			}
		}))(good)
	}},
	{"a login is ended by whoever looks at it before", "AUTH-SECURE-02", on("GET HEAD", `/v2/app/loginApi/\w+/2`, request(func(r *http.Request) {
		r.Method = http.MethodGet
		r.Header.Del("Sec-Purpose")
	}))},
	{"an incoming webhook does the same again under the same webhook-id", "WEBHOOKS-ONCE-01", on("POST", `/webhooks/in/\w+`, request(func(r *http.Request) {
		r.Header.Del("Webhook-Id")
	}))},
}

// forgiven says of what was refused that it was done.
func forgiven(code int, body object) mutation {
	return answer(func(a *httptest.ResponseRecorder, refused object) {
		if a.Code == code {
			a.Code = http.StatusOK
			clear(refused)
			refused["status"] = "success"
			for name, value := range body {
				refused[name] = value
			}
		}
	})
}

// forgetfulDeletion says of whoever joins after having been deleted that they have.
func forgetfulDeletion() mutation {
	return on("POST", `/servers/\w+/join`, exchange(func(_ *http.Request, a *httptest.ResponseRecorder) {
		if a.Code == http.StatusForbidden {
			a.Code = http.StatusOK
			rewrite(a, func(body object) {
				body["meta"] = object{"success": true, "message": "Server has been joined successfully", "devMessage": "Server has been joined successfully"}
			})
		}
	}))
}
