package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// A Proxy passes requests on to a backend and answers back, both unchanged, and holds both directions against the
// contract. Put it between a client and a backend that are in use to see which of them breaks it, and where. It is safe
// for concurrent use.
type Proxy struct {
	contract *contract
	forward  *httputil.ReverseProxy

	mu       sync.Mutex
	findings *json.Encoder
	summary  ProxySummary
	reached  map[string]bool
	failed   error
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
	Unchecked  int            // of those, too long to be looked at
	Findings   map[string]int // how many, by direction and operation, such as "answer listMyServers"
	Operations Reach          // of the contract, that gave an answer without a finding
}

// NewProxy makes a proxy to the backend at an address and writes each finding as a line of JSON.
func NewProxy(to string, findings io.Writer) (*Proxy, error) {
	target, err := url.Parse(to)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the http or https address of a backend", WithoutPassword(to))
	}
	contract, err := loadContract()
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		contract: contract, findings: json.NewEncoder(findings), reached: map[string]bool{},
		summary: ProxySummary{Findings: map[string]int{}, Operations: Reach{All: len(contract.operations)}},
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // what the client did not ask for must not be asked for
	p.forward = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		ModifyResponse: p.look,
	}
	return p, nil
}

// ServeHTTP passes one request through.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &seenRequest{method: r.Method, path: r.URL.EscapedPath(), header: r.Header.Clone(), url: *r.URL}
	var err error
	if seen.body, r.Body, seen.whole, err = peek(r.Body); err != nil {
		http.Error(w, "the request broke off", http.StatusBadRequest)
		return
	}
	p.forward.ServeHTTP(w, r.WithContext(withSeen(r.Context(), seen)))
}

// Summary returns what has passed through so far, and an error if a finding could not be written.
func (p *Proxy) Summary() (ProxySummary, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.summary
	s.Findings, s.Operations.Reached = maps.Clone(s.Findings), len(p.reached)
	return s, p.failed
}

// peek reads a body that is no longer than one may be, and returns one that reads the same. A longer one is not whole.
func peek(body io.ReadCloser) (begin []byte, same io.ReadCloser, whole bool, err error) {
	if body == nil || body == http.NoBody {
		return nil, body, true, nil
	}
	begin, err = io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err != nil {
		return nil, body, false, err
	}
	same = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begin), body), body}
	return begin, same, len(begin) <= maxAnswer, nil
}

// look holds an exchange against the contract once its answer is there.
func (p *Proxy) look(resp *http.Response) error {
	seen := seenOf(resp.Request.Context())
	body, same, whole, err := peek(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = same
	if body, err = decoded(resp.Header, body); err != nil || !whole || !seen.whole {
		p.note(resp, seen, nil, nil, nil, false)
		return nil
	}
	op := p.contract.find(seen.method, seen.path)
	request := seen.request(resp.Request)
	answer := checkRequestID(request, resp)
	if op == nil {
		p.note(resp, seen, op, nil, append(answer, p.contract.checkUnmatched(request, resp, body, familyOf(seen.path))...), true)
		return nil
	}
	p.note(resp, seen, op, checkRequest(request, seen, op), append(answer, p.contract.checkOperation(request, resp, body, op)...), true)
	return nil
}

func (p *Proxy) note(resp *http.Response, seen *seenRequest, op *operation, request, answer []finding, checked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.summary.Exchanges++
	if !checked {
		p.summary.Unchecked++
		return
	}
	f := Finding{
		At: time.Now().UTC(), Method: seen.method, Path: seen.path,
		Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"),
	}
	if op != nil {
		f.Operation, f.Path = op.id, op.path
		if len(answer) == 0 {
			p.reached[op.id] = true
		}
	}
	for direction, found := range map[string][]finding{"request": request, "answer": answer} {
		for _, one := range found {
			f.Direction, f.Pointer, f.Text = direction, one.pointer, one.text
			p.summary.Findings[strings.TrimSpace(direction+" "+f.Operation)]++
			p.failed = errors.Join(p.failed, p.findings.Encode(f))
		}
	}
}

// checkRequest holds a request against the contract, but for who sends it.
func checkRequest(r *http.Request, seen *seenRequest, op *operation) []finding {
	route, params := *op.route, map[string]string{}
	declared := *op.declared
	declared.Security = &openapi3.SecurityRequirements{}
	route.Operation = &declared
	given := strings.Split(strings.Trim(seen.path, "/"), "/")
	given = given[max(0, len(given)-len(op.words)):]
	for i, word := range op.words {
		if name, ok := strings.CutPrefix(word, "{"); ok && i < len(given) {
			params[strings.TrimSuffix(name, "}")] = given[i]
		}
	}
	multipart := strings.HasPrefix(seen.header.Get("Content-Type"), "multipart/")
	var findings []finding
	if !multipart && len(seen.body) > 0 && isJSON(seen.header) {
		if err := oneValue(seen.body); err != nil {
			return found("", "the body must be one JSON value without duplicate names")
		}
	}
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: &route,
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
	if !strings.EqualFold(header.Get("Content-Encoding"), "gzip") || len(body) == 0 {
		return body, nil
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
	body         []byte
	whole        bool
}

// request is the same request once more, for the validator to read.
func (s *seenRequest) request(passed *http.Request) *http.Request {
	r := passed.Clone(passed.Context())
	r.URL, r.Header = &s.url, s.header.Clone()
	r.Body = io.NopCloser(bytes.NewReader(s.body))
	return r
}

type seenKey struct{}

func withSeen(ctx context.Context, s *seenRequest) context.Context {
	return context.WithValue(ctx, seenKey{}, s)
}

func seenOf(ctx context.Context) *seenRequest { return ctx.Value(seenKey{}).(*seenRequest) }
