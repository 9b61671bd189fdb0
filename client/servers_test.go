package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	serverJSON = `{"_id":"66a282dab13eee0013cbb4d8","name":"Chess club","image":null,"owner":{"id":"2"},"__v":0,
		"roles":["66a282dab13eee0013cbb4da"],"categories":[],"leaderboards":[],"languageSettings":[],"id":"66a282dab13eee0013cbb4d8"}`
	createdJSON = `{"_id":"66a282dab13eee0013cbb4d8","name":"Chess club","image":"http://a.test/images/66a282dab13eee0013cbb4d9",
		"owner":{"id":"2"},"__v":0,"id":"66a282dab13eee0013cbb4d8"}`
	roleJSON = `{"_id":"66a282dab13eee0013cbb4da","order":10000,"billable":false,"title":"@all","description":"Every member",
		"serverPermissions":{"allow_dm":true},"channelPermissions":{"share_Attachments":true},"class":"gray",
		"serverId":"66a282dab13eee0013cbb4d8","createdAt":"2026-03-01T16:50:17.610Z","updatedAt":"2026-03-01T16:50:17.610Z","__v":0}`
	channelJSON = `{"topic":"openings","description":"","permissions":[],"userId":"2","serverId":"66a282dab13eee0013cbb4d8",
		"channelType":"open","_id":"66a282dab13eee0013cbb4db","createdAt":"2026-03-01T16:50:17.610Z",
		"updatedAt":"2026-03-01T16:50:17.610Z","__v":0}`
)

func envelope(body string) string {
	return `{"meta":{"success":true,"message":"Done","devMessage":""},"body":` + body + `}`
}

func null[T any]() client.Nullable[T] { return gen.Null[T]() }

func TestEveryMethodMakesItsRequestAndReturnsItsValue(t *testing.T) {
	moment := client.Time{Time: time.Date(2026, 3, 1, 16, 50, 17, 610e6, time.UTC)}
	server := client.Server{
		ID: id, RepeatedID: id, Name: "Chess club", Image: null[string](), Owner: client.ServerOwner{Number: "2"},
		Roles: []string{"66a282dab13eee0013cbb4da"}, Categories: []string{}, Leaderboards: []string{}, LanguageSettings: []string{},
	}
	created := client.CreatedServer{ID: id, RepeatedID: id, Name: "Chess club", Owner: client.ServerOwner{Number: "2"}}
	created.Image = gen.NullableOf("http://a.test/images/66a282dab13eee0013cbb4d9")

	type services = *client.ServersService
	for _, tt := range []struct {
		name    string
		call    func(context.Context, services) (any, error)
		request string
		status  int
		body    string
		want    any
	}{
		{
			"List", func(ctx context.Context, s services) (any, error) { return s.List(ctx) },
			"GET /servers", 200, "[" + serverJSON + "]", []client.Server{server},
		},
		{
			"List of none", func(ctx context.Context, s services) (any, error) { return s.List(ctx) },
			"GET /servers", 200, "[]", []client.Server{},
		},
		{
			"Create", func(ctx context.Context, s services) (any, error) {
				return s.Create(ctx, client.ServerCreate{Name: "Chess club"})
			},
			"POST /servers", 201, createdJSON, &created,
		},
		{
			"Get", func(ctx context.Context, s services) (any, error) { return s.Get(ctx, id) },
			"GET /servers/" + id, 200, serverJSON, &server,
		},
		{
			"Update", func(ctx context.Context, s services) (any, error) {
				return s.Update(ctx, id, client.ServerUpdate{Name: new("x")})
			},
			"PUT /servers/" + id, 200, serverJSON, &server,
		},
		{
			"Delete", func(ctx context.Context, s services) (any, error) { return nil, s.Delete(ctx, id) },
			"DELETE /servers/" + id, 200, "{}", nil,
		},
		{
			"Join", func(ctx context.Context, s services) (any, error) { return s.Join(ctx, id) },
			"POST /servers/" + id + "/join", 200, serverJSON, &server,
		},
		{
			"Leave", func(ctx context.Context, s services) (any, error) { return nil, s.Leave(ctx, id) },
			"POST /servers/" + id + "/leave", 200, "{}", nil,
		},
		{
			"Visit", func(ctx context.Context, s services) (any, error) { return s.Visit(ctx, id) },
			"POST /servers/" + id + "/visit", 200, `{"day":"2026-03-01","counted":true,"visits":12}`,
			&client.Visit{Day: client.Date{Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}, Counted: true, Visits: 12},
		},
		{
			"Roles", func(ctx context.Context, s services) (any, error) { return s.Roles(ctx, id) },
			"GET /servers/" + id + "/roles", 200, "[" + roleJSON + "]",
			[]client.Role{{
				ID: "66a282dab13eee0013cbb4da", Order: 10000, Title: "@all", Description: "Every member", Class: "gray",
				ServerPermissions:  client.ServerPermissions{AllowDM: true},
				ChannelPermissions: client.ChannelPermissions{ShareAttachments: true},
				ServerID:           id, CreatedAt: moment, UpdatedAt: moment,
			}},
		},
		{
			"Channels", func(ctx context.Context, s services) (any, error) { return s.Channels(ctx, id) },
			"GET /servers/" + id + "/channels", 200, "[" + channelJSON + "]",
			[]client.Channel{{
				ID: "66a282dab13eee0013cbb4db", Topic: "openings", Permissions: []string{}, UserID: "2", ServerID: id,
				ChannelType: client.ChannelOpen, CreatedAt: moment, UpdatedAt: moment,
			}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var request string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				request = r.Method + " " + r.RequestURI
				says(tt.status, envelope(tt.body))(w, r)
			})
			got, err := tt.call(t.Context(), c.Servers)
			if err != nil {
				t.Fatal(err)
			}
			if request != tt.request {
				t.Errorf("asked for %q, want %q", request, tt.request)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}

			c = serve(t, says(404, `{"meta":{"success":false,"message":"No"},"body":{"code":"not_found"}}`))
			if _, err := tt.call(t.Context(), c.Servers); !errors.Is(err, client.ErrNotFound) {
				t.Errorf("from a 404: got %v, want ErrNotFound", err)
			}
		})
	}
}

