package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/browser"
	"github.com/rejoin-dev/rejoin/server/internal/jwt"
	"github.com/rejoin-dev/rejoin/server/internal/widget"
)

// A widgetClub is a community with something of every kind, and a widget for each.
type widgetClub struct {
	*shopClub
	s       *Server
	base    string
	key     string // an API key with which tokens are made
	channel string
	mug     string
	widgets map[gen.WidgetKind]gen.Widget
}

// What each kind of page must show of it.
var shownOf = map[gen.WidgetKind]string{
	gen.WidgetKindChannels: "Who plays tonight?", gen.WidgetKindLeaderboard: "Most XP", gen.WidgetKindMilestone: "Talker", gen.WidgetKindSocials: "Follow on YouTube",
	gen.WidgetKindStore: "A voucher for tea", gen.WidgetKindCurrency: "Rich", gen.WidgetKindOverview: "As a table",
}

var pathsOf = map[gen.WidgetKind]string{
	gen.WidgetKindChannels: "/channel-widget/", gen.WidgetKindLeaderboard: "/custom-leaderboards/", gen.WidgetKindMilestone: "/milestone-widget/", gen.WidgetKindSocials: "/social-widget/",
	gen.WidgetKindStore: "/store-widget/", gen.WidgetKindCurrency: "/currency-overview-widget/", gen.WidgetKindOverview: "/overview-widget/",
}

func openWidgets(t *testing.T, config Config, origins ...string) *widgetClub {
	s := unlimited(open(t, config))
	base := listen(t, s)
	w := &widgetClub{shopClub: openShop(t, s, base), s: s, base: base, widgets: map[gen.WidgetKind]gen.Widget{}}
	ctx := t.Context()
	channel := must(w.anna.Channels.Create(ctx, client.ChannelCreate{ServerID: w.id, Topic: "openings", ChannelType: "text"}))
	w.channel = channel.ID
	must(w.anna.Messages.Send(ctx, client.MessageCreate{ChannelID: channel.ID, Message: "Who plays tonight?"}))
	w.mug = must(w.anna.Store.CreateProduct(ctx, client.ProductCreate{ServerID: w.id, Name: "A voucher for tea", Price: new(int32(30)), Vouchers: []string{"TEA-1", "TEA-2"}})).ID
	owner := tokenOf(t, s, "anna@example.com")
	board := do[gen.LeaderboardResponse](t, s.Handler(), "POST", "/apis/v1/leaderboards", owner, map[string]any{"name": "Most XP", "slug": "most", "rankingField": "currencies", "serverId": w.id}).Data.ID
	do[struct{}](t, s.Handler(), "POST", "/apis/v1/milestones", owner, map[string]any{"serverId": w.id, "name": "Talker", "field": "messages", "steps": []any{map[string]any{"value": 5}}})
	do[struct{}](t, s.Handler(), "POST", "/apis/v1/socials", owner, map[string]any{"serverId": w.id, "platform": "youtube", "url": "https://www.youtube.com/@chess", "action": "follow", "xp": 10})
	for kind := range shownOf {
		in := client.WidgetCreate{ServerID: w.id, Kind: kind, Name: "The " + string(kind), AllowedOrigins: origins, Public: kind == gen.WidgetKindSocials}
		switch kind {
		case gen.WidgetKindChannels:
			in.ChannelID = channel.ID
		case gen.WidgetKindLeaderboard:
			in.LeaderboardID, in.Name = board, "Most XP"
		}
		w.widgets[kind] = *must(w.anna.Widgets.Create(ctx, in))
	}
	w.key = must(w.anna.Keys.Create(ctx, w.id, client.APIKeyCreate{Name: "site", Permissions: []client.KeyPermission{gen.KeyPermissionWidgets}})).Key
	return w
}

// token is for a member, by the way of an API key.
func (w *widgetClub) token(name string) string {
	w.Helper()
	return must(w.anna.Widgets.SignIn(w.Context(), w.id, w.key, name+"@example.com")).Token
}

// sees is who sees what a widget of a kind shows.
func sees(kind gen.WidgetKind) string {
	if kind == gen.WidgetKindOverview {
		return "anna"
	}
	return "ben"
}

func (w *widgetClub) path(kind gen.WidgetKind) string { return pathsOf[kind] + w.widgets[kind].ID }

// page is what the server answers to a path.
func (w *widgetClub) page(path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return send(w.s.Handler(), r)
}

