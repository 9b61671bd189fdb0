package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
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

// parts reads a multipart request, each part as "name=content" or "name(file name)=content".
func parts(t *testing.T, r *http.Request) (got []string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		t.Fatalf("Content-Type %q: %v", r.Header.Get("Content-Type"), err)
	}
	for reader := multipart.NewReader(r.Body, params["boundary"]); ; {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Error(err)
			return got
		}
		content, err := io.ReadAll(part)
		if err != nil {
			t.Error(err)
		}
		name := part.FormName()
		if part.FileName() != "" {
			name += "(" + part.FileName() + ")"
		}
		got = append(got, name+"="+string(content))
	}
}

// onlyReader hides everything of a reader but Read.
type onlyReader struct{ io.Reader }

func TestTheFormHoldsWhatIsGivenAndNothingElse(t *testing.T) {
	picture := "\x89PNG\r\n\x1a\n--\r\n\x00\xff"
	for _, tt := range []struct {
		name string
		call func(context.Context, *client.ServersService) error
		want []string
	}{
		{"a name", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Create(ctx, client.ServerCreate{Name: "Schäch \"club\"\r\n"})
			return err
		}, []string{"name=Schäch \"club\"\r\n"}},
		{"an empty name, for the API to judge", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Create(ctx, client.ServerCreate{})
			return err
		}, []string{"name="}},
		{"a name and an image", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Create(ctx, client.ServerCreate{Name: "Chess", Image: strings.NewReader(picture)})
			return err
		}, []string{"name=Chess", "image(image)=" + picture}},
		{"an empty image", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Create(ctx, client.ServerCreate{Name: "Chess", Image: strings.NewReader("")})
			return err
		}, []string{"name=Chess", "image(image)="}},
		{"a new name", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Update(ctx, id, client.ServerUpdate{Name: new("Go")})
			return err
		}, []string{"name=Go"}},
		{"a new image", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Update(ctx, id, client.ServerUpdate{Image: onlyReader{bytes.NewBufferString(picture)}})
			return err
		}, []string{"image(image)=" + picture}},
		{"both", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Update(ctx, id, client.ServerUpdate{Name: new(""), Image: onlyReader{strings.NewReader(picture)}})
			return err
		}, []string{"name=", "image(image)=" + picture}},
		{"neither, for the API to judge", func(ctx context.Context, s *client.ServersService) error {
			_, err := s.Update(ctx, id, client.ServerUpdate{})
			return err
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = parts(t, r)
				io.WriteString(w, nothing)
			})
			if err := tt.call(t.Context(), c.Servers); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// source is a file of size bytes, or one without end if size is negative, that counts what was read of it.
type source struct {
	size int64
	err  error // Instead of io.EOF.
	read atomic.Int64
}

func (s *source) Read(p []byte) (int, error) {
	left := s.size - s.read.Load()
	if s.size >= 0 && left == 0 {
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	}
	if s.size >= 0 && int64(len(p)) > left {
		p = p[:left]
	}
	for i := range p {
		p[i] = byte(i)
	}
	s.read.Add(int64(len(p)))
	return len(p), nil
}

// leavesNothingRunning fails the test if there are more goroutines after it and its clean-ups than there were before.
func leavesNothingRunning(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 200 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		var stacks strings.Builder
		pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines, %d before the test:\n%s", runtime.NumGoroutine(), before, stacks.String())
	})
}

func TestAnImageIsSentAsItIsRead(t *testing.T) {
	leavesNothingRunning(t)
	const size = 64 << 20
	image := &source{size: size}
	var received int64
	sum := sha256.New()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		reader := multipart.NewReader(r.Body, params["boundary"])
		reader.NextPart()
		part, err := reader.NextPart()
		if err != nil {
			t.Error(err)
			return
		}
		for range 64 {
			n, err := io.CopyN(sum, part, 1<<20)
			if received += n; err != nil {
				t.Error(err)
				return
			}
			// Beyond what has arrived, no more has been read than fits into the buffers of a connection.
			if ahead := image.read.Load() - received; ahead > 24<<20 {
				t.Errorf("%d bytes have been read ahead", ahead)
				return
			}
		}
		io.Copy(io.Discard, part)
		says(201, envelope(createdJSON))(w, r)
	})
	if _, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: image}); err != nil {
		t.Fatal(err)
	}
	want := sha256.New()
	io.Copy(want, onlyReader{&source{size: size}})
	if received != size || !bytes.Equal(sum.Sum(nil), want.Sum(nil)) {
		t.Errorf("%d bytes arrived, or others than were sent", received)
	}
}

