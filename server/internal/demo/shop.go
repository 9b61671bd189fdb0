package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rejoin-dev/rejoin/client"
)

//go:embed shop.html
var shopPage string

var shopTemplate = template.Must(template.New("shop").Parse(shopPage))

// A shop is somebody else's site: it knows who its customers are, keeps the key, and tells its pages tokens.
type shop struct {
	club *club
	api  string
}

// The ways to embed a widget, as the page calls them.
var ways = []struct{ Way, Title, About string }{
	{"loader", "Loader", "A script tag for each widget. It asks this shop's backend, by data-auth-url, for a token; the backend has an access key."},
	{"element", "Elements", "Custom elements of widget-sdk.js, with auth-url."},
	{"key", "Token at once", "The backend gets a token with its access key while it makes the page, and puts it into embed-token."},
	{"iframe", "Plain iframe", "No script of ours on this page: the token is in the address of the frame, which removes it from there at once."},
	{"signin", "Sign in by API key", "The older way: the backend signs a member in by their address, with an API key, for five minutes."},
	{"public", "Without a token", "What is public shows what every member sees; all else waits to be told who is looking."},
}

// Which kinds there are, in the order of the page, with the path and the element of each.
var kinds = []struct {
	kind          client.WidgetKind
	path, element string
}{
	{client.WidgetStore, "store-widget", "rai-store-widget"}, {client.WidgetChannels, "channel-widget", "rai-channel-widget"},
	{client.WidgetCurrency, "currency-overview-widget", "rai-currency-widget"}, {client.WidgetLeaderboard, "custom-leaderboards", "rai-widget"},
	{client.WidgetMilestone, "milestone-widget", "rai-milestone-widget"}, {client.WidgetSocials, "social-widget", "rai-social-widget"},
	{client.WidgetOverview, "overview-widget", "rai-widget"},
}

// An embedded widget is one on the page.
type embedded struct {
	ID, Kind, Name, Token string
	Element               template.HTML
	Frame                 string
}

func shopOf(c *club, api string) http.Handler {
	s := shop{c, api}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("POST /customer", s.choose)
	mux.HandleFunc("POST /who", s.who)
	return mux
}

// customer is who is signed in at the shop: whoever owns the community, who sees all of it, until somebody is chosen.
func (s shop) customer(r *http.Request) (*member, int) {
	chosen, err := r.Cookie("customer")
	if err != nil {
		return s.club.members[0], 0
	}
	i, err := strconv.Atoi(chosen.Value)
	if err != nil || i < 0 || i >= len(s.club.members) {
		return s.club.members[0], 0
	}
	return s.club.members[i], i
}

// choose signs somebody in. A real shop would ask for more than a name.
func (s shop) choose(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "customer", Value: r.FormValue("customer"), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/?way="+url.QueryEscape(r.FormValue("way")), http.StatusSeeOther)
}

// token gets one for who is signed in, with the pair, which never leaves this program.
func (s shop) token(r *http.Request, widget string) (string, error) {
	visitor, err := client.New(s.api)
	if err != nil {
		return "", err
	}
	who, _ := s.customer(r)
	got, err := visitor.Widgets.Token(r.Context(), client.WidgetTokenQuestion{
		AccessID: s.club.pair.AccessID, AccessKey: s.club.pair.AccessKey, UserIdentifiers: client.WidgetUserIdentifiers{"data-email": who.email}, WidgetID: widget,
	})
	if err != nil {
		return "", err
	}
	return got.EmbedToken, nil
}

// who tells a page of the shop a token. Pages of others cannot read it.
func (s shop) who(w http.ResponseWriter, r *http.Request) {
	token, err := s.token(r, r.URL.Query().Get("widget"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token}) // who does not read it asks again
}

// page shows all widgets in one way.
func (s shop) page(w http.ResponseWriter, r *http.Request) {
	way := r.URL.Query().Get("way")
	if way == "" {
		way = ways[0].Way
	}
	about := ""
	for _, one := range ways {
		if one.Way == way {
			about = one.About
		}
	}
	_, chosen := s.customer(r)
	names := []string{}
	for _, m := range s.club.members {
		names = append(names, m.name)
	}
	shown, err := s.embed(r, way)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	var page bytes.Buffer
	if err := shopTemplate.Execute(&page, map[string]any{
		"API": s.api, "Way": way, "Ways": ways, "About": about, "Names": names, "Chosen": chosen, "Widgets": shown,
	}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = page.WriteTo(w)
}

func (s shop) embed(r *http.Request, way string) (all []embedded, err error) {
	signedIn := ""
	if way == "signin" {
		visitor, err := client.New(s.api)
		if err != nil {
			return nil, err
		}
		who, _ := s.customer(r)
		got, err := visitor.Widgets.SignIn(r.Context(), s.club.id, s.club.apiKey, who.email)
		if err != nil {
			return nil, err
		}
		signedIn = got.Token
	}
	for _, k := range kinds {
		widget := s.club.widgets[k.kind]
		one := embedded{ID: widget.ID, Kind: string(k.kind), Name: widget.Name, Token: signedIn}
		if way == "iframe" || way == "key" {
			if one.Token, err = s.token(r, widget.ID); err != nil {
				return nil, err
			}
		}
		attribute := ` auth-url="/who?widget=` + widget.ID + `"`
		if one.Token != "" {
			attribute = ` embed-token="` + template.HTMLEscapeString(one.Token) + `"`
		}
		one.Element = template.HTML("<" + k.element + ` widget-id="` + widget.ID + `" aria-label="` + template.HTMLEscapeString(widget.Name) + `"` + attribute + "></" + k.element + ">")
		one.Frame = s.api + "/" + k.path + "/" + widget.ID
		if k.kind == client.WidgetLeaderboard {
			one.Frame = s.api + "/" + k.path + "/" + s.club.id + "/" + widget.Slug
		}
		if one.Token != "" {
			one.Frame += "?token=" + url.QueryEscape(one.Token)
		}
		all = append(all, one)
	}
	return all, nil
}
