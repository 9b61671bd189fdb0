package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// BenchmarkSpeed prints one table of how fast everything is: each row is a kind of request and who answers it. Whoever is
// measured is a process of its own, the very binary that operators run, and is asked over loopback sockets. All rows take turns,
// round by round, so that whatever else the machine does hits all of them; a figure is the median of the rounds.
//
// Variables of the environment choose what is measured:
//   - REJOIN_BENCH_ONLY, a regular expression: only the rows that it finds, such as "POST /channels" or "SQLite";
//   - REJOIN_BENCH_BINARY, a binary: another rejoin beside the one of this checkout, in the same rounds;
//   - REJOIN_BENCH_POCKETBASE, a binary: PocketBase's list and create beside those of servers;
//   - REJOIN_BENCH_LINES, a file: gets a line for each row and round, for benchstat.
func BenchmarkSpeed(b *testing.B) {
	began := time.Now()
	bench := newBench(b)
	fmt.Printf("\nmade ready in %.0f s; %d rounds of %d turns follow\n", time.Since(began).Seconds(), rounds, len(bench.rows))
	for range rounds {
		for _, r := range bench.rows {
			r.measure(b)
		}
	}
	bench.checkCounts(b)
	printTable(os.Stdout, bench.rows)
	appendLines(b, os.Getenv("REJOIN_BENCH_LINES"), bench.rows)
	b.ReportMetric(0, "ns/op") // the table says more
}

const (
	rounds = 7 // benchstat tells no spread of fewer than six
	// A turn is how long a row is asked in a round, after a while that does not count: caches are cold from others' turns.
	turn   = 300 * time.Millisecond
	warmUp = 50 * time.Millisecond
)

// A work is what is asked for.
type work struct {
	name        string // of the pool that the requests are from
	what        string // for people
	members     int    // of the community
	connections int
	creates     bool
	beside      *work  // goes on at the same time, and has its own row
	base        string // what another work is for people, which asks the same of less
}

const few, some, many = 10, 1_000, 1_000_000