func TestAnErrorOfTheReaderIsTheErrorOfTheCall(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for _, size := range []int64{0, 100, 10 << 20} {
		for _, cause := range []error{broken, io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", broken)} {
			t.Run(fmt.Sprint(cause, " after ", size), func(t *testing.T) {
				leavesNothingRunning(t)
				c := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err == nil {
						t.Error("the server took half a form for a whole one")
					}
					says(400, `{"meta":{"success":false,"message":"Not a form"},"body":{"code":"invalid_request"}}`)(w, r)
				})
				for _, call := range []func(io.Reader) error{
					func(r io.Reader) error {
						_, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: r})
						return err
					},
					func(r io.Reader) error {
						_, err := c.Servers.Update(t.Context(), id, client.ServerUpdate{Image: r})
						return err
					},
				} {
					err := call(&source{size: size, err: cause})
					if !errors.Is(err, cause) {
						t.Errorf("got %v, want %v", err, cause)
					}
					if want := "rejoin: reading the file to upload: " + cause.Error(); err.Error() != want {
						t.Errorf("got %q, want %q", err, want)
					}
				}
			})
		}
	}
}

func TestAServerThatRefusesBeforehandIsNotSentTheImage(t *testing.T) {
	leavesNothingRunning(t)
	c := serve(t, says(401, `{"meta":{"success":false,"message":"Log in"},"body":{"code":"unauthenticated"}}`))
	start := time.Now()
	for range 30 {
		image := &source{size: -1}
		_, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: image})
		if !errors.Is(err, client.ErrUnauthenticated) {
			t.Errorf("got %v, want ErrUnauthenticated", err)
		}
		if n := image.read.Load(); n != 0 {
			t.Errorf("%d bytes of the image were read", n)
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("that took %v: something waited for a reader that was not in use", took)
	}
}

func TestAServerThatAnswersHalfWayEndsTheUpload(t *testing.T) {
	leavesNothingRunning(t)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		// Without what follows the answer, the connection would be reset, and the answer may be lost with it.
		answer := http.NewResponseController(w)
		answer.EnableFullDuplex()
		io.CopyN(io.Discard, r.Body, 1<<20)
		const text = `{"meta":{"success":false,"message":"Too large"},"body":{"code":"payload_too_large"}}`
		says(413, text, "Content-Length", strconv.Itoa(len(text)))(w, r)
		answer.Flush()
		io.Copy(io.Discard, r.Body)
	})
	image := &source{size: -1}
	_, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: image})
	if !errors.Is(err, client.ErrPayloadTooLarge) {
		t.Errorf("got %v, want ErrPayloadTooLarge", err)
	}
	after := image.read.Load()
	time.Sleep(50 * time.Millisecond)
	if n := image.read.Load(); n != after {
		t.Errorf("the image was still read after the call: %d bytes more", n-after)
	}
}

func TestTheEndOfTheContextEndsAnUpload(t *testing.T) {
	leavesNothingRunning(t)
	release := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 1<<20)
		<-release
	})
	t.Cleanup(func() { close(release) })

	t.Run("while it is sent", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: &source{size: -1}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
	})
	t.Run("while a reader blocks", func(t *testing.T) {
		blocked, unblock := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: blocked})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
		unblock.CloseWithError(errors.New("too late to matter"))
	})
	t.Run("while a reader fails because of it", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		late := readerFunc(func([]byte) (int, error) {
			<-ctx.Done()
			time.Sleep(20 * time.Millisecond)
			return 0, errors.New("no more")
		})
		_, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: late})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
	})
	t.Run("by the Timeout of the http.Client while a reader blocks", func(t *testing.T) {
		blocked, unblock := io.Pipe()
		defer unblock.Close()
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		hc := &http.Client{Transport: transport, Timeout: 100 * time.Millisecond}
		c := serve(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, client.WithHTTPClient(hc))
		_, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: blocked})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
	})
	t.Run("before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		image := &source{size: -1}
		_, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: image})
		if !errors.Is(err, context.Canceled) || image.read.Load() != 0 {
			t.Errorf("got %v after %d bytes, want context.Canceled and none", err, image.read.Load())
		}
	})
}

