package server

import (
	"net/http"
	"strings"
	"testing"
)

func TestTheReferencePageLoadsNothingFromElsewhere(t *testing.T) {
	s := open(t, onSQLite(t))
	page := send(s.Handler(), request("GET", "/docs", ""))
	if page.Code != http.StatusOK || strings.Contains(page.Body.String(), `src="http`) || strings.Contains(page.Body.String(), `href="http`) {
		t.Errorf("got %d: %s", page.Code, page.Body)
	}
	if w := send(s.Handler(), request("GET", "/docs/swagger-ui-bundle.js", "")); w.Code != http.StatusOK || w.Body.Len() < 100<<10 {
		t.Errorf("the page's script: got %d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestTheReferencePageSaysWhereThePrintedTokenBelongs(t *testing.T) {
	s := open(t, onSQLite(t))
	page := send(s.Handler(), request("GET", "/docs", "")).Body.String()
	for _, part := range []string{"rejoin serve", "rejoin token", "session token", "sessionAuth"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not say %q", part)
		}
	}
}

func TestTheRootLeadsToTheReference(t *testing.T) {
	s := open(t, onSQLite(t))
	w := send(s.Handler(), request("GET", "/", ""))
	if w.Code != http.StatusFound || w.Header().Get("Location") != "/docs" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestThePolicyOfTheReferencePageAllowsNoScriptButItsOwn(t *testing.T) {
	s := open(t, onSQLite(t))
	page := send(s.Handler(), request("GET", "/docs", ""))
	policy := page.Header().Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("got %s", policy)
	}
	for _, event := range []string{" onload=", " onclick=", " style=", "javascript:"} {
		if strings.Contains(page.Body.String(), event) {
			t.Errorf("the page has %s, which its policy forbids", event)
		}
	}
}
