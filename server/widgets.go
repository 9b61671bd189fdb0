package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/origin"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// widgets are the operations of the tag widgets: what a community shows on pages of others. Who looks at it says so by a token
// (widgets_tokens.go).
type widgets struct{ *core }

// What a widget looks like of which nothing is said. The contract shows it.
var (
	usualTheme = gen.WidgetTheme{Mode: gen.WidgetModeAuto, Accent: "#4f46e5"}
	usualSize  = gen.WidgetSize{Width: 0, Height: 600}
)

// ListWidgets shows the widgets of a community.
func (h widgets) ListWidgets(ctx context.Context, r stub.ListWidgetsRequestObject) (stub.ListWidgetsResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.Widgets.List(ctx, s.ID)
	return stub.ListWidgets200JSONResponse{Meta: application(http.StatusOK), Message: "Read widgets success.", Data: found}, err
}

// CreateWidget makes a widget.
func (h widgets) CreateWidget(ctx context.Context, r stub.CreateWidgetRequestObject) (stub.CreateWidgetResponseObject, error) {
	in := *r.Body
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.WidgetResponse, err error) {
		s, err := resolve(ctx, tx.Queries, in.ServerID)
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		made := gen.Widget{
			ID: h.newID(), CommunityID: s.ID, Kind: in.Kind, AllowedOrigins: []string{}, Theme: usualTheme, Size: usualSize,
			LeaderboardID: gen.Null[string](), ChannelID: gen.Null[string](), UserIdentifierFields: []string{}, IsActive: true, CreatedAt: now, UpdatedAt: now,
		}
		made.Slug = made.ID
		update := gen.WidgetUpdate{
			Name: &in.Name, Slug: given(in.Slug), Public: &in.Public, Theme: given(in.Theme), Size: given(in.Size), LeaderboardID: given(in.LeaderboardID),
			ChannelID: given(in.ChannelID), IsActive: in.IsActive, AllowedOrigins: &in.AllowedOrigins, UserIdentifierFields: &in.UserIdentifierFields,
		}
		if err := changeWidget(ctx, tx, &made, update); err != nil {
			return body, err
		}
		if err := widgetSlugTaken(tx.Widgets.Insert(ctx, made)); err != nil {
			return body, err
		}
		body = gen.WidgetResponse{Meta: application(http.StatusCreated), Message: "Create widget success.", Data: made}
		return body, record(ctx, h.core, tx, s.ID, made.ID, nil, &made)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateWidget201JSONResponse{Body: body, Headers: stub.CreateWidget201ResponseHeaders(again)}, nil
}

// given is what an input has, or nil for what it leaves out.
func given[T comparable](value T) *T {
	if value == *new(T) {
		return nil
	}
	return &value
}

// changeWidget is the step that changes what is given of a widget, and refuses what none can be.
func changeWidget(ctx context.Context, tx *store.Tx, w *gen.Widget, in gen.WidgetUpdate) (err error) {
	set(&w.Name, in.Name)
	set(&w.Slug, in.Slug)
	set(&w.Public, in.Public)
	set(&w.Theme, in.Theme)
	set(&w.Size, in.Size)
	set(&w.IsActive, in.IsActive)
	w.Theme.Accent = strings.ToLower(w.Theme.Accent)
	if in.UserIdentifierFields != nil {
		w.UserIdentifierFields = distinct(*in.UserIdentifierFields)
	}
	if in.AllowedOrigins != nil {
		if w.AllowedOrigins, err = originsOf(*in.AllowedOrigins); err != nil {
			return err
		}
	}
	if w.Public && w.Kind != gen.WidgetKindLeaderboard && w.Kind != gen.WidgetKindSocials {
		return contract.Invalid(contract.Field("/public", gen.FieldCodeNotAllowed, "must be false: only a leaderboard and socials may be public"))
	}
	if err := shows(&w.ChannelID, in.ChannelID, w.Kind == gen.WidgetKindChannels, "channelId", func(id string) (string, error) {
		channel, err := tx.Channels.Get(ctx, id, store.Viewer{Full: true})
		return channel.ServerID, err
	}, w.CommunityID); err != nil {
		return err
	}
	return shows(&w.LeaderboardID, in.LeaderboardID, w.Kind == gen.WidgetKindLeaderboard, "leaderboardId", func(id string) (string, error) {
		board, err := tx.Leaderboards.Get(ctx, id)
		return board.CommunityID, err
	}, w.CommunityID)
}