func TestWhatIsNotAnIdIsNotAsked(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s %s", r.Method, r.RequestURI) })
	s, ctx := c.Servers, t.Context()
	balance := func(id, user string) error { _, err := c.Badges.Balance(ctx, id, user); return err }
	update := func(id, key string) error { _, err := c.Keys.Update(ctx, id, key, client.APIKeyUpdate{}); return err }
	remove := func(id, key string) error { _, err := c.Keys.Delete(ctx, id, key); return err }
	for _, bad := range []string{"", ".", ".."} {
		for name, call := range map[string]func() error{
			"Get":    func() error { _, err := s.Get(ctx, bad); return err },
			"Update": func() error { _, err := s.Update(ctx, bad, client.ServerUpdate{Name: new("x")}); return err },
			"Delete": func() error { return s.Delete(ctx, bad) },
			"Join":   func() error { _, err := s.Join(ctx, bad); return err },
			"Leave":  func() error { return s.Leave(ctx, bad) },
			"Visit":  func() error { _, err := s.Visit(ctx, bad); return err },
			"Members": func() (err error) {
				for _, err = range s.Members(ctx, bad) {
				}
				return err
			},
			"Audit": func() (err error) {
				for _, err = range c.Audit.List(ctx, bad) {
				}
				return err
			},
			"Balance":         func() error { return balance(bad, "2") },
			"Balance of user": func() error { return balance(id, bad) },
			"Roles":           func() error { _, err := s.Roles(ctx, bad); return err },
			"Channels":        func() error { _, err := s.Channels(ctx, bad); return err },
			"Image":           func() error { _, err := s.Image(ctx, "http://a.test/images/"+bad); return err },

			"Channels.Update":    func() error { _, err := c.Channels.Update(ctx, bad, client.ChannelUpdate{}); return err },
			"Channels.Delete":    func() error { return c.Channels.Delete(ctx, bad) },
			"Roles.Update":       func() error { _, err := c.Roles.Update(ctx, bad, client.RoleUpdate{}); return err },
			"Roles.Delete":       func() error { return c.Roles.Delete(ctx, bad) },
			"Roles.OfUser":       func() error { _, err := c.Roles.OfUser(ctx, id, bad); return err },
			"Roles.Add":          func() error { _, err := c.Roles.Add(ctx, bad, "2"); return err },
			"Roles.Remove":       func() error { _, err := c.Roles.Remove(ctx, bad, "2"); return err },
			"Badges.Update":      func() error { _, err := c.Badges.Update(ctx, bad, client.BadgeUpdate{}); return err },
			"Badges.Delete":      func() error { return c.Badges.Delete(ctx, bad) },
			"Badges.Award":       func() error { _, err := c.Badges.Award(ctx, bad, "2"); return err },
			"Badges.Remove":      func() error { return c.Badges.Remove(ctx, bad, "2") },
			"Keys.List":          func() error { _, err := c.Keys.List(ctx, bad); return err },
			"Keys.Create":        func() error { _, err := c.Keys.Create(ctx, bad, client.APIKeyCreate{}); return err },
			"Keys.Update":        func() error { return update(bad, id) },
			"Keys.Update of key": func() error { return update(id, bad) },
			"Keys.Delete":        func() error { return remove(bad, id) },
			"Keys.Delete of key": func() error { return remove(id, bad) },
		} {
			if err := call(); !errors.Is(err, client.ErrInvalidRequest) || !strings.Contains(err.Error(), strconv.Quote(bad)) {
				t.Errorf("%s of %q: got %v, want ErrInvalidRequest", name, bad, err)
			}
		}
	}
}

