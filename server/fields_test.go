package server

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

func TestOneOfManyAtOnceGetsAValueThatIdentifies(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		ben := must(client.New(listen(t, s), client.WithToken(c.ben)))
		me := must(ben.Auth.Me(t.Context())).ID
		owner := must(must(client.New(listen(t, s), client.WithToken(c.owner))).Auth.Me(t.Context())).ID
		field := must(ben.Fields.Create(t.Context(), c.id, client.UserFieldCreate{Field: "id", Name: "Id", Type: client.UserFieldText}))
		must(ben.Fields.Update(t.Context(), c.id, field.ID, client.UserFieldUpdate{Name: "Id", Type: client.UserFieldText, IsIdentifier: new(true)}))
		for round := range 5 {
			value := fmt.Sprintf("CUS-%d", round)
			var got [8]int
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() {
					path := fmt.Sprintf("/apis/v1/communities/%s/user-fields/%s/users/%s/histories", c.id, field.ID, []string{me, owner}[i%2])
					got[i] = postJSON(c.h, path, c.ben, map[string]any{"value": value}).Code
				})
			}
			all.Wait()
			for i, code := range got {
				if code != http.StatusCreated && code != http.StatusConflict || code != got[i%2] {
					t.Errorf("round %d: %v", round, got)
				}
			}
			if (got[0] == http.StatusCreated) == (got[1] == http.StatusCreated) {
				t.Errorf("round %d: of two users, %v", round, got)
			}
		}
	})
}

// Whoever changes the type looks whether all values convert, and somebody gives one meanwhile.
func TestAValueThatIsGivenWhileATypeChangesIsOneOfTheType(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "server_administrator")
		ben := must(client.New(listen(t, s), client.WithToken(c.ben)))
		me := must(ben.Auth.Me(t.Context())).ID
		for round := range 8 {
			field := must(ben.Fields.Create(t.Context(), c.id, client.UserFieldCreate{Field: fmt.Sprint("level", round), Name: "Level", Type: client.UserFieldText}))
			at := fmt.Sprintf("/apis/v1/communities/%s/user-fields/%s", c.id, field.ID)
			var given, changed int
			var both sync.WaitGroup
			both.Go(func() {
				given = postJSON(c.h, at+"/users/"+me+"/histories", c.ben, map[string]any{"value": "Gold"}).Code
			})
			both.Go(func() {
				r := jsonRequest(at, c.ben, map[string]any{"name": "Level", "type": "number"})
				r.Method = http.MethodPut
				changed = send(c.h, r).Code
			})
			both.Wait()
			if (given == http.StatusCreated) == (changed == http.StatusOK) {
				t.Errorf("round %d: given %d, changed %d", round, given, changed)
			}
			shown := do[gen.UserFieldResponse](t, c.h, "GET", at, c.ben, nil).Data
			if numeric := shown.Type == gen.UserFieldTypeNumber; numeric != (changed == http.StatusOK) {
				t.Errorf("round %d: changed %d, and it is %s", round, changed, shown.Type)
			}
		}
	})
}
