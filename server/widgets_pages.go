package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/jwt"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/widget"
)

// widgetPages are what people see of widgets. They show what the operations of the contract answer to who is looking, and know nothing
// that these do not say.
type widgetPages struct {
	*core
	handlers handlers
	limits   *limits
}

// The paths of pages, each with the kind of widget that it shows; "": any.
var widgetPaths = map[string]gen.WidgetKind{
	"/channel-widget/:id":                   gen.WidgetKindChannels,
	"/milestone-widget/:id":                 gen.WidgetKindMilestone,
	"/social-widget/:id":                    gen.WidgetKindSocials,
	"/store-widget/:id":                     gen.WidgetKindStore,
	"/currency-overview-widget/:id":         gen.WidgetKindCurrency,
	"/overview-widget/:id":                  gen.WidgetKindOverview,
	"/custom-leaderboards/:communityId/:id": gen.WidgetKindLeaderboard,
	"/custom-leaderboards/:id":              gen.WidgetKindLeaderboard,
	"/widget-page/:id":                      "",
}

// addWidgets registers the pages of widgets, and the scripts and styles that they and pages around them load.
func (s *Server) addWidgets(e *echo.Echo) {
	p := widgetPages{core: s.core, handlers: handlersOf(s.core), limits: s.limits}
	for path, kind := range widgetPaths {
		e.GET(path, p.limited(func(c echo.Context) error { return p.widget(c, kind) }))
	}
	e.GET("/c/:serverId", p.limited(p.community))
	e.POST("/c/:serverId/sign-out", p.limited(p.leave))
	e.GET(loginPath+":keyId/2", p.limited(p.follow))
	e.GET("/widget-loader.js", script(widget.Loader()))
	e.GET("/widget-sdk.js", script(widget.SDK()))
	e.GET(widget.Assets+":digest/:name", asset)
}

// script serves one that other pages load. They ask again each time whether it has changed.
func script(content []byte) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("ETag", `"`+widget.Digest+`"`)
		header.Set(echo.HeaderCacheControl, "public, max-age=300")
		header.Set(echo.HeaderAccessControlAllowOrigin, anyOrigin)
		header.Set("X-Content-Type-Options", "nosniff")
		if c.Request().Header.Get("If-None-Match") == `"`+widget.Digest+`"` {
			return c.NoContent(http.StatusNotModified)
		}
		return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", content)
	}
}

// asset serves a file of the pages. It never changes: its address has the digest of all of them.
func asset(c echo.Context) error {
	content, contentType, ok := widget.Asset(c.Param("name"))
	if !ok || c.Param("digest") != widget.Digest {
		return contract.NotFound("file")
	}
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "public, max-age=31536000, immutable")
	header.Set(echo.HeaderAccessControlAllowOrigin, anyOrigin) // a page that a proxy shows loads them from here
	header.Set("X-Content-Type-Options", "nosniff")
	return c.Blob(http.StatusOK, contentType, content)
}

// limited counts a page by where its reader is: whoever they are, it costs the same.
func (p widgetPages) limited(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := p.limits.take(c, p.limits.classes[api.Reads].caller, func() (string, int64) { return networkOf(c), 0 }); err != nil {
			return err
		}
		return next(c)
	}
}

// widget shows one.
func (p widgetPages) widget(c echo.Context, kind gen.WidgetKind) error {
	ctx := c.Request().Context()
	page := p.begin(c)
	w, err := p.find(ctx, c, kind)
	if errors.Is(err, store.ErrNotFound) || err == nil && !w.IsActive {
		page.State = widget.Missing
		return p.show(c, page, http.StatusNotFound, []string{"*"}) // it says nothing of anybody, and who has mistyped an id should see it
	}
	if err != nil {
		return p.fail(c, page, err, nil)
	}
	page.Kind, page.Title, page.Community, page.Widget = widget.Kind(w.Kind), w.Name, w.CommunityID, w.ID
	page.Public, page.Origins = w.Public, w.AllowedOrigins
	if page.Look.Accent = w.Theme.Accent; page.Color == "" {
		page.Look.Mode = widget.Mode(w.Theme.Mode)
	}
	caller, given, err := p.caller(c, w)
	if err != nil {
		return p.fail(c, page, err, &w)
	}
	if caller.Who == nil {
		page.State = widget.Waiting
		status := http.StatusOK
		if given && wantsPart(c) { // whoever has sent it gets another one
			status = http.StatusUnauthorized
		}
		return p.show(c, page, status, w.AllowedOrigins)
	}
	who := caller.Who.(actor)
	if only := who.widget.origin; only != "" {
		page.Origins = slices.DeleteFunc(slices.Clone(page.Origins), func(origin string) bool { return origin != only })
	}
	v := view{widgetPages: p, Page: &page, c: c, caller: caller, w: w}
	if err := v.fill(ctx); err != nil {
		return p.fail(c, page, err, &w)
	}
	return p.show(c, page, http.StatusOK, page.Origins)
}

