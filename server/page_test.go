package server

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func TestACursorShowsEveryItemOnceInTheOrderOfThePages(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		now := time.Now()
		s.now = func() time.Time { return now } // all join in the same moment
		owner := tokenOf(t, s, "owner@example.com")
		id := openServer(t, s.Handler(), owner, "Chess club")
		for i := range 22 {
			token := tokenOf(t, s, "m"+strconv.Itoa(i)+"@example.com")
			if w := send(s.Handler(), request("POST", "/servers/"+id+"/join", token)); w.Code != http.StatusOK {
				t.Fatalf("got %d: %s", w.Code, w.Body)
			}
		}
		type answer struct {
			Meta gen.SystemPageMeta
			Body []map[string]any
		}
		for _, list := range []string{"members", "audit"} {
			target := "/servers/" + id + "/" + list
			var byPage, byCursor []any
			for page := 1; page <= 4; page++ {
				for _, item := range read[answer](t, send(s.Handler(), request("GET", target+"?limit=7&page="+strconv.Itoa(page), owner))).Body {
					byPage = append(byPage, item["_id"])
				}
			}
			for next := "?limit=7"; next != ""; {
				page := read[answer](t, send(s.Handler(), request("GET", target+next, owner)))
				for _, item := range page.Body {
					byCursor = append(byCursor, item["_id"])
				}
				if next = ""; page.Meta.NextCursor != "" {
					next = "?limit=7&cursor=" + page.Meta.NextCursor
				}
			}
			if len(byPage) < 23 || !cmp.Equal(byPage, byCursor) {
				t.Errorf("%s: by page and by cursor differ:\n%s", list, cmp.Diff(byPage, byCursor))
			}
		}
	})
}

func TestACursorToNowhereIsRefusedOnEachDatabase(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		owner := tokenOf(t, s, "owner@example.com")
		id := createServer(t, s.Handler(), owner, "Chess club")
		for _, nowhere := range []string{"2147483648", "99999999999999999999999", "abc"} {
			cursor := page{operation: "listMembers"}.cursorTo(store.Position{At: gen.Time{Time: time.UnixMicro(0)}, ID: nowhere})
			w := send(s.Handler(), request("GET", "/servers/"+id+"/members?cursor="+cursor, owner))
			if w.Code != http.StatusBadRequest || len(problemOf(t, w).Body.Fields) != 1 || problemOf(t, w).Body.Fields[0].Pointer != "query/cursor" {
				t.Errorf("%s: got %d %s, want 400 and query/cursor", nowhere, w.Code, w.Body)
			}
		}
	})
}

func TestNoCursorThatOthersMakeIsUsed(t *testing.T) {
	p := page{operation: "listMembers"}
	good := p.cursorTo(store.Position{At: gen.Time{Time: time.UnixMicro(1)}, ID: "17"})
	if to, err := p.positionOf(good); err != nil || to.ID != "17" || to.At.UnixMicro() != 1 {
		t.Errorf("got %v, %v", to, err)
	}
	if len(good) > 100 {
		t.Errorf("%q is longer than the contract says", good)
	}
	for _, id := range []string{"", "17 18", "17\x00", "'", "xyz", "17\n"} {
		if to, err := p.positionOf(p.cursorTo(store.Position{ID: id})); err == nil {
			t.Errorf("%q was taken: %v", id, to)
		}
	}
	if _, err := (page{operation: "listAudit"}).positionOf(good); err == nil {
		t.Error("the cursor of another list was taken")
	}
}