func TestEachKindOfWidgetShowsItselfToWhoItsTokenNames(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		w := openWidgets(t, config, "https://shop.example")
		for kind, text := range shownOf {
			page := w.page(w.path(kind), w.token(sees(kind)))
			if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), text) || strings.Contains(page.Body.String(), "data-state") {
				t.Errorf("%s: got %d: %s", kind, page.Code, page.Body)
			}
			if again := w.page("/widget-page/"+w.widgets[kind].ID+"?part=1&token="+w.token(sees(kind)), ""); !strings.HasPrefix(again.Body.String(), "<main ") || !strings.Contains(again.Body.String(), text) {
				t.Errorf("%s: its part is %s", kind, again.Body)
			}
		}
		store := w.path(gen.WidgetKindStore)
		for query, text := range map[string]string{"?product=" + w.mug: "Buy for", "?view=orders": "You have not bought anything yet", "?page=7": "Nothing is sold here yet", "?category=none&page=x": "A voucher for tea"} {
			if page := w.page(store+query, w.token("ben")); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), text) {
				t.Errorf("%s: got %d: %s", query, page.Code, page.Body)
			}
		}
	})
}

func TestAPageShowsNothingToWhomItDoesNotKnow(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		w := openWidgets(t, config)
		others, err := w.s.newWidgetToken(t.Context(), jwt.Pass{Subject: w.number, Community: strings.Repeat("0", 24)}, widgetTokenLife)
		if err != nil {
			t.Fatal(err)
		}
		store := w.widgets[gen.WidgetKindStore]
		only := must(w.anna.Widgets.CreateAccessKey(t.Context(), client.WidgetAccessKeyCreate{ServerID: w.id, Name: "site"}))
		forChannel := must(w.anna.Widgets.Token(t.Context(), client.WidgetTokenQuestion{
			AccessID: only.AccessID, AccessKey: only.AccessKey, WidgetID: w.widgets[gen.WidgetKindChannels].ID, UserIdentifiers: map[string]string{"data-email": "ben@example.com"},
		})).EmbedToken
		for what, token := range map[string]string{"nobody": "", "a session": tokenOf(t, w.s, "ben@example.com"), "no token": "a.b.c", "a token of another community": others, "a token of another widget": forChannel} {
			page := w.page(w.path(gen.WidgetKindStore), token)
			if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), `data-state="waiting"`) || strings.Contains(page.Body.String(), "tea") {
				t.Errorf("%s: got %d: %s", what, page.Code, page.Body)
			}
			part, want := w.page(w.path(gen.WidgetKindStore)+"?part=1", token), http.StatusUnauthorized
			if token == "" {
				want = http.StatusOK
			}
			if part.Code != want {
				t.Errorf("%s: the part is answered %d, want %d", what, part.Code, want)
			}
		}
		if page := w.page(w.path(gen.WidgetKindSocials), ""); !strings.Contains(page.Body.String(), "Follow on YouTube") {
			t.Errorf("what is public: got %d: %s", page.Code, page.Body)
		}
		if page := w.page(w.path(gen.WidgetKindOverview), w.token("ben")); page.Code != http.StatusForbidden || !strings.Contains(page.Body.String(), `data-state="refused"`) {
			t.Errorf("the overview for a member: got %d: %s", page.Code, page.Body)
		}
		must(w.anna.Widgets.Update(t.Context(), store.ID, client.WidgetUpdate{IsActive: new(false)}))
		for _, path := range []string{w.path(gen.WidgetKindStore), "/store-widget/" + w.id, "/store-widget/x", "/channel-widget/" + w.widgets[gen.WidgetKindSocials].ID, "/custom-leaderboards/" + w.id + "/none"} {
			if page := w.page(path, w.token("ben")); page.Code != http.StatusNotFound || !strings.Contains(page.Body.String(), `data-state="missing"`) {
				t.Errorf("%s: got %d: %s", path, page.Code, page.Body)
			}
		}
	})
}

