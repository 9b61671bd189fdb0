package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

func (c *changes) names(of []*version) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, table := range c.tables {
		if slices.Contains(of, table) {
			names = append(names, name)
		}
	}
	return names
}

var (
	readTable    = regexp.MustCompile(`(?i)\b(?:FROM|JOIN) (\w+)`)
	writtenTable = regexp.MustCompile(`(?i)\b(?:INTO|UPDATE|DELETE FROM) (\w+)`)
)

// What SQLite says of a statement is compared with what stands in its text, for every statement of the package.
func TestTheTablesOfEveryStatementAreKnown(t *testing.T) {
	t.Parallel()
	s := open(t, onSQLite(t))
	seen := recording(s)
	(&life{T: t, s: s, nowAt: time.Now()}).everything()
	known := s.read.cache.changes
	isTable := func(name string) bool {
		var is bool
		if err := s.read.db.QueryRow(`SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)`, name).Scan(&is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	checked := 0
	for text, args := range seen.found {
		reads, writes := known.of(text).reads, known.of(text).writes
		if slices.Contains(writes, known.anything) {
			t.Errorf("is not understood: %s", text)
		}
		isRead := strings.HasPrefix(strings.TrimSpace(text), "SELECT")
		pattern, found := writtenTable, known.names(writes)
		if isRead {
			pattern, found = readTable, known.names(reads)
			if _, ok := keyOf(text, args); !ok && !strings.Contains(text, "AS sort_key") && !strings.Contains(text, "field_histories WHERE") && text != reachedSteps { // of a role, nobody asks the same twice
				t.Errorf("cannot be remembered, for its arguments %v: %s", args, text)
			}
			if len(writes) > 0 {
				t.Errorf("writes %v: %s", known.names(writes), text)
			}
		}
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			if isTable(match[1]) && !slices.Contains(found, match[1]) {
				t.Errorf("%s is not among %v: %s", match[1], found, text)
			}
			checked++
		}
	}
	if checked < 80 {
		t.Errorf("only %d tables were looked for", checked)
	}
	// What the references between tables delete is written, too.
	if writes := known.names(known.of(`DELETE FROM members WHERE account = $1`).writes); !slices.Contains(writes, "member_roles") {
		t.Errorf("the roles of a member who leaves are not among %v", writes)
	}
}

// Whoever reads after a change was acknowledged, or after somebody else has seen it, sees it, too.
func TestNobodySeesWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	s := open(t, onSQLite(t))
	l := &life{T: t, s: s, nowAt: time.Now()}
	account := l.account()
	id := l.server(account)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var newest atomic.Int64 // that was acknowledged or seen
	seen := func(n int64) {
		for old := newest.Load(); n > old && !newest.CompareAndSwap(old, n); old = newest.Load() {
		}
	}
	var reads atomic.Int64
	var group sync.WaitGroup
	group.Go(func() {
		defer cancel()
		for n := int64(1); n <= 400; n++ {
			err := s.Tx(context.Background(), func(tx *Tx) error { return tx.Servers.Update(context.Background(), id, strconv.FormatInt(n, 10), "") })
			if err != nil {
				t.Error(err)
				return
			}
			seen(n)
			if n%3 == 0 { // and a while in which it can be remembered
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	group.Go(func() { // commits that touch nothing of it
		for ctx.Err() == nil {
			s.Tx(context.Background(), func(tx *Tx) error { return count("x")(context.Background(), tx) })
		}
	})
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				atLeast := newest.Load()
				servers, err := s.Servers.ListOf(ctx, account)
				if err != nil {
					t.Error(err)
					return
				}
				n, err := strconv.ParseInt(servers[0].Name, 10, 64)
				if err == nil && n < atLeast {
					t.Errorf("read %d after %d", n, atLeast)
					return
				}
				seen(n)
				reads.Add(1)
			}
		})
	}
	group.Wait()
	if reads.Load() < 1000 {
		t.Errorf("only %d reads", reads.Load())
	}
}

func TestWhatWasReadIsRememberedUntilItsTablesChange(t *testing.T) {
	t.Parallel()
	s := open(t, onSQLite(t))
	l := &life{T: t, s: s, nowAt: time.Now()}
	account := l.account()
	id := l.server(account)
	asked := 0
	s.read.saw = func(string, []any) { asked++ }
	list := func() []gen.Channel {
		t.Helper()
		channels, err := s.Channels.List(t.Context(), id, Viewer{Account: account, Full: true})
		l.must(err)
		return channels
	}
	first := list()
	first[0].Topic = "of the caller" // who may change what it gets
	if again := list(); asked != 1 || len(again) != 1 || again[0].Topic != "" {
		t.Errorf("asked %d times, got %v", asked, again)
	}
	l.tx(func(tx *Tx) error { return count("x")(t.Context(), tx) })
	if list(); asked != 1 {
		t.Errorf("asked %d times: the commit touched nothing of it", asked)
	}
	undone := errors.New("undone")
	if err := s.Tx(t.Context(), func(tx *Tx) error { l.must(tx.Channels.Delete(t.Context(), first[0].ID)); return undone }); !errors.Is(err, undone) {
		t.Error(err)
	}
	if after := list(); len(after) != 1 {
		t.Errorf("got %v after nothing was changed", after)
	}
	l.tx(func(tx *Tx) error { return tx.Channels.Delete(t.Context(), first[0].ID) })
	if after := list(); len(after) != 0 {
		t.Errorf("got %v after it was deleted", after)
	}
}

