package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/rejoin-dev/rejoin/api"
)

// A Proxy passes requests on to a backend and answers back, both unchanged and while they come, and validates both
// directions against the contract. Only the headers that are for one connection alone are its own. Put it between a client and a
// backend that are in use to see which of them breaks it, and where. It is safe
// for concurrent use.
type Proxy struct {
	contract *contract
	forward  *httputil.ReverseProxy

	mu      sync.Mutex
	report  func(Finding)
	summary ProxySummary
	reached map[string]bool
}

// A Finding is one thing in which a request or an answer breaks the contract. It holds neither credentials nor bodies.
type Finding struct {
	At        time.Time `json:"at"`
	Direction string    `json:"direction"` // request, answer
	Operation string    `json:"operation"` // empty: the contract has none for this path and method
	Method    string    `json:"method"`
	Path      string    `json:"path"` // as the contract writes it; of no operation, as it was sent
	Status    int       `json:"status"`
	RequestID string    `json:"requestId"`
	Pointer   string    `json:"pointer"`
	Text      string    `json:"text"`
}

// ProxySummary is what has passed through so far.
type ProxySummary struct {
	Exchanges  int            // requests that were answered
	Refused    map[int]int    // of those, how many the backend refused, by status from 400 on
	Unknown    int            // of those, none of the contract's business, such as probes and pages
	Unchecked  int            // of those, of no form to be looked at: too long, cut off, or no HTTP any more
	Unanswered int            // requests that the backend gave no answer to
	Findings   map[string]int // how many, by direction and operation, such as "answer listMyServers"
	Operations Reach          // of the contract, that gave an answer without a finding
}

// NewProxy makes a proxy to the backend at an address. It calls report with each finding, one at a time, as it is found.
func NewProxy(to string, report func(Finding)) (*Proxy, error) {
	target, err := url.Parse(to)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the http or https address of a backend", withoutPassword(to))
	}
	contract, err := loadContract()
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		contract: contract, report: report, reached: map[string]bool{},
		summary: ProxySummary{Refused: map[int]int{}, Findings: map[string]int{}, Operations: Reach{All: len(contract.operations)}},
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // what the client did not ask for must not be asked for
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			// What httputil takes out or puts right goes on as it came.
			r.Out.Host, r.Out.URL.RawQuery = r.In.Host, r.In.URL.RawQuery
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, sent := r.In.Header[name]; sent {
					r.Out.Header[name] = values
				}
			}
		},
		Transport:      transport,
		FlushInterval:  -1, // somebody may wait for each event of a stream
		ModifyResponse: p.look,
		ErrorHandler:   p.unanswered,
		ErrorLog:       log.New(io.Discard, "", 0), // it would quote what passes through
	}
	return p, nil
}

// ServeHTTP passes one request through.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &seenRequest{method: r.Method, path: r.URL.EscapedPath(), header: r.Header.Clone(), url: *r.URL}
	seen.body = &copied{from: r.Body, length: r.ContentLength, most: maxAnswer}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = seen.body
	}
	p.forward.ServeHTTP(w, r.WithContext(withSeen(r.Context(), seen)))
}

// unanswered is for requests that the backend gave no answer to.
func (p *Proxy) unanswered(w http.ResponseWriter, _ *http.Request, _ error) {
	p.mu.Lock()
	p.summary.Unanswered++
	p.mu.Unlock()
	http.Error(w, "the backend gave no answer", http.StatusBadGateway)
}

// Summary returns what has passed through so far.
func (p *Proxy) Summary() ProxySummary {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.summary
	s.Refused, s.Findings, s.Operations.Reached = maps.Clone(s.Refused), maps.Clone(s.Findings), len(p.reached)
	return s
}

// copied is a body that is copied while it is read, as far as it is wanted.
type copied struct {
	from   io.ReadCloser
	length int64 // as it was announced; -1: it was not
	most   int   // that is kept
	done   func()

	mu    sync.Mutex // a request is still being sent when its answer may be there
	begin []byte
	size  int64
	ended bool
}

func (c *copied) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin = append(c.begin, p[:min(n, c.most-len(c.begin))]...)
	c.size += int64(n)
	c.ended = c.ended || err == io.EOF || c.size == c.length
	return n, err
}

func (c *copied) Close() error {
	err := c.from.Close()
	if c.done != nil {
		c.done()
		c.done = nil
	}
	return err
}

// all is the body, and whether it is whole: it was read to its end, and is no longer than what is kept.
func (c *copied) all() (body []byte, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.begin), (c.ended || c.length == 0) && c.size <= int64(c.most)
}

// look validates an exchange against the contract once its answer has passed. Nothing waits for that: neither a stream, which
// may never end, nor a body that is long.
func (p *Proxy) look(resp *http.Response) error {
	seen := seenOf(resp.Request.Context())
	if resp.StatusCode == http.StatusSwitchingProtocols { // what follows is no HTTP
		p.note(resp, seen, exchanged{})
		return nil
	}
	body := &copied{from: resp.Body, length: resp.ContentLength, most: 1} // enough to see whether there is any
	if isJSON(resp.Header) {
		body.most = maxAnswer
	}
	// The answer is changed for the client on its way: hop-by-hop headers are taken out.
	answer := *resp
	answer.Header = resp.Header.Clone()
	body.done = func() { p.note(&answer, seen, p.compare(&answer, seen, body)) }
	resp.Body = body
	return nil
}

// exchanged is what came out of an exchange.
type exchanged struct {
	op                            *api.Operation // nil: the contract has none for the method and path
	unknown                       bool           // it is none of the contract's business
	requestChecked, answerChecked bool
	request, answer               []finding
}

