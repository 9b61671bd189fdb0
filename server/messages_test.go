package server

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// talkers are a client in a server with a channel, and its owner.
type talkers struct {
	*client.Client
	server, channel string
}

func talkersOn(t *testing.T, s *Server, kind client.ChannelType) talkers {
	t.Helper()
	c := must(client.New(listen(t, s), client.WithToken(tokenOf(t, s, "anna@example.com"))))
	server := must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
	channel := must(c.Channels.Create(t.Context(), client.ChannelCreate{ServerID: server.ID, Topic: "openings", ChannelType: kind}))
	return talkers{c, server.ID, channel.ID}
}

func (c talkers) uploads(t *testing.T, name string) client.MessageImage {
	t.Helper()
	return must(c.Messages.UploadImages(t.Context(), c.server, client.MessageImageFile{Name: name, Content: strings.NewReader(onePixel)}))[0]
}

func (c talkers) sends(t *testing.T, in client.MessageCreate) string {
	t.Helper()
	in.ChannelID = c.channel
	return must(c.Messages.Send(t.Context(), in)).MessageID
}

func TestAnImageThatNoMessageHasEndsAfterADay(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		c := talkersOn(t, s, client.ChannelOpen)
		used, unused := c.uploads(t, "used.png"), c.uploads(t, "unused.png")
		c.sends(t, client.MessageCreate{Images: []string{used.URL}})
		now := s.now()
		for _, step := range []struct {
			later time.Duration
			want  int
		}{{unusedImageLife - time.Minute, http.StatusOK}, {unusedImageLife + time.Minute, http.StatusNotFound}} {
			k := *s.core
			k.now = func() time.Time { return now.Add(step.later) }
			for range 2 { // the second sweep removes the files of what left in the first
				if err := (sweeper{core: &k}).Work(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			for id, want := range map[string]int{used.ID: http.StatusOK, unused.ID: step.want} {
				if status := imageStatus(s, id); status != want {
					t.Errorf("%v later, the image answers %d, want %d", step.later, status, want)
				}
			}
		}
		if left := filesOf(t, config); !slices.Equal(left, []string{used.ID}) {
			t.Errorf("left are %v, want %v", left, used.ID)
		}
	})
}

// A meanwhile is the end of a body, at which something is done first.
type meanwhile func()

func (do meanwhile) Read([]byte) (int, error) {
	do()
	return 0, io.EOF
}

func TestAnUploadThatLastsLongerThanTheAccessKeepsNothing(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		upload := func(end meanwhile) int {
			var frame bytes.Buffer
			form := multipart.NewWriter(&frame)
			form.CreateFormFile("images", "x.png")
			head := bytes.Clone(frame.Bytes())
			form.Close()
			r := httptest.NewRequest("POST", "/apis/v1/messages/upload-image?serverId="+c.id,
				io.MultiReader(bytes.NewReader(head), strings.NewReader(onePixel), end, bytes.NewReader(frame.Bytes()[len(head):])))
			r.Header.Set("Content-Type", form.FormDataContentType())
			r.Header.Set("Authorization", "Bearer "+c.ben)
			return send(c.h, r).Code
		}
		everyone := do[gen.RoleListResponse](t, c.h, "GET", "/servers/"+c.id+"/roles", c.owner, nil).Body
		mute := func() {
			for _, role := range everyone {
				do[gen.RoleResponse](t, c.h, "PUT", "/roles/"+role.ID, c.owner, map[string]any{"title": role.Title, "class": role.Class, "order": role.Order, "billable": false})
			}
		}
		for _, step := range []struct {
			end  meanwhile
			want int
		}{
			{mute, http.StatusForbidden},
			{func() { c.deletes(t) }, http.StatusNotFound},
		} {
			if code := upload(step.end); code != step.want {
				t.Errorf("got %d, want %d", code, step.want)
			}
			if left := filesOf(t, config); len(left) != 0 {
				t.Errorf("left are %v", left)
			}
			for _, role := range everyone {
				do[gen.RoleResponse](t, c.h, "PUT", "/roles/"+role.ID, c.owner, map[string]any{
					"title": role.Title, "class": role.Class, "order": role.Order, "billable": false, "channelPermissions": map[string]any{"attach_files": true},
				})
			}
		}
	})
}

func TestWhatWasSaidInAChannelGoesWithIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		c := talkersOn(t, s, client.ChannelForum)
		topic := must(c.Messages.CreateTopic(t.Context(), c.channel, client.TopicCreate{Title: "Openings"}))
		image := c.uploads(t, "board.png")
		for i := range 5 {
			in := client.MessageCreate{ForumTopicID: topic.ID, Message: "Hello"}
			if i == 0 {
				in.Images = []string{image.URL}
			}
			id := c.sends(t, in)
			if err := c.Messages.React(t.Context(), client.ReactionAdd{MessageID: id, Emoji: "👍"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Channels.Delete(t.Context(), c.channel); err != nil {
			t.Fatal(err)
		}
		all := store.MessageScope{ChannelID: c.channel}
		if n, err := s.store.Messages.Count(t.Context(), all); err != nil || n != 5 {
			t.Fatalf("%d messages are left (%v), so that this test shows nothing", n, err)
		}
		removed := channelRemoval{ChannelID: c.channel}
		if _, err := s.inSteps(t.Context(), func(tx *store.Tx) (bool, error) {
			return removed.deleteRest(t.Context(), tx, 2, s.now())
		}); err != nil {
			t.Fatal(err)
		}
		if n, err := s.store.Messages.Count(t.Context(), all); err != nil || n != 0 {
			t.Errorf("%d messages are counted (%v)", n, err)
		}
		if status := imageStatus(s, path.Base(image.URL)); status != http.StatusNotFound {
			t.Errorf("an image of a message that is gone answers %d", status)
		}
	})
}