func TestWhatIsNoTextIsRefusedAtEveryDoor(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		w := openWidgets(t, config)
		for _, no := range []string{"%00", "%ff", "a%C0%80"} {
			for _, path := range []string{"/custom-leaderboards/" + w.id + "/" + no, "/widget-page/" + no, w.path(gen.WidgetKindStore) + "?product=" + no, w.path(gen.WidgetKindChannels) + "?cursor=" + no} {
				if page := w.page(path, w.token("ben")); page.Code != http.StatusNotFound {
					t.Errorf("%s: got %d, want 404", path, page.Code)
				}
			}
		}
		forged := must(jwt.Sign(jwt.Key{ID: "\x00", Secret: []byte("secret")}, jwt.Pass{Subject: w.number, Community: w.id, Expires: time.Now().Add(time.Minute)}, time.Now()))
		if got := w.page("/apis/v1/stores?serverId="+w.id, forged); got.Code != http.StatusUnauthorized {
			t.Errorf("a token by a key that is no text: got %d %s", got.Code, got.Body)
		}
		pair := must(w.anna.Widgets.CreateAccessKey(t.Context(), client.WidgetAccessKeyCreate{ServerID: w.id, Name: "site"}))
		question := map[string]any{"accessId": pair.AccessID, "accessKey": pair.AccessKey, "userIdentifiers": map[string]any{"data-user-id": "\x00"}}
		if got := send(w.s.Handler(), jsonRequest("/v2/api/widget-access-keys/token", "", question)); got.Code != http.StatusBadRequest {
			t.Errorf("an identifier with NUL: got %d %s", got.Code, got.Body)
		}
		c := newSecureClub(t, w.s)
		key := c.makes(t, "secureAuth", "createUser").Key
		for _, query := range [][]string{{"userId", "\x00"}, {"userId", "vera", "email", "vera@example.com", "displayname", "\xff"}} {
			if got := c.asks(key, "example.com", query...); got.Code != http.StatusBadRequest {
				t.Errorf("Secure Auth for %q: got %d %s", query, got.Code, got.Body)
			}
		}
		i := c.inlet(t, object{"kind": "currency"})
		body := coins(5, "add")
		body["reason"] = "\x00"
		if got := i.calls(body); got.Code != http.StatusBadRequest {
			t.Errorf("a reason with NUL: got %d %s", got.Code, got.Body)
		}
	})
}

func TestPagesOfWidgetsRunNothingButTheirOwnAndStandWhereTheyMay(t *testing.T) {
	w := openWidgets(t, onSQLite(t), "https://shop.example", "http://localhost:3000")
	page := w.page(w.path(gen.WidgetKindStore), w.token("ben"))
	policy := page.Header().Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "frame-ancestors 'self' https://shop.example http://localhost:3000") || strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; script-src 'nonce-") {
		t.Errorf("got %s", policy)
	}
	if !strings.Contains(page.Body.String(), `window.__WIDGET_INIT__ = { token: "",`) {
		t.Error("a proxy finds no place for a token")
	}
	if again := w.page(w.path(gen.WidgetKindStore), ""); again.Header().Get("Content-Security-Policy") == policy {
		t.Error("a nonce is used again")
	}
	for _, path := range []string{"/widget-page/" + w.id, "/store-widget/" + w.id} { // there is no such widget
		page := w.page(path, w.token("ben"))
		if policy := page.Header().Get("Content-Security-Policy"); page.Code != http.StatusNotFound || !strings.HasSuffix(policy, "frame-ancestors 'self' *") || !strings.Contains(page.Body.String(), "There is no such widget") {
			t.Errorf("%s: got %d, %s", path, page.Code, policy)
		}
	}
	if page.Header().Get("Cache-Control") != "no-store" || page.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("got %v", page.Header())
	}
	pair := must(w.anna.Widgets.CreateAccessKey(t.Context(), client.WidgetAccessKeyCreate{ServerID: w.id, Name: "site", AllowedOrigins: []string{"https://shop.example"}}))
	bound := must(w.anna.Widgets.Token(t.Context(), client.WidgetTokenQuestion{AccessID: pair.AccessID, AccessKey: pair.AccessKey, UserIdentifiers: map[string]string{"data-email": "ben@example.com"}})).EmbedToken
	if policy := w.page(w.path(gen.WidgetKindStore), bound).Header().Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors 'self' https://shop.example") {
		t.Errorf("by a token for one origin: got %s", policy)
	}
	for path, part := range map[string]string{"/widget-loader.js": "ReturningAIWidget", "/widget-sdk.js": "rai-store-widget", widget.Assets + widget.Digest + "/widget.css": "--accent", widget.Assets + widget.Digest + "/widget.js": "import"} {
		if page := w.page(path, ""); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), part) {
			t.Errorf("%s: got %d", path, page.Code)
		}
	}
	for _, path := range []string{widget.Assets + "000000000000/widget.css", widget.Assets + widget.Digest + "/none.css"} {
		if page := w.page(path, ""); page.Code != http.StatusNotFound {
			t.Errorf("%s: got %d", path, page.Code)
		}
	}
}

