package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A UserOrder is by what members are gone through. There is an index for each.
type UserOrder int

// The orders of members.
const (
	ByJoining UserOrder = iota // a moment in microseconds
	ByXP
	ByCoins
	ByName       // the key of the display name
	BySearch     // the keys of display names and user names that begin alike: both bounds are given
	ByField      // the measures of a field
	OfFirstName  // the accounts of one first name
	OfLastName   // of one last name
	OfOneAddress // the account of an address
	OfOneName    // the account of a user name
	OfField      // the accounts of one value of a field
)

// UserConditions are what must be so of a member beside their place in an order. What is nil is not asked for.
type UserConditions struct {
	Username, FirstName, LastName, DisplayName *string // names are compared whatever their upper and lower case
	XP, Coins, Joined                          Range   // joined: in microseconds
	Role                                       *string // that they have been given
	Fields                                     []FieldCondition
}

// A FieldCondition is what a value of a field must be: of a key, or with a measure between two that may be missing.
type FieldCondition struct {
	FieldID  string
	Key      string // if it is not empty
	From, To *float64
}

// bounds are both, as float64, as far as there are any numbers.
func (c FieldCondition) bounds() (from, to any) {
	from, to = -math.MaxFloat64, math.MaxFloat64
	if c.From != nil {
		from = *c.From
	}
	if c.To != nil {
		to = *c.To
	}
	return from, to
}

// A Range is between two numbers, which it includes. One that is nil is no bound.
type Range struct{ From, To *int64 }

// Bounds are both, nil for none.
func (r Range) Bounds() (from, to any) {
	if r.From != nil {
		from = *r.From
	}
	if r.To != nil {
		to = *r.To
	}
	return from, to
}

func (r Range) includes(n int64) bool {
	return (r.From == nil || n >= *r.From) && (r.To == nil || n <= *r.To)
}

// allow tells whether all is so of a member, but for the role, which the statement knows.
func (c UserConditions) allow(u FoundUser) bool {
	is := func(want *string, value string) bool { return want == nil || value == *want }
	same := func(want *string, name string) bool { return want == nil || nameKey(name) == nameKey(*want) }
	username, _ := u.Username.Get()
	return is(c.Username, username) && same(c.FirstName, u.FirstName) && same(c.LastName, u.LastName) &&
		same(c.DisplayName, u.DisplayName) && c.XP.includes(u.XP) && c.Coins.includes(u.Coins) && c.Joined.includes(u.JoinedAt.UnixMicro())
}

// A UserQuery is a question for members of a server.
type UserQuery struct {
	ServerID   string
	Order      UserOrder
	Descending bool
	From, To   any            // the bounds of the order, both within; nil: none
	Field      FieldCondition // of ByField and OfField, which have no other bounds
	After      *UserPosition
	Conditions *UserConditions // nil: none
	Values     bool            // whether those of all fields are wanted
}

// A UserPosition is a place in an order: behind a member.
type UserPosition struct {
	Key     any // int64, float64 of ByField, or the key of a name
	Account int64
}

// NameRange are the bounds of the names that begin with a text.
func NameRange(text string) (from, to string) { return nameKey(text), afterPrefix(nameKey(text)) }

// NameOf are the bounds of the order of one name.
func NameOf(text string) (from, to string) { return nameKey(text), nameKey(text) }

// A FoundUser is a member who was found.
type FoundUser struct {
	Account
	gen.Balance
	JoinedAt  gen.Time
	LastLogin gen.Nullable[gen.Time]
	Values    map[string]any // by the ids of fields, if they are wanted

	position UserPosition
	matches  bool
}

// How much one question looks at: so many members in all, and so many in one statement if not all of them match.
const (
	MostExamined   = 10_000
	examinedAtOnce = 250
)

