package origin

import (
	"strings"
	"testing"
)

func TestAnOriginIsReadAsBrowsersWriteIt(t *testing.T) {
	for text, want := range map[string]string{
		"https://app.example":       "https://app.example",
		"HTTPS://App.Example":       "https://app.example",
		"https://app.example:443":   "https://app.example",
		"http://app.example:80":     "http://app.example",
		"http://app.example:443":    "http://app.example:443",
		"http://localhost:3000":     "http://localhost:3000",
		"http://127.0.0.1:3000":     "http://127.0.0.1:3000",
		"http://[::1]:3000":         "http://[::1]:3000",
		"https://xn--bcher-kva.com": "https://xn--bcher-kva.com",
		"capacitor://localhost":     "capacitor://localhost",
	} {
		if got, err := Parse(text); got != want || err != nil {
			t.Errorf("%s: got %q and %v, want %q", text, got, err, want)
		}
	}
}

func TestWhatIsMoreOrLessThanAnOriginIsRefusedByName(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "such as",
		"null":                          "such as",
		"*":                             "such as",
		"app.example":                   "such as",
		"localhost:3000":                "such as",
		"//app.example":                 "such as",
		"https://":                      "such as",
		"file:///etc/passwd":            "such as",
		" https://app.example":          "such as",
		"https://app.example/":          "path",
		"https://app.example/api":       "path",
		"https://app.example?a=b":       "query",
		"https://app.example?":          "query",
		"https://app.example#top":       "fragment",
		"https://app.example#":          "fragment",
		"https://me:secret@app.example": "user",
		"https://app.example:0":         "port",
		"https://app.example:65536":     "port",
		"https://app.example:":          "ASCII",
		"https://:443":                  "ASCII",
		"https://*.example":             "pattern",
		"https://bücher.example":        "ASCII",
		"https://a.example,b.example":   "pattern",
	} {
		got, err := Parse(text)
		if got != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q and %v, want an error that says %q", text, got, err, want)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats the password: %v", text, err)
		}
	}
}
