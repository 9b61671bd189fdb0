package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Ledger holds what members did and were given, what that was worth, and what follows by adding it up: the totals of a member, what a
// member did on a day, and what all members of a server did on it. There is no way to change a line of it, and none to remove one but
// with its server or its account.
type Ledger struct{ *conn }

// A LedgerLine is a thing that a member has done, or was given. One reason counts once for a member, for ever.
type LedgerLine struct {
	ID        string
	ServerID  string
	Account   int64
	Action    string
	Reason    string // such as badges/<id>
	Day       int64  // of the server, since 1970-01-01
	XP, Coins int64  // what it was worth; negative: what it cost, or what is taken back
	Premium   int64  // the same in premium currency
	At        time.Time
	Deed      bool // the member has done it
	Counts    Counts
}

// Counts are how often members did what is counted.
type Counts struct {
	Messages, Replies, Reactions, Socials, Visits, Referrals, Refer, Analyses, Purchases, Minigames int64
}

// counted are the columns of Counts, in every table that has them.
var counted = []string{"messages", "replies", "reactions", "socials", "visits", "referrals", "refer", "analyses", "purchases", "minigames"}

// columns are its fields, in the order of counted.
func (c *Counts) columns() []*int64 {
	return []*int64{&c.Messages, &c.Replies, &c.Reactions, &c.Socials, &c.Visits, &c.Referrals, &c.Refer, &c.Analyses, &c.Purchases, &c.Minigames}
}

func (c Counts) values() (all []any) {
	for _, n := range c.columns() {
		all = append(all, *n)
	}
	return all
}

// Add counts one more of what is counted under a name, if anything is.
func (c *Counts) Add(name string) {
	if i := slices.Index(counted, name); i >= 0 {
		*c.columns()[i]++
	}
}

// Names are those of what is not 0.
func (c Counts) Names() (names []string) {
	for i, n := range c.columns() {
		if *n != 0 {
			names = append(names, counted[i])
		}
	}
	return names
}

// Of is how often something was done, by the name of its column; 0 for what is not counted.
func (c Counts) Of(name string) int64 {
	if i := slices.Index(counted, name); i >= 0 {
		return *c.columns()[i]
	}
	return 0
}

// Totals are what a member has and has done.
type Totals struct {
	gen.Balance
	Counts
	Visited   int64 // the day of the last visit
	VisitsRun int64 // how many days in a row there was one, up to then

	Acted, ActedBefore int64 // the last day with a deed, and the one before it; 0: there is none
}

func (t *Totals) columns() (all []any) {
	all = []any{&t.XP, &t.Coins, &t.Premium}
	for _, n := range t.Counts.columns() {
		all = append(all, n)
	}
	return append(all, &t.Visited, &t.VisitsRun, &t.Acted, &t.ActedBefore)
}

// Of is how much there is of something, by the name of its column.
func (t Totals) Of(name string) int64 {
	switch name {
	case "xp":
		return t.XP
	case "coins":
		return t.Coins
	case "premium":
		return t.Premium
	}
	return t.Counts.Of(name)
}

func scanTotals(rows *sql.Rows) (t Totals, err error) { return t, rows.Scan(t.columns()...) }

// A Day is what a member, or all members of a server, did and got on a day.
type Day struct {
	Day, Deeds, Active             int64 // the members who did something
	XP, Coins, XPSpent, CoinsSpent int64
	Premium, PremiumSpent          int64
	Counts
}

func (d *Day) columns() (all []any) {
	all = []any{&d.Day, &d.Deeds, &d.Active, &d.XP, &d.Coins, &d.XPSpent, &d.CoinsSpent, &d.Premium, &d.PremiumSpent}
	for _, n := range d.Counts.columns() {
		all = append(all, n)
	}
	return all
}

func scanDay(rows *sql.Rows) (d Day, err error) { return d, rows.Scan(d.columns()...) }

// What stands in days and server_days beside the counts.
var summed = append([]string{"deeds", "active", "xp", "coins", "xp_spent", "coins_spent", "premium", "premium_spent"}, counted...)