// The page of a community is for who came to it: their cookie opens it and the widgets of it, and no operation.
func TestTheCookieOfACommunityOpensItsPagesAndNoOperation(t *testing.T) {
	w := openWidgets(t, onSQLite(t))
	must(w.ben.Auth.UpdateMe(t.Context(), client.AccountUpdate{Username: new("ben")}))
	key := must(w.anna.Keys.Create(t.Context(), w.id, client.APIKeyCreate{Name: "secure", Permissions: []client.KeyPermission{client.PermissionSecureAuth}})).Key
	login := must(must(client.New(w.base, client.WithAPIKey(key))).Auth.SecureLogin(t.Context(), strings.TrimPrefix(w.base, "http://"), "ben"))
	cookies := follow(w.s.Handler(), login.LoginURL).Result().Cookies()
	visit := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.AddCookie(cookies[0])
		return send(w.s.Handler(), r)
	}
	page := visit("/c/" + w.id)
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "Chess club") || strings.Count(page.Body.String(), "<iframe") != len(shownOf)-1 {
		t.Errorf("got %d: %s", page.Code, page.Body)
	}
	if page := visit(w.path(gen.WidgetKindStore)); !strings.Contains(page.Body.String(), "A voucher for tea") {
		t.Errorf("the store: got %d: %s", page.Code, page.Body)
	}
	for path, want := range map[string]int{"/c/" + strings.Repeat("0", 24): 401, "/servers/" + w.id: 401} {
		if got := visit(path); got.Code != want {
			t.Errorf("%s: got %d, want %d", path, got.Code, want)
		}
	}
	if page := w.page("/c/"+w.id, ""); page.Code != http.StatusUnauthorized {
		t.Errorf("without a cookie: got %d", page.Code)
	}
	// A token that was not got by signing in is no cookie: whoever has one could plant it.
	cookies[0].Value = w.token("ben")
	if page := visit("/c/" + w.id); page.Code != http.StatusUnauthorized {
		t.Errorf("with a token of a widget: got %d", page.Code)
	}
	if page := visit(w.path(gen.WidgetKindStore)); strings.Contains(page.Body.String(), "A voucher for tea") {
		t.Error("a token of a widget as a cookie opens the store")
	}
}

// A site is one of somebody else, on an origin of its own: its pages embed widgets.
type site struct {
	*httptest.Server
	pages map[string]string
	token func() string // that its server gets for who is signed in
}

