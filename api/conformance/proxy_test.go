package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestAProxyPassesEverythingThroughUnchangedAndNamesWhatBreaksTheContract(t *testing.T) {
	const good = `{"meta":{"success":true,"message":"My servers","devMessage":"My servers"},"body":[]}`
	const secret = "5f2b7c0e9a1d4e3f8b6a7c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b"
	for _, test := range []struct {
		name           string
		method, target string
		body           string
		answer         string
		status         int
		want           []string // direction, operation, pointer
	}{
		{"all is well", "GET", "/servers", "", good, 200, nil},
		{"an answer with a list that is null", "GET", "/servers", "", strings.Replace(good, "[]", "null", 1), 200, []string{"answer listMyServers /body"}},
		{"an answer with more than is declared", "GET", "/api/v1/servers", "", strings.Replace(good, `"body"`, `"more":1,"body"`, 1), 200, []string{"answer listMyServers /more"}},
		{"a status that is not declared", "GET", "/servers", "", good, 202, []string{"answer listMyServers "}},
		{"a request with a bad query, answered as if it were good", "GET", "/channels?serverId=nonsense", "", strings.Replace(good, "My servers", "Channels", 1), 200, []string{"request listChannels query/serverId"}},
		{"a request with a bad body", "POST", "/auth/login", `{"email":"vera@example.com","password":"` + secret + `","x":1}`, good, 200,
			[]string{"request logIn /x", "answer logIn /body"}},
		{"a path with an id", "GET", "/servers/66a282dab13eee0013cbb4d8/channels", "", strings.Replace(good, "My servers", "Server channels", 2), 200, nil},
		{"a path with an id at its older name", "GET", "/api/v1/servers/66a282dab13eee0013cbb4d8/channels", "", good, 200, nil},
		{"a path with an id at its other name", "GET", "/v1/communities/66a282dab13eee0013cbb4d8/api-keys", "",
			`{"meta":{"status":"success","statusCode":200},"message":"Read API keys success.","data":[]}`, 200, nil},
		{"a path with an id that is none", "GET", "/v1/communities/1/api-keys", "",
			`{"meta":{"status":"success","statusCode":200},"message":"Read API keys success.","data":[]}`, 200, []string{"request listApiKeys path/communityId"}},
		{"a path below those of the contract that is not in it, but is answered", "GET", "/v1/nothing", "", good, 200, []string{"answer  "}},
		{"a method that a path does not have, but is answered", "DELETE", "/servers", "", good, 200, []string{"answer  "}},
		{"a path that has nothing to do with the contract", "GET", "/livez", "", "ok", 200, nil},
		{"what browsers ask first", "OPTIONS", "/api/v1/servers", "", "", 204, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got string
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Authorization") + " " + string(body)
				reply{test.status, map[string]string{"X-Request-Id": "one"}, test.answer}.ServeHTTP(w, r)
			}))
			defer backend.Close()
			var findings []Finding
			proxy, err := NewProxy(backend.URL, func(f Finding) { findings = append(findings, f) })
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(test.method, test.target, strings.NewReader(test.body))
			r.Header.Set("Authorization", "Bearer "+secret)
			if test.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			proxy.ServeHTTP(w, r)
			if want := test.method + " " + test.target + " Bearer " + secret + " " + test.body; got != want {
				t.Errorf("the backend got %q, want %q", got, want)
			}
			if w.Code != test.status || w.Body.String() != test.answer {
				t.Errorf("the client got %d %s", w.Code, w.Body)
			}
			var reported []string
			for _, f := range findings {
				reported = append(reported, f.Direction+" "+f.Operation+" "+f.Pointer)
			}
			for _, want := range test.want {
				if !slices.Contains(reported, want) {
					t.Errorf("%q is not among the findings %q", want, reported)
				}
			}
			if len(test.want) == 0 && len(reported) > 0 {
				t.Errorf("found %q in an exchange in which all is well", reported)
			}
			if text := asJSON(findings); strings.Contains(text, secret) {
				t.Errorf("the findings hold a credential or a password: %s", text)
			}
			summary := proxy.Summary()
			if summary.Exchanges != 1 || (len(summary.Findings) == 0) != (len(test.want) == 0) {
				t.Errorf("got %+v", summary)
			}
		})
	}
}

// through is a proxy to a backend, over real sockets. What it has seen is complete once it is closed.
func through(t *testing.T, backend http.HandlerFunc) (address string, finish func() (ProxySummary, string)) {
	t.Helper()
	behind := httptest.NewServer(backend)
	t.Cleanup(behind.Close)
	var findings []string
	proxy, err := NewProxy(behind.URL, func(f Finding) { findings = append(findings, asJSON(f)) })
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	return front.URL, func() (ProxySummary, string) {
		http.DefaultClient.CloseIdleConnections()
		front.Close()
		return proxy.Summary(), strings.Join(findings, "\n")
	}
}

