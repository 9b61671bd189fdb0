package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A cache remembers what was read from SQLite for as long as nothing is committed that touches a table of it. That can be
// known because all that is written goes through one lane. It never goes by time: what was changed is seen by the next
// read, also by one that begins while the answer to the change is on its way.
//
// What it returns is shared: nobody may change it.
type cache struct {
	changes *changes

	mu      sync.Mutex
	entries *simplelru.LRU[cacheKey, cacheEntry]
	bytes   int
}

// How much a cache remembers at most. What was not asked for the longest time goes first.
const (
	mostCached  = 16 << 20 // bytes
	entryCost   = 450      // bytes of an entry beside its value and its arguments
	mostEntries = mostCached / entryCost
)

// mostArgs is how many arguments a statement may have whose rows are remembered. None that reads has more.
const mostArgs = 7

// A cacheKey is a statement with its arguments.
type cacheKey struct {
	text string
	args [mostArgs]any
}

// A cacheEntry is what was read, when its tables had this stamp.
type cacheEntry struct {
	value  any
	stamp  uint64
	bytes  int
	digest string // with the race detector: of the value, which must not change
}

func newCache(changes *changes) (*cache, error) {
	c := &cache{changes: changes}
	var err error
	c.entries, err = simplelru.NewLRU(mostEntries, func(_ cacheKey, e cacheEntry) { c.bytes -= e.bytes })
	return c, err
}

// cached returns what is remembered, or asks and remembers.
func cached[T any](c *cache, reads []*version, text string, args []any, ask func() (T, error)) (T, error) {
	stamp, settled := stampOf(reads)
	key, ok := keyOf(text, args)
	if !settled || !ok {
		return ask()
	}
	if value, ok := c.get(key, stamp); ok {
		return value.(T), nil
	}
	value, err := ask()
	if err == nil {
		bytes := entryCost + sizeOf(reflect.ValueOf(key.args)) + sizeOf(reflect.ValueOf(value))
		c.put(key, cacheEntry{value: value, stamp: stamp, bytes: bytes, digest: digestOf(value)})
	}
	return value, err
}

func keyOf(text string, args []any) (key cacheKey, ok bool) {
	key.text = text
	if len(args) > mostArgs {
		return key, false
	}
	for i, arg := range args {
		if !reflect.ValueOf(arg).Comparable() {
			return key, false
		}
		key.args[i] = arg
	}
	return key, true
}

func (c *cache) get(key cacheKey, stamp uint64) (value any, ok bool) {
	c.mu.Lock()
	e, ok := c.entries.Get(key)
	if ok && e.stamp != stamp {
		c.entries.Remove(key)
	}
	c.mu.Unlock()
	if !ok || e.stamp != stamp {
		return nil, false
	}
	if e.digest != digestOf(e.value) {
		panic(fmt.Sprintf("what %q has read was changed by a caller", key.text))
	}
	return e.value, true
}

func (c *cache) put(key cacheKey, e cacheEntry) {
	if e.bytes > mostCached/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(key)
	c.bytes += e.bytes // before Add, which may remove the oldest
	c.entries.Add(key, e)
	for c.bytes > mostCached {
		c.entries.RemoveOldest()
	}
}

// sizeOf is about how much memory a value takes.
func sizeOf(v reflect.Value) int {
	size := int(v.Type().Size())
	switch v.Kind() {
	case reflect.String:
		size += v.Len()
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			size += sizeOf(v.Index(i))
		}
	case reflect.Map:
		for key, value := range v.Seq2() {
			size += sizeOf(key) + sizeOf(value)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			size += sizeOf(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			size += sizeOf(v.Field(i)) - int(v.Field(i).Type().Size())
		}
	}
	return size
}

// changes know which tables of a SQLite file a statement reads and writes, and count what is committed to each.
type changes struct {
	db       *sql.DB  // to ask SQLite itself
	anything *version // is read by every statement, and written by those that SQLite does not explain
	memo     sync.Map // SQL text -> tables

	mu     sync.Mutex
	tables map[string]*version

	touched map[*version]bool // by what runs in the lane and is not committed; for whoever has the turn
}

