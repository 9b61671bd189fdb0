package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
)

// members serves a list of n members, in pages as large as they are asked for but no larger than most, and counts requests.
func members(n, most int, requests *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*requests = append(*requests, r.RequestURI)
		first, _ := strconv.Atoi(strings.TrimPrefix(r.FormValue("cursor"), "after-"))
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		end := min(first+min(limit, most), n)
		var items []string
		for i := first; i < end; i++ {
			items = append(items, fmt.Sprintf(`{"id":"%d"}`, i+1))
		}
		next := ""
		if end < n {
			next = fmt.Sprintf(`,"nextCursor":"after-%d"`, end)
		}
		fmt.Fprintf(w, `{"meta":{"success":true,"page":1,"limit":%d,"total":%d%s},"body":[%s]}`, limit, n, next, strings.Join(items, ","))
	}
}

func TestMembersComeInPagesUntilOneHasNoNext(t *testing.T) {
	for _, tt := range []struct {
		name              string
		n, most, requests int
	}{
		{"none", 0, 100, 1},
		{"one", 1, 100, 1},
		{"a page but one", 99, 100, 1},
		{"exactly one page", 100, 100, 1},
		{"several pages", 250, 100, 3},
		{"smaller pages than asked for", 45, 20, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests []string
			c := serve(t, members(tt.n, tt.most, &requests))
			all := c.Servers.Members(t.Context(), id)
			if len(requests) != 0 {
				t.Error("asked before it was ranged over")
			}
			for round := range 2 { // Ranging again begins again.
				requests = nil
				count := 0
				for member, err := range all {
					if err != nil {
						t.Fatal(err)
					}
					if count++; member.Number != strconv.Itoa(count) {
						t.Fatalf("member %d is %s", count, member.Number)
					}
				}
				if count != tt.n || len(requests) != tt.requests {
					t.Errorf("round %d: %d members by %d requests, want %d by %d", round, count, len(requests), tt.n, tt.requests)
				}
				for i, got := range requests {
					want := fmt.Sprintf("/servers/%s/members?limit=100", id)
					if i > 0 {
						want += fmt.Sprintf("&cursor=after-%d", i*tt.most)
					}
					if got != want {
						t.Errorf("asked for %q, want %q", got, want)
					}
				}
			}
		})
	}
}

func TestPagesThatDoNotGoOnAreAnError(t *testing.T) {
	for name, tt := range map[string]struct {
		items, requests, members int
	}{
		"always the same one": {100, 2, 100},
		"nothing, and more":   {0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			items := strings.TrimSuffix(strings.Repeat(`{"id":"1"},`, tt.items), ",")
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				fmt.Fprintf(w, `{"meta":{"success":true,"page":1,"limit":100,"total":100,"nextCursor":"same"},"body":[%s]}`, items)
			})
			members, last := 0, error(nil)
			for _, err := range c.Servers.Members(t.Context(), id) {
				if last = err; err == nil {
					members++
				}
			}
			if last == nil || !strings.Contains(last.Error(), "rejoin: the list cannot be used: page after page, it does not go on") {
				t.Errorf("got %v", last)
			}
			if members != tt.members || requests != tt.requests {
				t.Errorf("%d members by %d requests, want %d by %d", members, requests, tt.members, tt.requests)
			}
			for _, err := range c.Audit.List(t.Context(), id) {
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), "it does not go on") {
				t.Errorf("the audit trail: got %v", last)
			}
		})
	}
}

func TestAListThatHasNoEndIsLeft(t *testing.T) {
	asked, last := "", error(nil)
	for _, err := range client.Pages(func(cursor string) { asked = cursor }) {
		last = err
	}
	if asked != "999999" || last == nil || !strings.Contains(last.Error(), "it does not end with page 1000000") {
		t.Errorf("got %v after page %s", last, asked)
	}
}

func TestMembersStopWhereTheLoopIsLeft(t *testing.T) {
	for stop, requests := range map[int]int{1: 1, 99: 1, 100: 1, 101: 2, 200: 2} {
		var got []string
		c := serve(t, members(1000, 100, &got))
		count := 0
		for _, err := range c.Servers.Members(t.Context(), id) {
			if err != nil {
				t.Fatal(err)
			}
			if count++; count == stop {
				break
			}
		}
		if len(got) != requests {
			t.Errorf("left at member %d: %d requests, want %d", stop, len(got), requests)
		}
	}
}

func TestAnErrorAmongTheMembersComesOnceAndEndsTheLoop(t *testing.T) {
	for name, tt := range map[string]struct {
		bad  http.HandlerFunc
		want func(error) bool
	}{
		"a failure": {
			says(429, `{"meta":{"success":false,"message":"Slow down"},"body":{"code":"rate_limited"}}`),
			func(err error) bool { return errors.Is(err, client.ErrRateLimited) },
		},
		"an unusable answer": {
			says(200, "<html>"),
			func(err error) bool { return strings.Contains(err.Error(), "not the JSON expected") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var requests []string
			good := members(1000, 100, &requests)
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("cursor") == "after-200" {
					requests = append(requests, "bad")
					tt.bad(w, r)
					return
				}
				good(w, r)
			})
			var count, failures int
			for member, err := range c.Servers.Members(t.Context(), id) {
				if err == nil {
					count++
					continue
				}
				if failures++; !tt.want(err) || member.Number != "" {
					t.Errorf("got %v with member %q", err, member.Number)
				}
			}
			if count != 200 || failures != 1 || len(requests) != 3 {
				t.Errorf("%d members and %d errors by %d requests, want 200 and 1 by 3", count, failures, len(requests))
			}
		})
	}
}

func TestTheEndOfTheContextEndsTheMembers(t *testing.T) {
	var requests []string
	c := serve(t, members(1000, 100, &requests))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	count := 0
	for _, err := range c.Servers.Members(ctx, id) {
		if last = err; err == nil {
			if count++; count == 150 {
				cancel()
			}
		}
	}
	if !errors.Is(last, context.Canceled) || count != 200 || len(requests) != 2 {
		t.Errorf("got %v after %d members and %d requests, want context.Canceled after 200 and 2", last, count, len(requests))
	}
}
