package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
)

// The security matrix: every operation of the contract, called in a valid way by everybody who may not. It is derived
// from the contract, so a new operation is in it without anyone remembering.
func TestEveryOperationRefusesEverybodyWhoMayNot(t *testing.T) {
	doc, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		calls := 0
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				o := operationUnderTest{method: method, path: path, item: item, Operation: op}
				w := newWorld(t, s)
				for _, c := range w.cases(t, o) {
					answer := send(s.Handler(), w.request(t, o, c.header))
					calls++
					if !slices.Contains(c.want, answer.Code) && !(c.may && answer.Code < 300) {
						t.Errorf("%s %s (%s) by %s: got %d, want %v: %s", method, path, op.OperationID, c.who, answer.Code, c.want, answer.Body)
					}
					if c.mayNotSee != "" && strings.Contains(answer.Body.String(), c.mayNotSee) {
						t.Errorf("%s by %s: the answer shows something of a foreign server: %s", op.OperationID, c.who, answer.Body)
					}
				}
			}
		}
		t.Logf("%d calls", calls)
	})
}

type operationUnderTest struct {
	method, path string
	item         *openapi3.PathItem
	*openapi3.Operation
}

func (o operationUnderTest) admits(scheme string) bool {
	for _, requirement := range *o.Security {
		if _, ok := requirement[scheme]; ok {
			return true
		}
	}
	return false
}

func (o operationUnderTest) extension(name string) string {
	text, _ := o.Extensions[name].(string)
	return text
}

// parameters are those of the path and of the operation, which replace them.
func (o operationUnderTest) parameters() map[string]*openapi3.Parameter {
	all := map[string]*openapi3.Parameter{}
	for _, list := range []openapi3.Parameters{o.item.Parameters, o.Parameters} {
		for _, p := range list {
			all[p.Value.Name] = p.Value
		}
	}
	return all
}

// A world is a server with one of everything in it, a plain member and a stranger, and a foreign server with a key.
type world struct {
	owner, member, stranger         string // session tokens
	expired, ended                  string
	server                          string
	ids                             map[string]string // by path parameter
	role, memberNumber              string
	keys                            map[gen.KeyPermission]string
	foreignKey, idleKey, deletedKey string
	foreignServer                   string
}

var worlds atomic.Int64

func newWorld(t *testing.T, s *Server) *world {
	t.Helper()
	number := worlds.Add(1)
	h := s.Handler()
	person := func(name string) string { return tokenOf(t, s, fmt.Sprintf("%s-%d@example.com", name, number)) }
	w := &world{owner: person("owner"), member: person("member"), stranger: person("stranger"), keys: map[gen.KeyPermission]string{}}

	past := time.Now().Add(-2 * sessionLife)
	s.now = func() time.Time { return past }
	w.expired = person("owner")
	s.now = time.Now
	w.ended = person("owner")
	do[gen.EmptyResponse](t, h, "POST", "/auth/logout", w.ended, nil)

	w.server = createServer(t, h, w.owner, "Chess club")
	w.foreignServer = createServer(t, h, w.stranger, "Go club")
	do[gen.ServerResponse](t, h, "POST", "/servers/"+w.server+"/join", w.member, nil)
	w.memberNumber = do[gen.AccountResponse](t, h, "GET", "/auth/me", w.member, nil).Body.Number

	w.role = do[gen.RoleResponse](t, h, "POST", "/roles", w.owner,
		map[string]any{"title": "moderators", "class": "blue", "order": 10, "billable": false, "serverId": w.server}).Body.ID
	channel := do[gen.ChannelResponse](t, h, "POST", "/channels", w.owner,
		map[string]any{"topic": "openings", "channelType": "open", "serverId": w.server}).Body.ID
	badge := do[gen.BadgeResponse](t, h, "POST", "/badges", w.owner,
		map[string]any{"title": "Chatterbox", "action": "custom", "serverId": w.server}).Body.ID
	keyWith := func(token, server string, permissions []gen.KeyPermission) gen.APIKey {
		return do[gen.APIKeyResponse](t, h, "POST", "/apis/v1/communities/"+server+"/api-keys", token,
			map[string]any{"name": "shop", "permissions": permissions}).Data
	}
	all := []gen.KeyPermission{gen.KeyPermissionChannels, gen.KeyPermissionRoles, gen.KeyPermissionBadges, gen.KeyPermissionUserFields}
	for _, lacking := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(p gen.KeyPermission) bool { return p == lacking })
		w.keys[lacking] = keyWith(w.owner, w.server, others).Key
	}
	w.foreignKey = keyWith(w.stranger, w.foreignServer, all).Key
	keys := "/apis/v1/communities/" + w.server + "/api-keys/"
	idle := keyWith(w.owner, w.server, all)
	w.idleKey = idle.Key
	do[gen.APIKeyResponse](t, h, "PUT", keys+idle.ID, w.owner, map[string]any{"isActive": false})
	deleted := keyWith(w.owner, w.server, all)
	w.deletedKey = deleted.Key
	do[gen.APIKeyResponse](t, h, "DELETE", keys+deleted.ID, w.owner, nil)

	w.ids = map[string]string{
		"serverId": w.server, "communityId": w.server, "channelId": channel, "badgeId": badge, "apiKeyId": idle.ID,
		"userId": w.memberNumber, "imageId": "66a282dab13eee0013cbb4d8",
	}
	return w
}

