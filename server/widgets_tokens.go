package server

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/jwt"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// How long tokens are good, and how long a key signs them. The contract says so of tokens. A key is kept until its last token has ended, and
// for as long again as clocks could ever differ.
const (
	signInLife       = 5 * time.Minute
	widgetTokenLife  = 15 * time.Minute
	signingKeySigns  = 30 * 24 * time.Hour
	signingKeyIsKept = signingKeySigns + 24*time.Hour
)

// A widgetPass is what a widget token lets its bearer do: what a member may, and of that what widgets need, in one community.
type widgetPass struct {
	community string
	widget    gen.Widget // the only one it is for; without an ID, it is for all of the community
	origin    string     // whose pages it is for; empty: any that may show the widget
	expires   time.Time
	login     string // by which they are signed in to the community's page; empty: by none
}

// isNobody tells whether somebody looks at a public widget without saying who they are: they see what every member does, and have no role.
func (a actor) isNobody() bool { return a.widget != nil && a.account == 0 }

// signingKeys are those that this process has opened.
type signingKeys struct {
	mu     sync.Mutex
	newest store.SigningKey
	opened map[string][]byte // by id
}

// signingKey is the key that signs tokens now. It is made on the first use, and again when it has signed for long enough; all servers on a
// database share it.
func (k *core) signingKey(ctx context.Context) (jwt.Key, error) {
	k.signing.mu.Lock()
	newest := k.signing.newest
	k.signing.mu.Unlock()
	signs := func(key store.SigningKey) bool {
		return key.ID != "" && k.now().Before(key.CreatedAt.Add(signingKeySigns))
	}
	if !signs(newest) {
		var err error
		newest, err = inTx(ctx, k, func(tx *store.Tx) (store.SigningKey, error) {
			found, err := tx.Widgets.NewestSigningKey(ctx, k.now().Add(-signingKeySigns))
			if !errors.Is(err, store.ErrNotFound) {
				return found, err
			}
			if err := k.vault.begin(ctx, tx); err != nil {
				return found, err
			}
			secret, err := k.newCredential()
			if err != nil {
				return found, err
			}
			made := store.SigningKey{ID: k.newID(), CreatedAt: k.now()}
			if made.Sealed, err = k.vault.seal(signingThing(made.ID), secret); err != nil {
				return made, err
			}
			return made, tx.Widgets.InsertSigningKey(ctx, made)
		})
		if err != nil {
			return jwt.Key{}, err
		}
		k.signing.mu.Lock()
		k.signing.newest = newest
		k.signing.mu.Unlock()
	}
	secret, err := k.openSigningKey(newest)
	return jwt.Key{ID: newest.ID, Secret: secret}, err
}

// signingThing is what the vault knows a key by.
func signingThing(id string) string { return "widget key " + id }

// openSigningKey is the secret of a key.
func (k *core) openSigningKey(key store.SigningKey) ([]byte, error) {
	k.signing.mu.Lock()
	defer k.signing.mu.Unlock()
	if secret, is := k.signing.opened[key.ID]; is {
		return secret, nil
	}
	text, err := k.vault.open(signingThing(key.ID), key.Sealed)
	if err != nil {
		return nil, err
	}
	secret, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	k.signing.opened[key.ID] = secret
	return secret, nil
}

// newWidgetToken makes a token that is good for so long.
func (k *core) newWidgetToken(ctx context.Context, pass jwt.Pass, life time.Duration) (string, error) {
	key, err := k.signingKey(ctx)
	if err != nil {
		return "", err
	}
	now := k.now()
	pass.Expires = now.Add(life)
	return jwt.Sign(key, pass, now)
}

// readWidgetToken is what a token says, if it is good. Otherwise it is jwt.ErrInvalid.
func (k *core) readWidgetToken(ctx context.Context, token string) (jwt.Pass, error) {
	return jwt.Read(token, k.now(), func(id string) ([]byte, error) {
		if !api.IsHex(id, 24) { // whoever has made it, it is none of ours
			return nil, jwt.ErrInvalid
		}
		key, err := k.store.Widgets.GetSigningKey(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, jwt.ErrInvalid
		}
		if err != nil {
			return nil, err
		}
		return k.openSigningKey(key)
	})
}

// widgetCaller finds who is calling by a widget token. What becomes of the widget counts at once; whether they are a member, and what their
// roles are, is asked in each operation as of everybody. What is for a cookie is good as one alone, and nothing else is good as that.
func (k *core) widgetCaller(ctx context.Context, token string, asCookie bool) (contract.Caller, error) {
	refused := contract.Unauthenticated("the widget token is not good, or over")
	says, err := k.readWidgetToken(ctx, token)
	if errors.Is(err, jwt.ErrInvalid) || err == nil && says.Cookie != asCookie {
		err = refused
	}
	if err != nil {
		return contract.Caller{}, err
	}
	who := actor{account: accountOf(says.Subject), widget: &widgetPass{community: says.Community, origin: says.Origin, expires: says.Expires, login: says.Login}}
	if says.Login != "" {
		is, err := k.isSignedIn(ctx, says)
		if err == nil && !is {
			err = refused
		}
		if err != nil {
			return contract.Caller{}, err
		}
	}
	if says.Widget != "" {
		w, err := k.store.Widgets.Get(ctx, says.Widget)
		if errors.Is(err, store.ErrNotFound) || err == nil && (!w.IsActive || w.CommunityID != says.Community) {
			err = refused
		}
		if err != nil {
			return contract.Caller{}, err
		}
		who.widget.widget = w
	}
	if who.account == 0 && (says.Subject != "" || !who.widget.widget.Public) {
		return contract.Caller{}, refused
	}
	if who.account != 0 {
		k.notes.active(who.account, k.now())
	}
	return who.byWidget(), nil
}

