package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// written is a report in one format.
func written(t *testing.T, report Report, name string) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, name); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAReportIsSafeToOpenWhateverTheBackendAnswers(t *testing.T) {
	const attack = `</pre></style><script>alert(1)</script><img src=x onerror=alert(2)>]]>"'&` + "\x00\x1b"
	report, _ := runCases(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Odd", strings.Trim(attack, "\x00\x1b"))
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, attack)
	}), testCase{"TEST-ATTACK-01", "", attack, func(s *session) { s.a.get("/servers").expect(201) }})

	page := written(t, report, "x.html")
	for _, raw := range []string{"<script", "<img", "onerror=alert(2)>"} {
		if strings.Contains(page, raw) {
			t.Errorf("the page has %s in it", raw)
		}
	}
	if asset := regexp.MustCompile(`<[^>]*(src|href)=|@import|url\(`).FindString(page); asset != "" {
		t.Errorf("the page is not self-contained: %s", asset)
	}
	if !strings.Contains(page, "&lt;script&gt;alert(1)") {
		t.Error("the page does not show what came")
	}
	decoder := xml.NewDecoder(strings.NewReader(written(t, report, "x.xml")))
	for {
		if _, err := decoder.Token(); err != nil {
			if err.Error() != "EOF" {
				t.Errorf("the JUnit report is not XML: %v", err)
			}
			break
		}
	}
	var back Report
	if err := json.Unmarshal([]byte(written(t, report, "x.json")), &back); err != nil || back.Requirements != report.Requirements {
		t.Errorf("the JSON report does not say what the report does: %v", err)
	}
	if err := report.Write(&bytes.Buffer{}, "x.txt"); err == nil {
		t.Error("a report may be of any format")
	}
}

func TestAReportHoldsNoSecretAndACommandThatRepeatsTheRequest(t *testing.T) {
	const a, b = "token-of-anna", "token-of-ben"
	key, token := strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session=crumbs")
		r.Header.Del("Cookie")
		_, _ = fmt.Fprintf(w, `{"token":%q,"key":"abc","password":"let me in","code":"7K3M-9QWX","echo":"%s"}`, token, r.Header)
	}))
	defer backend.Close()
	report, err := runAgainst(t.Context(), Target{URL: backend.URL, A: a, B: b}, []testCase{{"TEST-SECRET-01", "auth", "secrets", func(s *session) {
		body := object{"password": "let me in, it's me", "code": "493027"}
		s.b.with("Cookie", "crumbs").post("/auth/login", body).fail("of b")
		s.anonymous.with("x-api-key", key).post("/auth/login", body).fail("by key %s", key)
		s.a.submit("POST", "/servers", field("name", "it's")).fail("by a")
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x.json", "x.xml", "x.html"} {
		text := written(t, report, name)
		for _, secret := range []string{a, b, key, token, "let me in", "493027", "7K3M-9QWX", "crumbs"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q", name, secret)
			}
		}
	}
	var commands []string
	for _, failure := range report.Results[0].Failures {
		if failure.Exchange != nil && !slices.Contains(commands, failure.Exchange.Curl) {
			commands = append(commands, failure.Exchange.Curl)
		}
	}
	for i, want := range []string{`-H "Authorization: Bearer $B"`, `-H "X-Api-Key: $SECRET"`, `-H "Authorization: Bearer $A"`} {
		if i >= len(commands) || !strings.Contains(commands[i], want) {
			t.Fatalf("the commands are %q, want %s in the one at %d", commands, want, i)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	form := commands[2]
	out, err := exec.Command(bash, "-c", `A=x; curl() { printf '%s' "${@: -1}"; }; `+form).Output()
	if err != nil || !strings.Contains(string(out), "name=\"name\"\r\n\r\nit's\r\n--") {
		t.Errorf("the command %s sends %q: %v", form, out, err)
	}
}

func TestAPasswordInTheAddressIsShownNowhere(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "you sent %s", r.Header.Get("Authorization"))
	}))
	defer backend.Close()
	host := strings.TrimPrefix(backend.URL, "http://")
	run := func(address string) (Report, error) {
		return runAgainst(t.Context(), Target{URL: address, A: "a", B: "b"}, []testCase{{"TEST-SECRET-01", "", "list", func(s *session) {
			s.anonymous.get("/servers").fail("at %s", s.suite.url)
			s.fail("with %s", "p%40ss word")
		}}})
	}
	report, err := run("http://vera:p%2540ss%20word@" + host + "/community")
	if err != nil {
		t.Fatal(err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("vera:p%40ss word"))
	for _, name := range []string{"x.json", "x.xml", "x.html"} {
		text := written(t, report, name)
		for _, secret := range []string{"vera", "p%40ss", "p%2540ss", basic} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q", name, secret)
			}
		}
		if !strings.Contains(text, host+"/community") {
			t.Errorf("%s does not show the rest of the address", name)
		}
	}
	for _, address := range []string{"ftp://vera:password@" + host, "http://vera:pass/word@" + host, "http://vera:password@", "http://vera:pass%zzword@" + host} {
		_, err := run(address)
		_, ofProxy := NewProxy(address, nil)
		if err == nil || ofProxy == nil || strings.Contains(err.Error()+ofProxy.Error(), "pass") {
			t.Errorf("%v, %v", err, ofProxy)
		}
	}
}

