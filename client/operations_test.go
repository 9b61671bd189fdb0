package client_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
)

var update = flag.Bool("update", false, "write operations.gen.go anew from the contract")

const generated = `// Code generated from the contract by "go test ./client -run TestOperationsAreThoseOfTheContract -update". DO NOT EDIT.

package client

var operations = []operation{
%s}
`

func TestOperationsAreThoseOfTheContract(t *testing.T) {
	_, operations := contract(t)
	var lines []string
	for name, op := range operations {
		lines = append(lines, fmt.Sprintf("\t{%q, %q, %q},\n", op.route.Method, op.route.Path, name))
	}
	// A brace comes after every letter.
	slices.SortFunc(lines, func(a, b string) int {
		return strings.Compare(a[strings.Index(a, ", "):]+a, b[strings.Index(b, ", "):]+b)
	})
	want := fmt.Sprintf(generated, strings.Join(lines, ""))
	if *update {
		if err := os.WriteFile("operations.gen.go", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("operations.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, []byte(want)) {
		t.Error("operations.gen.go is not what the contract says: run this test with -update")
	}
}

func TestEveryCallIsKnownByTheNameOfItsOperation(t *testing.T) {
	for _, base := range []string{"", "/api/v1/", "/a%2Fb", "/x/../a/./"} {
		onEveryCall(t, func(t *testing.T, op operation, line int) {
			var names []string
			after := client.WithAfter(func(_ context.Context, a client.Attempt) { names = append(names, a.Operation) })
			hc := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
				if req.Body != nil {
					io.Copy(io.Discard, req.Body)
					req.Body.Close()
				}
				return response(404, ""), nil
			})}
			c := newClient(t, "http://a.test"+base, client.WithHTTPClient(hc), after)
			calls[line].call(caller{Client: c, ctx: t.Context()})
			if len(names) != 1 || names[0] != op.OperationID {
				t.Errorf("got %q, want %q once", names, op.OperationID)
			}
		})
	}
}
