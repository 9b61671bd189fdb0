package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestNobodyJoinsAServerBecauseTheyKnowItsID(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		h, owner, stranger := s.Handler(), tokenOf(t, s, "owner@example.com"), tokenOf(t, s, "stranger@example.com")
		id := createServer(t, h, owner, "Secret board room")
		nothing := send(h, request("POST", "/servers/"+s.newID()+"/join", stranger))
		w := send(h, request("POST", "/servers/"+id+"/join", stranger))
		if plain := withoutRequestID; w.Code != http.StatusNotFound || plain(t, w) != plain(t, nothing) {
			t.Errorf("got %d %s, and for what does not exist %s", w.Code, w.Body, nothing.Body)
		}
		if n := do[gen.MemberListResponse](t, h, "GET", "/servers/"+id+"/members", owner, nil).Meta.Total; n != 1 {
			t.Errorf("it has %d members", n)
		}
	})
}

func TestAnImageOfBeforeIsShownUnderItsOldID(t *testing.T) {
	s := open(t, onSQLite(t))
	const id = "66a282dab13eee0013cbb4d9"
	if err := s.images.Put(t.Context(), id, strings.NewReader(pngHead)); err != nil {
		t.Fatal(err)
	}
	if w := send(s.Handler(), request("GET", "/images/"+id, "")); w.Code != http.StatusOK || w.Body.String() != pngHead {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

// withoutRequestID is an answer but for what differs in every one.
func withoutRequestID(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	answer := problemOf(t, w)
	return strings.ReplaceAll(w.Body.String(), answer.Body.RequestID, "")
}