// tables are what a statement reads and what it may change, by itself or by what the references between tables ask for.
type tables struct{ reads, writes []*version }

// A version is the number of commits to a table, twice: it is odd while one is under way.
type version struct{ atomic.Uint64 }

func newChanges(db *sql.DB) *changes {
	return &changes{db: db, anything: new(version), tables: map[string]*version{}, touched: map[*version]bool{}}
}

// touch says that a statement runs that changes these tables.
func (c *changes) touch(writes []*version) {
	for _, table := range writes {
		c.touched[table] = true
	}
}

// untouched tells whether these tables are as they were committed, for who has the turn, too.
func (c *changes) untouched(reads []*version) bool {
	return !slices.ContainsFunc(reads, func(table *version) bool { return c.touched[table] })
}

// begin says that the tables that were touched are about to change, whoever looks: until end, nothing of them is remembered.
func (c *changes) begin() {
	for table := range c.touched {
		table.Add(1)
	}
}

// end says that they have changed, or not.
func (c *changes) end() {
	c.begin()
	clear(c.touched)
}

// forget says that anything may have changed.
func (c *changes) forget() { c.anything.Add(2) }

// stampOf changes whenever one of the tables does. It is settled if none of them is about to.
func stampOf(tables []*version) (stamp uint64, settled bool) {
	settled = true
	for _, table := range tables {
		n := table.Load()
		stamp += n
		settled = settled && n%2 == 0
	}
	return stamp, settled
}

// of are the tables of a statement. What SQLite does not explain may change anything.
func (c *changes) of(text string) tables {
	if found, ok := c.memo.Load(text); ok {
		return found.(tables)
	}
	found, err := c.explain(text)
	if err != nil { // such as a statement about tables that a migration is just making
		return tables{writes: []*version{c.anything}}
	}
	c.memo.Store(text, found)
	return found
}

// mostParameters is how many parameters a statement may have that is explained: SQLite wants an argument for each. With
// more, it counts as one that may change anything.
const mostParameters = 64

// explain asks SQLite which tables a statement opens.
func (c *changes) explain(text string) (t tables, err error) {
	ctx := context.Background()
	names, virtual, err := c.roots(ctx)
	if err != nil {
		return t, err
	}
	rows, err := c.db.QueryContext(ctx, "EXPLAIN "+text, make([]any, mostParameters)...)
	if err != nil {
		return t, err
	}
	defer rows.Close()
	t.reads = []*version{c.anything}
	for rows.Next() {
		var address, p1, p2, p3, p5 int64
		var opcode string
		var p4, comment any
		if err := rows.Scan(&address, &opcode, &p1, &p2, &p3, &p4, &p5, &comment); err != nil {
			return t, err
		}
		switch opcode {
		case "OpenRead":
			t.reads = append(t.reads, c.table(names[p2]))
		case "OpenWrite":
			t.writes = append(t.writes, c.table(names[p2]))
		case "VOpen": // which one is not reported
			t.reads = append(t.reads, virtual...)
		case "VUpdate":
			t.writes = append(t.writes, virtual...)
		case "Clear":
			t.writes = append(t.writes, c.table(names[p1]))
		case "CreateBtree", "Destroy", "ParseSchema":
			t.writes = append(t.writes, c.anything)
		}
	}
	return t, rows.Err()
}

// roots are the tables by the page that SQLite opens them at, them or an index of them; and the virtual tables, which have none.
func (c *changes) roots(ctx context.Context) (names map[int64]string, virtual []*version, err error) {
	names = map[int64]string{1: "sqlite_schema"}
	rows, err := c.db.QueryContext(ctx, `SELECT rootpage, tbl_name FROM sqlite_schema WHERE type IN ('table', 'index')`)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var page int64
		var name string
		if err := rows.Scan(&page, &name); err != nil {
			return nil, nil, err
		}
		if page == 0 {
			virtual = append(virtual, c.table(name))
			continue
		}
		names[page] = name
	}
	return names, virtual, rows.Err()
}

// table is the version of a table.
func (c *changes) table(name string) *version {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name == "" {
		return c.anything
	}
	c.tables[name] = cmp.Or(c.tables[name], new(version))
	return c.tables[name]
}
