package server

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/sheet"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// A productColumn is a column of a file of products, and which part of a product it is. The names are those of the public documentation, and ours for
// what that does not have.
type productColumn struct {
	name string
	part string // its members, with dots between them; behind entry, of an entry of the permissions
	kind
}

// A kind is how the cells of a column are read.
type kind struct {
	read func(cell string, most int) any // a list of that many items, and one more
	says string                          // of what cannot be read so, in words of who has a spreadsheet
}

var (
	textColumn   = kind{func(cell string, _ int) any { return cell }, ""}
	numberColumn = kind{numberCell, "must be a whole number" + digitsOnly}
	truthColumn  = kind{truthCell, "must be true or false"}
	listColumn   = kind{listCell, ""}
)

const (
	productNameColumn = "Name"
	productIDColumn   = "Product ID"
	entry             = "productPermission."
)

var productColumns = []productColumn{
	{productIDColumn, "productID", textColumn},
	{productNameColumn, "name", textColumn},
	{"Description", "description", textColumn},
	{"Image", "image", textColumn},
	{"Price", "price", numberColumn},
	{"Type", "type", textColumn},
	{"Stocks", "stocks", numberColumn},
	{"Category Name", "categoryName", textColumn},
	{"Discount Enabled", "isDiscountEnabled", truthColumn},
	{"Discount Price", "discountPrice", numberColumn},
	{"Discount Start Date", "discountStartDate", textColumn},
	{"Discount End Date", "discountEndDate", textColumn},
	{"Available From", "availableFrom", textColumn},
	{"Available Until", "availableUntil", textColumn},
	{"User Information Enabled", "userInformation.isEnabled", truthColumn},
	{"Collect Name", "userInformation.shouldCollectName", truthColumn},
	{"Collect Phone", "userInformation.shouldCollectPhone", truthColumn},
	{"Collect Address", "userInformation.shouldCollectAddress", truthColumn},
	{"Prioritize Expiring Vouchers", "shouldPrioritiesExpiringVouchers", truthColumn},
	{"Display Remaining Quantity", "shouldDisplayRemainingQuantity", truthColumn},
	{"Expiring Highlight Enabled", "expiringVoucherHighlight.isEnabled", truthColumn},
	{"Expiring Highlight Duration", "expiringVoucherHighlight.duration", numberColumn},
	{"Expiring Highlight Timeframe", "expiringVoucherHighlight.timeframe", textColumn},
	{"Archived", "isArchived", truthColumn},
	{"Display Order", "displayOrder", numberColumn},
	{"Redemption Instructions", "redemptionInstructions", textColumn},
	{"Product Access Enabled", "isProductAccessEnabled", truthColumn},
	{"Purchase Status Override Name", "purchaseStatusOverrideName", textColumn},
	{"Vouchers", "vouchers", listColumn},
	{"Voucher Expire Date", "voucherExpireDate", textColumn},
	{"Permission Enabled", entry + "isEnabled", truthColumn},
	{"Permission Type", entry + "type", textColumn},
	{"Roles", entry + "permission.roleNames", listColumn},
	{"Tags", entry + "permission.tagNames", listColumn},
	{"Users", entry + "permission.usernames", listColumn},
	{"Combination Type", entry + "permission.combination.type", textColumn},
	{"Combination Values", entry + "permission.combination.values", listColumn},
	{"Special Price", entry + "purchaseAccess.specialPrice", numberColumn},
	{"Special Price Enabled", entry + "purchaseAccess.isSpecialPriceEnabled", truthColumn},
	{"Purchase Limit Enabled", entry + "purchaseLimit.isPurchaseLimitEnabled", truthColumn},
	{"Purchase Limit Quantity", entry + "purchaseLimit.quantity", numberColumn},
	{"Purchase Limit Interval Count", entry + "purchaseLimit.intervalCount", numberColumn},
	{"Purchase Limit Interval Unit", entry + "purchaseLimit.intervalUnit", textColumn},
	{"Access Level", entry + "accessLevel", textColumn},
	{"Exclusive Tag Enabled", entry + "isExclusiveTagEnabled", truthColumn},
}

