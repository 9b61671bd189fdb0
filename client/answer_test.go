package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
)

func TestASuccessThatIsNotTheJSONExpectedIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string
	}{
		{"a page", "<html>Please log in</html>", "not the JSON expected: invalid character '<'"},
		{"nothing", "", "not the JSON expected: unexpected end"},
		{"half of it", emptyList[:40], "not the JSON expected: unexpected end"},
		{"more than it", emptyList + "{}", "not the JSON expected: invalid character '{'"},
		{"null", "null", "does not say that it succeeded"},
		{"an array", "[]", "not the JSON expected: json: cannot unmarshal array"},
		{"another object", `{"hello":"world"}`, "does not say that it succeeded"},
		{"a failure", `{"meta":{"success":false,"message":"No"},"body":[]}`, "does not say that it succeeded"},
		{"no body in it", `{"meta":{"success":true}}`, "what was asked for is not in it"},
		{"a null body in it", `{"meta":{"success":true},"body":null}`, "what was asked for is not in it"},
		{"another kind of body in it", `{"meta":{"success":true},"body":{}}`, "cannot unmarshal object into Go struct field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			servers, err := serve(t, says(200, tt.body, "Content-Type", "text/x-odd")).Servers.List(t.Context())
			if err == nil || servers != nil {
				t.Fatalf("got %v and error %v, want only an error", servers, err)
			}
			const start = `rejoin: GET /servers: the answer with status 200 and Content-Type "text/x-odd" cannot be used: `
			if !strings.HasPrefix(err.Error(), start) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if _, ok := errors.AsType[*client.Error](err); ok {
				t.Error("it is a *client.Error, but the API reported no failure")
			}
		})
	}
}

func TestASuccessThatBreaksOffIsAnError(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, emptyList)
	})
	if _, err := c.Servers.List(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want io.ErrUnexpectedEOF", err)
	}
}

// spaces writes n bytes that JSON does not mind.
func spaces(w io.Writer, n int) {
	for chunk := strings.Repeat(" ", 1<<20); n > 0; n -= len(chunk) {
		if _, err := io.WriteString(w, chunk[:min(n, len(chunk))]); err != nil {
			return
		}
	}
}

func TestNoMoreThan32MiBOfAnAnswerAreRead(t *testing.T) {
	leavesNothingRunning(t)
	ctx := context.Background() // Nothing but the end of the call ends these requests.
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		spaces(w, 32<<20+1-len(emptyList))
		io.WriteString(w, emptyList)
	})
	if _, err := c.Servers.List(ctx); err == nil || !strings.HasSuffix(err.Error(), "it is larger than 32 MiB") {
		t.Errorf("one byte more: %v", err)
	}

	c = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		spaces(w, 1<<40)
	})
	if _, err := c.Servers.List(ctx); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a failure with an endless body: got %v, want ErrNotFound", err)
	}
}

// zipped makes a handler that gives an answer of some 8 MiB, with an item as often as fits, in a few KB.
func zipped(status int, begin, item, end string) http.HandlerFunc {
	var text bytes.Buffer
	w := gzip.NewWriter(&text)
	io.WriteString(w, begin)
	for n, chunk := 0, strings.Repeat(item+",", 1<<16); n+len(chunk) < 8<<20; n += len(chunk) {
		io.WriteString(w, chunk)
	}
	io.WriteString(w, item+end)
	w.Close()
	return says(status, text.String(), "Content-Encoding", "gzip")
}

// allocated is how many MiB f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) >> 20
}

func TestAnAnswerOfTooManyItemsIsGivenUp(t *testing.T) {
	c := serve(t, zipped(200, `{"meta":{"success":true,"page":1,"total":1},"body":[`, "{}", "]}"))
	for name, call := range map[string]func() error{
		"Servers.List":  func() error { return second(c.Servers.List(t.Context())) },
		"Servers.Roles": func() error { return second(c.Servers.Roles(t.Context(), id)) },
		"Servers.Members": func() (last error) {
			for _, last = range c.Servers.Members(t.Context(), id) {
			}
			return last
		},
	} {
		var err error
		took := allocated(func() { err = call() })
		if err == nil || !strings.HasSuffix(err.Error(), "it is too large: it has more than 10000 items") {
			t.Errorf("%s: got %v", name, err)
		}
		if took > 100 {
			t.Errorf("%s: %d MiB were allocated for an answer of 8", name, took)
		}
	}
}

