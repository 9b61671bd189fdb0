package conformance

// The suite itself is tested against small backends that misbehave in one way each.

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/api"
)

// reply is what a backend answers to everything.
type reply struct {
	status int
	header map[string]string // added to a JSON Content-Type, a good X-Request-Id and no-store; an empty value takes one away
	body   string
}

func (r reply) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "r1")
	w.Header().Set("Cache-Control", "no-store")
	for name, value := range r.header {
		w.Header()[http.CanonicalHeaderKey(name)] = []string{value}
		if value == "" {
			w.Header().Del(name)
		}
	}
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte(r.body))
}

const (
	done  = `"meta":{"success":true,"message":"Done","devMessage":"Done"}`
	club1 = `{"_id":"66a282dab13eee0013cbb4d8","name":"Chess club","image":null,"owner":{"id":"2"},"__v":0,` +
		`"roles":[],"categories":[],"leaderboards":[],"languageSettings":[],"id":"66a282dab13eee0013cbb4d8"}`
	listed = `{` + done + `,"body":[` + club1 + `]}`
)

func systemError(code string) string {
	return `{"meta":{"success":false,"message":"No","devMessage":"no"},"body":{"code":"` + code + `","requestId":"r1","fields":[]}}`
}

func integrationError(code string) string {
	return `{"status":"error","message":"No","data":{"code":"` + code + `","requestId":"r1","fields":[]}}`
}

