package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/jwt"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/widget"
)

// How long an address waits to be followed, and how long its member is signed in then. The contract says so.
const (
	loginWaits = 60 * time.Second
	loginLasts = 24 * time.Hour
)

// loginPath is where the address leads, with the id of the API key.
const loginPath = "/v2/app/loginApi/"

// SecureAuth signs a member in to the pages of the community, for its own site: the answer says where the browser is to go.
func (h auth) SecureAuth(ctx context.Context, r stub.SecureAuthRequestObject) (stub.SecureAuthResponseObject, error) {
	token, err := h.newCredential()
	if err != nil {
		return nil, err
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.SecureAuth200JSONResponse, err error) {
		s, err := requireOfKey(ctx, tx.Queries)
		if err != nil {
			return answer, err
		}
		at, err := h.loginOrigin(ctx, tx.Queries, s.ID, r.Params.Hostname)
		if err != nil {
			return answer, err
		}
		member, err := h.memberToSignIn(ctx, tx, s, r.Params)
		if err != nil {
			return answer, err
		}
		now, host := h.now(), strings.ToLower(r.Params.Hostname)
		login := store.PageLogin{
			ID: h.newID(), TokenHash: hashOf(token), KeyID: s.actor.key.ID, ServerID: s.ID, Account: member.AccountNumber, Host: host,
			CreatedAt: now, ExpiresAt: now.Add(loginWaits),
		}
		if err := tx.Auth.InsertPageLogin(ctx, login); err != nil {
			return answer, err
		}
		query := url.Values{"token": {token}, "host": {host}}
		return stub.SecureAuth200JSONResponse{LoginURL: at + loginPath + login.KeyID + "/2?" + query.Encode(), SessionID: login.ID}, nil
	})
}

// loginOrigin is the origin of a host on which members of a server may be signed in: that of this server, or a domain of theirs.
func (k *core) loginOrigin(ctx context.Context, q store.Queries, serverID, hostname string) (string, error) {
	own, err := url.Parse(k.origin(ctx))
	if err == nil && strings.EqualFold(own.Host, hostname) {
		return own.Scheme + "://" + strings.ToLower(own.Host), nil
	}
	settings, err := q.Servers.GetSettings(ctx, serverID)
	if err != nil {
		return "", err
	}
	host := strings.ToLower(hostname)
	if !slices.Contains(settings.Domains, host) {
		return "", contract.Invalid(contract.Field("header/hostname", gen.FieldCodeNotAllowed, "must be one of the domains of the community, or the host of this server"))
	}
	return "https://" + host, nil
}

// memberToSignIn is the step that finds the member whom a site names, or makes one if it may. Whoever has the name and is no member is nobody
// here: a key gets nothing of an account that its community does not have.
func (k *core) memberToSignIn(ctx context.Context, tx *store.Tx, s standing, p gen.SecureAuthParams) (store.Account, error) {
	level, err := levelNamed(ctx, tx.Queries, s.ID, valueOf(p.AccessLevel))
	if err != nil {
		return store.Account{}, err
	}
	member, err := tx.Users.GetMember(ctx, s.ID, store.ByUsername, nameAs(store.ByUsername, p.UserID))
	unknown := errors.Is(err, store.ErrNotFound)
	switch {
	case p.Email == nil:
	case unknown && slices.Contains(s.actor.key.Permissions, gen.KeyPermissionCreateUser):
		return k.makeToSignIn(ctx, tx, s, p, level)
	case err == nil && !strings.EqualFold(member.Email, *p.Email): // the site means somebody else, who is called so there
		err = contract.NotFound("user")
	}
	return found(member, err)
}

// levelNamed is an access level of a server.
func levelNamed(ctx context.Context, q store.Queries, serverID, text string) (level int32, err error) {
	if text == "" {
		return 0, nil
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, err // the contract has let nothing else through
	}
	levels, err := q.Users.ListAccessLevels(ctx, serverID)
	if err == nil && number != 0 && !slices.ContainsFunc(levels, func(l gen.AccessLevel) bool { return l.Level == int32(number) }) {
		err = contract.Invalid(contract.Field("query/accessLevel", gen.FieldCodeNotAllowed, "must be 0, or a level that the community has set"))
	}
	return int32(number), err
}

