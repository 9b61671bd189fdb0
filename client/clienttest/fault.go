package clienttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

// faultHeader is honoured by this package only: the server itself does not know it.
const faultHeader = "Fault"

// WithFault makes every request of a client ask for a fault, by the header Fault. The text says what goes wrong:
//
//	status=503     The answer has this status, from 400 to 599, and nothing is done. It comes in the envelope of the
//	               operation if the API has such a failure, and else as a proxy would give it, as plain text.
//	retry-after=1  That answer has this Retry-After, in seconds or as a date.
//	drop           The connection is closed without an answer, and nothing is done.
//	drop=answer    The request is carried out, and then the connection is closed without an answer.
//	delay=50ms     The request waits, in real time, before anything else happens; alone, it is all that happens.
//
// and when, which without these is always:
//
//	operation=createServer  Only requests for this operation, by its name in the contract, have the fault.
//	after=2                 The first 2 of those have none.
//	times=3                 And after 3 with it there is none either.
//	id=x                    Says nothing, and so makes another text of the same fault.
//
// Parts are separated by semicolons. A server counts for each text by itself, whichever client it comes from, and every
// attempt is a request: "status=503; times=2" lets the third one succeed. An empty text is no fault. With a text that is none of this, no client can
// be made: [client.New] fails and says what is wrong. A request that comes with one is answered with status 400, and a
// field header/Fault.
//
// The clients of this package do not keep connections alive. On one that was used before, net/http itself repeats what
// was dropped, at once and unseen.
func WithFault(fault string) client.Option {
	if _, err := parseFault(fault); fault != "" && err != nil {
		return client.BadOption(fmt.Errorf("the fault %q: %w", fault, err))
	}
	return client.WithBefore(func(r *http.Request) { r.Header.Set(faultHeader, fault) })
}

// fault is what a header says.
type fault struct {
	status     int // 0 for none.
	retryAfter string
	drop       bool
	carriedOut bool // And then dropped.
	delay      time.Duration
	operation  string // Empty for all.
	after      int
	times      int // Negative for always.
}

func parseFault(text string) (f fault, err error) {
	f.times = -1
	for part := range strings.SplitSeq(text, ";") {
		name, value, given := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "status":
			f.status, err = number(value, 400, 599)
		case "retry-after":
			f.retryAfter = value
		case "drop":
			f.drop, f.carriedOut = true, value == "answer"
			if given && !f.carriedOut {
				err = errors.New("drop may be alone or have the value answer")
			}
		case "delay":
			f.delay, err = time.ParseDuration(value)
		case "operation":
			if f.operation = value; operations().ByID(value) == nil {
				err = fmt.Errorf("%q is not an operation of the contract", value)
			}
		case "after":
			f.after, err = number(value, 0, 1<<30)
		case "times":
			f.times, err = number(value, 0, 1<<30)
		case "id":
		default:
			err = fmt.Errorf("%q is not a part of a fault", name)
		}
		if err != nil {
			return f, err
		}
	}
	switch {
	case f.status != 0 && f.drop:
		return f, errors.New("status and drop exclude each other")
	case f.retryAfter != "" && f.status == 0:
		return f, errors.New("retry-after is a part of an answer, and needs a status")
	case f.status == 0 && !f.drop && f.delay == 0:
		return f, errors.New("one of status, drop and delay is needed")
	}
	return f, nil
}

func number(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is not a number from %d to %d", text, least, most)
	}
	return n, nil
}

// faults is a handler before the server.
type faults struct {
	next  http.Handler
	newID func() string
	over  <-chan struct{} // Closed when the test is; no delay outlives it.

	mu   sync.Mutex
	seen map[string]int // How many requests came with a text.
}

// ServeHTTP implements http.Handler.
func (h *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text := r.Header.Get(faultHeader)
	if text == "" {
		h.next.ServeHTTP(w, r)
		return
	}
	f, err := parseFault(text)
	if err != nil {
		h.fail(w, r, http.StatusBadRequest, err.Error(), gen.ProblemField{
			Pointer: "header/" + faultHeader, Code: gen.FieldCodeMalformed, Message: err.Error(),
		})
		return
	}
	if !h.due(f, text, r) {
		h.next.ServeHTTP(w, r)
		return
	}
	select {
	case <-time.After(f.delay):
	case <-r.Context().Done():
	case <-h.over: // A request with a body that was not read does not notice that nobody waits for it any more.
	}
	switch {
	case f.status != 0:
		if f.retryAfter != "" {
			w.Header().Set("Retry-After", f.retryAfter)
		}
		h.fail(w, r, f.status, "This is a fault that was asked for")
	case f.carriedOut:
		h.next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case f.drop:
		panic(http.ErrAbortHandler)
	default:
		h.next.ServeHTTP(w, r)
	}
}

// due counts the request, and reports whether it is one with the fault.
func (h *faults) due(f fault, text string, r *http.Request) bool {
	if f.operation != "" && operationOf(r).ID != f.operation {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[string]int{}
	}
	n := h.seen[text]
	h.seen[text]++
	return n >= f.after && (f.times < 0 || n < f.after+f.times)
}

// fail answers as the API would, or a proxy before it.
func (h *faults) fail(w http.ResponseWriter, r *http.Request, status int, message string, fields ...gen.ProblemField) {
	code := gen.ProblemCodeOf(status)
	if code == "" {
		http.Error(w, http.StatusText(status), status)
		return
	}
	problem := gen.Problem{Code: code, RequestID: h.newID(), Fields: append([]gen.ProblemField{}, fields...)}
	var answer any
	switch operationOf(r).Family {
	case api.Integration:
		answer = gen.IntegrationErrorResponse{Status: "error", Message: message, Data: problem}
	case api.Flat:
		answer = gen.FlatErrorResponse{Error: true, Message: message, Code: problem.Code, RequestID: problem.RequestID}
	case api.Application:
		meta := gen.ApplicationMeta{Status: "error", StatusCode: int32(status)}
		answer = gen.ApplicationErrorResponse{Meta: meta, Message: message, Data: problem}
	default:
		answer = gen.SystemErrorResponse{Meta: gen.SystemMeta{Message: message, DevMessage: "a fault"}, Body: problem}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", problem.RequestID)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // Whoever does not want to hear it has gone.
}

// operationOf is the operation that a request is for, or an empty one if the contract has none.
func operationOf(r *http.Request) *api.Operation {
	if op := operations().Match(r.Method, r.URL.EscapedPath()); op != nil {
		return op
	}
	return &api.Operation{}
}

func operations() api.List {
	all, err := api.Operations()
	if err != nil {
		panic(err) // The contract is part of the program.
	}
	return all
}
