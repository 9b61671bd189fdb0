package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// A fake is an S3 service in this process, with a bucket of which a prefix is ours.
type fake struct {
	t       *testing.T
	where   string // the URL of the bucket
	backend gofakes3.Backend
	// before is asked before each request. It answers it itself if it says so.
	before  atomic.Pointer[func(http.ResponseWriter, *http.Request) (answered bool)]
	headers atomic.Pointer[http.Header] // of the newest request
}

func newFake(t *testing.T) *fake {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "the-id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
	f := &fake{t: t, backend: s3mem.New()}
	if err := f.backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	service := gofakes3.New(f.backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Clone()
		f.headers.Store(&header)
		if err := checkSignature(r, "the-secret"); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		if before := f.before.Load(); before != nil && (*before)(w, r) {
			return
		}
		service.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	f.where = "s3://pictures/of/people?endpoint=" + web.URL
	return f
}

// names are the keys in the bucket, without our prefix.
func (f *fake) names() (names []string) {
	f.t.Helper()
	list, err := f.backend.ListBucket("pictures", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, object := range list.Contents {
		name, ours := strings.CutPrefix(object.Key, "of/people/")
		if !ours {
			f.t.Errorf("%s is not below our prefix", object.Key)
		}
		names = append(names, name)
	}
	return names
}

func (f *fake) answer(before func(w http.ResponseWriter, r *http.Request) (answered bool)) {
	f.before.Store(&before)
}

// inBucket opens a store of which a test may change how patient it is.
func inBucket(t *testing.T) (*Store, *fake) {
	t.Helper()
	fake := newFake(t)
	s, _ := openAt(t, fake.where)
	return s, fake
}

func TestARequestIsSignedAndHoldsNoSecret(t *testing.T) {
	s, fake := inBucket(t)
	t.Setenv("AWS_SESSION_TOKEN", "")
	if err := s.Put(t.Context(), "a0", strings.NewReader(pngHead)); err != nil {
		t.Fatal(err)
	}
	header := *fake.headers.Load()
	if signed := header.Get("Authorization"); !strings.HasPrefix(signed, "AWS4-HMAC-SHA256 Credential=the-id/") || !strings.Contains(signed, "/us-east-1/s3/aws4_request") {
		t.Errorf("signed by %q", signed)
	}
	if digest := sha256.Sum256([]byte(pngHead)); header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(digest[:]) {
		t.Errorf("the digest of the content is %q", header.Get("X-Amz-Content-Sha256"))
	}
	for name, values := range header {
		if strings.Contains(strings.Join(values, " "), "the-secret") || name == "Idempotency-Key" {
			t.Errorf("sent %s: %s", name, values)
		}
	}
}

func TestAnUploadToABucketIsNeverInMemoryWholeAndLeavesNoFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var received atomic.Int64
	s, fake := inBucket(t)
	fake.answer(func(w http.ResponseWriter, r *http.Request) bool { // the fake itself reads all of it
		n, _ := io.Copy(io.Discard, r.Body)
		received.Store(n)
		return true
	})
	const size = 64 << 20
	put := func() {
		if err := s.Put(t.Context(), "a0", io.LimitReader(zeros{}, size)); err != nil {
			t.Fatal(err)
		}
	}
	put() // and everything is warm
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	put()
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 || received.Load() != size {
		t.Errorf("an upload of %d bytes allocated %d, and %d arrived", size, allocated, received.Load())
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestABucketThatIsBusyForAMomentIsAskedAgain(t *testing.T) {
	s, fake := inBucket(t)
	var refused atomic.Int32
	fake.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if refused.Add(1)%2 == 0 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
		return true
	})
	const id = "a0"
	if err := s.Put(t.Context(), id, strings.NewReader(pngHead+"whole")); err != nil {
		t.Fatal(err)
	}
	if _, got := contentOf(t, s, id); got != pngHead+"whole" {
		t.Errorf("got %q", got)
	}
}

func TestABucketThatIsAwayIsUnavailableAndNotAHang(t *testing.T) {
	for name, broken := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"hangs": func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true },
		"errors": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		},
		"hangs up": func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
		"is busy": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, fake := inBucket(t)
			if name == "hangs" {
				s.place.(*bucket).patience = 100 * time.Millisecond
			}
			fake.answer(func(w http.ResponseWriter, r *http.Request) bool {
				io.Copy(io.Discard, r.Body) // until then nothing tells that the caller has left
				return broken(w, r)
			})
			if _, err := s.Get(t.Context(), "a0"); !errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) {
				t.Errorf("reading: got %v", err)
			}
			if err := s.Put(t.Context(), "a0", strings.NewReader(pngHead)); !errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) {
				t.Errorf("writing: got %v", err)
			}
		})
	}
}

