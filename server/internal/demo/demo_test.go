package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// told gets what is told while the demo runs.
type told struct{ text chan string }

func (w told) Write(p []byte) (int, error) {
	w.text <- string(p)
	return len(p), nil
}

func TestTheDemoShowsEachWidgetInEachWayAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, end := context.WithCancel(t.Context())
	out, over := told{make(chan string, 10)}, make(chan error, 1)
	go func() { over <- run(ctx, "127.0.0.1:0", "127.0.0.1:0", out) }()
	var all string
	for !strings.Contains(all, "Ctrl-C") {
		select {
		case text := <-out.text:
			all += text
		case err := <-over:
			t.Fatal(err)
		case <-time.After(2 * time.Minute):
			t.Fatal("it does not begin")
		}
	}
	page := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(all)
	for _, way := range ways {
		body := get(t, page+"/?way="+way.Way)
		for _, k := range kinds {
			if !strings.Contains(body, string(k.kind)) && !strings.Contains(body, k.path) && !strings.Contains(body, k.element) {
				t.Errorf("%s does not show %s", way.Way, k.kind)
			}
		}
	}
	res, err := http.Post(page+"/who", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if token, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || strings.Count(string(token), ".") != 2 {
		t.Errorf("asked who looks, the shop answers %d: %s", res.StatusCode, token)
	}
	end()
	if err := <-over; err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v (%v)", left, err)
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %d: %s (%v)", address, res.StatusCode, body, err)
	}
	return string(body)
}