func TestASkip(t *testing.T) {
	failed := func() Result { return Result{Outcome: Fail, Failures: []Failure{{Text: "no"}}} }
	now := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	for promise, test := range map[string]struct {
		skip   Skip
		result Result
		want   Outcome
		note   string
	}{
		"excuses a failure":              {Skip{Expiry: "2026-03-01", Reason: "later", Link: "l"}, failed(), Skipped, "later (l, until 2026-03-01)"},
		"that passes is reported":        {Skip{Expiry: "2026-03-02"}, Result{Outcome: Pass}, Skipped, passesAlthoughSkipped},
		"that expired fails":             {Skip{Expiry: "2026-02-28"}, failed(), Fail, ""},
		"that expired fails with a pass": {Skip{Expiry: "2026-02-28"}, Result{Outcome: Pass}, Fail, ""},
		"excuses no error":               {Skip{Expiry: "2026-03-02"}, Result{Outcome: Broken}, Broken, ""},
	} {
		t.Run(promise, func(t *testing.T) {
			got := test.result
			test.skip.apply(&got, now)
			if got.Outcome != test.want || got.Note != test.note {
				t.Errorf("%s %q, want %s %q", got.Outcome, got.Note, test.want, test.note)
			}
		})
	}
}

func TestAListOfSkipsIsReadStrictly(t *testing.T) {
	const whole = "- {id: SERVERS-VISIT-01, reason: r, link: l, expiry: 2027-03-31}"
	for text, good := range map[string]bool{
		"":    true,
		whole: true,
		`[{"id":"SERVERS-VISIT-01","reason":"r","link":"l","expiry":"2027-03-31"}]`: true,
		whole + "\n" + whole:                                false,
		strings.Replace(whole, "reason: r, ", "", 1):        false,
		strings.Replace(whole, "2027-03-31", "soon", 1):     false,
		strings.Replace(whole, "reason", "because", 1):      false,
		strings.Replace(whole, "expiry: 2027-03-31", "", 1): false,
	} {
		if _, err := ReadSkips([]byte(text)); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	code := func(context.Context, string) (string, error) { return "", nil }
	target := Target{URL: "http://127.0.0.1", A: "a", B: "b", Code: code, Receiver: "127.0.0.1:0"}
	for promise, options := range map[string]Options{
		"a tag that is none":               {Tags: []string{"nope"}},
		"a level that is none":             {Level: "MAY"},
		"a skip of nothing":                {Skips: []Skip{{ID: "SERVERS-NOPE-01"}}},
		"certify with a choice":            {Certify: true, Level: Must},
		"certify with a skip":              {Certify: true, Skips: []Skip{{ID: "SERVERS-VISIT-01"}}},
		"certify with a part of the suite": {Certify: true, Match: regexp.MustCompile("x")},
	} {
		target.Options = options
		if _, err := newRun(target); err == nil {
			t.Errorf("%s is accepted", promise)
		}
	}
	target.Options, target.Code = Options{Certify: true}, nil
	if _, err := newRun(target); err == nil {
		t.Error("a run that certifies needs no mail")
	}
	target.Code, target.Receiver = code, ""
	if _, err := newRun(target); err == nil {
		t.Error("a run that certifies needs no receiver")
	}
}

func TestWhatIsNotChosenIsDisabled(t *testing.T) {
	chosen := func(options Options) (ids []string) {
		run, err := newRun(Target{URL: "http://127.0.0.1", A: "a", B: "b", Options: options})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range run.results {
			if r.Outcome == "" {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	servers := chosen(Options{Tags: []string{"servers"}})
	for id, want := range map[string]bool{"SERVERS-CREATE-01": true, "SERVERS-AUDIT-01": false, "ROLES-CREATE-01": false, "COMMON-IDS-01": false} {
		if slices.Contains(servers, id) != want {
			t.Errorf("with the tag servers, %s is chosen: %v", id, !want)
		}
	}
	if slices.Contains(chosen(Options{Level: Must}), "SERVERS-FORM-02") || !slices.Contains(chosen(Options{}), "SERVERS-FORM-02") {
		t.Error("the level does not choose")
	}
	if got := chosen(Options{Match: regexp.MustCompile("^SERVERS-(VISIT|JOIN)")}); !slices.Equal(got, []string{"SERVERS-JOIN-01", "SERVERS-JOIN-02", "SERVERS-VISIT-01"}) {
		t.Errorf("chosen are %v", got)
	}
	if one, other := chosen(Options{Seed: 1}), chosen(Options{Seed: 2}); len(one) != len(other) || slices.Equal(one, other) {
		t.Error("the seed does not sample the rate-limited requirements, or not always as many")
	}
	all, mailed := chosen(Options{}), 0
	for _, r := range Requirements() {
		if r.Mail || r.Receiver {
			mailed++
		}
	}
	rateLimited := 0
	suite, _ := allRequirements(1)
	for _, r := range suite {
		if r.rateLimited {
			rateLimited++
		}
	}
	if len(all) != len(suite)-mailed-rateLimited+sampleSize {
		t.Errorf("%d are run, of %d with %d that need mail or a receiver and %d that are limited", len(all), len(suite), mailed, rateLimited)
	}
}

func TestARunThatWasStoppedDoesNotConformAndItsReportsSaySo(t *testing.T) {
	server := httptest.NewServer(reply{200, nil, listed})
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	list := func(s *session) { s.a.get("/servers").expect(200) }
	target := Target{URL: server.URL, A: "a", B: "b", Options: Options{Parallel: 1, Tags: []string{"servers"}}}
	contract, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	run, err := runOf(target, contract.requirements(section{"servers", []testCase{
		{"TEST-CASE-01", "", "runs", list},
		{"TEST-CASE-02", "", "stopped", func(*session) { cancel() }},
		{"TEST-CASE-03", "", "not run", list},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range contract.operations { // nothing but the end of the run is wrong
		run.suite.exercised[op.ID] = true
	}
	report, err := run.verify(ctx, nil)
	if err == nil {
		t.Error("a run that was stopped is no error")
	}
	const problem = "the run was stopped, and 2 requirements were not run"
	if n := report.Requirements; n.Passed != 1 || n.NotRun != 2 || n.Disabled != 0 || !slices.Equal(report.Problems, []string{problem}) || report.Conforms() {
		t.Errorf("%+v %q, conforms: %v", n, report.Problems, report.Conforms())
	}
	for name, want := range map[string]string{"x.html": "Does not conform", "x.xml": `<failure message="` + problem, "x.json": `"notRun": 2`} {
		if text := written(t, report, name); !strings.Contains(text, want) || !strings.Contains(text, problem) {
			t.Errorf("%s does not say that the run was stopped", name)
		}
	}
}

func TestWhereNothingPassedNothingConforms(t *testing.T) {
	skip := Skip{ID: "TEST-CASE-01", Reason: "later", Link: "l", Expiry: "2999-12-31"}
	for promise, test := range map[string]struct {
		about string
		skips []Skip
	}{
		"all that runs is skipped":    {"", []Skip{skip}},
		"all that runs only SHOULD":   {"SHOULD", nil},
		"all that runs needs a mail":  {"mail", nil},
		"nothing runs, with no skips": {"mail SHOULD", nil},
	} {
		t.Run(promise, func(t *testing.T) {
			server := httptest.NewServer(reply{200, nil, listed})
			defer server.Close()
			contract, err := loadContract()
			if err != nil {
				t.Fatal(err)
			}
			run, err := runOf(Target{URL: server.URL, A: "a", B: "b", Options: Options{Skips: test.skips}}, contract.requirements(section{"servers", []testCase{
				{"TEST-CASE-01", test.about, promise, func(s *session) { s.a.get("/servers").expect(404) }},
			}}))
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range contract.operations {
				run.suite.exercised[op.ID] = true
			}
			report, err := run.verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if report.Conforms() || !slices.Equal(report.Problems, []string{"nothing passed, so nothing is proved"}) {
				t.Errorf("conforms: %v, with the problems %q and %+v", report.Conforms(), report.Problems, report.Requirements)
			}
		})
	}
}

// TestAnInnerRunThatRunsNothing is not for itself: see the next one.
func TestAnInnerRunThatRunsNothing(t *testing.T) {
	match := os.Getenv("CONFORMANCE_TEST_MATCH")
	if match == "" {
		t.Skip("it is for another test to run")
	}
	server := httptest.NewServer(reply{404, nil, integrationError("not_found")})
	defer server.Close()
	Run(t, Target{URL: server.URL, A: "a", B: "b", Options: Options{Match: regexp.MustCompile(match), Tags: []string{"servers"}}})
}

func TestARunInGoThatRunsNothingFailsUnlessGoTestChose(t *testing.T) {
	for promise, test := range map[string]struct {
		match, run string
		fails      bool
	}{
		"nothing matches": {"NOTHING", "/", true},
		"go test -run leaves all out that would run": {"^SERVERS-IMAGE-04$", "/every", false},
		"a requirement is run":                       {"^SERVERS-IMAGE-04$", "/servers/SERVERS-IMAGE-04", false},
	} {
		t.Run(promise, func(t *testing.T) {
			inner := exec.Command(os.Args[0], "-test.run=^TestAnInnerRunThatRunsNothing$"+test.run)
			inner.Env = append(os.Environ(), "CONFORMANCE_TEST_MATCH="+test.match)
			if out, err := inner.CombinedOutput(); (err != nil) != test.fails || test.fails && !strings.Contains(string(out), "nothing passed") {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}
