package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	gopng "image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A caller asks a server as one account.
type caller struct {
	t           *testing.T
	base, token string
	header      http.Header // besides the token and what the contents are
}

func callerOf(t *testing.T, data, base string) caller {
	t.Helper()
	code, token, stderr := rejoin("token", "--data", data, "--email", "owner@rejoin.local")
	if code != 0 {
		t.Fatal(stderr)
	}
	return caller{t: t, base: base, token: strings.TrimSpace(token)}
}

// publicly is where all servers here say that they are.
const publicly = "https://club.example"

// ask returns an answer without that.
func (c caller) ask(method, path, kind string, body []byte) string {
	c.t.Helper()
	status, text, err := c.try(method, path, kind, body)
	if err != nil || status >= 300 {
		c.t.Errorf("%s %s: %d %s (%v)", method, path, status, text, err)
	}
	return strings.ReplaceAll(text, publicly, "")
}

// try is ask of a server that may not answer.
func (c caller) try(method, path, kind string, body []byte) (status int, text string, err error) {
	r, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if c.header != nil {
		r.Header = c.header.Clone()
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", kind)
	return exchange(r)
}

// exchange sends a request and reads the answer.
func exchange(r *http.Request) (status int, text string, err error) {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(read), err
}

func (c caller) post(path string, body map[string]any) (id string) {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	var made struct{ Body struct{ ID string } }
	json.Unmarshal([]byte(c.ask("POST", path, "application/json", text)), &made)
	return made.Body.ID
}

// png is an image of one pixel, which is kept as it is.
var png = func() string {
	var data bytes.Buffer
	gopng.Encode(&data, image.NewNRGBA(image.Rect(0, 0, 1, 1)))
	return data.String()
}()

// club makes a server with one of everything and returns what there is to read of it.
func (c caller) club() (id string, paths []string) {
	c.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField("name", "Chess club")
	file, err := w.CreateFormFile("image", "a.png")
	if err != nil {
		c.t.Fatal(err)
	}
	io.WriteString(file, png)
	w.Close()
	var made struct {
		Body struct {
			ID, Image string
			Owner     struct{ ID string }
		}
	}
	if err := json.Unmarshal([]byte(c.ask("POST", "/servers", w.FormDataContentType(), form.Bytes())), &made); err != nil {
		c.t.Fatal(err)
	}
	id = made.Body.ID
	c.post("/channels", map[string]any{"topic": "general", "channelType": "text", "serverId": id})
	c.post("/roles", map[string]any{"title": "Moderator", "class": "blue", "order": 20, "billable": false, "serverId": id})
	badge := c.post("/badges", map[string]any{"title": "Host", "action": "custom", "serverId": id, "award": true, "awardXpQuantity": 7})
	c.post("/badges/"+badge+"/award", map[string]any{"userId": made.Body.Owner.ID})
	c.post("/apis/v1/communities/"+id+"/api-keys", map[string]any{"name": "shop", "permissions": []string{"badges"}})
	at := "/servers/" + id
	return id, []string{"/auth/me", at, at + "/members", at + "/roles", at + "/channels", at + "/audit", "/badges?serverId=" + id,
		at + "/members/" + made.Body.Owner.ID + "/balance", "/apis/v1/communities/" + id + "/api-keys", made.Body.Image}
}

// load makes channels t0, t1 ... one after another until it is stopped.
func (c caller) load(server string) (made *atomic.Int64, stop func()) {
	made = new(atomic.Int64)
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stopping:
				return
			default:
				c.post("/channels", map[string]any{"topic": fmt.Sprint("t", made.Load()), "channelType": "text", "serverId": server})
				made.Add(1)
			}
		}
	}()
	return made, func() { close(stopping); <-stopped }
}

