package server

import (
	"errors"
	"testing"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func TestATextNamesAnAccountInOneWay(t *testing.T) {
	for text, want := range map[string]struct {
		by    store.MemberName
		value any
	}{
		"66a282dab13eee0013cbb4d1": {store.ByID, "66a282dab13eee0013cbb4d1"},
		"66A282DAB13EEE0013CBB4D1": {store.ByUsername, "66a282dab13eee0013cbb4d1"},
		"123456789012345678901234": {store.ByID, "123456789012345678901234"},
		"Ada@Example.com":          {store.ByEmail, "ada@example.com"},
		"@":                        {store.ByEmail, "@"},
		"123":                      {store.ByNumber, int64(123)},
		"0123":                     {store.ByNumber, int64(0)},
		"99999999999999999999":     {store.ByNumber, int64(0)},
		"-1":                       {store.ByUsername, "-1"},
		"Ada_Doe":                  {store.ByUsername, "ada_doe"},
		"":                         {store.ByUsername, ""},
		"\u0661\u0662":             {store.ByUsername, "\u0661\u0662"}, // digits of another script
	} {
		if by, value := nameOf(text); by != want.by || value != want.value {
			t.Errorf("%q is %s %v, want %s %v", text, by, value, want.by, want.value)
		}
	}
}

func TestAnIdentifierOfOneKindFindsNobodyByAnother(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		ada := do[gen.CreatedUserResponse](t, c.h, "POST", "/apis/v1/users", c.keyOf(t, c.owner, "createUser"), map[string]any{
			"firstname": "Ada", "lastname": "Doe", "username": "ada_doe", "displayname": "Ada", "email": "ada@example.com",
		}).Data
		names := map[string]string{"email": ada.Email, "username": ada.Username, "id": ada.UserID, "_id": ada.ID}
		for kind := range names {
			for of, name := range names {
				account, err := memberIdentified(t.Context(), s.store.Queries, c.id, name, kind, "")
				unknown := (*contract.Error)(nil)
				if kind == of && (err != nil || account.ID != ada.ID) || kind != of && !errors.As(err, &unknown) {
					t.Errorf("the %s as %s: got %q (%v)", of, kind, account.ID, err)
				}
			}
		}
		level := do[gen.UserFieldResponse](t, c.h, "POST", "/apis/v1/communities/"+c.id+"/user-fields", c.owner, map[string]any{"field": "level", "name": "Level", "type": "text"}).Data
		for i, want := range []string{ada.ID, ""} { // two who have it are none
			account := []string{ada.ID, do[gen.AccountResponse](t, c.h, "GET", "/auth/me", c.owner, nil).Body.ID}[i]
			do[gen.UserFieldHistoryResponse](t, c.h, "POST", "/apis/v1/communities/"+c.id+"/user-fields/"+level.ID+"/users/"+account+"/histories", c.owner, map[string]any{"value": "Gold"})
			found, err := memberIdentified(t.Context(), s.store.Queries, c.id, "GOLD", "custom-field", "Level")
			refused := (*contract.Error)(nil)
			if found.ID != want || want == "" && (!errors.As(err, &refused) || refused.Code != gen.ProblemCodeConflict) {
				t.Errorf("by a value that %d have: got %q (%v)", i+1, found.ID, err)
			}
		}
		if account, err := memberIdentified(t.Context(), s.store.Queries, c.id, "ADA@example.com", "", ""); err != nil || account.ID != ada.ID {
			t.Errorf("an address, by itself: got %q (%v)", account.ID, err)
		}
	})
}
