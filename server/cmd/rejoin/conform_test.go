package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/api/conformance"
)

// conforming is a running backend, and the command line that tests it.
func conforming(t *testing.T) (args []string) {
	t.Helper()
	data := t.TempDir()
	_, base := serve(t, "--data="+data)
	args = []string{"conform", "--url=" + base}
	for _, email := range []string{"anna@example.com", "ben@example.com"} {
		code, token, stderr := rejoin("token", "--data="+data, "--email="+email)
		if code != 0 {
			t.Fatal(stderr)
		}
		args = append(args, "--token="+strings.TrimSpace(token))
	}
	return args
}

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func skipOf(id, expiry string) string {
	return `[{"id": "` + id + `", "reason": "later", "link": "https://tracker.example/7", "expiry": "` + expiry + `"}]`
}

func TestConformRunsWhatIsChosenAndReportsIt(t *testing.T) {
	args := append(conforming(t), "--run=^SERVERS-(VISIT|JOIN)-01$", "--skip="+write(t, "skips.json", skipOf("SERVERS-JOIN-01", "2999-12-31")))
	dir := t.TempDir()
	for _, name := range []string{"r.json", "r.xml", "r.html"} {
		args = append(args, "--report="+filepath.Join(dir, name))
	}
	code, stdout, stderr := rejoin(args...)
	if code != 0 || stderr != "" {
		t.Fatalf("%d: %s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"skip  SERVERS-JOIN-01: ", "passes although skipped", " 1 passed, 0 failed, 0 errors, 1 skipped, ",
		"\nservers           1        0        0        1 ",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in:\n%s", want, stdout)
		}
	}
	if !strings.HasSuffix(stdout, "\nThe backend conforms, as far as it was tested.\n") || strings.Contains(stdout, "SERVERS-VISIT-01") {
		t.Errorf("want the verdict last, and nothing of what passed:\n%s", stdout)
	}
	if strings.ContainsAny(stdout, "\r\x1b") {
		t.Errorf("what is piped has a line that changes: %q", stdout)
	}
	var report conformance.Report
	data, err := os.ReadFile(filepath.Join(dir, "r.json"))
	if err == nil {
		err = json.Unmarshal(data, &report)
	}
	if err != nil || report.Requirements.Passed != 1 || !report.Conforms() {
		t.Errorf("the report says %+v (%v)", report.Requirements, err)
	}
	for name, want := range map[string]string{"r.xml": "<testsuite ", "r.html": "<!doctype html>"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s has no %s in it (%v)", name, want, err)
		}
	}
}

func TestConformFailsWhenItMust(t *testing.T) {
	args := append(conforming(t), "--run=^SERVERS-VISIT-01$")
	for promise, test := range map[string]struct {
		arg, want string // in what is printed
		code      int
	}{
		"a skip that has expired":     {"--skip=" + write(t, "old.yaml", skipOf("SERVERS-VISIT-01", "2020-01-01")), "the skip expired on 2020-01-01", 1},
		"a skip of what is not there": {"--skip=" + write(t, "odd.yaml", skipOf("SERVERS-NOPE-01", "2999-01-01")), `"SERVERS-NOPE-01"`, 1},
		"a choice when certifying":    {"--certify", "chooses nothing", 1},
		"a tag that is none":          {"--tag=nope", `no tag "nope"`, 1},
		"a level that is none":        {"--level=MAY", "--level", 2},
		"a report of no known format": {"--report=r.txt", "--report", 2},
		"a report with no place":      {"--report=" + filepath.Join(t.TempDir(), "no", "r.xml"), "no such file", 1},
		"no requirement at once":      {"--parallel=0", "--parallel must be 1 to 64", 2},
		"too many at once":            {"--parallel=65", "--parallel must be 1 to 64", 2},
		"nothing that passes":         {"--skip=" + write(t, "all.yaml", skipOf("SERVERS-VISIT-01", "2999-01-01")), "nothing passed", 1},
	} {
		t.Run(promise, func(t *testing.T) {
			code, stdout, stderr := rejoin(append(args, test.arg)...)
			if code != test.code || !strings.Contains(stdout+stderr, test.want) {
				t.Errorf("%d, want %d and %q:\n%s%s", code, test.code, test.want, stdout, stderr)
			}
		})
	}
}

func TestABackendThatIsNotThereIsReportedTooAndTheSummaryIsLast(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.xml")
	code, stdout, stderr := rejoin("conform", "--url=http://127.0.0.1:1", "--token=a", "--token=b", "--report="+file)
	if code != 1 || stderr != "" || !strings.HasSuffix(stdout, " requirements were run.\n") || strings.Count(stdout, "cannot be reached") != 1 {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `<failure message="the backend cannot be reached`) {
		t.Errorf("%s (%v)", text, err)
	}
}

func TestATokenThatIsRefusedEndsTheRunInOneLine(t *testing.T) {
	args := conforming(t)
	args[3] = "--token=" + strings.Repeat("0123456789abcdef", 4)
	code, stdout, stderr := rejoin(args...)
	const want = "Problem: the second token is refused: GET /servers answers 401\n0 of "
	if code != 1 || stderr != "" || !strings.Contains(stdout, want) || strings.Count(stdout, "\n") > 5 {
		t.Errorf("%d, want %q:\n%s%s", code, want, stdout, stderr)
	}
}

