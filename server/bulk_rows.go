package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/field"
	"github.com/rejoin-dev/rejoin/server/internal/sheet"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// mostRowErrors is how many errors of a row are told. The contract says so.
const mostRowErrors = 10

// A bulkColumn is a column that a file may have.
type bulkColumn struct {
	name     string
	required bool
	of       string       // the column of numbers before which this one stands and says how they count
	field    *store.Field // of the community; nil: it is none
}

// bulkColumns are those of a file.
type bulkColumns struct {
	kind gen.BulkType
	all  []bulkColumn
}

// opSuffix is behind the name of a column that says how the numbers of another one count.
const opSuffix = "_op"

// importColumns are those of a new user, each a part of what createUser takes; the fields of a community come behind them.
var importColumns = []bulkColumn{
	{name: "firstname", required: true}, {name: "lastname", required: true}, {name: "username", required: true}, {name: "displayname", required: true},
	{name: "email", required: true}, {name: accessLevelColumn}, {name: "externalId"}, {name: "referral"},
}

const accessLevelColumn = "accessLevel" // which is a number

// columnsOf are the columns that a file of a kind may have in a community.
func columnsOf(ctx context.Context, q store.Queries, serverID string, kind gen.BulkType) (c bulkColumns, err error) {
	c = bulkColumns{kind: kind}
	switch kind {
	case gen.BulkTypePremium:
		c.all = []bulkColumn{{name: "identifier", required: true}, {name: "amount_op", required: true, of: "amount"}, {name: "amount", required: true}, {name: "reason"}}
		return c, nil
	case gen.BulkTypeImport:
		c.all = slices.Clone(importColumns)
	case gen.BulkTypeUpdate:
		c.all = []bulkColumn{{name: "identifier", required: true}, {name: "xp_op", of: "xp"}, {name: "xp"}, {name: "coins_op", of: "coins"}, {name: "coins"}}
	}
	fields, err := q.Fields.List(ctx, serverID)
	for _, f := range fields {
		name := f.Definition.Field
		if op := name + opSuffix; kind == gen.BulkTypeUpdate && typeOf(f.Definition).IsNumber() && !c.has(op) {
			c.all = append(c.all, bulkColumn{name: op, of: name})
		}
		if !c.has(name) { // else it is reached by the API of fields alone
			c.all = append(c.all, bulkColumn{name: name, field: &f})
		}
	}
	return c, err
}

func (c bulkColumns) has(name string) bool {
	key := words.Caseless(field.Key(name))
	return slices.ContainsFunc(c.all, func(one bulkColumn) bool { return one.name == name || one.field != nil && one.field.Key == key })
}

// named is the one spelling of a name: that of a column which is called so or, without regard to case, of the first one.
func (c bulkColumns) named(name string) (string, bool) {
	key, found := words.Caseless(field.Key(name)), ""
	for _, one := range c.all {
		if one.name == name {
			return name, true
		}
		if found == "" && (one.field != nil && one.field.Key == key || words.Caseless(one.name) == words.Caseless(name)) {
			found = one.name
		}
	}
	return found, found != ""
}

func (c bulkColumns) names() (names []string) {
	for _, one := range c.all {
		names = append(names, one.name)
	}
	return names
}

// harmless are their names as the cells of a file.
func (c bulkColumns) harmless() []string {
	names := c.names()
	for i, name := range names {
		names[i] = sheet.Harmless(name)
	}
	return names
}

func (c bulkColumns) required() (names []string) {
	for _, one := range c.all {
		if one.required {
			names = append(names, one.name)
		}
	}
	return names
}

// identifies is the column that says whom a row is about.
func (c bulkColumns) identifies() string {
	if c.kind == gen.BulkTypeImport {
		return "email"
	}
	return "identifier"
}

// checkPairs refuses a header where the numbers are missing of which a column says how they count.
func (c bulkColumns) checkPairs(header []string) error {
	for _, one := range c.all {
		if one.of != "" && slices.Contains(header, one.name) && !slices.Contains(header, one.of) {
			return &sheet.Fault{Name: one.of, Message: "is missing, of which another column says how it counts"}
		}
	}
	return nil
}

// A bulkRow is a row that is about to be done.
type bulkRow struct {
	*core
	ctx     context.Context
	tx      *store.Tx
	s       standing
	columns bulkColumns
	cells   map[string]string // those that are not empty
	account int64             // whom it is about; 0: it names nobody here
	looked  bool              // whether that is known
	line    store.LedgerLine  // what comes or goes
	reason  string            // of a line of the ledger: together with the member, it counts once
	faults  []gen.BulkRowError
	todo    []func() error // nothing is written before all is known to be good
}