// Find returns so many members as a question asks for, after it has skipped some, and where to go on, nil if there are no more.
// It looks at no more than MostExamined: there may be more then, even if fewer were found.
func (q Users) Find(ctx context.Context, ask UserQuery, skip, limit int) (found []FoundUser, next *UserPosition, err error) {
	found, next = []FoundUser{}, ask.After
	for examined := 0; examined < MostExamined; {
		some := min(skip+limit+1, examinedAtOnce)
		if ask.Conditions != nil || ask.Order >= OfFirstName {
			some = examinedAtOnce
		}
		ask.After = next
		users, err := q.examine(ctx, ask, some)
		if err != nil {
			return nil, nil, err
		}
		for _, user := range users {
			if len(found) == limit && user.matches {
				return found, next, nil
			}
			examined, next = examined+1, &user.position
			switch {
			case !user.matches:
			case skip > 0:
				skip--
			default:
				found = append(found, user)
			}
		}
		if len(users) < some {
			return found, nil, nil
		}
	}
	return found, next, nil
}

// examine returns some members of an order, or accounts that may be, and whether each matches.
func (q Users) examine(ctx context.Context, ask UserQuery, some int) ([]FoundUser, error) {
	ask.Descending = ask.Descending && ask.Order < OfFirstName // one name has no other order
	candidates, args := ask.candidates(some)
	also, args := ask.also(args)
	values := "NULL"
	if ask.Values {
		values = "(SELECT string_agg(v.field_id || ' ' || v.value, '\n') FROM field_values v WHERE v.account = d.account AND v.server_id = $1)"
	}
	direction := ""
	if ask.Descending {
		direction = " DESC"
	}
	// What else is known of each is asked for one by one, by its key: PostgreSQL would join whole tables to the candidates.
	users, err := list(ctx, q.conn, scanFound, `SELECT d.sort_key, d.account, a.id, a.email, a.username, a.display_name, a.first_name, a.last_name, a.avatar_image_id, a.proved, a.created_at,
	       (SELECT m.joined_at FROM members m WHERE m.account = d.account AND m.server_id = $1`+also+`),
	       (SELECT t.xp FROM totals t WHERE t.server_id = $1 AND t.account = d.account), (SELECT t.coins FROM totals t WHERE t.server_id = $1 AND t.account = d.account),
	       (SELECT p.login_at FROM presence p WHERE p.account = d.account), `+values+`
	  FROM (`+candidates+`) d JOIN accounts a ON a.number = d.account ORDER BY d.sort_key`+direction+`, d.account`+direction, args...)
	for i := range users {
		users[i].matches = users[i].matches && (ask.Conditions == nil || ask.Conditions.allow(users[i]))
	}
	return users, err
}

// also is what a statement asks of a candidate beside being a member.
func (ask UserQuery) also(args []any) (text string, _ []any) {
	if ask.Conditions == nil {
		return "", args
	}
	add := func(format string, values ...any) {
		places := []any{}
		for i := range values {
			places = append(places, len(args)+i+1)
		}
		args = append(args, values...)
		text += fmt.Sprintf(" AND EXISTS (SELECT 1 FROM "+format+")", places...)
	}
	if ask.Conditions.Role != nil {
		add("member_roles mr WHERE mr.account = d.account AND mr.server_id = $1 AND mr.role_id = $%d", *ask.Conditions.Role)
	}
	for _, c := range ask.Conditions.Fields {
		const of = "field_values v WHERE v.account = d.account AND v.server_id = $1 AND v.field_id = $%d AND "
		if c.Key != "" {
			add(of+"v.value_key = $%d", c.FieldID, c.Key)
			continue
		}
		from, to := c.bounds()
		add(of+"v.measure >= $%d AND v.measure <= $%d", c.FieldID, from, to)
	}
	return text, args
}

