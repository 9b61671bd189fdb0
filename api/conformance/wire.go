package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
)

// maxAnswer is how much of one answer is read: the largest image, and then some.
const maxAnswer = 16 << 20

// wire carries requests to the backend and validates every answer against the contract, whatever the test case expects. What it finds it reports; the answer goes on to the test case unchanged.
type wire struct {
	contract *contract
	base     string // the path that all addresses of the backend begin with
	next     http.RoundTripper

	report   func(req *http.Request, finding string)
	answered func(op *api.Operation, status int, good bool) // good: nothing was wrong with the answer
}

// RoundTrip reads the whole answer, so that the time limit of the request covers it.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := readWhole(resp)
	if err != nil {
		return nil, fmt.Errorf("the answer %d broke off after %d bytes: %w", resp.StatusCode, len(body), err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer %d is longer than %d bytes", resp.StatusCode, maxAnswer)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))

	exchangeOf(req).answer(resp, body)

	path := strings.TrimPrefix(req.URL.EscapedPath(), w.base)
	op := w.contract.operations.Match(req.Method, path)
	subject, findings := req.Method+" "+path, []finding(nil)
	switch {
	case op == nil && exchangeOf(req) != nil && exchangeOf(req).page:
		return resp, nil
	case req.Method == http.MethodHead: // there is no body to validate
	case op != nil:
		subject, findings = op.ID, w.contract.checkOperation(req, resp, body, op)
	default:
		findings = w.contract.checkUnmatched(req, resp, body, api.FamilyOf(path))
	}
	for _, f := range append(checkRequestID(req, resp), findings...) {
		w.report(req, fmt.Sprintf("%s %d%s", subject, resp.StatusCode, f))
	}
	if op != nil {
		w.answered(op, resp.StatusCode, len(findings) == 0)
	}
	return resp, nil
}

// readWhole reads an answer. Of a stream that goes on, it is the first event.
func readWhole(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" || resp.Request.URL.Query().Has("wait") {
		return io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	}
	var body []byte
	for from := bufio.NewReader(resp.Body); ; {
		line, err := from.ReadBytes('\n')
		if body = append(body, line...); err != nil || len(body) > maxAnswer || len(line) == 1 {
			return body, err
		}
	}
}

// finding is one thing that is wrong with an answer, with an RFC 6901 pointer when it is in the body.
type finding struct{ pointer, text string }

func (f finding) String() string {
	if f.pointer == "" {
		return ": " + f.text
	}
	return " " + f.pointer + ": " + f.text
}

func found(pointer, format string, args ...any) []finding {
	return []finding{{pointer, fmt.Sprintf(format, args...)}}
}

// ------------------------------------------------------------------------------------------------ what is promised

// contract is api.Spec, made strict: an answer must not show what the contract does not declare.
type contract struct {
	document   *openapi3.T
	operations api.List
}

// loadContract reads the contract once; nothing changes it afterwards.
var loadContract = sync.OnceValues(readContract)

func readContract() (*contract, error) {
	doc, err := api.Load()
	if err != nil {
		return nil, err
	}
	if err := doc.WalkSchemas(closeObject); err != nil {
		return nil, fmt.Errorf("the contract cannot be walked: %w", err)
	}
	operations, err := api.OperationsOf(doc)
	return &contract{doc, operations}, err
}

func closeObject(_ string, ref *openapi3.SchemaRef) error {
	extra := &ref.Value.AdditionalProperties
	if len(ref.Value.Properties) > 0 && extra.Has == nil && extra.Schema == nil {
		extra.Has = openapi3.Ptr(false)
	}
	return nil
}

// version is that of the contract.
func (c *contract) version() string { return c.document.Info.Version }

// routeOf is an operation as the validator wants to have it.
func routeOf(op *api.Operation) *routers.Route {
	return &routers.Route{Spec: op.Document, Path: op.Path, PathItem: op.Item, Method: op.Method, Operation: op.Spec}
}