func TestTheWireValidatesEveryAnswer(t *testing.T) {
	instead := func(old, new string) string {
		if !strings.Contains(listed, old) {
			t.Fatalf("%s is not in the answer", old)
		}
		return strings.Replace(listed, old, new, 1)
	}
	members := func(joined string) string {
		return `{"meta":{"success":true,"message":"Members","devMessage":"Members","page":1,"limit":20,"total":1},"body":[{"id":"2",` +
			`"_id":"66a282dab13eee0013cbb4d1","username":null,"displayName":"Vera","avatar":null,"roles":["@all"],"joinedAt":"` + joined + `"}]}`
	}
	const listMembers = "/servers/66a282dab13eee0013cbb4d8/members"
	const getImage = "/images/66a282dab13eee0013cbb4d8"

	cases := []struct {
		promise string
		request string // GET /servers if it is empty
		reply   reply
		want    string // the beginning of a finding; empty for none at all
	}{
		{"a good answer is left alone", "", reply{200, nil, listed}, ""},
		{"a charset does no harm", "",
			reply{200, map[string]string{"Content-Type": "application/json; charset=utf-8"}, listed},
			""},
		{"the older name of a route is the same operation", "GET /api/v1/servers", reply{200, nil, `{}`},
			"listMyServers 200 /meta: "},

		{"an undeclared property", "", reply{200, nil, instead(`"__v":0`, `"__v":0,"colour":"red"`)},
			"listMyServers 200 /body/0/colour: this property is not in the contract"},
		{"an undeclared property in the envelope", "", reply{200, nil, instead(`"devMessage":"Done"`, `"devMessage":"Done","took":1`)},
			"listMyServers 200 /meta/took: this property is not in the contract"},
		{"an undeclared property inside a nested object", "", reply{200, nil, instead(`{"id":"2"}`, `{"id":"2","email":"a@b.c"}`)},
			"listMyServers 200 /body/0/owner/email: this property is not in the contract"},
		{"a missing property", "", reply{200, nil, instead(`"image":null,`, ``)}, "listMyServers 200 /body/0/image: "},
		{"null where a list is promised", "", reply{200, nil, `{` + done + `,"body":null}`}, "listMyServers 200 /body: "},
		{"null for an inner list", "", reply{200, nil, instead(`"roles":[]`, `"roles":null`)},
			"listMyServers 200 /body/0/roles: "},
		{"a number where a string is promised", "", reply{200, nil, instead(`{"id":"2"}`, `{"id":2}`)},
			"listMyServers 200 /body/0/owner/id: "},
		{"an id of another form", "", reply{200, nil, instead(`"_id":"66a282dab13eee0013cbb4d8"`, `"_id":"66A282DAB13EEE0013CBB4D8"`)},
			"listMyServers 200 /body/0/_id: "},
		{"a relative address", "", reply{200, nil, instead(`"image":null`, `"image":"/images/1"`)},
			"listMyServers 200 /body/0/image: "},
		{"a time without milliseconds", "GET " + listMembers, reply{200, nil, members("2026-03-01T16:50:17Z")},
			"listMembers 200 /body/0/joinedAt: "},
		{"a time in another zone", "GET " + listMembers, reply{200, nil, members("2026-03-01T16:50:17+01:00")},
			"listMembers 200 /body/0/joinedAt: "},
		{"a good time", "GET " + listMembers, reply{200, nil, members("2026-03-01T16:50:17.600Z")}, ""},
		{"two mistakes are two findings, this is the first", "", reply{200, nil, `{` + done + `,"body":[1,2]}`},
			"listMyServers 200 /body/0: "},
		{"two mistakes are two findings, this is the second", "", reply{200, nil, `{` + done + `,"body":[1,2]}`},
			"listMyServers 200 /body/1: "},

		{"another content type", "", reply{200, map[string]string{"Content-Type": "text/html"}, listed},
			`listMyServers 200: Content-Type is "text/html"`},
		{"no content type", "", reply{200, map[string]string{"Content-Type": " "}, listed},
			`listMyServers 200: Content-Type is ""`},
		{"what is not JSON", "", reply{200, nil, `{"meta":`}, "listMyServers 200: the body must be one JSON value"},
		{"an empty body", "", reply{200, nil, ``}, "listMyServers 200: the body must be one JSON value"},
		{"two JSON values", "", reply{200, nil, listed + listed}, "listMyServers 200: the body must be one JSON value"},
		{"a name twice", "", reply{200, nil, instead(`"__v":0`, `"__v":0,"__v":0`)},
			"listMyServers 200: the body must be one JSON value"},

		{"a success that is not documented", "", reply{201, nil, listed},
			"listMyServers 201: this status is not in the contract"},
		{"a redirection", "", reply{302, map[string]string{"Location": "/servers"}, ``},
			"listMyServers 302: this status is not in the contract"},
		{"an error that the operation does not list", "", reply{409, nil, systemError("conflict")},
			"listMyServers 409: the contract does not list"},
		{"an error that default covers", "", reply{500, nil, systemError("internal")}, ""},

		{"no request id", "", reply{200, map[string]string{"X-Request-Id": ""}, listed},
			"listMyServers 200: the header X-Request-Id is missing"},
		{"an answer that a cache may keep", "", reply{200, map[string]string{"Cache-Control": "private"}, listed},
			"listMyServers 200: Cache-Control must be no-store"},
		{"a refusal that a cache may keep", "", reply{401, map[string]string{"Cache-Control": ""}, systemError("unauthenticated")},
			"listMyServers 401: Cache-Control must be no-store"},
		{"an odd request id", "", reply{200, map[string]string{"X-Request-Id": "a b"}, listed},
			"listMyServers 200: X-Request-Id must be 1 to 64"},
		{"another request id in the problem", "", reply{401, map[string]string{"X-Request-Id": "r2"}, systemError("unauthenticated")},
			"listMyServers 401 /body/requestId: "},
		{"a success that says it is none", "", reply{200, nil, instead(`"success":true`, `"success":false`)},
			"listMyServers 200 /meta/success: "},
		{"a failure that says it is none", "", reply{401, nil, strings.Replace(systemError("unauthenticated"), "false", "true", 1)},
			"listMyServers 401 /meta/success: "},
		{"a success with the cause of a failure", "", reply{200, nil, instead(`"devMessage":"Done"`, `"devMessage":"hm"`)},
			"listMyServers 200 /meta/devMessage: "},
		{"two causes of one failure", "", reply{401, nil, strings.Replace(systemError("unauthenticated"), `"fields"`, `"detail":"hm","fields"`, 1)},
			"listMyServers 401 /body/detail: "},
		{"the code of another status", "", reply{401, nil, systemError("permission_denied")},
			"listMyServers 401 /body/code: "},
		{"a code that nobody knows", "", reply{401, nil, systemError("who_are_you")}, "listMyServers 401 /body/code: "},
		{"a rate limit that does not say for how long", "", reply{429, nil, systemError("rate_limited")},
			"listMyServers 429: the header Retry-After"},
		{"a failure in another family", "", reply{401, nil, integrationError("unauthenticated")},
			"listMyServers 401 /status: this property is not"},
		{"a failure of the flat family", "GET " + getImage, reply{404, nil, integrationError("not_found")}, ""},
		{"a failure of the flat family in another", "GET " + getImage, reply{404, nil, systemError("not_found")},
			"getImage 404 /meta: this property is not"},
		{"an image", "GET " + getImage, reply{200, map[string]string{"Content-Type": "image/png"}, "any bytes"}, ""},
		{"a page for an image", "GET " + getImage, reply{200, map[string]string{"Content-Type": "text/html"}, "<html>"},
			"getImage 200: Content-Type is "},
		{"a header longer than declared", "GET " + getImage,
			reply{200, map[string]string{"Content-Type": "image/png", "ETag": strings.Repeat("e", 101)}, "x"}, `getImage 200: response header "ETag"`},

		{"an unknown route", "GET /nope", reply{404, nil, systemError("not_found")}, ""},
		{"an unknown route that is served", "GET /nope", reply{200, nil, listed},
			"GET /nope 200: a request that is in no contract must be refused"},
		{"an unknown route without an envelope", "GET /nope", reply{404, map[string]string{"Content-Type": "text/plain"},
			"404 page not found"},
			"GET /nope 404: Content-Type is "},
		{"an unknown route in the wrong family", "GET /v1/nope", reply{404, nil, systemError("not_found")},
			"GET /v1/nope 404: must be refused in the envelope of the family integration"},
		{"an unknown route in the right family", "GET /apis/v1/nope", reply{404, nil, integrationError("not_found")}, ""},
		{"an older name is not of the newer family", "GET /api/v1/nope", reply{404, nil, integrationError("not_found")},
			"GET /api/v1/nope 404: must be refused in the envelope of the family system"},
		{"a wrong method", "DELETE /servers",
			reply{405, map[string]string{"Allow": "GET, POST"}, systemError("method_not_allowed")},
			""},
		{"a wrong method without the right ones", "DELETE /servers", reply{405, nil, systemError("method_not_allowed")},
			"DELETE /servers 405: the header Allow is missing"},
	}
	for _, test := range cases {
		t.Run(test.promise, func(t *testing.T) {
			for _, base := range []string{"", "/some/where"} {
				s := newTestSession(t, http.StripPrefix(base, test.reply), base)
				method, path, asked := strings.Cut(test.request, " ")
				if !asked {
					method, path = "GET", "/servers"
				}
				s.guard(func() { s.a.send(method, path, "", nil) })
				switch {
				case test.want == "" && len(s.failures) > 0:
					t.Errorf("nothing is wrong, and the wire reports %q", s.texts())
				case !slices.ContainsFunc(s.texts(), func(f string) bool { return strings.HasPrefix(f, test.want) }) && test.want != "":
					t.Errorf("want %q; the wire reports %q", test.want, s.texts())
				}
			}
		})
	}
}