func TestAnAnswerOfTooManyPartsIsGivenUp(t *testing.T) {
	const good = `{"meta":{"success":true,"page":1,"limit":100,"total":1},"body":`
	for name, tt := range map[string]struct {
		begin, item, end string
		call             func(*client.Client) error
	}{
		"roles of a server": {good + `{"roles":[`, `""`, "]}}",
			func(c *client.Client) error { return second(c.Servers.Get(t.Context(), id)) }},
		"roles of many servers": {good + `[{"roles":[`, `""`, "]}]}",
			func(c *client.Client) error { return second(c.Servers.List(t.Context())) }},
		"an audit trail": {good + `[{"after":{"x":[`, `{}`, "]}}]}",
			func(c *client.Client) error { return second(collect(c.Audit.List(t.Context(), id))) }},
		"a deletion": {good + `{"x":[`, "{}", "]}}",
			func(c *client.Client) error { return c.Servers.Delete(t.Context(), id) }},
	} {
		c := serve(t, zipped(200, tt.begin, tt.item, tt.end))
		var err error
		took := allocated(func() { err = tt.call(c) })
		if err == nil || !strings.HasSuffix(err.Error(), "it is too large: it has more than 1000000 parts") {
			t.Errorf("%s: got %v", name, err)
		}
		if took > 100 {
			t.Errorf("%s: %d MiB were allocated for an answer of 8", name, took)
		}
	}
}

func TestWhatLooksLikePartsInATextIsNone(t *testing.T) {
	name := strings.Repeat(`[{,\"\\`, 200_000)
	c := serve(t, says(200, envelope(`{"name":"`+name+`"}`)))
	server, err := c.Servers.Get(t.Context(), id)
	if err != nil || server.Name != strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(name) {
		t.Errorf("got %v", err)
	}
}

func TestAListMayHave10000Items(t *testing.T) {
	for n, good := range map[int]bool{10_000: true, 10_001: false} {
		c := serve(t, says(200, envelope("["+strings.Repeat(serverJSON+",", n-1)+serverJSON+"]")))
		servers, err := c.Servers.List(t.Context())
		if good && (err != nil || len(servers) != n || servers[n-1].Name != "Chess club") || !good && (err == nil || servers != nil) {
			t.Errorf("%d items: got %d and %v", n, len(servers), err)
		}
	}
}

func TestTheEndOfTheContextEndsACall(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"meta":`)
		http.NewResponseController(w).Flush()
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while reading: got %v, want context.DeadlineExceeded", err)
	}
	if _, err := c.Servers.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beforehand: got %v, want context.DeadlineExceeded", err)
	}
}

func TestTheCauseOfTheEndOfAContextIsFound(t *testing.T) {
	mine := errors.New("the visitor has left")
	hang := func(begin string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if begin != "" {
				says(200, begin, headers...)(w, r)
				http.NewResponseController(w).Flush()
			}
			io.Copy(io.Discard, r.Body) // Until then, the context does not end with the connection.
			<-r.Context().Done()
		}
	}
	list := func(ctx context.Context, c *client.Client) error { return second(c.Servers.List(ctx)) }
	image := func(ctx context.Context, c *client.Client) error {
		image, err := c.Servers.Image(ctx, id)
		if err != nil {
			return err
		}
		defer image.Close()
		return second(io.ReadAll(image))
	}
	create := func(ctx context.Context, c *client.Client) error {
		return second(c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: &source{size: -1}}))
	}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		call    func(context.Context, *client.Client) error
		waits   bool
	}{
		"before the answer": {hang(""), list, false},
		"in the answer":     {hang(`{"meta":`), list, false},
		"in an image":       {hang("a picture", "Content-Type", "image/png"), image, false},
		"in an upload":      {hang(""), create, false},
		"in the wait":       {says(503, "", "Retry-After", "20"), list, true},
	} {
		for _, late := range []bool{false, true} {
			ctx, cancel := context.WithCancelCause(t.Context())
			stop := func() { cancel(nil) }
			if late && tt.waits {
				continue // A wait past the deadline is not begun.
			}
			if late {
				ctx, stop = context.WithTimeoutCause(ctx, 50*time.Millisecond, mine)
			} else {
				time.AfterFunc(50*time.Millisecond, func() { cancel(mine) })
			}
			err := tt.call(ctx, serve(t, tt.handler, client.WithRetry(client.Retry{})))
			if !errors.Is(err, mine) || !errors.Is(err, ctx.Err()) {
				t.Errorf("%s: got %v, want %v and %v", name, err, mine, ctx.Err())
			}
			stop()
		}
	}
}