// Transactions read what is remembered as well, but what they, or others of their group, have changed.
func TestATransactionSeesWhatItsGroupHasChanged(t *testing.T) {
	c := crowdOn(t)
	l := &life{T: t, s: c.s, nowAt: time.Now()}
	account := l.account()
	id := l.server(account)
	name := func(ctx context.Context, q Queries, want string) {
		t.Helper()
		servers, err := q.Servers.ListOf(ctx, account)
		if err != nil || servers[0].Name != want {
			t.Errorf("got %v (%v), want %s", servers, err, want)
		}
	}
	name(t.Context(), c.s.Queries, "Chess club")
	asked := 0
	c.s.write.saw = func(text string, _ []any) {
		if strings.HasPrefix(text, "SELECT") {
			asked++
		}
	}
	undone := errors.New("undone")
	errs := c.together(func(ctx context.Context, tx *Tx) error {
		name(ctx, tx.Queries, "Chess club")
		if asked != 0 {
			t.Errorf("asked %d times for what is remembered", asked)
		}
		err := tx.Servers.Update(ctx, id, "Go club", "")
		name(ctx, tx.Queries, "Go club")
		name(ctx, c.s.Queries, "Chess club") // nothing is committed yet
		return err
	}, func(ctx context.Context, tx *Tx) error {
		name(ctx, tx.Queries, "Go club")
		return errors.Join(undone, tx.Servers.Update(ctx, id, "Draughts club", ""))
	}, func(ctx context.Context, tx *Tx) error {
		name(ctx, tx.Queries, "Go club")
		return nil
	})
	if errs[0] != nil || !errors.Is(errs[1], undone) || errs[2] != nil {
		t.Error(errs)
	}
	name(t.Context(), c.s.Queries, "Go club")
}

func TestACacheIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t, onSQLite(t))
	c := s.read.cache
	reads := c.changes.of(`SELECT value FROM counters WHERE name = $1`).reads
	asked := 0
	ask := func(key string, bytes int) {
		t.Helper()
		got, err := cached(c, reads, "text", []any{key}, func() ([]string, error) {
			asked++
			return []string{strings.Repeat("x", bytes)}, nil
		})
		if err != nil || len(got[0]) != bytes {
			t.Errorf("got %d bytes (%v), want %d", len(got[0]), err, bytes)
		}
	}
	const bytes, many = 500_000, 50
	for i := range many {
		ask(strconv.Itoa(i), bytes)
		ask(strconv.Itoa(i), bytes)
	}
	if asked != many {
		t.Errorf("asked %d times for %d questions", asked, many)
	}
	if n := c.entries.Len(); c.bytes > mostCached || n < 20 || n > mostCached/bytes {
		t.Errorf("%d answers of %d bytes are remembered", n, c.bytes)
	}
	for i := range 2 * mostEntries { // small ones, which cost more than their values
		if _, err := cached(c, reads, "small", []any{i}, func() (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.entries.Len(); c.bytes > mostCached || n > mostEntries {
		t.Errorf("%d small answers of %d bytes are remembered", n, c.bytes)
	}
	asked = 0
	ask("large", mostCached)
	ask("large", mostCached)
	if asked != 2 {
		t.Error("what is too large was remembered")
	}
}

// Nobody should write to the file but the lane. Who does, with another program, is noticed by the next group.
func TestWhatAnotherProgramHasWrittenIsNoticed(t *testing.T) {
	c := crowdOn(t)
	l := &life{T: t, s: c.s, nowAt: time.Now()}
	account := l.account()
	id := l.server(account)
	if is, err := c.s.Servers.IsMember(t.Context(), id, account); err != nil || !is {
		t.Fatal(is, err)
	}
	other, err := c.lane.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.(driver.ExecerContext).ExecContext(t.Context(), `DELETE FROM members`, nil); err != nil {
		t.Fatal(err)
	}
	l.tx(func(tx *Tx) error { return count("a")(t.Context(), tx) })
	if is, err := c.s.Servers.IsMember(t.Context(), id, account); err != nil || is {
		t.Errorf("got %v (%v) for a member whom another program has deleted", is, err)
	}
}
