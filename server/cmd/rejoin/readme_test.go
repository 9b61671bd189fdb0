package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/api/conformance"
)

// What is another one each time: ids, moments, and where a page goes on.
var passing = regexp.MustCompile(`[0-9a-f]{24}|\d{4}-\d\d-\d\dT[0-9:.]+Z|"next_cursor":"[\w-]+"`)

// In a folder of the repository, with a new database, as README tells its readers to.
func TestTheCallsInTheReadmeAreAnsweredAsItShowsWhenTheyArePasted(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n### Two people talk\n")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```json\n(.*?)```").FindAllStringSubmatch(section, -1)
	if !found || len(blocks) != 2 {
		t.Fatalf("README has %d blocks of calls with their answers, want 2", len(blocks))
	}
	data := filepath.Join(t.TempDir(), "data")
	p, base := serveShipped(t, "--drain=0s", "--data", data)
	pasted, want := "", ""
	for _, block := range blocks {
		pasted += block[1] + "\n"
		want += block[2]
	}
	here := strings.NewReplacer("http://127.0.0.1:8080", base, "go run ./server/cmd/rejoin token --data rejoin-data", p.Path+" token --data "+data)
	command := exec.CommandContext(t.Context(), bash, "-euo", "pipefail", "-c", here.Replace(pasted))
	var stderr strings.Builder
	command.Stderr = &stderr
	got, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, got, &stderr)
	}
	masked := func(text string) []string {
		return strings.FieldsFunc(passing.ReplaceAllString(text, "~"), func(r rune) bool { return r == '\n' })
	}
	if diff := cmp.Diff(masked(want), masked(string(got))); diff != "" {
		t.Errorf("README is not what is answered (-README +answered):\n%s", diff)
	}
}

func TestTheRequirementsThatTheReadmeNamesAreThere(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range conformance.Requirements() {
		known[r.ID] = true
	}
	named := regexp.MustCompile("`([A-Z]{4,}-[A-Z]+-\\d\\d|ROLE-\\w+)`").FindAllStringSubmatch(string(readme), -1)
	for _, id := range named {
		if !known[id[1]] {
			t.Errorf("README names %s, which is no requirement of the suite", id[1])
		}
	}
	if len(named) < 10 {
		t.Errorf("README names %d requirements", len(named))
	}
}
