package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rejoin-dev/rejoin/gen"
)

// uploadOf is a POST /servers whose image has a size, read from nowhere.
func uploadOf(t testing.TB, token string, content io.Reader) *http.Request {
	t.Helper()
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	form.WriteField("name", "Chess club")
	form.CreateFormFile("image", "x.png")
	head := bytes.Clone(frame.Bytes())
	form.Close()
	r := httptest.NewRequest("POST", "/servers", io.MultiReader(bytes.NewReader(head), content, bytes.NewReader(frame.Bytes()[len(head):])))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

// onePixel comes back as it was sent.
var onePixel = string(pngOf(1, 1, false))

// pngOf is a PNG of one colour, or of none that can be pressed.
func pngOf(width, height int, noise bool) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	if noise {
		rand.NewChaCha8([32]byte{}).Read(m.Pix)
	}
	var data bytes.Buffer
	encoder := png.Encoder{}
	if noise {
		encoder.CompressionLevel = png.NoCompression
	}
	encoder.Encode(&data, m)
	return data.Bytes()
}

func TestAnUploadIsNeverInMemoryWhole(t *testing.T) {
	s := open(t, onSQLite(t))
	token := tokenOf(t, s, "a@example.com")
	const size = 5 << 20
	padded := func() io.Reader { return io.LimitReader(io.MultiReader(strings.NewReader(onePixel), zeros{}), size) }
	if w := send(s.Handler(), uploadOf(t, token, padded())); w.Code != http.StatusCreated { // and everything is warm
		t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	send(s.Handler(), uploadOf(t, token, padded()))
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > size/2 {
		t.Errorf("an upload of %d bytes allocated %d", size, allocated)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAFailedUploadLeavesNoFile(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	broken := errors.New("the connection broke")
	for name, content := range map[string]io.Reader{
		"cut off":      strings.NewReader(onePixel[:len(onePixel)/2]),
		"too large":    io.LimitReader(io.MultiReader(strings.NewReader(onePixel), zeros{}), 5<<20+1),
		"broken off":   io.MultiReader(strings.NewReader(onePixel), io.LimitReader(zeros{}, 100<<10), readerFunc(func([]byte) (int, error) { return 0, broken })),
		"not an image": strings.NewReader("<html>"),
	} {
		if w := send(s.Handler(), uploadOf(t, token, content)); w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %d, want 400 or 413: %s", name, w.Code, w.Body)
		}
	}
	// The image comes first here and is fine; the name behind it is not.
	r := uploadOf(t, token, strings.NewReader(onePixel))
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte(`name="name"`), []byte(`name="nome"`), 1)))
	if w := send(s.Handler(), r); w.Code != http.StatusBadRequest {
		t.Errorf("got %d, want 400: %s", w.Code, w.Body)
	}
	// A key that belongs to another request.
	first := createRequest("/servers", token, "Chess club")
	first.Header.Set("Idempotency-Key", "taken")
	send(s.Handler(), first)
	again := uploadOf(t, token, strings.NewReader(onePixel))
	again.Header.Set("Idempotency-Key", "taken")
	if w := send(s.Handler(), again); w.Code != http.StatusConflict {
		t.Errorf("got %d, want 409: %s", w.Code, w.Body)
	}
	files, err := os.ReadDir(filepath.Join(config.Data, "images"))
	if err != nil || len(files) != 0 {
		t.Errorf("left behind: %v (%v)", files, err)
	}
	if arriving, err := filepath.Glob(filepath.Join(config.Data, ".rejoin.upload-*")); err != nil || len(arriving) > 0 {
		t.Errorf("left behind: %v (%v)", arriving, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestImagesComeFromABucketAndWithoutItTheRestGoesOn(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	bucket := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	defer bucket.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	config := onSQLite(t)
	config.Images = "s3://pictures?endpoint=" + bucket.URL
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	var created gen.CreatedServerResponse
	if w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel))); json.Unmarshal(w.Body.Bytes(), &created) != nil || w.Code != http.StatusCreated {
		t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	address, _ := created.Body.Image.Get()
	get := func(ifNoneMatch string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", address, nil)
		if ifNoneMatch != "" {
			r.Header.Set("If-None-Match", ifNoneMatch)
		}
		return send(s.Handler(), r)
	}
	w := get("")
	if w.Code != http.StatusOK || w.Body.String() != onePixel || w.Header().Get("Content-Type") != "image/png" {
		t.Errorf("got %d %s %q", w.Code, w.Header(), w.Body)
	}
	if w := get(w.Header().Get("ETag")); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("with its tag: got %d %q", w.Code, w.Body)
	}
	if w := send(s.Handler(), httptest.NewRequest("GET", "/images/00000000000000000000000a", nil)); w.Code != http.StatusNotFound {
		t.Errorf("an image that is not there: got %d", w.Code)
	}
	bucket.Close()
	for what, w := range map[string]*httptest.ResponseRecorder{
		"an image":  get(""),
		"an upload": send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel))),
	} {
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"code":"unavailable"`) {
			t.Errorf("%s without the bucket: got %d %v: %s", what, w.Code, w.Header(), w.Body)
		}
	}
	if w := send(s.Handler(), createRequest("/servers", token, "Chess club")); w.Code != http.StatusCreated {
		t.Errorf("what needs no image: got %d: %s", w.Code, w.Body)
	}
}
