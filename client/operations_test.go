package client_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
)

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
			if len(names) != 1 || names[0] != op.ID {
				t.Errorf("got %q, want %q once", names, op.ID)
			}
		})
	}
}