// byWidget is a caller who comes by a pass.
func (a actor) byWidget() contract.Caller {
	return contract.Caller{Scheme: contract.WidgetAuth, Widget: a.widget.widget.Kind, Who: a}
}

// onlooker is who looks at a public widget and has no token.
func onlooker(w gen.Widget) contract.Caller {
	return actor{widget: &widgetPass{community: w.CommunityID, widget: w}}.byWidget()
}

// showsChannel refuses a widget token for a channel that no widget of its shows.
func (a actor) showsChannel(ctx context.Context, q store.Queries, channelID, what string) error {
	if a.widget == nil {
		return nil
	}
	if only, is := a.widget.widget.ChannelID.Get(); is && only == channelID {
		return nil
	}
	if a.widget.widget.ID == "" {
		if shown, err := q.Widgets.ShowsChannel(ctx, channelID); err != nil || shown {
			return err
		}
	}
	return contract.NotFound(what)
}

// showsBoard tells whether the caller comes by no widget, or by one that may show a leaderboard.
func (a actor) showsBoard(id string) bool {
	if a.widget == nil || a.widget.widget.ID == "" {
		return true
	}
	only, is := a.widget.widget.LeaderboardID.Get()
	return is && only == id
}

// showsMember tells whether the caller comes by no widget, or is the member: a page that shows a widget is not to learn of others.
func (a actor) showsMember(account int64) bool { return a.widget == nil || a.account == account }

// SignInToWidgets makes a token for a member, for who has an API key.
func (h widgets) SignInToWidgets(ctx context.Context, r stub.SignInToWidgetsRequestObject) (stub.SignInToWidgetsResponseObject, error) {
	q := h.store.Queries
	key, err := q.Keys.GetByHash(ctx, hashOf(r.Params.ReturningaiAPIKey), h.now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = contract.Unauthenticated("the API key is unknown, ended or expired")
	case err == nil && !key.IsTrusted:
		err = contract.PermissionDenied("who vouches for this API key may make no keys in its community any more: an administrator must adopt it")
	case err == nil && !slices.Contains(key.Permissions, gen.KeyPermissionWidgets):
		err = contract.PermissionDenied("the API key lacks the permission widgets")
	case err == nil && key.CommunityID != r.CommunityID:
		err = contract.NotFound("community")
	}
	if err != nil {
		return nil, err
	}
	member, err := found(q.Users.GetMember(ctx, key.CommunityID, store.ByEmail, nameAs(store.ByEmail, r.Params.Email)))
	if err != nil {
		return nil, err
	}
	token, err := h.newWidgetToken(ctx, jwt.Pass{Subject: store.Number(member.AccountNumber), Community: key.CommunityID}, signInLife)
	if err != nil {
		return nil, err
	}
	nothing, err := h.newCredential()
	return stub.SignInToWidgets200JSONResponse{Token: token, RefreshToken: nothing}, err
}

// CreateWidgetToken makes a token for a member, for who has a pair.
func (h widgets) CreateWidgetToken(ctx context.Context, r stub.CreateWidgetTokenRequestObject) (stub.CreateWidgetTokenResponseObject, error) {
	q, in := h.store.Queries, *r.Body
	pair, err := q.Widgets.GetAccessKey(ctx, in.AccessID)
	if errors.Is(err, store.ErrNotFound) || err == nil && subtle.ConstantTimeCompare([]byte(pair.Hash), []byte(hashOf(in.AccessKey))) != 1 {
		err = contract.Unauthenticated("the access id and the access key are no pair, or one that has ended")
	}
	if err == nil && !pair.IsTrusted {
		err = contract.PermissionDenied("who has made this pair may make none in its community any more")
	}
	if err != nil {
		return nil, err
	}
	pass := jwt.Pass{Community: pair.CommunityID}
	if pass.Origin, err = originFor(pair.WidgetAccessKey, in.Origin); err != nil {
		return nil, err
	}
	names, err := h.identifierFields(ctx, q, pair.CommunityID, in.WidgetID)
	if err != nil {
		return nil, err
	}
	member, err := memberByIdentifiers(ctx, q, pair.CommunityID, in.UserIdentifiers, names)
	if err != nil {
		return nil, err
	}
	pass.Subject, pass.Widget = store.Number(member.AccountNumber), in.WidgetID
	token, err := h.newWidgetToken(ctx, pass, widgetTokenLife)
	return stub.CreateWidgetToken200JSONResponse{Data: gen.WidgetToken{EmbedToken: token, ExpiresIn: int32(widgetTokenLife / time.Second)}}, err
}

