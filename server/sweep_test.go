package server

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// uploaded makes a server with an image and returns both ids.
func uploaded(t *testing.T, s *Server, token, content string) (id, imageID string) {
	t.Helper()
	w := send(s.Handler(), uploadOf(t, token, strings.NewReader(content)))
	var made gen.CreatedServerResponse
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	address, _ := made.Body.Image.Get()
	return made.Body.ID, address[strings.LastIndex(address, "/")+1:]
}

func imageStatus(s *Server, id string) int {
	return send(s.Handler(), request("GET", "/images/"+id, "")).Code
}

func filesOf(t *testing.T, config Config) []string {
	t.Helper()
	entries, err := os.ReadDir(config.ImagesAt())
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".probe-") { // whether there is room was just tried
			names = append(names, entry.Name())
		}
	}
	return names
}

// sweepAt sweeps as if it was so much later.
func sweepAt(t *testing.T, s *Server, later time.Duration) {
	t.Helper()
	k := *s.core
	k.now = func() time.Time { return s.now().Add(later) }
	if err := k.sweepImages(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatUploadsLeftThatWereCutOffIsGoneAfterTheSweep(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		server, before := uploaded(t, s, token, onePixel)
		if w := send(s.Handler(), painted(t, token, "PUT", "/servers/"+server)); w.Code != http.StatusOK {
			t.Fatalf("got %d: %s", w.Code, w.Body)
		}
		_, shown := uploaded(t, s, token, onePixel)
		kept := filesOf(t, config)

		// A crash while an image is written, one before the commit that shows it, and one after the commit that ends it.
		if err := os.WriteFile(filepath.Join(config.ImagesAt(), ".aa-1.part"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2*sweptAtOnce + 1 {
			if _, err := s.receive(t.Context(), 1, "image", strings.NewReader(onePixel)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.images.Put(t.Context(), before, strings.NewReader(onePixel)); err != nil {
			t.Fatal(err)
		}
		// And what is none of ours.
		theirs := strings.Repeat("0f", 16)
		if err := os.WriteFile(filepath.Join(config.ImagesAt(), theirs), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if n := len(filesOf(t, config)); n < 2*sweptAtOnce {
			t.Fatalf("there are %d files, so that this test shows nothing", n)
		}

		sweepAt(t, s, time.Hour-time.Minute) // they may still be on their way, all but the one that was shown before
		if n := len(filesOf(t, config)); n != len(kept)+1+2*sweptAtOnce+1+1 {
			t.Errorf("%d files are left while they may be on their way", n)
		}
		sweepAt(t, s, time.Hour+time.Minute)
		kept = append(kept, theirs)
		slices.Sort(kept)
		if left := filesOf(t, config); !slices.Equal(left, kept) {
			t.Errorf("left are %d files %v, want %v", len(left), left, kept)
		}
		if status := imageStatus(s, shown); status != http.StatusOK {
			t.Errorf("an image that is shown: got %d", status)
		}
		leaving, err := s.store.Images.ListLeaving(t.Context(), store.LeavingImage{}, 10)
		if err != nil || len(leaving) != 0 {
			t.Errorf("still known are %v (%v)", leaving, err)
		}
	})
}

func TestTheSweepRunsWhenTheServerStarts(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	if _, err := s.receive(t.Context(), 1, "image", strings.NewReader(onePixel)); err != nil {
		t.Fatal(err)
	}
	config.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	openNext(t, s, config)
	for end := time.Now().Add(20 * time.Second); len(filesOf(t, config)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left are %v", filesOf(t, config))
		}
	}
}

func TestWhatAProcessThatDiedWasTakingInIsGoneAtTheNextStart(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		at := time.Now().Add(-2 * time.Hour)
		left := filepath.Join(config.Data, ".rejoin.upload-1")
		if err := errors.Join(os.WriteFile(left, nil, 0o600), os.Chtimes(left, at, at)); err != nil {
			t.Fatal(err)
		}
		young := filepath.Join(config.Data, ".rejoin.upload-2")
		if err := os.WriteFile(young, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, config)
		if _, err := os.Lstat(left); err == nil {
			t.Error("it is still there")
		}
		// Beside PostgreSQL another server may be taking that in; a SQLite file has one owner.
		if _, err := os.Lstat(young); (err == nil) != (config.Database != "") {
			t.Errorf("the young one: %v", err)
		}
	})
}

func TestTheSweepOfABucketRemovesWhatNothingShows(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	fake := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fake.ServeHTTP(w, r)
	}))
	defer bucket.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	config := onSQLite(t)
	config.Idle, config.Images = true, "s3://pictures?endpoint="+bucket.URL
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	server, ended := uploaded(t, s, token, onePixel)
	_, shown := uploaded(t, s, token, onePixel)
	if _, err := s.receive(t.Context(), 1, "image", strings.NewReader(onePixel)); err != nil {
		t.Fatal(err)
	}
	away.Store(true)
	do[gen.EmptyResponse](t, s.Handler(), "DELETE", "/servers/"+server, token, nil)
	if status := imageStatus(s, ended); status != http.StatusNotFound {
		t.Errorf("an image of a deleted server, which could not be removed: got %d", status)
	}
	k := *s.core
	k.now = func() time.Time { return s.now().Add(2 * time.Hour) }
	if err := k.sweepImages(t.Context()); err == nil {
		t.Error("the sweep says nothing of a bucket that is away")
	}
	away.Store(false)
	sweepAt(t, s, 2*time.Hour)
	objects, err := backend.ListBucket("pictures", nil, gofakes3.ListBucketPage{})
	if err != nil || len(objects.Contents) != 1 || objects.Contents[0].Key != shown {
		t.Errorf("left are %+v (%v)", objects.Contents, err)
	}
}

