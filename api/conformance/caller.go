package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// caller sends requests as somebody.
type caller struct {
	*session
	name   string
	header http.Header
}

// with is the same caller, sending one more header.
func (c caller) with(name, value string) caller {
	c.header = c.header.Clone()
	c.header.Set(name, value)
	return c
}

// bearer is the same caller with this credential and no other.
func (c caller) bearer(credential string) caller {
	c.header = http.Header{}
	return c.with("Authorization", "Bearer "+credential)
}

// object is a JSON object to send.
type object map[string]any

// and is the same object with more in it; what it has already is replaced.
func (o object) and(more object) object {
	all := maps.Clone(o)
	maps.Copy(all, more)
	return all
}

func (c caller) get(path string) *answer              { return c.send("GET", path, "", nil) }
func (c caller) put(path string, body object) *answer { return c.write("PUT", path, body) }
func (c caller) delete(path string) *answer           { return c.send("DELETE", path, "", nil) }

// post sends an object, if there is one.
func (c caller) post(path string, body ...object) *answer {
	if len(body) == 0 {
		return c.send("POST", path, "", nil)
	}
	return c.write("POST", path, body[0])
}

func (c caller) write(method, path string, body any) *answer {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return c.send(method, path, "application/json", data)
}

// submit sends a form; without parts it is an empty one.
func (c caller) submit(method, path string, parts ...part) *answer {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {p.disposition}}
		if p.kind != "" {
			header.Set("Content-Type", p.kind)
		}
		w, _ := form.CreatePart(header) // a buffer does not fail
		_, _ = w.Write(p.data)
	}
	_ = form.Close()
	return c.send(method, path, form.FormDataContentType(), body.Bytes())
}

// part is one part of a form.
type part struct {
	disposition, kind string
	data              []byte
}

func field(name, value string) part {
	return part{fmt.Sprintf(`form-data; name="%s"`, name), "", []byte(value)}
}

func upload(name, file, kind string, data []byte) part {
	return part{fmt.Sprintf(`form-data; name="%s"; filename="%s"`, name, file), kind, data}
}

const (
	maxAttempts   = 8
	limitPatience = 90 * time.Second // how long one request waits for limits to end, in all
)

// send makes a request to a path of the backend, or to a whole address that the backend gave. It waits out a rate limit
// when the backend says for how long, and each time a little longer, so that several runs do not stand in each other's way.
// A limit that lasts too long is nothing that the backend does wrong: what it would have answered stays unknown.
//
// When the run is stopped nothing more is sent, but what has been sent gets its answer: it may have made something, which
// is to be taken away.
func (c caller) send(method, path, kind string, body []byte) *answer {
	what := fmt.Sprintf("%s: %s %s", c.name, method, path)
	x := &exchange{method: method, body: body}
	address := path
	if x.page = strings.Contains(path, "://"); !x.page {
		address = c.suite.url + path
	}
	// Whoever waits for a limit to end must not be overtaken by others of this run.
	if op := c.suite.contract.operations.Match(method, strings.SplitN(path, "?", 2)[0]); op != nil && rateLimited(op) {
		c.suite.limited.Lock()
		defer c.suite.limited.Unlock()
	}
	waited := time.Duration(0)
	for attempt := 1; ; attempt++ {
		if c.ctx.Err() != nil {
			c.stop("%s: not sent, because the run was stopped", what)
		}
		req, err := http.NewRequestWithContext(withExchange(context.WithoutCancel(c.ctx), x), method, address, bytes.NewReader(body))
		if err != nil {
			c.stop("%s: this is not an address: %v", what, err)
		}
		req.Header = c.header.Clone()
		if kind != "" {
			req.Header.Set("Content-Type", kind)
		}
		x.url, x.header = req.URL.String(), req.Header
		resp, err := c.client.Do(req)
		if err != nil {
			c.silent.Store(true)
			a := &answer{session: c.session, exchange: x}
			a.stop("%s: no answer: %s", what, reason(err))
		}
		a := &answer{session: c.session, exchange: x, what: what, status: resp.StatusCode, header: resp.Header}
		a.raw = readBody(resp)
		if isJSON(resp.Header) {
			_ = json.Unmarshal(a.raw, &a.value) // the wire reports what is not JSON
		}
		if pause := retryAfter(resp); pause > 0 {
			if waited += pause; attempt == maxAttempts || waited > limitPatience {
				c.broken.Store(true)
				a.stop("%s: the backend limits how often it may be asked, and the suite waits no longer: %s", what, a.summary())
			}
			select {
			case <-time.After(pause + mathrand.N(time.Duration(attempt)*time.Second)):
			case <-c.ctx.Done():
			}
			continue
		}
		c.remember(req, a)
		return a
	}
}

func readBody(resp *http.Response) []byte {
	defer func() { _ = resp.Body.Close() }()
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body) // the wire has it in memory
	return body.Bytes()
}

// retryAfter is how long a rate limit lasts, at least a second; 0 if there is none or the backend does not say it.
func retryAfter(resp *http.Response) time.Duration {
	header := resp.Header.Get("Retry-After")
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0
	}
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 1), 24*60*60)) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now() // the clock of the backend would be better
	}
	return max(at.Sub(now), time.Second)
}

// reason is why there was no answer, for a person.
func reason(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "it took too long"
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err.Error()
}

// creations are the operations that make what a test case must take away again, and where that is.
var creations = map[string]string{
	"createServer": "/servers/",
}

// remember notes what a request has made, whether or not the test case expected it to.
func (c caller) remember(req *http.Request, a *answer) {
	op := c.suite.contract.operations.Match(req.Method, strings.TrimPrefix(req.URL.EscapedPath(), c.suite.base))
	if op == nil || creations[op.ID] == "" || a.status/100 != 2 {
		return
	}
	id, _ := lookup(a.value, "/body/_id")
	if id, ok := id.(string); ok {
		c.undoes(func() {
			gone := c.delete(creations[op.ID] + url.PathEscape(id))
			// Who was deleted owned nothing any more.
			if !slices.Contains([]int{http.StatusOK, http.StatusNotFound, http.StatusUnauthorized, http.StatusNotImplemented}, gone.status) {
				c.fail("could not clean up: %s: %s", gone.what, gone.summary())
			}
		})
	}
}