func TestAnUploadThatMayHaveArrivedIsTakenBack(t *testing.T) {
	s, fake := inBucket(t)
	service := gofakes3.New(fake.backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	fake.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		service.ServeHTTP(httptest.NewRecorder(), r) // and its answer is lost
		panic(http.ErrAbortHandler)
	})
	if err := s.Put(t.Context(), "a0", strings.NewReader(pngHead)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if left := fake.names(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAnImageThatStopsArrivingIsUnavailableAndNotAHang(t *testing.T) {
	s, fake := inBucket(t)
	s.place.(*bucket).patience = 100 * time.Millisecond
	const all = headLength + 10
	for _, sent := range []int{0, 10, headLength} { // the last before the image is told from its head
		fake.answer(func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(all))
			w.Write(make([]byte, sent))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		})
		image, err := s.Get(t.Context(), "a0")
		if err == nil {
			_, err = io.Copy(io.Discard, image)
			image.Close()
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("after %d bytes: got %v", sent, err)
		}
	}
}

// A roundTripper gives the answers of a test to a bucket.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An openBody counts the bodies that nobody has closed.
type openBody struct {
	io.Reader
	open *int
}

func (b openBody) Close() error { *b.open--; return nil }

func TestAnUploadThatArrivesWhenItsCallerHasLeftIsAnErrorAndTakenBack(t *testing.T) {
	s, fake := inBucket(t)
	service := gofakes3.New(fake.backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	ctx, leave := context.WithCancel(t.Context())
	open := 0
	s.place.(*bucket).client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		answer := httptest.NewRecorder()
		service.ServeHTTP(answer, r)
		if r.Method == http.MethodPut {
			leave()
		}
		open++
		result := answer.Result()
		result.Body = openBody{result.Body, &open}
		return result, nil
	})
	if err := s.Put(ctx, "a0", strings.NewReader(pngHead)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was called off", err)
	}
	if left := fake.names(); len(left) > 0 || open != 0 {
		t.Errorf("%v are left, and %d answers are open", left, open)
	}
}

