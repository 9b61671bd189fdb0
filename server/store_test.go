package server

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

func TestCodesAreSealedWithAKeyThatIsNotInTheDatabase(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	c := must(client.New(listen(t, s), client.WithToken(tokenOf(t, s, "anna@example.com"))))
	club := must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
	const code = "SECRET-CODE-0001"
	made := must(c.Store.CreateProduct(t.Context(), client.ProductCreate{ServerID: club.ID, Name: "Premium", Price: new(int32(1)), Vouchers: []string{code}}))
	if made.Type != client.ProductVoucher {
		t.Errorf("what has codes is of the type %s", made.Type)
	}
	must(c.Store.UpdateProduct(t.Context(), made.ID, client.ProductUpdate{Vouchers: []string{code + "-AND-ANOTHER"}}))
	key, err := os.ReadFile(filepath.Join(config.Data, SecretFile))
	if err != nil || len(strings.TrimSpace(string(key))) != 64 {
		t.Fatalf("the key is %q, %v", key, err)
	}
	if info, err := os.Stat(filepath.Join(config.Data, SecretFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the key has the mode %v, %v", info.Mode(), err)
	}
	for _, name := range []string{"rejoin.db", "rejoin.db-wal"} {
		data, err := os.ReadFile(filepath.Join(config.Data, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, secret := range []string{code, strings.TrimSpace(string(key))} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds %s", name, secret)
			}
		}
	}
	sealed := must(s.vault.seal(made.ID, code))
	if opened, err := s.vault.open(made.ID, sealed); err != nil || opened != code {
		t.Errorf("opened %q, %v", opened, err)
	}
	if _, err := s.vault.open(club.ID, sealed); err == nil {
		t.Error("a code opens as one of another product")
	}
}

func TestAServerWithoutTheSecretKeyOfItsDatabaseDoesNotStart(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		wants := func(config Config, text string) {
			t.Helper()
			s, err := New(t.Context(), config)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("got %v, want %q", err, text)
			}
		}
		file := filepath.Join(config.Data, SecretFile)
		without, short, other := config, config, config
		without.SecretKey, short.SecretKey, other.SecretKey = "", "abc", strings.Repeat("a", 64)
		if config.Database != "" {
			wants(without, "need one secret key")
		}
		wants(short, "must have 64 hexadecimal characters")
		func() {
			s := must(New(t.Context(), config))
			defer s.Close()
			later := must(New(t.Context(), ifShared(config, other))) // while nothing is sealed, nobody knows
			c := must(client.New(listen(t, s), client.WithToken(tokenOf(t, s, "anna@example.com"))))
			club := must(c.Servers.Create(t.Context(), client.ServerCreate{Name: "Chess club"}))
			must(c.Store.CreateProduct(t.Context(), client.ProductCreate{ServerID: club.ID, Name: "Premium", Price: new(int32(1)), Vouchers: []string{"A"}}))
			if config.Database != "" {
				c := must(client.New(listen(t, later), client.WithToken(tokenOf(t, later, "anna@example.com")), client.WithoutRetry()))
				if _, err := c.Store.CreateProduct(t.Context(), client.ProductCreate{ServerID: club.ID, Name: "Premium", Price: new(int32(1)), Vouchers: []string{"A"}}); err == nil {
					t.Error("a server with another key seals")
				}
			}
			later.Close()
		}()
		wants(other, "is not the one with which things are sealed")
		if config.Database == "" {
			if err := os.Rename(file, file+".away"); err != nil {
				t.Fatal(err)
			}
			wants(without, "put back "+file)
			if _, err := os.Stat(file); err == nil {
				t.Error("another key was made")
			}
			if err := os.Rename(file+".away", file); err != nil {
				t.Fatal(err)
			}
		}
		must(New(context.Background(), config)).Close()
	})
}

