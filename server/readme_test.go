package server

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api"
)

// What README promises about security it promises by naming the tests that prove it.
func TestWhatREADMEPromisesOfSecurityIsTested(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	if err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		code, err := os.ReadFile(name)
		for _, found := range declared.FindAllSubmatch(code, -1) {
			there[string(found[1])] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	rows := 0
	_, section, _ := strings.Cut(string(text), "\n## Secure by default\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, "| tests |\n") {
			continue
		}
		rows++
		tests := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("no test proves: %s", line)
		}
		for _, test := range tests {
			if !there[test[1]] {
				t.Errorf("there is no %s", test[1])
			}
		}
	}
	if rows < 10 {
		t.Errorf("README has %d rows on security", rows)
	}
}

func TestREADMESaysTheRates(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := strings.Join(strings.Fields(strings.ReplaceAll(string(text), ",", "")), " ")
	for _, word := range []struct {
		class, of string
	}{{api.Reads, "reads at once and"}, {api.Writes, "writes and"}, {api.Uploads, "forms with files and"}, {"joins", "joins and"}, {"strangers", "at once and"}} {
		r, known := rates[word.class]
		if !known {
			r = strangers
		}
		if want := fmt.Sprintf("%d %s %d a second", r.burst, word.of, time.Second/r.every); !strings.Contains(readme, want) {
			t.Errorf("README does not say %q", want)
		}
	}
	exports := rates["exports"]
	if want := fmt.Sprintf("%d exports and %d a minute", exports.burst, time.Minute/exports.every); !strings.Contains(readme, want) {
		t.Errorf("README does not say %q", want)
	}
	if want := fmt.Sprintf("%d at once and one more each %d seconds", importedUsers.AtOnce, importedUsers.Every/time.Second); !strings.Contains(readme, want) {
		t.Errorf("README does not say %q", want)
	}
	if len(rates) != 5 {
		t.Errorf("there are %d classes; README has 5", len(rates))
	}
}

// The table says which tags work: all that the contract has, and none of them is still to come.
func TestREADMENamesTheTagsThatWork(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| tag | what works |")
	table, _, _ = strings.Cut(table, "\n\n")
	var works []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.TrimSpace(cells[2]) == "not yet" {
			continue
		}
		for _, tag := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[1], -1) {
			works = append(works, tag[1])
		}
	}
	var has []string
	for _, tag := range must(api.Load()).Tags {
		has = append(has, tag.Name)
	}
	slices.Sort(works)
	slices.Sort(has)
	if !slices.Equal(works, has) {
		t.Errorf("README says that these work: %v; the contract has: %v", works, has)
	}
}