func TestWhoLeavesIsNotABucketThatIsAway(t *testing.T) {
	s, fake := inBucket(t)
	ctx, leave := context.WithCancel(t.Context())
	fake.answer(func(_ http.ResponseWriter, r *http.Request) bool { leave(); <-r.Context().Done(); return true })
	if _, err := s.Get(ctx, "a0"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestOpeningABucketSaysWhatIsWrongWithIt(t *testing.T) {
	fake := newFake(t)
	status := func(code int, header ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	pass := func(http.ResponseWriter, *http.Request) bool { return false }
	for name, test := range map[string]struct {
		where  string
		before func(http.ResponseWriter, *http.Request) bool
		want   string
	}{
		"no bucket":       {strings.Replace(fake.where, "pictures", "paintings", 1), pass, "there is no such bucket"},
		"not ours":        {fake.where, status(http.StatusForbidden), "the bucket answers 403: the credentials are not good for it"},
		"another region":  {fake.where, status(http.StatusMovedPermanently, "X-Amz-Bucket-Region", "eu-west-1", "Location", "http://elsewhere.invalid/"), "set region=eu-west-1"},
		"nobody answers":  {"s3://pictures?endpoint=http://127.0.0.1:1", pass, "the images cannot be reached: 127.0.0.1:1: connection refused"},
		"no such host":    {"s3://pictures?endpoint=https://no.invalid", pass, "the images cannot be reached: no.invalid: "},
		"no TLS":          {strings.Replace(fake.where, "http://", "https://", 1), pass, "the images cannot be reached: "},
		"a redirect away": {fake.where, status(http.StatusTemporaryRedirect, "Location", "http://elsewhere.invalid/"), "the bucket answers 307"},
	} {
		fake.answer(test.before)
		_, err := Open(t.Context(), test.where, slog.Default())
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", name, err, test.want)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := Open(t.Context(), fake.where, slog.Default()); err == nil || !strings.Contains(err.Error(), "there are no credentials") {
		t.Errorf("without credentials: got %v", err)
	}
}

// The token of the role of a machine at AWS is for AWS alone.
func TestOnlyAWSSeesTheRoleOfTheMachine(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_REGION", "eu-central-1")
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"AccessKeyId":"role-id","SecretAccessKey":"role-secret","Token":"role-token","Expiration":"2999-01-01T00:00:00Z","Code":"Success"}`)
	}))
	defer metadata.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", metadata.URL+"/role")
	for where, want := range map[string]string{
		"s3://pictures":                          "role-id at https://pictures.s3.eu-central-1.amazonaws.com/",
		"s3://holiday.pictures?region=us-west-2": "role-id at https://s3.us-west-2.amazonaws.com/holiday.pictures/",
		"s3://pictures?endpoint=https://s3.dualstack.eu-west-1.amazonaws.com": "role-id at https://s3.dualstack.eu-west-1.amazonaws.com/pictures/",
		"s3://pictures?endpoint=https://s3.example":                           " at https://s3.example/pictures/",
		"s3://pictures?endpoint=https://s3.amazonaws.com.example":             " at https://s3.amazonaws.com.example/pictures/",
	} {
		b, err := parseBucket(where)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := b.keys.GetWithContext(&credentials.CredContext{Client: b.client, Context: t.Context()})
		if got := keys.AccessKeyID + " at " + b.root; err != nil || got != want {
			t.Errorf("%s: got %s (%v), want %s", where, got, err, want)
		}
	}
}

func TestTheURLOfABucketIsReadStrictlyAndNeverRepeated(t *testing.T) {
	for _, where := range []string{
		"s3://pictures", "s3://pictures/", "s3://pictures/a/b.c", "s3://my.pictures?region=eu-central-1", "s3://pictures?endpoint=http://[::1]:9000",
		"folder", "/srv/images", `C:\images`,
	} {
		if err := Validate(where); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	for _, where := range []string{
		"s3://", "s3:///hush", "gs://hush", "https://hush.example", "s3://Hush", "s3://hu_sh", "s3://hush:9000", "s3://pictures#hush",
		"s3://me:hush@pictures", "s3://hush@pictures", "s3://pictures/../hush", "s3://pictures/.hush", "s3://pictures/a//hush",
		"s3://pictures?accesskey=hush", "s3://pictures?hush", "s3://pictures?endpoint=hush.example", "s3://pictures?endpoint=ftp://hush.example",
		"s3://pictures?endpoint=https://me:hush@s3.example", "s3://pictures?endpoint=https://s3.example/hush", "s3://pictures?endpoint=https://s3.example?hush",
		"s3://pictures?region=hush.example/", "s3://pictures?%zz=hush", "s3://pic tures/hush",
	} {
		err := Validate(where)
		if err == nil {
			t.Errorf("%s is taken", where)
		} else if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: repeated by %v", where, err)
		}
	}
}