func TestAnIdStaysInItsPlaceInThePath(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.RequestURI
		io.WriteString(w, nothing)
	})
	for odd, want := range map[string]string{
		"a/b":        "/servers/a%2Fb",
		"../x":       "/servers/..%2Fx",
		"a?b=c#d":    "/servers/a%3Fb=c%23d",
		"%2e%2e":     "/servers/%252e%252e",
		"ä ö":        "/servers/%C3%A4%20%C3%B6",
		"http://x":   "/servers/http:%2F%2Fx",
		"line\nfeed": "/servers/line%0Afeed",
		"...":        "/servers/...",
	} {
		if err := c.Servers.Delete(t.Context(), odd); err != nil || got != want {
			t.Errorf("%q: asked for %q (%v), want %q", odd, got, err, want)
		}
	}
}

func TestAnImageIsFoundByItsAddressOrItsId(t *testing.T) {
	for _, address := range []string{id, "/images/" + id, "https://other.test/api/v1/images/" + id} {
		var asked string
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked = r.RequestURI
			says(200, "a picture", "Content-Type", "image/webp")(w, r)
		})
		image, err := c.Servers.Image(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(image)
		if err != nil || string(content) != "a picture" || image.ContentType != "image/webp" || image.Size != 9 {
			t.Errorf("%s: got %q, %q, %d bytes, %v", address, content, image.ContentType, image.Size, err)
		}
		if err := image.Close(); err != nil {
			t.Error(err)
		}
		if want := "/images/" + id; asked != want {
			t.Errorf("%s: asked for %q, want %q", address, asked, want)
		}
	}
}

func TestWhatIsNotAnImageIsAnError(t *testing.T) {
	leavesNothingRunning(t)
	ctx := context.Background() // Nothing but the end of the call ends these requests.
	c := serve(t, says(404, `{"status":"error","message":"No such image","data":{"code":"not_found"}}`))
	if image, err := c.Servers.Image(ctx, id); image != nil || !errors.Is(err, client.ErrNotFound) {
		t.Errorf("got %v and %v, want ErrNotFound", image, err)
	}
	c = serve(t, says(200, "<html>", "Content-Type", "text/html"))
	image, err := c.Servers.Image(ctx, id)
	if image != nil || err == nil || !strings.HasSuffix(err.Error(), "it is not an image") {
		t.Errorf("got %v and %v, want an error", image, err)
	}
}

func TestAnImageIsReadUpTo32MiB(t *testing.T) {
	leavesNothingRunning(t)
	const limit = 32 << 20
	for _, size := range []int{limit, limit + 1, 2 * limit} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			spaces(w, size)
		})
		image, err := c.Servers.Image(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		defer image.Close()
		if image.Size != -1 {
			t.Errorf("got size %d of an image of unknown size, want -1", image.Size)
		}
		n, err := io.Copy(io.Discard, image)
		if n != limit {
			t.Errorf("%d bytes of %d were read", n, size)
		}
		if size == limit && err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if size > limit && (err == nil || !strings.Contains(err.Error(), "larger than 32 MiB")) {
			t.Errorf("%d bytes: got %v, want an error", size, err)
		}
		if n, again := image.Read(make([]byte, 10)); n != 0 || size > limit && again == io.EOF {
			t.Errorf("%d bytes, and after that: %d bytes and %v", size, n, again)
		}
	}
}
