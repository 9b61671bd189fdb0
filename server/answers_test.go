package server

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestAnAnswerThatBreaksTheContractIsLoggedOrRefused(t *testing.T) {
	for _, test := range []struct {
		check  string
		status int
		logged bool
	}{
		{"", http.StatusCreated, false},
		{"off", http.StatusCreated, false},
		{"log", http.StatusCreated, true},
		{"enforce", http.StatusInternalServerError, true},
	} {
		t.Run(test.check, func(t *testing.T) {
			var log bytes.Buffer
			config := onSQLite(t)
			config.CheckAnswers, config.Log = test.check, slog.New(slog.NewTextHandler(&log, nil))
			s := open(t, config)
			token := tokenOf(t, s, "a@example.com")
			if w := send(s.Handler(), createRequest("/servers", token, "good")); w.Code != http.StatusCreated || strings.Contains(log.String(), "breaks the contract") {
				t.Fatalf("a good answer: got %d: %s", w.Code, &log)
			}
			if w := send(s.Handler(), request("GET", "/servers/nonsense", token)); w.Code != http.StatusBadRequest {
				t.Errorf("a good refusal: got %d", w.Code)
			}
			ids := 0
			s.newID = func() string { ids++; return strings.Repeat("X", ids) } // no ids of the contract
			w := send(s.Handler(), createRequest("/servers", token, "bad"))
			if w.Code != test.status || strings.Contains(log.String(), "breaks the contract") != test.logged {
				t.Errorf("got %d, want %d; logged must be %v: %s", w.Code, test.status, test.logged, &log)
			}
			if test.check == "enforce" && (problemOf(t, w).Body.Code != gen.ProblemCodeInternal || strings.Contains(w.Body.String(), "objectid")) {
				t.Errorf("want an internal error that tells nothing: %s", w.Body)
			}
		})
	}
}

func TestCheckedAnswersOfOtherKindsPass(t *testing.T) {
	config := onSQLite(t)
	config.CheckAnswers = "enforce"
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	w := send(s.Handler(), uploadOf(t, token, strings.NewReader(onePixel)))
	_, id, _ := strings.Cut(w.Body.String(), "/images/")
	if w := send(s.Handler(), request("GET", "/images/"+id[:32], "")); w.Code != http.StatusOK || w.Body.String() != onePixel {
		t.Errorf("an image: got %d, %q", w.Code, w.Body)
	}
	if w := send(s.Handler(), request("GET", "/openapi.json", "")); w.Code != http.StatusOK || w.Body.Len() == 0 {
		t.Errorf("a page: got %d", w.Code)
	}
}