// find is the widget that a path names: by its id, or by its slug in a community.
func (p widgetPages) find(ctx context.Context, c echo.Context, kind gen.WidgetKind) (w gen.Widget, err error) {
	id, community := c.Param("id"), c.Param("communityId")
	switch {
	case !isText(c.Request().URL):
		err = store.ErrNotFound
	case community != "" && api.IsHex(community, 24):
		w, err = p.store.Widgets.GetBySlug(ctx, community, id)
	case community == "" && api.IsHex(id, 24):
		w, err = p.store.Widgets.Get(ctx, id)
	default:
		err = store.ErrNotFound
	}
	if err == nil && kind != "" && w.Kind != kind {
		err = store.ErrNotFound
	}
	return w, err
}

// isText tells whether an address has nothing but text, as contracts have it of operations: no name and no id of anything is something else,
// and not every database takes it.
func isText(u *url.URL) bool {
	query, err := url.QueryUnescape(u.RawQuery)
	text := u.Path + query
	return err == nil && utf8.ValidString(text) && !strings.Contains(text, "\x00")
}

// begin is a page of which nothing is known yet but where it is.
func (p widgetPages) begin(c echo.Context) widget.Page {
	r := c.Request()
	page := widget.Page{Kind: "none", Title: "Widget", Address: r.URL.Path, Now: p.now(), Zone: nil}
	if mode := widget.Mode(c.QueryParam("color")); mode == widget.Light || mode == widget.Dark {
		page.Color, page.Look.Mode = string(mode), mode
	}
	if host, ok := strings.CutPrefix(p.publicURL, "https://"); ok && host == r.Host {
		page.Base = p.publicURL // so that it works where a proxy shows it, too
	}
	return page
}

func wantsPart(c echo.Context) bool { return c.QueryParam("part") != "" }

// caller finds who is looking: by the token that a script sends, by the one in the address, or by who has come to the community's page.
// Nobody sees what is public. A token that is not good, or for something else, is as none: it was given.
func (p widgetPages) caller(c echo.Context, w gen.Widget) (caller contract.Caller, given bool, err error) {
	ctx := c.Request().Context()
	token, is := strings.CutPrefix(c.Request().Header.Get(echo.HeaderAuthorization), "Bearer ")
	if !is {
		token = c.QueryParam("token")
	}
	given = token != ""
	byCookie := false
	if cookie, err := c.Cookie(p.pageCookie()); token == "" && err == nil {
		token, byCookie = cookie.Value, true
	}
	if caller, err = p.callerBy(ctx, token, byCookie); err != nil {
		return caller, given, err
	}
	if who, is := caller.Who.(actor); is {
		pass := who.widget
		if pass.community != w.CommunityID || pass.widget.ID != "" && pass.widget.ID != w.ID || who.isNobody() && !w.Public {
			caller = contract.Caller{}
		}
	}
	if caller.Who == nil && w.Public && !(given && wantsPart(c)) {
		caller = onlooker(w)
	}
	return caller, given, nil
}

// callerBy is who comes with a token, or nobody: it is not good.
func (p widgetPages) callerBy(ctx context.Context, token string, asCookie bool) (contract.Caller, error) {
	if !contract.IsJWT(token) {
		return contract.Caller{}, nil
	}
	caller, err := p.widgetCaller(ctx, token, asCookie)
	var refused *contract.Error
	if errors.As(err, &refused) && refused.Code == gen.ProblemCodeUnauthenticated {
		return contract.Caller{}, nil
	}
	return caller, err
}

// fail shows why there is nothing to see.
func (p widgetPages) fail(c echo.Context, page widget.Page, err error, w *gen.Widget) error {
	origins := []string(nil)
	if w != nil {
		origins = w.AllowedOrigins
	}
	var refused *contract.Error
	if errors.As(err, &refused) && (refused.Code == gen.ProblemCodePermissionDenied || refused.Code == gen.ProblemCodeNotFound) {
		page.State = widget.Refused
		return p.show(c, page, http.StatusForbidden, origins)
	}
	if errors.As(err, &refused) && refused.Code != gen.ProblemCodeInternal {
		page.State = widget.Refused
		return p.show(c, page, refused.Code.Status(), origins)
	}
	p.log.ErrorContext(c.Request().Context(), "a page of a widget cannot be shown", slog.String("path", page.Address), slog.Any("error", err))
	page.State = widget.Failed
	return p.show(c, page, http.StatusInternalServerError, origins)
}

// show writes the page. Only pages of its origins show it in a frame, and it runs nothing but its own scripts.
func (p widgetPages) show(c echo.Context, page widget.Page, status int, origins []string) error {
	random, err := p.secret(16)
	if err != nil {
		return err
	}
	page.Nonce = base64.RawURLEncoding.EncodeToString(random)
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, echo.MIMETextHTMLCharsetUTF8)
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set("Referrer-Policy", "no-referrer") // a token may be in the address
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set(echo.HeaderVary, echo.HeaderAuthorization+", "+echo.HeaderCookie)
	header.Set(echo.HeaderContentSecurityPolicy, pagePolicy(page, origins))
	c.Response().WriteHeader(status)
	if wantsPart(c) {
		return widget.RenderPart(c.Response(), page)
	}
	return widget.Render(c.Response(), page)
}