// What is no number, or neither true nor false, stays a text: the contract says what is wrong with that.

func numberCell(cell string, _ int) any {
	if n, err := strconv.ParseInt(cell, 10, 64); err == nil {
		return float64(n)
	}
	return cell
}

func truthCell(cell string, _ int) any {
	switch strings.ToLower(cell) {
	case "true":
		return true
	case "false":
		return false
	}
	return cell
}

func listCell(cell string, most int) any {
	items := []any{}
	for _, item := range strings.SplitN(cell, ",", most+2) {
		items = append(items, strings.TrimSpace(item))
	}
	return items
}

// A productFile is a file of products, as the items of a JSON body would be.
type productFile struct {
	items   []any
	rows    []productRows
	wrong   []gen.ProblemField // what no item can show
	columns []productColumn    // in their order
	first   string             // the column that begins a product
	listed  int                // items of all lists
	most    productBounds
}

// productBounds are what a list of products may have of each. What is more is not read, as it would only be refused, item by item.
type productBounds struct{ products, entries, codes int }

func productBoundsOf(op *api.Operation) productBounds {
	list := op.Body.Schema.Value
	parts := list.Items.Value.Properties
	return productBounds{int(*list.MaxItems), int(*parts["productPermission"].Value.MaxItems), int(*parts["vouchers"].Value.MaxItems)}
}

// productRows are the rows of a product: its own, and those of the entries of its permissions.
type productRows struct {
	row     int
	entries []int
}

// readProductFile reads a file. An error is why it is none.
func readProductFile(from io.Reader, op *api.Operation) (*productFile, error) {
	creates := op.Creates
	f := &productFile{items: []any{}, first: productIDColumn, most: productBoundsOf(op)}
	required := []string{f.first}
	if creates {
		f.first = productNameColumn
		required = []string{f.first, "Price"}
	}
	rows, err := sheet.Open(from)
	if err == nil {
		err = rows.Columns(func(name string) (string, bool) {
			if c := columnCalled(name); c != nil && !(creates && c.name == productIDColumn) {
				return c.name, true
			}
			return "", false
		}, required, columnNames(creates))
	}
	if err == nil {
		for _, name := range rows.Header {
			f.columns = append(f.columns, *columnCalled(name))
		}
	}
	for err == nil && !f.isHopeless() {
		var cells []string
		if cells, err = rows.Next(); err == nil {
			f.add(rows.Number(), cells)
		}
	}
	var fault *sheet.Fault
	switch {
	case errors.As(err, &fault):
		return nil, contract.Invalid(contract.Field("/file", gen.FieldCodeMalformed, fault.Error()))
	case err != nil && err != io.EOF:
		return nil, err
	case rows.Number() == 0:
		return nil, contract.Invalid(contract.Field("/file", gen.FieldCodeTooFew, "must have a row for each product"))
	}
	return f, nil
}

// columnNames are the columns that a file may have.
func columnNames(creates bool) (names []string) {
	for _, c := range productColumns {
		if !creates || c.name != productIDColumn {
			names = append(names, c.name)
		}
	}
	return names
}

func columnCalled(name string) *productColumn {
	for i, c := range productColumns {
		if words.Caseless(c.name) == words.Caseless(name) {
			return &productColumns[i]
		}
	}
	return nil
}