func TestWhatFailsIsShownInShortAndWholeIfVerbose(t *testing.T) {
	long := "a: GET /servers: want 200, got 500 " + strings.Repeat("x", 300)
	r := conformance.Result{
		Requirement: conformance.Requirement{ID: "SERVERS-JOIN-01", Text: "joins", Level: conformance.Must}, Outcome: conformance.Fail,
		Failures: []conformance.Failure{
			{Text: long, Exchange: &conformance.Exchange{Request: "GET /servers", Response: "500\x1b[2J"}}, {Text: "two\nlines"}, {Text: "3"}, {Text: "4"}, {Text: "5"},
		},
	}
	passed := conformance.Result{Requirement: conformance.Requirement{ID: "SERVERS-VISIT-01", Text: "visits"}, Outcome: conformance.Pass}
	advice := r
	advice.ID, advice.Level, advice.Failures = "SERVERS-FORM-02", conformance.Should, nil

	var out output
	p := newProgress(&out, false, false)
	for _, r := range []conformance.Result{advice, passed, r} {
		p.show(r)
	}
	p.end()
	want := "FAIL  SERVERS-JOIN-01: joins (0.00s)\n      " + long[:160] + " ...\n      two ...\n      3\n" +
		"      ... and 2 more; --verbose and --report show all\nwarn  SERVERS-FORM-02: joins (0.00s)\n\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	var all output
	p = newProgress(&all, false, true)
	p.show(passed)
	p.show(r)
	p.end()
	for _, want := range []string{"ok    SERVERS-VISIT-01", long, "GET /servers", "500\ufffd[2J", "      two\n      lines\n", "      5\n"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%q is not in %s", want, &all)
		}
	}
}

func TestWhoReadsWhatIsPrintedMayLeave(t *testing.T) {
	if args := os.Getenv("REJOIN_TEST_COMMAND"); args != "" {
		os.Exit(run(t.Context(), strings.Split(args, "\n"), terminal{out: os.Stdout, err: os.Stderr}))
	}
	args := conforming(t)
	file := filepath.Join(t.TempDir(), "r.json")
	command := exec.Command(os.Args[0], "-test.run=^TestWhoReadsWhatIsPrintedMayLeave$")
	command.Env = append(os.Environ(), "REJOIN_TEST_COMMAND="+strings.Join(append(args, "--verbose", "--report="+file), "\n"))
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "contract ") {
		t.Errorf("got %q (%v)", line, err)
	}
	out.Close()
	if err := command.Wait(); command.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "broken pipe") {
		t.Errorf("%v: %s", err, &stderr)
	}
	var report conformance.Report
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &report)
	}
	if err != nil || report.Requirements.NotRun == 0 || report.Conforms() {
		t.Errorf("the report says %+v (%v)", report.Requirements, err)
	}
	for _, arg := range args {
		if token, is := strings.CutPrefix(arg, "--token="); is {
			r, err := http.NewRequest("GET", strings.TrimPrefix(args[1], "--url=")+"/servers", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			left, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || !strings.Contains(string(left), `"body":[]`) {
				t.Errorf("servers were left behind: %s (%v)", left, err)
			}
		}
	}
}

func TestTheTokensMayBeInTheEnvironmentAndAPasswordInTheAddress(t *testing.T) {
	args := conforming(t)
	address := strings.Replace(args[1], "http://", "http://vera:password@", 1)
	t.Setenv("REJOIN_TOKEN", strings.TrimPrefix(args[2], "--token=")+","+strings.TrimPrefix(args[3], "--token="))
	code, stdout, stderr := rejoin("conform", address, "--run=^SERVERS-VISIT-01$")
	if code != 0 || !strings.Contains(stdout, " 1 passed, ") || strings.Contains(stdout+stderr, "password") {
		t.Errorf("%d: %s%s", code, stdout, stderr)
	}
}

func TestOfATagWithManyFailuresTheFirstAreShown(t *testing.T) {
	var out output
	p := newProgress(&out, false, false)
	for i := range mostShown + 7 {
		id := fmt.Sprintf("ROLES-TEST-%02d", i)
		p.show(conformance.Result{Requirement: conformance.Requirement{ID: id, Section: "roles", Level: conformance.Must}, Outcome: conformance.Fail})
	}
	p.end()
	if got := out.String(); strings.Count(got, "FAIL") != mostShown || !strings.Contains(got, "\n... and 7 more of roles; --verbose and --report show all\n") {
		t.Errorf("got %s", got)
	}
}

func TestTheHelpShowsTheFormatOfASkip(t *testing.T) {
	if code, stdout, stderr := rejoin("conform", "suite", "--help"); code != 0 || !strings.Contains(stdout, "    - id: SERVERS-VISIT-01\n      reason: ") {
		t.Errorf("%d: %s%s", code, stdout, stderr)
	}
}

func TestTheHelpAboutConformLeadsToItsFlags(t *testing.T) {
	if code, stdout, stderr := rejoin("conform", "--help"); code != 0 || !strings.Contains(stdout, "suite --help") {
		t.Errorf("%d: %s%s", code, stdout, stderr)
	}
}

func TestOnATerminalOneLineChangesAndOnlyWhatIsWrongStays(t *testing.T) {
	var out output
	p := newProgress(&out, true, false)
	p.show(conformance.Result{Requirement: conformance.Requirement{ID: "SERVERS-VISIT-01"}, Outcome: conformance.Pass})
	p.show(conformance.Result{
		Requirement: conformance.Requirement{ID: "SERVERS-JOIN-01", Text: "joins"}, Outcome: conformance.Fail,
		Failures: []conformance.Failure{{Text: "no"}},
	})
	p.end()
	const gone = "\r\x1b[K"
	want := gone + "\r1 run, 0 failed: SERVERS-VISIT-01" + gone + "FAIL  SERVERS-JOIN-01: joins (0.00s)\n      no\n" +
		"\r2 run, 1 failed: SERVERS-JOIN-01" + gone + "\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
