package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/api/conformance"
)

// What is another one each time: ids and secrets, moments, where a page goes on, and the numbers and addresses of new accounts.
var passing = regexp.MustCompile(`ORD[0-9a-f]{20}|[0-9a-f]{24,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|visits/\d{4}-\d\d-\d\d|\d{4}-\d\d-\d\dT[0-9:.]+Z|"next_cursor":"[\w-]+"|"(id|userId)":("\d+"|\d+)|vera[.\d]+`)

const words = "server/testdata/calls.sh"

// In a folder of the repository, with a new database, as README tells its readers to: each block in a shell of its own, and all of
// them again.
func TestTheCallsInTheReadmeAreAnsweredAsItShowsWhenTheyArePasted(t *testing.T) {
	readme, calls := textOf(t, "../../../README.md"), textOf(t, "../../../"+words)
	_, calls, _ = strings.Cut(calls, "\n\n")
	if !strings.Contains(readme, "\n```\n"+calls+"```\n") {
		t.Errorf("README does not show what %s says", words)
	}
	blocks := regexp.MustCompile("```sh\n([^`]*)```\n\n```(?:json|text)\n([^`]*)```").FindAllStringSubmatch(readme, -1)
	if fenced := strings.Count(readme, "```sh\n"); fenced != len(blocks) || fenced < 7 {
		t.Fatalf("README has %d blocks of calls, and %d with their answers", fenced, len(blocks))
	}
	dir := t.TempDir()
	data, page := filepath.Join(dir, "data"), filepath.Join(dir, "embed")
	if out, err := exec.Command("go", "build", "-o", page, "../../testdata/embed").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p, base := serveShipped(t, "--drain=0s", "--data", data)
	here := strings.NewReplacer(
		"go run ./server/cmd/rejoin token --data rejoin-data", p.Path+" token --data "+data,
		"rejoin-data/", data+"/",
		"go build -o $PAGE ./server/testdata/embed", "cp "+page+" $PAGE",
		"http://127.0.0.1:8080", base,
	)
	for _, shell := range []string{"sh", "bash"} {
		for _, time := range []string{"at first", "again"} {
			for i, block := range blocks {
				pasted := here.Replace(strings.ReplaceAll(block[1], ". ./"+words+"\n", calls))
				pasted = strings.ReplaceAll(pasted, "127.0.0.1:8090", freeAddress(t)) // the page of before may still be ending
				command := exec.CommandContext(t.Context(), shell, "-euc", pasted)
				command.Env = append(os.Environ(), "TMPDIR="+dir)
				var stderr strings.Builder
				command.Stderr = &stderr
				got, err := command.Output()
				if err != nil {
					t.Fatalf("block %d, %s %s: %v\n%s%s", i+1, shell, time, err, got, &stderr)
				}
				if diff := cmp.Diff(masked(block[2]), masked(string(got))); diff != "" {
					t.Errorf("block %d, %s %s, is not what is answered (-README +answered):\n%s", i+1, shell, time, diff)
				}
			}
		}
	}
}

// masked are the answers in a text, without what is another one each time.
func masked(text string) []string {
	for _, begin := range []string{`{"meta"`, `{"status"`} { // curl ends no line
		text = strings.ReplaceAll(text, "}"+begin, "}\n"+begin)
	}
	return strings.FieldsFunc(passing.ReplaceAllString(text, "~"), func(r rune) bool { return r == '\n' })
}

func textOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
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