func TestAProxyPassesARequestOnAsItCame(t *testing.T) {
	var got *http.Request
	address, finish := through(t, func(w http.ResponseWriter, r *http.Request) { got = r })
	r, err := http.NewRequest("GET", address+"/pages/a%2Fb?q=1;2&x=%zz&empty", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "community.example"
	sent := map[string]string{
		"Forwarded": "for=192.0.2.1", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "other.example", "X-Forwarded-Proto": "https",
		"User-Agent": "test", "Accept-Encoding": "br",
	}
	for name, value := range sent {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	finish()
	if got.Host != "community.example" || got.RequestURI != "/pages/a%2Fb?q=1;2&x=%zz&empty" {
		t.Errorf("the backend got %s at %s", got.RequestURI, got.Host)
	}
	for name, value := range sent {
		if !slices.Equal(got.Header[name], []string{value}) {
			t.Errorf("the header %s is %q, want %q", name, got.Header[name], value)
		}
	}
	if len(got.Header) != len(sent) {
		t.Errorf("there are more headers than were sent: %v", got.Header)
	}
}

func TestAProxyDoesNotKeepAStreamWaiting(t *testing.T) {
	next := make(chan struct{})
	for path, kind := range map[string]string{"/events": "text/event-stream", "/servers": "application/json"} {
		address, finish := through(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("X-Request-Id", "one")
			w.Header().Set("Cache-Control", "no-store")
			for _, event := range []string{`{"meta":{"success":true,"message":"My servers",`, `"devMessage":"My servers"},"body":[]}`} {
				io.WriteString(w, event+"\n")
				w.(http.Flusher).Flush()
				<-next
			}
		})
		answer, err := http.Get(address + path)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(answer.Body)
		for range 2 {
			if line, err := lines.ReadString('\n'); err != nil {
				t.Errorf("%s: got %q (%v)", path, line, err)
			}
			next <- struct{}{}
		}
		if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
			t.Errorf("%s: got %q (%v), want the end", path, rest, err)
		}
		answer.Body.Close()
		summary, findings := finish()
		if known := kind == "application/json"; summary.Exchanges != 1 || (summary.Unknown == 0) != known || (summary.Operations.Reached == 1) != known || findings != "" {
			t.Errorf("%s: %+v %s", path, summary, findings)
		}
	}
}

func TestAProxyLetsAProtocolBeChanged(t *testing.T) {
	address, finish := through(t, func(w http.ResponseWriter, r *http.Request) {
		connection, both, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer connection.Close()
		io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := both.ReadString('\n')
		io.WriteString(connection, "you said "+line)
	})
	connection, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	io.WriteString(connection, "GET /servers HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	from := bufio.NewReader(connection)
	if answer, err := http.ReadResponse(from, nil); err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v (%v)", answer, err)
	}
	io.WriteString(connection, "hello\n")
	if said, err := io.ReadAll(from); err != nil || !strings.HasSuffix(string(said), "you said hello\n") {
		t.Errorf("got %q (%v)", said, err)
	}
	if summary, findings := finish(); summary.Exchanges != 1 || summary.Unchecked != 1 || findings != "" {
		t.Errorf("%+v %s", summary, findings)
	}
}

func TestAProxyPassesOnWhatIsLongOrCutOff(t *testing.T) {
	const long = maxAnswer + 12345
	address, finish := through(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "one")
		w.Header().Set("Cache-Control", "no-store")
		switch r.Method {
		case "PUT":
			n, err := io.Copy(io.Discard, r.Body)
			if n != long || err != nil {
				t.Errorf("of a long request came %d bytes (%v)", n, err)
			}
			_, _ = io.CopyN(w, zeros{}, long)
		case "GET":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"meta":`)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	r, err := http.NewRequest("PUT", address+"/roles/1", io.LimitReader(zeros{}, long))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, answer.Body); n != long || err != nil {
		t.Errorf("of a long answer came %d bytes (%v)", n, err)
	}
	answer.Body.Close()
	if answer, err = http.Get(address + "/servers"); err != nil {
		t.Fatal(err)
	}
	if begin, err := io.ReadAll(answer.Body); string(begin) != `{"meta":` || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of an answer that was cut off came %q (%v), want all that there was and that it was cut off", begin, err)
	}
	answer.Body.Close()
	if summary, findings := finish(); summary.Exchanges != 2 || summary.Unchecked != 2 || findings != "" {
		t.Errorf("%+v %s", summary, findings)
	}
}

// zeros are without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAProxyToABackendThatDoesNotAnswerSaysSoInOneLine(t *testing.T) {
	const secret = "5f2b7c0e9a1d4e3f8b6a7c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b"
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	address, finish := through(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(connection, "HTTP/1.1 "+secret+"\r\n\r\n")
		connection.Close()
	})
	answer, err := http.Get(address + "/servers")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusBadGateway || string(text) != "the backend gave no answer\n" {
		t.Errorf("%d %q (%v)", answer.StatusCode, text, err)
	}
	if summary, findings := finish(); summary.Unanswered != 1 || summary.Exchanges != 0 || findings != "" || logged.Len() > 0 {
		t.Errorf("%+v %s %s", summary, findings, &logged)
	}
}