func scanFound(rows *sql.Rows) (u FoundUser, err error) {
	var username, avatar, values sql.NullString
	var joined, xp, coins sql.NullInt64
	err = rows.Scan(&u.position.Key, &u.position.Account, &u.ID, &u.Email, &username, &u.DisplayName, &u.FirstName, &u.LastName, &avatar,
		&u.Verified, micros{&u.CreatedAt}, &joined, &xp, &coins, nullableMicros{&u.LastLogin}, &values)
	if err == nil && values.Valid {
		u.Values, err = splitValues(values.String)
	}
	u.AccountNumber, u.XP, u.Coins, u.matches = u.position.Account, xp.Int64, coins.Int64, joined.Valid
	u.JoinedAt = gen.Time{Time: time.UnixMicro(joined.Int64).UTC()}
	u.Number, u.Username, u.Avatar = Number(u.AccountNumber), nullableOf(username), ImagePath(avatar.String)
	return u, err
}

func orElse(value, instead any) any {
	if value == nil {
		return instead
	}
	return value
}

// candidates are the accounts of the order of a question, from its position on.
func (ask UserQuery) candidates(some int) (text string, args []any) {
	lowest, highest := any(int64(math.MinInt64)), any(int64(math.MaxInt64))
	switch ask.Order {
	case ByName, BySearch:
		lowest, highest = "", afterPrefix("f")
	case ByField:
		lowest, highest = ask.Field.bounds()
	}
	from, to := orElse(ask.From, lowest), orElse(ask.To, highest)
	at := UserPosition{Key: lowest}
	compare, direction := ">", ""
	if ask.Descending {
		at, compare, direction = UserPosition{Key: highest, Account: math.MaxInt32}, "<", " DESC"
	}
	if ask.After != nil {
		at = *ask.After
	}
	args = []any{ask.ServerID, from, to, at.Key, at.Account, some}
	in := func(table, column, also string) string {
		return fmt.Sprintf("SELECT account, %[2]s AS sort_key FROM %[1]s WHERE server_id = $1 AND %[2]s >= $2 AND %[2]s <= $3 AND (%[2]s, account) %[4]s ($4, $5)%[3]s",
			table, column, also, compare)
	}
	order := func(column string) string {
		return " ORDER BY " + column + direction + ", account" + direction + " LIMIT $6"
	}
	of := func(column string) (string, []any) { // a range of one, or PostgreSQL would rather go through all accounts by number
		return fmt.Sprintf("SELECT number AS account, number AS sort_key FROM accounts WHERE %[1]s >= $2 AND %[1]s <= $2 AND (%[1]s, number) > ($2, $3) ORDER BY %[1]s, number LIMIT $4", column),
			[]any{ask.ServerID, from, at.Account, some}
	}
	only := func(column string) (string, []any) {
		return "SELECT number AS account, number AS sort_key FROM accounts WHERE " + column + " = $2 AND number > $3 LIMIT $4", []any{ask.ServerID, from, at.Account, some}
	}
	switch ask.Order {
	case ByXP:
		return in("totals", "xp", " AND is_member") + order("xp"), args
	case ByCoins:
		return in("totals", "coins", " AND is_member") + order("coins"), args
	case ByName:
		return in("members", "name_key", "") + order("name_key"), args
	case BySearch: // whoever has both names so is found by the display name alone
		return in("members", "name_key", "") + " UNION ALL " + in("members", "user_key", " AND NOT (name_key >= $2 AND name_key <= $3)") + order("sort_key"), args
	case OfFirstName:
		return of("first_key")
	case OfLastName:
		return of("last_key")
	case ByField:
		return in("field_values", "measure", " AND field_id = $7") + order("measure"), append(args, ask.Field.FieldID)
	case OfField:
		return "SELECT account, account AS sort_key FROM field_values WHERE server_id = $1 AND field_id = $2 AND value_key = $3 AND account > $4 ORDER BY account LIMIT $5",
			[]any{ask.ServerID, ask.Field.FieldID, ask.Field.Key, at.Account, some}
	case OfOneAddress:
		return only("email")
	case OfOneName:
		return only("username")
	}
	return in("members", "joined_at", "") + order("joined_at"), args
}
