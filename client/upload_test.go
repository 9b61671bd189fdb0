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
)

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

func TestTheFormHasWhatIsGivenAndNothingElse(t *testing.T) {
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
}

func TestAnUploadAfterTheEndOfTheContextReadsNothing(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	image := &source{size: -1}
	_, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess", Image: image})
	if !errors.Is(err, context.Canceled) || image.read.Load() != 0 {
		t.Errorf("got %v after %d bytes, want context.Canceled and none", err, image.read.Load())
	}
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