func pagePolicy(page widget.Page, origins []string) string {
	own := "'self'"
	if page.Base != "" {
		own += " " + page.Base
	}
	forms, frames := "'none'", "'none'"
	if page.Kind == widget.Community { // one signs out there, and sees its widgets
		forms, frames = "'self'", "'self'"
	}
	return "default-src 'none'; script-src 'nonce-" + page.Nonce + "'; style-src 'nonce-" + page.Nonce + "'; img-src 'self' https: data:; connect-src " + own +
		"; base-uri 'none'; form-action " + forms + "; frame-src " + frames + "; frame-ancestors " + strings.Join(append([]string{"'self'"}, origins...), " ")
}

// community shows the page of a community to who came to it by Secure Auth: its widgets side by side. They get a token from it.
func (p widgetPages) community(c echo.Context) error {
	ctx := c.Request().Context()
	page := p.begin(c)
	page.Kind, page.Title, page.Community = widget.Community, "Community", c.Param("serverId")
	who, err := p.visitor(c)
	if err != nil {
		return p.fail(c, page, err, nil)
	}
	if who.account == 0 && c.QueryParam("left") != "" {
		page.State = widget.Left
		return p.show(c, page, http.StatusOK, nil)
	}
	if who.account == 0 {
		page.State, page.Reason = widget.Refused, "This page is for members who come from the community's own site. Sign in there, and follow its link again."
		return p.show(c, page, http.StatusUnauthorized, nil)
	}
	caller := who.byWidget()
	server, err := ask[stub.GetServer200JSONResponse](p, c, caller, "getServer", func(ctx context.Context) (stub.GetServerResponseObject, error) {
		return p.handlers.GetServer(ctx, stub.GetServerRequestObject{ServerID: page.Community})
	})
	if err != nil {
		return p.fail(c, page, err, nil)
	}
	all, err := p.store.Widgets.List(ctx, page.Community)
	if err != nil {
		return p.fail(c, page, err, nil)
	}
	page.Title, page.Together = server.Body.Name, &widget.CommunityView{Server: server.Body}
	for _, w := range all {
		if w.IsActive && (w.Kind != gen.WidgetKindOverview || p.may(c, caller, "getLoyaltyOverview", page.Community)) {
			page.Together.Widgets = append(page.Together.Widgets, placed(w, page.Color))
		}
	}
	if page.Me, err = p.person(ctx, who); err != nil {
		return p.fail(c, page, err, nil)
	}
	if page.Token, err = p.newWidgetToken(ctx, jwt.Pass{Subject: store.Number(who.account), Community: page.Community, Login: who.widget.login}, widgetTokenLife); err != nil {
		return p.fail(c, page, err, nil)
	}
	return p.show(c, page, http.StatusOK, nil)
}

// visitor is who came to the community of the path, or nobody.
func (p widgetPages) visitor(c echo.Context) (who actor, err error) {
	cookie, err := c.Cookie(p.pageCookie())
	if err != nil {
		return actor{}, nil
	}
	caller, err := p.callerBy(c.Request().Context(), cookie.Value, true)
	who, is := caller.Who.(actor)
	if !is || who.widget.community != c.Param("serverId") {
		return actor{}, err
	}
	return who, err
}

func placed(w gen.Widget, color string) widget.Placed {
	address := "/widget-page/" + w.ID
	if color != "" {
		address += "?color=" + color
	}
	return widget.Placed{Kind: widget.Kind(w.Kind), ID: w.ID, Name: w.Name, Address: address}
}

// may tells whether a caller has the role that an operation takes.
func (p widgetPages) may(c echo.Context, caller contract.Caller, operation, serverID string) bool {
	ctx, err := contract.Calling(c.Request(), operation, caller)
	if err == nil {
		_, err = require(ctx, p.store.Queries, serverID, "community")
	}
	return err == nil
}

// person is how a page speaks of who is looking; nil: nobody knows them.
func (p widgetPages) person(ctx context.Context, who actor) (*widget.Person, error) {
	if who.account == 0 {
		return nil, nil
	}
	member, err := found(p.store.Users.GetMember(ctx, who.widget.community, store.ByNumber, who.account))
	if err != nil {
		return nil, err
	}
	return &widget.Person{ID: member.ID, Number: strconv.FormatInt(who.account, 10), Name: member.DisplayName, Avatar: member.Avatar}, nil
}

// ask calls an operation of the contract in the name of who is looking, and returns what it answers.
func ask[A, R any](p widgetPages, c echo.Context, caller contract.Caller, operation string, call func(context.Context) (R, error)) (answer A, err error) {
	ctx, err := contract.Calling(c.Request(), operation, caller)
	if err != nil {
		return answer, err
	}
	got, err := call(ctx)
	if err != nil {
		return answer, err
	}
	answer, is := any(got).(A)
	if !is {
		err = errors.New("widgets: " + operation + " answers with something else")
	}
	return answer, err
}

// wholeOf is a model of which all parts were asked for.
func wholeOf[T any](parts any) (whole T, err error) {
	text, err := json.Marshal(parts)
	if err == nil {
		err = json.Unmarshal(text, &whole)
	}
	return whole, err
}
