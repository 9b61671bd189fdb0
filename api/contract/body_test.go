package contract

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

// What is wrong with a value costs many times the value: a body of numbers that should be texts, or of empty lists, would be
// tens of megabytes of findings.
func TestABodyOfFarTooManyValuesIsRefusedBeforeTheyAreLookedAt(t *testing.T) {
	things := newThings(t, "false")
	for name, body := range map[string]string{
		"numbers":        `{"name":"a","tags":[` + strings.Repeat("1,", 30_000) + `1]}`,
		"lists":          `{"name":"a","tags":[` + strings.Repeat("[],", 30_000) + `1]}`,
		"unknown fields": `{"name":"a",` + strings.Repeat(`"x":1,"y":{},`, 5_000) + `"z":1}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := send(things, postThing("/things/1", body))
		runtime.ReadMemStats(&after)
		if problem := problemOf(t, w).Body; w.Code != http.StatusBadRequest || len(problem.Fields) != 1 || problem.Fields[0].Code != gen.FieldCodeTooMany {
			t.Errorf("%s: got %d %s, want that they are too many", name, w.Code, w.Body)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 2<<20 {
			t.Errorf("%s: %d bytes were allocated for a body of %d", name, allocated, len(body))
		}
	}
	for name, body := range map[string]string{
		"a text of commas":       `{"name":"a","text":"` + strings.Repeat(",[{", 1000) + `"}`,
		"some more than allowed": `{"name":"a","tags":[` + strings.Repeat("1,", 200) + `1]}`,
	} {
		if w := send(things, postThing("/things/1", body)); strings.Contains(w.Body.String(), "far too many") {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

func TestALongBodyNeedsRoomInMemoryAndAShortOneDoesNot(t *testing.T) {
	k, err := newContract(operationsOf(t, strings.ReplaceAll(thingsContract, "OPEN", "false")))
	if err != nil {
		t.Fatal(err)
	}
	var taken []int64
	given := 0
	full := false
	options := optionsForTests
	options.Memory = func(_ context.Context, bytes int64) (func(), error) {
		if full {
			return nil, Unavailable(errors.New("no room"))
		}
		taken = append(taken, bytes)
		return func() { given++ }, nil
	}
	things := serveThings(t, k, options)
	long := `{"name":"a","text":"` + strings.Repeat(`\u0061`, 5000) + `"}`
	for i, test := range []struct {
		body   string
		full   bool
		status int
		taken  int
	}{
		{`{"name":"a"}`, true, http.StatusOK, 0},
		{long, false, http.StatusOK, 1},
		{long[:len(long)-2], false, http.StatusBadRequest, 2},
		{long, true, http.StatusServiceUnavailable, 2},
	} {
		full = test.full
		if w := send(things, postThing("/things/1", test.body)); w.Code != test.status || len(taken) != test.taken || given != len(taken) {
			t.Errorf("%d: got %d %s with %d shares, of which %d were given back", i, w.Code, w.Body, len(taken), given)
		}
	}
	if slices.Min(taken) < int64(len(long)) {
		t.Errorf("%v bytes for %d", taken, len(long))
	}
}
