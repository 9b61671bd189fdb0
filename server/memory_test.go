package server

import (
	"net/http"
	"strings"
	"testing"
)

// Escaped, as programs write JSON that stands in a page, each of these characters would take six bytes.
func TestTextIsWrittenAsItIs(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		token := tokenOf(t, s, "a@example.com")
		club := createServer(t, s.Handler(), token, "a <b> & c")
		const text = `<i>&"` // and one that JSON has to escape
		const written = `"<i>&\""`
		ask := func(want string, r *http.Request) {
			t.Helper()
			if w := send(s.Handler(), r); !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), `\u00`) {
				t.Errorf("%s: got %d %s, want %s in it", r.URL, w.Code, w.Body, want)
			}
		}
		ask(written, jsonRequest("/badges", token, map[string]any{"title": text, "action": "custom", "serverId": club, "image": "https://a.example/?a=1&b=2"}))
		ask(written, request("GET", "/badges", token))
		ask(`a=1&b=2`, request("GET", "/badges", token))
		ask(`a <b> & c`, request("GET", "/servers", token))
		ask(written, request("GET", "/servers/"+club+"/audit", token))
		ask(`"/<&>"`, jsonRequest("/badges", token, map[string]any{"title": "x", "action": "custom", "<&>": 1}))
	})
}
