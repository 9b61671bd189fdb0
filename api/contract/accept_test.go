package contract

import (
	"context"
	"net/http/httptest"
	"testing"
)

func TestAPictureIsForWhoPrefersItToJSON(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                  false,
		"*/*":                               false,
		"application/json":                  false,
		"application/json, image/svg+xml":   false,
		"image/svg+xml;q=0":                 false,
		"image/svg+xml;q=0.5, */*":          false,
		"image/svg+xml;q=x":                 false,
		"image/png":                         false,
		"application/xml, ;, /":             false,
		"text/html,image/avif,*/*;q=0.8":    false,
		"image/svg+xml;q=0.5,text/*":        true,
		"image/svg+xml":                     true,
		"image/svg+xml, */*":                true,
		"image/*":                           true,
		"IMAGE/SVG+XML":                     true,
		"application/json;q=0.1, image/*":   true,
		"image/webp,image/svg+xml,*/*;q=.8": true,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		if got := Wants(context.WithValue(t.Context(), stateKey{}, &requestState{request: r}), "image/svg+xml"); got != want {
			t.Errorf("%q: got %v", accept, got)
		}
	}
	if Wants(t.Context(), "image/svg+xml") {
		t.Error("somebody wants a picture who asks for nothing")
	}
}