func (r *bulkRow) fault(column, message string) {
	if len(r.faults) < mostRowErrors {
		r.faults = append(r.faults, gen.BulkRowError{Column: column, Message: message})
	}
}

// prepare finds what there is to do, and what is wrong. It writes nothing.
func (r *bulkRow) prepare() error {
	for _, name := range r.columns.required() {
		if r.cells[name] == "" {
			r.fault(name, "is required")
		}
	}
	switch {
	case r.faults != nil:
		return nil
	case r.columns.kind == gen.BulkTypeImport:
		return r.prepareUser()
	}
	account, err := r.member(r.cells["identifier"])
	if err != nil || account == nil {
		return err
	}
	err = r.prepareLine(*account)
	if err == nil {
		err = r.prepareFields(*account)
	}
	return err
}

// member is whom a row is about. Nobody here is a fault of it.
func (r *bulkRow) member(name string) (*store.Account, error) {
	r.looked = true
	account, err := memberNamed(r.ctx, r.tx.Queries, r.s.ID, name)
	if unknown := (*contract.Error)(nil); errors.As(err, &unknown) {
		r.fault("identifier", "must name a member of the community")
		return nil, nil
	}
	r.account = account.AccountNumber
	return &account, err
}

// mostPoints is how many points anybody may have. On the wire, all whole numbers are exact up to there.
const mostPoints = 1<<53 - 1

// mostChange is by how much one row changes them: what all rows of a day have brought and taken is summed, too.
const mostChange = 1_000_000_000

// prepareLine finds what comes or goes of what the ledger knows.
func (r *bulkRow) prepareLine(account store.Account) error {
	premium := r.columns.kind == gen.BulkTypePremium
	if r.cells["xp"]+r.cells["coins"] == "" && !premium {
		return nil
	}
	has, err := r.tx.Ledger.HoldTotals(r.ctx, r.s.ID, account.AccountNumber)
	if err != nil {
		return err
	}
	line := store.LedgerLine{ServerID: r.s.ID, Account: account.AccountNumber, Action: string(gen.ActionBulk), Reason: r.reason}
	if premium {
		line.Premium = r.change("amount", has.Premium)
		if why := r.cells["reason"]; len([]rune(why)) > longestReason {
			r.fault("reason", fmt.Sprintf("must have at most %d characters", longestReason))
		} else if why != "" {
			line.Reason += ": " + why
		}
	} else {
		line.XP, line.Coins = r.change("xp", has.XP), r.change("coins", has.Coins)
	}
	if line.XP == 0 && line.Coins == 0 && line.Premium == 0 {
		return nil
	}
	r.line = line
	r.todo = append(r.todo, func() error {
		_, err := r.credit(r.ctx, r.tx, line) // one that is there already was done
		return err
	})
	return nil
}

// longestReason is how many characters a file may say of why.
const longestReason = 200

// digitsOnly is what a spreadsheet gets wrong of numbers.
const digitsOnly = ", such as 5000, without blanks, commas or the sign of a currency"

// opOf is how the numbers of a column count.
func (r *bulkRow) opOf(column string) string {
	op := r.cells[column+opSuffix]
	switch op {
	case "":
		return "overwrite"
	case "add", "subtract", "overwrite":
	default:
		r.fault(column+opSuffix, "must be add, subtract or overwrite")
	}
	return op
}

// change is by how much a column changes what a member has.
func (r *bulkRow) change(column string, has int64) (by int64) {
	text := r.cells[column]
	if text == "" {
		return 0
	}
	op := r.opOf(column)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > mostChange {
		r.fault(column, "must be a whole number from 0 to 1000000000"+digitsOnly)
		return 0
	}
	by, wrong := changeBy(op, n, has)
	if wrong != "" {
		r.fault(column, wrong)
	}
	return by
}

// changeBy is by how much a number changes what a member has, and what is wrong with that, if something is.
func changeBy(op string, n, has int64) (by int64, wrong string) {
	switch op {
	case "add":
		by = n
	case "subtract":
		by = -n
	case "overwrite":
		by = n - has
	}
	switch {
	case by < 0 && has+by < 0:
		wrong = "is more than the user has"
	case has+by > mostPoints:
		wrong = "would be more than anybody may have"
	}
	return by, wrong
}

// prepareFields finds the values that a member gets.
func (r *bulkRow) prepareFields(account store.Account) error {
	var values map[string]any
	for _, c := range r.columns.all {
		text := r.cells[c.name]
		if c.field == nil || text == "" {
			continue
		}
		f, value := *c.field, any(text)
		if op := r.cells[c.name+opSuffix]; op != "" && typeOf(f.Definition).IsNumber() {
			op = r.opOf(c.name)
			if values == nil {
				var err error
				if values, err = r.tx.Fields.ListOf(r.ctx, r.s.ID, account.AccountNumber); err != nil {
					return err
				}
			}
			value = calculated(f, op, text, values)
		}
		value, err := valueFor(f, value)
		var refused *field.Refusal
		switch {
		case errors.As(err, &refused):
			if typeOf(f.Definition).IsNumber() {
				refused.Message += digitsOnly
			}
			r.fault(c.name, refused.Message)
			continue
		case err != nil:
			return err
		}
		r.todo = append(r.todo, func() error {
			_, _, err := r.setValue(r.ctx, r.tx, f, account, value, nil)
			return err
		})
	}
	return nil
}