func newTestSession(t *testing.T, backend http.Handler, base string) *session {
	t.Helper()
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	suite, err := newSuite(Target{URL: server.URL + base, A: "a", B: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return suite.newSession(t.Context())
}

func TestTheRequestIDThatWasSentMustComeBack(t *testing.T) {
	s := newTestSession(t, reply{200, nil, listed}, "")
	s.a.with("X-Request-Id", "mine").get("/servers")
	if want := []string{"listMyServers 200: X-Request-Id must be the one that was sent"}; !cmp.Equal(s.texts(), want) {
		t.Error(cmp.Diff(want, s.texts()))
	}
}

func TestABackendThatIsNotThereIsAnErrorAndNoFailure(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	report, err := Verify(t.Context(), Target{URL: server.URL, A: "a", B: "b", Code: anyCode, Options: Options{Tags: []string{"servers"}}}, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the error is %v", err)
	}
	if n := report.Requirements; n.NotRun == 0 || n.NotRun+n.Disabled != n.All || len(report.Problems) != 1 || report.Conforms() {
		t.Errorf("%+v %q; want nothing run, and one problem", n, report.Problems)
	}
}

func TestARunThatMakesNoSenseEndsBeforeItBeginsAndSaysWhyInOneLine(t *testing.T) {
	html := reply{200, map[string]string{"Content-Type": "text/html"}, "<h1>Hello</h1>"}
	refused := reply{401, nil, systemError("unauthenticated")}
	for promise, test := range map[string]struct {
		a, b  reply // to the two tokens
		asked int64
		want  string // empty: it makes sense
	}{
		"the first token is refused":    {refused, reply{200, nil, listed}, 1, "the first token is refused: GET /servers answers 401"},
		"the second token is refused":   {reply{200, nil, listed}, refused, 2, "the second token is refused: GET /servers answers 401"},
		"an address is not verified":    {reply{403, nil, systemError("email_unverified")}, refused, 1, "the first token is refused: GET /servers answers 403"},
		"a page":                        {html, html, 1, `answers 200 with the Content-Type "text/html"`},
		"another status":                {reply{404, nil, systemError("not_found")}, reply{501, nil, `{}`}, 2, ""},
		"JSON that is not as it should": {reply{200, nil, `null`}, reply{200, nil, ``}, 2, ""},
	} {
		t.Run(promise, func(t *testing.T) {
			asked := atomic.Int64{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if r.Header.Get("Authorization") == "Bearer a" {
					test.a.ServeHTTP(w, r)
				} else {
					test.b.ServeHTTP(w, r)
				}
			}))
			defer server.Close()
			// Nothing matches, so that all requests are those before the run.
			none := Options{Match: regexp.MustCompile("NOTHING")}
			report, err := Verify(t.Context(), Target{URL: server.URL, A: "a", B: "b", Options: none}, nil)
			if asked.Load() != test.asked || report.Conforms() {
				t.Errorf("%d requests, want %d", asked.Load(), test.asked)
			}
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || !slices.Equal(report.Problems, []string{err.Error()}) {
				t.Errorf("got %v and the problems %q, want %q", err, report.Problems, test.want)
			}
		})
	}
}

