package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/client/webhook"
)

const (
	readyFrom0 = "id: 1.a\nevent: stream.ready\ndata: {\"resumed\":false}\n\n"
	resumed    = "id: 1.a\nevent: stream.ready\ndata: {\"resumed\":true}\n\n"
)

// left is the event that somebody has left, at a position.
func left(position string) string {
	return fmt.Sprintf("id: %s\nevent: user.left\ndata: {\"id\":%q,\"type\":\"user.left\"}\n\n", position, position)
}

// follow follows a server that gives one answer for each connection, and the last one for ever: what a stream has in it, or the status of a
// failure. It is left after so many events. followed is what has come, and from each connection the position that was asked for.
func follow(t *testing.T, clock *stillClock, most int, answers ...string) (followed, asked []string, err error) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers[min(len(asked), len(answers)-1)]
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		if status, after, failed := strings.Cut(answer, "; Retry-After="); failed {
			code := 0
			fmt.Sscan(status, &code)
			w.Header().Set("Retry-After", after)
			says(code, "{}")(w, r)
			return
		}
		says(200, answer, "Content-Type", "text/event-stream")(w, r)
	}))
	defer web.Close()
	c, err := client.New(web.URL, clock.option(), client.WithRetry(client.Retry{Attempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	for event, err := range c.Webhooks.Follow(t.Context(), "", "0.z") {
		if err != nil {
			return followed, asked, err
		}
		switch of := event.Event.(type) {
		case *client.StreamReady:
			followed = append(followed, fmt.Sprint(event.Position, " ready ", of.Resumed))
		case *webhook.UserLeft:
			followed = append(followed, event.Position+" left")
		default:
			t.Errorf("%T has come", of)
		}
		if len(followed) == most {
			break
		}
	}
	return followed, asked, nil
}

func TestAStreamGoesOnWhereItWas(t *testing.T) {
	got, asked, err := follow(t, newStillClock(), 5,
		resumed+left("2.a")+": a sign of life\n"+"id: 3.a\n\n", // a position without an event
		resumed+left("4.a")+strings.TrimSuffix(left("5.a"), "\n"),
		resumed+left("5.a"),
		readyFrom0,
	)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"1.a ready true", "2.a left", "4.a left", "5.a left", "1.a ready false"}, got); diff != "" {
		t.Error("what has come: ", diff)
	}
	if diff := cmp.Diff([]string{"0.z", "3.a", "4.a", "5.a"}, asked); diff != "" {
		t.Error("the positions that were asked for: ", diff)
	}
}

func TestAStreamWaitsLongerAndLongerUntilItIsThereAgain(t *testing.T) {
	clock := newStillClock()
	failed := "503; Retry-After="
	_, _, err := follow(t, clock, 3, resumed, failed, failed, failed+"300", failed, "retry: 10\n\n"+left("2.a"), left("3.a"))
	if err != nil {
		t.Error(err)
	}
	const s = time.Second
	want := []time.Duration{s * 3 / 2, 3 * s, 6 * s, 450 * s, 45 * s, 15 * time.Millisecond}
	if diff := cmp.Diff(want, clock.waits); diff != "" {
		t.Error(diff)
	}
}

func TestAStreamEndsWithWhatNoOtherConnectionMends(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []string
		want    error
	}{
		"a credential that has ended":                {[]string{resumed, "401; Retry-After="}, client.ErrUnauthenticated},
		"a first connection that is refused for now": {[]string{"503; Retry-After="}, client.ErrUnavailable},
		"an event without an end":                    {[]string{resumed, "data: " + strings.Repeat("x", 5<<20)}, nil},
		"an event that is no JSON":                   {[]string{resumed, "event: user.left\ndata: {\n\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, asked, err := follow(t, newStillClock(), 9, tt.answers...)
			if err == nil || !errors.Is(err, tt.want) && tt.want != nil || len(asked) != len(tt.answers) {
				t.Errorf("got %v after %d connections, want %v after %d", err, len(asked), tt.want, len(tt.answers))
			}
		})
	}
}

func TestAStreamToWhereNothingIsFailsAsACallDoes(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	c, err := client.New(web.URL, newStillClock().option())
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	for _, err = range c.Webhooks.Follow(t.Context(), "", "") {
		events++
	}
	if err == nil || events != 1 {
		t.Errorf("got %v as the last of %d", err, events)
	}
}

func TestAStreamEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, resumed)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer web.Close()
	c, err := client.New(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, err = range c.Webhooks.Follow(ctx, "", "") {
		cancel()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
