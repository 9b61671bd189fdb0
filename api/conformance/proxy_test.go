package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestAProxyPassesEverythingThroughUnchangedAndNamesWhatBreaksTheContract(t *testing.T) {
	const good = `{"meta":{"success":true,"message":"My servers","devMessage":""},"body":[]}`
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
		{"a path that is in no contract, but is answered", "GET", "/nothing", "", good, 200, []string{"answer  "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got string
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Authorization") + " " + string(body)
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Request-Id", "one")
				w.WriteHeader(test.status)
				io.WriteString(w, test.answer)
			}))
			defer backend.Close()
			var findings bytes.Buffer
			proxy, err := NewProxy(backend.URL, &findings)
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
			var told []string
			for lines := json.NewDecoder(bytes.NewReader(findings.Bytes())); lines.More(); {
				var f Finding
				if err := lines.Decode(&f); err != nil {
					t.Fatal(err)
				}
				told = append(told, f.Direction+" "+f.Operation+" "+f.Pointer)
			}
			for _, want := range test.want {
				if !slices.Contains(told, want) {
					t.Errorf("%q is not among the findings %q", want, told)
				}
			}
			if len(test.want) == 0 && len(told) > 0 {
				t.Errorf("found %q in an exchange in which all is well", told)
			}
			if strings.Contains(findings.String(), secret) {
				t.Errorf("the findings hold a credential or a password: %s", &findings)
			}
			summary, err := proxy.Summary()
			if err != nil || summary.Exchanges != 1 || (len(summary.Findings) == 0) != (len(test.want) == 0) {
				t.Errorf("got %+v, %v", summary, err)
			}
		})
	}
}