func TestAnAnswerDoesNotWaitForAReaderThatBlocks(t *testing.T) {
	leavesNothingRunning(t)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 10))
		says(403, `{"meta":{"success":false,"message":"No"},"body":{"code":"permission_denied"}}`, "Connection", "close")(w, r)
	})
	blocked, unblock := io.Pipe()
	defer unblock.Close()
	_, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: blocked})
	if !errors.Is(err, client.ErrPermissionDenied) {
		t.Errorf("got %v, want ErrPermissionDenied", err)
	}
}

// The race detector is the judge of this one.
func TestTheReaderIsFreeAfterTheCall(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 64<<10)
		says(413, "")(w, r)
	})
	for range 20 {
		image := bytes.NewBuffer(make([]byte, 8<<20))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
		c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: image})
		cancel()
		image.Reset()
		image.WriteString("another picture")
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestTheReaderOfAnImageIsNotClosed(t *testing.T) {
	c := serve(t, says(201, envelope(createdJSON)))
	image := &closer{Reader: strings.NewReader("a picture")}
	if _, err := c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess", Image: image}); err != nil {
		t.Fatal(err)
	}
	if image.closed {
		t.Error("it was closed, and it is not ours")
	}
}

// members serves a list of n members, in pages as large as they are asked for but no larger than most, and counts requests.
func members(n, most int, requests *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*requests = append(*requests, r.RequestURI)
		first, _ := strconv.Atoi(strings.TrimPrefix(r.FormValue("cursor"), "after-"))
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		end := min(first+min(limit, most), n)
		var items []string
		for i := first; i < end; i++ {
			items = append(items, fmt.Sprintf(`{"id":"%d"}`, i+1))
		}
		next := ""
		if end < n {
			next = fmt.Sprintf(`,"nextCursor":"after-%d"`, end)
		}
		fmt.Fprintf(w, `{"meta":{"success":true,"page":1,"limit":%d,"total":%d%s},"body":[%s]}`, limit, n, next, strings.Join(items, ","))
	}
}

func TestMembersComeInPagesUntilOneHasNoNext(t *testing.T) {
	for _, tt := range []struct {
		name              string
		n, most, requests int
	}{
		{"none", 0, 100, 1},
		{"one", 1, 100, 1},
		{"a page but one", 99, 100, 1},
		{"exactly one page", 100, 100, 1},
		{"several pages", 250, 100, 3},
		{"smaller pages than asked for", 45, 20, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests []string
			c := serve(t, members(tt.n, tt.most, &requests))
			all := c.Servers.Members(t.Context(), id)
			if len(requests) != 0 {
				t.Error("asked before it was ranged over")
			}
			for round := range 2 { // Ranging again begins again.
				requests = nil
				count := 0
				for member, err := range all {
					if err != nil {
						t.Fatal(err)
					}
					if count++; member.Number != strconv.Itoa(count) {
						t.Fatalf("member %d is %s", count, member.Number)
					}
				}
				if count != tt.n || len(requests) != tt.requests {
					t.Errorf("round %d: %d members by %d requests, want %d by %d", round, count, len(requests), tt.n, tt.requests)
				}
				for i, got := range requests {
					want := fmt.Sprintf("/servers/%s/members?limit=100", id)
					if i > 0 {
						want += fmt.Sprintf("&cursor=after-%d", i*tt.most)
					}
					if got != want {
						t.Errorf("asked for %q, want %q", got, want)
					}
				}
			}
		})
	}
}