var works = []work{
	{name: "servers", what: "GET /servers", members: few, connections: 16},
	{name: "channels", what: "GET /servers/{id}/channels, 50 of them", members: few, connections: 16},
	{name: "members", what: "GET /servers/{id}/members, first page of 10", members: few, connections: 16},
	{name: "members", what: "GET /servers/{id}/members, first page of 1,000,000", members: many, connections: 16, base: "GET /servers/{id}/members, first page of 10"},
	{name: "members-deep", what: "GET /servers/{id}/members, in the middle of 10", members: few, connections: 16},
	{name: "members-deep", what: "GET /servers/{id}/members, in the middle of 1,000,000", members: many, connections: 16, base: "GET /servers/{id}/members, in the middle of 10"},
	{name: "audit", what: "GET /servers/{id}/audit, first page of 10", members: few, connections: 16},
	{name: "audit", what: "GET /servers/{id}/audit, first page of 1,000,000", members: many, connections: 16, base: "GET /servers/{id}/audit, first page of 10"},
	{name: "filter-name", what: "POST /apis/v1/users/filter, by name and date, of 10", members: few, connections: 16},
	{name: "filter-name", what: "POST /apis/v1/users/filter, by name and date, 200 of 1,000 of 1,000,000", members: many, connections: 16, base: "POST /apis/v1/users/filter, by name and date, of 10"},
	{name: "entries", what: "GET .../entries of a leaderboard, 20 of 1,000", members: some, connections: 16},
	{name: "entries", what: "GET .../entries of a leaderboard, 20 of 1,000,000", members: many, connections: 16, base: "GET .../entries of a leaderboard, 20 of 1,000"},
	{name: "entries-around", what: "GET .../entries around a user, 20 at rank 500 of 1,000", members: some, connections: 16},
	{name: "entries-around", what: "GET .../entries around a user, 20 at rank 500,000 of 1,000,000", members: many, connections: 16, base: "GET .../entries around a user, 20 at rank 500 of 1,000"},
	{name: "overview", what: "GET .../loyalty-overview, a year by week, of 1,000", members: some, connections: 16},
	{name: "overview", what: "GET .../loyalty-overview, a year by week, of 1,000,000", members: many, connections: 16, base: "GET .../loyalty-overview, a year by week, of 1,000"},
	{name: "filter-xp", what: "POST /apis/v1/users/filter, by XP, of 10", members: few, connections: 16},
	{name: "filter-xp", what: "POST /apis/v1/users/filter, by XP, 200 of 500,000 of 1,000,000", members: many, connections: 16, base: "POST /apis/v1/users/filter, by XP, of 10"},
	{name: "messages", what: "GET /apis/v1/messages, newest of 10", members: few, connections: 16},
	{name: "messages", what: "GET /apis/v1/messages, newest 50 of 1,000,000", members: many, connections: 16, base: "GET /apis/v1/messages, newest of 10"},
	{name: "messages-deep", what: "GET /apis/v1/messages, in the middle of 10", members: few, connections: 16},
	{name: "messages-deep", what: "GET /apis/v1/messages, 50 in the middle of 1,000,000", members: many, connections: 16, base: "GET /apis/v1/messages, in the middle of 10"},
	{name: "send-message", what: "POST /apis/v1/messages/send, 1 connection", members: few, connections: 1, creates: true},
	{name: "send-message", what: "POST /apis/v1/messages/send, 16 connections", members: few, connections: 16, creates: true},
	{name: "send-message", what: "POST /apis/v1/messages/send, 16 connections, among 1,000,000 rows", members: many, connections: 16, creates: true, base: "POST /apis/v1/messages/send, 16 connections"},
	{name: "send-ruled", what: "POST /apis/v1/messages/send, 1 connection, worth something in every way", members: few, connections: 1, creates: true, base: "POST /apis/v1/messages/send, 1 connection"},
	{name: "send-ruled", what: "POST /apis/v1/messages/send, 16 connections, worth something in every way", members: few, connections: 16, creates: true, base: "POST /apis/v1/messages/send, 16 connections"},
	{name: "create-channel", what: "POST /channels, 1 connection", members: few, connections: 1, creates: true},
	{name: "create-channel", what: "POST /channels, 16 connections", members: few, connections: 16, creates: true},
	{name: "create-channel", what: "POST /channels, 16 connections, among 1,000,000 rows", members: many, connections: 16, creates: true, base: "POST /channels, 16 connections"},
	{name: "create-channel", what: "POST /channels, 64 connections", members: few, connections: 64, creates: true},
	{name: "create-server", what: "POST /servers, 1 connection", members: few, connections: 1, creates: true},
	{name: "create-server", what: "POST /servers, 16 connections", members: few, connections: 16, creates: true},
	{name: "create-server", what: "POST /servers, 64 connections", members: few, connections: 64, creates: true},
	{name: "servers", what: "GET /servers, 16 connections, while 4 create channels", members: few, connections: 16, beside: &work{
		name: "create-channel", what: "POST /channels, 4 connections, while 16 list servers", members: few, connections: 4, creates: true}},
}

// A database is a kind of database.
type database struct {
	name, driver string
	config       func(testing.TB) Config // of an empty one
}

// A contender is who answers, with few members and with many. Nothing is started before it is asked for.
type contender struct {
	name, binary string
	with         map[int]func() *backend // by the number of members
}

// A bench is everything that is measured.
type bench struct {
	dir        string
	only       *regexp.Regexp
	contenders []contender
	backends   []*backend // that were started
	rows       []*row
}

