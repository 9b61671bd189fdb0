package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	imagepng "image/png"
	"io/fs"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// tortureEnv is how many rounds a torture has, instead of a few.
const tortureEnv = "REJOIN_TEST_TORTURE"

func tortureRounds(t *testing.T) int {
	text := os.Getenv(tortureEnv)
	if text == "" {
		return 2
	}
	rounds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return rounds
}

// secretKey is that of replicas on one database.
const secretKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// Whatever was acknowledged must be there, once, after the process was killed in the middle of more, again and again.
func TestNothingIsLostOrDoubledWhenTheServerIsKilled(t *testing.T) {
	data := t.TempDir()
	r := newRig(t, filepath.Join(data, "images"), server.Config{Data: data}, []string{"--data", data})
	r.torture(func() { r.kill(0) })
}

// The same of two replicas on one PostgreSQL, of which any may be killed, and PostgreSQL, too.
func TestNothingIsLostOrDoubledWhenReplicasAndPostgreSQLAreKilled(t *testing.T) {
	cluster, images := pgtest.Own(t), t.TempDir()
	shared := []string{"--db", cluster.URL(), "--images", images, "--secret-key", secretKey}
	later := server.Config{Data: t.TempDir(), Database: cluster.URL(), Images: images, SecretKey: secretKey}
	r := newRig(t, images, later, append(shared, "--data", t.TempDir()), append(shared, "--data", t.TempDir()))
	kinds := []func(){
		func() { r.kill(0) },
		func() { r.kill(1) },
		func() { r.kill(0, 1) },
		func() { cluster.Crash() },
	}
	first := rand.IntN(len(kinds)) // so that a short torture has had them all after some runs
	round := 0
	r.torture(func() {
		kinds[(first+round)%len(kinds)]()
		round++
	})
}

// A rig is a deployment whose replicas can be killed while clients write to it.
type rig struct {
	t        *testing.T
	images   string        // the directory that the replicas share
	later    server.Config // of a server that takes over at the end
	commands [][]string
	replicas []*process
	bases    []atomic.Value // of string: where a replica answers
	token    string

	acknowledged, again atomic.Int64 // writes, and those that were sent more than once for it
	over                atomic.Bool
}

// newRig starts a replica with each of some command lines, all of which serve the same.
func newRig(t *testing.T, images string, later server.Config, commands ...[]string) *rig {
	r := &rig{t: t, images: images, later: later, commands: commands, replicas: make([]*process, len(commands)), bases: make([]atomic.Value, len(commands))}
	for i := range commands {
		r.start(i)
	}
	return r
}

func (r *rig) start(i int) {
	p, base := serveApart(r.t, append([]string{"--rate-limit=off"}, r.commands[i]...)...)
	r.replicas[i] = p
	r.bases[i].Store(base)
	if token := tokenIn.FindString(p.stdout.String()); r.token == "" {
		r.token = token
	}
}

// kill ends replicas, all before any of them is started again.
func (r *rig) kill(replicas ...int) {
	for _, i := range replicas {
		if err := r.replicas[i].Process.Kill(); err != nil {
			r.t.Fatal(err)
		}
		r.replicas[i].Wait()
	}
	for _, i := range replicas {
		r.start(i)
	}
}

// torture breaks something in each round, in the middle of what clients write, and then checks what there is.
func (r *rig) torture(breakIt func()) {
	rounds := tortureRounds(r.t)
	writers := make([]*writer, 16)
	var group sync.WaitGroup
	for i := range writers {
		writers[i] = &writer{rig: r, number: i}
		group.Go(writers[i].write)
	}
	for range rounds {
		enough := r.acknowledged.Load() + 16 + rand.Int64N(300)
		for end := time.Now().Add(time.Minute); r.acknowledged.Load() < enough; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				r.t.Error("nothing is acknowledged any more")
				break
			}
		}
		breakIt()
	}
	r.over.Store(true)
	group.Wait()

	var found count
	for _, w := range writers {
		w.check(&found)
	}
	used := r.checkServers(writers, &found)
	http.DefaultClient.CloseIdleConnections()
	before, after := r.sweep(used)
	r.t.Logf("%d rounds, %d writes acknowledged (%d of them sent again): lost %d, doubled %d, orphans %d (%d before the sweep)",
		rounds, r.acknowledged.Load(), r.again.Load(), found.lost, found.doubled, after, before)
}