var (
	totalsColumns = "xp, coins, premium, " + strings.Join(counted, ", ") + ", visited, visits_run, acted, acted_before"
	daysColumns   = "day, " + strings.Join(summed, ", ")

	addToTotals = `INSERT INTO totals (server_id, account, ` + totalsColumns + `) VALUES (` + places(8+len(counted)) + `, 0)
	ON CONFLICT (server_id, account) DO UPDATE SET `
	// What is spent must be there.
	addedToTotals = `
	    visits_run = CASE WHEN excluded.visited <= totals.visited THEN totals.visits_run WHEN totals.visited = excluded.visited - 1 THEN totals.visits_run + 1 ELSE 1 END,
	    visited = CASE WHEN excluded.visited > totals.visited THEN excluded.visited ELSE totals.visited END,
	    acted_before = CASE WHEN excluded.acted > totals.acted THEN totals.acted
	                        WHEN excluded.acted < totals.acted AND excluded.acted > totals.acted_before THEN excluded.acted ELSE totals.acted_before END,
	    acted = CASE WHEN excluded.acted > totals.acted THEN excluded.acted ELSE totals.acted END
	 WHERE (excluded.coins >= 0 OR totals.coins + excluded.coins >= 0) AND (excluded.premium >= 0 OR totals.premium + excluded.premium >= 0)
	RETURNING ` + totalsColumns

	addToDays = `INSERT INTO days (server_id, account, ` + daysColumns + `, since) VALUES (` + places(4+len(summed)) + `)
	ON CONFLICT (server_id, account, day) DO UPDATE SET ` + more("days", without(summed, "active")) + `,
	    since = CASE WHEN days.active = 0 THEN excluded.since ELSE days.since END,
	    active = CASE WHEN days.active > excluded.active THEN days.active ELSE excluded.active END
	RETURNING deeds`

	addToServerDays = `INSERT INTO server_days (server_id, shard, ` + daysColumns + `) VALUES (` + places(3+len(summed)) + `)
	ON CONFLICT (server_id, day, shard) DO UPDATE SET ` + more("server_days", summed)
)

// serverDayShards is how many rows a day of a server has.
const serverDayShards = 8

// addToTotals adds what a line changes, and leaves the other columns alone: SQLite writes every index anew whose column is set, also to
// what it was.
func (l LedgerLine) addToTotals() string {
	changed := l.Counts.Names()
	if l.Coins != 0 {
		changed = append(changed, "coins")
	}
	if l.XP != 0 {
		changed = append(changed, "xp")
	}
	if l.Premium != 0 {
		changed = append(changed, "premium")
	}
	set := addedToTotals
	if len(changed) > 0 {
		set = more("totals", changed) + "," + set
	}
	return addToTotals + set
}

// places are the parameters from $1 on.
func places(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(all, ", ")
}

// more adds what is excluded to what is there.
func more(table string, columns []string) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = fmt.Sprintf("%s = %s.%s + excluded.%s", c, table, c, c)
	}
	return strings.Join(all, ", ")
}

func without(columns []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return c == one })
}

// ErrTooFew is the error of a line that costs more coins, or more premium currency, than there are.
var ErrTooFew = errors.New("there are not enough coins")