func TestABackendThatAnswersRubbishFailsEveryTestCaseAndBreaksNone(t *testing.T) {
	for name, backend := range map[string]http.Handler{
		"a list for everything":   reply{200, nil, listed},
		"null":                    reply{200, nil, `null`},
		"an empty object":         reply{201, nil, `{}`},
		"odd members":             reply{201, nil, `{"meta":[],"body":{"_id":"/../x y","id":7,"owner":[]}}`},
		"an address that is none": reply{201, nil, `{"body":{"_id":"1","owner":{"id":"2"},"image":"http://%zz"}}`},
		"nothing":                 reply{204, nil, ``},
		"not found":               reply{404, nil, systemError("not_found")},
		"a connection that is cut": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}),
		"less than was announced": reply{200, map[string]string{"Content-Length": "999"}, listed},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(backend)
			defer server.Close()
			some := Options{Match: regexp.MustCompile("^[A-MO-Z]|^NEGATIVE-(create|get|list)")} // the rest is much alike
			run, err := newRun(Target{URL: server.URL, A: "a", B: "b", Code: anyCode, Options: some})
			if err != nil {
				t.Fatal(err)
			}
			_, err = run.verify(t.Context(), func(r Result) {
				if r.Outcome != Fail {
					t.Errorf("%s is a %s: %s", r.ID, r.Outcome, textOfAll(r))
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// anyCode is what a mailbox might hold.
func anyCode(context.Context, string) (string, error) { return "493027", nil }

// textOfAll is what went wrong, in one text.
func textOfAll(r Result) string { return strings.Join(texts(r), "\n") }

func texts(r Result) []string {
	var all []string
	for _, failure := range r.Failures {
		all = append(all, failure.Text)
	}
	return all
}

// runCases runs test cases of a test's own, one after another.
func runCases(t *testing.T, backend http.Handler, cases ...testCase) (Report, []Result) {
	t.Helper()
	server := httptest.NewServer(backend)
	defer server.Close()
	report, err := runAgainst(t.Context(), Target{URL: server.URL, A: "a", B: "b", Options: Options{Parallel: 1}}, cases)
	if err != nil {
		t.Fatal(err)
	}
	return report, report.Results
}

func runAgainst(ctx context.Context, target Target, cases []testCase) (Report, error) {
	contract, err := loadContract()
	if err != nil {
		return Report{}, err
	}
	run, err := runOf(target, contract.requirements(section{"servers", cases}))
	if err != nil {
		return Report{}, err
	}
	return run.verify(ctx, nil)
}

func TestATestCaseThatPanicsIsAnErrorAndTheNextRuns(t *testing.T) {
	report, results := runCases(t, reply{200, nil, listed},
		testCase{"TEST-CASE-01", "", "broken", func(*session) { panic("oh no") }},
		testCase{"TEST-CASE-01", "", "whole", func(s *session) { s.a.get("/servers").expect(200) }},
	)
	if n := report.Requirements; n.Passed != 1 || n.Errors != 1 || n.Failed != 0 || report.Conforms() {
		t.Errorf("%+v, want one passed and one error", n)
	}
	if text := textOfAll(results[0]); !strings.Contains(text, "the test case itself broke: oh no") {
		t.Errorf("the failure is %q", text)
	}
}

func TestWhatStopsInOneOfManyStopsTheTestCase(t *testing.T) {
	_, results := runCases(t, reply{200, nil, listed},
		testCase{"TEST-CASE-01", "", "one of many", func(s *session) {
			s.atOnce(10, func(i int) { s.a.get("/servers").expect(200 + i/9) })
			s.fail("never reached")
		}},
		testCase{"TEST-CASE-01", "", "a panic in one of many", func(s *session) {
			s.atOnce(2, func(i int) { _ = []int{0}[i] })
			s.fail("never reached")
		}},
		testCase{"TEST-CASE-01", "", "all well", func(s *session) {
			s.atOnce(10, func(int) { s.a.get("/servers").expect(200) })
			s.fail("reached")
		}},
	)
	for i, want := range []string{"a: GET /servers: want 201, got 200", "the test case itself broke: ", "reached"} {
		if got := texts(results[i]); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q, want %q", results[i].Text, got, want)
		}
	}
}

func TestARepeatedAnswerIsTheFirstAgainAndSaysSo(t *testing.T) {
	first, again := reply{200, nil, listed}, reply{200, map[string]string{api.IdempotentReplayedHeader: "true"}, listed}
	other := again
	other.body = strings.Replace(listed, "Chess", "Go", 1)
	for promise, test := range map[string]struct {
		first, second reply
		want          string // in the failure; empty for none
	}{
		"the same, and marked":         {first, again, ""},
		"the same, and not marked":     {first, first, `the header Idempotent-Replayed is ""`},
		"marked, and not the same":     {first, other, "and the first answer was"},
		"the first is marked":          {again, again, "says that it is not the first"},
		"another status":               {first, reply{404, nil, systemError("not_found")}, "want 200, got 404"},
		"not even the status the same": {first, reply{409, nil, systemError("conflict")}, "want 200, got 409"},
	} {
		t.Run(promise, func(t *testing.T) {
			asked := 0
			_, results := runCases(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; asked == 1 {
					test.first.ServeHTTP(w, r)
					return
				}
				test.second.ServeHTTP(w, r)
			}), testCase{"TEST-CASE-01", "", promise, func(s *session) { s.a.get("/servers").isRepeated(s.a.get("/servers")) }})
			text := textOfAll(results[0])
			if test.want == "" && text != "" || !strings.Contains(text, test.want) {
				t.Errorf("the failures are %q, want %q", text, test.want)
			}
		})
	}
}

