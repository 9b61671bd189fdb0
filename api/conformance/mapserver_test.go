package conformance_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

// TestAForeignBackendConforms: the suite asks for nothing that only the server of this repository has.
func TestAForeignBackendConforms(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "mapserver")
	if out, err := exec.Command("go", "build", "-race", "-o", binary, "./testdata/mapserver").CombinedOutput(); err != nil {
		t.Fatalf("it does not compile: %v\n%s", err, out)
	}
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	backend := exec.CommandContext(t.Context(), binary, a, b)
	out, err := backend.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Process.Kill(); _ = backend.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	report, err := conformance.Verify(t.Context(), conformance.Target{
		URL: strings.TrimSpace(url), A: a, B: b, Options: conformance.Options{Tags: []string{"servers"}},
	}, func(r conformance.Result) {
		for _, failure := range r.Failures {
			t.Errorf("%s (%s): %s", r.ID, r.Outcome, failure.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := report.Operations; n.Reached != n.All || n.All == 0 {
		t.Errorf("%d of %d operations gave a good answer: only those of the chosen tag count", n.Reached, n.All)
	}
	if !report.Conforms() || report.Requirements.Passed == 0 {
		t.Errorf("%+v %v", report.Requirements, report.Problems)
	}
}