// Insert adds a line, with all that follows, and returns the totals after it. If its reason has counted already, nothing changes. A
// line that costs more coins than the member has is ErrTooFew.
func (q Ledger) Insert(ctx context.Context, l LedgerLine) (after Totals, added bool, err error) {
	deed, acted := int64(0), int64(0)
	if l.Deed {
		deed, acted = 1, l.Day
	}
	added, err = q.changed(ctx, `INSERT INTO ledger (server_id, account, reason, id, action, deed, day, xp, coins, premium, at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		l.ServerID, l.Account, l.Reason, l.ID, l.Action, deed, l.Day, l.XP, l.Coins, l.Premium, l.At.UnixMicro())
	if err != nil || !added {
		return after, false, err
	}
	visited, run := int64(0), int64(0)
	if l.Counts.Visits > 0 {
		visited, run = l.Day, 1
	}
	args := append([]any{l.ServerID, l.Account, l.XP, l.Coins, l.Premium}, l.Counts.values()...)
	after, err = get(ctx, q.conn, scanTotals, l.addToTotals(), append(args, visited, run, acted)...)
	if errors.Is(err, ErrNotFound) {
		err = ErrTooFew
	}
	if err != nil {
		return after, true, err
	}
	since, err := Analytics(q).since(ctx, l, after)
	if err != nil {
		return after, true, err
	}
	of := func(active int64) []any {
		came := gen.Balance{XP: max(0, l.XP), Coins: max(0, l.Coins), Premium: max(0, l.Premium)}
		went := gen.Balance{XP: max(0, -l.XP), Coins: max(0, -l.Coins), Premium: max(0, -l.Premium)}
		switch l.Action {
		case takenBack: // it has never come
			came, went = gen.Balance{XP: l.XP, Coins: l.Coins, Premium: l.Premium}, gen.Balance{}
		case refunded: // it has never gone
			came, went = gen.Balance{}, gen.Balance{Coins: -l.Coins}
		}
		return append([]any{l.Day, deed, active, came.XP, came.Coins, went.XP, went.Coins, came.Premium, went.Premium}, l.Counts.values()...)
	}
	deeds, err := get(ctx, q.conn, scanOne[int64], addToDays, append(append([]any{l.ServerID, l.Account}, of(deed)...), since)...)
	if err != nil {
		return after, true, err
	}
	first := int64(0)
	if deed > 0 && deeds == 1 {
		first = 1
	}
	// In this order, as who joins does it, or two of them would wait for each other.
	if err := q.exec(ctx, addToServerDays, append([]any{l.ServerID, q.shard % serverDayShards}, of(first)...)...); err != nil || first == 0 {
		return after, true, err
	}
	return after, true, Analytics(q).begins(ctx, l, since, after)
}

// takenBack is the action of a line that takes back what another one of the same day has brought.
const takenBack = string(gen.ActionDeleted)

// refunded is the action of a line that gives coins back, on the day on which they were spent.
const refunded = string(gen.ActionRefunds)

// Get returns the line with a reason.
func (q Ledger) Get(ctx context.Context, serverID string, account int64, reason string) (LedgerLine, error) {
	return get(ctx, q.conn, scanLine, `SELECT `+lineColumns+` FROM ledger WHERE server_id = $1 AND account = $2 AND reason = $3`+unlocked, serverID, account, reason)
}

const lineColumns = `id, server_id, account, action, reason, day, xp, coins, premium, at`

func scanLine(rows *sql.Rows) (l LedgerLine, err error) {
	var at gen.Time
	err = rows.Scan(&l.ID, &l.ServerID, &l.Account, &l.Action, &l.Reason, &l.Day, &l.XP, &l.Coins, &l.Premium, micros{&at})
	l.At = at.Time
	return l, err
}

// List returns a page of the lines of a member within a range of moments, newest first.
func (q Ledger) List(ctx context.Context, serverID string, account int64, in Range, page Page) ([]LedgerLine, error) {
	from := int64(earliest)
	if in.From != nil {
		from = *in.From
	}
	at, id := page.from(latest)
	if in.To != nil && *in.To < at {
		at, id = *in.To+1, ""
	}
	return list(ctx, q.conn, scanLine, `SELECT `+lineColumns+` FROM ledger
	 WHERE server_id = $1 AND account = $2 AND at >= $3 AND (at, id) < ($4, $5) ORDER BY at DESC, id DESC LIMIT $6 OFFSET $7`,
		serverID, account, from, at, id, page.Limit, page.Skip)
}

// Balance returns the XP and the coins of an account in a server.
func (q Ledger) Balance(ctx context.Context, serverID string, account int64) (gen.Balance, error) {
	found, err := q.GetTotals(ctx, serverID, account)
	return found.Balance, err
}

// GetTotals returns what an account has and has done in a server.
func (q Ledger) GetTotals(ctx context.Context, serverID string, account int64) (Totals, error) {
	return q.totalsOf(ctx, serverID, account, unlocked)
}

// HoldTotals is GetTotals of which nobody else changes anything before the transaction ends.
func (q Ledger) HoldTotals(ctx context.Context, serverID string, account int64) (Totals, error) {
	return q.totalsOf(ctx, serverID, account, " /* FOR UPDATE */")
}

func (q Ledger) totalsOf(ctx context.Context, serverID string, account int64, lock string) (Totals, error) {
	found, err := get(ctx, q.conn, scanTotals, `SELECT `+totalsColumns+` FROM totals WHERE server_id = $1 AND account = $2`+lock, serverID, account)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return found, err
}

// ListDays returns what a member did from a day to another one, the first first: days without anything are not among them.
func (q Ledger) ListDays(ctx context.Context, serverID string, account, from, to int64) ([]Day, error) {
	return list(ctx, q.conn, scanDay, `SELECT `+daysColumns+` FROM days WHERE server_id = $1 AND account = $2 AND day >= $3 AND day <= $4 ORDER BY day`+unlocked,
		serverID, account, from, to)
}

// forgetDays adds some of the days of an account to those of nobody, and tells whether there may be more.
func (q Ledger) forgetDays(ctx context.Context, serverID string, account int64, some int) (more bool, err error) {
	if err := Analytics(q).forgetActive(ctx, serverID, account, some); err != nil {
		return true, err
	}
	if err := q.exec(ctx, addToNobody, serverID, account, some); err != nil {
		return true, err
	}
	return q.changed(ctx, `DELETE FROM days WHERE (server_id, account, day) IN (
	       SELECT server_id, account, day FROM days WHERE server_id = $1 AND account = $2 ORDER BY day LIMIT $3)`, serverID, account, some)
}

var addToNobody = `INSERT INTO days (server_id, account, ` + daysColumns + `)
	SELECT server_id, 0, ` + daysColumns + ` FROM days WHERE server_id = $1 AND account = $2 ORDER BY day LIMIT $3
	ON CONFLICT (server_id, account, day) DO UPDATE SET ` + more("days", summed)