// originFor is for whose pages a token is that is got by a pair: the given origin, or the only one that the pair allows.
func originFor(pair gen.WidgetAccessKey, given string) (string, error) {
	if given == "" {
		if len(pair.AllowedOrigins) == 1 {
			return pair.AllowedOrigins[0], nil
		}
		return "", nil
	}
	parsed, err := originsOf([]string{given})
	if err != nil {
		return "", contract.Invalid(contract.Field("/origin", gen.FieldCodeNotAllowed, "must be an origin that begins with https, or is on this machine"))
	}
	if len(pair.AllowedOrigins) > 0 && !slices.Contains(pair.AllowedOrigins, parsed[0]) {
		return "", contract.PermissionDenied("the pair is not for pages of this origin")
	}
	return parsed[0], nil
}

// identifierFields are the names of the fields that a widget says members may be identified by, or any widget of the community does.
func (h widgets) identifierFields(ctx context.Context, q store.Queries, serverID, widgetID string) (names []string, err error) {
	if widgetID == "" {
		all, err := q.Widgets.List(ctx, serverID)
		for _, w := range all {
			if w.IsActive {
				names = append(names, w.UserIdentifierFields...)
			}
		}
		return names, err
	}
	w, err := q.Widgets.Get(ctx, widgetID)
	if errors.Is(err, store.ErrNotFound) || err == nil && (w.CommunityID != serverID || !w.IsActive) {
		err = contract.NotFound("widget")
	}
	return w.UserIdentifierFields, err
}

// What identifiers of users begin with, and those that need no field of that name.
const (
	identifierPrefix   = "data-"
	identifierID       = "data-user-id"
	identifierEmail    = "data-email"
	identifierCustomer = "data-customer-id"
)

// memberByIdentifiers finds the member whom all of some identifiers name. Fields count by name only if they are among those, or the
// identifier of the community.
func memberByIdentifiers(ctx context.Context, q store.Queries, serverID string, identifiers map[string]string, among []string) (member store.Account, err error) {
	fields, err := q.Fields.List(ctx, serverID)
	if err != nil {
		return member, err
	}
	for _, name := range slices.Sorted(maps.Keys(identifiers)) {
		one, err := memberByIdentifier(ctx, q, serverID, name, identifiers[name], fields, among)
		if err == nil && member.ID != "" && member.ID != one.ID {
			err = contract.NotFound("user")
		}
		if err != nil {
			return member, err
		}
		member = one
	}
	return member, nil
}

func memberByIdentifier(ctx context.Context, q store.Queries, serverID, name, value string, fields []store.Field, among []string) (store.Account, error) {
	called, is := strings.CutPrefix(name, identifierPrefix)
	i := slices.IndexFunc(fields, func(f store.Field) bool {
		return name == identifierCustomer && f.Identifier
	})
	if i < 0 {
		i = slices.IndexFunc(fields, func(f store.Field) bool {
			return plainName(f.Definition.Field) == plainName(called) && (f.Identifier || slices.ContainsFunc(among, func(n string) bool { return plainName(n) == plainName(called) }))
		})
	}
	switch {
	case !is || called == "":
		return store.Account{}, contract.Invalid(contract.Field("/userIdentifiers", gen.FieldCodeNotAllowed, "must have names that begin with data-"))
	case name == identifierID:
		return found(q.Users.GetMember(ctx, serverID, store.ByID, value))
	case name == identifierEmail:
		return found(q.Users.GetMember(ctx, serverID, store.ByEmail, nameAs(store.ByEmail, value)))
	case i < 0:
		return store.Account{}, contract.NotFound("user")
	}
	return identified(ctx, q, fields[i], value)
}

// plainName is a name as neither upper and lower case nor what stands between its words tells it from another: an attribute of a page
// cannot say more.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name))
}

// ValidateWidgetToken tells whether a token is good.
func (h widgets) ValidateWidgetToken(ctx context.Context, r stub.ValidateWidgetTokenRequestObject) (stub.ValidateWidgetTokenResponseObject, error) {
	answer := stub.ValidateWidgetToken200JSONResponse{Data: gen.WidgetValidation{CommunityID: gen.Null[string](), ExpiresAt: gen.Null[gen.Time]()}}
	caller, err := h.widgetCaller(ctx, r.Body.EmbedToken, false)
	if refused := (*contract.Error)(nil); errors.As(err, &refused) && refused.Code == gen.ProblemCodeUnauthenticated {
		return answer, nil
	}
	if err != nil {
		return nil, err
	}
	who := caller.Who.(actor)
	if !who.isNobody() {
		is, err := h.store.Servers.IsMember(ctx, who.widget.community, who.account)
		if err != nil || !is {
			return answer, err
		}
	}
	answer.Data = gen.WidgetValidation{Valid: true, CommunityID: gen.NullableOf(who.widget.community), ExpiresAt: gen.NullableOf(gen.Time{Time: who.widget.expires})}
	return answer, nil
}