// shows is the part of it that says what a widget shows, if it is of a kind that shows such a thing, and refuses it otherwise.
func shows(shown *gen.Nullable[string], id *string, takes bool, member string, serverOf func(id string) (string, error), serverID string) error {
	switch _, has := shown.Get(); {
	case id == nil && takes && !has:
		return contract.Invalid(contract.Field("/"+member, gen.FieldCodeRequired, "is required by a widget of this kind"))
	case id == nil:
		return nil
	case !takes:
		return contract.Invalid(contract.Field("/"+member, gen.FieldCodeNotAllowed, "must be left out by a widget of this kind"))
	}
	server, err := serverOf(*id)
	if errors.Is(err, store.ErrNotFound) || err == nil && server != serverID {
		err = contract.Invalid(contract.Field("/"+member, gen.FieldCodeUnknown, "must be an id of the community"))
	}
	*shown = gen.NullableOf(*id)
	return err
}

// originsOf are origins as browsers write them.
func originsOf(given []string) ([]string, error) {
	all := []string{}
	for _, text := range given {
		parsed, err := origin.Parse(text)
		if err == nil && !isSafeOrigin(parsed) {
			err = errors.New("must begin with https, unless it is on this machine")
		}
		if err != nil {
			return nil, contract.Invalid(contract.Field("/allowedOrigins", gen.FieldCodeNotAllowed, err.Error()))
		}
		all = append(all, parsed)
	}
	return distinct(all), nil
}

// isSafeOrigin tells whether nobody on the way can change what pages of an origin do.
func isSafeOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}

// distinct is a list in its order without what it says twice.
func distinct(all []string) []string {
	once := []string{}
	for _, text := range all {
		if !slices.Contains(once, text) {
			once = append(once, text)
		}
	}
	return once
}

// widgetSlugTaken says of a widget that cannot be there because of its slug that this is why.
func widgetSlugTaken(err error) error {
	if errors.Is(err, store.ErrDuplicate) {
		return contract.Conflict("There is such a widget already", "another widget of the community has this slug")
	}
	return err
}

// widgetNamed finds a widget with which the caller may do the operation of the request.
func widgetNamed(ctx context.Context, q store.Queries, id string) (w gen.Widget, err error) {
	if w, err = q.Widgets.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return w, contract.NotFound("widget")
	}
	if err == nil {
		_, err = require(ctx, q, w.CommunityID, "widget")
	}
	return w, err
}

// GetWidget shows a widget.
func (h widgets) GetWidget(ctx context.Context, r stub.GetWidgetRequestObject) (stub.GetWidgetResponseObject, error) {
	w, err := widgetNamed(ctx, h.store.Queries, r.WidgetID)
	if err != nil {
		return nil, err
	}
	return stub.GetWidget200JSONResponse{Meta: application(http.StatusOK), Message: "Read widget success.", Data: w}, nil
}

// UpdateWidget changes what is given of a widget.
func (h widgets) UpdateWidget(ctx context.Context, r stub.UpdateWidgetRequestObject) (stub.UpdateWidgetResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateWidget200JSONResponse, err error) {
		before, err := widgetNamed(ctx, tx.Queries, r.WidgetID)
		if err != nil {
			return answer, err
		}
		after := before
		if err := changeWidget(ctx, tx, &after, *r.Body); err != nil {
			return answer, err
		}
		if !same(&before, &after) {
			after.UpdatedAt = gen.Time{Time: h.now()}
		}
		if err := widgetSlugTaken(tx.Widgets.Update(ctx, after)); err != nil {
			return answer, err
		}
		answer = stub.UpdateWidget200JSONResponse{Meta: application(http.StatusOK), Message: "Update widget success.", Data: after}
		return answer, record(ctx, h.core, tx, after.CommunityID, after.ID, &before, &after)
	})
}

