package server

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// BenchmarkCommunity prints what requests cost in a community with 10 of everything and in one with 1,000,000 members,
// entries in its audit trail, visits and lines of a balance, on each database.
func BenchmarkCommunity(b *testing.B) {
	b.ReportMetric(0, "ns/op") // the table says more
	fmt.Printf("\nmicroseconds a request    %12s %12s\n", "10", "1,000,000")
	for _, database := range []struct {
		name, driver string
		config       func(testing.TB) Config
	}{{"SQLite", "sqlite", onSQLite}, {"PostgreSQL", "pgx", onPostgreSQL}} {
		var small, large []figure
		for size, figures := range map[int]*[]figure{10: &small, 1_000_000: &large} {
			*figures = communityOf(b, database.driver, database.config(b), size)
		}
		fmt.Println(database.name)
		for i, f := range small {
			fmt.Printf("  %-24s%12.0f %12.0f\n", f.name, f.micros, large[i].micros)
		}
	}
}

// A figure is how long a request takes.
type figure struct {
	name   string
	micros float64
}

// communityOf measures requests to a server that has as much of everything that grows as size says.
func communityOf(b *testing.B, driver string, config Config, size int) (figures []figure) {
	config.Idle = true
	s := open(b, config)
	owner := tokenOf(b, s, "owner@example.com")
	id := createServer(b, s.Handler(), owner, "Chess club")
	joining := make([]string, 300)
	for i := range joining {
		joining[i] = tokenOf(b, s, "m"+strconv.Itoa(i)+"@example.com")
	}
	fillCommunity(b, driver, config, id, size)

	answer := func(r *http.Request) *httptest.ResponseRecorder {
		w := send(s.Handler(), r)
		if w.Code != http.StatusOK {
			b.Fatalf("%s answered %d: %s", r.URL, w.Code, w.Body)
		}
		return w
	}
	channels := 0
	newChannel := func() *http.Request {
		channels++
		return jsonRequest("/channels", owner, map[string]any{"topic": "topic " + strconv.Itoa(channels), "channelType": "open", "serverId": id})
	}
	serially := func(name string, n int, next func(i int) *http.Request) {
		answer(next(0)) // warm
		began := time.Now()
		for i := range n {
			answer(next(i + 1))
		}
		figures = append(figures, figure{name, float64(time.Since(began).Microseconds()) / float64(n)})
	}
	get := func(target string) func(int) *http.Request {
		return func(int) *http.Request { return request("GET", "/servers/"+id+target, owner) }
	}
	serially("members, first page", 50, get("/members"))
	serially("members, deep page", 50, get("/members"+deepest(b, s, id, owner, size)))
	serially("audit trail", 50, get("/audit"))
	serially("balance", 50, get("/members/1/balance"))
	serially("visit", 50, func(int) *http.Request { return request("POST", "/servers/"+id+"/visit", owner) })
	serially("join", 200, func(i int) *http.Request { return request("POST", "/servers/"+id+"/join", joining[i]) })
	serially("create a channel", 100, func(int) *http.Request { return newChannel() })
	const atOnce = 128
	var requests [atOnce]*http.Request
	for i := range requests {
		requests[i] = newChannel()
	}
	began := time.Now()
	var group sync.WaitGroup
	for _, r := range requests {
		group.Go(func() {
			if w := send(s.Handler(), r); w.Code != http.StatusOK {
				b.Errorf("%s answered %d: %s", r.URL, w.Code, w.Body)
			}
		})
	}
	group.Wait()
	return append(figures, figure{"create 128 at once, each", float64(time.Since(began).Microseconds()) / atOnce})
}

// deepest is the query of a page in the middle of the members, by cursor where there is one.
func deepest(b *testing.B, s *Server, id, owner string, size int) string {
	page := min(size/2, 10_000)/20 + 1
	var answer struct{ Meta struct{ NextCursor string } }
	w := send(s.Handler(), request("GET", fmt.Sprintf("/servers/%s/members?page=%d&limit=10", id, page), owner))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		b.Fatal(err)
	}
	if answer.Meta.NextCursor == "" {
		return fmt.Sprintf("?page=%d", max(size/40, 1))
	}
	return "?cursor=" + answer.Meta.NextCursor
}

// fillCommunity puts as many of everything that grows as size says into a server, by SQL.
func fillCommunity(b *testing.B, driver string, config Config, id string, size int) {
	address := config.Database
	if driver == "sqlite" {
		address = "file:" + filepath.Join(config.Data, "rejoin.db") + "?_pragma=busy_timeout(10000)&_pragma=synchronous(NORMAL)&_pragma=cache_size(-200000)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if driver == "pgx" { // no foreign key is looked up for each row, as in the other database
		if _, err := db.ExecContext(b.Context(), `SET session_replication_role = replica`); err != nil {
			b.Fatal(err)
		}
	}
	numbers := fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, 1000+size)
	tallied := func(kind string) string {
		return `INSERT INTO tallies (whose, kind, shard, n) VALUES ('` + id + `', '` + kind + `', 0, ` + strconv.Itoa(size) + `)
		ON CONFLICT (whose, kind, shard) DO UPDATE SET n = tallies.n + excluded.n`
	}
	for _, text := range []string{
		`INSERT INTO accounts (number, id, email, display_name, created_at) ` + numbers + `SELECT i, 'a' || i, 'a' || i, 'x', i FROM n`,
		`INSERT INTO members (server_id, account, joined_at) ` + numbers + `SELECT '` + id + `', i, i FROM n`,
		`INSERT INTO audit (id, server_id, actor_type, actor_id, action, target, at) ` + numbers +
			`SELECT 'e' || i, '` + id + `', 'account', '1', 'role.add', '` + id + `', i FROM n`,
		`INSERT INTO visits (server_id, account, day) ` + numbers + `SELECT '` + id + `', 1, 'd' || i FROM n`,
		`INSERT INTO ledger (id, server_id, account, kind, amount, reason, at) ` + numbers + `SELECT 'l' || i, '` + id + `', 1, 'xp', 1, 'l' || i, i FROM n`,
		tallied("members"), tallied("audit"),
		`INSERT INTO totals (server_id, account, xp, coins, visits) VALUES ('` + id + `', 1, ` + strconv.Itoa(size) + `, 0, ` + strconv.Itoa(size) + `)`,
		map[string]string{"pgx": `VACUUM ANALYZE`, "sqlite": `ANALYZE`}[driver],
		map[string]string{"pgx": `CHECKPOINT`, "sqlite": `PRAGMA wal_checkpoint(TRUNCATE)`}[driver], // not while it is measured
	} {
		if _, err := db.ExecContext(b.Context(), text); err != nil && !strings.Contains(text, "tallies") && !strings.Contains(text, "totals") {
			b.Fatalf("%v\n%s", err, text)
		}
	}
}
