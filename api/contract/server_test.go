package contract_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// hosting is a backend with several servers, of which it notes the one that each request was about.
type hosting struct {
	stub.Unimplemented
	servers []string // in which the account may do this
	about   string
}

func (b *hosting) find(ctx context.Context, named string) (err error) {
	community := ""
	if contract.CallerFrom(ctx).Scheme != contract.SessionAuth {
		community = keys
	}
	b.about, err = contract.ServerOf(ctx, named, community, func() ([]string, error) { return b.servers, nil })
	return err
}

func (b *hosting) ListChannels(ctx context.Context, r stub.ListChannelsRequestObject) (stub.ListChannelsResponseObject, error) {
	serverID := ""
	if r.Params.ServerID != nil {
		serverID = *r.Params.ServerID
	}
	return stub.ListChannels200JSONResponse{Body: []gen.Channel{}}, b.find(ctx, serverID)
}

func (b *hosting) CreateChannel(ctx context.Context, r stub.CreateChannelRequestObject) (stub.CreateChannelResponseObject, error) {
	return stub.CreateChannel200JSONResponse{}, b.find(ctx, r.Body.ServerID)
}

const one, two, keys = "66a282dab13eee0013cbb4d1", "66a282dab13eee0013cbb4d2", "66a282dab13eee0013cbb4d3"

func TestARequestThatNamesNoServerIsAboutTheOnlyOneOrIsRefused(t *testing.T) {
	for _, test := range []struct {
		who, named string
		servers    []string
		want       string // the server, or what is said of serverId
	}{
		{token, one, []string{two}, one},
		{token, "", []string{two}, two},
		{token, "", nil, "is required: there is no server in which you may do this"},
		{token, "", []string{one, two}, "is required: there are several servers in which you may do this"},
		{channels, "", []string{one, two}, keys},
		{channels, one, nil, one},
	} {
		for _, method := range []string{"GET", "POST"} {
			target, body, pointer := "/channels", `{"topic":"a","channelType":"open"}`, "/serverId"
			if method == "GET" {
				body, pointer = "", "query/serverId"
			}
			if test.named != "" {
				target += map[string]string{"GET": "?serverId=" + test.named}[method]
				body = strings.Replace(body, "{", `{"serverId":"`+test.named+`",`, 1)
			}
			b := &hosting{servers: test.servers}
			e, err := contract.NewEcho(b, contract.Options{Authenticate: authenticate})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(method, target, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+test.who)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			refused := w.Code == 400 && strings.Contains(w.Body.String(), `{"pointer":"`+pointer+`","code":"required","message":"`+test.want+`"}`)
			if found := w.Code == 200 && b.about == test.want; !found && !refused {
				t.Errorf("%s, naming %q with %q: got %d, about %q: %s", method, test.named, test.servers, w.Code, b.about, w.Body)
			}
		}
	}
}
