package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// clubhouse is a backend with one server. A role permission decides in it who makes channels, and @all has some.
type clubhouse struct {
	decides, everyone string // permissions
	joined            bool
	roles             []gen.Role // @all is the first
	given             []string   // the ids of those that b has
}

func (h *clubhouse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const id = "66a282dab13eee0013cbb4d8"
	words := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	role := slices.IndexFunc(h.roles, func(role gen.Role) bool { return len(words) > 1 && role.ID == words[1] })
	status, body := http.StatusOK, any(h.roles)
	switch r.Method + " " + words[0] + "/" + words[len(words)-1] {
	case "POST servers/servers":
		*h = clubhouse{decides: h.decides, everyone: h.everyone}
		_ = json.Unmarshal(fmt.Appendf(nil, `{"serverPermissions":{%q:true},"channelPermissions":{%[1]q:true}}`, h.everyone), h.add("@all"))
		reply{201, nil, `{` + done + `,"body":{"name":"x","image":null,"owner":{"id":"1"},"_id":"` + id + `","__v":0,"id":"` + id + `"}}`}.ServeHTTP(w, r)
		return
	case "DELETE servers/" + id:
		body = object{}
	case "PATCH servers/settings":
		body = gen.ServerSettings{Joining: gen.JoiningOpen, TimeZone: "UTC", Language: "en", Domains: []string{}}
	case "POST servers/join":
		h.joined, body = true, json.RawMessage(club1)
	case "GET servers/members":
		reply{200, nil, `{"meta":{"success":true,"message":"x","devMessage":"x","page":1,"limit":20,"total":2},"body":[` + member("1") + `,` + member("2") + `]}`}.ServeHTTP(w, r)
		return
	case "POST roles/roles":
		made := h.add("")
		_ = json.NewDecoder(r.Body).Decode(made)
		status, body = http.StatusCreated, made
	case "POST roles/add":
		h.given = append(h.given, words[1])
	case "POST roles/remove":
		h.given = slices.DeleteFunc(h.given, func(id string) bool { return id == words[1] })
	case "POST channels/channels":
		switch {
		case r.Header.Get("Authorization") == "Bearer b" && !h.joined:
			reply{404, nil, systemError("not_found")}.ServeHTTP(w, r)
			return
		case r.Header.Get("Authorization") == "Bearer b" && !h.may():
			reply{403, nil, systemError("permission_denied")}.ServeHTTP(w, r)
			return
		}
		body = gen.Channel{Topic: "x", Permissions: []string{}, UserID: "1", ServerID: id, ChannelType: "open", ID: id, CreatedAt: now(), UpdatedAt: now()}
	default:
		if r.Method == http.MethodPut && role >= 0 {
			h.roles[role].ServerPermissions, h.roles[role].ChannelPermissions = gen.ServerPermissions{}, gen.ChannelPermissions{}
			_ = json.NewDecoder(r.Body).Decode(&h.roles[role])
			body = h.roles[role]
		}
	}
	text, _ := json.Marshal(body)
	reply{status, nil, `{` + done + `,"body":` + string(text) + `}`}.ServeHTTP(w, r)
}

func now() gen.Time { return gen.Time{Time: time.Now()} }

func member(number string) string {
	return `{"id":"` + number + `","_id":"66a282dab13eee0013cbb4d1","username":null,"displayName":"Vera","avatar":null,"roles":["@all"],` +
		`"joinedAt":"2026-03-01T16:50:17.600Z"}`
}

func (h *clubhouse) add(title string) *gen.Role {
	id := fmt.Sprintf("66a282dab13eee0013cb%04d", len(h.roles))
	h.roles = append(h.roles, gen.Role{ID: id, Title: title, Order: 10000, Class: "gray", ServerID: "66a282dab13eee0013cbb4d8", CreatedAt: now(), UpdatedAt: now()})
	return &h.roles[len(h.roles)-1]
}

// may tells whether b makes channels.
func (h *clubhouse) may() bool {
	return slices.ContainsFunc(h.roles, func(role gen.Role) bool {
		text, _ := json.Marshal(role)
		set := func(flag string) bool { return strings.Contains(string(text), fmt.Sprintf("%q:true", flag)) }
		return (role.Title == "@all" || slices.Contains(h.given, role.ID)) && (set(h.decides) || set(administrator))
	})
}

func TestAnyRolePermissionOfTheContractCanBeTheOneThatDecides(t *testing.T) {
	for _, test := range []struct {
		named, decides, everyone string // the contract names one, and the backend goes by another
		fails                    string
	}{
		{"manage_channels", "manage_channels", "", ""},
		{"create_invite", "create_invite", "create_invite", ""},
		{"post_messages", "post_messages", "post_messages", ""},
		{"delete_messages", "delete_messages", "", ""},
		{"manage_channels", "delete_messages", "", "ROLE-createChannel"},
		{"post_messages", "create_invite", "post_messages", "ROLE-createChannel"},
		{"delete_messages", "post_messages", "post_messages", "ACCESS-createChannel ROLE-createChannel"},
	} {
		t.Run(test.named+" and "+test.decides, func(t *testing.T) {
			changed, err := readContract()
			if err != nil {
				t.Fatal(err)
			}
			changed.operations.ByID("createChannel").Role = test.named
			requirements := slices.DeleteFunc(changed.derived("channels"), func(r requirement) bool {
				return r.ID != "ACCESS-createChannel" && r.ID != "ROLE-createChannel"
			})
			backend := httptest.NewServer(&clubhouse{decides: test.decides, everyone: test.everyone})
			defer backend.Close()
			run, err := runOf(Target{URL: backend.URL, A: "a", B: "b", Options: Options{Parallel: 1}}, requirements)
			if err != nil {
				t.Fatal(err)
			}
			run.suite.contract = changed
			report, err := run.verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, r := range report.Results {
				if r.Outcome != Pass {
					failed = append(failed, r.ID)
				}
				if test.fails == "" {
					for _, text := range texts(r) {
						t.Error(text)
					}
				}
			}
			if got := strings.Join(failed, " "); len(report.Results) != 2 || got != test.fails {
				t.Errorf("%q fail, want %q", got, test.fails)
			}
		})
	}
}
