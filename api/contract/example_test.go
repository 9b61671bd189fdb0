package contract_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// A community implements the contract, one operation after the other. What it has not yet is a nil of the interface that it
// embeds: calling that panics, which answers 500. Without the interface, the compiler lists what is missing.
type community struct{ stub.Unimplemented }

func (community) JoinServer(ctx context.Context, r stub.JoinServerRequestObject) (stub.JoinServerResponseObject, error) {
	if r.ServerID != "66a282dab13eee0013cbb4d8" {
		return nil, contract.NotFound("server")
	}
	who := contract.CallerFrom(ctx).Who.(string)
	return nil, contract.Conflict("You are a member already", who+" has joined this server before")
}

func ExampleNewEcho() {
	e, err := contract.NewEcho(community{}, contract.Options{
		Authenticate: func(_ context.Context, credential string, inKeyHeader bool) (contract.Caller, error) {
			if credential != strings.Repeat("a", 64) || inKeyHeader {
				return contract.Caller{}, contract.Unauthenticated("nobody has this token")
			}
			return contract.Caller{Scheme: contract.SessionAuth, Who: "vera"}, nil
		},
		NewID: func() string { return "an-id" },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range []string{"66a282dab13eee0013cbb4d8", "66a282dab13eee0013cbb4d9", "of-no-server"} {
		r := httptest.NewRequest(http.MethodPost, "/servers/"+id+"/join", nil)
		r.Header.Set("Authorization", "Bearer "+strings.Repeat("a", 64))
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 409 {"meta":{"success":false,"message":"You are a member already","devMessage":"vera has joined this server before"},"body":{"code":"conflict","requestId":"an-id","fields":[]}}
	//
	// 404 {"meta":{"success":false,"message":"Not found","devMessage":"there is no such server, or it is not yours"},"body":{"code":"not_found","requestId":"an-id","fields":[]}}
	//
	// 400 {"meta":{"success":false,"message":"The request is not valid","devMessage":"see fields"},"body":{"code":"invalid_request","requestId":"an-id","fields":[{"pointer":"path/serverId","code":"wrong_format","message":"must be an id: 24 lower-case hexadecimal characters"}]}}
}