// makeToSignIn is the step that makes a member as CreateUser does.
func (k *core) makeToSignIn(ctx context.Context, tx *store.Tx, s standing, p gen.SecureAuthParams, level int32) (store.Account, error) {
	name := strings.ToLower(p.UserID)
	in := gen.UserCreate{
		Username: name, Email: *p.Email, Firstname: valueOf(p.Firstname), Lastname: valueOf(p.Lastname), Displayname: name, AccessLevel: level,
	}
	set(&in.Displayname, p.Displayname)
	operations, err := api.Operations()
	if err != nil {
		return store.Account{}, err
	}
	for _, wrong := range contract.CheckBody(operations.ByID("createUser"), map[string]any{"username": name}) {
		if wrong.Pointer == "/username" {
			return store.Account{}, contract.Invalid(inQuery(wrong))
		}
	}
	ctx, err = contract.Within(ctx, "createUser", contract.CallerFrom(ctx))
	if err == nil {
		err = checkUser(ctx, in)
	}
	if err != nil {
		return store.Account{}, err
	}
	account := k.newAccount(strings.ToLower(in.Email), in.Username, in.Displayname)
	account.FirstName, account.LastName = in.Firstname, in.Lastname
	account, _, err = k.createUser(ctx, tx, s, account, in)
	var refused *contract.Error
	switch {
	case !errors.As(err, &refused):
	case refused.Code == gen.ProblemCodeConflict: // somebody else has the name or the address
		err = contract.NotFound("user")
	case refused.Code == gen.ProblemCodeInvalidRequest:
		fields := make([]gen.ProblemField, len(refused.Fields))
		for i, wrong := range refused.Fields {
			fields[i] = inQuery(wrong)
		}
		err = contract.Invalid(fields...)
	}
	return account, err
}

// inQuery is what is wrong with a part of a body that came in the query.
func inQuery(wrong gen.ProblemField) gen.ProblemField {
	switch wrong.Pointer {
	case "/username":
		wrong.Pointer = "query/userId"
	case "/email", "/firstname", "/lastname", "/displayname", "/accessLevel":
		wrong.Pointer = "query" + wrong.Pointer
	}
	return wrong
}