// DeleteWidget ends a widget.
func (h widgets) DeleteWidget(ctx context.Context, r stub.DeleteWidgetRequestObject) (stub.DeleteWidgetResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteWidget200JSONResponse, err error) {
		gone, err := widgetNamed(ctx, tx.Queries, r.WidgetID)
		if err != nil {
			return answer, err
		}
		if err := tx.Widgets.Delete(ctx, gone.ID); err != nil {
			return answer, err
		}
		answer = stub.DeleteWidget200JSONResponse{Meta: application(http.StatusOK), Message: "Delete widget success.", Data: gone}
		return answer, record(ctx, h.core, tx, gone.CommunityID, gone.ID, &gone, nil)
	})
}

// ListWidgetAccessKeys shows the pairs of a community.
func (h widgets) ListWidgetAccessKeys(ctx context.Context, r stub.ListWidgetAccessKeysRequestObject) (stub.ListWidgetAccessKeysResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.Widgets.ListAccessKeys(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	answer := stub.ListWidgetAccessKeys200JSONResponse{Meta: application(http.StatusOK), Message: "Read widget access keys success.", Data: []gen.WidgetAccessKey{}}
	for _, one := range found {
		answer.Data = append(answer.Data, one.WidgetAccessKey)
	}
	return answer, nil
}

// CreateWidgetAccessKey makes a pair. Its key is shown here, and never again.
func (h widgets) CreateWidgetAccessKey(ctx context.Context, r stub.CreateWidgetAccessKeyRequestObject) (stub.CreateWidgetAccessKeyResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.WidgetAccessKeyResponse, err error) {
		if err := keys(h).requireSession(ctx, tx); err != nil {
			return body, err
		}
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		secret, err := h.newCredential()
		if err != nil {
			return body, err
		}
		made := gen.WidgetAccessKey{
			ID: h.newID(), CommunityID: s.ID, Name: r.Body.Name, AccessKey: masked(secret), UserID: int32(s.actor.account), IsTrusted: true,
			CreatedAt: gen.Time{Time: h.now()},
		}
		made.AccessID = made.ID
		if made.AllowedOrigins, err = originsOf(r.Body.AllowedOrigins); err != nil {
			return body, err
		}
		if err := tx.Widgets.InsertAccessKey(ctx, store.WidgetAccessKey{WidgetAccessKey: made, Hash: hashOf(secret)}); err != nil {
			return body, err
		}
		if err := record(ctx, h.core, tx, s.ID, made.ID, nil, &made); err != nil {
			return body, err
		}
		made.AccessKey = secret
		return gen.WidgetAccessKeyResponse{Meta: application(http.StatusCreated), Message: "Create widget access key success.", Data: made}, nil
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateWidgetAccessKey201JSONResponse{Body: body, Headers: stub.CreateWidgetAccessKey201ResponseHeaders(again)}, nil
}

// DeleteWidgetAccessKey ends a pair.
func (h widgets) DeleteWidgetAccessKey(ctx context.Context, r stub.DeleteWidgetAccessKeyRequestObject) (stub.DeleteWidgetAccessKeyResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteWidgetAccessKey200JSONResponse, err error) {
		found, err := tx.Widgets.GetAccessKey(ctx, r.WidgetAccessKeyID)
		if errors.Is(err, store.ErrNotFound) {
			err = contract.NotFound("widget access key")
		}
		if err == nil {
			_, err = require(ctx, tx.Queries, found.CommunityID, "widget access key")
		}
		if err != nil {
			return answer, err
		}
		if err := tx.Widgets.DeleteAccessKey(ctx, found.ID); err != nil {
			return answer, err
		}
		gone := found.WidgetAccessKey
		answer = stub.DeleteWidgetAccessKey200JSONResponse{Meta: application(http.StatusOK), Message: "Delete widget access key success.", Data: gone}
		return answer, record(ctx, h.core, tx, gone.CommunityID, gone.ID, &gone, nil)
	})
}