func TestAnUploadThatWasGivenUpWhileItArrivedIsRefusedAndLeavesNothing(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		// The image comes first, and then the sweep, before the rest.
		frame := uploadOf(t, token, strings.NewReader(onePixel))
		whole, err := io.ReadAll(frame.Body)
		if err != nil {
			t.Fatal(err)
		}
		boundary, _, _ := strings.Cut(string(whole), "\r\n")
		body, write := io.Pipe()
		frame.Body = body
		answered := make(chan *httptest.ResponseRecorder, 1)
		go func() { answered <- send(s.Handler(), frame) }()
		fmt.Fprintf(write, "%s\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x.png\"\r\n\r\n%s\r\n%s\r\n", boundary, onePixel, boundary)
		for len(filesOf(t, config)) == 0 || strings.HasSuffix(filesOf(t, config)[0], ".part") {
			time.Sleep(time.Millisecond)
		}
		sweepAt(t, s, 2*time.Hour)
		fmt.Fprintf(write, "Content-Disposition: form-data; name=\"name\"\r\n\r\nChess club\r\n%s--\r\n", boundary)
		write.Close()
		if w := <-answered; w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %d: %s", w.Code, w.Body)
		}
		if servers := do[gen.ServerListResponse](t, s.Handler(), "GET", "/servers", token, nil).Body; len(servers) != 0 {
			t.Errorf("it made %+v", servers)
		}
		if left := filesOf(t, config); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
}

func TestAnImageThatHasEndedIsGoneThoughItsFileIsNot(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		replaced, first := uploaded(t, s, token, onePixel)
		deleted, second := uploaded(t, s, token, onePixel)
		for _, id := range []string{first, second} {
			w := send(s.Handler(), request("GET", "/images/"+id, ""))
			caching := w.Header().Get("Cache-Control")
			if w.Code != http.StatusOK || caching != "public, max-age=3600, must-revalidate" {
				t.Errorf("got %d, to be kept %q", w.Code, caching)
			}
		}
		if w := send(s.Handler(), painted(t, token, "PUT", "/servers/"+replaced)); w.Code != http.StatusOK {
			t.Fatalf("got %d: %s", w.Code, w.Body)
		}
		do[gen.EmptyResponse](t, s.Handler(), "DELETE", "/servers/"+deleted, token, nil)
		for _, id := range []string{first, second} {
			if _, err := os.Stat(filepath.Join(config.ImagesAt(), id)); err == nil {
				t.Errorf("%s: its file is there", id)
			}
			if err := s.images.Put(t.Context(), id, strings.NewReader(onePixel)); err != nil { // as if that had failed
				t.Fatal(err)
			}
			r := request("GET", "/images/"+id, "")
			r.Header.Set("If-None-Match", `"`+id+`"`)
			if w := send(s.Handler(), r); w.Code != http.StatusNotFound {
				t.Errorf("to who has it already: got %d", w.Code)
			}
		}
	})
}

func numberOf(t *testing.T, s *Server, token string) int64 {
	t.Helper()
	who, err := s.authenticate(t.Context(), token, false)
	if err != nil {
		t.Fatal(err)
	}
	return who.Who.(actor).account
}