// add adds a row. What has no cell with anything in it is none.
func (f *productFile) add(row int, cells []string) {
	if len(cells) != len(f.columns) {
		f.fault(row, "", gen.FieldCodeMalformed, fmt.Sprintf("has %d cells, and there are %d columns", len(cells), len(f.columns)))
		return
	}
	item, more := map[string]any{}, map[string]any{}
	begins, other := false, ""
	for i, c := range f.columns {
		cell := strings.TrimSpace(cells[i])
		if cell == "" {
			continue
		}
		cell = strings.Clone(cell) // of a row, the cells are one text
		part, ofEntry := strings.CutPrefix(c.part, entry)
		value := c.read(cell, f.most.codes)
		if list, is := value.([]any); is {
			if f.listed += len(list); f.listed > mostOfAll {
				f.fault(row, c.name, gen.FieldCodeTooMany, "must leave the lists of a file with at most 20,000 items")
				return
			}
		}
		switch {
		case ofEntry:
			putPart(more, part, value)
			continue
		case c.name == f.first:
			begins = true
		default:
			other = c.name
		}
		putPart(item, part, value)
	}
	switch {
	case begins || other != "" && len(f.rows) == 0:
		f.items, f.rows = append(f.items, item), append(f.rows, productRows{row: row})
	case other != "":
		f.fault(row, other, gen.FieldCodeNotAllowed, "must be empty in a row without "+f.first+", which is one more entry of the permissions of the product above it")
		return
	case len(more) == 0:
		return
	case len(f.rows) == 0:
		f.fault(row, f.first, gen.FieldCodeRequired, "is required")
		return
	}
	if len(more) > 0 {
		f.addEntry(row, more)
	}
}

const (
	mostOfAll    = 20_000 // items of all lists of a file. The contract says so.
	faultsEnough = 100
)

// isHopeless tells whether a file is refused, whatever its other rows have.
func (f *productFile) isHopeless() bool {
	return len(f.items) > f.most.products || f.listed > mostOfAll || len(f.wrong) >= faultsEnough
}

// addEntry adds an entry to the permissions of the last product.
func (f *productFile) addEntry(row int, more map[string]any) {
	audience, _ := more["permission"].(map[string]any)
	if audience == nil {
		audience = map[string]any{}
	}
	if one, is := audience["combination"]; is {
		audience["combination"] = []any{one}
	}
	more["permission"] = audience
	last := len(f.items) - 1
	item, _ := f.items[last].(map[string]any)
	entries, _ := item["productPermission"].([]any)
	if len(entries) > f.most.entries {
		return
	}
	item["productPermission"] = append(entries, more)
	f.rows[last].entries = append(f.rows[last].entries, row)
}

// putPart sets a part of an object, whose members stand with dots between them.
func putPart(object map[string]any, part string, value any) {
	outer, inner, nested := strings.Cut(part, ".")
	if !nested {
		object[part] = value
		return
	}
	members, _ := object[outer].(map[string]any)
	if members == nil {
		members = map[string]any{}
		object[outer] = members
	}
	putPart(members, inner, value)
}

func (f *productFile) fault(row int, column string, code gen.FieldCode, message string) {
	fault := sheet.Fault{Row: row, Name: column, Message: message}
	f.wrong = append(f.wrong, contract.Field("/file", code, fault.Error()))
}

// located is what is wrong with an item, where it stands in the file: a place in it has no pointer.
func (f *productFile) located(wrong gen.ProblemField) gen.ProblemField {
	at := strings.Split(strings.TrimPrefix(wrong.Pointer, "/"), "/")
	i, err := strconv.Atoi(at[0])
	if err != nil || i >= len(f.rows) {
		return contract.Field("/file", wrong.Code, wrong.Message)
	}
	fault, at := sheet.Fault{Row: f.rows[i].row, Message: wrong.Message}, at[1:]
	if len(at) > 1 && at[0]+"." == entry {
		if k, err := strconv.Atoi(at[1]); err == nil && k < len(f.rows[i].entries) {
			fault.Row = f.rows[i].entries[k]
		}
	}
	at = slices.DeleteFunc(at, func(member string) bool { _, err := strconv.Atoi(member); return err == nil })
	if part := strings.Join(at, "."); part != "" {
		for _, c := range productColumns {
			if c.part == part || strings.HasPrefix(part, c.part+".") {
				fault.Name = c.name
				if wrong.Code == gen.FieldCodeWrongType && c.says != "" {
					fault.Message = c.says
				}
			}
		}
	}
	return contract.Field("/file", wrong.Code, fault.Error())
}