// sweep lets a server of two hours later sweep, and returns how many images no server has shown before, and afterwards.
func (r *rig) sweep(used int) (before, after int) {
	r.t.Helper()
	for _, p := range r.replicas {
		p.Process.Kill()
		p.Wait()
	}
	left := func() int { return len(filesIn(r.t, r.images)) - used }
	before = left()
	r.later.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	s, err := server.New(r.t.Context(), r.later)
	if err != nil {
		r.t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if after = left(); after == 0 || time.Now().After(end) {
			break
		}
	}
	if err := s.Close(); err != nil {
		r.t.Error(err)
	}
	if after != 0 {
		r.t.Errorf("%d images belong to no server", after)
	}
	return before, after
}

func filesIn(t *testing.T, dir string) (files []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	return files
}

// A count is of what must not be.
type count struct{ lost, doubled int }

// compare counts what was acknowledged and is not there, and what is there more often than it should.
func (c *count) compare(t *testing.T, what string, want map[string]int, got []string) {
	t.Helper()
	times := map[string]int{}
	for _, name := range got {
		times[name]++
	}
	for name, n := range want {
		if times[name] < n {
			c.lost += n - times[name]
			t.Errorf("%s %q was acknowledged and is gone", what, name)
		}
	}
	for name, n := range times {
		if n > want[name] {
			c.doubled += n - want[name]
			t.Errorf("%s %q is there %d times, want %d", what, name, n, want[name])
		}
	}
}

// A writer is a client that sends what got no answer again, under the same Idempotency-Key, as package client does.
type writer struct {
	*rig
	number  int
	servers []*written
}

// written is what was acknowledged in a server.
type written struct {
	id     string
	topics map[string]int
	badges map[string]int
	image  string
}

// perServer is how many channels a writer makes in a server before it makes another.
const perServer = 500

func (w *writer) write() {
	for i := 0; !w.over.Load(); i++ {
		if i%perServer == 0 {
			w.newServer()
		}
		s := w.servers[len(w.servers)-1]
		switch i % 10 {
		case 3:
			w.newBadge(s)
		case 7:
			w.newImage(s)
		default:
			topic := fmt.Sprintf("%d-%d", w.number, i)
			w.send("POST", "/channels", "application/json", fmt.Appendf(nil, `{"topic":%q,"channelType":"open","serverId":%q}`, topic, s.id))
			s.topics[topic]++
		}
	}
}

func (w *writer) newServer() {
	answer := w.send("POST", "/servers", formType, form(fmt.Sprintf("Club %d", w.number), nil))
	w.servers = append(w.servers, &written{id: answer.Body.ID, topics: map[string]int{}, badges: map[string]int{}})
}

// newBadge makes a badge that is worth a point, and awards it to the owner of all, twice.
func (w *writer) newBadge(s *written) {
	title := fmt.Sprintf("Badge %d", len(s.badges))
	badge := w.send("POST", "/badges", "application/json",
		fmt.Appendf(nil, `{"title":%q,"action":"custom","award":true,"awardXpQuantity":1,"serverId":%q}`, title, s.id))
	for range 2 {
		w.send("POST", "/badges/"+badge.Body.ID+"/award", "application/json", []byte(`{"userId":"1"}`))
	}
	s.badges[title]++
}

func (w *writer) newImage(s *written) {
	answer := w.send("PUT", "/servers/"+s.id, formType, form("", somePNG()))
	s.image = answer.Body.Image
}

// acknowledgement is what a writer reads of an answer.
type acknowledgement struct{ Body struct{ ID, Image string } }