func (p *Proxy) compare(resp *http.Response, seen *seenRequest, answer *copied) (x exchanged) {
	x.op = p.contract.operations.Match(seen.method, seen.path)
	if x.unknown = x.op == nil && !p.contract.covers(seen.method, seen.path); x.unknown {
		return x
	}
	sent, sentWhole := seen.body.all()
	request := seen.request(resp.Request, sent)
	if x.requestChecked = sentWhole; sentWhole && x.op != nil {
		x.request = checkRequest(request, seen, sent, x.op)
	}
	body, whole := answer.all()
	if isJSON(resp.Header) {
		var err error
		if body, err = decoded(resp.Header, body); err != nil || !whole {
			return x
		}
	}
	x.answerChecked, x.answer = true, checkRequestID(request, resp)
	if x.op != nil {
		x.answer = append(x.answer, p.contract.checkOperation(request, resp, body, x.op)...)
	} else {
		x.answer = append(x.answer, p.contract.checkUnmatched(request, resp, body, api.FamilyOf(seen.path))...)
	}
	return x
}

// covers tells whether the contract has something to say about a request that is for none of its operations: below the
// prefixes of its paths, and where one of its paths is asked for by another method. The rest of an address may have other
// uses, such as pages and probes, and browsers ask by OPTIONS before they ask for anything.
func (c *contract) covers(method, path string) bool {
	if method == http.MethodOptions || method == http.MethodHead {
		return false
	}
	for _, prefix := range []string{"/api/v1/", "/apis/v1/", "/v1/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return slices.ContainsFunc(c.operations, func(op *api.Operation) bool { return c.operations.Match(op.Method, path) == op })
}

func (p *Proxy) note(resp *http.Response, seen *seenRequest, x exchanged) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.summary.Exchanges++
	if resp.StatusCode >= http.StatusBadRequest {
		p.summary.Refused[resp.StatusCode]++
	}
	switch {
	case x.unknown:
		p.summary.Unknown++
	case !x.requestChecked || !x.answerChecked:
		p.summary.Unchecked++
	}
	f := Finding{
		At: time.Now().UTC(), Method: seen.method, Path: seen.path,
		Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"),
	}
	if x.op != nil {
		f.Operation, f.Path = x.op.ID, x.op.Path
		if x.answerChecked && len(x.answer) == 0 {
			p.reached[x.op.ID] = true
		}
	}
	for _, side := range []struct {
		direction string
		findings  []finding
	}{{"request", x.request}, {"answer", x.answer}} {
		for _, one := range side.findings {
			f.Direction, f.Pointer, f.Text = side.direction, one.pointer, one.text
			p.summary.Findings[strings.TrimSpace(f.Direction+" "+f.Operation)]++
			p.report(f)
		}
	}
}

// checkRequest validates a request against the contract, but for who sends it.
func checkRequest(r *http.Request, seen *seenRequest, body []byte, op *api.Operation) []finding {
	declared := *op.Spec
	declared.Security = &openapi3.SecurityRequirements{}
	route := routeOf(op)
	route.Operation = &declared
	multipart := strings.HasPrefix(seen.header.Get("Content-Type"), "multipart/")
	var findings []finding
	if !multipart && len(body) > 0 && isJSON(seen.header) {
		if err := oneValue(body); err != nil {
			return found("", "the body must be one JSON value without duplicate names")
		}
	}
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: op.Values(seen.path), Route: route,
		Options: &openapi3filter.Options{MultiError: true, ExcludeRequestBody: multipart, SkipSettingDefaults: true},
	})
	for _, e := range each(err) {
		var wrong *openapi3filter.RequestError
		var schema *openapi3.SchemaError
		base := ""
		if errors.As(e, &wrong) && wrong.Parameter != nil {
			base = wrong.Parameter.In + "/" + wrong.Parameter.Name
		}
		switch {
		case wrong != nil && errors.Is(wrong.Err, openapi3filter.ErrInvalidRequired):
			findings = append(findings, finding{base, "is required"})
		case errors.As(e, &schema):
			for _, one := range explain(wrong.Err) {
				findings = append(findings, finding{base + one.pointer, one.text})
			}
		default:
			findings = append(findings, finding{base, "cannot be read as the contract says"})
		}
	}
	return findings
}

func each(err error) []error {
	var several openapi3.MultiError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several):
		return several
	}
	return []error{err}
}

// decoded undoes the one encoding that clients ask for by themselves, to look at what is in it.
func decoded(header http.Header, body []byte) ([]byte, error) {
	switch encoding := header.Get("Content-Encoding"); {
	case encoding == "" || strings.EqualFold(encoding, "identity") || len(body) == 0:
		return body, nil
	case !strings.EqualFold(encoding, "gzip"):
		return nil, fmt.Errorf("this proxy does not know the encoding %q", encoding)
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxAnswer))
}

// seenRequest is a request as it came, before it was passed on.
type seenRequest struct {
	method, path string
	url          url.URL
	header       http.Header
	body         *copied
}

// request is the same request once more, for the validator to read.
func (s *seenRequest) request(passed *http.Request, body []byte) *http.Request {
	r := passed.Clone(passed.Context())
	r.URL, r.Header = &s.url, s.header.Clone()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

type seenKey struct{}

func withSeen(ctx context.Context, s *seenRequest) context.Context {
	return context.WithValue(ctx, seenKey{}, s)
}

func seenOf(ctx context.Context) *seenRequest { return ctx.Value(seenKey{}).(*seenRequest) }