func TestAWrongStatusEndsATestCaseAndAWrongValueDoesNot(t *testing.T) {
	_, results := runCases(t, reply{200, nil, listed}, testCase{"TEST-CASE-01", "", "all wrong", func(s *session) {
		list := s.a.get("/servers").expect(200)
		list.says("My servers").keys("/body/0/owner", "id", "name").is("/body/0/__v", 1)
		list.refuses("/name", "required")
		list.says("never reached")
	}})
	want := []string{
		`a: GET /servers: /meta/message is "Done", want "My servers"`,
		`a: GET /servers: /body/0/owner has the keys [id], want exactly [id name]`,
		`a: GET /servers: /body/0/__v is 0, want 1`,
		`a: GET /servers: want 400, got 200 {"meta"`,
	}
	got := texts(results[0])
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestAnOperationIsExercisedByAGoodAnswerOnly(t *testing.T) {
	list := testCase{"TEST-CASE-01", "", "list", func(s *session) { s.a.get("/servers") }}
	for promise, test := range map[string]struct {
		reply reply
		want  bool
	}{
		"a good answer counts":          {reply{200, nil, listed}, true},
		"an error does not":             {reply{401, nil, systemError("unauthenticated")}, false},
		"nor does an answer gone wrong": {reply{200, nil, `{` + done + `,"body":null}`}, false},
	} {
		t.Run(promise, func(t *testing.T) {
			report, _ := runCases(t, test.reply, list)
			if exercised := !slices.Contains(report.Operations.Missing, "listMyServers"); exercised != test.want {
				t.Errorf("exercised is %v, want %v", exercised, test.want)
			}
			if report.Conforms() {
				t.Error("conforms, although most operations were never called")
			}
		})
	}
}

func TestWhatNeedsMailIsDisabledWithoutItAndWhatOnlyThatReachesIsLeftOpen(t *testing.T) {
	server := httptest.NewServer(reply{200, nil, `{` + done + `,"body":{}}`})
	defer server.Close()
	for promise, code := range map[string]func(context.Context, string) (string, error){"without": nil, "with": anyCode} {
		t.Run(promise, func(t *testing.T) {
			ran := 0
			cases := []testCase{
				{"TEST-PLAIN-01", "logOut auth", "plain", func(s *session) { s.a.post("/auth/logout").expect(200) }},
				{"TEST-MAIL-01", "mail logIn verifyEmail", "mailed", func(*session) { ran++ }},
			}
			report, err := runAgainst(t.Context(), Target{URL: server.URL, A: "a", B: "b", Code: code}, cases)
			if err != nil {
				t.Fatal(err)
			}
			without := code == nil
			if disabled := report.Results[1].Outcome == Disabled; disabled != without || (ran == 0) != without {
				t.Errorf("ran %d times: %+v", ran, report.Results[1])
			}
			for _, id := range []string{"logIn", "verifyEmail"} {
				if problem := regexp.MustCompile(`never gave .*\b` + id + `\b`).MatchString(strings.Join(report.Problems, "\n")); problem == without {
					t.Errorf("that %s was not reached is a problem: %v", id, problem)
				}
			}
			if len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "getMe") || slices.Contains(report.Operations.Missing, "logOut") {
				t.Errorf("%v", report.Problems)
			}
		})
	}
}

