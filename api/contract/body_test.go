package contract

import (
	"context"
	"errors"
	"net/http"
	"runtime"
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
	var room roomForTests
	options := optionsForTests
	options.Memory = func(_ context.Context, breakOff func()) (Room, error) {
		room.breakOff = breakOff
		return &room, nil
	}
	things := serveThings(t, k, options)
	long := `{"name":"a","text":"` + strings.Repeat(`\u0061`, 5000) + `"}`
	for i, test := range []struct {
		body string
		room roomForTests
		want int
	}{
		{`{"name":"a"}`, roomForTests{full: 0}, http.StatusOK},
		{long, roomForTests{full: 1 << 20}, http.StatusOK},
		{long[:len(long)-2], roomForTests{full: 1 << 20}, http.StatusBadRequest},
		{long, roomForTests{full: 0}, http.StatusServiceUnavailable},
		{long, roomForTests{full: 64 << 10}, http.StatusServiceUnavailable}, // it may arrive, but not be validated
		{long, roomForTests{full: 1 << 20, breaksOff: true}, http.StatusServiceUnavailable},
	} {
		room = test.room
		if w := send(things, postThing("/things/1", test.body)); w.Code != test.want || room.taken > 0 && room.left != 1 {
			t.Errorf("%d: got %d %s, and a room %+v", i, w.Code, w.Body, room)
		}
		if w := int64(len(long)); test.want == http.StatusOK && len(test.body) == len(long) && room.taken < w {
			t.Errorf("%d: %d bytes for %d", i, room.taken, w)
		}
	}
}

// roomForTests has room for less than so many bytes.
type roomForTests struct {
	full, taken int64
	left        int
	breaksOff   bool
	breakOff    func()
}

func (r *roomForTests) Arrive(ctx context.Context, bytes int64) error { return r.Validate(ctx, bytes) }

func (r *roomForTests) Validate(_ context.Context, bytes int64) error {
	r.taken = bytes
	if r.breaksOff {
		r.breakOff()
	}
	if bytes >= r.full {
		return Unavailable(errors.New("no room"))
	}
	return nil
}

func (r *roomForTests) Leave() { r.left++ }