// do sends a request that must succeed, with a body if there is one.
func do[T any](t testing.TB, h http.Handler, method, target, token string, body any) (answer T) {
	t.Helper()
	r := request(method, target, token)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r = httptest.NewRequest(method, target, bytes.NewReader(text))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
	}
	w := send(h, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code >= 300 {
		t.Fatalf("%s %s answered %d: %s (%v)", method, target, w.Code, w.Body, err)
	}
	return answer
}

// request is a valid request for an operation: its example, about the things of this world.
func (w *world) request(t *testing.T, o operationUnderTest, header http.Header) *http.Request {
	t.Helper()
	path, query := o.path, ""
	for name, p := range o.parameters() {
		value, ok := w.ids[name]
		if name == "id" { // a user for some operations of this path and a role for others
			value, ok = w.role, true
			if p.Schema.Value.Format == "" {
				value = w.memberNumber
			}
		}
		switch {
		case p.In == openapi3.ParameterInPath && !ok:
			t.Fatalf("%s: this world has no %s", o.OperationID, name)
		case p.In == openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+name+"}", value)
		case name == "serverId":
			query = "?serverId=" + w.server
		}
	}
	var body bytes.Buffer
	contentType := ""
	if o.RequestBody != nil {
		content := o.RequestBody.Value.Content
		if media := content["multipart/form-data"]; media != nil {
			form := multipart.NewWriter(&body)
			for name, value := range media.Example.(map[string]any) {
				form.WriteField(name, fmt.Sprint(value))
			}
			form.Close()
			contentType = form.FormDataContentType()
		} else {
			media := content["application/json"]
			example := maps.Clone(media.Example.(map[string]any))
			for _, name := range []string{"serverId", "userId"} {
				if media.Schema.Value.Properties[name] != nil {
					example[name] = w.ids[name]
				}
			}
			if err := json.NewEncoder(&body).Encode(example); err != nil {
				t.Fatal(err)
			}
			contentType = "application/json"
		}
	}
	r := httptest.NewRequest(o.method, path+query, &body)
	maps.Copy(r.Header, header)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// A securityCase is somebody who calls, and what they must get.
type securityCase struct {
	who       string
	header    http.Header
	want      []int
	may       bool // any success is right too
	mayNotSee string
}

func bearer(credential string) http.Header {
	return http.Header{"Authorization": {"Bearer " + credential}}
}

func apiKey(credential string) http.Header { return http.Header{"X-Api-Key": {credential}} }