func TestTheSectionsAreTheTagsOfTheContractInItsOrder(t *testing.T) {
	doc, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	want, got := []string{"common"}, []string(nil)
	for _, tag := range doc.Tags {
		want = append(want, tag.Name)
	}
	for _, section := range sections {
		got = append(got, section.tag)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the sections are %v, want %v", got, want)
	}
}

// serverMaker makes a server whenever it is asked to, and writes down what is deleted.
type serverMaker struct {
	status  int
	mu      sync.Mutex
	deleted []string
}

func (m *serverMaker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodDelete {
		reply{m.status, nil, `{` + done + `,"body":{"name":"x","image":null,"owner":{"id":"2"},"_id":"66a282dab13eee0013cbb4d8","__v":0,` +
			`"id":"66a282dab13eee0013cbb4d8"}}`}.ServeHTTP(w, r)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted = append(m.deleted, r.Header.Get("Authorization")+" "+r.URL.Path)
	reply{200, nil, `{` + done + `,"body":{}}`}.ServeHTTP(w, r)
}

func TestATestCaseCleansUpBehindItself(t *testing.T) {
	for promise, test := range map[string]struct {
		status int
		run    func(*session)
	}{
		"when it passes": {201, func(s *session) { s.b.makesServer("x") }},
		"when it fails":  {201, func(s *session) { s.b.makesServer("x"); s.stop("enough") }},
		"when it panics": {201, func(s *session) { s.b.makesServer("x"); panic("oh no") }},
		"when the answer is not the one promised": {200, func(s *session) { s.b.makesServer("x") }},
		"when a refusal was expected":             {201, func(s *session) { s.b.submit("POST", "/api/v1/servers").expect(400) }},
	} {
		t.Run(promise, func(t *testing.T) {
			backend := &serverMaker{status: test.status}
			runCases(t, backend, testCase{"TEST-CASE-01", "", promise, test.run})
			if want := []string{"Bearer b /servers/66a282dab13eee0013cbb4d8"}; !cmp.Equal(backend.deleted, want) {
				t.Error(cmp.Diff(want, backend.deleted))
			}
		})
	}
}

func TestARunThatIsBrokenOffCleansUpAndSaysSo(t *testing.T) {
	backend := &serverMaker{status: 201}
	server := httptest.NewServer(backend)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cases := []testCase{
		{"TEST-CASE-01", "", "first", func(s *session) { s.a.makesServer("x"); cancel() }},
		{"TEST-CASE-01", "", "second", func(*session) { t.Error("the run was broken off, and went on") }},
	}
	_, err := runAgainst(ctx, Target{URL: server.URL, A: "a", B: "b", Options: Options{Parallel: 1}}, cases)
	if err == nil || !strings.Contains(err.Error(), "of 2 requirements") {
		t.Errorf("the error is %v", err)
	}
	if len(backend.deleted) != 1 {
		t.Errorf("deleted were %v, want the one server that was made", backend.deleted)
	}
}

func TestWhatIsUnderWayWhenARunIsBrokenOffIsTakenAwayToo(t *testing.T) {
	backend := &serverMaker{status: 201}
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			cancel()
			time.Sleep(50 * time.Millisecond) // long enough for a client that does not wait to be gone
		}
		backend.ServeHTTP(w, r)
	}))
	defer server.Close()
	_, err := runAgainst(ctx, Target{URL: server.URL, A: "a", B: "b", Options: Options{Parallel: 1}}, []testCase{
		{"TEST-CASE-01", "", "two", func(s *session) { s.a.makesServer("x"); s.a.makesServer("y"); t.Error("the test case went on") }},
	})
	if err == nil || len(backend.deleted) != 1 {
		t.Errorf("deleted were %v, want the one server that was made (%v)", backend.deleted, err)
	}
}