// send sends a write until it is acknowledged.
func (w *writer) send(method, path, kind string, body []byte) (answer acknowledgement) {
	key := strconv.FormatUint(rand.Uint64(), 36)
	for try := 0; ; try++ {
		base := w.bases[rand.IntN(len(w.bases))].Load().(string)
		r, err := http.NewRequest(method, base+path, bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.token)
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Idempotency-Key", key)
		status, text, err := exchange(r)
		switch {
		case err == nil && status < 300:
			json.Unmarshal([]byte(text), &answer) // an award answers with an array, of which nothing is read
			w.acknowledged.Add(1)
			if try > 0 {
				w.again.Add(1)
			}
			return answer
		case err == nil && status != http.StatusServiceUnavailable:
			w.t.Errorf("%s %s got %d %s, which no kill explains:\n%s", method, path, status, text, w.failures())
			return answer
		}
		time.Sleep(time.Millisecond << min(try, 6))
	}
}

// failures are what the replicas have logged as errors.
func (r *rig) failures() (lines string) {
	for _, p := range r.replicas {
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, "level=ERROR") {
				lines += line
			}
		}
	}
	return lines
}

// read asks until there is an answer.
func (r *rig) read(path string, into any) {
	c := caller{t: r.t, base: r.bases[0].Load().(string), token: r.token}
	if err := json.Unmarshal([]byte(c.ask("GET", path, "", nil)), into); err != nil {
		r.t.Error(err)
	}
}

func (w *writer) check(found *count) {
	for _, s := range w.servers {
		var channels struct{ Body []struct{ Topic string } }
		w.read("/channels?serverId="+s.id, &channels)
		var topics []string
		for _, channel := range channels.Body {
			topics = append(topics, channel.Topic)
		}
		found.compare(w.t, "channel", s.topics, topics)

		var badges struct{ Body []struct{ Title string } }
		w.read("/badges?serverId="+s.id, &badges)
		var titles []string
		for _, badge := range badges.Body {
			titles = append(titles, badge.Title)
		}
		found.compare(w.t, "badge", s.badges, titles)

		var balance struct{ Body struct{ XP int } }
		w.read("/servers/"+s.id+"/members/1/balance", &balance)
		if balance.Body.XP != len(s.badges) {
			w.t.Errorf("%d badges of one point each are worth %d", len(s.badges), balance.Body.XP)
		}
	}
}

// checkServers checks the servers themselves, and that their images are what was acknowledged last. It returns how many
// images there are.
func (r *rig) checkServers(writers []*writer, found *count) (used int) {
	want, images := map[string]int{}, map[string]string{}
	for _, w := range writers {
		for _, s := range w.servers {
			want[s.id]++
			images[s.id] = s.image
		}
	}
	var servers struct{ Body []struct{ ID, Image string } }
	r.read("/servers", &servers)
	var ids []string
	for _, server := range servers.Body {
		ids = append(ids, server.ID)
		if pathOf(server.Image) != pathOf(images[server.ID]) {
			r.t.Errorf("the image of a server is %s, want %s", server.Image, images[server.ID])
		}
		if server.Image == "" {
			continue
		}
		used++
		if get(r.t, r.bases[0].Load().(string)+pathOf(server.Image), r.token) != http.StatusOK {
			found.lost++
			r.t.Errorf("the image of a server was acknowledged and is gone")
		}
	}
	found.compare(r.t, "server", want, ids)
	return used
}

// tokenIn is where a greeting has a token.
var tokenIn = regexp.MustCompile(`[0-9a-f]{64}`)

const formType = "multipart/form-data; boundary=x"

// form is the body of a request with a name or an image.
func form(name string, picture []byte) []byte {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.SetBoundary("x")
	if name != "" {
		w.WriteField("name", name)
	}
	if picture != nil {
		file, err := w.CreateFormFile("image", "a.png")
		if err != nil {
			panic(err)
		}
		file.Write(picture)
	}
	w.Close()
	return body.Bytes()
}

// somePNG is a small image that is hardly ever made twice.
func somePNG() []byte {
	pixels := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i := range pixels.Pix {
		pixels.Pix[i] = byte(rand.Uint32())
	}
	var file bytes.Buffer
	if err := imagepng.Encode(&file, pixels); err != nil {
		panic(err)
	}
	return file.Bytes()
}

// pathOf is where an address leads to at any replica.
func pathOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return address
	}
	return parsed.Path
}