func (w *world) cases(t *testing.T, o operationUnderTest) []securityCase {
	if len(*o.Security) == 0 {
		// Nobody is asked who they are, so a credential changes nothing. The request itself may be refused.
		ok := []int{400, 401, 403, 404, 409, 429}
		return []securityCase{
			{who: "nobody", want: ok, may: true},
			{who: "an account", header: bearer(w.owner), want: ok, may: true},
			{who: "a malformed credential", header: bearer("nonsense"), want: ok, may: true},
		}
	}
	unknown := strings.Repeat("ab", 32)
	cases := []securityCase{
		{who: "nobody", want: []int{401}},
		{who: "a malformed credential", header: bearer("nonsense"), want: []int{401}},
		{who: "a credential in upper case", header: bearer(strings.ToUpper(unknown)), want: []int{401}},
		{who: "basic authentication", header: http.Header{"Authorization": {"Basic " + w.owner}}, want: []int{401}},
		{who: "an unknown credential", header: bearer(unknown), want: []int{401}},
		{who: "an unknown key", header: apiKey(unknown), want: []int{401}},
		{who: "an expired session", header: bearer(w.expired), want: []int{401}},
		{who: "an ended session", header: bearer(w.ended), want: []int{401}},
		{who: "a session in the header for keys", header: apiKey(w.owner), want: []int{401}},
		{who: "two credentials", header: http.Header{"Authorization": {"Bearer " + w.owner}, "X-Api-Key": {w.foreignKey}}, want: []int{401}},
		{who: "a key that is not active", header: bearer(w.idleKey), want: []int{401}},
		{who: "a deleted key", header: bearer(w.deletedKey), want: []int{401}},
		{who: "a deleted key in its own header", header: apiKey(w.deletedKey), want: []int{401}},
	}

	required := o.extension("x-required-role")
	about := strings.Contains(o.path, "{") || o.parameters()["serverId"] != nil || takesServer(o)
	if o.admits(contract.SessionAuth) && about && required == "" {
		t.Errorf("%s is about a server and does not say its x-required-role", o.OperationID)
	}
	// Those who may come last and the least powerful first, because what they do may end what the others need.
	switch {
	case !o.admits(contract.SessionAuth):
		cases = append(cases, securityCase{who: "an account", header: bearer(w.owner), want: []int{403}})
	case required == "", required == "anyone":
		cases = append(cases, securityCase{who: "a stranger", header: bearer(w.stranger), may: true, mayNotSee: mustNotSee(required, w.server)})
	default:
		cases = append(cases, securityCase{who: "a stranger", header: bearer(w.stranger), want: []int{404}})
		member := securityCase{who: "a plain member", header: bearer(w.member), want: []int{403}}
		if required == "member" {
			member = securityCase{who: "a plain member", header: bearer(w.member), may: true}
		}
		cases = append(cases, member)
	}
	for _, scheme := range []struct {
		name   string
		header func(string) http.Header
	}{{contract.KeyAuth, bearer}, {contract.APIKeyAuth, apiKey}} {
		needs := gen.KeyPermission(o.extension("x-required-permission"))
		lacking, foreign := securityCase{want: []int{403}}, securityCase{want: []int{403}}
		lacking.who, foreign.who = "a key without the permission, by "+scheme.name, "a key of another server, by "+scheme.name
		lacking.header, foreign.header = scheme.header(w.keys[gen.KeyPermissionUserFields]), scheme.header(w.foreignKey)
		if o.admits(scheme.name) {
			foreign.want = []int{404}
			if !about {
				foreign = securityCase{who: foreign.who, header: foreign.header, may: true, mayNotSee: w.server}
			}
			if needs == api.AnyPermission {
				lacking.may = true
			} else if key, ok := w.keys[needs]; ok {
				lacking.header = scheme.header(key)
			} else {
				t.Fatalf("%s: this world has no key that lacks %q", o.OperationID, needs)
			}
		}
		cases = append(cases, lacking, foreign)
	}
	return cases
}

// mustNotSee is the id of the server for operations that are about no server.
func mustNotSee(required, server string) string {
	if required == "anyone" {
		return ""
	}
	return server
}

func takesServer(o operationUnderTest) bool {
	if o.RequestBody == nil {
		return false
	}
	media := o.RequestBody.Value.Content["application/json"]
	return media != nil && media.Schema.Value.Properties["serverId"] != nil
}