func TestPagesThatDoNotGoOnAreAnError(t *testing.T) {
	for name, tt := range map[string]struct {
		items, requests, members int
	}{
		"always the same one": {100, 2, 100},
		"nothing, and more":   {0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			items := strings.TrimSuffix(strings.Repeat(`{"id":"1"},`, tt.items), ",")
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				fmt.Fprintf(w, `{"meta":{"success":true,"page":1,"limit":100,"total":100,"nextCursor":"same"},"body":[%s]}`, items)
			})
			members, last := 0, error(nil)
			for _, err := range c.Servers.Members(t.Context(), id) {
				if last = err; err == nil {
					members++
				}
			}
			if last == nil || !strings.Contains(last.Error(), "rejoin: the list cannot be used: page after page, it does not go on") {
				t.Errorf("got %v", last)
			}
			if members != tt.members || requests != tt.requests {
				t.Errorf("%d members by %d requests, want %d by %d", members, requests, tt.members, tt.requests)
			}
			for _, err := range c.Audit.List(t.Context(), id) {
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), "it does not go on") {
				t.Errorf("the audit trail: got %v", last)
			}
		})
	}
}

func TestAListThatHasNoEndIsLeft(t *testing.T) {
	asked, last := "", error(nil)
	for _, err := range client.Pages(func(cursor string) { asked = cursor }) {
		last = err
	}
	if asked != "999999" || last == nil || !strings.Contains(last.Error(), "it does not end with page 1000000") {
		t.Errorf("got %v after page %s", last, asked)
	}
}

func TestMembersStopWhereTheLoopIsLeft(t *testing.T) {
	for stop, requests := range map[int]int{1: 1, 99: 1, 100: 1, 101: 2, 200: 2} {
		var got []string
		c := serve(t, members(1000, 100, &got))
		count := 0
		for _, err := range c.Servers.Members(t.Context(), id) {
			if err != nil {
				t.Fatal(err)
			}
			if count++; count == stop {
				break
			}
		}
		if len(got) != requests {
			t.Errorf("left at member %d: %d requests, want %d", stop, len(got), requests)
		}
	}
}

func TestAnErrorAmongTheMembersComesOnceAndEndsTheLoop(t *testing.T) {
	for name, tt := range map[string]struct {
		bad  http.HandlerFunc
		want func(error) bool
	}{
		"a failure": {
			says(429, `{"meta":{"success":false,"message":"Slow down"},"body":{"code":"rate_limited"}}`),
			func(err error) bool { return errors.Is(err, client.ErrRateLimited) },
		},
		"an unusable answer": {
			says(200, "<html>"),
			func(err error) bool { return strings.Contains(err.Error(), "not the JSON expected") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var requests []string
			good := members(1000, 100, &requests)
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("cursor") == "after-200" {
					requests = append(requests, "bad")
					tt.bad(w, r)
					return
				}
				good(w, r)
			})
			var count, failures int
			for member, err := range c.Servers.Members(t.Context(), id) {
				if err == nil {
					count++
					continue
				}
				if failures++; !tt.want(err) || member.Number != "" {
					t.Errorf("got %v with member %q", err, member.Number)
				}
			}
			if count != 200 || failures != 1 || len(requests) != 3 {
				t.Errorf("%d members and %d errors by %d requests, want 200 and 1 by 3", count, failures, len(requests))
			}
		})
	}
}

func TestTheEndOfTheContextEndsTheMembers(t *testing.T) {
	var requests []string
	c := serve(t, members(1000, 100, &requests))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	count := 0
	for _, err := range c.Servers.Members(ctx, id) {
		if last = err; err == nil {
			if count++; count == 150 {
				cancel()
			}
		}
	}
	if !errors.Is(last, context.Canceled) || count != 200 || len(requests) != 2 {
		t.Errorf("got %v after %d members and %d requests, want context.Canceled after 200 and 2", last, count, len(requests))
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
			t.Errorf("got size %d of an image that does not tell it, want -1", image.Size)
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