// What is left of a first start that ended while the key was being kept.
func TestAServerStartsWhereTheFileOfItsSecretKeyIsEmpty(t *testing.T) {
	config := onSQLite(t)
	file := filepath.Join(config.Data, SecretFile)
	if err := os.MkdirAll(config.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	must(New(t.Context(), config)).Close()
	if key, err := os.ReadFile(file); err != nil || len(strings.TrimSpace(string(key))) != 64 {
		t.Errorf("the key is %q, %v", key, err)
	}
}

// ifShared is a configuration for another server on the same database or, where a database has one server, on one of its own.
func ifShared(config, other Config) Config {
	if config.Database == "" {
		other = Config{Data: filepath.Join(config.Data, "elsewhere"), SecretKey: other.SecretKey}
	}
	return other
}

// What a product becomes is what counts, whichever part of it is sent.
func TestADiscountTakesSomethingOffAndNobodySellsForNothingUnmeant(t *testing.T) {
	c := newClub(t, unlimited(open(t, onSQLite(t))), "allow_dm")
	const products, at = "/apis/v1/products", `"pointer":"/discountPrice"`
	product := func(more map[string]any) map[string]any {
		body := map[string]any{"serverId": c.id, "name": "Mug", "price": 10}
		maps.Copy(body, more)
		return body
	}
	refuses := func(method, path string, body map[string]any) {
		t.Helper()
		r := jsonRequest(path, c.owner, body)
		r.Method = method
		if w := send(c.h, r); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), at) {
			t.Errorf("%s %v: got %d %s", method, body, w.Code, w.Body)
		}
	}
	for _, wrong := range []map[string]any{
		{"isDiscountEnabled": true}, {"isDiscountEnabled": true, "discountPrice": 10}, {"isDiscountEnabled": true, "discountPrice": 11}, {"discountPrice": 11},
	} {
		refuses("POST", products, product(wrong))
	}
	mug := products + "/" + do[gen.ProductResponse](t, c.h, "POST", products, c.owner, product(nil)).Data.ID
	refuses("PUT", mug, map[string]any{"isDiscountEnabled": true})
	for _, part := range []map[string]any{{"discountPrice": 8}, {"isDiscountEnabled": true}, {"name": "Cup"}, {"price": 9}} {
		do[gen.ProductResponse](t, c.h, "PUT", mug, c.owner, part)
	}
	refuses("PUT", mug, map[string]any{"price": 8})
	refuses("PUT", mug, map[string]any{"discountPrice": 9})
	if p := do[gen.ProductResponse](t, c.h, "PUT", mug, c.owner, map[string]any{"discountPrice": 0}).Data; p.CurrentPrice != 0 {
		t.Errorf("it is meant to be free, and costs %d", p.CurrentPrice)
	}
	w := c.sendsProducts("POST", "Name,Price,Discount Enabled,Discount Price\nMug,10,true,\nCup,10,true,10\nPot,10,true,9\n")
	for _, says := range []string{"row 1, column Discount Price: is required", "row 2, column Discount Price: must be less than the price"} {
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), says) {
			t.Errorf("a file: got %d %s, want %q", w.Code, w.Body, says)
		}
	}
}

// Whoever reads an error knows which of several parts is wrong, and why.
func TestWhatIsWrongOfSeveralIsNamed(t *testing.T) {
	c := newClub(t, unlimited(open(t, onSQLite(t))), "allow_dm")
	const products = "/apis/v1/products"
	product := func(codes ...string) map[string]any {
		return map[string]any{"serverId": c.id, "name": "Premium", "price": 1, "vouchers": codes}
	}
	says := func(r *http.Request, code int, wants ...string) {
		t.Helper()
		w := send(c.h, r)
		for _, want := range wants {
			if w.Code != code || !strings.Contains(w.Body.String(), want) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, code, want)
			}
		}
	}
	says(jsonRequest(products, c.owner, product("A", "A")), http.StatusConflict, "A code is given twice", `"pointer":"/vouchers/1"`, "is given twice")
	made := do[gen.ProductResponse](t, c.h, "POST", products, c.owner, product("A")).Data.ID
	says(put(products+"/"+made, c.owner, map[string]any{"vouchers": []string{"B", "A"}}), http.StatusConflict,
		"The product has this code already", `"pointer":"/vouchers/1"`, "is a code that the product has, or has had")
	entry := map[string]any{"isEnabled": true, "type": "role", "permission": map[string]any{"roleNames": []string{"@all", "Nobody"}}, "accessLevel": "no-access"}
	says(put(products+"/"+made, c.owner, map[string]any{"productPermission": []any{entry}}), http.StatusBadRequest, `and \"Nobody\" is none`)
	says(request("GET", products+"?serverId="+c.id+"&fields=name,colour", c.owner), http.StatusBadRequest, `and \"colour\" is none`)
	says(request("GET", "/apis/v1/bulk-updates", c.owner), http.StatusForbidden, "this operation takes an API key, and no other credential")
	key := c.keyOf(t, c.owner, "store")
	says(request("GET", "/auth/me", key), http.StatusForbidden, "this operation takes a session token or a user API key, and no other credential")
}