func openSite(t *testing.T) *site {
	s := &site{pages: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/who" && r.Method == http.MethodPost {
			_ = json.NewEncoder(w).Encode(map[string]string{"token": s.token()})
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>A site</title><body>`+s.pages[r.URL.Path])
	}))
	t.Cleanup(s.Close)
	return s
}

// Every way to embed a widget, on another origin, in a real browser.
func TestEveryKindShowsOnAnotherOriginInEveryWay(t *testing.T) {
	chromium, site := browser.Open(t), openSite(t)
	w := openWidgets(t, onSQLite(t), site.URL)
	pair := must(w.anna.Widgets.CreateAccessKey(t.Context(), client.WidgetAccessKeyCreate{ServerID: w.id, Name: "site", AllowedOrigins: []string{site.URL}}))
	embedToken := func(name string) string {
		return must(w.anna.Widgets.Token(t.Context(), client.WidgetTokenQuestion{
			AccessID: pair.AccessID, AccessKey: pair.AccessKey, Origin: site.URL, UserIdentifiers: map[string]string{"data-email": name + "@example.com"},
		})).EmbedToken
	}
	elements := map[gen.WidgetKind]string{gen.WidgetKindChannels: "rai-channel-widget", gen.WidgetKindMilestone: "rai-milestone-widget", gen.WidgetKindSocials: "rai-social-widget", gen.WidgetKindStore: "rai-store-widget", gen.WidgetKindCurrency: "rai-currency-widget"}
	tab := chromium.Tab(900, 700)
	for kind, text := range shownOf {
		id, name := w.widgets[kind].ID, sees(kind)
		element := elements[kind]
		if element == "" {
			element = "rai-widget"
		}
		site.token = func() string { return w.token(name) }
		site.pages["/iframe"] = fmt.Sprintf(`<iframe width=800 height=600 src="%s%s?token=%s"></iframe>`, w.base, w.path(kind), embedToken(name))
		site.pages["/asked"] = fmt.Sprintf(`<iframe width=800 height=600 src="%s%s"></iframe><script>
			addEventListener("message", async (event) => {
				if (event.origin !== %q || event.data.type !== "RETURNINGAI_WIDGET_REQUEST_TOKEN") return;
				const { token } = await (await fetch("/who", { method: "POST" })).json();
				event.source.postMessage({ type: "RETURNINGAI_WIDGET_TOKEN", value: token, widgetId: event.data.widgetId }, event.origin);
			});</script>`, w.base, w.path(kind), w.base)
		site.pages["/loader"] = fmt.Sprintf(`<div id="here"></div><script src="%s/widget-loader.js" data-container="here" data-widget-type="%s" data-widget-id="%s" data-embed-token="%s"></script>`, w.base, kind, id, embedToken(name))
		site.pages["/loader-auth"] = fmt.Sprintf(`<div id="here"></div><script src="%s/widget-loader.js" data-container="here" data-widget-type="%s" data-widget-id="%s" data-auth-url="/who" data-customer-id="7"></script>`, w.base, kind, id)
		site.pages["/element"] = fmt.Sprintf(`<script src="%s/widget-sdk.js"></script><%[2]s widget-id="%[3]s" embed-token="%[4]s" theme="dark" eager></%[2]s>`, w.base, element, id, embedToken(name))
		site.pages["/element-auth"] = fmt.Sprintf(`<script src="%s/widget-sdk.js"></script><%[2]s widget-id="%[3]s" auth-url="/who"></%[2]s>`, w.base, element, id)
		for way := range site.pages {
			tab.Show(site.URL + way)
			tab.In(id).Until(fmt.Sprintf("document.querySelector('main[data-me]')?.textContent.includes(%q) && !location.search.includes('token')", text))
		}
	}
	for _, said := range tab.Said() {
		t.Errorf("the browser says %s", said)
	}
}

// Pages of others know these words: what a widget says to them and hears from them, and what its scripts do there.
func TestAPageAndItsWidgetsSpeakInTheDocumentedWords(t *testing.T) {
	chromium, site := browser.Open(t), openSite(t)
	w := openWidgets(t, onSQLite(t), site.URL)
	id, refused := w.widgets[gen.WidgetKindStore].ID, w.widgets[gen.WidgetKindOverview].ID
	site.token = func() string { return w.token("ben") }
	for path, address := range map[string]string{"/iframe": w.path(gen.WidgetKindStore), "/refused": w.path(gen.WidgetKindOverview)} {
		site.pages[path] = fmt.Sprintf(`<iframe width=800 height=600 src="%s%s?containerId=here"></iframe><script>
			var heard = {};
			addEventListener("message", async ({ origin, source, data }) => {
				if (origin !== %[1]q) return;
				heard[data.type] = data;
				if (data.type !== "RETURNINGAI_WIDGET_REQUEST_TOKEN") return;
				const { token } = await (await fetch("/who", { method: "POST" })).json();
				source.postMessage({ type: "RETURNINGAI_WIDGET_REFRESH", token, widgetId: data.widgetId }, origin);
			});</script>`, w.base, address)
	}
	events := `<script>var heard = {}; for (const name of ["rai-ready", "rai-height", "rai-error"]) addEventListener(name, ({ detail }) => (heard[name] = detail));</script>`
	site.pages["/element"] = events + fmt.Sprintf(`<script src="%s/widget-sdk.js"></script><rai-store-widget widget-id="%s" auth-url="/who" eager></rai-store-widget>`, w.base, id)
	site.pages["/loader"] = events + fmt.Sprintf(`<div id="here"></div><script src="%s/widget-loader.js" data-container="here" data-widget-type="store" data-widget-id="%s" data-auth-url="/who"></script>`, w.base, id)
	tab := chromium.Tab(900, 700)
	names := func(message, widgetID string) string {
		return fmt.Sprintf("heard.%[1]s?.containerId === 'here' && heard.%[1]s.widgetId === %[2]q", message, widgetID)
	}
	tab.Show(site.URL + "/iframe")
	tab.Until(names("WIDGET_READY", id) + " && heard.WIDGET_HEIGHT_UPDATE?.payload.height > 0")
	tab.In(id).Until("document.querySelector('main[data-me]')?.textContent.includes('A voucher for tea')")
	tab.Show(site.URL + "/refused")
	tab.Until(names("WIDGET_ERROR", refused))
	tab.Show(site.URL + "/element")
	tab.Until(fmt.Sprintf("heard['rai-ready']?.widgetId === %q && heard['rai-height']?.height > 0", id))
	tab.Show(site.URL + "/loader")
	tab.Until(fmt.Sprintf("heard['rai-ready']?.widgetId === %q && ['refresh', 'getToken', 'reload'].every((name) => ReturningAIWidget.here[name])", id))
}

func TestOnAnOriginThatMayNotShowItAWidgetStaysEmpty(t *testing.T) {
	chromium, site := browser.Open(t), openSite(t)
	w := openWidgets(t, onSQLite(t), "https://somewhere.example")
	id := w.widgets[gen.WidgetKindStore].ID
	site.pages["/"] = fmt.Sprintf(`<script src="%s/widget-sdk.js"></script><rai-store-widget widget-id="%s" embed-token="%s" max-retries="0" eager></rai-store-widget><script>
		addEventListener("rai-error", (event) => (document.title = "it says: " + event.detail.reason));</script>`, w.base, id, w.token("ben"))
	site.pages["/loader"] = fmt.Sprintf(`<div id="here"></div><script src="%s/widget-loader.js" data-container="here" data-widget-type="store" data-widget-id="%s"></script>`, w.base, id)
	tab := chromium.Tab(900, 700)
	tab.Show(site.URL + "/")
	tab.Until("document.title === 'it says: not loaded'")
	tab.Show(site.URL + "/loader")
	tab.Until("document.getElementById('here').textContent.includes('does not allow this page')")
	if said := strings.Join(tab.Said(), "\n"); !strings.Contains(said, "frame-ancestors") || strings.Count(said, "must be among its allowedOrigins") != 2 {
		t.Errorf("the browser says %s", said)
	}
}

func TestAMemberBuysByClickingAndSeesTheCode(t *testing.T) {
	chromium, site := browser.Open(t), openSite(t)
	w := openWidgets(t, onSQLite(t), site.URL)
	store := w.widgets[gen.WidgetKindStore].ID
	site.pages["/"] = fmt.Sprintf(`<iframe width=800 height=700 src="%s/store-widget/%s?token=%s" allow="clipboard-write"></iframe>`, w.base, store, w.token("ben"))
	tab := chromium.Tab(900, 800)
	tab.Show(site.URL + "/")
	frame := tab.In(store)
	frame.Until("document.querySelector('main[data-me] .product')")
	frame.Click(".product > a")
	frame.Click(".buy .button")
	frame.Click("#confirm [data-do=confirm]")
	frame.Until("document.querySelector('.order.is-new code')?.textContent === 'TEA-1'")
	if got := must(w.ben.Badges.Balance(t.Context(), w.id, w.number)).Coins; got != firstCoins-30 {
		t.Errorf("after the purchase there are %d coins", got)
	}
	frame.Until("document.querySelector('[data-balance]').dataset.balance === '170'")
}

func TestAMessageArrivesInASecondBrowser(t *testing.T) {
	chromium, site := browser.Open(t), openSite(t)
	w := openWidgets(t, onSQLite(t), site.URL)
	channel := w.widgets[gen.WidgetKindChannels].ID
	for _, name := range []string{"anna", "ben"} {
		site.pages["/"+name] = fmt.Sprintf(`<iframe width=800 height=600 src="%s/channel-widget/%s?token=%s"></iframe>`, w.base, channel, w.token(name))
	}
	annas, bens := chromium.Tab(900, 700), chromium.Tab(900, 700)
	annas.Show(site.URL + "/anna")
	annas.In(channel).Until("document.querySelector('main[data-me] .composer')")
	bens.Show(site.URL + "/ben")
	bens.In(channel).Until("document.querySelector('main[data-me] .composer')")
	bens.In(channel).Type("#text", "I do, at eight <b>sharp</b>")
	bens.In(channel).Click(".composer .button")
	for _, tab := range []*browser.Tab{bens, annas} {
		tab.In(channel).Until("[...document.querySelectorAll('.message .text')].at(-1).textContent === 'I do, at eight <b>sharp</b>'")
	}
	annas.In(channel).Click(".message:last-child [data-do=react]")
	bens.In(channel).Until("document.querySelector('.reaction .count')?.textContent === '1'")
}