func TestTheImagesOfAnAccountHaveALimitTogether(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		account := numberOf(t, s, token)
		first, _ := uploaded(t, s, token, onePixel)
		size := int64(len(onePixel))
		const large = "0123456789abcdef0123456789abcdef"
		inTransaction := func(do func(*store.Tx) error) {
			t.Helper()
			if err := s.store.Tx(t.Context(), do); err != nil {
				t.Fatal(err)
			}
		}
		inTransaction(func(tx *store.Tx) error {
			if err := tx.Images.Insert(t.Context(), large, account, s.now()); err != nil {
				return err
			}
			return tx.Images.Show(t.Context(), large, store.MaxImageBytes-2*size+1)
		})
		files := len(filesOf(t, config))
		w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel)))
		if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "limit reached: there are 524288000 bytes of images") {
			t.Errorf("got %d: %s", w.Code, w.Body)
		}
		if now := len(filesOf(t, config)); now != files {
			t.Errorf("there were %d files and now are %d", files, now)
		}
		if w := send(s.Handler(), uploadOf(t, tokenOf(t, s, "b@example.com"), strings.NewReader(onePixel))); w.Code != http.StatusCreated {
			t.Errorf("another account: got %d: %s", w.Code, w.Body)
		}
		// One that is replaced makes room for its successor, and one that is deleted for the next.
		if w := send(s.Handler(), painted(t, token, "PUT", "/servers/"+first)); w.Code != http.StatusOK {
			t.Errorf("one for another: got %d: %s", w.Code, w.Body)
		}
		do[gen.EmptyResponse](t, s.Handler(), "DELETE", "/servers/"+first, token, nil)
		second, _ := uploaded(t, s, token, onePixel)
		do[gen.EmptyResponse](t, s.Handler(), "DELETE", "/servers/"+second, token, nil)
		inTransaction(func(tx *store.Tx) error { return tx.Images.Leave(t.Context(), large, s.now()) })
		if bytes, err := s.store.Images.Bytes(t.Context(), account); err != nil || bytes != 0 {
			t.Errorf("%d bytes are left of none (%v)", bytes, err)
		}
	})
}

func TestUploadsAtOnceDoNotGetPastTheLimit(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.Idle = true
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		account := numberOf(t, s, token)
		const room = 3
		err := s.store.Tx(t.Context(), func(tx *store.Tx) error {
			if err := tx.Images.Insert(t.Context(), "0a", account, s.now()); err != nil {
				return err
			}
			return tx.Images.Show(t.Context(), "0a", store.MaxImageBytes-room*int64(len(onePixel)))
		})
		if err != nil {
			t.Fatal(err)
		}
		var made atomic.Int64
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				switch w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel))); w.Code {
				case http.StatusCreated:
					made.Add(1)
				case http.StatusConflict, http.StatusServiceUnavailable, http.StatusTooManyRequests:
				default:
					t.Errorf("got %d: %s", w.Code, w.Body)
				}
			})
		}
		group.Wait()
		if made.Load() > room {
			t.Errorf("%d were made, and there was room for %d", made.Load(), room)
		}
	})
}

func TestAnImageIsKeptWithoutWhereItWasTaken(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewNRGBA(image.Rect(0, 0, 32, 16)), nil); err != nil {
		t.Fatal(err)
	}
	// Held on its side, and at a place: the tag of the place leads to what is at the end.
	exif := "Exif\x00\x00II*\x00\x08\x00\x00\x00\x02\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x25\x88\x04\x00\x01\x00\x00\x00\x26\x00\x00\x00\x00\x00\x00\x00\x00\x00PLACE"
	segment := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	_, id := uploaded(t, s, token, string(append(segment, photo.Bytes()[2:]...))+"<script>alert(1)</script>")
	shown := send(s.Handler(), request("GET", "/images/"+id, ""))
	onDisk, err := os.ReadFile(filepath.Join(config.ImagesAt(), id))
	if err != nil || !bytes.Equal(shown.Body.Bytes(), onDisk) {
		t.Errorf("what is kept is not what is shown (%v)", err)
	}
	for _, part := range []string{"Exif", "PLACE", "script"} {
		if bytes.Contains(onDisk, []byte(part)) {
			t.Errorf("it still has %s", part)
		}
	}
	if m, err := jpeg.Decode(shown.Body); err != nil || m.Bounds().Size() != image.Pt(16, 32) {
		t.Errorf("got %v (%v), want it upright", m.Bounds(), err)
	}
}

func TestAnImageThatIsAGigabyteWhenItIsDecodedIsRefused(t *testing.T) {
	s := open(t, onSQLite(t))
	bomb := []byte(onePixel)
	binary.BigEndian.PutUint32(bomb[16:], 16384)
	binary.BigEndian.PutUint32(bomb[20:], 16384)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	for content, code := range map[string]string{string(bomb): "too_large", onePixel[:len(onePixel)-8]: "malformed"} {
		w := send(s.Handler(), uploadOf(t, tokenOf(t, s, "a@example.com"), strings.NewReader(content)))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `{"pointer":"/image","code":"`+code+`"`) {
			t.Errorf("got %d: %s", w.Code, w.Body)
		}
	}
}

func TestImagesTakeTurnsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &core{pictures: memory.New(pictureMemory)}
		var inUse atomic.Int64
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				const most = pictureMemory / 3
				giveBack, err := q.takePicture(t.Context(), most)
				if err != nil {
					t.Error(err)
					return
				}
				if now := inUse.Add(most); now > pictureMemory {
					t.Errorf("%d bytes are in use", now)
				}
				time.Sleep(time.Second)
				inUse.Add(-most)
				giveBack()
			})
		}
		group.Wait()
		giveBack, err := q.takePicture(t.Context(), pictureMemory)
		if err != nil {
			t.Fatal(err)
		}
		defer giveBack()
		start := time.Now()
		if _, err := q.takePicture(t.Context(), 1); !errors.Is(err, memory.ErrBusy) || time.Since(start) != picturePatience {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