// rateLimited tells whether backends limit so closely how often one address may call an operation that a run must wait for it.
func rateLimited(op *api.Operation) bool { return op.RateLimit == "sign-in" }

// takesKeys tells whether an operation takes API keys.
func takesKeys(op *api.Operation) bool { return op.Takes(api.KeyAuth) || op.Takes(api.APIKeyAuth) }

// ------------------------------------------------------------------------------------------------ what is answered

func (c *contract) checkOperation(req *http.Request, resp *http.Response, body []byte, op *api.Operation) []finding {
	status := resp.StatusCode
	response := op.Spec.Responses.Status(status)
	switch {
	case response != nil:
	case status < 400:
		return found("", "this status is not in the contract")
	case slices.Contains([]int{400, 401, 403, 404, 409}, status):
		return found("", "the contract does not list this status for the operation")
	default:
		response = op.Spec.Responses.Default()
	}
	if len(response.Value.Content) == 0 {
		if len(body) > 0 {
			return found("", "this answer has no body in the contract, and %d bytes came", len(body))
		}
		return nil
	}
	kind := resp.Header.Get("Content-Type")
	if response.Value.Content.Get(kind) == nil {
		return found("", "Content-Type is %q; the contract has %s", kind, kinds(response.Value.Content))
	}
	if strings.HasPrefix(kind, "image/") || kind == "text/csv" || kind == "text/event-stream" {
		return validate(req, resp, nil, routeOf(op))
	}
	findings := append(validate(req, resp, body, routeOf(op)), checkAgreement(resp, body)...)
	if !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
		findings = append(findings, found("", "Cache-Control must be no-store: what an operation answers is for its caller alone")...)
	}
	return findings
}

// checkUnmatched is for paths and methods that the contract does not have: they are refused, in an envelope.
func (c *contract) checkUnmatched(req *http.Request, resp *http.Response, body []byte, family api.Family) []finding {
	if resp.StatusCode < 400 {
		return found("", "a request that is in no contract must be refused")
	}
	answers := openapi3.Responses{}
	answers.Set("default", &openapi3.ResponseRef{Value: &openapi3.Response{
		Description: openapi3.Ptr(""),
		Content:     openapi3.Content{"application/json": {Schema: api.ErrorSchema(c.document, family)}},
	}})
	route := &routers.Route{Spec: &openapi3.T{OpenAPI: "3.0.3"}, Operation: &openapi3.Operation{Responses: &answers}}
	if kind := resp.Header.Get("Content-Type"); answers.Default().Value.Content.Get(kind) == nil {
		return found("", "Content-Type is %q; the contract has application/json", kind)
	}
	findings := validate(req, resp, body, route)
	if len(findings) > 0 {
		findings = append(found("", "must be refused in the envelope of the family %s", family), findings...)
	}
	return append(findings, checkAgreement(resp, body)...)
}

// timestamp is the one form of RFC 3339 that goes over this wire. The format date-time alone would allow any offset
// and any precision.
var timestamp = openapi3.WithStringFormatValidator("date-time", openapi3.NewRegexpFormatValidator(
	`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$`))

// validate validates status, headers and body against the route. No body means that it is not JSON.
func validate(req *http.Request, resp *http.Response, body []byte, route *routers.Route) []finding {
	if body != nil {
		if err := oneValue(body); err != nil {
			return found("", "the body must be one JSON value without duplicate names: %v", err)
		}
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route},
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Options: &openapi3filter.Options{
			IncludeResponseStatus:   true,
			ExcludeResponseBody:     body == nil,
			MultiError:              true,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{timestamp},
		},
	}
	input.SetBodyBytes(body)
	return explain(openapi3filter.ValidateResponse(req.Context(), input))
}