func newBench(b *testing.B) *bench {
	m := &bench{dir: b.TempDir(), only: regexp.MustCompile(os.Getenv("REJOIN_BENCH_ONLY"))}
	ours := buildRejoin(b, m.dir)
	for _, database := range databases() {
		m.contend(b, database, thisBinary, ours)
		if other := os.Getenv("REJOIN_BENCH_BINARY"); other != "" {
			m.contend(b, database, otherBinary, other)
		}
	}
	if binary := os.Getenv("REJOIN_BENCH_POCKETBASE"); binary != "" {
		m.contenders = append(m.contenders, contender{"PocketBase", "pocketbase", map[int]func() *backend{
			few: m.once(func() *backend { return newPocketBase(b, binary) }),
		}})
	}
	disk := m.add(newDiskRow(b, m.dir))
	for _, w := range works {
		m.addWork(b, w, disk)
	}
	if len(m.rows) == 1 && !m.only.MatchString(startRows) { // the disk alone
		b.Fatalf("REJOIN_BENCH_ONLY finds nothing: %s", m.only)
	}
	return m
}

// buildRejoin builds the binary of this checkout in a directory.
func buildRejoin(b *testing.B, dir string) (path string) {
	path = filepath.Join(dir, "rejoin")
	if output, err := exec.Command("go", "build", "-o", path, "./cmd/rejoin").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	return path
}

// databases are those that can be had here.
func databases() []database {
	all := []database{{"SQLite", "sqlite", func(t testing.TB) Config { return Config{Data: t.TempDir()} }}}
	if pgtest.Installed() {
		pgtest.Durable()
		all = append(all, database{"PostgreSQL", "pgx", func(t testing.TB) Config {
			return Config{Data: t.TempDir(), Database: pgtest.URL(t), SecretKey: testKey}
		}})
	}
	return all
}

// contend adds a binary on a database.
func (m *bench) contend(b *testing.B, database database, label, binary string) {
	c := contender{database.name, label, map[int]func() *backend{}}
	for _, members := range []int{few, some, many} {
		c.with[members] = m.once(func() *backend { return newCommunity(b, binary, database, members) })
	}
	m.contenders = append(m.contenders, c)
}

func (m *bench) once(start func() *backend) func() *backend {
	var started *backend
	return func() *backend {
		if started == nil { // and not by sync.OnceValue, whose panic would hide why it could not
			started = start()
			m.backends = append(m.backends, started)
		}
		return started
	}
}

func (m *bench) add(r *row) *row {
	m.rows = append(m.rows, r)
	return r
}

// addWork adds a row for everybody who can do a work, and for the yardstick: a bare Echo that answers the same bytes, or the
// disk, which has to keep what is created.
func (m *bench) addWork(b *testing.B, w work, disk *row) {
	yardstick := disk
	var besides []*row
	for _, c := range m.contenders {
		start := c.with[w.members]
		if start == nil || !m.only.MatchString(w.what+" by "+c.name) {
			continue
		}
		backend := start()
		requests := backend.pools[w.name]
		if requests == nil || w.beside != nil && backend.pools[w.beside.name] == nil {
			continue
		}
		if !w.creates && yardstick == disk {
			yardstick = m.add(newBareRow(b, w, backend.answer(b, requests.requests[0])))
		}
		r := m.add(&row{what: w.what, by: c.name, binary: c.binary, yardstick: yardstick, base: w.base})
		asked := newLoad(backend.address, requests, w.connections)
		if w.beside == nil {
			r.measure = func(b *testing.B) { r.take(b, backend.process, asked) }
			continue
		}
		beside := &row{what: w.beside.what, by: c.name, binary: c.binary, yardstick: disk, measure: func(*testing.B) {}}
		besides = append(besides, beside)
		writing := newLoad(backend.address, backend.pools[w.beside.name], w.beside.connections)
		r.measure = func(b *testing.B) { takeBoth(b, r, asked, beside, writing) }
	}
	m.rows = append(m.rows, besides...)
}

// checkCounts fails unless whatever was acknowledged, and nothing else, is what callers see.
func (m *bench) checkCounts(b *testing.B) {
	for _, c := range m.backends {
		for name, p := range c.pools {
			if p.count == nil {
				continue
			}
			if seen := p.count(int(p.taken.Load())); seen != p.made.Load() {
				b.Errorf("%s: %d were acknowledged, and %d are there", name, p.made.Load(), seen)
			}
		}
	}
}