// calculated is a text of a number as it counts. Of what is none, it is that text.
func calculated(f store.Field, op, text string, values map[string]any) any {
	number, err := typeOf(f.Definition).Of(text)
	by, is := number.(float64)
	if err != nil || !is || op == "overwrite" {
		return text
	}
	shown, _ := shownValue(f, typeOf(f.Definition), values)
	has, _ := shown.(float64)
	if op == "subtract" {
		by = -by
	}
	if sum := has + by; !math.IsInf(sum, 0) {
		return sum
	}
	return text
}

// prepareUser finds what a new user is made from.
func (r *bulkRow) prepareUser() error {
	asSent := map[string]any{}
	for _, c := range importColumns {
		if text := r.cells[c.name]; text != "" {
			asSent[c.name] = text
		}
	}
	if text := r.cells[accessLevelColumn]; text != "" {
		level, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			r.fault(accessLevelColumn, "must be a whole number"+digitsOnly)
		}
		asSent[accessLevelColumn] = float64(level)
	}
	operations, err := api.Operations()
	if err != nil {
		return err
	}
	for _, wrong := range contract.CheckBody(operations.ByID("createUser"), asSent) {
		r.fault(strings.TrimPrefix(wrong.Pointer, "/"), wrong.Message)
	}
	var in gen.UserCreate
	text, err := json.Marshal(asSent)
	if err == nil {
		err = json.Unmarshal(text, &in)
	}
	if err != nil {
		return err
	}
	var fields []store.Field
	for _, c := range r.columns.all {
		if c.field == nil {
			continue
		}
		fields = append(fields, *c.field)
		if text := r.cells[c.name]; text != "" {
			in.CustomFields = append(in.CustomFields, gen.UserFieldValue{FieldIdorName: c.field.ID, Value: text})
		}
	}
	account := r.newAccount(strings.ToLower(in.Email), in.Username, in.Displayname)
	account.FirstName, account.LastName = in.Firstname, in.Lastname
	_, given := checkGiven(fields, in)
	if err := r.wrong(given, in); err != nil {
		return err
	}
	if r.faults != nil { // whether an account has a name is told to nobody who makes none
		return nil
	}
	if err := r.wrong(r.checkFree(r.ctx, r.tx, account, time.Time{}), in); err != nil {
		return err
	}
	r.todo = append(r.todo, func() error {
		made, err := r.makeUser(r.ctx, r.tx, r.s, account, in)
		r.account = made.AccountNumber
		return err
	})
	return nil
}

// wrong notes what is wrong with a row, and returns what is another failure.
func (r *bulkRow) wrong(err error, in gen.UserCreate) error {
	faults, is := faultsOf(err)
	if !is {
		return err
	}
	for _, f := range faults {
		// A value is found again by its place.
		var i int
		if n, _ := fmt.Sscanf(f.Column, "customFields/%d", &i); n == 1 && i < len(in.CustomFields) {
			for _, c := range r.columns.all {
				if c.field != nil && c.field.ID == in.CustomFields[i].FieldIdorName {
					f.Column = c.name
				}
			}
		}
		r.fault(f.Column, f.Message)
	}
	return nil
}

// faultsOf is why a row has failed, if it was the row that failed.
func faultsOf(err error) (faults []gen.BulkRowError, is bool) {
	var answer *contract.Error
	var limit *store.LimitError
	switch {
	case errors.As(err, &limit):
		return []gen.BulkRowError{{Message: limit.Error()}}, true
	case errors.Is(err, store.ErrDuplicate):
		return []gen.BulkRowError{{Message: "is there already"}}, true
	case errors.Is(err, store.ErrTooFew):
		return []gen.BulkRowError{{Message: "is more than the user has"}}, true
	case !errors.As(err, &answer) || answer.Code == gen.ProblemCodeInternal || answer.Code == gen.ProblemCodeUnavailable:
		return nil, false
	case len(answer.Fields) == 0:
		return []gen.BulkRowError{{Message: answer.Message}}, true
	}
	for _, f := range answer.Fields {
		faults = append(faults, gen.BulkRowError{Column: strings.TrimPrefix(f.Pointer, "/"), Message: f.Message})
	}
	return faults, true
}