// oneValue is stricter than encoding/json: clients differ in which of two equal names they believe.
func oneValue(body []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(body))
	if _, err := decoder.ReadValue(); err != nil {
		return err
	}
	if _, err := decoder.ReadToken(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// explain turns an error of the validator into findings, one for each place.
func explain(err error) []finding {
	var several openapi3.MultiError
	var one *openapi3.SchemaError
	var answer *openapi3filter.ResponseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && strings.Contains(answer.Reason, "header"):
		return found("", "%s", answer.Reason)
	case errors.As(err, &several):
		var all []finding
		for _, err := range several {
			all = append(all, explain(err)...)
		}
		return all
	case errors.As(err, &one):
		words := one.JSONPointer()
		var name string
		if _, other := fmt.Sscanf(one.Reason, "property %q is unsupported", &name); other == nil {
			return found(pointer(append(words, name)), "this property is not in the contract")
		}
		return found(pointer(words), "%s", one.Reason)
	}
	return found("", "%v", err)
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(words []string) string {
	var b strings.Builder
	for _, word := range words {
		b.WriteString("/" + escape.Replace(word))
	}
	return b.String()
}

func kinds(content openapi3.Content) string {
	var names []string
	for name := range content {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// checkAgreement is about what an answer says twice: its status in the status line and in the envelope, the request's
// id in a header and in the Problem.
func checkAgreement(resp *http.Response, body []byte) []finding {
	var findings []finding
	disagree := func(pointer string, got, want any) {
		findings = append(findings, found(pointer, "is %#v where the status is %d; want %#v", got, resp.StatusCode, want)...)
	}
	var answer any
	_ = json.Unmarshal(body, &answer) // what is not JSON has been reported
	success := resp.StatusCode < 400
	word := "success"
	if !success {
		word = "error"
	}
	if got, ok := lookup(answer, "/meta/success"); ok && got != success {
		disagree("/meta/success", got, success)
	}
	if got, ok := lookup(answer, "/meta/statusCode"); ok && got != float64(resp.StatusCode) {
		disagree("/meta/statusCode", got, float64(resp.StatusCode))
	}
	failed, isFlat := lookup(answer, "/error")
	if isFlat && failed != !success {
		disagree("/error", failed, !success)
	}
	for _, pointer := range []string{"/status", "/meta/status"} {
		if got, ok := lookup(answer, pointer); ok && got != word {
			disagree(pointer, got, word)
		}
	}
	if success {
		message, _ := lookup(answer, "/meta/message")
		if got, ok := lookup(answer, "/meta/devMessage"); ok && got != message {
			disagree("/meta/devMessage", got, message)
		}
		return findings
	}

	problems := []string{"/body", "/data"}
	if isFlat {
		problems = []string{""}
	}
	for _, problem := range problems {
		if got, ok := lookup(answer, problem+"/requestId"); ok && got != resp.Header.Get("X-Request-Id") {
			findings = append(findings, found(problem+"/requestId", "is not the X-Request-Id of the answer")...)
		}
		why, says := lookup(answer, "/meta/devMessage")
		if got, ok := lookup(answer, problem+"/detail"); ok && says && got != why {
			disagree(problem+"/detail", got, why)
		}
		code, _ := lookup(answer, problem+"/code")
		text, _ := code.(string) // a code that has no status is new, and left alone
		if want := gen.ProblemCode(text).Status(); want != 0 && want != resp.StatusCode {
			findings = append(findings, found(problem+"/code", "%s goes with the status %d", text, want)...)
		}
	}
	needs := map[int]string{405: "Allow", 429: "Retry-After", 503: "Retry-After"}
	if name := needs[resp.StatusCode]; name != "" && resp.Header.Get(name) == "" {
		findings = append(findings, found("", "the header %s is missing", name)...)
	}
	return findings
}

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func checkRequestID(req *http.Request, resp *http.Response) []finding {
	sent, got := req.Header.Get("X-Request-Id"), resp.Header.Get("X-Request-Id")
	switch {
	case got == "":
		return found("", "the header X-Request-Id is missing")
	case !requestID.MatchString(got):
		return found("", "X-Request-Id must be 1 to 64 letters, digits, dots, hyphens or underscores")
	case requestID.MatchString(sent) && got != sent:
		return found("", "X-Request-Id must be the one that was sent")
	}
	return nil
}

// isJSON tells whether a body is JSON, and not an image.
func isJSON(header http.Header) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