// mayStillSignIn tells whether what was opened by an API key stands: the key is there, good, and still has the permission.
func (k *core) mayStillSignIn(ctx context.Context, q store.Queries, login store.PageLogin) (bool, error) {
	key, err := q.Keys.Get(ctx, login.ServerID, login.KeyID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	expires, ends := key.ExpireDate.Get()
	return err == nil && key.IsActive && key.IsTrusted && (!ends || expires.After(k.now())) && slices.Contains(key.Permissions, gen.KeyPermissionSecureAuth), err
}

// isSignedIn tells whether a token that came of a login is still good for its member.
func (k *core) isSignedIn(ctx context.Context, says jwt.Pass) (bool, error) {
	login, err := k.store.Auth.GetPageLogin(ctx, says.Login, k.now())
	if errors.Is(err, store.ErrNotFound) || err == nil && (login.ServerID != says.Community || store.Number(login.Account) != says.Subject) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return k.mayStillSignIn(ctx, k.store.Queries, login)
}

// pageCookie is the name of the cookie with a token for a community's page, of who came to it by Secure Auth. No operation of the API takes
// it. Where the server is reached by https, no other host can set one of its name.
func (k *core) pageCookie() string {
	const name = "rejoin_page"
	if strings.HasPrefix(k.publicURL, "https://") {
		return "__Host-" + name
	}
	return name
}

// keepSignedIn sets the cookie; without a value, it ends it.
func (k *core) keepSignedIn(c echo.Context, value string, lasts time.Duration) {
	cookie := &http.Cookie{Name: k.pageCookie(), Value: value, Path: "/", MaxAge: int(lasts / time.Second), HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

// isAhead tells whether nobody looks at a page yet: the browser, or who else has the address, only gets it in case somebody will.
func isAhead(r *http.Request) bool {
	if r.Method == http.MethodHead {
		return true
	}
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		said := strings.ToLower(r.Header.Get(name))
		if strings.Contains(said, "prefetch") || strings.Contains(said, "prerender") || strings.Contains(said, "preview") {
			return true
		}
	}
	return false
}

// isPartOfAPage tells whether a browser wants it for a frame, an image or a script: nobody sees there who is signed in, and the cookie would not stay.
func isPartOfAPage(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return dest != "" && dest != "document"
}

// errLoginEnded is a login that cannot be opened, for whatever reason.
var errLoginEnded = errors.New("there is no such login")

// follow opens a login for who follows its address, and goes on to where the community has said, or to its page. Nothing in the address
// says where to.
//
// Somebody could send another one an address of their own, so that they are taken for them. Against that, an address works once, for
// a minute, and not in a frame; and the page says who is signed in, and offers to sign out.
func (p widgetPages) follow(c echo.Context) error {
	r := c.Request()
	page := p.begin(c)
	page.Kind, page.Title, page.State = widget.Community, "Sign in", widget.Ended
	switch {
	case isAhead(r):
		header := c.Response().Header()
		header.Set(echo.HeaderCacheControl, "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		return c.NoContent(http.StatusTooEarly)
	case isPartOfAPage(r):
		page.Reason = "A link that signs you in opens in a window of its own. Go back to the community's site and follow it there."
		return p.show(c, page, http.StatusForbidden, nil)
	}
	login, target, err := p.openLogin(c)
	if errors.Is(err, errLoginEnded) {
		return p.show(c, page, http.StatusGone, nil)
	}
	if err != nil {
		return p.fail(c, page, err, nil)
	}
	lasts := login.ExpiresAt.Sub(p.now())
	pass := jwt.Pass{Subject: store.Number(login.Account), Community: login.ServerID, Login: login.ID, Cookie: true}
	token, err := p.newWidgetToken(r.Context(), pass, lasts)
	if err != nil {
		return p.fail(c, page, err, nil)
	}
	p.keepSignedIn(c, token, lasts)
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set("Referrer-Policy", "no-referrer") // the address has been good
	return c.Redirect(http.StatusSeeOther, target)
}

// openLogin opens what a request names, if it came to the host that the login is for, and says where to go then.
func (p widgetPages) openLogin(c echo.Context) (login store.PageLogin, target string, err error) {
	ctx, token, keyID, host := c.Request().Context(), c.QueryParam("token"), c.Param("keyId"), strings.ToLower(c.Request().Host)
	if !api.IsHex(token, 64) || !api.IsHex(keyID, 24) || strings.ToLower(c.QueryParam("host")) != host {
		return login, "", errLoginEnded
	}
	type opened struct {
		login  store.PageLogin
		target string
	}
	is, err := inTx(ctx, p.core, func(tx *store.Tx) (is opened, err error) {
		now := p.now()
		if is.login, err = tx.Auth.OpenPageLogin(ctx, hashOf(token), keyID, host, now, now.Add(loginLasts)); err != nil {
			return is, err
		}
		settings, err := tx.Servers.GetSettings(ctx, is.login.ServerID)
		if err != nil {
			return is, err
		}
		var isApp bool
		if is.target, isApp = settings.AppURL.Get(); !isApp {
			is.target = "/c/" + is.login.ServerID
		}
		good, err := p.mayStillSignIn(ctx, tx.Queries, is.login)
		if err == nil && !good {
			err = errLoginEnded
		}
		return is, err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = errLoginEnded
	}
	return is.login, is.target, err
}

// leave signs out who has come to a community's page, everywhere on that page and at once.
func (p widgetPages) leave(c echo.Context) error {
	ctx := c.Request().Context()
	page := p.begin(c)
	page.Kind, page.Title = widget.Community, "Sign out"
	if err := http.NewCrossOriginProtection().Check(c.Request()); err != nil {
		page.State = widget.Refused
		return p.show(c, page, http.StatusForbidden, nil)
	}
	serverID := c.Param("serverId")
	if !api.IsHex(serverID, 24) {
		page.State = widget.Missing
		return p.show(c, page, http.StatusNotFound, nil)
	}
	who, err := p.visitor(c)
	if err == nil && who.account != 0 {
		_, err = inTx(ctx, p.core, func(tx *store.Tx) (struct{}, error) {
			return struct{}{}, tx.Auth.DeletePageLogin(ctx, who.account, who.widget.login)
		})
	}
	if err != nil {
		return p.fail(c, page, err, nil)
	}
	p.keepSignedIn(c, "", 0)
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "no-store")
	return c.Redirect(http.StatusSeeOther, "/c/"+serverID+"?left=1")
}