func TestABackendThatTakesTooLongFailsTheTestCase(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	target := Target{URL: server.URL, A: "a", B: "b", Client: &http.Client{Timeout: 50 * time.Millisecond}}
	report, err := runAgainst(t.Context(), target, []testCase{
		{"TEST-SLOW-01", "", "slow", func(s *session) { s.a.get("/servers") }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a: GET /servers: no answer: it took too long"}; !cmp.Equal(texts(report.Results[0]), want) {
		t.Error(cmp.Diff(want, texts(report.Results[0])))
	}
}

func TestABackendThatTakesARequestAndNeverAnswersCannotBeReached(t *testing.T) {
	// Without a network: on a slow machine, the time would be over before a request has come anywhere.
	asked := atomic.Int64{}
	silent := silence(func() { asked.Add(1) })
	target := Target{URL: "http://backend.example", A: "a", B: "b", Client: &http.Client{Timeout: time.Millisecond, Transport: silent}}
	report, err := Verify(t.Context(), target, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") || !strings.Contains(err.Error(), "too long") {
		t.Errorf("the error is %v", err)
	}
	if asked.Load() != 1 || report.Requirements.NotRun == 0 || report.Requirements.Failed > 0 {
		t.Errorf("asked %d times: %+v", asked.Load(), report.Requirements)
	}
}

// silence is a backend that takes requests, says so, and never answers.
type silence func()

func (s silence) RoundTrip(r *http.Request) (*http.Response, error) {
	s()
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestARequestMayTakeTenSecondsUnlessTheClientSaysOtherwise(t *testing.T) {
	if limit := newTestSession(t, reply{200, nil, listed}, "").client.Timeout; limit != 10*time.Second {
		t.Errorf("a request may take %v", limit)
	}
}

func TestARateLimitIsWaitedOut(t *testing.T) {
	asked := 0
	_, results := runCases(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			reply{429, map[string]string{"Retry-After": "1"}, systemError("rate_limited")}.ServeHTTP(w, r)
			return
		}
		reply{200, nil, listed}.ServeHTTP(w, r)
	}), testCase{"TEST-CASE-01", "", "list", func(s *session) { s.a.get("/servers").expect(200) }})
	if results[0].Outcome != Pass || asked != 2 {
		t.Errorf("asked %d times: %v", asked, texts(results[0]))
	}
}

// tripper is a backend without a network, for tests that need a clock of their own.
type tripper func(*http.Request) reply

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f(r).ServeHTTP(w, r)
	return w.Result(), nil
}

func TestALimitIsWaitedForAMinuteAndAHalfAndIsAFailureOnlyIfItDoesNotSayTheSeconds(t *testing.T) {
	at := func(in time.Duration) string { return time.Now().Add(in).UTC().Format(http.TimeFormat) }
	for promise, test := range map[string]struct {
		after func() string // Retry-After
		times int           // that it is sent before a good answer comes
		want  Outcome
		most  time.Duration
	}{
		"half a minute":      {func() string { return "30" }, 1, Pass, 32 * time.Second},
		"a minute, twice":    {func() string { return "60" }, 2, Broken, 65 * time.Second},
		"a date":             {func() string { return at(40 * time.Second) }, 2, Fail, 90 * time.Second},
		"a date that was":    {func() string { return at(-time.Hour) }, 2, Fail, 10 * time.Second},
		"an hour":            {func() string { return "3600" }, 1, Broken, time.Second},
		"more than there is": {func() string { return "99999999999" }, 1, Broken, time.Second},
		"a second, for ever": {func() string { return "1" }, 1 << 30, Broken, time.Minute},
		"no time at all":     {func() string { return "soon" }, 1, Fail, time.Second},
	} {
		t.Run(promise, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				backend := tripper(func(r *http.Request) reply {
					asked++
					if asked >= 1 && asked <= test.times {
						return reply{429, map[string]string{"Retry-After": test.after()}, systemError("rate_limited")}
					}
					return reply{200, nil, listed}
				})
				started := time.Now()
				report, err := runAgainst(t.Context(), Target{URL: "http://backend.example", A: "a", B: "b", Client: &http.Client{Transport: backend}}, []testCase{
					{"TEST-CASE-01", "", "list", func(s *session) { s.a.get("/servers").expect(200) }},
				})
				if err != nil {
					t.Fatal(err)
				}
				if r := report.Results[0]; r.Outcome != test.want {
					t.Errorf("a %s, want a %s: %s", r.Outcome, test.want, textOfAll(r))
				}
				if took := time.Since(started); took > test.most {
					t.Errorf("it took %v, want %v at most", took, test.most)
				}
			})
		})
	}
}

