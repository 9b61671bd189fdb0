package server

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
)

func TestAFileOfProductsThatIsNoneMakesNothingAndSaysWhy(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		c := newClub(t, unlimited(open(t, config)), "allow_dm")
		const header = "Name,Price\n"
		wide := func(text string) string {
			return string([]byte{0xFF, 0xFE}) + strings.Join(strings.Split(text, ""), "\x00") + "\x00"
		}
		for name, test := range map[string]struct {
			file string
			want int
			says string
		}{
			"nothing":               {"", http.StatusBadRequest, "the file is empty"},
			"no rows":               {header, http.StatusBadRequest, "must have a row"},
			"UTF-16":                {wide(header + "Mug,1\n"), http.StatusBadRequest, "must be UTF-8"},
			"gzip":                  {"\x1F\x8B\x08\x00\x00\x00\x00\x00", http.StatusBadRequest, "the header"},
			"NUL":                   {header + "M\x00g,1\n", http.StatusBadRequest, "row 1, column 1: must not contain the character NUL"},
			"no UTF-8":              {header + "M\xFFg,1\n", http.StatusBadRequest, "row 1, column 1: must be UTF-8"},
			"an open quote":         {header + "Cup,1\n\"Mug,1\n", http.StatusBadRequest, "row 2: has a quotation mark"},
			"a cell too many":       {header + "Cup,1\nMug,1,2\n", http.StatusBadRequest, "row 2: has 3 cells, and there are 2 columns"},
			"semicolons":            {"Name;Price\nMug;1\n", http.StatusBadRequest, "the header, column 1: must have commas"},
			"a product too many":    {header + strings.Repeat("Mug,1\n", 1001), http.StatusBadRequest, "must have at most 1000 items"},
			"a name that is long":   {header + strings.Repeat("a", 101) + ",1\n", http.StatusBadRequest, "row 1, column Name: must have at most 100 characters"},
			"an entry before all":   {"Name,Price,Access Level\n,,no-access\n", http.StatusBadRequest, "row 1, column Name: is required"},
			"an id that is new":     {"Product ID,Name,Price\n66a282dab13eee0013cbb502,Mug,1\n", http.StatusBadRequest, `column 1: \"Product ID\" is not known here: the columns are Name, Description, Image, Price,`},
			"a byte too many":       {header + strings.Repeat("a", 1<<20) + "\n", http.StatusRequestEntityTooLarge, "1 MiB"},
			"a million codes":       {"Name,Price,Vouchers\na,1,\"" + strings.Repeat(",", 1_000_000) + "\"\n", http.StatusBadRequest, "row 1, column Vouchers: must have at most 1000 items"},
			"codes without an end":  {"Name,Price,Vouchers\n" + strings.Repeat("a,1,\""+strings.Repeat("b,", 999)+"\"\n", 300), http.StatusBadRequest, "row 21, column Vouchers: must leave the lists"},
			"many cells":            {header + "a,1" + strings.Repeat(",", 1_000_000) + "\n", http.StatusBadRequest, "row 1: has more than 1000 cells"},
			"entries without end":   {"Name,Price,Permission Enabled\na,1,true\n" + strings.Repeat(",,x\n", 90_000), http.StatusBadRequest, "must have at most 20 items"},
			"several wrong at once": {header + "Mug,free\n,1\n" + strings.Repeat("b", 101) + ",2\n", http.StatusBadRequest, "row 1, column Price: must be a whole number, such as 5000, without blanks"},
			"a price with a blank":  {header + "Mug,5 000\n", http.StatusBadRequest, "row 1, column Price: must be a whole number, such as 5000"},
			"a price with cents":    {header + "Mug,50.00\n", http.StatusBadRequest, "row 1, column Price: must be a whole number, such as 5000"},
			"a price without end":   {header + "Mug,5000000000\n", http.StatusBadRequest, "row 1, column Price: must be at most 1000000000"},
			"yes":                   {"Name,Price,Archived\nMug,1,yes\n", http.StatusBadRequest, "row 1, column Archived: must be true or false"},
			"unknown categories":    {"Name,Price,Category Name\nMug,1,Cups\nJug,1,Jars\n", http.StatusBadRequest, "row 2, column Category Name: must be a category of the community"},
		} {
			w := c.sendsProducts("POST", test.file)
			if w.Code != test.want || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("%s: got %d %s", name, w.Code, w.Body)
			}
		}
		if w := send(c.h, request("GET", "/apis/v1/products?serverId="+c.id, c.owner)); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"total":0`) {
			t.Errorf("there are %s", w.Body)
		}
		made := c.sendsProducts("POST", "\xEF\xBB\xBFName,Price\r\n\"A \"\"fine\"\" mug,\r\nof clay\",1\r\n")
		if made.Code != http.StatusBadRequest || !strings.Contains(made.Body.String(), "row 1, column Name: must be one line") {
			t.Errorf("a name of two lines: got %d %s", made.Code, made.Body)
		}
		if made := c.sendsProducts("POST", "\xEF\xBB\xBFName,Price\r\n=1+1,1\r\n"); made.Code != http.StatusCreated || !strings.Contains(made.Body.String(), `"name":"=1+1"`) {
			t.Errorf("a name that looks like a formula: got %d %s", made.Code, made.Body)
		}
	})
}

// sendsProducts sends a file of products.
func (c club) sendsProducts(method, file string) *httptest.ResponseRecorder {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "products.csv")
	part.Write([]byte(file))
	form.Close()
	r := httptest.NewRequest(method, "/apis/v1/products/bulk?serverId="+c.id, &body)
	r.Header.Set("Authorization", "Bearer "+c.owner)
	r.Header.Set("Content-Type", strings.Replace(form.FormDataContentType(), "multipart/form-data", "Multipart/Form-Data", 1))
	return send(c.h, r)
}

// How much a list of changes costs does not depend on what else is in the store: all of that is read once.
func TestAListOfProductsReadsTheRestOfTheStoreOnce(t *testing.T) {
	config := onSQLite(t)
	s := unlimited(open(t, config))
	c := newClub(t, s, "allow_dm")
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("%050d", i))
	}
	entry := map[string]any{"isEnabled": true, "type": "tag", "permission": map[string]any{"tagNames": names[:100]}, "accessLevel": "full-access"}
	for i := range 50 {
		do[gen.CategoryResponse](t, c.h, "POST", "/apis/v1/categories", c.owner, map[string]any{
			"serverId": c.id, "name": fmt.Sprint("C", i), "categoryPermission": []any{entry, entry},
		})
	}
	reads := func(n int) int64 {
		file := "Name,Price,Category Name\n" + strings.Repeat("Mug,1,c7\n", n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if w := c.sendsProducts("POST", file); w.Code != http.StatusCreated {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		runtime.ReadMemStats(&after)
		return int64(after.TotalAlloc - before.TotalAlloc)
	}
	one := reads(1)
	if each := (reads(101) - one) / 100; each > 200_000 { // the categories alone are 600 KB
		t.Errorf("each product of a list allocates %d bytes", each)
	}
}

// Two lists that change the same products in another order wait for each other or fail, and never do half.
func TestListsOfProductsThatAreChangedAtOnceAreChangedAsWholes(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := unlimited(open(t, config))
		c := newClub(t, s, "allow_dm")
		owner := must(client.New(listen(t, s), client.WithToken(c.owner)))
		one := func(name string, price int32) client.ProductCreate {
			return client.ProductCreate{Name: name, Price: &price}
		}
		made := must(owner.Store.CreateProducts(t.Context(), c.id, []client.ProductCreate{one("Mug", 1), one("Cup", 1)}))
		inParallel(8, func(i int) int {
			price, list := int32(i+2), []client.ProductUpdate{}
			for _, p := range made {
				list = append(list, client.ProductUpdate{ProductID: p.ID, Price: &price})
			}
			if i%2 == 0 {
				list[0], list[1] = list[1], list[0]
			}
			if _, err := owner.Store.UpdateProducts(t.Context(), c.id, list); err != nil {
				t.Error(err)
			}
			return 0
		})
		var prices []string
		for p, err := range owner.Store.Products(t.Context(), c.id, client.ProductQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			prices = append(prices, fmt.Sprint(p.Price))
		}
		if len(prices) != 2 || prices[0] != prices[1] || prices[0] == "1" {
			t.Errorf("the prices are %v", prices)
		}
		log := do[gen.AuditListResponse](t, c.h, "GET", "/servers/"+c.id+"/audit?limit=100", c.owner, nil)
		changed := 0
		for _, entry := range log.Body {
			if entry.Action == "product.update" {
				changed++
			}
		}
		if changed != 16 {
			t.Errorf("the audit trail has %d changes of 8 lists of two products", changed)
		}
	})
}