func TestABackupThatIsMadeUnderLoadIsRestoredListByList(t *testing.T) {
	dir := t.TempDir()
	data, again, file := filepath.Join(dir, "data"), filepath.Join(dir, "again"), filepath.Join(dir, "b.tar")
	_, base := serve(t, "--data", data, "--public-url", publicly)
	c := callerOf(t, data, base)
	_, quiet := c.club()
	busy, _ := c.club()
	made, stop := c.load(busy)
	for made.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	acknowledged := made.Load()
	code, stdout, stderr := rejoin("backup", "--data", data, file)
	stop()
	if code != 0 || stdout != "" || !strings.Contains(stderr, "and 2 images") {
		t.Fatalf("backup: %d %q %q", code, stdout, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("others may read the backup: %v (%v)", info, err)
	}
	if code, _, stderr := rejoin("backup", "--data", data, file); code != 1 || !strings.Contains(stderr, "is there already") {
		t.Errorf("a second backup to the same file: %d %q", code, stderr)
	}
	if code, _, stderr := rejoin("restore", "--data", again, file); code != 0 || !strings.Contains(stderr, "and 2 images") {
		t.Fatalf("restore: %d %q", code, stderr)
	}
	piped := filepath.Join(dir, "piped")
	if code, stream, stderr := rejoin("backup", "--data", data, "-"); code != 0 {
		t.Errorf("backup to standard output: %d %q", code, stderr)
	} else if code, _, stderr := rejoinReading(strings.NewReader(stream), "restore", "--data", piped, "-"); code != 0 || !strings.Contains(stderr, "and 2 images") {
		t.Errorf("restore from standard input: %d %q", code, stderr)
	}
	if code, _, stderr := rejoin("restore", "--data", again, file); code != 1 || !strings.Contains(stderr, "there is a database in") {
		t.Errorf("a second restore: %d %q", code, stderr)
	}

	_, base = serve(t, "--data", again, "--public-url", publicly)
	restored := caller{t: t, base: base, token: c.token} // sessions are in the backup
	for _, path := range quiet {
		if got, want := restored.ask("GET", path, "", nil), c.ask("GET", path, "", nil); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	// What was acknowledged before the backup is there, and nothing without what belongs to it.
	channels := restored.ask("GET", "/servers/"+busy+"/channels", "", nil)
	for i := range acknowledged {
		if !strings.Contains(channels, fmt.Sprintf(`"topic":"t%d"`, i)) {
			t.Errorf("t%d was there before the backup", i)
		}
	}
	var audit struct{ Meta struct{ Total int } }
	json.Unmarshal([]byte(restored.ask("GET", "/servers/"+busy+"/audit?limit=1", "", nil)), &audit)
	const others = 6 // entries of what else was made
	if topics := strings.Count(channels, `"topic":"t`); audit.Meta.Total != topics+others {
		t.Errorf("%d channels, and %d entries of the audit trail", topics, audit.Meta.Total)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestADamagedBackupIsRefusedAndNothingIsKept(t *testing.T) {
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "b.tar")
	t.Run("serve", func(t *testing.T) { serve(t, "--data", data) })
	if code, _, stderr := rejoin("backup", "--data", data, file); code != 0 { // while no server runs
		t.Fatal(stderr)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1
	for name, bad := range map[string][]byte{
		"empty": nil, "torn": good[:len(good)/2], "without its end": good[:len(good)-2048], "flipped": flipped,
		"a way out": bytes.Replace(good, []byte("rejoin.db\x00\x00\x00"), []byte("../x.db\x00\x00\x00\x00\x00"), 1),
	} {
		target := filepath.Join(dir, "target")
		code, _, stderr := rejoin("restore", "--data", target, write(t, "bad.tar", string(bad)))
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "backup") {
			t.Errorf("%s: %d %q", name, code, stderr)
		}
		if kept, _ := filepath.Glob(filepath.Join(target, "*")); len(kept) != 1 {
			t.Errorf("%s: it has left %q, want the lock alone", name, kept)
		}
	}
	if code, _, stderr := rejoin("restore", "--data", filepath.Join(dir, "target"), file); code != 0 {
		t.Errorf("a good one after that: %s", stderr)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, special := range []string{link, dir} {
		if code, _, stderr := rejoin("backup", "--replace", "--data", data, special); code != 1 || !strings.Contains(stderr, "not a regular file") {
			t.Errorf("backup over %s: %d %q", special, code, stderr)
		}
	}
	for _, command := range []string{"backup", "restore"} {
		if code, _, stderr := rejoin(command, "--db", "postgres://db.example/x", file); code != 1 || !strings.Contains(stderr, "pg_dump") {
			t.Errorf("%s of PostgreSQL: %d %q", command, code, stderr)
		}
	}
}

func TestABackupWithoutAnImageIsKeptAndFails(t *testing.T) {
	dir := t.TempDir()
	data, pictures := filepath.Join(dir, "data"), filepath.Join(dir, "pictures")
	const text = "rejoin: not found where images are kept: 1 image that the database refers to"
	fails := func(file string) {
		t.Helper()
		file = filepath.Join(dir, file)
		code, _, stderr := rejoin("backup", "--data", data, file)
		if code != 1 || !strings.Contains(stderr, text) || !strings.Contains(stderr, "and 0 images") {
			t.Errorf("backup: %d %q", code, stderr)
		}
		code, _, stderr = rejoin("restore", "--data", file+".again", file)
		if code != 0 || !strings.Contains(stderr, "the backup does not have 1 image that") {
			t.Errorf("restore: %d %q", code, stderr)
		}
	}
	t.Run("serve", func(t *testing.T) {
		_, base := serve(t, "--data", data, "--images", pictures)
		callerOf(t, data, base).club()
		http.DefaultClient.CloseIdleConnections()
	})
	fails("stopped.tar")
	if _, err := os.Lstat(filepath.Join(data, "images")); err == nil {
		t.Error("a backup has made a directory for images")
	}
	if code, _, stderr := rejoin("backup", "--data", data, "--images", pictures, filepath.Join(dir, "good.tar")); code != 0 || !strings.Contains(stderr, "and 1 image\n") {
		t.Errorf("with --images: %d %q", code, stderr)
	}
	serve(t, "--data", data)
	fails("running.tar")
}

func TestABackupThatCannotBeWrittenSaysSo(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	t.Run("serve", func(t *testing.T) { serve(t, "--data", data) })
	code, _, stderr := rejoin("backup", "--data", data, filepath.Join(dir, "nowhere", "b.tar"))
	if want := "rejoin: no file can be made in " + filepath.Join(dir, "nowhere") + ": no such file or directory\n"; code != 1 || stderr != want {
		t.Errorf("into a directory that is not there: %d %q, want %q", code, stderr, want)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var said bytes.Buffer
	code = run(t.Context(), []string{"backup", "--data", data, "-"}, terminal{strings.NewReader(""), full, &said})
	if want := "rejoin: standard output cannot be written: no space left on device\n"; code != 1 || said.String() != want {
		t.Errorf("where there is no room: %d %q, want %q", code, said.String(), want)
	}
}