func TestATargetThatCannotBeIsRefused(t *testing.T) {
	for _, target := range []Target{
		{},
		{URL: "127.0.0.1:8080", A: "a", B: "b"},
		{URL: "ftp://127.0.0.1", A: "a", B: "b"},
		{URL: "http://127.0.0.1", A: "a"},
		{URL: "http://127.0.0.1", A: "a", B: "a"},
	} {
		if _, err := Verify(t.Context(), target, nil); err == nil {
			t.Errorf("%+v is accepted", target)
		}
	}
}

// TestEveryOperationHasAnExampleThatTheContractAdmits: the test cases about credentials ask for every operation there is, and
// what they learn must not depend on a malformed request.
func TestEveryOperationHasAnExampleThatTheContractAdmits(t *testing.T) {
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	admitted := map[string]bool{}
	s := newTestSession(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := c.operations.Match(r.Method, r.URL.EscapedPath())
		if op == nil {
			t.Errorf("%s %s is no operation", r.Method, r.URL)
			return
		}
		input := openapi3filter.RequestValidationInput{Request: r, PathParams: op.Values(r.URL.EscapedPath()), Route: routeOf(op), Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		}}
		if err := openapi3filter.ValidateRequest(r.Context(), &input); err != nil {
			t.Errorf("%s: %v", op.ID, err)
		}
		admitted[op.ID] = true
	}), "")
	for _, op := range c.operations {
		unknown(op).send(s.a)
		if !admitted[op.ID] {
			t.Errorf("%s was never asked for", op.ID)
		}
	}
}

func TestAnOperationIsFoundByItsPath(t *testing.T) {
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]string{
		"GET /servers":               "listMyServers",
		"GET /api/v1/servers":        "listMyServers",
		"GET /v1/servers":            "",
		"GET /apis/v1/servers":       "",
		"GET /servers/":              "listMyServers",
		"GET /api/v1/servers/x/":     "getServer",
		"GET /servers/x":             "getServer",
		"PUT /api/v1/servers/x":      "updateServer",
		"GET /servers/x%2Fmembers":   "getServer",
		"GET /servers/x/members":     "listMembers",
		"GET /servers/x/member%73":   "listMembers",
		"GET /servers/x/members/y":   "",
		"PATCH /servers/x":           "",
		"GET /images/x":              "getImage",
		"GET /api/v1/api/v1/servers": "",
		"POST /servers//join":        "",
		"GET /channels":              "listChannels",
		"GET /apis/v1/channels":      "listIntegrationChannels",
		"GET /v1/channels":           "listIntegrationChannels",
		"GET /roles/2":               "listUserRoles",
		"PUT /roles/2":               "updateRole",
	} {
		got := ""
		method, path, _ := strings.Cut(request, " ")
		if op := c.operations.Match(method, path); op != nil {
			got = op.ID
		}
		if got != want {
			t.Errorf("%s is %q, want %q", request, got, want)
		}
	}
}

func TestAPointerLeadsToItsValue(t *testing.T) {
	value := map[string]any{"a/b": []any{1.0, map[string]any{"~": nil}}}
	for pointer, want := range map[string]string{
		"/a~1b/0": "1 true", "/a~1b/1/~0": "<nil> true", "/a~1b/2": "<nil> false", "/a~1b/-1": "<nil> false", "/c": "<nil> false",
		"/a~1b/0/x": "<nil> false",
	} {
		got, ok := lookup(value, pointer)
		if text := fmt.Sprint(got, ok); text != want {
			t.Errorf("%s leads to %s, want %s", pointer, text, want)
		}
	}
}

func TestResultsComeInTheOrderOfTheSuiteHoweverManyAreUnderWay(t *testing.T) {
	server := httptest.NewServer(reply{200, nil, listed})
	defer server.Close()
	contract, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	var cases []testCase
	var want, got []string
	both := make(chan struct{})
	for i := range 8 {
		id := fmt.Sprintf("TEST-ORDER-%02d", i)
		want = append(want, id)
		cases = append(cases, testCase{id, "", id, func(*session) {
			switch i { // the first ends only when the second has begun
			case 0:
				<-both
			case 1:
				close(both)
			}
		}})
	}
	run, err := runOf(Target{URL: server.URL, A: "a", B: "b", Options: Options{Parallel: 2}}, contract.requirements(section{"servers", cases}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.verify(t.Context(), func(r Result) { got = append(got, r.ID) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the results came as %v, want %v", got, want)
	}
}
